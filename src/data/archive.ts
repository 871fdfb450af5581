/**
 * Files out of a tar archive, compressed by gzip or not, while it streams by. Nothing is written anywhere.
 *
 * Formats: ustar and pax (POSIX.1-2017, pax utility), long names and sizes as GNU tar writes them.
 */
import { DataError } from '../errors.js';
import { ByteReader, type Chunks, type Entry, gunzip, hex, peek } from './streams.js';

const BLOCK = 512;
/** Names and pax records are read whole; no honest ones are longer. */
const MAX_NOTE_BYTES = 2 ** 20;
/** So many bytes may come out of a compressed archive; that of CIFAR-10 holds 185 MB. */
const MAX_UNPACKED_BYTES = 2 ** 31;
/** What DEFLATE can make of a byte at most: 258 bytes of two bits (RFC 1951). */
const MAX_RATIO = 1032;

interface Header {
  name: string;
  size: number;
  type: string;
}

/**
 * The regular files of an archive, in its order. file: its name, for messages and as the start of the entries' paths. total:
 * its bytes, where known: no entry can be larger than what they may hold. Throws DataError for anything that is neither gzip nor tar, is broken or cut off, or names files outside itself.
 */
export async function* unpack(
  where: string,
  file: string,
  chunks: Chunks,
  total = Number.POSITIVE_INFINITY,
): AsyncGenerator<Entry, void, undefined> {
  const refuse = (offset: number, expected: string, found: string, hint?: string) =>
    new DataError({ where, file, offset, expected, found, ...(hint === undefined ? {} : { hint }) });
  const [magic, whole] = await peek(chunks, 2);
  const compressed = magic[0] === 0x1f && magic[1] === 0x8b;
  const unzip = () => gunzip(whole, MAX_UNPACKED_BYTES, (offset, found) => refuse(offset, 'whole gzip data', found));
  const most = compressed ? Math.min(MAX_UNPACKED_BYTES, MAX_RATIO * total) : total;
  const input = new ByteReader(compressed ? unzip() : whole);
  const need = async (length: number) => {
    const bytes = await input.take(length);
    if (bytes.length === length) return bytes;
    throw refuse(input.at, 'a whole tar archive', 'its end');
  };
  /** Bytes of the current file that are still to come. */
  let left = 0;
  async function* content(): Chunks {
    while (left > 0) {
      const part = await input.some(left);
      if (!part) throw refuse(input.at, 'a whole tar archive', 'its end');
      left -= part.length;
      yield part;
    }
  }

  try {
    // What the headers before an entry say about it.
    let notes: { path?: string; size?: string } = {};
    for (;;) {
      const start = input.at;
      const block = start === 0 ? await input.take(BLOCK) : await need(BLOCK);
      if (start > 0 && block.every((byte) => byte === 0)) break;
      const header = parseHeader(block);
      if (!header && start === 0) {
        const found = block.length === 0 ? 'nothing' : `bytes ${hex(block.subarray(0, 8))}`;
        const hint = 'give the folder of the batches, or the .tar.gz or .tar as it was downloaded';
        throw refuse(0, compressed ? 'a tar archive inside gzip' : 'a gzip or tar archive', found, hint);
      }
      if (!header) throw refuse(start, 'a tar header', `bytes ${hex(block.subarray(0, 8))}`);
      const { type } = header;
      if (type === 'L' || type === 'x') {
        if (header.size > MAX_NOTE_BYTES)
          throw refuse(start, `at most ${MAX_NOTE_BYTES} bytes of names`, `${header.size}`);
        const note = await need(header.size + padding(header.size));
        notes = { ...notes, ...(type === 'L' ? { path: text(note) } : paxRecords(note.subarray(0, header.size))) };
        continue;
      }
      const name = notes.path ?? header.name;
      // Links, devices and folders have no content, whatever their size says.
      const size = /[1-6]/.test(type) ? 0 : Number(notes.size ?? header.size);
      notes = {};
      if (!(Number.isSafeInteger(size) && size >= 0)) throw refuse(start, 'a size', String(size));
      if (/^([\\/]|[a-z]:)|(^|[\\/])\.\.([\\/]|$)/i.test(name)) {
        throw refuse(start, 'names that stay inside the archive', JSON.stringify(name.slice(0, 80)));
      }
      if (size > most - input.at) throw refuse(start, 'a whole tar archive', `a file of ${size} bytes in it`);
      left = size;
      if (['\0', '0', '7'].includes(type) && !name.endsWith('/'))
        yield { path: `${file}/${name}`, size, chunks: content };
      // Whatever was not read, and the rest of the last block.
      for await (const _ of content());
      await need(padding(size));
    }
    // Read to the end: only then is gzip's checksum looked at.
    while (await input.some(BLOCK * 128));
  } finally {
    await input.close();
    await whole.return();
  }
}

const padding = (size: number) => (BLOCK - (size % BLOCK)) % BLOCK;

/** undefined: not a header, by its checksum. */
function parseHeader(block: Uint8Array): Header | undefined {
  if (block.length < BLOCK) return undefined;
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] as number;
  if (numeric(block.subarray(148, 156)) !== sum) return undefined;
  const prefix = text(block.subarray(257, 263)) === 'ustar' ? text(block.subarray(345, 500)) : '';
  const name = text(block.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numeric(block.subarray(124, 136)),
    type: String.fromCharCode(block[156] as number),
  };
}

/** Octal digits, or a binary number if the first bit is set. NaN if neither. */
function numeric(field: Uint8Array): number {
  const [first = 0] = field;
  const digits = text(field).trim();
  if (first < 128) return /^[0-7]*$/.test(digits) ? Number.parseInt(`0${digits}`, 8) : Number.NaN;
  return field.subarray(1).reduce((value, byte) => value * 256 + byte, first & 127);
}

/** Text up to the first NUL. */
function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Lines `LENGTH KEY=VALUE`, of which path and size matter. What does not look like that ends them. */
function paxRecords(bytes: Uint8Array): { path?: string; size?: string } {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(text(bytes.subarray(at, space)));
    if (space < 0 || !(length > space - at)) break;
    const [, key, value] = /^(path|size)=(.*)$/s.exec(text(bytes.subarray(space + 1, at + length - 1))) ?? [];
    if (key !== undefined && value !== undefined) records[key] = value;
    at += length;
  }
  return records;
}
