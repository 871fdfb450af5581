/** Images on their way from files into tensors. */
import { byteSums, IMAGE_BLOCK, widenImages } from '../kernels.js';
import { persistent } from '../memory.js';
import { BYTES, empty, type FloatDType, type Tensor, zeros } from '../tensor.js';
import { PIXELS, RECORD } from './record.js';

/** 'NCHW': (N, 3, 32, 32). 'rows': (N, 3072), the three colours of a pixel side by side. */
export type Layout = 'NCHW' | 'rows';

/**
 * Images [from, to) of a sequence of records, and their labels. The records are written, in any order, to where the
 * numbers will be (see assembly/data.ts); finish() turns them into numbers. Belongs to no scope.
 */
export class ImageSet {
  readonly X: Tensor;
  readonly y: Tensor;
  readonly count: number;

  constructor(
    readonly from: number,
    to: number,
    dtype: FloatDType,
    readonly layout: Layout,
  ) {
    this.count = to - from;
    this.X = persistent(() => empty([this.count, ...(layout === 'NCHW' ? [3, 32, 32] : [PIXELS])], dtype));
    try {
      this.y = persistent(() => empty([this.count], 'int32'));
    } catch (error) {
      this.X.dispose();
      throw error;
    }
  }

  /** Takes what it holds of `bytes`, which lie `at` bytes from the start of the sequence. */
  write(at: number, bytes: Uint8Array): void {
    const start = this.from * RECORD;
    const end = Math.min(at + bytes.length, start + this.count * RECORD);
    let place = Math.max(at, start);
    if (place >= end) return;
    const memory = this.#bytes();
    while (place < end) {
      const first = Math.floor((place - start) / RECORD);
      const { past, tail } = this.#block(first);
      const stop = Math.min(end, start + past * RECORD);
      memory.set(bytes.subarray(place - at, stop - at), tail + place - start);
      place = stop;
    }
  }

  /** The mean image (3072 numbers, channel by channel), exact: integer sums, one division. All records are written. */
  mean(): Float64Array {
    return persistent(() => {
      const sums = empty([PIXELS], 'int32');
      try {
        byteSums(sums, this.X, this.count);
        return Float64Array.from(sums.data, (sum) => (sum >>> 0) / this.count);
      } finally {
        sums.dispose();
      }
    });
  }

  /** Makes numbers of the records, less `mean` (3072 numbers in the order of the layout) if given. Last step. */
  finish(mean?: Tensor): void {
    const none = mean ? undefined : persistent(() => zeros([PIXELS], { dtype: this.X.dtype }));
    try {
      const memory = this.#bytes();
      const labels = this.y.data;
      for (let i = 0; i < this.count; i++) labels[i] = memory[this.#block(i).tail + i * RECORD] as number;
      widenImages(this.X, mean ?? (none as Tensor), this.count, this.layout === 'rows');
    } finally {
      none?.dispose();
    }
  }

  dispose(): void {
    this.X.dispose();
    this.y.dispose();
  }

  #bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.X.data;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** The block of image i: the image after its last, and what to add to a record's own place to find its bytes. */
  #block(i: number): { past: number; tail: number } {
    const past = Math.min(i - (i % IMAGE_BLOCK) + IMAGE_BLOCK, this.count);
    return { past, tail: past * (PIXELS * BYTES[this.X.dtype] - RECORD) };
  }
}
