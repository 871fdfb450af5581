/** The convolutional sandwiches of the course's layer_utils. ReLUs are folded into the layer before them. */
import * as elementwise from '../kernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout } from './checks.js';
import { type ConvCache, type ConvParam, convGradients, convolve } from './conv.js';
import type { BatchnormParam } from './norm.js';
import { maxPoolForwardFast, maxPoolReluBackward, type PoolCache, type PoolParam } from './pool.js';
import { type SpatialNormCache, spatialBatchnorm, spatialBatchnormBackward } from './spatialNorm.js';

export class ConvReluCache {
  constructor(
    readonly conv: ConvCache,
    /** The output: it is positive exactly where the input of the ReLU is. */
    readonly out: Tensor,
  ) {}
}

/**
 * max(0, convolution).
 *
 * @param x (N, C, H, W)
 * @param w (F, C, HH, WW)
 * @param b (F)
 * @returns [out (N, F, OH, OW), cache]
 */
export function convReluForward(x: Tensor, w: Tensor, b: Tensor, convParam: ConvParam): [Tensor, ConvReluCache] {
  return attempt(() => {
    const [out, conv] = convolve('convReluForward', x, w, b, convParam, { relu: true });
    return [out, new ConvReluCache(conv, out)];
  });
}

/** @returns [dx, dw, db] */
export function convReluBackward(dout: Tensor, cache: ConvReluCache): [Tensor, Tensor, Tensor] {
  return convReluGradients('convReluBackward', dout, cache, true) as [Tensor, Tensor, Tensor];
}

/** The gradients, that of the images only if it is needed. */
export function convReluGradients(
  where: string,
  dout: Tensor,
  cache: ConvReluCache,
  needDx: boolean,
): [Tensor | undefined, Tensor, Tensor] {
  const { conv, out } = checkCache(where, cache, ConvReluCache, 'convReluForward');
  checkDout(where, dout, out);
  return attempt(() => {
    const da = empty(out.shape, out.dtype);
    elementwise.unaryBackward('relu', da, dout, out);
    const gradients = convGradients(where, da, conv, needDx);
    da.dispose();
    return gradients;
  });
}

export class ConvBnReluCache {
  constructor(
    readonly conv: ConvCache,
    readonly norm: SpatialNormCache,
  ) {}
}

/**
 * convolution - spatial batch norm - ReLU.
 *
 * @param gamma (F)
 * @param beta (F)
 * @param bnParam as for spatialBatchnormForward
 * @returns [out (N, F, OH, OW), cache]
 */
export function convBnReluForward(
  x: Tensor,
  w: Tensor,
  b: Tensor,
  gamma: Tensor,
  beta: Tensor,
  convParam: ConvParam,
  bnParam: BatchnormParam,
): [Tensor, ConvBnReluCache] {
  return attempt(() => {
    const [a, conv] = convolve('convBnReluForward', x, w, b, convParam);
    const [out, norm] = spatialBatchnorm('convBnReluForward', a, gamma, beta, bnParam, true);
    return [out, new ConvBnReluCache(conv, norm)];
  });
}

/** @returns [dx, dw, db, dgamma, dbeta] */
export function convBnReluBackward(dout: Tensor, cache: ConvBnReluCache): [Tensor, Tensor, Tensor, Tensor, Tensor] {
  return convBnReluGradients('convBnReluBackward', dout, cache, true) as [Tensor, Tensor, Tensor, Tensor, Tensor];
}

/** The gradients, that of the images only if it is needed. */
export function convBnReluGradients(
  where: string,
  dout: Tensor,
  cache: ConvBnReluCache,
  needDx: boolean,
): [Tensor | undefined, Tensor, Tensor, Tensor, Tensor] {
  const { conv, norm } = checkCache(where, cache, ConvBnReluCache, 'convBnReluForward');
  return attempt(() => {
    const [da, dgamma, dbeta] = spatialBatchnormBackward(dout, norm);
    const [dx, dw, db] = convGradients(where, da, conv, needDx, norm.training);
    da.dispose();
    return [dx, dw, db, dgamma, dbeta];
  });
}

export class ConvReluPoolCache {
  constructor(
    readonly conv: ConvReluCache,
    readonly pool: PoolCache,
  ) {}
}

/**
 * convolution - ReLU - max pooling.
 *
 * @returns [out (N, F, PH, PW), cache]
 */
export function convReluPoolForward(
  x: Tensor,
  w: Tensor,
  b: Tensor,
  convParam: ConvParam,
  poolParam: PoolParam,
): [Tensor, ConvReluPoolCache] {
  return attempt(() => {
    const [a, conv] = convReluForward(x, w, b, convParam);
    const [out, pool] = maxPoolForwardFast(a, poolParam);
    return [out, new ConvReluPoolCache(conv, pool)];
  });
}

/** @returns [dx, dw, db] */
export function convReluPoolBackward(dout: Tensor, cache: ConvReluPoolCache): [Tensor, Tensor, Tensor] {
  return convReluPoolGradients('convReluPoolBackward', dout, cache, true) as [Tensor, Tensor, Tensor];
}

/** The gradients, that of the images only if it is needed. */
export function convReluPoolGradients(
  where: string,
  dout: Tensor,
  cache: ConvReluPoolCache,
  needDx: boolean,
): [Tensor | undefined, Tensor, Tensor] {
  const { conv, pool } = checkCache(where, cache, ConvReluPoolCache, 'convReluPoolForward');
  return attempt(() => {
    const da = maxPoolReluBackward(where, dout, pool);
    const gradients = convGradients(where, da, conv.conv, needDx);
    da.dispose();
    return gradients;
  });
}
