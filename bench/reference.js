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

/** A fixed factor for each of n columns, filters or channels. */
const factors = (n) => Float64Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1)));

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
  const v = factors(N);
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

/** data (outer, n, inner) with its n slices summed up by factors of their own: (outer, inner). */
export function contracted(data, outer, n, inner) {
  const v = factors(n);
  const sums = new Float64Array(outer * inner);
  for (let i = 0; i < outer; i++) {
    for (let k = 0; k < n; k++) {
      const from = (i * n + k) * inner;
      for (let j = 0; j < inner; j++) sums[i * inner + j] += v[k] * data[from + j];
    }
  }
  return sums;
}

/** visit(tap, output, pixel) for all that meet in one plane: places in the filter, the output and the image. */
function eachTap({ H, W, HH, WW, OH, OW, stride, pad }, visit) {
  for (let tap = 0; tap < HH * WW; tap++) {
    const [i, j] = [Math.floor(tap / WW) - pad, (tap % WW) - pad];
    for (let oh = 0; oh < OH; oh++) {
      const h = oh * stride + i;
      if (h < 0 || h >= H) continue;
      for (let ow = 0; ow < OW; ow++) {
        const w = ow * stride + j;
        if (w >= 0 && w < W) visit(tap, oh * OW + ow, h * W + w);
      }
    }
  }
}

/**
 * Freivalds' check of a convolution: the output and the gradient of the filters `contracted` over the filters, the gradient
 * of the images over the channels, which costs one filter or channel of work. db is all there.
 */
export function convolution(sizes, x, w, b, dout) {
  const { N, C, H, W, F, HH, WW, OH, OW } = sizes;
  const [P, Q, K] = [OH * OW, H * W, HH * WW];
  const filter = contracted(w, 1, F, C * K);
  const douts = contracted(dout, N, F, P);
  const channel = contracted(w, F, C, K);
  const bias = contracted(b, 1, F, 1)[0];
  const out = new Float64Array(N * P).fill(bias);
  const dw = new Float64Array(C * K);
  const dx = new Float64Array(N * Q);
  const db = new Float64Array(F);
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const plane = (n * C + c) * Q;
      eachTap(sizes, (tap, o, p) => {
        out[n * P + o] += filter[c * K + tap] * x[plane + p];
        dw[c * K + tap] += douts[n * P + o] * x[plane + p];
      });
    }
    for (let f = 0; f < F; f++) {
      const plane = (n * F + f) * P;
      for (let o = 0; o < P; o++) db[f] += dout[plane + o];
      eachTap(sizes, (tap, o, p) => {
        dx[n * Q + p] += channel[f * K + tap] * dout[plane + o];
      });
    }
  }
  return { out, dx, dw, db };
}

/** Pooling of `planes` images and the way back: out, dx. kind: 'max' or 'avg'. */
export function pooling(kind, { planes, H, W, OH, OW, size: [PH, PW], stride }, x, dout) {
  const out = new Float64Array(planes * OH * OW);
  const dx = new Float64Array(planes * H * W);
  for (let o = 0; o < out.length; o++) {
    const plane = Math.floor(o / (OH * OW)) * H * W;
    const corner = plane + Math.floor((o % (OH * OW)) / OW) * stride * W + (o % OW) * stride;
    let top = corner;
    let sum = 0;
    for (let i = 0; i < PH; i++) {
      for (let j = 0; j < PW; j++) {
        const at = corner + i * W + j;
        if (x[at] > x[top]) top = at;
        sum += x[at];
        if (kind === 'avg') dx[at] += dout[o] / (PH * PW);
      }
    }
    out[o] = kind === 'max' ? x[top] : sum / (PH * PW);
    if (kind === 'max') dx[top] += dout[o];
  }
  return { out, dx };
}

/**
 * Normalisation over `lines` of n numbers each, and the way back: out, dx, dgamma, dbeta.
 *
 * @param place (line, i) to a place in x; channel: a place to its place in gamma and beta
 */
function normalised({ x, gamma, beta, dout }, lines, n, place, channel, eps = 1e-5) {
  const out = new Float64Array(x.length);
  const dx = new Float64Array(x.length);
  const dgamma = new Float64Array(gamma.length);
  const dbeta = new Float64Array(gamma.length);
  for (let line = 0; line < lines; line++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += x[place(line, i)];
    mean /= n;
    let variance = 0;
    for (let i = 0; i < n; i++) variance += (x[place(line, i)] - mean) ** 2;
    const inverse = 1 / Math.sqrt(variance / n + eps);
    let sum = 0;
    let dot = 0;
    for (let i = 0; i < n; i++) {
      const at = place(line, i);
      const c = channel(at);
      const xhat = (x[at] - mean) * inverse;
      out[at] = gamma[c] * xhat + beta[c];
      dgamma[c] += dout[at] * xhat;
      dbeta[c] += dout[at];
      sum += dout[at] * gamma[c];
      dot += dout[at] * gamma[c] * xhat;
    }
    for (let i = 0; i < n; i++) {
      const at = place(line, i);
      const xhat = (x[at] - mean) * inverse;
      dx[at] = inverse * (dout[at] * gamma[channel(at)] - sum / n - (xhat * dot) / n);
    }
  }
  return { out, dx, dgamma, dbeta };
}

/** Batch norm (over columns) or layer norm (over rows) of x (N, D). */
export function norm(kind, x, gamma, beta, dout, [N, D]) {
  const batch = kind === 'batchnorm';
  const place = batch ? (line, i) => i * D + line : (line, i) => line * D + i;
  return normalised({ x, gamma, beta, dout }, batch ? D : N, batch ? N : D, place, (at) => at % D);
}

/** Batch norm (over channels) or group norm (over groups of channels of an image) of images (N, C, P). */
export function spatialNorm(groups, x, gamma, beta, dout, [N, C, P]) {
  const operands = { x, gamma, beta, dout };
  const channel = (at) => Math.floor(at / P) % C;
  if (groups !== undefined) {
    const n = (C / groups) * P;
    return normalised(operands, N * groups, n, (line, i) => line * n + i, channel);
  }
  const place = (line, i) => (Math.floor(i / P) * C + line) * P + (i % P);
  return normalised(operands, C, N * P, place, channel);
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
