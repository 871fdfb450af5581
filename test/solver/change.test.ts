// Options that change in the course of a run: from the next step on, all or none of them, and kept by checkpoints.
import * as lw from 'lanewise';
import { expect, onTestFinished, test } from 'vitest';
import { examples, expectRefused } from '../support.js';

const { X, y } = {
  X: Float64Array.from({ length: 40 * 48 }, (_, i) => Math.sin(i)),
  y: Int32Array.from({ length: 40 }, (_, i) => i % 3),
};

function solverOf(options: lw.SolverOptions = {}): lw.Solver {
  const random = new lw.RandomState(1);
  const x = lw.tensor(X, { shape: [40, 3, 4, 4], dtype: 'float64' });
  const model = new lw.ConvNet(
    { inputDim: [3, 4, 4], numClasses: 3, layers: [{ conv: 4 }], dtype: 'float64' },
    { random },
  );
  const data = { XTrain: x, yTrain: y, XVal: x, yVal: y };
  const solver = new lw.Solver(model, data, {
    ...{ updateRule: 'sgdMomentum', batchSize: 10, numEpochs: 2, verbose: false, random },
    ...options,
  });
  onTestFinished(() => {
    for (const one of [solver, model, x]) one.dispose();
  });
  return solver;
}

/** Trains to the end, with a change after step 3. */
async function run(solver: lw.Solver, change?: lw.LiveOptions): Promise<number[]> {
  await solver.train({
    onStep: ({ iteration }) => {
      if (iteration === 3 && change) solver.change(change);
    },
  });
  return solver.lossHistory;
}

test('every option acts from the next step on', async () => {
  const plain = await run(solverOf());
  const changes: lw.LiveOptions[] = [
    { learningRate: 0.3 },
    { reg: 1 },
    { optimConfig: { momentum: 0.1 } },
    { lrDecay: 0.1 },
    { clipNorm: 0.01 },
    { weightDecay: 0.5 },
    { augment: { flip: true, crop: 1 } },
    { augment: (batch) => lw.mul(batch, 2) },
  ];
  for (const change of changes) {
    const changed = await run(solverOf(), change);
    const name = Object.keys(change)[0];
    expect(changed.slice(0, 3), name).toEqual(plain.slice(0, 3));
    expect(changed.slice(3), name).not.toEqual(plain.slice(3));
  }
  expect(await run(solverOf(), {})).toEqual(plain);
});

test('options of then, given from the start, give the numbers of a change before the first step', async () => {
  const options = { lrDecay: 0.5, clipNorm: 0.5, weightDecay: 0.1, augment: { flip: true } };
  const given = await run(solverOf({ ...options, optimConfig: { learningRate: 0.02, momentum: 0.5 } }));
  const solver = solverOf();
  solver.change({ ...options, learningRate: 0.02, optimConfig: { momentum: 0.5 } });
  expect(solver.live).toEqual({
    ...{ ...options, augment: { crop: 0, flip: true, cutout: 0 }, learningRate: 0.02, reg: 0 },
    optimConfig: { momentum: 0.5, nesterov: false },
  });
  expect(await run(solver)).toEqual(given);
  solver.change({ clipNorm: null, augment: null });
  expect(solver.live).toMatchObject({ clipNorm: null, augment: null, lrDecay: 0.5 });
});

test('a checkpoint holds what was changed', async () => {
  const solver = solverOf();
  let saved: Uint8Array | undefined;
  await solver.train({
    onStep: ({ iteration }) => {
      if (iteration === 3)
        solver.change({ learningRate: 0.05, reg: 0.1, lrDecay: 0.5, optimConfig: { momentum: 0.3 } });
      if (iteration === 5) saved = solver.save();
    },
  });
  const fresh = solverOf();
  const data = { XTrain: lw.tensor(X, { shape: [40, 3, 4, 4], dtype: 'float64' }), yTrain: y };
  const resumed = lw.Solver.resume(saved as Uint8Array, fresh.model, { ...data, XVal: data.XTrain, yVal: y });
  expect(resumed.live).toMatchObject({ learningRate: 0.025, reg: 0.1, lrDecay: 0.5, optimConfig: { momentum: 0.3 } });
  await resumed.train();
  expect(resumed.lossHistory).toEqual(solver.lossHistory);
  resumed.dispose();
  data.XTrain.dispose();
});

test('what does not fit is refused before anything is changed', async () => {
  const solver = solverOf({ onFault: 'clip', clipNorm: 1 });
  const { live } = solver;
  const refused: [object, new (...args: never[]) => Error, string | RegExp][] = [
    [{ learningRate: -1 }, lw.ValueError, 'change: learningRate must be a finite number in [0, Infinity), got -1'],
    [{ reg: 1, lrdecay: 1 }, lw.OptionError, "change: unknown option 'lrdecay'; did you mean 'lrDecay'?"],
    [{ reg: 1, clipNorm: 0 }, lw.ValueError, /^change: clipNorm must be a finite number in \(0, Infinity\), got 0/],
    [{ reg: 1, clipNorm: null }, lw.OptionError, "change: onFault 'clip' needs clipNorm"],
    [{ reg: 1, augment: { crop: 4 } }, lw.ValueError, 'Solver: augment: crop must be an integer in [0, 3], got 4'],
    [
      { reg: 1, optimConfig: { momentum: 2 } },
      lw.ValueError,
      'change: optimConfig: momentum must be a finite number in [0, 1], got 2',
    ],
    [
      { reg: 1, optimConfig: { learningRate: 1 } },
      lw.OptionError,
      'change: optimConfig.learningRate cannot be changed; change({ learningRate }) changes it',
    ],
    [{ reg: 1, optimConfig: { velocity: 1 } }, lw.OptionError, /unknown option 'velocity'/],
  ];
  for (const [change, kind, message] of refused) expectRefused(() => solver.change(change), kind, message);
  expect(solver.live).toEqual(live);
  const decayed = solverOf({ weightDecay: 0.1, updateRule: 'adam' });
  expectRefused(() => decayed.change({ optimConfig: { weightDecay: 1 } }), lw.OptionError, /weightDecay/);
  const { X: x, y: labels } = examples(6, [4], 2);
  const own: lw.TrainableModel = {
    params: { W: lw.zeros([1], { dtype: 'float64' }) },
    loss: () => lw.zeros([6, 2]) as never,
  };
  const mine = new lw.Solver(own, { XTrain: x, yTrain: labels, XVal: x, yVal: labels });
  expectRefused(() => mine.change({ reg: 1 }), lw.OptionError, 'change: the model has no reg that is known');
  for (const one of [mine, x, labels, own.params.W]) one?.dispose();
});
