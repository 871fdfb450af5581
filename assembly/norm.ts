/**
 * Batch normalisation (Ioffe and Szegedy, 2015) over the columns of (N, D) and layer normalisation (Ba, Kiros and
 * Hinton, 2016) over its rows. Batch norm is split over columns, layer norm over rows.
 *
 * Whole vectors of columns and the columns of the ragged end go through the same code, in a loop each: see optim.ts.
 */
import { at, first, fma, fnma, lanes, read, splat, sumLanes, write, zero } from './lanes';

/** One vector of columns (or one column) from offset to last: xhat = (x - mean) * inv, out = gamma * xhat + beta. */
@inline
function normalise<T>(
  out: usize, xhat: usize, x: usize, gamma: usize, beta: usize, mean: v128, inv: v128, offset: usize, last: usize,
  rowBytes: usize, whole: bool,
): void {
  const g = read<T>(gamma + offset, whole);
  const b = read<T>(beta + offset, whole);
  for (let p = offset; p < last; p += rowBytes) {
    const h = v128.mul<T>(v128.sub<T>(read<T>(x + p, whole), mean), inv);
    write<T>(xhat + p, h, whole);
    write<T>(out + p, fma<T>(h, g, b), whole);
  }
}

/**
 * Training mode, columns [begin, end): mean and biased variance of each column of x (N, D),
 * xhat = (x - mean) / sqrt(var + eps), out = gamma * xhat + beta, running = momentum * running + (1 - momentum) * batch.
 * invStd (D) is kept for backward.
 */
export function batchnormTrain<T>(
  out: usize, xhat: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize,
  eps: f64, momentum: f64, N: i32, D: i32, begin: i32, end: i32,
): void {
  let j = begin;
  for (; j + lanes<T>() <= end; j += lanes<T>()) {
    batchnormTrainColumns<T>(
      out, xhat, invStd, runningMean, runningVar, x, gamma, beta, eps, momentum, N, D, at<T>(j), true,
    );
  }
  for (; j < end; j++) {
    batchnormTrainColumns<T>(
      out, xhat, invStd, runningMean, runningVar, x, gamma, beta, eps, momentum, N, D, at<T>(j), false,
    );
  }
}

@inline
function batchnormTrainColumns<T>(
  out: usize, xhat: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize,
  eps: f64, momentum: f64, N: i32, D: i32, offset: usize, whole: bool,
): void {
  const rowBytes = at<T>(D);
  const count = splat<T>(<T>N);
  const keep = splat<T>(<T>momentum);
  const take = splat<T>(<T>(1 - momentum));
  const last = rowBytes * N + offset;
  let sum = zero<T>();
  for (let p = offset; p < last; p += rowBytes) sum = v128.add<T>(sum, read<T>(x + p, whole));
  const mean = v128.div<T>(sum, count);
  let squares = zero<T>();
  for (let p = offset; p < last; p += rowBytes) {
    const d = v128.sub<T>(read<T>(x + p, whole), mean);
    squares = fma<T>(d, d, squares);
  }
  const variance = v128.div<T>(squares, count);
  const inv = v128.div<T>(splat<T>(<T>1), v128.sqrt<T>(v128.add<T>(variance, splat<T>(<T>eps))));
  write<T>(invStd + offset, inv, whole);
  const oldMean = v128.mul<T>(keep, read<T>(runningMean + offset, whole));
  const oldVar = v128.mul<T>(keep, read<T>(runningVar + offset, whole));
  write<T>(runningMean + offset, fma<T>(take, mean, oldMean), whole);
  write<T>(runningVar + offset, fma<T>(take, variance, oldVar), whole);
  normalise<T>(out, xhat, x, gamma, beta, mean, inv, offset, last, rowBytes, whole);
}

/** Test mode, columns [begin, end): normalises with the running averages; fills xhat and invStd as training does. */
export function batchnormTest<T>(
  out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize,
  eps: f64, N: i32, D: i32, begin: i32, end: i32,
): void {
  let j = begin;
  for (; j + lanes<T>() <= end; j += lanes<T>()) {
    batchnormTestColumns<T>(out, xhat, invStd, x, gamma, beta, runningMean, runningVar, eps, N, D, at<T>(j), true);
  }
  for (; j < end; j++) {
    batchnormTestColumns<T>(out, xhat, invStd, x, gamma, beta, runningMean, runningVar, eps, N, D, at<T>(j), false);
  }
}

@inline
function batchnormTestColumns<T>(
  out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize,
  eps: f64, N: i32, D: i32, offset: usize, whole: bool,
): void {
  const rowBytes = at<T>(D);
  const e = splat<T>(<T>eps);
  const one = splat<T>(<T>1);
  const mean = read<T>(runningMean + offset, whole);
  const inv = v128.div<T>(one, v128.sqrt<T>(v128.add<T>(read<T>(runningVar + offset, whole), e)));
  write<T>(invStd + offset, inv, whole);
  normalise<T>(out, xhat, x, gamma, beta, mean, inv, offset, rowBytes * N + offset, rowBytes, whole);
}

/**
 * Backward of training mode step by step through the computational graph, columns [begin, end):
 * dxhat = dout * gamma; dvar = sum dxhat * (x - mean) * (-1/2) * invStd^3;
 * dmean = -invStd * sum dxhat - 2 dvar * mean(x - mean); dx = dxhat * invStd + 2 dvar * (x - mean) / N + dmean / N.
 */
export function batchnormBackwardSteps<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  begin: i32, end: i32,
): void {
  let j = begin;
  for (; j + lanes<T>() <= end; j += lanes<T>()) {
    batchnormBackwardStepsColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), true);
  }
  for (; j < end; j++) {
    batchnormBackwardStepsColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), false);
  }
}

@inline
function batchnormBackwardStepsColumns<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  offset: usize, whole: bool,
): void {
  const rowBytes = at<T>(D);
  const one = splat<T>(<T>1);
  const inverseN = v128.div<T>(one, splat<T>(<T>N));
  const last = rowBytes * N + offset;
  const inv = read<T>(invStd + offset, whole);
  const std = v128.div<T>(one, inv);
  const g = read<T>(gamma + offset, whole);
  let sumDout = zero<T>();
  let sumDoutXhat = zero<T>();
  let sumDxhat = zero<T>();
  let sumDxhatCentred = zero<T>();
  let sumCentred = zero<T>();
  for (let p = offset; p < last; p += rowBytes) {
    const d = read<T>(dout + p, whole);
    const h = read<T>(xhat + p, whole);
    const centred = v128.mul<T>(h, std);
    const dxhat = v128.mul<T>(d, g);
    sumDout = v128.add<T>(sumDout, d);
    sumDoutXhat = fma<T>(d, h, sumDoutXhat);
    sumDxhat = v128.add<T>(sumDxhat, dxhat);
    sumDxhatCentred = fma<T>(dxhat, centred, sumDxhatCentred);
    sumCentred = v128.add<T>(sumCentred, centred);
  }
  write<T>(dbeta + offset, sumDout, whole);
  write<T>(dgamma + offset, sumDoutXhat, whole);
  const cube = v128.mul<T>(v128.mul<T>(inv, inv), inv);
  const dvar = v128.mul<T>(v128.mul<T>(sumDxhatCentred, splat<T>(<T>-0.5)), cube);
  const twoDvar = v128.mul<T>(v128.add<T>(dvar, dvar), inverseN);
  const dmean = v128.neg<T>(fma<T>(twoDvar, sumCentred, v128.mul<T>(inv, sumDxhat)));
  const share = v128.mul<T>(dmean, inverseN);
  for (let p = offset; p < last; p += rowBytes) {
    const dxhat = v128.mul<T>(read<T>(dout + p, whole), g);
    const centred = v128.mul<T>(read<T>(xhat + p, whole), std);
    write<T>(dx + p, fma<T>(dxhat, inv, fma<T>(twoDvar, centred, share)), whole);
  }
}

/**
 * The same gradient as one formula, columns [begin, end):
 * dx = gamma * invStd / N * (N dout - sum dout - xhat * sum(dout * xhat)).
 */
export function batchnormBackward<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  begin: i32, end: i32,
): void {
  let j = begin;
  for (; j + lanes<T>() <= end; j += lanes<T>()) {
    batchnormBackwardColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), true);
  }
  for (; j < end; j++) {
    batchnormBackwardColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), false);
  }
}

@inline
function batchnormBackwardColumns<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  offset: usize, whole: bool,
): void {
  const rowBytes = at<T>(D);
  const inverseN = v128.div<T>(splat<T>(<T>1), splat<T>(<T>N));
  const last = rowBytes * N + offset;
  let sum = zero<T>();
  let dot = zero<T>();
  for (let p = offset; p < last; p += rowBytes) {
    const d = read<T>(dout + p, whole);
    sum = v128.add<T>(sum, d);
    dot = fma<T>(d, read<T>(xhat + p, whole), dot);
  }
  write<T>(dbeta + offset, sum, whole);
  write<T>(dgamma + offset, dot, whole);
  const factor = v128.mul<T>(read<T>(gamma + offset, whole), read<T>(invStd + offset, whole));
  const meanDout = v128.mul<T>(sum, inverseN);
  const meanDot = v128.mul<T>(dot, inverseN);
  for (let p = offset; p < last; p += rowBytes) {
    const d = v128.sub<T>(read<T>(dout + p, whole), meanDout);
    write<T>(dx + p, v128.mul<T>(factor, fnma<T>(read<T>(xhat + p, whole), meanDot, d)), whole);
  }
}

/** Backward of test mode, where the averages are constants: dx = dout * gamma * invStd. Columns [begin, end). */
export function batchnormBackwardTest<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  begin: i32, end: i32,
): void {
  let j = begin;
  for (; j + lanes<T>() <= end; j += lanes<T>()) {
    batchnormBackwardTestColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), true);
  }
  for (; j < end; j++) {
    batchnormBackwardTestColumns<T>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, at<T>(j), false);
  }
}

@inline
function batchnormBackwardTestColumns<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  offset: usize, whole: bool,
): void {
  const rowBytes = at<T>(D);
  const factor = v128.mul<T>(read<T>(gamma + offset, whole), read<T>(invStd + offset, whole));
  let sum = zero<T>();
  let dot = zero<T>();
  for (let p = offset, last = rowBytes * N + offset; p < last; p += rowBytes) {
    const d = read<T>(dout + p, whole);
    sum = v128.add<T>(sum, d);
    dot = fma<T>(d, read<T>(xhat + p, whole), dot);
    write<T>(dx + p, v128.mul<T>(d, factor), whole);
  }
  write<T>(dbeta + offset, sum, whole);
  write<T>(dgamma + offset, dot, whole);
}

/** Rows [begin, end) of x (N, D): out = gamma * xhat + beta with mean and variance of the row; invStd (N). */
export function layernormForward<T>(
  out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, D: i32, begin: i32, end: i32,
): void {
  const rowBytes = at<T>(D);
  const vectors = at<T>(D & ~(lanes<T>() - 1));
  for (let i = begin; i < end; i++) {
    const row = rowBytes * i;
    const p = x + row;
    let sums = zero<T>();
    let o: usize = 0;
    for (; o < vectors; o += 16) sums = v128.add<T>(sums, v128.load(p + o));
    let sum = sumLanes<T>(sums);
    for (; o < rowBytes; o += sizeof<T>()) sum = <T>(sum + load<T>(p + o));
    const mean = splat<T>(<T>(sum / <T>D));
    let squares = zero<T>();
    for (o = 0; o < vectors; o += 16) {
      const d = v128.sub<T>(v128.load(p + o), mean);
      squares = fma<T>(d, d, squares);
    }
    let square = sumLanes<T>(squares);
    for (; o < rowBytes; o += sizeof<T>()) {
      const d = <T>(load<T>(p + o) - first<T>(mean));
      square = <T>(square + d * d);
    }
    const inverse = <T>(<T>1 / sqrt<T>(<T>(square / <T>D + <T>eps)));
    store<T>(invStd + at<T>(i), inverse);
    const inv = splat<T>(inverse);
    for (o = 0; o < vectors; o += 16) {
      normaliseAt<T>(out + row + o, xhat + row + o, p + o, gamma + o, beta + o, mean, inv, true);
    }
    for (; o < rowBytes; o += sizeof<T>()) {
      normaliseAt<T>(out + row + o, xhat + row + o, p + o, gamma + o, beta + o, mean, inv, false);
    }
  }
}

@inline
function normaliseAt<T>(
  out: usize, xhat: usize, x: usize, gamma: usize, beta: usize, mean: v128, inv: v128, whole: bool,
): void {
  const h = v128.mul<T>(v128.sub<T>(read<T>(x, whole), mean), inv);
  write<T>(xhat, h, whole);
  write<T>(out, fma<T>(h, read<T>(gamma, whole), read<T>(beta, whole)), whole);
}

/** dx of layer norm, rows [begin, end): with g = dout * gamma, dx = invStd * (g - mean g - xhat * mean(g * xhat)). */
export function layernormBackward<T>(
  dx: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, D: i32, begin: i32, end: i32,
): void {
  const rowBytes = at<T>(D);
  const vectors = at<T>(D & ~(lanes<T>() - 1));
  for (let i = begin; i < end; i++) {
    const row = rowBytes * i;
    let sums = zero<T>();
    let dots = zero<T>();
    let o: usize = 0;
    for (; o < vectors; o += 16) {
      const g = v128.mul<T>(v128.load(dout + row + o), v128.load(gamma + o));
      sums = v128.add<T>(sums, g);
      dots = fma<T>(g, v128.load(xhat + row + o), dots);
    }
    let sum = sumLanes<T>(sums);
    let dot = sumLanes<T>(dots);
    for (; o < rowBytes; o += sizeof<T>()) {
      const g = <T>(load<T>(dout + row + o) * load<T>(gamma + o));
      sum = <T>(sum + g);
      dot = <T>(dot + g * load<T>(xhat + row + o));
    }
    const meanG = splat<T>(<T>(sum / <T>D));
    const meanDot = splat<T>(<T>(dot / <T>D));
    const inv = v128.load_splat<T>(invStd + at<T>(i));
    for (o = 0; o < vectors; o += 16) {
      rowGradientAt<T>(dx + row + o, dout + row + o, xhat + row + o, gamma + o, meanG, meanDot, inv, true);
    }
    for (; o < rowBytes; o += sizeof<T>()) {
      rowGradientAt<T>(dx + row + o, dout + row + o, xhat + row + o, gamma + o, meanG, meanDot, inv, false);
    }
  }
}

@inline
function rowGradientAt<T>(
  dx: usize, dout: usize, xhat: usize, gamma: usize, meanG: v128, meanDot: v128, inv: v128, whole: bool,
): void {
  const g = v128.mul<T>(read<T>(dout, whole), read<T>(gamma, whole));
  const centred = fnma<T>(read<T>(xhat, whole), meanDot, v128.sub<T>(g, meanG));
  write<T>(dx, v128.mul<T>(inv, centred), whole);
}
