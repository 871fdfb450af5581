/** The arguments of draws, as NumPy takes them: sizes, types, lists of numbers and probabilities, checked before a word is drawn. */
import { checkChoice, checkOptions, describe, formatShape, ValueError } from './errors.js';
import { sizeOf } from './shape.js';
import { type DType, type FloatDType, isTensor, type Tensor } from './tensor.js';

/** One dimension or several; `[]` is one number in a tensor without axes. */
export type Size = number | readonly number[];

export interface DrawOptions {
  /** Type of the result; draws are made in float64 (default) and then rounded. */
  dtype?: FloatDType;
}

/** NumPy's integer types. 8 and 16 bits and bool are drawn in pieces of a word, which makes other streams. */
export type IntegerType = 'int64' | 'uint64' | 'int32' | 'uint32' | 'int16' | 'uint16' | 'int8' | 'uint8' | 'bool';

export interface IntegerOptions {
  /** Type that NumPy would draw in. Default 'int64'; 32 bits have the same stream while the range fits them. */
  dtype?: IntegerType;
}

/** A list of numbers. */
export type Numbers =
  | readonly number[]
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Lowest value, highest value plus 1, bits of a piece where NumPy takes words apart. Numbers are exact up to 2^53. */
export const INTEGER_TYPES: Record<IntegerType, readonly [low: number, high: number, bits: number]> = {
  int64: [-(2 ** 53), 2 ** 53, 0],
  uint64: [0, 2 ** 53, 0],
  int32: [-(2 ** 31), 2 ** 31, 0],
  uint32: [0, 2 ** 32, 0],
  int16: [-(2 ** 15), 2 ** 15, 16],
  uint16: [0, 2 ** 16, 16],
  int8: [-128, 128, 8],
  uint8: [0, 256, 8],
  bool: [0, 2, 1],
};
const INTEGER_NAMES = Object.keys(INTEGER_TYPES) as IntegerType[];

export function refuse(where: string, argument: string, rule: string, value: string, hint?: string): never {
  throw new ValueError({ where, argument, rule, value, hint });
}

/** Takes the options off the end of an argument list. */
export function takeOptions<T extends object>(where: string, args: unknown[]): T {
  const last = args.at(-1);
  const given = typeof last === 'object' && last !== null && !Array.isArray(last) && !ArrayBuffer.isView(last);
  if (!given || isTensor(last)) return {} as T;
  checkOptions(where, last, ['dtype']);
  args.pop();
  return last as T;
}

/** A size as a shape; undefined for a single number. */
export function takeSize(where: string, size: unknown): readonly number[] | undefined {
  if (size === undefined || size === null) return undefined;
  const dims: unknown[] = Array.isArray(size) ? size : [size];
  if (!dims.every((n) => Number.isInteger(n) && (n as number) >= 0)) {
    refuse(where, 'size', 'integers >= 0', describe(size));
  }
  const shape = dims as number[];
  if (sizeOf(shape) >= 2 ** 31) refuse(where, 'size', 'below 2^31 elements', formatShape(shape));
  return shape;
}

/** A shape given as single arguments, and the options behind it. */
export function takeShape(where: string, args: unknown[]): [readonly number[] | undefined, FloatDType] {
  const rest = [...args];
  const dtype = floatType(where, takeOptions<DrawOptions>(where, rest));
  if (rest.some(Array.isArray)) {
    refuse(where, 'shape', 'one argument for each axis', describe(rest), `spread it: ${where}(...shape)`);
  }
  return [rest.length === 0 ? undefined : takeSize(where, rest), dtype];
}

export function floatType(where: string, { dtype = 'float64' }: DrawOptions): FloatDType {
  return checkChoice(where, 'dtype', dtype, ['float32', 'float64']);
}

export function integerType(where: string, { dtype = 'int64' }: IntegerOptions): IntegerType {
  return checkChoice(where, 'dtype', dtype, INTEGER_NAMES);
}

function isInt32(value: number): boolean {
  return (value | 0) === value;
}

/** Type that holds a list of numbers exactly; undefined for lists of other things. */
export function typeOfNumbers(list: unknown): DType | undefined {
  if (isTensor(list)) return list.dtype;
  if (list instanceof Float32Array) return 'float32';
  if (list instanceof Float64Array || list instanceof Uint32Array) return 'float64';
  if (ArrayBuffer.isView(list))
    return list instanceof BigInt64Array || list instanceof BigUint64Array ? undefined : 'int32';
  const values = list as readonly unknown[];
  if (!values.every((v) => typeof v === 'number')) return undefined;
  return (values as readonly number[]).every(isInt32) ? 'int32' : 'float64';
}

/** An array, typed array or tensor; its length along the leading axis. */
export function lengthOf(where: string, argument: string, list: unknown, rule: string): number {
  if (isTensor(list)) {
    if (list.rank === 0) refuse(where, argument, rule, describe(list));
    return list.shape[0] as number;
  }
  if (Array.isArray(list) || (ArrayBuffer.isView(list) && 'length' in list)) return (list as ArrayLike<unknown>).length;
  return refuse(where, argument, rule, describe(list));
}

export function sequence(list: ArrayLike<unknown> | Tensor): ArrayLike<unknown> {
  return isTensor(list) ? list.data : list;
}

/** Probabilities, checked as NumPy does: not negative, and of a sum within the root of the type's precision from 1. */
export function checkProbabilities(p: unknown, population: number): Float64Array {
  const where = 'choice';
  const rule = `a list of ${population} probabilities`;
  const flat = isTensor(p) ? p.rank === 1 : Array.isArray(p) || ArrayBuffer.isView(p);
  if (!flat || lengthOf(where, 'p', p, rule) !== population) refuse(where, 'p', rule, describe(p));
  const given = sequence(p as ArrayLike<unknown> | Tensor);
  const single = given instanceof Float32Array;
  const values = Float64Array.from(given as ArrayLike<number>);
  const odd = values.findIndex((value) => !(value >= 0));
  if (odd >= 0) refuse(where, 'p', 'not negative', `p[${odd}] = ${describe(given[odd])}`);
  // Kahan's compensated sum.
  let sum = values[0] ?? 0;
  let lost = 0;
  for (let i = 1; i < values.length; i++) {
    const next = (values[i] as number) - lost;
    const total = sum + next;
    lost = total - sum - next;
    sum = total;
  }
  const tolerance = single ? 2 ** -11.5 : 2 ** -26;
  if (!(Math.abs(sum - 1) <= tolerance)) refuse(where, 'p', 'of sum 1', `sum ${sum}`);
  return values;
}
