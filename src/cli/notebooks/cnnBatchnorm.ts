/** Norms: statistics, gradients, the mistake of a missing transposition, and training with and without. */
import {
  add,
  batchnormBackward,
  batchnormForward,
  evalNumericalGradientArray,
  FullyConnectedNet,
  mul,
  ones,
  random,
  relError,
  scope,
  spatialBatchnormBackward,
  spatialBatchnormForward,
  spatialGroupnormBackward,
  spatialGroupnormForward,
  type Tensor,
  tensor,
  zeros,
} from '../../index.js';
import type { Point } from '../points.js';
import type { Book, Cell, Notebook } from './book.js';
import { checkLayer, checkModel, float64, labels, randn } from './checks.js';
import { figures } from './figures.js';
import { batch, count, epochs, positive, sized, width } from './params.js';
import { comparison, type History, type Panel, plot, type Series } from './plots.js';
import { type Data, firstOf } from './updateCells.js';

const params = {
  learningRate: positive(1e-3, 'Learning rate of Adam'),
  batchSize: batch(50, 'Batch size'),
  weightScale: positive(2e-2, 'Comparison: scale of the first weights', 10),
  layers: count(5, 'Comparison: hidden layers', 20),
  hiddenSize: width(100, 'Comparison: units of each layer'),
  epochs: epochs(sized(10, 2), 'Comparison: epochs'),
};

/** Mean and deviation of each channel of (N, C, H, W). */
function statistics(x: Tensor): { means: number[]; stds: number[] } {
  return scope(() => {
    const channels = x.transpose(1, 0, 2, 3).reshape(x.shape[1], -1);
    return { means: [...channels.mean(1).data], stds: [...channels.std(1).data] };
  });
}

const apart = (values: readonly number[], wanted: readonly number[]) =>
  Math.max(...values.map((value, i) => Math.abs(value - wanted[i])));

function showStatistics(cell: Cell, rows: readonly (readonly [string, Tensor])[]): void {
  const line = (values: readonly number[]) => values.map((v) => v.toFixed(4)).join('  ');
  cell.table(
    ['', 'means of the channels', 'deviations'],
    rows.map(([name, x]) => {
      const { means, stds } = statistics(x);
      return [name, line(means), line(stds)];
    }),
  );
}

async function forwardCells(book: Book): Promise<void> {
  await book.cell('Spatial batch norm: statistics', (cell) => {
    scope(() => {
      random.seed(231);
      const x = add(mul(randn(2, 3, 4, 5), 4), 10);
      const [plain] = spatialBatchnormForward(x, ones([3], float64), zeros([3], float64), { mode: 'train' });
      const [gamma, beta] = [tensor([3, 4, 5], float64), tensor([6, 7, 8], float64)];
      const [scaled] = spatialBatchnormForward(x, gamma, beta, { mode: 'train' });
      const [first, second] = [statistics(plain), statistics(scaled)];
      cell.figure('largest mean', apart(first.means, [0, 0, 0]), figures.batchnormMean);
      cell.figure('deviations from 1', apart(first.stds, [1, 1, 1]), figures.batchnormStd);
      cell.figure('means from beta', apart(second.means, [6, 7, 8]), figures.batchnormScaledMean);
      cell.figure('deviations from gamma', apart(second.stds, [3, 4, 5]), figures.batchnormScaledStd);
      showStatistics(cell, [
        ['before', x],
        ['after', plain],
        ['with gamma 3 4 5, beta 6 7 8', scaled],
      ]);
    });
  });
  await book.cell('Spatial batch norm: testing', (cell) => {
    scope(() => {
      random.seed(231);
      const [gamma, beta] = [ones([3], float64), zeros([3], float64)];
      const param = { mode: 'train' as 'train' | 'test' };
      for (let i = 0; i < 50; i++) {
        scope(() => {
          spatialBatchnormForward(add(mul(randn(10, 3, 11, 12), 13), 2.3), gamma, beta, param);
        });
      }
      param.mode = 'test';
      const [out] = spatialBatchnormForward(add(mul(randn(10, 3, 11, 12), 13), 2.3), gamma, beta, param);
      showStatistics(cell, [['with running averages of 50 batches', out]]);
      cell.note(
        'In testing the averages of training take the place of the batch’s own: near 0 and 1, with some noise.',
      );
    });
  });
}

async function gradientCells(book: Book): Promise<void> {
  await book.cell('Spatial batch norm: backward', (cell) => {
    scope(() => {
      random.seed(231);
      const [x, gamma, beta] = [add(mul(randn(2, 3, 4, 5), 5), 12), randn(3), randn(3)];
      const dout = randn(2, 3, 4, 5);
      const forward = () => spatialBatchnormForward(x, gamma, beta, { mode: 'train' });
      const named = [
        ['dx error', figures.batchnormDx],
        ['dgamma error', figures.batchnormDgamma],
        ['dbeta error', figures.batchnormDbeta],
      ] as const;
      const gradients = spatialBatchnormBackward(dout, forward()[1]);
      checkLayer(cell, () => forward()[0], dout, [x, gamma, beta], gradients, named);
    });
  });
  await book.cell('Group norm', (cell) => {
    scope(() => {
      random.seed(231);
      const [x, gamma, beta] = [add(mul(randn(2, 6, 4, 5), 4), 10), randn(6), randn(6)];
      const dout = randn(2, 6, 4, 5);
      for (const G of [1, 2, 6]) {
        const forward = () => spatialGroupnormForward(x, gamma, beta, G);
        const gradients = spatialGroupnormBackward(dout, forward()[1]);
        const named = ['dx', 'dgamma', 'dbeta'].map(
          (name) => [`${name} error, ${G} groups`, figures.groupnorm] as const,
        );
        checkLayer(cell, () => forward()[0], dout, [x, gamma, beta], gradients, named);
      }
    });
  });
  await book.cell('A mistake that the gradient check cannot see', (cell) => {
    scope(() => {
      random.seed(231);
      const x = add(mul(randn(2, 3, 4, 5), 4), 10);
      const [gamma, beta] = [ones([3], float64), zeros([3], float64)];
      // (N, C, H, W) read as (N·H·W, C) without moving the channels to the end.
      const forward = () => batchnormForward(x.reshape(40, 3), gamma, beta, { mode: 'train' });
      const [out, cache] = forward();
      const { means } = statistics(out.reshape(...x.shape));
      cell.figure(
        'sum of the means of the channels',
        Math.abs(means.reduce((a, b) => a + b, 0)),
        figures.unreshapedSum,
      );
      cell.figure('largest of them', Math.max(...means.map(Math.abs)), figures.unreshapedLargest);
      const dout = randn(40, 3);
      const numeric = evalNumericalGradientArray(() => forward()[0], x, dout);
      const [dx] = batchnormBackward(dout, cache);
      cell.figure('dx error', relError(numeric, dx.reshape(...x.shape)), figures.unreshapedGradient);
      cell.note(
        'The backward pass is right for what the forward pass computes, which is not what was meant: ' +
          'the means of the channels add up to 0, but none of them is 0.',
      );
    });
  });
  await book.cell('Gradients of nets with norms', (cell) => {
    scope(() => {
      random.seed(231);
      const [X, y] = [randn(4, 15), labels(10, 4)];
      for (const normalization of ['batchnorm', 'layernorm'] as const) {
        const options = { inputDim: 15, numClasses: 10, weightScale: 5e-2, reg: 0.5, normalization, ...float64 };
        const model = new FullyConnectedNet([20, 30], options);
        const names = ['W1', 'W2', 'W3', 'gamma1', 'beta1', 'gamma2', 'beta2', 'b3'];
        checkModel(cell, normalization, model, () => model.loss(X, y), names, figures.normNet);
        model.dispose();
      }
    });
  });
}

async function trainingCells(book: Book<typeof params>, data: Data): Promise<void> {
  const { learningRate, batchSize, weightScale, layers, hiddenSize, epochs } = book.params;
  const adam = { updateRule: 'adam', optimConfig: { learningRate }, batchSize } as const;
  const some = firstOf(data, book.size(1000, 100));
  const norms = [
    ['none', null],
    ['batch norm', 'batchnorm'],
    ['layer norm', 'layernorm'],
  ] as const;
  await book.cell('Training with and without', async (cell) => {
    const runs: Record<string, History> = {};
    for (const [name, normalization] of norms) {
      book.reseed();
      const model = new FullyConnectedNet(Array(layers).fill(hiddenSize), { weightScale, normalization });
      const solver = await book.train(cell, name, model, some, { ...adam, numEpochs: epochs });
      const { lossHistory, trainAccHistory, valAccHistory, bestValAcc } = solver;
      runs[name] = { lossHistory, trainAccHistory, valAccHistory };
      cell.accuracy(`training accuracy, ${name}`, Math.max(...trainAccHistory));
      cell.accuracy(`best validation accuracy, ${name}`, bestValAcc);
      solver.dispose();
      model.dispose();
    }
    cell.picture('norms', 'With the norms and without, from the same weights.', comparison(runs));
  });
  await book.cell('Norms and the scale of the first weights', async (cell) => {
    const count = book.size(13, 3);
    const scales = Array.from({ length: count }, (_, i) => 10 ** (-4 + (4 * i) / (count - 1)));
    const found: Record<'train' | 'val' | 'loss', Series[]> = { train: [], val: [], loss: [] };
    for (const [name, normalization] of norms.slice(0, 2)) {
      const points: Record<'train' | 'val' | 'loss', Point[]> = { train: [], val: [], loss: [] };
      for (const weightScale of scales) {
        book.reseed();
        const model = new FullyConnectedNet([50, 50, 50, 50, 50, 50, 50], { weightScale, normalization });
        const solver = await book.train(cell, `${name}, scale ${weightScale.toPrecision(2)}`, model, some, {
          ...adam,
          ...{ numEpochs: book.size(10, 1), numTrainSamples: null },
        });
        const last = solver.lossHistory.slice(-10);
        points.train.push([weightScale, Math.max(...solver.trainAccHistory)]);
        points.val.push([weightScale, solver.bestValAcc]);
        points.loss.push([weightScale, last.reduce((sum, v) => sum + v, 0) / last.length]);
        solver.dispose();
        model.dispose();
      }
      for (const key of ['train', 'val', 'loss'] as const) found[key].push({ name, points: points[key], look: 'both' });
    }
    const panel = (title: string, label: string, series: Series[], log = false): Panel => ({
      title,
      x: { label: 'scale of the first weights', log: true },
      y: { label, log },
      series,
    });
    const panels = [
      panel('Best validation accuracy', 'accuracy', found.val),
      panel('Best training accuracy', 'accuracy', found.train),
      panel('Loss at the end', 'loss', found.loss, true),
    ];
    cell.picture(
      'scales',
      'Seven hidden layers: with batch norm a hundred times smaller weights will do.',
      plot(panels),
    );
    const spread = (series: Series) => series.points.filter(([, y]) => y > 0.25).length;
    for (const series of found.val) cell.value(`scales of ${count} above 0.25, ${series.name}`, spread(series));
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  await forwardCells(book);
  await gradientCells(book);
  const sizes = { numTraining: book.size(1000, 100), numValidation: book.size(1000, 100), numTest: 1 };
  const data = await book.data.load(sizes);
  await trainingCells(book, data);
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

const title = 'Batch norm and its relatives';
export const cnnBatchnorm: Notebook<typeof params> = { name: 'cnn-batchnorm', title, params, run };
