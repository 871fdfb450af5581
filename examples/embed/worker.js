// Training in a worker: the page does nothing but show what comes back.
import * as lw from '../../dist/index.js';
import { createTrainer } from '../../dist/worker.js';

const show = (text) => document.querySelector('output').replaceChildren(text);
await lw.init({ threads: 1 });
const bytes = ({ X, y }) => ({ X: { shape: X.shape, data: Uint8Array.from(X.data) }, y });
const train = bytes(lw.syntheticImages({ num: 5000, seed: 1 }));
const val = bytes(lw.syntheticImages({ num: 500, seed: 2 }));
const spec = {
  model: { norm: 'batchnorm', layers: [{ conv: 16, size: 5, stride: 2 }, { maxPool: 2 }, { conv: 32 }] },
  solver: { updateRule: 'adam', optimConfig: { learningRate: 2e-3 }, batchSize: 50, numEpochs: 6 },
};
const data = { XTrain: train.X, yTrain: train.y, XVal: val.X, yVal: val.y };
const trainer = await createTrainer(spec, data, { transfer: true });
const button = document.querySelector('button');
button.onclick = () => trainer.stop();
button.disabled = false;
for await (const event of trainer.steps()) {
  if (event.type === 'step') show(`step ${event.iteration}: loss ${event.loss.toFixed(2)}`);
  else if (event.type === 'epoch') await trainer.change({ learningRate: 2e-3 / (1 + event.epoch) });
}
show(`${Math.round(100 * (await trainer.state()).bestValAcc)} % right`);
await trainer.dispose();
