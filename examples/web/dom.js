// Small helpers for the page's elements.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/**
 * A new element: make('td', { className: 'number', textContent: 3 }, …children). Names with a hyphen and `role` become
 * attributes, all others properties.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'scope') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Says something to screen readers without moving the focus; the same words twice in a row are said once. */
export function announce(text) {
  const line = $('announcer');
  if (line.textContent !== text) line.textContent = text;
}

/** Shows a passing remark at the bottom of the page; it is announced too. */
let remarkTimer;
export function remark(text, { bad = false } = {}) {
  const box = $('remark');
  box.textContent = text;
  box.classList.toggle('bad', bad);
  box.hidden = false;
  clearTimeout(remarkTimer);
  remarkTimer = setTimeout(
    () => {
      box.hidden = true;
    },
    bad ? 9000 : 4000,
  );
}

/** Calls `act` once, when nobody has asked for `delay` ms. */
export function settled(act, delay = 250) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), delay);
  };
}

/** Calls `act` once in the next frame, however often it is asked for. */
export function oncePerFrame(act) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      act();
    });
  };
}

/** Runs on the machine of whoever reads: 12,345. */
const grouped = new Intl.NumberFormat('en');
export const count = (n) => grouped.format(n);

/** Three digits and a unit: 1.23 M. */
export function short(n) {
  const units = ['', ' k', ' M', ' G', ' T'];
  let unit = 0;
  let value = n;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 && Number.isInteger(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${units[unit]}`;
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Bytes to a file of the visitor's. */
export function download(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Makes `zone` take dropped items; the keyboard's way to the same is the file input inside it. */
export function dropZone(zone, take) {
  let depth = 0;
  const light = (on) => zone.classList.toggle('over', on);
  zone.addEventListener('dragenter', (event) => {
    event.preventDefault();
    depth++;
    light(true);
  });
  zone.addEventListener('dragover', (event) => event.preventDefault());
  zone.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) light(false);
  });
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    light(false);
    take(event.dataTransfer);
  });
}
