/** Events on their way to one reader, who asks for them when it has time. */
import type { Fault } from '../solver/faults.js';
import type { EpochEvent, StepEvent } from '../solver.js';
import type { PackedEvent } from './protocol.js';
import type { TrainerStepEvent } from './types.js';

/** Events that may wait before training does. */
const MOST = { coalesced: 1000, single: 64 };

/** Steps as one: their losses lie in the Solver's history. */
interface Steps {
  last: StepEvent;
  /** Places in the history. */
  from: number;
  to: number;
  examples: number;
  milliseconds: number;
  faults: Fault[];
}

type Waiting = Steps | EpochEvent | Extract<PackedEvent, { type: 'status' }>;

export class Feed {
  readonly #queue: Waiting[] = [];
  readonly #coalesce: boolean;
  readonly #losses: () => readonly number[];
  /** Tells the reader, which waits. */
  #answer: ((answer: { events: PackedEvent[]; done: boolean }) => void) | undefined;
  #ended = false;

  /** losses: of all steps; ends: whether the reader's interest ends with the run. */
  constructor(
    losses: () => readonly number[],
    coalesce: boolean,
    readonly ends: boolean,
  ) {
    this.#losses = losses;
    this.#coalesce = coalesce;
  }

  /** Whether training has to wait for the reader. */
  get full(): boolean {
    return this.#queue.length >= (this.#coalesce ? MOST.coalesced : MOST.single);
  }

  /** A step, the latest of the history. */
  step(event: StepEvent, milliseconds: number): void {
    const to = this.#losses().length;
    const faults = event.fault ? [event.fault] : [];
    const waiting = this.#queue.at(-1);
    if (this.#coalesce && waiting && 'last' in waiting && waiting.to === to - 1) {
      waiting.last = event;
      waiting.to = to;
      waiting.examples += event.examples;
      waiting.milliseconds += milliseconds;
      waiting.faults.push(...faults);
    } else {
      this.#queue.push({ last: event, from: to - 1, to, examples: event.examples, milliseconds, faults });
    }
    this.#deliver();
  }

  push(event: EpochEvent | Extract<PackedEvent, { type: 'status' }>): void {
    // Of several changes of status in a row the last one counts.
    if (event.type === 'status' && isStatus(this.#queue.at(-1))) this.#queue.pop();
    this.#queue.push(event);
    this.#deliver();
  }

  /** No more will come. */
  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  next(): Promise<{ events: PackedEvent[]; done: boolean }> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (!this.#answer || (this.#queue.length === 0 && !this.#ended)) return;
    const events = this.#queue.splice(0).map((waiting) => ('last' in waiting ? this.#stepEvent(waiting) : waiting));
    const answer = this.#answer;
    this.#answer = undefined;
    answer({ events, done: this.#ended });
  }

  #stepEvent({ last, from, to, ...all }: Steps): TrainerStepEvent {
    const losses = Float64Array.from(this.#losses().slice(from, to));
    return { ...last, ...all, steps: to - from, losses };
  }
}

function isStatus(waiting: Waiting | undefined): boolean {
  return waiting !== undefined && 'type' in waiting && waiting.type === 'status';
}
