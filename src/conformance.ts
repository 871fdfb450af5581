/**
 * Equal bits: a small net trained for 200 steps from one seed, and a hash of what came of it. The same hash means the same
 * bits: on every runtime, with any number of threads, and after a stop and a resume, wherever multiply-add is rounded alike.
 *
 * It uses what training uses: every way to convolve (Winograd's in one and two dimensions, implicit products, strides and
 * 1x1 filters), batch norm, a residual block, pooling, dropout, Adam, clipping, decay, a schedule, augmentation, accuracy
 * checks. Batches are large enough for every kernel to be shared between threads.
 */
import type * as Lanewise from './index.js';

/** What the program takes of the library, which is a parameter because a benchmark has several. */
type Library = Pick<typeof Lanewise, 'ConvNet' | 'RandomState' | 'Solver' | 'info' | 'scope' | 'syntheticImages'>;

export interface Conformance {
  /** 16 hexadecimal digits each. */
  weights: string;
  histories: string;
  /** Of the two together. */
  hash: string;
  /** The last loss, to look at. */
  loss: number;
  /** Whether multiply-add was rounded once; decides which hash is the known one. */
  fused: boolean;
  known: string;
  milliseconds: number;
}

/** The hash wherever multiply-add is rounded twice (the fixed build, anywhere), and once (the relaxed build that fuses). */
export const KNOWN = { rounded: '40ec2427c84bb124', fused: '9f7b87c7f12023e7' } as const;

const STEPS = 200;
const EPOCHS = 20;
const BATCH = 32;
const SIZE = 16;
const IMAGES = (STEPS / EPOCHS) * BATCH;
const CHECKED = 64;

/**
 * Two lanes of MurmurHash3's mixing (Appleby, 2011) with different seeds, over 32-bit words: to tell results apart, not to
 * withstand an attack.
 */
class Hash {
  #lanes = [0x9747b28c, 0x3c6ef372];
  #words = 0;

  add(numbers: Float32Array | Float64Array): void {
    const words = new Uint32Array(numbers.slice().buffer);
    this.#words += words.length;
    for (const [lane, start] of this.#lanes.entries()) {
      let h = start;
      for (const word of words) {
        const k = Math.imul(word, 0xcc9e2d51);
        h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
        h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
      }
      this.#lanes[lane] = h;
    }
  }

  digits(): string {
    return this.#lanes
      .map((lane) => {
        let h = lane ^ this.#words;
        h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
        h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
        return ((h ^ (h >>> 16)) >>> 0).toString(16).padStart(8, '0');
      })
      .join('');
  }
}

const SPEC: Lanewise.ConvNetSpec = {
  inputDim: [3, SIZE, SIZE],
  dtype: 'float32',
  norm: 'batchnorm',
  reg: 1e-4,
  layers: [
    { conv: 8 },
    { maxPool: 2 },
    { conv: 8, size: 7 },
    {
      residual: [
        { conv: 32, stride: 2 },
        { conv: 32, relu: false },
      ],
    },
    { conv: 16, size: 1 },
    { dropout: 0.8 },
    { affine: 32 },
  ],
};

/**
 * Trains the net with the build and threads that are on.
 *
 * @param stopAfter a step after which everything is written to a checkpoint, and resumed in another net
 */
export async function conformance(lw: Library, { stopAfter }: { stopAfter?: number } = {}): Promise<Conformance> {
  const start = performance.now();
  const { X, y } = lw.syntheticImages({ num: IMAGES + CHECKED, size: SIZE, seed: 7, dtype: 'float32' });
  X.data.forEach((pixel, i) => {
    X.data[i] = (pixel - 128) / 64;
  });
  const data = {
    XTrain: X.rows(0, IMAGES),
    yTrain: y.rows(0, IMAGES),
    XVal: X.rows(IMAGES),
    yVal: y.rows(IMAGES),
  };
  let model = new lw.ConvNet(SPEC, { random: new lw.RandomState(231) });
  let solver = new lw.Solver(model, data, {
    updateRule: 'adam',
    optimConfig: { learningRate: 3e-3 },
    batchSize: BATCH,
    numEpochs: EPOCHS,
    numTrainSamples: CHECKED,
    schedule: { name: 'cosine', warmup: 0.1 },
    augment: { crop: 2, flip: true, cutout: 4 },
    clipNorm: 1,
    weightDecay: 1e-4,
    random: new lw.RandomState(2015),
    verbose: false,
  });
  const weights = new Hash();
  /** Until a step, or to the end; then the parameters that were reached, before the best ones take their place. */
  const train = async (to: number) => {
    for await (const event of solver.steps()) {
      if (event.type !== 'step' || event.iteration !== to) continue;
      if (to < STEPS) break;
      for (const name of model.paramNames) weights.add(model.params[name]?.data as Float32Array);
    }
  };
  if (stopAfter !== undefined) {
    await train(stopAfter);
    const bytes = solver.save();
    solver.dispose();
    model.dispose();
    model = new lw.ConvNet(SPEC, { random: new lw.RandomState(1) });
    solver = lw.Solver.resume(bytes, model, data, { random: new lw.RandomState(0) });
  }
  await train(STEPS);
  const { lossHistory, trainAccHistory, valAccHistory } = solver;
  const histories = new Hash();
  const all = new Hash();
  for (const history of [lossHistory, trainAccHistory, valAccHistory]) histories.add(Float64Array.from(history));
  const parts = { weights: weights.digits(), histories: histories.digits() };
  all.add(Float64Array.from(parts.weights + parts.histories, (digit) => Number.parseInt(digit, 16)));
  const { fused } = lw.info();
  solver.dispose();
  model.dispose();
  for (const tensor of [X, y]) tensor.dispose();
  const known = KNOWN[fused ? 'fused' : 'rounded'];
  const loss = lossHistory.at(-1) as number;
  return { ...parts, hash: all.digits(), loss, fused, known, milliseconds: performance.now() - start };
}
