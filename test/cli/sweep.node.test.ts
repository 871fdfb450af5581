// `lanewise sweep` as its users run it: results, the ledger, kills at any moment, what it refuses, the picture.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { uniforms } from '../support.js';
import { command, inFolder, run } from './run.js';

/** Small enough for a fraction of a second a trial. */
const base = { model: 'two-layer-net', hidden: [8], numTrain: 200, batchSize: 10, epochs: 4 };
const halved = {
  ...base,
  search: {
    ...{ kind: 'random', trials: 6, seed: 1, halving: { eta: 2, minEpochs: 1, maxEpochs: 4 } },
    space: { learningRate: { logUniform: [1e-5, 1e-2] }, reg: [0, 0.1] },
  },
};
const grid = { ...base, epochs: 2, search: { kind: 'grid', space: { learningRate: [1e-3, 1e-4], reg: [0, 0.1] } } };

interface Row {
  trial: number;
  stage: number;
  status: string;
  drawn: Record<string, unknown>;
  valAcc: number | null;
  trainAcc: number | null;
  bestEpoch: number;
  epochs: number;
  history: { train: number[]; validation: number[]; loss: number[] };
  seconds?: number;
  error?: string;
}

const write = (cwd: string, spec: object, name = 'sweep.json') => writeFileSync(join(cwd, name), JSON.stringify(spec));
const json = (file: string) => JSON.parse(readFileSync(file, 'utf8'));
/** Less what is never the same. */
const rows = (folder: string): Row[] =>
  json(join(folder, 'results.json')).results.map(({ seconds, ...row }: Row) => row);
const ledger = (folder: string) =>
  readFileSync(join(folder, 'ledger.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a sweep', () => {
  test('runs every trial of a grid, in a table, a document, a ledger and a picture', async () => {
    await inFolder(async (cwd) => {
      write(cwd, grid);
      const { code, stdout, stderr } = await run(['sweep', '--spec', 'sweep.json', '--workers', '2'], { cwd });
      expect(stderr).toMatch(/^lanewise: (simd|relaxed) build \(.*\), 2 workers\nsweep: 4 trials, grid\n/);
      expect(stderr).toMatch(/^data: 200 training, 1,000 validation images, 4 MB for all workers, drawn in /m);
      expect(stderr.match(/^trial \d\/4 {2}val +[\d.]+ % {2}train +[\d.]+ % {2}2 epochs {2}/gm)?.length).toBe(4);
      expect(code).toBe(0);
      const folder = join(cwd, 'lanewise-sweep');
      expect(readdirSync(folder).sort()).toEqual(['ledger.jsonl', 'results.json', 'sweep.svg']);
      const results = rows(folder);
      expect(results.map(({ trial }) => trial).sort()).toEqual([0, 1, 2, 3]);
      const accuracies = results.map(({ valAcc }) => valAcc as number);
      expect(accuracies).toEqual([...accuracies].sort((a, b) => b - a));
      for (const { valAcc, status, epochs, history } of results) {
        expect([status, epochs, history.validation.length, history.loss.length]).toEqual(['finished', 2, 3, 2]);
        expect(valAcc).toBe(Math.max(...history.validation));
      }
      const drawn = [...results].sort((a, b) => a.trial - b.trial).map((row) => row.drawn);
      expect(drawn[1]).toEqual({ learningRate: 1e-3, reg: 0.1 });
      const [header, ...entries] = ledger(folder);
      expect(header).toMatchObject({ sweep: 1, spec: { settings: { ...base, epochs: 2 } } });
      expect(entries.map(({ trial }) => trial).sort()).toEqual([0, 1, 2, 3]);
      expect(stdout).toMatch(/^ +trial +validation +training +epochs +learningRate +reg\n1 /);
      expect(stdout).toMatch(/\nresults {2}lanewise-sweep.results\.json, lanewise-sweep.sweep\.svg\n$/);
      const svg = readFileSync(join(folder, 'sweep.svg'), 'utf8');
      for (const text of ['<svg', 'learningRate', 'reg', 'validation accuracy', 'training accuracy', 'best']) {
        expect(svg).toContain(text);
      }
    });
  });

  test('the command that it names trains the best trial with the same bits', async () => {
    await inFolder(async (cwd) => {
      write(cwd, { ...halved, hidden: undefined, model: 'fully-connected-net', dropout: 0.8 });
      const { stderr } = await run(['sweep', '--spec', 'sweep.json', '--out', 'out'], { cwd });
      const args = /^ {2}node .*?cli\.js (train .*?) {2}# /m.exec(stderr)?.[1]?.split(' ') as string[];
      const trained = await run([...args, '--json', '--quiet', '--no-pictures'], { cwd });
      const [best] = rows(join(cwd, 'out'));
      const { history, accuracy } = JSON.parse(trained.stdout);
      expect(history.validation).toEqual(best?.history.validation);
      expect(history.train).toEqual(best?.history.train);
      expect(accuracy).toMatchObject({ validation: best?.valAcc, train: best?.trainAcc, bestEpoch: best?.bestEpoch });
    });
  });

  test('halving gives the same for any number of workers; two stages go to the best of the first', async () => {
    await inFolder(async (cwd) => {
      write(cwd, halved);
      for (const workers of ['1', '3']) {
        const args = ['sweep', '--spec', 'sweep.json', '--workers', workers, '--out', workers, '--no-pictures'];
        expect((await run(args, { cwd })).code).toBe(0);
      }
      const results = rows(join(cwd, '1'));
      expect(rows(join(cwd, '3'))).toEqual(results);
      expect(results.map(({ epochs }) => epochs).sort()).toEqual([1, 1, 1, 2, 2, 4]);
      expect(results.map(({ status }) => status)).toEqual(['finished', ...Array(5).fill('stopped')]);
      const { halving, ...search } = halved.search;
      write(cwd, { ...base, epochs: 1, search: { ...search, kind: 'coarse-to-fine', fineTrials: 3, factor: 4 } });
      const args = ['sweep', '--spec', 'sweep.json', '--out', 'fine', '--no-pictures', '--json', '--quiet'];
      const { stdout, stderr } = await run(args, { cwd });
      expect(stderr).toBe('');
      const staged: Row[] = JSON.parse(stdout).results;
      const [best] = staged.filter(({ stage }) => stage === 1);
      const fine = staged.filter(({ stage }) => stage === 2);
      expect([staged.length, fine.length]).toEqual([9, 3]);
      for (const { drawn } of fine) {
        expect(drawn.reg).toBe(best?.drawn.reg);
        const [wide, narrow] = [1e-2 / 1e-5, (drawn.learningRate as number) / (best?.drawn.learningRate as number)];
        expect(Math.abs(Math.log(narrow))).toBeLessThan(Math.log(wide) / 4 + 1e-5);
      }
    });
  });

  test('a trial whose loss is not finite has failed, and the others go on', async () => {
    await inFolder(async (cwd) => {
      write(cwd, { ...base, updateRule: 'sgd', search: { kind: 'grid', space: { learningRate: [1e6, 1e-3] } } });
      const { code, stdout } = await run(['sweep', '--spec', 'sweep.json', '--out', 'out'], { cwd });
      expect(code).toBe(0);
      expect(stdout).toMatch(/\n2 .*failed\n/);
      const [good, bad] = rows(join(cwd, 'out'));
      expect(good).toMatchObject({ trial: 1, status: 'finished', epochs: 4 });
      expect(bad).toMatchObject({ trial: 0, status: 'failed' });
      expect(bad?.error).toMatch(/^Solver: the .* must be finite, got/);
      // It is not tried again.
      const again = await run(['sweep', '--resume', '--out', 'out'], { cwd });
      expect(again.stderr).not.toMatch(/^(data|trial)/m);
    });
  });
});

/** Runs a sweep and kills it when `lines` trials have been told, and `delay` milliseconds later. True if it was killed. */
function killed(args: string[], cwd: string, lines: number, delay: number): Promise<boolean> {
  const child = spawn(process.execPath, [command, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  let timer: NodeJS.Timeout | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if ((stderr.match(/^(data|trial).*\n/gm)?.length ?? 0) < lines) return;
    timer ??= setTimeout(() => child.kill('SIGKILL'), delay);
  });
  return new Promise((resolve) => {
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

describe('the ledger', () => {
  test('a sweep that is killed again and again loses no finished trial, repeats none, and ends with the same', async () => {
    await inFolder(async (cwd) => {
      write(cwd, halved);
      const args = (out: string) => ['sweep', '--spec', 'sweep.json', '--workers', '2', '--out', out, '--no-pictures'];
      const whole = run(args('whole'), { cwd });
      const next = uniforms(20);
      let kills = 0;
      for (let attempt = 0; attempt < 4; attempt++) {
        const before = existsSync(join(cwd, 'out', 'ledger.jsonl'))
          ? readFileSync(join(cwd, 'out', 'ledger.jsonl'), 'utf8').split('\n').length
          : 0;
        if (await killed(args('out'), cwd, 1 + Math.floor(3 * next()), 120 * next())) kills++;
        const after = readFileSync(join(cwd, 'out', 'ledger.jsonl'), 'utf8').split('\n').length;
        expect(after).toBeGreaterThanOrEqual(before);
      }
      expect(kills).toBeGreaterThan(0);
      expect((await run(args('out'), { cwd })).code).toBe(0);
      expect((await whole).code).toBe(0);
      expect(rows(join(cwd, 'out'))).toEqual(rows(join(cwd, 'whole')));
      const keys = (folder: string) =>
        ledger(join(cwd, folder))
          .slice(1)
          .map(({ trial, until }) => `${trial} ${until}`);
      expect(new Set(keys('out')).size).toBe(keys('out').length);
      expect(keys('out').sort()).toEqual(keys('whole').sort());
      expect(readdirSync(join(cwd, 'out')).sort()).toEqual(['ledger.jsonl', 'results.json']);
    });
  });

  test('a torn last line is cut off, and its trial run again', async () => {
    await inFolder(async (cwd) => {
      write(cwd, grid);
      const args = ['sweep', '--spec', 'sweep.json', '--out', 'out', '--no-pictures', '--build', 'simd'];
      expect((await run(args, { cwd })).code).toBe(0);
      const expected = rows(join(cwd, 'out'));
      const file = join(cwd, 'out', 'ledger.jsonl');
      // Bytes that are left of the last line; -1: all but the line break.
      for (const left of [0, 1, 40, -1]) {
        const text = readFileSync(file);
        const last = text.lastIndexOf('\n', text.length - 2) + 1;
        truncateSync(file, left < 0 ? text.length - 1 : last + left);
        const { stderr } = await run(args, { cwd });
        expect(stderr.match(/^trial/gm)?.length).toBe(1);
        expect(rows(join(cwd, 'out'))).toEqual(expected);
        expect(ledger(join(cwd, 'out')).length).toBe(5);
      }
      truncateSync(file, 8);
      expect((await run(args, { cwd })).stderr.match(/^trial/gm)?.length).toBe(4);
      expect(rows(join(cwd, 'out'))).toEqual(expected);
    });
  });

  test('what is damaged elsewhere, another sweep, other images or another build are refused, and nothing is changed', async () => {
    await inFolder(async (cwd) => {
      write(cwd, grid);
      const args = ['sweep', '--spec', 'sweep.json', '--out', 'out', '--no-pictures'];
      expect((await run([...args, '--build', 'simd'], { cwd })).code).toBe(0);
      const file = join(cwd, 'out', 'ledger.jsonl');
      const text = readFileSync(file);
      const refused = async (more: string[], code: number, message: RegExp) => {
        const before = readFileSync(file);
        const ended = await run(more, { cwd });
        expect(ended.stderr).toMatch(message);
        expect([ended.code, ended.stdout]).toEqual([code, '']);
        expect(readFileSync(file).equals(before)).toBe(true);
        expect(existsSync(join(cwd, 'out', 'ledger.lock'))).toBe(false);
      };
      write(cwd, { ...grid, batchSize: 20 }, 'other.json');
      await refused(
        ['sweep', '--spec', 'other.json', '--out', 'out'],
        2,
        /--out out holds a sweep with another --spec/,
      );
      await refused([...args, '--build', 'relaxed'], 2, /--build must be simd, with which the sweep in out began/);
      const header = text.indexOf('\n') + 1;
      const [first] = text.toString().split('\n') as [string];
      const foreign = first.replace(/"fingerprint":"../, '"fingerprint":"zz');
      writeFileSync(file, `${foreign}\n`);
      await refused(
        args,
        2,
        /--data must hold the images that the sweep in out began with; they were read from synthetic/,
      );
      writeFileSync(file, text);
      writeFileSync(file, Buffer.concat([text.subarray(0, header), Buffer.from('{"trial":\n'), text.subarray(header)]));
      await refused(args, 1, new RegExp(`ledger.jsonl: expected a trial of a sweep at byte ${header}`));
      writeFileSync(file, 'notes of mine\n');
      await refused(args, 1, /ledger.jsonl: expected the ledger of a sweep at byte 0/);
      writeFileSync(file, text);
      appendFileSync(file, text.subarray(header, text.indexOf('\n', header) + 1));
      await refused(args, 1, /expected a trial of a sweep at byte/);
    });
  });

  test.skipIf(process.platform === 'win32')('Ctrl-C ends it cleanly; --resume goes on without the file', async () => {
    await inFolder(async (cwd) => {
      const { epochs, ...rest } = base;
      write(cwd, { ...rest, search: { kind: 'grid', space: { epochs: [1, 40 * epochs], reg: [0] } } });
      const args = ['sweep', '--spec', 'sweep.json', '--out', 'o u t', '--workers', '2', '--no-pictures'];
      const signal = { name: 'SIGINT', when: /^trial 1/m } as const;
      const { code, stderr } = await run(args, { cwd, signal });
      expect(code).toBe(130);
      expect(stderr).toMatch(
        /^Stopping; finished trials are in the ledger\.\nStopped; 1 of 2 trials have results\.\n/m,
      );
      expect(stderr).toMatch(/Go on with: node .*cli\.js sweep --resume --out '?o u t'?\n$/);
      expect(readdirSync(join(cwd, 'o u t'))).toEqual(['ledger.jsonl']);
      const again = await run(['sweep', '--resume', '--out', 'o u t', '--no-pictures'], { cwd });
      expect(again.code).toBe(0);
      expect(again.stderr.match(/^trial/gm)?.length).toBe(1);
      expect(rows(join(cwd, 'o u t')).length).toBe(2);
    });
  });

  test('two processes do not share a folder', async () => {
    await inFolder(async (cwd) => {
      write(cwd, { ...base, epochs: 300, search: { kind: 'grid', space: { reg: [0] } } });
      const args = ['sweep', '--spec', 'sweep.json', '--out', 'out', '--no-pictures'];
      const child = spawn(process.execPath, [command, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
      await new Promise<void>((resolve) => child.stderr.once('data', () => resolve()));
      const { code, stderr } = await run(args, { cwd });
      expect(stderr).toMatch(new RegExp(`process ${child.pid} is working on this sweep`));
      expect(code).toBe(2);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('close', resolve));
    });
  });
});

test('what a file must not say is refused before anything is done, with exit code 2', async () => {
  await inFolder(async (cwd) => {
    const space = { reg: [0] };
    const cases: [object | string, RegExp][] = [
      ['{"search": ', /--spec must be JSON: line 1, column \d+ has the end where a value belongs, got 'sweep\.json'/],
      [[], /--spec must be a JSON object with "search"/],
      [{ ...grid, lerningRate: 1 }, /--spec: unknown setting 'lerningRate'; did you mean 'learningRate'\?/],
      [{ ...grid, threads: 2 }, /--spec: unknown setting 'threads'/],
      [{ ...base, search: { kind: 'gird', space } }, /search\.kind must be one of grid, random, coarse-to-fine/],
      [{ ...base, search: { kind: 'grid', space: {} } }, /search\.space: grid: space must be an object with a name/],
      [
        { ...base, search: { kind: 'grid', space: { reg: { uniform: [0, 1] } } } },
        /grid: reg must be a list of values/,
      ],
      [{ ...base, search: { kind: 'grid', space: { regg: [1] } } }, /unknown setting 'regg'; did you mean 'reg'\?/],
      [
        { ...base, search: { kind: 'grid', space: { numTrain: [1] } } },
        /cannot have numTrain, which is the same for all/,
      ],
      [{ ...base, search: { kind: 'grid', space: { hidden: [1] } } }, /cannot have hidden, which is fixed already/],
      [{ ...base, search: { kind: 'grid', space: { reg: [-1] } } }, /--spec: reg must be a number >= 0, got -1/],
      [{ ...base, search: { kind: 'grid', space: { reg: [null] } } }, /--spec: reg must be text or a number, got null/],
      [{ ...base, search: { kind: 'grid', trials: 3, space } }, /search\.trials does not apply to kind grid/],
      [{ ...base, search: { kind: 'random', space } }, /search\.trials is missing/],
      [
        { ...base, search: { kind: 'random', trials: 0, space } },
        /search\.trials must be an integer >= 1 and <= 1000000, got 0/,
      ],
      [
        { ...base, search: { kind: 'random', trials: 2, space: { learningRate: { logUniform: [0, 1] } } } },
        /low of learningRate must be a finite number in \(0, Infinity\), got 0/,
      ],
      [
        { ...base, search: { kind: 'random', trials: 2, space: { dropout: { uniform: [0.1, 0.9] } } } },
        /--spec, with dropout 0\.1: --dropout does not apply to two-layer-net/,
      ],
      [
        { ...base, search: { kind: 'grid', space, halving: { maxEpochs: 9 } } },
        /epochs is 4, but search\.halving\.maxEpochs 9/,
      ],
      [
        { ...base, search: { kind: 'grid', space, halving: { eta: 0, maxEpochs: 4 } } },
        /search\.halving: search: eta must be/,
      ],
      [{ spec: { layers: [{ conv: -1 }] }, search: { kind: 'grid', space } }, /--spec: .*filters must be an integer/],
    ];
    for (const [spec, message] of cases) {
      writeFileSync(join(cwd, 'sweep.json'), typeof spec === 'string' ? spec : JSON.stringify(spec));
      const { code, stdout, stderr } = await run(['sweep', '--spec', 'sweep.json'], { cwd });
      expect(stderr).toMatch(message);
      expect([code, stdout], stderr).toEqual([2, '']);
    }
    write(cwd, grid);
    const lines: [string[], RegExp][] = [
      [[], /--spec FILE is missing/],
      [['--resume'], /--resume: there is no sweep in lanewise-sweep/],
      [['--spec', 'none.json'], /--spec must be a file that exists, got 'none\.json'/],
      [
        ['--spec', 'sweep.json', '--data', 'nowhere'],
        /--data must be 'synthetic' or a folder, file or URL that exists/,
      ],
      [['--spec', 'sweep.json', '--workers', '0'], /--workers must be an integer >= 1 and <= 256, got '0'/],
    ];
    for (const [args, message] of lines) {
      const { code, stderr } = await run(['sweep', ...args], { cwd });
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
    }
  });
});
