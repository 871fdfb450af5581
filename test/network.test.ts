// The engine behind the models: gradients of every kind of net, parameters, planned memory, and layers made of layers.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, examples, expectClose, expectGradients, expectRefused, firstDifference, floats } from './support.js';

const { affine, affineRelu, batchnorm, dropout, layernorm, leakyRelu, relu, sigmoid, swish, tanh } = lw.layers;

const live = () => lw.info().memory.live;

/** x + inner(x): what a residual layer looks like to the network. */
function residual(inner: readonly lw.Layer[]): lw.Layer {
  return {
    name: 'residual',
    build(builder, input) {
      const stage = lw.chain(builder, inner, input);
      return {
        shape: input,
        keepsInput: true,
        keepsOutput: false,
        forward: (x, mode) => {
          const h = stage.forward(x, mode);
          const y = lw.add(x, h);
          if (mode === 'test') h.dispose();
          return y;
        },
        backward: (dout) => lw.add(dout, stage.backward(dout, true) as lw.Tensor),
      };
    },
  };
}

/** The same memory seen in another shape. */
const flatten: lw.Layer = {
  name: 'flatten',
  build: (_, input) => ({
    shape: [input.reduce((a, n) => a * n, 1)],
    keepsInput: false,
    keepsOutput: false,
    forward: (x) => x.reshape(x.shape[0], -1),
    backward: (dout) => dout.reshape(dout.shape[0], ...input),
  }),
};

describe('gradients against central differences', () => {
  const weightScale = 0.7;
  const nets: Record<string, { layers: lw.Layer[]; options?: Partial<lw.NetworkOptions>; shape?: number[] }> = {
    'affine alone': { layers: [affine(3, { weightScale })] },
    'fused ReLU': { layers: [affineRelu(6, { weightScale }), affine(3, { weightScale })] },
    'leaky ReLU': { layers: [affine(6, { weightScale }), leakyRelu({ slope: 0.2 }), affine(3, { weightScale })] },
    'sigmoid and tanh': { layers: [affine(5), sigmoid(), affine(4), tanh(), affine(3)] },
    swish: { layers: [affine(5), swish(), affine(3)] },
    'batch norm': { layers: [affine(5), batchnorm(), relu(), affine(3)] },
    'layer norm': { layers: [affine(5), layernorm({ eps: 1e-3 }), relu(), affine(3)] },
    'two norms after one layer': { layers: [affine(5), batchnorm(), layernorm(), affine(3)] },
    'norm first': { layers: [batchnorm(), affine(3)] },
    dropout: { layers: [affineRelu(8, { weightScale }), dropout(0.6, { seed: 3 }), affine(3, { weightScale })] },
    'dropout first': { layers: [dropout(0.8, { seed: 3 }), affineRelu(8), affine(3)] },
    'dropout that keeps all': { layers: [dropout(1), affineRelu(8), dropout(1), affine(3)] },
    'activation at the end': { layers: [affine(5), relu(), affine(3), tanh()] },
    regularisation: { layers: [affineRelu(6), batchnorm(), affine(3)], options: { reg: 0.7 } },
    'hinge loss': { layers: [affineRelu(6), affine(3)], options: { loss: 'svm', delta: 0.5, reg: 0.1 } },
    'label smoothing': { layers: [affineRelu(6), affine(3)], options: { labelSmoothing: 0.3 } },
    'images, flattened by the layer': { layers: [affineRelu(6), affine(3)], shape: [2, 2, 1] },
    'images, flattened before': { layers: [relu(), flatten, flatten, batchnorm(), affine(3)], shape: [2, 2, 1] },
    'residual blocks': {
      layers: [affine(4), residual([affineRelu(4), affine(4)]), batchnorm(), residual([relu()]), affine(3)],
    },
    'residual first': { layers: [residual([affine(4), relu(), residual([affine(4), tanh()])]), affine(3)] },
  };

  test.each(Object.entries(nets))('%s', (_, { layers, options = {}, shape = [4] }) => {
    const before = live();
    const model = new lw.Network(layers, {
      inputDim: shape,
      dtype: 'float64',
      random: new lw.RandomState(11),
      ...options,
    });
    const { X, y } = examples(7, shape, 3);
    expectGradients(model, X, y);
    // Another batch size, and scores in between, disturb nothing.
    model.loss(X).dispose();
    expectGradients(model, X.rows(0, 3), y.rows(0, 3));
    model.dispose();
    X.dispose();
    y.dispose();
    expect(live()).toBe(before);
  });
});

test.each(floats)('affineRelu is affine and relu, bit for bit (%s)', (dtype) => {
  const { X, y } = examples(6, [9], 4, dtype);
  const run = (layers: lw.Layer[]) => {
    const model = new lw.Network(layers, { inputDim: 9, dtype, reg: 0.1, random: new lw.RandomState(2) });
    const [loss, gradients] = model.loss(X, y);
    const scores = model.loss(X);
    const result = [loss, bits(scores), ...model.paramNames.map((name) => bits(gradients[name]))];
    for (const t of [scores, ...Object.values(gradients)]) t.dispose();
    model.dispose();
    return result;
  };
  expect(run([affineRelu(17), affineRelu(5), affine(4)])).toEqual(
    run([affine(17), relu(), affine(5), relu(), affine(4)]),
  );
  X.dispose();
  y.dispose();
});

describe('parameters', () => {
  const make = () =>
    new lw.Network([affine(3), batchnorm(), relu(), affine(2)], { inputDim: 4, random: new lw.RandomState(1) });

  test('names, shapes and beginnings', () => {
    const model = make();
    expect(model.paramNames).toEqual(['W1', 'b1', 'gamma1', 'beta1', 'W2', 'b2']);
    expect(Object.keys(model.params)).toEqual(model.paramNames);
    const shapes = Object.entries(model.params).map(([, t]) => t.shape);
    expect(shapes).toEqual([[4, 3], [3], [3], [3], [3, 2], [2]]);
    expect(model.params.gamma1.toArray()).toEqual([1, 1, 1]);
    expect(model.params.beta1.toArray()).toEqual([0, 0, 0]);
    expect(model.params.b2.toArray()).toEqual([0, 0]);
    expect(model.numClasses).toBe(2);
    expect(model.inputShape).toEqual([4]);
    expect(model.dtype).toBe('float32');
    const rs = new lw.RandomState(1);
    for (const [name, shape] of [
      ['W1', [4, 3]],
      ['W2', [3, 2]],
    ] as const) {
      const scale = Math.sqrt(2 / shape[0]);
      const drawn = lw.scope(() => Float32Array.from(rs.randn(...shape).data, (v) => v * scale));
      expect(Array.from(model.params[name].data)).toEqual(Array.from(drawn));
    }
    expect('gamma2' in model.params).toBe(false);
    expect(model.params.W9).toBeUndefined();
    model.dispose();
  });

  test('one list of layers makes several networks', () => {
    const layers = [affineRelu(3), affine(2)];
    const random = () => new lw.RandomState(4);
    const a = new lw.Network(layers, { inputDim: 4, random: random() });
    const b = new lw.Network(layers, { inputDim: 4, random: random(), dtype: 'float64' });
    expect(a.params.W1).not.toBe(b.params.W1);
    expect(Array.from(a.params.W1.data)).toEqual(Array.from(b.params.W1.data, Math.fround));
    a.dispose();
    b.dispose();
  });

  test('assigning copies into the planned parameter', () => {
    const model = make();
    const { params } = model;
    const W1 = params.W1;
    const given = lw.full([4, 3], 0.5);
    params.W1 = given;
    expect(params.W1).toBe(W1);
    given.dispose();
    expect(W1.toArray()).toEqual(Array(4).fill([0.5, 0.5, 0.5]));
    params.W2 = [
      [1, 2],
      [3, 4],
      [5, 6],
    ] as never;
    expect(params.W2.toArray()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    params.b1 = new Float64Array([1, 2, 3]) as never;
    expect(params.b1.toArray()).toEqual([1, 2, 3]);
    model.params = { b2: lw.scope(() => lw.ones([2])), beta1: lw.full([3], 4) };
    model.dispose();
  });

  test('what does not fit is refused, and changes nothing', () => {
    const model = make();
    const before = bits(model.params.W1);
    const set = (name: string, value: unknown) => () => {
      model.params[name] = value as lw.Tensor;
    };
    const wrong = [lw.ones([3, 4]), lw.ones([4, 3], { dtype: 'float64' }), lw.ones([4, 3], { dtype: 'int32' })];
    expectRefused(set('W1', wrong[0]), lw.ShapeError, 'params: W1 must be (4, 3), got float32 tensor (3, 4)');
    const hint = "params: W1 must be float32, got float64; use astype('float32')";
    expectRefused(set('W1', wrong[1]), lw.DTypeError, hint);
    expectRefused(set('W1', wrong[2]), lw.DTypeError, /float32, got int32/);
    expectRefused(set('W1', [[1, 2, 3]]), lw.ShapeError, /W1 must be \(4, 3\)/);
    expectRefused(set('W1', new Float32Array(11)), lw.ShapeError, /W1 must be \(4, 3\), got Float32Array\(11\)/);
    expectRefused(set('W1', [[1, 2], [3]]), lw.ShapeError, /equal lengths/);
    expectRefused(set('w1', wrong[0]), lw.OptionError, "params: unknown parameter 'w1'; did you mean 'W1'?");
    expectRefused(set('kernel', wrong[0]), lw.OptionError, /unknown parameter 'kernel'; there are W1, b1, gamma1/);
    expectRefused(() => delete model.params.W1, lw.OptionError, /W1 cannot be removed/);
    expect(firstDifference(bits(model.params.W1), before)).toBe(-1);
    for (const t of wrong) t.dispose();
    model.dispose();
  });

  test('a parameter outlives the scope in which the network was made', () => {
    const before = live();
    const model = lw.scope(() => make());
    expect(model.params.gamma1.toArray()).toEqual([1, 1, 1]);
    model.dispose();
    expect(live()).toBe(before);
  });
});

describe('inputs', () => {
  const make = (dtype: 'float32' | 'float64' = 'float32') =>
    new lw.Network([affineRelu(5), affine(3)], { inputDim: [2, 3], dtype, random: new lw.RandomState(1) });

  test('any shape of the right size, any type, or nested arrays', () => {
    const model = make();
    const { X, y } = examples(4, [2, 3], 3, 'float32');
    const integers = lw.scope(() => lw.mul(X, 8).astype('int32'));
    const forms = [X, X.reshape(4, 6), X.reshape(4, 1, 6), lw.scope(() => X.astype('float64')), X.toArray()];
    const scores = forms.map((form) => lw.scope(() => model.loss(form as lw.Tensor).toArray()));
    for (const other of scores) expect(other).toEqual(scores[0]);
    const losses = forms.map((form) => lw.scope(() => model.loss(form as lw.Tensor, y)[0]));
    for (const other of losses) expect(other).toBe(losses[0]);
    lw.scope(() => {
      const expected = model.loss(integers.astype('float32')).toArray();
      expect(model.loss(integers).toArray()).toEqual(expected);
    });
    expect(lw.scope(() => model.loss(X, y.toArray() as number[])[0])).toBe(losses[0]);
    expect(lw.scope(() => model.loss(X, y.astype('float32'))[0])).toBe(losses[0]);
    model.dispose();
  });

  test('X and y are only read', () => {
    const model = make('float64');
    const { X, y } = examples(4, [2, 3], 3);
    const before = [bits(X), bits(y)];
    lw.scope(() => model.loss(X, y));
    lw.scope(() => model.loss(X));
    lw.scope(() => model.predict(X));
    expect([bits(X), bits(y)]).toEqual(before);
    model.dispose();
  });

  test('results are the caller’s own', () => {
    const model = make('float64');
    const { X, y } = examples(4, [2, 3], 3);
    const [, first] = model.loss(X, y);
    const scores = model.loss(X);
    const copies = [bits(first.W1), bits(scores)];
    model.params.W1 = lw.scope(() => lw.mul(model.params.W1, 2));
    const [, second] = model.loss(X, y);
    model.loss(X).dispose();
    expect([bits(first.W1), bits(scores)]).toEqual(copies);
    expect(firstDifference(bits(second.W1), copies[0])).not.toBe(-1);
    // In a scope they end with it.
    const before = live();
    lw.scope(() => {
      model.loss(X, y);
      model.loss(X);
    });
    expect(live()).toBe(before);
    model.dispose();
  });

  test('wrong shapes and labels say so', () => {
    const model = make();
    const { X, y } = examples(4, [2, 3], 3, 'float32');
    const longer = lw.zeros([4, 7]);
    const none = lw.zeros([0, 6]);
    lw.scope(() => model.loss(X, y));
    expectRefused(
      () => model.loss(longer),
      lw.ShapeError,
      'loss: X must be (N, …) with 6 = 2*3 numbers for each example, got (4, 7); the model was made for inputs (2, 3)',
    );
    expectRefused(() => model.loss(none), lw.ShapeError, 'loss: X must be at least one example, got (0, 6)');
    expect(() => model.loss(X, [0, 1, 2])).toThrow(/y must be of N = 4 labels.*got 3/);
    expect(() => model.loss(X, [0, 1, 2, 3])).toThrow(/y must be whole numbers in \[0, 3\), got 3 at 3/);
    expectRefused(() => model.predict(X, { batchSize: 0 }), lw.ValueError, /batchSize/);
    // It still works afterwards.
    expect(lw.scope(() => model.loss(X, y)[0])).toBeGreaterThan(0);
    for (const t of [longer, none, X, y]) t.dispose();
    model.dispose();
  });

  test('predict gives the class of the highest score, in any batches', () => {
    const model = make('float64');
    const { X } = examples(23, [2, 3], 3);
    const wanted = lw.scope(() => model.loss(X).argmax(1).toArray());
    for (const batchSize of [1, 5, 23, 100]) {
      const labels = model.predict(X, { batchSize });
      expect([labels.dtype, labels.shape, labels.toArray()]).toEqual(['int32', [23], wanted]);
      labels.dispose();
    }
    const none = lw.zeros([0, 6]);
    expect(lw.scope(() => model.predict(none).shape)).toEqual([0]);
    model.dispose();
  });
});

test('what cannot be a network is refused and leaves nothing behind', () => {
  const make = (layers: unknown, options: unknown = { inputDim: 4 }) => {
    return () => void new lw.Network(layers as lw.Layer[], options as lw.NetworkOptions);
  };
  expectRefused(make([]), lw.OptionError, /layers must be a list of layers, got \[\]; layers.affine\(100\)/);
  expectRefused(make([affine]), lw.OptionError, /layers must be a list of layers/);
  expectRefused(make([affine(3)], {}), lw.ShapeError, /shape must be/);
  expectRefused(make([affine(3)], { inputDim: 0 }), lw.ShapeError, /inputDim must be not empty/);
  expectRefused(make([affine(3)], { inputDim: 4, dtype: 'int32' }), lw.DTypeError, /dtype must be/);
  expectRefused(make([affine(3)], { inputDim: 4, reg: -1 }), lw.ValueError, /reg must be/);
  expectRefused(make([affine(3)], { inputDim: 4, loss: 'hinge' }), lw.OptionError, /loss must be one of/);
  expectRefused(make([affine(3)], { inputDim: 4, dType: 'float64' }), lw.OptionError, /did you mean 'dtype'/);
  const images = { inputDim: [2, 2] };
  expectRefused(
    make([affine(3), flatten, batchnorm(), relu()].slice(2), images),
    lw.ShapeError,
    /batchnorm must be for rows/,
  );
  expectRefused(make([relu()], images), lw.ShapeError, /the last layer must be one score for each class, got \(2, 2\)/);
  expectRefused(() => affine(0), lw.ValueError, /affine: units must be/);
  expectRefused(() => affine(3, { weightscale: 1 } as never), lw.OptionError, /did you mean 'weightScale'/);
  expectRefused(() => dropout(0), lw.ValueError, /dropout: p must be/);
});

describe('regularisation', () => {
  test('0.5 reg sum(W²) over weights only', () => {
    const model = new lw.Network([affine(3), batchnorm(), relu(), affine(2)], { inputDim: 4, dtype: 'float64' });
    const { X, y } = examples(5, [4], 2);
    for (const name of model.paramNames) {
      const t = model.params[name];
      t.data.forEach((v, i) => {
        t.data[i] = v + 0.3;
      });
    }
    lw.scope(() => {
      const [plain, without] = model.loss(X, y);
      model.reg = 0.4;
      const [loss, gradients] = model.loss(X, y);
      const squares = lw.mul(model.params.W1, model.params.W1).sum() + lw.mul(model.params.W2, model.params.W2).sum();
      expect(loss).toBeCloseTo(plain + 0.2 * squares, 12);
      for (const name of model.paramNames) {
        const added = name.startsWith('W') ? 0.4 : 0;
        const wanted = Float64Array.from(without[name].data, (g, i) => g + added * model.params[name].data[i]);
        expectClose(gradients[name].data, wanted, 1e-14, name);
      }
    });
    expectRefused(
      () => (model.reg = Number.NaN),
      lw.ValueError,
      /model: reg must be a finite number in \[0, Infinity\)/,
    );
    expect(model.reg).toBe(0.4);
    model.dispose();
  });
});

describe('training and test mode', () => {
  test('batch norm: running averages move in training and serve in test mode', () => {
    const model = new lw.Network([affine(3), batchnorm({ momentum: 0.75 }), affine(2)], {
      inputDim: 4,
      dtype: 'float64',
    });
    const { X, y } = examples(6, [4], 2);
    const { runningMean1, runningVar1 } = model.state();
    expect(runningMean1.toArray()).toEqual([0, 0, 0]);
    lw.scope(() => model.loss(X));
    expect(runningMean1.toArray()).toEqual([0, 0, 0]);
    const hidden = lw.scope(() => lw.affineForward(X, model.params.W1, model.params.b1)[0].toArray()) as number[][];
    lw.scope(() => model.loss(X, y));
    for (let j = 0; j < 3; j++) {
      const column = hidden.map((row) => row[j]);
      const mean = column.reduce((a, b) => a + b) / 6;
      const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / 6;
      expect(runningMean1.data[j]).toBeCloseTo(0.25 * mean, 12);
      expect(runningVar1.data[j]).toBeCloseTo(0.25 * variance, 12);
    }
    // Test mode: an example's scores do not depend on its company.
    lw.scope(() => {
      const all = model.loss(X).toArray() as number[][];
      expect((model.loss(X.rows(2, 3)).toArray() as number[][])[0]).toEqual(all[2]);
    });
    model.dispose();
  });

  test('dropout: drawn from the network’s stream in training, off in test mode', () => {
    const random = new lw.RandomState(3);
    const model = new lw.Network([affineRelu(50), dropout(0.5), affine(2)], { inputDim: 4, random, dtype: 'float64' });
    const { X, y } = examples(6, [4], 2);
    lw.scope(() => {
      const [scores, again] = [model.loss(X), model.loss(X)];
      expect(bits(scores)).toEqual(bits(again));
      const before = random.getState();
      const [a] = model.loss(X, y);
      const [b] = model.loss(X, y);
      expect(a).not.toBe(b);
      random.setState(before);
      expect(model.loss(X, y)[0]).toBe(a);
      const other = new lw.RandomState(3);
      other.setState(before);
      other.rand(6, 50);
      expect(random.getState()).toEqual(other.getState());
    });
    model.dispose();
  });
});

describe('state', () => {
  const make = (seed: number) =>
    new lw.Network([affine(3), batchnorm(), relu(), affine(2)], { inputDim: 4, random: new lw.RandomState(seed) });

  test('goes from one network to another', () => {
    const [a, b] = [make(1), make(2)];
    const { X, y } = examples(6, [4], 2, 'float32');
    lw.scope(() => a.loss(X, y));
    expect(Object.keys(a.state())).toEqual([...a.paramNames.slice(0, 4), 'runningMean1', 'runningVar1', 'W2', 'b2']);
    b.loadState(a.state());
    for (const [name, t] of Object.entries(a.state())) expect(bits(b.state()[name]), name).toEqual(bits(t));
    expect(lw.scope(() => bits(a.loss(X)))).toEqual(lw.scope(() => bits(b.loss(X))));
    a.dispose();
    b.dispose();
  });

  test('is loaded whole or not at all', () => {
    const [a, b] = [make(1), make(2)];
    const before = bits(b.params.W1);
    const { W2: _, ...rest } = a.state();
    expectRefused(() => b.loadState(rest), lw.OptionError, /loadState: W2 is missing/);
    expectRefused(
      () => b.loadState({ ...a.state(), W2: a.params.W1 }),
      lw.ShapeError,
      /loadState: W2 must be \(3, 2\)/,
    );
    const hint = "loadState: unknown parameter 'runningMean2'; did you mean 'runningMean1'?";
    expectRefused(() => b.loadState({ ...a.state(), runningMean2: a.params.b1 }), lw.OptionError, hint);
    expect(bits(b.params.W1)).toEqual(before);
    a.dispose();
    b.dispose();
  });
});

describe('memory', () => {
  const layers = [
    affine(9),
    batchnorm(),
    relu(),
    dropout(0.5),
    affineRelu(7),
    layernorm(),
    residual([affine(7), swish()]),
    affine(3),
  ];

  test.each(floats)('steps, scores and predictions of known batch sizes take no memory (%s)', (dtype) => {
    const model = new lw.Network(layers, { inputDim: 5, dtype, reg: 0.1, random: new lw.RandomState(1) });
    const { X, y } = examples(12, [5], 3, 'float64');
    const rows = lw.tensor([3, 1, 4, 1, 5], { dtype: 'int32' });
    const labels = y.take(rows);
    const step = () => {
      model.lossAndGradients(model.batch(X, rows), labels);
      model.lossAndGradients(X, y);
      model.predictBatch(X);
      model.predictBatch(model.batch(X, rows));
    };
    step();
    const { live, reserved } = lw.info().memory;
    const first = Object.values(model.lossAndGradients(X, y).gradients);
    for (let i = 0; i < 200; i++) step();
    expect(lw.info().memory.live).toBe(live);
    expect(lw.info().memory.reserved).toBe(reserved);
    const last = Object.values(model.lossAndGradients(X, y).gradients);
    for (const [i, t] of last.entries()) expect(t).toBe(first[i]);
    model.dispose();
  });

  test('batch gathers rows of any type', () => {
    const model = new lw.Network([affine(3)], { inputDim: [2, 2] });
    const X = lw.arange(24, { dtype: 'float64' }).reshape(6, 4);
    const rows = lw.tensor([5, 0, 5], { dtype: 'int32' });
    const wanted = [5, 0, 5].map((i) => [
      [4 * i, 4 * i + 1],
      [4 * i + 2, 4 * i + 3],
    ]);
    for (const dtype of ['float64', 'float32', 'int32'] as const) {
      const batch = model.batch(X.astype(dtype), rows);
      expect([batch.dtype, batch.toArray()]).toEqual(['float32', wanted]);
    }
    model.dispose();
  });

  test('activations that backward does not read are used again at once', () => {
    const bytes = (layers: lw.Layer[]) => {
      const before = live();
      const model = new lw.Network(layers, { inputDim: 1 });
      const own = Object.values(model.state()).reduce((sum, t) => sum + Math.ceil(t.size / 16) * 64, 0);
      const X = lw.zeros([64, 1]);
      const y = lw.zeros([64], { dtype: 'int32' });
      model.lossAndGradients(X, y);
      model.predictBatch(X);
      const taken = live() - before - own;
      model.dispose();
      X.dispose();
      y.dispose();
      return taken;
    };
    const unit = 64 * 1024 * 4;
    // Training keeps x̂ and the ReLU's output and needs two more on the way back; test mode needs three.
    expect(bytes([affine(1024), batchnorm(), relu(), affine(1)]) / unit).toBeLessThan(7.5);
    // Each of ten layers keeps its input, two more go back; test mode needs two at a time, however many layers there are.
    const many = Array.from({ length: 10 }, () => swish());
    expect(bytes([affine(1024), ...many, affine(1)]) / unit).toBeLessThan(15.5);
  });

  test('a network that finds no room leaves nothing behind', async () => {
    const { build, threads } = lw.info();
    await lw.init({ build, threads, maxMemory: 2 ** 22 });
    const before = live();
    const random = new lw.RandomState(1);
    const large = [affine(1000), affine(1000), affine(10)];
    expectRefused(() => void new lw.Network(large, { inputDim: 100, random }), lw.MemoryError, /no room/);
    const model = new lw.Network([affine(100), affine(10)], { inputDim: 100, random });
    const { X, y } = examples(20, [100], 10, 'float32');
    const { X: tooMany, y: labels } = examples(3000, [100], 10, 'float32');
    expectRefused(() => model.loss(tooMany, labels), lw.MemoryError, /no room/);
    expect(lw.scope(() => model.loss(X, y)[0])).toBeGreaterThan(0);
    model.dispose();
    for (const t of [X, y, tooMany, labels]) t.dispose();
    expect(live()).toBe(before);
    await lw.init({ build, threads });
  });
});

test('activations: what comes out of every layer in test mode, for the caller, with nothing of the model changed', () => {
  const model = new lw.Network([affine(6), batchnorm(), relu(), dropout(0.5), affine(3)], { inputDim: [4] });
  const { X } = examples(5, [4], 3, 'float32');
  const before = Object.values(model.state()).map(bits);
  const found = model.activations(X);
  expect(found.map(({ name, output }) => [name, output.shape])).toEqual([
    ['affine', [5, 6]],
    ['batchnorm', [5, 6]],
    ['relu', [5, 6]],
    ['dropout', [5, 6]],
    ['affine', [5, 3]],
  ]);
  const scores = model.loss(X);
  expect(bits(found[4].output)).toEqual(bits(scores));
  expect([...found[2].output.data]).toEqual([...found[1].output.data].map((v) => Math.max(0, v)));
  expect(bits(found[3].output)).toEqual(bits(found[2].output));
  expect(Object.values(model.state()).map(bits)).toEqual(before);
  for (const t of [scores, X, ...found.map(({ output }) => output)]) t.dispose();
  expect(() => model.activations(lw.zeros([5, 3]))).toThrow(lw.ShapeError);
  model.dispose();
});
