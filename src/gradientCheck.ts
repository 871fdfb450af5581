/** Gradients by central differences, to hold analytic ones against. */

import { checkFloat } from './arithmetic.js';
import { checkNumber, checkOptions, DTypeError, describe, formatShape, OptionError, ShapeError } from './errors.js';
import { formatExponent, formatFixed } from './format.js';
import { scope } from './memory.js';
import { random as defaultStream, type RandomSource } from './random.js';
import { sameShape } from './shape.js';
import { empty, isTensor, type Tensor } from './tensor.js';

export interface NumericalGradientOptions {
  /** Half the distance between the two points, default 1e-5. */
  h?: number;
}

/** Below this step float32 differences are noise: its numbers are 6e-8 apart at 1. */
const LEAST_H_FLOAT32 = 1e-3;

function checkPoint(where: string, f: unknown, x: unknown, h: number): Tensor {
  if (typeof f !== 'function') throw new OptionError({ where, argument: 'f', rule: 'a function', value: describe(f) });
  checkNumber(where, 'h', h, { low: 0, openLow: true });
  const point = checkFloat(where, 'x', x);
  if (point.dtype === 'float32' && h < LEAST_H_FLOAT32) {
    throw new DTypeError({
      where,
      argument: 'x',
      rule: `float64 for steps of h = ${h}`,
      value: point.dtype,
      hint: `float32 drowns them in rounding; give tensors and model dtype: 'float64', or h >= ${LEAST_H_FLOAT32}`,
    });
  }
  return point;
}

/** Central differences of `value` along element i of x, which is put back exactly, whatever happens. */
function slope<T>(x: Tensor, i: number, h: number, value: () => T, difference: (high: T, low: T) => number): number {
  // x.data is taken anew each time: `value` may let memory grow.
  const old = x.data[i];
  try {
    x.data[i] = old + h;
    const above = x.data[i] - old;
    const high = value();
    x.data[i] = old - h;
    const below = old - x.data[i];
    const low = value();
    // float32 rounds the two points, so the distance is taken as it came out; in float64 the course's 2h stands.
    return difference(high, low) / (x.dtype === 'float32' ? above + below : 2 * h);
  } finally {
    x.data[i] = old;
  }
}

/** Tensor of the slopes; made last, so that nothing is left over when f throws. */
function gradientOf(x: Tensor, slopeAt: (i: number) => number): Tensor {
  const slopes = Float64Array.from({ length: x.size }, (_, i) => slopeAt(i));
  const gradient = empty(x.shape, 'float64');
  gradient.data.set(slopes);
  return gradient;
}

function checkScalar(where: string, value: unknown): number {
  const number = isTensor(value) && value.size === 1 ? value.item() : value;
  if (typeof number === 'number') return number;
  const hint = Array.isArray(value) ? 'take the loss out of [loss, gradients]' : undefined;
  throw new ShapeError({ where, argument: 'the result of f', rule: 'one number', value: describe(value), hint });
}

function position(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis];
    place.unshift(index % n);
    index = Math.floor(index / n);
  }
  return place;
}

/**
 * Gradient of a scalar function at x by central differences, (f(x + h) - f(x - h)) / 2h for each element.
 *
 * @param f called with x, whose elements change in place between calls; what it allocates is freed. It may ignore its
 *   argument and read x elsewhere: `() => model.loss(X, y)[0]` with x = model.params.W1
 * @param x float64 (float32 only with h >= 1e-3), any shape; the same bits afterwards
 * @param options h: default 1e-5; verbose: print each index and slope
 * @returns float64 tensor of x's shape
 */
export function evalNumericalGradient(
  f: (x: Tensor) => number | Tensor,
  x: Tensor,
  options: NumericalGradientOptions & { verbose?: boolean } = {},
): Tensor {
  const where = 'evalNumericalGradient';
  checkOptions(where, options, ['h', 'verbose']);
  const { h = 1e-5, verbose = false } = options;
  const point = checkPoint(where, f, x, h);
  const value = () => scope(() => checkScalar(where, f(point)));
  return gradientOf(point, (i) => {
    const d = slope(point, i, h, value, (high, low) => high - low);
    if (verbose) console.log(`${formatShape(position(i, point.shape))} ${d}`);
    return d;
  });
}

/**
 * Gradient of sum(f(x) · df) at x by central differences: what a backward pass makes of the upstream gradient df.
 *
 * @param f gives a tensor; called as in evalNumericalGradient
 * @param x float64 (float32 only with h >= 1e-3), any shape; the same bits afterwards
 * @param df shape of f(x), any float type
 * @param options h: default 1e-5
 * @returns float64 tensor of x's shape
 */
export function evalNumericalGradientArray(
  f: (x: Tensor) => Tensor,
  x: Tensor,
  df: Tensor,
  options: NumericalGradientOptions = {},
): Tensor {
  const where = 'evalNumericalGradientArray';
  checkOptions(where, options, ['h']);
  const { h = 1e-5 } = options;
  const point = checkPoint(where, f, x, h);
  const upstream = checkFloat(where, 'df', df);
  const value = () =>
    scope(() => {
      const out: unknown = f(point);
      if (!isTensor(out)) {
        const hint = Array.isArray(out) ? 'take the output out of [out, cache]' : undefined;
        throw new ShapeError({ where, argument: 'the result of f', rule: 'a tensor', value: describe(out), hint });
      }
      if (!sameShape(out.shape, upstream.shape)) {
        const rule = `${formatShape(out.shape)} like f(x)`;
        throw new ShapeError({ where, argument: 'df', rule, value: formatShape(upstream.shape) });
      }
      return Float64Array.from(out.data);
    });
  const difference = (high: Float64Array, low: Float64Array) => {
    const { data } = upstream;
    let sum = 0;
    for (let i = 0; i < high.length; i++) sum += (high[i] - low[i]) * data[i];
    return sum;
  };
  return gradientOf(point, (i) => slope(point, i, h, value, difference));
}

/** One element of a sparse check. */
export interface SparseCheck {
  index: number[];
  numerical: number;
  analytic: number;
  /** |numerical - analytic| / (|numerical| + |analytic|); 0 where both are 0. */
  relativeError: number;
}

export interface GradCheckSparseOptions extends NumericalGradientOptions {
  /** Elements to check, default 10. */
  numChecks?: number;
  /** Stream that picks them, default lanewise's default stream. */
  random?: RandomSource;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
}

/**
 * Compares an analytic gradient with central differences at random elements, where all of them would take too long.
 *
 * @param f scalar function, called as in evalNumericalGradient
 * @param x float64 (float32 only with h >= 1e-3), not empty; the same bits afterwards
 * @param analyticGrad shape of x
 * @returns the checks in order; each is also printed as a line
 */
export function gradCheckSparse(
  f: (x: Tensor) => number | Tensor,
  x: Tensor,
  analyticGrad: Tensor,
  options: GradCheckSparseOptions = {},
): SparseCheck[] {
  const where = 'gradCheckSparse';
  checkOptions(where, options, ['numChecks', 'h', 'random', 'log']);
  const { numChecks = 10, h = 1e-5, random = defaultStream, log = console.log } = options;
  const point = checkPoint(where, f, x, h);
  checkNumber(where, 'numChecks', numChecks, { low: 0, integer: true });
  const gradient = checkFloat(where, 'analyticGrad', analyticGrad);
  if (!sameShape(gradient.shape, point.shape) || point.size === 0) {
    const rule = point.size === 0 ? 'not empty' : `${formatShape(point.shape)} like x`;
    throw new ShapeError({ where, argument: 'analyticGrad', rule, value: formatShape(gradient.shape) });
  }
  const value = () => scope(() => checkScalar(where, f(point)));
  return Array.from({ length: numChecks }, () => {
    const index = point.shape.map((n) => random.randint(0, n));
    const i = index.reduce((at, k, axis) => at * point.shape[axis] + k, 0);
    const numerical = slope(point, i, h, value, (high, low) => high - low);
    const analytic = gradient.data[i];
    const size = Math.abs(numerical) + Math.abs(analytic);
    const relativeError = size === 0 ? 0 : Math.abs(numerical - analytic) / size;
    const numbers = `numerical: ${formatFixed(numerical)} analytic: ${formatFixed(analytic)}`;
    log(`${numbers}, relative error: ${formatExponent(relativeError)}`);
    return { index, numerical, analytic, relativeError };
  });
}
