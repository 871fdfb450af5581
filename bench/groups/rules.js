/** Update rules on the first weights of a two-layer net. */
import { difference, EPSILON, RULES } from '../reference.js';

export const title = 'update rules (bytes of weights, gradient and state, read and written)';

/** Arrays read and written. */
const STREAMS = { sgd: 3, sgdMomentum: 5, rmsprop: 5, adagrad: 5, adam: 7, adamw: 7 };
const WIDTH = { float32: 4, float64: 8 };

function item(rule, shape, dtype) {
  const size = shape[0] * shape[1];
  const bytes = STREAMS[rule] * size * WIDTH[dtype];
  return {
    name: `${rule} ${shape.join('x')}`,
    dtype,
    unit: 'GB/s',
    limit: 'copy',
    bytes,
    make({ lw }) {
      const random = new lw.RandomState(17);
      const w = random.randn(...shape, { dtype });
      const dw = random.randn(...shape, { dtype });
      const learningRate = 1e-6;
      const config = { learningRate };
      lw[rule](w, dw, config);
      const state = Object.values(config).filter((value) => typeof value === 'object');
      return {
        amount: bytes,
        tensors: [w, dw, ...state],
        run: () => void lw[rule](w, dw, config),
        verify(what) {
          const before = Float64Array.from(w.data);
          const fresh = { learningRate: 0.01 };
          lw[rule](w, dw, fresh);
          const decay = fresh.weightDecay ?? 0;
          const wanted = before.map((value, i) => RULES[rule](value, dw.data[i], 0.01, decay));
          const error = difference(what, w.data, wanted, 16 * EPSILON[dtype]);
          for (const value of Object.values(fresh)) if (typeof value === 'object') value.dispose();
          return error;
        },
      };
    },
  };
}

export function families({ quick }) {
  const shape = quick ? [33, 101] : [3072, 100];
  return [[...Object.keys(STREAMS).map((rule) => item(rule, shape, 'float32')), item('adam', shape, 'float64')]];
}
