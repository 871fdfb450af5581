/** Arrays in files of NumPy and of MNIST: whole files in, tensors out, and back. Of the bundle that is loaded on demand. */
import {
  checkNumber,
  checkOptions,
  DataError,
  DTypeError,
  describe,
  formatShape,
  OptionError,
  ValueError,
} from '../errors.js';
import { getDefaultDType, Tensor } from '../tensor.js';
import type { ArrayOptions, Mnist, NpzOptions, WriteNpzOptions } from './arrayOptions.js';
import { parseIdx } from './idx.js';
import { npyBytes, parseNpy } from './npy.js';
import { type FileArray, tensorOf } from './numbers.js';
import { type DataSource, type FileSource, openFile, openSource } from './sources.js';
import { collect, type Entry, gunzip, peek } from './streams.js';
import { unzip, type ZipEntry, zip, zipEntries } from './zip.js';

const OPTIONS = ['dtype', 'maxBytes', 'onProgress', 'signal'] as const;
/** Of a file, and of all that is packed in it. */
const MAX_BYTES = 2 ** 30;
/** What the directory of an archive can hold. */
const [MAX_NAMES, MAX_NAME] = [65_534, 1000];
/** NumPy's names of the types of tensors. */
const TYPES = { float32: '<f4', float64: '<f8', int32: '<i4' } as const;

export async function readNpy(source: FileSource, options: ArrayOptions = {}): Promise<Tensor> {
  const where = 'readNpy';
  const most = checkReading(where, options, OPTIONS);
  const entry = await openFile(where, source, options);
  const bytes = await whole(where, entry, most);
  return tensorOf(where, entry.path, parseNpy(where, entry.path, bytes), options.dtype);
}

export async function readNpz(source: FileSource, options: NpzOptions = {}): Promise<Record<string, Tensor>> {
  const where = 'readNpz';
  let left = checkReading(where, options, [...OPTIONS, 'names']);
  const { names, dtype } = options;
  if (names !== undefined && !(Array.isArray(names) && names.every((name) => typeof name === 'string'))) {
    throw new OptionError({ where, argument: 'names', rule: 'a list of names', value: describe(names) });
  }
  const { path: file, chunks, size } = await openFile(where, source, options);
  const bytes = await whole(where, { path: file, chunks, size }, left);
  const entries = new Map<string, ZipEntry>();
  for (const entry of zipEntries(where, file, bytes)) {
    const name = entry.name.replace(/\.npy$/, '');
    if (entries.has(name)) throw new DataError({ where, file, expected: 'each name once', found: describe(name) });
    entries.set(name, entry);
  }
  const missing = names?.find((name) => !entries.has(name));
  if (missing !== undefined) {
    const found = [...entries.keys()].slice(0, 8).join(', ') || 'none';
    throw new DataError({ where, file, expected: `an array ${describe(missing)}`, found });
  }
  const arrays = new Map<string, Tensor>();
  try {
    for (const name of new Set(names ?? entries.keys())) {
      const entry = entries.get(name) as ZipEntry;
      options.signal?.throwIfAborted();
      const content = await unzip(where, file, bytes, entry, left);
      left -= content.length;
      const path = `${file}/${entry.name}`;
      arrays.set(name, tensorOf(where, path, parseNpy(where, path, content), dtype));
    }
  } catch (error) {
    for (const array of arrays.values()) array.dispose();
    throw error;
  }
  // Without a prototype: a name may be that of anything an object has.
  return Object.assign(Object.create(null), Object.fromEntries(arrays));
}

export async function readIdx(source: FileSource, options: ArrayOptions = {}): Promise<Tensor> {
  const where = 'readIdx';
  const most = checkReading(where, options, OPTIONS);
  const entry = await openFile(where, source, options);
  return tensorOf(where, entry.path, await idxOf(where, entry, most), options.dtype);
}

const ROLES = ['train images', 'train labels', 'test images', 'test labels'] as const;
type Role = (typeof ROLES)[number];

/** What a file of MNIST holds: its part and kind, from its name. */
function roleOf(path: string): { folder: string; stem: string; role: Role } | undefined {
  const found = /^(.*?)([^\\/]*(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte)(\.gz)?$/is.exec(path);
  if (!found) return undefined;
  const [, folder = '', stem = '', part = '', kind = ''] = found;
  return { folder, stem, role: `${part.toLowerCase() === 'train' ? 'train' : 'test'} ${kind.toLowerCase()}` as Role };
}
export async function loadMnist(source: DataSource, options: ArrayOptions = {}): Promise<Mnist> {
  const where = 'loadMnist';
  const most = checkReading(where, options, OPTIONS);
  const files = await openSource(where, source, (path) => roleOf(path) !== undefined, options);
  const found = new Map<Role, { stem: string; file: string; array: FileArray }>();
  let home: string | undefined;
  for await (const entry of files.entries()) {
    const place = roleOf(entry.path);
    if (!place) continue;
    home ??= place.folder;
    if (place.folder !== home) continue;
    const { stem, role } = place;
    const before = found.get(role);
    // A file may lie beside what it was unpacked to.
    if (before?.stem === stem) continue;
    if (before) throw new DataError({ where, file: entry.path, expected: `one file of ${role}`, found: 'another' });
    found.set(role, { stem, file: entry.path, array: await idxOf(where, entry, most) });
  }
  const missing = ROLES.filter((role) => !found.has(role));
  if (missing.length > 0) {
    const expected = 'the four files of MNIST, such as train-images-idx3-ubyte.gz';
    throw new DataError({ where, file: files.name, expected, found: `no ${missing.join(', no ')}` });
  }
  const made: Tensor[] = [];
  try {
    for (const role of ROLES) {
      const { file, array } = found.get(role) as { file: string; array: FileArray };
      const [N, ...rest] = array.shape;
      const images = role.endsWith('images');
      const rule = images ? 'images: (N, H, W)' : `${made.at(-1)?.shape[0]} labels`;
      if (images ? array.shape.length !== 3 : rest.length > 0 || N !== made.at(-1)?.shape[0]) {
        throw new DataError({ where, file, expected: rule, found: `shape ${formatShape(array.shape)}` });
      }
      const shaped = images ? { ...array, shape: [N as number, 1, ...rest] } : array;
      made.push(tensorOf(where, file, shaped, images ? (options.dtype ?? getDefaultDType()) : 'int32'));
    }
  } catch (error) {
    for (const array of made) array.dispose();
    throw error;
  }
  const [XTrain, yTrain, XTest, yTest] = made as [Tensor, Tensor, Tensor, Tensor];
  return { XTrain, yTrain, XTest, yTest };
}

/** An IDX file, compressed by gzip or not. */
async function idxOf(where: string, entry: Entry, most: number): Promise<FileArray> {
  const file = entry.path;
  const [magic, chunks] = await peek(entry.chunks(), 2);
  const compressed = magic[0] === 0x1f && magic[1] === 0x8b;
  const fail = (offset: number, found: string) =>
    new DataError({ where, file, offset, expected: 'whole gzip data', found });
  const content = compressed ? gunzip(chunks, most, fail) : chunks;
  return parseIdx(where, file, await whole(where, { ...entry, chunks: () => content }, most));
}

/** All bytes of a file. */
function whole(where: string, { path: file, chunks }: Entry, most: number): Promise<Uint8Array<ArrayBuffer>> {
  return collect(chunks(), most, (length) => {
    const hint = 'maxBytes of the options is the limit';
    return new DataError({ where, file, expected: `at most ${most} bytes`, found: `${length} or more`, hint });
  });
}

/** The limit of bytes. */
function checkReading(where: string, options: ArrayOptions, known: readonly string[]): number {
  checkOptions(where, options, known);
  const { dtype, maxBytes = MAX_BYTES } = options;
  if (dtype !== undefined && !Object.hasOwn(TYPES, dtype)) {
    const rule = `one of ${Object.keys(TYPES).join(', ')}`;
    throw new DTypeError({ where, argument: 'dtype', rule, value: describe(dtype) });
  }
  return checkNumber(where, 'maxBytes', maxBytes, { low: 1, high: 2 ** 32, integer: true });
}

function bytesOf(where: string, argument: string, array: Tensor | undefined): Uint8Array<ArrayBuffer> {
  if (!(array instanceof Tensor)) throw new DTypeError({ where, argument, rule: 'a tensor', value: describe(array) });
  return npyBytes(TYPES[array.dtype], array.shape, array.data);
}

export function writeNpy(array: Tensor): Uint8Array<ArrayBuffer> {
  return bytesOf('writeNpy', 'array', array);
}

export function writeNpz(
  arrays: Readonly<Record<string, Tensor>>,
  options: WriteNpzOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const where = 'writeNpz';
  checkOptions(where, options, ['compress']);
  const { compress = false } = options;
  if (typeof compress !== 'boolean') {
    throw new OptionError({ where, argument: 'compress', rule: 'true or false', value: describe(compress) });
  }
  const given = arrays !== null && typeof arrays === 'object' && !(arrays instanceof Tensor) ? arrays : undefined;
  if (!given) {
    throw new OptionError({ where, argument: 'arrays', rule: 'an object of tensors', value: describe(arrays) });
  }
  const names = Object.keys(given);
  const long = names.find((name) => name.length > MAX_NAME);
  if (long !== undefined || names.length > MAX_NAMES) {
    const rule = `at most ${MAX_NAMES} names of at most ${MAX_NAME} characters`;
    throw new ValueError({ where, argument: 'arrays', rule, value: long ? describe(long) : `${names.length}` });
  }
  const files = names.map((name) => [`${name}.npy`, bytesOf(where, name, given[name])] as const);
  return zip(new Map(files), compress);
}
