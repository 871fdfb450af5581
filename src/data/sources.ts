/** Where data comes from: folders, archives, URLs, files of a page, bytes. Everything becomes a sequence of named files. */
import { DataError, describe, OptionError } from '../errors.js';
import { isBrowser, nodeModule } from '../runtime/host.js';
import { unpack } from './archive.js';
import { chunksOf, type Entry, messageOf } from './streams.js';

/**
 * A path (outside browsers) of a folder or an archive; a URL of an archive; in pages also a File, a Blob, the files of
 * an <input type="file">, with or without `webkitdirectory`; or the bytes of an archive.
 */
export type DataSource = FileSource | Iterable<File> | ArrayLike<File>;

/** One file: a path (outside browsers), a URL, a File or Blob, or its bytes. */
export type FileSource = string | URL | Blob | ArrayBuffer | Uint8Array;

export interface Progress {
  /** Bytes read, as they are stored: of an archive the compressed ones. */
  loaded: number;
  /** Bytes to read, where known. */
  total: number | undefined;
  /** The file being read. */
  file: string;
}

export interface ReadOptions {
  /** Called about once for each megabyte. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends the loading with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Files in order. Entries are read before the next is asked for, or not at all. Can be walked again. */
export interface Source {
  readonly name: string;
  entries(): AsyncGenerator<Entry, void, undefined>;
}

const CHUNK_BYTES = 2 ** 20;

interface FileSystem {
  promises: Pick<typeof import('node:fs').promises, 'open' | 'readdir' | 'stat'>;
}

/** Opens a source. wanted: whether a file of a folder, known by its path, is of interest. */
export async function openSource(
  where: string,
  source: DataSource,
  wanted: (path: string) => boolean,
  options: ReadOptions,
): Promise<Source> {
  options.signal?.throwIfAborted();
  const place = await locate(where, source, options.signal);
  if (typeof place === 'string') return openPath(where, place, wanted, options);
  if (place !== undefined) return single(where, place, options);
  const isList = source !== null && typeof source === 'object' && (Symbol.iterator in source || 'length' in source);
  const files = isList ? Array.from(source as ArrayLike<File>) : [];
  if (files.length > 0 && files.every((file) => file instanceof Blob)) {
    const entries = files.map((file) => blobEntry(file));
    const found = entries.filter((entry) => wanted(entry.path));
    const [only] = entries;
    if (found.length === 0 && only && entries.length === 1) return single(where, only, options);
    return list('the files given', found, options);
  }
  throw new OptionError({
    where,
    argument: 'source',
    rule: 'a path, a URL, bytes or files',
    value: isList && files.length === 0 ? 'an empty list' : describe(source),
  });
}

/** Opens one file as it is, whatever is in it. */
export async function openFile(where: string, source: FileSource, options: ReadOptions): Promise<Entry> {
  options.signal?.throwIfAborted();
  let place = await locate(where, source, options.signal);
  if (place === undefined) {
    throw new OptionError({
      where,
      argument: 'source',
      rule: 'a path, a URL, bytes or a file',
      value: describe(source),
    });
  }
  if (typeof place === 'string') {
    const path = place;
    const { promises: fs } = await nodeModule<FileSystem>('node:fs');
    const stat = await fs.stat(path).catch((error) => Promise.reject(unreadable(where, path, error, 'a file')));
    if (!stat.isFile()) throw new DataError({ where, file: path, expected: 'a file', found: 'a folder or device' });
    place = fileEntry(where, fs, path, stat.size);
  }
  const entry = place;
  const count = counter(entry.size, options);
  return { ...entry, chunks: () => count(entry) };
}

/** A file, or a path of what may be one; undefined: neither. */
async function locate(
  where: string,
  source: DataSource,
  signal: AbortSignal | undefined,
): Promise<Entry | string | undefined> {
  if (source instanceof URL || typeof source === 'string') {
    const url = urlOf(where, source);
    if (url === undefined) return source as string;
    if (url.protocol !== 'file:' || isBrowser()) return fetched(where, url, signal);
    const { fileURLToPath } = await nodeModule<typeof import('node:url')>('node:url');
    try {
      return fileURLToPath(url);
    } catch {
      throw new OptionError({ where, argument: 'source', rule: 'a file: URL of this host', value: describe(url.href) });
    }
  }
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return bytesEntry(source);
  return source instanceof Blob ? blobEntry(source) : undefined;
}

/** undefined: a path. */
function urlOf(where: string, source: string | URL): URL | undefined {
  const looksLikeUrl = /^[a-z][a-z\d+.-]+:\/\/|^(data|blob):/i;
  if (source instanceof URL) return source;
  if (!isBrowser() && !looksLikeUrl.test(source)) return undefined;
  try {
    return new URL(source, globalThis.location?.href);
  } catch {
    throw new OptionError({ where, argument: 'source', rule: 'a path or a URL', value: describe(source) });
  }
}

/** Files in the order of their paths: those of the folder itself before those of its folders. */
function list(name: string, entries: Entry[], options: ReadOptions): Source {
  const depth = ({ path }: Entry) => path.split(/[\\/]/).length;
  const sorted = entries.sort((a, b) => depth(a) - depth(b) || (a.path < b.path ? -1 : 1));
  const total = sorted.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
  return {
    name,
    async *entries() {
      const count = counter(total, options);
      for (const entry of sorted) yield { ...entry, chunks: () => count(entry) };
    },
  };
}

/** One file that must be an archive. */
function single(where: string, entry: Entry, options: ReadOptions): Source {
  return {
    name: entry.path,
    entries() {
      const count = counter(entry.size, options);
      return unpack(where, entry.path, count(entry), entry.size);
    },
  };
}

/** Chunks of one entry after the other, with progress and abortion. */
function counter(total: number | undefined, { onProgress, signal }: ReadOptions) {
  let loaded = 0;
  return async function* count(entry: Entry): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of entry.chunks()) {
      signal?.throwIfAborted();
      loaded += chunk.length;
      onProgress?.({ loaded, total, file: entry.path });
      yield chunk;
    }
    signal?.throwIfAborted();
  };
}

async function openPath(
  where: string,
  path: string,
  wanted: (path: string) => boolean,
  options: ReadOptions,
): Promise<Source> {
  const { promises: fs } = await nodeModule<FileSystem>('node:fs');
  const { join } = await nodeModule<typeof import('node:path')>('node:path');
  const entries: Entry[] = [];
  async function collect(folder: string, depth: number): Promise<void> {
    for (const { name } of await fs.readdir(folder, { withFileTypes: true })) {
      const inside = join(folder, name);
      // A link may be broken and a folder unreadable without being of interest.
      const stat = await fs.stat(inside).catch(() => undefined);
      if (stat?.isFile() && wanted(inside)) entries.push(fileEntry(where, fs, inside, stat.size));
      else if (stat?.isDirectory() && depth === 0) await collect(inside, 1).catch(() => undefined);
    }
  }
  try {
    const stat = await fs.stat(path);
    if (stat.isFile()) return single(where, fileEntry(where, fs, path, stat.size), options);
    await collect(path, 0);
  } catch (error) {
    throw unreadable(where, path, error, 'a folder or an archive');
  }
  return list(path, entries, options);
}

function fileEntry(where: string, fs: FileSystem['promises'], path: string, size: number): Entry {
  return {
    path,
    size,
    async *chunks() {
      let offset = 0;
      const fail = (error: unknown) => unreadable(where, path, error, 'a readable file', offset);
      const handle = await fs.open(path).catch((error) => Promise.reject(fail(error)));
      try {
        const buffer = new Uint8Array(CHUNK_BYTES);
        for (;;) {
          const { bytesRead } = await handle
            .read(buffer, 0, CHUNK_BYTES, null)
            .catch((error) => Promise.reject(fail(error)));
          if (bytesRead === 0) return;
          offset += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
  };
}

function bytesEntry(source: ArrayBuffer | ArrayBufferView): Entry {
  const bytes =
    source instanceof ArrayBuffer
      ? new Uint8Array(source)
      : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return {
    path: 'the bytes given',
    size: bytes.length,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
    },
  };
}

function blobEntry(blob: Blob): Entry {
  const { name, webkitRelativePath } = blob as Partial<File>;
  return {
    path: webkitRelativePath || name || 'the file given',
    size: blob.size,
    chunks: () => chunksOf(blob.stream()),
  };
}

function fetched(where: string, url: URL, signal: AbortSignal | undefined): Entry {
  return {
    path: url.protocol === 'data:' ? 'the data URL' : url.href,
    size: undefined,
    async *chunks() {
      let offset = 0;
      try {
        const response = await fetch(url, signal ? { signal } : {});
        if (!response.ok || !response.body) throw new Error(`${response.status} ${response.statusText}`.trim());
        for await (const chunk of chunksOf(response.body)) {
          offset += chunk.length;
          yield chunk;
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw unreadable(where, url.href, error, 'an archive', offset);
      }
    },
  };
}

function unreadable(where: string, file: string, error: unknown, expected: string, offset?: number): DataError {
  return new DataError({ where, file, expected, found: messageOf(error), ...(offset === undefined ? {} : { offset }) });
}
