/** Layers of images (C, H, W) for Network: convolutions, pooling, residual blocks. Shapes are those of one example. */
import { checkFlag } from '../augment.js';
import { type Builder, chain, type Layer, type Mode, type Parameter, type Stage } from '../construction.js';
import { checkNumber, checkOptions, describe, formatShape, OptionError, ShapeError } from '../errors.js';
import * as kernels from '../kernels.js';
import { type ConvCache, type ConvParam, convGradients, convolve } from '../layers/conv.js';
import {
  type ConvBnReluCache,
  type ConvReluCache,
  convBnReluForward,
  convBnReluGradients,
  convReluForward,
  convReluGradients,
} from '../layers/convSandwiches.js';
import {
  avgPoolBackward,
  avgPoolForward,
  globalAvgPoolBackward,
  globalAvgPoolForward,
  maxPoolBackward,
  maxPoolForward,
  maxPoolReluBackward,
  type PoolCache,
  type PoolParam,
} from '../layers/pool.js';
import { type Shape, sameShape, sizeOf } from '../shape.js';
import { empty, type Tensor } from '../tensor.js';
import { type BatchnormOptions, batchnorm, batchnormNumbers, batchnormState } from './normLayers.js';
import { checkWeightScale, deviation, remembering, type WeightOptions } from './stages.js';

export interface ConvOptions extends WeightOptions {
  /** Height and width of the filters, or both in one number; default 3. */
  size?: number | readonly [number, number];
  /** Default 1. */
  stride?: number;
  /** Zeros around the images; default half the filter's size, which keeps the images' size at stride 1. */
  pad?: number;
  /** See ConvParam. */
  exact?: boolean;
}

/** Sides, strides and borders end here: far beyond images that fit in memory. */
const MOST = 65_535;
const CONV_OPTIONS = ['size', 'stride', 'pad', 'exact', 'weightScale'];

function checkImageShape(name: string, input: Shape): [number, number, number] {
  if (input.length === 3) return input as unknown as [number, number, number];
  const hint = 'convolutions and pooling come before affine layers';
  const value = `inputs ${formatShape(input)}`;
  throw new ShapeError({ where: 'Network', argument: name, rule: 'for images (C, H, W)', value, hint });
}

/** Height and width, checked. */
function checkSides(name: string, size: unknown): [number, number] {
  const sides = typeof size === 'number' ? [size, size] : size;
  if (!Array.isArray(sides) || sides.length !== 2) {
    throw new OptionError({
      where: name,
      argument: 'size',
      rule: 'a number or [height, width]',
      value: describe(size),
    });
  }
  for (const side of sides) checkNumber(name, 'size', side, { low: 1, high: MOST, integer: true });
  return sides as [number, number];
}

/** What all convolutions have in common; `finish` makes the stage. */
function convLayer(
  name: string,
  F: number,
  options: ConvOptions,
  finish: (parts: {
    builder: Builder;
    W: Parameter;
    b: Parameter;
    param: ConvParam;
    shape: Shape;
    products: number;
  }) => Stage,
): Layer {
  checkNumber(name, 'filters', F, { low: 1, integer: true });
  const { size = 3, stride = 1, pad: padding } = options;
  const exact = checkFlag(name, 'exact', options.exact ?? false);
  const [HH, WW] = checkSides(name, size);
  const half = (HH - 1) / 2;
  if (padding === undefined && (HH !== WW || !Number.isInteger(half))) {
    const rule = 'given for filters that are not square with odd sides';
    throw new OptionError({ where: name, argument: 'pad', rule, value: `size ${HH}x${WW}` });
  }
  const pad = checkNumber(name, 'pad', padding === undefined ? half : padding, { low: 0, high: MOST, integer: true });
  checkNumber(name, 'stride', stride, { low: 1, high: MOST, integer: true });
  const weightScale = checkWeightScale(name, options.weightScale);
  return {
    name,
    build(builder, input) {
      const [C, H, Wd] = checkImageShape(name, input);
      const OH = 1 + Math.floor((H + 2 * pad - HH) / stride);
      const OW = 1 + Math.floor((Wd + 2 * pad - WW) / stride);
      if (OH < 1 || OW < 1) {
        const rule = `for images at least as large as its filters, ${HH} by ${WW}`;
        const value = `inputs ${formatShape(input)} with pad ${pad}`;
        throw new ShapeError({ where: 'Network', argument: name, rule, value });
      }
      const inputs = C * HH * WW;
      const W = builder.parameter('W', [F, C, HH, WW], { normal: deviation(weightScale, inputs) });
      const b = builder.parameter('b', [F], { fill: 0 });
      const param = { stride, pad, exact };
      return finish({ builder, W, b, param, shape: [F, OH, OW], products: inputs * F * OH * OW });
    },
  };
}

/** (C, H, W) to (F, OH, OW). Parameters W (F, C, HH, WW) and b (F). */
export function conv(filters: number, options: ConvOptions = {}): Layer {
  const name = 'conv';
  checkOptions(name, options, CONV_OPTIONS);
  return convLayer(name, filters, options, ({ W, b, param, shape, products }) =>
    remembering<ConvCache>(
      shape,
      { keepsInput: true, keepsOutput: false, products },
      (x) => convolve(name, x, W.value, b.value, param),
      (dout, cache, needDx) => {
        const [dx, dw, db] = convGradients(name, dout, cache, needDx);
        W.gradient = dw;
        b.gradient = db;
        return dx;
      },
    ),
  );
}

/** conv and relu, the ReLU applied while the results are in registers; the same numbers. */
export function convRelu(filters: number, options: ConvOptions = {}): Layer {
  const name = 'convRelu';
  checkOptions(name, options, CONV_OPTIONS);
  return convLayer(name, filters, options, ({ W, b, param, shape, products }) =>
    remembering<ConvReluCache>(
      shape,
      { keepsInput: true, keepsOutput: true, rectifies: true, products },
      (x) => convReluForward(x, W.value, b.value, param),
      (dout, cache, needDx, { done }) => {
        const [dx, dw, db] = done
          ? convGradients(name, dout, cache.conv, needDx)
          : convReluGradients(name, dout, cache, needDx);
        W.gradient = dw;
        b.gradient = db;
        return dx;
      },
    ),
  );
}

/** conv, batchnorm and relu, the ReLU in the norm's pass over the memory; the same numbers. */
export function convBnRelu(filters: number, options: ConvOptions & BatchnormOptions = {}): Layer {
  const name = 'convBnRelu';
  checkOptions(name, options, [...CONV_OPTIONS, 'eps', 'momentum']);
  const numbers = batchnormNumbers(name, options);
  return convLayer(name, filters, options, ({ builder, W, b, param, shape, products }) => {
    const { gamma, beta, param: bnParam } = batchnormState(builder, filters, numbers);
    const [F, OH, OW] = shape as [number, number, number];
    return remembering<ConvBnReluCache>(
      shape,
      { keepsInput: true, keepsOutput: true, products, extra: F * OH * OW },
      (x, mode) => {
        bnParam.mode = mode;
        const result = convBnReluForward(x, W.value, b.value, gamma.value, beta.value, param, bnParam);
        // Nothing goes back after a forward pass in test mode.
        if (mode === 'test') result[1].norm.x.dispose();
        return result;
      },
      (dout, cache, needDx) => {
        const [dx, dw, db, dgamma, dbeta] = convBnReluGradients(name, dout, cache, needDx);
        W.gradient = dw;
        b.gradient = db;
        gamma.gradient = dgamma;
        beta.gradient = dbeta;
        return dx;
      },
    );
  });
}

export interface PoolOptions {
  /** Step between windows; default the size of square windows, so that they do not overlap. */
  stride?: number;
}

function poolLayer(
  name: string,
  size: number | readonly [number, number],
  options: PoolOptions,
  forward: (x: Tensor, param: PoolParam) => [Tensor, PoolCache],
  backward: (dout: Tensor, cache: PoolCache) => Tensor,
  backwardRelu?: (where: string, dout: Tensor, cache: PoolCache) => Tensor,
): Layer {
  checkOptions(name, options, ['stride']);
  const [poolHeight, poolWidth] = checkSides(name, size);
  const { stride = poolHeight } = options;
  if (options.stride === undefined && poolHeight !== poolWidth) {
    const rule = 'given for windows that are not square';
    throw new OptionError({ where: name, argument: 'stride', rule, value: `size ${poolHeight}x${poolWidth}` });
  }
  checkNumber(name, 'stride', stride, { low: 1, high: MOST, integer: true });
  return {
    name,
    build(_, input) {
      const [C, H, W] = checkImageShape(name, input);
      if (H < poolHeight || W < poolWidth) {
        const rule = `for images at least as large as its windows, ${poolHeight} by ${poolWidth}`;
        throw new ShapeError({ where: 'Network', argument: name, rule, value: `inputs ${formatShape(input)}` });
      }
      const shape = [C, 1 + Math.floor((H - poolHeight) / stride), 1 + Math.floor((W - poolWidth) / stride)];
      const param = { poolHeight, poolWidth, stride };
      // Max pooling looks for the maxima again, in its input.
      const traits = { keepsInput: name === 'maxPool', keepsOutput: false, takesRelu: backwardRelu !== undefined };
      return remembering<PoolCache>(
        shape,
        traits,
        (x) => forward(x, param),
        (dout, cache, _, { before }) =>
          before && backwardRelu ? backwardRelu(name, dout, cache) : backward(dout, cache),
      );
    },
  };
}

/** (C, H, W) to (C, OH, OW): the largest of each window. */
export function maxPool(size: number | readonly [number, number] = 2, options: PoolOptions = {}): Layer {
  return poolLayer('maxPool', size, options, maxPoolForward, maxPoolBackward, maxPoolReluBackward);
}

/** (C, H, W) to (C, OH, OW): the mean of each window. */
export function avgPool(size: number | readonly [number, number] = 2, options: PoolOptions = {}): Layer {
  return poolLayer('avgPool', size, options, avgPoolForward, avgPoolBackward);
}

/** (C, H, W) to (C): the mean of each channel. */
export function globalAvgPool(): Layer {
  const name = 'globalAvgPool';
  return {
    name,
    build(_, input) {
      const [C] = checkImageShape(name, input);
      const traits = { keepsInput: false, keepsOutput: false };
      return remembering<PoolCache>([C], traits, globalAvgPoolForward, globalAvgPoolBackward);
    },
  };
}

export interface ResidualOptions {
  /** max(0, .) of the sum, default true. */
  relu?: boolean;
  /**
   * Layers of the way around. Default: none where the shapes agree; else a 1x1 convolution of the stride that is needed,
   * with batch norm.
   */
  shortcut?: readonly Layer[];
}

/** relu(layers(x) + shortcut(x)) (He et al., 2016). */
export function residual(layers: readonly Layer[], options: ResidualOptions = {}): Layer {
  const name = 'residual';
  checkOptions(name, options, ['relu', 'shortcut']);
  for (const [argument, list] of [
    ['layers', layers],
    ['shortcut', options.shortcut ?? []],
  ] as const) {
    if (Array.isArray(list) && list.every((l) => typeof l?.build === 'function')) continue;
    throw new OptionError({ where: name, argument, rule: 'a list of layers', value: describe(list) });
  }
  const relu = checkFlag(name, 'relu', options.relu ?? true);
  return {
    name,
    build(builder, input) {
      const main = chain(builder, layers, input);
      const around = chain(builder, options.shortcut ?? projection(input, main.shape), input);
      if (!sameShape(main.shape, around.shape)) {
        const rule = `given a shortcut to ${formatShape(main.shape)}`;
        throw new ShapeError({ where: 'Network', argument: name, rule, value: formatShape(around.shape) });
      }
      return join(main, around, relu);
    },
  };
}

/** The layers that bring images of one shape to another. */
function projection(from: Shape, to: Shape): Layer[] {
  if (sameShape(from, to)) return [];
  const [F, OH, OW] = to as [number, number, number];
  const [, H, W] = from as [number, number, number];
  const stride = Math.ceil(H / OH);
  const fits = Math.ceil(H / stride) === OH && Math.ceil(W / stride) === OW;
  if (from.length !== 3 || to.length !== 3 || !fits) {
    const rule = 'of layers that keep the shape or take every n-th pixel, or with a shortcut of its own';
    const value = `${formatShape(from)} to ${formatShape(to)}`;
    throw new ShapeError({ where: 'Network', argument: 'residual', rule, value });
  }
  return [conv(F, { size: 1, stride, pad: 0 }), batchnorm()];
}

/** The sum of two ways, through a ReLU if asked. */
function join(main: Stage, around: Stage, relu: boolean): Stage {
  const { shape } = main;
  let out: Tensor;

  const forward = (x: Tensor, mode: Mode): Tensor => {
    const a = main.forward(x, mode);
    const b = around.forward(x, mode);
    const free = (t: Tensor, way: Stage) => t.block !== x.block && (mode === 'test' || !way.keepsOutput);
    out = free(a, main) ? a : empty(a.shape, a.dtype);
    kernels.binary(out, a, b, relu ? 'addRelu' : 'add');
    if (free(b, around)) b.dispose();
    return out;
  };

  const backward = (dout: Tensor, needDx: boolean): Tensor | undefined => {
    let d = dout;
    if (relu) {
      d = empty(dout.shape, dout.dtype);
      kernels.unaryBackward('relu', d, dout, out);
    }
    const da = main.backward(d, needDx);
    const db = around.backward(d, needDx);
    if (!needDx || !da || !db) return undefined;
    // da is this function's own, unless a way hands on what it was given.
    const dx = da.block === d.block ? empty(da.shape, da.dtype) : da;
    kernels.binary(dx, da, db, 'add');
    for (const t of [db, d]) if (t.block !== dout.block && t.block !== dx.block && t.block.alive) t.dispose();
    return dx;
  };

  const kept = [main, around].filter((way) => way.keepsOutput && !way.passes).length * sizeOf(shape);
  const bypass = around.parts ?? [];
  const extra = (main.extra ?? 0) + (around.extra ?? 0) + kept;
  const products = (main.products ?? 0) + (around.products ?? 0);
  const parts = [...(main.parts ?? []), ...bypass.map((part) => ({ ...part, name: `shortcut ${part.name}` }))];
  return { shape, keepsInput: true, keepsOutput: relu, forward, backward, extra, products, parts };
}
