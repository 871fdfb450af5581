/** Every layer of the modular nets. */
import type { Book, Notebook } from './book.js';
import {
  affineCells,
  affineReluCell,
  convCells,
  convSandwichCells,
  dropoutCells,
  lossCell,
  poolCells,
  reluCells,
} from './layerCells.js';

async function run(book: Book): Promise<void> {
  for (const cells of [affineCells, reluCells, lossCell, dropoutCells, convCells, poolCells]) await cells(book);
  await convSandwichCells(book);
  await affineReluCell(book);
}

export const modularLayers: Notebook = {
  name: 'modular-layers',
  title: 'Modular neural nets: layers',
  params: {},
  run,
};
