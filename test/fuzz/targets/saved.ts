/** What lanewise and others save: safetensors, classifiers, checkpoints. */
import { crc32 } from 'node:zlib';
import * as lw from '../../../src/index.js';
import { ascii, type Bytes, concat, type Dice, mutated, mutatedJson } from '../mutate.js';
import type { Target } from '../run.js';
import { bytesOf, copy, text } from './material.js';

const SAFETENSORS_WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '\\',
  '\\u0000',
  '"__metadata__":{}',
  '"__proto__"',
  '"dtype":"F32"',
  '"shape":[]',
  '"data_offsets":[0,0]',
  '"BF16"',
  '"I64"',
  '"BOOL"',
  '4294967296',
  '9007199254740993',
  ' ',
  '\xff',
];

export const safetensors: Target = {
  name: 'safetensors',
  words: SAFETENSORS_WORDS,
  async corpus() {
    const tensors = { w: lw.ones([2, 3]), b: lw.zeros([3], { dtype: 'float64' }), n: lw.arange(4) };
    const written = [
      lw.writeSafetensors(tensors),
      lw.writeSafetensors(tensors, { metadata: { format: 'pt' } }),
      lw.writeSafetensors({}),
    ];
    for (const t of Object.values(tensors)) t.dispose();
    const others = ['F16', 'BF16', 'I64', 'U8', 'BOOL'].map((dtype) => {
      const size = { F16: 2, BF16: 2, I64: 8, U8: 1, BOOL: 1 }[dtype] as number;
      return withHeader(
        JSON.stringify({ x: { dtype, shape: [2], data_offsets: [0, 2 * size] } }),
        new Uint8Array(2 * size),
      );
    });
    return [...written, ...others];
  },
  make(dice, corpus) {
    const bytes = dice.pick(corpus);
    const end = 8 + (bytes[0] as number) + 256 * (bytes[1] as number);
    const header = bytes.subarray(8, end);
    if (dice.once(2))
      return withHeader(mutatedJson(text(header), dice, ['w', 'dtype', 'shape', 'F64', 'I8']), bytes.subarray(end));
    return withHeader(mutated(header, dice, SAFETENSORS_WORDS.map(ascii), [header as Bytes]), bytes.subarray(end));
  },
  parse: (input) => lw.readSafetensors(input),
};

function withHeader(header: string | Bytes, data: Uint8Array): Bytes {
  const json = typeof header === 'string' ? bytesOf(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, json.length, true);
  return concat(length, json, data);
}

/** A checkpoint with changes in its header or its data, but the sum of what it is. */
function resummed(dice: Dice, corpus: readonly Bytes[]): Bytes {
  const bytes = dice.pick(corpus);
  const start = '{"__metadata__":{"crc32":"';
  const end = 8 + (bytes[0] as number) + 256 * (bytes[1] as number);
  const header = text(bytes.subarray(8, end));
  const rest = header.slice(start.length + 8);
  const changed = dice.once(3)
    ? changedContent(rest, dice)
    : text(mutated(bytesOf(rest), dice, CHECKPOINT_WORDS.map(ascii), corpus));
  const data = dice.once(3) ? mutated(bytes.subarray(end), dice, [], corpus) : bytes.subarray(end);
  const made = withHeader(`${start}00000000${changed}`, data);
  made.set(ascii(crc32(made).toString(16).padStart(8, '0')), 8 + start.length);
  return made;
}

/** Another value here or there in what a checkpoint says, which is JSON as text in JSON. */
function changedContent(rest: string, dice: Dice): string {
  const begin = rest.indexOf('"lanewise":') + '"lanewise":'.length;
  const end = rest.indexOf('}"', begin) + 2;
  const content = JSON.parse(rest.slice(begin, end)) as string;
  return (
    rest.slice(0, begin) +
    JSON.stringify(mutatedJson(content, dice, ['content', 'kind', 'options', 'epoch'])) +
    rest.slice(end)
  );
}

const CHECKPOINT_WORDS = [
  ...SAFETENSORS_WORDS.slice(0, -1),
  '\\"',
  ':null',
  ':-1',
  ':1e308',
  '"kind',
  'solver',
  'parameters/W1',
  '/toString',
  '/__proto__',
  '/constructor',
];

export const classifier: Target = {
  name: 'classifier',
  words: SAFETENSORS_WORDS,
  make: resummed,
  async corpus() {
    const X = lw.tensor([
      [1, 0],
      [0, 1],
      [1, 1],
    ]);
    const kinds = [new lw.Softmax(), new lw.LinearSVM()];
    const saved = kinds.map((kind) => {
      kind.train(X, [0, 1, 0], { numIters: 1, batchSize: 2, random: new lw.RandomState(1) });
      const bytes = kind.toBytes();
      kind.dispose();
      return bytes;
    });
    X.dispose();
    return saved;
  },
  parse: (input) => lw.Softmax.fromBytes(input).dispose(),
};

/** A model that lasts, and data for it. */
function pair() {
  const model = new lw.TwoLayerNet({ inputDim: 4, hiddenDim: 3, numClasses: 2, random: new lw.RandomState(1) });
  const X = lw.full([6, 4], 0.5);
  const data = { XTrain: X, yTrain: [0, 1, 0, 1, 0, 1], XVal: X, yVal: [1, 1, 0, 0, 1, 0] };
  return { model, data };
}
let standing: ReturnType<typeof pair> | undefined;

export const checkpoint: Target = {
  name: 'checkpoint',
  words: SAFETENSORS_WORDS,
  make: resummed,
  async corpus() {
    const solvers = (['sgd', 'adam'] as const).map((updateRule) => {
      const { model, data } = pair();
      return new lw.Solver(model, data, {
        updateRule,
        numEpochs: 2,
        batchSize: 3,
        verbose: false,
        random: new lw.RandomState(2),
      });
    });
    const saved: Bytes[] = [];
    for (const solver of solvers) {
      await solver.train();
      saved.push(copy(solver.save()));
    }
    return saved;
  },
  parse(input) {
    standing ??= pair();
    const { model, data } = standing;
    const before = Object.values(model.params).map(({ data }) => data.slice());
    try {
      lw.Solver.resume(input, model, data).dispose();
    } catch (error) {
      for (const [k, { data: after }] of Object.values(model.params).entries()) {
        const changed = after.some((value, i) => !Object.is(value, before[k]?.[i]));
        if (changed) throw new Error('half of a checkpoint was loaded', { cause: error });
      }
      throw error;
    }
  },
  allowed: (error) => error instanceof lw.LanewiseError,
};
