/** Pooling layers over images (N, C, H, W). */
import { checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import * as kernels from '../imageKernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout, checkImages } from './checks.js';
import { checkParam } from './conv.js';

export interface PoolParam {
  poolHeight: number;
  poolWidth: number;
  stride: number;
}

type Kind = 'maxPool' | 'avgPool' | 'globalAvgPool';

export class PoolCache {
  constructor(
    readonly kind: Kind,
    readonly x: Tensor,
    readonly sizes: kernels.PoolSizes,
    readonly outShape: readonly number[],
  ) {}
}

function checkPool(where: string, x: unknown, poolParam: PoolParam): kernels.PoolSizes {
  const images = checkImages(where, 'x', x);
  checkParam(where, 'poolParam', poolParam);
  checkOptions(where, poolParam, ['poolHeight', 'poolWidth', 'stride']);
  const [N, C, H, W] = images.shape as [number, number, number, number];
  const PH = checkNumber(where, 'poolHeight', poolParam.poolHeight, { low: 1, integer: true });
  const PW = checkNumber(where, 'poolWidth', poolParam.poolWidth, { low: 1, integer: true });
  const stride = checkNumber(where, 'stride', poolParam.stride, { low: 1, integer: true });
  if (PH > H || PW > W) {
    const rule = `images at least as large as the window, ${PH} by ${PW}`;
    throw new ShapeError({ where, argument: 'x', rule, value: formatShape(images.shape) });
  }
  const OH = 1 + Math.floor((H - PH) / stride);
  const OW = 1 + Math.floor((W - PW) / stride);
  return { planes: N * C, H, W, PH, PW, stride, OH, OW };
}

function forward(
  where: string,
  name: kernels.PoolForwardName,
  kind: Kind,
  x: Tensor,
  poolParam: PoolParam,
): [Tensor, PoolCache] {
  const sizes = checkPool(where, x, poolParam);
  const shape = [x.shape[0] as number, x.shape[1] as number, sizes.OH, sizes.OW];
  return attempt(() => {
    const out = empty(shape, x.dtype);
    kernels.poolForward(name, out, x, sizes);
    return [out, new PoolCache(kind, x, sizes, shape)];
  });
}

/** dx, as `fill` computes it from what forward kept. */
function backward(
  where: string,
  kind: Kind,
  dout: Tensor,
  cache: PoolCache,
  fill: (dx: Tensor, kept: PoolCache) => void,
): Tensor {
  const kept = checkCache(where, cache?.kind === kind ? cache : undefined, PoolCache, `${kind}Forward`);
  checkDout(where, dout, { shape: kept.outShape, dtype: kept.x.dtype });
  return attempt(() => {
    const dx = empty(kept.x.shape, kept.x.dtype);
    fill(dx, kept);
    return dx;
  });
}

function maxBackward(
  where: string,
  name: kernels.MaxPoolBackwardName,
  dout: Tensor,
  cache: PoolCache,
  rectified = false,
): Tensor {
  return backward(where, 'maxPool', dout, cache, (dx, { x, sizes }) =>
    kernels.maxPoolBackward(name, dx, dout, x, sizes, rectified),
  );
}

/** maxPoolBackward, and on through the ReLU that the pooled images came out of. */
export function maxPoolReluBackward(where: string, dout: Tensor, cache: PoolCache): Tensor {
  return maxBackward(where, 'maxPoolBackward', dout, cache, true);
}

/**
 * Largest element of each window, by plain loops.
 *
 * @param x (N, C, H, W)
 * @param poolParam poolHeight, poolWidth, stride; windows may overlap
 * @returns [out (N, C, OH, OW), cache] with OH = 1 + (H - poolHeight) / stride, rounded down, and OW likewise
 */
export function maxPoolForwardNaive(x: Tensor, poolParam: PoolParam): [Tensor, PoolCache] {
  return forward('maxPoolForwardNaive', 'maxPoolForwardNaive', 'maxPool', x, poolParam);
}

/** dx (N, C, H, W): each dout goes to the first maximum of its window in row-major order; overlapping windows add. */
export function maxPoolBackwardNaive(dout: Tensor, cache: PoolCache): Tensor {
  return maxBackward('maxPoolBackwardNaive', 'maxPoolBackwardNaive', dout, cache);
}

/** Largest element of each window; 2x2 windows of stride 2 at memory speed. As maxPoolForwardNaive otherwise. */
export function maxPoolForwardFast(x: Tensor, poolParam: PoolParam): [Tensor, PoolCache] {
  return forward('maxPoolForwardFast', 'maxPoolForward', 'maxPool', x, poolParam);
}

/** As maxPoolBackwardNaive, ties included. */
export function maxPoolBackwardFast(dout: Tensor, cache: PoolCache): Tensor {
  return maxBackward('maxPoolBackwardFast', 'maxPoolBackward', dout, cache);
}

/** maxPoolForwardFast under the name that says what it does. */
export function maxPoolForward(x: Tensor, poolParam: PoolParam): [Tensor, PoolCache] {
  return forward('maxPoolForward', 'maxPoolForward', 'maxPool', x, poolParam);
}

/** maxPoolBackwardFast under the name that says what it does. */
export function maxPoolBackward(dout: Tensor, cache: PoolCache): Tensor {
  return maxBackward('maxPoolBackward', 'maxPoolBackward', dout, cache);
}

/** Mean of each window; shapes as maxPoolForward. */
export function avgPoolForward(x: Tensor, poolParam: PoolParam): [Tensor, PoolCache] {
  return forward('avgPoolForward', 'avgPoolForward', 'avgPool', x, poolParam);
}

/** dx: each element of a window takes an equal share of its dout. */
export function avgPoolBackward(dout: Tensor, cache: PoolCache): Tensor {
  return backward('avgPoolBackward', 'avgPool', dout, cache, (dx, { sizes }) =>
    kernels.avgPoolBackward(dx, dout, sizes),
  );
}

/**
 * Mean of each channel (Lin, Chen and Yan, 2013).
 *
 * @param x (N, C, H, W)
 * @returns [out (N, C), cache]
 */
export function globalAvgPoolForward(x: Tensor): [Tensor, PoolCache] {
  const [N, C, H, W] = checkImages('globalAvgPoolForward', 'x', x).shape as [number, number, number, number];
  const sizes = { planes: N * C, H, W, PH: H, PW: W, stride: 1, OH: 1, OW: 1 };
  return attempt(() => {
    const out = empty([N, C], x.dtype);
    kernels.poolForward('avgPoolForward', out, x, sizes);
    return [out, new PoolCache('globalAvgPool', x, sizes, [N, C])];
  });
}

/** dx (N, C, H, W) from dout (N, C). */
export function globalAvgPoolBackward(dout: Tensor, cache: PoolCache): Tensor {
  return backward('globalAvgPoolBackward', 'globalAvgPool', dout, cache, (dx, { sizes }) =>
    kernels.avgPoolBackward(dx, dout, sizes),
  );
}
