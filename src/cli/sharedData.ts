/**
 * One copy of the images for all workers of a sweep: as bytes, a quarter of what float32 takes, in memory that threads
 * share. Each worker turns the images of a batch into numbers when it comes to them.
 */
import { createHash } from 'node:crypto';
import type { ExampleSource, Tensor } from '../index.js';
import { type DataSet, IMAGE_SHAPE } from './dataset.js';

const PIXELS = IMAGE_SHAPE.reduce((a, b) => a * b, 1);

interface SharedPart {
  /** PIXELS an image. */
  bytes: Uint8Array;
  labels: Int32Array;
}

/** Goes to worker threads as it is: all of it lies in SharedArrayBuffers. */
export interface SharedData {
  train: SharedPart;
  validation: SharedPart;
  /** Mean training image, in the type of the models. */
  mean: Float32Array | Float64Array;
  classes: string[];
  /** SHA-256 of images and labels. */
  fingerprint: string;
}

function shared<T extends Uint8Array | Int32Array | Float32Array | Float64Array>(
  make: new (buffer: SharedArrayBuffer) => T,
  length: number,
): T {
  const { BYTES_PER_ELEMENT } = make as unknown as { BYTES_PER_ELEMENT: number };
  return new make(new SharedArrayBuffer(length * BYTES_PER_ELEMENT));
}

/** Copies what the workers need of a data set. */
export function share(data: DataSet): SharedData {
  const { meanImage, classes } = data;
  const mean = meanImage.dtype === 'float64' ? shared(Float64Array, PIXELS) : shared(Float32Array, PIXELS);
  mean.set(meanImage.data as Float32Array);
  const train = part(data.XTrain, data.yTrain, mean);
  const validation = part(data.XVal, data.yVal, mean);
  const hash = createHash('sha256');
  for (const { bytes, labels } of [train, validation]) {
    hash.update(bytes);
    hash.update(labels);
  }
  return { train, validation, mean, classes, fingerprint: hash.digest('hex') };
}

/** X: images less `mean`. Pixels are whole numbers, so that the sum need not be exact. */
function part(X: Tensor, y: Tensor, mean: Float32Array | Float64Array): SharedPart {
  const bytes = shared(Uint8Array, X.size);
  const labels = shared(Int32Array, y.size);
  const from = X.data;
  for (let i = 0; i < bytes.length; i += PIXELS) {
    for (let k = 0; k < PIXELS; k++) bytes[i + k] = Math.round((from[i + k] as number) + (mean[k] as number));
  }
  labels.set(y.data as Int32Array);
  return { bytes, labels };
}

/** The same numbers, bit for bit, as the tensors that were shared. */
export function examples({ bytes, labels }: SharedPart, mean: Float32Array | Float64Array): ExampleSource {
  return {
    shape: [labels.length, ...IMAGE_SHAPE],
    read(rows, to) {
      for (let i = 0; i < rows.length; i++) {
        const start = (rows[i] as number) * PIXELS;
        const at = i * PIXELS;
        for (let k = 0; k < PIXELS; k++) to[at + k] = (bytes[start + k] as number) - (mean[k] as number);
      }
    },
  };
}
