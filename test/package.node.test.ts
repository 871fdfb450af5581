// What a user of the package gets: the files in it, that they load anywhere and how large they are. It looks at dist/ as built.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { npmPack } from './pack.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));
const manifest = JSON.parse(read('package.json').toString());
const builds = ['simd', 'relaxed', 'simd.threads', 'relaxed.threads'];

/** Bytes that a page loads, gzipped, by what it asks for. The binary is one of the four. */
const budgets: Record<string, { files: string[]; binary: boolean; most: number }> = {
  'lanewise, to train with': { files: ['index.js', 'errors.js'], binary: true, most: 107_000 },
  'lanewise/worker on the main thread': { files: ['worker.js', 'errors.js'], binary: false, most: 7_000 },
  'and in its worker': { files: ['worker-thread.js'], binary: true, most: 92_000 },
  'a thread of the pool': { files: ['thread.js'], binary: false, most: 1_500 },
  'reading and writing files of data': { files: ['readers.js'], binary: false, most: 20_000 },
  'lanewise/inline': { files: ['inline.js'], binary: false, most: 160_000 },
  'lanewise.min.js': { files: ['lanewise.min.js'], binary: false, most: 170_000 },
};

describe('the packed files', () => {
  const { files, unpackedSize } = npmPack('--dry-run');
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
      .concat(Object.values(manifest.bin), manifest.types, manifest.unpkg, manifest.jsdelivr);
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
    const entries = ['index.d.ts', 'worker/index.d.ts'].map((name) => {
      return fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
    });
    const program = ts.createProgram(entries, options);
    const faults = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      return `${file?.fileName.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(faults).toEqual([]);
  });

  test('satisfy publint', async () => {
    const { messages } = await publint({ pkgDir: root, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, manifest, { color: false }))).toEqual([]);
  });

  test('satisfy arethetypeswrong: every entry with types, for ESM and bundlers', { timeout: 180_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lanewise-types-'));
    try {
      const { filename } = npmPack('--pack-destination', folder);
      const home = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json');
      const { bin } = JSON.parse(readFileSync(home, 'utf8')) as { bin: { attw: string } };
      const entries = ['--entrypoints', '.', './worker', './inline'];
      const args = [join(home, '..', bin.attw), join(folder, filename), '--profile', 'esm-only', ...entries];
      const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
        execFile(process.execPath, args, (error, stdout) => resolve({ code: error?.code ?? 0, stdout }));
      });
      expect(code, stdout).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
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

/** What each file of the library imports: the classes of errors, and on demand the readers of data. */
const beside = {
  'dist/errors.js': [],
  'dist/index.js': ['./errors.js', './readers.js'],
  'dist/readers.js': ['./errors.js', './index.js'],
  'dist/worker.js': ['./errors.js'],
  'dist/worker-thread.js': [],
  'dist/thread.js': [],
  'dist/inline.js': [],
  'dist/lanewise.min.js': [],
};
/** Those that name other files, and the scripts among these. */
const naming: Record<string, string[]> = {
  'dist/index.js': ['./thread.js'],
  'dist/worker.js': ['./thread.js', './worker-thread.js'],
};

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
  if (path !== 'dist/thread.js') {
    test('awaits nothing at its top level: Node can require() it, and no message to a worker is lost', () => {
      expect(found.awaits).toBe(0);
    });
  }
  const scripts = naming[path];
  if (scripts) {
    test('names its files as bundlers expect: new URL(literal, import.meta.url), and they exist', () => {
      expect([...new Set(found.urls)].sort()).toEqual(
        [...builds.map((build) => `./lanewise.${build}.wasm`), ...scripts].sort(),
      );
      const dist = new URL('../dist/', import.meta.url);
      expect(found.urls.filter((url) => !existsSync(new URL(url, dist)))).toEqual([]);
    });
  }
});

test('scripts of workers are too large to be made data: URLs, from which strict pages start no worker', () => {
  // Vite does so below 4 kB.
  for (const path of ['dist/thread.js', 'dist/worker-thread.js']) expect(read(path).length).toBeGreaterThan(4096);
});

test('one file is one file: no other is asked for', () => {
  for (const path of ['dist/inline.js', 'dist/lanewise.min.js']) {
    expect(read(path).toString()).not.toMatch(/\.wasm['"`]|\.\/(thread|readers)\.js/);
  }
});

test('the command uses the library beside it, not a copy', () => {
  const text = read('dist/cli.js').toString();
  const source = ts.preProcessFile(text, true, true);
  expect(text.slice(0, text.indexOf('\n'))).toBe('#!/usr/bin/env node');
  expect(source.importedFiles.map(({ fileName }) => fileName)).toContain('./index.js');
  expect(text.includes('lanewise.simd.wasm'), 'holds the runtime itself').toBe(false);
});

test.each(Object.entries(budgets))('size: %s', (what, { files, binary, most }) => {
  const gzipped = (path: string) => gzipSync(read(`dist/${path}`), { level: 9 }).length;
  const binaries = builds.map((build) => gzipped(`lanewise.${build}.wasm`));
  const size = files.reduce((sum, file) => sum + gzipped(file), binary ? Math.max(...binaries) : 0);
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`gzipped: ${what}: ${kB(size)} of at most ${kB(most)}`);
  expect(size).toBeLessThanOrEqual(most);
});
