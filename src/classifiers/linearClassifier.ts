/** Linear classifiers, scores = X W: softmax and multiclass SVM, their losses, and training by gradient descent. */
import { checkFloat } from '../arithmetic.js';
import { readCheckpoint, writeCheckpoint } from '../checkpoint.js';
import * as classic from '../classicKernels.js';
import { checkNumber, checkOptions, describe, formatShape, OptionError, RuntimeError, ShapeError } from '../errors.js';
import { formatFixed } from '../format.js';
import * as kernels from '../kernels.js';
import { attempt, Plan, persistent, scope } from '../memory.js';
import { random as defaultStream, drawWeights, type RandomSource } from '../random.js';
import { readFile, replaceFile } from '../runtime/files.js';
import { isBrowser } from '../runtime/host.js';
import { empty, type Indices, type Nested, type Tensor, tensor } from '../tensor.js';
import { ANY_LABEL, checkExamples, checkLabels, checkTrained, floatTypeOf } from './checks.js';

type Kind = 'softmax' | 'svm';

/** The weights of a linear classifier: a float matrix (D, C) that is not empty. */
function checkWeights(where: string, W: unknown): Tensor {
  const weights = checkFloat(where, 'W', W);
  if (weights.rank === 2 && weights.size > 0) return weights;
  throw new ShapeError({ where, argument: 'W', rule: 'a matrix (D, C)', value: formatShape(weights.shape) });
}

function checkReg(where: string, reg: unknown): number {
  return checkNumber(where, 'reg', reg, { low: 0 });
}

/** Checks the arguments of a loss and computes it; the gradient goes to the current scope. */
function checkedLoss(
  where: string,
  W: Tensor,
  X: Tensor | Nested,
  y: Indices,
  reg: number,
  compute: (W: Tensor, x: Tensor, labels: Tensor, reg: number) => [number, Tensor],
): [number, Tensor] {
  const weights = checkWeights(where, W);
  const [D, C] = weights.shape as [number, number];
  checkReg(where, reg);
  return scope(() => {
    const dtype = weights.dtype as 'float32' | 'float64';
    const x = checkExamples(where, 'X', X, dtype, D, `W is ${formatShape(weights.shape)}`);
    return compute(weights, x, checkLabels(where, 'y', y, x.shape[0] as number, C), reg);
  });
}

function naive(kind: Kind): (W: Tensor, x: Tensor, labels: Tensor, reg: number) => [number, Tensor] {
  return (W, x, labels, reg) => {
    const dW = empty(W.shape, W.dtype);
    const scores = empty([W.shape[1] as number], 'float64');
    return [classic.linearLossNaive(dW, W, x, labels, scores, kind === 'svm', reg), dW];
  };
}

/**
 * Made of two matrix products. rows: which of x are the examples; without, all of them. Within a plan it takes no memory and
 * makes no object but its result.
 */
function vectorized(
  kind: Kind,
): (W: Tensor, x: Tensor, labels: Tensor, reg: number, rows?: Tensor) => [number, Tensor] {
  return (W, images, labels, reg, choice) => {
    const N = labels.size;
    const [D, C] = W.shape as [number, number];
    let [x, rows] = [images, choice];
    if (choice && !(C <= classic.FEW_CLASSES && images.dtype === W.dtype)) {
      x = empty([N, D], W.dtype);
      kernels.gather(x, images, choice);
      rows = undefined;
    }
    const scores = empty([N, C], W.dtype);
    classic.linearScores(scores, x, W, rows);
    const losses = empty([N], 'float64');
    const slopes = empty([N, C], W.dtype);
    if (kind === 'svm') kernels.svmLoss(losses, slopes, scores, labels, 1);
    else kernels.softmaxLoss(losses, slopes, scores, labels, 0);
    const data = kernels.sumF64(losses) / N;
    for (const t of [scores, losses]) t.dispose();
    const dW = empty([D, C], W.dtype);
    classic.linearGradient(dW, x, slopes, rows);
    slopes.dispose();
    if (reg === 0) return [data, dW];
    const partials = empty([kernels.decayPartials(W)], 'float64');
    const squares = kernels.decay(dW, W, 2 * reg, partials);
    partials.dispose();
    return [data + reg * squares, dW];
  };
}

const NAIVE = { softmax: naive('softmax'), svm: naive('svm') };
const VECTORIZED = { softmax: vectorized('softmax'), svm: vectorized('svm') };

/**
 * Softmax cross-entropy of the scores X W, mean over the examples, plus reg · sum(W²); by plain loops.
 *
 * @param W (D, C), float32 or float64
 * @param X (N, …) with D numbers for each example; any type, computed in W's
 * @param y N labels in [0, C)
 * @param reg >= 0, default 0
 * @returns [loss, dW (D, C)]
 * @throws ShapeError, DTypeError, ValueError
 */
export function softmaxLossNaive(W: Tensor, X: Tensor | Nested, y: Indices, reg = 0): [number, Tensor] {
  return checkedLoss('softmaxLossNaive', W, X, y, reg, NAIVE.softmax);
}

/** The same by matrix products. */
export function softmaxLossVectorized(W: Tensor, X: Tensor | Nested, y: Indices, reg = 0): [number, Tensor] {
  return checkedLoss('softmaxLossVectorized', W, X, y, reg, VECTORIZED.softmax);
}

/** Multiclass hinge loss with margin 1 of the scores X W, plus reg · sum(W²); by plain loops. As softmaxLossNaive. */
export function svmLossNaive(W: Tensor, X: Tensor | Nested, y: Indices, reg = 0): [number, Tensor] {
  return checkedLoss('svmLossNaive', W, X, y, reg, NAIVE.svm);
}

/** The same by matrix products. */
export function svmLossVectorized(W: Tensor, X: Tensor | Nested, y: Indices, reg = 0): [number, Tensor] {
  return checkedLoss('svmLossVectorized', W, X, y, reg, VECTORIZED.svm);
}

export interface LinearTrainOptions {
  /** Step size >= 0, default 1e-3. */
  learningRate?: number;
  /** Strength of the regularisation reg · sum(W²), without the nets' factor 0.5. Default 1e-5. */
  reg?: number;
  /** Steps, default 100. */
  numIters?: number;
  /** Examples of a step, drawn with replacement. Default 200. */
  batchSize?: number;
  /** Whether to print a line every 100 steps, default false. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Stream for the initial weights and the batches, default lanewise's default stream. */
  random?: RandomSource | undefined;
}

export interface SaveOptions {
  /** Whether to print a line, default true. */
  verbose?: boolean;
  /** Takes the line, default console.log. */
  log?: (line: string) => void;
}

/**
 * A linear classifier without bias: append a column of ones to the examples for one. LinearSVM and Softmax differ in their
 * loss only.
 */
export abstract class LinearClassifier {
  #W: Tensor | undefined;

  /** Which loss. */
  protected abstract readonly kind: Kind;

  /** Weights (D, C), undefined before training. Assigning copies; undefined makes training start anew. */
  get W(): Tensor | undefined {
    return this.#W;
  }

  set W(value: Tensor | undefined | null) {
    const copy = value === undefined || value === null ? undefined : checkWeights('W', value);
    const own = copy && persistent(() => copy.clone());
    this.#W?.dispose();
    this.#W = own;
  }

  /**
   * Trains by stochastic gradient descent: numIters times a batch is drawn and W -= learningRate · dW. W is drawn first, as
   * 0.001 · randn(D, C) with C the largest label plus 1, unless there is one already. A loss that is not finite does not end
   * the training. After the first step nothing is allocated.
   *
   * @param X (N, …), read as rows of D numbers; W takes its type (the default type for whole numbers)
   * @param y N labels
   * @returns the loss of each step, before its update
   */
  train(X: Tensor | Nested, y: Indices, options: LinearTrainOptions = {}): number[] {
    const where = 'train';
    checkOptions(where, options, [
      'learningRate',
      'reg',
      'numIters',
      'batchSize',
      'verbose',
      'log',
      'random',
    ] satisfies (keyof LinearTrainOptions)[]);
    const { learningRate = 1e-3, reg = 1e-5, numIters = 100, batchSize = 200, verbose = false } = options;
    const { log = console.log, random = defaultStream } = options;
    checkNumber(where, 'learningRate', learningRate, { low: 0 });
    checkReg(where, reg);
    checkNumber(where, 'numIters', numIters, { low: 0, integer: true });
    checkNumber(where, 'batchSize', batchSize, { low: 1, high: 2 ** 31 - 1, integer: true });
    return scope(() => {
      // Batches are converted as they are drawn, save from whole numbers.
      const x = checkExamples(where, 'X', X, floatTypeOf(X), this.#W?.shape[0], this.#shapeText());
      const N = x.shape[0] as number;
      const D = x.size / N;
      const labels = checkLabels(where, 'y', y, N, this.#W?.shape[1] ?? ANY_LABEL);
      if (D === 0) throw new ShapeError({ where, argument: 'X', rule: 'not empty', value: formatShape(x.shape) });
      this.#W ??= initial(D, labels.max() + 1, floatTypeOf(X), random);
      const W = this.#W;
      const lossHistory: number[] = [];
      const plan = new Plan();
      const step = () => {
        const rows = random.choice(N, batchSize);
        const wanted = empty([batchSize], 'int32');
        kernels.gather(wanted, labels, rows);
        const [loss, dW] = VECTORIZED[this.kind](W, x, wanted, reg, rows);
        kernels.sgd(W, dW, learningRate);
        return loss;
      };
      try {
        for (let i = 0; i < numIters; i++) {
          const loss = plan.run('step', step);
          lossHistory.push(loss);
          if (verbose && i % 100 === 0) log(`iteration ${i} / ${numIters}: loss ${formatFixed(loss)}`);
        }
      } finally {
        plan.dispose();
      }
      return lossHistory;
    });
  }

  /**
   * The class of highest score for each example; the first of equal ones, and of scores that are NaN.
   *
   * @param X (N, …) with D numbers for each example; any type, computed in W's
   * @returns int32 (N), in the current scope
   */
  predict(X: Tensor | Nested): Tensor {
    const where = 'predict';
    const W = checkTrained(where, this.#W);
    const [D, C] = W.shape as [number, number];
    return scope(() => {
      const x = checkExamples(where, 'X', X, floatTypeOf(W), D, this.#shapeText());
      const N = x.shape[0] as number;
      const scores = empty([N, C], W.dtype);
      classic.linearScores(scores, x, W);
      const labels = empty([N], 'int32');
      kernels.argmax(labels, scores, C, 1);
      return labels;
    });
  }

  /**
   * Loss of the current weights, regularisation included, and its gradient.
   *
   * @returns [loss, dW (D, C)]
   */
  loss(X: Tensor | Nested, y: Indices, reg = 0): [number, Tensor] {
    return checkedLoss('loss', checkTrained('loss', this.#W), X, y, reg, VECTORIZED[this.kind]);
  }

  /** The weights as the bytes of a file. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const { dtype, shape, data } = checkTrained('toBytes', this.#W);
    return writeCheckpoint('toBytes', `linear ${this.kind}`, {}, new Map([['W', { dtype, shape, data }]]));
  }

  /** A classifier from the bytes of one of its kind. Throws DataError for anything else. */
  static fromBytes<T extends LinearClassifier>(this: new () => T, bytes: Uint8Array): T {
    const made = new this();
    made.#restore('fromBytes', bytes);
    return made;
  }

  /**
   * Writes the weights to a file and prints that it did; not in browsers: use toBytes() there. A file of that name is
   * replaced at once, when the new one is complete.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'save';
    checkOptions(where, options, ['verbose', 'log']);
    const { verbose = true, log = console.log } = options;
    checkPath(where, path, 'keep the bytes of toBytes() instead');
    await replaceFile(where, path, this.toBytes());
    if (verbose) log(`${path} saved.`);
  }

  /**
   * Takes the weights from a file that save() wrote; not in browsers: use fromBytes() there.
   *
   * @returns whether there is such a file
   * @throws DataError for a file of another kind, with nothing changed
   */
  async load(path: string): Promise<boolean> {
    const where = 'load';
    checkPath(where, path, 'use fromBytes() instead');
    const bytes = await readFile(where, path);
    if (bytes) this.#restore(where, bytes, path);
    return bytes !== undefined;
  }

  /** Frees the weights. */
  dispose(): void {
    this.W = undefined;
  }

  #restore(where: string, bytes: Uint8Array, file?: string): void {
    const stored = readCheckpoint(where, `linear ${this.kind}`, bytes, file);
    const { dtype, shape, data } = stored.arrays.get('W') ?? stored.refuse("an array 'W'");
    scope(() => {
      const W = tensor(data, { dtype, shape });
      stored.checked(() => checkWeights(where, W));
      this.W = W;
    });
  }

  #shapeText(): string | undefined {
    return this.#W && `W is ${formatShape(this.#W.shape)}`;
  }
}

/** First weights: 0.001 · randn. */
function initial(D: number, C: number, dtype: 'float32' | 'float64', random: RandomSource): Tensor {
  return persistent(() =>
    attempt(() => {
      const W = empty([D, C], dtype);
      drawWeights(W, 0.001, random);
      return W;
    }),
  );
}

function checkPath(where: string, path: unknown, hint: string): void {
  if (isBrowser()) throw new RuntimeError({ where, rule: 'browsers have no files', hint });
  if (typeof path === 'string' && path !== '') return;
  throw new OptionError({ where, argument: 'path', rule: 'a path', value: describe(path) });
}

/** Linear classifier with softmax cross-entropy: `new lw.Softmax()`. See LinearClassifier. */
export class Softmax extends LinearClassifier {
  protected override readonly kind = 'softmax';
}

/** Linear classifier with the multiclass hinge loss: `new lw.LinearSVM()`. See LinearClassifier. */
export class LinearSVM extends LinearClassifier {
  protected override readonly kind = 'svm';
}
