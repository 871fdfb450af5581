/** Filters of colour images in the terminal: two pixels a character, one above the other. */
import type { Tensor } from '../index.js';

const MOST = 16;
/** Filters beside each other, at most. */
const ROW = 8;
/** Larger filters fill the screen. */
const LARGEST = 11;
/** Small filters are enlarged to about so many pixels. */
const SIDE = 6;
/** The upper half of the character in the colour of the text, the lower half in that of the background. */
const HALVES = '▀';

type Colour = readonly [number, number, number] | undefined;

function coloured(upper: Colour, lower: Colour): string {
  if (upper === undefined) return ' ';
  const below = lower === undefined ? '' : `\u001b[48;2;${lower.join(';')}m`;
  return `\u001b[38;2;${upper.join(';')}m${below}${HALVES}\u001b[0m`;
}

/**
 * The first filters of weights (F, 3, HH, WW), each with its own contrast, as lines of at most `columns` characters for a
 * terminal with 24-bit colour. None for large filters.
 */
export function filterRows(weights: Tensor, columns = 80): string[] {
  const [F, C, HH, WW] = weights.shape;
  if (Math.max(HH, WW) > LARGEST) return [];
  const { data } = weights;
  const size = C * HH * WW;
  const scale = Math.max(1, Math.floor(SIDE / Math.max(HH, WW)));
  const count = Math.min(F, MOST);
  const pixels = Array.from({ length: count }, (_, f) => {
    const values = Array.from(data.subarray(f * size, (f + 1) * size));
    const low = Math.min(...values);
    const range = Math.max(...values) - low || 1;
    return (y: number, x: number): Colour => {
      if (y >= HH * scale) return undefined;
      const at = (channel: number) => {
        const value = values[(channel * HH + Math.floor(y / scale)) * WW + Math.floor(x / scale)];
        return Math.round((255 * (value - low)) / range);
      };
      return [at(0), at(1), at(2)];
    };
  });
  const lines: string[] = [];
  const row = Math.max(1, Math.min(ROW, Math.floor((columns - 2) / (WW * scale + 1))));
  for (let from = 0; from < count; from += row) {
    // An odd number of pixels leaves half a line free.
    if (from > 0 && (HH * scale) % 2 === 0) lines.push('');
    for (let y = 0; y < HH * scale; y += 2) {
      const tiles = pixels.slice(from, from + row).map((colour) => {
        return Array.from({ length: WW * scale }, (_, x) => coloured(colour(y, x), colour(y + 1, x))).join('');
      });
      lines.push(`  ${tiles.join(' ')}`);
    }
  }
  return lines;
}
