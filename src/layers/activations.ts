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

function forward(name: 'relu' | 'sigmoid' | 'tanh' | 'swish', x: Tensor): [Tensor, ActivationCache] {
  const input = checkFloat(`${name}Forward`, 'x', x);
  return attempt(() => {
    const out = empty(input.shape, input.dtype);
    kernels.unary(name, out, input);
    return [out, new ActivationCache(name, name === 'swish' ? input : out)];
  });
}

function backward(name: 'relu' | 'sigmoid' | 'tanh' | 'swish', dout: Tensor, cache: ActivationCache): Tensor {
  const kept = keptBy(name, dout, cache);
  return attempt(() => {
    const dx = empty(kept.shape, kept.dtype);
    kernels.unaryBackward(`${name}Backward`, dx, dout, kept);
    return dx;
  });
}

function keptBy(name: string, dout: Tensor, cache: ActivationCache): Tensor {
  const where = `${name}Backward`;
  const { kept } = checkCache(where, cache?.name === name ? cache : undefined, ActivationCache, `${name}Forward`);
  checkDout(where, dout, kept);
  return kept;
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
  const input = checkFloat('leakyReluForward', 'x', x);
  checkOptions('leakyReluForward', options, ['slope']);
  const slope = checkNumber('leakyReluForward', 'slope', options.slope ?? 0.01);
  return attempt(() => {
    const out = empty(input.shape, input.dtype);
    kernels.leakyRelu(out, input, slope);
    return [out, new ActivationCache('leakyRelu', input, slope)];
  });
}

/** dx = dout where x >= 0, slope · dout below. */
export function leakyReluBackward(dout: Tensor, cache: ActivationCache): Tensor {
  const kept = keptBy('leakyRelu', dout, cache);
  return attempt(() => {
    const dx = empty(kept.shape, kept.dtype);
    kernels.leakyReluBackward(dx, dout, kept, cache.slope);
    return dx;
  });
}
