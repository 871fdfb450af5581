/** lanewise's side of the comparison: its tasks, and what everybody's results must be. */
import { disposeAll, load } from '../groups/load.js';
import * as steps from '../groups/steps.js';
import { features } from './plain.js';
import {
  batches,
  batchRows,
  CLASSES,
  colourImages,
  DISTANCES,
  distanceOperands,
  distanceSamples,
  FEATURES,
  featureSamples,
  IMAGE,
  IMAGE_OPS,
  IMAGES,
  INPUTS,
  imageOperands,
  LOAD,
  linearWeights,
  NETS,
  noise,
  PRODUCTS,
  pixels,
  productSamples,
  SOFTMAX,
  samples as samplesOf,
  weights,
} from './workloads.js';

/** Of ours in bench/groups/steps.js. */
const OURS = {
  'two-layer step': 'two-layer, 100 hidden, sgd',
  'six-layer step': 'six-layer, 5 x 100 hidden, adam',
  'six-layer step, batch norm, dropout': 'six-layer, batch norm, dropout 0.5, adam',
  'three-layer conv step': 'three-layer conv, 32 of 7x7, 500 hidden, adam',
  'three-layer conv step, batch norm': 'conv, batch norm, 64 of 3x3, 500 hidden, adam',
  'six convs step': 'six convs, momentum',
  'six convs step, batch norm': 'six convs, batch norm, momentum',
};

const UPDATES = { sgd: 'sgd', momentum: 'sgdMomentum', adam: 'adam' };

/** Losses of the first steps, from the weights and batches that all contestants start with, without the Solver. */
function ourLosses(lw, workload, data) {
  const spec = NETS[workload];
  const { batch } = spec;
  return lw.scope(() => {
    const model = steps.NETS[OURS[workload]].make(lw, { random: new lw.RandomState(1) });
    weights(spec).forEach(([w, shape], i) => {
      model.params[`W${i + 1}`] = lw.tensor(w, { shape });
    });
    const configs = {};
    const losses = Array.from({ length: spec.losses }, (_, step) => {
      const rows = batchRows(step, batch);
      const x = new Float32Array(batch * INPUTS);
      rows.forEach((row, i) => {
        x.set(data.X.subarray(row * INPUTS, (row + 1) * INPUTS), i * INPUTS);
      });
      const y = rows.map((row) => data.y[row]);
      const [loss, gradients] = model.loss(lw.tensor(x, { shape: [batch, ...IMAGE] }), y);
      for (const name of model.paramNames) {
        configs[name] ??= { learningRate: spec.rate };
        lw[UPDATES[spec.rule]](model.params[name], gradients[name], configs[name]);
      }
      return loss;
    });
    for (const config of Object.values(configs)) disposeAll(config);
    model.dispose();
    return losses;
  });
}

/** The benchmark of one layer: op() gives tensors, by the plain loops if `naive`. */
function ourImageOp(lw, workload, { naive = false, dtype = 'float32' } = {}) {
  const { x: shape, conv, stride, pad, out: outShape, backward } = IMAGE_OPS[workload];
  const { x, dout, w, b } = imageOperands(IMAGE_OPS[workload]);
  const operand = (data, shape) => lw.tensor(data, { shape, dtype });
  const [images, gradient] = [operand(x, shape), operand(dout, outShape)];
  const operands = conv ? [images, operand(w, conv), operand(b, [conv[0]])] : [images];
  const name = conv ? 'conv' : 'maxPool';
  const ending = naive ? 'Naive' : '';
  const param = conv ? { stride, pad } : { poolHeight: 2, poolWidth: 2, stride: 2 };
  const forward = () => lw[`${name}Forward${ending}`](...operands, param);
  const [out, cache] = forward();
  out.dispose();
  const op = backward ? () => [lw[`${name}Backward${ending}`](gradient, cache)].flat() : () => forward().slice(0, 1);
  return {
    run: () => {
      for (const tensor of op()) tensor.dispose();
    },
    verify: () => lw.scope(() => samplesOf(...op().map(({ data }) => data))),
    dispose: () => {
      for (const tensor of [...operands, gradient]) tensor.dispose();
    },
  };
}

/** Distances of the nearest-neighbour classifier. */
function ourDistances(lw, workload) {
  const { tests, train } = DISTANCES[workload];
  const operands = distanceOperands(DISTANCES[workload]);
  const x = lw.tensor(operands.x, { shape: [tests, INPUTS] });
  const t = lw.tensor(operands.t, { shape: [train, INPUTS] });
  const knn = new lw.KNearestNeighbor();
  knn.train(t, new Int32Array(train));
  return {
    run: () => knn.computeDistancesNoLoops(x).dispose(),
    verify() {
      const { data } = lw.scope(() => knn.computeDistancesNoLoops(x));
      return distanceSamples(DISTANCES[workload], operands.x, operands.t).map(({ at }) => data[at]);
    },
    dispose() {
      for (const made of [knn, x, t]) made.dispose();
    },
  };
}

/** Training of the linear classifier; verified is the gradient of the first batch. */
function ourSoftmax(lw, workload) {
  const { steps: numIters, batch: batchSize, rate: learningRate, reg } = SOFTMAX[workload];
  const all = pixels();
  const X = lw.tensor(all.X, { shape: [IMAGES, INPUTS] });
  const y = lw.tensor(all.y, { dtype: 'int32' });
  const W = lw.tensor(linearWeights(), { shape: [INPUTS, CLASSES] });
  const classifier = new lw.Softmax();
  classifier.W = W;
  return {
    run: () => void classifier.train(X, y, { numIters, batchSize, learningRate, reg }),
    verify: () =>
      lw.scope(() => {
        const first = batches(all, batchSize)();
        const x = lw.tensor(first.x, { shape: [batchSize, INPUTS] });
        return samplesOf(lw.softmaxLossVectorized(W, x, first.y, reg)[1].data);
      }),
    dispose() {
      for (const made of [classifier, X, y, W]) made.dispose();
    },
  };
}

function ourFeatures(lw, workload) {
  const { num, bins } = FEATURES[workload];
  const images = lw.tensor(colourImages({ num }), { shape: [num, 32, 32, 3] });
  const extract = () => lw.extractFeatures(images, [lw.hogFeature, lw.features.hsv({ nbin: bins })]);
  return {
    run: () => extract().dispose(),
    verify: () => lw.scope(() => featureSamples(FEATURES[workload], extract().data)),
    dispose: () => images.dispose(),
  };
}

/** The gradient of the first batch in float64, by the naive loops. */
function softmaxGradient(lw, { batch, reg }) {
  return lw.scope(() => {
    const { x, y } = batches(pixels(), batch)();
    const options = { dtype: 'float64' };
    const X = lw.tensor(x, { shape: [batch, INPUTS], ...options });
    const W = lw.tensor(linearWeights(), { shape: [INPUTS, CLASSES], ...options });
    return samplesOf(lw.softmaxLossNaive(W, X, y, reg)[1].data);
  });
}

/** What everybody's verify() must give, and how far it may be off. Dropout masks differ, so these losses only resemble. */
export function expectation(workload, lw, data) {
  if (workload in NETS) {
    const masks = NETS[workload].layers.some(({ dropout }) => dropout);
    return { values: ourLosses(lw, workload, data), tolerance: masks ? 0.3 : 1e-3 };
  }
  if (workload in IMAGE_OPS) {
    const { verify, dispose } = ourImageOp(lw, workload, { naive: true, dtype: 'float64' });
    const values = verify();
    dispose();
    return { values, tolerance: 1e-5 };
  }
  if (workload in PRODUCTS) {
    const n = PRODUCTS[workload];
    const samples = productSamples(noise(n * n, 30), noise(n * n, 31), n);
    return { values: samples.map(({ value }) => value), tolerance: 1e-4 };
  }
  if (workload in DISTANCES) {
    const spec = DISTANCES[workload];
    const { x, t } = distanceOperands(spec);
    return { values: distanceSamples(spec, x, t).map(({ value }) => value), tolerance: 1e-4 };
  }
  if (workload in SOFTMAX) return { values: softmaxGradient(lw, SOFTMAX[workload]), tolerance: 1e-4 };
  if (workload in FEATURES) {
    const spec = FEATURES[workload];
    return { values: featureSamples(spec, features(spec, colourImages(spec))), tolerance: 1e-3 };
  }
  return undefined;
}

export function check(who, workload, got, wanted) {
  if (!wanted) return;
  const { values, tolerance } = wanted;
  const scale = Math.max(...values.map(Math.abs));
  got.forEach((value, i) => {
    if (Math.abs(value - values[i]) <= tolerance * scale) return;
    throw new Error(`${who}, ${workload}: ${value} instead of ${values[i]}`);
  });
}

/** Our task for a workload on one engine: { run, verify, dispose }. */
export function ours(workload, { lw }, folder) {
  if (workload in NETS) {
    const { step, dispose } = steps.stepper(lw, steps.NETS[OURS[workload]], IMAGES);
    return { run: step, dispose };
  }
  if (workload in IMAGE_OPS) return ourImageOp(lw, workload);
  if (workload in DISTANCES) return ourDistances(lw, workload);
  if (workload in SOFTMAX) return ourSoftmax(lw, workload);
  if (workload in FEATURES) return ourFeatures(lw, workload);
  if (workload === LOAD) return { run: async () => disposeAll(await load(lw, folder)), dispose() {} };
  const n = PRODUCTS[workload];
  const [a, b] = [30, 31].map((stream) => lw.tensor(noise(n * n, stream), { shape: [n, n] }));
  return {
    run: () => lw.matmul(a, b).dispose(),
    verify() {
      const c = lw.matmul(a, b);
      const at = productSamples(new Float32Array(n * n), new Float32Array(n * n), n).map((sample) => c.data[sample.at]);
      c.dispose();
      return at;
    },
    dispose() {
      a.dispose();
      b.dispose();
    },
  };
}
