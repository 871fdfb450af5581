/** What happens to the rows of a matrix before a model sees them: standardisation and the bias column. */
import { div, sub } from './arithmetic.js';
import { DTypeError, formatShape, ShapeError, ValueError } from './errors.js';
import { checkBatch, checkMatrix } from './layers/checks.js';
import { attempt } from './memory.js';
import { sameShape } from './shape.js';
import { empty, type Tensor } from './tensor.js';

/**
 * Brings data to mean 0 and standard deviation 1, each number of an example by itself, with what was measured on the
 * training examples:
 *
 *     const standardizer = new lw.Standardizer(XTrain);
 *     const [train, val] = [XTrain, XVal].map((X) => standardizer.apply(X));
 *
 * Numbers that are the same in all training examples have no deviation to divide by: of them only the mean is subtracted.
 */
export class Standardizer {
  /** Mean over the examples, of the shape of one. */
  readonly mean: Tensor;
  /** What is divided by: the deviation over the examples (as Tensor.std), or 1 where there is none. */
  readonly std: Tensor;

  /** X: (N, …) training examples, float32 or float64, N at least 1. The two tensors belong to the current scope. */
  constructor(X: Tensor) {
    const where = 'Standardizer';
    const x = checkBatch(where, 'X', X);
    if (x.size === 0) {
      throw new ShapeError({ where, argument: 'X', rule: '(N, …) without empty axes', value: formatShape(x.shape) });
    }
    [this.mean, this.std] = attempt(() => {
      const [mean, std, low, high] = [x.mean(0), x.std(0), x.min(0), x.max(0)];
      const [means, deviations, lows, highs] = [mean.data, std.data, low.data, high.data];
      for (let i = 0; i < means.length; i++) {
        if (!Number.isFinite(means[i]) || !Number.isFinite(deviations[i])) {
          const value = `mean ${means[i]}, deviation ${deviations[i]} of number ${i}`;
          throw new ValueError({ where, argument: 'X', rule: 'of finite numbers', value });
        }
        // Rounding gives equal numbers a mean beside them, and a deviation of the size of that error.
        if (lows[i] === highs[i]) {
          means[i] = lows[i] as number;
          deviations[i] = 1;
        } else if (deviations[i] === 0) deviations[i] = 1;
      }
      low.dispose();
      high.dispose();
      return [mean, std];
    });
  }

  /** (X - mean) / std, for examples (N, …) of the shape and type of the training examples. */
  apply(X: Tensor): Tensor {
    const where = 'Standardizer.apply';
    const x = checkBatch(where, 'X', X);
    const { mean, std } = this;
    const like = 'like the training examples';
    if (x.dtype !== mean.dtype) {
      const rule = `${mean.dtype} ${like}`;
      throw new DTypeError({ where, argument: 'X', rule, value: x.dtype, hint: 'use astype()' });
    }
    if (!sameShape(x.shape.slice(1), mean.shape)) {
      const rule = `(${['N', ...mean.shape].join(', ')}) ${like}`;
      throw new ShapeError({ where, argument: 'X', rule, value: formatShape(x.shape) });
    }
    return attempt(() => {
      const centred = sub(x, mean);
      const result = div(centred, std);
      centred.dispose();
      return result;
    });
  }

  dispose(): void {
    this.mean.dispose();
    this.std.dispose();
  }
}

/** X (N, D) with a column of ones behind it: (N, D + 1). A weight matrix then holds the bias as its last row. */
export function addBias(X: Tensor): Tensor {
  const x = checkMatrix('addBias', 'X', X);
  const [N, D] = x.shape as [number, number];
  return attempt(() => {
    const out = empty([N, D + 1], x.dtype);
    const to = out.data.fill(1);
    const from = x.data;
    for (let i = 0; i < N; i++) to.set(from.subarray(i * D, (i + 1) * D), i * (D + 1));
    return out;
  });
}

/** X (N, D + 1) without its last column, which must be the ones that addBias made: so it is never taken off twice. */
export function removeBias(X: Tensor): Tensor {
  const where = 'removeBias';
  const x = checkMatrix(where, 'X', X);
  const [N, width] = x.shape as [number, number];
  const D = width - 1;
  const from = x.data;
  if (D < 0) throw new ShapeError({ where, argument: 'X', rule: '(N, D + 1)', value: formatShape(x.shape) });
  for (let i = 0; i < N; i++) {
    const value = from[i * width + D];
    if (value === 1) continue;
    const hint = 'the bias may have been removed before';
    throw new ValueError({
      where,
      argument: 'the last column of X',
      rule: 'ones',
      value: `${value} in row ${i}`,
      hint,
    });
  }
  return attempt(() => {
    const out = empty([N, D], x.dtype);
    const to = out.data;
    const rows = x.data;
    for (let i = 0; i < N; i++) to.set(rows.subarray(i * width, i * width + D), i * D);
    return out;
  });
}
