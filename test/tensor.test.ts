import * as lw from 'lanewise';
import { afterEach, describe, expect, test } from 'vitest';
import { bits, expectRefused, firstDifference, floats } from './support.js';

const dtypes = ['float32', 'float64', 'int32'] as const;
const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array };
const live = () => lw.info().memory.live;

afterEach(() => lw.setDefaultDType('float32'));

describe('tensor', () => {
  test('takes nested arrays of any depth', () => {
    const t = lw.tensor([
      [[1], [2], [3]],
      [[4], [5], [6]],
    ]);
    expect(t.shape).toEqual([2, 3, 1]);
    expect([t.dtype, t.size, t.rank]).toEqual(['float32', 6, 3]);
    expect([...t.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(t.toArray()).toEqual([
      [[1], [2], [3]],
      [[4], [5], [6]],
    ]);
    expect(lw.tensor(7).shape).toEqual([]);
    expect(lw.tensor(7).toArray()).toBe(7);
    expect(lw.tensor([]).shape).toEqual([0]);
    expect(lw.tensor([[], []]).shape).toEqual([2, 0]);
    expect(lw.tensor([[], []]).toArray()).toEqual([[], []]);
  });

  test('takes the type of typed arrays, else the default', () => {
    for (const dtype of dtypes) expect(lw.tensor(new arrays[dtype](2)).dtype).toBe(dtype);
    for (const kind of [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Uint8ClampedArray]) {
      expect(lw.tensor(kind.of(1, 2)).dtype).toBe('float32');
    }
    lw.setDefaultDType('float64');
    expect(lw.tensor([1]).dtype).toBe('float64');
    expect(lw.tensor(Uint8Array.of(255)).dtype).toBe('float64');
    expect(lw.tensor(Float32Array.of(1)).dtype).toBe('float32');
    expect(lw.getDefaultDType()).toBe('float64');
  });

  test('copies: neither the array nor the tensor sees the other change', () => {
    const given = Float32Array.of(1, 2, 3);
    const t = lw.tensor(given);
    given[0] = 9;
    t.data[1] = 8;
    expect([...t.data]).toEqual([1, 8, 3]);
    expect([...given]).toEqual([9, 2, 3]);
    const copy = lw.tensor(t);
    t.data[0] = 5;
    expect([...copy.data]).toEqual([1, 8, 3]);
    expect(lw.tensor(lw.zeros([2, 3]), { dtype: 'int32' })).toMatchObject({ shape: [2, 3], dtype: 'int32' });
  });

  test('takes a shape and a type', () => {
    const t = lw.tensor([1.9, -1.9, 3, 4], { shape: [2, 2], dtype: 'int32' });
    expect(t.toArray()).toEqual([
      [1, -1],
      [3, 4],
    ]);
    expect(lw.tensor(new Float64Array(6), { shape: [1, 6] }).shape).toEqual([1, 6]);
  });

  test('refuses what is no array of numbers', () => {
    const rule = 'tensor: values must be nested arrays of numbers of equal lengths, got';
    const cases: [unknown, object, new (...args: never[]) => Error, string][] = [
      [[[1, 2], [3]], {}, lw.ShapeError, `${rule} a row of 1 where 2 stand before it`],
      [[1, [2]], {}, lw.ShapeError, `${rule} an array among numbers`],
      [[[1], 2], {}, lw.ShapeError, `${rule} 2`],
      [['1'], {}, lw.ShapeError, `${rule} '1'`],
      [[null], {}, lw.ShapeError, `${rule} null`],
      [[true], {}, lw.ShapeError, `${rule} true`],
      ['12', {}, lw.ShapeError, "tensor: values must be numbers or arrays of numbers, got '12'"],
      [undefined, {}, lw.ShapeError, 'tensor: values must be numbers or arrays of numbers, got undefined'],
      [null, {}, lw.ShapeError, 'tensor: values must be numbers or arrays of numbers, got null'],
      [
        BigInt64Array.of(1n),
        {},
        lw.ShapeError,
        'tensor: values must be numbers or arrays of numbers, got BigInt64Array(1)',
      ],
      [
        new DataView(new ArrayBuffer(8)),
        {},
        lw.ShapeError,
        'tensor: values must be numbers or arrays of numbers, got DataView',
      ],
      [[1, 2, 3], { shape: [2, 2] }, lw.ShapeError, 'tensor: shape must be a shape of 3 elements, got (2, 2)'],
      [[1], { shape: [-1] }, lw.ShapeError, 'tensor: shape must be a list of integers >= 0, got [-1]'],
      [
        [1],
        { dtype: 'float16' },
        lw.DTypeError,
        "tensor: dtype must be 'float32', 'float64' or 'int32', got 'float16'",
      ],
      [[1], { type: 'int32' }, lw.OptionError, "tensor: unknown option 'type'; did you mean 'dtype'?"],
    ];
    for (const [values, options, kind, message] of cases) {
      expectRefused(() => lw.tensor(values as lw.Nested, options), kind, message);
    }
  });
});

describe('tensors of a rule', () => {
  test('zeros, ones, full', () => {
    for (const dtype of dtypes) {
      expect([...lw.zeros([2, 2], { dtype }).data]).toEqual([0, 0, 0, 0]);
      expect([...lw.ones(3, { dtype }).data]).toEqual([1, 1, 1]);
      expect(lw.full([], -2, { dtype }).item()).toBe(-2);
      expect(lw.zeros([0], { dtype }).dtype).toBe(dtype);
    }
    expect(lw.full([2], Number.NaN).toArray()).toEqual([Number.NaN, Number.NaN]);
    expect(lw.ones([2]).dtype).toBe('float32');
  });

  test('arange as NumPy', () => {
    expect(lw.arange(4).toArray()).toEqual([0, 1, 2, 3]);
    expect(lw.arange(2, 5).toArray()).toEqual([2, 3, 4]);
    expect(lw.arange(5, 0, -2).toArray()).toEqual([5, 3, 1]);
    expect(lw.arange(3, 3).shape).toEqual([0]);
    expect(lw.arange(3, 1).shape).toEqual([0]);
    expect(lw.arange(4).dtype).toBe('int32');
    expect(lw.arange(0, 1, 0.25).dtype).toBe('float32');
    expect(lw.arange(3, { dtype: 'float64' }).dtype).toBe('float64');
    const grid = lw.arange(0.1, 0.25, 0.05, { dtype: 'float64' });
    expect(grid.size).toBe(3);
    expectRefused(
      () => lw.arange(0, 1, 0),
      lw.ValueError,
      /^arange: start, stop, step must be finite, step not 0, got /,
    );
    expectRefused(() => lw.arange(Number.NaN), lw.ValueError, /^arange: /);
    expectRefused(() => lw.arange(0, Number.POSITIVE_INFINITY), lw.ValueError, /^arange: /);
    expectRefused(() => lw.arange(), lw.ValueError, /^arange: /);
    expectRefused(
      () => lw.arange(3, { typ: 'int32' } as object),
      lw.OptionError,
      "arange: unknown option 'typ'; there are dtype",
    );
  });

  test('linspace as NumPy: i * step + start, and the end itself', () => {
    expect(lw.linspace(0, 1, 5).toArray()).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(lw.linspace(2, 1, 1).toArray()).toEqual([2]);
    expect(lw.linspace(0, 1, 0).shape).toEqual([0]);
    expect(lw.linspace(0, 1).size).toBe(50);
    const { data } = lw.linspace(-0.1, 0.5, 240, { dtype: 'float64' });
    const step = (0.5 - -0.1) / 239;
    for (let i = 0; i < 239; i++) expect(data[i]).toBe(i * step + -0.1);
    expect(data[239]).toBe(0.5);
    expectRefused(() => lw.linspace(0, 1, 2.5), lw.ValueError, 'linspace: num must be an integer >= 0, got 2.5');
    expectRefused(() => lw.linspace(0, 1, -1), lw.ValueError, 'linspace: num must be an integer >= 0, got -1');
  });

  test('refuse bad shapes, types and options by name', () => {
    const shape = 'shape must be a list of integers >= 0, got [-1]';
    const dtype = "dtype must be 'float32', 'float64' or 'int32', got 'float'";
    for (const [name, make] of Object.entries({
      zeros: (s: number[], o?: object) => lw.zeros(s, o),
      ones: (s: number[], o?: object) => lw.ones(s, o),
      full: (s: number[], o?: object) => lw.full(s, 1, o),
    })) {
      expectRefused(() => make([-1]), lw.ShapeError, `${name}: ${shape}`);
      expectRefused(() => make([1], { dtype: 'float' }), lw.DTypeError, `${name}: ${dtype}`);
      const message = `${name}: unknown option 'dytpe'; did you mean 'dtype'?`;
      expectRefused(() => make([1], { dytpe: 'int32' }), lw.OptionError, message);
    }
    expectRefused(() => lw.full([1], '1' as unknown as number), lw.ValueError, "full: value must be a number, got '1'");
    expectRefused(
      () => lw.setDefaultDType('int32' as 'float32'),
      lw.OptionError,
      /^setDefaultDType: dtype must be one of 'float32', 'float64', got 'int32'/,
    );
  });
});

describe('views', () => {
  test('reshape and rows share memory with their tensor', () => {
    const t = lw.arange(12, { dtype: 'float32' });
    const before = live();
    const matrix = t.reshape(3, -1);
    const last = matrix.rows(-2).reshape([2, 2, 2]);
    expect(matrix.shape).toEqual([3, 4]);
    expect(last.shape).toEqual([2, 2, 2]);
    expect(live()).toBe(before);
    last.data[7] = 99;
    matrix.data[0] = -1;
    expect([t.data[11], t.data[0]]).toEqual([99, -1]);
    expect(matrix.rows(1, 1).shape).toEqual([0, 4]);
    expect(matrix.rows(1).toArray()).toEqual(matrix.rows(1, 3).toArray());
    expect(matrix.rows(0, -1).shape).toEqual([2, 4]);
    expect(lw.zeros([0, 3]).rows(0).shape).toEqual([0, 3]);
    for (const dtype of dtypes) {
      expect(lw.arange(6, { dtype }).reshape(3, 2).rows(1, 2).toArray()).toEqual([[2, 3]]);
    }
  });

  test('refuse rows out of range', () => {
    const t = lw.zeros([3, 2]);
    for (const [from, to, text] of [
      [0, 4, '0, 4'],
      [-4, 3, '-4, 3'],
      [2, 1, '2, 1'],
      [0.5, 1, '0.5, 1'],
      [0, Number.NaN, '0, NaN'],
    ] as const) {
      expectRefused(() => t.rows(from, to), lw.ValueError, `rows: from, to must be a range within 0..3, got ${text}`);
    }
    const scalar = lw.tensor(1);
    expectRefused(() => scalar.rows(0), lw.ShapeError, 'rows: axis must be an axis of (), got 0');
    expectRefused(() => t.reshape(4), lw.ShapeError, 'reshape: shape must be a shape of 6 elements, got (4,)');
    expectRefused(() => t.reshape(-1, -1), lw.ShapeError, 'reshape: shape must be a shape of 6 elements, got (-1, -1)');
  });

  test('end with their tensor, from whichever side', () => {
    const t = lw.zeros([2, 2]);
    const view = t.rows(1).reshape(2);
    view.dispose();
    for (const ended of [t, view]) {
      expectRefused(() => ended.data, lw.RuntimeError, /^tensor: used after its end: float32 tensor \(/);
    }
  });

  test('data is renewed when memory grows, and the old one is no trap', () => {
    const t = lw.full([100], 3, { dtype: 'float64' });
    const old = t.data;
    expect(t.data).toBe(old);
    const { reserved } = lw.info().memory;
    const large = lw.zeros([reserved / 4]);
    expect(lw.info().memory.reserved).toBeGreaterThan(reserved);
    expect([...t.data]).toEqual(Array(100).fill(3));
    t.data[0] = 4;
    expect(t.sum()).toBe(301);
    large.dispose();
  });
});

describe('a tensor that has ended', () => {
  test('refuses everything but dispose, and leaves no memory behind', () => {
    const t = lw.ones([2, 2]);
    const other = lw.ones([2, 2]);
    const spare = lw.ones([2, 2]);
    t.dispose();
    t.dispose();
    const uses: Record<string, () => unknown> = {
      data: () => t.data,
      toArray: () => t.toArray(),
      item: () => t.item(),
      reshape: () => t.reshape(4),
      rows: () => t.rows(0),
      transpose: () => t.transpose(),
      take: () => t.take([0]),
      'take by it': () => spare.take(t),
      clone: () => t.clone(),
      astype: () => t.astype('int32'),
      'astype of its type': () => t.astype('float32'),
      sum: () => t.sum(),
      'sum of an axis': () => t.sum(0),
      mean: () => t.mean(1),
      std: () => t.std(),
      max: () => t.max(),
      min: () => t.min(0),
      argmax: () => t.argmax(),
      argmin: () => t.argmin(1),
      add: () => lw.add(t, 1),
      'add on the right': () => lw.add(other, t),
      div: () => lw.div(1, t),
      exp: () => lw.exp(t),
      matmul: () => lw.matmul(other, t),
      tensor: () => lw.tensor(t),
      relError: () => lw.relError(t, other),
    };
    for (const [name, use] of Object.entries(uses)) {
      if (name === 'item') expectRefused(use, lw.LanewiseError, /./);
      else
        expectRefused(
          use,
          lw.RuntimeError,
          /^tensor: used after its end: float32 tensor \(2, 2\); it was disposed/,
          name,
        );
    }
    expect(String(t)).toBe('Tensor((2, 2), float32, disposed)');
    expect(String(other)).toBe('Tensor((2, 2), float32)');
  });

  test('is freed at the end of a using block', () => {
    const symbol = (Symbol as unknown as { dispose?: symbol }).dispose ?? Symbol.for('Symbol.dispose');
    const before = live();
    const t = lw.zeros([1000]);
    (t as unknown as Record<symbol, () => void>)[symbol]();
    expect(live()).toBe(before);
  });

  test('does not free the memory of its successor', () => {
    const first = lw.zeros([1000]);
    first.dispose();
    const second = lw.ones([1000]);
    first.dispose();
    expect(second.sum()).toBe(1000);
    const third = lw.full([1000], 5);
    expect([second.sum(), third.sum()]).toEqual([1000, 5000]);
    second.dispose();
    third.dispose();
  });
});

describe('copies', () => {
  test('clone is independent', () => {
    for (const dtype of dtypes) {
      const t = lw.arange(7, { dtype });
      const copy = t.rows(2, 5).clone();
      t.data.fill(0);
      expect(copy.dtype).toBe(dtype);
      expect([...copy.data]).toEqual([2, 3, 4]);
    }
  });

  test('astype rounds to float32 and cuts off towards zero, saturating, to int32', () => {
    const t = lw.tensor([1.5, -1.5, 0.1, 3e9, -3e9, Number.NaN, 1e300, Number.NEGATIVE_INFINITY, -0], {
      dtype: 'float64',
    });
    const most = 2 ** 31;
    expect([...t.astype('int32').data]).toEqual([1, -1, 0, most - 1, -most, 0, most - 1, -most, 0]);
    expect([...t.astype('float32').data]).toEqual([...t.data].map(Math.fround));
    expect([...t.astype('float32').astype('int32').data]).toEqual([1, -1, 0, most - 1, -most, 0, most - 1, -most, 0]);
    expect(Object.is(t.astype('float32').data[8], -0)).toBe(true);
    const whole = lw.tensor([16777217, -5], { dtype: 'int32' });
    expect([...whole.astype('float32').data]).toEqual([16777216, -5]);
    expect([...whole.astype('float64').data]).toEqual([16777217, -5]);
    expect([...whole.astype('float64').astype('float64').data]).toEqual([16777217, -5]);
    const message = "astype: dtype must be 'float32', 'float64' or 'int32', got 'int8'";
    expectRefused(() => t.astype('int8' as 'int32'), lw.DTypeError, message);
  });

  test('take picks rows, in order and again', () => {
    for (const dtype of dtypes) {
      const t = lw.arange(12, { dtype }).reshape(4, 3);
      const wanted = [
        [9, 10, 11],
        [0, 1, 2],
        [9, 10, 11],
      ];
      for (const rows of [[3, 0, 3], Int32Array.of(3, 0, 3), Uint8Array.of(3, 0, 3), lw.tensor([3, 0, 3])]) {
        const taken = t.take(rows);
        expect(taken.toArray()).toEqual(wanted);
        expect(taken.dtype).toBe(dtype);
      }
      expect(t.take([]).shape).toEqual([0, 3]);
      expect(lw.arange(5, { dtype }).take([4, 4]).toArray()).toEqual([4, 4]);
    }
    const t = lw.zeros([4, 3]);
    const rule = 'take: indices must be whole numbers in [0, 4), got';
    expectRefused(() => t.take([0, 4]), lw.ValueError, `${rule} 4 at 1`);
    expectRefused(() => t.take([-1]), lw.ValueError, `${rule} -1 at 0`);
    expectRefused(() => t.take([0.5]), lw.ValueError, `${rule} 0.5 at 0`);
    expectRefused(() => t.take(1 as unknown as number[]), lw.ShapeError, /^take: indices must be a tensor or array/);
    const scalar = lw.tensor(1);
    expectRefused(() => scalar.take([0]), lw.ShapeError, 'take: axis must be an axis of (), got 0');
  });
});

test('item wants one element', () => {
  for (const shape of [[], [1], [1, 1, 1]]) expect(lw.full(shape, 4).item()).toBe(4);
  for (const shape of [[2], [0]]) {
    const t = lw.zeros(shape);
    const message = `item: the tensor must be of one element, got (${shape},)`;
    expectRefused(() => t.item(), lw.ShapeError, message);
  }
});

test('a shape cannot be changed from outside', () => {
  const given = [2, 3];
  const t = lw.zeros(given);
  given[0] = 9;
  expect(t.shape).toEqual([2, 3]);
  expect(() => (t.shape as number[]).push(1)).toThrow(TypeError);
});

test('every tensor starts at a line of 64 bytes, and the next does not overlap it', () => {
  lw.scope(() => {
    const made = [1, 7, 16, 17, 63, 0, 100, 1023].flatMap((n) => dtypes.map((dtype) => lw.full([n], n, { dtype })));
    const ranges = made
      .map(({ data }) => [data.byteOffset, data.byteOffset + data.byteLength])
      .sort((a, b) => a[0] - b[0]);
    for (const [i, [start]] of ranges.entries()) {
      expect(start % 64).toBe(0);
      if (i > 0) expect(start).toBeGreaterThanOrEqual(ranges[i - 1][1]);
    }
    for (const t of made) expect(t.data.every((v) => v === t.size)).toBe(true);
  });
});

test('relError is that of the course', () => {
  expect(lw.relError([1, 2], [1, 2])).toBe(0);
  expect(lw.relError([1, 4], [1, 2])).toBeCloseTo(2 / 6, 15);
  expect(lw.relError([0], [1e-12])).toBe(1e-12 / 1e-8);
  expect(lw.relError([-1], [1])).toBe(1);
  expect(lw.relError(3, 3)).toBe(0);
  expect(lw.relError([], [])).toBe(0);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) expect(lw.relError([1, bad, 2], [1, bad, 2])).toBeNaN();
  for (const dtype of floats) {
    const a = lw.tensor([1, 2, 4], { dtype });
    expect(lw.relError(a, a.clone())).toBe(0);
    expect(lw.relError(a, [1, 2, 5])).toBeCloseTo(1 / 9, 15);
  }
  expectRefused(() => lw.relError([1], [1, 2]), lw.ShapeError, 'relError: b must be of 1 elements like a, got 2');
});

test('reading through views and copies gives the same bits', () => {
  const t = lw.tensor([0.1, -0, Number.NaN, 1e-310], { dtype: 'float64' });
  for (const copy of [t.clone(), t.reshape(2, 2).reshape(4), t.take([0, 1, 2, 3]), lw.tensor(t.data)]) {
    expect(firstDifference(bits(copy), bits(t))).toBe(-1);
  }
});
