// A notebook of the course in the page: its cells, run in a worker, as they end. What is chosen is in the address:
//   #notebook=dropout&size=quick&seed=0&learningRate=0.001
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
/** Parameters that are not the notebook's own, as they were typed. */
let set = {};
/** What knows the parameters; undefined until it is here. */
let course;
let file;
let worker;
/** Addresses of pictures, given back when they are shown no more. */
let pictures = [];

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const seed = Number(given.get('seed') ?? 0);
  set = Object.fromEntries([...given].filter(([name]) => !Object.hasOwn(chosen, name)));
  if (Object.hasOwn(NOTEBOOKS, given.get('notebook') ?? '')) chosen.notebook = given.get('notebook');
  if (SIZES.includes(given.get('size'))) chosen.size = given.get('size');
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) chosen.seed = seed;
}

function choose(changes, parameters = set) {
  set = (changes.notebook ?? chosen.notebook) === chosen.notebook ? parameters : {};
  Object.assign(chosen, changes);
  const address = new URLSearchParams({ ...chosen, ...set }).toString().replaceAll('%2C', ',');
  history.replaceState(null, '', `#${address}`);
  show();
}

/** What the parameters make of one of them: { changed }, or the { message } of why it cannot be. */
function tried(notebook, name, text) {
  try {
    return { changed: course.settle(notebook, chosen.size, { [name]: text }).changed };
  } catch (error) {
    return { message: error.message };
  }
}

/** One input for each parameter of the chosen notebook. The elements stay while the notebook does: one has the focus. */
function showParams() {
  if (course === undefined) return;
  const notebook = course.notebooks.find(({ name }) => name === chosen.notebook);
  const names = Object.keys(notebook.params);
  $('params').hidden = names.length === 0 && Object.keys(set).length === 0;
  if ($('params').dataset.notebook !== notebook.name) {
    $('params').dataset.notebook = notebook.name;
    $('params-list').replaceChildren(...names.map((name) => paramElement(notebook, name)));
  }
  for (const name of names) {
    const param = notebook.params[name];
    const [input, note] = [$(`param-${name}`), $(`param-${name}-note`)];
    const text = set[name] ?? course.ownText(param, chosen.size);
    if (input.value !== text) input.value = text;
    const { message, changed } = tried(notebook, name, text);
    note.textContent = message ?? course.changesText(changed);
    note.className = message === undefined ? 'hint' : 'error';
    input.setAttribute('aria-invalid', String(message !== undefined));
  }
  const unknown = Object.keys(set).find((name) => !names.includes(name));
  $('params-error').hidden = unknown === undefined;
  $('params-error').textContent = unknown === undefined ? '' : tried(notebook, unknown, set[unknown]).message;
  $('params-about').textContent = names.some((name) => course.isList(notebook.params[name]))
    ? 'Lists have commas between their numbers.'
    : '';
}

function paramElement(notebook, name) {
  const param = notebook.params[name];
  const id = `param-${name}`;
  const input = make('input', { id, type: 'text', autocomplete: 'off', spellcheck: false });
  input.setAttribute('aria-describedby', `${id}-note`);
  input.addEventListener('change', () => {
    const { [name]: _, ...others } = set;
    const text = input.value.trim();
    const { message, changed } = tried(notebook, name, text);
    const own = text === '' || changed?.length === 0;
    choose({}, own ? others : { ...others, [name]: text });
    if (!own) announce(message ?? course.changesText(changed));
  });
  const label = make('label', { htmlFor: id, textContent: param.text });
  const className = course.isList(param) ? 'param list' : 'param';
  return make('div', { className }, label, input, make('p', { id: `${id}-note` }));
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
  $('changed').textContent = '';
  $('outcome').textContent = '';
  $('error').hidden = true;
  $('size').value = chosen.size;
  $('seed').value = chosen.seed;
  for (const radio of document.querySelectorAll('input[name="notebook"]'))
    radio.checked = radio.value === chosen.notebook;
  showParams();
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
  const wrong = document.querySelector('#params [aria-invalid="true"]');
  if (wrong !== null) return wrong.focus();
  const { notebook, size, seed } = chosen;
  const counts = { ok: 0, off: 0, 'not comparable': 0, '': 0 };
  worker = new Worker(new URL('./course.worker.js', import.meta.url), { type: 'module' });
  $('run').textContent = 'Stop';
  $('doing').textContent = 'Starting …';
  worker.onmessage = async ({ target, data: { changed, progress, cell, done, error } }) => {
    if (target !== worker) return;
    if (changed) $('changed').textContent = `Parameters changed: ${changed}.`;
    if (progress !== undefined) {
      $('progress').value = progress.share;
      $('doing').textContent = [progress.what, progress.detail].filter((text) => text !== '').join(', ');
    }
    if (cell !== undefined) {
      for (const { status } of cell.figures) counts[status]++;
      const off = counts.off > 0 ? `, ${counts.off} off` : '';
      const why = $('changed').textContent === '' ? 'of other images, or fewer' : 'of other parameters or images';
      const others = counts['not comparable'] > 0 ? `, ${counts['not comparable']} ${why}` : '';
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
  worker.postMessage({ name: notebook, size, seed, set, file });
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
$('params-reset').addEventListener('click', () => {
  choose({}, {});
  announce('All parameters are at their defaults.');
});
addEventListener('hashchange', () => {
  read();
  show();
});
show();
try {
  course = await import('../../dist/cli-notebooks.js');
  showParams();
} catch (error) {
  $('error').hidden = false;
  $('error').textContent = error.message;
}
