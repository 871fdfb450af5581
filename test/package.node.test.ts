// What a user of the package gets: the files in it, that they load anywhere and how large they are. It looks at dist/ as built.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));
const manifest = JSON.parse(read('package.json').toString());
const builds = ['simd', 'relaxed', 'simd.threads', 'relaxed.threads'];

/** Library and one binary, gzipped: what a page loads before it trains. */
const budget = 90_000;

describe('the packed files', () => {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  // Under `npm test` the path of npm's own script is known, and no shell is needed to find it.
  const script = process.env.npm_execpath;
  const printed =
    script !== undefined && /npm-cli\.[cm]?js$/.test(script)
      ? execFileSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' })
      : execFileSync('npm', args, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
  const [{ files, unpackedSize }] = JSON.parse(printed) as [{ files: { path: string }[]; unpackedSize: number }];
  const paths = files.map(({ path }) => path);

  test('are the build, its licences and the README', () => {
    for (const path of ['package.json', 'README.md', 'LICENSE', 'dist/THIRD-PARTY.txt', 'dist/index.d.ts']) {
      expect(paths).toContain(path);
    }
    for (const build of builds) expect(paths).toContain(`dist/lanewise.${build}.wasm`);
    expect(paths.filter((path) => !/^(dist\/|package\.json$|README\.md$|LICENSE$)/.test(path))).toEqual([]);
    expect(paths.filter((path) => !/\.(js|d\.ts|wasm|txt|md|json)$|^LICENSE$/.test(path))).toEqual([]);
    console.log(`package: ${paths.length} files, ${(unpackedSize / 1000).toFixed(0)} kB unpacked`);
  });

  test('include everything that package.json points to', () => {
    const targets = Object.values(manifest.exports as Record<string, string | Record<string, string>>)
      .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
      .concat(Object.values(manifest.bin), manifest.types);
    for (const path of targets) expect(paths).toContain(path.replace(/^\.\//, ''));
  });

  test('include every declaration that another one imports', () => {
    const declarations = paths.filter((path) => path.endsWith('.d.ts'));
    const missing = declarations.flatMap((path) =>
      ts
        .preProcessFile(read(path).toString(), true, true)
        .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
        .map(({ fileName }) => new URL(fileName.replace(/\.js$/, '.d.ts'), `file:///${path}`).pathname.slice(1))
        .filter((target) => !paths.includes(target)),
    );
    expect(missing).toEqual([]);
  });

  test('declare types that need no other package', () => {
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.esnext.disposable.d.ts'],
      types: [],
      strict: true,
      noEmit: true,
    };
    const program = ts.createProgram([fileURLToPath(new URL('../dist/index.d.ts', import.meta.url))], options);
    const faults = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      return `${file?.fileName.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(faults).toEqual([]);
  });

  test('satisfy publint', async () => {
    const { messages } = await publint({ pkgDir: root, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, manifest, { color: false }))).toEqual([]);
  });
});

test('the package installs nothing else and runs nothing when it is installed', () => {
  for (const field of ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies']) {
    expect(manifest[field]).toBeUndefined();
  }
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
    expect(manifest.scripts[script]).toBeUndefined();
  }
});

describe('the packages that build and test it', () => {
  const { packages } = JSON.parse(read('package-lock.json').toString()) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; link?: boolean; version?: string }>;
  };
  const root = packages[''] as { devDependencies?: Record<string, string> };

  test('are pinned to one version each, and the lock file agrees', () => {
    const versions = manifest.devDependencies as Record<string, string>;
    expect(Object.entries(versions).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(root.devDependencies).toEqual(versions);
    for (const [name, version] of Object.entries(versions)) {
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });
  test('are all for development: whoever installs lanewise installs none of them', () => {
    const others = Object.entries(packages).filter(([path, { dev, devOptional }]) => path && !dev && !devOptional);
    expect(others.map(([path]) => path)).toEqual([]);
  });
});

describe('the lock file', () => {
  type Entry = { resolved?: string; optionalDependencies?: Record<string, string> };
  const { packages: locked } = JSON.parse(read('package-lock.json').toString()) as { packages: Record<string, Entry> };

  test('names no registry', () => {
    expect(Object.keys(locked).filter((path) => locked[path].resolved !== undefined)).toEqual([]);
  });
  test("holds the build tools' binaries for every platform, without which npm ci refuses it", () => {
    const missing = Object.entries(locked).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !locked[`node_modules/${name}`] && !locked[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });
});

/** What each file of the library imports: the readers of data, on demand, and they its errors. */
const beside = { 'dist/index.js': ['./readers.js'], 'dist/readers.js': ['./index.js'], 'dist/thread.js': [] };

describe.each(Object.entries(beside))('%s', (path, neighbours) => {
  const text = read(path).toString();
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found = { imports: [] as string[], evaluated: [] as string[], awaits: 0, urls: [] as string[] };
  const visit = (node: ts.Node, inFunction: boolean) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      found.imports.push(node.moduleSpecifier.getText().slice(1, -1));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      // A computed specifier is meant for the runtime alone, and no bundler follows it.
      if (ts.isStringLiteralLike(node.arguments[0])) found.imports.push(node.arguments[0].text);
    } else if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && ts.isIdentifier(node.expression)) {
      if (['eval', 'Function'].includes(node.expression.text)) found.evaluated.push(node.getText());
      const [url, base] = node.arguments ?? [];
      if (node.expression.text === 'URL' && ts.isStringLiteral(url) && base?.getText() === 'import.meta.url') {
        found.urls.push(url.text);
      }
    } else if (ts.isAwaitExpression(node) && !inFunction) found.awaits++;
    const deeper = inFunction || ts.isFunctionLike(node);
    ts.forEachChild(node, (child) => visit(child, deeper));
  };
  visit(source, false);

  test('imports only files beside it: no package to resolve, and no node: module reaches a web build', () => {
    expect([...new Set(found.imports)]).toEqual(neighbours);
  });
  test('evaluates no text: a strict Content-Security-Policy holds', () => {
    expect(found.evaluated).toEqual([]);
    expect(text).not.toMatch(/createObjectURL|new Blob\(/);
  });
  if (path === 'dist/index.js') {
    test('awaits nothing at its top level: Node can require() it', () => {
      expect(found.awaits).toBe(0);
    });
    test('names its binaries as bundlers expect: new URL(literal, import.meta.url), and they exist', () => {
      for (const build of builds) expect(found.urls).toContain(`./lanewise.${build}.wasm`);
      const dist = new URL('../dist/', import.meta.url);
      expect(found.urls.filter((url) => !existsSync(new URL(url, dist)))).toEqual([]);
    });
  }
});

test('the command uses the library beside it, not a copy', () => {
  const text = read('dist/cli.js').toString();
  const source = ts.preProcessFile(text, true, true);
  expect(text.slice(0, text.indexOf('\n'))).toBe('#!/usr/bin/env node');
  expect(source.importedFiles.map(({ fileName }) => fileName)).toContain('./index.js');
  expect(text.includes('lanewise.simd.wasm'), 'holds the runtime itself').toBe(false);
});

test(`library and one binary are at most ${budget / 1000} kB gzipped`, () => {
  const gzipped = (path: string) => gzipSync(read(path), { level: 9 }).length;
  const kB = (size: number) => `${(size / 1000).toFixed(1)} kB`;
  const library = gzipped('dist/index.js');
  const sizes = builds.map((build) => ({ build, size: gzipped(`dist/lanewise.${build}.wasm`) }));
  const thread = gzipped('dist/thread.js');
  console.log(
    [
      `gzipped: index.js ${kB(library)}`,
      `thread.js ${kB(thread)}`,
      ...sizes.map(({ build, size }) => `${build} ${kB(size)}`),
    ].join(', '),
  );
  for (const { build, size } of sizes) expect(library + size, build).toBeLessThanOrEqual(budget);
});
