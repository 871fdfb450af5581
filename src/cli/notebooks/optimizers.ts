/** Update rules: single steps, runs over one another, and what their steps look like. */
import { adagrad, adam, rmsprop, scope, sgd, sgdMomentum, type Tensor, tensor } from '../../index.js';
import type { Book, Notebook } from './book.js';
import { float64 } from './checks.js';
import { figures } from './figures.js';
import { type Point, plot } from './plots.js';
import { adagradCell, adaptiveCell, compareCell, momentumCell } from './updateCells.js';

type Step = (w: Tensor, dw: Tensor) => unknown;

/** Ways down a long valley, ten times as steep across as along. */
async function valleyCell(book: Book): Promise<void> {
  await book.cell('Ways down a valley', (cell) => {
    const rules: [string, () => Step][] = [
      ['sgd', () => (w, dw) => sgd(w, dw, { learningRate: 0.18 })],
      ['momentum', () => stateful(sgdMomentum, { learningRate: 0.02, momentum: 0.9 })],
      ['nesterov', () => stateful(sgdMomentum, { learningRate: 0.02, momentum: 0.9, nesterov: true })],
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

async function run(book: Book): Promise<void> {
  await momentumCell(book);
  await adaptiveCell(book);
  await valleyCell(book);
  await adagradCell(book);
  const sizes = { numTraining: book.size(4000, 500), numValidation: book.size(1000, 100), numTest: 1 };
  const data = await book.data.load(sizes);
  const at = (learningRate: number) => ({ learningRate });
  await compareCell(book, 'The rules one over the other', 'rules', data, [
    ['sgd', { optimConfig: at(5e-3) }, figures.compareSgd],
    ['momentum', { updateRule: 'sgdMomentum', optimConfig: at(5e-3) }, figures.compareMomentum],
    ['nesterov', { updateRule: 'sgdMomentum', optimConfig: { ...at(5e-3), nesterov: true } }],
    ['adagrad', { updateRule: 'adagrad', optimConfig: at(5e-3) }],
    ['rmsprop', { updateRule: 'rmsprop', optimConfig: at(1e-4) }, figures.compareRmsprop],
    ['adam', { updateRule: 'adam', optimConfig: at(1e-3) }, figures.compareAdam],
    ['adamw', { updateRule: 'adamw', optimConfig: at(1e-3) }],
  ]);
  await compareCell(book, 'Learning rates that fall', 'schedules', data, [
    ['constant', { updateRule: 'adam', optimConfig: at(1e-3) }],
    ['decay 0.8 an epoch', { updateRule: 'adam', optimConfig: at(1e-3), lrDecay: 0.8 }],
    ['cosine', { updateRule: 'adam', optimConfig: at(1e-3), schedule: 'cosine' }],
  ]);
  for (const t of [data.XTrain, data.yTrain, data.XVal, data.yVal, data.XTest, data.yTest, data.meanImage]) t.dispose();
}

export const optimizers: Notebook = { name: 'optimizers', title: 'Update rules', run };
