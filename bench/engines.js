/**
 * The library, once for every build and number of threads, all in one process: a module with another query in its address
 * is another module, with a runtime, memory and threads of its own. Threads of an engine that is not running sleep.
 */

import { clockStep, Probe } from './measure.js';
import { COPY_BYTES, Peak } from './peak.js';

/** One build on so many threads. */
class Engine {
  constructor(lw, info, probes) {
    this.lw = lw;
    this.build = info.build;
    this.threads = info.threads;
    this.fused = info.fused;
    this.runtime = info.runtime;
    this.label = `${info.build} ${info.threads}`;
    /** What the machine can do with this build on one thread. */
    this.peak = probes.peak;
    this.probes = probes;
    /** Quiet only if all cores that this engine uses are free. */
    this.guards = [probes.float32];
    if (info.threads > 1) this.guards.push(this.#allThreads(probes.ms));
  }

  /** Probe of the rate in multiply-adds at most, and of copying so many bytes (a fixed size nearby). */
  limit(kind, dtype, bytes) {
    return kind === 'peak' ? this.probes[dtype] : kind === 'copy' ? this.probes.copying(bytes) : undefined;
  }

  /** Multiply-adds and additions in float32, 10^9 a second, that one thread does at most. */
  peak32 = () => this.probes.float32.best / 1e6;

  /** A product that keeps all threads busy for about `ms`. */
  #allThreads(ms) {
    const { lw } = this;
    const a = lw.ones([256, 128]);
    const b = lw.ones([128, 128]);
    const product = (times) => {
      for (let i = 0; i < times; i++) lw.matmul(a, b).dispose();
    };
    return new Probe(product, 1, ms, { lead: true });
  }
}

/** The loops of peak.js for one build, checked, the fastest of each type made a probe. */
class Probes {
  #copies = new Map();

  constructor(peak, ms) {
    this.peak = peak;
    this.ms = ms;
    for (const loop of peak.loops) loop.verify();
    for (const dtype of ['float32', 'float64']) {
      const loops = peak.loops.filter((loop) => loop.dtype === dtype);
      const probes = loops.map(({ run, flops }) => new Probe(run, flops, ms));
      for (let i = 0; i < 30; i++) for (const probe of probes) probe.rate();
      this[dtype] = probes.reduce((a, b) => (b.best > a.best ? b : a));
    }
  }

  /** Bytes read and written per millisecond when as many bytes as an item touches are copied. */
  copying(bytes) {
    const size = Math.min(COPY_BYTES, Math.max(64, Math.round(bytes / 2 / 64) * 64));
    const known = this.#copies.get(size);
    if (known) return known;
    const run = (times) => {
      for (let i = 0; i < times; i++) this.peak.copy(size);
    };
    const probe = new Probe(run, 2 * size, this.ms);
    this.#copies.set(size, probe);
    return probe;
  }
}

/** Engines for all combinations the host has, and why it lacks the others. */
export async function loadEngines(builds, threadCounts) {
  const missing = [];
  const loaded = [];
  // The relaxed builds first: one host has to be told to accept them before anything is compiled.
  for (const build of ['relaxed', 'simd'].filter((name) => builds.includes(name))) {
    for (const threads of threadCounts) {
      try {
        const lw = await import(`../dist/index.js?build=${build}&threads=${threads}`);
        const info = await lw.init({ build, threads });
        if (info.build !== build || info.threads !== threads) throw new Error(info.reason);
        loaded.push({ lw, info });
      } catch (error) {
        missing.push({ build, threads, reason: error.message });
      }
    }
  }
  // Short enough to fit between neighbours, long enough for the clock.
  const ms = Math.max(0.15, 50 * clockStep());
  const probes = new Map();
  for (const { info } of loaded) {
    if (!probes.has(info.build)) probes.set(info.build, new Probes(new Peak(info.build, info.fused), ms));
  }
  const order = (a, b) => a.threads - b.threads || (a.build === b.build ? 0 : a.build === 'simd' ? -1 : 1);
  const engines = loaded.map(({ lw, info }) => new Engine(lw, info, probes.get(info.build)));
  return { engines: engines.sort(order), missing };
}
