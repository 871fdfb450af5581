// The same work on lanewise and on other libraries, in turns, in one run: see HELP below. A peer that cannot be started is left
// out, and one that spends its budget on showing that its results are right is left out of that workload.
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadEngines } from '../engines.js';
import { noise as machineNoise, measure, Patience, pairs, Task } from '../measure.js';
import { significant, summary } from '../statistics.js';
import { install } from './install.js';
import { check, expectation, ours } from './ours.js';
import { Peer } from './peer.js';
import { DISTANCES, FEATURES, IMAGE_OPS, images, LOAD, NETS, PRODUCTS, SOFTMAX } from './workloads.js';

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
    'tfjs wasm': [process.execPath, [here('tensorflow.js'), 'wasm'], {}, 1],
    'tfjs cpu': [process.execPath, [here('tensorflow.js'), 'cpu'], {}, 1],
    'jax-js': [process.execPath, [here('jax.js')], {}, 1],
    convnetjs: [process.execPath, [here('convnet.js')], {}, 1],
    'plain JavaScript': [process.execPath, [here('plain.js')], {}, 1],
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

/** One line for each workload: times of all, and how many times that of the faster of ours, on one thread, theirs is. */
function table(all) {
  const names = [...new Set(all.flatMap(({ records }) => records.map(({ contestant }) => contestant)))];
  const cell = (own, theirs) => {
    if (!theirs) return '';
    const time = `${significant(theirs.value, 3)}`;
    return theirs.contestant.startsWith('lanewise') ? time : `${time} (${(theirs.value / own).toPrecision(2)}x)`;
  };
  const rows = all.map(({ workload, records }) => {
    const mine = records.filter(({ contestant, threads }) => contestant.startsWith('lanewise') && threads === 1);
    const own = Math.min(...mine.map(({ value }) => value));
    return [
      workload,
      ...names.map((name) =>
        cell(
          own,
          records.find(({ contestant }) => contestant === name),
        ),
      ),
    ];
  });
  const lines = [['ms', ...names], ['-', ...names.map(() => '-')], ...rows];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

const HELP = `usage: node bench/index.js --peers [options]

The same work on lanewise, TensorFlow.js (wasm and cpu), jax-js, ConvNetJS, plain JavaScript and, where python3 has it, NumPy.
The libraries are installed into bench/peers the first time.

  --filter REGEX     only workloads whose name matches
  --data DIR         CIFAR-10 as a folder of binary files, for the workload of loading it
  --threads N        of lanewise and NumPy, beside one; default one per core
  --rounds N         samples of each, default 11; three of what takes more than a second
  --patience SECONDS how long to wait for a quiet machine in each workload, default 10
  --budget SECONDS   a peer that takes longer to show that its results are right is left out there, default 60
  --python COMMAND   another interpreter than python3
  --json             one JSON record a line
  --help
`;

function parse(args) {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string' },
      rounds: { type: 'string', default: '11' },
      threads: { type: 'string', default: String(os.availableParallelism()) },
      patience: { type: 'string', default: '10' },
      budget: { type: 'string', default: '60' },
      python: { type: 'string', default: 'python3' },
      filter: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const count = (name, least) => {
    const n = Number(values[name]);
    if (!(Number.isInteger(n) && n >= least)) {
      throw new Error(`--${name}: a whole number from ${least}, not '${values[name]}'`);
    }
    return n;
  };
  return {
    ...{ data: values.data, python: values.python, json: values.json, help: values.help },
    ...{ threads: count('threads', 1), rounds: count('rounds', 1), budget: count('budget', 1) },
    patienceMs: 1000 * count('patience', 0),
    filter: new RegExp(values.filter),
  };
}

/** @returns the exit code */
export async function main(args) {
  let options;
  try {
    options = parse(args);
  } catch (error) {
    console.error(`bench: ${error.message}\nbench: --peers --help tells more`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const groups = [NETS, PRODUCTS, IMAGE_OPS, DISTANCES, SOFTMAX, FEATURES].flatMap((group) => Object.keys(group));
  const workloads = [...groups, ...(options.data ? [LOAD] : [])].filter((name) => options.filter.test(name));
  if (workloads.length === 0) {
    console.error(`bench: no workload matches ${options.filter}; there are ${groups.join('; ')}`);
    return 2;
  }
  install();
  const { engines } = await loadEngines(['simd', 'relaxed'], [...new Set([1, options.threads])]);
  const peers = await startPeers(options);
  const data = images();
  const tasks = [];
  const all = [];
  for (const workload of workloads) {
    if (!options.json) console.log(workload);
    const measured = await compare(workload, engines, peers, options, data);
    const found = records(workload, measured);
    tasks.push(...measured);
    all.push({ workload, records: found });
    for (const record of found) {
      if (options.json) console.log(JSON.stringify(record));
      else print(record);
    }
  }
  for (const peer of peers) peer.end();
  const { samples, disturbed, slowdown } = machineNoise(tasks);
  if (options.json) {
    console.log(JSON.stringify({ type: 'noise', samples, disturbed, slowdown: significant(slowdown) }));
    return 0;
  }
  const share = ((100 * disturbed) / Math.max(1, samples)).toFixed(0);
  console.log(`\n${table(all)}`);
  console.log(
    `\n${samples} samples, ${share} % of them disturbed and these slower by ${slowdown.toFixed(2)} in the median`,
  );
  return 0;
}
