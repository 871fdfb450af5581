import { expect, test } from 'vitest';
import { plot } from '../../src/cli/notebooks/plots.js';

/** Heights of the dots of a picture, 0 at the highest and 1 at the lowest. */
function heights(points: (readonly [number, number])[]): number[] {
  const { bytes } = plot([
    { x: { label: 'step' }, y: { label: 'loss' }, series: [{ name: 'loss', points, look: 'dots' }] },
  ]);
  const places = Array.from(String(bytes).matchAll(/<path [^>]*transform="matrix\([^)]*,([\d.]+)\)"/g), ([, y]) =>
    Number(y),
  );
  const [low, high] = [Math.min(...places), Math.max(...places)];
  return places.map((y) => (y - low) / (high - low));
}

test('many dots stay as they are spread: of 15,000 some thousand are shown, not the extremes only', () => {
  const even = Array.from({ length: 15000 }, (_, i) => [i, (i * 0.7548776662) % 1] as const);
  const shown = heights(even);
  expect(shown.length).toBeGreaterThan(3000);
  expect(shown.length).toBeLessThanOrEqual(4000);
  const middle = shown.filter((y) => y > 0.25 && y < 0.75).length / shown.length;
  expect(Math.abs(middle - 0.5)).toBeLessThan(0.05);
});

test('few dots are all shown; what is no number is left out', () => {
  const points = Array.from({ length: 300 }, (_, i) => [i, i % 3 === 0 ? Number.NaN : i] as const);
  expect(heights(points)).toHaveLength(200);
  expect(heights([])).toHaveLength(0);
});
