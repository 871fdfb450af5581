// Addresses beyond 2^31, which are negative where wasm returns them: the same bits as below, and an error at the end of memory.
import { freemem } from 'node:os';
import * as lw from 'lanewise';
import { afterAll, expect, test } from 'vitest';
import { bits } from './support.js';

afterAll(async () => {
  await lw.init({ build: 'simd', threads: 1 });
});

/** A little of everything that takes addresses: nets of both kinds, classifiers, features, streams. Its results. */
async function work(): Promise<Uint8Array[]> {
  const rs = new lw.RandomState(1);
  const XTrain = rs.randn(24, 3, 16, 16, { dtype: 'float32' });
  const yTrain = rs.randint(0, 3, [24]);
  const data = { XTrain, yTrain, XVal: XTrain.rows(0, 8), yVal: yTrain.rows(0, 8) };
  const random = new lw.RandomState(2);
  const spec: lw.ConvNetSpec = {
    inputDim: [3, 16, 16],
    numClasses: 3,
    norm: 'batchnorm',
    layers: [
      { conv: 8, size: 7 },
      { conv: 8 },
      { maxPool: 2 },
      {
        residual: [
          { conv: 12, stride: 2 },
          { conv: 12, relu: false },
        ],
      },
      { dropout: 0.9 },
      { affine: 20 },
    ],
  };
  const results: Uint8Array[] = [];
  for (const dtype of ['float32', 'float64'] as const) {
    const model = new lw.ConvNet({ ...spec, dtype }, { random });
    const options = { updateRule: 'adam', batchSize: 12, numEpochs: 1, verbose: false } as const;
    const augment = { crop: 2, flip: true, cutout: 3 };
    const solver = new lw.Solver(model, data, { ...options, augment, clipNorm: 1, random });
    await solver.train();
    expect(model.params.W1.address > 2 ** 31).toBe(XTrain.address > 2 ** 31);
    results.push(...Object.values(model.state()).map(bits), solver.save());
    solver.dispose();
    model.dispose();
  }
  lw.scope(() => {
    const rows = XTrain.reshape(24, -1);
    const knn = new lw.KNearestNeighbor();
    knn.train(rows, yTrain);
    results.push(bits(knn.predict(rows, { k: 3 })), bits(rows.mean(0)), bits(lw.matmul(rows, rows, { transB: true })));
    knn.dispose();
    const softmax = new lw.Softmax();
    softmax.train(rows, yTrain, { numIters: 3, random });
    results.push(softmax.toBytes());
    softmax.dispose();
    const images = rs.uniform(0, 255, [2, 16, 16, 3]);
    results.push(bits(lw.extractFeatures(images, [lw.hogFeature, (image) => lw.colorHistogramHsv(image)])));
  });
  for (const t of [XTrain, yTrain]) t.dispose();
  return results;
}

const room = freemem() > 8 * 2 ** 30;

test.runIf(room).each([1, 2])('on %i thread(s)', { timeout: 120_000 }, async (threads) => {
  await lw.init({ build: 'simd', threads });
  const wanted = await work();
  await lw.init({ build: 'simd', threads });
  // Views of it reach beyond 2^31 too.
  const low = lw.zeros([2 ** 29 + 2 ** 20], { dtype: 'int32' });
  low.data[low.size - 1] = 7;
  expect(low.max()).toBe(7);
  const results = await work();
  expect(results.length).toBe(wanted.length);
  for (const [i, result] of results.entries()) expect(Buffer.compare(result, wanted[i]), `result ${i}`).toBe(0);
  // To the end of 4 GiB there is room for 2 GiB more, less some pages, and not for more than that.
  const error = await Promise.resolve()
    .then(() => lw.zeros([2 ** 29], { dtype: 'int32' }))
    .catch((reason) => reason);
  expect(error).toBeInstanceOf(lw.MemoryError);
  expect(lw.ones([3]).sum()).toBe(3);
  low.dispose();
});
