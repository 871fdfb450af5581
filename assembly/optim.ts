/** Update rules, in place on the weights w with gradient dw and the rule's state; elements [begin, end). */
import { at, fma, fnma, read, splat, vectorEnd, write } from './lanes';

/*
 * Each rule is a step, of a vector or in the ragged end of one element, in two loops: one loop that asks which of them it is
 * keeps V8 11 from holding its vectors in registers, and takes twice the time.
 */

/** w -= rate * dw */
export function sgd<T>(w: usize, dw: usize, rate: f64, begin: i32, end: i32): void {
  const r = splat<T>(<T>rate);
  let o = at<T>(begin);
  for (const e = vectorEnd<T>(begin, end); o < e; o += 16) sgdStep<T>(w + o, dw + o, r, true);
  for (const last = at<T>(end); o < last; o += sizeof<T>()) sgdStep<T>(w + o, dw + o, r, false);
}

@inline
function sgdStep<T>(w: usize, dw: usize, r: v128, whole: bool): void {
  write<T>(w, fnma<T>(r, read<T>(dw, whole), read<T>(w, whole)), whole);
}

/** v = mu v - rate dw; w += v, or with Nesterov's look-ahead w += mu v - rate dw. */
export function momentum<T>(
  w: usize, dw: usize, velocity: usize, rate: f64, mu: f64, nesterov: i32, begin: i32, end: i32,
): void {
  const r = splat<T>(<T>rate);
  const m = splat<T>(<T>mu);
  const ahead = i32x4.splat(nesterov ? -1 : 0);
  let o = at<T>(begin);
  for (const e = vectorEnd<T>(begin, end); o < e; o += 16) momentumStep<T>(w + o, dw + o, velocity + o, r, m, ahead, true);
  for (const last = at<T>(end); o < last; o += sizeof<T>()) {
    momentumStep<T>(w + o, dw + o, velocity + o, r, m, ahead, false);
  }
}

@inline
function momentumStep<T>(w: usize, dw: usize, velocity: usize, r: v128, m: v128, ahead: v128, whole: bool): void {
  const step = v128.mul<T>(r, read<T>(dw, whole));
  const v = v128.sub<T>(v128.mul<T>(m, read<T>(velocity, whole)), step);
  write<T>(velocity, v, whole);
  const move = v128.bitselect(v128.sub<T>(v128.mul<T>(m, v), step), v, ahead);
  write<T>(w, v128.add<T>(read<T>(w, whole), move), whole);
}

/**
 * cache = decay cache + take dw^2; w -= rate dw / (sqrt(cache) + eps), or with `inside` rate dw / sqrt(cache + eps). take:
 * 1 - decay, or with decay 1 and take 1 AdaGrad (Duchi et al., 2011).
 */
export function rmsprop<T>(
  w: usize, dw: usize, cache: usize, rate: f64, decay: f64, take: f64, eps: f64, inside: i32, begin: i32, end: i32,
): void {
  const r = splat<T>(<T>rate);
  const d = splat<T>(<T>decay);
  const t = splat<T>(<T>take);
  const s0 = splat<T>(inside ? <T>eps : <T>0);
  const s1 = splat<T>(inside ? <T>0 : <T>eps);
  let o = at<T>(begin);
  for (const e = vectorEnd<T>(begin, end); o < e; o += 16) rmspropStep<T>(w + o, dw + o, cache + o, r, d, t, s0, s1, true);
  for (const last = at<T>(end); o < last; o += sizeof<T>()) {
    rmspropStep<T>(w + o, dw + o, cache + o, r, d, t, s0, s1, false);
  }
}

@inline
function rmspropStep<T>(
  w: usize, dw: usize, cache: usize, r: v128, d: v128, t: v128, inside: v128, outside: v128, whole: bool,
): void {
  const g = read<T>(dw, whole);
  const c = fma<T>(t, v128.mul<T>(g, g), v128.mul<T>(d, read<T>(cache, whole)));
  write<T>(cache, c, whole);
  const root = v128.add<T>(v128.sqrt<T>(v128.add<T>(c, inside)), outside);
  write<T>(w, v128.sub<T>(read<T>(w, whole), v128.div<T>(v128.mul<T>(r, g), root)), whole);
}

/**
 * Adam (Kingma and Ba, 2015): m and v decay with beta1 and beta2; w -= rate * (m / correction1) /
 * (sqrt(v / correction2) + eps). shrink multiplies w first: 1 for Adam, 1 - rate * weightDecay for AdamW (Loshchilov and
 * Hutter, 2019).
 */
export function adam<T>(
  w: usize, dw: usize, m: usize, v: usize, rate: f64, beta1: f64, beta2: f64, eps: f64, correction1: f64,
  correction2: f64, shrink: f64, begin: i32, end: i32,
): void {
  const b1 = splat<T>(<T>beta1);
  const b2 = splat<T>(<T>beta2);
  const t1 = splat<T>(<T>(1 - beta1));
  const t2 = splat<T>(<T>(1 - beta2));
  const r = splat<T>(<T>(rate / correction1));
  const c2 = splat<T>(<T>(1 / correction2));
  const s = splat<T>(<T>eps);
  const k = splat<T>(<T>shrink);
  let o = at<T>(begin);
  for (const e = vectorEnd<T>(begin, end); o < e; o += 16) {
    adamStep<T>(w + o, dw + o, m + o, v + o, b1, b2, t1, t2, r, c2, s, k, true);
  }
  for (const last = at<T>(end); o < last; o += sizeof<T>()) {
    adamStep<T>(w + o, dw + o, m + o, v + o, b1, b2, t1, t2, r, c2, s, k, false);
  }
}

@inline
function adamStep<T>(
  w: usize, dw: usize, m: usize, v: usize, b1: v128, b2: v128, t1: v128, t2: v128, r: v128, c2: v128, s: v128, k: v128,
  whole: bool,
): void {
  const g = read<T>(dw, whole);
  const mo = fma<T>(t1, g, v128.mul<T>(b1, read<T>(m, whole)));
  const vo = fma<T>(t2, v128.mul<T>(g, g), v128.mul<T>(b2, read<T>(v, whole)));
  write<T>(m, mo, whole);
  write<T>(v, vo, whole);
  const move = v128.div<T>(v128.mul<T>(r, mo), v128.add<T>(v128.sqrt<T>(v128.mul<T>(vo, c2)), s));
  write<T>(w, v128.sub<T>(v128.mul<T>(k, read<T>(w, whole)), move), whole);
}
