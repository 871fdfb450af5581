/** Data on their way to the worker: checked, and copied, shared or handed over. */
import { describe, formatShape, OptionError, ShapeError, ValueError } from '../errors.js';
import type { DataPlan, SetName } from './protocol.js';
import type { Examples, Labels, TrainerData } from './types.js';

const NAMES: Record<SetName, readonly [X: 'XTrain' | 'XVal' | 'XTest', y: 'yTrain' | 'yVal' | 'yTest']> = {
  train: ['XTrain', 'yTrain'],
  val: ['XVal', 'yVal'],
  test: ['XTest', 'yTest'],
};
const KINDS = [Uint8Array, Uint8ClampedArray, Float32Array, Float64Array, Int32Array];

/** fixed: a tensor's numbers, which can be neither handed over nor kept as they are. */
export interface Packed extends Examples {
  readonly fixed: boolean;
}

/** Shape and numbers of examples, without what else they may be. */
export function examplesOf(where: string, argument: string, X: Examples): Packed {
  const { shape, data } = (X ?? {}) as Partial<Examples>;
  const kinds = 'a tensor, or { shape, data } with bytes, float32, float64 or int32 numbers';
  if (!Array.isArray(shape) || !KINDS.some((Kind) => data instanceof Kind)) {
    throw new OptionError({ where, argument, rule: kinds, value: describe(X) });
  }
  const numbers = data as Examples['data'];
  const size = shape.reduce((a: number, b: number) => a * b, 1);
  const isShape = shape.length > 0 && shape.every((n) => Number.isInteger(n) && n >= 0);
  if (isShape && size === numbers.length) return { shape: [...shape], data: numbers, fixed: isTensor(X) };
  const rule = `of a shape with the ${numbers.length} numbers of data`;
  throw new ShapeError({ where, argument, rule, value: formatShape(shape) });
}

/** A copy of the labels. */
export function labelsOf(where: string, argument: string, y: Labels, { shape }: Examples): Int32Array {
  const given = y !== null && typeof y === 'object' && 'data' in y ? y.data : y;
  if (given === null || typeof given !== 'object' || !('length' in given)) {
    throw new OptionError({ where, argument, rule: 'a list of labels', value: describe(y) });
  }
  if (given.length !== shape[0]) {
    const rule = `${shape[0]} labels, one for each example`;
    throw new ShapeError({ where, argument, rule, value: String(given.length) });
  }
  const labels = Int32Array.from(given);
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === given[i] && (labels[i] as number) >= 0) continue;
    throw new ValueError({ where, argument, rule: 'whole numbers from 0 on', value: `${given[i]} at ${i}` });
  }
  return labels;
}

/** What the worker is told of the data, and the examples of each set. */
export function planOf(data: TrainerData): { plan: DataPlan; examples: Partial<Record<SetName, Packed>> } {
  const where = 'createTrainer';
  if (data === null || typeof data !== 'object') {
    throw new OptionError({ where, argument: 'data', rule: 'an object', value: describe(data) });
  }
  const { classes } = data;
  if (classes !== undefined && !(Array.isArray(classes) && classes.every((name) => typeof name === 'string'))) {
    throw new OptionError({ where, argument: 'data.classes', rule: 'a list of names', value: describe(classes) });
  }
  const plan: DataPlan = { sets: {}, classes: classes && [...classes] };
  const examples: Partial<Record<SetName, Packed>> = {};
  for (const [set, [nameX, nameY]] of Object.entries(NAMES) as [SetName, (typeof NAMES)[SetName]][]) {
    if (set === 'test' && data[nameX] === undefined && data[nameY] === undefined) continue;
    for (const name of [nameX, nameY]) {
      if (data[name] !== undefined) continue;
      const hint = 'data has XTrain, yTrain, XVal and yVal, and may have XTest and yTest';
      throw new OptionError({ where, rule: `data.${name} is missing`, hint });
    }
    const X = examplesOf(where, `data.${nameX}`, data[nameX] as Examples);
    const labels = labelsOf(where, `data.${nameY}`, data[nameY] as Labels, X);
    plan.sets[set] = { shape: X.shape, bytes: isBytes(X.data), labels };
    examples[set] = X;
  }
  return { plan, examples };
}

/** Numbers to send, and the memory that is handed over with them. What is shared stays so, unless it is a tensor's. */
export function sendable(
  { data, fixed }: Packed,
  keep: boolean,
): { numbers: Examples['data']; transfer: ArrayBuffer | undefined } {
  if (isShared(data) && !fixed) return { numbers: data, transfer: undefined };
  // A copy, because sending a view would copy all that lies in its buffer.
  const numbers = fixed || keep ? new (data.constructor as typeof Float32Array)(data as Float32Array) : data;
  return { numbers, transfer: numbers.buffer as ArrayBuffer };
}

function isBytes(data: Examples['data']): boolean {
  return data instanceof Uint8Array || data instanceof Uint8ClampedArray;
}

function isShared({ buffer }: Examples['data']): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer;
}

function isTensor(value: unknown): boolean {
  return typeof (value as { dispose?: unknown }).dispose === 'function';
}
