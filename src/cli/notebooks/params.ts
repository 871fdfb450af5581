/** What a notebook lets one turn: declared with its cells, set on the command line and in the page by the same rules. */
import { describe, nearest, OptionError, ValueError } from '../../index.js';

/** Of a run; `quick` has few images and steps, `long` also what takes more than some minutes. */
export type Size = 'quick' | 'full' | 'long';

/** The same for every size, or one for each. */
type Sized<T> = T | Readonly<Record<Size, T>>;

export interface Param {
  /** The notebook's own: a number, or a list of them. */
  value: Sized<number> | Sized<readonly number[]>;
  /** What it is, in some words. */
  text: string;
  low: number;
  /** `low` itself is out. */
  above?: boolean;
  high: Sized<number>;
  integer?: boolean;
  odd?: boolean;
}

export type Params = Readonly<Record<string, Param>>;

type Value<V> = V extends Sized<number> ? number : readonly number[];

export type Values<P extends Params> = { readonly [K in keyof P]: Value<P[K]['value']> };

/** A parameter that is not the notebook's own, with what that would be. */
export interface Change {
  name: string;
  value: string;
  own: string;
}

export interface Settled<P extends Params = Params> {
  values: Values<P>;
  changed: readonly Change[];
}

/** A value for each size. */
export function sized<T>(full: T, quick: T, long = full): Readonly<Record<Size, T>> {
  return { quick, full, long };
}

/** A learning rate or a scale. */
export function positive<V extends Param['value']>(value: V, text: string, high = 100) {
  return { value, text, low: 0, above: true, high };
}

/** A factor of a penalty. */
export function strength<V extends Param['value']>(value: V, text: string) {
  return { value, text, low: 0, high: 1e9 };
}

export function count<V extends Param['value'], H extends Param['high']>(value: V, text: string, high: H) {
  return { value, text, low: 1, high, integer: true };
}

export function epochs<V extends Param['value']>(value: V, text: string) {
  return count(value, text, 1000);
}

export function width<V extends Param['value']>(value: V, text: string) {
  return count(value, text, 4096);
}

export function batch<V extends Param['value']>(value: V, text: string) {
  return count(value, text, 10000);
}

/** Numbers of a list there are at most. */
const MOST = 12;

export function sizeOf({ quick, long }: { quick: boolean; long: boolean }): Size {
  return quick ? 'quick' : long ? 'long' : 'full';
}

function at<T extends number | readonly number[]>(value: Sized<T>, size: Size): T {
  return typeof value === 'number' || Array.isArray(value) ? (value as T) : (value as Readonly<Record<Size, T>>)[size];
}

function own({ value }: Param, size: Size): number | readonly number[] {
  return at<number | readonly number[]>(value, size);
}

/** As it is typed, to the last digit. */
function typed(value: number | readonly number[]): string {
  if (typeof value !== 'number') return value.map(typed).join(',');
  return value > 0 && value < 1e-3 ? value.toExponential() : String(value);
}

/** Whether its values are lists. */
export function isList(param: Param): boolean {
  return typeof own(param, 'full') !== 'number';
}

/** The notebook's own value in a run of this size, as it is typed. */
export function ownText(param: Param, size: Size): string {
  return typed(own(param, size));
}

/** What a value must be. */
export function ruleText(param: Param, size: Size): string {
  const { low, above, high, integer, odd } = param;
  const range = `${above ? '>' : '>='} ${low} and <= ${at(high, size)}`;
  const kind = `${odd ? 'odd ' : ''}${integer ? 'integer' : 'number'}`;
  if (isList(param)) return `at most ${MOST} different ${kind}s ${range} with commas between them`;
  return `${odd || integer ? 'an' : 'a'} ${kind} ${range}`;
}

function fits(text: string, { low, above, high, integer, odd }: Param, size: Size): boolean {
  const value = Number(text);
  if (text.trim() === '' || !(above ? value > low : value >= low) || !(value <= at(high, size))) return false;
  return (!integer || Number.isInteger(value)) && (!odd || value % 2 === 1);
}

function read(param: Param, text: string, size: Size): number | readonly number[] | undefined {
  const list = isList(param);
  const parts = list ? text.split(',') : [text];
  const numbers = parts.map(Number);
  if (parts.length > MOST || new Set(numbers).size < parts.length) return undefined;
  if (!parts.every((part) => fits(part, param, size))) return undefined;
  return list ? numbers : numbers[0];
}

/**
 * The values of a run, of which `given` has some as they were typed.
 *
 * @throws OptionError: there is no such parameter; ValueError: a value that it cannot have
 */
export function settle<P extends Params>(
  { name: where, params }: { name: string; params: P },
  size: Size,
  given: Readonly<Record<string, string>>,
): Settled<P> {
  const names = Object.keys(params);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    const all = names.length === 0 ? 'it has none' : `there are ${names.join(', ')}`;
    const hint = near === undefined ? all : `did you mean '${near}'?`;
    throw new OptionError({ where, rule: `unknown parameter ${describe(name)}`, hint });
  }
  const changed: Change[] = [];
  const values = names.map((name) => {
    const param = params[name];
    const usual = ownText(param, size);
    const text = Object.hasOwn(given, name) ? given[name] : usual;
    const value = read(param, text, size);
    if (value === undefined) {
      throw new ValueError({ where, argument: name, rule: ruleText(param, size), value: describe(text) });
    }
    if (typed(value) !== usual) changed.push({ name, value: typed(value), own: usual });
    return [name, value] as const;
  });
  return { values: Object.fromEntries(values) as Values<P>, changed };
}

/** learningRate=0.001 (default: 5e-4), … */
export function changesText(changed: readonly Change[]): string {
  return changed.map(({ name, value, own }) => `${name}=${value} (default: ${own})`).join(', ');
}
