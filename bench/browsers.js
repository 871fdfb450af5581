/**
 * Runs the page of the benchmark in an installed browser, without a window. No protocol of automation stands between: the
 * browser is started with the page's address, and the page sends its records to a server here.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isolation, serve } from '../scripts/serve.mjs';

/** Folders of the page, besides the library. */
export const served = { '/bench/': fileURLToPath(new URL('.', import.meta.url)) };

/** A page that says nothing for so long has hung. */
const SILENCE_MS = 180_000;

/** No visits to its makers, no first-run pages, no checks for updates. */
const FIREFOX_PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

const CHROMIUM_FLAGS = [
  '--headless=new',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Its sandbox needs a user who is not the administrator.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

const BROWSERS = {
  chromium: {
    variable: 'CHROME_PATH',
    names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    places: ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    args: (profile, url) => [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, url],
  },
  firefox: {
    variable: 'FIREFOX_PATH',
    names: ['firefox', 'firefox-esr'],
    places: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
    args(profile, url) {
      const lines = Object.entries(FIREFOX_PREFERENCES).map(([key, value]) => {
        return `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`;
      });
      writeFileSync(join(profile, 'user.js'), lines.join(''));
      return ['--headless', '--no-remote', '--new-instance', '--profile', profile, url];
    },
  },
};

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where a browser is; undefined: it is not installed. */
export function findBrowser(name) {
  const { variable, names, places } = BROWSERS[name];
  if (process.env[variable]) return process.env[variable];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return [...folders.flatMap((folder) => names.map((file) => join(folder, file))), ...places].find(executable);
}

/** Takes lines of JSON from the page: { url, close() }. */
function collect(take) {
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(204, { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' });
    response.end();
    for (const line of Buffer.concat(parts).toString().split('\n')) if (line !== '') take(JSON.parse(line));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

/** Runs the benchmark in a browser; emit takes its records. options: those of run(), as JSON. */
export async function runInBrowser(name, options, emit, progress = () => {}) {
  const path = findBrowser(name);
  const { args } = BROWSERS[name];
  const profile = mkdtempSync(join(os.tmpdir(), `lanewise-${name}-`));
  const site = await serve({ headers: isolation, served });
  let settle;
  let heard;
  const ended = new Promise((resolve, reject) => {
    settle = { resolve, reject };
  });
  const hear = () => {
    clearTimeout(heard);
    heard = setTimeout(() => settle.reject(new Error(`${name} said nothing for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
  };
  const collector = await collect((message) => {
    hear();
    if (message.record) emit(message.record);
    else if (message.progress) progress(message.progress);
    else if (message.end) settle.resolve();
    else if (message.error) settle.reject(new Error(message.error));
  });
  const query = new URLSearchParams({ run: JSON.stringify(options), to: collector.url });
  const child = spawn(path, args(profile, `${site.url}/bench/index.html?${query}`), {
    // A group of its own: browsers start many processes, and all are to end.
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  child.once('error', (error) => settle.reject(error));
  child.once('exit', (code) => settle.reject(new Error(`${name} ended with code ${code}`)));
  hear();
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  const quit = () => process.exit(1);
  process.once('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, quit);
  try {
    await ended;
  } finally {
    clearTimeout(heard);
    process.off('exit', stop);
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, quit);
    const gone = child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : undefined;
    stop();
    await gone;
    collector.close();
    await site.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
