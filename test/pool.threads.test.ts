// Workers that end: while they sleep, in the middle of a job, before they were there. What waits is told, what comes after works.
import * as lw from 'lanewise';
import { afterAll, afterEach, beforeEach, describe, expect, inject, test } from 'vitest';

const inPage = typeof document !== 'undefined';
const build = inject('build');

/** Workers that were started, and what can be done to them. */
interface Started {
  terminate(): unknown;
}
let started: Started[] = [];
/** Which script the next workers run instead of their own. */
let instead: ((url: URL) => { url: string | URL; data?: unknown }) | undefined;

type AnyWorker = new (url: string | URL, options?: object) => Started;
let restore = () => {};

/** Watches the making of workers. */
beforeEach(async () => {
  started = [];
  instead = undefined;
  const watched = (Original: AnyWorker): AnyWorker =>
    class extends Original {
      constructor(url: string | URL, options: object = {}) {
        const { url: other, data } = instead?.(new URL(url)) ?? { url };
        super(other, { ...options, workerData: data });
        started.push(this);
      }
    };
  if (inPage) {
    const { Worker } = globalThis;
    globalThis.Worker = watched(Worker as unknown as AnyWorker) as unknown as typeof Worker;
    restore = () => {
      globalThis.Worker = Worker;
    };
  } else {
    const [{ default: threads }, { syncBuiltinESMExports }] = await Promise.all([
      import('node:worker_threads'),
      import('node:module'),
    ]);
    const { Worker } = threads;
    threads.Worker = watched(Worker as unknown as AnyWorker) as unknown as typeof Worker;
    syncBuiltinESMExports();
    restore = () => {
      threads.Worker = Worker;
      syncBuiltinESMExports();
    };
  }
});
afterEach(() => restore());
afterAll(async () => {
  await lw.init({ build, threads: inject('threads') });
});

const dying = (url: URL) => {
  const fixture = new URL('./fixtures/dyingThread.js', import.meta.url);
  return inPage
    ? { url: `${fixture.href.split('?')[0]}?script=${encodeURIComponent(url.href)}` }
    : { url: fixture, data: url.href };
};

const until = async (what: () => boolean, limit = 20_000) => {
  const end = performance.now() + limit;
  while (!what() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(what()).toBe(true);
};

/** A job for all threads whose result is known. */
const job = () => lw.scope(() => lw.add(lw.full([200_000], 2, { dtype: 'float64' }), 1).sum());

describe('workers that end', () => {
  test('in the middle of a job: the job fails, others take their place', async () => {
    instead = dying;
    await lw.init({ build, threads: 3 });
    instead = undefined;
    let error: unknown;
    const start = performance.now();
    while (error === undefined && performance.now() - start < 30_000) {
      try {
        expect(job()).toBe(600_000);
      } catch (reason) {
        error = reason;
      }
    }
    expect(error).toBeInstanceOf(lw.RuntimeError);
    expect((error as Error).message).toMatch(
      /^threads: a worker thread has ended, or hangs, in the middle of a job; what was/,
    );
    expect(lw.info().memory.live).toBe(0);
    // Alone at first.
    expect(job()).toBe(600_000);
    expect(lw.info().reason).toMatch(/ended in the middle of a job, new ones are being started$/);
    await until(() => lw.info().reason.endsWith('a worker thread ended in the middle of a job and was replaced'));
    expect(started.length).toBe(4);
    for (let i = 0; i < 200; i++) expect(job()).toBe(600_000);
  });

  // In pages nobody is told that a worker has ended.
  const inNode = inPage ? () => {} : test;
  inNode('while they sleep: noticed without a job', async () => {
    await lw.init({ build, threads: 3 });
    expect(job()).toBe(600_000);
    await started[1].terminate();
    await until(() => lw.info().reason.endsWith('; a worker thread ended and was replaced'));
    expect(started.length).toBe(4);
    for (let i = 0; i < 50; i++) expect(job()).toBe(600_000);
    // Again and again: in the end it is left alone.
    for (let i = 0; i < 12 && !lw.info().reason.endsWith('computes alone'); i++) {
      const { length } = started;
      await started[length - 1].terminate();
      await until(() => started.length > length || lw.info().reason.endsWith('computes alone'));
      await until(() => !lw.info().reason.endsWith('being started'));
    }
    expect(lw.info().reason).toMatch(/as 8 times before, and the caller computes alone$/);
    expect(job()).toBe(600_000);
  });

  test('before they are there: init fails, and the runtime before stays', async () => {
    await lw.init({ build, threads: 2 });
    const t = lw.ones([3]);
    const nowhere = inPage ? new URL('/nowhere.js', location.origin) : new URL('nowhere.js', import.meta.url);
    instead = () => ({ url: nowhere });
    await expect(lw.init({ build, threads: 2 })).rejects.toThrow(/^init: a worker thread did not start: /);
    instead = undefined;
    expect(t.sum()).toBe(3);
    expect(job()).toBe(600_000);
    t.dispose();
    await lw.init({ build, threads: 2 });
    expect(job()).toBe(600_000);
  });
});
