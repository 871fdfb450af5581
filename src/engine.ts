/** init() and info(): the runtime together with its memory, as users see them. */
import { heap } from './memory.js';
import { hasRelaxedSimd, hasSimd, hasThreads } from './runtime/features.js';
import { allowRelaxedSimd, threadsRefused } from './runtime/host.js';
import { type Build, current, type InitOptions, start } from './runtime/index.js';

export interface Info {
  build: Build;
  threads: number;
  /** Why this build and this number of threads, in one sentence. */
  reason: string;
  /** Host and version, e.g. 'node 20.20.2'. */
  runtime: string;
  /** Whether multiply-add is rounded once. Bits are equal wherever build and this agree. */
  fused: boolean;
  /** Bytes: in use by tensors, taken from the host, and the most that may be taken. */
  memory: { live: number; reserved: number; limit: number };
}

/**
 * Loads the kernels; await it once before anything else. Calling it again replaces the runtime, which ends all tensors
 * made before. Throws OptionError for unknown options and RuntimeError when the host cannot do what was asked.
 */
export async function init(options: InitOptions = {}): Promise<Info> {
  await start(options);
  return info();
}

/** Which build runs, on how many threads, why, and how much memory is in use. */
export function info(): Info {
  const { build, threads, reason: chosen, host, fused, pool } = current();
  const reason = pool?.note === undefined ? chosen : `${chosen}; ${pool.note}`;
  const { live, reserved, limit } = heap();
  return { build, threads, reason, runtime: host, fused, memory: { live, reserved, limit } };
}

/** What the host can do, whichever build runs. */
export interface Support {
  /** Fixed SIMD, without which nothing runs. */
  simd: boolean;
  relaxedSimd: boolean;
  /** Shared memory and workers on it; a page must be cross-origin isolated. */
  threads: boolean;
}

/** Asks the host what it can do; init() need not have been called, and may fail later for other reasons. */
export async function support(): Promise<Support> {
  await allowRelaxedSimd();
  return { simd: hasSimd(), relaxedSimd: hasRelaxedSimd(), threads: hasThreads() && threadsRefused() === undefined };
}
