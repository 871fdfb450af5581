// Convolutional nets, presets and specifications on the command line.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { decode } from 'fast-png';
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { filterRows } from '../../src/cli/filters.js';
import { presets } from '../../src/cli/presets.js';
import { flags, settle, settleAgain, type TrainValues } from '../../src/cli/settings.js';
import { readSpec } from '../../src/cli/spec.js';

import { inFolder, run } from './run.js';

/** Two steps an epoch. */
const small = ['--num-train', '20', '--batch-size', '10', '--json', '--no-pictures'];

/** As if nothing but these flags had been given. */
function given(values: Partial<TrainValues> = {}): TrainValues {
  const nothing = Object.entries(flags).map(([name, flag]) => [name, 'value' in flag ? undefined : false]);
  return { ...Object.fromEntries(nothing), ...values } as TrainValues;
}

describe('which model', () => {
  test.each([
    [{}, 'convnet'],
    [{ hidden: [9] }, 'fully-connected-net'],
    [{ dropout: 0.5 }, 'fully-connected-net'],
    [{ filters: 9 }, 'three-layer-convnet'],
    [{ filterSize: 3, hidden: [9] }, 'three-layer-convnet'],
    [{ spec: { layers: [] } }, 'convnet'],
    [{ model: 'two-layer-net' }, 'two-layer-net'],
    [{ preset: 'batchnorm-convnet', hidden: [9] }, 'three-layer-convnet'],
  ] as const)('%j means %s', (values, model) => {
    expect(settle(given(values as Partial<TrainValues>)).model).toBe(model);
  });

  test('without a model the standard preset is meant, with one nothing but its defaults', () => {
    expect(settle(given())).toEqual(settle(given({ preset: 'quick' })));
    expect(settle(given({ model: 'convnet' }))).toMatchObject({ schedule: 'constant', lrDecay: 0.95, epochs: 10 });
  });

  test('has the settings that apply to it and no others', () => {
    expect(settle(given({ model: 'two-layer-net' }))).not.toHaveProperty('dropout');
    expect(settle(given({ model: 'convnet' }))).not.toHaveProperty('hidden');
    expect(settle(given({ filters: 4 }))).toMatchObject({ filters: 4, filterSize: 7, hidden: [100] });
  });
});

describe('settings', () => {
  test('of the command line come before those of the preset', () => {
    const deep = settle(given({ preset: 'deep' }));
    expect(deep).toMatchObject({ flipEvaluation: true, augment: { crop: 4, flip: true } });
    const other = settle(given({ preset: 'deep', augment: null, epochs: 3, updateRule: 'adam' }));
    expect(other).toEqual({ ...deep, augment: null, epochs: 3, updateRule: 'adam', learningRate: 5e-4 });
  });

  test('that a specification holds are defaults of the flags', () => {
    const spec = {
      layers: ['relu'],
      reg: 1,
      labelSmoothing: 0.2,
      dtype: 'float64',
      weightScale: 0.5,
    } as lw.ConvNetSpec;
    const settings = settle(given({ spec, reg: 2 }));
    expect(settings).toMatchObject({ reg: 2, labelSmoothing: 0.2, dtype: 'float64', weightScale: 0.5 });
    expect(settings.spec).toEqual({ layers: ['relu'] });
  });

  test('a schedule leaves the decay out; the decay of adamw is its own', () => {
    expect(settle(given({ schedule: 'one-cycle' }))).toMatchObject({ lrDecay: 1, warmup: 0.3, weightDecay: 0.05 });
    expect(settle(given({ hidden: [9], updateRule: 'adamw' })).weightDecay).toBe(0.01);
    expect(settle(given({ hidden: [9], updateRule: 'adam' })).weightDecay).toBe(0);
  });

  test.each(Object.keys(presets))('of preset %s survive JSON and are the same again', (preset) => {
    const settings = settle(given({ preset }));
    const saved = { file: 'a', settings: JSON.parse(JSON.stringify(settings)) };
    expect(settleAgain(given(), saved)).toEqual(settings);
    for (const values of [{ preset }, { epochs: 1 }, { augment: null }] as Partial<TrainValues>[]) {
      expect(() => settleAgain(given(values), saved)).toThrow('does not go with --resume');
    }
    expect(settleAgain(given({ flipEvaluation: true, data: 'b' }), saved)).toEqual({
      ...{ ...settings, flipEvaluation: true, data: 'b' },
    });
  });
});

describe('augment', () => {
  test.each([
    ['none', null],
    ['flip', { flip: true }],
    ['crop=4,flip,cutout=8', { crop: 4, flip: true, cutout: 8 }],
    ['cutout=1', { cutout: 1 }],
  ])('%s', (typed, value) => {
    expect(flags.augment.read(typed)).toEqual(value);
    if (value) expect(flags.augment.read(flags.augment.restore(value))).toEqual(value);
  });

  test.each(['', 'crop', 'flip=1', 'crop=0', 'crop=1.5', 'cutout=33', 'flip,', 'flop', '__proto__', 'none,flip'])(
    '%j is refused',
    (typed) => {
      expect(() => flags.augment.read(typed)).toThrow("'none' or a list of crop=N");
    },
  );
});

describe('presets', () => {
  test('--preset list shows them', async () => {
    const { code, stdout, stderr } = await run(['train', '--preset', 'list'], { cwd: '.' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual(Object.keys(presets));
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(110);
  });

  test.each(Object.keys(presets))(
    '%s trains',
    async (preset) => {
      await inFolder(async (cwd) => {
        const { code, stdout } = await run(['train', '--preset', preset, ...small, '--epochs', '1'], { cwd });
        expect(code).toBe(0);
        const { settings, history, accuracy, timings } = JSON.parse(stdout);
        expect(settings.model).toBe(presets[preset].model);
        expect(history.loss.length).toBe(2);
        expect(history.loss.every(Number.isFinite)).toBe(true);
        expect(accuracy.testFlipped === null).toBe(presets[preset].values.flipEvaluation !== true);
        expect(timings.gflops).toBeGreaterThan(0);
      });
    },
    60_000,
  );
});

describe('a convolutional net', () => {
  const spec = { layers: [{ conv: 4, stride: 2 }, { maxPool: 2 }, 'batchnorm'], reg: 1e-3 };
  const rest = [
    ...['--augment', 'crop=2,flip,cutout=4', '--schedule', 'cosine', '--warmup', '0.2', '--sampling', 'epoch'],
    ...['--weight-decay', '1e-3', '--clip-norm', '5', '--label-smoothing', '0.1', '--flip-evaluation'],
    ...['--update-rule', 'nesterov', '--num-train', '100', '--batch-size', '15', '--epochs', '60'],
  ];

  test('goes on after Ctrl-C with the same bits, without the file of its specification', async () => {
    await inFolder(async (cwd) => {
      const file = join(cwd, 'net.json');
      writeFileSync(file, JSON.stringify(spec));
      const args = ['train', '--spec', 'net.json', ...rest];
      const whole = JSON.parse((await run([...args, '--json', '--no-pictures'], { cwd })).stdout);
      expect(whole.settings).toMatchObject({ model: 'convnet', reg: 1e-3, spec: { layers: spec.layers } });
      expect(whole.accuracy.testFlipped).toBeGreaterThan(0);
      const stopped = await run(args, { cwd, signal: { name: 'SIGINT', when: /^epoch +2\//m } });
      expect(stopped.code).toBe(130);
      rmSync(file);
      const again = /^Go on with: node .*cli\.js (.*)$/m.exec(stopped.stderr)?.[1] as string;
      const { code, stdout } = await run([...again.split(' '), '--json', '--no-pictures'], { cwd });
      expect(code).toBe(0);
      const resumed = JSON.parse(stdout);
      expect(resumed.settings).toEqual(whole.settings);
      expect(resumed.history).toEqual(whole.history);
      expect(resumed.accuracy).toEqual(whole.accuracy);
    });
  });

  test('shows a table of its layers, the accuracy with mirror images, and its filters as a picture', async () => {
    await inFolder(async (cwd) => {
      const args = ['train', '--filters', '9', '--filter-size', '3', '--num-train', '20', '--batch-size', '10'];
      const { code, stdout, stderr } = await run([...args, '--epochs', '1', '--flip-evaluation', '--augment'], { cwd });
      expect(code).toBe(0);
      expect(stderr).toMatch(/^model: three-layer-convnet 9 3x3 - 100, 231,762 float32 parameters, adam$/m);
      expect(stderr).toMatch(/^ {2}convRelu +\(9, 32, 32\) +252 +W1 b1 +498 k$/m);
      expect(stderr).not.toContain('filters of the first layer');
      expect(stdout).toMatch(/^with mirrors {3}[\d.]+ %$/m);
      // Two rows of at most eight filters of 3 x 3, each pixel 21 x 21, 8 around them on white.
      const { width, height, data } = decode(readFileSync(join(cwd, 'lanewise-out', 'first-layer.png')));
      expect([width, height]).toEqual([8 * 71 + 8, 2 * 71 + 8]);
      const pixel = (x: number, y: number) => [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
      expect(pixel(7, 7)).toEqual([255, 255, 255]);
      expect(pixel(width - 20, height - 20)).toEqual([255, 255, 255]);
      expect(pixel(8, 8)).toEqual(pixel(28, 28));
      const filter = [0, 1, 2].flatMap((y) => [0, 1, 2].flatMap((x) => pixel(8 + 21 * x, 8 + 21 * y)));
      expect([Math.min(...filter), Math.max(...filter)]).toEqual([0, 255]);
      const examples = readFileSync(join(cwd, 'lanewise-out', 'examples.svg'), 'utf8');
      expect(examples.match(/<image /g)?.length).toBeGreaterThanOrEqual(10);
      expect(examples).toContain('mistakes: what it is, what was predicted');
    });
  });

  test('that has no filters of colour images has no picture of them', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'net.json'), '{ "layers": [{ "maxPool": 8 }] }');
      const args = [
        'train',
        '--spec',
        'net.json',
        '--num-train',
        '20',
        '--batch-size',
        '10',
        '--epochs',
        '1',
        '--json',
      ];
      const { code, stdout } = await run(args, { cwd });
      expect(code).toBe(0);
      expect(Object.keys(JSON.parse(stdout).files)).toEqual(['curves', 'examples']);
    });
  });
});

describe('--spec', () => {
  test.each([
    ['', '"JSON"', 1, 1, 'the end', 'a value'],
    ['{"layers": [}', '', 1, 13, '"}"', 'a value'],
    ['{\n  "layers": [{"conv": 3} {"conv": 4}]\n}', '', 2, 26, '"{"', "',' or ']'"],
    ['{"layers": []', '', 1, 14, 'the end', "',' or '}'"],
    ['{"layers": [1,]}', '', 1, 15, '"]"', 'a value'],
    ['{layers: []}', '', 1, 2, '"l"', 'a name in double quotes'],
    ['{"layers" []}', '', 1, 11, '"["', "':'"],
    ['{"a": 01}', '', 1, 8, '"1"', "',' or '}'"],
    ["{'a': 1}", '', 1, 2, `"'"`, 'a name in double quotes'],
    ['{"a": {"b": "\\x"}}', '', 1, 13, '"\\""', 'a value'],
    ['{} {}', '', 1, 4, '"{"', 'the end'],
    ['[[], {"a": []}, nul]', '', 1, 17, '"n"', 'a value'],
    ['{"a": 1, }', '', 1, 10, '"}"', 'a name in double quotes'],
    ['{"a": 1,\n"b": {"a": 2}, "\\u0061": 3}', '', 2, 16, '"\\""', 'a name that the object does not have yet'],
    [`${'['.repeat(101)}${']'.repeat(101)}`, '', 1, 101, '"["', 'a value 100 lists deep at most'],
    [`${'{"a":'.repeat(101)}1${'}'.repeat(101)}`, '', 1, 501, '"{"', 'a value 100 objects deep at most'],
  ])('%j is no JSON', async (text, _, line, column, found, expected) => {
    await inFolder(async (cwd) => {
      const file = join(cwd, 'net.json');
      writeFileSync(file, text);
      const message = `JSON: line ${line}, column ${column} has ${found} where ${expected} belongs`;
      expect(() => readSpec(file)).toThrow(message);
    });
  });

  test('a name that objects have already is a name like any other, and one of the options that there are not', async () => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'net.json'), '{"__proto__": {"layers": ["relu"]}, "layers": []}');
      const spec = readSpec(join(cwd, 'net.json'));
      expect(Object.keys(spec)).toEqual(['__proto__', 'layers']);
      expect(Object.getPrototypeOf(spec)).toBe(Object.prototype);
    });
  });

  test.each(['[1]', 'null', '"a"', '3'])('%s is no net', async (text) => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'net.json'), text);
      expect(() => readSpec(join(cwd, 'net.json'))).toThrow('a file with a JSON object such as');
    });
  });

  test('is refused when it is longer than what a checkpoint takes; a byte order mark is not', async () => {
    await inFolder(async (cwd) => {
      const file = join(cwd, 'net.json');
      writeFileSync(file, `\ufeff{ "layers": ["relu"] }`);
      expect(readSpec(file)).toEqual({ layers: ['relu'] });
      writeFileSync(file, `{}${' '.repeat(2 ** 18)}`);
      expect(() => readSpec(file)).toThrow('at most 262144 bytes');
    });
  });

  test.each([
    ['{"layers": [', 'lanewise: --spec must be JSON: line 1, column 13 has the end where a value belongs, got '],
    ['{"layers": [{"cov": 3}]}', 'lanewise: --spec: ConvNet: layers[0] must be '],
    ['{"layers": [{"conv": 3}], "filters": 3}', 'lanewise: --spec: ConvNet: '],
    ['{"layers": ["relu"], "numClasses": 3}', 'lanewise: --spec: the net ends in 3 scores, there are 10 classes'],
    [
      '{"layers": ["relu"], "inputDim": [3, 16, 16]}',
      'lanewise: --spec: the net takes (3, 16, 16), images are (3, 32, 32)',
    ],
    ['{"layers": [{"maxPool": 64}]}', 'lanewise: --spec: '],
  ])('%s is refused on one line with exit code 2', async (text, message) => {
    await inFolder(async (cwd) => {
      writeFileSync(join(cwd, 'net.json'), text);
      const { code, stdout, stderr } = await run(['train', '--spec', 'net.json'], { cwd });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      const lines = stderr.trimEnd().split('\n');
      expect(lines.length).toBe(2);
      expect(lines[0]).toContain(message);
      expect(lines[1]).toMatch(/^See .* train --help$/);
    });
  });
});

describe('filters in the terminal', () => {
  const filters = (F: number, side: number) =>
    lw.arange(F * 3 * side * side, { dtype: 'float32' }).reshape(F, 3, side, side);
  const plain = (lines: string[]) => lines.map(stripVTControlCharacters);

  test('are rows of half blocks, two pixels a character', () => {
    const square = '▀'.repeat(5);
    const line = `  ${Array(8).fill(square).join(' ')}`;
    expect(plain(filterRows(filters(20, 5)))).toEqual(Array(6).fill(line));
    const [first] = filterRows(filters(1, 5));
    expect(first).toContain('\u001b[38;2;0;86;172m\u001b[48;2;17;103;190m▀\u001b[0m');
  });

  test('small ones are enlarged, large ones left out, and no line is too long', () => {
    expect(plain(filterRows(filters(1, 3)))).toEqual(Array(3).fill(`  ${'▀'.repeat(6)}`));
    expect(plain(filterRows(filters(3, 3), 20)).map((line) => line.length)).toEqual([15, 15, 15, 0, 8, 8, 8]);
    expect(filterRows(filters(4, 12))).toEqual([]);
  });
});
