// Random streams against NumPy. The figures in fixtures/random.json are what numpy.random.RandomState of NumPy 2.4.6 drew
// (fixtures/random.py writes them). Every bit must be equal, of normals too.
import * as lw from 'lanewise';
import { describe, expect, inject, test } from 'vitest';
import { RuntimeError } from '../src/errors.js';
import { RandomState as UnloadedState } from '../src/random.js';
import fixture from './fixtures/random.json';

type Call = (...args: unknown[]) => unknown;
type Methods = Record<string, Call>;

/** An argument of a fixture as the library takes it. */
function argument(given: unknown): unknown {
  if (Array.isArray(given)) return [...given];
  if (typeof given === 'object' && given !== null && 'tensor' in given) {
    return lw.tensor(given.tensor as lw.Nested, { dtype: 'float64' });
  }
  return given;
}

function draw(stream: lw.RandomState, [name, ...args]: unknown[]): unknown {
  const given = args.map(argument);
  const result = ((stream as unknown as Methods)[name as string] as Call).apply(stream, given);
  return name === 'shuffle' ? given[0] : result;
}

function plain(result: unknown): unknown {
  return result instanceof lw.Tensor ? result.toArray() : result;
}

/** FNV-1a over 32-bit words. */
function hash(words: ArrayLike<number>): number {
  let h = 2166136261;
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ (words[i] as number), 16777619);
  return h >>> 0;
}

function hashedState(stream: lw.RandomState): unknown {
  const state = stream.getState();
  return { ...state, key: hash(state.key) };
}

describe('draws of NumPy', () => {
  for (const { seed, results, state } of fixture.mixed) {
    const name = Array.isArray(seed) && seed.length > 9 ? `[${seed.length} words]` : JSON.stringify(seed);
    test(`a mixed sequence from seed ${name}`, () => {
      const stream = new lw.RandomState(seed);
      for (const [i, call] of fixture.calls.entries()) {
        expect(plain(draw(stream, call)), `${i}: ${JSON.stringify(call)}`).toEqual(results[i]);
      }
      expect(hashedState(stream)).toEqual(state);
    });
  }

  for (const { call, bits, state } of fixture.long) {
    test(`every bit of ${JSON.stringify(call)}`, () => {
      const stream = new lw.RandomState(231);
      lw.scope(() => {
        const { data } = draw(stream, call) as lw.Tensor;
        expect(hash(new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4))).toBe(bits);
      });
      expect(hashedState(stream)).toEqual(state);
    });
  }
});

describe('state', () => {
  test('is that of NumPy in the middle of a stream', () => {
    const stream = new lw.RandomState(231);
    stream.randn(1001).dispose();
    expect(stream.getState()).toEqual(fixture.middle.state);
  });

  test('of NumPy is gone on from, also through JSON and typed arrays', () => {
    const { state, randn, randint } = fixture.middle;
    for (const given of [state, { ...state, key: Uint32Array.from(state.key) }, JSON.parse(JSON.stringify(state))]) {
      const stream = new lw.RandomState(1);
      stream.setState(given);
      expect(stream.randn(4).toArray()).toEqual(randn);
      expect(stream.randint(0, 100, 5).toArray()).toEqual(randint);
    }
  });

  test('goes round: a copy draws what the original draws', () => {
    const stream = new lw.RandomState(5);
    stream.randn(7).dispose();
    const copy = new lw.RandomState();
    copy.setState(stream.getState());
    expect(copy.randn(700).toArray()).toEqual(stream.randn(700).toArray());
    expect(copy.permutation(20).toArray()).toEqual(stream.permutation(20).toArray());
    expect(copy.getState()).toEqual(stream.getState());
  });

  test('seed() starts anew and forgets the waiting normal', () => {
    const stream = new lw.RandomState(3);
    const first = stream.randn(3).toArray();
    stream.seed(3);
    expect(stream.getState().hasGauss).toBe(0);
    expect(stream.randn(3).toArray()).toEqual(first);
    stream.seed([3]);
    expect(stream.randn(3).toArray()).not.toEqual(first);
    stream.seed(Uint32Array.of(3));
    expect(stream.rand()).toBe(new lw.RandomState([3]).rand());
  });

  test('streams do not disturb each other', () => {
    const [a, b] = [new lw.RandomState(1), new lw.RandomState(2)];
    const mixed = Array.from({ length: 10 }, () => [a.randn(), b.randn()]);
    a.seed(1);
    b.seed(2);
    expect(Array.from({ length: 10 }, () => a.randn())).toEqual(mixed.map((pair) => pair[0]));
    expect(Array.from({ length: 10 }, () => b.randn())).toEqual(mixed.map((pair) => pair[1]));
  });

  test('unseeded streams differ; the default stream can be seeded', () => {
    expect(new lw.RandomState().rand()).not.toBe(new lw.RandomState(null).rand());
    expect(lw.random.getState().key).not.toEqual(new lw.RandomState().getState().key);
    lw.random.seed(231);
    expect(lw.random.randn(3).toArray()).toEqual(new lw.RandomState(231).randn(3).toArray());
    lw.random.seed();
    expect(lw.random.rand()).not.toBe(new lw.RandomState(231).rand());
  });

  test('needs no runtime; a draw does', () => {
    const stream = new UnloadedState(231);
    expect(stream.getState()).toEqual(new lw.RandomState(231).getState());
    expect(() => stream.rand()).toThrow(RuntimeError);
    expect(() => stream.rand(2)).toThrow(/await init\(\) first/);
    expect(stream.getState()).toEqual(new lw.RandomState(231).getState());
  });

  test('outlives the runtime', async () => {
    const through = new lw.RandomState(9);
    const again = new lw.RandomState(9);
    const first = through.randn(5).toArray();
    await lw.init({ build: inject('build'), threads: inject('threads') });
    expect([first, through.randn(5).toArray()]).toEqual([again.randn(5).toArray(), again.randn(5).toArray()]);
  });
});

describe('results', () => {
  test('types', () => {
    const stream = new lw.RandomState(0);
    const types = (...tensors: lw.Tensor[]) => tensors.map((t) => t.dtype);
    expect(types(stream.rand(2), stream.randn(2), stream.uniform(0, 1, 2), stream.normal(0, 1, [2]))).toEqual(
      Array(4).fill('float64'),
    );
    const option = { dtype: 'float32' } as const;
    expect(types(stream.rand(2, option), stream.randn(2, option), stream.uniform(0, 1, 2, option))).toEqual(
      Array(3).fill('float32'),
    );
    expect(types(stream.randint(0, 9, 2), stream.choice(9, 2), stream.permutation(3))).toEqual(Array(3).fill('int32'));
    expect(types(stream.randint(0, 2 ** 31, 2), stream.randint(-(2 ** 31), 0, 2))).toEqual(['int32', 'int32']);
    expect(types(stream.randint(0, 2 ** 31 + 1, 2))).toEqual(['float64']);
    expect(types(stream.choice([1, 2], 2), stream.choice([1, 2.5], 2))).toEqual(['int32', 'float64']);
    expect(types(stream.choice(Float32Array.of(1, 2), 2), stream.permutation(Uint8Array.of(1, 2)))).toEqual([
      'float32',
      'int32',
    ]);
    expect(types(stream.permutation(lw.zeros([3, 2])))).toEqual(['float32']);
    expect([typeof stream.rand(), typeof stream.randint(5), typeof stream.choice(5)]).toEqual(Array(3).fill('number'));
  });

  test('a single float32 is the rounded float64', () => {
    const value = new lw.RandomState(11).randn();
    expect(new lw.RandomState(11).randn({ dtype: 'float32' })).toBe(Math.fround(value));
  });

  test('shapes', () => {
    const stream = new lw.RandomState(0);
    expect(stream.rand(2, 3, 4).shape).toEqual([2, 3, 4]);
    expect(stream.uniform(0, 1, []).shape).toEqual([]);
    expect(stream.randint(0, 5, [2, 0]).shape).toEqual([2, 0]);
    expect(stream.choice(7, [3, 2]).shape).toEqual([3, 2]);
  });

  test('shuffle works on typed arrays of every kind', () => {
    const order = new lw.RandomState(4).permutation(50).toArray();
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    for (const list of [Int8Array.from(numbers), Uint16Array.from(numbers), Float64Array.from(numbers)]) {
      new lw.RandomState(4).shuffle(list);
      expect(Array.from(list)).toEqual(order);
    }
  });

  test('shuffle moves rows of any width, of any type', () => {
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      for (const width of [1, 2, 3, 5, 8, 17]) {
        const order = new lw.RandomState(width).permutation(9).data;
        const x = lw.arange(9 * width, { dtype }).reshape(9, width);
        new lw.RandomState(width).shuffle(x);
        expect(Array.from(x.data)).toEqual(
          Array.from(order).flatMap((i) => Array.from({ length: width }, (_, j) => i * width + j)),
        );
      }
    }
  });

  test('permutation leaves its argument as it was', () => {
    const x = lw.arange(12).reshape(6, 2);
    const list = ['a', 'b', 'c'];
    new lw.RandomState(1).permutation(x);
    new lw.RandomState(1).permutation(list);
    expect(Array.from(x.data)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(list).toEqual(['a', 'b', 'c']);
  });

  test('take no memory but their own', () => {
    const stream = new lw.RandomState(2);
    const before = lw.info().memory.live;
    stream.rand();
    stream.choice(100);
    stream.choice(['a', 'b', 'c'], 2, false);
    stream.choice(3, 3, false, [0.2, 0.3, 0.5]).dispose();
    stream.shuffle(Array.from({ length: 100 }, (_, i) => i));
    stream.choice(1000, 5, false).dispose();
    expect(lw.info().memory.live).toBe(before);
  });
});

describe('bad arguments are refused before a word is drawn', () => {
  const state = new lw.RandomState(8).getState();
  const refused: [name: string, use: (stream: lw.RandomState) => unknown, error: RegExp][] = [
    ['negative dimension', (s) => s.rand(2, -1), /^rand: size must be integers >= 0, got \[2, -1\]$/],
    ['broken dimension', (s) => s.randn(1.5), /^randn: size must be integers >= 0, got \[1\.5\]$/],
    ['shape as a list', (s) => s.rand([2, 3] as never), /^rand: shape must be .*rand\(\.\.\.shape\)/],
    [
      'too many elements',
      (s) => s.rand(65536, 65536),
      /^rand: size must be below 2\^31 elements, got \(65536, 65536\)$/,
    ],
    ['low = high', (s) => s.randint(5, 5), /^randint: high must be > low = 5, got 5$/],
    ['low > high', (s) => s.randint(5, 2, 3), /^randint: high must be > low = 5, got 2$/],
    ['no range', (s) => s.randint(0), /^randint: low must be > 0, got 0; one bound alone is the upper one$/],
    ['broken bound', (s) => s.randint(0, 2.5), /^randint: high must be an integer in .*, got 2\.5$/],
    ['NaN bound', (s) => s.randint(Number.NaN), /^randint: low must be an integer in .*, got NaN$/],
    [
      'bound beyond the type',
      (s) => s.randint(0, 257, 2, { dtype: 'uint8' }),
      /^randint: high must be .*256\], got 257$/,
    ],
    [
      'low beyond the type',
      (s) => s.randint(-1, 5, 2, { dtype: 'uint16' }),
      /^randint: low must be .*\[0, 65535\], got -1$/,
    ],
    ['bound beyond 2^53', (s) => s.randint(0, 2 ** 54), /^randint: high must be an integer in/],
    ['negative size', (s) => s.randint(0, 5, -2), /^randint: size must be integers >= 0, got -2$/],
    [
      'infinite uniform',
      (s) => s.uniform(0, Number.POSITIVE_INFINITY),
      /^uniform: high must be a finite number, got Infinity$/,
    ],
    ['overflowing uniform', (s) => s.uniform(-1e308, 1e308), /^uniform: high - low must be finite, got Infinity$/],
    ['negative scale', (s) => s.normal(0, -1, 3), /^normal: scale must be .*got -1$/],
    ['NaN loc', (s) => s.normal(Number.NaN), /^normal: loc must be a finite number, got NaN$/],
    ['choice of none', (s) => s.choice(0), /^choice: population must be an integer >= 1 or .*, got 0$/],
    ['choice of an empty list', (s) => s.choice([], 2), /^choice: population must be .*, got \[\]$/],
    ['choice of rows', (s) => s.choice(lw.zeros([2, 2]), 1), /^choice: population must be of one dimension/],
    [
      'choice of nothing',
      (s) => s.choice('abc' as never),
      /^choice: population must be an integer or a list, got 'abc'$/,
    ],
    [
      'more than there are',
      (s) => s.choice(3, 4, false),
      /^choice: size must be at most 3 with replace = false, got 4/,
    ],
    [
      'more than may be',
      (s) => s.choice(3, 3, false, [0.5, 0.5, 0]),
      /^choice: size must be at most 2, the number of p > 0/,
    ],
    ['p of another length', (s) => s.choice(3, 1, true, [0.5, 0.5]), /^choice: p must be a list of 3 probabilities/],
    [
      'p of another sum',
      (s) => s.choice(3, 1, true, [0.5, 0.5, 1e-7]),
      /^choice: p must be of sum 1, got sum 1\.0000001$/,
    ],
    ['negative p', (s) => s.choice(3, 1, true, [1.5, -0.5, 0]), /^choice: p must be not negative, got p\[1\] = -0\.5$/],
    ['p with NaN', (s) => s.choice(2, 1, true, [Number.NaN, 1]), /^choice: p must be not negative, got p\[0\] = NaN$/],
    ['replace', (s) => s.choice(3, 1, 0 as never), /^choice: replace must be true or false, got 0$/],
    ['beyond the narrow type', (s) => s.choice(300, 2, { dtype: 'uint8' }), /^choice: population must be at most 256/],
    ['permutation of -1', (s) => s.permutation(-1), /^permutation: population must be an integer/],
    ['permutation of a number', (s) => s.permutation(lw.full([], 3)), /^permutation: population must be .* with axes/],
    ['shuffle of text', (s) => s.shuffle('abc' as never), /^shuffle: list must be .*, got 'abc'$/],
    ['seed -1', (s) => s.seed(-1), /^seed: seed must be an integer in \[0, 4294967295\], got -1$/],
    ['seed 2^32', (s) => s.seed(2 ** 32), /^seed: seed must be .*, got 4294967296$/],
    ['broken seed', (s) => s.seed(1.5), /^seed: seed must be .*, got 1\.5$/],
    ['empty seed', (s) => s.seed([]), /^seed: seed must be .*, got \[\]$/],
    ['seed with -1', (s) => s.seed([1, -1]), /^seed: seed\[1\] must be .*, got -1$/],
    [
      'few words',
      (s) => s.setState({ ...state, key: [1, 2] }),
      /^setState: key must be a list of 624 words, got \[1, 2\]$/,
    ],
    [
      'broken word',
      (s) => s.setState({ ...state, key: state.key.with(3, -1) }),
      /^setState: key\[3\] must be .*, got -1$/,
    ],
    ['pos 625', (s) => s.setState({ ...state, pos: 625 }), /^setState: pos must be .*\[0, 624\], got 625$/],
    ['hasGauss 2', (s) => s.setState({ ...state, hasGauss: 2 }), /^setState: hasGauss must be .*, got 2$/],
    ['NaN normal', (s) => s.setState({ ...state, cachedGaussian: Number.NaN }), /^setState: cachedGaussian must be/],
  ];
  for (const [name, use, message] of refused) {
    test(name, () => {
      const stream = new lw.RandomState(77);
      stream.randn();
      const before = stream.getState();
      const attempt = () => use(stream);
      expect(attempt).toThrow(lw.ValueError);
      expect(attempt).toThrow(message);
      expect(stream.getState()).toEqual(before);
    });
  }

  test('the constructor names itself', () => {
    expect(() => new lw.RandomState(-1)).toThrow(/^RandomState: seed must be an integer in \[0, 4294967295\], got -1$/);
  });

  test('unknown options and types', () => {
    const stream = new lw.RandomState(77);
    const before = stream.getState();
    const attempts: [() => unknown, RegExp][] = [
      [() => stream.rand(2, { dtpe: 'float32' } as never), /^rand: unknown option 'dtpe'; did you mean 'dtype'\?$/],
      [
        () => stream.randn(2, { dtype: 'int32' } as never),
        /^randn: dtype must be one of 'float32', 'float64', got 'int32'/,
      ],
      [() => stream.randint(2, null, 2, { dtype: 'float32' as never }), /^randint: dtype must be one of 'int64'/],
      [
        () => stream.choice(5, 2, false, null, { dtype: 'uint8' }),
        /^choice: dtype 'uint8' is for draws with replacement/,
      ],
    ];
    for (const [attempt, message] of attempts) {
      expect(attempt).toThrow(lw.OptionError);
      expect(attempt).toThrow(message);
    }
    expect(stream.getState()).toEqual(before);
  });

  test('no room: nothing is drawn', () => {
    const stream = new lw.RandomState(77);
    const before = [stream.getState(), lw.info().memory.live];
    expect(() => stream.rand(2 ** 30)).toThrow(lw.MemoryError);
    expect(() => stream.choice(2 ** 30, 2 ** 30, false)).toThrow(lw.MemoryError);
    expect([stream.getState(), lw.info().memory.live]).toEqual(before);
  });

  test('p within the root of its precision from sum 1 will do', () => {
    const stream = new lw.RandomState(1);
    const third = Float32Array.of(1 / 3, 1 / 3, 1 / 3 + 1e-4);
    expect(stream.choice(3, 4, true, third).shape).toEqual([4]);
    expect(stream.choice(3, 4, true, lw.tensor(third)).shape).toEqual([4]);
    expect(() => stream.choice(3, 4, true, Array.from(third))).toThrow(lw.ValueError);
  });
});
