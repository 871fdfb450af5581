/** Examples of a Solver: checked once, read a batch at a time, changed at random, and counted where they are predicted right. */
import { augmentBatch, checkAugmentation, exampleShape, type ImageShape } from '../augment.js';
import { describe, formatShape, nearest, OptionError, ShapeError } from '../errors.js';
import { Plan, persistent, scope } from '../memory.js';
import { Network } from '../network.js';
import type { RandomSource } from '../random.js';
import { type Shape, sameShape, sizeOf } from '../shape.js';
import { checkIndices, empty, getDefaultDType, type Indices, isTensor, type Tensor, tensor } from '../tensor.js';
import type { Learner, TrainableModel } from './learner.js';
import { type ExampleSource, isExampleSource, type Settings, type SolverData } from './options.js';

export interface Examples {
  X: Tensor | ExampleSource;
  y: Tensor;
  N: number;
}

export class ExampleReader {
  readonly #model: Network | TrainableModel;
  readonly #learner: Learner;
  /** Batches of examples that are no tensor, and the draws of `augment`. */
  readonly #plan = new Plan();
  /** Tensors made of what the user gave. */
  readonly #owned: Tensor[] = [];

  constructor(model: Network | TrainableModel, learner: Learner) {
    this.#model = model;
    this.#learner = learner;
  }

  /** Training or validation examples, checked. What is no tensor is made one that lasts as long as the reader. */
  take(data: SolverData, nameX: 'XTrain' | 'XVal', nameY: 'yTrain' | 'yVal'): Examples {
    const where = 'Solver';
    for (const name of [nameX, nameY]) {
      if (data?.[name] !== undefined) continue;
      const others = Object.keys(data ?? {}).filter((key) => !['XTrain', 'yTrain', 'XVal', 'yVal'].includes(key));
      const near = nearest(name, others);
      const hint = near === undefined ? 'data has XTrain, yTrain, XVal and yVal' : `is it '${near}'?`;
      throw new OptionError({ where, rule: `data.${name} is missing`, hint });
    }
    const given = data[nameX];
    const X = isTensor(given) || isExampleSource(given) ? given : this.#own(() => tensor(given));
    const N = X.shape[0] ?? 0;
    const model = this.#model;
    if (model instanceof Network && sizeOf(X.shape.slice(1)) !== sizeOf(model.inputShape)) {
      const rule = `(N, …) with ${sizeOf(model.inputShape)} numbers for each example`;
      const hint = `the model was made for inputs ${formatShape(model.inputShape)}`;
      throw new ShapeError({ where, argument: nameX, rule, value: formatShape(X.shape), hint });
    }
    if (N === 0) {
      throw new ShapeError({ where, argument: nameX, rule: 'at least one example', value: formatShape(X.shape) });
    }
    return { X, y: this.#own(() => this.labels(where, nameY, data[nameY], N), data[nameY]), N };
  }

  /** N labels as an int32 tensor: y itself, if it is one. */
  labels(where: string, argument: string, y: Indices, N: number): Tensor {
    const count = isTensor(y) ? y.size : y?.length;
    if (count !== N) {
      throw new ShapeError({ where, argument, rule: `${N} labels, one for each example`, value: String(count) });
    }
    return checkIndices(where, argument, y, this.#model instanceof Network ? this.#model.numClasses : 2 ** 31 - 1);
  }

  #own(make: () => Tensor, given?: unknown): Tensor {
    const made = persistent(make);
    if (made !== given) this.#owned.push(made);
    return made;
  }

  /** The examples with these indices. They last until the next batch of this size. */
  batch(X: Tensor | ExampleSource, rows: Tensor): Tensor {
    return isTensor(X) ? this.#learner.batch(X, rows) : this.#read(X, rows.size, () => rows.data as Int32Array);
  }

  range(X: Tensor | ExampleSource, from: number, to: number): Tensor {
    if (isTensor(X)) return X.rows(from, to);
    return this.#read(X, to - from, () => Int32Array.from({ length: to - from }, (_, i) => from + i));
  }

  /** rows: views of them, taken when the batch has its memory. */
  #read(X: ExampleSource, count: number, rows: () => Int32Array): Tensor {
    const shape = this.inputShape ?? X.shape.slice(1);
    const dtype = this.#model instanceof Network ? this.#model.dtype : getDefaultDType();
    return this.#plan.run(`read ${count}`, () => {
      const batch = empty([count, ...shape], dtype);
      X.read(rows(), batch.data as Float32Array | Float64Array);
      return batch;
    });
  }

  /** The shape of one example of the model; undefined for models of the user's. */
  get inputShape(): Shape | undefined {
    return this.#model instanceof Network ? this.#model.inputShape : undefined;
  }

  /** Checks that images are what `augment` gets, and that its numbers fit them. */
  checkAugment(augment: Settings['augment'], X: Tensor | ExampleSource): void {
    if (augment === undefined || typeof augment === 'function') return;
    const shape = exampleShape(this.inputShape, X);
    if (shape.length !== 3) {
      const rule = 'images (C, H, W) for augment';
      throw new ShapeError({ where: 'Solver', argument: 'examples', rule, value: formatShape(shape) });
    }
    checkAugmentation('Solver: augment', augment, shape as ImageShape);
  }

  /** A batch of X changed at random: itself, or what a function of the user's makes of it. */
  augmented(batch: Tensor, X: Tensor | ExampleSource, augment: Settings['augment'], random: RandomSource): Tensor {
    if (augment === undefined) return batch;
    if (typeof augment !== 'function') {
      const shape = exampleShape(this.inputShape, X) as ImageShape;
      this.#plan.run(`augment ${batch.shape[0]}`, () => augmentBatch(batch, shape, augment, random));
      return batch;
    }
    const changed: unknown = augment(batch, random) ?? batch;
    if (isTensor(changed) && sameShape(changed.shape, batch.shape)) return changed;
    const rule = `a tensor ${formatShape(batch.shape)} like the batch, or nothing`;
    throw new ShapeError({ where: 'Solver', argument: 'the result of augment', rule, value: describe(changed) });
  }

  /** width: of images, if scores of their mirror images are to be added. */
  accuracy({ X, y, N }: Examples, random: RandomSource, numSamples: number | null, batchSize = 100, width = 0): number {
    return scope(() => {
      const rows = numSamples !== null && N > numSamples ? random.choice(N, numSamples) : undefined;
      const count = rows?.size ?? N;
      let right = 0;
      for (let from = 0; from < count; from += batchSize) {
        const to = Math.min(count, from + batchSize);
        scope(() => {
          const some = rows?.rows(from, to);
          const batch = some ? this.batch(X, some) : this.range(X, from, to);
          const predicted = this.#learner.predictBatch(batch, width).data;
          const labels = y.data;
          const index = some?.data;
          for (let i = 0; i < to - from; i++) if (predicted[i] === labels[index ? index[i] : from + i]) right++;
        });
      }
      return right / count;
    });
  }

  /** Frees what was made here. Not given data. */
  dispose(): void {
    for (const t of this.#owned) t.dispose();
    this.#plan.dispose();
  }
}
