/**
 * Normalisation of images x (N, C, H, W), P = H W: batch norm per channel over all images, group norm per image over
 * the channels of a group (Wu and He, 2018).
 *
 * Statistics are taken in one pass: sums of x - shift and of its square, where shift is an element of the same
 * population, so that nothing cancels unless the population is far from its own elements. Sums within a plane are in
 * lanes, sums of planes in float64.
 */
import { at, first, fma, lanes, splat, sumLanes, zero } from './lanes';

/** Sum of (x - shift) over one plane, then of its square: in `sums`, two float64, added to what is there. */
function addMoments<T>(sums: usize, x: usize, P: i32, shift: T): void {
  const s = splat<T>(shift);
  let a0 = zero<T>();
  let a1 = a0;
  let q0 = a0;
  let q1 = a0;
  const end = x + at<T>(P);
  for (const vectors = x + at<T>(P & ~(2 * lanes<T>() - 1)); x < vectors; x += 32) {
    const d0 = v128.sub<T>(v128.load(x), s);
    const d1 = v128.sub<T>(v128.load(x, 16), s);
    a0 = v128.add<T>(a0, d0);
    a1 = v128.add<T>(a1, d1);
    q0 = fma<T>(d0, d0, q0);
    q1 = fma<T>(d1, d1, q1);
  }
  let sum = <f64>sumLanes<T>(v128.add<T>(a0, a1));
  let square = <f64>sumLanes<T>(v128.add<T>(q0, q1));
  for (; x < end; x += sizeof<T>()) {
    const d = <f64>load<T>(x) - <f64>shift;
    sum += d;
    square += d * d;
  }
  store<f64>(sums, load<f64>(sums) + sum);
  store<f64>(sums, load<f64>(sums, 8) + square, 8);
}

/** Sums of d and d * (x - mean) over one plane, where d is dout, or 0 where the ReLU output y is not positive. */
function addProducts<T>(sums: usize, dout: usize, x: usize, y: usize, P: i32, mean: T): void {
  const m = splat<T>(mean);
  let a = zero<T>();
  let q = zero<T>();
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(lanes<T>() - 1)); o < vectors; o += 16) {
    let d = v128.load(dout + o);
    if (y) d = v128.and(d, v128.gt<T>(v128.load(y + o), zero<T>()));
    a = v128.add<T>(a, d);
    q = fma<T>(d, v128.sub<T>(v128.load(x + o), m), q);
  }
  let sum = <f64>sumLanes<T>(a);
  let dot = <f64>sumLanes<T>(q);
  for (; o < end; o += sizeof<T>()) {
    if (y && !(load<T>(y + o) > <T>0)) continue;
    const d = <f64>load<T>(dout + o);
    sum += d;
    dot += d * (<f64>load<T>(x + o) - <f64>mean);
  }
  store<f64>(sums, load<f64>(sums) + sum);
  store<f64>(sums, load<f64>(sums, 8) + dot, 8);
}

/** y = k x + c over one plane, ReLU if asked. */
function scalePlane<T>(y: usize, x: usize, P: i32, k: f64, c: f64, relu: i32): void {
  const kv = splat<T>(<T>k);
  const cv = splat<T>(<T>c);
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(lanes<T>() - 1)); o < vectors; o += 16) {
    let v = fma<T>(kv, v128.load(x + o), cv);
    if (relu) v = v128.pmax<T>(v, zero<T>());
    v128.store(y + o, v);
  }
  for (; o < end; o += sizeof<T>()) {
    let v = fma<T>(kv, v128.load_splat<T>(x + o), cv);
    if (relu) v = v128.pmax<T>(v, zero<T>());
    store<T>(y + o, first<T>(v));
  }
}

/** out = gamma (x - mean) inv + beta over channel c of all images, ReLU if asked. */
function scaleChannel<T>(
  out: usize, x: usize, gamma: T, beta: T, mean: f64, inv: f64, relu: i32, N: i32, C: i32, P: i32, c: i32,
): void {
  const k = <f64>gamma * inv;
  const b = <f64>beta - mean * k;
  for (let n = 0; n < N; n++) {
    const plane = at<T>((n * C + c) * P);
    scalePlane<T>(out + plane, x + plane, P, k, b, relu);
  }
}

/** dx = k d + l x + c over one plane, d as in addProducts. */
function gradientPlane<T>(dx: usize, dout: usize, x: usize, y: usize, P: i32, k: f64, l: f64, c: f64): void {
  const kv = splat<T>(<T>k);
  const lv = splat<T>(<T>l);
  const cv = splat<T>(<T>c);
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(lanes<T>() - 1)); o < vectors; o += 16) {
    let d = v128.load(dout + o);
    if (y) d = v128.and(d, v128.gt<T>(v128.load(y + o), zero<T>()));
    v128.store(dx + o, fma<T>(kv, d, fma<T>(lv, v128.load(x + o), cv)));
  }
  for (; o < end; o += sizeof<T>()) {
    let d = v128.load_splat<T>(dout + o);
    if (y) d = v128.and(d, v128.gt<T>(v128.load_splat<T>(y + o), zero<T>()));
    store<T>(dx + o, first<T>(fma<T>(kv, d, fma<T>(lv, v128.load_splat<T>(x + o), cv))));
  }
}

/**
 * Batch norm in training, channels [begin, end): out = gamma (x - mean) / sqrt(var + eps) + beta, ReLU if asked; mean
 * and invStd (C) are kept for backward; running = momentum running + (1 - momentum) batch. sums: two float64 for every
 * channel.
 */
export function spatialBatchnormTrain<T>(
  out: usize, mean: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize,
  eps: f64, momentum: f64, relu: i32, sums: usize, N: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  const count = <f64>N * <f64>P;
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const own = sums + <usize>c * 16;
    store<f64>(own, 0);
    store<f64>(own, 0, 8);
    const shift = load<T>(x + at<T>(c * P));
    for (let n = 0; n < N; n++) addMoments<T>(own, x + at<T>((n * C + c) * P), P, shift);
    const lift = load<f64>(own) / count;
    const m = <f64>shift + lift;
    const variance = max(0, load<f64>(own, 8) / count - lift * lift);
    const inv = 1 / sqrt<f64>(variance + eps);
    store<T>(mean + o, <T>m);
    store<T>(invStd + o, <T>inv);
    store<T>(runningMean + o, <T>(momentum * <f64>load<T>(runningMean + o) + (1 - momentum) * m));
    store<T>(runningVar + o, <T>(momentum * <f64>load<T>(runningVar + o) + (1 - momentum) * variance));
    scaleChannel<T>(out, x, load<T>(gamma + o), load<T>(beta + o), m, inv, relu, N, C, P, c);
  }
}

/** Batch norm in test mode, channels [begin, end): the running averages stand for mean and variance. */
export function spatialBatchnormTest<T>(
  out: usize, mean: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize,
  eps: f64, relu: i32, N: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const m = <f64>load<T>(runningMean + o);
    const inv = 1 / sqrt<f64>(<f64>load<T>(runningVar + o) + eps);
    store<T>(mean + o, <T>m);
    store<T>(invStd + o, <T>inv);
    scaleChannel<T>(out, x, load<T>(gamma + o), load<T>(beta + o), m, inv, relu, N, C, P, c);
  }
}

/**
 * Gradients of batch norm, channels [begin, end). y: the output if a ReLU was folded in, else 0. training = 0: mean
 * and variance were constants. sums: two float64 for every channel.
 */
export function spatialBatchnormBackward<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, x: usize, y: usize, mean: usize, invStd: usize, gamma: usize,
  training: i32, sums: usize, N: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  const count = <f64>N * <f64>P;
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const own = sums + <usize>c * 16;
    store<f64>(own, 0);
    store<f64>(own, 0, 8);
    const m = load<T>(mean + o);
    const inv = <f64>load<T>(invStd + o);
    for (let n = 0; n < N; n++) {
      const plane = at<T>((n * C + c) * P);
      addProducts<T>(own, dout + plane, x + plane, y ? y + plane : 0, P, m);
    }
    const sum = load<f64>(own);
    const dot = load<f64>(own, 8) * inv;
    store<T>(dbeta + o, <T>sum);
    store<T>(dgamma + o, <T>dot);
    // dx = k (d - sum / count - xhat dot / count), xhat = (x - mean) inv
    const k = <f64>load<T>(gamma + o) * inv;
    const l = training ? (-k * dot * inv) / count : 0;
    const b = training ? (-k * sum) / count - l * <f64>m : 0;
    for (let n = 0; n < N; n++) {
      const plane = at<T>((n * C + c) * P);
      gradientPlane<T>(dx + plane, dout + plane, x + plane, y ? y + plane : 0, P, k, l, b);
    }
  }
}

/** Group norm, units [begin, end) of N G: unit u is group u % G of image u / G. mean and invStd (N G) are kept. */
export function groupnormForward<T>(
  out: usize, mean: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, sums: usize, C: i32, P: i32,
  G: i32, begin: i32, end: i32,
): void {
  const size = C / G;
  const count = <f64>size * <f64>P;
  for (let u = begin; u < end; u++) {
    const from = x + at<T>(u * size * P);
    const own = sums + <usize>u * 16;
    store<f64>(own, 0);
    store<f64>(own, 0, 8);
    const shift = load<T>(from);
    for (let c = 0; c < size; c++) addMoments<T>(own, from + at<T>(c * P), P, shift);
    const lift = load<f64>(own) / count;
    const m = <f64>shift + lift;
    const inv = 1 / sqrt<f64>(max(0, load<f64>(own, 8) / count - lift * lift) + eps);
    store<T>(mean + at<T>(u), <T>m);
    store<T>(invStd + at<T>(u), <T>inv);
    for (let c = 0; c < size; c++) {
      const channel = at<T>((u % G) * size + c);
      const k = <f64>load<T>(gamma + channel) * inv;
      const plane = at<T>((u * size + c) * P);
      scalePlane<T>(out + plane, x + plane, P, k, <f64>load<T>(beta + channel) - m * k, 0);
    }
  }
}

/** dx of group norm, units [begin, end) of N G. sums: four float64 for every unit. */
export function groupnormBackward<T>(
  dx: usize, dout: usize, x: usize, mean: usize, invStd: usize, gamma: usize, sums: usize, C: i32, P: i32, G: i32,
  begin: i32, end: i32,
): void {
  const size = C / G;
  const count = <f64>size * <f64>P;
  for (let u = begin; u < end; u++) {
    const own = sums + <usize>u * 32;
    const m = load<T>(mean + at<T>(u));
    const inv = <f64>load<T>(invStd + at<T>(u));
    let sum: f64 = 0;
    let dot: f64 = 0;
    for (let c = 0; c < size; c++) {
      const plane = at<T>((u * size + c) * P);
      const scale = <f64>load<T>(gamma + at<T>((u % G) * size + c));
      store<f64>(own, 0);
      store<f64>(own, 0, 8);
      addProducts<T>(own, dout + plane, x + plane, 0, P, m);
      sum += scale * load<f64>(own);
      dot += scale * load<f64>(own, 8) * inv;
    }
    const l = (-inv * inv * dot) / count;
    const b = (-inv * sum) / count - l * <f64>m;
    for (let c = 0; c < size; c++) {
      const plane = at<T>((u * size + c) * P);
      const k = <f64>load<T>(gamma + at<T>((u % G) * size + c)) * inv;
      gradientPlane<T>(dx + plane, dout + plane, x + plane, 0, P, k, l, b);
    }
  }
}

/** dgamma and dbeta of group norm, channels [begin, end). sums: two float64 for every channel. */
export function groupnormScaleGradients<T>(
  dgamma: usize, dbeta: usize, dout: usize, x: usize, mean: usize, invStd: usize, sums: usize, N: i32, C: i32, P: i32,
  G: i32, begin: i32, end: i32,
): void {
  const size = C / G;
  for (let c = begin; c < end; c++) {
    const own = sums + <usize>c * 16;
    let sum: f64 = 0;
    let dot: f64 = 0;
    for (let n = 0; n < N; n++) {
      const u = n * G + c / size;
      const plane = at<T>((n * C + c) * P);
      store<f64>(own, 0);
      store<f64>(own, 0, 8);
      addProducts<T>(own, dout + plane, x + plane, 0, P, load<T>(mean + at<T>(u)));
      sum += load<f64>(own);
      dot += load<f64>(own, 8) * <f64>load<T>(invStd + at<T>(u));
    }
    store<T>(dbeta + at<T>(c), <T>sum);
    store<T>(dgamma + at<T>(c), <T>dot);
  }
}
