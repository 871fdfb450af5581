// What the suites of lanewise/worker share: small data, and trainers that end with their test.
import { createTrainer, type Trainer, type TrainerData, type TrainerOptions, type TrainerSpec } from 'lanewise/worker';
import { inject, onTestFinished } from 'vitest';
import { uniforms } from '../support.js';

/** 10 classes of which pictures of 3x4x4 tell something: a base picture each, with noise. */
export function smallImages(num: number, seed: number): { X: Uint8Array; y: Int32Array } {
  const shared = uniforms(7);
  const base = Float64Array.from({ length: 480 }, () => 40 + 175 * shared());
  const next = uniforms(seed);
  const y = Int32Array.from({ length: num }, () => Math.floor(10 * next()));
  const X = Uint8Array.from({ length: num * 48 }, (_, i) => {
    const label = y[Math.floor(i / 48)] as number;
    return Math.max(0, Math.min(255, Math.round((base[label * 48 + (i % 48)] as number) + 100 * (next() - 0.5))));
  });
  return { X, y };
}

/** Bytes, as a page has them. */
export function byteData(train = 200, val = 60, test = 40): Required<Omit<TrainerData, 'classes'>> {
  const [a, b, c] = [smallImages(train, 1), smallImages(val, 2), smallImages(test, 3)];
  const images = (X: Uint8Array) => ({ shape: [X.length / 48, 3, 4, 4], data: X });
  return { XTrain: images(a.X), yTrain: a.y, XVal: images(b.X), yVal: b.y, XTest: images(c.X), yTest: c.y };
}

/** The engine of the test project, in the worker too. */
export const engine = () => ({ build: inject('build'), threads: inject('threads') });

export async function trainerFor(
  spec: TrainerSpec | null,
  data: TrainerData | null,
  options: TrainerOptions = {},
): Promise<Trainer> {
  const trainer = await createTrainer(spec, data, { init: engine(), ...options });
  onTestFinished(() => trainer.dispose());
  return trainer;
}

/** The error that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('nothing was thrown');
}

export const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
