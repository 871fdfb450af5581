/** The picture of a sweep. In a file of its own, loaded when a sweep has ended: the chart library is large. */
import { ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent, VisualMapContinuousComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

echarts.use([
  ...[ScatterChart, GridComponent, LegendComponent, TitleComponent],
  ...[VisualMapContinuousComponent, SVGRenderer],
]);

export interface PicturedTrial {
  trial: number;
  status: 'finished' | 'stopped' | 'failed';
  drawn: Readonly<Record<string, unknown>>;
  valAcc: number | null;
  trainAcc: number | null;
}

const INK = '#333';
const PALE = '#e4e4e4';
const BLUE = '#1f6fb4';
const ORANGE = '#d9730d';
/** Dark to light, in order also without colours. */
const SCALE = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#fde725'];
/** From this ratio of the largest value to the smallest an axis is logarithmic. */
const LOG_FROM = 12;

interface Axis {
  name: string;
  log: boolean;
}

/** Settings that are numbers and not the same for all, those that are looked at most often first. */
function numericAxes(trials: readonly PicturedTrial[]): Axis[] {
  const names = Object.keys(trials[0]?.drawn ?? {}).filter((name) => {
    const values = new Set(trials.map(({ drawn }) => drawn[name]));
    return values.size > 1 && [...values].every((value) => typeof value === 'number');
  });
  const first = ['learningRate', 'reg'];
  const order = [...first.filter((name) => names.includes(name)), ...names.filter((name) => !first.includes(name))];
  return order.map((name) => {
    const values = trials.map(({ drawn }) => drawn[name] as number);
    const low = Math.min(...values);
    return { name, log: low > 0 && Math.max(...values) / low >= LOG_FROM };
  });
}

const style = {
  nameTextStyle: { color: INK, fontSize: 13 },
  axisLabel: { color: INK, fontSize: 12 },
  axisLine: { show: true, lineStyle: { color: '#999' } },
  splitLine: { lineStyle: { color: PALE } },
};

/** 0.0001 as 1e-4, on logarithmic axes. Only powers of ten: the ends, which lie anywhere, would meet the next label. */
function powerText(value: number): string {
  if (!/^-?1(e|$)/.test(value.toExponential())) return '';
  return value >= 0.01 && value < 1e4 ? String(value) : value.toExponential().replace('e+', 'e');
}

function axisOf({ name, log }: Axis, trials: readonly PicturedTrial[], gap: number) {
  const values = trials.map(({ drawn }) => drawn[name] as number);
  const named = { ...style, name, nameLocation: 'middle' as const, nameGap: gap };
  if (!log) return { ...named, type: 'value' as const, scale: true, boundaryGap: ['6%', '6%'] as [string, string] };
  // Some room beyond the outermost points, in ratios.
  const [low, high] = [Math.min(...values) / 1.5, Math.max(...values) * 1.5];
  return {
    ...named,
    type: 'log' as const,
    min: low,
    max: high,
    axisLabel: {
      ...style.axisLabel,
      formatter: (value: number) => powerText(Number(value.toPrecision(6))),
    },
  };
}

/**
 * An SVG document. With two numeric settings or more: a point a trial over the first two, coloured by accuracy, once for
 * validation and once for training; else the accuracies over the one setting, or over the trials.
 */
export function sweepPicture(title: string, trials: readonly PicturedTrial[]): string {
  const axes = numericAxes(trials);
  const [x, y] = axes;
  const option = x && y ? scatter(trials, x, y) : line(trials, x);
  const wide = x !== undefined && y !== undefined;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: wide ? 1000 : 800, height: 480 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif' },
    ...option,
    title: [
      { text: title, left: 'center', top: 10, textStyle: { color: INK, fontSize: 16, fontWeight: 600 } },
      ...option.title,
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const KINDS = [
  { status: 'finished', symbol: 'circle', size: 13 },
  { status: 'stopped', symbol: 'diamond', size: 11 },
  { status: 'failed', symbol: 'triangle', size: 10 },
] as const;
const NAMES = { finished: 'trained to the end', stopped: 'stopped early', failed: 'failed' } as const;
const BEST = 'best';
/** Of a panel. */
const WIDTH = 340;

function bestOf(trials: readonly PicturedTrial[]): PicturedTrial | undefined {
  return trials.filter(({ valAcc }) => valAcc !== null).sort((a, b) => (b.valAcc as number) - (a.valAcc as number))[0];
}

function scatter(trials: readonly PicturedTrial[], x: Axis, y: Axis) {
  const panels = [
    { key: 'valAcc', title: 'validation accuracy', left: 76 },
    { key: 'trainAcc', title: 'training accuracy', left: 546 },
  ] as const;
  const best = bestOf(trials);
  const at = ({ drawn }: PicturedTrial) => [drawn[x.name] as number, drawn[y.name] as number];
  const present = KINDS.filter(({ status }) => trials.some((trial) => trial.status === status));
  // Points are drawn in their order: the best of several in one place is seen.
  const ordered = [...trials].sort((a, b) => (a.valAcc ?? -1) - (b.valAcc ?? -1));
  const series = panels.flatMap(({ key }, panel) => [
    ...present.map(({ status, symbol, size }) => ({
      name: NAMES[status],
      type: 'scatter' as const,
      ...{ xAxisIndex: panel, yAxisIndex: panel, symbol, symbolSize: size },
      data: ordered
        .filter((trial) => trial.status === status)
        .map((trial) => ({
          value: [...at(trial), trial[key] === null ? null : 100 * (trial[key] as number)],
          // Without an accuracy there is no colour.
          ...(trial[key] === null ? { visualMap: false, itemStyle: { color: '#999' } } : {}),
        })),
      itemStyle: { borderColor: '#fff', borderWidth: 0.8 },
    })),
    {
      name: BEST,
      type: 'scatter' as const,
      ...{ xAxisIndex: panel, yAxisIndex: panel, symbol: 'circle', symbolSize: 21, silent: true },
      data: best ? [{ value: at(best), visualMap: false }] : [],
      itemStyle: { color: 'transparent', borderColor: '#c00', borderWidth: 2 },
    },
  ]);
  const visualMap = panels.map(({ key, left }, panel) => {
    const known = trials.flatMap((trial) => (trial[key] === null ? [] : [100 * (trial[key] as number)]));
    const [low, high] = known.length > 0 ? [Math.min(...known), Math.max(...known)] : [0, 100];
    const perPanel = present.length + 1;
    return {
      type: 'continuous' as const,
      ...{ min: low, max: Math.max(high, low + 0.1), dimension: 2, calculable: false },
      seriesIndex: present.map((_, i) => panel * perPanel + i),
      ...{ left: left + WIDTH + 8, top: 112, itemHeight: 240, itemWidth: 12, precision: 1 },
      text: [`${high.toFixed(1)} %`, `${low.toFixed(1)} %`],
      textStyle: { color: INK },
      inRange: { color: SCALE },
    };
  });
  return {
    title: panels.map(({ title, left }) => ({
      text: title,
      left: left + WIDTH / 2,
      top: 74,
      textAlign: 'center' as const,
      textStyle: { color: INK, fontSize: 13, fontWeight: 600 },
    })),
    legend: {
      ...{ top: 42, left: 'center', itemWidth: 14, itemHeight: 12, itemGap: 20, textStyle: { color: INK } },
      data: [
        ...present.map(({ status, symbol }) => ({ name: NAMES[status], icon: symbol, itemStyle: { color: '#777' } })),
        { name: BEST, icon: 'circle', itemStyle: { color: 'transparent', borderColor: '#c00', borderWidth: 2 } },
      ],
    },
    grid: panels.map(({ left }) => ({ left, top: 102, width: WIDTH, height: 306 })),
    xAxis: panels.map((_, gridIndex) => ({ ...axisOf(x, trials, 32), gridIndex })),
    yAxis: panels.map((_, gridIndex) => ({ ...axisOf(y, trials, 50), gridIndex, name: gridIndex === 0 ? y.name : '' })),
    visualMap,
    series,
  };
}

function line(trials: readonly PicturedTrial[], x: Axis | undefined) {
  const best = bestOf(trials);
  const at = ({ drawn, trial }: PicturedTrial) => (x ? (drawn[x.name] as number) : trial + 1);
  const kinds = [
    { name: 'training', key: 'trainAcc', color: BLUE },
    { name: 'validation', key: 'valAcc', color: ORANGE },
  ] as const;
  const counted = { ...style, type: 'value' as const, name: 'trial', nameLocation: 'middle' as const, nameGap: 32 };
  return {
    title: [],
    legend: {
      ...{ top: 42, left: 'center', itemWidth: 12, itemHeight: 12, itemGap: 20, textStyle: { color: INK } },
      data: [...kinds.map(({ name }) => name), BEST],
    },
    grid: { left: 76, right: 28, top: 84, height: 324 },
    xAxis: x ? axisOf(x, trials, 32) : { ...counted, min: 0, max: trials.length + 1, minInterval: 1 },
    yAxis: {
      ...style,
      ...{ type: 'value' as const, name: 'accuracy (%)', nameLocation: 'middle' as const, nameGap: 48, scale: true },
    },
    series: [
      ...kinds.map(({ name, key, color }) => ({
        name,
        type: 'scatter' as const,
        symbolSize: 9,
        data: trials.flatMap((trial) => (trial[key] === null ? [] : [[at(trial), 100 * (trial[key] as number)]])),
        itemStyle: { color },
      })),
      {
        name: BEST,
        type: 'scatter' as const,
        symbolSize: 17,
        data: best ? [[at(best), 100 * (best.valAcc as number)]] : [],
        itemStyle: { color: 'transparent', borderColor: '#c00', borderWidth: 2 },
      },
    ],
  };
}
