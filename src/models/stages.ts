/** What the factories of layers share. */

import type { Mode, ReluPass, Stage } from '../construction.js';
import { checkNumber } from '../errors.js';
import type { Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';

export interface WeightOptions {
  /**
   * Standard deviation of the initial weights, default 'he': √(2 / inputs of a unit), which keeps the size of activations
   * through ReLU layers (He et al., 2015). Biases start at 0.
   */
  weightScale?: number | 'he';
}

export function checkWeightScale(where: string, weightScale: unknown = 'he'): number | 'he' {
  return weightScale === 'he' ? 'he' : checkNumber(where, 'weightScale', weightScale, { low: 0 });
}

/** Standard deviation of the weights of a unit with this many inputs. */
export function deviation(weightScale: number | 'he', inputs: number): number {
  return weightScale === 'he' ? Math.sqrt(2 / inputs) : weightScale;
}

/** What a stage says of itself besides forward and backward. */
type Traits = Pick<Stage, 'passes' | 'keepsInput' | 'keepsOutput' | 'products' | 'extra' | 'rectifies' | 'takesRelu'>;

/** A stage that remembers the cache of its forward pass for the backward pass. */
export function remembering<Cache>(
  shape: Shape,
  traits: Traits,
  forward: (x: Tensor, mode: Mode) => [Tensor, Cache],
  backward: (dout: Tensor, cache: Cache, needDx: boolean, relu: ReluPass) => Tensor | undefined,
): Stage {
  let kept: Cache;
  return {
    shape,
    ...traits,
    forward(x, mode) {
      const [out, cache] = forward(x, mode);
      kept = cache;
      return out;
    },
    backward: (dout, needDx, relu = { done: false, before: false }) => backward(dout, kept, needDx, relu),
  };
}
