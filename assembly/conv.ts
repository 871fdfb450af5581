/**
 * Convolution (cross-correlation, as the field calls it) and its gradients as implicit matrix products, whose packed panels
 * are taken straight from the images, so that no im2col matrix is ever in memory.
 *
 * x (N, C, H, W), w (F, C, HH, WW), b (F), out (N, F, OH, OW) with OH = 1 + (H + 2 pad - HH) / stride. In the product,
 * the filters are A (F, K) with K = C HH WW, and the patches of the images are B (K, positions).
 */
import { KC, MR, NC, NR, THREAD_SCRATCH_BYTES } from './blocks';
import { blockDepth, blockFlags, gemm, GEMM_SCRATCH_BYTES } from './gemm';
import {
  g, G_C, G_F, G_H, G_HH, G_N, G_OH, G_OW, G_W, G_WW, offsetTable, paddedSize, padImage, positionStep, unpadImage,
} from './geometry';
import { at, fma, lanes, storeTransposed, sumLanes, zero } from './lanes';
import { ACCUMULATE, packRows, panelRows, ROW_BIAS, sweepPanels } from './tiles';

/** Elements read past the end of the last padded image by whole-vector loads. */
const SLACK: i32 = 32;

/** Panels of one image: NR positions each, the last with what is left. Panels never cross images. */
@inline
function imagePanels<T>(geometry: usize): i32 {
  return (g(geometry, G_OH) * g(geometry, G_OW) + NR<T>() - 1) / NR<T>();
}

/** Panels of one packed block, as in gemm: NC columns. */
@inline
function blockPanels<T>(): i32 {
  return NC / NR<T>();
}

/** Elements of the padded images of a group, unless one alone has more: wide borders may leave few positions. */
const MOST_PADDED: i32 = 1 << 20;

/** Images whose panels share a packed block. */
@inline
function groupSize<T>(geometry: usize): i32 {
  return max(1, min(blockPanels<T>() / imagePanels<T>(geometry), MOST_PADDED / paddedSize(geometry)));
}

/** Images whose positions make up one depth block of the filter gradient. */
@inline
function gradientGroup<T>(geometry: usize): i32 {
  return min(groupSize<T>(geometry), max(1, KC / (g(geometry, G_OH) * g(geometry, G_OW))));
}

/** Partial sums of the filter gradient by dot products: a vector for each weight, filters in whole tiles. */
function partialBytes(geometry: usize): i32 {
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  return 16 * ((g(geometry, G_F) + MR - 1) & ~(MR - 1)) * (K + 1);
}

/**
 * Whether the filter gradient goes by dot products along the rows of the images: nothing is packed or turned over, which
 * pays as long as the partial sums stay in the second-level cache and rows are whole vectors.
 */
@inline
function byDotProducts<T>(geometry: usize): bool {
  const whole = g(geometry, G_OW) % (2 * lanes<T>()) == 0;
  return whole && partialBytes(geometry) <= (1 << 19);
}

/** Elements of the largest packed block, in either role. */
function packedSize<T>(geometry: usize): i32 {
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const P = g(geometry, G_OH) * g(geometry, G_OW);
  const forward = min(KC, K) * min(blockPanels<T>(), imagePanels<T>(geometry) * groupSize<T>(geometry));
  const gradient = min(KC, P * gradientGroup<T>(geometry)) * min(blockPanels<T>(), (K + NR<T>() - 1) / NR<T>());
  const dots = byDotProducts<T>(geometry) ? partialBytes(geometry) / <i32>sizeof<T>() : 0;
  return max(NR<T>() * max(forward, gradient), dots);
}

/** Bytes of scratch for one thread: rows of A and spare tile, packed B, offset table, padded images. */
export function convScratch<T>(geometry: usize): i32 {
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const images = groupSize<T>(geometry) * paddedSize(geometry) + SLACK;
  const packed = <i32>sizeof<T>() * packedSize<T>(geometry);
  return (<i32>THREAD_SCRATCH_BYTES + packed + 4 * (K + 4) + sizeof<T>() * images + 255) & ~63;
}

/**
 * Packs one panel of patches: NR positions from `position` on (fewer at the end of the image), rows [k, k + kc) of the
 * product. Positions beside each other in the image are loaded as vectors.
 */
function packPatches<T>(to: usize, image: usize, table: usize, kc: i32, position: i32, count: i32, geometry: usize): void {
  const OW = g(geometry, G_OW);
  const rowStep = positionStep<T>(geometry);
  const oh = position / OW;
  const ow = position - oh * OW;
  const start = image + rowStep * oh + at<T>(ow);
  const end = table + at<i32>(kc);
  if (count == NR<T>() && ow + NR<T>() <= OW) {
    for (; table < end; table += 4, to += 32) {
      const p = start + load<i32>(table);
      v128.store(to, v128.load(p));
      v128.store(to, v128.load(p, 16), 16);
    }
    return;
  }
  // Each position by itself: panels that cross rows, and the last panel.
  const width = panelWidth<T>(count);
  const step = at<T>(width);
  let row = oh;
  let column = ow;
  for (let j = 0; j < width; j++, to += sizeof<T>()) {
    let q = to;
    if (j < count) {
      const p = image + rowStep * row + at<T>(column);
      for (let t = table; t < end; t += 4, q += step) store<T>(q, load<T>(p + load<i32>(t)));
      if (++column == OW) {
        column = 0;
        row++;
      }
    } else {
      for (let t = table; t < end; t += 4, q += step) store<T>(q, <T>0);
    }
  }
}

/** Columns of a packed panel: a full one, or one vector if `count` columns fit it. */
@inline
function panelWidth<T>(count: i32): i32 {
  return count <= lanes<T>() ? lanes<T>() : NR<T>();
}

/**
 * out of images [begin, end): out = w * patches + b (b may be 0), ReLU if flags say so. scratch: convScratch bytes for
 * every thread.
 */
export function convForward<T>(
  out: usize, x: usize, w: usize, b: usize, geometry: usize, flags: i32, scratch: usize, begin: i32, end: i32,
  thread: i32,
): void {
  scratch += <usize>convScratch<T>(geometry) * thread;
  const packed = scratch + THREAD_SCRATCH_BYTES;
  const table = packed + at<T>(packedSize<T>(geometry));
  const F = g(geometry, G_F);
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const images = (table + at<i32>(K + 4) + 15) & ~15;
  const P = g(geometry, G_OH) * g(geometry, G_OW);
  const perImage = imagePanels<T>(geometry);
  const group = groupSize<T>(geometry);
  const size = at<T>(paddedSize(geometry));
  const imageBytes = at<T>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  const ldc = at<T>(P);
  offsetTable<T>(table, geometry);
  memory.fill(images, 0, size * min(group, end - begin));
  if (b) flags |= ROW_BIAS;
  for (let n = begin; n < end; n += group) {
    const count = min(group, end - n);
    for (let i = 0; i < count; i++) padImage<T>(images + size * i, x + imageBytes * (n + i), geometry);
    const panels = perImage * count;
    for (let first = 0; first < panels; first += blockPanels<T>()) {
      const last = min(panels, first + blockPanels<T>());
      for (let pc = 0, kc = 0; pc < K; pc += kc) {
        kc = blockDepth(pc, K);
        const panelBytes = at<T>(kc * NR<T>());
        for (let panel = first; panel < last; panel++) {
          const i = panel / perImage;
          const position = (panel - i * perImage) * NR<T>();
          packPatches<T>(
            packed + panelBytes * (panel - first), images + size * i, table + at<i32>(pc), kc, position,
            min(P - position, NR<T>()), geometry,
          );
        }
        const final = pc + kc == K;
        const own = blockFlags(flags, pc, final);
        for (let f = 0, height = 0; f < F; f += height) {
          height = panelRows(F - f);
          const mr = min(F - f, height);
          packRows<T>(scratch, w + at<T>(f * K + pc), kc, height, mr, K, 1);
          const bias = final && b ? b + at<T>(f) : 0;
          // Positions of one image lie side by side.
          for (let panel = first, past = 0; panel < last; panel = past) {
            const i = panel / perImage;
            past = min(last, perImage * (i + 1));
            const position = (panel - i * perImage) * NR<T>();
            const columns = min(P, (past - i * perImage) * NR<T>()) - position;
            const C = out + at<T>(((n + i) * F + f) * P + position);
            const from = packed + panelBytes * (panel - first);
            sweepPanels<T>(C, scratch, height, mr, from, panelBytes, bias, kc, ldc, own, columns, 0);
          }
        }
      }
    }
  }
}

/**
 * dw (F, K) for columns of panels [begin, end) (NR values of k each): the sum over all images and positions of
 * dout (F, position) times patch (position, k). scratch: convScratch bytes for every thread.
 */
export function convWeightGradient<T>(
  dw: usize, dout: usize, x: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  scratch += <usize>convScratch<T>(geometry) * thread;
  const packed = scratch + THREAD_SCRATCH_BYTES;
  const table = packed + at<T>(packedSize<T>(geometry));
  const N = g(geometry, G_N);
  const F = g(geometry, G_F);
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const images = (table + at<i32>(K + 4) + 15) & ~15;
  const P = g(geometry, G_OH) * g(geometry, G_OW);
  const group = gradientGroup<T>(geometry);
  const size = at<T>(paddedSize(geometry));
  const imageBytes = at<T>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  offsetTable<T>(table, geometry);
  if (byDotProducts<T>(geometry)) {
    dotGradient<T>(dw, dout, x, geometry, packed, table, images, begin * NR<T>(), min(K, end * NR<T>()));
    return;
  }
  memory.fill(images, 0, size * min(group, N));
  let started = false;
  for (let n = 0; n < N; n += group) {
    // A block of depth: part of one image's positions, or all positions of a group of small images.
    const count = min(group, N - n);
    for (let i = 0; i < count; i++) padImage<T>(images + size * i, x + imageBytes * (n + i), geometry);
    for (let p = 0, pc = 0; p < P; p += pc) {
      pc = blockDepth(p, P);
      const depth = pc * count;
      const panelBytes = at<T>(depth * NR<T>());
      for (let first = begin; first < end; first += blockPanels<T>()) {
        const last = min(end, first + blockPanels<T>());
        for (let panel = first; panel < last; panel++) {
          const k = panel * NR<T>();
          for (let i = 0; i < count; i++) {
            packColumns<T>(
              packed + panelBytes * (panel - first) + at<T>(pc * i * panelWidth<T>(min(K - k, NR<T>()))), images + size * i,
              table + at<i32>(k), min(K - k, NR<T>()), p, pc, geometry,
            );
          }
        }
        const k = first * NR<T>();
        const columns = min(K, last * NR<T>()) - k;
        for (let f = 0, height = 0; f < F; f += height) {
          height = panelRows(F - f);
          const mr = min(F - f, height);
          for (let i = 0; i < count; i++) {
            const to = scratch + (<usize>(pc * i * height) << 4);
            packRows<T>(to, dout + at<T>(((n + i) * F + f) * P + p), pc, height, mr, P, 1);
          }
          const own = started ? ACCUMULATE : 0;
          sweepPanels<T>(dw + at<T>(f * K + k), scratch, height, mr, packed, panelBytes, 0, depth, at<T>(K), own, columns, 0);
        }
      }
      started = true;
    }
  }
}

/**
 * Columns [from, to) of dw as dot products of rows of dout with rows of the padded images, lanes side by side along the rows.
 * partial: partialBytes; images: room for one padded image.
 */
function dotGradient<T>(
  dw: usize, dout: usize, x: usize, geometry: usize, partial: usize, table: usize, images: usize, from: i32, to: i32,
): void {
  const N = g(geometry, G_N);
  const F = g(geometry, G_F);
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const plane = at<T>(OH * OW);
  const skip = positionStep<T>(geometry) - at<T>(OW);
  const imageBytes = at<T>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  const tiles = (F + MR - 1) / MR;
  const pairs = (to - from + 1) >> 1;
  memory.fill(partial, 0, <usize>(tiles * pairs) << 7);
  memory.fill(images, 0, at<T>(paddedSize(geometry)));
  for (let n = 0; n < N; n++) {
    padImage<T>(images, x + imageBytes * n, geometry);
    let sums = partial;
    for (let f = 0; f < F; f += MR) {
      // Rows past the last filter repeat it; their sums are not used.
      const d0 = dout + plane * (n * F + f);
      const d1 = f + 1 < F ? d0 + plane : d0;
      const d2 = f + 2 < F ? d1 + plane : d1;
      const d3 = f + 3 < F ? d2 + plane : d2;
      for (let k = from; k < to; k += 2, sums += 128) {
        const p = images + load<i32>(table + at<i32>(k));
        const q = k + 1 < to ? images + load<i32>(table + at<i32>(k + 1)) : p;
        dots<T>(sums, d0, d1, d2, d3, p, q, OH, OW / (2 * lanes<T>()), skip);
      }
    }
  }
  let sums = partial;
  for (let f = 0; f < F; f += MR) {
    const rows = min(MR, F - f);
    for (let k = from; k < to; k += 2, sums += 128) {
      for (let i = 0; i < rows; i++) {
        const w = dw + at<T>((f + i) * K + k);
        store<T>(w, sumLanes<T>(v128.load(sums + (i << 5))));
        if (k + 1 < to) store<T>(w, sumLanes<T>(v128.load(sums + (i << 5), 16)), sizeof<T>());
      }
    }
  }
}

/**
 * Adds to 4 x 2 vectors of sums: four rows of dout times two of the images, `rows` of `steps` pairs of vectors each. Added up
 * by themselves first: sums of sums lose less than one long sum.
 */
export function dots<T>(
  sums: usize, d0: usize, d1: usize, d2: usize, d3: usize, p: usize, q: usize, rows: i32, steps: i32, skip: usize,
): void {
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
  let o: usize = 0;
  let left = steps;
  while (true) {
    b0 = v128.load(p);
    b1 = v128.load(q);
    ai = v128.load(d0 + o);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(d1 + o);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(d2 + o);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(d3 + o);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    // Keeps the steps in blocks of their own, see anyFourRows in tiles.ts.
    if (rows == 0) break;
    b0 = v128.load(p, 16);
    b1 = v128.load(q, 16);
    ai = v128.load(d0 + o, 16);
    c00 = fma<T>(ai, b0, c00);
    c01 = fma<T>(ai, b1, c01);
    ai = v128.load(d1 + o, 16);
    c10 = fma<T>(ai, b0, c10);
    c11 = fma<T>(ai, b1, c11);
    ai = v128.load(d2 + o, 16);
    c20 = fma<T>(ai, b0, c20);
    c21 = fma<T>(ai, b1, c21);
    ai = v128.load(d3 + o, 16);
    c30 = fma<T>(ai, b0, c30);
    c31 = fma<T>(ai, b1, c31);
    o += 32;
    p += 32;
    q += 32;
    if (--left == 0) {
      if (--rows == 0) break;
      left = steps;
      p += skip;
      q += skip;
    }
  }
  v128.store(sums, v128.add<T>(v128.load(sums), c00));
  v128.store(sums, v128.add<T>(v128.load(sums, 16), c01), 16);
  v128.store(sums, v128.add<T>(v128.load(sums, 32), c10), 32);
  v128.store(sums, v128.add<T>(v128.load(sums, 48), c11), 48);
  v128.store(sums, v128.add<T>(v128.load(sums, 64), c20), 64);
  v128.store(sums, v128.add<T>(v128.load(sums, 80), c21), 80);
  v128.store(sums, v128.add<T>(v128.load(sums, 96), c30), 96);
  v128.store(sums, v128.add<T>(v128.load(sums, 112), c31), 112);
}

/** Packs one panel of patches turned over: positions [p, p + pc) down, `count` (1..NR) values of k across. */
function packColumns<T>(to: usize, image: usize, table: usize, count: i32, p: i32, pc: i32, geometry: usize): void {
  const OW = g(geometry, G_OW);
  const rowStep = positionStep<T>(geometry);
  const width = at<T>(panelWidth<T>(count));
  for (let j = 0; j < count; j += lanes<T>(), to += 16) {
    let q = to;
    const have = count - j;
    // Missing columns repeat the first; their sums are computed and thrown away.
    const o0 = load<i32>(table + at<i32>(j));
    const o1 = have > 1 ? load<i32>(table + at<i32>(j + 1)) : o0;
    const o2 = sizeof<T>() == 4 && have > 2 ? load<i32>(table + at<i32>(j + 2)) : o0;
    const o3 = sizeof<T>() == 4 && have > 3 ? load<i32>(table + at<i32>(j + 3)) : o0;
    let row = p / OW;
    let column = p - row * OW;
    for (let left = pc; left > 0; ) {
      // Positions up to the end of the image row.
      let run = min(left, OW - column);
      left -= run;
      let s = image + rowStep * row + at<T>(column);
      if (sizeof<T>() == 4) {
        for (; run >= 4; run -= 4, s += 16, q += 4 * width) {
          storeTransposed(q, width, v128.load(s + o0), v128.load(s + o1), v128.load(s + o2), v128.load(s + o3));
        }
      }
      for (; run > 0; run--, s += sizeof<T>(), q += width) {
        store<T>(q, load<T>(s + o0));
        store<T>(q, load<T>(s + o1), sizeof<T>());
        if (sizeof<T>() == 4) {
          store<T>(q, load<T>(s + o2), 8);
          store<T>(q, load<T>(s + o3), 12);
        }
      }
      row++;
      column = 0;
    }
  }
}

/** db[f] = sum of dout over images and positions, filters [begin, end), in float64. */
export function convBiasGradient<T>(db: usize, dout: usize, N: i32, F: i32, P: i32, begin: i32, end: i32): void {
  for (let f = begin; f < end; f++) {
    let sum: f64 = 0;
    for (let n = 0; n < N; n++) {
      let p = dout + at<T>((n * F + f) * P);
      let v0 = zero<T>();
      let v1 = v0;
      const vectors = p + at<T>(P & ~(2 * lanes<T>() - 1));
      const last = p + at<T>(P);
      for (; p < vectors; p += 32) {
        v0 = v128.add<T>(v0, v128.load(p));
        v1 = v128.add<T>(v1, v128.load(p, 16));
      }
      v0 = v128.add<T>(v0, v1);
      for (let i = 0; i < lanes<T>(); i++) {
        sum += <f64>v128.extract_lane<T>(v0, 0);
        v0 = sizeof<T>() == 4 ? v128.shuffle<f32>(v0, v0, 1, 2, 3, 0) : v128.shuffle<f64>(v0, v0, 1, 0);
      }
      for (; p < last; p += sizeof<T>()) sum += <f64>load<T>(p);
    }
    store<T>(db + at<T>(f), <T>sum);
  }
}

/** Filters of the convolution that takes dout back to dx: to[c][f][kh][kw] = w[f][c][HH - 1 - kh][WW - 1 - kw]. */
export function flipFilters<T>(to: usize, w: usize, F: i32, C: i32, taps: i32): void {
  for (let c = 0; c < C; c++)
    for (let f = 0; f < F; f++) {
      let from = w + at<T>((f * C + c + 1) * taps);
      for (let t = 0; t < taps; t++, to += sizeof<T>()) {
        from -= sizeof<T>();
        store<T>(to, load<T>(from));
      }
    }
}

/** Bytes before what gemm needs: the columns of one image, the offset table, a padded image. */
function scatterBytes<T>(geometry: usize): usize {
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const P = g(geometry, G_OH) * g(geometry, G_OW);
  return (at<T>(K * P + paddedSize(geometry)) + at<i32>(K) + 63) & ~63;
}

/** Bytes of scratch of `convScatter` for one thread. */
export function convScatterScratch<T>(geometry: usize): i32 {
  return <i32>(scatterBytes<T>(geometry) + GEMM_SCRATCH_BYTES);
}

/**
 * dx of images [begin, end) by way of columns w' dout, each added to where its patch came from: for strides above 1, few
 * channels or wide borders, where turning the convolution round would mostly multiply zeros. scratch: convScatterScratch
 * bytes for every thread.
 */
export function convScatter<T>(
  dx: usize, dout: usize, w: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32,
): void {
  scratch += <usize>convScatterScratch<T>(geometry) * thread;
  const F = g(geometry, G_F);
  const K = g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW);
  const P = g(geometry, G_OH) * g(geometry, G_OW);
  const imageBytes = at<T>(g(geometry, G_C) * g(geometry, G_H) * g(geometry, G_W));
  const image = scratch + at<T>(K * P);
  const table = image + at<T>(paddedSize(geometry));
  const own = scratch + scatterBytes<T>(geometry);
  offsetTable<T>(table, geometry);
  for (let n = begin; n < end; n++) {
    gemm<T>(scratch, w, dout + at<T>(F * P) * n, 0, K, P, F, 1, K, P, 1, P, 0, own);
    scatterPatches<T>(image, scratch, table, geometry);
    unpadImage<T>(dx + imageBytes * n, image, geometry);
  }
}

/** A padded image from the columns dcol (K, P) of one image. */
function scatterPatches<T>(image: usize, dcol: usize, table: usize, geometry: usize): void {
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const rowStep = positionStep<T>(geometry);
  memory.fill(image, 0, at<T>(paddedSize(geometry)));
  const past = table + at<i32>(g(geometry, G_C) * g(geometry, G_HH) * g(geometry, G_WW));
  for (; table < past; table += 4) {
    let row = image + load<i32>(table);
    for (let oh = 0; oh < OH; oh++, row += rowStep) {
      let d = row;
      const vectors = row + at<T>(OW & ~(lanes<T>() - 1));
      const last = row + at<T>(OW);
      for (; d < vectors; d += 16, dcol += 16) v128.store(d, v128.add<T>(v128.load(d), v128.load(dcol)));
      for (; d < last; d += sizeof<T>(), dcol += sizeof<T>()) store<T>(d, <T>(load<T>(d) + load<T>(dcol)));
    }
  }
}
