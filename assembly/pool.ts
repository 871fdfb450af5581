/**
 * Pooling over windows of planes (H, W); x (planes, H, W), out (planes, OH, OW). Planes are images times channels.
 * Where several elements are the maximum, the first in row-major order takes the gradient. NaN counts as largest.
 */
import { at, clearRow, lanes, splat, zero } from './lanes';

/** Offset in the plane (elements) of the maximum of the window at (h, w). */
function windowArgmax<T>(plane: usize, h: i32, w: i32, W: i32, PH: i32, PW: i32): i32 {
  let where = h * W + w;
  let best = load<T>(plane + at<T>(where));
  for (let i = h; i < h + PH; i++)
    for (let o = i * W + w, end = o + PW; o < end; o++) {
      const v = load<T>(plane + at<T>(o));
      if (v > best || (v != v && best == best)) {
        best = v;
        where = o;
      }
    }
  return where;
}

/** The reference: every window by itself, planes [begin, end). */
export function maxPoolForwardNaive<T>(
  out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const plane = x + at<T>(p * H * W);
    for (let i = 0; i < OH; i++)
      for (let j = 0; j < OW; j++) {
        const v = load<T>(plane + at<T>(windowArgmax<T>(plane, i * stride, j * stride, W, PH, PW)));
        store<T>(out + at<T>((p * OH + i) * OW + j), v);
      }
  }
}

/**
 * Its gradient: dx is zeroed, then each window's dout goes to its maximum. rectified: x came out of a ReLU, and dx is the
 * gradient of what went into that: nothing goes to maxima that are not positive.
 */
export function maxPoolBackwardNaive<T>(
  dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32,
  begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const plane = x + at<T>(p * H * W);
    const to = dx + at<T>(p * H * W);
    memory.fill(to, 0, at<T>(H * W));
    for (let i = 0; i < OH; i++)
      for (let j = 0; j < OW; j++) {
        const o = at<T>(windowArgmax<T>(plane, i * stride, j * stride, W, PH, PW));
        if (rectified && !(load<T>(plane + o) > <T>0)) continue;
        const d = to + o;
        store<T>(d, <T>(load<T>(d) + load<T>(dout + at<T>((p * OH + i) * OW + j))));
      }
  }
}

/** Even and odd elements of two neighbouring vectors. */
@inline
function evens(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 2, 4, 6);
}
@inline
function odds(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 3, 5, 7);
}

/** The larger; a where they are equal; NaN if either is. */
@inline
function larger(a: v128, b: v128): v128 {
  return v128.bitselect(a, b, wins(a, b));
}

/** Elements at p, p + stride, … for four windows side by side, of stride 1 or 2; with stride 2 eight elements are read. */
@inline
function strided(p: usize, stride: i32): v128 {
  const v = v128.load(p);
  return stride == 1 ? v : evens(v, v128.load(p, 16));
}

/** Whether four windows from the one at column w on can be read as `strided` does without leaving the row. */
@inline
function fits(w: i32, W: i32, PW: i32, stride: i32): bool {
  return w + PW - 1 + 4 * stride <= W;
}

/** Windows of float32 that overlap, of stride 1 or 2, four at a time; planes [begin, end). */
function overlappingForward(
  out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const plane = x + at<f32>(p * H * W);
    for (let i = 0; i < OH; i++) {
      const to = out + at<f32>((p * OH + i) * OW);
      let j = 0;
      for (; j + 4 <= OW && fits(j * stride, W, PW, stride); j += 4) {
        const corner = plane + at<f32>(i * stride * W + j * stride);
        let best = strided(corner, stride);
        for (let h = 0; h < PH; h++) {
          for (let w = 0; w < PW; w++) best = larger(best, strided(corner + at<f32>(h * W + w), stride));
        }
        v128.store(to + at<f32>(j), best);
      }
      for (; j < OW; j++) {
        store<f32>(to + at<f32>(j), load<f32>(plane + at<f32>(windowArgmax<f32>(plane, i * stride, j * stride, W, PH, PW))));
      }
    }
  }
}

/** Adds d to the gradient at the maximum of a window, unless it came out of a ReLU as 0. */
@inline
function give(plane: usize, to: usize, where: i32, d: f32, rectified: bool): void {
  const o = at<f32>(where);
  if (rectified && !(load<f32>(plane + o) > 0)) return;
  store<f32>(to + o, load<f32>(to + o) + d);
}

function overlappingBackward(
  dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32,
  begin: i32, end: i32,
): void {
  const steps = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(stride));
  for (let p = begin; p < end; p++) {
    const plane = x + at<f32>(p * H * W);
    const to = dx + at<f32>(p * H * W);
    memory.fill(to, 0, at<f32>(H * W));
    for (let i = 0; i < OH; i++) {
      const from = dout + at<f32>((p * OH + i) * OW);
      let j = 0;
      for (; j + 4 <= OW && fits(j * stride, W, PW, stride); j += 4) {
        const first = i * stride * W + j * stride;
        let best = strided(plane + at<f32>(first), stride);
        let where = i32x4.splat(0);
        for (let h = 0; h < PH; h++) {
          for (let w = 0; w < PW; w++) {
            const v = strided(plane + at<f32>(first + h * W + w), stride);
            const stays = wins(best, v);
            best = v128.bitselect(best, v, stays);
            where = v128.bitselect(where, i32x4.splat(h * W + w), stays);
          }
        }
        where = i32x4.add(where, i32x4.add(steps, i32x4.splat(first)));
        const d = from + at<f32>(j);
        give(plane, to, i32x4.extract_lane(where, 0), load<f32>(d), rectified);
        give(plane, to, i32x4.extract_lane(where, 1), load<f32>(d, 4), rectified);
        give(plane, to, i32x4.extract_lane(where, 2), load<f32>(d, 8), rectified);
        give(plane, to, i32x4.extract_lane(where, 3), load<f32>(d, 12), rectified);
      }
      for (; j < OW; j++) {
        const where = windowArgmax<f32>(plane, i * stride, j * stride, W, PH, PW);
        give(plane, to, where, load<f32>(from + at<f32>(j)), rectified);
      }
    }
  }
}

/** Planes [begin, end). 2x2 windows of stride 2 go through whole vectors; float64, for checks, goes by the plain loops. */
export function maxPoolForward<T>(
  out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32,
): void {
  if (sizeof<T>() == 4 && stride <= 2 && !(PH == 2 && PW == 2 && stride == 2)) {
    overlappingForward(out, x, H, W, PH, PW, stride, OH, OW, begin, end);
    return;
  }
  if (sizeof<T>() == 8 || stride != 2) {
    maxPoolForwardNaive<T>(out, x, H, W, PH, PW, stride, OH, OW, begin, end);
    return;
  }
  for (let p = begin; p < end; p++)
    for (let i = 0; i < OH; i++) {
      const top = x + at<T>((p * H + 2 * i) * W);
      const low = top + at<T>(W);
      const to = out + at<T>((p * OH + i) * OW);
      let j = 0;
      for (; j + lanes<T>() <= OW; j += lanes<T>()) {
        const o = at<T>(2 * j);
        const a = larger(v128.load(top + o), v128.load(low + o));
        const b = larger(v128.load(top + o, 16), v128.load(low + o, 16));
        v128.store(to + at<T>(j), larger(evens(a, b), odds(a, b)));
      }
      for (; j < OW; j++) {
        const plane = x + at<T>(p * H * W);
        store<T>(to + at<T>(j), load<T>(plane + at<T>(windowArgmax<T>(plane, 2 * i, 2 * j, W, 2, 2))));
      }
    }
}

/** Planes [begin, end). The maximum is found again from x: cheaper than storing where it was. */
export function maxPoolBackward<T>(
  dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32,
  begin: i32, end: i32,
): void {
  if (sizeof<T>() == 4 && stride <= 2 && !(PH == 2 && PW == 2 && stride == 2)) {
    overlappingBackward(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end);
    return;
  }
  if (sizeof<T>() == 8 || stride != 2) {
    maxPoolBackwardNaive<T>(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end);
    return;
  }
  const row = at<T>(W);
  const all = rectified ? zero<T>() : i32x4.splat(-1);
  for (let p = begin; p < end; p++) {
    for (let i = 0; i < OH; i++) {
      const offset = at<T>((p * H + 2 * i) * W);
      const top = x + offset;
      const to = dx + offset;
      const from = dout + at<T>((p * OH + i) * OW);
      let j = 0;
      for (; j + lanes<T>() <= OW; j += lanes<T>()) {
        const o = at<T>(2 * j);
        const t0 = v128.load(top + o);
        const t1 = v128.load(top + o, 16);
        const l0 = v128.load(top + row + o);
        const l1 = v128.load(top + row + o, 16);
        const a = evens(t0, t1);
        const b = odds(t0, t1);
        const c = evens(l0, l1);
        const d = odds(l0, l1);
        // a keeps what is not beaten by b, then by c, then by d: the first of equals wins, the first NaN too.
        const ab = wins(a, b);
        const topBest = v128.bitselect(a, b, ab);
        const cd = wins(c, d);
        const lowBest = v128.bitselect(c, d, cd);
        const upper = wins(topBest, lowBest);
        const best = v128.bitselect(topBest, lowBest, upper);
        const d4 = v128.and(v128.load(from + at<T>(j)), v128.or(all, f32x4.gt(best, zero<T>())));
        const dTop = v128.and(d4, upper);
        const dLow = v128.andnot(d4, upper);
        const ga = v128.and(dTop, ab);
        const gb = v128.andnot(dTop, ab);
        const gc = v128.and(dLow, cd);
        const gd = v128.andnot(dLow, cd);
        v128.store(to + o, interleaveLow(ga, gb));
        v128.store(to + o, interleaveHigh(ga, gb), 16);
        v128.store(to + row + o, interleaveLow(gc, gd));
        v128.store(to + row + o, interleaveHigh(gc, gd), 16);
      }
      const done = at<T>(2 * j);
      clearRow(to + done, row - done);
      clearRow(to + row + done, row - done);
      const plane = x + at<T>(p * H * W);
      for (; j < OW; j++) {
        const where = windowArgmax<T>(plane, 2 * i, 2 * j, W, 2, 2);
        if (rectified && !(load<T>(plane + at<T>(where)) > <T>0)) continue;
        store<T>(dx + at<T>(p * H * W + where), load<T>(from + at<T>(j)));
      }
    }
    // Rows that no window reaches.
    if (2 * OH < H) clearRow(dx + at<T>((p * H + 2 * OH) * W), row * (H - 2 * OH));
  }
}

/** Lanes in which a stays the maximum against a later b. */
@inline
function wins(a: v128, b: v128): v128 {
  return v128.or(f32x4.ge(a, b), f32x4.ne(a, a));
}

@inline
function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 4, 1, 5);
}
@inline
function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 2, 6, 3, 7);
}

/** Means of windows, planes [begin, end). */
export function avgPoolForward<T>(
  out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32,
): void {
  const share = 1 / <f64>(PH * PW);
  const halves = sizeof<T>() == 4 && PH == 2 && PW == 2 && stride == 2;
  for (let p = begin; p < end; p++)
    for (let i = 0; i < OH; i++) {
      let j = 0;
      if (halves) {
        const top = x + at<T>((p * H + 2 * i) * W);
        const to = out + at<T>((p * OH + i) * OW);
        for (; j + 2 <= OW; j += 2) meanPair(to + at<T>(j), top + at<T>(2 * j), top + at<T>(W + 2 * j));
      }
      for (; j < OW; j++) {
        let sum: f64 = 0;
        for (let h = 0; h < PH; h++) {
          let q = x + at<T>((p * H + i * stride + h) * W + j * stride);
          for (let w = 0; w < PW; w++, q += sizeof<T>()) sum += <f64>load<T>(q);
        }
        store<T>(out + at<T>((p * OH + i) * OW + j), <T>(sum * share));
      }
    }
}

/** Means of two 2x2 windows side by side, summed in float64 in the order of their elements. */
@inline
function meanPair(to: usize, top: usize, low: usize): void {
  const t = v128.load(top);
  const l = v128.load(low);
  let sum = f64x2.add(f64x2.promote_low_f32x4(evens(t, t)), f64x2.promote_low_f32x4(odds(t, t)));
  sum = f64x2.add(sum, f64x2.promote_low_f32x4(evens(l, l)));
  sum = f64x2.add(sum, f64x2.promote_low_f32x4(odds(l, l)));
  v128.store64_lane(to, f32x4.demote_f64x2_zero(f64x2.mul(sum, f64x2.splat(0.25))), 0);
}

/** Each element of a window takes an equal share of its dout. */
export function avgPoolBackward<T>(
  dx: usize, dout: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32,
): void {
  const share = <T>(1 / <f64>(PH * PW));
  const halves = sizeof<T>() == 4 && PH == 2 && PW == 2 && stride == 2;
  for (let p = begin; p < end; p++) {
    memory.fill(dx + at<T>(p * H * W), 0, at<T>(H * W));
    for (let i = 0; i < OH; i++) {
      let j = 0;
      if (halves) {
        const top = dx + at<T>((p * H + 2 * i) * W);
        const from = dout + at<T>((p * OH + i) * OW);
        for (; j + 4 <= OW; j += 4) {
          const d = v128.mul<T>(v128.load(from + at<T>(j)), splat<T>(share));
          for (let row = top; row <= top + at<T>(W); row += at<T>(W)) {
            v128.store(row + at<T>(2 * j), interleaveLow(d, d));
            v128.store(row + at<T>(2 * j), interleaveHigh(d, d), 16);
          }
        }
      }
      for (; j < OW; j++) {
        const d = <T>(load<T>(dout + at<T>((p * OH + i) * OW + j)) * share);
        for (let h = 0; h < PH; h++) {
          let q = dx + at<T>((p * H + i * stride + h) * W + j * stride);
          for (let w = 0; w < PW; w++, q += sizeof<T>()) store<T>(q, <T>(load<T>(q) + d));
        }
      }
    }
  }
}
