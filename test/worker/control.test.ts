// Pause, step, stop, change, read and save in the middle of a run: without a trace in its numbers, unless asked for.
import * as lw from 'lanewise';
import type { Trainer, TrainerSpec } from 'lanewise/worker';
import { describe, expect, test } from 'vitest';
import { byteData, rejection, smallImages, trainerFor, wait } from './support.js';

const data = byteData();
const spec: TrainerSpec = {
  model: { name: 'FullyConnectedNet', hiddenDims: [12], normalization: 'batchnorm', dropoutKeepRatio: 0.7 },
  solver: {
    updateRule: 'sgdMomentum',
    batchSize: 20,
    numEpochs: 4,
    numTrainSamples: 50,
    optimConfig: { learningRate: 1e-3 },
  },
  seed: 2,
};
const images = { shape: [5, 3, 4, 4], data: smallImages(5, 9).X };
const trainer = (options = {}) => trainerFor(spec, data, options);
/** The same for so long that what is asked for meanwhile comes in its middle. */
const longTrainer = () => trainerFor({ ...spec, solver: { ...spec.solver, numEpochs: 320, numTrainSamples: 5 } }, data);
const lossOf = async (t: Trainer) => [...(await t.history()).loss];

/** The whole run, undisturbed. */
let undisturbed: Promise<{ loss: number[]; W1: number[] }> | undefined;
function reference() {
  undisturbed ??= (async () => {
    const t = await trainer();
    await t.train();
    return { loss: await lossOf(t), W1: [...(await t.params({ names: ['W1'] })).W1.data] };
  })();
  return undisturbed;
}

test('step by step, paused and resumed: the same numbers', async () => {
  const { loss, W1 } = await reference();
  const t = await trainer();
  expect(await t.step()).toMatchObject({ status: 'paused', iteration: 1, loss: loss[0] });
  expect(await t.step(3)).toMatchObject({ status: 'paused', iteration: 4, loss: loss[3] });
  await wait(20);
  expect(await t.state()).toMatchObject({ status: 'paused', iteration: 4, numIterations: 40, epoch: 0, numEpochs: 4 });
  const run = t.train();
  await t.pause();
  const { iteration, status } = await t.state();
  expect(['paused', 'finished']).toContain(status);
  await wait(20);
  expect((await t.state()).iteration).toBe(iteration);
  await t.resume();
  await run;
  expect(await lossOf(t)).toEqual(loss);
  expect([...(await t.params()).W1.data]).toEqual(W1);
  expect(await t.state()).toMatchObject({ status: 'finished', iteration: 40, epoch: 4 });
});

test('the epoch event of a step comes before the pause; steps beyond the end finish the run', async () => {
  const t = await trainer();
  const seen: string[] = [];
  void (async () => {
    for await (const event of t.events()) if (event.type === 'epoch') seen.push(`${event.epoch} at ${event.iteration}`);
  })();
  await wait(10);
  await t.step(10);
  await wait(10);
  expect(seen).toEqual(['0 at 1', '1 at 10']);
  expect(await t.step(1000)).toMatchObject({ status: 'finished', iteration: 40 });
  expect(await t.step(1)).toMatchObject({ status: 'paused', iteration: 1, numEpochs: 8 });
});

test('stop and abort end the run between two steps; train() goes on with the same bits', async () => {
  const whole = await longTrainer();
  await whole.train();
  const t = await longTrainer();
  const run = t.train();
  await t.stop();
  expect((await run).status).toBe('stopped');
  const controller = new AbortController();
  const reason = new Error('enough');
  expect(await rejection(t.train({ signal: controller.signal, onEpoch: () => controller.abort(reason) }))).toBe(reason);
  const { status, iteration } = await t.state();
  expect(status).toBe('stopped');
  expect(iteration).toBeLessThan(3200);
  expect(await rejection(t.train({ signal: controller.signal }))).toBe(reason);
  const late = new AbortController();
  const aborted = rejection(t.train({ signal: late.signal }));
  await t.state();
  late.abort(reason);
  expect(await aborted).toBe(reason);
  await t.train();
  expect(await lossOf(t)).toEqual(await lossOf(whole));
});

test('one run at a time', async () => {
  const t = await longTrainer();
  const run = t.train();
  const error = await rejection(t.train());
  expect(error).toBeInstanceOf(lw.RuntimeError);
  expect(error.message).toBe('train: this trainer is training already');
  expect(await rejection(t.steps().next())).toMatchObject({ message: error.message });
  await t.stop();
  await run;
});

describe('reading leaves no trace in the run', () => {
  const labels = [0, 1, 2, 3, 4];
  const readAll = (t: Trainer) =>
    Promise.all([
      t.gradients(images, labels),
      t.predict(images),
      t.activations(images),
      t.evaluate('test'),
      t.evaluate({ X: images, y: labels }, { flip: true, batchSize: 2 }),
      t.params({ best: true }),
      t.save(),
      t.saveModel(),
      t.summary(),
      t.info(),
    ]);

  test('between its steps', async () => {
    const { loss, W1 } = await reference();
    const t = await trainer();
    do await readAll(t);
    while ((await t.step(7)).status === 'paused');
    expect(await lossOf(t)).toEqual(loss);
    expect([...(await t.params()).W1.data]).toEqual(W1);
  });

  test('while it trains, and belongs to one moment', async () => {
    const whole = await longTrainer();
    await whole.train();
    const t = await longTrainer();
    const run = t.train();
    let reads = 0;
    while ((await t.state()).status === 'running') {
      const [{ loss }, { scores }, all] = await readAll(t);
      expect(loss).toBeGreaterThan(0);
      expect(scores.data).toEqual(all.at(-1)?.data);
      reads++;
    }
    await run;
    expect(reads).toBeGreaterThan(0);
    expect(await lossOf(t)).toEqual(await lossOf(whole));
    expect(await t.params()).toEqual(await whole.params());
  });
});

describe('what is read', () => {
  /** The same net on this thread, with the parameters of the trainer, and the images as it sees them. */
  async function twin(t: Trainer): Promise<{ model: lw.Network; x: lw.Tensor }> {
    const model = new lw.FullyConnectedNet([12], {
      inputDim: [3, 4, 4],
      normalization: 'batchnorm',
      dropoutKeepRatio: 1,
    });
    for (const [name, { data: values }] of Object.entries(await t.params())) model.params[name] = values as never;
    const sums = new Float64Array(48);
    for (const [i, value] of data.XTrain.data.entries()) sums[i % 48] += value;
    const mean = Float32Array.from(sums, (sum) => sum / 200);
    const x = lw.tensor(
      Float32Array.from(images.data, (v, i) => v - (mean[i % 48] as number)),
      { shape: images.shape },
    );
    return { model, x };
  }

  test('gradients, activations, scores and probabilities are those of the net', async () => {
    const plainSpec = { ...spec, model: { ...spec.model, dropoutKeepRatio: 1 } } as TrainerSpec;
    const t = await trainerFor(plainSpec, data);
    await t.step(10);
    const { model, x } = await twin(t);
    const y = [0, 1, 2, 3, 4];
    const [loss, grads] = model.loss(x, y);
    const found = await t.gradients(images, y);
    expect(found.loss).toBe(loss);
    expect(Object.keys(found.gradients)).toEqual(model.paramNames);
    for (const name of model.paramNames) expect([...found.gradients[name].data]).toEqual([...grads[name].data]);

    const { labels, scores, probabilities } = await t.predict(images);
    expect(scores.shape).toEqual([5, 10]);
    const all = await t.activations(images);
    expect(all.map(({ name, index, shape }) => [name, index, shape])).toEqual([
      ['affine', 0, [5, 12]],
      ['batchnorm', 1, [5, 12]],
      ['relu', 2, [5, 12]],
      ['affine', 3, [5, 10]],
    ]);
    expect([...all[3].data]).toEqual([...scores.data]);
    expect([...all[2].data]).toEqual([...all[1].data].map((value) => Math.max(0, value)));
    const some = await t.activations(images, { layers: [2] });
    expect(some).toEqual([all[2]]);
    for (let i = 0; i < 5; i++) {
      const row = [...scores.data.slice(10 * i, 10 * i + 10)];
      const total = row.reduce((sum, score) => sum + Math.exp(score), 0);
      expect(labels[i]).toBe(row.indexOf(Math.max(...row)));
      for (const [c, score] of row.entries()) {
        expect(probabilities.data[10 * i + c]).toBeCloseTo(Math.exp(score) / total, 5);
      }
    }
    x.dispose();
    model.dispose();
  });

  test('evaluate counts right and wrong, whatever the size of batches', async () => {
    const t = await trainer();
    await t.train();
    const whole = await t.evaluate('test');
    expect(whole.labels.length).toBe(40);
    const y = data.yTest as Int32Array;
    expect(whole.accuracy).toBe(whole.labels.filter((label, i) => label === y[i]).length / 40);
    expect(whole.accuracy).toBeGreaterThan(0.3);
    expect(whole.confusion.shape).toEqual([10, 10]);
    expect(whole.confusion.data.reduce((a, b) => a + b)).toBe(40);
    const diagonal = whole.confusion.data.filter((_, i) => i % 11 === 0).reduce((a, b) => a + b);
    expect(diagonal / 40).toBe(whole.accuracy);
    expect(whole.confidence.every((p, i) => p >= (whole.ownConfidence[i] as number))).toBe(true);
    expect(await t.evaluate('test', { batchSize: 7 })).toEqual(whole);
    expect(await t.evaluate({ X: data.XTest, y }, {})).toEqual(whole);
    const { valAcc } = await t.history();
    const { bestValAcc } = await t.state();
    expect(Math.max(...valAcc)).toBe(bestValAcc);
    expect((await t.evaluate('val')).accuracy, 'the model has the best parameters').toBe(bestValAcc);
    expect((await t.evaluate('test', { limit: 8 })).labels).toEqual(whole.labels.slice(0, 8));
    const mirrored = await t.evaluate('test', { flip: true });
    expect(mirrored.labels).not.toEqual(whole.labels);
  });

  test('summary and info', async () => {
    const t = await trainer();
    const { text, parameters, layers } = await t.summary();
    expect(parameters).toBe(48 * 12 + 12 + 24 + 12 * 10 + 10);
    expect(text).toContain('batchnorm');
    expect(layers.map(({ name }) => name)).toEqual(['affine', 'batchnorm', 'relu', 'dropout', 'affine']);
    const { build, threads, reason } = await t.info();
    expect({ build, threads }).toEqual({ build: lw.info().build, threads: lw.info().threads });
    expect(reason).toContain('as asked');
  });
});

describe('change', () => {
  test('takes effect from the next step, and is saved', async () => {
    const t = await trainer();
    await t.step(5);
    const live = await t.change({
      learningRate: 0.004,
      reg: 0.01,
      optimConfig: { momentum: 0.5 },
      clipNorm: 2,
      lrDecay: 0.5,
    });
    expect(live).toEqual({
      ...{ learningRate: 0.004, reg: 0.01, optimConfig: { momentum: 0.5, nesterov: false }, clipNorm: 2, lrDecay: 0.5 },
      ...{ weightDecay: 0, augment: null },
    });
    await t.step(5);
    expect((await t.state()).live.learningRate).toBe(0.002);
    const saved = await t.save();
    await t.train();
    const resumed = await trainerFor(null, data, { state: saved });
    expect((await resumed.state()).live).toEqual({ ...live, learningRate: 0.002 });
    await resumed.train();
    expect(await lossOf(resumed)).toEqual(await lossOf(t));
    expect(await lossOf(t)).not.toEqual((await reference()).loss);
  });

  test('gives the numbers of a Solver that is changed at the same step', async () => {
    const t = await trainer();
    await t.step(7);
    await t.change({ learningRate: 0.002, augment: { flip: true } });
    await t.train();
    const random = new lw.RandomState(2);
    const { model: options, solver } = spec as { model: object; solver: object };
    const model = new lw.FullyConnectedNet([12], {
      ...without(options, 'name', 'hiddenDims'),
      inputDim: [3, 4, 4],
      random,
    });
    const sums = new Float64Array(48);
    for (const [i, value] of data.XTrain.data.entries()) sums[i % 48] += value;
    const mean = Float32Array.from(sums, (sum) => sum / 200);
    const tensorOf = (X: typeof data.XTrain) =>
      lw.tensor(
        Float32Array.from(X.data, (v, i) => v - (mean[i % 48] as number)),
        { shape: [...X.shape] },
      );
    const given = { XTrain: tensorOf(data.XTrain), yTrain: data.yTrain, XVal: tensorOf(data.XVal), yVal: data.yVal };
    const mine = new lw.Solver(model, given as lw.SolverData, { ...solver, random, verbose: false });
    await mine.train({
      onStep({ iteration }) {
        if (iteration === 7) mine.change({ learningRate: 0.002, augment: { flip: true } });
      },
    });
    expect(await lossOf(t)).toEqual(mine.lossHistory);
    for (const x of [given.XTrain, given.XVal]) x.dispose();
    mine.dispose();
    model.dispose();
  });

  test('is refused as a whole', async () => {
    const t = await trainer();
    const before = (await t.state()).live;
    const refused: [object, string][] = [
      [{ learningRate: 1, reg: -1 }, 'change: reg must be a finite number in [0, Infinity), got -1'],
      [{ learningRate: 1, momentum: 0.5 }, "change: unknown option 'momentum'; there are"],
      [
        { reg: 1, optimConfig: { momentum: 2 } },
        'change: optimConfig: momentum must be a finite number in [0, 1], got 2',
      ],
      [{ reg: 1, optimConfig: { learningRate: 2 } }, 'change: optimConfig.learningRate cannot be changed'],
      [{ reg: 1, augment: { crop: 4 } }, 'Solver: augment: crop must be an integer in [0, 3], got 4'],
    ];
    for (const [options, message] of refused) {
      const error = await rejection(t.change(options));
      expect(error).toBeInstanceOf(lw.LanewiseError);
      expect(error.message).toContain(message);
    }
    expect((await t.state()).live).toEqual(before);
  });
});

test('parameters can be given', async () => {
  const t = await trainer();
  await t.step(2);
  await t.setParams({ b2: new Array(10).fill(3), W2: lw.full([12, 10], 0.5) });
  const { b2, W2 } = await t.params({ names: ['b2', 'W2'] });
  expect([...b2.data]).toEqual(new Array(10).fill(3));
  expect(W2.data[0]).toBe(0.5);
  expect(await rejection(t.setParams({ b2: [1] }))).toBeInstanceOf(lw.ShapeError);
  expect(await rejection(t.setParams({ b3: [1] }))).toBeInstanceOf(lw.OptionError);
});

describe('save', () => {
  test('between two steps goes on elsewhere with the same bits', async () => {
    const { loss, W1 } = await reference();
    const t = await trainer();
    await t.step(25);
    const saved = await t.save();
    await t.train();
    const resumed = await trainerFor(null, data, { state: saved });
    expect(resumed.spec).toEqual(t.spec);
    expect(await resumed.state()).toMatchObject({ status: 'idle', iteration: 25, epoch: 2, numEpochs: 4 });
    await resumed.train();
    expect(await lossOf(resumed)).toEqual(loss);
    expect([...(await resumed.params()).W1.data]).toEqual(W1);
    // Back to where it was, in a trainer that is somewhere else.
    await t.load(saved);
    expect(await t.state()).toMatchObject({ status: 'idle', iteration: 25 });
    await t.train();
    expect(await lossOf(t)).toEqual(loss);
  });

  test('while it trains', async () => {
    const t = await longTrainer();
    const run = t.train();
    const saved = await t.save();
    await run;
    const resumed = await trainerFor(null, data, { state: saved });
    expect((await resumed.state()).iteration).toBeLessThan(3200);
    await resumed.train();
    expect(await lossOf(resumed)).toEqual(await lossOf(t));
  });

  test('a model predicts alike without data, and with other data', async () => {
    const t = await trainer();
    await t.train();
    const bytes = await t.saveModel();
    const wanted = await t.predict(images);
    const alone = await trainerFor(null, null, { model: bytes });
    expect(alone.trains).toBe(false);
    expect(await alone.predict(images)).toEqual(wanted);
    expect(await rejection(alone.train())).toMatchObject({ name: 'RuntimeError', where: 'train' });
    const other = byteData(50, 20, 10);
    const further = await trainerFor({ ...spec, solver: { numEpochs: 1 } }, other, { model: bytes });
    expect(await further.predict(images)).toEqual(wanted);
    await further.train();
    await further.loadModel(bytes);
    expect(await further.predict(images)).toEqual(wanted);
  });

  test('gives files that the library reads', async () => {
    const { loss } = await reference();
    const t = await trainer();
    await t.step(15);
    const [state, bytes] = [await t.save(), await t.saveModel()];
    const {
      name: _,
      hiddenDims: __,
      ...options
    } = t.spec.model as { name: string; hiddenDims: number[]; reg?: number };
    const make = () => new lw.FullyConnectedNet([12], { ...options, inputDim: [3, 4, 4] });
    const model = make();
    model.load(bytes);
    const { W1 } = await t.params();
    expect([...model.params.W1.data]).toEqual([...W1.data]);
    const context = lw.checkpointInfo(state).context as { spec: TrainerSpec; mean: number[] };
    expect(context.spec).toEqual(t.spec);
    const tensorOf = (X: typeof data.XTrain) => {
      const numbers = Float32Array.from(X.data, (v, i) => v - (context.mean[i % 48] as number));
      return lw.tensor(numbers, { shape: [...X.shape] });
    };
    const given = { XTrain: tensorOf(data.XTrain), yTrain: data.yTrain, XVal: tensorOf(data.XVal), yVal: data.yVal };
    const solver = lw.Solver.resume(state, model, given as lw.SolverData);
    await solver.train();
    expect(solver.lossHistory).toEqual(loss);
    for (const one of [solver, model, given.XTrain, given.XVal]) one.dispose();
  });

  test('best: the parameters of the best check, also in the middle of a run', async () => {
    const t = await trainer();
    await t.step(25);
    const best = await t.saveModel({ best: true });
    const { W1 } = await t.params({ best: true, names: ['W1'] });
    const now = await t.params({ names: ['W1'] });
    expect(W1).not.toEqual(now.W1);
    const other = await trainerFor(null, null, { model: best });
    expect((await other.params()).W1).toEqual(W1);
  });

  test('what is no file of ours is refused', async () => {
    const t = await trainer();
    const bytes = await t.save();
    const model = await t.saveModel();
    for (const wrong of [
      new Uint8Array(),
      new Uint8Array(100),
      bytes.subarray(0, 60),
      bytes.subarray(0, bytes.length - 9),
      model,
    ]) {
      expect(await rejection(t.load(wrong))).toBeInstanceOf(lw.DataError);
    }
    for (const wrong of [new Uint8Array(), bytes, model.subarray(0, model.length - 1)]) {
      expect(await rejection(t.loadModel(wrong))).toBeInstanceOf(lw.DataError);
    }
    expect((await t.state()).status).toBe('idle');
  });
});

function without(options: object, ...names: string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}
