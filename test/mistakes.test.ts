// Mistakes that figures of the course's notebooks come from, the other way round: here they cannot be made, or show.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';

const float64 = { dtype: 'float64' } as const;
const list = (t: lw.Tensor) => Array.from(t.data);

describe('nearest neighbours', () => {
  const y = Int32Array.from({ length: 40 }, (_, i) => i % 4);

  test('pixels are not taken for distances', () => {
    const X = new lw.RandomState(1).randn(40, 7);
    const knn = new lw.KNearestNeighbor();
    knn.train(X.rows(0, 32), y.subarray(0, 32));
    // The rows of a fold, where their distances belong.
    expect(() => knn.predictLabels(X.rows(32), 3)).toThrow(
      'predictLabels: dists must be (M, N) with N = 32 training examples, got (8, 7)',
    );
    knn.dispose();
  });

  test('a fold is compared with all of its labels', () => {
    const labels = Int32Array.from({ length: 40 }, (_, i) => (i * i) % 3);
    const wide = lw.tensor(
      Array.from(labels, (label) => [100 * label, label]),
      float64,
    );
    expect(lw.crossValidateKnn(wide, labels, { folds: 5, ks: [1] })).toEqual({ 1: [1, 1, 1, 1, 1] });
    wide.dispose();
  });
});

test('naive and vectorised losses agree on images of any scale', () => {
  lw.scope(() => {
    const random = new lw.RandomState(2);
    for (const scale of [1 / 255, 1, 64]) {
      const X = lw.mul(random.randn(30, 12), scale);
      const y = random.randint(0, 4, 30) as lw.Tensor;
      const W = lw.mul(random.randn(12, 4), 1e-2);
      const [naive, dNaive] = lw.softmaxLossNaive(W, X, y, 5e-6);
      const [fast, dFast] = lw.softmaxLossVectorized(W, X, y, 5e-6);
      expect(Math.abs(naive - fast)).toBeLessThan(1e-12);
      expect(lw.relError(dNaive, dFast)).toBeLessThan(1e-9);
    }
  });
});

/** A net that has learned something, and what it learned from. */
async function trained(options: lw.SolverOptions, net: lw.FullyConnectedNetOptions = {}) {
  const random = new lw.RandomState(3);
  const XTrain = random.randn(60, 6);
  const yTrain = Int32Array.from({ length: 60 }, (_, i) => (XTrain.data[6 * i] > 0 ? 1 : 0));
  const data = { XTrain, yTrain, XVal: XTrain, yVal: yTrain };
  const model = new lw.FullyConnectedNet([16], {
    ...{ inputDim: 6, numClasses: 2, weightScale: 0.1, random: new lw.RandomState(4), ...float64 },
    ...net,
  });
  const settings = { numEpochs: 12, batchSize: 20, verbose: false, random: new lw.RandomState(5) };
  const solver = new lw.Solver(model, data, { ...settings, ...options });
  await solver.train();
  return { model, solver, XTrain, yTrain };
}

test('there is an rmsprop, and it trains', async () => {
  const { solver, model } = await trained({ updateRule: 'rmsprop', optimConfig: { learningRate: 1e-2 } });
  expect(solver.bestValAcc).toBeGreaterThan(0.9);
  expect(solver.lossHistory.at(-1)).toBeLessThan(0.5 * solver.lossHistory[0]);
  solver.dispose();
  model.dispose();
});

test('the best model is a model: its scores are those of the best accuracy, and it can be saved', async () => {
  const { solver, model, XTrain, yTrain } = await trained({ updateRule: 'adam', optimConfig: { learningRate: 1e-2 } });
  const predicted = lw.scope(() => list(model.predict(XTrain)));
  expect(predicted.filter((label, i) => label === yTrain[i]).length / 60).toBe(solver.bestValAcc);
  for (const name of model.paramNames)
    expect(list(model.params[name])).toEqual(Array.from(solver.bestParams[name].data));
  solver.dispose();
  model.dispose();
});

test('batch norm leaves training mode: the scores of an example do not hang on its neighbours', async () => {
  const { solver, model, XTrain } = await trained({}, { normalization: 'batchnorm' });
  lw.scope(() => {
    const all = model.loss(XTrain);
    for (const i of [0, 17, 59]) {
      const alone = model.loss(XTrain.rows(i, i + 1));
      expect(lw.relError(alone, all.rows(i, i + 1))).toBeLessThan(1e-12);
    }
  });
  solver.dispose();
  model.dispose();
});

test('a missing mode, or one under its own name, is refused', () => {
  lw.scope(() => {
    const [x, gamma, beta] = [lw.ones([4, 3]), lw.ones([3]), lw.zeros([3])];
    // What writing bn_param[mode] = mode comes to.
    const param = { train: 'train' } as unknown as lw.BatchnormParam;
    expect(() => lw.batchnormForward(x, gamma, beta, param)).toThrow(/^batchnormForward: /);
  });
});

test('first losses of the convolutional net: log C, and half of reg times the squares of the weights', () => {
  for (const [reg, useBatchnorm, options] of [
    [0.001, false, { numFilters: 32, filterSize: 7 }],
    [0.005, true, { numFilters: 64, filterSize: 3 }],
  ] as const) {
    lw.scope(() => {
      const random = new lw.RandomState(6);
      const net = { ...options, hiddenDim: 500, reg, useBatchnorm, random, ...float64 };
      const model = new lw.ThreeLayerConvNet(net);
      const weights = ['W1', 'W2', 'W3'].reduce((sum, name) => sum + model.params[name].size, 0);
      const X = random.normal(0, 60, [4, 3, 32, 32]);
      const loss = model.loss(X, [0, 3, 5, 9])[0];
      const centre = Math.log(10) + 0.5 * reg * 1e-6 * weights;
      expect(centre).toBeCloseTo(useBatchnorm ? 2.3231 : 2.30464, 4);
      // Weights of 1e-3 make scores of some thousandths, which batch norm does not enlarge.
      expect(Math.abs(loss - centre)).toBeLessThan(0.05);
      model.dispose();
    });
  }
});
