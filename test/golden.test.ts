// Short training runs in float64 against the losses of the same runs in NumPy (fixtures/golden.py): weights, data, dropout
// masks and batches come from the same random stream, so every number must agree but for the order of summation.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import fixture from './fixtures/golden.json';
import { expectClose } from './support.js';

interface Options {
  norm?: 'batchnorm' | 'layernorm';
  keep?: number;
  reg?: number;
  loss?: 'softmax' | 'svm';
}

/** The net and its data, drawn in the order of golden.py. */
function setUp({ seed, n, dims, options }: { seed: number; n: number; dims: number[]; options: Options }) {
  const random = new lw.RandomState(seed);
  const { norm = null, keep = 1, reg = 0, loss = 'softmax' } = options;
  const [inputDim, numClasses] = [dims[0], dims.at(-1) as number];
  const model = new lw.FullyConnectedNet(dims.slice(1, -1), {
    inputDim,
    numClasses,
    normalization: norm,
    dropoutKeepRatio: keep,
    reg,
    loss,
    weightScale: 0.1,
    dtype: 'float64',
    random,
  });
  return { random, model, numClasses, X: random.randn(n, inputDim), y: random.randint(0, numClasses, n) };
}

const rules: Record<string, lw.UpdateRule> = {
  sgd: lw.sgd as lw.UpdateRule,
  sgd_momentum: lw.sgdMomentum as lw.UpdateRule,
  rmsprop: lw.rmsprop as lw.UpdateRule,
  adagrad: lw.adagrad as lw.UpdateRule,
  adam: lw.adam as lw.UpdateRule,
  adamw: lw.adamw as lw.UpdateRule,
};

describe('ten steps', () => {
  test.each(fixture.steps.map((run) => [run.name, run] as const))('%s', (_name, run) => {
    lw.scope(() => {
      const { model, X, y } = setUp({ ...run, options: run.options as Options });
      const rule = rules[run.rule];
      const configs = Object.fromEntries(model.paramNames.map((name) => [name, { learningRate: run.rate }]));
      const losses = run.losses.map(() => {
        const [loss, grads] = model.loss(X, y);
        for (const name of model.paramNames) rule(model.params[name], grads[name], configs[name]);
        return loss;
      });
      expectClose(losses, run.losses, 1e-10, 'losses');
      expect(Object.keys(run.sums).sort()).toEqual([...model.paramNames].sort());
      for (const [name, wanted] of Object.entries(run.sums as Record<string, number>)) {
        const sum = Array.from(model.params[name].data).reduce((total, v) => total + Math.abs(v), 0);
        expectClose([sum], [wanted], 1e-9 * Math.max(1, wanted), name);
      }
      expectClose(model.loss(X.rows(0, 2)).data, run.scores, 1e-9, 'scores in test mode');
      model.dispose();
    });
  });
});

describe('a run of the Solver', () => {
  test.each(fixture.solver.map((run) => [run.name, run] as const))('%s', async (_name, run) => {
    const { model, X, y, random, numClasses } = setUp({ ...run, options: run.options as Options });
    const data = {
      XTrain: X,
      yTrain: y,
      XVal: random.randn(run.val, run.dims[0]),
      yVal: random.randint(0, numClasses, run.val),
    };
    const solver = new lw.Solver(model, data, {
      updateRule: run.rule as 'sgd' | 'adam',
      optimConfig: { learningRate: run.rate },
      lrDecay: run.decay,
      batchSize: run.batch,
      numEpochs: run.epochs,
      numTrainSamples: run.samples,
      random,
      verbose: false,
    });
    await solver.train();
    expectClose(solver.lossHistory, run.losses, 1e-10, 'losses');
    expectClose(solver.trainAccHistory, run.train, 1e-12, 'accuracy on training examples');
    expectClose(solver.valAccHistory, run.valid, 1e-12, 'accuracy on validation examples');
    expect(solver.bestValAcc).toBe(Math.max(...solver.valAccHistory));
  });
});

test('a small mistake in a gradient shows in the losses', () => {
  const [run] = fixture.steps;
  lw.scope(() => {
    const { model, X, y } = setUp({ ...run, options: run.options as Options });
    const losses = run.losses.map(() => {
      const [loss, grads] = model.loss(X, y);
      for (const name of model.paramNames)
        lw.sgd(model.params[name], grads[name], { learningRate: run.rate * (1 + 1e-6) });
      return loss;
    });
    expect(() => expectClose(losses, run.losses, 1e-10, 'losses')).toThrow(/losses/);
    model.dispose();
  });
});
