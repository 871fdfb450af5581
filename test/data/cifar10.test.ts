import * as lw from 'lanewise';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  BATCHES,
  type Batch,
  batch,
  batches,
  binary,
  binaryFiles,
  concat,
  difference,
  END,
  type Files,
  fileList,
  gzip,
  member,
  NAMES,
  PIXELS,
  pickled,
  pickledFiles,
  tar,
} from './files.js';

let live = 0;
beforeEach(() => {
  live = lw.info().memory.live;
});
/** Whatever a test made is freed, and nothing else was kept. */
afterEach(() => {
  expect(lw.info().memory.live).toBe(live);
});

function free(result: object): void {
  for (const value of Object.values(result)) if (value instanceof lw.Tensor) value.dispose();
}

/** The images of batches one after the other. */
function joined(list: Batch[]): Batch {
  return { labels: list.flatMap((one) => one.labels), pixels: concat(...list.map((one) => one.pixels)) };
}

/** Sizes around the block of 128 images in which they are widened: below, beyond, and on it. */
const SIZES = [40, 40, 40, 40, 40, 129];
const ALL = batches(SIZES);

function expectWhole(data: lw.Cifar10, all: Batch[], dtype = 'float32'): void {
  const parts = [
    [data.XTrain, data.yTrain, joined(all.slice(0, 5))],
    [data.XTest, data.yTest, joined(all.slice(5))],
  ] as const;
  for (const [X, y, { labels, pixels }] of parts) {
    expect(X.shape).toEqual([labels.length, 3, 32, 32]);
    expect(X.dtype).toBe(dtype);
    expect(y.dtype).toBe('int32');
    expect([...y.data]).toEqual(labels);
    expect(difference(X.data, pixels)).toBe(-1);
  }
  expect(data.classes).toEqual(NAMES);
}

/** The same files in an order as bad as that of the real archive. */
const shuffled = (files: Files): Files => [3, 5, 2, 6, 1, 4, 0].map((i) => files[i] as Files[number]);

describe('loadCifar10', () => {
  const kinds: [string, () => Promise<lw.DataSource> | lw.DataSource][] = [
    ['.tar.gz, binary', () => gzip(tar(shuffled(binaryFiles(ALL, 'cifar-10-batches-bin/'))))],
    ['.tar.gz, pickled', () => gzip(tar(shuffled(pickledFiles(ALL, 'cifar-10-batches-py/'))))],
    ['.tar', () => tar(binaryFiles(ALL, 'a/b/'))],
    ['ArrayBuffer', () => tar(binaryFiles(ALL)).buffer],
    ['Blob', async () => new Blob([await gzip(tar(binaryFiles(ALL)))])],
    ['File', async () => new File([await gzip(tar(binaryFiles(ALL)))], 'cifar-10-binary.tar.gz')],
    ['a list of one archive', async () => [new File([await gzip(tar(binaryFiles(ALL)))], 'cifar-10-binary.tar.gz')]],
    ['files of a folder, binary', () => fileList(shuffled(binaryFiles(ALL, 'data/cifar-10-batches-bin/')))],
    ['files of a folder, pickled', () => fileList(pickledFiles(ALL, 'cifar-10-batches-py/'))],
    ['object URL', async () => URL.createObjectURL(new Blob([await gzip(tar(binaryFiles(ALL)))]))],
  ];
  test.each(kinds)('%s', async (_, source) => {
    const data = await lw.loadCifar10(await source());
    expectWhole(data, ALL);
    free(data);
  });

  test('the layout follows from the content, not from the name', async () => {
    const files = ALL.map((one, k): Files[number] => [`${BATCHES[k]}.bin`, (k % 2 ? binary : pickled)(one)]);
    const data = await lw.loadCifar10(tar(files));
    expectWhole(data, ALL);
    free(data);
  });

  test('batches of unequal sizes, in any order', async () => {
    const all = batches([3, 1, 130, 2, 5, 4]);
    for (const files of [binaryFiles(all), shuffled(binaryFiles(all)), shuffled(pickledFiles(all))]) {
      const data = await lw.loadCifar10(tar(files));
      expectWhole(data, all);
      free(data);
    }
  });

  test('float64', async () => {
    const data = await lw.loadCifar10(tar(binaryFiles(ALL)), { dtype: 'float64' });
    expectWhole(data, ALL, 'float64');
    free(data);
  });

  test('names of the classes: given, or the official ones', async () => {
    const files = binaryFiles(ALL);
    const names = 'abcdefghij'.split('');
    files[6] = ['batches.meta.txt', concat(names.join('\r\n'))];
    const named = await lw.loadCifar10(tar(files));
    expect(named.classes).toEqual(names);
    const official = await lw.loadCifar10(tar(files.slice(0, 6)));
    expect(official.classes).toEqual(NAMES);
    free(named);
    free(official);
  });

  test('of two folders in one source the first counts; other files are left alone', async () => {
    const others = batches([1, 1, 1, 1, 1, 1]);
    const data = await lw.loadCifar10(
      tar([
        ['readme.html', concat('<html>')],
        ...binaryFiles(ALL, 'one/'),
        ['one/._data_batch_1.bin', concat('\x00\x05')],
        ...pickledFiles(others, 'two/'),
      ]),
    );
    expectWhole(data, ALL);
    free(data);
  });

  test('survives scopes around it and after it', async () => {
    const promise = lw.scope(() => ({ later: lw.loadCifar10(tar(binaryFiles(ALL))) }));
    lw.scope(() => lw.zeros([10]).shape);
    const data = await promise.later;
    expectWhole(data, ALL);
    free(data);
  });

  test('progress', async () => {
    const bytes = await gzip(tar(binaryFiles(ALL)));
    const seen: lw.Progress[] = [];
    free(await lw.loadCifar10(bytes, { onProgress: (progress) => seen.push(progress) }));
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.at(-1)).toMatchObject({ loaded: bytes.length, total: bytes.length });
    const files = fileList(binaryFiles(ALL));
    const total = files.reduce((sum, file) => sum + file.size, 0);
    free(await lw.loadCifar10(files, { onProgress: (progress) => seen.push(progress) }));
    expect(seen.at(-1)).toEqual({ loaded: total, total, file: 'test_batch.bin' });
  });

  test('a signal ends it with its reason', async () => {
    const reason = new Error('enough');
    const bytes = await gzip(tar(binaryFiles(ALL)));
    for (const source of [bytes, fileList(binaryFiles(ALL))]) {
      const stop = new AbortController();
      const loading = lw.loadCifar10(source, { signal: stop.signal, onProgress: () => stop.abort(reason) });
      await expect(loading).rejects.toBe(reason);
      await expect(lw.loadCifar10(source, { signal: stop.signal })).rejects.toBe(reason);
    }
  });
});

describe('getCifar10Data', () => {
  const source = () => tar(shuffled(binaryFiles(ALL)));
  const split = { numTraining: 150, numValidation: 30, numTest: 20 };

  /** What the notebooks compute, in float64: images in the order of the layout, and their mean. */
  function expected(layout: 'NCHW' | 'rows', dtype: 'float32' | 'float64') {
    const round = dtype === 'float32' ? Math.fround : (x: number) => x;
    const place = (p: number) => (layout === 'rows' ? (p % 3) * 1024 + Math.floor(p / 3) : p);
    const train = joined(ALL.slice(0, 5));
    const mean = Array.from({ length: PIXELS }, (_, p) => {
      let sum = 0;
      for (let i = 0; i < 150; i++) sum += train.pixels[i * PIXELS + place(p)] as number;
      return round(sum / 150);
    });
    const part = ({ labels, pixels }: Batch, from: number, to: number) => ({
      labels: labels.slice(from, to),
      raw: Array.from({ length: (to - from) * PIXELS }, (_, k) => {
        const i = from + Math.floor(k / PIXELS);
        return pixels[i * PIXELS + place(k % PIXELS)] as number;
      }),
    });
    return {
      mean,
      less: (raw: number[]) => raw.map((x, k) => round(x - (mean[k % PIXELS] as number))),
      parts: [part(train, 0, 150), part(train, 150, 180), part(ALL[5] as Batch, 0, 20)],
    };
  }

  for (const layout of ['NCHW', 'rows'] as const) {
    for (const dtype of ['float32', 'float64'] as const) {
      test(`${layout}, ${dtype}`, async () => {
        const data = await lw.getCifar10Data(source(), { ...split, layout, dtype });
        const { mean, less, parts } = expected(layout, dtype);
        const tail = layout === 'rows' ? [PIXELS] : [3, 32, 32];
        const sets = [
          [data.XTrain, data.yTrain],
          [data.XVal, data.yVal],
          [data.XTest, data.yTest],
        ] as const;
        for (const [k, [X, y]] of sets.entries()) {
          const { labels, raw } = parts[k] as (typeof parts)[number];
          expect(X.shape).toEqual([labels.length, ...tail]);
          expect(X.dtype).toBe(dtype);
          expect([...y.data]).toEqual(labels);
          expect(difference(X.data, less(raw))).toBe(-1);
        }
        expect(data.meanImage.shape).toEqual(tail);
        expect(difference(data.meanImage.data, mean)).toBe(-1);
        expect(data.classes).toEqual(NAMES);
        free(data);
      });
    }
  }

  test('without subtraction the mean is still there', async () => {
    const data = await lw.getCifar10Data(source(), { ...split, layout: 'rows', subtractMean: false });
    const { mean, parts } = expected('rows', 'float32');
    expect(difference(data.XVal.data, parts[1]?.raw ?? [])).toBe(-1);
    expect(difference(data.meanImage.data, mean)).toBe(-1);
    free(data);
  });

  test('takes parts of unequal batches', async () => {
    const all = batches([10, 300, 20, 30, 40, 7]);
    const data = await lw.getCifar10Data(tar(shuffled(pickledFiles(all))), {
      ...{ numTraining: 320, numValidation: 80, numTest: 7, subtractMean: false },
    });
    const train = joined(all.slice(0, 5));
    expect(difference(data.XTrain.data, train.pixels.subarray(0, 320 * PIXELS))).toBe(-1);
    expect(difference(data.XVal.data, train.pixels.subarray(320 * PIXELS))).toBe(-1);
    expect([...data.yVal.data]).toEqual(train.labels.slice(320));
    free(data);
  });

  test('empty validation and test sets', async () => {
    const data = await lw.getCifar10Data(source(), { numTraining: 200, numValidation: 0, numTest: 0 });
    expect([data.XTrain.shape[0], data.XVal.shape[0], data.XTest.shape[0]]).toEqual([200, 0, 0]);
    free(data);
  });

  test('the mean is exact where float32 sums are not', async () => {
    // 1,285 images of 255 and one of 254 per pixel: any rounding on the way shows.
    const labels = Array.from({ length: 257 }, () => 0);
    const pixels = new Uint8Array(257 * PIXELS).fill(255);
    const last = pixels.slice().fill(254, 256 * PIXELS);
    const all = [...Array(4).fill({ labels, pixels }), { labels, pixels: last }, batch(1, 1)];
    const data = await lw.getCifar10Data(tar(binaryFiles(all)), {
      ...{ numTraining: 1285, numValidation: 0, numTest: 0, dtype: 'float64' as const },
    });
    expect(new Set(data.meanImage.data)).toEqual(new Set([(255 * 1285 - 1) / 1285]));
    free(data);
  });

  test('refuses more images than there are', async () => {
    await expect(lw.getCifar10Data(source())).rejects.toThrow(
      'getCifar10Data: numTraining + numValidation must be at most 200, the images there are, got 50000',
    );
    await expect(lw.getCifar10Data(source(), { ...split, numTest: 130 })).rejects.toThrow(lw.ValueError);
  });

  test('refuses options that make no sense', async () => {
    const attempt = (options: object) => lw.getCifar10Data(source(), options);
    await expect(attempt({ numTraining: 0 })).rejects.toThrow(lw.ValueError);
    await expect(attempt({ numTest: 1.5 })).rejects.toThrow(lw.ValueError);
    await expect(attempt({ layout: 'NHWC' })).rejects.toThrow(lw.OptionError);
    await expect(attempt({ dtype: 'int32' })).rejects.toThrow(lw.OptionError);
    await expect(attempt({ numTraning: 5 })).rejects.toThrow("did you mean 'numTraining'?");
  });
});

describe('failures', () => {
  /** Six good files with one changed. */
  function changed(k: number, change: (content: Uint8Array) => Uint8Array, files = binaryFiles(ALL)): Files {
    return files.map(([name, content], i) => [name, i === k ? change(content) : content]);
  }
  const poke = (at: number, byte: number) => (content: Uint8Array) => {
    const copy = Uint8Array.from(content);
    copy[at] = byte;
    return copy;
  };

  async function refused(source: lw.DataSource): Promise<lw.DataError> {
    const error = await lw.loadCifar10(source).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(lw.DataError);
    expect((error as Error).message).not.toContain('\n');
    expect(lw.info().memory.live).toBe(live);
    return error as lw.DataError;
  }

  test('a label above 9', async () => {
    const error = await refused(fileList(changed(2, poke(7 * 3073, 10))));
    expect(error).toMatchObject({ file: 'data_batch_3.bin', offset: 7 * 3073, expected: 'a label from 0 to 9' });
    expect(error.message).toBe(
      'loadCifar10: data_batch_3.bin: expected a label from 0 to 9 at byte 21511, got 10; the file is damaged, or not CIFAR-10',
    );
  });

  test('a file cut off within a record', async () => {
    const error = await refused(fileList(changed(4, (content) => content.subarray(0, -1))));
    expect(error).toMatchObject({ file: 'data_batch_5.bin', offset: 39 * 3073 });
  });

  test('a foreign file in the place of a batch', async () => {
    expect((await refused(fileList(changed(0, () => concat('<html>not found'))))).message).toContain('the byte 3c');
  });

  test('an empty file', async () => {
    const error = await refused(tar(changed(5, () => new Uint8Array(0))));
    expect(error.file).toBe('the bytes given/test_batch.bin');
  });

  test('a missing batch', async () => {
    const error = await refused(tar(binaryFiles(ALL).filter((_, i) => i !== 3)));
    expect(error.message).toContain('got no data_batch_4');
  });

  test('the same batch twice', async () => {
    const files = binaryFiles(ALL);
    await refused(tar([...files, files[1] as Files[number]]));
  });

  test('neither archive nor list', async () => {
    expect((await refused(concat('hello'))).expected).toBe('a gzip or tar archive');
    expect((await refused(new Uint8Array(0))).expected).toBe('a gzip or tar archive');
    expect((await refused(await gzip(concat('hello')))).expected).toBe('a tar archive inside gzip');
    expect((await refused(binary(ALL[0] as Batch))).expected).toBe('a gzip or tar archive');
    expect((await refused(fileList([['a.txt', concat('a')]]))).expected).toBe('a gzip or tar archive');
    expect((await refused(fileList([...Array(2)].map(() => ['a.txt', concat('a')])))).message).toContain(
      'none of them',
    );
    for (const source of [undefined, null, 7, {}, [], ['data_batch_1'], 'http://[']) {
      await expect(lw.loadCifar10(source as unknown as lw.DataSource)).rejects.toThrow(lw.OptionError);
    }
  });

  test('broken gzip', async () => {
    const good = await gzip(tar(binaryFiles(ALL)));
    for (const bytes of [good.subarray(0, -9), good.subarray(0, good.length >> 1), good.subarray(0, 30)]) {
      expect((await refused(bytes)).expected).toBe('whole gzip data');
    }
    expect((await refused(poke(good.length >> 1, (good[good.length >> 1] as number) ^ 255)(good))).file).toContain(
      'the bytes',
    );
  });

  test('broken tar', async () => {
    const good = tar(binaryFiles(ALL));
    const error = await refused(good.subarray(0, 512 * 300 + 100));
    expect(error.expected).toBe('a whole tar archive');
    expect((await refused(poke(20, 65)(good))).expected).toBe('a gzip or tar archive');
    const second = 512 + 40 * 3073 + (-(40 * 3073) & 511);
    expect(await refused(poke(second, 65)(good))).toMatchObject({ expected: 'a tar header', offset: second });
    expect((await refused(good.subarray(0, -1024))).expected).toBe('a whole tar archive');
    expect((await refused(good.subarray(0, 512))).expected).toBe('a whole tar archive');
  });

  test('tar tricks', async () => {
    const files = binaryFiles(ALL);
    const [name, content] = files[0] as Files[number];
    const rest = tar(files.slice(1));
    for (const path of [`../${name}`, `a/../../${name}`, `/etc/${name}`, `..\\${name}`, `C:\\${name}`]) {
      expect((await refused(concat(member(path, content), rest))).expected).toBe('names that stay inside the archive');
    }
    // Links and folders are no batches.
    for (const type of ['1', '2', '5']) {
      expect((await refused(concat(member(name, new Uint8Array(0), { type }), rest))).message).toContain(
        'no data_batch_1',
      );
    }
    const negative = member('pax', concat('11 size=-5\n'), { type: 'x' });
    expect((await refused(concat(negative, tar(files)))).expected).toBe('a size');
    // A size that is not there, and one that no memory has.
    expect((await refused(concat(member(name, content, { size: 3073 * 41 }), END))).expected).toBe(
      'a whole tar archive',
    );
    const beyond = concat(member(name, content, { size: 2 ** 32 }), END);
    const huge = concat(member(name, content, { size: 3073 * 340000 }), END);
    // More than the archive can hold, or a gzip of that length can.
    for (const bytes of [beyond, huge, await gzip(huge)]) {
      expect((await refused(bytes)).message).toMatch(/expected a whole tar archive .* a file of \d+ bytes in it/);
    }
    // Where the length of the whole is unknown, limits of a batch and of memory are left.
    const url = (bytes: Uint8Array<ArrayBuffer>) => URL.createObjectURL(new Blob([bytes]));
    expect((await refused(url(beyond))).message).toContain('at most');
    await expect(lw.loadCifar10(url(huge))).rejects.toThrow(lw.MemoryError);
  });

  test('pickles that hold something else', async () => {
    const good = pickledFiles(ALL);
    const attempt = (content: Uint8Array) => refused(tar(changed(1, () => content, good)));
    expect((await attempt(concat('\x80\x02]q\x00.'))).message).toContain('a dictionary');
    expect((await attempt(concat('\x80\x02}U\x04dataNs.'))).message).toContain('keys data');
    expect((await attempt(concat('\x80\x02cos\nsystem\nU\x02id\x85R.'))).message).toContain('"os.system"');
    const one = ALL[1] as Batch;
    expect((await attempt(pickled({ ...one, labels: one.labels.slice(1), pixels: one.pixels }))).name).toBe(
      'DataError',
    );
    expect((await attempt(pickled({ ...one, labels: [...one.labels.slice(1), 17] }))).expected).toContain('label');
    expect((await attempt(pickled(one).subarray(0, -100))).message).toContain('before the end');
  });

  test('classes that are not ten', async () => {
    expect((await refused(tar(changed(6, () => concat('one\ntwo\n'))))).expected).toBe('10 names of classes');
    expect((await refused(tar(changed(6, () => new Uint8Array(2 ** 17).fill(10))))).expected).toBe(
      '10 names of classes',
    );
    const good = pickledFiles(ALL);
    expect((await refused(tar(changed(6, () => concat('\x80\x02N.'), good)))).expected).toBe('10 names of classes');
  });
});
