/** {affine - [norm] - ReLU - [dropout]} x (L - 1) - affine - softmax. */

import type { Layer } from '../construction.js';
import { checkChoice, checkNumber, checkOptions, describe, OptionError } from '../errors.js';
import { NETWORK_OPTIONS, Network, type NetworkOptions } from '../network.js';
import { affine, affineRelu, batchnorm, dropout, layernorm, relu } from './layers.js';

export interface FullyConnectedNetOptions extends Partial<NetworkOptions> {
  /** Classes, default 10. */
  numClasses?: number;
  /** Probability of KEEPING a unit; 1 (default) and 0 switch dropout off. */
  dropoutKeepRatio?: number;
  /** The same. */
  dropout?: number;
  /** Between affine and ReLU; default null: none. */
  normalization?: 'batchnorm' | 'layernorm' | null;
  /** true: normalization 'batchnorm'. */
  useBatchnorm?: boolean;
  /** Standard deviation of the initial weights, default 1e-2; 'he': see layers.affine. */
  weightScale?: number | 'he';
  /** Makes every dropout layer draw the same mask at each step, for gradient checks. */
  seed?: number | null;
}

const OPTIONS = ['numClasses', 'dropoutKeepRatio', 'dropout', 'normalization', 'useBatchnorm', 'weightScale', 'seed'];

/**
 * The course's fully connected net of any depth.
 *
 * Parameters Wi, bi for all layers, and gammai (ones), betai (zeros) for normalised hidden layers; weights are drawn in
 * the order W1, W2, …
 *
 * @param hiddenDims units of the hidden layers; none makes a linear classifier
 * @param options inputDim: default 3072, a CIFAR-10 image
 */
export class FullyConnectedNet extends Network {
  constructor(hiddenDims: readonly number[], options: FullyConnectedNetOptions = {}) {
    const where = 'FullyConnectedNet';
    if (!Array.isArray(hiddenDims)) {
      throw new OptionError({ where, argument: 'hiddenDims', rule: 'a list of numbers', value: describe(hiddenDims) });
    }
    checkOptions(where, options, [...NETWORK_OPTIONS, ...OPTIONS]);
    const { numClasses = 10, weightScale = 1e-2, inputDim = 3072, seed, ...others } = options;
    const { dropoutKeepRatio, dropout: alias, normalization, useBatchnorm, ...rest } = others;
    if (dropoutKeepRatio !== undefined && alias !== undefined) {
      const rule = 'dropoutKeepRatio and dropout are the same option';
      throw new OptionError({ where, rule, hint: 'give one of them' });
    }
    const keep = checkNumber(where, 'dropoutKeepRatio', dropoutKeepRatio ?? alias ?? 1, { low: 0, high: 1 });
    const norm = normalization ?? (useBatchnorm ? 'batchnorm' : null);
    if (norm !== null) checkChoice(where, 'normalization', norm, ['batchnorm', 'layernorm']);
    if (useBatchnorm && norm !== 'batchnorm') {
      const rule = `useBatchnorm contradicts normalization '${norm}'`;
      throw new OptionError({ where, rule, hint: 'give one of them' });
    }
    const normLayer = norm === 'batchnorm' ? batchnorm : layernorm;
    const hidden = hiddenDims.flatMap((units): Layer[] => {
      const unit =
        norm === null ? [affineRelu(units, { weightScale })] : [affine(units, { weightScale }), normLayer(), relu()];
      return keep === 0 || keep === 1 ? unit : [...unit, dropout(keep, { seed: seed ?? undefined })];
    });
    super([...hidden, affine(numClasses, { weightScale })], { inputDim, ...rest });
  }
}
