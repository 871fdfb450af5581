/** Batch normalisation over the batch, layer normalisation over each example; both for x (N, D). */
import { checkChoice, checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt, persistent } from '../memory.js';
import { empty, type Tensor, zeros } from '../tensor.js';
import { checkCache, checkDout, checkLike, checkMatrix } from './checks.js';

export interface BatchnormParam {
  /** 'train': statistics of the batch; 'test': the running averages. */
  mode: 'train' | 'test';
  /** Added to the variance, default 1e-5. */
  eps?: number;
  /** Weight of the old running average, default 0.9. */
  momentum?: number;
  /** (D) running averages. In training they are made (zeros) if missing and updated in place. */
  runningMean?: Tensor;
  runningVar?: Tensor;
}

/** What both norms keep: the normalised input and 1 / standard deviation. */
export class NormCache {
  constructor(
    readonly kind: 'batchnorm' | 'layernorm',
    readonly training: boolean,
    readonly xhat: Tensor,
    readonly invStd: Tensor,
    readonly gamma: Tensor,
  ) {}
}

function checkScale(where: string, x: Tensor, gamma: Tensor, beta: Tensor): { N: number; D: number } {
  const input = checkMatrix(where, 'x', x);
  const [N, D] = input.shape as [number, number];
  checkLike(where, 'gamma', gamma, [D], input, '(D,)', `D is the second axis of x ${formatShape(input.shape)}`);
  checkLike(where, 'beta', beta, [D], input, '(D,)', `D is the second axis of x ${formatShape(input.shape)}`);
  return { N, D };
}

/** Settings of a batch norm over every axis of x but the second, which is called `letter`. */
export function checkBatchnorm(
  where: string,
  x: Tensor,
  letter: 'D' | 'C',
  bnParam: BatchnormParam,
): { training: boolean; eps: number; momentum: number } {
  checkOptions(where, bnParam, ['mode', 'eps', 'momentum', 'runningMean', 'runningVar']);
  const training = checkChoice(where, 'mode', bnParam?.mode, ['train', 'test']) === 'train';
  const eps = checkNumber(where, 'eps', bnParam.eps ?? 1e-5, { low: 0 });
  const momentum = checkNumber(where, 'momentum', bnParam.momentum ?? 0.9, { low: 0, high: 1 });
  if (training && x.shape[0] === 0) {
    const rule = `${letter === 'D' ? '(N, D)' : '(N, C, H, W)'} with N >= 1 in training`;
    throw new ShapeError({ where, argument: 'x', rule, value: formatShape(x.shape) });
  }
  for (const name of ['runningMean', 'runningVar'] as const) {
    if (bnParam[name]) checkLike(where, name, bnParam[name], [x.shape[1] as number], x, `(${letter},)`);
  }
  return { training, eps, momentum };
}

/** The running averages of bnParam; zeros for those it has not. */
export function runningAverages(bnParam: BatchnormParam, { shape, dtype }: Tensor) {
  const made = () => persistent(() => zeros([shape[1] as number], { dtype }));
  return { runningMean: bnParam.runningMean ?? made(), runningVar: bnParam.runningVar ?? made() };
}

/**
 * Batch normalisation (Ioffe and Szegedy, 2015): every column of x is brought to mean 0 and variance 1, then scaled by
 * gamma and shifted by beta. The variance is the biased one. In training the running averages become
 * momentum · old + (1 - momentum) · batch.
 *
 * @param x (N, D), N >= 1 in training
 * @param gamma (D)
 * @param beta (D)
 * @param bnParam see BatchnormParam; runningMean and runningVar are written into it
 * @returns [out (N, D), cache]
 */
export function batchnormForward(x: Tensor, gamma: Tensor, beta: Tensor, bnParam: BatchnormParam): [Tensor, NormCache] {
  const where = 'batchnormForward';
  const { N, D } = checkScale(where, x, gamma, beta);
  const { training, eps, momentum } = checkBatchnorm(where, x, 'D', bnParam);
  return attempt(() => {
    const running = runningAverages(bnParam, x);
    const out = empty(x.shape, x.dtype);
    const xhat = empty(x.shape, x.dtype);
    const invStd = empty([D], x.dtype);
    const o = { out, xhat, invStd, ...running, x, gamma, beta };
    if (training) kernels.batchnormTrain(o, N, D, eps, momentum);
    else kernels.batchnormTest(o, N, D, eps);
    Object.assign(bnParam, running);
    return [out, new NormCache('batchnorm', training, xhat, invStd, gamma)];
  });
}

/**
 * Backward step by step through the computational graph, as the course derives it first.
 *
 * @param dout (N, D)
 * @returns [dx (N, D), dgamma (D), dbeta (D)]
 */
export function batchnormBackward(dout: Tensor, cache: NormCache): [Tensor, Tensor, Tensor] {
  return back('batchnormBackward', 'batchnormBackwardSteps', dout, cache);
}

/** The same gradients from one simplified formula, in two passes over the data instead of four. */
export function batchnormBackwardAlt(dout: Tensor, cache: NormCache): [Tensor, Tensor, Tensor] {
  return back('batchnormBackwardAlt', 'batchnormBackward', dout, cache);
}

function back(
  where: string,
  way: 'batchnormBackward' | 'batchnormBackwardSteps',
  dout: Tensor,
  cache: NormCache,
): [Tensor, Tensor, Tensor] {
  const { training, xhat, invStd, gamma } = checkCache(
    where,
    cache?.kind === 'batchnorm' ? cache : undefined,
    NormCache,
    'batchnormForward',
  );
  checkDout(where, dout, xhat);
  const [N, D] = xhat.shape as [number, number];
  return attempt(() => {
    const dx = empty(xhat.shape, xhat.dtype);
    const dgamma = empty([D], xhat.dtype);
    const dbeta = empty([D], xhat.dtype);
    kernels.batchnormBackward(
      training ? way : 'batchnormBackwardTest',
      { dx, dgamma, dbeta, dout, xhat, invStd, gamma },
      N,
      D,
    );
    return [dx, dgamma, dbeta];
  });
}

export interface LayernormParam {
  /** Added to the variance, default 1e-5. */
  eps?: number;
}

/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016): every row of x is brought to mean 0 and variance 1, then scaled by
 * gamma and shifted by beta. The same in training and test.
 *
 * @param x (N, D), D >= 1
 * @param gamma (D)
 * @param beta (D)
 * @returns [out (N, D), cache]
 */
export function layernormForward(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  lnParam: LayernormParam = {},
): [Tensor, NormCache] {
  const where = 'layernormForward';
  const { N, D } = checkScale(where, x, gamma, beta);
  checkOptions(where, lnParam, ['eps']);
  const eps = checkNumber(where, 'eps', lnParam.eps ?? 1e-5, { low: 0 });
  return attempt(() => {
    const out = empty(x.shape, x.dtype);
    const xhat = empty(x.shape, x.dtype);
    const invStd = empty([N], x.dtype);
    kernels.layernormForward({ out, xhat, invStd, x, gamma, beta }, N, D, eps);
    return [out, new NormCache('layernorm', true, xhat, invStd, gamma)];
  });
}

/** @returns [dx (N, D), dgamma (D), dbeta (D)] */
export function layernormBackward(dout: Tensor, cache: NormCache): [Tensor, Tensor, Tensor] {
  const where = 'layernormBackward';
  const { xhat, invStd, gamma } = checkCache(
    where,
    cache?.kind === 'layernorm' ? cache : undefined,
    NormCache,
    'layernormForward',
  );
  checkDout(where, dout, xhat);
  const [N, D] = xhat.shape as [number, number];
  return attempt(() => {
    const dx = empty(xhat.shape, xhat.dtype);
    const dgamma = empty([D], xhat.dtype);
    const dbeta = empty([D], xhat.dtype);
    kernels.layernormBackward({ dx, dgamma, dbeta, dout, xhat, invStd, gamma }, N, D);
    return [dx, dgamma, dbeta];
  });
}
