// The command line itself: help, version, exit codes 0, 1 and 2, doctor.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KNOWN } from '../../src/conformance.js';
import { inFolder, run, tiny } from './run.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

describe('help', () => {
  test.each([[[]], [['--help']], [['-h']]])('%j lists the commands, with examples', async (args) => {
    const { code, stdout, stderr } = await run(args, { cwd: '.' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`lanewise/${version}`);
    expect(stdout).toMatch(/^Commands:\n {2}train .*\n {2}sweep .*\n {2}notebook .*\n {2}doctor .*$/m);
    expect(stdout).toMatch(/^Examples:\n {2}# .*\n {2}\$ lanewise train\n/m);
  });

  test.each([
    ['train', ['--data', '--model', '--hidden', '--update-rule', '--no-pictures', '--resume', '--json', '--debug']],
    ['doctor', ['--json', '--threads', '--build', '--reproducible']],
    ['sweep', ['--spec', '--build', '--reproducible']],
  ])('%s --help lists its options, with examples', async (name, flags) => {
    const { code, stdout } = await run([name, '--help'], { cwd: '.' });
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage:\n  $ lanewise ${name} [options]\n`);
    for (const flag of flags) expect(stdout).toMatch(new RegExp(`^  ${flag}( |$)`, 'm'));
    expect(stdout).toMatch(new RegExp(`^Examples:\n {2}# .*\n {2}\\$ lanewise ${name}`, 'm'));
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
  });

  test('the examples of train are command lines that it takes', async () => {
    const { stdout } = await run(['train', '--help'], { cwd: '.' });
    const examples = [...stdout.matchAll(/^ {2}\$ lanewise ([^[\n]*)$/gm)].map(([, line]) => line as string);
    expect(examples.length).toBeGreaterThan(3);
    await inFolder(async (cwd) => {
      for (const line of examples) {
        // What is read comes after what is parsed: --resume of a file that is not there fails with 1, a wrong line with 2.
        const { code, stderr } = await run([...line.replace(/ >.*/, '').split(' '), '--resume', 'none'], { cwd });
        expect({ line, code }).toEqual({ line, code: line.includes('--resume') ? 2 : 1 });
        expect(stderr).toMatch(line.includes('--resume') ? 'given more than once' : 'ENOENT');
      }
    });
  });

  test.each([[['--version']], [['-v']], [['train', '--version']]])('%j prints the version', async (args) => {
    const { code, stdout } = await run(args, { cwd: '.' });
    expect(code).toBe(0);
    expect(stdout).toMatch(`lanewise/${version} `);
  });
});

describe('a wrong command line', () => {
  test.each([
    [['trian'], "unknown command 'trian'; did you mean 'train'?"],
    [['--thread'], 'unknown option --thread'],
    [['train', '--lerning-rate', '1'], 'unknown option --lerning-rate; did you mean --learning-rate?'],
    [['train', '--nopictures'], 'unknown option --nopictures; did you mean --no-pictures?'],
    [['train', '-x'], 'unknown option -x'],
    [['train', '--reproducible', '--build', 'relaxed'], '--reproducible excludes --build relaxed'],
    [['train', 'extra'], "unexpected argument 'extra'"],
    [['train', '--epochs'], '--epochs needs a value: --epochs N'],
    [['train', '--epochs', '--json'], '--epochs needs a value: --epochs N'],
    [['train', '--epochs', '1', '--epochs', '2'], '--epochs is given more than once'],
    [['train', '--epochs', '0'], "--epochs must be an integer >= 1, got '0'"],
    [['train', '--epochs=1.5'], "--epochs must be an integer >= 1, got '1.5'"],
    [['train', '--learning-rate', 'fast'], "--learning-rate must be a number > 0, got 'fast'"],
    [['train', '--dropout', '1.5'], "--dropout must be a number > 0 and <= 1, got '1.5'"],
    [
      ['train', '--hidden', '100,,3'],
      "--hidden must be integers > 0 with commas between them, such as 100,100, got '100,,3'",
    ],
    [['train', '--threads', 'many'], "--threads must be 'auto' or an integer >= 1 and <= 256, got 'many'"],
    [['train', '--update-rule', 'adamm'], 'did you mean adam?'],
    [
      ['train', '--model', 'resnet'],
      "--model must be one of two-layer-net, fully-connected-net, three-layer-convnet, convnet, got 'resnet'",
    ],
    [
      ['train', '--model', 'two-layer-net', '--hidden', '9,9'],
      "--hidden must be one size for two-layer-net, got '9,9'",
    ],
    [
      ['train', '--model', 'two-layer-net', '--dropout', '0.5'],
      '--dropout does not apply to two-layer-net; it does to fully-connected-net',
    ],
    [
      ['train', '--model', 'convnet', '--hidden', '9'],
      '--hidden does not apply to convnet; it does to two-layer-net, ',
    ],
    [
      ['train', '--filters', '9', '--dropout', '0.5'],
      '--dropout does not apply to three-layer-convnet; it does to fully-connected-net',
    ],
    [
      ['train', '--model', 'three-layer-convnet', '--normalization', 'layernorm'],
      "--normalization must be none or batchnorm for three-layer-convnet, got 'layernorm'",
    ],
    [['train', '--filter-size', '4'], "--filter-size must be an odd integer >= 1, got '4'"],
    [['train', '--loss', 'svm', '--label-smoothing', '0.1'], '--label-smoothing does not go with --loss svm'],
    [['train', '--weight-scale', 'big'], "--weight-scale must be 'he' or a number >= 0, got 'big'"],
    [['train', '--schedule', 'cosinus'], 'did you mean cosine?'],
    [['train', '--warmup', '2'], "--warmup must be a number >= 0 and <= 1, got '2'"],
    [
      ['train', '--augment', 'crop'],
      "--augment must be 'none' or a list of crop=N, flip, cutout=N, such as crop=4,flip",
    ],
    [['train', '--augment', 'flip,flip'], "got 'flip,flip'"],
    [['train', '--augment=crop=40'], "with crop an integer >= 1 and <= 31, got 'crop=40'"],
    [['train', '--preset', 'depp'], 'did you mean deep?'],
    [
      ['train', '--preset', 'deep', '--model', 'two-layer-net'],
      '--model two-layer-net does not go with --preset deep, which is a convnet',
    ],
    [['train', '--spec', 'none.json'], "--spec must be a file that exists, got 'none.json'"],
    [['train', '--spec', '.'], "--spec must be a file, got '.'"],
    [['train', '--data', 'nowhere'], "--data must be 'synthetic' or a folder, file or URL that exists, got 'nowhere'"],
    [['doctor', '--threads', '0'], "--threads must be 'auto' or an integer >= 1 and <= 256, got '0'"],
  ])('%j', async (args, message) => {
    await inFolder(async (cwd) => {
      const { code, stdout, stderr } = await run(args, { cwd });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      const [first, second, ...rest] = stderr.trimEnd().split('\n');
      expect(first).toContain(message);
      expect(first).toMatch(/^lanewise: /);
      expect(second).toMatch(/^See node .*cli\.js (\w+ )?--help$/);
      expect(rest).toEqual([]);
    });
  });
});

describe('a failure', () => {
  test('is one line on stderr and exit code 1; --debug shows where it comes from', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'data.tar.gz'), 'no archive');
      const args = ['train', '--data', 'data.tar.gz', '--no-pictures', '--quiet'];
      const { code, stdout, stderr } = await run(args, { cwd });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^lanewise: getCifar10Data: data\.tar\.gz: expected .*\n$/);
      const debug = await run([...args, '--debug'], { cwd });
      expect(debug.code).toBe(1);
      expect(debug.stderr).toMatch(/\n {4}at /);
    });
  });

  test('a loss that is no number ends the run and says at which step', async () => {
    await inFolder(async (cwd) => {
      const wild = ['--update-rule', 'sgd', '--learning-rate', '1e9', '--no-pictures'];
      const { code, stdout, stderr } = await run(['train', ...tiny, ...wild], { cwd });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /\nlanewise: Solver: the loss(, .*,)? must be finite, got \S+ at iteration \d+ \/ 20; .*\n$/,
      );
    });
  });
});

describe('doctor', () => {
  test('shows machine, features, build, threads, the reason, memory, speed and equal bits', async () => {
    const { code, stdout, stderr } = await run(['doctor'], { cwd: '.' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of ['runtime', 'machine', 'features', 'build', 'threads', 'why', 'memory', 'speed', 'bits']) {
      expect(stdout).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
    expect(stdout).toContain(`node ${process.versions.node}`);
    expect(stdout).toMatch(/^ +float32( +[\d.]+)+ {2}GFLOP\/s$/m);
    expect(stdout).toMatch(/^ +float64( +[\d.]+)+ {2}GFLOP\/s$/m);
    expect(stdout).toMatch(/^bits +[0-9a-f]{16}, the known ones /m);
  });

  test('--json prints the same as one document', async () => {
    const { code, stdout } = await run(['doctor', '--json', '--threads', '2', '--reproducible'], { cwd: '.' });
    expect(code).toBe(0);
    const { features, runtime, matmul, conformance } = JSON.parse(stdout);
    expect(conformance).toMatchObject({ hash: KNOWN.rounded, known: KNOWN.rounded, fused: false });
    expect(features.simd).toBe(true);
    expect(runtime).toMatchObject({ build: 'simd', fused: false, threads: 2 });
    const rates = matmul.rates as { dtype: string; threads: number; gflops: number }[];
    expect(rates.map(({ dtype, threads }) => `${dtype} ${threads}`)).toEqual([
      'float32 1',
      'float64 1',
      'float32 2',
      'float64 2',
    ]);
    expect(rates.every(({ gflops }) => gflops > 0.1)).toBe(true);
  });
});
