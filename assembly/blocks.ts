/**
 * Block sizes of the matrix product, each with the measurement behind it (one thread, share of the register-only peak
 * of the same run).
 *
 * NR       Columns of a tile: two vectors, 8 float32 or 4 float64.
 * MR       Rows by which products are split over threads, and of the plain tile. Eight sums, two vectors of B and one of A
 *          fit the 15 registers V8 can use; 3x12, 5x8, 6x8 and 4x12 spill in the mul+add build and run at half.
 * TALL     Rows of the tallest tile. The fused build needs no registers for products, and eight sums do not hide the latency
 *          of its operation: with 6 rows products of 512 are 1.05 of those with 4.
 * KC       Depth of a packed block: one micro-panel of A (KC * TALL vectors, each element replicated over a vector: 24 kB)
 *          stays in the first-level cache. 192 and 384 differ by less than 3 %.
 * NC       Columns of a packed B block: KC * NC float32 are 512 kB, which stays in the second-level cache while the
 *          rows of A sweep over it. 256 and 1024 differ by less than 5 %.
 */
export const MR: i32 = 4;
export const TALL: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
export const KC: i32 = 256;
export const NC: i32 = 512;

/** Columns of a full B panel: two vectors. */
@inline
export function NR<T>(): i32 {
  return 32 / sizeof<T>();
}

/** Bytes of one packed A micro-panel. */
export const A_PANEL_BYTES: usize = <usize>KC * TALL * 16;

/** Where a thread's scratch has the plan of what to read ahead (tiles.ts): behind an A micro-panel and sums of ragged edges. */
export const READ_AHEAD_PLAN: usize = A_PANEL_BYTES + 128;

/** Bytes of scratch each thread needs: an A micro-panel, one C tile for the ragged edges, what to read ahead. */
export const THREAD_SCRATCH_BYTES: usize = A_PANEL_BYTES + 256;
