// Light or dark: what the system prefers, unless the visitor or the address says otherwise.
import { $, make } from './dom.js';
import { state } from './state.js';

const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();
const known = new Map();
let probe;

/** A colour of the style sheet as the browser computes it now. */
export function colour(name) {
  if (!known.has(name)) {
    probe ??= document.body.appendChild(make('i', { hidden: true }));
    probe.style.color = `var(${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  return known.get(name);
}

/** The same as three numbers. */
export const colourNumbers = (name) =>
  colour(name)
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number);

/** Calls `act` when the colours have changed. */
export const onTheme = (act) => listeners.add(act);

const isDark = () => (state.values.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';

function apply() {
  const { theme } = state.values;
  if (theme === undefined) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $('theme').setAttribute('aria-pressed', String(isDark()));
  known.clear();
  for (const act of listeners) act();
}

export function startTheme() {
  apply();
  state.on(['theme'], apply);
  system.addEventListener('change', apply);
  $('theme').addEventListener('click', () => {
    const wanted = isDark() ? 'light' : 'dark';
    state.set({ theme: wanted === (system.matches ? 'dark' : 'light') ? undefined : wanted });
  });
}
