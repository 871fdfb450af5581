/** The other libraries, installed into this folder when they are first wanted. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Installs them if they are not there in the versions that package-lock.json names; says so if that fails. */
export function install() {
  const [lock, made] = [here('package-lock.json'), here('node_modules/.package-lock.json')];
  if (existsSync(made) && statSync(made).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error('bench: installing the other libraries (npm ci in bench/peers) ...');
  const options = { cwd: here('.'), encoding: 'utf8', shell: process.platform === 'win32' };
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund'],
    options,
  );
  if (status === 0) return;
  console.error(`${stdout ?? ''}${stderr ?? ''}${error ?? ''}\nbench: the other libraries could not be installed`);
}
