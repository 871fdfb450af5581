// TwoLayerNet: beginnings, the notebooks' figures, option names.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused } from '../support.js';

const float64 = { dtype: 'float64' } as const;

/** Notebook 002, cell 64: a small net with parameters on straight lines, and its inputs. */
function notebook() {
  const model = new lw.TwoLayerNet({ inputDim: 5, hiddenDim: 50, numClasses: 7, ...float64 });
  lw.scope(() => {
    model.params.W1 = lw.linspace(-0.7, 0.3, 250, float64).reshape(5, 50);
    model.params.b1 = lw.linspace(-0.1, 0.9, 50, float64);
    model.params.W2 = lw.linspace(-0.3, 0.4, 350, float64).reshape(50, 7);
    model.params.b2 = lw.linspace(-0.9, 0.1, 7, float64);
  });
  const X = lw.scope(() => lw.linspace(-5.5, 4.5, 15, float64).reshape(5, 3).transpose());
  return { model, X, y: [0, 5, 1] };
}

test('weights are drawn in the order W1, W2, scaled in float64; biases are 0', () => {
  const random = new lw.RandomState(231);
  const model = new lw.TwoLayerNet({
    inputDim: 5,
    hiddenDim: 50,
    numClasses: 7,
    weightScale: 1e-3,
    random,
    ...float64,
  });
  expect(model.paramNames).toEqual(['W1', 'b1', 'W2', 'b2']);
  const same = new lw.RandomState(231);
  for (const [name, shape] of [
    ['W1', [5, 50]],
    ['W2', [50, 7]],
  ] as const) {
    const drawn = same.randn(...shape);
    expect(model.params[name].shape).toEqual(shape);
    expect(Array.from(model.params[name].data)).toEqual(Array.from(drawn.data, (v) => 1e-3 * v));
    drawn.dispose();
  }
  expect(random.getState()).toEqual(same.getState());
  expect(model.params.b1.max()).toBe(0);
  expect(model.params.b2.min()).toBe(0);
  // The same numbers, rounded, in float32.
  const small = new lw.TwoLayerNet({ inputDim: 5, hiddenDim: 50, numClasses: 7, random: new lw.RandomState(231) });
  expect(small.dtype).toBe('float32');
  expect(Array.from(small.params.W2.data)).toEqual(Array.from(model.params.W2.data, Math.fround));
  model.dispose();
  small.dispose();
});

test('defaults are those of CIFAR-10', () => {
  const model = new lw.TwoLayerNet();
  expect(model.params.W1.shape).toEqual([3072, 100]);
  expect(model.params.W2.shape).toEqual([100, 10]);
  expect(model.reg).toBe(0);
  expect(model.params.W1.std()).toBeCloseTo(1e-3, 5);
  model.dispose();
  lw.setDefaultDType('float64');
  const wide = new lw.TwoLayerNet({ inputDim: 2, hiddenDim: 2 });
  lw.setDefaultDType('float32');
  expect(wide.dtype).toBe('float64');
  wide.dispose();
});

describe('the notebooks’ figures', () => {
  test('scores', () => {
    const { model, X } = notebook();
    const scores = model.loss(X);
    const wanted = [
      11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096, 12.05769098,
      12.74614105, 13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143, 12.58373087, 13.20054771,
      13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.2846319,
    ];
    expect(scores.shape).toEqual([3, 7]);
    expectClose(scores.data, wanted, 1e-8, 'scores');
    expect(lw.scope(() => model.predict(X).toArray())).toEqual([6, 6, 6]);
    model.dispose();
  });

  test('loss without and with regularisation', () => {
    const { model, X, y } = notebook();
    const loss = () => lw.scope(() => model.loss(X, y)[0]);
    expect(loss()).toBeCloseTo(3.4702243555953918, 12);
    model.reg = 1;
    expect(loss()).toBeCloseTo(26.594842695238583, 12);
    model.dispose();
  });

  test.each([0, 0.7])('gradients with reg %d', (reg) => {
    const { model, X, y } = notebook();
    model.reg = reg;
    lw.scope(() => {
      const [, gradients] = model.loss(X, y);
      for (const name of model.paramNames) {
        const numeric = lw.evalNumericalGradient(() => model.loss(X, y)[0], model.params[name]);
        expect(lw.relError(numeric, gradients[name]), name).toBeLessThan(1e-6);
      }
    });
    model.dispose();
  });
});

test('option names', () => {
  const random = () => new lw.RandomState(1);
  const a = new lw.TwoLayerNet({ inputDim: 4, hiddenDim: 3, random: random() });
  for (const hiddenDims of [[3], 3]) {
    const b = new lw.TwoLayerNet({ inputDim: 4, hiddenDims, random: random() });
    expect(bits(b.params.W1)).toEqual(bits(a.params.W1));
    b.dispose();
  }
  a.dispose();
  const make = (options: object) => () => void new lw.TwoLayerNet(options as lw.TwoLayerNetOptions);
  const message = "TwoLayerNet: unknown option 'hidden'; there are inputDim, loss, reg, dtype, random";
  expectRefused(make({ hidden: 3 }), lw.OptionError, new RegExp(message));
  expectRefused(make({ hidden_dim: 3 }), lw.OptionError, /did you mean 'hiddenDim'/);
  expectRefused(make({ hiddenDim: 3, hiddenDims: [3] }), lw.OptionError, /are the same option/);
  expectRefused(make({ hiddenDims: [3, 4] }), lw.OptionError, /hiddenDims must be one number, got \[3, 4\]/);
  expectRefused(make({ inputDim: 4, hiddenDim: 2.5 }), lw.ValueError, /units must be an integer/);
  expectRefused(make({ inputDim: 4, weightScale: -1 }), lw.ValueError, /weightScale must be/);
});
