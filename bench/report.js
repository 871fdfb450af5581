/** Records as text: one table for each group, one line for each item, one column for each engine. */

const NAME_WIDTH = 56;
const COLUMN = 21;

/** Four significant digits without an exponent. */
function number(x) {
  if (x === null || x === undefined) return '-';
  const digits = x === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x))));
  return x.toFixed(Math.min(digits, 3));
}

/** Half the distance of the quartiles, in per cent of the median. */
function spread({ value, low, high }) {
  const percent = (50 * (high - low)) / Math.abs(value);
  return `±${percent.toFixed(percent < 9.95 ? 1 : 0)}%`;
}

function cell(record) {
  if (!record) return '';
  const fraction = record.fraction ? ` ${record.fraction.value.toFixed(3)}` : '';
  return `${number(record.value)}${fraction} ${spread(record)}${record.noisy ? '*' : ''}`;
}

/** One thread against the engine's, for engines of several. */
const ratioLabel = ({ build, threads }) => `${build} ${threads}:1`;

function columnsOf(engines) {
  return [...engines.map(({ label }) => label), ...engines.filter(({ threads }) => threads > 1).map(ratioLabel)];
}

const line = (name, cells) =>
  [name.padEnd(NAME_WIDTH), ...cells.map((text) => text.padStart(COLUMN))].join('').trimEnd();

function describe({ machine, engines, rounds, quick }) {
  const about = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const runtimes = [...new Set(engines.map(({ runtime }) => runtime))];
  const fused = engines
    .filter(({ build }) => build === 'relaxed')
    .map((engine) => `relaxed multiply-add is ${engine.fused ? '' : 'not '}fused`);
  return [
    [...runtimes, ...about, ...new Set(fused)].join(', '),
    `Columns: build and threads. Figures: median of ${rounds} rounds${quick ? ' (quick: too few to judge by)' : ''}; the share of`,
    'what the machine can do at most (register-only multiply-add, or a copy of as many bytes, times the threads), measured',
    'around every sample; half the distance of the quartiles. *: hardly ever quiet, so disturbed samples count, too.',
  ].join('\n');
}

/** Turns records into lines for `print`; end() when there are no more. */
export class Report {
  #print;
  #columns = [];
  #item;
  #cells = new Map();
  /** Lines that follow the item's. */
  #notes = [];

  constructor(print) {
    this.#print = print;
  }

  take(record) {
    const { type, name, build, threads } = record;
    if (type === 'result') {
      const item = `${name} ${record.dtype === 'float64' ? 'f64' : 'f32'}, ${record.unit}`;
      if (item !== this.#item) this.#flush();
      this.#item = item;
      this.#cells.set(`${build} ${threads}`, cell(record));
    } else if (type === 'ratio') {
      if (record.of === 'threads') this.#cells.set(ratioLabel(record), `${record.value.toFixed(2)} ${spread(record)}`);
    } else if (type === 'derived') {
      this.#notes.push(`  ${name}, ${build} ${threads}: ${cell(record)} ${record.unit}`);
    } else {
      this.#flush();
      this.#other(record);
    }
  }

  end() {
    this.#flush();
  }

  #other(record) {
    const { type } = record;
    if (type === 'run') {
      this.#columns = columnsOf(record.engines);
      this.#print(describe(record));
    } else if (type === 'missing') {
      this.#print(`no ${record.build} build on ${record.threads} thread(s): ${record.reason}`);
    } else if (type === 'group') {
      this.#print(`\n${record.group}: ${record.title}`);
      this.#print(line('', this.#columns));
    } else if (type === 'bits') {
      const { hash, known, fused } = record;
      const verdict = hash === known ? 'the known one' : `NOT THE KNOWN ${known}`;
      this.#print(
        `${record.build} ${record.threads}: ${hash}, ${verdict} where multiply-add is ${fused ? '' : 'not '}fused`,
      );
    } else if (type === 'noise' && record.samples > 0) {
      const share = ((100 * record.disturbed) / record.samples).toFixed(0);
      const slower = `slower by ${record.slowdown.toFixed(2)} in the median`;
      this.#print(`\n${record.samples} samples, ${share} % of them disturbed and these ${slower}`);
    }
  }

  #flush() {
    if (this.#item === undefined) return;
    const cells = this.#columns.map((label) => this.#cells.get(label) ?? '');
    this.#print(line(this.#item, cells));
    for (const note of this.#notes) this.#print(note);
    this.#item = undefined;
    this.#cells.clear();
    this.#notes = [];
  }
}
