/**
 * Matrix product C = A B, C += A B, optionally + bias per column and ReLU, for any strides of A and B (so NN, NT and
 * TN are one routine; transposes are absorbed by packing).
 *
 * Structure: for every NC columns and KC depth, B is packed into panels of NR columns (k-major, padded with zeros).
 * Then, for every MR rows, one micro-panel of A is packed (each element replicated over a vector, so that the
 * micro-kernel needs no shuffles) and swept over all B panels. B panels stay in the second-level cache, the A panel in
 * the first. Order after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with the two
 * inner loops exchanged: here packing a small A panel is cheaper than keeping a large one.
 *
 * Every element of C is summed in the same order (k ascending inside a block of KC, blocks ascending) whatever tile,
 * edge or thread computes it, so any split of the rows gives the same bits.
 *
 * Strides (rsA, csA, rsB, csB, ldc) count elements.
 */
import { A_PANEL_BYTES, KC, MR, NC, NR, THREAD_SCRATCH_BYTES } from './blocks';
import { at, fma, lanes, storeTransposed, zero } from './lanes';

/** Flags of `flags`: add to C instead of overwriting it; apply max(0, .) at the end; bias is one number per row of C. */
export const ACCUMULATE: i32 = 1;
export const RELU: i32 = 2;
export const ROW_BIAS: i32 = 4;

/** Depth of the block that starts at k: KC, or half of what is left if that is between KC and 2 KC. */
@inline
export function blockDepth(k: i32, K: i32): i32 {
  const left = K - k;
  return left <= KC ? left : left >= 2 * KC ? KC : (left + 1) >> 1;
}

/** Columns of panel storage used by n columns: full panels, then a half panel if that is enough for the rest. */
@inline
function paddedColumns<T>(n: i32): i32 {
  const half = lanes<T>();
  return ((n + half - 1) / half) * half;
}

/** Element offset of the packed block (jc, pc) in a fully packed B. */
@inline
function blockOffset<T>(jc: i32, pc: i32, N: i32, K: i32): i32 {
  return jc * K + pc * paddedColumns<T>(min(N - jc, NC));
}

/**
 * Packs `columns` (1..NR) columns of B, depth kc, k-major: to[k * width + j], where width is NR, or half of it when
 * columns fit in one vector. Missing columns become zeros.
 */
function packPanel<T>(to: usize, B: usize, kc: i32, columns: i32, rsB: i32, csB: i32): void {
  const half = lanes<T>();
  const rs = at<T>(rsB);
  const cs = at<T>(csB);
  if (columns == NR<T>() && csB == 1) {
    for (let end = to + (<usize>kc << 5); to < end; to += 32, B += rs) {
      v128.store(to, v128.load(B));
      v128.store(to, v128.load(B, 16), 16);
    }
    return;
  }
  const width = columns <= half ? half : NR<T>();
  const step = at<T>(width);
  let j = 0;
  if (rsB == 1) {
    for (; j + half <= columns; j += half) packTransposed<T>(to + at<T>(j), B + <usize>j * cs, kc, cs, step);
  } else if (csB == 1) {
    for (; j + half <= columns; j += half) {
      let q = to + at<T>(j);
      let b = B + at<T>(j);
      for (let k = 0; k < kc; k++, q += step, b += rs) v128.store(q, v128.load(b));
    }
  }
  for (; j < width; j++) {
    let q = to + at<T>(j);
    if (j < columns) {
      let b = B + <usize>j * cs;
      for (let k = 0; k < kc; k++, q += step, b += rs) store<T>(q, load<T>(b));
    } else {
      for (let k = 0; k < kc; k++, q += step) store<T>(q, <T>0);
    }
  }
}

/** One vector of columns whose elements lie contiguous along k: lanes x lanes transposes. */
@inline
function packTransposed<T>(to: usize, B: usize, kc: i32, cs: usize, step: usize): void {
  const b1 = B + cs;
  let k: usize = 0;
  const bytes = at<T>(kc);
  if (sizeof<T>() == 4) {
    const b2 = b1 + cs;
    const b3 = b2 + cs;
    for (; k + 16 <= bytes; k += 16) {
      storeTransposed(to, step, v128.load(B + k), v128.load(b1 + k), v128.load(b2 + k), v128.load(b3 + k));
      to += 4 * step;
    }
    for (; k < bytes; k += 4, to += step) {
      store<f32>(to, load<f32>(B + k));
      store<f32>(to, load<f32>(b1 + k), 4);
      store<f32>(to, load<f32>(b2 + k), 8);
      store<f32>(to, load<f32>(b3 + k), 12);
    }
  } else {
    for (; k + 16 <= bytes; k += 16) {
      const r0 = v128.load(B + k);
      const r1 = v128.load(b1 + k);
      v128.store(to, v128.shuffle<f64>(r0, r1, 0, 2));
      v128.store(to + step, v128.shuffle<f64>(r0, r1, 1, 3));
      to += step + step;
    }
    for (; k < bytes; k += 8, to += step) {
      store<f64>(to, load<f64>(B + k));
      store<f64>(to, load<f64>(b1 + k), 8);
    }
  }
}

/** Rows of B that are packed together: as many streams as hardware prefetchers follow. */
const STRIP: i32 = 8;

/**
 * Packs a block of B: all panels of nc columns, depth kc. Where rows lie contiguous they are read from end to end, a strip
 * at a time: panel by panel would read half a cache line of every row, at a stride that no prefetcher follows.
 */
function packBlock<T>(to: usize, B: usize, kc: i32, nc: i32, rsB: i32, csB: i32): void {
  let j = 0;
  if (csB == 1) {
    const full = nc & ~(NR<T>() - 1);
    const rs = at<T>(rsB);
    for (let k = 0; k < kc; k += STRIP) {
      const rows = min(STRIP, kc - k);
      const strip = B + rs * k;
      for (j = 0; j < full; j += NR<T>()) {
        let q = to + at<T>(j * kc + k * NR<T>());
        let b = strip + at<T>(j);
        for (const end = q + (<usize>rows << 5); q < end; q += 32, b += rs) {
          v128.store(q, v128.load(b));
          v128.store(q, v128.load(b, 16), 16);
        }
      }
    }
    j = full;
  }
  for (; j < nc; j += NR<T>()) {
    packPanel<T>(to + at<T>(j * kc), B + at<T>(j) * csB, kc, min(nc - j, NR<T>()), rsB, csB);
  }
}

/** One micro-panel of A, mr (1..MR) rows, depth kc: MR vectors per k, each one element replicated; missing rows are 0. */
export function packRows<T>(to: usize, A: usize, kc: i32, mr: i32, rsA: i32, csA: i32): void {
  const rs = at<T>(rsA);
  const cs = at<T>(csA);
  if (mr == MR) {
    const a1 = A + rs;
    const a2 = a1 + rs;
    const a3 = a2 + rs;
    let k = 0;
    let p: usize = 0;
    if (csA == 1) {
      for (; k + lanes<T>() <= kc; k += lanes<T>(), p += 16, to += 64 * lanes<T>()) {
        replicate<T>(to, v128.load(A + p));
        replicate<T>(to + 16, v128.load(a1 + p));
        replicate<T>(to + 32, v128.load(a2 + p));
        replicate<T>(to + 48, v128.load(a3 + p));
      }
    }
    for (; k < kc; k++, p += cs, to += 64) {
      v128.store(to, v128.load_splat<T>(A + p));
      v128.store(to, v128.load_splat<T>(a1 + p), 16);
      v128.store(to, v128.load_splat<T>(a2 + p), 32);
      v128.store(to, v128.load_splat<T>(a3 + p), 48);
    }
    return;
  }
  for (let k = 0; k < kc; k++, A += cs) {
    let a = A;
    for (let i = 0; i < MR; i++, a += rs, to += 16) {
      v128.store(to, i < mr ? v128.load_splat<T>(a) : zero<T>());
    }
  }
}

/** Stores lane l of v, replicated, at to + 64 l. */
@inline
function replicate<T>(to: usize, v: v128): void {
  if (sizeof<T>() == 4) {
    v128.store(to, v128.shuffle<f32>(v, v, 0, 0, 0, 0));
    v128.store(to, v128.shuffle<f32>(v, v, 1, 1, 1, 1), 64);
    v128.store(to, v128.shuffle<f32>(v, v, 2, 2, 2, 2), 128);
    v128.store(to, v128.shuffle<f32>(v, v, 3, 3, 3, 3), 192);
  } else {
    v128.store(to, v128.shuffle<f64>(v, v, 0, 0));
    v128.store(to, v128.shuffle<f64>(v, v, 1, 1), 64);
  }
}

/** Bias of the first row of a tile: one vector of columns, or the row's number. */
@inline
function firstBias<T>(bias: usize, flags: i32): v128 {
  if (!bias) return zero<T>();
  return flags & ROW_BIAS ? v128.load_splat<T>(bias) : v128.load(bias);
}

/** What a tile adds to its sums before they are stored: the old C, the bias, max(0, .). */
@inline
function finish<T>(C: usize, sum: v128, bias: v128, flags: i32): v128 {
  if (flags & ACCUMULATE) sum = v128.add<T>(v128.load(C), sum);
  sum = v128.add<T>(sum, bias);
  if (flags & RELU) sum = v128.pmax<T>(sum, zero<T>());
  return sum;
}

/** How anyB finds B. Types, since offsets of loads must be known when the kernel is compiled: isInteger<Lookup>(). */
type Packed = f32;
type Lookup = i32;

/**
 * The micro-kernel: C tile (MR x NR) from a packed A micro-panel and, depth kc >= 1, either a packed B panel or (Lookup) B
 * where it is, row k of the tile's columns at b + table[k].
 *
 * The exit test between the unrolled steps is real on purpose: it keeps every step in a basic block of its own. In
 * straight-line code V8 11 moves all loads of the block to its top, runs out of registers and halves the speed.
 */
@inline
function anyB<T, B>(
  C: usize, a: usize, b: usize, table: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32,
): void {
  const origin = b;
  let c00 = zero<T>();
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let b0 = c00;
  let b1 = c00;
  let ai = c00;
  while (true) {
    if (isInteger<B>()) b = origin + load<i32>(table, 0);
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    ai = v128.load(a);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(a, 16);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(a, 32);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(a, 48);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (--kc == 0) break;
    if (isInteger<B>()) b = origin + load<i32>(table, 4);
    b0 = v128.load(b, isInteger<B>() ? 0 : 32);
    b1 = v128.load(b, isInteger<B>() ? 16 : 48);
    ai = v128.load(a, 64);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(a, 80);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(a, 96);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(a, 112);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (--kc == 0) break;
    if (isInteger<B>()) b = origin + load<i32>(table, 8);
    b0 = v128.load(b, isInteger<B>() ? 0 : 64);
    b1 = v128.load(b, isInteger<B>() ? 16 : 80);
    ai = v128.load(a, 128);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(a, 144);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(a, 160);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(a, 176);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (--kc == 0) break;
    if (isInteger<B>()) b = origin + load<i32>(table, 12);
    b0 = v128.load(b, isInteger<B>() ? 0 : 96);
    b1 = v128.load(b, isInteger<B>() ? 16 : 112);
    ai = v128.load(a, 192);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(a, 208);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(a, 224);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(a, 240);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (--kc == 0) break;
    a += 256;
    if (isInteger<B>()) table += 16;
    else b += 128;
  }
  storeTile<T>(C, c00, c01, c10, c11, c20, c21, c30, c31, bias, ldcBytes, flags);
}

function tile<T>(C: usize, a: usize, b: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32): void {
  anyB<T, Packed>(C, a, b, 0, bias, kc, ldcBytes, flags);
}

/**
 * The micro-kernel for right sides that need no packing, as their rows are shifts of each other: table holds byte offsets,
 * int32.
 */
export function lookupTile<T>(
  C: usize, a: usize, b: usize, table: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32,
): void {
  anyB<T, Lookup>(C, a, b, table, bias, kc, ldcBytes, flags);
}

/** Adds to the sums of a tile what belongs to them, and stores them. */
@inline
function storeTile<T>(
  C: usize, c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128, bias: usize,
  ldcBytes: usize, flags: i32,
): void {
  let b0 = firstBias<T>(bias, flags);
  let b1 = bias && !(flags & ROW_BIAS) ? v128.load(bias, 16) : b0;
  v128.store(C, finish<T>(C, c00, b0, flags));
  v128.store(C, finish<T>(C + 16, c01, b1, flags), 16);
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = b1 = v128.load_splat<T>(bias + sizeof<T>());
  v128.store(C, finish<T>(C, c10, b0, flags));
  v128.store(C, finish<T>(C + 16, c11, b1, flags), 16);
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = b1 = v128.load_splat<T>(bias + 2 * sizeof<T>());
  v128.store(C, finish<T>(C, c20, b0, flags));
  v128.store(C, finish<T>(C + 16, c21, b1, flags), 16);
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = b1 = v128.load_splat<T>(bias + 3 * sizeof<T>());
  v128.store(C, finish<T>(C, c30, b0, flags));
  v128.store(C, finish<T>(C + 16, c31, b1, flags), 16);
}

/** The micro-kernel for a half panel: MR rows x one vector, same order of summation. */
function halfTile<T>(C: usize, a: usize, b: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32): void {
  let c0 = zero<T>();
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let b0 = c0;
  while (true) {
    b0 = v128.load(b);
    c0 = fma<T>(v128.load(a), b0, c0);
    c1 = fma<T>(v128.load(a, 16), b0, c1);
    c2 = fma<T>(v128.load(a, 32), b0, c2);
    c3 = fma<T>(v128.load(a, 48), b0, c3);
    if (--kc == 0) break;
    b0 = v128.load(b, 16);
    c0 = fma<T>(v128.load(a, 64), b0, c0);
    c1 = fma<T>(v128.load(a, 80), b0, c1);
    c2 = fma<T>(v128.load(a, 96), b0, c2);
    c3 = fma<T>(v128.load(a, 112), b0, c3);
    if (--kc == 0) break;
    a += 128;
    b += 32;
  }
  b0 = firstBias<T>(bias, flags);
  v128.store(C, finish<T>(C, c0, b0, flags));
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = v128.load_splat<T>(bias + sizeof<T>());
  v128.store(C, finish<T>(C, c1, b0, flags));
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = v128.load_splat<T>(bias + 2 * sizeof<T>());
  v128.store(C, finish<T>(C, c2, b0, flags));
  C += ldcBytes;
  if (flags & ROW_BIAS) b0 = v128.load_splat<T>(bias + 3 * sizeof<T>());
  v128.store(C, finish<T>(C, c3, b0, flags));
}

/** A tile that sticks out of C: computed into `spare` (MR x NR), then its mr x nr elements are finished one by one. */
function edgeTile<T>(
  C: usize, a: usize, b: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32, mr: i32, nr: i32, spare: usize,
): void {
  const half = nr <= lanes<T>();
  if (half) halfTile<T>(spare, a, b, 0, kc, 16, 0);
  else tile<T>(spare, a, b, 0, kc, 32, 0);
  for (let i = 0; i < mr; i++, C += ldcBytes, spare += half ? 16 : 32) {
    for (let j = 0; j < nr; j++) {
      let sum = load<T>(spare + at<T>(j));
      const c = C + at<T>(j);
      if (flags & ACCUMULATE) sum = <T>(load<T>(c) + sum);
      if (bias) sum = <T>(sum + load<T>(bias + at<T>(flags & ROW_BIAS ? i : j)));
      if (flags & RELU) sum = sum < <T>0 ? <T>0 : sum;
      store<T>(c, sum);
    }
  }
}

/** Any tile of mr (1..MR) x nr (1..NR): a is a packed A micro-panel with the spare tile A_PANEL_BYTES behind its start. */
@inline
export function anyTile<T>(
  C: usize, a: usize, b: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32, mr: i32, nr: i32,
): void {
  if (mr == MR && nr == NR<T>()) tile<T>(C, a, b, bias, kc, ldcBytes, flags);
  else if (mr == MR && nr == lanes<T>()) halfTile<T>(C, a, b, bias, kc, ldcBytes, flags);
  else edgeTile<T>(C, a, b, bias, kc, ldcBytes, flags, mr, nr, a + A_PANEL_BYTES);
}

/** Flags of block pc: later blocks add to the first; bias and ReLU come with the last. */
@inline
export function blockFlags(flags: i32, pc: i32, last: bool): i32 {
  let own = pc > 0 ? flags | ACCUMULATE : flags;
  if (!last) own &= ~RELU;
  return own;
}

/**
 * Row tiles [begin, end) of C from one packed block of B (columns [jc, jc + nc), depth [pc, pc + kc)): for each, the A
 * micro-panel is packed and swept over the panels of B. C, A and bias: of the whole product.
 */
function sweep<T>(
  C: usize, A: usize, packed: usize, bias: usize, M: i32, K: i32, jc: i32, nc: i32, pc: i32, kc: i32, rsA: i32,
  csA: i32, ldc: i32, flags: i32, scratch: usize, begin: i32, end: i32,
): void {
  const last = pc + kc == K;
  const own = blockFlags(flags, pc, last);
  const ldcBytes = at<T>(ldc);
  const panelBytes = at<T>(kc * NR<T>());
  for (let i = begin * MR, past = min(M, end * MR); i < past; i += MR) {
    const mr = min(M - i, MR);
    packRows<T>(scratch, A + at<T>(i) * rsA + at<T>(pc) * csA, kc, mr, rsA, csA);
    let from = packed;
    let to = C + at<T>(i) * ldc + at<T>(jc);
    let tileBias = last && bias ? bias + at<T>(jc) : 0;
    for (let j = 0; j < nc; j += NR<T>(), from += panelBytes, to += 32) {
      anyTile<T>(to, scratch, from, tileBias, kc, ldcBytes, own, mr, min(nc - j, NR<T>()));
      if (tileBias && !(flags & ROW_BIAS)) tileBias += 32;
    }
  }
}

/**
 * The whole product on one thread. C (M, N) with row stride ldc; A (M, K) and B (K, N) through their strides; bias (N)
 * or 0. scratch: THREAD_SCRATCH_BYTES, then a block of B: min(K, KC) rows, min(N, NC) columns in whole panels. K = 0 gives zeros
 * (or C, plus bias).
 */
export function gemm<T>(
  C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32,
  ldc: i32, flags: i32, scratch: usize,
): void {
  const block = scratch + THREAD_SCRATCH_BYTES;
  for (let jc = 0; jc < N; jc += NC) {
    const nc = min(N - jc, NC);
    for (let pc = 0, kc = 0; pc < K; pc += kc) {
      kc = blockDepth(pc, K);
      packBlock<T>(block, B + at<T>(pc) * rsB + at<T>(jc) * csB, kc, nc, rsB, csB);
      sweep<T>(C, A, block, bias, M, K, jc, nc, pc, kc, rsA, csA, ldc, flags, scratch, 0, (M + MR - 1) / MR);
    }
  }
}

/**
 * First half of the product on several threads: packs panels [begin, end) (NR columns each) of B (K, N), full depth.
 * packed: K * N elements, N rounded up to a vector.
 */
export function gemmPack<T>(packed: usize, B: usize, N: i32, K: i32, rsB: i32, csB: i32, begin: i32, end: i32): void {
  for (let panel = begin; panel < end; panel++) {
    const j = panel * NR<T>();
    const jc = j - (j % NC);
    for (let pc = 0, kc = 0; pc < K; pc += kc) {
      kc = blockDepth(pc, K);
      const to = packed + at<T>(blockOffset<T>(jc, pc, N, K) + (j - jc) * kc);
      packPanel<T>(to, B + at<T>(pc) * rsB + at<T>(j) * csB, kc, min(N - j, NR<T>()), rsB, csB);
    }
  }
}

/**
 * Second half: units [begin, end) of C from the packed B. Unit u is the row tile u % tiles of the column block
 * u / tiles, where tiles = ceil(M / MR). scratch: THREAD_SCRATCH_BYTES for every thread.
 */
export function gemmRows<T>(
  C: usize, A: usize, packed: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, ldc: i32, flags: i32,
  scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const tiles = (M + MR - 1) / MR;
  scratch += THREAD_SCRATCH_BYTES * thread;
  while (begin < end) {
    const block = begin / tiles;
    const jc = block * NC;
    const nc = min(N - jc, NC);
    const to = min(end, (block + 1) * tiles);
    for (let pc = 0, kc = 0; pc < K; pc += kc) {
      kc = blockDepth(pc, K);
      const from = packed + at<T>(blockOffset<T>(jc, pc, N, K));
      const first = block * tiles;
      sweep<T>(
        C, A, from, bias, M, K, jc, nc, pc, kc, rsA, csA, ldc, flags, scratch, begin - first, to - first,
      );
    }
    begin = to;
  }
}

/** Bytes of scratch that are enough for any gemm. */
export const GEMM_SCRATCH_BYTES: usize = <usize>KC * (NC + 8) * 8 + THREAD_SCRATCH_BYTES;

/**
 * The product on several threads where it has few rows: units [begin, end) of so many columns, each a product of its own.
 * B is read once and not copied as a whole. columns: a multiple of NR. scratch: `bytes` for every thread, as gemm wants
 * it for so many columns.
 */
export function gemmColumns<T>(
  C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32,
  ldc: i32, flags: i32, columns: i32, scratch: usize, bytes: usize, begin: i32, end: i32, thread: i32,
): void {
  scratch += bytes * thread;
  for (let unit = begin; unit < end; unit++) {
    const j = unit * columns;
    const own = bias && !(flags & ROW_BIAS) ? bias + at<T>(j) : bias;
    const from = B + at<T>(j) * csB;
    gemm<T>(C + at<T>(j), A, from, own, M, min(N - j, columns), K, rsA, csA, rsB, csB, ldc, flags, scratch);
  }
}
