/** Update rules, in place on the weights w with gradient dw and the rule's state; elements [begin, end). */
import { at, fma, fnma, lanes, read, splat, write } from './lanes';

/** Bytes to the next step: a vector while one fits, then element by element. */
@inline
function stride<T>(whole: bool): usize {
  return whole ? 16 : sizeof<T>();
}

/** Byte offset where whole vectors end. */
@inline
function vectorEnd<T>(begin: i32, end: i32): usize {
  return at<T>(begin + ((end - begin) & ~(lanes<T>() - 1)));
}

/** w -= rate * dw */
export function sgd<T>(w: usize, dw: usize, rate: f64, begin: i32, end: i32): void {
  const r = splat<T>(<T>rate);
  const e = vectorEnd<T>(begin, end);
  for (let o = at<T>(begin), last = at<T>(end); o < last; ) {
    const whole = o < e;
    write<T>(w + o, fnma<T>(r, read<T>(dw + o, whole), read<T>(w + o, whole)), whole);
    o += stride<T>(whole);
  }
}

/** v = mu v - rate dw; w += v, or with Nesterov's look-ahead w += mu v - rate dw. */
export function momentum<T>(
  w: usize, dw: usize, velocity: usize, rate: f64, mu: f64, nesterov: i32, begin: i32, end: i32,
): void {
  const r = splat<T>(<T>rate);
  const m = splat<T>(<T>mu);
  const e = vectorEnd<T>(begin, end);
  for (let o = at<T>(begin), last = at<T>(end); o < last; ) {
    const whole = o < e;
    const step = v128.mul<T>(r, read<T>(dw + o, whole));
    const v = v128.sub<T>(v128.mul<T>(m, read<T>(velocity + o, whole)), step);
    write<T>(velocity + o, v, whole);
    const move = nesterov ? v128.sub<T>(v128.mul<T>(m, v), step) : v;
    write<T>(w + o, v128.add<T>(read<T>(w + o, whole), move), whole);
    o += stride<T>(whole);
  }
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
  const s = splat<T>(<T>eps);
  const e = vectorEnd<T>(begin, end);
  for (let o = at<T>(begin), last = at<T>(end); o < last; ) {
    const whole = o < e;
    const g = read<T>(dw + o, whole);
    const c = fma<T>(t, v128.mul<T>(g, g), v128.mul<T>(d, read<T>(cache + o, whole)));
    write<T>(cache + o, c, whole);
    const root = inside ? v128.sqrt<T>(v128.add<T>(c, s)) : v128.add<T>(v128.sqrt<T>(c), s);
    const move = v128.div<T>(v128.mul<T>(r, g), root);
    write<T>(w + o, v128.sub<T>(read<T>(w + o, whole), move), whole);
    o += stride<T>(whole);
  }
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
  const e = vectorEnd<T>(begin, end);
  for (let o = at<T>(begin), last = at<T>(end); o < last; ) {
    const whole = o < e;
    const g = read<T>(dw + o, whole);
    const mo = fma<T>(t1, g, v128.mul<T>(b1, read<T>(m + o, whole)));
    const vo = fma<T>(t2, v128.mul<T>(g, g), v128.mul<T>(b2, read<T>(v + o, whole)));
    write<T>(m + o, mo, whole);
    write<T>(v + o, vo, whole);
    const move = v128.div<T>(v128.mul<T>(r, mo), v128.add<T>(v128.sqrt<T>(v128.mul<T>(vo, c2)), s));
    write<T>(w + o, v128.sub<T>(v128.mul<T>(k, read<T>(w + o, whole)), move), whole);
    o += stride<T>(whole);
  }
}
