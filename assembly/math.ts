/**
 * exp, log, tanh and the logistic function for whole vectors, and the angle of one point. All constants are in the code: a
 * table would need a data section, and the module has none (see threads). JavaScript's Math is never used, because engines
 * differ in its last bits. Polynomials and rational functions are those of the Cephes library (Moshier, 1984-1992) and, for
 * log and the angle, of FreeBSD's msun (Sun Microsystems, 1993).
 *
 * Errors measured against a correctly rounded reference are asserted in test/math.test.ts.
 */
import { fma, fnma, splat, zero } from './lanes';

/** e^x. float32 and float64 saturate to 0 and infinity at the ends of their range; NaN stays NaN. */
@inline
export function vexp<T>(x: v128): v128 {
  return sizeof<T>() == 4 ? exp32(x) : exp64(x);
}

function exp32(x: v128): v128 {
  const bounded = f32x4.pmin(f32x4.splat(88.8), f32x4.pmax(f32x4.splat(-104), x));
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(1.44269504088896341)));
  let r = fnma<f32>(n, f32x4.splat(0.693359375), bounded);
  r = fnma<f32>(n, f32x4.splat(-2.12194440e-4), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = fma<f32>(p, r, f32x4.splat(1.3981999507e-3));
  p = fma<f32>(p, r, f32x4.splat(8.3334519073e-3));
  p = fma<f32>(p, r, f32x4.splat(4.1665795894e-2));
  p = fma<f32>(p, r, f32x4.splat(1.6666665459e-1));
  p = fma<f32>(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(fma<f32>(p, f32x4.mul(r, r), r), f32x4.splat(1));
  // 2^n in two factors, so that results near both ends of the range are rounded once, not flushed.
  const k = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(k, 1);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23));
  p = f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(k, half), i32x4.splat(127)), 23));
  return v128.bitselect(x, p, f32x4.ne(x, x));
}

function exp64(x: v128): v128 {
  const bounded = f64x2.pmin(f64x2.splat(709.8), f64x2.pmax(f64x2.splat(-746), x));
  const n = f64x2.nearest(f64x2.mul(bounded, f64x2.splat(1.4426950408889634073599)));
  let r = fnma<f64>(n, f64x2.splat(6.93145751953125e-1), bounded);
  r = fnma<f64>(n, f64x2.splat(1.42860682030941723212e-6), r);
  const z = f64x2.mul(r, r);
  let p = f64x2.splat(1.26177193074810590878e-4);
  p = fma<f64>(p, z, f64x2.splat(3.02994407707441961300e-2));
  p = fma<f64>(p, z, f64x2.splat(9.99999999999999999910e-1));
  p = f64x2.mul(p, r);
  let q = f64x2.splat(3.00198505138664455042e-6);
  q = fma<f64>(q, z, f64x2.splat(2.52448340349684104192e-3));
  q = fma<f64>(q, z, f64x2.splat(2.27265548208155028766e-1));
  q = fma<f64>(q, z, f64x2.splat(2));
  const e = f64x2.div(p, f64x2.sub(q, p));
  let y = f64x2.add(f64x2.splat(1), f64x2.add(e, e));
  const k = i64x2.extend_low_i32x4_s(i32x4.trunc_sat_f64x2_s_zero(n));
  const half = i64x2.shr_s(k, 1);
  y = f64x2.mul(y, i64x2.shl(i64x2.add(half, i64x2.splat(1023)), 52));
  y = f64x2.mul(y, i64x2.shl(i64x2.add(i64x2.sub(k, half), i64x2.splat(1023)), 52));
  return v128.bitselect(x, y, f64x2.ne(x, x));
}

/** Natural logarithm; log 0 = -infinity, negative and NaN give NaN. float32 is computed in float64. */
@inline
export function vlog<T>(x: v128): v128 {
  if (sizeof<T>() == 8) return log64(x);
  const low = f32x4.demote_f64x2_zero(log64(f64x2.promote_low_f32x4(x)));
  const high = f32x4.demote_f64x2_zero(log64(f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3))));
  return v128.shuffle<f32>(low, high, 0, 1, 4, 5);
}

function log64(x: v128): v128 {
  // Subnormals are scaled into the normal range first.
  const tiny = f64x2.lt(x, f64x2.splat(2.2250738585072014e-308));
  const scaled = v128.bitselect(f64x2.mul(x, f64x2.splat(18014398509481984)), x, tiny);
  // x = 2^k * m with sqrt(1/2) < m <= sqrt(2)
  const shifted = i64x2.add(scaled, i64x2.splat(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
  let k = i64x2.sub(i64x2.shr_u(shifted, 52), i64x2.splat(1023));
  k = i64x2.sub(k, v128.and(tiny, i64x2.splat(54)));
  const m = i64x2.add(v128.and(shifted, i64x2.splat(0x000fffffffffffff)), i64x2.splat(0x3fe6a09e667f3bcd));
  const kd = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(k, k, 0, 2, 0, 2));
  const f = f64x2.sub(m, f64x2.splat(1));
  const s = f64x2.div(f, f64x2.add(f64x2.splat(2), f));
  const z = f64x2.mul(s, s);
  let r = f64x2.splat(1.479819860511658591e-1);
  r = fma<f64>(r, z, f64x2.splat(1.531383769920937332e-1));
  r = fma<f64>(r, z, f64x2.splat(1.818357216161805012e-1));
  r = fma<f64>(r, z, f64x2.splat(2.222219843214978396e-1));
  r = fma<f64>(r, z, f64x2.splat(2.857142874366239149e-1));
  r = fma<f64>(r, z, f64x2.splat(3.999999999940941908e-1));
  r = fma<f64>(r, z, f64x2.splat(6.666666666666735130e-1));
  r = f64x2.mul(r, z);
  const h = f64x2.mul(f64x2.mul(f, f), f64x2.splat(0.5));
  const low = fma<f64>(s, f64x2.add(h, r), f64x2.mul(kd, f64x2.splat(1.90821492927058770002e-10)));
  let y = f64x2.sub(f64x2.sub(h, low), f);
  y = f64x2.sub(f64x2.mul(kd, f64x2.splat(6.93147180369123816490e-1)), y);
  y = v128.bitselect(f64x2.splat(-Infinity), y, f64x2.eq(x, zero<f64>()));
  y = v128.bitselect(x, y, f64x2.eq(x, f64x2.splat(Infinity)));
  return v128.bitselect(y, f64x2.splat(NaN), f64x2.ge(x, zero<f64>()));
}

/** 1 / (1 + e^-x), without overflow for either sign. */
@inline
export function vsigmoid<T>(x: v128): v128 {
  // e = e^-|x| never overflows; the sign decides between 1 / (1 + e) and e / (1 + e).
  const e = vexp<T>(v128.neg<T>(v128.abs<T>(x)));
  const one = splat<T>(<T>1);
  const numerator = v128.bitselect(e, one, v128.lt<T>(x, zero<T>()));
  return v128.div<T>(numerator, v128.add<T>(one, e));
}

/** tanh x: a polynomial below 0.625, 1 - 2 / (e^2x + 1) above; odd. */
@inline
export function vtanh<T>(x: v128): v128 {
  const size = v128.abs<T>(x);
  const e = vexp<T>(v128.add<T>(size, size));
  const one = splat<T>(<T>1);
  const large = v128.sub<T>(one, v128.div<T>(splat<T>(<T>2), v128.add<T>(e, one)));
  const z = v128.mul<T>(x, x);
  let small = zero<T>();
  if (sizeof<T>() == 4) {
    let p = splat<T>(<T>-5.70498872745e-3);
    p = fma<T>(p, z, splat<T>(<T>2.06390887954e-2));
    p = fma<T>(p, z, splat<T>(<T>-5.37397155531e-2));
    p = fma<T>(p, z, splat<T>(<T>1.33314422036e-1));
    p = fma<T>(p, z, splat<T>(<T>-3.33332819422e-1));
    small = fma<T>(v128.mul<T>(p, z), size, size);
  } else {
    let p = splat<T>(<T>-9.64399179425052238628e-1);
    p = fma<T>(p, z, splat<T>(<T>-9.92877231001918586564e1));
    p = fma<T>(p, z, splat<T>(<T>-1.61468768441708447952e3));
    let q = v128.add<T>(z, splat<T>(<T>1.12811678491632931402e2));
    q = fma<T>(q, z, splat<T>(<T>2.23548839060100448583e3));
    q = fma<T>(q, z, splat<T>(<T>4.84406305325125486048e3));
    small = fma<T>(v128.mul<T>(v128.div<T>(p, q), z), size, size);
  }
  const y = v128.bitselect(small, large, v128.lt<T>(size, splat<T>(<T>0.625)));
  // NaN: size < 0.625 is false and `large` is NaN through vexp.
  const sign = sizeof<T>() == 4 ? i32x4.splat(i32.MIN_VALUE) : i64x2.splat(i64.MIN_VALUE);
  return v128.bitselect(x, y, sign);
}

/**
 * Angle of (x, y) in radians, for x >= 0, in float64: atan2 of the right half plane. One number at a time: of the pixels
 * that ask, half need none. The four points from which angles are measured are msun's. Within 1.5 ulp, of angles above 0.41
 * within 0.9.
 */
export function atan2Right(y: f64, x: f64): f64 {
  if (y == 0) return y;
  const size = abs(y);
  // The angle is that of one of the points plus atan t, |t| <= 7/16; a point is the sum of its two parts.
  let t: f64, high: f64, low: f64;
  if (size < 0.4375 * x) {
    t = size / x;
    high = 0;
    low = 0;
  } else if (size < 0.6875 * x) {
    t = (2 * size - x) / (2 * x + size);
    high = 4.63647609000806093515e-1;
    low = 2.26987774529616870924e-17;
  } else if (size < 1.1875 * x) {
    t = (size - x) / (size + x);
    high = 7.85398163397448278999e-1;
    low = 3.06161699786838301793e-17;
  } else if (size < 2.4375 * x) {
    t = (size - x - 0.5 * x) / (x + 1.5 * size);
    high = 9.82793723247329054082e-1;
    low = 1.39033110312309984516e-17;
  } else {
    t = -x / size;
    high = 1.57079632679489655800;
    low = 6.12323399573676603587e-17;
  }
  const z = t * t;
  const w = z * z;
  let even = 1.62858201153657823623e-2;
  even = 4.97687799461593236017e-2 + w * even;
  even = 6.66107313738753120669e-2 + w * even;
  even = 9.09088713343650656196e-2 + w * even;
  even = 1.42857142725034663711e-1 + w * even;
  even = 3.33333333333329318027e-1 + w * even;
  let odd = -3.65315727442169155270e-2;
  odd = -5.83357013379057348645e-2 + w * odd;
  odd = -7.69187620504482999495e-2 + w * odd;
  odd = -1.11111104054623557880e-1 + w * odd;
  odd = -1.99999999998764832476e-1 + w * odd;
  const angle = high - ((t * (z * even + w * odd) - low) - t);
  return copysign(angle, y);
}
