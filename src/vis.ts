/** Tensors as pictures: grids of tiles, and pixels for ImageData in pages or a PNG writer in Node. */
import { checkChoice, checkNumber, checkOptions, describe, formatShape, ShapeError, ValueError } from './errors.js';
import { isTensor, type Tensor, zeros } from './tensor.js';

export interface GridOptions {
  /** What the largest value of a tile becomes; 255 by default. */
  ubound?: number;
  /** Black pixels between neighbouring tiles; 1 by default. */
  padding?: number;
  /** Tiles in a row; by default as many as rows or one more: ceil(sqrt(N)). */
  columns?: number;
  /**
   * What lies between the least and the largest value of which the tiles are stretched to 0..ubound: 'tile' (default) each by
   * its own, 'all' all by the same, so that they can be compared, 'none' not at all: pixels as they are.
   */
  stretch?: 'tile' | 'all' | 'none';
}

/** What `new ImageData(data, width, height)` takes, and PNG writers too: RGBA, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

function checkImage(where: string, argument: string, value: unknown, axes: readonly string[]): Tensor {
  const fits = isTensor(value) && value.rank === axes.length && value.shape.every((n) => n > 0);
  if (fits) return value;
  const rule = `a tensor (${axes.join(', ')}) without empty axes`;
  throw new ShapeError({ where, argument, rule, value: isTensor(value) ? formatShape(value.shape) : describe(value) });
}

/** Least and largest of the finite numbers among elements [from, to). */
function range(data: ArrayLike<number>, from: number, to: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let k = from; k < to; k++) {
    const value = data[k] as number;
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/**
 * Images (N, H, W, C) as one picture (GH, GW, C): tiles from left to right and from the top, ceil(sqrt(N)) in a row and as
 * many rows unless `columns` says otherwise. Each tile is stretched to 0..ubound by its own least and largest value, see
 * `stretch`; a tile without contrast is black, as are the gaps between tiles and the places left over. Numbers that are not
 * finite count as the least. The result is float64 for float64 images, else float32, in the current scope.
 *
 * First-layer weights (3*32*32, hidden) as tiles:
 * `visualizeGrid(w1.transpose().reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), { padding: 3 })`.
 * A matrix (M, N), of distances for instance, as a grey picture: `visualizeGrid(dists.reshape(1, M, N, 1))`.
 *
 * After visualize_grid of the course's vis_utils.py.
 */
export function visualizeGrid(images: Tensor, options: GridOptions = {}): Tensor {
  const where = 'visualizeGrid';
  checkOptions(where, options, ['ubound', 'padding', 'columns', 'stretch']);
  const { ubound = 255, padding = 1, stretch = 'tile' } = options;
  const [n, h, w, c] = checkImage(where, 'images', images, ['N', 'H', 'W', 'C']).shape as [
    number,
    number,
    number,
    number,
  ];
  const side = Math.ceil(Math.sqrt(n));
  const { columns = side } = options;
  checkNumber(where, 'ubound', ubound);
  checkNumber(where, 'padding', padding, { low: 0, integer: true });
  checkNumber(where, 'columns', columns, { low: 1, integer: true });
  checkChoice(where, 'stretch', stretch, ['tile', 'all', 'none']);
  const rows = options.columns === undefined ? side : Math.ceil(n / columns);
  const extent = (size: number, tiles: number) => size * tiles + padding * (tiles - 1);
  const width = extent(w, columns);
  const grid = zeros([extent(h, rows), width, c], { dtype: images.dtype === 'float64' ? 'float64' : 'float32' });
  const from = images.data;
  const to = grid.data;
  const tile = h * w * c;
  const all = stretch === 'all' ? range(from, 0, from.length) : [0, 1];
  const peak = stretch === 'none' ? 1 : ubound;
  for (let i = 0; i < n; i++) {
    const [low, high] = (stretch === 'tile' ? range(from, i * tile, (i + 1) * tile) : all) as [number, number];
    if (!(high > low)) continue;
    const top = Math.floor(i / columns) * (h + padding);
    const left = (i % columns) * (w + padding);
    for (let y = 0; y < h; y++) {
      const source = i * tile + y * w * c;
      const target = ((top + y) * width + left) * c;
      for (let k = 0; k < w * c; k++) {
        const value = from[source + k] as number;
        if (Number.isFinite(value)) to[target + k] = (peak * (value - low)) / (high - low);
      }
    }
  }
  return grid;
}

/** Cosine and sine of 10, 30, … 170 degrees: the middles of the nine bins. */
const DIRECTIONS = [
  [0.984807753012208, 0.17364817766693033],
  [0.8660254037844387, 0.5],
  [0.6427876096865394, 0.766044443118978],
  [0.3420201433256688, 0.9396926207859083],
  [0, 1],
  [-0.3420201433256687, 0.9396926207859084],
  [-0.6427876096865394, 0.766044443118978],
  [-0.8660254037844387, 0.5],
  [-0.984807753012208, 0.17364817766693033],
] as const;

/**
 * A histogram of oriented gradients as a grey picture (H, W, 1) with values 0..255: in each cell a line for each direction
 * in which its edges run, the brighter the stronger. In the current scope, of the type of the histogram (float32 for int32).
 *
 * @param hog what hogFeature makes of an image: nine numbers for each cell, cells by column, then row
 * @param options rows: of cells, by default as many as columns; cellSize: pixels of a cell's side, default 16
 */
export function visualizeHog(hog: Tensor, options: { rows?: number; cellSize?: number } = {}): Tensor {
  const where = 'visualizeHog';
  checkOptions(where, options, ['rows', 'cellSize']);
  const cells = isTensor(hog) ? hog.size / 9 : 0;
  if (!isTensor(hog) || cells === 0 || !Number.isInteger(cells)) {
    const rule = 'a tensor with nine numbers for each cell';
    throw new ShapeError({ where, argument: 'hog', rule, value: describe(hog) });
  }
  const { rows = Math.round(Math.sqrt(cells)), cellSize = 16 } = options;
  checkNumber(where, 'rows', rows, { low: 1, integer: true });
  checkNumber(where, 'cellSize', cellSize, { low: 3, integer: true });
  const columns = cells / rows;
  if (!Number.isInteger(columns)) {
    throw new ShapeError({
      where,
      argument: 'hog',
      rule: `nine numbers for each cell of ${rows} rows`,
      value: describe(hog),
    });
  }
  const from = hog.data;
  const [, high] = range(from, 0, from.length);
  const picture = zeros([rows * cellSize, columns * cellSize, 1], {
    dtype: hog.dtype === 'float64' ? 'float64' : 'float32',
  });
  const to = picture.data;
  const middle = (cellSize - 1) / 2;
  const thickness = Math.max(1, cellSize / 16);
  for (let cell = 0; cell < cells; cell++) {
    const left = Math.floor(cell / rows) * cellSize;
    const top = (cell % rows) * cellSize;
    for (const [bin, [cos, sin]] of DIRECTIONS.entries()) {
      const strength = (from[cell * 9 + bin] as number) / high;
      if (!(strength > 0)) continue;
      for (let y = 0; y < cellSize; y++) {
        for (let x = 0; x < cellSize; x++) {
          const [u, v] = [x - middle, y - middle];
          // Angles are those of the gradients plus 90 degrees, which is the direction of the edge.
          const beside = Math.abs(u * sin - v * cos);
          const along = Math.abs(u * cos + v * sin);
          const cover = Math.min(1, Math.max(0, thickness + 0.2 - beside)) * Math.min(1, Math.max(0, middle - along));
          const at = (top + y) * columns * cellSize + left + x;
          if (255 * strength * cover > (to[at] as number)) to[at] = 255 * strength * cover;
        }
      }
    }
  }
  return picture;
}

/**
 * A picture (H, W, C) with values 0..255 as RGBA bytes, ready for `new ImageData(data, width, height)` in a page. C is 1
 * (grey), 3 (RGB) or 4 (RGBA). Values are rounded and clamped. scale (1): every value becomes scale x scale pixels.
 */
export function toPixels(image: Tensor, options: { scale?: number } = {}): Pixels {
  const where = 'toPixels';
  checkOptions(where, options, ['scale']);
  const { scale = 1 } = options;
  const [h, w, c] = checkImage(where, 'image', image, ['H', 'W', 'C']).shape as [number, number, number];
  if (c !== 1 && c !== 3 && c !== 4) {
    const rule = '(H, W, C) with C = 1, 3 or 4';
    throw new ShapeError({ where, argument: 'image', rule, value: formatShape(image.shape) });
  }
  checkNumber(where, 'scale', scale, { low: 1, integer: true });
  const width = w * scale;
  const height = h * scale;
  if (width * height > 2 ** 28) {
    throw new ValueError({
      where,
      rule: `a picture of ${width} x ${height} pixels is too large`,
      hint: 'use a smaller scale',
    });
  }
  const from = image.data;
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < h; y++) {
    const row = 4 * y * scale * width;
    for (let x = 0; x < width; x++) {
      const source = (y * w + Math.floor(x / scale)) * c;
      const target = row + 4 * x;
      for (let channel = 0; channel < 3; channel++) {
        data[target + channel] = from[source + (c === 1 ? 0 : channel)] as number;
      }
      data[target + 3] = c === 4 ? (from[source + 3] as number) : 255;
    }
    for (let copy = 1; copy < scale; copy++) data.copyWithin(row + 4 * copy * width, row, row + 4 * width);
  }
  return { width, height, data };
}
