/**
 * A run on disk: what the Solver saves, behind one line with the settings that its model and data are made from again.
 *
 *     'LANEWISE RUN 1\n'   JSON { settings }   '\n'   bytes of Solver.save()
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataError } from '../index.js';
import type { Settings } from './settings.js';

const FIRST_LINE = 'LANEWISE RUN 1\n';
/** No settings are longer. */
const MAX_SETTINGS = 2 ** 20;

/** Whoever reads meanwhile, or after a crash, finds the old file or the new one. */
export function writeRun(file: string, settings: Settings, solver: Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, Buffer.concat([Buffer.from(`${FIRST_LINE}${JSON.stringify({ settings })}\n`), solver]));
  renameSync(`${file}.part`, file);
}

/** DataError for files of another kind. The settings are JSON, and not checked further here. */
export function readRun(file: string): { file: string; settings: object; solver: Uint8Array } {
  const bytes = readFileSync(file);
  const refuse = (offset: number, expected: string, hint?: string) =>
    new DataError({ where: 'train', file, offset, expected, ...(hint === undefined ? {} : { hint }) });
  if (bytes.toString('latin1', 0, FIRST_LINE.length) !== FIRST_LINE) {
    const own = bytes.toString('latin1', 0, 8) === 'LANEWISE';
    const hint = own ? 'this is the checkpoint of a Solver: Solver.resume() takes it' : undefined;
    throw refuse(0, 'a checkpoint of lanewise train', hint);
  }
  const end = bytes.indexOf('\n', FIRST_LINE.length);
  try {
    if (end < 0 || end > MAX_SETTINGS) throw new SyntaxError('no end');
    const { settings } = JSON.parse(bytes.toString('utf8', FIRST_LINE.length, end)) as { settings: unknown };
    if (typeof settings !== 'object' || settings === null) throw new SyntaxError('no settings');
    return { file, settings, solver: new Uint8Array(bytes.buffer, bytes.byteOffset + end + 1, bytes.length - end - 1) };
  } catch {
    throw refuse(FIRST_LINE.length, 'settings in JSON');
  }
}
