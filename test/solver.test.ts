// The training loop: draws, printed lines, histories, events, stopping, going on, checkpoints.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, fillMemory, firstDifference, thrown, uniforms } from './support.js';

const live = () => lw.info().memory.live;

type Tensors = Record<'XTrain' | 'yTrain' | 'XVal' | 'yVal', lw.Tensor>;

/** Three classes: clouds around the corners of a triangle. */
function clouds(N = 60, Nval = 24, dtype: lw.DType = 'float32', seed = 1): Tensors {
  const rs = new lw.RandomState(seed);
  const make = (count: number) => {
    const y = rs.randint(0, 3, [count]);
    const X = rs.randn(count, 4, { dtype: 'float64' });
    for (let i = 0; i < count; i++) X.data[4 * i + y.data[i]] += 4;
    if (dtype === 'float64') return [X, y];
    const cast = X.astype(dtype);
    X.dispose();
    return [cast, y];
  };
  const [XTrain, yTrain] = make(N);
  const [XVal, yVal] = make(Nval);
  return { XTrain, yTrain, XVal, yVal };
}

const net = (seed = 2, options: lw.FullyConnectedNetOptions = {}) =>
  new lw.FullyConnectedNet([6], {
    inputDim: 4,
    numClasses: 3,
    weightScale: 0.3,
    random: new lw.RandomState(seed),
    ...options,
  });

/** What a model consists of, as bytes. */
const frozen = (model: lw.Network) =>
  Object.fromEntries(Object.entries(model.state()).map(([name, t]) => [name, bits(t)]));

const quiet = { verbose: false } as const;

describe('gradients that the update rule computes itself', () => {
  // Two layers are large enough, one takes two blocks of summation; the last rows and columns are ragged.
  const D = 530;
  const make = (dtype: 'float32' | 'float64', batchSize: number) => {
    const random = new lw.RandomState(3);
    const XTrain = random.randn(batchSize + 5, D, { dtype });
    const yTrain = random.randint(0, 10, [batchSize + 5]);
    const model = new lw.FullyConnectedNet([501, 530], { inputDim: D, reg: 1e-2, dtype, random });
    return { model, random, data: { XTrain, yTrain, XVal: XTrain.rows(0, 5), yVal: yTrain.rows(0, 5) } };
  };

  test.each(['sgd', 'sgdMomentum', 'rmsprop', 'adagrad', 'adam', 'adamw'] as const)(
    '%s: the same bits',
    async (rule) => {
      for (const [dtype, batchSize] of [
        ['float32', 290],
        ['float64', 7],
      ] as const) {
        const results = [];
        // With a norm to watch, gradients are computed one and all before the rule sees them.
        for (const clipNorm of [undefined, 1e30]) {
          const { model, random, data } = make(dtype, batchSize);
          const options = { updateRule: rule, optimConfig: { learningRate: 1e-4 }, batchSize, numEpochs: 2, random };
          const solver = new lw.Solver(model, data, { ...quiet, ...options, clipNorm });
          await solver.train();
          results.push({ loss: [...solver.lossHistory], state: frozen(model) });
          solver.dispose();
          model.dispose();
        }
        const [alone, before] = results;
        expect(alone.loss).toEqual(before.loss);
        for (const name in alone.state) expect(firstDifference(alone.state[name], before.state[name]), name).toBe(-1);
      }
    },
  );

  test('the same with L2 and decoupled decay together, and where a product might overflow', async () => {
    for (const [weightDecay, size] of [
      [1e-2, 1],
      [0, 1e37],
    ]) {
      const results = [];
      for (const clipNorm of [undefined, 1e300]) {
        const { random, data } = make('float32', 8);
        for (let i = 0; i < data.XTrain.size; i++) data.XTrain.data[i] *= size;
        const model = new lw.Network([lw.layers.affine(501, { weightScale: 0 })], { inputDim: D, reg: 1e-2, random });
        const options = { optimConfig: { learningRate: 1e-3 / size }, batchSize: 8, numEpochs: 2, weightDecay, random };
        const solver = new lw.Solver(model, data, { ...quiet, ...options, updateRule: 'sgd', clipNorm });
        await solver.train();
        expect(solver.lossHistory.every(Number.isFinite)).toBe(true);
        results.push(frozen(model));
      }
      for (const name in results[0]) expect(firstDifference(results[0][name], results[1][name]), name).toBe(-1);
    }
  });
});

describe('a run', () => {
  test('draws, updates, decays, checks and prints as the notebooks do', async () => {
    const data = clouds(50, 24, 'float64');
    const model = net(2, { dtype: 'float64', reg: 0.1 });
    const twin = net(2, { dtype: 'float64', reg: 0.1 });
    const lines: string[] = [];
    const solver = new lw.Solver(model, data, {
      updateRule: 'sgd_momentum',
      optimConfig: { learningRate: 0.05 },
      lrDecay: 0.5,
      batchSize: 15,
      numEpochs: 2,
      numTrainSamples: 20,
      numValSamples: 10,
      printEvery: 2,
      random: new lw.RandomState(3),
      log: (line) => lines.push(line),
    });
    await solver.train();

    // The same, written out.
    const random = new lw.RandomState(3);
    const [X, y] = [data.XTrain, data.yTrain] as lw.Tensor[];
    const [XVal, yVal] = [data.XVal, data.yVal] as lw.Tensor[];
    const configs = Object.fromEntries(
      twin.paramNames.map((name) => [name, { learningRate: 0.05 } as lw.SgdMomentumConfig]),
    );
    const losses: number[] = [];
    const accuracies: [number, number][] = [];
    const wanted: string[] = [];
    let best: Record<string, Uint8Array> = {};
    let bestAcc = -1;
    let epoch = 0;
    const accuracy = (images: lw.Tensor, labels: lw.Tensor, rows: lw.Tensor) => {
      const predicted = twin.predict(images.take(rows)).data;
      return lw.scope(() => labels.take(rows).data.filter((label, i) => label === predicted[i]).length) / rows.size;
    };
    for (let t = 0; t < 6; t++) {
      const rows = random.choice(50, 15);
      const [loss, gradients] = twin.loss(X.take(rows), y.take(rows));
      for (const name of twin.paramNames) lw.sgdMomentum(twin.params[name], gradients[name], configs[name]);
      losses.push(loss);
      if (t % 2 === 0) wanted.push(`(Iteration ${t + 1} / 6) loss: ${loss.toFixed(6)}`);
      const ends = (t + 1) % 3 === 0;
      if (ends) {
        epoch++;
        for (const config of Object.values(configs)) config.learningRate = (config.learningRate as number) * 0.5;
      }
      if (t > 0 && !ends) continue;
      const pair: [number, number] = [
        accuracy(X, y, random.choice(50, 20)),
        accuracy(XVal, yVal, random.choice(24, 10)),
      ];
      accuracies.push(pair);
      wanted.push(`(Epoch ${epoch} / 2) train acc: ${pair[0].toFixed(6)}; val_acc: ${pair[1].toFixed(6)}`);
      if (pair[1] > bestAcc) {
        bestAcc = pair[1];
        best = frozen(twin);
      }
    }
    expect(lines).toEqual(wanted);
    expect(solver.lossHistory).toEqual(losses);
    expect(solver.trainAccHistory).toEqual(accuracies.map(([train]) => train));
    expect(solver.valAccHistory).toEqual(accuracies.map(([, val]) => val));
    expect(solver.bestValAcc).toBe(bestAcc);
    expect(frozen(model)).toEqual(best);
    expect(Object.keys(solver.bestParams)).toEqual(model.paramNames);
    for (const name of model.paramNames) expect(bits(solver.bestParams[name])).toEqual(best[name]);
    expect(solver.epoch).toBe(2);
    expect(solver.learningRate).toBe(0.0125);
    expect(solver.optimConfigs.W1.momentum).toBe(0.9);
    expect(solver.optimConfigs.W1.velocity).not.toBe(solver.optimConfigs.W2.velocity);
  });

  // Lines of the notebooks: 49,000 images in batches of 100 for 10 epochs, 50 in batches of 25 for 20, and so on.
  test.each([
    { N: 50, batchSize: 25, numEpochs: 20, printEvery: 10, iterations: 40, printed: 4, last: 31, epochs: 21 },
    { N: 490, batchSize: 1, numEpochs: 10, printEvery: 100, iterations: 4900, printed: 49, last: 4801, epochs: 11 },
    { N: 40, batchSize: 1, numEpochs: 5, printEvery: 10, iterations: 200, printed: 20, last: 191, epochs: 6 },
    { N: 7, batchSize: 100, numEpochs: 3, printEvery: 1, iterations: 3, printed: 3, last: 3, epochs: 4 },
    { N: 7, batchSize: 2, numEpochs: 1, printEvery: 2, iterations: 3, printed: 2, last: 3, epochs: 2 },
  ])('number of lines for $N examples, batches of $batchSize', async (plan) => {
    const lines: string[] = [];
    const { N, batchSize, numEpochs, printEvery } = plan;
    const solver = new lw.Solver(net(), clouds(N, 3), {
      batchSize,
      numEpochs,
      printEvery,
      log: (line) => lines.push(line),
    });
    expect(solver.numIterations).toBe(plan.iterations);
    await solver.train();
    const steps = lines.filter((line) => line.startsWith('(Iteration'));
    expect(steps.length).toBe(plan.printed);
    expect(steps[0]).toMatch(new RegExp(`^\\(Iteration 1 / ${plan.iterations}\\) loss: \\d+\\.\\d{6}$`));
    expect(steps.at(-1)).toMatch(new RegExp(`^\\(Iteration ${plan.last} / `));
    const checks = lines.filter((line) => line.startsWith('(Epoch'));
    expect(checks[0]).toMatch(
      new RegExp(
        `^\\(Epoch ${plan.iterations === numEpochs ? 1 : 0} / ${numEpochs}\\) train acc: [01]\\.\\d{6}; val_acc: [01]\\.\\d{6}$`,
      ),
    );
    // One step an epoch, and the first check is also that of the first epoch's end.
    expect(checks.length).toBe(plan.iterations === numEpochs ? numEpochs : plan.epochs);
    solver.dispose();
  });

  test('it learns', async () => {
    for (const updateRule of ['sgd', 'sgdMomentum', 'rmsprop', 'adam', 'adamw', 'adagrad'] as const) {
      const solver = new lw.Solver(net(), clouds(300, 100), {
        updateRule,
        optimConfig: { learningRate: 0.05 },
        batchSize: 30,
        numEpochs: 5,
        random: new lw.RandomState(1),
        ...quiet,
      });
      await solver.train();
      expect(solver.bestValAcc, updateRule).toBeGreaterThan(0.9);
      expect(solver.lossHistory.at(-1), updateRule).toBeLessThan(0.5);
      solver.dispose();
    }
  });

  test('the first check counts even at accuracy 0', async () => {
    const data = clouds(10, 5);
    const model = net(2, { weightScale: 0 });
    // All scores are equal, so class 0 is predicted; no validation label is 0.
    const solver = new lw.Solver(
      model,
      { ...data, yVal: [1, 2, 1, 2, 1] },
      { optimConfig: { learningRate: 0 }, numEpochs: 1, ...quiet },
    );
    await solver.train();
    expect(solver.bestValAcc).toBe(0);
    expect(Object.keys(solver.bestParams)).toEqual(model.paramNames);
  });

  test('running averages belong to the best parameters', async () => {
    const data = clouds(40, 24, 'float64');
    const model = net(2, { dtype: 'float64', normalization: 'batchnorm' });
    const solver = new lw.Solver(model, data, {
      numEpochs: 6,
      batchSize: 8,
      optimConfig: { learningRate: 0.5 },
      ...quiet,
    });
    await solver.train();
    expect(solver.checkAccuracy(data.XVal, data.yVal)).toBe(solver.bestValAcc);
  });
});

describe('data', () => {
  test('any type of X, labels in any form, nested arrays', async () => {
    const plain = clouds(30, 9);
    const t = plain;
    const whole = (X: lw.Tensor) => lw.scope(() => lw.mul(X, 8).astype('int32'));
    const [integers, integersVal] = [whole(t.XTrain), whole(t.XVal)];
    const forms: lw.SolverData[] = [
      { ...plain, XTrain: integers.astype('float32'), XVal: integersVal.astype('float32') },
      { ...plain, XTrain: integers, XVal: integersVal },
      { ...plain, XTrain: integers.astype('float64').reshape(30, 2, 2), XVal: integersVal.toArray() },
      {
        XTrain: integers.toArray(),
        yTrain: t.yTrain.toArray() as number[],
        XVal: integersVal,
        yVal: new Uint8Array(t.yVal.data),
      },
      { ...plain, XTrain: integers, XVal: integersVal, yTrain: t.yTrain.astype('float64') },
    ];
    const runs = [];
    for (const data of forms) {
      const model = net();
      const options = { random: new lw.RandomState(1), numEpochs: 2, batchSize: 7, numTrainSamples: 11, ...quiet };
      const solver = new lw.Solver(model, data, options);
      await solver.train();
      runs.push([solver.lossHistory, solver.trainAccHistory, solver.valAccHistory, frozen(model)]);
    }
    for (const run of runs) expect(run).toEqual(runs[0]);
  });

  test('examples that are read batch by batch: the numbers of tensors, and nothing allocated in a step', async () => {
    const { X, y } = lw.syntheticImages({ num: 140, seed: 1, size: 8 });
    const bytes = Uint8Array.from(X.data);
    const mean = X.mean(0);
    const means = mean.data.slice();
    const images = lw.sub(X, mean);
    const data = { XTrain: images.rows(0, 100), yTrain: y.rows(0, 100), XVal: images.rows(100), yVal: y.rows(100) };
    const source = (from: number, to: number): lw.ExampleSource => ({
      shape: [to - from, 3, 8, 8],
      read(rows, out) {
        rows.forEach((row, i) => {
          for (let k = 0; k < 192; k++) out[192 * i + k] = bytes[192 * (from + row) + k] - means[k];
        });
      },
    });
    const sources = { ...data, XTrain: source(0, 100), XVal: source(100, 140) };
    const options = { ...quiet, augment: { crop: 1, flip: true }, batchSize: 16, numEpochs: 2, numTrainSamples: 50 };
    const make = (given: lw.SolverData, dtype: 'float32' | 'float64', sampling: 'replacement' | 'epoch') => {
      const random = new lw.RandomState(4);
      const model = new lw.ThreeLayerConvNet({
        ...{ inputDim: [3, 8, 8], numFilters: 4, filterSize: 3, hiddenDim: 10, useBatchnorm: true, dtype, random },
      });
      return new lw.Solver(model, given, { ...options, sampling, random });
    };
    for (const sampling of ['replacement', 'epoch'] as const) {
      const plain = make(data, 'float32', sampling);
      const read = make(sources, 'float32', sampling);
      await plain.train();
      let before = 0;
      await read.train({
        onStep({ iteration }) {
          if (iteration === 2) before = live();
          if (iteration > 2 && iteration < 7) expect(live()).toBe(before);
        },
      });
      expect(read.lossHistory).toEqual(plain.lossHistory);
      expect(read.trainAccHistory).toEqual(plain.trainAccHistory);
      expect(read.valAccHistory).toEqual(plain.valAccHistory);
      for (const flip of [false, true]) {
        const expected = plain.checkAccuracy(data.XTrain, data.yTrain, { flip });
        expect(read.checkAccuracy(sources.XTrain, data.yTrain, { flip })).toBe(expected);
      }
      const again = lw.Solver.resume(read.save(), read.model, sources);
      expect(again.valAccHistory).toEqual(plain.valAccHistory);
      await again.train();
      await plain.train();
      expect(again.lossHistory).toEqual(plain.lossHistory);
    }
    // In float64 the model gets what is written, not what float32 has of it.
    const wide = make(sources, 'float64', 'epoch');
    await wide.train();
    expect(wide.lossHistory.every(Number.isFinite)).toBe(true);
    const wrong = { ...sources, XVal: { ...source(100, 140), shape: [40, 3, 8, 7] } };
    const { model } = wide;
    expectRefused(() => new lw.Solver(model, wrong), lw.ShapeError, /^Solver: XVal must be/);
    const none = { ...sources, XVal: source(100, 100) };
    expectRefused(() => new lw.Solver(model, none), lw.ShapeError, /^Solver: XVal must be at least one/);
  });

  test('it is not changed', async () => {
    const data = clouds(30, 9, 'float64');
    const before = Object.values(data).map(bits);
    const augment = (batch: lw.Tensor) => {
      batch.data.fill(1);
      return undefined;
    };
    await new lw.Solver(net(2, { dtype: 'float64' }), data, { numEpochs: 1, augment, ...quiet }).train();
    expect(Object.values(data).map(bits)).toEqual(before);
  });

  test('what does not fit is refused before anything is done', () => {
    const data = clouds(12, 5);
    const model = net();
    const make =
      (changed: object, options: object = {}) =>
      () =>
        void new lw.Solver(model, { ...data, ...changed }, options);
    const [wide, none] = [lw.zeros([12, 5]), lw.zeros([0, 4])];
    const hint =
      /XTrain must be \(N, …\) with 4 numbers for each example, got \(12, 5\); the model was made for inputs \(4,\)/;
    expectRefused(make({ XTrain: wide }), lw.ShapeError, hint);
    expectRefused(make({ XVal: none, yVal: [] }), lw.ShapeError, /XVal must be at least one example/);
    expectRefused(
      make({ yTrain: [0, 1] }),
      lw.ShapeError,
      'Solver: yTrain must be 12 labels, one for each example, got 2',
    );
    expectRefused(make({ yVal: [0, 1, 2, 3, 0] }), lw.ValueError, /yVal must be whole numbers in \[0, 3\), got 3 at 3/);
    expectRefused(make({ yVal: [0, 1, 2, -1, 0] }), lw.ValueError, /yVal .* got -1 at 3/);
    expectRefused(make({ yVal: undefined, yval: [0] }), lw.OptionError, "Solver: data.yVal is missing; is it 'yval'?");
    expectRefused(
      () => void new lw.Solver(model, undefined as never),
      lw.OptionError,
      /data.XTrain is missing; data has/,
    );
    expectRefused(() => void new lw.Solver({} as never, data), lw.OptionError, /model must be a Network, or an object/);
    const refused: [object, string | RegExp][] = [
      [{ batchsize: 3 }, "Solver: unknown option 'batchsize'; did you mean 'batchSize'?"],
      [{ lr_decay: 0.9 }, /did you mean 'lrDecay'/],
      [{ updateRule: 'adamm' }, /updateRule must be one of .* got 'adamm'; did you mean 'adam'\?/],
      [{ updateRule: 5 }, /updateRule must be one of/],
      [
        { optimConfig: { learning_rate: 1 } },
        "Solver: optimConfig: unknown option 'learning_rate'; did you mean 'learningRate'?",
      ],
      [{ optimConfig: { momentum: 0.9 } }, /unknown option 'momentum'/],
      [{ optimConfig: { learningRate: -1 } }, /learningRate must be/],
      [{ updateRule: 'adam', optimConfig: { m: wide } }, /optimConfig.m must be a number, text or true or false/],
      [{ batchSize: 0 }, /batchSize must be an integer in \[1, /],
      [{ numEpochs: 0 }, /numEpochs must be/],
      [{ numEpochs: 1.5 }, /numEpochs must be/],
      [{ numTrainSamples: 0 }, /numTrainSamples must be/],
      [{ printEvery: null }, /printEvery must be/],
      [{ lrDecay: Number.NaN }, /lrDecay must be/],
      [{ sampling: 'shuffle' }, /sampling must be one of 'replacement', 'epoch'/],
      [{ schedule: 'cosinus' }, /schedule must be one of .* did you mean 'cosine'/],
      [
        { schedule: {} },
        /schedule.name must be one of 'constant', 'linear', 'cosine', 'step', 'oneCycle', got undefined/,
      ],
      [{ schedule: 0.5 }, /schedule must be one of .* got 0.5/],
      [
        { schedule: { name: 'linear', at: [0.5] } },
        "Solver: schedule 'linear': unknown option 'at'; there are name, warmup, floor",
      ],
      [
        { schedule: { name: 'cosine', warmup: 2 } },
        "Solver: schedule 'cosine': warmup must be a finite number in [0, 1], got 2",
      ],
      [{ schedule: { name: 'oneCycle', start: -1 } }, /schedule 'oneCycle': start must be/],
      [{ schedule: { name: 'linear', floor: '0' } }, /schedule 'linear': floor must be/],
      [{ schedule: { name: 'step', factor: -1 } }, /schedule 'step': factor must be/],
      [
        { schedule: { name: 'step', at: [0.5, 0.2] } },
        "Solver: schedule 'step': at must be ascending fractions in [0, 1], got [0.5, 0.2]",
      ],
      [{ schedule: { name: 'step', at: 0.5 } }, /at must be ascending fractions in \[0, 1\], got 0.5/],
      [{ augment: true }, 'Solver: augment must be a function, or an object with crop, flip or cutout, got true'],
      [{ augment: { flop: true } }, "Solver: augment: unknown option 'flop'; did you mean 'flip'?"],
      [{ augment: { cutout: -1 } }, /Solver: augment: cutout must be an integer in/],
      [{ augment: { flip: true } }, 'Solver: examples must be images (C, H, W) for augment, got (4,)'],
      [{ clipNorm: 0 }, 'Solver: clipNorm must be a finite number in (0, Infinity), got 0'],
      [{ weightDecay: -1 }, 'Solver: weightDecay must be a finite number in [0, Infinity), got -1'],
      [
        { weightDecay: 0.1, updateRule: 'adamw' },
        "Solver: weightDecay is there twice: the update rule has its own; use 'adam', or set optimConfig.weightDecay to 0",
      ],
      [
        { weightDecay: 0.1, updateRule: (w: lw.Tensor) => [w, {}] },
        'Solver: weightDecay needs a learning rate; give optimConfig.learningRate',
      ],
      [{ log: 'console' }, /log must be a function/],
      [{ checkpointName: 3 }, /checkpointName must be/],
    ];
    for (const [options, message] of refused) expectRefused(make({}, options), lw.LanewiseError, message);
    // Labels that had to be converted were freed again.
    expectRefused(make({ yTrain: Array(12).fill(1), yVal: [7, 7, 7, 7, 7] }), lw.ValueError, /yVal/);
  });
});

describe('options', () => {
  const record = async (options: lw.SolverOptions, model = net(), data = clouds(20, 6)) => {
    const rates: (number | undefined)[] = [];
    const solver = new lw.Solver(model, data, { batchSize: 5, numEpochs: 2, ...quiet, ...options });
    await solver.train({ onStep: (event) => rates.push(event.learningRate) });
    return { solver, rates };
  };

  test('schedules multiply the learning rate, decay included', async () => {
    const base = { optimConfig: { learningRate: 2 ** -6 }, lrDecay: 0.5 };
    const factor = (i: number) => 2 ** -6 * (i < 4 ? 1 : 0.5);
    const seen: lw.TrainingProgress[] = [];
    const own = (progress: lw.TrainingProgress) => {
      seen.push(progress);
      return 1 / (1 + progress.iteration);
    };
    expect((await record({ ...base, schedule: own })).rates).toEqual(
      Array.from({ length: 8 }, (_, i) => factor(i) / (1 + i)),
    );
    expect(seen[5]).toEqual({ iteration: 5, numIterations: 8, epoch: 1, fraction: 5 / 8 });
    expect((await record({ ...base, schedule: 'constant' })).rates).toEqual(
      Array.from({ length: 8 }, (_, i) => factor(i)),
    );
    expect((await record({ ...base, schedule: 'linear' })).rates).toEqual(
      Array.from({ length: 8 }, (_, i) => factor(i) * (1 - i / 8)),
    );
    const { rates, solver } = await record({ ...base, schedule: 'cosine' });
    for (const [i, rate] of rates.entries()) {
      expect(rate).toBeCloseTo(factor(i) * (0.5 + 0.5 * Math.cos((Math.PI * i) / 8)), 15);
    }
    // What the rule was told is what is reported.
    expect(solver.optimConfigs.W1.learningRate).toBe(rates.at(-1));
    await expect(record({ schedule: () => -1 })).rejects.toThrow(
      /the result of schedule must be a finite number in \[0/,
    );
  });

  describe('schedules with numbers', () => {
    /** A rule that only listens. */
    const listening: lw.UpdateRule = (w, _, config = {}) => [w, config];
    /** The factors of 20 steps in two epochs. */
    const factors = async (schedule: lw.ScheduleOptions | lw.ScheduleName, lrDecay = 1) => {
      const common = { updateRule: listening, optimConfig: { learningRate: 1 }, batchSize: 2, lrDecay };
      return (await record({ ...common, schedule })).rates as number[];
    };
    const twenty = (f: (fraction: number, i: number) => number) => Array.from({ length: 20 }, (_, i) => f(i / 20, i));
    const half = (x: number) => (1 + Math.cos(Math.PI * x)) / 2;

    test('a name is the object with its defaults', async () => {
      for (const name of ['constant', 'linear', 'cosine', 'step', 'oneCycle'] as const) {
        expect(await factors({ name }), name).toEqual(await factors(name));
      }
      expect(await factors('linear')).toEqual(twenty((f) => 1 - f));
      expect(await factors({ name: 'step', at: [0.5, 0.75], factor: 0.1 })).toEqual(await factors('step'));
      const full = { name: 'oneCycle', warmup: 0.3, start: 1 / 25, floor: 1e-4 } as const;
      expect(await factors(full)).toEqual(await factors('oneCycle'));
    });

    test('warm-up rises in equal steps to 1, and the rest of the run is the schedule', async () => {
      // 20 steps, 5 of them warm-up.
      const rise = [0.2, 0.4, 0.6, 0.8, 1];
      const rest = (f: number) => (f - 0.25) / 0.75;
      const check = (got: number[], wanted: (f: number) => number) =>
        expectClose(
          got,
          twenty((f, i) => rise[i] ?? wanted(f)),
          1e-15,
          'factors',
        );
      check(await factors({ name: 'constant', warmup: 0.25 }), () => 1);
      check(await factors({ name: 'linear', warmup: 0.25 }), (f) => 1 - rest(f));
      check(await factors({ name: 'linear', warmup: 0.25, floor: 0.2 }), (f) => 1 - 0.8 * rest(f));
      check(await factors({ name: 'cosine', warmup: 0.25, floor: 0.2 }), (f) => 0.2 + 0.8 * half(rest(f)));
      expect((await factors({ name: 'linear', warmup: 0.25 }))[5]).toBe(1);
      // A warm-up that ends between two steps; one that is the whole run.
      expectClose(
        (await factors({ name: 'constant', warmup: 0.12 })).slice(0, 4),
        [1 / 2.4, 2 / 2.4, 1, 1],
        1e-15,
        'f',
      );
      expectClose(
        await factors({ name: 'linear', warmup: 1 }),
        twenty((_, i) => (i + 1) / 20),
        1e-15,
        'all',
      );
    });

    test('step', async () => {
      const third = { name: 'step', at: [0.2, 0.5, 0.5], factor: 0.5 } as const;
      expect(await factors(third)).toEqual(twenty((f) => (f < 0.2 ? 1 : f < 0.5 ? 0.5 : 0.125)));
      const wanted = twenty((f) => (f < 0.5 ? 1 : f < 0.75 ? 0.1 : 0.1 * 0.1));
      expect(await factors('step')).toEqual(wanted);
      expect(await factors({ name: 'step', at: [] })).toEqual(twenty(() => 1));
      const warm = await factors({ name: 'step', warmup: 0.2, at: [0.1], factor: 0.5 });
      expect(warm.slice(0, 5)).toEqual([0.25, 0.5, 0.375, 0.5, 0.5]);
    });

    test('oneCycle', async () => {
      const wanted = (warmup: number, start: number, floor: number) =>
        twenty((f) =>
          f < warmup
            ? start + (1 - start) * half(1 - f / warmup)
            : floor + (1 - floor) * half((f - warmup) / (1 - warmup)),
        );
      const got = await factors('oneCycle');
      expectClose(got, wanted(0.3, 0.04, 1e-4), 1e-14, 'default');
      expect(got[0]).toBeCloseTo(0.04, 15);
      expect(got[6]).toBeCloseTo(1, 15);
      expect(Math.max(...got)).toBe(got[6]);
      const zero = await factors({ name: 'oneCycle', warmup: 0.5, start: 0, floor: 0 });
      expectClose(zero, wanted(0.5, 0, 0), 1e-14, 'from nothing to nothing');
      expectClose(await factors({ name: 'oneCycle', warmup: 0 }), wanted(0, 1, 1e-4), 1e-14, 'no warm-up');
    });

    test('lrDecay multiplies them', async () => {
      expect(await factors({ name: 'linear', floor: 0.5 }, 0.5)).toEqual(
        twenty((f) => (1 - 0.5 * f) * (f < 0.5 ? 1 : 0.5)),
      );
    });

    test('later changes of the object change nothing', async () => {
      const schedule = { name: 'step' as const, at: [0.5] };
      const solver = new lw.Solver(net(), clouds(20, 6), { schedule, batchSize: 5, numEpochs: 2, ...quiet });
      schedule.at[0] = 0;
      const rates: unknown[] = [];
      await solver.train({ onStep: ({ learningRate }) => rates.push(learningRate) });
      expect(rates[0]).toBe(0.01);
    });
  });

  test('augmentation as data: the draws of augmentImages, after those of the batch', async () => {
    const rs = new lw.RandomState(1);
    const X = rs.randn(30, 2, 6, 5, { dtype: 'float32' });
    const y = rs.randint(0, 3, [30]);
    const data = { XTrain: X, yTrain: y, XVal: X, yVal: y };
    const augment = { crop: 2, flip: true, cutout: 3 };
    const byHand = (batch: lw.Tensor, random: lw.RandomSource) =>
      void lw.augmentImages(batch.reshape(-1, 2, 6, 5), augment, random);
    const before = bits(X);
    const common = { batchSize: 8, numEpochs: 3, ...quiet };
    for (const sampling of ['replacement', 'epoch'] as const) {
      // Images, and flat inputs of images.
      for (const inputDim of [[2, 6, 5], 60]) {
        const runs = [];
        for (const changes of [augment, byHand]) {
          const model = net(2, { inputDim });
          const random = new lw.RandomState(3);
          const solver = new lw.Solver(model, data, { ...common, sampling, augment: changes, random });
          await solver.train();
          runs.push([solver.lossHistory, frozen(model), random.getState()]);
        }
        expect(runs[0]).toEqual(runs[1]);
      }
    }
    expect(bits(X)).toEqual(before);
    const flat = { ...data, XTrain: X.reshape(30, 60), XVal: X.reshape(30, 60) };
    const make = (inputDim: number | number[], some: lw.SolverData, changes: lw.AugmentOptions) => {
      const model = net(2, { inputDim });
      return () => new lw.Solver(model, some, { augment: changes }).dispose();
    };
    make([2, 6, 5], flat, augment)();
    const message = 'Solver: examples must be images (C, H, W) for augment, got ';
    expectRefused(make(60, flat, augment), lw.ShapeError, `${message}(60,)`);
    expectRefused(make([6, 10], data, augment), lw.ShapeError, `${message}(6, 10)`);
    expectRefused(
      make(60, data, { crop: 5 }),
      lw.ValueError,
      'Solver: augment: crop must be an integer in [0, 4], got 5',
    );
  });

  test('clipNorm scales all gradients together', async () => {
    const data = clouds(40, 12, 'float64');
    const common = { batchSize: 10, numEpochs: 1, optimConfig: { learningRate: 0.5 }, ...quiet };
    const options = { dtype: 'float64', reg: 0.1 } as const;
    const model = net(2, options);
    const twin = net(2, options);
    const solver = new lw.Solver(model, data, { ...common, clipNorm: 0.7, random: new lw.RandomState(3) });
    const random = new lw.RandomState(3);
    let clipped = 0;
    for await (const event of solver.steps()) {
      if (event.type === 'epoch') continue;
      const rows = random.choice(40, 10);
      const [, gradients] = twin.loss(data.XTrain.take(rows), data.yTrain.take(rows));
      const all = Object.values(gradients).flatMap((g) => Array.from(g.data));
      const norm = Math.sqrt(all.reduce((sum, g) => sum + g * g, 0));
      expect(Math.abs((event.gradientNorm as number) / norm - 1)).toBeLessThan(1e-14);
      const factor = norm > 0.7 ? 0.7 / norm : 1;
      if (norm > 0.7) clipped++;
      for (const [name, g] of Object.entries(gradients)) {
        for (const [i, slope] of g.data.entries()) twin.params[name].data[i] -= 0.5 * factor * slope;
        expectClose(model.params[name].data, twin.params[name].data, 1e-14, name);
      }
    }
    expect(clipped).toBeGreaterThan(0);
    expect(clipped).toBeLessThan(4);

    // Never exceeded: nothing changes but that the norm is told.
    const runs = [];
    for (const clipNorm of [undefined, 1e9]) {
      const free = net(2, options);
      const plain = new lw.Solver(free, data, { ...common, clipNorm, random: new lw.RandomState(3) });
      const norms: unknown[] = [];
      await plain.train({ onStep: ({ gradientNorm }) => norms.push(gradientNorm) });
      expect(norms.every((norm) => (clipNorm === undefined ? norm === undefined : (norm as number) > 0))).toBe(true);
      runs.push([plain.lossHistory, frozen(free)]);
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  test('clipNorm with a model of one’s own, gradients of any size, and such as are not finite', async () => {
    const data = clouds(20, 6);
    const size = 9001;
    const params = { W: lw.zeros([size]), c: lw.zeros([3]) };
    const gradients: Record<string, lw.Tensor> = { W: lw.full([size], 1e30), c: lw.full([3], -1e30) };
    const model = {
      params,
      loss: (X: lw.Tensor, y?: lw.Tensor) => (y ? [1, gradients] : lw.zeros([X.shape[0], 3])),
    } as unknown as lw.TrainableModel;
    const common = { batchSize: 20, numEpochs: 1, optimConfig: { learningRate: 1 }, ...quiet };
    const norms: (number | undefined)[] = [];
    const onStep = ({ gradientNorm }: lw.StepEvent) => norms.push(gradientNorm);
    await new lw.Solver(model, data, { ...common, clipNorm: 2 }).train({ onStep });
    const norm = Math.fround(1e30) * Math.sqrt(size + 3);
    expect((norms[0] as number) / norm).toBeCloseTo(1, 12);
    const each = 2 / Math.sqrt(size + 3);
    expectClose(params.W.data, Array(size).fill(-each), 1e-8, 'W');
    expectClose(params.c.data, Array(3).fill(each), 1e-8, 'c');
    // What the model returned is as it was.
    expect(gradients.W.data[size - 1]).toBe(Math.fround(1e30));
    const before = Object.values(params).map(bits);
    gradients.c.data[1] = Number.NaN;
    const failed = new lw.Solver(model, data, { ...common, clipNorm: 2 }).train();
    await expect(failed).rejects.toThrow(
      /^Solver: the gradient of c must be finite, got NaN at iteration 1 \/ 1; the model keeps the parameters/,
    );
    delete gradients.c;
    const missing = new lw.Solver(model, data, { ...common, clipNorm: 2 }).train();
    await expect(missing).rejects.toThrow('the model’s loss returned no gradient for c'.replace('’', "'"));
    expect(Object.values(params).map(bits)).toEqual(before);
  });

  test('weightDecay shrinks the weights, and only these, by any rule', async () => {
    const data = clouds(20, 6, 'float64');
    const common = { batchSize: 5, numEpochs: 1, schedule: 'linear', ...quiet } as const;
    const options = { dtype: 'float64', normalization: 'batchnorm' } as const;
    const rules = { sgd: lw.sgd, sgdMomentum: lw.sgdMomentum, rmsprop: lw.rmsprop, adam: lw.adam, adagrad: lw.adagrad };
    for (const [updateRule, update] of Object.entries(rules)) {
      const model = net(2, options);
      const twin = net(2, options);
      const random = new lw.RandomState(3);
      const given = { updateRule: update, optimConfig: { learningRate: 0.1 }, weightDecay: 0.3 };
      const solver = new lw.Solver(model, data, { ...common, ...given, random: new lw.RandomState(3) });
      const configs = Object.fromEntries(twin.paramNames.map((name) => [name, { learningRate: 0.1 }]));
      for await (const event of solver.steps()) {
        if (event.type === 'epoch') continue;
        const rows = random.choice(20, 5);
        const [, gradients] = twin.loss(data.XTrain.take(rows), data.yTrain.take(rows));
        const rate = event.learningRate as number;
        for (const name of twin.paramNames) {
          const w = twin.params[name];
          if (name.startsWith('W')) for (let i = 0; i < w.size; i++) w.data[i] *= 1 - 0.3 * rate;
          configs[name].learningRate = rate;
          update(w, gradients[name], configs[name]);
          expect(bits(model.params[name]), `${updateRule} ${name} ${event.iteration}`).toEqual(bits(w));
        }
      }
    }
    // adam with it on the weights is adamw, where there is nothing but weights.
    const runs = [];
    for (const own of [true, false]) {
      const W = lw.full([4, 3], 0.5, { dtype: 'float64' });
      const model = {
        params: { W },
        loss(X: lw.Tensor, y?: lw.Tensor) {
          const scores = lw.matmul(X, W);
          if (!y) return scores;
          const [loss, dscores] = lw.softmaxLoss(scores, y);
          return [loss, { W: lw.matmul(X, dscores, { transA: true }) }];
        },
      } as lw.TrainableModel;
      const decay = own
        ? { updateRule: 'adamw', optimConfig: { weightDecay: 0.4 } }
        : { updateRule: 'adam', weightDecay: 0.4 };
      const solver = new lw.Solver(model, data, { ...common, ...(decay as object), random: new lw.RandomState(3) });
      await solver.train();
      runs.push(solver.lossHistory);
    }
    expectClose(runs[0], runs[1], 1e-14, 'losses');
    new lw.Solver(net(), data, { updateRule: 'adamw', optimConfig: { weightDecay: 0 }, weightDecay: 0.1 }).dispose();
  });

  test('sampling by epochs takes every example once', async () => {
    const data = clouds(23, 6);
    const seen: number[][] = [];
    const sizes: number[] = [];
    const model = net();
    const augment = (batch: lw.Tensor) => {
      seen.push(...(batch.toArray() as number[][]));
      return undefined;
    };
    const random = new lw.RandomState(8);
    const solver = new lw.Solver(model, data, {
      sampling: 'epoch',
      batchSize: 5,
      numEpochs: 3,
      augment,
      random,
      ...quiet,
    });
    expect(solver.numIterations).toBe(15);
    await solver.train({ onStep: (event) => sizes.push(event.examples) });
    expect(sizes).toEqual([5, 5, 5, 5, 3, 5, 5, 5, 5, 3, 5, 5, 5, 5, 3]);
    const X = (data.XTrain as lw.Tensor).toArray() as number[][];
    const order = lw.scope(() => Array.from(new lw.RandomState(8).permutation(23).data));
    expect(seen.slice(0, 23)).toEqual(order.map((i) => X[i]));
    const sorted = (rows: number[][]) => rows.map((row) => row.join()).sort();
    for (const epoch of [0, 23, 46]) expect(sorted(seen.slice(epoch, epoch + 23))).toEqual(sorted(X));
    expect(seen.slice(23, 46)).not.toEqual(seen.slice(0, 23));
  });

  test('augment may return another tensor, draw, and leave temporaries', async () => {
    const data = clouds(20, 6, 'float64');
    const model = net(2, { dtype: 'float64' });
    const seen: lw.RandomSource[] = [];
    const random = new lw.RandomState(8);
    const augment = (batch: lw.Tensor, stream: lw.RandomSource) => {
      seen.push(stream);
      return lw.add(batch, lw.mul(stream.randn(...batch.shape) as lw.Tensor, 0));
    };
    const common = { batchSize: 5, numEpochs: 1, numTrainSamples: null, ...quiet };
    const solver = new lw.Solver(model, data, { ...common, augment, random });
    const events = solver.steps();
    await events.next();
    const before = live();
    for await (const _ of events);
    // The best parameters may have been copied once, and the state reached was.
    expect(live() - before).toBeLessThanOrEqual(2 * 64 * 8);
    expect(seen.every((stream) => stream === random)).toBe(true);
    // Adding nothing changes nothing: float64 parameters, float64 batches.
    const other = net(2, { dtype: 'float64' });
    const stream = new lw.RandomState(8);
    const same = new lw.Solver(other, data, {
      ...common,
      random: stream,
      augment: (batch) => void stream.randn(...batch.shape),
    });
    await same.train();
    expect(same.lossHistory).toEqual(solver.lossHistory);
    const wrong = record({ augment: (batch) => batch.rows(0, 2) });
    await expect(wrong).rejects.toThrow(/the result of augment must be a tensor \(5, 4\) like the batch, or nothing/);
  });

  test('an update rule of one’s own', async () => {
    const data = clouds(20, 6);
    const builtIn = await record(
      { updateRule: 'sgdMomentum', optimConfig: { learningRate: 0.1 }, random: new lw.RandomState(1) },
      net(),
      data,
    );
    const inPlace: lw.UpdateRule = (w, dw, config = {}) => {
      config.velocity ??= lw.zeros(w.shape);
      return lw.sgdMomentum(w, dw, config) as never;
    };
    const functional: lw.UpdateRule = (w, dw, config = {}) => {
      const { velocity, learningRate } = config as { velocity?: lw.Tensor; learningRate: number };
      const v = lw.sub(lw.mul(velocity ?? lw.zeros(w.shape), 0.9), lw.mul(dw, learningRate));
      return [lw.add(w, v), { learningRate, velocity: v }];
    };
    for (const updateRule of [lw.sgdMomentum, inPlace, functional]) {
      const given = { updateRule, optimConfig: { learningRate: 0.1 }, random: new lw.RandomState(1) };
      const { solver } = await record(given, net(), data);
      expectClose(solver.lossHistory, builtIn.solver.lossHistory, 1e-6, updateRule.name);
      const before = live();
      await solver.train();
      expect(live(), `${updateRule.name}: live bytes`).toBe(before);
      solver.dispose();
    }
    // A rule that sets its own learning rate has it decayed all the same.
    const lazy: lw.UpdateRule = (w, dw, config = {}) => {
      config.learningRate ??= 0.5;
      return lw.sgd(w, dw, config) as never;
    };
    const { solver } = await record({ updateRule: lazy, lrDecay: 0.1 }, net(), data);
    expect(solver.learningRate).toBeCloseTo(0.005, 15);
    const wrong = record({ updateRule: (w) => w as never }, net(), data);
    await expect(wrong).rejects.toThrow(/the result of updateRule must be \[nextW, config\] with nextW like w/);
  });

  test('a model of one’s own', async () => {
    const data = clouds(60, 20, 'float64');
    const W = lw.zeros([4, 3], { dtype: 'float64' });
    const b = lw.zeros([3], { dtype: 'float64' });
    const model: lw.TrainableModel = {
      params: { W, b },
      loss(X: lw.Tensor, y?: lw.Tensor) {
        const [scores, cache] = lw.affineForward(X, W, b);
        if (!y) return scores as never;
        const [loss, dscores] = lw.softmaxLoss(scores, y);
        const [, dW, db] = lw.affineBackward(dscores, cache);
        return [loss, { W: dW, b: db }] as never;
      },
    };
    const options = { optimConfig: { learningRate: 0.1 }, batchSize: 10, numEpochs: 4, ...quiet };
    const solver = new lw.Solver(model, data, { ...options, random: new lw.RandomState(4) });
    const before = live();
    await solver.train();
    // Best parameters and those reached, W and b each, and indices and labels of a batch: everything else is gone.
    expect(live() - before).toBeLessThanOrEqual(2 * (128 + 64) + 2 * 64);
    const network = new lw.Network([lw.layers.affine(3, { weightScale: 0 })], { inputDim: 4, dtype: 'float64' });
    const same = new lw.Solver(network, data, { ...options, random: new lw.RandomState(4) });
    await same.train();
    expectClose(solver.lossHistory, same.lossHistory, 1e-12, 'losses');
    expect(solver.valAccHistory).toEqual(same.valAccHistory);
    expectClose(W.data, network.params.W1.data, 1e-12, 'W');
    expect(firstDifference(bits(solver.bestParams.W), bits(W))).toBe(-1);
  });

  test('checkAccuracy', () => {
    const data = clouds(20, 6);
    const model = net(2, { weightScale: 1 });
    const random = new lw.RandomState(5);
    const solver = new lw.Solver(model, data, { random, ...quiet });
    const predicted = lw.scope(() => model.predict(data.XTrain).toArray()) as number[];
    const right = predicted.map((label, i) => Number(label === data.yTrain.data[i]));
    const share = right.reduce((a, n) => a + n) / 20;
    for (const batchSize of [1, 7, 20, 100]) {
      expect(solver.checkAccuracy(data.XTrain, data.yTrain, { batchSize })).toBe(share);
      expect(solver.checkAccuracy(data.XTrain, data.yTrain, { batchSize, numSamples: 20 })).toBe(share);
    }
    expect(solver.checkAccuracy(data.XTrain.toArray(), data.yTrain.toArray() as number[])).toBe(share);
    const drawn = lw.scope(() => Array.from(new lw.RandomState(5).choice(20, 13).data));
    const wanted = drawn.reduce((a, i) => a + right[i], 0) / 13;
    expect(solver.checkAccuracy(data.XTrain, data.yTrain, { numSamples: 13, batchSize: 4 })).toBe(wanted);
    expectRefused(() => solver.checkAccuracy(data.XTrain, [1]), lw.ShapeError, /y must be 20 labels/);
    expectRefused(
      () => solver.checkAccuracy(data.XTrain, data.yTrain, { samples: 3 } as never),
      lw.OptionError,
      /unknown option/,
    );
  });
});

describe('events and stopping', () => {
  const options = { batchSize: 10, numEpochs: 3, optimConfig: { learningRate: 0.05 }, ...quiet };
  const make = (more: lw.SolverOptions = {}) => {
    const model = net();
    return {
      model,
      solver: new lw.Solver(model, clouds(40, 12), { ...options, random: new lw.RandomState(6), ...more }),
    };
  };

  test('a step event for each step, an epoch event for each check', async () => {
    const { solver } = make();
    const events: lw.SolverEvent[] = [];
    for await (const event of solver.steps()) events.push(event);
    expect(events.map((event) => `${event.type} ${event.iteration} ${event.epoch}`)).toEqual([
      'step 1 0',
      'epoch 1 0',
      'step 2 0',
      'step 3 0',
      'step 4 1',
      'epoch 4 1',
      'step 5 1',
      'step 6 1',
      'step 7 1',
      'step 8 2',
      'epoch 8 2',
      'step 9 2',
      'step 10 2',
      'step 11 2',
      'step 12 3',
      'epoch 12 3',
    ]);
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map((event) => event.loss)).toEqual(solver.lossHistory);
    expect(steps[0]).toEqual({
      type: 'step',
      iteration: 1,
      numIterations: 12,
      epoch: 0,
      numEpochs: 3,
      loss: solver.lossHistory[0],
      learningRate: 0.05,
      examples: 10,
    });
    const epochs = events.filter((event) => event.type === 'epoch');
    expect(epochs.map((event) => event.valAcc)).toEqual(solver.valAccHistory);
    expect(epochs.map((event) => event.trainAcc)).toEqual(solver.trainAccHistory);
    expect(epochs.at(-1)?.bestValAcc).toBe(solver.bestValAcc);
  });

  test('callbacks are waited for', async () => {
    const { solver } = make();
    const order: string[] = [];
    await solver.train({
      onStep: async ({ iteration }) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        order.push(`step ${iteration}`);
      },
      onEpoch: ({ epoch }) => order.push(`epoch ${epoch}`),
    });
    expect(order.slice(0, 4)).toEqual(['step 1', 'epoch 0', 'step 2', 'step 3']);
    expect(order.length).toBe(16);
  });

  test('the event loop gets its turn', async () => {
    const { solver } = make({ numEpochs: 100_000, printEvery: 1000 });
    const controller = new AbortController();
    const start = performance.now();
    setTimeout(() => controller.abort(), 20);
    await expect(solver.train({ signal: controller.signal })).rejects.toThrow();
    // Generous: other test files compete for the processor.
    expect(performance.now() - start).toBeLessThan(30_000);
    expect(solver.lossHistory.length).toBeGreaterThan(0);
  });

  test('an abort stops between two steps, with the best parameters in the model, and train() finishes the run', async () => {
    const whole = make();
    await whole.solver.train();
    const { model, solver } = make();
    const controller = new AbortController();
    const stop = solver.train({
      signal: controller.signal,
      onStep: ({ iteration }) => iteration === 6 && controller.abort(),
    });
    const error = await stop.catch((reason) => reason);
    expect(error.name).toBe('AbortError');
    expect(error).toBe(controller.signal.reason);
    expect(solver.lossHistory).toEqual(whole.solver.lossHistory.slice(0, 6));
    expect(solver.iteration).toBe(6);
    for (const name of model.paramNames) expect(bits(model.params[name])).toEqual(bits(solver.bestParams[name]));
    await expect(solver.train({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
    expect(solver.lossHistory.length).toBe(6);
    await solver.train();
    expect(solver.lossHistory).toEqual(whole.solver.lossHistory);
    expect(solver.valAccHistory).toEqual(whole.solver.valAccHistory);
    expect(frozen(model)).toEqual(frozen(whole.model));
  });

  test('leaving the loop or throwing in it ends the run the same way', async () => {
    const whole = make();
    await whole.solver.train();
    const { model, solver } = make();
    for await (const event of solver.steps()) if (event.iteration === 5) break;
    for (const name of model.paramNames) expect(bits(model.params[name])).toEqual(bits(solver.bestParams[name]));
    const fail = ({ iteration }: lw.StepEvent) => {
      if (iteration === 9) throw new Error('mine');
    };
    await expect(solver.train({ onStep: fail })).rejects.toThrow('mine');
    expect(solver.iteration).toBe(9);
    await solver.train();
    expect(solver.lossHistory).toEqual(whole.solver.lossHistory);
    expect(frozen(model)).toEqual(frozen(whole.model));
  });

  test('after a finished run train() adds as many epochs, from where it ended', async () => {
    const lines: string[] = [];
    const after: Record<string, Uint8Array>[] = [];
    const before: Record<string, Uint8Array>[] = [];
    const { model, solver } = make({
      numEpochs: 2,
      optimConfig: { learningRate: 2 },
      augment: () => void before.push(frozen(model)),
      verbose: true,
      log: (line) => lines.push(line),
      printEvery: 4,
    });
    const seen = () => after.push(frozen(model));
    await solver.train({ onStep: seen });
    // The best parameters were not the last.
    expect(frozen(model)).not.toEqual(after[7]);
    await solver.train({ onStep: seen });
    expect(before[8]).toEqual(after[7]);
    expect(solver.lossHistory.length).toBe(16);
    expect(solver.epoch).toBe(4);
    expect(lines.map((line) => line.slice(0, line.indexOf(')') + 1))).toEqual([
      '(Iteration 1 / 8)',
      '(Epoch 0 / 2)',
      '(Epoch 1 / 2)',
      '(Iteration 5 / 8)',
      '(Epoch 2 / 2)',
      '(Iteration 1 / 8)',
      '(Epoch 2 / 4)',
      '(Epoch 3 / 4)',
      '(Iteration 5 / 8)',
      '(Epoch 4 / 4)',
    ]);
  });

  test('a model changed between two runs is left as it is', async () => {
    const { model, solver } = make({ optimConfig: { learningRate: 0 }, numEpochs: 1 });
    await solver.train();
    const changed = lw.full([4, 6], 7);
    model.params.W1 = changed;
    const seen: Uint8Array[] = [];
    await solver.train({ onStep: () => seen.push(bits(model.params.W1)) });
    expect(seen[0]).toEqual(bits(changed));
  });

  test('one run at a time', async () => {
    const { solver } = make();
    const first = solver.train();
    await expect(solver.train()).rejects.toThrow('train: this Solver is training already');
    await first;
  });
});

describe('a loss that is not finite', () => {
  test('a learning rate too large: typed error, best parameters', async () => {
    const model = net();
    const solver = new lw.Solver(model, clouds(40, 12), {
      optimConfig: { learningRate: 1e30 },
      batchSize: 10,
      numEpochs: 5,
      random: new lw.RandomState(1),
      ...quiet,
    });
    const error = await solver.train().catch((reason) => reason);
    expect(error).toBeInstanceOf(lw.ValueError);
    const step = solver.lossHistory.length + 1;
    expect(error.message).toMatch(
      new RegExp(
        `^Solver: the loss, from the output of layer [123], (affine|relu) on, must be finite, got (NaN|Infinity) at iteration ${step} / 20; the model was given the`,
      ),
    );
    for (const name of model.paramNames) {
      expect(bits(model.params[name])).toEqual(bits(solver.bestParams[name]));
      expect(model.params[name].data.every(Number.isFinite)).toBe(true);
    }
  });

  test('a bad number in the data: nothing of that step gets into the parameters', async () => {
    const data = clouds(40, 12);
    const X = data.XTrain as lw.Tensor;
    X.data[4 * 17] = Number.NaN;
    const model = net();
    const options = { batchSize: 1, numEpochs: 5, sampling: 'epoch', random: new lw.RandomState(1), ...quiet } as const;
    const solver = new lw.Solver(model, data, options);
    let before: Record<string, Uint8Array> = {};
    const watch = () => {
      before = frozen(model);
    };
    const error = await solver.train({ onStep: watch }).catch((reason) => reason);
    expect(error).toBeInstanceOf(lw.ValueError);
    expect(error.message).toMatch(
      /got NaN at iteration \d+ \/ 200; the model keeps the parameters it had before this step/,
    );
    expect(frozen(model)).toEqual(before);
    // It can go on once the cause is gone.
    X.data[4 * 17] = 0;
    await solver.train();
    expect(solver.lossHistory.length).toBe(200);
  });

  test('at the very first step', async () => {
    const data = clouds(40, 12);
    (data.XTrain as lw.Tensor).data.fill(Number.NaN);
    const solver = new lw.Solver(net(), data, quiet);
    await expect(solver.train()).rejects.toThrow(/got NaN at iteration 1 \/ 10/);
    expect(solver.lossHistory).toEqual([]);
  });
});

/** CRC-32, bit by bit, as 8 hexadecimal digits. */
function crc(bytes: Uint8Array): string {
  let rest = -1;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return (~rest >>> 0).toString(16).padStart(8, '0');
}

describe('checkpoints', () => {
  const common = { batchSize: 7, numEpochs: 3, printEvery: 1, lrDecay: 0.9, numTrainSamples: 20, numValSamples: 10 };
  const data = { float32: () => clouds(38, 12), float64: () => clouds(38, 12, 'float64') };
  const variants: { title: string; net: lw.FullyConnectedNetOptions; solver: lw.SolverOptions; own?: boolean }[] = [
    { title: 'sgd', net: {}, solver: {} },
    { title: 'momentum, epochs', net: { reg: 0.1 }, solver: { updateRule: 'sgdMomentum', sampling: 'epoch' } },
    {
      title: 'adam, batch norm, dropout from the solver’s stream',
      net: { normalization: 'batchnorm', dropout: 0.5 },
      solver: { updateRule: 'adam', optimConfig: { learningRate: 0.01 }, schedule: 'cosine' },
    },
    {
      title: 'adamw, batch norm, dropout from a stream of its own, epochs',
      net: { normalization: 'batchnorm', dropout: 0.5, reg: 0.01, dtype: 'float64' },
      solver: { updateRule: 'adamw', sampling: 'epoch' },
      own: true,
    },
    { title: 'rmsprop, layer norm', net: { normalization: 'layernorm' }, solver: { updateRule: 'rmsprop' } },
    {
      title: 'augmentation, clipping, weight decay and a schedule with numbers',
      net: { inputDim: [1, 2, 2], reg: 0.01 },
      solver: {
        updateRule: 'sgdMomentum',
        optimConfig: { learningRate: 0.1 },
        augment: { crop: 1, flip: true, cutout: 1 },
        schedule: { name: 'oneCycle', warmup: 0.4 },
        clipNorm: 0.8,
        weightDecay: 0.05,
      },
    },
    {
      title: 'augmentation by epochs, and steps',
      net: { inputDim: [1, 2, 2] },
      solver: {
        sampling: 'epoch',
        augment: { crop: 1, cutout: 1 },
        schedule: { name: 'step', at: [0.3, 0.6], warmup: 0.1 },
      },
    },
    { title: 'adagrad, svm', net: { loss: 'svm' }, solver: { updateRule: 'adagrad' } },
  ];

  /** A solver of a variant, and the lines it prints. */
  const make = ({ net: options, solver, own = false }: (typeof variants)[number]) => {
    const random = new lw.RandomState(21);
    const model = net(2, { ...options, random });
    if (own) model.random = new lw.RandomState(22);
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const examples = data[model.dtype]();
    return { model, examples, lines, solver: new lw.Solver(model, examples, { ...common, ...solver, random, log }) };
  };
  const outcome = (solver: lw.Solver, model: lw.Network) => ({
    losses: solver.lossHistory,
    train: solver.trainAccHistory,
    val: solver.valAccHistory,
    best: solver.bestValAcc,
    epoch: solver.epoch,
    rate: solver.learningRate,
    bestParams: Object.values(solver.bestParams).map(bits),
    state: frozen(model),
    optim: Object.values(solver.optimConfigs).map((config) =>
      Object.entries(config).map(([key, value]) => [key, value instanceof lw.Tensor ? bits(value) : value]),
    ),
  });

  test.each(variants)('$title: stopped at any step and resumed = never stopped', async (variant) => {
    const whole = make(variant);
    await whole.solver.train();
    const wanted = outcome(whole.solver, whole.model);
    const steps = whole.solver.numIterations;
    for (let stop = 1; stop < steps; stop += stop < 8 ? 1 : 2) {
      const first = make(variant);
      for await (const event of first.solver.steps()) if (event.type === 'step' && event.iteration === stop) break;
      const bytes = first.solver.save();
      const printed = first.lines.length;
      first.solver.dispose();
      first.model.dispose();
      // A model that starts from other weights: all of it comes from the checkpoint.
      const model = net(99, variant.net);
      const lines: string[] = [];
      const log = (line: string) => lines.push(line);
      const solver = lw.Solver.resume(bytes, model, first.examples, { log });
      expect(solver.iteration).toBe(stop);
      expect(firstDifference(solver.save(), bytes), `saved again after step ${stop}`).toBe(-1);
      await solver.train();
      expect(outcome(solver, model), `stopped after step ${stop}`).toEqual(wanted);
      expect([...first.lines.slice(0, printed), ...lines]).toEqual(whole.lines);
      solver.dispose();
      model.dispose();
    }
  });

  test('saved in a callback of a run that goes on', async () => {
    const variant = variants[2];
    const whole = make(variant);
    const saved: Uint8Array[] = [];
    await whole.solver.train({
      onStep: () => saved.push(whole.solver.save()),
      onEpoch: () => saved.push(whole.solver.save()),
    });
    const wanted = outcome(whole.solver, whole.model);
    for (const [i, bytes] of saved.entries()) {
      if (i % 4 > 1 || i >= saved.length - 2) continue;
      const model = net(99, variant.net);
      const solver = lw.Solver.resume(bytes, model, whole.examples, quiet);
      await solver.train();
      expect(outcome(solver, model), `checkpoint ${i}`).toEqual(wanted);
      solver.dispose();
      model.dispose();
    }
  });

  test('of a finished run: the model gets the best parameters, and another run goes on from the end', async () => {
    const variant = variants[2];
    const whole = make(variant);
    await whole.solver.train();
    const bytes = whole.solver.save();
    const model = net(99, variant.net);
    const solver = lw.Solver.resume(bytes, model, whole.examples, quiet);
    expect(outcome(solver, model)).toEqual(outcome(whole.solver, whole.model));
    await solver.train();
    await whole.solver.train();
    expect(outcome(solver, model)).toEqual(outcome(whole.solver, whole.model));
  });

  test('before the first step', async () => {
    const whole = make(variants[1]);
    const model = net(99, variants[1].net);
    // The bytes may be a part of something larger, at any place.
    const bytes = whole.solver.save();
    const shifted = new Uint8Array(bytes.length + 5);
    shifted.set(bytes, 3);
    const solver = lw.Solver.resume(shifted.subarray(3, 3 + bytes.length), model, whole.examples, quiet);
    await solver.train();
    await whole.solver.train();
    expect(outcome(solver, model)).toEqual(outcome(whole.solver, whole.model));
  });

  test('functions are asked for again', async () => {
    const own: lw.UpdateRule = (w, dw, config = {}) => {
      config.steps = ((config.steps as number) ?? 0) + 1;
      config.sum ??= lw.zeros(w.shape);
      for (const [i, g] of dw.data.entries()) (config.sum as lw.Tensor).data[i] += g;
      return lw
        .sgd(w, config.sum as lw.Tensor, { learningRate: config.learningRate as number })
        .slice(0, 1)
        .concat(config as never) as never;
    };
    const schedule = ({ fraction }: lw.TrainingProgress) => 1 - fraction / 2;
    const augment = (batch: lw.Tensor, random: lw.RandomSource) => {
      batch.data[0] += random.rand() as number;
      return undefined;
    };
    const functions = { updateRule: own, schedule, augment };
    const variant = { title: '', net: {}, solver: { ...functions, optimConfig: { learningRate: 0.01 } } };
    const whole = make(variant);
    await whole.solver.train();
    const first = make(variant);
    for await (const event of first.solver.steps()) if (event.iteration === 6) break;
    const bytes = first.solver.save();
    const model = net(99);
    const resume = (options: lw.ResumeOptions) => lw.Solver.resume(bytes, model, first.examples, options);
    expectRefused(
      () => resume({ ...functions, schedule: undefined }),
      lw.OptionError,
      'resume: schedule was a function and must be given again',
    );
    expectRefused(() => resume({}), lw.OptionError, /updateRule was a function/);
    expectRefused(
      () => resume({ ...functions, augment: { flip: true } }),
      lw.OptionError,
      'resume: augment was a function and must be given again',
    );
    expectRefused(() => resume({ ...functions, batchSize: 3 } as never), lw.OptionError, /unknown option 'batchSize'/);
    const solver = resume({ ...functions, ...quiet });
    await solver.train();
    expect(outcome(solver, model)).toEqual(outcome(whole.solver, whole.model));
    const plain = make(variants[0]);
    const saved = plain.solver.save();
    expectRefused(
      () => lw.Solver.resume(saved, model, plain.examples, { augment }),
      lw.OptionError,
      'resume: augment was no function',
    );
    // Data may be replaced by data.
    const flat = lw.Solver.resume(saved, net(), plain.examples, { schedule: { name: 'linear' }, ...quiet });
    const rates: unknown[] = [];
    await flat.train({ onStep: ({ learningRate }) => rates.push(learningRate) });
    expect(rates.slice(0, 2)).toEqual([0.01, 0.01 * (1 - 1 / 15)]);
    solver.optimConfigs.W1.table = [1, 2];
    expectRefused(() => solver.save(), lw.OptionError, /table of the update rule must be plain/);
  });

  test('not in the middle of a step', async () => {
    let solver: lw.Solver;
    const log = () => expect(thrown(() => solver.save())).toBeInstanceOf(lw.RuntimeError);
    solver = new lw.Solver(net(), clouds(), { numEpochs: 1, log });
    await solver.train();
    expect(solver.save().length).toBeGreaterThan(1000);
  });

  test('another model or other data are refused, and nothing is changed', async () => {
    const { solver, examples } = make(variants[2]);
    for await (const event of solver.steps()) if (event.iteration === 3) break;
    const bytes = solver.save();
    const refused: [lw.Network, lw.SolverData, RegExp][] = [
      [
        net(1, { ...variants[2].net, dtype: 'float64' }),
        examples,
        /model must be the one of the checkpoint, where W1 is float32 \(4, 6\), got float64/,
      ],
      [net(1, { dropout: 0.5 }), examples, /where gamma1 is float32 \(6,\), got none/],
      [
        new lw.FullyConnectedNet([7], { inputDim: 4, numClasses: 3, normalization: 'batchnorm' }),
        examples,
        /where W1 is float32 \(4, 6\), got float32 \(4, 7\)/,
      ],
      [net(1, variants[2].net), clouds(39, 12), /data must be the 38 training examples of then, got 39/],
      [net(1, variants[2].net), clouds(38, 11), /data must be the 12 validation examples of then, got 11/],
    ];
    for (const [model, data, message] of refused) {
      const before = frozen(model);
      expectRefused(() => lw.Solver.resume(bytes, model, data), lw.ShapeError, message);
      expect(frozen(model)).toEqual(before);
    }
  });

  describe('bytes that are no checkpoint', () => {
    const broken = async () => {
      const made = make(variants[3]);
      for await (const event of made.solver.steps()) if (event.iteration === 4) break;
      return { bytes: made.solver.save(), examples: made.examples, model: net(1, variants[3].net) };
    };

    test('cut off anywhere', async () => {
      const { bytes, examples, model } = await broken();
      const before = frozen(model);
      const lengths = [0, 5, 8, 15, 16, 100, 500, 1000];
      for (let length = 1200; length < bytes.length; length += 997) lengths.push(length);
      for (const length of [...lengths, bytes.length - 1]) {
        expectRefused(
          () => lw.Solver.resume(bytes.slice(0, length), model, examples),
          lw.DataError,
          /^resume: checkpoint: expected/,
          `${length} bytes`,
        );
      }
      const longer = new Uint8Array([...bytes, 0]);
      const message = `resume: checkpoint: expected the end of the data at byte ${bytes.length}, got 1 more bytes`;
      expectRefused(() => lw.Solver.resume(longer, model, examples), lw.DataError, message);
      expect(frozen(model)).toEqual(before);
    });

    test('with any bit turned over', async () => {
      const { bytes, examples, model } = await broken();
      const next = uniforms(1);
      for (let round = 0; round < 300; round++) {
        const changed = bytes.slice();
        // The header is full of text that decides nothing, such as names: every second one goes there.
        const range = round % 2 ? bytes.length : 8 + new DataView(bytes.buffer).getUint32(0, true);
        const at = Math.floor(next() * range);
        changed[at] ^= 1 << Math.floor(next() * 8);
        const error = thrown(() => lw.Solver.resume(changed, model, examples, { file: 'a.safetensors' }));
        expect(error, `byte ${at}`).toBeInstanceOf(lw.DataError);
      }
      const changed = bytes.slice();
      changed[bytes.length - 1] ^= 1;
      const resume = () => lw.Solver.resume(changed, model, examples, { file: 'a.safetensors' });
      expectRefused(
        resume,
        lw.DataError,
        /^resume: a\.safetensors: expected the checksum '.{8}' at byte 34, got '.{8}': the file is damaged$/,
      );
    });

    test('of another kind', async () => {
      const { examples, model } = await broken();
      const resume = (bytes: unknown) => () => lw.Solver.resume(bytes as Uint8Array, model, examples);
      expectRefused(resume('text'), lw.DataError, /expected a Uint8Array at byte 0, got 'text'/);
      const archive = new TextEncoder().encode('PK\u0003\u0004 some archive');
      expectRefused(resume(archive), lw.DataError, /expected a header of at most 100000000 bytes at byte 0/);
      const others = lw.writeSafetensors({ W1: lw.ones([2]) }, { metadata: { format: 'pt' } });
      expectRefused(resume(others), lw.DataError, /expected the metadata of a checkpoint at byte 8/);
      expectRefused(resume(model.save()), lw.DataError, /expected kind 'solver' at byte 8, got 'model'/);
    });

    test('a header that lies', async () => {
      const { bytes, examples, model } = await broken();
      const before = frozen(model);
      const length = 8 + new DataView(bytes.buffer).getUint32(0, true);
      const { __metadata__: metadata, ...entries } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, length)));
      const text = JSON.parse(metadata.lanewise);
      const header = { content: text.content, arrays: entries, text };
      const rewritten = (change: (h: typeof header) => void) => {
        const copy = structuredClone(header);
        change(copy);
        const lanewise = JSON.stringify({ ...copy.text, content: copy.content });
        const data = bytes.subarray(length);
        const json = JSON.stringify({ __metadata__: { crc32: '00000000', lanewise }, ...copy.arrays });
        const encoded = new TextEncoder().encode(json);
        const made = new Uint8Array(8 + encoded.length + data.length);
        new DataView(made.buffer).setUint32(0, encoded.length, true);
        made.set(encoded, 8);
        made.set(data, 8 + encoded.length);
        made.set(new TextEncoder().encode(crc(made)), 8 + json.indexOf('00000000'));
        return made;
      };
      // The tool itself is right.
      lw.Solver.resume(
        rewritten(() => {}),
        net(1, variants[3].net),
        examples,
        quiet,
      ).dispose();
      // As written before schedules had numbers: a name, and nothing of what came later.
      const early = rewritten((h) => {
        h.content.options.schedule = 'linear';
        delete h.content.options.weightDecay;
      });
      const named = rewritten((h) => {
        h.content.options.schedule = { name: 'linear', warmup: 0, floor: 0 };
      });
      const histories = [early, named].map(async (saved) => {
        const resumed = lw.Solver.resume(saved, net(1, variants[3].net), examples, quiet);
        const rates: unknown[] = [];
        await resumed.train({ onStep: ({ learningRate }) => rates.push(learningRate) });
        return [rates, resumed.lossHistory];
      });
      expect(await histories[0]).toEqual(await histories[1]);
      const lies: ((h: typeof header) => void)[] = [
        (h) => {
          h.content = null;
        },
        (h) => {
          h.text = {};
          h.content = {};
        },
        (h) => {
          h.arrays = {};
        },
        (h) => {
          delete h.arrays['state/W1'];
        },
        (h) => {
          h.arrays['state/W1'].shape = [1e9, 1e9];
        },
        (h) => {
          h.arrays['state/W1'].dtype = 'constructor';
        },
        (h) => {
          h.content.faults = -1;
        },
        (h) => {
          h.content.options.onFault = 'ignore';
        },
        (h) => {
          h.content.options.onFault = 'clip';
        },
        (h) => {
          h.content.options.batchSize = -5;
        },
        (h) => {
          h.content.options.batchSize = '7';
        },
        (h) => {
          h.content.options.updateRule = 'evil';
        },
        (h) => {
          h.content.options.sampling = 'none';
        },
        (h) => {
          h.content.options.schedule = {};
        },
        (h) => {
          h.content.options.schedule = { name: 'evil' };
        },
        (h) => {
          h.content.options.schedule = { name: 'step', at: [2] };
        },
        (h) => {
          h.content.options.augment = 5;
        },
        (h) => {
          h.content.options.augment = { crop: 1.5 };
        },
        (h) => {
          h.content.options.clipNorm = 0;
        },
        (h) => {
          h.content.options.weightDecay = 'much';
        },
        (h) => {
          h.content.functions = 1;
        },
        (h) => {
          h.content.configs = [];
        },
        (h) => {
          h.content.configs[0] = 5;
        },
        (h) => {
          h.content.configs[0].learningRate = 'fast';
        },
        (h) => {
          h.content.configs[0].t = -1;
        },
        (h) => {
          h.content.configs[0].unknown = 1;
        },
        (h) => {
          h.content.stream.pos = 1000;
        },
        (h) => {
          h.content.stream = null;
        },
        (h) => {
          h.content.modelStream.hasGauss = 7;
        },
        (h) => {
          h.content.done = -1;
        },
        (h) => {
          h.content.done = 1e9;
        },
        (h) => {
          h.content.numIterations = 0.5;
        },
        (h) => {
          h.content.epoch = 'x';
        },
        (h) => {
          h.content.lastEpoch = -1;
        },
        (h) => {
          h.content.bestValAcc = 2;
        },
        (h) => {
          h.content.reg = -1;
        },
        (h) => {
          h.content.learningRate = -1;
        },
        (h) => {
          delete h.content.done;
        },
        (h) => {
          h.content.numTrain = null;
        },
        (h) => {
          h.arrays.history = h.arrays.lossHistory;
          delete h.arrays.lossHistory;
        },
        (h) => {
          h.arrays.other = h.arrays.stream;
          delete h.arrays.stream;
        },
        (h) => {
          h.arrays['epoch/other'] = h.arrays['epoch/order'];
          delete h.arrays['epoch/order'];
        },
        (h) => {
          h.arrays['optim 0/m'].shape = [24];
        },
      ];
      for (const lie of lies) {
        expectRefused(
          () => lw.Solver.resume(rewritten(lie), model, examples, quiet),
          lw.DataError,
          /^resume: checkpoint: expected/,
          String(lie),
        );
      }
      // Where files are written is not for a file to say.
      const path = rewritten((h) => {
        h.content.options.checkpointName = 'elsewhere';
      });
      const solver = lw.Solver.resume(path, model, examples, quiet);
      expect(frozen(model)).not.toEqual(before);
      await solver.train();
    });
  });
});

describe('memory', () => {
  test.each(['replacement', 'epoch'] as const)('stays flat over a long run (%s)', async (sampling) => {
    const model = net(2, { normalization: 'batchnorm', dropout: 0.5, reg: 0.1 });
    const options = {
      updateRule: 'adam',
      batchSize: 7,
      numEpochs: 300,
      numTrainSamples: 20,
      sampling,
      ...quiet,
    } as const;
    const solver = new lw.Solver(model, clouds(38, 12, 'float64'), options);
    let warm: lw.Info['memory'] | undefined;
    for await (const { type, iteration } of solver.steps()) {
      if (type !== 'step') continue;
      if (iteration === 20) warm = lw.info().memory;
      if (iteration > 20 && iteration % 100 === 0) expect(lw.info().memory).toEqual(warm);
    }
    expect(solver.lossHistory.length).toBeGreaterThan(1400);
  });

  test('a Solver frees all it has made', async () => {
    const before = live();
    const data = clouds(38, 12);
    const given = live();
    const model = net(2, { normalization: 'batchnorm' });
    const { yTrain, XVal } = data;
    const arrays = { ...data, yTrain: Array.from(yTrain.data), XVal: XVal.toArray() };
    const solver = new lw.Solver(model, arrays, { updateRule: 'adam', numEpochs: 2, sampling: 'epoch', ...quiet });
    await solver.train();
    const other = net(2, { normalization: 'batchnorm' });
    const resumed = lw.Solver.resume(solver.save(), other, data, quiet);
    await resumed.train();
    resumed.dispose();
    other.dispose();
    solver.dispose();
    model.dispose();
    expect(live()).toBe(given);
    for (const t of Object.values(data)) t.dispose();
    expect(live()).toBe(before);
  });

  test('no room: a typed error, and the run goes on once there is room', async () => {
    const { build, threads } = lw.info();
    await lw.init({ build, threads, maxMemory: 2 ** 22 });
    const wanted = net(2, { dtype: 'float64' });
    const data = clouds(38, 12, 'float64');
    const options = { updateRule: 'adam', numEpochs: 2, batchSize: 9, ...quiet } as const;
    const whole = new lw.Solver(wanted, data, { ...options, random: new lw.RandomState(1) });
    await whole.train();
    const model = net(2, { dtype: 'float64' });
    const solver = new lw.Solver(model, data, { ...options, random: new lw.RandomState(1) });
    const before = frozen(model);
    const held = fillMemory();
    await expect(solver.train()).rejects.toBeInstanceOf(lw.MemoryError);
    expect(frozen(model)).toEqual(before);
    for (const t of held) t.dispose();
    await solver.train();
    expect(solver.lossHistory).toEqual(whole.lossHistory);
    expect(frozen(model)).toEqual(frozen(wanted));
    await lw.init({ build, threads });
  });
});
