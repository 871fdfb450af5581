/** What the two threads say to each other: requests with numbers, and answers to them. */

import type { Info } from '../engine.js';
import type { InitOptions } from '../runtime/index.js';
import type { Summary } from '../summary.js';
import type { PackedError } from './errors.js';
import type {
  Activation,
  EvaluateOptions,
  Evaluation,
  EventOptions,
  Examples,
  LiveOptions,
  PlainArray,
  Prediction,
  TrainerEvent,
  TrainerHistory,
  TrainerSpec,
  TrainerState,
  TrainResult,
} from './types.js';

export type SetName = 'train' | 'val' | 'test';

/** Places of the files that the worker needs, as URLs. */
export interface FilePlaces {
  /** By build, with '.threads' behind it for shared memory; none: the worker has them in itself. */
  binaries?: Record<string, string>;
  thread?: string;
}

/** Everything of the data but the numbers of the examples, which are handed over when all else has been found right. */
export interface DataPlan {
  sets: Partial<Record<SetName, { shape: readonly number[]; bytes: boolean; labels: Int32Array }>>;
  classes: readonly string[] | undefined;
}

export interface Created {
  spec: TrainerSpec;
  inputShape: readonly number[];
  numClasses: number;
  paramNames: readonly string[];
  classes: readonly string[] | undefined;
}

/** An event as it travels. */
export type PackedEvent = TrainerEvent | { type: 'status'; status: 'failed'; packed: PackedError };

/** What can be asked for, as functions of one object each. */
export interface Requests {
  create(args: {
    spec: TrainerSpec | null;
    data: DataPlan | null;
    init: InitOptions;
    files: FilePlaces;
    state: Uint8Array | undefined;
    model: Uint8Array | undefined;
  }): Created;
  fill(args: Partial<Record<SetName, Examples['data']>>): void;
  info(): Info;
  summary(): Summary & { text: string };
  state(): TrainerState;
  history(args: { from: number }): TrainerHistory;
  /** feed: a reader whose interest ends with the run. */
  train(args: { feed?: { id: number; options: EventOptions } }): TrainResult;
  pause(): void;
  resume(): void;
  step(args: { count: number }): TrainerState;
  stop(): void;
  change(args: { options: LiveOptions }): Required<LiveOptions>;
  params(args: { names: readonly string[] | undefined; best: boolean }): Record<string, PlainArray>;
  setParams(args: { values: Record<string, Float64Array> }): void;
  gradients(args: { X: Examples; y: Int32Array }): { loss: number; gradients: Record<string, PlainArray> };
  activations(args: { X: Examples; layers: readonly number[] | undefined }): Activation[];
  predict(args: { X: Examples }): Prediction;
  evaluate(args: { set: SetName | { X: Examples; y: Int32Array }; options: EvaluateOptions }): Evaluation;
  save(): Uint8Array<ArrayBuffer>;
  load(args: { state: Uint8Array }): Created;
  saveModel(args: { best: boolean }): Uint8Array<ArrayBuffer>;
  loadModel(args: { model: Uint8Array }): void;
  /** A reader of events until it is closed. */
  open(args: { feed: number; options: EventOptions }): void;
  /** The events that wait for this reader, at least one unless it is at its end. */
  next(args: { feed: number }): { events: PackedEvent[]; done: boolean };
  close(args: { feed: number }): void;
}

export type Method = keyof Requests;
export type Arguments<M extends Method> = Parameters<Requests[M]>[0];
export type Answer<M extends Method> = ReturnType<Requests[M]>;

export interface Request {
  id: number;
  method: Method;
  args: unknown;
}

export type Response = { id: number; result: unknown } | { id: number; error: PackedError };

/** Memory of its own in plain data: handed over instead of copied. */
export function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (value !== null && typeof value === 'object') {
    for (const item of Object.values(value)) buffersIn(item, found);
  }
  return found;
}
