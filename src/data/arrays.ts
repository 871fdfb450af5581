/**
 * Arrays in files of NumPy (.npy, .npz) and in those of MNIST (IDX). What reads and writes them is loaded when it is first
 * asked for.
 */
import { heap } from '../memory.js';
import type { DType, FloatDType, Tensor } from '../tensor.js';
import type { DataSource, FileSource, ReadOptions } from './sources.js';

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

function readers(): Promise<typeof import('./readers.js')> {
  // Without a runtime nothing can be kept: said before anything is read.
  heap();
  return import('./readers.js');
}

/**
 * The array of a .npy file: by path, URL, File, Blob or bytes. Integers of any width, halves, truth values, either byte
 * order and Fortran's order are converted; int64 beyond int32 need `dtype: 'float64'`.
 *
 * The tensor belongs to no scope: dispose() it. Throws DataError for what is no such file, is cut off or holds objects
 * (nothing in it is ever evaluated), with nothing left allocated.
 */
export async function readNpy(source: FileSource, options?: ArrayOptions): Promise<Tensor> {
  return (await readers()).readNpy(source, options);
}

/** The bytes of a .npy file, the same that NumPy writes. */
export async function writeNpy(array: Tensor): Promise<Uint8Array<ArrayBuffer>> {
  return (await readers()).writeNpy(array);
}

/**
 * The arrays of a .npz file by their names, in an object without prototype. Checksums are verified; ownership and errors
 * as in readNpy.
 */
export async function readNpz(source: FileSource, options?: NpzOptions): Promise<Record<string, Tensor>> {
  return (await readers()).readNpz(source, options);
}

/** The bytes of a .npz file of these arrays. */
export async function writeNpz(
  arrays: Readonly<Record<string, Tensor>>,
  options?: WriteNpzOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return (await readers()).writeNpz(arrays, options);
}

/** The array of an IDX file, compressed by gzip or not. Ownership and errors as in readNpy. */
export async function readIdx(source: FileSource, options?: ArrayOptions): Promise<Tensor> {
  return (await readers()).readIdx(source, options);
}

/**
 * MNIST, Fashion-MNIST and others of their format: the four files train-images-idx3-ubyte, train-labels-idx1-ubyte,
 * t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, compressed by gzip or not, in a folder, a list of Files, or a tar
 * archive. Ownership and errors as in readNpy.
 */
export async function loadMnist(source: DataSource, options?: MnistOptions): Promise<Mnist> {
  return (await readers()).loadMnist(source, options);
}
