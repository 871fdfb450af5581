// jax-js on its wasm device, every step one jitted function. Its arrays are counted: an operation uses its operands up, and
// .ref keeps one for another use.
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, random, tree, valueAndGrad } from '@jax-js/jax';
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

const devices = await init('wasm');
if (!devices.includes('wasm')) throw new Error('jax-js: no wasm device');
defaultDevice('wasm');

const array = (data, shape) => np.array(data, { shape, dtype: np.float32 });

function batchnorm(x, gamma, beta) {
  const centred = x.ref.sub(np.mean(x, [0], { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), [0], { keepdims: true });
  const inverse = np.reciprocal(np.sqrt(variance.add(1e-5)));
  return centred.mul(inverse).mul(gamma).add(beta);
}

function parameters({ norm, ...spec }) {
  const entries = weights(spec).flatMap(([w, inputs, outputs], i) => [
    [`W${i}`, array(w, [inputs, outputs])],
    [`b${i}`, np.zeros([outputs])],
    ...(norm && i < spec.hidden.length
      ? [
          [`gamma${i}`, np.ones([outputs])],
          [`beta${i}`, np.zeros([outputs])],
        ]
      : []),
  ]);
  return Object.fromEntries(entries);
}

/** Mean cross-entropy; masks: already divided by the share that is kept, one for each hidden layer. */
function lossOf({ hidden, norm }) {
  return (params, x, labels, masks) => {
    let h = x;
    for (let i = 0; i <= hidden.length; i++) {
      h = np.matmul(h, params[`W${i}`]).add(params[`b${i}`]);
      if (i === hidden.length) break;
      if (norm) h = batchnorm(h, params[`gamma${i}`], params[`beta${i}`]);
      h = nn.relu(h);
      if (masks.length > 0) h = h.mul(masks[i]);
    }
    return np.sum(nn.logSoftmax(h, -1).mul(labels)).mul(-1 / BATCH);
  };
}

function dropoutMasks({ hidden, keep }, key) {
  if (keep === 1) {
    key.dispose();
    return [];
  }
  const keys = random.split(key, hidden.length);
  const masks = hidden.map((units, i) => {
    return random
      .bernoulli(keys.ref.slice(i), keep, [BATCH, units])
      .astype(np.float32)
      .mul(1 / keep);
  });
  keys.dispose();
  return masks;
}

/** New parameter and new state; rate: with the corrections of this step in it. */
const RULES = {
  sgd: { slots: 0, update: (w, g, _state, rate) => [w.sub(g.mul(rate)), []] },
  adam: {
    slots: 2,
    update(w, g, [m, v], rate) {
      const mean = m.mul(0.9).add(g.ref.mul(0.1));
      const square = v.mul(0.999).add(np.square(g).mul(0.001));
      const move = mean.ref.mul(rate).div(np.sqrt(square.ref).add(1e-8));
      return [w.sub(move), [mean, square]];
    },
  },
};

function rateOf(rule, t) {
  return rule === 'adam' ? (LEARNING_RATE * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t) : LEARNING_RATE;
}

let data;
function training(spec) {
  data ??= images();
  const next = batches(data);
  const { slots, update } = RULES[spec.rule];
  let params = parameters(spec);
  let state = Object.fromEntries(
    Object.entries(params).map(([name, w]) => [name, Array.from({ length: slots }, () => np.zeros(w.shape))]),
  );
  const differentiate = valueAndGrad(lossOf(spec));
  const train = jit((params, state, rate, x, labels, key) => {
    const [loss, gradients] = differentiate(tree.ref(params), x, labels, dropoutMasks(spec, key));
    const nextParams = {};
    const nextState = {};
    for (const [name, w] of Object.entries(params)) {
      [nextParams[name], nextState[name]] = update(w, gradients[name], state[name], rate.ref);
    }
    rate.dispose();
    return [nextParams, nextState, loss];
  });
  let t = 0;
  const step = async () => {
    const { x, y } = next();
    const labels = new Float32Array(BATCH * CLASSES);
    y.forEach((label, i) => {
      labels[i * CLASSES + label] = 1;
    });
    t++;
    const rate = np.array(rateOf(spec.rule, t));
    const result = train(
      params,
      state,
      rate,
      array(x, [BATCH, INPUTS]),
      array(labels, [BATCH, CLASSES]),
      random.key(t),
    );
    let loss;
    [params, state, loss] = result;
    const [value] = await loss.data();
    await blockUntilReady(params);
    return value;
  };
  const verify = async () => {
    const losses = [];
    for (let i = 0; i < 4; i++) losses.push(await step());
    return losses;
  };
  return { run: step, verify };
}

function product(n) {
  const [p, q] = [noise(n * n, 30), noise(n * n, 31)];
  const [a, b] = [array(p, [n, n]), array(q, [n, n])];
  const multiply = jit((a, b) => np.matmul(a, b));
  return {
    async run() {
      const c = multiply(a.ref, b.ref);
      await blockUntilReady(c);
      c.dispose();
    },
    async verify() {
      const c = await multiply(a.ref, b.ref).data();
      return productSamples(p, q, n).map(({ at }) => c[at]);
    },
  };
}

const steps = Object.entries(NETS).map(([name, spec]) => [name, () => training(spec)]);
const products = Object.entries(PRODUCTS).map(([name, n]) => [name, () => product(n)]);
await serve('jax-js wasm', Object.fromEntries([...steps, ...products]));
