/**
 * The work that all contestants do, in numbers that every language can make alike: pseudorandom ones from a hash of their
 * position. numpy.py has the same definitions.
 */

export const IMAGES = 10_000;
export const INPUTS = 3072;
export const CLASSES = 10;
export const BATCH = 100;
export const LEARNING_RATE = 1e-3;

/** rule, scale of the weights, and for each hidden layer affine - [batch norm] - ReLU - [dropout]. */
export const NETS = {
  'two-layer step': { hidden: [100], rule: 'sgd', scale: 1e-2, norm: false, keep: 1 },
  'six-layer step': { hidden: [100, 100, 100, 100, 100], rule: 'adam', scale: 5e-2, norm: false, keep: 1 },
  'six-layer step, batch norm, dropout': {
    hidden: [100, 100, 100, 100, 100],
    rule: 'adam',
    scale: 5e-2,
    norm: true,
    keep: 0.5,
  },
};

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

/** [[W, inputs, outputs], ...], the weights of a net; biases start at 0, gamma at 1, beta at 0. */
export function weights({ hidden, scale }) {
  const sizes = [INPUTS, ...hidden, CLASSES];
  return sizes.slice(1).map((M, i) => [noise(sizes[i] * M, 10 + i, scale), sizes[i], M]);
}

/** Which images make up the batch of a step: drawn with replacement. */
export function batchRows(step) {
  return integers(BATCH, 2, IMAGES, BATCH * step);
}

/** A function that copies the next batch out of the images: { x, y }. */
export function batches({ X, y }) {
  let step = 0;
  return () => {
    const rows = batchRows(step++);
    const x = new Float32Array(BATCH * INPUTS);
    rows.forEach((row, i) => {
      x.set(X.subarray(row * INPUTS, (row + 1) * INPUTS), i * INPUTS);
    });
    return { x, y: rows.map((row) => y[row]) };
  };
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
