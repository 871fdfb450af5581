// Trains a small convolutional net with augmentation, dropout and batch norm for very long, and fails if linear memory or the
// JavaScript heap grow: npm run soak -- [--steps 100000]
import { parseArgs } from 'node:util';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as lw from '../dist/index.js';

const { values } = parseArgs({ options: { steps: { type: 'string', default: '100000' } } });
const steps = Number(values.steps);
/** JavaScript's heap breathes by so much. */
const SLACK = 2 ** 21;

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const { build, threads } = await lw.init({ threads: 1 });
const { X, y } = lw.syntheticImages({ num: 200, classes: 4, size: 8, seed: 1 });
const model = new lw.ConvNet(
  {
    inputDim: [3, 8, 8],
    norm: 'batchnorm',
    layers: [{ conv: 4 }, { maxPool: 2 }, { conv: 4 }, 'globalAvgPool', { dropout: 0.8 }],
    numClasses: 4,
    reg: 1e-4,
  },
  { random: new lw.RandomState(1) },
);
const batchSize = 8;
const perEpoch = 200 / batchSize;
const solver = new lw.Solver(
  model,
  { XTrain: X, yTrain: y, XVal: X.rows(0, 50), yVal: y.rows(0, 50) },
  {
    updateRule: 'adam',
    batchSize,
    numEpochs: Math.ceil(steps / perEpoch),
    augment: { crop: 1, flip: true, cutout: 2 },
    schedule: 'cosine',
    clipNorm: 5,
    numTrainSamples: 50,
    random: new lw.RandomState(2),
    verbose: false,
  },
);

/** Bytes of live objects. Histories grow by a few numbers a step, which is not a leak: they are counted by themselves. */
function measure() {
  collect();
  const { live, reserved } = lw.info().memory;
  const heap = process.memoryUsage().heapUsed;
  const histories = 8 * (solver.lossHistory.length + 3 * solver.valAccHistory.length);
  return { live, reserved, heap: heap - histories, rss: process.memoryUsage().rss };
}

const MB = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MB`;
console.log(`${steps} steps, ${build} build, ${threads} thread`);
const start = performance.now();
let first;
let last;
let done = 0;
const marks = new Set(Array.from({ length: 11 }, (_, k) => Math.max(2000, Math.round((k * steps) / 10))));
for await (const event of solver.steps()) {
  if (event.type !== 'step' || !marks.has(++done)) continue;
  last = measure();
  first ??= last;
  const { live, reserved, heap, rss } = last;
  console.log(
    `step ${String(done).padStart(7)}: linear memory ${MB(live)} live of ${MB(reserved)}, heap ${MB(heap)}, process ${MB(rss)}, ` +
      `loss ${event.loss.toFixed(4)}, ${(done / ((performance.now() - start) / 1000)).toFixed(0)} steps/s`,
  );
}
const grown = { live: last.live - first.live, reserved: last.reserved - first.reserved, heap: last.heap - first.heap };
console.log(`grown between the first mark and the last: ${JSON.stringify(grown)} bytes`);
const flat = done >= steps && grown.live === 0 && grown.reserved === 0 && grown.heap < SLACK;
solver.dispose();
model.dispose();
for (const t of [X, y]) t.dispose();
const left = lw.info().memory.live;
console.log(flat && left === 0 ? 'flat' : `NOT FLAT, or ${left} bytes left at the end`);
if (!flat || left !== 0) process.exitCode = 1;
