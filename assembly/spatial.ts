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

/**
 * Sums of d and d * (x - mean) over one plane, where d is dout; with scale, 0 where max(0, k x + c) was 0, with (k, c) at
 * scale: computing that again is cheaper than reading it.
 */
function addProducts<T>(sums: usize, dout: usize, x: usize, scale: usize, P: i32, mean: T): void {
  const m = splat<T>(mean);
  const k = scale ? v128.load_splat<T>(scale) : zero<T>();
  const c = scale ? v128.load_splat<T>(scale + sizeof<T>()) : zero<T>();
  let a0 = zero<T>();
  let a1 = a0;
  let q0 = a0;
  let q1 = a0;
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(2 * lanes<T>() - 1)); o < vectors; o += 32) {
    const x0 = v128.load(x + o);
    const x1 = v128.load(x + o, 16);
    let d0 = v128.load(dout + o);
    let d1 = v128.load(dout + o, 16);
    if (scale) {
      d0 = v128.and(d0, v128.gt<T>(fma<T>(k, x0, c), zero<T>()));
      d1 = v128.and(d1, v128.gt<T>(fma<T>(k, x1, c), zero<T>()));
    }
    a0 = v128.add<T>(a0, d0);
    a1 = v128.add<T>(a1, d1);
    q0 = fma<T>(d0, v128.sub<T>(x0, m), q0);
    q1 = fma<T>(d1, v128.sub<T>(x1, m), q1);
  }
  let sum = <f64>sumLanes<T>(v128.add<T>(a0, a1));
  let dot = <f64>sumLanes<T>(v128.add<T>(q0, q1));
  for (; o < end; o += sizeof<T>()) {
    if (scale && !(first<T>(fma<T>(k, v128.load_splat<T>(x + o), c)) > <T>0)) continue;
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
  const least = splat<T>(relu ? <T>0 : <T>-Infinity);
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(lanes<T>() - 1)); o < vectors; o += 16) {
    v128.store(y + o, v128.pmax<T>(fma<T>(kv, v128.load(x + o), cv), least));
  }
  for (; o < end; o += sizeof<T>()) {
    store<T>(y + o, first<T>(v128.pmax<T>(fma<T>(kv, v128.load_splat<T>(x + o), cv), least)));
  }
}

/** dx = k d + l x + c over one plane, d as in addProducts. */
function gradientPlane<T>(dx: usize, dout: usize, x: usize, scale: usize, P: i32, k: f64, l: f64, c: f64): void {
  const sk = scale ? v128.load_splat<T>(scale) : zero<T>();
  const sc = scale ? v128.load_splat<T>(scale + sizeof<T>()) : zero<T>();
  const kv = splat<T>(<T>k);
  const lv = splat<T>(<T>l);
  const cv = splat<T>(<T>c);
  let o: usize = 0;
  const end = at<T>(P);
  for (const vectors = at<T>(P & ~(lanes<T>() - 1)); o < vectors; o += 16) {
    const xv = v128.load(x + o);
    let d = v128.load(dout + o);
    if (scale) d = v128.and(d, v128.gt<T>(fma<T>(sk, xv, sc), zero<T>()));
    v128.store(dx + o, fma<T>(kv, d, fma<T>(lv, xv, cv)));
  }
  for (; o < end; o += sizeof<T>()) {
    const xv = v128.load_splat<T>(x + o);
    let d = v128.load_splat<T>(dout + o);
    if (scale) d = v128.and(d, v128.gt<T>(fma<T>(sk, xv, sc), zero<T>()));
    store<T>(dx + o, first<T>(fma<T>(kv, d, fma<T>(lv, xv, cv))));
  }
}

// Batch norm goes over the planes (image after image, channel after channel) in the order of the memory: the planes of one
// channel lie a power of two apart as often as not, and would push each other out of the cache. Plane p belongs to channel
// p % C. Each plane has two float64 of `sums`; channels add theirs up in the order of the images, so any split of the planes
// gives the same bits. `scale` holds (k, c) for every channel: out = k x + c.

/** First pass of training, planes [begin, end): sums of x - shift and its square, shift being the channel's first element. */
export function batchnormMoments<T>(sums: usize, x: usize, C: i32, P: i32, begin: i32, end: i32): void {
  for (let p = begin; p < end; p++) {
    const own = sums + <usize>p * 16;
    store<f64>(own, 0);
    store<f64>(own, 0, 8);
    addMoments<T>(own, x + at<T>(p * P), P, load<T>(x + at<T>((p % C) * P)));
  }
}

/** Sums of channel c over the images; which = 0: the first of the two, 1: the second. */
@inline
function overImages(sums: usize, N: i32, C: i32, c: i32, which: usize): f64 {
  let sum: f64 = 0;
  for (let p = c; p < N * C; p += C) sum += load<f64>(sums + <usize>p * 16 + 8 * which);
  return sum;
}

@inline
function storeScale<T>(scale: usize, c: i32, gamma: usize, beta: usize, mean: f64, inv: f64): void {
  const k = <f64>load<T>(gamma + at<T>(c)) * inv;
  store<T>(scale + at<T>(2 * c), <T>k);
  store<T>(scale + at<T>(2 * c + 1), <T>(<f64>load<T>(beta + at<T>(c)) - mean * k));
}

/**
 * Then, channels [begin, end): mean and invStd = 1 / sqrt(var + eps), kept for backward; running = momentum running +
 * (1 - momentum) batch; scale.
 */
export function batchnormStatistics<T>(
  mean: usize, invStd: usize, runningMean: usize, runningVar: usize, scale: usize, sums: usize, x: usize, gamma: usize,
  beta: usize, eps: f64, momentum: f64, N: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  const count = <f64>N * <f64>P;
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const lift = overImages(sums, N, C, c, 0) / count;
    const m = <f64>load<T>(x + at<T>(c * P)) + lift;
    const variance = max(0, overImages(sums, N, C, c, 1) / count - lift * lift);
    const inv = 1 / sqrt<f64>(variance + eps);
    store<T>(mean + o, <T>m);
    store<T>(invStd + o, <T>inv);
    store<T>(runningMean + o, <T>(momentum * <f64>load<T>(runningMean + o) + (1 - momentum) * m));
    store<T>(runningVar + o, <T>(momentum * <f64>load<T>(runningVar + o) + (1 - momentum) * variance));
    storeScale<T>(scale, c, gamma, beta, m, inv);
  }
}

/** In test mode, channels [begin, end): the running averages stand for mean and variance. */
export function batchnormRunning<T>(
  mean: usize, invStd: usize, scale: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize, eps: f64,
  begin: i32, end: i32,
): void {
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const m = <f64>load<T>(runningMean + o);
    const inv = 1 / sqrt<f64>(<f64>load<T>(runningVar + o) + eps);
    store<T>(mean + o, <T>m);
    store<T>(invStd + o, <T>inv);
    storeScale<T>(scale, c, gamma, beta, m, inv);
  }
}

/** Last pass forward, planes [begin, end): out = k x + c, ReLU if asked. */
export function batchnormScale<T>(
  out: usize, x: usize, scale: usize, relu: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const own = scale + at<T>(2 * (p % C));
    const plane = at<T>(p * P);
    scalePlane<T>(out + plane, x + plane, P, <f64>load<T>(own), <f64>load<T>(own + sizeof<T>()), relu);
  }
}

/** First pass backward, planes [begin, end): see addProducts. scale: of the ReLU that was folded in, or 0. */
export function batchnormProducts<T>(
  sums: usize, dout: usize, x: usize, scale: usize, mean: usize, C: i32, P: i32, begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const own = sums + <usize>p * 16;
    const c = p % C;
    store<f64>(own, 0);
    store<f64>(own, 0, 8);
    const plane = at<T>(p * P);
    addProducts<T>(own, dout + plane, x + plane, scale ? scale + at<T>(2 * c) : 0, P, load<T>(mean + at<T>(c)));
  }
}

/**
 * Then, channels [begin, end): dgamma and dbeta, and in `factors`, three float64 for every channel, what makes dx of d and x.
 * training = 0: mean and variance were constants.
 */
export function batchnormGradients<T>(
  dgamma: usize, dbeta: usize, factors: usize, sums: usize, mean: usize, invStd: usize, gamma: usize, training: i32,
  N: i32, C: i32, P: i32, begin: i32, end: i32,
): void {
  const count = <f64>N * <f64>P;
  for (let c = begin; c < end; c++) {
    const o = at<T>(c);
    const inv = <f64>load<T>(invStd + o);
    const sum = overImages(sums, N, C, c, 0);
    const dot = overImages(sums, N, C, c, 1) * inv;
    store<T>(dbeta + o, <T>sum);
    store<T>(dgamma + o, <T>dot);
    // dx = k (d - sum / count - xhat dot / count), xhat = (x - mean) inv
    const k = <f64>load<T>(gamma + o) * inv;
    const l = training ? (-k * dot * inv) / count : 0;
    const own = factors + <usize>c * 24;
    store<f64>(own, k);
    store<f64>(own, l, 8);
    store<f64>(own, training ? (-k * sum) / count - l * <f64>load<T>(mean + o) : 0, 16);
  }
}

/** Last pass backward, planes [begin, end). */
export function batchnormInputGradient<T>(
  dx: usize, dout: usize, x: usize, scale: usize, factors: usize, C: i32, P: i32, begin: i32, end: i32,
): void {
  for (let p = begin; p < end; p++) {
    const c = p % C;
    const plane = at<T>(p * P);
    const own = factors + <usize>c * 24;
    gradientPlane<T>(
      dx + plane, dout + plane, x + plane, scale ? scale + at<T>(2 * c) : 0, P, load<f64>(own), load<f64>(own, 8),
      load<f64>(own, 16),
    );
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
