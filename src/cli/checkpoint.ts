/** Runs on disk: checkpoints of a Solver that keep with them the settings that model and data are made from again. */
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { checkpointInfo, DataError, folderStore, newestCheckpoint, within } from '../index.js';
import { UsageError } from './flags.js';
import type { Settings } from './settings.js';

export interface SavedRun {
  file: string;
  /** JSON, not checked here. */
  settings: object;
  /** On which it ran: the same one goes on with the same bits. */
  build: string;
  /** For Solver.resume(). */
  solver: Uint8Array;
  /** Newer files that could not be read, and why. */
  damaged: { file: string; error: Error }[];
}

/** What is kept with a checkpoint. */
export function contextOf(settings: Settings): object {
  return { settings };
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A file, or the newest of a folder that is whole. DataError for files of another kind. */
export async function readRun(path: string): Promise<SavedRun> {
  if (!isFolder(path)) return describeRun(path, readFileSync(path), []);
  const found = await newestCheckpoint(path).catch((error: unknown) =>
    within('train', () => {
      throw error;
    }),
  );
  if (!found) throw new UsageError(`--resume: there is no checkpoint in ${path}`);
  const inside = (file: string) => join(path, file);
  const damaged = found.damaged.map(({ file, error }) => ({ file: inside(file), error }));
  return describeRun(inside(found.file), found.bytes, damaged);
}

function describeRun(file: string, solver: Uint8Array, damaged: SavedRun['damaged']): SavedRun {
  const { kind, build, context } = within('train', () => checkpointInfo(solver, { file }));
  const settings = (context as { settings?: unknown } | null | undefined)?.settings;
  if (kind === 'solver' && typeof settings === 'object' && settings !== null) {
    return { file, settings, build, solver, damaged };
  }
  const hint = kind === 'solver' ? 'Solver.resume() takes it' : undefined;
  const found = `one of kind '${kind}' without settings`;
  const expected = 'a checkpoint of lanewise train';
  throw new DataError({ where: 'train', file, expected, found, ...(hint && { hint }) });
}

/** Whoever reads meanwhile, or after a crash, finds the old file or the new one. */
export async function writeFile(file: string, bytes: Uint8Array): Promise<void> {
  await folderStore(dirname(file)).write(basename(file), bytes);
}
