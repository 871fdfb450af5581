// The desk: a worker for what would hold the page up besides training. It draws and reads images, looks at what the visitor
// typed as a net, and keeps files in the browser's private file system. It computes with the same library as the trainer.
//
// An album is what it makes of any source:
//   { shape: [3, H, W], classes: [names], source, train, val, test: { pixels: Uint8Array, labels: Int32Array } }
// Pixels are bytes, channel by channel, on shared memory where the page has it: the trainer reads the same bytes.
import * as lw from '../../dist/index.js';

const SIDE = 32;
/** Labels are kept as bytes, and more would not fit the page anyway. */
const MOST_CLASSES = 100;
/** Images at a time, between numbers and bytes. */
const BLOCK = 500;

const ready = lw.init({ threads: 1 });

function emptyBytes(length) {
  return new Uint8Array(self.crossOriginIsolated ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
}

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

function emptySet(count, shape) {
  return { pixels: emptyBytes(count * sizeOf(shape)), labels: new Int32Array(count) };
}

/** Drawn shapes. Sets and blocks have seeds of their own, so more training images leave the others as they are. */
function drawShapes({ classes, images, seed }, progress) {
  const shape = [3, SIDE, SIDE];
  const album = { source: 'shapes', shape, classes: [] };
  const sizes = { val: 500, test: 1000, train: images };
  const total = Object.values(sizes).reduce((a, b) => a + b);
  let done = 0;
  for (const [part, [name, num]] of Object.entries(sizes).entries()) {
    const set = emptySet(num, shape);
    for (let from = 0; from < num; from += BLOCK) {
      const some = Math.min(BLOCK, num - from);
      lw.scope(() => {
        const drawn = lw.syntheticImages({
          num: some,
          classes,
          size: SIDE,
          seed: seed * 1000 + part * 300 + from / BLOCK,
        });
        set.pixels.set(drawn.X.data, from * sizeOf(shape));
        set.labels.set(drawn.y.data, from);
        album.classes = drawn.classes;
      });
      done += some;
      progress({ done, total, what: 'drawing' });
    }
    album[name] = set;
  }
  return album;
}

/** CIFAR-10 as the official archive or its files. */
async function readCifar({ files, images }, progress) {
  const data = await lw.getCifar10Data(files, {
    numTraining: Math.min(images, 49_000),
    numValidation: 1000,
    numTest: 2000,
    subtractMean: false,
    onProgress: ({ loaded, total }) => progress({ done: loaded, total, what: 'reading' }),
  });
  const shape = data.XTrain.shape.slice(1);
  const set = (X, y) => {
    const made = emptySet(y.size, shape);
    made.pixels.set(X.data);
    made.labels.set(y.data);
    X.dispose();
    y.dispose();
    return made;
  };
  const [train, val, test] = [set(data.XTrain, data.yTrain), set(data.XVal, data.yVal), set(data.XTest, data.yTest)];
  return kept({ source: 'cifar10', shape, classes: data.classes, train, val, test });
}

const canvas = new OffscreenCanvas(SIDE, SIDE);
const pen = canvas.getContext('2d', { willReadFrequently: true });

/** The middle square of a picture as 3 x 32 x 32 bytes. */
function shrink(picture) {
  const { width, height } = picture;
  const side = Math.min(width, height);
  pen.imageSmoothingQuality = 'high';
  pen.fillStyle = 'white';
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.drawImage(picture, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  const bytes = new Uint8Array(3 * SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) for (let c = 0; c < 3; c++) bytes[c * SIDE * SIDE + i] = data[4 * i + c];
  return bytes;
}

async function readPicture({ file, bitmap }) {
  let picture = bitmap;
  try {
    picture ??= await createImageBitmap(file);
  } catch {
    throw new lw.DataError({ where: 'your picture', file: file.name, expected: 'a picture this browser can show' });
  }
  const bytes = shrink(picture);
  picture.close();
  return bytes;
}

/** Folders of pictures: [{ name, files }]. Pictures that cannot be read are left out and counted. */
async function readFolders({ folders, seed }, progress) {
  const total = folders.reduce((sum, { files }) => sum + files.length, 0);
  const unread = [];
  let done = 0;
  const groups = [];
  for (const { name, files } of folders) {
    const pictures = [];
    for (const file of files) {
      try {
        pictures.push(await readPicture({ file }));
      } catch {
        unread.push(`${name}/${file.name}`);
      }
      progress({ done: ++done, total, what: 'reading pictures' });
    }
    groups.push({ name, pictures });
  }
  return { album: await albumOf({ source: 'folders', groups, seed }), unread };
}

/** Pictures (bytes) by class, divided into sets class by class: of five pictures one is for validation and one for tests. */
function albumOf({ source, groups, seed }) {
  const filled = groups.filter(({ pictures }) => pictures.length > 0);
  if (filled.length > MOST_CLASSES) {
    const found = `${filled.length} folders`;
    throw new lw.DataError({
      where: 'your pictures',
      file: 'all folders',
      expected: `at most ${MOST_CLASSES} classes`,
      found,
    });
  }
  const few = filled.filter(({ pictures }) => pictures.length < 3);
  if (filled.length < 2 || few.length > 0) {
    throw new lw.DataError({
      where: 'your pictures',
      file: few.length > 0 ? few.map(({ name }) => name).join(', ') : 'all folders',
      expected: few.length > 0 ? 'at least 3 pictures for each class' : 'pictures of at least 2 classes',
      found: few.length > 0 ? few.map(({ pictures }) => pictures.length).join(', ') : String(filled.length),
    });
  }
  const shape = [3, SIDE, SIDE];
  const lists = { train: [], val: [], test: [] };
  const random = new lw.RandomState(seed);
  for (const [label, { pictures }] of filled.entries()) {
    const order = lw.scope(() => [...random.permutation(pictures.length).data]);
    const some = Math.max(1, Math.floor(pictures.length / 5));
    for (const [i, at] of order.entries()) {
      const list = i < some ? lists.test : i < 2 * some ? lists.val : lists.train;
      list.push([pictures[at], label]);
    }
  }
  const album = { source, shape, classes: filled.map(({ name }) => name) };
  for (const [name, list] of Object.entries(lists)) {
    const set = emptySet(list.length, shape);
    const order = lw.scope(() => [...random.permutation(list.length).data]);
    for (const [i, at] of order.entries()) {
      set.pixels.set(list[at][0], i * sizeOf(shape));
      set.labels[i] = list[at][1];
    }
    album[name] = set;
  }
  return kept(album);
}

/** What a net is made of; throws what the library throws. */
function inspect(spec) {
  const model = new lw.ConvNet(spec);
  try {
    return model.summary({ log: () => {} });
  } finally {
    model.dispose();
  }
}

/** What a file of the library's holds: 'model', 'solver', … */
function kindOf({ bytes, file }) {
  const { lanewise } = lw.safetensorsMetadata(bytes, { file });
  if (lanewise !== undefined) return JSON.parse(lanewise).kind;
  throw new lw.DataError({ where: 'load', file, expected: 'a model or a training that this page has saved' });
}

// ---- files that outlive the page ----------------------------------------------------------------------------------------

const folder = () => navigator.storage.getDirectory();

async function keep({ name, parts }) {
  const file = await (await folder()).getFileHandle(name, { create: true });
  if (file.createWritable) {
    const stream = await file.createWritable();
    for (const part of parts) await stream.write(part.buffer instanceof ArrayBuffer ? part : new Uint8Array(part));
    await stream.close();
    return;
  }
  const handle = await file.createSyncAccessHandle();
  try {
    handle.truncate(0);
    let at = 0;
    for (const part of parts) at += handle.write(part, { at });
    handle.flush();
  } finally {
    handle.close();
  }
}

/** The bytes of a file; undefined if there is none. */
async function recall({ name }) {
  try {
    const file = await (await folder()).getFileHandle(name);
    return new Uint8Array(await (await file.getFile()).arrayBuffer());
  } catch (error) {
    if (error.name === 'NotFoundError') return undefined;
    throw error;
  }
}

async function forget({ name }) {
  try {
    await (await folder()).removeEntry(name);
  } catch (error) {
    if (error.name !== 'NotFoundError') throw error;
  }
}

const SETS = ['train', 'val', 'test'];
const ALBUM = 'album';

/** The album, put by for the next visit where the browser has room for it. */
async function kept(album) {
  const { source, shape, classes } = album;
  const sizes = SETS.map((set) => album[set].labels.length);
  const header = new TextEncoder().encode(JSON.stringify({ source, shape, classes, sizes }));
  const length = new Uint8Array(Uint32Array.of(header.length).buffer);
  const bytes = SETS.flatMap((set) => [Uint8Array.from(album[set].labels), album[set].pixels]);
  try {
    await keep({ name: ALBUM, parts: [length, header, ...bytes] });
    return album;
  } catch (error) {
    return { ...album, notKept: error.message };
  }
}

/** The album put by last, if it came from this source. */
async function recallAlbum({ source }) {
  const bytes = await recall({ name: ALBUM });
  if (bytes === undefined) return undefined;
  const start = 4 + new DataView(bytes.buffer).getUint32(0, true);
  const { sizes, ...album } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
  if (album.source !== source) return undefined;
  const { shape } = album;
  let at = start;
  for (const [i, set] of SETS.entries()) {
    album[set] = emptySet(sizes[i], shape);
    album[set].labels.set(bytes.subarray(at, at + sizes[i]));
    at += sizes[i];
    album[set].pixels.set(bytes.subarray(at, at + album[set].pixels.length));
    at += album[set].pixels.length;
  }
  if (at !== bytes.length) throw new lw.DataError({ where: 'kept images', file: ALBUM, expected: `${at} bytes` });
  return album;
}

const tasks = {
  drawShapes,
  readCifar,
  readFolders,
  readPicture,
  albumOf,
  inspect,
  kindOf,
  keep,
  recall,
  forget,
  recallAlbum,
};

/** What of an answer moves to the page instead of being copied. */
function moved(value, found = new Set()) {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) moved(part, found);
  }
  return found;
}

self.onmessage = async ({ data: { id, task, argument } }) => {
  let told = 0;
  const progress = (news) => {
    if (performance.now() - told < 50 && news.done < news.total) return;
    told = performance.now();
    self.postMessage({ id, progress: news });
  };
  try {
    await ready;
    const value = await tasks[task](argument, progress);
    self.postMessage({ id, value }, [...moved(value)]);
  } catch (error) {
    const { name, message, where, argument: about, rule, value, hint } = error;
    self.postMessage({ id, error: { name, message, where, argument: about, rule, value, hint } });
  }
};
