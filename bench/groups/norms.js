/** Normalisation. Bytes are those of x, the output and what is kept of it, or of the gradients. */
import { difference, EPSILON, norm, spatialNorm } from '../reference.js';

export const title = 'normalisation (bytes read and written at least)';

const WIDTH = { float32: 4, float64: 8 };

const FORWARD = {
  batchnorm: (lw, x, gamma, beta, param) => lw.batchnormForward(x, gamma, beta, param),
  layernorm: (lw, x, gamma, beta) => lw.layernormForward(x, gamma, beta),
};
const BACKWARD = {
  'batchnorm backward': { kind: 'batchnorm', op: (lw, dout, cache) => lw.batchnormBackward(dout, cache) },
  'batchnorm backward, one formula': {
    kind: 'batchnorm',
    op: (lw, dout, cache) => lw.batchnormBackwardAlt(dout, cache),
  },
  'layernorm backward': { kind: 'layernorm', op: (lw, dout, cache) => lw.layernormBackward(dout, cache) },
};

function item(pass, N, D, dtype) {
  const backward = BACKWARD[pass];
  const kind = backward?.kind ?? pass;
  const bytes = 3 * N * D * WIDTH[dtype];
  return {
    name: `${pass} ${N}x${D}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(11);
      const x = random.normal(1, 2, [N, D], { dtype });
      const dout = random.randn(N, D, { dtype });
      const gamma = random.uniform(0.5, 1.5, [D], { dtype });
      const beta = random.randn(D, { dtype });
      const param = { mode: 'train', runningMean: lw.zeros([D], { dtype }), runningVar: lw.zeros([D], { dtype }) };
      const forward = () => FORWARD[kind](lw, x, gamma, beta, param);
      const [out, cache] = forward();
      const op = backward ? () => backward.op(lw, dout, cache) : forward;
      const wanted = norm(kind, x.data, gamma.data, beta.data, dout.data, [N, D]);
      const tolerance = 16 * EPSILON[dtype] * Math.sqrt(Math.max(N, D));
      return {
        amount: bytes,
        tensors: [x, dout, gamma, beta, param.runningMean, param.runningVar, out, cache.xhat, cache.invStd],
        run: () => lw.scope(() => void op()),
        verify(what) {
          return lw.scope(() => {
            const names = backward ? ['dx', 'dgamma', 'dbeta'] : ['out'];
            const got = op();
            const errors = names.map((n, i) => difference(`${what} ${n}`, got[i].data, wanted[n], tolerance));
            return Math.max(...errors);
          });
        },
      };
    },
  };
}

/** Over images: per channel of the batch, or per group of channels of an image. What is kept is x itself. */
const SPATIAL = {
  'spatial batchnorm': {
    forward: (lw, x, gamma, beta, param) => lw.spatialBatchnormForward(x, gamma, beta, param),
    backward: (lw, dout, cache) => lw.spatialBatchnormBackward(dout, cache),
  },
  'group norm, 4 groups': {
    groups: 4,
    forward: (lw, x, gamma, beta) => lw.spatialGroupnormForward(x, gamma, beta, 4),
    backward: (lw, dout, cache) => lw.spatialGroupnormBackward(dout, cache),
  },
};

function spatialItem(kind, pass, shape, dtype) {
  const [N, C, H, W] = shape;
  const backward = pass === 'backward';
  const { groups, ...ops } = SPATIAL[kind];
  const bytes = (backward ? 3 : 2) * N * C * H * W * WIDTH[dtype];
  return {
    name: `${kind} ${pass} ${shape.join('x')}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(43);
      const x = random.normal(1, 2, shape, { dtype });
      const dout = random.randn(...shape, { dtype });
      const gamma = random.uniform(0.5, 1.5, [C], { dtype });
      const beta = random.randn(C, { dtype });
      const param = { mode: 'train', runningMean: lw.zeros([C], { dtype }), runningVar: lw.zeros([C], { dtype }) };
      const forward = () => ops.forward(lw, x, gamma, beta, param);
      const [out, cache] = forward();
      out.dispose();
      const op = backward ? () => ops.backward(lw, dout, cache) : forward;
      return {
        amount: bytes,
        tensors: [x, dout, gamma, beta, param.runningMean, param.runningVar, cache.mean, cache.invStd],
        run: () => lw.scope(() => void op()),
        verify(what) {
          return lw.scope(() => {
            const wanted = spatialNorm(groups, x.data, gamma.data, beta.data, dout.data, [N, C, H * W]);
            const tolerance = 16 * EPSILON[dtype] * Math.sqrt(N * H * W);
            const names = backward ? ['dx', 'dgamma', 'dbeta'] : ['out'];
            const got = op();
            const errors = names.map((n, i) => difference(`${what} ${n}`, got[i].data, wanted[n], tolerance));
            return Math.max(...errors);
          });
        },
      };
    },
  };
}

export function families({ quick }) {
  const shapes = quick
    ? [[33, 21]]
    : [
        [100, 100],
        [256, 1024],
      ];
  const images = quick
    ? [[3, 8, 5, 7]]
    : [
        [50, 64, 32, 32],
        [128, 256, 8, 8],
      ];
  const kinds = [...Object.keys(FORWARD), ...Object.keys(BACKWARD)];
  const passes = Object.keys(SPATIAL).flatMap((kind) => ['forward', 'backward'].map((pass) => [kind, pass]));
  return [
    ...shapes.map(([N, D]) => [
      ...kinds.map((pass) => item(pass, N, D, 'float32')),
      item('batchnorm', N, D, 'float64'),
      item('layernorm', N, D, 'float64'),
    ]),
    ...images.map((shape) => [
      ...passes.map(([kind, pass]) => spatialItem(kind, pass, shape, 'float32')),
      spatialItem('spatial batchnorm', 'forward', shape, 'float64'),
    ]),
  ];
}
