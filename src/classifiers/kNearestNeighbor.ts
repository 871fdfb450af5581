/** The k-nearest-neighbour classifier, and the choice of k by cross-validation. */
import { checkFloat } from '../arithmetic.js';
import * as classic from '../classicKernels.js';
import { checkNumber, checkOptions, describe, formatShape, OptionError, ShapeError, ValueError } from '../errors.js';
import { formatFixed } from '../format.js';
import * as kernels from '../kernels.js';
import { attempt, persistent, scope } from '../memory.js';
import { empty, type FloatDType, type Indices, type Nested, type Tensor } from '../tensor.js';
import { ANY_LABEL, accuracyOf, checkExamples, checkLabels, checkTrained, floatTypeOf } from './checks.js';

/** How distances are computed, by the number of loops. */
type Loops = 0 | 1 | 2;

export interface KnnPredictOptions {
  /** Neighbours that vote, default 1. */
  k?: number;
  /** 0 (default): one matrix product; 1: one training set at a time for each example; 2: pair by pair. */
  numLoops?: Loops;
}

/** What train() keeps. */
interface Memory {
  X: Tensor;
  D: number;
  N: number;
  dtype: FloatDType;
  /** Different labels, ascending, and for each example the place of its label among them. */
  classes: Int32Array;
  ranks: Tensor;
  /** Tensors made here; the rest belongs to the user. */
  owned: Tensor[];
}

/** Distances that are held at a time while predicting, in elements: 64 MB in float32. */
const BLOCK = 2 ** 24;

/**
 * k-nearest-neighbour classifier with Euclidean distances.
 *
 *     const knn = new lw.KNearestNeighbor();
 *     knn.train(XTrain, yTrain);
 *     const dists = knn.computeDistancesNoLoops(XTest); // (numTest, numTrain)
 *     knn.predictLabels(dists, 5);                      // or in one: knn.predict(XTest, { k: 5 })
 *
 * Equal distances are ordered by position in the training set, equal votes go to the smaller label. Results do not depend
 * on the number of threads. It reads the training examples where they are, so they must outlive it.
 */
export class KNearestNeighbor {
  #memory: Memory | undefined;

  /**
   * Remembers the training set; one of before is forgotten.
   *
   * @param X (N, …), each example read as a row of numbers. float32 or float64 is used in place; anything else is converted
   *   to the default type
   * @param y N labels, whole numbers >= 0
   */
  train(X: Tensor | Nested, y: Indices): void {
    const where = 'train';
    const dtype = floatTypeOf(X);
    const made = persistent(() =>
      attempt((): Memory => {
        const x = checkExamples(where, 'X', X, dtype);
        const N = x.shape[0] as number;
        const labels = checkLabels(where, 'y', y, N, ANY_LABEL);
        const classes = Int32Array.from(new Set(labels.data)).sort();
        const rank = new Map(Array.from(classes, (label, i) => [label, i]));
        const ranks = empty([N], 'int32');
        ranks.data.set(Array.from(labels.data, (label) => rank.get(label) as number));
        if (labels !== y) labels.dispose();
        return { X: x, N, D: x.size / N, dtype, classes, ranks, owned: x === X ? [ranks] : [ranks, x] };
      }),
    );
    this.dispose();
    this.#memory = made;
  }

  /**
   * Distances of each example to each training example, pair by pair.
   *
   * @param X (M, …) with as many numbers for each example as the training set; any type, computed in the training set's
   * @returns (M, N)
   */
  computeDistancesTwoLoops(X: Tensor | Nested): Tensor {
    return this.#distances('computeDistancesTwoLoops', X, 2);
  }

  /** The same numbers, to the bit, one example against all of the training set at a time. */
  computeDistancesOneLoop(X: Tensor | Nested): Tensor {
    return this.#distances('computeDistancesOneLoop', X, 1);
  }

  /**
   * The same by one matrix product, √(|a|² + |b|² - 2ab), which is many times as fast. Where the difference loses too many
   * digits the pair is computed directly: equal examples have distance 0, and no distance is NaN for rounding. Differs from
   * the loops by about 1e-4 of a distance at most in float32, 1e-9 in float64, and mostly far less. Whole numbers, such as
   * images of bytes that are not normalised, are multiplied as integers, which is exact and faster still.
   */
  computeDistancesNoLoops(X: Tensor | Nested): Tensor {
    return this.#distances('computeDistancesNoLoops', X, 0);
  }

  /**
   * Labels by vote of the nearest k.
   *
   * @param dists (M, N) distances to the N training examples, float32 or float64; NaN counts as farthest
   * @param k neighbours that vote, 1 (default) to N
   * @returns int32 (M)
   */
  predictLabels(dists: Tensor, k = 1): Tensor {
    const where = 'predictLabels';
    const memory = checkTrained(where, this.#memory);
    const d = checkFloat(where, 'dists', dists);
    if (d.rank !== 2 || d.shape[1] !== memory.N) {
      const rule = `(M, N) with N = ${memory.N} training examples`;
      throw new ShapeError({ where, argument: 'dists', rule, value: formatShape(d.shape) });
    }
    checkK(where, 'k', k, memory.N);
    return scope(() => vote(memory, neighbours(d, k), k));
  }

  /**
   * Labels of examples. Distances are computed for some of them at a time, so the memory needed stays small.
   *
   * @param X (M, …), as for computeDistancesTwoLoops
   * @returns int32 (M)
   * @throws ValueError for numLoops other than 0, 1 or 2
   */
  predict(X: Tensor | Nested, options: KnnPredictOptions = {}): Tensor {
    const where = 'predict';
    checkOptions(where, options, ['k', 'numLoops']);
    const { k = 1 } = options;
    const numLoops = checkLoops(where, options.numLoops);
    const memory = checkTrained(where, this.#memory);
    checkK(where, 'k', k, memory.N);
    return scope(() => {
      const x = this.#examples(where, memory, X);
      const M = x.shape[0] as number;
      const labels = empty([M], 'int32');
      const rows = Math.max(1, Math.floor(BLOCK / memory.N));
      for (let from = 0; from < M; from += rows) {
        const part = x.rows(from, Math.min(M, from + rows));
        const found = scope(() => vote(memory, neighbours(fill(memory, part, numLoops), k), k));
        labels.data.set(found.data, from);
        found.dispose();
      }
      return labels;
    });
  }

  /** Internal, for cross-validation: the labels of X for several k, from one computation of the distances. */
  predictEach(X: Tensor, ks: readonly number[], numLoops: Loops): Tensor[] {
    const memory = checkTrained('predict', this.#memory);
    return scope(() => {
      const near = neighbours(fill(memory, X, numLoops), Math.max(...ks));
      return ks.map((k) => vote(memory, near, k));
    });
  }

  /** Frees what train() made. The user's tensors stay. */
  dispose(): void {
    for (const t of this.#memory?.owned ?? []) t.dispose();
    this.#memory = undefined;
  }

  #distances(where: string, X: Tensor | Nested, numLoops: Loops): Tensor {
    const memory = checkTrained(where, this.#memory);
    return scope(() => fill(memory, this.#examples(where, memory, X), numLoops));
  }

  #examples(where: string, { X, D, dtype }: Memory, given: Tensor | Nested): Tensor {
    return checkExamples(where, 'X', given, dtype, D, `the training set is ${formatShape(X.shape)}`);
  }
}

/** Distances (M, N) of checked examples, in the current scope. */
function fill({ X, N, D, dtype }: Memory, x: Tensor, numLoops: Loops): Tensor {
  const M = x.shape[0] as number;
  const dists = empty([M, N], dtype);
  if (numLoops === 2) {
    classic.allDistances(dists, x, X);
  } else if (numLoops === 1) {
    for (let i = 0; i < M; i++) classic.rowDistances(kernels.slice(dists, i * N, N), kernels.slice(x, i * D, D), X);
  } else if (!classic.wholeDistances(dists, x, X)) {
    const [xx, tt] = [empty([M], dtype), empty([N], dtype)];
    classic.expandedDistances(dists, x, X, xx, tt);
    for (const squares of [xx, tt]) squares.dispose();
  }
  return dists;
}

/** int32 (M, k): positions of the nearest training examples, nearest first. */
function neighbours(dists: Tensor, k: number): Tensor {
  const near = empty([dists.shape[0] as number, k], 'int32');
  classic.nearest(near, dists);
  return near;
}

/** int32 (M): what the first k of `near` vote for. */
function vote({ classes, ranks }: Memory, near: Tensor, k: number): Tensor {
  const out = empty([near.shape[0] as number], 'int32');
  classic.vote(out, near, ranks, classes.length, k);
  const { data } = out;
  for (let i = 0; i < data.length; i++) data[i] = classes[data[i] as number] as number;
  return out;
}

function checkK(where: string, argument: string, k: unknown, N: number): number {
  return checkNumber(where, argument, k, { low: 1, high: N, integer: true });
}

function checkLoops(where: string, numLoops: unknown = 0): Loops {
  if (numLoops === 0 || numLoops === 1 || numLoops === 2) return numLoops;
  throw new ValueError({ where, argument: 'numLoops', rule: '0, 1 or 2', value: describe(numLoops) });
}

export interface CrossValidateKnnOptions {
  /** Parts of the data, each of them predicted from the others. Default 5. */
  folds?: number;
  /** Numbers of neighbours to try. Default 1, 3, 5, 8, 10, 12, 15, 20, 50, 100. */
  ks?: readonly number[];
  /** As for predict, default 0. */
  numLoops?: Loops;
  /** Whether to print a line for each accuracy, default false. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
}

/**
 * Accuracies of the nearest-neighbour classifier for several k by cross-validation. The folds are consecutive pieces in
 * the order of the data; if their number does not divide N, the first ones have one example more (NumPy's array_split).
 *
 * @param X (N, …), any type; y: N labels
 * @returns for each k the accuracies of the folds, in order
 */
export function crossValidateKnn(
  X: Tensor | Nested,
  y: Indices,
  options: CrossValidateKnnOptions = {},
): Record<number, number[]> {
  const where = 'crossValidateKnn';
  checkOptions(where, options, ['folds', 'ks', 'numLoops', 'verbose', 'log']);
  const { folds = 5, ks = [1, 3, 5, 8, 10, 12, 15, 20, 50, 100], verbose = false, log = console.log } = options;
  const numLoops = checkLoops(where, options.numLoops);
  return scope(() => {
    const x = checkExamples(where, 'X', X, floatTypeOf(X));
    const N = x.shape[0] as number;
    const labels = checkLabels(where, 'y', y, N, ANY_LABEL).reshape(N);
    checkNumber(where, 'folds', folds, { low: 2, high: N, integer: true });
    if (!Array.isArray(ks) || ks.length === 0) {
      throw new OptionError({ where, argument: 'ks', rule: 'a list of numbers of neighbours', value: describe(ks) });
    }
    const most = N - Math.ceil(N / folds);
    for (const [i, k] of ks.entries()) checkK(where, `ks[${i}]`, k, most);
    const tried = [...new Set(ks)].sort((a, b) => a - b);
    const accuracies: Record<number, number[]> = Object.fromEntries(tried.map((k) => [k, []]));
    const knn = new KNearestNeighbor();
    try {
      for (let fold = 0, from = 0, to = 0; fold < folds; fold++, from = to) {
        to = from + Math.floor(N / folds) + (fold < N % folds ? 1 : 0);
        scope(() => {
          knn.train(without(x, from, to), without(labels, from, to));
          const wanted = labels.rows(from, to);
          const predicted = knn.predictEach(x.rows(from, to), tried, numLoops);
          for (const [i, k] of tried.entries()) accuracies[k].push(accuracyOf(predicted[i], wanted));
        });
      }
    } finally {
      knn.dispose();
    }
    if (verbose) {
      for (const k of tried) {
        for (const accuracy of accuracies[k]) log(`k = ${k}, accuracy = ${formatFixed(accuracy)}`);
      }
    }
    return accuracies;
  });
}

/** Copy of x without rows [from, to). */
function without(x: Tensor, from: number, to: number): Tensor {
  const N = x.shape[0] as number;
  const rest = empty([N - to + from, ...x.shape.slice(1)], x.dtype);
  if (from > 0) kernels.convert(rest.rows(0, from), x.rows(0, from));
  if (to < N) kernels.convert(rest.rows(from), x.rows(to));
  return rest;
}
