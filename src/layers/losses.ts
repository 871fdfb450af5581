/** Losses over class scores: softmax cross-entropy and multiclass hinge (SVM). Both are means over the batch. */
import { checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt } from '../memory.js';
import { checkIndices, empty, type Indices, type Tensor } from '../tensor.js';
import { checkMatrix } from './checks.js';

/** Checked scores (N, C), labels as int32, and room for the result. */
function prepare(where: string, x: Tensor, y: Indices): { labels: Tensor; losses: Tensor; dx: Tensor; N: number } {
  const scores = checkMatrix(where, 'x', x);
  const [N, C] = scores.shape as [number, number];
  if (N === 0 || C === 0) {
    throw new ShapeError({ where, argument: 'x', rule: '(N, C) with N and C >= 1', value: formatShape(scores.shape) });
  }
  if (((y as Tensor)?.size ?? (y as ArrayLike<number>)?.length) !== N) {
    const value = String((y as Tensor)?.size ?? (y as ArrayLike<number>)?.length);
    throw new ShapeError({ where, argument: 'y', rule: `of N = ${N} labels, one for each row of x`, value });
  }
  const labels = checkIndices(where, 'y', y, C);
  return { labels, losses: empty([N], 'float64'), dx: empty(scores.shape, scores.dtype), N };
}

function finish(y: Indices, parts: { labels: Tensor; losses: Tensor; dx: Tensor; N: number }): [number, Tensor] {
  const loss = kernels.sumF64(parts.losses) / parts.N;
  parts.losses.dispose();
  if (parts.labels !== y) parts.labels.dispose();
  return [loss, parts.dx];
}

export interface SoftmaxLossOptions {
  /** Share of the target spread evenly over all classes (Szegedy et al., 2016), default 0. */
  labelSmoothing?: number;
}

/**
 * Softmax cross-entropy, mean over the rows; the largest score of each row is taken out first, so scores of any size
 * are safe.
 *
 * @param x scores (N, C)
 * @param y N labels in [0, C)
 * @returns [loss, dx (N, C)]
 * @throws ValueError for a label out of range
 */
export function softmaxLoss(x: Tensor, y: Indices, options: SoftmaxLossOptions = {}): [number, Tensor] {
  checkOptions('softmaxLoss', options, ['labelSmoothing']);
  const smoothing = checkNumber('softmaxLoss', 'labelSmoothing', options.labelSmoothing ?? 0, { low: 0, high: 1 });
  return attempt(() => {
    const parts = prepare('softmaxLoss', x, y);
    kernels.softmaxLoss(parts.losses, parts.dx, x, parts.labels, smoothing);
    return finish(y, parts);
  });
}

export interface SvmLossOptions {
  /** The margin, default 1. */
  delta?: number;
}

/**
 * Multiclass hinge loss (Weston and Watkins, 1999), mean over the rows of the sum over wrong classes of
 * max(0, x_j - x_y + delta). A margin of exactly 0 counts nothing.
 *
 * @param x scores (N, C)
 * @param y N labels in [0, C)
 * @returns [loss, dx (N, C)]
 */
export function svmLoss(x: Tensor, y: Indices, options: SvmLossOptions = {}): [number, Tensor] {
  checkOptions('svmLoss', options, ['delta']);
  const delta = checkNumber('svmLoss', 'delta', options.delta ?? 1);
  return attempt(() => {
    const parts = prepare('svmLoss', x, y);
    kernels.svmLoss(parts.losses, parts.dx, x, parts.labels, delta);
    return finish(y, parts);
  });
}
