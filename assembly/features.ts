/**
 * Features of images, as features.py of the course computes them, in float64 whatever the type of the images. Images are
 * (N, H, W, C); each has a row of the result to itself. Sums run from left to right and products are never fused, because
 * a last bit of the grey values can decide which bin a gradient falls into.
 *
 * An image with a pixel that it must not have gets NaN for its first number: whoever calls refuses it then.
 */
import { at, sumLanes } from './lanes';
import { atan2Right } from './math';

/** Edge of a cell, in pixels. */
const CELL: i32 = 8;
const ORIENTATIONS: i32 = 9;

/** Number `place` of each of two neighbouring pixels of C colours at x, in float64. */
@inline
function pair<T>(x: usize, C: i32, place: i32): v128 {
  const v = v128.load_lane<T>(x + at<T>(C + place), v128.load_zero<T>(x + at<T>(place)), 1);
  return sizeof<T>() == 4 ? f64x2.promote_low_f32x4(v) : v;
}

@inline
function either(mask: v128): bool {
  return v128.any_true(mask);
}

/**
 * W grey values from pixels of C colours (1 or 3), and the last of them once more. Not 0 if a pixel is not finite. The weight
 * of blue is the course's.
 */
function greyRow<T>(to: usize, x: usize, W: i32, C: i32): f64 {
  let bad = f64x2.splat(0);
  const past = to + at<f64>(W);
  for (const whole = to + at<f64>(W & ~1); to < whole; to += 16, x += at<T>(2 * C)) {
    let grey = pair<T>(x, C, 0);
    if (C == 3) {
      grey = f64x2.mul(grey, f64x2.splat(0.299));
      grey = f64x2.add(grey, f64x2.mul(pair<T>(x, C, 1), f64x2.splat(0.587)));
      grey = f64x2.add(grey, f64x2.mul(pair<T>(x, C, 2), f64x2.splat(0.144)));
    }
    bad = f64x2.add(bad, f64x2.sub(grey, grey));
    v128.store(to, grey);
  }
  let check = sumLanes<f64>(bad);
  if (to < past) {
    let grey = <f64>load<T>(x);
    if (C == 3) grey = grey * 0.299 + <f64>load<T>(x, sizeof<T>()) * 0.587 + <f64>load<T>(x, 2 * sizeof<T>()) * 0.144;
    check += grey - grey;
    store<f64>(to, grey);
  }
  store<f64>(past, load<f64>(past - sizeof<f64>()));
  return check;
}

/** Tangents of 10, 30, 50 and 70 degrees: of the angles between bins, seen from the direction to the right. */
const TAN10: f64 = 0.17632698070846498;
const TAN30: f64 = 0.57735026918962576;
const TAN50: f64 = 1.19175359259420996;
const TAN70: f64 = 2.74747741945462228;

/** Adds a gradient's length to the bin of its direction, as the rounded angle says. gx: 1e-15 included in `right`. */
function addExactly(sums: usize, gy: f64, right: f64, length: f64): void {
  // 180 / pi
  const degrees = atan2Right(gy, right) * 57.29577951308232 + 90;
  if (!(right >= 0 && degrees > 0 && degrees < 180)) return;
  addTo(sums, <i32>(degrees / 20), length);
}

@inline
function addTo(sums: usize, bin: i32, length: f64): void {
  const sum = sums + at<f64>(bin);
  store<f64>(sum, load<f64>(sum) + length);
}

/**
 * Two neighbouring pixels at a time: the bin is found by comparing slopes, and by the angle only where rounding could decide.
 * here, below: their grey values; sums: the bins of their cell.
 */
@inline
function addPair(sums: usize, here: v128, next: v128, below: v128): void {
  const gx = f64x2.sub(next, here);
  const gy = f64x2.sub(below, here);
  const right = f64x2.add(gx, f64x2.splat(1e-15));
  const length = f64x2.sqrt(f64x2.add(f64x2.mul(gx, gx), f64x2.mul(gy, gy)));
  const steep = f64x2.abs(gy);
  const d1 = f64x2.sub(steep, f64x2.mul(right, f64x2.splat(TAN10)));
  const d2 = f64x2.sub(steep, f64x2.mul(right, f64x2.splat(TAN30)));
  const d3 = f64x2.sub(steep, f64x2.mul(right, f64x2.splat(TAN50)));
  const d4 = f64x2.sub(steep, f64x2.mul(right, f64x2.splat(TAN70)));
  const sure = f64x2.mul(f64x2.add(steep, f64x2.abs(right)), f64x2.splat(1e-13));
  const near = f64x2.min(
    f64x2.min(f64x2.min(f64x2.abs(d1), f64x2.abs(d2)), f64x2.min(f64x2.abs(d3), f64x2.abs(d4))),
    f64x2.abs(right),
  );
  if (either(f64x2.le(near, sure))) {
    addExactly(sums, f64x2.extract_lane(gy, 0), f64x2.extract_lane(right, 0), f64x2.extract_lane(length, 0));
    addExactly(sums, f64x2.extract_lane(gy, 1), f64x2.extract_lane(right, 1), f64x2.extract_lane(length, 1));
    return;
  }
  // Bins passed on the way up or down from the middle one, as 0 or -1 each.
  const none = f64x2.splat(0);
  const passed = i64x2.add(
    i64x2.add(f64x2.gt(d1, none), f64x2.gt(d2, none)),
    i64x2.add(f64x2.gt(d3, none), f64x2.gt(d4, none)),
  );
  const up = f64x2.lt(gy, none);
  const bin = i64x2.sub(i64x2.splat(4), i64x2.sub(v128.xor(passed, up), up));
  // What points to the left adds nothing, to whichever bin.
  const counted = v128.and(length, f64x2.gt(right, none));
  addTo(sums, <i32>i64x2.extract_lane(bin, 0), f64x2.extract_lane(counted, 0));
  addTo(sums, <i32>i64x2.extract_lane(bin, 1), f64x2.extract_lane(counted, 1));
}

/**
 * Histograms of oriented gradients of images [begin, end): nine bins of 20 degrees, [0, 180), the mean magnitude over each
 * cell of 8 x 8 pixels; the column of the cell varies slowest, the bin fastest. Orientation 0 counts for no bin, nor does
 * half of the circle.
 * stride: numbers from row to row of out. scratch: scratchBytes for each thread, 2 (W + 1) numbers and a number a bin of
 * float64.
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
  let below = row + at<f64>(W + 1);
  const sums = below + at<f64>(W + 1);
  for (let i = begin; i < end; i++) {
    let pixels = x + rowBytes * H * i;
    memory.fill(sums, 0, at<f64>(bins));
    let check = greyRow<T>(row, pixels, W, C);
    for (let r = 0; r < H; r++) {
      pixels += rowBytes;
      const inside = r + 1 < H;
      if (inside) check += greyRow<T>(below, pixels, W, C);
      if (r < rows * CELL) {
        const under = inside ? below : row;
        for (let c = 0; c < columns; c++) {
          const cell = sums + at<f64>((c * rows + r / CELL) * ORIENTATIONS);
          let o = at<f64>(c * CELL);
          for (const past = o + at<f64>(CELL); o < past; o += 16) {
            addPair(cell, v128.load(row + o), v128.load(row + o, 8), v128.load(under + o));
          }
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

/** Hues of two pixels, in [0, 1]; colours in [0, 1]. Equal maxima are decided as in matplotlib's rgb_to_hsv. */
@inline
function hues(r: v128, g: v128, b: v128, high: v128, range: v128): v128 {
  const none = f64x2.splat(0);
  const green = f64x2.eq(g, high);
  const blue = f64x2.eq(b, high);
  const from = v128.bitselect(f64x2.splat(4), v128.and(f64x2.splat(2), green), blue);
  const more = v128.bitselect(r, v128.bitselect(b, g, green), blue);
  const less = v128.bitselect(g, v128.bitselect(r, b, green), blue);
  let hue = f64x2.div(f64x2.add(from, f64x2.div(f64x2.sub(more, less), range)), f64x2.splat(6));
  hue = f64x2.add(hue, v128.and(f64x2.splat(1), f64x2.lt(hue, none)));
  return v128.and(hue, f64x2.gt(range, none));
}

/** Adds one to the count of the bin that numpy.histogram puts `hue` into; whether there is one. */
function countHue(counts: usize, hue: f64, nbin: i32, xmin: f64, xmax: f64, step: f64, perStep: f64): f64 {
  if (!(hue >= xmin && hue <= xmax)) return 0;
  // A first guess, then the edges as numpy.linspace rounds them.
  let k = min(nbin - 1, <i32>((hue - xmin) * perStep));
  while (k > 0 && hue < <f64>k * step + xmin) k--;
  while (k + 1 < nbin && hue >= <f64>(k + 1) * step + xmin) k++;
  addTo(counts, k, 1);
  return 1;
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
  const whole = f64x2.splat(xmax);
  const start = f64x2.splat(xmin);
  for (let i = begin; i < end; i++) {
    memory.fill(counts, 0, at<f64>(nbin));
    let total: f64 = 0;
    let valid = v128.splat<i32>(-1);
    const p = x + at<T>(3 * pixels) * i;
    for (let j = 0; j < pixels; j += 2) {
      // The last of an odd number is beside itself, and counted once.
      const alone = j + 1 == pixels;
      const q = p + at<T>(3 * j);
      const step3 = alone ? 0 : 3;
      const r = f64x2.div(pair<T>(q, step3, 0), whole);
      const g = f64x2.div(pair<T>(q, step3, 1), whole);
      const b = f64x2.div(pair<T>(q, step3, 2), whole);
      // pmax and pmin are one instruction each, and may lose a NaN, which the sum keeps.
      const high = f64x2.pmax(r, f64x2.pmax(g, b));
      const low = f64x2.pmin(r, f64x2.pmin(g, b));
      const sum = f64x2.add(r, f64x2.add(g, b));
      valid = v128.and(valid, v128.and(f64x2.ge(low, f64x2.splat(0)), f64x2.le(high, f64x2.splat(1))));
      valid = v128.and(valid, f64x2.eq(sum, sum));
      const hue = f64x2.mul(hues(r, g, b, high, f64x2.sub(high, low)), whole);
      // A first guess, which is mostly right, and its edges as numpy.linspace rounds them.
      const guess = f64x2.floor(f64x2.mul(f64x2.sub(hue, start), f64x2.splat(perStep)));
      const from = f64x2.add(f64x2.mul(guess, f64x2.splat(step)), start);
      const next = f64x2.add(f64x2.mul(f64x2.add(guess, f64x2.splat(1)), f64x2.splat(step)), start);
      const inside = v128.and(f64x2.ge(guess, f64x2.splat(0)), f64x2.lt(guess, f64x2.splat(<f64>nbin)));
      const right = v128.and(inside, v128.and(f64x2.ge(hue, from), f64x2.lt(hue, next)));
      if (!alone && v128.all_true<i64>(v128.and(right, f64x2.lt(hue, whole)))) {
        const bins = i32x4.trunc_sat_f64x2_s_zero(guess);
        addTo(counts, i32x4.extract_lane(bins, 0), 1);
        addTo(counts, i32x4.extract_lane(bins, 1), 1);
        total += 2;
        continue;
      }
      total += countHue(counts, f64x2.extract_lane(hue, 0), nbin, xmin, xmax, step, perStep);
      if (!alone) total += countHue(counts, f64x2.extract_lane(hue, 1), nbin, xmin, xmax, step, perStep);
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
    if (!v128.all_true<i64>(valid)) store<T>(to, <T>NaN);
  }
}
