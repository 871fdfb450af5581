/** Dropout: the layer, nets that use it, and what it does to a small training set. */
import { FullyConnectedNet, random, scope } from '../../index.js';
import type { Book, Notebook } from './book.js';
import { checkModel, float64, labels, randn } from './checks.js';
import { figures } from './figures.js';
import { dropoutCells } from './layerCells.js';
import { batch, epochs, positive, sized, width } from './params.js';
import { comparison, type History } from './plots.js';
import { firstOf } from './updateCells.js';

const params = {
  keep: { value: [1, 0.5, 0.25], text: 'Shares of units kept, a net for each', low: 0, above: true, high: 1 },
  learningRate: positive(5e-4, 'Learning rate of Adam'),
  hiddenSize: width(500, 'Hidden units'),
  epochs: epochs(sized(25, 2), 'Epochs'),
  batchSize: batch(sized(100, 50), 'Batch size'),
};

async function run(book: Book<typeof params>): Promise<void> {
  await dropoutCells(book);
  await book.cell('Gradients of nets with dropout', (cell) => {
    scope(() => {
      random.seed(231);
      const [X, y] = [randn(2, 15), labels(10, 2)];
      for (const dropoutKeepRatio of [1, 0.75, 0.5]) {
        const options = { inputDim: 15, numClasses: 10, weightScale: 5e-2, dropoutKeepRatio, seed: 123, ...float64 };
        const model = new FullyConnectedNet([20, 30], options);
        const name = `error, keep ${dropoutKeepRatio}`;
        cell.value(
          `initial loss, keep ${dropoutKeepRatio}`,
          scope(() => model.loss(X, y)[0]),
        );
        const names = ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'];
        checkModel(cell, name, model, () => model.loss(X, y), names, figures.dropoutNet);
        model.dispose();
      }
    });
  });
  const sizes = { numTraining: book.size(500, 200), numValidation: book.size(1000, 100), numTest: 1 };
  const data = await book.data.load(sizes);
  await book.cell('A small training set, with and without dropout', async (cell) => {
    const { keep, learningRate, hiddenSize, epochs, batchSize } = book.params;
    const runs: Record<string, History> = {};
    for (const dropoutKeepRatio of keep) {
      book.reseed();
      const name = dropoutKeepRatio === 1 ? 'no dropout' : `keep ${dropoutKeepRatio}`;
      const model = new FullyConnectedNet([hiddenSize], { dropoutKeepRatio });
      const solver = await book.train(cell, name, model, firstOf(data, 500), {
        ...{ updateRule: 'adam', optimConfig: { learningRate } },
        ...{ numEpochs: epochs, batchSize },
      });
      const { lossHistory, trainAccHistory, valAccHistory, bestValAcc } = solver;
      runs[name] = { lossHistory, trainAccHistory, valAccHistory };
      cell.accuracy(`training accuracy at the end, ${name}`, trainAccHistory[trainAccHistory.length - 1]);
      cell.accuracy(`best validation accuracy, ${name}`, bestValAcc);
      solver.dispose();
      model.dispose();
    }
    cell.picture('dropout', 'Training accuracy falls, and the gap to validation accuracy with it.', comparison(runs));
  });
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

export const dropout: Notebook<typeof params> = { name: 'dropout', title: 'Dropout', params, run };
