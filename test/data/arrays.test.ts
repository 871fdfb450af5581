// Files of NumPy and MNIST. Those in test/fixtures/arrays are NumPy's own (see arrays.py beside it).
import * as fc from 'fast-check';
import * as lw from 'lanewise';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bits, firstDifference } from '../support.js';
import { concat, type Files, fileList, gzip, tar } from './files.js';

let live = 0;
beforeEach(() => {
  live = lw.info().memory.live;
});
/** Whatever a test made is freed, and nothing else was kept. */
afterEach(() => {
  expect(lw.info().memory.live).toBe(live);
});

function fixture(name: string): URL {
  const path = `fixtures/arrays/${name}`;
  return typeof document === 'undefined'
    ? new URL(`../${path}`, import.meta.url)
    : new URL(`/test/${path}`, location.origin);
}

/** Bytes of a fixture, through a tensor: `fetch` reads no files in Node. */
async function bytesOf(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = fixture(name);
  if (url.protocol !== 'file:') return new Uint8Array(await (await fetch(url)).arrayBuffer());
  const { readFile } = await import('node:fs/promises');
  return Uint8Array.from(await readFile(url));
}

/** What is in a tensor, which ends. */
function taken(t: lw.Tensor): { dtype: string; shape: readonly number[]; values: number[] } {
  const found = { dtype: t.dtype, shape: t.shape, values: [...t.data] };
  t.dispose();
  return found;
}

async function refused(reading: Promise<unknown>, kind: new (...args: never[]) => Error = lw.DataError) {
  const error = await reading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  expect((error as Error).message).not.toContain('\n');
  expect(lw.info().memory.live).toBe(live);
  return error as lw.DataError;
}

const COUNTING = [0, 1, 2, 3, 4, 5];

describe('readNpy', () => {
  const arrays: [string, string, number[], number[]][] = [
    ['float32', 'float32', [2, 3], COUNTING.map((i) => i / 4)],
    ['float64', 'float64', [2, 3], COUNTING.map((i) => i / 3)],
    ['float16', 'float32', [6], [0, -0.5, 65504, 2 ** -24, Number.POSITIVE_INFINITY, Number.NaN]],
    ['int64', 'int32', [2, 3], COUNTING.map((i) => i - 3)],
    ['uint8', 'int32', [2, 3], COUNTING.map((i) => i * 51)],
    ['uint32', 'int32', [2], [0, 7]],
    ['bool', 'int32', [2, 3], [1, 0, 1, 0, 1, 0]],
    ['bigendian', 'float64', [2, 3], COUNTING.map((i) => i - 2.5)],
    ['bigendian16', 'int32', [2], [-2, 258]],
    ['fortran', 'int32', [2, 3, 4], Array.from({ length: 24 }, (_, i) => i)],
    ['scalar', 'float64', [], [2.5]],
    ['empty', 'float32', [0, 3], []],
    ['version2', 'float32', [2, 3], COUNTING],
  ];
  test.each(arrays)('%s of NumPy', async (name, dtype, shape, values) => {
    expect(taken(await lw.readNpy(fixture(`${name}.npy`)))).toEqual({ dtype, shape, values });
  });

  test.each(['float32', 'float64', 'int32'] as const)('as %s', async (dtype) => {
    const values = COUNTING.map((i) => i * 51);
    expect(taken(await lw.readNpy(fixture('uint8.npy'), { dtype }))).toEqual({ dtype, shape: [2, 3], values });
    const large = lw.readNpy(fixture('large.npy'), { dtype });
    if (dtype === 'int32') expect(await refused(large)).toMatchObject({ offset: 128 });
    else expect(taken(await large).values).toEqual([2 ** 31]);
  });

  test('fractions and infinities are no int32', async () => {
    const error = await refused(lw.readNpy(fixture('float32.npy'), { dtype: 'int32' }));
    expect(error).toMatchObject({ offset: 132, expected: 'numbers that are int32', value: '0.25' });
    await refused(lw.readNpy(fixture('float16.npy'), { dtype: 'int32' }));
  });

  test('from bytes at any offset, a buffer, a Blob, a File, in pieces', async () => {
    const bytes = await bytesOf('float64.npy');
    const shifted = concat([0], bytes).subarray(1);
    const values = COUNTING.map((i) => i / 3);
    for (const source of [shifted, bytes.buffer, new Blob([bytes]), new File([bytes], 'a.npy')]) {
      expect(taken(await lw.readNpy(source)).values).toEqual(values);
    }
    const swapped = await bytesOf('bigendian.npy');
    const before = swapped.slice();
    expect(taken(await lw.readNpy(swapped)).values).toEqual(COUNTING.map((i) => i - 2.5));
    expect(firstDifference(swapped, before)).toBe(-1);
  });

  test.each(['text', 'complex', 'record', 'objects', 'large'])('%s is refused', async (name) => {
    const error = await refused(lw.readNpy(fixture(`${name}.npy`)));
    expect(error.file).toContain(`${name}.npy`);
    expect(error.offset).toBeGreaterThan(9);
  });

  /** A file of version 1 with this header; `tail` behind it. */
  const file = (header: string, tail: readonly number[] = []) =>
    concat('\x93NUMPY\x01\x00', [header.length & 255, header.length >> 8], header, tail);
  const header = (shape: string, descr = "'<f4'") =>
    `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }\n`;

  test('a header that other programs write', async () => {
    const tail = [0, 0, 128, 63];
    for (const text of [
      `{"shape":(1,),"fortran_order":False,"descr":"<f4"}`,
      `{ 'fortran_order' : True , 'shape' : ( 1L , 1 ) , 'descr' : '<f4' }`,
      header('(1)'),
    ]) {
      expect(taken(await lw.readNpy(file(text, tail))).values).toEqual([1]);
    }
  });

  test.each([
    ['nothing', concat(), 'a .npy file'],
    ['another format', concat('PK\x03\x04 and more'), 'a .npy file'],
    ['its beginning', concat('\x93NUMPY\x01'), '10 bytes or more'],
    ['version 4', concat('\x93NUMPY\x04\x00\x00\x00\x00\x00'), 'version 1.0, 2.0 or 3.0'],
    ['a long header', concat('\x93NUMPY\x02\x00\xff\xff\xff\xff', '{'), 'a header of at most 10000 bytes'],
    ['half a header', file(header('(1,)')).subarray(0, 40), '68 bytes or more'],
    ['no dictionary', file('__import__("os")'), 'a dictionary of Python'],
    ['a key twice', file(`{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}`), 'once each'],
    ['a foreign key', file(`{'descr': '<f4', '__proto__': '<f4', 'fortran_order': False, 'shape': ()}`), 'once each'],
    ['a missing key', file(`{'descr': '<f4', 'shape': ()}`), "'fortran_order'"],
    ['words behind it', file(`${header('()')} {}`), 'the end of the header'],
    ['a negative length', file(header('(-1,)')), 'a dictionary of Python'],
    ['a length of 2^31', file(header('(2147483648,)')), 'numbers below 2^31'],
    ['many digits', file(header(`(${'9'.repeat(50)},)`)), 'numbers below 2^31'],
    ['33 axes', file(header(`(${'1,'.repeat(33)})`)), 'at most 32 axes'],
    ['a shape in a shape', file(header('((1,),)')), 'numbers below 2^31'],
    ['a huge shape', file(header('(2147483647, 2147483647, 2147483647)')), 'numbers of 4 bytes'],
    ['too few numbers', file(header('(3,)'), [0, 0, 0, 0]), '3 numbers of 4 bytes for shape (3,)'],
    ['too many', file(header('(1,)'), [0, 0, 0, 0, 0]), '1 numbers of 4 bytes for shape (1,)'],
    ['floats of 16 bytes', file(header('()', "'<f16'")), 'a type of numbers'],
    ['dates', file(header('()', "'<M8[s]'")), 'a type of numbers'],
  ])('%s is refused', async (_, bytes, expected) => {
    const error = await refused(lw.readNpy(bytes));
    expect(error.expected).toContain(expected);
    expect(error.file).toBe('the bytes given');
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
  });

  test('says what, where and what instead', async () => {
    const error = await refused(lw.readNpy(file(header('(3,)'), [0, 0, 0, 0])));
    expect(error.message).toBe(
      'readNpy: the bytes given: expected 3 numbers of 4 bytes for shape (3,) at byte 68, got 4 bytes',
    );
  });

  test('options and sources are checked', async () => {
    const bytes = await bytesOf('float32.npy');
    await refused(lw.readNpy(bytes, { dtyp: 'int32' } as lw.ArrayOptions), lw.OptionError);
    await refused(lw.readNpy(bytes, { dtype: 'int8' as 'int32' }), lw.DTypeError);
    await refused(lw.readNpy(bytes, { maxBytes: 0 }), lw.ValueError);
    expect((await refused(lw.readNpy(bytes, { maxBytes: 100 }))).expected).toBe('at most 100 bytes');
    for (const source of [undefined, 7, {}, [bytes]]) {
      await refused(lw.readNpy(source as unknown as lw.FileSource), lw.OptionError);
    }
    await refused(lw.readNpy(new URL('no-such-file.npy', fixture('x'))));
    const seen: number[] = [];
    (await lw.readNpy(bytes, { onProgress: ({ loaded }) => seen.push(loaded) })).dispose();
    expect(seen).toEqual([152]);
    const { signal } = AbortSignal.abort === undefined ? new AbortController() : { signal: AbortSignal.abort() };
    await expect(lw.readNpy(bytes, { signal })).rejects.toThrow(/abort/i);
  });
});

describe('writeNpy', () => {
  test.each(['float32', 'float64', 'scalar', 'empty'])('%s: the bytes of NumPy', async (name) => {
    const array = await lw.readNpy(fixture(`${name}.npy`));
    expect(firstDifference(await lw.writeNpy(array), await bytesOf(`${name}.npy`))).toBe(-1);
    array.dispose();
  });

  test('views and tensors of other kinds', async () => {
    const rows = lw.arange(6).reshape(3, 2);
    expect(taken(await lw.readNpy(await lw.writeNpy(rows.rows(1, 2))))).toEqual({
      dtype: 'int32',
      shape: [1, 2],
      values: [2, 3],
    });
    rows.dispose();
    await refused(lw.writeNpy([1, 2] as unknown as lw.Tensor), lw.DTypeError);
    await refused(lw.writeNpy(rows), lw.RuntimeError);
  });
});

/** Tensors of any type, with up to five axes, their bits at random. */
const anyTensor = fc.record({
  dtype: fc.constantFrom('float32' as const, 'float64' as const, 'int32' as const),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 }),
  seed: fc.integer(),
});

function made({ dtype, shape, seed }: { dtype: lw.DType; shape: number[]; seed: number }): lw.Tensor {
  const t = lw.zeros(shape, { dtype });
  const words = new Int32Array(t.data.buffer, t.data.byteOffset, t.data.byteLength / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed + i, 0x9e3779b1) ^ (seed >> 3);
  return t;
}

function expectSame(got: lw.Tensor, wanted: lw.Tensor): void {
  expect([got.dtype, got.shape]).toEqual([wanted.dtype, wanted.shape]);
  expect(firstDifference(bits(got), bits(wanted))).toBe(-1);
}

describe('there and back', () => {
  test('.npy keeps every bit', () =>
    fc.assert(
      fc.asyncProperty(anyTensor, async (description) => {
        const t = made(description);
        const back = await lw.readNpy(await lw.writeNpy(t));
        expectSame(back, t);
        back.dispose();
        t.dispose();
      }),
      { numRuns: 60 },
    ));

  test('.npz keeps every name and bit', () =>
    fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 12 }), anyTensor, { maxKeys: 5 }),
        fc.boolean(),
        async (descriptions, compress) => {
          const plain = Object.fromEntries(Object.entries(descriptions).map(([name, one]) => [name, made(one)]));
          const back = await lw.readNpz(await lw.writeNpz(plain, { compress }));
          expect(Object.keys(back).sort()).toEqual(Object.keys(plain).sort());
          for (const name of Object.keys(plain)) expectSame(back[name] as lw.Tensor, plain[name] as lw.Tensor);
          for (const t of [...Object.values(back), ...Object.values(plain)]) t.dispose();
        },
      ),
      { numRuns: 60 },
    ));
});

describe('readNpz', () => {
  const X = { dtype: 'float32', shape: [2, 3], values: COUNTING };
  const y = { dtype: 'int32', shape: [2], values: [1, 0] };

  test.each(['stored', 'deflated'])('%s by NumPy', async (name) => {
    const arrays = await lw.readNpz(fixture(`${name}.npz`));
    expect(Object.keys(arrays)).toEqual(name === 'stored' ? ['X', 'y'] : ['X', 'y', 'zeros']);
    if (arrays.zeros) expect(taken(arrays.zeros)).toMatchObject({ shape: [20, 20], values: Array(400).fill(0) });
    expect(taken(arrays.X as lw.Tensor)).toEqual(X);
    expect(taken(arrays.y as lw.Tensor)).toEqual(y);
  });

  test('names choose', async () => {
    const { y: only, ...others } = await lw.readNpz(fixture('deflated.npz'), { names: ['y'], dtype: 'float64' });
    expect(others).toEqual({});
    expect(taken(only as lw.Tensor)).toEqual({ ...y, dtype: 'float64' });
    const error = await refused(lw.readNpz(fixture('stored.npz'), { names: ['X', 'z'] }));
    expect(error.message).toContain("an array 'z', got X, y");
    await refused(lw.readNpz(fixture('stored.npz'), { names: 'X' as unknown as string[] }), lw.OptionError);
  });

  test('names of what every object has', async () => {
    const one = lw.ones([2]);
    const names = Object.fromEntries([['__proto__', one] as const, ['toString', one], ['a/b', one], ['../c', one]]);
    const arrays = await lw.readNpz(await lw.writeNpz(names));
    expect(Object.getPrototypeOf(arrays)).toBe(null);
    expect(Object.keys(arrays)).toEqual(['__proto__', 'toString', 'a/b', '../c']);
    for (const t of [one, ...Object.values(arrays)]) t.dispose();
    expect(Object.hasOwn(Object.prototype, 'shape')).toBe(false);
  });

  test('what writeNpz refuses', async () => {
    for (const arrays of [undefined, null, 7]) await refused(lw.writeNpz(arrays as never), lw.OptionError);
    await refused(lw.writeNpz({ a: [1] as never }), lw.DTypeError);
    await refused(lw.writeNpz({}, { compress: 1 as never }), lw.OptionError);
    await refused(lw.writeNpz({ ['a'.repeat(1001)]: [] as never }), lw.ValueError);
  });

  test('every flipped byte is noticed, or does no harm', async () => {
    for (const name of ['stored', 'deflated']) {
      const good = await bytesOf(`${name}.npz`);
      let noticed = 0;
      for (let at = 0; at < good.length; at++) {
        const bad = good.slice();
        bad[at] = (bad[at] as number) ^ 0x15;
        const arrays = await lw.readNpz(bad).catch((error: unknown) => {
          expect(error).toBeInstanceOf(lw.DataError);
          noticed++;
          return {};
        });
        // Content has a checksum; what can change is a name, a time, a hint.
        for (const t of Object.values(arrays)) t.dispose();
      }
      expect(noticed).toBeGreaterThan(good.length / 2);
    }
  });

  describe('archives made to harm', () => {
    /** Stored .npz of one array with some bytes changed; offsets count from the directory's entry or the end record. */
    async function changed(change: (view: DataView, directory: number, end: number) => void): Promise<Uint8Array> {
      const one = lw.ones([4]);
      const bytes = await lw.writeNpz({ a: one });
      one.dispose();
      const view = new DataView(bytes.buffer);
      change(view, view.getUint32(bytes.length - 6, true), bytes.length - 22);
      return bytes;
    }
    const cases: [string, Parameters<typeof changed>[0], string][] = [
      ['no end', (view, _, end) => view.setUint32(end, 0), 'a zip archive'],
      ['encrypted', (view, at) => view.setUint16(at + 8, 1, true), 'not encrypted'],
      ['an unknown method', (view, at) => view.setUint16(at + 10, 12, true), 'stored or deflated'],
      ['a sum that is wrong', (view, at) => view.setUint32(at + 16, 1, true), 'content of sum 00000001'],
      ['two sizes', (view, at) => view.setUint32(at + 24, 2 ** 31, true), 'one size of a stored entry'],
      ['beyond the directory', (view, at) => [20, 24].map((o) => view.setUint32(at + o, 4000, true)), '4000 bytes'],
      ['a place outside', (view, at) => view.setUint32(at + 42, 0xfffffff0, true), 'the place of an entry'],
      ['a place that is no entry', (view, at) => view.setUint32(at + 42, 7, true), 'the place of an entry'],
      [
        'more entries than there are',
        (view, _, end) => [8, 10].map((o) => view.setUint16(end + o, 2, true)),
        'an entry',
      ],
      ['several disks', (view, _, end) => view.setUint16(end + 4, 1, true), 'in one piece'],
      ['zip64', (view, _, end) => [8, 10].map((o) => view.setUint16(end + o, 0xffff, true)), 'less than 4 GiB'],
      ['a shifted directory', (view, _, end) => view.setUint32(end + 16, 3, true), 'a directory that ends here'],
      ['a long name', (view, at) => view.setUint16(at + 28, 500, true), 'an entry within the directory'],
    ];
    test.each(cases)('%s', async (_, change, expected) => {
      const error = await refused(lw.readNpz(await changed(change)));
      expect(error.expected).toContain(expected);
    });

    test('a bomb: megabytes of zeros in kilobytes', async () => {
      const zeros = lw.zeros([2 ** 20]);
      const bomb = await lw.writeNpz({ a: zeros, b: zeros }, { compress: true });
      zeros.dispose();
      expect(bomb.length).toBeLessThan(20_000);
      const { a, b } = await lw.readNpz(bomb);
      for (const t of [a, b]) t?.dispose();
      expect((await refused(lw.readNpz(bomb, { maxBytes: 6 * 2 ** 20 }))).expected).toContain('when unpacked');
      // One that says it is smaller than it is.
      const view = new DataView(bomb.buffer);
      view.setUint32(view.getUint32(bomb.length - 6, true) + 24, 1000, true);
      expect((await refused(lw.readNpz(bomb))).message).toContain('more than 1000 bytes');
    });

    test('entries that share their bytes', async () => {
      const one = lw.ones([4]);
      const bytes = await lw.writeNpz({ a: one, b: one });
      one.dispose();
      const view = new DataView(bytes.buffer);
      const second = view.getUint32(bytes.length - 6, true) + 46 + 5;
      view.setUint32(second + 42, 0, true);
      expect((await refused(lw.readNpz(bytes))).expected).toBe('entries that do not overlap');
      // The same name twice.
      view.setUint8(second + 46, 'a'.charCodeAt(0));
      expect((await refused(lw.readNpz(bytes))).expected).toBe('each name once');
    });

    test('a file in it that is no array', async () => {
      const array = await bytesOf('text.npy');
      const good = await bytesOf('stored.npz');
      const error = await refused(lw.readNpz(concat(good.subarray(0, 100), array)));
      expect(error.expected).toBe('a zip archive');
    });
  });
});

describe('IDX', () => {
  const images = { dtype: 'int32', shape: [2, 3, 4], values: Array.from({ length: 24 }, (_, i) => 10 * i) };

  test.each(['images.idx', 'images.idx.gz'])('%s', async (name) => {
    expect(taken(await lw.readIdx(fixture(name)))).toEqual(images);
    expect(taken(await lw.readIdx(fixture(name), { dtype: 'float32' }))).toEqual({ ...images, dtype: 'float32' });
  });

  test('numbers of 8 bytes', async () => {
    expect(taken(await lw.readIdx(fixture('doubles.idx')))).toEqual({
      dtype: 'float64',
      shape: [2],
      values: [1.5, -2],
    });
  });

  test.each([
    ['nothing', [], 'the four bytes'],
    ['text', concat('hello'), 'an IDX file'],
    ['type 10', [0, 0, 10, 1, 0, 0, 0, 0], 'an IDX file'],
    ['255 axes', [0, 0, 8, 255, 0, 0, 0, 0], 'at most 32 axes'],
    ['half its lengths', [0, 0, 8, 2, 0, 0, 0, 1], 'lengths of 2 axes'],
    ['a length of 2^31', [0, 0, 8, 1, 128, 0, 0, 0], 'below 2^31'],
    ['too few numbers', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2], '3 numbers of 1 bytes'],
    ['too many', [0, 0, 8, 1, 0, 0, 0, 1, 1, 2], '1 numbers of 1 bytes'],
    ['broken gzip', [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 255], 'whole gzip data'],
  ])('%s is refused', async (_, bytes, expected) => {
    expect((await refused(lw.readIdx(concat(bytes)))).expected).toContain(expected);
  });

  test('a gzip bomb', async () => {
    const bomb = await gzip(concat([0, 0, 8, 1, 0, 0x40, 0, 0], new Uint8Array(2 ** 22)));
    expect(bomb.length).toBeLessThan(10_000);
    expect((await refused(lw.readIdx(bomb, { maxBytes: 2 ** 20 }))).message).toContain('more than 1048576 bytes');
    expect(taken(await lw.readIdx(bomb)).shape).toEqual([2 ** 22]);
  });
});

describe('loadMnist', () => {
  const idx = (shape: readonly number[], numbers: readonly number[]) =>
    concat([0, 0, 8, shape.length], ...shape.map((n) => [0, 0, n >> 8, n & 255]), numbers);
  const pixels = (n: number) => Array.from({ length: n * 6 }, (_, i) => (i * 7) % 256);
  const FILES: Files = [
    ['train-images-idx3-ubyte', idx([3, 2, 3], pixels(3))],
    ['train-labels-idx1-ubyte', idx([3], [4, 5, 6])],
    ['t10k-images-idx3-ubyte', idx([2, 2, 3], pixels(2))],
    ['t10k-labels-idx1-ubyte', idx([2], [9, 0])],
  ];
  const packed = async (files: Files): Promise<Files> =>
    Promise.all(
      files.map(async ([name, content]) => [`${name}.gz`, await gzip(Uint8Array.from(content))] as const),
    ) as Promise<Files>;
  const changed = (k: number, content: Uint8Array): Files =>
    FILES.map(([name, before], i) => [name, i === k ? content : before]);

  function expectAll({ XTrain, yTrain, XTest, yTest }: lw.Mnist, dtype = 'float32'): void {
    expect(taken(XTrain)).toEqual({ dtype, shape: [3, 1, 2, 3], values: pixels(3) });
    expect(taken(yTrain)).toEqual({ dtype: 'int32', shape: [3], values: [4, 5, 6] });
    expect(taken(XTest)).toEqual({ dtype, shape: [2, 1, 2, 3], values: pixels(2) });
    expect(taken(yTest)).toEqual({ dtype: 'int32', shape: [2], values: [9, 0] });
  }

  test('plain, gzipped, with dots, in a folder, in an archive', async () => {
    expectAll(await lw.loadMnist(fileList(FILES)));
    expectAll(await lw.loadMnist(fileList(await packed(FILES))), 'float32');
    expectAll(await lw.loadMnist(fileList(FILES.map(([name, c]) => [name.replace('-idx', '.idx'), c]))));
    expectAll(await lw.loadMnist(fileList(FILES.map(([name, c]) => [`fashion/${name}`, c]))));
    expectAll(await lw.loadMnist(tar(await packed(FILES)), { dtype: 'float64' }), 'float64');
    expectAll(await lw.loadMnist(await gzip(tar(FILES))));
  });

  test('what was unpacked beside the packed counts once', async () => {
    expectAll(await lw.loadMnist(fileList([...FILES, ...(await packed(FILES))])));
  });

  test('files that are missing, double or do not fit', async () => {
    const attempt = async (files: Files) => (await refused(lw.loadMnist(fileList(files)))).message;
    expect(await attempt(FILES.slice(1))).toContain('no train images');
    expect(await attempt([...FILES, ['emnist-train-labels-idx1-ubyte', idx([1], [1])]])).toContain(
      'one file of train labels',
    );
    expect(await attempt(changed(0, idx([3, 6], pixels(3))))).toContain('images: (N, H, W), got shape (3, 6)');
    expect(await attempt(changed(3, idx([3], [1, 2, 3])))).toContain('2 labels, got shape (3,)');
    expect(await attempt(changed(2, idx([2, 2, 3], [1])))).toContain('12 numbers of 1 bytes');
    expect(await attempt(changed(1, concat('hello')))).toContain('an IDX file');
  });
});
