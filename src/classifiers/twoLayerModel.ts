/** The two-layer net of the course's notebook 000: parameters in a plain object, scores and gradients by a function. */
import { checkFloat } from '../arithmetic.js';
import { checkChoice, checkNumber, checkOptions, formatShape, OptionError, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { checkLike } from '../layers/checks.js';
import { attempt } from '../memory.js';
import { random as defaultStream, drawWeights } from '../random.js';
import { empty, type FloatDType, getDefaultDType, type Indices, type Nested, type Tensor } from '../tensor.js';
import { checkExamples, checkLabels } from './checks.js';
import type { NeuralNetOptions } from './neuralNet.js';

/** Parameters of twoLayerNet: W1 (D, H), b1 (H), W2 (H, C), b2 (C), all of one float type. */
export interface TwoLayerModel {
  W1: Tensor;
  b1: Tensor;
  W2: Tensor;
  b2: Tensor;
}

/**
 * A model for twoLayerNet: weights std · randn, drawn in the order W1, W2; biases 0. Its tensors belong to the current scope.
 *
 * @param options std: default 1e-5; dtype: default the default type; random: default lanewise's default stream
 */
export function initTwoLayerModel(
  inputSize: number,
  hiddenSize: number,
  outputSize: number,
  options: NeuralNetOptions = {},
): TwoLayerModel {
  const where = 'initTwoLayerModel';
  for (const [name, value] of Object.entries({ inputSize, hiddenSize, outputSize })) {
    checkNumber(where, name, value, { low: 1, integer: true });
  }
  checkOptions(where, options, ['std', 'random', 'dtype']);
  const { std = 1e-5, random = defaultStream, dtype = getDefaultDType() } = options;
  checkNumber(where, 'std', std, { low: 0 });
  checkChoice(where, 'dtype', dtype, ['float32', 'float64']);
  const weights = (...shape: [number, number]) => {
    const W = empty(shape, dtype);
    drawWeights(W, std, random);
    return W;
  };
  const biases = (size: number) => {
    const b = empty([size], dtype);
    kernels.fill(b, 0);
    return b;
  };
  return attempt(() => ({
    W1: weights(inputSize, hiddenSize),
    b1: biases(hiddenSize),
    W2: weights(hiddenSize, outputSize),
    b2: biases(outputSize),
  }));
}

const PARAMETERS = ['W1', 'b1', 'W2', 'b2'] as const;

function checkModel(where: string, model: TwoLayerModel): { D: number; H: number; C: number } {
  for (const name of PARAMETERS) {
    if (model?.[name] !== undefined) continue;
    const hint = 'initTwoLayerModel() makes one';
    throw new OptionError({ where, rule: `model.${name} is missing`, hint });
  }
  const { W1, b1, W2, b2 } = model;
  checkFloat(where, 'model.W1', W1);
  checkFloat(where, 'model.W2', W2, W1.dtype);
  const [D, H] = W1.shape as [number, number];
  const C = W2.shape[1] as number;
  if (W1.rank !== 2 || W1.size === 0) {
    throw new ShapeError({ where, argument: 'model.W1', rule: 'a matrix (D, H)', value: formatShape(W1.shape) });
  }
  if (W2.rank !== 2 || W2.shape[0] !== H || C === 0) {
    const hint = `H is the second axis of W1 ${formatShape(W1.shape)}`;
    const rule = `(H, C) with H = ${H}`;
    throw new ShapeError({ where, argument: 'model.W2', rule, value: formatShape(W2.shape), hint });
  }
  checkLike(where, 'model.b1', b1, [H], W1, '(H,)');
  checkLike(where, 'model.b2', b2, [C], W1, '(C,)');
  return { D, H, C };
}

/**
 * The two-layer net affine - ReLU - affine - softmax as a function of its parameters.
 *
 * @param X (N, …) with D numbers for each example; any type, computed in the model's
 * @param model W1 (D, H), b1 (H), W2 (H, C), b2 (C)
 * @param y N labels in [0, C)
 * @param reg strength of the regularisation 0.5 · reg · (sum(W1²) + sum(W2²)), default 0
 * @returns without y the scores (N, C), else [loss, gradients by parameter name]
 */
export function twoLayerNet(X: Tensor | Nested, model: TwoLayerModel): Tensor;
export function twoLayerNet(
  X: Tensor | Nested,
  model: TwoLayerModel,
  y: Indices,
  reg?: number,
): [number, Record<keyof TwoLayerModel, Tensor>];
export function twoLayerNet(
  X: Tensor | Nested,
  model: TwoLayerModel,
  y?: Indices | null,
  reg?: number,
): Tensor | [number, Record<keyof TwoLayerModel, Tensor>];
export function twoLayerNet(
  X: Tensor | Nested,
  model: TwoLayerModel,
  y?: Indices | null,
  reg = 0,
): Tensor | [number, Record<keyof TwoLayerModel, Tensor>] {
  const where = 'twoLayerNet';
  const { D, H, C } = checkModel(where, model);
  checkNumber(where, 'reg', reg, { low: 0 });
  const { W1, b1, W2, b2 } = model;
  const dtype = W1.dtype as FloatDType;
  return attempt(() => {
    const x = checkExamples(where, 'X', X, dtype, D, `W1 is ${formatShape(W1.shape)}`);
    const N = x.shape[0] as number;
    const labels = y === undefined || y === null ? undefined : checkLabels(where, 'y', y, N, C);
    // Released by hand, not by a scope: within a plan the memory is then the plan's.
    const release = (...tensors: (Tensor | undefined)[]) => {
      for (const t of tensors) if (t && t !== X && t !== y) t.dispose();
    };
    const h = empty([N, H], dtype);
    kernels.gemm(h, x, W1, N, H, D, { bias: b1, relu: true });
    const scores = empty([N, C], dtype);
    kernels.gemm(scores, h, W2, N, C, H, { bias: b2 });
    if (!labels) {
      release(h, x);
      return scores;
    }
    const losses = empty([N], 'float64');
    const slopes = empty([N, C], dtype);
    kernels.softmaxLoss(losses, slopes, scores, labels, 0);
    let loss = kernels.sumF64(losses) / N;
    release(scores, losses);
    const grads = { W1: empty([D, H], dtype), b1: empty([H], dtype), W2: empty([H, C], dtype), b2: empty([C], dtype) };
    kernels.gemm(grads.W2, h, slopes, H, C, N, { transA: true });
    kernels.columnSums(grads.b2, slopes);
    const dh = empty([N, H], dtype);
    kernels.gemm(dh, slopes, W2, N, H, C, { transB: true });
    kernels.unaryBackward('relu', dh, dh, h);
    kernels.gemm(grads.W1, x, dh, D, H, N, { transA: true });
    kernels.columnSums(grads.b1, dh);
    release(slopes, h, dh);
    for (const name of reg === 0 ? [] : (['W1', 'W2'] as const)) {
      const partials = empty([kernels.decayPartials(model[name])], 'float64');
      loss += 0.5 * reg * kernels.decay(grads[name], model[name], reg, partials);
      release(partials);
    }
    release(labels, x);
    return [loss, grads];
  });
}
