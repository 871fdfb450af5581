// Nets with the settings that suit them, by the name they have in the address of the page. The nets are what lw.ConvNet takes;
// the page adds the shape of the images and the number of classes.

/** What training settings are where neither a preset nor the address says otherwise. */
const TRAINING = {
  rule: 'adam',
  rate: 2e-3,
  reg: 0,
  batch: 100,
  epochs: 20,
  schedule: 'constant',
  flip: false,
  crop: 0,
};

export const presets = {
  quick: {
    title: 'Small convolutional net',
    note: 'Three convolutions with batch norm. Learns the drawn shapes in seconds.',
    spec: {
      norm: 'batchnorm',
      layers: [
        { conv: 16, size: 5, stride: 2, weightScale: 1e-3 },
        { maxPool: 2 },
        { conv: 32 },
        { maxPool: 2 },
        { conv: 64 },
      ],
    },
    training: { rate: 2e-3 },
  },
  linear: {
    title: 'Linear classifier',
    note: 'One template for each class, nothing else. What can it not learn?',
    spec: { weightScale: 1e-4, layers: [] },
    training: { rate: 3e-5 },
  },
  'two-layer': {
    title: 'Two-layer net',
    note: 'A hundred hidden units between pixels and classes.',
    spec: { weightScale: 1e-3, layers: [{ affine: 100 }] },
    training: { rule: 'sgd', rate: 1e-3 },
  },
  classic: {
    title: 'Classic convolutional net',
    note: 'Three times convolution and pooling, 5 by 5 filters: the net of many first demos.',
    // Pixels are some sixty times as large as what later layers get, so the first weights are smaller.
    spec: {
      layers: [
        { conv: 16, size: 5, weightScale: 2.5e-3 },
        { maxPool: 2 },
        { conv: 20, size: 5 },
        { maxPool: 2 },
        { conv: 20, size: 5 },
        { maxPool: 2 },
      ],
    },
    training: { rate: 1e-3, batch: 50, reg: 1e-4 },
  },
  deep: {
    title: 'Deep residual net',
    note: 'Seven convolutions, two of them around a shortcut. For CIFAR-10 and some patience.',
    spec: {
      norm: 'batchnorm',
      layers: [
        { conv: 32 },
        { maxPool: 2 },
        { conv: 64 },
        { conv: 96 },
        { maxPool: 2 },
        { residual: [{ conv: 96 }, { conv: 96 }] },
        { conv: 192 },
        { maxPool: 2 },
        'globalAvgPool',
      ],
    },
    training: {
      rule: 'nesterov',
      rate: 0.05,
      reg: 5e-4,
      batch: 128,
      epochs: 12,
      schedule: 'linear',
      flip: true,
      crop: 4,
    },
  },
};

/** All training settings of a preset; of a net of the visitor's own, the general ones. */
export const trainingOf = (net) => ({ ...TRAINING, ...presets[net]?.training });

/** Update rules by name: what the Solver is told. */
export const rules = {
  sgd: { title: 'SGD', updateRule: 'sgd' },
  momentum: { title: 'SGD, momentum', updateRule: 'sgdMomentum' },
  nesterov: { title: 'SGD, Nesterov', updateRule: 'sgdMomentum', optimConfig: { nesterov: true } },
  rmsprop: { title: 'RMSProp', updateRule: 'rmsprop' },
  adam: { title: 'Adam', updateRule: 'adam' },
  adagrad: { title: 'AdaGrad', updateRule: 'adagrad' },
};

export const schedules = {
  constant: { title: 'constant' },
  linear: { title: 'linear to zero' },
  cosine: { title: 'cosine' },
  oneCycle: { title: 'one cycle', warmup: 0.3 },
};
