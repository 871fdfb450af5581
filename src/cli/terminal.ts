/** What is shown while something runs, on stderr: a live bar on a terminal, plain lines anywhere else. */
import { basename, relative } from 'node:path';

/** A terminal that can take a line back. Continuous integration shows a log, whatever it says it is. */
export function isLive(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb' && !env.CI;
}

/** https://no-color.org: any value but the empty one. */
function hasColour(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): boolean {
  return isLive(stream, env) && !env.NO_COLOR;
}

/** How this command was called, so that the commands it names can be typed as they stand. */
export function invocation(rest: string): string {
  const script = process.argv[1] ?? 'lanewise';
  // npm start runs `train`; what follows its name goes through behind two dashes.
  if (process.env.npm_lifecycle_event === 'start' && /^train( |$)/.test(rest)) return `npm start --${rest.slice(5)}`;
  if (/[\\/]node_modules[\\/]\.bin[\\/]/.test(script)) return `npx lanewise ${rest}`;
  if (!/\.[cm]?js$/.test(script)) return `${basename(script)} ${rest}`;
  const path = relative(process.cwd(), script);
  return `node ${quoted(path.startsWith('..') ? script : path)} ${rest}`;
}

/** An argument as a shell takes it. */
export function quoted(argument: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(argument)) return argument;
  return process.platform === 'win32' ? `"${argument}"` : `'${argument.replaceAll("'", `'\\''`)}'`;
}

export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  const minutes = Math.round(value / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

const BARS = '▁▂▃▄▅▆▇█';

/** A curve of at most `width` characters; each is the mean of its stretch. */
export function sparkline(values: readonly number[], width = 40): string {
  const count = Math.min(width, values.length);
  const means = Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const part = values.slice(from, Math.max(from + 1, Math.floor(((i + 1) * values.length) / count)));
    return part.reduce((sum, v) => sum + v, 0) / part.length;
  });
  const low = Math.min(...means);
  const range = Math.max(...means) - low || 1;
  return means.map((v) => BARS[Math.round(((v - low) / range) * (BARS.length - 1))] ?? BARS[0]).join('');
}

const FRAME_MS = 80;
/** A rate is shown when it was measured this long. */
const WARM_UP_S = 0.2;
/** What is left of the weight of a measured rate after one second. */
const MEMORY = 0.6;

/**
 * A line at the bottom of the terminal that is drawn over and over, with lines above it that stay. Where there is no
 * terminal only the lines that stay are written; with `quiet` nothing is.
 */
export class Progress {
  readonly #stream = process.stderr;
  readonly #live: boolean;
  readonly #colour = hasColour(process.stderr);
  readonly #quiet: boolean;
  #total = 0;
  #unit = '';
  /** Weighted sum of the rates measured so far, and of their weights. */
  #rates = { sum: 0, weight: 0 };
  #last = { done: 0, time: 0 };
  #drawn = 0;
  #shown = false;

  /** Whether lines may have any colour. */
  get truecolour(): boolean {
    return this.#colour && this.#stream.getColorDepth() >= 24;
  }

  constructor({ quiet = false } = {}) {
    this.#quiet = quiet;
    this.#live = !quiet && isLive(this.#stream);
  }

  /** A new bar of `total` units, `done` of which are behind us. */
  start(total: number, unit: string, done = 0): void {
    this.#total = total;
    this.#unit = unit;
    this.#rates = { sum: 0, weight: 0 };
    this.#last = { done, time: performance.now() };
    this.#drawn = 0;
  }

  /** Another total, where it is not known from the beginning. */
  retarget(total: number): void {
    this.#total = total;
  }

  /** Moves the bar; cheap, as it is drawn a dozen times a second at most. */
  update(done: number, label: string, note = ''): void {
    const now = performance.now();
    if (!this.#live || now - this.#drawn < FRAME_MS) return;
    const elapsed = (now - this.#last.time) / 1000;
    if (elapsed > 0 && done > this.#last.done) {
      const past = MEMORY ** elapsed;
      const current = (done - this.#last.done) / elapsed;
      const { sum, weight } = this.#rates;
      this.#rates = { sum: past * sum + (1 - past) * current, weight: past * weight + (1 - past) };
      this.#last = { done, time: now };
    }
    this.#drawn = now;
    const { sum, weight } = this.#rates;
    const rate = weight >= 1 - MEMORY ** WARM_UP_S ? sum / weight : 0;
    const pace = rate > 0 ? `${Math.round(rate).toLocaleString('en')} ${this.#unit}/s` : '';
    const left = rate > 0 && this.#total > 0 ? `ETA ${seconds((this.#total - done) / rate)}` : '';
    const share = this.#total > 0 ? Math.min(1, done / this.#total) : 0;
    this.#draw(share, label, [note, pace, left].filter(Boolean).join('  '));
  }

  /** label, bar, share, right: the bar takes what room there is, and nothing is longer than the line. */
  #draw(share: number, label: string, right: string): void {
    const columns = (this.#stream.columns || 80) - 1;
    const parts = [label, `${Math.floor(100 * share)} %`.padStart(4), right];
    const width = Math.max(0, Math.min(30, columns - parts.join('  ').length - 2));
    const full = Math.round(share * width);
    const rest = (this.#colour ? '━' : '─').repeat(width - full);
    const bar = width > 0 ? `${this.#paint('36', '━'.repeat(full))}${this.#paint('2', rest)}  ` : '';
    const tail = `${parts[1]}  ${right}`;
    const room = columns - (width > 0 ? width + 2 : 0);
    const cut = `${label}  `.slice(0, room);
    this.#stream.write(`\r${cut}${bar}${tail.slice(0, room - cut.length)}\u001b[K`);
    this.#shown = true;
  }

  #paint(code: string, text: string): string {
    return this.#colour && text ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    if (!this.#quiet) this.#stream.write(`${text}\n`);
  }

  /** A line that stays even with `quiet`: what has to be known. */
  notice(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#shown) this.#stream.write('\r\u001b[K');
    this.#shown = false;
    this.#drawn = 0;
  }
}
