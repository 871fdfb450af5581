/**
 * The interface of lanewise/worker: what a Solver on another thread is told, and what it tells. Everything here is plain
 * data or a promise of it; tensors stay on the other side.
 */
import type { AugmentOptions } from '../augment.js';
import type { Info } from '../engine.js';
import type { ConvNetSpec } from '../models/convNet.js';
import type { FullyConnectedNetOptions } from '../models/fullyConnectedNet.js';
import type { ThreeLayerConvNetOptions } from '../models/threeLayerConvNet.js';
import type { TwoLayerNetOptions } from '../models/twoLayerNet.js';
import type { InitOptions } from '../runtime/index.js';
import type { Fault } from '../solver/faults.js';
import type { SolverOptions } from '../solver/options.js';
import type { ScheduleName, ScheduleOptions } from '../solver/schedules.js';
import type { EpochEvent, StepEvent } from '../solver.js';
import type { CheckpointOptions } from '../store.js';
import type { Summary } from '../summary.js';
import type { DType, TypedArray } from '../tensor.js';

// What is trained

type Plain<Options> = Omit<Options, 'random'>;

/**
 * A model by name with its options, as its constructor takes them; the names of `lanewise train` (two-layer-net, …) are
 * understood too. Without a name it is a ConvNet: the object that `lanewise train --spec` reads from a file.
 *
 * inputDim, if not given, is the shape of one training example; numClasses the number of classes of the data, or one more
 * than the largest label.
 */
export type ModelSpec =
  | ({ name: 'TwoLayerNet' | 'two-layer-net' } & Plain<TwoLayerNetOptions>)
  | ({
      name: 'FullyConnectedNet' | 'fully-connected-net';
      /** Units of the hidden layers. */
      hiddenDims: readonly number[];
    } & Plain<FullyConnectedNetOptions>)
  | ({ name: 'ThreeLayerConvNet' | 'three-layer-convnet' } & Plain<ThreeLayerConvNetOptions>)
  | ({ name?: 'ConvNet' | 'convnet' } & ConvNetSpec);

/** Options of a Solver that are plain data. verbose, default false, prints on the console of the worker. */
export interface SolverSpec
  extends Omit<SolverOptions, 'updateRule' | 'schedule' | 'augment' | 'checkpoint' | 'log' | 'random'> {
  updateRule?: Extract<SolverOptions['updateRule'], string>;
  schedule?: ScheduleName | ScheduleOptions;
  augment?: AugmentOptions;
  /** Checkpoints that the worker writes by itself; what they hold is what save() gives. */
  checkpoint?: Omit<CheckpointOptions, 'store' | 'context' | 'onSave' | 'onError'> & { store: string };
}

/**
 * What is done to each number of an image before the model sees it, in training, evaluation and prediction alike:
 * (number - mean) * scale. Batch by batch: the images are kept as they are given.
 */
export interface InputSpec {
  /**
   * Subtract the mean training image, measured as getCifar10Data does. Default: true for images given as bytes, else
   * false.
   */
  subtractMean?: boolean;
  /** Default 1. Bytes become numbers of about 1 by 1 / 255. */
  scale?: number;
}

/** A training run as plain JSON: with the same data it is the same numbers, bit for bit, on this thread and any other. */
export interface TrainerSpec {
  model: ModelSpec;
  solver?: SolverSpec;
  input?: InputSpec;
  /**
   * Of the one stream, new RandomState(seed), that initial weights, batches, dropout and augmentation are drawn from.
   * Default 0.
   */
  seed?: number;
  /** Of parameters and computation, default 'float32'. */
  dtype?: 'float32' | 'float64';
}

/** Numbers of a shape. Every Tensor is one; so is `{ shape: [50, 3, 32, 32], data: new Uint8Array(…) }`. */
export interface Examples {
  /** (N, …) */
  readonly shape: readonly number[];
  readonly data: Uint8Array | Uint8ClampedArray | Float32Array | Float64Array | Int32Array;
}

/** N labels, whole numbers from 0 on. */
export type Labels = ArrayLike<number> | { readonly data: ArrayLike<number> };

/**
 * Training, validation and (optional) test examples. Typed arrays over a SharedArrayBuffer are shared with the worker;
 * others are copied once, or handed over with `transfer: true`. A tensor's numbers are copied once.
 */
export interface TrainerData {
  XTrain: Examples;
  yTrain: Labels;
  XVal: Examples;
  yVal: Labels;
  XTest?: Examples;
  yTest?: Labels;
  /** Names of the classes, kept with the model. */
  classes?: readonly string[];
}

export interface TrainerOptions {
  /** For init() in the worker. A page's training thread may wait, so that threads cost the page nothing. */
  init?: InitOptions;
  /**
   * Hand the buffers of the examples over to the worker instead of copying them: afterwards they are of length 0 here.
   * Default false. Happens when everything else has been found right.
   */
  transfer?: boolean;
  /** What save() gave: the run goes on from there with the same bits, on the data of then. spec may then be null. */
  state?: Uint8Array;
  /**
   * What saveModel() gave: the parameters to begin with. spec may then be null, and data too: such a trainer predicts and
   * cannot train.
   */
  model?: Uint8Array;
  /** Where worker-thread.js lies, for pages where it is not found beside the script. */
  worker?: string | URL;
}

// What it tells

/**
 * - idle: nothing has been trained yet (or since the trainer was made from a saved state)
 * - running
 * - paused: between two steps of a run that resume() goes on with
 * - stopped: the run was ended before its end; train() goes on with it
 * - finished: all steps of the run are done; train() begins another numEpochs
 * - failed: the run ended by an error, such as a loss that is not finite
 */
export type TrainerStatus = 'idle' | 'running' | 'paused' | 'stopped' | 'finished' | 'failed';

/** Steps since the step event before, of which there is at least one: as many as the reader has left time for. */
export interface TrainerStepEvent extends StepEvent {
  /** Number of steps that this event stands for. All other numbers are of the last of them, except: */
  steps: number;
  /** The loss of each. */
  losses: Float64Array;
  /** What was found and dealt with in any of them, see SolverOptions.onFault. */
  faults: readonly Fault[];
  /** Examples of all. */
  examples: number;
  /** Milliseconds that the worker spent on them. */
  milliseconds: number;
}

export interface TrainerStatusEvent {
  type: 'status';
  status: TrainerStatus;
  /** Why it failed. */
  error?: Error;
}

export type TrainerEvent = TrainerStepEvent | EpochEvent | TrainerStatusEvent;

export interface EventOptions {
  /**
   * Whether steps done since the last event become one event (default), so that a slow reader never holds up training. With
   * false each step is an event, and training waits for a reader that is more than 64 events behind.
   */
  coalesce?: boolean;
}

/** A run, now. */
export interface TrainerState {
  status: TrainerStatus;
  /** Steps done in this run, of numIterations. */
  iteration: number;
  numIterations: number;
  epoch: number;
  /** Epochs done at the end of this run. */
  numEpochs: number;
  batchSize: number;
  /** Of the last step; undefined before the first. */
  loss: number | undefined;
  bestValAcc: number;
  /** What change() may change, as it is. */
  live: Required<LiveOptions>;
  /** Bytes of linear memory in the worker. */
  memory: Info['memory'];
}

/** What may change during a run. */
export interface LiveOptions {
  /** Of the next step on, before the factor of a schedule. */
  learningRate?: number;
  /** Strength of the L2 regularisation. */
  reg?: number;
  /** Numbers of the update rule, such as { momentum: 0.95 }. Its state stays. */
  optimConfig?: Readonly<Record<string, number | boolean>>;
  lrDecay?: number;
  /** null: no limit. */
  clipNorm?: number | null;
  weightDecay?: number;
  /** null: none. */
  augment?: AugmentOptions | null;
}

export interface TrainerHistory {
  /** Loss of each step. */
  loss: Float64Array;
  /** Of each accuracy check: one after the first step, then one an epoch. */
  trainAcc: Float64Array;
  valAcc: Float64Array;
}

/** Numbers outside linear memory; yours to keep. `lw.tensor(a.data, a)` makes a tensor of them. */
export interface PlainArray<Data extends TypedArray = TypedArray> {
  shape: number[];
  dtype: DType;
  data: Data;
}

export interface Prediction {
  /** The class of highest score for each example. */
  labels: Int32Array;
  /** (N, C): softmax of the scores. */
  probabilities: PlainArray;
  /** (N, C) */
  scores: PlainArray;
}

export interface EvaluateOptions {
  /** The first so many examples only; default all. */
  limit?: number;
  /** Add the scores of each image's mirror image; default false. */
  flip?: boolean;
  /** Examples at a time, default 100. */
  batchSize?: number;
}

export interface Evaluation {
  /** Share of examples whose class is predicted right. */
  accuracy: number;
  /** Predicted class of each example. */
  labels: Int32Array;
  /** Probability of the predicted class of each example, and of its own. */
  confidence: Float64Array;
  ownConfidence: Float64Array;
  /** (C, C) counts: the row is the class of the example, the column what was predicted. */
  confusion: PlainArray<Int32Array>;
}

export interface Activation extends PlainArray {
  /** The layer's name and its place among summary().layers. */
  name: string;
  index: number;
}

export interface TrainResult {
  /** 'stopped' after stop(). */
  status: 'finished' | 'stopped';
  bestValAcc: number;
}

export interface TrainOptions {
  /** Ends the run between two steps, as it does for a Solver: train() throws signal.reason. */
  signal?: AbortSignal | undefined;
  /** As many steps as were done while it worked, see TrainerStepEvent. */
  onStep?: ((event: TrainerStepEvent) => unknown) | undefined;
  onEpoch?: ((event: EpochEvent) => unknown) | undefined;
}

/**
 * A model and its Solver on a thread of their own. Methods are requests: they are answered between two steps, also while
 * training, and throw the error that the Solver threw, with its class and fields. What is read has been copied out between
 * two steps of training, so it belongs together; reading changes nothing of the run.
 *
 *     const trainer = await createTrainer({ model: { name: 'TwoLayerNet' } }, data);
 *     for await (const event of trainer.steps()) console.log(event);
 *     const { labels } = await trainer.predict(images);
 *     await trainer.dispose();
 */
export interface Trainer {
  /** The specification, completed: what spec was, or what came with state or model. Plain JSON. */
  readonly spec: TrainerSpec;
  /** Shape of one example, and names of the parameters. */
  readonly inputShape: readonly number[];
  readonly numClasses: number;
  readonly paramNames: readonly string[];
  readonly classes: readonly string[] | undefined;
  /** Whether there are data to train on. */
  readonly trains: boolean;

  /** As lw.info(), of the worker. */
  info(): Promise<Info>;
  /** As model.summary(), with the table as `text`. */
  summary(): Promise<Summary & { text: string }>;
  state(): Promise<TrainerState>;
  /** Histories; from: the first step that is of interest, default 0. Accuracies are always whole. */
  history(from?: number): Promise<TrainerHistory>;

  /**
   * Trains to the end of the run: as solver.train(). A run that was paused or stopped goes on; after a finished one another
   * begins.
   *
   * @throws RuntimeError if a run is on; what training throws; signal.reason after an abort
   */
  train(options?: TrainOptions): Promise<TrainResult>;
  /** The same as a stream of events that ends with the run. Leaving the loop stops the run. */
  steps(options?: { signal?: AbortSignal | undefined } & EventOptions): AsyncGenerator<TrainerEvent, void, undefined>;
  /**
   * Watches, whoever trains: steps, accuracy checks and changes of status from now on, until dispose() or the loop is left.
   * Any number of readers, each at its own pace. Step events wait for no one, see EventOptions; no epoch event is ever
   * lost: training waits for a reader who is 1,000 events behind.
   */
  events(options?: EventOptions): AsyncGenerator<TrainerEvent, void, undefined>;
  /** Holds training between two steps; fulfilled when it stands still. Without a run nothing happens. */
  pause(): Promise<void>;
  /** Goes on after pause() or step(). */
  resume(): Promise<void>;
  /**
   * Pauses, does so many steps (fewer at the end of the run; a run begins if there is none) and pauses again.
   *
   * @param count default 1
   * @returns the state after them
   */
  step(count?: number): Promise<TrainerState>;
  /** Ends the run between two steps: the model is given the best parameters, train() returns. */
  stop(): Promise<void>;
  /** Changes options of the run from the next step on. All are checked before any is changed. */
  change(options: LiveOptions): Promise<Required<LiveOptions>>;

  /** Copies of parameters, all or those named. best: of the best validation accuracy so far, default false. */
  params(options?: { names?: readonly string[]; best?: boolean }): Promise<Record<string, PlainArray>>;
  /** Gives parameters new values of the same shape. */
  setParams(values: Readonly<Record<string, ArrayLike<number> | { readonly data: ArrayLike<number> }>>): Promise<void>;
  /** Loss and its gradients, as model.loss(X, y) gives them in training mode. */
  gradients(X: Examples, y: Labels): Promise<{ loss: number; gradients: Record<string, PlainArray> }>;
  /** What comes out of each layer in test mode, or of those with these places in summary().layers (depth 0 only). */
  activations(X: Examples, options?: { layers?: readonly number[] }): Promise<Activation[]>;
  /** Classes, scores and probabilities in test mode. X: examples as the training examples were given. */
  predict(X: Examples): Promise<Prediction>;
  /** Measures all of a set: that of the data, or examples given. Training waits meanwhile, other requests do not. */
  evaluate(set: 'train' | 'val' | 'test' | { X: Examples; y: Labels }, options?: EvaluateOptions): Promise<Evaluation>;

  /** Everything, to go on with the same bits: for TrainerOptions.state or load(). Between two steps, also while training. */
  save(): Promise<Uint8Array<ArrayBuffer>>;
  /** Puts the trainer where save() was called, on the same data. Ends a run that is on. The net must be of the same specification. */
  load(state: Uint8Array): Promise<void>;
  /**
   * The model only: specification, parameters, running averages, mean image and names of classes. best: those of the best
   * validation accuracy so far, default false: those of now.
   */
  saveModel(options?: { best?: boolean }): Promise<Uint8Array<ArrayBuffer>>;
  /** Parameters, running averages and mean image out of what saveModel() gave. The net must fit. */
  loadModel(model: Uint8Array): Promise<void>;

  /**
   * Ends the worker and frees all of its memory. Requests that are under way, train() included, and all later ones throw a
   * RuntimeError. Loops over events end.
   */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type CreateTrainer = (
  spec: TrainerSpec | null,
  data: TrainerData | null,
  options?: TrainerOptions,
) => Promise<Trainer>;
