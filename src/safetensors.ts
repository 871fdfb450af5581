/**
 * Files of named arrays in the safetensors format, which other libraries read and write too:
 *
 *     u64       bytes of the header, little-endian
 *     header    UTF-8 JSON: { name: { dtype, shape, data_offsets: [begin, end] }, …, __metadata__?: { key: text } }
 *     data      all arrays, little-endian and row-major, without gaps; offsets count from the first byte behind the header
 *
 * Format: https://github.com/huggingface/safetensors#format
 *
 * A file that is read may come from anybody. Time and memory are bounded by its own size, nothing is taken from it that its
 * bytes do not hold, and the header is read by a grammar that knows these forms and no others.
 */
import { checkOptions, DataError, describe, OptionError, ValueError } from './errors.js';
import { type Shape, sizeOf } from './shape.js';
import { BYTES, type DType, isTensor, type Tensor, type TypedArray, tensor } from './tensor.js';

/** An array with its shape, outside linear memory. */
export interface StoredArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** What a file holds. */
export interface StoredArrays {
  readonly arrays: ReadonlyMap<string, StoredArray>;
  readonly metadata: ReadonlyMap<string, string>;
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;
const OWN = { float32: 'F32', float64: 'F64', int32: 'I32' } as const satisfies Record<DType, string>;

/** Element types that can be read: bytes of one, the type it becomes, and how one is read where that is another. */
const TYPES: Readonly<Record<string, { bytes: number; dtype: DType; read?: (view: DataView, at: number) => number }>> =
  {
    F64: { bytes: 8, dtype: 'float64' },
    F32: { bytes: 4, dtype: 'float32' },
    I32: { bytes: 4, dtype: 'int32' },
    F16: { bytes: 2, dtype: 'float32', read: (view, at) => half(view.getUint16(at, true)) },
    BF16: { bytes: 2, dtype: 'float32', read: bfloat },
    I64: { bytes: 8, dtype: 'int32', read: (view, at) => Number(view.getBigInt64(at, true)) },
    U64: { bytes: 8, dtype: 'int32', read: (view, at) => Number(view.getBigUint64(at, true)) },
    U32: { bytes: 4, dtype: 'int32', read: (view, at) => view.getUint32(at, true) },
    I16: { bytes: 2, dtype: 'int32', read: (view, at) => view.getInt16(at, true) },
    U16: { bytes: 2, dtype: 'int32', read: (view, at) => view.getUint16(at, true) },
    I8: { bytes: 1, dtype: 'int32', read: (view, at) => view.getInt8(at) },
    U8: { bytes: 1, dtype: 'int32', read: (view, at) => view.getUint8(at) },
    BOOL: { bytes: 1, dtype: 'int32', read: (view, at) => view.getUint8(at) },
  };

const PREAMBLE = 8;
/** The limits of the reference implementation for the header, of this library for axes. */
const MOST_HEADER = 100_000_000;
const MOST_AXES = 32;
const METADATA = '__metadata__';

/**
 * The bytes of a file with these tensors.
 *
 * @param tensors by name
 * @param options metadata: texts to keep with them, by name
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  options: { metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array<ArrayBuffer> {
  const where = 'writeSafetensors';
  checkOptions(where, options, ['metadata']);
  const { metadata = {} } = options;
  if (tensors === null || typeof tensors !== 'object' || isTensor(tensors)) {
    throw new OptionError({ where, argument: 'tensors', rule: 'tensors by name', value: describe(tensors) });
  }
  const arrays = new Map<string, StoredArray>();
  for (const [name, t] of Object.entries(tensors)) {
    if (name === METADATA || name === '__proto__') {
      throw new OptionError({ where, argument: 'a name', rule: `another than ${name}`, value: describe(name) });
    }
    if (!isTensor(t)) throw new OptionError({ where, argument: name, rule: 'a tensor', value: describe(t) });
    arrays.set(name, { dtype: t.dtype, shape: t.shape, data: t.data });
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === 'string') continue;
    throw new OptionError({ where, argument: `metadata.${key}`, rule: 'text', value: describe(value) });
  }
  return encode(where, arrays, metadata);
}

/**
 * The tensors of a file, by name. F64, F32 and I32 are taken bit for bit; F16 and BF16 become float32, BOOL and all other
 * whole numbers int32 if they fit.
 *
 * @param bytes of the whole file
 * @param options file: its name, for messages
 * @throws DataError, naming file and offset, for anything but a sound file
 */
export function readSafetensors(bytes: Uint8Array, options: { file?: string } = {}): Record<string, Tensor> {
  const where = 'readSafetensors';
  checkOptions(where, options, ['file']);
  const { arrays } = decode(where, options.file ?? 'safetensors', bytes);
  const entries: [string, Tensor][] = [];
  try {
    for (const [name, { dtype, shape, data }] of arrays) entries.push([name, tensor(data, { dtype, shape })]);
  } catch (error) {
    for (const [, t] of entries) t.dispose();
    throw error;
  }
  return Object.fromEntries(entries);
}

/** The texts that a file keeps with its tensors. Same errors as readSafetensors. */
export function safetensorsMetadata(bytes: Uint8Array, options: { file?: string } = {}): Record<string, string> {
  const where = 'safetensorsMetadata';
  checkOptions(where, options, ['file']);
  return Object.fromEntries(parse(where, options.file ?? 'safetensors', bytes).metadata);
}

/** The metadata come first; then larger elements before smaller ones, so that every array lies at a multiple of its element. */
export function encode(
  where: string,
  arrays: ReadonlyMap<string, StoredArray>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const sorted = [...arrays].sort(([, a], [, b]) => BYTES[b.dtype] - BYTES[a.dtype]);
  let length = 0;
  const entries = sorted.map(([name, { dtype, shape, data }]) => {
    const begin = length;
    length += data.byteLength;
    return [name, { dtype: OWN[dtype], shape, data_offsets: [begin, length] }] as const;
  });
  const first = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...first, ...entries])));
  const header = Math.ceil(json.length / 8) * 8;
  if (header > MOST_HEADER) {
    const rule = `names and metadata of at most ${MOST_HEADER} bytes`;
    throw new ValueError({ where, argument: 'the header', rule, value: `${header} bytes` });
  }
  const bytes = new Uint8Array(PREAMBLE + header + length);
  new DataView(bytes.buffer).setUint32(0, header, true);
  bytes.set(json, PREAMBLE);
  bytes.fill(0x20, PREAMBLE + json.length, PREAMBLE + header);
  for (const [i, [, { data }]] of sorted.entries()) {
    const at = PREAMBLE + header + entries[i][1].data_offsets[0];
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  }
  return bytes;
}

/** Reads a file. Arrays whose type is their own and whose place allows it are views of `bytes`. */
export function decode(where: string, file: string, bytes: Uint8Array): StoredArrays {
  const { entries, metadata, start } = parse(where, file, bytes);
  const arrays = new Map<string, StoredArray>();
  for (const [name, { type, shape, begin, end }] of entries) {
    const { bytes: size, dtype, read } = TYPES[type];
    const from = start + begin;
    const raw = bytes.subarray(from, start + end);
    let data: TypedArray;
    if (read) {
      const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
      data = new ARRAYS[dtype](raw.length / size);
      for (let i = 0; i < data.length; i++) {
        const value = read(view, i * size);
        data[i] = value;
        if (dtype !== 'int32' || data[i] === value) continue;
        const expected = `whole numbers of 32 bits in '${name}'`;
        throw new DataError({ where, file, offset: from + i * size, expected, found: String(value) });
      }
    } else {
      const aligned = raw.byteOffset % size === 0 ? raw : new Uint8Array(raw);
      data = new ARRAYS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, raw.length / size);
    }
    arrays.set(name, { dtype, shape, data });
  }
  return { arrays, metadata };
}

/** The place of an array: its bytes from the first of the data on. at: where the header says so. */
interface Place {
  type: string;
  shape: number[];
  begin: number;
  end: number;
  at: number;
}

/** Reads and checks the header. */
function parse(where: string, file: string, bytes: Uint8Array) {
  const refuse = (offset: number, expected: string, found?: string): never => {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  };
  if (!(bytes instanceof Uint8Array)) return refuse(0, 'a Uint8Array', describe(bytes));
  if (bytes.length < PREAMBLE) return refuse(bytes.length, `${PREAMBLE} bytes of preamble`, 'the end of the data');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MOST_HEADER) refuse(0, `a header of at most ${MOST_HEADER} bytes`, `${length} bytes`);
  const start = PREAMBLE + Number(length);
  if (start > bytes.length) refuse(bytes.length, `a header of ${length} bytes`, 'the end of the data');
  let text = '';
  try {
    // Copied: shared memory is not decoded everywhere.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      new Uint8Array(bytes.subarray(PREAMBLE, start)),
    );
  } catch {
    refuse(PREAMBLE, 'a header in UTF-8');
  }
  const reader = new HeaderReader(text, (at, expected, found) => {
    // Offsets count bytes, places in the text count UTF-16 units.
    const before = new TextEncoder().encode(text.slice(0, at)).length;
    return refuse(PREAMBLE + before, expected, found);
  });
  const { entries, metadata } = reader.header();
  let end = 0;
  for (const [name, place] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (place.begin !== end) {
      const kind = place.begin < end ? 'overlaps the one before' : 'leaves a gap before it';
      reader.refuse(place.at, `'${name}' to begin at byte ${end} of the data`, `${place.begin}, which ${kind}`);
    }
    end = place.end;
    if (start + end > bytes.length) {
      refuse(
        bytes.length,
        `${end - place.begin} bytes of '${name}' from ${start + place.begin}`,
        'the end of the data',
      );
    }
  }
  if (start + end !== bytes.length) {
    refuse(start + end, 'the end of the data', `${bytes.length - start - end} more bytes`);
  }
  return { entries, metadata, start };
}

type Refuse = (at: number, expected: string, found?: string) => never;

/** JSON of the forms that a header has: no nesting beyond them, no name twice. */
class HeaderReader {
  #at = 0;

  constructor(
    readonly text: string,
    readonly refuse: Refuse,
  ) {}

  header(): { entries: Map<string, Place>; metadata: Map<string, string> } {
    const entries = new Map<string, Place>();
    let metadata: Map<string, string> | undefined;
    // Space may follow, as padding, but not go before.
    if (this.text[0] !== '{') this.#fail("'{'");
    this.#object((name, at) => {
      const twice = name === METADATA ? metadata !== undefined : entries.has(name);
      if (twice) this.refuse(at, 'every name once', `${describe(name)} again`);
      if (name === '__proto__') this.refuse(at, 'another name', `'${name}'`);
      if (name === METADATA) metadata = this.#texts();
      else entries.set(name, this.#place(name, at));
    });
    if (this.#at < this.text.length) this.#fail('the end of the header');
    return { entries, metadata: metadata ?? new Map() };
  }

  #texts(): Map<string, string> {
    const found = new Map<string, string>();
    this.#object((key, at) => {
      if (found.has(key)) this.refuse(at, 'every key once', `${describe(key)} again`);
      if (key === '__proto__') this.refuse(at, 'another key', `'${key}'`);
      found.set(key, this.#string());
    });
    return found;
  }

  #place(name: string, at: number): Place {
    let type: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#object((key, keyAt) => {
      const start = this.#at;
      if (key === 'dtype' && type === undefined) {
        type = this.#string();
        if (!Object.hasOwn(TYPES, type)) {
          this.refuse(start, `one of ${Object.keys(TYPES).join(', ')}`, describe(type));
        }
      } else if (key === 'shape' && shape === undefined) {
        shape = this.#integers(MOST_AXES);
        // A zero makes any shape small.
        if (shape.some((n) => n >= 2 ** 31) || sizeOf(shape) >= 2 ** 31) {
          this.refuse(start, 'fewer than 2^31 elements', describe(shape));
        }
      } else if (key === 'data_offsets' && offsets === undefined) {
        offsets = this.#integers(2);
        if (offsets.length < 2 || offsets[0] > offsets[1]) this.refuse(start, '[begin, end]', describe(offsets));
      } else {
        this.refuse(keyAt, 'dtype, shape and data_offsets, each once', describe(key));
      }
    });
    if (type === undefined || shape === undefined || offsets === undefined) {
      return this.refuse(at, `dtype, shape and data_offsets of '${name}'`);
    }
    const [begin, end] = offsets;
    const wanted = sizeOf(shape) * TYPES[type].bytes;
    if (end - begin !== wanted) this.refuse(at, `${wanted} bytes for '${name}'`, String(end - begin));
    return { type, shape, begin, end, at };
  }

  /** Takes an object; member: takes the value of a name that stood at `at`. */
  #object(member: (name: string, at: number) => void): void {
    this.#take('{');
    if (this.#next('}')) return;
    do {
      this.#space();
      const at = this.#at;
      const name = this.#string();
      this.#take(':');
      this.#space();
      member(name, at);
    } while (this.#next(','));
    this.#take('}');
  }

  #integers(most: number): number[] {
    const found: number[] = [];
    this.#take('[');
    if (this.#next(']')) return found;
    do {
      if (found.length === most) this.#fail(`at most ${most} numbers`);
      found.push(this.#integer());
    } while (this.#next(','));
    this.#take(']');
    return found;
  }

  #integer(): number {
    this.#space();
    const start = this.#at;
    while (this.#at < this.text.length && /\d/.test(this.text[this.#at])) this.#at++;
    const digits = this.text.slice(start, this.#at);
    const value = Number(digits);
    if (digits === '' || (digits.length > 1 && digits[0] === '0') || !Number.isSafeInteger(value)) {
      this.refuse(start, 'a whole number', this.#found(start));
    }
    this.#space();
    return value;
  }

  #string(): string {
    this.#space();
    const start = this.#at;
    if (this.text[start] !== '"') this.#fail('text in double quotes');
    let end = start;
    let escapes: number;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) return this.refuse(start, 'text in double quotes', 'no end of it');
      escapes = 0;
      while (this.text[end - 1 - escapes] === '\\') escapes++;
    } while (escapes % 2 === 1);
    this.#at = end + 1;
    try {
      const value = JSON.parse(this.text.slice(start, end + 1)) as string;
      this.#space();
      return value;
    } catch {
      return this.refuse(start, 'text in JSON');
    }
  }

  #take(character: string): void {
    if (!this.#next(character)) this.#fail(`'${character}'`);
  }

  #next(character: string): boolean {
    this.#space();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    this.#space();
    return true;
  }

  #space(): void {
    while (' \t\r\n'.includes(this.text[this.#at] ?? '.')) this.#at++;
  }

  #fail(expected: string): never {
    return this.refuse(this.#at, expected, this.#found(this.#at));
  }

  #found(at: number): string {
    return at < this.text.length ? describe(this.text.slice(at, at + 12)) : 'the end of the header';
  }
}

/** IEEE 754 binary16. Exact in float32. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of a float32. */
function bfloat(view: DataView, at: number): number {
  word.setUint32(0, view.getUint16(at, true) << 16);
  return word.getFloat32(0);
}
const word = new DataView(new ArrayBuffer(4));
