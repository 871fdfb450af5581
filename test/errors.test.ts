import { describe, expect, test } from 'vitest';
import {
  checkChoice,
  checkNumber,
  checkOptions,
  DataError,
  DTypeError,
  describe as describeValue,
  formatShape,
  LanewiseError,
  MemoryError,
  nearest,
  OptionError,
  RuntimeError,
  ShapeError,
  ValueError,
} from '../src/errors.js';
import { thrown } from './support.js';

const message = (act: () => unknown, kind: new (...args: never[]) => Error) => {
  const error = thrown(act);
  expect(error).toBeInstanceOf(kind);
  return error.message;
};

test('an error is one line and its parts', () => {
  const parts = {
    where: 'affineForward',
    argument: 'w',
    rule: '(D, M) with D = 3072',
    value: '(3070, 100)',
    hint: 'D is 3*32*32 from x (50, 3, 32, 32)',
  };
  const error = new ShapeError(parts);
  expect(error.message).toBe(
    'affineForward: w must be (D, M) with D = 3072, got (3070, 100); D is 3*32*32 from x (50, 3, 32, 32)',
  );
  expect(error).toMatchObject(parts);
  expect(error).toBeInstanceOf(LanewiseError);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe('ShapeError');
  expect(String(error)).toBe(`ShapeError: ${error.message}`);
  expect(new LanewiseError({ where: 'f', rule: 'nothing fits' }).message).toBe('f: nothing fits');
  expect(new LanewiseError({ where: 'f', argument: 'x', rule: 'even' }).message).toBe('f: x must be even');
  expect(new LanewiseError({ where: 'f', rule: 'broken', hint: 'mend it' }).message).toBe('f: broken; mend it');
});

test('each kind bears its name', () => {
  const parts = { where: 'f', rule: 'r' };
  for (const [kind, name] of [
    [ShapeError, 'ShapeError'],
    [DTypeError, 'DTypeError'],
    [ValueError, 'ValueError'],
    [OptionError, 'OptionError'],
    [RuntimeError, 'RuntimeError'],
  ] as const) {
    const error = new kind(parts);
    expect(error.name).toBe(name);
    expect(error).toBeInstanceOf(LanewiseError);
  }
  const memory = new MemoryError({ ...parts, requested: 128, live: 64, limit: 1024 });
  expect(memory).toMatchObject({ name: 'MemoryError', requested: 128, live: 64, limit: 1024 });
  const data = new DataError({ where: 'load', file: 'a.bin', offset: 12, expected: 'a label below 10', found: '200' });
  expect(data).toMatchObject({ name: 'DataError', file: 'a.bin', offset: 12, expected: 'a label below 10' });
  expect(data.message).toBe('load: a.bin: expected a label below 10 at byte 12, got 200');
});

test('values are described briefly', () => {
  const cases: [unknown, string][] = [
    ['text', "'text'"],
    ['x'.repeat(70), `'${'x'.repeat(57)}...'`],
    ['two\nlines\u2028and\u0000', "'two\\u000alines\\u2028and\\u0000'"],
    [3, '3'],
    [-0.5, '-0.5'],
    [Number.NaN, 'NaN'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [10n, '10'],
    [[], '[]'],
    [[1, 'a', [2]], "[1, 'a', [2]]"],
    [[1, 2, 3, 4, 5, 6, 7], '[1, 2, 3, 4, 5, 6, … 7 items]'],
    [[[[[1, 2], 3]]], '[[[2 items, 3]]]'],
    [JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`), '[[[1 items]]]'],
    [new Float32Array(5), 'Float32Array(5)'],
    [new DataView(new ArrayBuffer(8)), 'DataView'],
    [{ a: 1 }, 'Object'],
    [new Map(), 'Map'],
    [Object.create(null), 'object'],
    [Math.max, 'function max'],
    [{ shape: [2, 3], dtype: 'float32' }, 'float32 tensor (2, 3)'],
    [Symbol('s'), 'Symbol(s)'],
  ];
  for (const [value, text] of cases) expect(describeValue(value)).toBe(text);
  expect([formatShape([]), formatShape([3]), formatShape([3, 4])]).toEqual(['()', '(3,)', '(3, 4)']);
});

test('slips are recognised, other words are not', () => {
  const names = ['learningRate', 'momentum', 'epsilon', 'p'];
  expect(nearest('learningrate', names)).toBe('learningRate');
  expect(nearest('learing_rate', names)).toBe('learningRate');
  expect(nearest('momentun', names)).toBe('momentum');
  expect(nearest('eps', names)).toBeUndefined();
  expect(nearest('batchSize', names)).toBeUndefined();
  expect(nearest('', [])).toBeUndefined();
});

describe('checkOptions', () => {
  const check = (options: unknown) => () => checkOptions('f', options as object, ['mode', 'seed']);
  test('takes known names, and none', () => {
    for (const options of [undefined, {}, { mode: 1 }, { seed: undefined, mode: 2 }]) check(options)();
  });
  test('refuses the first unknown name, with the nearest known one or all', () => {
    expect(message(check({ mode: 1, mdoe: 2 }), OptionError)).toBe("f: unknown option 'mdoe'; did you mean 'mode'?");
    expect(message(check({ whatever: 1 }), OptionError)).toBe("f: unknown option 'whatever'; there are mode, seed");
    // Also when its value is undefined: a misspelt name is a mistake whatever it holds.
    expect(message(check({ sead: undefined }), OptionError)).toBe("f: unknown option 'sead'; did you mean 'seed'?");
  });
  test('refuses what is no object', () => {
    for (const [options, text] of [
      [null, 'null'],
      [3, '3'],
      ['mode', "'mode'"],
    ] as const) {
      expect(message(check(options), OptionError)).toBe(`f: options must be an object, got ${text}`);
    }
  });
});

test('checkChoice', () => {
  const check = (value: unknown) => () => checkChoice('f', 'mode', value, ['train', 'test']);
  expect(check('test')()).toBe('test');
  expect(message(check('trian'), OptionError)).toBe(
    "f: mode must be one of 'train', 'test', got 'trian'; did you mean 'train'?",
  );
  expect(message(check(undefined), OptionError)).toBe("f: mode must be one of 'train', 'test', got undefined");
});

describe('checkNumber', () => {
  const check = (value: unknown, bounds?: Parameters<typeof checkNumber>[3]) => () =>
    checkNumber('f', 'n', value, bounds);
  test('takes what lies within its bounds', () => {
    expect(check(-3.5)()).toBe(-3.5);
    expect(check(0, { low: 0 })()).toBe(0);
    expect(check(1, { low: 0, high: 1, openLow: true })()).toBe(1);
    expect(check(4, { integer: true })()).toBe(4);
  });
  test.each([
    [Number.NaN, {}, 'a finite number, got NaN'],
    [Number.POSITIVE_INFINITY, {}, 'a finite number, got Infinity'],
    ['1', {}, "a finite number, got '1'"],
    [1n, {}, 'a finite number, got 1'],
    [-1, { low: 0 }, 'a finite number in [0, Infinity), got -1'],
    [0, { low: 0, openLow: true, high: 1 }, 'a finite number in (0, 1], got 0'],
    [1, { low: 0, high: 1, openHigh: true }, 'a finite number in [0, 1), got 1'],
    [2, { high: 1 }, 'a finite number in (-Infinity, 1], got 2'],
    [1.5, { low: 1, integer: true }, 'an integer in [1, Infinity), got 1.5'],
    [0.5, { integer: true }, 'an integer, got 0.5'],
  ])('refuses %s within %j', (value, bounds, text) => {
    expect(message(check(value, bounds), ValueError)).toBe(`f: n must be ${text}`);
  });
});
