// The last bits of exp, log, sigmoid, tanh and swish, in units in the last place (ulp) against values of 250 bits (exact.ts).
// A correctly rounded result is off by at most 0.5. The bounds are the worst found here over both builds, rounded up: a
// change that costs accuracy shows. float32 is judged by the library's own float64, which these tests have judged before.
import * as lw from 'lanewise';
import { beforeAll, describe, expect, test } from 'vitest';
import * as exact from './exact.js';
import { uniforms } from './support.js';

const functions = {
  exp: lw.exp,
  log: lw.log,
  sigmoid: (x: lw.Tensor) => lw.sigmoidForward(x)[0],
  tanh: (x: lw.Tensor) => lw.tanhForward(x)[0],
  swish: (x: lw.Tensor) => lw.swishForward(x)[0],
} as const;
type Name = keyof typeof functions;
const names = Object.keys(functions) as Name[];

function apply(name: Name, x: ArrayLike<number>, dtype: 'float32' | 'float64'): Float64Array {
  return lw.scope(() => Float64Array.from(functions[name](lw.tensor(Array.from(x), { dtype })).data));
}

/** Points over many magnitudes, both signs, and dense where a function bends. */
function points(name: Name): Float64Array {
  const next = uniforms(names.indexOf(name) + 1);
  const list: number[] = [];
  const spread = (count: number, low: number, high: number) => {
    for (let i = 0; i < count; i++) list.push(low + (high - low) * (next() + next() / 2 ** 32));
  };
  const magnitudes = (count: number, low: number, high: number, sign: 1 | -1) => {
    for (let i = 0; i < count; i++) list.push(sign * (1 + next() + next() / 2 ** 32) * 2 ** Math.floor(low + next() * (high - low)));
  };
  if (name === 'log') {
    spread(300, 0.5, 2);
    spread(300, 0.99, 1.01);
    spread(200, 1 - 1e-9, 1 + 1e-9);
    magnitudes(600, -1022, 1023, 1);
    for (let i = 0; i < 50; i++) list.push(5e-324 * Math.ceil(2 ** (next() * 52)));
  } else {
    spread(600, -1, 1);
    spread(600, -40, 40);
    spread(400, -745, 709.7);
    magnitudes(150, -60, 9, 1);
    magnitudes(150, -60, 9, -1);
    magnitudes(50, -1022, -60, 1);
    magnitudes(50, -1022, -60, -1);
  }
  if (name === 'tanh') spread(300, 0.6, 0.65);
  return Float64Array.from(list);
}

const truth: Record<Name, (x: number) => exact.Exact> = {
  exp: (x) => exact.exp(exact.exactly(x)),
  log: (x) => exact.log(exact.exactly(x), Math.log(x)),
  sigmoid: (x) => exact.sigmoid(exact.exactly(x)),
  tanh: (x) => exact.tanh(exact.exactly(x)),
  swish: (x) => exact.mul(exact.exactly(x), exact.sigmoid(exact.exactly(x))),
};

/** Worst error in ulp, and where; NaN counts as infinite. */
function worst(got: Float64Array, x: Float64Array, error: (got: number, i: number) => number): { ulps: number; at: number } {
  let most = { ulps: 0, at: 0 };
  for (let i = 0; i < got.length; i++) {
    const ulps = error(got[i], i);
    if (!(ulps <= most.ulps)) most = { ulps: Number.isNaN(ulps) ? Number.POSITIVE_INFINITY : ulps, at: x[i] };
  }
  return most;
}

/** The same for float32, against a value that is right to some 2^-50; overflow is right from half a unit past the last. */
function ulps32(got: number, wanted: number): number {
  const limit = 2 ** 128 - 2 ** 103;
  if (Math.abs(wanted) >= limit) return got === Math.sign(wanted) * Number.POSITIVE_INFINITY ? 0 : Number.NaN;
  const exponent = Math.floor(Math.log2(Math.abs(wanted)));
  return Math.abs(got - wanted) / 2 ** Math.max(exponent - 23, -149);
}

test('the judge knows e, ln 2 and its own inverses', () => {
  expect(exact.ulps(Math.E, exact.exp(exact.ONE), 53)).toBeLessThan(0.5);
  expect(exact.ulps(Math.LN2, exact.log(exact.exactly(2), Math.LN2), 53)).toBeLessThan(0.5);
  expect(exact.ulps(1, exact.ONE, 53)).toBe(0);
  expect(exact.ulps(1 + 2 ** -52, exact.ONE, 53)).toBe(1);
  expect(exact.ulps(5e-324, exact.exactly(0), 53)).toBe(1);
  // 40 digits of e^10 and of e^-20.
  const digits = (x: exact.Exact, scale: bigint) => (x.m * scale) >> BigInt(-x.e);
  expect(digits(exact.exp(exact.exactly(10)), 10n ** 36n)).toBe(22026465794806716516957900645284244366353n);
  expect(digits(exact.exp(exact.exactly(-20)), 10n ** 48n)).toBe(2061153622438557827965940380155820976375n);
  for (const x of [-3.7, 1e-5, 0.3, 20]) {
    const back = exact.log(exact.exp(exact.exactly(x)), x + 1e-14 * Math.abs(x));
    expect(exact.ulps(x, back, 53)).toBeLessThan(1e-6);
    const t = exact.tanh(exact.exactly(x));
    const same = exact.add(exact.mul({ m: 2n, e: 0 }, exact.sigmoid(exact.exactly(2 * x))), exact.negate(exact.ONE));
    expect(exact.ulps(Number(t.m) * 2 ** t.e, same, 53)).toBeLessThan(1);
  }
});

const bounds: Record<Name, { float64: number; float32: number }> = {
  exp: { float64: 1, float32: 1 },
  log: { float64: 1, float32: 1 },
  sigmoid: { float64: 1, float32: 1 },
  tanh: { float64: 1, float32: 1 },
  swish: { float64: 1, float32: 1 },
};

describe.each(names)('%s', (name) => {
  test('float64', () => {
    const x = points(name);
    const most = worst(apply(name, x, 'float64'), x, (value, i) => exact.ulps(value, truth[name](x[i]), 53));
    console.log(name, 'float64', most);
    expect(most.ulps, `at ${most.at}`).toBeLessThan(bounds[name].float64);
  });

  test('float32, over all magnitudes', () => {
    // Every 7919th of all bit patterns: some half a million numbers.
    const patterns = Uint32Array.from({ length: Math.floor(2 ** 32 / 7919) }, (_, i) => i * 7919 + 11);
    const x = Float64Array.from(new Float32Array(patterns.buffer)).filter((v) => Number.isFinite(v) && (name !== 'log' || v > 0));
    const wanted = apply(name, x, 'float64');
    const most = worst(apply(name, x, 'float32'), x, (value, i) => ulps32(value, wanted[i]));
    console.log(name, 'float32', most);
    expect(most.ulps, `at ${most.at}`).toBeLessThan(bounds[name].float32);
  });
});
