/** Charts of the notebooks. Colours of ink and grid are the page's own, so that they suit light and dark. */
import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type Point, sampled, thinned } from '../points.js';
import type { Image } from './images.js';

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  SVGRenderer,
]);

export interface Series {
  name: string;
  points: readonly Point[];
  /** 'line' (default), 'dots', 'both', 'dashes', or 'bars'. */
  look?: 'line' | 'dots' | 'both' | 'dashes' | 'bars';
  /** Half the length of an error bar at each point. */
  errors?: readonly number[];
  /** Place in the palette; default its place in the panel. */
  colour?: number;
}

export interface Axis {
  label: string;
  /** Ticks at powers of ten. */
  log?: boolean;
  min?: number;
  max?: number;
  /** From tick to tick; with `log`, in powers of ten. */
  interval?: number;
  /** Ticks at whole numbers only. */
  whole?: boolean;
  /** Names instead of numbers: points have x = 0, 1, … */
  names?: readonly string[];
}

export interface Panel {
  title?: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
}

const PALETTE = [
  '#3a82c8',
  '#e0781e',
  '#2f9e6e',
  '#c8467e',
  '#8a68cc',
  '#9a8f1f',
  '#2aa1b3',
  '#a8674a',
  '#7d8794',
  '#d45fd0',
];
const INK = 'var(--ink, #333)';
const LINES = 'var(--grid, #ddd)';
const FONT = 'Helvetica, Arial, sans-serif';
const PLOT = { left: 72, right: 20, top: 44, bottom: 58 };

const colourOf = (place: number) => PALETTE[place % PALETTE.length];

/** Thousands apart, small ones with an exponent. */
function tick(value: number): string {
  const size = Math.abs(value);
  return size > 0 && size < 1e-3 ? Number(value.toPrecision(3)).toExponential() : value.toLocaleString('en');
}

function power(value: number): string {
  return value >= 0.01 && value < 1e4 ? String(value) : value.toExponential(0);
}

/** Powers of ten around all values of an axis, and after how many of them a tick comes. */
function decades(values: readonly number[]): { min?: number; max?: number; interval?: number } {
  const exponents = values.filter((v) => v > 0 && Number.isFinite(v)).map(Math.log10);
  if (exponents.length === 0) return {};
  const [low, high] = [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))];
  const interval = Math.max(1, Math.ceil((high - low) / 7));
  const steps = Math.max(1, Math.ceil((high - low) / interval));
  return { min: 10 ** (high - steps * interval), max: 10 ** high, interval };
}

function axisOption({ label, log, min, max, interval, whole, names }: Axis, gridIndex: number, gap: number) {
  return {
    gridIndex,
    name: label,
    nameLocation: 'middle' as const,
    nameGap: gap,
    nameTextStyle: { color: INK, fontSize: 13 },
    axisLabel: {
      color: INK,
      fontSize: 12,
      hideOverlap: true,
      ...(names ? {} : { formatter: log ? power : tick }),
    },
    axisLine: { show: true, onZero: false, lineStyle: { color: INK } },
    axisTick: { lineStyle: { color: INK } },
    splitLine: { lineStyle: { color: LINES } },
    ...(names
      ? { type: 'category' as const, data: [...names] }
      : { type: log ? ('log' as const) : ('value' as const), ...(min === undefined ? { scale: true } : { min }) }),
    ...(max === undefined ? {} : { max }),
    ...(interval === undefined ? {} : { interval }),
    ...(whole ? { minInterval: 1 } : {}),
  };
}

/** A logarithmic axis from one power of ten to another. */
function fitted(axis: Axis, list: readonly Series[], dimension: 0 | 1): Axis {
  if (!axis.log) return axis;
  return { ...decades(list.flatMap(({ points }) => points.map((point) => point[dimension]))), ...axis };
}

/** What a custom series is given of the chart's axes. */
interface Coordinates {
  value(dimension: number): number;
  coord(point: readonly number[]): number[];
}

function seriesOptions(series: Series, place: number, index: number): object[] {
  const { name, points, look = 'line', errors } = series;
  const color = colourOf(series.colour ?? place);
  const common = { name, xAxisIndex: index, yAxisIndex: index, itemStyle: { color }, silent: true };
  if (look === 'bars') return [{ ...common, type: 'bar' as const, data: points.map(([x, y]) => [x, y]) }];
  if (look === 'dots') {
    const size = points.length > 200 ? 3 : 6;
    return [{ ...common, type: 'scatter' as const, symbolSize: size, data: sampled(points).map(([x, y]) => [x, y]) }];
  }
  const line = {
    ...common,
    type: 'line' as const,
    data: thinned(points).map(([x, y]) => [x, y]),
    showSymbol: look === 'both' || errors !== undefined,
    symbol: 'circle',
    symbolSize: 6,
    lineStyle: { width: 2, color, type: look === 'dashes' ? ('dashed' as const) : ('solid' as const) },
  };
  if (!errors) return [line];
  const bars = {
    ...common,
    type: 'custom' as const,
    data: points.map(([x, y], i) => [x, y - errors[i], y + errors[i]]),
    encode: { x: 0, y: [1, 2] },
    renderItem(_: unknown, api: Coordinates) {
      const [x, low] = api.coord([api.value(0), api.value(1)]) as [number, number];
      const [, high] = api.coord([api.value(0), api.value(2)]) as [number, number];
      const style = { stroke: color, lineWidth: 1.5 };
      const stroke = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line' as const,
        shape: { x1, y1, x2, y2 },
        style,
      });
      return {
        type: 'group' as const,
        children: [stroke(x, low, x, high), stroke(x - 5, low, x + 5, low), stroke(x - 5, high, x + 5, high)],
      };
    },
  };
  return [line, bars];
}

/** Panels one below the other, or `columns` in a row, each of width x height. */
export function plot(
  panels: readonly Panel[],
  { width = 720, height = 300, columns = 1 }: { width?: number; height?: number; columns?: number } = {},
): Image {
  const total = { width: width * columns, height: height * Math.ceil(panels.length / columns) };
  const places = panels.map((_, i) => ({ left: (i % columns) * width, top: Math.floor(i / columns) * height }));
  const series = panels.flatMap((panel, i) => panel.series.flatMap((each, k) => seriesOptions(each, k, i)));
  const legends = panels.flatMap(({ series: list }, i) => {
    if (list.length < 2) return [];
    const { left, top } = places[i];
    return [
      {
        data: [...new Set(list.map(({ name }) => name))],
        ...{ left: left + PLOT.left, top: top + 24, width: width - PLOT.left - PLOT.right },
        ...{ itemWidth: 16, itemHeight: 4, itemGap: 18, icon: 'rect', textStyle: { color: INK, fontSize: 12 } },
      },
    ];
  });
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...total });
  chart.setOption({
    animation: false,
    backgroundColor: 'var(--paper, #fff)',
    textStyle: { fontFamily: FONT },
    title: panels.map(({ title = '' }, i) => ({
      text: title,
      left: places[i].left + PLOT.left,
      top: places[i].top + 4,
      textStyle: { color: INK, fontSize: 14, fontWeight: 600 },
      padding: 0,
    })),
    grid: places.map(({ left, top }) => ({
      left: left + PLOT.left,
      top: top + PLOT.top,
      width: width - PLOT.left - PLOT.right,
      height: height - PLOT.top - PLOT.bottom,
    })),
    legend: legends,
    xAxis: panels.map(({ x, series: list }, i) => axisOption(fitted(x, list, 0), i, 32)),
    yAxis: panels.map(({ y, series: list }, i) => axisOption(fitted(y, list, 1), i, 52)),
    series,
  } as echarts.EChartsCoreOption);
  const bytes = chart.renderToSVGString();
  chart.dispose();
  return { kind: 'svg', bytes, ...total, chart: true };
}

export interface History {
  lossHistory: readonly number[];
  trainAccHistory: readonly number[];
  valAccHistory: readonly number[];
}

/** One point for each value: at 0, 1, …, or evenly spread over `steps`. */
export function series(values: readonly number[], steps = values.length - 1): Point[] {
  const apart = values.length > 1 ? steps / (values.length - 1) : 1;
  return values.map((value, i) => [i * apart, value]);
}

/** Loss, and accuracies beside it if they were measured more than once, of one run. goal: a dashed line among the accuracies. */
export function curves({ lossHistory, trainAccHistory, valAccHistory }: History, goal?: number): Image {
  const last = valAccHistory.length - 1;
  const dashes: Series = {
    name: 'goal',
    look: 'dashes',
    colour: 3,
    points: [
      [0, goal ?? 0],
      [last, goal ?? 0],
    ],
  };
  const loss: Panel = {
    title: 'Loss of each step',
    x: { label: 'step', min: 0, whole: true },
    y: { label: 'loss' },
    series: [{ name: 'loss', points: series(lossHistory), look: lossHistory.length > 200 ? 'dots' : 'line' }],
  };
  if (valAccHistory.length < 2) return plot([loss]);
  const panels: Panel[] = [
    loss,
    {
      title: 'Accuracy',
      x: { label: 'check', min: 0, max: last, whole: true },
      y: { label: 'accuracy' },
      series: [
        { name: 'training', points: series(trainAccHistory), look: 'both' },
        { name: 'validation', points: series(valAccHistory), look: 'both' },
        ...(goal === undefined ? [] : [dashes]),
      ],
    },
  ];
  return plot(panels, { width: 550, columns: 2 });
}

/** Several runs over one another: loss, training accuracy, validation accuracy. */
export function comparison(runs: Readonly<Record<string, History>>): Image {
  const panel = (title: string, label: string, x: string, of: (run: History) => readonly number[]): Panel => ({
    title,
    x: { label: x, min: 0, whole: true },
    y: { label },
    series: Object.entries(runs).map(([name, run]) => ({
      name,
      points: series(of(run)),
      look: x === 'step' ? 'line' : 'both',
    })),
  });
  const losses = panel('Loss of each step', 'loss', 'step', (run) => run.lossHistory);
  // A run that diverges would leave the others flat.
  const top = 2 * Math.max(...Object.values(runs).map(({ lossHistory }) => lossHistory[0]));
  const highest = Math.max(...losses.series.flatMap(({ points }) => points.map(([, y]) => y)));
  if (!(highest <= top)) losses.y = { ...losses.y, max: Number(top.toPrecision(2)) };
  return plot([
    losses,
    panel('Training accuracy', 'accuracy', 'check', (run) => run.trainAccHistory),
    panel('Validation accuracy', 'accuracy', 'check', (run) => run.valAccHistory),
  ]);
}

/** Blue for 0 through green to yellow for 1, each lighter than the one before. */
const SCALE = [
  [68, 40, 120],
  [52, 94, 141],
  [33, 144, 140],
  [94, 190, 98],
  [238, 220, 70],
] as const;

function shade(share: number): { fill: string; ink: string } {
  const at = Math.min(1, Math.max(0, share)) * (SCALE.length - 1);
  const i = Math.min(SCALE.length - 2, Math.floor(at));
  const mix = [0, 1, 2].map((k) => {
    const [a, b] = [SCALE[i][k], SCALE[i + 1][k]];
    return Math.round(a + (at - i) * (b - a));
  });
  return { fill: `rgb(${mix.join(',')})`, ink: share > 0.6 ? '#111' : '#fff' };
}

export interface Grid {
  title: string;
  rows: readonly string[];
  columns: readonly string[];
  rowLabel: string;
  columnLabel: string;
  /** Share of the darkest colour's way to the brightest, from 0 to 1; NaN: no colour. */
  shares: readonly (readonly number[])[];
  words: readonly (readonly string[])[];
}

/** Coloured squares with numbers on them: confusion matrices and searches. */
export function squares(grids: readonly Grid[], cell: readonly [number, number] = [54, 34]): Image {
  const [w, h] = cell;
  const left = 26 + Math.max(...grids.flatMap(({ rows }) => rows.map((name) => 7 * name.length)));
  const widths = grids.map(({ columns, title }) => Math.max(left + columns.length * w + 24, 7.5 * title.length + 24));
  const height = Math.max(...grids.map(({ rows }) => 66 + rows.length * h + 10));
  let x = 0;
  const parts = grids.map(({ title, rows, columns, rowLabel, columnLabel, shares, words }, g) => {
    const [x0, y0] = [x + left, 62];
    x += widths[g];
    const text = (tx: number, ty: number, content: string, more = 'text-anchor="middle"') =>
      `<text x="${tx}" y="${ty}" ${more}>${content}</text>`;
    const turned = `text-anchor="middle" transform="rotate(-90 ${x0 - left + 14} ${y0 + (rows.length * h) / 2})"`;
    return [
      text(x0 - left + 4, 15, title, 'font-size="14" font-weight="600"'),
      text(x0 + (columns.length * w) / 2, 36, columnLabel, 'text-anchor="middle" font-size="13"'),
      text(x0 - left + 14, y0 + (rows.length * h) / 2, rowLabel, `${turned} font-size="13"`),
      ...columns.map((name, i) => text(x0 + (i + 0.5) * w, y0 - 6, name)),
      ...rows.map((name, i) => text(x0 - 6, y0 + (i + 0.5) * h + 4, name, 'text-anchor="end"')),
      ...shares.flatMap((line, r) =>
        line.map((share, c) => {
          const { fill, ink } = Number.isNaN(share) ? { fill: 'none', ink: INK } : shade(share);
          const box = `x="${x0 + c * w}" y="${y0 + r * h}" width="${w - 1}" height="${h - 1}"`;
          const middle = text(
            x0 + (c + 0.5) * w,
            y0 + (r + 0.5) * h + 4,
            words[r][c],
            `text-anchor="middle" fill="${ink}"`,
          );
          return `<rect ${box} fill="${fill}"/>${middle}`;
        }),
      ),
    ].join('');
  });
  const font = `font-family="${FONT}" font-size="12" fill="${INK}"`;
  const size = `width="${x}" height="${height}" viewBox="0 0 ${x} ${height}"`;
  return {
    kind: 'svg',
    bytes: `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>${parts.join('')}</svg>`,
    width: x,
    height,
  };
}

/** How often class (row) was taken for class (column). */
export function confusion(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: readonly string[]): Image {
  const counts = classes.map(() => classes.map(() => 0));
  for (let i = 0; i < truth.length; i++) counts[truth[i]][predicted[i]]++;
  const most = Math.max(1, ...counts.flat());
  return squares(
    [
      {
        title: 'Confusion matrix, counts',
        rows: classes,
        columns: classes,
        rowLabel: 'class',
        columnLabel: 'predicted',
        shares: counts.map((line) => line.map((n) => n / most)),
        words: counts.map((line) => line.map(String)),
      },
    ],
    [62, 30],
  );
}

/** Heights of equal bins over [low, high]. */
export function histogram(values: ArrayLike<number>, low: number, high: number, bins = 40): Point[] {
  const counts = new Array<number>(bins).fill(0);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(((values[i] - low) / (high - low)) * bins);
    if (bin >= 0 && bin <= bins) counts[Math.min(bin, bins - 1)]++;
  }
  return counts.map((count, i) => [low + ((i + 0.5) * (high - low)) / bins, count / values.length]);
}
