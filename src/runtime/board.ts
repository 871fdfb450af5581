/**
 * The job board: how the main thread hands work to its workers, in the first kilobyte of the shared memory.
 *
 * A job is one kernel with its arguments and an extent of outputs cut into chunks. Everybody, the main thread included,
 * claims chunks from one counter until none is left; a core that is taken away for a while just claims fewer. A worker
 * takes part only after it has passed the door, and the main thread closes the door before it goes on, so a worker
 * that wakes late finds it closed and is not waited for.
 *
 * A worker that ends inside would be waited for without end, so after some time it is given up, and with it the board: there
 * is a second one, for the workers that take the place of those of the first.
 */
import type { Kernel } from './instance.js';

/** Addresses of the boards, each of so many Int32 words. */
export const BOARDS = [64, 768] as const;
export const BOARD_WORDS = 64;
/** Raised by one for every job; workers sleep on it. */
export const GENERATION = 0;
/** Number of workers inside, and DOOR_CLOSED. */
export const DOOR = 16;
/** Next chunk to claim. */
export const NEXT = 32;
export const CHUNKS = 48;
/** What a chunk is a multiple of. */
export const GRAIN = 49;
export const EXTENT = 50;
/** Index of the kernel among the exports. */
export const KERNEL = 51;
export const ARGUMENT_COUNT = 52;
/** Set by a worker whose kernel trapped. */
export const FAULT = 53;
/** Set to end the workers. */
export const CLOSING = 54;

export const DOOR_CLOSED = 1 << 30;

/** Float64 arguments, from ARGUMENTS_ADDRESS; every i32, f32 and f64 fits. */
export const ARGUMENTS_ADDRESS = 512;
export const MAX_ARGUMENTS = 32;

/** Room for the state of a random stream while it draws, and for its logarithm's table; see assembly/random.ts. */
export const RANDOM_ADDRESS = 1024;
const RANDOM_BYTES = 4608;

/** First byte that the heap may use. */
export const HEAP_BASE = RANDOM_ADDRESS + RANDOM_BYTES;

/** How often to look before sleeping: some tens of microseconds, longer than the gaps between kernels of a step. */
export const SPINS = 20_000;

/** Claims and computes chunks until none is left; they are alike to one grain. args has three free places at its end: begin, end, thread. */
export function work(words: Int32Array, kernel: Kernel, args: number[], thread: number): void {
  const chunks = words[CHUNKS] as number;
  const grain = words[GRAIN] as number;
  const extent = words[EXTENT] as number;
  const grains = Math.ceil(extent / grain);
  const at = args.length - 3;
  args[at + 2] = thread;
  for (let chunk = Atomics.add(words, NEXT, 1); chunk < chunks; chunk = Atomics.add(words, NEXT, 1)) {
    args[at] = grain * Math.floor((chunk * grains) / chunks);
    args[at + 1] = Math.min(extent, grain * Math.floor(((chunk + 1) * grains) / chunks));
    kernel(...args);
  }
}
