// jax-js on its wasm device, every step one jitted function. Its arrays are counted: an operation uses its operands up, and
// .ref keeps one for another use.
import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  lax,
  nn,
  numpy as np,
  random,
  tree,
  valueAndGrad,
  vjp,
} from '@jax-js/jax';
import { serve } from './serve.js';
import {
  batches,
  CLASSES,
  DISTANCES,
  distanceOperands,
  distanceSamples,
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

const devices = await init('wasm');
if (!devices.includes('wasm')) throw new Error('jax-js: no wasm device');
defaultDevice('wasm');

const array = (data, shape) => np.array(data, { shape, dtype: np.float32 });

const convolve = (x, w, b, stride, pad) => {
  const padding = [pad, pad];
  return lax.conv(x, w, [stride, stride], [padding, padding]).add(b.reshape([1, -1, 1, 1]));
};

/** 2x2 windows side by side. */
function pool(x) {
  const [N, C, H, W] = x.shape;
  return np.max(x.reshape([N, C, H / 2, 2, W / 2, 2]), [3, 5]);
}

/** Over all axes but the second. */
function batchnorm(x, gamma, beta) {
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const wide = x.shape.map((n, axis) => (axis === 1 ? n : 1));
  const centred = x.ref.sub(np.mean(x, axes, { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), axes, { keepdims: true });
  const inverse = np.reciprocal(np.sqrt(variance.add(1e-5)));
  return centred.mul(inverse).mul(gamma.reshape(wide)).add(beta.reshape(wide));
}

/** By the number of the layer. */
function parameters(spec) {
  const drawn = weights(spec);
  const entries = walk(spec).flatMap(([layer, before, shape], i) => {
    if (layer === 'norm') {
      const channels = [before[0]];
      return [
        [`gamma${i}`, np.ones(channels)],
        [`beta${i}`, np.zeros(channels)],
      ];
    }
    if (!shape) return [];
    const bias = np.zeros([layer.conv ?? layer.affine]);
    return [
      [`W${i}`, array(...drawn.shift())],
      [`b${i}`, bias],
    ];
  });
  return Object.fromEntries(entries);
}

/** Mean cross-entropy; masks: already divided by the share that is kept, one for each dropout layer. */
function lossOf({ layers, batch }) {
  return (params, x, labels, masks) => {
    let h = x;
    let dropped = 0;
    layers.forEach((layer, i) => {
      const own = (name) => params[`${name}${i}`];
      if (layer.conv) h = convolve(h, own('W'), own('b'), 1, (layer.size - 1) / 2);
      else if (layer.affine) h = np.matmul(h.reshape([batch, -1]), own('W')).add(own('b'));
      else if (layer.dropout) h = h.mul(masks[dropped++]);
      else if (layer === 'norm') h = batchnorm(h, own('gamma'), own('beta'));
      else h = layer === 'pool' ? pool(h) : nn.relu(h);
    });
    return np.sum(nn.logSoftmax(h, -1).mul(labels)).mul(-1 / batch);
  };
}

function dropoutMasks(spec, key) {
  const dropouts = walk(spec).filter(([{ dropout }]) => dropout);
  if (dropouts.length === 0) {
    key.dispose();
    return [];
  }
  const keys = random.split(key, dropouts.length);
  const masks = dropouts.map(([{ dropout: keep }, before], i) => {
    return random
      .bernoulli(keys.ref.slice(i), keep, [spec.batch, ...before])
      .astype(np.float32)
      .mul(1 / keep);
  });
  keys.dispose();
  return masks;
}

/** New parameter and new state; rate: with the corrections of this step in it. */
const RULES = {
  sgd: { slots: 0, update: (w, g, _state, rate) => [w.sub(g.mul(rate)), []] },
  momentum: {
    slots: 1,
    update(w, g, [v], rate) {
      const velocity = v.mul(0.9).sub(g.mul(rate));
      return [w.add(velocity.ref), [velocity]];
    },
  },
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

function rateOf({ rule, rate }, t) {
  return rule === 'adam' ? (rate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t) : rate;
}

let data;
function training(spec) {
  data ??= images();
  const { batch } = spec;
  const next = batches(data, batch);
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
    const labels = new Float32Array(batch * CLASSES);
    y.forEach((label, i) => {
      labels[i * CLASSES + label] = 1;
    });
    t++;
    const rate = np.array(rateOf(spec, t));
    const result = train(
      params,
      state,
      rate,
      array(x, [batch, ...IMAGE]),
      array(labels, [batch, CLASSES]),
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
    for (let i = 0; i < spec.losses; i++) losses.push(await step());
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

function imageOp(spec) {
  const { x, w, b, dout } = imageOperands(spec);
  const operands = [array(x, spec.x), ...(spec.conv ? [array(w, spec.conv), array(b, [spec.conv[0]])] : [])];
  const forward = spec.conv ? (x, w, b) => convolve(x, w, b, spec.stride, spec.pad) : pool;
  const gradient = array(dout, spec.out);
  // The output that the gradients come with is not asked for, so jit can leave out what only it needs.
  const gradients = jit((gradient, ...operands) => {
    const [out, back] = vjp(forward, operands);
    out.dispose();
    const results = back(gradient);
    back.dispose();
    return results;
  });
  const once = jit(forward);
  const op = () => {
    const kept = operands.map((operand) => operand.ref);
    return spec.backward ? gradients(gradient.ref, ...kept) : [once(...kept)];
  };
  return {
    async run() {
      const results = op();
      await blockUntilReady(results);
      tree.dispose(results);
    },
    verify: async () => samples(...(await Promise.all(op().map((result) => result.data())))),
  };
}

function distances(spec) {
  const operands = distanceOperands(spec);
  const [x, t] = [array(operands.x, [spec.tests, INPUTS]), array(operands.t, [spec.train, INPUTS])];
  const op = jit((x, t) => {
    const squares = np.sum(np.square(x.ref), 1, { keepdims: true }).add(np.sum(np.square(t.ref), 1));
    return np.sqrt(np.maximum(squares.sub(np.matmul(x, t.transpose()).mul(2)), 0));
  });
  return {
    async run() {
      const result = op(x.ref, t.ref);
      await blockUntilReady(result);
      result.dispose();
    },
    async verify() {
      const data = await op(x.ref, t.ref).data();
      return distanceSamples(spec, operands.x, operands.t).map(({ at }) => data[at]);
    },
  };
}

function linear({ steps, batch, rate, reg }) {
  const all = pixels();
  const next = batches(all, batch);
  const gradientOf = (W, x, labels) => {
    const slopes = nn
      .softmax(np.matmul(x.ref, W.ref), -1)
      .sub(labels)
      .mul(1 / batch);
    return np.matmul(x.transpose(), slopes).add(W.mul(2 * reg));
  };
  const operands = ({ x, y }) => {
    const labels = new Float32Array(batch * CLASSES);
    y.forEach((label, i) => {
      labels[i * CLASSES + label] = 1;
    });
    return [array(x, [batch, INPUTS]), array(labels, [batch, CLASSES])];
  };
  const move = jit((W, x, labels) => W.ref.sub(gradientOf(W, x, labels).mul(rate)));
  const gradient = jit(gradientOf);
  let W = array(linearWeights(), [INPUTS, CLASSES]);
  return {
    async run() {
      for (let i = 0; i < steps; i++) {
        W = move(W, ...operands(next()));
        await blockUntilReady(W);
      }
    },
    verify: async () => samples(await gradient(W.ref, ...operands(batches(all, batch)())).data()),
  };
}

const prepared = (group, prepare) => Object.entries(group).map(([name, spec]) => [name, () => prepare(spec)]);
const workloads = [
  ...prepared(NETS, training),
  ...prepared(PRODUCTS, product),
  ...prepared(IMAGE_OPS, imageOp),
  ...prepared(DISTANCES, distances),
  ...prepared(SOFTMAX, linear),
];
await serve('jax-js wasm', Object.fromEntries(workloads));
