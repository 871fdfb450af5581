/**
 * Layers as objects, for Network: each factory describes one layer with its options; parameters are made when a network
 * is built from it. Shapes below are those of one example. Layers of images are in imageLayers.ts, norms in
 * normLayers.ts.
 */

import type { Layer } from '../construction.js';
import { checkNumber, checkOptions } from '../errors.js';
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
import { type AffineCache, type AffineGradient, affineForward, affineGradients } from '../layers/affine.js';
import { type DropoutCache, dropoutBackward, dropoutForward } from '../layers/dropout.js';
import { type AffineReluCache, affineReluForward, affineReluGradients } from '../layers/sandwiches.js';
import { sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { checkWeightScale, deviation, remembering, type WeightOptions } from './stages.js';

export * from './imageLayers.js';
export * from './normLayers.js';

export type AffineOptions = WeightOptions;

function affineLayer<Cache>(
  name: string,
  units: number,
  options: AffineOptions,
  keepsOutput: boolean,
  forward: (x: Tensor, w: Tensor, b: Tensor) => [Tensor, Cache],
  gradients: (
    dout: Tensor,
    cache: Cache,
    needDx: boolean,
    needDw: boolean,
  ) => [Tensor | undefined, Tensor | AffineGradient, Tensor],
): Layer {
  checkOptions(name, options, ['weightScale']);
  checkNumber(name, 'units', units, { low: 1, integer: true });
  const weightScale = checkWeightScale(name, options.weightScale);
  return {
    name,
    build(builder, input) {
      const D = sizeOf(input);
      const W = builder.parameter('W', [D, units], { normal: deviation(weightScale, D) });
      const b = builder.parameter('b', [units], { fill: 0 });
      return remembering(
        [units],
        { keepsInput: true, keepsOutput, products: D * units },
        (x) => forward(x, W.value, b.value),
        (dout, cache, needDx) => {
          const [dx, dw, db] = gradients(dout, cache, needDx, !W.deferred);
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
  const kept = { keepsInput: keeps === 'input', keepsOutput: keeps === 'output' };
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
        { passes: p === 1, keepsInput: false, keepsOutput: false, extra: p === 1 ? 0 : sizeOf(input) },
        (x, mode) =>
          p === 1 || mode === 'test'
            ? [x, undefined]
            : dropoutForward(x, seed === undefined ? { p, mode, random: builder.random() } : { p, mode, seed }),
        (dout, cache) => (cache ? dropoutBackward(dout, cache) : dout),
      ),
  };
}
