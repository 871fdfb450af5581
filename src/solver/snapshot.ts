/** A Solver between two steps, as the bytes of a checkpoint and back. */
import { type Checkpoint, isRecord, writeCheckpoint } from '../checkpoint.js';
import { describe, OptionError, ShapeError } from '../errors.js';
import { findUpdateRule } from '../optim.js';
import { type RandomSource, RandomState, type StreamState } from '../random.js';
import type { StoredArray } from '../safetensors.js';
import { sameShape } from '../shape.js';
import { isTensor, type Tensor } from '../tensor.js';
import type { Settings } from './options.js';

/** What a checkpoint holds of the options, besides names of rule and schedule. */
export const SAVED_OPTIONS = [
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
  'onFault',
  'faultLimit',
] as const;

export const HISTORIES = ['lossHistory', 'trainAccHistory', 'valAccHistory'] as const;

type Tensors = Readonly<Record<string, Tensor>>;
type Config = Readonly<Record<string, unknown>>;

/** Where a run stands. */
export interface Position {
  numTrain: number;
  numVal: number;
  /** Of a Network. */
  reg: number | undefined;
  learningRate: number | undefined;
  bestValAcc: number;
  epoch: number;
  lastEpoch: number;
  done: number;
  numIterations: number;
  /** Of this epoch. */
  faults: number;
}

export interface Snapshot {
  settings: Settings;
  position: Position;
  histories: Readonly<Record<(typeof HISTORIES)[number], readonly number[]>>;
  /** Parameters and running averages: those reached, and those of the best check. */
  state: Tensors;
  best: Tensors | undefined;
  /** Of the update rule, for each parameter. */
  configs: readonly Config[];
  /** Of the epoch. */
  order: Tensor | undefined;
  /** Of the model's dropout, if that is another than the Solver's. */
  modelStream: RandomSource | undefined;
  /** The user's. */
  context: unknown;
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array<ArrayBuffer> {
  const { settings, position, histories, state, best, order, modelStream, context } = snapshot;
  const { rule, schedule, augment, random } = settings;
  const arrays = new Map<string, StoredArray>();
  const group = (name: string, tensors: Iterable<[string, Tensor]>) => {
    for (const [key, t] of tensors) arrays.set(`${name}/${key}`, t);
  };
  group('state', Object.entries(state));
  group('best', Object.entries(best ?? {}));
  const configs = snapshot.configs.map((config, i) => {
    const entries = Object.entries(config);
    const tensors = entries.filter((entry): entry is [string, Tensor] => isTensor(entry[1]));
    group(`optim ${i}`, tensors);
    return Object.fromEntries(entries.filter(([key, value]) => !isTensor(value) && checkPlain(key, value)));
  });
  for (const name of HISTORIES) {
    const data = Float64Array.from(histories[name]);
    arrays.set(name, { dtype: 'float64', shape: [data.length], data });
  }
  if (order) group('epoch', [['order', order]]);
  const stream = (name: string, source: RandomSource) => {
    const { key, ...rest } = source.getState();
    const data = Int32Array.from(key, (word) => word | 0);
    arrays.set(name, { dtype: 'int32', shape: [data.length], data });
    return rest;
  };
  const content = {
    options: {
      ...pick(settings, SAVED_OPTIONS),
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
    modelStream: modelStream && stream('modelStream', modelStream),
    ...position,
    context,
  };
  return writeCheckpoint('save', 'solver', content, arrays);
}

function checkPlain(key: string, value: unknown): boolean {
  if (['boolean', 'string', 'undefined'].includes(typeof value) || Number.isFinite(value)) return true;
  const hint = 'tensors, finite numbers, text and booleans can be saved';
  const argument = `${key} of the update rule`;
  throw new OptionError({ where: 'save', argument, rule: 'plain', value: describe(value), hint });
}

/** What a Solver that is to go on from a checkpoint was made with: the checkpoint must fit it. */
export interface Wanted {
  settings: Settings;
  numTrain: number;
  numVal: number;
  iterationsPerEpoch: number;
  params: Tensors;
  state: Tensors;
}

type Stored = Readonly<Record<string, StoredArray>>;

/** A snapshot as it was read: nothing of it is in linear memory. */
export interface StoredSnapshot {
  position: Position;
  histories: number[][];
  state: Stored;
  best: Stored | undefined;
  configs: { own: Config; tensors: Stored }[];
  order: number[] | undefined;
  stream: StreamState;
  modelStream: StreamState | undefined;
}

/** Reads and checks everything; changes nothing. */
export function decodeSnapshot(stored: Checkpoint, wanted: Wanted): StoredSnapshot {
  const { settings, numTrain, numVal, iterationsPerEpoch } = wanted;
  const { sampling, weightDecay } = settings;
  checkCount(stored, 'numTrain', 'training', numTrain);
  checkCount(stored, 'numVal', 'validation', numVal);
  const state = stored.groupLike('state', wanted.state);
  const hasBest = Object.keys(stored.group('best')).length > 0;
  const best = hasBest ? stored.groupLike('best', wanted.state) : undefined;
  const configs = readConfigs(stored, wanted);
  const histories = HISTORIES.map((name) => stored.list(name, 'float64') ?? stored.refuse(`a list '${name}'`));
  const count = { low: 0, integer: true };
  const numIterations = stored.number('numIterations', { ...count, low: iterationsPerEpoch });
  const done = stored.number('done', { ...count, high: numIterations });
  const epoch = stored.number('epoch', count);
  const position = {
    ...{ numTrain, numVal, numIterations, done, epoch },
    lastEpoch: stored.number('lastEpoch', { ...count, low: epoch }),
    faults: stored.number('faults', count),
    bestValAcc: stored.number('bestValAcc', { low: 0, high: 1 }),
    learningRate: stored.has('learningRate') ? stored.number('learningRate', { low: 0 }) : undefined,
    reg: stored.has('reg') ? stored.number('reg', { low: 0 }) : undefined,
  };
  if (position.learningRate === undefined && weightDecay > 0) stored.refuse('a learning rate');
  const order = stored.list('epoch/order', 'int32');
  const complete =
    order === undefined
      ? done % iterationsPerEpoch === 0
      : order.length === numTrain && order.every((i) => i >= 0 && i < numTrain);
  if (sampling === 'epoch' && !complete) stored.refuse(`an order of ${numTrain} examples`);
  const stream = readStream(stored, 'stream');
  const modelStream = stored.has('modelStream') ? readStream(stored, 'modelStream') : undefined;
  return { position, histories, state, best, configs, order, stream, modelStream };
}

function checkCount(stored: Checkpoint, part: 'numTrain' | 'numVal', label: string, now: number): void {
  const then = stored.number(part, { low: 1, integer: true });
  if (then === now) return;
  const { where } = stored.origin;
  const rule = `the ${then} ${label} examples of then`;
  throw new ShapeError({ where, argument: 'data', rule, value: `${now}` });
}

function readConfigs(stored: Checkpoint, { settings: { rule }, params }: Wanted): StoredSnapshot['configs'] {
  const numbers = stored.content.configs;
  const names = Object.keys(params);
  if (!Array.isArray(numbers) || numbers.length !== names.length || !numbers.every(isRecord)) {
    return stored.refuse(`configurations of ${names.length} parameters`);
  }
  return names.map((name, i) => {
    const own =
      rule.name === undefined
        ? numbers[i]
        : stored.checked(() => findUpdateRule('resume', rule.name, numbers[i]).config());
    const tensors = stored.group(`optim ${i}`);
    const w = params[name];
    for (const [key, t] of Object.entries(tensors)) {
      if (rule.name === undefined || (t.dtype === w.dtype && sameShape(t.shape, w.shape))) continue;
      stored.refuse(`${key} like ${name}, ${describe(w)}`, describe(t));
    }
    return { own, tensors };
  });
}

/** The state of a random stream. */
function readStream(stored: Checkpoint, name: string): StreamState {
  const key = stored.list(name, 'int32') ?? stored.refuse(`a random stream '${name}'`);
  return stored.checked(() => {
    const probe = new RandomState(0);
    probe.setState({ ...(stored.record(name) as { pos: number }), key: key.map((word) => word >>> 0) });
    return probe.getState();
  });
}

export function pick<K extends string>(
  from: Readonly<Partial<Record<K, unknown>>>,
  names: readonly K[],
): Partial<Record<K, unknown>> {
  const entries = names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]));
  return Object.fromEntries(entries) as Partial<Record<K, unknown>>;
}
