/**
 * Zip archives held in memory, as NumPy writes them: entries stored or deflated, none encrypted. What a zip calls an entry
 * is a gzip member without its frame; with a frame put around it, the host's own gunzip unpacks it and checks its sum.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { crc32 } from '../crc32.js';
import { DataError } from '../errors.js';
import { type Chunks, collect, gunzip, joined, streamOf } from './streams.js';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const [LOCAL_BYTES, CENTRAL_BYTES, END_BYTES] = [30, 46, 22];
/** Names are UTF-8. */
const UTF8 = 1 << 11;
const ENCRYPTED = (1 << 0) | (1 << 6) | (1 << 13);
const [STORED, DEFLATED] = [0, 8];
/** The first day there is in a zip. */
const JANUARY_1980 = (1 << 5) | 1;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  /** Of the content when unpacked, and as it is stored from `start` on. */
  readonly size: number;
  readonly packed: number;
  readonly start: number;
}

type Refuse = (offset: number, expected: string, found?: string) => never;

/** The entries of an archive, folders left out, in the order of its directory. */
export function zipEntries(where: string, file: string, bytes: Uint8Array): ZipEntry[] {
  const refuse: Refuse = (offset, expected, found) => {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  if (end < 0) refuse(0, 'a zip archive', bytes.length === 0 ? 'nothing' : 'no end of its directory');
  const count = view.getUint16(end + 10, true);
  const directory = view.getUint32(end + 16, true);
  if (view.getUint32(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count)
    refuse(end, 'an archive in one piece');
  if (count === 0xffff || directory === 0xffffffff) refuse(end, 'less than 4 GiB and 65,535 entries');
  if (directory + view.getUint32(end + 12, true) !== end) refuse(end, 'a directory that ends here');
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = directory;
  for (let i = 0; i < count; i++) {
    const { entry, next } = directoryEntry(bytes, view, at, end, refuse);
    if (names.has(entry.name)) refuse(at, 'each name once', quoted(entry.name));
    names.add(entry.name);
    if (entry.start + entry.packed > directory) refuse(at, `${entry.packed} bytes of content`, 'the directory');
    if (!entry.name.endsWith('/')) entries.push(entry);
    at = next;
  }
  if (at !== end) refuse(at, 'the end of the directory', `${end - at} more bytes`);
  // Entries that share bytes unpack to more than their archive could hold.
  const byPlace = [...entries].sort((a, b) => a.start - b.start);
  for (const [i, { start }] of byPlace.entries()) {
    const before = byPlace[i - 1];
    if (before && start < before.start + before.packed) refuse(start, 'entries that do not overlap');
  }
  return entries;
}

function directoryEntry(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  refuse: Refuse,
): { entry: ZipEntry; next: number } {
  if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL) refuse(at, 'an entry of the directory');
  const u16 = (offset: number) => view.getUint16(at + offset, true);
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const nameEnd = at + CENTRAL_BYTES + u16(28);
  const next = nameEnd + u16(30) + u16(32);
  if (next > end) refuse(at, 'an entry within the directory');
  const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL_BYTES, nameEnd));
  const [flags, method, crc, packed, size, local] = [u16(8), u16(10), u32(16), u32(20), u32(24), u32(42)];
  if (flags & ENCRYPTED) refuse(at, 'entries that are not encrypted', quoted(name));
  if (method !== STORED && method !== DEFLATED) refuse(at, 'entries stored or deflated', `method ${method}`);
  if (method === STORED && packed !== size) refuse(at, 'one size of a stored entry', `${packed} and ${size}`);
  if (local + LOCAL_BYTES > end || view.getUint32(local, true) !== LOCAL)
    refuse(at, 'the place of an entry', `${local}`);
  const start = local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  return { entry: { name, method, crc, size, packed, start }, next };
}

const quoted = (name: string) => JSON.stringify(name.slice(0, 80));

/** Where the record at the end of the archive begins, behind which there is only a comment; -1: none. */
function findEnd(view: DataView): number {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    if (view.getUint32(at, true) === END && view.getUint16(at + 20, true) === last - at) return at;
  }
  return -1;
}

/** The content of an entry, its sum checked. limit: its largest size. */
export async function unzip(
  where: string,
  file: string,
  bytes: Uint8Array,
  entry: ZipEntry,
  limit: number,
): Promise<Uint8Array> {
  const { start, size, packed, crc } = entry;
  const fail = (expected: string, found: string) => new DataError({ where, file, offset: start, expected, found });
  if (size > limit) throw fail(`at most ${limit} bytes when unpacked`, `${size}`);
  const content = bytes.subarray(start, start + packed);
  if (entry.method === STORED) {
    const sum = crc32(content);
    if (sum !== crc) throw fail(`content of sum ${hex32(crc)}`, hex32(sum));
    return content;
  }
  async function* framed(): Chunks {
    yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
    yield content;
    yield new Uint8Array(Uint32Array.of(crc, size).buffer);
  }
  const unpacked = await collect(
    gunzip(framed(), size, (_, found) => fail('whole deflated data', found)),
    size,
    (length) => fail(`${size} bytes when unpacked`, `${length}`),
  );
  if (unpacked.length !== size) throw fail(`${size} bytes when unpacked`, `${unpacked.length}`);
  return unpacked;
}

/** An archive of these files. compress: deflate them where that makes them smaller. */
export async function zip(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  compress: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of files) {
    const deflated = compress ? await deflate(content) : content;
    const smaller = deflated.length < content.length;
    const stored = smaller ? deflated : content;
    const encoded = new TextEncoder().encode(name);
    const shared = new DataView(new ArrayBuffer(26));
    shared.setUint16(0, 20, true);
    shared.setUint16(2, UTF8, true);
    shared.setUint16(4, smaller ? DEFLATED : STORED, true);
    shared.setUint16(8, JANUARY_1980, true);
    shared.setUint32(10, crc32(content), true);
    shared.setUint32(14, stored.length, true);
    shared.setUint32(18, content.length, true);
    shared.setUint16(22, encoded.length, true);
    const fields = new Uint8Array(shared.buffer);
    directory.push(words(CENTRAL), shorts(20), fields, new Uint8Array(10), words(at), encoded);
    parts.push(words(LOCAL), fields, encoded, stored);
    at += LOCAL_BYTES + encoded.length + stored.length;
  }
  const index = joined(directory);
  const end = [words(END), shorts(0, 0, files.size, files.size), words(index.length, at), shorts(0)];
  return joined([...parts, index, ...end]);
}

async function deflate(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  async function* once(): Chunks {
    yield content;
  }
  const gzip = new CompressionStream('gzip') as ReadableWritablePair<Uint8Array, Uint8Array>;
  const response = new Response(streamOf(once()).pipeThrough(gzip) as ReadableStream<Uint8Array<ArrayBuffer>>);
  // A gzip member without options: ten bytes before, sum and size after.
  return new Uint8Array(await response.arrayBuffer()).subarray(10, -8);
}

const words = (...values: number[]) => bytesOf(values, 4);
const shorts = (...values: number[]) => bytesOf(values, 2);

/** Little-endian numbers. */
function bytesOf(values: readonly number[], width: number): Uint8Array {
  return Uint8Array.from(
    { length: values.length * width },
    (_, i) => (values[Math.floor(i / width)] as number) >>> (8 * (i % width)),
  );
}

const hex32 = (sum: number) => sum.toString(16).padStart(8, '0');
