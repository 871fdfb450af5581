// Driving the page of examples/web as a person does, in an installed Chromium.
import { encode } from 'fast-png';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright';
import { expect } from 'vitest';
import { findChromium } from '../browsers.js';

/** Undefined without a browser: vitest.config.ts says so, loudly. */
export async function startChromium(): Promise<Browser | undefined> {
  const executablePath = findChromium();
  if (executablePath === undefined) return undefined;
  return chromium.launch({
    executablePath,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      // A camera that shows a test picture, and a visitor who lets the page use it.
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ],
  });
}

/** The page as a visitor has it before them. */
export class Visit {
  /** What must not happen: exceptions, console errors, refusals of the content policy. */
  readonly faults: string[] = [];

  constructor(
    readonly page: Page,
    readonly home: string,
  ) {
    page.on('pageerror', (error) => this.faults.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text());
    });
  }

  static async begin(browser: Browser, home: string, options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    return new Visit(await context.newPage(), home);
  }

  /** Opens the page with these settings in its address, and waits until it could train. */
  async open(hash = ''): Promise<void> {
    await this.page.goto(`${this.home}#${hash}`);
    await this.ready();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.ready();
  }

  async ready(): Promise<void> {
    await this.page.waitForSelector('#train:not(:disabled)');
  }

  async text(selector: string): Promise<string> {
    return ((await this.page.locator(selector).textContent()) ?? '').trim().replace(/\s+/g, ' ');
  }

  /** Names of the classes beside the pictures on the wall. */
  classes(): Promise<string[]> {
    return this.page.locator('#wall span').allTextContents();
  }

  /** The number that a figure shows; NaN before there is one. */
  async figure(name: string): Promise<number> {
    return Number.parseFloat((await this.text(`#figure-${name}`)).replace(/,/g, ''));
  }

  /** Waits until a figure is at least, or at most, so much. */
  async until(name: string, relation: 'at least' | 'at most', value: number): Promise<void> {
    const reached = async () => {
      const now = await this.figure(name);
      return relation === 'at least' ? now >= value : now <= value;
    };
    await expect.poll(reached, { timeout: 30_000, interval: 50, message: `${name} ${relation} ${value}` }).toBe(true);
  }

  async train(): Promise<void> {
    await this.page.click('#train');
    await this.page.waitForSelector('#train.running');
  }

  async pause(): Promise<void> {
    await this.page.click('#train');
    await this.page.waitForSelector('#train:not(.running)');
  }

  /** Text that is equal for equal pictures. */
  picture(selector: string): Promise<string> {
    return this.page.locator(selector).evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
  }

  /** Parts that reach beyond the window's width, by tag and id; none if the page does not scroll sideways. */
  tooWide(): Promise<string[]> {
    return this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return [];
      const wide = [...document.querySelectorAll('body *')].filter(
        (e) => e.getBoundingClientRect().right > clientWidth,
      );
      return wide.map(({ tagName, id, className }) => `${tagName}#${id}.${className}`);
    });
  }

  /** Nothing went wrong; the visit is over. */
  async end(): Promise<void> {
    await this.page.context().close();
    expect(this.faults).toEqual([]);
  }
}

/** A picture (3, size, size), channel by channel, as a PNG file. */
export function png(pixels: ArrayLike<number>, size: number): Buffer {
  const plane = size * size;
  const data = new Uint8Array(3 * plane);
  for (let i = 0; i < plane; i++) for (let c = 0; c < 3; c++) data[3 * i + c] = pixels[c * plane + i] as number;
  return Buffer.from(encode({ width: size, height: size, data, channels: 3 }));
}
