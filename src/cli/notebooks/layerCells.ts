/** Cells that several notebooks have: a layer, its output against printed numbers, its gradients against numeric ones. */
import {
  affineBackward,
  affineForward,
  affineReluBackward,
  affineReluForward,
  convBackward,
  convForward,
  convReluBackward,
  convReluForward,
  convReluPoolBackward,
  convReluPoolForward,
  dropoutBackward,
  dropoutForward,
  evalNumericalGradient,
  maxPoolBackwardNaive,
  maxPoolForwardNaive,
  random,
  relError,
  reluBackward,
  reluForward,
  scope,
  softmaxLoss,
  svmLoss,
} from '../../index.js';
import type { Book } from './book.js';
import { checkLayer, labels, randn, relErrorTo, spaced } from './checks.js';
import { arrays, figures } from './figures.js';

/** 231 is the seed of all seeded cells. */
const seed = () => random.seed(231);

export async function affineCells(book: Book): Promise<void> {
  await book.cell('Affine layer: forward', (cell) => {
    scope(() => {
      const [out] = affineForward(spaced(-0.1, 0.5, 2, 4, 5, 6), spaced(-0.2, 0.3, 120, 3), spaced(-0.3, 0.1, 3));
      cell.figure('difference', relErrorTo(out, arrays.affineForward), figures.affineForward);
    });
  });
  await book.cell('Affine layer: backward', (cell) => {
    scope(() => {
      seed();
      const [x, w, b, dout] = [randn(10, 2, 3), randn(6, 5), randn(5), randn(10, 5)];
      const [, cache] = affineForward(x, w, b);
      const gradients = affineBackward(dout, cache);
      const named = [
        ['dx error', figures.affineDx],
        ['dw error', figures.affineDw],
        ['db error', figures.affineDb],
      ] as const;
      checkLayer(cell, () => affineForward(x, w, b)[0], dout, [x, w, b], gradients, named);
      const printed = Math.max(...gradients[1].data.map((value, i) => Math.abs(value - arrays.affineDw[i])));
      cell.figure('dw itself, largest difference', printed, figures.affineDwMatrix);
    });
  });
}

export async function reluCells(book: Book): Promise<void> {
  await book.cell('ReLU: forward and backward', (cell) => {
    scope(() => {
      const [out] = reluForward(spaced(-0.5, 0.5, 3, 4));
      cell.figure('difference', relErrorTo(out, arrays.reluForward), figures.reluForward);
      seed();
      const [x, dout] = [randn(10, 10), randn(10, 10)];
      const dx = reluBackward(dout, reluForward(x)[1]);
      checkLayer(cell, () => reluForward(x)[0], dout, [x], [dx], [['dx error', figures.reluDx]]);
    });
  });
}

export async function affineReluCell(book: Book): Promise<void> {
  await book.cell('Affine and ReLU in one', (cell) => {
    scope(() => {
      seed();
      const [x, w, b, dout] = [randn(2, 3, 4), randn(12, 10), randn(10), randn(2, 10)];
      const gradients = affineReluBackward(dout, affineReluForward(x, w, b)[1]);
      const named = [
        ['dx error', figures.affineReluDx],
        ['dw error', figures.affineReluDw],
        ['db error', figures.affineReluDb],
      ] as const;
      checkLayer(cell, () => affineReluForward(x, w, b)[0], dout, [x, w, b], gradients, named);
    });
  });
}

export async function lossCell(book: Book, which: 'both' | 'softmax' = 'both'): Promise<void> {
  await book.cell(which === 'both' ? 'Losses: SVM and softmax' : 'Loss: softmax', (cell) => {
    scope(() => {
      seed();
      const x = scope(() => randn(50, 10));
      x.data.forEach((value, i) => {
        x.data[i] = 0.001 * value;
      });
      const y = labels(10, 50);
      const losses = [
        ['SVM', svmLoss, figures.svmLoss, figures.svmDx],
        ['softmax', softmaxLoss, figures.softmaxLoss, figures.softmaxDx],
      ] as const;
      for (const [name, of, loss, gradient] of which === 'both' ? losses : losses.slice(1)) {
        const [value, dx] = of(x, y);
        cell.figure(`${name} loss`, value, loss);
        cell.figure(
          `${name} dx error`,
          relError(
            evalNumericalGradient(() => of(x, y)[0], x),
            dx,
          ),
          gradient,
        );
      }
    });
  });
}

export async function dropoutCells(book: Book): Promise<void> {
  await book.cell('Dropout: forward', (cell) => {
    scope(() => {
      random.seed(4);
      const x = randn(100, 100);
      const share = (mode: 'train' | 'test') => {
        const [out] = dropoutForward(x, { p: 0.25, mode, seed: 7 });
        return out.data.filter((value) => value !== 0).length / out.size;
      };
      cell.figure('share kept in training, p = 0.25', share('train'), figures.dropoutKept);
      cell.figure('share kept in testing', share('test'), figures.dropoutTest);
      cell.note('p is the probability of keeping a unit; what is kept is divided by p, so that the mean stays.');
      const mean = (p: number) => dropoutForward(x, { p, mode: 'train', seed: 7 })[0].mean();
      cell.table(
        ['p', 'mean of x', 'mean in training', 'mean in testing'],
        [0.25, 0.4, 0.7].map((p) => [
          String(p),
          x.mean().toFixed(5),
          mean(p).toFixed(5),
          dropoutForward(x, { p, mode: 'test' })[0].mean().toFixed(5),
        ]),
      );
    });
  });
  await book.cell('Dropout: backward', (cell) => {
    scope(() => {
      random.seed(231);
      const [x, dout] = [randn(5, 4), randn(5, 4)];
      const param = { p: 0.8, mode: 'train', seed: 123 } as const;
      const [, cache] = dropoutForward(x, param);
      const dropped = cache.mask?.data.filter((value) => value === 0).length;
      cell.figure('mask of seed 123', `${dropped} of 20 dropped`, figures.dropoutMask);
      const dx = dropoutBackward(dout, cache);
      checkLayer(cell, () => dropoutForward(x, param)[0], dout, [x], [dx], [['dx error', figures.dropoutDx]]);
    });
  });
}

const same = { stride: 1, pad: 1 } as const;
const half = { poolHeight: 2, poolWidth: 2, stride: 2 } as const;

export async function convCells(book: Book): Promise<void> {
  await book.cell('Convolution: forward', (cell) => {
    scope(() => {
      const x = spaced(-0.1, 0.5, 2, 3, 4, 4);
      const [out] = convForward(x, spaced(-0.2, 0.3, 3, 3, 4, 4), spaced(-0.1, 0.2, 3), { stride: 2, pad: 1 });
      cell.figure('difference', relErrorTo(out, arrays.convForward), figures.convForward);
    });
  });
  await book.cell('Convolution: backward', (cell) => {
    scope(() => {
      seed();
      const [x, w, b, dout] = [randn(4, 3, 5, 5), randn(2, 3, 3, 3), randn(2), randn(4, 2, 5, 5)];
      const gradients = convBackward(dout, convForward(x, w, b, same)[1]);
      const named = [
        ['dx error', figures.convDx],
        ['dw error', figures.convDw],
        ['db error', figures.convDb],
      ] as const;
      checkLayer(cell, () => convForward(x, w, b, same)[0], dout, [x, w, b], gradients, named);
    });
  });
}

export async function poolCells(book: Book): Promise<void> {
  await book.cell('Max pooling: forward and backward', (cell) => {
    scope(() => {
      const [out] = maxPoolForwardNaive(spaced(-0.3, 0.4, 2, 3, 4, 4), half);
      cell.figure('difference', relErrorTo(out, arrays.poolForward), figures.poolForward);
      seed();
      const [x, dout] = [randn(3, 2, 8, 8), randn(3, 2, 4, 4)];
      const dx = maxPoolBackwardNaive(dout, maxPoolForwardNaive(x, half)[1]);
      checkLayer(cell, () => maxPoolForwardNaive(x, half)[0], dout, [x], [dx], [['dx error', figures.poolDx]]);
    });
  });
}

export async function convSandwichCells(book: Book): Promise<void> {
  await book.cell('Convolution, ReLU and pooling in one', (cell) => {
    scope(() => {
      seed();
      const [x, w, b, dout] = [randn(2, 3, 16, 16), randn(3, 3, 3, 3), randn(3), randn(2, 3, 8, 8)];
      const gradients = convReluPoolBackward(dout, convReluPoolForward(x, w, b, same, half)[1]);
      const named = [
        ['dx error', figures.convReluPoolDx],
        ['dw error', figures.convReluPoolDw],
        ['db error', figures.convReluPoolDb],
      ] as const;
      checkLayer(cell, () => convReluPoolForward(x, w, b, same, half)[0], dout, [x, w, b], gradients, named);
    });
  });
  await book.cell('Convolution and ReLU in one', (cell) => {
    scope(() => {
      seed();
      const [x, w, b, dout] = [randn(2, 3, 8, 8), randn(3, 3, 3, 3), randn(3), randn(2, 3, 8, 8)];
      const gradients = convReluBackward(dout, convReluForward(x, w, b, same)[1]);
      const named = [
        ['dx error', figures.convReluDx],
        ['dw error', figures.convReluDw],
        ['db error', figures.convReluDb],
      ] as const;
      checkLayer(cell, () => convReluForward(x, w, b, same)[0], dout, [x, w, b], gradients, named);
    });
  });
}
