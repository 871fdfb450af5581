// The small pages and scripts of examples/embed, each run as it stands.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as lw from 'lanewise';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { findChromium } from '../browsers.js';
import { startChromium, Visit } from './page.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe.runIf(findChromium() !== undefined)('pages in Chromium', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    server = await serve();
    browser = (await startChromium()) as Browser;
  });
  afterAll(async () => {
    await browser?.close();
    await server.close();
  });

  async function visit(name: string): Promise<Visit> {
    const home = `${server.url}/examples/embed/${name}.html`;
    const visit = await Visit.begin(browser, home, { permissions: ['camera'] });
    await visit.page.goto(home);
    return visit;
  }
  const says = (page: Visit, text: RegExp) => {
    return expect.poll(() => page.text('output'), { timeout: 40_000, interval: 20 }).toMatch(text);
  };
  const percent = (text: string) => Number.parseInt(/\d+(?= %)/.exec(text)?.[0] ?? '', 10);

  test('script tag', async () => {
    const page = await visit('script-tag');
    await says(page, /^epoch \d: \d+ % right$/);
    await says(page, /^best: \d+ % right$/);
    expect(percent(await page.text('output'))).toBeGreaterThan(20);
    await page.end();
  });

  test('import', async () => {
    const page = await visit('import');
    await says(page, /^step \d+: loss \d/);
    await says(page, /^\d+ % right; the first is a \w+$/);
    expect(percent(await page.text('output'))).toBeGreaterThan(40);
    await page.end();
  });

  test('worker: to its end, and stopped', async () => {
    const page = await visit('worker');
    await says(page, /^step \d+: loss \d/);
    await says(page, /^\d+ % right$/);
    expect(percent(await page.text('output'))).toBeGreaterThan(40);
    await page.page.reload();
    await says(page, /^step \d+: loss \d/);
    await page.page.click('button');
    await says(page, /^\d+ % right$/);
    await page.end();
  });

  test('webcam: two classes, learned and told apart', async () => {
    const page = await visit('webcam');
    await page.page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0);
    expect(await page.page.isDisabled('#train')).toBe(true);
    await page.page.click('[data-class="0"]');
    await says(page, /^10 and 0$/);
    // Another thing in front of the camera: the same picture, far darker.
    await page.page.evaluate(() => {
      const { prototype } = OffscreenCanvasRenderingContext2D;
      const drawImage = prototype.drawImage as (...args: unknown[]) => void;
      prototype.drawImage = function (this: OffscreenCanvasRenderingContext2D, ...args: unknown[]) {
        drawImage.apply(this, args);
        this.fillStyle = 'rgb(0 0 60 / 0.8)';
        this.fillRect(0, 0, 32, 32);
      };
    });
    await page.page.click('[data-class="1"]');
    await says(page, /^10 and 10$/);
    await page.page.click('#train');
    await says(page, /^that, \d+ %$/);
    expect(percent(await page.text('output'))).toBeGreaterThan(50);
    await page.end();
  });
});

/** The command of another runtime: named by a variable, installed as a package here, or on PATH. */
function findRuntime(name: 'deno' | 'bun'): string | undefined {
  const named = process.env[`${name.toUpperCase()}_PATH`];
  if (named) return existsSync(named) ? named : undefined;
  const folders = [join(root, 'node_modules/.bin'), ...(process.env.PATH ?? '').split(delimiter)];
  const files = folders.flatMap((folder) => [join(folder, name), join(folder, `${name}.exe`)]);
  return files.find((file) => existsSync(file));
}

const runtimes = {
  node: { command: process.execPath, args: [] },
  deno: { command: findRuntime('deno'), args: ['run', '--allow-read', '--allow-write'] },
  bun: { command: findRuntime('bun'), args: [] },
};
for (const [name, { command }] of Object.entries(runtimes)) {
  if (command !== undefined) continue;
  const line = '!'.repeat(100);
  const text = `!!  NO ${name.toUpperCase()} FOUND: ITS EXAMPLE IS NOT RUN. Install it, or name it in ${name.toUpperCase()}_PATH.`;
  console.warn([line, text, line].join('\n'));
}

describe('scripts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanewise-embed-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const present = Object.entries(runtimes).filter(([, { command }]) => command !== undefined);
  test.each(present)('%s trains, writes the model and predicts with it', async (name, { command, args }) => {
    const file = join(folder, `${name}.model`);
    const script = join(root, `examples/embed/${name}.js`);
    const { stdout, code } = await new Promise<{ stdout: string; code: unknown }>((resolve) => {
      execFile(command as string, [...args, script, file], (error, stdout, stderr) => {
        resolve({ stdout: stdout + stderr, code: error?.code ?? 0 });
      });
    });
    expect(code, stdout).toBe(0);
    const epochs = [...stdout.matchAll(/^epoch (\d): (\d+) % right$/gm)];
    expect(epochs.map(([, epoch]) => Number(epoch))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(Number(epochs.at(-1)?.[2])).toBeGreaterThan(70);
    const { classes } = lw.syntheticImages({ num: 10 });
    const seen = /sees: (.+)$/m.exec(stdout)?.[1]?.split(', ') ?? [];
    expect(seen.length).toBe(5);
    for (const label of seen) expect(classes).toContain(label);
    expect(readFileSync(file).length).toBeGreaterThan(10_000);
  });
});
