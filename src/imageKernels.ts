/**
 * The kernels of convolution, pooling, spatial normalisation and augmentation: as kernels.ts, for images (N, C, H, W).
 * Which way a convolution goes is decided here. Those of features take images (N, H, W, C).
 */
import { call, itemBytes, launch, type Operand } from './kernels.js';
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

/**
 * Whether Winograd's way along the rows pays: float32, filters 5 or 7 wide of stride 1, rows that fill most of the tiles, and
 * enough products for each of them to outweigh the transforms.
 */
function suitsRows({ C, F, HH, WW, OH, OW, stride, padLeft }: ConvSizes, x: Operand): boolean {
  if (x.dtype !== 'float32' || stride !== 1 || (WW !== 5 && WW !== 7) || padLeft >= WW) return false;
  // Beyond, its scratch would take some hundred megabytes.
  if (C * (OH + HH) * OW > 2 ** 23 || F * C * HH > 2 ** 21) return false;
  const tile = 4 * (9 - WW);
  return C * HH >= 10 && OW / (tile * Math.ceil(OW / tile)) >= 0.7;
}

/** out = w * x + b by plain loops. */
export function convForwardNaive(out: Operand, x: Operand, w: Operand, b: Operand, sizes: ConvSizes): void {
  launch('convForwardNaive', x, sizes.N, 1, costOf(sizes), out, x, w, b, geometry(sizes));
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
  call('convBackwardNaive', x, dx, dw, db, dout, x, w, geometry(sizes));
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
  if (!exact && suitsRows(sizes, x)) {
    rowsForward(out, x, w, b, sizes, relu, false);
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
  const at = geometry(sizes);
  const scratch = threadScratch('conv', call('convScratch', x, at));
  launch('convForward', x, sizes.N, 1, costOf(sizes), out, x, w, b, at, relu ? 2 : 0, scratch);
}

/** Bytes of 36 planes of a matrix, as planeBytes in assembly/winograd.ts has them. */
function planes(rows: number, columns: number): number {
  return 36 * (4 * rows * columns + 64);
}

/** For the transforms of filters: 24 vectors for every thread. */
function filterScratch(): number {
  return threadScratch('winograd filter', 24 * 16);
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
  const U = heap().scratch('winograd filters', planes(s.F, s.C));
  const [rows, columns] = turned ? [s.C, s.F] : [s.F, s.C];
  launch('winogradFilters', '', s.F, 1, 40 * s.F * s.C, U, w, rows, columns, turned, filterScratch());
  const scratch = threadScratch('conv', call('winogradScratch', '', s.C, s.F, s.OW));
  const tileRows = s.N * Math.ceil(s.OH / 4);
  const perBlock = call('winogradRows', '', s.OW);
  const sizes = [s.C, s.H, s.W, s.F, s.OH, s.OW, s.padTop];
  launch('winogradForward', '', tileRows, perBlock, costOf(s), out, x, U, b, ...sizes, relu, scratch);
}

/** turned: as for winogradForward. */
function rowsForward(
  out: Operand,
  x: Operand,
  w: Operand,
  b: Operand | undefined,
  s: ConvSizes,
  relu: boolean,
  turned: boolean,
): void {
  const at = geometry(s);
  const U = heap().scratch('winograd filters', call('winograd1dFilterBytes', '', at));
  launch('winograd1dFilters', '', Math.ceil(s.F / 4), 1, 40 * w.size, U, w, at, turned);
  const scratch = threadScratch('conv', call('winograd1dScratch', '', at));
  launch('winograd1dForward', '', s.N, 1, costOf(s), out, x, U, b, at, relu, scratch);
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
  } else if (turns && !exact && suitsRows(back, dout)) {
    rowsForward(dx, dout, w, undefined, back, false, true);
  } else if (turns && s.C >= 8) {
    const flipped = heap().scratch('conv filters', w.size * itemBytes(w));
    call('flipFilters', w, flipped, w, s.F, s.C, s.HH * s.WW);
    implicitForward(dx, dout, flipped, undefined, back, false);
  } else {
    scatterInputGradient(dx, dout, w, s);
  }
}

/** dx by way of columns: see convScatter in assembly/conv.ts. */
function scatterInputGradient(dx: Operand, dout: Operand, w: Operand, s: ConvSizes): void {
  const at = geometry(s);
  const scratch = threadScratch('conv', call('convScatterScratch', w, at));
  launch('convScatter', w, s.N, 1, costOf(s), dx, dout, w, at, scratch);
}

/** Tiles of a block of the filter gradient: the depth of its products. */
const GRADIENT_TILES = 256;

/** dw from dout and the images. */
export function convWeightGradient(dw: Operand, dout: Operand, x: Operand, s: ConvSizes, exact = false): void {
  if (!exact && suitsWinograd(s, x)) {
    winogradWeightGradient(dw, dout, x, s);
    return;
  }
  const at = geometry(s);
  if (!exact && suitsRows(s, x)) {
    const scratch = threadScratch('conv', call('winograd1dScratch', '', at));
    launch('winograd1dGradient', '', Math.ceil(s.F / 4), 1, costOf(s), dw, dout, x, at, scratch);
    return;
  }
  const scratch = threadScratch('conv', call('convScratch', x, at));
  const panels = Math.ceil((s.C * s.HH * s.WW * itemBytes(x)) / 32);
  launch('convWeightGradient', x, panels, 1, costOf(s), dw, dout, x, at, scratch);
}

function winogradWeightGradient(dw: Operand, dout: Operand, x: Operand, s: ConvSizes): void {
  const { C, H, W, F, OH, OW } = s;
  const across = Math.ceil(OW / 4);
  const rows = Math.max(1, Math.floor(GRADIENT_TILES / across));
  const tileRows = s.N * Math.ceil(OH / 4);
  const most = 8 * Math.ceil((rows * across) / 8);
  const h = heap();
  const V = h.scratch('winograd images', planes(C, most));
  const dM = h.scratch('winograd gradients', planes(F, most));
  const dU = h.scratch('winograd filters', planes(F, C));
  const strips = threadScratch('conv', call('winogradPlanesScratch', '', OW, rows));
  const productBytes = call('gemmScratchBytes', '');
  const product = threadScratch('winograd products', productBytes);
  for (let row = 0; row < tileRows; row += rows) {
    const last = Math.min(tileRows, row + rows);
    const T = 8 * Math.ceil(((last - row) * across) / 8);
    const sizes = [C, H, W, F, OH, OW, s.padTop, row, last, rows];
    launch('winogradPlanes', '', C + F, 1, 40 * (C + F) * T, V, dM, x, dout, ...sizes, strips);
    launch('winogradProducts', '', 36, 1, 36 * C * F * T, dU, dM, V, C, F, T, row === 0, product, productBytes);
  }
  launch('winogradFiltersBack', '', F, 1, 40 * F * C, dw, dU, F, C, filterScratch());
}

/** db (F) = the sum of dout over images and positions. */
export function convBiasGradient(db: Operand, dout: Operand, { N, F, OH, OW }: ConvSizes): void {
  launch('convBiasGradient', dout, F, 1, dout.size, db, dout, N, F, OH * OW);
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

function windows(s: PoolSizes): number[] {
  return [s.H, s.W, s.PH, s.PW, s.stride, s.OH, s.OW];
}

export type PoolForwardName = 'maxPoolForward' | 'maxPoolForwardNaive' | 'avgPoolForward';

export function poolForward(name: PoolForwardName, out: Operand, x: Operand, s: PoolSizes): void {
  launch(name, x, s.planes, 1, x.size, out, x, ...windows(s));
}

export type MaxPoolBackwardName = 'maxPoolBackward' | 'maxPoolBackwardNaive';

/** x: the images, to find the maxima again. rectified: they came out of a ReLU, and dx goes back through that as well. */
export function maxPoolBackward(
  name: MaxPoolBackwardName,
  dx: Operand,
  dout: Operand,
  x: Operand,
  s: PoolSizes,
  rectified = false,
): void {
  launch(name, x, s.planes, 1, x.size, dx, dout, x, rectified, ...windows(s));
}

export function avgPoolBackward(dx: Operand, dout: Operand, s: PoolSizes): void {
  launch('avgPoolBackward', dx, s.planes, 1, dx.size, dx, dout, ...windows(s));
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

interface RunningAverages {
  runningMean: Operand;
  runningVar: Operand;
}

/** Two float64 for every plane. */
function planeSums({ N, C }: ImageSizes): number {
  return heap().scratch('norm sums', 16 * N * C);
}

/** Batch statistics; the running averages are updated in place. scale (C, 2) is kept for backward. relu: fold max(0, .) in. */
export function spatialBatchnormTrain(
  o: SpatialNormOperands & RunningAverages & { scale: Operand },
  { N, C, P }: ImageSizes,
  eps: number,
  momentum: number,
  relu: boolean,
): void {
  const sums = planeSums({ N, C, P });
  launch('spatialBatchnormMoments', o.x, N * C, 1, o.x.size, sums, o.x, C, P);
  const statistics = [o.mean, o.invStd, o.runningMean, o.runningVar, o.scale, sums, o.x, o.gamma, o.beta];
  launch('spatialBatchnormStatistics', o.x, C, 1, 2 * N * C, ...statistics, eps, momentum, N, C, P);
  launch('spatialBatchnormScale', o.x, N * C, 1, o.x.size, o.out, o.x, o.scale, relu, C, P);
}

export function spatialBatchnormTest(
  o: SpatialNormOperands & RunningAverages & { scale: Operand },
  { N, C, P }: ImageSizes,
  eps: number,
  relu: boolean,
): void {
  const statistics = [o.mean, o.invStd, o.scale, o.gamma, o.beta, o.runningMean, o.runningVar];
  launch('spatialBatchnormRunning', o.x, C, 1, C, ...statistics, eps);
  launch('spatialBatchnormScale', o.x, N * C, 1, o.x.size, o.out, o.x, o.scale, relu, C, P);
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

/** scale: as kept by forward, if a ReLU was folded in. training: mean and variance were the batch's own. */
export function spatialBatchnormBackward(
  o: SpatialNormGradients,
  scale: Operand | undefined,
  sizes: ImageSizes,
  training: boolean,
): void {
  const { N, C, P } = sizes;
  const sums = planeSums(sizes);
  const factors = heap().scratch('norm factors', 24 * C);
  launch('spatialBatchnormProducts', o.x, N * C, 1, 2 * o.x.size, sums, o.dout, o.x, scale, o.mean, C, P);
  const kept = [o.mean, o.invStd, o.gamma];
  launch(
    'spatialBatchnormGradients',
    o.x,
    C,
    1,
    2 * N * C,
    o.dgamma,
    o.dbeta,
    factors,
    sums,
    ...kept,
    training,
    N,
    C,
    P,
  );
  launch('spatialBatchnormInputGradient', o.x, N * C, 1, 2 * o.x.size, o.dx, o.dout, o.x, scale, factors, C, P);
}

export function groupnormForward(o: SpatialNormOperands, { N, C, P }: ImageSizes, G: number, eps: number): void {
  const sums = heap().scratch('norm sums', 32 * N * G);
  const operands = [o.out, o.mean, o.invStd, o.x, o.gamma, o.beta];
  launch('groupnormForward', o.x, N * G, 1, 3 * o.x.size, ...operands, eps, sums, C, P, G);
}

export function groupnormBackward(o: SpatialNormGradients, { N, C, P }: ImageSizes, G: number): void {
  const sums = heap().scratch('norm sums', Math.max(32 * N * G, 16 * C));
  const inputs = [o.dout, o.x, o.mean, o.invStd];
  launch('groupnormBackward', o.x, N * G, 1, 3 * o.x.size, o.dx, ...inputs, o.gamma, sums, C, P, G);
  launch('groupnormScaleGradients', o.x, C, 1, 2 * o.x.size, o.dgamma, o.dbeta, ...inputs, sums, N, C, P, G);
}

/** What was drawn for N images, int32. */
export interface AugmentDraws {
  /** (N, 2): row and column, from 0 to 2 crop. */
  shifts?: Operand | undefined;
  /** (N): 0 or 1. */
  flips?: Operand | undefined;
  /** (N): centres of the squares. */
  rows?: Operand | undefined;
  columns?: Operand | undefined;
}

/** Numbers are only moved, so there is one kernel for all types of a size. */
function widthOf(x: Operand): '32' | '64' {
  return x.dtype === 'float64' ? '64' : '32';
}

/** Shifts, mirrors and zeroes a square of the images of x, in place; what was not drawn is left out. */
export function augment(
  x: Operand,
  { shifts, flips, rows, columns }: AugmentDraws,
  [C, H, W]: readonly [number, number, number],
  crop: number,
  cutout: number,
): void {
  const images = x.size / (C * H * W);
  launch('augment', widthOf(x), images, 1, x.size, x, shifts, crop, flips, rows, columns, cutout, C, H, W);
}

/** y = x with every row of W elements from right to left; y may be x. */
export function mirror(y: Operand, x: Operand, W: number): void {
  launch('mirror', widthOf(x), x.size / W, 1, x.size, y, x, W);
}

/** Sizes of images with their colours last. */
export interface PictureSizes {
  N: number;
  H: number;
  W: number;
  C: number;
}

/** Numbers that `hog` gives for an image. */
export function hogLength({ H, W }: PictureSizes): number {
  return Math.floor(H / 8) * Math.floor(W / 8) * 9;
}

/** Histograms of oriented gradients of x into rows of `out` that lie `stride` numbers apart. */
export function hog(out: Operand, stride: number, x: Operand, sizes: PictureSizes): void {
  const { N, H, W, C } = sizes;
  const scratch = threadScratch('hog', call('hogScratch', '', H, W));
  launch('hog', x, N, 1, 40 * N * H * W, out, stride, x, H, W, C, scratch);
}

/** Bins of a histogram of hue. */
export interface HueBins {
  nbin: number;
  xmin: number;
  xmax: number;
  normalized: boolean;
}

/** Histograms of hue of x, RGB, into rows of `out` that lie `stride` numbers apart. */
export function hueHistogram(out: Operand, stride: number, x: Operand, sizes: PictureSizes, bins: HueBins): void {
  const { N, H, W } = sizes;
  const { nbin, xmin, xmax, normalized } = bins;
  const counts = threadScratch('hue counts', call('hueScratch', '', nbin));
  launch('hueHistogram', x, N, 1, 20 * N * H * W, out, stride, x, H * W, nbin, xmin, xmax, normalized, counts);
}
