// A few kills of what `npm run torture` does hundreds of times.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../scripts/torture.mjs', import.meta.url));

test('training that is killed again and again leaves whole checkpoints, and ends with the same bits', {
  timeout: 120_000,
}, () => {
  const said = execFileSync(process.execPath, [script, '--kills', '5', '--seed', '2'], { encoding: 'utf8' });
  expect(said).toMatch(
    /^torture: 5 kills \(\d+ before training began, \d+ in the middle of writing a file\), [1-9]\d* checkpoints left, all whole and equal, 1 runs finished/,
  );
});
