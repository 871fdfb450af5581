/** The models that `lanewise train` knows. A new one is an entry of the table; the rest follows from it. */
import { FullyConnectedNet, type Network, type RandomSource, TwoLayerNet } from '../index.js';

export const normalizations = ['none', 'batchnorm', 'layernorm'] as const;
export const losses = ['softmax', 'svm'] as const;
export const dtypes = ['float32', 'float64'] as const;

export interface ModelSettings {
  /** Sizes of the hidden layers. */
  hidden: number[];
  weightScale: number;
  reg: number;
  /** Share of the units that dropout keeps; 1: no dropout. */
  dropout: number;
  normalization: (typeof normalizations)[number];
  loss: (typeof losses)[number];
  dtype: (typeof dtypes)[number];
}

export interface ModelKind {
  /** Default of --hidden. */
  hidden: readonly number[];
  /** How many sizes --hidden may have. */
  mostHidden: number;
  /** Default of --weight-scale, as in the course. */
  weightScale: number;
  /** Whether it has dropout and normalization. */
  regularized: boolean;
  build(settings: ModelSettings, inputDim: readonly number[], numClasses: number, random: RandomSource): Network;
}

export const models = {
  'two-layer-net': {
    hidden: [100],
    mostHidden: 1,
    weightScale: 1e-3,
    regularized: false,
    build({ hidden, weightScale, reg, loss, dtype }, inputDim, numClasses, random) {
      return new TwoLayerNet({ inputDim, hiddenDims: hidden, numClasses, weightScale, reg, loss, dtype, random });
    },
  },
  'fully-connected-net': {
    hidden: [100, 100],
    mostHidden: Number.POSITIVE_INFINITY,
    weightScale: 1e-2,
    regularized: true,
    build({ hidden, dropout, normalization, weightScale, reg, loss, dtype }, inputDim, numClasses, random) {
      const norm = normalization === 'none' ? null : normalization;
      const shape = { inputDim, numClasses, dropoutKeepRatio: dropout, normalization: norm };
      return new FullyConnectedNet(hidden, { ...shape, weightScale, reg, loss, dtype, random });
    },
  },
} as const satisfies Record<string, ModelKind>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];
