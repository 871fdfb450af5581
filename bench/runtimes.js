/** The benchmark in every runtime that is on this machine, one after the other. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findBrowser, runInBrowser } from './browsers.js';

const program = fileURLToPath(new URL('index.js', import.meta.url));
const folder = new URL('runtimes/node_modules/', import.meta.url);
const { platform, arch } = process;
const exe = platform === 'win32' ? '.exe' : '';
/** What npm calls this platform. */
const system = platform === 'win32' ? 'win' : platform;

const INSTALL = 'npm ci --prefix bench/runtimes --ignore-scripts (about 600 MB) installs it';

/** The first of these files in bench/runtimes that exists. */
const installed = (...files) =>
  files.map((file) => fileURLToPath(new URL(file, folder))).find((file) => existsSync(file));

/** A command of the PATH, if it answers to --version. */
const onPath = (name) => (spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0 ? name : undefined);

const node = (major) => installed(`node${major}-${system}-${arch}/bin/node${exe}`);
const bunArch = arch === 'arm64' ? 'aarch64' : arch;
const bunSystem = platform === 'win32' ? 'windows' : platform;
const denoSystem = platform === 'linux' ? `linux-${arch}-glibc` : `${platform}-${arch}`;

/** find: the command's words, or undefined; or browser. */
const RUNTIMES = {
  [`node${process.versions.node.split('.')[0]}`]: { find: () => [process.execPath] },
  node22: { find: () => words(node(22)) },
  node24: { find: () => words(node(24)) },
  bun: { find: () => words(installed(`@oven/bun-${bunSystem}-${bunArch}/bin/bun${exe}`) ?? onPath('bun')) },
  deno: { find: () => words(installed(`@deno/${denoSystem}/deno${exe}`) ?? onPath('deno'), 'run', '--allow-all') },
  chromium: { browser: true, find: () => findBrowser('chromium') },
  firefox: { browser: true, find: () => findBrowser('firefox') },
};

export const runtimeNames = Object.keys(RUNTIMES);

const words = (path, ...more) => path && [path, ...more];

/** One program; its records, line by line. */
async function runCommand([command, ...before], args, emit) {
  const child = spawn(command, [...before, program, '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  for await (const line of createInterface({ input: child.stdout })) emit(JSON.parse(line));
  const code = await ended;
  if (code !== 0) throw new Error(complaint.trim() || `it ended with code ${code}`);
}

/**
 * Runs the named runtimes in turn. args: words of the command line for those that have one; options: the same for pages.
 * Returns { missing: [{ name, reason }] }; one that fails is missing, too, and the others go on.
 */
export async function runAll(names, { args, options }, emit, say, progress) {
  const missing = [];
  for (const name of names) {
    const { browser, find } = RUNTIMES[name];
    const found = find();
    if (found === undefined) {
      missing.push({ name, reason: browser ? 'not installed' : INSTALL });
      continue;
    }
    say(name);
    try {
      if (browser) await runInBrowser(name, options, emit, progress);
      else await runCommand(found, args, emit);
    } catch (error) {
      missing.push({ name, reason: error.message });
    }
  }
  return missing;
}
