// `lanewise train` as its users run it: exit codes, what goes where, checkpoints, pictures.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { inFolder, long, run, tiny } from './run.js';

describe('a run', () => {
  test('says what it runs on, a line an epoch, the result on stdout, and three commands', async () => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(['train', ...tiny, '--threads', '1'], { cwd });
      expect(code).toBe(0);
      const lines = stderr.trimEnd().split('\n');
      expect(lines[0]).toMatch(/^lanewise: (simd|relaxed) build, 1 thread \(.*; one thread as asked\)$/);
      expect(lines[1]).toMatch(/^data: 100 training, 1,000 validation, 1,000 test images, drawn in [\d.]+ s$/);
      expect(lines[2]).toBe('model: fully-connected-net 8, 24,674 float32 parameters, adam');
      expect(lines[3]).toMatch(/^ {2}layer +output +parameters +flops$/);
      expect(lines[9]).toMatch(/^ {2}total +24,674 +49\.3 k$/);
      expect(lines[11]).toMatch(/^epoch 1\/2 {2}loss \d\.\d{3} {2}train +[\d.]+ % {2}val +[\d.]+ % {2}[\d.]+ s$/);
      expect(lines[12]).toMatch(/^epoch 2\/2 /);
      expect(lines[13]).toBe('Next:');
      expect(lines.length).toBe(17);
      expect(stdout).toMatch(
        /^test accuracy {2}[\d.]+ % of 1,000 images\nvalidation {5}[\d.]+ % \(best, after epoch \d\)\n/,
      );
      expect(stdout).toMatch(/\ntime +[\d.]+ s, [\d,]+ images\/s, about [\d.]+ GFLOP\/s\n/);
      expect(stdout).toMatch(
        /\npictures {7}lanewise-out.training\.svg, lanewise-out.first-layer\.png, lanewise-out.examples\.svg\n$/,
      );
      expect(stdout + stderr).not.toContain('\u001b');
      expect(stderr).not.toContain('\r');
    });
  });

  test('names next commands that work', async () => {
    await inFolder(async (cwd) => {
      const { stderr } = await run(['train', ...tiny, '--no-pictures'], { cwd });
      const next = [...stderr.matchAll(/^ {2}node .*?cli\.js(.*?) +# /gm)].map(
        ([, args]) => args?.trim().split(' ') ?? [],
      );
      expect(next.length).toBe(3);
      // On tiny data: what is given twice is refused, so --hidden of the command itself stays.
      const size = ['--num-train', '100', '--batch-size', '10', '--epochs', '1', '--no-pictures'];
      for (const args of next) {
        expect(await run([...args, ...(args[0] === 'train' ? size : [])], { cwd })).toMatchObject({ code: 0 });
      }
    });
  });

  test('--json prints one document and nothing else on stdout; --quiet nothing on stderr', async () => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(['train', ...tiny, '--json', '--quiet', '--seed', '3'], { cwd });
      expect(code).toBe(0);
      expect(stderr).toBe('');
      const report = JSON.parse(stdout);
      expect(report).toMatchObject({
        command: 'train',
        interrupted: false,
        settings: { data: 'synthetic', numTrain: 100, hidden: [8], updateRule: 'adam', seed: 3, epochs: 2 },
        data: { train: 100, validation: 1000, test: 1000 },
        parameters: 24674,
        progress: { epoch: 2, epochs: 2, step: 20, steps: 20 },
      });
      expect(report.engine.threads).toBeGreaterThan(0);
      expect(report.data.classes.length).toBe(10);
      expect(report.history.loss.length).toBe(20);
      expect(report.history.checkedAt).toEqual([1, 10, 20]);
      expect(report.history.train.length).toBe(3);
      expect(report.accuracy.validation).toBe(Math.max(...report.history.validation));
      expect(report.accuracy.test).toBeGreaterThan(0);
      expect(report.timings.imagesPerSecond).toBeGreaterThan(0);
    });
  });

  test('--json without --quiet keeps prose on stderr; --quiet alone prints the result only', async () => {
    await inFolder(async (cwd) => {
      const both = await run(['train', ...tiny, '--json', '--no-pictures'], { cwd });
      expect(JSON.parse(both.stdout).files).toEqual({});
      expect(both.stderr).toContain('epoch 2/2');
      const quiet = await run(['train', ...tiny, '--quiet', '--no-pictures'], { cwd });
      expect(quiet.stderr).toBe('');
      expect(quiet.stdout).toMatch(/^test accuracy/);
      expect(readdirSync(cwd)).toEqual([]);
    });
  });

  test('gives the same numbers for any number of threads, and others for another seed', async () => {
    await inFolder(async (cwd) => {
      const runs = [
        ['--threads', '1'],
        ['--threads', '2'],
        ['--threads', '1', '--seed', '1'],
      ];
      const [one, two, other] = await Promise.all(
        runs.map(async (args) => {
          const options = ['--normalization', 'batchnorm', '--dropout', '0.5', '--json', '--no-pictures'];
          return JSON.parse((await run(['train', ...tiny, ...options, ...args], { cwd })).stdout);
        }),
      );
      expect(two.engine.threads).toBe(2);
      expect(two.history).toEqual(one.history);
      expect(other.history.loss).not.toEqual(one.history.loss);
    });
  });

  test('reads CIFAR-10, and keeps to it in the next commands', async () => {
    await inFolder(async (cwd) => {
      // Records of a label and 3072 pixels, as few as the split allows: 100 for training, 1000 each for the other two.
      const write = (name: string, images: number) => {
        const records = new Uint8Array(images * 3073).map((_, i) =>
          i % 3073 === 0 ? (i / 3073) % 10 : (i * 37) % 256,
        );
        writeFileSync(join(cwd, 'cifar', name), records);
      };
      mkdirSync(join(cwd, 'cifar'));
      for (let batch = 1; batch <= 5; batch++) write(`data_batch_${batch}.bin`, 220);
      write('test_batch.bin', 1000);
      const { code, stdout, stderr } = await run(['train', ...tiny, '--data', 'cifar', '--no-pictures'], { cwd });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^test accuracy/);
      expect(stderr).toMatch(/^data: 100 training, 1,000 validation, 1,000 test images, loaded in [\d.]+ s$/m);
      expect(stderr.match(/train --data cifar --/g)?.length).toBe(2);
    });
  });

  test.each([
    ['--model', 'two-layer-net', '--update-rule', 'sgd_momentum', '--reg', '0.1', '--lr-decay', '0.9'],
    [
      '--normalization',
      'layernorm',
      '--dropout',
      '0.5',
      '--weight-scale',
      '0.02',
      '--loss',
      'svm',
      '--dtype',
      'float64',
    ],
    ['--update-rule', 'rmsprop', '--learning-rate', '1e-4', '--build', 'simd', '--threads', '2'],
  ])('takes %s %s %s %s %s %s %s %s', async (...options) => {
    await inFolder(async (cwd) => {
      const { code, stdout } = await run(['train', ...tiny, ...options, '--json', '--no-pictures'], { cwd });
      expect(code).toBe(0);
      expect(JSON.parse(stdout).history.loss.every(Number.isFinite)).toBe(true);
    });
  });
});

describe('pictures', () => {
  test('are an SVG of the curves and a PNG of the first layer, in --out', async () => {
    await inFolder(async (cwd) => {
      const { stdout } = await run(['train', ...tiny, '--out', 'a/b c', '--json'], { cwd });
      const { files } = JSON.parse(stdout);
      expect(files).toEqual({
        curves: join('a/b c', 'training.svg'),
        weights: join('a/b c', 'first-layer.png'),
        examples: join('a/b c', 'examples.svg'),
      });
      const svg = readFileSync(join(cwd, files.curves), 'utf8');
      expect(svg).toMatch(/^<svg .*<\/svg>$/s);
      expect(svg).not.toContain('NaN');
      for (const text of ['loss', 'accuracy (%)', 'epoch', 'training', 'validation', 'smoothed']) {
        expect(svg).toContain(`>${text}</text>`);
      }
      // 8 units: 3 x 3 tiles of 32 pixels, 1 between them, everything four times as large; the last place is empty.
      const { width, height, channels, data } = decode(readFileSync(join(cwd, files.weights)));
      expect([width, height, channels]).toEqual([392, 392, 4]);
      const pixel = (x: number, y: number) => [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)];
      expect(pixel(32 * 4, 0)).toEqual([0, 0, 0, 255]);
      expect(pixel(391, 391)).toEqual([0, 0, 0, 255]);
      const tile = Array.from({ length: 128 * 128 }, (_, i) => pixel(i % 128, Math.floor(i / 128)).slice(0, 3)).flat();
      expect([Math.min(...tile), Math.max(...tile)]).toEqual([0, 255]);
    });
  });

  test('a place that cannot be written is refused before training', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'taken'), '');
      const { code, stdout, stderr } = await run(['train', ...tiny, '--out', 'taken/out'], { cwd });
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('taken');
      expect(stderr).not.toContain('epoch');
    });
  });
});

describe('Ctrl-C', () => {
  const args = ['train', ...long.args, '--dropout', '0.8'];
  const signal = { name: 'SIGINT', when: /^epoch +2\//m } as const;

  test('stops between steps, says what was reached, and the run goes on with the same bits', async () => {
    await inFolder(async (cwd) => {
      const whole = JSON.parse((await run([...args, '--json', '--no-pictures'], { cwd })).stdout);
      const { code, stdout, stderr } = await run(args, { cwd, signal });
      expect(code).toBe(130);
      expect(stdout).toBe('');
      const [, step] = /^Stopped after step (\d+) of 2000, \d+ of 200 epochs done\.$/m.exec(stderr) ?? [];
      expect(Number(step)).toBeGreaterThanOrEqual(20);
      expect(stderr).toMatch(/^Best validation accuracy: [\d.]+ % \(after epoch \d+\)$/m);
      const checkpoint = /^Checkpoint: (.*)$/m.exec(stderr)?.[1] as string;
      expect(existsSync(join(cwd, checkpoint))).toBe(true);
      expect(existsSync(join(cwd, `${checkpoint}.part`))).toBe(false);
      const again = /^Go on with: node .*cli\.js (.*)$/m.exec(stderr)?.[1] as string;
      expect(again).toBe('train --resume lanewise-out');

      const rest = await run([...again.split(' '), '--json', '--no-pictures'], { cwd });
      expect(rest.code).toBe(0);
      const resumed = JSON.parse(rest.stdout);
      expect(resumed.settings).toEqual(whole.settings);
      expect(resumed.history).toEqual(whole.history);
      expect(resumed.accuracy).toEqual(whole.accuracy);
    });
  });

  test('with --json still prints one document, with --save writes there', async () => {
    await inFolder(async (cwd) => {
      const own = ['--json', '--save', 'my run.bin', '--out', 'o', '--threads', '1'];
      const { code, stdout, stderr } = await run([...args, ...own], { cwd, signal });
      expect(code).toBe(130);
      const report = JSON.parse(stdout);
      const files = { checkpoint: 'my run.bin' };
      expect(report).toMatchObject({ interrupted: true, files, accuracy: { test: null } });
      expect(report.history.loss.length).toBe(report.progress.step);
      expect(stderr).toMatch(/^Go on with: .* train --resume ["']my run\.bin["'] --out o --threads 1$/m);
      expect(existsSync(join(cwd, 'my run.bin'))).toBe(true);
    });
  });

  test('before training begins there is nothing to keep', async () => {
    await inFolder(async (cwd) => {
      const early = { name: 'SIGINT', when: /^lanewise: / } as const;
      const { code, stdout, stderr } = await run(['train', '--num-train', '3000', '--no-pictures'], {
        cwd,
        signal: early,
      });
      expect(code).toBe(130);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/Stopped before training began\.\n$/);
      expect(readdirSync(cwd)).toEqual([]);
    });
  });

  test('SIGTERM stops a run likewise, with exit code 143', async () => {
    await inFolder(async (cwd) => {
      const { code, stderr } = await run(args, { cwd, signal: { ...signal, name: 'SIGTERM' } });
      expect(code).toBe(143);
      expect(stderr).toMatch(/^Checkpoint: /m);
    });
  });
});

describe('--resume', () => {
  test('trains a finished run for as many epochs again', async () => {
    await inFolder(async (cwd) => {
      const first = await run(['train', ...tiny, '--save', 'a.run', '--json', '--no-pictures'], { cwd });
      expect(JSON.parse(first.stdout).files).toEqual({ checkpoint: 'a.run' });
      const { code, stdout } = await run(['train', '--resume', 'a.run', '--json', '--out', 'o'], { cwd });
      expect(code).toBe(0);
      const report = JSON.parse(stdout);
      expect(report.progress).toEqual({ epoch: 4, epochs: 4, step: 40, steps: 40 });
      expect(report.history.checkedAt).toEqual([1, 10, 20, 21, 30, 40]);
      expect(report.history.loss.slice(0, 20)).toEqual(JSON.parse(first.stdout).history.loss);
    });
  });

  test('refuses files of another kind, damaged ones, and settings of its own', async () => {
    await inFolder(async (cwd) => {
      await run(['train', ...tiny, '--save', 'a.run', '--no-pictures', '--quiet'], { cwd });
      const bytes = readFileSync(join(cwd, 'a.run'));
      const { settings } = lw.checkpointInfo(bytes).context as { settings: Record<string, unknown> };
      writeFileSync(join(cwd, 'cut.run'), bytes.subarray(0, bytes.length - 5));
      writeFileSync(join(cwd, 'foreign.run'), 'something else');
      const model = new lw.TwoLayerNet({ inputDim: 2, hiddenDim: 2, numClasses: 2 });
      const X = lw.zeros([2, 2]);
      const solver = new lw.Solver(model, { XTrain: X, yTrain: [0, 1], XVal: X, yVal: [0, 1] });
      writeFileSync(
        join(cwd, 'wrong.run'),
        solver.save({ context: { settings: { ...settings, model: '__proto__' } } }),
      );
      writeFileSync(join(cwd, 'short.run'), solver.save({ context: { settings: { ...settings, seed: undefined } } }));
      writeFileSync(join(cwd, 'own.run'), solver.save());
      writeFileSync(join(cwd, 'model.run'), model.save());
      solver.dispose();
      model.dispose();
      X.dispose();
      const attempt = async (...args: string[]) => {
        const { code, stderr } = await run(['train', '--no-pictures', ...args], { cwd });
        return {
          code,
          message: stderr.split('\n').find((line) => line.startsWith('lanewise: ') && !line.includes('build,')),
        };
      };
      const foreign = await attempt('--resume', 'foreign.run');
      expect(foreign.code).toBe(1);
      expect(foreign.message).toMatch(
        /^lanewise: train: foreign\.run: expected a header of at most \d+ bytes at byte 0/,
      );
      const none = (kind: string) =>
        `expected a checkpoint of lanewise train, got one of kind '${kind}' without settings`;
      const own = `lanewise: train: own.run: ${none('solver')}; Solver.resume() takes it`;
      expect((await attempt('--resume', 'own.run')).message).toBe(own);
      expect((await attempt('--resume', 'model.run')).message).toBe(`lanewise: train: model.run: ${none('model')}`);
      expect(await attempt('--resume', '.')).toEqual({
        code: 2,
        message: 'lanewise: --resume: there is no checkpoint in .',
      });
      const wrong = 'expected the settings of a run, got';
      expect(await attempt('--resume', 'wrong.run')).toEqual({
        code: 1,
        message: `lanewise: train: wrong.run: ${wrong} model __proto__`,
      });
      expect((await attempt('--resume', 'short.run')).message).toBe(`lanewise: train: short.run: ${wrong} no seed`);
      const cut = await attempt('--resume', 'cut.run');
      expect(cut.code).toBe(1);
      expect(cut.message).toMatch(/^lanewise: train: cut\.run: expected \d+ bytes of .* got the end of the data$/);
      expect((await attempt('--resume', 'none.run')).message).toMatch(/ENOENT.*none\.run/);
      const changed = await attempt('--resume', 'a.run', '--hidden', '9');
      expect(changed).toEqual({
        code: 2,
        message: 'lanewise: --hidden does not go with --resume: the checkpoint says how to train',
      });
    });
  });
});

describe('--save-every', () => {
  const quiet = ['--no-pictures', '--json', '--quiet'];
  const files = (cwd: string) => readdirSync(join(cwd, 'lanewise-out')).sort();
  const file = (n: number) => `checkpoint-${String(n).padStart(6, '0')}.safetensors`;

  test('keeps the newest two; a damaged one is passed over, loudly, and the bits are those of a run that never stopped', async () => {
    await inFolder(async (cwd) => {
      const whole = JSON.parse((await run(['train', ...tiny, ...quiet], { cwd })).stdout);
      expect(readdirSync(cwd)).toEqual([]);
      await run(['train', ...tiny, '--save-every', '6', ...quiet], { cwd });
      // At steps 6, 12, 18 and at the end.
      expect(files(cwd)).toEqual([file(3), file(4)]);
      const [before, last] = files(cwd).map((name) => join(cwd, 'lanewise-out', name));
      const bytes = readFileSync(last);
      bytes[bytes.length - 100] ^= 4;
      writeFileSync(last, bytes);
      const { stdout, stderr } = await run(['train', '--resume', 'lanewise-out', ...quiet], { cwd });
      expect(stderr).toMatch(
        /^WARNING: lanewise-out.checkpoint-000004\.safetensors cannot be read; going on from the one before\. .*damaged\n$/,
      );
      const report = JSON.parse(stdout);
      expect(report.history).toEqual(whole.history);
      expect(report.accuracy).toEqual(whole.accuracy);
      writeFileSync(before, bytes);
      const none = await run(['train', '--resume', 'lanewise-out', ...quiet], { cwd });
      expect(none.code).toBe(1);
      expect(none.stderr).toMatch(/^lanewise: train: checkpoint-000004\.safetensors: expected the checksum/);
    });
  });

  test('by epochs and by minutes; what it does not understand is refused', async () => {
    await inFolder(async (cwd) => {
      await run(['train', ...tiny, '--save-every', 'epoch', ...quiet], { cwd });
      expect(files(cwd)).toEqual([file(2), file(3)]);
      await run(['train', ...tiny, '--save-every', '0.0001m', '--out', 'm', ...quiet], { cwd });
      expect(readdirSync(join(cwd, 'm')).length).toBe(2);
      await run(['train', ...tiny, '--save-every', 'none', '--out', 'n', ...quiet], { cwd });
      expect(existsSync(join(cwd, 'n'))).toBe(false);
      for (const wrong of ['0', '1.5', 'm', '-3', '5h', 'never']) {
        const { code, stderr } = await run(['train', ...tiny, `--save-every=${wrong}`], { cwd });
        expect(code).toBe(2);
        expect(stderr).toMatch(/--save-every must be steps such as 500, minutes such as 10m, 'epoch' or 'none', got/);
      }
    });
  });

  test('a folder that cannot be written: said, and training goes on', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'taken'), '');
      const { code, stdout, stderr } = await run(
        ['train', ...tiny, '--save-every', '15', '--out', 'taken', '--no-pictures', '--json', '--quiet'],
        { cwd },
      );
      expect(code).toBe(0);
      expect(JSON.parse(stdout).progress.step).toBe(20);
      expect(stderr).toMatch(/^WARNING: checkpoint: taken could not be read: ENOTDIR.*\. Training goes on\.\n$/);
    });
  });
});

describe('--on-fault', () => {
  const explosive = [...tiny, '--learning-rate', '1e30', '--update-rule', 'sgd', '--no-pictures'];

  test('stop names step and layer and leaves a checkpoint', async () => {
    await inFolder(async (cwd) => {
      const { code, stderr } = await run(['train', ...explosive], { cwd });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^The state before that step: lanewise-out.checkpoint-000001\.safetensors$/m);
      expect(stderr).toMatch(/^lanewise: Solver: .* must be finite, got (NaN|-?Infinity) at iteration \d+ \/ 20; /m);
    });
  });

  test('rollback goes on, and clip asks for a norm', async () => {
    await inFolder(async (cwd) => {
      const args = [
        '--learning-rate',
        '1e3',
        '--update-rule',
        'sgd',
        '--on-fault',
        'rollback',
        '--no-pictures',
        '--json',
      ];
      const { code, stdout, stderr } = await run(['train', ...tiny, ...args], { cwd });
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/^step \d+: .* is (NaN|-?Infinity); rollback$/m);
      expect(JSON.parse(stdout).settings.onFault).toBe('rollback');
      const clip = await run(['train', ...tiny, '--on-fault', 'clip'], { cwd });
      expect(clip.code).toBe(2);
      expect(clip.stderr).toMatch(/^lanewise: --on-fault clip needs --clip-norm/);
    });
  });
});
