// Shifts, mirrors and holes in images: against plain loops on the documented draws, and what is refused.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectRefused, firstDifference, floats, thrown, uniforms } from './support.js';

const live = () => lw.info().memory.live;
const dtypes = [...floats, 'int32'] as const;

function images(shape: number[], dtype: lw.DType, seed = 1): lw.Tensor {
  const t = lw.zeros(shape, { dtype });
  const next = uniforms(seed);
  const { data } = t;
  for (let i = 0; i < data.length; i++) data[i] = dtype === 'int32' ? 1 + 250 * next() : 1 + next();
  // Bits are moved as they are.
  if (dtype !== 'int32' && data.length > 2) data.set([-0, Number.NaN]);
  return t;
}

/** The same by plain loops: each pixel looks up where it comes from. */
function reference(x: lw.Tensor, options: lw.AugmentOptions, random: lw.RandomState): Float64Array {
  const { crop = 0, flip = false, cutout = 0 } = options;
  const [N, C, H, W] = x.shape;
  const shifts = crop > 0 ? random.randint(0, 2 * crop + 1, [N, 2]).data : undefined;
  const flips = flip ? random.randint(0, 2, [N]).data : undefined;
  const rows = cutout > 0 ? random.randint(0, H, [N]).data : undefined;
  const columns = cutout > 0 ? random.randint(0, W, [N]).data : undefined;
  const from = x.data;
  return Float64Array.from({ length: x.size }, (_, i) => {
    const n = Math.floor(i / (C * H * W));
    const plane = Math.floor(i / (H * W));
    const h = Math.floor(i / W) % H;
    const w = i % W;
    if (rows && columns) {
      const top = rows[n] - Math.floor(cutout / 2);
      const left = columns[n] - Math.floor(cutout / 2);
      if (h >= top && h < top + cutout && w >= left && w < left + cutout) return 0;
    }
    const column = flips?.[n] ? W - 1 - w : w;
    const source = [h + (shifts?.[2 * n] ?? crop) - crop, column + (shifts?.[2 * n + 1] ?? crop) - crop];
    if (source[0] < 0 || source[0] >= H || source[1] < 0 || source[1] >= W) return 0;
    return from[(plane * H + source[0]) * W + source[1]];
  });
}

describe('augmentImages', () => {
  const changes: lw.AugmentOptions[] = [
    { crop: 2 },
    { flip: true },
    { cutout: 3 },
    { cutout: 2 },
    { crop: 1, flip: true },
    { crop: 2, flip: true, cutout: 3 },
    {},
    { crop: 0, flip: false, cutout: 0 },
  ];
  // Around one and two vectors a row, and enough to be shared between threads.
  const shapes = [
    [3, 1, 3, 3],
    [5, 3, 3, 4],
    [4, 2, 9, 5],
    [4, 1, 4, 7],
    [3, 2, 5, 8],
    [3, 2, 6, 9],
    [7, 3, 17, 16],
    [5, 1, 4, 19],
    [0, 3, 4, 4],
    [23, 3, 32, 32],
  ];

  test.each(dtypes)('is what plain loops do with the documented draws (%s)', (dtype) => {
    for (const shape of shapes) {
      for (const [seed, options] of changes.entries()) {
        lw.scope(() => {
          const what = `(${shape}) ${JSON.stringify(options)}`;
          const x = images(shape, dtype);
          const [stream, twin] = [new lw.RandomState(seed), new lw.RandomState(seed)];
          const wanted = lw.tensor(reference(x, options, twin), { shape, dtype });
          expect(lw.augmentImages(x, options, stream)).toBe(x);
          expect(firstDifference(bits(x), bits(wanted)), what).toBe(-1);
          if (x.size > 0) expect(stream.getState(), what).toEqual(twin.getState());
        });
      }
    }
  });

  test('the largest crop and square, and images of one pixel', () => {
    for (const [shape, options] of [
      [[40, 2, 3, 5], { crop: 2, flip: true, cutout: 3 }],
      [[20, 1, 1, 1], { flip: true, cutout: 1 }],
      [[9, 2, 1, 6], { flip: true }],
      [[9, 2, 6, 1], { flip: true, cutout: 1 }],
    ] as const) {
      const x = images([...shape], 'float32');
      const wanted = lw.tensor(reference(x, options, new lw.RandomState(4)), { shape: [...shape], dtype: 'float32' });
      lw.augmentImages(x, options, new lw.RandomState(4));
      expect(firstDifference(bits(x), bits(wanted))).toBe(-1);
    }
  });

  test('every shift and mirror occurs, about equally often and apart from each other', () => {
    const [N, size] = [5000, 5];
    const x = lw.zeros([N, 1, size, size], { dtype: 'float32' });
    // The middle and its right neighbour are always inside.
    for (let n = 0; n < N; n++) x.data.set([1, 2], n * size * size + 2 * size + 2);
    lw.augmentImages(x, { crop: 1, flip: true }, new lw.RandomState(9));
    const seen = new Map<string, number>();
    for (let n = 0; n < N; n++) {
      const image = x.data.subarray(n * size * size, (n + 1) * size * size);
      const [one, two] = [image.indexOf(1), image.indexOf(2)];
      const key = `${one} ${two - one}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    // 9 shifts, mirrored or not: 278 each are expected, with a standard deviation of 16.
    expect(seen.size).toBe(18);
    for (const [key, count] of seen) expect(Math.abs(count - N / 18), key).toBeLessThan(80);

    const holes = lw.ones([N, 1, size, size], { dtype: 'float32' });
    lw.augmentImages(holes, { cutout: 1 }, new lw.RandomState(9));
    const centres = new Map<number, number>();
    for (let n = 0; n < N; n++) {
      const place = holes.data.subarray(n * size * size, (n + 1) * size * size).indexOf(0);
      centres.set(place, (centres.get(place) ?? 0) + 1);
    }
    expect(centres.size).toBe(size * size);
    for (const [place, count] of centres) expect(Math.abs(count - N / 25), `${place}`).toBeLessThan(70);
  });

  test('one seed, one result; the default stream if none is given', () => {
    const options = { crop: 3, flip: true, cutout: 4 };
    const run = (random?: lw.RandomState) => bits(lw.augmentImages(images([6, 3, 8, 8], 'float64'), options, random));
    const first = run(new lw.RandomState(1));
    expect(run(new lw.RandomState(1))).toEqual(first);
    expect(run(new lw.RandomState(2))).not.toEqual(first);
    lw.random.seed(1);
    expect(run()).toEqual(first);
  });

  test('leaves no memory behind', () => {
    const x = images([6, 3, 8, 8], 'float32');
    const before = live();
    lw.augmentImages(x, { crop: 3, flip: true, cutout: 4 });
    expect(live()).toBe(before);
  });

  test('what does not fit is refused, with nothing drawn or changed', () => {
    const x = images([2, 3, 6, 8], 'float32');
    const before = bits(x);
    const random = new lw.RandomState(1);
    const state = random.getState();
    const refused: [lw.Tensor, unknown, new (...args: never[]) => Error, string][] = [
      [[1] as never, {}, lw.DTypeError, 'augmentImages: x must be a tensor, got [1]'],
      [x.reshape(2, -1), {}, lw.ShapeError, 'augmentImages: x must be images (N, C, H, W), got (2, 144)'],
      [lw.zeros([2, 3, 0, 4]), {}, lw.ShapeError, 'augmentImages: x must be images (N, C, H, W), got (2, 3, 0, 4)'],
      [x, undefined, lw.OptionError, 'augmentImages: options must be an object, got null'],
      [x, 'flip', lw.OptionError, "augmentImages: options must be an object, got 'flip'"],
      [x, { flipped: true }, lw.OptionError, "augmentImages: unknown option 'flipped'; there are crop, flip, cutout"],
      [x, { crop: 6 }, lw.ValueError, 'augmentImages: crop must be an integer in [0, 5], got 6'],
      [x, { crop: -1 }, lw.ValueError, 'augmentImages: crop must be an integer in [0, 5], got -1'],
      [x, { flip: 0.5 }, lw.OptionError, 'augmentImages: flip must be true or false, got 0.5'],
      [x, { flip: true, cutout: 7 }, lw.ValueError, 'augmentImages: cutout must be an integer in [0, 6], got 7'],
      [x, { cutout: 1.5 }, lw.ValueError, 'augmentImages: cutout must be an integer in [0, 6], got 1.5'],
    ];
    for (const [images, options, kind, message] of refused) {
      expectRefused(() => lw.augmentImages(images, options as never, random), kind, message);
    }
    expect(bits(x)).toEqual(before);
    expect(random.getState()).toEqual(state);
    const ended = images([1, 1, 2, 2], 'float32');
    ended.dispose();
    expect(thrown(() => lw.augmentImages(ended, { flip: true }, random))).toBeInstanceOf(lw.RuntimeError);
  });
});

describe('scores with those of the mirror image', () => {
  const { affine, affineRelu, batchnorm } = lw.layers;
  const mirrored = (X: lw.Tensor) => {
    const y = X.clone();
    const W = X.shape.at(-1) as number;
    for (let i = 0; i < X.size; i++) y.data[i] = X.data[i - (i % W) + (W - 1 - (i % W))];
    return y;
  };
  const layers = [affineRelu(12), batchnorm(), affine(4)];
  const made = (inputDim: number | number[], dtype: 'float32' | 'float64' = 'float32') =>
    new lw.Network(layers, { inputDim, dtype, random: new lw.RandomState(3) });

  test.each(floats)('predict adds them before it decides (%s)', (dtype) => {
    const X = new lw.RandomState(2).randn(37, 2, 5, 9, { dtype }) as lw.Tensor;
    const model = made([2, 5, 9], dtype);
    const plain = lw.scope(() => model.predict(X).toArray());
    const wanted = lw.scope(() =>
      lw
        .add(model.loss(X), model.loss(mirrored(X)))
        .argmax(1)
        .toArray(),
    );
    expect(wanted).not.toEqual(plain);
    const same = [
      [model, X],
      [model, X.reshape(37, -1)],
      // The model takes flat inputs; the data say where a row ends.
      [made(90, dtype), X],
    ] as const;
    for (const [net, x] of same) {
      for (const batchSize of [1, 10, 37, 100]) {
        expect(lw.scope(() => net.predict(x, { flip: true, batchSize }).toArray())).toEqual(wanted);
        expect(lw.scope(() => net.predict(x, { batchSize }).toArray())).toEqual(plain);
      }
    }
    // Mirrored twice is not mirrored, and a mirror image has the same sum.
    expect(lw.scope(() => model.predict(mirrored(X), { flip: true }).toArray())).toEqual(wanted);
    const whole = lw.scope(() => lw.mul(X, 100).astype('int32'));
    expect(lw.scope(() => model.predict(whole, { flip: true }).toArray())).toEqual(
      lw.scope(() => model.predict(whole.astype(dtype), { flip: true }).toArray()),
    );
  });

  test('takes no memory once a batch size is known', () => {
    const X = new lw.RandomState(2).randn(40, 2, 5, 9, { dtype: 'float32' }) as lw.Tensor;
    const model = made([2, 5, 9]);
    const run = () => lw.scope(() => void model.predict(X, { flip: true, batchSize: 16 }));
    run();
    const { memory } = lw.info();
    for (let i = 0; i < 50; i++) run();
    expect(lw.info().memory).toEqual(memory);
    model.dispose();
  });

  test('what has no mirror image is refused', () => {
    const model = made(90);
    const X = lw.zeros([3, 90]);
    const message = 'X must be (N, …, H, W) for flip, got (3, 90); only images have a mirror image';
    expectRefused(() => model.predict(X, { flip: true }), lw.ShapeError, `predict: ${message}`);
    expectRefused(
      () => model.predict(X, { flip: 1 } as never),
      lw.OptionError,
      'predict: flip must be true or false, got 1',
    );
    const data = { XTrain: X, yTrain: [0, 1, 2], XVal: X, yVal: [0, 1, 2] };
    const solver = new lw.Solver(model, data, { verbose: false });
    expectRefused(() => solver.checkAccuracy(X, [0, 1, 2], { flip: true }), lw.ShapeError, `checkAccuracy: ${message}`);
  });

  test('checkAccuracy, of networks and of models of one’s own', () => {
    const X = new lw.RandomState(2).randn(31, 2, 5, 9, { dtype: 'float64' }) as lw.Tensor;
    const labels = new lw.RandomState(4).randint(0, 4, [31]);
    const data = { XTrain: X, yTrain: labels, XVal: X, yVal: labels };
    const network = made([2, 5, 9], 'float64');
    const right = lw.scope(() => {
      const predicted = network.predict(X, { flip: true }).data;
      return Array.from(labels.data, (label, i) => Number(label === predicted[i]));
    });
    const share = right.reduce((a, n) => a + n) / 31;
    const own = {
      params: { W: lw.zeros([1]) },
      loss: (x: lw.Tensor) => network.loss(x) as never,
    } as lw.TrainableModel;
    for (const model of [network, made(90, 'float64'), own]) {
      const solver = new lw.Solver(model, data, { verbose: false, random: new lw.RandomState(5) });
      const before = live();
      expect(solver.checkAccuracy(X, labels, { flip: true })).toBe(share);
      expect(solver.checkAccuracy(X.toArray(), labels, { flip: true, batchSize: 7 })).toBe(share);
      const drawn = lw.scope(() => Array.from(new lw.RandomState(5).choice(31, 13).data));
      const wanted = drawn.reduce((a, i) => a + right[i], 0) / 13;
      expect(solver.checkAccuracy(X, labels, { flip: true, numSamples: 13 })).toBe(wanted);
      if (model === own) expect(live()).toBe(before);
    }
  });
});
