/** Losses of linear classifiers by plain loops: what the fast ones are held against. */
import { at, first, splat } from './lanes';
import { vexp, vlog } from './math';

/**
 * Mean loss of the scores X W over N examples, plus reg * sum(W^2); hinge: multiclass hinge with margin 1, else softmax.
 * dW (D, C), W (D, C), X (N, D), y int32 in [0, C). scores: C float64 of scratch.
 */
export function linearLossNaive<T>(
  dW: usize, W: usize, X: usize, y: usize, scores: usize, hinge: i32, reg: f64, N: i32, D: i32, C: i32,
): f64 {
  for (let o: usize = 0; o < at<T>(D * C); o += sizeof<T>()) store<T>(dW + o, <T>0);
  let loss: f64 = 0;
  for (let i = 0; i < N; i++) {
    const x = X + at<T>(D) * i;
    const label = load<i32>(y + at<i32>(i));
    for (let c = 0; c < C; c++) {
      let score: f64 = 0;
      for (let d = 0; d < D; d++) score += <f64>load<T>(x + at<T>(d)) * <f64>load<T>(W + at<T>(d * C + c));
      store<f64>(scores + at<f64>(c), score);
    }
    loss += hinge ? hingeLoss(scores, label, C) : crossEntropy(scores, label, C);
    for (let c = 0; c < C; c++) {
      const slope = load<f64>(scores + at<f64>(c));
      if (slope == 0) continue;
      for (let d = 0; d < D; d++) {
        const g = dW + at<T>(d * C + c);
        store<T>(g, <T>(<f64>load<T>(g) + <f64>load<T>(x + at<T>(d)) * slope));
      }
    }
  }
  let squares: f64 = 0;
  for (let o: usize = 0; o < at<T>(D * C); o += sizeof<T>()) {
    const w = <f64>load<T>(W + o);
    squares += w * w;
    store<T>(dW + o, <T>(<f64>load<T>(dW + o) / <f64>N + 2 * reg * w));
  }
  return loss / <f64>N + reg * squares;
}

/** Replaces the scores of one example by the gradient of its loss, which is returned. */
function crossEntropy(scores: usize, label: i32, C: i32): f64 {
  let best = load<f64>(scores);
  for (let c = 1; c < C; c++) {
    const score = load<f64>(scores + at<f64>(c));
    if (score > best) best = score;
  }
  const target = load<f64>(scores + at<f64>(label)) - best;
  let sum: f64 = 0;
  for (let c = 0; c < C; c++) {
    const p = scores + at<f64>(c);
    const e = first<f64>(vexp<f64>(splat<f64>(load<f64>(p) - best)));
    store<f64>(p, e);
    sum += e;
  }
  for (let c = 0; c < C; c++) {
    const p = scores + at<f64>(c);
    store<f64>(p, load<f64>(p) / sum - (c == label ? 1.0 : 0.0));
  }
  return first<f64>(vlog<f64>(splat<f64>(sum))) - target;
}

/** The same for the hinge; a margin of exactly 0 counts nothing. */
function hingeLoss(scores: usize, label: i32, C: i32): f64 {
  const target = load<f64>(scores + at<f64>(label));
  let loss: f64 = 0;
  let violations: f64 = 0;
  for (let c = 0; c < C; c++) {
    const p = scores + at<f64>(c);
    const margin = load<f64>(p) - target + 1;
    const counts = c != label && !(margin <= 0);
    if (counts) {
      loss += margin;
      violations++;
    }
    store<f64>(p, counts ? 1.0 : 0.0);
  }
  store<f64>(scores + at<f64>(label), -violations);
  return loss;
}
