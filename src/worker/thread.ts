/**
 * What the worker of a trainer runs. A file of its own in dist/, because strict pages allow no blob workers. The places of
 * the other files come with the first request: a bundler that copies this file does not see what it loads.
 */
import { serve } from './serve.js';

void serve(({ binaries = {}, thread }) => ({
  binary: (build, threads) => new URL(binaries[threads ? `${build}.threads` : build] as string),
  thread: thread === undefined ? undefined : new URL(thread),
}));
