/**
 * 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Winograd, 1980; Lavin and Gray, 2016), in
 * all three roles: forward, and the gradients of images and filters. float32 only: the transforms cost about one decimal
 * digit (at most 1e-5 of the largest |out|, see test/conv.test.ts).
 *
 * Every 4x4 tile of the output comes from a 6x6 tile of the input. Both are taken into a basis of 36 values ("planes")
 * in which the convolution is a product per plane: M = U V with U (F, C) from the filters and V (C, tiles) from the
 * input, a quarter of the multiplications of the direct way. The gradient of the filters uses the same basis the other
 * way round: dU = dM V', with dM (F, tiles) from dout.
 *
 * Tiles are counted along rows of tiles, and those through all images: tile row r is row r % TH of image r / TH. Work is
 * cut at tile rows. T, the tiles of a block, is rounded up to whole panels of the matrix product.
 */
import { MR, THREAD_SCRATCH_BYTES } from './blocks';
import { blockDepth, gemm, gemmRows } from './gemm';
import { at, clearRow, copyRow, fma, fnma } from './lanes';
import { ACCUMULATE } from './tiles';

/** Values of a tile in the basis. */
const PLANES: i32 = 36;

/** Tiles of a block: enough to pay for packing filters, few enough that the planes stay in the cache. */
const TILES: i32 = 128;

/**
 * Bytes from one plane to the next. Planes are mostly powers of two, and a transform stores to all of them: a cache line more
 * keeps the 36 places out of each other's cache sets.
 */
@inline
function planeBytes(rows: i32, columns: i32): usize {
  return at<f32>(rows * columns) + 64;
}

@inline
function tilesAcross(size: i32): i32 {
  return (size + 3) >> 2;
}

/** Tile rows of one block. */
export function winogradRows(OW: i32): i32 {
  return max(1, TILES / tilesAcross(OW));
}

@inline
function paddedTiles(rows: i32, TW: i32): i32 {
  return (rows * TW + 7) & ~7;
}

/** Floats of one row of a strip: 4 TW + 2, and a vector that may be read past it. */
@inline
function stripWidth(TW: i32): i32 {
  return 4 * TW + 8;
}

/** Bytes of scratch of one thread for winogradForward: V, M, strips, packed rows. */
export function winogradScratch(C: i32, F: i32, OW: i32): i32 {
  const TW = tilesAcross(OW);
  const rows = winogradRows(OW);
  const T = paddedTiles(rows, TW);
  const planes = PLANES * <i32>(planeBytes(C, T) + planeBytes(F, T));
  return planes + stripBytes(rows, TW) + 4 * PLANES * 4 + <i32>THREAD_SCRATCH_BYTES;
}

@inline
function stripBytes(rows: i32, TW: i32): i32 {
  return (4 * (rows + 1) * 6 * stripWidth(TW) + 127) & ~63;
}

/** (4, 0, -5, 0, 1, 0) and the other rows of B' applied to six vectors; result i is stored at to + i * step. */
@inline
function inputTransform(to: usize, step: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const five = f32x4.splat(5);
  v128.store(to, fma<f32>(four, d0, fnma<f32>(five, d2, d4)));
  const a = fnma<f32>(four, d2, d4);
  const b = fnma<f32>(four, d1, d3);
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + 2 * step, f32x4.sub(a, b));
  const c = f32x4.sub(d4, d2);
  const e = f32x4.mul(two, f32x4.sub(d3, d1));
  v128.store(to + 3 * step, f32x4.add(c, e));
  v128.store(to + 4 * step, f32x4.sub(c, e));
  v128.store(to + 5 * step, fma<f32>(four, d1, fnma<f32>(five, d3, d5)));
}

/** Rows of A' (4 results) applied to six vectors. */
@inline
function outputTransform(to: usize, step: usize, m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128): void {
  const a = f32x4.add(m1, m2);
  const b = f32x4.sub(m1, m2);
  const c = f32x4.add(m3, m4);
  const e = f32x4.sub(m3, m4);
  v128.store(to, f32x4.add(f32x4.add(m0, a), c));
  v128.store(to + step, fma<f32>(f32x4.splat(2), e, b));
  v128.store(to + 2 * step, fma<f32>(f32x4.splat(4), c, a));
  v128.store(to + 3 * step, f32x4.add(fma<f32>(f32x4.splat(8), e, b), m5));
}

/** Rows of A (6 results) applied to four vectors: the output transform turned round. */
@inline
function gradientTransform(to: usize, step: usize, y0: v128, y1: v128, y2: v128, y3: v128): void {
  const a = f32x4.add(y0, y2);
  const b = f32x4.add(y1, y3);
  v128.store(to, y0);
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + 2 * step, f32x4.sub(a, b));
  const c = fma<f32>(f32x4.splat(4), y2, y0);
  const e = fma<f32>(f32x4.splat(8), y3, f32x4.mul(f32x4.splat(2), y1));
  v128.store(to + 3 * step, f32x4.add(c, e));
  v128.store(to + 4 * step, f32x4.sub(c, e));
  v128.store(to + 5 * step, y3);
}

/** Rows of G (6 results) applied to three vectors. */
@inline
function filterTransform(to: usize, step: usize, a: v128, b: v128, c: v128): void {
  const sixth = f32x4.splat(<f32>(1.0 / 6));
  v128.store(to, f32x4.mul(a, f32x4.splat(0.25)));
  const even = f32x4.mul(f32x4.add(a, c), f32x4.splat(<f32>(-1.0 / 6)));
  const odd = f32x4.mul(b, sixth);
  v128.store(to + step, f32x4.sub(even, odd));
  v128.store(to + 2 * step, f32x4.add(even, odd));
  const outer = fma<f32>(c, sixth, f32x4.mul(a, f32x4.splat(<f32>(1.0 / 24))));
  const inner = f32x4.mul(b, f32x4.splat(<f32>(1.0 / 12)));
  v128.store(to + 3 * step, f32x4.add(outer, inner));
  v128.store(to + 4 * step, f32x4.sub(outer, inner));
  v128.store(to + 5 * step, c);
}

/** Rows of G' (3 results) applied to six vectors. */
@inline
function filterBack(to: usize, step: usize, m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128): void {
  const sixth = f32x4.splat(<f32>(1.0 / 6));
  const a = f32x4.add(m1, m2);
  const b = f32x4.add(m3, m4);
  const quarter = fma<f32>(b, f32x4.splat(<f32>(1.0 / 24)), f32x4.mul(m0, f32x4.splat(0.25)));
  v128.store(to, fnma<f32>(a, sixth, quarter));
  v128.store(to + step, fma<f32>(f32x4.sub(m3, m4), f32x4.splat(<f32>(1.0 / 12)), f32x4.mul(f32x4.sub(m2, m1), sixth)));
  v128.store(to + 2 * step, fma<f32>(f32x4.sub(b, a), sixth, m5));
}

/** The same tap of four filters that lie beside each other. */
@inline
function loadTap(w: usize, step: usize, tap: i32): v128 {
  const p = w + at<f32>(tap);
  let v = v128.load32_zero(p);
  v = v128.load32_lane(p + step, v, 1);
  v = v128.load32_lane(p + 2 * step, v, 2);
  return v128.load32_lane(p + 3 * step, v, 3);
}

/** First of the four columns that a step works on: at the end the last four again, at least four there are. */
@inline
function fourOf(k: i32, columns: i32): i32 {
  return min(k, columns - 4);
}

/**
 * Filters into the basis: U[plane] (F, C) = G w G', filters [begin, end). With turned = 1, w is read as the filters of
 * the convolution that takes dout (F channels) back to dx: U[plane] (C, F) from w[f][c] turned by 180 degrees, and the
 * range counts rows of U, that is channels c. Four columns of U at a time, so there must be as many. spare: 24 vectors for
 * every thread.
 */
export function winogradFilters(
  U: usize, w: usize, F: i32, C: i32, turned: i32, spare: usize, begin: i32, end: i32, thread: i32,
): void {
  spare += FILTER_BYTES * thread;
  const columns = turned ? F : C;
  const plane = planeBytes(F, C);
  const step = at<f32>(turned ? 9 * C : 9);
  const flip = turned ? 8 : 0;
  for (let r = begin; r < end; r++)
    for (let next = 0; next < columns; next += 4) {
      const k = fourOf(next, columns);
      const from = w + at<f32>((turned ? k * C + r : r * C + k) * 9);
      for (let j = 0; j < 3; j++) {
        filterTransform(
          spare + <usize>(96 * j), 16, loadTap(from, step, abs(flip - 3 * j)), loadTap(from, step, abs(flip - 3 * j - 1)),
          loadTap(from, step, abs(flip - 3 * j - 2)),
        );
      }
      const to = U + at<f32>(r * columns + k);
      for (let j: usize = 0; j < 6; j++) {
        const s = spare + 16 * j;
        filterTransform(to + plane * j, 6 * plane, v128.load(s), v128.load(s, 96), v128.load(s, 192));
      }
    }
}

/** Scratch of one thread for winogradFilters and winogradFiltersBack. */
const FILTER_BYTES: usize = 24 * 16;

/** Gradient of the filters out of the basis: dw = G' dU G, filters [begin, end). C and spare: as for winogradFilters. */
export function winogradFiltersBack(
  dw: usize, dU: usize, F: i32, C: i32, spare: usize, begin: i32, end: i32, thread: i32,
): void {
  spare += FILTER_BYTES * thread;
  const plane = planeBytes(F, C);
  for (let r = begin; r < end; r++)
    for (let next = 0; next < C; next += 4) {
      const k = fourOf(next, C);
      const from = dU + at<f32>(r * C + k);
      for (let j: usize = 0; j < 6; j++) {
        const m = from + plane * j;
        filterBack(
          spare + 16 * j, 96, v128.load(m), v128.load(m + 6 * plane), v128.load(m + 12 * plane), v128.load(m + 18 * plane),
          v128.load(m + 24 * plane), v128.load(m + 30 * plane),
        );
      }
      let to = dw + at<f32>((r * C + k) * 9);
      for (let a: usize = 0; a < 3; a++, to += 12) {
        const s = spare + 96 * a;
        filterBack(
          spare + 288, 16, v128.load(s), v128.load(s, 16), v128.load(s, 32), v128.load(s, 48), v128.load(s, 64),
          v128.load(s, 80),
        );
        for (let b: usize = 0; b < 3; b++) {
          const v = v128.load(spare + 288 + 16 * b);
          const p = to + 4 * b;
          v128.store32_lane(p, v, 0);
          v128.store32_lane(p + 36, v, 1);
          v128.store32_lane(p + 72, v, 2);
          v128.store32_lane(p + 108, v, 3);
        }
      }
    }
}

/**
 * Copies what the tile rows [row, last) read of one channel, `height` rows each (6 of the input, 4 of dout), into
 * strips with zeros around them. x: the channel's plane in image 0; imageStep: bytes between images.
 */
function makeStrips(
  strips: usize, x: usize, imageStep: usize, H: i32, W: i32, TH: i32, TW: i32, pad: i32, height: i32, row: i32, last: i32,
): void {
  const width = at<f32>(stripWidth(TW));
  for (; row < last; row++) {
    const n = row / TH;
    const top = (row - n * TH) * 4 - pad;
    for (let i = 0; i < height; i++, strips += width) {
      const h = top + i;
      if (h < 0 || h >= H) {
        clearRow(strips, width);
        continue;
      }
      for (let j = 0; j < pad; j++) store<f32>(strips + at<f32>(j), 0);
      const bytes = min(at<f32>(W), width - at<f32>(pad));
      copyRow(strips + at<f32>(pad), x + imageStep * n + at<f32>(h * W), bytes);
      const end = at<f32>(pad) + bytes;
      clearRow(strips + end, width - end);
    }
  }
}

/** Four tiles (lanes) from tile t of the strips on, column j and row i of each. */
@inline
function gatherLanes(p0: usize, p1: usize, p2: usize, p3: usize, offset: usize): v128 {
  let v = v128.load32_zero(p0 + offset);
  v = v128.load32_lane(p1 + offset, v, 1);
  v = v128.load32_lane(p2 + offset, v, 2);
  return v128.load32_lane(p3 + offset, v, 3);
}

/** Address of tile t in the strips; beyond the last tile, of the last (its result is never used). */
@inline
function tileAddress(strips: usize, t: i32, tiles: i32, TW: i32, height: i32): usize {
  t = min(t, tiles - 1);
  const r = t / TW;
  return strips + at<f32>(r * height * stripWidth(TW) + (t - r * TW) * 4);
}

/**
 * One channel of a block into V: the six rows of every tile. Plane p, tile t goes to V + p * plane + (t / 8) * panel +
 * (t % 8) * 4, so that both layouts (packed panels, plain rows) are a matter of `panel`.
 */
function inputTiles(V: usize, plane: usize, panel: usize, strips: usize, spare: usize, tiles: i32, TW: i32): void {
  const width = at<f32>(stripWidth(TW));
  const groups = (tiles + 7) & ~7;
  for (let t = 0; t < groups; t += 4) {
    const p0 = tileAddress(strips, t, tiles, TW, 6);
    const p1 = tileAddress(strips, t + 1, tiles, TW, 6);
    const p2 = tileAddress(strips, t + 2, tiles, TW, 6);
    const p3 = tileAddress(strips, t + 3, tiles, TW, 6);
    const together = p3 == p0 + 48;
    for (let i = 0; i < 6; i++) {
      const row = width * i;
      let d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128;
      if (together) {
        // Lane l of column j is element 4 l + j: a transpose of neighbouring vectors.
        const q = p0 + row;
        const r0 = v128.load(q);
        const r1 = v128.load(q, 16);
        const r2 = v128.load(q, 32);
        const r3 = v128.load(q, 48);
        const r4 = v128.load(q, 64);
        const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        d0 = v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5);
        d1 = v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7);
        d2 = v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5);
        d3 = v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7);
        // Columns 4 and 5 are columns 0 and 1 of the next tile.
        d4 = v128.shuffle<f32>(d0, r4, 1, 2, 3, 4);
        d5 = v128.shuffle<f32>(d1, r4, 1, 2, 3, 5);
      } else {
        d0 = gatherLanes(p0, p1, p2, p3, row);
        d1 = gatherLanes(p0, p1, p2, p3, row + 4);
        d2 = gatherLanes(p0, p1, p2, p3, row + 8);
        d3 = gatherLanes(p0, p1, p2, p3, row + 12);
        d4 = gatherLanes(p0, p1, p2, p3, row + 16);
        d5 = gatherLanes(p0, p1, p2, p3, row + 20);
      }
      inputTransform(spare + 96 * i, 16, d0, d1, d2, d3, d4, d5);
    }
    const to = V + panel * (t >> 3) + at<f32>(t & 4);
    for (let j: usize = 0; j < 6; j++) {
      const s = spare + 16 * j;
      inputTransform(
        to + plane * j, 6 * plane, v128.load(s), v128.load(s, 96), v128.load(s, 192), v128.load(s, 288),
        v128.load(s, 384), v128.load(s, 480),
      );
    }
  }
}

/**
 * out of tile rows [begin, end) = w * x + b, ReLU if asked. U: winogradFilters of w. Geometry: x (N, C, H, W), out
 * (N, F, OH, OW), 3x3 filters, stride 1. b may be 0. scratch: winogradScratch bytes for every thread.
 */
export function winogradForward(
  out: usize, x: usize, U: usize, b: usize, C: i32, H: i32, W: i32, F: i32, OH: i32, OW: i32, pad: i32, relu: i32,
  scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const TH = tilesAcross(OH);
  const TW = tilesAcross(OW);
  const perBlock = winogradRows(OW);
  const most = paddedTiles(perBlock, TW);
  const V = scratch + <usize>winogradScratch(C, F, OW) * thread;
  const M = V + planeBytes(C, most) * PLANES;
  const strips = M + planeBytes(F, most) * PLANES;
  const spare = strips + stripBytes(perBlock, TW);
  const packedRows = spare + PLANES * 16;
  for (let row = begin; row < end; row += perBlock) {
    const last = min(end, row + perBlock);
    const tiles = (last - row) * TW;
    const T = paddedTiles(last - row, TW);
    const planeV = planeBytes(C, T);
    for (let c = 0; c < C; c++) {
      makeStrips(strips, x + at<f32>(c * H * W), at<f32>(C * H * W), H, W, TH, TW, pad, 6, row, last);
      // The packed layout of gemmPack: blocks of depth, in each the panels of eight tiles, k-major.
      const pc = depthStart(c, C);
      const kc = blockDepth(pc, C);
      inputTiles(V + at<f32>(pc * T + (c - pc) * 8), planeV, at<f32>(8 * kc), strips, spare, tiles, TW);
    }
    const planeM = planeBytes(F, T);
    for (let p = 0; p < PLANES; p++) {
      gemmRows<f32>(
        M + planeM * p, U + planeBytes(F, C) * p, V + planeV * p, 0, F, T, C, C, 1, T, 0, packedRows, 0,
        (F + MR - 1) / MR * ((T + 511) >> 9), 0,
      );
    }
    for (let f = 0; f < F; f++) {
      outputTiles(
        out + at<f32>(f * OH * OW), at<f32>(F * OH * OW), M + at<f32>(f * T), planeM, b ? load<f32>(b + at<f32>(f)) : 0,
        relu, spare, strips, row, tiles, TH, TW, OH, OW,
      );
    }
  }
}

/** Start of the depth block that k lies in, as blockDepth cuts K. */
function depthStart(k: i32, K: i32): i32 {
  let start = 0;
  for (let depth = blockDepth(0, K); start + depth <= k; depth = blockDepth(start, K)) start += depth;
  return start;
}

/** One filter of a block out of the basis, plus bias, into the images; tiles at the border are cut. */
function outputTiles(
  out: usize, imageStep: usize, M: usize, plane: usize, bias: f32, relu: i32, spare: usize, rows: usize, row: i32,
  tiles: i32, TH: i32, TW: i32, OH: i32, OW: i32,
): void {
  const b = f32x4.splat(bias);
  const lowest = f32x4.splat(relu ? 0 : -Infinity);
  for (let t = 0; t < tiles; t += 4) {
    const from = M + at<f32>(t);
    for (let i: usize = 0; i < 6; i++) {
      const m = from + plane * 6 * i;
      outputTransform(
        spare + 64 * i, 16, v128.load(m), v128.load(m + plane), v128.load(m + 2 * plane), v128.load(m + 3 * plane),
        v128.load(m + 4 * plane), v128.load(m + 5 * plane),
      );
    }
    // spare: six rows of four columns; the columns come out one by one, to rows + 64 j: row i of column j.
    for (let j: usize = 0; j < 4; j++) {
      const s = spare + 16 * j;
      outputTransform(
        rows + 16 * j, 64, v128.load(s), v128.load(s, 64), v128.load(s, 128), v128.load(s, 192), v128.load(s, 256),
        v128.load(s, 320),
      );
    }
    const count = min(4, tiles - t);
    for (let i = 0; i < 4; i++) {
      // Lanes are tiles: a transpose makes row i of each tile contiguous.
      const s = rows + <usize>(64 * i);
      const c0 = v128.load(s);
      const c1 = v128.load(s, 16);
      const c2 = v128.load(s, 32);
      const c3 = v128.load(s, 48);
      const lo01 = v128.shuffle<f32>(c0, c1, 0, 4, 1, 5);
      const hi01 = v128.shuffle<f32>(c0, c1, 2, 6, 3, 7);
      const lo23 = v128.shuffle<f32>(c2, c3, 0, 4, 1, 5);
      const hi23 = v128.shuffle<f32>(c2, c3, 2, 6, 3, 7);
      v128.store(s, f32x4.pmax(f32x4.add(v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5), b), lowest));
      v128.store(s, f32x4.pmax(f32x4.add(v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7), b), lowest), 16);
      v128.store(s, f32x4.pmax(f32x4.add(v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5), b), lowest), 32);
      v128.store(s, f32x4.pmax(f32x4.add(v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7), b), lowest), 48);
    }
    for (let l = 0; l < count; l++) {
      const r = row + (t + l) / TW;
      const n = r / TH;
      const oh = (r - n * TH) * 4;
      const ow = ((t + l) % TW) * 4;
      const to = out + imageStep * n + at<f32>(oh * OW + ow);
      const high = min(4, OH - oh);
      const wide = OW - ow;
      for (let i = 0; i < high; i++) {
        const s = rows + <usize>(64 * i + 16 * l);
        const q = to + at<f32>(i * OW);
        if (wide >= 4) v128.store(q, v128.load(s));
        else for (let j = 0; j < wide; j++) store<f32>(q + at<f32>(j), load<f32>(s + at<f32>(j)));
      }
    }
  }
}

/** Bytes of scratch of one thread for winogradPlanes. */
export function winogradPlanesScratch(OW: i32, rows: i32): i32 {
  return stripBytes(rows, tilesAcross(OW)) + 4 * PLANES * 4;
}

/**
 * First step of the filter gradient: channels [begin, end) of a block of tile rows [row, last) into their planes.
 * Channels below C are those of x, to V[plane] (C, T); the others those of dout, to dM[plane] (F, T).
 */
export function winogradPlanes(
  V: usize, dM: usize, x: usize, dout: usize, C: i32, H: i32, W: i32, F: i32, OH: i32, OW: i32, pad: i32, row: i32,
  last: i32, rows: i32, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const TH = tilesAcross(OH);
  const TW = tilesAcross(OW);
  const tiles = (last - row) * TW;
  const T = paddedTiles(last - row, TW);
  const strips = scratch + <usize>winogradPlanesScratch(OW, rows) * thread;
  const spare = strips + stripBytes(rows, TW);
  for (let c = begin; c < end; c++) {
    if (c < C) {
      makeStrips(strips, x + at<f32>(c * H * W), at<f32>(C * H * W), H, W, TH, TW, pad, 6, row, last);
      inputTiles(V + at<f32>(c * T), planeBytes(C, T), 32, strips, spare, tiles, TW);
    } else {
      const f = c - C;
      makeStrips(strips, dout + at<f32>(f * OH * OW), at<f32>(F * OH * OW), OH, OW, TH, TW, 0, 4, row, last);
      gradientTiles(dM + at<f32>(f * T), planeBytes(F, T), strips, spare, tiles, T, TW);
    }
  }
}

/** dM = A dY A' for one filter of a block; tiles past the last are zeros, so that they add nothing. */
function gradientTiles(dM: usize, plane: usize, strips: usize, spare: usize, tiles: i32, T: i32, TW: i32): void {
  const width = at<f32>(stripWidth(TW));
  for (let t = 0; t < T; t += 4) {
    const p0 = tileAddress(strips, t, tiles, TW, 4);
    const p1 = tileAddress(strips, t + 1, tiles, TW, 4);
    const p2 = tileAddress(strips, t + 2, tiles, TW, 4);
    const p3 = tileAddress(strips, t + 3, tiles, TW, 4);
    const present = i32x4.lt_s(i32x4.add(i32x4.splat(t), i32x4(0, 1, 2, 3)), i32x4.splat(tiles));
    for (let i = 0; i < 4; i++) {
      const row = width * i;
      const r0 = v128.load(p0 + row);
      const r1 = v128.load(p1 + row);
      const r2 = v128.load(p2 + row);
      const r3 = v128.load(p3 + row);
      const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      gradientTransform(
        spare + 96 * i, 16, v128.and(present, v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5)),
        v128.and(present, v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7)),
        v128.and(present, v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5)),
        v128.and(present, v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7)),
      );
    }
    const to = dM + at<f32>(t);
    for (let j: usize = 0; j < 6; j++) {
      const s = spare + 16 * j;
      gradientTransform(to + plane * j, 6 * plane, v128.load(s), v128.load(s, 96), v128.load(s, 192), v128.load(s, 288));
    }
  }
}

/** Second step: planes [begin, end) of dU (F, C) += dM V' over the T tiles of a block (overwritten if first). */
export function winogradProducts(
  dU: usize, dM: usize, V: usize, C: i32, F: i32, T: i32, first: i32, scratch: usize, scratchBytes: i32, begin: i32,
  end: i32, thread: i32,
): void {
  scratch += <usize>scratchBytes * thread;
  for (let p = begin; p < end; p++) {
    gemm<f32>(
      dU + planeBytes(F, C) * p, dM + planeBytes(F, T) * p, V + planeBytes(C, T) * p, 0, F, C, T, T, 1, 1, T, C,
      first ? 0 : ACCUMULATE, scratch,
    );
  }
}
