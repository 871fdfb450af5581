// The example of filters by convolution, run as its head says, and its pictures against plain loops over the bytes.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import { decode, encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { inFolder, run } from '../cli/run.js';

const script = fileURLToPath(new URL('../../examples/image-filters.js', import.meta.url));
const filters = (args: readonly string[], cwd: string) => run(args, { cwd, script });
const panelNames = ['original', 'grey', 'edges', 'upright', 'strength', 'embossed', 'sharp', 'blurred'] as const;
const margin = 6;

/** RGB values 0..255, row by row. */
interface Rgb {
  width: number;
  height: number;
  data: ArrayLike<number>;
}
/** One value a pixel. */
type Plane = Float64Array;

// ---- the same filters by plain loops ----------------------------------------------------------------------------------------

function convolved(
  picture: Rgb,
  weights: readonly number[],
  kernel: readonly number[],
  rim: 'zeros' | 'repeated',
): Plane {
  const { width, height, data } = picture;
  const out = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 9; k++) {
        let row = y + Math.floor(k / 3) - 1;
        let column = x + (k % 3) - 1;
        if (rim === 'repeated') {
          row = Math.min(height - 1, Math.max(0, row));
          column = Math.min(width - 1, Math.max(0, column));
        } else if (row < 0 || row >= height || column < 0 || column >= width) continue;
        for (let c = 0; c < 3; c++) out[y * width + x] += weights[c] * kernel[k] * data[3 * (row * width + column) + c];
      }
    }
  }
  return out;
}

function stretched(plane: Plane): Plane {
  const low = Math.min(...plane);
  const high = Math.max(...plane);
  return high - low > 1e-6 ? plane.map((value) => (255 * (value - low)) / (high - low)) : plane;
}

const keep = [0, 0, 0, 0, 1, 0, 0, 0, 0];
const sobel = [1, 2, 1, 0, 0, 0, -1, -2, -1];
const sobelUpright = [1, 0, -1, 2, 0, -2, 1, 0, -1];
const relief = [-2, -1, 0, -1, 0, 1, 0, 1, 2];
const sharpen = [0, -1, 0, -1, 5, -1, 0, -1, 0];
const blur = [1, 2, 1, 2, 4, 2, 1, 2, 1].map((value) => value / 16);
const luma = [0.3, 0.6, 0.1];
const unit = (channel: number) => [0, 1, 2].map((c) => (c === channel ? 1 : 0));

const greyOf = (picture: Rgb) => convolved(picture, luma, keep, 'zeros');
const edgesOf = (picture: Rgb) => convolved(picture, unit(2), sobel, 'zeros').map((value) => value + 128);

/** What every panel shows, as one plane (grey) or three (colours) of values 0..255. */
function expectedPanels(picture: Rgb): Record<(typeof panelNames)[number], Plane[]> {
  const grey = (kernel: readonly number[]) => convolved(picture, luma, kernel, 'repeated');
  const colours = (kernel: readonly number[]) => [0, 1, 2].map((c) => convolved(picture, unit(c), kernel, 'repeated'));
  const across = grey(sobel);
  const upright = grey(sobelUpright);
  return {
    original: colours(keep),
    grey: [stretched(greyOf(picture))],
    edges: [stretched(edgesOf(picture))],
    upright: [stretched(upright)],
    strength: [stretched(across.map((value, i) => Math.hypot(value, upright[i])))],
    embossed: [stretched(grey(relief))],
    sharp: colours(sharpen),
    blurred: colours(blur),
  };
}

// ---- what the example wrote -------------------------------------------------------------------------------------------------

const read = (path: string) => decode(readFileSync(path));

/** The panels of a row, each with its own RGB; everything around them is white. */
function panelsOf(path: string): (Rgb & { data: Uint8Array })[] {
  const { width, height, channels, data } = read(path);
  expect(channels).toBe(4);
  const h = height - 2 * margin;
  const w = (width - margin) / panelNames.length - margin;
  expect(Number.isInteger(w)).toBe(true);
  const panels = panelNames.map(() => new Uint8Array(3 * w * h));
  let coloured = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4);
      const column = (x - margin) % (w + margin);
      const row = y - margin;
      if (pixel[3] !== 255) throw new Error(`pixel ${x}, ${y} is not opaque`);
      if (x >= margin && column < w && row >= 0 && row < h) {
        panels[Math.floor((x - margin) / (w + margin))].set(pixel.subarray(0, 3), 3 * (row * w + column));
      } else if (Math.min(...pixel) < 255) coloured++;
    }
  }
  expect(coloured, 'margins that are not white').toBe(0);
  return panels.map((data) => ({ width: w, height: h, data }));
}

/** Largest difference; a value may be rounded either way, as float32 and float64 differ where it ends in a half. */
function difference(bytes: ArrayLike<number>, channels: number, planes: readonly Plane[]): number {
  let worst = 0;
  for (let i = 0; i < bytes.length; i++) {
    const plane = planes[planes.length === 1 ? 0 : i % channels];
    const value = Math.min(255, Math.max(0, plane[Math.floor(i / channels)]));
    worst = Math.max(worst, Math.abs(bytes[i] - value));
  }
  return worst;
}
const rounding = 0.5 + 1e-2;

function expectRow(path: string, picture: Rgb): void {
  const panels = panelsOf(path);
  const expected = expectedPanels(picture);
  for (const [i, name] of panelNames.entries()) {
    expect(panels[i]).toMatchObject({ width: picture.width, height: picture.height });
    expect(difference(panels[i].data, 3, expected[name]), name).toBeLessThan(rounding);
  }
}

// ---- pictures to read -------------------------------------------------------------------------------------------------------

/** Areas of one colour, black and white among them, with a slope at the right; not square. */
const flag: Rgb = (() => {
  const [width, height] = [23, 17];
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const area = x < 8 ? [0, 0, 0] : y < 9 ? [255, 255, 255] : [200, 40, 90];
      data.set(x > 17 ? [10 * x, 7 * y, 5 * x + 6 * y] : area, 3 * (y * width + x));
    }
  }
  return { width, height, data };
})();
const flagPng = encode({ ...flag, data: Uint8Array.from(flag.data), channels: 3 });

function chunk(type: string, data: ArrayLike<number>): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Uint8Array.from(data)]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

interface Encoding {
  depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  type: number;
  width: number;
  /** Bytes of each row, packed. */
  rows: number[][];
  chunks?: [type: string, data: number[]][];
  interlaced?: boolean;
}

/** A PNG file by the book, independent of any encoder. */
function png({ depth, type, width, rows, chunks = [], interlaced = false }: Encoding): Buffer {
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const header = [0, 0, 0, width, 0, 0, 0, rows.length, depth, type, 0, 0, interlaced ? 1 : 0];
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...chunks.map(([name, data]) => chunk(name, data)),
    chunk('IDAT', deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    chunk('IEND', []),
  ]);
}
const greys = (...values: number[]) => values.flatMap((value) => [value, value, value]);

/** Encodings with the RGB they mean, transparent on white. */
const encodings: Record<string, [Encoding, number[]]> = {
  'grey of 1 bit': [{ depth: 1, type: 0, width: 3, rows: [[0b10100000], [0b01000000]] }, greys(255, 0, 255, 0, 255, 0)],
  'grey of 2 bits': [{ depth: 2, type: 0, width: 5, rows: [[0b00011011, 0b10000000]] }, greys(0, 85, 170, 255, 170)],
  'grey of 4 bits': [
    {
      depth: 4,
      type: 0,
      width: 3,
      rows: [
        [0x0f, 0x30],
        [0x12, 0xe0],
      ],
    },
    greys(0, 255, 51, 17, 34, 238),
  ],
  'grey of 8 bits': [{ depth: 8, type: 0, width: 2, rows: [[7, 250]] }, greys(7, 250)],
  'grey of 8 bits, one of them transparent': [
    { depth: 8, type: 0, width: 3, rows: [[7, 250, 8]], chunks: [['tRNS', [0, 7]]] },
    greys(255, 250, 8),
  ],
  'grey of 16 bits': [{ depth: 16, type: 0, width: 2, rows: [[0x12, 0x34, 0xff, 0xff]] }, greys(18, 255)],
  'grey and alpha': [{ depth: 8, type: 4, width: 3, rows: [[40, 255, 40, 0, 55, 51]] }, greys(40, 255, 215)],
  RGB: [{ depth: 8, type: 2, width: 2, rows: [[1, 2, 3, 40, 50, 60]] }, [1, 2, 3, 40, 50, 60]],
  'RGB with a palette for poorer screens': [
    { depth: 8, type: 2, width: 2, rows: [[1, 2, 3, 40, 50, 60]], chunks: [['PLTE', [9, 9, 9]]] },
    [1, 2, 3, 40, 50, 60],
  ],
  'RGB, one colour of it transparent': [
    { depth: 8, type: 2, width: 3, rows: [[1, 2, 3, 1, 2, 4, 9, 9, 9]], chunks: [['tRNS', [0, 1, 0, 2, 0, 3]]] },
    [255, 255, 255, 1, 2, 4, 9, 9, 9],
  ],
  'RGB of 16 bits': [{ depth: 16, type: 2, width: 1, rows: [[0xff, 0xff, 0x80, 0x80, 0, 0]] }, [255, 128, 0]],
  RGBA: [
    { depth: 8, type: 6, width: 3, rows: [[1, 2, 3, 255, 1, 2, 3, 0, 0, 100, 255, 102]] },
    [1, 2, 3, 255, 255, 255, 153, 193, 255],
  ],
  'a palette of 8 bits': [
    { depth: 8, type: 3, width: 3, rows: [[1, 0, 1]], chunks: [['PLTE', [1, 2, 3, 40, 50, 60]]] },
    [40, 50, 60, 1, 2, 3, 40, 50, 60],
  ],
  'a palette of 2 bits, partly transparent': [
    {
      depth: 2,
      type: 3,
      width: 3,
      rows: [[0b00011000], [0b10010000]],
      chunks: [
        ['PLTE', [1, 2, 3, 40, 50, 60, 0, 100, 200]],
        ['tRNS', [0, 255]],
      ],
    },
    [255, 255, 255, 40, 50, 60, 0, 100, 200, 0, 100, 200, 40, 50, 60, 255, 255, 255],
  ],
};

// ---- tests ------------------------------------------------------------------------------------------------------------------

test('without arguments it draws two pictures and shows every filter in a row', async () => {
  await inFolder(async (cwd) => {
    const { code, stdout, stderr } = await filters([], cwd);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readdirSync(join(cwd, 'lanewise-out')).sort()).toEqual(['cat.filters.png', 'landscape.filters.png']);
    expect(stdout).toMatch(
      /^landscape and cat \(2 of 200 x 200\): .* in \d+\.\d ms, nine more filters in \d+\.\d ms\n/,
    );
    for (const name of ['landscape', 'cat']) {
      const path = join('lanewise-out', `${name}.filters.png`);
      expect(stdout).toContain(`  wrote ${path}, 1654 x 212\n`);
      const [original] = panelsOf(join(cwd, path));
      expect(original).toMatchObject({ width: 200, height: 200 });
      const colours = new Set(Array.from({ length: 200 * 200 }, (_, i) => `${original.data.slice(3 * i, 3 * i + 3)}`));
      expect(colours.size).toBeGreaterThan(5000);
      expectRow(join(cwd, path), original);
    }
  });
});

describe('a PNG file', () => {
  test('is filtered, with the results beside it', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'my flag.PNG'), flagPng);
      const { code, stdout, stderr } = await filters(['my flag.PNG'], cwd);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const [first, ...wrote] = stdout.trimEnd().split('\n');
      expect(first).toMatch(/^my flag\.PNG \(23 x 17\): grey and edges by one convolution in \d+\.\d ms, /);
      // The bias of 128 is seen here only: stretching takes it out of the picture.
      const range = [Math.min(...edgesOf(flag)), Math.max(...edgesOf(flag))];
      expect(wrote).toEqual([
        '  wrote my flag.grey.png, 23 x 17, 0 to 255 as black to white',
        `  wrote my flag.edges.png, 23 x 17, ${range[0]} to ${range[1]} as black to white`,
        '  wrote my flag.filters.png, 238 x 29',
      ]);
      expect(Buffer.compare(readFileSync(join(cwd, 'my flag.PNG')), flagPng)).toBe(0);
      expectRow(join(cwd, 'my flag.filters.png'), flag);

      const grey = read(join(cwd, 'my flag.grey.png'));
      expect(grey).toMatchObject({ width: 23, height: 17, channels: 1, depth: 8 });
      // Black and white are in it, so that stretching changes nothing.
      expect(difference(grey.data, 1, [greyOf(flag)])).toBeLessThan(rounding);
      expect([grey.data[0], grey.data[10], grey.data[12 * 23 + 12]]).toEqual([0, 255, Math.round(60 + 24 + 9)]);

      const edges = read(join(cwd, 'my flag.edges.png'));
      expect(edges).toMatchObject({ width: 23, height: 17, channels: 1, depth: 8 });
      const plain = edgesOf(flag);
      expect(difference(edges.data, 1, [stretched(plain)])).toBeLessThan(rounding);
      // Where all is of one colour: exactly the bias, which is one and the same grey everywhere.
      const flat = [...plain.keys()].filter((i) => plain[i] === 128);
      expect(flat.length).toBeGreaterThan(150);
      expect(new Set(flat.map((i) => edges.data[i])).size).toBe(1);
      const [low, high] = [Math.min(...plain), Math.max(...plain)];
      expect(Math.abs(edges.data[flat[0]] - (255 * (128 - low)) / (high - low))).toBeLessThan(rounding);
    });
  });

  test('goes into --out, which is made; pictures of different sizes one after the other', async () => {
    await inFolder(async (cwd) => {
      const wide = { width: 900, height: 30, data: Uint8Array.from({ length: 2700 * 30 }, (_, i) => (i * i) >> 5) };
      writeFileSync(join(cwd, 'flag.png'), flagPng);
      writeFileSync(join(cwd, 'wide.png'), encode({ ...wide, channels: 3 }));
      const { code, stdout } = await filters(['flag.png', '--out', join('new', 'folder'), 'wide.png'], cwd);
      expect(code).toBe(0);
      expect(readdirSync(cwd).sort()).toEqual(['flag.png', 'new', 'wide.png']);
      const out = join(cwd, 'new', 'folder');
      expect(readdirSync(out).sort()).toEqual(
        ['flag', 'wide'].flatMap((name) => ['edges', 'filters', 'grey'].map((kind) => `${name}.${kind}.png`)),
      );
      expectRow(join(out, 'flag.filters.png'), flag);
      const grey = read(join(out, 'wide.grey.png'));
      expect(grey).toMatchObject({ width: 900, height: 30 });
      expect(difference(grey.data, 1, [stretched(greyOf(wide))])).toBeLessThan(rounding);
      // The row shows it with a third of its sides: means of 3 x 3 pixels.
      expect(stdout).toContain('wide.filters.png, 2454 x 22\n');
      const [original] = panelsOf(join(out, 'wide.filters.png'));
      const at = (x: number, y: number) => wide.data[3 * (y * 900 + x) + 1];
      const means = Float64Array.from({ length: 300 * 10 }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < 9; k++) sum += at(3 * (i % 300) + (k % 3), 3 * Math.floor(i / 300) + Math.floor(k / 3));
        return sum / 9;
      });
      const green = original.data;
      expect(
        difference(
          green.filter((_, i) => i % 3 === 1),
          1,
          [means],
        ),
      ).toBeLessThan(rounding);
    });
  });

  test('of any kind is read as it is meant', async () => {
    await inFolder(async (cwd) => {
      for (const [name, [encoding]] of Object.entries(encodings))
        writeFileSync(join(cwd, `${name}.png`), png(encoding));
      const interlaced = encode({ ...flag, data: Uint8Array.from(flag.data), channels: 3 }, { interlace: 'Adam7' });
      writeFileSync(join(cwd, 'interlaced.png'), interlaced);
      const files = [...Object.keys(encodings), 'interlaced'].map((name) => `${name}.png`);
      const { code, stderr } = await filters([...files, '--out', 'out'], cwd);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const [name, [{ width, rows }, data]] of Object.entries(encodings)) {
        const path = join(cwd, 'out', `${name}.filters.png`);
        expect([...panelsOf(path)[0].data], name).toEqual(data);
        expectRow(path, { width, height: rows.length, data });
      }
      expectRow(join(cwd, 'out', 'interlaced.filters.png'), flag);
    });
  });

  test('of one colour or one pixel keeps its grey', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'pixel.png'), png({ depth: 8, type: 2, width: 1, rows: [[10, 20, 30]] }));
      const rows = Array.from({ length: 31 }, () => Array.from({ length: 45 }, () => [77, 131, 203]).flat());
      writeFileSync(join(cwd, 'plain.png'), png({ depth: 8, type: 2, width: 45, rows }));
      expect(await filters(['pixel.png', 'plain.png'], cwd)).toMatchObject({ code: 0, stderr: '' });
      expect([...read(join(cwd, 'pixel.grey.png')).data]).toEqual([18]);
      expect(new Set(read(join(cwd, 'plain.grey.png')).data)).toEqual(new Set([Math.round(23.1 + 78.6 + 20.3)]));
      expectRow(join(cwd, 'plain.filters.png'), { width: 45, height: 31, data: rows.flat() });
    });
  });
});

describe('a failure', () => {
  const damaged = Buffer.from(flagPng);
  damaged[damaged.length - 20] ^= 1;
  const cases: Record<string, [bytes: Uint8Array | undefined, why: RegExp]> = {
    'missing.png': [undefined, /no such file/],
    'text.png': [Buffer.from('no picture'), /not a PNG file/],
    'empty.png': [Buffer.alloc(0), /not a PNG file/],
    'cut.png': [flagPng.subarray(0, 60), /damaged PNG file: .+/],
    'damaged.png': [damaged, /damaged PNG file: .+/],
    'few-bits.png': [
      png({ depth: 1, type: 0, width: 1, rows: [[0]], interlaced: true }),
      /interlaced PNG with 1 bits a sample is not supported; save it without interlacing/,
    ],
  };

  test('is a line with file and reason each and exit code 1; other pictures are filtered all the same', async () => {
    await inFolder(async (cwd) => {
      for (const [name, [bytes]] of Object.entries(cases)) if (bytes) writeFileSync(join(cwd, name), bytes);
      writeFileSync(join(cwd, 'flag.png'), flagPng);
      const { code, stderr } = await filters([...Object.keys(cases), '.', 'flag.png', '--out', 'out'], cwd);
      expect(code).toBe(1);
      const lines = stderr.trimEnd().split('\n');
      const expected = [
        ...Object.entries(cases).map(([name, [, why]]) => [name, why] as const),
        ['.', /is a folder/] as const,
      ];
      expect(lines.length).toBe(expected.length);
      for (const [i, [name, why]] of expected.entries()) {
        const start = `image-filters: ${name}: `;
        expect(lines[i].slice(0, start.length)).toBe(start);
        expect(lines[i].slice(start.length)).toMatch(new RegExp(`^${why.source}$`));
      }
      expect(readdirSync(join(cwd, 'out')).sort()).toEqual(['flag.edges.png', 'flag.filters.png', 'flag.grey.png']);
    });
  });

  test('of writing names what could not be written', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'flag.png'), flagPng);
      const { code, stdout, stderr } = await filters(['flag.png', '--out', 'flag.png'], cwd);
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr: 'image-filters: flag.png: is a file, not a folder\n',
      });
      expect(Buffer.compare(readFileSync(join(cwd, 'flag.png')), flagPng)).toBe(0);
    });
  });

  test.each([
    [['--size', '3'], /Unknown option '--size'/],
    [['flag.png', '--out'], /--out.*argument missing/],
    [['--out='], /--out needs the name of a folder/],
    [['flag.png', './flag.png'], /a picture is named twice/],
    [['flag.png', 'flag.grey.png'], /flag\.grey\.png would overwrite a picture or another result/],
    [['a/flag.png', 'b/flag.png', '--out', 'out'], /flag\.grey\.png would overwrite a picture or another result/],
  ])('of the command line, %j, is exit code 2 before anything is done', async (args, message) => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'flag.png'), flagPng);
      const { code, stdout, stderr } = await filters(args, cwd);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      const [first, second, ...rest] = stderr.trimEnd().split('\n');
      expect(first).toMatch(message);
      expect(first).toMatch(/^image-filters: /);
      expect(second).toMatch(/^usage: node examples\/image-filters\.js /);
      expect(rest).toEqual([]);
      expect(existsSync(join(cwd, 'lanewise-out')) || readdirSync(cwd).length > 1).toBe(false);
    });
  });
});

test('--help prints the usage', async () => {
  await inFolder(async (cwd) => {
    const { code, stdout } = await filters(['--help'], cwd);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^usage: node examples\/image-filters\.js \[picture\.png \.\.\.\] \[--out DIR\]\n$/);
    expect(readdirSync(cwd)).toEqual([]);
  });
});
