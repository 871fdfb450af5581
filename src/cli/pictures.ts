/** Pictures of a training run. In a file of its own, loaded when a run has ended: the chart library is large. */
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { encode } from 'fast-png';
import { scope, type Tensor, toPixels, visualizeGrid } from '../index.js';
import type { DataSet } from './dataset.js';
import { type Point, thinned } from './points.js';

echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export interface Curves {
  title: string;
  /** One loss a step. */
  loss: readonly number[];
  /** Steps an epoch. */
  stepsPerEpoch: number;
  /** Accuracies as fractions, and the steps after which they were measured. */
  train: readonly number[];
  validation: readonly number[];
  checkedAt: readonly number[];
}

/** Mean over a window around every step: unlike a running mean it does not lag behind. */
function smoothed(values: readonly number[], radius: number): number[] {
  const sums = [0];
  for (const value of values) sums.push((sums.at(-1) as number) + value);
  return values.map((_, i) => {
    const reach = Math.min(radius, i, values.length - 1 - i);
    return ((sums[i + reach + 1] as number) - (sums[i - reach] as number)) / (2 * reach + 1);
  });
}

const BLUE = '#1f6fb4';
const ORANGE = '#d9730d';
const INK = '#333';
const PALE = '#e4e4e4';

/** Loss above, accuracies below, over the same epochs; an SVG document. */
export function curves({ title, loss, stepsPerEpoch, train, validation, checkedAt }: Curves): string {
  const epochs = loss.length / stepsPerEpoch;
  const at = (step: number) => (step + 1) / stepsPerEpoch;
  const raw = loss.map((value, step): Point => [at(step), value]).filter(([, value]) => Number.isFinite(value));
  const window = Math.max(1, Math.round(loss.length / 60));
  const mean = smoothed(
    raw.map(([, value]) => value),
    window,
  ).map((value, i): Point => [(raw[i] as Point)[0], value]);
  const checks = (values: readonly number[]) => {
    return values.map((value, i): Point => [(checkedAt[i] as number) / stepsPerEpoch, 100 * value]);
  };
  const axis = {
    nameTextStyle: { color: INK, fontSize: 13 },
    axisLabel: { color: INK, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: '#999' } },
    splitLine: { lineStyle: { color: PALE } },
  };
  const named = { nameLocation: 'middle' as const };
  const key = { itemWidth: 20, itemHeight: 4, itemGap: 24, icon: 'rect', textStyle: { color: INK } };
  const dots = checkedAt.length <= 40;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 800, height: 640 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif' },
    title: { text: title, left: 'center', top: 12, textStyle: { color: INK, fontSize: 16, fontWeight: 600 } },
    grid: [
      { left: 76, right: 28, top: 78, height: 206 },
      { left: 76, right: 28, top: 366, height: 206 },
    ],
    legend: [
      { top: 44, right: 28, data: ['loss of a step', 'smoothed'], ...key },
      { top: 332, right: 28, data: ['training', 'validation'], ...key },
    ],
    xAxis: [0, 1].map((gridIndex) => ({
      ...axis,
      ...named,
      type: 'value' as const,
      gridIndex,
      min: 0,
      max: epochs,
      name: gridIndex === 1 ? 'epoch' : '',
      nameGap: 32,
      // The end of an interrupted run is no round number.
      axisLabel: { ...axis.axisLabel, showMaxLabel: Number.isInteger(epochs) },
    })),
    yAxis: [
      { ...axis, ...named, type: 'value', gridIndex: 0, name: 'loss', nameGap: 48, scale: true },
      { ...axis, ...named, type: 'value', gridIndex: 1, name: 'accuracy (%)', nameGap: 48, min: 0 },
    ],
    series: [
      {
        name: 'loss of a step',
        type: 'line',
        data: thinned(raw, 1600),
        showSymbol: false,
        lineStyle: { width: 1, color: BLUE, opacity: 0.3 },
        itemStyle: { color: BLUE, opacity: 0.3 },
      },
      {
        name: 'smoothed',
        type: 'line',
        data: thinned(mean, 800),
        showSymbol: false,
        lineStyle: { width: 2.2, color: BLUE },
        itemStyle: { color: BLUE },
      },
      ...[
        { name: 'training', values: train, color: BLUE },
        { name: 'validation', values: validation, color: ORANGE },
      ].map(({ name, values, color }) => ({
        name,
        type: 'line' as const,
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: checks(values),
        showSymbol: dots,
        symbol: 'circle',
        symbolSize: 6,
        lineStyle: { width: 2.2, color },
        itemStyle: { color },
      })),
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Weights (D, hidden) of the first layer as a PNG of tiles, one for each hidden unit; shape: of one image, (C, H, W). */
export function weightTiles(weights: Tensor, shape: readonly [number, number, number]): Uint8Array {
  return scope(() => {
    const tiles = weights
      .transpose()
      .reshape(-1, ...shape)
      .transpose(0, 2, 3, 1);
    return { png: png(visualizeGrid(tiles, { padding: 1 }), 4) };
  }).png;
}

/** Filters (F, 3, HH, WW) as a PNG of enlarged tiles, each with its own contrast, in rows on white. */
export function filterTiles(weights: Tensor): Uint8Array {
  const [F, C, HH, WW] = weights.shape;
  const { data } = weights;
  const scale = Math.max(1, Math.round(TILE / Math.max(HH, WW)));
  const columns = Math.min(F, F > 64 ? 16 : 8);
  const rows = Math.ceil(F / columns);
  const width = columns * (WW * scale + GAP) + GAP;
  const height = rows * (HH * scale + GAP) + GAP;
  const picture = new Uint8Array(3 * width * height).fill(255);
  const size = C * HH * WW;
  for (let f = 0; f < F; f++) {
    const values = data.subarray(f * size, (f + 1) * size);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const top = GAP + Math.floor(f / columns) * (HH * scale + GAP);
    const left = GAP + (f % columns) * (WW * scale + GAP);
    for (let y = 0; y < HH * scale; y++) {
      for (let x = 0; x < WW * scale; x++) {
        const from = Math.floor(y / scale) * WW + Math.floor(x / scale);
        const to = 3 * ((top + y) * width + left + x);
        for (let c = 0; c < 3; c++) {
          const share = (values[c * HH * WW + from] - low) / (high - low || 1);
          picture[to + c] = Math.round(255 * share);
        }
      }
    }
  }
  return encode({ width, height, data: picture, channels: 3 });
}

/** About the side of an enlarged filter, and what is between them. */
const TILE = 64;
const GAP = 8;

/** Pictures beside each other. */
const ACROSS = 10;

/**
 * Test images as an SVG document: above, one of each class that is predicted right; below, the first that are not, with
 * what they were taken for. predicted: a label for each test image.
 */
export function examples({ XTest, yTest, meanImage, classes }: DataSet, predicted: Tensor): string {
  const labels = yTest.data;
  const found = predicted.data;
  const all = Array.from(labels.keys());
  const right = classes.map((_, label) => all.find((i) => labels[i] === label && found[i] === label));
  const wrong = all.filter((i) => labels[i] !== found[i]);
  const [C, H, W] = meanImage.shape;
  const picture = (i: number) => {
    const shown = new Uint8Array(3 * H * W);
    for (let p = 0; p < H * W; p++) {
      for (let c = 0; c < C; c++) {
        const value = XTest.data[(i * C + c) * H * W + p] + meanImage.data[c * H * W + p];
        shown[3 * p + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
    return Buffer.from(encode({ width: W, height: H, data: shown, channels: 3 })).toString('base64');
  };
  const side = 64;
  const step = side + 14;
  const width = ACROSS * step + 34;
  const row = (title: string, top: number, list: readonly (number | undefined)[], error: boolean) => {
    const heading = `<text x="24" y="${top}" font-size="15" font-weight="600" fill="${INK}">${title}</text>`;
    const tiles = list.flatMap((i, column) => {
      if (i === undefined) return [];
      const x = 24 + column * step;
      const middle = `x="${x + side / 2}" text-anchor="middle" font-size="12"`;
      return [
        `<image x="${x}" y="${top + 14}" width="${side}" height="${side}" style="image-rendering:pixelated" href="data:image/png;base64,${picture(i)}"/>`,
        `<text ${middle} y="${top + side + 32}" fill="${INK}">${classes[labels[i]]}</text>`,
        ...(error
          ? [
              `<text ${middle} y="${top + side + 48}" fill="${ORANGE}" font-weight="600">${classes[found[i]] ?? found[i]}</text>`,
            ]
          : []),
      ];
    });
    return [heading, ...tiles].join('\n');
  };
  const share = `${(all.length - wrong.length).toLocaleString('en')} of ${all.length.toLocaleString('en')} test images are predicted right`;
  const mistakes =
    wrong.length > 0 ? [row('mistakes: what it is, what was predicted', 168, wrong.slice(0, ACROSS), true)] : [];
  const height = wrong.length > 0 ? 300 : 152;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    row(share, 34, right, false),
    ...mistakes,
    '</svg>\n',
  ].join('\n');
}

function png(image: Tensor, scale: number): Uint8Array {
  const { width, height, data } = toPixels(image, { scale });
  return encode({ width, height, data, channels: 4 });
}
