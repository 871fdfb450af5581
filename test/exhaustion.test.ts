// Memory that ends at every possible place of models, training, classifiers and loaders: a typed error, nothing left behind,
// and an engine that works.
import * as lw from 'lanewise';
import { afterAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { batches, binary, concat } from './data/files.js';
import { bits, fillMemory } from './support.js';

const build = inject('build');
const threads = inject('threads');
const live = () => lw.info().memory.live;

// Anew for each: what kernels work in is kept, and would be there for the next.
beforeEach(async () => {
  await lw.init({ build, threads, maxMemory: 2 ** 22 });
});
afterAll(async () => {
  await lw.init({ build, threads });
});

/** Runs `act` with room for 0, 1, 2, … lines of 64 bytes, until it succeeds; what it returns then. */
async function exhaust<T>(act: () => T | Promise<T>, most = 2000, step = 1): Promise<T> {
  for (let lines = 0; lines < most; lines += step) {
    const filler = fillMemory(64 * lines);
    const before = live();
    let error: unknown;
    let result: T | undefined;
    try {
      result = await act();
    } catch (reason) {
      error = reason;
    }
    if (error !== undefined) {
      expect(error, `${lines} lines`).toBeInstanceOf(lw.MemoryError);
      expect(live(), `live bytes with ${lines} lines free: ${(error as Error).message}`).toBe(before);
    }
    for (const t of filler) t.dispose();
    if (error !== undefined) {
      // The engine works.
      expect(lw.scope(() => lw.add(lw.ones([2]), 3).toArray())).toEqual([4, 4]);
      continue;
    }
    expect(lines).toBeGreaterThan(0);
    return result as T;
  }
  return expect.fail(`not done with ${most} lines`);
}

type Make = () => lw.Network;
const nets: Record<string, Make> = {
  TwoLayerNet: () => new lw.TwoLayerNet({ inputDim: 12, hiddenDim: 5, numClasses: 3, random: new lw.RandomState(1) }),
  'FullyConnectedNet with batch norm and dropout': () =>
    new lw.FullyConnectedNet([6, 5], {
      inputDim: 12,
      numClasses: 3,
      normalization: 'batchnorm',
      dropout: 0.8,
      reg: 0.1,
      random: new lw.RandomState(1),
    }),
  'ConvNet with residual block': () =>
    new lw.ConvNet(
      {
        inputDim: [3, 4, 4],
        numClasses: 3,
        norm: 'batchnorm',
        layers: [{ conv: 2 }, { maxPool: 2 }, { residual: [{ conv: 3 }, { conv: 3, relu: false }] }],
      },
      { random: new lw.RandomState(1) },
    ),
};

const states = (model: lw.Network) => Object.values(model.state()).map(bits);

describe.each(Object.entries(nets))('%s', (_, make) => {
  test('made', async () => {
    const before = live();
    const model = await exhaust(make);
    model.dispose();
    expect(live()).toBe(before);
  });

  test('asked for scores, loss, gradients, labels', async () => {
    const model = make();
    const X = new lw.RandomState(2).randn(4, ...model.inputShape, { dtype: 'float32' });
    const wanted = states(model);
    for (const act of [() => model.loss(X), () => model.predict(X)]) {
      lw.scope(() => act().dispose());
      await exhaust(() => lw.scope(() => Array.from(act().data)));
    }
    // Not the running averages, which a loss in training moves, whatever comes of it.
    const weights = () => Object.values(model.params).map(bits);
    const before = weights();
    const held = live();
    let planned = false;
    await exhaust(() => {
      if (planned) return;
      try {
        lw.scope(() => void model.loss(X, [0, 1, 2, 0]));
      } finally {
        // Buffers of a batch size stay with the model once they are there; on the way to them none does.
        planned = live() > held;
      }
    }).catch((error) => expect.fail(error));
    expect(weights()).toEqual(before);
    expect(wanted.length).toBeGreaterThan(0);
    X.dispose();
    model.dispose();
  });

  test('trained, saved and resumed', async () => {
    const rs = new lw.RandomState(3);
    const X = rs.randn(8, ...(make().inputShape as number[]), { dtype: 'float32' });
    const y = rs.randint(0, 3, [8]);
    const data = { XTrain: X, yTrain: y, XVal: X.rows(0, 4), yVal: y.rows(0, 4) };
    const options = { updateRule: 'adam', batchSize: 3, sampling: 'epoch', numEpochs: 1, verbose: false } as const;
    /** All of it, and what came of it; frees everything. */
    const train = async () => {
      let model: lw.Network | undefined;
      let solver: lw.Solver | undefined;
      try {
        model = make();
        solver = new lw.Solver(model, data, { ...options, clipNorm: 1, random: new lw.RandomState(4) });
        await solver.train();
        return { losses: [...solver.lossHistory], state: states(model), bytes: solver.save() };
      } finally {
        solver?.dispose();
        model?.dispose();
      }
    };
    const wanted = await train();
    await lw.scope(() => undefined);
    expect(await exhaust(train, 4000, 3)).toEqual(wanted);
    const resume = () => {
      let model: lw.Network | undefined;
      try {
        model = make();
        const solver = lw.Solver.resume(wanted.bytes, model, data, { verbose: false });
        const { lossHistory } = solver;
        const state = states(model);
        solver.dispose();
        return { losses: lossHistory, state };
      } finally {
        model?.dispose();
      }
    };
    const { bytes, ...rest } = wanted;
    expect(bytes.length).toBeGreaterThan(1000);
    expect(await exhaust(resume, 4000)).toEqual(rest);
  });
});

test('a model that could not be given a checkpoint is as it was', async () => {
  const make = nets['FullyConnectedNet with batch norm and dropout'];
  const X = lw.ones([3, 12]);
  const data = { XTrain: X, yTrain: [0, 1, 2], XVal: X, yVal: [0, 1, 2] };
  const first = make();
  const solver = new lw.Solver(first, data, { updateRule: 'adam', numEpochs: 2, batchSize: 3, verbose: false });
  await solver.train();
  const bytes = solver.save();
  const model = make();
  const before = states(model);
  const resumed = await exhaust(() => {
    expect(states(model)).toEqual(before);
    return lw.Solver.resume(bytes, model, data, { verbose: false });
  });
  expect(states(model)).toEqual(states(first));
  for (const t of [resumed, solver, first, model]) t.dispose();
});

describe('classifiers', () => {
  const rows = () => new lw.RandomState(5).randn(12, 7, { dtype: 'float32' });
  const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);

  test.each([lw.Softmax, lw.LinearSVM])('%o', async (Classifier) => {
    const X = rows();
    const classify = () => {
      const classifier = new Classifier();
      try {
        classifier.train(X, labels, { numIters: 3, batchSize: 5, random: new lw.RandomState(6) });
        return lw.scope(() => Array.from(classifier.predict(X).data));
      } finally {
        classifier.dispose();
      }
    };
    const wanted = classify();
    expect(await exhaust(classify)).toEqual(wanted);
    X.dispose();
  });

  test('KNearestNeighbor', async () => {
    const X = rows();
    const classify = () => {
      const knn = new lw.KNearestNeighbor();
      try {
        knn.train(X, labels);
        return lw.scope(() => Array.from(knn.predict(X, { k: 3 }).data));
      } finally {
        knn.dispose();
      }
    };
    const wanted = classify();
    expect(await exhaust(classify)).toEqual(wanted);
    X.dispose();
  });
});

describe('loaders', () => {
  test('drawn images', async () => {
    const draw = () => {
      const { X, y } = lw.syntheticImages({ num: 2, classes: 2, size: 8, seed: 1 });
      const copy = [bits(X), bits(y)];
      X.dispose();
      y.dispose();
      return copy;
    };
    const wanted = draw();
    expect(await exhaust(draw, 4000, 7)).toEqual(wanted);
  });

  test('CIFAR-10', async () => {
    const names = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'];
    const files = batches([1, 1, 1, 1, 1, 1]).map((one, i) => new File([concat(binary(one))], `${names[i]}.bin`));
    const load = async () => {
      const { XTrain, yTrain, XTest, yTest } = await lw.loadCifar10(files);
      const copy = [XTrain, yTrain, XTest, yTest].map(bits);
      for (const t of [XTrain, yTrain, XTest, yTest]) t.dispose();
      return copy;
    };
    const wanted = await load();
    expect(await exhaust(load, 8000, 61)).toEqual(wanted);
  });

  test('safetensors', async () => {
    const bytes = lw.scope(() => lw.writeSafetensors({ a: lw.ones([40]), b: lw.zeros([3]), c: lw.ones([100]) }));
    const load = () => {
      const found = lw.readSafetensors(bytes);
      for (const t of Object.values(found)) t.dispose();
      return Object.keys(found).length;
    };
    expect(await exhaust(load)).toBe(3);
  });
});
