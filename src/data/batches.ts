/**
 * The batches of CIFAR-10, wherever and in whichever format they are. Of the bundle that is loaded on demand.
 */
import { DataError, ValueError } from '../errors.js';
import { isPickledArray, parsePickle, pickledItems, pickledText, startsPickle } from './pickle.js';
import { PIXELS, RECORD } from './record.js';
import { type DataSource, openSource, type ReadOptions, type Source } from './sources.js';
import { type Chunks, collect, type Entry, hex, peek } from './streams.js';

const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
/** Names of the batches, without the suffix of the binary ones, in order. */
const BATCHES = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'];
const TRAINING = BATCHES.length - 1;
const META = 'batches.meta';
/** No batch may be larger; official ones have 31 MB. */
const MAX_BATCH_BYTES = 2 ** 30;
const MAX_META_BYTES = 2 ** 16;

/** Where records go. */
export interface RecordSet {
  /** Takes what it holds of `bytes`, which lie `at` bytes from the start of its part. */
  write(at: number, bytes: Uint8Array): void;
  dispose(): void;
}

/** Where a file belongs: its folder, and the batch it is (5 is the test batch) or 'meta'. */
function roleOf(path: string): { folder: string; role: number | 'meta' } | undefined {
  const [, folder, name] = /^(.*?)([^\\/]*)$/s.exec(path) as unknown as [string, string, string];
  const stem = name.toLowerCase().replace(/\.(bin|txt)$/, '');
  const index = BATCHES.indexOf(stem);
  return index < 0 && stem !== META ? undefined : { folder, role: index < 0 ? 'meta' : index };
}

type Sink = (at: number, bytes: Uint8Array) => void;

/** Takes part of a batch; the batch is known to hold `images`. */
type Place = (images: number) => Sink;

/**
 * Reads the six batches into image sets. cuts: the images at which the sets of each part begin and end; Infinity stands
 * for all there are.
 *
 * Archives hold the batches in any order, and where a batch goes depends on the sizes of those before it. Batches of
 * equal size are assumed and read in one pass; when that proves wrong, the sizes are known and a second pass follows.
 */
export class Batches<Set extends RecordSet> {
  #sets: { train: Set[]; test: Set[] } = { train: [], test: [] };
  #counts: (number | undefined)[] = [];
  #classes: string[] = CLASSES;

  constructor(
    readonly where: string,
    /** Makes the set of images [from, to) of a part. */
    readonly make: (from: number, to: number) => Set,
    readonly cuts: { train: readonly number[]; test: readonly number[] },
  ) {}

  /** finish: makes the result of the complete sets, those of training first; if it fails, they are disposed of. */
  async load<T>(source: DataSource, options: ReadOptions, finish: (sets: Set[], classes: string[]) => T): Promise<T> {
    const files = await openSource(this.where, source, (path) => roleOf(path) !== undefined, options);
    try {
      if (!(await this.#pass(files))) {
        const counts = this.#counts as number[];
        this.#checkRoom('train', sum(counts.slice(0, TRAINING)));
        this.#checkRoom('test', counts[TRAINING] as number);
        this.#dispose();
        await this.#pass(files, counts);
      }
      return finish([...this.#sets.train, ...this.#sets.test], this.#classes);
    } catch (error) {
      this.#dispose();
      throw error;
    }
  }

  /** Reads all batches. known: images in each. False: the images are not in place, but now the counts are known. */
  async #pass(files: Source, known?: readonly number[]): Promise<boolean> {
    const counts: (number | undefined)[] = BATCHES.map(() => undefined);
    let home: string | undefined;
    let placed = true;
    for await (const entry of files.entries()) {
      const { folder, role } = roleOf(entry.path) ?? {};
      if (role === undefined) continue;
      home ??= folder;
      if (folder !== home) continue;
      if (role === 'meta') {
        this.#classes = await readClasses(this.where, entry);
        continue;
      }
      if (counts[role] !== undefined) {
        throw new DataError({
          where: this.where,
          file: entry.path,
          expected: `one ${BATCHES[role]}`,
          found: 'another',
        });
      }
      counts[role] = await readBatch(this.where, entry, (images) => {
        if (known && known[role] !== images) {
          const expected = `${known[role]} images as a moment ago`;
          throw new DataError({ where: this.where, file: entry.path, expected, found: String(images) });
        }
        const isTest = role === TRAINING;
        const part = isTest ? 'test' : 'train';
        const sizes = isTest ? [images] : (known ?? Array<number>(TRAINING).fill(images)).slice(0, TRAINING);
        const alike = known || isTest || counts.every((count, k) => k === TRAINING || (count ?? images) === images);
        if (!alike || sum(sizes) < this.#need(part)) placed = false;
        if (!placed) return () => undefined;
        const sets = this.#open(part, sum(sizes));
        const start = isTest ? 0 : sum(sizes.slice(0, role)) * RECORD;
        return (at, bytes) => {
          for (const set of sets) set.write(start + at, bytes);
        };
      });
    }
    const missing = BATCHES.filter((_, i) => counts[i] === undefined);
    if (missing.length > 0) {
      const hint =
        missing.length === BATCHES.length
          ? 'give the folder of the batches, or the .tar.gz or .tar as it was downloaded'
          : 'unpack the archive again, or give the archive itself';
      const found = missing.length === BATCHES.length ? 'none of them' : `no ${missing.join(', no ')}`;
      const expected = 'data_batch_1 to data_batch_5 and test_batch of CIFAR-10';
      throw new DataError({ where: this.where, file: files.name, expected, found, hint });
    }
    this.#counts = counts;
    return placed;
  }

  /** The sets of a part, made when its first batch arrives. total: its images. */
  #open(part: 'train' | 'test', total: number): Set[] {
    const sets = this.#sets[part];
    const cuts = this.cuts[part].map((cut) => Math.min(cut, total));
    while (sets.length < cuts.length - 1) {
      sets.push(this.make(cuts[sets.length] as number, cuts[sets.length + 1] as number));
    }
    return sets;
  }

  /** Images that a part must have. */
  #need(part: 'train' | 'test'): number {
    return Math.max(...this.cuts[part].filter(Number.isFinite));
  }

  #checkRoom(part: 'train' | 'test', available: number): void {
    const need = this.#need(part);
    if (need <= available) return;
    throw new ValueError({
      where: this.where,
      argument: part === 'train' ? 'numTraining + numValidation' : 'numTest',
      rule: `at most ${available}, the images there are`,
      value: String(need),
    });
  }

  #dispose(): void {
    for (const set of [...this.#sets.train, ...this.#sets.test]) set.dispose();
    this.#sets = { train: [], test: [] };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

/** Reads one batch as records of a label and the pixels, whichever way it is stored; returns its images. */
async function readBatch(where: string, entry: Entry, place: Place): Promise<number> {
  const file = entry.path;
  const size = entry.size ?? 0;
  if (size > MAX_BATCH_BYTES) {
    throw new DataError({ where, file, expected: `at most ${MAX_BATCH_BYTES} bytes`, found: `${size}` });
  }
  const [head, chunks] = await peek(entry.chunks(), 1);
  try {
    const [first] = head;
    if (first !== undefined && startsPickle(first))
      return readPickled(where, file, await whole(where, file, chunks, size), place);
    if (first !== undefined && first < CLASSES.length) return await readBinary(where, file, chunks, size, place);
    const expected = 'a batch of CIFAR-10: binary records or a Python pickle';
    const found = first === undefined ? 'an empty file' : `the byte ${hex(head)}`;
    throw new DataError({ where, file, offset: 0, expected, found });
  } finally {
    await chunks.return();
  }
}

async function readBinary(where: string, file: string, chunks: Chunks, size: number, place: Place): Promise<number> {
  const images = size / RECORD;
  if (!Number.isInteger(images)) {
    const expected = `a whole number of records of ${RECORD} bytes`;
    const offset = Math.floor(images) * RECORD;
    throw new DataError({
      where,
      file,
      offset,
      expected,
      found: `${size} bytes`,
      hint: 'the file is cut off or foreign',
    });
  }
  const sink = place(images);
  let at = 0;
  for await (const chunk of chunks) {
    const end = Math.min(at + chunk.length, size);
    for (let record = Math.ceil(at / RECORD) * RECORD; record < end; record += RECORD) {
      checkLabel(where, file, record, chunk[record - at]);
    }
    sink(at, chunk);
    at += chunk.length;
  }
  if (at !== size) throw sizeError(where, file, at, size);
  return images;
}

/** A dictionary with `data`, uint8 (N, 3072), and `labels`, N integers. */
function readPickled(where: string, file: string, bytes: Uint8Array, place: Place): number {
  const batch = parsePickle(bytes, file, where);
  const refuse = (expected: string, found?: string) =>
    new DataError({ where, file, expected, ...(found === undefined ? {} : { found }) });
  if (!(batch instanceof Map)) throw refuse("a dictionary with 'data' and 'labels'");
  const data = batch.get('data');
  const labels = pickledItems(batch.get('labels'));
  if (!isPickledArray(data) || !labels) {
    const keys = [...batch.keys()].slice(0, 8).join(', ');
    throw refuse("'data', an array, and 'labels', a list, in the dictionary", `keys ${keys}`);
  }
  const { shape, dtype, fortranOrder } = data;
  const [images = 0, pixels] = shape;
  if (shape.length !== 2 || pixels !== PIXELS || dtype.slice(1) !== 'u1' || fortranOrder) {
    throw refuse(`'data' uint8 (N, ${PIXELS}), row by row`, `${dtype} (${shape.join(', ')})`);
  }
  if (labels.length !== images) throw refuse(`${images} labels`, String(labels.length));
  for (const label of labels) checkLabel(where, file, undefined, label);
  const sink = place(images);
  for (let i = 0; i < images; i++) {
    sink(i * RECORD, Uint8Array.of(labels[i] as number));
    sink(i * RECORD + 1, data.bytes.subarray(i * PIXELS, (i + 1) * PIXELS));
  }
  return images;
}

function checkLabel(where: string, file: string, offset: number | undefined, label: unknown): void {
  if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < CLASSES.length) return;
  const found = typeof label === 'number' ? String(label) : typeof label;
  const hint = 'the file is damaged, or not CIFAR-10';
  const place = offset === undefined ? {} : { offset };
  throw new DataError({ where, file, ...place, expected: `a label from 0 to ${CLASSES.length - 1}`, found, hint });
}

function sizeError(where: string, file: string, found: number, size: number): DataError {
  const hint = 'it was cut off, or changed while it was read';
  const offset = Math.min(found, size);
  return new DataError({ where, file, offset, expected: `${size} bytes`, found: `${found}`, hint });
}

/** All of a file, which must have its announced size. */
async function whole(where: string, file: string, chunks: Chunks, size: number): Promise<Uint8Array> {
  const bytes = await collect(chunks, size, (length) => sizeError(where, file, length, size));
  if (bytes.length !== size) throw sizeError(where, file, bytes.length, size);
  return bytes;
}

/** Names of the classes: `label_names` of a pickled dictionary, or lines of text. */
async function readClasses(where: string, entry: Entry): Promise<string[]> {
  const { path: file, size = 0 } = entry;
  const refuse = (found: string) =>
    new DataError({ where, file, expected: `${CLASSES.length} names of classes`, found });
  if (size > MAX_META_BYTES) throw refuse(`${size} bytes`);
  const bytes = await whole(where, file, entry.chunks(), size);
  let names: (string | undefined)[];
  if (startsPickle(bytes[0] ?? 0)) {
    const meta = parsePickle(bytes, file, where);
    names = (meta instanceof Map ? (pickledItems(meta.get('label_names')) ?? []) : []).map(pickledText);
  } else {
    const lines = new TextDecoder().decode(bytes).split('\n');
    names = lines.map((line) => line.trim()).filter((line) => line !== '');
  }
  if (names.length !== CLASSES.length || names.some((name) => !name)) throw refuse(`${names.length}`);
  return names as string[];
}
