// Numbers as pictures on canvases, as sharp squares in device pixels.
//
// What is drawn is a row of tiles: { count, width, height, paint(i, rgba) }, where paint writes the pixels of tile i. A canvas is
// filled in one go: hundreds of small pictures a second would cost more by the calls than by the pixels.
import { colourNumbers } from './theme.js';

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** Images of a set of pictures (bytes, channel by channel), those with these indices. */
export function imageTiles(pixels, indices, shape) {
  const [channels, height, width] = shape;
  const plane = height * width;
  const paint = (i, rgba) => {
    const at = indices[i] * sizeOf(shape);
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < 3; c++) rgba[4 * p + c] = pixels[at + (channels === 3 ? c * plane : 0) + p];
    }
  };
  return { count: indices.length, width, height, paint };
}

/**
 * First-layer weights as coloured tiles: filters (F, C, H, W), or columns of (C·H·W, units), which look at whole images.
 * Grey is zero; each tile has a scale of its own. undefined: they look at no pixels.
 */
export function filterTiles({ shape, data }, imageShape) {
  if (shape.length === 4) {
    const [count, ...filter] = shape;
    return weightTiles(data, count, filter, (i, k) => i * sizeOf(filter) + k);
  }
  const [inputs, count] = shape;
  return inputs === sizeOf(imageShape) ? weightTiles(data, count, imageShape, (i, k) => k * count + i) : undefined;
}

/** place(i, k): where number k of tile i is. */
function weightTiles(data, count, shape, place) {
  const [channels, height, width] = shape;
  const plane = height * width;
  const paint = (i, rgba) => {
    let most = 1e-12;
    for (let k = 0; k < channels * plane; k++) most = Math.max(most, Math.abs(data[place(i, k)]));
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < 3; c++) {
        const value = data[place(i, (channels === 3 ? c : 0) * plane + p)];
        rgba[4 * p + c] = 128 + (127 * value) / most;
      }
    }
  };
  return { count, width, height, paint };
}

/** Maps (C, H, W), or C numbers, between the page's two colours; the largest of all maps is the brightest. */
export function mapTiles(data, [count, height = 1, width = 1]) {
  const low = colourNumbers('--map-low');
  const high = colourNumbers('--map-high');
  const plane = height * width;
  let least = 0;
  let most = 1e-12;
  for (let i = 0; i < count * plane; i++) {
    least = Math.min(least, data[i]);
    most = Math.max(most, data[i]);
  }
  const paint = (i, rgba) => {
    for (let p = 0; p < plane; p++) {
      const t = (data[i * plane + p] - least) / (most - least);
      for (let c = 0; c < 3; c++) rgba[4 * p + c] = low[c] + (high[c] - low[c]) * t;
    }
  };
  return { count, width, height, paint };
}

/** The pixels of each canvas, kept from one drawing to the next. */
const frames = new WeakMap();

/** The pixels of a canvas of this size in CSS pixels, all clear, and how many of them make one CSS pixel. */
function frameOf(canvas, width, height) {
  const ratio = Math.min(3, devicePixelRatio);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  let frame = frames.get(canvas);
  if (frame === undefined || canvas.width !== w || canvas.height !== h) {
    Object.assign(canvas, { width: w, height: h });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    const image = new ImageData(w, h);
    frame = { image, words: new Uint32Array(image.data.buffer), pen: canvas.getContext('2d') };
    frames.set(canvas, frame);
  } else {
    frame.words.fill(0);
  }
  return { ...frame, ratio };
}

/**
 * Draws tiles from left to right and from the top, as many in a row as there is room for.
 *
 * @param options side: width of a tile in CSS pixels; gap; most: width of the whole; limit: tiles that are drawn
 */
export function drawTiles(canvas, tiles, { side, gap = 2, most, limit = tiles.count }) {
  const { width, height, paint } = tiles;
  const count = Math.min(limit, tiles.count);
  const tall = (side * height) / width;
  const columns = Math.max(1, Math.min(count, Math.floor((most + gap) / (side + gap))));
  const rows = Math.ceil(count / columns);
  const extent = (n, tile) => n * (tile + gap) - gap;
  const { image, words, pen, ratio } = frameOf(canvas, extent(columns, side), extent(rows, tall));
  const tile = new Uint32Array(width * height);
  const rgba = new Uint8ClampedArray(tile.buffer).fill(255);
  const [w, h] = [Math.round(side * ratio), Math.round(tall * ratio)];
  const from = Int32Array.from({ length: w }, (_, x) => Math.floor((x * width) / w));
  for (let i = 0; i < count; i++) {
    paint(i, rgba);
    const left = Math.round((i % columns) * (side + gap) * ratio);
    const top = Math.round(Math.floor(i / columns) * (tall + gap) * ratio);
    for (let y = 0; y < h && top + y < image.height; y++) {
      const row = Math.floor((y * height) / h) * width;
      const to = (top + y) * image.width + left;
      for (let x = 0; x < w; x++) words[to + x] = tile[row + from[x]];
    }
  }
  pen.putImageData(image, 0, 0);
}

/** Draws one picture as wide as `side` CSS pixels. */
export function drawPicture(canvas, pixels, index, shape, side) {
  drawTiles(canvas, imageTiles(pixels, [index], shape), { side, most: side });
}
