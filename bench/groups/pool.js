/** Pooling. Bytes are those of the images, the output or the gradients, once each. */
import { difference, EPSILON, pooling } from '../reference.js';

export const title = 'pooling, N x C x H x W (bytes read and written at least)';

const WIDTH = { float32: 4, float64: 8 };
/** The first is the benchmark of the course's notebook. No size: all of the image. */
const SHAPES = [
  { kind: 'max', x: [100, 3, 32, 32], size: 2, stride: 2, dtypes: ['float32', 'float64'] },
  { kind: 'max', x: [50, 64, 32, 32], size: 2, stride: 2, dtypes: ['float32'] },
  { kind: 'max', x: [50, 64, 32, 32], size: 3, stride: 2, dtypes: ['float32'] },
  { kind: 'avg', x: [50, 64, 32, 32], size: 2, stride: 2, dtypes: ['float32'] },
  { kind: 'avg', x: [128, 256, 8, 8], dtypes: ['float32'] },
];
/** Ragged on purpose. */
const QUICK = [
  { kind: 'max', x: [2, 3, 9, 8], size: 2, stride: 2, dtypes: ['float32', 'float64'] },
  { kind: 'max', x: [2, 3, 9, 8], size: 3, stride: 2, dtypes: ['float32'] },
  { kind: 'avg', x: [2, 3, 9, 8], size: 2, stride: 2, dtypes: ['float32'] },
  { kind: 'avg', x: [2, 3, 9, 8], dtypes: ['float32'] },
];

const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);

function item(pass, { kind, x: shape, size, stride = 1 }, dtype) {
  const [N, C, H, W] = shape;
  const [PH, PW] = size === undefined ? [H, W] : [size, size];
  const [OH, OW] = [1 + Math.floor((H - PH) / stride), 1 + Math.floor((W - PW) / stride)];
  const outShape = size === undefined ? [N, C] : [N, C, OH, OW];
  const backward = pass === 'backward';
  const images = backward && kind === 'max' ? 2 : 1;
  const bytes = (images * sizeOf(shape) + sizeOf(outShape)) * WIDTH[dtype];
  const window = size === undefined ? 'global' : `${size}x${size} stride ${stride}`;
  const call = size === undefined ? 'globalAvgPool' : `${kind}Pool`;
  return {
    name: `${kind} ${shape.join('x')}, ${window} ${pass}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(41);
      const x = random.randn(...shape, { dtype });
      const dout = random.randn(...outShape, { dtype });
      const param = size === undefined ? [] : [{ poolHeight: PH, poolWidth: PW, stride }];
      const [out, cache] = lw[`${call}Forward`](x, ...param);
      out.dispose();
      const op = backward ? () => lw[`${call}Backward`](dout, cache) : () => lw[`${call}Forward`](x, ...param)[0];
      return {
        amount: bytes,
        tensors: [x, dout],
        run: () => op().dispose(),
        verify(what) {
          const sizes = { planes: N * C, H, W, OH, OW, size: [PH, PW], stride };
          const wanted = pooling(kind, sizes, x.data, dout.data);
          const got = op();
          const tolerance = 16 * EPSILON[dtype];
          const error = difference(what, got.data, backward ? wanted.dx : wanted.out, tolerance);
          got.dispose();
          return error;
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
