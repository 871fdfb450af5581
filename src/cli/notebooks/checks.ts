/** Float64 tensors as the notebooks make them, and gradient checks as they print them. */
import {
  evalNumericalGradient,
  evalNumericalGradientArray,
  linspace,
  type Network,
  random,
  relError,
  scope,
  type Tensor,
  tensor,
} from '../../index.js';
import type { Cell } from './book.js';
import type { Expected } from './figures.js';

export const float64 = { dtype: 'float64' } as const;

const product = (shape: readonly number[]) => shape.reduce((n, side) => n * side, 1);

/** Evenly spaced numbers from start to stop, both included. */
export function spaced(start: number, stop: number, ...shape: number[]): Tensor {
  return linspace(start, stop, product(shape), float64).reshape(...shape);
}

export function randn(...shape: number[]): Tensor {
  return random.randn(...shape);
}

export function labels(classes: number, count: number): Tensor {
  return random.randint(0, classes, [count]) as Tensor;
}

/** The measure of the notebooks, against printed numbers. */
export function relErrorTo(t: Tensor, printed: readonly number[]): number {
  return scope(() => relError(t, tensor([...printed], float64).reshape(...t.shape)));
}

/** A copy, whatever the type. */
export function numbersOf(t: Tensor): Float64Array {
  return Float64Array.from(t.data);
}

/** Share of labels that are the same. */
export function hitRate(predicted: Tensor, y: Tensor): number {
  return numbersOf(predicted).filter((label, i) => label === y.data[i]).length / y.size;
}

export function sumAbsTo(t: Tensor, printed: readonly number[]): number {
  return numbersOf(t).reduce((sum, value, i) => sum + Math.abs(value - printed[i]), 0);
}

type Named = readonly (readonly [name: string, expected: Expected])[];

/**
 * Numeric against analytic gradients of a layer: of sum(forward() · dout) by the inputs in place.
 *
 * @param named gradients in the order of the inputs: what to call them, what to expect
 */
export function checkLayer(
  cell: Cell,
  forward: () => Tensor,
  dout: Tensor,
  inputs: readonly Tensor[],
  analytic: readonly Tensor[],
  named: Named,
): void {
  for (const [i, [name, expected]] of named.entries()) {
    const error = scope(() => relError(evalNumericalGradientArray(forward, inputs[i], dout), analytic[i]));
    cell.figure(name, error, expected);
  }
}

/** The same for the loss of a model, by its parameters. */
export function checkModel(
  cell: Cell,
  label: string,
  model: Network,
  loss: () => [number, Readonly<Record<string, Tensor>>],
  names: readonly string[],
  expected: readonly Expected[] | Expected,
  h = 1e-5,
): void {
  for (const [i, name] of names.entries()) {
    const error = scope(() => {
      const analytic = loss()[1][name];
      return relError(
        evalNumericalGradient(() => loss()[0], model.params[name], { h }),
        analytic,
      );
    });
    cell.figure(`${label}, ${name}`, error, 'rule' in expected ? expected : expected[i]);
  }
}
