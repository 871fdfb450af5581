/** What `lanewise train` can be told, and what it does when it is not. */

import { DataError } from '../index.js';
import { SYNTHETIC, TRAINING_IMAGES } from './dataset.js';
import {
  auto,
  choice,
  type Flags,
  flagName,
  integers,
  number,
  RuleError,
  text,
  UsageError,
  type Values,
} from './flags.js';
import {
  dtypes,
  losses,
  type ModelKind,
  type ModelName,
  type ModelSettings,
  modelNames,
  models,
  normalizations,
} from './models.js';

/** Everything that decides the numbers of a run, as plain JSON: the same settings on the same data give the same bits. */
export interface Settings extends ModelSettings {
  /** 'synthetic', or where CIFAR-10 is. */
  data: string;
  numTrain: number;
  model: ModelName;
  updateRule: Rule;
  learningRate: number;
  lrDecay: number;
  batchSize: number;
  epochs: number;
  seed: number;
}

/** Update rules by the names they have here, with the library's name and a learning rate that suits pixels (-128 to 128). */
export const rules = {
  sgd: { name: 'sgd', learningRate: 5e-3 },
  momentum: { name: 'sgdMomentum', learningRate: 1e-3 },
  rmsprop: { name: 'rmsprop', learningRate: 2e-4 },
  adam: { name: 'adam', learningRate: 5e-4 },
  adamw: { name: 'adamw', learningRate: 5e-4 },
  adagrad: { name: 'adagrad', learningRate: 1e-2 },
} as const;
type Rule = keyof typeof rules;
const ruleNames = Object.keys(rules) as Rule[];

/** sgd_momentum, sgdMomentum and sgd-momentum are other names of momentum. */
function rule(typed: string): Rule {
  const known = choice(...ruleNames);
  return /^sgd[-_]?momentum$/i.test(typed) ? 'momentum' : known(typed);
}

const count = number({ low: 1, integer: true });
const DATA = 'Data';
const MODEL = 'Model';
const TRAINING = 'Training';
const ENGINE = 'Engine';
const OUTPUT = 'Output';

/** In the order of --help. */
export const flags = {
  data: {
    value: 'SOURCE',
    group: DATA,
    text: "CIFAR-10 as a folder, .tar.gz or URL, or 'synthetic' (default: synthetic)",
    read: text,
  },
  numTrain: {
    value: 'N',
    group: DATA,
    text: `Training images (default: ${TRAINING_IMAGES.synthetic} synthetic ones, ${TRAINING_IMAGES.cifar10} of CIFAR-10)`,
    read: count,
  },
  model: {
    value: 'NAME',
    group: MODEL,
    text: `${modelNames.join(' or ')} (default: fully-connected-net)`,
    read: choice(...modelNames),
  },
  hidden: {
    value: 'SIZES',
    group: MODEL,
    text: `Sizes of the hidden layers (default: ${models['fully-connected-net'].hidden.join(',')})`,
    read: integers,
  },
  normalization: {
    value: 'NAME',
    group: MODEL,
    text: `${normalizations.join(', ')} (default: none)`,
    read: choice(...normalizations),
  },
  dropout: {
    value: 'KEEP',
    group: MODEL,
    text: 'Share of the units that dropout keeps (default: 1, no dropout)',
    read: number({ low: 0, high: 1, above: true }),
  },
  weightScale: {
    value: 'SCALE',
    group: MODEL,
    text: 'Standard deviation of the first weights (default: 0.01, two-layer-net 0.001)',
    read: number({ low: 0 }),
  },
  loss: { value: 'NAME', group: MODEL, text: `${losses.join(' or ')} (default: softmax)`, read: choice(...losses) },
  reg: { value: 'R', group: MODEL, text: 'Strength of L2 regularisation (default: 0)', read: number({ low: 0 }) },
  dtype: {
    value: 'TYPE',
    group: MODEL,
    text: `${dtypes.join(' or ')} (default: float32)`,
    read: choice(...dtypes),
  },
  updateRule: { value: 'NAME', group: TRAINING, text: `${ruleNames.join(', ')} (default: adam)`, read: rule },
  learningRate: {
    value: 'RATE',
    group: TRAINING,
    text: `Learning rate (default: that of the rule, ${rules.adam.learningRate} for adam)`,
    read: number({ low: 0, above: true }),
  },
  lrDecay: {
    value: 'FACTOR',
    group: TRAINING,
    text: 'The learning rate is multiplied by it after every epoch (default: 0.95)',
    read: number({ low: 0, high: 1, above: true }),
  },
  batchSize: { value: 'N', group: TRAINING, text: 'Images a step (default: 100)', read: count },
  epochs: { value: 'N', group: TRAINING, text: 'Passes over the training images (default: 10)', read: count },
  seed: {
    value: 'N',
    group: TRAINING,
    text: 'Decides weights, batches and dropout (default: 0)',
    read: number({ low: 0, high: 2 ** 32 - 1, integer: true }),
  },
  resume: {
    value: 'FILE',
    group: TRAINING,
    text: 'Go on from a checkpoint: with the rest of its epochs, or as many again',
    read: text,
  },
  threads: {
    value: 'N',
    group: ENGINE,
    text: 'Computing threads (default: auto, one per core)',
    read: auto(number({ low: 1, high: 256, integer: true })),
  },
  build: {
    value: 'NAME',
    group: ENGINE,
    text: 'auto, simd (same bits everywhere) or relaxed (faster) (default: auto)',
    read: choice('auto', 'simd', 'relaxed'),
  },
  out: {
    value: 'DIR',
    group: OUTPUT,
    text: 'Where pictures and checkpoints go (default: ./lanewise-out)',
    read: text,
  },
  save: { value: 'FILE', group: OUTPUT, text: 'Write a checkpoint at the end', read: text },
  pictures: { negated: true, group: OUTPUT, text: 'Draw no pictures' },
  json: { group: OUTPUT, text: 'Print the result as one JSON document' },
  quiet: { group: OUTPUT, text: 'Print the result and nothing else' },
} as const satisfies Flags;

export type TrainValues = Values<typeof flags>;

/** Settings of a new run. UsageError where they contradict each other. */
export function settle(values: TrainValues): Settings {
  const { data = SYNTHETIC, model = 'fully-connected-net', updateRule = 'adam' } = values;
  const kind: ModelKind = models[model];
  const { hidden: sizes = [...kind.hidden] } = values;
  if (sizes.length > kind.mostHidden) {
    const most = kind.mostHidden === 1 ? 'one size' : `${kind.mostHidden} sizes`;
    throw new UsageError(`--hidden must be ${most} for ${model}, got '${sizes.join(',')}'`);
  }
  for (const name of ['dropout', 'normalization'] as const) {
    if (values[name] === undefined || kind.regularized) continue;
    const others = modelNames.filter((other) => models[other].regularized);
    throw new UsageError(`${flagName(name)} does not apply to ${model}; it does to ${others.join(', ')}`);
  }
  return {
    data,
    numTrain: values.numTrain ?? (data === SYNTHETIC ? TRAINING_IMAGES.synthetic : TRAINING_IMAGES.cifar10),
    model,
    hidden: sizes,
    normalization: values.normalization ?? 'none',
    dropout: values.dropout ?? 1,
    weightScale: values.weightScale ?? kind.weightScale,
    reg: values.reg ?? 0,
    loss: values.loss ?? 'softmax',
    dtype: values.dtype ?? 'float32',
    updateRule,
    learningRate: values.learningRate ?? rules[updateRule].learningRate,
    lrDecay: values.lrDecay ?? 0.95,
    batchSize: values.batchSize ?? 100,
    epochs: values.epochs ?? 10,
    seed: values.seed ?? 0,
  };
}

/**
 * Settings of a resumed run: those of its checkpoint, read as if they had been typed. The data may lie elsewhere by now.
 * UsageError for others that are given, DataError for a checkpoint that holds no such settings.
 */
export function settleAgain(values: TrainValues, { file, settings }: { file: string; settings: object }): Settings {
  const damaged = (found: string) => new DataError({ where: 'train', file, expected: 'the settings of a run', found });
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const flag = Object.hasOwn(flags, name) ? flags[name as keyof typeof flags] : undefined;
    try {
      if (!flag || !('read' in flag)) throw new RuleError('a setting');
      read[name] = flag.read(String(value));
    } catch {
      throw damaged(`${name} ${String(value)}`);
    }
    if (name === 'data' || (values as Record<string, unknown>)[name] === undefined) continue;
    throw new UsageError(`${flagName(name)} does not go with --resume: the checkpoint says how to train`);
  }
  const saved = settle(read as TrainValues);
  const missing = Object.keys(saved).find((name) => !Object.hasOwn(settings, name));
  if (missing !== undefined) throw damaged(`no ${missing}`);
  return { ...saved, data: values.data ?? saved.data };
}
