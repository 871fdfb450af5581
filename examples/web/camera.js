// Pictures from the webcam: for each class as many as the button is held for, and single ones to predict.
import { desk } from './desk.js';
import { $, announce, count, make } from './dom.js';

/** Between two pictures while the button is held, ms. */
const EVERY = 120;

/** Starts the camera and shows it in `video`; throws what the browser says when it may not. */
export async function startCamera(video) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240, facingMode: 'user' } });
  video.srcObject = stream;
  await video.play();
  return () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

/** What the camera sees, as the bytes of a picture. */
export async function snapshot(video) {
  const bitmap = await createImageBitmap(video);
  return desk.run('readPicture', { bitmap }, { transfer: [bitmap] });
}

/** The list of classes with a button each. */
export class CameraClasses {
  #groups = [];
  #use;
  #stop;

  /** use(groups): [{ name, pictures }] when the visitor wants to train on them. */
  constructor(use) {
    this.#use = use;
    $('camera-start').addEventListener('click', () => this.#start());
    $('camera-add').addEventListener('click', () => this.#add().focus());
    $('camera-use').addEventListener('click', () => {
      this.stop();
      this.#use(this.#groups.map(({ name, pictures }) => ({ name, pictures })));
    });
    for (let i = 0; i < 2; i++) this.#add();
  }

  async #start() {
    try {
      this.#stop = await startCamera($('camera'));
      this.#update();
    } catch (error) {
      $('data-error').hidden = false;
      $('data-error').textContent = `The camera cannot be used: ${error.message}`;
    }
  }

  /** Turns the camera off; the pictures stay. */
  stop() {
    this.#stop?.();
    this.#stop = undefined;
    this.#update();
  }

  #add() {
    const group = { name: `thing ${this.#groups.length + 1}`, pictures: [] };
    this.#groups.push(group);
    const name = make('input', { type: 'text', value: group.name, maxLength: 40, 'aria-label': 'Name of the class' });
    name.addEventListener('input', () => {
      group.name = name.value.trim() || 'nameless';
      this.#update();
    });
    const button = make('button', { type: 'button', textContent: 'Hold to record' });
    const number = make('output', { className: 'hint', textContent: '0' });
    group.update = () => {
      button.disabled = this.#stop === undefined;
      button.setAttribute('aria-label', `Hold to record ${group.name}`);
      number.value = count(group.pictures.length);
      number.setAttribute('aria-label', `${group.pictures.length} pictures of ${group.name}`);
    };
    let held = false;
    const record = async (event) => {
      if (held || (event.type === 'keydown' && event.key !== ' ' && event.key !== 'Enter')) return;
      event.preventDefault();
      held = true;
      while (held && this.#stop !== undefined) {
        group.pictures.push(await snapshot($('camera')));
        this.#update();
        await new Promise((resolve) => setTimeout(resolve, EVERY));
      }
      announce(`${group.pictures.length} pictures of ${group.name}`);
    };
    const release = () => {
      held = false;
    };
    button.addEventListener('pointerdown', record);
    button.addEventListener('keydown', record);
    for (const end of ['pointerup', 'pointerleave', 'pointercancel', 'keyup', 'blur'])
      button.addEventListener(end, release);
    $('camera-classes').append(make('li', {}, name, button, number));
    this.#update();
    return name;
  }

  #update() {
    $('camera').hidden = this.#stop === undefined;
    $('camera-start').hidden = this.#stop !== undefined;
    for (const { update } of this.#groups) update?.();
    const ready = this.#groups.filter(({ pictures }) => pictures.length >= 3);
    $('camera-use').disabled =
      ready.length < 2 || ready.length < this.#groups.filter(({ pictures }) => pictures.length > 0).length;
  }
}
