/**
 * Batch normalisation (Ioffe and Szegedy, 2015) over the columns of (N, D) and layer normalisation (Ba, Kiros and
 * Hinton, 2016) over its rows. Batch norm is split over columns, layer norm over rows.
 *
 * Matrices are gone through row by row, with what belongs to the columns in arrays beside them: down the columns each row
 * would be another page, and rows of 4 KiB would push each other out of the cache. Whole vectors of columns and those of the
 * ragged end go through the same code, in a loop each: see optim.ts.
 */
import { at, first, fma, fnma, lanes, read, splat, sumLanes, vectorEnd, write, zero } from './lanes';

/** Adds x to the sums at `sums`. */
@inline
function addAt<T>(sums: usize, x: usize, whole: bool): void {
  write<T>(sums, v128.add<T>(read<T>(sums, whole), read<T>(x, whole)), whole);
}

@inline
function addSquareAt<T>(sums: usize, x: usize, mean: usize, whole: bool): void {
  const d = v128.sub<T>(read<T>(x, whole), read<T>(mean, whole));
  write<T>(sums, fma<T>(d, d, read<T>(sums, whole)), whole);
}

/** xhat = (x - mean) * inv, out = gamma * xhat + beta. */
@inline
function normaliseAt<T>(
  out: usize, xhat: usize, x: usize, gamma: usize, beta: usize, mean: v128, inv: v128, whole: bool,
): void {
  const h = v128.mul<T>(v128.sub<T>(read<T>(x, whole), mean), inv);
  write<T>(xhat, h, whole);
  write<T>(out, fma<T>(h, read<T>(gamma, whole), read<T>(beta, whole)), whole);
}

/** All rows, with mean and invStd of each column. */
function normaliseRows<T>(
  out: usize, xhat: usize, x: usize, gamma: usize, beta: usize, mean: usize, invStd: usize, N: i32, D: i32, begin: i32,
  end: i32,
): void {
  const e = vectorEnd<T>(begin, end);
  const last = at<T>(end);
  for (let i = 0, row: usize = 0; i < N; i++, row += at<T>(D)) {
    let o = at<T>(begin);
    for (; o < e; o += 16) {
      const p = row + o;
      normaliseAt<T>(out + p, xhat + p, x + p, gamma + o, beta + o, v128.load(mean + o), v128.load(invStd + o), true);
    }
    for (; o < last; o += sizeof<T>()) {
      const p = row + o;
      const m = read<T>(mean + o, false);
      normaliseAt<T>(out + p, xhat + p, x + p, gamma + o, beta + o, m, read<T>(invStd + o, false), false);
    }
  }
}

/** From sums of squares at invStd: the column's invStd, and its running averages. */
@inline
function finishAt<T>(
  invStd: usize, mean: usize, runningMean: usize, runningVar: usize, count: v128, eps: v128, keep: v128, take: v128,
  whole: bool,
): void {
  const variance = v128.div<T>(read<T>(invStd, whole), count);
  write<T>(invStd, v128.div<T>(splat<T>(<T>1), v128.sqrt<T>(v128.add<T>(variance, eps))), whole);
  const oldMean = v128.mul<T>(keep, read<T>(runningMean, whole));
  const oldVar = v128.mul<T>(keep, read<T>(runningVar, whole));
  write<T>(runningMean, fma<T>(take, read<T>(mean, whole), oldMean), whole);
  write<T>(runningVar, fma<T>(take, variance, oldVar), whole);
}

@inline
function divideAt<T>(sums: usize, count: v128, whole: bool): void {
  write<T>(sums, v128.div<T>(read<T>(sums, whole), count), whole);
}

/**
 * Training mode, columns [begin, end): mean and biased variance of each column of x (N, D),
 * xhat = (x - mean) / sqrt(var + eps), out = gamma * xhat + beta, running = momentum * running + (1 - momentum) * batch.
 * invStd (D) is kept for backward. mean: D numbers to work in.
 */
export function batchnormTrain<T>(
  out: usize, xhat: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize,
  mean: usize, eps: f64, momentum: f64, N: i32, D: i32, begin: i32, end: i32,
): void {
  const count = splat<T>(<T>N);
  const keep = splat<T>(<T>momentum);
  const take = splat<T>(<T>(1 - momentum));
  const epsilon = splat<T>(<T>eps);
  const from = at<T>(begin);
  const e = vectorEnd<T>(begin, end);
  const last = at<T>(end);
  const past = x + at<T>(D) * N;
  memory.fill(mean + from, 0, last - from);
  memory.fill(invStd + from, 0, last - from);
  for (let row = x; row < past; row += at<T>(D)) {
    let o = from;
    for (; o < e; o += 16) addAt<T>(mean + o, row + o, true);
    for (; o < last; o += sizeof<T>()) addAt<T>(mean + o, row + o, false);
  }
  let o = from;
  for (; o < e; o += 16) divideAt<T>(mean + o, count, true);
  for (; o < last; o += sizeof<T>()) divideAt<T>(mean + o, count, false);
  for (let row = x; row < past; row += at<T>(D)) {
    o = from;
    for (; o < e; o += 16) addSquareAt<T>(invStd + o, row + o, mean + o, true);
    for (; o < last; o += sizeof<T>()) addSquareAt<T>(invStd + o, row + o, mean + o, false);
  }
  o = from;
  for (; o < e; o += 16) {
    finishAt<T>(invStd + o, mean + o, runningMean + o, runningVar + o, count, epsilon, keep, take, true);
  }
  for (; o < last; o += sizeof<T>()) {
    finishAt<T>(invStd + o, mean + o, runningMean + o, runningVar + o, count, epsilon, keep, take, false);
  }
  normaliseRows<T>(out, xhat, x, gamma, beta, mean, invStd, N, D, begin, end);
}

/** Test mode, columns [begin, end): normalises with the running averages; fills xhat and invStd as training does. */
export function batchnormTest<T>(
  out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize,
  eps: f64, N: i32, D: i32, begin: i32, end: i32,
): void {
  for (let j = begin; j < end; j++) {
    store<T>(invStd + at<T>(j), <T>(<T>1 / sqrt<T>(<T>(load<T>(runningVar + at<T>(j)) + <T>eps))));
  }
  normaliseRows<T>(out, xhat, x, gamma, beta, runningMean, invStd, N, D, begin, end);
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

/** Adds d to dbeta and d * xhat to dgamma. */
@inline
function addGradientsAt<T>(dgamma: usize, dbeta: usize, dout: usize, xhat: usize, whole: bool): void {
  const d = read<T>(dout, whole);
  write<T>(dbeta, v128.add<T>(read<T>(dbeta, whole), d), whole);
  write<T>(dgamma, fma<T>(d, read<T>(xhat, whole), read<T>(dgamma, whole)), whole);
}

/** dgamma and dbeta, columns [begin, end). */
function scaleGradients<T>(
  dgamma: usize, dbeta: usize, dout: usize, xhat: usize, N: i32, D: i32, begin: i32, end: i32,
): void {
  const from = at<T>(begin);
  const e = vectorEnd<T>(begin, end);
  const last = at<T>(end);
  memory.fill(dgamma + from, 0, last - from);
  memory.fill(dbeta + from, 0, last - from);
  for (let i = 0; i < N; i++, dout += at<T>(D), xhat += at<T>(D)) {
    let o = from;
    for (; o < e; o += 16) addGradientsAt<T>(dgamma + o, dbeta + o, dout + o, xhat + o, true);
    for (; o < last; o += sizeof<T>()) addGradientsAt<T>(dgamma + o, dbeta + o, dout + o, xhat + o, false);
  }
}

@inline
function formulaAt<T>(
  dx: usize, dout: usize, xhat: usize, dgamma: usize, dbeta: usize, gamma: usize, invStd: usize, inverseN: v128,
  whole: bool,
): void {
  const factor = v128.mul<T>(read<T>(gamma, whole), read<T>(invStd, whole));
  const d = v128.sub<T>(read<T>(dout, whole), v128.mul<T>(read<T>(dbeta, whole), inverseN));
  const meanDot = v128.mul<T>(read<T>(dgamma, whole), inverseN);
  write<T>(dx, v128.mul<T>(factor, fnma<T>(read<T>(xhat, whole), meanDot, d)), whole);
}

/**
 * The same gradient as one formula, columns [begin, end):
 * dx = gamma * invStd / N * (N dout - sum dout - xhat * sum(dout * xhat)).
 */
export function batchnormBackward<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  begin: i32, end: i32,
): void {
  scaleGradients<T>(dgamma, dbeta, dout, xhat, N, D, begin, end);
  const inverseN = v128.div<T>(splat<T>(<T>1), splat<T>(<T>N));
  const e = vectorEnd<T>(begin, end);
  const last = at<T>(end);
  for (let i = 0, row: usize = 0; i < N; i++, row += at<T>(D)) {
    let o = at<T>(begin);
    for (; o < e; o += 16) {
      const p = row + o;
      formulaAt<T>(dx + p, dout + p, xhat + p, dgamma + o, dbeta + o, gamma + o, invStd + o, inverseN, true);
    }
    for (; o < last; o += sizeof<T>()) {
      const p = row + o;
      formulaAt<T>(dx + p, dout + p, xhat + p, dgamma + o, dbeta + o, gamma + o, invStd + o, inverseN, false);
    }
  }
}

@inline
function constantAt<T>(dx: usize, dout: usize, gamma: usize, invStd: usize, whole: bool): void {
  const factor = v128.mul<T>(read<T>(gamma, whole), read<T>(invStd, whole));
  write<T>(dx, v128.mul<T>(read<T>(dout, whole), factor), whole);
}

/** Backward of test mode, where the averages are constants: dx = dout * gamma * invStd. Columns [begin, end). */
export function batchnormBackwardTest<T>(
  dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32,
  begin: i32, end: i32,
): void {
  scaleGradients<T>(dgamma, dbeta, dout, xhat, N, D, begin, end);
  const e = vectorEnd<T>(begin, end);
  const last = at<T>(end);
  for (let i = 0, row: usize = 0; i < N; i++, row += at<T>(D)) {
    let o = at<T>(begin);
    for (; o < e; o += 16) constantAt<T>(dx + row + o, dout + row + o, gamma + o, invStd + o, true);
    for (; o < last; o += sizeof<T>()) constantAt<T>(dx + row + o, dout + row + o, gamma + o, invStd + o, false);
  }
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
