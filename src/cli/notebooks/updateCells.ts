/** Cells about update rules: single steps against printed numbers, and runs one over the other. */
import { adagrad, adam, FullyConnectedNet, rmsprop, type SolverOptions, scope, sgdMomentum } from '../../index.js';
import type { Point } from '../points.js';
import type { Book } from './book.js';
import { relErrorTo, spaced } from './checks.js';
import { arrays, type Expected, figures } from './figures.js';
import { comparison, type History, plot } from './plots.js';

const w = () => spaced(-0.4, 0.6, 4, 5);
const dw = () => spaced(-0.6, 0.4, 4, 5);

export async function momentumCell(book: Book): Promise<void> {
  await book.cell('SGD with momentum: one step', (cell) => {
    scope(() => {
      const velocity = spaced(0.6, 0.9, 4, 5);
      const [next] = sgdMomentum(w(), dw(), { learningRate: 1e-3, velocity });
      cell.figure('w', relErrorTo(next, arrays.momentumW), figures.momentumW);
      cell.figure('velocity', relErrorTo(velocity, arrays.momentumVelocity), figures.momentumVelocity);
    });
  });
}

export async function adaptiveCell(book: Book): Promise<void> {
  await book.cell('RMSProp and Adam: one step', (cell) => {
    scope(() => {
      const cache = spaced(0.6, 0.9, 4, 5);
      const [next] = rmsprop(w(), dw(), { learningRate: 1e-2, cache });
      cell.figure('RMSProp, w', relErrorTo(next, arrays.rmspropW), figures.rmspropW);
      cell.figure('RMSProp, cache', relErrorTo(cache, arrays.rmspropCache), figures.rmspropCache);
      const [m, v] = [spaced(0.6, 0.9, 4, 5), spaced(0.7, 0.5, 4, 5)];
      const [adapted] = adam(w(), dw(), { learningRate: 1e-2, m, v, t: 5 });
      cell.figure('Adam, w', relErrorTo(adapted, arrays.adamW), figures.adamW);
      cell.figure('Adam, v', relErrorTo(v, arrays.adamV), figures.adamV);
      cell.figure('Adam, m', relErrorTo(m, arrays.adamM), figures.adamM);
    });
  });
}

export type Data = Awaited<ReturnType<Book['data']['load']>>;

/** The first images only, with all of the validation set. */
export function firstOf(data: Data, count: number) {
  const n = Math.min(count, data.XTrain.shape[0]);
  return { XTrain: data.XTrain.rows(0, n), yTrain: data.yTrain.rows(0, n), XVal: data.XVal, yVal: data.yVal };
}

export type Run = readonly [name: string, options: SolverOptions, expected?: Expected];

/**
 * Trains five hidden layers on 4000 images with one rule after the other, and draws the runs over one another. Options of a
 * run may say how long.
 */
export async function compareCell(book: Book, title: string, picture: string, data: Data, runs: readonly Run[]) {
  await book.cell(title, async (cell) => {
    const some = firstOf(data, book.size(4000, 200));
    const histories: Record<string, History> = {};
    for (const [name, options, expected] of runs) {
      book.reseed();
      const model = new FullyConnectedNet([100, 100, 100, 100, 100], { weightScale: 5e-2 });
      const solver = await book.train(cell, name, model, some, {
        numEpochs: book.size(5, 2),
        batchSize: book.size(100, 50),
        printEvery: 10,
        ...options,
      });
      const { lossHistory, trainAccHistory, valAccHistory } = solver;
      histories[name] = { lossHistory, trainAccHistory, valAccHistory };
      if (expected) cell.figure(`best validation accuracy, ${name}`, solver.bestValAcc, expected);
      else cell.accuracy(`best validation accuracy, ${name}`, solver.bestValAcc);
      solver.dispose();
      model.dispose();
    }
    cell.picture(picture, 'All from the same weights, with the same batches.', comparison(histories));
  });
}

/** Steps of AdaGrad under a slope that stays the same shrink for ever; those of others do not. */
export async function adagradCell(book: Book): Promise<void> {
  await book.cell('Why the steps of AdaGrad shrink', (cell) => {
    const steps = 200;
    const sizes = (name: string): Point[] => {
      return scope(() => {
        const weight = spaced(1, 1, 1);
        const slope = spaced(0.5, 0.5, 1);
        const config = { learningRate: 1e-2, ...(name === 'Adam' ? { t: 0 } : {}) };
        return Array.from({ length: steps }, (_, i): Point => {
          const before = weight.data[0];
          if (name === 'AdaGrad') adagrad(weight, slope, config);
          else if (name === 'RMSProp') rmsprop(weight, slope, config);
          else adam(weight, slope, config);
          return [i + 1, Math.abs(weight.data[0] - before)];
        });
      });
    };
    const names = ['AdaGrad', 'RMSProp', 'Adam'];
    const series = names.map((name) => ({ name, points: sizes(name) }));
    for (const { name, points } of series)
      cell.value(`step ${steps} over step 1, ${name}`, points[steps - 1][1] / points[0][1]);
    const panel = { x: { label: 'step', min: 0 }, y: { label: 'size of the step', log: true }, series };
    cell.picture('adagrad', 'Steps of 200 updates with the same slope.', plot([panel]));
    cell.note(
      'The cache of AdaGrad is a sum of squares and only grows, so steps fall like one over the root of their number. ' +
        'RMSProp and Adam keep a moving average, which settles.',
    );
  });
}
