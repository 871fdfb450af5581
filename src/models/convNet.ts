/** Convolutional nets of any depth, written as plain JSON. */
import { checkFlag } from '../augment.js';
import type { Layer } from '../construction.js';
import { checkNumber, checkOptions, describe, nearest, OptionError, within } from '../errors.js';
import { NETWORK_OPTIONS, Network, type NetworkOptions } from '../network.js';
import type { RandomSource } from '../random.js';
import {
  affine,
  affineRelu,
  avgPool,
  batchnorm,
  conv,
  convBnRelu,
  convRelu,
  dropout,
  globalAvgPool,
  groupnorm,
  layernorm,
  leakyRelu,
  maxPool,
  relu,
  residual,
  sigmoid,
  swish,
  tanh,
} from './layers.js';
import { checkWeightScale } from './stages.js';

/** Normalisation behind a convolution or an affine layer. */
export type NormSpec = 'batchnorm' | 'layernorm' | { groupnorm: number } | null;

export interface ConvSpec {
  /** Number of filters. */
  conv: number;
  /** Default 3. */
  size?: number | [number, number];
  /** Default 1. */
  stride?: number;
  /** Default half the size. */
  pad?: number;
  /** Default the net's. */
  norm?: NormSpec;
  /** Default true. */
  relu?: boolean;
  weightScale?: number | 'he';
  /** Without Winograd's transforms, see ConvParam; default false. */
  exact?: boolean;
}

export interface AffineSpec {
  /** Number of units. */
  affine: number;
  norm?: NormSpec;
  /** Default true. */
  relu?: boolean;
  weightScale?: number | 'he';
}

export interface ResidualSpec {
  /** layers + shortcut, see layers.residual. */
  residual: LayerSpec[];
  shortcut?: LayerSpec[];
  /** Of the sum, default true. */
  relu?: boolean;
}

export type LayerSpec =
  | ConvSpec
  | AffineSpec
  | ResidualSpec
  | { repeat: number; layers: LayerSpec[] }
  | { maxPool: number | [number, number]; stride?: number }
  | { avgPool: number | [number, number]; stride?: number }
  /** Share of the units that are kept. */
  | { dropout: number }
  | { groupnorm: number }
  | { leakyRelu: number }
  | keyof typeof PLAIN;

/** A net as plain JSON. */
export interface ConvNetSpec extends Omit<NetworkOptions, 'inputDim' | 'random'> {
  /** (C, H, W), default a CIFAR-10 image (3, 32, 32). */
  inputDim?: number[];
  layers: LayerSpec[];
  /** Classes, default 10: an affine layer with a score for each of them comes last. null: the layers end in the scores. */
  numClasses?: number | null;
  /** Behind every convolution and affine layer that does not say otherwise, default null: none. */
  norm?: NormSpec;
  /** Of every layer that does not say otherwise, default 'he': see layers.affine. */
  weightScale?: number | 'he';
}

/** Layers that need no numbers. */
const PLAIN = { relu, sigmoid, tanh, swish, batchnorm, layernorm, globalAvgPool } as const;

/** Defaults that the layers inherit. */
interface Defaults {
  norm: NormSpec;
  weightScale: number | 'he';
}

/** Deeper specifications are refused. */
const DEEPEST = 32;
/** So are longer ones, repetitions counted. */
const MOST_LAYERS = 10_000;

/** The layers of a specification; every message names the place in it. */
class Reader {
  #count = 0;

  constructor(readonly defaults: Defaults) {}

  list(where: string, value: unknown, depth = 0): Layer[] {
    if (!Array.isArray(value)) this.#refuse(where, 'a list of layers', value);
    if (depth > DEEPEST) this.#refuse(where, `at most ${DEEPEST} lists inside one another`, value);
    if (value.length > MOST_LAYERS) this.#refuse(where, `at most ${MOST_LAYERS} layers`, value);
    return [...value].flatMap((item, i) => this.#item(`${where}[${i}]`, item, depth));
  }

  #item(where: string, item: unknown, depth: number): Layer[] {
    if (++this.#count > MOST_LAYERS) this.#refuse(where, `among the first ${MOST_LAYERS} layers`, item);
    if (typeof item === 'string' && Object.hasOwn(PLAIN, item)) {
      return [placed(where, PLAIN[item as keyof typeof PLAIN]())];
    }
    const kind = isObject(item) ? KINDS.find((name) => Object.hasOwn(item, name)) : undefined;
    if (kind === undefined) {
      const typed = typeof item === 'string' ? item : isObject(item) ? Object.keys(item)[0] : undefined;
      const near = typed === undefined ? undefined : nearest(typed, [...KINDS, ...Object.keys(PLAIN)]);
      const hint = near && `did you mean '${near}'?`;
      this.#refuse(where, `${Object.keys(PLAIN).join(', ')}, or an object with ${KINDS.join(', ')}`, item, hint);
    }
    const place = `${where}.${kind}`;
    const built = within(place, () =>
      this.#build(place, kind as Kind, { ...(item as Record<string, unknown>) }, depth),
    );
    return built.map((layer) => placed(place, layer));
  }

  #build(where: string, kind: Kind, item: Record<string, unknown>, depth: number): Layer[] {
    checkOptions(where, item, [kind, ...OPTIONS[kind]]);
    const value = item[kind] as never;
    const own = this.#options(kind, item);
    switch (kind) {
      case 'conv':
        return this.#withNorm(where, item, {
          plain: () => conv(value, own),
          relu: () => convRelu(value, own),
          batchnormRelu: () => convBnRelu(value, own),
        });
      case 'affine':
        return this.#withNorm(where, item, {
          plain: () => affine(value, own),
          relu: () => affineRelu(value, own),
        });
      case 'residual': {
        const { shortcut } = item;
        const around = shortcut === undefined ? {} : { shortcut: this.list(`${where}.shortcut`, shortcut, depth + 1) };
        return [residual(this.list(where, value, depth + 1), { relu: this.#relu(where, item.relu), ...around })];
      }
      case 'repeat': {
        const times = checkNumber(where, kind, value, { low: 1, high: MOST_LAYERS, integer: true });
        if (Array.isArray(item.layers) && item.layers.length === 0) this.#refuse(`${where}.layers`, 'not empty', []);
        return Array.from({ length: times }, () => this.list(`${where}.layers`, item.layers, depth + 1)).flat();
      }
      case 'maxPool':
        return [maxPool(value, own)];
      case 'avgPool':
        return [avgPool(value, own)];
      case 'dropout':
        return [dropout(value)];
      case 'groupnorm':
        return [groupnorm(value)];
      case 'leakyRelu':
        return [leakyRelu({ slope: value })];
    }
  }

  /** What a layer's factory takes of an item. */
  #options(kind: Kind, item: Record<string, unknown>): object {
    const { [kind]: _, norm: _norm, relu: _relu, layers: _layers, shortcut: _shortcut, ...own } = item;
    if (!['conv', 'affine'].includes(kind)) return own;
    return own.weightScale === undefined ? { ...own, weightScale: this.defaults.weightScale } : own;
  }

  /** layer - norm - ReLU, as few passes as there are layers for. */
  #withNorm(
    where: string,
    item: Record<string, unknown>,
    ways: { plain(): Layer; relu(): Layer; batchnormRelu?(): Layer },
  ): Layer[] {
    const rectified = this.#relu(where, item.relu);
    const norm = item.norm === undefined ? this.defaults.norm : checkNorm(where, item.norm);
    if (norm === null) return [rectified ? ways.relu() : ways.plain()];
    if (norm === 'batchnorm' && rectified && ways.batchnormRelu) return [ways.batchnormRelu()];
    const normal = typeof norm === 'string' ? PLAIN[norm]() : groupnorm(norm.groupnorm);
    return [ways.plain(), normal, ...(rectified ? [relu()] : [])];
  }

  #relu(where: string, relu: unknown = true): boolean {
    return checkFlag(where, 'relu', relu);
  }

  #refuse(argument: string, rule: string, value: unknown, hint?: string): never {
    throw new OptionError({ where: 'ConvNet', argument, rule, value: describe(value), hint });
  }
}

/** What an object of a list may hold besides its own name. */
const OPTIONS = {
  conv: ['size', 'stride', 'pad', 'norm', 'relu', 'weightScale', 'exact'],
  affine: ['norm', 'relu', 'weightScale'],
  residual: ['shortcut', 'relu'],
  repeat: ['layers'],
  maxPool: ['stride'],
  avgPool: ['stride'],
  dropout: [],
  groupnorm: [],
  leakyRelu: [],
} as const;
type Kind = keyof typeof OPTIONS;
const KINDS = Object.keys(OPTIONS) as Kind[];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The layer; what does not fit before it is an error of its place. */
function placed(where: string, layer: Layer): Layer {
  return { ...layer, build: (builder, input) => within(where, () => layer.build(builder, input)) };
}

function checkNorm(where: string, norm: unknown): NormSpec {
  if (norm === null || norm === 'batchnorm' || norm === 'layernorm') return norm;
  if (isObject(norm) && Object.keys(norm).join() === 'groupnorm') return norm as { groupnorm: number };
  const rule = "'batchnorm', 'layernorm', { groupnorm: G } or null";
  throw new OptionError({ where, argument: 'norm', rule, value: describe(norm) });
}

/**
 * A convolutional net from a specification in plain JSON:
 *
 *     new lw.ConvNet({
 *       norm: 'batchnorm',
 *       layers: [
 *         { conv: 32 }, { conv: 32 }, { maxPool: 2 },
 *         { residual: [{ conv: 64, stride: 2 }, { conv: 64, relu: false }] },
 *         'globalAvgPool',
 *       ],
 *     });
 *
 * `{ conv }` and `{ affine }` bring their norm and ReLU along. Parameters are named as in every network: W1, b1, gamma1, …
 *
 * @param spec see ConvNetSpec
 * @param options random: stream for weights and dropout, default lanewise's default stream
 * @throws OptionError, ShapeError naming the layer by its place in the specification
 */
export class ConvNet extends Network {
  /** A copy of the specification. */
  readonly spec: ConvNetSpec;

  constructor(spec: ConvNetSpec, options: { random?: RandomSource | undefined } = {}) {
    const where = 'ConvNet';
    if (!isObject(spec)) {
      throw new OptionError({ where, argument: 'spec', rule: 'an object', value: describe(spec) });
    }
    const known = NETWORK_OPTIONS.filter((name) => name !== 'random');
    checkOptions(where, spec, [...known, 'layers', 'numClasses', 'norm', 'weightScale']);
    checkOptions(where, options, ['random']);
    const { inputDim = [3, 32, 32], numClasses = 10, norm = null, weightScale = 'he', layers: list, ...rest } = spec;
    const defaults = { norm: checkNorm(where, norm), weightScale: checkWeightScale(where, weightScale) };
    if (numClasses !== null) checkNumber(where, 'numClasses', numClasses, { low: 1, integer: true });
    const body = new Reader(defaults).list('layers', list);
    const head = numClasses === null ? [] : [affine(numClasses, { weightScale })];
    super([...body, ...head], { inputDim, ...rest, random: options.random });
    this.spec = JSON.parse(JSON.stringify(spec)) as ConvNetSpec;
  }
}
