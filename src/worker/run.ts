/** A Solver at the wheel: it runs, pauses between two steps, goes so many steps, and tells its readers. */
import { checkFlag } from '../augment.js';
import { RuntimeError } from '../errors.js';
import type { Solver, SolverEvent } from '../solver.js';
import { packError } from './errors.js';
import { Feed } from './feed.js';
import type { PackedEvent } from './protocol.js';
import type { EventOptions, TrainerStatus, TrainResult } from './types.js';

export class Runner {
  status: TrainerStatus = 'idle';
  solver: Solver;
  readonly #feeds = new Map<number, Feed>();
  /** Of the run that is on. */
  #outcome: Promise<TrainResult> | undefined;
  /** Steps until a pause. */
  #budget = 0;
  #stopping = false;
  /** Readers of the whole model for whom training waits. */
  #held = 0;
  #wake: (() => void) | undefined;
  /** Those who wait until training stands still, for a pause or because it is held. */
  #paused: (() => void)[] = [];
  #still: (() => void)[] = [];
  /** Accuracy checks whose events are out. */
  #told = 0;
  /** Milliseconds taken up by requests. */
  #elsewhere = 0;

  constructor(solver: Solver) {
    this.solver = solver;
    this.#told = solver.trainAccHistory.length;
  }

  /** Between two runs: another Solver. */
  replace(solver: Solver): void {
    this.solver = solver;
    this.#told = solver.trainAccHistory.length;
    this.#setStatus('idle');
  }

  /** feed: a reader of this run. */
  train(feed?: { id: number; options: EventOptions }): Promise<TrainResult> {
    if (this.status === 'running') throw new RuntimeError({ where: 'train', rule: 'this trainer is training already' });
    if (feed) this.open(feed.id, feed.options, true);
    return this.#go(Number.POSITIVE_INFINITY);
  }

  resume(): void {
    if (this.status === 'paused') this.#go(Number.POSITIVE_INFINITY);
  }

  /** Fulfilled when training stands still, or the run is over. */
  pause(): Promise<void> {
    if (!this.#outcome || this.status === 'paused') return Promise.resolve();
    this.#budget = 0;
    const standing = new Promise<void>((resolve) => this.#paused.push(resolve));
    this.#wakeUp();
    return standing;
  }

  async step(count: number): Promise<void> {
    await this.pause();
    const outcome = this.#go(count);
    const standing = new Promise<void>((resolve) => this.#paused.push(resolve));
    await Promise.race([standing, outcome]);
  }

  async stop(): Promise<void> {
    const outcome = this.#outcome;
    if (!outcome) return;
    this.#stopping = true;
    this.#wakeUp();
    await outcome.catch(() => undefined);
  }

  /** Keeps training between two steps while `read` works, however long and asynchronous. */
  async hold<T>(read: () => Promise<T>): Promise<T> {
    this.#held++;
    try {
      if (this.status === 'running') {
        await new Promise<void>((resolve) => {
          this.#still.push(resolve);
          this.#wakeUp();
        });
      }
      return await read();
    } finally {
      this.#held--;
      this.#wakeUp();
    }
  }

  /** Time that is not training's. */
  took(milliseconds: number): void {
    this.#elsewhere += milliseconds;
  }

  open(id: number, { coalesce = true }: EventOptions, ends = false): void {
    checkFlag('events', 'coalesce', coalesce);
    const feed = new Feed(() => this.solver.lossHistory, coalesce, ends);
    this.#feeds.set(id, feed);
    if (!ends) feed.push({ type: 'status', status: this.status });
  }

  async next(id: number): Promise<{ events: PackedEvent[]; done: boolean }> {
    const feed = this.#feeds.get(id);
    if (!feed) return { events: [], done: true };
    const answer = feed.next();
    this.#wakeUp();
    const given = await answer;
    if (given.done) this.#feeds.delete(id);
    return given;
  }

  close(id: number): void {
    this.#feeds.get(id)?.end();
    this.#feeds.delete(id);
    this.#wakeUp();
  }

  #go(budget: number): Promise<TrainResult> {
    this.#budget = budget;
    if (this.#outcome) {
      this.#setStatus('running');
      this.#wakeUp();
      return this.#outcome;
    }
    const outcome = this.#loop();
    this.#outcome = outcome;
    // Whoever waits for it hears of it; a run that step() began may have nobody.
    outcome.catch(() => undefined);
    return outcome;
  }

  async #loop(): Promise<TrainResult> {
    const { solver } = this;
    const run = solver.steps();
    this.#stopping = false;
    this.#setStatus('running');
    let status: 'finished' | 'stopped' | 'failed' = 'failed';
    let failure: unknown;
    try {
      let begun = false;
      for (;;) {
        await this.#clearance(begun);
        if (this.#stopping) await run.return();
        const before = performance.now() + this.#elsewhere;
        const { value, done } = await run.next();
        if (done) break;
        begun = true;
        this.#tell(value, performance.now() + this.#elsewhere - before);
      }
      status = solver.iteration < solver.numIterations ? 'stopped' : 'finished';
      return { status, bestValAcc: solver.bestValAcc };
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.#outcome = undefined;
      this.#budget = 0;
      this.status = status;
      this.#tellAll(
        status === 'failed' ? { type: 'status', status, packed: packError(failure) } : { type: 'status', status },
      );
      for (const feed of this.#feeds.values()) if (feed.ends) feed.end();
      this.#release(this.#paused);
      this.#release(this.#still);
    }
  }

  /** Fulfilled when the next step may be done. begun: whether there has been one in this run. */
  async #clearance(begun: boolean): Promise<void> {
    const { solver } = this;
    for (;;) {
      if (this.#stopping) return;
      // The event of a check that has been made, and the end of the run, are no steps.
      const owed = solver.trainAccHistory.length > this.#told || (begun && solver.iteration >= solver.numIterations);
      const pausing = this.#budget <= 0 && !owed;
      if (pausing) this.#setStatus('paused');
      const full = [...this.#feeds.values()].some((feed) => feed.full);
      if (!pausing && this.#held === 0 && !full) return;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (pausing) this.#release(this.#paused);
      this.#release(this.#still);
      await woken;
    }
  }

  #tell(event: SolverEvent, milliseconds: number): void {
    if (event.type === 'step') {
      this.#budget--;
      for (const feed of this.#feeds.values()) feed.step(event, milliseconds);
    } else {
      this.#told++;
      this.#tellAll(event);
    }
  }

  #tellAll(event: Parameters<Feed['push']>[0]): void {
    for (const feed of this.#feeds.values()) feed.push(event);
  }

  #setStatus(status: TrainerStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.#tellAll({ type: 'status', status } as PackedEvent & { type: 'status'; status: 'running' });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #release(waiting: (() => void)[]): void {
    for (const done of waiting.splice(0)) done();
  }
}
