/** Euclidean distances between rows, the nearest rows, and their votes. */
import { at, fma, lanes, splat, sumLanes, zero } from './lanes';

/** Sum over n elements of (a - b)^2, in one fixed order: 0 for equal rows. */
function squaredDistance<T>(a: usize, b: usize, n: i32): T {
  let s0 = zero<T>();
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let o: usize = 0;
  for (const e = at<T>(n & ~(4 * lanes<T>() - 1)); o < e; o += 64) {
    const d0 = v128.sub<T>(v128.load(a + o), v128.load(b + o));
    const d1 = v128.sub<T>(v128.load(a + o, 16), v128.load(b + o, 16));
    const d2 = v128.sub<T>(v128.load(a + o, 32), v128.load(b + o, 32));
    const d3 = v128.sub<T>(v128.load(a + o, 48), v128.load(b + o, 48));
    s0 = fma<T>(d0, d0, s0);
    s1 = fma<T>(d1, d1, s1);
    s2 = fma<T>(d2, d2, s2);
    s3 = fma<T>(d3, d3, s3);
  }
  for (const e = at<T>(n & ~(lanes<T>() - 1)); o < e; o += 16) {
    const d = v128.sub<T>(v128.load(a + o), v128.load(b + o));
    s0 = fma<T>(d, d, s0);
  }
  let sum = sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)));
  for (const e = at<T>(n); o < e; o += sizeof<T>()) {
    const d = <T>(load<T>(a + o) - load<T>(b + o));
    sum = <T>(sum + d * d);
  }
  return sum;
}

/** out[j] = distance of x (D) from row j of train (…, D), j in [begin, end). */
export function rowDistances<T>(out: usize, x: usize, train: usize, D: i32, begin: i32, end: i32): void {
  for (let j = begin; j < end; j++) {
    store<T>(out + at<T>(j), sqrt<T>(squaredDistance<T>(x, train + at<T>(D) * j, D)));
  }
}

/** out (…, N): distances of rows [begin, end) of x (…, D) from all N rows of train. */
export function allDistances<T>(out: usize, x: usize, train: usize, N: i32, D: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) rowDistances<T>(out + at<T>(N) * i, x + at<T>(D) * i, train, D, 0, N);
}

/** y[i] = |row i of x|^2, rows [begin, end) of x (…, D). */
export function rowSquares<T>(y: usize, x: usize, D: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    let p = x + at<T>(D) * i;
    let s0 = zero<T>();
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let d = 0;
    for (; d + 4 * lanes<T>() <= D; d += 4 * lanes<T>(), p += 64) {
      s0 = fma<T>(v128.load(p), v128.load(p), s0);
      s1 = fma<T>(v128.load(p, 16), v128.load(p, 16), s1);
      s2 = fma<T>(v128.load(p, 32), v128.load(p, 32), s2);
      s3 = fma<T>(v128.load(p, 48), v128.load(p, 48), s3);
    }
    let sum = sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)));
    for (; d < D; d++, p += sizeof<T>()) sum = <T>(sum + load<T>(p) * load<T>(p));
    store<T>(y + at<T>(i), sum);
  }
}

/**
 * Share of |a|^2 + |b|^2 below which |a|^2 + |b|^2 - 2ab has lost too many of its digits: above it the rounding of ab, some
 * 1e-6 (float64: 1e-15) of that sum, changes a distance by about 1e-4 (1e-9) of itself at most, and mostly far less.
 */
@inline
function least<T>(): T {
  return sizeof<T>() == 4 ? <T>0.00390625 : <T>9.5367431640625e-7;
}

/**
 * In place, from products to distances: rows [begin, end) of dists (…, N) hold ab for a in x (…, D) and b in train (N, D);
 * xx and tt hold |a|^2 and |b|^2. Where the difference is too small to be trusted, or a square overflowed, the pair is
 * computed directly.
 */
export function expandDistances<T>(
  dists: usize, x: usize, train: usize, xx: usize, tt: usize, N: i32, D: i32, begin: i32, end: i32,
): void {
  const share = splat<T>(least<T>());
  const infinite = splat<T>(<T>Infinity);
  for (let i = begin; i < end; i++) {
    const row = dists + at<T>(N) * i;
    const a = x + at<T>(D) * i;
    const aa = load<T>(xx + at<T>(i));
    const square = splat<T>(aa);
    let j = 0;
    for (; j + lanes<T>() <= N; j += lanes<T>()) {
      const p = row + at<T>(j);
      const ab = v128.load(p);
      const sum = v128.add<T>(square, v128.load(tt + at<T>(j)));
      const d = v128.sub<T>(sum, v128.add<T>(ab, ab));
      const good = v128.and(v128.ge<T>(d, v128.mul<T>(sum, share)), v128.lt<T>(sum, infinite));
      if (v128.all_true<i32>(good)) {
        v128.store(p, v128.sqrt<T>(d));
        continue;
      }
      for (let l = 0; l < lanes<T>(); l++) expandOne<T>(p + at<T>(l), aa, tt, a, train, D, j + l);
    }
    for (; j < N; j++) expandOne<T>(row + at<T>(j), aa, tt, a, train, D, j);
  }
}

/** expandDistances for one pair, in the same operations. */
function expandOne<T>(p: usize, aa: T, tt: usize, a: usize, train: usize, D: i32, j: i32): void {
  const ab = load<T>(p);
  const sum = <T>(aa + load<T>(tt + at<T>(j)));
  let d = <T>(sum - <T>(ab + ab));
  if (!(d >= <T>(sum * least<T>()) && sum < <T>Infinity)) d = squaredDistance<T>(a, train + at<T>(D) * j, D);
  store<T>(p, sqrt<T>(d));
}

/** Whether element a of x comes before element b: the smaller first, NaN last, equal ones by position. */
@inline
function precedes<T>(x: usize, a: i32, b: i32): bool {
  const p = load<T>(x + at<T>(a));
  const q = load<T>(x + at<T>(b));
  if (p < q) return true;
  if (p > q) return false;
  return (p != p) == (q != q) ? a < b : q != q;
}

/** Puts position `value` into the heap of n positions at `root` or below; the last of the order is on top. */
function sift<T>(heap: usize, x: usize, n: i32, root: i32, value: i32): void {
  while (true) {
    let child = 2 * root + 1;
    if (child >= n) break;
    let chosen = load<i32>(heap + at<i32>(child));
    if (child + 1 < n) {
      const right = load<i32>(heap + at<i32>(child + 1));
      if (precedes<T>(x, chosen, right)) {
        chosen = right;
        child++;
      }
    }
    if (precedes<T>(x, chosen, value)) break;
    store<i32>(heap + at<i32>(root), chosen);
    root = child;
  }
  store<i32>(heap + at<i32>(root), value);
}

/** int32 out (…, k): the positions of the k (1..N) smallest of each row [begin, end) of x (…, N), smallest first. */
export function nearest<T>(out: usize, x: usize, N: i32, k: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    const heap = out + at<i32>(k) * i;
    const row = x + at<T>(N) * i;
    for (let j = 0; j < k; j++) store<i32>(heap + at<i32>(j), j);
    for (let root = k / 2 - 1; root >= 0; root--) sift<T>(heap, row, k, root, load<i32>(heap + at<i32>(root)));
    let worst = load<T>(row + at<T>(load<i32>(heap)));
    for (let j = k; j < N; j++) {
      const v = load<T>(row + at<T>(j));
      if (!(v < worst) && (worst == worst || v != v)) continue;
      sift<T>(heap, row, k, 0, j);
      worst = load<T>(row + at<T>(load<i32>(heap)));
    }
    for (let n = k - 1; n > 0; n--) {
      const last = load<i32>(heap + at<i32>(n));
      store<i32>(heap + at<i32>(n), load<i32>(heap));
      sift<T>(heap, row, n, 0, last);
    }
  }
}

/**
 * int32 out[i], rows [begin, end): the most frequent of labels[p] (in [0, classes)) over the first k of the `stride`
 * positions p in row i of near; the smallest of equally frequent ones. counts: int32, `classes` for every thread.
 */
export function vote(
  out: usize, near: usize, labels: usize, counts: usize, classes: i32, stride: i32, k: i32, begin: i32, end: i32,
  thread: i32,
): void {
  counts += at<i32>(classes) * thread;
  for (let i = begin; i < end; i++) {
    const row = near + at<i32>(stride) * i;
    for (let j = 0; j < k; j++) {
      const label = load<i32>(labels + at<i32>(load<i32>(row + at<i32>(j))));
      store<i32>(counts + at<i32>(label), 0);
    }
    let best = -1;
    let most = 0;
    for (let j = 0; j < k; j++) {
      const label = load<i32>(labels + at<i32>(load<i32>(row + at<i32>(j))));
      const count = load<i32>(counts + at<i32>(label)) + 1;
      store<i32>(counts + at<i32>(label), count);
      if (count > most || (count == most && label < best)) {
        most = count;
        best = label;
      }
    }
    store<i32>(out + at<i32>(i), best);
  }
}
