// Bundles src/ into dist/:
//   errors.js  the classes of errors, which all entries share
//   readers.js reading and writing files of data, which index.js loads when it is first asked for
//   index.js   the library, for Node, browsers and bundlers alike
//   thread.js  what a worker of the thread pool runs; a file of its own because strict pages allow no blob workers
//   worker.js  lanewise/worker, the page's side; worker-thread.js is what its workers run, all in one file
//   inline.js  index.js with the binaries in it; lanewise.min.js is that and lanewise/worker for a script tag
//   conformance.js  the program that shows equal bits
//   cli.js     the command, which imports ./index.js rather than a second copy of it; chunks that it imports are
//              dist/cli-*.js, and cli-worker.js is what its worker threads run
// They are minified; `npm run build:js -- --configPlain` leaves names and comments, for profiles and stack traces.
// `new URL('./lanewise.simd.wasm', import.meta.url)` must reach dist/index.js unaltered, so no asset plugin may touch it.
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { minify } from 'terser';
import ts from 'typescript';
import { kernelExports, kernelStamp } from './scripts/kernels.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const src = join(root, 'src');
const dist = join(root, 'dist');
const { compilerOptions } = ts.parseConfigFileTextToJson(
  'tsconfig.json',
  readFileSync(join(root, 'tsconfig.json'), 'utf8'),
).config;

/** Strips types file by file: `npm run check` is where types are checked. Resolves './x.js' to x.ts. */
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
      return { code: outputText, map: null };
    },
  };
}

/**
 * The kernels import a memory and take and give numbers. What the loader builds to print for a module and to move strings
 * and arrays across, 7 kB, is left out: its `exports` are the instance's own. So is what it changes on `Object` for hosts
 * too old for this library, and its question for a Response: to answer it Node loads all of fetch, 45 ms of a start.
 */
const thinLoader = {
  name: 'thin-loader',
  transform(code, id) {
    if (!id.includes('@assemblyscript/loader')) return null;
    const parts = [
      [/^Object\.hasOwn = .*?^};$/ms, ''],
      [/return typeof Response !== "undefined" && src instanceof Response;/, 'return false;'],
      [/= preInstantiate\(imports\)/g, '= undefined'],
      [/= postInstantiate\(extended, ((?:result\.)?instance)\)/g, '= $1.exports'],
    ];
    const thin = parts.reduce((text, [found, instead]) => {
      if (text.search(found) < 0) this.error(`the loader has no ${found}`);
      return text.replace(found, instead);
    }, code);
    return { code: thin, map: null };
  },
};

/** Packages ask where they run; in the bundles, pages among them, there is no `process.env` to ask. */
const production = {
  name: 'production',
  transform(code, id) {
    if (!id.includes('node_modules') || !code.includes('process.env.NODE_ENV')) return null;
    return { code: code.replaceAll('process.env.NODE_ENV', "'production'"), map: null };
  },
};

/** Tells the code which kernels it was built with; see runtime/instance.ts. */
const kernels = {
  name: 'kernels',
  transform(code, id) {
    if (!id.endsWith('instance.ts')) return null;
    const stamped = code
      .replaceAll('__KERNEL_STAMP__', JSON.stringify(kernelStamp()))
      .replaceAll('__KERNEL_EXPORTS__', String(kernelExports()));
    return { code: stamped, map: null };
  },
};

/** Comments that outlive minifying: the notice on top, and what tells bundlers to leave an import alone. */
const lasting = /^!|^\s*(webpack|@vite|[@#]__)/;

/** Modules of src/ that are files of their own in dist/: imported as they are, not bundled a second time. */
function external(modules) {
  return {
    name: 'external',
    resolveId(source, importer) {
      if (!importer?.startsWith(src) || !source.startsWith('.')) return null;
      const id = modules[relative(src, resolve(dirname(importer), source))];
      return id ? { id, external: true } : null;
    },
  };
}

/** The binaries, for what is to be one file: those without threads, which need a second one. */
const inlineBinaries = {
  name: 'inline-binaries',
  resolveId(source, importer) {
    const wanted = importer?.startsWith(src) && source.endsWith('/assets.js');
    return wanted ? join(src, 'runtime/inlineAssets.ts') : null;
  },
  transform(code, id) {
    if (id !== join(src, 'runtime/inlineAssets.ts')) return null;
    const binaries = ['simd', 'relaxed'].map((build) => {
      const file = join(dist, `lanewise.${build}.wasm`);
      if (!existsSync(file)) this.error(`${relative(root, file)} is missing: npm run build:wasm makes it`);
      return [build, deflateSync(readFileSync(file), { level: 9 }).toString('base64')];
    });
    return { code: `${code}\nconst BINARIES = ${JSON.stringify(Object.fromEntries(binaries))};\n`, map: null };
  },
};

/**
 * Minifies, but leaves statements on lines of their own. `conditionals` would fold two `new URL(literal, import.meta.url)`
 * into one with a computed name, which no bundler can follow.
 * own: code of ours alone. What functions become there, the chart library's could not: it makes objects by functions.
 */
const minifier = (own, module = true) => ({
  name: 'minify',
  async renderChunk(code) {
    const { code: small } = await minify(code, {
      module,
      ecma: 2022,
      toplevel: module,
      // `conditionals` would merge two `new URL(literal, import.meta.url)` into one that bundlers do not recognise.
      // inline 1, no sequences, one kind of quotes: what gzip makes smallest.
      compress: {
        passes: 3,
        conditionals: false,
        inline: 1,
        sequences: false,
        unsafe_arrows: own,
        unsafe_methods: own,
      },
      format: { quote_style: 1, semicolons: false, comments: lasting },
    });
    return { code: small, map: null };
  },
});

/** Folders of the packages whose code is in a chunk. */
function packagesIn(chunk) {
  const ids = Object.entries(chunk.modules ?? {}).filter(([, { renderedLength }]) => renderedLength > 0);
  const folders = ids.map(([id]) => /^\0?(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)/.exec(id)?.[1]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}
const manifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** What stays with the code when a user's bundler takes it along. */
function notice(chunk) {
  const others = packagesIn(chunk).map(manifest);
  const list = others.map(({ name, license }) => `${name}, ${license}`).join('; ');
  return `/*! lanewise ${manifest(root).version}, MIT licence${list && `; contains ${list}`}. See THIRD-PARTY.txt */`;
}

/** Collects the licence texts of packages found in any bundle in dist/THIRD-PARTY.txt. */
const bundled = new Map();
const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      for (const folder of packagesIn(chunk)) bundled.set(folder, [...(bundled.get(folder) ?? []), chunk.fileName]);
    }
    const notes = [...bundled].map(([folder, files]) => {
      const { name, version, license } = manifest(folder);
      // The loader comes without the text; it is of the same repository and licence as the compiler.
      const source = name === '@assemblyscript/loader' ? join(root, 'node_modules/assemblyscript') : folder;
      const texts = readdirSync(source, { recursive: true }).filter((file) =>
        /^(licenses[\\/])?(licen[cs]e|notice)(?!s$)[^\\/]*$/i.test(file),
      );
      if (texts.length === 0) this.error(`${name} is bundled but carries no licence text`);
      const body = texts.map((file) => readFileSync(join(source, file), 'utf8').trim()).join('\n\n');
      return `${name} ${version} (${license}), in ${files.sort().join(', ')}\n\n${body}\n`;
    });
    const rule = `\n${'-'.repeat(80)}\n\n`;
    const title = 'Packages whose code is part of files in this folder.\n';
    writeFileSync(join(dist, 'THIRD-PARTY.txt'), [title, ...notes.sort()].join(rule));
  },
};

function bundle(entry, name, { plugins = [], output = {}, external = [], others = {} }) {
  return {
    input: { [name]: join(src, entry), ...others },
    external,
    plugins: [
      ...plugins,
      typescript(),
      thinLoader,
      production,
      kernels,
      nodeResolve({ exportConditions: ['import', 'default'], preferBuiltins: true }),
      licences,
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

/** The same classes for whoever catches an error, wherever it was thrown. */
const shared = { 'errors.js': './errors.js' };
const node = [...builtinModules, ...builtinModules.map((m) => `node:${m}`)];

/** The bundles; `configPlain` is the command line's --configPlain. */
export default ({ configPlain = false }) => {
  const minified = configPlain ? [] : [minifier(true)];
  return [
    bundle('errors.ts', 'errors', { plugins: minified, output: { banner: notice } }),
    bundle('index.ts', 'index', {
      plugins: [external({ 'data/readers.js': './readers.js', ...shared }), ...minified],
      output: { inlineDynamicImports: true, banner: notice },
    }),
    // Loaded by index.js when data are read; it makes the tensors of the library, so it takes them from there.
    bundle('data/readers.ts', 'readers', {
      plugins: [external({ ...shared, 'tensor.js': './index.js' }), ...minified],
      output: { inlineDynamicImports: true, banner: notice },
    }),
    bundle('worker/index.ts', 'worker', { plugins: [external(shared), ...minified], output: { banner: notice } }),
    // Bundlers copy these as they are, so they import nothing. With no export either they would look like CommonJS to tools.
    // Vite makes a data: URL of what is smaller than 4 kB, from which a page with a strict policy starts no worker.
    ...[
      ['runtime/thread.ts', 'thread'],
      ['worker/thread.ts', 'worker-thread'],
    ].map(([entry, name]) =>
      bundle(entry, name, {
        plugins: minified,
        output: { inlineDynamicImports: true, banner: notice, footer: `export {};\n/*! ${' '.repeat(4096)} */` },
      }),
    ),
    bundle('index.ts', 'inline', {
      plugins: [inlineBinaries, ...minified],
      output: { inlineDynamicImports: true, banner: notice },
    }),
    bundle('script.ts', 'lanewise.min', {
      plugins: [inlineBinaries, ...(configPlain ? [] : [minifier(true, false)])],
      output: { format: 'iife', name: 'lanewise', inlineDynamicImports: true, banner: notice },
    }),
    // For the benchmark and its page, which hand it a library; the command has a copy.
    bundle('conformance.ts', 'conformance', {
      plugins: minified,
      output: { inlineDynamicImports: true, banner: notice },
    }),
    bundle('cli/main.ts', 'cli', {
      others: { 'cli-worker': join(src, 'cli/worker.ts') },
      external: node,
      // The command imports the library as its users do: one runtime, whoever holds it.
      plugins: [external({ 'index.js': './index.js' }), ...(configPlain ? [] : [minifier(false)])],
      output: {
        chunkFileNames: 'cli-[name].js',
        banner: (chunk) => `${chunk.name === 'cli' ? '#!/usr/bin/env node\n' : ''}${notice(chunk)}`,
        plugins: [{ name: 'executable', writeBundle: () => chmodSync(join(dist, 'cli.js'), 0o755) }],
      },
    }),
  ];
};
