/** One pass over memory: arithmetic, activations, sums, copies. Held against a plain copy of as many bytes. */
import { difference, EPSILON, relativeDifference } from '../reference.js';

export const title = 'elementwise and reductions (bytes read and written)';

const WIDTH = { float32: 4, float64: 8 };

/**
 * streams: arrays read and written. prepare does a forward pass, [out, cache], for what goes back. op makes the result from x and y; expected gives one element of it, and is exact up to
 * a few roundings.
 */
const OPERATIONS = {
  add: { streams: 3, op: (lw, x, y) => lw.add(x, y), expected: (x, y) => x + y },
  mul: { streams: 3, op: (lw, x, y) => lw.mul(x, y), expected: (x, y) => x * y },
  relu: { streams: 2, op: (lw, x) => lw.reluForward(x)[0], expected: (x) => Math.max(0, x) },
  reluBackward: {
    streams: 3,
    prepare: (lw, x) => lw.reluForward(x),
    op: (lw, _x, y, [, cache]) => lw.reluBackward(y, cache),
    expected: (x, y) => (x > 0 ? y : 0),
  },
  exp: { streams: 2, op: (lw, x) => lw.exp(x), expected: Math.exp },
  sigmoid: { streams: 2, op: (lw, x) => lw.sigmoidForward(x)[0], expected: (x) => 1 / (1 + Math.exp(-x)) },
  tanh: { streams: 2, op: (lw, x) => lw.tanhForward(x)[0], expected: Math.tanh },
};

function elementwise(operation, rows, columns, dtype) {
  const { streams, op, expected, prepare = () => [] } = OPERATIONS[operation];
  const bytes = streams * rows * columns * WIDTH[dtype];
  return {
    name: `${operation} ${rows}x${columns}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(7);
      const x = random.randn(rows, columns, { dtype });
      const y = random.randn(rows, columns, { dtype });
      const prepared = prepare(lw, x);
      return {
        amount: bytes,
        tensors: [x, y, ...prepared.slice(0, 1)],
        run: () => op(lw, x, y, prepared).dispose(),
        verify(what) {
          const result = op(lw, x, y, prepared);
          const wanted = Float64Array.from(x.data, (value, i) => expected(value, y.data[i]));
          const error = relativeDifference(what, result.data, wanted, 8 * EPSILON[dtype]);
          result.dispose();
          return error;
        },
      };
    },
  };
}

/** axis undefined: everything; 0: over the rows, which gives the sums of columns that a bias gradient is. */
function sum(axis, rows, columns, dtype) {
  const bytes = rows * columns * WIDTH[dtype];
  return {
    name: `sum(${axis ?? ''}) ${rows}x${columns}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const x = new lw.RandomState(8).uniform(0, 1, [rows, columns], { dtype });
      return {
        amount: bytes,
        tensors: [x],
        run: axis === undefined ? () => x.sum() : () => x.sum(axis).dispose(),
        verify(what) {
          const result = x.sum(axis);
          const got = axis === undefined ? [result] : result.data;
          const wanted = new Float64Array(axis === 0 ? columns : 1);
          x.data.forEach((value, i) => {
            wanted[axis === 0 ? i % columns : 0] += value;
          });
          const error = difference(what, got, wanted, EPSILON[dtype] * Math.sqrt(rows * columns));
          if (axis !== undefined) result.dispose();
          return error;
        },
      };
    },
  };
}

/** Rows picked by index: how a random batch is put together. The rows lie in many megabytes, as images do. */
function take(rows, from, columns, dtype) {
  const bytes = 2 * rows * columns * WIDTH[dtype];
  return {
    name: `take ${rows} of ${from}x${columns}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(9);
      const x = random.uniform(0, 1, [from, columns], { dtype });
      const index = random.choice(from, rows);
      return {
        amount: bytes,
        tensors: [x, index],
        run: () => x.take(index).dispose(),
        verify(what) {
          const result = x.take(index);
          const wanted = Float64Array.from({ length: rows * columns }, (_, i) => {
            return x.data[index.data[Math.floor(i / columns)] * columns + (i % columns)];
          });
          const error = difference(what, result.data, wanted, 0);
          result.dispose();
          return error;
        },
      };
    },
  };
}

export function families({ quick }) {
  const shapes = quick
    ? [[50, 101]]
    : [
        [100, 100],
        [256, 256],
        [1024, 1024],
      ];
  return shapes.map(([rows, columns]) => {
    const all = Object.keys(OPERATIONS).map((operation) => elementwise(operation, rows, columns, 'float32'));
    const double = ['add', 'exp'].map((operation) => elementwise(operation, rows, columns, 'float64'));
    const sums = [undefined, 0].map((axis) => sum(axis, rows, columns, 'float32'));
    const picks = rows > 100 ? [] : [take(rows, quick ? 200 : 2000, 3072, 'float32')];
    return [...all, ...double, ...sums, ...picks];
  });
}
