/**
 * Features of images, as features.py of the course computes them, in float64 whatever the type of the images. Images are
 * (N, H, W, C); each has a row of the result to itself. Sums run from left to right and products are never fused, because
 * a last bit of the grey values can decide which bin a gradient falls into.
 *
 * An image with a pixel that it must not have gets NaN for its first number: whoever calls refuses it then.
 */
import { at } from './lanes';
import { atan2Right } from './math';

/** Edge of a cell, in pixels. */
const CELL: i32 = 8;
const ORIENTATIONS: i32 = 9;

/** W grey values from pixels of C colours (1 or 3). Not 0 if a pixel is not finite. The weight of blue is the course's. */
function greyRow<T>(to: usize, x: usize, W: i32, C: i32): f64 {
  let check: f64 = 0;
  for (const past = to + at<f64>(W); to < past; to += sizeof<f64>(), x += at<T>(C)) {
    let grey = <f64>load<T>(x);
    if (C == 3) {
      const g = <f64>load<T>(x, sizeof<T>());
      const b = <f64>load<T>(x, 2 * sizeof<T>());
      check += grey - grey + (g - g) + (b - b);
      grey = grey * 0.299 + g * 0.587 + b * 0.144;
    } else {
      check += grey - grey;
    }
    store<f64>(to, grey);
  }
  return check;
}

/**
 * Histograms of oriented gradients of images [begin, end): nine bins of 20 degrees, [0, 180), the mean magnitude over each
 * cell of 8 x 8 pixels; the column of the cell varies slowest, the bin fastest. Orientation 0 counts for no bin, nor does
 * half of the circle.
 * stride: numbers from row to row of out. scratch: scratchBytes for each thread, 2 W numbers and a number a bin of float64.
 */
export function hog<T>(
  out: usize, stride: i32, x: usize, H: i32, W: i32, C: i32, scratch: usize, scratchBytes: i32,
  begin: i32, end: i32, thread: i32,
): void {
  const rows = H / CELL;
  const columns = W / CELL;
  const bins = rows * columns * ORIENTATIONS;
  const rowBytes = at<T>(W * C);
  let row = scratch + thread * scratchBytes;
  let below = row + at<f64>(W);
  const sums = below + at<f64>(W);
  for (let i = begin; i < end; i++) {
    let pixels = x + rowBytes * H * i;
    memory.fill(sums, 0, at<f64>(bins));
    let check = greyRow<T>(row, pixels, W, C);
    for (let r = 0; r < H; r++) {
      pixels += rowBytes;
      const inside = r + 1 < H;
      if (inside) check += greyRow<T>(below, pixels, W, C);
      if (r < rows * CELL) {
        for (let c = 0; c < columns * CELL; c++) {
          const here = load<f64>(row + at<f64>(c));
          const gx = c + 1 < W ? load<f64>(row + at<f64>(c + 1)) - here : 0;
          const gy = inside ? load<f64>(below + at<f64>(c)) - here : 0;
          const right = gx + 1e-15;
          if (right < 0 || (gx == 0 && gy == 0)) continue;
          // 180 / pi
          const degrees = atan2Right(gy, right) * 57.29577951308232 + 90;
          if (!(degrees > 0 && degrees < 180)) continue;
          const cell = (c / CELL) * rows + r / CELL;
          const sum = sums + at<f64>(cell * ORIENTATIONS + <i32>(degrees / 20));
          store<f64>(sum, load<f64>(sum) + sqrt(gx * gx + gy * gy));
        }
      }
      const spare = row;
      row = below;
      below = spare;
    }
    const to = out + at<T>(stride) * i;
    for (let k = 0; k < bins; k++) store<T>(to + at<T>(k), <T>(load<f64>(sums + at<f64>(k)) / (CELL * CELL)));
    if (check != 0) store<T>(to, <T>NaN);
  }
}

/** Hue of a pixel, in [0, 1]; colours in [0, 1]. Equal maxima are decided as in matplotlib's rgb_to_hsv. */
@inline
function hueOf(r: f64, g: f64, b: f64, high: f64, delta: f64): f64 {
  let hue: f64 = 0;
  if (b == high) hue = 4 + (r - g) / delta;
  else if (g == high) hue = 2 + (b - r) / delta;
  else hue = (g - b) / delta;
  hue /= 6;
  return hue < 0 ? hue + 1 : hue;
}

/**
 * Histograms of hue of images [begin, end) of RGB pixels in [0, xmax]: nbin bins from xmin to xmax, the last with its
 * upper edge, as numpy.histogram counts. normalized: shares of the pixels counted, else counts times the width of the bin.
 * stride: numbers from row to row of out. scratch: nbin float64 for each thread.
 */
export function hueHistogram<T>(
  out: usize, stride: i32, x: usize, pixels: i32, nbin: i32, xmin: f64, xmax: f64, normalized: i32, scratch: usize,
  begin: i32, end: i32, thread: i32,
): void {
  const step = (xmax - xmin) / <f64>nbin;
  const perStep = 1 / step;
  const counts = scratch + at<f64>(nbin) * thread;
  for (let i = begin; i < end; i++) {
    memory.fill(counts, 0, at<f64>(nbin));
    let total: f64 = 0;
    let valid = true;
    let p = x + at<T>(3 * pixels) * i;
    for (const past = p + at<T>(3 * pixels); p < past; p += 3 * sizeof<T>()) {
      const r = <f64>load<T>(p) / xmax;
      const g = <f64>load<T>(p, sizeof<T>()) / xmax;
      const b = <f64>load<T>(p, 2 * sizeof<T>()) / xmax;
      const high = max(r, max(g, b));
      const low = min(r, min(g, b));
      if (!(low >= 0 && high <= 1)) valid = false;
      const delta = high - low;
      const hue = delta > 0 ? hueOf(r, g, b, high, delta) * xmax : 0;
      if (!(hue >= xmin && hue <= xmax)) continue;
      // A first guess, then the edges as numpy.linspace rounds them.
      let k = min(nbin - 1, <i32>((hue - xmin) * perStep));
      while (k > 0 && hue < <f64>k * step + xmin) k--;
      while (k + 1 < nbin && hue >= <f64>(k + 1) * step + xmin) k++;
      const count = counts + at<f64>(k);
      store<f64>(count, load<f64>(count) + 1);
      total++;
    }
    const to = out + at<T>(stride) * i;
    let edge = xmin;
    for (let k = 0; k < nbin; k++) {
      const next = k + 1 < nbin ? <f64>(k + 1) * step + xmin : xmax;
      const width = next - edge;
      const count = load<f64>(counts + at<f64>(k));
      const value = normalized ? (total > 0 ? count / width / total * width : 0) : count * width;
      store<T>(to + at<T>(k), <T>value);
      edge = next;
    }
    if (!valid) store<T>(to, <T>NaN);
  }
}
