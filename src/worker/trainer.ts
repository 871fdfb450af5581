/** The page's side of a trainer: requests to the worker, and what comes back. */
import { checkNumber, checkOptions, RuntimeError } from '../errors.js';
import type { HostWorker } from '../runtime/host.js';
import { unpackError } from './errors.js';
import { examplesOf, labelsOf, type Packed, sendable } from './packing.js';
import type { Answer, Arguments, Created, Method, PackedEvent, Response } from './protocol.js';
import type {
  Activation,
  EvaluateOptions,
  Evaluation,
  EventOptions,
  Examples,
  Labels,
  LiveOptions,
  PlainArray,
  Prediction,
  Trainer,
  TrainerEvent,
  TrainerHistory,
  TrainerSpec,
  TrainerState,
  TrainOptions,
  TrainResult,
} from './types.js';

interface Pending {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

/** Requests to a worker that have not been answered keep the process alive; the worker itself does not. */
export class Line {
  readonly #worker: HostWorker;
  readonly #pending = new Map<number, Pending>();
  #last = 0;
  /** Why there will be no more answers. */
  #end: RuntimeError | undefined;

  constructor(worker: HostWorker) {
    this.#worker = worker;
    worker.onMessage((message) => this.#receive(message as Response));
    worker.onError((error) => {
      const rule = `the worker ended: ${String(error)}`;
      this.#close(new RuntimeError({ where: 'createTrainer', rule, hint: 'its script may be missing or blocked' }));
    });
    worker.keep(false);
  }

  ask<M extends Method>(method: M, args: Arguments<M>, transfer: ArrayBuffer[] = []): Promise<Answer<M>> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      const id = ++this.#last;
      // Throws for what cannot be copied, before anything has been handed over.
      this.#worker.post({ id, method, args }, transfer);
      this.#pending.set(id, { resolve, reject });
      if (this.#pending.size === 1) this.#worker.keep(true);
    });
  }

  async end(): Promise<void> {
    this.#close(new RuntimeError({ where: 'trainer', rule: 'the trainer has been disposed of' }));
    await this.#worker.terminate();
  }

  #receive(response: Response): void {
    const waiting = this.#pending.get(response.id);
    if (!waiting) return;
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#worker.keep(false);
    if ('error' in response) waiting.reject(unpackError(response.error));
    else waiting.resolve(response.result as never);
  }

  #close(why: RuntimeError): void {
    this.#end ??= why;
    for (const { reject } of this.#pending.values()) reject(why);
    this.#pending.clear();
    this.#worker.keep(false);
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }
}

export class WorkerTrainer implements Trainer {
  readonly trains: boolean;
  readonly #line: Line;
  #made: Created;
  #feeds = 0;

  constructor(line: Line, made: Created, trains: boolean) {
    this.#line = line;
    this.#made = made;
    this.trains = trains;
  }

  get spec(): TrainerSpec {
    return this.#made.spec;
  }

  get inputShape(): readonly number[] {
    return this.#made.inputShape;
  }

  get numClasses(): number {
    return this.#made.numClasses;
  }

  get paramNames(): readonly string[] {
    return this.#made.paramNames;
  }

  get classes(): readonly string[] | undefined {
    return this.#made.classes;
  }

  info = () => this.#line.ask('info', undefined);
  summary = () => this.#line.ask('summary', undefined);
  state = () => this.#line.ask('state', undefined);

  async history(from = 0): Promise<TrainerHistory> {
    checkNumber('history', 'from', from, { low: 0, integer: true });
    return this.#line.ask('history', { from });
  }

  async train(options: TrainOptions = {}): Promise<TrainResult> {
    checkOptions('train', options, ['signal', 'onStep', 'onEpoch']);
    const { signal, onStep, onEpoch } = options;
    if (!onStep && !onEpoch) return this.#run(signal);
    let status: TrainResult['status'] = 'finished';
    for await (const event of this.steps({ signal })) {
      if (event.type === 'step') await onStep?.(event);
      else if (event.type === 'epoch') await onEpoch?.(event);
      else if (event.status === 'stopped') status = 'stopped';
    }
    const { bestValAcc } = await this.state();
    return { status, bestValAcc };
  }

  async *steps(
    options: { signal?: AbortSignal | undefined } & EventOptions = {},
  ): AsyncGenerator<TrainerEvent, void, undefined> {
    checkOptions('steps', options, ['signal', 'coalesce']);
    const { signal, ...rest } = options;
    const feed = ++this.#feeds;
    const run = this.#run(signal, { id: feed, options: rest });
    // Heard of below; the loop may be left before.
    run.catch(() => undefined);
    let left = true;
    try {
      yield* this.#read(feed);
      left = false;
    } finally {
      if (left && !this.#line.ended) {
        await this.stop();
        await this.#line.ask('close', { feed });
      }
    }
    await run;
  }

  async *events(options: EventOptions = {}): AsyncGenerator<TrainerEvent, void, undefined> {
    checkOptions('events', options, ['coalesce']);
    const feed = ++this.#feeds;
    await this.#line.ask('open', { feed, options });
    try {
      yield* this.#read(feed);
    } catch (error) {
      // dispose() is the end of the stream, not a fault.
      if (!this.#line.ended) throw error;
    } finally {
      if (!this.#line.ended) await this.#line.ask('close', { feed });
    }
  }

  pause = () => this.#line.ask('pause', undefined);
  resume = () => this.#line.ask('resume', undefined);
  stop = () => this.#line.ask('stop', undefined);

  async step(count = 1): Promise<TrainerState> {
    return this.#line.ask('step', { count });
  }

  async change(options: LiveOptions): Promise<Required<LiveOptions>> {
    return this.#line.ask('change', { options });
  }

  async params(options: { names?: readonly string[]; best?: boolean } = {}): Promise<Record<string, PlainArray>> {
    checkOptions('params', options, ['names', 'best']);
    const { names, best = false } = options;
    return this.#line.ask('params', { names, best });
  }

  async setParams(
    values: Readonly<Record<string, ArrayLike<number> | { readonly data: ArrayLike<number> }>>,
  ): Promise<void> {
    const copies = Object.entries(values).map(([name, value]) => {
      return [name, Float64Array.from('data' in value ? value.data : value)] as const;
    });
    return this.#line.ask('setParams', { values: Object.fromEntries(copies) });
  }

  async gradients(X: Examples, y: Labels): Promise<{ loss: number; gradients: Record<string, PlainArray> }> {
    const packed = examplesOf('gradients', 'X', X);
    const labels = labelsOf('gradients', 'y', y, packed);
    return this.#send(packed, (examples, transfer) => {
      return this.#line.ask('gradients', { X: examples, y: labels }, transfer);
    });
  }

  async activations(X: Examples, options: { layers?: readonly number[] } = {}): Promise<Activation[]> {
    checkOptions('activations', options, ['layers']);
    const { layers } = options;
    return this.#send(examplesOf('activations', 'X', X), (examples, transfer) => {
      return this.#line.ask('activations', { X: examples, layers }, transfer);
    });
  }

  async predict(X: Examples): Promise<Prediction> {
    return this.#send(examplesOf('predict', 'X', X), (examples, transfer) => {
      return this.#line.ask('predict', { X: examples }, transfer);
    });
  }

  async evaluate(
    set: 'train' | 'val' | 'test' | { X: Examples; y: Labels },
    options: EvaluateOptions = {},
  ): Promise<Evaluation> {
    if (typeof set === 'string') return this.#line.ask('evaluate', { set, options });
    const packed = examplesOf('evaluate', 'X', set.X);
    const y = labelsOf('evaluate', 'y', set.y, packed);
    return this.#send(packed, (X, transfer) => this.#line.ask('evaluate', { set: { X, y }, options }, transfer));
  }

  save = () => this.#line.ask('save', undefined);

  async load(state: Uint8Array): Promise<void> {
    this.#made = await this.#line.ask('load', { state });
  }

  async saveModel(options: { best?: boolean } = {}): Promise<Uint8Array<ArrayBuffer>> {
    checkOptions('saveModel', options, ['best']);
    return this.#line.ask('saveModel', { best: options.best ?? false });
  }

  async loadModel(model: Uint8Array): Promise<void> {
    return this.#line.ask('loadModel', { model });
  }

  dispose(): Promise<void> {
    return this.#line.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Examples of a request: the caller's stay as they are. */
  #send<T>(packed: Packed, ask: (X: Examples, transfer: ArrayBuffer[]) => Promise<T>): Promise<T> {
    const { numbers, transfer } = sendable(packed, true);
    return ask({ shape: packed.shape, data: numbers }, transfer ? [transfer] : []);
  }

  /** Trains to the end; an abort stops the run between two steps. */
  async #run(signal?: AbortSignal, feed?: { id: number; options: EventOptions }): Promise<TrainResult> {
    signal?.throwIfAborted();
    const stop = () => void this.stop().catch(() => undefined);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const result = await this.#line.ask('train', feed ? { feed } : {});
      if (result.status === 'stopped') signal?.throwIfAborted();
      return result;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async *#read(feed: number): AsyncGenerator<TrainerEvent, void, undefined> {
    for (;;) {
      const { events, done } = await this.#line.ask('next', { feed });
      for (const event of events) yield unpackEvent(event);
      if (done) return;
    }
  }
}

function unpackEvent(event: PackedEvent): TrainerEvent {
  if (!('packed' in event)) return event;
  const { type, status, packed } = event;
  return { type, status, error: unpackError(packed) };
}
