/**
 * Timing on machines that are shared. Every sample stands between two probes, short loops whose speed is known; it counts
 * only if both ran at full speed, that is if no neighbour took the core, its sibling or its clock meanwhile. Tasks are
 * sampled in turns, round after round, so that whatever drifts hits all of them alike and figures of one round can be put in
 * ratio to each other.
 */
import { median, quantile } from './statistics.js';

/** Share of its best speed at which a probe says that the machine is quiet. */
const QUIET = 0.93;

/** How much slower code of the first tier is at least. */
const TIER = 1.4;

/** What takes longer than this is sampled three times only. */
const LONG_MS = 600;

const now = () => performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Milliseconds between ticks of the clock; browsers make them coarse. */
export function clockStep() {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const start = now();
    let end = now();
    while (end === start) end = now();
    least = Math.min(least, end - start);
  }
  return least;
}

/**
 * A loop of known speed: run(times) does `amount` per time, for about `ms`. lead: it needs a start, as sleeping threads do.
 * Where it takes much less than `ms` it is made longer, not counted: it was cut while something else ran, or before the engine's
 * best code was in place, and a browser's clock is too coarse for it.
 */
export class Probe {
  /** Best rate so far, in amounts per millisecond; reached twice in a row, so that no fluke of the clock sets the bar. */
  best = 0;
  #last = 0;
  #ms;
  #times = 1;
  #run;
  #amount;
  #lead;

  constructor(run, amount, ms, { lead = false } = {}) {
    this.#run = run;
    this.#amount = amount;
    this.#ms = ms;
    this.#lead = lead;
    // Doubled until it takes `ms` even when warm, then cut to that length.
    for (let taken = 0; taken < ms; ) {
      this.#times *= 2;
      run(this.#times);
      const start = now();
      run(this.#times);
      taken = now() - start;
      if (taken >= ms) this.#times = Math.max(1, Math.round((this.#times * ms) / taken));
    }
    for (let i = 0; i < 20; i++) this.rate();
  }

  rate() {
    if (this.#lead) this.#run(this.#times);
    const start = now();
    this.#run(this.#times);
    const taken = now() - start;
    if (taken < 0.7 * this.#ms) {
      this.#times *= 2;
      return this.rate();
    }
    const rate = (this.#amount * this.#times) / taken;
    if (Number.isFinite(rate)) this.best = Math.max(this.best, Math.min(rate, this.#last));
    this.#last = rate;
    return rate;
  }
}

/** Milliseconds that may still be spent waiting for a quiet machine. */
export class Patience {
  constructor(ms) {
    this.left = ms;
    this.spent = 0;
  }

  async wait(ms = 4) {
    const start = now();
    await sleep(ms);
    const waited = now() - start;
    this.left -= waited;
    this.spent += waited;
  }
}

/** run() `times` times; promises are awaited. */
async function repeat(run, times) {
  const start = now();
  for (let i = 0; i < times; i++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  return now() - start;
}

/**
 * Something to measure.
 *   run      does it once; may return a promise
 *   limit    probe of what the machine can do at most in the same terms, or undefined
 *   guards   further probes that must be quiet
 *   once     it is measured cold: neither warmed up nor repeated in a sample
 */
export class Task {
  samples = [];
  warmUp = undefined;
  /** Repetitions in one sample. */
  times = 1;

  constructor(fields) {
    Object.assign(this, fields);
  }

  /** Milliseconds that `times` repetitions take. */
  time(times) {
    return repeat(this.run, times);
  }

  /**
   * Runs until it gets no faster: engines start with quickly compiled code and put better code in its place on the way.
   * Then decides how many repetitions make a sample of `sampleMs`.
   */
  async settle({ sampleMs, settleMs }) {
    const firstMs = await this.time(1);
    if (this.once) {
      this.warmUp = { firstMs, steadyMs: firstMs, calls: 1, ms: firstMs, settled: false };
      return;
    }
    const batches = [];
    let calls = 1;
    let times = 1;
    let total = firstMs;
    let settled = false;
    while (!settled && total < settleMs) {
      const ms = await this.time(times);
      calls += times;
      total += ms;
      batches.push(ms / times);
      if (ms < sampleMs / 4) times *= 2;
      const recent = batches.slice(-3);
      const earlier = batches.slice(0, -3);
      settled = earlier.length >= 3 && total > settleMs / 4 && Math.min(...recent) > 0.98 * Math.min(...earlier);
    }
    const steady = Math.min(firstMs, ...batches);
    this.times = Math.max(1, Math.round(sampleMs / Math.max(steady, 1e-6)));
    this.warmUp = { firstMs, steadyMs: steady, calls, ms: total, settled };
  }

  /** One sample, once the machine is quiet or patience is used up; of what takes long, three are enough. */
  async sample(round, patience) {
    if (this.warmUp.steadyMs > LONG_MS && this.samples.length >= 3) return;
    let before = this.#look();
    while (!before.quiet && patience.left > 0) {
      await patience.wait();
      before = this.#look();
    }
    const ms = (await this.time(this.times)) / this.times;
    const after = this.#look();
    const limit = (before.limit + after.limit) / 2;
    this.samples.push({ round, ms, limit, quiet: before.quiet && after.quiet });
  }

  /** The guards come last, so that the threads they wake are awake when the sample begins. */
  #look() {
    const limit = this.limit ? this.limit.rate() : Number.NaN;
    let quiet = true;
    for (const guard of this.guards) if (guard.rate() < QUIET * guard.best) quiet = false;
    return { quiet, limit };
  }

  /**
   * Better code can come late where the cores that compile it are busy: if all samples up to one are slower by far than what
   * followed, they were of the first code and are dropped.
   */
  forgetSlowStart() {
    const times = this.samples.map(({ ms }) => ms);
    for (let first = times.length - 3; first > 0; first--) {
      if (Math.min(...times.slice(0, first)) < TIER * median(times.slice(first))) continue;
      this.samples.splice(0, first);
      this.warmUp.late = (this.warmUp.late ?? 0) + first;
      return;
    }
  }

  get quiet() {
    return this.samples.filter((sample) => sample.quiet);
  }

  /** The samples to be judged by: the quiet ones, or all if these are too few. */
  get judged() {
    const { quiet } = this;
    return quiet.length >= 3 || quiet.length === this.samples.length ? quiet : this.samples;
  }

  get noisy() {
    return this.judged.some((sample) => !sample.quiet);
  }
}

/** Samples all tasks in turns, `rounds` times, and further while quiet samples are missing. */
export async function measure(tasks, { rounds, sampleMs, settleMs, patience, onRound = () => {} }) {
  for (const task of tasks) await task.settle({ sampleMs, settleMs });
  const enough = Math.ceil(rounds / 2);
  for (let round = 0; round < 2 * rounds; round++) {
    if (round >= rounds && tasks.every((task) => task.quiet.length >= enough)) break;
    if (round >= rounds && patience.left <= 0) break;
    onRound(round);
    // To and fro, so that no task always runs in the wake of the same other.
    for (const task of round % 2 === 0 ? tasks : [...tasks].reverse()) await task.sample(round, patience);
    for (const task of tasks) if (!task.once) task.forgetSlowStart();
  }
}

/** Milliseconds of a and b in every round in which both were quiet (in all rounds, if these are too few). */
export function pairs(a, b) {
  const match = (pick) => {
    const others = new Map(b.samples.filter(pick).map((sample) => [sample.round, sample.ms]));
    return a.samples
      .filter(pick)
      .filter(({ round }) => others.has(round))
      .map(({ round, ms }) => [ms, others.get(round)]);
  };
  const quiet = match((sample) => sample.quiet);
  return quiet.length >= 3 ? quiet : match(() => true);
}

/** How noisy the machine was: share of samples that were not quiet, and how much slower these were. */
export function noise(tasks) {
  const all = tasks.flatMap((task) => task.samples);
  const disturbed = all.filter((sample) => !sample.quiet);
  const slowdowns = tasks.flatMap((task) => {
    const { quiet } = task;
    if (quiet.length === 0) return [];
    const calm = median(quiet.map((sample) => sample.ms));
    return task.samples.filter((sample) => !sample.quiet).map((sample) => sample.ms / calm);
  });
  return {
    samples: all.length,
    disturbed: disturbed.length,
    slowdown: slowdowns.length > 0 ? quantile(slowdowns, 0.5) : 1,
  };
}
