/** Numbers that are not finite: found before they get into the parameters, and named. */
import type { FaultError } from '../errors.js';
import * as kernels from '../kernels.js';
import { attempt, persistent } from '../memory.js';
import type { Gradient } from '../optim.js';
import { isTensor, type Tensor } from '../tensor.js';
import type { Learner } from './learner.js';

/**
 * What to do about a step whose loss or gradients are not finite.
 *
 * - stop: training ends with a FaultError
 * - skip: the step changes nothing, training goes on with the next
 * - clip: elements of gradients that are not finite count as 0, and what is left is scaled down to clipNorm as always
 * - rollback: back to the parameters of the best validation accuracy, with half the learning rate and the update rule's state
 *   as at the beginning
 */
export type FaultPolicy = 'stop' | 'skip' | 'clip' | 'rollback';
export const FAULT_POLICIES: readonly FaultPolicy[] = ['stop', 'skip', 'clip', 'rollback'];

/** What was found in a step, and what was done about it. */
export interface Fault {
  /** From 1. */
  step: number;
  /** What was not finite. */
  what: FaultError['what'];
  /** NaN, Infinity or -Infinity. */
  value: number;
  /** 'layer 2, conv', where known. */
  layer: string | undefined;
  /** 'W2', for a gradient, a parameter, or the update rule's state for it. */
  parameter: string | undefined;
  /** All of it as words: 'the gradient of W2 (layer 2, conv)'. */
  text: string;
  action: FaultPolicy;
}

export type Found = Omit<Fault, 'step' | 'action'>;

/** Those that are still products are known to be finite. */
type Gradients = Readonly<Record<string, Gradient>>;

export class FaultGuard {
  readonly #learner: Learner;
  /** What a forward pass changes, running averages, and copies of it. */
  readonly #changing: readonly Tensor[];
  readonly #kept: readonly Tensor[];

  constructor(learner: Learner) {
    this.#learner = learner;
    const { params } = learner;
    const others = Object.entries(learner.state()).filter(([name]) => !Object.hasOwn(params, name));
    this.#changing = others.map(([, t]) => t);
    this.#kept = persistent(() => attempt(() => this.#changing.map((t) => t.clone())));
  }

  /** Before a step. */
  keep(): void {
    for (const [i, t] of this.#changing.entries()) kernels.convert(this.#kept[i], t);
  }

  /** Undoes what the forward pass of the step has changed. */
  restore(): void {
    for (const [i, t] of this.#changing.entries()) kernels.convert(t, this.#kept[i]);
  }

  dispose(): void {
    for (const t of this.#kept) t.dispose();
  }

  /**
   * What is wrong with a step, from the cause on: examples, parameters, loss, gradients. Undefined if nothing is.
   *
   * @param norm of all gradients, if it is known: NaN or infinite if one of them is
   * @param example says which example of the data one of the batch is
   */
  find(
    loss: number,
    gradients: Gradients,
    norm: number | undefined,
    batch: Tensor,
    example: (i: number) => number,
  ): Found | undefined {
    const names = Object.keys(this.#learner.params);
    const known = names.map((name) => gradients[name]).filter(isTensor);
    const sound = Number.isFinite(loss) && (norm === undefined ? kernels.finite(known) : Number.isFinite(norm));
    if (sound) return undefined;
    const at = this.#badExample(batch);
    if (at) {
      const text = `example ${example(at.index)} of the training data`;
      return { what: 'examples', value: at.value, layer: undefined, parameter: undefined, text };
    }
    return this.unsound({}) ?? (Number.isFinite(loss) ? this.#gradient(names, gradients) : this.#loss(loss, batch));
  }

  /**
   * Parameters that are not finite, and NaN in the update rule's state: one pass over them. Infinity is a place where squares
   * of large gradients end up, and hurts nothing.
   */
  unsound(configs: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Found | undefined {
    const state = this.#learner.state();
    const states = Object.values(configs).flatMap((config) => Object.values(config).filter(isFloat));
    if (kernels.finite([...Object.values(state), ...states].filter(isFloat))) return undefined;
    for (const [parameter, t] of Object.entries(state)) {
      const value = badValue(t);
      if (value !== undefined) return this.#of('parameter', parameter, value, parameter);
    }
    for (const [parameter, config] of Object.entries(configs)) {
      for (const [name, t] of Object.entries(config)) {
        if (isFloat(t) && badValue(t) !== undefined && t.data.some(Number.isNaN))
          return this.#of('state', parameter, Number.NaN, `${name} of the update rule for ${parameter}`);
      }
    }
    return undefined;
  }

  #badExample(batch: Tensor): { index: number; value: number } | undefined {
    if (!isFloat(batch) || kernels.finite([batch])) return undefined;
    const at = batch.data.findIndex((value) => !Number.isFinite(value));
    const size = batch.size / (batch.shape[0] as number);
    return { index: Math.floor(at / size), value: batch.data[at] };
  }

  #loss(value: number, batch: Tensor): Found {
    const layer = this.#learner.unstableLayer?.(batch);
    const text = layer === undefined ? 'the loss' : `the loss, from the output of ${layer} on,`;
    return { what: 'loss', value, layer, parameter: undefined, text };
  }

  #gradient(names: readonly string[], gradients: Gradients): Found {
    // The backward pass comes from the end: what went wrong first is the last one.
    for (const name of [...names].reverse()) {
      const gradient = gradients[name];
      const value = isTensor(gradient) ? badValue(gradient) : undefined;
      if (value !== undefined) return this.#of('gradient', name, value, `the gradient of ${name}`);
    }
    const text = 'the norm of the gradients';
    return { what: 'gradient', value: Infinity, layer: undefined, parameter: undefined, text };
  }

  #of(what: Found['what'], parameter: string, value: number, text: string): Found {
    const layer = this.#learner.layerOf?.(parameter);
    return { what, value, layer, parameter, text: layer === undefined ? text : `${text} (${layer})` };
  }
}

/** Gradients with 0 for what is not finite: copies where something is, or in place if `own`. */
export function withoutBadElements(gradients: Gradients, own: boolean): Gradients {
  const entries = Object.entries(gradients).map(([name, g]) => {
    if (!isTensor(g) || kernels.finite([g])) return [name, g] as const;
    const cleaned = own ? g : g.clone();
    const { data } = cleaned;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) data[i] = 0;
    return [name, cleaned] as const;
  });
  return Object.fromEntries(entries);
}

function isFloat(value: unknown): value is Tensor {
  return isTensor(value) && value.dtype !== 'int32';
}

function badValue(t: Tensor): number | undefined {
  return t.dtype === 'int32' || kernels.finite([t]) ? undefined : t.data.find((value) => !Number.isFinite(value));
}
