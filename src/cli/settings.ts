/** What `lanewise train` can be told, and what it does when it is not. */

import { type ConvNetSpec, DataError } from '../index.js';
import { SYNTHETIC, TRAINING_IMAGES } from './dataset.js';
import {
  auto,
  buildFlags,
  choice,
  type Flags,
  flagName,
  integers,
  number,
  or,
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
  ownNames,
} from './models.js';
import { presets } from './presets.js';
import { readSpec } from './spec.js';
import {
  AUGMENT,
  augmentationText,
  policies,
  readAugmentation,
  readRule,
  readSchedule,
  ruleNames,
  rules,
  samplings,
  scheduleNames,
  schedules,
  type TrainingSettings,
} from './training.js';

/** Everything that decides the numbers of a run, as plain JSON: the same settings on the same data give the same bits. */
export interface Settings extends ModelSettings, TrainingSettings {
  /** 'synthetic', or where CIFAR-10 is. */
  data: string;
  numTrain: number;
  model: ModelName;
}

function odd(typed: string): number {
  const value = number({ low: 1, integer: true })(typed);
  if (value % 2 === 1) return value;
  throw new RuleError('an odd integer >= 1');
}

const count = number({ low: 1, integer: true });

export interface Interval {
  everySteps?: number;
  everyMinutes?: number;
  everyEpochs?: number;
}

/** 500, 10m, epoch, none */
function readInterval(typed: string): Interval | null {
  if (typed === 'none') return null;
  if (typed === 'epoch') return { everyEpochs: 1 };
  const [, digits, minutes] = /^(\d+(?:\.\d+)?)(m?)$/.exec(typed) ?? [];
  const value = Number(digits);
  if (minutes === 'm' && value > 0) return { everyMinutes: value };
  if (minutes === '' && Number.isInteger(value) && value > 0) return { everySteps: value };
  throw new RuleError("steps such as 500, minutes such as 10m, 'epoch' or 'none'");
}

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
  preset: {
    value: 'NAME',
    group: MODEL,
    text: "A net with settings that suit it; 'list' shows them; other flags override it",
    read: choice(...Object.keys(presets), 'list'),
  },
  model: {
    value: 'NAME',
    group: MODEL,
    text: `${modelNames.join(', ')} (default: convnet)`,
    read: choice(...modelNames),
  },
  spec: {
    value: 'FILE',
    group: MODEL,
    text: 'The layers of a convnet as JSON, see README (default: a small net)',
    read: readSpec,
    // The file may be gone.
    restore: (saved: unknown) => ({ value: saved as ConvNetSpec }),
  },
  hidden: {
    value: 'SIZES',
    group: MODEL,
    text: `Sizes of the hidden layers (default: ${models['fully-connected-net'].own.hidden?.join(',')})`,
    read: integers,
  },
  filters: {
    value: 'N',
    group: MODEL,
    text: `Filters of three-layer-convnet (default: ${models['three-layer-convnet'].own.filters})`,
    read: count,
  },
  filterSize: {
    value: 'N',
    group: MODEL,
    text: `Height and width of its filters, odd (default: ${models['three-layer-convnet'].own.filterSize})`,
    read: odd,
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
    text: "Standard deviation of the first weights, or 'he' (default: that of the model)",
    read: or('he', number({ low: 0 })),
  },
  loss: { value: 'NAME', group: MODEL, text: `${losses.join(' or ')} (default: softmax)`, read: choice(...losses) },
  labelSmoothing: {
    value: 'S',
    group: MODEL,
    text: 'Share of the label that softmax spreads over all classes (default: 0)',
    read: number({ low: 0, high: 1 }),
  },
  reg: { value: 'R', group: MODEL, text: 'Strength of L2 regularisation (default: 0)', read: number({ low: 0 }) },
  dtype: {
    value: 'TYPE',
    group: MODEL,
    text: `${dtypes.join(' or ')} (default: float32)`,
    read: choice(...dtypes),
  },
  updateRule: { value: 'NAME', group: TRAINING, text: `${ruleNames.join(', ')} (default: adam)`, read: readRule },
  learningRate: {
    value: 'RATE',
    group: TRAINING,
    text: `Learning rate (default: that of the rule, ${rules.adam.learningRate} for adam)`,
    read: number({ low: 0, above: true }),
  },
  lrDecay: {
    value: 'FACTOR',
    group: TRAINING,
    text: 'Factor on the learning rate after every epoch (default: 0.95, 1 with a schedule)',
    read: number({ low: 0, high: 1, above: true }),
  },
  schedule: {
    value: 'NAME',
    group: TRAINING,
    text: `Its course: ${scheduleNames.join(', ')} (default: constant)`,
    read: readSchedule,
  },
  warmup: {
    value: 'F',
    group: TRAINING,
    text: `Fraction of the run in which it rises (default: 0, one-cycle ${schedules['one-cycle'].warmup})`,
    read: number({ low: 0, high: 1 }),
  },
  weightDecay: {
    value: 'W',
    group: TRAINING,
    text: `Share of the weights that a step takes, times the rate (default: 0, adamw ${rules.adamw.weightDecay})`,
    read: number({ low: 0 }),
  },
  clipNorm: {
    value: 'NORM',
    group: TRAINING,
    text: 'Longer gradients are scaled down to this norm (default: they are not)',
    read: number({ low: 0, above: true }),
  },
  onFault: {
    value: 'NAME',
    group: TRAINING,
    text: `NaN or infinity in loss or gradients: ${policies.join(', ')} (default: stop)`,
    read: choice(...policies),
  },
  augment: {
    value: 'LIST',
    bare: AUGMENT,
    group: TRAINING,
    text: `Change training images at random: crop=N, flip, cutout=N; alone ${AUGMENT}`,
    read: readAugmentation,
    restore: augmentationText,
  },
  batchSize: { value: 'N', group: TRAINING, text: 'Images a step (default: 100)', read: count },
  sampling: {
    value: 'NAME',
    group: TRAINING,
    text: 'replacement, or epoch: every image once an epoch (default: replacement)',
    read: choice(...samplings),
  },
  epochs: { value: 'N', group: TRAINING, text: 'Passes over the training images (default: 10)', read: count },
  seed: {
    value: 'N',
    group: TRAINING,
    text: 'Decides weights, batches, dropout and changes to images (default: 0)',
    read: number({ low: 0, high: 2 ** 32 - 1, integer: true }),
  },
  resume: {
    value: 'PATH',
    group: TRAINING,
    text: 'Go on from a checkpoint, or the newest of a folder, for the rest of its epochs',
    read: text,
  },
  flipEvaluation: { group: TRAINING, text: 'Measure the test accuracy with mirror images, too' },
  threads: {
    value: 'N',
    group: ENGINE,
    text: 'Computing threads (default: auto, one per core)',
    read: auto(number({ low: 1, high: 256, integer: true })),
  },
  ...buildFlags(ENGINE),
  out: {
    value: 'DIR',
    group: OUTPUT,
    text: 'Where pictures and checkpoints go (default: ./lanewise-out)',
    read: text,
  },
  save: { value: 'FILE', group: OUTPUT, text: 'Write a checkpoint at the end', read: text },
  saveEvery: {
    value: 'TIME',
    group: OUTPUT,
    text: 'Checkpoints into --out every 500 (steps), 10m, epoch, or none (default: 5m)',
    read: readInterval,
  },
  pictures: { negated: true, group: OUTPUT, text: 'Draw no pictures' },
  json: { group: OUTPUT, text: 'Print the result as one JSON document' },
  quiet: { group: OUTPUT, text: 'Print the result and nothing else' },
} as const satisfies Flags;

export type TrainValues = Values<typeof flags>;

/** The preset of a command line without any of its own. */
const STANDARD = 'quick';

/** Settings of a new run. UsageError where they contradict each other. */
export function settle(values: TrainValues): Settings {
  const { preset: name = isStandard(values) ? STANDARD : undefined } = values;
  const preset = name === undefined ? undefined : presets[name];
  const model = preset?.model ?? fittingModel(values);
  if (values.model !== undefined && values.model !== model) {
    throw new UsageError(`--model ${values.model} does not go with --preset ${name}, which is a ${model}`);
  }
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== false);
  const inherited = { ...preset?.values };
  // A rate that suits one rule does not suit another.
  if (values.updateRule !== undefined && values.updateRule !== inherited.updateRule) delete inherited.learningRate;
  return complete(model, { ...inherited, ...Object.fromEntries(given) } as TrainValues);
}

function applies(model: ModelName, name: (typeof ownNames)[number]): boolean {
  return Object.hasOwn(models[model].own, name);
}

/** Whether nothing says which model, or another one than that of the standard preset. */
function isStandard(values: TrainValues): boolean {
  if (values.model !== undefined || values.spec !== undefined) return false;
  return ownNames.every((name) => values[name] === undefined);
}

/** The model that is named, or else the first one that what is given applies to. */
function fittingModel(values: TrainValues): ModelName {
  if (values.model !== undefined) return values.model;
  const given = ownNames.filter((name) => values[name] !== undefined);
  const order = ['convnet', 'fully-connected-net', 'three-layer-convnet'] as const;
  const fits = order.find((model) => given.every((name) => applies(model, name)));
  return fits ?? (order.find((model) => applies(model, given[0])) as ModelName);
}

function complete(model: ModelName, values: TrainValues): Settings {
  const kind: ModelKind = models[model];
  for (const name of ownNames) {
    if (values[name] === undefined || applies(model, name)) continue;
    const others = modelNames.filter((other) => applies(other, name));
    throw new UsageError(`${flagName(name)} does not apply to ${model}; it does to ${others.join(', ')}`);
  }
  const sizes = values.hidden?.length ?? 0;
  if (sizes > (kind.mostHidden ?? sizes)) {
    const most = kind.mostHidden === 1 ? 'one size' : `${kind.mostHidden} sizes`;
    throw new UsageError(`--hidden must be ${most} for ${model}, got '${values.hidden?.join(',')}'`);
  }
  const { normalization = 'none' } = values;
  if (kind.normalizations && !kind.normalizations.includes(normalization)) {
    const possible = kind.normalizations.join(' or ');
    throw new UsageError(`--normalization must be ${possible} for ${model}, got '${normalization}'`);
  }
  const own = ownNames.filter((name) => applies(model, name)).map((name) => [name, values[name] ?? kind.own[name]]);
  const { data = SYNTHETIC, updateRule = 'adam', schedule = 'constant' } = values;
  const { weightScale, reg, loss, labelSmoothing, dtype, ...spec } = values.spec ?? ({} as Partial<ConvNetSpec>);
  const settings: Settings = {
    data,
    numTrain: values.numTrain ?? (data === SYNTHETIC ? TRAINING_IMAGES.synthetic : TRAINING_IMAGES.cifar10),
    model,
    ...Object.fromEntries(own),
    // What has a flag of its own is a setting of its own.
    ...(values.spec && { spec: spec as ConvNetSpec }),
    weightScale: values.weightScale ?? weightScale ?? kind.weightScale,
    reg: values.reg ?? reg ?? 0,
    loss: values.loss ?? loss ?? 'softmax',
    labelSmoothing: values.labelSmoothing ?? labelSmoothing ?? 0,
    dtype: values.dtype ?? dtype ?? 'float32',
    updateRule,
    learningRate: values.learningRate ?? rules[updateRule].learningRate,
    lrDecay: values.lrDecay ?? (schedule === 'constant' ? 0.95 : 1),
    schedule,
    warmup: values.warmup ?? schedules[schedule].warmup,
    weightDecay: values.weightDecay ?? ('weightDecay' in rules[updateRule] ? rules.adamw.weightDecay : 0),
    clipNorm: values.clipNorm ?? null,
    onFault: values.onFault ?? 'stop',
    augment: values.augment ?? null,
    batchSize: values.batchSize ?? 100,
    sampling: values.sampling ?? 'replacement',
    epochs: values.epochs ?? 10,
    seed: values.seed ?? 0,
    flipEvaluation: values.flipEvaluation ?? false,
  };
  if (settings.onFault === 'clip' && settings.clipNorm === null) {
    throw new UsageError('--on-fault clip needs --clip-norm, which says to what gradients are scaled');
  }
  if (settings.loss !== 'softmax' && settings.labelSmoothing !== 0) {
    throw new UsageError(`--label-smoothing does not go with --loss ${settings.loss}`);
  }
  return settings;
}

/**
 * Settings of a resumed run: those of its checkpoint, read as if they had been typed. The data may lie elsewhere by now.
 * UsageError for others that are given, DataError for a checkpoint that holds no such settings.
 */
export function settleAgain(values: TrainValues, { file, settings }: { file: string; settings: object }): Settings {
  const damaged = (found: string) => new DataError({ where: 'train', file, expected: 'the settings of a run', found });
  const refused = ['preset', ...Object.keys(settings)].find((name) => {
    return !['data', 'flipEvaluation'].includes(name) && (values as Record<string, unknown>)[name] !== undefined;
  });
  if (refused !== undefined) {
    throw new UsageError(`${flagName(refused)} does not go with --resume: the checkpoint says how to train`);
  }
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const flag = Object.hasOwn(flags, name) ? (flags as Flags)[name] : undefined;
    try {
      if (!flag) throw new RuleError('a setting');
      read[name] = restored(flag, value);
    } catch {
      throw damaged(`${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
    }
  }
  const saved = settle(read as TrainValues);
  const missing = Object.keys(saved).find((name) => !Object.hasOwn(settings, name));
  if (missing !== undefined) throw damaged(`no ${missing}`);
  return {
    ...saved,
    data: values.data ?? saved.data,
    flipEvaluation: saved.flipEvaluation || values.flipEvaluation,
  };
}

/** A setting that was written as JSON as the flag gave it; a RuleError if it never did. */
export function restored(flag: Flags[string], value: unknown): unknown {
  if (!('value' in flag)) return value === true;
  if (value === null) return undefined;
  const again = flag.restore ? flag.restore(value) : String(value);
  return typeof again === 'string' ? flag.read(again) : again.value;
}
