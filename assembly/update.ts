/**
 * Update rules on the weights w (D, M) of an affine layer whose gradient is not in memory: dw = x^T dout + reg w is computed
 * a strip of rows at a time, small enough for the second-level cache, and used there. At the sizes of the course's
 * convolutional nets, 4 to 8 million weights, dw written and read again is a third of a step's traffic with main memory.
 *
 * Numbers are those of the separate passes, bit for bit: gemm, decay, and the rule.
 */
import { MR, NC } from './blocks';
import { axpy } from './elementwise';
import { gemmRows } from './gemm';
import { at } from './lanes';
import { adam, momentum, rmsprop, sgd } from './optim';

/** Rules, as in kernels.ts. */
const SGD: i32 = 0;
const MOMENTUM: i32 = 1;
const RMSPROP: i32 = 2;

/**
 * Strips [begin, end) of `rows` rows of w. x (N, D); packed: dout (N, M) by gemmPack; s0, s1: the rule's state, like w;
 * n0 ... n6: its numbers, in the order in which it takes them. scratch: `bytes` for every thread, rows * M elements and
 * THREAD_SCRATCH_BYTES behind them, both from a cache line on.
 */
export function updateByProduct<T>(
  rule: i32, w: usize, x: usize, packed: usize, s0: usize, s1: usize, D: i32, M: i32, N: i32, reg: f64, rows: i32,
  scratch: usize, bytes: usize, n0: f64, n1: f64, n2: f64, n3: f64, n4: f64, n5: f64, n6: f64, begin: i32, end: i32,
  thread: i32,
): void {
  const dw = scratch + bytes * thread;
  const panel = (dw + at<T>(rows * M) + 63) & ~63;
  const blocks = (M + NC - 1) / NC;
  for (let strip = begin; strip < end; strip++) {
    const i = strip * rows;
    const n = min(D - i, rows);
    const tiles = (n + MR - 1) / MR;
    gemmRows<T>(dw, x + at<T>(i), packed, 0, n, M, N, 1, D, M, 0, panel, 0, tiles * blocks, 0);
    const count = n * M;
    const o = at<T>(i) * M;
    if (reg != 0) axpy<T>(dw, dw, w + o, reg, 0, count);
    if (rule == SGD) sgd<T>(w + o, dw, n0, 0, count);
    else if (rule == MOMENTUM) momentum<T>(w + o, dw, s0 + o, n0, n1, <i32>n2, 0, count);
    else if (rule == RMSPROP) rmsprop<T>(w + o, dw, s0 + o, n0, n1, n2, n3, <i32>n4, 0, count);
    else adam<T>(w + o, dw, s0 + o, s1 + o, n0, n1, n2, n3, n4, n5, n6, 0, count);
  }
}
