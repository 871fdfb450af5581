/** The worker's side: a model, its Solver and its data, and an answer to every request. */

import { info } from '../engine.js';
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
import type { Network } from '../network.js';
import { RandomState } from '../random.js';
import type { Assets } from '../runtime/assets.js';
import { pause } from '../runtime/host.js';
import { start } from '../runtime/index.js';
import type { StoredArray } from '../safetensors.js';
import { sameShape, sizeOf } from '../shape.js';
import type { SolverOptions } from '../solver/options.js';
import { Solver } from '../solver.js';
import { summaryText } from '../summary.js';
import { checkIndices, type Tensor } from '../tensor.js';
import { completeSpec, type FullSpec, makeModel } from './build.js';
import { TrainerSets } from './data.js';
import { Inputs } from './inputs.js';
import type { Answer, Arguments, Created, Method } from './protocol.js';
import { activations, gradients, plain, predict, predictRange, ranges } from './reading.js';
import { Runner } from './run.js';
import { type Context, readModel, readState, writeModel } from './storage.js';
import type { Evaluation, Examples, LiveOptions, TrainerState } from './types.js';

type Handlers = { [M in Method]: (args: Arguments<M>) => Answer<M> | Promise<Answer<M>> };

/** What is there once create() has been answered. */
interface Setup {
  /** Kept with everything that is saved. */
  context: Context;
  model: Network;
  inputs: Inputs;
  sets: TrainerSets | undefined;
  runner: Runner | undefined;
}

export class Session {
  #setup: Setup | undefined;

  /** assetsOf: the files that the places of a request lead to. */
  constructor(readonly assetsOf: (places: Arguments<'create'>['files']) => Assets) {}

  async answer<M extends Method>(method: M, args: Arguments<M>): Promise<Answer<M>> {
    const runner = this.#setup?.runner;
    const began = performance.now();
    try {
      const handler = this.#handlers[method] as (args: Arguments<M>) => Answer<M> | Promise<Answer<M>>;
      const answer = handler(args);
      return answer instanceof Promise ? answer : await Promise.resolve(answer);
    } finally {
      runner?.took(began - performance.now());
    }
  }

  readonly #handlers: Handlers = {
    create: (args) => this.#create(args),
    fill: (numbers) => {
      const { sets, inputs, context } = this.#ready();
      sets?.fill(numbers);
      if (!sets || !context.spec.input.subtractMean || inputs.mean) return;
      inputs.measure(sets.numbers('train'));
      context.mean = Array.from(inputs.mean ?? []);
    },
    info: () => info(),
    summary: () => {
      const summary = this.#ready().model.summary({ log: () => undefined });
      return { ...summary, text: summaryText(summary) };
    },
    state: () => this.#state(),
    history: ({ from }) => {
      const { lossHistory, trainAccHistory, valAccHistory } = this.#runner('history').solver;
      return {
        loss: Float64Array.from(lossHistory.slice(from)),
        trainAcc: Float64Array.from(trainAccHistory),
        valAcc: Float64Array.from(valAccHistory),
      };
    },
    train: ({ feed }) => this.#runner('train').train(feed),
    pause: () => this.#setup?.runner?.pause(),
    resume: () => this.#setup?.runner?.resume(),
    step: async ({ count }) => {
      const runner = this.#runner('step');
      await runner.step(checkNumber('step', 'count', count, { low: 1, integer: true }));
      return this.#state();
    },
    stop: () => this.#setup?.runner?.stop(),
    change: ({ options }) => {
      const { solver } = this.#runner('change');
      solver.change(options);
      return solver.live as Required<LiveOptions>;
    },
    params: ({ names, best }) => {
      const { model } = this.#ready();
      const state = this.#parameters(best);
      const wanted = names?.map((name) => checkChoice('params', 'names', name, model.paramNames)) ?? model.paramNames;
      return Object.fromEntries(wanted.map((name) => [name, plain(state[name] as Tensor)]));
    },
    setParams: ({ values }) => {
      const { model } = this.#ready();
      for (const name of Object.keys(values))
        checkChoice('setParams', 'the name of a parameter', name, model.paramNames);
      model.loadState({ ...model.state(), ...(values as unknown as Record<string, Float32Array>) });
    },
    gradients: ({ X, y }) => {
      const { model, inputs } = this.#ready();
      this.#checkExamples('gradients', X);
      return gradients(model, inputs, X, y);
    },
    activations: ({ X, layers }) => {
      const { model, inputs } = this.#ready();
      this.#checkExamples('activations', X);
      return activations(model, inputs, X, layers);
    },
    predict: ({ X }) => {
      const { model, inputs } = this.#ready();
      this.#checkExamples('predict', X);
      return predict(model, inputs, X);
    },
    evaluate: (args) => this.#evaluate(args),
    save: () => this.#runner('save').solver.save({ context: this.#ready().context }),
    load: ({ state }) => this.#load(state),
    saveModel: ({ best }) => writeModel(this.#ready().context, this.#parameters(best)),
    loadModel: ({ model: bytes }) => {
      const { model, context } = this.#ready();
      const { arrays, mean, spec } = readModel('loadModel', bytes);
      loadArrays(model, arrays);
      this.#adopt({ ...context, spec: { ...context.spec, input: spec.input }, mean });
    },
    open: ({ feed, options }) => this.#runner('events').open(feed, options),
    next: ({ feed }) => this.#runner('events').next(feed),
    close: ({ feed }) => this.#setup?.runner?.close(feed),
  };

  async #create({ spec: given, data, init, files, state, model: bytes }: Arguments<'create'>): Promise<Created> {
    const where = 'createTrainer';
    await start(init, this.assetsOf(files));
    const sets = data === null ? undefined : new TrainerSets(data);
    const saved = state && readState(where, state);
    const stored = bytes && readModel(where, bytes);
    const found = saved ?? stored;
    const spec = given ?? (found && withoutPlaces(found.spec));
    if (!spec) throw new OptionError({ where, argument: 'spec', rule: 'an object', value: describe(given) });
    const full = completeSpec(spec, sets?.around() ?? { shape: undefined, numClasses: undefined, bytes: false });
    const context: Context = { spec: full, classes: sets?.classes ?? found?.classes, mean: found?.mean };
    const random = new RandomState(full.seed);
    const model = makeModel(full, random);
    const inputs = new Inputs(model.inputShape, model.dtype, full.input);
    inputs.setMean(context.mean);
    if (stored) loadArrays(model, stored.arrays);
    let runner: Runner | undefined;
    if (sets) {
      sets.check(model);
      const examples = sets.forSolver(inputs);
      const options = solverOptions(context);
      const solver =
        state && saved
          ? Solver.resume(state, model, examples, { ...onResuming(options), random })
          : new Solver(model, examples, { ...options, random });
      runner = new Runner(solver);
    }
    this.#setup = { context, model, inputs, sets, runner };
    return this.#created();
  }

  #created(): Created {
    const { context, model } = this.#ready();
    const { spec, classes } = context;
    const { inputShape, numClasses, paramNames } = model;
    return { spec, classes, inputShape: [...inputShape], numClasses, paramNames: [...paramNames] };
  }

  #ready(): Setup {
    if (this.#setup) return this.#setup;
    throw new RuntimeError({ where: 'createTrainer', rule: 'there is no model yet' });
  }

  #runner(where: string): Runner {
    const { runner } = this.#ready();
    if (runner) return runner;
    throw new RuntimeError({ where, rule: 'this trainer has no data to train on', hint: 'give createTrainer data' });
  }

  #state(): TrainerState {
    const { solver, status } = this.#runner('state');
    const { iteration, numIterations, epoch, lastEpoch, batchSize, bestValAcc, lossHistory } = solver;
    return {
      status,
      ...{ iteration, numIterations, epoch, numEpochs: lastEpoch, batchSize, bestValAcc },
      loss: lossHistory.at(-1),
      live: solver.live as TrainerState['live'],
      memory: info().memory,
    };
  }

  /** Parameters and running averages: those of now, or of the best check if there has been one. */
  #parameters(best: boolean): Readonly<Record<string, Tensor>> {
    const { model, runner } = this.#ready();
    return (best ? runner?.solver.bestState : undefined) ?? model.state();
  }

  /** What the inputs are from now on, and what is kept with what is saved. */
  #adopt(context: Context): void {
    const setup = this.#ready();
    Object.assign(setup.context, context);
    setup.inputs.spec = context.spec.input;
    setup.inputs.setMean(context.mean);
  }

  async #load(state: Uint8Array): Promise<Created> {
    const where = 'load';
    const runner = this.#runner(where);
    const { context, model, sets, inputs } = this.#ready();
    const saved = readState(where, state);
    await runner.stop();
    const random = new RandomState(saved.spec.seed);
    const examples = (sets as TrainerSets).forSolver(inputs);
    const solver = Solver.resume(state, model, examples, { ...onResuming(solverOptions(context)), random });
    runner.solver.dispose();
    runner.replace(solver);
    const { checkpoint, checkpointName } = context.spec.solver;
    const spec = withoutPlaces(saved.spec);
    this.#adopt({ ...saved, spec: { ...spec, solver: { ...spec.solver, checkpoint, checkpointName } } });
    return this.#created();
  }

  async #evaluate({ set, options }: Arguments<'evaluate'>): Promise<Evaluation> {
    const where = 'evaluate';
    checkOptions(where, options, ['limit', 'flip', 'batchSize']);
    const { flip = false, batchSize = 100 } = options;
    checkNumber(where, 'batchSize', batchSize, { low: 1, integer: true });
    const { model, inputs, runner } = this.#ready();
    const { X, y } = typeof set === 'string' ? this.#set(set) : set;
    const N = this.#checkExamples(where, X, y);
    const count = Math.min(N, checkNumber(where, 'limit', options.limit ?? N, { low: 1, integer: true }));
    const C = model.numClasses;
    const found: Evaluation = {
      accuracy: 0,
      labels: new Int32Array(count),
      confidence: new Float64Array(count),
      ownConfidence: new Float64Array(count),
      confusion: { shape: [C, C], dtype: 'int32', data: new Int32Array(C * C) },
    };
    const read = async () => {
      let right = 0;
      for (const range of ranges(count, batchSize)) {
        const { labels, probabilities } = predictRange(model, inputs, X, range, flip);
        for (const [i, label] of labels.entries()) {
          const at = range[0] + i;
          const own = y[at] as number;
          found.labels[at] = label;
          found.confidence[at] = probabilities[i * C + label] as number;
          found.ownConfidence[at] = probabilities[i * C + own] as number;
          (found.confusion.data[own * C + label] as number)++;
          if (own === label) right++;
        }
        await pause();
      }
      return { ...found, accuracy: right / count };
    };
    return runner ? runner.hold(read) : read();
  }

  #set(name: 'train' | 'val' | 'test'): { X: Examples; y: Int32Array } {
    const sets = this.#ready().sets;
    checkChoice('evaluate', 'set', name, ['train', 'val', 'test']);
    if (!sets) throw new OptionError({ where: 'evaluate', rule: 'this trainer has no data', hint: 'give { X, y }' });
    const { shape, labels } = sets.set(name);
    return { X: { shape, data: sets.numbers(name) }, y: labels };
  }

  /** Number of examples, at least one; they and their labels fit the model. */
  #checkExamples(where: string, { shape }: Examples, y?: Int32Array): number {
    const { model } = this.#ready();
    const D = sizeOf(model.inputShape);
    const N = shape[0] ?? 0;
    if (N === 0 || sizeOf(shape.slice(1)) !== D) {
      const hint = `the model was made for inputs ${formatShape(model.inputShape)}`;
      const rule = `(N, …) with ${D} numbers for each example, and at least one of them`;
      throw new ShapeError({ where, argument: 'X', rule, value: formatShape(shape), hint });
    }
    if (y) checkIndices(where, 'y', y, model.numClasses).dispose();
    return N;
  }
}

/** What a Solver is told: with the checkpoints that it writes go the things a trainer is made from. */
function solverOptions(context: Context): SolverOptions {
  const { checkpoint, ...options } = context.spec.solver;
  return checkpoint === undefined ? options : { ...options, checkpoint: { ...checkpoint, context } };
}

/** Those of them that a checkpoint does not bring. */
function onResuming({ verbose, printEvery, checkpointName, checkpoint, onFault, faultLimit }: SolverOptions) {
  const all = { verbose, printEvery, checkpointName, checkpoint, onFault, faultLimit };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A file is not to decide where files are written. */
function withoutPlaces(spec: FullSpec): FullSpec {
  const { checkpoint: _, checkpointName: __, ...solver } = spec.solver ?? {};
  return { ...spec, solver };
}

/** All parameters and running averages, which must be those of the model. */
function loadArrays(model: Network, arrays: ReadonlyMap<string, StoredArray>): void {
  const state = model.state();
  for (const [name, { dtype, shape }] of arrays) {
    const own = state[name];
    if (!own || (own.dtype === dtype && sameShape(own.shape, shape))) continue;
    const rule = `${own.dtype} ${formatShape(own.shape)}, as in this net`;
    throw new ShapeError({ where: 'loadModel', argument: name, rule, value: `${dtype} ${formatShape(shape)}` });
  }
  model.loadState(Object.fromEntries([...arrays].map(([name, { data }]) => [name, data] as const)));
}
