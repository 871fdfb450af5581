/** The written problems, run: gradients derived by hand against numeric ones, and questions with a picture for an answer. */
import {
  add,
  affineBackward,
  affineForward,
  evalNumericalGradient,
  layers,
  leakyReluForward,
  matmul,
  mul,
  Network,
  random,
  relError,
  reluForward,
  scope,
  sigmoidForward,
  softmaxLoss,
  sub,
  svmLoss,
  swishBackward,
  swishForward,
  type Tensor,
  tensor,
} from '../../index.js';
import type { Point } from '../points.js';
import { type Book, fixed, type Notebook, show } from './book.js';
import { float64, labels, numbersOf, randn, spaced } from './checks.js';
import { figures } from './figures.js';
import { flow } from './graph.js';
import { count, positive } from './params.js';
import { type Panel, plot } from './plots.js';

const params = {
  learningRate: positive(5e-4, 'Autoencoder: learning rate'),
  hiddenSize: count(3, 'Autoencoder: numbers of the code', 8),
  iterations: count(150, 'Autoencoder: steps', 10000),
};

const sumOfSquares = (t: Tensor) => numbersOf(t).reduce((sum, v) => sum + v * v, 0);

/** W acts twice, so two gradients add up: (W x) rᵀ + (W r) xᵀ with r = Wᵀ W x - x. For columns of x, the sum of them. */
function autoencoder(W: Tensor, x: Tensor): { loss: number; encoder: Tensor; decoder: Tensor } {
  const code = matmul(W, x);
  const r = sub(matmul(W, code, { transA: true }), x);
  return {
    loss: sumOfSquares(r) / 2,
    decoder: matmul(code, r, { transB: true }),
    encoder: matmul(matmul(W, r), x, { transB: true }),
  };
}

async function autoencoderCells(book: Book<typeof params>): Promise<void> {
  await book.cell('A tied autoencoder: gradient', (cell) => {
    scope(() => {
      random.seed(231);
      const [W, x] = [mul(randn(3, 8), 0.3), randn(8, 1)];
      const numeric = evalNumericalGradient(() => autoencoder(W, x).loss, W);
      const { encoder, decoder } = autoencoder(W, x);
      cell.figure('error of the sum of both paths', relError(numeric, add(encoder, decoder)), figures.autoencoder);
      // One path alone: the other W is a copy that stays.
      const fixedW = W.clone();
      const asEncoder = evalNumericalGradient(
        () => sumOfSquares(sub(matmul(fixedW, matmul(W, x), { transA: true }), x)) / 2,
        W,
      );
      const asDecoder = evalNumericalGradient(
        () => sumOfSquares(sub(matmul(W, matmul(fixedW, x), { transA: true }), x)) / 2,
        W,
      );
      cell.figure('error of the path through the encoder', relError(asEncoder, encoder), figures.autoencoderPath);
      cell.figure('error of the path through the decoder', relError(asDecoder, decoder), figures.autoencoderPath);
      const steps = [
        { words: 'x' },
        { words: 'W x', shared: true },
        { words: 'Wᵀ W x', shared: true },
        { words: 'r', arrow: '- x' },
        { words: '½ ‖r‖²' },
      ];
      cell.picture('graph', 'W acts twice, so two gradients come back to it and add up.', flow(steps, 'W'));
      cell.note('The loss is half the squared length of r = Wᵀ W x - x. Its gradient is (W x) rᵀ + (W r) xᵀ.');
    });
  });
  await book.cell('A tied autoencoder: what it learns', (cell) => {
    scope(() => {
      const { learningRate, hiddenSize, iterations } = book.params;
      random.seed(0);
      // Points in eight dimensions that lie in three.
      const [directions, places] = [randn(8, 3), randn(3, 50)];
      const x = matmul(directions, places);
      const W = mul(randn(hiddenSize, 8), 0.1);
      const points: Point[] = [];
      for (let i = 0; i < iterations; i++) {
        scope(() => {
          const { loss, encoder, decoder } = autoencoder(W, x);
          points.push([i, loss / 50]);
          const next = sub(W, mul(add(encoder, decoder), learningRate));
          W.data.set(next.data);
        });
      }
      const { loss } = autoencoder(W, x);
      cell.value('loss of a point before and after', `${fixed(points[0][1], 3)}, ${fixed(loss / 50, 6)}`);
      const product = matmul(W, W, { transA: true });
      const kept = sub(matmul(product, directions), directions);
      cell.value('Wᵀ W d - d for directions d of the data, largest', Math.max(...numbersOf(kept).map(Math.abs)));
      const panel = {
        x: { label: 'step', min: 0 },
        y: { label: 'loss of a point', log: true },
        series: [{ name: 'loss', points }],
      };
      cell.picture('autoencoder', 'Eight numbers squeezed into fewer and back.', plot([panel]));
      cell.note('Where Wᵀ W is the identity on the data, nothing of them is lost: W keeps all information about x.');
    });
  });
}

async function swishCell(book: Book): Promise<void> {
  await book.cell('A net with swish', (cell) => {
    scope(() => {
      random.seed(231);
      const [X, y] = [randn(4, 6), labels(3, 4)];
      const [W1, b1, W2, b2] = [mul(randn(6, 5), 0.5), mul(randn(5), 0.1), mul(randn(5, 3), 0.5), mul(randn(3), 0.1)];
      const forward = () => {
        const [a, first] = affineForward(X, W1, b1);
        const [h, curve] = swishForward(a);
        const [scores, second] = affineForward(h, W2, b2);
        const [loss, dscores] = softmaxLoss(scores, y);
        return { loss, dscores, first, curve, second };
      };
      const { dscores, first, curve, second } = forward();
      const [dh, dW2, db2] = affineBackward(dscores, second);
      const [, dW1, db1] = affineBackward(swishBackward(dh, curve), first);
      const parameters = { W1, b1, W2, b2 };
      const analytic = { W1: dW1, b1: db1, W2: dW2, b2: db2 };
      for (const name of ['W1', 'b1', 'W2', 'b2'] as const) {
        const numeric = evalNumericalGradient(() => forward().loss, parameters[name]);
        cell.figure(`error, ${name}`, relError(numeric, analytic[name]), figures.swish);
      }
      cell.note('swish(k) = k σ(k); its slope is σ(k) + k σ(k) (1 - σ(k)).');
    });
  });
}

async function vanishingCell(book: Book): Promise<void> {
  await book.cell('Gradients that vanish', (cell) => {
    scope(() => {
      const x = spaced(-6, 6, 241);
      const curves: [string, Tensor][] = [
        ['sigmoid', sigmoidForward(x)[0]],
        ['ReLU', reluForward(x)[0]],
        ['leaky ReLU', leakyReluForward(x, { slope: 0.1 })[0]],
        ['swish', swishForward(x)[0]],
      ];
      const values = curves.map(([name, out]) => ({
        name,
        points: Array.from(x.data, (v, i): Point => [v, out.data[i]]),
      }));
      const slopes = values.map(({ name, points }) => ({
        name,
        points: points
          .slice(1)
          .map(([v, height], i): Point => [v - 0.025, (height - points[i][1]) / (v - points[i][0])]),
      }));
      const depth = 8;
      const activations = {
        sigmoid: layers.sigmoid,
        ReLU: layers.relu,
        'leaky ReLU': () => layers.leakyRelu({ slope: 0.1 }),
        swish: layers.swish,
      };
      const norms = Object.entries(activations).map(([name, activation]) => {
        random.seed(231);
        const X = randn(50, 30);
        const y = labels(10, 50);
        const hidden = Array.from({ length: depth }, () => [layers.affine(30), activation()]).flat();
        const model = new Network([...hidden, layers.affine(10)], { inputDim: 30, ...float64 });
        const [, grads] = model.loss(X, y);
        const points = Array.from(
          { length: depth + 1 },
          (_, i): Point => [i + 1, Math.sqrt(sumOfSquares(grads[`W${i + 1}`]))],
        );
        cell.value(`gradient of layer 1 over that of layer ${depth + 1}, ${name}`, points[0][1] / points[depth][1]);
        model.dispose();
        return { name, points, look: 'both' as const };
      });
      const panels: Panel[] = [
        { title: 'Activations', x: { label: 'input' }, y: { label: 'output' }, series: values },
        { title: 'Their slopes', x: { label: 'input' }, y: { label: 'slope' }, series: slopes },
        {
          title: 'Gradients in a deep net',
          x: { label: 'layer', min: 1, max: depth + 1, whole: true },
          y: { label: 'length of dW', log: true },
          series: norms,
        },
      ];
      cell.picture('vanishing', 'Where slopes are small, gradients shrink from layer to layer.', plot(panels));
      cell.note(
        'The slope of the sigmoid is at most a quarter and next to nothing for large inputs of either sign; ' +
          'that of the ReLU is 0 for negative ones; the leaky ReLU always has one.',
      );
    });
  });
}

async function kinkCell(book: Book): Promise<void> {
  await book.cell('A gradient check at a kink', (cell) => {
    scope(() => {
      // One wrong class, whose margin is the distance from the kink.
      const error = (margin: number, h: number) => {
        return scope(() => {
          const scores = tensor([[0, margin - 1]], float64);
          const numeric = evalNumericalGradient(() => svmLoss(scores, [0])[0], scores, { h });
          return relError(numeric, svmLoss(scores, [0])[1]);
        });
      };
      cell.figure('error far from the kink', error(0.5, 1e-5), figures.svmKink);
      cell.value('error at a margin of 1e-6, steps of 1e-5', error(1e-6, 1e-5));
      cell.figure('error at a margin of 1e-6, steps of 1e-7', error(1e-6, 1e-7), {
        ...figures.svmKink,
        rule: { below: 1e-6 },
      });
      const x = Array.from({ length: 241 }, (_, i) => -1.2e-4 + i * 1e-6);
      const points = (h: number) => x.map((margin): Point => [margin, error(margin + 1e-12, h)]);
      const panel = {
        x: { label: 'margin' },
        y: { label: 'relative error' },
        series: [1e-5, 5e-5].map((h) => ({ name: `steps of ${show(h)}`, points: points(h) })),
      };
      cell.picture('kink', 'Steps that reach across the kink see a slope that is neither one side’s.', plot([panel]));
      cell.note('The hinge has no derivative at margin 0. With smaller steps fewer points come near it.');
    });
  });
}

async function run(book: Book<typeof params>): Promise<void> {
  await autoencoderCells(book);
  await swishCell(book);
  await vanishingCell(book);
  await kinkCell(book);
}

const title = 'Written problems and questions';
export const writtenProblems: Notebook<typeof params> = { name: 'written-problems', title, params, run };
