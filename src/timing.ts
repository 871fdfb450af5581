/** How long things take. */
import { describe, OptionError } from './errors.js';
import { scope } from './memory.js';

/**
 * Seconds that one call of `f` takes: `timeFunction(() => knn.computeDistancesNoLoops(X))`. The tensors it makes are freed,
 * except those that a model or classifier keeps.
 *
 * @param f synchronous
 * @param args what it is called with
 */
export function timeFunction<A extends unknown[]>(f: (...args: A) => unknown, ...args: A): number {
  if (typeof f !== 'function') {
    throw new OptionError({ where: 'timeFunction', argument: 'f', rule: 'a function', value: describe(f) });
  }
  return scope(() => {
    const start = performance.now();
    f(...args);
    return (performance.now() - start) / 1000;
  });
}
