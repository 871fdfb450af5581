/**
 * Where the files are that the library needs besides its script. The literal URLs are what bundlers look for when they copy
 * files. A build that is one file has inlineAssets.ts in the place of this.
 */

export type Build = 'simd' | 'relaxed';

export interface Assets {
  /** The binary of a build, with or without shared memory. */
  binary(build: Build, threads: boolean): URL | Promise<BufferSource>;
  /** What the threads of the pool run; undefined: there can be none. */
  readonly thread: URL | undefined;
}

export const beside: Assets = {
  binary(build, threads) {
    if (build === 'relaxed') {
      return threads
        ? new URL('./lanewise.relaxed.threads.wasm', import.meta.url)
        : new URL('./lanewise.relaxed.wasm', import.meta.url);
    }
    return threads
      ? new URL('./lanewise.simd.threads.wasm', import.meta.url)
      : new URL('./lanewise.simd.wasm', import.meta.url);
  },
  get thread() {
    return new URL('./thread.js', import.meta.url);
  },
};
