/** The public API: re-exports only. */

export { add, div, exp, log, matmul, mul, relError, sqrt, sub } from './arithmetic.js';
export { type Info, info, init } from './engine.js';
export * from './errors.js';
export {
  type LeakyReluOptions,
  leakyReluBackward,
  leakyReluForward,
  reluBackward,
  reluForward,
  sigmoidBackward,
  sigmoidForward,
  swishBackward,
  swishForward,
  tanhBackward,
  tanhForward,
} from './layers/activations.js';
export { affineBackward, affineForward } from './layers/affine.js';
export { type DropoutParam, dropoutBackward, dropoutForward } from './layers/dropout.js';
export { type SoftmaxLossOptions, type SvmLossOptions, softmaxLoss, svmLoss } from './layers/losses.js';
export {
  type BatchnormParam,
  batchnormBackward,
  batchnormBackwardAlt,
  batchnormForward,
  type LayernormParam,
  layernormBackward,
  layernormForward,
} from './layers/norm.js';
export {
  affineBnReluBackward,
  affineBnReluForward,
  affineReluBackward,
  affineReluForward,
} from './layers/sandwiches.js';
export { scope } from './memory.js';
export {
  type DrawOptions,
  type IntegerOptions,
  type IntegerType,
  type RandomSource,
  RandomState,
  random,
  type StreamState,
} from './random.js';
export type { Build, InitOptions } from './runtime/index.js';
export {
  arange,
  type DType,
  full,
  getDefaultDType,
  linspace,
  type Nested,
  ones,
  setDefaultDType,
  Tensor,
  tensor,
  zeros,
} from './tensor.js';
