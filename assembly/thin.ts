/**
 * Matrix product with at most 12 columns, in float32, as linear classifiers have it: with so little work for each element of
 * A, packing A would cost more than the product. B alone is copied, its rows padded with zeros. Where multiply-add fuses, this
 * takes 0.6 of the time of gemm (200 x 3073 by 3073 x 10 and its gradient); else, and in float64, gemm is faster.
 */
import { at, fma, zero } from './lanes';

/** Rows that are summed at a time: nine sums, three vectors of B and one of A fit the registers. */
const ROWS: i32 = 3;
/** Bytes of a row of B's copy: three vectors. */
const WIDTH: usize = 48;

/** Copies rows [begin, end) of B (K, N). */
export function thinPack(to: usize, B: usize, N: i32, begin: i32, end: i32): void {
  for (let k = begin; k < end; k++) {
    const row = to + WIDTH * k;
    const from = B + at<f32>(N) * k;
    for (let o: usize = 0; o < WIDTH; o += 4) store<f32>(row + o, o < at<f32>(N) ? load<f32>(from + o) : 0);
  }
}

/**
 * C (M, N) = A (M, K) B: units [begin, end) of ROWS rows. A through its strides, in elements; packed: B by thinPack. Every
 * element is summed in order of k.
 */
export function thinProduct(
  C: usize, A: usize, packed: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, begin: i32, end: i32,
): void {
  const step = at<f32>(csA);
  for (let i = begin * ROWS, past = min(M, end * ROWS); i < past; i += ROWS) {
    // Rows that are missing are computed from the last one and not stored.
    let a0 = A + at<f32>(rsA) * i;
    let a1 = A + at<f32>(rsA) * min(i + 1, M - 1);
    let a2 = A + at<f32>(rsA) * min(i + 2, M - 1);
    let b = packed;
    let c00 = zero<f32>();
    let c01 = c00;
    let c02 = c00;
    let c10 = c00;
    let c11 = c00;
    let c12 = c00;
    let c20 = c00;
    let c21 = c00;
    let c22 = c00;
    for (let k = 0; k < K; k++) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const b2 = v128.load(b, 32);
      let a = v128.load32_splat(a0);
      c00 = fma<f32>(a, b0, c00);
      c01 = fma<f32>(a, b1, c01);
      c02 = fma<f32>(a, b2, c02);
      a = v128.load32_splat(a1);
      c10 = fma<f32>(a, b0, c10);
      c11 = fma<f32>(a, b1, c11);
      c12 = fma<f32>(a, b2, c12);
      a = v128.load32_splat(a2);
      c20 = fma<f32>(a, b0, c20);
      c21 = fma<f32>(a, b1, c21);
      c22 = fma<f32>(a, b2, c22);
      b += WIDTH;
      a0 += step;
      a1 += step;
      a2 += step;
    }
    const to = C + at<f32>(N) * i;
    storeRow(to, N, c00, c01, c02);
    if (i + 1 < M) storeRow(to + at<f32>(N), N, c10, c11, c12);
    if (i + 2 < M) storeRow(to + at<f32>(2 * N), N, c20, c21, c22);
  }
}

/** The first n elements of three vectors. */
function storeRow(to: usize, n: i32, v0: v128, v1: v128, v2: v128): void {
  storeSome(to, n, v0);
  if (n > 4) storeSome(to + 16, n - 4, v1);
  if (n > 8) storeSome(to + 32, n - 8, v2);
}

function storeSome(to: usize, n: i32, v: v128): void {
  if (n >= 4) {
    v128.store(to, v);
    return;
  }
  store<f32>(to, f32x4.extract_lane(v, 0));
  if (n > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4);
  if (n > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8);
}
