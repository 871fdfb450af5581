/**
 * Matrix product C = A B, C += A B, optionally + bias per column and ReLU, for any strides of A and B (so NN, NT and
 * TN are one routine; transposes are absorbed by packing).
 *
 * Structure: for every NC columns and KC depth, B is packed into panels of NR columns (k-major, padded with zeros).
 * Then one micro-panel of A after another, 6, 4 or 2 rows, is packed (each element replicated over a vector, so that the
 * micro-kernels need no shuffles) and swept over all B panels. B panels stay in the second-level cache, the A panel in
 * the first. Order after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with the two
 * inner loops exchanged: here packing a small A panel is cheaper than keeping a large one.
 *
 * While a block of B is multiplied the next one is read on the side (readAhead). It matters where few rows of A make little
 * work of a large B: 50 x 500 x 16384 is 1.13 times as fast.
 *
 * Every element of C is summed in the same order (k ascending inside a block of KC, blocks ascending) whatever tile,
 * edge or thread computes it, so any split of the rows gives the same bits.
 *
 * Strides (rsA, csA, rsB, csB, ldc) count elements.
 */
import { KC, MR, NC, NR, READ_AHEAD_PLAN, THREAD_SCRATCH_BYTES } from './blocks';
import { at, lanes, storeTransposed } from './lanes';
import { ACCUMULATE, packRows, panelRows, readAhead, readNothingAhead, RELU, sweepPanels } from './tiles';

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

/** Flags of block pc: later blocks add to the first; bias and ReLU come with the last. */
@inline
export function blockFlags(flags: i32, pc: i32, last: bool): i32 {
  let own = pc > 0 ? flags | ACCUMULATE : flags;
  if (!last) own &= ~RELU;
  return own;
}

/**
 * Row tiles [begin, end) of C (MR rows each) from one packed block of B (columns [jc, jc + nc), depth [pc, pc + kc)): a
 * micro-panel of A at a time is packed and swept over the panels of B. C, A and bias: of the whole product.
 */
function sweep<T>(
  C: usize, A: usize, packed: usize, bias: usize, M: i32, K: i32, jc: i32, nc: i32, pc: i32, kc: i32, rsA: i32,
  csA: i32, ldc: i32, flags: i32, scratch: usize, begin: i32, end: i32, plan: usize,
): void {
  const last = pc + kc == K;
  const own = blockFlags(flags, pc, last);
  const panelBytes = at<T>(kc * NR<T>());
  const past = min(M, end * MR);
  for (let i = begin * MR, height = 0; i < past; i += height) {
    height = panelRows(past - i);
    const mr = min(past - i, height);
    packRows<T>(scratch, A + at<T>(i) * rsA + at<T>(pc) * csA, kc, height, mr, rsA, csA);
    const ownBias = last && bias ? bias + at<T>(jc) : 0;
    sweepPanels<T>(
      C + at<T>(i) * ldc + at<T>(jc), scratch, height, mr, packed, panelBytes, ownBias, kc, at<T>(ldc), own, nc, plan,
    );
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
  gemmBlocks<T>(C, A, B, bias, M, N, K, rsA, csA, rsB, csB, ldc, flags, NC, scratch);
}

/** As gemm, with blocks of `width` columns of B. */
function gemmBlocks<T>(
  C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32,
  ldc: i32, flags: i32, width: i32, scratch: usize,
): void {
  const plan = scratch + READ_AHEAD_PLAN;
  const block = scratch + THREAD_SCRATCH_BYTES;
  for (let jc = 0; jc < N; jc += width) {
    const nc = min(N - jc, width);
    for (let pc = 0, kc = 0; pc < K; pc += kc) {
      kc = blockDepth(pc, K);
      packBlock<T>(block, B + at<T>(pc) * rsB + at<T>(jc) * csB, kc, nc, rsB, csB);
      readNothingAhead(plan);
      if (csB == 1) readRowsAhead<T>(plan, B, N, K, rsB, jc, width, pc, kc);
      else if (rsB == 1 && csB == K) readColumnsAhead<T>(plan, B, N, K, jc, width, pc, kc);
      sweep<T>(C, A, block, bias, M, K, jc, nc, pc, kc, rsA, csA, ldc, flags, scratch, 0, (M + MR - 1) / MR, plan);
    }
  }
}

/** Reads ahead the block of B that comes after the one at (pc, jc): its rows lie contiguous. */
function readRowsAhead<T>(plan: usize, B: usize, N: i32, K: i32, rsB: i32, jc: i32, width: i32, pc: i32, kc: i32): void {
  const down = pc + kc < K;
  const k = down ? pc + kc : 0;
  const j = down ? jc : jc + width;
  if (j >= N) return;
  const columns = min(N - j, width);
  const from = B + at<T>(k) * rsB + at<T>(j);
  const end = from + at<T>(rsB) * (blockDepth(k, K) - 1) + at<T>(columns);
  readAhead(plan, from, end, columns == rsB ? 0 : at<T>(rsB), kc);
}

/**
 * Reads ahead the next columns of B, each contiguous and next to the other: with every block of depth an equal share of them
 * from end to end, as prefetchers like it, not what the next block has of each. Not where columns are so long that what was read
 * first would be gone again before it is packed.
 */
function readColumnsAhead<T>(plan: usize, B: usize, N: i32, K: i32, jc: i32, width: i32, pc: i32, kc: i32): void {
  const columns = min(N - jc - width, width);
  if (columns <= 0 || K > 4 * KC) return;
  const from = B + at<T>(jc + width) * K + at<T>(pc * columns);
  readAhead(plan, from, from + at<T>(kc * columns), 0, kc);
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
        C, A, from, bias, M, K, jc, nc, pc, kc, rsA, csA, ldc, flags, scratch, begin - first, to - first, 0,
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
  const j = begin * columns;
  const own = bias ? bias + at<T>(j) : 0;
  const n = min(N, end * columns) - j;
  gemmBlocks<T>(
    C + at<T>(j), A, B + at<T>(j) * csB, own, M, n, K, rsA, csA, rsB, csB, ldc, flags, columns, scratch + bytes * thread,
  );
}
