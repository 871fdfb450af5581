/**
 * All lane arithmetic of the kernels. A lane vector (v128) holds 4 float32 or 2 float64; every helper is generic over
 * the element type T and folds to single instructions.
 */

/** Elements of T in one vector. */
// @ts-ignore: decorator
@inline
export function lanes<T>(): i32 {
  return 16 / sizeof<T>();
}

/** Byte offset of element i. */
// @ts-ignore: decorator
@inline
export function at<T>(i: i32): usize {
  return <usize>i << alignof<T>();
}

// @ts-ignore: decorator
@inline
export function splat<T>(value: T): v128 {
  return v128.splat<T>(value);
}

// @ts-ignore: decorator
@inline
export function zero<T>(): v128 {
  return v128.splat<T>(<T>0);
}

// @ts-ignore: decorator
@inline
export function first<T>(v: v128): T {
  return v128.extract_lane<T>(v, 0);
}

/**
 * a * b + c. The only place that knows which build this is: the relaxed build rounds once where the processor fuses,
 * the other rounds twice.
 */
// @ts-ignore: decorator
@inline
export function fma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c);
  return v128.add<T>(v128.mul<T>(a, b), c);
}

/** c - a * b */
// @ts-ignore: decorator
@inline
export function fnma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_nmadd<T>(a, b, c);
  return v128.sub<T>(c, v128.mul<T>(a, b));
}

/** Sum of the lanes, in one fixed order. */
// @ts-ignore: decorator
@inline
export function sumLanes<T>(v: v128): T {
  if (sizeof<T>() == 4) {
    v = v128.add<T>(v, v128.shuffle<T>(v, v, 2, 3, 0, 1));
  }
  return <T>(v128.extract_lane<T>(v, 0) + v128.extract_lane<T>(v, 1));
}
