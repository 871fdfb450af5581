// Errors cross the threads whole; what ends, ends for everybody.
import * as lw from 'lanewise';
import { createTrainer, type TrainerSpec } from 'lanewise/worker';
import { describe, expect, test } from 'vitest';
import { byteData, engine, rejection, trainerFor } from './support.js';

const data = byteData();
const spec: TrainerSpec = { model: { name: 'TwoLayerNet', hiddenDim: 5 }, solver: { batchSize: 20, numEpochs: 2 } };
const init = engine();

const { OptionError, ShapeError, ValueError } = lw;
const kinds = { OptionError, ShapeError, ValueError };

describe('createTrainer refuses, with class and fields, and hands nothing over', () => {
  const images = (count: number, ...shape: number[]) => {
    return { shape: [count, ...shape], data: new Uint8Array(shape.reduce((a, b) => a * b, count)) };
  };
  const refused: [string, unknown, unknown, 'OptionError' | 'ShapeError' | 'ValueError', string][] = [
    [
      'an unknown field',
      { ...spec, sedd: 1 },
      data,
      'OptionError',
      "createTrainer: unknown option 'sedd'; did you mean 'seed'?",
    ],
    ['no model', {}, data, 'OptionError', 'createTrainer: spec.model must be an object, got undefined'],
    ['no spec', null, data, 'OptionError', 'createTrainer: spec must be an object, got null'],
    [
      'an unknown option of the model',
      { model: { name: 'TwoLayerNet', hidenDim: 3 } },
      data,
      'OptionError',
      "TwoLayerNet: unknown option 'hidenDim'; did you mean 'hiddenDim'?",
    ],
    ['an unknown layer', { model: { layers: [{ conf: 3 }] } }, data, 'OptionError', 'ConvNet: layers[0] must be'],
    [
      'a bad option of the Solver',
      { ...spec, solver: { batchSize: 0 } },
      data,
      'ValueError',
      'Solver: batchSize must be an integer in [1, ',
    ],
    [
      'a stream',
      { ...spec, solver: { random: 1 } },
      data,
      'OptionError',
      'createTrainer: spec.solver.random is not plain data',
    ],
    [
      'a function',
      { ...spec, solver: { augment: () => undefined } },
      data,
      'OptionError',
      'createTrainer: spec.solver.augment must be plain data, got function',
    ],
    ['NaN', { ...spec, seed: Number.NaN }, data, 'OptionError', 'createTrainer: spec.seed must be plain data, got NaN'],
    [
      'a dtype',
      { ...spec, dtype: 'int32' },
      data,
      'OptionError',
      "createTrainer: spec.dtype must be one of 'float32', 'float64', got 'int32'",
    ],
    ['missing data', spec, { ...data, yVal: undefined }, 'OptionError', 'createTrainer: data.yVal is missing'],
    [
      'a shape that is not that of the numbers',
      spec,
      { ...data, XTrain: { shape: [200, 47], data: data.XTrain.data } },
      'ShapeError',
      'createTrainer: data.XTrain must be of a shape with the 9600 numbers of data, got (200, 47)',
    ],
    [
      'too few labels',
      spec,
      { ...data, yTrain: [1, 2] },
      'ShapeError',
      'createTrainer: data.yTrain must be 200 labels, one for each example, got 2',
    ],
    [
      'a label that is none',
      spec,
      { ...data, yTrain: new Float32Array(200).fill(0.5) },
      'ValueError',
      'createTrainer: data.yTrain must be whole numbers from 0 on, got 0.5 at 0',
    ],
    [
      'a label beyond the classes',
      { ...spec, model: { ...spec.model, numClasses: 3 } },
      { ...data, XTest: undefined, yTest: undefined },
      'ValueError',
      'Solver: yTrain',
    ],
    [
      'validation images of another size',
      spec,
      { ...data, XVal: images(60, 3, 5, 5) },
      'ShapeError',
      'createTrainer: XVal must be (N, …) with 48 numbers for each example, got (60, 3, 5, 5)',
    ],
    [
      'no numbers',
      spec,
      { ...data, XTrain: [1, 2] },
      'OptionError',
      'createTrainer: data.XTrain must be a tensor, or { shape, data }',
    ],
    ['an impossible build', spec, data, 'ValueError', 'init: threads must be an integer in [1, 256], got 0'],
  ];
  test.each(refused)('%s', async (what, given, examples, kind, message) => {
    const options = { transfer: true, init: what === 'an impossible build' ? { threads: 0 } : init };
    const error = await rejection(createTrainer(given as TrainerSpec, examples as never, options));
    expect(error.message).toContain(message);
    expect(error).toBeInstanceOf(kinds[kind]);
    expect(error).toMatchObject({ name: kind, where: message.split(':')[0], rule: expect.any(String) });
    expect(data.XTrain.data.length).toBe(9600);
  });

  test('options', async () => {
    for (const options of [{ workers: 1 }, { transfer: 1 }, { state: new Uint8Array(3), init }]) {
      expect(await rejection(createTrainer(spec, options.state ? null : data, options as never))).toBeInstanceOf(
        lw.OptionError,
      );
    }
    const missing = createTrainer(spec, data, { init, worker: new URL('./nowhere.js', import.meta.url) });
    const error = await rejection(missing);
    expect(error).toBeInstanceOf(lw.RuntimeError);
    expect(error.message).toMatch(/^createTrainer: the worker ended/);
  });
});

test('a loss that is not finite arrives as the Solver threw it', async () => {
  const wild = { ...spec, solver: { ...spec.solver, numEpochs: 50, optimConfig: { learningRate: 1e6 } } };
  const trainer = await trainerFor(wild, data);
  const seen: unknown[] = [];
  const error = await rejection(
    (async () => {
      for await (const event of trainer.steps()) if (event.type === 'status') seen.push(event);
    })(),
  );
  expect(error).toBeInstanceOf(lw.FaultError);
  expect(error).toBeInstanceOf(lw.ValueError);
  expect(error).toMatchObject({ where: 'Solver', rule: 'finite', what: 'loss', step: expect.any(Number) });
  expect(error.message).toMatch(/^Solver: the loss.* must be finite, got (NaN|Infinity) at iteration \d+ \/ 500; /);
  expect(error.stack).toContain('Solver: the loss');
  expect(seen.at(-1)).toMatchObject({ type: 'status', status: 'failed' });
  expect((seen.at(-1) as { error: Error }).error).toBeInstanceOf(lw.ValueError);
  expect((await trainer.state()).status).toBe('failed');
  // It is still there to be looked at, and to train on with another rate.
  await trainer.predict(data.XTest);
});

test('what is not finite and dealt with is told with the steps, however they are bundled', async () => {
  const wild = {
    ...spec,
    solver: { ...spec.solver, optimConfig: { learningRate: 1e6 }, onFault: 'skip', faultLimit: 1000 },
  };
  const trainer = await trainerFor(wild as TrainerSpec, data);
  const found: { step: number; action: string }[] = [];
  let skipped = 0;
  for await (const event of trainer.steps()) {
    if (event.type !== 'step') continue;
    found.push(...event.faults);
    skipped += [...event.losses].filter((loss) => !Number.isFinite(loss)).length;
  }
  expect(found.length).toBeGreaterThan(0);
  expect(found.length).toBeGreaterThanOrEqual(skipped);
  expect(found.every(({ action }) => action === 'skip')).toBe(true);
  expect(new Set(found.map(({ step }) => step)).size).toBe(found.length);
});

test('too little memory says how much', async () => {
  const big = { model: { name: 'TwoLayerNet', hiddenDim: 2 ** 20 } } as TrainerSpec;
  const error = await rejection(createTrainer(big, data, { init: { ...init, maxMemory: 2 ** 24 } }));
  expect(error).toBeInstanceOf(lw.MemoryError);
  expect(error.requested).toBeGreaterThan(2 ** 24);
  expect(error.limit).toBeLessThanOrEqual(2 ** 24);
});

test('requests that do not fit', async () => {
  const trainer = await trainerFor(spec, data);
  const small = { shape: [1, 3, 4, 5], data: new Uint8Array(60) };
  const right = { shape: [1, 3, 4, 4], data: new Uint8Array(48) };
  for (const request of [trainer.predict(small), trainer.activations(small), trainer.gradients(small, [1])]) {
    expect(await rejection(request)).toBeInstanceOf(lw.ShapeError);
  }
  expect(await rejection(trainer.gradients(right, [10]))).toBeInstanceOf(lw.ValueError);
  expect(await rejection(trainer.gradients(right, [1, 2]))).toBeInstanceOf(lw.ShapeError);
  expect(await rejection(trainer.evaluate({ X: right, y: [10] }))).toBeInstanceOf(lw.ValueError);
  expect(await rejection(trainer.evaluate('tset' as 'test'))).toMatchObject({ name: 'OptionError' });
  expect(await rejection(trainer.evaluate('test', { limt: 3 } as never))).toMatchObject({ name: 'OptionError' });
  expect(await rejection(trainer.params({ names: ['W9'] }))).toMatchObject({ name: 'OptionError' });
  expect(await rejection(trainer.step(0))).toMatchObject({ name: 'ValueError' });
  expect(await rejection(trainer.history(-1))).toMatchObject({ name: 'ValueError' });
});

describe('several trainers and their end', () => {
  test('they train at once, each its own run', async () => {
    const trainers = await Promise.all([1, 2, 3].map((seed) => trainerFor({ ...spec, seed }, data)));
    await Promise.all(trainers.map((trainer) => trainer.train()));
    const losses = await Promise.all(trainers.map(async (trainer) => [...(await trainer.history()).loss]));
    expect(new Set(losses.map((loss) => loss.join())).size).toBe(3);
    const again = await trainerFor({ ...spec, seed: 2 }, data);
    await again.train();
    expect([...(await again.history()).loss]).toEqual(losses[1]);
  });

  test('dispose ends what is under way, and everything after it', async () => {
    const trainer = await trainerFor({ ...spec, solver: { ...spec.solver, numEpochs: 10_000 } }, data);
    const run = rejection(trainer.train());
    const loop = (async () => {
      for await (const event of trainer.events()) void event;
    })();
    await trainer.state();
    await trainer.dispose();
    expect(await run).toBeInstanceOf(lw.RuntimeError);
    expect((await run).message).toBe('trainer: the trainer has been disposed of');
    await loop;
    expect(await rejection(trainer.predict(data.XTest))).toBeInstanceOf(lw.RuntimeError);
    expect(await rejection(trainer.state())).toBeInstanceOf(lw.RuntimeError);
    await trainer.dispose();
  });
});
