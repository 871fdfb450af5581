/** Nearest neighbours: distances with two loops, one loop and none, and the choice of k. */
import {
  crossValidateKnn,
  KNearestNeighbor,
  RandomState,
  scope,
  sub,
  type Tensor,
  tensor,
  timeFunction,
  visualizeGrid,
  zeros,
} from '../../index.js';
import type { Point } from '../points.js';
import { accuracy, type Book, fixed, formatSeconds, type Notebook } from './book.js';
import { float64, hitRate, numbersOf } from './checks.js';
import { type Expected, figures } from './figures.js';
import { captioned, headed, type Image, png } from './images.js';
import { count, type Param, sized } from './params.js';
import { asPictures, samples } from './pixels.js';
import { plot } from './plots.js';

/** Numbers of neighbours of which there are enough in half of the images. */
const neighbourCount = <V extends Param['value']>(value: V, text: string) => count(value, text, sized(2499, 99));

const KS = [1, 3, 5, 8, 10, 12, 15, 20, 50];
const params = {
  k: neighbourCount([1, 10], 'Neighbours that predict'),
  searchK: neighbourCount(sized([...KS, 100], KS), 'Numbers of neighbours to choose from'),
  folds: { ...count(5, 'Folds of the cross-validation', 20), low: 2 },
  testK: neighbourCount(6, 'Neighbours in the test'),
};

function correct(predicted: Tensor, y: Tensor): number {
  return Math.round(hitRate(predicted, y) * y.size);
}

/** Frobenius norm of a difference. */
function apart(a: Tensor, b: Tensor): number {
  return scope(() => Math.sqrt(numbersOf(sub(a, b)).reduce((sum, d) => sum + d * d, 0)));
}

/** L1 distances of rows of numbers. */
function cityBlock(a: readonly Float64Array[], b: readonly Float64Array[]): number[][] {
  const distance = (x: Float64Array, y: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += Math.abs(x[i] - y[i]);
    return sum;
  };
  return a.map((x) => b.map((y) => distance(x, y)));
}

/** Test images, each with its nearest training images behind it. */
function neighbours(XTest: Tensor, XTrain: Tensor, dists: Tensor): Image {
  return scope(() => {
    const rows = Math.min(6, XTest.shape[0]);
    const width = dists.shape[1];
    const places = Array.from({ length: rows }, (_, i) => {
      const line = numbersOf(dists.rows(i, i + 1));
      return [...line.keys()].sort((a, b) => line[a] - line[b]).slice(0, Math.min(9, width));
    });
    const columns = places[0].length + 1;
    const found = asPictures(XTrain.take(places.flat()));
    const tested = asPictures(XTest.rows(0, rows));
    const tiles = zeros([rows * columns, 32, 32, 3], float64);
    const size = 32 * 32 * 3;
    for (let row = 0; row < rows; row++) {
      tiles.data.set(tested.data.subarray(row * size, (row + 1) * size), row * columns * size);
      const near = found.data.subarray(row * (columns - 1) * size, (row + 1) * (columns - 1) * size);
      tiles.data.set(near, (row * columns + 1) * size);
    }
    const names = ['test', ...places[0].map((_, i) => String(i + 1))];
    return headed(visualizeGrid(tiles, { columns, padding: 2, stretch: 'none' }), { scale: 2, columns: names });
  });
}

/** Points of three classes in a square, and the class that one or fifteen neighbours give to each place of it. */
function borders(): Image {
  return scope(() => {
    const stream = new RandomState(3);
    const [side, count] = [160, 30];
    const centres = [
      [0.3, 0.35],
      [0.7, 0.4],
      [0.5, 0.7],
    ];
    const labels = Array.from({ length: 3 * count }, (_, i) => i % 3);
    const spread = numbersOf(stream.normal(0, 0.13, [3 * count, 2]));
    const points = labels.map((label, i) => [0, 1].map((axis) => centres[label][axis] + spread[2 * i + axis]));
    const places = Array.from({ length: side * side }, (_, i) => [
      ((i % side) + 0.5) / side,
      (Math.floor(i / side) + 0.5) / side,
    ]);
    const knn = new KNearestNeighbor();
    knn.train(tensor(points, float64), labels);
    const colours = [
      [58, 130, 200],
      [224, 120, 30],
      [47, 158, 110],
    ];
    const tiles = [1, 15].map((k) => {
      const found = knn.predict(tensor(places, float64), { k });
      const picture = zeros([side, side, 3], float64);
      found.data.forEach((label, i) => {
        picture.data.set(
          colours[label].map((v) => 255 - 0.45 * (255 - v)),
          3 * i,
        );
      });
      for (const [i, [x, y]] of points.entries()) {
        const [column, row] = [x, y].map((v) => Math.floor(v * side));
        for (const [r, c] of [-1, 0, 1].flatMap((r) => [-1, 0, 1].map((c) => [row + r, column + c]))) {
          if (r >= 0 && r < side && c >= 0 && c < side) picture.data.set(colours[labels[i]], 3 * (r * side + c));
        }
      }
      return { picture, words: k === 1 ? 'one neighbour' : `${k} neighbours` };
    });
    knn.dispose();
    return captioned(tiles, { scale: 2 });
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  const [numTraining, numTest] = [book.size(5000, 200), book.size(500, 50)];
  const sizes = { numTraining, numValidation: 1, numTest };
  const data = await book.data.load({ ...sizes, subtractMean: false, layout: 'rows', dtype: 'float64' });
  const { XTrain, yTrain, XTest, yTest, classes } = data;
  const knn = new KNearestNeighbor();
  let dists = XTest;

  await book.cell('The images', (cell) => {
    const [train, test] = [XTrain, XTest].map(({ shape }) => `(${shape.join(', ')})`);
    cell.figure('rows for training and testing', `${train} ${test}`, figures.knnRows);
    cell.picture('samples', 'Images of each class.', samples(XTrain, yTrain, classes));
  });

  await book.cell('Distances with two loops', (cell) => {
    knn.train(XTrain, yTrain);
    dists = knn.computeDistancesTwoLoops(XTest);
    cell.value('distances', `(${dists.shape.join(', ')})`);
    const picture = scope(() => png(visualizeGrid(dists.reshape(1, ...dists.shape, 1)), book.size(1, 3)));
    cell.picture('distances', 'A row for each test image, a column for each training image; bright is far.', picture);
    const mean = (axis: number) => [...dists.mean(axis).data];
    const [columns, rows] = [mean(0), mean(1)];
    const farthest = (list: number[]) => list.indexOf(Math.max(...list));
    cell.note(
      'A bright row is a test image unlike all training images, a bright column a training image unlike all test images: ' +
        `images of unusual brightness, such as test image ${farthest(rows)} and training image ${farthest(columns)}.`,
    );
  });

  await book.cell('Predictions', (cell) => {
    cell.picture('neighbours', 'Test images and their nearest training images.', neighbours(XTest, XTrain, dists));
    const printed: Partial<Record<number, Expected>> = { 1: figures.knn1, 10: figures.knn10 };
    for (const k of book.params.k) {
      const hits = scope(() => correct(knn.predictLabels(dists, k), yTest));
      const expected = printed[k];
      if (expected) cell.figure(`correct of ${numTest}, k = ${k}`, hits, expected);
      else cell.value(`correct of ${numTest}, k = ${k}`, hits);
      cell.log(`Got ${hits} / ${numTest} correct => accuracy: ${fixed(hits / numTest)}`);
    }
  });

  await book.cell('Distances with one loop and with none', (cell) => {
    scope(() => {
      cell.figure('one loop, difference', fixed(apart(dists, knn.computeDistancesOneLoop(XTest))), figures.loopsAgree);
      cell.figure('no loop, difference', fixed(apart(dists, knn.computeDistancesNoLoops(XTest))), figures.loopsAgree);
    });
    const times = [
      ['two loops', () => knn.computeDistancesTwoLoops(XTest)],
      ['one loop', () => knn.computeDistancesOneLoop(XTest)],
      ['no loops', () => knn.computeDistancesNoLoops(XTest)],
    ] as const;
    for (const [name, compute] of times) cell.value(`time, ${name}`, formatSeconds(timeFunction(compute)));
  });

  let best = 1;
  await book.cell('Cross-validation', (cell) => {
    const { searchK: ks, folds } = book.params;
    const found = crossValidateKnn(XTrain, yTrain, { folds, ks, verbose: true, log: cell.log });
    const mean = (list: readonly number[]) => list.reduce((sum, v) => sum + v, 0) / list.length;
    const deviation = (list: readonly number[]) => Math.sqrt(mean(list.map((v) => (v - mean(list)) ** 2)));
    best = ks.reduce((most, k) => (mean(found[k]) > mean(found[most]) ? k : most), ks[0]);
    cell.table(
      ['k', 'folds', ...Array(folds - 1).fill(''), 'mean', 'std'],
      ks.map((k) => [String(k), ...found[k].map(accuracy), accuracy(mean(found[k])), accuracy(deviation(found[k]))]),
    );
    cell.value('best k', best);
    const panel = {
      x: { label: 'k', min: 0 },
      y: { label: 'accuracy of a fold' },
      series: [
        {
          name: 'mean and deviation',
          points: ks.map((k): Point => [k, mean(found[k])]),
          errors: ks.map((k) => deviation(found[k])),
        },
        { name: 'folds', look: 'dots' as const, points: ks.flatMap((k) => found[k].map((value): Point => [k, value])) },
      ],
    };
    cell.picture('cross-validation', 'Accuracies of the folds.', plot([panel], { height: 380 }));
  });

  await book.cell('Test with the best k', (cell) => {
    const { testK } = book.params;
    const hits = (k: number) => scope(() => correct(knn.predict(XTest, { k }), yTest));
    cell.figure(`correct of ${numTest}, k = ${testK}`, hits(testK), figures.knnBest);
    cell.value(`correct of ${numTest}, k = ${best}`, hits(best));
    cell.accuracy('accuracy', hits(best) / numTest);
    if (!book.changed('testK'))
      cell.note('The notebook comes to k = 6: its cross-validation takes pixels for distances.');
  });

  await book.cell('What is true of nearest neighbours', (cell) => {
    const some = XTrain.rows(0, Math.min(1000, numTraining));
    const own = scope(() => correct(knn.predict(some), yTrain.rows(0, some.shape[0])) / some.shape[0]);
    cell.figure('training accuracy of one neighbour', own, figures.oneNeighbour);
    const counts = [0.25, 0.5, 0.75, 1].map((share) => Math.floor(share * numTraining));
    const points = counts.map((count): Point => {
      const smaller = new KNearestNeighbor();
      smaller.train(XTrain.rows(0, count), yTrain.rows(0, count));
      const seconds = Math.min(...[1, 2, 3].map(() => timeFunction(() => smaller.predict(XTest, { k: 1 }))));
      smaller.dispose();
      return [count, 1000 * seconds];
    });
    const panel = {
      x: { label: 'training images', min: 0 },
      y: { label: 'ms to classify the test images', min: 0 },
      series: [{ name: 'time', points, look: 'both' as const }],
    };
    cell.picture(
      'test-time',
      'Classifying takes longer the more there is to compare with.',
      plot([panel], { height: 280 }),
    );
    cell.picture(
      'border',
      'What one and fifteen neighbours say of each place, for points of three classes.',
      borders(),
    );
    cell.note('One neighbour never errs on its own training set, and its border between classes is not a line.');
  });

  await book.cell('L1 distances under preprocessing', (cell) => {
    const list = (X: Tensor, n: number) =>
      Array.from({ length: n }, (_, i) => Float64Array.from(X.rows(i, i + 1).data));
    const [train, test] = [list(XTrain, Math.min(200, numTraining)), list(XTest, 40)];
    const D = train[0].length;
    const all = scope(() => XTrain.mean());
    const spread = scope(() => XTrain.std());
    const [pixelMean, pixelStd] = [XTrain.mean(0), XTrain.std(0)].map((t) => Float64Array.from(t.data));
    // A rotation of each pair of neighbouring coordinates by 45 degrees.
    const rotated = (x: Float64Array) => {
      return x.map((v, i) => Math.SQRT1_2 * (i % 2 === 0 ? v - (x[i + 1] ?? 0) : x[i - 1] + v));
    };
    const ways: [string, (x: Float64Array) => Float64Array, boolean][] = [
      ['mean subtracted', (x) => x.map((v) => v - all), true],
      ['mean of each pixel subtracted', (x) => x.map((v, i) => v - pixelMean[i]), true],
      ['and divided by the deviation', (x) => x.map((v) => (v - all) / spread), true],
      ['and divided by that of each pixel', (x) => x.map((v, i) => (v - pixelMean[i]) / (pixelStd[i] || 1)), false],
      ['rotated', rotated, false],
    ];
    const plain = cityBlock(test, train);
    for (const [name, way, keeps] of ways) {
      const changed = cityBlock(test.map(way), train.map(way));
      const kept = changed.filter((line, i) => {
        const nearest = line.indexOf(Math.min(...line));
        return plain[i][nearest] === Math.min(...plain[i]);
      });
      const share = kept.length / test.length;
      if (keeps) cell.figure(`nearest kept, ${name}`, share, figures.neighboursKept);
      else cell.value(`nearest kept, ${name}`, share);
    }
    cell.note(`Shifts and one factor for all ${D} numbers keep the order of distances; factors of their own do not.`);
  });
  for (const t of [dists, XTrain, yTrain, data.XVal, data.yVal, XTest, yTest, data.meanImage]) t.dispose();
}

export const knn: Notebook<typeof params> = { name: 'knn', title: 'k nearest neighbours', params, run };
