// Learns to tell two things apart that the visitor holds into the camera. Nothing leaves the page.
import { createTrainer } from '../../dist/worker.js';

const [video, output, train] = ['video', 'output', '#train'].map((selector) => document.querySelector(selector));
const context = new OffscreenCanvas(32, 32).getContext('2d', { willReadFrequently: true });
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const shots = [[], []];
video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });

/** The camera's picture as 32x32 bytes, channel by channel. */
function shot() {
  context.drawImage(video, 0, 0, 32, 32);
  const { data } = context.getImageData(0, 0, 32, 32);
  return Uint8Array.from({ length: 3072 }, (_, i) => data[4 * (i % 1024) + Math.floor(i / 1024)]);
}
const images = (list) => ({ shape: [list.length, 3, 32, 32], data: Uint8Array.from(list.flatMap((s) => [...s])) });

for (const button of document.querySelectorAll('[data-class]')) {
  button.onclick = async () => {
    for (let i = 0; i < 10; i++, await wait(100)) shots[button.dataset.class].push(shot());
    output.textContent = shots.map(({ length }) => length).join(' and ');
    train.disabled = shots.some(({ length }) => length === 0);
  };
}
train.onclick = async () => {
  train.disabled = true;
  const set = (wanted) => {
    const parts = shots.map((list) => list.filter((_, i) => (i % 5 === 0) === wanted));
    return { X: images(parts.flat()), y: parts.flatMap((list, label) => list.map(() => label)) };
  };
  const [learned, held] = [set(false), set(true)];
  const layers = [{ conv: 8, stride: 2 }, { maxPool: 2 }, { conv: 16 }, 'globalAvgPool'];
  const solver = { updateRule: 'adam', batchSize: 16, numEpochs: 20 };
  const data = { XTrain: learned.X, yTrain: learned.y, XVal: held.X, yVal: held.y, classes: ['this', 'that'] };
  const trainer = await createTrainer({ model: { norm: 'batchnorm', layers }, solver }, data);
  await trainer.train();
  for (; video.isConnected; await wait(100)) {
    const { labels, probabilities } = await trainer.predict(images([shot()]));
    output.textContent = `${trainer.classes[labels[0]]}, ${Math.round(100 * probabilities.data[labels[0]])} %`;
  }
};
