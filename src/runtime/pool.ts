/** The main thread's side of fork-join; see board.ts for the protocol. */
import { RuntimeError } from '../errors.js';
import {
  ARGUMENT_COUNT,
  ARGUMENTS_ADDRESS,
  BOARD_WORDS,
  BOARDS,
  CHUNKS,
  CLOSING,
  DOOR,
  DOOR_CLOSED,
  EXTENT,
  FAULT,
  GENERATION,
  GRAIN,
  KERNEL,
  MAX_ARGUMENTS,
  NEXT,
  SPINS,
  work,
} from './board.js';
import { type HostWorker, mayWait, startWorker } from './host.js';
import { KERNELS, type Kernel } from './instance.js';

/** Chunks per thread: enough to even out a slow core, few enough that claiming costs nothing. */
const CHUNKS_PER_THREAD = 4;

/**
 * A worker is given up when it has been waited for so many milliseconds, and so many times as long as the caller's own part
 * of the job took. Both are far beyond what a busy machine does to a thread that lives.
 */
const PATIENCE = 5000;
const PATIENCE_FACTOR = 20;
/** Workers that end again and again are not started again. */
const MOST_REPLACEMENTS = 8;
/** Longer gaps between two looks are a process that was stopped, or a machine that slept: then nobody could work. */
const LONGEST_LOOK = 5;

export class ThreadPool {
  /** Threads that compute, the caller's included. */
  readonly size: number;
  /** What became of its workers, if anything did. */
  note: string | undefined;
  readonly #script: URL;
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #stored: Float64Array;
  readonly #mayWait = mayWait();
  /** None while new ones are being started: the caller then computes alone. */
  #workers: readonly HostWorker[] = [];
  #board = 0;
  #words: Int32Array;
  #replacements = 0;
  #disposed = false;

  private constructor(script: URL, module: WebAssembly.Module, memory: WebAssembly.Memory, threads: number) {
    this.size = threads;
    this.#script = script;
    this.#module = module;
    this.#memory = memory;
    this.#words = this.#clearBoard();
    this.#stored = new Float64Array(memory.buffer, ARGUMENTS_ADDRESS, MAX_ARGUMENTS);
  }

  /** Starts threads - 1 workers, which run `script`, and waits until all of them stand at the board. */
  static async start(
    script: URL,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
  ): Promise<ThreadPool> {
    const pool = new ThreadPool(script, module, memory, threads);
    await pool.#start();
    return pool;
  }

  #clearBoard(): Int32Array {
    const words = new Int32Array(this.#memory.buffer, BOARDS[this.#board], BOARD_WORDS);
    words[CLOSING] = 0;
    words[DOOR] = DOOR_CLOSED;
    return words;
  }

  async #start(): Promise<void> {
    const starting = Array.from({ length: this.size - 1 }, async (_, i) => {
      const worker = await startWorker(this.#script);
      const message = { module: this.#module, memory: this.#memory, board: BOARDS[this.#board], thread: i + 1 };
      try {
        await new Promise<void>((resolve, reject) => {
          worker.onMessage((kernels) => {
            if (KERNELS === '' || kernels === KERNELS) resolve();
            else reject(new Error('thread.js is of another build than index.js'));
          });
          worker.onError(reject);
          worker.post(message);
        });
      } catch (error) {
        void worker.terminate();
        throw error;
      }
      worker.keep(false);
      return worker;
    });
    const started = await Promise.allSettled(starting);
    const workers = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
    const failed = started.find((s) => s.status === 'rejected');
    if (failed || this.#disposed) {
      for (const worker of workers) void worker.terminate();
      if (!failed) return;
      throw new RuntimeError({ where: 'init', rule: `a worker thread did not start: ${String(failed.reason)}` });
    }
    for (const worker of workers) {
      worker.onError(() => {
        if (this.#workers.includes(worker)) this.#replace('a worker thread ended');
      });
    }
    this.#workers = workers;
  }

  /** Ends all workers, whatever state they are in, and starts others at the other board. Until they are there, nobody helps. */
  #replace(reason: string): void {
    this.#end();
    this.#workers = [];
    this.#board = 1 - this.#board;
    this.#words = this.#clearBoard();
    if (++this.#replacements > MOST_REPLACEMENTS) {
      this.note = `${reason}, as ${MOST_REPLACEMENTS} times before, and the caller computes alone`;
      return;
    }
    this.note = `${reason}, new ones are being started`;
    this.#start().then(
      () => {
        this.note = `${reason} and was replaced`;
      },
      (error: Error) => {
        this.note = `${reason}, and the caller computes alone because ${error.message}`;
      },
    );
  }

  /**
   * kernel(...args, begin, end, thread) over [0, extent) on all threads; returns when everything is computed. Chunks
   * are multiples of `grain` outputs. index: of the kernel among the exports.
   */
  run(kernel: Kernel, index: number, args: readonly number[], extent: number, grain: number): void {
    if (this.#workers.length === 0) {
      kernel(...args, 0, extent, 0);
      return;
    }
    const words = this.#words;
    words[KERNEL] = index;
    words[ARGUMENT_COUNT] = args.length;
    words[EXTENT] = extent;
    words[GRAIN] = grain;
    words[CHUNKS] = Math.min(Math.ceil(extent / grain), this.size * CHUNKS_PER_THREAD);
    words[FAULT] = 0;
    this.#stored.set(args);
    Atomics.store(words, NEXT, 0);
    Atomics.and(words, DOOR, ~DOOR_CLOSED);
    Atomics.add(words, GENERATION, 1);
    Atomics.notify(words, GENERATION);
    const start = performance.now();
    try {
      work(words, kernel, [...args, 0, 0, 0], 0);
    } finally {
      this.#close(start);
    }
    if (Atomics.exchange(words, FAULT, 0)) {
      throw new RuntimeError({ where: 'threads', rule: 'a kernel failed on a worker thread' });
    }
  }

  /** Shuts the door and waits until everybody is out. start: of the job. */
  #close(start: number): void {
    const words = this.#words;
    Atomics.or(words, DOOR, DOOR_CLOSED);
    let spins = SPINS;
    let looked = 0;
    let waited = 0;
    let patience = 0;
    for (let door = Atomics.load(words, DOOR); door !== DOOR_CLOSED; door = Atomics.load(words, DOOR)) {
      if (spins-- > 0) continue;
      const now = performance.now();
      if (looked === 0) patience = Math.max(PATIENCE, PATIENCE_FACTOR * (now - start));
      else waited += Math.min(LONGEST_LOOK, now - looked);
      looked = now;
      if (waited > patience) this.#giveUp();
      if (this.#mayWait) Atomics.wait(words, DOOR, door, 1);
      else spins = SPINS;
    }
  }

  #giveUp(): never {
    this.#replace('a worker thread ended in the middle of a job');
    throw new RuntimeError({
      where: 'threads',
      rule: 'a worker thread has ended, or hangs, in the middle of a job',
      hint: 'what was being computed is incomplete; others take its place, and everything else can go on',
    });
  }

  #end(): void {
    Atomics.store(this.#words, CLOSING, 1);
    Atomics.add(this.#words, GENERATION, 1);
    Atomics.notify(this.#words, GENERATION);
    for (const worker of this.#workers) void worker.terminate();
  }

  dispose(): void {
    this.#disposed = true;
    this.#end();
    this.#workers = [];
  }
}
