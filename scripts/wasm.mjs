// Compiles assembly/index.ts into dist/lanewise.<target>.wasm, one binary for each target in asconfig.json.
//   node scripts/wasm.mjs                 all targets
//   node scripts/wasm.mjs simd relaxed    only these
//   node scripts/wasm.mjs --pedantic      writes nothing; any remark of the compiler is a failure (the linter of assembly/)
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import binaryen from 'assemblyscript/binaryen';
import { kernelStamp, SECTION } from './kernels.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const asc = fileURLToPath(new URL('../node_modules/assemblyscript/bin/asc.js', import.meta.url));
const { targets } = JSON.parse(readFileSync(new URL('../asconfig.json', import.meta.url), 'utf8'));

const { values, positionals } = parseArgs({ allowPositionals: true, options: { pedantic: { type: 'boolean' } } });
const wanted = positionals.length > 0 ? positionals : Object.keys(targets);
for (const name of wanted) {
  if (!Object.hasOwn(targets, name)) {
    console.error(`no target '${name}' in asconfig.json; there are ${Object.keys(targets).join(', ')}`);
    process.exit(2);
  }
}

/**
 * Optimises a binary once more, until it stops shrinking: asc inlines last and does not look again at what came of it. Then
 * says of which sources it is.
 */
function optimize(file) {
  const module = binaryen.readBinary(readFileSync(file));
  const { Features } = binaryen;
  const used = [
    'SIMD128',
    'RelaxedSIMD',
    'Atomics',
    'BulkMemory',
    'BulkMemoryOpt',
    'NontrappingFPToInt',
    'SignExt',
    'MutableGlobals',
  ];
  module.setFeatures(used.reduce((all, name) => all | Features[name], 0));
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(1);
  let bytes = module.emitBinary();
  for (let before = Infinity; bytes.length < before; ) {
    before = bytes.length;
    module.optimize();
    bytes = module.emitBinary();
  }
  module.addCustomSection(SECTION, new TextEncoder().encode(stamp));
  bytes = module.emitBinary();
  module.dispose();
  writeFileSync(file, bytes);
  return bytes.length;
}

const stamp = kernelStamp();

/** Runs the compiler for one target; resolves to whether it succeeded. */
function compile(name) {
  const args = [asc, '--config', 'asconfig.json', '--target', name];
  if (values.pedantic) args.push('--pedantic', '--noEmit');
  const start = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let remarks = '';
    child.stdout.on('data', (chunk) => {
      remarks += chunk;
    });
    child.stderr.on('data', (chunk) => {
      remarks += chunk;
    });
    child.on('close', (code) => {
      if (remarks) process.stderr.write(remarks);
      const ok = code === 0 && !(values.pedantic && remarks.trim());
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      if (!ok) console.error(`asc: ${name} failed`);
      else if (values.pedantic) console.log(`asc: ${name} has no remarks (${seconds} s)`);
      else {
        const file = targets[name].outFile;
        const size = optimize(new URL(`../${file}`, import.meta.url));
        console.log(`asc: ${file}, ${(size / 1024).toFixed(1)} kB (${seconds} s)`);
      }
      resolve(ok);
    });
  });
}

mkdirSync(new URL('../dist', import.meta.url), { recursive: true });
let failed = false;
const queue = [...wanted];
const lane = async () => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (!(await compile(name))) failed = true;
  }
};
await Promise.all(Array.from({ length: Math.min(availableParallelism(), queue.length) }, lane));
process.exitCode = failed ? 1 : 0;
