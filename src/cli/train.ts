/** `lanewise train`: data, model, training with a live bar, accuracies, pictures, and what to try next. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Build,
  FaultError,
  type Info,
  info,
  init,
  LanewiseError,
  type Network,
  type RandomSource,
  RandomState,
  Solver,
  type StepEvent,
  type Summary,
  support,
  type Tensor,
} from '../index.js';
import { contextOf, isFolder, readRun, type SavedRun, writeFile } from './checkpoint.js';
import { type DataSet, IMAGE_SHAPE, load, SYNTHETIC } from './dataset.js';
import { filterRows } from './filters.js';
import { type Command, flagName, UsageError, wantedBuild } from './flags.js';
import { Interrupt } from './interrupt.js';
import { makeModel } from './makeModel.js';
import { type ModelKind, models } from './models.js';
import { presetList } from './presets.js';
import { flags, type Settings, settle, settleAgain, type TrainValues } from './settings.js';
import { invocation, Progress, percent, quoted, seconds, sparkline } from './terminal.js';
import { solverOptions } from './training.js';

/** The document of --json. Accuracies are fractions, times are seconds. */
interface Report {
  command: 'train';
  interrupted: boolean;
  settings: Settings;
  engine: Info;
  data: { train: number; validation: number; test: number; classes: string[] };
  parameters: number;
  /** steps: of all runs of this Solver, of how many; epoch: epochs done. */
  progress: { epoch: number; epochs: number; step: number; steps: number };
  /** At the parameters of the best validation accuracy, which was measured at the end of bestEpoch (0: after one step). */
  accuracy: {
    train: number | null;
    validation: number | null;
    test: number | null;
    /** With the scores of each image and its mirror image added up; null without --flip-evaluation. */
    testFlipped: number | null;
    bestEpoch: number | null;
  };
  /** Loss of each step; accuracies after the steps (counted from 1) of checkedAt. */
  history: { loss: number[]; train: number[]; validation: number[]; checkedAt: number[] };
  /** gflops: of the products in training, forward and backward pass; an estimate. */
  timings: { data: number; training: number; imagesPerSecond: number; gflops: number };
  /** Files written. */
  files: { curves?: string; weights?: string; examples?: string; checkpoint?: string };
}

/** Steps after which accuracy was measured: the first of each run, and the last of each epoch. */
function checkSteps(solver: Solver): number[] {
  const perEpoch = solver.numIterations / solver.numEpochs;
  const steps: number[] = [];
  for (let step = 0; steps.length < solver.valAccHistory.length; step++) {
    if (step % solver.numIterations === 0 || (step + 1) % perEpoch === 0) steps.push(step + 1);
  }
  return steps;
}

interface Prepared {
  settings: Settings;
  data: DataSet;
  model: Network;
  summary: Summary;
  /** The same for readers. */
  table: string;
  solver: Solver;
  /** Whether a checkpoint was written on the way. */
  saves: { count: number };
  /** Seconds that reading or drawing the data took. */
  loading: number;
}

async function prepare(values: TrainValues, progress: Progress, signal: AbortSignal): Promise<Prepared> {
  const saved = values.resume === undefined ? undefined : await readRun(values.resume);
  for (const { file, error } of saved?.damaged ?? []) {
    progress.notice(`WARNING: ${file} cannot be read; going on from the one before. ${error.message}`);
  }
  const settings = saved ? settleAgain(values, saved) : settle(values);
  if (settings.data !== SYNTHETIC && !/^https?:\/\//.test(settings.data) && !existsSync(settings.data)) {
    throw new UsageError(`--data must be '${SYNTHETIC}' or a folder, file or URL that exists, got '${settings.data}'`);
  }
  const { build, threads, reason } = await init({
    threads: values.threads ?? 'auto',
    build: wantedBuild(values) ?? (await buildOf(saved)),
  });
  if (saved && saved.build !== build) {
    progress.notice(
      `WARNING: ${saved.file} is of the ${saved.build} build: ${build} goes on, but not with the same bits.`,
    );
  }
  const random = new RandomState(settings.seed);
  // A net that cannot be made is better refused before anything is loaded; so is a place that cannot be written to.
  const model = saved ? makeModel(settings, random) : makeNewModel(settings, values, random);
  if (values.pictures) mkdirSync(outOf(values), { recursive: true });
  progress.line(`lanewise: ${build} build, ${threads} thread${threads === 1 ? '' : 's'} (${reason})`);

  const start = performance.now();
  const data = await load(settings, progress, signal);
  const loading = (performance.now() - start) / 1000;
  // A signal that came while images were drawn is delivered before the second of two turns of the event loop.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  signal.throwIfAborted();
  let table = '';
  const summary = model.summary({
    log: (text) => {
      table = text;
    },
  });
  const saves = { count: 0 };
  const checkpoint = {
    store: outOf(values),
    // Without an interval they are written when the run is stopped, and not by the clock.
    ...(values.saveEvery === null ? { everySteps: NEVER } : values.saveEvery),
    context: contextOf(settings),
    onSave: () => saves.count++,
    onError: (error: Error) => progress.notice(`WARNING: ${error.message}. Training goes on.`),
  };
  const solver = saved
    ? Solver.resume(saved.solver, model, data, { random, verbose: false, checkpoint, file: saved.file })
    : new Solver(model, data, { ...solverOptions(settings), random, checkpoint });
  return { settings, data, model, summary, table, solver, saves, loading };
}

const NEVER = 2 ** 31 - 1;

/** That of the checkpoint, if this host has it. */
async function buildOf(saved: SavedRun | undefined): Promise<Build | 'auto'> {
  if (saved?.build === 'relaxed') return (await support()).relaxedSimd ? 'relaxed' : 'auto';
  return saved?.build === 'simd' ? 'simd' : 'auto';
}

/** UsageError if the net cannot be made: it was asked for. */
function makeNewModel(settings: Settings, { spec }: TrainValues, random: RandomSource): Network {
  try {
    return makeModel(settings, random);
  } catch (error) {
    if (!(error instanceof LanewiseError || error instanceof UsageError)) throw error;
    throw new UsageError(spec === undefined ? error.message : `--spec: ${error.message}`);
  }
}

/** A run that goes on from a folder stays there. */
function outOf({ out, resume }: TrainValues): string {
  return out ?? (resume !== undefined && isFolder(resume) ? resume : 'lanewise-out');
}

/** 'fully-connected-net 100-100' */
function modelName(settings: Settings): string {
  const kind: ModelKind = models[settings.model];
  return `${settings.model} ${kind.describe(settings)}`.trimEnd();
}

function describeRun({ settings, data, summary, table, loading }: Prepared): string {
  const { normalization = 'none', dropout = 1, updateRule, schedule, dtype } = settings;
  const parts = [
    modelName(settings),
    ...(normalization === 'none' ? [] : [normalization]),
    ...(dropout === 1 ? [] : [`dropout keeps ${dropout}`]),
    `${summary.parameters.toLocaleString('en')} ${dtype} parameters`,
    schedule === 'constant' ? updateRule : `${updateRule} with schedule ${schedule}`,
  ];
  const images = [data.XTrain, data.XVal, data.XTest].map((X) => (X.shape[0] as number).toLocaleString('en'));
  const source = settings.data === SYNTHETIC ? 'drawn' : 'loaded';
  const indented = table.replaceAll(/^/gm, '  ');
  return `data: ${images[0]} training, ${images[1]} validation, ${images[2]} test images, ${source} in ${seconds(loading)}\nmodel: ${parts.join(', ')}\n${indented}`;
}

/** Trains to the end or to the interrupt; seconds and images of it. */
async function run({ solver }: Prepared, progress: Progress, interrupt: Interrupt) {
  const start = performance.now();
  let images = 0;
  let epochStart = start;
  /** Smoothed, as single losses jump. */
  let loss: number | undefined;
  const onStep = (event: StepEvent) => {
    images += event.examples;
    const { fault } = event;
    if (fault) progress.line(`step ${fault.step}: ${fault.text} is ${fault.value}; ${fault.action}`);
    if (Number.isFinite(event.loss)) loss = loss === undefined ? event.loss : 0.9 * loss + 0.1 * event.loss;
    const epoch = Math.min(event.numEpochs, event.epoch + 1);
    progress.update(
      event.iteration * solver.batchSize,
      `epoch ${epoch}/${event.numEpochs}`,
      `loss ${(loss ?? NaN).toFixed(3)}`,
    );
  };
  progress.start(solver.numIterations * solver.batchSize, 'images', solver.iteration * solver.batchSize);
  try {
    await solver.train({
      signal: interrupt.signal,
      onStep,
      onEpoch({ epoch, numEpochs, trainAcc, valAcc }) {
        if (epoch === 0) return;
        const now = performance.now();
        const width = String(numEpochs).length;
        const accuracies = `train ${percent(trainAcc).padStart(7)}  val ${percent(valAcc).padStart(7)}`;
        const place = `epoch ${String(epoch).padStart(width)}/${numEpochs}`;
        progress.line(
          `${place}  loss ${(loss as number).toFixed(3)}  ${accuracies}  ${seconds((now - epochStart) / 1000)}`,
        );
        epochStart = now;
      },
    });
  } catch (error) {
    if (interrupt.code === undefined || error !== interrupt.signal.reason) throw error;
  } finally {
    progress.clear();
  }
  return { training: (performance.now() - start) / 1000, images };
}

/** A backward pass has the products of the forward pass twice, but for the first layer's. */
const PASSES = 3;

function report(prepared: Prepared, interrupted: boolean, training: number, images: number): Report {
  const { settings, data, summary, solver, loading } = prepared;
  const { lossHistory, trainAccHistory, valAccHistory, bestParams, bestValAcc } = solver;
  const checkedAt = checkSteps(solver);
  const best = Object.keys(bestParams).length > 0 ? valAccHistory.indexOf(bestValAcc) : -1;
  const perEpoch = solver.numIterations / solver.numEpochs;
  const imagesPerSecond = training > 0 ? images / training : 0;
  const test = (flip: boolean) => (interrupted ? null : solver.checkAccuracy(data.XTest, data.yTest, { flip }));
  return {
    command: 'train',
    interrupted,
    settings,
    engine: info(),
    data: {
      train: data.XTrain.shape[0] as number,
      validation: data.XVal.shape[0] as number,
      test: data.XTest.shape[0] as number,
      classes: data.classes,
    },
    parameters: summary.parameters,
    progress: {
      epoch: solver.epoch,
      epochs: Math.ceil(lossHistory.length / solver.numIterations) * solver.numEpochs || solver.numEpochs,
      step: lossHistory.length,
      steps: Math.ceil(lossHistory.length / solver.numIterations) * solver.numIterations || solver.numIterations,
    },
    accuracy: {
      train: trainAccHistory[best] ?? null,
      validation: valAccHistory[best] ?? null,
      test: test(false),
      testFlipped: settings.flipEvaluation ? test(true) : null,
      bestEpoch: best < 0 ? null : Math.floor((checkedAt[best] as number) / perEpoch),
    },
    history: { loss: lossHistory, train: trainAccHistory, validation: valAccHistory, checkedAt },
    timings: { data: loading, training, imagesPerSecond, gflops: (PASSES * summary.flops * imagesPerSecond) / 1e9 },
    files: {},
  };
}

/** Weights that can be looked at: filters of colour images, or units that see a whole image. */
function firstLayer({ params }: Network): { filters?: Tensor; units?: Tensor } {
  const { W1 } = params;
  const [, channels] = W1.shape;
  if (W1.rank === 4 && channels === IMAGE_SHAPE[0]) return { filters: W1 };
  return W1.rank === 2 && W1.shape[0] === IMAGE_SHAPE.reduce((a, b) => a * b, 1) ? { units: W1 } : {};
}

/** Curves and test images as SVG, weights of the first layer as PNG; their files. */
async function draw(out: string, { settings, data, model }: Prepared, { history, progress }: Report) {
  const pictures = await import('./pictures.js');
  const source = settings.data === SYNTHETIC ? 'synthetic images' : 'CIFAR-10';
  const title = `${modelName(settings)}, ${settings.updateRule}, ${source}`;
  const { filters, units } = firstLayer(model);
  const weights = filters ? pictures.filterTiles(filters) : units && pictures.weightTiles(units, IMAGE_SHAPE);
  const drawn = [
    {
      name: 'curves',
      file: 'training.svg',
      content: pictures.curves({ title, ...history, stepsPerEpoch: progress.steps / progress.epochs }),
    },
    { name: 'weights', file: 'first-layer.png', content: weights },
    { name: 'examples', file: 'examples.svg', content: pictures.examples(data, model.predict(data.XTest)) },
  ];
  const files: Report['files'] = {};
  for (const { name, file, content } of drawn) {
    if (content === undefined) continue;
    files[name as keyof Report['files']] = join(out, file);
    writeFileSync(join(out, file), content);
  }
  return files;
}

function summary({ accuracy, history, timings, data, files }: Report): string {
  // Of steps that were skipped there is none.
  const loss = history.loss.filter(Number.isFinite);
  const [first, last] = [loss[0] as number, loss.slice(-Math.ceil(loss.length / 50))];
  const end = last.reduce((sum, v) => sum + v, 0) / last.length;
  const { imagesPerSecond, gflops } = timings;
  const rate = gflops < 10 ? gflops.toFixed(1) : Math.round(gflops);
  const speed = `${Math.round(imagesPerSecond).toLocaleString('en')} images/s, about ${rate} GFLOP/s`;
  const pictures = [files.curves, files.weights, files.examples].filter((file) => file !== undefined);
  const flipped = accuracy.testFlipped;
  const lines: [string, string][] = [
    ['test accuracy', `${percent(accuracy.test as number)} of ${data.test.toLocaleString('en')} images`],
    ...(flipped === null ? [] : [['with mirrors', percent(flipped)] as [string, string]]),
    ['validation', `${percent(accuracy.validation as number)} (best, after epoch ${accuracy.bestEpoch})`],
    ['training', percent(accuracy.train as number)],
    ['loss', `${first.toFixed(3)} ${sparkline(loss)} ${end.toFixed(3)}`],
    ['time', `${seconds(timings.training)}, ${speed}`],
    ...(pictures.length === 0 ? [] : [['pictures', pictures.join(', ')] as [string, string]]),
    ...(files.checkpoint === undefined ? [] : [['checkpoint', files.checkpoint] as [string, string]]),
  ];
  return lines.map(([left, right]) => `${left.padEnd(15)}${right}\n`).join('');
}

/** Three commands that work as they stand. */
function nextSteps({ data, model }: Settings): string {
  const source = data === SYNTHETIC ? '' : ` --data ${quoted(data)}`;
  const steps = [
    model === 'convnet'
      ? [invocation(`train${source} --hidden 100,100`), 'a fully connected net, to compare']
      : [invocation(`train${source} --preset quick`), 'a small convolutional net, to compare'],
    [
      invocation(`train${source} --preset ${model === 'three-layer-convnet' ? 'two-layer' : 'three-layer-convnet'}`),
      "a net of the course's; --preset list shows more",
    ],
    [invocation('doctor'), 'what this machine offers, and how fast it is'],
  ];
  const width = Math.max(...steps.map(([command]) => command.length));
  return ['Next:', ...steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`)].join('\n');
}

function stopped({ progress, accuracy, files }: Report, values: TrainValues): string {
  const own = values.save === undefined ? (['build', 'threads'] as const) : (['out', 'build', 'threads'] as const);
  const same = own.flatMap((name) => {
    return values[name] === undefined ? [] : [flagName(name), quoted(String(values[name]))];
  });
  if (values.reproducible) same.push('--reproducible');
  const again = ['train --resume', quoted(values.save ?? outOf(values)), ...same].join(' ');
  const { epoch, epochs, step, steps } = progress;
  const best =
    accuracy.validation === null
      ? 'not measured yet'
      : `${percent(accuracy.validation)} (after epoch ${accuracy.bestEpoch})`;
  return [
    `Stopped after step ${step} of ${steps}, ${epoch} of ${epochs} epochs done.`,
    `Best validation accuracy: ${best}`,
    `Checkpoint: ${files.checkpoint}`,
    `Go on with: ${invocation(again)}`,
  ].join('\n');
}

export const train: Command<typeof flags> = {
  name: 'train',
  summary: 'Train a network on images, by default on drawn ones',
  flags,
  examples: [
    ['train', 'a small convolutional net on drawn images, some seconds'],
    ['train --data cifar-10-binary.tar.gz --preset deep', 'CIFAR-10, as downloaded; a deep net'],
    ['train --hidden 256,128 --normalization batchnorm --dropout 0.8', 'a fully connected net'],
    ['train --model three-layer-convnet --filters 16 --filter-size 5', "the course's convolutional net"],
    ['train --augment --schedule cosine --warmup 0.1 --epochs 8', 'the small net, trained longer'],
    ['train --json --quiet > run.json', 'for programs'],
    ['train --resume lanewise-out', 'after Ctrl-C, a crash or a power cut'],
  ],
  async run(values) {
    const { json, quiet, pictures } = values;
    if (values.preset === 'list') {
      process.stdout.write(presetList());
      return 0;
    }
    const out = outOf(values);
    const progress = new Progress({ quiet });
    const interrupt = new Interrupt(() => progress.notice('Stopping after this step; Ctrl-C again to exit at once.'));
    const print = (result: Report) => process.stdout.write(`${JSON.stringify(result)}\n`);

    let prepared: Prepared;
    try {
      prepared = await prepare(values, progress, interrupt.signal);
    } catch (error) {
      progress.clear();
      if (interrupt.code === undefined) throw error;
      progress.notice('Stopped before training began.');
      return interrupt.code;
    }
    progress.line(describeRun(prepared));
    const { settings, solver, saves } = prepared;
    let training: number;
    let images: number;
    try {
      ({ training, images } = await run(prepared, progress, interrupt));
    } catch (error) {
      if (error instanceof FaultError && solver.iteration > 0) {
        progress.notice(`The state before that step: ${join(out, await solver.writeCheckpoint())}`);
      }
      throw error;
    }
    const interrupted = interrupt.code !== undefined && solver.iteration < solver.numIterations;
    const result = report(prepared, interrupted, training, images);
    if (values.save !== undefined) {
      await writeFile(values.save, solver.save({ context: contextOf(settings) }));
      result.files.checkpoint = values.save;
    } else if (interrupted || saves.count > 0) {
      result.files.checkpoint = join(out, await solver.writeCheckpoint());
    }
    if (interrupted) {
      progress.notice(stopped(result, values));
      if (json) print(result);
      return interrupt.code as number;
    }
    interrupt.dispose();
    if (pictures) Object.assign(result.files, await draw(out, prepared, result));
    if (json) print(result);
    else process.stdout.write(summary(result));
    const { filters } = firstLayer(prepared.model);
    const rows = filters && progress.truecolour ? filterRows(filters, process.stderr.columns) : [];
    if (rows.length > 0) progress.line(['filters of the first layer', ...rows].join('\n'));
    if (!json) progress.line(nextSteps(settings));
    return 0;
  },
};
