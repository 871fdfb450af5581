import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';

/** The grid as the course computes it, on nested arrays. */
function reference(images: number[][][][], ubound = 255, padding = 1): number[][][] {
  const [n, h, w, c] = [images.length, images[0].length, images[0][0].length, images[0][0][0].length];
  const side = Math.ceil(Math.sqrt(n));
  const grid = Array.from({ length: h * side + padding * (side - 1) }, () =>
    Array.from({ length: w * side + padding * (side - 1) }, () => Array<number>(c).fill(0)),
  );
  images.forEach((image, i) => {
    const values = image.flat(2);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const [y0, x0] = [Math.floor(i / side) * (h + padding), (i % side) * (w + padding)];
    image.forEach((row, y) => {
      row.forEach((pixel, x) => {
        grid[y0 + y][x0 + x] = pixel.map((v) => (high > low ? (ubound * (v - low)) / (high - low) : 0));
      });
    });
  });
  return grid;
}

function images(n: number, h: number, w: number, c: number): number[][][][] {
  let state = 7;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  };
  const list = <T>(length: number, make: () => T) => Array.from({ length }, make);
  return list(n, () => list(h, () => list(w, () => list(c, next))));
}

describe('visualizeGrid', () => {
  test.each([
    { n: 1, h: 2, w: 3, c: 1 },
    { n: 4, h: 3, w: 2, c: 3, padding: 3 },
    { n: 5, h: 2, w: 2, c: 3, padding: 0 },
    { n: 7, h: 4, w: 5, c: 2, ubound: 1 },
    { n: 10, h: 3, w: 3, c: 3 },
  ])('$n tiles of $h x $w x $c as the course lays them out', ({ n, h, w, c, ubound, padding }) => {
    const given = images(n, h, w, c);
    const options = { ...(ubound === undefined ? {} : { ubound }), ...(padding === undefined ? {} : { padding }) };
    const grid = lw.visualizeGrid(lw.tensor(given, { dtype: 'float64' }), options);
    const wanted = reference(given, ubound, padding);
    expect(grid.dtype).toBe('float64');
    expect(grid.shape).toEqual([wanted.length, wanted[0].length, c]);
    expect(grid.toArray()).toEqual(wanted);
  });

  test('is float32 for float32 and whole-numbered images, and leaves them alone', () => {
    const given = lw.tensor([0, 5, 10, 20], { shape: [1, 2, 2, 1], dtype: 'int32' });
    const grid = lw.visualizeGrid(given);
    expect(grid.dtype).toBe('float32');
    expect([...grid.data]).toEqual([0, 63.75, 127.5, 255]);
    expect([...given.data]).toEqual([0, 5, 10, 20]);
    expect(lw.visualizeGrid(given.astype('float32')).dtype).toBe('float32');
  });

  test('shows tiles without contrast, or without a finite number, as black', () => {
    const values = [3, 3, Number.NaN, Number.NaN, Number.NaN, 1, Number.POSITIVE_INFINITY, 7];
    const grid = lw.visualizeGrid(lw.tensor(values, { shape: [4, 1, 2, 1] }), { padding: 0 });
    expect(grid.toArray()).toEqual([
      [[0], [0], [0], [0]],
      [[0], [0], [0], [0]],
    ]);
    const mixed = lw.tensor([Number.NaN, 1, 2, Number.NEGATIVE_INFINITY], { shape: [1, 1, 4, 1] });
    expect([...lw.visualizeGrid(mixed).data]).toEqual([0, 0, 255, 0]);
  });

  test('lays tiles out in as many columns as it is told', () => {
    const tiles = lw.tensor([1, 2, 3, 4, 5, 6], { shape: [6, 1, 1, 1] });
    const rows = (columns: number) => lw.visualizeGrid(tiles, { columns, padding: 0, stretch: 'none' });
    expect(rows(2).reshape(3, 2).toArray()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(rows(4).reshape(2, 4).toArray()).toEqual([
      [1, 2, 3, 4],
      [5, 6, 0, 0],
    ]);
    expect(rows(8).shape).toEqual([1, 8, 1]);
    expect(lw.visualizeGrid(tiles, { columns: 3, padding: 2 }).shape).toEqual([4, 7, 1]);
  });

  test('stretches each tile, all by the same, or none', () => {
    const tiles = lw.tensor([0, 1, 2, 4, Number.NaN, 3], { shape: [3, 1, 2, 1] });
    const grid = (stretch: 'tile' | 'all' | 'none', ubound = 100) => [
      ...lw.visualizeGrid(tiles, { columns: 1, padding: 0, stretch, ubound }).data,
    ];
    expect(grid('tile')).toEqual([0, 100, 0, 100, 0, 0]);
    expect(grid('all')).toEqual([0, 25, 50, 100, 0, 75]);
    expect(grid('none')).toEqual([0, 1, 2, 4, 0, 3]);
    expect(grid('none', 0)).toEqual([0, 1, 2, 4, 0, 3]);
  });

  test('makes one tensor, in the current scope', () => {
    const given = lw.ones([3, 2, 2, 3]);
    const before = lw.info().memory.live;
    lw.scope(() => {
      lw.visualizeGrid(given);
    });
    expect(lw.info().memory.live).toBe(before);
  });

  test('refuses other shapes, numbers and options', () => {
    expect(() => lw.visualizeGrid(lw.ones([2, 2, 3]))).toThrow(
      'visualizeGrid: images must be a tensor (N, H, W, C) without empty axes, got (2, 2, 3)',
    );
    expect(() => lw.visualizeGrid(lw.ones([0, 2, 2, 3]))).toThrow(lw.ShapeError);
    expect(() => lw.visualizeGrid([[1]] as never)).toThrow(lw.ShapeError);
    const one = lw.ones([1, 2, 2, 3]);
    expect(() => lw.visualizeGrid(one, { padding: -1 })).toThrow(lw.ValueError);
    expect(() => lw.visualizeGrid(one, { padding: 0.5 })).toThrow(lw.ValueError);
    expect(() => lw.visualizeGrid(one, { ubound: Number.NaN })).toThrow(lw.ValueError);
    expect(() => lw.visualizeGrid(one, { columns: 0 })).toThrow(lw.ValueError);
    expect(() => lw.visualizeGrid(one, { stretch: 'tiles' } as never)).toThrow("did you mean 'tile'?");
    expect(() => lw.visualizeGrid(one, { paddin: 1 } as never)).toThrow(
      "unknown option 'paddin'; did you mean 'padding'?",
    );
  });
});

describe('visualizeHog', () => {
  /** A histogram of one cell with a single bin in it. */
  const bin = (i: number, value = 1) => lw.tensor(Array.from({ length: 9 }, (_, k) => (k === i ? value : 0)));
  const side = 9;

  test('draws a line along the edge: bins of 20 degrees from the right, downwards', () => {
    const at = (picture: lw.Tensor, x: number, y: number) => picture.data[y * side + x];
    const vertical = lw.visualizeHog(bin(4), { cellSize: side });
    expect(vertical.shape).toEqual([side, side, 1]);
    expect([at(vertical, 4, 4), at(vertical, 4, 1), at(vertical, 4, 7)]).toEqual([255, 255, 255]);
    expect([at(vertical, 1, 4), at(vertical, 7, 4)]).toEqual([0, 0]);
    const falling = lw.visualizeHog(bin(2), { cellSize: side });
    expect(at(falling, 6, 6)).toBeGreaterThan(100);
    expect([at(falling, 2, 6), at(falling, 6, 2)]).toEqual([0, 0]);
    const rising = lw.visualizeHog(bin(6), { cellSize: side });
    expect(at(rising, 6, 2)).toBeGreaterThan(100);
  });

  test('follows the edges of an image', () => {
    // Left half black, right half white: the only edge is vertical, between the second and the third column of cells.
    const image = lw.tensor(
      Array.from({ length: 1024 }, (_, i) => (i % 32 < 16 ? 0 : 200)),
      { shape: [32, 32], dtype: 'float64' },
    );
    const hog = lw.hogFeature(image);
    const picture = lw.visualizeHog(hog, { cellSize: side });
    expect(picture.dtype).toBe('float64');
    expect(picture.shape).toEqual([36, 36, 1]);
    const columns = Array.from({ length: 36 }, (_, x) =>
      Array.from({ length: 36 }, (_, y) => picture.data[y * 36 + x]).some((v) => v > 0),
    );
    // Directions of exactly 90 degrees are in bin 4, whose line is upright, in the middle of the second column of cells.
    expect(columns.indexOf(true)).toBeGreaterThanOrEqual(side);
    expect(columns.lastIndexOf(true)).toBeLessThan(2 * side);
    const upright = Array.from({ length: 36 }, (_, y) => picture.data[y * 36 + side + 4]);
    expect(upright.filter((v) => v === 255).length).toBeGreaterThan(20);
  });

  test('is black for nothing, and refuses what is no histogram', () => {
    expect(lw.visualizeHog(lw.zeros([144])).max()).toBe(0);
    expect(lw.visualizeHog(lw.zeros([18]), { rows: 1 }).shape).toEqual([16, 32, 1]);
    expect(lw.visualizeHog(lw.zeros([18]), { rows: 2 }).shape).toEqual([32, 16, 1]);
    for (const wrong of [lw.zeros([10]), lw.zeros([0]), [1, 2]]) {
      expect(() => lw.visualizeHog(wrong as lw.Tensor)).toThrow(lw.ShapeError);
    }
    expect(() => lw.visualizeHog(lw.zeros([144]), { cellSize: 2 })).toThrow(lw.ValueError);
    expect(() => lw.visualizeHog(lw.zeros([144]), { rows: 0 })).toThrow(lw.ValueError);
    expect(() => lw.visualizeHog(lw.zeros([144]), { cells: 2 } as never)).toThrow(lw.OptionError);
  });
});

describe('toPixels', () => {
  test('gives RGBA bytes: rounded, clamped, opaque unless there is a fourth channel', () => {
    const rgb = lw.tensor([-4, 0.6, 300, 12, Number.NaN, 255], { shape: [1, 2, 3] });
    const { width, height, data } = lw.toPixels(rgb);
    expect([width, height]).toEqual([2, 1]);
    expect(data).toBeInstanceOf(Uint8ClampedArray);
    expect([...data]).toEqual([0, 1, 255, 255, 12, 0, 255, 255]);
    expect([...lw.toPixels(lw.tensor([9, 8], { shape: [2, 1, 1] })).data]).toEqual([9, 9, 9, 255, 8, 8, 8, 255]);
    expect([...lw.toPixels(lw.tensor([1, 2, 3, 4], { shape: [1, 1, 4], dtype: 'int32' })).data]).toEqual([1, 2, 3, 4]);
  });

  test('enlarges by whole pixels', () => {
    const { width, height, data } = lw.toPixels(lw.tensor([1, 2, 3, 4], { shape: [2, 2, 1] }), { scale: 3 });
    expect([width, height]).toEqual([6, 6]);
    const red = Array.from({ length: 36 }, (_, i) => data[4 * i]);
    const rows = [
      [1, 1, 1, 2, 2, 2],
      [3, 3, 3, 4, 4, 4],
    ];
    expect(red).toEqual([rows[0], rows[0], rows[0], rows[1], rows[1], rows[1]].flat());
  });

  test('is what ImageData takes', () => {
    const pixels = lw.toPixels(lw.visualizeGrid(lw.tensor(images(4, 2, 2, 3))));
    expect(pixels.data.length).toBe(4 * pixels.width * pixels.height);
    if (typeof ImageData === 'undefined') return;
    const shown = new ImageData(pixels.data, pixels.width, pixels.height);
    expect([shown.width, shown.height]).toEqual([5, 5]);
  });

  test('refuses other shapes, scales and options', () => {
    expect(() => lw.toPixels(lw.ones([2, 2]))).toThrow(lw.ShapeError);
    expect(() => lw.toPixels(lw.ones([2, 2, 2]))).toThrow(
      'toPixels: image must be (H, W, C) with C = 1, 3 or 4, got (2, 2, 2)',
    );
    expect(() => lw.toPixels(lw.ones([2, 2, 1]), { scale: 0 })).toThrow(lw.ValueError);
    expect(() => lw.toPixels(lw.ones([2, 2, 1]), { scale: 10_000 })).toThrow('too large');
    expect(() => lw.toPixels(lw.ones([2, 2, 1]), { sale: 2 } as never)).toThrow(lw.OptionError);
  });
});
