// The benchmark on the command line: npm run bench -- --help
import os from 'node:os';
import { parseArgs } from 'node:util';
import { Report } from './report.js';
import { GROUPS, run } from './run.js';

const HELP = `usage: node bench/index.js [GROUP ...] [options]

Groups: ${Object.keys(GROUPS).join(', ')} (default: all).

  --filter REGEX     only items whose 'group name dtype' matches
  --builds LIST      simd,relaxed (default: both)
  --threads LIST     numbers of threads, default 1 and one per core
  --rounds N         samples of each item, default 11
  --patience SECONDS how long to wait for a quiet machine in each family of items, default 5
  --data DIR         CIFAR-10 as a folder of binary files, for the group load
  --quick            smallest sizes, three rounds: whether everything runs and is right
  --json             one JSON record a line
  --peers            the same work on other libraries instead; --peers --help tells its options
  --help

Examples:
  npm run bench -- gemm --builds simd --threads 1
  npm run bench -- --filter 'gemm 256x256x256 .* float32'
  npm run bench -- load --data ~/cifar-10-batches-bin --json > load.jsonl
`;

class UsageError extends Error {}

/** What to run, from the words of the command line. */
function parse(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      filter: { type: 'string' },
      builds: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      patience: { type: 'string' },
      data: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const count = (name, text, least) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least)
      throw new UsageError(`--${name}: a whole number from ${least}, not '${text}'`);
    return n;
  };
  const choice = (name, words, known) => {
    const wrong = words.find((word) => !known.includes(word));
    if (wrong !== undefined) throw new UsageError(`${name}: one of ${known.join(', ')}, not '${wrong}'`);
    return words;
  };
  const cores = os.availableParallelism();
  const options = {
    groups: positionals.length > 0 ? choice('group', positionals, Object.keys(GROUPS)) : Object.keys(GROUPS),
    builds: choice('--builds', values.builds?.split(',') ?? ['simd', 'relaxed'], ['simd', 'relaxed']),
    threads: values.threads?.split(',').map((text) => count('threads', text, 1)) ?? [...new Set([1, cores])],
    quick: values.quick ?? false,
    data: values.data,
    machine: { cpu: os.cpus()[0]?.model ?? 'unknown', cores, platform: `${os.platform()} ${os.arch()}` },
  };
  if (values.rounds !== undefined) options.rounds = count('rounds', values.rounds, 1);
  if (values.patience !== undefined) options.patienceMs = 1000 * count('patience', values.patience, 0);
  if (values.filter !== undefined) options.filter = new RegExp(values.filter);
  if (positionals.includes('load') && options.data === undefined) throw new UsageError('load: needs --data DIR');
  return { options, json: values.json ?? false, help: values.help ?? false };
}

async function main() {
  const args = process.argv.slice(2);
  if (args.includes('--peers')) {
    const { main: peers } = await import('./peers/run.js');
    return peers(args.filter((word) => word !== '--peers'));
  }
  let parsed;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`bench: ${error.message}\nbench: --help tells more`);
    return 2;
  }
  const { options, json, help } = parsed;
  if (help) {
    console.log(HELP);
    return 0;
  }
  const report = new Report((line) => console.log(line));
  const emit = json ? (record) => console.log(JSON.stringify(record)) : (record) => report.take(record);
  const live = process.stderr.isTTY && !json;
  const progress = live ? (text) => process.stderr.write(`\r${text.slice(0, 79).padEnd(79)}\r`) : undefined;
  try {
    await run(options, emit, progress);
    report.end();
    return 0;
  } catch (error) {
    report.end();
    console.error(`bench: ${error.stack}`);
    return 1;
  }
}

process.exitCode = await main();
