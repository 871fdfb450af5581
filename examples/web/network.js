// Step 2: the net. A preset or JSON of the visitor's own, what it is made of, and what is wrong with it, where it is wrong.
import { desk } from './desk.js';
import { $, count, make, settled, short } from './dom.js';
import { compact, formatSpec, JsonFault, parseWithPlaces, placeOf } from './json-places.js';
import { presets } from './presets.js';
import { state } from './state.js';

/** Options of a net that the page knows already. */
const SET_ELSEWHERE = [
  ['inputDim', 'the pictures'],
  ['numClasses', 'the pictures'],
  ['reg', 'the slider'],
];
/** Bytes of a number. */
const ITEM = 4;

/** The net of the settings as text. What is JSON is kept without spaces, and shown with a layer a line. */
function textOf({ net, spec }) {
  if (net !== 'own') return formatSpec(presets[net].spec);
  if (spec === undefined) return formatSpec(presets.quick.spec);
  if (spec !== compact(spec)) return spec;
  try {
    const value = JSON.parse(spec);
    return Array.isArray(value?.layers) ? formatSpec(value) : spec;
  } catch {
    return spec;
  }
}

/**
 * Shows the net and keeps it up to date. found({ album, model, summary }) hears of each net that can be built on the pictures
 * that the page has; found(undefined) of each that cannot.
 */
export class NetworkStep {
  #found;
  #album;
  #turn = 0;
  /** Whether a net is being looked at of which found() has not heard yet. */
  looking = false;

  constructor(found) {
    this.#found = found;
    $('net').append(
      ...Object.entries(presets).map(([value, { title }]) => make('option', { value, textContent: title })),
      make('option', { value: 'own', textContent: 'Your own, as JSON' }),
    );
    $('net').addEventListener('change', ({ target }) => {
      const own = target.value === 'own';
      state.choose({ net: target.value, ...(own && { spec: compact($('json').value) }) });
      if (own) $('json-part').open = true;
    });
    const typed = settled(() => state.set({ net: 'own', spec: compact($('json').value) }), 300);
    $('json').addEventListener('input', () => {
      $('json-marks').textContent = '';
      typed();
    });
    $('json').addEventListener('scroll', () => {
      $('json-marks').scrollTop = $('json').scrollTop;
    });
    state.on(['net', 'spec', 'batch'], () => this.#show());
    this.#fill();
  }

  /** The pictures decide what goes in and how many classes come out. */
  set album(album) {
    this.#album = album;
    this.#look();
  }

  #show() {
    this.#fill();
    this.#look();
  }

  #fill() {
    const { values } = state;
    const text = textOf(values);
    $('net').value = values.net;
    $('net-note').textContent =
      presets[values.net]?.note ?? 'As you write it. The page adds the shape of the pictures and the classes.';
    // What the visitor is writing stays as it is written.
    if (compact($('json').value) !== compact(text)) $('json').value = text;
  }

  async #look() {
    const turn = ++this.#turn;
    const album = this.#album;
    this.looking = album !== undefined;
    const text = $('json').value;
    let places;
    try {
      const parsed = parseWithPlaces(text);
      places = parsed.places;
      const model = this.#complete(parsed.value);
      const summary = await desk.run('inspect', model);
      if (turn !== this.#turn) return;
      this.#complain();
      this.#tabulate(summary);
      this.#tell(album && { album, model, summary });
    } catch (error) {
      if (turn !== this.#turn) return;
      const at = error instanceof JsonFault ? [error.offset, error.offset + 1] : placeOf(error, places ?? new Map());
      this.#complain(error.message.replace(/^ConvNet: /, ''), at);
      this.#tell(undefined);
    }
  }

  #tell(net) {
    this.looking = false;
    this.#found(net);
  }

  #complete(spec) {
    if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return spec;
    for (const [name, setter] of SET_ELSEWHERE) {
      if (!Object.hasOwn(spec, name)) continue;
      throw Object.assign(new Error(`${name} is set by ${setter}; leave it out here`), { argument: name });
    }
    const { shape, classes } = this.#album ?? { shape: [3, 32, 32], classes: { length: 10 } };
    return { inputDim: shape, numClasses: classes.length, ...spec };
  }

  #complain(message, place) {
    const marks = $('json-marks');
    const box = $('json-error');
    marks.textContent = '';
    box.hidden = message === undefined;
    $('json').setAttribute('aria-invalid', String(!box.hidden));
    if (message === undefined) return;
    box.textContent = message;
    $('json-part').open = true;
    if (place === undefined) return;
    const text = $('json').value;
    const [start, end] = place;
    // At the end of the text there is nothing to mark but a place.
    const marked = text.slice(start, end).trim() === '' ? ' ' : text.slice(start, end);
    marks.append(text.slice(0, start), make('mark', { textContent: marked }), text.slice(end));
    marks.scrollTop = $('json').scrollTop;
  }

  #tabulate({ input, layers, parameters, flops, memory }) {
    const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);
    const shapeText = (shape) => shape.join(' × ');
    const most = Math.max(1, ...layers.map((layer) => layer.flops));
    const cell = (text, className = 'figure') => make('td', { className, textContent: text });
    const row = (name, shape, numbers, work, depth = 0) => {
      const [params, bytes, flopText] = numbers;
      const last = cell(flopText, 'figure load');
      last.style.setProperty('--share', `${Math.round(100 * work)}%`);
      const head = make('th', { scope: 'row', textContent: `${'\u00a0\u00a0'.repeat(depth)}${name}` });
      return make('tr', {}, head, cell(shapeText(shape), ''), cell(params), cell(bytes), last);
    };
    const table = $('summary');
    table.tBodies[0].replaceChildren(
      row('pictures', input, ['', `${short(ITEM * sizeOf(input))}B`, ''], 0),
      ...layers.map((layer) =>
        row(
          layer.name,
          layer.shape,
          [
            layer.parameters === 0 ? '' : count(layer.parameters),
            `${short(ITEM * (sizeOf(layer.shape) + layer.parameters))}B`,
            layer.flops === 0 ? '' : short(layer.flops),
          ],
          layer.flops / most,
          layer.depth,
        ),
      ),
    );
    table.tFoot.replaceChildren(
      row('all', [], [count(parameters), `${short(memory.parameters + memory.example)}B`, short(flops)], 0),
    );
    const { batch } = state.values;
    const training = memory.parameters + batch * memory.example;
    $('net-memory').textContent =
      `A step on ${count(batch)} pictures keeps ${short(training)}B and takes ${short(3 * batch * flops)} floating-point operations.`;
  }
}
