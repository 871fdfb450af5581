/** Arrays in files of NumPy and MNIST. */
import { crc32, deflateRawSync } from 'node:zlib';
import { readIdx, readNpy, readNpz } from '../../../src/data/arrayFiles.js';
import { zip } from '../../../src/data/zip.js';
import { ascii, type Bytes, concat, type Dice, mutated } from '../mutate.js';
import type { Target } from '../run.js';
import { copy, files } from './material.js';

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

export const npy: Target = {
  name: 'npy',
  words: NPY_WORDS,
  corpus: async () => files('arrays', '.npy'),
  make: newHeader,
  parse: (input) => readNpy(input),
};

const npyFiles = files('arrays', 'float32.npy', 'int64.npy', 'bool.npy');

export const npz: Target = {
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

export const idx: Target = {
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
