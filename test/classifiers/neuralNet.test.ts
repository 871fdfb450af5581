// The two-layer nets in one piece against each other and against TwoLayerNet, and their trainers against plain loops.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats } from '../support.js';

const live = () => lw.info().memory.live;
const float64 = { dtype: 'float64' } as const;

/** N examples of D numbers and labels below C. */
function examples(N: number, D: number, C: number, dtype: 'float32' | 'float64' = 'float64', seed = 5) {
  const rs = new lw.RandomState(seed);
  return { X: rs.randn(N, D, { dtype }), y: rs.randint(0, C, [N]) };
}

describe.each(floats)('%s', (dtype) => {
  test('all forms of the net give the same numbers', () => {
    const before = live();
    lw.scope(() => {
      const { X, y } = examples(7, 5, 3, dtype);
      const std = 0.3;
      const [a, b, c] = [1, 2, 3].map(() => new lw.RandomState(11));
      const net = new lw.NeuralNet(5, 8, 3, { std, dtype, random: a });
      const model = lw.initTwoLayerModel(5, 8, 3, { std, dtype, random: b });
      const modular = new lw.TwoLayerNet({
        inputDim: 5,
        hiddenDim: 8,
        numClasses: 3,
        weightScale: std,
        dtype,
        random: c,
      });
      const shapes = Object.fromEntries(Object.entries(net.params).map(([name, t]) => [name, t.shape]));
      expect(shapes).toEqual({ W1: [8, 5], b1: [8], W2: [3, 8], b2: [3] });
      // The same draws in another order of axes: what W1 (H, D) is filled with row by row.
      expectClose(net.params.W1.data, model.W1.data, 0, 'draws');
      modular.params.W1 = net.params.W1.transpose();
      modular.params.W2 = net.params.W2.transpose();
      modular.reg = 0.4;
      for (const name of ['W1', 'W2'] as const) model[name].data.set(modular.params[name].data);
      for (const name of ['b1', 'b2'] as const) {
        const b = lw.tensor(
          Array.from(model[name].data, (_, i) => 0.1 * i - 0.2),
          { dtype },
        );
        model[name].data.set(b.data);
        net.params[name] = b;
        modular.params[name] = b;
      }
      const tolerance = dtype === 'float32' ? 1e-6 : 1e-14;
      const scores = modular.loss(X);
      expectClose(net.loss(X).data, scores.data, tolerance, 'scores');
      expectClose(lw.twoLayerNet(X, model).data, scores.data, tolerance, 'scores');
      expect(Array.from(net.predict(X).data)).toEqual(Array.from(modular.predict(X).data));
      const [loss, grads] = modular.loss(X, y);
      const [loss1, grads1] = net.loss(X, y, 0.4);
      const [loss2, grads2] = lw.twoLayerNet(X, model, y, 0.4);
      for (const other of [loss1, loss2]) expect(Math.abs(other - loss)).toBeLessThan(10 * tolerance);
      expect(net.reg).toBe(0);
      for (const name of ['W1', 'b1', 'W2', 'b2'] as const) {
        const transposed = name.startsWith('W') ? grads1[name].transpose() : grads1[name];
        expect(transposed.shape).toEqual(grads[name].shape);
        expectClose(transposed.data, grads[name].data, 10 * tolerance, name);
        expectClose(grads2[name].data, grads[name].data, 10 * tolerance, name);
      }
      net.dispose();
      modular.dispose();
    });
    expect(live()).toBe(before);
  });

  test('whole numbers, images and arrays are computed in the model’s type', () => {
    lw.scope(() => {
      const pixels = lw.tensor([3, 1, 4, 1, 5, 9, 2, 6], { shape: [2, 1, 2, 2], dtype: 'int32' });
      const list = pixels.reshape(2, 4).toArray();
      const floating = pixels.astype(dtype);
      const model = lw.initTwoLayerModel(4, 3, 2, { std: 0.1, dtype });
      const net = new lw.NeuralNet(4, 3, 2, { std: 0.1, dtype });
      for (const X of [pixels, list]) {
        const [loss, grads] = lw.twoLayerNet(X, model, [0, 1], 0.1);
        const [same, wanted] = lw.twoLayerNet(floating, model, [0, 1], 0.1);
        expect(loss).toBe(same);
        expect(firstDifference(bits(grads.W1), bits(wanted.W1))).toBe(-1);
        expect(net.loss(X, [0, 1], 0.1)[0]).toBe(net.loss(floating, [0, 1], 0.1)[0]);
        const history = net.train(X, [0, 1], X, [0, 1], { numIters: 2, random: new lw.RandomState(1) });
        expect(history.lossHistory.length).toBe(2);
        const trainer = new lw.ClassifierTrainer();
        const options = { numEpochs: 2, batchSize: 2, random: new lw.RandomState(1) };
        expect(trainer.train(X, [0, 1], X, [0, 1], model, lw.twoLayerNet, options).lossHistory.length).toBe(2);
        trainer.dispose();
      }
      net.dispose();
    });
  });
});

test('gradients against central differences', () => {
  lw.scope(() => {
    const { X, y } = examples(6, 4, 3);
    const random = new lw.RandomState(3);
    const net = new lw.NeuralNet(4, 5, 3, { std: 0.5, random, ...float64 });
    const model = lw.initTwoLayerModel(4, 5, 3, { std: 0.5, random, ...float64 });
    for (const reg of [0, 0.7]) {
      const [, grads] = net.loss(X, y, reg);
      for (const name of net.paramNames) {
        const numeric = lw.evalNumericalGradient(() => net.loss(X, y, reg)[0], net.params[name]);
        expect(lw.relError(numeric, grads[name]), name).toBeLessThan(1e-6);
      }
      const [, others] = lw.twoLayerNet(X, model, y, reg);
      for (const name of ['W1', 'b1', 'W2', 'b2'] as const) {
        const numeric = lw.evalNumericalGradient(() => lw.twoLayerNet(X, model, y, reg)[0], model[name]);
        expect(lw.relError(numeric, others[name]), name).toBeLessThan(1e-6);
      }
    }
    net.dispose();
  });
});

test('NeuralNet.train: steps, checks and decay, draw for draw', () => {
  const before = live();
  lw.scope(() => {
    const { X, y } = examples(10, 4, 3);
    const val = examples(6, 4, 3, 'float64', 6);
    const make = () => new lw.NeuralNet(4, 5, 3, { std: 0.5, random: new lw.RandomState(2), ...float64 });
    const [net, same] = [make(), make()];
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    // 10 / 4 = 2.5: of the steps 0 … 11 only 0, 5 and 10 are multiples.
    const options = { learningRate: 0.2, learningRateDecay: 0.5, reg: 0.1, numIters: 12, batchSize: 4 };
    const got = net.train(X, y, val.X, val.y, { ...options, verbose: true, log });
    const accuracy = (x: lw.Tensor, labels: lw.Tensor) => {
      const predicted = same.predict(x).data;
      return labels.data.filter((label, i) => label === predicted[i]).length / labels.size;
    };
    let rate = 0.2;
    const wanted: lw.TrainingHistory = { lossHistory: [], trainAccHistory: [], valAccHistory: [] };
    for (let i = 0; i < 12; i++) {
      const rows = same.random.choice(10, 4);
      const [batch, labels] = [X.take(rows), y.take(rows)];
      const [loss, grads] = same.loss(batch, labels, 0.1);
      wanted.lossHistory.push(loss);
      for (const name of same.paramNames) lw.sgd(same.params[name], grads[name], { learningRate: rate });
      if (i % 5 !== 0) continue;
      wanted.trainAccHistory.push(accuracy(batch, labels));
      wanted.valAccHistory.push(accuracy(val.X, val.y));
      rate *= 0.5;
    }
    expect(got).toEqual(wanted);
    for (const name of net.paramNames) {
      expect(firstDifference(bits(net.params[name]), bits(same.params[name])), name).toBe(-1);
    }
    expect(lines).toEqual([`iteration 0 / 12: loss ${got.lossHistory[0]}`]);
    expect(net.reg).toBe(0);
    const again = net.train(X, y, val.X, val.y, { numIters: 3, random: new lw.RandomState(1) });
    expect(again.lossHistory.length).toBe(3);
    net.dispose();
    same.dispose();
  });
  expect(live()).toBe(before);
});

test('a Solver trains a NeuralNet too', async () => {
  const { X, y } = examples(20, 4, 3);
  const net = new lw.NeuralNet(4, 5, 3, { std: 0.5, random: new lw.RandomState(2), ...float64 });
  const data = { XTrain: X, yTrain: y, XVal: X, yVal: y };
  const solver = new lw.Solver(net, data, { batchSize: 5, numEpochs: 2, verbose: false });
  await solver.train();
  expect(solver.lossHistory.length).toBe(8);
  for (const owner of [solver, net, X, y]) owner.dispose();
});

describe('ClassifierTrainer', () => {
  /** The notebook's trainer in plain loops on copies of the model. */
  function reference(
    X: lw.Tensor,
    y: lw.Tensor,
    val: { X: lw.Tensor; y: lw.Tensor },
    given: lw.TwoLayerModel,
    random: lw.RandomState,
    o: { update: string; momentum: number; batchSize: number; numEpochs: number; accFrequency?: number; reg: number },
  ) {
    const names = ['W1', 'b1', 'W2', 'b2'] as const;
    const model = Object.fromEntries(names.map((name) => [name, given[name].clone()])) as unknown as lw.TwoLayerModel;
    const cache: Record<string, Float64Array> = {};
    const N = X.shape[0];
    const perEpoch = Math.floor(N / o.batchSize);
    let rate = 0.1;
    const lossHistory: number[] = [];
    const trainAccHistory: number[] = [];
    const valAccHistory: number[] = [];
    let best = -1;
    let bestModel = model;
    const accuracy = (x: lw.Tensor, labels: lw.Tensor) => {
      const predicted = lw.twoLayerNet(x, model).argmax(1).data;
      return labels.data.filter((label, i) => label === predicted[i]).length / labels.size;
    };
    for (let i = 0; i < perEpoch * o.numEpochs; i++) {
      const rows = random.choice(N, o.batchSize);
      const [loss, grads] = lw.twoLayerNet(X.take(rows), model, y.take(rows), o.reg);
      lossHistory.push(loss);
      for (const name of names) {
        const g = grads[name].data;
        cache[name] ??= new Float64Array(g.length);
        const w = model[name].data;
        for (let j = 0; j < g.length; j++) {
          let step = -rate * g[j];
          if (o.update === 'momentum') {
            step += o.momentum * cache[name][j];
            cache[name][j] = step;
          } else if (o.update === 'rmsprop') {
            cache[name][j] = 0.99 * cache[name][j] + (1 - 0.99) * g[j] ** 2;
            step = (-rate * g[j]) / Math.sqrt(cache[name][j] + 1e-8);
          }
          w[j] += step;
        }
      }
      const ends = (i + 1) % perEpoch === 0;
      if (i > 0 && !ends && !(o.accFrequency && i % o.accFrequency === 0)) continue;
      if (i > 0 && ends) rate *= 0.9;
      const some = N > 1000 ? random.choice(N, 1000) : undefined;
      trainAccHistory.push(some ? accuracy(X.take(some), y.take(some)) : accuracy(X, y));
      valAccHistory.push(accuracy(val.X, val.y));
      const valAcc = valAccHistory.at(-1) as number;
      if (valAcc > best) {
        best = valAcc;
        bestModel = Object.fromEntries(names.map((name) => [name, model[name].clone()])) as unknown as lw.TwoLayerModel;
      }
    }
    return { model, bestModel, lossHistory, trainAccHistory, valAccHistory };
  }

  test.each([
    ['sgd', 40, undefined],
    ['momentum', 40, 3],
    ['rmsprop', 40, undefined],
    ['momentum', 1100, undefined],
  ] as const)('%s on %i examples, checks every %s steps', (update, N, accFrequency) => {
    const before = live();
    const trainer = new lw.ClassifierTrainer();
    lw.scope(() => {
      const { X, y } = examples(N, 6, 3);
      const val = examples(30, 6, 3, 'float64', 9);
      const settings = { update, momentum: 0.8, batchSize: N / 4 - 1, numEpochs: 3, reg: 0.01 };
      const model = lw.initTwoLayerModel(6, 8, 3, { std: 0.4, random: new lw.RandomState(4), ...float64 });
      const checks = accFrequency === undefined ? {} : { accFrequency };
      const wanted = reference(X, y, val, model, new lw.RandomState(7), { ...settings, ...checks });
      const options = { ...settings, ...checks, learningRate: 0.1, learningRateDecay: 0.9 };
      // The library's own function runs in planned memory, a function of the user's does not.
      const users: lw.LossFunction<lw.TwoLayerModel> = (...args) => lw.twoLayerNet(...args);
      for (const lossFunction of [lw.twoLayerNet, users]) {
        const mine = Object.fromEntries(
          Object.entries(model).map(([k, t]) => [k, t.clone()]),
        ) as unknown as typeof model;
        const random = new lw.RandomState(7);
        const got = trainer.train(X, y, val.X, val.y, mine, lossFunction, { ...options, random });
        expectClose(got.lossHistory, wanted.lossHistory, 1e-10, 'losses');
        expect(got.trainAccHistory).toEqual(wanted.trainAccHistory);
        expect(got.valAccHistory).toEqual(wanted.valAccHistory);
        for (const name of ['W1', 'b1', 'W2', 'b2'] as const) {
          expectClose(mine[name].data, wanted.model[name].data, 1e-9, name);
          expectClose(got.bestModel[name].data, wanted.bestModel[name].data, 1e-9, `best ${name}`);
        }
        expect(Object.keys(trainer.stepCache).length).toBe(update === 'sgd' ? 0 : 4);
        trainer.dispose();
      }
    });
    expect(live()).toBe(before);
  });

  test('what the rules remember lasts from call to call', () => {
    lw.scope(() => {
      const { X, y } = examples(8, 4, 3);
      const start = lw.initTwoLayerModel(4, 5, 3, { std: 0.4, ...float64 });
      const copy = () =>
        Object.fromEntries(Object.entries(start).map(([k, t]) => [k, t.clone()])) as unknown as typeof start;
      const options = { sampleBatches: false, momentum: 0.9, learningRateDecay: 1, learningRate: 0.1 };
      const run = (trainer: lw.ClassifierTrainer, model: typeof start, numEpochs: number) =>
        trainer.train(X, y, X, y, model, lw.twoLayerNet, { ...options, numEpochs }).lossHistory;
      const [one, two, fresh] = [0, 1, 2].map(() => new lw.ClassifierTrainer());
      const [a, b, c] = [copy(), copy(), copy()];
      const whole = run(one, a, 6);
      expect([...run(two, b, 3), ...run(two, b, 3)]).toEqual(whole);
      expect([...run(fresh, c, 3), ...run(new lw.ClassifierTrainer(), c, 3)]).not.toEqual(whole);
      const other = lw.initTwoLayerModel(4, 6, 3, float64);
      const rule =
        'ClassifierTrainer.train: model.W1 must be float64 tensor (4, 5) as in earlier calls, got float64 tensor (4, 6); take a new ClassifierTrainer for another model';
      expectRefused(() => run(one, other, 1), lw.ShapeError, rule);
      for (const t of [one, two, fresh]) t.dispose();
    });
  });

  test('any model and loss function; lines', () => {
    lw.scope(() => {
      // A linear model: the loss of Softmax without its classifier.
      const { X, y } = examples(25, 4, 3);
      const model = { W: lw.zeros([4, 3], float64) };
      const linear = (x: lw.Tensor, { W }: typeof model, labels?: lw.Tensor, reg = 0) => {
        if (!labels) return lw.matmul(x, W);
        const [loss, dW] = lw.softmaxLossVectorized(W, x, labels, reg);
        return [loss, { W: dW }] as [number, { W: lw.Tensor }];
      };
      const lines: string[] = [];
      const log = (line: string) => void lines.push(line);
      const trainer = new lw.ClassifierTrainer();
      const options = { numEpochs: 2, batchSize: 2, learningRate: 0.1, update: 'sgd', verbose: true, log } as const;
      const got = trainer.train(X, y, X, y, model, linear, options);
      expect(got.lossHistory.length).toBe(24);
      expect(got.lossHistory[0]).toBeCloseTo(Math.log(3), 12);
      expect(got.bestModel.W.shape).toEqual([4, 3]);
      const checks = [0, 1, 2].map((epoch, i) => {
        const accuracies = `train: ${got.trainAccHistory[i].toFixed(6)}, val ${got.valAccHistory[i].toFixed(6)}`;
        const rate = (0.1 * 0.95 ** epoch).toExponential(6).replace(/-(\d)$/, '-0$1');
        return `Finished epoch ${epoch} / 2: cost ${got.lossHistory[[0, 11, 23][i]].toFixed(6)}, ${accuracies}, lr ${rate}`;
      });
      expect(lines).toEqual([
        'starting iteration 0',
        checks[0],
        'starting iteration 10',
        checks[1],
        'starting iteration 20',
        checks[2],
        `finished optimization. best validation accuracy: ${Math.max(...got.valAccHistory).toFixed(6)}`,
      ]);
      lines.length = 0;
      trainer.train(X, y, X, y, model, linear, { ...options, verbose: false });
      expect(lines).toEqual([]);
    });
  });

  test('allocates nothing after the first epoch', () => {
    lw.scope(() => {
      const { X, y } = examples(40, 6, 3);
      const random = new lw.RandomState(1);
      const seen: number[] = [];
      const watching = new Proxy(random, {
        get(target, key) {
          if (key === 'choice') seen.push(live());
          const value = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      const trainer = new lw.ClassifierTrainer();
      const model = lw.initTwoLayerModel(6, 5, 3, float64);
      trainer.train(X, y, X, y, model, lw.twoLayerNet, { batchSize: 10, numEpochs: 4, random: watching });
      expect(seen.length).toBe(16);
      expect(new Set(seen.slice(5)).size).toBe(1);
      const net = new lw.NeuralNet(6, 5, 3, float64);
      seen.length = 0;
      net.train(X, y, X, y, { batchSize: 10, numIters: 12, random: watching });
      expect(new Set(seen.slice(5)).size).toBe(1);
      trainer.dispose();
      net.dispose();
    });
  });
});

describe('refused, with nothing changed', () => {
  test('nets and models', () => {
    const make =
      (...args: unknown[]) =>
      () =>
        new lw.NeuralNet(...(args as [number, number, number]));
    const size = 'must be an integer in [1, Infinity)';
    expectRefused(make(0, 3, 2), lw.ValueError, `NeuralNet: inputSize ${size}, got 0`);
    expectRefused(make(4, 2.5, 2), lw.ValueError, `NeuralNet: hiddenSize ${size}, got 2.5`);
    expectRefused(make(4, 3), lw.ValueError, `NeuralNet: outputSize ${size}, got undefined`);
    expectRefused(make(4, 3, 2, { sd: 1 }), lw.OptionError, /unknown option 'sd'/);
    expectRefused(make(4, 3, 2, { std: -1 }), lw.ValueError, /std must be/);
    expectRefused(make(4, 3, 2, { dtype: 'int32' }), lw.DTypeError, /dtype must be/);
    const init =
      (...args: unknown[]) =>
      () =>
        lw.initTwoLayerModel(...(args as [number, number, number]));
    expectRefused(init(4, -1, 2), lw.ValueError, `initTwoLayerModel: hiddenSize ${size}, got -1`);
    expectRefused(init(4, 3, 2, { dtype: 'int32' }), lw.OptionError, /dtype must be one of/);
  });

  test('twoLayerNet', () => {
    const model = lw.initTwoLayerModel(4, 3, 2);
    const X = lw.ones([2, 4]);
    const run =
      (x: unknown, m: unknown, ...rest: unknown[]) =>
      () =>
        lw.twoLayerNet(x as lw.Tensor, m as lw.TwoLayerModel, ...(rest as [lw.Tensor, number]));
    const missing = 'twoLayerNet: model.b1 is missing; initTwoLayerModel() makes one';
    expectRefused(run(X, { ...model, b1: undefined }), lw.OptionError, missing);
    expectRefused(run(X, undefined), lw.OptionError, /model.W1 is missing/);
    const swapped = 'twoLayerNet: model.W2 must be (H, C) with H = 3, got (4, 3); H is the second axis of W1 (4, 3)';
    expectRefused(run(X, { ...model, W2: model.W1 }), lw.ShapeError, swapped);
    expectRefused(
      run(X, { ...model, b2: model.b1 }),
      lw.ShapeError,
      'twoLayerNet: model.b2 must be (C,) = (2,), got (3,)',
    );
    const shape = 'twoLayerNet: X must be (N, …) with 4 numbers for each example, got (1, 3); W1 is (4, 3)';
    expectRefused(run([[1, 2, 3]], model), lw.ShapeError, shape);
    expectRefused(run(X, model, [0, 2]), lw.ValueError, 'twoLayerNet: y must be whole numbers in [0, 2), got 2 at 1');
    expectRefused(run(X, model, [0]), lw.ShapeError, 'twoLayerNet: y must be 2 labels, one for each example, got 1');
    expectRefused(run(X, model, [0, 1], -1), lw.ValueError, /twoLayerNet: reg must be/);
    for (const t of [X, ...Object.values(model)]) t.dispose();
  });

  test('training', () => {
    const X = [[1, 2]];
    const net = new lw.NeuralNet(2, 3, 2);
    const train =
      (options: object, y: number[] = [0]) =>
      () =>
        net.train(X, y, X, [0], options);
    expectRefused(train({ learningRates: 1 }), lw.OptionError, /did you mean 'learningRate'/);
    expectRefused(train({ learningRateDecay: -1 }), lw.ValueError, /learningRateDecay must be/);
    expectRefused(train({ numIters: -1 }), lw.ValueError, /numIters must be/);
    expectRefused(train({ batchSize: 0 }), lw.ValueError, /batchSize must be/);
    expectRefused(train({}, [2]), lw.ValueError, 'train: y must be whole numbers in [0, 2), got 2 at 0');
    const wide =
      'train: XVal must be (N, …) with 2 numbers for each example, got (1, 3); the net was made for inputs of 2';
    expectRefused(() => net.train(X, [0], [[1, 2, 3]], [0]), lw.ShapeError, wide);
    expectRefused(() => net.loss(X, [0], -1), lw.ValueError, /reg must be/);
    expect(net.reg).toBe(0);
    net.dispose();

    const trainer = new lw.ClassifierTrainer();
    const model = lw.initTwoLayerModel(2, 3, 2);
    const run =
      (options: object, lossFunction: unknown = lw.twoLayerNet, m: unknown = model) =>
      () =>
        trainer.train(X, [0], X, [0], m as typeof model, lossFunction as typeof lw.twoLayerNet, options);
    const update = "ClassifierTrainer.train: update must be one of 'sgd', 'momentum', 'rmsprop', got 'adam'";
    expectRefused(run({ update: 'adam' }), lw.OptionError, update);
    expectRefused(run({ numEpoch: 1 }), lw.OptionError, /did you mean 'numEpochs'/);
    expectRefused(run({ accFrequency: 0 }), lw.ValueError, /accFrequency must be/);
    expectRefused(run({ sampleBatches: 1 }), lw.OptionError, /sampleBatches must be true or false, got 1/);
    expectRefused(run({}, 5), lw.OptionError, /lossFunction must be a function, got 5/);
    expectRefused(run({}, lw.twoLayerNet, {}), lw.OptionError, /model must be float tensors by name/);
    expectRefused(run({}, lw.twoLayerNet, { W: 1 }), lw.DTypeError, /model.W must be a tensor/);
    const loss = /the result of lossFunction must be \[loss, gradients\] when it is given labels, got 3/;
    expectRefused(
      run({}, () => 3),
      lw.RuntimeError,
      loss,
    );
    const gradient = /the gradient of W1 must be a tensor, got undefined/;
    expectRefused(
      run({}, () => [3, {}]),
      lw.DTypeError,
      gradient,
    );
    const scores = /the result of lossFunction must be scores \(N, C\) with N = 1 when it is given no labels/;
    const half = (x: lw.Tensor, m: typeof model, y?: lw.Tensor) => (y ? lw.twoLayerNet(x, m, y) : lw.zeros([1]));
    expectRefused(run({ update: 'sgd' }, half), lw.ShapeError, scores);
    for (const t of Object.values(model)) t.dispose();
  });
});
