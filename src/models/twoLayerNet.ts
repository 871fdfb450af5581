/** affine - ReLU - affine - softmax. */
import { checkOptions, describe, OptionError } from '../errors.js';
import { NETWORK_OPTIONS, Network, type NetworkOptions } from '../network.js';
import { affine, affineRelu } from './layers.js';

export interface TwoLayerNetOptions extends Partial<NetworkOptions> {
  /** Hidden units, default 100. */
  hiddenDim?: number;
  /** The same, in a list of one, as one of the course's versions has it. */
  hiddenDims?: readonly number[] | number;
  /** Classes, default 10. */
  numClasses?: number;
  /** Standard deviation of the initial weights, default 1e-3; 'he': see layers.affine. */
  weightScale?: number | 'he';
}

/**
 * The course's two-layer net. inputDim: default 3072, a CIFAR-10 image.
 *
 * Parameters W1 (D, H), b1 (H), W2 (H, C), b2 (C); weights are drawn in the order W1, W2, biases start at 0.
 */
export class TwoLayerNet extends Network {
  constructor(options: TwoLayerNetOptions = {}) {
    const where = 'TwoLayerNet';
    checkOptions(where, options, [...NETWORK_OPTIONS, 'hiddenDim', 'hiddenDims', 'numClasses', 'weightScale']);
    const { hiddenDim, hiddenDims, numClasses = 10, weightScale = 1e-3, inputDim = 3072, ...rest } = options;
    if (hiddenDim !== undefined && hiddenDims !== undefined) {
      throw new OptionError({ where, rule: 'hiddenDim and hiddenDims are the same option', hint: 'give one of them' });
    }
    const units =
      hiddenDim ?? (Array.isArray(hiddenDims) && hiddenDims.length === 1 ? hiddenDims[0] : hiddenDims) ?? 100;
    if (typeof units !== 'number') {
      throw new OptionError({ where, argument: 'hiddenDims', rule: 'one number', value: describe(hiddenDims) });
    }
    super([affineRelu(units, { weightScale }), affine(numClasses, { weightScale })], { inputDim, ...rest });
  }
}
