/**
 * CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): five training batches and a test batch of 32 by 32 colour
 * images in ten classes, as binary records or as Python pickles.
 */
import { checkChoice, checkNumber, checkOptions, DataError, ValueError } from '../errors.js';
import { heap, persistent } from '../memory.js';
import { empty, type FloatDType, getDefaultDType, type Tensor } from '../tensor.js';
import { ImageSet, type Layout, PIXELS, RECORD } from './images.js';
import { isPickledArray, parsePickle, pickledItems, pickledText, startsPickle } from './pickle.js';
import { type DataSource, openSource, type ReadOptions, type Source } from './sources.js';
import { type Chunks, type Entry, hex, peek } from './streams.js';

const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
/** Names of the batches, without the suffix of the binary ones, in order. */
const BATCHES = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'];
const TRAINING = BATCHES.length - 1;
const META = 'batches.meta';
/** No batch may be larger; official ones have 31 MB. */
const MAX_BATCH_BYTES = 2 ** 30;
const MAX_META_BYTES = 2 ** 16;

export interface LoadOptions extends ReadOptions {
  /** Type of the images. Default: the default type. */
  dtype?: FloatDType;
}

export interface Cifar10 {
  /** (N, 3, 32, 32), 0 to 255; N is 50,000 in the official files. */
  XTrain: Tensor;
  /** (N,), int32, 0 to 9. */
  yTrain: Tensor;
  /** (10000, 3, 32, 32) in the official files. */
  XTest: Tensor;
  yTest: Tensor;
  /** Names of the ten classes. */
  classes: string[];
}

export interface Cifar10DataOptions extends LoadOptions {
  /** The first images of the training batches. Default 49000. */
  numTraining?: number;
  /** The images after these. Default 1000. */
  numValidation?: number;
  /** The first images of the test batch. Default 1000. */
  numTest?: number;
  /** Subtract the mean training image from all images. Default true. */
  subtractMean?: boolean;
  /** 'NCHW' (default): (N, 3, 32, 32). 'rows': (N, 3072), row by row, the colours of a pixel side by side. */
  layout?: Layout;
}

export interface Cifar10Data {
  XTrain: Tensor;
  yTrain: Tensor;
  XVal: Tensor;
  yVal: Tensor;
  XTest: Tensor;
  yTest: Tensor;
  /** Mean of the training images: (3, 32, 32), or (3072,) in layout 'rows'. */
  meanImage: Tensor;
  classes: string[];
}

/**
 * All images of CIFAR-10 as they are, 0 to 255. source: a folder (that of the batches or the one around it), the
 * .tar.gz or .tar by path or URL, or what a page was given: File, Blob, several Files, bytes. Binary and Python
 * versions are told apart by their content; archives are read as they stream by.
 *
 * The tensors belong to no scope: dispose() them. Throws DataError for files that are missing, foreign, cut off or
 * broken, with nothing left allocated.
 */
export async function loadCifar10(source: DataSource, options: LoadOptions = {}): Promise<Cifar10> {
  const where = 'loadCifar10';
  checkOptions(where, options, ['dtype', 'onProgress', 'signal']);
  const dtype = checkFloat(where, options.dtype);
  const all = [0, Number.POSITIVE_INFINITY];
  const batches = new Batches<[ImageSet, ImageSet]>(where, dtype, 'NCHW', { train: all, test: all });
  return batches.load(source, options, ([train, test], classes) => {
    train.finish();
    test.finish();
    return { XTrain: train.X, yTrain: train.y, XTest: test.X, yTest: test.y, classes };
  });
}

/**
 * CIFAR-10 as the course prepares it: the first numTraining images of the training batches, the next numValidation, the
 * first numTest of the test batch, the mean training image subtracted. Sources, ownership and errors as in loadCifar10.
 */
export async function getCifar10Data(source: DataSource, options: Cifar10DataOptions = {}): Promise<Cifar10Data> {
  const where = 'getCifar10Data';
  const known = ['numTraining', 'numValidation', 'numTest', 'subtractMean', 'layout', 'dtype', 'onProgress', 'signal'];
  checkOptions(where, options, known);
  const { numTraining = 49000, numValidation = 1000, numTest = 1000, subtractMean = true, layout = 'NCHW' } = options;
  checkNumber(where, 'numTraining', numTraining, { low: 1, integer: true });
  checkNumber(where, 'numValidation', numValidation, { low: 0, integer: true });
  checkNumber(where, 'numTest', numTest, { low: 0, integer: true });
  checkChoice(where, 'layout', layout, ['NCHW', 'rows']);
  const dtype = checkFloat(where, options.dtype);
  const train = [0, numTraining, numTraining + numValidation];
  const batches = new Batches<[ImageSet, ImageSet, ImageSet]>(where, dtype, layout, { train, test: [0, numTest] });
  return batches.load(source, options, ([training, validation, test], classes) => {
    const meanImage = meanTensor(training, dtype);
    try {
      for (const set of [training, validation, test]) set.finish(subtractMean ? meanImage : undefined);
    } catch (error) {
      meanImage.dispose();
      throw error;
    }
    return {
      XTrain: training.X,
      yTrain: training.y,
      XVal: validation.X,
      yVal: validation.y,
      XTest: test.X,
      yTest: test.y,
      meanImage,
      classes,
    };
  });
}

function checkFloat(where: string, dtype: FloatDType = getDefaultDType()): FloatDType {
  return checkChoice(where, 'dtype', dtype, ['float32', 'float64']);
}

/** The mean of a set, shaped and ordered like its images. */
function meanTensor(set: ImageSet, dtype: FloatDType): Tensor {
  const mean = set.mean();
  const tensor = persistent(() => empty(set.X.shape.slice(1), dtype));
  const plane = PIXELS / 3;
  const order = (i: number) => (set.layout === 'rows' ? (i % 3) * plane + Math.floor(i / 3) : i);
  tensor.data.set(mean.map((_, i) => mean[order(i)] as number));
  return tensor;
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
class Batches<Sets extends readonly ImageSet[]> {
  #sets: { train: ImageSet[]; test: ImageSet[] } = { train: [], test: [] };
  #counts: (number | undefined)[] = [];
  #classes: string[] = CLASSES;

  constructor(
    readonly where: string,
    readonly dtype: FloatDType,
    readonly layout: Layout,
    readonly cuts: { train: readonly number[]; test: readonly number[] },
  ) {}

  async load<T>(source: DataSource, options: LoadOptions, finish: (sets: Sets, classes: string[]) => T): Promise<T> {
    // Without a runtime nothing can be kept: said before anything is read.
    heap();
    const files = await openSource(this.where, source, (path) => roleOf(path) !== undefined, options);
    try {
      if (!(await this.#pass(files))) {
        const counts = this.#counts as number[];
        this.#checkRoom('train', sum(counts.slice(0, TRAINING)));
        this.#checkRoom('test', counts[TRAINING] as number);
        this.#dispose();
        await this.#pass(files, counts);
      }
      return finish([...this.#sets.train, ...this.#sets.test] as unknown as Sets, this.#classes);
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
  #open(part: 'train' | 'test', total: number): ImageSet[] {
    const sets = this.#sets[part];
    const cuts = this.cuts[part].map((cut) => Math.min(cut, total));
    while (sets.length < cuts.length - 1) {
      sets.push(new ImageSet(cuts[sets.length] as number, cuts[sets.length + 1] as number, this.dtype, this.layout));
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
  checkSize(where, file, at, size);
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

function checkSize(where: string, file: string, found: number, size: number): void {
  if (found === size) return;
  const hint = 'it was cut off, or changed while it was read';
  throw new DataError({
    where,
    file,
    offset: Math.min(found, size),
    expected: `${size} bytes`,
    found: `${found}`,
    hint,
  });
}

/** All of a file. Memory is taken as bytes arrive, whatever size was announced. */
async function whole(where: string, file: string, chunks: Chunks, size: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > size) break;
    parts.push(chunk.slice());
  }
  checkSize(where, file, length, size);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
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
