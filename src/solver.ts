/** The training loop: batches, updates, accuracy checks, the best parameters, checkpoints and events. */
import { checkFloat } from './arithmetic.js';
import { checkFlag, imageWidth } from './augment.js';
import { isRecord, readCheckpoint } from './checkpoint.js';
import { checkNumber, checkOptions, describe, FaultError, OptionError, RuntimeError, ShapeError } from './errors.js';
import { formatFixed } from './format.js';
import * as kernels from './kernels.js';
import { AffineGradient } from './layers/affine.js';
import { attempt, Plan, persistent, scope } from './memory.js';
import { Network } from './network.js';
import { findUpdateRule, type Gradient } from './optim.js';
import { random as defaultStream, RandomState } from './random.js';
import { replaceFile } from './runtime/files.js';
import { pause } from './runtime/host.js';
import type { StoredArray } from './safetensors.js';
import { sameShape } from './shape.js';
import { ExampleReader, type Examples } from './solver/examples.js';
import { type Fault, FaultGuard, type Found, withoutBadElements } from './solver/faults.js';
import { adapt, type Learner, type TrainableModel } from './solver/learner.js';
import {
  type ExampleSource,
  isExampleSource,
  type LiveOptions,
  RESUME_OPTIONS,
  type ResumeOptions,
  type Settings,
  type SolverData,
  type SolverOptions,
  settle,
  settleLive,
} from './solver/options.js';
import { factorOf } from './solver/schedules.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  HISTORIES,
  pick,
  SAVED_OPTIONS,
  type StoredSnapshot,
} from './solver/snapshot.js';
import { Autosave } from './store.js';
import { empty, type Indices, isTensor, type Nested, type Tensor, tensor } from './tensor.js';

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
  /** What was not finite in this step, and what was done about it (see onFault); the loss may be NaN then. */
  fault: Fault | undefined;
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

/** What a rollback leaves of the learning rate. */
const ROLLBACK_RATE = 0.5;

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
  readonly #guard: FaultGuard;
  readonly #reader: ExampleReader;
  readonly #train: Examples;
  readonly #val: Examples;
  readonly #settings: Settings;
  readonly #iterationsPerEpoch: number;
  /** Indices and labels of the batch, and the order of the epoch. */
  readonly #plan = new Plan();
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
  /** Steps of this epoch in which something was not finite. */
  #faults = 0;
  /** Whether the run ended by such a step. */
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
    this.#guard = new FaultGuard(this.#learner);
    this.#reader = new ExampleReader(model, this.#learner);
    try {
      this.#train = this.#reader.take(data, 'XTrain', 'yTrain');
      this.#val = this.#reader.take(data, 'XVal', 'yVal');
      this.#reader.checkAugment(this.#settings.augment, this.#train.X);
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

  /** Epochs done at the end of the current or last run. */
  get lastEpoch(): number {
    return this.#lastEpoch;
  }

  /** Parameters and running averages of the best check so far, like model.state(): the Solver's own, overwritten by the next. */
  get bestState(): Readonly<Record<string, Tensor>> | undefined {
    return this.#best;
  }

  /** What change() changes, as it is now. Of the update rule: its numbers, those of its state left out. */
  get live(): Required<LiveOptions> {
    const { lrDecay, clipNorm = null, weightDecay, augment = null, rule } = this.#settings;
    const numbers = Object.keys(rule.config()).filter((name) => !['learningRate', 't'].includes(name));
    const config = Object.values(this.optimConfigs)[0] ?? {};
    return {
      learningRate: this.#rate ?? 0,
      reg: this.model instanceof Network ? this.model.reg : 0,
      optimConfig: pick(config, numbers) as Record<string, number>,
      ...{ lrDecay, clipNorm, weightDecay, augment },
    };
  }

  /**
   * Changes options in the course of a run, from the next step on; checkpoints hold them as they are. All are checked
   * before any is changed.
   *
   * @throws OptionError, ValueError, ShapeError
   */
  change(options: LiveOptions): void {
    const where = 'change';
    const settings = settleLive(where, options, this.#settings);
    const { learningRate, reg, optimConfig } = options;
    const { model } = this;
    if (learningRate !== undefined && this.#rate === undefined) {
      throw new OptionError({ where, rule: 'the update rule has no learningRate' });
    }
    if (reg !== undefined && !(model instanceof Network)) {
      throw new OptionError({ where, rule: 'the model has no reg that is known' });
    }
    const numbers = optimConfig === undefined ? {} : this.#ruleNumbers(where, optimConfig);
    this.#reader.checkAugment('augment' in settings ? settings.augment : this.#settings.augment, this.#train.X);
    Object.assign(this.#settings, settings);
    if (learningRate !== undefined) this.#rate = learningRate;
    if (reg !== undefined) (model as Network).reg = reg;
    for (const config of Object.values(this.optimConfigs)) Object.assign(config, numbers);
  }

  /** Numbers for the update rule, checked beside those that stay. */
  #ruleNumbers(where: string, optimConfig: NonNullable<LiveOptions['optimConfig']>): LiveOptions['optimConfig'] {
    const { rule, weightDecay } = this.#settings;
    for (const name of ['learningRate', 't']) {
      if (!Object.hasOwn(optimConfig, name)) continue;
      const hint = name === 't' ? 'it counts the steps' : 'change({ learningRate }) changes it';
      throw new OptionError({ where, rule: `optimConfig.${name} cannot be changed`, hint });
    }
    if (rule.name !== undefined) checkOptions(`${where}: optimConfig`, optimConfig, Object.keys(rule.config()));
    findUpdateRule(where, rule.name ?? rule.update, optimConfig);
    if (weightDecay > 0 && Number(optimConfig.weightDecay) > 0) {
      throw new OptionError({ where, rule: 'weightDecay is there twice: the Solver has its own' });
    }
    return { ...optimConfig };
  }

  /**
   * Trains for numEpochs epochs; after an abort, for the rest of them. Called again after a finished run, for numEpochs
   * more. The event loop gets its turn about every 30 ms.
   *
   * @throws signal.reason (an AbortError by default) after an abort; FaultError when a loss or a gradient is not finite,
   *   unless onFault says otherwise, with the step and before any parameter was changed by it: the model keeps its
   *   parameters if they still give finite scores, else gets the best ones; StorageError when a checkpoint cannot be written
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
        await this.#autosave();
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
      const labels = this.#reader.labels(where, 'y', y, x.shape[0] ?? 0);
      const width = flip ? imageWidth(where, this.#reader.inputShape, x) : 0;
      const examples = { X: x, y: labels, N: labels.size };
      return this.#reader.accuracy(examples, this.#settings.random, numSamples, batchSize, width);
    });
  }

  /** One step with all that belongs to it: printed lines, decay, the accuracy check. */
  #iterate(): SolverEvent[] {
    this.#inside = true;
    try {
      const iteration = this.#done;
      const factor = this.#factor();
      const { loss, gradientNorm, examples, fault } = scope(() => this.#step(factor));
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
        this.#faults = 0;
        if (this.#rate !== undefined) this.#rate *= lrDecay;
      }
      const place = { iteration: this.#done, numIterations: this.#numIterations };
      const epochs = { epoch: this.epoch, numEpochs: this.#lastEpoch };
      const numbers = { loss, learningRate, gradientNorm, examples, fault };
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
    fault: Fault | undefined;
    configs: unknown;
  } {
    this.#guard.keep();
    const rows = this.#rows();
    const { augment, random } = this.#settings;
    const { X } = this.#train;
    const batch = this.#reader.augmented(this.#reader.batch(X, rows), X, augment, random);
    const labels = this.#plan.run(`labels ${rows.size}`, () => {
      const y = empty([rows.size], 'int32');
      kernels.gather(y, this.#train.y, rows);
      return y;
    });
    const found = this.#learner.lossAndGradients(batch, labels, this.#defers());
    const { loss } = found;
    const examples = rows.size;
    for (const name in this.optimConfigs) {
      if (found.gradients[name]) continue;
      const rule = `the model's loss returned no gradient for ${name}`;
      throw new ShapeError({ where: 'Solver', rule, hint: 'loss(X, y) returns [loss, gradients], named like params' });
    }
    const { rule, weightDecay } = this.#settings;
    const known = this.#computed(loss, found.gradients);
    let clipped = this.#clipped(known);
    const example = (i: number) => rows.data[i];
    const bad = this.#guard.find(loss, known, clipped.gradientNorm, batch, example);
    const fault = bad && this.#meet(bad);
    if (fault && fault.action !== 'clip') {
      return { loss, gradientNorm: clipped.gradientNorm, examples, fault, configs: this.optimConfigs };
    }
    if (fault) clipped = this.#clipped(withoutBadElements(known, this.model instanceof Network));
    const { gradientNorm, gradients } = clipped;
    const { params, weightNames } = this.#learner;
    if (weightDecay > 0) {
      const keep = 1 - (this.#rate as number) * factor * weightDecay;
      for (const name of weightNames) kernels.unary('scale', params[name], params[name], keep);
    }
    for (const name in this.optimConfigs) this.#update(name, params[name], gradients[name], factor);
    // A rule of the user's may have made state in this scope; it survives by being returned.
    const configs = rule.name === undefined ? this.optimConfigs : undefined;
    return { loss, gradientNorm, examples, fault, configs };
  }

  /** Whether an update rule may compute the gradients of large weights itself: not if anything else is to read them. */
  #defers(): boolean {
    const { rule, clipNorm, weightDecay } = this.#settings;
    // Decoupled decay comes between the gradient, whose part of L2 is taken from the weights as they were, and the rule.
    const both = weightDecay > 0 && this.model instanceof Network && this.model.reg > 0;
    return rule.name !== undefined && clipNorm === undefined && !both;
  }

  /** Gradients that are still products are computed if they may not be finite. */
  #computed(loss: number, gradients: Readonly<Record<string, Gradient>>): Readonly<Record<string, Gradient>> {
    const { params } = this.#learner;
    const entries = Object.entries(gradients).map(([name, g]) => {
      const fine = !(g instanceof AffineGradient) || (Number.isFinite(loss) && g.surelyFinite());
      return [name, fine ? g : g.compute(params[name])] as const;
    });
    return Object.fromEntries(entries);
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
    if (!(gradientNorm > clipNorm && Number.isFinite(gradientNorm))) return { gradientNorm, gradients };
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

  /** Deals with numbers that are not finite, as onFault says; nothing of them is in the parameters yet. */
  #meet(found: Found, step = this.#done + 1): Fault {
    this.#guard.restore();
    const { onFault, faultLimit, print } = this.#settings;
    const beyond = ++this.#faults > faultLimit;
    const ruined = found.what === 'parameter' || found.what === 'state';
    if (beyond || onFault === 'stop' || (ruined && onFault !== 'rollback')) this.#fail(found, step, beyond);
    if (onFault === 'rollback' && !this.#best) this.#fail(found, step);
    if (onFault === 'rollback') this.#rollBack();
    const done = { skip: 'skipped', clip: 'clipped', rollback: 'back to the best parameters, at half the rate' }[
      onFault
    ];
    print(`(Iteration ${step} / ${this.#numIterations}) ${found.text} is ${found.value}: ${done}`);
    return { ...found, step, action: onFault };
  }

  /** Training ends: with the parameters there are, if they still give finite scores, else with the best. */
  #fail({ what, text, value, layer, parameter }: Found, step: number, beyond = false): never {
    this.#failed = true;
    const count = Math.min(this.#val.N, this.batchSize);
    const finite = scope(() => {
      const scores = this.model.loss(this.#reader.range(this.#val.X, 0, count));
      return scores.data.every((score) => Number.isFinite(score));
    });
    let outcome = 'the model keeps the parameters it had before this step';
    if (!finite && this.#best) {
      this.#learner.loadState(this.#best);
      outcome = `the model was given the parameters of its best validation accuracy, ${formatFixed(this.bestValAcc)}`;
    }
    const many = beyond ? `fault ${this.#faults} of this epoch; ` : '';
    const advice = what === 'examples' ? 'look at the data' : 'try a smaller learning rate, or look at onFault';
    throw new FaultError({
      where: 'Solver',
      argument: text,
      rule: 'finite',
      value: `${value} at iteration ${step} / ${this.#numIterations}`,
      hint: `${many}${outcome}; ${advice}`,
      ...{ step, what, layer, parameter },
    });
  }

  /** The best parameters, half the learning rate, and the update rule as at the beginning. */
  #rollBack(): void {
    this.#learner.loadState(this.#best as Record<string, Tensor>);
    if (this.#rate !== undefined) this.#rate *= ROLLBACK_RATE;
    const rate = this.#rate === undefined ? {} : { learningRate: this.#rate };
    for (const [name, config] of Object.entries(this.optimConfigs)) {
      for (const t of Object.values(config).filter(isTensor)) t.dispose();
      this.optimConfigs[name] = { ...this.#settings.rule.config(), ...rate };
    }
  }

  /** Before parameters are kept as the best or written away: a state that is not finite is a fault like others. */
  #inspect(): void {
    const found = this.#guard.unsound(this.optimConfigs);
    if (found) this.#meet(found, this.#done);
  }

  #check(): { trainAcc: number; valAcc: number; bestValAcc: number } {
    const { numTrainSamples, numValSamples, print, random } = this.#settings;
    this.#inspect();
    const trainAcc = this.#reader.accuracy(this.#train, random, numTrainSamples);
    const valAcc = this.#reader.accuracy(this.#val, random, numValSamples);
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
   * position. Between steps only, as in the callbacks of train(). It is a safetensors file: other programs can read its
   * arrays, and checkpointInfo() the rest.
   *
   * @param options context: plain JSON to keep with it, such as what model and data were made from
   * @throws RuntimeError in the middle of a step; OptionError if a rule of the user's keeps something that is no tensor, finite
   *   number, text or boolean
   */
  save(options: { context?: unknown } = {}): Uint8Array<ArrayBuffer> {
    checkOptions('save', options, ['context']);
    if (this.#inside) {
      const hint = 'save between steps: in onStep, onEpoch, or the loop over steps()';
      throw new RuntimeError({ where: 'save', rule: 'a step is under way', hint });
    }
    const network = this.model instanceof Network ? this.model : undefined;
    const { random } = this.#settings;
    return encodeSnapshot({
      settings: this.#settings,
      position: {
        numTrain: this.#train.N,
        numVal: this.#val.N,
        reg: network?.reg,
        learningRate: this.#rate,
        bestValAcc: this.bestValAcc,
        epoch: this.epoch,
        lastEpoch: this.#lastEpoch,
        done: this.#done,
        numIterations: this.#numIterations,
        faults: this.#faults,
      },
      histories: this,
      state: this.#reached(),
      best: this.#best,
      configs: Object.values(this.optimConfigs),
      order: this.#order,
      modelStream: network && network.random !== random ? network.random : undefined,
      context: options.context,
    });
  }

  /**
   * Writes a checkpoint now, where the option checkpoint says. Between steps only, as save().
   *
   * @returns the name of its file there
   */
  async writeCheckpoint(): Promise<string> {
    const { autosave } = this.#settings;
    if (!autosave) {
      const hint = "new Solver(…, { checkpoint: { store: 'folder' } }); save() gives the bytes";
      throw new RuntimeError({ where: 'writeCheckpoint', rule: 'the option checkpoint was not given', hint });
    }
    return autosave.write(this.lossHistory.length, this.save({ context: autosave.context }));
  }

  /**
   * A Solver that stands where save() was called: train() goes on with the same bits as if the run had never stopped. As
   * after any stop, the model gets the best parameters until then; it also gets the reg of then.
   *
   * @param bytes what save() returned
   * @param model made like the one of then
   * @param data the data of then
   * @param options file: the name of the bytes, for messages. And what a checkpoint cannot hold: functions given as updateRule, schedule and augment, which must be given
   *   again (given as data, schedule and augment take the place of those of then); random: a stream to go on with (its
   *   state is set), default a new one. Also log, verbose, printEvery, checkpointName, checkpoint, onFault, faultLimit.
   * @throws DataError for bytes that are no checkpoint; ShapeError if model or data are not those of then
   */
  static resume(
    bytes: Uint8Array,
    model: Network | TrainableModel,
    data: SolverData,
    options: ResumeOptions & { file?: string } = {},
  ): Solver {
    const where = 'resume';
    checkOptions(where, options, [...RESUME_OPTIONS, 'file']);
    const { file, ...others } = options;
    const stored = readCheckpoint(where, 'solver', bytes, file);
    if (options.checkpoint !== undefined) new Autosave('Solver: checkpoint', options.checkpoint);
    const functions = stored.record('functions');
    for (const name of ['updateRule', 'schedule', 'augment'] as const) {
      if ((functions[name] === true) === (typeof options[name] === 'function')) continue;
      const rule =
        functions[name] === true ? `${name} was a function and must be given again` : `${name} was no function`;
      throw new OptionError({ where, rule });
    }
    const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
    // Picked by name: a file must not decide where files are written.
    const saved = pick(stored.record('options'), [...SAVED_OPTIONS, 'updateRule', 'schedule', 'augment']);
    const merged = { ...saved, random: new RandomState(0), ...given } as SolverOptions;
    stored.checked(() => settle(merged));
    const solver = new Solver(model, data, merged);
    try {
      const { numTrain, numVal } = { numTrain: solver.#train.N, numVal: solver.#val.N };
      const params = Object.fromEntries(
        Object.keys(solver.optimConfigs).map((name) => [name, solver.#learner.params[name]]),
      );
      const wanted = { settings: solver.#settings, numTrain, numVal, params, state: solver.#learner.state() };
      solver.#restore(decodeSnapshot(stored, { ...wanted, iterationsPerEpoch: solver.#iterationsPerEpoch }));
      return solver;
    } catch (error) {
      solver.dispose();
      throw error;
    }
  }

  /** Everything was read and checked before anything of the model is changed. */
  #restore({ position, histories, state, best, configs, order, stream, modelStream }: StoredSnapshot): void {
    const { random, sampling } = this.#settings;
    const names = Object.keys(this.optimConfigs);
    // What needs room comes first.
    const { reached, kept, states } = lasting(() => ({
      reached: toTensors(state),
      kept: best && toTensors(best),
      states: configs.map(({ tensors }) => toTensors(tensors)),
    }));
    // From here on they are the Solver's, which frees them if the rest fails.
    for (const [i, { own }] of configs.entries()) this.optimConfigs[names[i]] = { ...own, ...states[i] };
    this.#best = kept;
    this.#last = reached;
    if (order && sampling === 'epoch') this.#order = this.#plan.run('order', () => tensor(order, { dtype: 'int32' }));

    random.setState(stream);
    const { model } = this;
    if (model instanceof Network) {
      if (!modelStream) model.random = random;
      else if (model.random === random || model.random === defaultStream) model.random = new RandomState(0);
      if (modelStream) model.random.setState(modelStream);
      if (position.reg !== undefined) model.reg = position.reg;
    }
    this.#learner.loadState(kept ?? reached);
    if (kept) {
      for (const name of names) this.bestParams[name] = kept[name];
    } else {
      for (const t of Object.values(reached)) t.dispose();
      this.#last = undefined;
    }
    for (const [i, name] of HISTORIES.entries()) for (const value of histories[i]) this[name].push(value);
    this.#rate = position.learningRate;
    this.#done = position.done;
    this.#numIterations = position.numIterations;
    this.#lastEpoch = position.lastEpoch;
    this.#faults = position.faults;
    this.epoch = position.epoch;
    this.bestValAcc = position.bestValAcc;
  }

  async #write(): Promise<void> {
    const file = `${this.#settings.checkpointName}_epoch_${this.epoch}.safetensors`;
    this.#inspect();
    this.#settings.print(`Saving checkpoint to "${file}"`);
    await replaceFile('Solver', file, this.save());
  }

  async #autosave(): Promise<void> {
    const { autosave } = this.#settings;
    if (!autosave) return;
    const epochEnds = this.#done % this.#iterationsPerEpoch === 0;
    await autosave.step(epochEnds, this.lossHistory.length, () => {
      this.#inspect();
      return this.save({ context: autosave.context });
    });
  }

  /** Frees what the Solver holds: state of the update rule, best parameters, plans. Not the model, not given data. */
  dispose(): void {
    const states = Object.values(this.optimConfigs).flatMap((config) => Object.values(config).filter(isTensor));
    const copies = [this.#best, this.#last].flatMap((tensors) => Object.values(tensors ?? {}));
    for (const t of [...states, ...copies]) t.dispose();
    this.#guard.dispose();
    this.#plan.dispose();
    this.#reader.dispose();
  }
}

/** What `make` makes belongs to no scope; all of it is there, or nothing. */
function lasting<T>(make: () => T): T {
  return persistent(() => attempt(make));
}

/** Copies of all tensors that belong to no scope; into those of `into` if there are any. */
function copyInto(
  into: Record<string, Tensor> | undefined,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const entries = Object.entries(tensors);
  if (!into) return lasting(() => Object.fromEntries(entries.map(([name, t]) => [name, t.clone()])));
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
