/**
 * From bytes to numbers: images of 3 * 32 * 32 pixels as CIFAR-10 files hold them, a label byte before every image.
 *
 * The bytes are read into the very memory that becomes the array of numbers: each BLOCK of images occupies the tail of
 * its own stretch of the array, and is widened from its front to its back. An image is written before its stretch ends,
 * so it never reaches the bytes of a later image; only the last image of a block overlaps its own and goes by scratch.
 * Blocks are independent: any split over threads gives the same result.
 */
import { at } from './lanes';

const CHANNEL: i32 = 32 * 32;
const PIXELS: i32 = 3 * CHANNEL;
/** Label and pixels. */
const RECORD: i32 = 1 + PIXELS;
/** Images in a block, fixed in src/data/images.ts too. At most 257, so that 16 bits hold a sum of bytes. */
const BLOCK: i32 = 128;
/** Pixels that one unit of `byteSums` covers. */
const UNIT: i32 = 64;

/** Where the bytes of the block lie that starts with image `first`, of n images in all. */
// @ts-ignore: decorator
@inline
function recordsOf<T>(x: usize, n: i32, first: i32): usize {
  const past = min(first + BLOCK, n);
  return x + <usize>past * (PIXELS * sizeof<T>()) - <usize>(past - first) * RECORD;
}

// @ts-ignore: decorator
@inline
function addSums(sums: usize, low: v128): void {
  v128.store(sums, i32x4.add(v128.load(sums), i32x4.extend_low_i16x8_u(low)));
  v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extend_high_i16x8_u(low)), 16);
}

/**
 * sums[p] = sum of pixel p over all images (uint32, n < 2^24), for units [begin, end) of 64 pixels. x: array of n
 * images of T that are still bytes.
 */
export function byteSums<T>(sums: usize, x: usize, n: i32, begin: i32, end: i32): void {
  memory.fill(sums + at<u32>(begin * UNIT), 0, at<u32>((end - begin) * UNIT));
  for (let first = 0; first < n; first += BLOCK) {
    const records = recordsOf<T>(x, n, first) + 1;
    const count = min(BLOCK, n - first);
    for (let unit = begin; unit < end; unit++) {
      let p = records + unit * UNIT;
      let s0 = i16x8.splat(0);
      let s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
      for (let i = 0; i < count; i++) {
        const a = v128.load(p);
        const b = v128.load(p, 16);
        const c = v128.load(p, 32);
        const d = v128.load(p, 48);
        s0 = i16x8.add(s0, i16x8.extend_low_i8x16_u(a));
        s1 = i16x8.add(s1, i16x8.extend_high_i8x16_u(a));
        s2 = i16x8.add(s2, i16x8.extend_low_i8x16_u(b));
        s3 = i16x8.add(s3, i16x8.extend_high_i8x16_u(b));
        s4 = i16x8.add(s4, i16x8.extend_low_i8x16_u(c));
        s5 = i16x8.add(s5, i16x8.extend_high_i8x16_u(c));
        s6 = i16x8.add(s6, i16x8.extend_low_i8x16_u(d));
        s7 = i16x8.add(s7, i16x8.extend_high_i8x16_u(d));
        p += RECORD;
      }
      const to = sums + at<u32>(unit * UNIT);
      addSums(to, s0);
      addSums(to + 32, s1);
      addSums(to + 64, s2);
      addSums(to + 96, s3);
      addSums(to + 128, s4);
      addSums(to + 160, s5);
      addSums(to + 192, s6);
      addSums(to + 224, s7);
    }
  }
}

/** Four bytes of an int32x4 as numbers, less the mean. */
// @ts-ignore: decorator
@inline
function store4<T>(y: usize, mean: usize, four: v128): void {
  if (sizeof<T>() == 4) {
    const v = f32x4.convert_i32x4_s(four);
    v128.store(y, mean ? f32x4.sub(v, v128.load(mean)) : v);
  } else {
    const v = f64x2.convert_low_i32x4_s(four);
    const w = f64x2.convert_low_i32x4_s(i32x4.shuffle(four, four, 2, 3, 0, 1));
    v128.store(y, mean ? f64x2.sub(v, v128.load(mean)) : v);
    v128.store(y, mean ? f64x2.sub(w, v128.load(mean, 16)) : w, 16);
  }
}

/** 16 bytes as numbers. */
// @ts-ignore: decorator
@inline
function store16<T>(y: usize, mean: usize, bytes: v128): void {
  const low = i16x8.extend_low_i8x16_u(bytes);
  const high = i16x8.extend_high_i8x16_u(bytes);
  const step = at<T>(4);
  store4<T>(y, mean, i32x4.extend_low_i16x8_u(low));
  store4<T>(y + step, mean ? mean + step : 0, i32x4.extend_high_i16x8_u(low));
  store4<T>(y + 2 * step, mean ? mean + 2 * step : 0, i32x4.extend_low_i16x8_u(high));
  store4<T>(y + 3 * step, mean ? mean + 3 * step : 0, i32x4.extend_high_i16x8_u(high));
}

/** y = pixels - mean, in the order of the file: channel, row, column. */
// @ts-ignore: decorator
@inline
function planes<T>(y: usize, mean: usize, pixels: usize): void {
  for (let p = 0; p < PIXELS; p += 16) store16<T>(y + at<T>(p), mean ? mean + at<T>(p) : 0, v128.load(pixels + p));
}

/** y = pixels - mean, in the order row, column, channel. */
// @ts-ignore: decorator
@inline
function interleaved<T>(y: usize, mean: usize, pixels: usize): void {
  for (let p = 0; p < CHANNEL; p += 16) {
    const r = v128.load(pixels + p);
    const g = v128.load(pixels + p, CHANNEL);
    const b = v128.load(pixels + p, 2 * CHANNEL);
    const rg0 = i8x16.shuffle(r, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    const rg1 = i8x16.shuffle(r, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    const rg2 = i8x16.shuffle(r, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    const o = at<T>(3 * p);
    const m = mean ? mean + o : 0;
    store16<T>(y + o, m, i8x16.shuffle(rg0, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    store16<T>(y + o + at<T>(16), m ? m + at<T>(16) : 0, i8x16.shuffle(rg1, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15));
    store16<T>(y + o + at<T>(32), m ? m + at<T>(32) : 0, i8x16.shuffle(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31));
  }
}

// @ts-ignore: decorator
@inline
function widenBlocks<T>(x: usize, mean: usize, n: i32, interleave: bool, scratch: usize, begin: i32, end: i32): void {
  for (let block = begin; block < end; block++) {
    const first = block * BLOCK;
    const past = min(first + BLOCK, n);
    let pixels = recordsOf<T>(x, n, first) + 1;
    for (let i = first; i < past; i++, pixels += RECORD) {
      if (i == past - 1) {
        memory.copy(scratch, pixels, PIXELS);
        pixels = scratch;
      }
      const y = x + <usize>i * (PIXELS * sizeof<T>());
      if (interleave) interleaved<T>(y, mean, pixels);
      else planes<T>(y, mean, pixels);
    }
  }
}

/**
 * The bytes of blocks [begin, end) of x, n images of T, become numbers where they are, less mean (3072 numbers in the
 * order of the result, or address 0 for none). interleave: 0 keeps (3, 32, 32), 1 gives (32, 32, 3). scratch: 3072
 * bytes a thread.
 */
export function widenImages<T>(x: usize, mean: usize, scratch: usize, n: i32, interleave: i32, begin: i32, end: i32, thread: i32): void {
  scratch += thread * PIXELS;
  if (interleave) {
    if (mean) widenBlocks<T>(x, mean, n, true, scratch, begin, end);
    else widenBlocks<T>(x, 0, n, true, scratch, begin, end);
  } else {
    if (mean) widenBlocks<T>(x, mean, n, false, scratch, begin, end);
    else widenBlocks<T>(x, 0, n, false, scratch, begin, end);
  }
}
