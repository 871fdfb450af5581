/** Nets and sweeps in JSON. */
import { RuleError, UsageError } from '../../../src/cli/flags.js';
import { parseJson } from '../../../src/cli/spec.js';
import { checkSweepSpec } from '../../../src/cli/sweepSpec.js';
import * as lw from '../../../src/index.js';
import { mutatedJson } from '../mutate.js';
import type { Target } from '../run.js';
import { bytesOf, text } from './material.js';

const JSON_WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '\\',
  '\\u0000',
  '\\ud800',
  'null',
  'true',
  '1e999',
  '-0',
  '"__proto__":',
  '"conv":',
  '"layers":',
  '"repeat":',
  '"a":1,',
];
const RULES = [RuleError, UsageError, lw.LanewiseError];
const isRule = (error: unknown) => RULES.some((kind) => error instanceof kind);

/** Text as the command reads it; held against JSON.parse. */
function readText(input: Uint8Array): unknown {
  const json = text(input);
  try {
    return parseJson(json);
  } catch (error) {
    const { message } = error as Error;
    const isStricter = /does not have yet|deep at most/.test(message);
    let sound = true;
    try {
      JSON.parse(json);
    } catch {
      sound = false;
    }
    if (sound && !isStricter) throw new Error(`sound JSON is refused: ${message}`, { cause: error });
    throw error;
  }
}

const SPECS = [
  { inputDim: [1, 6, 6], layers: [{ conv: 2, size: 3 }, { maxPool: 2 }, 'relu', { affine: 4 }], numClasses: 3 },
  {
    inputDim: [2, 8, 8],
    norm: 'batchnorm',
    layers: [{ residual: [{ conv: 2 }, { conv: 2, relu: false }], shortcut: [{ conv: 2, size: 1 }] }, 'globalAvgPool'],
    numClasses: 2,
    reg: 0.1,
    dtype: 'float64',
    loss: 'svm',
  },
  {
    inputDim: [4],
    layers: [{ repeat: 2, layers: [{ affine: 3, norm: 'layernorm' }, { dropout: 0.5 }, { leakyRelu: 0.1 }] }],
    numClasses: null,
    weightScale: 0.1,
  },
];

export const spec: Target = {
  name: 'spec',
  words: JSON_WORDS,
  corpus: async () => SPECS.map((value) => bytesOf(JSON.stringify(value))),
  make: (dice, corpus) =>
    bytesOf(
      mutatedJson(text(dice.pick(corpus)), dice, [
        'layers',
        'conv',
        'affine',
        'repeat',
        'residual',
        'norm',
        'size',
        'dropout',
        'groupnorm',
        'maxPool',
      ]),
    ),
  parse(input) {
    new lw.ConvNet(readText(input) as lw.ConvNetSpec, { random: new lw.RandomState(0) }).dispose();
  },
  allowed: isRule,
};

const SWEEPS = [
  { model: 'two-layer', epochs: 1, search: { kind: 'grid', space: { learningRate: [0.001, 0.01], reg: [0, 0.1] } } },
  {
    data: 'synthetic',
    search: {
      kind: 'random',
      trials: 5,
      seed: 3,
      space: { learningRate: { logUniform: [1e-4, 1e-2] }, hidden: { integers: [5, 50] } },
    },
  },
  {
    search: {
      kind: 'coarse-to-fine',
      trials: 4,
      fineTrials: 2,
      factor: 3,
      space: { reg: { uniform: [0, 1] } },
      halving: { maxEpochs: 4 },
    },
  },
];

export const sweep: Target = {
  name: 'sweep',
  words: JSON_WORDS,
  corpus: async () => SWEEPS.map((value) => bytesOf(JSON.stringify(value))),
  make: (dice, corpus) =>
    bytesOf(
      mutatedJson(text(dice.pick(corpus)), dice, [
        'search',
        'space',
        'learningRate',
        'reg',
        'hidden',
        'kind',
        'grid',
        'random',
        'choice',
        'spec',
        'optimizer',
        'trials',
      ]),
    ),
  parse(input) {
    checkSweepSpec(readText(input));
  },
  allowed: isRule,
};
