/** Loads the kernels: picks the best build the host accepts, starts the threads, and says which and why. */
import { checkChoice, checkNumber, checkOptions, describe, OptionError, RuntimeError } from '../errors.js';
import { type Assets, type Build, beside } from './assets.js';
import { hasRelaxedSimd, hasSimd, hasThreads } from './features.js';
import { allowRelaxedSimd, cores, host, readUrl, threadsRefused } from './host.js';
import { foreign, KERNELS, type Kernel, kernelsOver } from './instance.js';
import { ThreadPool } from './pool.js';

export type { Build } from './assets.js';

export interface InitOptions {
  /** Computing threads, the caller's included; 'auto' (default): one per core, where the host allows threads. */
  threads?: number | 'auto';
  /** 'auto' (default): relaxed SIMD (fused multiply-add) if the host has it, else fixed SIMD. */
  build?: Build | 'auto';
  /** The binary itself, for hosts where it does not lie beside the script: its URL, bytes or compiled module. */
  wasm?: URL | string | BufferSource | WebAssembly.Module;
  /** Upper end of linear memory in bytes, at most and by default 4 GiB. Some phones refuse large reservations. */
  maxMemory?: number;
}

/** A kernel and its place among the exports, which is how the workers know it. */
export interface NumberedKernel {
  call: Kernel;
  index: number;
}

export interface Runtime {
  readonly build: Build;
  readonly threads: number;
  /** One sentence: why this build and this number of threads. */
  readonly reason: string;
  /** Host and its version, e.g. 'node 20.20.2'. */
  readonly host: string;
  /** Whether multiply-add is rounded once. */
  readonly fused: boolean;
  readonly memory: WebAssembly.Memory;
  readonly maxMemory: number;
  readonly kernels: ReadonlyMap<string, NumberedKernel>;
  readonly pool: ThreadPool | undefined;
}

const PAGE = 65536;
/** 4 GiB less one page: the last address stays below 2^32. */
const MAX_PAGES = 65535;

let runtime: Runtime | undefined;
let starting: Promise<unknown> = Promise.resolve();

/** The current runtime; init() must have been awaited. */
export function current(): Runtime {
  if (runtime) return runtime;
  throw new RuntimeError({ where: 'lanewise', rule: 'the kernels are not loaded', hint: 'await init() first' });
}

/**
 * Loads the kernels. A second call replaces the runtime; tensors of the old one can no longer be used. assets: where the
 * binaries and the script of the threads are, unless options say.
 */
export function start(options: InitOptions = {}, assets: Assets = beside): Promise<Runtime> {
  const next = starting.then(() => load(options, assets));
  starting = next.catch(() => undefined);
  return next;
}

function checkInit(options: InitOptions): { threads: number | 'auto'; build: Build | 'auto'; maxPages: number } {
  checkOptions('init', options, ['threads', 'build', 'wasm', 'maxMemory']);
  const { threads = 'auto', build = 'auto', maxMemory = MAX_PAGES * PAGE, wasm } = options;
  if (threads !== 'auto') checkNumber('init', 'threads', threads, { low: 1, high: 256, integer: true });
  checkChoice('init', 'build', build, ['auto', 'simd', 'relaxed']);
  checkNumber('init', 'maxMemory', maxMemory, { low: 16 * PAGE, high: 2 ** 32 });
  const isBinary =
    wasm === undefined ||
    typeof wasm === 'string' ||
    wasm instanceof URL ||
    wasm instanceof WebAssembly.Module ||
    wasm instanceof ArrayBuffer ||
    ArrayBuffer.isView(wasm);
  if (!isBinary) {
    throw new OptionError({
      where: 'init',
      argument: 'wasm',
      rule: 'a URL, bytes or a WebAssembly.Module',
      value: describe(wasm),
    });
  }
  return { threads, build, maxPages: Math.min(MAX_PAGES, Math.floor(maxMemory / PAGE)) };
}

async function load(options: InitOptions, assets: Assets): Promise<Runtime> {
  const wanted = checkInit(options);
  if (!hasSimd()) {
    throw new RuntimeError({
      where: 'init',
      rule: 'this host has no WebAssembly SIMD',
      hint: 'Chrome 91, Firefox 89, Safari 16.4, Node 20 and everything later have it',
    });
  }
  const [build, buildReason] = await chooseBuild(wanted.build);
  const [threads, threadsReason] = await chooseThreads(wanted.threads, assets);
  const memory = reserve(threads > 1, wanted.maxPages);
  const module = await compile(options.wasm ?? (await assets.binary(build, threads > 1)));
  let exports: Record<string, Kernel>;
  try {
    exports = await kernelsOver(module, memory.memory);
  } catch (error) {
    throw new RuntimeError({
      where: 'init',
      rule: `the kernels could not be instantiated: ${String(error)}`,
      hint: options.wasm === undefined ? undefined : 'is `wasm` the binary for this build and with or without threads?',
    });
  }
  if (!('gemmF32' in exports)) {
    const value = 'a module without kernels';
    throw new RuntimeError({ where: 'init', argument: 'wasm', rule: 'a binary of lanewise', value });
  }
  const others = foreign(module, exports);
  if (others !== undefined) {
    const rule = `the binary that belongs to this script, with kernels ${KERNELS}`;
    const hint = 'take script and .wasm files from the same build, and reload what a cache may hold';
    throw new RuntimeError({ where: 'init', argument: 'wasm', rule, value: others, hint });
  }
  const script = assets.thread;
  const pool = threads > 1 && script ? await ThreadPool.start(script, module, memory.memory, threads) : undefined;
  const names = Object.keys(exports);
  const kernels = new Map(names.map((name, index) => [name, { call: exports[name] as Kernel, index }]));
  runtime?.pool?.dispose();
  const { name, version } = host();
  const fused = build === 'relaxed' && fuses(kernels, memory.memory);
  const fusedReason = build === 'relaxed' && !fused ? ', which this host runs without fusing' : '';
  runtime = {
    build,
    threads,
    reason: `${buildReason}${fusedReason}; ${threadsReason}`,
    host: `${name} ${version}`,
    fused,
    memory: memory.memory,
    maxMemory: memory.pages * PAGE,
    kernels,
    pool,
  };
  return runtime;
}

async function chooseBuild(wanted: Build | 'auto'): Promise<[Build, string]> {
  if (wanted === 'simd') return ['simd', 'fixed SIMD as asked'];
  await allowRelaxedSimd();
  if (hasRelaxedSimd()) return ['relaxed', wanted === 'auto' ? 'relaxed SIMD is supported' : 'relaxed SIMD as asked'];
  if (wanted === 'auto') return ['simd', 'fixed SIMD, because this host has no relaxed SIMD'];
  throw new RuntimeError({ where: 'init', rule: 'this host has no relaxed SIMD', hint: "use build: 'simd' or 'auto'" });
}

async function chooseThreads(wanted: number | 'auto', assets: Assets): Promise<[number, string]> {
  if (wanted === 1) return [1, 'one thread as asked'];
  const refused = whyOneThread(assets);
  if (refused !== undefined) return [1, `one thread, because ${refused}`];
  if (wanted !== 'auto') return [wanted, `${wanted} threads as asked`];
  const available = await cores();
  return available === 1
    ? [1, 'one thread, because there is one core']
    : [available, `${available} threads, one per core`];
}

function whyOneThread(assets: Assets): string | undefined {
  if (assets.thread === undefined) return 'this build is one file, and threads need a script of their own';
  return hasThreads() ? threadsRefused() : 'this host has no WebAssembly threads';
}

/** Reserves addresses, not memory. Hosts that refuse the whole range are asked for less. */
function reserve(shared: boolean, maxPages: number): { memory: WebAssembly.Memory; pages: number } {
  for (let pages = maxPages; ; pages >>= 1) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 16, maximum: pages, shared }), pages };
    } catch (error) {
      if (pages > 1024) continue;
      throw new RuntimeError({ where: 'init', rule: `no linear memory: ${String(error)}` });
    }
  }
}

async function compile(wasm: URL | string | BufferSource | WebAssembly.Module): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return wasm;
  try {
    const isUrl = typeof wasm === 'string' || wasm instanceof URL;
    return await WebAssembly.compile(
      isUrl ? await readUrl(new URL(/* webpackIgnore: true */ wasm, import.meta.url)) : wasm,
    );
  } catch (error) {
    throw new RuntimeError({
      where: 'init',
      rule: `the kernels could not be loaded: ${String(error)}`,
      hint: 'serve the .wasm files beside the script, or pass init({ wasm: URL, bytes or module })',
    });
  }
}

/** (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 if multiply-add rounds once, 0 if it rounds twice. */
function fuses(kernels: ReadonlyMap<string, NumberedKernel>, memory: WebAssembly.Memory): boolean {
  const address = 1024;
  const numbers = new Float32Array(memory.buffer, address, 2);
  numbers[0] = -(1 + 2 ** -11);
  numbers[1] = 1 + 2 ** -12;
  kernels.get('axpyF32')?.call(address, address, address + 4, 1 + 2 ** -12, 0, 1);
  const fused = numbers[0] !== 0;
  numbers.fill(0);
  return fused;
}
