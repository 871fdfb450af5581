// Grids, draws, the finer stage, and the search: order, halving, failures, aborts, and a real Solver that is stopped and goes on.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { thrown } from './support.js';

const space = {
  learningRate: lw.logUniform(1e-5, 1e-1),
  reg: lw.uniform(0, 2),
  hidden: lw.integers(10, 12),
  rule: ['sgd', 'adam'],
};

describe('grid', () => {
  test('goes through the values as nested loops do', () => {
    expect(lw.grid({ a: [1, 2], b: ['x', 'y', 'z'] })).toEqual([
      ...[
        { a: 1, b: 'x' },
        { a: 1, b: 'y' },
        { a: 1, b: 'z' },
      ],
      ...[
        { a: 2, b: 'x' },
        { a: 2, b: 'y' },
        { a: 2, b: 'z' },
      ],
    ]);
  });

  test("has the notebooks' numbers of trials, and their order", () => {
    const sizes = Object.entries(lw.notebookGrids).map(([name, lists]) => [name, lw.grid(lists).length]);
    expect(Object.fromEntries(sizes)).toEqual({
      ...{ softmaxPixels: 16, softmaxFeatures: 4, twoLayer: 12, featuresNet: 9, monolithic: 396, fullyConnected: 6 },
    });
    const { softmaxPixels, monolithic } = lw.notebookGrids;
    for (const [i, rate] of monolithic.learningRate.entries()) {
      expect(Math.abs(rate / 10 ** -(3 + i / 10) - 1)).toBeLessThan(1e-14);
    }
    expect(lw.grid(softmaxPixels).slice(0, 5)).toEqual([
      { learningRate: 1e-3, reg: 2.5e4 },
      { learningRate: 1e-3, reg: 1e4 },
      { learningRate: 1e-3, reg: 1e3 },
      { learningRate: 1e-3, reg: 5e4 },
      { learningRate: 1e-6, reg: 2.5e4 },
    ]);
  });
});

describe('drawn settings', () => {
  test('lie in the space, and are decided by the stream', () => {
    const draws = lw.randomSearch(space, 200, new lw.RandomState(1));
    expect(draws.length).toBe(200);
    expect(lw.randomSearch(space, 200, new lw.RandomState(1))).toEqual(draws);
    expect(lw.randomSearch(space, 200, new lw.RandomState(2))).not.toEqual(draws);
    expect(lw.randomSearch(JSON.parse(JSON.stringify(space)), 200, new lw.RandomState(1))).toEqual(draws);
    const column = (name: string) => draws.map((settings) => settings[name] as number);
    for (const rate of column('learningRate')) {
      expect(rate).toBeGreaterThanOrEqual(1e-5);
      expect(rate).toBeLessThanOrEqual(1e-1);
      expect(Number(rate.toPrecision(6))).toBe(rate);
    }
    // As many below the middle of the logarithms as above.
    const low = column('learningRate').filter((rate) => rate < 1e-3).length;
    expect(low).toBeGreaterThan(70);
    expect(low).toBeLessThan(130);
    expect(Math.max(...column('reg'))).toBeGreaterThan(1.9);
    expect(new Set(column('hidden'))).toEqual(new Set([10, 11, 12]));
    expect(new Set(draws.map(({ rule }) => rule))).toEqual(new Set(['sgd', 'adam']));
  });

  test('come in the order of names, one draw each', () => {
    const rs = new lw.RandomState(7);
    const [first] = lw.randomSearch({ a: lw.uniform(0, 1), b: lw.integers(0, 9), c: ['x', 'y', 'z'] }, 1, rs);
    const again = new lw.RandomState(7);
    expect(first).toEqual({
      a: Number(again.rand().toPrecision(6)),
      b: again.randint(0, 10),
      c: ['x', 'y', 'z'][again.randint(0, 3)],
    });
    expect(rs.rand()).toBe(again.rand());
  });

  test('stay the same for the same seed, on every host and build', () => {
    // numpy: numpy.exp(RandomState(231).uniform(log(1e-4), log(1e-2), 4))
    const drawn = lw.randomSearch({ learningRate: lw.logUniform(1e-4, 1e-2) }, 4, new lw.RandomState(231));
    expect(drawn.map(({ learningRate }) => learningRate)).toEqual([0.00365585, 0.00147373, 0.000713543, 0.000427257]);
  });

  test('get finer around the best, within the first space', () => {
    const narrow = lw.coarseToFine(space, { learningRate: 1e-3, reg: 1.9, hidden: 11, rule: 'adam' }, { factor: 4 });
    expect(narrow).toEqual({
      learningRate: { logUniform: [0.000316228, 0.00316228] },
      reg: { uniform: [1.5, 2] },
      hidden: { integers: [10, 12] },
      rule: { choice: ['adam'] },
    });
    // At the border it is as wide as anywhere.
    const border = lw.coarseToFine({ rate: lw.logUniform(1e-4, 1) }, { rate: 1e-4 }, { factor: 2 });
    expect(border).toEqual({ rate: { logUniform: [1e-4, 1e-2] } });
    const fine = lw.randomSearch(narrow, 50, new lw.RandomState(0));
    expect(fine.every(({ learningRate }) => (learningRate as number) >= 0.000316228)).toBe(true);
  });
});

test('refusals name what is wrong, before anything is drawn', () => {
  const rs = new lw.RandomState(0);
  const before = rs.getState();
  const cases: [() => unknown, new (...args: never[]) => Error, string][] = [
    [
      () => lw.logUniform(0, 1),
      lw.ValueError,
      'logUniform: low of logUniform must be a finite number in (0, Infinity), got 0',
    ],
    [() => lw.uniform(2, 1), lw.ValueError, 'uniform: high of uniform must be a finite number in [2, Infinity), got 1'],
    [
      () => lw.integers(1, 2.5),
      lw.ValueError,
      'integers: high of integers must be an integer in [1, Infinity), got 2.5',
    ],
    [() => lw.choice([]), lw.OptionError, 'choice: values must be a list of at least one value, got []'],
    [
      () => lw.randomSearch({ reg: { logUnifrom: [1, 2] } as never }, 1, rs),
      lw.OptionError,
      "randomSearch: reg must be a list of values, or one of { logUniform: [low, high] }, { uniform }, { integers }, { choice }, got { logUnifrom }; did you mean 'logUniform'?",
    ],
    [
      () => lw.randomSearch({}, 1, rs),
      lw.OptionError,
      'randomSearch: space must be an object with a name or more, got Object',
    ],
    [
      () => lw.randomSearch(space, -1, rs),
      lw.ValueError,
      'randomSearch: n must be an integer in [0, Infinity), got -1',
    ],
    [() => lw.grid({ reg: 1 } as never), lw.OptionError, 'grid: reg must be a list of values'],
    [
      () => lw.grid(Object.fromEntries(Array.from('abcdefghijkl', (name) => [name, Array(10).fill(0)]))),
      lw.ValueError,
      'grid: lists must be at most 100000 combinations, got 1000000000000',
    ],
    [() => lw.coarseToFine({ reg: [1] }, {}), lw.OptionError, 'coarseToFine: best must be an object with reg'],
    [
      () => lw.coarseToFine({ reg: lw.uniform(0, 1) }, { reg: 2 }),
      lw.ValueError,
      'coarseToFine: best reg must be a finite number in [0, 1], got 2',
    ],
    [() => lw.coarseToFine({ reg: [1] }, { reg: 1 }, { factor: 1 }), lw.ValueError, 'coarseToFine: factor must be'],
  ];
  for (const [act, kind, message] of cases) {
    const error = thrown(act);
    expect(error, message).toBeInstanceOf(kind);
    expect(error.message).toContain(message);
  }
  expect(rs.getState()).toEqual(before);
});

test('search refuses what it cannot run', async () => {
  const run = () => ({ valAcc: 0 });
  const cases: [object, string][] = [
    [{ run }, 'search: trials, or space with numTrials: one of them'],
    [{ trials: [{}], space: { a: [1] }, run }, 'search: trials, or space with numTrials: one of them'],
    [{ trials: [], run }, 'search: trials must be a list of settings, got []'],
    [{ trials: [{}], numTrials: 1, run }, 'search: numTrials goes with space, not with trials'],
    [{ trials: [{}] }, 'search: run must be a function, got undefined'],
    [{ trials: [{}], run, onTrail: run }, "search: unknown option 'onTrail'; did you mean 'onTrial'?"],
    [{ trials: [{}], run, halving: {} }, 'search: maxEpochs must be an integer in [1, Infinity), got undefined'],
    [
      { trials: [{}], run, halving: { eta: 1, maxEpochs: 3 } },
      'search: eta must be a finite number in [1.5, Infinity), got 1',
    ],
    [
      { trials: [{}], run: () => ({ valAcc: 2 }) },
      'search: the valAcc of run must be a finite number in [0, 1], got 2',
    ],
    [{ trials: [{}], run: () => 3 }, 'search: the result of run must be an object with valAcc, got 3'],
  ];
  for (const [options, message] of cases) {
    const error = await lw.search(options as never).then(
      () => undefined,
      (reason: Error) => reason,
    );
    // A ValueError of a trial is its own affair.
    if (error === undefined) {
      const [trial] = await lw.search(options as never);
      expect(trial).toMatchObject({ status: 'failed', valAcc: null, error: message });
    } else {
      expect(error.message).toBe(message);
    }
  }
});

describe('search', () => {
  const trials = [{ q: 0.2 }, { q: 0.9 }, { q: 0.5 }, { q: 0.9 }];

  test('runs trials one after another and gives them back by accuracy, equal ones in their order', async () => {
    const log: string[] = [];
    const results = await lw.search({
      trials,
      async run({ q }, { trial }) {
        log.push(`start ${trial}`);
        await null;
        log.push(`end ${trial}`);
        return { valAcc: q, note: `q ${q}` };
      },
      onTrial: ({ trial }) => log.push(`told ${trial}`),
    });
    expect(log).toEqual([0, 1, 2, 3].flatMap((i) => [`start ${i}`, `end ${i}`, `told ${i}`]));
    expect(results.map(({ trial }) => trial)).toEqual([1, 3, 2, 0]);
    expect(results[0]).toEqual({
      ...{ trial: 1, settings: { q: 0.9 }, status: 'finished', valAcc: 0.9, history: [] },
      result: { valAcc: 0.9, note: 'q 0.9' },
    });
    expect(JSON.parse(JSON.stringify(results))).toEqual(results);
  });

  test('draws its trials from a space', async () => {
    const run = ({ q }: lw.TrialSettings) => ({ valAcc: q as number });
    const drawn = await lw.search({ space: { q: lw.uniform(0, 1) }, numTrials: 5, random: new lw.RandomState(3), run });
    const expected = lw.randomSearch({ q: lw.uniform(0, 1) }, 5, new lw.RandomState(3));
    expect(drawn.map(({ settings }) => settings)).toEqual(expected.sort((a, b) => (b.q as number) - (a.q as number)));
  });

  test('keeps a trial that fails with a ValueError, and ends with any other error', async () => {
    const failing = (error: Error) =>
      lw.search({
        trials,
        run({ q }) {
          if (q === 0.5) throw error;
          return { valAcc: q };
        },
      });
    const results = await failing(new lw.ValueError({ where: 'Solver', rule: 'the loss is NaN' }));
    expect(results.at(-1)).toMatchObject({
      trial: 2,
      status: 'failed',
      valAcc: null,
      error: 'Solver: the loss is NaN',
    });
    expect(results.length).toBe(4);
    await expect(failing(new TypeError('a slip'))).rejects.toThrow('a slip');
  });

  test('ends when it is aborted, and when a target is reached', async () => {
    const controller = new AbortController();
    let begun = 0;
    const aborted = lw.search({
      trials,
      signal: controller.signal,
      async run(_, { signal }) {
        if (++begun === 2) controller.abort(new Error('enough'));
        signal.throwIfAborted();
        return { valAcc: 0.1 };
      },
    });
    await expect(aborted).rejects.toThrow('enough');
    expect(begun).toBe(2);
    const reached = await lw.search({ trials, target: 0.9, run: ({ q }) => ({ valAcc: q }) });
    expect(reached.map(({ trial }) => trial)).toEqual([1, 0]);
  });

  test('a trial that waits at a rung ends with the search', async () => {
    const ended: number[] = [];
    const searching = lw.search({
      trials,
      halving: { maxEpochs: 9 },
      async run({ q }, { trial, report, signal }) {
        try {
          if (trial === 2) throw new TypeError('a slip');
          await report({ valAcc: q });
          signal.throwIfAborted();
          return { valAcc: q };
        } finally {
          ended.push(trial);
        }
      },
    });
    await expect(searching).rejects.toThrow('a slip');
    expect(ended.sort()).toEqual([0, 1, 2]);
  });
});

describe('successive halving', () => {
  test('has the rungs and the numbers of trials of the paper', () => {
    expect(lw.halvingRungs({ maxEpochs: 81 })).toEqual([1, 3, 9, 27, 81]);
    expect(lw.halvingRungs({ eta: 2, minEpochs: 3, maxEpochs: 20 })).toEqual([3, 6, 12, 20]);
    expect(lw.halvingRungs({ minEpochs: 4, maxEpochs: 4 })).toEqual([4]);
    const halving = { eta: 3, maxEpochs: 81 };
    expect([0, 1, 2, 3].map((rung) => lw.halvingSurvivors(81, rung, halving))).toEqual([27, 9, 3, 1]);
    expect(lw.halvingSurvivors(5, 3, halving)).toBe(1);
  });

  /** Epoch e of a trial of quality q; counts epochs. */
  const simulated = (log: string[]) => ({
    trials: [0.1, 0.5, 0.3, 0.9, 0.2, 0.6, 0.4, 0.8, 0.7].map((q) => ({ q })),
    halving: { eta: 3, minEpochs: 1, maxEpochs: 9 },
    async run({ q }: { q: number }, { trial, signal, report }: lw.TrialContext) {
      for (let epoch = 1; epoch <= 9; epoch++) {
        signal.throwIfAborted();
        log.push(`${trial}:${epoch}`);
        await report({ epoch, valAcc: q * (1 - 1 / (epoch + 1)) });
      }
      return { valAcc: q * 0.9 };
    },
  });

  test('stops the worst at each rung, and the rest go on from where they were', async () => {
    const log: string[] = [];
    const results = await lw.search(simulated(log));
    const first = Array.from({ length: 9 }, (_, trial) => `${trial}:1`);
    expect(log).toEqual([
      ...[...first, '3:2', '3:3', '7:2', '7:3', '8:2', '8:3'],
      ...[4, 5, 6, 7, 8, 9].map((epoch) => `3:${epoch}`),
    ]);
    expect(results.map(({ trial, status, history }) => [trial, status, history.length])).toEqual([
      ...[
        [3, 'finished', 9],
        [7, 'stopped', 3],
        [8, 'stopped', 3],
        [5, 'stopped', 1],
        [1, 'stopped', 1],
      ],
      ...[
        [6, 'stopped', 1],
        [2, 'stopped', 1],
        [4, 'stopped', 1],
        [0, 'stopped', 1],
      ],
    ]);
  });

  test('gives the same results however many compute at a time, none more than allowed', async () => {
    const alone = await lw.search(simulated([]));
    for (const concurrency of [2, 4, 20]) {
      let active = 0;
      let most = 0;
      const options = simulated([]);
      const results = await lw.search({
        ...options,
        concurrency,
        async run(settings, context) {
          most = Math.max(most, ++active);
          const report = async (given: lw.TrialReport) => {
            // Later trials are faster.
            await new Promise((resolve) => setTimeout(resolve, 9 - context.trial));
            active--;
            await context.report(given);
            most = Math.max(most, ++active);
          };
          try {
            return await options.run(settings, { ...context, report });
          } finally {
            active--;
          }
        },
      });
      expect(results).toEqual(alone);
      expect(most).toBeLessThanOrEqual(concurrency);
    }
  });

  test('with a Solver, the survivor ends with the bits of a run that was never stopped', async () => {
    const { X, y } = lw.syntheticImages({ num: 240, seed: 0 });
    const images = lw.sub(X, X.mean(0));
    const data = { XTrain: images.rows(0, 200), yTrain: y.rows(0, 200), XVal: images.rows(200), yVal: y.rows(200) };
    const before = lw.info().memory.live;
    const make = (learningRate: number) => {
      const random = new lw.RandomState(5);
      const model = new lw.FullyConnectedNet([20], { random });
      const options = { updateRule: 'adam', optimConfig: { learningRate }, batchSize: 20, numEpochs: 4 } as const;
      return { model, solver: new lw.Solver(model, data, { ...options, verbose: false, random }) };
    };
    const results = await lw.search({
      trials: lw.grid({ learningRate: [1e-6, 1e-3, 1e6, 1e-5] }),
      halving: { eta: 2, maxEpochs: 4 },
      async run({ learningRate }, { signal, report }) {
        const { model, solver } = make(learningRate as number);
        try {
          await solver.train({ signal, onEpoch: report });
          return { valAcc: solver.bestValAcc, losses: [...solver.lossHistory] };
        } finally {
          solver.dispose();
          model.dispose();
        }
      },
    });
    const [best] = results;
    expect(best.status).toBe('finished');
    expect(results.filter(({ status }) => status === 'stopped').length).toBeGreaterThan(1);
    expect(lw.info().memory.live).toBe(before);
    const { model, solver } = make(best.settings.learningRate as number);
    await solver.train();
    expect(best.result?.losses).toEqual(solver.lossHistory);
    expect(best.history.map(({ valAcc }) => valAcc)).toEqual(solver.valAccHistory);
    solver.dispose();
    model.dispose();
  });
});
