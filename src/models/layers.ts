/**
 * Layers as objects, for Network: each factory describes one layer with its options; parameters are made when a network
 * is built from it. Shapes below are those of one example.
 */
import { checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import {
  type ActivationCache,
  type LeakyReluOptions,
  leakyReluBackward,
  leakyReluForward,
  reluBackward,
  reluForward,
  sigmoidBackward,
  sigmoidForward,
  swishBackward,
  swishForward,
  tanhBackward,
  tanhForward,
} from '../layers/activations.js';
import { type AffineCache, affineForward, affineGradients } from '../layers/affine.js';
import { type DropoutCache, dropoutBackward, dropoutForward } from '../layers/dropout.js';
import {
  type BatchnormParam,
  batchnormBackwardAlt,
  batchnormForward,
  type LayernormParam,
  layernormBackward,
  layernormForward,
  type NormCache,
} from '../layers/norm.js';
import { type AffineReluCache, affineReluForward, affineReluGradients } from '../layers/sandwiches.js';
import type { Builder, Layer, Stage } from '../network.js';
import { type Shape, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';

export interface AffineOptions {
  /**
   * Standard deviation of the initial weights, default 'he': √(2 / inputs), which keeps the size of activations through
   * ReLU layers (He et al., 2015). Biases start at 0.
   */
  weightScale?: number | 'he';
}

/** A step that remembers the cache of its forward pass for the backward pass. */
function remembering<Cache>(
  shape: Shape,
  keeps: { input: boolean; output: boolean },
  forward: (x: Tensor, mode: 'train' | 'test') => [Tensor, Cache],
  backward: (dout: Tensor, cache: Cache, needDx: boolean) => Tensor | undefined,
): Stage {
  let kept: Cache;
  return {
    shape,
    keepsInput: keeps.input,
    keepsOutput: keeps.output,
    forward(x, mode) {
      const [out, cache] = forward(x, mode);
      kept = cache;
      return out;
    },
    backward: (dout, needDx) => backward(dout, kept, needDx),
  };
}

function affineLayer<Cache>(
  name: string,
  units: number,
  options: AffineOptions,
  keepsOutput: boolean,
  forward: (x: Tensor, w: Tensor, b: Tensor) => [Tensor, Cache],
  gradients: (dout: Tensor, cache: Cache, needDx: boolean) => [Tensor | undefined, Tensor, Tensor],
): Layer {
  checkOptions(name, options, ['weightScale']);
  checkNumber(name, 'units', units, { low: 1, integer: true });
  const { weightScale = 'he' } = options;
  if (weightScale !== 'he') checkNumber(name, 'weightScale', weightScale, { low: 0 });
  return {
    name,
    build(builder, input) {
      const D = sizeOf(input);
      const normal = weightScale === 'he' ? Math.sqrt(2 / D) : weightScale;
      const W = builder.parameter('W', [D, units], { normal });
      const b = builder.parameter('b', [units], { fill: 0 });
      return remembering(
        [units],
        { input: true, output: keepsOutput },
        (x) => forward(x, W.value, b.value),
        (dout, cache, needDx) => {
          const [dx, dw, db] = gradients(dout, cache, needDx);
          W.gradient = dw;
          b.gradient = db;
          return dx;
        },
      );
    },
  };
}

/** (…) to (units): x W + b over all numbers of an example. Parameters W (D, units) and b (units). */
export function affine(units: number, options: AffineOptions = {}): Layer {
  return affineLayer<AffineCache>('affine', units, options, false, affineForward, affineGradients);
}

/** affine and relu in one pass over the memory; the same numbers. */
export function affineRelu(units: number, options: AffineOptions = {}): Layer {
  return affineLayer<AffineReluCache>('affineRelu', units, options, true, affineReluForward, affineReluGradients);
}

function activation(
  name: string,
  keeps: 'input' | 'output',
  forward: (x: Tensor) => [Tensor, ActivationCache],
  backward: (dout: Tensor, cache: ActivationCache) => Tensor,
): Layer {
  const kept = { input: keeps === 'input', output: keeps === 'output' };
  return { name, build: (_, input) => remembering(input, kept, forward, backward) };
}

/** max(0, x), any shape. */
export function relu(): Layer {
  return activation('relu', 'output', reluForward, reluBackward);
}

/** x where x >= 0, else slope · x. */
export function leakyRelu(options: LeakyReluOptions = {}): Layer {
  checkOptions('leakyRelu', options, ['slope']);
  const slope = checkNumber('leakyRelu', 'slope', options.slope ?? 0.01);
  return activation('leakyRelu', 'input', (x) => leakyReluForward(x, { slope }), leakyReluBackward);
}

/** 1 / (1 + e^-x). */
export function sigmoid(): Layer {
  return activation('sigmoid', 'output', sigmoidForward, sigmoidBackward);
}

/** Hyperbolic tangent. */
export function tanh(): Layer {
  return activation('tanh', 'output', tanhForward, tanhBackward);
}

/** x · sigmoid(x). */
export function swish(): Layer {
  return activation('swish', 'input', swishForward, swishBackward);
}

export interface DropoutOptions {
  /** Draws the same mask at every step, from a stream of its own: for gradient checks. */
  seed?: number | undefined;
}

/** Inverted dropout in training, nothing in test mode. p: probability of KEEPING a unit, in (0, 1]. */
export function dropout(p: number, options: DropoutOptions = {}): Layer {
  checkOptions('dropout', options, ['seed']);
  checkNumber('dropout', 'p', p, { low: 0, high: 1, openLow: true });
  const { seed } = options;
  if (seed !== undefined) checkNumber('dropout', 'seed', seed, { low: 0, high: 2 ** 32 - 1, integer: true });
  return {
    name: 'dropout',
    build: (builder, input) =>
      remembering<DropoutCache | undefined>(
        input,
        { input: false, output: false },
        (x, mode) =>
          p === 1 || mode === 'test'
            ? [x, undefined]
            : dropoutForward(x, seed === undefined ? { p, mode, random: builder.random() } : { p, mode, seed }),
        (dout, cache) => (cache ? dropoutBackward(dout, cache) : dout),
      ),
  };
}

/** gamma (D) of ones and beta (D) of zeros for a norm over rows. */
function scaleAndShift(name: string, builder: Builder, input: Shape) {
  if (input.length !== 1) {
    const rule = 'for rows of numbers (D)';
    throw new ShapeError({ where: 'Network', argument: name, rule, value: `inputs ${formatShape(input)}` });
  }
  const gamma = builder.parameter('gamma', input, { fill: 1 });
  const beta = builder.parameter('beta', input, { fill: 0 });
  return { gamma, beta };
}

/**
 * Batch normalisation of (D). Parameters gamma and beta; running averages runningMean and runningVar start at 0 and
 * belong to the model's state.
 */
export function batchnorm(options: Pick<BatchnormParam, 'eps' | 'momentum'> = {}): Layer {
  checkOptions('batchnorm', options, ['eps', 'momentum']);
  const eps = checkNumber('batchnorm', 'eps', options.eps ?? 1e-5, { low: 0 });
  const momentum = checkNumber('batchnorm', 'momentum', options.momentum ?? 0.9, { low: 0, high: 1 });
  return {
    name: 'batchnorm',
    build(builder, input) {
      const { gamma, beta } = scaleAndShift('batchnorm', builder, input);
      const runningMean = builder.state('runningMean', input, 0);
      const runningVar = builder.state('runningVar', input, 0);
      const param: BatchnormParam = { mode: 'train', eps, momentum, runningMean, runningVar };
      return remembering<NormCache>(
        input,
        { input: false, output: false },
        (x, mode) => {
          param.mode = mode;
          return testOnly(mode, batchnormForward(x, gamma.value, beta.value, param));
        },
        (dout, cache) => {
          const [dx, dgamma, dbeta] = batchnormBackwardAlt(dout, cache);
          gamma.gradient = dgamma;
          beta.gradient = dbeta;
          return dx;
        },
      );
    },
  };
}

/** Layer normalisation of (D). Parameters gamma and beta. */
export function layernorm(options: LayernormParam = {}): Layer {
  checkOptions('layernorm', options, ['eps']);
  const eps = checkNumber('layernorm', 'eps', options.eps ?? 1e-5, { low: 0 });
  return {
    name: 'layernorm',
    build(builder, input) {
      const { gamma, beta } = scaleAndShift('layernorm', builder, input);
      return remembering<NormCache>(
        input,
        { input: false, output: false },
        (x, mode) => testOnly(mode, layernormForward(x, gamma.value, beta.value, { eps })),
        (dout, cache) => {
          const [dx, dgamma, dbeta] = layernormBackward(dout, cache);
          gamma.gradient = dgamma;
          beta.gradient = dbeta;
          return dx;
        },
      );
    },
  };
}

/** Nothing goes back after a forward pass in test mode, so what it kept for that ends. */
function testOnly(mode: 'train' | 'test', result: [Tensor, NormCache]): [Tensor, NormCache] {
  if (mode === 'test') {
    result[1].xhat.dispose();
    result[1].invStd.dispose();
  }
  return result;
}
