/** Inverted dropout (Srivastava et al., 2014): units are dropped and the kept ones scaled up in training only. */
import { checkFloat } from '../arithmetic.js';
import { checkChoice, checkNumber, checkOptions } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt, persistent } from '../memory.js';
import { type RandomSource, RandomState, random } from '../random.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout, checkLike } from './checks.js';

export interface DropoutParam {
  /** Probability of KEEPING a unit, in (0, 1]. */
  p: number;
  /** 'train' drops, 'test' is the identity. */
  mode: 'train' | 'test';
  /** Draws the mask from a stream of its own with this seed, the same at every call: for gradient checks. */
  seed?: number | undefined;
  /** 0 and 1 of x's shape, instead of drawing. */
  mask?: Tensor | undefined;
  /** Stream to draw from; default: lanewise's default stream. */
  random?: RandomSource | undefined;
}

export class DropoutCache {
  constructor(
    /** 1 where a unit was kept, else 0; undefined in test mode. */
    readonly mask: Tensor | undefined,
    readonly p: number,
    readonly shape: readonly number[],
    readonly dtype: Tensor['dtype'],
  ) {}
}

let seeded: RandomState | undefined;

/**
 * Training: out = x · mask / p, where mask is 1 with probability p: one draw rand() < p for each element, in order.
 * Test: out = x.
 *
 * @param x any shape
 * @returns [out, cache]; cache.mask is the 0/1 mask
 * @throws ValueError for p outside (0, 1]
 */
export function dropoutForward(x: Tensor, dropoutParam: DropoutParam): [Tensor, DropoutCache] {
  const where = 'dropoutForward';
  const input = checkFloat(where, 'x', x);
  checkOptions(where, dropoutParam, ['p', 'mode', 'seed', 'mask', 'random']);
  const p = checkNumber(where, 'p', dropoutParam?.p, { low: 0, high: 1, openLow: true });
  const mode = checkChoice(where, 'mode', dropoutParam.mode, ['train', 'test']);
  const { seed, mask: given } = dropoutParam;
  if (given !== undefined) checkLike(where, 'mask', given, input.shape, input, "x's shape");
  return attempt(() => {
    const out = empty(input.shape, input.dtype);
    if (mode === 'test') {
      kernels.convert(out, input);
      return [out, new DropoutCache(undefined, p, input.shape, input.dtype)];
    }
    const mask = given ?? drawMask(input, p, seed, dropoutParam.random);
    kernels.mask(out, input, mask, 1 / p);
    return [out, new DropoutCache(mask, p, input.shape, input.dtype)];
  });
}

function drawMask(x: Tensor, p: number, seed: number | undefined, source: RandomSource | undefined): Tensor {
  let stream = source ?? random;
  if (seed !== undefined) {
    seeded ??= persistent(() => new RandomState(seed));
    seeded.seed(seed);
    stream = seeded;
  }
  const mask = empty(x.shape, x.dtype);
  const draws = stream.rand(x.size);
  kernels.below(mask, draws, p);
  draws.dispose();
  return mask;
}

/** dx = dout · mask / p, or dout in test mode. */
export function dropoutBackward(dout: Tensor, cache: DropoutCache): Tensor {
  const { mask, p, shape, dtype } = checkCache('dropoutBackward', cache, DropoutCache, 'dropoutForward');
  checkDout('dropoutBackward', dout, { shape, dtype });
  return attempt(() => {
    const dx = empty(shape, dtype);
    if (mask) kernels.mask(dx, dout, mask, 1 / p);
    else kernels.convert(dx, dout);
    return dx;
  });
}
