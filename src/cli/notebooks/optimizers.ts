/** Update rules: single steps, runs over one another, and what their steps look like. */
import { adagrad, adam, rmsprop, scope, sgd, sgdMomentum, type Tensor, tensor } from '../../index.js';
import type { Point } from '../points.js';
import type { Book, Notebook } from './book.js';
import { float64 } from './checks.js';
import { figures } from './figures.js';
import { batch, epochs, positive, sized } from './params.js';
import { plot } from './plots.js';
import { adagradCell, adaptiveCell, compareCell, momentumCell } from './updateCells.js';

const params = {
  sgdRate: positive(5e-3, 'Learning rate of SGD, momentum and AdaGrad'),
  rmspropRate: positive(1e-4, 'Learning rate of RMSProp'),
  adamRate: positive(1e-3, 'Learning rate of Adam'),
  momentum: { value: 0.9, text: 'Momentum', low: 0, high: 0.999 },
  epochs: epochs(sized(5, 2), 'Epochs'),
  batchSize: batch(sized(100, 50), 'Batch size'),
};

type Own = Book<typeof params>;
type Step = (w: Tensor, dw: Tensor) => unknown;

/** Ways down a long valley, ten times as steep across as along. */
async function valleyCell(book: Own): Promise<void> {
  await book.cell('Ways down a valley', (cell) => {
    const { momentum } = book.params;
    const rules: [string, () => Step][] = [
      ['sgd', () => (w, dw) => sgd(w, dw, { learningRate: 0.18 })],
      ['momentum', () => stateful(sgdMomentum, { learningRate: 0.02, momentum })],
      ['nesterov', () => stateful(sgdMomentum, { learningRate: 0.02, momentum, nesterov: true })],
      ['adagrad', () => stateful(adagrad, { learningRate: 0.4 })],
      ['rmsprop', () => stateful(rmsprop, { learningRate: 0.05, decayRate: 0.9 })],
      ['adam', () => stateful(adam, { learningRate: 0.2 })],
    ];
    const series = rules.map(([name, make]) => {
      return scope(() => {
        const step = make();
        const [w, dw] = [tensor([-2, 0.8], float64), tensor([0, 0], float64)];
        const points: Point[] = [[w.data[0], w.data[1]]];
        for (let i = 0; i < 60; i++) {
          dw.data.set([w.data[0], 10 * w.data[1]]);
          step(w, dw);
          points.push([w.data[0], w.data[1]]);
        }
        cell.value(`height after 60 steps, ${name}`, (w.data[0] ** 2 + 10 * w.data[1] ** 2) / 2);
        return { name, points };
      });
    });
    const panel = { x: { label: 'along the valley' }, y: { label: 'across' }, series };
    cell.picture('valley', 'From the left to the middle of (x² + 10 y²) / 2.', plot([panel], { height: 420 }));
  });
}

function stateful<C extends object>(rule: (w: Tensor, dw: Tensor, config?: C) => unknown, config: C): Step {
  return (w, dw) => rule(w, dw, config);
}

async function run(book: Own): Promise<void> {
  await momentumCell(book);
  await adaptiveCell(book);
  await valleyCell(book);
  await adagradCell(book);
  const sizes = { numTraining: book.size(4000, 500), numValidation: book.size(1000, 100), numTest: 1 };
  const data = await book.data.load(sizes);
  const { sgdRate, rmspropRate, adamRate, momentum, epochs, batchSize } = book.params;
  const length = { numEpochs: epochs, batchSize };
  const at = (learningRate: number) => ({ ...length, optimConfig: { learningRate } });
  const moving = { ...length, updateRule: 'sgdMomentum', optimConfig: { learningRate: sgdRate, momentum } } as const;
  const adam = { ...at(adamRate), updateRule: 'adam' } as const;
  await compareCell(book, 'The rules one over the other', 'rules', data, [
    ['sgd', at(sgdRate), figures.compareSgd],
    ['momentum', moving, figures.compareMomentum],
    ['nesterov', { ...moving, optimConfig: { ...moving.optimConfig, nesterov: true } }],
    ['adagrad', { ...at(sgdRate), updateRule: 'adagrad' }],
    ['rmsprop', { ...at(rmspropRate), updateRule: 'rmsprop' }, figures.compareRmsprop],
    ['adam', adam, figures.compareAdam],
    ['adamw', { ...at(adamRate), updateRule: 'adamw' }],
  ]);
  await compareCell(book, 'Learning rates that fall', 'schedules', data, [
    ['constant', adam],
    ['decay 0.8 an epoch', { ...adam, lrDecay: 0.8 }],
    ['cosine', { ...adam, schedule: 'cosine' }],
  ]);
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

export const optimizers: Notebook<typeof params> = { name: 'optimizers', title: 'Update rules', params, run };
