// The benchmark runs, verifies what it measures, and prints records that a program can read. Nothing here depends on speed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

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

  test('covers every group that needs no data', () => {
    const groups = ['peak', 'gemm', 'conv', 'pool', 'elementwise', 'norms', 'losses', 'rules', 'dispatch', 'steps'];
    expect(records.filter(({ type }) => type === 'group').map(({ group }) => group)).toEqual(groups);
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
  ['loading without data', ['load']],
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
