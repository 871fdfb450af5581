// The benchmark on the command line: npm run bench -- --help
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { report as changesOf, compare, parseRecords } from './compare.js';
import { chart, table } from './overview.js';
import { Report } from './report.js';
import { GROUPS, run } from './run.js';
import { runAll, runtimeNames } from './runtimes.js';

const OUT = 'lanewise-out/bench';

const HELP = `usage: node bench/index.js [GROUP ...] [options]
       node bench/index.js --runtimes all [options]
       node bench/index.js compare A.jsonl B.jsonl
       node bench/index.js table FILE.jsonl ... [--out DIR]
       node bench/index.js page

Runs in Node, Bun (bun bench/index.js) and Deno (deno run --allow-all bench/index.js); in a browser as bench/index.html.
Groups: ${Object.keys(GROUPS).join(', ')} (default: all).

  --filter REGEX     only items whose 'group name dtype' matches
  --overview         only what the table of runtimes is made of
  --builds LIST      simd,relaxed (default: both)
  --threads LIST     numbers of threads, default 1 and one per core
  --rounds N         samples of each item, default 11
  --patience SECONDS how long to wait for a quiet machine in each family of items, default 5
  --data DIR         CIFAR-10 as a folder of binary files, for the group load
  --quick            smallest sizes, three rounds: whether everything runs and is right
  --json             one JSON record a line
  --runtimes LIST    the overview in each of ${runtimeNames.join(', ')} that is here, or in all
  --out DIR          where its records, table and chart go, default ${OUT}
  --peers            the same work on other libraries instead; --peers --help tells its options
  --help

compare: how many times as fast B is as A, item by item, with intervals of 95 % confidence.
table: table and chart of what --runtimes, or --overview --json in several runtimes, has measured.
page: serves bench/index.html, to choose and watch in a browser.

Examples:
  npm run bench -- gemm --builds simd --threads 1
  npm run bench -- --filter 'gemm 256x256x256 .* float32'
  npm run bench -- load --data ~/cifar-10-batches-bin --json > load.jsonl
`;

class UsageError extends Error {}

const WORDS = {
  filter: { type: 'string' },
  overview: { type: 'boolean' },
  builds: { type: 'string' },
  threads: { type: 'string' },
  rounds: { type: 'string' },
  patience: { type: 'string' },
  data: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  runtimes: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

function count(name, text, least) {
  const n = Number(text);
  if (Number.isInteger(n) && n >= least) return n;
  throw new UsageError(`--${name}: a whole number from ${least}, not '${text}'`);
}

function choice(name, words, known) {
  const wrong = words.find((word) => !known.includes(word));
  if (wrong === undefined) return words;
  throw new UsageError(`${name}: one of ${known.join(', ')}, not '${wrong}'`);
}

/** Options of run(), from the words of the command line. */
function optionsOf(values, groups) {
  const cores = os.availableParallelism();
  const options = {
    groups: groups.length > 0 ? choice('group', groups, Object.keys(GROUPS)) : Object.keys(GROUPS),
    builds: choice('--builds', values.builds?.split(',') ?? ['simd', 'relaxed'], ['simd', 'relaxed']),
    threads: values.threads?.split(',').map((text) => count('threads', text, 1)) ?? [...new Set([1, cores])],
    quick: values.quick ?? false,
    overview: values.overview ?? false,
    data: values.data,
    machine: { cpu: os.cpus()[0]?.model.trim() ?? 'unknown', cores, platform: `${os.platform()} ${os.arch()}` },
  };
  if (values.rounds !== undefined) options.rounds = count('rounds', values.rounds, 1);
  if (values.patience !== undefined) options.patienceMs = 1000 * count('patience', values.patience, 0);
  if (values.filter !== undefined) options.filter = values.filter;
  return options;
}

/** Whether standard error is a terminal, where a line can be written over. */
const live = (text) => process.stderr.write(`\r${text.slice(0, 79).padEnd(79)}\r`);

async function measureHere(options, json) {
  const report = new Report((line) => console.log(line));
  const emit = json ? (record) => console.log(JSON.stringify(record)) : (record) => report.take(record);
  const progress = process.stderr.isTTY && !json ? live : undefined;
  try {
    await run({ ...options, filter: options.filter && new RegExp(options.filter) }, emit, progress);
  } finally {
    report.end();
  }
}

/** Table and chart into a folder; the table also to standard output. */
function writeTable(records, out) {
  if (!records.some(({ type }) => type === 'run')) throw new Error('nothing was measured');
  const text = table(records);
  writeFileSync(join(out, 'runtimes.md'), `${text}\n`);
  writeFileSync(join(out, 'runtimes.svg'), chart(records));
  console.log(text);
  console.error(`\n${join(out, 'runtimes.md')} and ${join(out, 'runtimes.svg')} written`);
}

/** The overview everywhere. Records are on the disk as soon as there are any. */
async function measureEverywhere(names, values, out) {
  mkdirSync(out, { recursive: true });
  const file = join(out, 'runtimes.jsonl');
  writeFileSync(file, '');
  const records = [];
  const emit = (record) => {
    records.push(record);
    writeFileSync(file, `${JSON.stringify(record)}\n`, { flag: 'a' });
  };
  const options = { ...optionsOf(values, []), overview: true };
  const passed = ['builds', 'threads', 'rounds', 'patience'].filter((name) => values[name] !== undefined);
  const args = [
    '--overview',
    ...(values.quick ? ['--quick'] : []),
    ...passed.map((name) => `--${name}=${values[name]}`),
  ];
  const progress = process.stderr.isTTY ? live : undefined;
  const missing = await runAll(names, { args, options }, emit, (name) => console.error(`measuring ${name}`), progress);
  writeTable(records, out);
  for (const { name, reason } of missing) console.error(`without ${name}: ${reason}`);
}

const recordsOf = (file) => parseRecords(readFileSync(file, 'utf8'), file);

/** Until Ctrl-C. */
async function servePage() {
  const { url } = await serve({ served, start: '/bench/' });
  console.log(`The page is at ${url}/bench/index.html  (Ctrl-C ends)`);
}

/** What the words ask for, as a function that does it. */
function parse(args) {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: WORDS });
  const [command, ...files] = positionals;
  if (values.help) return () => console.log(HELP);
  if (command === 'compare') {
    if (files.length !== 2) throw new UsageError('compare: needs two files of --json');
    return () => {
      const changes = compare(...files.map(recordsOf));
      if (changes.length === 0) throw new Error('compare: the files have no item in common');
      for (const line of values.json ? changes.map((one) => JSON.stringify(one)) : changesOf(changes))
        console.log(line);
    };
  }
  if (command === 'page') return servePage;
  const { out = OUT } = values;
  if (command === 'table') {
    if (files.length === 0) throw new UsageError('table: needs files of --json');
    return () => {
      mkdirSync(out, { recursive: true });
      writeTable(files.flatMap(recordsOf), out);
    };
  }
  if (values.runtimes !== undefined) {
    if (positionals.length > 0) throw new UsageError('--runtimes: takes no groups, it measures the overview');
    const names =
      values.runtimes === 'all' ? runtimeNames : choice('--runtimes', values.runtimes.split(','), runtimeNames);
    optionsOf(values, []);
    return () => measureEverywhere(names, values, out);
  }
  const options = optionsOf(values, positionals);
  if (options.filter) new RegExp(options.filter);
  return () => measureHere(options, values.json ?? false);
}

async function main() {
  const args = process.argv.slice(2);
  if (args.includes('--peers')) {
    const { main: peers } = await import('./peers/run.js');
    return peers(args.filter((word) => word !== '--peers'));
  }
  let action;
  try {
    action = parse(args);
  } catch (error) {
    console.error(`bench: ${error.message}\nbench: --help tells more`);
    return 2;
  }
  try {
    await action();
    return 0;
  } catch (error) {
    console.error(`bench: ${error.stack}`);
    return 1;
  }
}

process.exitCode = await main();
