/** Random changes to training images, and what tells the shape of an image. */
import { checkNumber, checkOptions, DTypeError, describe, formatShape, OptionError, ShapeError } from './errors.js';
import * as imageKernels from './imageKernels.js';
import { attempt, scope } from './memory.js';
import { random as defaultStream, type RandomSource } from './random.js';
import type { Shape } from './shape.js';
import { isTensor, type Tensor } from './tensor.js';

/** What is done to each image, in this order. What is left out is not done. */
export interface AugmentOptions {
  /** Pixels of zeros put around the image before a window of its size is cut out at random; below height and width. */
  crop?: number;
  /** Whether it is mirrored left to right with probability 1/2. */
  flip?: boolean;
  /**
   * Side of a square of zeros around a random pixel, cut off at the border (DeVries and Taylor, 2017); at most the shorter
   * side of the image.
   */
  cutout?: number;
}

/** Checked and completed. */
export type Augmentation = Readonly<Required<AugmentOptions>>;

/** Channels, height and width. */
export type ImageShape = readonly [C: number, H: number, W: number];

/** The options with their defaults. shape: of the images, if it is known. */
export function checkAugmentation(where: string, options: AugmentOptions, shape?: ImageShape): Augmentation {
  checkOptions(where, (options ?? null) as AugmentOptions, ['crop', 'flip', 'cutout']);
  const { crop = 0, flip = false, cutout = 0 } = options;
  const side = shape ? Math.min(shape[1], shape[2]) : 2 ** 15;
  checkNumber(where, 'crop', crop, { low: 0, high: side - 1, integer: true });
  checkFlag(where, 'flip', flip);
  checkNumber(where, 'cutout', cutout, { low: 0, high: side, integer: true });
  return { crop, flip, cutout };
}

/** `value` if it is a boolean, else an OptionError. */
export function checkFlag(where: string, argument: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new OptionError({ where, argument, rule: 'true or false', value: describe(value) });
}

/**
 * The axes of one example that say how it lies in memory: the model's, or those of the data where the model takes its
 * inputs flat.
 */
export function exampleShape(model: Shape | undefined, X: { readonly shape: Shape }): Shape {
  return model && model.length > 1 ? model : X.shape.slice(1);
}

/** The width of images (…, H, W), for their mirrors. */
export function imageWidth(where: string, model: Shape | undefined, X: { readonly shape: Shape }): number {
  const shape = exampleShape(model, X);
  if (shape.length >= 2) return shape.at(-1) as number;
  const hint = 'only images have a mirror image';
  throw new ShapeError({ where, argument: 'X', rule: '(N, …, H, W) for flip', value: formatShape(X.shape), hint });
}

/** The draws of augmentImages, in the current scope or plan, and the changes. Internal: checks nothing. */
export function augmentBatch(x: Tensor, shape: ImageShape, options: Augmentation, random: RandomSource): void {
  const { crop, flip, cutout } = options;
  const [C, H, W] = shape;
  const N = x.size / (C * H * W);
  const shifts = crop > 0 ? random.randint(0, 2 * crop + 1, [N, 2]) : undefined;
  const flips = flip ? random.randint(0, 2, [N]) : undefined;
  const rows = cutout > 0 ? random.randint(0, H, [N]) : undefined;
  const columns = cutout > 0 ? random.randint(0, W, [N]) : undefined;
  imageKernels.augment(x, { shifts, flips, rows, columns }, shape, crop, cutout);
}

/**
 * Shifts, mirrors and blanks images at random, in place. Where an image ends there are zeros: the mean, for images whose
 * mean was subtracted.
 *
 * Draws for N images, each only if it is wanted, in this order: crop, randint(0, 2 crop + 1, [N, 2]), row and column of
 * the window in the image with its border (crop, crop: not shifted); flip, randint(0, 2, [N]), 1: mirrored; cutout,
 * randint(0, H, [N]) and randint(0, W, [N]), row and column of the square's centre. A square of side s around (r, c)
 * starts at (r - ⌊s/2⌋, c - ⌊s/2⌋).
 *
 * @param x (N, C, H, W), any type; changed
 * @param options default of each: nothing is done, and nothing drawn
 * @param random default lanewise's default stream
 * @returns x
 * @throws DTypeError, ShapeError, OptionError, ValueError, before anything is drawn or changed
 */
export function augmentImages(x: Tensor, options: AugmentOptions, random: RandomSource = defaultStream): Tensor {
  const where = 'augmentImages';
  if (!isTensor(x)) throw new DTypeError({ where, argument: 'x', rule: 'a tensor', value: describe(x) });
  if (x.rank !== 4 || x.shape.slice(1).includes(0)) {
    throw new ShapeError({ where, argument: 'x', rule: 'images (N, C, H, W)', value: formatShape(x.shape) });
  }
  const shape = x.shape.slice(1) as unknown as ImageShape;
  const chosen = checkAugmentation(where, options, shape);
  if (x.size > 0) attempt(() => scope(() => augmentBatch(x, shape, chosen, random)));
  return x;
}
