// The same work on lanewise and on other libraries, in turns, in one run:
//   npm ci --prefix bench/peers --ignore-scripts
//   node bench/peers/run.js [--data DIR] [--rounds N] [--threads N] [--filter REGEX] [--budget SECONDS] [--json]
// NumPy takes part if python3 has it, and --python names another interpreter. A peer that is not installed is left out, and
// one that spends its budget on showing that its results are right is left out of that workload.
import { spawn } from 'node:child_process';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadEngines } from '../engines.js';
import { disposeAll, load } from '../groups/load.js';
import * as steps from '../groups/steps.js';
import { noise as machineNoise, measure, Patience, pairs, Task } from '../measure.js';
import { significant, summary } from '../statistics.js';
import {
  batchRows,
  IMAGE,
  IMAGE_OPS,
  IMAGES,
  INPUTS,
  imageOperands,
  images,
  LOAD,
  NETS,
  noise,
  PRODUCTS,
  productSamples,
  samples as samplesOf,
  weights,
} from './workloads.js';

/** Of ours in bench/groups/steps.js. */
const OURS = {
  'two-layer step': 'two-layer, 100 hidden, sgd',
  'six-layer step': 'six-layer, 5 x 100 hidden, adam',
  'six-layer step, batch norm, dropout': 'six-layer, batch norm, dropout 0.5, adam',
  'three-layer conv step': 'three-layer conv, 32 of 7x7, 500 hidden, adam',
  'three-layer conv step, batch norm': 'conv, batch norm, 64 of 3x3, 500 hidden, adam',
  'six convs step': 'six convs, momentum',
  'six convs step, batch norm': 'six convs, batch norm, momentum',
};

/** Another process that speaks as serve.js does. */
class Peer {
  #child;
  #lines;

  #words;

  static async start(...words) {
    const [command, args, env, threads] = words;
    const peer = new Peer();
    peer.#words = words;
    peer.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    let complaint = '';
    peer.#child.stderr.on('data', (chunk) => {
      complaint += chunk;
    });
    peer.#child.on('error', (error) => {
      complaint += error.message;
    });
    peer.#lines = createInterface({ input: peer.#child.stdout })[Symbol.asyncIterator]();
    const hello = await peer.#answer().catch(() => undefined);
    if (!hello) {
      const lines = complaint.trim().split('\n');
      throw new Error(lines.find((line) => line.includes('Error')) ?? (lines.at(-1) || 'it said nothing'));
    }
    Object.assign(peer, { name: hello.name, workloads: hello.workloads, threads });
    return peer;
  }

  /** The next line that is JSON; libraries greet and warn on the same stream. */
  async #answer() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.name ?? 'peer'} ended`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  async ask(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    const answer = await this.#answer();
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  /** The answer, or an error after so many seconds. Who does not answer is replaced by a fresh process. */
  async askWithin(seconds, message) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no result within ${seconds} s`)), 1000 * seconds);
    });
    try {
      return await Promise.race([this.ask(message), late]);
    } catch (error) {
      this.#child.kill();
      const fresh = await Peer.start(...this.#words);
      this.#child = fresh.#child;
      this.#lines = fresh.#lines;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  end() {
    this.#child.stdin.end();
  }
}

/** Slower tasks are sampled in three rounds only. */
const PATIENT_MS = 1000;

/** A task that is done, and timed, in another process. */
class RemoteTask extends Task {
  async time(times) {
    return (await this.peer.ask({ run: this.workload, times })).ms;
  }

  async sample(round, patience) {
    if (this.warmUp.steadyMs > PATIENT_MS && this.samples.length >= 3) return;
    await super.sample(round, patience);
  }
}

/** Those that can be started, and why others cannot. */
async function startPeers({ python, data, threads }) {
  const here = (file) => fileURLToPath(new URL(file, import.meta.url));
  const numpy = (n) => [python, [here('peer_numpy.py'), ...(data ? [data] : [])], { OPENBLAS_NUM_THREADS: `${n}` }, n];
  const wanted = {
    tfjs: [process.execPath, [here('tensorflow.js')], {}, 1],
    'jax-js': [process.execPath, [here('jax.js')], {}, 1],
    convnetjs: [process.execPath, [here('convnet.js')], {}, 1],
    'numpy, 1 thread': numpy(1),
    ...(threads > 1 ? { [`numpy, ${threads} threads`]: numpy(threads) } : {}),
  };
  const peers = [];
  for (const [label, words] of Object.entries(wanted)) {
    try {
      peers.push(await Peer.start(...words));
    } catch (error) {
      console.error(`without ${label}: ${error.message}`);
    }
  }
  return peers;
}

const UPDATES = { sgd: 'sgd', momentum: 'sgdMomentum', adam: 'adam' };

/** Losses of the first steps, from the weights and batches that all contestants start with, without the Solver. */
function ourLosses(lw, workload, data) {
  const spec = NETS[workload];
  const { batch } = spec;
  return lw.scope(() => {
    const model = steps.NETS[OURS[workload]].make(lw, { random: new lw.RandomState(1) });
    weights(spec).forEach(([w, shape], i) => {
      model.params[`W${i + 1}`] = lw.tensor(w, { shape });
    });
    const configs = {};
    const losses = Array.from({ length: spec.losses }, (_, step) => {
      const rows = batchRows(step, batch);
      const x = new Float32Array(batch * INPUTS);
      rows.forEach((row, i) => {
        x.set(data.X.subarray(row * INPUTS, (row + 1) * INPUTS), i * INPUTS);
      });
      const y = rows.map((row) => data.y[row]);
      const [loss, gradients] = model.loss(lw.tensor(x, { shape: [batch, ...IMAGE] }), y);
      for (const name of model.paramNames) {
        configs[name] ??= { learningRate: spec.rate };
        lw[UPDATES[spec.rule]](model.params[name], gradients[name], configs[name]);
      }
      return loss;
    });
    for (const config of Object.values(configs)) disposeAll(config);
    model.dispose();
    return losses;
  });
}

/** The benchmark of one layer: op() gives tensors, by the plain loops if `naive`. */
function ourImageOp(lw, workload, { naive = false, dtype = 'float32' } = {}) {
  const { x: shape, conv, stride, pad, out: outShape, backward } = IMAGE_OPS[workload];
  const { x, dout, w, b } = imageOperands(IMAGE_OPS[workload]);
  const operand = (data, shape) => lw.tensor(data, { shape, dtype });
  const [images, gradient] = [operand(x, shape), operand(dout, outShape)];
  const operands = conv ? [images, operand(w, conv), operand(b, [conv[0]])] : [images];
  const name = conv ? 'conv' : 'maxPool';
  const ending = naive ? 'Naive' : '';
  const param = conv ? { stride, pad } : { poolHeight: 2, poolWidth: 2, stride: 2 };
  const forward = () => lw[`${name}Forward${ending}`](...operands, param);
  const [out, cache] = forward();
  out.dispose();
  const op = backward ? () => [lw[`${name}Backward${ending}`](gradient, cache)].flat() : () => forward().slice(0, 1);
  return {
    run: () => {
      for (const tensor of op()) tensor.dispose();
    },
    verify: () => lw.scope(() => samplesOf(...op().map(({ data }) => data))),
    dispose: () => {
      for (const tensor of [...operands, gradient]) tensor.dispose();
    },
  };
}

/** What everybody's verify() must give, and how far it may be off. Dropout masks differ, so these losses only resemble. */
function expectation(workload, lw, data) {
  if (workload in NETS) {
    const masks = NETS[workload].layers.some(({ dropout }) => dropout);
    return { values: ourLosses(lw, workload, data), tolerance: masks ? 0.3 : 1e-3 };
  }
  if (workload in IMAGE_OPS) {
    const { verify, dispose } = ourImageOp(lw, workload, { naive: true, dtype: 'float64' });
    const values = verify();
    dispose();
    return { values, tolerance: 1e-5 };
  }
  if (workload in PRODUCTS) {
    const n = PRODUCTS[workload];
    const samples = productSamples(noise(n * n, 30), noise(n * n, 31), n);
    return { values: samples.map(({ value }) => value), tolerance: 1e-4 };
  }
  return undefined;
}

function check(who, workload, got, wanted) {
  if (!wanted) return;
  const { values, tolerance } = wanted;
  const scale = Math.max(...values.map(Math.abs));
  got.forEach((value, i) => {
    if (Math.abs(value - values[i]) <= tolerance * scale) return;
    throw new Error(`${who}, ${workload}: ${value} instead of ${values[i]}`);
  });
}

/** Our task for a workload on one engine: { run, verify, dispose }. */
function ours(workload, { lw }, folder) {
  if (workload in NETS) {
    const { step, dispose } = steps.stepper(lw, steps.NETS[OURS[workload]], IMAGES);
    return { run: step, dispose };
  }
  if (workload in IMAGE_OPS) return ourImageOp(lw, workload);
  if (workload === LOAD) return { run: async () => disposeAll(await load(lw, folder)), dispose() {} };
  const n = PRODUCTS[workload];
  const [a, b] = [30, 31].map((stream) => lw.tensor(noise(n * n, stream), { shape: [n, n] }));
  return {
    run: () => lw.matmul(a, b).dispose(),
    verify() {
      const c = lw.matmul(a, b);
      const at = productSamples(new Float32Array(n * n), new Float32Array(n * n), n).map((sample) => c.data[sample.at]);
      c.dispose();
      return at;
    },
    dispose() {
      a.dispose();
      b.dispose();
    },
  };
}

async function compare(workload, engines, peers, options, data) {
  const wanted = expectation(workload, engines[0].lw, data);
  const tasks = [];
  for (const engine of engines) {
    const made = ours(workload, engine, options.data);
    const label = `lanewise ${engine.label}`;
    if (made.verify) check(label, workload, made.verify(), wanted);
    tasks.push(new Task({ ...made, label, threads: engine.threads, guards: engine.guards }));
  }
  for (const peer of peers.filter(({ workloads }) => workloads.includes(workload))) {
    const label = `${peer.name}, ${peer.threads} thread${peer.threads > 1 ? 's' : ''}`;
    const { guards } = engines.find(({ threads }) => threads === peer.threads) ?? engines[0];
    try {
      const { values } = await peer.askWithin(options.budget, { verify: workload });
      check(label, workload, values, wanted);
    } catch (error) {
      console.error(`without ${label}: ${error.message}`);
      continue;
    }
    tasks.push(new RemoteTask({ peer, workload, label, threads: peer.threads, guards }));
  }
  const patience = new Patience(options.patienceMs);
  await measure(tasks, { rounds: options.rounds, sampleMs: 20, settleMs: 2000, patience });
  for (const { dispose } of tasks) await dispose?.();
  return tasks;
}

const rounded = ({ value, low, high }) => ({
  value: significant(value),
  low: significant(low),
  high: significant(high),
});

/** One record for each contestant: its time, and how many times ours it is, pair by pair. */
function records(workload, tasks) {
  const own = tasks.filter(({ peer }) => !peer);
  return tasks.map((task) => ({
    type: 'peer',
    workload,
    contestant: task.label,
    threads: task.threads,
    unit: 'ms',
    ...rounded(summary(task.judged.map(({ ms }) => ms))),
    noisy: task.noisy,
    ratios: Object.fromEntries(
      own
        .filter((one) => one !== task && one.threads === task.threads)
        .map((one) => [one.label, rounded(summary(pairs(task, one).map(([a, b]) => a / b)))]),
    ),
  }));
}

function print(record) {
  const { contestant, value, low, high, noisy, ratios } = record;
  const time = `${value.toFixed(3)} ms (${low.toFixed(3)} to ${high.toFixed(3)})${noisy ? '*' : ''}`;
  const against = Object.entries(ratios).map(([label, { value, low, high }]) => {
    return `${value.toFixed(2)} x ${label} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  });
  console.log(`  ${contestant.padEnd(32)}${time.padEnd(36)}${against.join('   ')}`);
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    rounds: { type: 'string', default: '11' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    patience: { type: 'string', default: '10' },
    budget: { type: 'string', default: '60' },
    python: { type: 'string', default: 'python3' },
    filter: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const threads = Number(values.threads);
const options = {
  data: values.data,
  python: values.python,
  threads,
  rounds: Number(values.rounds),
  patienceMs: 1000 * Number(values.patience),
  budget: Number(values.budget),
};
const { engines } = await loadEngines(['simd', 'relaxed'], [...new Set([1, threads])]);
const peers = await startPeers(options);
const known = [NETS, PRODUCTS, IMAGE_OPS].flatMap((group) => Object.keys(group));
const workloads = [...known, ...(options.data ? [LOAD] : [])];
const data = images();
const all = [];
for (const workload of workloads.filter((name) => new RegExp(values.filter).test(name))) {
  if (!values.json) console.log(workload);
  const tasks = await compare(workload, engines, peers, options, data);
  all.push(...tasks);
  for (const record of records(workload, tasks)) {
    if (values.json) console.log(JSON.stringify(record));
    else print(record);
  }
}
const { samples, disturbed, slowdown } = machineNoise(all);
if (values.json) console.log(JSON.stringify({ type: 'noise', samples, disturbed, slowdown: significant(slowdown) }));
else {
  const share = ((100 * disturbed) / Math.max(1, samples)).toFixed(0);
  console.log(
    `\n${samples} samples, ${share} % of them disturbed and these slower by ${slowdown.toFixed(2)} in the median`,
  );
}
for (const peer of peers) peer.end();
