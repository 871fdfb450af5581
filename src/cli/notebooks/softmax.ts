/** Linear classifiers on pixels: softmax as in the notebook, the SVM beside it. */
import {
  addBias,
  gradCheckSparse,
  LinearSVM,
  mul,
  random,
  relError,
  Softmax,
  scope,
  softmaxLoss,
  softmaxLossNaive,
  softmaxLossVectorized,
  svmLoss,
  svmLossNaive,
  svmLossVectorized,
  type Tensor,
  tensor,
  timeFunction,
  visualizeGrid,
} from '../../index.js';
import { type Book, type Cell, fixed, formatSeconds, type Notebook, show } from './book.js';
import { hitRate, numbersOf } from './checks.js';
import { figures } from './figures.js';
import { captioned } from './images.js';
import { batch, count, positive, sized, strength } from './params.js';
import { samples, templates } from './pixels.js';
import { plot, series, squares } from './plots.js';

export interface Sets {
  XTrain: Tensor;
  yTrain: Tensor;
  XVal: Tensor;
  yVal: Tensor;
}

export interface Search {
  learningRate: number;
  reg: number;
  train: number;
  val: number;
}

const power = (value: number) => value.toExponential(value.toExponential().includes('.') ? 1 : 0);

/** Training and validation accuracies over a grid of rates and strengths, as the notebooks print and draw them. */
export function showSearch(cell: Cell, name: string, results: readonly Search[]): Search {
  const sorted = [...results].sort((a, b) => a.learningRate - b.learningRate || a.reg - b.reg);
  for (const { learningRate, reg, train, val } of sorted) {
    const numbers = `train accuracy: ${fixed(train)} val accuracy: ${fixed(val)}`;
    cell.log(`lr ${learningRate.toExponential(6)} reg ${reg.toExponential(6)} ${numbers}`);
  }
  const distinct = (of: (each: Search) => number) => [...new Set(sorted.map(of))].sort((a, b) => a - b);
  const rates = distinct(({ learningRate }) => learningRate);
  const regs = distinct(({ reg }) => reg);
  const all = sorted.flatMap(({ train, val }) => [train, val]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const grid = (title: string, of: (each: Search) => number) => {
    const values = regs.map((reg) =>
      rates.map((rate) => {
        const found = sorted.find((each) => each.learningRate === rate && each.reg === reg);
        return found ? of(found) : Number.NaN;
      }),
    );
    return {
      title,
      rows: regs.map(power),
      columns: rates.map(power),
      rowLabel: 'reg',
      columnLabel: 'learning rate',
      shares: values.map((line) => line.map((v) => (v - low) / (high - low || 1))),
      words: values.map((line) => line.map((v) => (Number.isNaN(v) ? '' : v.toFixed(3)))),
    };
  };
  const grids = [grid('Training accuracy', ({ train }) => train), grid('Validation accuracy', ({ val }) => val)];
  cell.picture(name, 'Accuracies of the search.', squares(grids, [64, 40]));
  return sorted.reduce((best, each) => (each.val > best.val ? each : best));
}

/** Accuracies of linear classifiers for each pair of numbers. */
export function search(sets: Sets, rates: readonly number[], regs: readonly number[], numIters: number): Search[] {
  return rates.flatMap((learningRate) =>
    regs.map((reg) => {
      const classifier = new Softmax();
      classifier.train(sets.XTrain, sets.yTrain, { learningRate, reg, numIters });
      const [train, val] = accuracies(classifier, sets);
      classifier.dispose();
      return { learningRate, reg, train, val };
    }),
  );
}

export function accuracies(classifier: Softmax | LinearSVM, { XTrain, yTrain, XVal, yVal }: Sets): [number, number] {
  const of = (X: Tensor, y: Tensor) => scope(() => hitRate(classifier.predict(X), y));
  return [of(XTrain, yTrain), of(XVal, yVal)];
}

const params = {
  learningRate: positive(1e-7, 'Learning rate'),
  reg: strength(2.5e4, 'Regularisation'),
  iterations: count(sized(1500, 30), 'Steps', 100000),
  batchSize: batch(200, 'Batch size'),
  searchRates: positive(sized([1e-6, 1e-5, 1e-4, 1e-3], [1e-6, 1e-3]), 'Learning rates of the search'),
  searchRegs: strength(sized([1e3, 1e4, 2.5e4, 5e4], [1e4, 5e4]), 'Regularisations of the search'),
};

async function run(book: Book<typeof params>): Promise<void> {
  const [numTraining, others, numDev] = [book.size(49000, 500), book.size(1000, 100), book.size(500, 60)];
  const sizes = { numTraining, numValidation: others, numTest: others };
  const data = await book.data.load({ ...sizes, layout: 'rows', dtype: 'float32' });
  const { yTrain, yVal, yTest, meanImage, classes } = data;
  const pictures = samples(data.XTrain, yTrain, classes, meanImage);
  const [XTrain, XVal, XTest] = [data.XTrain, data.XVal, data.XTest].map((X) => {
    const wider = addBias(X);
    X.dispose();
    return wider;
  });
  const sets: Sets = { XTrain, yTrain, XVal, yVal };
  const chosen = random.choice(XTrain.shape[0], [numDev], false) as Tensor;
  const [XDev, yDev] = [XTrain.take(chosen).astype('float64'), yTrain.take(chosen)];

  await book.cell('The images: mean subtracted, a column of ones', (cell) => {
    const shapes = [XTrain, XVal, XTest, XDev].map(({ shape }) => `(${shape.join(', ')})`);
    cell.figure('training, validation, test, development', shapes.join(' '), figures.cifarShapes);
    const printed = [
      130.64189796, 135.98173469, 132.47391837, 130.05569388, 135.34804082, 131.75402041, 130.96055102, 136.14328571,
      132.47636735, 131.48467347,
    ];
    const first = numbersOf(meanImage).slice(0, 10);
    cell.value('mean image', [...first].map((v) => v.toFixed(2)).join(' '));
    cell.figure(
      'its largest difference',
      Math.max(...printed.map((v, i) => Math.abs(v - first[i]))),
      figures.meanImage,
    );
    scope(() => {
      const mean = visualizeGrid(meanImage.reshape(1, 32, 32, 3), { stretch: 'none' });
      cell.picture('mean', 'The mean training image.', captioned([{ picture: mean, words: 'mean' }], { scale: 5 }));
    });
    cell.picture('samples', 'Images of each class.', pictures);
  });

  const W = scope(() => mul(random.randn(XDev.shape[1], classes.length) as Tensor, 1e-4));
  await book.cell('Loss and gradient, naive and vectorised', (cell) => {
    cell.note(
      'With small weights all scores are about 0 and each of the ten classes gets a tenth of the probability, so a first ' +
        'loss is about -log 0.1. Pixels of some hundred make it somewhat more here.',
    );
    cell.figure('-log 0.1, for scores that say nothing', fixed(-Math.log(0.1)), figures.sanity);
    scope(() => {
      const [loss, dW] = softmaxLossNaive(W, XDev, yDev, 0);
      cell.figure('loss of small random weights', loss, figures.untrainedLoss);
      for (const reg of [0, 50]) {
        const gradient = scope(() => softmaxLossNaive(W, XDev, yDev, reg)[1]);
        cell.log(`# reg ${reg}`);
        const checks = gradCheckSparse(() => softmaxLossVectorized(W, XDev, yDev, reg)[0], W, gradient, {
          log: cell.log,
        });
        const worst = Math.max(...checks.map(({ relativeError }) => relativeError));
        cell.figure(`largest error of ten slopes, reg ${reg}`, worst, figures.sparse);
      }
      const [fast, dFast] = softmaxLossVectorized(W, XDev, yDev, 5e-6);
      const [slow, dSlow] = softmaxLossNaive(W, XDev, yDev, 5e-6);
      cell.figure('naive and vectorised, losses', Math.abs(fast - slow), figures.losses);
      cell.figure('naive and vectorised, gradients', relError(dFast, dSlow), figures.losses);
      const [svm, dSvm] = svmLossVectorized(W, XDev, yDev, 5e-6);
      const [svmSlow, dSvmSlow] = svmLossNaive(W, XDev, yDev, 5e-6);
      cell.figure('SVM, losses', Math.abs(svm - svmSlow), figures.losses);
      cell.figure('SVM, gradients', relError(dSvm, dSvmSlow), figures.losses);
      dW.dispose();
    });
    for (const [name, of] of [
      ['naive', softmaxLossNaive],
      ['vectorised', softmaxLossVectorized],
    ] as const) {
      cell.value(`time, ${name}`, formatSeconds(timeFunction(() => of(W, XDev, yDev, 0))));
    }
  });

  const { learningRate, reg, iterations: numIters, batchSize } = book.params;
  const descent = { learningRate, reg, numIters, batchSize };
  const classifier = new Softmax();
  await book.cell('Stochastic gradient descent', async (cell) => {
    const start = performance.now();
    const history = classifier.train(XTrain, yTrain, { ...descent, verbose: true, log: cell.log });
    cell.value(`time, ${numIters} steps`, formatSeconds((performance.now() - start) / 1000));
    cell.figure('first loss', history[0], figures.pixelsFirstLoss);
    const [train, val] = accuracies(classifier, sets);
    cell.figure('training accuracy', train, figures.pixelsTrain);
    cell.figure('validation accuracy', val, figures.pixelsVal);
    const panel = {
      x: { label: 'step', min: 0 },
      y: { label: 'loss' },
      series: [{ name: 'loss', points: series(history) }],
    };
    cell.picture('loss', 'Loss of each step.', plot([panel]));
    const again = Softmax.fromBytes(classifier.toBytes());
    const same = scope(() => relError(again.W as Tensor, classifier.W as Tensor));
    cell.figure('weights saved and loaded', same === 0 ? 'the same' : show(same), figures.saved);
    again.dispose();
  });

  let best: Search = { learningRate: 1e-6, reg: 1e4, train: 0, val: 0 };
  await book.cell('Search for rate and regularisation', (cell) => {
    const { searchRates, searchRegs } = book.params;
    const results = search(sets, searchRates, searchRegs, book.size(200, 20));
    best = showSearch(cell, 'search', results);
    cell.figure('best validation accuracy', best.val, figures.pixelsBest);
    cell.value('at', `rate ${power(best.learningRate)}, reg ${power(best.reg)}`);
    const wild = results.find(({ learningRate, reg }) => learningRate === 1e-3 && reg === 5e4);
    if (wild) {
      cell.figure('training accuracy of a diverged run', fixed(wild.train), figures.divergedTrain);
      cell.figure('validation accuracy of a diverged run', fixed(wild.val), figures.divergedVal);
      cell.note('Scores of a run that diverged are no numbers, and the first class is all it ever says.');
    }
  });

  await book.cell('Test, and what the weights look like', (cell) => {
    const { learningRate, reg } = best;
    const final = new Softmax();
    final.train(XTrain, yTrain, { learningRate, reg, numIters: book.size(500, 20) });
    const test = scope(() => hitRate(final.predict(XTest), yTest));
    cell.figure('test accuracy', test, figures.pixelsTest);
    cell.picture(
      'templates',
      'Weights of the softmax classifier, on one scale: the colours and places that speak for a class.',
      templates(final.W as Tensor, classes),
    );
    const svm = new LinearSVM();
    svm.train(XTrain, yTrain, descent);
    const [train, val] = accuracies(svm, sets);
    cell.accuracy('SVM, training accuracy', train);
    cell.accuracy('SVM, validation accuracy', val);
    cell.picture('templates-svm', 'Weights of the SVM.', templates(svm.W as Tensor, classes));
    for (const made of [final, svm]) made.dispose();
  });

  await book.cell('One point more, for softmax and for the SVM', (cell) => {
    scope(() => {
      const scores = [10, 8, 7];
      const t = tensor([scores], { dtype: 'float64' });
      cell.value('scores, the first class is the right one', scores.join(', '));
      cell.value('SVM loss', svmLoss(t, [0])[0]);
      cell.value('softmax loss', softmaxLoss(t, [0])[0]);
      cell.note(
        'A point beyond the margin adds nothing to the SVM loss, so it may leave it as it is; ' +
          'softmax is never content: some probability is always elsewhere.',
      );
    });
  });

  classifier.dispose();
  for (const t of [XTrain, XVal, XTest, XDev, yDev, yTrain, yVal, yTest, meanImage, W, chosen]) t.dispose();
}

export const softmax: Notebook<typeof params> = { name: 'softmax', title: 'Softmax on pixels', params, run };
