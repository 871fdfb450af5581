/** What a worker of the thread pool runs: waits at the board, takes part in jobs, until told to end. */
import {
  ARGUMENT_COUNT,
  ARGUMENTS_ADDRESS,
  BOARD_WORDS,
  CLOSING,
  DOOR,
  DOOR_CLOSED,
  FAULT,
  GENERATION,
  KERNEL,
  MAX_ARGUMENTS,
  SPINS,
  work,
} from './board.js';
import { nodeModule } from './host.js';
import { KERNELS, kernelsOver } from './instance.js';

interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Address of the board. */
  board: number;
  /** 1, 2, …; the main thread is 0. */
  thread: number;
}

async function serve({ module, memory, board, thread }: Start, ready: () => void): Promise<void> {
  const kernels = Object.values(await kernelsOver(module, memory));
  const words = new Int32Array(memory.buffer, board, BOARD_WORDS);
  const stored = new Float64Array(memory.buffer, ARGUMENTS_ADDRESS, MAX_ARGUMENTS);
  let seen = Atomics.load(words, GENERATION);
  ready();
  while (true) {
    let spins = SPINS;
    while (Atomics.load(words, GENERATION) === seen) {
      if (spins-- > 0) continue;
      Atomics.wait(words, GENERATION, seen);
    }
    seen = Atomics.load(words, GENERATION);
    if (Atomics.load(words, CLOSING)) return;
    if ((Atomics.add(words, DOOR, 1) & DOOR_CLOSED) === 0) {
      try {
        const count = words[ARGUMENT_COUNT] as number;
        const args = [...stored.subarray(0, count), 0, 0, 0];
        work(words, kernels[words[KERNEL] as number] as (typeof kernels)[number], args, thread);
      } catch {
        Atomics.store(words, FAULT, 1);
      }
    }
    Atomics.sub(words, DOOR, 1);
    Atomics.notify(words, DOOR);
  }
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== 'undefined') {
  globalThis.addEventListener('message', (event) => serve(event.data, () => globalThis.postMessage(KERNELS)), {
    once: true,
  });
} else {
  const { parentPort } = await nodeModule<typeof import('node:worker_threads')>('node:worker_threads');
  parentPort?.once('message', (start: Start) => serve(start, () => parentPort.postMessage(KERNELS)));
}
