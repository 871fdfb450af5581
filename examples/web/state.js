// Everything about the set-up, kept in the address of the page: what a teacher chooses is what whoever gets the link sees.
//   #data=shapes&classes=4&net=two-layer&rate=0.001&hide=json,threads
// Only what differs from the defaults is written; numbers and names that make no sense are left out, and the page says so.
import { presets, rules, schedules, trainingOf } from './presets.js';

const number = (low, high, integer = false) => ({
  read(text) {
    const value = Number(text);
    const fits = text.trim() !== '' && value >= low && value <= high && (!integer || Number.isInteger(value));
    return fits ? value : undefined;
  },
  write: String,
});
const choice = (...names) => ({ read: (text) => (names.includes(text) ? text : undefined), write: String });
const flag = { read: (text) => ({ 0: false, 1: true })[text], write: (value) => (value ? '1' : '0') };

/** Parts that a link may leave out, with what they are called in the dialogue that makes links. */
export const parts = {
  data: 'Data',
  net: 'Choice of the net',
  json: 'Net as JSON',
  rate: 'Learning rate',
  reg: 'Regularisation',
  more: 'Further training settings',
  threads: 'Threads',
  save: 'Saving and loading',
  filters: 'First-layer filters',
  yours: 'Your own picture',
  examples: 'Test pictures',
  confusion: 'Confusion matrix',
  layers: 'Layer by layer',
  gradients: 'Gradients',
};

const SETTINGS = {
  data: choice('shapes', 'cifar10', 'folders', 'webcam'),
  /** Of drawn shapes: kinds and training images; of CIFAR-10: training images. */
  classes: number(2, 10, true),
  images: number(100, 50_000, true),
  seed: number(0, 4_000_000, true),
  net: choice(...Object.keys(presets), 'own'),
  /** Of a net of one's own: JSON text. */
  spec: { read: (text) => text.slice(0, 20_000), write: String },
  rule: choice(...Object.keys(rules)),
  rate: number(0, 10),
  reg: number(0, 10),
  batch: number(1, 1000, true),
  epochs: number(1, 1000, true),
  schedule: choice(...Object.keys(schedules)),
  flip: flag,
  crop: number(0, 15, true),
  threads: number(1, 64, true),
  theme: choice('light', 'dark'),
  hide: {
    read: (text) => text.split(',').filter((name) => Object.hasOwn(parts, name)),
    write: (names) => names.join(','),
  },
};

const FIRST = {
  data: 'shapes',
  classes: 10,
  images: 5000,
  seed: 0,
  net: 'quick',
  spec: undefined,
  threads: undefined,
  theme: undefined,
  hide: [],
};

/** Training images of CIFAR-10 unless the address says otherwise: a quarter of an hour less than all of them. */
const CIFAR_IMAGES = 20_000;

function defaults(values) {
  const images = values.data === 'cifar10' ? CIFAR_IMAGES : FIRST.images;
  return { ...FIRST, ...trainingOf(values.net ?? FIRST.net), images };
}

/** What the text after # says, and the names that it got wrong. */
export function readHash(hash) {
  const given = {};
  const wrong = [];
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ''))) {
    const value = Object.hasOwn(SETTINGS, name) ? SETTINGS[name].read(text) : undefined;
    if (value === undefined) wrong.push(name);
    else given[name] = value;
  }
  return { values: { ...defaults(given), ...given }, wrong };
}

export function writeHash(values) {
  const usual = defaults(values);
  const search = new URLSearchParams();
  for (const [name, { write }] of Object.entries(SETTINGS)) {
    const value = values[name];
    const spare = name === 'spec' && values.net !== 'own';
    if (value === undefined || spare || String(value) === String(usual[name])) continue;
    search.set(name, write(value));
  }
  return search.toString();
}

/** The settings that make one training run another: whoever changes them begins anew. */
const RUN = ['data', 'classes', 'images', 'seed', 'net', 'spec', 'rule', 'batch', 'epochs', 'schedule', 'flip', 'crop'];

/** Text that is equal for equal runs. */
export const runOf = (values) => JSON.stringify(RUN.map((name) => values[name] ?? null));

/** The settings in use. `change` events carry the names of what changed in `detail`. */
class State extends EventTarget {
  constructor() {
    super();
    const { values, wrong } = readHash(location.hash);
    this.values = values;
    this.wrong = wrong;
    addEventListener('hashchange', () => {
      if (location.hash.replace(/^#/, '') === writeHash(this.values)) return;
      const read = readHash(location.hash);
      this.wrong = read.wrong;
      this.#replace(read.values);
    });
  }

  set(changes) {
    this.#replace({ ...this.values, ...changes });
    const hash = writeHash(this.values);
    history.replaceState(null, '', hash === '' ? location.pathname : `#${hash}`);
  }

  /** A choice of net or data brings its own settings along. */
  choose(changes) {
    const values = { ...this.values, ...changes };
    const own = changes.net === undefined || changes.net === 'own' ? {} : trainingOf(changes.net);
    const { images } = changes.data === undefined ? this.values : defaults(values);
    this.set({ ...own, images, ...changes });
  }

  on(names, act) {
    this.addEventListener('change', ({ detail }) => {
      if (names.some((name) => detail.has(name))) act(this.values);
    });
  }

  #replace(values) {
    const changed = new Set(Object.keys(SETTINGS).filter((name) => String(values[name]) !== String(this.values[name])));
    this.values = values;
    if (changed.size > 0) this.dispatchEvent(new CustomEvent('change', { detail: changed }));
  }
}

export const state = new State();
