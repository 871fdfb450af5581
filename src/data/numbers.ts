/** Numbers in files: types that tensors do not have, foreign byte orders, and what becomes of them in a tensor. */
import { DataError } from '../errors.js';
import { type DType, type Tensor, tensor } from '../tensor.js';

/** As in NumPy 1; more axes than this are an attack. */
export const MAX_AXES = 32;

export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** An array as a file holds it, in the order of C. */
export interface FileArray {
  readonly shape: readonly number[];
  readonly numbers: Numbers;
  /** The byte at which its numbers begin, and the bytes of each. */
  readonly at: number;
  readonly width: number;
}

const ARRAYS = {
  i1: Int8Array,
  u1: Uint8Array,
  b1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  f2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  f4: Float32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f8: Float64Array,
} as const;

/** A type of numbers as NumPy's names have it: signed, unsigned, floating point or truth values, and their bytes. */
export type NumberCode = keyof typeof ARRAYS;

export function isNumberCode(code: string): code is NumberCode {
  return Object.hasOwn(ARRAYS, code);
}

export function widthOf(code: NumberCode): number {
  return Number(code[1]);
}

/** Bytes as numbers; a view of them where type, order and alignment allow it. */
export function typedNumbers(bytes: Uint8Array, code: NumberCode, bigEndian: boolean): Numbers {
  const width = widthOf(code);
  const swap = width > 1 && bigEndian === LITTLE_ENDIAN;
  // Not by slice(), which for Node's Buffer is a view.
  const own = swap || bytes.byteOffset % width !== 0 ? new Uint8Array(bytes) : bytes;
  if (swap) reverseEach(own, width);
  const numbers = new ARRAYS[code](own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / width);
  return code === 'f2' ? Float32Array.from(numbers as Uint16Array, half) : numbers;
}

function reverseEach(bytes: Uint8Array, width: number): void {
  for (let start = 0; start < bytes.length; start += width) {
    for (let low = start, high = start + width - 1; low < high; low++, high--) {
      const byte = bytes[low] as number;
      bytes[low] = bytes[high] as number;
      bytes[high] = byte;
    }
  }
}

/** The value of an IEEE 754 half. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/**
 * A tensor of a file's numbers. dtype: default float64 for 8-byte floating point, float32 for shorter, int32 for integers.
 * Throws DataError for numbers that an int32 cannot be.
 */
export function tensorOf(where: string, file: string, array: FileArray, dtype: DType = typeFor(array.numbers)): Tensor {
  const { shape, numbers: wide, at, width } = array;
  const isBig = wide instanceof BigInt64Array || wide instanceof BigUint64Array;
  // Beyond 2^53 a float64 rounds, as it would for any other conversion; an int32 is refused below.
  const numbers = isBig ? Float64Array.from(wide as BigInt64Array, Number) : wide;
  const fits = numbers instanceof Int32Array || numbers.BYTES_PER_ELEMENT < 4;
  if (dtype === 'int32' && !fits) {
    for (let i = 0; i < numbers.length; i++) {
      const value = numbers[i] as number;
      if (value === (value | 0)) continue;
      const offset = at + i * width;
      throw new DataError({ where, file, offset, expected: 'numbers that are int32', found: String(value) });
    }
  }
  return tensor(numbers, { shape, dtype });
}

function typeFor(numbers: Numbers): DType {
  if (numbers instanceof Float64Array) return 'float64';
  return numbers instanceof Float32Array ? 'float32' : 'int32';
}
