/** A notebook that has run, as one HTML file that needs no other. */
import type { Info } from '../../index.js';
import { type Cell, type Figure, formatSeconds, type Picture, type Table } from './book.js';
import { base64, escapeXml } from './images.js';
import { type Change, changesText } from './params.js';

export interface Report {
  title: string;
  /** What it ran on. */
  subtitle: string;
  cells: readonly Cell[];
  engine: Info;
  changed: readonly Change[];
  /** How this report is made. */
  command: string;
  seconds: number;
}

export interface Count {
  ok: number;
  off: number;
  /** Those of `off` that no draws can excuse. */
  wrong: number;
  other: number;
}

export function count(cells: readonly Cell[]): Count {
  const all = cells.flatMap(({ figures }) => figures.map(({ status }) => status));
  const of = (wanted: Figure['status']) => all.filter((status) => status === wanted).length;
  const wrong = cells.flatMap(({ figures }) => figures).filter(({ status, chance }) => status === 'off' && !chance);
  return { ok: of('ok'), off: of('off'), wrong: wrong.length, other: of('not comparable') };
}

const STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #24292f; --soft: #57606a; --grid: #d8dee4; --card: #f6f8fa;
  --ok: #1a7f37; --off: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #16191d; --ink: #e3e7eb; --soft: #9aa4af; --grid: #3a424b;
  --card: #1f2429; --ok: #4cc26a; --off: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 28px 64px; max-width: 1180px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 Helvetica, Arial, sans-serif; }
h1 { margin: 0 0 4px; font-size: 26px; }
h2 { margin: 34px 0 8px; padding-top: 14px; border-top: 1px solid var(--grid); font-size: 18px; }
h2 small { float: right; color: var(--soft); font-weight: 400; font-size: 13px; }
p { margin: 6px 0; max-width: 860px; }
.soft { color: var(--soft); }
table { display: block; border-collapse: collapse; margin: 8px 0; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 16px 3px 0; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 400; font-size: 13px; border-bottom: 1px solid var(--grid); }
td.status { white-space: nowrap; padding-right: 0; }
td.number { white-space: pre-wrap; font-family: Menlo, Consolas, monospace; font-size: 13px; }
td.short { white-space: nowrap; }
.ok { color: var(--ok); } .off { color: var(--off); font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: 18px; margin: 10px 0; }
figure { margin: 0; max-width: 100%; overflow-x: auto; }
figure svg, figure img { display: block; max-width: 100%; height: auto; }
figure img { image-rendering: pixelated; }
figcaption { margin-top: 4px; color: var(--soft); font-size: 13px; }
@media (max-width: 700px) {
  body { padding: 16px 16px 48px; }
  h2 small { float: none; margin-left: 8px; }
  .chart svg { min-width: min(var(--width), 560px); }
}
details { margin: 8px 0; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
pre { margin: 6px 0; padding: 10px 12px; max-height: 320px; overflow: auto; background: var(--card);
  font: 12px/1.45 Menlo, Consolas, monospace; }
code { font: 13px Menlo, Consolas, monospace; overflow-wrap: anywhere; }
`;

function figureTable(figures: readonly Figure[]): string {
  if (figures.length === 0) return '';
  const compared = figures.some(({ expected }) => expected !== '');
  const rows = figures.map(({ name, value, expected, status }) => {
    const mark = `<td class="status ${status === 'not comparable' ? 'soft' : status}">${status}</td>`;
    const last = compared ? `<td class="number soft">${escapeXml(expected)}</td>${mark}` : '';
    const short = value.includes(' ') ? '' : ' short';
    return `<tr><td>${escapeXml(name)}</td><td class="number${short}">${escapeXml(value)}</td>${last}</tr>`;
  });
  const heads = `<tr><th>figure</th><th>value</th>${compared ? '<th>notebook</th><th></th>' : ''}</tr>`;
  return `<table>${heads}${rows.join('')}</table>`;
}

function plainTable({ heads, rows }: Table): string {
  const line = (cells: readonly string[], tag: string, kind = '') =>
    `<tr>${cells.map((cell) => `<${tag}${kind}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(heads, 'th')}${rows.map((row) => line(row, 'td', ' class="number"')).join('')}</table>`;
}

function figure({ name, caption, image }: Picture): string {
  const { kind, bytes, width, height, chart } = image;
  const shown =
    kind === 'svg'
      ? `<!-- ${name} -->${bytes}`
      : `<img alt="${escapeXml(caption)}" width="${width}" height="${height}" src="data:image/png;base64,${base64(bytes as Uint8Array)}">`;
  return `<figure id="${name}"${chart ? ` class="chart" style="--width:${width}px"` : ''}>${shown}<figcaption>${escapeXml(caption)}</figcaption></figure>`;
}

function section(cell: Cell, number: number): string {
  const { title, seconds, notes, figures, tables, pictures, lines } = cell;
  const heading = `<h2>${number}. ${escapeXml(title)}<small>${formatSeconds(seconds)}</small></h2>`;
  const texts = notes.map((text) => `<p>${escapeXml(text)}</p>`).join('');
  const shown = pictures.length > 0 ? `<div class="pictures">${pictures.map(figure).join('')}</div>` : '';
  const printed =
    lines.length > 0
      ? `<details><summary>${lines.length} printed lines</summary><pre>${escapeXml(lines.join('\n'))}</pre></details>`
      : '';
  return [heading, texts, figureTable(figures), tables.map(plainTable).join(''), shown, printed].join('');
}

export function html({ title, subtitle, cells, engine, changed, command, seconds }: Report): string {
  const { ok, off, other } = count(cells);
  const parts = [
    `<span class="ok">${ok} ok</span>`,
    `<span class="${off > 0 ? 'off' : 'soft'}">${off} off</span>`,
    ...(other > 0
      ? [
          `<span class="soft">${other} not comparable: ${changed.length > 0 ? 'other parameters or images' : 'other images, or fewer'}</span>`,
        ]
      : []),
  ];
  const machine = `${engine.build} build, ${engine.threads} thread${engine.threads === 1 ? '' : 's'}, ${engine.runtime}`;
  const set = changed.length > 0 ? `<p>Parameters changed: ${escapeXml(changesText(changed))}.</p>\n` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeXml(title)} – lanewise</title><style>${STYLE}</style></head><body>
<h1>${escapeXml(title)}</h1>
<p class="soft">${escapeXml(subtitle)}; ${escapeXml(machine)}; ${formatSeconds(seconds)}</p>
<p>Figures beside those that the course's notebooks print: ${parts.join(', ')}.</p>
${set}<p><code>${escapeXml(command)}</code></p>
${cells.map((cell, i) => section(cell, i + 1)).join('\n')}
</body></html>
`;
}
