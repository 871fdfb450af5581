/** Matrix products as lw.matmul: squares, and the shapes that training small nets is made of. */
import { productError } from '../reference.js';

export const title = 'matrix product, M x K x N; NN, NT and TN: B or A is used transposed';

const SHAPES = [
  [256, 256, 256],
  [512, 512, 512],
  [1024, 1024, 1024],
  [200, 3072, 100],
  [100, 3072, 500],
  [3072, 200, 100],
  [100, 3072, 100],
  [3072, 100, 100],
  [100, 100, 100],
  [100, 100, 10],
];
/** Ragged on purpose. */
const QUICK = [
  [96, 80, 64],
  [101, 33, 13],
];
const WAYS = ['NN', 'NT', 'TN'];

function item([M, K, N], way, dtype) {
  const transA = way[0] === 'T';
  const transB = way[1] === 'T';
  return {
    name: `${M}x${K}x${N} ${way}`,
    dtype,
    unit: 'GFLOP/s',
    limit: 'peak',
    make({ lw }) {
      const random = new lw.RandomState(M + K + N);
      const a = random.randn(...(transA ? [K, M] : [M, K]), { dtype });
      const b = random.randn(...(transB ? [N, K] : [K, N]), { dtype });
      const product = () => lw.matmul(a, b, { transA, transB });
      return {
        amount: 2 * M * K * N,
        tensors: [a, b],
        run: () => product().dispose(),
        verify(what) {
          const c = product();
          const error = productError(what, c.data, a.data, b.data, { M, N, K, transA, transB, dtype });
          c.dispose();
          return error;
        },
      };
    },
  };
}

/** All ways and both types of one shape are measured in turns. */
export function families({ quick }) {
  return (quick ? QUICK : SHAPES).map((shape) =>
    ['float32', 'float64'].flatMap((dtype) => WAYS.map((way) => item(shape, way, dtype))),
  );
}
