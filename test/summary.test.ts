// summary(): the table, its numbers, and that training really keeps the memory it names.
import * as lw from 'lanewise';
import { describe, expect, test, vi } from 'vitest';
import { expectRefused, floats } from './support.js';

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
  sigmoid,
  swish,
  tanh,
} = lw.layers;

const quiet = { log: () => undefined };

/** A network, and the stage of all its layers, to be run outside of its plans. */
function opened(layers: readonly lw.Layer[], inputDim: number[], dtype: 'float32' | 'float64') {
  let stage: lw.Stage | undefined;
  const whole: lw.Layer = {
    name: 'whole',
    build(builder, input) {
      stage = lw.chain(builder, layers, input);
      return stage;
    },
  };
  const model = new lw.Network([whole], { inputDim, dtype, random: new lw.RandomState(1) });
  return { model, stage: stage as lw.Stage };
}

describe('the table', () => {
  const layers = [
    convBnRelu(8, { size: 5 }),
    maxPool(2),
    residual([convBnRelu(16, { stride: 2 }), residual([conv(16)]), batchnorm()]),
    globalAvgPool(),
    dropout(0.5),
    affine(10),
  ];

  test('has a line for each layer, those inside others indented', () => {
    const model = new lw.Network(layers, { inputDim: [3, 32, 16], random: new lw.RandomState(1) });
    const lines: string[] = [];
    model.summary({ log: (text) => lines.push(text) });
    expect(lines.join('\n').split('\n')).toEqual([
      'layer                 output       parameters                       flops',
      '-------------------------------------------------------------------------',
      'input                 (3, 32, 16)',
      'convBnRelu            (8, 32, 16)         624  W1 b1 gamma1 beta1   614 k',
      'maxPool               (8, 16, 8)',
      'residual              (16, 8, 4)        3,728                       229 k',
      '  convBnRelu          (16, 8, 4)        1,200  W2 b2 gamma2 beta2  73.7 k',
      '  residual            (16, 8, 4)        2,320                       147 k',
      '    conv              (16, 8, 4)        2,320  W3 b3                147 k',
      '  batchnorm           (16, 8, 4)           32  gamma3 beta3',
      '  shortcut conv       (16, 8, 4)          144  W4 b4               8.19 k',
      '  shortcut batchnorm  (16, 8, 4)           32  gamma4 beta4',
      'globalAvgPool         (16,)',
      'dropout               (16,)',
      'affine                (10,)               170  W5 b5                320',
      '-------------------------------------------------------------------------',
      'total                                   4,522                       844 k',
      'memory: 18.1 kB of parameters, 53.4 kB for each example of a training batch',
    ]);
    model.dispose();
  });

  test('comes as data too', () => {
    const model = new lw.Network(layers, { inputDim: [3, 32, 16], dtype: 'float64', random: new lw.RandomState(1) });
    const summary = model.summary(quiet);
    expect(summary.input).toEqual([3, 32, 16]);
    expect(summary.layers.map(({ name, depth }) => `${depth} ${name}`)).toEqual([
      '0 convBnRelu',
      '0 maxPool',
      '0 residual',
      '1 convBnRelu',
      '1 residual',
      '2 conv',
      '1 batchnorm',
      '1 shortcut conv',
      '1 shortcut batchnorm',
      '0 globalAvgPool',
      '0 dropout',
      '0 affine',
    ]);
    expect(summary.layers[3]).toEqual({
      name: 'convBnRelu',
      depth: 1,
      shape: [16, 8, 4],
      params: ['W2', 'b2', 'gamma2', 'beta2'],
      parameters: 16 * 8 * 9 + 3 * 16,
      flops: 2 * 8 * 9 * 16 * 8 * 4,
    });
    const sizes = Object.values(model.params).reduce((sum, t) => sum + t.size, 0);
    expect(summary.parameters).toBe(sizes);
    expect(summary.memory.parameters).toBe(8 * sizes);
    const own = summary.layers.filter(({ depth }) => depth === 0);
    expect(summary.flops).toBe(own.reduce((sum, { flops }) => sum + flops, 0));
    expect(own.flatMap(({ params }) => params)).toEqual(['W1', 'b1', 'gamma1', 'beta1', 'W5', 'b5']);
    expect(summary.layers.flatMap(({ params }) => params)).toEqual(model.paramNames);
    // A float32 net takes half.
    const half = new lw.Network(layers, { inputDim: [3, 32, 16], random: new lw.RandomState(1) });
    const { parameters, example } = half.summary(quiet).memory;
    expect({ parameters: 2 * parameters, example: 2 * example }).toEqual(summary.memory);
    half.dispose();
    model.dispose();
  });

  test('is printed unless somebody else takes it', () => {
    const model = new lw.TwoLayerNet({ inputDim: 4, hiddenDim: 3, numClasses: 2, random: new lw.RandomState(1) });
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
      const summary = model.summary();
      expect(log.mock.calls.length).toBe(1);
      expect(log.mock.calls[0][0]).toMatch(/^layer +output.*\n-+\n(.*\n)+memory: 92 B of parameters, 36 B for each/);
      expect(summary).toEqual(model.summary(quiet));
      expect(log.mock.calls.length).toBe(1);
    } finally {
      log.mockRestore();
    }
    expectRefused(
      () => model.summary({ logs: 1 } as never),
      lw.OptionError,
      "summary: unknown option 'logs'; did you mean 'log'?",
    );
    model.dispose();
  });
});

describe('memory.example is what training holds of an example between its passes', () => {
  const nets: Record<string, { layers: lw.Layer[]; shape?: number[] }> = {
    'fully connected': {
      layers: [affineRelu(7), affine(6), batchnorm(), relu(), dropout(0.5), affine(5), swish(), affine(3)],
      shape: [9],
    },
    'activations that keep their output': { layers: [affine(5), tanh(), sigmoid(), affine(3)], shape: [9] },
    'activations that keep their input': { layers: [affine(5), leakyRelu(), swish(), affine(3)], shape: [9] },
    'layer norm': { layers: [affine(5), layernorm(), layernorm(), affine(3)], shape: [9] },
    'dropout that keeps all': {
      layers: [
        dropout(1),
        affineRelu(5),
        dropout(1),
        dropout(1),
        affine(5),
        dropout(1),
        swish(),
        dropout(1),
        affine(3),
        dropout(1),
      ],
      shape: [9],
    },
    'three layers': { layers: [convRelu(4, { size: 7 }), maxPool(2), affineRelu(9), affine(3)] },
    'conv and pools': {
      layers: [conv(4), maxPool(2), conv(3, { stride: 2 }), avgPool([2, 1], { stride: 1 }), globalAvgPool(), affine(3)],
    },
    norms: { layers: [conv(4), groupnorm(2), relu(), convBnRelu(3), conv(4), batchnorm(), leakyRelu(), affine(3)] },
    'residual blocks': {
      layers: [
        convBnRelu(4),
        residual([convBnRelu(4), conv(4), batchnorm()]),
        residual([convBnRelu(6, { stride: 2 }), conv(6), batchnorm()]),
        residual([conv(6), relu()]),
        globalAvgPool(),
        affine(3),
      ],
    },
    'residual blocks whose shortcuts keep their outputs': {
      layers: [
        residual([convRelu(4)], { shortcut: [convRelu(4)] }),
        residual([conv(4)], { shortcut: [conv(4), tanh()] }),
        residual([tanh()], { shortcut: [conv(4)], relu: false }),
        affine(3),
      ],
    },
    'residual blocks that do nothing': {
      layers: [
        residual([]),
        residual([dropout(1)]),
        residual([dropout(0.5)]),
        residual([relu(), dropout(1)]),
        residual([], { relu: false, shortcut: [dropout(1), swish()] }),
        residual([residual([dropout(1)], { relu: false })], { relu: false }),
        affine(3),
      ],
    },
    'nested residual blocks': {
      layers: [
        conv(4),
        residual([residual([convRelu(4), conv(4)], { relu: false }), residual([conv(4)])]),
        maxPool(3, { stride: 1 }),
        affine(3),
      ],
    },
    'scores of a norm': { layers: [affine(3), batchnorm()], shape: [9] },
    'scores of a ReLU': { layers: [conv(2), affineRelu(3)] },
  };

  for (const dtype of floats) {
    test.each(Object.entries(nets))(`%s (${dtype})`, (_, { layers, shape = [2, 9, 8] }) => {
      const { model, stage } = opened(layers, shape, dtype);
      /** Bytes of a batch, and of what its forward pass leaves. */
      const held = (N: number) =>
        lw.scope(() => {
          const before = lw.info().memory.live;
          const X = lw.ones([N, ...shape], { dtype });
          stage.forward(X, 'train');
          return lw.info().memory.live - before;
        });
      // Blocks are multiples of 64 bytes; what does not depend on the batch falls out.
      const measured = (held(64) - held(32)) / 32;
      const plain = new lw.Network(layers, { inputDim: shape, dtype, random: new lw.RandomState(1) });
      expect(plain.summary(quiet).memory.example).toBe(measured);
      expect(model.summary(quiet).memory.example).toBe(measured);
      plain.dispose();
      model.dispose();
    });
  }

  test('a pass in test mode leaves its scores', () => {
    const { layers } = nets['residual blocks'];
    const { model, stage } = opened(layers, [2, 9, 8], 'float32');
    lw.scope(() => {
      const before = lw.info().memory.live;
      stage.forward(lw.ones([64, 2, 9, 8]), 'test');
      // The batch, the scores, and means and deviations.
      expect(lw.info().memory.live - before).toBeLessThan(64 * (2 * 9 * 8 + 3) * 4 + 64 * 40);
    });
    model.dispose();
  });
});

test('every preset has a summary whose last shape is that of its scores', () => {
  const random = new lw.RandomState(1);
  const presets = [
    new lw.TwoLayerNet({ random }),
    new lw.FullyConnectedNet([20, 30], { normalization: 'layernorm', dropout: 0.5, random }),
    new lw.ThreeLayerConvNet({ inputDim: [3, 8, 8], useBatchnorm: true, random }),
    new lw.ConvNet({ inputDim: [3, 8, 8], layers: [{ conv: 4 }, { residual: [{ conv: 4 }] }] }, { random }),
  ];
  for (const model of presets) {
    const summary = model.summary(quiet);
    expect(summary.layers.filter(({ depth }) => depth === 0).at(-1)?.shape).toEqual([10]);
    expect(summary.parameters).toBe(Object.values(model.params).reduce((sum, t) => sum + t.size, 0));
    expect(summary.layers.flatMap(({ params }) => params)).toEqual(model.paramNames);
    model.dispose();
  }
});
