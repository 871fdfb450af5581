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

export const SUFFIX = { float32: 'F32', float64: 'F64', int32: 'I32' } as const;

/** Work below this many elementary operations stays on one thread: handing it over costs some microseconds. */
const WORTH_SHARING = 50_000;

/** Outputs of elementwise kernels go to threads in whole cache lines. */
const LINE = 16;

/** A kernel by its name and element type, for calls that are not split. */
export function kernel(name: string, suffix: Suffix): NumberedKernel {
  const numbered = current().kernels.get(name + suffix);
  if (!numbered) throw new TypeError(`no kernel ${name}${suffix}`);
  return numbered;
}

/**
 * Runs a range kernel over outputs [0, extent): on all threads if there are several and `cost` elementary operations
 * are worth it, in pieces of whole `grain`s.
 */
export function launch(
  name: string,
  suffix: Suffix,
  extent: number,
  grain: number,
  cost: number,
  ...args: number[]
): void {
  const { pool } = current();
  const { call, index } = kernel(name, suffix);
  if (pool && cost >= WORTH_SHARING && extent > grain) pool.run(call, index, args, extent, grain);
  else call(...args, 0, extent, 0);
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

/** Packed B is kept below this many bytes by cutting N into slabs. */
const PACKED_LIMIT = 32 * 2 ** 20;

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
  const suffix = SUFFIX[C.dtype];
  const bytes = C.dtype === 'float64' ? 8 : 4;
  const flags = (accumulate ? 1 : 0) | (relu ? 2 : 0);
  const [rsA, csA] = transA ? [1, M] : [K, 1];
  const [rsB, csB] = transB ? [1, K] : [N, 1];
  const biasAddress = bias?.address ?? 0;
  const { pool, threads } = current();
  const size = (name: string) => kernel(name, '').call();
  if (!pool || M * N * K < 4 * WORTH_SHARING) {
    const scratch = heap().scratch('gemm', size('gemmScratchBytes') + size('threadScratchBytes'));
    const { call } = kernel('gemm', suffix);
    call(C.address, A.address, B.address, biasAddress, M, N, K, rsA, csA, rsB, csB, N, flags, scratch);
    return;
  }
  // On several threads: B is packed by all of them, then all take rows. Slabs of N keep the packed copy small.
  const block = 512;
  const slab = Math.max(block, Math.floor(PACKED_LIMIT / bytes / K / block) * block);
  const panel = 32 / bytes;
  for (let j = 0; j < N; j += slab) {
    const n = Math.min(slab, N - j);
    const packed = heap().scratch('gemm packed', K * Math.ceil(n / panel) * panel * bytes);
    const from = B.address + j * csB * bytes;
    launch('gemmPack', suffix, Math.ceil(n / panel), 1, K * n, packed, from, n, K, rsB, csB);
    const units = Math.ceil(M / 4) * Math.ceil(n / block);
    const to = C.address + j * bytes;
    const biasFrom = biasAddress === 0 ? 0 : biasAddress + j * bytes;
    const rows = heap().scratch('gemm rows', size('threadScratchBytes') * threads);
    launch('gemmRows', suffix, units, 1, M * n * K, to, A.address, packed, biasFrom, M, n, K, rsA, csA, N, flags, rows);
  }
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
  const bytes = x.dtype === 'float64' ? 8 : 4;
  return { address: x.address + from * bytes, dtype: x.dtype, size: count, shape: [count] };
}

// Elementwise

const BINARY = { add: 0, sub: 1, mul: 2, div: 3, max: 4 } as const;
export type BinaryName = keyof typeof BINARY;

/** y = a op b, elementwise; an operand of size 1 stands for every element. */
export function binary(y: Operand, a: Operand, b: Operand, op: BinaryName): void {
  const sa = a.size === y.size ? 1 : 0;
  const sb = b.size === y.size ? 1 : 0;
  launch('binary', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, a.address, b.address, BINARY[op], sa, sb);
}

export type UnaryName = 'exp' | 'log' | 'sqrt' | 'relu' | 'sigmoid' | 'tanh' | 'swish';

/** Elementary operations per element, for the decision whether to share the work. */
const COST = { exp: 8, log: 10, sqrt: 2, relu: 1, sigmoid: 10, tanh: 12, swish: 10 } as const;

/** y = f(x), elementwise. */
export function unary(name: UnaryName, y: Operand, x: Operand): void {
  launch(name, SUFFIX[y.dtype], y.size, LINE, COST[name] * y.size, y.address, x.address);
}

export function leakyRelu(y: Operand, x: Operand, slope: number): void {
  launch('leakyRelu', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, x.address, slope);
}

/** y = factor * x */
export function scale(y: Operand, x: Operand, factor: number): void {
  launch('scale', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, x.address, factor);
}

export type UnaryBackwardName = 'reluBackward' | 'sigmoidBackward' | 'tanhBackward' | 'swishBackward';

/** dx from dout and what forward kept: its output for relu, sigmoid and tanh, its input for swish. */
export function unaryBackward(name: UnaryBackwardName, dx: Operand, dout: Operand, kept: Operand): void {
  const cost = name === 'swishBackward' ? 12 : 1;
  launch(name, SUFFIX[dx.dtype], dx.size, LINE, cost * dx.size, dx.address, dout.address, kept.address);
}

export function leakyReluBackward(dx: Operand, dout: Operand, x: Operand, slope: number): void {
  launch('leakyReluBackward', SUFFIX[dx.dtype], dx.size, LINE, dx.size, dx.address, dout.address, x.address, slope);
}

/** y = x * (mask * factor) */
export function mask(y: Operand, x: Operand, m: Operand, factor: number): void {
  launch('mask', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, x.address, m.address, factor);
}

/** y = x + a * s */
export function axpy(y: Operand, x: Operand, s: Operand, a: number): void {
  launch('axpy', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, x.address, s.address, a);
}

/** m = 1 where the float64 draw u is below p, else 0. */
export function below(m: Operand, u: Operand, p: number): void {
  launch('below', SUFFIX[m.dtype], m.size, LINE, m.size, m.address, u.address, p);
}

export function fill(y: Operand, value: number): void {
  if (y.dtype !== 'int32') launch('fill', SUFFIX[y.dtype], y.size, LINE, y.size, y.address, value);
  else new Int32Array(heap().buffer as ArrayBuffer, y.address, y.size).fill(value);
}

/** y = x in the type of y. Also plain copies. */
export function convert(y: Operand, x: Operand): void {
  if (y.dtype === x.dtype) {
    const bytes = y.size * (y.dtype === 'float64' ? 8 : 4);
    new Uint8Array(heap().buffer as ArrayBuffer).copyWithin(y.address, x.address, x.address + bytes);
    return;
  }
  const suffix = `${SUFFIX[y.dtype]}${SUFFIX[x.dtype]}` as Suffix;
  launch('convert', suffix, y.size, LINE, y.size, y.address, x.address);
}

/** Row i of y = row index[i] of x, in the type of y. Indices are valid. */
export function gather(y: Operand, x: Operand, index: Operand): void {
  const rows = index.size;
  if (rows === 0 || y.size === 0) return;
  const width = y.size / rows;
  const suffix = `${SUFFIX[y.dtype]}${SUFFIX[x.dtype]}` as Suffix;
  launch('gather', suffix, rows, 1, y.size, y.address, x.address, index.address, width);
}

/** y = x with its axes in another order; shape and strides (elements) of four axes of y. */
export function permute(y: Operand, x: Operand, shape: readonly number[], strides: readonly number[]): void {
  const suffix = y.dtype === 'float64' ? '64' : '32';
  const [n0, n1, n2, n3] = shape as [number, number, number, number];
  const [s0, s1, s2, s3] = strides as [number, number, number, number];
  launch('permute', suffix, n0, 1, y.size, y.address, x.address, n1, n2, n3, s0, s1, s2, s3);
}

// Reductions

const REDUCE = { sum: 0, max: 1, min: 2, squares: 3 } as const;

/** Of a kernel that gives type y of type x. */
function mixed(y: Operand, x: Operand): Suffix {
  return y.dtype === x.dtype ? SUFFIX[x.dtype] : (`${SUFFIX[y.dtype]}${SUFFIX[x.dtype]}` as Suffix);
}

/**
 * y over the middle axis of x seen as (outer, n, inner); sums are multiplied by factor. n >= 1. y: the type of x, or
 * float64.
 */
export function reduce(y: Operand, x: Operand, op: keyof typeof REDUCE, n: number, inner: number, factor = 1): void {
  launch('reduce', mixed(y, x), y.size, 1, x.size, y.address, x.address, REDUCE[op], factor, n, inner);
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
  const { address } = mean;
  launch('reduceDeviations', mixed(y, x), y.size, 1, x.size, y.address, x.address, address, factor, n, inner);
}

/** int32 y: first position of the largest (sign 1) or smallest (sign -1) element along the middle axis. */
export function argmax(y: Operand, x: Operand, n: number, inner: number, sign: 1 | -1 = 1): void {
  launch('argmax', SUFFIX[x.dtype], y.size, 1, x.size, y.address, x.address, sign, n, inner);
}

/** y (D) = sum over the rows of x (N, D). */
export function columnSums(y: Operand, x: Operand): void {
  const D = y.size;
  if (D > 0) launch('columnSums', SUFFIX[x.dtype], D, LINE, x.size, y.address, x.address, x.size / D, D);
}

/** y (D) = sum over the rows of a * b, both (N, D). */
export function columnDots(y: Operand, a: Operand, b: Operand): void {
  const D = y.size;
  if (D > 0) launch('columnDots', SUFFIX[a.dtype], D, LINE, a.size, y.address, a.address, b.address, a.size / D, D);
}

/** Elements per partial sum of decay, as in assembly/reduce.ts. */
const DECAY_CHUNK = 4096;

/** Float64 elements of scratch that decay needs for w. */
export function decayPartials(w: Operand): number {
  return Math.ceil(w.size / DECAY_CHUNK);
}

/** dw += reg * w (dw may be left out) and the sum of w^2. partials: float64, decayPartials(w) elements. */
export function decay(dw: Operand | undefined, w: Operand, reg: number, partials: Operand): number {
  const chunks = decayPartials(w);
  const dwAddress = dw?.address ?? 0;
  launch('decay', SUFFIX[w.dtype], chunks, 1, w.size, dwAddress, partials.address, w.address, reg, w.size);
  return sumF64(partials, chunks);
}

/** Sum of the first n elements of a float64 operand, in order. */
export function sumF64(x: Operand, n: number = x.size): number {
  return kernel('sumF64', '').call(x.address, n);
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
  const addresses = [o.out, o.xhat, o.invStd, o.runningMean, o.runningVar, o.x, o.gamma, o.beta].map((t) => t.address);
  launch('batchnormTrain', SUFFIX[o.x.dtype], D, LINE, 4 * N * D, ...addresses, eps, momentum, N, D);
}

/** x (N, D), normalised with the running averages. */
export function batchnormTest(o: BatchnormOperands, N: number, D: number, eps: number): void {
  const addresses = [o.out, o.xhat, o.invStd, o.x, o.gamma, o.beta, o.runningMean, o.runningVar].map((t) => t.address);
  launch('batchnormTest', SUFFIX[o.x.dtype], D, LINE, 2 * N * D, ...addresses, eps, N, D);
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
  const addresses = [o.dx, o.dgamma, o.dbeta, o.dout, o.xhat, o.invStd, o.gamma].map((t) => t.address);
  launch(way, SUFFIX[o.dx.dtype], D, LINE, 4 * N * D, ...addresses, N, D);
}

/** x (N, D), every row by itself. */
export function layernormForward(
  o: Pick<BatchnormOperands, 'out' | 'xhat' | 'invStd' | 'x' | 'gamma' | 'beta'>,
  N: number,
  D: number,
  eps: number,
): void {
  const addresses = [o.out, o.xhat, o.invStd, o.x, o.gamma, o.beta].map((t) => t.address);
  launch('layernormForward', SUFFIX[o.x.dtype], N, 1, 4 * N * D, ...addresses, eps, D);
}

export function layernormBackward(o: NormGradients, N: number, D: number): void {
  const addresses = [o.dx, o.dout, o.xhat, o.invStd, o.gamma].map((t) => t.address);
  launch('layernormBackward', SUFFIX[o.dx.dtype], N, 1, 4 * N * D, ...addresses, D);
  columnDots(o.dgamma, o.dout, o.xhat);
  columnSums(o.dbeta, o.dout);
}

// Losses

/** Row losses (N, float64) and dx, both for x (N, C) and labels y (int32). */
export function softmaxLoss(losses: Operand, dx: Operand, x: Operand, y: Operand, smoothing: number): void {
  const N = y.size;
  const C = x.size / N;
  const addresses = [losses, dx, x, y].map((t) => t.address);
  launch('softmaxLoss', SUFFIX[x.dtype], N, 1, 10 * x.size, ...addresses, smoothing, N, C);
}

export function svmLoss(losses: Operand, dx: Operand, x: Operand, y: Operand, delta: number): void {
  const N = y.size;
  const C = x.size / N;
  const addresses = [losses, dx, x, y].map((t) => t.address);
  launch('svmLoss', SUFFIX[x.dtype], N, 1, 4 * x.size, ...addresses, delta, N, C);
}

// Update rules, in place on w

export function sgd(w: Operand, dw: Operand, rate: number): void {
  launch('sgd', SUFFIX[w.dtype], w.size, LINE, w.size, w.address, dw.address, rate);
}

export function momentum(
  w: Operand,
  dw: Operand,
  velocity: Operand,
  rate: number,
  mu: number,
  nesterov: boolean,
): void {
  const addresses = [w, dw, velocity].map((t) => t.address);
  launch('momentum', SUFFIX[w.dtype], w.size, LINE, 2 * w.size, ...addresses, rate, mu, nesterov ? 1 : 0);
}

/** cache = keep cache + take dw^2; w -= rate dw / (sqrt(cache) + eps): RMSProp, and AdaGrad with keep = take = 1. */
export function rmsprop(
  w: Operand,
  dw: Operand,
  cached: Operand,
  { rate, keep, take, eps }: { rate: number; keep: number; take: number; eps: number },
): void {
  const addresses = [w, dw, cached].map((t) => t.address);
  launch('rmsprop', SUFFIX[w.dtype], w.size, LINE, 4 * w.size, ...addresses, rate, keep, take, eps);
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

export function adam(w: Operand, dw: Operand, m: Operand, v: Operand, n: AdamNumbers): void {
  const addresses = [w, dw, m, v].map((t) => t.address);
  const numbers = [n.rate, n.beta1, n.beta2, n.eps, n.correction1, n.correction2, n.shrink];
  launch('adam', SUFFIX[w.dtype], w.size, LINE, 6 * w.size, ...addresses, ...numbers);
}

// Random draws, never split: a stream is one sequence. block: address of a stream's state, see assembly/random.ts

/** Writes the table that normals need into the block; once per runtime. */
export function randomPrepare(block: number): void {
  kernel('randomPrepare', '').call(block);
}

/** out = low + range * u, u in [0, 1); float32 or float64. */
export function randomUniform(out: Operand, block: number, low: number, range: number): void {
  kernel('randomUniform', SUFFIX[out.dtype]).call(out.address, block, low, range, out.size);
}

/** out = loc + scale * g, g standard normal; float32 or float64. */
export function randomNormal(out: Operand, block: number, loc: number, scale: number): void {
  kernel('randomNormal', SUFFIX[out.dtype]).call(out.address, block, loc, scale, out.size);
}

/** out in [low, high), drawn in pieces of 16, 8 or 1 bits, or in whole words with bits 0; int32 or float64. */
export function randomIntegers(out: Operand, block: number, low: number, high: number, bits: number): void {
  kernel('randomIntegers', SUFFIX[out.dtype]).call(out.address, block, low, high, bits, out.size);
}

/** Shuffles the n rows of x in place. */
export function randomShuffle(x: Operand, block: number, rowBytes: number, n: number): void {
  kernel('randomShuffle', '').call(x.address, block, rowBytes, n);
}

/** int32 out = 0, 1, … in random order. */
export function randomPermutation(out: Operand, block: number): void {
  kernel('randomPermutation', '').call(out.address, block, out.size);
}

// Data

/** Pixels of an image of data sets, and how many of them a unit of work of byteSums covers. */
const IMAGE = 3 * 32 * 32;
const SUM_UNIT = 64;
/** Images in a block of widenImages, as in assembly/data.ts. */
export const IMAGE_BLOCK = 128;

/** sums (3072, 32 bits unsigned) of the bytes of all images of x (N, ...), which are still bytes. */
export function byteSums(sums: Operand, x: Operand, N: number): void {
  const itemBytes = x.dtype === 'float64' ? 8 : 4;
  launch('byteSums', '', IMAGE / SUM_UNIT, 1, x.size / 8, sums.address, x.address, itemBytes, N);
}

/** Bytes of the images of x (N, ...) become numbers, less mean (3072), the three colours of a pixel side by side if asked. */
export function widenImages(x: Operand, mean: Operand, N: number, colorsLast: boolean): void {
  const scratch = heap().scratch('images', IMAGE * current().threads);
  const numbers = [x.address, mean.address, scratch, N, colorsLast ? 1 : 0];
  launch('widenImages', SUFFIX[x.dtype], Math.ceil(N / IMAGE_BLOCK), 1, x.size, ...numbers);
}
