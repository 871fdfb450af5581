// Coverage of src/ (the command apart, which tests run as a program): npm run coverage. The suites of vitest.config.ts, in Node,
// with the sources in the place of the bundles that are made of them.
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import suites from './vitest.config.js';

const source = (name: string) => fileURLToPath(new URL(`./src/${name}/index.ts`, import.meta.url));

/** With the fixed build on one thread and on two. What looks at dist/ or runs programs stays out: it would count for nothing. */
const projects = (suites.test?.projects ?? []).filter((project) => {
  const { test } = project as Extract<TestProjectConfiguration, { test?: unknown }>;
  return ['node', 'node simd 1', 'node simd 2'].includes(String(test?.name));
});

export default defineConfig({
  resolve: {
    alias: [
      { find: /^lanewise$/, replacement: source('.') },
      { find: /^lanewise\/worker$/, replacement: source('worker') },
    ],
  },
  plugins: [
    {
      // Binaries and the workers' scripts lie beside the bundles.
      name: 'beside-dist',
      enforce: 'pre',
      transform(code, id) {
        if (!/\/src\/(runtime|worker)\//.test(id)) return null;
        return code.replace(/'\.\/(lanewise\.[\w.]+\.wasm|thread\.js|worker-thread\.js)'/g, "'../../dist/$1'");
      },
    },
  ],
  test: {
    pool: 'forks',
    projects,
    exclude: ['test/{package,bench,binary,stamp,torture}.node.test.ts', 'test/{cli,examples}/**'],
    // Takes the library and the sources for two, which here they are not.
    testNamePattern: '^(?!.*needs no runtime; a draw does)',
    coverage: {
      enabled: true,
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/cli/**'],
      reporter: ['text', 'json-summary', 'html'],
      reportsDirectory: 'coverage',
    },
  },
});
