// The same bits on one, two and three threads, from sizes that are shared out (kernels.ts: 50,000 elementary operations) to
// sizes that are not; thousands of jobs in a row; and what replacing the runtime means. Starts its own engines.
import * as lw from 'lanewise';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { binaryUrl, bits, expectRefused, firstDifference, floats, thrown, uniforms } from './support.js';

const build = inject('build');
const start = (threads: number, options: lw.InitOptions = {}) => lw.init({ build, threads, ...options });

/** Numbers in [-2, 2) without sharing code with the library. */
function random(shape: readonly number[], dtype: lw.DType, seed: number): lw.Tensor {
  const t = lw.zeros(shape, { dtype });
  const next = uniforms(seed);
  const { data } = t;
  for (let i = 0; i < data.length; i++) data[i] = dtype === 'int32' ? next() * 1e6 - 5e5 : 4 * next() - 2;
  return t;
}

type Results = Record<string, lw.Tensor | number | readonly (lw.Tensor | number)[]>;

/** Work of every kind that is shared out, by name. */
const workloads: Record<string, (dtype: 'float32' | 'float64') => Results> = {
  'matrix product': (dtype) => {
    const [M, N, K] = [67, 530, 300];
    const shapes = { a: [M, K], at: [K, M], b: [K, N], bt: [N, K] };
    const [a, at, b, bt] = Object.values(shapes).map((shape, i) => random(shape, dtype, i));
    const few = random([3, K], dtype, 9);
    return {
      NN: lw.matmul(a, b),
      NT: lw.matmul(a, bt, { transB: true }),
      TN: lw.matmul(at, b, { transA: true }),
      TT: lw.matmul(at, bt, { transA: true, transB: true }),
      'few rows': lw.matmul(few, b),
      'one column': lw.matmul(random([700, K], dtype, 5), random([K, 1], dtype, 6)),
      'long sums': lw.matmul(random([5, 9001], dtype, 7), random([9001, 19], dtype, 8)),
    };
  },
  'affine layers': (dtype) => {
    const [x, w, b] = [random([97, 5, 41], dtype, 1), random([205, 77], dtype, 2), random([77], dtype, 3)];
    const dout = random([97, 77], dtype, 4);
    const [out, cache] = lw.affineForward(x, w, b);
    const [rectified, reluCache] = lw.affineReluForward(x, w, b);
    const [gamma, beta] = [random([77], dtype, 5), random([77], dtype, 6)];
    const param: lw.BatchnormParam = { mode: 'train' };
    const [normal, bnCache] = lw.affineBnReluForward(x, w, b, gamma, beta, param);
    param.runningMean?.dispose();
    param.runningVar?.dispose();
    return {
      affine: [out, ...lw.affineBackward(dout, cache)],
      affineRelu: [rectified, ...lw.affineReluBackward(dout, reluCache)],
      affineBnRelu: [normal, ...lw.affineBnReluBackward(dout, bnCache)],
    };
  },
  normalisation: (dtype) => {
    const [N, D] = [203, 307];
    const [x, dout] = [random([N, D], dtype, 1), random([N, D], dtype, 2)];
    const [gamma, beta] = [random([D], dtype, 3), random([D], dtype, 4)];
    const param: lw.BatchnormParam = { mode: 'train' };
    const [out, cache] = lw.batchnormForward(x, gamma, beta, param);
    const { runningMean, runningVar } = param as Required<lw.BatchnormParam>;
    const [tested, testCache] = lw.batchnormForward(x, gamma, beta, { mode: 'test', runningMean, runningVar });
    const [layer, layerCache] = lw.layernormForward(x, gamma, beta);
    const averages = [runningMean.clone(), runningVar.clone()];
    runningMean.dispose();
    runningVar.dispose();
    return {
      batchnorm: [out, ...averages],
      batchnormBackward: lw.batchnormBackward(dout, cache),
      batchnormBackwardAlt: lw.batchnormBackwardAlt(dout, cache),
      batchnormTest: [tested, ...lw.batchnormBackward(dout, testCache)],
      layernorm: [layer, ...lw.layernormBackward(dout, layerCache)],
    };
  },
  losses: (dtype) => {
    const [N, C] = [3001, 17];
    const x = random([N, C], dtype, 1);
    const labels = Int32Array.from({ length: N }, (_, i) => (i * i + 3 * i) % C);
    return {
      softmax: lw.softmaxLoss(x, labels),
      smoothed: lw.softmaxLoss(x, labels, { labelSmoothing: 0.1 }),
      svm: lw.svmLoss(x, labels),
    };
  },
  activations: (dtype) => {
    const [x, dout] = [random([151, 401], dtype, 1), random([151, 401], dtype, 2)];
    const both = <C>([out, cache]: [lw.Tensor, C], back: (dout: lw.Tensor, cache: C) => lw.Tensor) => [
      out,
      back(dout, cache),
    ];
    return {
      relu: both(lw.reluForward(x), lw.reluBackward),
      leakyRelu: both(lw.leakyReluForward(x), lw.leakyReluBackward),
      sigmoid: both(lw.sigmoidForward(x), lw.sigmoidBackward),
      tanh: both(lw.tanhForward(x), lw.tanhBackward),
      swish: both(lw.swishForward(x), lw.swishBackward),
      dropout: both(lw.dropoutForward(x, { p: 0.6, mode: 'train', seed: 3 }), lw.dropoutBackward),
    };
  },
  augmentation: (dtype) => {
    const [x, y] = [random([60, 3, 21, 17], dtype, 1), random([60, 3, 21, 17], dtype, 2)];
    return {
      all: lw.augmentImages(x, { crop: 4, flip: true, cutout: 7 }, new lw.RandomState(1)),
      flip: lw.augmentImages(y, { flip: true }, new lw.RandomState(1)),
    };
  },
  elementwise: (dtype) => {
    const n = 60_011;
    const [x, y] = [random([n], dtype, 1), random([n], dtype, 2)];
    const matrix = random([300, 271], dtype, 3);
    return {
      add: lw.add(x, y),
      sub: lw.sub(x, 3),
      mul: lw.mul(2, x),
      div: lw.div(x, y),
      rows: lw.add(matrix, random([271], dtype, 4)),
      columns: lw.mul(matrix, random([300, 1], dtype, 5)),
      exp: lw.exp(x),
      log: lw.log(lw.mul(x, x)),
      sqrt: lw.sqrt(lw.mul(x, x)),
      'to the other type': x.astype(dtype === 'float32' ? 'float64' : 'float32'),
      'to int32': lw.mul(x, 1000).astype('int32'),
      'from int32': random([n], 'int32', 6).astype(dtype),
      'whole numbers': lw.add(random([n], 'int32', 7), random([n], 'int32', 8)),
    };
  },
  reductions: (dtype) => {
    const t = random([61, 53, 37], dtype, 1);
    const whole = random([61, 2001], 'int32', 2);
    return {
      all: [t.sum(), t.mean(), t.std(), t.max(), t.min(), t.argmax(), t.argmin()],
      axes: [0, 1, 2].flatMap((axis) => [t.sum(axis), t.mean(axis), t.std(axis), t.max(axis), t.argmax(axis)]),
      whole: [whole.sum(), whole.sum(0), whole.mean(1), whole.std(0), whole.argmin(1)],
    };
  },
  movement: (dtype) => {
    const t = random([31, 17, 11, 13], dtype, 1);
    const rows = Int32Array.from({ length: 997 }, (_, i) => (i * 7919) % 31);
    return {
      transposed: [t.transpose(), t.transpose(0, 2, 3, 1), t.reshape(31, 17, 11, 13, 1).transpose(4, 3, 1, 0, 2)],
      taken: t.take(rows),
      whole: random([211, 503], 'int32', 2).transpose(),
      cloned: t.clone(),
    };
  },
  features: (dtype) => {
    const images = lw.zeros([61, 17, 25, 3], { dtype });
    const next = uniforms(1);
    const { data } = images;
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(256 * next());
    const fns = [lw.hogFeature, lw.features.hsv({ nbin: 25 }), (image: lw.Tensor) => image.reshape(-1, 3).mean(0)];
    return { all: lw.extractFeatures(images, fns), whole: lw.extractFeatures(images.astype('int32'), fns) };
  },
  classifiers: (dtype) => {
    const [train, x] = [random([203, 307], dtype, 1), random([61, 307], dtype, 2)];
    const y = Int32Array.from({ length: 203 }, (_, i) => (i * 7) % 11);
    const knn = new lw.KNearestNeighbor();
    knn.train(train, y);
    const dists = [knn.computeDistancesNoLoops(x), knn.computeDistancesOneLoop(x), knn.computeDistancesTwoLoops(x)];
    const labels = [1, 7, 100].map((k) => knn.predictLabels(dists[0], k));
    knn.dispose();
    const linear = [lw.Softmax, lw.LinearSVM].flatMap((Classifier) => {
      const classifier = new Classifier();
      const options = { numIters: 3, learningRate: 0.1, reg: 0.1, random: new lw.RandomState(1) };
      const losses = classifier.train(train, y, options);
      const results = [...losses, (classifier.W as lw.Tensor).clone(), classifier.predict(x)];
      classifier.dispose();
      return results;
    });
    return { dists, labels, linear };
  },
  'update rules': (dtype) => {
    const n = 60_011;
    const dw = random([n], dtype, 2);
    const twice = <C extends object>(rule: (w: lw.Tensor, dw: lw.Tensor, config?: C) => [lw.Tensor, C], config: C) => {
      const w = random([n], dtype, 1);
      rule(w, dw, config);
      rule(w, dw, config);
      const state = Object.values(config).filter((value) => value instanceof lw.Tensor) as lw.Tensor[];
      const copies = state.map((t) => t.clone());
      for (const t of state) t.dispose();
      return [w, ...copies];
    };
    return {
      sgd: twice(lw.sgd, {}),
      momentum: twice(lw.sgdMomentum, {}),
      nesterov: twice(lw.sgdMomentum, { nesterov: true }),
      rmsprop: twice(lw.rmsprop, {}),
      adagrad: twice(lw.adagrad, {}),
      adam: twice(lw.adam, {}),
      adamw: twice(lw.adamw, {}),
    };
  },
  'training steps': (dtype) => {
    const random231 = new lw.RandomState(231);
    const options = { inputDim: 307, numClasses: 11, reg: 0.5, weightScale: 0.1, dtype, random: random231 };
    const net = new lw.FullyConnectedNet([97, 83], { ...options, normalization: 'batchnorm', dropoutKeepRatio: 0.8 });
    const X = random([101, 307], dtype, 1);
    const y = Int32Array.from({ length: 101 }, (_, i) => i % 11);
    const results: (lw.Tensor | number)[] = [];
    const configs = Object.fromEntries(net.paramNames.map((name) => [name, {} as lw.AdamConfig]));
    for (let step = 0; step < 3; step++) {
      const [loss, grads] = net.loss(X, y);
      results.push(loss, ...Object.values(grads));
      for (const name of net.paramNames) lw.adam(net.params[name], grads[name], configs[name]);
    }
    results.push(net.loss(X));
    net.dispose();
    for (const { m, v } of Object.values(configs)) for (const t of [m, v]) t?.dispose();
    return { losses: results };
  },
};

/** The bits of every result of a workload on an engine with so many threads. */
function run(name: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const dtype of floats) {
    lw.scope(() => {
      for (const [part, results] of Object.entries(workloads[name](dtype))) {
        for (const [i, result] of [results].flat().entries()) {
          const copy =
            typeof result === 'number' ? new Uint8Array(Float64Array.of(result).buffer) : bits(result as lw.Tensor);
          found.set(`${name}, ${dtype}, ${part} ${i}`, copy);
        }
      }
    });
  }
  return found;
}

describe('bits are the same for any number of threads', () => {
  const onOne = new Map<string, Map<string, Uint8Array>>();
  beforeAll(async () => {
    expect((await start(1)).threads).toBe(1);
    for (const name of Object.keys(workloads)) onOne.set(name, run(name));
  });

  // The two projects of a build share the counts out between them.
  describe.each(inject('threads') === 1 ? [2] : [3])('%i', (threads) => {
    beforeAll(async () => {
      expect((await start(threads)).threads).toBe(threads);
    });

    test.each(Object.keys(workloads))('%s', (name) => {
      const wanted = onOne.get(name) as Map<string, Uint8Array>;
      const got = run(name);
      expect([...got.keys()]).toEqual([...wanted.keys()]);
      for (const [what, result] of got) {
        expect(firstDifference(result, wanted.get(what) as Uint8Array), `first byte that differs in ${what}`).toBe(-1);
      }
      expect(lw.info().memory.live).toBe(0);
    });
  });

  test('also the norm of gradients, and what is clipped by it', async () => {
    const train = async (threads: number) => {
      await start(threads);
      const X = random([40, 1, 20, 20], 'float32', 1);
      const y = Int32Array.from({ length: 40 }, (_, i) => i % 10);
      const model = new lw.FullyConnectedNet([300], { inputDim: [1, 20, 20], random: new lw.RandomState(2) });
      const options = { batchSize: 20, numEpochs: 2, clipNorm: 0.1, weightDecay: 0.1, augment: { flip: true } };
      const common = { random: new lw.RandomState(3), verbose: false };
      const solver = new lw.Solver(model, { XTrain: X, yTrain: y, XVal: X, yVal: y }, { ...options, ...common });
      const norms: unknown[] = [];
      await solver.train({ onStep: ({ gradientNorm }) => norms.push(gradientNorm) });
      return [norms, solver.lossHistory, ...Object.values(model.params).map(bits)];
    };
    const wanted = await train(1);
    expect(await train(3)).toEqual(wanted);
  });

  test('also when B is packed in several slabs', async () => {
    // A packed copy of more than 32 MiB is cut by columns.
    const product = () =>
      lw.scope(() => {
        const [a, b] = [random([5, 4200], 'float64', 1), random([4200, 1030], 'float64', 2)];
        return bits(lw.matmul(a, b));
      });
    await start(1);
    const wanted = product();
    await start(2);
    expect(firstDifference(product(), wanted)).toBe(-1);
  });
});

describe('the pool', () => {
  beforeAll(() => start(3));

  test('loses and repeats nothing in thousands of jobs of all sizes, with pauses for workers to fall asleep', async () => {
    const sizes = [50_000, 50_001, 64_000, 99_999, 200_000, 50_016, 17];
    const chains = sizes.map((n) => lw.zeros([n], { dtype: 'float32' }));
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < chains.length; i++) {
        const next = lw.add(chains[i], 1);
        chains[i].dispose();
        chains[i] = next;
      }
      if (round % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const t of chains) {
      const { data } = t;
      expect(data.findIndex((v) => v !== rounds)).toBe(-1);
      t.dispose();
    }
  });

  test('alternates between kernels without mixing their arguments up', () => {
    const next = uniforms(1);
    lw.scope(() => {
      const x = lw.full([60_000], 2, { dtype: 'float64' });
      const matrix = lw.ones([100, 600], { dtype: 'float32' });
      for (let i = 0; i < 400; i++) {
        const k = Math.floor(next() * 1000);
        lw.scope(() => {
          const sum = lw.add(x, k);
          const product = lw.mul(x, k);
          const sums = matrix.sum(1);
          const square = lw.matmul(matrix, matrix, { transB: true });
          const parts = [sum.data[0], sum.data[59_999], product.data[0], product.data[59_999]];
          expect(parts).toEqual([2 + k, 2 + k, 2 * k, 2 * k]);
          expect([sums.data[0], sums.data[99], square.data[0], square.data[9999]]).toEqual([600, 600, 600, 600]);
        });
      }
    });
  });

  test('sees memory that has grown', () => {
    lw.scope(() => {
      for (let i = 0; i < 4; i++) {
        const { reserved } = lw.info().memory;
        const t = lw.full([reserved / 8], i, { dtype: 'float64' });
        const next = lw.add(t, 1);
        expect(lw.info().memory.reserved).toBeGreaterThan(reserved);
        expect(next.data.findIndex((v) => v !== i + 1)).toBe(-1);
        t.dispose();
        next.dispose();
      }
    });
  });
});

describe('init', () => {
  test('says what runs and why', async () => {
    const one = await start(1);
    expect(one).toEqual(lw.info());
    const { build: running, threads, reason, runtime, fused, memory } = one;
    expect([running, threads]).toEqual([build, 1]);
    expect(reason).toMatch(
      new RegExp(`^${build === 'relaxed' ? 'relaxed SIMD as asked' : 'fixed SIMD as asked'}.*; one thread as asked$`),
    );
    expect(runtime).toMatch(/^(node|bun|deno|browser) \S/);
    expect(build === 'simd' && fused).toBe(false);
    expect(memory.live).toBe(0);
    expect(memory.reserved).toBeGreaterThan(0);
    expect(memory.limit).toBeGreaterThanOrEqual(memory.reserved);
    expect((await start(3)).reason).toMatch(/; 3 threads as asked$/);
    const chosen = await lw.init();
    expect(chosen.threads).toBeGreaterThan(0);
    expect(chosen.reason).toMatch(/SIMD.*; .*thread/);
    expect((await lw.init({ maxMemory: 2 ** 24 })).memory.limit).toBe(2 ** 24);
  });

  test('knows whether multiply-add rounds once', async () => {
    const { fused } = await start(1);
    for (const [dtype, half] of [
      ['float32', 2 ** -12],
      ['float64', 2 ** -27],
    ] as const) {
      // -(1 + 2h) + (1 + h)(1 + h): what is left, h^2, is lost when the product is rounded.
      const left = lw.matmul(
        lw.tensor([[1, 1 + half]], { dtype }),
        lw.tensor([[-(1 + 2 * half)], [1 + half]], { dtype }),
      );
      expect(left.item(), dtype).toBe(fused ? half * half : 0);
    }
  });

  test('counts live bytes in whole lines', async () => {
    await start(1);
    const live = () => lw.info().memory.live;
    const t = lw.zeros([17]);
    expect(live()).toBe(128);
    const view = t.rows(3);
    expect(live()).toBe(128);
    lw.matmul(lw.zeros([4, 4]), lw.zeros([4, 4]));
    expect(live()).toBe(128 + 3 * 64);
    view.dispose();
    expect(live()).toBe(3 * 64);
  });

  test('again: replaces the runtime and ends all tensors made before', async () => {
    await start(2);
    const old = lw.ones([4]);
    const view = old.reshape(2, 2);
    await start(1);
    const fresh = lw.ones([4]);
    for (const use of [
      () => old.data,
      () => view.toArray(),
      () => old.clone(),
      () => lw.add(old, fresh),
      () => lw.add(fresh, old),
      () => lw.matmul(fresh.reshape(2, 2), view),
      () => fresh.take(old),
      () => old.sum(),
    ]) {
      expectRefused(
        use,
        lw.RuntimeError,
        /^tensor: of another runtime: float32 tensor \([24, ]+\); init\(\) was called again after it was made$/,
      );
    }
    old.dispose();
    old.dispose();
    expect(fresh.sum()).toBe(4);
    expect(lw.info().memory.live).toBe(64);
  });

  test('several at once: one after the other, the last remains', async () => {
    const infos = await Promise.all([start(2), start(1), start(3)]);
    expect(infos.map((i) => i.threads).at(-1)).toBe(3);
    expect(lw.info().threads).toBe(3);
    expect(lw.ones([60_000]).sum()).toBe(60_000);
  });

  test('refuses what it does not understand, and the runtime before stays', async () => {
    await start(1);
    const t = lw.ones([3]);
    const cases: [object, new (...args: never[]) => Error, string | RegExp][] = [
      [{ thread: 2 }, lw.OptionError, "init: unknown option 'thread'; did you mean 'threads'?"],
      [{ threads: 0 }, lw.ValueError, 'init: threads must be an integer in [1, 256], got 0'],
      [{ threads: 1.5 }, lw.ValueError, 'init: threads must be an integer in [1, 256], got 1.5'],
      [{ threads: 'many' }, lw.ValueError, "init: threads must be an integer in [1, 256], got 'many'"],
      [{ build: 'fast' }, lw.OptionError, /^init: build must be one of 'auto', 'simd', 'relaxed', got 'fast'/],
      [
        { maxMemory: 1000 },
        lw.ValueError,
        /^init: maxMemory must be a finite number in \[1048576, 4294967296\], got 1000$/,
      ],
      [{ wasm: 3 }, lw.OptionError, 'init: wasm must be a URL, bytes or a WebAssembly.Module, got 3'],
      [{ wasm: Uint8Array.of(1, 2, 3) }, lw.RuntimeError, /^init: the kernels could not be loaded: /],
      [
        { wasm: new URL('nowhere.wasm', binaryUrl(build)) },
        lw.RuntimeError,
        /^init: the kernels could not be loaded: /,
      ],
      [
        // A valid module that wants a global a.b.
        { wasm: Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 2, 8, 1, 1, 97, 1, 98, 3, 127, 0), threads: 1 },
        lw.RuntimeError,
        /^init: the kernels could not be instantiated: /,
      ],
      [
        // A valid module without anything in it.
        { wasm: new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)), threads: 1 },
        lw.RuntimeError,
        /^init: wasm must be a binary of lanewise, got a module without kernels/,
      ],
    ];
    for (const [options, kind, message] of cases) {
      const error = await lw.init(options).then(
        () => expect.fail(`${JSON.stringify(options)} was accepted`),
        (e: Error) => e,
      );
      expect(error).toBeInstanceOf(kind);
      if (typeof message === 'string') expect(error.message).toBe(message);
      else expect(error.message).toMatch(message);
      expect(t.sum()).toBe(3);
      expect(lw.info().threads).toBe(1);
    }
  });

  test('takes the binary as a URL, as text of one, as bytes and as a module', async () => {
    const first = await lw.init({ build, threads: 1, wasm: binaryUrl(build) });
    expect(first.build).toBe(build);
    await lw.init({ build, threads: 1, wasm: binaryUrl(build).href });
    expect(lw.ones([5]).sum()).toBe(5);
    // Node's fetch does not read files.
    if (typeof document === 'undefined') return;
    const bytes = await (await fetch(binaryUrl(build))).arrayBuffer();
    for (const wasm of [bytes, new Uint8Array(bytes), await WebAssembly.compile(bytes)]) {
      await lw.init({ build, threads: 1, wasm });
      expect(lw.ones([5]).sum()).toBe(5);
    }
  });
});

test('nothing hangs when a job fails', async () => {
  await start(2);
  const t = lw.ones([60_000]);
  t.dispose();
  expect(thrown(() => lw.add(t, 1))).toBeInstanceOf(lw.RuntimeError);
  expect(lw.add(lw.ones([60_000]), 1).sum()).toBe(120_000);
});
