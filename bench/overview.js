/** The table of runtimes: what is in it, and how records become Markdown and a picture. */
import { median } from './statistics.js';

/** item: group and name, in float32. */
export const WORKLOADS = [
  { item: 'gemm 512x512x512 NN', title: 'product 512 x 512 x 512' },
  { item: 'gemm 200x3072x100 NN', title: 'product 200 x 3072 x 100' },
  { item: 'conv 50x3x32x32, 32 of 7x7 forward', title: 'conv 3 to 32 channels, 7x7' },
  { item: 'conv 32x128x16x16, 128 of 3x3 forward', title: 'conv 128 channels, 3x3 (Winograd)' },
  { item: 'conv 32x128x16x16, 128 of 3x3 backward', title: 'its gradients' },
  { item: 'pool max 50x64x32x32, 2x2 stride 2 forward', title: 'max pooling' },
  { item: 'norms spatial batchnorm forward 50x64x32x32', title: 'batch norm of images' },
  { item: 'rules adam 3072x100', title: 'Adam, 307,200 weights' },
  { item: 'steps two-layer, 100 hidden, sgd', title: 'step, two layers' },
  { item: 'steps six-layer, 5 x 100 hidden, adam', title: 'step, six layers' },
  { item: 'steps three-layer conv, 32 of 7x7, 500 hidden, adam', title: 'step, three-layer conv net' },
  { item: 'steps six convs, momentum', title: 'step, six convolutions' },
  { item: 'dispatch add of 16', title: 'a call (add of 16)' },
  { item: 'load CIFAR-10, 6000 images, files in memory', title: 'loading 6,000 images' },
  { item: 'cold script: fetch, compile, run', title: 'cold: script' },
  { item: 'cold init() and the first call of a layer', title: 'cold: init() and first layer' },
  { item: 'cold init() and the first training step', title: 'cold: init() and first step' },
];

/** Short names of engines as they report themselves. */
const NAMES = { node: 'Node', bun: 'Bun', deno: 'Deno', Chrome: 'Chromium' };

/**
 * Runs by runtime, each with the build that init() takes there: { title, threads, cell(item, threads), peak, hashes }. A later
 * run of the same runtime takes the place of an earlier one.
 */
function runtimesOf(records) {
  const runs = new Map();
  let current;
  for (const record of records) {
    if (record.type === 'run') {
      const [engine, version] = record.engines[0].runtime.replace(/^browser /, '').split(' ');
      const title = `${NAMES[engine] ?? engine} ${version
        .split('.')
        .slice(0, engine === 'node' ? 1 : 2)
        .join('.')}`;
      const builds = record.engines.map(({ build }) => build);
      current = { title, build: builds.includes('relaxed') ? 'relaxed' : 'simd', run: record, results: [], bits: [] };
      runs.set(title, current);
    } else if (record.type === 'result') current.results.push(record);
    else if (record.type === 'bits') current.bits.push(record);
  }
  return [...runs.values()];
}

const threadsOf = ({ run }) => [...new Set(run.engines.map(({ threads }) => threads))].sort((a, b) => a - b);

function find({ results, build }, item, threads) {
  return results.find(
    (one) =>
      `${one.group} ${one.name}` === item && one.dtype === 'float32' && one.build === build && one.threads === threads,
  );
}

/** Three significant digits without an exponent. */
const digits = (x) => x.toFixed(Math.max(0, 2 - Math.max(-1, Math.floor(Math.log10(x)))));

function cell(record) {
  if (!record) return '';
  return record.fraction ? `${digits(record.value)} (${record.fraction.value.toFixed(2)})` : digits(record.value);
}

/** Markdown in the widths of its columns. */
function markdown(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(3, ...all.map((row) => row[i].length)));
  const line = (row) =>
    `| ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((n, i) => (i === 0 ? '-'.repeat(n) : `${'-'.repeat(n - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** The hashes of one build, which must agree for all threads. */
function hashOf({ bits }, build) {
  const own = bits.filter((one) => one.build === build);
  if (own.length === 0) return '';
  const hashes = [...new Set(own.map(({ hash }) => hash))];
  return `${hashes.map((hash) => hash.slice(0, 8)).join(' and ')}${build === 'relaxed' && !own[0].fused ? ' (not fused)' : ''}`;
}

/** A row for each workload and number of threads, a column for each runtime. */
export function table(records) {
  const runtimes = runtimesOf(records);
  const counts = [...new Set(runtimes.flatMap(threadsOf))].sort((a, b) => a - b);
  const head = ['', ...runtimes.map(({ title }) => title)];
  const peak = (threads) => [
    `register peak, 1 thread, GFLOP/s`,
    ...runtimes.map(({ run, build }) =>
      digits(run.engines.find((e) => e.build === build && e.threads === threads).peak),
    ),
  ];
  const rows = WORKLOADS.flatMap(({ item, title }) =>
    counts.flatMap((threads) => {
      const cells = runtimes.map((runtime) => find(runtime, item, threads));
      const unit = cells.find((one) => one)?.unit;
      if (unit === undefined) return [];
      return [[`${title}, ${threads === 1 ? '1 thread' : `${threads} threads`}, ${unit}`, ...cells.map(cell)]];
    }),
  );
  const hashes = ['simd', 'relaxed'].map((build) => [
    `hash, ${build} build`,
    ...runtimes.map((runtime) => hashOf(runtime, build)),
  ]);
  return markdown(head, [peak(counts[0]), ...rows, ...hashes]);
}

const inXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Distinct also for the colour-blind (Okabe and Ito), on white and on black. */
const COLOURS = ['#0072b2', '#56b4e9', '#009e73', '#e69f00', '#d55e00', '#cc79a7', '#999999', '#7a5195'];

/** Fractions of each runtime's own peak as bars, one panel for each workload that has one, on one thread. */
export function chart(records) {
  const runtimes = runtimesOf(records);
  const panels = WORKLOADS.filter(({ item }) => runtimes.some((one) => find(one, item, 1)?.fraction));
  const [columns, width, bar, gap] = [2, 380, 16, 44];
  const height = runtimes.length * bar + gap;
  const rows = Math.ceil(panels.length / columns);
  const body = panels.map(({ item, title }, k) => {
    const found = runtimes.map((one) => find(one, item, 1));
    const most = Math.max(1, ...found.map((one) => one?.fraction?.value ?? 0));
    const scale = (width - 190) / most;
    const kind = found.find((one) => one)?.fraction.of === 'copy' ? 'copy' : 'peak';
    const bars = found.map((one, i) => {
      const y = 26 + i * bar;
      const name = `<text x="88" y="${y + 11}" text-anchor="end">${inXml(runtimes[i].title)}</text>`;
      if (!one?.fraction) return `${name}<text x="96" y="${y + 11}">not measured</text>`;
      const { value, low, high } = one.fraction;
      const w = (x) => (x * scale).toFixed(1);
      const error = `<path d="M${(94 + low * scale).toFixed(1)} ${y + 6.5}H${(94 + high * scale).toFixed(1)}" class="e"/>`;
      return (
        `${name}<rect x="94" y="${y}" width="${w(value)}" height="${bar - 3}" fill="${COLOURS[i % COLOURS.length]}"/>${error}` +
        `<text x="${(100 + Math.max(value, high) * scale).toFixed(1)}" y="${y + 11}">${value.toFixed(2)}</text>`
      );
    });
    const at = `translate(${(k % columns) * width + 8} ${Math.floor(k / columns) * height + 52})`;
    const end = 26 + runtimes.length * bar;
    const one = `<path d="M${(94 + scale).toFixed(1)} 22V${end}" class="l"/>`;
    return `<g transform="${at}"><text x="0" y="14" class="t">${inXml(title)}, of the ${kind}</text>${one}${bars.join('')}</g>`;
  });
  const [w, h] = [columns * width + 8, rows * height + 60];
  const { machine, date } = runtimes[0].run;
  const about = `${machine.cpu ?? 'unknown processor'}, ${date.slice(0, 10)}, one thread, float32; line: the runtime's own limit; dark stroke: quartiles`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="Shares of the peak by runtime">`,
    '<style>text{font:11px system-ui,sans-serif;fill:#222}.t{font-weight:600}.h{font-size:15px;font-weight:600}.l{stroke:#888;stroke-dasharray:3 3}.e{stroke:#222;stroke-width:1.5}',
    '@media(prefers-color-scheme:dark){text{fill:#ddd}.e{stroke:#fff}rect.b{fill:#111}}</style>',
    '<title>Shares of the peak by runtime and workload</title>',
    `<rect class="b" width="${w}" height="${h}" fill="#fff"/>`,
    `<text x="8" y="20" class="h">What each runtime makes of its own peak</text><text x="8" y="38">${inXml(about)}</text>`,
    ...body,
    '</svg>\n',
  ].join('\n');
}

/** How noisy the runs were: the share of samples that were not quiet. */
export function disturbance(records) {
  const shares = records.filter(({ type }) => type === 'noise').map(({ samples, disturbed }) => disturbed / samples);
  return shares.length > 0 ? median(shares) : 0;
}
