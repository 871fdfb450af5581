// Image processing by convolution: what a convolutional layer computes, shown with filters made by hand.
//
//   npm run build && node examples/image-filters.js [picture.png ...] [--out DIR]
//
// Without pictures it filters two of its own, both in one call as the course's notebook does, and writes into
// ./lanewise-out. Of every PNG file that is named (grey, RGB, with alpha or palette, of any size) it writes beside it, or
// into --out:
//
//   NAME.grey.png      0.3 red + 0.6 green + 0.1 blue
//   NAME.edges.png     horizontal edges of the blue channel
//   NAME.filters.png   the picture, these two and five more in a row; pictures above 400 pixels are shrunk there
//
// As in the notebook, the greys are stretched so that the least value is black and the largest is white.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { encode } from 'fast-png';
import * as lw from 'lanewise';
import { cat, landscape } from './pictures.js';
import { fromPng } from './png.js';

const USAGE = 'usage: node examples/image-filters.js [picture.png ...] [--out DIR]';
/** Longest side of a picture in the row, and the pixels around it. */
const LONGEST = 400;
const MARGIN = 6;

class UsageError extends Error {}

// ---- filters: 3 x 3 weights for each of red, green and blue ----------------------------------------------------------------

const none = [
  [0, 0, 0],
  [0, 0, 0],
  [0, 0, 0],
];
const keep = [
  [0, 0, 0],
  [0, 1, 0],
  [0, 0, 0],
];
/** Sobel's: bright above dark is positive. */
const horizontal = [
  [1, 2, 1],
  [0, 0, 0],
  [-1, -2, -1],
];
const vertical = [
  [1, 0, -1],
  [2, 0, -2],
  [1, 0, -1],
];
/** Light from the top left. */
const relief = [
  [-2, -1, 0],
  [-1, 0, 1],
  [0, 1, 2],
];
const sharpen = [
  [0, -1, 0],
  [-1, 5, -1],
  [0, -1, 0],
];
const blur = [
  [1 / 16, 2 / 16, 1 / 16],
  [2 / 16, 4 / 16, 2 / 16],
  [1 / 16, 2 / 16, 1 / 16],
];

const times = (kernel, factor) => kernel.map((row) => row.map((value) => factor * value));
/** One output: the kernel over the grey of the three channels. */
const ofGrey = (kernel) => [times(kernel, 0.3), times(kernel, 0.6), times(kernel, 0.1)];
/** Three outputs: the kernel over each channel by itself. */
const ofColours = (kernel) => [
  [kernel, none, none],
  [none, kernel, none],
  [none, none, kernel],
];

/**
 * All filters over pictures of one size.
 *
 * @param pictures [{ width, height, data: RGB bytes }, ...]
 * @returns { results, notebook, more }: milliseconds of the two calls, and for each picture { grey, edges, panels }, the
 *   first two (1, H, W) as computed, the others (1 or 3, H, W) to be shown, 0..255
 */
function filter(pictures) {
  // The notebook's call: x (N,3,H,W), w (2,3,3,3), b (2), and zeros around the pictures, which the edges show.
  const w = lw.tensor([ofGrey(keep), [none, none, horizontal]]);
  const b = lw.tensor([0, 128]);
  const x = channelsFirst(pictures, 0);
  const [first, notebook] = timed(() => lw.convForward(x, w, b, { stride: 1, pad: 1 }));

  // The rims are repeated here instead, and nothing is padded: a rim is then no edge.
  const w2 = lw.tensor([
    ofGrey(horizontal),
    ofGrey(vertical),
    ofGrey(relief),
    ...ofColours(sharpen),
    ...ofColours(blur),
  ]);
  const b2 = lw.zeros([w2.shape[0]]);
  const x2 = channelsFirst(pictures, 1);
  const [second, more] = timed(() => lw.convForward(x2, w2, b2, { stride: 1, pad: 0 }));

  const results = pictures.map((_, i) => {
    const [grey, edges] = channels(first, i, [1, 1]);
    const [across, upright, embossed, sharp, blurred] = channels(second, i, [1, 1, 1, 3, 3]);
    const strength = lw.sqrt(lw.add(lw.mul(across, across), lw.mul(upright, upright)));
    const original = x.rows(i, i + 1).reshape(3, ...x.shape.slice(2));
    // Sharpened and blurred are pictures as they are, with the colours of the original where nothing changes.
    const greys = [grey, edges, upright, strength, embossed].map(stretched);
    return { grey, edges, panels: [original, ...greys, sharp, blurred] };
  });
  return { results, notebook, more };
}

/** The first of what `convolve` returns, and its milliseconds. */
function timed(convolve) {
  const start = performance.now();
  const [out] = convolve();
  return [out, performance.now() - start];
}

/** Pictures of one size as a tensor (N, 3, H + 2 rim, W + 2 rim) of 0..255, the outermost pixels repeated `rim` times. */
function channelsFirst(pictures, rim) {
  const { width, height } = pictures[0];
  const x = lw.zeros([pictures.length, 3, height + 2 * rim, width + 2 * rim]);
  const to = x.data;
  let at = 0;
  for (const { data } of pictures) {
    for (let channel = 0; channel < 3; channel++) {
      for (let row = -rim; row < height + rim; row++) {
        const from = width * Math.min(height - 1, Math.max(0, row));
        for (let column = -rim; column < width + rim; column++) {
          to[at++] = data[3 * (from + Math.min(width - 1, Math.max(0, column))) + channel];
        }
      }
    }
  }
  return x;
}

/** The channels of image i of (N, F, H, W) in groups of the given sizes, each (size, H, W). */
function channels(images, i, sizes) {
  const image = images.rows(i, i + 1).reshape(images.shape.slice(1));
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return image.rows(end - size, end);
  });
}

/** The least and the largest value, if there is contrast: bytes differ by more than the rounding of a convolution. */
function contrast(image) {
  const low = image.min();
  const high = image.max();
  return high - low > 0.05 ? [low, high] : undefined;
}

/** The least value becomes 0, the largest 255; a picture without contrast is left as it is. */
function stretched(image) {
  const [low, high] = contrast(image) ?? [0, 255];
  return lw.mul(lw.sub(image, low), 255 / (high - low));
}

// ---- PNG --------------------------------------------------------------------------------------------------------------------

/** A filter's output (1, H, W) as a grey PNG, and the values that became black and white. */
function greyPng(output) {
  const [, height, width] = output.shape;
  // The array rounds and clamps.
  const data = Uint8ClampedArray.from(stretched(output).data);
  const [low, high] = contrast(output) ?? [0, 255];
  const note = `, ${Math.round(low)} to ${Math.round(high)} as black to white`;
  return { width, height, png: encode({ width, height, channels: 1, data }), note };
}

/** Panels (1 or 3, H, W) of one size in a row as a PNG, on white. */
function rowPng(panels) {
  const tiles = panels.map((panel) => lw.toPixels(shrunk(panel).transpose(1, 2, 0)));
  const [{ width: w, height: h }] = tiles;
  const width = MARGIN + tiles.length * (w + MARGIN);
  const height = h + 2 * MARGIN;
  const data = new Uint8Array(4 * width * height).fill(255);
  tiles.forEach((tile, i) => {
    for (let row = 0; row < h; row++) {
      const target = (MARGIN + row) * width + MARGIN + i * (w + MARGIN);
      data.set(tile.data.subarray(4 * row * w, 4 * (row + 1) * w), 4 * target);
    }
  });
  return { width, height, png: encode({ width, height, channels: 4, data }) };
}

/** No longer than LONGEST on any side: means of square blocks of pixels. */
function shrunk(image) {
  const [, h, w] = image.shape;
  const stride = Math.ceil(Math.max(h, w) / LONGEST);
  if (stride === 1) return image;
  const windows = { poolHeight: Math.min(stride, h), poolWidth: Math.min(stride, w), stride };
  const [means] = lw.avgPoolForward(image.reshape(1, ...image.shape), windows);
  return means.reshape(means.shape.slice(1));
}

// ---- files ------------------------------------------------------------------------------------------------------------------

const KINDS = ['grey', 'edges', 'filters'];

/** Where the results of a picture go: kind -> path. */
function targets(file, out) {
  const name = basename(file).replace(/(?<=.)\.png$/i, '');
  return Object.fromEntries(KINDS.map((kind) => [kind, join(out ?? dirname(file), `${name}.${kind}.png`)]));
}

/** No result may overwrite a picture that is still to be read, or another result. */
function checkTargets(files, out) {
  const taken = new Set(files.map((file) => resolve(file)));
  if (taken.size < files.length) throw new UsageError('a picture is named twice');
  for (const path of files.flatMap((file) => Object.values(targets(file, out)))) {
    if (taken.has(resolve(path))) throw new UsageError(`${path} would overwrite a picture or another result`);
    taken.add(resolve(path));
  }
}

/** A reason in a few words; `error.code` is that of the operating system. */
function reason(error) {
  const words = {
    ENOENT: 'no such file',
    EISDIR: 'is a folder',
    ENOTDIR: 'a part of the path is no folder',
    EEXIST: 'is a file, not a folder',
    EACCES: 'no permission',
  };
  return words[error.code] ?? String(error.message).split('\n')[0];
}

/** Runs `work` on a file; its failure names the file. */
async function about(file, work) {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${file}: ${reason(error)}`, { cause: error });
  }
}

async function save(path, { width, height, png, note = '' }) {
  await about(path, () => writeFile(path, png));
  console.log(`  wrote ${path}, ${width} x ${height}${note}`);
}

function announce(what, { notebook, more }) {
  const ms = (time) => `${time.toFixed(1)} ms`;
  console.log(`${what}: grey and edges by one convolution in ${ms(notebook)}, nine more filters in ${ms(more)}`);
}

/** Two pictures of one size in one call. */
async function filterOwn(out) {
  const pictures = [landscape(), cat()];
  const { rows, times } = lw.scope(() => {
    const { results, ...times } = filter(pictures);
    return { rows: results.map(({ panels }) => rowPng(panels)), times };
  });
  const [{ width, height }] = pictures;
  announce(`${pictures.map(({ name }) => name).join(' and ')} (2 of ${width} x ${height})`, times);
  for (const [i, { name }] of pictures.entries()) await save(targets(name, out).filters, rows[i]);
}

async function filterFile(file, out) {
  const bytes = await about(file, () => readFile(file));
  const { width, height, times, made } = await about(file, () => {
    const picture = fromPng(bytes);
    return lw.scope(() => {
      const { results, ...times } = filter([picture]);
      const [{ grey, edges, panels }] = results;
      const made = { grey: greyPng(grey), edges: greyPng(edges), filters: rowPng(panels) };
      return { ...picture, times, made };
    });
  });
  announce(`${file} (${width} x ${height})`, times);
  const paths = targets(file, out);
  for (const kind of KINDS) await save(paths[kind], made[kind]);
}

function parse(args) {
  try {
    const options = { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } };
    const { values, positionals: files } = parseArgs({ args, options, allowPositionals: true });
    const { out, help = false } = values;
    if (out === '') throw new UsageError('--out needs the name of a folder');
    checkTargets(files, out);
    return { files, out, help };
  } catch (error) {
    throw new UsageError(error.message.split('\n')[0]);
  }
}

/** @returns the exit code: 1 if anything failed; the other pictures are filtered all the same */
async function main() {
  const { files, out, help } = parse(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return 0;
  }
  await lw.init();
  const folder = out ?? (files.length === 0 ? 'lanewise-out' : undefined);
  if (folder !== undefined) await about(folder, () => mkdir(folder, { recursive: true }));
  if (files.length === 0) await filterOwn(folder);
  let failed = 0;
  for (const file of files) {
    try {
      await filterFile(file, folder);
    } catch (error) {
      failed = 1;
      console.error(`image-filters: ${error.message}`);
    }
  }
  return failed;
}

try {
  process.exitCode = await main();
} catch (error) {
  const misused = error instanceof UsageError;
  console.error(`image-filters: ${error.message}${misused ? `\n${USAGE}` : ''}`);
  process.exitCode = misused ? 2 : 1;
}
