/** The public API: re-exports only. */

export { add, div, exp, log, matmul, mul, relError, sqrt, sub } from './arithmetic.js';
export { type AugmentOptions, augmentImages } from './augment.js';
export { type CheckpointInfo, checkpointInfo } from './checkpoint.js';
export {
  ClassifierTrainer,
  type ClassifierTrainerOptions,
  type LossFunction,
  type TrainerModel,
  type TrainerResult,
} from './classifiers/classifierTrainer.js';
export {
  type CrossValidateKnnOptions,
  crossValidateKnn,
  KNearestNeighbor,
  type KnnPredictOptions,
} from './classifiers/kNearestNeighbor.js';
export {
  type LinearClassifier,
  LinearSVM,
  type LinearTrainOptions,
  type SaveOptions,
  Softmax,
  softmaxLossNaive,
  softmaxLossVectorized,
  svmLossNaive,
  svmLossVectorized,
} from './classifiers/linearClassifier.js';
export {
  NeuralNet,
  type NeuralNetOptions,
  type NeuralNetTrainOptions,
  type TrainingHistory,
} from './classifiers/neuralNet.js';
export { initTwoLayerModel, type TwoLayerModel, twoLayerNet } from './classifiers/twoLayerModel.js';
export {
  type Builder,
  chain,
  type Layer,
  type Mode,
  type Parameter,
  type Part,
  type Stage,
  type Start,
} from './construction.js';
// data
export type { ArrayOptions, Mnist, MnistOptions, NpzOptions, WriteNpzOptions } from './data/arrayOptions.js';
export { loadMnist, readIdx, readNpy, readNpz, writeNpy, writeNpz } from './data/arrays.js';
export {
  type Cifar10,
  type Cifar10Data,
  type Cifar10DataOptions,
  getCifar10Data,
  type LoadOptions,
  loadCifar10,
} from './data/cifar10.js';
export type { DataSource, FileSource, Progress, ReadOptions } from './data/sources.js';
export { type SyntheticImages, type SyntheticOptions, syntheticImages } from './data/synthetic.js';
export { type Info, info, init, type Support, support } from './engine.js';
export * from './errors.js';
export {
  type AsyncExtractOptions,
  colorHistogramHsv,
  type ExtractOptions,
  extractFeatures,
  extractFeaturesAsync,
  type FeatureFunction,
  type FeatureProgress,
  features,
  type HistogramOptions,
  hogFeature,
} from './features.js';
export {
  evalNumericalGradient,
  evalNumericalGradientArray,
  type GradCheckSparseOptions,
  gradCheckSparse,
  type NumericalGradientOptions,
  type SparseCheck,
} from './gradientCheck.js';
export {
  choice,
  coarseToFine,
  type Distribution,
  grid,
  type HalvingOptions,
  halvingRungs,
  halvingSurvivors,
  integers,
  logUniform,
  notebookGrids,
  randomSearch,
  type SearchOptions,
  type Space,
  search,
  type Trial,
  type TrialContext,
  type TrialReport,
  type TrialResult,
  type TrialSettings,
  uniform,
} from './hyperparameters.js';
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
export {
  type ConvParam,
  convBackward,
  convBackwardFast,
  convBackwardNaive,
  convForward,
  convForwardFast,
  convForwardNaive,
} from './layers/conv.js';
export {
  convBnReluBackward,
  convBnReluForward,
  convReluBackward,
  convReluForward,
  convReluPoolBackward,
  convReluPoolForward,
} from './layers/convSandwiches.js';
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
  avgPoolBackward,
  avgPoolForward,
  globalAvgPoolBackward,
  globalAvgPoolForward,
  maxPoolBackward,
  maxPoolBackwardFast,
  maxPoolBackwardNaive,
  maxPoolForward,
  maxPoolForwardFast,
  maxPoolForwardNaive,
  type PoolParam,
} from './layers/pool.js';
export {
  affineBnReluBackward,
  affineBnReluForward,
  affineReluBackward,
  affineReluForward,
} from './layers/sandwiches.js';
export {
  type GroupnormParam,
  spatialBatchnormBackward,
  spatialBatchnormForward,
  spatialGroupnormBackward,
  spatialGroupnormForward,
} from './layers/spatialNorm.js';
export { scope } from './memory.js';
export {
  type AffineSpec,
  ConvNet,
  type ConvNetSpec,
  type ConvSpec,
  type LayerSpec,
  type NormSpec,
  type ResidualSpec,
} from './models/convNet.js';
export { FullyConnectedNet, type FullyConnectedNetOptions } from './models/fullyConnectedNet.js';
export * as layers from './models/layers.js';
export { ThreeLayerConvNet, type ThreeLayerConvNetOptions } from './models/threeLayerConvNet.js';
export { TwoLayerNet, type TwoLayerNetOptions } from './models/twoLayerNet.js';
export { Network, type NetworkOptions, type ParameterValue } from './network.js';
export {
  type AdagradConfig,
  type AdamConfig,
  type AdamwConfig,
  type AnyUpdateRule,
  adagrad,
  adam,
  adamw,
  type RmspropConfig,
  rmsprop,
  type SgdConfig,
  type SgdMomentumConfig,
  sgd,
  sgdMomentum,
  type UpdateRule,
  type UpdateRuleName,
} from './optim.js';
export { addBias, removeBias, Standardizer } from './preprocessing.js';
export {
  type RandomSource,
  RandomState,
  random,
  type StreamState,
} from './random.js';
export type { DrawOptions, IntegerOptions, IntegerType } from './randomArguments.js';
export type { Build, InitOptions } from './runtime/index.js';
export { readSafetensors, safetensorsMetadata, writeSafetensors } from './safetensors.js';
export type { Fault, FaultPolicy } from './solver/faults.js';
export type { TrainableModel } from './solver/learner.js';
export type { ExampleSource, LiveOptions, ResumeOptions, SolverData, SolverOptions } from './solver/options.js';
export type { Schedule, ScheduleName, ScheduleOptions, TrainingProgress } from './solver/schedules.js';
export { type EpochEvent, Solver, type SolverEvent, type StepEvent, type TrainOptions } from './solver.js';
export {
  type CheckpointOptions,
  type CheckpointStore,
  type FoundCheckpoint,
  folderStore,
  newestCheckpoint,
  opfsStore,
} from './store.js';
export type { LayerSummary, Summary } from './summary.js';
export {
  arange,
  type DType,
  full,
  getDefaultDType,
  type Indices,
  linspace,
  type Nested,
  ones,
  setDefaultDType,
  Tensor,
  tensor,
  zeros,
} from './tensor.js';
export { timeFunction } from './timing.js';
export { type GridOptions, type Pixels, toPixels, visualizeGrid, visualizeHog } from './vis.js';
