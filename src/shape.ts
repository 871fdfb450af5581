/** Pure shape arithmetic. A check returns the resulting shape or throws. */
import { describe, formatShape, ShapeError } from './errors.js';

export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** A shape given as `(2, 3)` or `([2, 3])`, checked: non-negative integers whose product is addressable. */
export function checkShape(where: string, shape: unknown): number[] {
  const list = typeof shape === 'number' ? [shape] : shape;
  if (!Array.isArray(list) || !list.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ShapeError({ where, argument: 'shape', rule: 'a list of integers >= 0', value: describe(shape) });
  }
  if (sizeOf(list) > 2 ** 31 - 1) {
    throw new ShapeError({ where, argument: 'shape', rule: 'at most 2^31 - 1 elements', value: formatShape(list) });
  }
  return [...list];
}

/** Target of a reshape of `size` elements; one -1 is inferred. */
export function reshaped(where: string, size: number, shape: readonly number[]): number[] {
  const open = shape.indexOf(-1);
  const known = shape.reduce((product, n, i) => (i === open ? product : product * n), 1);
  const result = open < 0 ? [...shape] : shape.map((n, i) => (i === open ? size / known : n));
  if (!result.every((n) => Number.isInteger(n) && n >= 0) || sizeOf(result) !== size) {
    throw new ShapeError({ where, argument: 'shape', rule: `a shape of ${size} elements`, value: formatShape(shape) });
  }
  return result;
}

/** An axis of `shape`; negative axes count from the end. */
export function checkAxis(where: string, axis: unknown, shape: Shape): number {
  const rank = shape.length;
  if (typeof axis !== 'number' || !Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const rule = `an axis of ${formatShape(shape)}`;
    throw new ShapeError({ where, argument: 'axis', rule, value: describe(axis) });
  }
  return axis < 0 ? axis + rank : axis;
}

/** Broadcast of two shapes by NumPy's rule: aligned at the last axis, sizes equal or 1. */
export function broadcast(where: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError({
        where,
        rule: `operands of shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`,
        hint: 'axes are aligned at the end and must be equal or 1',
      });
    }
    out.push(m === 1 ? n : m);
  }
  return out;
}

/** How a shape came about, for hints: `3*32*32`. */
export function productText(dims: Shape): string {
  return dims.join('*');
}
