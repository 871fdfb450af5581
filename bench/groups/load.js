/** Reading CIFAR-10: files to float32 images, ready to train on. Any host can read files that are made in memory. */
import { within } from '../reference.js';

export const title = 'loading images (binary files to float32, mean image subtracted)';

/** Six files in memory of so many images each. */
function filesInMemory(images) {
  const record = 3073;
  const names = [...[1, 2, 3, 4, 5].map((n) => `data_batch_${n}`), 'test_batch'];
  let word = 1;
  return names.map((name) => {
    const bytes = new Uint8Array(images * record);
    for (let i = 0; i < bytes.length; i++) {
      word = (Math.imul(word, 1664525) + 1013904223) | 0;
      bytes[i] = i % record === 0 ? (i / record) % 10 : word >>> 24;
    }
    return new File([bytes], `${name}.bin`);
  });
}

/** source: a folder of all images, or files of `each` images. */
export function load(lw, source, each = 10_000) {
  return lw.getCifar10Data(source, { numTraining: 5 * each, numValidation: 0, numTest: each });
}

export function disposeAll(data) {
  for (const value of Object.values(data)) if (typeof value.dispose === 'function') value.dispose();
}

/** Against the raw images: some pixels of all images, and all pixels of some images. */
async function verify(lw, [source, each], what) {
  const data = await load(lw, source, each);
  const raw = await lw.loadCifar10(source);
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

function item(name, sourceOf) {
  return {
    name,
    dtype: 'float32',
    unit: 'ms',
    make({ lw }) {
      const source = sourceOf();
      return {
        run: async () => disposeAll(await load(lw, ...source)),
        verify: (what) => verify(lw, source, what),
      };
    },
  };
}

export function families({ quick, data }) {
  const each = quick ? 20 : 1000;
  const memory = item(`CIFAR-10, ${6 * each} images, files in memory`, () => [filesInMemory(each), each]);
  const folder = data === undefined ? [] : [item('CIFAR-10, 60000 images, folder', () => [data, 10_000])];
  return [[memory], folder];
}
