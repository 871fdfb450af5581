/** Bytes in motion: files, chunks, web streams, gzip. */

/** Bytes that become invalid when the next ones are asked for. */
export type Chunks = AsyncGenerator<Uint8Array, void, undefined>;

/** One file of a data set. */
export interface Entry {
  readonly path: string;
  /** Bytes, where known. */
  readonly size: number | undefined;
  chunks(): Chunks;
}

/** Chunks of a stream; leaving the loop early ends the stream. */
export async function* chunksOf(stream: ReadableStream<Uint8Array>): Chunks {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A stream of copies of chunks. ReadableStream.from would do, where it exists. */
export function streamOf(chunks: Chunks): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
    async cancel() {
      await chunks.return();
    },
  });
}

/** The first bytes (`length` of them, if there are as many) and all chunks including them. */
export async function peek(chunks: Chunks, length: number): Promise<[Uint8Array, Chunks]> {
  let head = new Uint8Array(0);
  while (head.length < length) {
    const { done, value } = await chunks.next();
    if (done) break;
    const longer = new Uint8Array(head.length + value.length);
    longer.set(head);
    longer.set(value, head.length);
    head = longer;
  }
  async function* whole(): Chunks {
    try {
      yield head;
      if (head.length > 0) yield head;
      yield* chunks;
    } finally {
      await chunks.return();
    }
  }
  const all = whole();
  // Begun, because a generator that has not begun skips its `finally` when it is told to return.
  await all.next();
  return [head.subarray(0, length), all];
}

/** Takes chunks apart anew. */
export class ByteReader {
  /** Bytes taken so far. */
  at = 0;
  #rest = new Uint8Array(0);

  constructor(readonly chunks: Chunks) {}

  /** The next bytes, 1 to `limit` of them; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.chunks.next();
      if (done) return undefined;
      this.#rest = value as Uint8Array<ArrayBuffer>;
    }
    const part = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(part.length);
    this.at += part.length;
    return part;
  }

  /** The next `length` bytes in an array of their own, fewer at the end. */
  async take(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      const part = await this.some(length - have);
      if (!part) break;
      out.set(part, have);
      have += part.length;
    }
    return out.subarray(0, have);
  }

  async close(): Promise<void> {
    await this.chunks.return();
  }
}

/** Compressed bytes go in by so many at a time: some hosts hold all that comes out of one piece, up to 1032 times as much. */
const PIECE = 2 ** 15;

/**
 * Decompressed chunks. limit: bytes that may come out. fail: makes the error for data that is not gzip, broken, cut off or
 * larger, near a byte of the input.
 */
export async function* gunzip(chunks: Chunks, limit: number, fail: (offset: number, found: string) => Error): Chunks {
  let read = 0;
  // What the input failed of is not to be reported as a fault of gzip.
  let failure: { error: unknown } | undefined;
  async function* input(): Chunks {
    try {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += PIECE) {
          const piece = chunk.subarray(at, at + PIECE);
          read += piece.length;
          yield piece;
        }
      }
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  let made = 0;
  try {
    const unzip = new DecompressionStream('gzip') as ReadableWritablePair<Uint8Array, Uint8Array>;
    for await (const chunk of chunksOf(streamOf(input()).pipeThrough(unzip))) {
      made += chunk.length;
      if (made > limit) break;
      yield chunk;
    }
  } catch (error) {
    throw failure ? failure.error : fail(read, messageOf(error));
  } finally {
    await chunks.return();
  }
  if (made > limit) throw fail(read, `more than ${limit} bytes when unpacked`);
}

/**
 * All bytes of some chunks, at most `limit`; more: the error that `fail` makes. Memory is taken as they arrive, whatever
 * was announced.
 */
export async function collect(
  chunks: Chunks,
  limit: number,
  fail: (length: number) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > limit) throw fail(length);
    parts.push(chunk.slice());
  }
  return joined(parts);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
