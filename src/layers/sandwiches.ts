/** Layers that usually come together, as the course's layer_utils has them. */
import * as kernels from '../kernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { type ActivationCache, reluBackward, reluForward } from './activations.js';
import { AffineCache, type AffineGradient, affineForward, affineGradients, checkAffine } from './affine.js';
import { checkCache, checkDout } from './checks.js';
import { type BatchnormParam, batchnormBackwardAlt, batchnormForward, type NormCache } from './norm.js';

export class AffineReluCache {
  constructor(
    readonly affine: AffineCache,
    /** The output: it is positive exactly where the input of the ReLU is. */
    readonly out: Tensor,
  ) {}
}

/**
 * max(0, x w + b): bias and ReLU are applied while the product is in registers.
 *
 * @param x (N, d1, …, dk)
 * @param w (D, M)
 * @param b (M)
 * @returns [out (N, M), cache]
 */
export function affineReluForward(x: Tensor, w: Tensor, b: Tensor): [Tensor, AffineReluCache] {
  const { N, D, M } = checkAffine('affineReluForward', x, w, b);
  return attempt(() => {
    const out = empty([N, M], x.dtype);
    kernels.gemm(out, x, w, N, M, D, { bias: b, relu: true });
    return [out, new AffineReluCache(new AffineCache(x, w, D, M), out)];
  });
}

/** @returns [dx, dw, db] */
export function affineReluBackward(dout: Tensor, cache: AffineReluCache): [Tensor, Tensor, Tensor] {
  return affineReluGradients(dout, cache, true) as [Tensor, Tensor, Tensor];
}

/** affineReluBackward, with gradients of the input and of w only if they are needed: see affineGradients. */
export function affineReluGradients(
  dout: Tensor,
  cache: AffineReluCache,
  needDx: boolean,
  needDw?: true,
): [Tensor | undefined, Tensor, Tensor];
export function affineReluGradients(
  dout: Tensor,
  cache: AffineReluCache,
  needDx: boolean,
  needDw: boolean,
): [Tensor | undefined, Tensor | AffineGradient, Tensor];
export function affineReluGradients(
  dout: Tensor,
  cache: AffineReluCache,
  needDx: boolean,
  needDw = true,
): [Tensor | undefined, Tensor | AffineGradient, Tensor] {
  const { affine, out } = checkCache('affineReluBackward', cache, AffineReluCache, 'affineReluForward');
  checkDout('affineReluBackward', dout, out);
  return attempt(() => {
    const da = empty(out.shape, out.dtype);
    kernels.unaryBackward('relu', da, dout, out);
    const gradients = affineGradients(da, affine, needDx, needDw);
    da.dispose();
    return gradients;
  });
}

export class AffineBnReluCache {
  constructor(
    readonly affine: AffineCache,
    readonly norm: NormCache,
    readonly relu: ActivationCache,
  ) {}
}

/**
 * affine - batch norm - ReLU.
 *
 * @param gamma (M)
 * @param beta (M)
 * @param bnParam as for batchnormForward
 * @returns [out (N, M), cache]
 */
export function affineBnReluForward(
  x: Tensor,
  w: Tensor,
  b: Tensor,
  gamma: Tensor,
  beta: Tensor,
  bnParam: BatchnormParam,
): [Tensor, AffineBnReluCache] {
  return attempt(() => {
    const [a, affine] = affineForward(x, w, b);
    const [n, norm] = batchnormForward(a, gamma, beta, bnParam);
    a.dispose();
    const [out, relu] = reluForward(n);
    n.dispose();
    return [out, new AffineBnReluCache(affine, norm, relu)];
  });
}

/** @returns [dx, dw, db, dgamma, dbeta] */
export function affineBnReluBackward(dout: Tensor, cache: AffineBnReluCache): [Tensor, Tensor, Tensor, Tensor, Tensor] {
  const { affine, norm, relu } = checkCache('affineBnReluBackward', cache, AffineBnReluCache, 'affineBnReluForward');
  return attempt(() => {
    const dn = reluBackward(dout, relu);
    const [da, dgamma, dbeta] = batchnormBackwardAlt(dn, norm);
    dn.dispose();
    const [dx, dw, db] = affineGradients(da, affine, true) as [Tensor, Tensor, Tensor];
    da.dispose();
    return [dx, dw, db, dgamma, dbeta];
  });
}
