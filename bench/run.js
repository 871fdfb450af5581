/**
 * The benchmark itself, for any runtime that has ES modules: loads the engines, measures the groups, hands out records. It
 * knows nothing of where it runs; index.js is for command lines, worker.js for pages.
 */
import { loadEngines } from './engines.js';
import * as bits from './groups/bits.js';
import * as cold from './groups/cold.js';
import * as conv from './groups/conv.js';
import * as dispatch from './groups/dispatch.js';
import * as elementwise from './groups/elementwise.js';
import * as gemm from './groups/gemm.js';
import * as load from './groups/load.js';
import * as losses from './groups/losses.js';
import * as norms from './groups/norms.js';
import * as peak from './groups/peak.js';
import * as pool from './groups/pool.js';
import * as rules from './groups/rules.js';
import * as steps from './groups/steps.js';
import { measure, noise, Patience, pairs, Task } from './measure.js';
import { WORKLOADS } from './overview.js';
import { significant, summary } from './statistics.js';

export const GROUPS = { peak, gemm, conv, pool, elementwise, norms, losses, rules, dispatch, steps, load, cold, bits };

/** The items of the overview, which is quick enough for every runtime in turn; see overview.js. */
const inOverview = (group, { name, dtype }) =>
  WORKLOADS.some(({ item }) => item === `${group} ${name}` && dtype === 'float32');

/** How long to look. quick: only whether everything runs and is right. */
const EFFORT = {
  full: { rounds: 11, sampleMs: 3, settleMs: 400, patienceMs: 5_000 },
  quick: { rounds: 3, sampleMs: 0.3, settleMs: 8, patienceMs: 0 },
};

/** How an amount in so many milliseconds reads in the unit of an item; rates are better when higher, times when lower. */
const UNITS = {
  'GFLOP/s': { of: (amount, ms) => amount / ms / 1e6, rate: true },
  'GB/s': { of: (amount, ms) => amount / ms / 1e6, rate: true },
  ms: { of: (_, ms) => ms, rate: false },
  µs: { of: (_, ms) => 1000 * ms, rate: false },
};

/**
 * @param options
 *   groups       names of GROUPS, default all
 *   filter       RegExp on 'group name dtype'
 *   overview     only what the table of runtimes is made of
 *   builds       default both
 *   threads      numbers of threads, default [1]
 *   quick        smallest sizes and three rounds
 *   rounds       instead of the usual number
 *   patienceMs   how long to wait for a quiet machine, for each family of items
 *   data         folder of CIFAR-10, for the group load
 *   machine      what the runtime cannot tell by itself, such as the processor
 * @param emit takes records: { type: 'run' | 'missing' | 'group' | 'result' | 'ratio' | 'derived' | 'bits' | 'noise', … }
 * @param progress takes a line of text now and then
 */
export async function run(options, emit, progress = () => {}) {
  const { groups = Object.keys(GROUPS), filter, builds = ['simd', 'relaxed'], threads = [1], quick = false } = options;
  const effort = { ...(quick ? EFFORT.quick : EFFORT.full) };
  effort.rounds = options.rounds ?? effort.rounds;
  effort.patienceMs = options.patienceMs ?? effort.patienceMs;
  const { engines, missing } = await loadEngines(builds, threads);
  const known = engines.map(({ label, build, threads, fused, runtime, peak32 }) => {
    return { label, build, threads, fused, runtime, peak: significant(peak32()) };
  });
  const { machine = {} } = options;
  emit({ type: 'run', date: new Date().toISOString(), quick, rounds: effort.rounds, machine, engines: known });
  for (const one of missing) emit({ type: 'missing', ...one });
  const measured = [];
  // The overview is about what init() takes by itself; only bits are of interest for the other build, too.
  const usual = engines.some(({ build }) => build === 'relaxed') ? 'relaxed' : 'simd';
  const timed = options.overview ? engines.filter(({ build }) => build === usual) : engines;
  const isWanted = (group, item) =>
    (!filter || filter.test(`${group} ${item.name} ${item.dtype}`)) && (!options.overview || inOverview(group, item));
  for (const group of groups) {
    const { title, families, check } = GROUPS[group];
    const wanted = families({ quick: quick && !options.overview, data: options.data })
      .map((family) => family.filter((item) => isWanted(group, item)))
      .filter((family) => family.length > 0);
    if (wanted.length === 0 && (!check || filter)) continue;
    emit({ type: 'group', group, title });
    if (check) {
      for (const engine of engines) {
        progress(`${group}: ${engine.label}`);
        emit({ type: group, ...origin(engine, machine), ...(await check(engine)) });
      }
    }
    for (const family of wanted) {
      const tasks = await measureFamily(group, family, timed, effort, emit, progress, machine);
      measured.push(...tasks);
    }
  }
  const { samples, disturbed, slowdown } = noise(measured);
  emit({ type: 'noise', samples, disturbed, slowdown: significant(slowdown) });
}

/** All items of a family on all engines in turns. */
async function measureFamily(group, family, engines, effort, emit, progress, machine) {
  const tasks = [];
  for (const item of family) {
    progress(`${group}: ${item.name} ${item.dtype}`);
    for (const engine of engines) {
      if (item.oneThread && engine.threads > 1) continue;
      const made = await item.make(engine);
      if (!made) continue;
      const error = await made.verify(`${group} ${item.name} ${item.dtype}, ${engine.label}`);
      const limit = engine.limit(item.limit, item.dtype, item.bytes);
      tasks.push(new Task({ ...made, item, engine, error, limit, guards: engine.guards, once: item.once }));
    }
  }
  const patience = new Patience(effort.patienceMs);
  await measure(tasks, { ...effort, patience });
  for (const item of family) {
    const own = tasks.filter((task) => task.item === item);
    for (const task of own) emit(result(group, task, machine));
    for (const record of ratios(group, own)) emit(record);
  }
  for (const { tensors = [], dispose } of tasks) {
    for (const tensor of tensors) tensor.dispose();
    await dispose?.();
  }
  return tasks;
}

function rounded({ value, low, high }) {
  return { value: significant(value), low: significant(low), high: significant(high) };
}

/** Where a figure comes from: every line can stand alone. */
function origin({ runtime, build, threads, fused }, { cpu = 'unknown' }) {
  const [engine, version] = runtime.replace(/^browser /, '').split(' ');
  return { engine, version, cpu, build, threads, fused };
}

function result(group, task, machine) {
  const { item, engine, limit, judged, samples, amount, error, warmUp } = task;
  const { of, rate } = UNITS[item.unit];
  const figure = rounded(summary(judged.map(({ ms }) => of(amount, ms))));
  const record = {
    type: 'result',
    group,
    name: item.name,
    dtype: item.dtype,
    ...origin(engine, machine),
    unit: item.unit,
    better: rate ? 'higher' : 'lower',
    ...figure,
  };
  if (limit) {
    // Each sample against what the machine did at most just before and after it, on as many threads.
    const fractions = judged.map(({ ms, limit: most }) => amount / ms / (most * engine.threads));
    record.fraction = { of: item.limit, ...rounded(summary(fractions)) };
  }
  return {
    ...record,
    error: significant(error),
    rounds: samples.length,
    quiet: task.quiet.length,
    noisy: task.noisy,
    samples: judged.map(({ ms }) => significant(of(amount, ms))),
    warmUp: {
      firstMs: significant(warmUp.firstMs),
      steadyMs: significant(warmUp.steadyMs),
      calls: warmUp.calls,
      settled: warmUp.settled,
      late: warmUp.late ?? 0,
    },
  };
}

/** Threads against one thread, and the relaxed build against the other, in the same rounds. */
function ratios(group, tasks) {
  const records = [];
  const add = (of, base, task, more) => {
    const { item } = task;
    const both = pairs(base, task);
    const ratio = rounded(summary(both.map(([a, b]) => a / b)));
    const { name: itemName, dtype } = item;
    records.push({ type: 'ratio', group, name: itemName, dtype, of, ...more, ...ratio, pairs: both.length });
    if (of !== 'threads' || !item.derive) return;
    const { name, unit, of: figure } = item.derive;
    const derived = rounded(summary(both.map(([one, many]) => figure(one, many, more.threads))));
    records.push({ type: 'derived', group, name, ...more, unit, ...derived });
  };
  for (const task of tasks) {
    const { build, threads } = task.engine;
    const one = tasks.find(({ engine }) => engine.build === build && engine.threads === 1);
    if (threads > 1 && one) add('threads', one, task, { build, threads });
    const plain = tasks.find(({ engine }) => engine.build === 'simd' && engine.threads === threads);
    if (build === 'relaxed' && plain) add('builds', plain, task, { threads });
  }
  return records;
}
