/** What the readers and writers of array files are asked for, and what they give. */
import type { DType, FloatDType, Tensor } from '../tensor.js';
import type { ReadOptions } from './sources.js';

export interface ArrayOptions extends ReadOptions {
  /** Type of the tensors. Default: that of the file; float32 for halves, int32 for all integers and truth values. */
  dtype?: DType | undefined;
  /** Larger files are refused, and compressed ones that unpack to more. Default 2^30. */
  maxBytes?: number | undefined;
}

export interface NpzOptions extends ArrayOptions {
  /** Only these arrays. Default: all. */
  names?: readonly string[] | undefined;
}

export interface MnistOptions extends ArrayOptions {
  /** Type of the images. Default: the default type. */
  dtype?: FloatDType | undefined;
}

export interface WriteNpzOptions {
  /** As numpy.savez_compressed. Default false. */
  compress?: boolean | undefined;
}

export interface Mnist {
  /** (N, 1, H, W), 0 to 255; (60000, 1, 28, 28) in the official files. */
  XTrain: Tensor;
  /** (N,), int32. */
  yTrain: Tensor;
  /** (10000, 1, 28, 28) in the official files. */
  XTest: Tensor;
  yTest: Tensor;
}
