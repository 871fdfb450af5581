// What a start costs in Node: nothing is loaded that is not needed. Times are no test; what Node loads on the way is.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

const library = new URL('../dist/index.js', import.meta.url).href;

test.each([1, 2])('init() and a first call on %d thread(s) do not make Node load fetch', (threads) => {
  const program = `
    const lw = await import(${JSON.stringify(library)});
    await lw.init({ threads: ${threads} });
    const [out] = lw.affineForward(lw.ones([2, 3]), lw.ones([3, 4]), lw.zeros([4]));
    console.log(JSON.stringify({ out: out.toArray(), loaded: process.moduleLoadList }));
  `;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const { out, loaded } = JSON.parse(printed) as { out: number[][]; loaded: string[] };
  expect(out).toEqual(Array(2).fill(Array(4).fill(3)));
  expect(loaded.length).toBeGreaterThan(50);
  expect(loaded.filter((name) => name.includes('undici'))).toEqual([]);
});
