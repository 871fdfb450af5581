/**
 * The ledger of a sweep, a file that is only ever appended to: JSON, a line a record. The first says which sweep it is, each
 * further one what came of a trial. A line is written at once and is on the disk before anything else happens, so a process
 * that is killed leaves whole lines and at most one torn one, the last, which is cut off when the file is opened again.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Build, DataError } from '../index.js';
import { UsageError } from './flags.js';
import type { Settings } from './settings.js';
import type { SweepSpec } from './sweepSpec.js';
import type { Outcome } from './worker.js';

export interface Header {
  sweep: 1;
  /** Of all but where the data lie. */
  hash: string;
  spec: Omit<SweepSpec, 'data'>;
  /** Where the data were at the beginning, and SHA-256 of what was used of them. */
  data: { source: string; fingerprint: string };
  build: Build;
}

export interface Entry extends Omit<Outcome, 'state'> {
  trial: number;
  /** Epochs done: all of the trial's, unless it is halving that compares it now, or it has failed. */
  epochs: number;
  settings: Settings;
  /** Of computing, this stretch alone. */
  seconds: number;
}

export class Ledger {
  readonly #folder: string;
  readonly #file: string;
  readonly #lock: string;
  readonly #fd: number;
  #header: Header | undefined;
  readonly #entries = new Map<string, Entry>();

  /** Opens or makes the ledger of a folder, for this process alone. UsageError while another one has it. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#file = join(folder, 'ledger.jsonl');
    this.#lock = join(folder, 'ledger.lock');
    this.#take();
    try {
      this.#fd = openSync(this.#file, 'a+');
      this.#read();
    } catch (error) {
      rmSync(this.#lock, { force: true });
      throw error;
    }
  }

  get header(): Header | undefined {
    return this.#header;
  }

  get file(): string {
    return this.#file;
  }

  entry(trial: number, epochs: number): Entry | undefined {
    return this.#entries.get(`${trial} ${epochs}`);
  }

  get size(): number {
    return this.#entries.size;
  }

  begin(header: Header): void {
    this.#append(header);
    this.#header = header;
    // The file's name must outlive a crash as well as what is in it.
    if (process.platform === 'win32') return;
    const fd = openSync(this.#folder, 'r');
    fsyncSync(fd);
    closeSync(fd);
  }

  /** `until`: the end of the stretch, where it is looked for again; a trial that fails ends before it. */
  add(entry: Entry, until: number): void {
    this.#append({ ...entry, until });
    this.#entries.set(`${entry.trial} ${until}`, entry);
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#lock, { force: true });
  }

  #append(record: object): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    if (writeSync(this.#fd, line) !== line.length) throw new Error(`${this.#file}: no room for a line`);
    fsyncSync(this.#fd);
  }

  #read(): void {
    const bytes = readFileSync(this.#file);
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf('\n', start);
      const record = end < 0 ? undefined : parse(bytes.toString('utf8', start, end));
      const isLast = end < 0 || end === bytes.length - 1;
      const ours = start > 0 || (end < 0 && isTornHeader(bytes));
      if (record === undefined && isLast && ours) {
        ftruncateSync(this.#fd, start);
        fsyncSync(this.#fd);
        return;
      }
      if (record === undefined || !this.#takeIn(record, start === 0)) {
        const expected = start === 0 ? 'the ledger of a sweep' : 'a trial of a sweep';
        throw new DataError({ where: 'sweep', file: this.#file, offset: start, expected });
      }
      start = end + 1;
    }
  }

  /** False for what is no record of a sweep. */
  #takeIn(record: Record<string, unknown>, first: boolean): boolean {
    if (first) {
      const { sweep, hash, spec, data, build } = record as unknown as Header;
      this.#header = { sweep, hash, spec, data, build };
      return (
        sweep === 1 && typeof hash === 'string' && typeof spec === 'object' && typeof data?.fingerprint === 'string'
      );
    }
    const { until, ...entry } = record as unknown as Entry & { until: number };
    const key = `${entry.trial} ${until}`;
    if (!Number.isInteger(entry.trial) || !Number.isInteger(until) || this.#entries.has(key)) return false;
    this.#entries.set(key, entry);
    return typeof entry.settings === 'object' && Array.isArray(entry.history?.validation);
  }

  /** One process at a time. A lock whose process is gone is left over from one that was killed. */
  #take(): void {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        writeFileSync(this.#lock, `${process.pid}\n`, { flag: 'wx' });
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = Number.parseInt(readFileSync(this.#lock, 'utf8'), 10);
      if (owner !== process.pid && isSweep(owner)) {
        const hint = `wait for it, choose another --out, or remove ${this.#lock} if it is something else`;
        throw new UsageError(`process ${owner} is working on this sweep; ${hint}`);
      }
      rmSync(this.#lock, { force: true });
    }
    throw new UsageError(`${this.#lock} is taken by another process again and again`);
  }
}

/** Whether all there is may be the beginning of a ledger, and not a file of somebody else's. */
function isTornHeader(bytes: Buffer): boolean {
  const beginning = '{"sweep":1,';
  return bytes.toString('latin1', 0, beginning.length) === beginning.slice(0, bytes.length);
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process lives, and as far as can be told still is a sweep: numbers of processes come again. */
function isSweep(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const about = `/proc/${pid}/cmdline`;
  return !existsSync(about) || readFileSync(about, 'latin1').includes('sweep');
}
