// What a user of JavaScript writes without a library: loops over typed arrays, in float64. Also what everybody's features are
// held against.
import { fileURLToPath } from 'node:url';
import { serve } from './serve.js';
import { colourImages, FEATURES, featureSamples } from './workloads.js';

const SIDE = 32;
const CELL = 8;
const ORIENTATIONS = 9;
const HOG = (SIDE / CELL) ** 2 * ORIENTATIONS;

/** HOG of the grey values, the column of the cell slowest, to `out` from `at` on. */
function hog(grey, out, at) {
  for (let r = 0; r < SIDE; r++) {
    for (let c = 0; c < SIDE; c++) {
      const here = grey[r * SIDE + c];
      const gx = c + 1 < SIDE ? grey[r * SIDE + c + 1] - here : 0;
      const gy = r + 1 < SIDE ? grey[(r + 1) * SIDE + c] - here : 0;
      const degrees = (Math.atan2(gy, gx + 1e-15) * 180) / Math.PI + 90;
      if (!(degrees > 0 && degrees < 180)) continue;
      const cell = Math.floor(c / CELL) * (SIDE / CELL) + Math.floor(r / CELL);
      const bin = Math.floor((degrees * ORIENTATIONS) / 180);
      out[at + cell * ORIENTATIONS + bin] += Math.sqrt(gx * gx + gy * gy) / CELL ** 2;
    }
  }
}

function hueOf(r, g, b) {
  const high = Math.max(r, g, b);
  const range = high - Math.min(r, g, b);
  if (range === 0) return 0;
  if (high === r) return (((g - b) / range + 6) % 6) / 6;
  return (high === g ? 2 + (b - r) / range : 4 + (r - g) / range) / 6;
}

/** Features (num, 144 + bins) of images (num, 32, 32, 3). */
export function features({ num, bins }, images) {
  const pixels = SIDE * SIDE;
  const grey = new Float64Array(pixels);
  const out = new Float64Array(num * (HOG + bins));
  for (let i = 0; i < num; i++) {
    const at = i * (HOG + bins);
    for (let p = 0; p < pixels; p++) {
      const from = (i * pixels + p) * 3;
      const [r, g, b] = [images[from], images[from + 1], images[from + 2]];
      grey[p] = 0.299 * r + 0.587 * g + 0.144 * b;
      out[at + HOG + Math.min(bins - 1, Math.floor(hueOf(r, g, b) * bins))] += 1 / pixels;
    }
    hog(grey, out, at);
  }
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tasks = Object.entries(FEATURES).map(([name, spec]) => {
    const prepare = () => {
      const images = colourImages(spec);
      const run = () => features(spec, images);
      return { run, verify: () => featureSamples(spec, run()) };
    };
    return [name, prepare];
  });
  await serve('plain JavaScript', Object.fromEntries(tasks));
}
