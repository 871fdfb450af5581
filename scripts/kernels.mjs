// What binaries and bundles must agree on; both are stamped with it, so that those of two builds refuse to work together.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../assembly', import.meta.url));

/** Name of the custom section that carries it in a binary. */
export const SECTION = 'lanewise';

/** A hash of the sources of the kernels. */
export function kernelStamp() {
  const hash = createHash('sha256');
  const names = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  // Line ends are a matter of the checkout.
  for (const name of names.sort()) {
    hash.update(`${name}\n${readFileSync(`${folder}/${name}`, 'utf8').replaceAll('\r\n', '\n')}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** A hash of the exports' names and numbers of parameters; runtime/instance.ts has the same function of a module's. */
export function kernelExports() {
  const source = readFileSync(`${folder}/index.ts`, 'utf8');
  const found = Array.from(source.matchAll(/^export function (\w+)\(([^)]*)\)/gm), ([, name, parameters]) => {
    return `${name} ${parameters.trim() === '' ? 0 : parameters.split(',').length}`;
  });
  let hash = 0;
  for (const character of found.sort().join()) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return hash;
}
