/**
 * Update rules: (w, dw, config) -> [nextW, config]. w is updated in place and returned. config is completed with the
 * defaults and holds the rule's state, so the same object goes into the next call; state tensors are made at the first
 * call and belong to no scope.
 */
import { checkFloat } from './arithmetic.js';
import { checkChoice, checkNumber, checkOptions, describe, formatShape, OptionError, ShapeError } from './errors.js';
import * as kernels from './kernels.js';
import { AffineGradient } from './layers/affine.js';
import { persistent } from './memory.js';
import { sameShape } from './shape.js';
import { type Tensor, zeros } from './tensor.js';

export interface SgdConfig {
  /** Step size >= 0. Default 1e-2; 1e-3 for adam and adamw. */
  learningRate?: number;
}

export interface SgdMomentumConfig extends SgdConfig {
  /** Share of the velocity that a step keeps, default 0.9. */
  momentum?: number;
  /** Look ahead along the velocity (Nesterov, 1983), default false. */
  nesterov?: boolean;
  /** Moving sum of the steps, like w. */
  velocity?: Tensor;
}

export interface RmspropConfig extends SgdConfig {
  /** Share of the cache that a step keeps, default 0.99. */
  decayRate?: number;
  /** Added to the root, default 1e-8. */
  epsilon?: number;
  /** Moving average of dw², like w. */
  cache?: Tensor;
}

export interface AdagradConfig extends SgdConfig {
  /** Added to the root, default 1e-8. */
  epsilon?: number;
  /** Sum of dw², like w. */
  cache?: Tensor;
}

export interface AdamConfig extends SgdConfig {
  /** Decay of the first moment, default 0.9. */
  beta1?: number;
  /** Decay of the second moment, default 0.999. */
  beta2?: number;
  /** Added to the root, default 1e-8. */
  epsilon?: number;
  /** Moving averages of dw and dw², like w. */
  m?: Tensor;
  v?: Tensor;
  /** Steps taken, default 0. Counted up before it is used. */
  t?: number;
}

export interface AdamwConfig extends AdamConfig {
  /** Share of w, times the learning rate, that a step takes away, default 1e-2. */
  weightDecay?: number;
}

/** The form of all update rules; a Solver takes any function of it. C: what the rule's config may hold. */
export type UpdateRule<C extends object = Record<string, unknown>> = (w: Tensor, dw: Tensor, config?: C) => [Tensor, C];

/** Any update rule, whatever its config. */
export type AnyUpdateRule = (w: Tensor, dw: Tensor, config?: never) => [Tensor, object];

type Bounds = NonNullable<Parameters<typeof checkNumber>[3]>;

/** What a rule's config may hold. */
interface Settings {
  numbers: Readonly<Record<string, readonly [initial: number, bounds: Bounds]>>;
  flags?: readonly string[];
  /** Tensors like w. */
  state?: readonly string[];
}

const POSITIVE: Bounds = { low: 0 };
const SHARE: Bounds = { low: 0, high: 1 };
/** Bias correction divides by 1 - beta^t. */
const BETA: Bounds = { low: 0, high: 1, openHigh: true };
const ADAM: Settings['numbers'] = {
  learningRate: [1e-3, POSITIVE],
  beta1: [0.9, BETA],
  beta2: [0.999, BETA],
  epsilon: [1e-8, POSITIVE],
  t: [0, { low: 0, high: 2 ** 53 - 2, integer: true }],
};

const SETTINGS = {
  sgd: { numbers: { learningRate: [1e-2, POSITIVE] } },
  sgdMomentum: {
    numbers: { learningRate: [1e-2, POSITIVE], momentum: [0.9, SHARE] },
    flags: ['nesterov'],
    state: ['velocity'],
  },
  rmsprop: {
    numbers: { learningRate: [1e-2, POSITIVE], decayRate: [0.99, SHARE], epsilon: [1e-8, POSITIVE] },
    state: ['cache'],
  },
  adagrad: { numbers: { learningRate: [1e-2, POSITIVE], epsilon: [1e-8, POSITIVE] }, state: ['cache'] },
  adam: { numbers: ADAM, state: ['m', 'v'] },
  adamw: { numbers: { ...ADAM, weightDecay: [1e-2, POSITIVE] }, state: ['m', 'v'] },
} as const satisfies Record<string, Settings>;

/** Names of the rules, without the aliases. */
export type UpdateRuleName = keyof typeof SETTINGS;

const ALLOWED = Object.fromEntries(
  Object.entries(SETTINGS as Record<string, Settings>).map(([name, { numbers, flags = [], state = [] }]) => [
    name,
    [...Object.keys(numbers), ...flags, ...state],
  ]),
) as Record<UpdateRuleName, string[]>;

/** A config with its numbers and flags filled in. */
type Filled<C> = Required<Omit<C, 'velocity' | 'cache' | 'm' | 'v'>> & C;

/** Checks the names and values of a config; state tensors only against w. */
function check(rule: UpdateRuleName, where: string, config: object, w?: Tensor): void {
  checkOptions(where, config, ALLOWED[rule]);
  const { numbers, flags = [], state = [] } = SETTINGS[rule] as Settings;
  const given = config as Record<string, unknown>;
  for (const name in numbers) if (given[name] !== undefined) checkNumber(where, name, given[name], numbers[name][1]);
  for (const name of flags) {
    if (given[name] === undefined || typeof given[name] === 'boolean') continue;
    throw new OptionError({ where, argument: name, rule: 'true or false', value: describe(given[name]) });
  }
  for (const name of state) if (w && given[name] !== undefined) checkLikeW(where, name, given[name], w);
}

/** Fills in the defaults. */
function fill<C extends object>(rule: UpdateRuleName, config: C): Filled<C> {
  const { numbers, flags = [] } = SETTINGS[rule] as Settings;
  const given = config as Record<string, unknown>;
  for (const name in numbers) given[name] ??= numbers[name][0];
  for (const name of flags) given[name] ??= false;
  return config as Filled<C>;
}

/** Of w: a tensor like it, or in training what a Network has instead for large weights, the product that it is. */
export type Gradient = Tensor | AffineGradient;

/** Checks all arguments of a rule, then completes its config, state included. */
function prepare<C extends object>(rule: UpdateRuleName, w: Tensor, dw: Gradient, config: C): Filled<C> {
  checkFloat(rule, 'w', w);
  if (!(dw instanceof AffineGradient)) checkLikeW(rule, 'dw', dw, w);
  check(rule, rule, config, w);
  const given = config as Record<string, unknown>;
  const { state = [] } = SETTINGS[rule] as Settings;
  for (const name of state) given[name] ??= persistent(() => zeros(w.shape, { dtype: w.dtype }));
  return fill(rule, config);
}

function checkLikeW(where: string, argument: string, value: unknown, w: Tensor): void {
  const t = checkFloat(where, argument, value, w.dtype);
  if (sameShape(t.shape, w.shape)) return;
  const rule = `${formatShape(w.shape)} like w`;
  throw new ShapeError({ where, argument, rule, value: formatShape(t.shape) });
}

/** base^n for an integer n >= 0. Math.pow differs from engine to engine in its last bit. */
function power(base: number, n: number): number {
  let result = 1;
  for (let rest = n, square = base; rest > 0; rest = Math.floor(rest / 2), square *= square) {
    if (rest % 2 === 1) result *= square;
  }
  return result;
}

/**
 * Stochastic gradient descent: w -= learningRate · dw.
 *
 * @param w float32 or float64, any shape; changed
 * @param dw like w
 * @returns [w, config]
 * @throws ShapeError, DTypeError, ValueError, OptionError, with nothing changed; so do all rules
 */
export function sgd(w: Tensor, dw: Gradient, config: SgdConfig = {}): [Tensor, SgdConfig] {
  const { learningRate } = prepare('sgd', w, dw, config);
  kernels.sgd(w, dw, learningRate);
  return [w, config];
}

/** v = momentum · v - learningRate · dw; w += v, or with nesterov w += momentum · v - learningRate · dw. */
export function sgdMomentum(w: Tensor, dw: Gradient, config: SgdMomentumConfig = {}): [Tensor, SgdMomentumConfig] {
  const { learningRate, momentum, nesterov, velocity } = prepare('sgdMomentum', w, dw, config);
  kernels.momentum(w, dw, velocity as Tensor, learningRate, momentum, nesterov);
  return [w, config];
}

/**
 * RMSProp (Tieleman and Hinton, 2012): cache = decayRate · cache + (1 - decayRate) · dw²;
 * w -= learningRate · dw / (√cache + epsilon).
 */
export function rmsprop(w: Tensor, dw: Gradient, config: RmspropConfig = {}): [Tensor, RmspropConfig] {
  const { learningRate, decayRate, epsilon, cache } = prepare('rmsprop', w, dw, config);
  const numbers = { rate: learningRate, keep: decayRate, take: 1 - decayRate, eps: epsilon };
  kernels.rmsprop(w, dw, cache as Tensor, numbers);
  return [w, config];
}

/** AdaGrad (Duchi, Hazan and Singer, 2011): cache += dw²; w -= learningRate · dw / (√cache + epsilon). */
export function adagrad(w: Tensor, dw: Gradient, config: AdagradConfig = {}): [Tensor, AdagradConfig] {
  const { learningRate, epsilon, cache } = prepare('adagrad', w, dw, config);
  kernels.rmsprop(w, dw, cache as Tensor, { rate: learningRate, keep: 1, take: 1, eps: epsilon });
  return [w, config];
}

function adamStep(w: Tensor, dw: Gradient, config: Filled<AdamConfig>, shrink: number): void {
  const { learningRate: rate, beta1, beta2, epsilon: eps } = config;
  const t = config.t + 1;
  const correction1 = 1 - power(beta1, t);
  const correction2 = 1 - power(beta2, t);
  const { m, v } = config as { m: Tensor; v: Tensor };
  kernels.adam(w, dw, m, v, { rate, beta1, beta2, eps, correction1, correction2, shrink });
  config.t = t;
}

/**
 * Adam (Kingma and Ba, 2015): m and v are moving averages of dw and dw², both corrected for their start at zero;
 * w -= learningRate · m̂ / (√v̂ + epsilon).
 */
export function adam(w: Tensor, dw: Gradient, config: AdamConfig = {}): [Tensor, AdamConfig] {
  adamStep(w, dw, prepare('adam', w, dw, config), 1);
  return [w, config];
}

/** Adam with decoupled weight decay (Loshchilov and Hutter, 2019): w also shrinks by learningRate · weightDecay · w. */
export function adamw(w: Tensor, dw: Gradient, config: AdamwConfig = {}): [Tensor, AdamwConfig] {
  const filled = prepare('adamw', w, dw, config);
  adamStep(w, dw, filled, 1 - filled.learningRate * filled.weightDecay);
  return [w, config];
}

const RULES = { sgd, sgdMomentum, rmsprop, adagrad, adam, adamw } as Record<UpdateRuleName, FoundRule['update']>;

/** The notebooks write this one with an underscore. */
const ALIASES: Readonly<Record<string, UpdateRuleName>> = { sgd_momentum: 'sgdMomentum' };

/** What a Solver is told about its update rule, looked up and checked. */
export interface FoundRule {
  /** undefined for a function of the user's, which knows tensors only. */
  name: UpdateRuleName | undefined;
  update: (w: Tensor, dw: Gradient, config: Record<string, unknown>) => [Tensor, object];
  /** A fresh config for one parameter; for named rules with all defaults in it. */
  config: () => Record<string, unknown>;
}

/** A rule by name or function, and what `optimConfig` gives it. State tensors are refused: each parameter has its own. */
export function findUpdateRule(where: string, rule: unknown, optimConfig: object): FoundRule {
  for (const [name, value] of Object.entries(optimConfig)) {
    if (value === null || typeof value !== 'object') continue;
    throw new OptionError({
      where,
      argument: `optimConfig.${name}`,
      rule: 'a number, text or true or false',
      value: describe(value),
      hint: 'tensors of state are made for each parameter by itself',
    });
  }
  const known = Object.keys(RULES) as UpdateRuleName[];
  let name = known.find((candidate) => RULES[candidate] === rule);
  if (name === undefined && typeof rule === 'function') {
    return { name, update: rule as FoundRule['update'], config: () => ({ ...optimConfig }) };
  }
  if (name === undefined) {
    const chosen = checkChoice(where, 'updateRule', rule, [...known, ...Object.keys(ALIASES)]);
    name = ALIASES[chosen] ?? (chosen as UpdateRuleName);
  }
  check(name, `${where}: optimConfig`, optimConfig);
  const filled = fill(name, { ...optimConfig } as Record<string, unknown>);
  return { name, update: RULES[name], config: () => ({ ...filled }) };
}
