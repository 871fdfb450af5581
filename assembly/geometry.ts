/**
 * Sizes of a convolution, an array of int32 written by TypeScript, and images with the borders that it needs.
 */
import { at, copyRow, lanes } from './lanes';

/** Places in a Geometry. padTop and padLeft are the borders before the image; after it as much as positions need. */
export const G_N: i32 = 0;
export const G_C: i32 = 1;
export const G_H: i32 = 2;
export const G_W: i32 = 3;
export const G_F: i32 = 4;
export const G_HH: i32 = 5;
export const G_WW: i32 = 6;
export const G_OH: i32 = 7;
export const G_OW: i32 = 8;
export const G_STRIDE: i32 = 9;
export const G_PAD_TOP: i32 = 10;
export const G_PAD_LEFT: i32 = 11;

@inline
export function g(geometry: usize, place: i32): i32 {
  return load<i32>(geometry + at<i32>(place));
}

/*
 * Padded images: with their borders, as far as the last position reaches. In each row the columns lie apart by their remainder
 * of the stride, so that what neighbouring positions see of a tap is side by side, for every stride.
 */
@inline
function paddedHeight(geometry: usize): i32 {
  return max((g(geometry, G_OH) - 1) * g(geometry, G_STRIDE) + g(geometry, G_HH), g(geometry, G_PAD_TOP) + g(geometry, G_H));
}

/** Remainders of a padded row. */
@inline
function phases(geometry: usize): i32 {
  return g(geometry, G_OW) == 1 ? 1 : g(geometry, G_STRIDE);
}

/** Columns of each remainder. */
@inline
function phaseWidth(geometry: usize): i32 {
  const stride = phases(geometry);
  const width = max((g(geometry, G_OW) - 1) * stride + g(geometry, G_WW), g(geometry, G_PAD_LEFT) + g(geometry, G_W));
  return (width + stride - 1) / stride;
}

@inline
function paddedWidth(geometry: usize): i32 {
  return phases(geometry) * phaseWidth(geometry);
}

/** Bytes from a position to the one below. */
@inline
export function positionStep<T>(geometry: usize): usize {
  return at<T>(paddedWidth(geometry) * g(geometry, G_STRIDE));
}

/** Elements of one padded image. */
@inline
export function paddedSize(geometry: usize): i32 {
  return g(geometry, G_C) * paddedHeight(geometry) * paddedWidth(geometry);
}

/** Byte offset, from a position's top left corner in the padded image, of every row k = (c, kh, kw) of the product. */
export function offsetTable<T>(table: usize, geometry: usize): void {
  const C = g(geometry, G_C);
  const HH = g(geometry, G_HH);
  const WW = g(geometry, G_WW);
  const PW = paddedWidth(geometry);
  const plane = paddedHeight(geometry) * PW;
  const stride = phases(geometry);
  const phase = phaseWidth(geometry);
  for (let c = 0; c < C; c++)
    for (let kh = 0; kh < HH; kh++)
      for (let kw = 0; kw < WW; kw++, table += 4) {
        store<i32>(table, <i32>at<T>(c * plane + kh * PW + (kw % stride) * phase + kw / stride));
      }
}

/** Of the columns of an image row that belong to phase p: the first one, and its place in a padded row. */
@inline
function firstColumn(p: i32, stride: i32, padLeft: i32): i32 {
  return (p + stride - (padLeft % stride)) % stride;
}
@inline
function firstPlace(p: i32, stride: i32, phase: i32, padLeft: i32): i32 {
  return p * phase + (padLeft + firstColumn(p, stride, padLeft)) / stride;
}

/** Elements 0, 2, … of two vectors. */
@inline
function everyOther<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 4 ? v128.shuffle<f32>(a, b, 0, 2, 4, 6) : v128.shuffle<f64>(a, b, 0, 2);
}

/** One row of an image, W columns at x, into a padded row. */
@inline
function padRow<T>(to: usize, x: usize, W: i32, stride: i32, phase: i32, padLeft: i32, used: i32): void {
  for (let p = 0; p < used; p++) {
    let q = to + at<T>(firstPlace(p, stride, phase, padLeft));
    let v = firstColumn(p, stride, padLeft);
    if (stride == 2) {
      for (; v + 2 * lanes<T>() <= W; v += 2 * lanes<T>(), q += 16) {
        v128.store(q, everyOther<T>(v128.load(x + at<T>(v)), v128.load(x + at<T>(v), 16)));
      }
    }
    for (; v < W; v += stride, q += sizeof<T>()) store<T>(q, load<T>(x + at<T>(v)));
  }
}

/** The other way. */
@inline
function unpadRow<T>(x: usize, from: usize, W: i32, stride: i32, phase: i32, padLeft: i32): void {
  let done = 0;
  if (stride == 2) {
    // Whole vectors of both phases, from column 0 on.
    const first = padLeft & 1;
    const q0 = from + at<T>(firstPlace(first, 2, phase, padLeft));
    const q1 = from + at<T>(firstPlace(first ^ 1, 2, phase, padLeft));
    for (; done + 2 * lanes<T>() <= W; done += 2 * lanes<T>()) {
      const a = v128.load(q0 + at<T>(done >> 1));
      const b = v128.load(q1 + at<T>(done >> 1));
      const to = x + at<T>(done);
      v128.store(to, sizeof<T>() == 4 ? v128.shuffle<f32>(a, b, 0, 4, 1, 5) : v128.shuffle<f64>(a, b, 0, 2));
      v128.store(to, sizeof<T>() == 4 ? v128.shuffle<f32>(a, b, 2, 6, 3, 7) : v128.shuffle<f64>(a, b, 1, 3), 16);
    }
  }
  for (let v = done; v < W; v++) {
    const column = padLeft + v;
    store<T>(x + at<T>(v), load<T>(from + at<T>((column % stride) * phase + column / stride)));
  }
}

@inline
function moveImage<T>(padded: usize, x: usize, geometry: usize, back: bool): void {
  const C = g(geometry, G_C);
  const H = g(geometry, G_H);
  const W = g(geometry, G_W);
  const padLeft = g(geometry, G_PAD_LEFT);
  const stride = phases(geometry);
  const phase = phaseWidth(geometry);
  const paddedRow = at<T>(stride * phase);
  const between = paddedRow * (paddedHeight(geometry) - H);
  // Others are not seen by any tap.
  const used = min(stride, g(geometry, G_WW));
  padded += paddedRow * g(geometry, G_PAD_TOP);
  for (let c = 0; c < C; c++, padded += between)
    for (let h = 0; h < H; h++, padded += paddedRow, x += at<T>(W)) {
      if (stride == 1) {
        const middle = padded + at<T>(padLeft);
        copyRow(back ? x : middle, back ? middle : x, at<T>(W));
      } else if (back) unpadRow<T>(x, padded, W, stride, phase, padLeft);
      else padRow<T>(padded, x, W, stride, phase, padLeft, used);
    }
}

/** Copies one image (C, H, W) into a padded one, whose borders are zeros already. */
export function padImage<T>(padded: usize, x: usize, geometry: usize): void {
  moveImage<T>(padded, x, geometry, false);
}

/** The other way: one image (C, H, W) out of a padded one. */
export function unpadImage<T>(x: usize, padded: usize, geometry: usize): void {
  moveImage<T>(padded, x, geometry, true);
}
