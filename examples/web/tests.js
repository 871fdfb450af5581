// The test pictures: which are taken for what, as pictures and as a matrix.
import { $, make, percent } from './dom.js';
import { drawPicture } from './pictures.js';

/** Pictures of each kind, wrong and right. */
const SHOWN = 12;
/** Classes of the matrix; more would not be read. */
const MOST_CLASSES = 20;
/** CSS pixels. */
const SIDE = 44;
/** While training goes on, the test set is looked at no more often than this, and ten times as rarely as that takes; ms. */
const EVERY = 700;

export class TestsView {
  elements = [$('wrong').closest('.panel'), $('confusion').closest('.panel')];
  #choose;
  #next = 0;
  #trainer;
  #pressed;

  /** choose(picture) hears which test picture is to be looked at. */
  constructor(choose) {
    this.#choose = choose;
  }

  /** Resolves to whether it shows what is there now: while training goes on, it may put that off. */
  async update(trainer, album, { training }) {
    const began = performance.now();
    if (training && trainer === this.#trainer && began < this.#next) return false;
    const found = await trainer.evaluate('test');
    this.#next = performance.now() + Math.max(EVERY, 10 * (performance.now() - began));
    if (trainer !== this.#trainer) this.#begin(album);
    this.#trainer = trainer;
    $('test-accuracy').textContent = `${percent(found.accuracy)} right`;
    const { labels } = album.test;
    for (const [id, wanted] of [
      ['wrong', false],
      ['right', true],
    ]) {
      const indices = [];
      for (let i = 0; i < labels.length && indices.length < SHOWN; i++) {
        if ((found.labels[i] === labels[i]) === wanted) indices.push(i);
      }
      this.#list($(id), indices, album, found);
    }
    this.#matrix(album, found.confusion.data);
    return true;
  }

  #begin({ classes }) {
    this.#pressed = undefined;
    const names = classes.slice(0, MOST_CLASSES);
    const head = names.map((name) => make('th', { scope: 'col' }, make('span', { textContent: name })));
    const row = (name) =>
      make('tr', {}, make('th', { scope: 'row', textContent: name }), ...names.map(() => make('td', {}, make('span'))));
    $('confusion').replaceChildren(
      make('thead', {}, make('tr', {}, make('td'), ...head)),
      make('tbody', {}, ...names.map(row)),
    );
  }

  #list(list, indices, album, { labels, confidence }) {
    const size = album.shape.reduce((a, b) => a * b, 1);
    while (list.children.length > indices.length) list.lastElementChild.remove();
    while (list.children.length < indices.length) list.append(this.#item());
    for (const [place, i] of indices.entries()) {
      const button = list.children[place].firstElementChild;
      const [canvas, name, sure] = button.children;
      const [said, truth] = [album.classes[labels[i]], album.classes[album.test.labels[i]]];
      const share = `${Math.round(100 * confidence[i])} %`;
      if (button.shows !== i || button.album !== album) {
        button.shows = i;
        button.album = album;
        drawPicture(canvas, album.test.pixels, i, album.shape, SIDE);
        button.picture = {
          name: `Test picture ${i + 1}: ${truth}`,
          truth: album.test.labels[i],
          pixels: album.test.pixels.slice(i * size, (i + 1) * size),
        };
      }
      name.textContent = said === truth ? said : `${said}?`;
      sure.textContent = share;
      // Its visible words come first in its name, for those who speak to their computer.
      const told = said === truth ? 'which is right' : `but it is: ${truth}`;
      button.title = `${name.textContent} ${share}, ${told}`;
      button.setAttribute('aria-label', button.title);
      button.setAttribute('aria-pressed', String(this.#pressed === i));
    }
  }

  #item() {
    const button = make(
      'button',
      { type: 'button' },
      make('canvas', { 'aria-hidden': 'true' }),
      make('span'),
      ' ',
      make('span', { className: 'sure' }),
    );
    button.addEventListener('click', () => {
      this.#pressed = button.shows;
      for (const other of document.querySelectorAll('.pictures button'))
        other.setAttribute('aria-pressed', String(other === button));
      this.#choose(button.picture);
    });
    return make('li', {}, button);
  }

  #matrix({ classes }, counts) {
    const all = classes.length;
    const shown = Math.min(all, MOST_CLASSES);
    const rows = $('confusion').tBodies[0].rows;
    for (let r = 0; r < shown; r++) {
      let total = 0;
      for (let c = 0; c < all; c++) total += counts[r * all + c];
      for (let c = 0; c < shown; c++) {
        const n = counts[r * all + c];
        const cell = rows[r].cells[c + 1].firstElementChild;
        const text = n === 0 ? '' : String(n);
        if (cell.textContent === text && cell.dataset.of === String(total)) continue;
        cell.textContent = text;
        cell.dataset.of = total;
        const share = total === 0 ? 0 : Math.sqrt(n / total);
        cell.style.background = `color-mix(in srgb, var(${r === c ? '--heat' : '--heat-bad'}) ${Math.round(100 * share)}%, var(--sunk))`;
      }
    }
  }
}
