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

  test('parameters: beside the input what is wrong, in the address what is set, in the figures what it does', async () => {
    const student = await Visit.begin(browser, `${server.url}/examples/course/`, {
      viewport: { width: 390, height: 800 },
    });
    const { page } = student;
    await page.goto(`${student.home}#notebook=dropout&learningRate=0.001&keep=1,0.5&epochs=x`);
    const rate = page.getByLabel('Learning rate of Adam');
    const epochs = page.getByLabel('Epochs');
    expect(await rate.inputValue()).toBe('0.001');
    expect(await page.getByLabel('Hidden units').inputValue()).toBe('500');
    expect(await student.text('#param-learningRate-note')).toBe('learningRate=0.001 (default: 5e-4)');
    expect(await student.text('#param-hiddenSize-note')).toBe('');
    // The same words as on the command line, and nothing runs before they are heeded.
    expect(await student.text('#param-epochs-note')).toBe(
      "dropout: epochs must be an integer >= 1 and <= 1000, got 'x'",
    );
    expect(await epochs.getAttribute('aria-invalid')).toBe('true');
    expect(await epochs.getAttribute('aria-describedby')).toBe('param-epochs-note');
    await page.click('#run');
    expect(await student.text('#run')).toBe('Run');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('param-epochs');
    expect(await student.tooWide()).toEqual([]);

    // With the keyboard: the next input has the focus, not the page's beginning.
    await epochs.fill('1');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('param-batchSize');
    expect(await epochs.getAttribute('aria-invalid')).toBe('false');
    expect(page.url()).toMatch(/#notebook=dropout&size=quick&seed=0&learningRate=0\.001&keep=1,0\.5&epochs=1$/);
    await page.click('#run');
    await expect.poll(() => student.text('#doing'), { timeout: 50_000 }).toMatch(/^Done in /);
    expect(await student.text('#changed')).toBe(
      'Parameters changed: keep=1,0.5 (default: 1,0.5,0.25), learningRate=0.001 (default: 5e-4), epochs=1 (default: 2).',
    );
    expect(await page.locator('#cells td', { hasText: /^best validation accuracy, / }).allTextContents()).toEqual([
      'best validation accuracy, no dropout',
      'best validation accuracy, keep 0.5',
    ]);

    await page.reload();
    await expect.poll(() => rate.inputValue()).toBe('0.001');
    await page.click('#params-reset');
    expect(await rate.inputValue()).toBe('5e-4');
    expect(page.url()).toMatch(/#notebook=dropout&size=quick&seed=0$/);
    // A default that is typed is none; those of another size are others.
    await rate.fill('0.0005');
    await page.keyboard.press('Tab');
    expect(page.url()).not.toContain('learningRate');
    await page.getByLabel('Size', { exact: true }).selectOption('full');
    expect(await epochs.inputValue()).toBe('25');

    await page.getByLabel('Convolution and pooling').check();
    expect(await page.locator('#params').isVisible()).toBe(false);
    await page.goto(`${student.home}#notebook=dropout&lerningRate=1`);
    expect(await student.text('#params-error')).toBe(
      "dropout: unknown parameter 'lerningRate'; did you mean 'learningRate'?",
    );
    await student.end();
  });

  test('figures of a training with other parameters are not comparable', async () => {
    const student = await Visit.begin(browser, `${server.url}/examples/course/`);
    const { page } = student;
    await page.goto(`${student.home}#notebook=softmax&iterations=10`);
    await page.click('#run');
    await expect.poll(() => student.text('#doing'), { timeout: 50_000 }).toMatch(/^Done in /);
    const row = page.locator('#cells tr', { hasText: /^first loss/ });
    expect(await row.locator('td').last().textContent()).toBe('not comparable');
    expect(await student.text('#outcome')).toMatch(/: 9 ok, \d+ of other parameters or images\.$/);
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
