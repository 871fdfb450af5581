// The matrix product against plain loops. Small whole numbers make every sum exact in any order and any type, so results
// must be equal, not close; rounding is looked at separately. Sizes lie around those of assembly/blocks.ts: MR 4, NR 8 or 4
// (float32, float64), lanes 4 or 2, KC 256, NC 512. With two threads the larger products take the shared path.
import * as lw from 'lanewise';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { type Dense, dense, matmul, sizeOf } from './reference.js';
import {
  bits,
  expectClose,
  expectRefused,
  fillMemory,
  firstDifference,
  floats,
  scaleOf,
  uniforms,
  values,
} from './support.js';

beforeAll(() => lw.init({ build: inject('build'), threads: inject('threads'), maxMemory: 2 ** 24 }));

const ways = [
  ['NN', { transA: false, transB: false }],
  ['NT', { transA: false, transB: true }],
  ['TN', { transA: true, transB: false }],
  ['TT', { transA: true, transB: true }],
] as const;
type Way = (typeof ways)[number][1];
/** Whole numbers in [-8, 8], none 0. */
function whole(shape: readonly number[], next: () => number): Dense {
  const draw = () => Math.ceil(8 * next()) * (next() < 0.5 ? -1 : 1) || 1;
  return dense(shape, Float64Array.from({ length: sizeOf(shape) }, draw));
}

const lift = (x: Dense, dtype: lw.DType) => lw.tensor(x.data, { shape: x.shape, dtype });
const shapesOf = (M: number, N: number, K: number, { transA, transB }: Way) => [
  transA ? [K, M] : [M, K],
  transB ? [N, K] : [K, N],
];

function expectProduct(M: number, N: number, K: number, way: Way, dtype: lw.DType): void {
  const next = uniforms(M * 1e6 + N * 1e3 + K);
  const [a, b] = shapesOf(M, N, K, way).map((shape) => whole(shape, next));
  lw.scope(() => {
    const { shape, data } = lw.matmul(lift(a, dtype), lift(b, dtype), way);
    expect(shape).toEqual([M, N]);
    expectClose(data, matmul(a, b, way).data, 0, `${M} x ${N} x ${K}`);
  });
}

describe.each(floats)('%s', (dtype) => {
  describe.each(ways)('%s', (_name, way) => {
    test('is exact for every ragged tile', () => {
      for (const M of [1, 2, 3, 4, 5, 6, 7, 9, 10]) {
        for (const N of [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 17]) {
          for (const K of [1, 2, 3, 4, 5, 9]) expectProduct(M, N, K, way, dtype);
        }
      }
    });

    test('is exact across blocks of the depth and of the columns', () => {
      for (const K of [255, 256, 257, 258, 511, 512, 513, 769]) expectProduct(5, 19, K, way, dtype);
      for (const N of [511, 512, 513, 514, 516, 520, 1025]) expectProduct(6, N, 3, way, dtype);
      for (const [M, N, K] of [
        [5, 513, 257],
        [21, 517, 300],
        [4, 1030, 513],
        [130, 20, 260],
      ]) {
        expectProduct(M, N, K, way, dtype);
      }
    });

    test('does not depend on where a row or column lies', () => {
      const [M, N, K] = [11, 21, 301];
      const next = uniforms(5);
      const [a, b] = shapesOf(M, N, K, way).map((shape) => dense(shape, values(sizeOf(shape), next)));
      lw.scope(() => {
        const [A, B] = [lift(a, dtype), lift(b, dtype)];
        const product = lw.matmul(A, B, way);
        const byRows = way.transA ? A.transpose() : A;
        const byColumns = way.transB ? B : B.transpose();
        for (let i = 0; i < M; i++) {
          const row = lw.matmul(byRows.rows(i, i + 1), B, { transB: way.transB });
          expect(firstDifference(bits(row), bits(product.rows(i, i + 1))), `row ${i}`).toBe(-1);
        }
        const columns = product.transpose();
        for (let j = 0; j < N; j++) {
          const column = lw.matmul(A, byColumns.rows(j, j + 1), { transA: way.transA, transB: true });
          expect(firstDifference(bits(column), bits(columns.rows(j, j + 1))), `column ${j}`).toBe(-1);
        }
      });
    });

    test('keeps NaN and infinity where they belong', () => {
      for (const [M, N, K] of [
        [3, 5, 6],
        [5, 6, 3],
        [6, 13, 5],
        [4, 8, 259],
      ]) {
        const next = uniforms(M + N + K);
        const [a, b] = shapesOf(M, N, K, way).map((shape) => whole(shape, next));
        const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
        for (const [i, value] of odd.entries()) {
          a.data[(i * 37 + 5) % a.data.length] = value;
          b.data[(i * 23 + b.data.length - 1) % b.data.length] = value;
        }
        lw.scope(() => {
          const { data } = lw.matmul(lift(a, dtype), lift(b, dtype), way);
          expectClose(data, matmul(a, b, way).data, 0, `${M} x ${N} x ${K}`);
        });
      }
    });

    test('agrees on a large product with a random vector multiplied from either side', () => {
      const [M, N, K] = [203, 531, 519];
      const next = uniforms(9);
      const [a, b] = shapesOf(M, N, K, way).map((shape) => dense(shape, values(sizeOf(shape), next)));
      const right = dense([N, 1], values(N, next));
      const left = dense([1, M], values(M, next));
      lw.scope(() => {
        const c = dense([M, N], lw.matmul(lift(a, dtype), lift(b, dtype), way).data);
        const unit = dtype === 'float32' ? 2 ** -24 : 2 ** -53;
        // Rounding of sums of K numbers up to 4, added up with random signs over N or M numbers up to 2.
        const wantedRight = matmul(a, matmul(b, right, { transA: way.transB }), { transA: way.transA });
        const gotRight = matmul(c, right);
        expectClose(gotRight.data, wantedRight.data, unit * 8 * K * Math.sqrt(N), 'C v');
        const wantedLeft = matmul(matmul(left, a, { transB: way.transA }), b, { transB: way.transB });
        const gotLeft = matmul(left, c);
        expectClose(gotLeft.data, wantedLeft.data, unit * 8 * K * Math.sqrt(M), 'u C');
      });
    });
  });

  test('rounds no worse than plain summation', () => {
    const [M, N, K] = [4, 8, 1000];
    const next = uniforms(3);
    const [a, b] = [dense([M, K], values(M * K, next)), dense([K, N], values(K * N, next))];
    lw.scope(() => {
      const { data } = lw.matmul(lift(a, dtype), lift(b, dtype));
      const sizes = matmul(dense(a.shape, a.data.map(Math.abs)), dense(b.shape, b.data.map(Math.abs)));
      const unit = dtype === 'float32' ? 2 ** -24 : 2 ** -53;
      expectClose(data, matmul(a, b).data, unit * Math.sqrt(K) * scaleOf(sizes.data), 'sum of 1000 products');
    });
  });

  test('reads and writes at any address', () => {
    const next = uniforms(11);
    const [M, N, K] = [5, 7, 9];
    const [a, b] = [whole([M + 1, K], next), whole([K + 1, N], next)];
    lw.scope(() => {
      // Rows of 7 and 9 numbers: views that start at no multiple of a vector.
      const [A, B] = [lift(a, dtype).rows(1), lift(b, dtype).rows(1)];
      expect(A.data.byteOffset % 16).not.toBe(0);
      const wanted = matmul(dense([M, K], a.data.subarray(K)), dense([K, N], b.data.subarray(N)));
      expectClose(lw.matmul(A, B).data, wanted.data, 0, 'views');
    });
  });

  test('writes to its result alone', () => {
    const bytes = dtype === 'float32' ? 4 : 8;
    for (const [M, N, K] of [
      [1, 1, 3],
      [3, 5, 2],
      [5, 7, 300],
      [4, 8, 2],
      [4, 12, 9],
      [8, 4, 5],
      [7, 17, 4],
      [16, 16, 16],
      [3, 527, 5],
      [67, 130, 70],
    ]) {
      lw.scope(() => {
        const next = uniforms(M * N * K);
        const [A, B] = [lift(whole([M, K], next), dtype), lift(whole([K, N], next), dtype)];
        lw.matmul(A, B).dispose();
        // The only free memory is a hole of the size of the result, between two neighbours.
        const lines = Math.ceil((M * N * bytes) / 64);
        fillMemory((lines + 8) * 64);
        const [before, hole, after] = [4, lines, 4].map((n) => lw.full(n * 16, 7, { dtype: 'int32' }));
        const { byteOffset } = hole.data;
        expect([byteOffset - before.data.byteOffset, after.data.byteOffset - byteOffset]).toEqual([256, lines * 64]);
        hole.dispose();
        const C = lw.matmul(A, B);
        expect(C.data.byteOffset).toBe(byteOffset);
        const end = byteOffset + M * N * bytes;
        const padding = new Int32Array(C.data.buffer, end, (after.data.byteOffset - end) / 4);
        for (const words of [before.data, padding, after.data]) expect(words.every((word) => word === 7)).toBe(true);
      });
    }
  });

  test('adds a bias once and applies ReLU last, in tiles, edges and across blocks of the depth', () => {
    for (const M of [1, 3, 4, 5]) {
      for (const N of [1, 3, 4, 5, 8, 12, 13, 513]) {
        for (const K of [1, 4, 9, 257, 513]) {
          const next = uniforms(M + 10 * N + 100 * K);
          const [x, w, b] = [whole([M, K], next), whole([K, N], next), whole([N], next)];
          // Partial sums change their sign at the end: ReLU after the first block would show.
          for (let i = 0; i < M; i++) x.data[i * K + K - 1] = 8 * K * (i % 2 ? 1 : -1);
          const wanted = matmul(x, w).data.map((v, i) => v + b.data[i % N]);
          lw.scope(() => {
            const args = [lift(x, dtype), lift(w, dtype), lift(b, dtype)] as const;
            expectClose(lw.affineForward(...args)[0].data, wanted, 0, `affine ${M} ${N} ${K}`);
            const rectified = wanted.map((v) => Math.max(0, v));
            expectClose(lw.affineReluForward(...args)[0].data, rectified, 0, `affine and ReLU ${M} ${N} ${K}`);
          });
        }
      }
    }
  });

  test('keeps NaN through ReLU, in tiles and edges', () => {
    lw.scope(() => {
      const x = lw.full([5, 3], Number.NaN, { dtype });
      const [out] = lw.affineReluForward(x, lw.ones([3, 11], { dtype }), lw.zeros([11], { dtype }));
      expect(out.data.every(Number.isNaN)).toBe(true);
    });
  });

  test('has empty products', () => {
    lw.scope(() => {
      const zeros = (...shape: number[]) => lw.zeros(shape, { dtype });
      expect(lw.matmul(zeros(0, 3), zeros(3, 2)).shape).toEqual([0, 2]);
      expect(lw.matmul(zeros(2, 3), zeros(3, 0)).shape).toEqual([2, 0]);
      const nothing = lw.matmul(zeros(3, 0), zeros(0, 5));
      expect([...nothing.data]).toEqual(Array(15).fill(0));
      const b = lw.tensor([1, -2, 3], { dtype });
      expect(lw.affineForward(zeros(2, 0), zeros(0, 3), b)[0].toArray()).toEqual([
        [1, -2, 3],
        [1, -2, 3],
      ]);
      expect(lw.affineReluForward(zeros(2, 0), zeros(0, 3), b)[0].toArray()).toEqual([
        [1, 0, 3],
        [1, 0, 3],
      ]);
      const [, cache] = lw.affineForward(zeros(0, 4), zeros(4, 3), b);
      const [dx, dw, db] = lw.affineBackward(zeros(0, 3), cache);
      expect(dx.shape).toEqual([0, 4]);
      expect([...dw.data, ...db.data]).toEqual(Array(15).fill(0));
    });
  });
});

test('refuses what does not fit, by its exact message', () => {
  lw.scope(() => {
    const t = (...shape: number[]) => lw.zeros(shape);
    const cases: [unknown, unknown, object, new (...args: never[]) => Error, string][] = [
      [t(2, 3), t(4, 5), {}, lw.ShapeError, 'b must be (3, N), got (4, 5); a is (2, 3)'],
      [t(2, 3), t(3, 5), { transA: true }, lw.ShapeError, 'b must be (2, N), got (3, 5); a is (2, 3) used transposed'],
      [t(2, 3), t(3, 5), { transB: true }, lw.ShapeError, 'b must be (N, 3), got (3, 5); a is (2, 3)'],
      [t(2), t(2, 5), {}, lw.ShapeError, 'a must be a matrix, got (2,)'],
      [t(2, 5), t(5, 1, 1), {}, lw.ShapeError, 'b must be a matrix, got (5, 1, 1)'],
      [
        t(2, 3),
        t(3, 5).astype('float64'),
        {},
        lw.DTypeError,
        'b must be float32 like the first argument, got float64; use astype()',
      ],
      [t(2, 3).astype('int32'), t(3, 5), {}, lw.DTypeError, 'a must be float32 or float64, got int32; use astype()'],
      [[[1]], t(1, 1), {}, lw.DTypeError, 'a must be a tensor, got [[1]]; make one with tensor(…)'],
      [t(2, 2), t(2, 2), { transC: true }, lw.OptionError, "unknown option 'transC'; did you mean 'transA'?"],
    ];
    for (const [a, b, options, kind, message] of cases) {
      expectRefused(() => lw.matmul(a as lw.Tensor, b as lw.Tensor, options), kind, `matmul: ${message}`);
    }
  });
});
