/**
 * Where checkpoints are kept: a folder of files, or one of the origin's private file system in pages; numbered, so that a new
 * one never takes the place of the one before.
 */
import { readCheckpoint } from './checkpoint.js';
import { checkNumber, checkOptions, DataError, describe, OptionError } from './errors.js';
import {
  listFolder,
  listPrivateFolder,
  makeFolder,
  PART,
  readFile,
  readPrivateFile,
  removeFile,
  removePrivateFile,
  replaceFile,
  replacePrivateFile,
} from './runtime/files.js';
import { isBrowser } from './runtime/host.js';

/** Named pieces of bytes. One may be made for any other place: a server, a database. */
export interface CheckpointStore {
  /** Where it is, for messages. */
  readonly place: string;
  /** Names of what it holds, whole pieces only. */
  names(): Promise<string[]>;
  /** Undefined if there is none of that name. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** All or nothing, and lasting: once it resolves, a crash does not undo it; cut off before, it has changed nothing. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** No error if there is none of that name. */
  remove(name: string): Promise<void>;
}

const WHERE = 'checkpoint';

/** Outside browsers: a folder, made when it is first written to. */
export function folderStore(path: string): CheckpointStore {
  checkPath('folderStore', path);
  if (isBrowser()) {
    const hint = 'opfsStore() keeps them in the private file system of the origin';
    throw new OptionError({ where: 'folderStore', rule: 'browsers have no folders', hint });
  }
  const file = (name: string) => `${path.replace(/(?<=[^/\\])[/\\]+$/, '')}/${name}`;
  return {
    place: path,
    async names() {
      return (await listFolder(WHERE, path)).filter((name) => !name.endsWith(PART));
    },
    read: (name) => readFile(WHERE, file(name)),
    async write(name, bytes) {
      await makeFolder(WHERE, path);
      await replaceFile(WHERE, file(name), bytes);
    },
    async remove(name) {
      await removeFile(WHERE, file(name));
      // Of a process that was killed while it wrote.
      await removeFile(WHERE, `${file(name)}${PART}`);
    },
  };
}

/**
 * In pages and their workers: a folder of the origin's private file system, which lasts until the user clears the site's data
 * or, unless navigator.storage.persist() was granted, until the browser needs the room.
 */
export function opfsStore(path = 'lanewise'): CheckpointStore {
  checkPath('opfsStore', path);
  if (!isBrowser()) {
    const hint = 'folderStore() takes the path of a folder';
    throw new OptionError({ where: 'opfsStore', rule: 'there is such a file system in browsers only', hint });
  }
  return {
    place: `private files ${path}`,
    names: () => listPrivateFolder(WHERE, path),
    read: (name) => readPrivateFile(WHERE, path, name),
    write: (name, bytes) => replacePrivateFile(WHERE, path, name, bytes),
    remove: (name) => removePrivateFile(WHERE, path, name),
  };
}

function checkPath(where: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return;
  throw new OptionError({ where, argument: 'path', rule: 'a path', value: describe(path) });
}

/** A store as it may be given: itself, or its path. */
export function toStore(where: string, given: unknown): CheckpointStore {
  if (typeof given === 'string' && given !== '') return isBrowser() ? opfsStore(given) : folderStore(given);
  const store = given as CheckpointStore | null | undefined;
  const methods = ['names', 'read', 'write', 'remove'] as const;
  if (methods.every((method) => typeof store?.[method] === 'function')) return store as CheckpointStore;
  const rule = 'a path, or an object with names, read, write and remove';
  throw new OptionError({ where, argument: 'store', rule, value: describe(given) });
}

export const DEFAULT_NAME = 'checkpoint';
const ENDING = '.safetensors';

/** The beginning of the names of files: it goes into paths. */
export function checkName(where: string, name: unknown): string {
  if (typeof name === 'string' && /^[\w-][\w.-]*$/.test(name)) return name;
  const rule = 'letters, digits, - and _';
  throw new OptionError({ where, argument: 'name', rule, value: describe(name) });
}

/** The checkpoints of one name in a store: checkpoint-000001.safetensors, …; the highest number is the newest. */
export class CheckpointFiles {
  #last: number | undefined;

  constructor(
    readonly store: CheckpointStore,
    readonly name: string = DEFAULT_NAME,
    readonly keep = 2,
  ) {}

  /** Names, the newest first. */
  async list(): Promise<string[]> {
    const numbers = (await this.store.names()).map((name) => this.#number(name)).filter((n) => n !== undefined);
    return numbers.sort((a, b) => b - a).map((n) => this.#file(n));
  }

  /** Writes another one; then, not before, removes those that are more than `keep`. Its name. */
  async write(bytes: Uint8Array): Promise<string> {
    const [newest] = await this.list();
    // Never one that was given out, though it be gone.
    const number = Math.max(this.#last ?? 0, newest === undefined ? 0 : (this.#number(newest) as number)) + 1;
    const file = this.#file(number);
    await this.store.write(file, bytes);
    this.#last = number;
    for (const old of (await this.list()).slice(this.keep)) await this.store.remove(old);
    return file;
  }

  #file(number: number): string {
    return `${this.name}-${String(number).padStart(6, '0')}${ENDING}`;
  }

  #number(file: string): number | undefined {
    if (!file.startsWith(`${this.name}-`) || !file.endsWith(ENDING)) return undefined;
    const digits = file.slice(this.name.length + 1, -ENDING.length);
    return /^\d{6,15}$/.test(digits) ? Number(digits) : undefined;
  }
}

export interface FoundCheckpoint {
  /** Its file in the store. */
  file: string;
  bytes: Uint8Array;
  /** Newer ones that could not be read, the newest first, each with the reason. */
  damaged: { file: string; error: Error }[];
}

/**
 * The newest checkpoint of a Solver in a store that is whole; undefined if the store has none.
 *
 * @param store a path (of a folder; in pages, within the origin's private file system) or a store
 * @param options name: beginning of the names of files, default 'checkpoint'
 * @throws DataError if none of those that are there is whole
 */
export async function newestCheckpoint(
  store: CheckpointStore | string,
  options: { name?: string } = {},
): Promise<FoundCheckpoint | undefined> {
  const where = 'newestCheckpoint';
  checkOptions(where, options, ['name']);
  const files = new CheckpointFiles(toStore(where, store), checkName(where, options.name ?? DEFAULT_NAME));
  const damaged: FoundCheckpoint['damaged'] = [];
  for (const file of await files.list()) {
    try {
      const bytes = await files.store.read(file);
      // Removed since the list was made, by a run that goes on.
      if (bytes === undefined) throw new DataError({ where, file, expected: 'a file', found: 'none any more' });
      readCheckpoint(where, 'solver', bytes, file);
      return { file, bytes, damaged };
    } catch (error) {
      damaged.push({ file, error: error as Error });
    }
  }
  if (damaged.length > 0) throw damaged[0].error;
  return undefined;
}

/** When to write one. */
export interface CheckpointOptions {
  /** A path (of a folder; in pages, within the origin's private file system) or a store. */
  store: CheckpointStore | string;
  /** Beginning of the names of files, default 'checkpoint'. */
  name?: string | undefined;
  /** After so many steps, minutes, epochs; whichever come first. Without any of them: every 5 minutes. */
  everySteps?: number | undefined;
  everyMinutes?: number | undefined;
  everyEpochs?: number | undefined;
  /** How many are kept, default 2: the newest and the one before. */
  keep?: number | undefined;
  /** Plain JSON to keep with each: what model and data were made from, for example. */
  context?: unknown;
  onSave?: ((saved: { file: string; place: string; bytes: number; iteration: number }) => void) | undefined;
  /** Takes the error if one cannot be written, and training goes on; without it, training stops with that error. */
  onError?: ((error: Error) => void) | undefined;
}

const OPTIONS = [
  'store',
  'name',
  'everySteps',
  'everyMinutes',
  'everyEpochs',
  'keep',
  'context',
  'onSave',
  'onError',
] as const;

const MINUTES = 5;

/** Writes checkpoints of a run when they are due. */
export class Autosave {
  readonly #files: CheckpointFiles;
  readonly #options: CheckpointOptions;
  readonly #every: { steps: number; milliseconds: number; epochs: number };
  #steps = 0;
  #epochs = 0;
  #since = performance.now();

  constructor(where: string, options: CheckpointOptions) {
    checkOptions(where, options, OPTIONS);
    const { store, name, everySteps, everyMinutes, everyEpochs, keep = 2, onSave, onError } = options;
    const count = { low: 1, high: 2 ** 31 - 1, integer: true };
    for (const [argument, value] of Object.entries({ everySteps, everyEpochs, keep })) {
      if (value !== undefined) checkNumber(where, argument, value, count);
    }
    if (everyMinutes !== undefined) checkNumber(where, 'everyMinutes', everyMinutes, { low: 0, openLow: true });
    for (const [argument, value] of Object.entries({ onSave, onError })) {
      if (value === undefined || typeof value === 'function') continue;
      throw new OptionError({ where, argument, rule: 'a function', value: describe(value) });
    }
    const none = everySteps === undefined && everyEpochs === undefined;
    this.#every = {
      steps: everySteps ?? Infinity,
      milliseconds: 60_000 * (everyMinutes ?? (none ? MINUTES : Infinity)),
      epochs: everyEpochs ?? Infinity,
    };
    const prefix = checkName(where, name ?? DEFAULT_NAME);
    this.#files = new CheckpointFiles(toStore(where, store), prefix, keep);
    this.#options = options;
  }

  get context(): unknown {
    return this.#options.context;
  }

  /** After each step. save: makes the bytes. */
  async step(epochEnds: boolean, iteration: number, save: () => Uint8Array): Promise<void> {
    this.#steps++;
    if (epochEnds) this.#epochs++;
    const { steps, milliseconds, epochs } = this.#every;
    const due = this.#steps >= steps || this.#epochs >= epochs || performance.now() - this.#since >= milliseconds;
    if (!due) return;
    try {
      await this.write(iteration, save());
    } catch (error) {
      if (!this.#options.onError) throw error;
      this.#options.onError(error as Error);
    } finally {
      // One that failed is tried again when the next is due.
      this.#steps = 0;
      this.#epochs = 0;
      this.#since = performance.now();
    }
  }

  async write(iteration: number, bytes: Uint8Array): Promise<string> {
    const file = await this.#files.write(bytes);
    this.#options.onSave?.({ file, place: this.#files.store.place, bytes: bytes.length, iteration });
    return file;
  }
}
