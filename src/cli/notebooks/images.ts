/** Pictures of pixels: tensors as PNG, alone or with words around them as SVG. */
import { encode } from 'fast-png';
import { type Tensor, toPixels } from '../../index.js';

/** A picture file. */
export interface Image {
  kind: 'png' | 'svg';
  bytes: Uint8Array | string;
  /** In pixels of a page. */
  width: number;
  height: number;
  /** Has words on axes, which must not become too small to read. */
  chart?: true;
}

/** A picture (H, W, C) with values 0..255; scale: pixels of a page for each of its own. */
export function png(picture: Tensor, scale = 1): Image {
  const { width, height, data } = toPixels(picture, { scale });
  return { kind: 'png', bytes: encode({ width, height, data, channels: 4 }), width, height };
}

export function base64(bytes: Uint8Array): string {
  // In pages, where notebooks run too, there is no Buffer.
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

interface Tile {
  picture: Tensor;
  /** Under the picture. */
  words: string;
  /** Pixels of a page for each of its own, if other than the other tiles'. */
  scale?: number;
}

const LINE = 18;

/** Width of a line of words, about: charts and pictures are laid out without a font at hand. */
const widthOf = (words: string) => 6.6 * words.length;

/** Pictures in rows of `columns`, each as large as it is told, with words under it; too long ones are cut at the tile. */
export function captioned(tiles: readonly Tile[], { columns = tiles.length, scale = 1, gap = 14 } = {}): Image {
  const made = tiles.map(({ picture, words, scale: own }) => ({
    words: words.split('\n'),
    image: png(picture, own ?? scale),
  }));
  const lines = Math.max(...made.map(({ words }) => words.length));
  const tileWidth = Math.max(...made.flatMap(({ image, words }) => [image.width, ...words.map(widthOf)]));
  const tileHeight = Math.max(...made.map(({ image }) => image.height)) + lines * LINE + 4;
  const width = Math.ceil(columns * tileWidth + (columns - 1) * gap);
  const rows = Math.ceil(made.length / columns);
  const height = rows * tileHeight + (rows - 1) * gap;
  const parts = made.map(({ image, words }, i) => {
    const left = (i % columns) * (tileWidth + gap);
    const top = Math.floor(i / columns) * (tileHeight + gap);
    const middle = left + tileWidth / 2;
    const texts = words.map((line, k) => text(middle, top + image.height + (k + 1) * LINE - 4, line, 'middle'));
    return embedded(image, middle - image.width / 2, top) + texts.join('');
  });
  return svg(width, height, parts.join(''));
}

/** One picture with names above its columns, `step` pixels apart, and beside its rows. */
export function headed(
  picture: Tensor,
  { scale = 1, columns = [] as readonly string[], rows = [] as readonly string[] },
): Image {
  const image = png(picture, scale);
  const left = rows.length > 0 ? Math.ceil(Math.max(...rows.map(widthOf))) + 8 : 0;
  const top = columns.length > 0 ? LINE + 4 : 0;
  const across = image.width / columns.length;
  const down = image.height / rows.length;
  const names = [
    ...columns.map((name, i) => text(left + (i + 0.5) * across, LINE - 4, name, 'middle')),
    ...rows.map((name, i) => text(left - 8, top + (i + 0.5) * down + 4, name, 'end')),
  ];
  return svg(left + image.width, top + image.height, embedded(image, left, top) + names.join(''));
}

function embedded({ bytes, width, height }: Image, x: number, y: number): string {
  const source = `data:image/png;base64,${base64(bytes as Uint8Array)}`;
  const place = `x="${x}" y="${y}" width="${width}" height="${height}"`;
  return `<image ${place} href="${source}" style="image-rendering:pixelated"/>`;
}

function text(x: number, y: number, words: string, anchor: 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escapeXml(words)}</text>`;
}

/** A vector picture with the page's ink. */
export function svg(width: number, height: number, content: string): Image {
  const font = 'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="var(--ink, #333)"';
  const box = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return {
    kind: 'svg',
    bytes: `<svg xmlns="http://www.w3.org/2000/svg" ${box} ${font}>${content}</svg>`,
    width,
    height,
  };
}
