// The library as a module; with a bundler the first line is `import * as lw from 'lanewise'`.
import * as lw from '../../dist/index.js';

const show = (text) => document.querySelector('output').replaceChildren(text);
await lw.init();
const { X, y, classes } = lw.syntheticImages({ num: 3300, seed: 0 });
const pixels = lw.sub(X, X.mean(0));
const data = { XTrain: pixels.rows(0, 3000), yTrain: y.rows(0, 3000), XVal: pixels.rows(3000), yVal: y.rows(3000) };
const model = new lw.ConvNet({
  norm: 'batchnorm',
  layers: [{ conv: 16, size: 5, stride: 2 }, { maxPool: 2 }, { conv: 32 }],
});
const solver = new lw.Solver(model, data, {
  updateRule: 'adam',
  schedule: 'oneCycle',
  batchSize: 50,
  numEpochs: 4,
  verbose: false,
});
// The page stays alive: training gives way to it every 30 ms.
await solver.train({ onStep: ({ iteration, loss }) => show(`step ${iteration}: loss ${loss.toFixed(2)}`) });
const [first] = model.predict(data.XVal.rows(0, 1)).data;
show(`${Math.round(100 * solver.bestValAcc)} % right; the first is a ${classes[first]}`);
