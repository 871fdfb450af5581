// The two plots: loss and accuracy over epochs. Each is drawn at most once a frame, and only when something is new.
import uPlot from '/uplot/uPlot.esm.js';
import { $, oncePerFrame, percent } from './dom.js';
import { colour, onTheme } from './theme.js';

const font = '11px system-ui, sans-serif';

/** A line of the plot; the colour is asked for at each drawing, since the theme may change. */
const line = (name, options = {}) => ({ stroke: () => colour(name), points: { show: false }, ...options });

const axis = (options = {}) => ({
  stroke: () => colour('--soft'),
  grid: { stroke: () => colour('--line'), width: 1 },
  ticks: { show: false },
  font,
  ...options,
});

/** Rounds what a plot spans to something that does not change with every step. */
const spanOf = (last, least) => Math.max(least, Math.ceil(last));

class Plot {
  #plot;
  #box;
  #data;

  constructor(box, series, options, read) {
    this.#box = box;
    this.#data = read;
    this.#plot = new uPlot(
      {
        width: Math.max(100, box.clientWidth),
        height: Math.max(100, box.clientHeight),
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 8, 0, 0],
        ...options,
        axes: [
          axis({ size: 24, space: 44, gap: 3, values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? t : '')) }),
          axis({ size: 40, space: 30, gap: 4, ...options.y }),
        ],
        series: [{}, ...series],
      },
      read(),
      box,
    );
    this.draw = oncePerFrame(() => this.#plot.setData(this.#data()));
    new ResizeObserver(() => {
      if (box.clientWidth > 0) this.#plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }).observe(box);
    onTheme(() => this.#plot.redraw(false));
  }

  describe(text) {
    this.#box.setAttribute('aria-label', text);
  }
}

/** The plots of a run, which tells of what is new by events. */
export function showPlots(run) {
  const epochs = (steps) => steps / run.stepsPerEpoch;
  const range = (_, __, last) => [0, spanOf(last ?? 0, 1)];
  const loss = new Plot(
    $('loss-plot'),
    [
      line('--band', { width: 0 }),
      line('--band', { width: 0 }),
      line('--band', { width: 1 }),
      line('--accent', { width: 2 }),
    ],
    {
      scales: {
        x: { time: false, range },
        // Single steps far above the rest do not flatten the curve.
        y: { range: () => [0, lossCeiling(run.losses)] },
      },
      bands: [{ series: [2, 1], fill: () => colour('--band') }],
    },
    () => [run.losses.ends.map(epochs), run.losses.lows, run.losses.highs, run.losses.means, run.losses.smooths],
  );
  const accuracy = new Plot(
    $('accuracy-plot'),
    [
      line('--edge', { width: 1.5, dash: [5, 4], points: dots('--edge') }),
      line('--accent', { width: 2, points: dots('--accent') }),
    ],
    {
      scales: { x: { time: false, range }, y: { range: [0, 1] } },
      y: { values: (_, ticks) => ticks.map((t) => `${Math.round(100 * t)} %`) },
    },
    () => [run.checks.epochs, run.checks.train, run.checks.val],
  );
  run.addEventListener('steps', loss.draw);
  run.addEventListener('check', () => {
    accuracy.draw();
    const { train, val } = run.checks;
    if (val.length === 0) return;
    const last = `training ${percent(train.at(-1))}, validation ${percent(val.at(-1))}`;
    accuracy.describe(`Accuracy after ${run.epoch} epochs: ${last}; best validation ${percent(Math.max(...val))}`);
    loss.describe(`Loss after ${run.losses.count} steps: ${run.losses.smooth?.toPrecision(3)}`);
  });
  run.addEventListener('made', () => {
    loss.draw();
    accuracy.draw();
  });
}

function dots(name) {
  return { show: true, size: 5, fill: () => colour(name), stroke: () => colour(name), width: 0 };
}

/** A little above the largest value of the smoothed line; a first drop from far above does not flatten the rest. */
function lossCeiling({ smooths }) {
  let most = 0;
  for (let i = Math.floor(smooths.length / 20); i < smooths.length; i++) most = Math.max(most, smooths[i]);
  return most === 0 ? 2.5 : 1.15 * most;
}
