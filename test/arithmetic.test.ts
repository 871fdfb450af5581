// Arithmetic and reductions against plain loops, over shapes that fast-check makes up.
import fc from 'fast-check';
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import {
  broadcast,
  type Dense,
  dense,
  operators,
  positions,
  reduce,
  reductions,
  sizeOf,
  transpose,
} from './reference.js';
import { expectClose, expectRefused, floats, uniforms, values } from './support.js';

const dtypes = ['float32', 'float64', 'int32'] as const;
const library = lw as unknown as Record<string, (...args: unknown[]) => lw.Tensor>;
const lift = (x: Dense, dtype: lw.DType) => lw.tensor(x.data, { shape: x.shape, dtype });

/** Whole numbers, exact in every type; none 0. */
function whole(shape: readonly number[], seed: number): Dense {
  const next = uniforms(seed);
  const draw = () => Math.ceil(40 * next()) * (next() < 0.5 ? -1 : 1) || 1;
  return dense(shape, Float64Array.from({ length: sizeOf(shape) }, draw));
}

describe('broadcasting', () => {
  const rounded = { float32: Math.fround, float64: (v: number) => v, int32: (v: number) => v | 0 };

  function check(a: Dense, b: Dense): void {
    for (const dtype of dtypes) {
      for (const [name, op] of Object.entries(operators)) {
        if (name === 'div' && dtype === 'int32') continue;
        lw.scope(() => {
          const wanted = broadcast(a, b, op) as Dense;
          const got = library[name](lift(a, dtype), lift(b, dtype));
          expect(got.shape).toEqual(wanted.shape);
          expect(got.dtype).toBe(dtype);
          expectClose(got.data, wanted.data.map(rounded[dtype]), 0, `${name} (${a.shape}) (${b.shape}) ${dtype}`);
        });
      }
    }
  }

  test.each([
    [[], []],
    [[1], []],
    [[5], [1]],
    [[1], [1, 1, 1]],
    [
      [3, 1],
      [1, 4],
    ],
    [
      [2, 3, 4],
      [3, 1],
    ],
    [
      [2, 3, 4, 5],
      [1, 3, 1, 1],
    ],
    [
      [2, 1, 4, 1],
      [3, 1, 7],
    ],
    [[7, 37], [37]],
    [
      [0, 3],
      [1, 3],
    ],
    [[2, 0], [1]],
    [
      [1, 1, 3],
      [2, 1, 1],
    ],
    [
      [5, 1, 1],
      [1, 1, 1],
    ],
  ])('%j with %j', (a, b) => {
    check(whole(a, 1), whole(b, 2));
    check(whole(b, 3), whole(a, 4));
  });

  test('of any shapes that fit', () => {
    const shape = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });
    const pair = fc.tuple(shape, fc.infiniteStream(fc.constantFrom('same', 'one', 'grow')), fc.nat({ max: 5 }));
    fc.assert(
      fc.property(pair, fc.nat(), ([full, fates, dropped], seed) => {
        const a = full.map((n) => (fates.next().value === 'one' ? 1 : n));
        const b = full
          .map((n, i) => (a[i] !== 1 && fates.next().value === 'one' ? 1 : n))
          .slice(Math.min(dropped, full.length));
        check(whole(a, seed), whole(b, seed + 1));
      }),
      { numRuns: 60 },
    );
  });

  test('refuses shapes that do not fit', () => {
    const [a, b] = [lw.zeros([2, 3]), lw.zeros([2])];
    for (const name of ['add', 'sub', 'mul', 'div'] as const) {
      const message = `${name}: operands of shapes (2, 3) and (2,) do not broadcast; axes are aligned at the end and must be equal or 1`;
      expectRefused(() => library[name](a, b), lw.ShapeError, message);
    }
  });
});

describe('numbers as operands', () => {
  test('take the type of the other side', () => {
    for (const dtype of dtypes) {
      const t = lw.tensor([1, 2, 4], { dtype });
      expect(lw.add(t, 3)).toMatchObject({ dtype, shape: [3] });
      expect(lw.sub(3, t).toArray()).toEqual([2, 1, -1]);
      expect(lw.mul(2, t).toArray()).toEqual([2, 4, 8]);
    }
    expect(lw.div(1, lw.tensor([2, 4])).toArray()).toEqual([0.5, 0.25]);
    expect(lw.add(1, 2).toArray()).toBe(3);
    expect(lw.add(lw.tensor([0.1], { dtype: 'float64' }), 0.2).item()).toBe(0.1 + 0.2);
    expect(lw.mul(lw.zeros([0, 3]), 2).shape).toEqual([0, 3]);
    expect(lw.add(lw.tensor([1]), Number.NaN).item()).toBeNaN();
  });

  test('are not cut off to fit whole numbers', () => {
    const t = lw.tensor([1, 2], { dtype: 'int32' });
    for (const value of [0.5, Number.NaN, 2 ** 31]) {
      expectRefused(
        () => lw.add(t, value),
        lw.DTypeError,
        `add: b must be a whole number like a, got ${value}; use astype() on a`,
      );
      expectRefused(
        () => lw.mul(value, t),
        lw.DTypeError,
        `mul: a must be a whole number like b, got ${value}; use astype() on b`,
      );
    }
  });

  test('leave nothing behind', () => {
    const t = lw.ones([4]);
    const before = lw.info().memory.live;
    lw.add(t, 1).dispose();
    lw.sub(1, t).dispose();
    expect(lw.info().memory.live).toBe(before);
  });
});

test('operands of other types are refused', () => {
  const [a, b, c] = dtypes.map((dtype) => lw.ones([2], { dtype }));
  expectRefused(
    () => lw.add(a, b),
    lw.DTypeError,
    'add: b must be float32 like a, got float64; use astype() on one of them',
  );
  expectRefused(
    () => lw.mul(c, a),
    lw.DTypeError,
    'mul: b must be int32 like a, got float32; use astype() on one of them',
  );
  expectRefused(() => lw.div(c, c), lw.DTypeError, 'div: a must be float32 or float64, got int32; use astype() first');
  expectRefused(
    () => lw.sub([1] as unknown as lw.Tensor, a),
    lw.DTypeError,
    'sub: a must be a tensor or a number, got [1]',
  );
  expectRefused(
    () => lw.sub(a, undefined as unknown as lw.Tensor),
    lw.DTypeError,
    'sub: b must be a tensor or a number, got undefined',
  );
  for (const name of ['exp', 'log', 'sqrt'] as const) {
    expectRefused(
      () => library[name](c),
      lw.DTypeError,
      `${name}: x must be float32 or float64, got int32; use astype()`,
    );
  }
});

test('int32 wraps around as NumPy does', () => {
  const t = lw.tensor([2 ** 31 - 1, -(2 ** 31), 65537], { dtype: 'int32' });
  expect([...lw.add(t, 1).data]).toEqual([-(2 ** 31), 1 - 2 ** 31, 65538]);
  expect([...lw.mul(t, t).data]).toEqual([1, 0, 131073]);
});

describe('division and special numbers', () => {
  test('follow IEEE 754', () => {
    const list = [0, -0, 1, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 5e-324, 1.7e308, 0.1];
    const a = dense([10, 1], list);
    const b = dense([1, 10], list);
    lw.scope(() => {
      for (const [name, op] of Object.entries(operators)) {
        const got = library[name](lift(a, 'float64'), lift(b, 'float64')).data;
        const wanted = (broadcast(a, b, op) as Dense).data;
        wanted.forEach((v, i) => {
          expect(got[i], `${name} ${i}`).toBe(v);
        });
      }
    });
  });
});

describe('reductions', () => {
  const names = Object.keys(reductions) as (keyof typeof reductions)[];
  const inexact: Partial<Record<keyof typeof reductions, number>> = { mean: 1, std: 1 };
  const unit = { float32: 2 ** -23, float64: 2 ** -51, int32: 2 ** -51 };

  function check(x: Dense, dtype: lw.DType): void {
    lw.scope(() => {
      const t = lift(x, dtype);
      for (const name of names) {
        const f = reductions[name] as (list: number[]) => number;
        const whole = t[name]();
        const wanted = f([...x.data]);
        const tolerance = (inexact[name] ? unit[dtype] : 0) * 40;
        expectClose([whole], [wanted], tolerance, `${name} of all of (${x.shape}) ${dtype}`);
        for (let axis = -x.shape.length; axis < x.shape.length; axis++) {
          const got = t[name](axis) as lw.Tensor;
          const along = reduce(x, (axis + x.shape.length) % x.shape.length, f);
          const what = `${name} along ${axis} of (${x.shape}) ${dtype}`;
          expect(got.shape, what).toEqual(along.shape);
          const resultType = name.startsWith('arg') ? 'int32' : dtype === 'int32' && inexact[name] ? 'float64' : dtype;
          expect(got.dtype, what).toBe(resultType);
          expectClose(got.data, along.data, tolerance, what);
        }
      }
    });
  }

  test.each([
    ...[[[1]], [[7]], [[3, 5]], [[1, 9]], [[9, 1]], [[4, 1, 6]], [[2, 3, 4, 5]]],
    // More columns than are summed at a time.
    ...[[[5, 8]], [[3, 21]], [[2, 3, 19]]],
  ])('of %j', (shape) => {
    for (const dtype of dtypes) check(whole(shape, sizeOf(shape)), dtype);
  });

  test('of any shape', () => {
    const shape = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shape, fc.constantFrom(...dtypes), fc.nat(), (s, dtype, seed) => check(whole(s, seed), dtype)),
      { numRuns: 30 },
    );
  });

  test('keep the axis when asked', () => {
    const t = lw.ones([2, 3, 4]);
    for (const name of ['sum', 'mean', 'std', 'max', 'min'] as const) {
      expect(t[name](1, true).shape).toEqual([2, 1, 4]);
      expect(t[name](-1, true).shape).toEqual([2, 3, 1]);
    }
  });

  test('of float32 are computed in float64, and a number is not rounded to float32', () => {
    const n = 100_001;
    const t = lw.full([n], 0.1);
    const one = Math.fround(0.1);
    expect(t.sum()).toBeCloseTo(n * one, 8);
    expect(t.mean()).toBeCloseTo(one, 15);
    expect(t.std()).toBeLessThan(1e-15);
    expect(t.sum(0).item()).toBe(Math.fround(n * one));
    expect(lw.tensor([1, 2 ** -30]).sum()).toBe(1 + 2 ** -30);
  });

  test('of whole numbers are exact as numbers, and means are not cut off', () => {
    const t = lw.tensor([2 ** 31 - 1, 2 ** 31 - 1, 4], { dtype: 'int32' });
    expect(t.sum()).toBe(2 ** 32 + 2);
    expect(lw.tensor([1, 2], { dtype: 'int32' }).mean()).toBe(1.5);
    expect(lw.tensor([1, 2], { dtype: 'int32' }).std()).toBe(0.5);
    expect(
      lw
        .tensor([[1, 2]], { dtype: 'int32' })
        .mean(1)
        .toArray(),
    ).toEqual([1.5]);
    expect([t.max(), t.min(), t.argmax(), t.argmin()]).toEqual([2 ** 31 - 1, 4, 0, 2]);
  });

  test('let NaN win, and the first of equals', () => {
    for (const dtype of floats) {
      const t = lw.tensor([3, Number.NaN, 5, Number.NaN, 5], { dtype });
      expect([t.max(), t.min(), t.sum(), t.mean(), t.std()]).toEqual(Array(5).fill(Number.NaN));
      expect([t.argmax(), t.argmin()]).toEqual([1, 1]);
      const ties = lw.tensor([1, 7, 7, 1, 7], { dtype });
      expect([ties.argmax(), ties.argmin()]).toEqual([1, 0]);
      const infinite = lw.tensor([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], { dtype });
      expect([infinite.max(), infinite.min(), infinite.argmax()]).toEqual([
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        1,
      ]);
      expect(lw.tensor([Number.NEGATIVE_INFINITY], { dtype }).max()).toBe(Number.NEGATIVE_INFINITY);
    }
  });

  test('of nothing: sums are 0, everything else is refused', () => {
    const t = lw.zeros([0, 3]);
    expect(t.sum()).toBe(0);
    expect(t.sum(0).toArray()).toEqual([0, 0, 0]);
    expect(t.sum(1).shape).toEqual([0]);
    expect(t.max(1).shape).toEqual([0]);
    expect(t.mean(1).shape).toEqual([0]);
    expect(t.argmax(1).shape).toEqual([0]);
    for (const name of ['mean', 'std', 'max', 'min', 'argmax', 'argmin'] as const) {
      const message = `${name}: the tensor must be at least one element long along the axis, got (0, 3)`;
      expectRefused(() => t[name](), lw.ShapeError, message);
      expectRefused(() => t[name](0), lw.ShapeError, message);
      expectRefused(() => t[name](2), lw.ShapeError, `${name}: axis must be an axis of (0, 3), got 2`);
    }
  });
});

describe('transpose', () => {
  test('of up to six axes in any order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
        fc.constantFrom(...dtypes),
        (shape, keys, dtype) => {
          const axes = shape.map((_, i) => i).sort((a, b) => keys[a] - keys[b]);
          const x = dense(
            shape,
            Float64Array.from({ length: sizeOf(shape) }, (_, i) => i),
          );
          lw.scope(() => {
            const t = lift(x, dtype);
            const got = t.transpose(...axes);
            const wanted = transpose(x, axes);
            expect(got.shape).toEqual(wanted.shape);
            expect([...got.data]).toEqual([...wanted.data]);
            expect([...t.transpose(axes.map((axis) => axis - shape.length)).data]).toEqual([...wanted.data]);
            expect([...t.transpose().data]).toEqual([...transpose(x).data]);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('has edges', () => {
    expect(lw.tensor(5).transpose().item()).toBe(5);
    expect(lw.zeros([2, 0, 3]).transpose().shape).toEqual([3, 0, 2]);
    const t = lw.zeros([2, 3]);
    for (const axes of [[0], [0, 0], [0, 1, 1], [-1, 1]]) {
      const message = `transpose: axes must be each axis of (2, 3) once, got [${axes.join(', ')}]`;
      expectRefused(() => t.transpose(...axes), lw.ShapeError, message);
    }
    expectRefused(() => t.transpose(0, 2), lw.ShapeError, 'transpose: axis must be an axis of (2, 3), got 2');
  });
});

test('exp, log and sqrt keep shape and type', () => {
  for (const dtype of floats) {
    const t = lw.tensor([[0, 1, 4]], { dtype });
    expect(lw.sqrt(t).toArray()).toEqual([[0, 1, 2]]);
    expect(lw.exp(lw.zeros([2, 1], { dtype })).toArray()).toEqual([[1], [1]]);
    expect(lw.log(lw.ones([1, 2], { dtype })).toArray()).toEqual([[0, 0]]);
    expect(lw.exp(lw.zeros([0], { dtype })).shape).toEqual([0]);
    expect(lw.sqrt(lw.tensor(-1, { dtype })).item()).toBeNaN();
  }
});

test('elements do not depend on where in a vector or range they lie', () => {
  const next = uniforms(4);
  for (const dtype of floats) {
    lw.scope(() => {
      const x = lw.tensor(values(37, next), { dtype });
      const wanted = lw.exp(x).data.slice();
      for (let from = 0; from < 9; from++) {
        for (const to of [from + 1, from + 2, from + 3, from + 7, 37]) {
          expect([...lw.exp(x.rows(from, to)).data]).toEqual([...wanted.subarray(from, to)]);
        }
      }
    });
  }
});

test('positions of the reference are row-major', () => {
  expect([...positions([2, 2])].length).toBe(4);
  expect([...transpose(dense([2, 3], [1, 2, 3, 4, 5, 6])).data]).toEqual([1, 4, 2, 5, 3, 6]);
});
