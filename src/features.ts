/** Features of images: histograms of oriented gradients and of hue, as features.py of the course computes them. */
import {
  checkNumber,
  checkOptions,
  DTypeError,
  describe,
  formatShape,
  OptionError,
  ShapeError,
  ValueError,
} from './errors.js';
import { type HueBins, hog, hogLength, hueHistogram, type PictureSizes } from './imageKernels.js';
import { convert, type Operand, slice } from './kernels.js';
import { attempt, persistent, scope } from './memory.js';
import { pause } from './runtime/host.js';
import { empty, getDefaultDType, isTensor, type Tensor, type TypedArray, zeros } from './tensor.js';

/** From one image, (H, W, C) or (H, W), to a vector of numbers; of the same length for every image. */
export type FeatureFunction = (image: Tensor) => Tensor;

export interface HistogramOptions {
  /** Bins, 10 by default. */
  nbin?: number;
  /** Lower edge of the first bin, 0 by default. Hues run from 0 to xmax; those below are not counted. */
  xmin?: number;
  /** Upper edge of the last bin, and the largest value that pixels may have; 255 by default. */
  xmax?: number;
  /** Shares of the pixels (default) instead of counts times the width of a bin. */
  normalized?: boolean;
}

export interface FeatureProgress {
  /** Images done. */
  done: number;
  total: number;
}

export interface ExtractOptions {
  /** Print a line after every 1000 images; false by default. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Called after every few hundred images and at the end. */
  onProgress?: ((progress: FeatureProgress) => void) | undefined;
}

export interface AsyncExtractOptions extends ExtractOptions {
  /** Ends the extraction with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A feature that whole batches of images go through at once. */
interface BatchFeature {
  name: string;
  /** Channels that images may have. */
  channels: readonly number[];
  /** Least height and width. */
  least: number;
  /** What all pixels must be. */
  range: { low: number; high: number; rule: string };
  length(sizes: PictureSizes): number;
  /** Images x into rows of out, `stride` numbers apart; NaN first for an image that breaks the range. */
  compute(out: Operand, stride: number, x: Operand, sizes: PictureSizes): void;
}

const HOG: BatchFeature = {
  name: 'hogFeature',
  channels: [1, 3],
  least: 8,
  range: { low: -Number.MAX_VALUE, high: Number.MAX_VALUE, rule: 'of finite numbers' },
  length: hogLength,
  compute: hog,
};

/** More bins than any image has pixels help nobody. */
const MOST_BINS = 2 ** 20;

function hueFeature(where: string, options: HistogramOptions): BatchFeature {
  checkOptions(where, options, ['nbin', 'xmin', 'xmax', 'normalized']);
  const { nbin = 10, xmin = 0, xmax = 255, normalized = true } = options;
  checkNumber(where, 'nbin', nbin, { low: 1, high: MOST_BINS, integer: true });
  checkNumber(where, 'xmax', xmax, { low: 0, openLow: true });
  checkNumber(where, 'xmin', xmin, { high: xmax, openHigh: true });
  const width = (xmax - xmin) / nbin;
  if (!(Number.isFinite(width) && width > 2 ** -50 * Math.max(Math.abs(xmin), xmax))) {
    const value = `${nbin} from ${xmin} to ${xmax}`;
    throw new ValueError({ where, argument: 'bins', rule: 'wide enough to be told apart', value });
  }
  const bins: HueBins = { nbin, xmin, xmax, normalized };
  return {
    name: 'colorHistogramHsv',
    channels: [3],
    least: 1,
    range: { low: 0, high: xmax, rule: `of numbers in [0, ${xmax}]` },
    length: () => nbin,
    compute: (out, stride, x, sizes) => hueHistogram(out, stride, x, sizes, bins),
  };
}

/** What the functions of `features` do, for whole batches. */
const batchFeatures = new WeakMap<FeatureFunction, BatchFeature>();

function batchFeature(fn: FeatureFunction): BatchFeature | undefined {
  if (fn === hogFeature) return HOG;
  return fn === colorHistogramHsv ? hueFeature('colorHistogramHsv', {}) : batchFeatures.get(fn);
}

function made(feature: BatchFeature): FeatureFunction {
  const fn = (image: Tensor) => single(feature, image);
  batchFeatures.set(fn, feature);
  return fn;
}

/**
 * Feature functions with their settings. `extractFeatures` sends whole batches through them, on all threads; a function
 * of one's own is called for one image after the other.
 */
export const features = {
  /** As hogFeature. */
  hog: (): FeatureFunction => made(HOG),
  /** As colorHistogramHsv with these options. */
  hsv: (options: HistogramOptions = {}): FeatureFunction => made(hueFeature('features.hsv', options)),
} as const;

/**
 * Histogram of oriented gradients of an image (H, W, 3) of RGB, or grey (H, W): for each cell of 8 by 8 pixels and each of
 * nine bins of 20 degrees the mean magnitude of the gradients that point there, 144 numbers for 32 by 32 pixels. Pixels
 * beyond the last whole cell count only for gradients. Computed in float64; the result has the type of the image, for int32
 * the default type.
 *
 * All is as in hog_feature of the course: grey is 0.299 R + 0.587 G + 0.144 B, gradients are differences to the next pixel,
 * 0 at the last; only directions from straight up to straight down by way of the right count, both ends left out; cells
 * are ordered by column, then row.
 */
export function hogFeature(img: Tensor): Tensor {
  return single(HOG, img);
}

/**
 * Histogram of hue of an image (H, W, 3) of RGB in [0, xmax]: nbin numbers, the share of the pixels whose hue lies in each
 * bin; zeros if there is no pixel to count. Grey pixels have hue 0. Computed in float64 as color_histogram_hsv of the
 * course (matplotlib's rgb_to_hsv, numpy.histogram); the result has the type of the image, for int32 the default type.
 */
export function colorHistogramHsv(img: Tensor, options: HistogramOptions = {}): Tensor {
  return single(hueFeature('colorHistogramHsv', options), img);
}

/** (1, H, W, C) of an image, or (N, H, W, C) of several; grey ones may leave C out. */
function pictureSizes(where: string, argument: string, value: unknown, several: boolean): PictureSizes {
  if (!isTensor(value)) {
    const hint = 'make one with tensor(…)';
    throw new DTypeError({ where, argument, rule: 'a tensor', value: describe(value), hint });
  }
  const [N, H, W, C, ...rest] = several ? value.shape : [1, ...value.shape];
  const sizes = { N, H, W, C: C ?? 1 } as PictureSizes;
  if (W !== undefined && rest.length === 0 && sizes.H * sizes.W * sizes.C > 0) return sizes;
  const axes = several ? ['N', 'H', 'W'] : ['H', 'W'];
  const rule = `(${axes.join(', ')}, C), or (${axes.join(', ')}) if grey, without empty axes`;
  throw new ShapeError({ where, argument, rule, value: formatShape(value.shape) });
}

/** Refuses images of other sizes than the feature is made for. */
function checkSizes(where: string, argument: string, images: Tensor, sizes: PictureSizes, feature: BatchFeature): void {
  const { H, W, C } = sizes;
  const { channels, least, name } = feature;
  if (channels.includes(C) && Math.min(H, W) >= least) return;
  const batch = argument === 'images' ? 'N, ' : '';
  const grey = channels.includes(1) ? `, or (${batch}H, W) if grey` : '';
  const size = least > 1 ? `, H and W at least ${least}` : '';
  const of = where === name ? '' : ` for ${name}`;
  const [first, order] = batch ? [1, '0, 2, 3, 1'] : [0, '1, 2, 0'];
  const planes = images.rank - first === 3 && channels.includes(images.shape[first] as number);
  throw new ShapeError({
    where,
    argument,
    rule: `(${batch}H, W, 3)${grey}${size}${of}`,
    value: formatShape(images.shape),
    hint: planes ? `transpose(${order}) puts the colours last` : undefined,
  });
}

/** The error for the first pixel, from element `at` of images on, that the feature must not see. */
function badPixel(where: string, argument: string, images: Tensor, feature: BatchFeature, at = 0): ValueError {
  const { low, high, rule } = feature.range;
  const { data } = images;
  const fits = (value: number) => value >= low && value <= high;
  while (at + 1 < data.length && fits(data[at] as number)) at++;
  const value = `${data[at]}`;
  const place: number[] = [];
  for (const n of [...images.shape].reverse()) {
    place.unshift(at % n);
    at = Math.floor(at / n);
  }
  const of = where === feature.name ? '' : ` for ${feature.name}`;
  const hint = low === 0 ? 'give the images as they are, without the mean subtracted' : undefined;
  return new ValueError({ where, argument, rule: rule + of, value: `${value} at [${place.join(', ')}]`, hint });
}

/** One feature of one image. */
function single(feature: BatchFeature, img: Tensor): Tensor {
  const where = feature.name;
  const sizes = pictureSizes(where, 'img', img, false);
  checkSizes(where, 'img', img, sizes, feature);
  return attempt(() => {
    const length = feature.length(sizes);
    const whole = img.dtype === 'int32';
    const x = whole ? img.astype(getDefaultDType()) : img;
    const out = empty([length], x.dtype);
    feature.compute(out, length, x, sizes);
    if (Number.isNaN(out.data[0])) throw badPixel(where, 'img', img, feature);
    if (whole) x.dispose();
    return out;
  });
}

/** Images that go through a feature at once: few enough for the event loop to have its turn, and of a thousand a part. */
const CHUNK = 250;
const CHUNK_PIXELS = CHUNK * 32 * 32;
const LINE_EVERY = 1000;
/** Milliseconds of computing before the event loop gets its turn. */
const TURN = 30;

/** One of the functions, and where its numbers begin in a row of the result. */
interface Column {
  fn: FeatureFunction;
  feature: BatchFeature | undefined;
  from: number;
}

function checkExtraction(where: string, images: Tensor, fns: readonly FeatureFunction[]): PictureSizes {
  const sizes = pictureSizes(where, 'images', images, true);
  if (!Array.isArray(fns) || fns.length === 0) {
    throw new OptionError({ where, argument: 'fns', rule: 'a list of functions', value: describe(fns) });
  }
  for (const [i, fn] of fns.entries()) {
    if (typeof fn !== 'function') {
      throw new OptionError({ where, argument: `fns[${i}]`, rule: 'a function', value: describe(fn) });
    }
    const feature = batchFeature(fn);
    if (feature) checkSizes(where, 'images', images, sizes, feature);
  }
  return sizes;
}

/** What function i of the list makes of an image, as a copy. length: of what it made of the first. */
function vector(where: string, fns: readonly FeatureFunction[], i: number, image: Tensor, length?: number): TypedArray {
  return scope(() => {
    const result: unknown = (fns[i] as FeatureFunction)(image);
    if (isTensor(result) && result.rank === 1 && result.size === (length ?? result.size)) return result.data.slice();
    const rule = length === undefined ? 'a tensor of one axis' : `a tensor (${length},) as for the first image`;
    const value = isTensor(result) ? formatShape(result.shape) : describe(result);
    throw new ShapeError({ where, argument: `the result of fns[${i}]`, rule, value });
  });
}

/** The work of extractFeatures, in steps of some milliseconds as long as functions of the user's are not slower. */
function* extraction(
  where: string,
  images: Tensor,
  fns: readonly FeatureFunction[],
  options: ExtractOptions,
): Generator<void, Tensor, void> {
  const { verbose = false, log = console.log, onProgress } = options;
  for (const [argument, value] of Object.entries({ log, onProgress })) {
    if (value === undefined || typeof value === 'function') continue;
    throw new OptionError({ where, argument, rule: 'a function', value: describe(value) });
  }
  const sizes = checkExtraction(where, images, fns);
  const { N, H, W, C } = sizes;
  const pixels = H * W * C;
  const dtype = images.dtype === 'int32' ? getDefaultDType() : images.dtype;
  const imageShape = C === 1 ? [H, W] : [H, W, C];
  const imageAt = (n: number) => images.rows(n, n + 1).reshape(imageShape);

  // The first image tells how many numbers functions of the user's give; they see it once.
  const firsts = fns.map((fn, i) =>
    N === 0 || batchFeature(fn) ? new Float64Array() : vector(where, fns, i, imageAt(0)),
  );
  let F = 0;
  const columns = fns.map((fn, i): Column => {
    const from = F;
    const feature = batchFeature(fn);
    F += feature ? feature.length(sizes) : (firsts[i] as TypedArray).length;
    return { fn, feature, from };
  });
  if (N === 0) return zeros([0, F], { dtype });

  const chunk = Math.max(1, Math.min(CHUNK, Math.floor(CHUNK_PIXELS / (H * W))));
  const converts = images.dtype === 'int32' && columns.some(({ feature }) => feature);
  let out: Tensor | undefined;
  let converted: Tensor | undefined;
  let finished = false;
  try {
    out = empty([N, F], dtype);
    converted = converts ? empty([chunk, pixels], dtype) : undefined;
    for (let from = 0, to = 0; from < N; from = to) {
      to = Math.min(N, from + chunk, (Math.floor(from / LINE_EVERY) + 1) * LINE_EVERY);
      const count = (to - from) * pixels;
      let x = slice(images, from * pixels, count);
      if (converted) {
        const whole = x;
        x = slice(converted, 0, count);
        convert(x, whole);
      }
      for (const [i, { feature, from: start }] of columns.entries()) {
        const first = from * F + start;
        if (feature) {
          feature.compute(slice(out, first, 0), F, x, { N: to - from, H, W, C });
          const { data } = out;
          for (let n = from; n < to; n++) {
            if (Number.isNaN(data[n * F + start])) throw badPixel(where, 'images', images, feature, n * pixels);
          }
          yield;
          continue;
        }
        const made = firsts[i] as TypedArray;
        for (let n = from; n < to; n++) {
          const numbers = n === 0 ? made : vector(where, fns, i, imageAt(n), made.length);
          out.data.set(numbers, n * F + start);
          yield;
        }
      }
      if (verbose && to % LINE_EVERY === 0) log(`Done extracting features for ${to} / ${N} images`);
      onProgress?.({ done: to, total: N });
    }
    finished = true;
    return out;
  } finally {
    converted?.dispose();
    if (!finished) out?.dispose();
  }
}

const EXTRACT_OPTIONS = ['verbose', 'log', 'onProgress'] as const;

/**
 * Features of images (N, H, W, C), or grey (N, H, W), pixels as they are in the files: (N, F), for each image the results
 * of all functions one after the other. The type is that of the images, for int32 the default type; without images the
 * result is empty.
 *
 *     const X = lw.extractFeatures(images, [lw.hogFeature, lw.features.hsv({ nbin: 25 })]);
 *
 * hogFeature, colorHistogramHsv and what lw.features makes see whole batches, on all threads. Functions of one's own are
 * called with one image after the other, (H, W, C) or (H, W), and return a tensor (k,); what they make inside is freed.
 *
 * Nothing else runs until it is done: pages take extractFeaturesAsync for more than a few hundred images.
 */
export function extractFeatures(images: Tensor, fns: readonly FeatureFunction[], options: ExtractOptions = {}): Tensor {
  const where = 'extractFeatures';
  checkOptions(where, options, EXTRACT_OPTIONS);
  const work = extraction(where, images, fns, options);
  while (true) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/**
 * extractFeatures for pages: the event loop gets its turn about every 30 ms, and a signal ends the work. The result
 * belongs to no scope: dispose() it. When it fails nothing is left allocated.
 */
export async function extractFeaturesAsync(
  images: Tensor,
  fns: readonly FeatureFunction[],
  options: AsyncExtractOptions = {},
): Promise<Tensor> {
  const where = 'extractFeaturesAsync';
  checkOptions(where, options, [...EXTRACT_OPTIONS, 'signal']);
  const { signal } = options;
  const work = extraction(where, images, fns, options);
  try {
    let rested = performance.now();
    while (true) {
      signal?.throwIfAborted();
      const { done, value } = persistent(() => work.next());
      if (done) return value;
      if (performance.now() - rested < TURN) continue;
      await pause();
      rested = performance.now();
    }
  } finally {
    work.return(undefined as never);
  }
}
