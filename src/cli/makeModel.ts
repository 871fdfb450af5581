/** The net that settings ask for, of a size that fits the images. */
import type { Network, RandomSource } from '../index.js';
import { IMAGE_SHAPE, NUM_CLASSES } from './dataset.js';
import { UsageError } from './flags.js';
import { models } from './models.js';
import type { Settings } from './settings.js';

export function makeModel(settings: Settings, random: RandomSource): Network {
  const model = models[settings.model].build(settings, { inputDim: IMAGE_SHAPE, numClasses: NUM_CLASSES, random });
  const { inputShape, numClasses } = model;
  if (inputShape.reduce((a, b) => a * b, 1) !== IMAGE_SHAPE.reduce((a, b) => a * b, 1)) {
    throw new UsageError(`the net takes (${inputShape.join(', ')}), images are (${IMAGE_SHAPE.join(', ')})`);
  }
  if (numClasses < NUM_CLASSES) {
    throw new UsageError(`the net ends in ${numClasses} scores, there are ${NUM_CLASSES} classes`);
  }
  return model;
}
