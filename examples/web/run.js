// The training run: one trainer (lanewise/worker) at a time, what it tells, and what is kept of it for the next visit.
//
// Events: `made` a trainer is ready (or gone), `status`, `steps` new losses, `check` new accuracies, `info` of the engine,
// `kept` and `unkept` for the next visit, `trouble` an error to show.
import { createTrainer } from '../../dist/worker.js';
import { desk } from './desk.js';
import { Track } from './history.js';
import { rules, schedules } from './presets.js';
import { runOf } from './state.js';

/** The file in which the browser keeps the run. */
const KEPT = 'run';
/** Between two times that a run is put by while it goes on, ms; more if putting by takes long. */
const KEEP_EVERY = 3000;

/** What the trainer is told of the settings. */
function specOf(model, values) {
  const { updateRule, optimConfig } = rules[values.rule];
  const { warmup = 0 } = schedules[values.schedule];
  const augment = { ...(values.crop > 0 && { crop: values.crop }), ...(values.flip && { flip: true }) };
  return {
    model: { ...model, reg: values.reg },
    seed: values.seed,
    solver: {
      updateRule,
      optimConfig: { ...optimConfig, learningRate: values.rate },
      schedule: { name: values.schedule, warmup },
      ...(Object.keys(augment).length > 0 && { augment }),
      ...{ batchSize: values.batch, numEpochs: values.epochs, sampling: 'epoch' },
    },
  };
}

const examplesOf = (album, set) => ({
  shape: [album[set].labels.length, ...album.shape],
  data: album[set].pixels,
});

export function dataOf(album) {
  return {
    XTrain: examplesOf(album, 'train'),
    yTrain: album.train.labels,
    XVal: examplesOf(album, 'val'),
    yVal: album.val.labels,
    XTest: examplesOf(album, 'test'),
    yTest: album.test.labels,
    classes: album.classes,
  };
}

/** Images [from, to) of a set, as the trainer takes them. */
export function someOf(album, set, from, to) {
  const size = album.shape.reduce((a, b) => a * b, 1);
  return { shape: [to - from, ...album.shape], data: album[set].pixels.slice(from * size, to * size) };
}

/** The next frame; where nobody looks there are none, and a fifth of a second does. */
function frame() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 200);
    requestAnimationFrame(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

export class Run extends EventTarget {
  trainer;
  album;
  /** Floating-point operations of one image's forward pass. */
  flops = 0;
  /** none, making, or a status of the trainer. */
  status = 'none';
  epoch = 0;
  numEpochs = 0;
  stepsPerEpoch = 1;
  /** Of numIterations in this run; `losses.count` has all. */
  iteration = 0;
  numIterations = 0;
  losses = new Track();
  checks = { epochs: [], train: [], val: [] };
  /** Images per second of the last second or so; 0: none yet. */
  speed = 0;
  info;

  #making = 0;
  #run = '';
  #recent = [];
  #keptAt = 0;
  #keptStep = -1;
  #keeping;
  /** What is being put by will be out of date. */
  #keepAgain = false;
  #keepEvery = KEEP_EVERY;

  constructor() {
    super();
    // The last moment at which a page that goes can still put something by.
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.keep();
    });
  }

  get running() {
    return this.status === 'running';
  }

  /**
   * Makes a trainer of an album, a net and settings; the one before ends. state: bytes of an earlier run; parameters: bytes
   * of a model. A call during another takes its place.
   */
  async make({ album, model, flops, values, state, parameters }) {
    const turn = ++this.#making;
    this.#drop();
    this.#set('making');
    this.dispatchEvent(new Event('made'));
    const init = values.threads === undefined ? {} : { threads: values.threads };
    try {
      const spec = state ? null : specOf(model, values);
      const trainer = await createTrainer(spec, dataOf(album), { init, ...(state && { state }) });
      try {
        if (parameters) await trainer.loadModel(parameters);
        if (state) await trainer.change({ learningRate: values.rate, reg: values.reg });
      } catch (error) {
        await trainer.dispose();
        throw error;
      }
      if (turn !== this.#making) return await trainer.dispose();
      Object.assign(this, { trainer, album, flops });
      this.#run = runOf(values);
      await this.#begin(trainer, state !== undefined);
      if (turn !== this.#making) return;
      this.dispatchEvent(new Event('made'));
      this.#watch(trainer).catch((error) => this.#fail(trainer, error));
    } catch (error) {
      if (turn !== this.#making) return;
      this.#set('none');
      throw error;
    }
  }

  /** Ends the trainer. */
  end() {
    this.#making++;
    this.#drop();
    this.#set('none');
    this.dispatchEvent(new Event('made'));
  }

  train() {
    const { trainer } = this;
    if (trainer === undefined) return;
    if (this.status === 'paused') trainer.resume().catch((error) => this.#fail(trainer, error));
    else trainer.train().catch((error) => this.#fail(trainer, error));
  }

  async pause() {
    await this.trainer?.pause();
    this.keep();
  }

  async step() {
    await this.trainer?.step();
  }

  /** Learning rate and regularisation, from the next step on. */
  async change({ rate, reg }) {
    await this.trainer?.change({ learningRate: rate, reg });
  }

  /** The run as it is, on another number of threads: the same bits go on. */
  async rethread(values) {
    const { trainer, album, flops } = this;
    if (trainer === undefined) return;
    const { running } = this;
    const state = await trainer.save();
    await this.make({ album, flops, values, state });
    if (running) this.train();
  }

  /** Puts the run by for the next visit; never twice at once, and not if nothing is new. */
  keep() {
    const step = this.losses.count;
    if (this.trainer === undefined || step === this.#keptStep) return;
    this.#keepAgain = this.#keeping !== undefined;
    if (this.#keepAgain) return;
    const began = performance.now();
    const { trainer } = this;
    this.#keeping = (async () => {
      try {
        const state = await trainer.save();
        const header = new TextEncoder().encode(JSON.stringify({ run: this.#run, step }));
        const length = new Uint8Array(Uint32Array.of(header.length).buffer);
        await desk.run('keep', { name: KEPT, parts: [length, header, state] }, { transfer: [state.buffer] });
        this.#keptStep = step;
        this.dispatchEvent(new Event('kept'));
      } catch (error) {
        // A trainer that is gone has nothing to keep; a browser that keeps nothing must say so.
        if (trainer === this.trainer) this.dispatchEvent(new CustomEvent('unkept', { detail: error }));
      } finally {
        this.#keeping = undefined;
        this.#keptAt = performance.now();
        this.#keepEvery = Math.max(KEEP_EVERY, 20 * (this.#keptAt - began));
        if (this.#keepAgain) this.keep();
      }
    })();
  }

  /** The bytes that were put by of a run with these settings; undefined if there are none. */
  async recall(values) {
    const bytes = await desk.run('recall', { name: KEPT });
    if (bytes === undefined || bytes.length < 4) return undefined;
    const start = 4 + new DataView(bytes.buffer).getUint32(0, true);
    try {
      const { run } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
      return run === runOf(values) ? bytes.slice(start) : undefined;
    } catch {
      return undefined;
    }
  }

  async forget() {
    this.#keepAgain = false;
    await this.#keeping;
    await desk.run('forget', { name: KEPT });
    this.#keptStep = -1;
  }

  #drop() {
    const { trainer } = this;
    this.trainer = undefined;
    this.#recent.length = 0;
    this.#keptStep = -1;
    Object.assign(this, { epoch: 0, iteration: 0, speed: 0, info: undefined });
    this.losses.clear();
    this.checks = { epochs: [], train: [], val: [] };
    trainer?.dispose().catch((error) => console.error(error));
  }

  /** Where a new trainer stands. */
  async #begin(trainer, resumed) {
    const [now, info] = await Promise.all([trainer.state(), trainer.info()]);
    if (trainer !== this.trainer) return;
    this.info = info;
    this.#place(now);
    if (resumed) {
      const { loss, trainAcc, valAcc } = await trainer.history();
      if (trainer !== this.trainer) return;
      for (const value of loss) this.losses.push(value);
      // A run has a check after its first step, then one an epoch.
      const perRun = trainer.spec.solver.numEpochs + 1;
      for (const [i, train] of trainAcc.entries()) {
        const [before, inside] = [Math.floor(i / perRun) * (perRun - 1), i % perRun];
        this.#check(before + (inside === 0 ? 1 / this.stepsPerEpoch : inside), train, valAcc[i]);
      }
      this.#keptStep = this.losses.count;
    }
    this.#set(now.status);
  }

  async #look(trainer) {
    const info = await trainer.info();
    if (trainer !== this.trainer) return;
    this.info = info;
    this.dispatchEvent(new Event('info'));
  }

  /** Takes over events until the trainer is gone, at most one batch of steps a frame. */
  async #watch(trainer) {
    for await (const event of trainer.events()) {
      if (trainer !== this.trainer) return;
      this.#take(event);
      if (event.type === 'step') await frame();
    }
  }

  #take(event) {
    if (event.type === 'status') {
      this.#set(event.status);
      if (event.error) this.dispatchEvent(new CustomEvent('trouble', { detail: event.error }));
      if (event.status !== 'running') {
        // A run that failed is not what anybody wants to come back to.
        if (event.status !== 'failed') this.keep();
        this.#look(this.trainer).catch((error) => this.#fail(this.trainer, error));
      }
      return;
    }
    this.#place(event);
    if (event.type === 'epoch') {
      this.#check(this.losses.count / this.stepsPerEpoch, event.trainAcc, event.valAcc);
      this.dispatchEvent(new CustomEvent('check', { detail: event }));
      return;
    }
    for (const loss of event.losses) this.losses.push(loss);
    this.#measure(event);
    this.dispatchEvent(new Event('steps'));
    if (performance.now() - this.#keptAt > this.#keepEvery) this.keep();
  }

  #place({ epoch, numEpochs, iteration, numIterations }) {
    Object.assign(this, { epoch, numEpochs, iteration, numIterations });
    // Another run after a finished one counts its steps from 0 and its epochs on.
    this.stepsPerEpoch = numIterations / this.trainer.spec.solver.numEpochs;
  }

  #check(epochs, train, val) {
    this.checks.epochs.push(epochs);
    this.checks.train.push(train);
    this.checks.val.push(val);
  }

  #measure({ examples, milliseconds }) {
    this.#recent.push({ examples, milliseconds });
    let time = 0;
    let images = 0;
    let from = this.#recent.length;
    while (from > 0 && time < 1000) {
      from--;
      time += this.#recent[from].milliseconds;
      images += this.#recent[from].examples;
    }
    this.#recent.splice(0, from);
    if (time > 0) this.speed = (1000 * images) / time;
  }

  #set(status) {
    this.status = status;
    this.dispatchEvent(new Event('status'));
  }

  #fail(trainer, error) {
    if (trainer !== this.trainer) return;
    this.dispatchEvent(new CustomEvent('trouble', { detail: error }));
  }
}
