// Numbers as pictures on canvases. Every picture is drawn in device pixels, tiles as sharp squares.
import { colourNumbers } from './theme.js';

/** A canvas of one tile, at the size of its numbers, enlarged when it is drawn. */
const small = document.createElement('canvas');
const smallPen = small.getContext('2d', { willReadFrequently: true });

/** Bytes 3 x H x W as a picture of the same size. */
export function imageOf(pixels, at, [channels, height, width]) {
  const image = new ImageData(width, height);
  const plane = height * width;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[at + (channels === 3 ? c * plane : 0) + i];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** Draws an image of `shape` enlarged to the canvas, whose size in CSS pixels is `side`. */
export function drawImage(canvas, pixels, at, shape, side) {
  const pen = sized(canvas, side, (side * shape[1]) / shape[2]);
  place(pen, imageOf(pixels, at, shape), 0, 0, canvas.width, canvas.height);
}

/** Sets the size of a canvas in CSS pixels; its numbers of pixels follow the screen. */
function sized(canvas, width, height) {
  const ratio = Math.min(3, devicePixelRatio);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext('2d');
  pen.imageSmoothingEnabled = false;
  pen.clearRect(0, 0, w, h);
  return pen;
}

function place(pen, image, x, y, width, height) {
  if (small.width !== image.width) small.width = image.width;
  if (small.height !== image.height) small.height = image.height;
  smallPen.putImageData(image, 0, 0);
  pen.drawImage(small, 0, 0, image.width, image.height, x, y, width, height);
}

/**
 * Tiles from left to right and from the top, as many in a row as the canvas' surroundings have room for.
 *
 * @param count tiles
 * @param paint paint(i) is the ImageData of a tile
 * @param options tile: side in CSS pixels; gap; most: width of the whole
 */
export function drawTiles(canvas, count, paint, { tile, gap = 2, most }) {
  const columns = Math.max(1, Math.min(count, Math.floor((most + gap) / (tile + gap))));
  const rows = Math.ceil(count / columns);
  const pen = sized(canvas, columns * (tile + gap) - gap, rows * (tile + gap) - gap);
  const ratio = canvas.width / (columns * (tile + gap) - gap);
  const side = Math.round(tile * ratio);
  for (let i = 0; i < count; i++) {
    const x = Math.round((i % columns) * (tile + gap) * ratio);
    const y = Math.round(Math.floor(i / columns) * (tile + gap) * ratio);
    place(pen, paint(i), x, y, side, side);
  }
  return columns;
}

/**
 * First-layer weights as coloured tiles: filters (F, C, H, W), or columns of (C·H·W, units), which look at whole images.
 * Grey is zero; all tiles have the same scale unless `each` is set.
 */
export function filterTiles({ shape, data }, imageShape) {
  if (shape.length === 4) {
    const [count, channels, height, width] = shape;
    return tilesOf(data, count, [channels, height, width], (i, k) => i * channels * height * width + k);
  }
  const [inputs, count] = shape;
  const size = imageShape.reduce((a, b) => a * b, 1);
  return inputs === size ? tilesOf(data, count, imageShape, (i, k) => k * count + i) : undefined;
}

function tilesOf(data, count, [channels, height, width], place) {
  const plane = height * width;
  const size = channels * plane;
  const paint = (i) => {
    let most = 1e-12;
    for (let k = 0; k < size; k++) most = Math.max(most, Math.abs(data[place(i, k)]));
    const image = new ImageData(width, height);
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < 3; c++) {
        const value = data[place(i, (channels === 3 ? c : 0) * plane + p)];
        image.data[4 * p + c] = 128 + (127 * value) / most;
      }
      image.data[4 * p + 3] = 255;
    }
    return image;
  };
  return { count, height, width, paint };
}

/** Maps (C, H, W), or C numbers, as tiles between the page's two colours; the largest of all maps is the brightest. */
export function mapTiles(data, [channels, height = 1, width = 1]) {
  const low = colourNumbers('--map-low');
  const high = colourNumbers('--map-high');
  const plane = height * width;
  let least = 0;
  let most = 1e-12;
  for (let i = 0; i < channels * plane; i++) {
    least = Math.min(least, data[i]);
    most = Math.max(most, data[i]);
  }
  const paint = (i) => {
    const image = new ImageData(width, height);
    for (let p = 0; p < plane; p++) {
      const t = (data[i * plane + p] - least) / (most - least);
      for (let c = 0; c < 3; c++) image.data[4 * p + c] = low[c] + (high[c] - low[c]) * t;
      image.data[4 * p + 3] = 255;
    }
    return image;
  };
  return { count: channels, height, width, paint };
}
