/** The worker threads of a sweep, each with an engine of one thread, and the images that they share. */
import { Worker } from 'node:worker_threads';
import type { Build } from '../index.js';
import type { SharedData } from './sharedData.js';
import type { Progress } from './terminal.js';
import type { Job, Outcome, WorkerMessage, WorkerTask } from './worker.js';

/** A worker, and what it is asked: one thing at a time. */
class Thread {
  readonly #worker: Worker;
  #listener: ((message: WorkerMessage) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(task: WorkerTask) {
    this.#worker = new Worker(new URL('./cli-worker.js', import.meta.url), { workerData: task, name: 'lanewise' });
    this.#worker.on('message', (message: WorkerMessage) => {
      if (message.type !== 'fault') this.#listener?.(message);
      else this.#reject?.(Object.assign(new Error(message.message), { stack: message.stack }));
    });
    this.#worker.on('error', (error) => this.#reject?.(error));
    this.#worker.on('exit', (code) => this.#reject?.(new Error(`a worker thread ended with code ${code}`)));
  }

  /** Posts the job, if there is one; resolves to what `take` makes of a message as soon as that is something. */
  async ask<T>(job: Job | undefined, take: (message: WorkerMessage) => T | undefined): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#reject = reject;
        this.#listener = (message) => {
          const answer = take(message);
          if (answer !== undefined) resolve(answer);
        };
        if (job) this.#worker.postMessage(job);
      });
    } finally {
      this.#listener = undefined;
      this.#reject = undefined;
    }
  }

  /** Ends it wherever it is; what was asked is rejected with `reason`. */
  end(reason?: unknown): void {
    this.#reject?.(reason);
    void this.#worker.terminate();
  }
}

/**
 * Reads or draws the images in a thread of its own: as numbers they take several times the memory that is kept, and it is
 * given back when the thread ends.
 */
export async function loadShared(
  task: Omit<WorkerTask & { task: 'load' }, 'task'>,
  progress: Progress,
  signal: AbortSignal,
): Promise<SharedData> {
  signal.throwIfAborted();
  const thread = new Thread({ task: 'load', ...task });
  const abort = () => thread.end(signal.reason);
  signal.addEventListener('abort', abort);
  progress.start(0, 'MB');
  try {
    return await thread.ask(undefined, (message) => {
      if (message.type === 'loaded') return message.shared;
      if (message.type !== 'reading') return undefined;
      if (message.total !== undefined) progress.retarget(message.total);
      if (message.done !== undefined) progress.update(message.done, message.label ?? '');
      return undefined;
    });
  } finally {
    signal.removeEventListener('abort', abort);
    progress.clear();
    thread.end();
  }
}

export class WorkerPool {
  readonly #make: () => Thread;
  readonly #idle: Thread[] = [];
  readonly #all: Thread[] = [];

  constructor(shared: SharedData, build: Build) {
    this.#make = () => new Thread({ task: 'train', shared, build });
  }

  /** By a thread that has nothing to do, or a new one: there are as many as are asked at a time. */
  async run(job: Job, onProgress: (epochs: number) => void): Promise<Outcome> {
    let thread = this.#idle.pop();
    if (!thread) {
      thread = this.#make();
      this.#all.push(thread);
    }
    const outcome = await thread.ask(job, (message) => {
      if (message.type === 'done') return message.outcome;
      if (message.type === 'progress') onProgress(message.epochs);
      return undefined;
    });
    this.#idle.push(thread);
    return outcome;
  }

  /** Ends all threads wherever they are. */
  end(reason?: unknown): void {
    for (const thread of this.#all.splice(0)) thread.end(reason);
    this.#idle.length = 0;
  }
}
