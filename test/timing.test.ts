// timeFunction.
import * as lw from 'lanewise';
import { expect, test } from 'vitest';
import { expectRefused, thrown } from './support.js';

test('seconds of one call with its arguments; what it makes is freed', () => {
  const before = lw.info().memory.live;
  const calls: unknown[][] = [];
  const seconds = lw.timeFunction(
    (n: number, name: string) => {
      calls.push([n, name]);
      const end = performance.now() + 5;
      while (performance.now() < end);
      return lw.ones(n);
    },
    1000,
    'ones',
  );
  expect(calls).toEqual([[1000, 'ones']]);
  expect(seconds).toBeGreaterThanOrEqual(0.004);
  expect(lw.info().memory.live).toBe(before);
  const error = thrown(() =>
    lw.timeFunction(() => {
      lw.ones(10);
      throw new RangeError('mine');
    }),
  );
  expect(error).toBeInstanceOf(RangeError);
  expect(lw.info().memory.live).toBe(before);
  expectRefused(() => lw.timeFunction(3 as never), lw.OptionError, 'timeFunction: f must be a function, got 3');
});
