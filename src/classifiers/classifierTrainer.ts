/** The trainer of the course's notebook 000, with update rules of its own. */
import { checkFloat } from '../arithmetic.js';
import { checkChoice, checkNumber, checkOptions, describe, OptionError, RuntimeError, ShapeError } from '../errors.js';
import { formatExponent, formatFixed } from '../format.js';
import * as kernels from '../kernels.js';
import { checkLike } from '../layers/checks.js';
import { attempt, Plan, persistent, scope } from '../memory.js';
import { random as defaultStream, type RandomSource } from '../random.js';
import { sameShape } from '../shape.js';
import { empty, type FloatDType, type Indices, isTensor, type Nested, type Tensor } from '../tensor.js';
import { ANY_LABEL, accuracyOf, checkExamples, checkLabels, floatTypeOf } from './checks.js';
import type { TrainingHistory } from './neuralNet.js';
import { twoLayerNet } from './twoLayerModel.js';

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
