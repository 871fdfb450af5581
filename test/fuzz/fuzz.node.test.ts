// Two hundred bad inputs for every parser: what `npm run fuzz` does for hours. And every input that failed once.
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { check, fuzz, startEngine } from './run.js';
import { targets } from './targets.js';

const found = new URL('found/', import.meta.url);

beforeAll(startEngine);

test.each(targets)('$name: bad input is refused by typed errors, in time and within memory', async (target) => {
  const { cases, failures } = await fuzz(target, { seed: 20261128, cases: 200 });
  expect(cases).toBe(200);
  expect(failures.map(({ index, why }) => `case ${index}: ${why}`)).toEqual([]);
});

test.each(targets)('$name: good input is taken', async (target) => {
  let accepted = 0;
  for (const input of await target.corpus()) accepted += Number((await check(target, input)).accepted);
  expect(accepted).toBeGreaterThan(0);
});

describe('what failed once', () => {
  test.each(readdirSync(found))('%s', async (file) => {
    const target = targets.find(({ name }) => file.startsWith(`${name}-`));
    if (!target) throw new Error(`no parser for ${file}`);
    const input = Uint8Array.from(readFileSync(new URL(file, found)));
    expect((await check(target, input)).why).toBeUndefined();
  });
});
