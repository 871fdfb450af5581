// Step 3: training. The bar with the buttons and figures, and the settings that may change while it runs.
import { $, announce, count, make, oncePerFrame, percent, remark, short } from './dom.js';
import { rules, schedules } from './presets.js';
import { state } from './state.js';

/** Between two spoken reports while training, ms. */
const SPEAK_EVERY = 12_000;

export class TrainingStep {
  #run;
  #spoken = 0;

  /** reset() begins the run anew. */
  constructor(run, reset) {
    this.#run = run;
    $('train').addEventListener('click', () => (run.running ? run.pause() : run.train()));
    $('step').addEventListener('click', () => run.step().catch((error) => this.complain(error)));
    $('reset').addEventListener('click', async () => {
      await reset();
      announce('Reset: the net is as it was before training');
    });
    const figures = oncePerFrame(() => this.#figures());
    for (const event of ['steps', 'status', 'made', 'check']) run.addEventListener(event, figures);
    run.addEventListener('status', () => this.#status());
    run.addEventListener('made', () => {
      this.complain();
      this.#engine();
    });
    run.addEventListener('info', () => this.#engine());
    run.addEventListener('trouble', ({ detail }) => this.complain(detail));
    run.addEventListener('check', ({ detail }) => this.#speak(detail));
    this.#status();
    this.#settings();
  }

  complain(error) {
    $('training-error').hidden = error === undefined;
    $('training-error').textContent = error?.message ?? '';
  }

  #status() {
    const { status, running } = this.#run;
    const ready = !['none', 'making'].includes(status);
    $('train').classList.toggle('running', running);
    $('train-label').textContent = running
      ? 'Pause'
      : ({ paused: 'Go on', finished: 'Train more', stopped: 'Go on' }[status] ?? 'Train');
    $('train').disabled = !ready || status === 'failed';
    $('step').disabled = !ready || status === 'failed';
    $('reset').disabled = !ready;
    for (const id of ['save-model', 'save-run']) $(id).disabled = !ready;
    if (status === 'finished') {
      const best = Math.max(...this.#run.checks.val);
      announce(`Training is finished. Best validation accuracy ${percent(best)}`);
    }
  }

  #figures() {
    const { epoch, numEpochs, losses, checks, speed, flops, iteration, numIterations, status } = this.#run;
    const ready = status !== 'none' && status !== 'making';
    $('figure-epoch').textContent = ready ? `${epoch} / ${numEpochs}` : '–';
    $('figure-step').textContent = ready ? count(losses.count) : '–';
    $('figure-loss').textContent =
      losses.smooth === undefined ? '–' : losses.smooth.toFixed(losses.smooth < 10 ? 3 : 1);
    $('figure-accuracy').textContent = checks.val.length === 0 ? '–' : percent(checks.val.at(-1));
    $('figure-speed').textContent = speed === 0 ? '–' : count(Math.round(speed));
    // A training step multiplies about three times as much as a forward pass.
    $('figure-flops').textContent = speed === 0 ? '–' : ((3 * flops * speed) / 1e9).toFixed(1);
    $('progress').value = numIterations > 0 ? iteration / numIterations : 0;
  }

  #engine() {
    const { info } = this.#run;
    if (info === undefined) return;
    const threads = info.threads === 1 ? 'one thread' : `${info.threads} threads`;
    const memory = `${short(info.memory.live)}B in use of ${short(info.memory.reserved)}B taken`;
    $('engine').textContent = `WebAssembly SIMD, ${info.build} build, ${threads}; ${memory}.`;
    $('threads-reason').textContent = crossOriginIsolated ? '' : info.reason;
    $('threads').value = info.threads;
    $('threads-shown').value = info.threads;
    $('threads').disabled = !crossOriginIsolated;
  }

  #speak({ trainAcc, valAcc, epoch }) {
    if (performance.now() - this.#spoken < SPEAK_EVERY) return;
    this.#spoken = performance.now();
    announce(`Epoch ${epoch}: training accuracy ${percent(trainAcc)}, validation ${percent(valAcc)}`);
  }

  #settings() {
    const fill = (select, entries) =>
      select.append(
        ...Object.entries(entries).map(([value, { title }]) => make('option', { value, textContent: title })),
      );
    fill($('rule'), rules);
    fill($('schedule'), schedules);
    $('threads').max = Math.min(16, navigator.hardwareConcurrency ?? 1);

    const slider = (name, fromSlider, toSlider) => {
      const number = $(`${name}-number`);
      $(name).addEventListener('input', () => state.set({ [name]: fromSlider(Number($(name).value)) }));
      number.addEventListener('change', () => {
        const value = number.valueAsNumber;
        if (value >= 0 && value <= 10) state.set({ [name]: value });
        else number.value = state.values[name];
      });
      const show = () => {
        const value = state.values[name];
        const place = String(toSlider(value));
        // Where the visitor has put it, it stays: the steps of a slider round.
        if (fromSlider(Number($(name).value)) !== value) $(name).value = place;
        $(name).setAttribute('aria-valuetext', String(value));
        if (number.valueAsNumber !== value) number.value = value;
      };
      state.on([name], show);
      show();
    };
    const rounded = (value) => Number(value.toPrecision(2));
    slider(
      'rate',
      (at) => rounded(10 ** at),
      (value) => Math.log10(Math.max(1e-6, value)),
    );
    // The left end stands for none.
    slider(
      'reg',
      (at) => (at <= -6 ? 0 : rounded(10 ** at)),
      (value) => Math.log10(Math.max(1e-6, value)),
    );
    const change = oncePerFrame(() => this.#run.change(state.values).catch((error) => this.complain(error)));
    state.on(['rate', 'reg'], change);

    $('threads').addEventListener('input', () => {
      $('threads-shown').value = $('threads').value;
    });
    $('threads').addEventListener('change', () => state.set({ threads: Number($('threads').value) }));
    state.on(['threads'], () => this.#run.rethread(state.values).catch((error) => this.complain(error)));

    const names = ['rule', 'schedule', 'batch', 'epochs', 'crop', 'flip', 'seed'];
    const show = () => {
      for (const name of names) {
        if (name === 'flip') $('flip').checked = state.values.flip;
        else $(name).value = state.values[name];
      }
    };
    for (const name of names) {
      $(name).addEventListener('change', ({ target }) => {
        const { type, valueAsNumber, min, max } = target;
        if (type === 'checkbox') return state.set({ [name]: target.checked });
        if (type !== 'number') return state.set({ [name]: target.value });
        const fits = Number.isInteger(valueAsNumber) && valueAsNumber >= Number(min) && valueAsNumber <= Number(max);
        if (fits) return state.set({ [name]: valueAsNumber });
        remark(`${target.labels[0].textContent.trim()}: a whole number from ${count(min)} to ${count(max)}`, {
          bad: true,
        });
        target.value = state.values[name];
      });
    }
    state.on(names, show);
    show();
  }
}
