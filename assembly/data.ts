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
/** Images in a block, as in src/kernels.ts. At most 257, so that 16 bits hold a sum of bytes. */
const BLOCK: i32 = 128;
/** Pixels that one unit of `byteSums` covers. */
const UNIT: i32 = 64;

/** Where the bytes of the block lie that starts with image `first`, of n images in all. itemBytes: of a number. */
@inline
function recordsOf(x: usize, itemBytes: i32, n: i32, first: i32): usize {
  const past = min(first + BLOCK, n);
  return x + <usize>past * <usize>(PIXELS * itemBytes) - <usize>(past - first) * RECORD;
}

function addSums(sums: usize, low: v128): void {
  v128.store(sums, i32x4.add(v128.load(sums), i32x4.extend_low_i16x8_u(low)));
  v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extend_high_i16x8_u(low)), 16);
}

/**
 * sums[p] = sum of pixel p over all images (uint32, n < 2^24), for units [begin, end) of 64 pixels. x: array of n
 * images, numbers of itemBytes each, that are still bytes.
 */
export function byteSums(sums: usize, x: usize, itemBytes: i32, n: i32, begin: i32, end: i32): void {
  memory.fill(sums + at<u32>(begin * UNIT), 0, at<u32>((end - begin) * UNIT));
  for (let first = 0; first < n; first += BLOCK) {
    const records = recordsOf(x, itemBytes, n, first) + 1;
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
@inline
function store4<T>(y: usize, mean: usize, four: v128): void {
  if (sizeof<T>() == 4) {
    v128.store(y, f32x4.sub(f32x4.convert_i32x4_s(four), v128.load(mean)));
  } else {
    const upper = i32x4.shuffle(four, four, 2, 3, 0, 1);
    v128.store(y, f64x2.sub(f64x2.convert_low_i32x4_s(four), v128.load(mean)));
    v128.store(y, f64x2.sub(f64x2.convert_low_i32x4_s(upper), v128.load(mean, 16)), 16);
  }
}

/** One image: y = pixels - mean. */
@inline
function widen<T>(y: usize, mean: usize, pixels: usize): void {
  for (const past = pixels + PIXELS; pixels < past; pixels += 16) {
    const bytes = v128.load(pixels);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    store4<T>(y, mean, i32x4.extend_low_i16x8_u(low));
    store4<T>(y + at<T>(4), mean + at<T>(4), i32x4.extend_high_i16x8_u(low));
    store4<T>(y + at<T>(8), mean + at<T>(8), i32x4.extend_low_i16x8_u(high));
    store4<T>(y + at<T>(12), mean + at<T>(12), i32x4.extend_high_i16x8_u(high));
    y += at<T>(16);
    mean += at<T>(16);
  }
}

/** One image from three planes into one of pixels whose three colours lie side by side. */
function interleave(to: usize, pixels: usize): void {
  for (const past = pixels + CHANNEL; pixels < past; pixels += 16, to += 48) {
    const r = v128.load(pixels);
    const g = v128.load(pixels, CHANNEL);
    const b = v128.load(pixels, 2 * CHANNEL);
    const rg0 = i8x16.shuffle(r, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    const rg1 = i8x16.shuffle(r, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    const rg2 = i8x16.shuffle(r, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    v128.store(to, i8x16.shuffle(rg0, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    v128.store(to, i8x16.shuffle(rg1, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15), 16);
    v128.store(to, i8x16.shuffle(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31), 32);
  }
}

/**
 * The bytes of blocks [begin, end) of x, n images of T, become numbers where they are, less mean (3072 numbers in the
 * order of the result). colorsLast: 0 keeps (3, 32, 32), 1 gives (32, 32, 3). scratch: 3072 bytes a thread.
 */
export function widenImages<T>(
  x: usize,
  mean: usize,
  scratch: usize,
  n: i32,
  colorsLast: i32,
  begin: i32,
  end: i32,
  thread: i32,
): void {
  scratch += thread * PIXELS;
  for (let block = begin; block < end; block++) {
    const first = block * BLOCK;
    const past = min(first + BLOCK, n);
    let pixels = recordsOf(x, sizeof<T>(), n, first) + 1;
    for (let i = first; i < past; i++, pixels += RECORD) {
      // Of the last image, too, bytes are read before numbers are written over them.
      if (colorsLast) interleave(scratch, pixels);
      widen<T>(x + <usize>i * (PIXELS * sizeof<T>()), mean, colorsLast ? scratch : pixels);
    }
  }
}
