// The packed package through every bundler that README names, and through none: each page trains in Chromium, on its main
// thread and in a trainer, under the policy of scripts/serve.mjs, with and without cross-origin isolation.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import type { Info } from 'lanewise';
import type { Browser } from 'playwright';
import { rollup } from 'rollup';
import * as vite from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpack from 'webpack';
import { isolation, policy, serve } from '../scripts/serve.mjs';
import { findChromium } from './browsers.js';
import { startChromium } from './examples/page.js';
import { installPacked } from './pack.js';

const icon = fileURLToPath(new URL('../examples/web/icon.svg', import.meta.url));
const app = mkdtempSync(join(tmpdir(), 'lanewise-bundlers-'));
const out = join(app, 'out');
const dist = join(app, 'node_modules/lanewise/dist');

/** What a page tells. */
interface Report {
  error?: string;
  main: Info;
  worker: Info;
  losses: number[];
  workerLosses: number[];
}

/** lw and createTrainer are there. */
const body = `
async function run() {
  await lw.init({ threads: 2, build: 'simd' });
  const { X, y } = lw.syntheticImages({ num: 120, seed: 1 });
  const data = { XTrain: X.rows(0, 100), yTrain: y.rows(0, 100), XVal: X.rows(100), yVal: y.rows(100) };
  const options = { batchSize: 20, numEpochs: 1, verbose: false };
  const random = new lw.RandomState(0);
  const model = new lw.TwoLayerNet({ hiddenDim: 10, inputDim: [3, 32, 32], random });
  const solver = new lw.Solver(model, data, { ...options, random });
  await solver.train();
  const spec = { model: { name: 'TwoLayerNet', hiddenDim: 10 }, solver: options };
  const trainer = await createTrainer(spec, data, { init: { threads: 2, build: 'simd' } });
  const workerLosses = [];
  for await (const event of trainer.steps()) if (event.type === 'step') workerLosses.push(...event.losses);
  const worker = await trainer.info();
  await trainer.dispose();
  return { main: lw.info(), worker, losses: solver.lossHistory, workerLosses };
}
globalThis.report = run().catch((error) => ({ error: String(error.stack) }));
`;
const imports = "import * as lw from 'lanewise';\nimport { createTrainer } from 'lanewise/worker';\n";
const page = (script: string) =>
  `<!doctype html><html lang="en"><title>lanewise</title><link rel="icon" href="./icon.svg">${script}</html>\n`;

/** A folder of out/ with this page in it. */
function site(name: string, script = '<script type="module" src="./main.js"></script>'): string {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'index.html'), page(script));
  cpSync(icon, join(folder, 'icon.svg'));
  return folder;
}

/** What README says of bundlers that leave URLs alone. */
function copyFiles(folder: string): void {
  const beside = readdirSync(dist).filter((file) => file.endsWith('.wasm') || /^(worker-)?thread\.js$/.test(file));
  for (const file of beside) cpSync(join(dist, file), join(folder, file));
}

/** Each fills a folder of out/. */
const builders: Record<string, () => Promise<unknown>> = {
  async static() {
    const folder = site('static');
    cpSync(dist, join(folder, 'lanewise'), { recursive: true });
    const paths = imports
      .replace('lanewise/worker', './lanewise/worker.js')
      .replace("'lanewise'", "'./lanewise/index.js'");
    writeFileSync(join(folder, 'main.js'), paths + body);
  },
  vite: () =>
    vite.build({ root: app, base: './', configFile: false, logLevel: 'warn', build: { outDir: join(out, 'vite') } }),
  webpack() {
    const output = { path: site('webpack', '<script defer src="./main.js"></script>'), filename: 'main.js' };
    return new Promise<void>((resolve, reject) => {
      webpack({ mode: 'production', context: app, entry: './main.js', output, performance: false }, (error, stats) => {
        const faults = stats?.toJson({ all: false, errors: true, warnings: true });
        const texts = [...(faults?.errors ?? []), ...(faults?.warnings ?? [])].map(({ message }) => message);
        if (error || texts.length > 0) reject(error ?? new Error(texts.join('\n')));
        else resolve();
      });
    });
  },
  async esbuild() {
    const outfile = join(site('esbuild'), 'main.js');
    copyFiles(join(out, 'esbuild'));
    const { warnings } = await esbuild.build({
      ...{ absWorkingDir: app, entryPoints: ['main.js'], outfile, bundle: true, format: 'esm', logLevel: 'silent' },
    });
    expect(warnings).toEqual([]);
  },
  async rollup() {
    const dir = site('rollup');
    copyFiles(dir);
    const warnings: unknown[] = [];
    const bundle = await rollup({
      input: join(app, 'main.js'),
      plugins: [nodeResolve()],
      onwarn: (warning) => void warnings.push(warning.message),
    });
    await bundle.write({ dir, format: 'es' });
    await bundle.close();
    expect(warnings).toEqual([]);
  },
  async 'lanewise.min.js'() {
    const folder = site(
      'lanewise.min.js',
      '<script src="./lanewise.min.js"></script><script src="./main.js"></script>',
    );
    cpSync(join(dist, 'lanewise.min.js'), join(folder, 'lanewise.min.js'));
    writeFileSync(join(folder, 'main.js'), `const lw = lanewise;\nconst { createTrainer } = lanewise;\n${body}`);
  },
};

/** Everything in one script, so on one thread. */
const oneFile = ['lanewise.min.js'];

describe.runIf(findChromium() !== undefined)('in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    await installPacked(app);
    writeFileSync(join(app, 'package.json'), '{ "type": "module" }\n');
    writeFileSync(join(app, 'main.js'), imports + body);
    writeFileSync(join(app, 'index.html'), page('<script type="module" src="./main.js"></script>'));
    mkdirSync(join(app, 'public'));
    cpSync(icon, join(app, 'public/icon.svg'));
    browser = (await startChromium()) as Browser;
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(app, { recursive: true, force: true });
  });

  async function visit(url: string): Promise<{ report: Report; faults: string[] }> {
    const context = await browser.newContext();
    const faults: string[] = [];
    const tab = await context.newPage();
    tab.on('pageerror', (error) => faults.push(String(error)));
    tab.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await tab.goto(url);
    const report = await tab.evaluate(() => (globalThis as unknown as { report: Promise<Report> }).report);
    await context.close();
    return { report, faults };
  }

  async function expectTraining(url: string, isolated: boolean, threads: boolean): Promise<number[]> {
    const { report, faults } = await visit(url);
    expect(report.error).toBeUndefined();
    expect(faults).toEqual([]);
    expect(report.losses.length).toBe(5);
    expect(report.workerLosses, 'the numbers of the main thread').toEqual(report.losses);
    for (const info of [report.main, report.worker]) {
      expect(info.build).toBe('simd');
      expect(info.threads).toBe(isolated && threads ? 2 : 1);
      const why = threads ? (isolated ? '2 threads as asked' : 'the page is not cross-origin isolated') : 'one file';
      expect(info.reason).toContain(why);
    }
    return report.losses;
  }

  test.each(Object.entries(builders))('%s', async (name, build) => {
    await build();
    for (const isolated of [true, false]) {
      const headers = { ...policy, ...(isolated ? isolation : {}) };
      const server = await serve({ headers, served: { '/site/': join(out, name) } });
      try {
        await expectTraining(`${server.url}/site/`, isolated, !oneFile.includes(name));
      } finally {
        await server.close();
      }
    }
  });

  test('Vite in development', async () => {
    for (const isolated of [true, false]) {
      const headers = { ...policy, ...(isolated ? isolation : {}) };
      const server = await vite.createServer({
        ...{ root: app, configFile: false, logLevel: 'warn', optimizeDeps: { exclude: ['lanewise'] } },
        server: { port: 0, host: '127.0.0.1', headers },
      });
      try {
        await server.listen();
        await expectTraining(server.resolvedUrls?.local[0] as string, isolated, true);
      } finally {
        await server.close();
      }
    }
  });
});
