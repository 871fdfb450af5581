/** The models that `lanewise train` knows. A new one is an entry of the table; the rest follows from it. */
import {
  ConvNet,
  type ConvNetSpec,
  FullyConnectedNet,
  type Network,
  type RandomSource,
  ThreeLayerConvNet,
  TwoLayerNet,
} from '../index.js';

export const normalizations = ['none', 'batchnorm', 'layernorm'] as const;
export const losses = ['softmax', 'svm'] as const;
export const dtypes = ['float32', 'float64'] as const;

/** What every model has. */
export interface CommonSettings {
  weightScale: number | 'he';
  reg: number;
  loss: (typeof losses)[number];
  labelSmoothing: number;
  dtype: (typeof dtypes)[number];
}

/** What only some have. */
export interface OwnSettings {
  /** Sizes of the hidden layers. */
  hidden: readonly number[];
  /** Number and side of the filters. */
  filters: number;
  filterSize: number;
  normalization: (typeof normalizations)[number];
  /** Share of the units that dropout keeps; 1: no dropout. */
  dropout: number;
  /** Less what CommonSettings has. */
  spec: ConvNetSpec;
}

/** In the order of --help. */
export const ownNames = ['spec', 'hidden', 'filters', 'filterSize', 'normalization', 'dropout'] as const;

export type ModelSettings = CommonSettings & Partial<OwnSettings>;

export interface Surroundings {
  inputDim: readonly number[];
  numClasses: number;
  random: RandomSource;
}

export interface ModelKind {
  /** The settings of its own with their defaults. What is not here does not apply to it. */
  own: Partial<OwnSettings>;
  /** Default of --weight-scale, as in the course. */
  weightScale: number | 'he';
  /** How many sizes --hidden may have; default: any number. */
  mostHidden?: number;
  /** What --normalization may be; default: any. */
  normalizations?: readonly OwnSettings['normalization'][];
  /** A few words on its size. */
  describe(settings: ModelSettings): string;
  build(settings: ModelSettings, surroundings: Surroundings): Network;
}

/** An entry whose functions know that the settings of its own are there. */
function kind<Own extends Partial<OwnSettings>>(
  entry: Omit<ModelKind, 'own' | 'describe' | 'build'> & {
    own: Own;
    describe(settings: Pick<OwnSettings, keyof Own & keyof OwnSettings>): string;
    build(
      settings: CommonSettings & Pick<OwnSettings, keyof Own & keyof OwnSettings>,
      surroundings: Surroundings,
    ): Network;
  },
): ModelKind {
  return entry as ModelKind;
}

function common({ weightScale, reg, loss, labelSmoothing, dtype }: CommonSettings) {
  return { weightScale, reg, loss, labelSmoothing, dtype };
}

/**
 * A second or two an epoch on drawn images. The first filters begin near zero, so that what they have learned is what is
 * seen of them; behind a norm their scale does not matter.
 */
const SMALL: ConvNetSpec = {
  norm: 'batchnorm',
  layers: [
    { conv: 16, size: 5, stride: 2, weightScale: 1e-3 },
    { maxPool: 2 },
    { conv: 32 },
    { maxPool: 2 },
    { conv: 64 },
  ],
};

export const models = {
  'two-layer-net': kind({
    own: { hidden: [100] },
    mostHidden: 1,
    weightScale: 1e-3,
    describe: ({ hidden }) => hidden.join('-'),
    build: ({ hidden, ...rest }, around) => new TwoLayerNet({ hiddenDims: hidden, ...common(rest), ...around }),
  }),
  'fully-connected-net': kind({
    own: { hidden: [100, 100], normalization: 'none', dropout: 1 },
    weightScale: 1e-2,
    describe: ({ hidden }) => hidden.join('-'),
    build({ hidden, dropout, normalization, ...rest }, around) {
      const norm = normalization === 'none' ? null : normalization;
      const options = { dropoutKeepRatio: dropout, normalization: norm };
      return new FullyConnectedNet([...hidden], { ...options, ...common(rest), ...around });
    },
  }),
  'three-layer-convnet': kind({
    own: { filters: 32, filterSize: 7, hidden: [100], normalization: 'none' },
    mostHidden: 1,
    normalizations: ['none', 'batchnorm'],
    weightScale: 1e-3,
    describe: ({ filters, filterSize, hidden }) => `${filters} ${filterSize}x${filterSize} - ${hidden[0]}`,
    build({ filters, filterSize, hidden, normalization, ...rest }, around) {
      const shape = { numFilters: filters, filterSize, hiddenDim: hidden[0] };
      return new ThreeLayerConvNet({
        ...shape,
        useBatchnorm: normalization === 'batchnorm',
        ...common(rest),
        ...around,
      });
    },
  }),
  convnet: kind({
    own: { spec: SMALL },
    weightScale: 'he',
    describe: () => '',
    build({ spec, ...rest }, { inputDim, numClasses, random }) {
      return new ConvNet({ inputDim: [...inputDim], numClasses, ...spec, ...common(rest) }, { random });
    },
  }),
} as const satisfies Record<string, ModelKind>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];
