/**
 * CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): five training batches and a test batch of 32 by 32 colour
 * images in ten classes, as binary records or as Python pickles.
 */
import { checkChoice, checkNumber, checkOptions } from '../errors.js';
import { heap, persistent } from '../memory.js';
import { empty, type FloatDType, getDefaultDType, type Tensor } from '../tensor.js';
import { ImageSet, type Layout } from './images.js';
import { PIXELS } from './record.js';
import type { DataSource, ReadOptions } from './sources.js';

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
  return read(where, source, options, dtype, 'NCHW', { train: all, test: all }, (sets, classes) => {
    const [train, test] = sets as [ImageSet, ImageSet];
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
  return read(where, source, options, dtype, layout, { train, test: [0, numTest] }, (sets, classes) => {
    const [training, validation, test] = sets as [ImageSet, ImageSet, ImageSet];
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

/** Image sets that end at the given cuts, filled from the batches; `finish` turns them into the result. */
async function read<T>(
  where: string,
  source: DataSource,
  options: LoadOptions,
  dtype: FloatDType,
  layout: Layout,
  cuts: { train: readonly number[]; test: readonly number[] },
  finish: (sets: ImageSet[], classes: string[]) => T,
): Promise<T> {
  // Without a runtime nothing can be kept: said before anything is read.
  heap();
  const { Batches } = await import('./readers.js');
  const make = (from: number, to: number) => new ImageSet(from, to, dtype, layout);
  return new Batches<ImageSet>(where, make, cuts).load(source, options, finish);
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
