/** Losses with their gradients. */
import { difference, EPSILON, LOSSES, relativeDifference } from '../reference.js';

export const title = 'losses with gradient (bytes of scores and gradient)';

const WIDTH = { float32: 4, float64: 8 };

function item(loss, N, C, dtype) {
  const bytes = 2 * N * C * WIDTH[dtype];
  return {
    name: `${loss} ${N}x${C}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(13);
      const scores = random.normal(0, 3, [N, C], { dtype });
      const y = random.randint(0, C, N);
      return {
        amount: bytes,
        tensors: [scores, y],
        run: () => lw[loss](scores, y)[1].dispose(),
        verify(what) {
          const [value, gradient] = lw[loss](scores, y);
          const wanted = LOSSES[loss](scores.data, y.data, [N, C]);
          const tolerance = 16 * EPSILON[dtype] * Math.sqrt(N * C);
          const errors = [
            relativeDifference(`${what} loss`, [value], [wanted.loss], tolerance),
            difference(`${what} gradient`, gradient.data, wanted.gradient, tolerance),
          ];
          gradient.dispose();
          return Math.max(...errors);
        },
      };
    },
  };
}

export function families({ quick }) {
  const shapes = quick
    ? [[33, 10]]
    : [
        [100, 10],
        [1000, 100],
      ];
  return shapes.map(([N, C]) =>
    Object.keys(LOSSES).flatMap((loss) => ['float32', 'float64'].map((dtype) => item(loss, N, C, dtype))),
  );
}
