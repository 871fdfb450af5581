/** Points of plots, and fewer of them where there are more than a picture shows. */

export type Point = readonly [x: number, y: number];

function finitePoints(points: readonly Point[]): Point[] {
  return points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
}

/** For lines, at most about `most` points: of each stretch the lowest and the highest, so that no spike is lost. */
export function thinned(points: readonly Point[], most = 1200): Point[] {
  const finite = finitePoints(points);
  const stretch = Math.ceil((2 * finite.length) / most);
  if (stretch <= 2) return finite;
  const kept: Point[] = [];
  for (let i = 0; i < finite.length; i += stretch) {
    const part = finite.slice(i, i + stretch).sort((a, b) => a[1] - b[1]);
    kept.push(...([part[0], part.at(-1)] as Point[]).sort((a, b) => a[0] - b[0]));
  }
  return kept;
}

/**
 * For dots, where extremes alone would look like two bands: of each stretch one point, at places that follow no rhythm of
 * theirs (multiples of the golden ratio).
 */
export function sampled(points: readonly Point[], most = 4000): Point[] {
  const finite = finitePoints(points);
  const stretch = Math.max(1, Math.ceil(finite.length / most));
  const places = Array.from({ length: Math.floor(finite.length / stretch) }, (_, i) => {
    return i * stretch + Math.floor(stretch * ((i * 0.6180339887) % 1));
  });
  return places.map((place) => finite[place] as Point);
}
