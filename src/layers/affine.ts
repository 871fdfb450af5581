/** The affine (fully connected) layer, out = x w + b. */
import { checkFloat } from '../arithmetic.js';
import { formatShape, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt } from '../memory.js';
import { productText } from '../shape.js';
import { empty, type Tensor } from '../tensor.js';
import { checkBatch, checkCache, checkDout, checkLike } from './checks.js';

export class AffineCache {
  constructor(
    readonly x: Tensor,
    readonly w: Tensor,
    /** Elements of one example: the product of x's axes after the first. */
    readonly D: number,
    readonly M: number,
  ) {}
}

/** Checks x (N, d1, …, dk), w (D, M) with D = d1 · … · dk, b (M); returns N, D and M. */
export function checkAffine(where: string, x: unknown, w: unknown, b: unknown): { N: number; D: number; M: number } {
  const input = checkBatch(where, 'x', x);
  const weights = checkFloat(where, 'w', w, input.dtype);
  const N = input.shape[0] as number;
  const dims = input.shape.slice(1);
  const D = dims.reduce((a, n) => a * n, 1);
  if (weights.rank !== 2 || weights.shape[0] !== D) {
    const hint = `D is ${productText(dims) || '1'} from x ${formatShape(input.shape)}`;
    throw new ShapeError({
      where,
      argument: 'w',
      rule: `(D, M) with D = ${D}`,
      value: formatShape(weights.shape),
      hint,
    });
  }
  const M = weights.shape[1] as number;
  checkLike(where, 'b', b, [M], input, '(M,)', `M is the second axis of w ${formatShape(weights.shape)}`);
  return { N, D, M };
}

/**
 * out (N, M) = x w + b.
 *
 * @param x (N, d1, …, dk), each example read as a row of D = d1 · … · dk numbers
 * @param w (D, M)
 * @param b (M)
 * @returns [out, cache]
 * @throws ShapeError, DTypeError
 */
export function affineForward(x: Tensor, w: Tensor, b: Tensor): [Tensor, AffineCache] {
  const { N, D, M } = checkAffine('affineForward', x, w, b);
  return attempt(() => {
    const out = empty([N, M], x.dtype);
    kernels.gemm(out, x, w, N, M, D, { bias: b });
    return [out, new AffineCache(x, w, D, M)];
  });
}

/**
 * @param dout (N, M)
 * @returns [dx, dw, db] with the shapes of x, w and b: dx = dout wᵀ, dw = xᵀ dout, db = the sum of dout's rows
 */
export function affineBackward(dout: Tensor, cache: AffineCache): [Tensor, Tensor, Tensor] {
  return affineGradients(dout, cache, true) as [Tensor, Tensor, Tensor];
}

/** The gradient of w as the product that it is, for an update rule that computes it a strip at a time. */
export class AffineGradient {
  /** Strength of the L2 regularisation that belongs to it: the gradient is xᵀ dout + reg w. */
  reg = 0;

  constructor(
    readonly x: Tensor,
    readonly dout: Tensor,
  ) {}

  /** Whether no element of xᵀ dout can be infinite or NaN: none is larger than |x| |dout| (Cauchy and Schwarz). */
  surelyFinite(): boolean {
    const { x, dout } = this;
    return kernels.norm([x]) * kernels.norm([dout]) < (x.dtype === 'float32' ? 1e38 : 1e300);
  }

  /** The gradient of w itself. */
  compute(w: Tensor): Tensor {
    const { x, dout, reg } = this;
    const [D, M] = w.shape as [number, number];
    return attempt(() => {
      const dw = empty(w.shape, w.dtype);
      kernels.gemm(dw, x, dout, D, M, dout.shape[0] as number, { transA: true });
      if (reg !== 0) kernels.axpy(dw, dw, w, reg);
      return dw;
    });
  }
}

/**
 * affineBackward; without needDx the gradient of the input is left out, which saves the first layer of a net a product;
 * without needDw that of w is left as a product, with a copy of dout.
 */
export function affineGradients(
  dout: Tensor,
  cache: AffineCache,
  needDx: boolean,
  needDw?: true,
): [Tensor | undefined, Tensor, Tensor];
export function affineGradients(
  dout: Tensor,
  cache: AffineCache,
  needDx: boolean,
  needDw: boolean,
): [Tensor | undefined, Tensor | AffineGradient, Tensor];
export function affineGradients(
  dout: Tensor,
  cache: AffineCache,
  needDx: boolean,
  needDw = true,
): [Tensor | undefined, Tensor | AffineGradient, Tensor] {
  const { x, w, D, M } = checkCache('affineBackward', cache, AffineCache, 'affineForward');
  const N = x.shape[0] as number;
  checkDout('affineBackward', dout, { shape: [N, M], dtype: x.dtype });
  return attempt(() => {
    const dw = needDw ? empty([D, M], x.dtype) : new AffineGradient(x, dout.clone());
    if (!(dw instanceof AffineGradient)) kernels.gemm(dw, x, dout, D, M, N, { transA: true });
    const db = empty([M], x.dtype);
    kernels.columnSums(db, dout);
    if (!needDx) return [undefined, dw, db];
    const dx = empty(x.shape, x.dtype);
    kernels.gemm(dx, dout, w, N, D, M, { transB: true });
    return [dx, dw, db];
  });
}
