// ConvNetJS: one example after the other, in float64. Its trainer has no Adam, so parameters are updated here in all nets.
// It has no batch norm.
import convnetjs from 'convnetjs';
import { serve } from './serve.js';
import {
  batches,
  CLASSES,
  IMAGE,
  INPUTS,
  images,
  linearWeights,
  NETS,
  pixels,
  SOFTMAX,
  samples,
  walk,
  weights,
} from './workloads.js';

/** Elements of images (C, H, W) in the order (H, W, C), which is its own. */
function interleaved(data, [C, H, W]) {
  return Float64Array.from({ length: C * H * W }, (_, i) => data[(i % C) * H * W + Math.floor(i / C)]);
}

/** The net with the weights that all contestants start with; it puts the last affine layer in front of the softmax itself. */
function net(spec) {
  const [C, H, W] = convolutional(spec) ? IMAGE : [INPUTS, 1, 1];
  const made = [{ type: 'input', out_sx: W, out_sy: H, out_depth: C }];
  for (const layer of spec.layers.slice(0, -1)) {
    if (layer.conv)
      made.push({ type: 'conv', sx: layer.size, filters: layer.conv, stride: 1, pad: (layer.size - 1) / 2 });
    else if (layer.affine) made.push({ type: 'fc', num_neurons: layer.affine });
    else if (layer === 'relu') made.at(-1).activation = 'relu';
    else made.push({ type: 'pool', sx: 2, stride: 2 });
  }
  made.push({ type: 'softmax', num_classes: CLASSES });
  const result = new convnetjs.Net();
  result.makeLayers(made);
  const weighted = result.layers.filter(({ filters }) => filters);
  const places = walk(spec).filter(([, , shape]) => shape);
  for (const [i, [w, shape]] of weights(spec).entries()) {
    const [{ conv }, before] = places[i];
    const { filters, biases } = weighted[i];
    biases.w.fill(0);
    for (const [f, filter] of filters.entries()) {
      const size = filter.w.length;
      // Filters are rows, units are columns.
      const own = Float64Array.from({ length: size }, (_, k) => (conv ? w[f * size + k] : w[k * shape[1] + f]));
      const images = conv ? shape.slice(1) : before;
      filter.w.set(images.length === 3 && convolutional(spec) ? interleaved(own, images) : own);
    }
  }
  return result;
}

const convolutional = ({ layers }) => layers.some(({ conv }) => conv);

/** Updates the parameters p from the sums g of a batch's gradients, which are set to zero. */
const RULES = {
  sgd:
    () =>
    (p, g, { rate, batch }) => {
      for (let i = 0; i < p.length; i++) {
        p[i] -= (rate * g[i]) / batch;
        g[i] = 0;
      }
    },
  momentum(size) {
    const v = new Float64Array(size);
    return (p, g, { rate, batch }) => {
      for (let i = 0; i < size; i++) {
        v[i] = 0.9 * v[i] - (rate * g[i]) / batch;
        p[i] += v[i];
        g[i] = 0;
      }
    };
  },
  adam(size) {
    const m = new Float64Array(size);
    const v = new Float64Array(size);
    let t = 0;
    return (p, g, { rate, batch }) => {
      t++;
      const corrected = (rate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t);
      for (let i = 0; i < size; i++) {
        const gradient = g[i] / batch;
        m[i] = 0.9 * m[i] + 0.1 * gradient;
        v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
        p[i] -= (corrected * m[i]) / (Math.sqrt(v[i]) + 1e-8);
        g[i] = 0;
      }
    };
  },
};

let data;
function training(spec) {
  data ??= images();
  const next = batches(data, spec.batch);
  const model = net(spec);
  const rules = model.getParamsAndGrads().map(({ params }) => RULES[spec.rule](params.length));
  const vol = convolutional(spec) ? new convnetjs.Vol(32, 32, 3, 0) : new convnetjs.Vol(1, 1, INPUTS, 0);
  const step = () => {
    const { x, y } = next();
    let loss = 0;
    for (const [i, label] of y.entries()) {
      const image = x.subarray(i * INPUTS, (i + 1) * INPUTS);
      vol.w.set(convolutional(spec) ? interleaved(image, IMAGE) : image);
      model.forward(vol, true);
      loss += model.backward(label);
    }
    // Its list of gradients is made anew each time.
    for (const [i, { params, grads }] of model.getParamsAndGrads().entries()) rules[i](params, grads, spec);
    return loss / spec.batch;
  };
  return { run: step, verify: () => Array.from({ length: spec.losses }, step) };
}

/** A net of nothing but the softmax; its weights are rows. */
function linear({ steps, batch, rate, reg }) {
  const all = pixels();
  const next = batches(all, batch);
  const model = new convnetjs.Net();
  model.makeLayers([
    { type: 'input', out_sx: 1, out_sy: 1, out_depth: INPUTS },
    { type: 'softmax', num_classes: CLASSES },
  ]);
  const { filters, biases } = model.layers.find((layer) => layer.filters);
  const W = linearWeights();
  for (const [c, { w }] of filters.entries()) w.set(Float64Array.from(w, (_, d) => W[d * CLASSES + c]));
  biases.w.fill(0);
  const vol = new convnetjs.Vol(1, 1, INPUTS, 0);
  /** Sums of the gradients of a batch, added to what the layers hold. */
  const backward = ({ x, y }) => {
    for (const [i, label] of y.entries()) {
      vol.w.set(x.subarray(i * INPUTS, (i + 1) * INPUTS));
      model.forward(vol, true);
      model.backward(label);
    }
  };
  const step = () => {
    backward(next());
    for (const { w, dw } of filters) {
      for (let d = 0; d < INPUTS; d++) {
        w[d] -= rate * (dw[d] / batch + 2 * reg * w[d]);
        dw[d] = 0;
      }
    }
  };
  return {
    run() {
      for (let i = 0; i < steps; i++) step();
    },
    verify() {
      backward(batches(all, batch)());
      const gradient = new Float64Array(INPUTS * CLASSES);
      for (const [c, { w, dw }] of filters.entries()) {
        for (let d = 0; d < INPUTS; d++) gradient[d * CLASSES + c] = dw[d] / batch + 2 * reg * w[d];
        dw.fill(0);
      }
      return samples(gradient);
    },
  };
}

const plain = Object.entries(NETS).filter(
  ([, { layers }]) => !layers.some((layer) => layer === 'norm' || layer.dropout),
);
const steps = plain.map(([name, spec]) => [name, () => training(spec)]);
const others = Object.entries(SOFTMAX).map(([name, spec]) => [name, () => linear(spec)]);
await serve('convnetjs 0.3.0', Object.fromEntries([...steps, ...others]));
