/**
 * Convolutions of stride 1 with filters 5 or 7 wide (and of any height) by Winograd's minimal filtering along the rows of
 * the images: F(4, 5) and F(2, 7) (Winograd, 1980). float32 only: results differ from the direct sum by at most 1e-5 of the
 * largest (test/conv.test.ts).
 *
 * Both take m results from 8 inputs, m = 9 - WW, by way of the same 8 points (0, ±1, ±2, ±1/2, ∞): a tile of 8 neighbours
 * in a row is brought into a basis of 8 values ("planes") in which m neighbouring results cost 8 multiplications for each
 * channel and filter row, where the direct way takes m WW: 2.5 and 1.75 times as many.
 *
 * V[plane] (C, PH, TW): the input, padded to PH rows, in tiles. U[plane] (F, K) with K = C HH: the filters.
 * M[plane][f][oh TW + t] = sum over (c, kh) of U[plane][f][c, kh] V[plane][c][(oh + kh) TW + t]: a product whose right side
 * lies in V as it is, a shift by kh rows being a shift by kh TW tiles. TW is a multiple of 4; positions are counted in tiles,
 * rounded up to whole micro-tiles.
 */
import { MR } from './blocks';
import { dots } from './conv';
import { g, G_C, G_F, G_H, G_HH, G_N, G_OH, G_OW, G_PAD_LEFT, G_PAD_TOP, G_W, G_WW } from './geometry';
import { blockDepth } from './gemm';
import { at, clearRow, copyRow, fma, fnma, storeTransposed, sumLanes } from './lanes';
import { ACCUMULATE, lookupTile } from './tiles';

const PLANES: usize = 8;

/** Results of a tile. */
@inline
function resultsOf(geometry: usize): i32 {
  return 9 - g(geometry, G_WW);
}

/** Tiles of a row, in whole vectors. */
@inline
function tilesAcross(geometry: usize): i32 {
  const m = resultsOf(geometry);
  return ((g(geometry, G_OW) + m - 1) / m + 3) & ~3;
}

@inline
function paddedRows(geometry: usize): i32 {
  return g(geometry, G_OH) + g(geometry, G_HH) - 1;
}

@inline
function positionsOf(geometry: usize): i32 {
  return (g(geometry, G_OH) * tilesAcross(geometry) + 7) & ~7;
}

/** Bytes of one plane of V: what the last micro-tile reads past the end, and a line that keeps planes out of each other's cache sets. */
@inline
function planeBytes(geometry: usize): usize {
  return at<f32>(g(geometry, G_C) * paddedRows(geometry) * tilesAcross(geometry) + 8) + 64;
}

/** Bytes of one plane of MR rows of M. */
@inline
function rowsBytes(geometry: usize): usize {
  return at<f32>(MR * positionsOf(geometry)) + 64;
}

/** Floats of a padded row, and what whole vectors read past it. */
@inline
function stripWidth(geometry: usize): i32 {
  return resultsOf(geometry) * tilesAcross(geometry) + 16;
}

@inline
function depthOf(geometry: usize): i32 {
  return g(geometry, G_C) * g(geometry, G_HH);
}

/** Bytes of U as winograd1dFilters writes it: every weight replicated over a vector, filters in whole micro-tiles. */
export function winograd1dFilterBytes(geometry: usize): i32 {
  return <i32>PLANES * ((g(geometry, G_F) + MR - 1) / MR) * depthOf(geometry) * 64;
}

/** Bytes of scratch of one thread, in either role. */
export function winograd1dScratch(geometry: usize): i32 {
  const sums = 16 * <i32>PLANES * ((g(geometry, G_F) + MR - 1) & ~(MR - 1)) * (depthOf(geometry) + 1);
  const planes = <i32>PLANES * <i32>(planeBytes(geometry) + rowsBytes(geometry));
  return (planes + 4 * stripWidth(geometry) + 4 * depthOf(geometry) + sums + 255) & ~63;
}

/**
 * Filters into the basis, micro-tiles [begin, end) of filters. turned = 1: w belongs to the convolution that is turned round,
 * so filter f of channel c is w[c][f] turned by 180 degrees.
 */
export function winograd1dFilters(U: usize, w: usize, geometry: usize, turned: i32, begin: i32, end: i32): void {
  const F = g(geometry, G_F);
  const C = g(geometry, G_C);
  const HH = g(geometry, G_HH);
  const WW = g(geometry, G_WW);
  const K = C * HH;
  const plane = <usize>((F + MR - 1) / MR) * K * 64;
  for (let f = begin * MR; f < end * MR; f++)
    for (let c = 0; c < C; c++)
      for (let kh = 0; kh < HH; kh++) {
        const to = U + <usize>(((f / MR) * K + c * HH + kh) * MR + f % MR) * 16;
        if (f >= F) {
          for (let p: usize = 0; p < PLANES; p++) v128.store(to + plane * p, f32x4.splat(0));
          continue;
        }
        const row = w + at<f32>(turned ? ((c * F + f + 1) * HH - kh) * WW - 1 : ((f * C + c) * HH + kh) * WW);
        const step: i32 = turned ? -1 : 1;
        v128.store(to, v128.load_splat<f32>(row));
        toPoint(to + plane, row, WW, step, 1, <f32>(-2.0 / 9));
        toPoint(to + 2 * plane, row, WW, step, -1, <f32>(-2.0 / 9));
        toPoint(to + 3 * plane, row, WW, step, 2, <f32>(1.0 / 90));
        toPoint(to + 4 * plane, row, WW, step, -2, <f32>(1.0 / 90));
        toPoint(to + 5 * plane, row, WW, step, 0.5, <f32>(32.0 / 45));
        toPoint(to + 6 * plane, row, WW, step, -0.5, <f32>(32.0 / 45));
        v128.store(to + 7 * plane, v128.load_splat<f32>(row + at<f32>(step * (WW - 1))));
      }
}

/** The filter row as a polynomial at `point` (Horner), times `scale`, replicated. */
function toPoint(to: usize, row: usize, WW: i32, step: i32, point: f32, scale: f32): void {
  let sum: f32 = 0;
  for (let k = WW - 1; k >= 0; k--) sum = sum * point + load<f32>(row + at<f32>(step * k));
  v128.store(to, f32x4.splat(sum * scale));
}

/** One image into V. strip: room for a padded row. */
function inputPlanes(V: usize, x: usize, geometry: usize, strip: usize): void {
  const C = g(geometry, G_C);
  const H = g(geometry, G_H);
  const W = g(geometry, G_W);
  const m = resultsOf(geometry);
  const left = g(geometry, G_PAD_LEFT);
  const top = g(geometry, G_PAD_TOP);
  const PH = paddedRows(geometry);
  const TW = tilesAcross(geometry);
  const plane = planeBytes(geometry);
  const rowBytes = at<f32>(TW);
  const width = stripWidth(geometry);
  // Positions need not reach the end of a row.
  const copied = min(W, width - left);
  memory.fill(strip, 0, at<f32>(width));
  let to = V;
  for (let c = 0; c < C; c++)
    for (let h = -top; h < PH - top; h++, to += rowBytes) {
      if (h < 0 || h >= H) {
        for (let p: usize = 0; p < PLANES; p++) clearRow(to + plane * p, rowBytes);
        continue;
      }
      copyRow(strip + at<f32>(left), x + at<f32>((c * H + h) * W), at<f32>(copied));
      for (let t = 0; t < TW; t += 4) {
        const s = strip + at<f32>(m * t);
        const q = to + at<f32>(t);
        if (m == 4) fourTiles(q, plane, s);
        else twoTiles(q, plane, s);
      }
    }
  // Micro-tiles read past the last row; what they find there must be numbers.
  for (let p: usize = 0; p < PLANES; p++) clearRow(to + plane * p, 32);
}

/** Four tiles of four results: lane l begins at element 4 l. */
@inline
function fourTiles(to: usize, plane: usize, s: usize): void {
  const r0 = v128.load(s);
  const r1 = v128.load(s, 16);
  const r2 = v128.load(s, 32);
  const r3 = v128.load(s, 48);
  const r4 = v128.load(s, 64);
  const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  const d0 = v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5);
  const d1 = v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7);
  const d2 = v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5);
  const d3 = v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7);
  // Columns 4 to 7 are columns 0 to 3 of the next tile.
  intoBasis(
    to, plane, d0, d1, d2, d3, v128.shuffle<f32>(d0, r4, 1, 2, 3, 4), v128.shuffle<f32>(d1, r4, 1, 2, 3, 5),
    v128.shuffle<f32>(d2, r4, 1, 2, 3, 6), v128.shuffle<f32>(d3, r4, 1, 2, 3, 7),
  );
}

/** Four tiles of two results: lane l begins at element 2 l. */
@inline
function twoTiles(to: usize, plane: usize, s: usize): void {
  const a = v128.load(s);
  const b = v128.load(s, 16);
  const c = v128.load(s, 32);
  const d = v128.load(s, 48);
  const e0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
  const o0 = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
  const e1 = v128.shuffle<f32>(c, d, 0, 2, 4, 6);
  const o1 = v128.shuffle<f32>(c, d, 1, 3, 5, 7);
  intoBasis(
    to, plane, e0, o0, v128.shuffle<f32>(e0, e1, 1, 2, 3, 4), v128.shuffle<f32>(o0, o1, 1, 2, 3, 4),
    v128.shuffle<f32>(e0, e1, 2, 3, 4, 5), v128.shuffle<f32>(o0, o1, 2, 3, 4, 5), v128.shuffle<f32>(e0, e1, 3, 4, 5, 6),
    v128.shuffle<f32>(o0, o1, 3, 4, 5, 6),
  );
}

/** Eight inputs, four tiles in the lanes, to the eight planes. */
@inline
function intoBasis(
  to: usize, plane: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, d6: v128, d7: v128,
): void {
  const k = f32x4.splat(5.25);
  v128.store(to, fma<f32>(k, f32x4.sub(d4, d2), f32x4.sub(d0, d6)));
  const four = f32x4.splat(4.25);
  pair(to + plane, plane, fnma<f32>(four, d4, f32x4.add(d2, d6)), fnma<f32>(four, d3, f32x4.add(d1, d5)));
  const half = f32x4.splat(0.5);
  const two = f32x4.splat(2);
  const most = f32x4.splat(2.5);
  pair(
    to + 3 * plane, plane, fnma<f32>(f32x4.splat(1.25), d4, fma<f32>(f32x4.splat(0.25), d2, d6)),
    fnma<f32>(most, d3, fma<f32>(half, d1, f32x4.mul(two, d5))),
  );
  pair(
    to + 5 * plane, plane, fnma<f32>(f32x4.splat(5), d4, fma<f32>(f32x4.splat(4), d2, d6)),
    fnma<f32>(most, d3, fma<f32>(two, d1, f32x4.mul(half, d5))),
  );
  v128.store(to + 7 * plane, fma<f32>(k, f32x4.sub(d3, d5), f32x4.sub(d7, d1)));
}

/** Sum and difference, to neighbouring planes. */
@inline
function pair(to: usize, plane: usize, even: v128, odd: v128): void {
  v128.store(to, f32x4.add(even, odd));
  v128.store(to + plane, f32x4.sub(even, odd));
}

/** Byte offset in a plane of V of every row (c, kh) of the product. */
function offsetTable(table: usize, geometry: usize): void {
  const C = g(geometry, G_C);
  const HH = g(geometry, G_HH);
  const rowBytes = <i32>at<f32>(tilesAcross(geometry));
  const PH = paddedRows(geometry);
  for (let c = 0; c < C; c++)
    for (let kh = 0; kh < HH; kh++, table += 4) store<i32>(table, rowBytes * (c * PH + kh));
}

/** out of images [begin, end) = w * x + b (b may be 0), ReLU if asked. U: winograd1dFilters of w. */
export function winograd1dForward(
  out: usize, x: usize, U: usize, b: usize, geometry: usize, relu: i32, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const F = g(geometry, G_F);
  const P = positionsOf(geometry);
  const K = depthOf(geometry);
  const planeV = planeBytes(geometry);
  const planeM = rowsBytes(geometry);
  const V = scratch + <usize>winograd1dScratch(geometry) * thread;
  const M = V + planeV * PLANES;
  const strip = M + planeM * PLANES;
  const table = strip + at<f32>(stripWidth(geometry));
  const imageBytes = at<f32>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  const outPlane = at<f32>(g(geometry, G_OH) * g(geometry, G_OW));
  const planeU = <usize>((F + MR - 1) / MR) * K * 64;
  offsetTable(table, geometry);
  for (let n = begin; n < end; n++) {
    inputPlanes(V, x + imageBytes * n, geometry, strip);
    for (let f = 0; f < F; f += MR) {
      for (let p: usize = 0; p < PLANES; p++) {
        for (let k = 0, kc = 0; k < K; k += kc) {
          kc = blockDepth(k, K);
          const u = U + planeU * p + <usize>((f / MR) * K + k) * 64;
          for (let o: usize = 0; o < at<f32>(P); o += 32) {
            lookupTile<f32>(
              M + planeM * p + o, u, V + planeV * p + o, table + at<i32>(k), kc, at<f32>(P), k > 0 ? ACCUMULATE : 0,
            );
          }
        }
      }
      for (let i = 0, rows = min(MR, F - f); i < rows; i++) {
        const bias = b ? load<f32>(b + at<f32>(f + i)) : 0;
        resultPlane(out + outPlane * (n * F + f + i), M + at<f32>(P * i), planeM, bias, relu, geometry, strip);
      }
    }
  }
}

/** One filter of one image out of the basis. */
function resultPlane(out: usize, M: usize, plane: usize, bias: f32, relu: i32, geometry: usize, strip: usize): void {
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const m = resultsOf(geometry);
  const TW = tilesAcross(geometry);
  const b = f32x4.splat(bias);
  const lowest = f32x4.splat(relu ? 0 : -Infinity);
  for (let oh = 0; oh < OH; oh++, out += at<f32>(OW)) {
    for (let t = 0; t < TW; t += 4, M += 16) {
      const m1 = v128.load(M + plane);
      const m2 = v128.load(M + 2 * plane);
      const m3 = v128.load(M + 3 * plane);
      const m4 = v128.load(M + 4 * plane);
      const m5 = v128.load(M + 5 * plane);
      const m6 = v128.load(M + 6 * plane);
      const e1 = f32x4.add(m1, m2);
      const e2 = f32x4.add(m3, m4);
      const e3 = f32x4.add(m5, m6);
      const o1 = f32x4.sub(m1, m2);
      const o2 = f32x4.sub(m3, m4);
      const o3 = f32x4.sub(m5, m6);
      const y0 = rectified(f32x4.add(f32x4.add(v128.load(M), e1), f32x4.add(e2, e3)), b, lowest);
      const half = f32x4.splat(0.5);
      const two = f32x4.splat(2);
      const first = m * t;
      const whole = first + 4 * m <= OW;
      const to = whole ? out + at<f32>(first) : strip;
      if (m == 2) {
        const last = fma<f32>(two, o2, fma<f32>(half, o3, f32x4.add(o1, v128.load(M + 7 * plane))));
        const y1 = rectified(last, b, lowest);
        v128.store(to, v128.shuffle<f32>(y0, y1, 0, 4, 1, 5));
        v128.store(to, v128.shuffle<f32>(y0, y1, 2, 6, 3, 7), 16);
      } else {
        const y1 = rectified(fma<f32>(two, o2, fma<f32>(half, o3, o1)), b, lowest);
        const y2 = rectified(fma<f32>(f32x4.splat(4), e2, fma<f32>(f32x4.splat(0.25), e3, e1)), b, lowest);
        const outer = fma<f32>(f32x4.splat(0.125), o3, f32x4.add(o1, v128.load(M + 7 * plane)));
        const y3 = rectified(fma<f32>(f32x4.splat(8), o2, outer), b, lowest);
        storeTransposed(to, 16, y0, y1, y2, y3);
      }
      if (!whole && first < OW) copyRow(out + at<f32>(first), strip, at<f32>(OW - first));
    }
  }
}

@inline
function rectified(y: v128, bias: v128, lowest: v128): v128 {
  return f32x4.pmax(f32x4.add(y, bias), lowest);
}

/** dw of the micro-tiles [begin, end) of filters: the sum over all images of dout times input, in the basis. */
export function winograd1dGradient(
  dw: usize, dout: usize, x: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  const N = g(geometry, G_N);
  const F = g(geometry, G_F);
  const P = positionsOf(geometry);
  const K = depthOf(geometry);
  const planeV = planeBytes(geometry);
  const planeM = rowsBytes(geometry);
  const V = scratch + <usize>winograd1dScratch(geometry) * thread;
  const M = V + planeV * PLANES;
  const strip = M + planeM * PLANES;
  const table = strip + at<f32>(stripWidth(geometry));
  const sums = (table + at<i32>(K) + 15) & ~15;
  const planeSums = <usize>((K + 1) >> 1) << 7;
  const imageBytes = at<f32>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  const outPlane = at<f32>(g(geometry, G_OH) * g(geometry, G_OW));
  const rowBytes = at<f32>(P);
  offsetTable(table, geometry);
  const past = min(F, end * MR);
  const tileSums = planeSums * PLANES;
  memory.fill(sums, 0, tileSums * (end - begin));
  for (let n = 0; n < N; n++) {
    inputPlanes(V, x + imageBytes * n, geometry, strip);
    let own = sums;
    for (let f = begin * MR; f < past; f += MR, own += tileSums) {
      const rows = min(MR, F - f);
      for (let i = 0; i < rows; i++) {
        gradientPlanes(M + rowBytes * i, planeM, dout + outPlane * (n * F + f + i), geometry, strip);
      }
      for (let p: usize = 0; p < PLANES; p++) {
        // Rows past the last filter repeat it; their sums are not used.
        const d0 = M + planeM * p;
        const d1 = rows > 1 ? d0 + rowBytes : d0;
        const d2 = rows > 2 ? d1 + rowBytes : d1;
        const d3 = rows > 3 ? d2 + rowBytes : d2;
        const v = V + planeV * p;
        let s = own + planeSums * p;
        for (let k = 0; k < K; k += 2, s += 128) {
          const q = v + load<i32>(table + at<i32>(min(k + 1, K - 1)));
          dots<f32>(s, d0, d1, d2, d3, v + load<i32>(table + at<i32>(k)), q, 1, P >> 3, 0);
        }
      }
    }
  }
  const WW = g(geometry, G_WW);
  for (let f = begin * MR; f < past; f++) {
    const own = sums + tileSums * (f / MR - begin) + <usize>(32 * (f % MR));
    for (let k = 0; k < K; k++) {
      outOfBasis(dw + at<f32>((f * K + k) * WW), own + <usize>((k >> 1) * 128 + (k & 1) * 16), planeSums, WW);
    }
  }
}

/** One filter's gradients of one image into the basis; missing results count as zeros. */
function gradientPlanes(M: usize, plane: usize, dout: usize, geometry: usize, strip: usize): void {
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const m = resultsOf(geometry);
  const TW = tilesAcross(geometry);
  const half = f32x4.splat(0.5);
  const two = f32x4.splat(2);
  const end = M + at<f32>(positionsOf(geometry));
  for (let oh = 0; oh < OH; oh++, dout += at<f32>(OW)) {
    for (let t = 0; t < TW; t += 4, M += 16) {
      const first = m * t;
      let from = dout + at<f32>(first);
      if (first + 4 * m > OW) {
        clearRow(strip, 64);
        if (first < OW) copyRow(strip, from, at<f32>(OW - first));
        from = strip;
      }
      const r0 = v128.load(from);
      const r1 = v128.load(from, 16);
      if (m == 2) {
        const y0 = v128.shuffle<f32>(r0, r1, 0, 2, 4, 6);
        const y1 = v128.shuffle<f32>(r0, r1, 1, 3, 5, 7);
        v128.store(M, y0);
        pair(M + plane, plane, y0, y1);
        pair(M + 3 * plane, plane, y0, f32x4.mul(two, y1));
        pair(M + 5 * plane, plane, y0, f32x4.mul(half, y1));
        v128.store(M + 7 * plane, y1);
      } else {
        const r2 = v128.load(from, 32);
        const r3 = v128.load(from, 48);
        const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        const y0 = v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5);
        const y1 = v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7);
        const y2 = v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5);
        const y3 = v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7);
        v128.store(M, y0);
        pair(M + plane, plane, f32x4.add(y0, y2), f32x4.add(y1, y3));
        const outer = fma<f32>(f32x4.splat(8), y3, f32x4.mul(two, y1));
        pair(M + 3 * plane, plane, fma<f32>(f32x4.splat(4), y2, y0), outer);
        const inner = fma<f32>(f32x4.splat(0.125), y3, f32x4.mul(half, y1));
        pair(M + 5 * plane, plane, fma<f32>(f32x4.splat(0.25), y2, y0), inner);
        v128.store(M + 7 * plane, y3);
      }
    }
  }
  // Whole micro-tiles are read.
  for (; M < end; M += 16) for (let p: usize = 0; p < PLANES; p++) v128.store(M + plane * p, f32x4.splat(0));
}

/** The filter row whose eight sums (vectors, `plane` bytes apart) these are: the filter transform turned round. */
function outOfBasis(to: usize, s: usize, plane: usize, WW: i32): void {
  const s1 = <f32>(-2.0 / 9) * sumAt(s + plane);
  const s2 = <f32>(-2.0 / 9) * sumAt(s + 2 * plane);
  const s3 = <f32>(1.0 / 90) * sumAt(s + 3 * plane);
  const s4 = <f32>(1.0 / 90) * sumAt(s + 4 * plane);
  const s5 = <f32>(32.0 / 45) * sumAt(s + 5 * plane);
  const s6 = <f32>(32.0 / 45) * sumAt(s + 6 * plane);
  let up: f32 = 1;
  let down: f32 = 1;
  for (let k = 0; k < WW; k++, to += 4) {
    // Even powers add what comes from ± a point, odd powers take their difference.
    const one = k & 1 ? s1 - s2 : s1 + s2;
    const two = k & 1 ? s3 - s4 : s3 + s4;
    const half = k & 1 ? s5 - s6 : s5 + s6;
    let sum = one + (up * two + down * half);
    if (k == 0) sum += sumAt(s);
    if (k == WW - 1) sum += sumAt(s + 7 * plane);
    store<f32>(to, sum);
    up *= 2;
    down *= 0.5;
  }
}

@inline
function sumAt(s: usize): f32 {
  return sumLanes<f32>(v128.load(s));
}
