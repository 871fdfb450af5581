// The notebooks as a user runs them, quickly: every figure that needs no data is what the course's notebooks print, and the
// report holds what it should.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { notebookNames } from '../../src/cli/notebooks/names.js';
import { inFolder, run } from './run.js';

/** Figures that are compared in a quick run on drawn images, and pictures of each notebook. */
const contents: Record<string, { figures: number; pictures: number }> = {
  knn: { figures: 6, pictures: 6 },
  softmax: { figures: 10, pictures: 6 },
  'neural-net': { figures: 19, pictures: 10 },
  'two-layer-net': { figures: 29, pictures: 7 },
  features: { figures: 2, pictures: 8 },
  'fully-connected-nets': { figures: 21, pictures: 11 },
  optimizers: { figures: 7, pictures: 4 },
  dropout: { figures: 22, pictures: 1 },
  'modular-layers': { figures: 30, pictures: 0 },
  'cnn-layers': { figures: 18, pictures: 2 },
  'cnn-batchnorm': { figures: 35, pictures: 2 },
  cnn: { figures: 12, pictures: 5 },
  'written-problems': { figures: 9, pictures: 4 },
};

const occurrences = (text: string, part: string) => text.split(part).length - 1;

describe('notebook', () => {
  test.each(notebookNames.map(([name]) => name))('%s runs, and its figures are the printed ones', async (name) => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(['notebook', name, '--quick', '--threads', '1'], { cwd });
      expect(stdout.split('\n').filter((line) => / {2}off$/.test(line))).toEqual([]);
      expect({ code, fault: /lanewise: .*/.exec(stderr)?.[0] }).toEqual({ code: 0, fault: undefined });
      const { figures, pictures } = contents[name];
      expect(stdout).toMatch(new RegExp(`^figures {3}${figures} ok, 0 off`, 'm'));

      const folder = join(cwd, 'lanewise-out', `notebook-${name}`);
      const files = readdirSync(folder).filter((file) => /\.(png|svg)$/.test(file));
      expect(files.length).toBe(pictures);
      const report = readFileSync(join(folder, 'report.html'), 'utf8');
      expect(occurrences(report, '<figure ')).toBe(pictures);
      for (const file of files) {
        expect(occurrences(report, `<figure id="${file.replace(/\.\w+$/, '')}"`)).toBe(1);
        const bytes = readFileSync(join(folder, file));
        expect(bytes.length).toBeGreaterThan(200);
        if (file.endsWith('.png')) expect(bytes.subarray(1, 4).toString()).toBe('PNG');
        else expect(bytes.toString()).toMatch(/^<svg .*<\/svg>$/s);
      }
      // Nothing is fetched: pictures are in the file, and there is no script.
      expect(/.{0,60}(<script|<link|@import|(src|href)="(?!data:)).{0,20}/.exec(report)?.[0]).toBeUndefined();
      expect(occurrences(report, '<h2>')).toBe(occurrences(stdout.replace(/^figures.*/ms, ''), '\n\n'));
      const words = report.replaceAll(/base64,[^"]*/g, '');
      expect(/.{0,60}\b(NaN|undefined)\b.{0,20}/.exec(words)?.[0]).toBeUndefined();
    });
  });

  test('--out, and only the summary with --quiet', async () => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(['notebook', 'optimizers', '--quick', '--quiet', '--out', 'here'], {
        cwd,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^figures .*\nreport .*report\.html, 4 pictures beside it\ntime .*\n$/);
      expect(existsSync(join(cwd, 'here', 'report.html'))).toBe(true);
    });
  });

  test('an interrupt ends it with a report of what there is', async () => {
    await inFolder(async (cwd) => {
      // Bars are drawn on terminals only, so the signal waits for a cell: of a long run, it comes in the middle.
      const args = ['notebook', 'optimizers', '--threads', '1'];
      const { code, stdout, stderr } = await run(args, { cwd, signal: { name: 'SIGINT', when: /./, in: 'stdout' } });
      expect(code).toBe(130);
      expect(stderr).toMatch(/Stopped; the report has the \d+ cells before that\./);
      expect(stdout).toMatch(/^report /m);
      expect(existsSync(join(cwd, 'lanewise-out', 'notebook-optimizers', 'report.html'))).toBe(true);
    });
  });

  test.each([
    [['notebook'], 'notebook needs a NAME: one of knn, softmax, '],
    [['notebook', 'kn'], 'NAME must be one of knn, softmax, '],
    [['notebook', 'cnn-layer'], "(did you mean cnn-layers?), got 'cnn-layer'"],
    [['notebook', 'knn', 'softmax'], "unexpected argument 'softmax'"],
    [['notebook', 'knn', '--data', 'nowhere'], "--data must be a folder, file or URL that exists, got 'nowhere'"],
  ])('%j is a wrong command line', async (args, message) => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(args, { cwd });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(message);
      expect(stderr).toMatch(/See node .*cli\.js notebook --help\n$/);
      expect(readdirSync(cwd)).toEqual([]);
    });
  });

  test('--help lists the notebooks', async () => {
    const { code, stdout } = await run(['notebook', '--help'], { cwd: '.' });
    expect(code).toBe(0);
    for (const [name, summary] of notebookNames)
      expect(stdout).toMatch(new RegExp(`^  ${name} +${summary.slice(0, 20)}`, 'm'));
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
  });
});
