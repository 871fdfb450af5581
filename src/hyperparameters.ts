/**
 * The search for hyper-parameters: grids, random draws, a finer look around the best, and successive halving, which stops
 * hopeless trials early. It knows nothing of models: a trial is whatever `run` does with its settings.
 */
import { exp, log } from './arithmetic.js';
import { isRecord } from './checkpoint.js';
import {
  checkNumber,
  checkOptions,
  describe,
  nearest,
  OptionError,
  oneLine,
  RuntimeError,
  ValueError,
} from './errors.js';
import { scope } from './memory.js';
import { random as defaultStream, type RandomSource } from './random.js';
import { tensor } from './tensor.js';

/** Where values come from, as plain JSON. */
export type Distribution =
  | { logUniform: readonly [low: number, high: number] }
  | { uniform: readonly [low: number, high: number] }
  | { integers: readonly [low: number, high: number] }
  | { choice: readonly unknown[] };

/** A distribution for each name; a list is a choice of its items. */
export type Space = Readonly<Record<string, Distribution | readonly unknown[]>>;

/** The settings of a trial, by name. */
export type TrialSettings = Record<string, unknown>;

/** Uniform in the logarithm, for what matters by its order of magnitude. Bounds > 0. */
export function logUniform(low: number, high: number): Distribution {
  return checked('logUniform', 'logUniform', { logUniform: [low, high] });
}

export function uniform(low: number, high: number): Distribution {
  return checked('uniform', 'uniform', { uniform: [low, high] });
}

/** Whole numbers from low to high, both included. */
export function integers(low: number, high: number): Distribution {
  return checked('integers', 'integers', { integers: [low, high] });
}

/** One of the values, each as likely as the others. */
export function choice(values: readonly unknown[]): Distribution {
  return checked('choice', 'values', { choice: values });
}

/** Of a grid. */
const MOST_TRIALS = 100_000;

const KINDS = ['logUniform', 'uniform', 'integers', 'choice'] as const;

/** Either a list of values, or two bounds. */
interface Source {
  kind: (typeof KINDS)[number];
  values: readonly unknown[];
  low: number;
  high: number;
}

/** `given` if it is a distribution. */
function checked(where: string, argument: string, given: Distribution): Distribution {
  sourceOf(where, argument, given);
  return given;
}

function sourceOf(where: string, argument: string, given: unknown): Source {
  if (Array.isArray(given)) return sourceOf(where, argument, { choice: given });
  const [kind, ...others] = isRecord(given) ? Object.keys(given) : [];
  if (kind === undefined || others.length > 0 || !KINDS.includes(kind as Source['kind'])) {
    const near = kind === undefined ? undefined : nearest(kind, KINDS);
    throw new OptionError({
      where,
      argument,
      rule: 'a list of values, or one of { logUniform: [low, high] }, { uniform }, { integers }, { choice }',
      value: kind === undefined ? describe(given) : oneLine(`{ ${Object.keys(given as object).join(', ')} }`),
      hint: near === undefined || others.length > 0 ? undefined : `did you mean '${near}'?`,
    });
  }
  const values: unknown = (given as Record<string, unknown>)[kind];
  if (!Array.isArray(values) || values.length === 0 || (kind !== 'choice' && values.length !== 2)) {
    const rule = kind === 'choice' ? 'a list of at least one value' : '[low, high]';
    throw new OptionError({ where, argument, rule, value: describe(values) });
  }
  const source: Source = { kind: kind as Source['kind'], values, low: 0, high: 0 };
  if (kind === 'choice') return source;
  const bounds = { integer: kind === 'integers', ...(kind === 'logUniform' ? { low: 0, openLow: true } : {}) };
  source.low = checkNumber(where, `low of ${argument}`, values[0], bounds);
  source.high = checkNumber(where, `high of ${argument}`, values[1], { ...bounds, low: source.low, openLow: false });
  return source;
}

function sourcesOf(where: string, space: Space): [string, Source][] {
  if (!isRecord(space) || Object.keys(space).length === 0) {
    throw new OptionError({ where, argument: 'space', rule: 'an object with a name or more', value: describe(space) });
  }
  return Object.entries(space).map(([name, given]) => [name, sourceOf(where, name, given)]);
}

/**
 * All combinations of the values, as nested loops would go through them: the first name is the outermost loop.
 *
 *     grid({ learningRate: [1e-3, 2e-3], reg: [1e-2, 1e-3] })   // reg changes from trial to trial, learningRate after two
 *
 * @throws OptionError for what is no list of values, ValueError for more than 100,000 combinations
 */
export function grid(lists: Readonly<Record<string, readonly unknown[]>>): TrialSettings[] {
  const where = 'grid';
  const sources = sourcesOf(where, lists);
  for (const [name, { kind }] of sources) {
    if (kind === 'choice') continue;
    throw new OptionError({ where, argument: name, rule: 'a list of values', value: `{ ${kind} }` });
  }
  const count = [...sources].reduce((product, [, { values }]) => product * values.length, 1);
  if (count > MOST_TRIALS) {
    throw new ValueError({ where, argument: 'lists', rule: `at most ${MOST_TRIALS} combinations`, value: `${count}` });
  }
  let trials: TrialSettings[] = [{}];
  for (const [name, { values }] of sources) {
    trials = trials.flatMap((settings) => values.map((value) => ({ ...settings, [name]: value })));
  }
  return trials;
}

/** exp and log differ between engines in their last digits; the kernels' do not. */
function through(fn: typeof exp, value: number): number {
  return scope(() => fn(tensor([value], { dtype: 'float64' })).data[0] as number);
}

/** What is drawn has six significant digits: it can be read, typed again, and does not depend on the build. */
function rounded(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Number(value.toPrecision(6))));
}

/** What draws a value. */
function drawer({ kind, values, low, high }: Source, random: RandomSource): () => unknown {
  if (kind === 'choice') return () => values[random.randint(0, values.length)];
  if (kind === 'integers') return () => random.randint(low, high + 1);
  if (kind === 'uniform') return () => rounded(random.uniform(low, high), low, high);
  const [from, to] = [through(log, low), through(log, high)];
  return () => rounded(through(exp, random.uniform(from, to)), low, high);
}

/**
 * n settings drawn from a space, independent of each other. One draw a name, in the order of the names, trial by trial:
 * uniform() for logUniform (of the logarithms) and uniform, both rounded to six significant digits; randint() for integers
 * and choice.
 *
 *     randomSearch({ learningRate: logUniform(1e-4, 1e-2), hidden: [50, 100, 200] }, 20, new RandomState(0))
 *
 * @throws OptionError, ValueError, before anything is drawn
 */
export function randomSearch(space: Space, n: number, random: RandomSource = defaultStream): TrialSettings[] {
  const where = 'randomSearch';
  const sources = sourcesOf(where, space);
  checkNumber(where, 'n', n, { low: 0, integer: true });
  const drawers = sources.map(([name, source]) => [name, drawer(source, random)] as const);
  return Array.from({ length: n }, () => Object.fromEntries(drawers.map(([name, draw]) => [name, draw()])));
}

/**
 * The space of a second, finer stage: each range is narrowed by `factor` (those of logUniform in the logarithm) around the
 * best value of the first and stays within what it was; a list is left with the best value alone.
 *
 * @param best settings of the best trial; more names than those of the space do not matter
 * @param options factor: default 5, > 1
 * @throws OptionError, ValueError for a best value that the space does not have
 */
export function coarseToFine(space: Space, best: TrialSettings, options: { factor?: number } = {}): Space {
  const where = 'coarseToFine';
  const sources = sourcesOf(where, space);
  checkOptions(where, options, ['factor']);
  const factor = checkNumber(where, 'factor', options.factor ?? 5, { low: 1, openLow: true });
  return Object.fromEntries(
    sources.map(([name, { kind, low, high }]): [string, Distribution] => {
      const value = best?.[name];
      if (value === undefined) throw new OptionError({ where, argument: 'best', rule: `an object with ${name}` });
      if (kind === 'choice') return [name, { choice: [value] }];
      const centre = checkNumber(where, `best ${name}`, value, { low, high });
      if (kind === 'logUniform') {
        const [from, to] = around(through(log, centre), through(log, low), through(log, high), factor);
        return [name, { logUniform: [from, to].map((v) => rounded(through(exp, v), low, high)) as [number, number] }];
      }
      const [from, to] = around(centre, low, high, factor);
      if (kind === 'integers') return [name, { integers: [Math.floor(from), Math.ceil(to)] }];
      return [name, { uniform: [rounded(from, low, high), rounded(to, low, high)] }];
    }),
  );
}

/** (high - low) / factor wide, with `centre` in the middle where there is room. */
function around(centre: number, low: number, high: number, factor: number): [number, number] {
  const width = (high - low) / factor;
  const from = Math.min(Math.max(low, centre - width / 2), high - width);
  return [from, from + width];
}

/** The grids of the course's notebooks, in the order of their loops: `grid(notebookGrids.fullyConnected)`. */
export const notebookGrids = {
  /** Softmax on pixels, 200 iterations. */
  softmaxPixels: { learningRate: [1e-3, 1e-6, 1e-5, 1e-4], reg: [2.5e4, 1e4, 1e3, 5e4] },
  /** Softmax on features, 1000 iterations. */
  softmaxFeatures: { learningRate: [1e-7, 1e-6], reg: [5e5, 5e6] },
  /** Two-layer net, 10 epochs, batches of 200. */
  twoLayer: { learningRate: [1e-3, 1e-4, 1e-5], reg: [1e-6, 1e-2, 1, 10] },
  /** Two-layer net on features, 500 hidden units, 20 epochs. */
  featuresNet: { learningRate: [1e-3, 1e-2, 2.75e-2], reg: [1e-6, 1e-2, 1] },
  /** The monolithic net; stops at a validation accuracy of 0.5: `search({ …, target: 0.5 })`. */
  monolithic: {
    numIters: [2000, 3000],
    reg: [0.1, 0.15000000000000002, 0.20000000000000004],
    batchSize: [200, 210, 220, 230, 240, 250],
    // 10 to the power of -3, -3.1, … as NumPy computes it.
    learningRate: [
      ...[0.001, 0.0007943282347242813, 0.000630957344480193, 0.000501187233627272, 0.0003981071705534969],
      ...[0.0003162277660168376, 0.0002511886431509577, 0.00019952623149688769, 0.0001584893192461111],
      ...[0.0001258925411794165, 9.99999999999998e-5],
    ],
  },
  /** Five hidden layers, Adam, 10 epochs. */
  fullyConnected: { learningRate: [1e-3, 2e-3], reg: [1e-2, 1e-3, 1e-4] },
} as const satisfies Record<string, Space>;

/** How a trial stands; what Solver's onEpoch gets is one. */
export interface TrialReport {
  /** Epochs done. Default: one more than at the last report, from 1. */
  epoch?: number;
  valAcc: number;
  trainAcc?: number;
}

export interface TrialContext {
  /** Place of the trial in the list. */
  trial: number;
  /** Aborted when the trial is to end: hand it to Solver.train. */
  signal: AbortSignal;
  /**
   * Says how the trial stands. Under halving the promise is pending while others catch up; when the trial is not among the
   * best, the signal is aborted before it resolves. `onEpoch: report` does all that is needed.
   */
  report: (report: TrialReport) => Promise<void>;
}

/** The best validation accuracy, and whatever else is to be kept: plain JSON, if the results are to be stored. */
export interface TrialResult {
  valAcc: number;
}

export interface Trial<R extends TrialResult = TrialResult, S extends TrialSettings = TrialSettings> {
  trial: number;
  settings: S;
  /** 'stopped': by halving; 'failed': with a ValueError, such as a loss that is not finite. */
  status: 'finished' | 'stopped' | 'failed';
  /** Best validation accuracy, null if there is none. */
  valAcc: number | null;
  /** What was reported. */
  history: { epoch: number; valAcc: number; trainAcc?: number }[];
  /** What run returned. */
  result?: R;
  /** Message of what it failed with. */
  error?: string;
}

export interface HalvingOptions {
  /** At each rung one of so many trials goes on, at least one. Default 3. */
  eta?: number;
  /** Epochs of the first rung, default 1; each further one has eta times as many. */
  minEpochs?: number;
  /** Epochs of a trial that is never stopped. */
  maxEpochs: number;
}

export interface SearchOptions<R extends TrialResult, S extends TrialSettings> {
  /** The settings of each trial: of grid(), of randomSearch(), or written by hand. */
  trials?: readonly S[];
  /** Instead of trials: numTrials settings drawn from this space. */
  space?: Space;
  numTrials?: number;
  /** Stream for these draws, default lanewise's default stream. */
  random?: RandomSource;
  run: (settings: S, context: TrialContext) => R | Promise<R>;
  /** After each trial that has ended; a promise is awaited. */
  onTrial?: (trial: Trial<R, S>) => unknown;
  /** Successive halving. Default: every trial runs to its end. */
  halving?: HalvingOptions;
  /**
   * Trials that compute at a time, for a `run` that hands them to workers. Default 1. Without a target the results are the
   * same for any.
   */
  concurrency?: number;
  /** When a trial has ended with this validation accuracy, no further ones are begun, and none goes on from a rung. */
  target?: number;
  signal?: AbortSignal;
}

/** Why a trial's signal was aborted. */
const STOPPED = 'stopped by halving';

/**
 * Epochs at which successive halving compares trials, the last of them maxEpochs, when the remaining ones end.
 *
 * @throws OptionError, ValueError
 */
export function halvingRungs(halving: HalvingOptions): number[] {
  const where = 'search';
  checkOptions(where, (halving ?? null) as HalvingOptions, ['eta', 'minEpochs', 'maxEpochs']);
  const { eta = 3, minEpochs = 1, maxEpochs } = halving;
  checkNumber(where, 'eta', eta, { low: 1.5 });
  checkNumber(where, 'minEpochs', minEpochs, { low: 1, integer: true });
  checkNumber(where, 'maxEpochs', maxEpochs, { low: minEpochs, integer: true });
  const rungs: number[] = [];
  for (let epochs = minEpochs; epochs < maxEpochs; epochs *= eta) rungs.push(Math.round(epochs));
  return [...rungs, maxEpochs];
}

/** Trials that go on after rung `rung` (from 0), of `count` at the start. */
export function halvingSurvivors(count: number, rung: number, { eta = 3 }: HalvingOptions): number {
  // The last digit of a power must not cost a trial.
  return Math.max(1, Math.floor(count / eta ** (rung + 1) + 1e-9));
}

/** Best first; equal ones in the order of the list, failed ones last. */
function byAccuracy(a: Trial, b: Trial): number {
  const of = ({ status, valAcc }: Trial) => (status === 'failed' ? -1 : (valAcc ?? 0));
  return of(b) - of(a) || a.trial - b.trial;
}

/** A trial under way. */
class Runner<R extends TrialResult, S extends TrialSettings> {
  readonly record: Trial<R, S>;
  readonly controller = new AbortController();
  /** Waits at a rung; call it to let the trial go on, or to end. */
  resume: (() => void) | undefined;
  ended = false;
  /** Whether it was told to end by halving. */
  stopped = false;

  constructor(trial: number, settings: S) {
    this.record = { trial, settings, status: 'finished', valAcc: null, history: [] };
  }
}

class Search<R extends TrialResult, S extends TrialSettings> {
  readonly #options: SearchOptions<R, S>;
  readonly #runners: Runner<R, S>[];
  readonly #rungs: number[];
  /** Runners to begin or to resume, in order. */
  #queue: Runner<R, S>[];
  #active = 0;
  #rung = 0;
  #reached = false;
  #fault: { reason: unknown } | undefined;
  #done!: () => void;

  constructor(trials: readonly S[], rungs: number[], options: SearchOptions<R, S>) {
    this.#options = options;
    this.#rungs = rungs;
    this.#runners = trials.map((settings, i) => new Runner(i, settings));
    this.#queue = [...this.#runners];
  }

  async run(): Promise<Trial<R, S>[]> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const abort = () => this.#fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    try {
      await new Promise<void>((resolve) => {
        this.#done = resolve;
        this.#next();
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (this.#fault) throw this.#fault.reason;
    return this.#runners
      .filter(({ ended }) => ended)
      .map(({ record }) => record)
      .sort(byAccuracy);
  }

  /** Ends everything; the search rejects when the trials under way have ended. */
  #fail(reason: unknown): void {
    this.#fault ??= { reason };
    this.#queue = [];
    for (const runner of this.#runners) {
      runner.controller.abort(reason);
      if (!runner.resume) continue;
      this.#active++;
      runner.resume();
    }
  }

  /** Begins or resumes as many trials as may compute; compares those that have come to the rung when none does. */
  #next(): void {
    const { concurrency = 1 } = this.#options;
    while (this.#active < concurrency && this.#queue.length > 0) {
      const runner = this.#queue.shift() as Runner<R, S>;
      this.#active++;
      if (runner.resume) runner.resume();
      else void this.#begin(runner);
    }
    if (this.#active > 0) return;
    if (this.#runners.some(({ resume }) => resume)) this.#compare();
    else this.#done();
  }

  /** All have come to the rung: the best go on, the others end. */
  #compare(): void {
    const { halving } = this.#options;
    const keep = halvingSurvivors(this.#runners.length, this.#rung++, halving as HalvingOptions);
    const ranking = this.#runners
      .filter(({ stopped }) => !stopped)
      .map(({ record }) => record)
      .sort(byAccuracy);
    const best = new Set(this.#reached ? [] : ranking.slice(0, keep));
    // Those that end come first: they take little time and give their memory back.
    const waiting = this.#runners.filter(({ resume }) => resume);
    for (const runner of waiting) {
      if (best.has(runner.record)) continue;
      runner.stopped = true;
      runner.controller.abort(new DOMException(STOPPED, 'AbortError'));
    }
    const ending = waiting.filter(({ stopped }) => stopped);
    this.#queue = [...ending, ...waiting.filter(({ stopped }) => !stopped)];
    this.#next();
  }

  async #begin(runner: Runner<R, S>): Promise<void> {
    const { record, controller } = runner;
    const { signal } = controller;
    const report = (given: TrialReport) => this.#report(runner, given);
    try {
      const result = await this.#options.run(record.settings, { trial: record.trial, signal, report });
      if (!isRecord(result)) {
        const rule = 'an object with valAcc';
        throw new OptionError({ where: 'search', argument: 'the result of run', rule, value: describe(result) });
      }
      record.valAcc = accuracy('the valAcc of run', result.valAcc);
      record.result = result;
    } catch (error) {
      if (!(runner.stopped && error === signal.reason)) {
        if (!(error instanceof ValueError)) this.#fail(error);
        record.status = 'failed';
        record.error = error instanceof Error ? error.message : String(error);
      }
    }
    if (runner.stopped) record.status = 'stopped';
    runner.ended = true;
    const { onTrial, target = Infinity } = this.#options;
    try {
      if (!this.#fault) await onTrial?.(record);
    } catch (error) {
      this.#fail(error);
    }
    if ((record.valAcc ?? -1) >= target) {
      this.#reached = true;
      this.#queue = this.#queue.filter(({ resume }) => resume);
    }
    this.#active--;
    this.#next();
  }

  async #report(runner: Runner<R, S>, given: TrialReport): Promise<void> {
    const { record, controller } = runner;
    const { history } = record;
    if (runner.resume || runner.ended) {
      throw new RuntimeError({ where: 'search', rule: 'report: one at a time, while the trial runs; await it' });
    }
    const { epoch = (history.at(-1)?.epoch ?? 0) + 1, valAcc, trainAcc } = given ?? {};
    checkNumber('report', 'epoch', epoch, { low: 0 });
    record.valAcc = Math.max(record.valAcc ?? 0, accuracy('valAcc', valAcc));
    history.push({ epoch, valAcc, ...(trainAcc === undefined ? {} : { trainAcc }) });
    // A report may pass several rungs at once; the last is the end of the trial, where nothing is compared.
    while (!controller.signal.aborted && this.#rung < this.#rungs.length - 1 && epoch >= this.#rungs[this.#rung]) {
      await new Promise<void>((resolve) => {
        runner.resume = () => {
          runner.resume = undefined;
          resolve();
        };
        this.#active--;
        this.#next();
      });
    }
  }
}

function accuracy(argument: string, value: unknown): number {
  return checkNumber('search', argument, value, { low: 0, high: 1 });
}

/**
 * Runs a trial for each of the settings, one after the other, and returns them by validation accuracy, best first.
 *
 *     const trials = await lw.search({
 *       trials: lw.randomSearch({ learningRate: lw.logUniform(1e-4, 1e-2) }, 27, new lw.RandomState(0)),
 *       halving: { eta: 3, minEpochs: 1, maxEpochs: 9 },
 *       async run({ learningRate }, { signal, report }) {
 *         const model = new lw.FullyConnectedNet([100]);
 *         const solver = new lw.Solver(model, data, { optimConfig: { learningRate }, numEpochs: 9 });
 *         await solver.train({ signal, onEpoch: report });
 *         return { valAcc: solver.bestValAcc };
 *       },
 *     });
 *
 * Successive halving (Jamieson and Talwalkar, 2016; a bracket of Hyperband, Li et al., 2018): all trials run for
 * minEpochs; of n the n / eta best so far go on to eta times as many epochs, and so forth up to maxEpochs. A trial waits
 * where it is, with all it holds in memory, and goes on from there. One that is stopped sees its signal aborted; the
 * error that Solver.train throws for it is expected.
 *
 * A trial that throws a ValueError, as the Solver does for a loss that is not finite, has failed and comes last. Any other error ends
 * the search.
 *
 * @returns the trials that were run: plain JSON if settings and results are
 * @throws OptionError, ValueError; signal.reason when it is aborted; what run or onTrial throws
 */
export async function search<R extends TrialResult, S extends TrialSettings = TrialSettings>(
  options: SearchOptions<R, S>,
): Promise<Trial<R, S>[]> {
  const where = 'search';
  checkOptions(where, (options ?? null) as SearchOptions<R, S>, [
    ...['trials', 'space', 'numTrials', 'random', 'run', 'onTrial', 'halving', 'concurrency', 'target', 'signal'],
  ]);
  const { run, onTrial, concurrency = 1, target, halving } = options;
  for (const [argument, value] of [
    ['run', run],
    ['onTrial', onTrial ?? run],
  ] as const) {
    if (typeof value === 'function') continue;
    throw new OptionError({ where, argument, rule: 'a function', value: describe(value) });
  }
  checkNumber(where, 'concurrency', concurrency, { low: 1, integer: true });
  if (target !== undefined) checkNumber(where, 'target', target, { low: 0, high: 1 });
  const rungs = halving === undefined ? [] : halvingRungs(halving);
  return new Search(trialsOf(where, options), rungs, options).run();
}

function trialsOf<R extends TrialResult, S extends TrialSettings>(
  where: string,
  { trials, space, numTrials, random }: SearchOptions<R, S>,
): readonly S[] {
  if ((trials === undefined) === (space === undefined)) {
    throw new OptionError({ where, rule: 'trials, or space with numTrials: one of them' });
  }
  if (space !== undefined) {
    const n = checkNumber(where, 'numTrials', numTrials, { low: 1, integer: true });
    return randomSearch(space, n, random) as S[];
  }
  for (const [argument, value] of Object.entries({ numTrials, random })) {
    if (value === undefined) continue;
    throw new OptionError({ where, rule: `${argument} goes with space, not with trials` });
  }
  if (!Array.isArray(trials) || trials.length === 0 || trials.some((settings) => !isRecord(settings))) {
    throw new OptionError({ where, argument: 'trials', rule: 'a list of settings', value: describe(trials) });
  }
  return trials as readonly S[];
}
