// Makes a clone ready to run: installs the development packages and builds dist/, each only where it is missing or older
// than what it is made from. `npm start`, `npm test`, `npm run bench` and `npm run web` go through here, so that a fresh clone needs Node only.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const least = 20;
if (Number.parseInt(process.versions.node, 10) < least) {
  console.error(`lanewise needs Node ${least} or later; this is ${process.version}`);
  process.exit(1);
}

/** Modification times of the given files and of all files below the given folders; a missing one counts as `absent`. */
function times(paths, absent) {
  return paths.flatMap((path) => {
    const full = join(root, path);
    if (!existsSync(full)) return [absent];
    const stat = statSync(full);
    if (!stat.isDirectory()) return [stat.mtimeMs];
    return times(
      readdirSync(full).map((name) => join(path, name)),
      absent,
    );
  });
}
const newest = (paths) => Math.max(...times(paths, -Infinity));
const oldest = (paths) => Math.min(...times(paths, -Infinity));

/** Runs npm silently, after one line that says why; shows what it printed only if it failed. */
function npm(args, why) {
  console.error(`lanewise: ${why} (npm ${args.slice(0, 2).join(' ')}) ...`);
  const env = { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1' };
  const options = { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 };
  // Under `npm run` the path of npm's own script is known, and no shell is needed to find it.
  const script = process.env.npm_execpath;
  const own = script !== undefined && /npm-cli\.[cm]?js$/.test(script);
  const { status, stdout, stderr, error } = own
    ? spawnSync(process.execPath, [script, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (status === 0) return;
  console.error(`${stdout ?? ''}${stderr ?? ''}${error ?? ''}\nlanewise: npm ${args.join(' ')} failed`);
  process.exit(1);
}

const installed = 'node_modules/.package-lock.json';
if (oldest([installed]) < newest(['package-lock.json'])) {
  // The build tools are development packages, wanted even where NODE_ENV says production. None needs its install script.
  npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], 'installing the build tools');
}

const { targets } = JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8'));
const bundles = [
  'errors',
  'index',
  'readers',
  'inline',
  'lanewise.min',
  'worker',
  'worker-thread',
  'thread',
  'cli',
].map((name) => `dist/${name}.js`);
const parts = [
  {
    script: 'build:wasm',
    from: ['assembly', 'asconfig.json', 'scripts/wasm.mjs', 'scripts/kernels.mjs'],
    made: Object.values(targets).map((t) => t.outFile),
  },
  {
    script: 'build:js',
    from: ['src', 'assembly', 'rollup.config.mjs', 'scripts/kernels.mjs', 'tsconfig.json'],
    made: bundles,
  },
  { script: 'build:types', from: ['src', 'tsconfig.json', 'tsconfig.build.json'], made: ['dist/index.d.ts'] },
];
const stale = parts.filter(({ from, made }) => oldest(made) < newest([...from, installed]));
if (stale.length === parts.length) npm(['run', 'build'], 'building dist/');
else for (const { script } of stale) npm(['run', script], 'bringing dist/ up to date');
