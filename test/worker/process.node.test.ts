// Trainers and the process they live in: it ends when nothing is asked any more, and holds one copy of the data, as given.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTrainer, type TrainerSpec } from 'lanewise/worker';
import { expect, test } from 'vitest';
import { byteData, wait } from './support.js';

const entry = new URL('../../dist/worker.js', import.meta.url).href;

/** Runs lines of a module for which createTrainer and small data are there. */
function run(lines: string): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const script = `
    import { createTrainer } from ${JSON.stringify(entry)};
    const images = (N) => ({ shape: [N, 8], data: Uint8Array.from({ length: 8 * N }, (_, i) => (i * 37) % 251) });
    const labels = (N) => Array.from({ length: N }, (_, i) => i % 3);
    const data = { XTrain: images(50), yTrain: labels(50), XVal: images(20), yVal: labels(20) };
    const spec = { model: { name: 'TwoLayerNet', hiddenDim: 4 }, solver: { batchSize: 10, numEpochs: 3 } };
    ${lines}`;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: 50_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
    });
  });
}

test('a script that forgets dispose() ends when everything has been answered', async () => {
  const { code, stdout, stderr } = await run(`
    const trainer = await createTrainer(spec, data, { init: { threads: 2 } });
    const { status } = await trainer.train();
    console.log(status);`);
  expect(stderr).toBe('');
  expect(stdout).toBe('finished\n');
  expect(code).toBe(0);
});

test('a request without room is an error of its own; the run goes on, and the end is the end', async () => {
  const { code, stdout } = await run(`
    const trainer = await createTrainer(spec, data, { init: { threads: 1, maxMemory: 2 ** 24 } });
    const run = trainer.train();
    const huge = { shape: [2 ** 20, 8], data: new Uint8Array(2 ** 23) };
    await trainer.gradients(huge, new Uint8Array(2 ** 20)).catch((error) => console.log(error.name));
    console.log((await run).status);
    await trainer.dispose();
    await trainer.state().catch((error) => console.log(error.name));`);
  expect(stdout).toBe('MemoryError\nfinished\nRuntimeError\n');
  expect(code).toBe(0);
});

test('checkpoints that the worker writes by itself go on in another; a file decides nothing of where files go', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanewise-trainer-'));
  try {
    const given = byteData();
    const spec: TrainerSpec = {
      model: { name: 'TwoLayerNet', hiddenDim: 6 },
      solver: { batchSize: 20, numEpochs: 3, checkpoint: { store: folder, everySteps: 7, keep: 1 } },
    };
    const init = { threads: 1 };
    const trainer = await createTrainer(spec, given, { init });
    await trainer.train();
    expect(readdirSync(folder)).toEqual(['checkpoint-000004.safetensors']);
    const state = readFileSync(join(folder, 'checkpoint-000004.safetensors'));
    rmSync(folder, { recursive: true });
    const resumed = await createTrainer(null, given, { init, state });
    expect(await resumed.state()).toMatchObject({ iteration: 28, numIterations: 30 });
    await resumed.train();
    expect(await resumed.history()).toEqual(await trainer.history());
    expect(existsSync(folder)).toBe(false);
    expect(await resumed.predict(given.XTest)).toEqual(await trainer.predict(given.XTest));
    for (const one of [trainer, resumed]) await one.dispose();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('images stay bytes, memory is flat, and dispose() gives it back', async () => {
  const N = 5000;
  const data = new Uint8Array(new SharedArrayBuffer(N * 3072)).fill(3);
  const images = (count: number) => ({ shape: [count, 3, 32, 32], data: data.subarray(0, count * 3072) });
  const labels = (count: number) => Int32Array.from({ length: count }, (_, i) => i % 10);
  const given = { XTrain: images(N), yTrain: labels(N), XVal: images(200), yVal: labels(200) };
  const spec = {
    model: { name: 'TwoLayerNet', hiddenDim: 10 },
    solver: { batchSize: 10, numEpochs: 2, numTrainSamples: 100 },
  } as const;
  const trainer = await createTrainer(spec, given, { init: { threads: 1 } });
  const { memory: before } = await trainer.step(20);
  const { memory: after } = await trainer.step(900);
  expect(after).toEqual(before);
  // As float32 the images alone would be 61 MB.
  expect(after.reserved).toBeLessThan(8e6);
  await trainer.dispose();

  const used = () => process.memoryUsage().rss;
  const start = used();
  for (let i = 0; i < 8; i++) {
    const one = await createTrainer(spec, given, { init: { threads: 1 } });
    await one.step(5);
    await one.dispose();
  }
  await wait(100);
  expect(used() - start, 'growth in bytes').toBeLessThan(60e6);
});
