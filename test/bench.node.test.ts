// The benchmark runs, verifies what it measures, and prints records that a program can read. Nothing here depends on speed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KNOWN } from '../src/conformance.js';

const program = fileURLToPath(new URL('../bench/index.js', import.meta.url));
const bench = (...args: string[]) =>
  spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 });

interface BenchRecord {
  type: string;
  [field: string]: unknown;
}

describe('bench --quick --json', () => {
  let records: BenchRecord[] = [];
  let results: BenchRecord[] = [];

  beforeAll(() => {
    const { status, stdout, stderr } = bench('--quick', '--json', '--threads', '1,2');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    results = records.filter(({ type }) => type === 'result');
  });

  test('begins with what it runs on and ends with how noisy that was', () => {
    expect(records[0]).toMatchObject({ type: 'run', quick: true });
    expect((records[0].engines as { label: string }[]).map(({ label }) => label)).toEqual([
      'simd 1',
      'relaxed 1',
      'simd 2',
      'relaxed 2',
    ]);
    expect(records.at(-1)).toMatchObject({ type: 'noise' });
    expect(records.filter(({ type }) => type === 'missing')).toEqual([]);
  });

  test('covers every group', () => {
    const groups = [
      'peak',
      'gemm',
      'conv',
      'pool',
      'elementwise',
      'norms',
      'losses',
      'rules',
      'dispatch',
      'steps',
      'load',
    ];
    groups.push('cold');
    expect(records.filter(({ type }) => type === 'group').map(({ group }) => group)).toEqual([...groups, 'bits']);
    expect([...new Set(results.map(({ group }) => group))]).toEqual(groups);
  });

  test('every figure is verified, finite and between its quartiles', () => {
    for (const { name, error, value, low, high, fraction, rounds, samples } of results) {
      expect(error, String(name)).toBeGreaterThanOrEqual(0);
      expect(error, String(name)).toBeLessThan(0.01);
      expect(low, String(name)).toBeGreaterThan(0);
      expect(value).toBeGreaterThanOrEqual(low as number);
      expect(high).toBeGreaterThanOrEqual(value as number);
      expect(rounds).toBeGreaterThanOrEqual(3);
      expect((samples as number[]).every((sample) => sample > 0)).toBe(true);
      if (fraction) expect((fraction as { value: number }).value).toBeGreaterThan(0);
    }
  });

  test('every figure says where it comes from', () => {
    const own = { engine: 'node', version: process.versions.node };
    for (const one of results)
      expect(one).toMatchObject({ ...own, cpu: expect.any(String), fused: expect.any(Boolean) });
  });

  test('the bits are the known ones, whatever the threads', () => {
    const bits = records.filter(({ type }) => type === 'bits');
    expect(bits.map(({ build, threads, hash }) => [build, threads, hash])).toEqual([
      ['simd', 1, KNOWN.rounded],
      ['relaxed', 1, KNOWN.fused],
      ['simd', 2, KNOWN.rounded],
      ['relaxed', 2, KNOWN.fused],
    ]);
  });

  test('compares threads and builds', () => {
    const ratios = records.filter(({ type }) => type === 'ratio');
    expect(new Set(ratios.map(({ of }) => of))).toEqual(new Set(['threads', 'builds']));
    for (const { value } of ratios) expect(value).toBeGreaterThan(0);
  });
});

test('bench prints a table, and only what was asked for', () => {
  const { status, stdout } = bench(
    '--quick',
    '--threads',
    '1',
    '--builds',
    'simd',
    '--filter',
    'softmax.*float32',
    'losses',
  );
  expect(status).toBe(0);
  expect(stdout).toContain('losses: ');
  expect(stdout.split('\n').filter((line) => line.includes('Loss'))).toEqual([
    expect.stringMatching(/^softmaxLoss 33x10 f32, GB\/s +[\d.]+ [\d.]+ ±[\d.]+%\*?$/),
  ]);
});

test.each([
  ['an unknown group', ['warp']],
  ['an unknown option', ['--warp']],
  ['an unknown build', ['--builds', 'warp']],
  ['no number of threads', ['--threads', 'all']],
  ['an unknown runtime', ['--runtimes', 'warp']],
  ['groups together with runtimes', ['gemm', '--runtimes', 'all']],
  ['a comparison with nothing', ['compare', 'a.jsonl']],
  ['a table of nothing', ['table']],
])('bench refuses %s', (_, args) => {
  const { status, stdout, stderr } = bench('--quick', ...args);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^bench: /);
});

test('the check of products finds a single wrong element', async () => {
  const reference: string = new URL('../bench/reference.js', import.meta.url).href;
  const { productError } = await import(/* @vite-ignore */ reference);
  const [M, N, K] = [40, 30, 50];
  const a = Float32Array.from({ length: M * K }, (_, i) => Math.sin(i));
  const b = Float32Array.from({ length: K * N }, (_, i) => Math.cos(3 * i));
  const c = new Float32Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) for (let k = 0; k < K; k++) c[i * N + j] += a[i * K + k] * b[k * N + j];
  }
  const sizes = { M, N, K, transA: false, transB: false, dtype: 'float32' };
  expect(productError('product', c, a, b, sizes)).toBeLessThan(1e-6);
  c[777] += 0.01;
  expect(() => productError('product', c, a, b, sizes)).toThrow('product: wrong by');
});

describe('bench compare', () => {
  const load = async (): Promise<{
    ratio(a: number[], b: number[]): { value: number; low: number; high: number };
    compare(a: BenchRecord[], b: BenchRecord[]): BenchRecord[];
  }> => import(/* @vite-ignore */ new URL('../bench/compare.js', import.meta.url).href);

  test('the median of all ratios, and the interval of the rank sum', async () => {
    const { ratio } = await load();
    // Nine ratios from 2 to 8 of three and three; R's wilcox.test has no 95 % interval for so few, so all of them count.
    expect(ratio([1, 1.5, 2], [4, 6, 8])).toEqual({ value: 4, low: 2, high: 8 });
    // Ten each: of 100 ratios in order the interval leaves out floor(50 - 1.96 sqrt(10 * 10 * 21 / 12)) = 24 at either end.
    const a = Array.from({ length: 10 }, (_, i) => 2 ** (i / 10));
    const b = a.map((x) => 2 * x);
    const all = b.flatMap((y) => a.map((x) => y / x)).sort((x, y) => x - y);
    const { value, low, high } = ratio(a, b);
    expect(value).toBeCloseTo(2, 12);
    expect([low, high]).toEqual([all[24], all[75]]);
  });

  const result = (value: number, more = {}) => ({
    ...{
      type: 'result',
      group: 'gemm',
      name: 'a',
      dtype: 'float32',
      engine: 'node',
      version: '1',
      build: 'simd',
      threads: 1,
    },
    ...{ unit: 'ms', better: 'lower', value, samples: [0.99, 1, 1.01, 1.02, 0.98].map((x) => x * value) },
    ...more,
  });

  test('says how many times as fast the second run is, for times and rates', async () => {
    const { compare } = await load();
    const rate = { unit: 'GFLOP/s', better: 'higher', name: 'b' };
    const before = [result(10), result(10, rate), result(10, { name: 'c' }), result(10, { name: 'gone' })];
    const after = [result(5), result(5, rate), result(10.001, { name: 'c' }), result(10, { name: 'new' })];
    const changes = compare(before, after);
    expect(changes.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['a', 'faster'],
      ['b', 'slower'],
      ['c', 'no difference seen'],
    ]);
    expect(changes[0].value).toBeCloseTo(2, 10);
    expect(changes[1].value).toBeCloseTo(0.5, 10);
  });

  test('matches runtimes where there are several, and not where there is one on each side', async () => {
    const { compare } = await load();
    const other = { engine: 'bun' };
    expect(compare([result(10)], [result(5, other)])).toHaveLength(1);
    const changes = compare([result(10), result(20, other)], [result(10), result(10, other)]);
    expect(changes.map(({ engine, verdict }) => [engine, verdict])).toEqual([
      ['node', 'no difference seen'],
      ['bun', 'faster'],
    ]);
  });

  test('reads files, and names the line that is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lanewise-bench-'));
    try {
      const [a, b] = ['a.jsonl', 'b.jsonl'].map((name) => join(folder, name));
      writeFileSync(a, `${JSON.stringify(result(10))}\n`);
      writeFileSync(b, `${JSON.stringify(result(5))}\n`);
      const { status, stdout } = bench('compare', a, b);
      expect(status).toBe(0);
      expect(stdout).toMatch(/^\+ gemm: a f32, simd 1, node +2\.000 \(1\.9\d\d to 2\.0\d\d\) +10 -> 5 ms$/m);
      expect(stdout).toMatch(/^1 faster, 0 slower, 0 no difference seen$/m);
      writeFileSync(b, '{}\nwarp\n');
      expect(bench('compare', a, b).stderr).toContain('line 2 is no JSON');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('bench table: a column for each runtime, a picture, and hashes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanewise-bench-'));
  try {
    const lines = ['node 20.20.2', 'browser Firefox 153.0'].flatMap((runtime) => {
      const [engine, version] = runtime.replace('browser ', '').split(' ');
      const origin = { engine, version, build: 'relaxed', threads: 1, fused: true };
      const fraction = { of: 'peak', value: 0.5, low: 0.4, high: 0.6 };
      const figure = {
        name: '512x512x512 NN',
        dtype: 'float32',
        unit: 'GFLOP/s',
        value: 25,
        low: 24,
        high: 26,
        fraction,
      };
      return [
        {
          type: 'run',
          date: '2026-01-02T03:04:05Z',
          machine: { cpu: 'a < b' },
          engines: [{ ...origin, runtime, peak: 50 }],
        },
        { type: 'result', group: 'gemm', ...origin, ...figure },
        { type: 'bits', ...origin, hash: '0123456789abcdef', known: '0123456789abcdef' },
      ];
    });
    const file = join(folder, 'a.jsonl');
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { status, stdout } = bench('table', file, '--out', folder);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\| +\| +Node 20 \| +Firefox 153\.0 \|$/m);
    expect(stdout).toMatch(
      /^\| product 512 x 512 x 512, 1 thread, GFLOP\/s +\| +25\.0 \(0\.50\) \| +25\.0 \(0\.50\) \|$/m,
    );
    expect(stdout).toMatch(/^\| hash, relaxed build +\| +01234567 \| +01234567 \|$/m);
    const svg = readFileSync(join(folder, 'runtimes.svg'), 'utf8');
    expect(svg).toContain('a &lt; b, 2026-01-02');
    expect(svg.match(/<rect /g)).toHaveLength(3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a probe that was cut while the machine was busy grows again, and a coarse clock gives it no false best', async () => {
  const { Probe } = await import(/* @vite-ignore */ new URL('../bench/measure.js', import.meta.url).href);
  const tick = 0.005;
  let clock = 0;
  let calls = 0;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => Math.floor(clock / tick) * tick);
  try {
    // A thousand times a millisecond, but for the second call of 64 times, the timed one, which a neighbour stretches.
    const run = (times: number) => {
      if (times === 64) calls++;
      clock += times / 1000 + (times === 64 && calls === 2 ? 2 : 0.0003);
    };
    const probe = new Probe(run, 1, 50 * tick);
    for (let i = 0; i < 100; i++) probe.rate();
    expect(probe.best).toBeGreaterThan(950);
    expect(probe.best).toBeLessThan(1050);
  } finally {
    spy.mockRestore();
  }
});

describe('samples of the first tier', () => {
  const load = async () => {
    const { Task } = await import(/* @vite-ignore */ new URL('../bench/measure.js', import.meta.url).href);
    return (times: number[]): number[] => {
      const samples = times.map((ms, round) => ({ ms, round, quiet: true }));
      const task = Object.assign(new Task({}), { samples, warmUp: {} });
      task.forgetSlowStart();
      return task.samples.map(({ ms }: { ms: number }) => ms);
    };
  };

  test('are dropped once better code has come', async () => {
    const kept = await load();
    expect(kept([9, 8, 9, 2, 2.1, 2, 5])).toEqual([2, 2.1, 2, 5]);
  });
  test('and what is only noisy is kept', async () => {
    const kept = await load();
    for (const times of [
      [2, 9, 2, 2, 2],
      [2.5, 2, 2, 2],
      [9, 2, 2],
      [2, 2, 9, 9, 9],
    ])
      expect(kept(times)).toEqual(times);
  });
});

const helpers = await (async (): Promise<{
  findBrowser(name: string): string | undefined;
  served: Record<string, string>;
  serve(options: object): Promise<{ url: string; close(): Promise<void> }>;
}> => {
  const [browsers, server] = await Promise.all(
    ['../bench/browsers.js', '../scripts/serve.mjs'].map(
      (file) => import(/* @vite-ignore */ new URL(file, import.meta.url).href),
    ),
  );
  return { ...browsers, ...server };
})();
const executablePath = helpers.findBrowser('chromium');

// As in vitest.config.ts, which says it aloud, and refuses where a browser is required.
describe.runIf(executablePath !== undefined)('the page, in Chromium', () => {
  let browser: Browser;
  let site: Awaited<ReturnType<typeof helpers.serve>>;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--disable-gpu'] });
    // With the strict policy that is served by default.
    site = await helpers.serve({ served: helpers.served });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  test('runs what was chosen, shows shares as bars, and gives the records as a file', async () => {
    const page = await browser.newPage({ viewport: { width: 380, height: 700 } });
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${site.url}/bench/index.html`);
    await page.getByRole('button', { name: 'None' }).click();
    await page.getByRole('button', { name: 'Run' }).click();
    expect(await page.getByRole('alert').textContent()).toBe('Choose at least one group.');
    for (const name of ['matrix products', 'equal bits']) await page.getByRole('checkbox', { name }).check();
    await page.getByRole('radio', { name: 'simd, the same' }).check();
    await page.getByRole('radio', { name: 'smallest sizes' }).check();
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('Done.').waitFor({ timeout: 50_000 });
    expect(complaints).toEqual([]);
    const products = page.getByRole('region', { name: 'matrix product' }).getByRole('row');
    // The head, two shapes, three ways, two types.
    expect(await products.count()).toBe(1 + 12);
    expect(await products.nth(1).textContent()).toMatch(/^96x80x64 NNsimd, 1[\d.]+ GFLOP\/s[\d.]+[\d.]+ %\*?$/);
    const widths = await products
      .locator('.fill')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
    expect(widths.every((width) => width > 0)).toBe(true);
    expect(await page.getByRole('region', { name: 'equal bits' }).textContent()).toContain(
      `${KNOWN.rounded}the known one`,
    );
    // A phone shows it without scrolling sideways, but for the tables.
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    const lines = readFileSync(await (await saved).path(), 'utf8')
      .trimEnd()
      .split('\n');
    const records = lines.map((line): BenchRecord => JSON.parse(line));
    expect(records.filter(({ type }) => type === 'result')).toHaveLength(12);
    expect(records.find(({ type }) => type === 'result')).toMatchObject({
      engine: 'Chrome',
      build: 'simd',
      threads: 1,
    });
    await page.close();
  });
});
