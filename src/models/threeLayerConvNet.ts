/** conv - [batch norm] - ReLU - 2x2 max pool - affine - [batch norm] - ReLU - affine - softmax. */
import { checkFlag } from '../augment.js';
import { checkNumber, checkOptions, describe, formatShape, OptionError, ShapeError } from '../errors.js';
import { NETWORK_OPTIONS, Network, type NetworkOptions } from '../network.js';
import { affine, affineRelu, batchnorm, convBnRelu, convRelu, maxPool, relu } from './layers.js';
import { checkWeightScale } from './stages.js';

export interface ThreeLayerConvNetOptions extends Partial<NetworkOptions> {
  /** Filters of the convolution, default 32. */
  numFilters?: number;
  /** Height and width of the filters, odd, default 7. */
  filterSize?: number;
  /** Units of the hidden affine layer, default 100. */
  hiddenDim?: number;
  /** Classes, default 10. */
  numClasses?: number;
  /** Standard deviation of the initial weights, default 1e-3; 'he': see layers.affine. */
  weightScale?: number | 'he';
  /** Batch normalisation after the convolution and after the hidden affine layer, default false. */
  useBatchnorm?: boolean;
}

const OPTIONS = ['numFilters', 'filterSize', 'hiddenDim', 'numClasses', 'weightScale', 'useBatchnorm'];

/**
 * The course's three-layer convolutional net.
 *
 * Parameters W1 (F, C, HH, WW), b1, W2 (F · H/2 · W/2, hidden), b2, W3 (hidden, classes), b3, with useBatchnorm also
 * gamma1, beta1, gamma2, beta2; weights are drawn in the order W1, W2, W3.
 *
 * @param options inputDim: (C, H, W), default a CIFAR-10 image (3, 32, 32)
 */
export class ThreeLayerConvNet extends Network {
  constructor(options: ThreeLayerConvNetOptions = {}) {
    const where = 'ThreeLayerConvNet';
    checkOptions(where, options, [...NETWORK_OPTIONS, ...OPTIONS]);
    const {
      numFilters = 32,
      filterSize = 7,
      hiddenDim = 100,
      numClasses = 10,
      weightScale = 1e-3,
      ...others
    } = options;
    const { inputDim = [3, 32, 32], useBatchnorm = false, ...rest } = others;
    for (const [argument, value] of Object.entries({ numFilters, filterSize, hiddenDim, numClasses })) {
      checkNumber(where, argument, value, { low: 1, integer: true });
    }
    checkWeightScale(where, weightScale);
    checkFlag(where, 'useBatchnorm', useBatchnorm);
    if (!Array.isArray(inputDim) || inputDim.length !== 3) {
      throw new ShapeError({ where, argument: 'inputDim', rule: '(C, H, W)', value: describe(inputDim) });
    }
    if (filterSize % 2 === 0) {
      const hint = 'filters of odd size keep the size of the images';
      throw new OptionError({ where, argument: 'filterSize', rule: 'odd', value: String(filterSize), hint });
    }
    if (inputDim[1] < 2 || inputDim[2] < 2) {
      const rule = 'images of at least 2 by 2 for the pooling';
      throw new ShapeError({ where, argument: 'inputDim', rule, value: formatShape(inputDim) });
    }
    const filters = { size: filterSize, weightScale };
    const layers = useBatchnorm
      ? [convBnRelu(numFilters, filters), maxPool(2), affine(hiddenDim, { weightScale }), batchnorm(), relu()]
      : [convRelu(numFilters, filters), maxPool(2), affineRelu(hiddenDim, { weightScale })];
    super([...layers, affine(numClasses, { weightScale })], { inputDim, ...rest });
  }
}
