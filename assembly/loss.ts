/** Losses of scores x (N, C) with labels y (N, int32 in [0, C)), rows [begin, end): one loss per row and its gradient. */
import { at, first, lanes, splat } from './lanes';
import { vexp, vlog } from './math';

/**
 * Softmax cross-entropy: with q = (1 - smoothing) * onehot(y) + smoothing / C,
 * loss = log sum e^(x - max) - sum q (x - max), dx = (softmax(x) - q) / N. losses (N) float64.
 */
export function softmaxLoss<T>(
  losses: usize, dx: usize, x: usize, y: usize, smoothing: f64, N: i32, C: i32, begin: i32, end: i32,
): void {
  const rowBytes = at<T>(C);
  const vectors = at<T>(C & ~(lanes<T>() - 1));
  const rest = smoothing / <f64>C;
  const scaleN = <T>(1 / <f64>N);
  for (let i = begin; i < end; i++) {
    const row = x + rowBytes * i;
    const out = dx + rowBytes * i;
    const label = at<T>(load<i32>(y + at<i32>(i)));
    let best = load<T>(row);
    for (let o: usize = sizeof<T>(); o < rowBytes; o += sizeof<T>()) {
      const v = load<T>(row + o);
      best = v > best ? v : best;
    }
    const shift = splat<T>(best);
    let o: usize = 0;
    for (; o < vectors; o += 16) v128.store(out + o, vexp<T>(v128.sub<T>(v128.load(row + o), shift)));
    for (; o < rowBytes; o += sizeof<T>()) {
      store<T>(out + o, first<T>(vexp<T>(v128.sub<T>(v128.load_splat<T>(row + o), shift))));
    }
    let sum: f64 = 0;
    let shifted: f64 = 0;
    for (o = 0; o < rowBytes; o += sizeof<T>()) {
      sum += <f64>load<T>(out + o);
      shifted += <f64>(load<T>(row + o) - best);
    }
    const target = <f64>(load<T>(row + label) - best);
    const loss = first<f64>(vlog<f64>(splat<f64>(sum))) - (1 - smoothing) * target - (smoothing > 0 ? rest * shifted : 0);
    store<f64>(losses + at<f64>(i), loss);
    const inverse = 1 / sum;
    for (o = 0; o < rowBytes; o += sizeof<T>()) {
      store<T>(out + o, <T>(<T>(<f64>load<T>(out + o) * inverse - rest) * scaleN));
    }
    store<T>(out + label, <T>(load<T>(out + label) - <T>(1 - smoothing) * scaleN));
  }
}

/**
 * Multiclass hinge (Weston and Watkins, 1999): loss = sum over j != y of max(0, x_j - x_y + delta). A margin of exactly
 * 0 counts nothing. dx is divided by N.
 */
export function svmLoss<T>(
  losses: usize, dx: usize, x: usize, y: usize, delta: f64, N: i32, C: i32, begin: i32, end: i32,
): void {
  const rowBytes = at<T>(C);
  const share = <T>(1 / <f64>N);
  for (let i = begin; i < end; i++) {
    const row = x + rowBytes * i;
    const out = dx + rowBytes * i;
    const label = at<T>(load<i32>(y + at<i32>(i)));
    const target = load<T>(row + label);
    let loss: f64 = 0;
    let violations = 0;
    for (let o: usize = 0; o < rowBytes; o += sizeof<T>()) {
      const margin = <T>(load<T>(row + o) - target + <T>delta);
      const counts = o != label && !(margin <= <T>0);
      if (counts) {
        loss += <f64>margin;
        violations++;
      }
      store<T>(out + o, counts ? share : <T>0);
    }
    store<T>(out + label, <T>(-<T>violations * share));
    store<f64>(losses + at<f64>(i), loss);
  }
}

/** Sum of n float64, first to last. */
export function sumF64(x: usize, n: i32): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) sum += load<f64>(x + at<f64>(i));
  return sum;
}
