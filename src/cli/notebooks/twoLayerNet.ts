/** The modular two-layer net, from its layers to a search for good numbers. */
import { random, relError, scope, TwoLayerNet } from '../../index.js';
import { accuracy, type Book, type Notebook, show } from './book.js';
import { checkModel, float64, hitRate, labels, randn, relErrorTo, spaced } from './checks.js';
import { arrays, figures } from './figures.js';
import { affineCells, affineReluCell, lossCell, reluCells } from './layerCells.js';
import { batch, epochs, positive, sized, strength, width } from './params.js';
import { weightGrid } from './pixels.js';
import { comparison, curves, type History } from './plots.js';
import { type Search, showSearch } from './softmax.js';
import { type Data, firstOf } from './updateCells.js';

const params = {
  hiddenSize: width(100, 'First net: hidden units'),
  learningRate: positive(1e-3, 'First net: learning rate'),
  epochs: epochs(sized(10, 1), 'First net: epochs'),
  batchSize: batch(sized(100, 50), 'First net: batch size'),
  searchRates: positive(sized([1e-5, 1e-4, 1e-3], [1e-3]), 'Learning rates of the search'),
  searchRegs: strength(sized([1e-6, 1e-2, 1, 10], [1e-6, 10]), 'Regularisations of the search'),
};

async function netCell(book: Book): Promise<void> {
  await book.cell('The two-layer net: weights, scores, loss, gradients', (cell) => {
    scope(() => {
      random.seed(231);
      randn(3, 5);
      labels(7, 3);
      const options = { inputDim: 5, hiddenDim: 50, numClasses: 7, weightScale: 1e-3, ...float64 };
      const model = new TwoLayerNet(options);
      const { params } = model;
      cell.figure('deviation of W1 from 1e-3', Math.abs(params.W1.std() - 1e-3), figures.initW1);
      cell.figure('deviation of W2 from 1e-3', Math.abs(params.W2.std() - 1e-3), figures.initW2);
      cell.figure('largest bias', Math.max(params.b1.max(), params.b2.max()), figures.initBias);
      params.W1 = spaced(-0.7, 0.3, 5, 50);
      params.b1 = spaced(-0.1, 0.9, 50);
      params.W2 = spaced(-0.3, 0.4, 50, 7);
      params.b2 = spaced(-0.9, 0.1, 7);
      const X = spaced(-5.5, 4.5, 5, 3).transpose();
      cell.figure('scores', relErrorTo(model.loss(X), arrays.twoLayerScores), figures.twoLayerScores);
      const y = [0, 5, 1];
      cell.figure('loss', model.loss(X, y)[0], figures.twoLayerLoss);
      model.reg = 1;
      cell.figure('loss, reg 1', model.loss(X, y)[0], figures.twoLayerLossReg);
      for (const [reg, expected] of [
        [0, figures.twoLayer0],
        [0.7, figures.twoLayer07],
      ] as const) {
        model.reg = reg;
        checkModel(cell, `error, reg ${reg}`, model, () => model.loss(X, y), ['W1', 'W2', 'b1', 'b2'], expected);
      }
      model.dispose();
    });
  });
}

/** What widens the gap between training and testing, and what narrows it. */
async function gapCell(book: Book, data: Data): Promise<void> {
  await book.cell('The gap between training and testing', async (cell) => {
    const few = book.size(2000, 100);
    const many = data.XTrain.shape[0];
    const rows: string[][] = [];
    for (const [name, count, hiddenDim, reg] of [
      [`${few} images`, few, 50, 0],
      [`all ${many} images`, many, 50, 0],
      [`${few} images, 10 hidden units`, few, 10, 0],
      [`${few} images, 500 hidden units`, few, book.size(500, 100), 0],
      [`${few} images, reg 5`, few, 50, 5],
    ] as const) {
      book.reseed();
      const model = new TwoLayerNet({ hiddenDim, reg });
      const solver = await book.train(cell, name, model, firstOf(data, count), {
        optimConfig: { learningRate: 1e-3 },
        // As many steps for all.
        numEpochs: Math.max(1, Math.round((book.size(5, 1) * many) / count)),
        batchSize: book.size(100, 50),
        numTrainSamples: 1000,
      });
      const test = scope(() => hitRate(model.predict(data.XTest), data.yTest));
      const train = solver.trainAccHistory[solver.trainAccHistory.length - 1];
      rows.push([name, accuracy(train), accuracy(test), accuracy(train - test)]);
      solver.dispose();
      model.dispose();
    }
    cell.table(['trained with', 'training accuracy', 'test accuracy', 'gap'], rows);
    cell.note(
      'More images and more regularisation narrow the gap, more hidden units do not. No gap at all, with both accuracies ' +
        'low, says that the net has too little capacity, or that it has hardly learned yet.',
    );
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  await affineCells(book);
  await reluCells(book);
  await affineReluCell(book);
  await lossCell(book);
  await netCell(book);
  book.reseed();
  const sizes = {
    numTraining: book.size(49000, 500),
    numValidation: book.size(1000, 100),
    numTest: book.size(1000, 100),
  };
  const data = await book.data.load(sizes);
  const numEpochs = (full: number) => book.size(full, 1);
  const batchSize = book.size(200, 50);

  await book.cell('Training with the Solver', async (cell) => {
    const { hiddenSize, learningRate, epochs, batchSize } = book.params;
    const model = new TwoLayerNet({ hiddenDim: hiddenSize });
    const options = { optimConfig: { learningRate }, lrDecay: 0.95, numEpochs: epochs, batchSize };
    const solver = await book.train(cell, 'two-layer net', model, data, options);
    cell.figure('best validation accuracy', solver.bestValAcc, figures.twoLayerSolver);
    cell.picture('training', 'Loss and accuracies, and the half that is the goal.', curves(solver, 0.5));
    cell.picture('weights', 'What the hidden units look for.', weightGrid(model.params.W1.transpose(), 'CHW'));
    solver.dispose();
    model.dispose();
  });

  await book.cell('Wider, with smaller steps', async (cell) => {
    const model = new TwoLayerNet({ hiddenDim: book.size(200, 50) });
    const solver = await book.train(cell, 'wider net', model, data, {
      ...{ optimConfig: { learningRate: 6e-4 }, lrDecay: 0.9 },
      ...{ numEpochs: numEpochs(10), batchSize },
    });
    cell.figure('best validation accuracy', solver.bestValAcc, figures.twoLayerSlower);
    cell.picture('wider', 'Loss and accuracies.', curves(solver, 0.5));
    solver.dispose();
    model.dispose();
  });

  await gapCell(book, data);

  await book.cell('What a learning rate does', async (cell) => {
    const runs: Record<string, History> = {};
    for (const learningRate of [1e-5, 1e-4, 1e-3, 1e-2]) {
      const model = new TwoLayerNet({ hiddenDim: 50 });
      const solver = await book.train(cell, `rate ${show(learningRate)}`, model, data, {
        optimConfig: { learningRate },
        numEpochs: numEpochs(2),
        batchSize,
      });
      const { lossHistory, trainAccHistory, valAccHistory } = solver;
      runs[`rate ${show(learningRate)}`] = { lossHistory, trainAccHistory, valAccHistory };
      solver.dispose();
      model.dispose();
    }
    cell.picture('rates', 'Too low and the loss falls in a line, too high and it stays up.', comparison(runs));
  });

  let chosen = { learningRate: 1e-3, reg: 1e-6 };
  await book.cell('Search for rate and regularisation', async (cell) => {
    const results: Search[] = [];
    for (const learningRate of book.params.searchRates) {
      for (const reg of book.params.searchRegs) {
        const model = new TwoLayerNet({ hiddenDim: 50, reg });
        const solver = await book.train(cell, `rate ${learningRate}, reg ${reg}`, model, data, {
          optimConfig: { learningRate },
          numEpochs: numEpochs(book.long ? 10 : 2),
          batchSize,
        });
        if (reg === 10 && learningRate === 1e-3) {
          cell.figure('first loss, reg 10', solver.lossHistory[0], figures.twoLayerInitial10);
        }
        results.push({ learningRate, reg, train: Math.max(...solver.trainAccHistory), val: solver.bestValAcc });
        solver.dispose();
        model.dispose();
      }
    }
    const best = showSearch(cell, 'search', results);
    cell.accuracy('best validation accuracy', best.val);
    // The notebook's own search took longer than this one.
    if (book.changed('searchRates', 'searchRegs')) chosen = best;
    if (!book.long) cell.note('Two epochs for each pair of numbers; --long takes the notebook’s ten.');
  });

  await book.cell('The best numbers, and the test', async (cell) => {
    const { learningRate, reg } = chosen;
    const model = new TwoLayerNet({ hiddenDim: 50, reg });
    const solver = await book.train(cell, 'best net', model, data, {
      optimConfig: { learningRate },
      numEpochs: numEpochs(10),
      batchSize,
    });
    const rate = (X: typeof data.XVal, y: typeof data.yVal) => scope(() => hitRate(model.predict(X), y));
    cell.figure('validation accuracy', rate(data.XVal, data.yVal), figures.twoLayerBest);
    cell.figure('test accuracy', rate(data.XTest, data.yTest), figures.twoLayerTest);
    cell.picture('best', 'Loss and accuracies.', curves(solver, 0.5));
    cell.picture('best-weights', 'What the hidden units look for.', weightGrid(model.params.W1.transpose(), 'CHW'));
    const copy = new TwoLayerNet({ hiddenDim: 50 });
    for (const name of model.paramNames) copy.params[name] = model.params[name];
    scope(() => {
      const X = data.XTest.rows(0, Math.min(100, data.XTest.shape[0]));
      const apart = relError(copy.loss(X), model.loss(X));
      cell.figure('scores of a copy of the weights', apart === 0 ? 'the same' : show(apart), figures.saved);
    });
    for (const made of [solver, model, copy]) made.dispose();
  });
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

const title = 'The modular two-layer net';
export const twoLayerNet: Notebook<typeof params> = { name: 'two-layer-net', title, params, run };
