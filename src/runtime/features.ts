/**
 * What WebAssembly the host accepts, by asking it to validate the smallest module that needs the feature.
 * Each module is one function: () -> v128 for the SIMD probes.
 */

const HEADER = [0, 97, 115, 109, 1, 0, 0, 0];
/** Type section with () -> v128, function section with one function of it. */
const RETURNS_V128 = [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0];

/** Code section of one function without locals. */
function code(body: readonly number[]): number[] {
  return [10, body.length + 4, 1, body.length + 2, 0, ...body, 11];
}

function accepts(bytes: readonly number[]): boolean {
  return WebAssembly.validate(new Uint8Array(bytes));
}

/** i32.const 0, i8x16.splat */
const SPLAT = [65, 0, 253, 15];

export function hasSimd(): boolean {
  return accepts([...HEADER, ...RETURNS_V128, ...code(SPLAT)]);
}

export function hasRelaxedSimd(): boolean {
  // f32x4.relaxed_madd: 0xfd, LEB128 of 0x105
  return accepts([...HEADER, ...RETURNS_V128, ...code([...SPLAT, ...SPLAT, ...SPLAT, 253, 133, 2])]);
}

/** Atomics over a shared memory; whether a page may use them is another matter (see host.threadsRefused). */
export function hasThreads(): boolean {
  // () -> (), shared memory 1..1, i32.const 0, i32.atomic.load, drop
  const module = [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, ...code([65, 0, 254, 16, 2, 0, 26])];
  return accepts([...HEADER, ...module]);
}
