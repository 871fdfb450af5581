/** Nets with settings that suit them, by name: --preset NAME. A new one is an entry of the table. */
import type { ModelName, ModelSettings } from './models.js';
import type { TrainingSettings } from './training.js';

export interface Preset {
  /** One line for --preset list. */
  title: string;
  model: ModelName;
  /** As if they had been typed. */
  values: Partial<ModelSettings & TrainingSettings>;
}

export const presets: Record<string, Preset> = {
  quick: {
    title: 'A small convolutional net, seconds on drawn images; what train does by itself',
    model: 'convnet',
    values: {
      ...{ updateRule: 'adam', learningRate: 2e-3, schedule: 'one-cycle', weightDecay: 0.05 },
      ...{ batchSize: 100, sampling: 'epoch', epochs: 4 },
    },
  },
  'two-layer': {
    title: "The course's two-layer net, 100 hidden units, SGD",
    model: 'two-layer-net',
    values: { hidden: [100], updateRule: 'sgd', learningRate: 1e-3, lrDecay: 0.95, batchSize: 100, epochs: 10 },
  },
  'fully-connected': {
    title: 'Five hidden layers of 100 units, Adam',
    model: 'fully-connected-net',
    values: {
      ...{ hidden: [100, 100, 100, 100, 100], weightScale: 5e-2, reg: 1e-4 },
      ...{ updateRule: 'adam', learningRate: 1e-3, lrDecay: 1, batchSize: 200, epochs: 10 },
    },
  },
  'three-layer-convnet': {
    title: "The course's convolutional net, 32 filters of 7x7, Adam, one epoch",
    model: 'three-layer-convnet',
    values: {
      ...{ filters: 32, filterSize: 7, hidden: [500], weightScale: 1e-3, reg: 1e-3 },
      ...{ updateRule: 'adam', learningRate: 1e-3, lrDecay: 1, batchSize: 50, epochs: 1 },
    },
  },
  'batchnorm-convnet': {
    title: 'The same with 64 filters of 3x3 and batch norm, 15 epochs on mirrored images',
    model: 'three-layer-convnet',
    values: {
      ...{ filters: 64, filterSize: 3, hidden: [500], normalization: 'batchnorm', weightScale: 5e-3, reg: 5e-3 },
      ...{ updateRule: 'adam', learningRate: 1e-3, schedule: 'linear', batchSize: 100, epochs: 15 },
      ...{ sampling: 'epoch', augment: { flip: true }, flipEvaluation: true },
    },
  },
  deep: {
    title: 'Six convolutions with batch norm, two of them residual, on shifted and mirrored images',
    model: 'convnet',
    values: {
      spec: {
        norm: 'batchnorm',
        layers: [
          ...[{ conv: 32 }, { maxPool: 2 }],
          ...[{ conv: 64 }, { conv: 96 }, { maxPool: 2 }],
          ...[{ residual: [{ conv: 96 }, { conv: 96 }] }, { conv: 192 }, { maxPool: 2 }],
          'globalAvgPool',
        ],
      },
      ...{ reg: 5e-4, labelSmoothing: 0.1, augment: { crop: 4, flip: true } },
      ...{ updateRule: 'nesterov', learningRate: 0.1, schedule: 'linear', warmup: 0.2, batchSize: 128, epochs: 12 },
      ...{ sampling: 'epoch', flipEvaluation: true },
    },
  },
};

/** For --preset list. */
export function presetList(): string {
  const width = Math.max(...Object.keys(presets).map((name) => name.length));
  return Object.entries(presets)
    .map(([name, { title }]) => `${name.padEnd(width)}  ${title}\n`)
    .join('');
}
