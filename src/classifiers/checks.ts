/** What all classifiers check of their examples and labels. */
import { formatShape, RuntimeError, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { productText, sizeOf } from '../shape.js';
import {
  checkIndices,
  empty,
  type FloatDType,
  getDefaultDType,
  type Indices,
  isTensor,
  type Nested,
  type Tensor,
  tensor,
} from '../tensor.js';

/** Most labels there can be: they are counted in int32. */
export const ANY_LABEL = 2 ** 31 - 1;

/** The type to compute in: that of the examples, the default type for whole numbers and arrays. */
export function floatTypeOf(X: Tensor | Nested): FloatDType {
  return isTensor(X) && X.dtype !== 'int32' ? X.dtype : getDefaultDType();
}

/**
 * Examples (N, …), at least one, as a tensor of type `dtype`: the tensor itself, or a copy in the current scope. D: numbers
 * of an example, if they are known; of: what they are known from, for the hint.
 */
export function checkExamples(
  where: string,
  argument: string,
  X: Tensor | Nested,
  dtype: FloatDType,
  D?: number,
  of?: string,
): Tensor {
  const x = isTensor(X) ? X : tensor(X, { dtype });
  const [N, ...rest] = x.shape;
  if (!N) throw new ShapeError({ where, argument, rule: '(N, …) with N >= 1', value: formatShape(x.shape) });
  if (D !== undefined && sizeOf(rest) !== D) {
    const rule = `(N, …) with ${D} numbers for each example`;
    const hint = rest.length > 1 ? `${of}; ${productText(rest)} = ${sizeOf(rest)}` : of;
    throw new ShapeError({ where, argument, rule, value: formatShape(x.shape), hint });
  }
  if (x.dtype === dtype) return x;
  const converted = empty(x.shape, dtype);
  kernels.convert(converted, x);
  return converted;
}

/** N labels in [0, below) as an int32 tensor: y itself, or a copy in the current scope. */
export function checkLabels(where: string, argument: string, y: Indices, N: number, below: number): Tensor {
  const count = isTensor(y) ? y.size : (y as ArrayLike<number> | undefined)?.length;
  if (count !== N) {
    throw new ShapeError({ where, argument, rule: `${N} labels, one for each example`, value: String(count) });
  }
  return checkIndices(where, argument, y, below);
}

/** What training leaves behind, or an error if there was none. */
export function checkTrained<T>(where: string, trained: T | undefined): T {
  if (trained !== undefined) return trained;
  throw new RuntimeError({ where, rule: 'there is nothing to predict from', hint: 'train(X, y) comes first' });
}

/** Share of equal labels. */
export function accuracyOf(predicted: Tensor, y: Tensor): number {
  const a = predicted.data;
  const b = y.data;
  let right = 0;
  for (let i = 0; i < b.length; i++) if (a[i] === b[i]) right++;
  return right / b.length;
}
