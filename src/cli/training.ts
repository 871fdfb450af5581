/** Update rules, schedules and changes to images, by the names that `lanewise train` has for them. */
import type { AugmentOptions, FaultPolicy, UpdateRuleName } from '../index.js';
import { choice, number, RuleError } from './flags.js';

/** How a net is trained, as plain JSON. */
export interface TrainingSettings {
  updateRule: Rule;
  learningRate: number;
  lrDecay: number;
  schedule: ScheduleName;
  warmup: number;
  clipNorm: number | null;
  onFault: FaultPolicy;
  weightDecay: number;
  augment: AugmentOptions | null;
  sampling: (typeof samplings)[number];
  batchSize: number;
  epochs: number;
  seed: number;
  /** Whether the test accuracy is also measured with each image and its mirror image. */
  flipEvaluation: boolean;
}

/**
 * Update rules by the names they have here, with the library's name and a learning rate that suits pixels (-128 to 128).
 * weightDecay: default of those that decay the weights themselves.
 */
export const rules = {
  sgd: { name: 'sgd', learningRate: 5e-3 },
  momentum: { name: 'sgdMomentum', learningRate: 1e-3 },
  nesterov: { name: 'sgdMomentum', learningRate: 1e-3, config: { nesterov: true } },
  rmsprop: { name: 'rmsprop', learningRate: 2e-4 },
  adam: { name: 'adam', learningRate: 5e-4 },
  adamw: { name: 'adamw', learningRate: 5e-4, weightDecay: 1e-2 },
  adagrad: { name: 'adagrad', learningRate: 1e-2 },
} as const satisfies Record<string, RuleEntry>;
export type Rule = keyof typeof rules;
interface RuleEntry {
  name: UpdateRuleName;
  learningRate: number;
  config?: object;
  weightDecay?: number;
}
export const ruleNames = Object.keys(rules) as Rule[];

/** What the Solver is told of the rule. */
function ruleOptions({ updateRule, learningRate, weightDecay }: TrainingSettings) {
  const { name, config, weightDecay: own }: RuleEntry = rules[updateRule];
  const optimConfig = { ...config, learningRate, ...(own === undefined ? {} : { weightDecay }) };
  return { updateRule: name, optimConfig, ...(own === undefined ? { weightDecay } : {}) };
}

/** All that the Solver is told of the settings. */
export function solverOptions(settings: TrainingSettings) {
  const { schedule, warmup, clipNorm, onFault, augment, lrDecay, batchSize, sampling, epochs } = settings;
  return {
    ...ruleOptions(settings),
    schedule: { name: schedules[schedule].name, warmup },
    clipNorm: clipNorm ?? undefined,
    onFault,
    augment: augment ?? undefined,
    ...{ lrDecay, batchSize, sampling, numEpochs: epochs, verbose: false },
  };
}

/** sgd_momentum, sgdMomentum and sgd-momentum are other names of momentum. */
export function readRule(typed: string): Rule {
  const known = choice(...ruleNames);
  return /^sgd[-_]?momentum$/i.test(typed) ? 'momentum' : known(typed);
}

/** Schedules by the names they have here, with the library's name and its warm-up. */
export const schedules = {
  constant: { name: 'constant', warmup: 0 },
  linear: { name: 'linear', warmup: 0 },
  cosine: { name: 'cosine', warmup: 0 },
  step: { name: 'step', warmup: 0 },
  'one-cycle': { name: 'oneCycle', warmup: 0.3 },
} as const;
export type ScheduleName = keyof typeof schedules;
export const scheduleNames = Object.keys(schedules) as ScheduleName[];

/** oneCycle and one_cycle are other names of one-cycle. */
export function readSchedule(typed: string): ScheduleName {
  return /^one[-_]?cycle$/i.test(typed) ? 'one-cycle' : choice(...scheduleNames)(typed);
}

/** What to do about numbers that are not finite. */
export const policies = ['stop', 'skip', 'clip', 'rollback'] as const satisfies readonly FaultPolicy[];

export const samplings = ['replacement', 'epoch'] as const;

/** What can be done to an image, with the numbers that it takes; flip takes none. */
const CHANGES = {
  crop: number({ low: 1, high: 31, integer: true }),
  flip: undefined,
  cutout: number({ low: 1, high: 32, integer: true }),
} as const;
export const AUGMENT = 'crop=4,flip';

/** crop=4,flip,cutout=8; 'none' is null. */
export function readAugmentation(typed: string): AugmentOptions | null {
  if (typed === 'none') return null;
  const rule = `'none' or a list of crop=N, flip, cutout=N, such as ${AUGMENT}`;
  const chosen: Record<string, number | boolean> = {};
  for (const part of typed.split(',')) {
    const [name, value] = part.split('=') as [string, string | undefined];
    if (!Object.hasOwn(CHANGES, name) || Object.hasOwn(chosen, name)) throw new RuleError(rule);
    const read = CHANGES[name as keyof typeof CHANGES];
    if ((read === undefined) !== (value === undefined)) throw new RuleError(rule);
    try {
      chosen[name] = read ? read(value as string) : true;
    } catch (error) {
      throw error instanceof RuleError ? new RuleError(`${rule}, with ${name} ${error.message}`) : error;
    }
  }
  return chosen;
}

/** The list that is read as these options. */
export function augmentationText(saved: unknown): string {
  return Object.entries(saved as object)
    .map(([name, value]) => (value === true ? name : `${name}=${value}`))
    .join(',');
}
