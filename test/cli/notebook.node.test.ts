// The notebooks as a user runs them, quickly: every figure that needs no data is what the course's notebooks print, and the
// report holds what it should.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { notebooks, settle } from '../../src/cli/notebooks/index.js';
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

  test('--set changes the training, and says so; what is set to its default changes nothing', async () => {
    await inFolder(async (cwd) => {
      const trained = async (...set: string[]) => {
        const { code, stdout } = await run(['notebook', 'dropout', '--quick', '--threads', '1', ...set], { cwd });
        expect(code).toBe(0);
        return {
          accuracies: stdout.split('\n').filter((line) => / accuracy/.test(line)),
          changed: /^changed .*/m.exec(stdout)?.[0],
          report: readFileSync(join(cwd, 'lanewise-out', 'notebook-dropout', 'report.html'), 'utf8'),
        };
      };
      const usual = await trained();
      expect(usual.accuracies.length).toBe(6);
      expect(usual.changed).toBeUndefined();
      expect(usual.report).not.toContain('Parameters changed');
      const same = await trained('--set', 'learningRate=0.0005', '--set', 'keep=1, 0.50,.25');
      expect({ ...same, report: '' }).toEqual({ ...usual, report: '' });
      const other = await trained('--set', 'learningRate=2e-3', '--set=keep=1,0.5');
      expect(other.accuracies.length).toBe(4);
      expect(usual.accuracies).not.toEqual(expect.arrayContaining(other.accuracies));
      expect(other.changed).toBe('changed   keep=1,0.5 (default: 1,0.5,0.25), learningRate=0.002 (default: 5e-4)');
      expect(other.report).toContain('<p>Parameters changed: keep=1,0.5 (default: 1,0.5,0.25), learningRate=0.002');
      expect(other.report).toContain('notebook dropout --quick --set keep=1,0.5 --set learningRate=0.002<');
    });
  });

  test('figures of a training with another parameter are not comparable, those of layers are', async () => {
    await inFolder(async (cwd) => {
      const { code, stdout } = await run(['notebook', 'neural-net', '--quick', '--set', 'hiddenSize=20'], { cwd });
      expect(code).toBe(0);
      const losses = stdout.split('\n').filter((line) => /^ +first loss /.test(line));
      expect(losses.length).toBe(3);
      for (const line of losses) expect(line).toMatch(/ {2}not comparable$/);
      expect(stdout).toMatch(/^ +loss, reg 0\.1 .* ok$/m);
      expect(stdout).toMatch(/^figures {3}16 ok, 0 off, 10 not comparable$/m);
      expect(stdout).not.toContain('Accuracies to compare need');
    });
  });

  test('--set list shows what there is to set, in the chosen size', async () => {
    await inFolder(async (cwd) => {
      const { code, stdout } = await run(['notebook', 'cnn', '--set', 'list'], { cwd });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^filterSize +7 +.+ \(an odd integer >= 1 and <= 15\)$/m);
      expect(stdout).toMatch(/^hiddenSize +500 /m);
      const quick = await run(['notebook', 'cnn', '--quick', '--set', 'list'], { cwd });
      expect(quick.stdout).toMatch(/^hiddenSize +50 /m);
      const none = await run(['notebook', 'cnn-layers', '--set', 'list'], { cwd });
      expect(none).toEqual({ code: 0, stdout: 'cnn-layers has no parameters\n', stderr: '' });
      expect(readdirSync(cwd)).toEqual([]);
    });
  });

  test.each(notebooks.map((notebook) => [notebook.name, notebook] as const))(
    'the parameters of %s are within their own bounds, and no name is one of the address',
    (_, notebook) => {
      for (const size of ['quick', 'full', 'long'] as const) expect(settle(notebook, size, {}).changed).toEqual([]);
      const names = Object.keys(notebook.params);
      if (!['modular-layers', 'cnn-layers'].includes(notebook.name)) expect(names.length).toBeGreaterThan(1);
      for (const name of ['notebook', 'size', 'seed']) expect(names).not.toContain(name);
    },
  );

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
    [['notebook', 'dropout', '--set'], '--set needs a value: --set NAME=VALUE'],
    [['notebook', 'dropout', '--set', 'keep=1', '--set'], '--set needs a value: --set NAME=VALUE'],
    [['notebook', 'dropout', '--set', 'keep'], "--set must be 'list' or NAME=VALUE, got 'keep'"],
    [
      ['notebook', 'dropout', '--set', 'lerningRate=1'],
      "unknown parameter 'lerningRate'; did you mean 'learningRate'?",
    ],
    [['notebook', 'dropout', '--set', 'width=1'], "unknown parameter 'width'; there are keep, learningRate, "],
    [['notebook', 'cnn-layers', '--set', 'width=1'], "unknown parameter 'width'; it has none"],
    [['notebook', 'dropout', '--set', 'epochs='], "dropout: epochs must be an integer >= 1 and <= 1000, got ''"],
    [['notebook', 'dropout', '--set', 'learningRate=0'], "learningRate must be a number > 0 and <= 100, got '0'"],
    [['notebook', 'dropout', '--set', 'learningRate=NaN'], "learningRate must be a number > 0 and <= 100, got 'NaN'"],
    [['notebook', 'dropout', '--set', 'keep=1,,0.5'], "with commas between them, got '1,,0.5'"],
    [['notebook', 'dropout', '--set', 'keep=1,1.0'], 'keep must be at most 12 different numbers > 0 and <= 1 with'],
    [['notebook', 'cnn', '--set', 'filterSize=4'], "filterSize must be an odd integer >= 1 and <= 15, got '4'"],
    [['notebook', 'knn', '--quick', '--set', 'testK=100'], "testK must be an integer >= 1 and <= 99, got '100'"],
    [['notebook', 'dropout', '--set', 'keep=1', '--set', 'keep=0.5'], '--set gives keep more than once'],
    [['notebook', 'dropout', '--seed', '1', '--seed', '2'], '--seed is given more than once'],
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
