/** Runs a parser over many bad inputs and holds each run against what every parser promises. */
import { readFileSync } from 'node:fs';
import v8 from 'node:v8';
import * as lw from '../../src/index.js';
import { type Bytes, Dice, mutated } from './mutate.js';

/** A parser under test. */
export interface Target {
  readonly name: string;
  /** Good input, small. */
  corpus(): Promise<Bytes[]>;
  /** Pieces that mean something to it, as latin1 text. */
  readonly words: readonly string[];
  /** Another way to make an input, taken half of the time: changes behind checksums and lengths. */
  make?(dice: Dice, corpus: readonly Bytes[]): Bytes | Promise<Bytes>;
  /** What is found in it; tensors in it are disposed of. */
  parse(input: Bytes): unknown;
  /** Whether an error is one of those it may throw. Default: a DataError or, where memory ran out, a MemoryError. */
  allowed?(error: unknown): boolean;
}

export interface Failure {
  readonly index: number;
  readonly input: Bytes;
  readonly why: string;
}

export interface Report {
  cases: number;
  seconds: number;
  /** Inputs that were good all the same. */
  accepted: number;
  slowest: number;
  /** Most bytes that one case took for itself, garbage included. */
  memory: number;
  failures: Failure[];
}

/** Engine memory: little, so that what asks for more is refused at once. */
const MAX_MEMORY = 2 ** 26;

export async function startEngine(): Promise<void> {
  const wasm = Uint8Array.from(readFileSync(new URL('../../dist/lanewise.simd.wasm', import.meta.url)));
  await lw.init({ build: 'simd', threads: 1, wasm, maxMemory: MAX_MEMORY });
}

/** A case may take so long; what is slower is tried again, because other programs and the collector of garbage run too. */
const MOST_MS = 1000;
/** A case may take so many bytes, and what DEFLATE can make of its input twice over. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_RATIO = 2 * 1032;
const LONGEST_MESSAGE = 1000;

const isRefusal = (error: unknown) => error instanceof lw.DataError || error instanceof lw.MemoryError;

function disposeAll(value: unknown, seen = new Set<object>()): void {
  if (value === null || typeof value !== 'object' || seen.has(value) || ArrayBuffer.isView(value)) return;
  seen.add(value);
  if (value instanceof lw.Tensor) value.dispose();
  else for (const part of Object.values(value)) disposeAll(part, seen);
}

function bytesTaken(): number {
  const { used_heap_size: used, external_memory: outside } = v8.getHeapStatistics();
  return used + outside;
}

/** The input of a case: the same for the same seed and index. */
export async function inputOf(
  target: Target,
  corpus: readonly Bytes[],
  words: readonly Bytes[],
  seed: number,
  index: number,
): Promise<Bytes> {
  const dice = new Dice(seed, index);
  if (target.make && dice.once(2)) return target.make(dice, corpus);
  return mutated(dice.pick(corpus), dice, words, corpus);
}

export const wordsOf = ({ words }: Target): Bytes[] =>
  words.map((word) => Uint8Array.from(word, (c) => c.charCodeAt(0)));

interface Outcome {
  accepted: boolean;
  ms: number;
  memory: number;
  why: string | undefined;
}

/** One case. why: what is wrong with how it ended. Without traces of the stack, which take longer than most cases. */
export async function check(target: Target, input: Bytes): Promise<Outcome> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await run(target, input);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function run(target: Target, input: Bytes): Promise<Outcome> {
  const { allowed = isRefusal } = target;
  const live = lw.info().memory.live;
  const before = bytesTaken();
  const start = performance.now();
  let why: string | undefined;
  let accepted = false;
  try {
    const pending = target.parse(input);
    const value = pending instanceof Promise ? await pending : pending;
    accepted = true;
    disposeAll(value);
  } catch (error) {
    const { message = String(error) } = error as Error;
    if (!allowed(error)) why = `threw ${String(error)}`;
    else if (message.length > LONGEST_MESSAGE)
      why = `a message of ${message.length} characters: ${message.slice(0, 200)}`;
    else if (/[\p{Cc}\u2028\u2029]/u.test(message))
      why = `a message with control characters: ${JSON.stringify(message)}`;
    else if (error instanceof lw.DataError && !(Number.isSafeInteger(error.offset) && error.offset >= 0))
      why = `offset ${error.offset}`;
  }
  const ms = performance.now() - start;
  const memory = Math.max(0, bytesTaken() - before);
  const left = lw.info().memory.live - live;
  if (left !== 0) why ??= `${left} bytes of linear memory are left`;
  if (Object.keys(Object.prototype).length > 0)
    why ??= `the prototype of all objects has ${Object.keys(Object.prototype)}`;
  return { accepted, ms, memory, why };
}

export interface FuzzOptions {
  seed: number;
  cases: number;
  /** First case. */
  from?: number;
  minutes?: number;
  /** Called before each case. */
  onCase?(index: number): void;
  onFailure?(failure: Failure): void;
}

export async function fuzz(target: Target, options: FuzzOptions): Promise<Report> {
  const { seed, cases, from = 0, minutes = Number.POSITIVE_INFINITY, onCase, onFailure } = options;
  const corpus = await target.corpus();
  const words = wordsOf(target);
  const report: Report = { cases: 0, seconds: 0, accepted: 0, slowest: 0, memory: 0, failures: [] };
  const start = performance.now();
  // What is made once, on first use, is nobody's.
  for (const input of corpus) await check(target, input);
  for (let index = from; index < from + cases; index++) {
    if (performance.now() - start > minutes * 60_000) break;
    onCase?.(index);
    const input = await inputOf(target, corpus, words, seed, index);
    const most = MOST_BYTES + MOST_RATIO * input.length;
    let outcome = await check(target, input);
    // Slow or large once may be bad luck.
    for (let again = 0; again < 3 && !outcome.why && (outcome.ms > MOST_MS || outcome.memory > most); again++) {
      outcome = await check(target, input);
    }
    let { why } = outcome;
    if (outcome.ms > MOST_MS) why ??= `took ${outcome.ms.toFixed(0)} ms`;
    if (outcome.memory > most) why ??= `took ${(outcome.memory / 2 ** 20).toFixed(0)} MiB`;
    report.cases++;
    report.accepted += Number(outcome.accepted);
    report.slowest = Math.max(report.slowest, outcome.ms);
    report.memory = Math.max(report.memory, outcome.memory);
    if (why === undefined) continue;
    const failure = { index, input, why };
    report.failures.push(failure);
    onFailure?.(failure);
  }
  report.seconds = (performance.now() - start) / 1000;
  return report;
}
