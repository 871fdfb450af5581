/**
 * All lane arithmetic of the kernels. A lane vector (v128) holds 4 float32 or 2 float64; every helper is generic over
 * the element type T and folds to single instructions.
 */

/** Elements of T in one vector. */
@inline
export function lanes<T>(): i32 {
  return 16 / sizeof<T>();
}

/** Byte offset of element i. */
@inline
export function at<T>(i: i32): usize {
  return <usize>i << alignof<T>();
}

@inline
export function splat<T>(value: T): v128 {
  return v128.splat<T>(value);
}

@inline
export function zero<T>(): v128 {
  return v128.splat<T>(<T>0);
}

@inline
export function first<T>(v: v128): T {
  return v128.extract_lane<T>(v, 0);
}

/**
 * a * b + c. The only place that knows which build this is: the relaxed build rounds once where the processor fuses,
 * the other rounds twice.
 */
@inline
export function fma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c);
  return v128.add<T>(v128.mul<T>(a, b), c);
}

/** c - a * b */
@inline
export function fnma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_nmadd<T>(a, b, c);
  return v128.sub<T>(c, v128.mul<T>(a, b));
}

/** Sum of the lanes, in one fixed order. */
@inline
export function sumLanes<T>(v: v128): T {
  if (sizeof<T>() == 4) {
    v = v128.add<T>(v, v128.shuffle<T>(v, v, 2, 3, 0, 1));
  }
  return <T>(v128.extract_lane<T>(v, 0) + v128.extract_lane<T>(v, 1));
}

/** Byte offset at which the whole vectors of elements [begin, end) end and the ragged end begins. */
@inline
export function vectorEnd<T>(begin: i32, end: i32): usize {
  return at<T>(begin + ((end - begin) & ~(lanes<T>() - 1)));
}

/** Vector at p, or in a ragged end, where no whole vector is left, the one element at p in every lane. */
@inline
export function read<T>(p: usize, whole: bool): v128 {
  return whole ? v128.load(p) : v128.load_splat<T>(p);
}

/** What read took, written back. */
@inline
export function write<T>(p: usize, v: v128, whole: bool): void {
  if (whole) v128.store(p, v);
  else store<T>(p, first<T>(v));
}

/** Four vectors of float32 as columns: stores the rows of the 4x4 transpose, `step` bytes apart. */
@inline
export function storeTransposed(to: usize, step: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
  const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5));
  v128.store(to + step, v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7));
  v128.store(to + 2 * step, v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5));
  v128.store(to + 3 * step, v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7));
}

/**
 * memory.copy for rows, whole elements of 4 bytes that do not overlap: engines leave the module for memory.copy, which takes as
 * long as some hundred bytes.
 */
export function copyRow(to: usize, from: usize, bytes: usize): void {
  let o: usize = 0;
  for (const past = bytes & ~15; o < past; o += 16) v128.store(to + o, v128.load(from + o));
  for (; o < bytes; o += 4) store<u32>(to + o, load<u32>(from + o));
}

/** memory.fill with zeros for rows, as copyRow. */
export function clearRow(to: usize, bytes: usize): void {
  let o: usize = 0;
  for (const past = bytes & ~15; o < past; o += 16) v128.store(to + o, zero<f32>());
  for (; o < bytes; o += 4) store<u32>(to + o, 0);
}
