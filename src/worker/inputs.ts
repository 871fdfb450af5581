/** From examples as they are given to numbers as the model sees them, batch by batch. */
import { sizeOf } from '../shape.js';
import type { ExampleSource } from '../solver/options.js';
import type { FloatDType } from '../tensor.js';
import type { Examples, InputSpec } from './types.js';

type Floats = Float32Array | Float64Array;

export class Inputs {
  /** Subtracted, in the type of the model; undefined: nothing. */
  mean: Floats | undefined;
  readonly #D: number;

  /** shape: of one example. */
  constructor(
    readonly shape: readonly number[],
    readonly dtype: FloatDType,
    public spec: Required<InputSpec>,
  ) {
    this.#D = sizeOf(shape);
  }

  /** The mean example. Of bytes it is exact: whole sums and one division, as getCifar10Data has it. */
  measure(data: Examples['data']): void {
    const D = this.#D;
    const N = data.length / D;
    const sums = new Float64Array(D);
    for (let at = 0; at < data.length; at += D) {
      for (let k = 0; k < D; k++) (sums[k] as number) += data[at + k] as number;
    }
    this.setMean(sums.map((sum) => sum / N));
  }

  setMean(mean: ArrayLike<number> | undefined): void {
    if (mean) this.mean = this.dtype === 'float64' ? Float64Array.from(mean) : Float32Array.from(mean);
    else this.mean = undefined;
  }

  /** Examples with these indices, one after the other: all of `to`. */
  write(data: Examples['data'], rows: ArrayLike<number>, to: Floats): void {
    const D = this.#D;
    const { mean } = this;
    const { scale } = this.spec;
    for (let i = 0; i < rows.length; i++) {
      const start = (rows[i] as number) * D;
      const at = i * D;
      if (mean) {
        for (let k = 0; k < D; k++) to[at + k] = ((data[start + k] as number) - (mean[k] as number)) * scale;
      } else if (scale !== 1) {
        for (let k = 0; k < D; k++) to[at + k] = (data[start + k] as number) * scale;
      } else {
        to.set(data.subarray(start, start + D), at);
      }
    }
  }

  /** For a Solver. data: asked for when a batch is read. */
  source(N: number, data: () => Examples['data']): ExampleSource {
    return { shape: [N, ...this.shape], read: (rows, to) => this.write(data(), rows, to) };
  }
}
