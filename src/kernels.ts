/**
 * One typed function per kernel: picks the element type, splits the work over the threads, calls wasm. The only caller
 * of wasm exports. Checks nothing: shapes and types were checked by whoever calls.
 */
import { heap } from './memory.js';
import { current, type NumberedKernel } from './runtime/index.js';

/** What a kernel needs to know of a tensor. */
export interface Operand {
  readonly address: number;
  readonly dtype: 'float32' | 'float64' | 'int32';
  readonly size: number;
  readonly shape: readonly number[];
}

type Suffix = 'F32' | 'F64' | 'I32' | '32' | '64' | '';

const SUFFIX = { float32: 'F32', float64: 'F64', int32: 'I32' } as const;

/** Work below this many elementary operations stays on one thread: handing it over costs some microseconds. */
const WORTH_SHARING = 50_000;

/** Outputs of elementwise kernels go to threads in whole cache lines. */
export const LINE = 16;

/** What a kernel is called with: for a tensor its address, 0 for none; for a switch 0 or 1. */
type Argument = Operand | number | boolean | undefined;

function numbers(args: readonly Argument[]): number[] {
  return args.map((a) => (typeof a === 'number' ? a : typeof a === 'object' ? a.address : Number(a ?? 0)));
}

/** A kernel by its name and element type: a suffix, or that of an operand. */
function kernel(name: string, type: Operand | Suffix): NumberedKernel {
  const full = name + (typeof type === 'string' ? type : SUFFIX[type.dtype]);
  const numbered = current().kernels.get(full);
  if (!numbered) throw new TypeError(`no kernel ${full}`);
  return numbered;
}

/** Calls a kernel whose work is not split. */
export function call(name: string, type: Operand | Suffix, ...args: Argument[]): number {
  return kernel(name, type).call(...numbers(args));
}

/**
 * Runs a range kernel over outputs [0, extent): on all threads if there are several and `cost` elementary operations
 * are worth it, in pieces of whole `grain`s.
 */
export function launch(
  name: string,
  type: Operand | Suffix,
  extent: number,
  grain: number,
  cost: number,
  ...args: Argument[]
): void {
  const { pool } = current();
  const { call, index } = kernel(name, type);
  if (pool && cost >= WORTH_SHARING && extent > grain) pool.run(call, index, numbers(args), extent, grain);
  else call(...numbers(args), 0, extent, 0);
}

/** Runs a kernel over the elements of its output y, its first argument; cost: of one element. */
function each(name: string, cost: number, y: Operand, ...args: Argument[]): void {
  launch(name, y, y.size, LINE, cost * y.size, y, ...args);
}

/** Bytes of one element. */
export function itemBytes({ dtype }: Operand): number {
  return dtype === 'float64' ? 8 : 4;
}

// Matrix product

export interface GemmOptions {
  /** Use A or B transposed: they are then stored as (K, M) and (N, K). */
  transA?: boolean;
  transB?: boolean;
  /** (N) added to every row. */
  bias?: Operand | undefined;
  /** max(0, .) at the end. */
  relu?: boolean;
  /** Add to C instead of overwriting it. */
  accumulate?: boolean;
}

/** Packed operands are kept below this many bytes by cutting them into slabs. */
export const PACKED_LIMIT = 32 * 2 ** 20;

/** Depth and columns of a block of the product, and rows of a tile, as in assembly/blocks.ts. */
const BLOCK_DEPTH = 256;
const BLOCK_COLUMNS = 512;
const TILE_ROWS = 4;

/**
 * With so few rows threads take columns: a second packing of A is then cheaper than a copy of all of B. (50 x 8192 by 8192 x
 * 500 on two threads: 1.5 times as fast.)
 */
const FEW_ROWS = 256;

/** C (M, N) = A (M, K) B (K, N) + bias, through max(0, .) if asked. */
export function gemm(
  C: Operand,
  A: Operand,
  B: Operand,
  M: number,
  N: number,
  K: number,
  options: GemmOptions = {},
): void {
  const { transA = false, transB = false, bias, relu = false, accumulate = false } = options;
  if (M === 0 || N === 0) return;
  if (K === 0) {
    // The kernel has no block that could store C, so one row of zeros stands for the empty sum.
    emptyProduct(C, M, N, bias, relu, accumulate);
    return;
  }
  const bytes = itemBytes(C);
  const flags = (accumulate ? 1 : 0) | (relu ? 2 : 0);
  const [rsA, csA] = transA ? [1, M] : [K, 1];
  const [rsB, csB] = transB ? [1, K] : [N, 1];
  const biasAddress = bias?.address ?? 0;
  const { pool, threads } = current();
  if (!pool || M * N * K < 4 * WORTH_SHARING) {
    const scratch = heap().scratch('gemm', call('gemmScratchBytes', ''));
    call('gemm', C, C, A, B, bias, M, N, K, rsA, csA, rsB, csB, N, flags, scratch);
    return;
  }
  const panel = 32 / bytes;
  if (M <= FEW_ROWS && N >= 2 * threads * panel) {
    const columns = Math.min(BLOCK_COLUMNS, Math.ceil(N / threads / panel) * panel);
    const size = call('threadScratchBytes', '') + Math.min(K, BLOCK_DEPTH) * columns * bytes;
    const scratch = heap().scratch('gemm columns', size * threads);
    const args = [M, N, K, rsA, csA, rsB, csB, N, flags, columns, scratch, size];
    launch('gemmColumns', C, Math.ceil(N / columns), 1, M * N * K, C, A, B, bias, ...args);
    return;
  }
  // B is packed by all threads, then all take rows. Slabs of N keep the packed copy small.
  const slab = Math.max(BLOCK_COLUMNS, Math.floor(PACKED_LIMIT / bytes / K / BLOCK_COLUMNS) * BLOCK_COLUMNS);
  const rowBytes = call('threadScratchBytes', '');
  for (let j = 0; j < N; j += slab) {
    const n = Math.min(slab, N - j);
    const packed = packColumns(B, j, n, K, rsB, csB);
    const units = Math.ceil(M / TILE_ROWS) * Math.ceil(n / BLOCK_COLUMNS);
    const to = C.address + j * bytes;
    const biasFrom = biasAddress === 0 ? 0 : biasAddress + j * bytes;
    const rows = heap().scratch('gemm rows', rowBytes * threads);
    launch('gemmRows', C, units, 1, M * n * K, to, A, packed, biasFrom, M, n, K, rsA, csA, N, flags, rows);
  }
}

/** Columns [j, j + n) of B (K, …) as the kernels read them, in scratch memory until the next call. */
function packColumns(B: Operand, j: number, n: number, K: number, rsB: number, csB: number): number {
  const bytes = itemBytes(B);
  const panel = 32 / bytes;
  const packed = heap().scratch('gemm packed', K * Math.ceil(n / panel) * panel * bytes);
  launch('gemmPack', B, Math.ceil(n / panel), 1, K * n, packed, B.address + j * csB * bytes, n, K, rsB, csB);
  return packed;
}

function emptyProduct(
  C: Operand,
  M: number,
  N: number,
  bias: Operand | undefined,
  relu: boolean,
  accumulate: boolean,
): void {
  if (!accumulate) fill(C, 0);
  if (bias) for (let i = 0; i < M; i++) binary(slice(C, i * N, N), slice(C, i * N, N), bias, 'add');
  if (relu) unary('relu', C, C);
}

/** `count` elements of x from element `from` on. */
export function slice(x: Operand, from: number, count: number): Operand {
  return { address: x.address + from * itemBytes(x), dtype: x.dtype, size: count, shape: [count] };
}

// Elementwise

const BINARY = { add: 0, sub: 1, mul: 2, div: 3, max: 4, addRelu: 5 } as const;
export type BinaryName = keyof typeof BINARY;

/** y = a op b, elementwise; an operand of size 1 stands for every element. */
export function binary(y: Operand, a: Operand, b: Operand, op: BinaryName): void {
  each('binary', 1, y, a, b, BINARY[op], a.size === y.size, b.size === y.size);
}

/** Elementary operations per element, for the decision whether to share the work; numbered as in assembly/elementwise.ts. */
const UNARY = { exp: 8, log: 10, sqrt: 2, relu: 1, sigmoid: 10, tanh: 12, swish: 10, leakyRelu: 1, scale: 1 } as const;
const UNARY_BACKWARD = { relu: 1, leakyRelu: 1, sigmoid: 1, tanh: 1, swish: 12 } as const;
export type UnaryName = keyof typeof UNARY;
export type ActivationName = keyof typeof UNARY_BACKWARD;
const UNARY_NAMES = Object.keys(UNARY);
const UNARY_BACKWARD_NAMES = Object.keys(UNARY_BACKWARD);

/** y = f(x), elementwise. parameter: slope of leakyRelu, factor of scale. */
export function unary(name: UnaryName, y: Operand, x: Operand, parameter = 0): void {
  each('unary', UNARY[name], y, x, UNARY_NAMES.indexOf(name), parameter);
}

/** dx from dout and what forward kept: its output for relu, sigmoid and tanh, its input for leakyRelu and swish. */
export function unaryBackward(name: ActivationName, dx: Operand, dout: Operand, kept: Operand, slope = 0): void {
  const op = UNARY_BACKWARD_NAMES.indexOf(name);
  each('unaryBackward', UNARY_BACKWARD[name], dx, dout, kept, op, slope);
}

/** y = x * (mask * factor) */
export function mask(y: Operand, x: Operand, m: Operand, factor: number): void {
  each('mask', 1, y, x, m, factor);
}

/** y = x + a * s */
export function axpy(y: Operand, x: Operand, s: Operand, a: number): void {
  each('axpy', 1, y, x, s, a);
}

/** m = 1 where the float64 draw u is below p, else 0. */
export function below(m: Operand, u: Operand, p: number): void {
  each('below', 1, m, u, p);
}

export function fill(y: Operand, value: number): void {
  if (y.dtype !== 'int32') each('fill', 1, y, value);
  else new Int32Array(heap().buffer as ArrayBuffer, y.address, y.size).fill(value);
}

/** Name of a kernel that reads one type and writes another: what it writes comes first. */
function into(name: string, y: Operand): string {
  return name + SUFFIX[y.dtype];
}

/** y = x in the type of y. Also plain copies. */
export function convert(y: Operand, x: Operand): void {
  if (y.dtype === x.dtype) {
    const bytes = y.size * itemBytes(y);
    new Uint8Array(heap().buffer as ArrayBuffer).copyWithin(y.address, x.address, x.address + bytes);
    return;
  }
  launch(into('convert', y), x, y.size, LINE, y.size, y, x);
}

/** Row i of y = row index[i] of x, in the type of y. Indices are valid. */
export function gather(y: Operand, x: Operand, index: Operand): void {
  const rows = index.size;
  if (rows === 0 || y.size === 0) return;
  const width = y.size / rows;
  launch(into('gather', y), x, rows, 1, y.size, y, x, index, width);
}

/** y = x with its axes in another order; shape and strides (elements) of four axes of y. */
export function permute(y: Operand, x: Operand, shape: readonly number[], strides: readonly number[]): void {
  const suffix = y.dtype === 'float64' ? '64' : '32';
  const [n0, n1, n2, n3] = shape as [number, number, number, number];
  const [s0, s1, s2, s3] = strides as [number, number, number, number];
  launch('permute', suffix, n0, 1, y.size, y, x, n1, n2, n3, s0, s1, s2, s3);
}

// Reductions

const REDUCE = { sum: 0, max: 1, min: 2, squares: 3 } as const;

/** Reductions within one type carry its name once. */
function reducing(name: string, y: Operand, x: Operand): string {
  return y.dtype === x.dtype ? name : into(name, y);
}

/**
 * y over the middle axis of x seen as (outer, n, inner); sums are multiplied by factor. n >= 1. y: the type of x, or
 * float64.
 */
export function reduce(y: Operand, x: Operand, op: keyof typeof REDUCE, n: number, inner: number, factor = 1): void {
  launch(reducing('reduce', y, x), x, y.size, 1, x.size, y, x, REDUCE[op], factor, n, inner);
}

/** Sum of (x - mean)^2 over the middle axis, times factor. mean: of the type of y. */
export function reduceDeviations(
  y: Operand,
  x: Operand,
  mean: Operand,
  n: number,
  inner: number,
  factor: number,
): void {
  launch(reducing('reduceDeviations', y, x), x, y.size, 1, x.size, y, x, mean, factor, n, inner);
}

/** int32 y: first position of the largest (sign 1) or smallest (sign -1) element along the middle axis. */
export function argmax(y: Operand, x: Operand, n: number, inner: number, sign: 1 | -1 = 1): void {
  launch('argmax', x, y.size, 1, x.size, y, x, sign, n, inner);
}

/** y (D) = sum over the rows of x (N, D). */
export function columnSums(y: Operand, x: Operand): void {
  const D = y.size;
  if (D > 0) launch('columnSums', x, D, LINE, x.size, y, x, x.size / D, D);
}

/** y (D) = sum over the rows of a * b, both (N, D). */
export function columnDots(y: Operand, a: Operand, b: Operand): void {
  const D = y.size;
  if (D > 0) launch('columnDots', a, D, LINE, a.size, y, a, b, a.size / D, D);
}

/** Elements per partial sum of decay and norm, as in assembly/reduce.ts. */
const CHUNK = 4096;

/** Float64 elements of scratch that decay needs for w. */
export function decayPartials(w: Operand): number {
  return Math.ceil(w.size / CHUNK);
}

/** dw += reg * w (dw may be left out) and the sum of w^2. partials: float64, decayPartials(w) elements. */
export function decay(dw: Operand | undefined, w: Operand, reg: number, partials: Operand): number {
  const chunks = decayPartials(w);
  launch('decay', w, chunks, 1, w.size, dw, partials, w, reg, w.size);
  return sumF64(partials, chunks);
}

/** The L2 norm of all operands together, summed in float64. */
export function norm(operands: readonly Operand[]): number {
  let chunks = 0;
  for (const x of operands) chunks += Math.ceil(x.size / CHUNK);
  if (chunks === 0) return 0;
  const partials = heap().scratch('squares', 8 * chunks);
  let at = partials;
  for (const x of operands) {
    const count = Math.ceil(x.size / CHUNK);
    launch('squares', x, count, 1, x.size, at, x, x.size);
    at += 8 * count;
  }
  return Math.sqrt(call('sumF64', '', partials, chunks));
}

/** Whether all elements of all operands are finite. One pass over the memory. */
export function finite(operands: readonly Operand[]): boolean {
  let chunks = 0;
  for (const x of operands) chunks += Math.ceil(x.size / CHUNK);
  if (chunks === 0) return true;
  const partials = heap().scratch('squares', 8 * chunks);
  let at = partials;
  for (const x of operands) {
    const count = Math.ceil(x.size / CHUNK);
    // Read once, at the speed of the memory: only large ones are worth waking somebody.
    launch('vanishing', x, count, 1, x.size / 16, at, x, x.size);
    at += 8 * count;
  }
  return call('sumF64', '', partials, chunks) === 0;
}

/** Sum of the first n elements of a float64 operand, in order. */
export function sumF64(x: Operand, n: number = x.size): number {
  return call('sumF64', '', x, n);
}

// Normalisation

export interface BatchnormOperands {
  out: Operand;
  xhat: Operand;
  invStd: Operand;
  runningMean: Operand;
  runningVar: Operand;
  x: Operand;
  gamma: Operand;
  beta: Operand;
}

/** x (N, D); the running averages are updated in place. */
export function batchnormTrain(o: BatchnormOperands, N: number, D: number, eps: number, momentum: number): void {
  const mean = heap().scratch('norm means', D * itemBytes(o.x));
  const operands = [o.out, o.xhat, o.invStd, o.runningMean, o.runningVar, o.x, o.gamma, o.beta, mean];
  launch('batchnormTrain', o.x, D, LINE, 4 * N * D, ...operands, eps, momentum, N, D);
}

/** x (N, D), normalised with the running averages. */
export function batchnormTest(o: BatchnormOperands, N: number, D: number, eps: number): void {
  const operands = [o.out, o.xhat, o.invStd, o.x, o.gamma, o.beta, o.runningMean, o.runningVar];
  launch('batchnormTest', o.x, D, LINE, 2 * N * D, ...operands, eps, N, D);
}

export interface NormGradients {
  dx: Operand;
  dgamma: Operand;
  dbeta: Operand;
  dout: Operand;
  xhat: Operand;
  invStd: Operand;
  gamma: Operand;
}

/** The three ways back through batch normalisation: one formula, step by step, and test mode. */
export function batchnormBackward(
  way: 'batchnormBackward' | 'batchnormBackwardSteps' | 'batchnormBackwardTest',
  o: NormGradients,
  N: number,
  D: number,
): void {
  const operands = [o.dx, o.dgamma, o.dbeta, o.dout, o.xhat, o.invStd, o.gamma];
  launch(way, o.dx, D, LINE, 4 * N * D, ...operands, N, D);
}

/** x (N, D), every row by itself. */
export function layernormForward(
  o: Pick<BatchnormOperands, 'out' | 'xhat' | 'invStd' | 'x' | 'gamma' | 'beta'>,
  N: number,
  D: number,
  eps: number,
): void {
  launch('layernormForward', o.x, N, 1, 4 * N * D, o.out, o.xhat, o.invStd, o.x, o.gamma, o.beta, eps, D);
}

export function layernormBackward(o: NormGradients, N: number, D: number): void {
  launch('layernormBackward', o.dx, N, 1, 4 * N * D, o.dx, o.dout, o.xhat, o.invStd, o.gamma, D);
  columnDots(o.dgamma, o.dout, o.xhat);
  columnSums(o.dbeta, o.dout);
}

// Losses

/** Row losses (N, float64) and dx, both for x (N, C) and labels y (int32). */
export function softmaxLoss(losses: Operand, dx: Operand, x: Operand, y: Operand, smoothing: number): void {
  launch('softmaxLoss', x, y.size, 1, 10 * x.size, losses, dx, x, y, smoothing, y.size, x.size / y.size);
}

export function svmLoss(losses: Operand, dx: Operand, x: Operand, y: Operand, delta: number): void {
  launch('svmLoss', x, y.size, 1, 4 * x.size, losses, dx, x, y, delta, y.size, x.size / y.size);
}

// Update rules, in place on w

/** The gradient xᵀ dout + reg w of weights w (D, M), not computed yet. x (N, D), dout (N, M). */
export interface ProductGradient {
  readonly x: Operand;
  readonly dout: Operand;
  readonly reg: number;
}

export type Gradient = Operand | ProductGradient;

/** Elementary operations per element, numbered as in assembly/update.ts. */
const RULES = { sgd: 1, momentum: 2, rmsprop: 4, adam: 6 } as const;
const RULE_NAMES = Object.keys(RULES);
const MOST_NUMBERS = 7;

/** Elements of a gradient that are computed and used at a time: a part of the second-level cache. A 16th of it is 3 % slower. */
const STRIP = 2 ** 16;

function update(
  name: keyof typeof RULES,
  w: Operand,
  dw: Gradient,
  state: readonly Operand[],
  ...settings: readonly (number | boolean)[]
): void {
  if (!('dout' in dw)) {
    each(name, RULES[name], w, dw, ...state, ...settings);
    return;
  }
  const { x, dout, reg } = dw;
  const [D, M] = w.shape as [number, number];
  const N = dout.size / M;
  const bytes = itemBytes(w);
  const packed = packColumns(dout, 0, M, N, M, 1);
  const rows = TILE_ROWS * Math.max(1, Math.floor(STRIP / M / TILE_ROWS));
  const size = Math.ceil((rows * M * bytes) / 64) * 64 + call('threadScratchBytes', '');
  const scratch = heap().scratch('update', size * current().threads);
  const all = [...settings, ...Array(MOST_NUMBERS - settings.length).fill(0)];
  const args = [D, M, N, reg, rows, scratch, size, ...all];
  const rule = RULE_NAMES.indexOf(name);
  launch('updateByProduct', w, Math.ceil(D / rows), 1, D * M * N, rule, w, x, packed, state[0], state[1], ...args);
}

export function sgd(w: Operand, dw: Gradient, rate: number): void {
  update('sgd', w, dw, [], rate);
}

export function momentum(
  w: Operand,
  dw: Gradient,
  velocity: Operand,
  rate: number,
  mu: number,
  nesterov: boolean,
): void {
  update('momentum', w, dw, [velocity], rate, mu, nesterov);
}

export interface RmspropNumbers {
  rate: number;
  keep: number;
  take: number;
  eps: number;
  /** eps goes into the root instead of behind it. */
  inside?: boolean;
}

/** cache = keep cache + take dw^2; w -= rate dw / (sqrt(cache) + eps): RMSProp, and AdaGrad with keep = take = 1. */
export function rmsprop(w: Operand, dw: Gradient, cached: Operand, n: RmspropNumbers): void {
  update('rmsprop', w, dw, [cached], n.rate, n.keep, n.take, n.eps, n.inside ?? false);
}

export interface AdamNumbers {
  rate: number;
  beta1: number;
  beta2: number;
  eps: number;
  /** 1 - beta^t */
  correction1: number;
  correction2: number;
  /** Factor on w before the step: 1, or 1 - rate * weightDecay for AdamW. */
  shrink: number;
}

export function adam(w: Operand, dw: Gradient, m: Operand, v: Operand, n: AdamNumbers): void {
  update('adam', w, dw, [m, v], n.rate, n.beta1, n.beta2, n.eps, n.correction1, n.correction2, n.shrink);
}

// Random draws, never split: a stream is one sequence. block: address of a stream's state, see assembly/random.ts

/** Writes the table that normals need into the block; once per runtime. */
export function randomPrepare(block: number): void {
  call('randomPrepare', '', block);
}

/** out = low + range * u, u in [0, 1); float32 or float64. */
export function randomUniform(out: Operand, block: number, low: number, range: number): void {
  call('randomUniform', out, out, block, low, range, out.size);
}

/** out = loc + scale * g, g standard normal; float32 or float64. */
export function randomNormal(out: Operand, block: number, loc: number, scale: number): void {
  call('randomNormal', out, out, block, loc, scale, out.size);
}

/** out in [low, high), drawn in pieces of 16, 8 or 1 bits, or in whole words with bits 0; int32 or float64. */
export function randomIntegers(out: Operand, block: number, low: number, high: number, bits: number): void {
  call('randomIntegers', out, out, block, low, high, bits, out.size);
}

/** Shuffles the n rows of x in place. */
export function randomShuffle(x: Operand, block: number, rowBytes: number, n: number): void {
  call('randomShuffle', '', x, block, rowBytes, n);
}

/** int32 out = 0, 1, … in random order. */
export function randomPermutation(out: Operand, block: number): void {
  call('randomPermutation', '', out, block, out.size);
}

// Data

/** Pixels of an image of data sets, and how many of them a unit of work of byteSums covers. */
const IMAGE = 3 * 32 * 32;
const SUM_UNIT = 64;
/** Images in a block of widenImages, as in assembly/data.ts. */
export const IMAGE_BLOCK = 128;

/** sums (3072, 32 bits unsigned) of the bytes of all images of x (N, ...), which are still bytes. */
export function byteSums(sums: Operand, x: Operand, N: number): void {
  launch('byteSums', '', IMAGE / SUM_UNIT, 1, x.size / 8, sums, x, itemBytes(x), N);
}

/** Bytes of the images of x (N, ...) become numbers, less mean (3072), the three colours of a pixel side by side if asked. */
export function widenImages(x: Operand, mean: Operand, N: number, colorsLast: boolean): void {
  const scratch = heap().scratch('images', IMAGE * current().threads);
  launch('widenImages', x, Math.ceil(N / IMAGE_BLOCK), 1, x.size, x, mean, scratch, N, colorsLast);
}
