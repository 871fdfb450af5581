/** `lanewise sweep`: many trials on all cores, a ledger that outlives a crash, and what came of it as table and picture. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  type Build,
  halvingRungs,
  halvingSurvivors,
  init,
  LanewiseError,
  RandomState,
  search,
  type Trial,
  type TrialContext,
  type TrialSettings,
  ValueError,
} from '../index.js';
import { writeFile } from './checkpoint.js';
import { SYNTHETIC } from './dataset.js';
import { buildFlags, type Command, type Flags, number, text, UsageError, type Values, wantedBuild } from './flags.js';
import { Interrupt } from './interrupt.js';
import { type Entry, type Header, Ledger } from './ledger.js';
import { makeModel } from './makeModel.js';
import {
  checkSweepSpec,
  commandOf,
  describeSettings,
  firstStage,
  hashOf,
  readSweepSpec,
  type SweepSpec,
  secondStage,
  settingsOf,
  settingText,
  streamOf,
  trialCount,
} from './sweepSpec.js';
import { invocation, Progress, percent, quoted, seconds } from './terminal.js';
import type { Outcome } from './worker.js';
import { loadShared, WorkerPool } from './workerPool.js';

const OUT = 'lanewise-sweep';

const flags = {
  spec: { value: 'FILE', text: 'Settings and search as JSON, see README', read: text },
  data: {
    value: 'SOURCE',
    text: "CIFAR-10: folder, .tar.gz or URL; or 'synthetic' (default: that of the file, or synthetic)",
    read: text,
  },
  workers: {
    value: 'N',
    text: 'Trials at a time, each on one thread (default: one per core)',
    read: number({ low: 1, high: 256, integer: true }),
  },
  ...buildFlags(),
  out: { value: 'DIR', text: `Where ledger, results and picture go (default: ./${OUT})`, read: text },
  resume: { text: 'Go on with the sweep in --out; --spec is not needed' },
  pictures: { negated: true, text: 'Draw no picture' },
  json: { text: 'Print the results as one JSON document' },
  quiet: { text: 'Print the result and nothing else' },
} as const satisfies Flags;

type SweepValues = Values<typeof flags>;

/** A line of the table. Accuracies are fractions, at the best check; times are seconds. */
interface Row {
  trial: number;
  /** 1, or 2 for the finer one of two. */
  stage: number;
  status: Trial['status'];
  /** What differs from trial to trial. */
  drawn: TrialSettings;
  settings: Entry['settings'];
  valAcc: number | null;
  trainAcc: number | null;
  bestEpoch: number | null;
  /** Epochs done. */
  epochs: number;
  history: Outcome['history'];
  seconds: number;
  error?: string;
}

/** The document of --json and of results.json. */
interface Report {
  command: 'sweep';
  interrupted: boolean;
  spec: Omit<SweepSpec, 'data'>;
  hash: string;
  data: Header['data'];
  build: Build;
  /** By validation accuracy, best first. */
  results: Row[];
  files: { ledger: string; results?: string; picture?: string };
}

/** Whoever reads meanwhile, or after a crash, finds the old file or the new one. */
function replaceFile(file: string, content: string): void {
  writeFileSync(`${file}.part`, content);
  renameSync(`${file}.part`, file);
}

class Sweep {
  readonly #spec: SweepSpec;
  readonly #source: string;
  readonly #out: string;
  readonly #workers: number;
  readonly #build: Build;
  readonly #ledger: Ledger;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  /** Epochs at which trials are compared, and at which they end. */
  readonly #rungs: number[];
  readonly #total: number;
  #pool: Promise<WorkerPool> | undefined;
  #numTrain = 0;
  readonly #rows = new Map<number, Row>();
  /** Epochs done: of stretches that have ended, and of those under way by trial. */
  #epochs = 0;
  readonly #under = new Map<number, number>();
  #best: number | undefined;

  constructor(parts: {
    spec: SweepSpec;
    source: string;
    out: string;
    workers: number;
    build: Build;
    ledger: Ledger;
    progress: Progress;
    signal: AbortSignal;
  }) {
    const { spec, source, out, workers, build, ledger, progress, signal } = parts;
    this.#spec = spec;
    this.#source = source;
    this.#out = out;
    this.#workers = workers;
    this.#build = build;
    this.#ledger = ledger;
    this.#progress = progress;
    this.#signal = signal;
    this.#total = trialCount(spec);
    const { halving } = spec.search;
    this.#rungs = halving === undefined ? [] : halvingRungs(halving);
  }

  /** All stages; the rows of what was run, best first. */
  async run(): Promise<Row[]> {
    const random = streamOf(this.#spec);
    try {
      const first = firstStage(this.#spec, random);
      const [best] = await this.#stage(first, 1, 0);
      if (this.#spec.search.kind === 'coarse-to-fine' && best?.status === 'finished') {
        const second = secondStage(this.#spec, best.settings, random);
        await this.#stage(second, 2, first.length);
      }
    } finally {
      this.#progress.clear();
      if (this.#pool) (await this.#pool.catch(() => undefined))?.end();
    }
    rmSync(this.#stateFolder(), { recursive: true, force: true });
    return this.rows();
  }

  rows(): Row[] {
    const of = ({ status, valAcc }: Row) => (status === 'failed' ? -1 : (valAcc ?? 0));
    return [...this.#rows.values()].sort((a, b) => of(b) - of(a) || a.trial - b.trial);
  }

  async #stage(trials: TrialSettings[], stage: number, offset: number): Promise<Trial[]> {
    const { halving } = this.#spec.search;
    const done = await search({
      trials,
      ...(halving && { halving }),
      concurrency: this.#workers,
      signal: this.#signal,
      run: (drawn, context) => this.#trial(drawn, stage, offset + context.trial, context),
    });
    for (const { trial, status } of done) {
      const row = this.#rows.get(offset + trial);
      if (row) row.status = status;
    }
    return done;
  }

  /** One trial, stretch by stretch: what is in the ledger is taken from there. */
  async #trial(
    drawn: TrialSettings,
    stage: number,
    trial: number,
    { signal, report }: TrialContext,
  ): Promise<{ valAcc: number }> {
    const settings = settingsOf(this.#spec, drawn, this.#source);
    const rungs = this.#rungs.length > 0 ? this.#rungs : [settings.epochs];
    let from = 0;
    for (const until of rungs) {
      signal.throwIfAborted();
      const found = this.#ledger.entry(trial, until);
      if (found) this.#compare(found, settings);
      const entry = found ?? (await this.#compute(trial, settings, from, until, signal));
      this.#epochs += until - from;
      const row = this.#record(entry, stage, drawn);
      if (!found) this.#tell(row);
      if (entry.error !== undefined) throw new ValueError({ where: 'sweep', rule: entry.error });
      if (until !== rungs.at(-1)) await report({ epoch: until, valAcc: entry.valAcc as number });
      from = until;
    }
    return { valAcc: this.#rows.get(trial)?.valAcc as number };
  }

  /** A ledger whose trials are others: of another version perhaps, whose defaults differ. */
  #compare({ trial, settings }: Entry, now: Entry['settings']): void {
    const plain = (all: object) => JSON.stringify({ ...all, data: undefined });
    if (plain(settings) === plain(now)) return;
    const hint = 'it was made by another version of lanewise; choose another --out';
    throw new UsageError(`trial ${trial + 1} has other settings in ${this.#ledger.file}; ${hint}`);
  }

  #record(entry: Entry, stage: number, drawn: TrialSettings): Row {
    const { trial, epochs, settings, valAcc, trainAcc, bestEpoch, history, error } = entry;
    const row: Row = {
      ...{ trial, stage, status: error === undefined ? ('finished' as const) : ('failed' as const) },
      ...{ drawn, settings, valAcc, trainAcc, bestEpoch, epochs, history },
      seconds: (this.#rows.get(trial)?.seconds ?? 0) + entry.seconds,
      ...(error === undefined ? {} : { error }),
    };
    this.#rows.set(trial, row);
    if (valAcc !== null) this.#best = Math.max(this.#best ?? 0, valAcc);
    return row;
  }

  async #compute(
    trial: number,
    settings: Entry['settings'],
    from: number,
    until: number,
    signal: AbortSignal,
  ): Promise<Entry> {
    this.#pool ??= this.#start();
    const pool = await this.#pool;
    signal.throwIfAborted();
    const state = from === 0 ? undefined : readFileSync(this.#stateFile(trial, from));
    const start = performance.now();
    const abort = () => pool.end(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      const { state: reached, ...outcome } = await pool.run({ settings, ...(state && { state }), until }, (epochs) => {
        this.#under.set(trial, epochs - from);
        this.#show();
      });
      const entry: Entry = {
        trial,
        epochs: outcome.error === undefined ? until : outcome.history.loss.length,
        settings,
        ...outcome,
        seconds: Math.round(performance.now() - start) / 1000,
      };
      // The state comes first: a trial in the ledger can go on.
      if (reached) await writeFile(this.#stateFile(trial, until), reached);
      this.#ledger.add(entry, until);
      rmSync(this.#stateFile(trial, from), { force: true });
      return entry;
    } finally {
      this.#under.delete(trial);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Loads the images, and makes sure they are those of the ledger. */
  async #start(): Promise<WorkerPool> {
    const { numTrain, dtype } = settingsOf(this.#spec, firstStage(this.#spec)[0] as TrialSettings, this.#source);
    const request = { data: this.#source, numTrain, dtype, build: this.#build };
    const start = performance.now();
    const shared = await loadShared(request, this.#progress, this.#signal);
    const { train, validation, fingerprint } = shared;
    const { header } = this.#ledger;
    if (header && header.data.fingerprint !== fingerprint) {
      const hint = `they were read from ${header.data.source}`;
      throw new UsageError(`--data must hold the images that the sweep in ${this.#out} began with; ${hint}`);
    }
    this.#numTrain = train.labels.length;
    const counts = [train, validation].map(({ labels }) => labels.length.toLocaleString('en'));
    const megabytes = Math.round((train.bytes.length + validation.bytes.length) / 2 ** 20);
    this.#progress.line(
      `data: ${counts[0]} training, ${counts[1]} validation images, ${megabytes} MB for all workers, ` +
        `${this.#source === SYNTHETIC ? 'drawn' : 'loaded'} in ${seconds((performance.now() - start) / 1000)}`,
    );
    if (!header) {
      const { settings, search } = this.#spec;
      this.#ledger.begin({
        ...{ sweep: 1, hash: hashOf(this.#spec), spec: { settings, search } },
        data: { source: this.#source, fingerprint },
        build: this.#build,
      });
    }
    this.#progress.start(this.#allEpochs() * this.#numTrain, 'images', this.#epochs * this.#numTrain);
    return new WorkerPool(shared, this.#build);
  }

  /** Epochs of all trials, if none fails. */
  #allEpochs(): number {
    const { kind, halving, trials = 0 } = this.#spec.search;
    const stages = kind === 'coarse-to-fine' ? [trials, this.#total - trials] : [this.#total];
    if (halving === undefined) {
      const known = firstStage(this.#spec).map((drawn) => settingsOf(this.#spec, drawn).epochs);
      const mean = known.reduce((sum, epochs) => sum + epochs, 0) / known.length;
      return mean * this.#total;
    }
    const stretches = this.#rungs.map((until, i) => until - (this.#rungs[i - 1] ?? 0));
    const counts = (n: number, i: number) => (i === 0 ? n : halvingSurvivors(n, i - 1, halving));
    return stages.reduce((sum, n) => sum + stretches.reduce((part, epochs, i) => part + epochs * counts(n, i), 0), 0);
  }

  #show(): void {
    const under = [...this.#under.values()].reduce((sum, epochs) => sum + epochs, 0);
    const best = this.#best === undefined ? '' : `best ${percent(this.#best)}`;
    this.#progress.update((this.#epochs + under) * this.#numTrain, `${this.#rows.size}/${this.#total} trials`, best);
  }

  #tell(row: Row): void {
    const place = `trial ${String(row.trial + 1).padStart(String(this.#total).length)}/${this.#total}`;
    const accuracies = `val ${accuracy(row.valAcc)}  train ${accuracy(row.trainAcc)}`;
    const length = `${row.epochs} epoch${row.epochs === 1 ? '' : 's'}`;
    const failed = row.error === undefined ? '' : '  failed';
    const what = describeSettings(row.drawn);
    this.#progress.line(`${place}  ${accuracies}  ${length}  ${seconds(row.seconds)}${failed}  ${what}`);
  }

  #stateFolder(): string {
    return join(this.#out, 'trials');
  }

  #stateFile(trial: number, epochs: number): string {
    return join(this.#stateFolder(), `${trial + 1}-epoch-${epochs}.safetensors`);
  }
}

function accuracy(value: number | null): string {
  return (value === null ? '-' : percent(value)).padStart(7);
}

/** No longer tables on a terminal: the rest is in results.json. */
const MOST_ROWS = 20;

function table(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ drawn }) => Object.keys(drawn)))];
  const lines = [
    ['', 'trial', 'validation', 'training', 'epochs', ...names, ''],
    ...rows.slice(0, MOST_ROWS).map((row, i) => {
      const drawn = names.map((name) => settingText(row.drawn[name]));
      const remark = row.status === 'finished' ? '' : row.status === 'stopped' ? 'stopped early' : 'failed';
      const numbers = [row.valAcc, row.trainAcc].map((value) => accuracy(value).trim());
      return [String(i + 1), String(row.trial + 1), ...numbers, String(row.epochs), ...drawn, remark];
    }),
  ];
  const widths = (lines[0] as string[]).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines
    .map((line) => line.map((cell, column) => cell.padStart(widths[column] as number)))
    .map((line) => `${[...line.slice(0, -1), line.at(-1)?.trim()].join('  ').trimEnd()}\n`)
    .join('');
  const left = rows.length - MOST_ROWS;
  return left > 0 ? `${text}and ${left} more\n` : text;
}

/** Spec and ledger of this call, which fit each other, and where the images are. */
function open(values: SweepValues): { spec: SweepSpec; ledger: Ledger; out: string; source: string } {
  const { out = OUT, spec: file, resume } = values;
  if (file === undefined && !resume) throw new UsageError('--spec FILE is missing (or --resume, to go on with --out)');
  const spec = file === undefined ? undefined : readSweepSpec(file);
  const source = values.data ?? spec?.data ?? SYNTHETIC;
  // Before there is a ledger: what is refused leaves nothing behind.
  if (spec) tryModel(spec);
  if (spec || values.data !== undefined) checkSource(source);
  if (resume && !existsSync(join(out, 'ledger.jsonl'))) {
    throw new UsageError(`--resume: there is no sweep in ${out}`);
  }
  const ledger = new Ledger(out);
  try {
    const { header } = ledger;
    if (!spec && !header) throw new UsageError(`--resume: the sweep in ${out} never began; give --spec`);
    if (spec && header && header.hash !== hashOf(spec)) {
      throw new UsageError(`--out ${out} holds a sweep with another --spec; choose another folder, or remove it`);
    }
    const build = wantedBuild(values);
    if (header && build !== undefined && build !== 'auto' && build !== header.build) {
      throw new UsageError(`--build must be ${header.build}, with which the sweep in ${out} began`);
    }
    if (spec) return { spec, ledger, out, source };
    const { spec: begun, data } = header as Header;
    const found = values.data ?? data.source;
    checkSource(found);
    return { spec: checkSweepSpec({ ...begun.settings, search: begun.search }), ledger, out, source: found };
  } catch (error) {
    ledger.close();
    throw error;
  }
}

function checkSource(source: string): void {
  if (source === SYNTHETIC || /^https?:\/\//.test(source) || existsSync(source)) return;
  throw new UsageError(`--data must be '${SYNTHETIC}' or a folder, file or URL that exists, got '${source}'`);
}

/** Makes the net of the first trial: one that cannot be made is better refused at once. */
function tryModel(spec: SweepSpec): void {
  const settings = settingsOf(spec, firstStage(spec)[0] as TrialSettings);
  try {
    makeModel(settings, new RandomState(settings.seed)).dispose();
  } catch (error) {
    if (!(error instanceof LanewiseError || error instanceof UsageError)) throw error;
    throw new UsageError(`--spec: ${error.message}`);
  }
}

async function drawPicture(out: string, rows: readonly Row[], source: string): Promise<string> {
  const { sweepPicture } = await import('./sweepPicture.js');
  const [first] = rows as [Row];
  const data = source === SYNTHETIC ? 'synthetic images' : 'CIFAR-10';
  const title = `${rows.length} trials of ${first.settings.model} on ${data}`;
  const file = join(out, 'sweep.svg');
  replaceFile(file, sweepPicture(title, rows));
  return file;
}

function nextStep(spec: SweepSpec, [best]: readonly Row[], source: string): string {
  if (best?.status !== 'finished') return '';
  const command = commandOf(spec, best.drawn, source);
  if (!command) return '';
  const line = invocation(`train ${command.map(quoted).join(' ')}`);
  return `Next:\n  ${line}  # the best again, with its test accuracy`;
}

export const sweep: Command<typeof flags> = {
  name: 'sweep',
  summary: 'Search for hyper-parameters: many trials, on all cores',
  flags,
  examples: [
    ['sweep --spec sweep.json', 'what the file says, into ./lanewise-sweep'],
    ['sweep --spec sweep.json --data cifar-10-binary.tar.gz --workers 4 --out sweep', 'CIFAR-10, four at a time'],
    ['sweep --resume --out sweep', 'after Ctrl-C, a crash or a power cut: nothing finished is run again'],
  ],
  async run(values) {
    const { json, quiet, pictures } = values;
    // Settings are drawn by kernels. The first build that is started decides what Node 20 has.
    const asked = await init({ threads: 1, build: wantedBuild(values) ?? 'auto' });
    const { spec, ledger, out, source } = open(values);
    const progress = new Progress({ quiet });
    const again = () => {
      const data = values.data === undefined ? [] : ['--data', quoted(values.data)];
      return invocation(['sweep --resume --out', quoted(out), ...data].join(' '));
    };
    const interrupt = new Interrupt(() => progress.notice('Stopping; finished trials are in the ledger.'));
    try {
      const begun = ledger.header?.build ?? asked.build;
      const { build, reason } = begun === asked.build ? asked : await init({ threads: 1, build: begun });
      const total = trialCount(spec);
      const workers = Math.min(total, values.workers ?? availableParallelism());
      const { kind, halving } = spec.search;
      progress.line(
        `lanewise: ${build} build (${reason.split(';')[0]}), ${workers} worker${workers === 1 ? '' : 's'}\n` +
          `sweep: ${total} trials, ${kind}${halving ? `, halving at epochs ${halvingRungs(halving).slice(0, -1).join(', ')}` : ''}`,
      );
      if (ledger.size > 0) progress.line(`ledger: ${ledger.size} results in ${ledger.file}`);
      const { signal } = interrupt;
      const running = new Sweep({ spec, source, out, workers, build, ledger, progress, signal });
      const report = (results: Row[], interrupted: boolean): Report => ({
        ...{ command: 'sweep', interrupted, spec: { settings: spec.settings, search: spec.search } },
        ...{ hash: hashOf(spec), data: (ledger.header as Header).data, build, results },
        files: { ledger: ledger.file },
      });
      let rows: Row[];
      try {
        rows = await running.run();
      } catch (error) {
        if (interrupt.code === undefined) throw error;
        const done = running.rows().length;
        progress.notice(`Stopped; ${done} of ${total} trials have results.\nGo on with: ${again()}`);
        if (json && ledger.header) process.stdout.write(`${JSON.stringify(report(running.rows(), true))}\n`);
        return interrupt.code;
      }
      interrupt.dispose();
      const result = report(rows, false);
      mkdirSync(out, { recursive: true });
      if (pictures) result.files.picture = await drawPicture(out, rows, source);
      result.files.results = join(out, 'results.json');
      replaceFile(result.files.results, `${JSON.stringify(result, null, 1)}\n`);
      if (json) {
        process.stdout.write(`${JSON.stringify(result)}\n`);
      } else {
        process.stdout.write(table(rows));
        const files = [result.files.results, result.files.picture].filter((file) => file !== undefined);
        process.stdout.write(`\nresults  ${files.join(', ')}\n`);
        const next = nextStep(spec, rows, source);
        if (next) progress.line(next);
      }
      return 0;
    } finally {
      progress.clear();
      interrupt.dispose();
      ledger.close();
    }
  },
};
