// bun examples/embed/bun.js [FILE]: trains on worker threads, writes the model, and predicts with what was written.
import * as lw from '../../dist/index.js';
import { createTrainer } from '../../dist/worker.js';

const file = Bun.argv[2] ?? 'model.lanewise';
await lw.init({ threads: 1 });
const [train, val] = [1, 2].map((seed) => lw.syntheticImages({ num: seed === 1 ? 5000 : 500, seed }));
const data = { XTrain: train.X, yTrain: train.y, XVal: val.X, yVal: val.y, classes: train.classes };
const model = { norm: 'batchnorm', layers: [{ conv: 16, size: 5, stride: 2 }, { maxPool: 2 }, { conv: 32 }] };
const solver = {
  updateRule: 'adam',
  optimConfig: { learningRate: 2e-3 },
  schedule: 'oneCycle',
  batchSize: 50,
  numEpochs: 6,
};
const trainer = await createTrainer({ model, solver, input: { subtractMean: true } }, data);
await trainer.train({
  onEpoch: ({ epoch, valAcc }) => console.log(`epoch ${epoch}: ${(100 * valAcc).toFixed(0)} % right`),
});
await Bun.write(file, await trainer.saveModel());
await trainer.dispose();

const again = await createTrainer(null, null, { model: await Bun.file(file).bytes() });
const { labels } = await again.predict(val.X.rows(0, 5));
console.log(`${file} sees: ${[...labels].map((label) => again.classes[label]).join(', ')}`);
await again.dispose();
