import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { difference } from './files.js';

const NAMES = ['disc', 'ring', 'square', 'triangle', 'cross', 'star', 'heart', 'moon', 'stripes', 'checks'];

/** FNV-1a of whole numbers below 256. */
function hash(values: ArrayLike<number>): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < values.length; i++) h = Math.imul(h ^ (values[i] as number), 0x01000193);
  return (h >>> 0).toString(16).padStart(8, '0');
}

/** Runs in a scope: nothing of a test lasts. */
const draw = <T>(options: lw.SyntheticOptions, look: (images: lw.SyntheticImages) => T): T =>
  lw.scope(() => look(lw.syntheticImages(options)));

describe('syntheticImages', () => {
  test('shapes, types, range, balance', () => {
    draw({ num: 103 }, ({ X, y, classes }) => {
      expect(X.shape).toEqual([103, 3, 32, 32]);
      expect(X.dtype).toBe('float32');
      expect(y.shape).toEqual([103]);
      expect(y.dtype).toBe('int32');
      expect(classes).toEqual(NAMES);
      expect(X.data.every((x) => Number.isInteger(x) && x >= 0 && x <= 255)).toBe(true);
      const counts = classes.map((_, k) => y.data.filter((label: number) => label === k).length);
      expect(Math.min(...counts)).toBe(10);
      expect(Math.max(...counts)).toBe(11);
    });
  });

  // Recorded once. That they hold on every host and build is the point.
  test.each([
    [{ num: 40, seed: 0 }, '2cc33079', '65624cbb'],
    [{ num: 12, seed: 2 ** 32 - 1, size: 21, classes: 10 }, '0f200bfc', 'eac6f8c7'],
    [{ num: 10, seed: 7, size: 64, classes: 3 }, '574adce5', '1e182ef4'],
  ])('%o are the same pixels everywhere', (options, pixels, labels) => {
    draw(options, ({ X, y }) => expect([hash(X.data), hash(y.data)]).toEqual([pixels, labels]));
  });

  test('the seed decides, and it alone', () => {
    const one = draw({ num: 8, seed: 5 }, ({ X }) => X.data.slice());
    lw.random.rand(3).dispose();
    expect(draw({ num: 8, seed: 5 }, ({ X }) => difference(X.data, one))).toBe(-1);
    expect(draw({ num: 8, seed: 6 }, ({ X }) => difference(X.data, one))).not.toBe(-1);
  });

  test('float64 has the same numbers', () => {
    const one = draw({ num: 4 }, ({ X }) => X.data.slice());
    draw({ num: 4, dtype: 'float64' }, ({ X }) => {
      expect(X.dtype).toBe('float64');
      expect(difference(X.data, one)).toBe(-1);
    });
  });

  test('belongs to the scope, and leaves nothing else behind', () => {
    const { live } = lw.info().memory;
    const { X, y } = lw.syntheticImages({ num: 3 });
    X.dispose();
    y.dispose();
    draw({ num: 3 }, () => undefined);
    expect(lw.info().memory.live).toBe(live);
  });

  test('no pixel gives the class away: the nearest class mean is near chance', () => {
    const [train, check] = [1500, 500];
    draw({ num: train + check, seed: 3 }, ({ X, y, classes }) => {
      const [D, pixels, labels] = [3 * 32 * 32, X.data, y.data];
      const means = classes.map(() => new Float64Array(D));
      const counts = classes.map(() => 0);
      for (let i = 0; i < train; i++) {
        const label = labels[i] as number;
        (counts[label] as number)++;
        const mean = means[label] as Float64Array;
        for (let p = 0; p < D; p++) (mean[p] as number) += pixels[i * D + p] as number;
      }
      let right = 0;
      for (let i = train; i < train + check; i++) {
        const distances = means.map((mean, k) => {
          let sum = 0;
          for (let p = 0; p < D; p++)
            sum += ((mean[p] as number) / (counts[k] as number) - (pixels[i * D + p] as number)) ** 2;
          return sum;
        });
        if (distances.indexOf(Math.min(...distances)) === labels[i]) right++;
      }
      expect(right / check).toBeLessThan(0.25);
    });
  });

  test('no images, and options that make no sense', () => {
    draw({ num: 0 }, ({ X, y }) => expect([X.shape[0], y.shape[0]]).toEqual([0, 0]));
    const attempt = (options: object) => () => lw.syntheticImages({ num: 1, ...options });
    for (const options of [{ num: -1 }, { num: 1.5 }, { classes: 11 }, { classes: 1 }, { size: 4 }, { seed: -1 }]) {
      expect(attempt(options)).toThrow(lw.ValueError);
    }
    expect(attempt({ dtype: 'int32' })).toThrow(lw.OptionError);
    expect(attempt({ sized: 4 })).toThrow("did you mean 'size'?");
    expect(() => lw.syntheticImages(undefined as unknown as lw.SyntheticOptions)).toThrow(lw.ValueError);
  });
});
