// Kills training processes with SIGKILL at random moments, most of them while a checkpoint is written, and holds what they
// leave against a run that nobody disturbed: every checkpoint whole, every bit the same.
//   node scripts/torture.mjs [--kills 200] [--seed 1]
// A checkpoint is written after each step. Processes take turns with one and two threads. When a run comes to its end, the next
// begins afresh. Exit code 1 at the first difference.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as lw from '../dist/index.js';

/** Trains, from the newest checkpoint of the folder if there is one, until the end or a signal. */
async function train(folder, threads, keep, onBegin = () => {}) {
  await lw.init({ build: 'simd', threads });
  const rs = new lw.RandomState(1);
  const XTrain = rs.randn(60, 1, 6, 6, { dtype: 'float32' });
  const data = { XTrain, yTrain: rs.randint(0, 3, [60]), XVal: XTrain.rows(0, 20), yVal: rs.randint(0, 3, [20]) };
  const random = new lw.RandomState(3);
  const options = { inputDim: [1, 6, 6], numClasses: 3, normalization: 'batchnorm', dropout: 0.7, random };
  const model = new lw.FullyConnectedNet([300, 40], options);
  const found = await lw.newestCheckpoint(folder);
  if (found?.damaged.length > 0) throw found.damaged[0].error;
  const common = { verbose: false, checkpoint: { store: folder, everySteps: 1, keep } };
  const solver = found
    ? lw.Solver.resume(found.bytes, model, data, common)
    : new lw.Solver(model, data, {
        ...common,
        updateRule: 'adam',
        sampling: 'epoch',
        batchSize: 8,
        numEpochs: 8,
        augment: { crop: 1, flip: true },
        schedule: 'cosine',
        clipNorm: 1,
        random,
      });
  onBegin();
  // A process may have been killed after its last checkpoint; train() would begin another run.
  if (solver.iteration < solver.numIterations) await solver.train();
}

const flags = {
  kills: { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  // Of the processes that are killed.
  folder: { type: 'string' },
  threads: { type: 'string', default: '1' },
};
const { values } = parseArgs({ options: flags });

/** Bytes of all checkpoints of a folder, by name. */
function checkpoints(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** Runs one process and kills it: some milliseconds after it began to train, or after it started. Whether it was killed. */
function killed(folder, threads, { early, delay }) {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, '--folder', folder, '--threads', String(threads)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let timer;
  const kill = () => {
    timer = setTimeout(() => child.kill('SIGKILL'), delay);
  };
  if (early) kill();
  else child.stdout.once('data', kill);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === 'SIGKILL') resolve(true);
      else if (code === 0) resolve(false);
      else reject(new Error(`a process that was not killed ended with code ${code}\n${errors}`));
    });
  });
}

/** Uniform in [0, 1), the same for the same seed (Steele, Lea and Flood's SplitMix with 32 bits). */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

async function torture(kills, seed) {
  const root = mkdtempSync(join(tmpdir(), 'lanewise-torture-'));
  const count = { kills: 0, early: 0, writing: 0, whole: 0, runs: 0 };
  try {
    const calm = join(root, 'calm');
    await train(calm, 1, 1000);
    const wanted = checkpoints(calm);
    const last = [...wanted.keys()].sort().at(-1);
    const next = uniforms(seed);
    const folder = join(root, 'hunted');
    for (let round = 0; count.kills < kills || count.runs === 0; round++) {
      // Once there were enough kills, the run that is under way is left to come to its end.
      const early = next() < 0.1;
      const delay = count.kills < kills ? next() * (early ? 150 : 100) : 2 ** 31 - 1;
      const dead = await killed(folder, 1 + (round % 2), { early, delay });
      const left = await lw.newestCheckpoint(folder);
      if (left?.damaged.length > 0) throw left.damaged[0].error;
      for (const [name, bytes] of left ? checkpoints(folder) : []) {
        if (!wanted.get(name)?.equals(bytes)) throw new Error(`${name} differs from that of the undisturbed run`);
        count.whole++;
      }
      if (dead) {
        count.kills++;
        if (early) count.early++;
        if (left && readdirSync(folder).some((name) => name.endsWith('.part'))) count.writing++;
        continue;
      }
      if (left?.file !== last) throw new Error(`a run ended with ${left?.file}, the undisturbed one with ${last}`);
      count.runs++;
      rmSync(folder, { recursive: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return count;
}

if (values.folder !== undefined) {
  // The parent counts from here.
  await train(values.folder, Number(values.threads), 2, () => process.stdout.write('training\n'));
} else {
  const started = performance.now();
  const { kills, early, writing, whole, runs } = await torture(Number(values.kills), Number(values.seed));
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `torture: ${kills} kills (${early} before training began, ${writing} in the middle of writing a file), ` +
      `${whole} checkpoints left, all whole and equal, ${runs} runs finished with the same bits (${seconds} s)`,
  );
}
