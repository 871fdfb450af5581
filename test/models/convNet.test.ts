// ConvNet: every kind of layer, defaults, JSON there and back, random specifications, and hostile ones.
import fc from 'fast-check';
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, examples, expectRefused, floats, thrown } from '../support.js';

const { layers: L } = lw;
const quiet = { log: () => undefined };

/** A net of a specification, from a stream of its own. */
function build(spec: Partial<Omit<lw.ConvNetSpec, 'layers'>> & { layers: unknown }, seed = 1): lw.ConvNet {
  return new lw.ConvNet({ inputDim: [2, 8, 6], numClasses: 3, ...spec } as lw.ConvNetSpec, {
    random: new lw.RandomState(seed),
  });
}

/** Loss, gradients, running averages and scores of the first step, as bits. */
function step(model: lw.Network) {
  const { X, y } = examples(4, [...model.inputShape], model.numClasses, model.dtype);
  const result = lw.scope(() => {
    const [loss, gradients] = model.loss(X, y);
    return {
      loss,
      gradients: Object.entries(gradients).map(([name, t]) => [name, bits(t)]),
      scores: bits(model.loss(X)),
      state: Object.entries(model.state()).map(([name, t]) => [name, bits(t)]),
    };
  });
  for (const t of [X, y]) t.dispose();
  model.dispose();
  return result;
}

/** The same net by hand: layers, and the affine layer of the scores. */
function byHand(layers: lw.Layer[], options: Partial<lw.NetworkOptions> = {}, weightScale: number | 'he' = 'he') {
  return new lw.Network([...layers, L.affine(3, { weightScale })], {
    inputDim: [2, 8, 6],
    random: new lw.RandomState(1),
    ...options,
  });
}

describe('every kind of layer is what it says', () => {
  const kinds: [string, lw.LayerSpec[], () => lw.Layer[]][] = [
    ['conv', [{ conv: 4 }], () => [L.convRelu(4)]],
    ['conv without ReLU', [{ conv: 4, relu: false }], () => [L.conv(4)]],
    [
      'conv with all its numbers',
      [{ conv: 4, size: [3, 2], stride: 2, pad: 1, weightScale: 0.3, exact: true }],
      () => [L.convRelu(4, { size: [3, 2], stride: 2, pad: 1, weightScale: 0.3, exact: true })],
    ],
    ['conv and batch norm', [{ conv: 4, norm: 'batchnorm' }], () => [L.convBnRelu(4)]],
    [
      'conv and batch norm without ReLU',
      [{ conv: 4, size: 5, norm: 'batchnorm', relu: false }],
      () => [L.conv(4, { size: 5 }), L.batchnorm()],
    ],
    ['conv and group norm', [{ conv: 4, norm: { groupnorm: 2 } }], () => [L.conv(4), L.groupnorm(2), L.relu()]],
    ['affine', [{ affine: 5 }], () => [L.affineRelu(5)]],
    ['affine without ReLU', [{ affine: 5, relu: false, weightScale: 0.2 }], () => [L.affine(5, { weightScale: 0.2 })]],
    ['affine and batch norm', [{ affine: 5, norm: 'batchnorm' }], () => [L.affine(5), L.batchnorm(), L.relu()]],
    ['affine and layer norm', [{ affine: 5, norm: 'layernorm', relu: false }], () => [L.affine(5), L.layernorm()]],
    ['pools', [{ maxPool: 2 }, { avgPool: [2, 1], stride: 1 }], () => [L.maxPool(2), L.avgPool([2, 1], { stride: 1 })]],
    ['overlapping pools', [{ maxPool: 3, stride: 2 }], () => [L.maxPool(3, { stride: 2 })]],
    ['globalAvgPool', [{ conv: 4 }, 'globalAvgPool'], () => [L.convRelu(4), L.globalAvgPool()]],
    ['dropout', [{ dropout: 0.5 }, { dropout: 1 }], () => [L.dropout(0.5), L.dropout(1)]],
    [
      'norms',
      ['batchnorm', { groupnorm: 2 }, { affine: 4, relu: false }, 'layernorm'],
      () => [L.batchnorm(), L.groupnorm(2), L.affine(4), L.layernorm()],
    ],
    [
      'activations',
      [{ leakyRelu: 0.2 }, 'tanh', 'sigmoid', 'swish', 'relu'],
      () => [L.leakyRelu({ slope: 0.2 }), L.tanh(), L.sigmoid(), L.swish(), L.relu()],
    ],
    [
      'residual',
      [{ residual: [{ conv: 2 }, { conv: 2, relu: false }] }],
      () => [L.residual([L.convRelu(2), L.conv(2)])],
    ],
    [
      'residual with projection',
      [{ residual: [{ conv: 4, stride: 2 }] }],
      () => [L.residual([L.convRelu(4, { stride: 2 })])],
    ],
    [
      'residual with a shortcut and no ReLU',
      [{ residual: [{ conv: 4 }], shortcut: [{ conv: 4, size: 1, relu: false }], relu: false }],
      () => [L.residual([L.convRelu(4)], { shortcut: [L.conv(4, { size: 1 })], relu: false })],
    ],
    [
      'repeat',
      [{ repeat: 2, layers: [{ conv: 3 }, { repeat: 2, layers: [{ residual: [{ conv: 3 }] }] }] }],
      () => Array.from({ length: 2 }, () => [L.convRelu(3), ...[1, 2].map(() => L.residual([L.convRelu(3)]))]).flat(),
    ],
    ['nothing', [], () => []],
  ];
  for (const dtype of floats) {
    test.each(kinds)(`%s (${dtype})`, (_, layers, hand) => {
      expect(step(build({ layers, dtype }))).toEqual(step(byHand(hand(), { dtype })));
    });
  }
});

describe('defaults', () => {
  test('norm and weightScale are inherited, and overridden', () => {
    const layers: lw.LayerSpec[] = [
      { conv: 4 },
      { conv: 4, norm: null },
      { residual: [{ conv: 4, relu: false, norm: { groupnorm: 1 } }] },
      { repeat: 1, layers: [{ affine: 5, weightScale: 0.5 }] },
      { affine: 5, relu: false },
    ];
    const weightScale = 0.1;
    const hand = [
      L.convBnRelu(4, { weightScale }),
      L.convRelu(4, { weightScale }),
      L.residual([L.conv(4, { weightScale }), L.groupnorm(1)]),
      ...[L.affine(5, { weightScale: 0.5 }), L.batchnorm(), L.relu()],
      ...[L.affine(5, { weightScale }), L.batchnorm()],
    ];
    expect(step(build({ layers, norm: 'batchnorm', weightScale }))).toEqual(step(byHand(hand, {}, weightScale)));
  });

  test('a CIFAR-10 image, ten classes, He’s weights, no norm', () => {
    const model = new lw.ConvNet({ layers: [{ conv: 8 }, 'globalAvgPool'] }, { random: new lw.RandomState(1) });
    expect([model.inputShape, model.numClasses, model.dtype, model.reg]).toEqual([[3, 32, 32], 10, 'float32', 0]);
    expect(model.paramNames).toEqual(['W1', 'b1', 'W2', 'b2']);
    expect(model.params.W2.shape).toEqual([8, 10]);
    expect(model.params.W1.std() / Math.sqrt(2 / 27)).toBeCloseTo(1, 0);
    model.dispose();
    // Without a stream of its own it draws from the default stream.
    const [a, b] = [1, 1].map((seed) => {
      lw.random.seed(seed);
      const net = new lw.ConvNet({ layers: [{ conv: 2 }, 'globalAvgPool'] });
      const drawn = bits(net.params.W1);
      net.dispose();
      return drawn;
    });
    expect(a).toEqual(b);
  });

  test('numClasses null: the layers end in the scores', () => {
    const model = build({ layers: [{ conv: 4 }, { conv: 5, relu: false }, 'globalAvgPool'], numClasses: null });
    expect([model.numClasses, model.paramNames]).toEqual([5, ['W1', 'b1', 'W2', 'b2']]);
    expect(Number.isFinite(step(model).loss)).toBe(true);
    const refused = 'Network: the last layer must be one score for each class, got (4, 8, 6)';
    expectRefused(() => void build({ layers: [{ conv: 4 }], numClasses: null }), lw.ShapeError, refused);
  });

  test('the options of every network', () => {
    const options = { loss: 'svm', reg: 0.3, delta: 0.5, dtype: 'float64' } as const;
    expect(step(build({ layers: [{ conv: 3 }], ...options }))).toEqual(step(byHand([L.convRelu(3)], options)));
    const smooth = { labelSmoothing: 0.2 };
    expect(step(build({ layers: [{ conv: 3 }], ...smooth }))).toEqual(step(byHand([L.convRelu(3)], smooth)));
  });
});

// Specifications that fit, built from the shape that each layer leaves.
type Shape = readonly number[];

const seeds = fc.infiniteStream(fc.nat({ max: 2 ** 30 }));

/** A specification of some layers, and the shape behind them. */
function randomLayers(pick: (n: number) => number, input: Shape, count: number, depth: number) {
  let shape = input;
  const layers: lw.LayerSpec[] = [];
  const maybe = <T>(value: T): T | undefined => (pick(2) === 0 ? value : undefined);
  const given = <T extends object>(fields: T): T =>
    Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) as T;
  const norm = (C: number, rows: boolean): lw.NormSpec | undefined => {
    const norms: (lw.NormSpec | undefined)[] = [
      'batchnorm',
      null,
      undefined,
      rows ? 'layernorm' : { groupnorm: C % 2 === 0 ? 2 : 1 },
    ];
    return norms[pick(norms.length)];
  };
  for (let i = 0; i < count; i++) {
    const [C, H, W] = shape;
    if (shape.length === 1 || pick(9) === 0) {
      const kinds: lw.LayerSpec[] = [
        given({ affine: 1 + pick(5), norm: norm(1, true), relu: maybe(pick(2) === 0) }),
        { dropout: (1 + pick(4)) / 4 },
        { leakyRelu: 0.1 },
        (['relu', 'tanh', 'sigmoid', 'swish'] as const)[pick(4)],
        ...(shape.length === 1 ? (['batchnorm', 'layernorm'] as const) : []),
      ];
      const layer = kinds[pick(kinds.length)];
      if (typeof layer === 'object' && 'affine' in layer) shape = [layer.affine];
      layers.push(layer);
      continue;
    }
    switch (pick(depth > 0 ? 7 : 5)) {
      case 0:
      case 1: {
        const size = 1 + pick(Math.min(4, H, W));
        const [F, stride, pad] = [1 + pick(5), 1 + pick(2), pick(3)];
        const standard = size % 2 === 1 && pick(2) === 0;
        const used = standard ? (size - 1) / 2 : pad;
        layers.push(
          given({
            conv: F,
            size,
            stride,
            pad: standard ? undefined : pad,
            norm: norm(F, false),
            relu: maybe(pick(2) === 0),
          }),
        );
        const out = (n: number) => 1 + Math.floor((n + 2 * used - size) / stride);
        shape = [F, out(H), out(W)];
        break;
      }
      case 2: {
        const size = 1 + pick(Math.min(3, H, W));
        const stride = 1 + pick(2);
        layers.push(pick(2) === 0 ? { maxPool: size, stride } : { avgPool: [size, size], stride });
        shape = [C, 1 + Math.floor((H - size) / stride), 1 + Math.floor((W - size) / stride)];
        break;
      }
      case 3:
        layers.push({ groupnorm: C % 3 === 0 ? 3 : 1 });
        break;
      case 4:
        layers.push(pick(3) === 0 ? 'globalAvgPool' : 'batchnorm');
        if (layers.at(-1) === 'globalAvgPool') shape = [C];
        break;
      case 5: {
        // Its way around fits: the same layers leave the same shape.
        const main = randomLayers(pick, shape, 1 + pick(2), depth - 1);
        const same = main.end.join() === shape.join();
        const plain = same && pick(2) === 0;
        layers.push(
          given({ residual: main.layers, shortcut: plain ? undefined : main.layers, relu: maybe(pick(2) === 0) }),
        );
        shape = main.end;
        break;
      }
      default: {
        const F = 1 + pick(3);
        layers.push({ repeat: 1 + pick(3), layers: [given({ conv: F, norm: maybe('batchnorm' as const) })] });
        shape = [F, H, W];
      }
    }
  }
  return { layers, end: shape };
}

test('random specifications build, train a step, and have the shapes of their summary', () => {
  fc.assert(
    fc.property(
      seeds,
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom<lw.ConvNetSpec['dtype']>('float32', 'float64'),
      (stream, inputDim, count, dtype) => {
        const pick = (n: number) => (stream.next().value as number) % n;
        const { layers, end } = randomLayers(pick, inputDim, count, 2);
        const numClasses = end.length === 1 && pick(2) === 0 ? null : 1 + pick(4);
        const spec = { inputDim, layers, numClasses, dtype, norm: null } as lw.ConvNetSpec;
        const before = lw.info().memory.live;
        const model = new lw.ConvNet(spec, { random: new lw.RandomState(1) });
        expect(model.numClasses).toBe(numClasses ?? end[0]);
        const summary = model.summary(quiet);
        const outer = summary.layers.filter(({ depth }) => depth === 0);
        if (numClasses !== null) expect(outer.at(-2)?.shape ?? inputDim).toEqual(end);
        lw.scope(() => {
          const { X, y } = examples(3, inputDim, model.numClasses, model.dtype);
          const [loss, gradients] = model.loss(X, y);
          expect(Number.isFinite(loss), JSON.stringify(spec)).toBe(true);
          for (const [name, g] of Object.entries(gradients)) {
            expect(g.shape).toEqual(model.params[name].shape);
            expect(g.data.every(Number.isFinite), `${name} of ${JSON.stringify(spec)}`).toBe(true);
          }
          expect(model.loss(X).shape).toEqual([3, ...(outer.at(-1)?.shape ?? inputDim)]);
          expect(summary.parameters).toBe(model.paramNames.reduce((sum, name) => sum + model.params[name].size, 0));
        });
        expect(model.spec).toEqual(JSON.parse(JSON.stringify(spec)));
        model.dispose();
        expect(lw.info().memory.live).toBe(before);
      },
    ),
    { numRuns: 300, seed: 231 },
  );
});

describe('as JSON', () => {
  const spec: lw.ConvNetSpec = {
    inputDim: [2, 8, 6],
    numClasses: 3,
    norm: 'batchnorm',
    reg: 0.1,
    loss: 'svm',
    layers: [
      { conv: 3, size: [1, 3], pad: 1 },
      {
        repeat: 2,
        layers: [
          {
            residual: [
              { conv: 4, stride: 2 },
              { conv: 4, relu: false, norm: { groupnorm: 2 } },
            ],
          },
        ],
      },
      { dropout: 0.5 },
      'globalAvgPool',
      { affine: 6, norm: null, weightScale: 0.1 },
    ],
  };

  test('there and back it is the same net, bit for bit', () => {
    const model = new lw.ConvNet(spec, { random: new lw.RandomState(4) });
    const text = JSON.stringify(model.spec);
    const again = new lw.ConvNet(JSON.parse(text), { random: new lw.RandomState(4) });
    expect(JSON.stringify(again.spec)).toBe(text);
    expect(step(again)).toEqual(step(model));
  });

  test('spec is a copy', () => {
    const mine = structuredClone(spec);
    const model = new lw.ConvNet(mine, { random: new lw.RandomState(4) });
    (mine.layers[0] as lw.ConvSpec).conv = 9;
    expect(model.spec).toEqual(spec);
    model.dispose();
  });
});

describe('limits', () => {
  const nested = (depth: number): lw.LayerSpec[] => {
    let list: lw.LayerSpec[] = [{ conv: 2 }];
    for (let i = 0; i < depth; i++) list = [{ residual: list }];
    return list;
  };

  test('32 lists inside one another, not 33', () => {
    expect(Number.isFinite(step(build({ layers: nested(32) })).loss)).toBe(true);
    const place = `layers${'[0].residual'.repeat(33)}`;
    const message = `ConvNet: ${place} must be at most 32 lists inside one another, got [Object]`;
    expectRefused(() => void build({ layers: nested(33) }), lw.OptionError, message);
    expectRefused(() => void build({ layers: nested(5000) }), lw.OptionError, message);
    const circle: { residual: unknown[] } = { residual: [] };
    circle.residual.push(circle);
    expectRefused(() => void build({ layers: [circle] }), lw.OptionError, message);
  });

  test('10,000 layers, repetitions counted', () => {
    const many = (repeat: number, layers: unknown[]) => ({ repeat, layers });
    const model = build({ layers: [many(9999, ['relu'])] });
    expect(model.summary(quiet).layers.length).toBe(10_000);
    model.dispose();
    const place = 'layers[0].repeat.layers[0]';
    const tooMany = (at: string, got: string) => `ConvNet: ${at} must be among the first 10000 layers, got ${got}`;
    expectRefused(() => void build({ layers: [many(10_000, ['relu'])] }), lw.OptionError, tooMany(place, "'relu'"));
    const square = [many(100, [many(101, ['relu'])])];
    expectRefused(() => void build({ layers: square }), lw.OptionError, tooMany(`${place}.repeat.layers[0]`, "'relu'"));
    const long = Array(10_001).fill('relu');
    expectRefused(
      () => void build({ layers: long }),
      lw.OptionError,
      /^ConvNet: layers must be at most 10000 layers, got/,
    );
    expectRefused(() => void build({ layers: new Array(1e9) }), lw.OptionError, /layers must be at most 10000 layers/);
    const empty = [many(9999, [many(10_000, [])])];
    const message = `ConvNet: ${place}.repeat.layers must be not empty, got []`;
    expectRefused(() => void build({ layers: empty }), lw.OptionError, message);
  });
});

describe('what is refused, and where', () => {
  const kinds =
    'relu, sigmoid, tanh, swish, batchnorm, layernorm, globalAvgPool, or an object with ' +
    'conv, affine, residual, repeat, maxPool, avgPool, dropout, groupnorm, leakyRelu';
  const conv = 'conv, size, stride, pad, norm, relu, weightScale, exact';
  const whole = 'ConvNet: unknown option';
  const positive = 'must be an integer in [1, Infinity), got';
  type Kind = new (...args: never[]) => Error;
  const unknown = (place: string, got: string, near = '') =>
    `ConvNet: ${place} must be ${kinds}, got ${got}${near && `; did you mean '${near}'?`}`;

  const cases: [string, unknown, Kind, string][] = [
    ['a list', [], lw.OptionError, 'ConvNet: spec must be an object, got []'],
    ['null', null, lw.OptionError, 'ConvNet: spec must be an object, got null'],
    ['no layers', {}, lw.OptionError, 'ConvNet: layers must be a list of layers, got undefined'],
    [
      'layers that are no list',
      { layers: { length: 1 } },
      lw.OptionError,
      'ConvNet: layers must be a list of layers, got Object',
    ],
    ['a slip', { layers: [], numClass: 3 }, lw.OptionError, `${whole} 'numClass'; did you mean 'numClasses'?`],
    [
      'a stream in it',
      { layers: [], random: 1 },
      lw.OptionError,
      `${whole} 'random'; there are inputDim, loss, reg, dtype, labelSmoothing, delta, layers, numClasses, norm, weightScale`,
    ],
    [
      '__proto__',
      JSON.parse('{"layers":[],"__proto__":{"reg":1}}'),
      lw.OptionError,
      `${whole} '__proto__'; there are inputDim, loss, reg, dtype, labelSmoothing, delta, layers, numClasses, norm, weightScale`,
    ],
    ['classes', { layers: [], numClasses: 0 }, lw.ValueError, `ConvNet: numClasses ${positive} 0`],
    [
      'scale',
      { layers: [], weightScale: 'big' },
      lw.ValueError,
      "ConvNet: weightScale must be a finite number in [0, Infinity), got 'big'",
    ],
    [
      'norm',
      { layers: [], norm: 'groupnorm' },
      lw.OptionError,
      "ConvNet: norm must be 'batchnorm', 'layernorm', { groupnorm: G } or null, got 'groupnorm'",
    ],
    [
      'input',
      { layers: [], inputDim: [3, 1e9, 1e9] },
      lw.ShapeError,
      'Network: shape must be at most 2^31 - 1 elements, got (3, 1000000000, 1000000000)',
    ],
    [
      'no layers and no classes',
      { layers: [], numClasses: null },
      lw.OptionError,
      'Network: layers must be a list of layers, got []; layers.affine(100) and the like make them',
    ],

    ['null among layers', { layers: [null] }, lw.OptionError, unknown('layers[0]', 'null')],
    ['a hole among layers', { layers: new Array(1) }, lw.OptionError, unknown('layers[0]', 'undefined')],
    ['a number', { layers: ['relu', 3] }, lw.OptionError, unknown('layers[1]', '3')],
    ['a list among layers', { layers: [['relu']] }, lw.OptionError, unknown('layers[0]', "['relu']")],
    ['a misspelt name', { layers: ['Relu'] }, lw.OptionError, unknown('layers[0]', "'Relu'", 'relu')],
    ['a misspelt kind', { layers: [{ maxpool: 2 }] }, lw.OptionError, unknown('layers[0]', 'Object', 'maxPool')],
    ['a name of all objects', { layers: ['constructor'] }, lw.OptionError, unknown('layers[0]', "'constructor'")],
    ['__proto__ as a name', { layers: ['__proto__'] }, lw.OptionError, unknown('layers[0]', "'__proto__'")],
    ['a kind by inheritance', { layers: [Object.create({ conv: 3 })] }, lw.OptionError, unknown('layers[0]', 'Object')],
    [
      'a kind in __proto__',
      JSON.parse('{"layers":[{"__proto__":{"conv":3}}]}'),
      lw.OptionError,
      unknown('layers[0]', 'Object'),
    ],
    [
      'options in __proto__',
      JSON.parse('{"layers":[{"conv":3,"__proto__":{"size":1}}]}'),
      lw.OptionError,
      `layers[0].conv: unknown option '__proto__'; there are ${conv}`,
    ],
    [
      'two kinds',
      { layers: [{ conv: 3, maxPool: 2 }] },
      lw.OptionError,
      `layers[0].conv: unknown option 'maxPool'; there are ${conv}`,
    ],
    [
      'a misspelt option',
      { layers: [{ conv: 3, strides: 2 }] },
      lw.OptionError,
      "layers[0].conv: unknown option 'strides'; did you mean 'stride'?",
    ],
    [
      'an option of another kind',
      { layers: [{ dropout: 0.5, seed: 1 }] },
      lw.OptionError,
      "layers[0].dropout: unknown option 'seed'; there are dropout",
    ],

    ['filters as text', { layers: [{ conv: '3' }] }, lw.ValueError, `layers[0].conv: filters ${positive} '3'`],
    ['filters as BigInt', { layers: [{ conv: 3n }] }, lw.ValueError, `layers[0].conv: filters ${positive} 3`],
    [
      'sides',
      { layers: [{ conv: 3, size: null }] },
      lw.OptionError,
      'layers[0].conv: size must be a number or [height, width], got null',
    ],
    [
      'three sides',
      { layers: [{ conv: 3, size: [1, 2, 3] }] },
      lw.OptionError,
      'layers[0].conv: size must be a number or [height, width], got [1, 2, 3]',
    ],
    [
      'pad',
      { layers: [{ conv: 3, pad: null }] },
      lw.ValueError,
      'layers[0].conv: pad must be an integer in [0, 65535], got null',
    ],
    [
      'even filters',
      { layers: [{ conv: 3, size: 2 }] },
      lw.OptionError,
      'layers[0].conv: pad must be given for filters that are not square with odd sides, got size 2x2',
    ],
    [
      'stride',
      { layers: [{ conv: 3, stride: 2 ** 32 }] },
      lw.ValueError,
      'layers[0].conv: stride must be an integer in [1, 65535], got 4294967296',
    ],
    [
      'relu',
      { layers: [{ affine: 3, relu: 'no' }] },
      lw.OptionError,
      "layers[0].affine: relu must be true or false, got 'no'",
    ],
    [
      'weightScale',
      { layers: [{ affine: 3, weightScale: null }] },
      lw.ValueError,
      'layers[0].affine: weightScale must be a finite number in [0, Infinity), got null',
    ],
    ['units', { layers: [{ affine: 0 }] }, lw.ValueError, `layers[0].affine: units ${positive} 0`],
    [
      'norm of a layer',
      { layers: [{ conv: 4, norm: { groupnorm: 2, eps: 1 } }] },
      lw.OptionError,
      "layers[0].conv: norm must be 'batchnorm', 'layernorm', { groupnorm: G } or null, got Object",
    ],
    [
      'groups of a norm',
      { layers: [{ conv: 4, norm: { groupnorm: 0 } }] },
      lw.ValueError,
      `layers[0].conv: G ${positive} 0`,
    ],
    [
      'window',
      { layers: [{ maxPool: 0 }] },
      lw.ValueError,
      'layers[0].maxPool: size must be an integer in [1, 65535], got 0',
    ],
    [
      'step',
      { layers: [{ avgPool: 2, stride: 0.5 }] },
      lw.ValueError,
      'layers[0].avgPool: stride must be an integer in [1, 65535], got 0.5',
    ],
    [
      'dropout',
      { layers: [{ dropout: 0 }] },
      lw.ValueError,
      'layers[0].dropout: p must be a finite number in (0, 1], got 0',
    ],
    [
      'slope',
      { layers: [{ leakyRelu: '1' }] },
      lw.ValueError,
      "layers[0].leakyRelu: slope must be a finite number, got '1'",
    ],
    [
      'times',
      { layers: [{ repeat: 0, layers: ['relu'] }] },
      lw.ValueError,
      'layers[0].repeat: repeat must be an integer in [1, 10000], got 0',
    ],
    [
      'nothing to repeat',
      { layers: [{ repeat: 2 }] },
      lw.OptionError,
      'ConvNet: layers[0].repeat.layers must be a list of layers, got undefined',
    ],

    [
      'inside a block',
      { layers: ['relu', { residual: ['tanh', { conv: 0 }] }] },
      lw.ValueError,
      `layers[1].residual[1].conv: filters ${positive} 0`,
    ],
    [
      'inside a shortcut',
      { layers: [{ residual: [], shortcut: [{ maxPool: [2] }] }] },
      lw.OptionError,
      'layers[0].residual.shortcut[0].maxPool: size must be a number or [height, width], got [2]',
    ],
    [
      'inside a repetition',
      { layers: [{ repeat: 3, layers: [{ conv: 3, siz: 1 }] }] },
      lw.OptionError,
      "layers[0].repeat.layers[0].conv: unknown option 'siz'; did you mean 'size'?",
    ],
    [
      'an unknown name inside a block',
      { layers: [{ residual: ['rely'] }] },
      lw.OptionError,
      unknown('layers[0].residual[0]', "'rely'", 'relu'),
    ],
    [
      'a block that is no list',
      { layers: [{ residual: 'relu' }] },
      lw.OptionError,
      "ConvNet: layers[0].residual must be a list of layers, got 'relu'",
    ],
    [
      'a shortcut that is no list',
      { layers: [{ residual: [], shortcut: null }] },
      lw.OptionError,
      'ConvNet: layers[0].residual.shortcut must be a list of layers, got null',
    ],
    [
      'relu of a block',
      { layers: [{ residual: [], relu: 0 }] },
      lw.OptionError,
      'layers[0].residual: relu must be true or false, got 0',
    ],

    [
      'rows',
      { layers: [{ affine: 5 }, { residual: [{ conv: 3 }] }] },
      lw.ShapeError,
      'layers[1].residual[0].conv: convRelu must be for images (C, H, W), got inputs (5,); convolutions and pooling come before affine layers',
    ],
    [
      'rows for a plain name',
      { layers: ['globalAvgPool', 'globalAvgPool'] },
      lw.ShapeError,
      'layers[1]: globalAvgPool must be for images (C, H, W), got inputs (3,); convolutions and pooling come before affine layers',
    ],
    [
      'a large window',
      { layers: [{ repeat: 3, layers: [{ maxPool: 4 }] }] },
      lw.ShapeError,
      'layers[0].repeat.layers[0].maxPool: maxPool must be for images at least as large as its windows, 4 by 4, got inputs (3, 2, 2)',
    ],
    [
      'a norm that does not fit',
      { norm: 'layernorm', layers: [{ conv: 3 }] },
      lw.ShapeError,
      'layers[0].conv: layernorm must be for rows of numbers (D), got inputs (3, 32, 32)',
    ],
    [
      'groups',
      { layers: [{ conv: 6, norm: { groupnorm: 4 } }] },
      lw.ShapeError,
      'layers[0].conv: groupnorm must be for images (C, H, W), C a multiple of 4, got inputs (6, 32, 32)',
    ],
    [
      'a shortcut',
      { layers: [{ residual: [{ conv: 3 }], shortcut: [{ conv: 4 }] }] },
      lw.ShapeError,
      'layers[0].residual: residual must be given a shortcut to (3, 32, 32), got (4, 32, 32)',
    ],
    [
      'no shortcut',
      { layers: [{ residual: [{ affine: 3 }] }] },
      lw.ShapeError,
      'layers[0].residual: residual must be of layers that keep the shape or take every n-th pixel, or with a shortcut of its own, got (3, 32, 32) to (3,)',
    ],
  ];
  test.each(cases)('%s', (_, spec, kind, message) => {
    expectRefused(() => void new lw.ConvNet(spec as lw.ConvNetSpec, { random: new lw.RandomState(1) }), kind, message);
  });

  test('numbers for which there is no room', () => {
    for (const layer of [{ conv: 1e9 }, { conv: 1e308 }, { conv: 4, size: 65_535 }, { affine: 1e12 }]) {
      const place = `layers[0].${Object.keys(layer)[0]}: no room for`;
      const make = () => void new lw.ConvNet({ layers: [layer] }, { random: new lw.RandomState(1) });
      expectRefused(make, lw.MemoryError, new RegExp(`^${place.replace(/[[\].]/g, '\\$&')}`));
      const error = thrown(make);
      expect(error.limit).toBe(lw.info().memory.limit);
      expect(error.requested).toBeGreaterThan(1e9);
    }
  });

  test('options beside the specification', () => {
    const make = (options: unknown) => () => void new lw.ConvNet({ layers: [] }, options as object);
    expectRefused(make({ seed: 1 }), lw.OptionError, "ConvNet: unknown option 'seed'; there are random");
    expectRefused(make(null), lw.OptionError, 'ConvNet: options must be an object, got null');
  });

  test('errors keep their parts', () => {
    const error = thrown(() => new lw.ConvNet({ layers: [{ residual: [{ conv: 3, strid: 1 } as never] }] }));
    const { name, where, argument, rule, hint } = error;
    expect({ name, where, argument, rule, hint }).toEqual({
      name: 'OptionError',
      where: 'layers[0].residual[0].conv',
      argument: undefined,
      rule: "unknown option 'strid'",
      hint: "did you mean 'stride'?",
    });
  });
});
