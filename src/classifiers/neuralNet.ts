/** Two-layer nets in one piece, as the course's first notebooks have them, and their trainers. */
import { checkFloat } from '../arithmetic.js';
import {
  checkChoice,
  checkNumber,
  checkOptions,
  describe,
  formatShape,
  OptionError,
  RuntimeError,
  ShapeError,
} from '../errors.js';
import { formatExponent, formatFixed, formatShortest } from '../format.js';
import * as kernels from '../kernels.js';
import { checkLike } from '../layers/checks.js';
import { attempt, Plan, persistent, scope } from '../memory.js';
import { type Layer, Network } from '../network.js';
import { random as defaultStream, type RandomSource } from '../random.js';
import { sameShape } from '../shape.js';
import {
  empty,
  type FloatDType,
  getDefaultDType,
  type Indices,
  isTensor,
  type Nested,
  type Tensor,
} from '../tensor.js';
import { ANY_LABEL, accuracyOf, checkExamples, checkLabels, floatTypeOf } from './checks.js';

export interface NeuralNetOptions {
  /** Standard deviation of the initial weights, default 1e-4. */
  std?: number;
  /** Stream for the weights and, unless train() is given another, for the batches; default lanewise's default stream. */
  random?: RandomSource | undefined;
  /** Type of parameters and computation, default the default type (float32). */
  dtype?: FloatDType;
}

export interface NeuralNetTrainOptions {
  /** Step size >= 0, default 1e-3. */
  learningRate?: number;
  /** Factor on the learning rate at each check, default 0.95. */
  learningRateDecay?: number;
  /** Strength of the regularisation 0.5 · reg · sum(W²), default 1e-5. */
  reg?: number;
  /** Steps, default 100. */
  numIters?: number;
  /** Examples of a step, drawn with replacement. Default 200. */
  batchSize?: number;
  /** Whether to print a line every 100 steps, default false. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Stream for the batches, default that of the weights. */
  random?: RandomSource | undefined;
}

export interface TrainingHistory {
  /** Loss of each step, before its update. */
  lossHistory: number[];
  /** Accuracies at each check, as fractions. */
  trainAccHistory: number[];
  valAccHistory: number[];
}

/** x Wᵀ + b with W (units, D), the transpose of what other layers have, through max(0, .) if asked. */
function transposedAffine(units: number, std: number, relu: boolean): Layer {
  return {
    name: 'transposedAffine',
    build(builder, input) {
      const D = input[0] as number;
      const W = builder.parameter('W', [units, D], { normal: std });
      const b = builder.parameter('b', [units], { fill: 0 });
      let x: Tensor;
      let out: Tensor;
      return {
        shape: [units],
        keepsInput: true,
        keepsOutput: relu,
        forward(given) {
          const N = given.shape[0] as number;
          x = given;
          out = empty([N, units], builder.dtype);
          kernels.gemm(out, x, W.value, N, units, D, { transB: true, bias: b.value, relu });
          return out;
        },
        backward(dout, needDx) {
          const N = x.shape[0] as number;
          const dx = needDx ? empty([N, D], builder.dtype) : undefined;
          const dW = empty([units, D], builder.dtype);
          const db = empty([units], builder.dtype);
          const slopes = relu ? empty([N, units], builder.dtype) : dout;
          if (relu) kernels.unaryBackward('relu', slopes, dout, out);
          kernels.gemm(dW, slopes, x, units, D, N, { transA: true });
          kernels.columnSums(db, slopes);
          if (dx) kernels.gemm(dx, slopes, W.value, N, D, units);
          if (relu) slopes.dispose();
          W.gradient = dW;
          b.gradient = db;
          return dx;
        },
      };
    },
  };
}

/**
 * The two-layer net affine - ReLU - affine - softmax in one piece, with its own training loop. Its weights lie transposed to
 * those of all other nets: W1 (H, D), b1 (H), W2 (C, H), b2 (C); they are drawn in the order W1, W2 as std · randn. It is a
 * Network, so a Solver can train it too.
 */
export class NeuralNet extends Network {
  constructor(inputSize: number, hiddenSize: number, outputSize: number, options: NeuralNetOptions = {}) {
    const where = 'NeuralNet';
    for (const [name, value] of Object.entries({ inputSize, hiddenSize, outputSize })) {
      checkNumber(where, name, value, { low: 1, integer: true });
    }
    checkOptions(where, options, ['std', 'random', 'dtype']);
    const { std = 1e-4, ...rest } = options;
    checkNumber(where, 'std', std, { low: 0 });
    const layers = [transposedAffine(hiddenSize, std, true), transposedAffine(outputSize, std, false)];
    super(layers, { inputDim: inputSize, ...rest });
  }

  /**
   * Without labels: the scores (N, C). With labels: the loss, 0.5 · reg · sum(W²) included, and the gradients by parameter
   * name. Results are the caller's, in the current scope.
   *
   * @param X (N, …) with inputSize numbers for each example; any type, computed in the net's
   * @param y N labels in [0, C)
   * @param reg default the net's own, which is 0 unless it was set
   */
  override loss(X: Tensor | Nested): Tensor;
  override loss(X: Tensor | Nested, y: Indices, reg?: number): [number, Record<string, Tensor>];
  override loss(X: Tensor | Nested, y?: Indices | null, reg?: number): Tensor | [number, Record<string, Tensor>];
  override loss(
    X: Tensor | Nested,
    y?: Indices | null,
    reg: number = this.reg,
  ): Tensor | [number, Record<string, Tensor>] {
    checkNumber('loss', 'reg', reg, { low: 0 });
    return this.#withReg(reg, () => super.loss(X, y ?? undefined));
  }

  /**
   * Trains by stochastic gradient descent. Whenever the number of the step is a multiple of N / batchSize (of 1, if that is
   * less), which need not be a whole number, accuracy is measured on the batch of the step and on the validation set, and
   * then the learning rate decays. A loss that is not finite does not end the training.
   *
   * @param X (N, …) training examples; y: N labels
   * @param XVal (Nval, …) validation examples; yVal: Nval labels
   */
  train(
    X: Tensor | Nested,
    y: Indices,
    XVal: Tensor | Nested,
    yVal: Indices,
    options: NeuralNetTrainOptions = {},
  ): TrainingHistory {
    const where = 'train';
    checkOptions(where, options, [
      'learningRate',
      'learningRateDecay',
      'reg',
      'numIters',
      'batchSize',
      'verbose',
      'log',
      'random',
    ] satisfies (keyof NeuralNetTrainOptions)[]);
    const { learningRate = 1e-3, learningRateDecay = 0.95, reg = 1e-5, numIters = 100, batchSize = 200 } = options;
    const { verbose = false, log = console.log, random = this.random } = options;
    for (const [name, value] of Object.entries({ learningRate, learningRateDecay, reg })) {
      checkNumber(where, name, value, { low: 0 });
    }
    checkNumber(where, 'numIters', numIters, { low: 0, integer: true });
    checkNumber(where, 'batchSize', batchSize, { low: 1, high: 2 ** 31 - 1, integer: true });
    const history: TrainingHistory = { lossHistory: [], trainAccHistory: [], valAccHistory: [] };
    const plan = new Plan();
    try {
      return scope(() => {
        const train = this.#examples('X', X, 'y', y);
        const val = this.#examples('XVal', XVal, 'yVal', yVal);
        const period = Math.max(train.N / batchSize, 1);
        let rate = learningRate;
        for (let i = 0; i < numIters; i++) {
          const rows = plan.run('rows', () => random.choice(train.N, batchSize));
          const batch = this.batch(train.X, rows);
          const labels = plan.run('labels', () => {
            const wanted = empty([batchSize], 'int32');
            kernels.gather(wanted, train.y, rows);
            return wanted;
          });
          const { loss, gradients } = this.#withReg(reg, () => this.lossAndGradients(batch, labels));
          history.lossHistory.push(loss);
          for (const name of this.paramNames) kernels.sgd(this.params[name], gradients[name], rate);
          if (verbose && i % 100 === 0) log(`iteration ${i} / ${numIters}: loss ${formatShortest(loss)}`);
          if (i % period !== 0) continue;
          history.trainAccHistory.push(accuracyOf(this.predictBatch(batch), labels));
          history.valAccHistory.push(scope(() => accuracyOf(this.predict(val.X), val.y)));
          rate *= learningRateDecay;
        }
        return history;
      });
    } finally {
      plan.dispose();
    }
  }

  #withReg<T>(reg: number, act: () => T): T {
    const before = this.reg;
    this.reg = reg;
    try {
      return act();
    } finally {
      this.reg = before;
    }
  }

  #examples(nameX: string, X: Tensor | Nested, nameY: string, y: Indices): { X: Tensor; y: Tensor; N: number } {
    const D = this.inputShape[0] as number;
    // Whole numbers stay what they are: batches are converted as they are drawn.
    const dtype = isTensor(X) ? (X.dtype as FloatDType) : this.dtype;
    const x = checkExamples('train', nameX, X, dtype, D, `the net was made for inputs of ${D}`);
    const N = x.shape[0] as number;
    return { X: x, y: checkLabels('train', nameY, y, N, this.numClasses), N };
  }
}

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
    // Drawn and scaled in float64, then rounded: the same weights in every type.
    scope(() => {
      const drawn = random.randn(...shape);
      kernels.unary('scale', drawn, drawn, std);
      kernels.convert(W, drawn);
    });
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

/** A model as ClassifierTrainer trains it: float tensors by name. */
export type TrainerModel = Record<string, Tensor>;

/** loss(X, model) gives the scores (N, C), loss(X, model, y, reg) the loss and the gradients by name: twoLayerNet is one. */
export type LossFunction<M extends object = TrainerModel> = (
  X: Tensor,
  model: M,
  y?: Tensor,
  reg?: number,
) => Tensor | [number, Readonly<Record<string, Tensor>>];

export interface ClassifierTrainerOptions {
  /** Passed on to the loss function, default 0. */
  reg?: number;
  /** Step size >= 0, default 1e-2. */
  learningRate?: number;
  /** Share of the last step that 'momentum' keeps, default 0. */
  momentum?: number;
  /** Factor on the learning rate after each epoch, default 0.95. */
  learningRateDecay?: number;
  /** 'momentum' (default), 'sgd' or 'rmsprop'. */
  update?: 'sgd' | 'momentum' | 'rmsprop';
  /** Draw a batch for each step (default true), or use all examples in every step, which makes an epoch one step. */
  sampleBatches?: boolean;
  /** Default 30. */
  numEpochs?: number;
  /** Examples of a step, drawn with replacement. Default 100. */
  batchSize?: number;
  /** Steps between accuracy checks besides those at the ends of epochs, default none. */
  accFrequency?: number | null;
  /** Whether to print lines, default false. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Stream for batches and checks, default lanewise's default stream. */
  random?: RandomSource | undefined;
  /** Of 'rmsprop': what is added to the cache, default 1e-8; share of the cache a step keeps, default 0.99. */
  epsilon?: number;
  decayRate?: number;
  /** Of 'rmsprop': whether epsilon stands inside the root, √(cache + epsilon), the default, or is added to it. */
  epsilonInside?: boolean;
}

const TRAINER_OPTIONS = [
  'reg',
  'learningRate',
  'momentum',
  'learningRateDecay',
  'update',
  'sampleBatches',
  'numEpochs',
  'batchSize',
  'accFrequency',
  'verbose',
  'log',
  'random',
  'epsilon',
  'decayRate',
  'epsilonInside',
] as const satisfies readonly (keyof ClassifierTrainerOptions)[];

/** Training examples drawn for an accuracy check, if there are more. */
const CHECKED = 1000;

export interface TrainerResult<M extends object = TrainerModel> extends TrainingHistory {
  /** A copy of the model at its best validation accuracy. */
  bestModel: M;
}

/**
 * Trains any model that is a set of tensors, given a function for its scores and gradients. Its update rules are its own:
 * 'rmsprop' has epsilon inside the root, unlike lw.rmsprop.
 *
 *     const model = lw.initTwoLayerModel(3072, 50, 10);
 *     const trainer = new lw.ClassifierTrainer();
 *     const { bestModel } = trainer.train(XTrain, yTrain, XVal, yVal, model, lw.twoLayerNet, { momentum: 0.9 });
 *
 * What 'momentum' and 'rmsprop' remember of earlier steps is kept from one call of train() to the next, as long as the
 * trainer lives: take a new trainer for another model.
 */
export class ClassifierTrainer {
  /** Last steps or moving averages of squared gradients, by parameter name. */
  readonly stepCache: Record<string, Tensor> = {};

  /**
   * Trains `model` in place. Accuracy is measured after the first step, at the end of each epoch and every accFrequency
   * steps, on the validation set and on 1000 training examples drawn with replacement, or on all if there are no more. At
   * the end of an epoch, unless that is the first step, the learning rate decays.
   *
   * @param X (N, …) training examples; y: N labels
   * @param XVal (Nval, …) validation examples; yVal: Nval labels
   * @param model float tensors by name; changed
   * @param lossFunction lossFunction(X, model) returns scores, lossFunction(X, model, y, reg) [loss, gradients]
   */
  train<M extends object>(
    X: Tensor | Nested,
    y: Indices,
    XVal: Tensor | Nested,
    yVal: Indices,
    model: M,
    lossFunction: LossFunction<M>,
    options: ClassifierTrainerOptions = {},
  ): TrainerResult<M> {
    const where = 'ClassifierTrainer.train';
    const settings = settle(where, options);
    const params = checkParameters(where, model);
    if (typeof lossFunction !== 'function') {
      const value = describe(lossFunction);
      throw new OptionError({ where, argument: 'lossFunction', rule: 'a function', value });
    }
    this.#checkCache(where, params);
    const plan = new Plan();
    try {
      return attempt(() => {
        const bestModel = Object.fromEntries(Object.entries(params).map(([name, t]) => [name, t.clone()]));
        const history = scope(() => {
          const train = examplesOf(where, 'X', X, 'y', y);
          const val = examplesOf(where, 'XVal', XVal, 'yVal', yVal);
          return this.#run(params, bestModel, train, val, lossFunction as LossFunction<object>, settings, plan);
        });
        return { bestModel: bestModel as M, ...history };
      });
    } finally {
      plan.dispose();
    }
  }

  #run(
    model: TrainerModel,
    bestModel: TrainerModel,
    train: Examples,
    val: Examples,
    lossFunction: LossFunction<object>,
    settings: TrainerSettings,
    plan: Plan,
  ): TrainingHistory {
    const { sampleBatches, batchSize, numEpochs, accFrequency, random, print, reg, learningRateDecay } = settings;
    const history: TrainingHistory = { lossHistory: [], trainAccHistory: [], valAccHistory: [] };
    // Functions of the user's may keep tensors they make, so theirs do not take turns in a plan.
    const own = (lossFunction as unknown) === twoLayerNet;
    const within = <T>(key: string, act: () => T): T => (own ? plan.run(key, act) : scope(act));
    const perEpoch = sampleBatches ? Math.max(1, Math.floor(train.N / batchSize)) : 1;
    const numIters = numEpochs * perEpoch;
    let { learningRate } = settings;
    let best: number | undefined;
    let epoch = 0;
    for (let i = 0; i < numIters; i++) {
      if (i % 10 === 0) print(`starting iteration ${i}`);
      const batch = sampleBatches ? draw(plan, 'batch', train, batchSize, random) : train;
      const cost = within('step', () => {
        const [loss, gradients] = checkLoss(lossFunction(batch.X, model, batch.y, reg));
        for (const [name, w] of Object.entries(model)) {
          this.#update(name, w, checkGradient(name, gradients[name], w), learningRate, settings);
        }
        return loss;
      });
      history.lossHistory.push(cost);
      const epochEnds = (i + 1) % perEpoch === 0;
      const asked = accFrequency !== null && i % accFrequency === 0;
      if (i > 0 && !epochEnds && !asked) continue;
      if (i > 0 && epochEnds) {
        learningRate *= learningRateDecay;
        epoch++;
      }
      const some = train.N > CHECKED ? draw(plan, 'check', train, CHECKED, random) : train;
      const accuracy = ({ X, y }: Examples, key: string) =>
        within(key, () => {
          const labels = checkScores(lossFunction(X, model), X).argmax(1);
          return accuracyOf(labels, y);
        });
      const trainAcc = accuracy(some, 'train');
      const valAcc = accuracy(val, 'val');
      history.trainAccHistory.push(trainAcc);
      history.valAccHistory.push(valAcc);
      // The first check counts even at accuracy 0, so that there is always a best model.
      if (best === undefined || valAcc > best) {
        best = valAcc;
        for (const [name, t] of Object.entries(model)) kernels.convert(bestModel[name] as Tensor, t);
      }
      const accuracies = `train: ${formatFixed(trainAcc)}, val ${formatFixed(valAcc)}`;
      const numbers = `cost ${formatFixed(cost)}, ${accuracies}, lr ${formatExponent(learningRate)}`;
      print(`Finished epoch ${epoch} / ${numEpochs}: ${numbers}`);
    }
    print(`finished optimization. best validation accuracy: ${formatFixed(best ?? 0)}`);
    return history;
  }

  #update(name: string, w: Tensor, dw: Tensor, rate: number, settings: TrainerSettings): void {
    const { update, momentum, decayRate: keep, epsilon: eps, epsilonInside: inside } = settings;
    if (update === 'sgd') {
      kernels.sgd(w, dw, rate);
      return;
    }
    this.stepCache[name] ??= persistent(() => {
      const zeros = empty(w.shape, w.dtype);
      kernels.fill(zeros, 0);
      return zeros;
    });
    const cache = this.stepCache[name];
    if (update === 'momentum') kernels.momentum(w, dw, cache, rate, momentum, false);
    else kernels.rmsprop(w, dw, cache, { rate, keep, take: 1 - keep, eps, inside });
  }

  #checkCache(where: string, model: TrainerModel): void {
    for (const [name, cached] of Object.entries(this.stepCache)) {
      const w = model[name];
      if (!w || (sameShape(w.shape, cached.shape) && w.dtype === cached.dtype)) continue;
      const rule = `${describe(cached)} as in earlier calls`;
      const hint = 'take a new ClassifierTrainer for another model';
      throw new ShapeError({ where, argument: `model.${name}`, rule, value: describe(w), hint });
    }
  }

  /** Frees what the update rules remember. */
  dispose(): void {
    for (const [name, t] of Object.entries(this.stepCache)) {
      t.dispose();
      delete this.stepCache[name];
    }
  }
}

interface Examples {
  X: Tensor;
  y: Tensor;
  N: number;
}

interface TrainerSettings extends Required<Omit<ClassifierTrainerOptions, 'verbose' | 'log' | 'random'>> {
  random: RandomSource;
  print: (line: string) => void;
}

function settle(where: string, options: ClassifierTrainerOptions): TrainerSettings {
  checkOptions(where, options, TRAINER_OPTIONS);
  const { reg = 0, learningRate = 1e-2, momentum = 0, learningRateDecay = 0.95, update = 'momentum' } = options;
  const { sampleBatches = true, numEpochs = 30, batchSize = 100, accFrequency = null, verbose = false } = options;
  const { epsilon = 1e-8, decayRate = 0.99, epsilonInside = true, random = defaultStream, log = console.log } = options;
  for (const [name, value] of Object.entries({ reg, learningRate, momentum, learningRateDecay, epsilon })) {
    checkNumber(where, name, value, { low: 0 });
  }
  checkNumber(where, 'decayRate', decayRate, { low: 0, high: 1 });
  checkChoice(where, 'update', update, ['sgd', 'momentum', 'rmsprop']);
  for (const [name, value] of Object.entries({ sampleBatches, epsilonInside })) {
    if (typeof value === 'boolean') continue;
    throw new OptionError({ where, argument: name, rule: 'true or false', value: describe(value) });
  }
  checkNumber(where, 'numEpochs', numEpochs, { low: 0, integer: true });
  checkNumber(where, 'batchSize', batchSize, { low: 1, high: 2 ** 31 - 1, integer: true });
  if (accFrequency !== null) checkNumber(where, 'accFrequency', accFrequency, { low: 1, integer: true });
  const numbers = { reg, learningRate, momentum, learningRateDecay, numEpochs, batchSize, accFrequency };
  const print = verbose ? log : () => {};
  return { ...numbers, update, sampleBatches, epsilon, decayRate, epsilonInside, random, print };
}

function checkParameters(where: string, model: object): TrainerModel {
  const entries = Object.entries(model ?? {}) as [string, unknown][];
  if (entries.length === 0) {
    throw new OptionError({ where, argument: 'model', rule: 'float tensors by name', value: describe(model) });
  }
  for (const [name, t] of entries) checkFloat(where, `model.${name}`, t);
  return model as TrainerModel;
}

/** Examples with N >= 1 as they are (arrays become tensors in the current scope), and their labels. */
function examplesOf(where: string, nameX: string, X: Tensor | Nested, nameY: string, y: Indices): Examples {
  const x = checkExamples(where, nameX, X, isTensor(X) ? (X.dtype as FloatDType) : floatTypeOf(X));
  const N = x.shape[0] as number;
  return { X: x, y: checkLabels(where, nameY, y, N, ANY_LABEL), N };
}

/** Examples drawn with replacement; they last until the next draw with this key. */
function draw(plan: Plan, key: string, { X, y, N }: Examples, count: number, random: RandomSource): Examples {
  return plan.run(key, () => {
    const rows = random.choice(N, count);
    const some = { X: empty([count, ...X.shape.slice(1)], X.dtype), y: empty([count], 'int32'), N: count };
    kernels.gather(some.X, X, rows);
    kernels.gather(some.y, y, rows);
    return some;
  });
}

function checkLoss(result: unknown): [number, Readonly<Record<string, Tensor>>] {
  const [loss, gradients] = (Array.isArray(result) ? result : []) as [unknown, unknown];
  if (typeof loss === 'number' && gradients !== null && typeof gradients === 'object') {
    return [loss, gradients as Record<string, Tensor>];
  }
  const rule = '[loss, gradients] when it is given labels';
  const argument = 'the result of lossFunction';
  throw new RuntimeError({ where: 'ClassifierTrainer.train', argument, rule, value: describe(result) });
}

function checkGradient(name: string, gradient: unknown, w: Tensor): Tensor {
  return checkLike('ClassifierTrainer.train', `the gradient of ${name}`, gradient, w.shape, w);
}

function checkScores(result: unknown, X: Tensor): Tensor {
  if (isTensor(result) && result.rank === 2 && result.shape[0] === X.shape[0]) return result;
  const rule = `scores (N, C) with N = ${X.shape[0]} when it is given no labels`;
  const argument = 'the result of lossFunction';
  throw new ShapeError({ where: 'ClassifierTrainer.train', argument, rule, value: describe(result) });
}
