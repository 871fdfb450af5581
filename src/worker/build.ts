/** Models and options out of a specification. */
import { checkChoice, checkNumber, checkOptions, describe, nearest, OptionError } from '../errors.js';
import { ConvNet, type ConvNetSpec } from '../models/convNet.js';
import { FullyConnectedNet } from '../models/fullyConnectedNet.js';
import { ThreeLayerConvNet } from '../models/threeLayerConvNet.js';
import { TwoLayerNet } from '../models/twoLayerNet.js';
import type { Network } from '../network.js';
import type { RandomSource } from '../random.js';
import type { InputSpec, ModelSpec, SolverSpec, TrainerSpec } from './types.js';

const where = 'createTrainer';

/** What data say of the model. */
export interface Surroundings {
  /** Of one example. */
  shape: readonly number[] | undefined;
  numClasses: number | undefined;
  /** Whether the examples are bytes. */
  bytes: boolean;
}

type ModelName = 'TwoLayerNet' | 'FullyConnectedNet' | 'ThreeLayerConvNet' | 'ConvNet';

/** A specification with everything in it that data or defaults decide. */
export interface FullSpec extends TrainerSpec {
  model: ModelSpec & { name: ModelName };
  solver: SolverSpec;
  input: Required<InputSpec>;
  seed: number;
  dtype: 'float32' | 'float64';
}

const MODELS: Record<ModelName, (options: Record<string, unknown>, random: RandomSource) => Network> = {
  TwoLayerNet: (options, random) => new TwoLayerNet({ ...options, random }),
  FullyConnectedNet: ({ hiddenDims, ...options }, random) =>
    new FullyConnectedNet(hiddenDims as readonly number[], { ...options, random }),
  ThreeLayerConvNet: (options, random) => new ThreeLayerConvNet({ ...options, random }),
  ConvNet: (spec, random) => new ConvNet(spec as unknown as ConvNetSpec, { random }),
};
const MODEL_NAMES = Object.keys(MODELS) as ModelName[];

export function makeModel({ model, dtype }: FullSpec, random: RandomSource): Network {
  const { name, ...options } = model;
  return MODELS[name]({ ...options, dtype }, random);
}

/** Checks all but the options of model and Solver, which check their own. */
export function completeSpec(spec: TrainerSpec, around: Surroundings): FullSpec {
  checkRecord('spec', spec);
  checkOptions(where, spec, ['model', 'solver', 'input', 'seed', 'dtype']);
  const { solver = {}, input = {}, seed = 0 } = spec;
  checkRecord('spec.model', spec.model);
  checkRecord('spec.solver', solver);
  checkRecord('spec.input', input);
  const { dtype: own, ...given } = spec.model;
  const dtype = checkChoice(where, 'spec.dtype', spec.dtype ?? own ?? 'float32', ['float32', 'float64']);
  if (own !== undefined && own !== dtype) {
    throw new OptionError({ where, rule: `spec.dtype '${dtype}' contradicts spec.model.dtype ${describe(own)}` });
  }
  checkNumber(where, 'spec.seed', seed, { low: 0, high: 2 ** 32 - 1, integer: true });
  for (const name of ['random', 'log']) {
    if (!Object.hasOwn(solver, name)) continue;
    const hint =
      name === 'random' ? 'spec.seed is what everything is drawn from' : 'events() tells what a Solver prints';
    throw new OptionError({ where, rule: `spec.solver.${name} is not plain data`, hint });
  }
  const { inputDim = around.shape, numClasses = around.numClasses } = given as Record<string, unknown>;
  const derived = {
    ...(inputDim === undefined ? {} : { inputDim }),
    ...(numClasses === undefined ? {} : { numClasses }),
  };
  const model = { ...given, name: modelName(spec.model), ...derived } as FullSpec['model'];
  return { model, solver: { verbose: false, ...solver }, input: fullInput(input, around), seed, dtype };
}

function fullInput(input: InputSpec, { bytes }: Surroundings): Required<InputSpec> {
  checkOptions(`${where}: spec.input`, input, ['subtractMean', 'scale']);
  const { subtractMean = bytes, scale = 1 } = input;
  if (typeof subtractMean !== 'boolean') {
    const value = describe(subtractMean);
    throw new OptionError({ where, argument: 'spec.input.subtractMean', rule: 'true or false', value });
  }
  checkNumber(where, 'spec.input.scale', scale);
  return { subtractMean, scale };
}

/** Names as they are written on the command line are the same names. */
function modelName({ name = 'ConvNet' }: ModelSpec): ModelName {
  const plain = (text: string) => text.replace(/[-_]/g, '').toLowerCase();
  const found = typeof name === 'string' ? MODEL_NAMES.find((known) => plain(known) === plain(name)) : undefined;
  if (found !== undefined) return found;
  const near = typeof name === 'string' ? nearest(name, MODEL_NAMES) : undefined;
  throw new OptionError({
    where,
    argument: 'spec.model.name',
    rule: `one of ${MODEL_NAMES.map((known) => `'${known}'`).join(', ')}`,
    value: describe(name),
    hint: near === undefined ? undefined : `did you mean '${near}'?`,
  });
}

function checkRecord(argument: string, value: unknown): void {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return;
  throw new OptionError({ where, argument, rule: 'an object', value: describe(value) });
}
