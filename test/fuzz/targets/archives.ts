/** Archives: tar, and gzip around it. */
import { gzipSync } from 'node:zlib';
import { unpack } from '../../../src/data/archive.js';
import type { Chunks } from '../../../src/data/streams.js';
import * as made from '../../data/files.js';
import { ascii, type Bytes, concat, mutated } from '../mutate.js';
import type { Target } from '../run.js';
import { copy, members, text } from './material.js';

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

export const tar: Target = {
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

export const gzip: Target = {
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
