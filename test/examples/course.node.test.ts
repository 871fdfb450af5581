// The notebooks of the course as a page, in Chromium: chosen, run in a worker, stopped.
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { findChromium } from '../browsers.js';
import { startChromium, Visit } from './page.js';

describe.runIf(findChromium() !== undefined)('the course in Chromium', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    server = await serve();
    browser = (await startChromium()) as Browser;
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test('a notebook runs from top to bottom: figures, pictures and code of its cells', async () => {
    const student = await Visit.begin(browser, `${server.url}/examples/course/`);
    const { page } = student;
    await page.goto(student.home);
    await page.getByLabel('Convolution and pooling').check();
    expect(page.url()).toContain('notebook=cnn-layers');
    await page.click('#run');
    expect(await student.text('#run')).toBe('Stop');
    await expect.poll(() => student.text('#run'), { timeout: 50_000 }).toBe('Run');
    expect(await student.text('#doing')).toMatch(/^Done in [\d.]+ s/);
    const outcome = /(\d+) ok(, \d+ off)?/.exec(await student.text('#outcome'));
    expect(Number(outcome?.[1])).toBeGreaterThan(10);
    expect(outcome?.[2]).toBeUndefined();
    const cells = page.locator('#cells > section:has(.number)');
    expect(await cells.count()).toBeGreaterThan(5);
    expect(await cells.locator('details', { hasText: 'Code, from src/cli/notebooks/' }).count()).toBe(
      await cells.count(),
    );
    const code = await page.locator('details pre').first().textContent();
    expect(code).toMatch(/^await book\.cell\('[\s\S]*\n\}\);$/);
    const widths = await page.locator('#cells img').evaluateAll(async (all) => {
      const pictures = all as HTMLImageElement[];
      await Promise.all(pictures.map((picture) => picture.decode()));
      return pictures.map(({ naturalWidth }) => naturalWidth);
    });
    expect(widths.length).toBeGreaterThan(0);
    for (const width of widths) expect(width).toBeGreaterThan(30);
    expect(await student.tooWide()).toEqual([]);
    await student.end();
  });

  test('Stop ends it, and the address opens the same again', async () => {
    const student = await Visit.begin(browser, `${server.url}/examples/course/`, {
      viewport: { width: 360, height: 740 },
    });
    const { page } = student;
    await page.goto(`${student.home}#notebook=dropout&size=full&seed=3`);
    expect(await student.text('#title')).toBe('Dropout');
    expect(await page.inputValue('#seed')).toBe('3');
    await page.click('#run');
    await expect.poll(() => page.locator('#cells > section').count(), { timeout: 30_000 }).toBeGreaterThan(1);
    await page.click('#run');
    expect(await student.text('#doing')).toBe('Stopped.');
    const shown = await page.locator('#cells > section').count();
    await page.waitForTimeout(300);
    expect(await page.locator('#cells > section').count()).toBe(shown);
    expect(await student.tooWide()).toEqual([]);
    await student.end();
  });
});
