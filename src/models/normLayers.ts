/** Normalisations as layers for Network. Shapes are those of one example. */

import type { Builder, Layer, Mode, Parameter, Stage } from '../construction.js';
import { checkNumber, checkOptions, formatShape, ShapeError } from '../errors.js';
import {
  type BatchnormParam,
  batchnormBackwardAlt,
  batchnormForward,
  type LayernormParam,
  layernormBackward,
  layernormForward,
  type NormCache,
} from '../layers/norm.js';
import {
  type GroupnormParam,
  type SpatialNormCache,
  spatialBatchnormBackward,
  spatialBatchnormForward,
  spatialGroupnormBackward,
  spatialGroupnormForward,
} from '../layers/spatialNorm.js';
import { type Shape, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { remembering } from './stages.js';

export type BatchnormOptions = Pick<BatchnormParam, 'eps' | 'momentum'>;

/** eps and momentum, checked and completed. */
export function batchnormNumbers(where: string, options: BatchnormOptions): Required<BatchnormOptions> {
  const eps = checkNumber(where, 'eps', options.eps ?? 1e-5, { low: 0 });
  const momentum = checkNumber(where, 'momentum', options.momentum ?? 0.9, { low: 0, high: 1 });
  return { eps, momentum };
}

interface Scale {
  gamma: Parameter;
  beta: Parameter;
}

/** gamma of ones and beta of zeros for D columns or channels. */
function scaleAndShift(builder: Builder, D: number): Scale {
  const gamma = builder.parameter('gamma', [D], { fill: 1 });
  const beta = builder.parameter('beta', [D], { fill: 0 });
  return { gamma, beta };
}

/** Parameters and running averages of a batch norm over D columns or channels. */
export function batchnormState(builder: Builder, D: number, numbers: Required<BatchnormOptions>) {
  const scale = scaleAndShift(builder, D);
  const runningMean = builder.state('runningMean', [D], 0);
  const runningVar = builder.state('runningVar', [D], 0);
  const param: BatchnormParam = { mode: 'train', ...numbers, runningMean, runningVar };
  return { ...scale, param };
}

function checkInput(name: string, input: Shape, rule: string, fits: boolean): void {
  if (fits) return;
  throw new ShapeError({ where: 'Network', argument: name, rule, value: `inputs ${formatShape(input)}` });
}

/** A norm over rows: it keeps the normalised input, and so many other numbers of each example. */
function ofRows(
  input: Shape,
  { gamma, beta }: Scale,
  others: number,
  forward: (x: Tensor, mode: Mode) => [Tensor, NormCache],
  backward: (dout: Tensor, cache: NormCache) => [Tensor, Tensor, Tensor],
): Stage {
  return remembering<NormCache>(
    input,
    { keepsInput: false, keepsOutput: false, extra: sizeOf(input) + others },
    (x, mode) => {
      const [out, cache] = forward(x, mode);
      // Nothing goes back after a forward pass in test mode.
      if (mode === 'test') {
        cache.xhat.dispose();
        cache.invStd.dispose();
      }
      return [out, cache];
    },
    (dout, cache) => {
      const [dx, dgamma, dbeta] = backward(dout, cache);
      gamma.gradient = dgamma;
      beta.gradient = dbeta;
      return dx;
    },
  );
}

/** A norm over images: it keeps its input, and so many numbers of each example. */
function ofImages(
  input: Shape,
  { gamma, beta }: Scale,
  extra: number,
  forward: (x: Tensor, mode: Mode) => [Tensor, SpatialNormCache],
  backward: (dout: Tensor, cache: SpatialNormCache) => [Tensor, Tensor, Tensor],
): Stage {
  const traits = { keepsInput: true, keepsOutput: false, extra };
  return remembering<SpatialNormCache>(input, traits, forward, (dout, cache) => {
    const [dx, dgamma, dbeta] = backward(dout, cache);
    gamma.gradient = dgamma;
    beta.gradient = dbeta;
    return dx;
  });
}

/**
 * Batch normalisation: of each number of (D), or of each channel of images (C, H, W). Parameters gamma and beta; running
 * averages runningMean and runningVar start at 0 and belong to the model's state.
 */
export function batchnorm(options: BatchnormOptions = {}): Layer {
  const name = 'batchnorm';
  checkOptions(name, options, ['eps', 'momentum']);
  const numbers = batchnormNumbers(name, options);
  return {
    name,
    build(builder, input) {
      checkInput(name, input, 'for rows of numbers (D) or images (C, H, W)', input.length === 1 || input.length === 3);
      const { param, ...scale } = batchnormState(builder, input[0] as number, numbers);
      const { gamma, beta } = scale;
      const forward = input.length === 1 ? batchnormForward : spatialBatchnormForward;
      const inMode = (x: Tensor, mode: Mode) => {
        param.mode = mode;
        return forward(x, gamma.value, beta.value, param);
      };
      return input.length === 1
        ? ofRows(input, scale, 0, inMode as (x: Tensor, mode: Mode) => [Tensor, NormCache], batchnormBackwardAlt)
        : ofImages(
            input,
            scale,
            0,
            inMode as (x: Tensor, mode: Mode) => [Tensor, SpatialNormCache],
            spatialBatchnormBackward,
          );
    },
  };
}

/** Layer normalisation of (D). Parameters gamma and beta. */
export function layernorm(options: LayernormParam = {}): Layer {
  const name = 'layernorm';
  checkOptions(name, options, ['eps']);
  const eps = checkNumber(name, 'eps', options.eps ?? 1e-5, { low: 0 });
  return {
    name,
    build(builder, input) {
      checkInput(name, input, 'for rows of numbers (D)', input.length === 1);
      const scale = scaleAndShift(builder, input[0] as number);
      const { gamma, beta } = scale;
      return ofRows(input, scale, 1, (x) => layernormForward(x, gamma.value, beta.value, { eps }), layernormBackward);
    },
  };
}

/** Group normalisation of images (C, H, W) in G groups of channels; C is a multiple of G. Parameters gamma and beta. */
export function groupnorm(G: number, options: GroupnormParam = {}): Layer {
  const name = 'groupnorm';
  checkOptions(name, options, ['eps']);
  checkNumber(name, 'G', G, { low: 1, integer: true });
  const eps = checkNumber(name, 'eps', options.eps ?? 1e-5, { low: 0 });
  return {
    name,
    build(builder, input) {
      const C = input[0] as number;
      checkInput(name, input, `for images (C, H, W), C a multiple of ${G}`, input.length === 3 && C % G === 0);
      const scale = scaleAndShift(builder, C);
      const { gamma, beta } = scale;
      const forward = (x: Tensor) => spatialGroupnormForward(x, gamma.value, beta.value, G, { eps });
      return ofImages(input, scale, 2 * G, forward, spatialGroupnormBackward);
    },
  };
}
