// FullyConnectedNet: structure, the notebooks' figures, gradients with every option, option names.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectRefused } from '../support.js';

const float64 = { dtype: 'float64' } as const;

test('parameters of all layers, drawn in the order W1, W2, …', () => {
  const random = new lw.RandomState(9);
  const model = new lw.FullyConnectedNet([6, 5], {
    inputDim: [2, 2],
    numClasses: 3,
    normalization: 'layernorm',
    random,
  });
  const shapes = Object.fromEntries(Object.entries(model.params).map(([name, t]) => [name, t.shape]));
  expect(shapes).toEqual({
    W1: [4, 6],
    b1: [6],
    gamma1: [6],
    beta1: [6],
    W2: [6, 5],
    b2: [5],
    gamma2: [5],
    beta2: [5],
    W3: [5, 3],
    b3: [3],
  });
  expect(model.params.gamma2.min()).toBe(1);
  expect(model.params.beta2.max()).toBe(0);
  const same = new lw.RandomState(9);
  for (const name of ['W1', 'W2', 'W3']) {
    const drawn = same.randn(...model.params[name].shape);
    expect(Array.from(model.params[name].data)).toEqual(Array.from(drawn.data, (v) => Math.fround(1e-2 * v)));
    drawn.dispose();
  }
  expect(random.getState()).toEqual(same.getState());
  expect(Object.keys(model.state())).toEqual(model.paramNames);
  model.dispose();
  const plain = new lw.FullyConnectedNet([], { inputDim: 4 });
  expect(plain.paramNames).toEqual(['W1', 'b1']);
  expect(plain.params.W1.shape).toEqual([4, 10]);
  plain.dispose();
});

// Notebooks 002 and 004: one seed for the data and for both nets, one after the other.
test('the notebooks’ initial losses and gradient errors', () => {
  const random = new lw.RandomState(231);
  const X = random.randn(2, 15);
  const y = random.randint(0, 10, [2]);
  for (const [reg, initial, bound] of [
    [0, 2.3004790897684924, 1e-4],
    [3.14, 7.052114776533016, 1e-6],
  ]) {
    const model = new lw.FullyConnectedNet([20, 30], { inputDim: 15, reg, weightScale: 5e-2, random, ...float64 });
    lw.scope(() => {
      const [loss, gradients] = model.loss(X, y);
      expect(Math.abs(loss / initial - 1)).toBeLessThan(1e-13);
      for (const name of model.paramNames) {
        const numeric = lw.evalNumericalGradient(() => model.loss(X, y)[0], model.params[name], { h: 1e-5 });
        expect(lw.relError(numeric, gradients[name]), name).toBeLessThan(bound);
      }
    });
    model.dispose();
  }
  X.dispose();
  y.dispose();
});

describe('gradients', () => {
  const options: lw.FullyConnectedNetOptions[] = [
    { normalization: 'batchnorm' },
    { normalization: 'layernorm', reg: 0.3 },
    { useBatchnorm: true, dropout: 0.75, seed: 123 },
    { dropoutKeepRatio: 0.5, seed: 0, reg: 0.1 },
    { loss: 'svm' },
  ];
  test.each(options)('%o', (given) => {
    const random = new lw.RandomState(231);
    const X = random.randn(4, 15);
    const y = random.randint(0, 10, [4]);
    const model = new lw.FullyConnectedNet([8, 9], { inputDim: 15, weightScale: 0.5, random, ...float64, ...given });
    lw.scope(() => {
      const [first, gradients] = model.loss(X, y);
      // A seed makes each forward pass drop the same units.
      expect(model.loss(X, y)[0]).toBe(first);
      for (const name of model.paramNames) {
        const numeric = lw.evalNumericalGradient(() => model.loss(X, y)[0], model.params[name]);
        for (const [i, slope] of numeric.data.entries()) {
          const g = gradients[name].data[i];
          expect(Math.abs(g - slope) / Math.max(1e-3, Math.abs(g) + Math.abs(slope)), `${name}[${i}]`).toBeLessThan(
            2e-6,
          );
        }
      }
    });
    model.dispose();
    X.dispose();
    y.dispose();
  });
});

test('the seed of dropout makes the masks of the course: every layer starts the stream anew', () => {
  const random = new lw.RandomState(1);
  const model = new lw.FullyConnectedNet([6, 6], {
    inputDim: 6,
    numClasses: 6,
    dropoutKeepRatio: 0.5,
    seed: 5,
    weightScale: 0,
    random,
    ...float64,
  });
  const one = lw.scope(() =>
    lw.tensor(
      Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => Number(i === j))),
      float64,
    ),
  );
  const X = lw.ones([1, 6], float64);
  for (const name of ['W1', 'W2', 'W3']) model.params[name] = one;
  lw.scope(() => {
    const mask = Array.from(new lw.RandomState(5).rand(1, 6).data, (u) => Number(u < 0.5));
    const [, gradients] = model.loss(X, [0]);
    // dW2 = h1ᵀ dh2: rows of dropped units of the first layer and columns of those of the second are zero.
    const rows = (gradients.W2.toArray() as number[][]).map((row) => Number(row.some((v) => v !== 0)));
    const columns = mask.map((_, j) => Number((gradients.W2.toArray() as number[][]).some((row) => row[j] !== 0)));
    expect(rows).toEqual(mask);
    expect(columns).toEqual(mask);
  });
  for (const t of [one, X]) t.dispose();
  model.dispose();
});

test('dropout keep ratios 1 and 0 switch it off', () => {
  const X = lw.ones([2, 3], float64);
  const losses = [{}, { dropoutKeepRatio: 1 }, { dropoutKeepRatio: 0 }, { dropout: 1 }, { dropout: 0 }].map(
    (options) => {
      const random = new lw.RandomState(1);
      const model = new lw.FullyConnectedNet([4], { inputDim: 3, weightScale: 1, random, ...float64, ...options });
      const before = random.getState();
      const loss = lw.scope(() => model.loss(X, [0, 1])[0]);
      expect(random.getState()).toEqual(before);
      model.dispose();
      return loss;
    },
  );
  expect(new Set(losses).size).toBe(1);
  X.dispose();
});

test('option names', () => {
  const random = () => new lw.RandomState(1);
  const a = new lw.FullyConnectedNet([3], { inputDim: 4, normalization: 'batchnorm', random: random() });
  const b = new lw.FullyConnectedNet([3], { inputDim: 4, useBatchnorm: true, normalization: null, random: random() });
  expect(b.paramNames).toEqual(a.paramNames);
  expect(bits(b.params.W1)).toEqual(bits(a.params.W1));
  a.dispose();
  b.dispose();
  const make = (options: object, hidden: unknown = [3]) => {
    return () => void new lw.FullyConnectedNet(hidden as number[], options as lw.FullyConnectedNetOptions);
  };
  expectRefused(make({}, 100), lw.OptionError, /hiddenDims must be a list of numbers, got 100/);
  expectRefused(make({ dropOut: 1 }), lw.OptionError, /did you mean 'dropout'/);
  expectRefused(make({ dropout: 1, dropoutKeepRatio: 1 }), lw.OptionError, /are the same option/);
  expectRefused(make({ dropout: 1.5 }), lw.ValueError, /dropoutKeepRatio must be a finite number in \[0, 1\]/);
  expectRefused(
    make({ normalization: 'batch' }),
    lw.OptionError,
    /normalization must be one of 'batchnorm', 'layernorm'/,
  );
  expectRefused(make({ useBatchnorm: true, normalization: 'layernorm' }), lw.OptionError, /contradicts/);
  expectRefused(make({ inputDim: 4, seed: -1, dropout: 0.5 }), lw.ValueError, /seed must be/);
  expectRefused(make({ inputDim: 4 }, [3, 0]), lw.ValueError, /units must be/);
});
