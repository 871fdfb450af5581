/** What a sweep is to do: settings as `lanewise train` has them, and the search through some of them. */
import { createHash } from 'node:crypto';
import {
  coarseToFine,
  describe,
  grid,
  type HalvingOptions,
  halvingRungs,
  LanewiseError,
  nearest,
  oneLine,
  RandomState,
  randomSearch,
  type Space,
  type TrialSettings,
} from '../index.js';
import { SYNTHETIC } from './dataset.js';
import { type Flags, flagName, RuleError, UsageError } from './flags.js';
import { flags, restored, type Settings, settle, type TrainValues } from './settings.js';
import { readJson } from './spec.js';

const KINDS = ['grid', 'random', 'coarse-to-fine'] as const;

export interface SweepSearch {
  kind: (typeof KINDS)[number];
  space: Space;
  /** Settings drawn; in the first stage of two. */
  trials?: number;
  /** In the second stage, default: as many. */
  fineTrials?: number;
  /** By which the ranges of the second stage are narrower, default 5. */
  factor?: number;
  /** Of the draws, default 0. */
  seed?: number;
  halving?: HalvingOptions;
}

/** The file, checked; plain JSON. */
export interface SweepSpec {
  /** Fixed settings by their names, as in the file; without data, which may lie elsewhere another time. */
  settings: Readonly<Record<string, unknown>>;
  data: string | undefined;
  search: SweepSearch;
}

/** What is no setting of a trial. */
const NO_SETTINGS = ['resume', 'flipEvaluation', 'threads', 'build', 'out', 'save', 'pictures', 'json', 'quiet'];
/** What all trials share. */
const FIXED = ['data', 'numTrain', 'dtype'];
const SEARCH = ['kind', 'space', 'trials', 'fineTrials', 'factor', 'seed', 'halving'];

const settingNames = Object.keys(flags).filter((name) => !NO_SETTINGS.includes(name));

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseUnknown(name: string, known: readonly string[], what: string): void {
  if (known.includes(name)) return;
  const near = nearest(name, known);
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean '${near}'?`;
  throw new UsageError(`--spec: unknown ${what} ${describe(name)}; ${hint}`);
}

export function readSweepSpec(file: string): SweepSpec {
  let value: unknown;
  try {
    value = readJson(file);
  } catch (error) {
    throw error instanceof RuleError ? new UsageError(`--spec must be ${error.message}, got '${file}'`) : error;
  }
  return checkSweepSpec(value);
}

/** UsageError for anything that a sweep could trip over later. */
export function checkSweepSpec(value: unknown): SweepSpec {
  if (!isRecord(value) || !isRecord(value.search)) {
    throw new UsageError('--spec must be a JSON object with "search": { "kind": …, "space": { … } }');
  }
  const { search, data, ...settings } = value;
  for (const name of Object.keys(settings)) refuseUnknown(name, settingNames, 'setting');
  for (const name of Object.keys(search)) refuseUnknown(name, SEARCH, 'part of search');
  if (data !== undefined && (typeof data !== 'string' || data === '')) {
    throw new UsageError("--spec: data must be 'synthetic' or a folder, file or URL");
  }
  const spec = { settings, data, search: search as unknown as SweepSearch };
  const { kind, space, halving } = spec.search;
  if (!KINDS.includes(kind)) throw new UsageError(`--spec: search.kind must be one of ${KINDS.join(', ')}`);
  if (!isRecord(space)) throw new UsageError('--spec: search.space must be an object with a name or more');
  for (const name of Object.keys(space)) {
    refuseUnknown(name, settingNames, 'setting');
    const fault = FIXED.includes(name)
      ? 'is the same for all trials'
      : name === 'epochs' && halving !== undefined
        ? 'is what halving decides'
        : Object.hasOwn(settings, name)
          ? 'is fixed already'
          : undefined;
    if (fault !== undefined) throw new UsageError(`--spec: search.space cannot have ${name}, which ${fault}`);
  }
  checkNumbers(spec.search);
  if (halving !== undefined) {
    const { epochs } = settings;
    refuseLater('halving', () => halvingRungs(halving));
    if (epochs !== undefined && epochs !== halving.maxEpochs) {
      throw new UsageError(`--spec: epochs is ${String(epochs)}, but search.halving.maxEpochs ${halving.maxEpochs}`);
    }
  }
  // One trial is like the others.
  const [first] = firstStage(kind === 'grid' ? spec : { ...spec, search: { ...spec.search, trials: 1 } });
  if (first !== undefined) for (const ends of corners(space as Space, first)) settingsOf(spec, ends);
  return spec;
}

function checkNumbers({ kind, ...search }: SweepSearch): void {
  const rules = { trials: [1, 1e6], fineTrials: [1, 1e6], seed: [0, 2 ** 32 - 1] } as const;
  for (const [name, [low, high]] of Object.entries(rules)) {
    const value = search[name as keyof typeof rules];
    if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) continue;
    throw new UsageError(`--spec: search.${name} must be an integer >= ${low} and <= ${high}, got ${describe(value)}`);
  }
  const { factor } = search;
  if (factor !== undefined && !(typeof factor === 'number' && factor > 1 && factor < Infinity)) {
    throw new UsageError(`--spec: search.factor must be a number > 1, got ${describe(factor)}`);
  }
  if (kind !== 'grid' && search.trials === undefined) throw new UsageError('--spec: search.trials is missing');
  const foreign =
    kind === 'grid' ? ['trials', 'fineTrials', 'factor', 'seed'] : kind === 'random' ? ['fineTrials', 'factor'] : [];
  const given = foreign.find((name) => search[name as keyof typeof search] !== undefined);
  if (given !== undefined) throw new UsageError(`--spec: search.${given} does not apply to kind ${kind}`);
}

/** Errors of the library about the search, as those of the file. */
function refuseLater<T>(part: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof LanewiseError ? new UsageError(`--spec: search.${part}: ${error.message}`) : error;
  }
}

/** Settings with each value of a list and each end of a range in turn, and otherwise those of `base`. */
function corners(space: Space, base: TrialSettings): TrialSettings[] {
  return Object.entries(space).flatMap(([name, given]) => {
    const values = Array.isArray(given) ? given : (Object.values(given)[0] as unknown[]);
    return values.map((value) => ({ ...base, [name]: value }));
  });
}

/** The stream of the draws; the second stage goes on where the first ended. */
export function streamOf({ search }: SweepSpec): RandomState {
  return new RandomState(search.seed ?? 0);
}

/** What the trials of the first stage differ in. */
export function firstStage(spec: SweepSpec, random = streamOf(spec)): TrialSettings[] {
  const { kind, space, trials = 0 } = spec.search;
  if (kind === 'grid') return refuseLater('space', () => grid(space as Record<string, unknown[]>));
  return refuseLater('space', () => randomSearch(space, trials, random));
}

/** The same of the second stage, around the best of the first. */
export function secondStage({ search }: SweepSpec, best: TrialSettings, random: RandomState): TrialSettings[] {
  const { space, trials = 0, fineTrials = trials, factor = 5 } = search;
  return randomSearch(coarseToFine(space, best, { factor }), fineTrials, random);
}

export function trialCount(spec: SweepSpec): number {
  const { kind, trials = 0, fineTrials = trials } = spec.search;
  if (kind === 'grid') return firstStage(spec).length;
  return kind === 'random' ? trials : trials + fineTrials;
}

/** As if they had been typed behind `lanewise train`. */
export function trialValues(spec: SweepSpec, drawn: TrialSettings): Partial<TrainValues> {
  const { halving } = spec.search;
  const given = { ...spec.settings, ...drawn, ...(halving && { epochs: halving.maxEpochs }) };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, readSetting(name, value)]));
}

function readSetting(name: string, value: unknown): unknown {
  const flag = (flags as Flags)[name] as Flags[string];
  const plain = ['string', 'number'].includes(typeof value);
  try {
    if (!('value' in flag)) throw new RuleError('a setting of a trial');
    // Text is what could be typed; all else must be what a flag can give.
    if (typeof value === 'string') return flag.read(value);
    if (value === null || (!plain && !flag.restore && !Array.isArray(value))) throw new RuleError('text or a number');
    if (name === 'spec' && !isRecord(value)) throw new RuleError('an object, or the name of a file');
    return restored(flag, value);
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    throw new UsageError(`--spec: ${name} must be ${error.message}, got ${oneLine(JSON.stringify(value))}`);
  }
}

/** All settings of a trial; UsageError where they contradict each other. */
export function settingsOf(spec: SweepSpec, drawn: TrialSettings, data = spec.data): Settings {
  const values = { ...trialValues(spec, drawn), ...(data === undefined ? {} : { data }) };
  try {
    return settle(values as TrainValues);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`--spec, with ${describeSettings(drawn)}: ${error.message}`);
  }
}

/** 'learningRate 0.001, reg 0.1' */
export function describeSettings(drawn: TrialSettings): string {
  return Object.entries(drawn)
    .map(([name, value]) => `${name} ${settingText(value)}`)
    .join(', ');
}

export function settingText(value: unknown): string {
  if (typeof value === 'number' && value !== 0 && Math.abs(value) < 1e-3) return value.toExponential();
  if (typeof value === 'number' || typeof value === 'string') return String(value);
  if (Array.isArray(value)) return value.join('-');
  const text = JSON.stringify(value);
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

/** The flags of `lanewise train` that give these settings; null if a net of the file stands in their way. */
export function commandOf(spec: SweepSpec, drawn: TrialSettings, data: string): string[] | null {
  const values = { ...trialValues(spec, drawn), ...(data === SYNTHETIC ? {} : { data }) };
  const given = { ...spec.settings, ...drawn } as Record<string, unknown>;
  if (isRecord(given.spec)) return null;
  return Object.entries(values).flatMap(([name, value]) => {
    const flag = (flags as Flags)[name] as Flags[string];
    const restore = 'value' in flag ? flag.restore : undefined;
    const text = typeof given[name] === 'string' ? given[name] : restore ? restore(value) : String(value);
    return [flagName(name), typeof text === 'string' ? text : String(value)];
  });
}

/** Decides what belongs together in one folder: all but where the data lie. */
export function hashOf({ settings, search }: SweepSpec): string {
  const sorted = Object.fromEntries(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256')
    .update(JSON.stringify({ settings: sorted, search }))
    .digest('hex');
}
