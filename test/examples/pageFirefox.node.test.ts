// The main path through the page of examples/web in an installed Firefox, over WebDriver BiDi.
import { type Browser, launch, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { findFirefox } from '../browsers.js';

const executablePath = findFirefox();
if (executablePath === undefined) {
  const line = '!'.repeat(100);
  console.warn(
    [
      line,
      '!!  NO FIREFOX FOUND: THE PAGE IS NOT TRIED IN IT.',
      '!!  Install one (Debian: apt-get install firefox-esr), or name its executable in FIREFOX_PATH.',
      line,
    ].join('\n'),
  );
}

const text = (page: Page, selector: string) => page.$eval(selector, (element) => element.textContent ?? '');
const figure = async (page: Page, name: string) => Number.parseFloat(await text(page, `#figure-${name}`));
const ready = (page: Page) => page.waitForSelector('#train:not(:disabled)', { timeout: 50_000 });

describe.runIf(executablePath !== undefined)('the page in Firefox', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    server = await serve();
    browser = await launch({ browser: 'firefox', executablePath: executablePath as string, headless: true });
  });
  afterAll(async () => {
    await browser?.close();
    await server.close();
  });

  test('load, train, change the rate, pause, reload and go on', async () => {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(`${server.url}/examples/web/#classes=4&images=500&epochs=100`);
    await ready(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.click('#train');
    await expect.poll(() => figure(page, 'accuracy'), { timeout: 30_000 }).toBeGreaterThan(45);
    await page.$eval('#rate', (slider) => {
      (slider as HTMLInputElement).value = '-4';
      slider.dispatchEvent(new Event('input'));
    });
    expect(page.url()).toContain('rate=0.0001');
    await page.click('#train');
    await page.waitForSelector('#train:not(.running)');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const step = await text(page, '#figure-step');
    const accuracy = await text(page, '#figure-accuracy');
    await page.reload();
    await ready(page);
    await expect.poll(() => text(page, '#figure-step')).toBe(step);
    expect(await text(page, '#figure-accuracy')).toBe(accuracy);
    await page.click('#train');
    await expect.poll(() => figure(page, 'step'), { timeout: 30_000 }).toBeGreaterThan(Number(step));
    expect(faults).toEqual([]);
  });
});
