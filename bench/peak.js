/**
 * What the processor can do at most: loops of multiply-adds on registers alone, a plain copy, and an empty function. The
 * module is assembled here, instruction by instruction, so that no compiler stands between the text and what is measured
 * and nothing needs building before a page can run it.
 *
 * A sum is s += x * y as in a matrix product: the product does not wait for the sum. Within a step no two products are
 * equal, and after it the factors change places: otherwise the engine would compute products once and the loop would
 * measure additions. Only where multiply-add is one instruction may products repeat and factors stay.
 *
 * How many sums are in flight decides whether the pipes fill: with too few, each waits for its own last result; with too
 * many, they do not fit the registers (16 on x86-64, 32 on ARM). The best of all loops is the limit.
 */

const I32 = 0x7f;
const V128 = 0x7b;
const OPCODES = {
  float32: { mul: [0xe6, 0x01], add: [0xe4, 0x01], madd: [0x85, 0x02] },
  float64: { mul: [0xf2, 0x01], add: [0xf0, 0x01], madd: [0x87, 0x02] },
};
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const tee = (local) => [0x22, local];
const int = (value) => [0x41, ...signed(value)];
const simd = (opcode) => [0xfd, ...opcode];
const load = (offset) => [0xfd, 0x00, 4, ...unsigned(offset)];
const store = (offset) => [0xfd, 0x0b, 4, ...unsigned(offset)];
const SUB = 0x6b;
const ADD = 0x6a;
const again = (label) => [0x0d, label];
const loop = (body) => [0x03, 0x40, ...body, 0x0b];

function unsigned(value) {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

function signed(value) {
  const low = value & 0x7f;
  const rest = value >> 7;
  return (rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40) ? [low] : [low | 0x80, ...signed(rest)];
}

const vector = (items) => [...unsigned(items.length), ...items.flat()];
const section = (id, content) => [id, ...unsigned(content.length), ...content];
const named = (name) => vector([...new TextEncoder().encode(name)]);

/** Which factors make up sum k: all pairs, squares included, taken in turn. */
function pair(k, factors) {
  const pairs = [];
  for (let i = 0; i < factors; i++) for (let j = i; j < factors; j++) pairs.push([i, j]);
  return pairs[k % pairs.length];
}

/** (p, steps): loads factors and sums from p, does `steps` steps, stores the sums back. */
function sumsBody({ sums, factors, turning, dtype, madd }) {
  const op = OPCODES[dtype];
  const factor = (i) => 2 + i;
  const sum = (k) => 2 + factors + k;
  const code = [];
  for (let i = 0; i < factors + sums; i++) code.push(...get(0), ...load(16 * i), ...set(2 + i));
  const step = [];
  for (let k = 0; k < sums; k++) {
    const [i, j] = pair(k, factors);
    step.push(...get(factor(i)), ...get(factor(j)));
    if (madd) step.push(...get(sum(k)), ...simd(op.madd));
    else step.push(...simd(op.mul), ...get(sum(k)), ...simd(op.add));
    step.push(...set(sum(k)));
  }
  if (turning) {
    for (let i = 0; i < factors; i++) step.push(...get(factor((i + 1) % factors)));
    for (let i = factors; i-- > 0; ) step.push(...set(factor(i)));
  }
  code.push(...loop([...step, ...get(1), ...int(1), SUB, ...tee(1), ...again(0)]));
  for (let k = 0; k < sums; k++) code.push(...get(0), ...get(sum(k)), ...store(16 * (factors + k)));
  return { type: 0, locals: factors + sums, code };
}

/** (to, from, bytes): bytes a multiple of 64. */
function copyBody() {
  const step = [];
  for (let offset = 0; offset < 64; offset += 16) step.push(...get(0), ...get(1), ...load(offset), ...store(offset));
  for (const pointer of [0, 1]) step.push(...get(pointer), ...int(64), ADD, ...set(pointer));
  step.push(...get(2), ...int(64), SUB, ...tee(2), ...again(0));
  return { type: 1, locals: 0, code: loop(step) };
}

function assemble(functions, pages) {
  const types = [
    [0x60, 2, I32, I32, 0],
    [0x60, 3, I32, I32, I32, 0],
    [0x60, 0, 0],
  ];
  const names = Object.keys(functions);
  const bodies = Object.values(functions);
  const code = bodies.map(({ locals, code }) => {
    const body = [...(locals > 0 ? [1, ...unsigned(locals), V128] : [0]), ...code, 0x0b];
    return [...unsigned(body.length), ...body];
  });
  const exports = names.map((name, i) => [...named(name), 0, ...unsigned(i)]);
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(bodies.map(({ type }) => [type]))),
    ...section(5, vector([[0, ...unsigned(pages)]])),
    ...section(7, vector([...exports, [...named('memory'), 2, 0]])),
    ...section(10, vector(code)),
  ]);
}

/** Sums and factors of each loop; a product of its own takes one more register. All but the one of 16 are for x86-64. */
const DISTINCT = [
  { sums: 8, factors: 4, turning: true },
  { sums: 9, factors: 4, turning: true },
  { sums: 10, factors: 4, turning: true },
  { sums: 16, factors: 6, turning: true },
];
const REPEATING = [
  { sums: 11, factors: 4, turning: false },
  { sums: 12, factors: 3, turning: false },
  { sums: 13, factors: 2, turning: false },
];
const LANES = { float32: 4, float64: 2 };

/** Room for two arrays of this many bytes to copy between. */
export const COPY_BYTES = 8 * 2 ** 20;
const FIRST = 1024;

/** The loops of one build. fused: whether its multiply-add is one instruction here. */
export class Peak {
  /** { dtype, sums, factors, run(steps), flops (per step), verify() } */
  loops = [];

  constructor(build, fused) {
    const madd = build === 'relaxed';
    const shapes = fused ? [...DISTINCT, ...REPEATING] : DISTINCT;
    const specs = ['float32', 'float64'].flatMap((dtype) =>
      shapes.map((shape) => ({ ...shape, name: `${dtype} ${shape.sums}`, dtype, madd })),
    );
    const functions = Object.fromEntries(specs.map((spec) => [spec.name, sumsBody(spec)]));
    functions.copy = copyBody();
    functions.nothing = { type: 2, locals: 0, code: [] };
    const pages = 1 + (2 * COPY_BYTES) / 65536;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble(functions, pages)));
    this.memory = exports.memory;
    this.nothing = exports.nothing;
    /** Copies `bytes` (a multiple of 64, at most COPY_BYTES) from one fixed array to another. */
    this.copy = (bytes) => exports.copy(65536 + COPY_BYTES, 65536, bytes);
    for (const spec of specs) {
      const call = exports[spec.name];
      const flops = 2 * spec.sums * LANES[spec.dtype];
      this.loops.push({ ...spec, flops, run: (steps) => call(FIRST, steps), verify: () => this.#verify(spec, call) });
    }
  }

  /** Small integers, so that every order and rounding of the sums is exact. */
  #verify({ name, dtype, sums, factors, turning }, call) {
    const steps = 1001;
    const width = LANES[dtype];
    const numbers = new (dtype === 'float32' ? Float32Array : Float64Array)(
      this.memory.buffer,
      FIRST,
      (factors + sums) * width,
    );
    const expected = [];
    for (let i = 0; i < numbers.length; i++) numbers[i] = (i % 7) - 3;
    for (let k = 0; k < sums; k++) {
      const [i, j] = pair(k, factors);
      for (let lane = 0; lane < width; lane++) {
        let sum = numbers[(factors + k) * width + lane];
        for (let s = 0; s < steps; s++) {
          const turn = turning ? s : 0;
          sum += numbers[((i + turn) % factors) * width + lane] * numbers[((j + turn) % factors) * width + lane];
        }
        expected.push(sum);
      }
    }
    call(FIRST, steps);
    const wrong = expected.findIndex((value, n) => value !== numbers[factors * width + n]);
    if (wrong >= 0) {
      throw new Error(`peak ${name}: sum ${wrong} is ${numbers[factors * width + wrong]}, not ${expected[wrong]}`);
    }
    // From here on the sums stay near 1: neither overflow nor denormal numbers.
    numbers.fill(1);
    numbers.fill(2 ** -20, 0, factors * width);
  }
}
