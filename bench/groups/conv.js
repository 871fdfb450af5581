/**
 * Convolution forward and backward (all three gradients). Operations are those of the direct sum, borders included, so a way
 * that needs fewer of them, as Winograd's does, can exceed the machine's peak; `exact` is the direct sum itself.
 */
import { contracted, convolution, difference, EPSILON } from '../reference.js';

export const title = 'convolution, N x C x H x W and filters (operations of the direct sum)';

const BOTH = ['float32', 'float64'];
const SINGLE = ['float32'];
/** pad: default half the size. The first is the benchmark of the course's notebook. */
const SHAPES = [
  { x: [100, 3, 31, 31], F: 25, size: 3, stride: 2, dtypes: BOTH },
  { x: [50, 3, 32, 32], F: 32, size: 7, dtypes: BOTH },
  { x: [50, 3, 32, 32], F: 64, size: 3, dtypes: BOTH },
  { x: [32, 64, 32, 32], F: 64, size: 3, dtypes: SINGLE },
  { x: [32, 128, 16, 16], F: 128, size: 3, dtypes: BOTH },
  { x: [32, 128, 16, 16], F: 128, size: 3, exact: true, dtypes: SINGLE },
  { x: [32, 256, 8, 8], F: 256, size: 3, dtypes: SINGLE },
  { x: [32, 64, 32, 32], F: 128, size: 3, stride: 2, dtypes: SINGLE },
  { x: [32, 128, 16, 16], F: 256, size: 1, dtypes: SINGLE },
];
/** Ragged on purpose; the second is large enough for Winograd's way. */
const QUICK = [
  { x: [2, 3, 9, 8], F: 5, size: 3, stride: 2, dtypes: BOTH },
  { x: [2, 16, 10, 11], F: 17, size: 3, dtypes: BOTH },
  { x: [2, 16, 10, 11], F: 17, size: 3, exact: true, dtypes: SINGLE },
];

/** Of the largest expected number. Winograd's transforms lose some digits. */
function toleranceOf({ size, stride = 1, exact }, dtype) {
  const winograd = dtype === 'float32' && size === 3 && stride === 1 && !exact;
  return winograd ? 2e-5 : 256 * EPSILON[dtype];
}

function item(pass, shape, dtype) {
  const { F, size, stride = 1, pad = (size - 1) / 2, exact } = shape;
  const [N, C, H, W] = shape.x;
  const [OH, OW] = [H, W].map((side) => 1 + Math.floor((side + 2 * pad - size) / stride));
  const sizes = { N, C, H, W, F, HH: size, WW: size, OH, OW, stride, pad };
  const backward = pass === 'backward';
  const details = [`${F} of ${size}x${size}`, ...(stride > 1 ? [`stride ${stride}`] : []), ...(exact ? ['exact'] : [])];
  let wanted;
  return {
    name: `${shape.x.join('x')}, ${details.join(', ')} ${pass}`,
    dtype,
    unit: 'GFLOP/s',
    limit: 'peak',
    make({ lw }) {
      const random = new lw.RandomState(37);
      const x = random.randn(...shape.x, { dtype });
      const w = random.randn(F, C, size, size, { dtype });
      const b = random.randn(F, { dtype });
      const dout = random.randn(N, F, OH, OW, { dtype });
      const forward = () => lw.convForward(x, w, b, { stride, pad, ...(exact ? { exact } : {}) });
      const [out, cache] = forward();
      out.dispose();
      const op = backward ? () => lw.convBackward(dout, cache) : () => forward().slice(0, 1);
      return {
        amount: (backward ? 4 : 2) * N * F * OH * OW * C * size * size,
        tensors: [x, w, b, dout],
        run: () => {
          for (const tensor of op()) tensor.dispose();
        },
        verify(what) {
          // All engines draw the same numbers.
          wanted ??= convolution(sizes, x.data, w.data, b.data, dout.data);
          const tolerance = toleranceOf(shape, dtype);
          const tensors = op();
          const [first, dw, db] = tensors.map(({ data }) => data);
          const got = backward
            ? { dx: contracted(first, N, C, H * W), dw: contracted(dw, 1, F, C * size * size), db }
            : { out: contracted(first, N, F, OH * OW) };
          const errors = Object.keys(got).map((n) => difference(`${what} ${n}`, got[n], wanted[n], tolerance));
          for (const tensor of tensors) tensor.dispose();
          return Math.max(...errors);
        },
      };
    },
  };
}

export function families({ quick }) {
  return (quick ? QUICK : SHAPES).map((shape) =>
    shape.dtypes.flatMap((dtype) => ['forward', 'backward'].map((pass) => item(pass, shape, dtype))),
  );
}
