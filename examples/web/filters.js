// The first layer's weights as pictures, and the gradients of all parameters.
import { $, make } from './dom.js';
import { drawTiles, filterTiles } from './pictures.js';
import { someOf } from './run.js';

/** More tiles are not looked at, and take time. */
const MOST_TILES = 64;
/** Training pictures of which gradients are shown. */
const EXAMPLES = 64;

/** Shows them where they look at pixels; returns what was drawn. small: side of a tile, else as large as there is room. */
function showTiles(canvas, weights, imageShape, small) {
  const tiles = filterTiles(weights, imageShape);
  canvas.hidden = tiles === undefined;
  if (tiles === undefined) return undefined;
  const shown = Math.min(MOST_TILES, tiles.count);
  const most = canvas.parentElement.clientWidth;
  const roomy = Math.max(34, Math.floor(Math.sqrt((most * 210) / shown)) - 6);
  drawTiles(canvas, tiles, { side: small ?? Math.min(tiles.width > 16 ? 72 : 56, roomy), gap: 4, most, limit: shown });
  return { ...tiles, shown };
}

export class FiltersView {
  elements = [$('filters').parentElement];

  async update(trainer, album) {
    const [name] = trainer.paramNames;
    const params = await trainer.params({ names: [name] });
    const tiles = showTiles($('filters'), params[name], album.shape);
    const many =
      tiles && (tiles.shown < tiles.count ? `The first ${tiles.shown} of ${tiles.count}` : `All ${tiles.count}`);
    const note = tiles
      ? `${many}, each ${tiles.width} × ${tiles.height} pixels. Grey is zero.`
      : 'The first layer with weights of this net does not look at pixels.';
    if ($('filters-note').textContent !== note) {
      $('filters-note').textContent = note;
      $('filters').setAttribute('aria-label', `First-layer filters. ${note}`);
    }
  }
}

const rms = (data) => {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * data[i];
  return Math.sqrt(sum / data.length);
};
const scientific = (value) => (value === 0 ? '0' : value.toExponential(1).replace('e', ' · 10^'));

/** Superscript digits, as one writes them. */
const powers = (text) =>
  text.replace(
    /10\^([-+]?\d+)/,
    (_, power) => `10${[...power.replace('+', '')].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[c] ?? '⁻').join('')}`,
  );

/** Where the bar of a gradient begins and ends, as powers of ten. */
const [LEAST, MOST] = [-8, 1];

export class GradientsView {
  elements = [$('gradients').closest('.panel')];

  async update(trainer, album) {
    const count = Math.min(EXAMPLES, album.train.labels.length);
    const [{ gradients }, params] = await Promise.all([
      trainer.gradients(someOf(album, 'train', 0, count), album.train.labels.slice(0, count)),
      trainer.params(),
    ]);
    const names = Object.keys(gradients);
    showTiles($('gradient-tiles'), gradients[names[0]], album.shape, 34);
    const body = $('gradients').tBodies[0];
    if (body.rows.length !== names.length || body.rows[0]?.cells[0].textContent !== names[0]) {
      const row = (name) => {
        const cells = ['figure', 'figure', ''].map((className) => make('td', { className }));
        cells[2].append(make('span', { className: 'track', 'aria-hidden': 'true' }, make('i')));
        return make('tr', {}, make('th', { scope: 'row', textContent: name }), ...cells);
      };
      body.replaceChildren(...names.map(row));
    }
    for (const [i, name] of names.entries()) {
      const [head, weight, gradient, bar] = body.rows[i].cells;
      const size = rms(gradients[name].data);
      head.textContent = name;
      weight.textContent = powers(scientific(rms(params[name].data)));
      gradient.textContent = powers(scientific(size));
      const share = (Math.log10(Math.max(size, 10 ** LEAST)) - LEAST) / (MOST - LEAST);
      bar.firstElementChild.firstElementChild.style.width = `${Math.round(100 * Math.min(1, share))}%`;
    }
  }
}
