// Numbers as C's printf and Python write them.
import { expect, test } from 'vitest';
import { formatExponent, formatFixed, formatShortest } from '../src/format.js';

test('%f has six decimals', () => {
  expect(formatFixed(2.30406)).toBe('2.304060');
  expect(formatFixed(0)).toBe('0.000000');
  expect(formatFixed(-0)).toBe('-0.000000');
  expect(formatFixed(-1.5)).toBe('-1.500000');
  expect(formatFixed(0.116)).toBe('0.116000');
  expect(formatFixed(123456789.9876543)).toBe('123456789.987654');
});

test('%f rounds ties to even', () => {
  // 1/128 = 0.0078125 and 3/128 = 0.0234375 are exact in binary.
  expect(formatFixed(1 / 128)).toBe('0.007812');
  expect(formatFixed(3 / 128)).toBe('0.023438');
  expect(formatFixed(-1 / 128)).toBe('-0.007812');
  expect(formatFixed(1 + 5 / 128)).toBe('1.039062');
});

test('%f writes large numbers and those that are none', () => {
  expect(formatFixed(1e21)).toBe('1000000000000000000000.000000');
  expect(formatFixed(1e23)).toBe('99999999999999991611392.000000');
  expect(formatFixed(Number.NaN)).toBe('nan');
  expect(formatFixed(Number.POSITIVE_INFINITY)).toBe('inf');
  expect(formatFixed(Number.NEGATIVE_INFINITY)).toBe('-inf');
});

test('%e has six decimals and an exponent of two digits or more', () => {
  expect(formatExponent(1.2345678e-7)).toBe('1.234568e-07');
  expect(formatExponent(0)).toBe('0.000000e+00');
  expect(formatExponent(-2.5e120)).toBe('-2.500000e+120');
  expect(formatExponent(1e-300)).toBe('1.000000e-300');
  expect(formatExponent(9.9999999)).toBe('1.000000e+01');
  expect(formatExponent(Number.NaN)).toBe('nan');
});

test('the shortest form as Python prints it', () => {
  const forms: [number, string][] = [
    [2.302757518613176, '2.302757518613176'],
    [0.1 + 0.2, '0.30000000000000004'],
    [1, '1.0'],
    [0, '0.0'],
    [-0, '-0.0'],
    [-250, '-250.0'],
    [0.0001, '0.0001'],
    [0.00012345, '0.00012345'],
    [-0.00001, '-1e-05'],
    [1.5e-7, '1.5e-07'],
    [2.5e-120, '2.5e-120'],
    [123456789012345.6, '123456789012345.6'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1.25e100, '1.25e+100'],
    [Number.NaN, 'nan'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ];
  for (const [value, text] of forms) expect(formatShortest(value)).toBe(text);
});
