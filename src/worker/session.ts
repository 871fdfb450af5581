/** The worker's side: a model, its Solver and its data, and an answer to every request. */

import type { StoredArray } from '../checkpoint.js';
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
import type { Files } from '../runtime/files.js';
import { pause } from '../runtime/host.js';
import { start } from '../runtime/index.js';
import { sizeOf } from '../shape.js';
import { Solver } from '../solver.js';
import { summaryText } from '../summary.js';
import { checkIndices, type Tensor } from '../tensor.js';
import { completeSpec, type FullSpec, makeModel } from './build.js';
import { TrainerSets } from './data.js';
import { Inputs } from './inputs.js';
import type { Answer, Arguments, Created, Method } from './protocol.js';
import { activations, gradients, plain, predict, predictRange, ranges } from './reading.js';
import { Runner } from './run.js';
import { readModel, readState, type Stored, writeModel, writeState } from './storage.js';
import type { Evaluation, Examples, LiveOptions, TrainerState } from './types.js';

type Handlers = { [M in Method]: (args: Arguments<M>) => Answer<M> | Promise<Answer<M>> };

/** What is there once create() has been answered. */
interface Setup {
  spec: FullSpec;
  classes: readonly string[] | undefined;
  model: Network;
  inputs: Inputs;
  sets: TrainerSets | undefined;
  runner: Runner | undefined;
}

export class Session {
  #setup: Setup | undefined;

  /** filesOf: the files that the places of a request lead to. */
  constructor(readonly filesOf: (places: Arguments<'create'>['files']) => Files) {}

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
      const { sets, inputs, spec } = this.#ready();
      sets?.fill(numbers);
      if (sets && spec.input.subtractMean && !inputs.mean) inputs.measure(sets.numbers('train'));
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
    save: () => writeState(this.#stored(), this.#runner('save').solver.save()),
    load: ({ state }) => this.#load(state),
    saveModel: ({ best }) => writeModel(this.#stored(), this.#parameters(best)),
    loadModel: ({ model: bytes }) => {
      const { model, inputs } = this.#ready();
      const { state, mean, spec } = readModel('loadModel', bytes);
      this.#loadArrays(model, state);
      inputs.spec = spec.input;
      inputs.setMean(mean);
    },
    open: ({ feed, options }) => this.#runner('events').open(feed, options),
    next: ({ feed }) => this.#runner('events').next(feed),
    close: ({ feed }) => this.#setup?.runner?.close(feed),
  };

  async #create({ spec: given, data, init, files, state, model: bytes }: Arguments<'create'>): Promise<Created> {
    const where = 'createTrainer';
    await start(init, this.filesOf(files));
    const sets = data === null ? undefined : new TrainerSets(data);
    const saved = state && readState(where, state);
    const stored = bytes && readModel(where, bytes);
    const spec = given ?? saved?.spec ?? stored?.spec;
    if (!spec) throw new OptionError({ where, argument: 'spec', rule: 'an object', value: describe(given) });
    const full = completeSpec(spec, sets?.around() ?? { shape: undefined, numClasses: undefined, bytes: false });
    const random = new RandomState(full.seed);
    const model = makeModel(full, random);
    const inputs = new Inputs(model.inputShape, model.dtype, full.input);
    inputs.setMean((saved ?? stored)?.mean);
    const classes = sets?.classes ?? saved?.classes ?? stored?.classes;
    if (stored) this.#loadArrays(model, stored.state);
    let runner: Runner | undefined;
    if (sets) {
      sets.check(model);
      const examples = sets.forSolver(inputs);
      const solver = saved
        ? Solver.resume(saved.solver, model, examples, { random, verbose: full.solver.verbose ?? false })
        : new Solver(model, examples, { ...full.solver, random });
      runner = new Runner(solver);
    }
    this.#setup = { spec: full, classes, model, inputs, sets, runner };
    return this.#created();
  }

  #created(): Created {
    const { spec, classes, model } = this.#ready();
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

  #stored(): Stored {
    const { spec, classes, inputs } = this.#ready();
    return { spec, classes, mean: inputs.mean };
  }

  #loadArrays(model: Network, arrays: Readonly<Record<string, StoredArray>>): void {
    const state = model.state();
    for (const [name, { dtype, shape }] of Object.entries(arrays)) {
      const own = state[name];
      if (!own || (own.dtype === dtype && formatShape(own.shape) === formatShape(shape))) continue;
      const rule = `${own.dtype} ${formatShape(own.shape)}, as in this net`;
      throw new ShapeError({ where: 'loadModel', argument: name, rule, value: `${dtype} ${formatShape(shape)}` });
    }
    const values = Object.entries(arrays).map(([name, { data }]) => [name, data] as const);
    model.loadState(Object.fromEntries(values));
  }

  async #load(state: Uint8Array): Promise<Created> {
    const where = 'load';
    const runner = this.#runner(where);
    const setup = this.#ready();
    const { solver: bytes, ...stored } = readState(where, state);
    await runner.stop();
    const sets = setup.sets as TrainerSets;
    const random = new RandomState(stored.spec.seed);
    const verbose = stored.spec.solver.verbose ?? false;
    const solver = Solver.resume(bytes, setup.model, sets.forSolver(setup.inputs), { random, verbose });
    runner.solver.dispose();
    runner.replace(solver);
    setup.spec = stored.spec;
    setup.classes = stored.classes;
    setup.inputs.spec = stored.spec.input;
    setup.inputs.setMean(stored.mean);
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
