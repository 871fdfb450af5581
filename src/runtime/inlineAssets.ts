/** assets.ts of builds that are one file: the binaries lie in the script, and there is no other for threads. */
import type { Assets, Build } from './assets.js';

/** Put there by rollup.config.mjs: compressed (zlib), in base64. */
declare const BINARIES: Readonly<Record<Build, string>>;

export const beside: Assets = {
  async binary(build) {
    const compressed = Uint8Array.from(atob(BINARIES[build]), (character) => character.charCodeAt(0));
    const { body } = new Response(compressed);
    return new Response(body?.pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
  },
  thread: undefined,
};
