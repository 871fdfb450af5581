/** The three-layer convolutional net. */
import { random, scope, type Tensor, ThreeLayerConvNet, visualizeGrid } from '../../index.js';
import type { Book, Notebook } from './book.js';
import { checkModel, float64, hitRate, labels, randn } from './checks.js';
import { figures } from './figures.js';
import { type Image, png } from './images.js';
import { count, epochs, positive, sized, strength, width } from './params.js';
import { columnsFor } from './pixels.js';
import { curves } from './plots.js';
import { type Data, firstOf } from './updateCells.js';

function filterGrid(W: Tensor): Image {
  return scope(() =>
    png(
      visualizeGrid(W.transpose(0, 2, 3, 1), { padding: 1, columns: columnsFor(W.shape[0]) }),
      W.shape[2] > 4 ? 6 : 10,
    ),
  );
}

const params = {
  learningRate: positive(1e-3, 'Learning rate of Adam'),
  reg: strength(1e-3, 'One epoch: regularisation'),
  numFilters: count(32, 'One epoch: filters', 256),
  filterSize: { ...count(7, 'One epoch: side of the filters', 15), odd: true },
  hiddenSize: width(sized(500, 50), 'Hidden units'),
  epochs: epochs(sized(1, 1, 15), 'Batch norm: epochs'),
};

async function checkCells(book: Book): Promise<void> {
  await book.cell('Initial loss', (cell) => {
    scope(() => {
      random.seed(231);
      const [X, y] = [randn(20, 3, 32, 32), labels(10, 20)];
      const model = new ThreeLayerConvNet(float64);
      cell.value('without regularisation', model.loss(X, y)[0]);
      model.reg = 0.5;
      cell.value('with reg 0.5', model.loss(X, y)[0]);
      cell.note('Without it -log 0.1, as for scores that say nothing; with it somewhat more.');
      model.dispose();
    });
  });
  await book.cell('Gradients', (cell) => {
    scope(() => {
      const names = ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'];
      const net = { inputDim: [3, 16, 16], numFilters: 3, filterSize: 3, hiddenDim: 7, ...float64 };
      random.seed(231);
      const [X, y] = [randn(2, 3, 16, 16), labels(10, 2)];
      const model = new ThreeLayerConvNet(net);
      checkModel(cell, 'error', model, () => model.loss(X, y), names, figures.cnnCheck, 1e-6);
      model.dispose();
      random.seed(231);
      randn(2, 3, 16, 16);
      labels(10, 2);
      const sharp = new ThreeLayerConvNet({ ...net, weightScale: 0.1, reg: 0.5 });
      checkModel(cell, 'error, larger weights', sharp, () => sharp.loss(X, y), names, figures.cnnCheckSharp);
      sharp.dispose();
      cell.note('With weights of 1e-3 gradients are so small that rounding shows; larger weights make a sharper test.');
    });
  });
}

async function trainingCells(book: Book<typeof params>, data: Data): Promise<void> {
  const rate = (model: ThreeLayerConvNet, X: Tensor, y: Tensor) => scope(() => hitRate(model.predict(X), y));
  const { learningRate, reg, numFilters, filterSize, hiddenSize: hiddenDim, epochs } = book.params;
  const adam = { updateRule: 'adam', optimConfig: { learningRate } } as const;

  await book.cell('A few images by heart', async (cell) => {
    book.reseed();
    const model = new ThreeLayerConvNet({ weightScale: 1e-2 });
    const some = firstOf(data, book.size(100, 50));
    const options = { ...adam, numEpochs: book.size(10, 4), batchSize: 50, printEvery: 1 };
    const solver = await book.train(cell, 'few images', model, some, options);
    cell.figure('best training accuracy', Math.max(...solver.trainAccHistory), figures.cnnOverfit);
    cell.accuracy('best validation accuracy', solver.bestValAcc);
    cell.picture('overfit', 'Loss and accuracies: training far above validation.', curves(solver));
    solver.dispose();
    model.dispose();
  });

  await book.cell('One epoch', async (cell) => {
    book.reseed();
    const model = new ThreeLayerConvNet({ weightScale: 1e-3, numFilters, filterSize, hiddenDim, reg });
    const options = { ...adam, numEpochs: 1, batchSize: 50, printEvery: 20 };
    const solver = await book.train(cell, 'one epoch', model, data, options);
    cell.figure('best validation accuracy', solver.bestValAcc, figures.cnnEpoch);
    cell.accuracy('test accuracy', rate(model, data.XTest, data.yTest));
    cell.picture('epoch', 'Loss of each step.', curves(solver));
    cell.picture('filters', 'The filters after one epoch.', filterGrid(model.params.W1));
    solver.dispose();
    model.dispose();
  });

  await book.cell('Batch norm', async (cell) => {
    book.reseed();
    const size = { numFilters: book.size(64, 8), filterSize: 3, hiddenDim };
    const model = new ThreeLayerConvNet({ ...size, reg: 5e-3, useBatchnorm: true });
    const options = { ...adam, numEpochs: epochs, lrDecay: 0.99, batchSize: 50 };
    const solver = await book.train(cell, 'batch norm', model, data, options);
    if (book.long) cell.figure('best validation accuracy', solver.bestValAcc, figures.cnnBatchnorm);
    else cell.accuracy('best validation accuracy', solver.bestValAcc);
    cell.accuracy('test accuracy', rate(model, data.XTest, data.yTest));
    cell.picture('batchnorm', 'Loss and accuracies.', curves(solver));
    cell.picture('filters-batchnorm', 'The filters.', filterGrid(model.params.W1));
    if (!book.long && !book.changed('epochs'))
      cell.note('The notebook trains it for fifteen epochs, to 0.674; so does --long.');
    solver.dispose();
    model.dispose();
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  await checkCells(book);
  const sizes = {
    numTraining: book.size(49000, 200),
    numValidation: book.size(1000, 50),
    numTest: book.size(1000, 50),
  };
  const data = await book.data.load(sizes);
  await trainingCells(book, data);
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

export const cnn: Notebook<typeof params> = { name: 'cnn', title: 'A convolutional net', params, run };
