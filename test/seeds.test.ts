// Figures of five course notebooks, walked as a table: each case has a recipe that makes its inputs from NumPy's legacy
// stream, a call, and what to expect of its outputs. `oracle` is the figure to full precision, from a NumPy program that
// reproduces what the notebooks print. An operation, call or metric that is not known here fails; to cover more, add cases to
// fixtures/seeds.json and calls to `calls`. All in float64.
import * as lw from 'lanewise';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formatExponent, formatFixed } from '../src/format.js';
import fixture from './fixtures/seeds.json';

type Fields = Record<string, unknown>;
/** Tensors, numbers, strings or lists, by the name under which cases expect them. */
type Outputs = Record<string, unknown>;
type Values = number | string | readonly (number | string)[];

interface Expectation {
  output: string;
  metric: string;
  value: Values;
  tol?: number;
  rtol?: number;
  atol?: number;
  format?: string;
  shape?: number[];
  oracle?: Values;
  /** Printed figures of unseeded cells lie within `band` of the value. */
  band?: number;
  printed?: string | string[];
}

interface Case {
  id: string;
  kind: string;
  title: string;
  recipe: (Fields & { op: string; as?: string })[];
  call: string;
  args: Fields;
  expect: Expectation[];
  oracle?: Record<string, { value: Values; shape?: number[] }>;
}

const cases = fixture.cases as unknown as Case[];
const library = lw as unknown as Record<string, (...args: never[]) => unknown>;
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
/** Python's argument names as ours. */
const camelled = (fields: Fields) => Object.fromEntries(Object.entries(fields).map(([name, v]) => [camel(name), v]));

// Recipes

type Variables = Map<string, unknown>;
type Operation = (fields: Fields, variables: Variables) => unknown;

const shapeOf = ({ shape }: Fields) => shape as number[];
const float64 = { dtype: 'float64' } as const;

/** draw * mul + add */
function scaled(draw: lw.Tensor, { mul = 1, add = 0 }: Fields): lw.Tensor {
  return lw.add(lw.mul(draw, mul as number), add as number);
}

const models: Record<string, (args: Fields) => lw.Network> = {
  TwoLayerNetC147: ({ D, H, C, std }) =>
    new lw.NeuralNet(D as number, H as number, C as number, { std: std as number, ...float64 }),
  TwoLayerNet: (args) => new lw.TwoLayerNet({ ...camelled(args), ...float64 }),
  FullyConnectedNet: ({ hidden_dims: dims, ...args }) =>
    new lw.FullyConnectedNet(dims as number[], { ...camelled(args), ...float64 }),
  ThreeLayerConvNet: (args) => new lw.ThreeLayerConvNet({ ...camelled(args), ...float64 }),
};

const operations: Record<string, Operation> = {
  seed: ({ seed }) => lw.random.seed(seed as number),
  linspace: ({ start, stop, num, shape, transpose }) => {
    const t = lw.linspace(start as number, stop as number, num as number, float64).reshape(shape as number[]);
    return transpose ? t.transpose() : t;
  },
  array: ({ values, shape, dtype }) => {
    const type = String(dtype ?? 'float64').startsWith('int') ? 'int32' : 'float64';
    return lw.tensor(values as number[], { dtype: type, ...(shape ? { shape: shape as number[] } : {}) });
  },
  full: (f) => lw.full(shapeOf(f), f.value as number, float64),
  arange: (f) => {
    const list = Array.from({ length: f.n as number }, (_, i) => (f.mod ? i % (f.mod as number) : i));
    return lw.tensor(list, { ...float64, shape: shapeOf(f) ?? [list.length] });
  },
  randn: (f) => scaled(lw.random.randn(...shapeOf(f)), f),
  rand: (f) => scaled(lw.random.rand(...shapeOf(f)), f),
  normal: (f) => lw.random.normal(f.loc as number, f.scale as number, shapeOf(f)),
  uniform: (f) => lw.random.uniform(f.low as number, f.high as number, shapeOf(f)),
  randint: (f) => {
    const options = f.dtype ? { dtype: f.dtype as lw.IntegerType } : {};
    return lw.random.randint(f.low as number, f.high as number, shapeOf(f), options);
  },
  choice: (f) => lw.random.choice(f.n as number, shapeOf(f), (f.replace as boolean) ?? true, f.p as number[]),
  permutation: (f) => lw.random.permutation(f.n as number),
  /** Three images (32, 32, 3) of waves and edges, in whole numbers. */
  pattern: () => {
    const pixel = (n: number, i: number, j: number, k: number) =>
      (i * i * (n + 1) + 3 * j * (n + 2) + i * j * k + 40 * k) % 256;
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
    const rows = (n: number, i: number) => upTo(32).map((j) => upTo(3).map((k) => pixel(n, i, j, k)));
    return lw.tensor(
      upTo(3).map((n) => upTo(32).map((i) => rows(n, i))),
      float64,
    );
  },
  shuffle: (f, variables) => lw.random.shuffle(variables.get(f.of as string) as lw.Tensor),
  model: (f) => {
    const make = models[f.class as string];
    if (!make) throw new Error(`no model ${f.class}`);
    return make(f.args as Fields);
  },
  set: ({ model, param, field, to }, variables) => {
    const target = variables.get(model as string) as lw.Network;
    if (param) target.params[param as string] = variables.get(to as string) as lw.Tensor;
    else (target as unknown as Fields)[field as string] = to;
  },
};

function cook(recipe: Case['recipe']): Variables {
  const variables: Variables = new Map();
  for (const { op, as, ...fields } of recipe) {
    const operation = operations[op];
    if (!operation) throw new Error(`no recipe operation '${op}'`);
    const made = operation(fields, variables);
    if (as) variables.set(as, made);
  }
  return variables;
}

/** `$name` stands for a variable, at any depth. */
function resolve(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string' && value.startsWith('$')) {
    if (!variables.has(value.slice(1))) throw new Error(`no variable ${value}`);
    return variables.get(value.slice(1));
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, variables));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolve(item, variables)]));
}

// Calls

/** A layer: forward, and with dout backward. inputs: the names of its tensors, which are also those of its gradients. */
interface Layer {
  inputs: readonly string[];
  forward: (args: Fields) => [lw.Tensor | number, unknown];
  /** Gradients in the order of the inputs. */
  backward: (dout: lw.Tensor, cache: unknown) => lw.Tensor[];
}

function layer(name: string, inputs: readonly string[], ...options: ((args: Fields) => unknown)[]): Layer {
  return {
    inputs,
    forward: (args) => {
      const given = [...inputs.map((input) => args[input]), ...options.map((option) => option(args))];
      return library[`${name}Forward`](...(given as never[])) as [lw.Tensor, unknown];
    },
    backward: (dout, cache) => [library[`${name}Backward`](dout as never, cache as never)].flat() as lw.Tensor[],
  };
}

/** A loss returns its gradient where a layer returns its cache. */
const loss = (name: string): Layer => ({
  inputs: ['x'],
  forward: ({ x, y }) => library[name](x as never, y as never) as [number, lw.Tensor],
  backward: (_, dx) => [dx as lw.Tensor],
});

const filters = ['x', 'w', 'b'];
const convParam = (args: Fields) => camelled(args.conv_param as Fields);
const poolParam = (args: Fields) => camelled(args.pool_param as Fields);
const imageLayers: Record<string, Layer> = {
  conv: layer('conv', filters, convParam),
  max_pool: layer('maxPool', ['x'], poolParam),
  conv_relu: layer('convRelu', filters, convParam),
  conv_relu_pool: layer('convReluPool', filters, convParam, poolParam),
  spatial_batchnorm_train: layer('spatialBatchnorm', ['x', 'gamma', 'beta'], () => ({ mode: 'train' })),
};

const layers: Record<string, Layer> = {
  ...imageLayers,
  affine: layer('affine', ['x', 'w', 'b']),
  relu: layer('relu', ['x']),
  affine_relu: layer('affineRelu', ['x', 'w', 'b']),
  dropout: layer('dropout', ['x'], ({ p, mode, seed }) => ({ p, mode, seed })),
  svm_loss: loss('svmLoss'),
  softmax_loss: loss('softmaxLoss'),
};

function callLayer(name: string, args: Fields): Outputs {
  const { inputs, forward, backward } = layers[name];
  const [out, cache] = forward(args);
  const gradients = () => backward(args.dout as lw.Tensor, cache).map((g, i) => [`d${inputs[i]}`, g]);
  if (typeof out === 'number') return { loss: out, ...Object.fromEntries(gradients()) };
  const kept = (cache as { mask?: lw.Tensor }).mask;
  return {
    out,
    nonzero: out.data.filter((v) => v !== 0).length / out.size,
    ...(kept ? { mask: kept } : {}),
    ...(args.dout ? Object.fromEntries(gradients()) : {}),
  };
}

function lossOutputs(result: lw.Tensor | [number, Record<string, lw.Tensor>]): Outputs {
  if (result instanceof lw.Tensor) return { scores: result };
  const [value, grads] = result;
  return { loss: value, ...Object.fromEntries(Object.entries(grads).map(([name, g]) => [`grads.${name}`, g])) };
}

/** reg: of the net in one piece; other models have it as a property. */
function modelLoss({ model, X, y, reg, ...rest }: Fields): Outputs {
  expect(Object.keys(rest), 'arguments of model_loss').toEqual([]);
  if (model instanceof lw.NeuralNet) return lossOutputs(model.loss(X as lw.Tensor, y as lw.Tensor, reg as number));
  expect(reg).toBeUndefined();
  return lossOutputs((model as lw.Network).loss(X as lw.Tensor, y as lw.Tensor | undefined));
}

function twoLayerNet({ X, model, y, reg }: Fields): Outputs {
  return lossOutputs(lw.twoLayerNet(X as lw.Tensor, model as lw.TwoLayerModel, y as lw.Tensor, reg as number));
}

/** err.name: the course's relative error of numeric against analytic gradients, both by the library. */
function gradcheck({ of, args, wrt, h }: Fields): Outputs {
  const fields = args as Fields;
  const step = { h: h as number };
  const outputs: Outputs = {};
  for (const name of wrt as string[]) {
    let numeric: lw.Tensor;
    let analytic: unknown;
    const whole = { model_loss: modelLoss, two_layer_net: twoLayerNet }[of as string];
    if (whole) {
      const model = fields.model as lw.Network | Record<string, lw.Tensor>;
      const parameter = (model instanceof lw.Network ? model.params : model)[name];
      analytic = whole(fields)[`grads.${name}`];
      numeric = lw.evalNumericalGradient(() => whole(fields).loss as number, parameter, step);
    } else {
      const { forward } = layers[of as string];
      const x = fields[name] as lw.Tensor;
      analytic = callLayer(of as string, fields)[`d${name}`];
      numeric = fields.dout
        ? lw.evalNumericalGradientArray(() => forward(fields)[0] as lw.Tensor, x, fields.dout as lw.Tensor, step)
        : lw.evalNumericalGradient(() => forward(fields)[0] as number, x, step);
    }
    outputs[`err.${name}`] = lw.relError(numeric, analytic as lw.Tensor);
  }
  return outputs;
}

function update({ rule, w, dw, config }: Fields): Outputs {
  const settings = camelled(config as Fields);
  const apply = library[camel(rule as string)] as unknown as lw.UpdateRule;
  const steps = (dw as lw.Tensor[]).map((g, i) => [`w${i}`, apply(w as lw.Tensor, g, settings)[0].clone()] as const);
  const state = Object.entries(settings).map(([name, value]) => [`config.${name}`, value]);
  return { w, ...Object.fromEntries(steps), ...Object.fromEntries(state) };
}

/** Distance of the standard deviations of the weights from their scale, largest biases. */
function initStd({ model, weight_scale: scale }: Fields): Outputs {
  const { params } = model as lw.Network;
  return Object.fromEntries(
    Object.entries(params).map(([name, t]) =>
      name.startsWith('W')
        ? [`${name}_std`, Math.abs(t.std() - (scale as number))]
        : [`${name}_max`, Math.max(...t.data.map(Math.abs))],
    ),
  );
}

/** The smallest model there is, trained by a real Solver: when it steps, checks and prints, and what. */
async function solverPlan({ N, ...options }: Fields): Promise<Outputs> {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  const model = new lw.TwoLayerNet({ inputDim: 1, hiddenDim: 1, numClasses: 2, ...float64 });
  const XTrain = lw.zeros([N as number, 1], float64);
  const data = { XTrain, yTrain: new Int32Array(N as number), XVal: lw.zeros([3, 1], float64), yVal: [0, 1, 1] };
  const solver = new lw.Solver(model, data, { ...camelled(options), verbose: true, numTrainSamples: 3 });
  try {
    await solver.train();
  } finally {
    log.mockRestore();
  }
  const steps = lines.filter((line) => line.startsWith('(Iteration'));
  for (const line of lines) expect(line).toMatch(formats[steps.includes(line) ? 'solver_iteration' : 'solver_epoch']);
  return {
    num_iterations: solver.lossHistory.length,
    printed_lines: steps.length,
    first_line: steps[0].split(' loss')[0],
    last_printed: Number(/\d+/.exec(steps.at(-1) as string)?.[0]),
    epoch_lines: lines.length - steps.length,
  };
}

/** The expected loss of an untrained net, and the loss of one. */
function initialLoss({ weight_shapes: shapes, weight_scale: scale, reg, factor, num_classes: C }: Fields): Outputs {
  const weights = (shapes as number[][]).reduce((sum, [m, n]) => sum + m * n, 0);
  const centre = Math.log(C as number) + (factor as number) * (reg as number) * (scale as number) ** 2 * weights;
  lw.random.seed(231);
  return { centre, seeded: untrained(shapes as number[][], scale as number, reg as number, factor, C as number) };
}

/** The loss of the untrained model whose weights have these shapes. factor: of the regularisation. */
function untrained(shapes: number[][], scale: number, reg: number, factor: unknown, C: number): number {
  const labels = () => lw.random.randint(0, C, 20);
  const inputs = shapes.map(([m]) => m);
  const outputs = shapes.map(([, n]) => n);
  if (factor === 1) {
    expect([shapes.length, outputs[0], scale]).toEqual([1, C, 0.001]);
    const y = lw.tensor(Array.from({ length: 20 }, (_, i) => i % C));
    const classifier = new lw.Softmax();
    return classifier.train(lw.random.randn(20, inputs[0]), y, { reg, numIters: 1 })[0];
  }
  expect(factor).toBe(0.5);
  if (outputs.at(-1) !== C) {
    const [[H, D], [last]] = shapes;
    expect([last, outputs[1]]).toEqual([C, H]);
    const net = new lw.NeuralNet(D, H, C, { std: scale, ...float64 });
    return net.loss(lw.random.randn(20, D), labels(), reg)[0];
  }
  const [inputDim, ...rest] = inputs;
  expect(outputs).toEqual([...rest, C]);
  const model = new lw.FullyConnectedNet(rest, { inputDim, numClasses: C, weightScale: scale, reg, ...float64 });
  return model.loss(lw.random.randn(20, inputDim), labels())[0];
}

function classifierTrainer({ X, y, X_val, y_val, model, eps, eps_inside_sqrt, ...rest }: Fields): Outputs {
  const options: Fields = {
    ...camelled(rest),
    ...(eps === undefined ? {} : { epsilon: eps, epsilonInside: eps_inside_sqrt }),
  };
  const [train, val] = [
    [X, y],
    [X_val, y_val],
  ] as [lw.Tensor, lw.Tensor][];
  const trainer = new lw.ClassifierTrainer();
  const { lossHistory } = trainer.train(...train, ...val, model as lw.TwoLayerModel, lw.twoLayerNet, options);
  return { loss_history: lossHistory, final_loss: lossHistory.at(-1) };
}

/** When a trainer steps, and what it prints: one with next to nothing to learn, on N examples. */
function trainerPlan({ N, ...rest }: Fields): Outputs {
  const lines: string[] = [];
  const options = { ...camelled(rest), verbose: true, log: (line: string) => void lines.push(line) };
  const X = lw.zeros([N as number, 1], float64);
  const XVal = lw.zeros([3, 1], float64);
  const model = lw.initTwoLayerModel(1, 1, 2, float64);
  const trainer = new lw.ClassifierTrainer();
  const y = new Int32Array(N as number);
  const { lossHistory } = trainer.train(X, y, XVal, [0, 1, 1], model, lw.twoLayerNet, options);
  const starts = lines.filter((line) => formats.trainer_start.test(line));
  const epochs = lines.filter((line) => formats.trainer_epoch.test(line));
  expect(lines.at(-1)).toMatch(formats.trainer_end);
  expect(lines.length).toBe(starts.length + epochs.length + 1);
  return {
    num_iterations: lossHistory.length,
    starting_lines: starts.length,
    last_starting: Number(/\d+/.exec(starts.at(-1) as string)?.[0]),
    lr: epochs.map((line) => line.split('lr ')[1]),
  };
}

function c147Train({ model, X, y, X_val, y_val, ...rest }: Fields): Outputs {
  const net = model as lw.NeuralNet;
  const [train, val] = [
    [X, y],
    [X_val, y_val],
  ] as [lw.Tensor, lw.Tensor][];
  const { lossHistory } = net.train(...train, ...val, camelled(rest));
  return { loss_history: lossHistory, final_loss: lossHistory.at(-1) };
}

/** At which steps the net in one piece measures its accuracy: it predicts the validation set then. */
function c147Plan({ N, ...rest }: Fields): Outputs {
  const net = new lw.NeuralNet(1, 1, 2, float64);
  const steps = vi.spyOn(net, 'lossAndGradients');
  const checked: number[] = [];
  const predict = net.predict.bind(net);
  vi.spyOn(net, 'predict').mockImplementation((X) => {
    checked.push(steps.mock.calls.length - 1);
    return predict(X);
  });
  const lines: string[] = [];
  const options = { ...camelled(rest), verbose: true, log: (line: string) => void lines.push(line) };
  const X = lw.zeros([N as number, 1], float64);
  const { valAccHistory, trainAccHistory } = net.train(X, new Int32Array(N as number), [[0]], [1], options);
  expect(trainAccHistory.length).toBe(valAccHistory.length);
  for (const line of lines) expect(line).toMatch(/^iteration \d+00 \/ \d+: loss [\d.]+$|^iteration 0 /);
  return { evaluated_at: checked, entries: valAccHistory.length };
}

function featureDim({ H, W, nbin }: Fields): Outputs {
  const image = lw.zeros([1, H as number, W as number, 3], float64);
  const both = lw.extractFeatures(image, [lw.hogFeature, lw.features.hsv({ nbin: nbin as number })]);
  return {
    hog: lw.hogFeature(image.reshape(H as number, W as number, 3)).size,
    without_bias: both.shape[1],
    with_bias: lw.addBias(both).shape[1],
  };
}

/** The lines that are printed for N images, here of one pixel each. */
function progress({ N }: Fields): Outputs {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  try {
    const images = lw.zeros([N as number, 1, 1, 3], float64);
    lw.extractFeatures(images, [lw.colorHistogramHsv], { verbose: true }).dispose();
  } finally {
    log.mockRestore();
  }
  return { lines };
}

/** Mean and standard deviation of each channel of images. */
function channels(images: lw.Tensor): { means: number[]; stds: number[] } {
  const [N, C, H, W] = images.shape;
  const { data } = images;
  const numbers = Array.from({ length: C }, (_, c) =>
    Array.from({ length: N }, (_, n) => Array.from(data.slice((n * C + c) * H * W, (n * C + c + 1) * H * W))).flat(),
  );
  const mean = (list: number[]) => list.reduce((a, b) => a + b) / list.length;
  const means = numbers.map(mean);
  const stds = numbers.map((list, c) => Math.sqrt(mean(list.map((v) => (v - means[c]) ** 2))));
  return { means, stds };
}

const largest = (list: number[], from: number[]) => Math.max(...list.map((v, i) => Math.abs(v - from[i])));

/** What gives the notebook's statistics away: rows were normalised that are no channels. */
function invariants({ means, stds }: { means: number[]; stds: number[] }): Record<string, number> {
  return {
    sum_of_means: means.reduce((a, b) => a + b),
    mean_square: means.reduce((sum, m, i) => sum + m * m + stds[i] ** 2, 0) / means.length,
    largest_channel_mean: largest(means, [0, 0, 0]),
  };
}

/** The channels behind a spatial batch norm, and behind one that reshapes without moving the channels to the end. */
function spatialStatistics({ recipe }: Fields): Outputs {
  const x = cook(recipe as Case['recipe']).get('x') as lw.Tensor;
  const norm = (gamma: number[], beta: number[], images = x) => {
    const [g, b] = [gamma, beta].map((list) => lw.tensor(list, float64));
    if (images.rank === 4) return lw.spatialBatchnormForward(images, g, b, { mode: 'train' })[0];
    return lw.batchnormForward(images, g, b, { mode: 'train' })[0].reshape(x.shape);
  };
  const [plain, scaledAndShifted] = [norm([1, 1, 1], [0, 0, 0]), norm([3, 4, 5], [6, 7, 8])].map(channels);
  const wrong = channels(norm([1, 1, 1], [0, 0, 0], x.reshape(-1, 3)));
  // The mistake of the notebook: its sums give it away, and the library's channels are not like that.
  const given = invariants(wrong);
  expect(given.mean_square).toBeCloseTo(1, 5);
  expect(invariants(plain).largest_channel_mean).toBeLessThan(given.largest_channel_mean / 1e6);
  return {
    means: largest(plain.means, [0, 0, 0]),
    stds: largest(plain.stds, [1, 1, 1]),
    means2: largest(scaledAndShifted.means, [6, 7, 8]),
    stds2: largest(scaledAndShifted.stds, [3, 4, 5]),
    wrong_sum: Math.abs(given.sum_of_means),
    wrong_largest: given.largest_channel_mean,
  };
}

/** The course's relative errors of the fast convolution against the plain loops. */
function convTwoWays({ recipe }: Fields): Outputs {
  const made = cook(recipe as Case['recipe']);
  const [x, w, b, dout] = [...filters, 'dout'].map((name) => made.get(name) as lw.Tensor);
  const [fast, cache] = lw.convForwardFast(x, w, b, { stride: 2, pad: 1 });
  const [naive, naiveCache] = lw.convForwardNaive(x, w, b, { stride: 2, pad: 1 });
  const slow = lw.convBackwardNaive(dout, naiveCache);
  const errors = lw.convBackwardFast(dout, cache).map((g, i) => [`d${filters[i]}`, lw.relError(g, slow[i])]);
  return { out: lw.relError(fast, naive), shape: [...fast.shape], ...Object.fromEntries(errors) };
}

const imageCalls: Record<string, Call> = {
  spatial_bn_statistics: spatialStatistics,
  spatial_bn_invariants: (args) => invariants(args as { means: number[]; stds: number[] }),
  conv_two_ways: convTwoWays,
};

type Call = (args: Fields) => Outputs | Promise<Outputs>;
/** The notebook prints `sorted(results)`: by learning rate, then by regularisation, not in the order of the loops. */
function gridTable({ learning_rates: learningRate, regs: reg }: Fields): Outputs {
  expect(lw.notebookGrids.softmaxPixels).toEqual({ learningRate, reg });
  const trials = lw.grid(lw.notebookGrids.softmaxPixels) as Record<'learningRate' | 'reg', number>[];
  trials.sort((a, b) => a.learningRate - b.learningRate || a.reg - b.reg);
  const prefixes = trials.map((trial) => `lr ${formatExponent(trial.learningRate)} reg ${formatExponent(trial.reg)}`);
  return { count: trials.length, prefixes };
}

const calls: Record<string, Call> = {
  ...Object.fromEntries(Object.keys(layers).map((name) => [name, (args: Fields) => callLayer(name, args)])),
  model_loss: modelLoss,
  two_layer_net: twoLayerNet,
  gradcheck,
  ...imageCalls,
  update,
  init_std: initStd,
  solver_plan: solverPlan,
  initial_loss: initialLoss,
  classifier_trainer: classifierTrainer,
  trainer_plan: trainerPlan,
  c147_train: c147Train,
  c147_plan: c147Plan,
  pow10_grid: ({ start, stop, step }) => {
    // 10^-x = e^((n - x) ln 10) / 10^n with n the integer next to x. The engines' own powers are off by some 1e-15.
    const x = lw.arange(start as number, stop as number, step as number, float64);
    const n = lw.tensor(Float64Array.from(x.data, Math.round));
    const powers = lw.tensor(Float64Array.from(n.data, (k) => Number(`1e${k}`)));
    return { values: lw.div(lw.exp(lw.mul(lw.sub(n, x), Math.LN10)), powers) };
  },
  arange: ({ start, stop, step }) => ({ values: lw.arange(start as number, stop as number, step as number, float64) }),
  constant: (args) => args,
  grid: gridTable,
  feature_dim: featureDim,
  progress,
  features: ({ images, nbin }) => ({
    hog: lw.extractFeatures(images as lw.Tensor, [lw.hogFeature]),
    hue: lw.extractFeatures(images as lw.Tensor, [lw.features.hsv({ nbin: nbin as number })]),
  }),
};

// Expectations

/** What printf formats stand for. */
const patterns: Record<string, string> = { d: '\\d+', f: '\\d+\\.\\d{6}', e: '\\d\\.\\d{6}e[+-]\\d{2,}' };
const formats: Record<string, RegExp> = Object.fromEntries(
  Object.entries(cases.find((c) => c.id === 'all/line_formats')?.args ?? {}).map(([name, format]) => {
    const escaped = String(format).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return [name, new RegExp(`^${escaped.replace(/%([dfe])/g, (_, kind: string) => patterns[kind])}$`)];
  }),
);

function numbersOf(value: unknown): number[] {
  if (value instanceof lw.Tensor) return Array.from(value.data);
  return [value].flat(Number.POSITIVE_INFINITY) as number[];
}

/** Largest |a - b| / max(1e-8, |a| + |b|). */
function relativeError(a: number[], b: number[]): number {
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]) / Math.max(1e-8, Math.abs(x) + Math.abs(b[i]))));
}

function expectNear(got: number[], wanted: number[], rtol: number, atol: number): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]), `${value} for ${wanted[i]} at ${i}`).toBeLessThanOrEqual(
      atol + rtol * Math.abs(wanted[i]),
    );
  });
}

const metrics: Record<string, (got: unknown, e: Expectation) => void> = {
  close: (got, { value, rtol = 0, atol = 0 }) => expectNear(numbersOf(got), numbersOf(value), rtol, atol),
  rel_error: (got, { value, tol }) => {
    const [a, b] = [numbersOf(got), numbersOf(value)];
    expect(a.length).toBe(b.length);
    expect(relativeError(a, b)).toBeLessThanOrEqual(tol as number);
  },
  sum_abs: (got, { value, tol }) => {
    const [a, b] = [numbersOf(got), numbersOf(value)];
    expect(a.length).toBe(b.length);
    expect(a.reduce((sum, x, i) => sum + Math.abs(x - b[i]), 0)).toBeLessThanOrEqual(tol as number);
  },
  exact: (got, { value }) => expect(got instanceof lw.Tensor ? numbersOf(got) : got).toEqual(value),
  below: (got, { value }) => expect(got).toBeLessThan(value as number),
  between: (got, { value }) => {
    const [low, high] = value as number[];
    expect(got).toBeGreaterThanOrEqual(low);
    expect(got).toBeLessThanOrEqual(high);
  },
  printf: (got, { value, format }) => {
    const write = { '%f': formatFixed, '%e': formatExponent }[format as string];
    if (!write) throw new Error(`no format '${format}'`);
    expect(write(got as number)).toBe(value);
  },
};

function check(outputs: Outputs, e: Expectation): void {
  const got = outputs[e.output];
  if (got === undefined) throw new Error(`no output '${e.output}' among ${Object.keys(outputs).join(', ')}`);
  const metric = metrics[e.metric];
  if (!metric) throw new Error(`no metric '${e.metric}'`);
  metric(got, e);
  if (got instanceof lw.Tensor && e.shape) expect(got.shape).toEqual(e.shape);
  if (e.oracle !== undefined && typeof e.oracle !== 'string')
    expectNear(numbersOf(got), numbersOf(e.oracle), 1e-9, 1e-15);
  if (e.band !== undefined) {
    const printed = [e.printed ?? []].flat().map(Number);
    for (const value of [...printed, outputs.seeded as number]) {
      expect(Math.abs(value - (e.value as number))).toBeLessThanOrEqual(e.band);
    }
  }
}

beforeEach(() => lw.setDefaultDType('float64'));
afterEach(() => lw.setDefaultDType('float32'));

const kinds = [...new Set(cases.map((c) => c.kind))].map(
  (kind) => [kind, cases.filter((c) => c.kind === kind)] as const,
);
describe.each(kinds)('%s', (_kind, members) => {
  test.each(members.map((c) => [c.id, c.title, c] as const))('%s: %s', async (_id, _title, c) => {
    const call = calls[c.call];
    if (!call) throw new Error(`no call '${c.call}'`);
    expect(c.expect.length).toBeGreaterThan(0);
    const outputs = await call(resolve(c.args, cook(c.recipe)) as Fields);
    for (const e of c.expect) check(outputs, e);
    // Errors of gradient checks are rounding: their size is what the expectations bound.
    if (c.kind === 'gradcheck' || c.kind === 'property') return;
    for (const [name, { value, shape }] of Object.entries(c.oracle ?? {})) {
      expectNear(numbersOf(outputs[name]), numbersOf(value), 1e-9, 1e-15);
      const got = outputs[name];
      if (got instanceof lw.Tensor && shape) expect(got.shape).toEqual(shape);
    }
  });
});

test('losses of small random scores lie where the notebooks without seeds print them', () => {
  const bands = (name: string) => cases.filter((c) => c.id.endsWith(`${name}_unseeded`)).map((c) => c.expect[0]);
  for (let seed = 0; seed < 20; seed++) {
    const random = new lw.RandomState(seed);
    const x = random.normal(0, 1e-3, [50, 10]);
    const y = random.randint(0, 10, 50);
    for (const e of bands('svm_loss')) metrics.between(lw.svmLoss(x, y)[0], e);
    for (const e of bands('softmax_loss')) metrics.between(lw.softmaxLoss(x, y)[0], e);
  }
  expect([bands('svm_loss').length, bands('softmax_loss').length]).toEqual([1, 2]);
  const [even] = lw.softmaxLoss(lw.zeros([1, 10]), [3]);
  check({ value: even }, cases.find((c) => c.id === '004/sanity_check')?.expect[0] as Expectation);
});

describe('the walk itself', () => {
  test('fails for what it does not know', () => {
    expect(() => cook([{ op: 'conjure', as: 'x' }])).toThrow(/no recipe operation 'conjure'/);
    expect(() => cook([{ op: 'model', as: 'm', class: 'Oracle', args: {} }])).toThrow(/no model Oracle/);
    expect(() => resolve({ x: ['$y'] }, new Map())).toThrow(/no variable \$y/);
    const e = { output: 'out', metric: 'close', value: 1, atol: 0.1 };
    expect(() => check({ loss: 1 }, e)).toThrow(/no output 'out' among loss/);
    expect(() => check({ out: 1 }, { ...e, metric: 'nearly' })).toThrow(/no metric 'nearly'/);
    expect(() => modelLoss({ model: 1, X: 1, reg: 0.1 })).toThrow();
    expect(() => modelLoss({ model: 1, X: 1, rate: 0.1 })).toThrow();
  });

  test('and for what does not fit', () => {
    const wrong: [unknown, Expectation][] = [
      [1.2, { output: 'o', metric: 'close', value: 1, atol: 0.1 }],
      [[1, 2], { output: 'o', metric: 'close', value: [1, 2.1], rtol: 0.01 }],
      [[1], { output: 'o', metric: 'close', value: [1, 2], rtol: 0.01 }],
      [Number.NaN, { output: 'o', metric: 'close', value: 1, atol: 10 }],
      [[1, 1], { output: 'o', metric: 'rel_error', value: [1, 1.1], tol: 0.01 }],
      [[Number.NaN], { output: 'o', metric: 'rel_error', value: [1], tol: 10 }],
      [[1, 1], { output: 'o', metric: 'sum_abs', value: [1.1, 1.1], tol: 0.15 }],
      [[1, 1], { output: 'o', metric: 'exact', value: [1, 2] }],
      [1, { output: 'o', metric: 'below', value: 1 }],
      [Number.NaN, { output: 'o', metric: 'below', value: 1 }],
      [3, { output: 'o', metric: 'between', value: [1, 2] }],
      [1.0000005, { output: 'o', metric: 'printf', value: '1.000000', format: '%f' }],
      [1, { output: 'o', metric: 'printf', value: '1', format: '%g' }],
      [1, { output: 'o', metric: 'close', value: 1, oracle: 1.00001 }],
      [1, { output: 'o', metric: 'close', value: 1, band: 0.1, printed: ['1.2'] }],
      [lw.zeros([2, 1]), { output: 'o', metric: 'close', value: [0, 0], shape: [1, 2] }],
    ];
    for (const [got, e] of wrong) expect(() => check({ o: got, seeded: 1 }, e), JSON.stringify(e)).toThrow();
  });

  test('knows how many cases there are', () => {
    expect(Object.fromEntries(kinds.map(([kind, list]) => [kind, list.length]))).toEqual({
      exact: 24,
      gradcheck: 11,
      statistical: 17,
      derived: 5,
      bug: 2,
      property: 9,
      structural: 19,
    });
    expect(new Set(cases.map((c) => c.id)).size).toBe(cases.length);
  });
});
