/** What a Solver can be told, checked and completed; and the schedules of learning rates. */
import { checkChoice, checkNumber, checkOptions, describe, OptionError } from '../errors.js';
import { type AnyUpdateRule, type FoundRule, findUpdateRule, type UpdateRuleName } from '../optim.js';
import { random as defaultStream, type RandomSource } from '../random.js';
import { isBrowser } from '../runtime/host.js';
import type { Indices, Nested, Tensor } from '../tensor.js';

export interface SolverData {
  /** (N, …) training examples, any type. */
  XTrain: Tensor | Nested;
  /** N labels. */
  yTrain: Indices;
  /** (Nval, …) validation examples. */
  XVal: Tensor | Nested;
  yVal: Indices;
}

/** Where a training run stands, for a schedule. */
export interface TrainingProgress {
  /** Steps done in this run, of numIterations. */
  iteration: number;
  numIterations: number;
  /** Epochs done. */
  epoch: number;
  /** iteration / numIterations */
  fraction: number;
}

export type Schedule = (progress: TrainingProgress) => number;
export type ScheduleName = 'constant' | 'linear' | 'cosine';

export interface SolverOptions {
  /** Name of an update rule, or a function of the same form. Default 'sgd'. */
  updateRule?: UpdateRuleName | 'sgd_momentum' | AnyUpdateRule;
  /** The rule's numbers, e.g. { learningRate: 1e-3 }; each parameter gets its own copy. */
  optimConfig?: object;
  /** Factor on the learning rate after each epoch, default 1. */
  lrDecay?: number;
  /** Examples of a step, default 100. */
  batchSize?: number;
  /** Epochs of a run, default 10. */
  numEpochs?: number;
  /** Training examples drawn for an accuracy check, default 1000; null: all. */
  numTrainSamples?: number | null;
  /** Validation examples drawn for a check; default null: all. */
  numValSamples?: number | null;
  /** Writes `<checkpointName>_epoch_<n>.lanewise` after each accuracy check. Not in browsers: use save() there. */
  checkpointName?: string;
  /** Steps between printed lines, default 10. */
  printEvery?: number;
  /** Whether to print, default true. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Factor on the learning rate at each step: a function, or 1 ('constant'), falling to 0 ('linear', 'cosine'). */
  schedule?: Schedule | ScheduleName;
  /** Changes a training batch in place, or returns another of its shape. random: the Solver's stream. */
  augment?: (batch: Tensor, random: RandomSource) => Tensor | undefined;
  /** Stream for batches and accuracy checks, default lanewise's default stream. */
  random?: RandomSource | undefined;
  /**
   * 'replacement' (default, as in the course): each batch is drawn anew from all examples. 'epoch': a permutation each
   * epoch, so every example comes once; the last batch of an epoch may be smaller.
   */
  sampling?: 'replacement' | 'epoch';
}

const OPTIONS = [
  'updateRule',
  'optimConfig',
  'lrDecay',
  'batchSize',
  'numEpochs',
  'numTrainSamples',
  'numValSamples',
  'checkpointName',
  'printEvery',
  'verbose',
  'log',
  'schedule',
  'augment',
  'random',
  'sampling',
] as const;

/** What may be given anew on resuming: what a file cannot hold, and what does not change the numbers. */
export const RESUME_OPTIONS = [
  'updateRule',
  'schedule',
  'augment',
  'random',
  'log',
  'verbose',
  'printEvery',
  'checkpointName',
] as const;

export type ResumeOptions = Pick<SolverOptions, (typeof RESUME_OPTIONS)[number]>;

export const SCHEDULES: Record<ScheduleName, Schedule> = {
  constant: () => 1,
  linear: ({ fraction }) => 1 - fraction,
  cosine: ({ fraction }) => 0.5 + 0.5 * cosine(Math.PI * fraction),
};

/** Cosine of x in [0, π] to 1e-15. Math.cos differs from engine to engine; this is the series about π/2. */
function cosine(x: number): number {
  const d = x - Math.PI / 2;
  let term = -d;
  let sum = term;
  for (let n = 2; n < 26; n += 2) {
    term *= (-d * d) / (n * (n + 1));
    sum += term;
  }
  return sum;
}

/** Options, checked and completed. */
export interface Settings
  extends Required<Pick<SolverOptions, 'batchSize' | 'numEpochs' | 'lrDecay' | 'printEvery' | 'verbose'>> {
  rule: FoundRule;
  numTrainSamples: number | null;
  numValSamples: number | null;
  sampling: 'replacement' | 'epoch';
  schedule: Schedule | ScheduleName | undefined;
  augment: SolverOptions['augment'];
  random: RandomSource;
  checkpointName: string | undefined;
  print: (line: string) => void;
}

export function settle(options: SolverOptions): Settings {
  const where = 'Solver';
  checkOptions(where, options, OPTIONS);
  const { lrDecay = 1, batchSize = 100, numEpochs = 10, printEvery = 10, verbose = true } = options;
  const { numTrainSamples = 1000, numValSamples = null, random = defaultStream, sampling = 'replacement' } = options;
  const { log = console.log, schedule, augment, checkpointName } = options;
  const rule = findUpdateRule(where, options.updateRule ?? 'sgd', options.optimConfig ?? {});
  checkNumber(where, 'lrDecay', lrDecay, { low: 0 });
  const counts = { batchSize, numEpochs, printEvery, numTrainSamples, numValSamples };
  for (const [name, count] of Object.entries(counts)) {
    const all = count === null && name.endsWith('Samples');
    if (!all) checkNumber(where, name, count, { low: 1, high: 2 ** 31 - 1, integer: true });
  }
  checkChoice(where, 'sampling', sampling, ['replacement', 'epoch']);
  for (const [name, value] of Object.entries({ log, augment })) {
    if (value === undefined || typeof value === 'function') continue;
    throw new OptionError({ where, argument: name, rule: 'a function', value: describe(value) });
  }
  if (schedule !== undefined && typeof schedule !== 'function') {
    checkChoice(where, 'schedule', schedule, Object.keys(SCHEDULES) as ScheduleName[]);
  }
  if (checkpointName !== undefined && (typeof checkpointName !== 'string' || isBrowser())) {
    const hint = isBrowser() ? 'browsers have no files; keep the bytes of save() instead' : undefined;
    throw new OptionError({ where, argument: 'checkpointName', rule: 'a path', value: describe(checkpointName), hint });
  }
  const numbers = { lrDecay, batchSize, numEpochs, printEvery, numTrainSamples, numValSamples };
  const print = verbose ? log : () => {};
  return { rule, ...numbers, verbose, sampling, schedule, augment, random, checkpointName, print };
}
