// One picture looked at closely: what the net says to it, and what each layer makes of it. The picture is a test picture or
// one of the visitor's own.
import { snapshot, startCamera } from './camera.js';
import { desk } from './desk.js';
import { $, announce, dropZone, make, percent } from './dom.js';
import { drawPicture, drawTiles, mapTiles } from './pictures.js';

const SIDE = 128;
/** Between two looks through the camera, ms. */
const LOOK_EVERY = 250;
const BARS = 5;
/** Maps of a layer, and numbers of a layer that has no maps. */
const MOST_MAPS = 32;
const MOST_NUMBERS = 256;

export class CloserView extends EventTarget {
  elements = [$('chosen').closest('.panel')];
  #picture;
  #album;
  #stopCamera;

  constructor(run) {
    super();
    run.addEventListener('made', () => {
      if (run.album === undefined || run.album === this.#album) return;
      this.#album = run.album;
      this.#first(run.album);
    });
    $('yours-file').addEventListener('change', ({ target }) => {
      this.#read(target.files[0]);
      target.value = '';
    });
    // A picture may be dropped on the whole panel.
    dropZone($('chosen').closest('.panel'), ({ files }) => this.#read(files[0]));
    $('yours-camera').addEventListener('click', () => this.#camera());
  }

  /** picture: { name, truth: its class if that is known, pixels: bytes } */
  choose(picture) {
    this.#picture = picture;
    drawPicture($('chosen'), picture.pixels, 0, this.#album?.shape ?? [3, 32, 32], SIDE);
    $('chosen-name').textContent = picture.name;
    $('chosen').setAttribute('aria-label', picture.name);
    this.dispatchEvent(new Event('chosen'));
  }

  async update(trainer, album) {
    const picture = this.#picture;
    if (picture === undefined) return;
    const X = { shape: [1, ...album.shape], data: picture.pixels };
    const [{ probabilities }, activations] = await Promise.all([trainer.predict(X), trainer.activations(X)]);
    if (picture !== this.#picture) return;
    this.#say(probabilities.data, album.classes, picture.truth);
    this.#layers(activations);
    if (!picture.told && picture.truth === undefined) {
      picture.told = true;
      const best = probabilities.data.indexOf(Math.max(...probabilities.data));
      announce(`${picture.name}: ${album.classes[best]}, ${percent(probabilities.data[best])}`);
    }
  }

  #first({ test, shape, classes }) {
    const size = shape.reduce((a, b) => a * b, 1);
    const [truth] = test.labels;
    this.choose({ name: `Test picture 1: ${classes[truth]}`, truth, pixels: test.pixels.slice(0, size) });
  }

  async #read(file) {
    if (file === undefined) return;
    try {
      this.choose({ name: `Yours: ${file.name}`, pixels: await desk.run('readPicture', { file }) });
      this.#complain();
    } catch (error) {
      this.#complain(error.message);
    }
  }

  /** Looks through the camera, several times a second, until the button is pressed again. */
  async #camera() {
    if (this.#stopCamera !== undefined) return this.#stopCamera();
    const video = make('video', { muted: true, playsInline: true, className: 'camera-picture' });
    video.setAttribute('aria-label', 'What the camera sees');
    $('yours-drop').prepend(video);
    let stopped = false;
    try {
      const stop = await startCamera(video);
      this.#stopCamera = () => {
        stopped = true;
        stop();
        video.remove();
        this.#stopCamera = undefined;
        $('yours-camera').textContent = 'Camera';
      };
      $('yours-camera').textContent = 'Stop the camera';
      this.#complain();
      // Said once, not several times a second.
      let told = false;
      while (!stopped) {
        this.choose({ name: 'Yours, from the camera', pixels: await snapshot(video), told });
        told = true;
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
      }
    } catch (error) {
      // The last look may come too late.
      if (stopped) return;
      this.#stopCamera?.();
      video.remove();
      this.#complain(`The camera cannot be used: ${error.message}`);
    }
  }

  #complain(message) {
    $('yours-error').hidden = message === undefined;
    $('yours-error').textContent = message ?? '';
  }

  #say(probabilities, classes, truth) {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, BARS);
    const list = $('probabilities');
    while (list.children.length > order.length) list.lastElementChild.remove();
    while (list.children.length < order.length) {
      list.append(
        make(
          'li',
          {},
          make('span'),
          make('div', { className: 'bar', 'aria-hidden': 'true' }, make('i')),
          make('span', { className: 'figure' }),
        ),
      );
    }
    for (const [place, label] of order.entries()) {
      const [name, bar, number] = list.children[place].children;
      name.textContent = label === truth ? `${classes[label]} ✓` : classes[label];
      name.title = classes[label];
      bar.firstElementChild.style.width = `${(100 * probabilities[label]).toFixed(1)}%`;
      number.textContent = percent(probabilities[label]);
    }
  }

  #layers(activations) {
    const list = $('layers');
    while (list.children.length > activations.length) list.lastElementChild.remove();
    while (list.children.length < activations.length) {
      list.append(make('li', {}, make('div', {}, make('b'), make('span')), make('canvas', { role: 'img' })));
    }
    // Read once: after each change the browser would lay the page out anew to tell.
    const room = list.clientWidth - (list.clientWidth > 500 ? 126 : 0);
    for (const [place, { name, shape, data }] of activations.entries()) {
      const [text, canvas] = list.children[place].children;
      const [, channels, ...rest] = shape;
      const maps = rest.length === 2;
      const count = Math.min(maps ? MOST_MAPS : MOST_NUMBERS, channels);
      const label = `${shape.slice(1).join(' × ')}${count < channels ? `, first ${count}` : ''}`;
      if (text.firstElementChild.textContent !== name) text.firstElementChild.textContent = name;
      if (text.lastElementChild.textContent !== label) {
        text.lastElementChild.textContent = label;
        canvas.setAttribute('aria-label', `What ${name} makes of the picture: ${label}`);
      }
      const side = maps ? 34 : channels <= 20 ? 20 : 12;
      const tiles = mapTiles(data, maps ? [channels, ...rest] : [shape.slice(1).reduce((a, b) => a * b, 1)]);
      drawTiles(canvas, tiles, { side, gap: maps ? 3 : 1, most: room, limit: count });
    }
  }
}
