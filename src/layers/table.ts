/**
 * Every layer as data: what goes in, what comes out, which sizes to try. Tests and documentation walk this table, so a
 * new row is tested for free. It holds names, not functions: importing it costs nothing and tests use the built package.
 */
import type { Shape } from '../shape.js';
import type * as activations from './activations.js';
import type * as affine from './affine.js';
import type * as conv from './conv.js';
import type * as convSandwiches from './convSandwiches.js';
import type * as dropout from './dropout.js';
import type * as losses from './losses.js';
import type * as norm from './norm.js';
import type * as pool from './pool.js';
import type * as sandwiches from './sandwiches.js';
import type * as spatialNorm from './spatialNorm.js';

type Layers = typeof activations &
  typeof affine &
  typeof conv &
  typeof convSandwiches &
  typeof dropout &
  typeof losses &
  typeof norm &
  typeof pool &
  typeof sandwiches &
  typeof spatialNorm;
/** Names of functions that exist, checked by the compiler. */
export type LayerFunction = keyof Layers;

/** Letters to numbers: { N: 3, D: 5 }. */
export type Sizes = Readonly<Record<string, number>>;

export interface LayerRow {
  forward: LayerFunction;
  /** All ways back; each must agree with central differences. Losses return their gradient with the loss. */
  backward: readonly LayerFunction[];
  /** Tensor arguments of forward in order, each with its shape; backward returns their gradients in this order. */
  inputs: Readonly<Record<string, (s: Sizes) => Shape>>;
  /** Shape of the output; [] for a loss. */
  out: (s: Sizes) => Shape;
  /** Arguments between the tensors and the options. */
  before?: (s: Sizes) => readonly unknown[];
  /** Last argument of forward, made anew for every call. Tests add tensors that it needs (running averages). */
  options?: (s: Sizes) => Record<string, unknown>;
  /** Rows of one family take each other's caches: the naive and the fast version of a layer. */
  family?: string;
  /** Axes of an input whose size is free: the layer takes any. */
  free?: Readonly<Record<string, readonly number[]>>;
  /** Label argument of a loss: labels below C for each of the N rows. */
  labels?: { count: (s: Sizes) => number; below: (s: Sizes) => number };
  /** Input values at which the function has a kink; test points keep away from them. */
  kinks?: readonly number[];
  /** Sizes to try: 1, lanes - 1, lanes + 1, 2 lanes + 3, and across a block. */
  cases: readonly Sizes[];
  /** Shapes that must be refused: the argument, its wrong shape for the first case, and the message after the name of the function. */
  refuses: readonly { argument: string; shape: Shape; message: string }[];
  /** One line for the documentation. */
  doc: string;
}

/** Every combination of the given sizes. */
function ragged(axes: Readonly<Record<string, readonly number[]>>): Sizes[] {
  return Object.entries(axes).reduce<Sizes[]>(
    (cases, [name, sizes]) => cases.flatMap((known) => sizes.map((n) => ({ ...known, [name]: n }))),
    [{}],
  );
}

const matrix = (s: Sizes): Shape => [s.N as number, s.D as number];
const row = (s: Sizes): Shape => [s.D as number];
const MATRIX_CASES = ragged({ N: [1, 3, 5], D: [1, 3, 5, 11] });

const elementwise = (forward: LayerFunction, backward: LayerFunction, doc: string, kinks?: number[]): LayerRow => ({
  forward,
  backward: [backward],
  inputs: { x: matrix },
  out: matrix,
  ...(kinks === undefined ? {} : { kinks }),
  cases: MATRIX_CASES,
  refuses: [],
  doc,
});

const AFFINE_CASES = [
  ...ragged({ N: [1, 3], D: [1, 5, 17], M: [1, 4, 9] }),
  { N: 6, D: 3, M: 8 },
  { N: 5, D: 259, M: 3 },
];
const affineInputs = {
  x: matrix,
  w: (s: Sizes): Shape => [s.D as number, s.M as number],
  b: (s: Sizes): Shape => [s.M as number],
};
const affineOut = (s: Sizes): Shape => [s.N as number, s.M as number];
const affineRefuses = [
  { argument: 'w', shape: [2, 1], message: 'w must be (D, M) with D = 1, got (2, 1); D is 1 from x (1, 1)' },
  { argument: 'b', shape: [2], message: 'b must be (M,) = (1,), got (2,); M is the second axis of w (1, 1)' },
];

const image = (s: Sizes): Shape => [s.N as number, s.C as number, s.H as number, s.W as number];
const channels = (s: Sizes): Shape => [s.C as number];
const IMAGE_CASES: Sizes[] = [
  { N: 1, C: 1, H: 2, W: 2 },
  { N: 2, C: 3, H: 5, W: 4 },
  { N: 3, C: 2, H: 3, W: 11 },
];

/** K: the longest sum of the three directions. */
const CONV_CASES: Sizes[] = [
  { N: 1, C: 1, H: 3, W: 3, F: 1, HH: 1, WW: 1, stride: 1, pad: 0, K: 9 },
  { N: 2, C: 3, H: 5, W: 6, F: 5, HH: 3, WW: 3, stride: 1, pad: 1, K: 60 },
  { N: 1, C: 8, H: 6, W: 5, F: 9, HH: 3, WW: 2, stride: 1, pad: 1, K: 72 },
  { N: 2, C: 2, H: 7, W: 9, F: 3, HH: 3, WW: 3, stride: 2, pad: 1, K: 40 },
  { N: 1, C: 1, H: 4, W: 11, F: 2, HH: 1, WW: 5, stride: 3, pad: 2, K: 20 },
];
const convParam = (s: Sizes) => [{ stride: s.stride, pad: s.pad }];
const convOut = (s: Sizes): Shape => {
  const places = (size: string, filter: string) =>
    1 + Math.floor(((s[size] as number) + 2 * (s.pad as number) - (s[filter] as number)) / (s.stride as number));
  return [s.N as number, s.F as number, places('H', 'HH'), places('W', 'WW')];
};
const convRow = {
  inputs: {
    x: image,
    w: (s: Sizes): Shape => [s.F as number, s.C as number, s.HH as number, s.WW as number],
    b: (s: Sizes): Shape => [s.F as number],
  },
  out: convOut,
  options: (s: Sizes) => ({ stride: s.stride, pad: s.pad }),
  free: { w: [2, 3] },
  cases: CONV_CASES,
  refuses: [
    { argument: 'x', shape: [1, 3, 3], message: 'x must be images (N, C, H, W), got (1, 3, 3)' },
    {
      argument: 'w',
      shape: [1, 2, 1, 1],
      message: 'w must be (F, C, HH, WW) with C = 1, got (1, 2, 1, 1); C is the second axis of x (1, 1, 3, 3)',
    },
  ],
};

const POOL = { poolHeight: 2, poolWidth: 2, stride: 2 };
const pooled = ([N, C, H, W]: Shape, { poolHeight, poolWidth, stride }: typeof POOL): Shape => [
  N as number,
  C as number,
  1 + Math.floor(((H as number) - poolHeight) / stride),
  1 + Math.floor(((W as number) - poolWidth) / stride),
];
const poolParam = (s: Sizes) => ({
  poolHeight: s.PH as number,
  poolWidth: s.PW as number,
  stride: s.stride as number,
});
const poolRow = (forward: LayerFunction, backward: LayerFunction, doc: string): LayerRow => ({
  forward,
  backward: [backward],
  inputs: { x: image },
  out: (s) => pooled(image(s), poolParam(s)),
  options: poolParam,
  cases: [
    { N: 1, C: 1, H: 2, W: 2, PH: 2, PW: 2, stride: 2 },
    { N: 2, C: 3, H: 5, W: 10, PH: 2, PW: 2, stride: 2 },
    { N: 1, C: 2, H: 6, W: 7, PH: 3, PW: 2, stride: 1 },
    { N: 2, C: 1, H: 4, W: 9, PH: 1, PW: 3, stride: 3 },
  ],
  refuses: [{ argument: 'x', shape: [1, 3, 3], message: 'x must be images (N, C, H, W), got (1, 3, 3)' }],
  doc,
});
const spatialRow = (forward: LayerFunction, backward: LayerFunction, mode: 'train' | 'test'): LayerRow => ({
  forward,
  backward: [backward],
  inputs: { x: image, gamma: channels, beta: channels },
  out: image,
  options: () => ({ mode }),
  cases: [
    { N: 1, C: 1, H: 2, W: 3 },
    { N: 3, C: 2, H: 3, W: 5 },
    { N: 2, C: 5, H: 4, W: 4 },
  ],
  refuses: [
    {
      argument: 'gamma',
      shape: [3],
      message: 'gamma must be (C,) = (1,), got (3,); C is the second axis of x (1, 1, 2, 3)',
    },
  ],
  doc: mode === 'train' ? 'batch norm of each channel over images and positions' : 'the same with running averages',
});

export const layerTable: Readonly<Record<string, LayerRow>> = {
  affine: {
    forward: 'affineForward',
    backward: ['affineBackward'],
    inputs: affineInputs,
    out: affineOut,
    cases: AFFINE_CASES,
    refuses: affineRefuses,
    doc: 'out = x w + b',
  },
  relu: elementwise('reluForward', 'reluBackward', 'max(0, x)', [0]),
  leakyRelu: elementwise('leakyReluForward', 'leakyReluBackward', 'x, or slope x below 0', [0]),
  sigmoid: elementwise('sigmoidForward', 'sigmoidBackward', '1 / (1 + e^-x)'),
  tanh: elementwise('tanhForward', 'tanhBackward', 'tanh x', [-0.625, 0.625]),
  swish: elementwise('swishForward', 'swishBackward', 'x sigmoid(x)'),
  dropout: {
    ...elementwise('dropoutForward', 'dropoutBackward', 'inverted dropout: x mask / p, p the probability of keeping'),
    options: () => ({ p: 0.7, mode: 'train', seed: 123 }),
  },
  dropoutTest: {
    ...elementwise('dropoutForward', 'dropoutBackward', 'dropout in test mode: the identity'),
    options: () => ({ p: 0.7, mode: 'test' }),
  },
  batchnorm: {
    forward: 'batchnormForward',
    backward: ['batchnormBackward', 'batchnormBackwardAlt'],
    inputs: { x: matrix, gamma: row, beta: row },
    out: matrix,
    options: () => ({ mode: 'train' }),
    cases: ragged({ N: [2, 5, 9], D: [1, 3, 5, 11, 19] }),
    refuses: [
      { argument: 'x', shape: [2, 1, 1], message: 'x must be a matrix (N, D), got (2, 1, 1)' },
      {
        argument: 'gamma',
        shape: [2],
        message: 'gamma must be (D,) = (1,), got (2,); D is the second axis of x (2, 1)',
      },
      {
        argument: 'beta',
        shape: [1, 1],
        message: 'beta must be (D,) = (1,), got (1, 1); D is the second axis of x (2, 1)',
      },
    ],
    doc: 'columns normalised over the batch, then gamma xhat + beta',
  },
  batchnormTest: {
    forward: 'batchnormForward',
    backward: ['batchnormBackward', 'batchnormBackwardAlt'],
    inputs: { x: matrix, gamma: row, beta: row },
    out: matrix,
    options: () => ({ mode: 'test' }),
    cases: ragged({ N: [1, 4], D: [1, 3, 5, 11] }),
    refuses: [],
    doc: 'batch norm in test mode: normalised with the running averages',
  },
  layernorm: {
    forward: 'layernormForward',
    backward: ['layernormBackward'],
    inputs: { x: matrix, gamma: row, beta: row },
    out: matrix,
    cases: ragged({ N: [1, 4], D: [2, 3, 5, 11, 19] }),
    refuses: [
      {
        argument: 'gamma',
        shape: [3],
        message: 'gamma must be (D,) = (2,), got (3,); D is the second axis of x (1, 2)',
      },
    ],
    doc: 'rows normalised each by itself, then gamma xhat + beta',
  },
  affineRelu: {
    forward: 'affineReluForward',
    backward: ['affineReluBackward'],
    inputs: affineInputs,
    out: affineOut,
    kinks: [0],
    cases: AFFINE_CASES,
    refuses: affineRefuses,
    doc: 'max(0, x w + b)',
  },
  affineBnRelu: {
    forward: 'affineBnReluForward',
    backward: ['affineBnReluBackward'],
    inputs: { ...affineInputs, gamma: (s) => [s.M as number], beta: (s) => [s.M as number] },
    out: affineOut,
    options: () => ({ mode: 'train' }),
    kinks: [0],
    cases: ragged({ N: [3, 5], D: [4, 7], M: [1, 4, 9] }),
    refuses: [
      {
        argument: 'gamma',
        shape: [2],
        message: 'gamma must be (D,) = (1,), got (2,); D is the second axis of x (3, 1)',
      },
    ],
    doc: 'affine - batch norm - ReLU',
  },
  convNaive: {
    ...convRow,
    forward: 'convForwardNaive',
    family: 'conv',
    backward: ['convBackwardNaive'],
    doc: 'convolution by plain loops',
  },
  conv: {
    ...convRow,
    forward: 'convForward',
    family: 'conv',
    backward: ['convBackward', 'convBackwardFast'],
    doc: 'convolution, implicit products and Winograd',
  },
  convRelu: {
    ...convRow,
    forward: 'convReluForward',
    backward: ['convReluBackward'],
    kinks: [0],
    doc: 'conv - ReLU',
  },
  convBnRelu: {
    ...convRow,
    forward: 'convBnReluForward',
    backward: ['convBnReluBackward'],
    inputs: { ...convRow.inputs, gamma: (s) => [s.F as number], beta: (s) => [s.F as number] },
    before: convParam,
    options: () => ({ mode: 'train' }),
    kinks: [0],
    refuses: [],
    cases: CONV_CASES.slice(1),
    doc: 'conv - spatial batch norm - ReLU',
  },
  convReluPool: {
    ...convRow,
    forward: 'convReluPoolForward',
    backward: ['convReluPoolBackward'],
    out: (s) => pooled(convOut(s), POOL),
    before: convParam,
    options: () => ({ ...POOL }),
    kinks: [0],
    refuses: [],
    cases: CONV_CASES.slice(1, 3),
    doc: 'conv - ReLU - max pool',
  },
  maxPoolNaive: {
    ...poolRow('maxPoolForwardNaive', 'maxPoolBackwardNaive', 'largest of each window, by plain loops'),
    family: 'maxPool',
  },
  maxPool: { ...poolRow('maxPoolForward', 'maxPoolBackward', 'largest of each window'), family: 'maxPool' },
  avgPool: poolRow('avgPoolForward', 'avgPoolBackward', 'mean of each window'),
  globalAvgPool: {
    forward: 'globalAvgPoolForward',
    backward: ['globalAvgPoolBackward'],
    inputs: { x: image },
    out: (s) => [s.N as number, s.C as number],
    cases: IMAGE_CASES,
    refuses: [{ argument: 'x', shape: [2, 3], message: 'x must be images (N, C, H, W), got (2, 3)' }],
    doc: 'mean of each channel',
  },
  spatialBatchnorm: spatialRow('spatialBatchnormForward', 'spatialBatchnormBackward', 'train'),
  spatialBatchnormTest: spatialRow('spatialBatchnormForward', 'spatialBatchnormBackward', 'test'),
  spatialGroupnorm: {
    forward: 'spatialGroupnormForward',
    backward: ['spatialGroupnormBackward'],
    inputs: { x: image, gamma: channels, beta: channels },
    out: image,
    before: (s) => [s.G],
    options: () => ({}),
    cases: [
      { N: 1, C: 2, H: 2, W: 3, G: 1 },
      { N: 3, C: 6, H: 3, W: 5, G: 3 },
      { N: 2, C: 4, H: 4, W: 4, G: 4 },
    ],
    refuses: [{ argument: 'gamma', shape: [3], message: 'gamma must be (C,) = (2,), got (3,)' }],
    doc: 'groups of channels of each image normalised by themselves',
  },
  softmax: {
    forward: 'softmaxLoss',
    backward: [],
    inputs: { x: (s) => [s.N as number, s.C as number] },
    out: () => [],
    labels: { count: (s) => s.N as number, below: (s) => s.C as number },
    cases: ragged({ N: [1, 4], C: [1, 2, 3, 5, 10] }),
    refuses: [{ argument: 'x', shape: [1], message: 'x must be a matrix (N, D), got (1,)' }],
    doc: 'softmax cross-entropy, mean over the batch',
  },
  softmaxSmoothed: {
    forward: 'softmaxLoss',
    backward: [],
    inputs: { x: (s) => [s.N as number, s.C as number] },
    out: () => [],
    labels: { count: (s) => s.N as number, below: (s) => s.C as number },
    options: () => ({ labelSmoothing: 0.1 }),
    cases: ragged({ N: [1, 4], C: [2, 3, 10] }),
    refuses: [],
    doc: 'softmax cross-entropy with label smoothing',
  },
  svm: {
    forward: 'svmLoss',
    backward: [],
    inputs: { x: (s) => [s.N as number, s.C as number] },
    out: () => [],
    labels: { count: (s) => s.N as number, below: (s) => s.C as number },
    cases: ragged({ N: [1, 4], C: [2, 3, 10] }),
    refuses: [],
    doc: 'multiclass hinge, mean over the batch',
  },
};
