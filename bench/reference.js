/** What results are held against: plain float64 arithmetic. Everything here returns an error, or throws if it is too large. */

export const EPSILON = { float32: 2 ** -24, float64: 2 ** -53 };

/** Throws unless error <= tolerance; NaN is never small enough. */
export function within(what, error, tolerance) {
  if (!(error <= tolerance)) throw new Error(`${what}: wrong by ${error}, tolerance ${tolerance}`);
  return error;
}

/** Largest difference of any two elements, in units of the largest expected one. */
export function difference(what, got, expected, tolerance) {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} elements, expected ${expected.length}`);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]));
    const error = Math.abs(got[i] - expected[i]);
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(error)) break;
  }
  return within(what, worst / (scale || 1), tolerance);
}

/** As difference, but each element is held against itself. */
export function relativeDifference(what, got, expected, tolerance) {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i] - expected[i]) / (Math.abs(expected[i]) || 1);
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(error)) break;
  }
  return within(what, worst, tolerance);
}

/** Element (i, j) of a row-major matrix with so many columns, or of its transpose. */
function reader(data, columns, transposed) {
  return transposed ? (i, j) => data[j * columns + i] : (i, j) => data[i * columns + j];
}

/**
 * Freivalds' check of C = A B: C v against A (B v) for a random v, which costs a row of work for every row of C and misses a
 * wrong element only by a chance of rounding. The error is in units of |A| (|B| |v|), which is what rounding is bounded by.
 */
export function productError(what, C, A, B, { M, N, K, transA, transB, dtype }) {
  const a = reader(A, transA ? M : K, transA);
  const b = reader(B, transB ? K : N, transB);
  const v = Float64Array.from({ length: N }, (_, j) => Math.sin(12.9898 * (j + 1)));
  const inner = new Float64Array(K);
  const bound = new Float64Array(K);
  for (let k = 0; k < K; k++) {
    for (let j = 0; j < N; j++) {
      const term = b(k, j) * v[j];
      inner[k] += term;
      bound[k] += Math.abs(term);
    }
  }
  let worst = 0;
  for (let i = 0; i < M; i++) {
    let got = 0;
    let expected = 0;
    let scale = 0;
    for (let j = 0; j < N; j++) got += C[i * N + j] * v[j];
    for (let k = 0; k < K; k++) {
      expected += a(i, k) * inner[k];
      scale += Math.abs(a(i, k)) * bound[k];
    }
    const error = Math.abs(got - expected) / (scale || 1);
    if (!(error <= worst)) worst = error;
  }
  return within(what, worst, 2 * EPSILON[dtype] * Math.sqrt(K));
}

/** Mean and 1 / standard deviation of n numbers at data[start + i * step]. */
function moments(data, start, step, n, eps) {
  let mean = 0;
  for (let i = 0; i < n; i++) mean += data[start + i * step];
  mean /= n;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += (data[start + i * step] - mean) ** 2;
  return { mean, inverse: 1 / Math.sqrt(variance / n + eps) };
}

/**
 * Batch norm (over columns) or layer norm (over rows) of x (N, D) with gamma and beta, and the way back: out, dx, dgamma,
 * dbeta.
 */
export function norm(kind, x, gamma, beta, dout, [N, D], eps = 1e-5) {
  const out = new Float64Array(N * D);
  const dx = new Float64Array(N * D);
  const dgamma = new Float64Array(D);
  const dbeta = new Float64Array(D);
  const [lines, n, lineStep, step] = kind === 'batchnorm' ? [D, N, 1, D] : [N, D, D, 1];
  for (let line = 0; line < lines; line++) {
    const start = line * lineStep;
    const { mean, inverse } = moments(x, start, step, n, eps);
    let sum = 0;
    let dot = 0;
    for (let i = 0; i < n; i++) {
      const at = start + i * step;
      const column = at % D;
      const xhat = (x[at] - mean) * inverse;
      out[at] = gamma[column] * xhat + beta[column];
      dgamma[column] += dout[at] * xhat;
      dbeta[column] += dout[at];
      sum += dout[at] * gamma[column];
      dot += dout[at] * gamma[column] * xhat;
    }
    for (let i = 0; i < n; i++) {
      const at = start + i * step;
      const xhat = (x[at] - mean) * inverse;
      dx[at] = inverse * (dout[at] * gamma[at % D] - sum / n - (xhat * dot) / n);
    }
  }
  return { out, dx, dgamma, dbeta };
}

function softmaxLoss(scores, y, [N, C]) {
  const gradient = new Float64Array(N * C);
  let loss = 0;
  for (let i = 0; i < N; i++) {
    const row = Float64Array.from(scores.subarray(i * C, (i + 1) * C));
    const top = Math.max(...row);
    const sum = row.reduce((total, s) => total + Math.exp(s - top), 0);
    loss += Math.log(sum) + top - row[y[i]];
    for (let j = 0; j < C; j++) gradient[i * C + j] = (Math.exp(row[j] - top) / sum - (j === y[i] ? 1 : 0)) / N;
  }
  return { loss: loss / N, gradient };
}

function svmLoss(scores, y, [N, C], delta = 1) {
  const gradient = new Float64Array(N * C);
  let loss = 0;
  for (let i = 0; i < N; i++) {
    const right = i * C + y[i];
    for (let j = 0; j < C; j++) {
      const margin = scores[i * C + j] - scores[right] + delta;
      if (j === y[i] || margin <= 0) continue;
      loss += margin;
      gradient[i * C + j] += 1 / N;
      gradient[right] -= 1 / N;
    }
  }
  return { loss: loss / N, gradient };
}

/** Mean loss over the rows of scores (N, C) with labels y, and its gradient. */
export const LOSSES = { softmaxLoss, svmLoss };

/** One step of an update rule from fresh state: the new weights. */
export const RULES = {
  sgd: (w, g, rate) => w - rate * g,
  sgdMomentum: (w, g, rate) => w - rate * g,
  rmsprop: (w, g, rate) => w - (rate * g) / (Math.sqrt(0.01 * g * g) + 1e-8),
  adam: (w, g, rate) => w - (rate * g) / (Math.abs(g) + 1e-8),
  adamw: (w, g, rate, decay) => w - rate * decay * w - (rate * g) / (Math.abs(g) + 1e-8),
  adagrad: (w, g, rate) => w - (rate * g) / (Math.abs(g) + 1e-8),
};
