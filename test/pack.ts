// What npm would publish: the list of files, and the package itself.
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGunzip } from 'node:zlib';
import { unpackTar } from 'modern-tar/fs';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Packed {
  filename: string;
  files: { path: string }[];
  unpackedSize: number;
}

/** `npm pack` of dist/ as it is built; what it prints. */
export function npmPack(...args: string[]): Packed {
  const all = ['pack', '--json', '--ignore-scripts', ...args];
  // Under `npm test` the path of npm's own script is known, and no shell is needed to find it.
  const script = process.env.npm_execpath;
  const printed =
    script !== undefined && /npm-cli\.[cm]?js$/.test(script)
      ? execFileSync(process.execPath, [script, ...all], { cwd: root, encoding: 'utf8' })
      : execFileSync('npm', all, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
  return (JSON.parse(printed) as [Packed])[0];
}

/** The package as npm would install it into this folder; gives the tarball's path. */
export async function installPacked(folder: string): Promise<string> {
  const { filename } = npmPack('--pack-destination', folder);
  const tarball = join(folder, filename);
  const home = join(folder, 'node_modules/lanewise');
  mkdirSync(home, { recursive: true });
  await pipeline(createReadStream(tarball), createGunzip(), unpackTar(home, { strip: 1 }));
  return tarball;
}
