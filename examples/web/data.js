// Step 1: the data. Where pictures come from, and a wall of some of them.
import { CameraClasses } from './camera.js';
import { Desk } from './desk.js';
import { $, announce, count, dropZone, make, oncePerFrame, settled } from './dom.js';
import { foldersOf, foldersOfDrop } from './folders.js';
import { drawTiles, imageTiles } from './pictures.js';
import { state } from './state.js';

const RADIOS = () => document.querySelectorAll('input[name="data"]');
/** Side of a picture on the wall, CSS pixels. */
const TILE = 25;

export class DataStep {
  #found;
  #album;
  #desk;
  #wanted;
  #camera;
  #drawWall = oncePerFrame(() => this.#wall());

  /** found(album) hears of each album, found(undefined) when there is none yet. */
  constructor(found) {
    this.#found = found;
    for (const radio of RADIOS()) radio.addEventListener('change', () => state.choose({ data: radio.value }));
    const settle = settled((changes) => state.set(changes), 200);
    $('classes').addEventListener('input', ({ target }) => {
      $('classes-shown').value = target.value;
      settle({ classes: Number(target.value) });
    });
    for (const id of ['images', 'cifar-images']) {
      $(id).addEventListener('change', ({ target }) => state.set({ images: Number(target.value) }));
    }
    $('cifar-files').addEventListener('change', ({ target }) => this.#readCifar([...target.files]));
    dropZone($('cifar-drop'), ({ files }) => this.#readCifar([...files]));
    $('folder-files').addEventListener('change', ({ target }) => this.#readFolders(foldersOf(target.files)));
    dropZone($('folders-drop'), async (transfer) => this.#readFolders(await foldersOfDrop(transfer)));
    this.#camera = new CameraClasses((groups) => {
      const { seed } = state.values;
      this.#load('webcam', (desk) => desk.run('albumOf', { source: 'webcam', groups, seed }));
    });
    state.on(['data', 'classes', 'images', 'seed'], () => this.start());
    new ResizeObserver(this.#drawWall).observe($('wall'));
  }

  /** Shows the source that the settings name, and what can be had of it without the visitor, unless it is there. */
  start() {
    this.#fill();
    const { data, classes, images, seed } = state.values;
    const drawn = data === 'shapes';
    const wanted = drawn ? `${data} ${classes} ${images} ${seed}` : data;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#camera.stop();
    this.#load(data, (desk, progress) =>
      drawn
        ? desk.run('drawShapes', { classes, images, seed }, { progress })
        : desk.run('recallAlbum', { source: data }),
    );
  }

  #fill() {
    const { data, classes, images } = state.values;
    for (const radio of RADIOS()) radio.checked = radio.value === data;
    for (const source of document.querySelectorAll('.source')) source.hidden = source.dataset.source !== data;
    $('classes').value = classes;
    $('classes-shown').value = classes;
    const select = $(data === 'cifar10' ? 'cifar-images' : 'images');
    if (![...select.options].some((option) => option.value === String(images))) {
      select.append(make('option', { value: images, textContent: count(images) }));
    }
    select.value = images;
  }

  #readCifar(files) {
    if (files.length === 0) return;
    const argument = { files: files.length === 1 ? files[0] : files, images: state.values.images };
    this.#load('cifar10', (desk, progress) => desk.run('readCifar', argument, { progress }));
  }

  #readFolders(folders) {
    this.#load('folders', async (desk, progress) => {
      const { album, unread } = await desk.run('readFolders', { folders, seed: state.values.seed }, { progress });
      const names = unread.slice(0, 3).join(', ');
      if (unread.length > 0)
        this.#complain(`${count(unread.length)} files are no pictures and were left out: ${names}`);
      return album;
    });
  }

  /**
   * Has `read` make an album, at a desk of its own, whose memory is given back when it is done. What is asked for meanwhile
   * takes its place.
   */
  async #load(source, read) {
    this.#desk?.close();
    const desk = new Desk();
    this.#desk = desk;
    this.#complain();
    this.#work({ done: 0, total: 1, what: 'preparing' });
    try {
      const album = await read(desk, (news) => this.#work(news));
      if (desk !== this.#desk) return;
      if (album?.notKept) this.#complain(`The browser has no room to keep these pictures: ${album.notKept}`);
      this.#take(album);
    } catch (error) {
      if (desk !== this.#desk) return;
      this.#complain(error.message);
      // What was shown stays, unless it was of another source.
      if (this.#album?.source !== source) this.#take(undefined);
    } finally {
      desk.close();
      if (desk === this.#desk) {
        this.#desk = undefined;
        this.#work();
      }
    }
  }

  #take(album) {
    this.#album = album;
    this.#wall();
    const sizes = album && ['train', 'val', 'test'].map((set) => count(album[set].labels.length));
    $('data-counts').textContent = sizes
      ? `${sizes[0]} to learn from, ${sizes[1]} to validate, ${sizes[2]} to test.`
      : '';
    if (album) announce(`${sizes[0]} pictures of ${album.classes.length} classes are ready`);
    this.#found(album);
  }

  #work(news) {
    $('data-progress').hidden = news === undefined;
    if (news === undefined) return;
    const { done, total, what } = news;
    const share = total ? done / total : 0;
    $('data-bar').value = share;
    $('data-doing').textContent = `${what[0].toUpperCase()}${what.slice(1)} … ${Math.round(100 * share)} %`;
  }

  #complain(message) {
    $('data-error').hidden = message === undefined;
    $('data-error').textContent = message ?? '';
  }

  /** A row of training pictures for each class. */
  #wall() {
    const wall = $('wall');
    if (this.#album === undefined) {
      wall.replaceChildren();
      return;
    }
    const { classes, shape, train } = this.#album;
    const shown = classes.slice(0, 20);
    if (wall.children.length !== shown.length) {
      wall.replaceChildren(...shown.map(() => make('div', {}, make('span'), make('canvas', { role: 'img' }))));
    }
    for (const [label, name] of shown.entries()) {
      const [text, canvas] = wall.children[label].children;
      text.textContent = name;
      text.title = name;
      canvas.setAttribute('aria-label', `Pictures of class ${name}`);
    }
    const room = Math.max(60, wall.clientWidth - 10 - labelWidth(wall));
    const most = Math.max(1, Math.floor((room + 2) / (TILE + 2)));
    const places = shown.map(() => []);
    for (let i = 0, full = 0; i < train.labels.length && full < shown.length; i++) {
      const list = places[train.labels[i]];
      if (list === undefined || list.length === most) continue;
      if (list.push(i) === most) full++;
    }
    for (const [label, list] of places.entries()) {
      const canvas = wall.children[label].lastElementChild;
      if (list.length > 0) drawTiles(canvas, imageTiles(train.pixels, list, shape), { side: TILE, most: room });
    }
  }
}

const labelWidth = (wall) => Math.max(48, ...[...wall.querySelectorAll('span')].map((span) => span.offsetWidth));
