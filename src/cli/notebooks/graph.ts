/** Graphs of computations: steps in a row, and what several of them share above. */
import { escapeXml, type Image, svg } from './images.js';

interface Step {
  /** On the arrow that leads here. */
  arrow?: string;
  words: string;
  /** Whether an arrow comes from what is shared. */
  shared?: boolean;
}

const [BOX, GAP, HEIGHT, TOP] = [92, 52, 40, 84];

/** Steps from left to right, joined by arrows; `shared` has an arrow to each step that uses it. */
export function flow(steps: readonly Step[], shared: string): Image {
  const width = steps.length * BOX + (steps.length - 1) * GAP;
  const middle = TOP + HEIGHT / 2;
  const box = (x: number, y: number, words: string) =>
    `<rect x="${x}" y="${y}" width="${BOX}" height="${HEIGHT}" rx="6" fill="none" stroke="var(--soft, #888)"/>` +
    `<text x="${x + BOX / 2}" y="${y + HEIGHT / 2 + 5}" text-anchor="middle" font-size="14">${escapeXml(words)}</text>`;
  const arrow = (x1: number, y1: number, x2: number, y2: number) =>
    `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="var(--ink, #333)" marker-end="url(#head)"/>`;
  const users = steps.flatMap(({ shared: uses }, i) => (uses ? [i * (BOX + GAP) + BOX / 2] : []));
  const centre = users.reduce((sum, x) => sum + x, 0) / users.length;
  const parts = steps.map(({ words, arrow: above = '' }, i) => {
    const x = i * (BOX + GAP);
    const name = `<text x="${x - GAP / 2 - 2}" y="${middle - 8}" text-anchor="middle">${escapeXml(above)}</text>`;
    return box(x, TOP, words) + (i > 0 ? arrow(x - GAP, middle, x - 4, middle) + name : '');
  });
  const lines = users.map((x) => arrow(centre + Math.sign(x - centre) * 20, HEIGHT + 1, x, TOP - 4));
  const head =
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">' +
    '<path d="M0 0 L8 4 L0 8 z" fill="var(--ink, #333)"/></marker>';
  const content = `<defs>${head}</defs>${box(centre - BOX / 2, 1, shared)}${lines.join('')}${parts.join('')}`;
  return svg(width + 2, TOP + HEIGHT + 2, content);
}
