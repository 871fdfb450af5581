/**
 * The work that all contestants do, in numbers that every language can make alike: pseudorandom ones from a hash of their
 * position. numpy.py has the same definitions.
 */

export const IMAGES = 10_000;
export const IMAGE = [3, 32, 32];
export const INPUTS = 3072;
export const CLASSES = 10;

const hidden = (affine, norm = [], dropout = []) => [{ affine }, ...norm, 'relu', ...dropout];
const FIVE = [100, 100, 100, 100, 100];
const dense = { batch: 100, rate: 1e-3, losses: 4 };
const large = { rate: 1e-4, losses: 3 };
const deep = (...norm) => [
  ...[64, 128, 256].flatMap((conv) => {
    const one = [{ conv, size: 3 }, ...norm, 'relu'];
    return [...one, ...one, 'pool'];
  }),
  { affine: CLASSES },
];

/**
 * Layers of each net, its batch, update rule and learning rate; scale of the weights, default He's; losses: how many are
 * compared. Convolutions keep the size of the images, pooling is 2x2, norm is batch norm, dropout says what is kept.
 */
export const NETS = {
  'two-layer step': { ...dense, rule: 'sgd', scale: 1e-2, layers: [...hidden(100), { affine: CLASSES }] },
  'six-layer step': {
    ...dense,
    rule: 'adam',
    scale: 5e-2,
    layers: [...FIVE.flatMap((units) => hidden(units)), { affine: CLASSES }],
  },
  'six-layer step, batch norm, dropout': {
    ...dense,
    rule: 'adam',
    scale: 5e-2,
    layers: [...FIVE.flatMap((units) => hidden(units, ['norm'], [{ dropout: 0.5 }])), { affine: CLASSES }],
  },
  'three-layer conv step': {
    ...large,
    batch: 50,
    rule: 'adam',
    layers: [{ conv: 32, size: 7 }, 'relu', 'pool', ...hidden(500), { affine: CLASSES }],
  },
  'three-layer conv step, batch norm': {
    ...large,
    batch: 50,
    rule: 'adam',
    layers: [{ conv: 64, size: 3 }, 'norm', 'relu', 'pool', ...hidden(500, ['norm']), { affine: CLASSES }],
  },
  'six convs step': { ...large, batch: 128, rule: 'momentum', layers: deep() },
  'six convs step, batch norm': { ...large, batch: 128, rule: 'momentum', layers: deep('norm') },
};

/** One direction of one layer: the benchmarks of the course's notebook. conv: filters. */
export const IMAGE_OPS = {
  'convolution forward': { x: [100, 3, 31, 31], conv: [25, 3, 3, 3], stride: 2, pad: 1, out: [100, 25, 16, 16] },
  'convolution backward': {
    x: [100, 3, 31, 31],
    conv: [25, 3, 3, 3],
    stride: 2,
    pad: 1,
    out: [100, 25, 16, 16],
    backward: true,
  },
  'pooling forward': { x: [100, 3, 32, 32], out: [100, 3, 16, 16] },
  'pooling backward': { x: [100, 3, 32, 32], out: [100, 3, 16, 16], backward: true },
};

/**
 * Euclidean distances of each row of one matrix from each row of another, as of nearest neighbours; bytes: of images as they are
 * stored, in whole numbers, which the course takes.
 */
export const DISTANCES = {
  'distances 500 x 5000 x 3072': { tests: 500, train: 5000 },
  'distances of bytes 500 x 5000 x 3072': { tests: 500, train: 5000, bytes: true },
};

/** Steps of a linear classifier on images with a regularisation of reg sum(W²): the course's, of which it takes 1,500. */
export const SOFTMAX = { 'softmax, 100 steps': { steps: 100, batch: 200, rate: 1e-7, reg: 2.5e4 } };

/** HOG (nine bins, cells of 8x8 pixels) and a histogram of hue for each image, as the course computes them. */
export const FEATURES = { 'features of 1,000 images': { num: 1000, bins: 25 } };

export const PRODUCTS = { 'product 256': 256, 'product 512': 512, 'product 1024': 1024 };
export const LOAD = 'load 60,000 images';

/** 32 well mixed bits of i, for each i from `from` on. */
function mix(i) {
  let x = Math.imul(i + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

const STREAM = 100_000_000;

/** count uniform numbers of mean 0 and standard deviation `scale`; each stream is another sequence. */
export function noise(count, stream, scale = 1) {
  const width = scale * Math.sqrt(12);
  return Float32Array.from({ length: count }, (_, i) => (mix(stream * STREAM + i) / 2 ** 32 - 0.5) * width);
}

/** count whole numbers in [0, high), from the given place in the stream on. */
export function integers(count, stream, high, from = 0) {
  return Int32Array.from({ length: count }, (_, i) => mix(stream * STREAM + from + i) % high);
}

export function images() {
  return { X: noise(IMAGES * INPUTS, 0), y: integers(IMAGES, 1, CLASSES) };
}

export const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);

/**
 * What each layer works on, [[layer, shape of one example before it, shape of its weights or undefined], ...]: (F, C, HH, WW)
 * or (inputs, units).
 */
export function walk({ layers }) {
  let shape = IMAGE;
  return layers.map((layer) => {
    const before = shape;
    if (layer.conv) {
      shape = [layer.conv, ...shape.slice(1)];
      return [layer, before, [layer.conv, before[0], layer.size, layer.size]];
    }
    if (layer.affine) {
      shape = [layer.affine];
      return [layer, before, [sizeOf(before), layer.affine]];
    }
    if (layer === 'pool') shape = [shape[0], shape[1] / 2, shape[2] / 2];
    return [layer, before, undefined];
  });
}

/** [[W, its shape], ...] of a net; biases start at 0, gamma at 1, beta at 0. */
export function weights(spec) {
  const shapes = walk(spec).flatMap(([, , shape]) => (shape ? [shape] : []));
  return shapes.map((shape, i) => {
    const inputs = shape.length === 4 ? sizeOf(shape.slice(1)) : shape[0];
    return [noise(sizeOf(shape), 10 + i, spec.scale ?? Math.sqrt(2 / inputs)), shape];
  });
}

/** Which images make up the batch of a step: drawn with replacement. */
export function batchRows(step, batch) {
  return integers(batch, 2, IMAGES, batch * step);
}

/** A function that copies the next batch out of the images: { x, y }. */
export function batches({ X, y }, batch) {
  let step = 0;
  return () => {
    const rows = batchRows(step++, batch);
    const x = new Float32Array(batch * INPUTS);
    rows.forEach((row, i) => {
      x.set(X.subarray(row * INPUTS, (row + 1) * INPUTS), i * INPUTS);
    });
    return { x, y: rows.map((row) => y[row]) };
  };
}

/** Two matrices of rows. */
export function distanceOperands({ tests, train, bytes }) {
  const rows = (n, stream) =>
    bytes ? Float32Array.from(integers(n * INPUTS, stream, 256)) : noise(n * INPUTS, stream);
  return { x: rows(tests, 50), t: rows(train, 51) };
}

/** Some of the distances (tests, train), in float64. */
export function distanceSamples({ tests, train }, x, t) {
  return Array.from({ length: 16 }, (_, s) => {
    const [i, j] = [(s * 37) % tests, (s * 331 + 5) % train];
    let sum = 0;
    for (let k = 0; k < INPUTS; k++) sum += (x[i * INPUTS + k] - t[j * INPUTS + k]) ** 2;
    return { at: i * train + j, value: Math.sqrt(sum) };
  });
}

/** Images with numbers of the size of pixels, and their labels. */
export function pixels() {
  return { X: noise(IMAGES * INPUTS, 0, 64), y: integers(IMAGES, 1, CLASSES) };
}

/** First weights (INPUTS, CLASSES) of a linear classifier. */
export const linearWeights = () => noise(INPUTS * CLASSES, 60, 1e-3);

/** Colour images (num, 32, 32, 3) with values in [0, 255), which lie on no edge of a bin. */
export function colourImages({ num }) {
  return Float32Array.from(noise(num * INPUTS, 70), (v) => 255 * Math.min(0.999, v / Math.sqrt(12) + 0.5));
}

/** Some of the features (num, 144 + bins): of the histogram of hue a hundred times the share, so that it counts as much. */
export function featureSamples({ num, bins }, data) {
  const columns = 144 + bins;
  return Array.from({ length: 64 }, (_, s) => {
    const [row, column] = [(s * 79 + 5) % num, (s * 23) % columns];
    return data[row * columns + column] * (column < 144 ? 1 : 100);
  });
}

/** Operands of one of IMAGE_OPS: x, dout, and the filters w and their biases b of a convolution. */
export function imageOperands({ x, conv, out }) {
  const [images, gradients] = [noise(sizeOf(x), 40), noise(sizeOf(out), 41)];
  if (!conv) return { x: images, dout: gradients };
  return { x: images, dout: gradients, w: noise(sizeOf(conv), 42), b: noise(conv[0], 43) };
}

/** Some elements of each of the results, which are in the order N, C, H, W. */
export function samples(...results) {
  return results.flatMap((data) => Array.from({ length: 16 }, (_, s) => data[(s * 7919 + 5) % data.length]));
}

/** Some elements of the product of two n x n matrices, in float64. */
export function productSamples(a, b, n) {
  return Array.from({ length: 16 }, (_, s) => {
    const i = (s * 37) % n;
    const j = (s * 101 + 5) % n;
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
    return { at: i * n + j, value: sum };
  });
}
