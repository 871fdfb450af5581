/**
 * Scores X W of linear classifiers and their gradient X^T S, for few classes. Rows of X are read where they lie, by their
 * index: with so little work for each element, copying a batch together or packing it would cost as much as the products.
 * (200 of 10,000 rows, D 3072, C 10: 0.3 of the time of a copy and two calls of gemm.)
 */
import { THREAD_SCRATCH_BYTES } from './blocks';
import { at, copyRow, fma, lanes, storeTransposed, sumLanes, zero } from './lanes';

/** Classes that are summed at a time: with two vectors of the other operand ten sums, which fit the registers. */
const GROUP: i32 = 5;
/** Vectors of a row that all groups take before the next ones: so few that the row arrives while they are computed. */
const CHUNK: i32 = 128;
/**
 * Rows of which a line of columns is held at a time, a batch of the course's 200 at once: with order and sums 15 kB, which fits
 * the scratch of both builds. Rows as they lie would often share one set of the cache.
 */
const LINES: i32 = 208;
/** Bytes of ten sums. */
const SUMS: usize = 160;

@inline
function groups(C: i32): i32 {
  return (C + GROUP - 1) / GROUP;
}

/** Row i of x (…, D), or with an index the row that it names. */
@inline
function rowOf<T>(x: usize, index: usize, D: i32, i: i32): usize {
  return x + at<T>(D) * (index ? load<i32>(index + at<i32>(i)) : i);
}

/**
 * W (D, C) so that linearScores reads it in order: for each group of classes and each vector of rows, the vectors of its
 * classes; zeros where there are no more. Vectors [begin, end) of each group.
 */
export function linearPack<T>(to: usize, W: usize, D: i32, C: i32, begin: i32, end: i32): void {
  const vectors = (D + lanes<T>() - 1) / lanes<T>();
  const step = at<T>(C);
  for (let c = 0; c < C; c += GROUP, to += <usize>(16 * GROUP) * vectors) {
    let p = to + <usize>(16 * GROUP) * begin;
    const classes = min(GROUP, C - c);
    for (let d = begin * lanes<T>(), past = end * lanes<T>(); d < past; d += lanes<T>(), p += 16 * GROUP) {
      let from = W + at<T>(d * C + c);
      const n = at<T>(min(lanes<T>(), D - d));
      let o = 0;
      if (sizeof<T>() == 4 && classes == GROUP && n == 16) {
        const last = from + 3 * step;
        storeTransposed(p, 16, v128.load(from), v128.load(from + step), v128.load(from + 2 * step), v128.load(last));
        o = 4;
        from += 16;
      }
      for (; o < GROUP; o++, from += sizeof<T>()) {
        const vector = p + <usize>16 * o;
        if (o >= classes || n < 16) v128.store(vector, zero<T>());
        if (o >= classes) continue;
        let w = from;
        for (let l: usize = 0; l < n; l += sizeof<T>(), w += step) store<T>(vector + l, load<T>(w));
      }
    }
  }
}

/**
 * scores (N, C) = X W, examples [begin, end). x: rows of D elements; index: int32, which of them are the examples, or 0 for
 * all in order; packed: W by linearPack.
 */
export function linearScores<T>(
  scores: usize, x: usize, index: usize, packed: usize, D: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  scratch += THREAD_SCRATCH_BYTES * thread;
  const tail = scratch;
  const sums = scratch + 32;
  const vectors = (D + lanes<T>() - 1) / lanes<T>();
  const whole = D / lanes<T>();
  for (let i = begin; i < end; i += 2) {
    // A row that is missing is computed from the last one and not stored.
    const x0 = rowOf<T>(x, index, D, i);
    const x1 = rowOf<T>(x, index, D, min(i + 1, end - 1));
    for (let o: usize = 0; o < SUMS * groups(C); o += 16) v128.store(sums + o, zero<T>());
    for (let v = 0; v < whole; v += CHUNK) {
      const n = min(CHUNK, whole - v);
      const from = <usize>16 * v;
      for (let g = 0; g < groups(C); g++) {
        addScores<T>(sums + SUMS * g, x0 + from, x1 + from, packed + <usize>(16 * GROUP) * (g * vectors + v), n);
      }
    }
    if (whole < vectors) {
      ragged<T>(tail, x0, D);
      ragged<T>(tail + 16, x1, D);
      for (let g = 0; g < groups(C); g++) {
        addScores<T>(sums + SUMS * g, tail, tail + 16, packed + <usize>(16 * GROUP) * (g * vectors + whole), 1);
      }
    }
    const to = scores + at<T>(i * C);
    for (let c = 0; c < C; c++) {
      const s = sums + <usize>32 * c;
      store<T>(to + at<T>(c), sumLanes<T>(v128.load(s)));
      if (i + 1 < end) store<T>(to + at<T>(C + c), sumLanes<T>(v128.load(s, 16)));
    }
  }
}

/** The elements of a row of D that fill no vector, and zeros. */
function ragged<T>(to: usize, row: usize, D: i32): void {
  v128.store(to, zero<T>());
  copyRow(to, row + at<T>(D & ~(lanes<T>() - 1)), at<T>(D & (lanes<T>() - 1)));
}

/** Adds n vectors of products of two rows with the five classes of w to their sums; [class][row]. */
function addScores<T>(sums: usize, x0: usize, x1: usize, w: usize, n: i32): void {
  addProducts<T, Vectors>(sums, x0, x1 - x0, 16, w, n, 0, 0, 0);
}

/**
 * What addProducts multiplies: vectors with vectors, vectors with numbers, or with numbers the vectors of rows, of which it
 * keeps a copy. Types, since offsets of loads must be known when the kernel is compiled.
 */
type Vectors = i32;
type Numbers = f32;
type Rows = f64;

@inline
function isRows<B>(): bool {
  return sizeof<B>() == sizeof<Rows>();
}

/**
 * Adds n times the products of two vectors, at p and `other` behind it, with five factors at q, which are vectors or one number
 * in all lanes, to the sums; [factor][vector]. step: bytes from a p to the next. (Rows) The two vectors begin a line of the row
 * of x that index names, rowBytes long, and the line is copied to p: copying beside the products takes 0.8 of the time of
 * copying before them.
 */
@inline
function addProducts<T, B>(
  sums: usize, p: usize, other: usize, step: usize, q: usize, n: i32, x: usize, rowBytes: usize, index: usize,
): void {
  let s00 = v128.load(sums);
  let s01 = v128.load(sums, 16);
  let s10 = v128.load(sums, 32);
  let s11 = v128.load(sums, 48);
  let s20 = v128.load(sums, 64);
  let s21 = v128.load(sums, 80);
  let s30 = v128.load(sums, 96);
  let s31 = v128.load(sums, 112);
  let s40 = v128.load(sums, 128);
  let s41 = v128.load(sums, 144);
  for (const past = p + step * n; p < past; p += step) {
    const from = isRows<B>() ? x + rowBytes * load<i32>(index) : p;
    const a = v128.load(from);
    const b = v128.load(from + other);
    if (isRows<B>()) {
      v128.store(p, a);
      v128.store(p, b, 16);
      v128.store(p, v128.load(from, 32), 32);
      v128.store(p, v128.load(from, 48), 48);
      index += sizeof<i32>();
    }
    let c = isInteger<B>() ? v128.load(q) : v128.load_splat<T>(q);
    s00 = fma<T>(a, c, s00);
    s01 = fma<T>(b, c, s01);
    c = isInteger<B>() ? v128.load(q, 16) : v128.load_splat<T>(q, sizeof<T>());
    s10 = fma<T>(a, c, s10);
    s11 = fma<T>(b, c, s11);
    c = isInteger<B>() ? v128.load(q, 32) : v128.load_splat<T>(q, 2 * sizeof<T>());
    s20 = fma<T>(a, c, s20);
    s21 = fma<T>(b, c, s21);
    c = isInteger<B>() ? v128.load(q, 48) : v128.load_splat<T>(q, 3 * sizeof<T>());
    s30 = fma<T>(a, c, s30);
    s31 = fma<T>(b, c, s31);
    c = isInteger<B>() ? v128.load(q, 64) : v128.load_splat<T>(q, 4 * sizeof<T>());
    s40 = fma<T>(a, c, s40);
    s41 = fma<T>(b, c, s41);
    q += GROUP * (isInteger<B>() ? 16 : sizeof<T>());
  }
  v128.store(sums, s00);
  v128.store(sums, s01, 16);
  v128.store(sums, s10, 32);
  v128.store(sums, s11, 48);
  v128.store(sums, s20, 64);
  v128.store(sums, s21, 80);
  v128.store(sums, s30, 96);
  v128.store(sums, s31, 112);
  v128.store(sums, s40, 128);
  v128.store(sums, s41, 144);
}

/** Slopes (N, C) so that linearGradient reads them in order: for each group the slopes of its classes by example. */
export function linearPackSlopes<T>(to: usize, slopes: usize, N: i32, C: i32): void {
  for (let c = 0; c < groups(C) * GROUP; c += GROUP) {
    for (let i = 0; i < N; i++) {
      for (let o = c; o < c + GROUP; o++, to += sizeof<T>()) {
        store<T>(to, o < C ? load<T>(slopes + at<T>(i * C + o)) : 0);
      }
    }
  }
}

/**
 * dW (D, C) = X^T S over N examples: lines [begin, end) of 64 bytes of columns of x. packed: S by linearPackSlopes, the rest
 * as for linearScores. Every element is summed in order of the examples.
 */
export function linearGradient<T>(
  dW: usize, x: usize, index: usize, packed: usize, N: i32, D: i32, C: i32, scratch: usize, begin: i32, end: i32,
  thread: i32,
): void {
  scratch += THREAD_SCRATCH_BYTES * thread;
  const order = scratch;
  const lines = order + at<i32>(LINES);
  const sums = lines + 64 * LINES;
  const width = 4 * lanes<T>();
  for (let i = 0; i < LINES; i++) store<i32>(order + at<i32>(i), i);
  for (let line = begin; line < end; line++) {
    const d = line * width;
    const columns = min(width, D - d);
    const from = x + at<T>(d);
    for (let o: usize = 0; o < 2 * SUMS * groups(C); o += 16) v128.store(sums + o, zero<T>());
    for (let first = 0; first < N; first += LINES) {
      const n = min(LINES, N - first);
      let s = packed + at<T>(GROUP * first);
      if (columns < width) {
        copyLines<T>(lines, from, index, D, columns, first, n);
        addGradient<T>(sums, lines, s, n);
      } else if (index) copyGradient<T>(sums, lines, from, at<T>(D), index + at<i32>(first), s, n);
      else copyGradient<T>(sums, lines, rowOf<T>(from, 0, D, first), at<T>(D), order, s, n);
      addGradient<T>(sums + SUMS, lines + 32, s, n);
      for (let g = 1; g < groups(C); g++) {
        s += at<T>(GROUP * N);
        addGradient<T>(sums + 2 * SUMS * g, lines, s, n);
        addGradient<T>(sums + 2 * SUMS * g + SUMS, lines + 32, s, n);
      }
    }
    storeGradient<T>(dW + at<T>(d * C), sums, C, columns);
  }
}

/** Columns of x are rows of dW: the sums of a line, [group][half][class][vector], transposed. */
@inline
function storeGradient<T>(dW: usize, sums: usize, C: i32, columns: i32): void {
  const step = at<T>(C);
  for (let c = 0; c < C; c += GROUP, sums += 2 * SUMS) {
    const classes = min(GROUP, C - c);
    for (let d = 0; d < columns; d += lanes<T>()) {
      let to = dW + at<T>(d * C + c);
      let s = sums + (d < 2 * lanes<T>() ? at<T>(d) : SUMS - 32 + at<T>(d));
      const n = at<T>(min(lanes<T>(), columns - d));
      let k = 0;
      if (sizeof<T>() == 4 && classes == GROUP && n == 16) {
        storeTransposed(to, step, v128.load(s), v128.load(s, 32), v128.load(s, 64), v128.load(s, 96));
        k = 4;
        s += 128;
        to += 16;
      }
      for (; k < classes; k++, s += 32, to += sizeof<T>()) {
        let row = to;
        for (let l: usize = 0; l < n; l += sizeof<T>(), row += step) store<T>(row, load<T>(s + l));
      }
    }
  }
}

/** Columns of each of n rows, from example `first` on, as lines of 64 bytes; what a row does not have is left. */
@inline
function copyLines<T>(to: usize, x: usize, index: usize, D: i32, columns: i32, first: i32, n: i32): void {
  for (let i = first; i < first + n; i++, to += 64) copyRow(to, rowOf<T>(x, index, D, i), at<T>(columns));
}

/** Adds the products of half a line of each of n examples with their slopes for five classes to the sums; [class][vector]. */
function addGradient<T>(sums: usize, lines: usize, slopes: usize, n: i32): void {
  addProducts<T, Numbers>(sums, lines, 16, 64, slopes, n, 0, 0, 0);
}

/** The same of the first half of lines of rows of x, which are copied to `lines`. */
function copyGradient<T>(
  sums: usize, lines: usize, x: usize, rowBytes: usize, index: usize, slopes: usize, n: i32,
): void {
  addProducts<T, Rows>(sums, lines, 16, 64, slopes, n, x, rowBytes, index);
}
