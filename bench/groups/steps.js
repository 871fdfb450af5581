/**
 * Training steps as the Solver takes them: a random batch is copied together, forward, backward, update. The nets are those
 * of the course's notebooks.
 */
import { within } from '../reference.js';

export const title = 'training steps of the Solver, batch 100, 3072 inputs, 10 classes, float32';

const BATCH = 100;
const INPUTS = 3072;
const CLASSES = 10;

/** The nets, their update rules, and how they are made. Options (random, seed) go to the constructor. */
export const NETS = {
  'two-layer, 100 hidden, sgd': {
    hidden: [100],
    updateRule: 'sgd',
    make: (lw, options) => new lw.TwoLayerNet({ hiddenDim: 100, weightScale: 1e-2, ...withoutSeed(options) }),
  },
  'six-layer, 5 x 100 hidden, adam': {
    hidden: [100, 100, 100, 100, 100],
    updateRule: 'adam',
    make: (lw, options) => new lw.FullyConnectedNet([100, 100, 100, 100, 100], { weightScale: 5e-2, ...options }),
  },
  'six-layer, batch norm, dropout 0.5, adam': {
    hidden: [100, 100, 100, 100, 100],
    updateRule: 'adam',
    make: (lw, options) =>
      new lw.FullyConnectedNet([100, 100, 100, 100, 100], {
        weightScale: 5e-2,
        normalization: 'batchnorm',
        dropoutKeepRatio: 0.5,
        ...options,
      }),
  },
};

function withoutSeed({ seed: _, ...options }) {
  return options;
}

/** Multiply-adds of the matrix products of a step, times two: forward, weight gradients, and all input gradients but the first. */
function flopsOf(hidden) {
  const sizes = [INPUTS, ...hidden, CLASSES];
  let products = 0;
  for (let i = 1; i < sizes.length; i++) products += (i > 1 ? 3 : 2) * sizes[i - 1] * sizes[i];
  return 2 * BATCH * products;
}

/** Training data by library: all nets of an engine share it, and it is larger than the caches, as data sets are. */
const sets = new WeakMap();

function dataOf(lw, images) {
  let data = sets.get(lw);
  if (!data || data.XTrain.shape[0] !== images) {
    const random = new lw.RandomState(19);
    const XTrain = random.randn(images, INPUTS, { dtype: 'float32' });
    const yTrain = random.randint(0, CLASSES, images);
    data = { XTrain, yTrain, XVal: XTrain.rows(0, 10), yVal: yTrain.rows(0, 10) };
    sets.set(lw, data);
  }
  return data;
}

/**
 * A function that takes one step. The checks of accuracy that come with every epoch are cut down to ten images: they are
 * not part of a step.
 */
export function stepper(lw, net, images) {
  const random = new lw.RandomState(23);
  const model = net.make(lw, { random });
  const solver = new lw.Solver(model, dataOf(lw, images), {
    updateRule: net.updateRule,
    optimConfig: { learningRate: 1e-3 },
    batchSize: BATCH,
    numEpochs: 1_000_000,
    numTrainSamples: 10,
    verbose: false,
    random,
  });
  const events = solver.steps();
  return {
    solver,
    async step() {
      let event = await events.next();
      while (event.value.type !== 'step') event = await events.next();
    },
    async dispose() {
      await events.return();
      solver.dispose();
      model.dispose();
    },
  };
}

/**
 * Along its own gradient, a loss must change by the square of the gradient's length: one number that is wrong if anything in
 * the forward or backward pass is. Returns the relative error, float32 rounding included.
 */
export function gradientError(lw, net, images) {
  const { XTrain, yTrain } = dataOf(lw, images);
  const model = net.make(lw, { random: new lw.RandomState(29), seed: 31 });
  const X = XTrain.rows(0, BATCH);
  const y = yTrain.rows(0, BATCH);
  const error = lw.scope(() => {
    const [loss, gradients] = model.loss(X, y);
    const start = model.paramNames.map((name) => Float64Array.from(model.params[name].data));
    const squares = model.paramNames.reduce((sum, n) => gradients[n].data.reduce((s, g) => s + g * g, sum), 0);
    // Changes the loss by 2e-4 of it: much against rounding, little against curvature and kinks.
    const h = (2e-4 * loss) / squares;
    const along = (sign) => {
      for (const [i, name] of model.paramNames.entries()) {
        const gradient = gradients[name].data;
        model.params[name].data.set(start[i].map((w, k) => w + sign * h * gradient[k]));
      }
      return model.loss(X, y)[0];
    };
    return Math.abs((along(1) - along(-1)) / (2 * h * squares) - 1);
  });
  model.dispose();
  return error;
}

function item(name, images) {
  const net = NETS[name];
  return {
    name,
    dtype: 'float32',
    unit: 'ms',
    limit: 'peak',
    make({ lw }) {
      const { step, solver, dispose } = stepper(lw, net, images);
      return {
        amount: flopsOf(net.hidden),
        run: step,
        async verify(what) {
          const error = within(`${what} gradient`, gradientError(lw, net, images), 0.01);
          for (let i = 0; i < 5; i++) await step();
          const loss = solver.lossHistory.at(-1);
          if (solver.lossHistory.length !== 5 || !(loss < 10)) throw new Error(`${what}: loss ${loss}`);
          return error;
        },
        dispose,
      };
    },
  };
}

export function families({ quick }) {
  return [Object.keys(NETS).map((name) => item(name, quick ? 300 : 10_000))];
}
