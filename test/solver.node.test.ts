// What the training loop does only in Node: checkpoint files; and the memory of a long run, JavaScript's included.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as lw from 'lanewise';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bits } from './support.js';

const net = () =>
  new lw.FullyConnectedNet([6], {
    inputDim: 4,
    numClasses: 3,
    normalization: 'batchnorm',
    dropout: 0.5,
    reg: 0.1,
    random: new lw.RandomState(2),
  });

function examples(N: number) {
  const rs = new lw.RandomState(1);
  return {
    XTrain: rs.randn(N, 4, { dtype: 'float32' }),
    yTrain: rs.randint(0, 3, [N]),
    XVal: rs.randn(10, 4, { dtype: 'float32' }),
    yVal: rs.randint(0, 3, [10]),
  };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanewise-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('checkpointName writes a file after each accuracy check; the latest goes on where the run stopped', async () => {
  const data = examples(20);
  const lines: string[] = [];
  const checkpointName = join(folder, 'run');
  const common = { updateRule: 'adam', batchSize: 5, numEpochs: 3, checkpointName, printEvery: 100 } as const;
  const whole = new lw.Solver(net(), data, {
    ...common,
    random: new lw.RandomState(3),
    log: (line) => lines.push(line),
  });
  await whole.train();
  expect(readdirSync(folder).sort()).toEqual([0, 1, 2, 3].map((n) => `run_epoch_${n}.safetensors`));
  expect(lines.filter((line) => line.startsWith('Saving'))).toEqual(
    [0, 1, 2, 3].map((n) => `Saving checkpoint to "${checkpointName}_epoch_${n}.safetensors"`),
  );
  const model = net();
  const solver = lw.Solver.resume(readFileSync(`${checkpointName}_epoch_2.safetensors`), model, data, {
    verbose: false,
  });
  await solver.train();
  expect(solver.lossHistory).toEqual(whole.lossHistory);
  for (const name of model.paramNames) expect(bits(model.params[name])).toEqual(bits(whole.bestParams[name]));
  // Resumed without the name, it writes nothing.
  expect(readdirSync(folder).length).toBe(4);
});

test('a folder that does not exist ends the run with the system’s error', async () => {
  const checkpointName = join(folder, 'none', 'run');
  const solver = new lw.Solver(net(), examples(20), { checkpointName, verbose: false });
  await expect(solver.train()).rejects.toThrow(
    /^Solver: .*run_epoch_1\.safetensors could not be written: ENOENT.*; whatever was there before is still there$/,
  );
});

/** Bytes of live JavaScript objects. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('10,000 steps take no memory', { timeout: 120_000 }, async () => {
  const options = { updateRule: 'adam', batchSize: 8, numEpochs: 1000, numTrainSamples: 30, verbose: false } as const;
  const solver = new lw.Solver(net(), examples(80), { ...options, random: new lw.RandomState(3) });
  let warm: { memory: lw.Info['memory']; heap: number } | undefined;
  for await (const { type, iteration } of solver.steps()) {
    if (type === 'epoch') continue;
    if (iteration === 4000) warm = { memory: lw.info().memory, heap: heapUsed() };
    if (iteration < 9_999) continue;
    expect(lw.info().memory).toEqual(warm?.memory);
    // The histories grow, and compiled code comes and goes; one tensor kept by each step would be 1 MB.
    expect(heapUsed() - (warm?.heap ?? 0)).toBeLessThan(700_000);
  }
  expect(solver.lossHistory.length).toBe(10_000);
});

test('nor do 10,000 steps with augmentation, clipping and weight decay', { timeout: 120_000 }, async () => {
  const rs = new lw.RandomState(1);
  const XTrain = rs.randn(78, 2, 5, 4, { dtype: 'float32' });
  const yTrain = rs.randint(0, 3, [78]);
  const data = { XTrain, yTrain, XVal: XTrain.rows(0, 10), yVal: yTrain.rows(0, 10) };
  const model = new lw.FullyConnectedNet([6], { inputDim: [2, 5, 4], numClasses: 3, random: new lw.RandomState(2) });
  const solver = new lw.Solver(model, data, {
    updateRule: 'sgdMomentum',
    // The last batch of an epoch is smaller.
    sampling: 'epoch',
    batchSize: 8,
    numEpochs: 1000,
    numTrainSamples: 30,
    augment: { crop: 2, flip: true, cutout: 2 },
    schedule: { name: 'cosine', warmup: 0.1 },
    clipNorm: 0.5,
    weightDecay: 0.01,
    random: new lw.RandomState(3),
    verbose: false,
  });
  let warm: lw.Info['memory'] | undefined;
  let clipped = 0;
  for await (const event of solver.steps()) {
    if (event.type === 'epoch') continue;
    if ((event.gradientNorm as number) > 0.5) clipped++;
    if (event.iteration === 1000) warm = lw.info().memory;
    if (event.iteration > 1000 && event.iteration % 500 === 499) expect(lw.info().memory).toEqual(warm);
  }
  expect(solver.lossHistory.length).toBe(10_000);
  expect(clipped).toBeGreaterThan(1000);
  expect(clipped).toBeLessThan(10_000);
  const accuracy = () => solver.checkAccuracy(XTrain, yTrain, { flip: true });
  accuracy();
  const before = lw.info().memory;
  for (let i = 0; i < 100; i++) accuracy();
  expect(lw.info().memory).toEqual(before);
});

test('nor do 10,000 steps of a convolutional net', { timeout: 120_000 }, async () => {
  const rs = new lw.RandomState(1);
  const XTrain = rs.randn(18, 2, 8, 8, { dtype: 'float32' });
  const yTrain = rs.randint(0, 3, [18]);
  const data = { XTrain, yTrain, XVal: XTrain.rows(0, 7), yVal: yTrain.rows(0, 7) };
  const spec: lw.ConvNetSpec = {
    inputDim: [2, 8, 8],
    numClasses: 3,
    norm: 'batchnorm',
    layers: [
      { conv: 4 },
      { maxPool: 2 },
      {
        residual: [
          { conv: 5, stride: 2 },
          { conv: 5, relu: false },
        ],
      },
      { dropout: 0.9 },
    ],
  };
  const model = new lw.ConvNet(spec, { random: new lw.RandomState(2) });
  const options = { updateRule: 'adam', batchSize: 4, numEpochs: 2000, verbose: false } as const;
  // Of 18 examples, four whole batches and one of two.
  const solver = new lw.Solver(model, data, { ...options, sampling: 'epoch', random: new lw.RandomState(3) });
  let warm: { memory: lw.Info['memory']; heap: number } | undefined;
  for await (const { type, iteration } of solver.steps()) {
    if (type === 'epoch') continue;
    if (iteration === 4000) warm = { memory: lw.info().memory, heap: heapUsed() };
    if (iteration < 9_999) continue;
    expect(lw.info().memory).toEqual(warm?.memory);
    expect(heapUsed() - (warm?.heap ?? 0)).toBeLessThan(900_000);
  }
  expect(solver.lossHistory.length).toBe(10_000);
  expect(solver.lossHistory.every(Number.isFinite)).toBe(true);
});
