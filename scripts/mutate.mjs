// Mutation tests: breaks kernels and layers in many small ways (scripts/mutants.mjs), one at a time, and shows that the tests
// notice. Works in a copy, out/mutants/; only what a mutant needs is built anew.
//   npm run mutate -- [--only REGEX] [--from N] [--list]
// A mutant is killed by a failing test, or by tests that do not end. Those next to the file run first, the others only if
// these notice nothing. Exit code 1: a mutant survived, or could not be made.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import asc from 'assemblyscript/asc';
import { rollup } from 'rollup';
import { mutants, nearest } from './mutants.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const work = join(root, 'out', 'mutants');
const BUILD = 'simd';
/** dist/ when nothing is broken. */
const SOUND = 'sound';
/** One test file that runs longer is taken for endless. */
const PATIENCE_MS = 180_000;
/**
 * The suites in Node, on one thread: nothing of a browser is even looked for, and kernels for threads are not built, nor the
 * bundle of the workers.
 */
const CONFIG = `
import { fileURLToPath } from 'node:url';

export default {
  resolve: { alias: { lanewise: fileURLToPath(new URL('./dist/index.js', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.node.test.ts', 'test/**/*threads.test.ts', 'test/worker/**'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    provide: { build: '${BUILD}', threads: 1 },
    server: { deps: { external: [/[\\\\/]dist[\\\\/]index\\.js$/] } },
  },
};
`;

const { values } = parseArgs({
  options: { only: { type: 'string' }, from: { type: 'string' }, list: { type: 'boolean' } },
});

/** The mutant's file with its change. */
function broken(text, [file, found, instead, nth]) {
  const places = text.split(found).length - 1;
  if (nth === undefined ? places !== 1 : places <= nth) throw new Error(`${file}: ${places} places read ${found}`);
  let at = text.indexOf(found);
  for (let k = 0; k < (nth ?? 0); k++) at = text.indexOf(found, at + 1);
  return text.slice(0, at) + instead + text.slice(at + found.length);
}

function copy() {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const parts = [
    'assembly',
    'src',
    'test',
    'dist',
    'scripts',
    'bench',
    'examples',
    'README.md',
    'LICENSE',
    'package.json',
  ];
  parts.push('package-lock.json', 'asconfig.json', 'rollup.config.mjs', 'tsconfig.json');
  for (const part of parts) cpSync(join(root, part), join(work, part), { recursive: true });
  writeFileSync(join(work, 'vitest.config.ts'), CONFIG);
  symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'), 'dir');
}

async function buildKernels() {
  // Hardly optimised: a third of the time, and the same numbers.
  const args = ['--config', 'asconfig.json', '--target', BUILD, '--baseDir', work, '--optimizeLevel', '1'];
  const { error, stderr } = await asc.main(args);
  if (error) throw new Error(`${error.message}\n${stderr}`);
}

let bundles;
async function buildLibrary() {
  bundles ??= (await import(pathToFileURL(join(work, 'rollup.config.mjs')).href)).default({ configPlain: true });
  for (const options of bundles.filter(({ input }) => 'index' in input || 'readers' in input)) {
    const bundle = await rollup(options);
    await bundle.write(options.output);
    await bundle.close();
  }
}

/** Whether the tests of some files pass; undefined if they do not end. files: none for all. */
function pass(files) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--bail', '1', '--reporter', 'dot', ...files];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
    cwd: work,
    encoding: 'utf8',
    timeout: files.length === 1 ? PATIENCE_MS : 10 * PATIENCE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 27,
  });
  const text = stripVTControlCharacters(stdout + stderr);
  if (error?.code === 'ETIMEDOUT') return { passed: undefined, text };
  if (!/Tests? /.test(text)) throw new Error(`the tests did not run:\n${text}`);
  return { passed: status === 0, text };
}

const testsOf = (file) => Object.entries(nearest).find(([start]) => file.startsWith(start))?.[1] ?? [];

/** What became of a mutant. */
async function judge(mutant) {
  const [file] = mutant;
  const place = join(work, file);
  const sound = readFileSync(place, 'utf8');
  const isKernel = file.startsWith('assembly/');
  writeFileSync(place, broken(sound, mutant));
  try {
    await (isKernel ? buildKernels() : buildLibrary());
    for (const tests of testsOf(file)) {
      const outcome = pass([tests]);
      if (!outcome.passed) return { killed: true, by: killer(outcome) };
    }
    const outcome = pass([]);
    return outcome.passed ? { killed: false } : { killed: true, by: `${killer(outcome)} (of all tests)` };
  } finally {
    writeFileSync(place, sound);
    cpSync(join(work, SOUND), join(work, 'dist'), { recursive: true });
  }
}

function killer({ passed, text }) {
  if (passed === undefined) return 'tests that did not end';
  return /FAIL\s+(.*)/.exec(text)?.[1]?.slice(0, 110) ?? 'an error outside a test';
}

const wanted = mutants
  .map((mutant, number) => ({ mutant, number }))
  .filter(({ mutant, number }) => number >= Number(values.from ?? 0) && new RegExp(values.only ?? '').test(mutant[0]));
if (values.list) {
  for (const { mutant, number } of wanted) console.log(number, mutant[0], JSON.stringify(mutant.slice(1, 3)));
  process.exit(0);
}
if (!existsSync(join(root, `dist/lanewise.${BUILD}.wasm`))) throw new Error('dist/ is not built: npm run build');
// All can be made, before any is.
for (const { mutant } of wanted) broken(readFileSync(join(root, mutant[0]), 'utf8'), mutant);
// A package within the package is what the test of the package refuses, so that nothing may stay.
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
copy();
await buildKernels();
await buildLibrary();
cpSync(join(work, 'dist'), join(work, SOUND), { recursive: true });
const near = [...new Set(wanted.flatMap(({ mutant: [file] }) => testsOf(file)))];
const sound = pass(near);
if (!sound.passed) throw new Error(`the tests fail without a mutant:\n${sound.text}`);
const start = performance.now();
const survivors = [];
let made = 0;
for (const { mutant, number } of wanted) {
  const began = performance.now();
  const { killed, by } = await judge(mutant);
  made++;
  if (!killed) survivors.push({ mutant, number });
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `${number} ${mutant[0]} ${killed ? `killed by ${by}` : `SURVIVED: ${JSON.stringify(mutant.slice(1, 3))}`} (${seconds} s)`,
  );
}
console.log(
  `${made - survivors.length} of ${made} mutants killed, ${((performance.now() - start) / 60_000).toFixed(1)} min`,
);
if (survivors.length > 0) process.exitCode = 1;
