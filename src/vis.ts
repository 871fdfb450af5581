/** Tensors as pictures: grids of tiles, and pixels for ImageData in pages or a PNG writer in Node. */
import { checkNumber, checkOptions, describe, formatShape, ShapeError, ValueError } from './errors.js';
import { isTensor, type Tensor, zeros } from './tensor.js';

export interface GridOptions {
  /** What the largest value of a tile becomes; 255 by default. */
  ubound?: number;
  /** Black pixels between neighbouring tiles; 1 by default. */
  padding?: number;
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

/**
 * Images (N, H, W, C) as one picture (GH, GW, C): ceil(sqrt(N)) tiles in a row and as many rows, from left to right and
 * from the top. Each tile is stretched to 0..ubound by its own least and largest value; a tile without contrast is black,
 * as are the gaps between tiles and the places left over. Numbers that are not finite count as the least.
 * The result is float64 for float64 images, else float32, in the current scope.
 *
 * First-layer weights (3*32*32, hidden) as tiles:
 * `visualizeGrid(w1.transpose().reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), { padding: 3 })`.
 *
 * After visualize_grid of the course's vis_utils.py.
 */
export function visualizeGrid(images: Tensor, options: GridOptions = {}): Tensor {
  const where = 'visualizeGrid';
  checkOptions(where, options, ['ubound', 'padding']);
  const { ubound = 255, padding = 1 } = options;
  const [n, h, w, c] = checkImage(where, 'images', images, ['N', 'H', 'W', 'C']).shape as [
    number,
    number,
    number,
    number,
  ];
  checkNumber(where, 'ubound', ubound);
  checkNumber(where, 'padding', padding, { low: 0, integer: true });
  const columns = Math.ceil(Math.sqrt(n));
  const extent = (side: number) => side * columns + padding * (columns - 1);
  const grid = zeros([extent(h), extent(w), c], { dtype: images.dtype === 'float64' ? 'float64' : 'float32' });
  const from = images.data;
  const to = grid.data;
  const tile = h * w * c;
  for (let i = 0; i < n; i++) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let k = i * tile; k < (i + 1) * tile; k++) {
      const value = from[k] as number;
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (!(high > low)) continue;
    const top = Math.floor(i / columns) * (h + padding);
    const left = (i % columns) * (w + padding);
    for (let y = 0; y < h; y++) {
      const source = i * tile + y * w * c;
      const target = ((top + y) * extent(w) + left) * c;
      for (let k = 0; k < w * c; k++) {
        const value = from[source + k] as number;
        if (Number.isFinite(value)) to[target + k] = (ubound * (value - low)) / (high - low);
      }
    }
  }
  return grid;
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
