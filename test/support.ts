// What several suites share: deterministic numbers, poisoned memory, and comparisons that say where they fail.
import * as lw from 'lanewise';
import { expect } from 'vitest';

export type Numbers = ArrayLike<number>;
export const floats = ['float32', 'float64'] as const;

/** Where a binary lies: in browsers the root of the test server is that of the repository. */
export function binaryUrl(build: string): URL {
  const inBrowser = typeof document !== 'undefined';
  const path = `dist/lanewise.${build}.wasm`;
  return inBrowser ? new URL(`/${path}`, location.origin) : new URL(`../${path}`, import.meta.url);
}

/** Uniform numbers in [0, 1) from a seed (Steele, Lea and Flood's SplitMix with 32 bits), independent of the library. */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** `count` numbers in [-2, 2), none nearer to 0 or to one of `kinks` than 0.06, rounded to float32. */
export function values(count: number, next: () => number, kinks: readonly number[] = []): Float64Array {
  const avoided = [0, ...kinks];
  return Float64Array.from({ length: count }, () => {
    while (true) {
      const value = Math.fround(4 * next() - 2);
      if (avoided.every((kink) => Math.abs(value - kink) > 0.06)) return value;
    }
  });
}

/** NaN as float32 and as float64, and a pattern that no kernel writes. */
const POISON = 0x7ff8dead;

/**
 * Takes all memory there is and fills it with NaN. Only under init({ maxMemory }) of some megabytes. `room`: bytes in one
 * piece to leave free.
 */
export function fillMemory(room = 0): lw.Tensor[] {
  expect(lw.info().memory.limit).toBeLessThanOrEqual(2 ** 24);
  const make = (bytes: number) => lw.full(bytes / 4, POISON, { dtype: 'int32' });
  const free = room > 0 ? make(room) : undefined;
  const held: lw.Tensor[] = [];
  let bytes = 2 ** 24;
  while (bytes >= 64) {
    try {
      held.push(make(bytes));
    } catch (error) {
      if (!(error instanceof lw.MemoryError)) throw error;
      bytes /= 2;
    }
  }
  free?.dispose();
  return held;
}

/** Fills all free memory with NaN, so that an output that is not written shows. */
export function poison(): void {
  for (const t of fillMemory()) t.dispose();
}

/** Words of a poisoned block behind the end of its tensor that something has written to. */
export function writtenBeyond(t: lw.Tensor): number {
  const { buffer, byteOffset, byteLength } = t.data;
  const end = byteOffset + byteLength;
  const words = new Int32Array(buffer, end, (Math.ceil(end / 64) * 64 - end) / 4);
  return words.filter((word) => word !== POISON).length;
}

/** All tensors reachable from a result: gradients, caches and what they hold. */
export function tensorsIn(value: unknown, found = new Set<lw.Tensor>(), seen = new Set<object>()): Set<lw.Tensor> {
  if (value === null || typeof value !== 'object' || seen.has(value)) return found;
  seen.add(value);
  if (value instanceof lw.Tensor) found.add(value);
  else for (const item of Object.values(value)) tensorsIn(item, found, seen);
  return found;
}

/** The bytes of a tensor, copied. */
export function bits(t: lw.Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = t.data;
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** First place at which two arrays differ in bits, or -1. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return a.findIndex((byte, i) => byte !== b[i]);
}

/** Asserts |got - wanted| <= tolerance for every element (NaN where NaN is wanted), naming the worst. */
export function expectClose(got: Numbers, wanted: Numbers, tolerance: number, what: string): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  let worst = -1;
  let most = tolerance;
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i], wanted[i]];
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b);
    if (difference <= most) continue;
    worst = i;
    most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  if (worst < 0) return;
  expect.fail(
    `${what}: element ${worst} is ${got[worst]}, not ${wanted[worst]} (off by ${most}, allowed ${tolerance})`,
  );
}

/** The largest magnitude, at least 1. */
export function scaleOf(...arrays: Numbers[]): number {
  let largest = 1;
  for (const array of arrays) for (let i = 0; i < array.length; i++) largest = Math.max(largest, Math.abs(array[i]));
  return largest;
}

/** The error that `act` throws; fails if it throws none. */
export function thrown(act: () => unknown): Error & Record<string, unknown> {
  try {
    act();
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  return expect.fail('nothing was thrown');
}

/** Asserts that `act` throws an error of this class with this message and leaves no memory behind. */
export function expectRefused(
  act: () => unknown,
  kind: new (...args: never[]) => Error,
  message: string | RegExp,
  what = '',
): void {
  const before = lw.info().memory.live;
  const error = thrown(act);
  expect(error, what).toBeInstanceOf(kind);
  if (typeof message === 'string') expect(error.message, what).toBe(message);
  else expect(error.message, what).toMatch(message);
  expect(lw.info().memory.live, `${what}: live bytes after ${error.message}`).toBe(before);
}

/** X (N, …shape) of standard normals and labels below C. */
export function examples(N: number, shape: number[], C: number, dtype: 'float32' | 'float64' = 'float64', seed = 5) {
  const rs = new lw.RandomState(seed);
  return { X: rs.randn(N, ...shape, { dtype }), y: rs.randint(0, C, [N]) };
}

/** Holds all gradients of a model against central differences. */
export function expectGradients(model: lw.Network, X: lw.Tensor, y: lw.Tensor): void {
  lw.scope(() => {
    const [, gradients] = model.loss(X, y);
    expect(Object.keys(gradients)).toEqual(model.paramNames);
    for (const name of model.paramNames) {
      const numeric = lw.evalNumericalGradient(() => model.loss(X, y)[0], model.params[name]);
      for (const [i, slope] of numeric.data.entries()) {
        const g = gradients[name].data[i];
        // Below 1e-3 rounding decides: the bias before a norm, for one, has no gradient at all.
        const error = Math.abs(g - slope) / Math.max(1e-3, Math.abs(g) + Math.abs(slope));
        expect(error, `${name}[${i}] is ${g}, not ${slope}`).toBeLessThan(1e-6);
      }
    }
  });
}
