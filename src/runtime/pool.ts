/** The main thread's side of fork-join; see board.ts for the protocol. */
import { RuntimeError } from '../errors.js';
import {
  ARGUMENT_COUNT,
  ARGUMENTS_ADDRESS,
  BOARD_ADDRESS,
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
import type { Kernel } from './instance.js';

/** Chunks per thread: enough to even out a slow core, few enough that claiming costs nothing. */
const CHUNKS_PER_THREAD = 4;

export class ThreadPool {
  /** Threads that compute, the caller's included. */
  readonly size: number;
  readonly #workers: readonly HostWorker[];
  readonly #words: Int32Array;
  readonly #stored: Float64Array;
  readonly #mayWait = mayWait();

  private constructor(memory: WebAssembly.Memory, workers: readonly HostWorker[]) {
    this.size = workers.length + 1;
    this.#workers = workers;
    this.#words = new Int32Array(memory.buffer, BOARD_ADDRESS, 64);
    this.#stored = new Float64Array(memory.buffer, ARGUMENTS_ADDRESS, MAX_ARGUMENTS);
  }

  /** Starts threads - 1 workers, which run `script`, and waits until all of them stand at the board. */
  static async start(
    script: URL,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
  ): Promise<ThreadPool> {
    new Int32Array(memory.buffer, BOARD_ADDRESS, 64)[DOOR] = DOOR_CLOSED;
    const starting = Array.from({ length: threads - 1 }, async (_, i) => {
      const worker = await startWorker(script);
      await new Promise<void>((resolve, reject) => {
        worker.onMessage(() => resolve());
        worker.onError(reject);
        worker.post({ module, memory, thread: i + 1 });
      });
      worker.keep(false);
      return worker;
    });
    const started = await Promise.allSettled(starting);
    const workers = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
    const failed = started.find((s) => s.status === 'rejected');
    if (failed) {
      for (const worker of workers) void worker.terminate();
      throw new RuntimeError({ where: 'init', rule: `a worker thread did not start: ${String(failed.reason)}` });
    }
    return new ThreadPool(memory, workers);
  }

  /**
   * kernel(...args, begin, end, thread) over [0, extent) on all threads; returns when everything is computed. Chunks
   * are multiples of `grain` outputs. index: of the kernel among the exports.
   */
  run(kernel: Kernel, index: number, args: readonly number[], extent: number, grain: number): void {
    const words = this.#words;
    const pieces = this.size * CHUNKS_PER_THREAD;
    const step = Math.ceil(extent / pieces / grain) * grain;
    words[KERNEL] = index;
    words[ARGUMENT_COUNT] = args.length;
    words[EXTENT] = extent;
    words[GRAIN] = step;
    words[CHUNKS] = Math.ceil(extent / step);
    words[FAULT] = 0;
    this.#stored.set(args);
    Atomics.store(words, NEXT, 0);
    Atomics.and(words, DOOR, ~DOOR_CLOSED);
    Atomics.add(words, GENERATION, 1);
    Atomics.notify(words, GENERATION);
    try {
      work(words, kernel, [...args, 0, 0, 0], 0);
    } finally {
      this.#close();
    }
    if (Atomics.exchange(words, FAULT, 0)) {
      throw new RuntimeError({ where: 'threads', rule: 'a kernel failed on a worker thread' });
    }
  }

  #close(): void {
    const words = this.#words;
    Atomics.or(words, DOOR, DOOR_CLOSED);
    let spins = SPINS;
    for (let door = Atomics.load(words, DOOR); door !== DOOR_CLOSED; door = Atomics.load(words, DOOR)) {
      if (spins-- > 0 || !this.#mayWait) continue;
      Atomics.wait(words, DOOR, door, 1);
    }
  }

  dispose(): void {
    Atomics.store(this.#words, CLOSING, 1);
    Atomics.add(this.#words, GENERATION, 1);
    Atomics.notify(this.#words, GENERATION);
    for (const worker of this.#workers) void worker.terminate();
  }
}
