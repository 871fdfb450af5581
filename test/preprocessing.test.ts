import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats, uniforms, values } from './support.js';

const random = (shape: number[], seed: number, dtype: 'float32' | 'float64' = 'float64') => {
  const size = shape.reduce((a, n) => a * n, 1);
  return lw.tensor(values(size, uniforms(seed)), { shape, dtype });
};

describe('Standardizer', () => {
  test.each(floats)('brings training data to mean 0 and deviation 1, others by the same numbers, for %s', (dtype) => {
    lw.scope(() => {
      const [N, D] = [53, 7];
      const X = lw.add(lw.mul(random([N, D], 1, dtype), 30), 100);
      const copy = bits(X);
      const standardizer = new lw.Standardizer(X);
      const tolerance = dtype === 'float32' ? 1e-4 : 1e-12;
      const column = (j: number) => Array.from({ length: N }, (_, i) => X.data[i * D + j]);
      const means = Array.from({ length: D }, (_, j) => column(j).reduce((a, v) => a + v, 0) / N);
      const stds = means.map((m, j) => Math.sqrt(column(j).reduce((a, v) => a + (v - m) ** 2, 0) / N));
      expect([standardizer.mean.shape, standardizer.std.shape]).toEqual([[D], [D]]);
      expectClose(standardizer.mean.data, means, tolerance, 'mean');
      expectClose(standardizer.std.data, stds, tolerance, 'std');
      const train = standardizer.apply(X);
      expect(train.dtype).toBe(dtype);
      expectClose(train.mean(0).data, new Float64Array(D), tolerance, 'mean after');
      expectClose(train.std(0).data, new Float64Array(D).fill(1), tolerance, 'std after');
      const other = random([3, D], 2, dtype);
      const wanted = Array.from(other.data, (v, i) => (v - means[i % D]) / stds[i % D]);
      expectClose(standardizer.apply(other).data, wanted, tolerance, 'others');
      expect(firstDifference(bits(X), copy)).toBe(-1);
      expect(standardizer.apply(X.rows(0, 0)).shape).toEqual([0, D]);
    });
  });

  test.each(floats)('survives columns without variance, whatever their mean rounds to, for %s', (dtype) => {
    lw.scope(() => {
      const constants = [0, 0.1, -1 / 3, 1e-30, 123456.789, 5];
      for (const N of [1, 3, 49, 1000]) {
        const rows = Array.from({ length: N }, () => constants);
        const X = lw.tensor(rows, { dtype });
        const standardizer = new lw.Standardizer(X);
        expect([...standardizer.std.data]).toEqual(constants.map(() => 1));
        expect(standardizer.apply(X).toArray()).toEqual(rows.map((row) => row.map(() => 0)));
        const others = standardizer.apply(lw.add(X, 1));
        expectClose(others.data, new Float64Array(others.size).fill(1), 1e-2, 'others');
      }
    });
  });

  test('takes examples of any shape', () => {
    lw.scope(() => {
      const X = random([11, 3, 4], 3);
      const standardizer = new lw.Standardizer(X);
      expect(standardizer.mean.shape).toEqual([3, 4]);
      const flat = new lw.Standardizer(X.reshape(11, 12)).apply(X.reshape(11, 12));
      expect(firstDifference(bits(standardizer.apply(X)), bits(flat))).toBe(-1);
    });
  });

  test('keeps two tensors, and ends with them', () => {
    const X = random([9, 5], 4);
    const before = lw.info().memory.live;
    const standardizer = new lw.Standardizer(X);
    expect(lw.info().memory.live).toBe(before + 2 * 64);
    standardizer.apply(X).dispose();
    expect(lw.info().memory.live).toBe(before + 2 * 64);
    standardizer.dispose();
    expect(lw.info().memory.live).toBe(before);
    expect(() => standardizer.apply(X)).toThrow(lw.RuntimeError);
    X.dispose();
  });

  test('refuses what has no mean, and other shapes and types', () => {
    const X = random([9, 5], 4);
    const standardizer = new lw.Standardizer(X);
    const refused = (shape: number[], dtype: lw.DType, kind: new (...args: never[]) => Error, message: string) => {
      const x = lw.zeros(shape, { dtype });
      expectRefused(() => standardizer.apply(x), kind, `Standardizer.apply: ${message}`);
      x.dispose();
    };
    refused([9, 4], 'float64', lw.ShapeError, 'X must be (N, 5) like the training examples, got (9, 4)');
    refused([5], 'float64', lw.ShapeError, 'X must be (N, 5) like the training examples, got (5,)');
    refused(
      [9, 5],
      'float32',
      lw.DTypeError,
      'X must be float64 like the training examples, got float32; use astype()',
    );
    refused([9, 5], 'int32', lw.DTypeError, 'X must be float32 or float64, got int32; use astype()');
    for (const shape of [
      [0, 5],
      [5, 0],
    ]) {
      const x = lw.zeros(shape);
      const message = `Standardizer: X must be (N, …) without empty axes, got (${shape.join(', ')})`;
      expectRefused(() => new lw.Standardizer(x), lw.ShapeError, message);
      x.dispose();
    }
    X.data[7] = Number.NaN;
    expectRefused(
      () => new lw.Standardizer(X),
      lw.ValueError,
      'Standardizer: X must be of finite numbers, got mean NaN, deviation NaN of number 2',
    );
  });
});

describe('the bias column', () => {
  test.each(floats)('is put behind and taken off, for %s', (dtype) => {
    lw.scope(() => {
      for (const shape of [
        [5, 3],
        [1, 0],
        [0, 4],
        [7, 169],
      ]) {
        const X = random(shape, 5, dtype);
        const with1 = lw.addBias(X);
        expect([with1.shape, with1.dtype]).toEqual([[shape[0], shape[1] + 1], dtype]);
        expect(with1.toArray()).toEqual((X.toArray() as number[][]).map((row) => [...row, 1]));
        const without = lw.removeBias(with1);
        expect(without.shape).toEqual(shape);
        expect(firstDifference(bits(without), bits(X))).toBe(-1);
      }
    });
  });

  test('is not taken off twice', () => {
    const X = lw.addBias(lw.zeros([3, 2]));
    const once = lw.removeBias(X);
    expectRefused(
      () => lw.removeBias(once),
      lw.ValueError,
      'removeBias: the last column of X must be ones, got 0 in row 0; the bias may have been removed before',
    );
    const [none, list] = [lw.zeros([3, 0]), lw.zeros([3])];
    expectRefused(() => lw.removeBias(none), lw.ShapeError, 'removeBias: X must be (N, D + 1), got (3, 0)');
    expectRefused(() => lw.addBias(list), lw.ShapeError, 'addBias: X must be a matrix (N, D), got (3,)');
  });
});
