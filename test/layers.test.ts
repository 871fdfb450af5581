// What the layer table cannot say: state, modes, extremes and edges of single layers.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { dense, mersenneTwister, reduce } from './reference.js';
import { bits, expectClose, expectRefused, firstDifference, floats, uniforms, values } from './support.js';

const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
const random = (shape: number[], seed: number, dtype: lw.DType = 'float64') =>
  lw.tensor(
    values(
      shape.reduce((a, n) => a * n, 1),
      uniforms(seed),
    ),
    { shape, dtype },
  );

describe('batch norm', () => {
  const [N, D] = [7, 11];
  const gamma = () => lw.ones([D], { dtype: 'float64' });
  const beta = () => lw.zeros([D], { dtype: 'float64' });
  const moments = (x: lw.Tensor) => {
    const d = dense([N, D], x.data);
    const mean = (list: number[]) => list.reduce((a, v) => a + v, 0) / list.length;
    const means = reduce(d, 0, mean).data;
    return { means, variances: reduce(d, 0, (c) => mean(c.map((v) => (v - mean(c)) ** 2))).data };
  };

  test('keeps running averages: zeros at first, then momentum, in place, biased variance', () => {
    for (const momentum of [undefined, 0.9, 0.5, 0, 1]) {
      const param: lw.BatchnormParam = { mode: 'train', ...(momentum === undefined ? {} : { momentum }) };
      const keep = momentum ?? 0.9;
      const mean = new Float64Array(D);
      const variance = new Float64Array(D);
      let tensors: unknown[] = [];
      for (let step = 0; step < 4; step++) {
        lw.scope(() => {
          const x = random([N, D], step);
          lw.batchnormForward(x, gamma(), beta(), param);
          const { means, variances } = moments(x);
          for (let j = 0; j < D; j++) {
            mean[j] = keep * mean[j] + (1 - keep) * means[j];
            variance[j] = keep * variance[j] + (1 - keep) * variances[j];
          }
        });
        if (step > 0) expect([param.runningMean, param.runningVar]).toEqual(tensors);
        tensors = [param.runningMean, param.runningVar];
      }
      const { runningMean, runningVar } = param as Required<lw.BatchnormParam>;
      expectClose(runningMean.data, mean, 1e-15 * 10, 'running mean');
      expectClose(runningVar.data, variance, 1e-15 * 10, 'running variance');
      runningMean.dispose();
      runningVar.dispose();
    }
  });

  test('normalises columns to mean 0 and variance 1, whatever they were', () => {
    lw.scope(() => {
      const x = lw.add(lw.mul(random([N, D], 1), 3), lw.linspace(-1e3, 1e3, D, { dtype: 'float64' }));
      const [out] = lw.batchnormForward(x, gamma(), beta(), { mode: 'train', eps: 0 });
      const { means, variances } = moments(out);
      expectClose(means, new Float64Array(D), 1e-12, 'means');
      expectClose(variances, new Float64Array(D).fill(1), 1e-12, 'variances');
    });
  });

  test('in float32 survives a large offset: the mean is taken out before squaring', () => {
    lw.scope(() => {
      const x = random([64, 5], 3, 'float32');
      const shifted = lw.add(x, 4096);
      const param = () => ({ mode: 'train' as const });
      const [g, b] = [lw.ones([5]), lw.zeros([5])];
      const [out] = lw.batchnormForward(lw.sub(shifted, 4096), g, b, param());
      const [far] = lw.batchnormForward(shifted, g, b, param());
      expectClose(far.data, out.data, 2e-3, 'xhat');
    });
  });

  test('of a single example gives beta', () => {
    lw.scope(() => {
      const [out, cache] = lw.batchnormForward(random([1, D], 1), gamma(), random([D], 2), { mode: 'train' });
      expectClose(out.data, random([D], 2).data, 0, 'out');
      for (const back of [lw.batchnormBackward, lw.batchnormBackwardAlt]) {
        const [dx] = back(random([1, D], 3), cache);
        expectClose(dx.data, new Float64Array(D), 1e-12, 'dx');
      }
    });
  });

  test('in test mode leaves the running averages alone and treats every example by itself', () => {
    lw.scope(() => {
      const runningMean = random([D], 1);
      const runningVar = lw.mul(runningMean, runningMean);
      const before = [bits(runningMean), bits(runningVar)];
      const x = random([N, D], 2);
      const param: lw.BatchnormParam = { mode: 'test', runningMean, runningVar };
      const [out] = lw.batchnormForward(x, gamma(), beta(), param);
      for (let i = 0; i < N; i++) {
        const [row] = lw.batchnormForward(x.rows(i, i + 1), gamma(), beta(), param);
        expect(firstDifference(bits(row), bits(out.rows(i, i + 1)))).toBe(-1);
      }
      expect([param.runningMean, param.runningVar]).toEqual([runningMean, runningVar]);
      expect(firstDifference(bits(runningMean), before[0])).toBe(-1);
      expect(firstDifference(bits(runningVar), before[1])).toBe(-1);
      expect(lw.batchnormForward(x.rows(0, 0), gamma(), beta(), param)[0].shape).toEqual([0, D]);
    });
  });

  test('refuses bad options', () => {
    const [x, g, b] = [random([N, D], 1), gamma(), beta()];
    const run = (param: unknown) => () => lw.batchnormForward(x, g, b, param as lw.BatchnormParam);
    const where = 'batchnormForward';
    expectRefused(
      run(undefined),
      lw.OptionError,
      /^batchnormForward: mode must be one of 'train', 'test', got undefined$/,
    );
    expectRefused(run({}), lw.OptionError, `${where}: mode must be one of 'train', 'test', got undefined`);
    expectRefused(
      run({ mode: 'tset' }),
      lw.OptionError,
      `${where}: mode must be one of 'train', 'test', got 'tset'; did you mean 'test'?`,
    );
    expectRefused(
      run({ mode: 'train', eps: -1 }),
      lw.ValueError,
      `${where}: eps must be a finite number in [0, Infinity), got -1`,
    );
    expectRefused(
      run({ mode: 'train', momentum: 1.5 }),
      lw.ValueError,
      `${where}: momentum must be a finite number in [0, 1], got 1.5`,
    );
    expectRefused(
      run({ mode: 'train', runningMean: g.rows(1) }),
      lw.ShapeError,
      `${where}: runningMean must be (D,) = (11,), got (10,)`,
    );
    expectRefused(
      run({ mode: 'train', runningVar: lw.ones }),
      lw.DTypeError,
      /^batchnormForward: runningVar must be a tensor/,
    );
    const empty = x.rows(0, 0);
    const message = `${where}: x must be (N, D) with N >= 1 in training, got (0, 11)`;
    expectRefused(() => lw.batchnormForward(empty, g, b, { mode: 'train' }), lw.ShapeError, message);
    for (const t of [x, g, b]) t.dispose();
  });
});

describe('layer norm', () => {
  test('normalises rows; one number becomes beta', () => {
    lw.scope(() => {
      const x = lw.mul(random([5, 13], 1), 100);
      const [out] = lw.layernormForward(x, lw.ones([13], { dtype: 'float64' }), lw.zeros([13], { dtype: 'float64' }), {
        eps: 0,
      });
      expectClose(out.mean(1).data, new Float64Array(5), 1e-14, 'means');
      expectClose(out.std(1).data, new Float64Array(5).fill(1), 1e-14, 'deviations');
      const [single] = lw.layernormForward(random([3, 1], 2), random([1], 3), random([1], 4));
      expect(new Set(single.data)).toEqual(new Set(random([1], 4).data));
      expect(lw.layernormForward(x.rows(0, 0), random([13], 5), random([13], 6))[0].shape).toEqual([0, 13]);
    });
  });
});

describe('dropout', () => {
  test('drops what NumPy drops, and scales the rest', () => {
    lw.scope(() => {
      for (const dtype of floats) {
        const all = mersenneTwister(99);
        const draws = Array.from({ length: 63 }, () => all());
        // A draw that is p itself is dropped: the first, which is in a vector, and the last, which is not.
        for (const p of [0.25, 0.8, 1, 1e-9, draws[0], draws[62]]) {
          const x = random([9, 7], 1, dtype);
          const [out, cache] = lw.dropoutForward(x, { p, mode: 'train', seed: 99 });
          const draw = mersenneTwister(99);
          const mask = Array.from({ length: 63 }, () => (draw() < p ? 1 : 0));
          expect([...(cache.mask as lw.Tensor).data]).toEqual(mask);
          expectClose(
            out.data,
            [...x.data].map((v, i) => (mask[i] * v) / p),
            4e-7 / p,
            'out',
          );
          if (p === 1) expect(firstDifference(bits(out), bits(x))).toBe(-1);
        }
      }
    });
  });

  test('draws from the given stream, from the default stream, or from one of its own', () => {
    lw.scope(() => {
      const x = lw.ones([50]);
      const mask = (options: Partial<lw.DropoutParam>) => [
        ...lw.dropoutForward(x, { p: 0.5, mode: 'train', ...options })[0].data,
      ];
      const stream = new lw.RandomState(5);
      const twin = new lw.RandomState(5);
      expect(mask({ random: stream })).toEqual([...twin.rand(50).data].map((u) => (u < 0.5 ? 2 : 0)));
      expect(mask({ random: stream })).toEqual([...twin.rand(50).data].map((u) => (u < 0.5 ? 2 : 0)));
      lw.random.seed(5);
      const fromDefault = mask({});
      lw.random.seed(5);
      expect(mask({ seed: 8 })).toEqual(mask({ seed: 8 }));
      expect(mask({})).toEqual(fromDefault);
      // Test mode and a mask of one's own draw nothing.
      const state = stream.getState();
      lw.dropoutForward(x, { p: 0.5, mode: 'test', random: stream });
      expect(lw.dropoutForward(x, { p: 0.5, mode: 'train', random: stream, mask: lw.ones([50]) })[0].sum()).toBe(100);
      expect(stream.getState()).toEqual(state);
    });
  });

  test('takes any shape, also none', () => {
    lw.scope(() => {
      for (const shape of [[], [0], [2, 3, 4, 5], [1, 1, 1, 1, 1, 7]]) {
        for (const mode of ['train', 'test'] as const) {
          const [out, cache] = lw.dropoutForward(lw.ones(shape), { p: 0.5, mode, seed: 1 });
          expect(out.shape).toEqual(shape);
          expect(lw.dropoutBackward(lw.ones(shape), cache).shape).toEqual(shape);
        }
      }
    });
  });

  test('keeps the share it is told', () => {
    lw.scope(() => {
      const x = lw.ones([300, 300]);
      for (const p of [0.3, 0.75]) {
        const [out] = lw.dropoutForward(x, { p, mode: 'train', seed: 4 });
        // Four standard deviations of a share of 90,000 draws.
        expect(Math.abs(out.mean() * p - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 90_000));
      }
    });
  });

  test('refuses bad options', () => {
    const x = lw.ones([4]);
    const short = lw.ones([3]);
    const run = (param: unknown) => () => lw.dropoutForward(x, param as lw.DropoutParam);
    for (const p of [0, -0.5, 1.01, nan, undefined, '0.5']) {
      const text = p === '0.5' ? "'0.5'" : p;
      expectRefused(
        run({ p, mode: 'train' }),
        lw.ValueError,
        `dropoutForward: p must be a finite number in (0, 1], got ${text}`,
      );
    }
    expectRefused(run(undefined), lw.LanewiseError, /^dropoutForward: /);
    expectRefused(
      run({ p: 0.5 }),
      lw.OptionError,
      "dropoutForward: mode must be one of 'train', 'test', got undefined",
    );
    expectRefused(
      run({ p: 0.5, mode: 'train', mask: short }),
      lw.ShapeError,
      /^dropoutForward: mask must be x's shape = \(4,\), got \(3,\)/,
    );
    expectRefused(
      run({ p: 0.5, mode: 'train', seed: -1 }),
      lw.ValueError,
      /seed must be an integer in \[0, 4294967295\], got -1/,
    );
    x.dispose();
    short.dispose();
  });
});

describe('losses', () => {
  test('softmax is finite for scores of any size', () => {
    for (const dtype of floats) {
      lw.scope(() => {
        const x = lw.tensor([1e4, -1e4, 0, -1e4, 1e30, 1e30, 3, 3, 3], { shape: [3, 3], dtype });
        const [loss, dx] = lw.softmaxLoss(x, [1, 2, 0]);
        expect(loss).toBeCloseTo((2e4 + Math.log(2) + Math.log(3)) / 3, 2);
        expectClose(
          dx.data,
          [1, -1, 0, 0, 0.5, -0.5, -2 / 3, 1 / 3, 1 / 3].map((v) => v / 3),
          1e-7,
          'dx',
        );
        expect(lw.softmaxLoss(lw.full([1, 10], 5, { dtype }), [3])[0]).toBeCloseTo(Math.log(10), 14);
        const [certain, none] = lw.softmaxLoss(lw.tensor([[0, -inf, -inf]], { dtype }), [0]);
        expect([certain, ...none.data]).toEqual([0, 0, 0, 0]);
        expect(lw.softmaxLoss(lw.tensor([[0, -inf]], { dtype }), [1])[0]).toBe(inf);
      });
    }
  });

  test('rows of the gradient add up to 0, and to the share of their labels', () => {
    lw.scope(() => {
      const x = random([9, 6], 1);
      const y = [0, 1, 2, 3, 4, 5, 0, 1, 2];
      for (const [, dx] of [lw.softmaxLoss(x, y), lw.softmaxLoss(x, y, { labelSmoothing: 0.3 }), lw.svmLoss(x, y)]) {
        expectClose(dx.sum(1).data, new Float64Array(9), 1e-16, 'row sums');
      }
    });
  });

  test('NaN and infinity are passed on, never hidden', () => {
    for (const dtype of floats) {
      for (const bad of [nan, inf]) {
        for (const place of [0, 1, 4]) {
          const list = [1, 2, 3, 4, 5, 6];
          list[place] = bad;
          lw.scope(() => {
            const x = lw.tensor(list, { shape: [2, 3], dtype });
            expect(Number.isFinite(lw.softmaxLoss(x, [0, 1])[0]), `softmax ${bad} at ${place}`).toBe(false);
            if (Number.isNaN(bad)) expect(lw.svmLoss(x, [0, 1])[0], `svm at ${place}`).toBeNaN();
          });
        }
      }
    }
  });

  test('hinge: a margin of exactly 0 counts nothing, and delta is the margin', () => {
    lw.scope(() => {
      const x = lw.tensor([[2, 1, 1.5, 0]], { dtype: 'float64' });
      const [loss, dx] = lw.svmLoss(x, [0]);
      expect([loss, ...dx.data]).toEqual([0.5, -1, 0, 1, 0]);
      const [wide, d] = lw.svmLoss(x, [0], { delta: 2 });
      expect([wide, ...d.data]).toEqual([1 + 1.5, -2, 1, 1, 0]);
      expect(lw.svmLoss(x, [0], { delta: 0 })[0]).toBe(0);
    });
  });

  test('label smoothing: all of it is the even distribution', () => {
    lw.scope(() => {
      const x = random([5, 4], 1);
      const [plain] = lw.softmaxLoss(x, [0, 1, 2, 3, 0]);
      expect(lw.softmaxLoss(x, [0, 1, 2, 3, 0], { labelSmoothing: 0 })[0]).toBe(plain);
      const [a] = lw.softmaxLoss(x, [0, 1, 2, 3, 0], { labelSmoothing: 1 });
      const [b] = lw.softmaxLoss(x, [3, 3, 3, 3, 3], { labelSmoothing: 1 });
      expect(a).toBeCloseTo(b, 14);
      const act = () => lw.softmaxLoss(x, [0, 1, 2, 3, 0], { labelSmoothing: 1.1 });
      expectRefused(act, lw.ValueError, 'softmaxLoss: labelSmoothing must be a finite number in [0, 1], got 1.1');
    });
  });

  test('refuse empty batches', () => {
    for (const [name, loss] of [
      ['softmaxLoss', lw.softmaxLoss],
      ['svmLoss', lw.svmLoss],
    ] as const) {
      for (const shape of [
        [0, 3],
        [2, 0],
      ]) {
        const x = lw.zeros(shape);
        const message = `${name}: x must be (N, C) with N and C >= 1, got (${shape.join(', ')})`;
        expectRefused(() => loss(x, shape[0] ? [0, 0] : []), lw.ShapeError, message);
      }
    }
  });
});

describe('activations', () => {
  test('ReLU: slope 0 at 0, NaN stays', () => {
    for (const dtype of floats) {
      lw.scope(() => {
        const x = lw.tensor([-1, -0, 0, 1e-30, 3, nan, inf, -inf], { dtype });
        const [out, cache] = lw.reluForward(x);
        const tiny = dtype === 'float32' ? Math.fround(1e-30) : 1e-30;
        expect([...out.data].map((v) => v + 0)).toEqual([0, 0, 0, tiny, 3, nan, inf, 0]);
        expect([...lw.reluBackward(lw.full([8], 7, { dtype }), cache).data]).toEqual([0, 0, 0, 7, 7, 0, 7, 0]);
      });
    }
  });

  test('ReLU backward does not touch the upstream gradient, and passes NaN of it on where x > 0 only', () => {
    lw.scope(() => {
      const [, cache] = lw.reluForward(lw.tensor([-1, 1]));
      const dout = lw.tensor([nan, nan]);
      expect([...lw.reluBackward(dout, cache).data]).toEqual([0, nan]);
      expect([...dout.data]).toEqual([nan, nan]);
    });
  });

  test('leaky ReLU: any slope', () => {
    lw.scope(() => {
      const x = lw.tensor([-2, 0, 3], { dtype: 'float64' });
      for (const slope of [0, 0.01, 0.3, 1, -1, 2]) {
        const [out, cache] = lw.leakyReluForward(x, { slope });
        expectClose(out.data, [-2 * slope, 0, 3], 0, `slope ${slope}`);
        expectClose(lw.leakyReluBackward(lw.ones([3], { dtype: 'float64' }), cache).data, [slope, 1, 1], 0, 'dx');
      }
      expect(lw.leakyReluForward(x)[0].data[0]).toBe(-0.02);
      const act = () => lw.leakyReluForward(x, { slope: nan });
      expectRefused(act, lw.ValueError, 'leakyReluForward: slope must be a finite number, got NaN');
    });
  });

  test('swish of what is far below 0 is 0, its slope too; NaN stays', () => {
    for (const dtype of floats) {
      lw.scope(() => {
        const x = lw.tensor([-Infinity, -1e30, -20000, nan, -Infinity, 3], { dtype });
        const [out, cache] = lw.swishForward(x);
        const dx = lw.swishBackward(lw.ones([6], { dtype }), cache);
        for (const i of [0, 1, 2, 4]) expect([out.data[i] + 0, dx.data[i] + 0], `${dtype}, ${i}`).toEqual([0, 0]);
        expect([out.data[3], dx.data[3]]).toEqual([nan, nan]);
        expectClose(out.data.subarray(5), [3 / (1 + Math.exp(-3))], 1e-6, dtype);
      });
    }
  });

  test('take any shape', () => {
    lw.scope(() => {
      for (const shape of [[], [0, 4], [2, 3, 4, 5, 6]]) {
        for (const [forward, backward] of [
          [lw.reluForward, lw.reluBackward],
          [lw.sigmoidForward, lw.sigmoidBackward],
          [lw.tanhForward, lw.tanhBackward],
          [lw.swishForward, lw.swishBackward],
          [lw.leakyReluForward, lw.leakyReluBackward],
        ] as const) {
          const [out, cache] = forward(lw.ones(shape));
          expect(out.shape).toEqual(shape);
          expect(backward(lw.ones(shape), cache).shape).toEqual(shape);
        }
      }
    });
  });
});

describe('pooling', () => {
  test('of overlapping windows, several at a time: the bits of the plain loops, ties and NaN included', () => {
    for (const [height, width, stride] of [
      [3, 3, 2],
      [3, 3, 1],
      [2, 2, 1],
      [2, 3, 1],
      [3, 2, 2],
      [1, 4, 2],
      [5, 5, 2],
    ]) {
      for (const side of [5, 6, 9, 11, 16, 23]) {
        const poolParam = { poolHeight: height, poolWidth: width, stride };
        const reach = (window: number) => window + stride * Math.floor((side - window) / stride);
        const shape = [2, 3, reach(height), reach(width)];
        lw.scope(() => {
          // Few different values, so that many are equal.
          const x = random(shape, side, 'float32');
          x.data.forEach((v, i) => {
            x.data[i] = i % 41 === 7 ? nan : Math.round(2 * v);
          });
          const [out, cache] = lw.maxPoolForward(x, poolParam);
          const [wanted, naive] = lw.maxPoolForwardNaive(x, poolParam);
          const what = `${height}x${width} by ${stride} of ${shape}`;
          expect(firstDifference(bits(out), bits(wanted)), what).toBe(-1);
          const dout = random(out.shape as number[], side + 1, 'float32');
          const [dx, dxNaive] = [lw.maxPoolBackward(dout, cache), lw.maxPoolBackwardNaive(dout, naive)];
          expect(firstDifference(bits(dx), bits(dxNaive)), `gradient, ${what}`).toBe(-1);
        });
      }
    }
  });

  test('means of 2x2 windows are rounded once', () => {
    const [N, C, H, W] = [2, 3, 6, 14];
    lw.scope(() => {
      const x = random([N, C, H, W], 3, 'float32');
      const [out, cache] = lw.avgPoolForward(x, { poolHeight: 2, poolWidth: 2, stride: 2 });
      const dx = lw.avgPoolBackward(out, cache);
      for (let plane = 0; plane < N * C; plane++) {
        for (let i = 0; i < H; i++) {
          for (let j = 0; j < W; j++) {
            const at = plane * H * W + (i & ~1) * W + (j & ~1);
            const window = [at, at + 1, at + W, at + W + 1].map((o) => x.data[o]);
            const mean = Math.fround(window.reduce((sum, v) => sum + v) / 4);
            expect(out.data[(plane * H + (i & ~1)) * (W / 4) + (j >> 1)]).toBe(mean);
            expect(dx.data[plane * H * W + i * W + j]).toBe(mean / 4);
          }
        }
      }
    });
  });
});

describe('affine', () => {
  test('reads every example as a row, whatever its shape, and gives the gradient that shape', () => {
    lw.scope(() => {
      const flat = random([4, 30], 1);
      const [w, b, dout] = [random([30, 7], 2), random([7], 3), random([4, 7], 4)];
      const [wanted, plain] = lw.affineForward(flat, w, b);
      const gradients = lw.affineBackward(dout, plain);
      for (const shape of [
        [4, 2, 3, 5],
        [4, 30, 1],
        [4, 1, 1, 1, 30],
      ]) {
        const [out, cache] = lw.affineForward(flat.reshape(shape), w, b);
        expect(firstDifference(bits(out), bits(wanted))).toBe(-1);
        const [dx, dw, db] = lw.affineBackward(dout, cache);
        expect(dx.shape).toEqual(shape);
        [dx, dw, db].forEach((g, i) => {
          expect(firstDifference(bits(g), bits(gradients[i]))).toBe(-1);
        });
      }
      const column = random([4], 5);
      expect(lw.affineForward(column, random([1, 2], 6), random([2], 7))[0].shape).toEqual([4, 2]);
    });
  });

  test('the message names how D came about', () => {
    lw.scope(() => {
      const x = lw.zeros([50, 3, 32, 32]);
      const [w, b] = [lw.zeros([3070, 100]), lw.zeros([100])];
      const message =
        'affineForward: w must be (D, M) with D = 3072, got (3070, 100); D is 3*32*32 from x (50, 3, 32, 32)';
      expectRefused(() => lw.affineForward(x, w, b), lw.ShapeError, message);
      const scalar = lw.tensor(1);
      expectRefused(
        () => lw.affineForward(scalar, w, b),
        lw.ShapeError,
        'affineForward: x must be (N, …), with at least one axis, got ()',
      );
    });
  });

  test('the sandwich equals its parts to the last bit', () => {
    lw.scope(() => {
      for (const dtype of floats) {
        const [x, w, b] = [random([9, 37], 1, dtype), random([37, 21], 2, dtype), random([21], 3, dtype)];
        const dout = random([9, 21], 4, dtype);
        const [a, affineCache] = lw.affineForward(x, w, b);
        const [r, reluCache] = lw.reluForward(a);
        const [out, cache] = lw.affineReluForward(x, w, b);
        expectClose(out.data, r.data, 0, 'out');
        const parts = lw.affineBackward(lw.reluBackward(dout, reluCache), affineCache);
        lw.affineReluBackward(dout, cache).forEach((g, i) => {
          expectClose(g.data, parts[i].data, 0, `gradient ${i}`);
        });
      }
    });
  });
});
