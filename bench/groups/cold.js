/**
 * Cold start, part by part: what happens between opening a page or starting a program and the first result. Hosts keep what
 * they have compiled, so every round loads the script under another address and compiles a binary with other bytes: a custom
 * section with a number of its own is put into it.
 */
import { difference } from '../reference.js';

export const title = 'cold start (every round another script and another binary)';

let count = 0;

/** The same module with a custom section behind its header: a name of one byte, and three of a number. */
function another(binary) {
  count++;
  const section = [0, 5, 1, 120, count & 0xff, (count >> 8) & 0xff, count >> 16];
  const bytes = new Uint8Array(binary.length + section.length);
  bytes.set(binary.subarray(0, 8));
  bytes.set(section, 8);
  bytes.set(binary.subarray(8), 8 + section.length);
  return bytes;
}

const base = new URL('../../dist/', import.meta.url);

async function read(url) {
  if (url.protocol === 'file:') {
    const { readFile } = globalThis.process.getBuiltinModule('node:fs').promises;
    return readFile(url);
  }
  const response = await fetch(url, { cache: 'no-store' });
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return new Uint8Array(await response.arrayBuffer());
}

const binaryOf = ({ build, threads }) => new URL(`lanewise.${build}${threads > 1 ? '.threads' : ''}.wasm`, base);

/** An engine that is started anew in every round, apart from the measured ones. */
let fresh;

async function start({ build, threads }, binary) {
  fresh ??= await import('../../dist/index.js?cold');
  // Little is reserved, so that what is left behind until it is collected is little, too.
  await fresh.init({ build, threads, wasm: another(binary), maxMemory: 2 ** 26 });
  return fresh;
}

function firstCall(lw) {
  return lw.scope(() => {
    const random = new lw.RandomState(3);
    const x = random.randn(10, 64, { dtype: 'float32' });
    const w = random.randn(64, 10, { dtype: 'float32' });
    const [out] = lw.affineReluForward(x, w, lw.zeros([10]));
    return { x: x.data.slice(), w: w.data.slice(), out: out.data.slice() };
  });
}

/** One step of a small convolutional net. */
async function firstStep(lw) {
  const random = new lw.RandomState(5);
  const X = random.randn(50, 3, 16, 16, { dtype: 'float32' });
  const y = random.randint(0, 10, 50);
  const data = { XTrain: X, yTrain: y, XVal: X.rows(0, 10), yVal: y.rows(0, 10) };
  const model = new lw.ThreeLayerConvNet({ inputDim: [3, 16, 16], numFilters: 8, filterSize: 3, random });
  const solver = new lw.Solver(model, data, { batchSize: 50, numEpochs: 1, verbose: false, random });
  const events = solver.steps();
  const { value } = await events.next();
  await events.return();
  solver.dispose();
  model.dispose();
  return value.loss;
}

const item = (name, make) => ({ name, dtype: 'float32', unit: 'ms', once: true, make });

const items = [
  item('script: fetch, compile, run', () => ({
    run: () => import(`../../dist/index.js?cold=${++count}`),
    async verify(what) {
      const { init } = await this.run();
      if (typeof init !== 'function') throw new Error(`${what}: no init`);
      return 0;
    },
  })),
  item('binary: fetch', (engine) => ({
    run: () => read(binaryOf(engine)),
    async verify(what) {
      if (!WebAssembly.validate(await this.run())) throw new Error(`${what}: no binary`);
      return 0;
    },
  })),
  item('binary: compile', async (engine) => {
    const binary = await read(binaryOf(engine));
    return {
      run: () => WebAssembly.compile(another(binary)),
      async verify(what) {
        const module = await this.run();
        if (WebAssembly.Module.exports(module).length < 10) throw new Error(`${what}: no kernels`);
        return 0;
      },
    };
  }),
  item('init() and the first call of a layer', async (engine) => {
    const binary = await read(binaryOf(engine));
    return {
      run: async () => firstCall(await start(engine, binary)),
      async verify(what) {
        const { x, w, out } = await this.run();
        const wanted = Float64Array.from({ length: 100 }, (_, at) => {
          let sum = 0;
          for (let k = 0; k < 64; k++) sum += x[Math.floor(at / 10) * 64 + k] * w[k * 10 + (at % 10)];
          return Math.max(0, sum);
        });
        return difference(what, out, wanted, 1e-5);
      },
    };
  }),
  item('init() and the first training step', async (engine) => {
    const binary = await read(binaryOf(engine));
    return {
      run: async () => firstStep(await start(engine, binary)),
      async verify(what) {
        const loss = await this.run();
        // Small weights: all classes are equally likely.
        return difference(what, [loss], [Math.log(10)], 0.01);
      },
      // A small one on one thread takes the place of the last engine and ends its threads.
      dispose: async () => void (await fresh.init({ threads: 1, maxMemory: 2 ** 21 })),
    };
  }),
];

export const families = () => [items];
