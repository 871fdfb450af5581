/** How layers become a network: what a layer is to one, layers one after another as one, and what gives them parameters. */
import * as kernels from './kernels.js';
import type { AffineGradient } from './layers/affine.js';
import { persistent } from './memory.js';
import { drawWeights, type RandomSource } from './random.js';
import { type Shape, sizeOf } from './shape.js';
import { empty, type FloatDType, type Tensor } from './tensor.js';

/** 'train': dropout drops, batch norm uses the batch; 'test': neither. */
export type Mode = 'train' | 'test';

/** A trained tensor. */
export interface Parameter {
  /** As in model.params: W1, b1, gamma1, … */
  readonly name: string;
  readonly value: Tensor;
  /** Whether model.reg applies. */
  readonly regularised: boolean;
  /** Of the last backward pass. Belongs to the plan. */
  gradient: Tensor | AffineGradient | undefined;
  /** Its gradient is wanted as the product that it is, where it is one: see lossAndGradients. */
  deferred: boolean;
}

/** How a parameter starts: standard normals times `normal`, or all elements `fill`. */
export type Start = { normal: number } | { fill: number };

/** Where a layer gets what it needs while a network is built around it. */
export interface Builder {
  readonly dtype: FloatDType;
  /** The network's stream; asked for anew at each use, since resuming a training run replaces it. */
  random(): RandomSource;
  /**
   * A new parameter. It is named by its letter and the number of the weight layer it belongs to: W starts a new number,
   * everything else takes the number of the last W. Weights (W) are regularised.
   */
  parameter(letter: string, shape: Shape, start: Start): Parameter;
  /** A tensor that is kept with the parameters but not trained (running averages), named the same way. */
  state(letter: string, shape: Shape, fill: number): Tensor;
  /** Those made so far. */
  readonly parameters: readonly Parameter[];
}

/** A layer as users list it. It holds no tensors, so one list may serve several networks. */
export interface Layer {
  /** For messages: 'affine'. */
  readonly name: string;
  /** Makes the layer's part of a network. input: shape of one example. Throws ShapeError if that does not fit. */
  build(builder: Builder, input: Shape): Stage;
}

/**
 * A layer inside a network. forward and backward run inside a plan: what they make lasts until the next step, or until
 * they dispose of it.
 */
export interface Stage {
  /** Of one example that comes out. */
  readonly shape: Shape;
  /** In training it returns what it is given, or a view of it. */
  readonly passes?: boolean;
  /** Whether backward reads what forward was given, or what it returned. If not, that memory is used again earlier. */
  readonly keepsInput: boolean;
  readonly keepsOutput: boolean;
  /** x (N, …input) to (N, …shape). May return x itself or a view of it. */
  forward(x: Tensor, mode: Mode): Tensor;
  /** After a forward in training mode: sets the gradients of its parameters, returns dx if it is needed. */
  backward(dout: Tensor, needDx: boolean, relu?: ReluPass): Tensor | undefined;
  /** It ends in a ReLU, and its backward pass can be told that this is done. */
  readonly rectifies?: boolean;
  /** Its backward pass can go on through a ReLU that its input came out of: one pass over the memory less. */
  readonly takesRelu?: boolean;
  /** For summary(). Multiplications of the products of one example's forward pass, default 0. */
  readonly products?: number;
  /** Numbers that it keeps for the backward pass of one example, besides its input and output; default 0. */
  readonly extra?: number;
  /** What it is made of. */
  readonly parts?: readonly Part[];
}

/** Which ReLUs a backward pass goes through, where two stages can agree on it; by default its own, if it has one. */
export interface ReluPass {
  /** Its own is done: dout is the gradient of what goes into it. */
  done: boolean;
  /** It is to go on through the one that its input came out of. */
  before: boolean;
}

/** A stage with its layer's name and its own parameters. */
export interface Part {
  readonly name: string;
  readonly stage: Stage;
  readonly parameters: readonly Parameter[];
}

/** Stages one after another, as one stage. Layers made of layers use it too. */
export function chain(builder: Builder, layers: readonly Layer[], input: Shape): Stage {
  const stages: Stage[] = [];
  const parts: Part[] = [];
  let shape = input;
  /** Stages before this one have no parameters: nobody needs the gradient of their outputs. */
  let firstTrained = layers.length;
  for (const [i, layer] of layers.entries()) {
    const before = builder.parameters.length;
    const stage = layer.build(builder, shape);
    const parameters = builder.parameters.slice(before);
    if (parameters.length > 0) firstTrained = Math.min(firstTrained, i);
    stages.push(stage);
    parts.push({ name: layer.name, stage, parameters });
    shape = stage.shape;
  }

  const forward = (x: Tensor, mode: Mode): Tensor => {
    let h = x;
    let held = true;
    for (const stage of stages) {
      const y = stage.forward(h, mode);
      const same = y.block === h.block;
      const wanted = mode === 'train' && (held || stage.keepsInput);
      if (!same && !wanted && h.block !== x.block) h.dispose();
      held = stage.keepsOutput || (same && (held || stage.keepsInput));
      h = y;
    }
    if (mode === 'train') keepsOutput = held;
    return h;
  };

  const backward = (dout: Tensor, needDx: boolean): Tensor | undefined => {
    let d = dout;
    let done = false;
    for (let i = stages.length - 1; i >= 0; i--) {
      const needed = needDx || i > firstTrained;
      const before = needed && stages[i].takesRelu === true && stages[i - 1]?.rectifies === true;
      const dx = stages[i].backward(d, needed, { done, before });
      done = before;
      if (d.block !== dout.block && d.block !== dx?.block) d.dispose();
      if (!needed || !dx) return undefined;
      d = dx;
    }
    return d;
  };

  let products = 0;
  let extra = 0;
  /** The memory that lies between two stages: its size if it is made here, and whether it is kept. */
  let made = 0;
  let keepsOutput = true;
  for (const stage of stages) {
    products += stage.products ?? 0;
    extra += stage.extra ?? 0;
    if (stage.passes) {
      keepsOutput ||= stage.keepsInput || stage.keepsOutput;
      continue;
    }
    if (keepsOutput || stage.keepsInput) extra += made;
    made = sizeOf(stage.shape);
    keepsOutput = stage.keepsOutput;
  }
  return {
    shape,
    passes: made === 0,
    keepsInput: true,
    // A forward pass may find more: stages need not say that they return views.
    get keepsOutput() {
      return keepsOutput;
    },
    forward,
    backward,
    products,
    extra,
    parts,
  };
}

/** The parameters and running averages of one network, while its layers are built and after. */
export class Construction implements Builder {
  readonly parameters: Parameter[] = [];
  /** Parameters and running averages, in the order in which they were made. */
  readonly tensors: Record<string, Tensor> = {};
  #number = 0;

  constructor(
    readonly dtype: FloatDType,
    readonly random: () => RandomSource,
  ) {}

  parameter(letter: string, shape: Shape, start: Start): Parameter {
    if (letter === 'W') this.#number++;
    const name = this.#name(letter);
    const value = this.#make(name, shape);
    if ('fill' in start) {
      kernels.fill(value, start.fill);
    } else {
      drawWeights(value, start.normal, this.random());
    }
    const made = { name, value, regularised: letter === 'W', gradient: undefined, deferred: false };
    this.parameters.push(made);
    return made;
  }

  state(letter: string, shape: Shape, fill: number): Tensor {
    const value = this.#make(this.#name(letter), shape);
    kernels.fill(value, fill);
    return value;
  }

  #make(name: string, shape: Shape): Tensor {
    const value = persistent(() => empty(shape, this.dtype));
    this.tensors[name] = value;
    return value;
  }

  /** Two norms after one weight layer: gamma1 and gamma1_2. */
  #name(letter: string): string {
    const plain = `${letter}${this.#number}`;
    let name = plain;
    for (let n = 2; name in this.tensors; n++) name = `${plain}_${n}`;
    return name;
  }

  dispose(): void {
    for (const t of Object.values(this.tensors)) t.dispose();
  }
}
