import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../src/errors.js';
import { broadcast, checkAxis, checkShape, productText, reshaped, sameShape, sizeOf } from '../src/shape.js';
import { thrown } from './support.js';

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 5 });

function refusal(act: () => unknown): string {
  const error = thrown(act);
  expect(error).toBeInstanceOf(ShapeError);
  return error.message;
}

test('sizes', () => {
  expect(sizeOf([])).toBe(1);
  expect(sizeOf([2, 3, 4])).toBe(24);
  expect(sizeOf([2, 0, 4])).toBe(0);
  expect(productText([3, 32, 32])).toBe('3*32*32');
});

test('equality', () => {
  expect(sameShape([], [])).toBe(true);
  expect(sameShape([2, 3], [2, 3])).toBe(true);
  expect(sameShape([2, 3], [2, 3, 1])).toBe(false);
  expect(sameShape([2, 3, 1], [2, 3])).toBe(false);
  expect(sameShape([2, 3], [3, 2])).toBe(false);
});

describe('checkShape', () => {
  test('takes numbers and lists, and copies', () => {
    const given = [2, 0, 3];
    expect(checkShape('f', given)).toEqual(given);
    expect(checkShape('f', given)).not.toBe(given);
    expect(checkShape('f', 7)).toEqual([7]);
    expect(checkShape('f', [])).toEqual([]);
    expect(checkShape('f', [2 ** 31 - 1])).toEqual([2 ** 31 - 1]);
  });

  test.each([
    [[2, -1], 'f: shape must be a list of integers >= 0, got [2, -1]'],
    [[1.5], 'f: shape must be a list of integers >= 0, got [1.5]'],
    [Number.NaN, 'f: shape must be a list of integers >= 0, got NaN'],
    [['3'], "f: shape must be a list of integers >= 0, got ['3']"],
    ['3', "f: shape must be a list of integers >= 0, got '3'"],
    [undefined, 'f: shape must be a list of integers >= 0, got undefined'],
    [null, 'f: shape must be a list of integers >= 0, got null'],
    [{}, 'f: shape must be a list of integers >= 0, got Object'],
    [[2 ** 31], 'f: shape must be at most 2^31 - 1 elements, got (2147483648,)'],
    [[65536, 65536], 'f: shape must be at most 2^31 - 1 elements, got (65536, 65536)'],
    [Array(7).fill(-1), 'f: shape must be a list of integers >= 0, got [-1, -1, -1, -1, -1, -1, … 7 items]'],
  ])('refuses %j', (shape, message) => {
    expect(refusal(() => checkShape('f', shape))).toBe(message);
  });
});

describe('reshaped', () => {
  test('infers one axis', () => {
    expect(reshaped('f', 24, [2, -1, 3])).toEqual([2, 4, 3]);
    expect(reshaped('f', 24, [-1])).toEqual([24]);
    expect(reshaped('f', 0, [3, -1])).toEqual([3, 0]);
    expect(reshaped('f', 1, [])).toEqual([]);
  });

  test.each([
    [24, [5, -1]],
    [24, [-1, -1]],
    [24, [24, 0]],
    [24, [-2, -12]],
    [24, [1.5, 16]],
    [24, []],
    [0, [0, -1]],
    [6, [Number.NaN]],
  ])('refuses %i elements as %j', (size, shape) => {
    const text = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
    expect(refusal(() => reshaped('f', size, shape))).toBe(`f: shape must be a shape of ${size} elements, got ${text}`);
  });

  test('finds every axis of every shape again', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), (shape, pick) => {
        const axis = pick % Math.max(1, shape.length);
        fc.pre(shape.length > 0 && shape.every((n, i) => i === axis || n > 0));
        expect(reshaped('f', sizeOf(shape), shape.with(axis, -1))).toEqual(shape);
      }),
    );
  });
});

test('axes count from either end', () => {
  for (let axis = -3; axis < 3; axis++) expect(checkAxis('f', axis, [4, 5, 6])).toBe((axis + 3) % 3);
  for (const axis of [3, -4, 0.5, Number.NaN, '0', undefined, null]) {
    const text = axis === '0' ? "'0'" : String(axis);
    expect(refusal(() => checkAxis('f', axis, [4, 5, 6]))).toBe(`f: axis must be an axis of (4, 5, 6), got ${text}`);
  }
  expect(refusal(() => checkAxis('f', 0, []))).toBe('f: axis must be an axis of (), got 0');
});

describe('broadcast', () => {
  test('aligns shapes at the end', () => {
    expect(broadcast('f', [2, 3], [3])).toEqual([2, 3]);
    expect(broadcast('f', [], [2, 3])).toEqual([2, 3]);
    expect(broadcast('f', [2, 1, 4], [3, 1])).toEqual([2, 3, 4]);
    expect(broadcast('f', [1], [0])).toEqual([0]);
    expect(broadcast('f', [0, 3], [1, 3])).toEqual([0, 3]);
  });

  test('refuses sizes that differ, also 0 and 2', () => {
    const hint = 'axes are aligned at the end and must be equal or 1';
    expect(refusal(() => broadcast('f', [2, 3], [2]))).toBe(
      `f: operands of shapes (2, 3) and (2,) do not broadcast; ${hint}`,
    );
    expect(refusal(() => broadcast('f', [0], [2]))).toBe(
      `f: operands of shapes (0,) and (2,) do not broadcast; ${hint}`,
    );
  });

  test('is symmetric, idempotent and keeps its result', () => {
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        let shape: number[];
        try {
          shape = broadcast('f', a, b);
        } catch {
          expect(() => broadcast('f', b, a)).toThrow(ShapeError);
          return;
        }
        expect(broadcast('f', b, a)).toEqual(shape);
        expect(broadcast('f', shape, a)).toEqual(shape);
        expect(shape.length).toBe(Math.max(a.length, b.length));
        expect(broadcast('f', a, a)).toEqual(a);
      }),
    );
  });
});
