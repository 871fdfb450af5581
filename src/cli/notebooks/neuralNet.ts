/** Two-layer nets in one piece: toy data with printed figures, then images. */
import {
  ClassifierTrainer,
  type ClassifierTrainerOptions,
  evalNumericalGradient,
  grid,
  initTwoLayerModel,
  mul,
  NeuralNet,
  notebookGrids,
  random,
  relError,
  scope,
  type Tensor,
  type TwoLayerModel,
  twoLayerNet,
} from '../../index.js';
import { accuracy, type Book, fixed, type Notebook, show } from './book.js';
import { checkModel, float64, hitRate, randn, spaced, sumAbsTo } from './checks.js';
import { arrays, type Expected, figures } from './figures.js';
import { batch, count, positive, sized, strength, width } from './params.js';
import { weightGrid } from './pixels.js';
import { curves, plot, series } from './plots.js';

const params = {
  hiddenSize: width(50, 'Hidden units'),
  trainerRate: positive(1e-5, 'ClassifierTrainer: learning rate'),
  learningRate: positive(7.943e-4, 'Tuned net: learning rate'),
  reg: strength(0.1, 'Tuned net: regularisation'),
  iterations: count(sized(2000, 20), 'Tuned net: steps', 100000),
  batchSize: batch(sized(210, 50), 'Tuned net: batch size'),
};

type Own = Book<typeof params>;

const toyLabels = [0, 1, 2, 2, 1];

/** Parameters and data of the toy problem: evenly spaced numbers. */
function toy(): { X: ReturnType<typeof spaced>; model: TwoLayerModel } {
  return {
    X: spaced(-0.2, 0.5, 5, 4),
    model: {
      W1: spaced(-0.2, 0.6, 4, 10),
      b1: spaced(-0.3, 0.7, 10),
      W2: spaced(-0.4, 0.1, 10, 3),
      b2: spaced(-0.5, 0.9, 3),
    },
  };
}

async function functionCells(book: Book): Promise<void> {
  await book.cell('A net as a function: scores, loss, gradients', (cell) => {
    scope(() => {
      const { X, model } = toy();
      cell.figure('scores, sum of differences', sumAbsTo(twoLayerNet(X, model), arrays.toyScores), figures.toyScores);
      const loss = () => twoLayerNet(X, model, toyLabels, 0.1);
      const [value, gradients] = loss();
      cell.figure('loss, reg 0.1', value, figures.toyLoss);
      for (const [name, expected] of [
        ['W1', figures.toyW1],
        ['b1', figures.toyb1],
        ['W2', figures.toyW2],
        ['b2', figures.toyb2],
      ] as const) {
        const numeric = evalNumericalGradient(() => loss()[0], model[name]);
        cell.figure(`d${name} error`, relError(numeric, gradients[name]), expected);
      }
    });
  });
  await book.cell('ClassifierTrainer on the toy data', (cell) => {
    const rules: [NonNullable<ClassifierTrainerOptions['update']>, number, Expected][] = [
      ['sgd', 0, figures.trainerSgd],
      ['momentum', 0.9, figures.trainerMomentum],
      ['rmsprop', 0.9, figures.trainerRmsprop],
    ];
    const runs = rules.map(([update, momentum, expected]) => {
      return scope(() => {
        const { X, model } = toy();
        const trainer = new ClassifierTrainer();
        const numbers = { reg: 0.001, learningRate: 0.1, learningRateDecay: 1, numEpochs: 100 };
        const options = { ...numbers, momentum, update, sampleBatches: false };
        const { lossHistory } = trainer.train(X, toyLabels, X, toyLabels, model, twoLayerNet, options);
        trainer.dispose();
        cell.figure(`final loss, ${update}`, fixed(lossHistory[99]), expected);
        return { name: update, points: series(lossHistory) };
      });
    });
    const panel = { x: { label: 'step', min: 0 }, y: { label: 'loss' }, series: runs };
    cell.picture('toy-trainer', 'Loss of a hundred steps on five points.', plot([panel]));
  });
}

async function classCells(book: Book): Promise<void> {
  await book.cell('A net as a class: scores, loss, gradients, training', (cell) => {
    scope(() => {
      random.seed(0);
      const make = () => new NeuralNet(4, 10, 3, { std: 0.1, ...float64 });
      const net = make();
      random.seed(1);
      const X = mul(randn(5, 4), 10);
      const scores = sumAbsTo(net.loss(X), arrays.neuralScores);
      cell.figure('scores, sum of differences', scores, figures.neuralScores);
      cell.figure('loss, reg 0.05', net.loss(X, toyLabels, 0.05)[0], figures.neuralLoss);
      const expected = [figures.neuralW2, figures.neuralb2, figures.neuralW1, figures.neuralb1];
      checkModel(cell, 'error', net, () => net.loss(X, toyLabels, 0.05), ['W2', 'b2', 'W1', 'b1'], expected);
      net.dispose();
      random.seed(0);
      const fresh = make();
      const options = { learningRate: 0.1, reg: 5e-6, numIters: 100 };
      const { lossHistory } = fresh.train(X, toyLabels, X, toyLabels, options);
      cell.figure('final loss of 100 steps', lossHistory[99], figures.neuralTrain);
      const panel = {
        x: { label: 'step', min: 0 },
        y: { label: 'loss' },
        series: [{ name: 'loss', points: series(lossHistory) }],
      };
      cell.picture('toy-net', 'Loss of a hundred steps on five points.', plot([panel]));
      fresh.dispose();
    });
  });
}

/** Random points of the notebook's grid until one reaches its goal. */
async function searchCell(book: Own, data: Awaited<ReturnType<Book['data']['load']>>): Promise<void> {
  await book.cell('A search that ends at one half', (cell) => {
    const { XTrain, yTrain, XVal, yVal } = data;
    const points = grid(notebookGrids.monolithic);
    const order = [...(random.permutation(points.length) as Tensor).data];
    const rows: string[][] = [];
    let best = 0;
    for (const place of order.slice(0, book.size(40, 2))) {
      const { numIters, reg, batchSize, learningRate } = points[place] as Record<string, number>;
      const net = new NeuralNet(3072, book.params.hiddenSize, 10);
      const steps = { numIters: book.size(numIters, 10), batchSize: book.size(batchSize, 50) };
      net.train(XTrain, yTrain, XVal, yVal, { ...steps, learningRate, reg });
      const val = scope(() => hitRate(net.predict(XVal), yVal));
      net.dispose();
      rows.push([show(learningRate), show(reg), String(batchSize), String(numIters), accuracy(val)]);
      best = Math.max(best, val);
      if (best >= 0.5) break;
    }
    cell.table(['rate', 'reg', 'batch', 'steps', 'validation accuracy'], rows);
    cell.accuracy('best validation accuracy', best);
    cell.value('trials', `${rows.length} of ${points.length}`);
  });
}

async function run(book: Own): Promise<void> {
  await functionCells(book);
  await classCells(book);
  book.reseed();
  const sizes = {
    numTraining: book.size(49000, 500),
    numValidation: book.size(1000, 100),
    numTest: book.size(1000, 100),
  };
  const data = await book.data.load({ ...sizes, layout: 'rows' });
  const { XTrain, yTrain, XVal, yVal, XTest, yTest, meanImage } = data;
  const { hiddenSize, trainerRate, learningRate, reg, iterations, batchSize } = book.params;

  await book.cell('ClassifierTrainer on images', (cell) => {
    scope(() => {
      const model = initTwoLayerModel(3072, hiddenSize, 10);
      const trainer = new ClassifierTrainer();
      const rates = { learningRate: trainerRate, momentum: 0.9, learningRateDecay: 0.95, reg: 1 };
      const options = {
        ...rates,
        numEpochs: book.size(5, 1),
        batchSize: book.size(100, 50),
        verbose: true,
        log: cell.log,
      };
      const found = trainer.train(XTrain, yTrain, XVal, yVal, model, twoLayerNet, options);
      cell.figure('first loss', found.lossHistory[0], figures.trainerFirstCost);
      cell.figure('best validation accuracy', Math.max(...found.valAccHistory), figures.trainer5);
      cell.picture('trainer', 'Loss and accuracies.', curves(found));
      cell.picture(
        'trainer-weights',
        'What the hidden units look for.',
        weightGrid(found.bestModel.W1.transpose(), 'HWC'),
      );
      trainer.dispose();
    });
  });

  await book.cell('ClassifierTrainer, for longer', (cell) => {
    scope(() => {
      // The notebook's cell is lost but for its rates and epochs, so the width is a guess.
      const model = initTwoLayerModel(3072, book.size(200, 50), 10);
      const trainer = new ClassifierTrainer();
      const rates = { learningRate: 1.5e-4, momentum: 0.9, learningRateDecay: 0.9, reg: 1 };
      const found = trainer.train(XTrain, yTrain, XVal, yVal, model, twoLayerNet, {
        ...rates,
        numEpochs: book.size(28, 1),
        batchSize: book.size(100, 50),
        verbose: true,
        log: cell.log,
      });
      cell.figure('best validation accuracy', Math.max(...found.valAccHistory), figures.trainerTuned);
      const scores = twoLayerNet(XTest, found.bestModel);
      cell.figure('test accuracy', hitRate(scores.argmax(1), yTest), figures.trainerTunedTest);
      cell.picture('trainer-longer', 'Loss and accuracies.', curves(found));
      cell.picture(
        'trainer-longer-weights',
        'What the hidden units look for.',
        weightGrid(found.bestModel.W1.transpose(), 'HWC'),
      );
      trainer.dispose();
    });
  });

  const nets: { net: NeuralNet; name: string }[] = [];
  for (const [title, name, options, expected] of [
    [
      'Images, and steps that are too small',
      'slow',
      { numIters: book.size(1000, 20), batchSize: book.size(200, 50), learningRate: 1e-4, reg: 0.25 },
      figures.neural1000,
    ],
    ['The numbers a search found', 'tuned', { numIters: iterations, batchSize, learningRate, reg }, figures.neuralBest],
  ] as const) {
    await book.cell(title, (cell) => {
      const net = new NeuralNet(3072, hiddenSize, 10);
      nets.push({ net, name });
      const found = net.train(XTrain, yTrain, XVal, yVal, {
        ...options,
        learningRateDecay: 0.95,
        verbose: true,
        log: cell.log,
      });
      cell.figure('first loss', found.lossHistory[0], figures.neuralFirstLoss);
      if (name === 'slow') cell.figure('accuracy checks', found.valAccHistory.length, figures.neuralChecks);
      const rate = (X: typeof XVal, y: typeof yVal) => scope(() => hitRate(net.predict(X), y));
      cell.figure('validation accuracy', rate(XVal, yVal), expected);
      if (name === 'tuned') cell.figure('test accuracy', rate(XTest, yTest), figures.neuralBestTest);
      if (found.valAccHistory.length === 1) {
        cell.note(
          'Accuracy is measured, and the rate lowered, when the step is a multiple of N / batch size: here once.',
        );
      }
      cell.picture(name, 'Loss and accuracies; training accuracy is that of the last batch.', curves(found));
    });
  }

  await book.cell('First-layer weights, slow and tuned', (cell) => {
    for (const { net, name } of nets) {
      const { width, height, ...picture } = weightGrid(net.params.W1, 'HWC');
      // Side by side.
      const size = { width: 0.75 * width, height: 0.75 * height };
      cell.picture(`weights-${name}`, name === 'slow' ? 'Too slow: blurred means of classes.' : 'Tuned.', {
        ...picture,
        ...size,
      });
      net.dispose();
    }
    cell.note(
      'A loss that falls in a straight line and no gap between the accuracies say that the steps are too small, not that ' +
        'the net is.',
    );
  });
  if (book.long || book.quick) await searchCell(book, data);
  for (const t of [XTrain, yTrain, XVal, yVal, XTest, yTest, meanImage]) t.dispose();
}

const title = 'Two-layer nets in one piece';
export const neuralNet: Notebook<typeof params> = { name: 'neural-net', title, params, run };
