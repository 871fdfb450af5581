/** The images of a run: CIFAR-10, or drawn ones. */
import { basename } from 'node:path';
import { getCifar10Data, syntheticImages, type Tensor } from '../index.js';
import type { Progress } from './terminal.js';

/** X: (N, 3, 32, 32) less the mean training image; y: labels. */
export interface DataSet {
  XTrain: Tensor;
  yTrain: Tensor;
  XVal: Tensor;
  yVal: Tensor;
  XTest: Tensor;
  yTest: Tensor;
  /** (3, 32, 32) */
  meanImage: Tensor;
  classes: string[];
}

/** Of an image of either source, (C, H, W). */
export const IMAGE_SHAPE = [3, 32, 32] as const;
/** Classes of either source. */
export const NUM_CLASSES = 10;

export const SYNTHETIC = 'synthetic';
/** Training images unless --num-train says otherwise. */
export const TRAINING_IMAGES = { synthetic: 20000, cifar10: 49000 } as const;

interface Request {
  data: string;
  numTrain: number;
  dtype: 'float32' | 'float64';
}

export async function load(
  { data, numTrain, dtype }: Request,
  progress: Pick<Progress, 'start' | 'retarget' | 'update'>,
  signal: AbortSignal,
): Promise<DataSet> {
  if (data === SYNTHETIC) return draw(numTrain, dtype);
  const megabytes = (bytes: number) => bytes / 2 ** 20;
  progress.start(0, 'MB');
  return getCifar10Data(data, {
    numTraining: numTrain,
    dtype,
    signal,
    onProgress: ({ loaded, total, file }) => {
      progress.retarget(megabytes(total ?? 0));
      progress.update(megabytes(loaded), `reading ${basename(file)}`);
    },
  });
}

/** The data set is the same whatever --seed says, as if it were a file; more training images leave the others alone. */
function draw(numTrain: number, dtype: 'float32' | 'float64'): DataSet {
  const train = syntheticImages({ num: numTrain, seed: 1, dtype });
  const validation = syntheticImages({ num: 1000, seed: 2, dtype });
  const test = syntheticImages({ num: 1000, seed: 3, dtype });
  const mean = train.X.mean(0);
  for (const { X } of [train, validation, test]) subtract(X, mean);
  return {
    ...{ XTrain: train.X, yTrain: train.y, XVal: validation.X, yVal: validation.y, XTest: test.X, yTest: test.y },
    meanImage: mean,
    classes: train.classes,
  };
}

/** X -= mean, in place: the images are most of the memory that a run takes. */
function subtract(X: Tensor, mean: Tensor): void {
  const to = X.data;
  const from = mean.data;
  for (let i = 0; i < to.length; i += from.length) {
    for (let k = 0; k < from.length; k++) (to[i + k] as number) -= from[k] as number;
  }
}
