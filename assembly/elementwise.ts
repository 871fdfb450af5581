/**
 * One output element per input element. Every kernel computes elements [begin, end) of arrays that start at the given
 * addresses. Outputs may be the same block as an input. The ragged end runs through the same vector code as the rest,
 * one element at a time, so that an element's value never depends on where a range ends.
 */
import { at, first, fma, lanes, splat, zero } from './lanes';
import { vexp, vlog, vsigmoid, vtanh } from './math';

/** First element of the ragged end of [begin, end). */
@inline
function vectorEnd<T>(begin: i32, end: i32): i32 {
  return begin + ((end - begin) & ~(lanes<T>() - 1));
}

const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const DIV: i32 = 3;
const MAX: i32 = 4;
const ADD_RELU: i32 = 5;

@inline
function combine<T>(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return v128.add<T>(a, b);
  if (op == SUB) return v128.sub<T>(a, b);
  if (op == MUL) return v128.mul<T>(a, b);
  if (op == DIV) return v128.div<T>(a, b);
  if (op == MAX) return v128.max<T>(a, b);
  return v128.pmax<T>(v128.add<T>(a, b), zero<T>());
}

@inline
function binaryLoop<T>(op: i32, y: usize, a: usize, b: usize, sa: i32, sb: i32, begin: i32, end: i32): void {
  let i = begin;
  const e = vectorEnd<T>(begin, end);
  if (sa && sb) {
    for (; i + 4 * lanes<T>() <= e; i += 4 * lanes<T>()) {
      const p = a + at<T>(i);
      const q = b + at<T>(i);
      const to = y + at<T>(i);
      const v0 = combine<T>(op, v128.load(p), v128.load(q));
      const v1 = combine<T>(op, v128.load(p, 16), v128.load(q, 16));
      const v2 = combine<T>(op, v128.load(p, 32), v128.load(q, 32));
      const v3 = combine<T>(op, v128.load(p, 48), v128.load(q, 48));
      v128.store(to, v0);
      v128.store(to, v1, 16);
      v128.store(to, v2, 32);
      v128.store(to, v3, 48);
    }
  }
  if (sa) {
    if (sb) {
      for (; i < e; i += lanes<T>()) {
        v128.store(y + at<T>(i), combine<T>(op, v128.load(a + at<T>(i)), v128.load(b + at<T>(i))));
      }
    } else {
      const vb = v128.load_splat<T>(b);
      for (; i < e; i += lanes<T>()) v128.store(y + at<T>(i), combine<T>(op, v128.load(a + at<T>(i)), vb));
    }
  } else {
    const va = v128.load_splat<T>(a);
    const vb = v128.load_splat<T>(b);
    if (sb) for (; i < e; i += lanes<T>()) v128.store(y + at<T>(i), combine<T>(op, va, v128.load(b + at<T>(i))));
    else for (; i < e; i += lanes<T>()) v128.store(y + at<T>(i), combine<T>(op, va, vb));
  }
  for (; i < end; i++) {
    const va = v128.load_splat<T>(a + (sa ? at<T>(i) : 0));
    const vb = v128.load_splat<T>(b + (sb ? at<T>(i) : 0));
    store<T>(y + at<T>(i), first<T>(combine<T>(op, va, vb)));
  }
}

/** y = a op b; op: 0 add, 1 sub, 2 mul, 3 div, 4 max, 5 max(0, a + b). sa, sb: 1, or 0 for an operand that is a single number. */
export function binary<T>(y: usize, a: usize, b: usize, op: i32, sa: i32, sb: i32, begin: i32, end: i32): void {
  if (op == ADD) binaryLoop<T>(ADD, y, a, b, sa, sb, begin, end);
  else if (op == SUB) binaryLoop<T>(SUB, y, a, b, sa, sb, begin, end);
  else if (op == MUL) binaryLoop<T>(MUL, y, a, b, sa, sb, begin, end);
  else if (op == DIV) binaryLoop<T>(DIV, y, a, b, sa, sb, begin, end);
  else if (op == MAX) binaryLoop<T>(MAX, y, a, b, sa, sb, begin, end);
  else binaryLoop<T>(ADD_RELU, y, a, b, sa, sb, begin, end);
}

/** int32 y = a op b, op 0, 1, 2 or 4 as in `binary`. */
export function binaryI32(y: usize, a: usize, b: usize, op: i32, sa: i32, sb: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    const va = load<i32>(a + (sa ? at<i32>(i) : 0));
    const vb = load<i32>(b + (sb ? at<i32>(i) : 0));
    store<i32>(y + at<i32>(i), op == ADD ? va + vb : op == SUB ? va - vb : op == MUL ? va * vb : max(va, vb));
  }
}

const EXP: i32 = 0;
const LOG: i32 = 1;
const SQRT: i32 = 2;
const RELU: i32 = 3;
const SIGMOID: i32 = 4;
const TANH: i32 = 5;
const SWISH: i32 = 6;
const LEAKY: i32 = 7;
const SCALE: i32 = 8;

@inline
function isLong(op: i32): bool {
  return op == EXP || op == LOG || op == SIGMOID || op == TANH || op == SWISH;
}

/** x, or where it is less the number from which on its sigmoid is 0, so that the product with it is no NaN at -Infinity. */
@inline
function above<T>(x: v128): v128 {
  return v128.pmax<T>(x, splat<T>(<T>-1e4));
}

@inline
function apply<T>(op: i32, x: v128, parameter: v128): v128 {
  if (op == EXP) return vexp<T>(x);
  if (op == LOG) return vlog<T>(x);
  if (op == SQRT) return v128.sqrt<T>(x);
  // pmax(x, 0) = x < 0 ? 0 : x keeps NaN and is one instruction, where max is many.
  if (op == RELU) return v128.pmax<T>(x, zero<T>());
  if (op == SIGMOID) return vsigmoid<T>(x);
  if (op == TANH) return vtanh<T>(x);
  if (op == SWISH) return v128.mul<T>(above<T>(x), vsigmoid<T>(x));
  if (op == LEAKY) return v128.bitselect(v128.mul<T>(x, parameter), x, v128.lt<T>(x, zero<T>()));
  return v128.mul<T>(x, parameter);
}

@inline
function unaryLoop<T>(op: i32, y: usize, x: usize, parameter: f64, begin: i32, end: i32): void {
  const p = splat<T>(<T>parameter);
  let i = begin;
  const e = vectorEnd<T>(begin, end);
  if (isLong(op)) {
    // Long formulas stand in the binary once: the same code takes vectors and single elements.
    while (i < end) {
      const whole = i < e;
      const v = apply<T>(op, whole ? v128.load(x + at<T>(i)) : v128.load_splat<T>(x + at<T>(i)), p);
      if (whole) v128.store(y + at<T>(i), v);
      else store<T>(y + at<T>(i), first<T>(v));
      i += whole ? lanes<T>() : 1;
    }
    return;
  }
  for (; i < e; i += lanes<T>()) v128.store(y + at<T>(i), apply<T>(op, v128.load(x + at<T>(i)), p));
  for (; i < end; i++) store<T>(y + at<T>(i), first<T>(apply<T>(op, v128.load_splat<T>(x + at<T>(i)), p)));
}

/** y = f(x); op: the number of f above. parameter: the slope of LEAKY or the factor of SCALE. */
export function unary<T>(y: usize, x: usize, op: i32, parameter: f64, begin: i32, end: i32): void {
  if (op == EXP) unaryLoop<T>(EXP, y, x, 0, begin, end);
  else if (op == LOG) unaryLoop<T>(LOG, y, x, 0, begin, end);
  else if (op == SQRT) unaryLoop<T>(SQRT, y, x, 0, begin, end);
  else if (op == RELU) unaryLoop<T>(RELU, y, x, 0, begin, end);
  else if (op == SIGMOID) unaryLoop<T>(SIGMOID, y, x, 0, begin, end);
  else if (op == TANH) unaryLoop<T>(TANH, y, x, 0, begin, end);
  else if (op == SWISH) unaryLoop<T>(SWISH, y, x, 0, begin, end);
  else if (op == LEAKY) unaryLoop<T>(LEAKY, y, x, parameter, begin, end);
  else unaryLoop<T>(SCALE, y, x, parameter, begin, end);
}

const RELU_BACKWARD: i32 = 0;
const LEAKY_BACKWARD: i32 = 1;
const SIGMOID_BACKWARD: i32 = 2;
const TANH_BACKWARD: i32 = 3;
const SWISH_BACKWARD: i32 = 4;
const AXPY: i32 = 5;
const MASK: i32 = 6;

/** d: upstream gradient (or addend); s: what the forward pass kept. */
@inline
function derive<T>(op: i32, d: v128, s: v128, parameter: v128): v128 {
  if (op == RELU_BACKWARD) return v128.and(d, v128.gt<T>(s, zero<T>()));
  if (op == LEAKY_BACKWARD) return v128.bitselect(v128.mul<T>(d, parameter), d, v128.lt<T>(s, zero<T>()));
  const one = splat<T>(<T>1);
  if (op == SIGMOID_BACKWARD) return v128.mul<T>(d, v128.mul<T>(s, v128.sub<T>(one, s)));
  if (op == TANH_BACKWARD) return v128.mul<T>(d, v128.sub<T>(one, v128.mul<T>(s, s)));
  if (op == SWISH_BACKWARD) {
    const g = vsigmoid<T>(s);
    return v128.mul<T>(d, fma<T>(v128.mul<T>(above<T>(s), g), v128.sub<T>(one, g), g));
  }
  if (op == MASK) return v128.mul<T>(d, v128.mul<T>(s, parameter));
  return fma<T>(parameter, s, d);
}

@inline
function deriveLoop<T>(op: i32, y: usize, d: usize, s: usize, parameter: f64, begin: i32, end: i32): void {
  const p = splat<T>(<T>parameter);
  let i = begin;
  for (const e = vectorEnd<T>(begin, end); i < e; i += lanes<T>()) {
    v128.store(y + at<T>(i), derive<T>(op, v128.load(d + at<T>(i)), v128.load(s + at<T>(i)), p));
  }
  for (; i < end; i++) {
    const v = derive<T>(op, v128.load_splat<T>(d + at<T>(i)), v128.load_splat<T>(s + at<T>(i)), p);
    store<T>(y + at<T>(i), first<T>(v));
  }
}

/**
 * dx from dout and what the forward pass kept, its output for RELU, SIGMOID and TANH, its input for LEAKY and SWISH; op: a
 * number of those above.
 */
export function unaryBackward<T>(
  dx: usize, dout: usize, kept: usize, op: i32, parameter: f64, begin: i32, end: i32,
): void {
  if (op == RELU_BACKWARD) deriveLoop<T>(RELU_BACKWARD, dx, dout, kept, 0, begin, end);
  else if (op == LEAKY_BACKWARD) deriveLoop<T>(LEAKY_BACKWARD, dx, dout, kept, parameter, begin, end);
  else if (op == SIGMOID_BACKWARD) deriveLoop<T>(SIGMOID_BACKWARD, dx, dout, kept, 0, begin, end);
  else if (op == TANH_BACKWARD) deriveLoop<T>(TANH_BACKWARD, dx, dout, kept, 0, begin, end);
  else deriveLoop<T>(SWISH_BACKWARD, dx, dout, kept, 0, begin, end);
}
/** y = x * (mask * factor): inverted dropout, forward and backward. */
export function mask<T>(y: usize, x: usize, m: usize, factor: f64, begin: i32, end: i32): void {
  deriveLoop<T>(MASK, y, x, m, factor, begin, end);
}
/** y = x + a * s */
export function axpy<T>(y: usize, x: usize, s: usize, a: f64, begin: i32, end: i32): void {
  deriveLoop<T>(AXPY, y, x, s, a, begin, end);
}

/** m = 1 where u < p, else 0. u: float64 draws from [0, 1). No branches: the draws would mislead every prediction. */
export function below<T>(m: usize, u: usize, p: f64, begin: i32, end: i32): void {
  const bound = f64x2.splat(p);
  const one = splat<T>(<T>1);
  let i = begin;
  for (const e = vectorEnd<T>(begin, end); i < e; i += lanes<T>()) {
    const low = f64x2.lt(v128.load(u + at<f64>(i)), bound);
    if (sizeof<T>() == 8) {
      v128.store(m + at<T>(i), v128.and(low, one));
    } else {
      const high = f64x2.lt(v128.load(u + at<f64>(i), 16), bound);
      v128.store(m + at<T>(i), v128.and(v128.shuffle<f32>(low, high, 0, 2, 4, 6), one));
    }
  }
  for (; i < end; i++) store<T>(m + at<T>(i), <T>(<i32>(load<f64>(u + at<f64>(i)) < p)));
}

export function fill<T>(y: usize, value: f64, begin: i32, end: i32): void {
  const v = splat<T>(<T>value);
  let i = begin;
  for (const e = vectorEnd<T>(begin, end); i < e; i += lanes<T>()) v128.store(y + at<T>(i), v);
  for (; i < end; i++) store<T>(y + at<T>(i), <T>value);
}

/** y of type D from x of type S. Numbers become int32 by truncation towards zero, saturating. */
export function convert<D, S>(y: usize, x: usize, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    store<D>(y + at<D>(i), <D>load<S>(x + at<S>(i)));
  }
}

/** Rows [begin, end) of y (type D): row i is row index[i] of x (type S), `width` elements. */
export function gather<D, S>(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    const to = y + at<D>(width) * i;
    const from = x + at<S>(width) * load<i32>(index + at<i32>(i));
    if (sizeof<D>() == sizeof<S>()) memory.copy(to, from, at<D>(width));
    else convert<D, S>(to, from, 0, width);
  }
}

/**
 * y[a][b][c][d] = x at strides s0..s3 (elements): a transposed copy of up to four axes, any type of the size of T.
 * Outputs [begin, end) of the first axis.
 */
export function permute<T>(
  y: usize, x: usize, n1: i32, n2: i32, n3: i32, s0: i32, s1: i32, s2: i32, s3: i32, begin: i32, end: i32,
): void {
  y += at<T>(n1) * n2 * n3 * begin;
  const step = at<T>(s3);
  for (let a = begin; a < end; a++) {
    for (let b = 0; b < n1; b++) {
      for (let c = 0; c < n2; c++) {
        let p = x + at<T>(s0) * a + at<T>(s1) * b + at<T>(s2) * c;
        for (let d = 0; d < n3; d++, p += step, y += sizeof<T>()) store<T>(y, load<T>(p));
      }
    }
  }
}
