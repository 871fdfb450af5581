/**
 * Sums, extremes and their positions. A reduction is never split between threads: one range of outputs, each summed in
 * one fixed order.
 */
import { at, first, fma, lanes, splat, sumLanes, zero } from './lanes';

const SUM: i32 = 0;
const MAX: i32 = 1;
const MIN: i32 = 2;
const SQUARES: i32 = 3;

@inline
function reduceOne<T>(x: usize, n: i32, step: usize, op: i32): f64 {
  if (op == SUM || op == SQUARES) {
    let sum: f64 = 0;
    for (let i = 0; i < n; i++, x += step) {
      const v = <f64>load<T>(x);
      sum += op == SUM ? v : v * v;
    }
    return sum;
  }
  let best = load<T>(x);
  for (let i = 1; i < n; i++) {
    x += step;
    const v = load<T>(x);
    // NaN wins, as in NumPy.
    if ((op == MAX ? v > best : v < best) || v != v) best = v;
  }
  return <f64>best;
}

/** Two elements in float64. */
@inline
function pair<T>(p: usize): v128 {
  if (sizeof<T>() == 4) {
    // int32 and float32 alike in size, not in meaning.
    const v = v128.load64_zero(p);
    return isInteger<T>() ? f64x2.convert_low_i32x4_s(v) : f64x2.promote_low_f32x4(v);
  } else {
    return v128.load(p);
  }
}

/** Outputs that are summed at a time where they are neighbours in memory. */
const BLOCK: i32 = 8;

/** Sums of n rows of BLOCK neighbours `step` bytes apart, times factor, to y (type D): each in the order of the rows. */
@inline
function sumBlock<D, T>(y: usize, x: usize, n: i32, step: usize, factor: f64): void {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (let i = 0; i < n; i++, x += step) {
    s0 = f64x2.add(s0, pair<T>(x));
    s1 = f64x2.add(s1, pair<T>(x + at<T>(2)));
    s2 = f64x2.add(s2, pair<T>(x + at<T>(4)));
    s3 = f64x2.add(s3, pair<T>(x + at<T>(6)));
  }
  storePair<D>(y, s0, factor);
  storePair<D>(y + at<D>(2), s1, factor);
  storePair<D>(y + at<D>(4), s2, factor);
  storePair<D>(y + at<D>(6), s3, factor);
}

@inline
function storePair<D>(y: usize, sums: v128, factor: f64): void {
  store<D>(y, <D>(f64x2.extract_lane(sums, 0) * factor));
  store<D>(y + sizeof<D>(), <D>(f64x2.extract_lane(sums, 1) * factor));
}

/**
 * y[o, i] (type D) over the middle axis of x (outer, n, inner): op 0 sum, 1 max, 2 min, 3 sum of squares. Sums are kept in
 * float64. Outputs [begin, end) of outer * inner. factor multiplies each result (1 / n for a mean).
 */
export function reduce<D, T>(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void {
  const step = at<T>(inner);
  for (let u = begin; u < end; u++) {
    const o = u / inner;
    const p = x + step * n * o + at<T>(u - o * inner);
    if (op == SUM && u - o * inner + BLOCK <= inner && u + BLOCK <= end) {
      sumBlock<D, T>(y + at<D>(u), p, n, step, factor);
      u += BLOCK - 1;
      continue;
    }
    let r: f64 = 0;
    if (op == SUM) r = reduceOne<T>(p, n, step, SUM) * factor;
    else if (op == MAX) r = reduceOne<T>(p, n, step, MAX);
    else if (op == MIN) r = reduceOne<T>(p, n, step, MIN);
    else r = reduceOne<T>(p, n, step, SQUARES) * factor;
    store<D>(y + at<D>(u), <D>r);
  }
}

/** Like reduce: sum over n of (x - mean)^2, times factor. mean: one element (type D) per output. */
export function reduceDeviations<D, T>(
  y: usize, x: usize, mean: usize, factor: f64, n: i32, inner: i32, begin: i32, end: i32,
): void {
  const step = at<T>(inner);
  for (let u = begin; u < end; u++) {
    const o = u / inner;
    let p = x + step * n * o + at<T>(u - o * inner);
    const m = <f64>load<D>(mean + at<D>(u));
    let sum: f64 = 0;
    for (let i = 0; i < n; i++, p += step) {
      const d = <f64>load<T>(p) - m;
      sum += d * d;
    }
    store<D>(y + at<D>(u), <D>(sum * factor));
  }
}

/** int32 y[o, i] = first position of the maximum (sign 1) or minimum (sign -1) along n; the first NaN wins. */
export function argmax<T>(y: usize, x: usize, sign: i32, n: i32, inner: i32, begin: i32, end: i32): void {
  const step = at<T>(inner);
  for (let u = begin; u < end; u++) {
    const o = u / inner;
    let p = x + step * n * o + at<T>(u - o * inner);
    let best = load<T>(p);
    let where = 0;
    for (let i = 1; i < n && best == best; i++) {
      p += step;
      const v = load<T>(p);
      if ((sign > 0 ? v > best : v < best) || v != v) {
        best = v;
        where = i;
      }
    }
    store<i32>(y + at<i32>(u), where);
  }
}

/** y[j] = sum over i of x[i, j], columns [begin, end) of x (rows, columns): the gradient of a bias. */
export function columnSums<T>(y: usize, x: usize, rows: i32, columns: i32, begin: i32, end: i32): void {
  const step = at<T>(columns);
  let j = begin;
  // Four vectors side by side: one cache line of each row at a time.
  for (; j + 4 * lanes<T>() <= end; j += 4 * lanes<T>()) {
    let s0 = zero<T>();
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let p = x + at<T>(j);
    for (let i = 0; i < rows; i++, p += step) {
      s0 = v128.add<T>(s0, v128.load(p));
      s1 = v128.add<T>(s1, v128.load(p, 16));
      s2 = v128.add<T>(s2, v128.load(p, 32));
      s3 = v128.add<T>(s3, v128.load(p, 48));
    }
    const q = y + at<T>(j);
    v128.store(q, s0);
    v128.store(q, s1, 16);
    v128.store(q, s2, 32);
    v128.store(q, s3, 48);
  }
  for (; j < end; j++) {
    let s = <T>0;
    let p = x + at<T>(j);
    for (let i = 0; i < rows; i++, p += step) s = <T>(s + load<T>(p));
    store<T>(y + at<T>(j), s);
  }
}

/** y[j] = sum over i of a[i, j] * b[i, j], columns [begin, end): the gradient of gamma. */
export function columnDots<T>(y: usize, a: usize, b: usize, rows: i32, columns: i32, begin: i32, end: i32): void {
  const step = at<T>(columns);
  let j = begin;
  for (; j + 2 * lanes<T>() <= end; j += 2 * lanes<T>()) {
    let s0 = zero<T>();
    let s1 = s0;
    let p: usize = at<T>(j);
    for (let i = 0; i < rows; i++, p += step) {
      s0 = fma<T>(v128.load(a + p), v128.load(b + p), s0);
      s1 = fma<T>(v128.load(a + p, 16), v128.load(b + p, 16), s1);
    }
    v128.store(y + at<T>(j), s0);
    v128.store(y + at<T>(j), s1, 16);
  }
  for (; j < end; j++) {
    let s = zero<T>();
    let p: usize = at<T>(j);
    for (let i = 0; i < rows; i++, p += step) s = fma<T>(v128.load_splat<T>(a + p), v128.load_splat<T>(b + p), s);
    store<T>(y + at<T>(j), first<T>(s));
  }
}

/** Elements summed into one partial result of `decay` and `squares`: a fixed size, so that the sum is the same for any threads. */
const CHUNK: i32 = 4096;

/**
 * L2 regularisation in one pass over the weights. For chunk c in [begin, end): dw += reg * w, and partial[c] (float64) =
 * the sum of w^2 over the chunk. dw may be 0 for the sum alone.
 */
export function decay<T>(dw: usize, partial: usize, w: usize, reg: f64, n: i32, begin: i32, end: i32): void {
  const r = splat<T>(<T>reg);
  for (let c = begin; c < end; c++) {
    const to = min(n, (c + 1) * CHUNK);
    let s0 = zero<T>();
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let i = c * CHUNK;
    for (; i + 4 * lanes<T>() <= to; i += 4 * lanes<T>()) {
      const p = w + at<T>(i);
      const w0 = v128.load(p);
      const w1 = v128.load(p, 16);
      const w2 = v128.load(p, 32);
      const w3 = v128.load(p, 48);
      s0 = fma<T>(w0, w0, s0);
      s1 = fma<T>(w1, w1, s1);
      s2 = fma<T>(w2, w2, s2);
      s3 = fma<T>(w3, w3, s3);
      if (dw) {
        const d = dw + at<T>(i);
        v128.store(d, fma<T>(r, w0, v128.load(d)));
        v128.store(d, fma<T>(r, w1, v128.load(d, 16)), 16);
        v128.store(d, fma<T>(r, w2, v128.load(d, 32)), 32);
        v128.store(d, fma<T>(r, w3, v128.load(d, 48)), 48);
      }
    }
    let sum = <f64>sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)));
    for (; i < to; i++) {
      const v = v128.load_splat<T>(w + at<T>(i));
      sum += <f64>first<T>(v) * <f64>first<T>(v);
      if (dw) store<T>(dw + at<T>(i), first<T>(fma<T>(r, v, v128.load_splat<T>(dw + at<T>(i)))));
    }
    store<f64>(partial + at<f64>(c), sum);
  }
}

/** partial[c] (float64) = the sum of x^2 over chunk c in [begin, end), kept in float64: float32 cannot overflow it. */
export function squares<T>(partial: usize, x: usize, n: i32, begin: i32, end: i32): void {
  for (let c = begin; c < end; c++) {
    const to = min(n, (c + 1) * CHUNK);
    let s0 = zero<f64>();
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let i = c * CHUNK;
    for (; i + 8 <= to; i += 8) {
      const p = x + at<T>(i);
      const x0 = pair<T>(p);
      const x1 = pair<T>(p + at<T>(2));
      const x2 = pair<T>(p + at<T>(4));
      const x3 = pair<T>(p + at<T>(6));
      s0 = fma<f64>(x0, x0, s0);
      s1 = fma<f64>(x1, x1, s1);
      s2 = fma<f64>(x2, x2, s2);
      s3 = fma<f64>(x3, x3, s3);
    }
    let sum = sumLanes<f64>(v128.add<f64>(v128.add<f64>(s0, s1), v128.add<f64>(s2, s3)));
    for (; i < to; i++) {
      const v = <f64>load<T>(x + at<T>(i));
      sum += v * v;
    }
    store<f64>(partial + at<f64>(c), sum);
  }
}

/** partial[c] (float64) = the sum of 0 * x over chunk c in [begin, end): 0, or NaN if an element is not finite. */
export function vanishing<T>(partial: usize, x: usize, n: i32, begin: i32, end: i32): void {
  const none = zero<T>();
  for (let c = begin; c < end; c++) {
    const to = min(n, (c + 1) * CHUNK);
    let s0 = none;
    let s1 = none;
    let s2 = none;
    let s3 = none;
    let i = c * CHUNK;
    for (; i + 4 * lanes<T>() <= to; i += 4 * lanes<T>()) {
      const p = x + at<T>(i);
      s0 = fma<T>(none, v128.load(p), s0);
      s1 = fma<T>(none, v128.load(p, 16), s1);
      s2 = fma<T>(none, v128.load(p, 32), s2);
      s3 = fma<T>(none, v128.load(p, 48), s3);
    }
    let sum = <f64>sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)));
    for (; i < to; i++) sum += 0 * <f64>load<T>(x + at<T>(i));
    store<f64>(partial + at<f64>(c), sum);
  }
}
