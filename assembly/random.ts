/**
 * NumPy's legacy random streams: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) and the draws that
 * numpy.random.RandomState makes of its words. The streams are frozen since NumPy 1.16, and every bit is the same here.
 *
 * A block of 4608 bytes holds the state (624 words; the position of the next one, 624: make new words first; whether a
 * normal waits; the waiting normal), one element of room for scalar draws, and the table of the logarithm (2048 bytes).
 * TypeScript's random.ts expands seeds and writes the state. Fused multiply-add is not used: all builds give the same bits.
 */
import { at } from './lanes';

const WORDS: i32 = 624;
const MIDDLE: i32 = 397;
const POSITION: usize = 2496;
const HAS_GAUSS: usize = 2500;
const GAUSS: usize = 2504;
const TABLE: usize = 2560;

@inline
function mixed(word: u32, next: u32, middle: u32): u32 {
  const y = (word & 0x80000000) | (next & 0x7fffffff);
  return middle ^ (y >> 1) ^ (-(y & 1) & 0x9908b0df);
}

@inline
function mixFour(p: usize, middle: usize): void {
  const y = v128.or(
    v128.and(v128.load(p), i32x4.splat(0x80000000)),
    v128.and(v128.load(p, 4), i32x4.splat(0x7fffffff)),
  );
  const odd = i32x4.neg(v128.and(y, i32x4.splat(1)));
  const twisted = v128.xor(i32x4.shr_u(y, 1), v128.and(odd, i32x4.splat(0x9908b0df)));
  v128.store(p, v128.xor(v128.load(middle), twisted));
}

/** The next 624 words. Four at a time: a word needs the one after it, still old, and one 397 ahead or 227 behind. */
function renew(state: usize): void {
  const fold = at<u32>(WORDS - MIDDLE);
  let p = state;
  for (const end = state + fold - 12; p < end; p += 16) mixFour(p, p + at<u32>(MIDDLE));
  for (const end = state + fold; p < end; p += 4) {
    store<u32>(p, mixed(load<u32>(p), load<u32>(p, 4), load<u32>(p + at<u32>(MIDDLE))));
  }
  for (const end = state + at<u32>(WORDS - 1); p < end; p += 16) mixFour(p, p - fold);
  store<u32>(p, mixed(load<u32>(p), load<u32>(state), load<u32>(p - fold)));
}

@inline
function word(state: usize): u32 {
  let i = load<i32>(state, POSITION);
  if (i == WORDS) {
    renew(state);
    i = 0;
  }
  store<i32>(state, i + 1, POSITION);
  let y = load<u32>(state + at<u32>(i));
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

/** Uniform in [0, 1) with 53 bits, from two words. */
@inline
function unit(state: usize): f64 {
  const high = word(state) >> 5;
  const low = word(state) >> 6;
  return <f64>(((<u64>high) << 26) | low) * (1.0 / 9007199254740992.0);
}

/** out[i] = low + range * u; n elements. */
export function randomUniform<T>(out: usize, state: usize, low: f64, range: f64, n: i32): void {
  for (const end = out + at<T>(n); out < end; out += sizeof<T>()) store<T>(out, <T>(low + range * unit(state)));
}

@inline
function head(x: f64): f64 {
  return reinterpret<f64>(reinterpret<u64>(x) & 0xfffffffff8000000);
}

/** What rounding took from product = a * b (Dekker, 1971). */
@inline
function productError(a: f64, b: f64, product: f64): f64 {
  const aHead = head(a);
  const bHead = head(b);
  const aTail = a - aHead;
  const bTail = b - bHead;
  return aHead * bHead - product + aHead * bTail + aTail * bHead + aTail * bTail;
}

/** a * b + c, rounded once but for about one case in 2^40: the processor's fused multiply-add in plain arithmetic. */
function fused(a: f64, b: f64, c: f64): f64 {
  const product = a * b;
  const sum = product + c;
  const part = sum - product;
  return sum + (product - (sum - part) + (c - part) + productError(a, b, product));
}

/**
 * Natural logarithm of a normal x in (0, 1), with the bits of the C library that NumPy's wheels for Linux use (glibc >=
 * 2.28 on a processor with fused multiply-add): the method and the constants of Arm's optimized routines (Szabolcs Nagy,
 * 2018, MIT licence). x = 2^k z; 1/c from a table, c near z; ln x = k ln 2 + ln c + ln(1 + r), r = z/c - 1. It rounds
 * wrongly about once in 1500 times, and a logarithm rounded rightly would shift those normals by up to 2 ulp. Fused
 * operations are emulated where they show in the result: in eleven million normals no bit differed from NumPy's.
 */
function logarithm(table: usize, x: f64): f64 {
  const bits = reinterpret<u64>(x);
  if (bits >= 0x3fee000000000000) {
    // 15/16 and above: the series of ln(1 + r) itself, the first two terms in two parts.
    const r = x - 1;
    const r2 = r * r;
    const r3 = r2 * r;
    let p = fused(r2, 0.09181994006195467, fused(r, -0.10000486757818193, 0.11110712032936046));
    p = fused(r3, -0.08328363062289341, p);
    p = fused(r3, p, fused(r2, -0.12499997863982555, fused(r, 0.14285715076560868, -0.16666666669929706)));
    p = fused(r3, p, fused(r2, 0.19999999999320328, fused(r, -0.24999999999998432, 0.3333333333333352)));
    const shift = r * 134217728;
    const rHead = r + shift - shift;
    const square = -0.5 * rHead * rHead;
    const sum = r + square;
    return fused(r3, p, fused(-0.5 * (r - rHead), rHead + r, r - sum + square)) + sum;
  }
  const above = bits - 0x3fe6000000000000;
  const k = <f64>(<i64>above >> 52);
  const z = reinterpret<f64>(bits - (above & 0xfff0000000000000));
  const entry = table + (<usize>(above >> 41) & 0x7f0);
  const inverse = load<f64>(entry);
  const product = z * inverse;
  const r = product - 1 + productError(z, inverse, product);
  const r2 = r * r;
  const whole = k * 0.6931471805598903 + load<f64>(entry, 8);
  const sum = whole + r;
  const tail = k * 5.497923018708371e-14 + (whole - sum + r);
  const p = 0.33333333331825593 + r * -0.2499999999622955 + r2 * (0.20000304511814496 + r * -0.16667054827627667);
  return tail + r2 * -0.5000000000000001 + r * r2 * p + sum;
}

/** ln x for x in [1/2, 2] to 1e-15: the series of 2 atanh((x - 1) / (x + 1)). */
function logarithmNearOne(x: f64): f64 {
  const s = (x - 1) / (x + 1);
  let term = s;
  let sum = s;
  for (let n: f64 = 3; n < 26; n += 2) {
    term *= s * s;
    sum += term / n;
  }
  return sum + sum;
}

/**
 * Writes the logarithm's table into a block, once in its life: 128 intervals of [11/16, 11/8), 1/c and ln c of each. 1/c is
 * the inverse of the middle of the interval, moved by `offset` 2^-53 for ln c to end at 2^-43. The offsets are those of the
 * library named above; they cannot be computed. Code, not data: see threads.
 */
export function randomPrepare(block: usize): void {
  const table = block + TABLE;
  // In the last quarter of the table, where each is read before an entry is written over it.
  const offsets = table + at<v128>(96);
  v128.store(offsets, i32x4(-46284764, -115287508, -468669678, -249329608));
  v128.store(offsets, i32x4(38090024, -246646796, -1002326510, 684959852), 16);
  v128.store(offsets, i32x4(-469186612, 114842368, 1027234976, -481782956), 32);
  v128.store(offsets, i32x4(170339482, 57318300, 568107598, 685126114), 48);
  v128.store(offsets, i32x4(-136840918, -692289424, -180227532, -928045960), 64);
  v128.store(offsets, i32x4(570685416, -979097650, 752109696, 94795624), 80);
  v128.store(offsets, i32x4(-847275702, -521977068, 672214042, 896483156), 96);
  v128.store(offsets, i32x4(308354710, 895786768, 482455110, -841273428), 112);
  v128.store(offsets, i32x4(-436853460, -193753368, -411670436, -736356396), 128);
  v128.store(offsets, i32x4(-690257420, -1020569004, 963527462, 418672224), 144);
  v128.store(offsets, i32x4(858672620, 30978658, 884706354, -835668660), 160);
  v128.store(offsets, i32x4(146366742, 1030465360, 1015969072, 167574550), 176);
  v128.store(offsets, i32x4(660819904, 303193368, 755488408, 396605714), 192);
  v128.store(offsets, i32x4(429596542, -691915432, 712326214, 431020044), 208);
  v128.store(offsets, i32x4(-459795920, -263419452, 430427236, -929038414), 224);
  v128.store(offsets, i32x4(-665643992, 771561040, -800689572, 512416278), 240);
  v128.store(offsets, i32x4(956713054, 691440674, 256933754, 435031502), 256);
  v128.store(offsets, i32x4(-324096686, 590255160, -471785550, -138738694), 272);
  v128.store(offsets, i32x4(187333682, -545720260, 183830348, 58036118), 288);
  v128.store(offsets, i32x4(517786458, 772018560, -483266014, 136798762), 304);
  v128.store(offsets, i32x4(386341370, 408940642, 65060217, -120872168), 320);
  v128.store(offsets, i32x4(189498853, -32395328, -49955913, 154042178), 336);
  v128.store(offsets, i32x4(-346113480, 148348366, -396488327, -427431396), 352);
  v128.store(offsets, i32x4(107119491, -500798201, 212184347, 305888811), 368);
  v128.store(offsets, i32x4(-330297730, -91422864, 6707636, 273897542), 384);
  v128.store(offsets, i32x4(-512931067, -500150233, 485589437, -280752730), 400);
  v128.store(offsets, i32x4(106848032, 30953893, -291342514, -408884927), 416);
  v128.store(offsets, i32x4(149302919, -107851081, 225432558, 460497078), 432);
  v128.store(offsets, i32x4(-452391632, -490679353, 508304210, 493208081), 448);
  v128.store(offsets, i32x4(336502878, 526975298, -457361038, -312310462), 464);
  v128.store(offsets, i32x4(-365194252, -421357131, 362015322, 310793228), 480);
  v128.store(offsets, i32x4(-441535439, -69145545, -528727990, 433364383), 496);
  for (let i = 0; i < 128; i++) {
    const middle = reinterpret<f64>(0x3fe6100000000000 + (<u64>i << 45));
    const inverse = 1 / middle + <f64>load<i32>(offsets + at<i32>(i)) * (1.0 / 9007199254740992.0);
    const logarithm = nearest(-logarithmNearOne(inverse) * 8796093022208.0) * (1.0 / 8796093022208.0);
    v128.store(table + at<v128>(i), f64x2(inverse, logarithm));
  }
}

/** out[i] = loc + scale * g, g by the polar method (Marsaglia and Bray, 1964); n elements. The pair's second point goes first. */
export function randomNormal<T>(out: usize, state: usize, loc: f64, scale: f64, n: i32): void {
  const end = out + at<T>(n);
  if (out < end && load<i32>(state, HAS_GAUSS)) {
    store<T>(out, <T>(loc + scale * load<f64>(state, GAUSS)));
    store<i32>(state, 0, HAS_GAUSS);
    store<f64>(state, 0, GAUSS);
    out += sizeof<T>();
  }
  while (out < end) {
    let x1: f64;
    let x2: f64;
    let r2: f64;
    do {
      x1 = 2 * unit(state) - 1;
      x2 = 2 * unit(state) - 1;
      r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1 || r2 == 0);
    const factor = sqrt((-2 * logarithm(state + TABLE, r2)) / r2);
    store<T>(out, <T>(loc + scale * (factor * x2)));
    out += sizeof<T>();
    if (out < end) {
      store<T>(out, <T>(loc + scale * (factor * x1)));
      out += sizeof<T>();
    } else {
      store<f64>(state, factor * x1, GAUSS);
      store<i32>(state, 1, HAS_GAUSS);
    }
  }
}

/** Uniform in 0..range by rejection; mask: the smallest 2^b - 1 that is not below range. */
@inline
function below(state: usize, range: u32, mask: u32): u32 {
  let value: u32;
  do value = word(state) & mask;
  while (value > range);
  return value;
}

/**
 * out[i] in [low, high), both integers within 2^53; n elements. bits 0: one word a try while high - low <= 2^32, else two,
 * the first the high one. bits 16, 8 or 1: pieces of that size off a word's low end; what is left at the end is lost.
 */
export function randomIntegers<T>(out: usize, state: usize, low: f64, high: f64, bits: i32, n: i32): void {
  const base = <i64>low;
  const range = <u64>(<i64>high - base - 1);
  const end = out + at<T>(n);
  if (!range) {
    for (; out < end; out += sizeof<T>()) store<T>(out, <T>base);
    return;
  }
  const mask = <u64>-1 >> clz(range);
  if (!bits && range <= 0xffffffff) {
    for (; out < end; out += sizeof<T>()) store<T>(out, <T>(base + <i64>below(state, <u32>range, <u32>mask)));
    return;
  }
  let pieces: u32 = 0;
  let left = 0;
  for (; out < end; out += sizeof<T>()) {
    let value: u64;
    do {
      if (left) {
        pieces >>= bits;
        left -= bits;
        value = pieces;
      } else {
        pieces = word(state);
        value = pieces;
        if (bits) left = 32 - bits;
        else value = (value << 32) | word(state);
      }
      value &= mask;
    } while (value > range);
    store<T>(out, <T>(base + <i64>value));
  }
}

@inline
function exchange<T>(a: usize, b: usize): void {
  const held = load<T>(a);
  store<T>(a, load<T>(b));
  store<T>(b, held);
}

/** Shuffles the n rows of p in place (Fisher and Yates, from the last row down). A row has rowBytes, a multiple of 4. */
export function randomShuffle(p: usize, state: usize, rowBytes: i32, n: i32): void {
  const bytes = <usize>rowBytes;
  for (let i = n - 1; i > 0; i--) {
    const j = below(state, i, <u32>-1 >> clz(i));
    const a = p + bytes * i;
    const b = p + bytes * j;
    let o: usize = 0;
    for (const whole = bytes & ~7; o < whole; o += 8) exchange<u64>(a + o, b + o);
    if (o < bytes) exchange<u32>(a + o, b + o);
  }
}

/** int32 out = 0..n-1 in random order. */
export function randomPermutation(out: usize, state: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<i32>(out + at<i32>(i), i);
  randomShuffle(out, state, 4, n);
}
