/**
 * `lanewise doctor`: what this machine and runtime offer, what lanewise makes of it, how fast that is, and whether training
 * gives the bits that it gives elsewhere.
 */
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { type Conformance, conformance } from '../conformance.js';
import * as lanewise from '../index.js';
import { type Info, info, init, matmul, RandomState, type Support, scope, support } from '../index.js';
import { auto, buildFlags, type Command, number, wantedBuild } from './flags.js';

const flags = {
  json: { text: 'Print one JSON document instead' },
  threads: {
    value: 'N',
    text: 'Threads to measure with (default: one per core)',
    read: auto(number({ low: 1, high: 256, integer: true })),
  },
  ...buildFlags(),
} as const;

/** Matrices of the measurement are SIZE x SIZE: large enough for the peak, and one product is a hundredth of a second. */
const SIZE = 512;
/** How long each of at most four rates is measured. */
const MILLISECONDS = 300;

interface Rate {
  dtype: 'float32' | 'float64';
  threads: number;
  gflops: number;
}

/** The best rate of several products: what disturbs a run only ever makes it slower. */
function measure(dtype: 'float32' | 'float64'): Rate {
  const rs = new RandomState(0);
  return scope(() => {
    const a = rs.rand(SIZE, SIZE, { dtype });
    const b = rs.rand(SIZE, SIZE, { dtype });
    const product = () =>
      scope(() => {
        matmul(a, b);
      });
    product();
    let best = Number.POSITIVE_INFINITY;
    const end = performance.now() + MILLISECONDS;
    for (let runs = 0; runs < 3 || performance.now() < end; runs++) {
      const start = performance.now();
      product();
      best = Math.min(best, performance.now() - start);
    }
    return { dtype, threads: info().threads, gflops: (2 * SIZE ** 3) / best / 1e6 };
  });
}

interface Report {
  platform: string;
  cpu: string;
  cores: number;
  /** Bytes. */
  memory: number;
  features: Support;
  runtime: Info;
  matmul: { size: number; rates: Rate[] };
  conformance: Conformance;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** What a hash tells. */
function verdict({ hash, known, fused }: Conformance): string {
  const others = `where multiply-add is ${fused ? 'fused' : 'not fused'}`;
  return hash === known ? `${hash}, the known ones ${others}` : `${hash}, NOT THE KNOWN ${known} ${others}`;
}

function table({ platform, cpu, cores, memory, features, runtime, matmul, conformance }: Report): string {
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  const counts = [...new Set(matmul.rates.map(({ threads }) => threads))];
  const rates = (['float32', 'float64'] as const).map((dtype): [string, string] => {
    const columns = matmul.rates
      .filter((rate) => rate.dtype === dtype)
      .map(({ gflops }) => gflops.toFixed(1).padStart(12));
    return ['', `  ${dtype}${columns.join('')}  GFLOP/s`];
  });
  const lines: [string, string][] = [
    ['runtime', `${runtime.runtime} on ${platform}`],
    ['machine', `${cpu}, ${plural(cores, 'core')}, ${gib(memory)}`],
    [
      'features',
      `SIMD ${yes(features.simd)}, relaxed SIMD ${yes(features.relaxedSimd)}, threads ${yes(features.threads)}`,
    ],
    ['build', `${runtime.build}, multiply-add ${runtime.fused ? 'fused (rounded once)' : 'not fused (rounded twice)'}`],
    ['threads', String(runtime.threads)],
    ['why', runtime.reason],
    ['memory', `up to ${gib(runtime.memory.limit)} for tensors`],
    ['speed', `product of two matrices, ${matmul.size} x ${matmul.size}`],
    ['', ' '.repeat(9) + counts.map((n) => plural(n, 'thread').padStart(12)).join('')],
    ...rates,
    ['bits', verdict(conformance)],
    ['', `(a net of every kind of layer, 200 steps in ${(conformance.milliseconds / 1000).toFixed(1)} s)`],
  ];
  return lines.map(([left, right]) => `${left.padEnd(10)}${right}\n`).join('');
}

export const doctor: Command<typeof flags> = {
  name: 'doctor',
  summary: 'Show what this machine offers, what runs on it and why, and how fast',
  flags,
  examples: [
    ['doctor', 'features, build, threads, speed'],
    ['doctor --json', 'the same for programs'],
    ['doctor --reproducible --threads 1', 'measure the build whose bits are the same everywhere'],
  ],
  async run({ json, threads = 'auto', ...values }) {
    const build = wantedBuild(values) ?? 'auto';
    const features = await support();
    const chosen = await init({ threads, build });
    const conformant = await conformance(lanewise);
    const several = chosen.threads > 1 ? [measure('float32'), measure('float64')] : [];
    if (several.length > 0) await init({ threads: 1, build });
    const rates = [measure('float32'), measure('float64'), ...several];
    const report: Report = {
      platform: `${platform()} ${arch()}`,
      cpu: cpus()[0]?.model.trim() || 'unknown processor',
      cores: availableParallelism(),
      memory: totalmem(),
      features,
      runtime: chosen,
      matmul: { size: SIZE, rates },
      conformance: conformant,
    };
    process.stdout.write(json ? `${JSON.stringify({ command: 'doctor', ...report }, null, 2)}\n` : table(report));
    return conformant.hash === conformant.known ? 0 : 1;
  },
};
