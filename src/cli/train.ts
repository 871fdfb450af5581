/** `lanewise train`: data, model, training with a live bar, accuracies, pictures, and what to try next. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Info, info, init, type Network, RandomState, Solver, type StepEvent } from '../index.js';
import { readRun, writeRun } from './checkpoint.js';
import { type DataSet, load, SYNTHETIC } from './dataset.js';
import { type Command, flagName, UsageError } from './flags.js';
import { Interrupt } from './interrupt.js';
import { models } from './models.js';
import { flags, rules, type Settings, settle, settleAgain, type TrainValues } from './settings.js';
import { invocation, Progress, percent, quoted, seconds, sparkline } from './terminal.js';

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
  accuracy: { train: number | null; validation: number | null; test: number | null; bestEpoch: number | null };
  /** Loss of each step; accuracies after the steps (counted from 1) of checkedAt. */
  history: { loss: number[]; train: number[]; validation: number[]; checkedAt: number[] };
  timings: { data: number; training: number; imagesPerSecond: number };
  /** Files written. */
  files: { curves?: string; weights?: string; checkpoint?: string };
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
  solver: Solver;
  /** Seconds that reading or drawing the data took. */
  loading: number;
}

async function prepare(values: TrainValues, progress: Progress, signal: AbortSignal): Promise<Prepared> {
  const saved = values.resume === undefined ? undefined : readRun(values.resume);
  const settings = saved ? settleAgain(values, saved) : settle(values);
  if (settings.data !== SYNTHETIC && !/^https?:\/\//.test(settings.data) && !existsSync(settings.data)) {
    throw new UsageError(`--data must be '${SYNTHETIC}' or a folder, file or URL that exists, got '${settings.data}'`);
  }
  const { build, threads, reason } = await init({ threads: values.threads ?? 'auto', build: values.build ?? 'auto' });
  progress.line(`lanewise: ${build} build, ${threads} thread${threads === 1 ? '' : 's'} (${reason})`);
  // What cannot be written is better said now than after an hour.
  if (values.pictures) mkdirSync(outOf(values), { recursive: true });

  const start = performance.now();
  const data = await load(settings, progress, signal);
  const loading = (performance.now() - start) / 1000;
  // A signal that came while images were drawn is delivered before the second of two turns of the event loop.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  signal.throwIfAborted();
  const random = new RandomState(settings.seed);
  const shape = data.XTrain.shape.slice(1);
  const model = models[settings.model].build(settings, shape, data.classes.length, random);
  const { updateRule, learningRate, lrDecay, batchSize, epochs } = settings;
  const solver = saved
    ? Solver.resume(saved.solver, model, data, { random, verbose: false })
    : new Solver(model, data, {
        updateRule: rules[updateRule].name,
        optimConfig: { learningRate },
        ...{ lrDecay, batchSize, numEpochs: epochs, verbose: false, random },
      });
  return { settings, data, model, solver, loading };
}

function outOf({ out = 'lanewise-out' }: TrainValues): string {
  return out;
}

function parameterCount(model: Network): number {
  return Object.values(model.params).reduce((sum, { size }) => sum + size, 0);
}

function describeRun({ settings, data, model, loading }: Prepared): string {
  const { hidden, normalization, dropout, updateRule, dtype } = settings;
  const parts = [
    `${settings.model} ${hidden.join('-')}`,
    ...(normalization === 'none' ? [] : [normalization]),
    ...(dropout === 1 ? [] : [`dropout keeps ${dropout}`]),
    `${parameterCount(model).toLocaleString('en')} ${dtype} parameters`,
    updateRule,
  ];
  const images = [data.XTrain, data.XVal, data.XTest].map((X) => (X.shape[0] as number).toLocaleString('en'));
  const source = settings.data === SYNTHETIC ? 'drawn' : 'loaded';
  return `data: ${images[0]} training, ${images[1]} validation, ${images[2]} test images, ${source} in ${seconds(loading)}\nmodel: ${parts.join(', ')}`;
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
    loss = loss === undefined ? event.loss : 0.9 * loss + 0.1 * event.loss;
    const epoch = Math.min(event.numEpochs, event.epoch + 1);
    progress.update(event.iteration * solver.batchSize, `epoch ${epoch}/${event.numEpochs}`, `loss ${loss.toFixed(3)}`);
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

function report(prepared: Prepared, interrupted: boolean, training: number, images: number): Report {
  const { settings, data, model, solver, loading } = prepared;
  const { lossHistory, trainAccHistory, valAccHistory, bestParams, bestValAcc } = solver;
  const checkedAt = checkSteps(solver);
  const best = Object.keys(bestParams).length > 0 ? valAccHistory.indexOf(bestValAcc) : -1;
  const perEpoch = solver.numIterations / solver.numEpochs;
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
    parameters: parameterCount(model),
    progress: {
      epoch: solver.epoch,
      epochs: Math.ceil(lossHistory.length / solver.numIterations) * solver.numEpochs || solver.numEpochs,
      step: lossHistory.length,
      steps: Math.ceil(lossHistory.length / solver.numIterations) * solver.numIterations || solver.numIterations,
    },
    accuracy: {
      train: trainAccHistory[best] ?? null,
      validation: valAccHistory[best] ?? null,
      test: interrupted ? null : solver.checkAccuracy(data.XTest, data.yTest),
      bestEpoch: best < 0 ? null : Math.floor((checkedAt[best] as number) / perEpoch),
    },
    history: { loss: lossHistory, train: trainAccHistory, validation: valAccHistory, checkedAt },
    timings: { data: loading, training, imagesPerSecond: training > 0 ? images / training : 0 },
    files: {},
  };
}

/** Curves as SVG, weights of the first layer as PNG; their files. */
async function draw(out: string, { settings, data, model }: Prepared, { history, progress }: Report) {
  const { curves, weightTiles } = await import('./pictures.js');
  const files = { curves: join(out, 'training.svg'), weights: join(out, 'first-layer.png') };
  const source = settings.data === SYNTHETIC ? 'synthetic images' : 'CIFAR-10';
  const title = `${settings.model} ${settings.hidden.join('-')}, ${settings.updateRule}, ${source}`;
  writeFileSync(files.curves, curves({ title, ...history, stepsPerEpoch: progress.steps / progress.epochs }));
  const [c, h, w] = data.XTrain.shape.slice(1) as [number, number, number];
  writeFileSync(files.weights, weightTiles(model.params.W1, [c, h, w]));
  return files;
}

function summary({ accuracy, history, timings, data, files }: Report): string {
  const { loss } = history;
  const [first, last] = [loss[0] as number, loss.slice(-Math.ceil(loss.length / 50))];
  const end = last.reduce((sum, v) => sum + v, 0) / last.length;
  const speed = `${Math.round(timings.imagesPerSecond).toLocaleString('en')} images/s`;
  const lines: [string, string][] = [
    ['test accuracy', `${percent(accuracy.test as number)} of ${data.test.toLocaleString('en')} images`],
    ['validation', `${percent(accuracy.validation as number)} (best, after epoch ${accuracy.bestEpoch})`],
    ['training', percent(accuracy.train as number)],
    ['loss', `${first.toFixed(3)} ${sparkline(loss)} ${end.toFixed(3)}`],
    ['time', `${seconds(timings.training)}, ${speed}`],
    ...(files.curves === undefined ? [] : [['pictures', `${files.curves}, ${files.weights}`] as [string, string]]),
    ...(files.checkpoint === undefined ? [] : [['checkpoint', files.checkpoint] as [string, string]]),
  ];
  return lines.map(([left, right]) => `${left.padEnd(15)}${right}\n`).join('');
}

/** Three commands that work as they stand. */
function nextSteps({ data }: Settings): string {
  const source = data === SYNTHETIC ? '' : ` --data ${quoted(data)}`;
  const steps = [
    [invocation(`train${source} --hidden 200,200 --normalization batchnorm`), 'a larger net, with batch norm'],
    [
      invocation(`train${source} --model two-layer-net --hidden 64`),
      'one hidden layer; first-layer.png shows what its units look for',
    ],
    [invocation('doctor'), 'what this machine offers, and how fast it is'],
  ] as const;
  const width = Math.max(...steps.map(([command]) => command.length));
  return ['Next:', ...steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`)].join('\n');
}

function stopped({ progress, accuracy, files }: Report, values: TrainValues): string {
  const same = (['out', 'build', 'threads'] as const).flatMap((name) => {
    return values[name] === undefined ? [] : [flagName(name), quoted(String(values[name]))];
  });
  const again = ['train --resume', quoted(files.checkpoint as string), ...same].join(' ');
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
    ['train', 'a small net on drawn images, a few seconds'],
    ['train --data cifar-10-binary.tar.gz --epochs 5', 'CIFAR-10, as downloaded'],
    ['train --hidden 256,128 --normalization batchnorm --dropout 0.8', 'a deeper net'],
    ['train --model two-layer-net --update-rule momentum --reg 0.01', 'other model, other rule'],
    ['train --json --quiet > run.json', 'for programs'],
    ['train --resume lanewise-out/checkpoint.lanewise', 'after Ctrl-C'],
  ],
  async run(values) {
    const { json, quiet, pictures } = values;
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
    const { training, images } = await run(prepared, progress, interrupt);
    const { settings, solver } = prepared;
    const interrupted = interrupt.code !== undefined && solver.iteration < solver.numIterations;
    const result = report(prepared, interrupted, training, images);
    if (interrupted || values.save !== undefined) {
      result.files.checkpoint = values.save ?? join(out, 'checkpoint.lanewise');
      writeRun(result.files.checkpoint, settings, solver.save());
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
    if (!json) progress.line(nextSteps(settings));
    return 0;
  },
};
