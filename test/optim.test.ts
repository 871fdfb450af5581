// Update rules against plain float64 loops and against the figures of the notebooks.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectClose, expectRefused, firstDifference, floats, uniforms, values } from './support.js';

interface Rule {
  update: lw.UpdateRule;
  /** Settings tried, each over several steps. */
  configs: Record<string, number | boolean>[];
  /** Names of the state tensors. */
  state: string[];
  /** One element: (w, g, state, step) -> new w, with state changed. All defaults as documented. */
  reference: (w: number, g: number, s: number[], t: number, c: Record<string, number | boolean>) => number;
}

const number = (c: Record<string, number | boolean>, name: string, initial: number) => (c[name] ?? initial) as number;

function adam(
  w: number,
  g: number,
  s: number[],
  t: number,
  c: Record<string, number | boolean>,
  decay: number,
): number {
  const [b1, b2] = [number(c, 'beta1', 0.9), number(c, 'beta2', 0.999)];
  const rate = number(c, 'learningRate', 1e-3);
  s[0] = b1 * s[0] + (1 - b1) * g;
  s[1] = b2 * s[1] + (1 - b2) * g * g;
  const m = s[0] / (1 - b1 ** t);
  const v = s[1] / (1 - b2 ** t);
  return w - rate * decay * w - (rate * m) / (Math.sqrt(v) + number(c, 'epsilon', 1e-8));
}

const rules: Record<string, Rule> = {
  sgd: {
    update: lw.sgd as lw.UpdateRule,
    configs: [{}, { learningRate: 0.3 }, { learningRate: 0 }],
    state: [],
    reference: (w, g, _, __, c) => w - number(c, 'learningRate', 1e-2) * g,
  },
  sgdMomentum: {
    update: lw.sgdMomentum as lw.UpdateRule,
    configs: [{}, { learningRate: 0.1, momentum: 0.5 }, { learningRate: 0.1, nesterov: true }, { momentum: 0 }],
    state: ['velocity'],
    reference(w, g, s, _, c) {
      const [rate, mu] = [number(c, 'learningRate', 1e-2), number(c, 'momentum', 0.9)];
      s[0] = mu * s[0] - rate * g;
      return c.nesterov ? w + mu * s[0] - rate * g : w + s[0];
    },
  },
  rmsprop: {
    update: lw.rmsprop as lw.UpdateRule,
    configs: [{}, { learningRate: 0.1, decayRate: 0.5, epsilon: 1e-3 }],
    state: ['cache'],
    reference(w, g, s, _, c) {
      const decay = number(c, 'decayRate', 0.99);
      s[0] = decay * s[0] + (1 - decay) * g * g;
      return w - (number(c, 'learningRate', 1e-2) * g) / (Math.sqrt(s[0]) + number(c, 'epsilon', 1e-8));
    },
  },
  adagrad: {
    update: lw.adagrad as lw.UpdateRule,
    configs: [{}, { learningRate: 0.1, epsilon: 1e-3 }],
    state: ['cache'],
    reference(w, g, s, _, c) {
      s[0] += g * g;
      return w - (number(c, 'learningRate', 1e-2) * g) / (Math.sqrt(s[0]) + number(c, 'epsilon', 1e-8));
    },
  },
  adam: {
    update: lw.adam as lw.UpdateRule,
    configs: [{}, { learningRate: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 }, { beta1: 0, beta2: 0 }],
    state: ['m', 'v'],
    reference: (w, g, s, t, c) => adam(w, g, s, t, c, 0),
  },
  adamw: {
    update: lw.adamw as lw.UpdateRule,
    configs: [{}, { learningRate: 0.1, weightDecay: 0.3 }, { weightDecay: 0 }],
    state: ['m', 'v'],
    reference: (w, g, s, t, c) => adam(w, g, s, t, c, number(c, 'weightDecay', 1e-2)),
  },
};

describe.each(Object.entries(rules))('%s', (name, { update, configs, state, reference }) => {
  const cases = floats.flatMap((dtype) => configs.map((config) => ({ dtype, config })));
  test.each(cases)('$dtype $config: six steps as in plain loops', ({ dtype, config }) => {
    for (const shape of [[1], [3], [5], [11], [4, 17], [0]]) {
      const next = uniforms(shape.length + shape[0]);
      const size = shape.reduce((a, n) => a * n, 1);
      const start = values(size, next);
      const w = lw.tensor(start, { shape, dtype });
      const expected = start.slice();
      const kept = Array.from({ length: size }, () => [0, 0]);
      let settings: Record<string, unknown> = { ...config };
      for (let t = 1; t <= 6; t++) {
        const g = values(size, next);
        const dw = lw.tensor(g, { shape, dtype });
        const before = bits(dw);
        const [nextW, nextConfig] = update(w, dw, settings);
        expect(nextW).toBe(w);
        expect(nextConfig).toBe(settings);
        expect(firstDifference(bits(dw), before)).toBe(-1);
        settings = nextConfig;
        for (let i = 0; i < size; i++) expected[i] = reference(expected[i], g[i], kept[i], t, config);
        dw.dispose();
      }
      const what = `${name} ${dtype} (${shape})`;
      expectClose(w.data, expected, dtype === 'float32' ? 2e-5 : 1e-13, what);
      for (const [k, key] of state.entries()) {
        const t = settings[key] as lw.Tensor;
        expect([t.dtype, t.shape]).toEqual([dtype, shape]);
        const wanted = Float64Array.from(kept, (s) => s[k]);
        expectClose(t.data, wanted, dtype === 'float32' ? 2e-5 : 1e-13, `${what}: ${key}`);
        t.dispose();
      }
      w.dispose();
    }
  });

  test('the config is completed with the defaults', () => {
    const w = lw.zeros([2]);
    const [, config] = update(w, w);
    const plain = Object.fromEntries(Object.entries(config).filter(([, value]) => !(value instanceof lw.Tensor)));
    const rate = name.startsWith('adam') ? 1e-3 : 1e-2;
    const wanted = {
      sgd: {},
      sgdMomentum: { momentum: 0.9, nesterov: false },
      rmsprop: { decayRate: 0.99, epsilon: 1e-8 },
      adagrad: { epsilon: 1e-8 },
      adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 },
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1, weightDecay: 0.01 },
    }[name];
    expect(plain).toEqual({ learningRate: rate, ...wanted });
    expect(Object.keys(config).filter((key) => config[key] instanceof lw.Tensor)).toEqual(state);
    for (const key of state) (config[key] as lw.Tensor).dispose();
    w.dispose();
  });

  test('state outlives the scope of the step', () => {
    const live = lw.info().memory.live;
    const w = lw.ones([3], { dtype: 'float64' });
    const config: Record<string, unknown> = {};
    for (let t = 0; t < 2; t++) lw.scope(() => void update(w, lw.ones([3], { dtype: 'float64' }), config));
    for (const key of state) {
      expect((config[key] as lw.Tensor).data.every(Number.isFinite)).toBe(true);
      (config[key] as lw.Tensor).dispose();
    }
    w.dispose();
    expect(lw.info().memory.live).toBe(live);
  });

  test('what does not fit is refused, and changes nothing', () => {
    const w = lw.ones([2, 3]);
    const before = bits(w);
    const wrong = { shape: lw.ones([3, 2]), dtype: lw.ones([2, 3], { dtype: 'float64' }) };
    const integers = lw.ones([2, 3], { dtype: 'int32' });
    expectRefused(() => update(w, wrong.shape), lw.ShapeError, `${name}: dw must be (2, 3) like w, got (3, 2)`);
    expectRefused(() => update(w, wrong.dtype), lw.DTypeError, /dw must be float32 .*, got float64/);
    expectRefused(() => update(integers, integers), lw.DTypeError, /w must be float32 or float64, got int32/);
    expectRefused(() => update(w, [1] as never), lw.DTypeError, /dw must be a tensor/);
    for (const learningRate of [-1e-3, Number.NaN, Number.POSITIVE_INFINITY, '1e-3' as never]) {
      expectRefused(() => update(w, w, { learningRate }), lw.ValueError, /learningRate must be a finite number/);
    }
    const hint = `${name}: unknown option 'learning_rate'; did you mean 'learningRate'?`;
    expectRefused(() => update(w, w, { learning_rate: 1 }), lw.OptionError, hint);
    for (const key of state) {
      expectRefused(
        () => update(w, w, { [key]: wrong.shape }),
        lw.ShapeError,
        `${name}: ${key} must be (2, 3) like w, got (3, 2)`,
      );
      expectRefused(() => update(w, w, { [key]: wrong.dtype }), lw.DTypeError, new RegExp(`${key} must be float32`));
      expectRefused(() => update(w, w, { [key]: 0 }), lw.DTypeError, new RegExp(`${key} must be a tensor, got 0`));
    }
    expect(firstDifference(bits(w), before)).toBe(-1);
    for (const t of [w, wrong.shape, wrong.dtype, integers]) t.dispose();
  });
});

test('settings outside their range are refused', () => {
  const w = lw.ones([2]);
  const refused: [lw.AnyUpdateRule, object, RegExp][] = [
    [lw.sgdMomentum, { momentum: 1.1 }, /momentum must be a finite number in \[0, 1\], got 1.1/],
    [lw.sgdMomentum, { nesterov: 1 }, /nesterov must be true or false, got 1/],
    [lw.rmsprop, { decayRate: -0.1 }, /decayRate must be/],
    [lw.rmsprop, { epsilon: -1 }, /epsilon must be/],
    [lw.adam, { beta1: 1 }, /beta1 must be a finite number in \[0, 1\), got 1/],
    [lw.adam, { beta2: 1 }, /beta2 must be/],
    [lw.adam, { t: 1.5 }, /t must be an integer/],
    [lw.adam, { weightDecay: 0.1 }, /unknown option 'weightDecay'/],
    [lw.adamw, { weightDecay: -1 }, /weightDecay must be/],
  ];
  for (const [update, config, message] of refused) {
    expectRefused(() => update(w, w, config as never), lw.LanewiseError, message);
  }
  w.dispose();
});

// Notebook 002, cells 139 to 142. Figures as printed there, to eight digits.
describe('the notebooks figures', () => {
  const line = (start: number, stop: number) => lw.linspace(start, stop, 20, { dtype: 'float64' });
  const arithmetic = (first: number, last: number) =>
    Float64Array.from({ length: 20 }, (_, i) => first + ((last - first) * i) / 19);

  test('momentum', () =>
    lw.scope(() => {
      const [w, config] = lw.sgdMomentum(line(-0.4, 0.6), line(-0.6, 0.4), {
        learningRate: 1e-3,
        velocity: line(0.6, 0.9),
      });
      expectClose(w.data, arithmetic(0.1406, 1.4096), 1e-15, 'w');
      expectClose(config.velocity?.data ?? [], arithmetic(0.5406, 0.8096), 1e-15, 'velocity');
    }));

  test('rmsprop', () =>
    lw.scope(() => {
      const [w, config] = lw.rmsprop(line(-0.4, 0.6), line(-0.6, 0.4), { learningRate: 1e-2, cache: line(0.6, 0.9) });
      const wanted = [
        -0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247, -0.132737, -0.08078555, -0.02881884,
        0.02316247, 0.07515774, 0.12716641, 0.17918792, 0.23122175, 0.28326742, 0.33532447, 0.38739248, 0.43947102,
        0.49155973, 0.54365823, 0.59576619,
      ];
      expect(lw.relError(w, wanted)).toBeLessThan(1e-7);
      const cache = [
        0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321, 0.67329252, 0.68859723, 0.70395734, 0.71937285,
        0.73484377, 0.75037008, 0.7659518, 0.78158892, 0.79728144, 0.81302936, 0.82883269, 0.84469141, 0.86060554,
        0.87657507, 0.8926,
      ];
      expect(lw.relError(config.cache as lw.Tensor, cache)).toBeLessThan(1e-8);
    }));

  test('adam, going on from t = 5', () =>
    lw.scope(() => {
      const given = { learningRate: 1e-2, m: line(0.6, 0.9), v: line(0.7, 0.5), t: 5 };
      const [w, config] = lw.adam(line(-0.4, 0.6), line(-0.6, 0.4), given);
      const wanted = [
        -0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977, -0.1380274, -0.08544591, -0.03286534,
        0.01971428, 0.0722929, 0.1248705, 0.17744702, 0.23002243, 0.28259667, 0.33516969, 0.38774145, 0.44031188,
        0.49288093, 0.54544852, 0.59801459,
      ];
      // 1.14e-7 in the notebook, which printed it to so many digits.
      expect(lw.relError(w, wanted)).toBeLessThan(1.2e-7);
      expectClose(config.m?.data ?? [], arithmetic(0.48, 0.85), 1e-15, 'm');
      expect(config.v?.data[0]).toBeCloseTo(0.69966, 14);
      expect(config.t).toBe(6);
    }));
});

test('beta^t is right for any t', () => {
  lw.scope(() => {
    const dw = lw.ones([1], { dtype: 'float64' });
    for (const [t, beta1] of [
      [0, 0.9],
      [36, 0.9],
      [99, 0.99],
      [2 ** 40, 0.9],
    ]) {
      // With m = 0 before, no second moment and epsilon 0, the step is (1 - beta1) / (1 - beta1^(t + 1)).
      const config: lw.AdamConfig = { learningRate: 1, beta1, beta2: 0, epsilon: 0, t };
      const [w] = lw.adam(lw.zeros([1], { dtype: 'float64' }), dw, config);
      expect(-w.item()).toBeCloseTo((1 - beta1) / (1 - beta1 ** (t + 1)), 13);
      config.m?.dispose();
      config.v?.dispose();
    }
  });
});
