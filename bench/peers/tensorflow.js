// TensorFlow.js with its wasm backend. Its product of transposed matrices is slow, and gradients of dense layers are made of
// such products; transposing explicitly is what a user can do about it, so that is what is measured.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { serve } from './serve.js';
import {
  BATCH,
  batches,
  CLASSES,
  INPUTS,
  images,
  LEARNING_RATE,
  NETS,
  noise,
  PRODUCTS,
  productSamples,
  weights,
} from './workloads.js';

await tf.setBackend('wasm');
await tf.ready();

const matMul = tf.customGrad((x, w, save) => {
  save([x, w]);
  const gradFunc = (dout, [x, w]) => [tf.matMul(dout, tf.transpose(w)), tf.matMul(tf.transpose(x), dout)];
  return { value: tf.matMul(x, w), gradFunc };
});

function net({ norm, keep, ...spec }) {
  const layers = weights(spec).map(([w, inputs, outputs], i) => ({
    W: tf.variable(tf.tensor(w, [inputs, outputs])),
    b: tf.variable(tf.zeros([outputs])),
    ...(norm && i < spec.hidden.length
      ? { gamma: tf.variable(tf.ones([outputs])), beta: tf.variable(tf.zeros([outputs])) }
      : {}),
  }));
  const forward = (x) => {
    let h = x;
    for (const { W, b, gamma, beta } of layers) {
      h = tf.add(matMul(h, W), b);
      if (W === layers.at(-1).W) break;
      if (gamma) {
        const { mean, variance } = tf.moments(h, 0);
        h = tf.batchNorm(h, mean, variance, beta, gamma, 1e-5);
      }
      h = tf.relu(h);
      if (keep < 1) h = tf.dropout(h, 1 - keep);
    }
    return h;
  };
  return { forward, variables: layers.flatMap((layer) => Object.values(layer)) };
}

let data;
function training(spec) {
  data ??= images();
  const next = batches(data);
  const { forward, variables } = net(spec);
  const optimizer = spec.rule === 'adam' ? tf.train.adam(LEARNING_RATE, 0.9, 0.999, 1e-8) : tf.train.sgd(LEARNING_RATE);
  const step = () => {
    const { x, y } = next();
    const X = tf.tensor(x, [BATCH, INPUTS]);
    const labels = tf.oneHot(tf.tensor1d(y, 'int32'), CLASSES);
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, forward(X)), true, variables);
    const [value] = loss.dataSync();
    tf.dispose([X, labels, loss]);
    return value;
  };
  return { run: step, verify: () => Array.from({ length: 4 }, step) };
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

const steps = Object.entries(NETS).map(([name, spec]) => [name, () => training(spec)]);
const products = Object.entries(PRODUCTS).map(([name, n]) => [name, () => product(n)]);
await serve(`tfjs ${tf.version.tfjs} wasm`, Object.fromEntries([...steps, ...products]));
