/**
 * Checkpoints: safetensors files whose metadata have, besides the arrays, everything else.
 *
 *     crc32      of the whole file with zeros in this place, as 8 hexadecimal digits; the first of the header
 *     lanewise   JSON { kind, version, build, content }: what it is, of which lanewise, on which build
 *
 * A group of arrays has names with the same beginning up to a slash. Nothing that is read is believed before it is checked.
 */
import { crc32 } from './crc32.js';
import {
  checkNumber,
  checkOptions,
  DataError,
  describe,
  formatShape,
  LanewiseError,
  oneLine,
  ShapeError,
} from './errors.js';
import { current } from './runtime/index.js';
import { decode, encode, type StoredArray } from './safetensors.js';
import { type Shape, sameShape } from './shape.js';
import type { DType } from './tensor.js';
import { VERSION } from './version.js';

const KEY = 'lanewise';
const HEADER_AT = 8;
const NO_SUM = '00000000';
const BEFORE_SUM = '{"__metadata__":{"crc32":"';
const SUM_AT = HEADER_AT + BEFORE_SUM.length;

/** kind: what the content is, checked when it is read. content: plain JSON. */
export function writeCheckpoint(
  where: string,
  kind: string,
  content: Readonly<Record<string, unknown>>,
  arrays: ReadonlyMap<string, StoredArray>,
): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify({ kind, version: VERSION, build: current().build, content });
  const bytes = encode(where, arrays, { crc32: NO_SUM, [KEY]: text });
  bytes.set(new TextEncoder().encode(checksum(bytes)), SUM_AT);
  return bytes;
}

function checksum(bytes: Uint8Array): string {
  const before = crc32(new TextEncoder().encode(NO_SUM), crc32(bytes.subarray(0, SUM_AT)));
  return crc32(bytes.subarray(SUM_AT + NO_SUM.length), before)
    .toString(16)
    .padStart(8, '0');
}

/** Reads what writeCheckpoint wrote, of this kind if one is named; throws DataError for anything else. */
export function readCheckpoint(
  where: string,
  kind: string | undefined,
  bytes: Uint8Array,
  file = 'checkpoint',
): Checkpoint {
  const { arrays, metadata } = decode(where, file, bytes);
  const refuse = (offset: number, expected: string, found?: string): never => {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  };
  const text = metadata.get(KEY);
  if (text === undefined) return refuse(HEADER_AT, 'the metadata of a checkpoint');
  const sum = String.fromCharCode(...bytes.subarray(SUM_AT, SUM_AT + NO_SUM.length));
  const found = checksum(bytes);
  if (sum !== found) refuse(SUM_AT, `the checksum '${found}'`, `${describe(sum)}: the file is damaged`);
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    refuse(HEADER_AT, 'metadata in JSON');
  }
  if (!isRecord(read) || !isRecord(read.content)) return refuse(HEADER_AT, 'metadata with content', describe(read));
  const told = (value: unknown) => (typeof value === 'string' ? value : 'unknown');
  if (read.kind !== (kind ?? told(read.kind))) refuse(HEADER_AT, `kind '${kind}'`, describe(read.kind));
  const [version, build] = [told(read.version), told(read.build)];
  return new Checkpoint({ where, file, kind: told(read.kind), version, build }, read.content, arrays);
}

/** The arrays of a model's file: one of ours, or any safetensors file. */
export function readModel(where: string, bytes: Uint8Array, file: string): ReadonlyMap<string, StoredArray> {
  const { arrays, metadata } = decode(where, file, bytes);
  return metadata.has(KEY) ? readCheckpoint(where, 'model', bytes, file).arrays : arrays;
}

interface Origin {
  where: string;
  file: string;
  kind: string;
  /** Of the lanewise that wrote it, and the build it ran on. */
  version: string;
  build: string;
}

export interface CheckpointInfo {
  /** 'solver', 'model', 'linear softmax', 'linear svm'. */
  kind: string;
  /** Of the lanewise that wrote it, and the build it ran on: the same build goes on with the same bits. */
  version: string;
  build: string;
  /** What save() was given to keep with it. */
  context: unknown;
}

/**
 * What a checkpoint says of itself; the engine need not run.
 *
 * @param options file: its name, for messages
 * @throws DataError for bytes that are no checkpoint
 */
export function checkpointInfo(bytes: Uint8Array, options: { file?: string } = {}): CheckpointInfo {
  const where = 'checkpointInfo';
  checkOptions(where, options, ['file']);
  const { origin, content } = readCheckpoint(where, undefined, bytes, options.file);
  const { kind, version, build } = origin;
  return { kind, version, build, context: content.context };
}

/** The content of a checkpoint. Every access says what it expects and throws DataError if it is not there. */
export class Checkpoint {
  constructor(
    readonly origin: Origin,
    readonly content: Readonly<Record<string, unknown>>,
    readonly arrays: ReadonlyMap<string, StoredArray>,
  ) {}

  refuse(expected: string, found?: string): never {
    const { where, file } = this.origin;
    throw new DataError({ where, file, offset: HEADER_AT, expected, ...(found ? { found } : {}) });
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
    return this.checked(() => checkNumber(this.origin.where, name, this.content[name], bounds));
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
      // Own: a name may be that of anything an object has.
      const a = Object.hasOwn(found, key) ? found[key] : undefined;
      const b = Object.hasOwn(wanted, key) ? wanted[key] : undefined;
      if (a && b && a.dtype === b.dtype && sameShape(a.shape, b.shape)) continue;
      const rule = `the one of the checkpoint, where ${oneLine(key)} is ${text(a)}`;
      throw new ShapeError({ where: this.origin.where, argument: 'model', rule, value: text(b) });
    }
    return found;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
