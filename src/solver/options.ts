/** What a Solver can be told, checked and completed. */
import { type Augmentation, type AugmentOptions, checkAugmentation } from '../augment.js';
import { isRecord } from '../checkpoint.js';
import { checkChoice, checkNumber, checkOptions, describe, OptionError } from '../errors.js';
import { type AnyUpdateRule, type FoundRule, findUpdateRule, type UpdateRuleName } from '../optim.js';
import { random as defaultStream, type RandomSource } from '../random.js';
import { isBrowser } from '../runtime/host.js';
import { Autosave, type CheckpointOptions } from '../store.js';
import { type Indices, isTensor, type Nested, type Tensor } from '../tensor.js';
import { FAULT_POLICIES, type FaultPolicy } from './faults.js';
import {
  checkSchedule,
  type FilledSchedule,
  type Schedule,
  type ScheduleName,
  type ScheduleOptions,
} from './schedules.js';

/**
 * Examples that are no tensor and are read batch by batch: bytes that would take four times the room as float32, memory
 * that several threads share, more than linear memory holds.
 */
export interface ExampleSource {
  /** (N, …) */
  readonly shape: readonly number[];
  /** Writes the examples with these indices, one after the other, to `to`: all its elements. */
  read(rows: Int32Array, to: Float32Array | Float64Array): void;
}

export function isExampleSource(value: unknown): value is ExampleSource {
  return isRecord(value) && typeof value.read === 'function' && Array.isArray(value.shape);
}

export interface SolverData {
  /** (N, …) training examples, any type. */
  XTrain: Tensor | Nested | ExampleSource;
  /** N labels. */
  yTrain: Indices;
  /** (Nval, …) validation examples. */
  XVal: Tensor | Nested | ExampleSource;
  yVal: Indices;
}

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
  /** Writes `<checkpointName>_epoch_<n>.safetensors` after each accuracy check. Not in browsers: see checkpoint. */
  checkpointName?: string;
  /** Where and when to write checkpoints to go on from, also in pages: { store: 'folder', everyMinutes: 5 }. */
  checkpoint?: CheckpointOptions | undefined;
  /** What to do about a loss or gradients that are not finite: 'stop' (default), 'skip', 'clip' or 'rollback'. */
  onFault?: FaultPolicy;
  /** So many faults of one epoch are dealt with, default 10; another one stops training whatever onFault says. */
  faultLimit?: number;
  /** Steps between printed lines, default 10. */
  printEvery?: number;
  /** Whether to print, default true. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /**
   * Factor on the learning rate at each step, besides lrDecay: a function, a name, or a name with numbers such as
   * { name: 'cosine', warmup: 0.05 }; see ScheduleOptions.
   */
  schedule?: Schedule | ScheduleName | ScheduleOptions;
  /**
   * What augmentImages does to each batch, with draws from the Solver's stream: { crop: 4, flip: true, cutout: 8 }. Or a
   * function that changes a batch in place, or returns another of its shape; random: the Solver's stream.
   */
  augment?: AugmentOptions | ((batch: Tensor, random: RandomSource) => Tensor | undefined);
  /**
   * Gradients whose L2 norm, all of them together and reg included, exceeds this are scaled down to it (Pascanu, Mikolov and
   * Bengio, 2013). Default: they are not.
   */
  clipNorm?: number | undefined;
  /**
   * Share of the weights, times the learning rate, that a step takes away before the update, for any rule (Loshchilov and
   * Hutter, 2019). Default 0. Weights are what reg applies to; in models of one's own the parameters whose names start
   * with W. reg acts through the gradients, so a rule that scales them scales reg too; for sgd both are the same. adamw
   * has a decay of its own, on all parameters; it and this one exclude each other.
   */
  weightDecay?: number;
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
  'checkpoint',
  'onFault',
  'faultLimit',
  'printEvery',
  'verbose',
  'log',
  'schedule',
  'augment',
  'clipNorm',
  'weightDecay',
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
  'checkpoint',
  'onFault',
  'faultLimit',
] as const;

export type ResumeOptions = Pick<SolverOptions, (typeof RESUME_OPTIONS)[number]>;

/** What may change in the course of a run. */
export interface LiveOptions {
  /** From the next step on, before the factor of a schedule; decays from there. */
  learningRate?: number;
  /** Of the model, if it is a Network. */
  reg?: number;
  /** Numbers of the update rule, such as { momentum: 0.95 }. What the rule has gathered stays. */
  optimConfig?: Readonly<Record<string, number | boolean>>;
  lrDecay?: number;
  /** null: no limit. */
  clipNorm?: number | null;
  weightDecay?: number;
  /** null: none. */
  augment?: SolverOptions['augment'] | null;
}

const LIVE_OPTIONS = ['learningRate', 'reg', 'optimConfig', 'lrDecay', 'clipNorm', 'weightDecay', 'augment'] as const;

/** Options, checked and completed. */
export interface Settings
  extends Required<
    Pick<
      SolverOptions,
      'batchSize' | 'numEpochs' | 'lrDecay' | 'weightDecay' | 'printEvery' | 'verbose' | 'onFault' | 'faultLimit'
    >
  > {
  rule: FoundRule;
  numTrainSamples: number | null;
  numValSamples: number | null;
  sampling: 'replacement' | 'epoch';
  schedule: Schedule | FilledSchedule | undefined;
  augment: Exclude<SolverOptions['augment'], AugmentOptions> | Augmentation | undefined;
  clipNorm: number | undefined;
  random: RandomSource;
  checkpointName: string | undefined;
  autosave: Autosave | undefined;
  print: (line: string) => void;
}

export function settle(options: SolverOptions): Settings {
  const where = 'Solver';
  checkOptions(where, options, OPTIONS);
  const { lrDecay = 1, batchSize = 100, numEpochs = 10, printEvery = 10, verbose = true } = options;
  const { numTrainSamples = 1000, numValSamples = null, random = defaultStream, sampling = 'replacement' } = options;
  const { log = console.log, clipNorm, weightDecay = 0, checkpointName, onFault = 'stop', faultLimit = 10 } = options;
  const rule = findUpdateRule(where, options.updateRule ?? 'sgd', options.optimConfig ?? {});
  checkNumber(where, 'lrDecay', lrDecay, { low: 0 });
  if (clipNorm !== undefined) checkNumber(where, 'clipNorm', clipNorm, { low: 0, openLow: true });
  checkNumber(where, 'weightDecay', weightDecay, { low: 0 });
  if (weightDecay > 0) checkDecay(where, rule);
  const counts = { batchSize, numEpochs, printEvery, numTrainSamples, numValSamples };
  for (const [name, count] of Object.entries(counts)) {
    const all = count === null && name.endsWith('Samples');
    if (!all) checkNumber(where, name, count, { low: 1, high: 2 ** 31 - 1, integer: true });
  }
  checkChoice(where, 'onFault', onFault, FAULT_POLICIES);
  checkNumber(where, 'faultLimit', faultLimit, { low: 0, integer: true });
  if (onFault === 'clip' && clipNorm === undefined) {
    throw new OptionError({
      where,
      rule: "onFault 'clip' needs clipNorm",
      hint: 'it says to what gradients are scaled',
    });
  }
  checkChoice(where, 'sampling', sampling, ['replacement', 'epoch']);
  if (typeof log !== 'function') {
    throw new OptionError({ where, argument: 'log', rule: 'a function', value: describe(log) });
  }
  const { schedule: given, augment: changes } = options;
  const schedule = given === undefined || typeof given === 'function' ? given : checkSchedule(where, given);
  const augment = changes === undefined || typeof changes === 'function' ? changes : checkChanges(where, changes);
  if (checkpointName !== undefined && (typeof checkpointName !== 'string' || isBrowser())) {
    const hint = isBrowser() ? 'browsers have no files; see the option checkpoint' : undefined;
    throw new OptionError({ where, argument: 'checkpointName', rule: 'a path', value: describe(checkpointName), hint });
  }
  const autosave =
    options.checkpoint === undefined ? undefined : new Autosave('Solver: checkpoint', options.checkpoint);
  const numbers = { lrDecay, weightDecay, batchSize, numEpochs, printEvery, numTrainSamples, numValSamples };
  const print = verbose ? log : () => {};
  const faults = { onFault, faultLimit };
  const saving = { checkpointName, autosave };
  return { rule, ...numbers, ...faults, ...saving, verbose, sampling, schedule, augment, clipNorm, random, print };
}

/** Checks what is to change, and returns what of it belongs to the settings. */
export function settleLive(where: string, options: LiveOptions, settings: Settings): Partial<Settings> {
  checkOptions(where, (options ?? null) as LiveOptions, LIVE_OPTIONS);
  const { learningRate, reg, lrDecay, clipNorm, weightDecay, augment } = options;
  for (const [name, value] of Object.entries({ learningRate, reg, lrDecay, weightDecay })) {
    if (value !== undefined) checkNumber(where, name, value, { low: 0 });
  }
  if (clipNorm !== undefined && clipNorm !== null) {
    checkNumber(where, 'clipNorm', clipNorm, { low: 0, openLow: true });
  } else if (clipNorm === null && settings.onFault === 'clip') {
    throw new OptionError({ where, rule: "onFault 'clip' needs clipNorm" });
  }
  if (weightDecay !== undefined && weightDecay > 0) checkDecay(where, settings.rule);
  const checked = typeof augment === 'function' ? augment : checkChanges(where, augment ?? {});
  return {
    ...(lrDecay === undefined ? {} : { lrDecay }),
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(clipNorm === undefined ? {} : { clipNorm: clipNorm ?? undefined }),
    ...(augment === undefined ? {} : { augment: augment === null ? undefined : checked }),
  };
}

function checkChanges(where: string, given: unknown): Augmentation {
  if (isRecord(given) && !isTensor(given)) return checkAugmentation(`${where}: augment`, given);
  const rule = 'a function, or an object with crop, flip or cutout';
  throw new OptionError({ where, argument: 'augment', rule, value: describe(given) });
}

/** Weight decay needs a learning rate, and a rule that does not decay by itself. */
function checkDecay(where: string, { config }: FoundRule): void {
  const { learningRate, weightDecay } = config();
  if (typeof learningRate !== 'number') {
    throw new OptionError({ where, rule: 'weightDecay needs a learning rate', hint: 'give optimConfig.learningRate' });
  }
  if (typeof weightDecay === 'number' && weightDecay > 0) {
    const hint = "use 'adam', or set optimConfig.weightDecay to 0";
    throw new OptionError({ where, rule: 'weightDecay is there twice: the update rule has its own', hint });
  }
}
