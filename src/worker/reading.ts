/** What can be read off a model between two steps, with nothing of the run changed by it. */
import { add, div, exp, mul, sub } from '../arithmetic.js';
import { imageWidth } from '../augment.js';
import * as imageKernels from '../imageKernels.js';
import { scope } from '../memory.js';
import type { Network } from '../network.js';
import { empty, type Tensor } from '../tensor.js';
import type { Inputs } from './inputs.js';
import type { Activation, Examples, PlainArray, Prediction } from './types.js';

export function plain({ shape, dtype, data }: Tensor): PlainArray {
  // Not slice(), which would keep to memory that is shared.
  return { shape: [...shape], dtype, data: new (data.constructor as typeof Float32Array)(data as Float32Array) };
}

/** Examples [from, to) as the model sees them, in the current scope. */
function batch(model: Network, inputs: Inputs, data: Examples['data'], from: number, to: number): Tensor {
  const x = empty([to - from, ...model.inputShape], model.dtype);
  const rows = Int32Array.from({ length: to - from }, (_, i) => from + i);
  inputs.write(data, rows, x.data as Float32Array);
  return x;
}

function softmax(scores: Tensor): Tensor {
  const e = exp(sub(scores, scores.max(1, true) as Tensor));
  return div(e, e.sum(1, true) as Tensor);
}

/**
 * Ranges of so many examples. The last ones are of powers of two, so that the model, which keeps memory for each size of
 * a batch that it has seen, has seen few.
 */
export function* ranges(count: number, size: number): Generator<[from: number, to: number]> {
  for (let from = 0; from < count; ) {
    const left = count - from;
    const to = from + (left >= size ? size : 2 ** Math.floor(Math.log2(left)));
    yield [from, to];
    from = to;
  }
}

/** Scores and probabilities of examples [from, to). flip: scores of mirror images are added. */
export function predictRange(
  model: Network,
  inputs: Inputs,
  X: Examples,
  [from, to]: [number, number],
  flip: boolean,
): { labels: Int32Array; scores: Float32Array | Float64Array; probabilities: Float32Array | Float64Array } {
  return scope(() => {
    const x = batch(model, inputs, X.data, from, to);
    let scores = model.loss(x);
    let mean = scores;
    if (flip) {
      const mirrored = empty(x.shape, x.dtype);
      imageKernels.mirror(mirrored, x, imageWidth('evaluate', model.inputShape, X));
      scores = add(scores, model.loss(mirrored));
      mean = mul(scores, 0.5);
    }
    return {
      labels: Int32Array.from((scores.argmax(1) as Tensor).data),
      scores: plain(scores).data as Float32Array,
      probabilities: plain(softmax(mean)).data as Float32Array,
    };
  });
}

export function predict(model: Network, inputs: Inputs, X: Examples): Prediction {
  const N = X.shape[0] as number;
  const C = model.numClasses;
  const make = model.dtype === 'float64' ? Float64Array : Float32Array;
  const scores = new make(N * C);
  const probabilities = new make(N * C);
  const labels = new Int32Array(N);
  for (const range of ranges(N, 100)) {
    const found = predictRange(model, inputs, X, range, false);
    labels.set(found.labels, range[0]);
    scores.set(found.scores, range[0] * C);
    probabilities.set(found.probabilities, range[0] * C);
  }
  const array = (data: Float32Array | Float64Array) => ({ shape: [N, C], dtype: model.dtype, data });
  return { labels, probabilities: array(probabilities), scores: array(scores) };
}

export function activations(
  model: Network,
  inputs: Inputs,
  X: Examples,
  layers: readonly number[] | undefined,
): Activation[] {
  return scope(() => {
    const all = model.activations(batch(model, inputs, X.data, 0, X.shape[0] as number));
    const found = all.map(({ name, output }, index) => ({ name, index, output }));
    const wanted = layers === undefined ? found : found.filter(({ index }) => layers.includes(index));
    return wanted.map(({ name, index, output }) => ({ name, index, ...plain(output) }));
  });
}

/** In training mode: dropout draws and running averages move, so these are put back. */
export function gradients(
  model: Network,
  inputs: Inputs,
  X: Examples,
  y: Int32Array,
): { loss: number; gradients: Record<string, PlainArray> } {
  const stream = model.random.getState();
  return scope(() => {
    const state = model.state();
    const moving = Object.keys(state).filter((name) => !model.paramNames.includes(name));
    const before = moving.map((name) => [name, (state[name] as Tensor).clone()] as const);
    try {
      const [loss, found] = model.loss(batch(model, inputs, X.data, 0, X.shape[0] as number), y);
      const arrays = Object.entries(found).map(([name, gradient]) => [name, plain(gradient)] as const);
      return { loss, gradients: Object.fromEntries(arrays) };
    } finally {
      if (moving.length > 0) model.loadState({ ...state, ...Object.fromEntries(before) });
      model.random.setState(stream);
    }
  });
}
