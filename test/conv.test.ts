// Fast convolution and pooling against the plain loops, over many random shapes; Winograd's error; equal bits for any threads.
import fc from 'fast-check';
import * as lw from 'lanewise';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { bits, expectRefused, firstDifference, scaleOf } from './support.js';

interface Shapes {
  N: number;
  C: number;
  H: number;
  W: number;
  F: number;
  HH: number;
  WW: number;
  stride: number;
  pad: number;
  seed: number;
}

/** Convolutions that exist: the filter fits the padded image. */
const shapes = fc
  .record({
    N: fc.integer({ min: 1, max: 6 }),
    C: fc.integer({ min: 1, max: 9 }),
    H: fc.integer({ min: 1, max: 19 }),
    W: fc.integer({ min: 1, max: 21 }),
    F: fc.integer({ min: 1, max: 10 }),
    HH: fc.integer({ min: 1, max: 5 }),
    WW: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 3 }),
    pad: fc.integer({ min: 0, max: 3 }),
    seed: fc.nat({ max: 10_000 }),
  })
  .filter(({ H, W, HH, WW, pad }) => HH <= H + 2 * pad && WW <= W + 2 * pad);

type Way = (x: lw.Tensor, w: lw.Tensor, b: lw.Tensor, p: lw.ConvParam) => [lw.Tensor, never];
type Back = (dout: lw.Tensor, cache: never) => [lw.Tensor, lw.Tensor, lw.Tensor];

/** out, dx, dw, db of one implementation for the random data that belongs to the shapes. */
function results(s: Shapes, dtype: 'float32' | 'float64', forward: Way, backward: Back, exact = false): lw.Tensor[] {
  const rs = new lw.RandomState(s.seed);
  const x = rs.randn(s.N, s.C, s.H, s.W, { dtype }) as lw.Tensor;
  const w = rs.randn(s.F, s.C, s.HH, s.WW, { dtype }) as lw.Tensor;
  const b = rs.randn(s.F, { dtype }) as lw.Tensor;
  const [out, cache] = forward(x, w, b, { stride: s.stride, pad: s.pad, exact });
  const dout = rs.randn(...out.shape, { dtype }) as lw.Tensor;
  return [out, ...backward(dout, cache)];
}

const naive = (s: Shapes, dtype: 'float32' | 'float64') =>
  results(s, dtype, lw.convForwardNaive as Way, lw.convBackwardNaive as Back);
const fast = (s: Shapes, dtype: 'float32' | 'float64', exact = false) =>
  results(s, dtype, lw.convForwardFast as Way, lw.convBackwardFast as Back, exact);

/** Largest difference relative to the largest element. */
function distance(a: lw.Tensor, b: lw.Tensor): number {
  expect(b.shape).toEqual(a.shape);
  const x = a.data;
  const y = b.data;
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const d = Math.abs(x[i] - y[i]);
    if (!(d <= worst)) worst = d;
  }
  return worst / scaleOf(x);
}

const NAMES = ['out', 'dx', 'dw', 'db'];

describe('convolution', () => {
  test.each([
    ['float64', 1e-10],
    ['float32', 1e-4],
  ] as const)('fast agrees with the plain loops over 200 random shapes in %s', (dtype, tolerance) => {
    fc.assert(
      fc.property(shapes, (s) =>
        lw.scope(() => {
          const wanted = naive(s, dtype);
          const got = fast(s, dtype, true);
          got.forEach((t, i) => {
            expect(distance(wanted[i], t), `${NAMES[i]} ${JSON.stringify(s)}`).toBeLessThan(tolerance);
          });
        }),
      ),
      { numRuns: 200, seed: 231 },
    );
  });

  // 16 channels on both sides are what the library asks for before it takes Winograd's way.
  const winograd: Shapes[] = [
    { N: 3, C: 16, H: 8, W: 8, F: 16, HH: 3, WW: 3, stride: 1, pad: 1, seed: 1 },
    { N: 2, C: 32, H: 16, W: 16, F: 24, HH: 3, WW: 3, stride: 1, pad: 1, seed: 2 },
    { N: 2, C: 19, H: 31, W: 13, F: 17, HH: 3, WW: 3, stride: 1, pad: 0, seed: 3 },
    { N: 5, C: 20, H: 7, W: 6, F: 33, HH: 3, WW: 3, stride: 1, pad: 2, seed: 4 },
    { N: 1, C: 300, H: 8, W: 9, F: 16, HH: 3, WW: 3, stride: 1, pad: 1, seed: 5 },
    // Filters 5 and 7 wide go along the rows.
    { N: 3, C: 3, H: 32, W: 32, F: 10, HH: 7, WW: 7, stride: 1, pad: 3, seed: 6 },
    { N: 2, C: 4, H: 9, W: 16, F: 5, HH: 5, WW: 5, stride: 1, pad: 2, seed: 7 },
    { N: 2, C: 6, H: 11, W: 27, F: 3, HH: 2, WW: 7, stride: 1, pad: 0, seed: 8 },
    { N: 3, C: 2, H: 6, W: 29, F: 7, HH: 6, WW: 5, stride: 1, pad: 3, seed: 9 },
    { N: 1, C: 60, H: 8, W: 16, F: 13, HH: 5, WW: 5, stride: 1, pad: 2, seed: 10 },
  ];

  test.each(winograd)("Winograd's way is within 1e-5 of the largest element: %o", (s) => {
    lw.scope(() => {
      const wanted = fast(s, 'float64');
      const got = fast(s, 'float32');
      const exact = fast(s, 'float32', true);
      got.forEach((t, i) => {
        const reference = wanted[i].astype('float32');
        expect(distance(reference, t), NAMES[i]).toBeLessThan(1e-5);
        expect(distance(reference, exact[i]), `${NAMES[i]}, exact`).toBeLessThan(2e-6);
      });
      // It was really taken, and `exact` really avoids it.
      expect(firstDifference(bits(got[0]), bits(exact[0]))).toBeGreaterThanOrEqual(0);
    });
  });

  test("Winograd's ways agree with the plain loops over 200 random shapes that suit them", () => {
    const suitable = fc
      .record({
        N: fc.integer({ min: 1, max: 4 }),
        C: fc.integer({ min: 1, max: 24 }),
        H: fc.integer({ min: 1, max: 17 }),
        W: fc.integer({ min: 1, max: 35 }),
        F: fc.integer({ min: 1, max: 24 }),
        HH: fc.integer({ min: 1, max: 7 }),
        WW: fc.constantFrom(3, 5, 7),
        stride: fc.constant(1),
        pad: fc.integer({ min: 0, max: 6 }),
        seed: fc.nat({ max: 10_000 }),
      })
      .map((s) => (s.WW === 3 ? { ...s, HH: 3, C: 16 + (s.C % 5), F: 16 + (s.F % 7), pad: s.pad % 3 } : s))
      .filter(({ H, W, HH, WW, pad }) => HH <= H + 2 * pad && WW <= W + 2 * pad);
    fc.assert(
      fc.property(suitable, (s) =>
        lw.scope(() => {
          const wanted = naive(s, 'float64');
          fast(s, 'float32').forEach((t, i) => {
            expect(distance(wanted[i].astype('float32'), t), `${NAMES[i]} ${JSON.stringify(s)}`).toBeLessThan(2e-5);
          });
        }),
      ),
      { numRuns: 200, seed: 231 },
    );
  });

  test('a ReLU folded in is the ReLU of the convolution', () => {
    for (const s of [winograd[0], winograd[5], winograd[8], { ...winograd[2], C: 3 }, { ...winograd[1], stride: 2 }]) {
      lw.scope(() => {
        const rs = new lw.RandomState(s.seed);
        const dtype = { dtype: 'float32' } as const;
        const x = rs.randn(s.N, s.C, s.H, s.W, dtype) as lw.Tensor;
        const w = rs.randn(s.F, s.C, s.HH, s.WW, dtype) as lw.Tensor;
        const b = rs.randn(s.F, dtype) as lw.Tensor;
        const [plain] = lw.convForward(x, w, b, s.stride === 1 ? { stride: 1, pad: s.pad } : { stride: 2, pad: s.pad });
        const [folded] = lw.convReluForward(x, w, b, { stride: s.stride, pad: s.pad });
        const [wanted] = lw.reluForward(plain);
        expect(firstDifference(bits(folded), bits(wanted))).toBe(-1);
      });
    }
  });

  test('zeros around the images may be many more than the images', () => {
    for (const [HH, stride, pad] of [
      [1, 1000, 1000],
      [3, 1, 40],
      [3, 1000, 3000],
      [2, 700, 699],
      [3, 2 ** 32, 1],
    ]) {
      const s = { N: 3, C: 2, H: 4, W: 5, F: 3, HH, WW: HH, stride, pad, seed: 7 };
      for (const [dtype, tolerance] of [
        ['float64', 1e-10],
        ['float32', 1e-4],
      ] as const) {
        lw.scope(() => {
          const wanted = naive(s, dtype);
          fast(s, dtype).forEach((t, i) => {
            expect(distance(wanted[i], t), `${NAMES[i]} ${JSON.stringify(s)}`).toBeLessThan(tolerance);
          });
        });
      }
    }
    lw.scope(() => {
      const [x, w, b] = [lw.zeros([1, 1, 2, 2]), lw.zeros([1, 1, 1, 1]), lw.zeros([1])];
      expectRefused(
        () => lw.convForward(x, w, b, { stride: 32_768, pad: 32_768 }),
        lw.ShapeError,
        'convForward: x must be images of at most 2^27 numbers with the zeros around them, got (1, 1, 2, 2) with pad 32768',
      );
    });
  });

  test('refuses what does not fit, by its exact message', () => {
    lw.scope(() => {
      const x = lw.zeros([2, 3, 4, 5]);
      const w = lw.zeros([7, 3, 3, 3]);
      const b = lw.zeros([7]);
      const p = { stride: 1, pad: 0 };
      const flat = lw.zeros([2, 3]);
      const shallow = lw.zeros([7, 2, 3, 3]);
      const short = lw.zeros([6]);
      const tall = lw.zeros([7, 3, 5, 3]);
      expectRefused(
        () => lw.convForward(flat, w, b, p),
        lw.ShapeError,
        'convForward: x must be images (N, C, H, W), got (2, 3)',
      );
      expectRefused(
        () => lw.convForward(x, shallow, b, p),
        lw.ShapeError,
        'convForward: w must be (F, C, HH, WW) with C = 3, got (7, 2, 3, 3); C is the second axis of x (2, 3, 4, 5)',
      );
      expectRefused(
        () => lw.convForward(x, w, short, p),
        lw.ShapeError,
        'convForward: b must be (F,) = (7,), got (6,); F is the first axis of w (7, 3, 3, 3)',
      );
      expectRefused(
        () => lw.convForward(x, tall, b, p),
        lw.ShapeError,
        'convForward: w must be filters no larger than the padded images, 4 by 5, got (7, 3, 5, 3)',
      );
      expectRefused(
        () => lw.convForward(x, w, b, { stride: 0, pad: 0 }),
        lw.ValueError,
        'convForward: stride must be an integer in [1, Infinity), got 0',
      );
      expectRefused(
        () => lw.convForward(x, w, b, { stride: 1, pad: 0, padding: 1 } as never),
        lw.OptionError,
        "convForward: unknown option 'padding'; there are stride, pad, exact",
      );
      expectRefused(
        () => lw.maxPoolForward(x, { poolHeight: 5, poolWidth: 2, stride: 2 }),
        lw.ShapeError,
        'maxPoolForward: x must be images at least as large as the window, 5 by 2, got (2, 3, 4, 5)',
      );
    });
  });
});

describe('max pooling', () => {
  const windows = fc
    .record({
      planes: fc.integer({ min: 1, max: 5 }),
      H: fc.integer({ min: 1, max: 13 }),
      W: fc.integer({ min: 1, max: 23 }),
      poolHeight: fc.integer({ min: 1, max: 4 }),
      poolWidth: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      plain: fc.boolean(),
      seed: fc.nat({ max: 10_000 }),
    })
    .filter(({ H, W, poolHeight, poolWidth }) => poolHeight <= H && poolWidth <= W);

  test.each(['float32', 'float64'] as const)('fast is naive to the bit, ties and NaN included, in %s', (dtype) => {
    fc.assert(
      fc.property(windows, ({ planes, H, W, poolHeight, poolWidth, stride, plain, seed }) =>
        lw.scope(() => {
          const rs = new lw.RandomState(seed);
          // Few different values, so that maxima tie; now and then NaN.
          const x = (rs.randint(0, 4, [planes, 1, H, W]) as lw.Tensor).astype(dtype);
          if (seed % 3 === 0) x.data[seed % x.size] = Number.NaN;
          const p =
            plain && H > 1 && W > 1 ? { poolHeight: 2, poolWidth: 2, stride: 2 } : { poolHeight, poolWidth, stride };
          const [a, cacheA] = lw.maxPoolForwardNaive(x, p);
          const [b, cacheB] = lw.maxPoolForwardFast(x, p);
          expect(firstDifference(bits(a), bits(b))).toBe(-1);
          const dout = rs.randn(...a.shape, { dtype }) as lw.Tensor;
          const dx = lw.maxPoolBackwardNaive(dout, cacheA);
          expect(firstDifference(bits(dx), bits(lw.maxPoolBackwardFast(dout, cacheB)))).toBe(-1);
          // Nothing of dout is lost or doubled.
          const sum = (t: lw.Tensor) => Array.from(t.data).reduce((total, v) => total + v, 0);
          expect(Math.abs(sum(dx) - sum(dout))).toBeLessThan(1e-4 * (1 + dout.size));
        }),
      ),
      { numRuns: 200, seed: 231 },
    );
  });

  test('the first of equal maxima takes the gradient', () => {
    lw.scope(() => {
      const x = lw.ones([1, 1, 4, 4], { dtype: 'float64' });
      const [out, cache] = lw.maxPoolForward(x, { poolHeight: 2, poolWidth: 2, stride: 2 });
      const dx = lw.maxPoolBackward(lw.full(out.shape, 3, { dtype: 'float64' }), cache);
      expect(dx.toArray()).toEqual([
        [
          [
            [3, 0, 3, 0],
            [0, 0, 0, 0],
            [3, 0, 3, 0],
            [0, 0, 0, 0],
          ],
        ],
      ]);
    });
  });
});

describe('threads', () => {
  afterAll(() => lw.init({ build: inject('build'), threads: inject('threads') }));

  test('convolution, pooling and spatial norms have the same bits on 1, 2 and 3 threads', async () => {
    const work = (): Uint8Array[] =>
      lw.scope(() => {
        const dtype = { dtype: 'float32' } as const;
        const made: lw.Tensor[] = [];
        for (const [C, H, F, K, stride, pad] of [
          [16, 12, 32, 3, 1, 1],
          [3, 17, 8, 4, 1, 2],
          [3, 16, 9, 5, 1, 2],
          [3, 16, 9, 7, 1, 3],
          [5, 15, 9, 3, 2, 1],
        ] as const) {
          made.push(...fast({ N: 7, C, H, W: H, F, HH: K, WW: K, stride, pad, seed: C }, 'float32'));
        }
        const rs = new lw.RandomState(9);
        const x = rs.randn(9, 12, 14, 13, dtype) as lw.Tensor;
        const gamma = rs.rand(12, dtype) as lw.Tensor;
        const beta = rs.randn(12, dtype) as lw.Tensor;
        const [pooled, pool] = lw.maxPoolForward(x, { poolHeight: 2, poolWidth: 2, stride: 2 });
        made.push(pooled, lw.maxPoolBackward(pooled, pool));
        const [bn, bnCache] = lw.spatialBatchnormForward(x, gamma, beta, { mode: 'train' });
        made.push(bn, ...lw.spatialBatchnormBackward(bn, bnCache));
        const [gn, gnCache] = lw.spatialGroupnormForward(x, gamma, beta, 3);
        made.push(gn, ...lw.spatialGroupnormBackward(gn, gnCache));
        return made.map((t) => bits(t).slice());
      });
    await lw.init({ build: inject('build'), threads: 1 });
    const wanted = work();
    for (const threads of [2, 3]) {
      await lw.init({ build: inject('build'), threads });
      expect(lw.info().threads).toBe(threads);
      work().forEach((got, i) => {
        expect(firstDifference(got, wanted[i]), `result ${i} on ${threads} threads`).toBe(-1);
      });
    }
  });
});
