/** Everything that differs between Node, Bun, Deno and browsers. No other file asks where it runs. */

interface NodeProcess {
  versions?: Record<string, string | undefined>;
  getBuiltinModule?: (name: string) => unknown;
  memoryUsage?: () => { heapUsed: number };
}

const node = (globalThis as { process?: NodeProcess }).process;

export interface Host {
  /** 'node', 'bun', 'deno' or 'browser'. */
  name: 'node' | 'bun' | 'deno' | 'browser';
  /** Version, or the browser's name and version. */
  version: string;
}

export function host(): Host {
  const versions = node?.versions ?? {};
  if (versions.bun) return { name: 'bun', version: versions.bun };
  if (versions.deno) return { name: 'deno', version: versions.deno };
  if (versions.node) return { name: 'node', version: versions.node };
  const agent = (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent ?? '';
  const known = /(Firefox|Edg|Chrome|Version)\/([\d.]+)/.exec(agent);
  return {
    name: 'browser',
    version: known ? `${known[1] === 'Version' ? 'Safari' : known[1]} ${known[2]}` : 'unknown',
  };
}

/**
 * A built-in module of Node (also of Bun and Deno). Never a literal import('node:…'): bundlers for the web stumble over
 * it even in code that cannot run there.
 */
export async function nodeModule<T>(name: string): Promise<T> {
  const ready = node?.getBuiltinModule?.(name);
  if (ready) return ready as T;
  return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as T;
}

export function isBrowser(): boolean {
  return host().name === 'browser';
}

/** Why threads are impossible here, or undefined if they are possible. */
export function threadsRefused(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined' || (isBrowser() && globalThis.crossOriginIsolated !== true)) {
    return 'the page is not cross-origin isolated (it needs the headers COOP same-origin and COEP require-corp)';
  }
  return undefined;
}

/** Cores the host admits to, at least 1. */
export async function cores(): Promise<number> {
  if (isBrowser()) return Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
  const os = await nodeModule<{ availableParallelism?: () => number; cpus: () => unknown[] }>('node:os');
  return Math.max(1, os.availableParallelism?.() ?? os.cpus().length);
}

/** Whether this thread may sleep in Atomics.wait: not on a page's main thread. */
export function mayWait(): boolean {
  return !(isBrowser() && typeof (globalThis as { document?: unknown }).document !== 'undefined');
}

/**
 * Node 20 has relaxed SIMD behind a flag that may be set until the first module is compiled. Its engine passes our
 * conformance tests with it, so it is switched on.
 */
export async function allowRelaxedSimd(): Promise<void> {
  const { name, version } = host();
  if (name !== 'node' || Number.parseInt(version, 10) >= 22) return;
  const v8 = await nodeModule<{ setFlagsFromString(flag: string): void }>('node:v8');
  v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** Bytes at a URL: `file:` through the file system outside browsers, everything else by fetch. */
export async function readUrl(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  if (url.protocol === 'file:' && !isBrowser()) {
    const fs = await nodeModule<{ promises: { readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> } }>('node:fs');
    return fs.promises.readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText} for ${url.href}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** What the thread pool needs of a worker, in every host. */
export interface HostWorker {
  /** transfer: buffers that are handed over instead of copied. */
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  terminate(): Promise<void>;
  onMessage(listener: (message: unknown) => void): void;
  /** It did not start, threw what nobody caught, or ended by itself. */
  onError(listener: (error: unknown) => void): void;
  /** Whether the process goes on while the worker lives; at first it does. */
  keep(alive: boolean): void;
}

/**
 * A module worker: a Web Worker in browsers, else a worker_thread, although Bun and Deno have both: Deno does not end while
 * one of its Web Workers lives. classic: a script that is no module.
 */
export async function startWorker(url: URL, name = 'lanewise', classic = false): Promise<HostWorker> {
  if (isBrowser()) {
    const worker = new Worker(url, { type: classic ? 'classic' : 'module', name });
    return {
      keep: () => {},
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      terminate: async () => worker.terminate(),
      onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
      onError: (listener) => worker.addEventListener('error', (event) => listener(event.message || event.type)),
    };
  }
  const threads = await nodeModule<typeof import('node:worker_threads')>('node:worker_threads');
  // Without the flags of the process: some, such as --input-type, are none for files.
  const worker = new threads.Worker(url, { name, execArgv: [] });
  return {
    keep: (alive) => (alive ? worker.ref() : worker.unref()),
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: async () => void (await worker.terminate()),
    onMessage: (listener) => void worker.on('message', listener),
    onError: (listener) =>
      void worker.on('error', listener).on('exit', (code) => listener(`it ended with code ${code}`)),
  };
}

/** The other end of a HostWorker, for the script that runs in it. */
export interface WorkerScope {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

export async function workerScope(): Promise<WorkerScope> {
  if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== 'undefined') {
    return {
      post: (message, transfer = []) => globalThis.postMessage(message, { transfer }),
      onMessage: (listener) => globalThis.addEventListener('message', (event) => listener(event.data)),
    };
  }
  const { parentPort } = await nodeModule<typeof import('node:worker_threads')>('node:worker_threads');
  if (!parentPort) throw new Error('this script is for a worker');
  return {
    post: (message, transfer = []) => parentPort.postMessage(message, transfer),
    onMessage: (listener) => void parentPort.on('message', listener),
  };
}

/**
 * Lets the event loop have a turn: timers, messages, a page's drawing, Ctrl-C. setTimeout would wait 1 ms in Node, and up
 * to 4 ms in browsers.
 */
export function pause(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (done: () => void) => void };
  if (setImmediate) return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
