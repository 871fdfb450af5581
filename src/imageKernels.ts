/**
 * The kernels of convolution, pooling and spatial normalisation: as kernels.ts, for images (N, C, H, W). Which way a
 * convolution goes is decided here.
 */
import { gemm, kernel, launch, type Operand, slice, SUFFIX } from './kernels.js';
import { heap } from './memory.js';
import { current } from './runtime/index.js';

/** Sizes of a convolution. out (N, F, OH, OW). padTop and padLeft: zeros before the image. */
export interface ConvSizes {
  N: number;
  C: number;
  H: number;
  W: number;
  F: number;
  HH: number;
  WW: number;
  OH: number;
  OW: number;
  stride: number;
  padTop: number;
  padLeft: number;
}

/** Elementary operations of one direction. */
function costOf({ N, C, F, HH, WW, OH, OW }: ConvSizes): number {
  return N * C * F * HH * WW * OH * OW;
}

/** Writes the sizes where kernels read them; the order is that of assembly/conv.ts. */
function geometry(s: ConvSizes): number {
  const address = heap().scratch('geometry', 64);
  const sizes = [s.N, s.C, s.H, s.W, s.F, s.HH, s.WW, s.OH, s.OW, s.stride, s.padTop, s.padLeft];
  new Int32Array(heap().buffer as ArrayBuffer, address, sizes.length).set(sizes);
  return address;
}

/** Scratch of `bytes` for every thread. */
function threadScratch(name: string, bytes: number): number {
  return heap().scratch(name, bytes * current().threads);
}

/**
 * Whether Winograd's way pays: float32, 3x3 filters of stride 1, enough channels on both sides for the products to
 * outweigh the transforms, and images whose 4x4 tiles are not mostly border. Measured against the implicit product:
 * 1.2 times its speed at 16 channels, 2 at 128.
 */
function suitsWinograd({ C, F, HH, WW, OH, OW, stride, padTop, padLeft }: ConvSizes, x: Operand): boolean {
  const used = (OH * OW) / (16 * Math.ceil(OH / 4) * Math.ceil(OW / 4));
  const small = HH === 3 && WW === 3 && stride === 1 && padTop === padLeft && padTop <= 2;
  return x.dtype === 'float32' && small && Math.min(C, F) >= 16 && used >= 0.5;
}

/** out = w * x + b by plain loops. */
export function convForwardNaive(out: Operand, x: Operand, w: Operand, b: Operand, sizes: ConvSizes): void {
  const addresses = [out, x, w, b].map((t) => t.address);
  launch('convForwardNaive', SUFFIX[x.dtype], sizes.N, 1, costOf(sizes), ...addresses, geometry(sizes));
}

/** All three gradients by plain loops. */
export function convBackwardNaive(
  dx: Operand,
  dw: Operand,
  db: Operand,
  dout: Operand,
  x: Operand,
  w: Operand,
  sizes: ConvSizes,
): void {
  const addresses = [dx, dw, db, dout, x, w].map((t) => t.address);
  kernel('convBackwardNaive', SUFFIX[x.dtype]).call(...addresses, geometry(sizes));
}

/** exact: never Winograd's way, whose results differ in the last decimal digit or so. */
export interface ConvWay {
  relu?: boolean;
  exact?: boolean;
}

/** out = w * x + b (b may be left out), through max(0, .) if asked. */
export function convForward(
  out: Operand,
  x: Operand,
  w: Operand,
  b: Operand | undefined,
  sizes: ConvSizes,
  { relu = false, exact = false }: ConvWay = {},
): void {
  if (out.size === 0) return;
  if (!exact && suitsWinograd(sizes, x)) {
    winogradForward(out, x, w, b, sizes, relu, false);
    return;
  }
  implicitForward(out, x, w, b, sizes, relu);
}

function implicitForward(
  out: Operand,
  x: Operand,
  w: Operand | number,
  b: Operand | undefined,
  sizes: ConvSizes,
  relu: boolean,
): void {
  const suffix = SUFFIX[x.dtype];
  const at = geometry(sizes);
  const scratch = threadScratch('conv', kernel('convScratch', suffix).call(at));
  const filters = typeof w === 'number' ? w : w.address;
  const args = [out.address, x.address, filters, b?.address ?? 0, at, relu ? 2 : 0, scratch];
  launch('convForward', suffix, sizes.N, 1, costOf(sizes), ...args);
}

/** turned: w (F of x's side, C of out's side) is turned by 180 degrees, the way from dout back to dx. */
function winogradForward(
  out: Operand,
  x: Operand,
  w: Operand,
  b: Operand | undefined,
  s: ConvSizes,
  relu: boolean,
  turned: boolean,
): void {
  const U = heap().scratch('winograd filters', 36 * s.F * s.C * 4);
  const [rows, columns] = turned ? [s.C, s.F] : [s.F, s.C];
  launch('winogradFilters', '', s.F, 1, 100 * s.F * s.C, U, w.address, rows, columns, turned ? 1 : 0);
  const scratch = threadScratch('conv', kernel('winogradScratch', '').call(s.C, s.F, s.OW));
  const tileRows = s.N * Math.ceil(s.OH / 4);
  const perBlock = kernel('winogradRows', '').call(s.OW);
  const args = [out.address, x.address, U, b?.address ?? 0, s.C, s.H, s.W, s.F, s.OH, s.OW, s.padTop, relu ? 1 : 0];
  launch('winogradForward', '', tileRows, perBlock, costOf(s), ...args, scratch);
}

/** dx from dout and the filters. */
export function convInputGradient(dx: Operand, dout: Operand, w: Operand, s: ConvSizes, exact = false): void {
  const back: ConvSizes = {
    N: s.N,
    C: s.F,
    H: s.OH,
    W: s.OW,
    F: s.C,
    HH: s.HH,
    WW: s.WW,
    OH: s.H,
    OW: s.W,
    stride: 1,
    padTop: s.HH - 1 - s.padTop,
    padLeft: s.WW - 1 - s.padLeft,
  };
  const turns = s.stride === 1 && back.padTop >= 0 && back.padLeft >= 0;
  if (turns && !exact && suitsWinograd(back, dout)) {
    winogradForward(dx, dout, w, undefined, back, false, true);
  } else if (turns && s.C >= 8) {
    const suffix = SUFFIX[w.dtype];
    const flipped = heap().scratch('conv filters', w.size * (w.dtype === 'float64' ? 8 : 4));
    kernel('flipFilters', suffix).call(flipped, w.address, s.F, s.C, s.HH * s.WW);
    implicitForward(dx, dout, flipped, undefined, back, false);
  } else {
    scatterInputGradient(dx, dout, w, s);
  }
}

/**
 * dx by way of columns, image by image: for strides above 1, few channels or wide borders, where turning the
 * convolution round would mostly multiply zeros.
 */
function scatterInputGradient(dx: Operand, dout: Operand, w: Operand, s: ConvSizes): void {
  const suffix = SUFFIX[w.dtype];
  const K = s.C * s.HH * s.WW;
  const P = s.OH * s.OW;
  const bytes = w.dtype === 'float64' ? 8 : 4;
  const columns: Operand = { address: heap().scratch('conv columns', K * P * bytes), dtype: w.dtype, size: K * P, shape: [K, P] };
  for (let n = 0; n < s.N; n++) {
    gemm(columns, w, slice(dout, n * s.F * P, s.F * P), K, P, s.F, { transA: true });
    const image = slice(dx, n * s.C * s.H * s.W, s.C * s.H * s.W);
    kernel('scatterPatches', suffix).call(image.address, columns.address, geometry(s));
  }
}

/** Tiles of a block of the filter gradient: the depth of its products. */
const GRADIENT_TILES = 256;

/** dw from dout and the images. */
export function convWeightGradient(dw: Operand, dout: Operand, x: Operand, s: ConvSizes, exact = false): void {
  if (!exact && suitsWinograd(s, x)) {
    winogradWeightGradient(dw, dout, x, s);
    return;
  }
  const suffix = SUFFIX[x.dtype];
  const at = geometry(s);
  const scratch = threadScratch('conv', kernel('convScratch', suffix).call(at));
  const panels = Math.ceil((s.C * s.HH * s.WW) / (x.dtype === 'float64' ? 4 : 8));
  const args = [dw.address, dout.address, x.address, at, scratch];
  launch('convWeightGradient', suffix, panels, 1, costOf(s), ...args);
}

function winogradWeightGradient(dw: Operand, dout: Operand, x: Operand, s: ConvSizes): void {
  const { C, H, W, F, OH, OW } = s;
  const across = Math.ceil(OW / 4);
  const rows = Math.max(1, Math.floor(GRADIENT_TILES / across));
  const tileRows = s.N * Math.ceil(OH / 4);
  const most = 8 * Math.ceil((rows * across) / 8);
  const h = heap();
  const V = h.scratch('winograd images', 36 * C * most * 4);
  const dM = h.scratch('winograd gradients', 36 * F * most * 4);
  const dU = h.scratch('winograd filters', 36 * F * C * 4);
  const strips = threadScratch('conv', kernel('winogradPlanesScratch', '').call(OW, rows));
  const productBytes = kernel('gemmScratchBytes', '').call() + kernel('threadScratchBytes', '').call();
  const product = threadScratch('winograd products', productBytes);
  for (let row = 0; row < tileRows; row += rows) {
    const last = Math.min(tileRows, row + rows);
    const T = 8 * Math.ceil(((last - row) * across) / 8);
    const images = [x.address, dout.address, C, H, W, F, OH, OW, s.padTop, row, last, rows, strips];
    launch('winogradPlanes', '', C + F, 1, 40 * (C + F) * T, V, dM, ...images);
    const products = [dU, dM, V, C, F, T, row === 0 ? 1 : 0, product, productBytes];
    launch('winogradProducts', '', 36, 1, 36 * C * F * T, ...products);
  }
  launch('winogradFiltersBack', '', F, 1, 100 * F * C, dw.address, dU, F, C);
}

/** db (F) = the sum of dout over images and positions. */
export function convBiasGradient(db: Operand, dout: Operand, { N, F, OH, OW }: ConvSizes): void {
  launch('convBiasGradient', SUFFIX[dout.dtype], F, 1, dout.size, db.address, dout.address, N, F, OH * OW);
}

/** Sizes of pooling; planes = N C. */
export interface PoolSizes {
  planes: number;
  H: number;
  W: number;
  PH: number;
  PW: number;
  stride: number;
  OH: number;
  OW: number;
}

export type PoolForwardName = 'maxPoolForward' | 'maxPoolForwardNaive' | 'avgPoolForward';

export function poolForward(name: PoolForwardName, out: Operand, x: Operand, s: PoolSizes): void {
  const sizes = [s.H, s.W, s.PH, s.PW, s.stride, s.OH, s.OW];
  launch(name, SUFFIX[x.dtype], s.planes, 1, x.size, out.address, x.address, ...sizes);
}

/** x: the images, to find the maxima again. */
export function maxPoolBackward(
  name: 'maxPoolBackward' | 'maxPoolBackwardNaive',
  dx: Operand,
  dout: Operand,
  x: Operand,
  s: PoolSizes,
): void {
  const sizes = [s.H, s.W, s.PH, s.PW, s.stride, s.OH, s.OW];
  launch(name, SUFFIX[x.dtype], s.planes, 1, x.size, dx.address, dout.address, x.address, ...sizes);
}

export function avgPoolBackward(dx: Operand, dout: Operand, s: PoolSizes): void {
  const sizes = [s.H, s.W, s.PH, s.PW, s.stride, s.OH, s.OW];
  launch('avgPoolBackward', SUFFIX[dx.dtype], s.planes, 1, dx.size, dx.address, dout.address, ...sizes);
}

export interface SpatialNormOperands {
  out: Operand;
  mean: Operand;
  invStd: Operand;
  x: Operand;
  gamma: Operand;
  beta: Operand;
}

interface ImageSizes {
  N: number;
  C: number;
  /** H W */
  P: number;
}

/** Batch statistics; the running averages are updated in place. relu: fold max(0, .) in. */
export function spatialBatchnormTrain(
  o: SpatialNormOperands & { runningMean: Operand; runningVar: Operand },
  { N, C, P }: ImageSizes,
  eps: number,
  momentum: number,
  relu: boolean,
): void {
  const sums = heap().scratch('norm sums', 16 * C);
  const outputs = [o.out, o.mean, o.invStd, o.runningMean, o.runningVar].map((t) => t.address);
  const inputs = [o.x, o.gamma, o.beta].map((t) => t.address);
  const numbers = [eps, momentum, relu ? 1 : 0, sums, N, C, P];
  launch('spatialBatchnormTrain', SUFFIX[o.x.dtype], C, 1, 3 * o.x.size, ...outputs, ...inputs, ...numbers);
}

export function spatialBatchnormTest(
  o: SpatialNormOperands & { runningMean: Operand; runningVar: Operand },
  { N, C, P }: ImageSizes,
  eps: number,
  relu: boolean,
): void {
  const addresses = [o.out, o.mean, o.invStd, o.x, o.gamma, o.beta, o.runningMean, o.runningVar].map((t) => t.address);
  launch('spatialBatchnormTest', SUFFIX[o.x.dtype], C, 1, o.x.size, ...addresses, eps, relu ? 1 : 0, N, C, P);
}

export interface SpatialNormGradients {
  dx: Operand;
  dgamma: Operand;
  dbeta: Operand;
  dout: Operand;
  x: Operand;
  mean: Operand;
  invStd: Operand;
  gamma: Operand;
}

/** y: the output, if a ReLU was folded in. training: mean and variance were the batch's own. */
export function spatialBatchnormBackward(
  o: SpatialNormGradients,
  y: Operand | undefined,
  { N, C, P }: ImageSizes,
  training: boolean,
): void {
  const sums = heap().scratch('norm sums', 16 * C);
  const images = [o.dx, o.dgamma, o.dbeta, o.dout, o.x].map((t) => t.address);
  const channels = [o.mean, o.invStd, o.gamma].map((t) => t.address);
  const numbers = [training ? 1 : 0, sums, N, C, P];
  launch('spatialBatchnormBackward', SUFFIX[o.x.dtype], C, 1, 3 * o.x.size, ...images, y?.address ?? 0, ...channels, ...numbers);
}

export function groupnormForward(o: SpatialNormOperands, { N, C, P }: ImageSizes, G: number, eps: number): void {
  const sums = heap().scratch('norm sums', 32 * N * G);
  const addresses = [o.out, o.mean, o.invStd, o.x, o.gamma, o.beta].map((t) => t.address);
  launch('groupnormForward', SUFFIX[o.x.dtype], N * G, 1, 3 * o.x.size, ...addresses, eps, sums, C, P, G);
}

export function groupnormBackward(o: SpatialNormGradients, { N, C, P }: ImageSizes, G: number): void {
  const sums = heap().scratch('norm sums', Math.max(32 * N * G, 16 * C));
  const suffix = SUFFIX[o.x.dtype];
  const inputs = [o.dout, o.x, o.mean, o.invStd].map((t) => t.address);
  launch('groupnormBackward', suffix, N * G, 1, 3 * o.x.size, o.dx.address, ...inputs, o.gamma.address, sums, C, P, G);
  const gradients = [o.dgamma.address, o.dbeta.address];
  launch('groupnormScaleGradients', suffix, C, 1, 2 * o.x.size, ...gradients, ...inputs, sums, N, C, P, G);
}
