/**
 * Random numbers as NumPy's legacy generator draws them: the same words, integers and normals for the same seed and the
 * same calls. Argument names and order follow numpy.random.RandomState.
 *
 * A stream keeps its state on this side. It is copied into linear memory for a draw and back after it (some 0.1 us), so a
 * stream needs no runtime until it draws, outlives every runtime, takes no block, and is unchanged when a draw fails.
 */
import { checkNumber, checkOptions, describe, formatShape, OptionError } from './errors.js';
import * as kernels from './kernels.js';
import { scope } from './memory.js';
import {
  checkProbabilities,
  type DrawOptions,
  floatType,
  INTEGER_TYPES,
  type IntegerOptions,
  type IntegerType,
  integerType,
  lengthOf,
  type Numbers,
  refuse,
  type Size,
  sequence,
  takeOptions,
  takeShape,
  takeSize,
  typeOfNumbers,
} from './randomArguments.js';
import { RANDOM_ADDRESS } from './runtime/board.js';
import { current, type Runtime } from './runtime/index.js';
import { sizeOf } from './shape.js';
import { BYTES, type DType, empty, type FloatDType, isTensor, type Tensor } from './tensor.js';

/** All there is to a stream, as NumPy's get_state(legacy=False) has it; survives JSON. */
export interface StreamState {
  /** The 624 words of MT19937. */
  key: number[];
  /** Which word is next; 624: new words are made first. */
  pos: number;
  /** 1 if the second normal of a pair waits. */
  hasGauss: number;
  cachedGaussian: number;
}

const WORDS = 624;
/** Places in a state, in 32-bit words and in float64; as in assembly/random.ts. */
const POSITION = 624;
const HAS_GAUSS = 625;
const STATE_WORDS = 628;
const GAUSS = 313;
/** The float64 behind the state, for single draws. */
const SINGLE = 314;

/** The room for draws in linear memory: one state, one number, and the kernels' table behind them. */
interface Desk {
  words: Uint32Array;
  doubles: Float64Array;
}

const desks = new WeakMap<Runtime, Desk>();

/** The desk of the current runtime; throws RuntimeError when there is none. */
function desk(): Desk {
  const runtime = current();
  const { buffer } = runtime.memory;
  const found = desks.get(runtime);
  if (found?.words.buffer === buffer) return found;
  if (!found) kernels.randomPrepare(RANDOM_ADDRESS);
  const made = {
    words: new Uint32Array(buffer, RANDOM_ADDRESS, STATE_WORDS),
    doubles: new Float64Array(buffer, RANDOM_ADDRESS, SINGLE + 1),
  };
  desks.set(runtime, made);
  return made;
}

/** The number on the desk, as kernels see a tensor. */
const SINGLE_OPERAND: kernels.Operand = {
  address: RANDOM_ADDRESS + 8 * SINGLE,
  dtype: 'float64',
  size: 1,
  shape: [],
};

/** A new tensor that `fill` writes; gone again if that fails. */
function filled(shape: readonly number[], dtype: DType, fill: (out: Tensor) => void): Tensor {
  const out = empty(shape, dtype);
  try {
    fill(out);
    return out;
  } catch (error) {
    out.dispose();
    throw error;
  }
}

/** Running sums of p, divided by their last. */
function cumulative(p: Float64Array): Float64Array {
  const sums = new Float64Array(p.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    sum += p[i] as number;
    sums[i] = sum;
  }
  return sums.map((s) => s / sum);
}

/** How many of the ascending `sums` are at most x. */
function search(sums: Float64Array, x: number): number {
  let low = 0;
  let high = sums.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A stream of random numbers. Two streams of one seed give the same numbers for the same calls, on every host and
 * build, and the same as numpy.random.RandomState of that seed.
 *
 * Draws without a size return a number, with one a tensor in the current scope. All check their arguments before they take
 * a word from the stream; they throw ValueError for bad arguments, OptionError for unknown options, and RuntimeError before
 * init().
 */
export class RandomState {
  readonly #words = new Uint32Array(STATE_WORDS);
  readonly #doubles = new Float64Array(this.#words.buffer);
  #seeded = false;

  /** seed: as for seed(). Without one the stream starts from the host's entropy. */
  constructor(seed?: number | Numbers | null) {
    if (seed !== undefined && seed !== null) this.#seed('RandomState', seed);
  }

  /**
   * Starts the stream anew and forgets a waiting normal. seed: an integer in [0, 2^32 - 1], or a list of such (of any
   * length but 0); none: the host's entropy.
   */
  seed(seed?: number | Numbers | null): void {
    if (seed === undefined || seed === null) this.#seeded = false;
    else this.#seed('seed', seed);
  }

  #seed(where: string, seed: number | Numbers): void {
    const bounds = { low: 0, high: 2 ** 32 - 1, integer: true };
    const isList = Array.isArray(seed) || ArrayBuffer.isView(seed);
    if (!isList) {
      this.#expand(checkNumber(where, 'seed', seed, bounds));
      return;
    }
    const list = Array.from(seed as Numbers, (n, i) => checkNumber(where, `seed[${i}]`, n, bounds));
    if (list.length === 0) refuse(where, 'seed', 'an integer or a list of at least one', describe(seed));
    this.#expandList(list);
  }

  /** Knuth's linear recurrence, as init_genrand of Matsumoto and Nishimura (2002) has it. */
  #expand(seed: number): void {
    const words = this.#words;
    words.fill(0);
    words[0] = seed;
    for (let i = 1; i < WORDS; i++) words[i] = Math.imul(1812433253, scrambled(words, i)) + i;
    words[POSITION] = WORDS;
    this.#seeded = true;
  }

  /** init_by_array of the same. */
  #expandList(list: readonly number[]): void {
    this.#expand(19650218);
    const words = this.#words;
    let i = 1;
    const advance = () => {
      if (++i < WORDS) return;
      words[0] = words[WORDS - 1] as number;
      i = 1;
    };
    for (let k = 0; k < Math.max(WORDS, list.length); k++) {
      const j = k % list.length;
      words[i] = ((words[i] as number) ^ Math.imul(scrambled(words, i), 1664525)) + (list[j] as number) + j;
      advance();
    }
    for (let k = 1; k < WORDS; k++) {
      words[i] = ((words[i] as number) ^ Math.imul(scrambled(words, i), 1566083941)) - i;
      advance();
    }
    words[0] = 0x80000000;
  }

  #settle(): void {
    if (this.#seeded) return;
    this.#words.fill(0);
    globalThis.crypto.getRandomValues(this.#words.subarray(0, WORDS));
    this.#words[0] = 0x80000000;
    this.#words[POSITION] = WORDS;
    this.#seeded = true;
  }

  /** A copy of the stream's state. */
  getState(): StreamState {
    this.#settle();
    return {
      key: Array.from(this.#words.subarray(0, WORDS)),
      pos: this.#words[POSITION] as number,
      hasGauss: this.#words[HAS_GAUSS] as number,
      cachedGaussian: this.#doubles[GAUSS] as number,
    };
  }

  /** Goes on where a state was taken, here or in NumPy. key: any list of 624 words. Nothing changes if a part is bad. */
  setState(state: { key: ArrayLike<number>; pos: number; hasGauss?: number | boolean; cachedGaussian?: number }): void {
    const where = 'setState';
    if (typeof state !== 'object' || state === null)
      refuse(where, 'state', 'an object as of getState()', describe(state));
    checkOptions(where, state, ['key', 'pos', 'hasGauss', 'cachedGaussian']);
    const { key, pos, hasGauss = 0, cachedGaussian = 0 } = state;
    const isList = Array.isArray(key) || ArrayBuffer.isView(key);
    if (!isList || key.length !== WORDS) refuse(where, 'key', 'a list of 624 words', describe(key));
    const words = Array.from(key, (word, i) =>
      checkNumber(where, `key[${i}]`, word, { low: 0, high: 2 ** 32 - 1, integer: true }),
    );
    checkNumber(where, 'pos', pos, { low: 0, high: WORDS, integer: true });
    checkNumber(where, 'hasGauss', Number(hasGauss), { low: 0, high: 1, integer: true });
    checkNumber(where, 'cachedGaussian', cachedGaussian);
    this.#words.set(words);
    this.#words[POSITION] = pos;
    this.#words[HAS_GAUSS] = Number(hasGauss);
    this.#doubles[GAUSS] = cachedGaussian;
    this.#seeded = true;
  }

  /** Runs kernels on the state. They must not allocate: memory that grew would leave the desk behind. */
  #draw<T>(use: (block: number, desk: Desk) => T): T {
    const place = desk();
    this.#settle();
    place.words.set(this.#words);
    const result = use(RANDOM_ADDRESS, place);
    this.#words.set(place.words);
    return result;
  }

  /** Floats of a shape, or one. */
  #floats(
    shape: readonly number[] | undefined,
    dtype: FloatDType,
    kernel: (out: kernels.Operand, block: number) => void,
  ): number | Tensor {
    if (shape) return filled(shape, dtype, (out) => this.#draw((block) => kernel(out, block)));
    const value = this.#draw((block, { doubles }) => {
      kernel(SINGLE_OPERAND, block);
      return doubles[SINGLE] as number;
    });
    return dtype === 'float32' ? Math.fround(value) : value;
  }

  /** Uniform in [0, 1) with 53 bits. rand() is a number, rand(2, 3) a float64 tensor of that shape. */
  rand(options?: DrawOptions): number;
  rand(...shape: (number | DrawOptions)[]): Tensor;
  rand(...args: unknown[]): number | Tensor {
    const [shape, dtype] = takeShape('rand', args);
    return this.#floats(shape, dtype, (out, block) => kernels.randomUniform(out, block, 0, 1));
  }

  /** Standard normal, by the polar method. randn() is a number, randn(2, 3) a float64 tensor of that shape. */
  randn(options?: DrawOptions): number;
  randn(...shape: (number | DrawOptions)[]): Tensor;
  randn(...args: unknown[]): number | Tensor {
    const [shape, dtype] = takeShape('randn', args);
    return this.#floats(shape, dtype, (out, block) => kernels.randomNormal(out, block, 0, 1));
  }

  /** low + (high - low) * rand. Defaults 0 and 1; high may lie below low. */
  uniform(low?: number, high?: number, options?: DrawOptions): number;
  uniform(low: number | undefined, high: number | undefined, size: Size, options?: DrawOptions): Tensor;
  uniform(...args: unknown[]): number | Tensor {
    const where = 'uniform';
    const dtype = floatType(where, takeOptions<DrawOptions>(where, args));
    const low = checkNumber(where, 'low', args[0] ?? 0);
    const high = checkNumber(where, 'high', args[1] ?? 1);
    const shape = takeSize(where, args[2]);
    const range = high - low;
    if (!Number.isFinite(range)) refuse(where, 'high - low', 'finite', `${range}`);
    return this.#floats(shape, dtype, (out, block) => kernels.randomUniform(out, block, low, range));
  }

  /** loc + scale * randn. Defaults 0 and 1; scale, the standard deviation, must not be negative. */
  normal(loc?: number, scale?: number, options?: DrawOptions): number;
  normal(loc: number | undefined, scale: number | undefined, size: Size, options?: DrawOptions): Tensor;
  normal(...args: unknown[]): number | Tensor {
    const where = 'normal';
    const dtype = floatType(where, takeOptions<DrawOptions>(where, args));
    const loc = checkNumber(where, 'loc', args[0] ?? 0);
    const scale = checkNumber(where, 'scale', args[1] ?? 1, { low: 0 });
    const shape = takeSize(where, args[2]);
    return this.#floats(shape, dtype, (out, block) => kernels.randomNormal(out, block, loc, scale));
  }

  /**
   * Integers in [low, high); with one bound, in [0, bound). A number, or with a size an int32 tensor; a float64 tensor
   * where the bounds exceed int32 (they may reach 2^53). { dtype } names the type that NumPy would draw in.
   */
  randint(low: number, high?: number | null, options?: IntegerOptions): number;
  randint(low: number, options: IntegerOptions): number;
  randint(low: number, high: number | null | undefined, size: Size, options?: IntegerOptions): Tensor;
  randint(...args: unknown[]): number | Tensor {
    const where = 'randint';
    const dtype = integerType(where, takeOptions<IntegerOptions>(where, args));
    const [least, most] = INTEGER_TYPES[dtype];
    const one = args[1] === undefined || args[1] === null;
    const low = one ? 0 : checkNumber(where, 'low', args[0], { low: least, high: most - 1, integer: true });
    const name = one ? 'low' : 'high';
    const high = checkNumber(where, name, one ? args[0] : args[1], { low: least, high: most, integer: true });
    const shape = takeSize(where, args[2]);
    if (high <= low) {
      if (one) refuse(where, 'low', '> 0', `${high}`, 'one bound alone is the upper one');
      refuse(where, 'high', `> low = ${low}`, `${high}`);
    }
    return this.#integersOf(shape, low, high, dtype);
  }

  #integersOf(shape: readonly number[] | undefined, low: number, high: number, dtype: IntegerType): number | Tensor {
    if (shape) {
      const small = low >= -(2 ** 31) && high <= 2 ** 31;
      return filled(shape, small ? 'int32' : 'float64', (out) => this.#integers(out, low, high, dtype));
    }
    return this.#draw((block, { doubles }) => {
      kernels.randomIntegers(SINGLE_OPERAND, block, low, high, INTEGER_TYPES[dtype][2]);
      return doubles[SINGLE] as number;
    });
  }

  #integers(out: Tensor, low: number, high: number, dtype: IntegerType): void {
    this.#draw((block) => kernels.randomIntegers(out, block, low, high, INTEGER_TYPES[dtype][2]));
  }

  /**
   * `size` draws from 0..n-1, or from the elements of a one-dimensional list or tensor, with or without replacement. p:
   * the probability of each, of sum 1. Without a size, one element. With one: of n an int32 tensor; of a list of numbers
   * a tensor of its type (int32 for a plain array of integers, float64 for others); of any other list an array.
   * { dtype } as for randint, for draws with replacement and without p.
   */
  choice(
    population: number | Numbers | Tensor,
    size?: null,
    replace?: boolean,
    p?: Numbers | Tensor | null,
    options?: IntegerOptions,
  ): number;
  choice(population: number | Numbers | Tensor, size: Size, options: IntegerOptions): Tensor;
  choice(
    population: number | Numbers | Tensor,
    size: Size,
    replace?: boolean,
    p?: Numbers | Tensor | null,
    options?: IntegerOptions,
  ): Tensor;
  choice<T>(population: readonly T[], size?: null, replace?: boolean, p?: Numbers | Tensor | null): T;
  choice<T>(population: readonly T[], size: number, replace?: boolean, p?: Numbers | Tensor | null): T[];
  choice(...args: unknown[]): unknown {
    const where = 'choice';
    const options = takeOptions<IntegerOptions>(where, args);
    const dtype = integerType(where, options);
    const [population, size, replacement, probabilities] = args;
    const replace = replacement ?? true;
    if (typeof replace !== 'boolean') refuse(where, 'replace', 'true or false', describe(replace));
    const shape = takeSize(where, size);
    const count = shape ? sizeOf(shape) : 1;
    const list = typeof population === 'number' ? undefined : (population as ArrayLike<unknown> | Tensor);
    const n = list ? lengthOf(where, 'population', list, 'an integer or a list') : (population as number);
    if (isTensor(list) && list.rank !== 1) refuse(where, 'population', 'of one dimension', describe(list));
    if (!list) checkNumber(where, 'population', n, { low: 0, high: 2 ** 31 - 1, integer: true });
    if (n === 0 && count > 0)
      refuse(where, 'population', 'an integer >= 1 or a list of one element or more', describe(population));
    const given = probabilities !== undefined && probabilities !== null;
    const p = given ? checkProbabilities(probabilities, n) : undefined;
    if (!replace && count > n) {
      refuse(where, 'size', `at most ${n} with replace = false`, `${count}`, 'an element can be taken only once');
    }
    const possible = p?.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0) ?? n;
    if (!replace && count > possible) {
      refuse(where, 'size', `at most ${possible}, the number of p > 0, with replace = false`, `${count}`);
    }
    const [, most, bits] = INTEGER_TYPES[dtype];
    if (n > most) refuse(where, 'population', `at most ${most} for dtype '${dtype}'`, `${n}`);
    if (bits > 0 && (p || !replace)) {
      const rule = `dtype '${dtype}' is for draws with replacement and without p`;
      throw new OptionError({ where, rule });
    }

    if (!shape && !list && replace && !p) return this.#integersOf(undefined, 0, n, dtype);
    const fill = (out: Tensor) => this.#choose(out, n, replace, p, dtype);
    const numbers = list ? typeOfNumbers(list) : 'int32';
    if (shape && numbers === undefined && shape.length !== 1) {
      refuse(where, 'size', 'a number where the list is not of numbers', formatShape(shape));
    }
    if (shape && !list) return filled(shape, 'int32', fill);
    const indices = () => scope(() => filled([count], 'int32', fill).data.slice());
    if (shape && numbers) {
      return filled(shape, numbers, (out) => {
        const chosen = indices();
        const values = sequence(list as ArrayLike<unknown> | Tensor) as ArrayLike<number>;
        const { data } = out;
        for (let i = 0; i < count; i++) data[i] = values[chosen[i] as number] as number;
      });
    }
    const chosen = indices();
    if (shape) return Array.from(chosen, (index) => (list as ArrayLike<unknown>)[index]);
    return list ? sequence(list)[chosen[0] as number] : chosen[0];
  }

  /** Indices below n into `out` (int32). */
  #choose(out: Tensor, n: number, replace: boolean, p: Float64Array | undefined, dtype: IntegerType): void {
    if (out.size === 0 && replace) return;
    if (p) {
      const chosen = replace ? this.#weighted(p, out.size) : this.#weightedOnce(p, out.size);
      out.data.set(chosen);
    } else if (replace) {
      this.#integers(out, 0, n, dtype);
    } else if (out.size === n) {
      this.#draw((block) => kernels.randomPermutation(out, block));
    } else {
      out.data.set(this.#order(n).subarray(0, out.size));
    }
  }

  #units(count: number): Float64Array {
    return scope(() => this.rand(count).data.slice() as Float64Array);
  }

  #weighted(p: Float64Array, count: number): Int32Array {
    const sums = cumulative(p);
    return Int32Array.from(this.#units(count), (u) => search(sums, u));
  }

  /** As many draws as are missing, the new ones among them kept in order, their probabilities set to 0, and again. */
  #weightedOnce(p: Float64Array, count: number): Int32Array {
    const left = p.slice();
    const found = new Set<number>();
    while (found.size < count) {
      const units = this.#units(count - found.size);
      for (const index of found) left[index] = 0;
      const sums = cumulative(left);
      for (const u of units) found.add(search(sums, u));
    }
    return Int32Array.from(found);
  }

  /** 0..n-1 in random order. */
  #order(n: number): Int32Array {
    return scope(() => {
      const out = empty([n], 'int32');
      this.#draw((block) => kernels.randomPermutation(out, block));
      return out.data.slice() as Int32Array;
    });
  }

  /**
   * 0..n-1 in random order (int32 tensor), or a shuffled copy: of a tensor (by rows) a tensor of its type, of a list of
   * numbers a tensor as choice makes it, of any other array an array.
   */
  permutation(population: number | Numbers | Tensor): Tensor;
  permutation<T>(population: readonly T[]): T[];
  permutation(population: number | ArrayLike<unknown> | Tensor): unknown {
    const where = 'permutation';
    if (typeof population === 'number') {
      const n = checkNumber(where, 'population', population, { low: 0, high: 2 ** 31 - 1, integer: true });
      return filled([n], 'int32', (out) => this.#draw((block) => kernels.randomPermutation(out, block)));
    }
    const n = lengthOf(where, 'population', population, 'an integer, a list or a tensor with axes');
    const numbers = typeOfNumbers(population);
    if (numbers === undefined) {
      const list = population as ArrayLike<unknown>;
      return Array.from(this.#order(n), (index) => list[index]);
    }
    return filled(isTensor(population) ? population.shape : [n], numbers, (out) => {
      out.data.set(sequence(population) as ArrayLike<number>);
      this.#shuffleRows(out);
    });
  }

  /** Shuffles an array, a typed array or the rows of a tensor in place. */
  shuffle(list: unknown[] | Exclude<Numbers, readonly number[]> | Tensor): void {
    const n = lengthOf('shuffle', 'list', list, 'an array, a typed array or a tensor with axes');
    if (isTensor(list)) {
      if (list.size > 0) this.#shuffleRows(list);
      return;
    }
    const before = list.slice();
    const order = this.#order(n);
    for (let i = 0; i < n; i++) list[i] = before[order[i] as number] as number;
  }

  #shuffleRows(x: Tensor): void {
    const n = x.shape[0] as number;
    const rowBytes = n === 0 ? 0 : (x.size / n) * BYTES[x.dtype];
    this.#draw((block) => kernels.randomShuffle(x, block, rowBytes, n));
  }
}

/** The word before i, its high bits mixed into its low ones. */
function scrambled(words: Uint32Array, i: number): number {
  const before = words[i - 1] as number;
  return before ^ (before >>> 30);
}

/** What the rest of the library asks of a stream: options named `random` take any object with these. */
export type RandomSource = Pick<
  RandomState,
  | 'rand'
  | 'randn'
  | 'uniform'
  | 'normal'
  | 'randint'
  | 'choice'
  | 'permutation'
  | 'shuffle'
  | 'seed'
  | 'getState'
  | 'setState'
>;

/** The default stream, as numpy.random is: started from the host's entropy unless `random.seed(n)` is called. */
export const random: RandomState = /* @__PURE__ */ new RandomState();

/** W = deviation · randn. Drawn and scaled in float64, then rounded: the same weights in every type. */
export function drawWeights(W: Tensor, deviation: number, source: RandomSource): void {
  scope(() => {
    const drawn = source.randn(...W.shape) as Tensor;
    kernels.unary('scale', drawn, drawn, deviation);
    kernels.convert(W, drawn);
  });
}
