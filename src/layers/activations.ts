/** Activations: ReLU, leaky ReLU, logistic sigmoid, tanh and swish, for tensors of any shape. */
import { checkFloat } from '../arithmetic.js';
import { checkNumber, checkOptions } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt } from '../memory.js';
import { empty, type Tensor } from '../tensor.js';
import { checkCache, checkDout } from './checks.js';

/** What an activation keeps for its backward pass: its input or its output, whichever the derivative is made of. */
export class ActivationCache {
  constructor(
    readonly name: string,
    readonly kept: Tensor,
    readonly slope = 0,
  ) {}
}

function forward(name: kernels.ActivationName, x: Tensor, slope = 0): [Tensor, ActivationCache] {
  const input = checkFloat(`${name}Forward`, 'x', x);
  return attempt(() => {
    const out = empty(input.shape, input.dtype);
    kernels.unary(name, out, input, slope);
    return [out, new ActivationCache(name, name === 'swish' || name === 'leakyRelu' ? input : out, slope)];
  });
}

function backward(name: kernels.ActivationName, dout: Tensor, cache: ActivationCache): Tensor {
  const where = `${name}Backward`;
  const own = cache?.name === name ? cache : undefined;
  const { kept, slope } = checkCache(where, own, ActivationCache, `${name}Forward`);
  checkDout(where, dout, kept);
  return attempt(() => {
    const dx = empty(kept.shape, kept.dtype);
    kernels.unaryBackward(name, dx, dout, kept, slope);
    return dx;
  });
}

/** max(0, x). */
export function reluForward(x: Tensor): [Tensor, ActivationCache] {
  return forward('relu', x);
}

/** dx = dout where x > 0, else 0 (also at x = 0). */
export function reluBackward(dout: Tensor, cache: ActivationCache): Tensor {
  return backward('relu', dout, cache);
}

/** 1 / (1 + e^-x), without overflow. */
export function sigmoidForward(x: Tensor): [Tensor, ActivationCache] {
  return forward('sigmoid', x);
}

/** dx = dout · s (1 - s), s the output. */
export function sigmoidBackward(dout: Tensor, cache: ActivationCache): Tensor {
  return backward('sigmoid', dout, cache);
}

/** Hyperbolic tangent. */
export function tanhForward(x: Tensor): [Tensor, ActivationCache] {
  return forward('tanh', x);
}

/** dx = dout · (1 - t²), t the output. */
export function tanhBackward(dout: Tensor, cache: ActivationCache): Tensor {
  return backward('tanh', dout, cache);
}

/** x · sigmoid(x) (Ramachandran, Zoph and Le, 2017). */
export function swishForward(x: Tensor): [Tensor, ActivationCache] {
  return forward('swish', x);
}

/** dx = dout · (s + x s (1 - s)), s = sigmoid(x). */
export function swishBackward(dout: Tensor, cache: ActivationCache): Tensor {
  return backward('swish', dout, cache);
}

export interface LeakyReluOptions {
  /** Factor on negative inputs, default 0.01. */
  slope?: number;
}

/** x where x >= 0, slope · x below (Maas, Hannun and Ng, 2013). */
export function leakyReluForward(x: Tensor, options: LeakyReluOptions = {}): [Tensor, ActivationCache] {
  checkOptions('leakyReluForward', options, ['slope']);
  return forward('leakyRelu', x, checkNumber('leakyReluForward', 'slope', options.slope ?? 0.01));
}

/** dx = dout where x >= 0, slope · dout below. */
export function leakyReluBackward(dout: Tensor, cache: ActivationCache): Tensor {
  return backward('leakyRelu', dout, cache);
}
