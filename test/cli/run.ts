// Runs the built command as a user does: a process of its own, in a folder of its own.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const command = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** The smallest run that is one: 10 steps an epoch. */
const small = ['--num-train', '100', '--hidden', '8', '--batch-size', '10'];
export const tiny = [...small, '--epochs', '2'];
/** The same for about a second: long enough to be stopped on its way. */
export const long = { args: [...small, '--epochs', '200'], epochs: 200, steps: 2000 };

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd: string;
  env?: Record<string, string>;
  /** What is run instead of the command. */
  script?: string;
  /** Sent as soon as stderr, or stdout, matches, once. */
  signal?: { name: NodeJS.Signals; when: RegExp; in?: 'stdout' };
}

/** Runs the command to its end. No variable of the tests' own surroundings that it heeds is passed on. */
export function run(args: readonly string[], { cwd, env = {}, script = command, signal }: RunOptions): Promise<Ended> {
  const { CI, NO_COLOR, TERM, npm_lifecycle_event, ...rest } = process.env;
  const child = spawn(process.execPath, [script, ...args], { cwd, env: { ...rest, ...env } });
  let stdout = '';
  let stderr = '';
  let sent = false;
  const heed = () => {
    if (!signal || sent || !signal.when.test(signal.in ? stdout : stderr)) return;
    sent = true;
    child.kill(signal.name);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    heed();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    heed();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A folder that is gone afterwards, with a space in its name: paths are quoted where they must be. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'lanewise test '));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
