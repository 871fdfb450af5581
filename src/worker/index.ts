/** lanewise/worker: training off the main thread. */
import { beside } from '../runtime/assets.js';
import { trainerMaker } from './create.js';

/**
 * Makes a trainer: model and Solver in a worker of their own (a Web Worker; in Node a worker thread).
 *
 * @param spec what is trained, as plain data; null if it comes with options.state or options.model
 * @param data examples; null for a trainer that only predicts
 * @throws OptionError, ShapeError, ValueError and the like for what does not fit, with nothing handed over and no worker left;
 *   RuntimeError if no worker can be started
 */
export const createTrainer = trainerMaker((given) => {
  const binaries = (['simd', 'relaxed'] as const).flatMap((build) => [
    [build, String(beside.binary(build, false))],
    [`${build}.threads`, String(beside.binary(build, true))],
  ]);
  return {
    script: given ?? new URL('./worker-thread.js', import.meta.url),
    classic: false,
    files: { binaries: Object.fromEntries(binaries), thread: String(beside.thread) },
  };
});
export type * from './types.js';
