// TensorFlow.js with its wasm backend, or with the one named on the command line. Its product of transposed matrices is slow, and gradients of dense layers are made of
// such products; its gradient of filters is missing. Transposing explicitly and adding up products of shifted images is what
// a user can do about it, so that is what is measured. Images are (N, H, W, C), as it prefers them.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { serve } from './serve.js';
import {
  batches,
  CLASSES,
  colourImages,
  DISTANCES,
  distanceOperands,
  distanceSamples,
  FEATURES,
  featureSamples,
  IMAGE,
  IMAGE_OPS,
  INPUTS,
  imageOperands,
  images,
  linearWeights,
  NETS,
  noise,
  PRODUCTS,
  pixels,
  productSamples,
  SOFTMAX,
  samples,
  walk,
  weights,
} from './workloads.js';

const backend = process.argv[2] ?? 'wasm';
if (!(await tf.setBackend(backend))) throw new Error(`tfjs: no backend '${backend}'`);
await tf.ready();

const matMul = tf.customGrad((x, w, save) => {
  save([x, w]);
  const gradFunc = (dout, [x, w]) => [tf.matMul(dout, tf.transpose(w)), tf.matMul(tf.transpose(x), dout)];
  return { value: tf.matMul(x, w), gradFunc };
});

/** data (N, C, H, W) as a tensor (N, H, W, C), filters (F, C, HH, WW) as (HH, WW, C, F), and the way back. */
const fromImages = (data, shape) => tf.transpose(tf.tensor(data, shape), [0, 2, 3, 1]);
const fromFilters = (data, shape) => tf.transpose(tf.tensor(data, shape), [2, 3, 1, 0]);
const toImages = (t) => tf.transpose(t, [0, 3, 1, 2]).dataSync();
const toFilters = (t) => tf.transpose(t, [3, 2, 0, 1]).dataSync();

/** Gradient of filters (HH, WW, C, F): for each row of them, one product of shifted images laid side by side. */
function filterGradient(x, dout, [HH, WW, C, F], stride, pad) {
  const [N, OH, OW] = dout.shape;
  const padded = tf.pad(x, [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ]);
  const planes = tf.transpose(padded, [3, 0, 1, 2]);
  const gradient = tf.reshape(dout, [N * OH * OW, F]);
  const rows = Array.from({ length: HH }, (_, i) => {
    const shifted = Array.from({ length: WW }, (_, j) => {
      const [h, w] = [i + stride * (OH - 1) + 1, j + stride * (OW - 1) + 1];
      const part = tf.stridedSlice(planes, [0, 0, i, j], [C, N, h, w], [1, 1, stride, stride]);
      return tf.reshape(part, [C, N * OH * OW]);
    });
    return tf.matMul(tf.concat(shifted), gradient);
  });
  return tf.reshape(tf.concat(rows), [HH, WW, C, F]);
}

const imageGradient = (dout, w, shape, stride, pad) => tf.conv2dTranspose(dout, w, shape, stride, pad, 'floor');

const convolve = (x, w, stride, pad) => {
  const op = tf.customGrad((x, w, save) => {
    save([x, w]);
    const gradFunc = (dout, [x, w]) => [
      imageGradient(dout, w, x.shape, stride, pad),
      filterGradient(x, dout, w.shape, stride, pad),
    ];
    return { value: tf.conv2d(x, w, stride, pad, 'NHWC', 1, 'floor'), gradFunc };
  });
  return op(x, w);
};

/** As convolve, of images that need no gradient. */
const convolveFirst = (x, w, stride, pad) => {
  const op = tf.customGrad((w, save) => {
    save([w]);
    const gradFunc = (dout, [w]) => filterGradient(x, dout, w.shape, stride, pad);
    return { value: tf.conv2d(x, w, stride, pad, 'NHWC', 1, 'floor'), gradFunc };
  });
  return op(w);
};

/** Every element of images twice in both directions. */
const doubled = (t) => tf.image.resizeNearestNeighbor(t, [2 * t.shape[1], 2 * t.shape[2]]);

/** Its own gradient of pooling passes over windows without a positive element, so here is one of the other kernels. */
const poolGradient = (dout, x, out) => tf.mul(tf.cast(tf.equal(x, doubled(out)), 'float32'), doubled(dout));

/** 2x2 windows side by side. */
const pool = tf.customGrad((x, save) => {
  const out = tf.maxPool(x, 2, 2, 'valid');
  save([x, out]);
  return { value: out, gradFunc: (dout, [x, out]) => poolGradient(dout, x, out) };
});

/** Whether images stay images, or become rows of numbers at once. */
const convolutional = ({ layers }) => layers.some(({ conv }) => conv);

function net(spec) {
  const drawn = weights(spec);
  const layers = walk(spec).map(([layer, before, shape]) => {
    const variable = (initial) => tf.tidy(() => tf.variable(initial()));
    if (layer === 'norm') {
      return { layer, gamma: variable(() => tf.ones([before[0]])), beta: variable(() => tf.zeros([before[0]])) };
    }
    if (!shape) return { layer };
    const [w] = drawn.shift();
    const W = variable(() => {
      if (layer.conv) return fromFilters(w, shape);
      if (before.length === 1 || !convolutional(spec)) return tf.tensor(w, shape);
      // Rows in the order in which the images are laid out here.
      return tf.reshape(tf.transpose(tf.tensor(w, [...before, shape[1]]), [1, 2, 0, 3]), shape);
    });
    return { layer, W, b: variable(() => tf.zeros([layer.conv ?? layer.affine])) };
  });
  const forward = (x) => {
    let h = x;
    for (const { layer, W, b, gamma, beta } of layers) {
      if (layer.conv) h = tf.add((h === x ? convolveFirst : convolve)(h, W, 1, (layer.size - 1) / 2), b);
      else if (layer.affine) h = tf.add(matMul(tf.reshape(h, [h.shape[0], -1]), W), b);
      else if (layer.dropout) h = tf.dropout(h, 1 - layer.dropout);
      else if (layer === 'norm') {
        const { mean, variance } = tf.moments(h, h.shape.map((_, axis) => axis).slice(0, -1));
        h = tf.batchNorm(h, mean, variance, beta, gamma, 1e-5);
      } else h = layer === 'pool' ? pool(h) : tf.relu(h);
    }
    return h;
  };
  return { forward, variables: layers.flatMap(({ layer: _, ...own }) => Object.values(own)) };
}

const OPTIMIZERS = {
  sgd: (rate) => tf.train.sgd(rate),
  momentum: (rate) => tf.train.momentum(rate, 0.9),
  adam: (rate) => tf.train.adam(rate, 0.9, 0.999, 1e-8),
};

let data;
function training(spec) {
  data ??= images();
  const { batch } = spec;
  const next = batches(data, batch);
  const { forward, variables } = net(spec);
  const optimizer = OPTIMIZERS[spec.rule](spec.rate);
  const step = () => {
    const { x, y } = next();
    const X = tf.tidy(() => (convolutional(spec) ? fromImages(x, [batch, ...IMAGE]) : tf.tensor(x, [batch, INPUTS])));
    const labels = tf.oneHot(tf.tensor1d(y, 'int32'), CLASSES);
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, forward(X)), true, variables);
    const [value] = loss.dataSync();
    tf.dispose([X, labels, loss]);
    return value;
  };
  return { run: step, verify: () => Array.from({ length: spec.losses }, step) };
}

function imageOp(spec) {
  const { stride, pad, backward, conv } = spec;
  const operands = imageOperands(spec);
  const [x, dout] = tf.tidy(() => [fromImages(operands.x, spec.x), fromImages(operands.dout, spec.out)]);
  if (!conv) {
    const out = tf.maxPool(x, 2, 2, 'valid');
    const op = backward ? () => tf.tidy(() => poolGradient(dout, x, out)) : () => tf.maxPool(x, 2, 2, 'valid');
    return { run: () => op().dispose(), verify: () => tf.tidy(() => samples(toImages(op()))) };
  }
  const w = tf.tidy(() => fromFilters(operands.w, conv));
  const b = tf.tensor(operands.b);
  if (!backward) {
    const op = () => tf.tidy(() => tf.add(tf.conv2d(x, w, stride, pad, 'NHWC', 1, 'floor'), b));
    return { run: () => op().dispose(), verify: () => tf.tidy(() => samples(toImages(op()))) };
  }
  const op = () => [
    imageGradient(dout, w, x.shape, stride, pad),
    filterGradient(x, dout, w.shape, stride, pad),
    tf.sum(dout, [0, 1, 2]),
  ];
  return {
    run: () => tf.tidy(() => void op()),
    verify: () =>
      tf.tidy(() => {
        const [dx, dw, db] = op();
        return samples(toImages(dx), toFilters(dw), db.dataSync());
      }),
  };
}

function product(n) {
  const [p, q] = [noise(n * n, 30), noise(n * n, 31)];
  const [a, b] = [tf.tensor(p, [n, n]), tf.tensor(q, [n, n])];
  const multiply = () => tf.matMul(a, b);
  return {
    run: () => multiply().dispose(),
    verify() {
      const c = multiply().dataSync();
      return productSamples(p, q, n).map(({ at }) => c[at]);
    },
  };
}

function distances(spec) {
  const operands = distanceOperands(spec);
  const [x, t] = [tf.tensor(operands.x, [spec.tests, INPUTS]), tf.tensor(operands.t, [spec.train, INPUTS])];
  const op = () =>
    tf.tidy(() => {
      const squares = tf.add(tf.sum(tf.square(x), 1, true), tf.sum(tf.square(t), 1));
      return tf.sqrt(tf.relu(tf.sub(squares, tf.mul(2, tf.matMul(x, tf.transpose(t))))));
    });
  return {
    run: () => op().dispose(),
    verify() {
      const result = op();
      const data = result.dataSync();
      result.dispose();
      return distanceSamples(spec, operands.x, operands.t).map(({ at }) => data[at]);
    },
  };
}

function linear({ steps, batch, rate, reg }) {
  const all = pixels();
  const next = batches(all, batch);
  let W = tf.tensor(linearWeights(), [INPUTS, CLASSES]);
  const gradient = ({ x, y }) => {
    const X = tf.tensor(x, [batch, INPUTS]);
    const labels = tf.oneHot(tf.tensor1d(y, 'int32'), CLASSES);
    const slopes = tf.div(tf.sub(tf.softmax(tf.matMul(X, W)), labels), batch);
    return tf.add(tf.matMul(tf.transpose(X), slopes), tf.mul(2 * reg, W));
  };
  return {
    run() {
      for (let i = 0; i < steps; i++) {
        const moved = tf.tidy(() => tf.sub(W, tf.mul(rate, gradient(next()))));
        W.dispose();
        W = moved;
      }
      W.dataSync();
    },
    verify: () => tf.tidy(() => samples(gradient(batches(all, batch)()).dataSync())),
  };
}

/** Means over cells of 8x8 pixels of (N, 32, 32, bins), as (N, columns, rows, bins). */
const cells = (t) => tf.transpose(tf.avgPool(t, 8, 8, 'valid'), [0, 2, 1, 3]);

function features({ num, bins }) {
  const images = tf.tensor(colourImages({ num }), [num, 32, 32, 3]);
  const op = () =>
    tf.tidy(() => {
      const [r, g, b] = tf.unstack(images, 3);
      const grey = tf.add(tf.add(tf.mul(r, 0.299), tf.mul(g, 0.587)), tf.mul(b, 0.144));
      const size = [num, 32, 31];
      const right = tf.sub(tf.slice(grey, [0, 0, 1], size), tf.slice(grey, [0, 0, 0], size));
      const below = tf.sub(tf.slice(grey, [0, 1, 0], [num, 31, 32]), tf.slice(grey, [0, 0, 0], [num, 31, 32]));
      const gx = tf.pad(right, [
        [0, 0],
        [0, 0],
        [0, 1],
      ]);
      const gy = tf.pad(below, [
        [0, 0],
        [0, 1],
        [0, 0],
      ]);
      const length = tf.sqrt(tf.add(tf.square(gx), tf.square(gy)));
      const place = tf.div(tf.add(tf.mul(tf.atan2(gy, tf.add(gx, 1e-15)), 180 / Math.PI), 90), 20);
      // What points to the left, or straight up, is in no bin.
      const bin = tf.where(tf.logicalAnd(tf.greater(place, 0), tf.less(place, 9)), tf.floor(place), tf.fill([1], -1));
      const orientations = Array.from({ length: 9 }, (_, i) => tf.mul(length, tf.cast(tf.equal(bin, i), 'float32')));
      const hog = tf.reshape(cells(tf.stack(orientations, 3)), [num, 144]);
      const high = tf.maximum(r, tf.maximum(g, b));
      const range = tf.sub(high, tf.minimum(r, tf.minimum(g, b)));
      const part = (p, q, from) => tf.add(tf.div(tf.sub(p, q), range), from);
      const green = tf.where(tf.equal(high, g), part(b, r, 2), part(r, g, 4));
      const hue = tf.div(tf.where(tf.equal(high, r), tf.mod(part(g, b, 6), 6), green), 6);
      const counted = tf.minimum(tf.floor(tf.mul(hue, bins)), bins - 1);
      const shares = Array.from({ length: bins }, (_, i) => tf.mean(tf.cast(tf.equal(counted, i), 'float32'), [1, 2]));
      return tf.concat([hog, tf.stack(shares, 1)], 1);
    });
  return {
    run: () => op().dispose(),
    verify() {
      const result = op();
      const data = result.dataSync();
      result.dispose();
      return featureSamples({ num, bins }, data);
    },
  };
}

const prepared = (group, prepare) => Object.entries(group).map(([name, spec]) => [name, () => prepare(spec)]);
const workloads = [
  ...prepared(NETS, training),
  ...prepared(PRODUCTS, product),
  ...prepared(IMAGE_OPS, imageOp),
  ...prepared(DISTANCES, distances),
  ...prepared(SOFTMAX, linear),
  ...prepared(FEATURES, features),
];
await serve(`tfjs ${tf.version.tfjs} ${backend}`, Object.fromEntries(workloads));
