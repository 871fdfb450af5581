// KNearestNeighbor against plain loops: distances three ways, selection, votes, ties, duplicates, bad numbers; cross-validation.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats, uniforms, values } from '../support.js';

type Way = 'computeDistancesTwoLoops' | 'computeDistancesOneLoop' | 'computeDistancesNoLoops';
const ways: Way[] = ['computeDistancesTwoLoops', 'computeDistancesOneLoop', 'computeDistancesNoLoops'];

const live = () => lw.info().memory.live;

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d] - b[d]) ** 2;
  return Math.sqrt(sum);
}

const rowsOf = (data: Float64Array, D: number) =>
  Array.from({ length: data.length / D }, (_, i) => data.subarray(i * D, (i + 1) * D));

/** Votes by sorting: nearest first, NaN last, equal distances by position; equal votes to the smaller label. */
function votes(dists: readonly number[], labels: readonly number[], k: number): number {
  const key = (i: number) => (Number.isNaN(dists[i]) ? [1, 0] : [0, dists[i]]);
  const order = dists
    .map((_, i) => i)
    .sort((a, b) => {
      const [p, q] = [key(a), key(b)];
      return p[0] - q[0] || (p[1] === q[1] ? a - b : p[1] - q[1]);
    });
  const counts = new Map<number, number>();
  for (const i of order.slice(0, k)) counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return Math.min(...[...counts].filter(([, count]) => count === most).map(([label]) => label));
}

/** A classifier that has seen X and y, disposed of afterwards. */
function trained<T>(X: lw.Tensor | lw.Nested, y: lw.Indices, use: (knn: lw.KNearestNeighbor) => T): T {
  const knn = new lw.KNearestNeighbor();
  knn.train(X as lw.Tensor, y as lw.Tensor);
  try {
    return use(knn);
  } finally {
    knn.dispose();
  }
}

describe.each(floats)('%s', (dtype) => {
  const tight = dtype === 'float32' ? 4e-6 : 1e-14;
  const loose = dtype === 'float32' ? 2e-4 : 1e-9;

  test.each([
    [1, 1, 1],
    [3, 5, 2],
    [2, 9, 3],
    [5, 4, 7],
    [4, 17, 16],
    [7, 33, 31],
    [6, 70, 530],
  ])('distances of %i to %i examples of %i numbers', (M, N, D) => {
    const next = uniforms(M + N + D);
    const [x, train] = [values(M * D, next), values(N * D, next)];
    const wanted = rowsOf(x, D).flatMap((a) => rowsOf(train, D).map((b) => distance(a, b)));
    const before = live();
    lw.scope(() => {
      const X = lw.tensor(train, { shape: [N, D], dtype });
      trained(X, new Int32Array(N), (knn) => {
        const got = ways.map((way) => knn[way](lw.tensor(x, { shape: [M, D], dtype })));
        for (const [i, dists] of got.entries()) {
          expect([dists.shape, dists.dtype]).toEqual([[M, N], dtype]);
          const tolerance = (i < 2 ? tight : loose) * Math.max(...wanted);
          expectClose(dists.data, wanted, tolerance, ways[i]);
        }
        expect(firstDifference(bits(got[0]), bits(got[1]))).toBe(-1);
      });
    });
    expect(live()).toBe(before);
  });

  test('examples of any shape, whole numbers, arrays', () => {
    lw.scope(() => {
      const next = uniforms(4);
      const pixels = Int32Array.from({ length: 5 * 12 }, () => Math.floor(256 * next()));
      const before = lw.getDefaultDType();
      lw.setDefaultDType(dtype);
      try {
        const images = lw.tensor(pixels, { shape: [5, 3, 2, 2] });
        const flat = Array.from({ length: 5 }, (_, i) => Array.from(pixels.subarray(12 * i, 12 * i + 12)));
        const wanted = flat.flatMap((a) => flat.map((b) => distance(a, b)));
        for (const X of [images, images.reshape(5, 12), flat, images.astype(dtype)]) {
          trained(X, [0, 1, 2, 3, 4], (knn) => {
            for (const way of ways) {
              const dists = knn[way](images);
              expect(dists.dtype).toBe(dtype);
              expectClose(dists.data, wanted, tight * 1000, way);
            }
            expect(Array.from(knn.predict(flat).data)).toEqual([0, 1, 2, 3, 4]);
          });
        }
      } finally {
        lw.setDefaultDType(before);
      }
    });
  });

  test('equal examples have distance 0, near ones are right, and nothing is NaN', () => {
    lw.scope(() => {
      const [N, D] = [23, 37];
      const next = uniforms(7);
      // Far from the origin, where |a|² + |b|² - 2ab has no digits left.
      const far = Float64Array.from({ length: N * D }, () => Math.fround(1000 + next()));
      const train = lw.tensor(far, { shape: [N, D], dtype });
      const near = far.map((v, i) => (i % D === 3 ? v + 0.5 : v));
      trained(train, new Int32Array(N), (knn) => {
        for (const way of ways) {
          const same = knn[way](train);
          for (let i = 0; i < N; i++) expect(same.data[i * N + i], way).toBe(0);
          expect(same.data.every((d) => d >= 0)).toBe(true);
          const close = knn[way](lw.tensor(near, { shape: [N, D], dtype }));
          for (let i = 0; i < N; i++) expect(close.data[i * N + i], way).toBe(0.5);
          const wanted = rowsOf(near, D).flatMap((a) => rowsOf(far, D).map((b) => distance(a, b)));
          expectClose(close.data, wanted, loose * 3, way);
        }
        expect(firstDifference(bits(knn[ways[0]](train)), bits(knn[ways[2]](train)))).toBe(-1);
      });
    });
  });

  test.each([
    [1, 1, 1],
    [2, 4, 7],
    [3, 5, 8],
    [4, 130, 9],
    [5, 64, 23],
    [70, 3, 1553],
  ])('whole numbers, %i to %i examples of %i: no rounding before the root', (M, N, D) => {
    const next = uniforms(M + N + D);
    const whole = (n: number) => Float64Array.from({ length: n }, () => Math.floor(512 * next()) - 256);
    const [x, train] = [whole(M * D), whole(N * D)];
    const squared = rowsOf(x, D).flatMap((a) =>
      rowsOf(train, D).map((b) => a.reduce((sum, v, d) => sum + (v - b[d]) ** 2, 0)),
    );
    const round = dtype === 'float32' ? Math.fround : Number;
    lw.scope(() => {
      trained(lw.tensor(train, { shape: [N, D], dtype }), new Int32Array(N), (knn) => {
        const dists = knn.computeDistancesNoLoops(lw.tensor(x, { shape: [M, D], dtype }));
        expect(Array.from(dists.data)).toEqual(squared.map((s) => round(Math.sqrt(round(s)))));
      });
    });
  });

  test('numbers that are hardly whole, or too large: no distance is wrong', () => {
    const [N, D] = [70, 40];
    const next = uniforms(8);
    const whole = Float64Array.from({ length: N * D }, () => Math.floor(256 * next()));
    for (const [at, value] of [
      [N * D - 1, 0.5],
      [0, -0.25],
      [D, 32768],
      [D, -32769],
      [17, 2 ** 31],
      [17, 1e12],
    ] as const) {
      const x = whole.slice();
      x[at] = value;
      const wanted = rowsOf(x, D).flatMap((a) => rowsOf(x, D).map((b) => distance(a, b)));
      lw.scope(() => {
        const X = lw.tensor(x, { shape: [N, D], dtype });
        trained(X, new Int32Array(N), (knn) => {
          const { data } = knn.computeDistancesNoLoops(X);
          for (const [i, d] of data.entries()) {
            const allowed = loose * Math.max(1, wanted[i]);
            expect(Math.abs(d - wanted[i]), `${value} at ${at}: distance ${i}`).toBeLessThanOrEqual(allowed);
          }
        });
      });
    }
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      lw.scope(() => {
        const X = lw.tensor(whole, { shape: [N, D], dtype });
        const x = lw.tensor([[...whole.subarray(0, D - 1), value]], { dtype });
        trained(X, new Int32Array(N), (knn) => {
          expect(new Set(knn.computeDistancesNoLoops(x).data)).toEqual(new Set([value]));
        });
      });
    }
  });

  test.each([1, 2, 40])('whole numbers up to what integers can hold and beyond, %i in a row', (D) => {
    const largest = Math.floor(Math.sqrt((2 ** 31 - 1) / D));
    for (const value of [largest, largest + 1, -largest, -largest - 1, 32768, -32769, 40000, -40000, 65536]) {
      lw.scope(() => {
        const X = lw.tensor(
          [0, value, 3].flatMap((v) => Array(D).fill(v)),
          { shape: [3, D], dtype },
        );
        trained(X, new Int32Array(3), (knn) => {
          const wanted = [0, value, 3].flatMap((a) => [0, value, 3].map((b) => Math.abs(a - b) * Math.sqrt(D)));
          expectClose(knn.computeDistancesNoLoops(X).data, wanted, 1e-6 * Math.abs(value) * Math.sqrt(D), `${value}`);
        });
      });
    }
  });

  test('squares that overflow are not infinite distances', () => {
    lw.scope(() => {
      const large = dtype === 'float32' ? 3e19 : 1.5e154;
      const train = lw.full([5, 9], large, { dtype });
      trained(train, new Int32Array(5), (knn) => {
        const x = lw.full([2, 9], large, { dtype });
        x.data[0] = large * (1 - 2 ** -10);
        const dists = knn.computeDistancesNoLoops(x);
        const step = train.data[0] - x.data[0];
        expectClose(dists.data, [...Array(5).fill(step), ...Array(5).fill(0)], 0, 'distances');
      });
    });
  });

  test('labels: ties of distance by position, of votes by label, NaN last', () => {
    lw.scope(() => {
      const next = uniforms(12);
      for (const [M, N] of [
        [1, 1],
        [3, 2],
        [9, 8],
        [40, 61],
      ]) {
        // Few different numbers, so that most are ties.
        const list = Array.from(
          { length: M * N },
          () => [0, 1, 2.5, 4, Number.NaN, Number.POSITIVE_INFINITY][Math.floor(6 * next())],
        );
        const labels = Array.from({ length: N }, () => [3, 0, 7, 1000000][Math.floor(4 * next())]);
        const dists = lw.tensor(list, { shape: [M, N], dtype });
        trained(lw.zeros([N, 1], { dtype }), labels, (knn) => {
          for (const k of new Set([1, 2, 3, 5, N - 1, N].filter((n) => n >= 1 && n <= N))) {
            const got = knn.predictLabels(dists, k);
            const rows = Array.from({ length: M }, (_, i) => list.slice(i * N, (i + 1) * N));
            expect(Array.from(got.data)).toEqual(rows.map((row) => votes(row, labels, k)));
            expect([got.dtype, got.shape]).toEqual(['int32', [M]]);
          }
        });
      }
    });
  });

  test('predict is distances and labels in one, whatever the loops', () => {
    lw.scope(() => {
      const rs = new lw.RandomState(3);
      const train = rs.randn(60, 5, { dtype });
      const X = rs.randn(13, 5, { dtype });
      const y = rs.randint(0, 4, 60);
      trained(train, y, (knn) => {
        const before = live();
        for (const k of [1, 4, 60]) {
          const wanted = knn.predictLabels(knn.computeDistancesTwoLoops(X), k);
          for (const numLoops of [0, 1, 2] as const) {
            const got = knn.predict(X, { k, numLoops });
            expect(Array.from(got.data)).toEqual(Array.from(wanted.data));
            got.dispose();
          }
        }
        expect(Array.from(knn.predict(X).data)).toEqual(Array.from(knn.predict(X, { k: 1, numLoops: 0 }).data));
        expect(live()).toBeGreaterThan(before);
      });
    });
  });
});

test('training again forgets; only what was converted is its own', () => {
  const before = live();
  const knn = new lw.KNearestNeighbor();
  const X = lw.tensor([[0], [10]]);
  knn.train(X, [5, 6]);
  const labels = lw.tensor([5, 6], { dtype: 'int32' });
  knn.train([[0], [10], [20]], [1, 2, 3]);
  const predicted = knn.predict([[9], [100]]);
  expect(Array.from(predicted.data)).toEqual([2, 3]);
  knn.train(X, labels);
  knn.dispose();
  expect(X.data[1]).toBe(10);
  for (const t of [X, labels, predicted]) t.dispose();
  expect(live()).toBe(before);
  expect(() => knn.predict([[1]])).toThrow(lw.RuntimeError);
});

test('a training set that has ended is an error, not a wrong number', () => {
  const knn = new lw.KNearestNeighbor();
  lw.scope(() => knn.train(lw.ones([2, 2]), [0, 1]));
  expectRefused(() => knn.predict([[1, 1]]), lw.RuntimeError, /used after its end/);
  knn.dispose();
});

describe('refused, with nothing changed', () => {
  const untrained = new lw.KNearestNeighbor();
  test('bad training sets', () => {
    const train = (X: unknown, y: unknown) => () => untrained.train(X as lw.Tensor, y as lw.Tensor);
    expectRefused(train([], []), lw.ShapeError, 'train: X must be (N, …) with N >= 1, got (0,)');
    expectRefused(train([[1]], [0, 1]), lw.ShapeError, 'train: y must be 1 labels, one for each example, got 2');
    const rule = 'train: y must be whole numbers in [0, 2147483647), got -1 at 1';
    expectRefused(train([[1], [2]], [0, -1]), lw.ValueError, rule);
    expectRefused(
      train('pixels', [0]),
      lw.ShapeError,
      "tensor: values must be numbers or arrays of numbers, got 'pixels'",
    );
  });

  test('before training', () => {
    const hint = 'there is nothing to predict from; train(X, y) comes first';
    for (const name of [...ways, 'predict'] as const) {
      expectRefused(() => untrained[name]([[1]]), lw.RuntimeError, `${name}: ${hint}`);
    }
    expectRefused(() => untrained.predictLabels([[1]] as never), lw.RuntimeError, `predictLabels: ${hint}`);
  });

  test('bad examples, distances, k and loops', () => {
    const X = lw.ones([4, 2, 3]);
    trained(X, [0, 1, 2, 3], (knn) => {
      const rule = 'must be (N, …) with 6 numbers for each example';
      for (const way of ways) {
        const message = `${way}: X ${rule}, got (1, 5); the training set is (4, 2, 3)`;
        expectRefused(() => knn[way]([[1, 2, 3, 4, 5]]), lw.ShapeError, message);
      }
      const product = lw.zeros([1, 7, 2]);
      const message = `predict: X ${rule}, got (1, 7, 2); the training set is (4, 2, 3); 7*2 = 14`;
      expectRefused(() => knn.predict(product), lw.ShapeError, message);
      product.dispose();
      const dists = lw.zeros([2, 3]);
      const wanted = 'predictLabels: dists must be (M, N) with N = 4 training examples, got (2, 3)';
      expectRefused(() => knn.predictLabels(dists), lw.ShapeError, wanted);
      dists.dispose();
      const square = lw.zeros([4, 4]);
      for (const [k, text] of [
        [0, '0'],
        [5, '5'],
        [1.5, '1.5'],
      ] as const) {
        const message = `predictLabels: k must be an integer in [1, 4], got ${text}`;
        expectRefused(() => knn.predictLabels(square, k), lw.ValueError, message);
      }
      expectRefused(() => knn.predict(X, { k: 5 }), lw.ValueError, 'predict: k must be an integer in [1, 4], got 5');
      const loops = 'predict: numLoops must be 0, 1 or 2, got 3';
      expectRefused(() => knn.predict(X, { numLoops: 3 as 2 }), lw.ValueError, loops);
      expectRefused(() => knn.predict(X, { loops: 1 } as object), lw.OptionError, /predict: unknown option 'loops'/);
      square.dispose();
    });
    X.dispose();
  });
});

describe('crossValidateKnn', () => {
  test('folds as array_split makes them, each predicted from the others', () => {
    const before = live();
    lw.scope(() => {
      const rs = new lw.RandomState(8);
      const [N, folds] = [23, 5];
      const X = rs.randn(N, 4);
      const y = rs.randint(0, 3, N);
      const ks = [1, 4, 9];
      const lines: string[] = [];
      const got = lw.crossValidateKnn(X, y, { folds, ks, verbose: true, log: (line) => void lines.push(line) });
      const rows = X.toArray() as number[][];
      const labels = Array.from(y.data);
      // 23 = 5 + 5 + 5 + 4 + 4
      const cuts = [0, 5, 10, 15, 19, 23];
      const wanted = Object.fromEntries(
        ks.map((k) => [
          k,
          Array.from({ length: folds }, (_, fold) => {
            const [from, to] = [cuts[fold], cuts[fold + 1]];
            const inside = (i: number) => i >= from && i < to;
            const others = rows.filter((_, i) => !inside(i));
            const theirs = labels.filter((_, i) => !inside(i));
            const right = rows.filter((row, i) => {
              if (!inside(i)) return false;
              const dists = others.map((other) => distance(row, other));
              return votes(dists, theirs, k) === labels[i];
            });
            return right.length / (to - from);
          }),
        ]),
      );
      expect(got).toEqual(wanted);
      expect(lines).toEqual(ks.flatMap((k) => wanted[k].map((a) => `k = ${k}, accuracy = ${a.toFixed(6)}`)));
      expect(lw.crossValidateKnn(X, y, { folds, ks: [9, 1, 9, 4], numLoops: 2 })).toEqual(wanted);
      expect(Object.keys(lw.crossValidateKnn(rs.randn(130, 2), rs.randint(0, 3, 130))).map(Number)).toEqual([
        1, 3, 5, 8, 10, 12, 15, 20, 50, 100,
      ]);
    });
    expect(live()).toBe(before);
  });

  test('refuses what cannot be split', () => {
    const X = [[1], [2], [3]];
    const y = [0, 1, 0];
    const run = (options: object) => () => lw.crossValidateKnn(X, y, options);
    expectRefused(run({ folds: 4 }), lw.ValueError, 'crossValidateKnn: folds must be an integer in [2, 3], got 4');
    const message = 'crossValidateKnn: ks[1] must be an integer in [1, 2], got 3';
    expectRefused(run({ folds: 3, ks: [1, 3] }), lw.ValueError, message);
    const list = 'crossValidateKnn: ks must be a list of numbers of neighbours, got 5';
    expectRefused(run({ folds: 3, ks: 5 }), lw.OptionError, list);
    expectRefused(run({ fold: 3 }), lw.OptionError, /did you mean 'folds'/);
  });
});
