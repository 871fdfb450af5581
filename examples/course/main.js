// A notebook of the course in the page: its cells, run in a worker, as they end. What is chosen is in the address:
//   #notebook=dropout&size=quick&seed=0
import { $, announce, dropZone, make } from '../web/dom.js';
import { codeOf } from './code.js';

const NOTEBOOKS = {
  knn: ['Nearest neighbours', 'Distances in three ways, and cross-validation.'],
  softmax: ['Linear classifiers', 'Losses, gradients, training, a search, templates; SVM beside softmax.'],
  'neural-net': ['Two-layer nets in one piece', 'Their trainers, toy data and images.'],
  'two-layer-net': ['The modular two-layer net', 'Layers, the Solver, a search.'],
  features: ['Features', 'HOG and hue histograms instead of pixels.'],
  'fully-connected-nets': ['Deeper nets', 'Overfitting on purpose, update rules, initial scales.'],
  optimizers: ['Optimizers', 'Update rules one against the other, and what their steps do.'],
  dropout: ['Dropout', 'The layer, its gradient, nets with and without it.'],
  'modular-layers': ['Layers', 'Every layer of the modular nets against numeric gradients.'],
  'cnn-layers': ['Convolution and pooling', 'Naive, fast, and as image processing.'],
  'cnn-batchnorm': ['Normalisation', 'Batch, layer and group norm: statistics, gradients, training with and without.'],
  cnn: ['Convolutional net', 'The three-layer convolutional net.'],
  'written-problems': ['Written problems', 'Tied autoencoder, swish, vanishing gradients, kinks.'],
};
const SIZES = ['quick', 'full', 'long'];

const chosen = { notebook: 'dropout', size: 'quick', seed: 0 };
let file;
let worker;
/** Addresses of pictures, given back when they are shown no more. */
let pictures = [];

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const seed = Number(given.get('seed') ?? 0);
  if (Object.hasOwn(NOTEBOOKS, given.get('notebook') ?? '')) chosen.notebook = given.get('notebook');
  if (SIZES.includes(given.get('size'))) chosen.size = given.get('size');
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) chosen.seed = seed;
}

function choose(changes) {
  Object.assign(chosen, changes);
  history.replaceState(null, '', `#${new URLSearchParams(chosen)}`);
  show();
}

/** The chosen notebook, not yet run. */
function show() {
  stop();
  for (const address of pictures) URL.revokeObjectURL(address);
  pictures = [];
  while ($('cells').children.length > 1) $('cells').lastElementChild.remove();
  const [title, about] = NOTEBOOKS[chosen.notebook];
  $('title').textContent = title;
  $('about').textContent = about;
  $('outcome').textContent = '';
  $('error').hidden = true;
  $('size').value = chosen.size;
  $('seed').value = chosen.seed;
  for (const radio of document.querySelectorAll('input[name="notebook"]'))
    radio.checked = radio.value === chosen.notebook;
}

function stop(text = 'Each cell shows its code when it has run.') {
  worker?.terminate();
  worker = undefined;
  $('run').textContent = 'Run';
  $('doing').textContent = text;
  $('progress').value = 0;
}

function run() {
  if (worker !== undefined) return stop('Stopped.');
  show();
  const { notebook, size, seed } = chosen;
  const counts = { ok: 0, off: 0, 'not comparable': 0, '': 0 };
  worker = new Worker(new URL('./course.worker.js', import.meta.url), { type: 'module' });
  $('run').textContent = 'Stop';
  $('doing').textContent = 'Starting …';
  worker.onmessage = async ({ target, data: { progress, cell, done, error } }) => {
    if (target !== worker) return;
    if (progress !== undefined) {
      $('progress').value = progress.share;
      $('doing').textContent = [progress.what, progress.detail].filter((text) => text !== '').join(', ');
    }
    if (cell !== undefined) {
      for (const { status } of cell.figures) counts[status]++;
      const off = counts.off > 0 ? `, ${counts.off} off` : '';
      const others = counts['not comparable'] > 0 ? `, ${counts['not comparable']} of other images, or fewer` : '';
      $('outcome').textContent = `Figures beside the notebook’s: ${counts.ok} ok${off}${others}.`;
      // In its place at once; the code follows.
      const section = cellElement(cell);
      $('cells').append(section);
      const code = await codeOf(notebook, cell.title);
      if (code !== undefined)
        section.append(folded(`Code, from ${code.file}`, make('pre', { textContent: code.text })));
    }
    if (done !== undefined) {
      const { build, threads } = done.info;
      stop(`Done in ${done.seconds.toFixed(1)} s, ${build} build, ${threads} thread${threads === 1 ? '' : 's'}.`);
      announce(`${NOTEBOOKS[notebook][0]}: done. ${$('outcome').textContent}`);
    }
    if (error !== undefined) {
      stop('Stopped by an error.');
      $('error').hidden = false;
      $('error').textContent = error;
    }
  };
  worker.onerror = ({ message }) => {
    stop('The worker could not be started.');
    $('error').hidden = false;
    $('error').textContent = message ?? 'The worker could not be started';
  };
  worker.postMessage({ name: notebook, size, seed, file });
}

const folded = (title, content) => make('details', {}, make('summary', { textContent: title }), content);

function table(heads, rows) {
  const line = (tag, cells, scope) => {
    const parts = cells.map(([text, className = '']) =>
      make(tag, { className, textContent: text, ...(scope && { scope }) }),
    );
    return make('tr', {}, ...parts);
  };
  const body = make('tbody', {}, ...rows.map((row) => line('td', row)));
  const head = make(
    'thead',
    {},
    line(
      'th',
      heads.map((text) => [text]),
      'col',
    ),
  );
  return make('section', { className: 'scroll' }, make('table', { className: 'summary' }, head, body));
}

function pictureElement({ caption, image: { kind, bytes, width, height } }) {
  const type = kind === 'svg' ? 'image/svg+xml' : 'image/png';
  const src = URL.createObjectURL(new Blob([bytes], { type }));
  pictures.push(src);
  const size = width === undefined ? {} : { width, height };
  return make(
    'figure',
    {},
    make('img', { className: kind, src, alt: caption, ...size }),
    make('figcaption', { textContent: caption }),
  );
}

function cellElement({ title, seconds, figures, pictures, tables, notes, lines, place }) {
  const time = seconds < 0.1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(1)} s`;
  const heading = make(
    'h2',
    {},
    make('span', { className: 'number', textContent: place }),
    title,
    make('small', { textContent: time }),
  );
  const section = make(
    'section',
    { className: 'card' },
    heading,
    ...notes.map((text) => make('p', { textContent: text })),
  );
  if (figures.length > 0) {
    const compared = figures.some(({ expected }) => expected !== '');
    const rows = figures.map(({ name, value, expected, status }) => {
      const mark = [status, status === 'not comparable' ? 'soft' : status];
      return [[name], [value], ...(compared ? [[expected, 'soft'], mark] : [])];
    });
    section.append(table(['Figure', 'Here', ...(compared ? ['Notebook', ''] : [])], rows));
  }
  for (const { heads, rows } of tables)
    section.append(
      table(
        heads,
        rows.map((row) => row.map((text) => [text])),
      ),
    );
  if (pictures.length > 0) section.append(make('div', { className: 'figures-row' }, ...pictures.map(pictureElement)));
  if (lines.length > 0)
    section.append(folded(`${lines.length} printed lines`, make('pre', { textContent: lines.join('\n') })));
  return section;
}

function useFile(given) {
  if (given === undefined) return;
  file = given;
  $('data-text').textContent = `Images: ${given.name}.`;
  show();
}

read();
$('notebooks').append(
  ...Object.entries(NOTEBOOKS).map(([value, [title]]) => {
    const radio = make('input', { type: 'radio', name: 'notebook', value });
    radio.addEventListener('change', () => choose({ notebook: value }));
    return make('label', {}, radio, make('span', { textContent: title }));
  }),
);
$('size').addEventListener('change', ({ target }) => choose({ size: target.value }));
$('seed').addEventListener('change', ({ target }) => {
  if (target.validity.valid && target.value !== '') choose({ seed: target.valueAsNumber });
  else target.value = chosen.seed;
});
$('run').addEventListener('click', run);
$('data-file').addEventListener('change', ({ target }) => useFile(target.files[0]));
dropZone($('data-drop'), ({ files }) => useFile(files[0]));
addEventListener('hashchange', () => {
  read();
  show();
});
show();
