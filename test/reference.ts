/**
 * Everything the kernels compute, as plain float64 loops: slow, obvious, and sharing no code with the library.
 */

/** A row-major array. */
export interface Dense {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function dense(shape: readonly number[], data: ArrayLike<number> = new Float64Array(sizeOf(shape))): Dense {
  return { shape, data: Float64Array.from(data) };
}

/** Index tuples of a shape in row-major order. */
export function* positions(shape: readonly number[]): Generator<number[]> {
  const position = shape.map(() => 0);
  for (let left = sizeOf(shape); left > 0; left--) {
    yield [...position];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]++;
      if (position[axis] < shape[axis]) break;
      position[axis] = 0;
    }
  }
}

/** Place of an index tuple in row-major order; axes of size 1 stand for every index, missing leading axes too. */
export function offset(shape: readonly number[], position: readonly number[]): number {
  const skipped = position.length - shape.length;
  return shape.reduce((at, n, axis) => at * n + (n === 1 ? 0 : position[axis + skipped]), 0);
}

function map(x: Dense, f: (value: number) => number): Dense {
  return dense(x.shape, x.data.map(f));
}

// Arithmetic

export const operators = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
} as const;

/** a op b with NumPy's broadcasting; undefined if the shapes do not fit. */
export function broadcast(a: Dense, b: Dense, op: (x: number, y: number) => number): Dense | undefined {
  const rank = Math.max(a.shape.length, b.shape.length);
  const [m, n] = [a, b].map((t) => [...Array<number>(rank - t.shape.length).fill(1), ...t.shape]);
  if (m.some((size, i) => size !== n[i] && size !== 1 && n[i] !== 1)) return undefined;
  const out = dense(m.map((size, i) => (size === 1 ? n[i] : size)));
  let i = 0;
  for (const p of positions(out.shape)) out.data[i++] = op(a.data[offset(a.shape, p)], b.data[offset(b.shape, p)]);
  return out;
}

export function transpose(x: Dense, axes: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i)): Dense {
  const out = dense(axes.map((axis) => x.shape[axis]));
  const from = x.shape.map(() => 0);
  let i = 0;
  for (const p of positions(out.shape)) {
    axes.forEach((axis, k) => {
      from[axis] = p[k];
    });
    out.data[i++] = x.data[offset(x.shape, from)];
  }
  return out;
}

/** f of the numbers along an axis (of all, without one), for every position of the others. */
export function reduce(x: Dense, axis: number | undefined, f: (along: number[]) => number): Dense {
  if (axis === undefined) return dense([], [f([...x.data])]);
  const out = dense(x.shape.filter((_, i) => i !== axis));
  let i = 0;
  for (const p of positions(out.shape)) {
    const along = Array.from({ length: x.shape[axis] }, (_, k) => {
      const from = [...p.slice(0, axis), k, ...p.slice(axis)];
      return x.data[from.reduce((at, index, a) => at * x.shape[a] + index, 0)];
    });
    out.data[i++] = f(along);
  }
  return out;
}

const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
const mean = (list: readonly number[]) => sum(list) / list.length;

/** First position of the extreme by `better`; the first NaN wins. */
function argbest(list: readonly number[], better: (a: number, b: number) => boolean): number {
  const nan = list.findIndex(Number.isNaN);
  return nan >= 0 ? nan : list.reduce((best, value, i) => (better(value, list[best]) ? i : best), 0);
}

export const reductions = {
  sum,
  mean,
  std: (list: readonly number[]) => Math.sqrt(mean(list.map((value) => (value - mean(list)) ** 2))),
  max: (list: readonly number[]) => Math.max(...list),
  min: (list: readonly number[]) => Math.min(...list),
  argmax: (list: readonly number[]) => argbest(list, (a, b) => a > b),
  argmin: (list: readonly number[]) => argbest(list, (a, b) => a < b),
} as const;

/** (M, N) = a (M, K) b (K, N); either may be given transposed. */
export function matmul(a: Dense, b: Dense, { transA = false, transB = false } = {}): Dense {
  const [M, K] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const N = transB ? b.shape[0] : b.shape[1];
  const out = dense([M, N]);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let total = 0;
      for (let k = 0; k < K; k++) {
        total += a.data[transA ? k * M + i : i * K + k] * b.data[transB ? j * K + k : k * N + j];
      }
      out.data[i * N + j] = total;
    }
  }
  return out;
}

// Layers: what forward computes. Gradients need no reference, they are differences of these.

export type Inputs = Readonly<Record<string, Dense>>;
/** Options of the layer; tensors in them as Dense. */
export type Options = Readonly<Record<string, unknown>>;
/** before: what stands between tensors and options. */
export type Forward = (
  inputs: Inputs,
  options: Options,
  labels: readonly number[],
  before: readonly unknown[],
) => Dense;

const sigmoid = (x: number) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const relu = (x: number) => Math.max(0, x);

function affine({ x, w, b }: Inputs): Dense {
  const rows = dense([x.shape[0], sizeOf(x.shape.slice(1))], x.data);
  return broadcast(matmul(rows, w), b, operators.add) as Dense;
}

/** (x - mean) / sqrt(var + eps) * gamma + beta; mean and variance by column. */
function normalise({ x, gamma, beta }: Inputs, means: ArrayLike<number>, vars: ArrayLike<number>, eps: number): Dense {
  const D = x.shape[1];
  const out = dense(x.shape);
  for (let i = 0; i < x.data.length; i++) {
    const j = i % D;
    out.data[i] = ((x.data[i] - means[j]) / Math.sqrt(vars[j] + eps)) * gamma.data[j] + beta.data[j];
  }
  return out;
}

/** Mean and biased variance of every column of (N, D). */
function statistics({ shape: [N, D], data }: Dense): { means: Float64Array; variances: Float64Array } {
  const [means, variances] = [new Float64Array(D), new Float64Array(D)];
  for (let i = 0; i < N * D; i++) means[i % D] += data[i] / N;
  for (let i = 0; i < N * D; i++) variances[i % D] += (data[i] - means[i % D]) ** 2 / N;
  return { means, variances };
}

function batchnorm(inputs: Inputs, options: Options): Dense {
  const eps = (options.eps as number | undefined) ?? 1e-5;
  if (options.mode === 'test') {
    const [means, variances] = [options.runningMean as Dense, options.runningVar as Dense];
    return normalise(inputs, means.data, variances.data, eps);
  }
  const { means, variances } = statistics(inputs.x);
  return normalise(inputs, means, variances, eps);
}

function layernorm({ x, gamma, beta }: Inputs, options: Options): Dense {
  const { means, variances } = statistics(transpose(x));
  const eps = (options.eps as number | undefined) ?? 1e-5;
  const [N, D] = x.shape;
  const out = dense(x.shape);
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < D; j++) {
      const xhat = (x.data[i * D + j] - means[i]) / Math.sqrt(variances[i] + eps);
      out.data[i * D + j] = xhat * gamma.data[j] + beta.data[j];
    }
  }
  return out;
}

function dropout({ x }: Inputs, { mode, p, seed }: Options): Dense {
  if (mode === 'test') return map(x, (value) => value);
  const draw = mersenneTwister(seed as number);
  return map(x, (value) => (draw() < (p as number) ? value / (p as number) : 0));
}

function softmaxLoss({ x }: Inputs, options: Options, labels: readonly number[]): Dense {
  const smoothing = (options.labelSmoothing as number | undefined) ?? 0;
  const [N, C] = x.shape;
  let loss = 0;
  for (let i = 0; i < N; i++) {
    const row = [...x.data.subarray(i * C, (i + 1) * C)];
    const most = Math.max(...row);
    const logSum = Math.log(sum(row.map((v) => Math.exp(v - most)))) + most;
    row.forEach((v, j) => {
      const target = (j === labels[i] ? 1 - smoothing : 0) + smoothing / C;
      if (target !== 0) loss += target * (logSum - v);
    });
  }
  return dense([], [loss / N]);
}

function svmLoss({ x }: Inputs, options: Options, labels: readonly number[]): Dense {
  const delta = (options.delta as number | undefined) ?? 1;
  const [N, C] = x.shape;
  let loss = 0;
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < C; j++) {
      if (j !== labels[i]) loss += Math.max(0, x.data[i * C + j] - x.data[i * C + labels[i]] + delta);
    }
  }
  return dense([], [loss / N]);
}

/** Cross-correlation of images (N, C, H, W) with filters (F, C, HH, WW). */
function conv({ x, w, b }: Inputs, { stride, pad }: Options): Dense {
  const [N, C, H, W] = x.shape;
  const [F, , HH, WW] = w.shape;
  const [step, border] = [stride as number, pad as number];
  const [OH, OW] = [1 + Math.floor((H + 2 * border - HH) / step), 1 + Math.floor((W + 2 * border - WW) / step)];
  const out = dense([N, F, OH, OW]);
  let o = 0;
  for (let n = 0; n < N; n++) {
    for (let f = 0; f < F; f++) {
      for (let top = -border; top < OH * step - border; top += step) {
        for (let left = -border; left < OW * step - border; left += step) {
          let total = b.data[f];
          for (let c = 0; c < C; c++) {
            for (let i = 0; i < HH; i++) {
              for (let j = 0; j < WW; j++) {
                const [h, v] = [top + i, left + j];
                const inside = h >= 0 && h < H && v >= 0 && v < W;
                if (inside) total += x.data[((n * C + c) * H + h) * W + v] * w.data[((f * C + c) * HH + i) * WW + j];
              }
            }
          }
          out.data[o++] = total;
        }
      }
    }
  }
  return out;
}

/** Every window of images, reduced. */
function pool(x: Dense, { poolHeight, poolWidth, stride }: Options, f: (window: number[]) => number): Dense {
  const [N, C, H, W] = x.shape;
  const [height, width, step] = [poolHeight as number, poolWidth as number, stride as number];
  const [OH, OW] = [1 + Math.floor((H - height) / step), 1 + Math.floor((W - width) / step)];
  const out = dense([N, C, OH, OW]);
  let o = 0;
  for (let plane = 0; plane < N * C; plane++) {
    for (let top = 0; top < OH * step; top += step) {
      for (let left = 0; left < OW * step; left += step) {
        const window: number[] = [];
        for (let i = 0; i < height; i++) {
          for (let j = 0; j < width; j++) window.push(x.data[(plane * H + top + i) * W + left + j]);
        }
        out.data[o++] = f(window);
      }
    }
  }
  return out;
}

/** Images (N, C, H, W) as rows (N H W, C), and back: what stands where in the two. */
function* pixels([N, C, H, W]: readonly number[]): Generator<[image: number, row: number]> {
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) yield [(n * C + c) * H * W + p, (n * H * W + p) * C + c];
    }
  }
}
function channelsLast(x: Dense): Dense {
  const rows = dense([x.data.length / x.shape[1], x.shape[1]]);
  for (const [image, row] of pixels(x.shape)) rows.data[row] = x.data[image];
  return rows;
}
function channelsFirst(rows: Dense, shape: readonly number[]): Dense {
  const x = dense(shape);
  for (const [image, row] of pixels(shape)) x.data[image] = rows.data[row];
  return x;
}

function spatialBatchnorm(inputs: Inputs, options: Options): Dense {
  return channelsFirst(batchnorm({ ...inputs, x: channelsLast(inputs.x) }, options), inputs.x.shape);
}

/** Every group of channels of every image as a row. */
const groups = (x: Dense, G: number): Dense => dense([x.shape[0] * G, sizeOf(x.shape) / (x.shape[0] * G)], x.data);

function groupnorm({ x, gamma, beta }: Inputs, options: Options, G: number): Dense {
  const { means, variances } = statistics(transpose(groups(x, G)));
  const eps = (options.eps as number | undefined) ?? 1e-5;
  const [, C, H, W] = x.shape;
  const size = (C / G) * H * W;
  return dense(
    x.shape,
    x.data.map((value, i) => {
      const group = Math.floor(i / size);
      const c = Math.floor(i / (H * W)) % C;
      return ((value - means[group]) / Math.sqrt(variances[group] + eps)) * gamma.data[c] + beta.data[c];
    }),
  );
}

/** By the name of the library's function. */
export const layers: Readonly<Record<string, Forward>> = {
  affineForward: affine,
  reluForward: ({ x }) => map(x, relu),
  leakyReluForward: ({ x }, { slope = 0.01 }) => map(x, (v) => (v < 0 ? (slope as number) * v : v)),
  sigmoidForward: ({ x }) => map(x, sigmoid),
  tanhForward: ({ x }) => map(x, Math.tanh),
  swishForward: ({ x }) => map(x, (v) => v * sigmoid(v)),
  dropoutForward: dropout,
  batchnormForward: batchnorm,
  layernormForward: layernorm,
  affineReluForward: (inputs) => map(affine(inputs), relu),
  affineBnReluForward: (inputs, options) => map(batchnorm({ ...inputs, x: affine(inputs) }, options), relu),
  convForwardNaive: conv,
  convForward: conv,
  convReluForward: (inputs, options) => map(conv(inputs, options), relu),
  convBnReluForward: (inputs, options, _, [convParam]) =>
    map(spatialBatchnorm({ ...inputs, x: conv(inputs, convParam as Options) }, options), relu),
  convReluPoolForward: (inputs, options, _, [convParam]) =>
    pool(map(conv(inputs, convParam as Options), relu), options, (window) => Math.max(...window)),
  maxPoolForwardNaive: ({ x }, options) => pool(x, options, (window) => Math.max(...window)),
  maxPoolForward: ({ x }, options) => pool(x, options, (window) => Math.max(...window)),
  avgPoolForward: ({ x }, options) => pool(x, options, mean),
  globalAvgPoolForward: ({ x }) => {
    const [N, C, H, W] = x.shape;
    return reduce(dense([N, C, H * W], x.data), 2, mean);
  },
  spatialBatchnormForward: spatialBatchnorm,
  spatialGroupnormForward: (inputs, options, _, [G]) => groupnorm(inputs, options, G as number),
  softmaxLoss,
  svmLoss,
};

/** The least variance that a layer divides by: it magnifies rounding by its inverse. */
export function leastVariance(forward: string, inputs: Inputs): number {
  if (forward === 'batchnormForward') return Math.min(...statistics(inputs.x).variances);
  if (forward === 'layernormForward') return Math.min(...statistics(transpose(inputs.x)).variances);
  if (forward === 'affineBnReluForward') return Math.min(...statistics(affine(inputs)).variances);
  if (forward === 'spatialBatchnormForward') return Math.min(...statistics(channelsLast(inputs.x)).variances);
  return 1;
}

/**
 * Gradient of sum(f() * dout) with respect to every element of x, by central differences of fourth order; f reads x. The
 * error is some h^4 of the fifth derivative and some 1e-16 / h of f.
 */
export function numericGradient(f: () => Dense, x: Dense, dout: ArrayLike<number>, h = 1e-3): Float64Array {
  const { data } = x;
  const at = (i: number, value: number) => {
    data[i] = value;
    return f().data;
  };
  return Float64Array.from(data, (value, i) => {
    const near = [at(i, value + h), at(i, value - h)];
    const far = [at(i, value + 2 * h), at(i, value - 2 * h)];
    data[i] = value;
    let slope = 0;
    for (let k = 0; k < dout.length; k++) {
      slope += ((8 * (near[0][k] - near[1][k]) - (far[0][k] - far[1][k])) / (12 * h)) * dout[k];
    }
    return slope;
  });
}

/** NumPy's legacy rand() for an integer seed (Matsumoto and Nishimura, 1998). */
export function mersenneTwister(seed: number): () => number {
  const key = new Uint32Array(624);
  key[0] = seed;
  for (let i = 1; i < 624; i++) key[i] = Math.imul(1812433253, key[i - 1] ^ (key[i - 1] >>> 30)) + i;
  let place = 624;
  const word = () => {
    if (place === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (key[i] & 0x80000000) | (key[(i + 1) % 624] & 0x7fffffff);
        key[i] = key[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      place = 0;
    }
    let y = key[place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
}
