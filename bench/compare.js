/** Two runs side by side: how many times as fast, or slow, every item became, and how sure that is. */
import { quantile } from './statistics.js';

/** Of the normal distribution, for an interval of 95 %. */
const Z = 1.96;

/**
 * The ratio of b to a and its confidence interval, without any assumption about how times are distributed: the median of all
 * ratios of one sample of b to one of a, and those of them between which the true ratio lies with a confidence of 95 %
 * (Hodges and Lehmann, 1963; the normal approximation of the rank sum's variance). With fewer than four samples on each side
 * no interval reaches 95 %, so that of all ratios is as good as it gets.
 */
export function ratio(a, b) {
  const all = b.flatMap((y) => a.map((x) => y / x)).sort((x, y) => x - y);
  const deviation = Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
  const k = Math.max(0, Math.floor(all.length / 2 - Z * deviation));
  return { value: quantile(all, 0.5), low: all[k], high: all[all.length - 1 - k] };
}

const runtimeOf = ({ engine, version }) => `${engine} ${version}`;
const itemOf = ({ group, name, dtype }) => `${group} ${name} ${dtype}`;

/** Results by item, build and threads; by runtime, too, where a file holds several. A later one takes an earlier one's place. */
function index(records, several) {
  const results = records.filter(({ type }) => type === 'result');
  const key = (one) => [itemOf(one), one.build, one.threads, ...(several ? [runtimeOf(one)] : [])].join('\n');
  return new Map(results.map((one) => [key(one), one]));
}

/**
 * Records { type: 'change', …, value, low, high, verdict } for what is in both runs. value > 1: b is faster. Not comparable
 * are those whose units differ.
 */
export function compare(a, b) {
  const runtimes = [a, b].map((records) => new Set(records.filter(({ type }) => type === 'result').map(runtimeOf)));
  const several = runtimes.some((set) => set.size > 1);
  const [before, after] = [index(a, several), index(b, several)];
  return [...after].flatMap(([key, now]) => {
    const then = before.get(key);
    if (!then || then.unit !== now.unit) return [];
    const samples = [then, now].map(({ samples }) => samples.filter((x) => x > 0));
    if (samples.some(({ length }) => length === 0)) return [];
    const { value, low, high } = now.better === 'higher' ? ratio(...samples) : ratio(samples[1], samples[0]);
    const verdict = low > 1 ? 'faster' : high < 1 ? 'slower' : 'no difference seen';
    const { group, name, dtype, build, threads, unit } = now;
    const figures = { before: then.value, after: now.value, value, low, high, verdict };
    return [{ type: 'change', group, name, dtype, build, threads, engine: now.engine, unit, ...figures }];
  });
}

/** Records of a file of JSON lines; throws with the number of a line that is none. */
export function parseRecords(text, name) {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    try {
      return [JSON.parse(line)];
    } catch {
      throw new Error(`${name}: line ${i + 1} is no JSON`);
    }
  });
}

const number = (x) => Number(x.toPrecision(4)).toString();

/** Lines of text for compare()'s records. */
export function report(changes) {
  const names = changes.map(
    (c) => `${c.group}: ${c.name} ${c.dtype === 'float64' ? 'f64' : 'f32'}, ${c.build} ${c.threads}, ${c.engine}`,
  );
  const width = Math.max(0, ...names.map(({ length }) => length));
  const counts = ['faster', 'slower', 'no difference seen'].map((verdict) => {
    return `${changes.filter((change) => change.verdict === verdict).length} ${verdict}`;
  });
  return [
    'B against A: how many times as fast, with the interval of 95 % confidence; then the medians of A and B.',
    ...changes.map(({ before, after, value, low, high, verdict, unit }, i) => {
      const interval = `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
      const mark = { faster: '+', slower: '-' }[verdict] ?? ' ';
      return `${mark} ${names[i].padEnd(width)}  ${interval.padEnd(26)} ${number(before)} -> ${number(after)} ${unit}`;
    }),
    counts.join(', '),
  ];
}
