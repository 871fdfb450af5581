/**
 * Tiles of a product: C += or = A B for a few rows and columns, from panels that are packed. A micro-panel of A has 6, 4 or 2 rows,
 * each element replicated over a vector, so that the micro-kernels need no shuffles; a panel of B has NR columns, k-major. Every
 * element of C is summed with k ascending, whatever kernel computes it.
 */
import { A_PANEL_BYTES, NR, TALL } from './blocks';
import { at, fma, lanes, splat, zero } from './lanes';

/** Flags of `flags`: add to C instead of overwriting it; apply max(0, .) at the end; bias is one number per row of C. */
export const ACCUMULATE: i32 = 1;
export const RELU: i32 = 2;
export const ROW_BIAS: i32 = 4;

/** Rows of the micro-panel of A that comes next where `left` rows are left: only panels of 2 ever have a row too many. */
@inline
export function panelRows(left: i32): i32 {
  return left >= TALL ? TALL : left >= 4 ? 4 : 2;
}

/**
 * One micro-panel of A: `height` rows, depth kc, as `height` vectors per k, each one element replicated. mr: rows that there are;
 * if that is one of two, it stands for both.
 */
export function packRows<T>(to: usize, A: usize, kc: i32, height: i32, mr: i32, rsA: i32, csA: i32): void {
  const rs = mr == height ? at<T>(rsA) : 0;
  const step = <usize>height << 4;
  if (csA == 1) {
    for (let i = 0; i < height; i++, to += 16, A += rs) packRow<T>(to, A, kc, step);
    return;
  }
  const cs = at<T>(csA);
  for (const end = to + step * kc; to < end; to += step, A += cs) {
    v128.store(to, v128.load_splat<T>(A));
    v128.store(to, v128.load_splat<T>(A + rs), 16);
    if (height == 2) continue;
    v128.store(to, v128.load_splat<T>(A + 2 * rs), 32);
    v128.store(to, v128.load_splat<T>(A + 3 * rs), 48);
    if (height == 4) continue;
    v128.store(to, v128.load_splat<T>(A + 4 * rs), 64);
    v128.store(to, v128.load_splat<T>(A + 5 * rs), 80);
  }
}

/** One contiguous row of a micro-panel. */
@inline
function packRow<T>(to: usize, a: usize, kc: i32, step: usize): void {
  const whole = a + at<T>(kc & ~(lanes<T>() - 1));
  const end = a + at<T>(kc);
  for (; a < whole; a += 16) {
    const v = v128.load(a);
    if (sizeof<T>() == 4) {
      v128.store(to, v128.shuffle<f32>(v, v, 0, 0, 0, 0));
      v128.store(to + step, v128.shuffle<f32>(v, v, 1, 1, 1, 1));
      to += step + step;
      v128.store(to, v128.shuffle<f32>(v, v, 2, 2, 2, 2));
      v128.store(to + step, v128.shuffle<f32>(v, v, 3, 3, 3, 3));
    } else {
      v128.store(to, v128.shuffle<f64>(v, v, 0, 0));
      v128.store(to + step, v128.shuffle<f64>(v, v, 1, 1));
    }
    to += step + step;
  }
  for (; a < end; a += sizeof<T>(), to += step) v128.store(to, v128.load_splat<T>(a));
}

/** Bytes that a micro-kernel reads ahead for each step of its depth. */
const AHEAD: usize = 4;

/**
 * Has the micro-kernels read on the side what is packed next, [from, end), so that main memory delivers while they compute: a
 * tile of depth kc reads AHEAD * kc bytes, the next tile starts `step` bytes further on (0: where this one ended). wasm has no
 * instruction for it, but keeps a load whose value nobody uses, since it may trap. All tiles read a little: where every fourth
 * read four times as much, they waited for it, and a tenth of the gain was left. plan: twelve bytes, for sweepPanels.
 */
export function readAhead(plan: usize, from: usize, end: usize, step: usize, kc: i32): void {
  const bytes = AHEAD * kc;
  store<usize>(plan, from);
  store<usize>(plan, step > 0 ? step : bytes, 4);
  store<usize>(plan, end - bytes, 8);
}

/** A plan to read nothing. */
@inline
export function readNothingAhead(plan: usize): void {
  store<usize>(plan, 0, 8);
}

/** Where the next tile reads ahead; elsewhere, if there is nothing, or no plan (0). */
@inline
function readNext(plan: usize, elsewhere: usize): usize {
  if (plan == 0) return elsewhere;
  const next = load<usize>(plan);
  if (next > load<usize>(plan, 8)) return elsewhere;
  store<usize>(plan, next + load<usize>(plan, 4));
  return next;
}

/** How anyFourRows finds B. Types, since offsets of loads must be known when the kernel is compiled: isInteger<Lookup>(). */
type Packed = f32;
type Lookup = i32;

/**
 * The micro-kernel of 4 rows: a tile of C (4 x NR) from a packed micro-panel of A and, depth kc >= 1, either a packed panel of B
 * or (Lookup) B where it is, row k of the tile's columns at b + table[k].
 *
 * The exit test between the unrolled steps is real on purpose: it keeps every step in a basic block of its own. In
 * straight-line code V8 11 moves all loads of the block to its top, runs out of registers and halves the speed.
 */
@inline
function anyFourRows<T, B>(
  C: usize, a: usize, b: usize, table: usize, kc: i32, ldcBytes: usize, flags: i32, next: usize,
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
    if (!isInteger<B>()) load<u8>(next);
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
    next += 4 * AHEAD;
  }
  const C2 = C + 2 * ldcBytes;
  if (flags & ACCUMULATE) {
    addRows<T>(C, ldcBytes, c00, c01, c10, c11);
    addRows<T>(C2, ldcBytes, c20, c21, c30, c31);
  } else {
    storeRows<T>(C, ldcBytes, c00, c01, c10, c11);
    storeRows<T>(C2, ldcBytes, c20, c21, c30, c31);
  }
}

/**
 * The micro-kernel of 6 rows: twelve sums hide the latency of a fused operation, eight do not quite. They leave three registers,
 * so that a basic block must hold no more than one load of A; hence the tests that never hold, each of another number, or the
 * compiler would drop them. next: see readAhead; two steps an iteration, or reading ahead would cost 5 % of the speed.
 */
function sixRows<T>(C: usize, a: usize, b: usize, kc: i32, ldcBytes: usize, flags: i32, next: usize): void {
  let c00 = zero<T>();
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  let c50 = c00;
  let c51 = c00;
  let b0 = c00;
  let b1 = c00;
  let ai = c00;
  while (true) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    ai = v128.load(a);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    load<u8>(next);
    if (kc == -1) break;
    ai = v128.load(a, 16);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    if (kc == -2) break;
    ai = v128.load(a, 32);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    if (kc == -3) break;
    ai = v128.load(a, 48);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (kc == -4) break;
    ai = v128.load(a, 64);
    c40 = fma<T>(ai, b0, c40);
    c41 = fma<T>(ai, b1, c41);
    if (kc == -5) break;
    ai = v128.load(a, 80);
    c50 = fma<T>(ai, b0, c50);
    c51 = fma<T>(ai, b1, c51);
    if (--kc == 0) break;
    b0 = v128.load(b, 32);
    b1 = v128.load(b, 48);
    ai = v128.load(a, 96);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    if (kc == -6) break;
    ai = v128.load(a, 112);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    if (kc == -7) break;
    ai = v128.load(a, 128);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    if (kc == -8) break;
    ai = v128.load(a, 144);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    if (kc == -9) break;
    ai = v128.load(a, 160);
    c40 = fma<T>(ai, b0, c40);
    c41 = fma<T>(ai, b1, c41);
    if (kc == -10) break;
    ai = v128.load(a, 176);
    c50 = fma<T>(ai, b0, c50);
    c51 = fma<T>(ai, b1, c51);
    if (--kc == 0) break;
    a += 192;
    b += 64;
    next += 2 * AHEAD;
  }
  const C2 = C + 2 * ldcBytes;
  const C4 = C + 4 * ldcBytes;
  if (flags & ACCUMULATE) {
    addRows<T>(C, ldcBytes, c00, c01, c10, c11);
    addRows<T>(C2, ldcBytes, c20, c21, c30, c31);
    addRows<T>(C4, ldcBytes, c40, c41, c50, c51);
  } else {
    storeRows<T>(C, ldcBytes, c00, c01, c10, c11);
    storeRows<T>(C2, ldcBytes, c20, c21, c30, c31);
    storeRows<T>(C4, ldcBytes, c40, c41, c50, c51);
  }
}

/** The micro-kernel of 4 rows on packed panels. */
function fourRows<T>(C: usize, a: usize, b: usize, kc: i32, ldcBytes: usize, flags: i32, next: usize): void {
  anyFourRows<T, Packed>(C, a, b, 0, kc, ldcBytes, flags, next);
}

/**
 * The micro-kernel of 4 rows for right sides that need no packing, as their rows are shifts of each other: table holds byte
 * offsets, int32.
 */
export function lookupTile<T>(C: usize, a: usize, b: usize, table: usize, kc: i32, ldcBytes: usize, flags: i32): void {
  anyFourRows<T, Lookup>(C, a, b, table, kc, ldcBytes, flags, 0);
}

/**
 * The micro-kernel for the last 1 or 2 rows: these x two packed panels of B, panelBytes apart, as many products in flight as in
 * a tile of 4 rows, where half of them would be of rows that are not there.
 */
function twoRows<T>(C: usize, a: usize, b: usize, panelBytes: usize, kc: i32, ldcBytes: usize, flags: i32): void {
  let c00 = zero<T>();
  let c01 = c00;
  let c02 = c00;
  let c03 = c00;
  let c10 = c00;
  let c11 = c00;
  let c12 = c00;
  let c13 = c00;
  let a0 = c00;
  let a1 = c00;
  let bi = c00;
  let q = b + panelBytes;
  while (true) {
    a0 = v128.load(a);
    a1 = v128.load(a, 16);
    bi = v128.load(b);
    c00 = fma<T>(a0, bi, c00);
    c10 = fma<T>(a1, bi, c10);
    bi = v128.load(b, 16);
    c01 = fma<T>(a0, bi, c01);
    c11 = fma<T>(a1, bi, c11);
    bi = v128.load(q);
    c02 = fma<T>(a0, bi, c02);
    c12 = fma<T>(a1, bi, c12);
    bi = v128.load(q, 16);
    c03 = fma<T>(a0, bi, c03);
    c13 = fma<T>(a1, bi, c13);
    if (--kc == 0) break;
    a += 32;
    b += 32;
    q += 32;
  }
  if (flags & ACCUMULATE) {
    addRows<T>(C, ldcBytes, c00, c01, c10, c11);
    addRows<T>(C + 32, ldcBytes, c02, c03, c12, c13);
  } else {
    storeRows<T>(C, ldcBytes, c00, c01, c10, c11);
    storeRows<T>(C + 32, ldcBytes, c02, c03, c12, c13);
  }
}

/** Stores sums of two rows, two vectors each. ldcBytes 0: the rows are one. */
@inline
function storeRows<T>(C: usize, ldcBytes: usize, c00: v128, c01: v128, c10: v128, c11: v128): void {
  v128.store(C, c00);
  v128.store(C, c01, 16);
  v128.store(C + ldcBytes, c10);
  v128.store(C + ldcBytes, c11, 16);
}

/** As storeRows, added to what is there. */
@inline
function addRows<T>(C: usize, ldcBytes: usize, c00: v128, c01: v128, c10: v128, c11: v128): void {
  const next = C + ldcBytes;
  c10 = v128.add<T>(v128.load(next), c10);
  c11 = v128.add<T>(v128.load(next, 16), c11);
  v128.store(C, v128.add<T>(v128.load(C), c00));
  v128.store(C, v128.add<T>(v128.load(C, 16), c01), 16);
  v128.store(next, c10);
  v128.store(next, c11, 16);
}

/**
 * What comes last to a tile of C, rows x columns: the bias, max(0, .). Not in the micro-kernels, which have no registers to
 * spare: where V8 cannot keep a sum behind the loop, it writes it to the stack at every step of the loop.
 */
function finishTile<T>(C: usize, rows: i32, columns: i32, ldcBytes: usize, bias: usize, flags: i32): void {
  const lowest = flags & RELU ? <T>0 : <T>-Infinity;
  const floor = splat<T>(lowest);
  const ofColumns = bias != 0 && !(flags & ROW_BIAS);
  const whole = at<T>(columns & ~(lanes<T>() - 1));
  const end = at<T>(columns);
  for (let i = 0; i < rows; i++, C += ldcBytes) {
    const ofRow = bias != 0 && !ofColumns ? load<T>(bias + at<T>(i)) : <T>0;
    let o: usize = 0;
    if (ofColumns) {
      for (; o < whole; o += 16) v128.store(C + o, v128.pmax<T>(v128.add<T>(v128.load(C + o), v128.load(bias + o)), floor));
    } else {
      const b = splat<T>(ofRow);
      for (; o < whole; o += 16) v128.store(C + o, v128.pmax<T>(v128.add<T>(v128.load(C + o), b), floor));
    }
    for (; o < end; o += sizeof<T>()) {
      const sum = <T>(load<T>(C + o) + (ofColumns ? load<T>(bias + o) : ofRow));
      store<T>(C + o, sum < lowest ? lowest : sum);
    }
  }
}

/**
 * Sums of one vector of columns, six rows into sums: step bytes of A and width bytes of B from k to k + 1. Rows of other panels
 * are summed, too, where a panel has fewer: six take no longer than four.
 */
function rowSums<T>(sums: usize, a: usize, step: usize, b: usize, width: usize, kc: i32): void {
  let c0 = zero<T>();
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  for (; kc > 0; kc--, a += step, b += width) {
    const bi = v128.load(b);
    c0 = fma<T>(v128.load(a), bi, c0);
    c1 = fma<T>(v128.load(a, 16), bi, c1);
    c2 = fma<T>(v128.load(a, 32), bi, c2);
    c3 = fma<T>(v128.load(a, 48), bi, c3);
    c4 = fma<T>(v128.load(a, 64), bi, c4);
    c5 = fma<T>(v128.load(a, 80), bi, c5);
  }
  v128.store(sums, c0);
  v128.store(sums, c1, 16);
  v128.store(sums, c2, 32);
  v128.store(sums, c3, 48);
  v128.store(sums, c4, 64);
  v128.store(sums, c5, 80);
}

/**
 * Columns that no micro-kernel covers, nr (1..NR) of them: a vector at a time into the spare room behind the micro-panel, and
 * from there what belongs to C.
 */
function raggedTile<T>(
  C: usize, a: usize, height: i32, mr: i32, b: usize, kc: i32, ldcBytes: usize, flags: i32, nr: i32,
): void {
  const spare = a + A_PANEL_BYTES;
  const width: usize = nr <= lanes<T>() ? 16 : 32;
  for (let j = 0; j < nr; j++, C += sizeof<T>()) {
    const lane = j & (lanes<T>() - 1);
    if (lane == 0) rowSums<T>(spare, a, <usize>height << 4, b + at<T>(j), width, kc);
    for (let i = 0, c = C; i < mr; i++, c += ldcBytes) {
      const sum = load<T>(spare + <usize>(i << 4) + at<T>(lane));
      store<T>(c, flags & ACCUMULATE ? <T>(load<T>(c) + sum) : sum);
    }
  }
}

/**
 * mr rows of C, `columns` of their columns, from a micro-panel of A (by packRows, A_PANEL_BYTES and six vectors of room) and
 * packed panels of B, panelBytes apart. bias: of the first column, or (ROW_BIAS) of the first row; or 0. plan: of readAhead, or 0.
 *
 * Inline, so that each micro-kernel has several callers: what has only one, asc puts into it, and among the variables of such a
 * loop the sums do not stay in registers.
 */
@inline
export function sweepPanels<T>(
  C: usize, a: usize, height: i32, mr: i32, b: usize, panelBytes: usize, bias: usize, kc: i32, ldcBytes: usize, flags: i32,
  columns: i32, plan: usize,
): void {
  const unfinished = bias != 0 || (flags & RELU) != 0;
  const both = height == 2 && mr == 2 ? ldcBytes : 0;
  for (let j = 0, nr = 0; j < columns; j += nr) {
    const left = columns - j;
    nr = height == 2 ? 2 * NR<T>() : NR<T>();
    if (left < nr) {
      nr = min(left, NR<T>());
      raggedTile<T>(C, a, height, mr, b, kc, ldcBytes, flags, nr);
    } else if (TALL == 6 && height == 6) {
      sixRows<T>(C, a, b, kc, ldcBytes, flags, readNext(plan, b));
    } else if (height == 4) {
      fourRows<T>(C, a, b, kc, ldcBytes, flags, readNext(plan, b));
    } else {
      twoRows<T>(C, a, b, panelBytes, kc, both, flags);
      b += panelBytes;
    }
    if (unfinished) finishTile<T>(C, mr, nr, ldcBytes, bias && !(flags & ROW_BIAS) ? bias + at<T>(j) : bias, flags);
    b += panelBytes;
    C += at<T>(nr);
  }
}
