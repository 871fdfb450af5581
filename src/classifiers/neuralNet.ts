/** The two-layer net in one piece of the course's notebook 001. */

import type { Layer } from '../construction.js';
import { checkNumber, checkOptions } from '../errors.js';
import { formatShortest } from '../format.js';
import * as kernels from '../kernels.js';
import { Plan, scope } from '../memory.js';
import { Network } from '../network.js';
import type { RandomSource } from '../random.js';
import { empty, type FloatDType, type Indices, isTensor, type Nested, type Tensor } from '../tensor.js';
import { accuracyOf, checkExamples, checkLabels } from './checks.js';

export interface NeuralNetOptions {
  /** Standard deviation of the initial weights, default 1e-4. */
  std?: number;
  /** Stream for the weights and, unless train() is given another, for the batches; default lanewise's default stream. */
  random?: RandomSource | undefined;
  /** Type of parameters and computation, default the default type (float32). */
  dtype?: FloatDType;
}

export interface NeuralNetTrainOptions {
  /** Step size >= 0, default 1e-3. */
  learningRate?: number;
  /** Factor on the learning rate at each check, default 0.95. */
  learningRateDecay?: number;
  /** Strength of the regularisation 0.5 · reg · sum(W²), default 1e-5. */
  reg?: number;
  /** Steps, default 100. */
  numIters?: number;
  /** Examples of a step, drawn with replacement. Default 200. */
  batchSize?: number;
  /** Whether to print a line every 100 steps, default false. */
  verbose?: boolean;
  /** Takes the printed lines, default console.log. */
  log?: (line: string) => void;
  /** Stream for the batches, default that of the weights. */
  random?: RandomSource | undefined;
}

export interface TrainingHistory {
  /** Loss of each step, before its update. */
  lossHistory: number[];
  /** Accuracies at each check, as fractions. */
  trainAccHistory: number[];
  valAccHistory: number[];
}

/** x Wᵀ + b with W (units, D), the transpose of what other layers have, through max(0, .) if asked. */
function transposedAffine(units: number, std: number, relu: boolean): Layer {
  return {
    name: 'transposedAffine',
    build(builder, input) {
      const D = input[0] as number;
      const W = builder.parameter('W', [units, D], { normal: std });
      const b = builder.parameter('b', [units], { fill: 0 });
      let x: Tensor;
      let out: Tensor;
      return {
        shape: [units],
        keepsInput: true,
        keepsOutput: relu,
        forward(given) {
          const N = given.shape[0] as number;
          x = given;
          out = empty([N, units], builder.dtype);
          kernels.gemm(out, x, W.value, N, units, D, { transB: true, bias: b.value, relu });
          return out;
        },
        backward(dout, needDx) {
          const N = x.shape[0] as number;
          const dx = needDx ? empty([N, D], builder.dtype) : undefined;
          const dW = empty([units, D], builder.dtype);
          const db = empty([units], builder.dtype);
          const slopes = relu ? empty([N, units], builder.dtype) : dout;
          if (relu) kernels.unaryBackward('relu', slopes, dout, out);
          kernels.gemm(dW, slopes, x, units, D, N, { transA: true });
          kernels.columnSums(db, slopes);
          if (dx) kernels.gemm(dx, slopes, W.value, N, D, units);
          if (relu) slopes.dispose();
          W.gradient = dW;
          b.gradient = db;
          return dx;
        },
      };
    },
  };
}

/**
 * The two-layer net affine - ReLU - affine - softmax in one piece, with its own training loop. Its weights lie transposed to
 * those of all other nets: W1 (H, D), b1 (H), W2 (C, H), b2 (C); they are drawn in the order W1, W2 as std · randn. It is a
 * Network, so a Solver can train it too.
 */
export class NeuralNet extends Network {
  constructor(inputSize: number, hiddenSize: number, outputSize: number, options: NeuralNetOptions = {}) {
    const where = 'NeuralNet';
    for (const [name, value] of Object.entries({ inputSize, hiddenSize, outputSize })) {
      checkNumber(where, name, value, { low: 1, integer: true });
    }
    checkOptions(where, options, ['std', 'random', 'dtype']);
    const { std = 1e-4, ...rest } = options;
    checkNumber(where, 'std', std, { low: 0 });
    const layers = [transposedAffine(hiddenSize, std, true), transposedAffine(outputSize, std, false)];
    super(layers, { inputDim: inputSize, ...rest });
  }

  /**
   * Without labels: the scores (N, C). With labels: the loss, 0.5 · reg · sum(W²) included, and the gradients by parameter
   * name. Results are the caller's, in the current scope.
   *
   * @param X (N, …) with inputSize numbers for each example; any type, computed in the net's
   * @param y N labels in [0, C)
   * @param reg default the net's own, which is 0 unless it was set
   */
  override loss(X: Tensor | Nested): Tensor;
  override loss(X: Tensor | Nested, y: Indices, reg?: number): [number, Record<string, Tensor>];
  override loss(X: Tensor | Nested, y?: Indices | null, reg?: number): Tensor | [number, Record<string, Tensor>];
  override loss(
    X: Tensor | Nested,
    y?: Indices | null,
    reg: number = this.reg,
  ): Tensor | [number, Record<string, Tensor>] {
    checkNumber('loss', 'reg', reg, { low: 0 });
    return this.#withReg(reg, () => super.loss(X, y ?? undefined));
  }

  /**
   * Trains by stochastic gradient descent. Whenever the number of the step is a multiple of N / batchSize (of 1, if that is
   * less), which need not be a whole number, accuracy is measured on the batch of the step and on the validation set, and
   * then the learning rate decays. A loss that is not finite does not end the training.
   *
   * @param X (N, …) training examples; y: N labels
   * @param XVal (Nval, …) validation examples; yVal: Nval labels
   */
  train(
    X: Tensor | Nested,
    y: Indices,
    XVal: Tensor | Nested,
    yVal: Indices,
    options: NeuralNetTrainOptions = {},
  ): TrainingHistory {
    const where = 'train';
    checkOptions(where, options, [
      'learningRate',
      'learningRateDecay',
      'reg',
      'numIters',
      'batchSize',
      'verbose',
      'log',
      'random',
    ] satisfies (keyof NeuralNetTrainOptions)[]);
    const { learningRate = 1e-3, learningRateDecay = 0.95, reg = 1e-5, numIters = 100, batchSize = 200 } = options;
    const { verbose = false, log = console.log, random = this.random } = options;
    for (const [name, value] of Object.entries({ learningRate, learningRateDecay, reg })) {
      checkNumber(where, name, value, { low: 0 });
    }
    checkNumber(where, 'numIters', numIters, { low: 0, integer: true });
    checkNumber(where, 'batchSize', batchSize, { low: 1, high: 2 ** 31 - 1, integer: true });
    const history: TrainingHistory = { lossHistory: [], trainAccHistory: [], valAccHistory: [] };
    const plan = new Plan();
    try {
      return scope(() => {
        const train = this.#examples('X', X, 'y', y);
        const val = this.#examples('XVal', XVal, 'yVal', yVal);
        const period = Math.max(train.N / batchSize, 1);
        let rate = learningRate;
        for (let i = 0; i < numIters; i++) {
          const rows = plan.run('rows', () => random.choice(train.N, batchSize));
          const batch = this.batch(train.X, rows);
          const labels = plan.run('labels', () => {
            const wanted = empty([batchSize], 'int32');
            kernels.gather(wanted, train.y, rows);
            return wanted;
          });
          const { loss, gradients } = this.#withReg(reg, () => this.lossAndGradients(batch, labels));
          history.lossHistory.push(loss);
          for (const name of this.paramNames) kernels.sgd(this.params[name], gradients[name], rate);
          if (verbose && i % 100 === 0) log(`iteration ${i} / ${numIters}: loss ${formatShortest(loss)}`);
          if (i % period !== 0) continue;
          history.trainAccHistory.push(accuracyOf(this.predictBatch(batch), labels));
          history.valAccHistory.push(scope(() => accuracyOf(this.predict(val.X), val.y)));
          rate *= learningRateDecay;
        }
        return history;
      });
    } finally {
      plan.dispose();
    }
  }

  #withReg<T>(reg: number, act: () => T): T {
    const before = this.reg;
    this.reg = reg;
    try {
      return act();
    } finally {
      this.reg = before;
    }
  }

  #examples(nameX: string, X: Tensor | Nested, nameY: string, y: Indices): { X: Tensor; y: Tensor; N: number } {
    const D = this.inputShape[0] as number;
    // Whole numbers stay what they are: batches are converted as they are drawn.
    const dtype = isTensor(X) ? (X.dtype as FloatDType) : this.dtype;
    const x = checkExamples('train', nameX, X, dtype, D, `the net was made for inputs of ${D}`);
    const N = x.shape[0] as number;
    return { X: x, y: checkLabels('train', nameY, y, N, this.numClasses), N };
  }
}
