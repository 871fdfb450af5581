/**
 * Features of images, as features.py of the course computes them, in float64 whatever the type of the images. Images are
 * (N, H, W, C); each has a row of the result to itself. Sums run from left to right and products are never fused, because
 * a last bit of the grey values can decide which bin a gradient falls into.
 *
 * An image with a pixel that it must not have gets NaN for its first number: whoever calls refuses it then.
 */
import { at, splat, sumLanes } from './lanes';
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
const TAN10: f32 = 0.17632698070846498;
const TAN30: f32 = 0.57735026918962576;
const TAN50: f32 = 1.19175359259420996;
const TAN70: f32 = 2.74747741945462228;

/** Where the lengths go that count for no bin. */
const NO_BIN: i32 = ORIENTATIONS;
/** Keeps the angle of no gradient defined. */
const TINY: f64 = 1e-15;

/** Bin of a gradient's direction, as the rounded angle says. right: with TINY. */
function exactBin(gy: f64, right: f64): i32 {
  // Straight up or down: rounded, the angle is 0 or 180 degrees, and neither counts.
  if (right == TINY && abs(gy) >= 16) return NO_BIN;
  // 180 / pi
  const degrees = atan2Right(gy, right) * 57.29577951308232 + 90;
  return right >= 0 && degrees > 0 && degrees < 180 ? <i32>(degrees / 20) : NO_BIN;
}

/** Two float64 vectors in one of float32. */
@inline
function demote(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

/**
 * Lengths and bins of the gradients of four pixels beside each other. The bin is found by comparing slopes in float32, and by
 * the angle where rounding could decide. here, below: their grey values, with the next ones.
 */
@inline
function gradients(lengths: usize, bins: usize, here: usize, below: usize): void {
  const here0 = v128.load(here);
  const here1 = v128.load(here, 16);
  const gx0 = f64x2.sub(v128.load(here, 8), here0);
  const gx1 = f64x2.sub(v128.load(here, 24), here1);
  const gy0 = f64x2.sub(v128.load(below), here0);
  const gy1 = f64x2.sub(v128.load(below, 16), here1);
  v128.store(lengths, f64x2.sqrt(f64x2.add(f64x2.mul(gx0, gx0), f64x2.mul(gy0, gy0))));
  v128.store(lengths, f64x2.sqrt(f64x2.add(f64x2.mul(gx1, gx1), f64x2.mul(gy1, gy1))), 16);
  const right = demote(f64x2.add(gx0, f64x2.splat(TINY)), f64x2.add(gx1, f64x2.splat(TINY)));
  const down = demote(gy0, gy1);
  const steep = f32x4.abs(down);
  const d1 = f32x4.sub(steep, f32x4.mul(right, f32x4.splat(TAN10)));
  const d2 = f32x4.sub(steep, f32x4.mul(right, f32x4.splat(TAN30)));
  const d3 = f32x4.sub(steep, f32x4.mul(right, f32x4.splat(TAN50)));
  const d4 = f32x4.sub(steep, f32x4.mul(right, f32x4.splat(TAN70)));
  const none = f32x4.splat(0);
  // Bins passed on the way up or down from the middle one, as 0 or -1 each.
  const passed = i32x4.add(i32x4.add(f32x4.gt(d1, none), f32x4.gt(d2, none)), i32x4.add(f32x4.gt(d3, none), f32x4.gt(d4, none)));
  const up = f32x4.lt(down, none);
  const bin = i32x4.sub(i32x4.splat(ORIENTATIONS / 2), i32x4.sub(v128.xor(passed, up), up));
  v128.store(bins, v128.bitselect(bin, i32x4.splat(NO_BIN), f32x4.gt(right, none)));
  const least = f32x4.min(
    f32x4.min(f32x4.min(f32x4.abs(d1), f32x4.abs(d2)), f32x4.min(f32x4.abs(d3), f32x4.abs(d4))), f32x4.abs(right),
  );
  // Turned round so that what overflows in float32 is not sure either.
  const sure = f32x4.gt(least, f32x4.mul(f32x4.add(steep, f32x4.abs(right)), f32x4.splat(1e-6)));
  for (let open = i32x4.bitmask(v128.not(sure)); open != 0; open &= open - 1) {
    const lane = ctz(open);
    const o = at<f64>(lane);
    const grey = load<f64>(here + o);
    store<i32>(bins + at<i32>(lane), exactBin(load<f64>(below + o) - grey, load<f64>(here + o, 8) - grey + TINY));
  }
}

/** Bytes that `hog` needs for each thread: two rows of grey values, a row of lengths, sums, a row of bins. */
export function hogScratch(H: i32, W: i32): i32 {
  const sums = (H / CELL) * (W / CELL) * (ORIENTATIONS + 1);
  return <i32>(at<f64>(2 * (W + 1) + W + sums) + at<i32>(W) + 63) & ~63;
}

/**
 * Histograms of oriented gradients of images [begin, end): nine bins of 20 degrees, [0, 180), the mean magnitude over each
 * cell of 8 x 8 pixels; the column of the cell varies slowest, the bin fastest. Orientation 0 counts for no bin, nor does
 * half of the circle.
 * stride: numbers from row to row of out. scratch: hogScratch bytes for each thread.
 */
export function hog<T>(
  out: usize, stride: i32, x: usize, H: i32, W: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const rows = H / CELL;
  const columns = W / CELL;
  const cells = rows * columns;
  const rowBytes = at<T>(W * C);
  let row = scratch + <usize>hogScratch(H, W) * thread;
  let below = row + at<f64>(W + 1);
  const lengths = below + at<f64>(W + 1);
  const sums = lengths + at<f64>(W);
  const bins = sums + at<f64>(cells * (ORIENTATIONS + 1));
  for (let i = begin; i < end; i++) {
    let pixels = x + rowBytes * H * i;
    memory.fill(sums, 0, bins - sums);
    let check = greyRow<T>(row, pixels, W, C);
    for (let r = 0; r < H; r++) {
      pixels += rowBytes;
      const inside = r + 1 < H;
      if (inside) check += greyRow<T>(below, pixels, W, C);
      if (r < rows * CELL) {
        const under = inside ? below : row;
        for (let p = 0; p < columns * CELL; p += 4) {
          gradients(lengths + at<f64>(p), bins + at<i32>(p), row + at<f64>(p), under + at<f64>(p));
        }
        // From cell to cell: a sum that was just written would have to be waited for.
        for (let o = 0; o < CELL; o++) {
          let cell = sums + at<f64>((r / CELL) * (ORIENTATIONS + 1));
          for (let p = o; p < columns * CELL; p += CELL, cell += at<f64>(rows * (ORIENTATIONS + 1))) {
            const sum = cell + at<f64>(load<i32>(bins + at<i32>(p)));
            store<f64>(sum, load<f64>(sum) + load<f64>(lengths + at<f64>(p)));
          }
        }
      }
      const spare = row;
      row = below;
      below = spare;
    }
    let to = out + at<T>(stride) * i;
    const from = to;
    for (let cell = 0; cell < cells; cell++)
      for (let k = 0; k < ORIENTATIONS; k++, to += sizeof<T>()) {
        store<T>(to, <T>(load<f64>(sums + at<f64>(cell * (ORIENTATIONS + 1) + k)) / (CELL * CELL)));
      }
    if (check != 0) store<T>(from, <T>NaN);
  }
}

/**
 * Hues of pixels, sixths of the circle from -1 to 5; NaN where range is 0. Equal maxima are decided as in matplotlib's
 * rgb_to_hsv.
 */
@inline
function hue6<T>(r: v128, g: v128, b: v128, high: v128, range: v128): v128 {
  const green = v128.eq<T>(g, high);
  const blue = v128.eq<T>(b, high);
  const from = v128.bitselect(splat<T>(4), v128.and(splat<T>(2), green), blue);
  const more = v128.bitselect(r, v128.bitselect(b, g, green), blue);
  const less = v128.bitselect(g, v128.bitselect(r, b, green), blue);
  return v128.add<T>(from, v128.div<T>(v128.sub<T>(more, less), range));
}

/**
 * Bin that numpy.histogram puts `hue` into; nbin if none.
 * step: width of a bin; perStep = 1 / step.
 */
function hueBin(hue: f64, nbin: i32, xmin: f64, xmax: f64, step: f64, perStep: f64): i32 {
  if (!(hue >= xmin && hue <= xmax)) return nbin;
  // A first guess, then the edges as numpy.linspace rounds them.
  let k = min(nbin - 1, <i32>((hue - xmin) * perStep));
  while (k > 0 && hue < <f64>k * step + xmin) k--;
  while (k + 1 < nbin && hue >= <f64>(k + 1) * step + xmin) k++;
  return k;
}

@inline
function increment(counts: usize, bin: i32): void {
  const count = counts + at<i32>(bin);
  store<i32>(count, load<i32>(count) + 1);
}

/** Bytes that `hueHistogram` needs for each thread: four sets of counts, with those of what has no bin. */
export function hueScratch(nbin: i32): i32 {
  return (16 * (nbin + 1) + 63) & ~63;
}

/**
 * Histograms of hue of images [begin, end) of RGB pixels in [0, xmax]: nbin bins from xmin to xmax, the last with its
 * upper edge, as numpy.histogram counts. normalized: shares of the pixels counted, else counts times the width of the bin.
 * stride: numbers from row to row of out. scratch: hueScratch bytes for each thread.
 */
export function hueHistogram<T>(
  out: usize, stride: i32, x: usize, pixels: i32, nbin: i32, xmin: f64, xmax: f64, normalized: i32, scratch: usize,
  begin: i32, end: i32, thread: i32,
): void {
  const step = (xmax - xmin) / <f64>nbin;
  const perStep = 1 / step;
  const counts = scratch + <usize>hueScratch(nbin) * thread;
  const set = at<i32>(nbin + 1);
  const whole = f64x2.splat(xmax);
  // Four pixels at a time in float32, as long as none of them lies so near to an edge that rounding could decide. Neighbours
  // count apart: a count that was just written would have to be waited for.
  const fast = sizeof<T>() == 4 && <f64><f32>xmax == xmax;
  const scale = <f32>((xmax / 6) * perStep);
  const shift = <f32>(-xmin * perStep);
  const margin: f32 = 4e-6 * (6 * scale + abs(shift));
  const zeroBin = hueBin(0, nbin, xmin, xmax, step, perStep);
  for (let i = begin; i < end; i++) {
    memory.fill(counts, 0, 4 * set);
    let valid = v128.splat<i32>(-1);
    const p = x + at<T>(3 * pixels) * i;
    for (let j = 0; j < pixels; ) {
      const q = p + at<T>(3 * j);
      if (fast && j + 4 <= pixels) {
        const v0 = v128.load(q);
        const v1 = v128.load(q, 16);
        const v2 = v128.load(q, 32);
        const r = v128.shuffle<f32>(v128.shuffle<f32>(v0, v1, 0, 3, 6, 6), v2, 0, 1, 2, 5);
        const g = v128.shuffle<f32>(v128.shuffle<f32>(v0, v1, 1, 4, 7, 7), v2, 0, 1, 2, 6);
        const b = v128.shuffle<f32>(v128.shuffle<f32>(v0, v1, 2, 5, 5, 5), v2, 0, 1, 4, 7);
        const high = f32x4.pmax(r, f32x4.pmax(g, b));
        const low = f32x4.pmin(r, f32x4.pmin(g, b));
        const range = f32x4.sub(high, low);
        const none = f32x4.splat(0);
        let hue = v128.and(hue6<f32>(r, g, b, high, range), f32x4.gt(range, none));
        const zero = f32x4.eq(hue, none);
        hue = f32x4.add(hue, v128.and(f32x4.splat(6), f32x4.lt(hue, none)));
        const place = f32x4.add(f32x4.mul(hue, f32x4.splat(scale)), f32x4.splat(shift));
        const floor = f32x4.floor(place);
        const above = f32x4.sub(place, floor);
        let sure = v128.and(f32x4.gt(above, f32x4.splat(margin)), f32x4.lt(above, f32x4.splat(1 - margin)));
        sure = v128.and(sure, v128.and(f32x4.ge(floor, none), f32x4.lt(floor, f32x4.splat(<f32>nbin))));
        if (v128.all_true<i32>(v128.or(sure, zero))) {
          const sum = f32x4.add(r, f32x4.add(g, b));
          valid = v128.and(valid, v128.and(f32x4.ge(low, none), f32x4.le(high, f32x4.splat(<f32>xmax))));
          valid = v128.and(valid, f32x4.eq(sum, sum));
          const bins = v128.bitselect(i32x4.splat(zeroBin), i32x4.trunc_sat_f32x4_s(floor), zero);
          increment(counts, i32x4.extract_lane(bins, 0));
          increment(counts + set, i32x4.extract_lane(bins, 1));
          increment(counts + 2 * set, i32x4.extract_lane(bins, 2));
          increment(counts + 3 * set, i32x4.extract_lane(bins, 3));
          j += 4;
          continue;
        }
      }
      // The last of an odd number is beside itself, and counted once.
      const alone = j + 1 == pixels;
      const next = alone ? 0 : 3;
      const r = f64x2.div(pair<T>(q, next, 0), whole);
      const g = f64x2.div(pair<T>(q, next, 1), whole);
      const b = f64x2.div(pair<T>(q, next, 2), whole);
      // pmax and pmin are one instruction each, and may lose a NaN, which the sum keeps.
      const high = f64x2.pmax(r, f64x2.pmax(g, b));
      const low = f64x2.pmin(r, f64x2.pmin(g, b));
      const sum = f64x2.add(r, f64x2.add(g, b));
      valid = v128.and(valid, v128.and(f64x2.ge(low, f64x2.splat(0)), f64x2.le(high, f64x2.splat(1))));
      valid = v128.and(valid, f64x2.eq(sum, sum));
      const range = f64x2.sub(high, low);
      const none = f64x2.splat(0);
      let hue = f64x2.div(hue6<f64>(r, g, b, high, range), f64x2.splat(6));
      hue = f64x2.add(hue, v128.and(f64x2.splat(1), f64x2.lt(hue, none)));
      hue = f64x2.mul(v128.and(hue, f64x2.gt(range, none)), whole);
      increment(counts, hueBin(f64x2.extract_lane(hue, 0), nbin, xmin, xmax, step, perStep));
      if (!alone) increment(counts + set, hueBin(f64x2.extract_lane(hue, 1), nbin, xmin, xmax, step, perStep));
      j += 2;
    }
    const without = counts + at<i32>(nbin);
    const total = <f64>(pixels - sumOfFour(without, set));
    const to = out + at<T>(stride) * i;
    let edge = xmin;
    for (let k = 0; k < nbin; k++) {
      const next = k + 1 < nbin ? <f64>(k + 1) * step + xmin : xmax;
      const width = next - edge;
      const count = <f64>sumOfFour(counts + at<i32>(k), set);
      const value = normalized ? (total > 0 ? count / width / total * width : 0) : count * width;
      store<T>(to + at<T>(k), <T>value);
      edge = next;
    }
    if (!v128.all_true<i32>(valid)) store<T>(to, <T>NaN);
  }
}

/** Of the counts of a bin in each set. */
@inline
function sumOfFour(count: usize, set: usize): i32 {
  return load<i32>(count) + load<i32>(count + set) + load<i32>(count + 2 * set) + load<i32>(count + 3 * set);
}
