// Features against an independent program of plain loops in float64, written after what the course's features.py does with
// NumPy, SciPy's uniform_filter and matplotlib's rgb_to_hsv; where those decide by the last bit, against what they gave.
import * as lw from 'lanewise';
import { describe, expect, test, vi } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats, thrown, uniforms } from './support.js';

interface Picture {
  H: number;
  W: number;
  C: number;
  data: number[];
}

/** Whole numbers 0..255 in patches of some pixels, so that gradients of 0 and grey pixels occur as well. */
function picture(H: number, W: number, C: number, seed: number): Picture {
  const next = uniforms(seed);
  const colours = Array.from({ length: 64 * C }, () => Math.floor(256 * next()));
  const data: number[] = [];
  for (let i = 0; i < H * W; i++) {
    const patch = Math.floor((i % W) / 3) + 5 * Math.floor(Math.floor(i / W) / 4);
    for (let c = 0; c < C; c++) {
      data.push(
        next() < 0.6 ? Math.floor(256 * next()) : (colours[(patch * C + (seed % 2 ? c : 0)) % (64 * C)] as number),
      );
    }
  }
  return { H, W, C, data };
}

const asTensor = ({ H, W, C, data }: Picture, dtype: lw.DType = 'float64') =>
  lw.tensor(data, { shape: C === 1 ? [H, W] : [H, W, C], dtype });

function batch(pictures: Picture[], dtype: lw.DType = 'float64'): lw.Tensor {
  const { H, W, C } = pictures[0];
  return lw.tensor(
    pictures.flatMap((p) => p.data),
    { shape: C === 1 ? [pictures.length, H, W] : [pictures.length, H, W, C], dtype },
  );
}

/** Mean magnitude in each cell and bin; a bin is a half-open range of degrees. */
function hogReference({ H, W, C, data }: Picture): number[] {
  const grey = (r: number, c: number) => {
    const at = (r * W + c) * C;
    return C === 1 ? data[at] : data[at] * 0.299 + data[at + 1] * 0.587 + data[at + 2] * 0.144;
  };
  const result: number[] = [];
  for (let column = 0; column + 8 <= W; column += 8) {
    for (let row = 0; row + 8 <= H; row += 8) {
      const bins = Array<number>(9).fill(0);
      for (let r = row; r < row + 8; r++) {
        for (let c = column; c < column + 8; c++) {
          const gx = c === W - 1 ? 0 : grey(r, c + 1) - grey(r, c);
          const gy = r === H - 1 ? 0 : grey(r + 1, c) - grey(r, c);
          const degrees = Math.atan2(gy, gx + 1e-15) * (180 / Math.PI) + 90;
          const bin = bins.findIndex((_, k) => degrees > 0 && 20 * k <= degrees && degrees < 20 * (k + 1));
          if (bin >= 0) bins[bin] += Math.sqrt(gx ** 2 + gy ** 2) / 64;
        }
      }
      result.push(...bins);
    }
  }
  return result;
}

interface Bins {
  nbin?: number;
  xmin?: number;
  xmax?: number;
  normalized?: boolean;
}

function hueReference({ data }: Picture, { nbin = 10, xmin = 0, xmax = 255, normalized = true }: Bins = {}): number[] {
  const edges = Array.from({ length: nbin + 1 }, (_, k) => (k === nbin ? xmax : k * ((xmax - xmin) / nbin) + xmin));
  const counts = Array<number>(nbin).fill(0);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i] / xmax, data[i + 1] / xmax, data[i + 2] / xmax];
    const high = Math.max(r, g, b);
    const delta = high - Math.min(r, g, b);
    let hue = 0;
    if (delta > 0 && r === high) hue = (g - b) / delta;
    if (delta > 0 && g === high) hue = 2 + (b - r) / delta;
    if (delta > 0 && b === high) hue = 4 + (r - g) / delta;
    hue /= 6;
    hue = (hue - Math.floor(hue)) * xmax;
    const bin = edges.findLastIndex((edge) => edge <= hue);
    if (bin >= 0 && hue <= xmax) counts[Math.min(bin, nbin - 1)]++;
  }
  const total = counts.reduce((a, n) => a + n, 0);
  return counts.map((n, k) => {
    const width = edges[k + 1] - edges[k];
    if (!normalized) return n * width;
    return total === 0 ? 0 : (n / width / total) * width;
  });
}

const tolerances = { float32: 3e-6, float64: 1e-12 } as const;

describe('hogFeature', () => {
  test.each([
    [8, 8, 3],
    [8, 8, 1],
    [32, 32, 3],
    [32, 32, 1],
    [9, 17, 3],
    [15, 23, 3],
    [16, 8, 1],
    [40, 31, 3],
    [7 + 8, 64, 3],
  ])('of %i x %i pixels of %i colours', (H, W, C) => {
    for (let seed = 1; seed <= 6; seed++) {
      const image = picture(H, W, C, seed);
      const wanted = hogReference(image);
      expect(wanted.length).toBe(Math.floor(H / 8) * Math.floor(W / 8) * 9);
      for (const dtype of floats) {
        lw.scope(() => {
          const got = lw.hogFeature(asTensor(image, dtype));
          expect(got.dtype).toBe(dtype);
          expect(got.shape).toEqual([wanted.length]);
          expectClose(got.data, wanted, 100 * tolerances[dtype], `${dtype}, seed ${seed}`);
        });
      }
    }
  });

  test('orders cells by column, then row', () => {
    const image: Picture = { H: 24, W: 16, C: 1, data: Array(24 * 16).fill(0) };
    // One bright pixel in the cell of the second column and third row; its own right and lower neighbours are darker.
    image.data[20 * 16 + 12] = 64;
    const got = lw.hogFeature(asTensor(image)).toArray() as number[];
    const filled = got.flatMap((v, i) => (v > 0 ? [Math.floor(i / 9)] : []));
    expect(new Set(filled)).toEqual(new Set([1 * 3 + 2]));
    expect(got).toEqual(hogReference(image));
  });

  test('is 0 for black and constant images, grey or not', () => {
    for (const value of [0, 77, 255]) {
      for (const shape of [
        [16, 16],
        [16, 16, 3],
        [16, 16, 1],
      ]) {
        const got = lw.hogFeature(lw.full(shape, value));
        expect([...got.data]).toEqual(Array(36).fill(0));
      }
    }
  });

  test.each([
    // 0 degrees is straight up, 90 to the right, 180 straight down.
    ['to the right', 1, 0, 4],
    ['to the left', -1, 0, undefined],
    ['down and right', 1, 1, 6],
    ['up and right', 1, -1, 2],
    ['down and left', -1, 1, undefined],
    ['up and left', -1, -1, undefined],
    ['nearly down', 1, 50, 8],
    ['nearly up', 1, -50, 0],
    ['down, nearly to the left', -1e-13, 1, undefined],
    ['down, nearly to the right', 1e-13, 1, 8],
    // Straight: the 1e-15 that is added to gx counts if it changes the angle in degrees, which NumPy has decided here.
    ['down 0.01', 0, 0.01, 8],
    ['down 2', 0, 2, 8],
    ['down 3', 0, 3, undefined],
    ['down 255', 0, 255, undefined],
    ['up 0.01', 0, -0.01, 0],
    ['up 5', 0, -5, 0],
    ['up 6', 0, -6, undefined],
    ['up 255', 0, -255, undefined],
    // gx + 1e-15 is 0 or below.
    ['down, gx -1e-15', -1e-15, 5, undefined],
    ['to the left by 1e-15', -1e-15, 0, 4],
    // So near to an edge between bins that the angle itself has to decide.
    ...[10, 30, 50, 70].flatMap((degrees, i) =>
      [1, -1].flatMap((side) =>
        [0, 1].map((past): [string, number, number, number] => {
          const slope = Math.tan((degrees * Math.PI) / 180) * (1 + (past - 0.5) * 1e-9);
          const name = `${side > 0 ? 'down' : 'up'}, just ${past ? 'above' : 'below'} ${degrees} degrees`;
          return [name, 100, 100 * side * slope, 4 + side * (i + past)];
        }),
      ),
    ),
  ])('counts a gradient %s', (_, gx, gy, bin) => {
    // The gradient at [0, 0]; the two pixels that make it have gradients back to 0 of their own.
    const data = Array<number>(64).fill(0);
    data[1] = gx;
    data[8] = gy;
    const got = lw.hogFeature(asTensor({ H: 8, W: 8, C: 1, data }));
    const wanted = Array<number>(9).fill(0);
    for (const [r, c] of [
      [0, 1],
      [1, 0],
    ]) {
      const here = data[r * 8 + c];
      const [right, down] = [-here, -here];
      const degrees = Math.atan2(down, right + 1e-15) * (180 / Math.PI) + 90;
      if (degrees > 0 && degrees < 180) wanted[Math.floor(degrees / 20)] += Math.sqrt(2 * here * here) / 64;
    }
    if (bin !== undefined) wanted[bin] += Math.sqrt(gx * gx + gy * gy) / 64;
    expectClose(got.data, wanted, 1e-14, 'bins');
  });
});

describe('colorHistogramHsv', () => {
  test.each([
    [1, 1],
    [8, 8],
    [32, 32],
    [3, 19],
  ])('of %i x %i pixels, to the last bit', (H, W) => {
    const settings: Bins[] = [
      {},
      { nbin: 25 },
      { nbin: 1 },
      { nbin: 6, normalized: false },
      { nbin: 7, xmin: 31.3 },
      { nbin: 12, xmin: -20, normalized: false },
      { nbin: 360, xmax: 300 },
    ];
    for (let seed = 1; seed <= 6; seed++) {
      const image = picture(H, W, 3, seed);
      for (const options of settings) {
        lw.scope(() => {
          const wanted = hueReference(image, options);
          expect(lw.colorHistogramHsv(asTensor(image), options).toArray()).toEqual(wanted);
          const single = lw.colorHistogramHsv(asTensor(image, 'float32'), options);
          expect([...single.data]).toEqual(wanted.map(Math.fround));
        });
      }
    }
  });

  test('puts pure colours, which lie on edges, where numpy.histogram does', () => {
    const colours = {
      red: [9, 0, 0],
      yellow: [9, 9, 0],
      green: [0, 9, 0],
      cyan: [0, 9, 9],
      blue: [0, 0, 9],
      pink: [9, 0, 9],
    };
    Object.values(colours).forEach((rgb, i) => {
      const image = lw.tensor(rgb, { shape: [1, 1, 3], dtype: 'float64' });
      const bin = lw.colorHistogramHsv(image, { nbin: 6 }).argmax();
      // Rounding decides between the bins on both sides.
      expect(bin).toBe(hueReference({ H: 1, W: 1, C: 3, data: rgb }, { nbin: 6 }).indexOf(1));
      expect([i, i - 1]).toContain(bin);
    });
  });

  test('wraps reds with a little blue round to the end, and counts 1 in the last bin', () => {
    const nearly = lw.tensor([255, 0, 1], { shape: [1, 1, 3], dtype: 'float64' });
    expect(lw.colorHistogramHsv(nearly, { nbin: 4 }).toArray()).toEqual([0, 0, 0, 1]);
    // -1e-20 % 1 is 1 in float64: the upper edge of the last bin.
    const least = lw.tensor([255, 0, 1e-17], { shape: [1, 1, 3], dtype: 'float64' });
    expect(lw.colorHistogramHsv(least, { nbin: 4 }).toArray()).toEqual([0, 0, 0, 1]);
  });

  test('gives grey pixels hue 0, and zeros where nothing is to be counted', () => {
    for (const value of [0, 128, 255]) {
      const image = lw.full([4, 5, 3], value);
      expect(lw.colorHistogramHsv(image, { nbin: 3 }).toArray()).toEqual([1, 0, 0]);
      expect(lw.colorHistogramHsv(image, { nbin: 3, xmin: 1 }).toArray()).toEqual([0, 0, 0]);
      expect(lw.colorHistogramHsv(image, { nbin: 2, normalized: false }).toArray()).toEqual([20 * 127.5, 0]);
    }
  });
});

describe('both', () => {
  test('take int32 images as the default type', () => {
    const image = picture(16, 16, 3, 5);
    for (const dtype of floats) {
      lw.setDefaultDType(dtype);
      try {
        lw.scope(() => {
          const whole = asTensor(image, 'int32');
          for (const fn of [lw.hogFeature, lw.colorHistogramHsv]) {
            const got = fn(whole);
            expect(got.dtype).toBe(dtype);
            expect(firstDifference(bits(got), bits(fn(asTensor(image, dtype))))).toBe(-1);
          }
        });
      } finally {
        lw.setDefaultDType('float32');
      }
    }
  });

  test('make one tensor in the current scope and leave the image alone', () => {
    for (const dtype of ['float32', 'int32'] as const) {
      const image = asTensor(picture(16, 16, 3, 5), dtype);
      const copy = bits(image);
      const before = lw.info().memory.live;
      for (const fn of [lw.hogFeature, lw.colorHistogramHsv, lw.features.hog(), lw.features.hsv({ nbin: 25 })]) {
        const made = fn(image);
        expect(lw.info().memory.live - before).toBe(Math.ceil(made.data.byteLength / 64) * 64);
        made.dispose();
        lw.scope(() => void fn(image));
        expect(lw.info().memory.live).toBe(before);
      }
      expect(firstDifference(bits(image), copy)).toBe(-1);
      image.dispose();
    }
  });

  test('refuse what is no image', () => {
    const [hog, hue] = [lw.hogFeature, lw.colorHistogramHsv];
    const shape = (...dims: number[]) => lw.zeros(dims);
    const cases: [() => unknown, new (...args: never[]) => Error, string | RegExp][] = [
      [
        () => hog([[1]] as never),
        lw.DTypeError,
        'hogFeature: img must be a tensor, got [[1]]; make one with tensor(…)',
      ],
      [
        () => hog(shape(2, 32, 32, 3)),
        lw.ShapeError,
        'hogFeature: img must be (H, W, C), or (H, W) if grey, without empty axes, got (2, 32, 32, 3)',
      ],
      [
        () => hog(shape(32)),
        lw.ShapeError,
        'hogFeature: img must be (H, W, C), or (H, W) if grey, without empty axes, got (32,)',
      ],
      [
        () => hog(shape(3, 32, 32)),
        lw.ShapeError,
        'hogFeature: img must be (H, W, 3), or (H, W) if grey, H and W at least 8, got (3, 32, 32); transpose(1, 2, 0) puts the colours last',
      ],
      [
        () => hog(shape(7, 32, 3)),
        lw.ShapeError,
        'hogFeature: img must be (H, W, 3), or (H, W) if grey, H and W at least 8, got (7, 32, 3)',
      ],
      [() => hue(shape(32, 32)), lw.ShapeError, 'colorHistogramHsv: img must be (H, W, 3), got (32, 32)'],
      [() => hue(shape(0, 32, 3)), lw.ShapeError, /^colorHistogramHsv: img must be .* without empty axes/],
      [
        () => hog(lw.tensor([...Array(70).fill(1), Number.NaN, 1], { shape: [8, 9] })),
        lw.ValueError,
        'hogFeature: img must be of finite numbers, got NaN at [7, 7]',
      ],
      [
        () =>
          hog(lw.tensor([...Array(200).fill(1), Number.NEGATIVE_INFINITY, ...Array(15).fill(1)], { shape: [8, 9, 3] })),
        lw.ValueError,
        'hogFeature: img must be of finite numbers, got -Infinity at [7, 3, 2]',
      ],
      [
        () => hue(lw.tensor([1, 2, 3, 4, -0.5, 6], { shape: [1, 2, 3] })),
        lw.ValueError,
        'colorHistogramHsv: img must be of numbers in [0, 255], got -0.5 at [0, 1, 1]; give the images as they are, without the mean subtracted',
      ],
      [
        () => hue(lw.tensor([1, 2, 3, 4, 5, 256], { shape: [1, 2, 3], dtype: 'int32' })),
        lw.ValueError,
        /^colorHistogramHsv: img must be of numbers in \[0, 255\], got 256 at \[0, 1, 2\]/,
      ],
      [
        () => hue(lw.tensor([0, Number.NaN, 0], { shape: [1, 1, 3] }), { xmax: 1 }),
        lw.ValueError,
        /in \[0, 1\], got NaN at \[0, 0, 1\]/,
      ],
    ];
    for (const [act, kind, message] of cases) {
      // Images are made inside the scope, so what is left after it is what the function left.
      const before = lw.info().memory.live;
      const error = thrown(() => lw.scope(act));
      expect(error).toBeInstanceOf(kind);
      if (typeof message === 'string') expect(error.message).toBe(message);
      else expect(error.message).toMatch(message);
      expect(lw.info().memory.live, error.message).toBe(before);
    }
  });

  test('refuse options that make no bins', () => {
    const image = lw.zeros([2, 2, 3]);
    const refused = (options: object, kind: new (...args: never[]) => Error, message: string) =>
      expectRefused(() => lw.colorHistogramHsv(image, options), kind, `colorHistogramHsv: ${message}`);
    refused({ nbins: 25 }, lw.OptionError, "unknown option 'nbins'; did you mean 'nbin'?");
    refused({ nbin: 0 }, lw.ValueError, 'nbin must be an integer in [1, 1048576], got 0');
    refused({ nbin: 2.5 }, lw.ValueError, 'nbin must be an integer in [1, 1048576], got 2.5');
    refused({ xmax: 0 }, lw.ValueError, 'xmax must be a finite number in (0, Infinity), got 0');
    refused({ xmin: 255 }, lw.ValueError, 'xmin must be a finite number in (-Infinity, 255), got 255');
    refused(
      { nbin: 5, xmin: 1 - 2 ** -53, xmax: 1 },
      lw.ValueError,
      'bins must be wide enough to be told apart, got 5 from 0.9999999999999999 to 1',
    );
    for (const options of [
      { nbin: 3, xmax: 5e-324 },
      { xmin: -1e308, xmax: 1e308 },
    ]) {
      expectRefused(() => lw.colorHistogramHsv(image, options), lw.ValueError, /bins must be wide enough/);
    }
    expectRefused(
      () => lw.features.hsv({ nbin: -1 }),
      lw.ValueError,
      'features.hsv: nbin must be an integer in [1, 1048576], got -1',
    );
    image.dispose();
  });
});

describe('extractFeatures', () => {
  const pictures = (n: number, H = 16, W = 16, C = 3) => Array.from({ length: n }, (_, i) => picture(H, W, C, i + 1));
  /** A feature of the user's own: two numbers, and a tensor that it forgets. */
  const own = (image: lw.Tensor) => {
    lw.ones([100]);
    return lw.tensor([image.mean(), image.shape.length], { dtype: 'float64' });
  };

  test.each([...floats, 'int32'] as const)('puts the results of all functions side by side, for %s', (dtype) => {
    const given = pictures(7);
    const hsv = lw.features.hsv({ nbin: 5 });
    lw.scope(() => {
      const images = batch(given, dtype);
      const X = lw.extractFeatures(images, [own, lw.hogFeature, hsv, lw.colorHistogramHsv, own]);
      expect(X.dtype).toBe(dtype === 'int32' ? 'float32' : dtype);
      expect(X.shape).toEqual([7, 2 + 36 + 5 + 10 + 2]);
      const float = X.dtype as 'float32' | 'float64';
      given.forEach((image, i) => {
        const mean = image.data.reduce((a, v) => a + v, 0) / image.data.length;
        const wanted = [
          mean,
          3,
          ...hogReference(image),
          ...hueReference(image, { nbin: 5 }),
          ...hueReference(image),
          mean,
          3,
        ];
        expectClose(X.rows(i, i + 1).data, wanted, 10 * tolerances[float] * 10, `image ${i}`);
      });
    });
  });

  test('gives each image the bits it has alone, also through functions of the user', () => {
    lw.scope(() => {
      const images = batch(pictures(9, 17, 25));
      const all = lw.extractFeatures(images, [lw.features.hog(), lw.features.hsv({ nbin: 4, xmin: 9 })]);
      const wrapped = lw.extractFeatures(images, [
        (image) => lw.hogFeature(image),
        (image) => lw.colorHistogramHsv(image, { nbin: 4, xmin: 9 }),
      ]);
      expect(firstDifference(bits(all), bits(wrapped))).toBe(-1);
      const one = lw.hogFeature(images.rows(3, 4).reshape(17, 25, 3));
      expect(firstDifference(bits(all.rows(3, 4)).slice(0, one.data.byteLength), bits(one))).toBe(-1);
    });
  });

  test('takes grey images with and without an axis of colours; functions get them without', () => {
    lw.scope(() => {
      const flat = batch(pictures(3, 8, 8, 1));
      const X = lw.extractFeatures(flat, [lw.hogFeature, own]);
      const Y = lw.extractFeatures(flat.reshape(3, 8, 8, 1), [lw.hogFeature, own]);
      expect(X.shape).toEqual([3, 11]);
      expect(firstDifference(bits(X), bits(Y))).toBe(-1);
      expect(X.data[10]).toBe(2);
    });
  });

  test('sees every image once, the first for its length too, and nothing but the image', () => {
    const seen: unknown[][] = [];
    lw.scope(() => {
      const images = lw.arange(5 * 12, { dtype: 'float64' }).reshape(5, 2, 2, 3);
      const fn = (...args: unknown[]) => {
        seen.push([args.length, (args[0] as lw.Tensor).data[0]]);
        return lw.zeros([1]);
      };
      lw.extractFeatures(images, [fn]);
    });
    expect(seen).toEqual([0, 12, 24, 36, 48].map((first) => [1, first]));
  });

  test('is empty without images', () => {
    const none = lw.zeros([0, 32, 32, 3], { dtype: 'float64' });
    const X = lw.extractFeatures(none, [lw.hogFeature, lw.features.hsv({ nbin: 25 })]);
    expect([X.shape, X.dtype]).toEqual([[0, 169], 'float64']);
    const untouched = lw.extractFeatures(none, [() => expect.fail('called')]);
    expect(untouched.shape).toEqual([0, 0]);
  });

  test('prints and reports as it goes', () => {
    const log = vi.fn();
    const progress: lw.FeatureProgress[] = [];
    const images = lw.zeros([2345, 1, 1, 3]);
    const options = { verbose: true, log, onProgress: (p: lw.FeatureProgress) => progress.push(p) };
    lw.extractFeatures(images, [lw.features.hsv()], options).dispose();
    expect(log.mock.calls).toEqual([
      ['Done extracting features for 1000 / 2345 images'],
      ['Done extracting features for 2000 / 2345 images'],
    ]);
    expect(progress.at(-1)).toEqual({ done: 2345, total: 2345 });
    const done = progress.map((p) => p.done);
    expect(done).toEqual([...new Set(done)].sort((a, b) => a - b));
    const silent = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    lw.extractFeatures(images, [lw.features.hsv()]).dispose();
    expect(silent).not.toHaveBeenCalled();
    silent.mockRestore();
    images.dispose();
  });

  test('divides large images into smaller parts', () => {
    const progress: number[] = [];
    lw.scope(() => {
      const images = lw.full([4, 300, 500, 3], 7, { dtype: 'int32' });
      const X = lw.extractFeatures(images, [lw.hogFeature], { onProgress: ({ done }) => progress.push(done) });
      expect(X.shape).toEqual([4, 37 * 62 * 9]);
      expect(X.max()).toBe(0);
    });
    expect(progress).toEqual([1, 2, 3, 4]);
  });

  test('refuses what it cannot extract, and leaves nothing', () => {
    const images = batch(pictures(3));
    const where = 'extractFeatures';
    const refused = (fns: unknown, kind: new (...args: never[]) => Error, message: string, x = images, options = {}) =>
      expectRefused(() => lw.extractFeatures(x, fns as never, options), kind, `${where}: ${message}`);
    refused([], lw.OptionError, 'fns must be a list of functions, got []');
    refused((x: lw.Tensor) => x, lw.OptionError, 'fns must be a list of functions, got function (anonymous)');
    refused([lw.hogFeature, 'hog'], lw.OptionError, "fns[1] must be a function, got 'hog'");
    refused([() => 3], lw.ShapeError, 'the result of fns[0] must be a tensor of one axis, got 3');
    refused([async () => 3], lw.ShapeError, 'the result of fns[0] must be a tensor of one axis, got Promise');
    refused(
      [lw.hogFeature, () => lw.zeros([2, 2])],
      lw.ShapeError,
      'the result of fns[1] must be a tensor of one axis, got (2, 2)',
    );
    let calls = 0;
    refused(
      [() => lw.zeros([calls++ < 2 ? 4 : 5])],
      lw.ShapeError,
      'the result of fns[0] must be a tensor (4,) as for the first image, got (5,)',
    );
    refused([lw.hogFeature], lw.OptionError, "unknown option 'verbos'; did you mean 'verbose'?", images, {
      verbos: true,
    });
    refused([lw.hogFeature], lw.OptionError, 'log must be a function, got 1', images, { log: 1 });
    const wrong = (shape: number[], fns: unknown[], kind: new (...args: never[]) => Error, message: string) => {
      const x = lw.zeros(shape);
      refused(fns, kind, message, x);
      x.dispose();
    };
    wrong(
      [5, 3, 32, 32],
      [lw.hogFeature],
      lw.ShapeError,
      'images must be (N, H, W, 3), or (N, H, W) if grey, H and W at least 8 for hogFeature, got (5, 3, 32, 32); transpose(0, 2, 3, 1) puts the colours last',
    );
    wrong(
      [5, 16, 16],
      [lw.hogFeature, lw.features.hsv()],
      lw.ShapeError,
      'images must be (N, H, W, 3) for colorHistogramHsv, got (5, 16, 16)',
    );
    wrong(
      [5, 3072],
      [own],
      lw.ShapeError,
      'images must be (N, H, W, C), or (N, H, W) if grey, without empty axes, got (5, 3072)',
    );
    images.data[2 * 768 + 5] = 300;
    refused(
      [lw.hogFeature, lw.features.hsv()],
      lw.ValueError,
      'images must be of numbers in [0, 255] for colorHistogramHsv, got 300 at [2, 0, 1, 2]; give the images as they are, without the mean subtracted',
    );
    images.data[768] = Number.NaN;
    refused(
      [own, lw.hogFeature],
      lw.ValueError,
      'images must be of finite numbers for hogFeature, got NaN at [1, 0, 0, 0]',
    );
    const failing = () => {
      lw.ones([50]);
      throw new RangeError('mine');
    };
    expectRefused(() => lw.extractFeatures(images, [failing]), RangeError, 'mine');
    images.dispose();
  });

  test('asynchronously gives the same, lets the event loop run, and belongs to no scope', async () => {
    const images = batch(pictures(600, 32, 32));
    const fns = [lw.hogFeature, lw.features.hsv({ nbin: 25 }), own];
    const before = lw.info().memory.live;
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const slow = (image: lw.Tensor) => {
      const until = performance.now() + 0.2;
      while (performance.now() < until);
      return own(image);
    };
    const X = await lw.extractFeaturesAsync(images, [...fns, slow]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    lw.scope(() => {
      const wanted = lw.extractFeatures(images, [...fns, slow]);
      expect(firstDifference(bits(X), bits(wanted))).toBe(-1);
    });
    X.dispose();
    expect(lw.info().memory.live).toBe(before);
    images.dispose();
  });

  test('asynchronously stops at a signal or an error, with nothing left', async () => {
    const images = batch(pictures(500));
    const before = lw.info().memory.live;
    const controller = new AbortController();
    const onProgress = ({ done }: lw.FeatureProgress) => {
      if (done >= 250) controller.abort(new Error('enough'));
    };
    const { signal } = controller;
    await expect(lw.extractFeaturesAsync(images, [lw.hogFeature, own], { signal, onProgress })).rejects.toThrow(
      'enough',
    );
    await expect(lw.extractFeaturesAsync(images, [lw.hogFeature], { signal })).rejects.toThrow('enough');
    await expect(lw.extractFeaturesAsync(images, [])).rejects.toThrow(
      'extractFeaturesAsync: fns must be a list of functions, got []',
    );
    images.data[400 * 768] = -1;
    await expect(lw.extractFeaturesAsync(images, [own, lw.features.hsv()])).rejects.toThrow(
      /got -1 at \[400, 0, 0, 0\]/,
    );
    expect(lw.info().memory.live).toBe(before);
    images.dispose();
  });
});
