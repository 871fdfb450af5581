/** What the worker threads of a sweep run: one loads the images for all, the others train. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Build, init, LanewiseError, RandomState, RuntimeError, Solver } from '../index.js';
import { load } from './dataset.js';
import { makeModel } from './makeModel.js';
import type { Settings } from './settings.js';
import { examples, type SharedData, share } from './sharedData.js';
import { solverOptions } from './training.js';

export type WorkerTask =
  | { task: 'load'; data: string; numTrain: number; dtype: 'float32' | 'float64'; build: Build }
  | { task: 'train'; shared: SharedData; build: Build };

/** A stretch of one trial's training. */
export interface Job {
  settings: Settings;
  /** What Solver.save() gave at its beginning; none: the trial begins. */
  state?: Uint8Array;
  /** Epochs done at its end. */
  until: number;
}

/** Of the whole trial up to now. */
export interface Outcome {
  /** Best validation accuracy, null before the first check. */
  valAcc: number | null;
  /** Training accuracy of the same check. */
  trainAcc: number | null;
  /** Epochs done at the best check. */
  bestEpoch: number | null;
  /** Accuracies after the first step and at the end of each epoch; mean loss of each epoch. */
  history: { train: number[]; validation: number[]; loss: number[] };
  /** Why the trial cannot go on. */
  error?: string;
  /** What Solver.save() gives at the end of a stretch that is not the last. */
  state?: Uint8Array;
}

export type WorkerMessage =
  | { type: 'reading'; done?: number; label?: string; total?: number }
  | { type: 'loaded'; shared: SharedData }
  /** Epochs done, with the fraction of the current one. */
  | { type: 'progress'; epochs: number }
  | { type: 'done'; outcome: Outcome }
  | { type: 'fault'; message: string; stack: string | undefined };

/** Milliseconds between two messages of progress. */
const PACE = 100;

const port = parentPort as MessagePort;
const post = (message: WorkerMessage) => port.postMessage(message);

async function loadData({ data, numTrain, dtype }: WorkerTask & { task: 'load' }): Promise<void> {
  let sent = 0;
  const progress = {
    start: () => undefined,
    retarget: (total: number) => post({ type: 'reading', total }),
    update(done: number, label: string) {
      if (performance.now() - sent < PACE) return;
      sent = performance.now();
      post({ type: 'reading', done, label });
    },
  };
  const loaded = await load({ data, numTrain, dtype }, progress, new AbortController().signal);
  post({ type: 'loaded', shared: share(loaded) });
}

async function train({ shared }: WorkerTask & { task: 'train' }, { settings, state, until }: Job): Promise<void> {
  const { train, validation, mean } = shared;
  const data = {
    XTrain: examples(train, mean),
    yTrain: train.labels,
    XVal: examples(validation, mean),
    yVal: validation.labels,
  };
  const random = new RandomState(settings.seed);
  const model = makeModel(settings, random);
  let solver: Solver | undefined;
  try {
    solver = state
      ? Solver.resume(state, model, data, { random, verbose: false })
      : new Solver(model, data, { ...solverOptions(settings), random });
    const perEpoch = solver.numIterations / solver.numEpochs;
    let sent = performance.now();
    let error: string | undefined;
    try {
      for await (const event of solver.steps()) {
        const now = performance.now();
        if (event.type === 'epoch' && event.epoch >= until) break;
        if (now - sent < PACE) continue;
        sent = now;
        post({ type: 'progress', epochs: event.iteration / perEpoch });
      }
    } catch (reason) {
      error = reasonOf(reason);
    }
    const outcome = outcomeOf(solver, perEpoch);
    if (error !== undefined) post({ type: 'done', outcome: { ...outcome, error } });
    else if (until >= solver.numEpochs) post({ type: 'done', outcome });
    else post({ type: 'done', outcome: { ...outcome, state: solver.save() } });
  } finally {
    solver?.dispose();
    model.dispose();
  }
}

/** What these settings cannot do; other errors are thrown on. */
function reasonOf(error: unknown): string {
  if (!(error instanceof LanewiseError) || error instanceof RuntimeError) throw error;
  return error.message;
}

function outcomeOf(solver: Solver, perEpoch: number): Outcome {
  const { lossHistory, trainAccHistory: train, valAccHistory: validation, bestValAcc } = solver;
  const best = validation.indexOf(bestValAcc);
  const loss: number[] = [];
  for (let step = 0; step + perEpoch <= lossHistory.length; step += perEpoch) {
    loss.push(lossHistory.slice(step, step + perEpoch).reduce((sum, v) => sum + v, 0) / perEpoch);
  }
  return {
    valAcc: best < 0 ? null : bestValAcc,
    trainAcc: train[best] ?? null,
    // The first check comes after one step, and with one step an epoch it is that of the first epoch.
    bestEpoch: best < 0 ? null : best + (perEpoch === 1 ? 1 : 0),
    history: { train: [...train], validation: [...validation], loss },
  };
}

async function main(): Promise<void> {
  const task = workerData as WorkerTask;
  await init({ threads: 1, build: task.build });
  if (task.task === 'load') {
    await loadData(task);
    return;
  }
  port.on('message', (job: Job) => {
    train(task, job).catch((error: unknown) => {
      try {
        const none = { train: [], validation: [], loss: [] };
        const failed = { valAcc: null, trainAcc: null, bestEpoch: null, history: none };
        post({ type: 'done', outcome: { ...failed, error: reasonOf(error) } });
      } catch (reason) {
        fault(reason);
      }
    });
  });
}

function fault(error: unknown): void {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  post({ type: 'fault', message, stack });
}

main().catch(fault);
