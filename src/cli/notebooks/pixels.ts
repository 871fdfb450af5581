/** Pictures made of images and of weights that look like images. */
import { add, RandomState, scope, type Tensor, visualizeGrid } from '../../index.js';
import { captioned, headed, type Image, png } from './images.js';

/** Images as (N, H, W, C), from (N, C, H, W) or rows of (H, W, C). */
export function asPictures(X: Tensor): Tensor {
  return X.rank === 4 ? X.transpose(0, 2, 3, 1) : X.reshape(X.shape[0], 32, 32, 3);
}

/** A column for each class with seven of its images. mean: what was subtracted from them. */
export function samples(X: Tensor, y: Tensor, classes: readonly string[], mean?: Tensor): Image {
  return scope(() => {
    const random = new RandomState(0);
    const found = classes.map((_, label) => {
      const places = [...y.data.keys()].filter((i) => y.data[i] === label);
      const picked = random.choice(places.length, [Math.min(7, places.length)], false) as Tensor;
      return [...picked.data].map((i) => places[i]);
    });
    const rows = Math.min(...found.map((places) => places.length));
    const indices = Array.from({ length: rows }, (_, row) => found.map((places) => places[row])).flat();
    const some = X.take(indices);
    const plain = mean ? add(some, mean) : some;
    const grid = visualizeGrid(asPictures(plain), { columns: classes.length, padding: 2, stretch: 'none' });
    return headed(grid, { scale: 2, columns: classes });
  });
}

/** Columns for so many tiles that leave no gap, where there are such between a square and three times as wide. */
export function columnsFor(tiles: number): number {
  const side = Math.ceil(Math.sqrt(tiles));
  const even = Array.from({ length: 2 * side }, (_, i) => side + i).find((columns) => tiles % columns === 0);
  return even ?? side;
}

/** First-layer weights, a tile for each unit; W: (units, D), D in the order of `layout`. */
export function weightGrid(W: Tensor, layout: 'HWC' | 'CHW', { padding = 3, scale = 2, most = 256 } = {}): Image {
  return scope(() => {
    const units = Math.min(most, W.shape[0]);
    const rows = W.rows(0, units);
    const tiles =
      layout === 'HWC' ? rows.reshape(units, 32, 32, 3) : rows.reshape(units, 3, 32, 32).transpose(0, 2, 3, 1);
    return png(visualizeGrid(tiles, { padding, columns: columnsFor(units) }), scale);
  });
}

/** Weights (D, C) of a linear classifier without its bias as pictures, on one scale, above the names of the classes. */
export function templates(W: Tensor, classes: readonly string[]): Image {
  return scope(() => {
    const tiles = W.rows(0, 3072).transpose().reshape(classes.length, 32, 32, 3);
    const column = visualizeGrid(tiles, { columns: 1, padding: 0, stretch: 'all' });
    const pictures = classes.map((words, i) => ({ picture: column.rows(32 * i, 32 * (i + 1)), words }));
    return captioned(pictures, { columns: Math.ceil(classes.length / 2), scale: 4 });
  });
}
