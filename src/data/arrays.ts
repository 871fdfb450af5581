/**
 * Arrays in files of NumPy (.npy, .npz) and in those of MNIST (IDX). What reads and writes them is loaded when it is first
 * asked for.
 */
import { heap } from '../memory.js';
import type { Tensor } from '../tensor.js';
import type { ArrayOptions, Mnist, MnistOptions, NpzOptions, WriteNpzOptions } from './arrayOptions.js';
import type { DataSource, FileSource } from './sources.js';

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
