/** Small data sets in the formats of CIFAR-10, made by the tests themselves. */

export const PIXELS = 3072;
export const RECORD = 3073;
export const NAMES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
export const BATCHES = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'];

/** Images and labels of one batch; pixels of image i lie from i * 3072 on, channel by channel. */
export interface Batch {
  labels: number[];
  pixels: Uint8Array;
}

/** Noise that depends on the seed only. */
export function batch(images: number, seed: number): Batch {
  let state = seed * 2654435761 + 12345;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  };
  const labels = Array.from({ length: images }, () => next() % 10);
  return { labels, pixels: Uint8Array.from({ length: images * PIXELS }, next) };
}

/** Six batches: five to train on, one to test. */
export const batches = (sizes: readonly number[]): Batch[] => sizes.map((size, k) => batch(size, k + 1));

export function binary({ labels, pixels }: Batch): Uint8Array {
  const out = new Uint8Array(labels.length * RECORD);
  for (const [i, label] of labels.entries()) {
    out[i * RECORD] = label;
    out.set(pixels.subarray(i * PIXELS, (i + 1) * PIXELS), i * RECORD + 1);
  }
  return out;
}

export const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

export function concat(...parts: (Uint8Array | readonly number[] | string)[]): Uint8Array<ArrayBuffer> {
  const all = parts.map((part) => (typeof part === 'string' ? ascii(part) : Uint8Array.from(part)));
  const out = new Uint8Array(all.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of all) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const u32 = (n: number) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];
const str = (text: string) => concat('U', [text.length], text);

/** Opcodes of a NumPy array of bytes as Python 2 writes it in protocol 2. */
export function pickledBytes(shape: readonly number[], data: Uint8Array): Uint8Array {
  return concat(
    ['cnumpy.core.multiarray\n_reconstruct\n', 'cnumpy\nndarray\n', 'K\x00\x85', 'U\x01b', '\x87R'].join(''),
    '(K\x01',
    ...shape.flatMap((n) => ['J', u32(n)]),
    shape.length === 2 ? '\x86' : '\x85',
    'cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
    '\x89T',
    u32(data.length),
    data,
    'tb',
  );
}

/** A batch as Python 2 pickled it. */
export function pickled({ labels, pixels }: Batch): Uint8Array {
  return concat(
    '\x80\x02}(',
    ...[str('batch_label'), str('a batch'), str('labels'), ']('],
    ...labels.map((label) => ['K'.charCodeAt(0), label]),
    ...['e', str('data'), pickledBytes([labels.length, PIXELS], pixels)],
    'u.',
  );
}

export const binaryMeta = () => ascii(`${NAMES.join('\n')}\n\n`);
export const pickledMeta = () => concat('\x80\x02}', str('label_names'), '](', ...NAMES.map(str), 'es.');

/** Names and contents of a data set. */
export type Files = [name: string, content: Uint8Array][];

export function binaryFiles(all: Batch[], folder = ''): Files {
  const files = all.map((one, k): [string, Uint8Array] => [`${folder}${BATCHES[k]}.bin`, binary(one)]);
  return [...files, [`${folder}batches.meta.txt`, binaryMeta()]];
}

export function pickledFiles(all: Batch[], folder = ''): Files {
  const files = all.map((one, k): [string, Uint8Array] => [`${folder}${BATCHES[k]}`, pickled(one)]);
  return [...files, [`${folder}batches.meta`, pickledMeta()]];
}

/** One member of a tar archive: ustar header and padded content. type: '0' file, '2' symbolic link, '5' folder. */
export function member(
  name: string,
  content: Uint8Array,
  { type = '0', size = content.length, binarySize = false } = {},
): Uint8Array {
  const header = new Uint8Array(512);
  const put = (at: number, text: string) => header.set(ascii(text), at);
  put(0, name);
  put(100, '0000644\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  put(124, `${size.toString(8).padStart(11, '0')}\0`);
  if (binarySize) header.set([0x80, 0, 0, 0, 0, 0, 0, 0, ...u32(size).reverse()], 124);
  put(136, '00000000000\0');
  put(148, '        ');
  put(156, type);
  put(257, 'ustar\x0000');
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return concat(header, content, new Uint8Array(-content.length & 511));
}

export const END = new Uint8Array(1024);

export const tar = (files: Files) => concat(...files.map(([name, content]) => member(name, content)), END);

export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Files as a page gets them from <input type="file" webkitdirectory>. */
export function fileList(files: Files): File[] {
  return files.map(([path, content]) => {
    const file = new File([Uint8Array.from(content)], path.split('/').at(-1) as string);
    Object.defineProperty(file, 'webkitRelativePath', { value: path });
    return file;
  });
}

/** First place where two lists differ, -1 if nowhere. For long lists, which toEqual takes seconds for. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}
