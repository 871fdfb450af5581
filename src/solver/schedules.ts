/** Learning rates over a run, as data: what the learning rate is multiplied by at each step. */
import { checkChoice, checkNumber, checkOptions, describe, ValueError } from '../errors.js';

/** Where a training run stands, for a schedule. */
export interface TrainingProgress {
  /** Steps done in this run, of numIterations. */
  iteration: number;
  numIterations: number;
  /** Epochs done. */
  epoch: number;
  /** iteration / numIterations */
  fraction: number;
}

export type Schedule = (progress: TrainingProgress) => number;
export type ScheduleName = 'constant' | 'linear' | 'cosine' | 'step' | 'oneCycle';

/**
 * A schedule with its numbers. f is the fraction of the run that is done, g that of the part after the warm-up.
 *
 * - constant: 1
 * - linear: from 1 down to floor, 1 - (1 - floor) g
 * - cosine: the same along half a cosine, floor + (1 - floor) (1 + cos πg) / 2 (Loshchilov and Hutter, 2017)
 * - step: factor to the power of the number of `at` that are at most f
 * - oneCycle: along half a cosine from start up to 1, then as cosine (Smith, 2018). Momentum stays what it is.
 *
 * During a warm-up all but oneCycle rise linearly: the first of n steps of warm-up is at 1/n, the last at 1. (For step,
 * that multiplies.) The floor is where the run would be after its last step.
 */
export interface ScheduleOptions {
  name: ScheduleName;
  /** Fraction of the run that rises, in [0, 1]. Default 0; 0.3 for oneCycle. */
  warmup?: number;
  /** Of linear, cosine (default 0) and oneCycle (default 1e-4), in [0, 1]. */
  floor?: number;
  /** Of step: ascending fractions of the run, default [0.5, 0.75]. */
  at?: readonly number[];
  /** Of step, default 0.1. */
  factor?: number;
  /** Of oneCycle, in [0, 1], default 1/25. */
  start?: number;
}

/** Checked and completed. What its name does not take is undefined. */
export type FilledSchedule = Required<ScheduleOptions>;

/** What each schedule takes besides its name, with the defaults. */
const DEFAULTS = {
  constant: { warmup: 0 },
  linear: { warmup: 0, floor: 0 },
  cosine: { warmup: 0, floor: 0 },
  step: { warmup: 0, at: [0.5, 0.75], factor: 0.1 },
  oneCycle: { warmup: 0.3, start: 1 / 25, floor: 1e-4 },
} as const satisfies Record<ScheduleName, Partial<ScheduleOptions>>;

export const SCHEDULE_NAMES = Object.keys(DEFAULTS) as ScheduleName[];

/** A schedule given by name or with its numbers: checked, with a copy of its numbers and the defaults. */
export function checkSchedule(where: string, given: unknown): FilledSchedule {
  const options = (given !== null && typeof given === 'object' ? given : { name: given }) as ScheduleOptions;
  const argument = options === given ? 'schedule.name' : 'schedule';
  const name = checkChoice(where, argument, options.name, SCHEDULE_NAMES);
  const inside = `${where}: schedule '${name}'`;
  const defaults = DEFAULTS[name];
  checkOptions(inside, options, ['name', ...Object.keys(defaults)]);
  const set = Object.entries(options).filter(([, value]) => value !== undefined);
  const filled = { ...defaults, ...Object.fromEntries(set) } as FilledSchedule;
  for (const key of ['warmup', 'floor', 'start'] as const) {
    if (filled[key] !== undefined) checkNumber(inside, key, filled[key], { low: 0, high: 1 });
  }
  if (filled.factor !== undefined) checkNumber(inside, 'factor', filled.factor, { low: 0 });
  return filled.at === undefined ? filled : { ...filled, at: checkPlaces(inside, filled.at) };
}

function checkPlaces(where: string, at: unknown): number[] {
  const rule = 'ascending fractions in [0, 1]';
  if (!Array.isArray(at)) throw new ValueError({ where, argument: 'at', rule, value: describe(at) });
  const fits = at.every((place, i) => typeof place === 'number' && place >= (i === 0 ? 0 : at[i - 1]) && place <= 1);
  if (!fits) throw new ValueError({ where, argument: 'at', rule, value: describe(at) });
  return [...at];
}

/** The factor at a place of the run. */
export function factorOf(schedule: FilledSchedule, { iteration, numIterations, fraction }: TrainingProgress): number {
  const { name, warmup, floor, at, factor, start } = schedule;
  const rising = fraction < warmup;
  const rest = rising ? 0 : (fraction - warmup) / (1 - warmup);
  if (name === 'oneCycle') {
    return rising ? start + (1 - start) * halfCosine(1 - fraction / warmup) : floor + (1 - floor) * halfCosine(rest);
  }
  let value = rising ? Math.min(1, (iteration + 1) / (warmup * numIterations)) : 1;
  if (name === 'linear') value *= 1 - (1 - floor) * rest;
  if (name === 'cosine') value *= floor + (1 - floor) * halfCosine(rest);
  if (name === 'step') for (const place of at) if (fraction >= place) value *= factor;
  return value;
}

/** From 1 at 0 down to 0 at 1. */
function halfCosine(x: number): number {
  // Rounding must not make a learning rate negative.
  return Math.max(0, 0.5 + 0.5 * cosine(Math.PI * x));
}

/** Cosine of x in [0, π] to 1e-15. Math.cos differs from engine to engine; this is the series about π/2. */
function cosine(x: number): number {
  const d = x - Math.PI / 2;
  let term = -d;
  let sum = term;
  for (let n = 2; n < 26; n += 2) {
    term *= (-d * d) / (n * (n + 1));
    sum += term;
  }
  return sum;
}
