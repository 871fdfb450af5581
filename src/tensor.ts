/** Tensors: contiguous, row-major arrays in linear memory. Arithmetic on two of them is in arithmetic.ts. */
import {
  checkChoice,
  checkOptions,
  DTypeError,
  describe,
  formatShape,
  RuntimeError,
  ShapeError,
  ValueError,
} from './errors.js';
import * as kernels from './kernels.js';
import { activePlan, allocate, attempt, type Block, heap } from './memory.js';
import { checkAxis, checkShape, reshaped, type Shape, sizeOf } from './shape.js';

export type DType = 'float32' | 'float64' | 'int32';
export type FloatDType = 'float32' | 'float64';
export type TypedArray = Float32Array | Float64Array | Int32Array;
/** Numbers nested to any depth, as NumPy prints them. */
export type Nested = number | readonly Nested[];

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;
export const BYTES = { float32: 4, float64: 8, int32: 4 } as const;
const DTYPES: readonly DType[] = ['float32', 'float64', 'int32'];

let defaultDType: FloatDType = 'float32';

/** Type of new tensors that are not told theirs. Starts as 'float32'. */
export function setDefaultDType(dtype: FloatDType): void {
  defaultDType = checkChoice('setDefaultDType', 'dtype', dtype, ['float32', 'float64']);
}

export function getDefaultDType(): FloatDType {
  return defaultDType;
}

export function checkDType(where: string, dtype: unknown): DType {
  if (DTYPES.includes(dtype as DType)) return dtype as DType;
  throw new DTypeError({ where, argument: 'dtype', rule: "'float32', 'float64' or 'int32'", value: describe(dtype) });
}

export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly size: number;
  readonly block: Block;
  readonly #offset: number;
  #view: TypedArray | undefined;

  /** Internal: tensors are made by tensor(), zeros() and the like. offset: bytes into the block. */
  constructor(block: Block, dtype: DType, shape: Shape, offset = 0) {
    this.block = block;
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.size = sizeOf(shape);
    this.#offset = offset;
  }

  /** Address in linear memory; throws when the tensor has ended or belongs to another runtime. */
  get address(): number {
    return this.#alive().address + this.#offset;
  }

  /**
   * Live view of the elements, row-major. Memory that grows makes a new view, so take it again after anything that
   * allocates instead of keeping it.
   */
  get data(): TypedArray {
    const address = this.address;
    const buffer = this.block.heap.buffer;
    if (this.#view?.buffer !== buffer) this.#view = new ARRAYS[this.dtype](buffer as ArrayBuffer, address, this.size);
    return this.#view;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** The elements as nested arrays; a number for a tensor without axes. */
  toArray(): Nested {
    const { data, shape } = this;
    let at = 0;
    const level = (axis: number): Nested => {
      if (axis === shape.length) return data[at++] as number;
      return Array.from({ length: shape[axis] as number }, () => level(axis + 1));
    };
    return level(0);
  }

  /** The element of a tensor that has one. */
  item(): number {
    if (this.size !== 1) {
      throw new ShapeError({
        where: 'item',
        argument: 'the tensor',
        rule: 'of one element',
        value: formatShape(this.shape),
      });
    }
    return this.data[0] as number;
  }

  /** View with another shape of the same size; one axis may be -1. */
  reshape(...shape: (number | readonly number[])[]): Tensor {
    return new Tensor(
      this.#alive(),
      this.dtype,
      reshaped('reshape', this.size, shape.flat() as number[]),
      this.#offset,
    );
  }

  /** View of rows [from, to) of the leading axis. Negative numbers count from the end, as in Array.slice. */
  rows(from: number, to: number = this.shape[0] ?? 0): Tensor {
    checkAxis('rows', 0, this.shape);
    const n = this.shape[0] as number;
    const start = from < 0 ? n + from : from;
    const end = to < 0 ? n + to : to;
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= n)) {
      const value = `${from}, ${to}`;
      throw new ValueError({ where: 'rows', argument: 'from, to', rule: `a range within 0..${n}`, value });
    }
    const width = this.size / Math.max(1, n);
    const offset = this.#offset + start * width * BYTES[this.dtype];
    return new Tensor(this.#alive(), this.dtype, [end - start, ...this.shape.slice(1)], offset);
  }

  /** Copy with the axes in another order; without arguments reversed. */
  transpose(...axes: (number | readonly number[])[]): Tensor {
    const listed = axes.flat() as number[];
    const order = listed.length === 0 ? this.shape.map((_, i) => this.rank - 1 - i) : listed;
    const checked = order.map((axis) => checkAxis('transpose', axis, this.shape));
    if (checked.length !== this.rank || new Set(checked).size !== this.rank) {
      const rule = `each axis of ${formatShape(this.shape)} once`;
      throw new ShapeError({ where: 'transpose', argument: 'axes', rule, value: describe(listed) });
    }
    const own = strides(this.shape);
    const steps = checked.map((axis) => own[axis] as number);
    const shape = checked.map((axis) => this.shape[axis] as number);
    return this.#make(shape, this.dtype, (copy) => {
      if (copy.size > 0) permute(copy, this, shape, steps);
    });
  }

  /** Copy of the rows (of the leading axis) with these indices, in this order. */
  take(indices: Indices): Tensor {
    checkAxis('take', 0, this.shape);
    const n = this.shape[0] as number;
    return attempt(() => {
      const index = checkIndices('take', 'indices', indices, n);
      const copy = this.#make([index.size, ...this.shape.slice(1)], this.dtype, (y) => kernels.gather(y, this, index));
      if (index !== indices) index.dispose();
      return copy;
    });
  }

  /** Copy in memory of its own, in the current scope. */
  clone(): Tensor {
    return this.astype(this.dtype);
  }

  /** Copy as another type. Fractions are cut off on the way to int32. */
  astype(dtype: DType): Tensor {
    return this.#make(this.shape, checkDType('astype', dtype), (copy) => kernels.convert(copy, this));
  }

  /** Sum of all elements, or along an axis. Computed in float64; a sum along an axis is then rounded to the tensor's type. */
  sum(): number;
  sum(axis: number, keepdims?: boolean): Tensor;
  sum(axis?: number, keepdims = false): Tensor | number {
    return this.#reduce('sum', axis, keepdims, this.dtype, (y, n, inner) => kernels.reduce(y, this, 'sum', n, inner));
  }

  /** Mean, float64 for int32. */
  mean(): number;
  mean(axis: number, keepdims?: boolean): Tensor;
  mean(axis?: number, keepdims = false): Tensor | number {
    this.#notEmpty('mean', axis);
    const dtype = this.dtype === 'int32' ? 'float64' : this.dtype;
    return this.#reduce('mean', axis, keepdims, dtype, (y, n, inner) => {
      kernels.reduce(y, this, 'sum', n, inner, 1 / n);
    });
  }

  /** Standard deviation of the whole population (divided by n, as NumPy's default), float64 for int32. */
  std(): number;
  std(axis: number, keepdims?: boolean): Tensor;
  std(axis?: number, keepdims = false): Tensor | number {
    this.#notEmpty('std', axis);
    const dtype = this.dtype === 'int32' ? 'float64' : this.dtype;
    return this.#reduce('std', axis, keepdims, dtype, (y, n, inner) => {
      const mean = empty(y.shape, y.dtype);
      kernels.reduce(mean, this, 'sum', n, inner, 1 / n);
      kernels.reduceDeviations(y, this, mean, n, inner, 1 / n);
      kernels.unary('sqrt', y, y);
      mean.dispose();
    });
  }

  max(): number;
  max(axis: number, keepdims?: boolean): Tensor;
  max(axis?: number, keepdims = false): Tensor | number {
    this.#notEmpty('max', axis);
    return this.#reduce('max', axis, keepdims, this.dtype, (y, n, inner) => kernels.reduce(y, this, 'max', n, inner));
  }

  min(): number;
  min(axis: number, keepdims?: boolean): Tensor;
  min(axis?: number, keepdims = false): Tensor | number {
    this.#notEmpty('min', axis);
    return this.#reduce('min', axis, keepdims, this.dtype, (y, n, inner) => kernels.reduce(y, this, 'min', n, inner));
  }

  /** Position of the first maximum: of all elements, or along an axis (int32). NaN counts as largest. */
  argmax(): number;
  argmax(axis: number): Tensor;
  argmax(axis?: number): Tensor | number {
    return this.#position('argmax', axis, 1);
  }

  /** Position of the first minimum: of all elements, or along an axis (int32). NaN counts as smallest. */
  argmin(): number;
  argmin(axis: number): Tensor;
  argmin(axis?: number): Tensor | number {
    return this.#position('argmin', axis, -1);
  }

  #position(where: string, axis: number | undefined, sign: 1 | -1): Tensor | number {
    this.#notEmpty(where, axis);
    const { shape, n, inner } = this.#along(where, axis, false);
    const y = this.#make(shape, 'int32', (out) => {
      if (out.size > 0) kernels.argmax(out, this, n, inner, sign);
    });
    return axis === undefined ? take1(y) : y;
  }

  /** One reduction: compute(y, n, inner) fills y of type dtype; without an axis a number, in float64 whatever the type. */
  #reduce(
    where: string,
    axis: number | undefined,
    keepdims: boolean,
    dtype: DType,
    compute: (y: Tensor, n: number, inner: number) => void,
  ): Tensor | number {
    const { shape, n, inner } = this.#along(where, axis, keepdims);
    const y = this.#make(shape, axis === undefined ? 'float64' : dtype, (out) => {
      if (n === 0) kernels.fill(out, 0);
      else if (out.size > 0) compute(out, n, inner);
    });
    return axis === undefined ? take1(y) : y;
  }

  #along(where: string, axis: number | undefined, keepdims: boolean): { shape: number[]; n: number; inner: number } {
    if (axis === undefined) return { shape: [], n: this.size, inner: 1 };
    const a = checkAxis(where, axis, this.shape);
    const inner = sizeOf(this.shape.slice(a + 1));
    const shape = this.shape.flatMap((n, i) => (i === a ? (keepdims ? [1] : []) : [n]));
    return { shape, n: this.shape[a] as number, inner };
  }

  #notEmpty(where: string, axis: number | undefined): void {
    const n = axis === undefined ? this.size : this.shape[checkAxis(where, axis, this.shape)];
    if (n !== 0) return;
    const rule = 'at least one element long along the axis';
    throw new ShapeError({ where, argument: 'the tensor', rule, value: formatShape(this.shape) });
  }

  /** Ends the tensor and every view of the same memory. Calling it again does nothing. */
  dispose(): void {
    this.block.free();
  }

  /** A tensor computed from this one; none if this one has ended or memory runs out. */
  #make(shape: Shape, dtype: DType, fill: (out: Tensor) => void): Tensor {
    this.#alive();
    return attempt(() => {
      const out = empty(shape, dtype);
      fill(out);
      return out;
    });
  }

  /** The block, if it can be used. */
  #alive(): Block {
    if (!this.block.alive) {
      throw new RuntimeError({
        where: 'tensor',
        rule: `used after its end: ${this.dtype} tensor ${formatShape(this.shape)}`,
        hint: 'it was disposed, its scope ended, or the next training step took its place; clone() what must last',
      });
    }
    if (this.block.heap !== heap()) {
      throw new RuntimeError({
        where: 'tensor',
        rule: `of another runtime: ${this.dtype} tensor ${formatShape(this.shape)}`,
        hint: 'init() was called again after it was made',
      });
    }
    return this.block;
  }

  toString(): string {
    const state = this.block.alive ? '' : ', disposed';
    return `Tensor(${formatShape(this.shape)}, ${this.dtype}${state})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** `using t = tensor(…)` in hosts that have it. Symbol.dispose is made up where it is missing, as its proposal says. */
const disposeSymbol: symbol = (Symbol as { dispose?: symbol }).dispose ?? Symbol.for('Symbol.dispose');
Object.defineProperty(Tensor.prototype, disposeSymbol, {
  value(this: Tensor) {
    this.dispose();
  },
});

/** Row indices or labels, in any form. */
export type Indices = Tensor | ArrayLike<number>;

/** Elements between neighbours along each axis of a row-major shape. */
function strides(shape: Shape): number[] {
  const result: number[] = [];
  let step = 1;
  for (const n of [...shape].reverse()) {
    result.unshift(step);
    step *= n;
  }
  return result;
}

/** Copies through the four-axis kernel; more axes are walked outside it. */
function permute(y: kernels.Operand, x: kernels.Operand, shape: Shape, steps: readonly number[]): void {
  if (shape.length <= 4) {
    const missing = 4 - shape.length;
    kernels.permute(y, x, [...Array(missing).fill(1), ...shape], [...Array(missing).fill(0), ...steps]);
    return;
  }
  const [n, ...rest] = shape as [number, ...number[]];
  const [step, ...others] = steps as [number, ...number[]];
  const size = sizeOf(rest);
  for (let i = 0; i < n; i++) {
    permute(kernels.slice(y, i * size, size), kernels.slice(x, i * step, x.size - i * step), rest, others);
  }
}

/** The only element; the tensor ends. */
function take1(t: Tensor): number {
  const value = t.data[0] as number;
  t.dispose();
  return value;
}

/**
 * Whole numbers in [0, below) as an int32 tensor without axes but one: the tensor itself if it is one already, else a
 * new one in the current scope or plan. The first number that does not fit is named.
 */
export function checkIndices(where: string, argument: string, indices: Indices, below: number): Tensor {
  const given = isTensor(indices) ? indices.data : indices;
  if (given === null || typeof given !== 'object' || typeof given.length !== 'number') {
    throw new ShapeError({ where, argument, rule: 'a tensor or array of whole numbers', value: describe(indices) });
  }
  for (let i = 0; i < given.length; i++) {
    const value = given[i] as number;
    if (Number.isInteger(value) && value >= 0 && value < below) continue;
    throw new ValueError({
      where,
      argument,
      rule: `whole numbers in [0, ${below})`,
      value: `${describe(value)} at ${i}`,
    });
  }
  if (isTensor(indices) && indices.dtype === 'int32') return indices;
  const copy = empty([given.length], 'int32');
  copy.data.set(given);
  return copy;
}

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** Uninitialised tensor in the current scope or plan. */
export function empty(shape: Shape, dtype: DType): Tensor {
  const bytes = sizeOf(shape) * BYTES[dtype];
  const plan = activePlan();
  if (plan) return plan.take(dtype, shape, bytes, (block) => new Tensor(block, dtype, shape));
  return new Tensor(allocate(bytes, 'tensor'), dtype, shape);
}

/** Shape of nested arrays; they must not be ragged. */
function nestedShape(values: Nested): number[] {
  const shape: number[] = [];
  for (let level: Nested = values; Array.isArray(level); level = level[0] as Nested) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  return shape;
}

function flatten(values: Nested, shape: Shape, axis: number, into: number[]): void {
  if (axis === shape.length) {
    if (typeof values !== 'number') {
      const value = Array.isArray(values) ? 'an array among numbers' : describe(values);
      throw new ShapeError({
        where: 'tensor',
        argument: 'values',
        rule: 'nested arrays of numbers of equal lengths',
        value,
      });
    }
    into.push(values);
    return;
  }
  if (!Array.isArray(values) || values.length !== shape[axis]) {
    const value = Array.isArray(values)
      ? `a row of ${values.length} where ${shape[axis]} stand before it`
      : describe(values);
    throw new ShapeError({
      where: 'tensor',
      argument: 'values',
      rule: 'nested arrays of numbers of equal lengths',
      value,
    });
  }
  for (const item of values) flatten(item as Nested, shape, axis + 1, into);
}

type NumberArray = TypedArray | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Uint8ClampedArray;

function isNumberArray(values: unknown): values is NumberArray {
  const isList = ArrayBuffer.isView(values) && !(values instanceof DataView);
  return isList && !(values instanceof BigInt64Array || values instanceof BigUint64Array);
}

/**
 * Tensor from nested arrays or a typed array (copied). dtype: that of a Float32Array, Float64Array or Int32Array, else
 * the default type.
 */
export function tensor(
  values: Nested | NumberArray | Tensor,
  options: { shape?: readonly number[]; dtype?: DType } = {},
): Tensor {
  if (isTensor(values)) {
    const copy = tensor(values.data, { shape: values.shape, ...options });
    return copy;
  }
  checkOptions('tensor', options, ['shape', 'dtype']);
  const isTyped = isNumberArray(values);
  if (!isTyped && !Array.isArray(values) && typeof values !== 'number') {
    throw new ShapeError({
      where: 'tensor',
      argument: 'values',
      rule: 'numbers or arrays of numbers',
      value: describe(values),
    });
  }
  const dtype = options.dtype === undefined ? impliedDType(values) : checkDType('tensor', options.dtype);
  let flat: ArrayLike<number> = values as NumberArray;
  let found: number[] = [];
  if (isTyped) {
    found = [(values as NumberArray).length];
  } else {
    found = nestedShape(values as Nested);
    const list: number[] = [];
    flatten(values as Nested, found, 0, list);
    flat = list;
  }
  const shape = options.shape === undefined ? found : checkShape('tensor', options.shape);
  if (sizeOf(shape) !== flat.length) {
    const rule = `a shape of ${flat.length} elements`;
    throw new ShapeError({ where: 'tensor', argument: 'shape', rule, value: formatShape(shape) });
  }
  const made = empty(shape, dtype);
  made.data.set(flat);
  return made;
}

function impliedDType(values: unknown): DType {
  if (values instanceof Float64Array) return 'float64';
  if (values instanceof Float32Array) return 'float32';
  if (values instanceof Int32Array) return 'int32';
  return defaultDType;
}

export interface TensorOptions {
  dtype?: DType;
}

function uniform(where: string, shape: unknown, value: number, options: TensorOptions): Tensor {
  checkOptions(where, options, ['dtype']);
  const checked = checkShape(where, shape);
  const made = empty(checked, checkDType(where, options.dtype ?? defaultDType));
  made.data.fill(value);
  return made;
}

export function full(shape: number | readonly number[], value: number, options: TensorOptions = {}): Tensor {
  if (typeof value !== 'number') {
    throw new ValueError({ where: 'full', argument: 'value', rule: 'a number', value: describe(value) });
  }
  return uniform('full', shape, value, options);
}

export function zeros(shape: number | readonly number[], options: TensorOptions = {}): Tensor {
  return uniform('zeros', shape, 0, options);
}

export function ones(shape: number | readonly number[], options: TensorOptions = {}): Tensor {
  return uniform('ones', shape, 1, options);
}

/**
 * start, start + step, … below stop; one argument counts from 0. dtype: int32 when all are integers, else the default. As
 * NumPy does it, all steps are that from start to start + step, rounding included.
 */
export function arange(...range: (number | TensorOptions)[]): Tensor {
  const options = (typeof range.at(-1) === 'object' ? range.pop() : {}) as TensorOptions;
  checkOptions('arange', options, ['dtype']);
  const numbers = range as number[];
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  const bounds = [start, stop, step] as [number, number, number];
  if (!bounds.every((n) => Number.isFinite(n)) || step === 0) {
    throw new ValueError({
      where: 'arange',
      argument: 'start, stop, step',
      rule: 'finite, step not 0',
      value: describe(numbers),
    });
  }
  const dtype = options.dtype ?? (bounds.every(Number.isInteger) ? 'int32' : defaultDType);
  const length = Math.max(0, Math.ceil((bounds[1] - bounds[0]) / bounds[2]));
  const made = empty([length], checkDType('arange', dtype));
  const { data } = made;
  const delta = bounds[0] + bounds[2] - bounds[0];
  for (let i = 0; i < length; i++) data[i] = bounds[0] + i * delta;
  return made;
}

/** num evenly spaced numbers from start to stop, both included, as NumPy computes them: i * step + start. */
export function linspace(start: number, stop: number, num = 50, options: TensorOptions = {}): Tensor {
  checkOptions('linspace', options, ['dtype']);
  if (!Number.isInteger(num) || num < 0) {
    throw new ValueError({ where: 'linspace', argument: 'num', rule: 'an integer >= 0', value: describe(num) });
  }
  const made = empty([num], checkDType('linspace', options.dtype ?? defaultDType));
  const { data } = made;
  const step = (stop - start) / Math.max(1, num - 1);
  for (let i = 0; i < num; i++) data[i] = i * step + start;
  if (num > 1) data[num - 1] = stop;
  return made;
}
