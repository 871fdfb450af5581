/** The examples of a trainer: planned when it is made, filled when everything has been found right. */
import { formatShape, OptionError, RuntimeError, ShapeError } from '../errors.js';
import type { Network } from '../network.js';
import { sizeOf } from '../shape.js';
import type { SolverData } from '../solver/options.js';
import { checkIndices } from '../tensor.js';
import type { Surroundings } from './build.js';
import type { Inputs } from './inputs.js';
import type { DataPlan, SetName } from './protocol.js';
import type { Examples } from './types.js';

const SETS: Record<SetName, string> = { train: 'Train', val: 'Val', test: 'Test' };

export class TrainerSets {
  readonly classes: readonly string[] | undefined;
  readonly #plan: DataPlan['sets'];
  readonly #numbers: Partial<Record<SetName, Examples['data']>> = {};

  constructor(plan: DataPlan) {
    this.#plan = plan.sets;
    this.classes = plan.classes;
  }

  /** What is known of the model by the data. */
  around(): Surroundings {
    const { train } = this.#plan;
    const largest = Object.values(this.#plan).reduce(
      (most, { labels }) => labels.reduce((a, b) => Math.max(a, b), most),
      0,
    );
    return {
      shape: train?.shape.slice(1),
      numClasses: this.classes?.length ?? largest + 1,
      bytes: train?.bytes ?? false,
    };
  }

  /** The numbers of all sets, in the order of the plan. */
  fill(numbers: Partial<Record<SetName, Examples['data']>>): void {
    Object.assign(this.#numbers, numbers);
  }

  /** That all labels are classes of the model; a Solver sees to those of training and validation. */
  check({ numClasses }: Network): void {
    const { test } = this.#plan;
    if (test) checkIndices('createTrainer', 'yTest', test.labels, numClasses).dispose();
  }

  /** What a Solver trains on. */
  forSolver(inputs: Inputs): SolverData {
    const part = (name: 'train' | 'val') => {
      const { shape, labels } = this.set(name);
      const size = sizeOf(shape.slice(1));
      if (size !== sizeOf(inputs.shape)) {
        const rule = `(N, …) with ${sizeOf(inputs.shape)} numbers for each example`;
        const hint = `the model was made for inputs ${formatShape(inputs.shape)}`;
        const argument = `X${SETS[name]}`;
        throw new ShapeError({ where: 'createTrainer', argument, rule, value: formatShape(shape), hint });
      }
      return { X: { ...inputs.source(shape[0] as number, () => this.numbers(name)), shape }, y: labels };
    };
    const [train, val] = [part('train'), part('val')];
    return { XTrain: train.X, yTrain: train.y, XVal: val.X, yVal: val.y };
  }

  set(name: SetName): { shape: readonly number[]; labels: Int32Array } {
    const found = this.#plan[name];
    if (found) return found;
    throw new OptionError({ where: 'evaluate', rule: `the data have no X${SETS[name]}` });
  }

  numbers(name: SetName): Examples['data'] {
    const numbers = this.#numbers[name];
    if (numbers) return numbers;
    throw new RuntimeError({ where: 'createTrainer', rule: 'the examples have not arrived' });
  }
}
