/** Convolution layers over images (N, C, H, W); cross-correlation, as the field calls it. */
import { checkFloat } from '../arithmetic.js';
import { checkNumber, checkOptions, describe, formatShape, OptionError, ShapeError } from '../errors.js';
import * as kernels from '../imageKernels.js';
import { fill } from '../kernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout, checkImages, checkLike } from './checks.js';

export interface ConvParam {
  /** Step between neighbouring positions, both ways; >= 1. */
  stride: number;
  /** Zeros around the images, both ways; >= 0. */
  pad: number;
  /**
   * Never use Winograd's transforms, which filters 3x3, 5 or 7 wide take at stride 1 in float32. They are up to three times
   * as fast and differ from the direct sum by at most 1e-5 of the largest output. Default false; float64 is always exact.
   */
  exact?: boolean;
}

export class ConvCache {
  constructor(
    readonly x: Tensor,
    readonly w: Tensor,
    readonly sizes: kernels.ConvSizes,
    readonly exact: boolean,
    /** Computed by the plain loops, and so is its backward pass. */
    readonly naive: boolean,
  ) {}
}

/** Kernels count the bytes of one padded image in 32 bits. */
const MOST_PADDED = 2 ** 27;

/** Checks x (N, C, H, W), w (F, C, HH, WW), b (F) and the parameters; returns all sizes. */
export function checkConv(where: string, x: unknown, w: unknown, b: unknown, convParam: ConvParam): kernels.ConvSizes {
  const images = checkImages(where, 'x', x);
  const filters = checkFloat(where, 'w', w, images.dtype);
  const [N, C, H, W] = images.shape as [number, number, number, number];
  if (filters.rank !== 4 || filters.shape[1] !== C || filters.size === 0) {
    const hint = `C is the second axis of x ${formatShape(images.shape)}`;
    const rule = `(F, C, HH, WW) with C = ${C}`;
    throw new ShapeError({ where, argument: 'w', rule, value: formatShape(filters.shape), hint });
  }
  const [F, , HH, WW] = filters.shape as [number, number, number, number];
  checkLike(where, 'b', b, [F], images, '(F,)', `F is the first axis of w ${formatShape(filters.shape)}`);
  checkParam(where, 'convParam', convParam);
  checkOptions(where, convParam, ['stride', 'pad', 'exact']);
  const stride = checkNumber(where, 'stride', convParam.stride, { low: 1, integer: true });
  const pad = checkNumber(where, 'pad', convParam.pad, { low: 0, integer: true });
  if (HH > H + 2 * pad || WW > W + 2 * pad) {
    const rule = `filters no larger than the padded images, ${H + 2 * pad} by ${W + 2 * pad}`;
    throw new ShapeError({ where, argument: 'w', rule, value: formatShape(filters.shape) });
  }
  const OH = 1 + Math.floor((H + 2 * pad - HH) / stride);
  const OW = 1 + Math.floor((W + 2 * pad - WW) / stride);
  const reach = (side: number, out: number, size: number) => Math.max((out - 1) * stride + size, pad + side);
  if (C * reach(H, OH, HH) * reach(W, OW, WW) > MOST_PADDED) {
    const rule = 'images of at most 2^27 numbers with the zeros around them';
    throw new ShapeError({ where, argument: 'x', rule, value: `${formatShape(images.shape)} with pad ${pad}` });
  }
  // A larger step than the images leaves one position, whatever it is; kernels take 32 bits of it.
  const step = Math.min(stride, Math.max(H, W) + 2 * pad);
  return { N, C, H, W, F, HH, WW, OH, OW, stride: step, padTop: pad, padLeft: pad };
}

/** Parameter objects are required: a forgotten one is refused by name. */
export function checkParam(where: string, argument: string, param: unknown): void {
  if (param !== null && typeof param === 'object') return;
  throw new OptionError({ where, argument, rule: 'an object', value: describe(param) });
}

/** Shape and type of the output. */
function outputOf(sizes: kernels.ConvSizes, x: Tensor): { shape: number[]; dtype: Tensor['dtype'] } {
  return { shape: [sizes.N, sizes.F, sizes.OH, sizes.OW], dtype: x.dtype };
}

/** One convolution, optionally with max(0, .) applied as the result leaves the registers. */
export function convolve(
  where: string,
  x: Tensor,
  w: Tensor,
  b: Tensor,
  convParam: ConvParam,
  way: { naive?: boolean; relu?: boolean } = {},
): [Tensor, ConvCache] {
  const sizes = checkConv(where, x, w, b, convParam);
  const { shape, dtype } = outputOf(sizes, x);
  return attempt(() => {
    const out = empty(shape, dtype);
    const { naive = false, relu = false } = way;
    const exact = convParam.exact ?? false;
    if (naive) kernels.convForwardNaive(out, x, w, b, sizes);
    else kernels.convForward(out, x, w, b, sizes, { relu, exact });
    return [out, new ConvCache(x, w, sizes, exact, naive)];
  });
}

/**
 * Convolution by plain loops in the order of the definition: the reference that the fast version is tested against.
 *
 * @param x (N, C, H, W)
 * @param w (F, C, HH, WW)
 * @param b (F)
 * @returns [out (N, F, OH, OW), cache] with OH = 1 + (H + 2 pad - HH) / stride, rounded down, and OW likewise
 * @throws ShapeError, DTypeError, ValueError, OptionError
 */
export function convForwardNaive(x: Tensor, w: Tensor, b: Tensor, convParam: ConvParam): [Tensor, ConvCache] {
  return convolve('convForwardNaive', x, w, b, convParam, { naive: true });
}

/** @returns [dx, dw, db] by plain loops, with the shapes of x, w and b */
export function convBackwardNaive(dout: Tensor, cache: ConvCache): [Tensor, Tensor, Tensor] {
  const where = 'convBackwardNaive';
  const { x, w, sizes } = checkCache(where, cache, ConvCache, 'convForwardNaive');
  checkDout(where, dout, outputOf(sizes, x));
  return attempt(() => {
    const dx = empty(x.shape, x.dtype);
    const dw = empty(w.shape, w.dtype);
    const db = empty([sizes.F], w.dtype);
    kernels.convBackwardNaive(dx, dw, db, dout, x, w, sizes);
    return [dx, dw, db];
  });
}

/**
 * Convolution near the machine's limit: implicit matrix products, and Winograd's minimal filtering for filters 3x3, 5 or 7
 * wide at stride 1 in float32 (see ConvParam.exact).
 *
 * @param x (N, C, H, W)
 * @param w (F, C, HH, WW)
 * @param b (F)
 * @returns [out (N, F, OH, OW), cache]
 */
export function convForwardFast(x: Tensor, w: Tensor, b: Tensor, convParam: ConvParam): [Tensor, ConvCache] {
  return convolve('convForwardFast', x, w, b, convParam);
}

/** convForwardFast under the name that says what it does. */
export function convForward(x: Tensor, w: Tensor, b: Tensor, convParam: ConvParam): [Tensor, ConvCache] {
  return convolve('convForward', x, w, b, convParam);
}

/** @returns [dx, dw, db] with the shapes of x, w and b */
export function convBackwardFast(dout: Tensor, cache: ConvCache): [Tensor, Tensor, Tensor] {
  return convGradients('convBackwardFast', dout, cache, true) as [Tensor, Tensor, Tensor];
}

/** convBackwardFast under the name that says what it does. */
export function convBackward(dout: Tensor, cache: ConvCache): [Tensor, Tensor, Tensor] {
  return convGradients('convBackward', dout, cache, true) as [Tensor, Tensor, Tensor];
}

/**
 * The gradients, that of the images only if it is needed. centred: dout adds up to 0 for every filter, as it does behind a
 * batch norm, which takes away whatever the bias adds; db is 0 then.
 */
export function convGradients(
  where: string,
  dout: Tensor,
  cache: ConvCache,
  needDx: boolean,
  centred = false,
): [Tensor | undefined, Tensor, Tensor] {
  const { x, w, sizes, exact } = checkCache(where, cache, ConvCache, 'convForward');
  checkDout(where, dout, outputOf(sizes, x));
  return attempt(() => {
    const dw = empty(w.shape, w.dtype);
    kernels.convWeightGradient(dw, dout, x, sizes, exact);
    const db = empty([sizes.F], w.dtype);
    if (centred) fill(db, 0);
    else kernels.convBiasGradient(db, dout, sizes);
    if (!needDx) return [undefined, dw, db];
    const dx = empty(x.shape, x.dtype);
    kernels.convInputGradient(dx, dout, w, sizes, exact);
    return [dx, dw, db];
  });
}
