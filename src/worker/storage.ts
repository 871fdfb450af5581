/**
 * What a trainer saves: checkpoints of a Solver and files of a model as the library has them, with what model and inputs are
 * made from again as their context. So Solver.resume() and model.load() read them too.
 */
import { type Checkpoint, isRecord, readCheckpoint, writeCheckpoint } from '../checkpoint.js';
import type { StoredArray } from '../safetensors.js';
import type { Tensor } from '../tensor.js';
import type { FullSpec } from './build.js';

/** Plain JSON. */
export interface Context {
  spec: FullSpec;
  classes?: readonly string[] | undefined;
  /** The mean example, if it is subtracted. */
  mean?: readonly number[] | undefined;
}

export function readState(where: string, bytes: Uint8Array): Context {
  return contextOf(readCheckpoint(where, 'solver', bytes, 'state'));
}

export function writeModel(context: Context, state: Readonly<Record<string, Tensor>>): Uint8Array<ArrayBuffer> {
  return writeCheckpoint('saveModel', 'model', { context }, new Map(Object.entries(state)));
}

export function readModel(where: string, bytes: Uint8Array): Context & { arrays: ReadonlyMap<string, StoredArray> } {
  const stored = readCheckpoint(where, 'model', bytes, 'model');
  return { ...contextOf(stored), arrays: stored.arrays };
}

/** The specification is checked further when a model is made of it. */
function contextOf(stored: Checkpoint): Context {
  const { context } = stored.content;
  const { spec, classes, mean } = isRecord(context) ? context : {};
  const isList = (list: unknown, type: string) =>
    list === undefined || (Array.isArray(list) && list.every((item) => typeof item === type));
  const whole = isRecord(spec) && isRecord(spec.model) && isList(classes, 'string') && isList(mean, 'number');
  if (!whole) stored.refuse('the context that a trainer saves');
  return { spec, classes, mean } as unknown as Context;
}
