// The packed package through every bundler that README names, and through none: each page trains on its main thread and in a
// trainer, under the policy of scripts/serve.mjs, with and without cross-origin isolation: in Chromium, and isolated in Firefox.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import type { Info } from 'lanewise';
import type { Browser } from 'playwright';
import { type Browser as Firefox, launch } from 'puppeteer-core';
import { rollup } from 'rollup';
import * as vite from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpack from 'webpack';
import { isolation, policy, serve } from '../scripts/serve.mjs';
import { findChromium, findFirefox } from './browsers.js';
import { startChromium } from './examples/page.js';
import { installPacked } from './pack.js';

const icon = fileURLToPath(new URL('../examples/web/icon.svg', import.meta.url));
const app = mkdtempSync(join(tmpdir(), 'lanewise-bundlers-'));
const out = join(app, 'out');
const dist = join(app, 'node_modules/lanewise/dist');

/** What a page tells. */
interface Report {
  error?: string;
  /** Of the main thread, and of the trainer's. */
  infos: Info[];
  losses: number[][];
}

/** Lines of a page for which lw is there; trainer: with createTrainer too. */
const lines = (trainer: boolean) => `
async function run() {
  await lw.init({ threads: 2, build: 'simd' });
  const { X, y } = lw.syntheticImages({ num: 120, seed: 1 });
  const data = { XTrain: X.rows(0, 100), yTrain: y.rows(0, 100), XVal: X.rows(100), yVal: y.rows(100) };
  const options = { batchSize: 20, numEpochs: 1, verbose: false };
  const random = new lw.RandomState(0);
  const model = new lw.TwoLayerNet({ hiddenDim: 10, inputDim: [3, 32, 32], random });
  const solver = new lw.Solver(model, data, { ...options, random });
  await solver.train();
  const found = { infos: [lw.info()], losses: [solver.lossHistory] };${trainer ? inTrainer : ''}
  return found;
}
globalThis.report = run().catch((error) => ({ error: String(error.stack) }));
`;
const inTrainer = `
  const spec = { model: { name: 'TwoLayerNet', hiddenDim: 10 }, solver: options };
  const trainer = await createTrainer(spec, data, { init: { threads: 2, build: 'simd' } });
  const losses = [];
  for await (const event of trainer.steps()) if (event.type === 'step') losses.push(...event.losses);
  found.infos.push(await trainer.info());
  found.losses.push(losses);
  await trainer.dispose();`;
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
    writeFileSync(join(folder, 'main.js'), paths + lines(true));
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
    copyFiles(site('esbuild'));
    await runEsbuild('main.js', join(out, 'esbuild/main.js'));
  },
  'inline with esbuild': () => runEsbuild('inline.js', join(site('inline with esbuild'), 'main.js')),
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
    writeFileSync(join(folder, 'main.js'), `const lw = lanewise;\nconst { createTrainer } = lanewise;\n${lines(true)}`);
  },
};

async function runEsbuild(entry: string, outfile: string): Promise<void> {
  const { warnings } = await esbuild.build({
    ...{ absWorkingDir: app, entryPoints: [entry], outfile, bundle: true, format: 'esm', logLevel: 'silent' },
  });
  expect(warnings).toEqual([]);
}

/** Everything in one script, so on one thread. */
const oneFile = ['lanewise.min.js', 'inline with esbuild'];
const firefoxPath = findFirefox();
if (firefoxPath === undefined) {
  const line = '!'.repeat(100);
  const text =
    '!!  NO FIREFOX FOUND: THE PACKAGE IS NOT TRIED IN IT. Install one, or name its executable in FIREFOX_PATH.';
  console.warn([line, text, line].join('\n'));
}

describe.runIf(findChromium() !== undefined)('in pages', () => {
  let browser: Browser;
  let firefox: Firefox | undefined;

  beforeAll(async () => {
    await installPacked(app);
    writeFileSync(join(app, 'package.json'), '{ "type": "module" }\n');
    writeFileSync(join(app, 'main.js'), imports + lines(true));
    writeFileSync(join(app, 'inline.js'), `import * as lw from 'lanewise/inline';\n${lines(false)}`);
    writeFileSync(join(app, 'index.html'), page('<script type="module" src="./main.js"></script>'));
    mkdirSync(join(app, 'public'));
    cpSync(icon, join(app, 'public/icon.svg'));
    browser = (await startChromium()) as Browser;
    if (firefoxPath) firefox = await launch({ browser: 'firefox', executablePath: firefoxPath, headless: true });
  });
  afterAll(async () => {
    await browser?.close();
    await firefox?.close();
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

  async function visitInFirefox(url: string): ReturnType<typeof visit> {
    const faults: string[] = [];
    const tab = await (firefox as Firefox).newPage();
    tab.on('pageerror', (error) => faults.push(String(error)));
    tab.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await tab.goto(url);
    const report = await tab.evaluate(() => (globalThis as unknown as { report: Promise<Report> }).report);
    await tab.close();
    return { report, faults };
  }

  /** The numbers of all: those of the first. */
  let seen: number[] | undefined;

  function expectTraining(
    { report, faults }: Awaited<ReturnType<typeof visit>>,
    isolated: boolean,
    name: string,
  ): void {
    expect(report.error).toBeUndefined();
    expect(faults).toEqual([]);
    const threads = !oneFile.includes(name);
    const why = threads ? (isolated ? '2 threads as asked' : 'the page is not cross-origin isolated') : 'one file';
    expect(report.infos.length).toBe(name.startsWith('inline') ? 1 : 2);
    for (const info of report.infos) {
      expect(info.build).toBe('simd');
      expect(info.threads).toBe(isolated && threads ? 2 : 1);
      expect(info.reason).toContain(why);
    }
    for (const losses of report.losses) {
      expect(losses.length).toBe(5);
      seen ??= losses;
      expect(losses).toEqual(seen);
    }
  }

  test.each(Object.entries(builders))('%s', { timeout: 180_000 }, async (name, build) => {
    await build();
    for (const isolated of [true, false]) {
      const headers = { ...policy, ...(isolated ? isolation : {}) };
      const server = await serve({ headers, served: { '/site/': join(out, name) } });
      try {
        const url = `${server.url}/site/`;
        expectTraining(await visit(url), isolated, name);
        if (firefox && isolated) expectTraining(await visitInFirefox(url), isolated, name);
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
        expectTraining(await visit(server.resolvedUrls?.local[0] as string), isolated, 'vite');
      } finally {
        await server.close();
      }
    }
  });
});
