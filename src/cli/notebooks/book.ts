/** What a notebook is made of: cells with figures, tables and pictures, run from top to bottom. */
import { random, Solver, type SolverData, type SolverOptions, type TrainableModel, ValueError } from '../../index.js';
import type { Progress } from '../terminal.js';
import type { DataSource } from './data.js';
import type { Expected } from './figures.js';
import type { Image } from './images.js';
import type { Params, Settled, Values } from './params.js';

export type Status = 'ok' | 'off' | 'not comparable' | '';

export interface Figure {
  name: string;
  value: string;
  /** As the notebook prints it, or the bound it states; '' if it has neither. */
  expected: string;
  status: Status;
  /** Hangs on a training run, which may be lucky or not. */
  chance: boolean;
}

export interface Picture {
  /** Of the file, without its ending. */
  name: string;
  caption: string;
  image: Image;
}

export interface Table {
  heads: readonly string[];
  rows: readonly (readonly string[])[];
}

/** Shortest form that tells the value: small and large numbers with an exponent. */
export function show(value: number | string): string {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6
    ? Number(value.toPrecision(5)).toExponential()
    : String(Number(value.toPrecision(7)));
}

/** As printf's %f. */
export function fixed(value: number, digits = 6): string {
  return Number.isFinite(value) ? value.toFixed(digits) : String(value);
}

/** What an accuracy is shown with. */
export function accuracy(value: number): string {
  return String(Number(value.toFixed(4)));
}

export function formatSeconds(value: number): string {
  return value < 0.1 ? `${(1000 * value).toFixed(1)} ms` : `${value.toFixed(1)} s`;
}

function holds(value: number | string, { rule }: Expected): boolean {
  if ('equal' in rule) return value === rule.equal;
  const number = Number(value);
  if ('below' in rule) return number < rule.below;
  if ('close' in rule) return Math.abs(number - rule.close) <= rule.by;
  return number >= rule.between[0] && number <= rule.between[1];
}

function ruleText({ rule }: Expected): string {
  if ('below' in rule) return `< ${show(rule.below)}`;
  if ('between' in rule) return `${show(rule.between[0])} to ${show(rule.between[1])}`;
  return 'equal' in rule ? '' : `± ${show(rule.by)}`;
}

function expectedText(expected: Expected): string {
  const rule = ruleText(expected);
  if (expected.printed === '') return 'close' in expected.rule ? `${expected.rule.close} (${rule})` : rule;
  return rule === '' ? expected.printed : `${expected.printed} (${rule})`;
}

export class Cell {
  readonly figures: Figure[] = [];
  readonly pictures: Picture[] = [];
  readonly tables: Table[] = [];
  readonly notes: string[] = [];
  /** Lines as the course's code prints them. */
  readonly lines: string[] = [];
  seconds = 0;

  constructor(
    readonly title: string,
    readonly book: Book,
  ) {}

  /** A figure beside the notebook's own. */
  figure(name: string, value: number | string, expected: Expected): void {
    const { comparable: images, settings } = this.book;
    const own = !expected.trained || settings.params.changed.length === 0;
    const comparable = (!expected.data || images) && own;
    const status = comparable ? (holds(value, expected) ? 'ok' : 'off') : 'not comparable';
    const exact = 'close' in expected.rule && typeof value === 'number';
    const shown = exact ? String(Number(value.toPrecision(13))) : show(value);
    this.figures.push({ name, value: shown, expected: expectedText(expected), status, chance: expected.data === true });
  }

  /** A figure of which the notebooks have none. */
  value(name: string, value: number | string): void {
    this.figures.push({ name, value: show(value), expected: '', status: '', chance: false });
  }

  /** An accuracy that the notebooks have nothing to hold against. */
  accuracy(name: string, value: number): void {
    this.value(name, accuracy(value));
  }

  picture(name: string, caption: string, image: Image): void {
    this.pictures.push({ name, caption, image });
  }

  table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
    this.tables.push({ heads, rows });
  }

  /** A sentence about what is seen. */
  note(text: string): void {
    this.notes.push(text);
  }

  log = (line: string): void => {
    this.lines.push(line);
  };
}

export interface Settings<P extends Params = Params> {
  /** Few images and steps. */
  quick: boolean;
  /** Also what takes more than some minutes. */
  long: boolean;
  data: DataSource;
  params: Settled<P>;
  /** Of the default stream, where a notebook does not seed it. */
  seed: number;
  progress: Progress;
  signal: AbortSignal;
  /** Called when a cell has ended. */
  onCell?: (cell: Cell, number: number) => void;
}

export class Book<P extends Params = Params> {
  readonly cells: Cell[] = [];

  constructor(readonly settings: Settings<P>) {}

  get params(): Values<P> {
    return this.settings.params.values;
  }

  get data(): DataSource {
    return this.settings.data;
  }

  get quick(): boolean {
    return this.settings.quick;
  }

  get long(): boolean {
    return this.settings.long;
  }

  /** Whether accuracies are of the same images, and of as many, as the notebooks'. */
  get comparable(): boolean {
    return this.data.real && !this.settings.quick;
  }

  /** Whether one of these parameters is not the notebook's own. */
  changed(...names: readonly (keyof P)[]): boolean {
    return this.settings.params.changed.some(({ name }) => names.includes(name));
  }

  /** A number of images, steps or epochs: the notebook's, or that of a quick run. */
  size(full: number, quick: number): number {
    return this.settings.quick ? quick : full;
  }

  /** The same draws for each of several runs. */
  reseed(): void {
    random.seed(this.settings.seed);
  }

  async cell(title: string, run: (cell: Cell) => void | Promise<void>): Promise<void> {
    const { signal, progress, onCell } = this.settings;
    signal.throwIfAborted();
    const cell = new Cell(title, this);
    const start = performance.now();
    progress.start(0, '');
    progress.update(0, title);
    await run(cell);
    // What is computed in one go leaves no turn to whoever wants to stop it.
    await new Promise(setImmediate);
    cell.seconds = (performance.now() - start) / 1000;
    this.cells.push(cell);
    progress.clear();
    onCell?.(cell, this.cells.length);
  }

  /** Trains with a bar on the terminal; the printed lines go to the cell. A run that diverges ends there, with a note. */
  async train(
    cell: Cell,
    label: string,
    model: TrainableModel,
    data: SolverData,
    options: SolverOptions,
  ): Promise<Solver> {
    const { progress, signal } = this.settings;
    cell.log(`# ${label}`);
    const solver = new Solver(model, data, { verbose: true, printEvery: 100, ...options, log: cell.log });
    progress.start(solver.numIterations, 'steps');
    try {
      await solver.train({
        signal,
        onStep: ({ iteration, loss }) => progress.update(iteration, label, `loss ${loss.toFixed(3)}`),
      });
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      cell.log(error.message);
      cell.note(`The run '${label}' diverged after ${solver.lossHistory.length} steps.`);
    } finally {
      progress.clear();
    }
    return solver;
  }
}

export interface Notebook<P extends Params = Params> {
  name: string;
  title: string;
  params: P;
  run(book: Book<P>): Promise<void>;
}
