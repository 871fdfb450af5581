/** Input made from good input: small, seeded changes of bytes, numbers, words and pieces. */

/** Inputs stay below this many bytes, so that a million of them take minutes. */
const MOST = 2 ** 16;

/** Random numbers of one case (Steele, Lea and Flood's SplitMix with 32 bits): the same for the same seed and case. */
export class Dice {
  #state: number;

  constructor(seed: number, index: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
    for (let i = 0; i < 4; i++) this.word();
  }

  word(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** A whole number from 0 to n - 1; 0 if there is none. */
  below(n: number): number {
    return n > 0 ? this.word() % n : 0;
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export type Bytes = Uint8Array<ArrayBuffer>;

export const ascii = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 127, 128, 255, 256, 512, 1024, 4096, 32767, 32768, 65535, 65536,
];
const LARGE = [2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];
/** Numbers as text. */
const DIGITS = [
  '0',
  '1',
  '-1',
  '00',
  '2',
  '255',
  '65536',
  '2147483647',
  '4294967296',
  '9007199254740993',
  '1e9',
  '1e999',
  '0.5',
  'NaN',
];

/** A number that tends to break things; `near` and its neighbours are some of them. */
function edge(dice: Dice, near: number): number {
  const kind = dice.below(4);
  if (kind === 0) return dice.word();
  if (kind === 1) return (near + dice.below(5) - 2) >>> 0;
  return dice.pick(kind === 2 ? EDGES : LARGE);
}

const insert = (bytes: Bytes, at: number, part: Uint8Array) => concat(bytes.subarray(0, at), part, bytes.subarray(at));

/** One change. words: pieces that mean something to the parser. other: another input of the corpus. */
function change(bytes: Bytes, dice: Dice, words: readonly Bytes[], other: Bytes): Bytes {
  const { length } = bytes;
  const at = dice.below(length);
  const span = Math.min(length - at, 1 + dice.below(dice.once(3) ? length : 16));
  switch (dice.below(16)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
      return bytes;
    case 1:
      bytes[at] = dice.pick([0, 1, 0x7f, 0x80, 0xff, 0x20, 0x0a, 0x22, 0x5c]);
      return bytes;
    case 2:
      bytes[at] = dice.below(256);
      return bytes;
    case 3:
    case 4: {
      const width = dice.pick([2, 4, 4, 8]);
      if (at + width > length) return bytes;
      const view = new DataView(bytes.buffer);
      const little = dice.once(2);
      const value = edge(dice, dice.once(2) ? length : view.getUint16(at, little));
      if (width === 2) view.setUint16(at, value, little);
      else view.setUint32(at, value, little);
      if (width === 8) view.setUint32(at + 4, dice.once(4) ? edge(dice, 0) : 0, little);
      return bytes;
    }
    case 5:
      return concat(bytes.subarray(0, at), bytes.subarray(at + span));
    case 6:
      return insert(bytes, dice.below(length + 1), bytes.subarray(at, at + span));
    case 7:
      return bytes.slice(0, at);
    case 8:
      return insert(
        bytes,
        dice.below(length + 1),
        Uint8Array.from({ length: 1 + dice.below(8) }, () => dice.below(256)),
      );
    case 9:
    case 10:
    case 11:
      if (words.length === 0) return bytes;
      return insert(bytes, dice.below(length + 1), dice.pick(words));
    case 12: {
      if (words.length === 0) return bytes;
      const word = dice.pick(words);
      bytes.set(word.subarray(0, length - at), at);
      return bytes;
    }
    case 13:
      return concat(bytes.subarray(0, at), other.subarray(dice.below(other.length)));
    case 14: {
      // The number, in decimal digits, that is found next.
      let start = at;
      while (start < length && !isDigit(bytes[start])) start++;
      let end = start;
      while (end < length && isDigit(bytes[end])) end++;
      if (start === end) return bytes;
      return concat(bytes.subarray(0, start), ascii(dice.pick(DIGITS)), bytes.subarray(end));
    }
    default: {
      // The same again and again: depth, and length.
      const part = dice.once(2) && words.length > 0 ? dice.pick(words) : bytes.subarray(at, at + 1 + dice.below(4));
      const times = Math.floor(Math.min(dice.pick([4, 40, 400, 4000]), (MOST - length) / Math.max(1, part.length)));
      return times > 0 ? insert(bytes, at, concat(...Array<Uint8Array>(times).fill(part))) : bytes;
    }
  }
}

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** A copy of an input with one to a few changes. */
export function mutated(input: Uint8Array, dice: Dice, words: readonly Bytes[], corpus: readonly Bytes[]): Bytes {
  let bytes = Uint8Array.from(input);
  for (let left = 1 + dice.below(dice.once(4) ? 8 : 3); left > 0; left--) {
    bytes = change(bytes, dice, words, dice.pick(corpus));
    if (bytes.length > MOST) bytes = bytes.slice(0, MOST);
  }
  return bytes;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const ODD: readonly Json[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  3,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  '',
  'he',
  'relu',
  '__proto__',
  [],
  {},
  [[]],
  [3, 32, 32],
];

/** Text of a JSON value with changed parts: values swapped, repeated, nested, renamed; keys twice. */
export function mutatedJson(text: string, dice: Dice, names: readonly string[]): string {
  const nodes: { holder: Json[] | { [key: string]: Json }; key: string | number }[] = [];
  const root = { root: JSON.parse(text) as Json };
  const walk = (holder: Json[] | { [key: string]: Json }) => {
    const keys = Array.isArray(holder) ? holder.keys() : Object.keys(holder);
    for (const key of keys) {
      nodes.push({ holder, key });
      const value = (holder as { [key: string]: Json })[key];
      if (value !== null && typeof value === 'object') walk(value);
    }
  };
  walk(root);
  for (let left = 1 + dice.below(3); left > 0; left--) {
    const { holder, key } = dice.pick(nodes);
    const place = holder as { [key: string]: Json };
    const value = place[key] ?? null;
    switch (dice.below(8)) {
      case 0:
      case 1:
        place[key] = dice.pick(ODD);
        break;
      case 2: {
        const from = dice.pick(nodes);
        place[key] = structuredClone((from.holder as { [key: string]: Json })[from.key] ?? null);
        break;
      }
      case 3:
        if (Array.isArray(value) && value.length > 0) place[key] = Array(dice.pick([2, 5, 50])).fill(value[0]);
        else place[key] = Array(dice.pick([1, 2, 3])).fill(value);
        break;
      case 4: {
        let deep: Json = value;
        const name = dice.pick(names);
        for (let depth = dice.pick([1, 2, 40, 2000]); depth > 0; depth--)
          deep = dice.once(2) ? [deep] : { [name]: deep };
        place[key] = deep;
        break;
      }
      case 5:
        if (Array.isArray(holder)) holder.push(value);
        else
          Object.defineProperty(holder, dice.pick([...names, '__proto__', 'constructor']), {
            value,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        break;
      case 6:
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else if (holder !== root) delete place[key];
        break;
      default:
        if (typeof value === 'number') place[key] = dice.pick([-value, value + 1, value * 1000, value / 7, 0]);
        else if (typeof value === 'string') place[key] = dice.pick(names);
    }
  }
  const made = JSON.stringify(root.root) ?? 'null';
  if (!dice.once(4)) return made;
  // A key twice: JSON.stringify writes none.
  return made.replace(/"(\w+)":/, (whole, name: string) => `${whole}0,"${name}":`);
}
