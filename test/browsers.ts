// Browsers of this machine, for tests that drive one.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const { PATH = '', PROGRAMFILES = 'C:\\Program Files' } = process.env;

/** The executable named by a variable of the environment; else the first of these names on PATH, or of these places. */
function find(variable: string, names: readonly string[], places: readonly string[]): string | undefined {
  const named = process.env[variable];
  if (named) return existsSync(named) ? named : undefined;
  const onPath = ['/usr/bin', ...PATH.split(delimiter)].flatMap((folder) => names.map((name) => join(folder, name)));
  return [...onPath, ...places].find((place) => existsSync(place));
}

/** An installed Chromium or Chrome. */
export const findChromium = () =>
  find(
    'CHROME_PATH',
    ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    [
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      join(PROGRAMFILES, 'Google/Chrome/Application/chrome.exe'),
    ],
  );

export const findFirefox = () =>
  find(
    'FIREFOX_PATH',
    ['firefox-esr', 'firefox'],
    ['/Applications/Firefox.app/Contents/MacOS/firefox', join(PROGRAMFILES, 'Mozilla Firefox/firefox.exe')],
  );
