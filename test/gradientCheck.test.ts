// The gradient checker: right slopes, nothing left behind, and wrong gradients found out.
import * as lw from 'lanewise';
import { describe, expect, test, vi } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, thrown, uniforms, values } from './support.js';

const point = (...shape: number[]) =>
  lw.tensor(
    values(
      shape.reduce((a, n) => a * n, 1),
      uniforms(7),
    ),
    { shape, dtype: 'float64' },
  );

/** sum(x³), with temporaries. */
const cubes = (x: lw.Tensor) => lw.mul(lw.mul(x, x), x).sum();

describe('evalNumericalGradient', () => {
  test('slopes of a scalar function; x and memory as before', () => {
    const live = lw.info().memory.live;
    const x = point(2, 3, 2);
    const before = bits(x);
    const gradient = lw.evalNumericalGradient(cubes, x);
    expect([gradient.shape, gradient.dtype]).toEqual([[2, 3, 2], 'float64']);
    expectClose(
      gradient.data,
      Float64Array.from(x.data, (v) => 3 * v * v),
      1e-8,
      'gradient',
    );
    expect(firstDifference(bits(x), before)).toBe(-1);
    gradient.dispose();
    x.dispose();
    expect(lw.info().memory.live).toBe(live);
  });

  test('the step is taken as asked', () => {
    const x = point(3);
    // The central difference of x³ is 3x² + h² exactly.
    const gradient = lw.evalNumericalGradient(cubes, x, { h: 0.5 });
    expectClose(
      gradient.data,
      Float64Array.from(x.data, (v) => 3 * v * v + 0.25),
      1e-12,
      'gradient',
    );
    gradient.dispose();
    x.dispose();
  });

  test('a function may read x elsewhere and give a tensor of one number', () => {
    const x = point(2, 2);
    const gradient = lw.evalNumericalGradient(() => lw.mul(x, 2).sum(0, true).sum(1), x);
    expectClose(gradient.data, [2, 2, 2, 2], 1e-9, 'gradient');
    gradient.dispose();
    x.dispose();
  });

  test('verbose prints each index and slope', () => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => {});
    const x = lw.tensor([[1, 2]], { dtype: 'float64' });
    lw.evalNumericalGradient((t) => t.sum(), x, { verbose: true, h: 0.5 }).dispose();
    expect(print.mock.calls).toEqual([['(0, 0) 1'], ['(0, 1) 1']]);
    print.mockRestore();
    x.dispose();
  });

  test('x is put back when f throws, and f leaves nothing behind', () => {
    const x = point(4);
    const before = bits(x);
    const live = lw.info().memory.live;
    let calls = 0;
    const fail = () => {
      lw.zeros([100]);
      if (++calls === 4) throw new Error('enough');
      return 1;
    };
    expect(thrown(() => lw.evalNumericalGradient(fail, x)).message).toBe('enough');
    expect(firstDifference(bits(x), before)).toBe(-1);
    expect(lw.info().memory.live).toBe(live);
    x.dispose();
  });

  test('float32 is refused, unless the step is one it can resolve', () => {
    const x = lw.tensor([1, 2, 3], { dtype: 'float32' });
    const message = /x must be float64 for steps of h = 0.00001, got float32; float32 drowns them/;
    expectRefused(() => lw.evalNumericalGradient(cubes, x), lw.DTypeError, message);
    const gradient = lw.evalNumericalGradient(cubes, x, { h: 1e-2 });
    expectClose(gradient.data, [3, 12, 27], 1e-2, 'gradient');
    gradient.dispose();
    x.dispose();
  });

  test('what does not fit is refused', () => {
    const x = point(2);
    expectRefused(() => lw.evalNumericalGradient(3 as never, x), lw.OptionError, /f must be a function, got 3/);
    expectRefused(() => lw.evalNumericalGradient(cubes, x, { h: 0 }), lw.ValueError, /h must be/);
    expectRefused(
      () => lw.evalNumericalGradient(cubes, x, { step: 1 } as never),
      lw.OptionError,
      /unknown option 'step'/,
    );
    const pair = () => [1, {}] as never;
    expectRefused(() => lw.evalNumericalGradient(pair, x), lw.ShapeError, /must be one number.*take the loss out of/);
    expectRefused(
      () => lw.evalNumericalGradient((t) => t, x),
      lw.ShapeError,
      /must be one number, got float64 tensor \(2\)/,
    );
    x.dispose();
  });
});

describe('evalNumericalGradientArray', () => {
  test('agrees with an affine layer', () => {
    const live = lw.info().memory.live;
    lw.scope(() => {
      const [x, w, b, dout] = [point(3, 4), point(4, 2), point(2), point(3, 2)];
      const [, cache] = lw.affineForward(x, w, b);
      const [dx, dw, db] = lw.affineBackward(dout, cache);
      for (const [t, analytic] of [
        [x, dx],
        [w, dw],
        [b, db],
      ]) {
        const numeric = lw.evalNumericalGradientArray(() => lw.affineForward(x, w, b)[0], t, dout);
        expect(lw.relError(numeric, analytic)).toBeLessThan(1e-8);
      }
    });
    expect(lw.info().memory.live).toBe(live);
  });

  test('a function that works in place on one output is read at once', () => {
    const x = point(3);
    const out = lw.zeros([3], { dtype: 'float64' });
    const f = (t: lw.Tensor) => {
      for (let i = 0; i < 3; i++) out.data[i] = t.data[i] ** 2;
      return out;
    };
    const df = lw.ones([3], { dtype: 'float64' });
    const gradient = lw.evalNumericalGradientArray(f, x, df);
    expectClose(
      gradient.data,
      Float64Array.from(x.data, (v) => 2 * v),
      1e-9,
      'gradient',
    );
    for (const t of [x, out, df, gradient]) t.dispose();
  });

  test('what does not fit is refused', () => {
    const x = point(2, 2);
    const df = point(4);
    const relu = (t: lw.Tensor) => lw.reluForward(t)[0];
    expectRefused(
      () => lw.evalNumericalGradientArray(relu, x, df),
      lw.ShapeError,
      'evalNumericalGradientArray: df must be (2, 2) like f(x), got (4,)',
    );
    const pair = (t: lw.Tensor) => lw.reluForward(t) as never;
    expectRefused(
      () => lw.evalNumericalGradientArray(pair, x, x),
      lw.ShapeError,
      /take the output out of \[out, cache\]/,
    );
    x.dispose();
    df.dispose();
  });
});

describe('a wrong gradient is found out', () => {
  test.each<[string, (v: number, i: number) => number]>([
    ['one element off by a thousandth', (v, i) => (i === 3 ? 1.001 * v : v)],
    ['the sign', (v) => -v],
    ['a factor', (v) => 2 * v],
  ])('%s', (_, spoil) => {
    lw.scope(() => {
      const [x, w, b, dout] = [point(3, 4), point(4, 2), point(2), point(3, 2)];
      const dw = lw.affineBackward(dout, lw.affineForward(x, w, b)[1])[1];
      const numeric = lw.evalNumericalGradientArray(() => lw.affineForward(x, w, b)[0], w, dout);
      expect(lw.relError(numeric, dw)).toBeLessThan(1e-8);
      expect(lw.relError(numeric, Float64Array.from(dw.data, spoil))).toBeGreaterThan(1e-4);
    });
  });
});

describe('gradCheckSparse', () => {
  test('checks random elements and prints them', () => {
    const live = lw.info().memory.live;
    const x = point(3, 4);
    const before = bits(x);
    const analytic = lw.scope(() => lw.mul(lw.mul(x, x), 3));
    analytic.data[5] = 100;
    const lines: string[] = [];
    const random = new lw.RandomState(1);
    const checks = lw.gradCheckSparse(cubes, x, analytic, { numChecks: 50, random, log: (line) => lines.push(line) });
    expect(checks.length).toBe(50);
    expect(lines.length).toBe(50);
    expect(lines[0]).toMatch(/^numerical: -?\d+\.\d{6} analytic: -?\d+\.\d{6}, relative error: \d\.\d{6}e[+-]\d\d$/);
    for (const { index, numerical, analytic: given, relativeError } of checks) {
      const [i, j] = index;
      expect(given).toBe(analytic.data[4 * i + j]);
      const wrong = i === 1 && j === 1;
      expect(relativeError > 1e-3).toBe(wrong);
      expect(numerical).toBeCloseTo(3 * (x.data[4 * i + j] as number) ** 2, 6);
    }
    // The course draws one index for each axis in turn.
    const same = new lw.RandomState(1);
    expect(checks.slice(0, 5).map((c) => c.index)).toEqual(
      Array.from({ length: 5 }, () => [same.randint(0, 3), same.randint(0, 4)]),
    );
    expect(firstDifference(bits(x), before)).toBe(-1);
    x.dispose();
    analytic.dispose();
    expect(lw.info().memory.live).toBe(live);
  });

  test('0 against 0 is no error', () => {
    const x = point(2);
    const zero = lw.zeros([2], { dtype: 'float64' });
    const [check] = lw.gradCheckSparse(() => 1, x, zero, { numChecks: 1, log: () => {} });
    expect(check.relativeError).toBe(0);
    const longer = point(3);
    expectRefused(() => lw.gradCheckSparse(() => 1, x, longer), lw.ShapeError, /analyticGrad must be \(2,\) like x/);
    for (const t of [x, zero, longer]) t.dispose();
  });
});
