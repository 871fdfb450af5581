/** HOG and hue histograms instead of pixels: a linear classifier and a net on them. */
import {
  addBias,
  extractFeaturesAsync,
  features as featureFunctions,
  hogFeature,
  RandomState,
  removeBias,
  Softmax,
  Standardizer,
  scope,
  type Tensor,
  TwoLayerNet,
  visualizeGrid,
  visualizeHog,
} from '../../index.js';
import type { Point } from '../points.js';
import type { Book, Notebook } from './book.js';
import { hitRate } from './checks.js';
import { figures } from './figures.js';
import { captioned, headed, type Image } from './images.js';
import { epochs, positive, sized, strength, width } from './params.js';
import { asPictures } from './pixels.js';
import { confusion, curves, plot } from './plots.js';
import { accuracies, type Search, type Sets, search, showSearch } from './softmax.js';

const BINS = 25;

const params = {
  searchRates: positive([1e-7, 1e-6], 'Softmax: learning rates of the search'),
  searchRegs: strength([5e5, 5e6], 'Softmax: regularisations of the search'),
  hiddenSize: width(500, 'Net: hidden units'),
  learningRate: positive(2.75e-2, 'Net: learning rate'),
  reg: strength(1e-6, 'Net: regularisation'),
  epochs: epochs(sized(20, 2), 'Net: epochs'),
};

/** Images beside their histograms of gradients. */
function hogPicture(images: Tensor, y: Tensor, classes: readonly string[]): Image {
  return scope(() => {
    const count = Math.min(6, images.shape[0]);
    const all = Array.from({ length: count }, (_, i) => images.rows(i, i + 1).reshape(32, 32, 3));
    return captioned(
      [
        ...all.map((picture, i) => ({ picture, words: classes[y.data[i]], scale: 4 })),
        ...all.map((image) => ({ picture: visualizeHog(hogFeature(image), { cellSize: 32 }), words: 'gradients' })),
      ],
      { columns: count },
    );
  });
}

/** Eight images for each class that were taken for it but are of another; fewer where there are fewer. */
function mistakes(images: Tensor, y: Tensor, predicted: Tensor, classes: readonly string[]): Image {
  return scope(() => {
    const stream = new RandomState(0);
    const found = classes.map((_, label) => {
      const wrong = [...y.data.keys()].filter((i) => predicted.data[i] === label && y.data[i] !== label);
      const order = stream.permutation(Math.max(1, wrong.length)) as Tensor;
      return [...order.data].map((i) => wrong[i]).slice(0, Math.min(8, wrong.length));
    });
    const columns = found.map((places) => Array.from({ length: 8 }, (_, row) => places[row] as number | undefined));
    const side = columns.length;
    const tiles = visualizeGrid(
      images.take(columns[0].flatMap((_, row) => columns.map((places) => places[row] ?? 0))),
      { columns: side, padding: 2, stretch: 'none' },
    );
    // Places without a mistake stay empty.
    const width = tiles.shape[1] * 3;
    for (const [c, places] of columns.entries()) {
      for (const [r, place] of places.entries()) {
        if (place !== undefined) continue;
        for (let line = 34 * r; line < 34 * r + 32; line++) {
          tiles.data.fill(0, line * width + 34 * 3 * c, line * width + (34 * c + 32) * 3);
        }
      }
    }
    return headed(tiles, { scale: 2, columns: classes });
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  const [numTraining, others] = [book.size(49000, 500), book.size(1000, 100)];
  const sizes = { numTraining, numValidation: others, numTest: others };
  const data = await book.data.load({ ...sizes, subtractMean: false, layout: 'rows', dtype: 'float32' });
  const { yTrain, yVal, yTest, classes, meanImage } = data;
  const images = [data.XTrain, data.XVal, data.XTest].map(asPictures);
  const testImages = images[2];
  let sets: Sets & { XTest: Tensor } = { XTrain: data.XTrain, yTrain, XVal: data.XVal, yVal, XTest: data.XTest };

  await book.cell('Features of the images', async (cell) => {
    const functions = [hogFeature, featureFunctions.hsv({ nbin: BINS })];
    const { progress, signal } = book.settings;
    const start = performance.now();
    const found: Tensor[] = [];
    for (const [i, X] of images.entries()) {
      progress.start(X.shape[0], 'images');
      const options = { verbose: i === 0, log: cell.log, signal };
      const onProgress = ({ done }: { done: number }) => progress.update(done, 'features');
      found.push(await extractFeaturesAsync(X, functions, { ...options, onProgress }));
    }
    const seconds = (performance.now() - start) / 1000;
    progress.clear();
    cell.value('images a second', Math.round(images.reduce((n, { shape }) => n + shape[0], 0) / seconds));
    const standardizer = new Standardizer(found[0]);
    const [XTrain, XVal, XTest] = found.map((X) => scope(() => addBias(standardizer.apply(X))));
    const lengths = [144, BINS, XTrain.shape[1] - 1, XTrain.shape[1]];
    const hog = scope(() => hogFeature(testImages.rows(0, 1).reshape(32, 32, 3)).size);
    cell.figure(
      'numbers of an image',
      `${hog} + ${lengths[1]} = ${lengths[2]}, with the bias ${lengths[3]}`,
      figures.featureLength,
    );
    const plain = scope(() => removeBias(XTrain).shape);
    cell.figure('shapes', `(${XTrain.shape.join(', ')}) (${plain.join(', ')})`, figures.featureShapes);
    sets = { XTrain, yTrain, XVal, yVal, XTest };
    cell.picture('hog', 'Images, and in which directions their edges run.', hogPicture(testImages, yTest, classes));
    const hues = scope(() => {
      const rows = found[2].rows(0, Math.min(others, 200));
      return classes.map((name, label) => {
        const own = [...rows.data.keys()].slice(0, rows.shape[0]).filter((i) => yTest.data[i] === label);
        const points = Array.from({ length: BINS }, (_, bin): Point => {
          const sum = own.reduce((total, i) => total + rows.data[i * rows.shape[1] + 144 + bin], 0);
          return [(bin + 0.5) / BINS, sum / Math.max(1, own.length)];
        });
        return { name, points };
      });
    });
    const panel = { x: { label: 'hue', min: 0, max: 1 }, y: { label: 'share of the pixels', min: 0 }, series: hues };
    cell.picture('hues', 'Mean histogram of hue of each class.', plot([panel], { width: 900 }));
    standardizer.dispose();
    for (const t of found) t.dispose();
  });

  await book.cell('Softmax on features', (cell) => {
    book.reseed();
    const first = new Softmax();
    const history = first.train(sets.XTrain, yTrain, { learningRate: 1e-7, reg: 5e5, numIters: 1 });
    cell.figure('first loss, reg 5e5', history[0], figures.featuresFirstLoss);
    first.dispose();
    const results = search(sets, book.params.searchRates, book.params.searchRegs, book.size(1000, 30));
    const best: Search = showSearch(cell, 'search', results);
    cell.figure('best validation accuracy', best.val, figures.featuresVal);
    const classifier = new Softmax();
    const { learningRate, reg } = best;
    classifier.train(sets.XTrain, yTrain, { learningRate, reg, numIters: book.size(1000, 30) });
    cell.accuracy('training accuracy', accuracies(classifier, sets)[0]);
    scope(() => {
      const predicted = classifier.predict(sets.XTest);
      cell.figure('test accuracy', hitRate(predicted, yTest), figures.featuresTest);
      const picture = mistakes(testImages, yTest, predicted, classes);
      cell.picture('mistakes', 'Test images that were taken for a class and are of another.', picture);
      cell.picture('confusion-softmax', 'What is taken for what.', confusion(yTest.data, predicted.data, classes));
    });
    classifier.dispose();
  });

  await book.cell('A net on features', async (cell) => {
    const [XTrain, XVal, XTest] = [sets.XTrain, sets.XVal, sets.XTest].map(removeBias);
    const { hiddenSize: hiddenDim, learningRate, reg, epochs: numEpochs } = book.params;
    const net = (reg: number) => new TwoLayerNet({ inputDim: XTrain.shape[1], hiddenDim, reg });
    if (book.long || book.quick) {
      const results: Search[] = [];
      for (const learningRate of book.quick ? [2.75e-2] : [1e-3, 1e-2, 2.75e-2]) {
        for (const reg of book.quick ? [1e-6] : [1e-6, 1e-2, 1]) {
          book.reseed();
          const model = net(reg);
          const solver = await book.train(
            cell,
            `rate ${learningRate}, reg ${reg}`,
            model,
            { XTrain, yTrain, XVal, yVal },
            {
              optimConfig: { learningRate },
              ...{ numEpochs: book.size(20, 2), batchSize: book.size(200, 50) },
            },
          );
          results.push({ learningRate, reg, train: Math.max(...solver.trainAccHistory), val: solver.bestValAcc });
          solver.dispose();
          model.dispose();
        }
      }
      showSearch(cell, 'search-net', results);
    } else if (!book.changed('learningRate', 'reg')) {
      cell.note('The numbers that the notebook’s search found; --long does the search.');
    }
    book.reseed();
    const model = net(reg);
    const solver = await book.train(
      cell,
      'net on features',
      model,
      { XTrain, yTrain, XVal, yVal },
      {
        optimConfig: { learningRate },
        ...{ numEpochs, batchSize: book.size(200, 50) },
      },
    );
    cell.figure('best validation accuracy', solver.bestValAcc, figures.featuresNetVal);
    scope(() => {
      const predicted = model.predict(XTest);
      cell.figure('test accuracy', hitRate(predicted, yTest), figures.featuresNetTest);
      cell.picture('net', 'Loss and accuracies.', curves(solver));
      cell.picture('confusion-net', 'What is taken for what.', confusion(yTest.data, predicted.data, classes));
    });
    for (const made of [solver, model, XTrain, XVal, XTest]) made.dispose();
  });
  for (const t of [sets.XTrain, sets.XVal, sets.XTest, data.XTrain, data.XVal, data.XTest]) t.dispose();
  for (const t of [yTrain, yVal, yTest, meanImage]) t.dispose();
}

const title = 'Features instead of pixels';
export const features: Notebook<typeof params> = { name: 'features', title, params, run };
