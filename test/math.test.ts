// The last bits of exp, log, sigmoid, tanh and swish, in units in the last place (ulp) against values of 250 bits (exact.ts).
// A correctly rounded result is off by at most 0.5. The bounds are what both builds were measured to keep: a change that
// costs accuracy shows. float32 is judged by the library's own float64, which these tests have judged before.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
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
    for (let i = 0; i < count; i++)
      list.push(sign * (1 + next() + next() / 2 ** 32) * 2 ** Math.floor(low + next() * (high - low)));
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
    spread(400, -708, 709.7);
    spread(100, -745.2, -708);
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
function worst(
  got: Float64Array,
  x: Float64Array,
  error: (got: number, i: number) => number,
): { ulps: number; at: number } {
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

/** Units of the result; where sigmoid is subnormal, those of sigmoid times x, since swish cannot know more. */
function unitsOf(name: Name, x: number, ulps: number, least: number): number {
  return name === 'swish' && x < least ? ulps / -x : ulps;
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

/** The worst of thirty times as many points as are tried below, rounded up. */
const bounds: Record<Name, { float64: number; float32: number }> = {
  exp: { float64: 1.7, float32: 1 },
  log: { float64: 0.8, float32: 0.501 },
  sigmoid: { float64: 2.6, float32: 2.1 },
  tanh: { float64: 1.3, float32: 1.3 },
  swish: { float64: 2.8, float32: 2.9 },
};

describe.each(names)('%s', (name) => {
  test('float64', () => {
    const x = points(name);
    const most = worst(apply(name, x, 'float64'), x, (value, i) =>
      unitsOf(name, x[i], exact.ulps(value, truth[name](x[i]), 53), -708),
    );
    expect(most.ulps, `at ${most.at}`).toBeLessThan(bounds[name].float64);
  });

  test('float32, over all magnitudes', () => {
    // Every 7919th of all bit patterns: some half a million numbers.
    const patterns = Uint32Array.from({ length: Math.floor(2 ** 32 / 7919) }, (_, i) => i * 7919 + 11);
    const x = Float64Array.from(new Float32Array(patterns.buffer)).filter(
      (v) => Number.isFinite(v) && (name !== 'log' || v > 0),
    );
    const wanted = apply(name, x, 'float64');
    const most = worst(apply(name, x, 'float32'), x, (value, i) => unitsOf(name, x[i], ulps32(value, wanted[i]), -87));
    expect(most.ulps, `at ${most.at}`).toBeLessThan(bounds[name].float32);
  });
});

const [inf, NaN_] = [Number.POSITIVE_INFINITY, Number.NaN];
/** Input, output as float64, output as float32; the last may be left out where it is the rounded float64. */
const specials: Record<Name, readonly (readonly [number, number, number?])[]> = {
  exp: [
    [NaN_, NaN_],
    [inf, inf],
    [-inf, 0],
    [0, 1],
    [-0, 1],
    [5e-324, 1],
    [-1e-320, 1],
    [1e300, inf],
    [-1e300, 0],
    // The ends of the ranges: the last finite result, the first infinity, the last number above 0, the first 0.
    [709.782712893384, 1.797693134862273e308, inf],
    [709.7827128933841, inf],
    [-745.1332191019411, 5e-324, 0],
    [-745.1332191019412, 0],
    [-708.3964185322641, 2.2250738585072626e-308, 0],
  ],
  log: [
    [NaN_, NaN_],
    [inf, inf],
    [-inf, NaN_],
    [0, -inf],
    [-0, -inf],
    [-1, NaN_],
    [-5e-324, NaN_, -inf],
    [1, 0],
    [Number.MAX_VALUE, 709.782712893384, inf],
    [5e-324, -744.4400719213812, -inf],
    [2 ** -1022, -708.3964185322641, -inf],
  ],
  sigmoid: [
    [NaN_, NaN_],
    [inf, 1],
    [-inf, 0],
    [0, 0.5],
    [-0, 0.5],
    [1e300, 1],
    [-1e300, 0],
    [40, 1],
    [-746, 0],
    [-745.1332191019411, 5e-324, 0],
  ],
  tanh: [
    [NaN_, NaN_],
    [inf, 1],
    [-inf, -1],
    [0, 0],
    [-0, -0],
    [5e-324, 5e-324, 0],
    [-1e-310, -1e-310, -0],
    [1e300, 1],
    [-1e300, -1],
    [20, 1],
    [-20, -1],
  ],
  swish: [
    [NaN_, NaN_],
    [inf, inf],
    [0, 0],
    [-0, -0],
    [1e300, 1e300, inf],
    [-1e30, -0],
    [Number.MAX_VALUE, Number.MAX_VALUE, inf],
  ],
};

const specials32: Partial<typeof specials> = {
  exp: [
    [88.72283172607422, 3.4027985374118487e38],
    [88.72283935546875, inf],
    [-103.97207641601562, 2 ** -149],
    [-103.97208404541016, 0],
    [-87.33654022216797, 1.1754996739254907e-38],
    [2 ** -149, 1],
  ],
  log: [
    [2 ** -149, -103.27893],
    [2 ** -126, -87.33654],
    [3.4028234663852886e38, 88.72284],
    [1 + 2 ** -23, 2 ** -23],
  ],
  tanh: [
    [2 ** -149, 2 ** -149],
    [-(2 ** -149), -(2 ** -149)],
  ],
};

describe.each(names)('special values of %s', (name) => {
  test.each(['float64', 'float32'] as const)('%s', (dtype) => {
    const round = dtype === 'float32' ? Math.fround : (v: number) => v;
    const cases = specials[name].map(([x, wide, narrow = wide]) => [x, dtype === 'float32' ? narrow : wide] as const);
    if (dtype === 'float32') for (const [x, y] of specials32[name] ?? []) cases.push([x, y]);
    for (const [x, wanted] of cases) {
      // In every lane and in the ragged end, among ordinary numbers.
      for (let place = 0; place < 7; place++) {
        const list = Array(7).fill(0.5);
        list[place] = x;
        const got = apply(name, list, dtype)[place];
        // A unit is left to results that are neither 0 nor infinite.
        const near = Math.abs(got - wanted) <= Math.abs(wanted) * (dtype === 'float32' ? 2 ** -23 : 2 ** -52);
        if (!(Number.isFinite(wanted) && wanted !== 0 && near)) expect(got, `${name}(${x})`).toBe(round(wanted));
      }
    }
  });
});

test('tanh is odd and sigmoid symmetric to the last bits', () => {
  const x = points('tanh');
  for (const dtype of ['float64', 'float32'] as const) {
    const [t, opposite] = [
      apply('tanh', x, dtype),
      apply(
        'tanh',
        x.map((v) => -v),
        dtype,
      ),
    ];
    t.forEach((v, i) => {
      expect(opposite[i]).toBe(-v);
    });
    const [s, rest] = [
      apply('sigmoid', x, dtype),
      apply(
        'sigmoid',
        x.map((v) => -v),
        dtype,
      ),
    ];
    const unit = dtype === 'float32' ? 2 ** -23 : 2 ** -52;
    s.forEach((v, i) => {
      expect(Math.abs(v + rest[i] - 1)).toBeLessThanOrEqual(unit);
    });
  }
});

test('the square root is correctly rounded', () => {
  const x = points('log');
  lw.scope(() => {
    expect([...lw.sqrt(lw.tensor(x)).data]).toEqual([...x.map(Math.sqrt)]);
    const narrow = Float32Array.from(x);
    expect([...lw.sqrt(lw.tensor(narrow)).data]).toEqual([...narrow.map(Math.sqrt)]);
    const odd = lw.sqrt(lw.tensor([-1, -0, 0, inf, NaN_], { dtype: 'float64' })).data;
    expect([...odd]).toEqual([NaN_, -0, 0, inf, NaN_]);
  });
});
