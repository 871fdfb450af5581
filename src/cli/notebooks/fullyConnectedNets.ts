/** Nets of any depth: checks, overfitting on purpose, update rules, initial scales, good numbers. */
import { affineReluForward, FullyConnectedNet, mul, random, scope, type Tensor } from '../../index.js';
import { type Book, type Notebook, show } from './book.js';
import { checkModel, float64, hitRate, labels, numbersOf, randn } from './checks.js';
import { figures } from './figures.js';
import { positive, strength } from './params.js';
import { comparison, curves, type History, histogram, type Panel, plot } from './plots.js';
import { type Search, showSearch } from './softmax.js';
import { adagradCell, adaptiveCell, compareCell, type Data, firstOf, momentumCell, type Run } from './updateCells.js';

const params = {
  threeRate: positive(1e-2, 'Fifty images, three layers: learning rate'),
  threeScale: positive(1e-2, 'Fifty images, three layers: scale of the weights', 10),
  fiveRate: positive(3e-3, 'Fifty images, five layers: learning rate'),
  fiveScale: positive(5e-2, 'Fifty images, five layers: scale of the weights', 10),
  learningRate: positive(1e-3, 'Good net: learning rate of Adam'),
  reg: strength(1e-4, 'Good net: regularisation'),
};

type Own = Book<typeof params>;

async function checkCell(book: Book): Promise<void> {
  await book.cell('Initial loss and gradients', (cell) => {
    scope(() => {
      random.seed(231);
      const [X, y] = [randn(2, 15), labels(10, 2)];
      const names = ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'];
      for (const [reg, loss, expected] of [
        [0, figures.fcLoss0, figures.fc0],
        [3.14, figures.fcLossReg, figures.fcReg],
      ] as const) {
        const options = { inputDim: 15, numClasses: 10, reg, weightScale: 5e-2, ...float64 };
        const model = new FullyConnectedNet([20, 30], options);
        cell.figure(`initial loss, reg ${reg}`, model.loss(X, y)[0], loss);
        checkModel(cell, `error, reg ${reg}`, model, () => model.loss(X, y), names, expected);
        model.dispose();
      }
    });
  });
}

async function overfitCell(book: Own, data: Data): Promise<void> {
  await book.cell('Fifty images by heart', async (cell) => {
    const { threeRate, threeScale, fiveRate, fiveScale } = book.params;
    const some = firstOf(data, 50);
    for (const [name, hidden, weightScale, learningRate, expected] of [
      ['three layers', [100, 100], threeScale, threeRate, figures.overfit3],
      ['three layers, small steps', [100, 100], 3e-2, 6e-4, figures.overfit3slow],
      ['five layers', [100, 100, 100, 100], fiveScale, fiveRate, figures.overfit5],
      ['five layers, steep', [100, 100, 100, 100], 3e-2, 0.04, figures.overfit5steep],
    ] as const) {
      book.reseed();
      const model = new FullyConnectedNet([...hidden], { weightScale, ...float64 });
      const options = { optimConfig: { learningRate }, numEpochs: 20, batchSize: 25, printEvery: 10 };
      const solver = await book.train(cell, name, model, some, options);
      cell.figure(`training accuracy, ${name}`, Math.max(...solver.trainAccHistory), expected);
      cell.picture(`overfit-${name.replaceAll(/,? /g, '-')}`, `Loss and accuracies, ${name}.`, curves(solver));
      solver.dispose();
      model.dispose();
    }
    cell.note('Deeper nets depend more on the scale of their first weights, which is what the next cell looks at.');
  });
}

/** Outputs of each hidden layer, for nets of different first weights. */
async function scaleCell(book: Book, data: Data): Promise<void> {
  await book.cell('What the scale of the first weights does', async (cell) => {
    const first = firstOf(data, book.size(1000, 100));
    // Pixels of about unit size: else the first layer alone decides.
    const some = { ...first, XTrain: mul(first.XTrain, 1 / 64), XVal: mul(first.XVal, 1 / 64) };
    const runs: Record<string, History> = {};
    const panels: Panel[] = [];
    const sizes: string[][] = [];
    for (const weightScale of [1e-2, 3e-2, 5e-2, 'he'] as const) {
      book.reseed();
      const name = weightScale === 'he' ? 'He' : `scale ${weightScale}`;
      const model = new FullyConnectedNet([100, 100, 100, 100], { weightScale });
      scope(() => {
        const batch = some.XTrain.rows(0, Math.min(200, some.XTrain.shape[0]));
        const layers = activations(model, batch).map((values) => values.filter((v) => v > 0));
        sizes.push([
          name,
          ...layers.map((values) => show(Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length))),
        ]);
        panels.push({
          title: name,
          x: { label: 'logarithm of a positive output' },
          y: { label: 'share', min: 0 },
          series: layers.map((values, i) => {
            return { name: `layer ${i + 1}`, points: histogram(values.map(Math.log10), -6, 2, 60) };
          }),
        });
      });
      const solver = await book.train(cell, name, model, some, {
        optimConfig: { learningRate: 5e-2 },
        numEpochs: book.size(10, 2),
        batchSize: 50,
      });
      const { lossHistory, trainAccHistory, valAccHistory } = solver;
      runs[name] = { lossHistory, trainAccHistory, valAccHistory };
      cell.accuracy(`training accuracy, ${name}`, Math.max(...trainAccHistory));
      solver.dispose();
      model.dispose();
    }
    cell.table(['size of the outputs', ...[1, 2, 3, 4].map((i) => `layer ${i}`)], sizes);
    cell.picture('scales', 'Five layers trained from first weights of different scales.', comparison(runs));
    cell.picture(
      'activations',
      'Outputs of the hidden layers before training.',
      plot(panels, { width: 550, columns: 2 }),
    );
    cell.note(
      'With small weights each layer makes its outputs smaller, and gradients with them: the loss stays where it is. ' +
        'He’s scale, the root of two over the number of inputs, keeps their size.',
    );
    for (const t of [some.XTrain, some.XVal]) t.dispose();
  });
}

/** Outputs of the hidden layers of a net of affine layers and ReLUs, one array for each. */
function activations({ params, paramNames }: FullyConnectedNet, X: Tensor): Float64Array[] {
  const depth = paramNames.filter((name) => name.startsWith('W')).length;
  let h = X;
  return Array.from({ length: depth - 1 }, (_, i) => {
    const [out] = affineReluForward(h, params[`W${i + 1}`], params[`b${i + 1}`]);
    h = out;
    return numbersOf(out);
  });
}

async function bestCell(book: Own, data: Data): Promise<void> {
  const hidden = [100, 100, 100, 100, 100];
  if (book.long || book.quick) {
    await book.cell('Search for rate and regularisation', async (cell) => {
      const results: Search[] = [];
      for (const learningRate of [1e-3, 2e-3]) {
        for (const reg of book.quick ? [1e-4] : [1e-2, 1e-3, 1e-4]) {
          book.reseed();
          const model = new FullyConnectedNet(hidden, { weightScale: 5e-2, reg });
          const solver = await book.train(cell, `rate ${learningRate}, reg ${reg}`, model, data, {
            ...{ updateRule: 'adam', optimConfig: { learningRate } },
            ...{ numEpochs: book.size(10, 1), batchSize: book.size(200, 50) },
          });
          results.push({ learningRate, reg, train: Math.max(...solver.trainAccHistory), val: solver.bestValAcc });
          solver.dispose();
          model.dispose();
        }
      }
      const best = showSearch(cell, 'search', results);
      cell.figure('best validation accuracy', best.val, figures.fcBest);
    });
  }
  await book.cell('A good net, and the test', async (cell) => {
    book.reseed();
    const { learningRate, reg } = book.params;
    const model = new FullyConnectedNet(hidden, { weightScale: 5e-2, reg });
    const solver = await book.train(cell, 'good net', model, data, {
      ...{ updateRule: 'adam', optimConfig: { learningRate } },
      ...{ numEpochs: book.size(10, 1), batchSize: book.size(200, 50) },
    });
    const rate = (X: Tensor, y: Tensor) => scope(() => hitRate(model.predict(X), y));
    cell.figure('validation accuracy', rate(data.XVal, data.yVal), figures.fcBest);
    cell.figure('test accuracy', rate(data.XTest, data.yTest), figures.fcBestTest);
    cell.picture('best', 'Loss and accuracies.', curves(solver, 0.5));
    if (!book.long && !book.changed('learningRate', 'reg')) {
      cell.note('The numbers that the notebook’s search found; --long does the search.');
    }
    solver.dispose();
    model.dispose();
  });
}

async function run(book: Own): Promise<void> {
  await checkCell(book);
  const sizes = {
    numTraining: book.size(49000, 500),
    numValidation: book.size(1000, 100),
    numTest: book.size(1000, 100),
  };
  const data = await book.data.load(sizes);
  await overfitCell(book, data);
  await scaleCell(book, data);
  await momentumCell(book);
  const sgd: Run = ['sgd', { optimConfig: { learningRate: 5e-3 } }, figures.compareSgd];
  const momentum: Run = [
    'sgd with momentum',
    { updateRule: 'sgdMomentum', optimConfig: { learningRate: 5e-3 } },
    figures.compareMomentum,
  ];
  await compareCell(book, 'SGD with and without momentum', 'momentum', data, [sgd, momentum]);
  await adaptiveCell(book);
  const adaptive: Run[] = [
    ['rmsprop', { updateRule: 'rmsprop', optimConfig: { learningRate: 1e-4 } }, figures.compareRmsprop],
    ['adam', { updateRule: 'adam', optimConfig: { learningRate: 1e-3 } }, figures.compareAdam],
  ];
  await compareCell(book, 'RMSProp and Adam beside them', 'rules', data, [sgd, momentum, ...adaptive]);
  await adagradCell(book);
  await bestCell(book, data);
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

const title = 'Fully connected nets';
export const fullyConnectedNets: Notebook<typeof params> = { name: 'fully-connected-nets', title, params, run };
