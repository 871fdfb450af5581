/**
 * lanewise.min.js: everything in one file for a script tag, as the global `lanewise`. Strict pages allow workers from files
 * only, so this file is also the script of its own workers.
 */
import { RuntimeError } from './errors.js';
import { beside } from './runtime/assets.js';
import { TRAINER, trainerMaker } from './worker/create.js';
import { serve } from './worker/serve.js';

export * from './index.js';

const own = (globalThis.document?.currentScript as HTMLScriptElement | null | undefined)?.src;

/** As in lanewise/worker. */
export const createTrainer = trainerMaker((given) => {
  if (given === undefined && !own) {
    const hint = 'load lanewise.min.js by its URL, or give the option worker';
    throw new RuntimeError({ where: 'createTrainer', rule: 'the script in this page has no URL of its own', hint });
  }
  return { script: given ?? new URL(own as string), classic: true, files: {} };
});

const { document: page, name } = globalThis as { document?: Document; name?: string };
if (page === undefined && name === TRAINER) void serve(() => beside);
