// The order of the house: a module of src/ imports only from units above its own in this list, or from its own folder, and
// nothing imports itself in a circle. Type imports count: a type is a dependency too.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const order = [
  'errors',
  'shape',
  'format',
  'version',
  'crc32',
  'runtime',
  'memory',
  'engine',
  'kernels',
  'imageKernels',
  'classicKernels',
  'tensor',
  'arithmetic',
  'randomArguments',
  'random',
  'layers',
  'optim',
  'gradientCheck',
  'timing',
  'safetensors',
  'checkpoint',
  'store',
  'augment',
  'summary',
  'construction',
  'network',
  'models',
  'classifiers',
  'solver',
  'data',
  'hyperparameters',
  'features',
  'preprocessing',
  'vis',
  'worker',
  'index',
  'script',
  'conformance',
  'cli',
];

/**
 * Packages that a unit may import; all but these have none. Of Node's own modules the library names types only, which
 * package.node.test.ts makes sure of: it finds no import at all in the bundle.
 */
const packages: Record<string, RegExp> = {
  runtime: /^(@assemblyscript\/loader|node:.+)$/,
  solver: /^node:.+$/,
  data: /^(modern-tar|node:.+)$/,
  cli: /^(node:.+|cac|echarts(\/.+)?|fast-png)$/,
};

const src = fileURLToPath(new URL('../src', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'));
const unitOf = (file: string) => file.split('/')[0].replace(/\.ts$/, '');

const imports = new Map(
  files.map((file) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), 'utf8'), true, true);
    return [file, importedFiles.map(({ fileName }) => fileName)] as const;
  }),
);
const target = (file: string, name: string) => posix.join(posix.dirname(file), name).replace(/\.js$/, '.ts');
const local = (file: string) =>
  (imports.get(file) ?? []).filter((name) => name.startsWith('.')).map((name) => target(file, name));

test('every file of src/ belongs to a unit of the list', () => {
  expect(files.filter((file) => !order.includes(unitOf(file)))).toEqual([]);
});

test('imports go one way', () => {
  const wrong = files.flatMap((file) =>
    local(file)
      .filter((to) => unitOf(to) !== unitOf(file) && order.indexOf(unitOf(to)) >= order.indexOf(unitOf(file)))
      .map((to) => `${file} imports ${to}`),
  );
  expect(wrong).toEqual([]);
});

test('imports name existing files of src/, with their .js suffix', () => {
  const wrong = files.flatMap((file) =>
    (imports.get(file) ?? [])
      .filter((name) => name.startsWith('.') && !(name.endsWith('.js') && imports.has(target(file, name))))
      .map((name) => `${file} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

test('the command knows the library by its public face only', () => {
  // Anything else of src/ would be bundled a second time, with a runtime of its own. The program of equal bits has none: it is
  // handed a library.
  const faces = ['index.ts', 'conformance.ts'];
  const inside = files.filter((file) => unitOf(file) === 'cli');
  expect(inside.flatMap(local).filter((to) => unitOf(to) !== 'cli' && !faces.includes(to))).toEqual([]);
});

test('packages are imported where they belong', () => {
  const wrong = files.flatMap((file) =>
    (imports.get(file) ?? [])
      .filter((name) => !name.startsWith('.') && !packages[unitOf(file)]?.test(name))
      .map((name) => `${file} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

test('no module imports itself in a circle', () => {
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' > '));
    if (finished.has(file) || path.includes(file)) return;
    for (const to of local(file)) visit(to, [...path, file]);
    finished.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});
