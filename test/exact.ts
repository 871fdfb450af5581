/**
 * Elementary functions to some 250 bits, in whole numbers: the judge of the kernels' last bits. Series and identities only;
 * no Math.exp or Math.log, which differ between engines.
 */

/** m * 2^e */
export interface Exact {
  readonly m: bigint;
  readonly e: number;
}

const BITS = 256;

function bitLength(n: bigint): number {
  return n === 0n ? 0 : (n < 0n ? -n : n).toString(2).length;
}

/** Cut to BITS bits. */
function cut({ m, e }: Exact): Exact {
  const excess = bitLength(m) - BITS;
  return excess <= 0 ? { m, e } : { m: m >> BigInt(excess), e: e + excess };
}

const parts = new DataView(new ArrayBuffer(8));

/** A finite number, without rounding. */
export function exactly(x: number): Exact {
  parts.setFloat64(0, x);
  const word = parts.getBigUint64(0);
  const exponent = Number((word >> 52n) & 0x7ffn);
  const fraction = word & 0xfffffffffffffn;
  const m = exponent === 0 ? fraction : fraction | (1n << 52n);
  return { m: word >> 63n ? -m : m, e: Math.max(1, exponent) - 1075 };
}

export function add(a: Exact, b: Exact): Exact {
  if (a.m === 0n) return b;
  if (b.m === 0n) return a;
  const [high, low] = a.e >= b.e ? [a, b] : [b, a];
  // Beyond twice the precision the smaller one is only noise.
  if (high.e + bitLength(high.m) - (low.e + bitLength(low.m)) > 2 * BITS) return high;
  return cut({ m: (high.m << BigInt(high.e - low.e)) + low.m, e: low.e });
}

export function mul(a: Exact, b: Exact): Exact {
  return cut({ m: a.m * b.m, e: a.e + b.e });
}

export function div(a: Exact, b: Exact): Exact {
  const shift = BigInt(Math.max(0, 2 * BITS - bitLength(a.m) + bitLength(b.m)));
  return cut({ m: (a.m << shift) / b.m, e: a.e - b.e - Number(shift) });
}

export const negate = ({ m, e }: Exact): Exact => ({ m: -m, e });
export const ONE: Exact = { m: 1n, e: 0 };

/** ln 2 = 2 artanh(1/3), fixed point with BITS + 64 bits. */
const LN2_BITS = BITS + 64;
const LN2 = (() => {
  let sum = 0n;
  let power = (2n << BigInt(LN2_BITS)) / 3n;
  for (let k = 1n; power > 0n; k += 2n) {
    sum += power / k;
    power /= 9n;
  }
  return sum;
})();

/** e^x for |x| < 2^12. */
export function exp(x: Exact): Exact {
  const bits = BigInt(LN2_BITS);
  const shift = BigInt(x.e) + bits;
  const fixed = shift >= 0n ? x.m << shift : x.m >> -shift;
  // x = k ln 2 + r, |r| <= ln 2 / 2; r is halved eight times for a short series, the result squared as often.
  const k = (2n * fixed + LN2) / (2n * LN2) - (2n * fixed + LN2 < 0n ? 1n : 0n);
  const r = (fixed - k * LN2) >> 8n;
  let term = 1n << bits;
  let sum = term;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = (term * r) >> bits;
    term /= n;
    sum += term;
  }
  for (let i = 0; i < 8; i++) sum = (sum * sum) >> bits;
  return cut({ m: sum, e: Number(k) - LN2_BITS });
}

/** Natural logarithm of x > 0, from a start of some 50 bits: two steps of Halley's method on e^y = x, cubic each. */
export function log(x: Exact, start: number): Exact {
  let y = exactly(start);
  for (let i = 0; i < 2; i++) {
    const guess = exp(y);
    const step = div(add(x, negate(guess)), add(x, guess));
    y = add(y, { m: step.m, e: step.e + 1 });
  }
  return y;
}

export function sigmoid(x: Exact): Exact {
  return div(ONE, add(ONE, exp(negate(x))));
}

export function tanh(x: Exact): Exact {
  if (x.m === 0n) return x;
  if (bitLength(x.m) + x.e < -32) {
    // x - x^3/3 + 2 x^5/15 - 17 x^7/315 + …: what follows is below 2^-250 of x.
    const z = mul(x, x);
    let series: Exact = { m: 0n, e: 0 };
    for (const [p, q] of [
      [-1382n, 155925n],
      [62n, 2835n],
      [-17n, 315n],
      [2n, 15n],
      [-1n, 3n],
      [1n, 1n],
    ]) {
      series = add(mul(series, z), div({ m: p, e: 0 }, { m: q, e: 0 }));
    }
    return mul(x, series);
  }
  const t = exp({ m: x.m, e: x.e + 1 });
  return div(add(t, negate(ONE)), add(t, ONE));
}

/** Distance of `got` from the exact value in units in the last place of the value, for 53 or 24 bits. */
export function ulps(got: number, wanted: Exact, bits: 53 | 24): number {
  const lowest = bits === 53 ? -1074 : -149;
  const unit = Math.max(bitLength(wanted.m) + wanted.e - bits, lowest);
  const difference = add(exactly(got), negate(wanted));
  // In 2^-20 of a unit.
  const shift = BigInt(difference.e - unit + 20);
  const scaled = shift >= 0n ? difference.m << shift : difference.m >> -shift;
  return Math.abs(Number(scaled)) / 2 ** 20;
}
