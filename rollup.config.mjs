// Bundles src/ into dist/:
//   index.js   the library, for Node, browsers and bundlers alike: no imports at all
//   thread.js  what a worker of the thread pool runs; a file of its own because strict pages allow no blob workers
//   cli.js     the command, which imports ./index.js rather than a second copy of it; chunks it imports lazily are dist/cli-*.js
// `new URL('./lanewise.simd.wasm', import.meta.url)` must reach dist/index.js unaltered, so no asset plugin may touch it.
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import ts from 'typescript';

const root = dirname(fileURLToPath(import.meta.url));
const src = join(root, 'src');
const dist = join(root, 'dist');
const { compilerOptions } = ts.parseConfigFileTextToJson(
  'tsconfig.json',
  readFileSync(join(root, 'tsconfig.json'), 'utf8'),
).config;

/**
 * Strips types and comments file by file: `npm run check` is where types are checked, and the documentation is in the
 * declarations. Resolves './x.js' to x.ts.
 */
function typescript() {
  return {
    name: 'typescript',
    resolveId(source, importer) {
      if (!importer?.endsWith('.ts') || !source.startsWith('.')) return null;
      const file = resolve(dirname(importer), source.replace(/\.js$/, '.ts'));
      return existsSync(file) ? file : null;
    },
    transform(code, id) {
      if (!id.endsWith('.ts')) return null;
      const { outputText, diagnostics } = ts.transpileModule(code, {
        fileName: id,
        reportDiagnostics: true,
        compilerOptions: { ...compilerOptions, lib: undefined, noEmit: false },
      });
      const fault = diagnostics.find((d) => d.category === ts.DiagnosticCategory.Error);
      if (fault) this.error({ message: ts.flattenDiagnosticMessageText(fault.messageText, '\n'), pos: fault.start });
      return { code: withoutComments(outputText), map: null };
    },
  };
}

/** `text` less its comments, save those that speak to bundlers (webpackIgnore, @vite-ignore, #__PURE__). */
function withoutComments(text) {
  const source = ts.createSourceFile('module.js', text, ts.ScriptTarget.Latest, true);
  const ranges = new Map();
  const visit = (node) => {
    if (ts.isJSDoc(node)) return;
    const around = [ts.getLeadingCommentRanges(text, node.pos), ts.getTrailingCommentRanges(text, node.end)];
    for (const range of around.flat()) if (range) ranges.set(range.pos, range);
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  let kept = '';
  let at = 0;
  for (let { pos, end } of [...ranges.values()].sort((a, b) => a.pos - b.pos)) {
    if (/^\/\*\s*(webpack|@vite|[@#]__)/.test(text.slice(pos, end))) continue;
    // A comment that has its lines for itself takes them along.
    const before = text.lastIndexOf('\n', pos - 1) + 1;
    const after = text.indexOf('\n', end) + 1 || text.length;
    if (text.slice(before, pos).trim() === '' && text.slice(end, after).trim() === '') [pos, end] = [before, after];
    kept += text.slice(at, Math.max(at, pos));
    at = Math.max(at, end);
  }
  return kept + text.slice(at);
}

/** The command imports the library as its users do: one runtime, whoever holds it. */
function libraryIsExternal() {
  return {
    name: 'library-is-external',
    resolveId(source, importer) {
      if (!importer?.startsWith(src) || !source.startsWith('.')) return null;
      return resolve(dirname(importer), source) === join(src, 'index.js') ? { id: './index.js', external: true } : null;
    },
  };
}

/** Packages found in any bundle, with their licence texts: written to dist/THIRD-PARTY.txt by the last bundle. */
const bundled = new Map();
function licences() {
  return {
    name: 'licences',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        for (const [id, { renderedLength }] of Object.entries(chunk.modules ?? {})) {
          const folder =
            renderedLength > 0
              ? /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id.replaceAll('\0', ''))?.[0]
              : undefined;
          if (folder) bundled.set(folder, [...(bundled.get(folder) ?? []), chunk.fileName]);
        }
      }
      const notes = [...bundled].map(([folder, files]) => {
        const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
        // The loader comes without the text; it is of the same repository and licence as the compiler.
        const source = name === '@assemblyscript/loader' ? join(root, 'node_modules/assemblyscript') : folder;
        const texts = readdirSync(source, { recursive: true }).filter((file) =>
          /^(licenses[\\/])?(licen[cs]e|notice)(?!s$)[^\\/]*$/i.test(file),
        );
        if (texts.length === 0) this.error(`${name} is bundled but carries no licence text`);
        const body = texts.map((file) => readFileSync(join(source, file), 'utf8').trim()).join('\n\n');
        return `${name} ${version} (${license}), in ${[...new Set(files)].sort().join(', ')}\n\n${body}\n`;
      });
      const rule = `\n${'-'.repeat(80)}\n\n`;
      writeFileSync(
        join(dist, 'THIRD-PARTY.txt'),
        ['Packages whose code is part of files in this folder.\n', ...notes.sort()].join(rule),
      );
    },
  };
}

function bundle(entry, name, { plugins = [], output = {}, external = [] } = {}) {
  return {
    input: { [name]: join(src, entry) },
    external,
    plugins: [
      ...plugins,
      typescript(),
      nodeResolve({ exportConditions: ['import', 'default'], preferBuiltins: true }),
      licences(),
    ],
    output: { dir: dist, format: 'es', entryFileNames: '[name].js', ...output },
    onwarn(warning) {
      // An unresolved or circular import is a fault of ours; a cycle within a package is its own affair.
      if (warning.code === 'CIRCULAR_DEPENDENCY' && warning.ids?.every((id) => id.includes('node_modules'))) return;
      const at = warning.loc ? ` (${relative(root, warning.loc.file ?? '')}:${warning.loc.line})` : '';
      throw new Error(`${warning.code}: ${warning.message}${at}`);
    },
  };
}

const node = [...builtinModules, ...builtinModules.map((m) => `node:${m}`)];
const has = (file) => existsSync(join(src, file));

export default [
  bundle('index.ts', 'index', { output: { inlineDynamicImports: true } }),
  has('runtime/thread.ts') && bundle('runtime/thread.ts', 'thread', { output: { inlineDynamicImports: true } }),
  has('cli/main.ts') &&
    bundle('cli/main.ts', 'cli', {
      external: node,
      plugins: [libraryIsExternal()],
      output: {
        chunkFileNames: 'cli-[name].js',
        banner: (chunk) => (chunk.isEntry ? '#!/usr/bin/env node' : ''),
        plugins: [{ name: 'executable', writeBundle: () => chmodSync(join(dist, 'cli.js'), 0o755) }],
      },
    }),
].filter(Boolean);
