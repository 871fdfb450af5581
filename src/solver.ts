/** The training loop: batches, updates, accuracy checks, the best parameters, checkpoints and events. */
import { checkFloat } from './arithmetic.js';
import { augmentBatch, checkAugmentation, checkFlag, exampleShape, type ImageShape, imageWidth } from './augment.js';
import { type Checkpoint, isRecord, readCheckpoint, type StoredArray, writeCheckpoint } from './checkpoint.js';
import {
  checkNumber,
  checkOptions,
  describe,
  formatShape,
  nearest,
  OptionError,
  RuntimeError,
  ShapeError,
  ValueError,
} from './errors.js';
import { formatFixed } from './format.js';
import * as kernels from './kernels.js';
import { Plan, persistent, scope } from './memory.js';
import { Network } from './network.js';
import { findUpdateRule, type Gradient } from './optim.js';
import { random as defaultStream, type RandomSource, RandomState, type StreamState } from './random.js';
import { nodeModule, pause } from './runtime/host.js';
import { type Shape, sameShape, sizeOf } from './shape.js';
import { adapt, type Learner, type TrainableModel } from './solver/learner.js';
import {
  type ExampleSource,
  isExampleSource,
  RESUME_OPTIONS,
  type ResumeOptions,
  type Settings,
  type SolverData,
  type SolverOptions,
  settle,
} from './solver/options.js';
import { factorOf } from './solver/schedules.js';
import {
  checkIndices,
  empty,
  getDefaultDType,
  type Indices,
  isTensor,
  type Nested,
  type Tensor,
  tensor,
} from './tensor.js';

export interface StepEvent {
  type: 'step';
  /** 1 for the first step of the run, as it is printed. */
  iteration: number;
  numIterations: number;
  /** Epochs done, of numEpochs. */
  epoch: number;
  numEpochs: number;
  loss: number;
  /** That of this step, schedule included. */
  learningRate: number | undefined;
  /** L2 norm of all gradients together before it was clipped; undefined without clipNorm. */
  gradientNorm: number | undefined;
  /** Examples in the batch. */
  examples: number;
}

export interface EpochEvent {
  type: 'epoch';
  iteration: number;
  numIterations: number;
  /** 0 for the check after the first step. */
  epoch: number;
  numEpochs: number;
  trainAcc: number;
  valAcc: number;
  bestValAcc: number;
}

export type SolverEvent = StepEvent | EpochEvent;

export interface TrainOptions {
  /** Stops the run between two steps. */
  signal?: AbortSignal | undefined;
  onStep?: ((event: StepEvent) => unknown) | undefined;
  /** After each accuracy check. */
  onEpoch?: ((event: EpochEvent) => unknown) | undefined;
}

/** Milliseconds of computing before the event loop gets its turn. */
const TURN = 30;

/** What a checkpoint holds of the options, besides names of rule and schedule. */
const SAVED_OPTIONS = [
  'lrDecay',
  'clipNorm',
  'weightDecay',
  'batchSize',
  'numEpochs',
  'printEvery',
  'numTrainSamples',
  'numValSamples',
  'verbose',
  'sampling',
] as const;

const HISTORIES = ['lossHistory', 'trainAccHistory', 'valAccHistory'] as const;

interface Examples {
  X: Tensor | ExampleSource;
  y: Tensor;
  N: number;
}

/**
 * Trains a model on data.
 *
 *     const solver = new lw.Solver(model, data, { updateRule: 'adam', optimConfig: { learningRate: 1e-3 } });
 *     await solver.train();
 *     solver.bestValAcc;
 *
 * Each step draws a batch, computes loss and gradients, and updates the parameters. After the first step, at the end of
 * each epoch and at the end of the run, accuracy is measured on training and validation examples.
 *
 * When a run ends (finished, aborted, or its loop left) the model is given the parameters and running averages of the best
 * validation accuracy so far. The state that was reached is put aside: save() stores it, and train() goes on from it,
 * unless the model was changed in between. Of models that are no Network, only the parameters are known.
 */
export class Solver {
  readonly model: Network | TrainableModel;
  /** Loss of each step. */
  readonly lossHistory: number[] = [];
  /** Of each accuracy check, as fractions. */
  readonly trainAccHistory: number[] = [];
  readonly valAccHistory: number[] = [];
  /** Best validation accuracy so far. */
  bestValAcc = 0;
  /** Parameters of the best check so far: the Solver's own copies, overwritten by the next best. */
  readonly bestParams: Record<string, Tensor> = {};
  /** Epochs done. */
  epoch = 0;
  /** Configuration and state of the update rule, for each parameter. */
  readonly optimConfigs: Record<string, Record<string, unknown>> = {};
  readonly numEpochs: number;
  readonly batchSize: number;

  readonly #learner: Learner;
  readonly #train: Examples;
  readonly #val: Examples;
  readonly #settings: Settings;
  readonly #iterationsPerEpoch: number;
  /** Of what `augment` changes, if it is no function. */
  readonly #imageShape: ImageShape | undefined;
  /** Indices and labels of the batch, and the order of the epoch. */
  readonly #plan = new Plan();
  /** Batches of examples that are no tensor. */
  readonly #batches = new Plan();
  /** Tensors made for this Solver alone. */
  readonly #owned: Tensor[] = [];
  /** Parameters and running averages: of the best check, and those reached when the model was given the best. */
  #best: Record<string, Tensor> | undefined;
  #last: Record<string, Tensor> | undefined;
  /** Learning rate after decay; undefined for a rule of the user's that has none. */
  #rate: number | undefined;
  /** Steps done in this run, and their number. */
  #done = 0;
  #numIterations: number;
  /** Epochs done at the end of this run. */
  #lastEpoch: number;
  /** The permutation of this epoch, for sampling 'epoch'. */
  #order: Tensor | undefined;
  #running = false;
  /** In the middle of a step, when nothing can be saved. */
  #inside = false;
  /** Whether the run ended by a loss that is not finite. */
  #failed = false;

  constructor(model: Network | TrainableModel, data: SolverData, options: SolverOptions = {}) {
    this.#settings = settle(options);
    const { rule, batchSize, numEpochs, sampling } = this.#settings;
    this.model = model;
    this.batchSize = batchSize;
    this.numEpochs = numEpochs;
    this.#learner = model instanceof Network ? model : adapt(model);
    const names = Object.keys(this.#learner.params);
    for (const name of names) this.optimConfigs[name] = rule.config();
    const rate = this.optimConfigs[names[0]]?.learningRate;
    this.#rate = typeof rate === 'number' ? rate : undefined;
    try {
      this.#train = this.#examples(data, 'XTrain', 'yTrain');
      this.#val = this.#examples(data, 'XVal', 'yVal');
      this.#imageShape = this.#augmentedShape();
    } catch (error) {
      this.dispose();
      throw error;
    }
    const batches = this.#train.N / batchSize;
    this.#iterationsPerEpoch = sampling === 'epoch' ? Math.ceil(batches) : Math.max(1, Math.floor(batches));
    this.#numIterations = numEpochs * this.#iterationsPerEpoch;
    this.#lastEpoch = numEpochs;
  }

  /** Learning rate of the next step, decay included, schedule not; undefined for a rule of one's own without one. */
  get learningRate(): number | undefined {
    return this.#rate;
  }

  /** Steps done in the current or last run, of numIterations. */
  get iteration(): number {
    return this.#done;
  }

  get numIterations(): number {
    return this.#numIterations;
  }

  /**
   * Trains for numEpochs epochs; after an abort, for the rest of them. Called again after a finished run, for numEpochs
   * more. The event loop gets its turn about every 30 ms.
   *
   * @throws signal.reason (an AbortError by default) after an abort; ValueError when a loss is not finite, with the step
   *   and before any parameter was changed by it: the model keeps its parameters if they still give finite scores, else
   *   gets the best ones
   */
  async train(options: TrainOptions = {}): Promise<void> {
    checkOptions('train', options, ['signal', 'onStep', 'onEpoch']);
    const { signal, onStep, onEpoch } = options;
    for await (const event of this.steps({ signal })) {
      const answer = event.type === 'step' ? onStep?.(event) : onEpoch?.(event);
      if (answer instanceof Promise) await answer;
    }
  }

  /**
   * The same as a stream of events: `for await (const event of solver.steps())`. A step event after each step, an epoch
   * event after each accuracy check. Leaving the loop ends the run like an abort, without an error.
   */
  async *steps(options: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<SolverEvent, void, undefined> {
    checkOptions('steps', options, ['signal']);
    const { signal } = options;
    if (this.#running) throw new RuntimeError({ where: 'train', rule: 'this Solver is training already' });
    this.#running = true;
    try {
      this.#begin();
      let rested = performance.now();
      while (this.#done < this.#numIterations) {
        signal?.throwIfAborted();
        const events = this.#iterate();
        const checked = events.length > 1;
        if (checked && this.#settings.checkpointName !== undefined) await this.#write();
        yield* events;
        if (performance.now() - rested < TURN) continue;
        await pause();
        rested = performance.now();
      }
    } finally {
      this.#running = false;
      this.#end();
    }
  }

  /**
   * Share of examples whose class is predicted right.
   *
   * @param X (N, …) examples
   * @param y N labels
   * @param options numSamples: if there are more examples, so many are drawn (with replacement) and measured; batchSize:
   *   examples at a time, default 100; flip: add the scores of each image's mirror image, default false
   */
  checkAccuracy(
    X: Tensor | Nested | ExampleSource,
    y: Indices,
    options: { numSamples?: number | null; batchSize?: number; flip?: boolean } = {},
  ): number {
    const where = 'checkAccuracy';
    checkOptions(where, options, ['numSamples', 'batchSize', 'flip']);
    const { numSamples = null, batchSize = 100, flip = false } = options;
    if (numSamples !== null) checkNumber(where, 'numSamples', numSamples, { low: 1, integer: true });
    checkNumber(where, 'batchSize', batchSize, { low: 1, integer: true });
    checkFlag(where, 'flip', flip);
    return scope(() => {
      const x = isTensor(X) || isExampleSource(X) ? X : tensor(X);
      const labels = this.#labels(where, 'y', y, x.shape[0] ?? 0);
      const width = flip ? imageWidth(where, this.#inputShape(), x) : 0;
      return this.#accuracy({ X: x, y: labels, N: labels.size }, numSamples, batchSize, width);
    });
  }

  /** width: of images, if scores of their mirror images are to be added. */
  #accuracy({ X, y, N }: Examples, numSamples: number | null, batchSize = 100, width = 0): number {
    return scope(() => {
      const { random } = this.#settings;
      const rows = numSamples !== null && N > numSamples ? random.choice(N, numSamples) : undefined;
      const count = rows?.size ?? N;
      let right = 0;
      for (let from = 0; from < count; from += batchSize) {
        const to = Math.min(count, from + batchSize);
        scope(() => {
          const some = rows?.rows(from, to);
          const batch = some ? this.#batch(X, some) : this.#range(X, from, to);
          const predicted = this.#learner.predictBatch(batch, width).data;
          const labels = y.data;
          const index = some?.data;
          for (let i = 0; i < to - from; i++) if (predicted[i] === labels[index ? index[i] : from + i]) right++;
        });
      }
      return right / count;
    });
  }

  /** One step with all that belongs to it: printed lines, decay, the accuracy check. */
  #iterate(): SolverEvent[] {
    this.#inside = true;
    try {
      const iteration = this.#done;
      const factor = this.#factor();
      const { loss, gradientNorm, examples } = scope(() => this.#step(factor));
      this.lossHistory.push(loss);
      this.#done++;
      const { printEvery, lrDecay, print } = this.#settings;
      if (iteration % printEvery === 0) {
        print(`(Iteration ${this.#done} / ${this.#numIterations}) loss: ${formatFixed(loss)}`);
      }
      const learningRate = this.#rate === undefined ? undefined : this.#rate * factor;
      const epochEnds = this.#done % this.#iterationsPerEpoch === 0;
      if (epochEnds) {
        this.epoch++;
        if (this.#rate !== undefined) this.#rate *= lrDecay;
      }
      const place = { iteration: this.#done, numIterations: this.#numIterations };
      const epochs = { epoch: this.epoch, numEpochs: this.#lastEpoch };
      const numbers = { loss, learningRate, gradientNorm, examples };
      const events: SolverEvent[] = [{ type: 'step', ...place, ...epochs, ...numbers }];
      if (iteration === 0 || epochEnds) events.push({ type: 'epoch', ...place, ...epochs, ...this.#check() });
      return events;
    } finally {
      this.#inside = false;
    }
  }

  /** What the schedule makes of the learning rate at this step. */
  #factor(): number {
    const { schedule } = this.#settings;
    if (schedule === undefined) return 1;
    const numIterations = this.#numIterations;
    const progress = { iteration: this.#done, numIterations, epoch: this.epoch, fraction: this.#done / numIterations };
    const factor = typeof schedule === 'function' ? schedule(progress) : factorOf(schedule, progress);
    return checkNumber('Solver', 'the result of schedule', factor, { low: 0 });
  }

  #step(factor: number): {
    loss: number;
    gradientNorm: number | undefined;
    examples: number;
    configs: unknown;
  } {
    const rows = this.#rows();
    const batch = this.#augmented(this.#batch(this.#train.X, rows));
    const labels = this.#plan.run(`labels ${rows.size}`, () => {
      const y = empty([rows.size], 'int32');
      kernels.gather(y, this.#train.y, rows);
      return y;
    });
    const found = this.#learner.lossAndGradients(batch, labels, this.#defers());
    const { loss } = found;
    if (!Number.isFinite(loss)) this.#fail('the loss', loss);
    for (const name in this.optimConfigs) {
      if (found.gradients[name]) continue;
      const rule = `the model's loss returned no gradient for ${name}`;
      throw new ShapeError({ where: 'Solver', rule, hint: 'loss(X, y) returns [loss, gradients], named like params' });
    }
    const { gradientNorm, gradients } = this.#clipped(found.gradients);
    const { params, weightNames } = this.#learner;
    const { rule, weightDecay } = this.#settings;
    if (weightDecay > 0) {
      const keep = 1 - (this.#rate as number) * factor * weightDecay;
      for (const name of weightNames) kernels.unary('scale', params[name], params[name], keep);
    }
    for (const name in this.optimConfigs) this.#update(name, params[name], gradients[name], factor);
    // A rule of the user's may have made state in this scope; it survives by being returned.
    const configs = rule.name === undefined ? this.optimConfigs : undefined;
    return { loss, gradientNorm, examples: rows.size, configs };
  }

  /** Whether an update rule may compute the gradients of large weights itself: not if anything else is to read them. */
  #defers(): boolean {
    const { rule, clipNorm } = this.#settings;
    return rule.name !== undefined && clipNorm === undefined;
  }

  /** The gradients and their norm; scaled if that exceeds clipNorm: in place if they are a Network's, else copies. */
  #clipped(found: Readonly<Record<string, Gradient>>): {
    gradientNorm: number | undefined;
    gradients: Readonly<Record<string, Gradient>>;
  } {
    const { clipNorm } = this.#settings;
    if (clipNorm === undefined) return { gradientNorm: undefined, gradients: found };
    const gradients = found as Readonly<Record<string, Tensor>>;
    const names = Object.keys(this.optimConfigs);
    const own = !(this.model instanceof Network);
    for (const name of own ? names : []) checkFloat('Solver', `the gradient of ${name}`, gradients[name]);
    const gradientNorm = kernels.norm(names.map((name) => gradients[name]));
    if (!Number.isFinite(gradientNorm)) this.#fail('the norm of the gradients', gradientNorm);
    if (gradientNorm <= clipNorm) return { gradientNorm, gradients };
    const scaled = names.map((name) => {
      const g = gradients[name];
      const to = own ? empty(g.shape, g.dtype) : g;
      kernels.unary('scale', to, g, clipNorm / gradientNorm);
      return [name, to] as const;
    });
    return { gradientNorm, gradients: Object.fromEntries(scaled) };
  }

  /** Indices of the next batch; they last until the next step. */
  #rows(): Tensor {
    const { N } = this.#train;
    const { batchSize, random, sampling } = this.#settings;
    if (sampling === 'replacement') return this.#plan.run('rows', () => random.choice(N, batchSize));
    const place = this.#done % this.#iterationsPerEpoch;
    if (place === 0) this.#order = this.#plan.run('order', () => random.permutation(N));
    return (this.#order as Tensor).rows(place * batchSize, Math.min(N, (place + 1) * batchSize));
  }

  /** The examples with these indices. They last until the next batch of this size. */
  #batch(X: Tensor | ExampleSource, rows: Tensor): Tensor {
    return isTensor(X) ? this.#learner.batch(X, rows) : this.#read(X, rows.size, () => rows.data as Int32Array);
  }

  #range(X: Tensor | ExampleSource, from: number, to: number): Tensor {
    if (isTensor(X)) return X.rows(from, to);
    return this.#read(X, to - from, () => Int32Array.from({ length: to - from }, (_, i) => from + i));
  }

  /** rows: views of them, taken when the batch has its memory. */
  #read(X: ExampleSource, count: number, rows: () => Int32Array): Tensor {
    const shape = this.#inputShape() ?? X.shape.slice(1);
    const dtype = this.model instanceof Network ? this.model.dtype : getDefaultDType();
    return this.#batches.run(`${count}`, () => {
      const batch = empty([count, ...shape], dtype);
      X.read(rows(), batch.data as Float32Array | Float64Array);
      return batch;
    });
  }

  /** The shape of one example of the model; undefined for models of the user's. */
  #inputShape(): Shape | undefined {
    return this.model instanceof Network ? this.model.inputShape : undefined;
  }

  /** Checks that images are what `augment` gets, and that its numbers fit them. */
  #augmentedShape(): ImageShape | undefined {
    const { augment } = this.#settings;
    if (augment === undefined || typeof augment === 'function') return undefined;
    const shape = exampleShape(this.#inputShape(), this.#train.X);
    if (shape.length !== 3) {
      const rule = 'images (C, H, W) for augment';
      throw new ShapeError({ where: 'Solver', argument: 'examples', rule, value: formatShape(shape) });
    }
    checkAugmentation('Solver: augment', augment, shape as unknown as ImageShape);
    return shape as unknown as ImageShape;
  }

  #augmented(batch: Tensor): Tensor {
    const { augment, random } = this.#settings;
    if (augment === undefined) return batch;
    if (typeof augment !== 'function') {
      const shape = this.#imageShape as ImageShape;
      this.#plan.run(`augment ${batch.shape[0]}`, () => augmentBatch(batch, shape, augment, random));
      return batch;
    }
    const changed: unknown = augment(batch, random) ?? batch;
    if (isTensor(changed) && sameShape(changed.shape, batch.shape)) return changed;
    const rule = `a tensor ${formatShape(batch.shape)} like the batch, or nothing`;
    throw new ShapeError({ where: 'Solver', argument: 'the result of augment', rule, value: describe(changed) });
  }

  #update(name: string, w: Tensor, dw: Gradient, factor: number): void {
    const config = this.optimConfigs[name];
    if (this.#rate !== undefined) config.learningRate = this.#rate * factor;
    const { rule: chosen } = this.#settings;
    if (chosen.name !== undefined) {
      chosen.update(w, dw, config);
      return;
    }
    const before = Object.values(config).filter(isTensor);
    const result: unknown = chosen.update(w, dw, config);
    const [next, nextConfig] = (Array.isArray(result) ? result : []) as [unknown, unknown];
    if (!isTensor(next) || !sameShape(next.shape, w.shape) || next.dtype !== w.dtype || !isRecord(nextConfig)) {
      const rule = '[nextW, config] with nextW like w';
      throw new ShapeError({ where: 'Solver', argument: 'the result of updateRule', rule, value: describe(result) });
    }
    if (next !== w) kernels.convert(w, next);
    this.optimConfigs[name] = nextConfig;
    // State outlives the step; a rule that makes it anew each time would leave the old behind.
    const state = new Set(Object.values(nextConfig));
    for (const t of before) if (!state.has(t)) t.dispose();
    if (typeof nextConfig.learningRate === 'number') this.#rate ??= nextConfig.learningRate;
  }

  /** The loss or the gradients are not numbers to go on with. This step has changed no parameter, but an earlier one may have ruined them. */
  #fail(argument: string, number: number): never {
    this.#failed = true;
    const count = Math.min(this.#val.N, this.batchSize);
    const finite = scope(() => {
      const scores = this.model.loss(this.#range(this.#val.X, 0, count));
      return scores.data.every((score) => Number.isFinite(score));
    });
    let outcome = 'the model keeps the parameters it had before this step';
    if (!finite && this.#best) {
      this.#learner.loadState(this.#best);
      outcome = `the model was given the parameters of its best validation accuracy, ${formatFixed(this.bestValAcc)}`;
    }
    throw new ValueError({
      where: 'Solver',
      argument,
      rule: 'finite',
      value: `${number} at iteration ${this.#done + 1} / ${this.#numIterations}`,
      hint: `${outcome}; try a smaller learning rate, or look for bad numbers in the data`,
    });
  }

  #check(): { trainAcc: number; valAcc: number; bestValAcc: number } {
    const { numTrainSamples, numValSamples, print } = this.#settings;
    const trainAcc = this.#accuracy(this.#train, numTrainSamples);
    const valAcc = this.#accuracy(this.#val, numValSamples);
    this.trainAccHistory.push(trainAcc);
    this.valAccHistory.push(valAcc);
    // The first check counts even at accuracy 0, so that there are always best parameters.
    if (!this.#best || valAcc > this.bestValAcc) {
      this.bestValAcc = valAcc;
      this.#best = copyInto(this.#best, this.#learner.state());
      for (const name in this.#learner.params) this.bestParams[name] = this.#best[name];
    }
    const numbers = `train acc: ${formatFixed(trainAcc)}; val_acc: ${formatFixed(valAcc)}`;
    print(`(Epoch ${this.epoch} / ${this.#lastEpoch}) ${numbers}`);
    return { trainAcc, valAcc, bestValAcc: this.bestValAcc };
  }

  /** Puts the model back to where the last run ended, and starts another run if that one was complete. */
  #begin(): void {
    this.#failed = false;
    if (this.#last) {
      const reached = this.#reached();
      if (reached === this.#last) this.#learner.loadState(reached);
      for (const t of Object.values(this.#last)) t.dispose();
      this.#last = undefined;
    }
    if (this.#done < this.#numIterations) return;
    this.#done = 0;
    this.#numIterations = this.numEpochs * this.#iterationsPerEpoch;
    this.#lastEpoch = this.epoch + this.numEpochs;
  }

  /** Gives the model the best parameters, and puts those it has aside. */
  #end(): void {
    if (this.#failed || !this.#best) return;
    this.#last = copyInto(this.#last, this.#learner.state());
    this.#learner.loadState(this.#best);
  }

  /** The state to go on from: what was put aside when the run ended, unless the user has changed the model since. */
  #reached(): Record<string, Tensor> {
    const held = this.#learner.state();
    const best = this.#best ?? {};
    return this.#last && Object.keys(best).every((name) => equalData(best[name], held[name])) ? this.#last : held;
  }

  /**
   * A checkpoint: parameters and running averages, the state of the update rule and of the random streams, histories and
   * position. Between steps only, as in the callbacks of train().
   *
   * @throws RuntimeError in the middle of a step; OptionError if a rule of the user's keeps something that is no tensor, finite
   *   number, text or boolean
   */
  save(): Uint8Array<ArrayBuffer> {
    if (this.#inside) {
      const hint = 'save between steps: in onStep, onEpoch, or the loop over steps()';
      throw new RuntimeError({ where: 'save', rule: 'a step is under way', hint });
    }
    const { rule, schedule, augment, random } = this.#settings;
    const arrays = new Map<string, StoredArray>();
    const group = (name: string, tensors: Iterable<[string, Tensor]>) => {
      for (const [key, { dtype, shape, data }] of tensors) arrays.set(`${name}/${key}`, { dtype, shape, data });
    };
    group('state', Object.entries(this.#reached()));
    group('best', Object.entries(this.#best ?? {}));
    const configs = Object.values(this.optimConfigs).map((config, i) => {
      const entries = Object.entries(config);
      group(
        `optim ${i}`,
        entries.filter((entry): entry is [string, Tensor] => isTensor(entry[1])),
      );
      const plain = entries.filter(([, value]) => !isTensor(value));
      for (const [key, value] of plain) {
        if (['boolean', 'string', 'undefined'].includes(typeof value) || Number.isFinite(value)) continue;
        const hint = 'tensors, finite numbers, text and booleans can be saved';
        throw new OptionError({
          where: 'save',
          argument: `${key} of the update rule`,
          rule: 'plain',
          value: describe(value),
          hint,
        });
      }
      return Object.fromEntries(plain);
    });
    for (const name of HISTORIES) {
      const data = Float64Array.from(this[name]);
      arrays.set(name, { dtype: 'float64', shape: [data.length], data });
    }
    if (this.#order) group('epoch', [['order', this.#order]]);
    const stream = (name: string, source: RandomSource) => {
      const { key, ...rest } = source.getState();
      const data = Int32Array.from(key, (word) => word | 0);
      arrays.set(name, { dtype: 'int32', shape: [data.length], data });
      return rest;
    };
    const network = this.model instanceof Network ? this.model : undefined;
    const dropout = network && network.random !== random ? network.random : undefined;
    const content = {
      options: {
        ...pick(this.#settings, SAVED_OPTIONS),
        updateRule: rule.name,
        schedule: typeof schedule === 'function' ? undefined : schedule,
        augment: typeof augment === 'function' ? undefined : augment,
      },
      functions: {
        updateRule: rule.name === undefined,
        schedule: typeof schedule === 'function',
        augment: typeof augment === 'function',
      },
      configs,
      stream: stream('stream', random),
      modelStream: dropout && stream('modelStream', dropout),
      numTrain: this.#train.N,
      numVal: this.#val.N,
      reg: network?.reg,
      learningRate: this.#rate,
      bestValAcc: this.bestValAcc,
      epoch: this.epoch,
      lastEpoch: this.#lastEpoch,
      done: this.#done,
      numIterations: this.#numIterations,
    };
    return writeCheckpoint('solver', content, arrays);
  }

  /**
   * A Solver that stands where save() was called: train() goes on with the same bits as if the run had never stopped. As
   * after any stop, the model gets the best parameters until then; it also gets the reg of then.
   *
   * @param bytes what save() returned
   * @param model made like the one of then
   * @param data the data of then
   * @param options what a checkpoint cannot hold: functions given as updateRule, schedule and augment, which must be given
   *   again (given as data, schedule and augment take the place of those of then); random: a stream to go on with (its
   *   state is set), default a new one. Also log, verbose, printEvery, checkpointName.
   * @throws DataError for bytes that are no checkpoint; ShapeError if model or data are not those of then
   */
  static resume(
    bytes: Uint8Array,
    model: Network | TrainableModel,
    data: SolverData,
    options: ResumeOptions = {},
  ): Solver {
    const where = 'resume';
    checkOptions(where, options, RESUME_OPTIONS);
    const stored = readCheckpoint(where, 'solver', bytes);
    const functions = stored.record('functions');
    for (const name of ['updateRule', 'schedule', 'augment'] as const) {
      if ((functions[name] === true) === (typeof options[name] === 'function')) continue;
      const rule =
        functions[name] === true ? `${name} was a function and must be given again` : `${name} was no function`;
      throw new OptionError({ where, rule });
    }
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    // Picked by name: a file must not decide where files are written.
    const saved = pick(stored.record('options'), [...SAVED_OPTIONS, 'updateRule', 'schedule', 'augment']);
    const merged = { ...saved, random: new RandomState(0), ...given } as SolverOptions;
    stored.checked(() => settle(merged));
    const solver = new Solver(model, data, merged);
    try {
      solver.#restore(stored);
      return solver;
    } catch (error) {
      solver.dispose();
      throw error;
    }
  }

  /** Everything is read and checked before anything of the model is changed. */
  #restore(stored: Checkpoint): void {
    const { rule, random, sampling, weightDecay } = this.#settings;
    for (const [part, now] of [
      ['numTrain', this.#train.N],
      ['numVal', this.#val.N],
    ] as const) {
      const then = stored.number(part, { low: 1, integer: true });
      if (then === now) continue;
      const label = part === 'numTrain' ? 'training' : 'validation';
      throw new ShapeError({
        where: 'resume',
        argument: 'data',
        rule: `the ${then} ${label} examples of then`,
        value: `${now}`,
      });
    }
    const state = stored.groupLike('state', this.#learner.state());
    const hasBest = Object.keys(stored.group('best')).length > 0;
    const best = hasBest ? stored.groupLike('best', this.#learner.state()) : undefined;
    const numbers = stored.content.configs;
    const names = Object.keys(this.optimConfigs);
    if (!Array.isArray(numbers) || numbers.length !== names.length || !numbers.every(isRecord)) {
      stored.refuse(`configurations of ${names.length} parameters`);
    }
    const configs = names.map((name, i) => {
      const own =
        rule.name === undefined
          ? numbers[i]
          : stored.checked(() => findUpdateRule('resume', rule.name, numbers[i]).config());
      const tensors = stored.group(`optim ${i}`);
      const w = this.#learner.params[name];
      for (const [key, t] of Object.entries(tensors)) {
        if (rule.name === undefined || (t.dtype === w.dtype && sameShape(t.shape, w.shape))) continue;
        stored.refuse(`${key} like ${name}, ${describe(w)}`, describe(t));
      }
      return { own, tensors };
    });
    const histories = HISTORIES.map((name) => stored.list(name, 'float64') ?? stored.refuse(`a list '${name}'`));
    const per = this.#iterationsPerEpoch;
    const count = { low: 0, integer: true };
    const numIterations = stored.number('numIterations', { ...count, low: per });
    const done = stored.number('done', { ...count, high: numIterations });
    const epoch = stored.number('epoch', count);
    const lastEpoch = stored.number('lastEpoch', { ...count, low: epoch });
    const bestValAcc = stored.number('bestValAcc', { low: 0, high: 1 });
    const rate = stored.has('learningRate') ? stored.number('learningRate', { low: 0 }) : undefined;
    if (rate === undefined && weightDecay > 0) stored.refuse('a learning rate');
    const reg = stored.has('reg') ? stored.number('reg', { low: 0 }) : undefined;
    const order = stored.list('epoch/order', 'int32');
    const { N } = this.#train;
    const complete = order === undefined ? done % per === 0 : order.length === N && order.every((i) => i >= 0 && i < N);
    if (sampling === 'epoch' && !complete) stored.refuse(`an order of ${N} examples`);
    const stream = this.#stream(stored, 'stream');
    const modelStream = stored.has('modelStream') ? this.#stream(stored, 'modelStream') : undefined;

    random.setState(stream);
    const { model } = this;
    if (model instanceof Network) {
      if (!modelStream) model.random = random;
      else if (model.random === random || model.random === defaultStream) model.random = new RandomState(0);
      if (modelStream) model.random.setState(modelStream);
      if (reg !== undefined) model.reg = reg;
    }
    const reached = persistent(() => toTensors(state));
    if (best) {
      this.#best = persistent(() => toTensors(best));
      for (const name of names) this.bestParams[name] = this.#best[name];
      this.#learner.loadState(this.#best);
      this.#last = reached;
    } else {
      this.#learner.loadState(reached);
      for (const t of Object.values(reached)) t.dispose();
    }
    for (const [i, { own, tensors }] of configs.entries()) {
      this.optimConfigs[names[i]] = { ...own, ...persistent(() => toTensors(tensors)) };
    }
    for (const [i, name] of HISTORIES.entries()) for (const value of histories[i]) this[name].push(value);
    if (order && sampling === 'epoch') this.#order = this.#plan.run('order', () => tensor(order, { dtype: 'int32' }));
    this.#rate = rate;
    this.#done = done;
    this.#numIterations = numIterations;
    this.#lastEpoch = lastEpoch;
    this.epoch = epoch;
    this.bestValAcc = bestValAcc;
  }

  /** The state of a random stream. */
  #stream(stored: Checkpoint, name: string): StreamState {
    const key = stored.list(name, 'int32') ?? stored.refuse(`a random stream '${name}'`);
    return stored.checked(() => {
      const probe = new RandomState(0);
      probe.setState({ ...(stored.record(name) as { pos: number }), key: key.map((word) => word >>> 0) });
      return probe.getState();
    });
  }

  async #write(): Promise<void> {
    const file = `${this.#settings.checkpointName}_epoch_${this.epoch}.lanewise`;
    this.#settings.print(`Saving checkpoint to "${file}"`);
    const bytes = this.save();
    const fs = await nodeModule<typeof import('node:fs')>('node:fs');
    // Whoever reads while we write, or after a crash, finds the old file or the new one.
    await fs.promises.writeFile(`${file}.part`, bytes);
    await fs.promises.rename(`${file}.part`, file);
  }

  /** Training or validation examples, checked. What is no tensor is made one that lasts as long as the Solver. */
  #examples(data: SolverData, nameX: 'XTrain' | 'XVal', nameY: 'yTrain' | 'yVal'): Examples {
    const where = 'Solver';
    for (const name of [nameX, nameY]) {
      if (data?.[name] !== undefined) continue;
      const others = Object.keys(data ?? {}).filter((key) => !['XTrain', 'yTrain', 'XVal', 'yVal'].includes(key));
      const near = nearest(name, others);
      const hint = near === undefined ? 'data has XTrain, yTrain, XVal and yVal' : `is it '${near}'?`;
      throw new OptionError({ where, rule: `data.${name} is missing`, hint });
    }
    const given = data[nameX];
    const X = isTensor(given) || isExampleSource(given) ? given : this.#own(() => tensor(given));
    const N = X.shape[0] ?? 0;
    const { model } = this;
    if (model instanceof Network && sizeOf(X.shape.slice(1)) !== sizeOf(model.inputShape)) {
      const rule = `(N, …) with ${sizeOf(model.inputShape)} numbers for each example`;
      const hint = `the model was made for inputs ${formatShape(model.inputShape)}`;
      throw new ShapeError({ where, argument: nameX, rule, value: formatShape(X.shape), hint });
    }
    if (N === 0) {
      throw new ShapeError({ where, argument: nameX, rule: 'at least one example', value: formatShape(X.shape) });
    }
    return { X, y: this.#own(() => this.#labels(where, nameY, data[nameY], N), data[nameY]), N };
  }

  /** N labels as an int32 tensor: y itself, if it is one. */
  #labels(where: string, argument: string, y: Indices, N: number): Tensor {
    const count = isTensor(y) ? y.size : y?.length;
    if (count !== N) {
      throw new ShapeError({ where, argument, rule: `${N} labels, one for each example`, value: String(count) });
    }
    return checkIndices(where, argument, y, this.model instanceof Network ? this.model.numClasses : 2 ** 31 - 1);
  }

  #own(make: () => Tensor, given?: unknown): Tensor {
    const made = persistent(make);
    if (made !== given) this.#owned.push(made);
    return made;
  }

  /** Frees what the Solver holds: state of the update rule, best parameters, plans. Not the model, not given data. */
  dispose(): void {
    const states = Object.values(this.optimConfigs).flatMap((config) => Object.values(config).filter(isTensor));
    const copies = [this.#best, this.#last].flatMap((tensors) => Object.values(tensors ?? {}));
    for (const t of [...states, ...copies, ...this.#owned]) t.dispose();
    this.#plan.dispose();
    this.#batches.dispose();
  }
}

function pick<K extends string>(
  from: Readonly<Partial<Record<K, unknown>>>,
  names: readonly K[],
): Partial<Record<K, unknown>> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]))) as Partial<
    Record<K, unknown>
  >;
}

/** Copies of all tensors that belong to no scope; into those of `into` if there are any. */
function copyInto(
  into: Record<string, Tensor> | undefined,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const entries = Object.entries(tensors);
  if (!into) return persistent(() => Object.fromEntries(entries.map(([name, t]) => [name, t.clone()])));
  for (const [name, t] of entries) kernels.convert(into[name], t);
  return into;
}

function equalData(a: Tensor, b: Tensor): boolean {
  const x = a.data;
  const y = b.data;
  return x.length === y.length && x.every((value, i) => value === y[i]);
}

function toTensors(arrays: Readonly<Record<string, StoredArray>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape, dtype }]) => [name, tensor(data, { shape, dtype })]),
  );
}
