/** What all layers check of their arguments. Every check happens before anything is computed. */
import { checkFloat } from '../arithmetic.js';
import { describe, formatShape, RuntimeError, ShapeError } from '../errors.js';
import { type Shape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';

/** A float tensor with at least one axis: the batch axis. */
export function checkBatch(where: string, argument: string, value: unknown): Tensor {
  const x = checkFloat(where, argument, value);
  if (x.rank > 0) return x;
  throw new ShapeError({ where, argument, rule: '(N, …), with at least one axis', value: formatShape(x.shape) });
}

/** A float tensor (N, D). */
export function checkMatrix(where: string, argument: string, value: unknown): Tensor {
  const x = checkFloat(where, argument, value);
  if (x.rank === 2) return x;
  throw new ShapeError({ where, argument, rule: 'a matrix (N, D)', value: formatShape(x.shape) });
}

/** A float tensor (N, C, H, W), no axis empty but N. */
export function checkImages(where: string, argument: string, value: unknown): Tensor {
  const x = checkFloat(where, argument, value);
  if (x.rank === 4 && x.shape.slice(1).every((n) => n > 0)) return x;
  throw new ShapeError({ where, argument, rule: 'images (N, C, H, W)', value: formatShape(x.shape) });
}

/** A float tensor of exactly this shape and the type of `like`. names: the shape in letters. */
export function checkLike(
  where: string,
  argument: string,
  value: unknown,
  shape: Shape,
  like: Tensor,
  names?: string,
  hint?: string,
): Tensor {
  const t = checkFloat(where, argument, value, like.dtype);
  if (sameShape(t.shape, shape)) return t;
  const rule = names === undefined ? formatShape(shape) : `${names} = ${formatShape(shape)}`;
  throw new ShapeError({ where, argument, rule, value: formatShape(t.shape), hint });
}

/** The upstream gradient: shape and type of the output. */
export function checkDout(
  where: string,
  dout: unknown,
  out: Tensor | { shape: Shape; dtype: Tensor['dtype'] },
): Tensor {
  const t = checkFloat(where, 'dout', dout, out.dtype);
  if (sameShape(t.shape, out.shape)) return t;
  const hint = 'dout has the shape of the forward output';
  throw new ShapeError({ where, argument: 'dout', rule: formatShape(out.shape), value: formatShape(t.shape), hint });
}

/** The cache that this layer's forward returned. */
export function checkCache<C>(
  where: string,
  cache: unknown,
  kind: abstract new (...args: never[]) => C,
  forward: string,
): C {
  if (cache instanceof kind) return cache;
  throw new RuntimeError({ where, argument: 'cache', rule: `what ${forward} returned`, value: describe(cache) });
}
