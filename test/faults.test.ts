// NaN and infinity in training: found before they are in the parameters, named, and dealt with as onFault says.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectRefused } from './support.js';

const quiet = { verbose: false } as const;

function examples() {
  const rs = new lw.RandomState(1);
  const XTrain = rs.randn(40, 4, { dtype: 'float32' });
  const yTrain = rs.randint(0, 3, [40]);
  return { XTrain, yTrain, XVal: rs.randn(10, 4, { dtype: 'float32' }), yVal: rs.randint(0, 3, [10]) };
}

const net = (options: lw.FullyConnectedNetOptions = {}) =>
  new lw.FullyConnectedNet([6, 5], {
    inputDim: 4,
    numClasses: 3,
    weightScale: 0.3,
    normalization: 'batchnorm',
    random: new lw.RandomState(2),
    ...options,
  });

const frozen = (model: lw.Network) =>
  Object.fromEntries(Object.entries(model.state()).map(([name, t]) => [name, bits(t)]));
const finite = (tensors: Record<string, lw.Tensor>) =>
  Object.values(tensors).every((t) => t.data.every((value) => Number.isFinite(value)));

/** A model of one's own whose loss and gradients are what `spoil` makes of them at each step. */
function own(spoil: (step: number, gradients: Record<string, lw.Tensor>) => number) {
  const params = { W: lw.ones([9000]), b: lw.zeros([3]) };
  let step = 0;
  const loss = (X: lw.Tensor, y?: lw.Tensor) => {
    if (!y) return lw.zeros([X.shape[0], 3]);
    const gradients = { W: lw.full([9000], 0.5), b: lw.full([3], 0.25) };
    return [spoil(++step, gradients), gradients];
  };
  return { params, loss } as unknown as lw.TrainableModel;
}

async function caught(solver: lw.Solver): Promise<lw.FaultError> {
  const error = await solver.train().catch((reason) => reason);
  expect(error).toBeInstanceOf(lw.FaultError);
  return error;
}

describe('stop', () => {
  test('names the example', async () => {
    const data = examples();
    data.XTrain.data[4 * 17 + 2] = Number.NEGATIVE_INFINITY;
    const model = net();
    const solver = new lw.Solver(model, data, { sampling: 'epoch', batchSize: 4, ...quiet });
    let before = frozen(model);
    const watched = solver.train({
      onStep: () => {
        before = frozen(model);
      },
    });
    const error = await watched.catch((reason) => reason);
    expect(error).toBeInstanceOf(lw.FaultError);
    expect(error.message).toMatch(
      /^Solver: example 17 of the training data must be finite, got -Infinity at iteration (\d+) \/ 100; the model keeps the parameters it had before this step; look at the data$/,
    );
    expect(error).toMatchObject({ what: 'examples', step: solver.lossHistory.length + 1, layer: undefined });
    // Running averages too: the forward pass had spoilt them.
    expect(frozen(model)).toEqual(before);
    expect(finite(model.state())).toBe(true);
  });

  test('names the layer whose output overflows', async () => {
    const model = net({ normalization: null, weightScale: 1e20 });
    const error = await caught(new lw.Solver(model, examples(), quiet));
    expect(error.message).toMatch(
      /^Solver: the loss, from the output of layer [23], affine\w* on, must be finite, got /,
    );
    expect(error).toMatchObject({ what: 'loss', step: 1, parameter: undefined });
    expect(error.layer).toMatch(/^layer [23], affine/);
  });

  test('names gradient and parameter, also where the loss is finite', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const place of [0, 1, 4095, 4096, 8998, 8999]) {
        const model = own((step, gradients) => {
          if (step === 3) gradients.W.data[place] = value;
          return 1;
        });
        const before = bits(model.params.W);
        const error = await caught(new lw.Solver(model, examples(), { batchSize: 10, ...quiet }));
        expect(error).toMatchObject({ what: 'gradient', parameter: 'W', step: 3, layer: undefined });
        expect(error.message).toMatch(
          `the gradient of W must be finite, got ${value} at iteration 3 / 40; the model keeps`,
        );
        expect(model.params.W.data.every((w) => Math.abs(w - (1 - 2 * 0.01 * 0.5)) < 1e-6)).toBe(true);
        expect(before.length).toBe(36_000);
      }
    }
    // Largest numbers are none of these.
    const model = own((_, gradients) => {
      gradients.W.data[5] = 3.4e38;
      return 1;
    });
    await new lw.Solver(model, examples(), {
      batchSize: 10,
      numEpochs: 1,
      optimConfig: { learningRate: 1e-30 },
      ...quiet,
    }).train();
  });

  test('names the layer of a parameter that was ruined from outside', async () => {
    const model = net();
    const solver = new lw.Solver(model, examples(), { batchSize: 10, ...quiet });
    const ruin = (event: lw.StepEvent) => {
      if (event.iteration === 6) model.params.gamma2.data[1] = Number.NaN;
    };
    const error = await solver.train({ onStep: ruin }).catch((reason) => reason);
    expect(error.message).toMatch(
      /^Solver: gamma2 \(layer \d, \w+\) must be finite, got NaN at iteration 7 \/ 40; the model was given the parameters of its best/,
    );
    expect(error).toMatchObject({ what: 'parameter', parameter: 'gamma2', step: 7 });
    expect(finite(model.state())).toBe(true);
  });

  test('neither best parameters nor checkpoints are ever of a ruined state', async () => {
    const model = net();
    const solver = new lw.Solver(model, examples(), { updateRule: 'adam', batchSize: 10, numEpochs: 3, ...quiet });
    // What the update makes of the weights is not looked at in each step; before a check it is.
    const ruin = (event: lw.StepEvent) => {
      if (event.iteration === 3) (solver.optimConfigs.W2.v as lw.Tensor).data[0] = Number.NaN;
    };
    const error = await solver.train({ onStep: ruin }).catch((reason) => reason);
    expect(error).toMatchObject({ what: 'parameter', parameter: 'W2', step: 4 });
    expect(error.message).toMatch(
      /^Solver: W2 \(layer \d, \w+\) must be finite, got NaN at iteration 4 \/ 12; the model was given/,
    );
    expect(solver.trainAccHistory.length).toBe(1);
    expect(finite(solver.bestParams)).toBe(true);
  });
});

describe('skip', () => {
  test('is as if the step had not been, and says so', async () => {
    const lines: string[] = [];
    const model = own((step, gradients) => {
      if (step === 2) gradients.b.data[0] = Number.NaN;
      return step === 4 ? Number.POSITIVE_INFINITY : 1;
    });
    const options = { onFault: 'skip', batchSize: 10, numEpochs: 2, log: (line: string) => lines.push(line) } as const;
    const solver = new lw.Solver(model, examples(), options);
    const faults: (lw.Fault | undefined)[] = [];
    let reached = 0;
    await solver.train({
      onStep({ fault }) {
        faults.push(fault);
        reached = model.params.W.data[7];
      },
    });
    expect(solver.lossHistory).toEqual([1, 1, 1, Infinity, 1, 1, 1, 1]);
    const none = undefined;
    expect(faults.map((fault) => fault?.action)).toEqual([none, 'skip', none, 'skip', none, none, none, none]);
    expect(faults[1]).toMatchObject({ step: 2, what: 'gradient', parameter: 'b', text: 'the gradient of b' });
    expect(faults[3]).toMatchObject({ step: 4, what: 'loss', value: Infinity });
    expect(reached).toBeCloseTo(1 - 6 * 0.01 * 0.5, 6);
    expect(lines.filter((line) => line.endsWith('skipped'))).toEqual([
      '(Iteration 2 / 8) the gradient of b is NaN: skipped',
      '(Iteration 4 / 8) the loss is Infinity: skipped',
    ]);
  });

  test('running averages, momentum and parameters stay as they were', async () => {
    const data = examples();
    data.XTrain.data[4 * 17] = Number.NaN;
    const model = net({ dropout: 0.8 });
    const options = {
      onFault: 'skip',
      updateRule: 'adam',
      sampling: 'epoch',
      batchSize: 4,
      numEpochs: 3,
      ...quiet,
    } as const;
    const solver = new lw.Solver(model, data, { ...options, random: new lw.RandomState(3) });
    let before = frozen(model);
    let skipped = 0;
    await solver.train({
      onStep: ({ fault }) => {
        if (fault) {
          skipped++;
          expect(fault).toMatchObject({ what: 'examples', text: 'example 17 of the training data', action: 'skip' });
          expect(frozen(model)).toEqual(before);
        } else expect(frozen(model)).not.toEqual(before);
        before = frozen(model);
      },
    });
    expect(skipped).toBe(3);
    expect(finite(model.state())).toBe(true);
    expect(solver.bestValAcc).toBeGreaterThan(0);
  });

  test('not without end: one fault more than the limit stops', async () => {
    const model = own(() => Number.NaN);
    const options = { onFault: 'skip', faultLimit: 3, batchSize: 4, ...quiet } as const;
    const error = await caught(new lw.Solver(model, examples(), options));
    expect(error.step).toBe(4);
    expect(error.message).toMatch(/got NaN at iteration 4 \/ 100; fault 4 of this epoch; the model keeps/);
    // Each epoch begins anew.
    const other = own((step) => (step % 10 < 3 ? Number.NaN : 1));
    await new lw.Solver(other, examples(), { ...options, numEpochs: 3 }).train();
  });
});

describe('clip', () => {
  test('what is not finite counts as 0, the rest is scaled to clipNorm', async () => {
    const given: Record<string, lw.Tensor>[] = [];
    const model = own((step, gradients) => {
      given.push(gradients);
      if (step === 1) {
        gradients.W.data.fill(0);
        gradients.W.data.set([Number.NaN, 30, Number.NEGATIVE_INFINITY, -40]);
        gradients.b.data.fill(0);
      }
      return 1;
    });
    const options = {
      onFault: 'clip',
      clipNorm: 5,
      batchSize: 40,
      numEpochs: 1,
      optimConfig: { learningRate: 1 },
      ...quiet,
    } as const;
    const events: lw.StepEvent[] = [];
    await new lw.Solver(model, examples(), options).train({ onStep: (event) => events.push(event) });
    expect(Array.from(model.params.W.data.subarray(0, 5))).toEqual([1, 1 - 3, 1, 1 + 4, 1]);
    expect(events[0].gradientNorm).toBe(50);
    expect(events[0].fault).toMatchObject({ what: 'gradient', parameter: 'W', action: 'clip' });
    const data = examples();
    expectRefused(
      () => new lw.Solver(model, data, { onFault: 'clip' }),
      lw.OptionError,
      "Solver: onFault 'clip' needs clipNorm; it says to what gradients are scaled",
    );
  });

  test('of a network, in place', async () => {
    const data = examples();
    data.XTrain.data[4 * 17] = Number.NaN;
    const model = net();
    const options = { onFault: 'clip', clipNorm: 1, batchSize: 4, sampling: 'epoch', numEpochs: 2, ...quiet } as const;
    const solver = new lw.Solver(model, data, { ...options, updateRule: 'adam' });
    let clipped = 0;
    await solver.train({ onStep: ({ fault }) => void (fault && clipped++) });
    expect(clipped).toBe(2);
    expect(finite(model.state())).toBe(true);
  });
});

describe('rollback', () => {
  test('the best parameters, half the rate, and the update rule from its beginning', async () => {
    const data = examples();
    const model = net();
    const options = { onFault: 'rollback', updateRule: 'adam', batchSize: 10, numEpochs: 3, ...quiet } as const;
    const solver = new lw.Solver(model, data, {
      ...options,
      optimConfig: { learningRate: 0.01 },
      random: new lw.RandomState(4),
    });
    let rolled = 0;
    await solver.train({
      onStep: ({ iteration, fault, learningRate }) => {
        if (iteration === 6) model.params.W1.data[0] = Number.NaN;
        expect(learningRate).toBe(iteration < 7 ? 0.01 : 0.005);
        if (!fault) return;
        rolled++;
        expect(fault).toMatchObject({ step: 7, what: 'parameter', parameter: 'W1', action: 'rollback' });
        for (const [name, t] of Object.entries(solver.bestParams)) expect(bits(model.params[name])).toEqual(bits(t));
        expect(solver.optimConfigs.W1.m).toBeUndefined();
      },
    });
    expect(rolled).toBe(1);
    expect(solver.optimConfigs.W1.t).toBe(5);
    expect(finite(model.state())).toBe(true);
  });

  test('where there is nothing to go back to, it stops', async () => {
    const error = await caught(
      new lw.Solver(
        own(() => Number.NaN),
        examples(),
        { onFault: 'rollback', ...quiet },
      ),
    );
    expect(error.step).toBe(1);
  });
});

test('stopped after faults and resumed: the bits of a run that went on', async () => {
  for (const onFault of ['skip', 'clip', 'rollback'] as const) {
    const run = async (stop?: number) => {
      const data = examples();
      data.XTrain.data[4 * 17] = Number.NaN;
      const random = new lw.RandomState(5);
      const options = {
        onFault,
        updateRule: 'adam',
        clipNorm: 1,
        batchSize: 4,
        sampling: 'epoch',
        numEpochs: 3,
        ...quiet,
      } as const;
      let model = net({ random });
      let solver = new lw.Solver(model, data, { ...options, random });
      if (stop !== undefined) {
        for await (const { iteration } of solver.steps()) if (iteration === stop) break;
        const bytes = solver.save();
        model = net();
        solver = lw.Solver.resume(bytes, model, data, quiet);
      }
      await solver.train();
      return { losses: solver.lossHistory, state: frozen(model), rate: solver.learningRate };
    };
    const wanted = await run();
    expect(wanted.losses.some(Number.isNaN)).toBe(true);
    for (const stop of [3, 11, 14, 25]) expect(await run(stop), `${onFault}, ${stop}`).toEqual(wanted);
  }
});

test('a model’s file: to the bit, or not at all', () => {
  lw.scope(() => {
    const model = net();
    const bytes = model.save();
    const other = net({ random: new lw.RandomState(9) });
    expect(frozen(other)).not.toEqual(frozen(model));
    other.load(bytes);
    expect(frozen(other)).toEqual(frozen(model));
    // Anybody's file with the right names will do.
    const third = net({ random: new lw.RandomState(9) });
    third.load(lw.writeSafetensors(model.state()));
    expect(frozen(third)).toEqual(frozen(model));
    const untouched = net({ random: new lw.RandomState(9) });
    const before = frozen(untouched);
    const { W1, ...rest } = model.state();
    const wrong: [Uint8Array, new (...args: never[]) => Error, RegExp][] = [
      [bytes.subarray(0, 300), lw.DataError, /^load: my file: expected/],
      [lw.writeSafetensors(rest), lw.OptionError, /^load: W1 is missing/],
      [lw.writeSafetensors({ ...model.state(), W9: W1 }), lw.OptionError, /^load: unknown parameter 'W9'/],
      [lw.writeSafetensors({ ...rest, W1: W1.astype('float64') }), lw.DTypeError, /^load: W1 must be float32/],
      [lw.writeSafetensors({ ...rest, W1: W1.reshape(6, 4) }), lw.ShapeError, /^load: W1 must be \(4, 6\)/],
      [new lw.Solver(model, examples(), quiet).save(), lw.DataError, /expected kind 'model' at byte 8, got 'solver'/],
    ];
    for (const [file, kind, message] of wrong) {
      expectRefused(() => untouched.load(file, { file: 'my file' }), kind, message);
      expect(frozen(untouched)).toEqual(before);
    }
  });
});
