/** Models that can be trained: networks as they are, and the user's own through a thin layer. */
import { add } from '../arithmetic.js';
import { isRecord } from '../checkpoint.js';
import { describe, OptionError } from '../errors.js';
import * as imageKernels from '../imageKernels.js';
import * as kernels from '../kernels.js';
import type { Network } from '../network.js';
import { empty, isTensor, type Tensor } from '../tensor.js';

/** A model of the user's own. Without Network's plans it works, at the price of memory taken and freed at every step. */
export interface TrainableModel {
  params: Record<string, Tensor>;
  loss(X: Tensor): Tensor;
  loss(X: Tensor, y: Tensor): [number, Record<string, Tensor>];
}

/** The part of a Network that training uses; other models are given it by adapt(). */
export type Learner = Pick<
  Network,
  'params' | 'weightNames' | 'state' | 'loadState' | 'batch' | 'lossAndGradients' | 'predictBatch'
> &
  Partial<Pick<Network, 'layerOf' | 'unstableLayer'>>;

export function adapt(model: TrainableModel): Learner {
  if (typeof model?.loss !== 'function' || !isRecord(model.params) || !Object.values(model.params).every(isTensor)) {
    const rule = 'a Network, or an object with params (name to tensor) and loss(X, y)';
    throw new OptionError({ where: 'Solver', argument: 'model', rule, value: describe(model) });
  }
  return {
    get params() {
      return model.params;
    },
    get weightNames() {
      return Object.keys(model.params).filter((name) => name.startsWith('W'));
    },
    state: () => ({ ...model.params }),
    loadState(values) {
      for (const [name, t] of Object.entries(model.params)) kernels.convert(t, values[name] as Tensor);
    },
    batch: (X, rows) => X.take(rows),
    lossAndGradients(X, y) {
      const [loss, gradients] = model.loss(X, y as Tensor);
      return { loss, gradients };
    },
    predictBatch(X, width = 0) {
      const scores = model.loss(X);
      if (width === 0) return scores.argmax(1);
      const mirrored = empty(X.shape, X.dtype);
      imageKernels.mirror(mirrored, X, width);
      return add(scores, model.loss(mirrored)).argmax(1);
    },
  };
}
