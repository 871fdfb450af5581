/** Normalisation of images (N, C, H, W): batch norm per channel, group norm per image. */
import { checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import * as kernels from '../imageKernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout, checkImages, checkLike } from './checks.js';
import { type BatchnormParam, checkBatchnorm, runningAverages } from './norm.js';

export class SpatialNormCache {
  constructor(
    /** Group norm's groups; undefined for batch norm. */
    readonly G: number | undefined,
    readonly training: boolean,
    readonly x: Tensor,
    readonly mean: Tensor,
    readonly invStd: Tensor,
    readonly gamma: Tensor,
    /** (C, 2) factors and summands of the output, if a ReLU was folded in. */
    readonly scale: Tensor | undefined,
  ) {}
}

function sizesOf(x: Tensor): { N: number; C: number; P: number } {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return { N, C, P: H * W };
}

/**
 * Batch normalisation of each channel over all images and positions, as batchnormForward over (N H W, C).
 *
 * @param x (N, C, H, W)
 * @param gamma (C)
 * @param beta (C)
 * @param bnParam as for batchnormForward; running averages (C)
 * @returns [out (N, C, H, W), cache]
 */
export function spatialBatchnormForward(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  bnParam: BatchnormParam,
): [Tensor, SpatialNormCache] {
  return spatialBatchnorm('spatialBatchnormForward', x, gamma, beta, bnParam, false);
}

/** Spatial batch norm, optionally with max(0, .) applied on the way out. */
export function spatialBatchnorm(
  where: string,
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  bnParam: BatchnormParam,
  relu: boolean,
): [Tensor, SpatialNormCache] {
  checkImages(where, 'x', x);
  const sizes = sizesOf(x);
  const { C } = sizes;
  const hint = `C is the second axis of x ${formatShape(x.shape)}`;
  checkLike(where, 'gamma', gamma, [C], x, '(C,)', hint);
  checkLike(where, 'beta', beta, [C], x, '(C,)', hint);
  const { training, eps, momentum } = checkBatchnorm(where, x, 'C', bnParam);
  return attempt(() => {
    const running = runningAverages(bnParam, x);
    const out = empty(x.shape, x.dtype);
    const mean = empty([C], x.dtype);
    const invStd = empty([C], x.dtype);
    const scale = empty([C, 2], x.dtype);
    const o = { out, mean, invStd, scale, ...running, x, gamma, beta };
    if (training) kernels.spatialBatchnormTrain(o, sizes, eps, momentum, relu);
    else kernels.spatialBatchnormTest(o, sizes, eps, relu);
    Object.assign(bnParam, running);
    if (!relu) scale.dispose();
    return [out, new SpatialNormCache(undefined, training, x, mean, invStd, gamma, relu ? scale : undefined)];
  });
}

/** @returns [dx (N, C, H, W), dgamma (C), dbeta (C)] */
export function spatialBatchnormBackward(dout: Tensor, cache: SpatialNormCache): [Tensor, Tensor, Tensor] {
  const where = 'spatialBatchnormBackward';
  const own = cache instanceof SpatialNormCache && cache.G === undefined ? cache : undefined;
  const kept = checkCache(where, own, SpatialNormCache, 'spatialBatchnormForward');
  return attempt(() => {
    const { o, sizes } = opened(where, dout, kept);
    kernels.spatialBatchnormBackward(o, kept.scale, sizes, kept.training);
    return [o.dx, o.dgamma, o.dbeta];
  });
}

function opened(where: string, dout: Tensor, { x, mean, invStd, gamma }: SpatialNormCache) {
  checkDout(where, dout, x);
  const sizes = sizesOf(x);
  const dx = empty(x.shape, x.dtype);
  const dgamma = empty(gamma.shape, x.dtype);
  const dbeta = empty(gamma.shape, x.dtype);
  return { o: { dx, dgamma, dbeta, dout, x, mean, invStd, gamma }, sizes };
}

export interface GroupnormParam {
  /** Added to the variance, default 1e-5. */
  eps?: number;
}

/**
 * Group normalisation (Wu and He, 2018): the channels of each image are cut into G groups, and each group is brought to
 * mean 0 and variance 1 over its channels and positions. G = 1 is layer norm over the image, G = C instance norm.
 *
 * @param x (N, C, H, W), C a multiple of G
 * @param gamma (C), or (1, C, 1, 1) as in the course
 * @param beta like gamma
 * @returns [out (N, C, H, W), cache]
 */
export function spatialGroupnormForward(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  G: number,
  gnParam: GroupnormParam = {},
): [Tensor, SpatialNormCache] {
  const where = 'spatialGroupnormForward';
  checkImages(where, 'x', x);
  const sizes = sizesOf(x);
  const { N, C } = sizes;
  for (const [name, t] of [
    ['gamma', gamma],
    ['beta', beta],
  ] as const) {
    const long = t?.rank === 4;
    checkLike(where, name, t, long ? [1, C, 1, 1] : [C], x, long ? '(1, C, 1, 1)' : '(C,)');
  }
  checkOptions(where, gnParam, ['eps']);
  const eps = checkNumber(where, 'eps', gnParam.eps ?? 1e-5, { low: 0 });
  checkNumber(where, 'G', G, { low: 1, high: C, integer: true });
  if (C % G !== 0) {
    throw new ShapeError({ where, argument: 'G', rule: `a divisor of the ${C} channels`, value: String(G) });
  }
  return attempt(() => {
    const out = empty(x.shape, x.dtype);
    const mean = empty([N * G], x.dtype);
    const invStd = empty([N * G], x.dtype);
    kernels.groupnormForward({ out, mean, invStd, x, gamma, beta }, sizes, G, eps);
    return [out, new SpatialNormCache(G, true, x, mean, invStd, gamma, undefined)];
  });
}

/** @returns [dx (N, C, H, W), dgamma, dbeta], the last two with gamma's shape */
export function spatialGroupnormBackward(dout: Tensor, cache: SpatialNormCache): [Tensor, Tensor, Tensor] {
  const where = 'spatialGroupnormBackward';
  const own = cache instanceof SpatialNormCache && cache.G !== undefined ? cache : undefined;
  const kept = checkCache(where, own, SpatialNormCache, 'spatialGroupnormForward');
  return attempt(() => {
    const { o, sizes } = opened(where, dout, kept);
    kernels.groupnormBackward(o, sizes, kept.G as number);
    return [o.dx, o.dgamma, o.dbeta];
  });
}
