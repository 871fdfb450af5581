/** Arithmetic on two tensors, with NumPy's broadcasting, and the matrix product. Results are new tensors. */
import { checkOptions, DTypeError, describe, formatShape, ShapeError } from './errors.js';
import * as kernels from './kernels.js';
import { attempt } from './memory.js';
import { broadcast, sameShape, sizeOf } from './shape.js';
import { type DType, empty, full, isTensor, type Tensor } from './tensor.js';

/** Both operands as tensors of one type; numbers take the type of the other operand. */
function operands(where: string, a: Tensor | number, b: Tensor | number): [Tensor, Tensor, Tensor[]] {
  const made: Tensor[] = [];
  const lift = (value: Tensor | number, dtype: DType | undefined, argument: string, other: string): Tensor => {
    if (isTensor(value)) return value;
    if (typeof value !== 'number') {
      throw new DTypeError({ where, argument, rule: 'a tensor or a number', value: describe(value) });
    }
    if (dtype === 'int32' && (value | 0) !== value) {
      const rule = `a whole number like ${other}`;
      throw new DTypeError({ where, argument, rule, value: describe(value), hint: `use astype() on ${other}` });
    }
    const scalar = full([], value, dtype === undefined ? {} : { dtype });
    made.push(scalar);
    return scalar;
  };
  const x = lift(a, isTensor(b) ? b.dtype : undefined, 'a', 'b');
  const y = lift(b, x.dtype, 'b', 'a');
  if (x.dtype !== y.dtype) {
    const hint = 'use astype() on one of them';
    throw new DTypeError({ where, argument: 'b', rule: `${x.dtype} like a`, value: y.dtype, hint });
  }
  return [x, y, made];
}

function combine(where: kernels.BinaryName, a: Tensor | number, b: Tensor | number): Tensor {
  return attempt(() => combined(where, a, b));
}

function combined(where: kernels.BinaryName, a: Tensor | number, b: Tensor | number): Tensor {
  const [x, y, made] = operands(where, a, b);
  if (where === 'div' && x.dtype === 'int32') {
    throw new DTypeError({
      where,
      argument: 'a',
      rule: 'float32 or float64',
      value: 'int32',
      hint: 'use astype() first',
    });
  }
  const shape = broadcast(where, x.shape, y.shape);
  const out = empty(shape, x.dtype);
  if (out.size > 0) spread(where, out, x, y);
  for (const scalar of made) scalar.dispose();
  return out;
}

/**
 * out = x op y. The longest tail of axes on which each operand is either whole or a single number runs in one kernel
 * call; the axes before it are walked.
 */
function spread(op: kernels.BinaryName, out: Tensor, x: Tensor, y: Tensor): void {
  const rank = out.rank;
  const fitted = [x, y].map((t) => [...Array(rank - t.rank).fill(1), ...t.shape] as number[]);
  let tail = rank;
  while (tail > 0 && fitted.every((shape) => fits(shape, out.shape, tail - 1))) tail--;
  const inner = sizeOf(out.shape.slice(tail));
  const outer = out.size / Math.max(1, inner);
  if (outer === 1) {
    kernels.binary(out, x, y, op);
    return;
  }
  const position = Array(tail).fill(0) as number[];
  for (let i = 0; i < outer; i++) {
    const [a, b] = [x, y].map((t, side) => {
      const shape = fitted[side] as number[];
      let row = 0;
      for (let axis = 0; axis < tail; axis++)
        row = row * (shape[axis] as number) + (shape[axis] === 1 ? 0 : (position[axis] as number));
      const count = sizeOf(shape.slice(tail));
      return kernels.slice(t, row * count, count);
    }) as [kernels.Operand, kernels.Operand];
    kernels.binary(kernels.slice(out, i * inner, inner), a, b, op);
    for (let axis = tail - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] as number) + 1;
      if ((position[axis] as number) < (out.shape[axis] as number)) break;
      position[axis] = 0;
    }
  }
}

/** Whether axes [from, …) of `shape` are all those of `out`, or all 1. */
function fits(shape: readonly number[], out: readonly number[], from: number): boolean {
  return sameShape(shape.slice(from), out.slice(from)) || shape.slice(from).every((n) => n === 1);
}

/** a + b, elementwise; axes are aligned at the end, sizes equal or 1, as in NumPy. */
export function add(a: Tensor | number, b: Tensor | number): Tensor {
  return combine('add', a, b);
}

/** a - b */
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  return combine('sub', a, b);
}

/** a * b, elementwise. */
export function mul(a: Tensor | number, b: Tensor | number): Tensor {
  return combine('mul', a, b);
}

/** a / b, elementwise; not for int32. */
export function div(a: Tensor | number, b: Tensor | number): Tensor {
  return combine('div', a, b);
}

/** Elementwise e^x, natural logarithm, square root. */
export function exp(x: Tensor): Tensor {
  return map('exp', x);
}
export function log(x: Tensor): Tensor {
  return map('log', x);
}
export function sqrt(x: Tensor): Tensor {
  return map('sqrt', x);
}

function map(name: kernels.UnaryName, x: Tensor): Tensor {
  checkFloat(name, 'x', x);
  return attempt(() => {
    const y = empty(x.shape, x.dtype);
    kernels.unary(name, y, x);
    return y;
  });
}

/** `value` if it is a float32 or float64 tensor (of type `dtype`, if given). */
export function checkFloat(where: string, argument: string, value: unknown, dtype?: DType): Tensor {
  if (!isTensor(value)) {
    throw new DTypeError({
      where,
      argument,
      rule: 'a tensor',
      value: describe(value),
      hint: 'make one with tensor(…)',
    });
  }
  if (value.dtype === 'int32' || (dtype !== undefined && value.dtype !== dtype)) {
    const rule = dtype === undefined ? 'float32 or float64' : `${dtype} like the first argument`;
    throw new DTypeError({ where, argument, rule, value: value.dtype, hint: 'use astype()' });
  }
  return value;
}

export interface MatmulOptions {
  /** Multiply by the transpose of a: a is (K, M). */
  transA?: boolean;
  /** Multiply by the transpose of b: b is (N, K). */
  transB?: boolean;
}

/** (M, N) = a (M, K) · b (K, N). float32 or float64. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkOptions('matmul', options, ['transA', 'transB']);
  const x = checkFloat('matmul', 'a', a);
  const y = checkFloat('matmul', 'b', b, x.dtype);
  const { transA = false, transB = false } = options;
  for (const [argument, t] of [
    ['a', x],
    ['b', y],
  ] as const) {
    if (t.rank === 2) continue;
    throw new ShapeError({ where: 'matmul', argument, rule: 'a matrix', value: formatShape(t.shape) });
  }
  const [M, K] = (transA ? [x.shape[1], x.shape[0]] : x.shape) as [number, number];
  const [depth, N] = (transB ? [y.shape[1], y.shape[0]] : y.shape) as [number, number];
  if (depth !== K) {
    const rule = transB ? `(N, ${K})` : `(${K}, N)`;
    const hint = `a is ${formatShape(x.shape)}${transA ? ' used transposed' : ''}`;
    throw new ShapeError({ where: 'matmul', argument: 'b', rule, value: formatShape(y.shape), hint });
  }
  return attempt(() => {
    const out = empty([M, N], x.dtype);
    kernels.gemm(out, x, y, M, N, K, { transA, transB });
    return out;
  });
}

/**
 * Largest relative error between two arrays, as in the course: max |a - b| / max(1e-8, |a| + |b|). NaN anywhere gives
 * NaN.
 */
export function relError(a: Tensor | ArrayLike<number> | number, b: Tensor | ArrayLike<number> | number): number {
  const list = (v: typeof a): ArrayLike<number> => (isTensor(v) ? v.data : typeof v === 'number' ? [v] : v);
  const x = list(a);
  const y = list(b);
  if (x.length !== y.length) {
    const rule = `of ${x.length} elements like a`;
    throw new ShapeError({ where: 'relError', argument: 'b', rule, value: String(y.length) });
  }
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const p = x[i] as number;
    const q = y[i] as number;
    const error = Math.abs(p - q) / Math.max(1e-8, Math.abs(p) + Math.abs(q));
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(worst)) break;
  }
  return worst;
}
