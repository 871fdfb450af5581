/** Convolution and pooling: gradients, image processing with hand-made filters, naive against fast. */
import {
  convBackwardFast,
  convBackwardNaive,
  convForwardFast,
  convForwardNaive,
  maxPoolBackwardFast,
  maxPoolBackwardNaive,
  maxPoolForwardFast,
  maxPoolForwardNaive,
  random,
  relError,
  scope,
  sub,
  syntheticImages,
  type Tensor,
  timeFunction,
  visualizeGrid,
  zeros,
} from '../../index.js';
import { type Book, formatSeconds, type Notebook } from './book.js';
import { float64, numbersOf, randn } from './checks.js';
import { figures } from './figures.js';
import { captioned } from './images.js';
import { convCells, convSandwichCells, poolCells } from './layerCells.js';
import { plot } from './plots.js';

/** Grey, and horizontal edges of blue, as two filters of one convolution. */
async function processingCell(book: Book): Promise<void> {
  await book.cell('Images through filters', (cell) => {
    scope(() => {
      const { X } = syntheticImages({ num: 2, size: 200, seed: 5, ...float64 });
      const w = zeros([2, 3, 3, 3], float64);
      const set = (filter: number, channel: number, row: number, values: readonly number[]) => {
        w.data.set(values, ((filter * 3 + channel) * 3 + row) * 3);
      };
      for (const [channel, share] of [0.3, 0.6, 0.1].entries()) set(0, channel, 1, [0, share, 0]);
      set(1, 2, 0, [1, 2, 1]);
      set(1, 2, 2, [-1, -2, -1]);
      const b = zeros([2], float64);
      b.data[1] = 128;
      const [out] = convForwardFast(X, w, b, { stride: 1, pad: 1 });
      const colours = X.transpose(0, 2, 3, 1);
      const plane = (image: number, filter: number) => {
        const values = out
          .rows(image, image + 1)
          .reshape(2, 200, 200)
          .rows(filter, filter + 1);
        return visualizeGrid(values.reshape(1, 200, 200, 1)).reshape(200, 200, 1);
      };
      const tiles = [0, 1].flatMap((i) => [
        { picture: colours.rows(i, i + 1).reshape(200, 200, 3), words: 'image' },
        { picture: plane(i, 0), words: 'grey' },
        { picture: plane(i, 1), words: 'horizontal edges of blue' },
      ]);
      cell.picture(
        'filters',
        'Each output of the convolution is stretched to black and white.',
        captioned(tiles, { columns: 3 }),
      );
    });
  });
}

const largest = (a: Tensor, b: Tensor) => {
  return scope(() =>
    Math.max(...[sub(a, b)].map((t) => numbersOf(t).reduce((most, v) => Math.max(most, Math.abs(v)), 0))),
  );
};

async function fastCells(book: Book): Promise<void> {
  const speeds: { name: string; naive: number; fast: number }[] = [];
  const race = (name: string, naive: () => unknown, fast: () => unknown) => {
    const best = (f: () => unknown, times: number) => Math.min(...Array.from({ length: times }, () => timeFunction(f)));
    speeds.push({ name, naive: best(naive, 1), fast: best(fast, 5) });
  };
  await book.cell('Fast convolution', (cell) => {
    scope(() => {
      random.seed(231);
      const N = book.size(100, 10);
      const [x, w, b, dout] = [randn(N, 3, 31, 31), randn(25, 3, 3, 3), randn(25), randn(N, 25, 16, 16)];
      const param = { stride: 2, pad: 1 };
      const [slow, slowCache] = convForwardNaive(x, w, b, param);
      const [fast, fastCache] = convForwardFast(x, w, b, param);
      cell.figure('out', relError(fast, slow), figures.fastConvOut);
      const naive = convBackwardNaive(dout, slowCache);
      const quick = convBackwardFast(dout, fastCache);
      for (const [i, [name, expected]] of (
        [
          ['dx', figures.fastConvDx],
          ['dw', figures.fastConvDw],
          ['db', figures.fastConvDb],
        ] as const
      ).entries()) {
        cell.figure(name, relError(quick[i], naive[i]), expected);
      }
      race(
        'convolution forward',
        () => convForwardNaive(x, w, b, param),
        () => convForwardFast(x, w, b, param),
      );
      race(
        'convolution backward',
        () => convBackwardNaive(dout, slowCache),
        () => convBackwardFast(dout, fastCache),
      );
    });
  });
  await book.cell('Fast pooling', (cell) => {
    scope(() => {
      random.seed(231);
      const N = book.size(100, 10);
      const [x, dout] = [randn(N, 3, 32, 32), randn(N, 3, 16, 16)];
      const param = { poolHeight: 2, poolWidth: 2, stride: 2 };
      const [slow, slowCache] = maxPoolForwardNaive(x, param);
      const [fast, fastCache] = maxPoolForwardFast(x, param);
      cell.figure('largest difference, out', largest(slow, fast), figures.fastPoolOut);
      const [naive, quick] = [maxPoolBackwardNaive(dout, slowCache), maxPoolBackwardFast(dout, fastCache)];
      cell.figure('largest difference, dx', largest(naive, quick), figures.fastPoolDx);
      race(
        'pooling forward',
        () => maxPoolForwardNaive(x, param),
        () => maxPoolForwardFast(x, param),
      );
      race(
        'pooling backward',
        () => maxPoolBackwardNaive(dout, slowCache),
        () => maxPoolBackwardFast(dout, fastCache),
      );
    });
  });
  await book.cell('How fast', (cell) => {
    cell.table(
      ['layer', 'naive', 'fast', 'times as fast'],
      speeds.map(({ name, naive, fast }) => [
        name,
        formatSeconds(naive),
        formatSeconds(fast),
        (naive / fast).toFixed(1),
      ]),
    );
    const panel = {
      x: { label: '', names: speeds.map(({ name }) => name) },
      y: { label: 'times as fast', min: 0 },
      series: [
        {
          name: 'speed-up',
          look: 'bars' as const,
          points: speeds.map(({ naive, fast }, i) => [i, naive / fast] as const),
        },
      ],
    };
    cell.picture('speed', 'Float64, one pass over the batch.', plot([panel]));
    cell.note('The notebooks print speed-ups in the hundreds: their naive loops are Python. Here both are compiled.');
  });
}

async function run(book: Book): Promise<void> {
  await convCells(book);
  await processingCell(book);
  await poolCells(book);
  await fastCells(book);
  await convSandwichCells(book);
}

export const cnnLayers: Notebook = { name: 'cnn-layers', title: 'Layers of convolutional nets', params: {}, run };
