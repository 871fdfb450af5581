/** Pictures, as the examples read them. */
import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import { ascii, type Bytes, concat, mutated } from '../mutate.js';
import type { Target } from '../run.js';
import { copy } from './material.js';

/** By its address, as it has no types. */
const { fromPng } = (await import(new URL('../../../examples/png.js', import.meta.url).href)) as {
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

export const png: Target = {
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
