/**
 * The file format of checkpoints: one JSON header and named arrays of numbers, bit for bit.
 *
 *     8 bytes   'LANEWISE'
 *     u32       version, 1
 *     u32       bytes of the header
 *     header    UTF-8 JSON: { kind, content, arrays: [{ name, dtype, shape }, …] }
 *     arrays    in that order, little-endian, each from the next multiple of 8 bytes on
 *
 * Everything is little-endian, as linear memory is. Nothing that is read here is believed before it is checked.
 */
import { checkNumber, DataError, describe, formatShape, LanewiseError, ShapeError } from './errors.js';
import { type Shape, sameShape, sizeOf } from './shape.js';
import { BYTES, type DType, type TypedArray } from './tensor.js';

/** An array with its shape, outside linear memory. */
export interface StoredArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

const MAGIC = 'LANEWISE';
const VERSION = 1;
const HEADER_AT = 16;
const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

const align = (offset: number) => Math.ceil(offset / 8) * 8;

/**
 * kind: what the content is, checked when it is read. content: plain JSON. arrays: by name; a group of them has names with
 * the same beginning up to a slash.
 */
export function writeCheckpoint(
  kind: string,
  content: Readonly<Record<string, unknown>>,
  arrays: ReadonlyMap<string, StoredArray>,
): Uint8Array<ArrayBuffer> {
  const list = [...arrays].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const header = new TextEncoder().encode(JSON.stringify({ kind, content, arrays: list }));
  let length = HEADER_AT + header.length;
  const places = [...arrays.values()].map(({ data }) => {
    const at = align(length);
    length = at + data.byteLength;
    return at;
  });
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.length, true);
  bytes.set(header, HEADER_AT);
  for (const [i, { data }] of [...arrays.values()].entries()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), places[i]);
  }
  return bytes;
}

/** Reads what writeCheckpoint wrote; throws DataError for anything else. */
export function readCheckpoint(where: string, kind: string, bytes: Uint8Array): Checkpoint {
  const refuse = (offset: number, expected: string, found?: string): never => {
    throw new DataError({ where, file: 'checkpoint', offset, expected, ...(found === undefined ? {} : { found }) });
  };
  if (!(bytes instanceof Uint8Array)) return refuse(0, 'a Uint8Array', describe(bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) refuse(0, `'${MAGIC}'`, describe(magic.replace(/[^ -~]/g, '.')));
  if (bytes.length < HEADER_AT) refuse(bytes.length, `${HEADER_AT} bytes of preamble`, 'the end of the data');
  const version = view.getUint32(8, true);
  if (version !== VERSION) refuse(8, `version ${VERSION}`, String(version));
  const headerBytes = view.getUint32(12, true);
  const end = HEADER_AT + headerBytes;
  if (end > bytes.length) refuse(bytes.length, `a header of ${headerBytes} bytes`, 'the end of the data');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(HEADER_AT, end)));
  } catch {
    refuse(HEADER_AT, 'a header in JSON');
  }
  if (!isRecord(header)) return refuse(HEADER_AT, 'a header object', describe(header));
  if (header.kind !== kind) refuse(HEADER_AT, `kind '${kind}'`, describe(header.kind));
  const { content, arrays: list } = header;
  if (!isRecord(content) || !Array.isArray(list)) return refuse(HEADER_AT, 'content and arrays in the header');
  const arrays = new Map<string, StoredArray>();
  let offset = end;
  for (const entry of list as unknown[]) {
    const { name, dtype, shape } = (isRecord(entry) ? entry : {}) as Partial<Record<string, unknown>>;
    const isShape = Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0);
    if (typeof name !== 'string' || arrays.has(name) || !isDType(dtype) || !isShape || sizeOf(shape) >= 2 ** 31) {
      return refuse(HEADER_AT, 'arrays with a name, dtype and shape', JSON.stringify(entry)?.slice(0, 80));
    }
    const start = align(offset);
    offset = start + sizeOf(shape) * BYTES[dtype];
    if (offset > bytes.length)
      refuse(bytes.length, `${offset - start} bytes of ${name} from ${start}`, 'the end of the data');
    // Copied: the bytes may lie at any offset of their buffer, typed arrays only at multiples of their element. (Not by
    // slice(), which for Node's Buffer is a view.)
    const copy = new Uint8Array(bytes.subarray(start, offset));
    arrays.set(name, { dtype, shape, data: new ARRAYS[dtype](copy.buffer, 0, sizeOf(shape)) });
  }
  if (offset !== bytes.length) refuse(offset, 'the end of the data', `${bytes.length - offset} more bytes`);
  return new Checkpoint(where, content, arrays);
}

/** The content of a checkpoint. Every access says what it expects and throws DataError if it is not there. */
export class Checkpoint {
  constructor(
    readonly where: string,
    readonly content: Readonly<Record<string, unknown>>,
    readonly arrays: ReadonlyMap<string, StoredArray>,
  ) {}

  refuse(expected: string, found?: string): never {
    const { where } = this;
    throw new DataError({ where, file: 'checkpoint', offset: HEADER_AT, expected, ...(found ? { found } : {}) });
  }

  /** Runs a check of numbers that came out of the checkpoint: if it fails, the checkpoint is to blame. */
  checked<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (error instanceof LanewiseError) this.refuse('values that fit', error.message);
      throw error;
    }
  }

  has(name: string): boolean {
    return this.content[name] !== undefined;
  }

  record(name: string): Readonly<Record<string, unknown>> {
    const value = this.content[name];
    return isRecord(value) ? value : this.refuse(`an object '${name}'`, describe(value));
  }

  number(name: string, bounds: Parameters<typeof checkNumber>[3]): number {
    return this.checked(() => checkNumber(this.where, name, this.content[name], bounds));
  }

  /** Numbers of one axis; undefined if there is no such array. */
  list(name: string, dtype: 'float64' | 'int32'): number[] | undefined {
    const found = this.arrays.get(name);
    if (found === undefined) return undefined;
    if (found.dtype !== dtype || found.shape.length !== 1) this.refuse(`a list '${name}' of ${dtype}`, describe(found));
    return Array.from(found.data);
  }

  /** All arrays of a group, by the rest of their names. */
  group(name: string): Record<string, StoredArray> {
    const start = `${name}/`;
    const entries = [...this.arrays].filter(([full]) => full.startsWith(start));
    return Object.fromEntries(entries.map(([full, array]) => [full.slice(start.length), array]));
  }

  /** The arrays of a group, which must be those of `wanted` in name, shape and type. */
  groupLike(
    name: string,
    wanted: Readonly<Record<string, { shape: Shape; dtype: DType }>>,
  ): Record<string, StoredArray> {
    const found = this.group(name);
    const text = (t: { shape: Shape; dtype: DType } | undefined) => (t ? `${t.dtype} ${formatShape(t.shape)}` : 'none');
    for (const key of new Set([...Object.keys(found), ...Object.keys(wanted)])) {
      const a = found[key];
      const b = wanted[key];
      if (a && b && a.dtype === b.dtype && sameShape(a.shape, b.shape)) continue;
      const rule = `the one of the checkpoint, where ${key} is ${text(a)}`;
      throw new ShapeError({ where: this.where, argument: 'model', rule, value: text(b) });
    }
    return found;
  }
}

function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(BYTES, value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
