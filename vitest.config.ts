// Test projects: the same suites in Node and in Chromium, each with both builds and with one and two threads.
//   test/**/*.test.ts         in all eight, against dist/ (what users get), after test/setup.ts has started the engine
//   test/**/*.threads.test.ts in those with two threads
//   test/**/*.node.test.ts    once, in Node: what is about Node, files or the package, or does not depend on the engine
// One project: npx vitest run --project 'node simd 1'
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { findChromium } from './test/browsers.js';

const built = (name: string) => fileURLToPath(new URL(`./dist/${name}.js`, import.meta.url));
const engines = (['simd', 'relaxed'] as const).flatMap((build) => [1, 2].map((threads) => ({ build, threads })));
const onceOnly = 'test/**/*.node.test.ts';
/** Files that are not for a project with so many threads. */
const excluded = (threads: number) => (threads > 1 ? [onceOnly] : [onceOnly, 'test/**/*.threads.test.ts']);

const common = {
  include: ['test/**/*.test.ts'],
  setupFiles: ['test/setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // What a browser is to show comes when it comes, on a busy machine too.
  expect: { poll: { timeout: 15_000 } },
};

/** Without a browser half of the matrix does not run: an error where a browser is required, else impossible to overlook. */
function announceMissingBrowser(): void {
  const line = '!'.repeat(100);
  const text = [
    line,
    '!!  NO CHROMIUM OR CHROME FOUND: THE BROWSER HALF OF THE TESTS IS NOT RUN.',
    '!!  Install one (Debian, Ubuntu: apt-get install chromium), or name its executable in CHROME_PATH.',
    '!!  LANEWISE_REQUIRE_BROWSER=1 makes its absence an error.',
    line,
  ].join('\n');
  if (process.env.LANEWISE_REQUIRE_BROWSER === '1') throw new Error(`LANEWISE_REQUIRE_BROWSER is set.\n${text}`);
  // Each project reads this file anew; once at the start and once at the end is enough.
  const said = Symbol.for('lanewise: missing browser announced');
  if (Object.hasOwn(globalThis, said)) return;
  Object.assign(globalThis, { [said]: true });
  console.warn(text);
  process.on('exit', () => console.warn(text));
}

const nodeProjects: TestProjectConfiguration[] = engines.map(({ build, threads }) => ({
  extends: true,
  test: { ...common, name: `node ${build} ${threads}`, exclude: excluded(threads), provide: { build, threads } },
}));

const onceProject: TestProjectConfiguration = {
  extends: true,
  test: { ...common, name: 'node', include: [onceOnly], provide: { build: 'simd', threads: 1 } },
};

function browserProject(executablePath: string): TestProjectConfiguration {
  return {
    extends: true,
    // Shared memory, hence threads, needs an isolated page.
    server: {
      headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
    },
    optimizeDeps: { include: ['fast-check'] },
    test: {
      ...common,
      name: 'chromium',
      exclude: [onceOnly],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({
          launchOptions: {
            executablePath,
            args: [
              '--disable-gpu',
              '--disable-quic',
              '--no-first-run',
              '--disable-background-networking',
              '--disable-component-update',
              '--disable-sync',
            ],
          },
        }),
        instances: engines.map(({ build, threads }) => ({
          browser: 'chromium' as const,
          name: `chromium ${build} ${threads}`,
          provide: { build, threads },
          exclude: excluded(threads),
        })),
      },
    },
  };
}

const browser = findChromium();
if (browser === undefined) announceMissingBrowser();

export default defineConfig({
  resolve: {
    alias: [
      { find: 'lanewise/worker', replacement: built('worker') },
      { find: 'lanewise', replacement: built('index') },
    ],
  },
  test: {
    pool: 'forks',
    // Node loads the built library by itself, untransformed, as it does for users.
    server: { deps: { external: [/[\\/]dist[\\/][\w-]+\.js$/] } },
    projects: [onceProject, ...nodeProjects, ...(browser === undefined ? [] : [browserProject(browser)])],
  },
});
