/**
 * The kernels of the classic classifiers, linear ones and nearest neighbours: as kernels.ts. Which way distances go is decided by
 * their caller.
 */
import { call, gemm, itemBytes, LINE, launch, type Operand, PACKED_LIMIT } from './kernels.js';
import { heap } from './memory.js';
import { current } from './runtime/index.js';

// Linear classifiers: W (D, C), x (N, D)

/**
 * Loss and gradient dW of a linear classifier by plain loops: W (D, C), X (N, D), y int32. scores: C float64 to work in.
 */
export function linearLossNaive(
  dW: Operand,
  W: Operand,
  X: Operand,
  y: Operand,
  scores: Operand,
  hinge: boolean,
  reg: number,
): number {
  const [D, C] = W.shape as [number, number];
  return call('linearLossNaive', W, dW, W, X, y, scores, hinge, reg, y.size, D, C);
}

/** Most classes for which linearScores and linearGradient can choose rows: their sums fit a thread's scratch. */
export const FEW_CLASSES = 15;

/** As in assembly/linear.ts: classes of a group, bytes of columns that are taken together. */
const GROUP = 5;
const LINE_BYTES = 64;

/**
 * scores (N, C) = X W. x: rows as wide as W (D, C) is long; rows: int32 (N), which of them are the examples (at most
 * FEW_CLASSES); without, all in order.
 */
export function linearScores(scores: Operand, x: Operand, W: Operand, rows?: Operand): void {
  const [N, C] = scores.shape as [number, number];
  const D = W.size / C;
  if (C > FEW_CLASSES) {
    gemm(scores, x, W, N, C, D);
    return;
  }
  const vectors = Math.ceil((D * itemBytes(W)) / 16);
  const packed = heap().scratch('linear', 16 * vectors * GROUP * Math.ceil(C / GROUP));
  launch('linearPack', W, vectors, LINE, W.size, packed, W, D, C);
  launch('linearScores', W, N, 2, N * D * C, scores, x, rows, packed, D, C, threadPanels());
}

/** dW (D, C) = X^T slopes (N, C); x and rows as for linearScores. */
export function linearGradient(dW: Operand, x: Operand, slopes: Operand, rows?: Operand): void {
  const [N, C] = slopes.shape as [number, number];
  const D = dW.size / C;
  if (C > FEW_CLASSES) {
    gemm(dW, x, slopes, D, C, N, { transA: true });
    return;
  }
  const bytes = itemBytes(dW);
  const packed = heap().scratch('linear', N * GROUP * Math.ceil(C / GROUP) * bytes);
  call('linearPackSlopes', dW, packed, slopes, N, C);
  const lines = Math.ceil((D * bytes) / LINE_BYTES);
  launch('linearGradient', dW, lines, 1, N * D * C, dW, x, rows, packed, N, D, C, threadPanels());
}

/** Scratch of a panel of the matrix product for each thread. */
function threadPanels(): number {
  return heap().scratch('gemm rows', call('threadScratchBytes', '') * current().threads);
}

// Distances: x (M, D), train (N, D), dists (M, N)

/** All distances, pair by pair. */
export function allDistances(dists: Operand, x: Operand, train: Operand): void {
  const [M, N, D] = sizes(dists, x);
  launch('allDistances', x, M, 1, M * N * D, dists, x, train, N, D);
}

/** out (N): distances of x (D) from every row of train. */
export function rowDistances(out: Operand, x: Operand, train: Operand): void {
  const D = x.size;
  launch('rowDistances', x, out.size, LINE, out.size * D, out, x, train, D);
}

/** Distances by one matrix product. xx (M) and tt (N): room for the squares of the rows. */
export function expandedDistances(dists: Operand, x: Operand, train: Operand, xx: Operand, tt: Operand): void {
  const [M, N, D] = sizes(dists, x);
  launch('rowSquares', x, M, LINE, M * D, xx, x, D);
  launch('rowSquares', x, N, LINE, N * D, tt, train, D);
  gemm(dists, x, train, M, N, D, { transB: true });
  launch('expandDistances', x, M, 1, 2 * M * N, dists, x, train, xx, tt, N, D);
}

/** As in assembly/distanceWhole.ts: rows of train that are taken together, of which packed ones lie together. */
const WHOLE_BLOCK = 63;
const WHOLE_TILE = 3;
/** Bytes of what each thread finds out about the numbers it packs. */
const WHOLE_RANGE = 80;

/**
 * All distances in integers, if x and train hold whole numbers for which that is exact: of 16 bits, and no square of a distance
 * can reach 2^31, as for rows of up to 33,025 bytes. Else nothing that counts is written.
 *
 * @returns whether they could be computed
 */
export function wholeDistances(dists: Operand, x: Operand, train: Operand): boolean {
  const [M, N, D] = sizes(dists, x);
  if (M * N * D === 0) return false;
  const bytes = itemBytes(dists);
  const { threads } = current();
  const range = heap().scratch('whole range', WHOLE_RANGE * threads);
  const found = () => new Int32Array(heap().buffer as ArrayBuffer, range, (WHOLE_RANGE / 4) * threads);
  found().fill(0);
  const rowBytes = Math.ceil(D / 8) * 16;
  const slab = Math.max(1, Math.floor(PACKED_LIMIT / rowBytes / WHOLE_BLOCK)) * WHOLE_BLOCK;
  const pack = (name: string, rows: Operand, first: number, n: number): [packed: number, squares: number] => {
    const packed = heap().scratch(name, Math.ceil(n / WHOLE_TILE) * WHOLE_TILE * rowBytes);
    const squares = heap().scratch(`${name} squares`, 4 * n);
    launch('wholePack', rows, n, LINE, n * D, packed, squares, range, rows.address + first * D * bytes, D);
    return [packed, squares];
  };
  for (let i = 0; i < M; i += slab) {
    const m = Math.min(slab, M - i);
    const [ours, xx] = pack('whole x', x, i, m);
    for (let j = 0; j < N; j += slab) {
      const n = Math.min(slab, N - j);
      const [theirs, tt] = pack('whole train', train, j, n);
      if (!exact(found(), D)) return false;
      const scratch = heap().scratch('whole sums', call('wholeScratch', '') * threads);
      const to = dists.address + (i * N + j) * bytes;
      const blocks = Math.ceil(n / WHOLE_BLOCK);
      launch('wholeDistances', dists, blocks, 1, m * n * D, to, ours, theirs, xx, tt, m, n, D, N, scratch);
    }
  }
  return true;
}

/** Whether numbers in the range that the threads found have distances that integers can hold. */
function exact(found: Int32Array, D: number): boolean {
  let [high, low] = [0, 0];
  for (let t = 0; t < found.length; t += WHOLE_RANGE / 4) {
    if (found[t + 2] !== 0) return false;
    high = Math.max(high, found[t] as number);
    low = Math.min(low, found[t + 1] as number);
  }
  return D * (high - low) ** 2 < 2 ** 31;
}

function sizes(dists: Operand, x: Operand): [M: number, N: number, D: number] {
  const [M, N] = dists.shape as [number, number];
  return [M, N, M === 0 ? 0 : x.size / M];
}

/** int32 near (M, k): positions of the k smallest of each row of dists, in order; equal ones by position. */
export function nearest(near: Operand, dists: Operand): void {
  const [M, N] = dists.shape as [number, number];
  launch('nearest', dists, M, 1, 2 * M * N, near, dists, N, near.shape[1]);
}

/** int32 out (M): the most frequent of the labels, in [0, classes), of the first k of near; of equals the smallest. */
export function vote(out: Operand, near: Operand, labels: Operand, classes: number, k: number): void {
  const counts = heap().scratch('votes', 4 * classes * current().threads);
  launch('vote', '', out.size, LINE, 2 * out.size * k, out, near, labels, counts, classes, near.shape[1], k);
}
