/**
 * Training steps as the Solver takes them: a random batch is copied together, forward, backward, update. The nets are those
 * of the course's notebooks, and a deeper one.
 */
import { within } from '../reference.js';

export const title = 'training steps of the Solver, 32x32 images of 3 channels, 10 classes, float32';

const CLASSES = 10;
const FIVE = [100, 100, 100, 100, 100];

/** conv - ReLU twice and a pooling, for each number of filters. */
const deep = (filters) => filters.flatMap((conv) => [{ conv }, { conv }, { maxPool: 2 }]);
const THREE = { filterSize: 7, numFilters: 32, hiddenDim: 500, weightScale: 'he' };
const DEEP = [64, 128, 256];

/**
 * The nets, their update rules, and how they are made. Options (random, dtype) go to the constructor, and so does the seed of
 * those with dropout. small: what is different when only a glance is wanted.
 */
export const NETS = {
  'two-layer, 100 hidden, sgd': {
    batch: 100,
    updateRule: 'sgd',
    make: (lw, options) => new lw.TwoLayerNet({ hiddenDim: 100, weightScale: 1e-2, ...options }),
  },
  'six-layer, 5 x 100 hidden, adam': {
    batch: 100,
    updateRule: 'adam',
    make: (lw, options) => new lw.FullyConnectedNet(FIVE, { weightScale: 5e-2, ...options }),
  },
  'six-layer, batch norm, dropout 0.5, adam': {
    batch: 100,
    updateRule: 'adam',
    masks: true,
    make: (lw, options) => {
      const extras = { normalization: 'batchnorm', dropoutKeepRatio: 0.5 };
      return new lw.FullyConnectedNet(FIVE, { weightScale: 5e-2, ...extras, ...options });
    },
  },
  'three-layer conv, 32 of 7x7, 500 hidden, adam': {
    batch: 50,
    updateRule: 'adam',
    learningRate: 1e-4,
    small: { numFilters: 4, hiddenDim: 20 },
    make: (lw, options) => new lw.ThreeLayerConvNet({ ...THREE, ...options }),
  },
  'conv, batch norm, 64 of 3x3, 500 hidden, adam': {
    batch: 50,
    updateRule: 'adam',
    learningRate: 1e-4,
    small: { numFilters: 4, hiddenDim: 20 },
    make: (lw, options) => {
      return new lw.ThreeLayerConvNet({ ...THREE, filterSize: 3, numFilters: 64, useBatchnorm: true, ...options });
    },
  },
  'six convs, momentum': {
    batch: 128,
    updateRule: 'sgdMomentum',
    small: { filters: [4, 16, 16] },
    make: (lw, { random, dtype = 'float32', filters = DEEP }) => {
      return new lw.ConvNet({ dtype, layers: deep(filters) }, { random });
    },
  },
  'six convs, batch norm, momentum': {
    batch: 128,
    updateRule: 'sgdMomentum',
    small: { filters: [4, 16, 16] },
    make: (lw, { random, dtype = 'float32', filters = DEEP }) => {
      return new lw.ConvNet({ dtype, norm: 'batchnorm', layers: deep(filters) }, { random });
    },
  },
};

/** The same net narrow and with few examples, if it is a large one. */
function shrunk(net) {
  const { small, make } = net;
  return small ? { ...net, batch: 10, make: (lw, options) => make(lw, { ...small, ...options }) } : net;
}

/**
 * Operations of the products of a step, convolutions by the direct sum: forward, weight gradients, and all input gradients
 * but the first.
 */
function flopsOf(model, batch) {
  const layers = model.summary({ log: () => {} }).layers.filter(({ flops }) => flops > 0);
  return batch * layers.reduce((sum, { flops }, i) => sum + (i > 0 ? 3 : 2) * flops, 0);
}

/** Training data by library: all nets of an engine share it, and it is larger than the caches, as data sets are. */
const sets = new WeakMap();

function dataOf(lw, images) {
  let data = sets.get(lw);
  if (!data || data.XTrain.shape[0] !== images) {
    const random = new lw.RandomState(19);
    const XTrain = random.randn(images, 3, 32, 32, { dtype: 'float32' });
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
    optimConfig: { learningRate: net.learningRate ?? 1e-3 },
    batchSize: net.batch,
    numEpochs: 1_000_000,
    numTrainSamples: 10,
    verbose: false,
    random,
  });
  const events = solver.steps();
  return {
    solver,
    model,
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
 * For nets with masks. Along its own gradient, a loss must change by the square of the gradient's length: one number that is
 * wrong if anything in the forward or backward pass is. Returns the relative error, float32 rounding included.
 */
export function gradientError(lw, net, images) {
  const { XTrain, yTrain } = dataOf(lw, images);
  const model = net.make(lw, { random: new lw.RandomState(29), seed: 31 });
  const X = XTrain.rows(0, net.batch);
  const y = yTrain.rows(0, net.batch);
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

/** Loss and every gradient against those of the same net in float64, whose convolutions are direct sums: the worst error. */
export function float64Error(lw, net, images) {
  const { XTrain, yTrain } = dataOf(lw, images);
  const rows = Math.min(net.batch, 16);
  const [model, exact] = ['float32', 'float64'].map((dtype) => net.make(lw, { random: new lw.RandomState(29), dtype }));
  for (const name of model.paramNames) exact.params[name].data.set(model.params[name].data);
  const error = lw.scope(() => {
    const X = XTrain.rows(0, rows);
    const y = yTrain.rows(0, rows);
    const [loss, gradients] = model.loss(X, y);
    const [expected, wanted] = exact.loss(X.astype('float64'), y);
    const length = (data) => Math.sqrt(data.reduce((sum, g) => sum + g * g, 0));
    const lengths = exact.paramNames.map((name) => length(wanted[name].data));
    // Some gradients, such as that of a bias before a norm, are zero but for rounding.
    const least = 1e-3 * Math.max(...lengths);
    const errors = exact.paramNames.map((name, i) => {
      const got = gradients[name].data;
      return length(wanted[name].data.map((g, k) => g - got[k])) / Math.max(least, lengths[i]);
    });
    return Math.max(Math.abs(loss / expected - 1), ...errors);
  });
  model.dispose();
  exact.dispose();
  return error;
}

function item(name, quick) {
  const net = quick ? shrunk(NETS[name]) : NETS[name];
  const images = quick ? 300 : 10_000;
  return {
    name,
    dtype: 'float32',
    unit: 'ms',
    limit: 'peak',
    make({ lw }) {
      const { step, solver, model, dispose } = stepper(lw, net, images);
      return {
        amount: flopsOf(model, net.batch),
        run: step,
        async verify(what) {
          const error = net.masks ? gradientError(lw, net, images) : float64Error(lw, net, images);
          within(`${what} gradient`, error, 0.01);
          const steps = net.small && !quick ? 2 : 5;
          for (let i = 0; i < steps; i++) await step();
          const loss = solver.lossHistory.at(-1);
          if (solver.lossHistory.length !== steps || !(loss < 10)) throw new Error(`${what}: loss ${loss}`);
          return error;
        },
        dispose,
      };
    },
  };
}

/** Small nets in turns; each large one by itself. */
export function families({ quick }) {
  const names = Object.keys(NETS);
  const small = names.filter((name) => !NETS[name].small);
  const large = names.filter((name) => NETS[name].small);
  return [small, ...large.map((name) => [name])].map((family) => family.map((name) => item(name, quick)));
}
