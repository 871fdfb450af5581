/** Reading CIFAR-10: files to float32 images, ready to train on. */
import { within } from '../reference.js';

export const title = 'loading 60,000 images (binary files to float32, mean image subtracted)';

const ALL = { numTraining: 50_000, numValidation: 0, numTest: 10_000 };

export const load = (lw, folder) => lw.getCifar10Data(folder, ALL);

export function disposeAll(data) {
  for (const value of Object.values(data)) if (typeof value.dispose === 'function') value.dispose();
}

/** Against the raw images: some pixels of all images, and all pixels of some images. */
async function verify(lw, folder, what) {
  const data = await load(lw, folder);
  const raw = await lw.loadCifar10(folder);
  const pixels = 3072;
  const mean = data.meanImage.data;
  let worst = 0;
  for (let p = 0; p < pixels; p += 311) {
    let sum = 0;
    for (let i = p; i < raw.XTrain.size; i += pixels) sum += raw.XTrain.data[i];
    worst = Math.max(worst, Math.abs(sum / raw.XTrain.shape[0] - mean[p]));
  }
  for (const part of ['XTrain', 'XTest']) {
    const got = data[part].data;
    const from = raw[part].data;
    if (got.length !== from.length) throw new Error(`${what} ${part}: ${got.length} numbers, expected ${from.length}`);
    for (let i = 0; i < got.length; i += i % (97 * pixels) < pixels ? 1 : 7919) {
      worst = Math.max(worst, Math.abs(got[i] - (from[i] - mean[i % pixels])));
    }
  }
  for (const part of ['yTrain', 'yTest']) {
    if (data[part].data.some((label, i) => label !== raw[part].data[i])) throw new Error(`${what}: ${part} differ`);
  }
  disposeAll(data);
  disposeAll(raw);
  return within(what, worst, 1e-3);
}

export function families({ data }) {
  if (data === undefined) return [];
  return [
    [
      {
        name: 'CIFAR-10, folder of binary files',
        dtype: 'float32',
        unit: 'ms',
        make: ({ lw }) => ({
          run: async () => disposeAll(await load(lw, data)),
          verify: (what) => verify(lw, data, what),
        }),
      },
    ],
  ];
}
