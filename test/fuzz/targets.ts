/** Every parser of the library, of the command and of the examples, with good input for each. */
import { readdirSync, readFileSync } from 'node:fs';
import { crc32, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { RuleError, UsageError } from '../../src/cli/flags.js';
import { parseJson } from '../../src/cli/spec.js';
import { checkSweepSpec } from '../../src/cli/sweepSpec.js';
import { unpack } from '../../src/data/archive.js';
import { readIdx, readNpy, readNpz } from '../../src/data/arrayFiles.js';
import { Batches } from '../../src/data/batches.js';
import { ImageSet } from '../../src/data/images.js';
import { isPickledArray, parsePickle, pickledItems, pickledText } from '../../src/data/pickle.js';
import type { Chunks } from '../../src/data/streams.js';
import { zip } from '../../src/data/zip.js';
import * as lw from '../../src/index.js';
import * as made from '../data/files.js';
import { ascii, type Bytes, concat, type Dice, mutated, mutatedJson } from './mutate.js';
import type { Target } from './run.js';

const fixtures = new URL('../fixtures/', import.meta.url);

/** Fixtures of a folder whose names end so. */
function files(folder: string, ...ends: string[]): Bytes[] {
  const place = new URL(`${folder}/`, fixtures);
  const names = readdirSync(place).filter((name) => ends.some((end) => name.endsWith(end)));
  return names.sort().map((name) => Uint8Array.from(readFileSync(new URL(name, place))));
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (value: string): Bytes => new TextEncoder().encode(value);
const copy = (bytes: Uint8Array): Bytes => Uint8Array.from(bytes);

// ---- CIFAR-10 -------------------------------------------------------------------------------------------------------

const members = (all: made.Files) => all.map(([name, content]) => made.member(name, content));
const ALL = [0, Number.POSITIVE_INFINITY];
const imageSet = (from: number, to: number) => new ImageSet(from, to, 'float32', 'NCHW');
const BATCHES = made.batches([1, 1, 1, 1, 1, 1]);

const SETS = ['', 'a/'].flatMap((folder) =>
  [made.binaryFiles(BATCHES, folder), made.pickledFiles(BATCHES, folder)].map((files) =>
    files.map(([name, content]) => ({ name, content: copy(content), member: made.member(name, content) })),
  ),
);

const cifar: Target = {
  name: 'cifar10',
  words: ['\x00\x01\x02', '\x0a', '\x80\x02}', 'data_batch_1', 'test_batch.bin', 'airplane\n', '../', '\x1f\x8b'],
  corpus: async () => [
    copy(made.tar(made.binaryFiles(BATCHES))),
    copy(made.tar(made.pickledFiles(BATCHES))),
    copy(made.tar(made.binaryFiles(made.batches([1, 2, 1, 1, 1, 1])))),
  ],
  // One file of the set is changed, or has another name; the archive around it is sound.
  make(dice) {
    const set = dice.pick(SETS);
    const k = dice.below(set.length);
    const { name, content } = set[k] as (typeof set)[number];
    const ends = dice.once(2) ? content.slice(0, 200) : content;
    const bad = mutated(ends, dice, this.words.map(ascii), [ends]);
    const other = dice.once(8) ? dice.pick(['data_batch_1', 'x', 'b/data_batch_2.bin', 'test_batch']) : name;
    return concat(...set.map(({ member }, i) => (i === k ? made.member(other, bad) : member)), made.END);
  },
  // As loadCifar10 does; its import() alone would take longer than most cases.
  parse: (input) =>
    new Batches('loadCifar10', imageSet, { train: ALL, test: ALL }).load(input, {}, (sets) =>
      sets.map(({ X, y }) => [X, y]),
    ),
};

// ---- pickles ----------------------------------------------------------------------------------------------------------

const OPCODES =
  '().0122FGIJKLMNRSTUVXabcdeghijlopqrstu}]\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96';

const pickle: Target = {
  name: 'pickle',
  words: [
    ...OPCODES,
    ...[
      'K\x01',
      'J\xff\xff\xff\xff',
      'h\x00',
      'q\x00',
      'U\x02u1',
      'X\x01\x00\x00\x00a',
      'T\xff\xff\xff\xff',
      'I01\n',
      '\x94',
      '\x8a\x01\x05',
    ],
    ...[
      'cnumpy\nndarray\n',
      'cnumpy\ndtype\n',
      'cnumpy.core.multiarray\n_reconstruct\n',
      'c_codecs\nencode\n',
      'cos\nsystem\n',
      'cnumpy.core.multiarray\nscalar\n',
    ],
    ...[
      'U\x02u1K\x00K\x01\x87R',
      '(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
      'latin1',
      "S'a'\n",
      'V\\u0041\n',
    ],
  ],
  corpus: async () => [...files('pickles', '.pkl'), copy(made.pickled(made.batch(1, 1))), copy(made.pickledMeta())],
  // A program out of nothing: most of what the machine can do, in any order.
  make(dice) {
    const parts = Array.from({ length: 1 + dice.below(60) }, () => ascii(dice.pick(this.words)));
    return concat(ascii(dice.pick(['\x80\x02', '\x80\x04', '', '('])), ...parts, ascii('.'));
  },
  parse(input) {
    const value = parsePickle(input, 'a.pkl');
    const parts = value instanceof Map ? [...value.values()] : [value];
    for (const part of parts) if (!isPickledArray(part)) pickledText(part) ?? pickledItems(part);
  },
};

// ---- archives ---------------------------------------------------------------------------------------------------------

const NAMES = ['a.txt', 'folder/b.bin', 'x'];
const plainFiles = (): made.Files => NAMES.map((name, k) => [name, new Uint8Array(100 * k + 1).fill(k)]);
const pax = (record: string) => made.member('pax', ascii(record), { type: 'x' });

/** Reads all files of an archive. */
async function walk(input: Uint8Array): Promise<void> {
  async function* once(): Chunks {
    // In two pieces, cut anywhere.
    const cut = input.length % 700;
    yield input.subarray(0, cut);
    yield input.subarray(cut);
  }
  let bytes = 0;
  for await (const entry of unpack('walk', 'a.tar', once(), input.length)) {
    if (entry.path.split(/[\\/]/).includes('..')) throw new Error(`a path outside: ${entry.path}`);
    if (bytes % 2 === 0) for await (const chunk of entry.chunks()) bytes += chunk.length;
  }
}

/** Writes the sums of all headers anew. */
function summed(bytes: Bytes): Bytes {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (text(bytes.subarray(at + 257, at + 262)) !== 'ustar') continue;
    bytes.fill(32, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.set(ascii(`${sum.toString(8).padStart(6, '0')}\0 `), at + 148);
  }
  return bytes;
}

const tarCorpus = () => [
  copy(made.tar(plainFiles())),
  concat(pax('18 path=other.txt\n'), ...members(plainFiles()), made.END),
  concat(made.member('long', ascii(`${'n'.repeat(150)}\0`), { type: 'L' }), ...members(plainFiles()), made.END),
  concat(
    made.member('big', new Uint8Array(600), { binarySize: true }),
    made.member('l', new Uint8Array(0), { type: '2' }),
    made.END,
  ),
];

const tar: Target = {
  name: 'tar',
  words: [
    'ustar\x0000',
    '00000000000\0',
    '77777777777',
    '\x80\x00\x00\x00\x00\x00\x00\x00',
    '../',
    '/etc',
    'C:\\',
    '18 path=../../x.t\n',
    '11 size=99\n',
    '9999999 path=a\n',
    'L',
    'x',
  ],
  corpus: async () => tarCorpus(),
  make(dice, corpus) {
    const bytes = copy(dice.pick(corpus));
    for (let left = 1 + dice.below(3); left > 0; left--) {
      // A field of a header.
      const [at, length] = dice.pick([
        [0, 100],
        [124, 12],
        [156, 1],
        [257, 8],
        [345, 155],
        [512, 60],
      ] as const);
      const start = 512 * dice.below(bytes.length / 512) + at;
      const field = mutated(bytes.subarray(start, start + length), dice, this.words.map(ascii), [bytes]);
      bytes.set(field.subarray(0, Math.min(length, bytes.length - start)), start);
    }
    return summed(bytes);
  },
  parse: walk,
};

const gzip: Target = {
  name: 'gzip',
  words: [
    '\x1f\x8b\x08\x00',
    '\x1f\x8b\x08\x08name\0',
    '\x1f\x8b\x08\x04\xff\xff',
    '\x00\x00\x00\xff\xff',
    '\x01\x00\x00\xff\xff',
    '\x03\x00',
  ],
  corpus: async () => [
    copy(gzipSync(made.tar(plainFiles()))),
    copy(gzipSync(new Uint8Array(2 ** 18), { level: 9 })),
    copy(gzipSync(ascii('no archive'))),
  ],
  // Sound gzip of an archive that is not.
  make: (dice) =>
    copy(gzipSync(summed(mutated(dice.pick(tarCorpus()), dice, [], tarCorpus())), { level: dice.pick([0, 1, 9]) })),
  parse: walk,
};

// ---- arrays -----------------------------------------------------------------------------------------------------------

const HEADER_WORDS = [
  "'descr'",
  "'shape'",
  "'fortran_order'",
  "'<f8'",
  "'>i2'",
  "'|O'",
  "'|b1'",
  'True',
  'False',
  '(',
  ')',
  ',',
  ': ',
  '{',
  '}',
  '(2, 3)',
  '2147483647, ',
  '99999999999999999',
  '[',
  "'__proto__': ",
];
const NPY_WORDS = ['\x93NUMPY', '\x01\x00', '\x02\x00', '\x03\x00', ...HEADER_WORDS];

/** A .npy file with another dictionary, its length right. */
function newHeader(dice: Dice, corpus: readonly Bytes[]): Bytes {
  const bytes = dice.pick(corpus);
  const start = bytes[6] === 1 ? 10 : 12;
  const end = start + (bytes[8] as number) + 256 * (bytes[9] as number);
  const header = mutated(bytes.subarray(start, end), dice, HEADER_WORDS.map(ascii), corpus).slice(0, 60_000);
  return concat(
    bytes.subarray(0, 8),
    Uint8Array.of(header.length & 255, header.length >> 8),
    new Uint8Array(start - 10),
    header,
    bytes.subarray(end),
  );
}

const npy: Target = {
  name: 'npy',
  words: NPY_WORDS,
  corpus: async () => files('arrays', '.npy'),
  make: newHeader,
  parse: (input) => readNpy(input),
};

const npyFiles = files('arrays', 'float32.npy', 'int64.npy', 'bool.npy');

const npz: Target = {
  name: 'npz',
  words: [
    'PK\x01\x02',
    'PK\x03\x04',
    'PK\x05\x06',
    'PK\x06\x06',
    'PK\x06\x07',
    '\x08\x00',
    '\x00\x00\x00\x00',
    '\xff\xff\xff\xff',
    'X.npy',
    '__proto__.npy',
    ...NPY_WORDS.slice(0, 4),
  ],
  corpus: async () => files('arrays', '.npz'),
  // Sound archives of files that are not, or archives whose sums and lengths are off.
  async make(dice) {
    const names = ['X.npy', 'y.npy', '__proto__.npy', 'a/../b.npy', '', 'X'];
    const content = new Map<string, Bytes>();
    for (let left = 1 + dice.below(3); left > 0; left--) {
      const one = dice.pick(npyFiles);
      content.set(dice.pick(names), dice.once(2) ? newHeader(dice, npyFiles) : copy(one));
    }
    if (dice.once(3)) return zip(content, false);
    return handmadeZip(dice, content);
  },
  parse: (input) => readNpz(input, { maxBytes: 2 ** 22 }),
};

/** A zip archive with a wrong number here or there. */
function handmadeZip(dice: Dice, content: ReadonlyMap<string, Bytes>): Bytes {
  const numbers = (value: number, width: number) => Uint8Array.from({ length: width }, (_, i) => value / 2 ** (8 * i));
  const off = (value: number) =>
    dice.once(12) ? dice.pick([0, 1, value + 1, value - 1, 0xffff, 2 ** 31, 2 ** 32 - 1]) : value;
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes] of content) {
    const method = dice.pick([0, 8, 8]);
    const packed = method === 8 ? deflateRawSync(bytes) : bytes;
    const common = () =>
      concat(
        numbers(20, 2),
        numbers(off(0), 2),
        numbers(off(method), 2),
        numbers(0, 4),
        numbers(off(crc32(bytes)), 4),
        numbers(off(packed.length), 4),
        numbers(off(bytes.length), 4),
        numbers(off(name.length), 2),
        numbers(off(0), 2),
      );
    const local = concat(ascii('PK\x03\x04'), common(), ascii(name), packed);
    parts.push(local);
    directory.push(
      concat(
        ascii('PK\x01\x02'),
        numbers(20, 2),
        common(),
        numbers(off(0), 2),
        new Uint8Array(8),
        numbers(off(at), 4),
        ascii(name),
      ),
    );
    at += local.length;
  }
  const index = concat(...directory);
  const count = () => numbers(off(content.size), 2);
  const end = concat(
    ascii('PK\x05\x06'),
    numbers(off(0), 4),
    count(),
    count(),
    numbers(off(index.length), 4),
    numbers(off(at), 4),
    numbers(off(0), 2),
  );
  return concat(...parts, index, end);
}

const idx: Target = {
  name: 'idx',
  words: [
    '\x00\x00\x08\x01',
    '\x00\x00\x0d\x03',
    '\x00\x00\x00\x00',
    '\x7f\xff\xff\xff',
    '\xff\xff\xff\xff',
    '\x1f\x8b\x08\x00',
  ],
  corpus: async () => files('arrays', '.idx', '.idx.gz'),
  parse: (input) => readIdx(input),
};

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

const safetensors: Target = {
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

// ---- what was saved ---------------------------------------------------------------------------------------------------

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

const classifier: Target = {
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

const checkpoint: Target = {
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

// ---- specifications ---------------------------------------------------------------------------------------------------

const JSON_WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '\\',
  '\\u0000',
  '\\ud800',
  'null',
  'true',
  '1e999',
  '-0',
  '"__proto__":',
  '"conv":',
  '"layers":',
  '"repeat":',
  '"a":1,',
];
const RULES = [RuleError, UsageError, lw.LanewiseError];
const isRule = (error: unknown) => RULES.some((kind) => error instanceof kind);

/** Text as the command reads it; held against JSON.parse. */
function readText(input: Uint8Array): unknown {
  const json = text(input);
  try {
    return parseJson(json);
  } catch (error) {
    const { message } = error as Error;
    const isStricter = /does not have yet|deep at most/.test(message);
    let sound = true;
    try {
      JSON.parse(json);
    } catch {
      sound = false;
    }
    if (sound && !isStricter) throw new Error(`sound JSON is refused: ${message}`, { cause: error });
    throw error;
  }
}

const SPECS = [
  { inputDim: [1, 6, 6], layers: [{ conv: 2, size: 3 }, { maxPool: 2 }, 'relu', { affine: 4 }], numClasses: 3 },
  {
    inputDim: [2, 8, 8],
    norm: 'batchnorm',
    layers: [{ residual: [{ conv: 2 }, { conv: 2, relu: false }], shortcut: [{ conv: 2, size: 1 }] }, 'globalAvgPool'],
    numClasses: 2,
    reg: 0.1,
    dtype: 'float64',
    loss: 'svm',
  },
  {
    inputDim: [4],
    layers: [{ repeat: 2, layers: [{ affine: 3, norm: 'layernorm' }, { dropout: 0.5 }, { leakyRelu: 0.1 }] }],
    numClasses: null,
    weightScale: 0.1,
  },
];

const spec: Target = {
  name: 'spec',
  words: JSON_WORDS,
  corpus: async () => SPECS.map((value) => bytesOf(JSON.stringify(value))),
  make: (dice, corpus) =>
    bytesOf(
      mutatedJson(text(dice.pick(corpus)), dice, [
        'layers',
        'conv',
        'affine',
        'repeat',
        'residual',
        'norm',
        'size',
        'dropout',
        'groupnorm',
        'maxPool',
      ]),
    ),
  parse(input) {
    new lw.ConvNet(readText(input) as lw.ConvNetSpec, { random: new lw.RandomState(0) }).dispose();
  },
  allowed: isRule,
};

const SWEEPS = [
  { model: 'two-layer', epochs: 1, search: { kind: 'grid', space: { learningRate: [0.001, 0.01], reg: [0, 0.1] } } },
  {
    data: 'synthetic',
    search: {
      kind: 'random',
      trials: 5,
      seed: 3,
      space: { learningRate: { logUniform: [1e-4, 1e-2] }, hidden: { integers: [5, 50] } },
    },
  },
  {
    search: {
      kind: 'coarse-to-fine',
      trials: 4,
      fineTrials: 2,
      factor: 3,
      space: { reg: { uniform: [0, 1] } },
      halving: { maxEpochs: 4 },
    },
  },
];

const sweep: Target = {
  name: 'sweep',
  words: JSON_WORDS,
  corpus: async () => SWEEPS.map((value) => bytesOf(JSON.stringify(value))),
  make: (dice, corpus) =>
    bytesOf(
      mutatedJson(text(dice.pick(corpus)), dice, [
        'search',
        'space',
        'learningRate',
        'reg',
        'hidden',
        'kind',
        'grid',
        'random',
        'choice',
        'spec',
        'optimizer',
        'trials',
      ]),
    ),
  parse(input) {
    checkSweepSpec(readText(input));
  },
  allowed: isRule,
};

// ---- PNG --------------------------------------------------------------------------------------------------------------

/** By its address, as it has no types. */
const { fromPng } = (await import(new URL('../../examples/png.js', import.meta.url).href)) as {
  fromPng(bytes: Uint8Array): unknown;
};

function chunk(type: string, data: Uint8Array): Bytes {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, data.length);
  const body = concat(ascii(type), data);
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, crc32(body));
  return concat(head, body, sum);
}

const SIGNATURE = ascii('\x89PNG\r\n\x1a\n');

const png: Target = {
  name: 'png',
  words: [
    'IHDR',
    'PLTE',
    'IDAT',
    'IEND',
    'tRNS',
    'iCCP',
    'tEXt',
    'acTL',
    'fcTL',
    'fdAT',
    '\x00\x00\x00\x00',
    '\x7f\xff\xff\xff',
    '\xff\xff\xff\xff',
  ],
  corpus: async () =>
    [1, 2, 3, 4].flatMap((channels) =>
      ([8, 16] as const).map((depth) => {
        const samples = Array.from({ length: 12 * channels }, (_, i) => i * 20);
        const data = depth === 8 ? Uint8Array.from(samples) : Uint16Array.from(samples);
        return copy(encode({ width: 4, height: 3, channels, depth, data }));
      }),
    ),
  // Sound chunks with a header of any kind and data of any length.
  make(dice) {
    const header = new Uint8Array(13);
    const view = new DataView(header.buffer);
    const side = () => (dice.once(10) ? dice.pick([0, 4096, 65535, 2 ** 31 - 1, 2 ** 32 - 1]) : 1 + dice.below(20));
    const [width, height] = [side(), side()];
    const [depth, type] = [dice.pick([1, 2, 4, 8, 8, 16, 3]), dice.pick([0, 2, 3, 3, 4, 6, 5])];
    view.setUint32(0, width);
    view.setUint32(4, height);
    header.set([depth, type, 0, 0, dice.pick([0, 0, 0, 1, 2])], 8);
    const samples = [1, 0, 3, 1, 2, 1, 4][type] as number;
    const right = Math.min(5000, height * (1 + Math.ceil((width * samples * depth) / 8)));
    // Small numbers are filters, at the beginning of a row.
    const byte = () => (dice.once(2) ? dice.below(5) : dice.below(256));
    const rows = Uint8Array.from({ length: dice.once(4) ? dice.pick([0, 10, 100, 5000]) : right }, byte);
    const bomb = dice.once(20) ? new Uint8Array(2 ** 20) : rows;
    const parts = [chunk('IHDR', header)];
    if (!dice.once(3))
      parts.push(
        chunk(
          'PLTE',
          Uint8Array.from({ length: dice.below(60) }, () => dice.below(256)),
        ),
      );
    if (dice.once(3))
      parts.push(
        chunk(
          'tRNS',
          Uint8Array.from({ length: dice.below(12) }, () => dice.below(256)),
        ),
      );
    if (dice.once(5))
      parts.push(chunk(dice.pick(['iCCP', 'tEXt', 'acTL', 'pHYs']), mutated(bomb.subarray(0, 50), dice, [], [rows])));
    parts.push(chunk('IDAT', dice.once(6) ? mutated(deflateSync(rows), dice, [], [rows]) : deflateSync(bomb)));
    if (!dice.once(8)) parts.push(chunk('IEND', new Uint8Array(0)));
    return concat(SIGNATURE, ...parts);
  },
  parse: (input) => {
    fromPng(input);
  },
  allowed: (error) =>
    error instanceof Error && /^(not a PNG file$|damaged PNG file: |interlaced PNG with )/.test(error.message),
};

export const targets: readonly Target[] = [
  cifar,
  pickle,
  tar,
  gzip,
  npy,
  npz,
  idx,
  safetensors,
  classifier,
  checkpoint,
  spec,
  sweep,
  png,
];
