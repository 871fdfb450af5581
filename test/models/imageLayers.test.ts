// Layers of images inside a network: gradients of whole nets, modes, memory, and what is refused.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, examples, expectClose, expectGradients, expectRefused, floats, scaleOf } from '../support.js';

const {
  affine,
  affineRelu,
  avgPool,
  batchnorm,
  conv,
  convBnRelu,
  convRelu,
  dropout,
  globalAvgPool,
  groupnorm,
  layernorm,
  leakyRelu,
  maxPool,
  relu,
  residual,
  swish,
  tanh,
} = lw.layers;

const live = () => lw.info().memory.live;

interface Net {
  layers: lw.Layer[];
  shape?: number[];
  options?: Partial<lw.NetworkOptions>;
}

function build({ layers, shape = [2, 6, 5], options = {} }: Net, dtype: 'float32' | 'float64' = 'float64') {
  return new lw.Network(layers, { inputDim: shape, dtype, random: new lw.RandomState(11), ...options });
}

/** The same memory in another shape, which is all that the network is told of it. */
const flat: lw.Layer = {
  name: 'flat',
  build: (_, input) => ({
    shape: [input.reduce((a, n) => a * n, 1)],
    keepsInput: false,
    keepsOutput: false,
    forward: (x) => x.reshape(x.shape[0], -1),
    backward: (dout) => dout.reshape(dout.shape[0], ...input),
  }),
};

const nets: Record<string, Net> = {
  conv: { layers: [conv(3), leakyRelu({ slope: 0.3 }), affine(3)] },
  'conv of even filters': { layers: [conv(3, { size: 2, pad: 1 }), tanh(), affine(3)] },
  'conv of rectangular filters': {
    layers: [conv(3, { size: [3, 2], pad: 0 }), conv(2, { size: [1, 4], pad: 2 }), affine(3)],
  },
  'conv of stride 2': { layers: [conv(3, { stride: 2 }), tanh(), conv(2, { size: 1, stride: 2, pad: 0 }), affine(3)] },
  'filters of 1, 5 and 7': { layers: [conv(2, { size: 1 }), conv(2, { size: 5 }), conv(1, { size: 7 }), affine(3)] },
  'scores of a convolution': { layers: [convRelu(2), conv(3, { size: [6, 5], pad: 0 }), flat] },
  convRelu: { layers: [convRelu(3), convRelu(2, { stride: 2, pad: 2 }), affine(3)] },
  'convRelu after a stage that needs no gradient': { layers: [tanh(), convRelu(3), affine(3)] },
  convBnRelu: { layers: [convBnRelu(3), convBnRelu(2, { size: [2, 3], pad: 1, stride: 2, eps: 1e-3 }), affine(3)] },
  'max pooling after a ReLU': { layers: [convRelu(3), maxPool(2), convBnRelu(2), maxPool(2), affine(3)] },
  'max pooling of wide images after a ReLU': {
    layers: [convRelu(3), maxPool(2), affine(3)],
    shape: [2, 4, 22],
  },
  'max pooling of overlapping windows': {
    layers: [conv(2), maxPool(3, { stride: 1 }), maxPool([2, 1], { stride: 1 }), affine(3)],
  },
  'max pooling after a ReLU and a dropout that keeps all': { layers: [convRelu(3), dropout(1), maxPool(2), affine(3)] },
  'average pooling': { layers: [convRelu(3), avgPool(2), affine(3)] },
  'average pooling of overlapping windows': {
    layers: [conv(2), avgPool(3, { stride: 2 }), avgPool([2, 1], { stride: 1 }), affine(3)],
  },
  'global average pooling': { layers: [convRelu(3), globalAvgPool(), affine(3)] },
  'global average pooling at the end': { layers: [conv(3), globalAvgPool()] },
  'pooling first': { layers: [maxPool(2), avgPool(2, { stride: 1 }), affine(3)] },
  'batch norm of images and of rows': {
    layers: [conv(2), batchnorm(), relu(), affine(4), batchnorm(), tanh(), affine(3)],
  },
  'norms first': { layers: [batchnorm(), groupnorm(2), affine(3)] },
  'group norm': { layers: [conv(4), groupnorm(2, { eps: 1e-3 }), relu(), conv(2), groupnorm(1), tanh(), affine(3)] },
  'layer norm behind the images': { layers: [convRelu(2), affine(4), layernorm(), tanh(), affine(3)] },
  dropout: { layers: [convRelu(3), dropout(0.7, { seed: 3 }), maxPool(2), dropout(0.5, { seed: 1 }), affine(3)] },
  'residual: nothing around': { layers: [convRelu(2), residual([convRelu(2), conv(2)]), affine(3)] },
  'residual: batch norms': {
    layers: [convBnRelu(2), residual([convBnRelu(2), conv(2), batchnorm()]), globalAvgPool(), affine(3)],
  },
  'residual: projection': { layers: [residual([convBnRelu(3, { stride: 2 }), conv(3)]), globalAvgPool(), affine(3)] },
  'residual: projection of channels only': { layers: [residual([convRelu(3)]), affine(3)] },
  'residual: stride of more than 2': { layers: [residual([maxPool(3), conv(2)]), affine(3)], shape: [2, 6, 6] },
  'residual: a shortcut of its own': {
    layers: [
      residual([conv(3, { stride: 2 })], { shortcut: [avgPool(2, { stride: 2 }), conv(3, { size: 1 })] }),
      affine(3),
    ],
    shape: [2, 6, 4],
  },
  'residual: a shortcut that keeps its output': {
    layers: [
      residual([conv(3), relu()], { shortcut: [convRelu(3)] }),
      residual([swish()], { shortcut: [tanh()] }),
      affine(3),
    ],
  },
  'residual: no ReLU': {
    layers: [residual([convRelu(2), conv(2)], { relu: false }), residual([tanh()], { relu: false }), affine(3)],
  },
  'residual: nested': {
    layers: [
      conv(2),
      residual([residual([conv(2), relu()]), residual([convBnRelu(3, { stride: 2 })], { relu: false }), convRelu(3)]),
      affine(3),
    ],
  },
  'residual: dropout only': { layers: [conv(2), residual([dropout(0.6, { seed: 2 })]), affine(3)] },
  'residual: dropout that keeps all': {
    layers: [conv(2), residual([dropout(1)]), residual([tanh(), dropout(1)]), affine(3)],
  },
  'residual: nothing at all': {
    layers: [conv(2), residual([]), residual([], { relu: false, shortcut: [tanh()] }), affine(3)],
  },
  'residual: pooling only': {
    layers: [conv(2), residual([maxPool(3, { stride: 1 })], { shortcut: [avgPool(3, { stride: 1 })] }), affine(3)],
  },
  'residual: first and without parameters': {
    layers: [residual([tanh()]), residual([swish()], { relu: false }), affine(3)],
  },
  'residual: of rows': { layers: [affineRelu(4), residual([affineRelu(5), affine(4)]), affine(3)] },
  'residual: a view at the end': { layers: [conv(1), residual([relu(), flat], { shortcut: [flat] }), affine(3)] },
  'one block after another': {
    layers: [convBnRelu(2), ...Array(3).fill(residual([convBnRelu(2), conv(2), batchnorm()])), affine(3)],
  },
  'hinge loss': { layers: [convBnRelu(2), maxPool(2), affineRelu(5), affine(3)], options: { loss: 'svm', reg: 0.2 } },
  'regularisation of filters': { layers: [convBnRelu(2), residual([convRelu(3)]), affine(3)], options: { reg: 0.7 } },
};

describe('gradients against central differences', () => {
  test.each(Object.entries(nets))('%s', (_, net) => {
    const before = live();
    const model = build(net);
    const { X, y } = examples(4, net.shape ?? [2, 6, 5], 3);
    expectGradients(model, X, y);
    // Another batch size, and scores in between, disturb nothing.
    model.loss(X).dispose();
    expectGradients(model, X.rows(0, 2), y.rows(0, 2));
    model.dispose();
    X.dispose();
    y.dispose();
    expect(live()).toBe(before);
  });
});

describe('one step', () => {
  /** Loss, scores and gradients of the first step. */
  function step(net: Net, dtype: 'float32' | 'float64', N = 4) {
    const model = build(net, dtype);
    const { X, y } = examples(N, net.shape ?? [2, 6, 5], 3, dtype);
    const [loss, gradients] = model.loss(X, y);
    const scores = model.loss(X);
    const named = { scores, ...gradients, ...model.state() };
    const result = {
      loss,
      data: Object.fromEntries(Object.entries(named).map(([name, t]) => [name, Float64Array.from(t.data)])),
    };
    for (const t of [scores, X, y, ...Object.values(gradients)]) t.dispose();
    model.dispose();
    return result;
  }

  test.each(Object.entries(nets))('float32 gives the numbers of float64: %s', (_, net) => {
    const [small, large] = [step(net, 'float32', 8), step(net, 'float64', 8)];
    expect(Math.abs(small.loss - large.loss)).toBeLessThan(1e-4 * Math.max(1, large.loss));
    expect(Object.keys(small.data)).toEqual(Object.keys(large.data));
    for (const [name, wanted] of Object.entries(large.data)) {
      expectClose(small.data[name], wanted, 2e-4 * scaleOf(wanted), name);
    }
  });

  // Between them, a stage that changes nothing keeps pooling from going back through the ReLU itself.
  test.each([4, 22, 37])('windows of a ReLU without anything above 0 get no gradient, %i wide', (W) => {
    const gradients = [[], [dropout(1)]].map((between) => {
      const net = { layers: [convRelu(3), ...between, maxPool(2), affine(3)], shape: [2, 4, W] };
      const model = build(net, 'float32');
      model.params.b1.data.fill(-1);
      const { X, y } = examples(8, net.shape, 3, 'float32');
      const [, named] = model.loss(X, y);
      const data = Object.fromEntries(Object.entries(named).map(([name, t]) => [name, Array.from(t.data)]));
      for (const t of [X, y, ...Object.values(named)]) t.dispose();
      model.dispose();
      return data;
    });
    expect(gradients[0]).toEqual(gradients[1]);
  });

  const pairs: [string, lw.Layer[], lw.Layer[]][] = [
    ['convRelu', [convRelu(17), convRelu(3, { stride: 2 })], [conv(17), relu(), conv(3, { stride: 2 }), relu()]],
    [
      'convBnRelu',
      [convBnRelu(17, { eps: 1e-3, momentum: 0.8 }), convBnRelu(3, { size: 5, stride: 2 })],
      [conv(17), batchnorm({ eps: 1e-3, momentum: 0.8 }), relu(), conv(3, { size: 5, stride: 2 }), batchnorm(), relu()],
    ],
    ['convRelu and maxPool', [convRelu(3), maxPool(2)], [conv(3), relu(), dropout(1), maxPool(2)]],
  ];
  for (const dtype of floats) {
    test.each(pairs)(`%s is what it is made of, bit for bit (${dtype})`, (_, fused, parts) => {
      const shape = [16, 9, 8];
      expect(step({ layers: [...fused, affine(3)], shape }, dtype, 5)).toEqual(
        step({ layers: [...parts, affine(3)], shape }, dtype, 5),
      );
    });
  }

  test('exact does without Winograd, whose numbers differ in their last bits', () => {
    const shape = [16, 8, 8];
    const first = ({ data }: ReturnType<typeof step>) => data.scores;
    const [fast, exact, slow] = [{}, { exact: true }, { exact: true }].map((options) =>
      first(step({ layers: [conv(16, options), affine(3)], shape }, 'float32')),
    );
    expect(exact).toEqual(slow);
    expect(fast).not.toEqual(exact);
    expectClose(fast, exact, 1e-4 * scaleOf(exact), 'scores');
  });
});

describe('training and test mode', () => {
  test.each([
    ['convBnRelu', [convBnRelu(3, { momentum: 0.75 })]],
    ['conv and batchnorm', [conv(3), batchnorm({ momentum: 0.75 })]],
  ])('running averages of channels move in training and serve in test mode: %s', (_, layers) => {
    const model = build({ layers: [...layers, affine(3)] });
    const { X, y } = examples(6, [2, 6, 5], 3);
    const { runningMean1, runningVar1 } = model.state();
    expect([runningMean1.shape, runningVar1.shape]).toEqual([[3], [3]]);
    const before = Object.values(model.state()).map(bits);
    lw.scope(() => model.loss(X));
    lw.scope(() => model.predict(X));
    expect(Object.values(model.state()).map(bits)).toEqual(before);
    lw.scope(() => {
      const [hidden] = lw.convForward(X, model.params.W1, model.params.b1, { stride: 1, pad: 1 });
      model.loss(X, y);
      const channels = hidden.toArray() as number[][][][];
      for (let c = 0; c < 3; c++) {
        const numbers = channels.flatMap((image) => image[c].flat());
        const mean = numbers.reduce((a, b) => a + b) / numbers.length;
        const variance = numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / numbers.length;
        expect(runningMean1.data[c]).toBeCloseTo(0.25 * mean, 12);
        expect(runningVar1.data[c]).toBeCloseTo(0.25 * variance, 12);
      }
    });
    // Test mode: an example's scores do not depend on its company, and change nothing.
    const after = Object.values(model.state()).map(bits);
    lw.scope(() => {
      const all = model.loss(X).toArray() as number[][];
      expect((model.loss(X.rows(2, 3)).toArray() as number[][])[0]).toEqual(all[2]);
    });
    expect(Object.values(model.state()).map(bits)).toEqual(after);
    for (const t of [X, y]) t.dispose();
    model.dispose();
  });

  test('every net: scores twice are the same bits, and state() stays as it is', () => {
    for (const [name, net] of Object.entries(nets)) {
      const model = build(net);
      const { X, y } = examples(4, net.shape ?? [2, 6, 5], 3);
      lw.scope(() => {
        model.loss(X, y);
        const before = Object.values(model.state()).map(bits);
        expect(bits(model.loss(X)), name).toEqual(bits(model.loss(X)));
        expect(Object.values(model.state()).map(bits), name).toEqual(before);
      });
      for (const t of [X, y]) t.dispose();
      model.dispose();
    }
  });
});

test('one list of layers serves two networks that train in turns', () => {
  const layers = [convBnRelu(3), residual([convRelu(3), dropout(0.8), conv(3), batchnorm()]), maxPool(2), affine(3)];
  const options = (seed: number) => ({ inputDim: [2, 6, 5], random: new lw.RandomState(seed) });
  const { X, y } = examples(4, [2, 6, 5], 3, 'float32');
  const { X: X2, y: y2 } = examples(7, [2, 6, 5], 3, 'float32', 9);
  const run = (model: lw.Network, x: lw.Tensor, labels: lw.Tensor) =>
    lw.scope(() => {
      const [loss, gradients] = model.loss(x, labels);
      return [loss, ...Object.values(gradients).map(bits), bits(model.loss(x))];
    });
  const alone = new lw.Network(layers, options(1));
  const wanted = [run(alone, X, y), run(alone, X2, y2)];
  alone.dispose();
  const [a, b] = [new lw.Network(layers, options(1)), new lw.Network(layers, options(2))];
  const first = run(a, X, y);
  run(b, X2, y2);
  run(b, X, y);
  expect([first, run(a, X2, y2)]).toEqual(wanted);
  for (const t of [X, y, X2, y2]) t.dispose();
  a.dispose();
  expect(
    run(
      b,
      lw.scope(() => lw.ones([1, 2, 6, 5])),
      lw.tensor([0], { dtype: 'int32' }),
    ).length,
  ).toBeGreaterThan(1);
  b.dispose();
});

describe('memory', () => {
  test.each(floats)('steps, scores and predictions of known batch sizes take no memory (%s)', (dtype) => {
    for (const [name, net] of Object.entries(nets)) {
      const shape = net.shape ?? [2, 6, 5];
      const start = live();
      const model = build(net, dtype);
      const { X, y } = examples(9, shape, 3, 'float64');
      const rows = lw.tensor([3, 1, 4, 1, 5], { dtype: 'int32' });
      const labels = y.take(rows);
      const step = () => {
        model.lossAndGradients(model.batch(X, rows), labels);
        model.lossAndGradients(X, y);
        model.predictBatch(X);
        model.predictBatch(model.batch(X, rows));
      };
      // The second step still finds other vacant places than the first.
      step();
      step();
      const { live: warm, reserved } = lw.info().memory;
      for (let i = 0; i < 20; i++) step();
      expect([lw.info().memory.live, lw.info().memory.reserved], name).toEqual([warm, reserved]);
      // Results are the caller's; nothing else is left.
      const [, gradients] = model.loss(X, y);
      for (const t of [model.loss(X), model.predict(X), ...Object.values(gradients)]) t.dispose();
      expect(live(), name).toBe(warm);
      for (const t of [X, y, rows, labels]) t.dispose();
      model.dispose();
      expect(live(), name).toBe(start);
    }
  });

  test('a block that finds no room leaves nothing behind', async () => {
    const { build: binary, threads } = lw.info();
    await lw.init({ build: binary, threads, maxMemory: 2 ** 23 });
    const before = live();
    const layers = [convBnRelu(16), residual([convBnRelu(32, { stride: 2 }), conv(32), batchnorm()]), affine(3)];
    // Without Winograd's transforms, whose working memory stays for later calls.
    const options = { inputDim: [3, 16, 16], random: new lw.RandomState(1), dtype: 'float64' as const };
    expectRefused(
      () => void new lw.Network([...layers, affine(2000), affine(2000)], options),
      lw.MemoryError,
      /no room/,
    );
    const model = new lw.Network(layers, options);
    const { X, y } = examples(2, [3, 16, 16], 3);
    const { X: tooMany, y: labels } = examples(150, [3, 16, 16], 3);
    expectRefused(() => model.loss(tooMany, labels), lw.MemoryError, /no room/);
    expect(lw.scope(() => model.loss(X, y)[0])).toBeGreaterThan(0);
    model.dispose();
    for (const t of [X, y, tooMany, labels]) t.dispose();
    expect(live()).toBe(before);
    await lw.init({ build: binary, threads });
  });
});

describe('what is refused', () => {
  const wrong: [string, () => unknown, new (...args: never[]) => Error, string][] = [
    ['no filters', () => conv(0), lw.ValueError, 'conv: filters must be an integer in [1, Infinity), got 0'],
    [
      'half a filter',
      () => convRelu(1.5),
      lw.ValueError,
      'convRelu: filters must be an integer in [1, Infinity), got 1.5',
    ],
    ['side 0', () => conv(1, { size: 0 }), lw.ValueError, 'conv: size must be an integer in [1, 65535], got 0'],
    [
      'three sides',
      () => conv(1, { size: [3, 3, 3] as never }),
      lw.OptionError,
      'conv: size must be a number or [height, width], got [3, 3, 3]',
    ],
    [
      'no sides',
      () => conv(1, { size: null as never }),
      lw.OptionError,
      'conv: size must be a number or [height, width], got null',
    ],
    [
      'sides as text',
      () => convBnRelu(1, { size: '3' as never }),
      lw.OptionError,
      "convBnRelu: size must be a number or [height, width], got '3'",
    ],
    [
      'even filters',
      () => conv(1, { size: 4 }),
      lw.OptionError,
      'conv: pad must be given for filters that are not square with odd sides, got size 4x4',
    ],
    [
      'rectangular filters',
      () => conv(1, { size: [3, 5] }),
      lw.OptionError,
      'conv: pad must be given for filters that are not square with odd sides, got size 3x5',
    ],
    ['pad', () => conv(1, { pad: -1 }), lw.ValueError, 'conv: pad must be an integer in [0, 65535], got -1'],
    ['stride', () => conv(1, { stride: 0 }), lw.ValueError, 'conv: stride must be an integer in [1, 65535], got 0'],
    ['exact', () => conv(1, { exact: 1 as never }), lw.OptionError, 'conv: exact must be true or false, got 1'],
    [
      'scale',
      () => conv(1, { weightScale: -1 }),
      lw.ValueError,
      'conv: weightScale must be a finite number in [0, Infinity), got -1',
    ],
    [
      'a slip',
      () => conv(1, { strides: 2 } as never),
      lw.OptionError,
      "conv: unknown option 'strides'; did you mean 'stride'?",
    ],
    [
      'eps without a norm',
      () => conv(1, { eps: 1 } as never),
      lw.OptionError,
      "conv: unknown option 'eps'; there are size, stride, pad, exact, weightScale",
    ],
    [
      'eps',
      () => convBnRelu(1, { eps: -1 }),
      lw.ValueError,
      'convBnRelu: eps must be a finite number in [0, Infinity), got -1',
    ],
    [
      'momentum',
      () => batchnorm({ momentum: 2 }),
      lw.ValueError,
      'batchnorm: momentum must be a finite number in [0, 1], got 2',
    ],
    ['window', () => maxPool(0), lw.ValueError, 'maxPool: size must be an integer in [1, 65535], got 0'],
    [
      'windows',
      () => avgPool([2] as never),
      lw.OptionError,
      'avgPool: size must be a number or [height, width], got [2]',
    ],
    [
      'step of rectangular windows',
      () => maxPool([2, 1]),
      lw.OptionError,
      'maxPool: stride must be given for windows that are not square, got size 2x1',
    ],
    ['groups', () => groupnorm(0), lw.ValueError, 'groupnorm: G must be an integer in [1, Infinity), got 0'],
    [
      'residual without a list',
      () => residual(conv(1) as never),
      lw.OptionError,
      'residual: layers must be a list of layers, got Object',
    ],
    [
      'a factory',
      () => residual([() => conv(1)] as never),
      lw.OptionError,
      'residual: layers must be a list of layers, got [function (anonymous)]',
    ],
    [
      'shortcut',
      () => residual([], { shortcut: [1] as never }),
      lw.OptionError,
      'residual: shortcut must be a list of layers, got [1]',
    ],
    [
      'relu',
      () => residual([], { relu: 'no' as never }),
      lw.OptionError,
      "residual: relu must be true or false, got 'no'",
    ],
  ];
  test.each(wrong)('by the factory: %s', (_, act, kind, message) => expectRefused(act, kind, message));

  const misfits: [string, Net, string][] = [
    [
      'rows',
      { layers: [affine(3), conv(3)] },
      'Network: conv must be for images (C, H, W), got inputs (3,); convolutions and pooling come before affine layers',
    ],
    [
      'rows pooled',
      { layers: [affine(3), maxPool()] },
      'Network: maxPool must be for images (C, H, W), got inputs (3,); convolutions and pooling come before affine layers',
    ],
    [
      'rows pooled away',
      { layers: [affine(3), globalAvgPool()] },
      'Network: globalAvgPool must be for images (C, H, W), got inputs (3,); convolutions and pooling come before affine layers',
    ],
    [
      'large filters',
      { layers: [conv(3, { size: 7, pad: 0 })] },
      'Network: conv must be for images at least as large as its filters, 7 by 7, got inputs (2, 6, 5) with pad 0',
    ],
    [
      'large windows',
      { layers: [maxPool(6)] },
      'Network: maxPool must be for images at least as large as its windows, 6 by 6, got inputs (2, 6, 5)',
    ],
    [
      'groups',
      { layers: [groupnorm(4)] },
      'Network: groupnorm must be for images (C, H, W), C a multiple of 4, got inputs (2, 6, 5)',
    ],
    [
      'groups of rows',
      { layers: [affine(4), groupnorm(2)] },
      'Network: groupnorm must be for images (C, H, W), C a multiple of 2, got inputs (4,)',
    ],
    [
      'layer norm of images',
      { layers: [layernorm()] },
      'Network: layernorm must be for rows of numbers (D), got inputs (2, 6, 5)',
    ],
    [
      'no shortcut of rows',
      { layers: [residual([affine(3)])] },
      'Network: residual must be of layers that keep the shape or take every n-th pixel, or with a shortcut of its own, got (2, 6, 5) to (3,)',
    ],
    [
      'no shortcut that cuts',
      { layers: [residual([maxPool(4, { stride: 1 })])] },
      'Network: residual must be of layers that keep the shape or take every n-th pixel, or with a shortcut of its own, got (2, 6, 5) to (2, 3, 2)',
    ],
    [
      'another shortcut',
      { layers: [residual([conv(3)], { shortcut: [conv(4)] })] },
      'Network: residual must be given a shortcut to (3, 6, 5), got (4, 6, 5)',
    ],
    [
      'images as scores',
      { layers: [conv(3)] },
      'Network: the last layer must be one score for each class, got (3, 6, 5)',
    ],
  ];
  test.each(misfits)('by the network: %s', (_, net, message) => {
    expectRefused(() => void build(net), lw.ShapeError, message);
  });
});
