/**
 * The one engine behind every model: a list of layers, their parameters and running averages, planned buffers, the loss
 * and all gradients. What the layers are is not known here; models/layers.ts has them.
 */
import { checkFlag, imageWidth } from './augment.js';
import { readModel, writeCheckpoint } from './checkpoint.js';
import { Construction, chain, type Layer, type Part, type Stage } from './construction.js';
import {
  checkChoice,
  checkNumber,
  checkOptions,
  DTypeError,
  describe,
  formatShape,
  nearest,
  OptionError,
  ShapeError,
} from './errors.js';
import * as imageKernels from './imageKernels.js';
import * as kernels from './kernels.js';
import { AffineGradient } from './layers/affine.js';
import { softmaxLoss, svmLoss } from './layers/losses.js';
import { Plan, scope } from './memory.js';
import { random as defaultStream, type RandomSource } from './random.js';
import { checkShape, productText, type Shape, sameShape, sizeOf } from './shape.js';
import { type Summary, summarise, summaryText } from './summary.js';
import {
  empty,
  type FloatDType,
  getDefaultDType,
  type Indices,
  isTensor,
  type Nested,
  type Tensor,
  type TypedArray,
  tensor,
} from './tensor.js';

/**
 * Weights of this many numbers are updated while their gradient is computed, if Solver allows it: they and the rule's state
 * come from main memory, and a gradient written there and read again costs time. Fewer stay in the caches.
 */
const DEFERRED_SIZE = 2 ** 18;

export interface NetworkOptions {
  /** Shape of one example, or its size. */
  inputDim: number | readonly number[];
  /** Default 'softmax'. */
  loss?: 'softmax' | 'svm';
  /** Strength of the L2 regularisation 0.5 · reg · sum(W²), default 0. Weights only, not biases or norms. */
  reg?: number;
  /** Type of parameters and computation, default the default type (float32). */
  dtype?: FloatDType;
  /** Stream for weights and dropout, default lanewise's default stream. */
  random?: RandomSource | undefined;
  /** For softmax: see softmaxLoss. */
  labelSmoothing?: number;
  /** For svm: see svmLoss. */
  delta?: number;
}

/** What Network takes of its options; models add their own. */
export const NETWORK_OPTIONS = ['inputDim', 'loss', 'reg', 'dtype', 'random', 'labelSmoothing', 'delta'] as const;

export interface LossAndGradients<Gradient> {
  loss: number;
  gradients: Readonly<Record<string, Gradient>>;
}

/** Values for a parameter: a tensor of its shape and type, nested arrays of its shape, or as many numbers in a typed array. */
export type ParameterValue = Tensor | Nested | TypedArray;

/**
 * A network of any layers with a loss on its end.
 *
 *     const { affine, relu } = lw.layers;
 *     const model = new lw.Network([affine(100), relu(), affine(10)], { inputDim: 3072 });
 *     const [loss, grads] = model.loss(X, y);
 *
 * It owns its parameters, running averages and buffers until dispose().
 */
export class Network {
  /** Shape of one example. */
  readonly inputShape: Shape;
  readonly numClasses: number;
  readonly dtype: FloatDType;
  readonly paramNames: readonly string[];
  /** Those that reg applies to. */
  readonly weightNames: readonly string[];
  /** The stream of dropout masks. */
  random: RandomSource;
  readonly #built: Construction;
  readonly #root: Stage;
  readonly #params: Record<string, Tensor>;
  readonly #lossOf: (scores: Tensor, y: Indices) => [number, Tensor];
  /** Activations and gradients, for each batch size. */
  readonly #plan = new Plan();
  /** Batches in the model's type, and predictions. */
  readonly #batches = new Plan();
  readonly #predictions = new Plan();
  /** Of the last lossAndGradients. */
  readonly #gradients: Record<string, Tensor | AffineGradient> = {};
  #reg = 0;

  constructor(layers: readonly Layer[], options: NetworkOptions) {
    const where = 'Network';
    checkOptions(where, options, NETWORK_OPTIONS);
    const { inputDim, loss = 'softmax', reg = 0, dtype = getDefaultDType(), random = defaultStream } = options;
    const { labelSmoothing = 0, delta = 1 } = options;
    if (!Array.isArray(layers) || layers.length === 0 || !layers.every((l) => typeof l?.build === 'function')) {
      const hint = 'layers.affine(100) and the like make them';
      throw new OptionError({ where, argument: 'layers', rule: 'a list of layers', value: describe(layers), hint });
    }
    this.inputShape = Object.freeze(checkShape(where, inputDim));
    if (sizeOf(this.inputShape) === 0) {
      throw new ShapeError({ where, argument: 'inputDim', rule: 'not empty', value: describe(inputDim) });
    }
    this.dtype = checkFloatType(where, dtype);
    this.random = random;
    checkChoice(where, 'loss', loss, ['softmax', 'svm']);
    checkNumber(where, 'labelSmoothing', labelSmoothing, { low: 0, high: 1 });
    checkNumber(where, 'delta', delta);
    this.reg = reg;
    this.#lossOf =
      loss === 'softmax'
        ? (scores, y) => softmaxLoss(scores, y, { labelSmoothing })
        : (scores, y) => svmLoss(scores, y, { delta });
    this.#built = new Construction(this.dtype, () => this.random);
    try {
      this.#root = chain(this.#built, layers, this.inputShape);
      if (this.#root.shape.length !== 1) {
        const value = formatShape(this.#root.shape);
        throw new ShapeError({ where, argument: 'the last layer', rule: 'one score for each class', value });
      }
    } catch (error) {
      this.#built.dispose();
      throw error;
    }
    this.numClasses = this.#root.shape[0];
    this.paramNames = Object.freeze(this.#built.parameters.map(({ name }) => name));
    const weights = this.#built.parameters.filter(({ regularised }) => regularised);
    this.weightNames = Object.freeze(weights.map(({ name }) => name));
    const values = Object.fromEntries(this.#built.parameters.map(({ name, value }) => [name, value]));
    this.#params = new Proxy(values, {
      set: (_, name, value) => {
        this.#assign(String(name), value);
        return true;
      },
      defineProperty: (_, name) => this.#refuse(String(name)),
      deleteProperty: (_, name) => this.#refuse(String(name)),
    });
  }

  /**
   * Parameters by name, live. Assigning copies: `model.params.W1 = tensor` wants the same shape and type, or nested
   * arrays of the shape, or as many numbers in a typed array.
   */
  get params(): Record<string, Tensor> {
    return this.#params;
  }

  set params(values: Record<string, ParameterValue>) {
    for (const [name, value] of Object.entries(values)) this.#assign(name, value);
  }

  /** Strength of the regularisation 0.5 · reg · sum(W²). */
  get reg(): number {
    return this.#reg;
  }

  set reg(value: number) {
    this.#reg = checkNumber('model', 'reg', value, { low: 0 });
  }

  /**
   * Without labels: the class scores (N, C) in test mode. With labels: the loss in training mode and its gradients by
   * parameter name. Results are the caller's, in the current scope.
   *
   * @param X (N, …) with inputShape's number of elements for each example; any type, computed in the model's
   * @param y N labels in [0, C)
   * @throws ShapeError, ValueError for a label out of range
   */
  loss(X: Tensor | Nested): Tensor;
  loss(X: Tensor | Nested, y: Indices): [number, Record<string, Tensor>];
  loss(X: Tensor | Nested, y?: Indices): Tensor | [number, Record<string, Tensor>];
  loss(X: Tensor | Nested, y?: Indices | null): Tensor | [number, Record<string, Tensor>] {
    return scope(() => {
      const x = this.#tensorOf(X);
      if (y === undefined || y === null) return this.#scores(this.#input('loss', x)).clone();
      const { loss, gradients } = this.lossAndGradients(x, y);
      return [loss, Object.fromEntries(Object.entries(gradients).map(([name, g]) => [name, g.clone()]))];
    });
  }

  /**
   * The class of highest score for each example, in test mode.
   *
   * @param X as for loss
   * @param options batchSize: examples at a time, default 100; flip: add the scores of each image's mirror image, for
   *   models or examples of shape (…, H, W), default false
   * @returns int32 tensor (N), in the current scope
   */
  predict(X: Tensor | Nested, options: { batchSize?: number; flip?: boolean } = {}): Tensor {
    checkOptions('predict', options, ['batchSize', 'flip']);
    const batchSize = checkNumber('predict', 'batchSize', options.batchSize ?? 100, { low: 1, integer: true });
    const flip = checkFlag('predict', 'flip', options.flip ?? false);
    return scope(() => {
      const x = this.#tensorOf(X);
      const N = this.#check('predict', x);
      const width = flip ? imageWidth('predict', this.inputShape, x) : 0;
      const labels = empty([N], 'int32');
      for (let from = 0; from < N; from += batchSize) {
        const part = this.predictBatch(x.rows(from, Math.min(N, from + batchSize)), width);
        labels.data.set(part.data, from);
      }
      return labels;
    });
  }

  /**
   * What comes out of each layer in test mode, in the order of the layers (depth 0 of summary()): (N, …), the caller's, in
   * the current scope. To look at; training and predicting do not pass here.
   *
   * @param X as for loss
   */
  activations(X: Tensor | Nested): { name: string; output: Tensor }[] {
    return scope(() => {
      let h = this.#input('activations', this.#tensorOf(X));
      return (this.#root.parts ?? []).map(({ name, stage }) => {
        h = stage.forward(h, 'test');
        return { name, output: h.clone() };
      });
    });
  }

  /**
   * Internal, for training: as loss(X, y), but the gradients belong to the network and last until the next call. Once it
   * has run for a batch size, it allocates nothing.
   *
   * @param defer leave gradients of large affine weights as products; an update rule of lanewise takes them so
   */
  lossAndGradients(X: Tensor, y: Indices, defer?: false): LossAndGradients<Tensor>;
  lossAndGradients(X: Tensor, y: Indices, defer: boolean): LossAndGradients<Tensor | AffineGradient>;
  lossAndGradients(X: Tensor, y: Indices, defer = false): LossAndGradients<Tensor | AffineGradient> {
    const x = this.#input('loss', X);
    for (const p of this.#built.parameters) p.deferred = defer && p.value.size >= DEFERRED_SIZE;
    const loss = this.#plan.run(`train ${x.shape[0]}${defer ? ' deferred' : ''}`, () => {
      const scores = this.#root.forward(x, 'train');
      const [data, dscores] = this.#lossOf(scores, y);
      this.#root.backward(dscores, false);
      return data + this.#regularise();
    });
    for (const { name, gradient } of this.#built.parameters)
      this.#gradients[name] = gradient as Tensor | AffineGradient;
    return { loss, gradients: this.#gradients };
  }

  /**
   * Internal: predict for one batch. width: that of the images, if scores of mirror images are to be added. The result
   * lasts until the next batch of this size.
   */
  predictBatch(X: Tensor, width = 0): Tensor {
    const x = this.#input('predict', X);
    const scores = this.#scores(x);
    const [N, C] = scores.shape;
    return this.#predictions.run(width > 0 ? `flip ${N}` : `${N}`, () => {
      const labels = empty([N], 'int32');
      const total = width > 0 ? this.#withMirrored(scores, x, width) : scores;
      kernels.argmax(labels, total, C, 1);
      return labels;
    });
  }

  /** scores of x plus those of its mirror images. */
  #withMirrored(scores: Tensor, x: Tensor, width: number): Tensor {
    // Copied: the next scores of this batch size take the place of these.
    const total = empty(scores.shape, scores.dtype);
    kernels.convert(total, scores);
    const mirrored = empty(x.shape, x.dtype);
    imageKernels.mirror(mirrored, x, width);
    kernels.binary(total, total, this.#scores(mirrored), 'add');
    return total;
  }

  /** Internal: the rows of X with these indices (int32, valid), in the model's type. Lasts until the next of this size. */
  batch(X: Tensor, rows: Tensor): Tensor {
    const shape = [rows.size, ...this.inputShape];
    return this.#batches.run(`${rows.size}`, () => {
      const x = empty(shape, this.dtype);
      if (X.dtype !== 'int32') {
        kernels.gather(x, X, rows);
        return x;
      }
      const raw = empty(shape, 'int32');
      kernels.gather(raw, X, rows);
      kernels.convert(x, raw);
      raw.dispose();
      return x;
    });
  }

  /** Everything that makes the model what it is, live: parameters and running averages by name. */
  state(): Record<string, Tensor> {
    return { ...this.#built.tensors };
  }

  /** Copies parameters and running averages in. All names must be there, and fit; else nothing changes. */
  loadState(values: Readonly<Record<string, ParameterValue>>): void {
    this.#loadState('loadState', values);
  }

  #loadState(where: string, values: Readonly<Record<string, ParameterValue>>): void {
    const { tensors } = this.#built;
    for (const name of Object.keys(values)) if (!Object.hasOwn(tensors, name)) this.#refuse(name, where);
    for (const name of Object.keys(tensors)) {
      if (!Object.hasOwn(values, name)) {
        throw new OptionError({
          where,
          rule: `${name} is missing`,
          hint: 'all tensors of state() are needed',
        });
      }
      checkValue(where, name, values[name], tensors[name]);
    }
    for (const [name, value] of Object.entries(values)) write(tensors[name], value);
  }

  /** Parameters and running averages as the bytes of a safetensors file, under their names. */
  save(): Uint8Array<ArrayBuffer> {
    return writeCheckpoint('save', 'model', {}, new Map(Object.entries(this.#built.tensors)));
  }

  /**
   * Takes parameters and running averages from what save() returned, or from any safetensors file with these names, shapes
   * and types.
   *
   * @param bytes of the whole file
   * @param options file: its name, for messages
   * @throws DataError for other bytes, ShapeError, DTypeError or OptionError for those of another model; nothing changes then
   */
  load(bytes: Uint8Array, options: { file?: string } = {}): void {
    const where = 'load';
    checkOptions(where, options, ['file']);
    const arrays = readModel(where, bytes, options.file ?? 'model');
    scope(() => {
      const values = [...arrays].map(
        ([name, { data, shape, dtype }]) => [name, tensor(data, { shape, dtype })] as const,
      );
      this.#loadState(where, Object.fromEntries(values));
    });
  }

  /** Internal, for messages: the layer that a parameter belongs to, 'layer 2, residual > conv'. */
  layerOf(name: string): string | undefined {
    const path = pathTo(this.#root.parts ?? [], name);
    return path && `layer ${path[0]}, ${path[1]}`;
  }

  /** Internal, for messages: the first layer whose output for X is not finite, in test mode. */
  unstableLayer(X: Tensor): string | undefined {
    const plan = new Plan();
    try {
      return plan.run('', () => {
        const x = this.#input('loss', X);
        let h = x;
        for (const [i, { name, stage }] of (this.#root.parts ?? []).entries()) {
          const y = stage.forward(h, 'test');
          if (y.block !== h.block && h.block !== x.block) h.dispose();
          if (!kernels.finite([y])) return `layer ${i + 1}, ${name}`;
          h = y;
        }
        return undefined;
      });
    } finally {
      plan.dispose();
    }
  }

  /**
   * Prints a table of the layers, with the shape of an example behind each, parameters, floating-point operations of the
   * products in one example's forward pass (a multiplication and an addition count two; a training step takes about three
   * times as many), and the memory that training keeps for one example's backward pass.
   *
   * @param options log: takes the text, default console.log
   * @returns the same as data
   */
  summary(options: { log?: (text: string) => void } = {}): Summary {
    checkOptions('summary', options, ['log']);
    const summary = summarise(this.#root, this.inputShape, this.dtype === 'float64' ? 8 : 4);
    (options.log ?? console.log)(summaryText(summary));
    return summary;
  }

  /** Frees everything the model owns. */
  dispose(): void {
    for (const plan of [this.#plan, this.#batches, this.#predictions]) plan.dispose();
    this.#built.dispose();
  }

  /** 0.5 · reg · sum(W²) over all weights; adds reg · W to their gradients. */
  #regularise(): number {
    if (this.#reg === 0) return 0;
    let squares = 0;
    for (const { value, gradient, regularised } of this.#built.parameters) {
      if (!regularised) continue;
      const partials = empty([kernels.decayPartials(value)], 'float64');
      const deferred = gradient instanceof AffineGradient;
      if (deferred) gradient.reg = this.#reg;
      squares += kernels.decay(deferred ? undefined : gradient, value, this.#reg, partials);
      partials.dispose();
    }
    return 0.5 * this.#reg * squares;
  }

  /** (N, C) in test mode; lasts until the next batch of this size. */
  #scores(x: Tensor): Tensor {
    return this.#plan.run(`test ${x.shape[0]}`, () => this.#root.forward(x, 'test'));
  }

  #tensorOf(X: Tensor | Nested): Tensor {
    return isTensor(X) ? X : tensor(X, { dtype: this.dtype });
  }

  /** Number of examples. */
  #check(where: string, X: Tensor): number {
    const D = sizeOf(this.inputShape);
    const [N, ...rest] = X.shape;
    if (N === undefined || sizeOf(rest) !== D) {
      const wanted = this.inputShape.length === 1 ? '' : ` = ${productText(this.inputShape)}`;
      const hint = `the model was made for inputs ${formatShape(this.inputShape)}`;
      const rule = `(N, …) with ${D}${wanted} numbers for each example`;
      throw new ShapeError({ where, argument: 'X', rule, value: formatShape(X.shape), hint });
    }
    return N;
  }

  /** X as (N, …inputShape) in the model's type: itself, a view, or a planned copy. */
  #input(where: string, X: Tensor): Tensor {
    const N = this.#check(where, X);
    if (N === 0) {
      throw new ShapeError({ where, argument: 'X', rule: 'at least one example', value: formatShape(X.shape) });
    }
    const shape = [N, ...this.inputShape];
    if (X.dtype === this.dtype) return sameShape(X.shape, shape) ? X : X.reshape(shape);
    return this.#batches.run(`${N}`, () => {
      const x = empty(shape, this.dtype);
      kernels.convert(x, X);
      return x;
    });
  }

  #assign(name: string, value: ParameterValue): void {
    const parameter = this.#built.parameters.find((p) => p.name === name);
    if (!parameter) this.#refuse(name);
    checkValue('params', name, value, parameter.value);
    write(parameter.value, value);
  }

  #refuse(name: string, where = 'params'): never {
    const known = where === 'params' ? this.paramNames : Object.keys(this.#built.tensors);
    const near = nearest(name, known);
    const hint = near === undefined || near === name ? `there are ${known.join(', ')}` : `did you mean '${near}'?`;
    const rule = near === name ? `${name} cannot be removed or redefined` : `unknown parameter '${name}'`;
    throw new OptionError({ where, rule, hint });
  }
}

/** Number of the layer among its own, and names from there on. */
function pathTo(parts: readonly Part[], parameter: string): [number, string] | undefined {
  for (const [i, { name, stage, parameters }] of parts.entries()) {
    if (!parameters.some((p) => p.name === parameter)) continue;
    const inner = pathTo(stage.parts ?? [], parameter);
    return [i + 1, inner ? `${name} > ${inner[1]}` : name];
  }
  return undefined;
}

function checkFloatType(where: string, dtype: unknown): FloatDType {
  if (dtype === 'float32' || dtype === 'float64') return dtype;
  throw new DTypeError({ where, argument: 'dtype', rule: "'float32' or 'float64'", value: describe(dtype) });
}

/** Whether `value` may be copied to `target`. */
function checkValue(where: string, argument: string, value: unknown, target: Tensor): void {
  if (isTensor(value) && value.dtype !== target.dtype) {
    const hint = `use astype('${target.dtype}')`;
    throw new DTypeError({ where, argument, rule: target.dtype, value: value.dtype, hint });
  }
  const fits = isTensor(value)
    ? sameShape(value.shape, target.shape)
    : ArrayBuffer.isView(value)
      ? (value as TypedArray).length === target.size
      : sameShape(
          scope(() => tensor(value as Nested).shape),
          target.shape,
        );
  if (fits) return;
  throw new ShapeError({ where, argument, rule: formatShape(target.shape), value: describe(value) });
}

function write(target: Tensor, value: ParameterValue): void {
  if (isTensor(value)) kernels.convert(target, value);
  else if (ArrayBuffer.isView(value)) target.data.set(value as TypedArray);
  else scope(() => kernels.convert(target, tensor(value as Nested, { dtype: target.dtype })));
}
