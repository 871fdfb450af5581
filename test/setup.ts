// Runs before every test file: starts the engine that the test project asks for (see vitest.config.ts).
import * as lw from 'lanewise';
import { beforeAll, inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    build: 'simd' | 'relaxed';
    threads: number;
  }
}

beforeAll(async () => {
  const build = inject('build');
  const threads = inject('threads');
  const info = await lw.init({ build, threads });
  // A runtime that quietly fell back would make a row of the matrix test something else.
  if (info.build !== build || info.threads !== threads) {
    throw new Error(
      `asked for ${build} with ${threads} thread(s), got ${info.build} with ${info.threads}: ${info.reason}`,
    );
  }
});
