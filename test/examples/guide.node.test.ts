// The lines of examples/GUIDE.md run as they stand, one after the other, and print what the text promises.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('the guide', async () => {
  const text = readFileSync(new URL('../../examples/GUIDE.md', import.meta.url), 'utf8');
  const lines = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code).join('\n');
  const folder = mkdtempSync(join(tmpdir(), 'lanewise-guide-'));
  const file = join(folder, 'guide.mjs');
  const built = (name: string) => JSON.stringify(new URL(`../../dist/${name}.js`, import.meta.url).href);
  writeFileSync(file, lines.replace("'lanewise'", built('index')).replace("'lanewise/worker'", built('worker')));
  try {
    const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [file], { timeout: 55_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
      });
    });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const printed = stdout.trim().split('\n');
    expect(printed[0]).toMatch(/^\d+ % of the validation images are right$/);
    expect(printed[1]).toMatch(/^the first looks like a \w+$/);
    expect(printed[2], 'scope frees').toBe('true true');
    expect(printed.slice(3, 6).map((line) => line.split(' ')[0])).toEqual(['0', '1', '2']);
    expect(printed[6], 'equal bits').toBe('true');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
