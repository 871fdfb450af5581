// LinearSVM and Softmax: losses against plain loops and central differences, the training loop, what it prints, memory.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats, uniforms, values } from '../support.js';

const live = () => lw.info().memory.live;

type Loss = (W: lw.Tensor, X: lw.Tensor | lw.Nested, y: lw.Indices, reg?: number) => [number, lw.Tensor];
const losses: Record<string, { hinge: boolean; naive: Loss; vectorized: Loss }> = {
  softmax: { hinge: false, naive: lw.softmaxLossNaive, vectorized: lw.softmaxLossVectorized },
  svm: { hinge: true, naive: lw.svmLossNaive, vectorized: lw.svmLossVectorized },
};
const kinds = Object.entries(losses);
const classifiers = { softmax: lw.Softmax, svm: lw.LinearSVM as unknown as typeof lw.Softmax };

/** Loss and gradient in float64 by the definition. */
function reference(hinge: boolean, W: Float64Array, x: Float64Array, y: number[], D: number, C: number, reg: number) {
  const dW = W.map((w) => 2 * reg * w);
  let loss = reg * W.reduce((sum, w) => sum + w * w, 0);
  const N = y.length;
  for (let i = 0; i < N; i++) {
    const row = x.subarray(i * D, (i + 1) * D);
    const scores = Array.from({ length: C }, (_, c) => row.reduce((sum, v, d) => sum + v * W[d * C + c], 0));
    const slopes: number[] = scores.map((s, c) => (hinge && c !== y[i] && s - scores[y[i]] + 1 > 0 ? 1 : 0));
    if (hinge) {
      loss += scores.reduce((sum, s, c) => sum + slopes[c] * (s - scores[y[i]] + 1), 0) / N;
      slopes[y[i]] = -slopes.reduce((a, b) => a + b, 0);
    } else {
      const top = Math.max(...scores);
      const sum = scores.reduce((total, s) => total + Math.exp(s - top), 0);
      loss += (Math.log(sum) + top - scores[y[i]]) / N;
      for (let c = 0; c < C; c++) slopes[c] = Math.exp(scores[c] - top) / sum - (c === y[i] ? 1 : 0);
    }
    for (let d = 0; d < D; d++) for (let c = 0; c < C; c++) dW[d * C + c] += (row[d] * slopes[c]) / N;
  }
  return { loss, dW };
}

describe.each(kinds)('%s loss', (name, { hinge, naive, vectorized }) => {
  test.each(floats)('%s: both ways against plain loops', (dtype) => {
    const tolerance = dtype === 'float32' ? 2e-5 : 1e-13;
    for (const [N, D, C, reg] of [
      [1, 1, 1, 0],
      [1, 3, 2, 0.5],
      [5, 4, 3, 0],
      [7, 33, 10, 0.1],
      [40, 129, 17, 2],
      [8, 100, 12, 0.1],
      [9, 41, 13, 0.1],
      [10, 65, 5, 0.1],
      [11, 66, 8, 0.1],
      [12, 7, 9, 0.1],
      [13, 5, 11, 0.1],
      [261, 523, 6, 0.1],
      [270, 48, 10, 0.1],
      [150, 300, 15, 0.1],
    ]) {
      const next = uniforms(N * D + C);
      const [W, x] = [values(D * C, next), values(N * D, next)];
      const y = Array.from({ length: N }, () => Math.floor(C * next()));
      const wanted = reference(hinge, W, x, y, D, C, reg);
      const before = live();
      lw.scope(() => {
        const weights = lw.tensor(W, { shape: [D, C], dtype });
        const X = lw.tensor(x, { shape: [N, D], dtype });
        for (const compute of [naive, vectorized]) {
          const [loss, dW] = compute(weights, X, y, reg);
          expect(Math.abs(loss / wanted.loss - 1) || 0, `${loss} for ${wanted.loss}`).toBeLessThan(tolerance);
          expect([dW.shape, dW.dtype]).toEqual([[D, C], dtype]);
          expectClose(dW.data, wanted.dW, tolerance * Math.max(1, ...wanted.dW.map(Math.abs)), 'dW');
        }
      });
      expect(live()).toBe(before);
    }
  });

  test('gradients against central differences, dense and sparse', () => {
    lw.scope(() => {
      const rs = new lw.RandomState(231);
      const W = rs.randn(6, 4);
      const X = rs.randn(9, 6);
      const y = rs.randint(0, 4, 9);
      for (const compute of [naive, vectorized]) {
        for (const reg of [0, 0.3]) {
          const [, dW] = compute(W, X, y, reg);
          const numeric = lw.evalNumericalGradient(() => compute(W, X, y, reg)[0], W);
          expect(lw.relError(numeric, dW)).toBeLessThan(1e-6);
          const checks = lw.gradCheckSparse((w) => compute(w, X, y, reg)[0], W, dW, { log: () => {}, random: rs });
          for (const { relativeError } of checks) expect(relativeError).toBeLessThan(1e-6);
        }
      }
    });
  });

  test('scores of any size, images, whole numbers; no memory stays', () => {
    const before = live();
    lw.scope(() => {
      const W = lw.tensor([[1e4, -1e4]], { dtype: 'float64' });
      for (const compute of [naive, vectorized]) {
        const [loss, dW] = compute(W, [[1], [-1]], [1, 0]);
        expect(loss).toBeCloseTo(hinge ? 20001 : 20000, 6);
        expectClose(dW.data, [1, -1], 1e-12, 'dW');
        expect(compute(W, [[1], [-1]], [0, 1])[0]).toBe(0);
        const pixels = lw.tensor([3, 250], { shape: [2, 1, 1], dtype: 'int32' });
        expect(compute(W, pixels, [1, 1], 0)).toEqual(
          compute(W, pixels.astype('float64'), [1, 1], 0).map((v) => (typeof v === 'number' ? v : expect.anything())),
        );
      }
    });
    expect(live()).toBe(before);
  });

  test('refused, with nothing changed', () => {
    const W = lw.ones([3, 2]);
    const X = [[1, 2, 3]];
    const where = `${name}LossNaive`;
    const run =
      (...args: unknown[]) =>
      () =>
        (naive as (...args: unknown[]) => unknown)(...args);
    expectRefused(
      run([[1]], X, [0]),
      lw.DTypeError,
      `${where}: W must be a tensor, got [[1]]; make one with tensor(…)`,
    );
    const flat = lw.ones(3);
    expectRefused(run(flat, X, [0]), lw.ShapeError, `${where}: W must be a matrix (D, C), got (3,)`);
    const rule = `${where}: X must be (N, …) with 3 numbers for each example, got (1, 2); W is (3, 2)`;
    expectRefused(run(W, [[1, 2]], [0]), lw.ShapeError, rule);
    expectRefused(run(W, X, [2]), lw.ValueError, `${where}: y must be whole numbers in [0, 2), got 2 at 0`);
    expectRefused(run(W, X, [0, 1]), lw.ShapeError, `${where}: y must be 1 labels, one for each example, got 2`);
    expectRefused(run(W, X, [0], -1), lw.ValueError, `${where}: reg must be a finite number in [0, Infinity), got -1`);
    for (const t of [W, flat]) t.dispose();
  });
});

describe.each(Object.entries(classifiers))('the %s classifier', (name, Classifier) => {
  const { naive, vectorized, hinge } = losses[name];

  test.each(
    floats.flatMap((dtype) => [
      { dtype, N: 30, D: 5, C: 3, batchSize: 8 },
      { dtype, N: 40, D: 37, C: 10, batchSize: 270 },
    ]),
  )('$dtype, D = $D: trains as the notebook does, draw for draw', ({ dtype, N, D, C, batchSize }) => {
    const before = live();
    lw.scope(() => {
      const data = new lw.RandomState(1);
      const X = data.randn(N, D, { dtype });
      const y = data.randint(0, C, N);
      const classifier = new Classifier();
      expect(classifier.W).toBeUndefined();
      const random = new lw.RandomState(7);
      const options = { learningRate: 0.1, reg: 0.05, numIters: 12, batchSize, random };
      const got = classifier.train(X, y, options);

      const same = new lw.RandomState(7);
      let W = Float64Array.from(same.randn(D, C).data, (v) =>
        dtype === 'float32' ? Math.fround(0.001 * v) : 0.001 * v,
      );
      const wanted = Array.from({ length: 12 }, () => {
        const rows = Array.from(same.choice(N, batchSize).data);
        const x = Float64Array.from(rows.flatMap((i) => Array.from(X.rows(i, i + 1).data)));
        const step = reference(
          hinge,
          W,
          x,
          rows.map((i) => y.data[i]),
          D,
          C,
          0.05,
        );
        W = W.map((w, i) => w - 0.1 * step.dW[i]);
        return step.loss;
      });
      const tolerance = dtype === 'float32' ? 1e-5 : 1e-12;
      expectClose(got, wanted, tolerance, 'losses');
      const trained = classifier.W as lw.Tensor;
      expect([trained.shape, trained.dtype]).toEqual([[D, C], dtype]);
      expectClose(trained.data, W, tolerance, 'W');
      expect(random.getState()).toEqual(same.getState());

      const [loss, dW] = classifier.loss(X, y, 0.2);
      const [again, dW2] = vectorized(trained, X, y, 0.2);
      expect(loss).toBe(again);
      expect(firstDifference(bits(dW), bits(dW2))).toBe(-1);
      const scores = lw.matmul(X, trained);
      expect(Array.from(classifier.predict(X).data)).toEqual(Array.from(scores.argmax(1).data));
      classifier.train(X, y, { numIters: 1, random });
      expect(classifier.W).toBe(trained);
      classifier.dispose();
    });
    expect(live()).toBe(before);
  });

  test('W: assigning copies, and training starts from it', () => {
    const before = live();
    const classifier = new Classifier();
    lw.scope(() => {
      classifier.W = lw.tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]);
    });
    expect(classifier.W?.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    // float64 and whole-number examples are computed in W's type.
    for (const dtype of ['float64', 'int32'] as const) {
      lw.scope(() => {
        const X = lw.tensor([1, 0, 0, 1], { shape: [2, 2], dtype });
        const [first] = classifier.train(X, [2, 1], { numIters: 3, learningRate: 0, batchSize: 5 });
        expect(first).toBeGreaterThan(0);
        expect(classifier.W?.dtype).toBe('float32');
        expect(Array.from(classifier.predict(X).data)).toEqual([2, 2]);
      });
    }
    const rule = 'train: y must be whole numbers in [0, 3), got 3 at 0';
    expectRefused(() => classifier.train([[1, 2]], [3]), lw.ValueError, rule);
    const message = 'train: X must be (N, …) with 2 numbers for each example, got (1, 3); W is (2, 3)';
    expectRefused(() => classifier.train([[1, 2, 3]], [0]), lw.ShapeError, message);
    expectRefused(
      () => {
        classifier.W = [[1]] as never;
      },
      lw.DTypeError,
      /W must be a tensor/,
    );
    classifier.W = undefined;
    expect(live()).toBe(before);
  });

  test('prints the notebook’s lines', () => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    lw.scope(() => {
      const classifier = new Classifier();
      const X = lw.ones([4, 2]);
      const options = { numIters: 250, verbose: true, log, random: new lw.RandomState(0) };
      const history = classifier.train(X, [0, 1, 1, 0], options);
      expect(lines).toEqual([0, 100, 200].map((i) => `iteration ${i} / 250: loss ${history[i].toFixed(6)}`));
      classifier.train(X, [0, 1, 1, 0], { numIters: 3, log });
      expect(lines.length).toBe(3);
      classifier.dispose();
    });
  });

  test('allocates nothing after the first step', () => {
    lw.scope(() => {
      const random = new lw.RandomState(0);
      const X = random.randn(50, 20);
      const y = random.randint(0, 3, 50);
      const seen: number[] = [];
      const watching = new Proxy(random, {
        get(target, key) {
          if (key === 'choice') seen.push(live());
          const value = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      const classifier = new Classifier();
      const before = live();
      classifier.train(X, y, { numIters: 5, batchSize: 16, random: watching });
      expect(new Set(seen.slice(1)).size).toBe(1);
      const kept = live() - before;
      expect(kept).toBe(Math.ceil((20 * 3 * 8) / 64) * 64);
      classifier.dispose();
    });
  });

  test('a loss that overflows does not end the training; scores that are NaN are class 0', () => {
    lw.scope(() => {
      const random = new lw.RandomState(2);
      const classifier = new Classifier();
      const X = random.randn(20, 6, { dtype: 'float32' });
      const y = random.randint(0, 4, 20);
      const lines: string[] = [];
      const log = (line: string) => void lines.push(line);
      const history = classifier.train(X, y, { learningRate: 1, reg: 1e6, numIters: 101, verbose: true, log, random });
      expect(history.length).toBe(101);
      expect(history.at(-1)).toBeNaN();
      expect(history).toContain(Number.POSITIVE_INFINITY);
      expect(lines.at(-1)).toBe('iteration 100 / 101: loss nan');
      expect(new Set(classifier.predict(X).data)).toEqual(new Set([0]));
      classifier.dispose();
    });
  });

  test('its bytes, and nothing but its bytes', () => {
    const before = live();
    const classifier = new Classifier();
    for (const dtype of floats) {
      lw.scope(() => {
        classifier.W = new lw.RandomState(3).randn(4, 3, { dtype });
      });
      const bytes = classifier.toBytes();
      const again = Classifier.fromBytes(bytes);
      expect(again).toBeInstanceOf(Classifier);
      expect([again.W?.dtype, again.W?.shape]).toEqual([dtype, [4, 3]]);
      expect(firstDifference(bits(again.W as lw.Tensor), bits(classifier.W as lw.Tensor))).toBe(-1);
      again.dispose();
      expectRefused(() => Classifier.fromBytes(bytes.subarray(0, 70)), lw.DataError, /fromBytes/);
      const Other = classifiers[hinge ? 'softmax' : 'svm'];
      const kind = `fromBytes: checkpoint: expected kind 'linear ${hinge ? 'softmax' : 'svm'}' at byte 8, got 'linear ${name}'`;
      expectRefused(() => Other.fromBytes(bytes), lw.DataError, kind);
    }
    classifier.dispose();
    expect(live()).toBe(before);
    expectRefused(() => classifier.toBytes(), lw.RuntimeError, /toBytes/);
  });

  test('pages have no files; elsewhere a missing one is no error', async () => {
    const classifier = new Classifier();
    if (typeof document === 'undefined') {
      await expect(classifier.load('no-such-folder/softmax')).resolves.toBe(false);
      return;
    }
    const save = 'save: browsers have no files; keep the bytes of toBytes() instead';
    await expect(classifier.save('softmax')).rejects.toThrow(save);
    await expect(classifier.load('softmax')).rejects.toThrow('load: browsers have no files; use fromBytes() instead');
  });

  test('refused, with nothing changed', () => {
    const classifier = new Classifier();
    const random = new lw.RandomState(1);
    const state = random.getState();
    const train =
      (options: object, X: unknown = [[1, 2]], y: unknown = [0]) =>
      () =>
        classifier.train(X as lw.Nested, y as number[], { random, ...options });
    expectRefused(train({ learning_rate: 1 }), lw.OptionError, /did you mean 'learningRate'/);
    const range = 'must be a finite number in [0, Infinity)';
    expectRefused(train({ learningRate: -1 }), lw.ValueError, `train: learningRate ${range}, got -1`);
    expectRefused(train({ reg: Number.NaN }), lw.ValueError, `train: reg ${range}, got NaN`);
    expectRefused(train({ numIters: 1.5 }), lw.ValueError, /numIters must be an integer/);
    expectRefused(train({ batchSize: 0 }), lw.ValueError, /batchSize must be an integer in \[1, /);
    expectRefused(train({}, []), lw.ShapeError, 'train: X must be (N, …) with N >= 1, got (0,)');
    expectRefused(train({}, [[], []], [0, 0]), lw.ShapeError, 'train: X must be not empty, got (2, 0)');
    expectRefused(train({}, [[1]], [0.5]), lw.ValueError, /whole numbers/);
    const untrained = 'predict: there is nothing to predict from; train(X, y) comes first';
    expectRefused(() => classifier.predict([[1]]), lw.RuntimeError, untrained);
    expectRefused(() => classifier.loss([[1]], [0]), lw.RuntimeError, /^loss: there is nothing/);
    expect(classifier.W).toBeUndefined();
    expect(random.getState()).toEqual(state);
  });

  test('the loss of the naive way too', () => {
    lw.scope(() => {
      const rs = new lw.RandomState(5);
      const classifier = new Classifier();
      const [X, y] = [rs.randn(12, 7), rs.randint(0, 5, 12)];
      classifier.train(X, y, { numIters: 3, random: rs });
      const [loss, dW] = classifier.loss(X, y, 3);
      const [slow, dSlow] = naive(classifier.W as lw.Tensor, X, y, 3);
      expect(Math.abs(loss - slow)).toBeLessThan(1e-12);
      expectClose(dW.data, dSlow.data, 1e-12, 'dW');
      classifier.dispose();
    });
  });
});
