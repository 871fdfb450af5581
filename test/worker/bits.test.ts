// A trainer gives the numbers that a Solver gives on this thread, whatever way the data take to it.
import * as lw from 'lanewise';
import type { ModelSpec, TrainerSpec } from 'lanewise/worker';
import { describe, expect, test } from 'vitest';
import { byteData, trainerFor } from './support.js';

const { XTrain, yTrain, XVal, yVal } = byteData();

/** The same run with tensors on this thread. */
async function onThisThread(
  {
    model: { name, dtype: _, ...options },
    solver,
    seed = 0,
    dtype = 'float32',
    input,
  }: TrainerSpec & { dtype?: 'float32' | 'float64' },
  scale: number,
): Promise<{ lossHistory: number[]; valAccHistory: number[]; params: Record<string, number[]> }> {
  const random = new lw.RandomState(seed);
  const around = { inputDim: [3, 4, 4], numClasses: 10, ...options, dtype } as Record<string, unknown>;
  const { hiddenDims, ...rest } = around;
  const net =
    name === 'FullyConnectedNet'
      ? new lw.FullyConnectedNet(hiddenDims as number[], { ...rest, random })
      : name === 'TwoLayerNet'
        ? new lw.TwoLayerNet({ ...rest, random })
        : name === 'ThreeLayerConvNet'
          ? new lw.ThreeLayerConvNet({ ...rest, random })
          : new lw.ConvNet(rest as unknown as lw.ConvNetSpec, { random });
  const sums = new Float64Array(48);
  if (input?.subtractMean !== false) for (const [i, value] of XTrain.data.entries()) sums[i % 48] += value;
  const mean = sums.map((sum) => sum / 200);
  const rounded = dtype === 'float32' ? Float32Array.from(mean) : mean;
  const prepared = (X: typeof XTrain) => {
    const numbers = Float64Array.from(X.data, (value, i) => (value - (rounded[i % 48] as number)) * scale);
    return lw.tensor(numbers, { shape: [...X.shape], dtype });
  };
  const data = {
    XTrain: prepared(XTrain),
    yTrain: yTrain as Int32Array,
    XVal: prepared(XVal),
    yVal: yVal as Int32Array,
  };
  const mine = new lw.Solver(net, data, { ...solver, random, verbose: false });
  await mine.train();
  const { lossHistory, valAccHistory } = mine;
  const params = Object.fromEntries(net.paramNames.map((key) => [key, Array.from(net.params[key]?.data ?? [])]));
  for (const t of [data.XTrain, data.XVal]) t.dispose();
  mine.dispose();
  net.dispose();
  return { lossHistory: [...lossHistory], valAccHistory: [...valAccHistory], params };
}

const solver = { batchSize: 20, numEpochs: 2, numTrainSamples: 50 } as const;
const cases: Record<string, TrainerSpec> = {
  'TwoLayerNet, SGD': {
    model: { name: 'TwoLayerNet', hiddenDim: 20 },
    solver: { ...solver, lrDecay: 0.9, optimConfig: { learningRate: 1e-3 } },
  },
  'FullyConnectedNet with batch norm and dropout, Adam, float64': {
    model: {
      name: 'FullyConnectedNet',
      hiddenDims: [15, 15],
      normalization: 'batchnorm',
      dropoutKeepRatio: 0.8,
      reg: 1e-3,
    },
    solver: { ...solver, updateRule: 'adam', sampling: 'epoch' },
    seed: 5,
    dtype: 'float64',
  },
  'ThreeLayerConvNet, momentum': {
    model: { name: 'ThreeLayerConvNet', numFilters: 4, filterSize: 3, hiddenDim: 10 },
    solver: { ...solver, updateRule: 'sgd_momentum', optimConfig: { learningRate: 1e-3 } },
    input: { subtractMean: false, scale: 1 / 255 },
  },
  'ConvNet with augmentation, schedule, clipping and decay': {
    model: {
      norm: 'batchnorm',
      layers: [{ conv: 6 }, { residual: [{ conv: 6 }, { conv: 6, relu: false }] }, 'globalAvgPool'],
    },
    solver: {
      ...{ ...solver, updateRule: 'adam', schedule: { name: 'cosine', warmup: 0.1 } },
      ...{ augment: { crop: 1, flip: true }, clipNorm: 1, weightDecay: 1e-3 },
    },
    input: { scale: 1 / 128 },
  },
};

describe('bit for bit as a Solver on this thread', () => {
  test.each(Object.entries(cases))('%s', async (_, spec) => {
    const expected = await onThisThread(spec, spec.input?.scale ?? 1);
    const trainer = await trainerFor(spec, { XTrain, yTrain, XVal, yVal });
    const result = await trainer.train();
    expect(result.status).toBe('finished');
    const { loss, valAcc } = await trainer.history();
    expect([...loss]).toEqual(expected.lossHistory);
    expect([...valAcc]).toEqual(expected.valAccHistory);
    const params = await trainer.params();
    expect(Object.fromEntries(Object.entries(params).map(([name, { data }]) => [name, [...data]]))).toEqual(
      expected.params,
    );
  });
});

describe('data', () => {
  const spec: TrainerSpec = { model: { name: 'TwoLayerNet', hiddenDim: 10 }, solver: { ...solver, numEpochs: 1 } };
  const lossOf = async (data: Parameters<typeof trainerFor>[1], options = {}) => {
    const trainer = await trainerFor({ ...spec, input: { subtractMean: true } }, data, options);
    await trainer.train();
    return [...(await trainer.history()).loss];
  };

  test('as bytes, floats, tensors, in shared memory or handed over give the same numbers', async () => {
    const wanted = await lossOf({ XTrain, yTrain, XVal, yVal });
    const floats = (X: typeof XTrain) => ({ shape: X.shape, data: Float32Array.from(X.data) });
    expect(await lossOf({ XTrain: floats(XTrain), yTrain, XVal: floats(XVal), yVal })).toEqual(wanted);
    const tensors = [XTrain, XVal].map((X) => lw.tensor(Float32Array.from(X.data), { shape: [...X.shape] }));
    const labels = [yTrain, yVal].map((y) => lw.tensor(y as Int32Array, { dtype: 'int32' }));
    const [tX, vX] = tensors as [lw.Tensor, lw.Tensor];
    const [tY, vY] = labels as [lw.Tensor, lw.Tensor];
    const given = { XTrain: tX, yTrain: tY, XVal: vX, yVal: vY };
    expect(await lossOf(given as never)).toEqual(wanted);
    for (const t of [...tensors, ...labels]) t.dispose();

    const share = (X: typeof XTrain) => {
      const data = new Uint8Array(new SharedArrayBuffer(X.data.length));
      data.set(X.data);
      return { shape: X.shape, data };
    };
    expect(await lossOf({ XTrain: share(XTrain), yTrain, XVal: share(XVal), yVal })).toEqual(wanted);

    const own = { XTrain: { shape: XTrain.shape, data: XTrain.data.slice() }, yTrain, XVal, yVal };
    expect(await lossOf({ ...own, XVal: { shape: XVal.shape, data: XVal.data.slice() } }, { transfer: true })).toEqual(
      wanted,
    );
    expect(own.XTrain.data.length, 'handed over').toBe(0);
    expect(XTrain.data.length, 'copied').toBe(200 * 48);
  });

  test('views of one buffer can be handed over together', async () => {
    const buffer = new ArrayBuffer(260 * 48);
    const both = new Uint8Array(buffer);
    both.set(XTrain.data);
    both.set(XVal.data, 200 * 48);
    const views = {
      XTrain: { shape: XTrain.shape, data: new Uint8Array(buffer, 0, 200 * 48) },
      XVal: { shape: XVal.shape, data: new Uint8Array(buffer, 200 * 48) },
    };
    const wanted = await lossOf({ XTrain, yTrain, XVal, yVal });
    expect(await lossOf({ ...views, yTrain, yVal }, { transfer: true })).toEqual(wanted);
  });

  test('decide shape and classes of the net', async () => {
    const trainer = await trainerFor(
      { model: { name: 'two-layer-net' } as ModelSpec },
      {
        ...{ XTrain, yTrain: Array.from({ length: 200 }, (_, i) => i % 3), XVal, yVal: new Array(60).fill(2) },
      },
    );
    expect(trainer.inputShape).toEqual([3, 4, 4]);
    expect(trainer.numClasses).toBe(3);
    expect(trainer.paramNames).toEqual(['W1', 'b1', 'W2', 'b2']);
    expect(trainer.spec.model).toEqual({ name: 'TwoLayerNet', inputDim: [3, 4, 4], numClasses: 3 });
    const named = await trainerFor(
      { model: { layers: ['relu'] } },
      { XTrain, yTrain, XVal, yVal, classes: [...'abcdefghijkl'] },
    );
    expect(named.numClasses).toBe(12);
    expect(named.classes).toEqual([...'abcdefghijkl']);
  });
});
