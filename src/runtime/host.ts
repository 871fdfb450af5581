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
  post(message: unknown): void;
  terminate(): void;
  onMessage(listener: (message: unknown) => void): void;
  /** It has failed, or (where the host tells) has ended. */
  onEnd(listener: (reason: unknown) => void): void;
  /** Lets the process end although the worker lives. */
  unref(): void;
}

/** A module worker: a Web Worker where there is one, a worker_thread in Node. */
export async function startWorker(url: URL): Promise<HostWorker> {
  if (typeof Worker !== 'undefined') {
    const worker = new Worker(url, { type: 'module', name: 'lanewise' });
    return {
      unref: () => (worker as { unref?: () => void }).unref?.(),
      post: (message) => worker.postMessage(message),
      terminate: () => worker.terminate(),
      onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
      onEnd: (listener) => worker.addEventListener('error', (event) => listener(event.message || event)),
    };
  }
  const threads = await nodeModule<typeof import('node:worker_threads')>('node:worker_threads');
  const worker = new threads.Worker(url, { name: 'lanewise' });
  return {
    unref: () => worker.unref(),
    post: (message) => worker.postMessage(message),
    terminate: () => void worker.terminate(),
    onMessage: (listener) => void worker.on('message', listener),
    onEnd(listener) {
      worker.on('error', listener);
      worker.on('exit', (code) => listener(new Error(`it ended with code ${code}`)));
    },
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
