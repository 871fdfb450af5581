/**
 * Every error the library throws on purpose. Each names the function, the argument, the rule that was broken and the
 * value that broke it, both as fields and as one line:
 *
 *     affineForward: w must be (D, M) with D = 3072, got (3070, 100); D is 3*32*32 from x (50, 3, 32, 32)
 */
export interface ErrorParts {
  /** The function that refused. */
  where: string;
  argument?: string | undefined;
  /** With an argument: what it must be. Without: the whole sentence. */
  rule: string;
  /** Text of the offending value, see `describe`. */
  value?: string | undefined;
  hint?: string | undefined;
}

export class LanewiseError extends Error {
  override name = 'LanewiseError';
  readonly where: string;
  readonly argument: string | undefined;
  readonly rule: string;
  readonly value: string | undefined;
  readonly hint: string | undefined;

  constructor(parts: ErrorParts) {
    const { where, argument, rule, value, hint } = parts;
    const subject = argument === undefined ? rule : `${argument} must be ${rule}`;
    super(`${where}: ${subject}${value === undefined ? '' : `, got ${value}`}${hint === undefined ? '' : `; ${hint}`}`);
    this.where = where;
    this.argument = argument;
    this.rule = rule;
    this.value = value;
    this.hint = hint;
  }
}

/** A shape, rank or size does not fit. */
export class ShapeError extends LanewiseError {
  override name = 'ShapeError';
}

/** An element type does not fit. */
export class DTypeError extends LanewiseError {
  override name = 'DTypeError';
}

/** A number outside its range: a label, a rate, a loss that is not finite. */
export class ValueError extends LanewiseError {
  override name = 'ValueError';
}

/** NaN or infinity in training. Nothing of that step is in the parameters. */
export class FaultError extends ValueError {
  override name = 'FaultError';
  /** From 1. */
  readonly step: number;
  /** What was not finite. */
  readonly what: 'examples' | 'loss' | 'gradient' | 'parameter' | 'state';
  /** 'layer 2, conv', where known. */
  readonly layer: string | undefined;
  /** 'W2', for a gradient, a parameter, or the update rule's state for it. */
  readonly parameter: string | undefined;

  constructor(parts: ErrorParts & Pick<FaultError, 'step' | 'what' | 'layer' | 'parameter'>) {
    super(parts);
    this.step = parts.step;
    this.what = parts.what;
    this.layer = parts.layer;
    this.parameter = parts.parameter;
  }
}

/** An option that does not exist, or an unknown choice for one. */
export class OptionError extends LanewiseError {
  override name = 'OptionError';
}

/** The runtime is missing, another one, or broken; or a tensor is used after its end. */
export class RuntimeError extends LanewiseError {
  override name = 'RuntimeError';
}

/** No room in linear memory. Nothing was changed. Sizes in bytes. */
export class MemoryError extends LanewiseError {
  override name = 'MemoryError';
  readonly requested: number;
  readonly live: number;
  readonly limit: number;

  constructor(parts: ErrorParts & { requested: number; live: number; limit: number }) {
    super(parts);
    this.requested = parts.requested;
    this.live = parts.live;
    this.limit = parts.limit;
  }
}

/** A file or stream that is truncated, foreign or hostile. offset: bytes from its start; 0 when it is about the whole. */
export class DataError extends LanewiseError {
  override name = 'DataError';
  readonly file: string;
  readonly offset: number;
  readonly expected: string;

  constructor(parts: {
    where: string;
    file: string;
    offset?: number;
    expected: string;
    found?: string;
    hint?: string;
  }) {
    const { where, file, offset, expected, found, hint } = parts;
    const rule = `${oneLine(file)}: expected ${oneLine(expected)}${offset === undefined ? '' : ` at byte ${offset}`}`;
    super({ where, rule, value: found === undefined ? undefined : oneLine(found), hint });
    this.file = file;
    this.offset = offset ?? 0;
    this.expected = expected;
  }
}

/** A file could not be read or written: no room, no right, a broken disk. code: of the system, such as 'ENOSPC'. */
export class StorageError extends LanewiseError {
  override name = 'StorageError';
  readonly file: string;
  readonly code: string;
  override readonly cause: unknown;

  constructor(parts: ErrorParts & { file: string; code: string; cause: unknown }) {
    super(parts);
    this.file = parts.file;
    this.code = parts.code;
    this.cause = parts.cause;
  }
}

/**
 * Runs `act`, part of the work of `where`: an error that names another function, or no place within this one, is thrown
 * again as one of `where`.
 */
export function within<T>(where: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof LanewiseError)) throw error;
    if (error.where.startsWith(where) || error.argument?.startsWith(where)) throw error;
    const Kind = error.constructor as new (parts: ErrorParts) => LanewiseError;
    // A DataError is made with what it found.
    throw new Kind({ ...error, found: error.value, where } as ErrorParts);
  }
}

/** Characters of a text out of a file that are shown. */
const MOST_TEXT = 300;

/** Text out of a file, fit for a message: short, and nothing in it that ends a line or steers a terminal. */
export function oneLine(text: string): string {
  const start = text.slice(0, MOST_TEXT + 1);
  const plain = start.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return plain.length > MOST_TEXT ? `${plain.slice(0, MOST_TEXT - 1)}…` : plain;
}

/** Lists within lists that are still shown. */
const DEEPEST = 3;

/** Short text of any value for an error message, in one line. depth: of lists around it. */
export function describe(value: unknown, depth = 0): string {
  if (typeof value === 'string') {
    return value.length > 60 ? `'${oneLine(value.slice(0, 57))}...'` : `'${oneLine(value)}'`;
  }
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (Array.isArray(value)) {
    if (depth === DEEPEST) return `${value.length} items`;
    const items = value.slice(0, 6).map((item) => describe(item, depth + 1));
    return `[${items.join(', ')}${value.length > 6 ? `, … ${value.length} items` : ''}]`;
  }
  if (value !== null && typeof value === 'object') {
    if ('shape' in value && 'dtype' in value && Array.isArray(value.shape)) {
      return `${String(value.dtype)} tensor (${value.shape.join(', ')})`;
    }
    const name = value.constructor?.name ?? 'object';
    return ArrayBuffer.isView(value) && 'length' in value ? `${name}(${String(value.length)})` : name;
  }
  return String(value);
}

/** Sizes of a shape that are shown. */
const MOST_SIZES = 16;

/** A tuple as NumPy prints it; of a very long one the beginning. */
export function formatShape(shape: readonly number[]): string {
  if (shape.length > MOST_SIZES) return `(${shape.slice(0, MOST_SIZES).join(', ')}, … ${shape.length} sizes)`;
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}

/** The allowed name that lies nearest to `name`, if any is near enough to be a slip. */
export function nearest(name: string, allowed: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.min(Math.max(2, Math.floor(name.length / 3)), Math.floor(name.length / 2)) + 1;
  for (const candidate of allowed) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Refuses options whose names are unknown, before anything else happens. */
export function checkOptions(where: string, options: object | undefined, allowed: readonly string[]): void {
  if (options === undefined) return;
  if (options === null || typeof options !== 'object') {
    throw new OptionError({ where, argument: 'options', rule: 'an object', value: describe(options) });
  }
  for (const name of Object.keys(options)) {
    if (allowed.includes(name)) continue;
    const near = nearest(name, allowed);
    const hint = near === undefined ? `there are ${allowed.join(', ')}` : `did you mean '${near}'?`;
    throw new OptionError({ where, rule: `unknown option ${describe(name)}`, hint });
  }
}

/** `value` if it is one of `allowed`, else an OptionError. */
export function checkChoice<T extends string>(
  where: string,
  argument: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  const near = typeof value === 'string' ? nearest(value, allowed) : undefined;
  throw new OptionError({
    where,
    argument,
    rule: `one of ${allowed.map((a) => `'${a}'`).join(', ')}`,
    value: describe(value),
    hint: near === undefined ? undefined : `did you mean '${near}'?`,
  });
}

/** `value` if it is a finite number inside [low, high] (either end may be open), else a ValueError. */
export function checkNumber(
  where: string,
  argument: string,
  value: unknown,
  { low = -Infinity, high = Infinity, openLow = false, openHigh = false, integer = false } = {},
): number {
  const fits =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (openLow ? value > low : value >= low) &&
    (openHigh ? value < high : value <= high) &&
    (!integer || Number.isInteger(value));
  if (fits) return value as number;
  const kind = integer ? 'an integer' : 'a finite number';
  const bounded = low > -Infinity || high < Infinity;
  const range = bounded
    ? ` in ${openLow || low === -Infinity ? '(' : '['}${low}, ${high}${openHigh || high === Infinity ? ')' : ']'}`
    : '';
  throw new ValueError({ where, argument, rule: `${kind}${range}`, value: describe(value) });
}
