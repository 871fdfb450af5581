// Fuzzing on the command line, without a test runner: npm run fuzz -- --help
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { check, fuzz, inputOf, type Report, startEngine, wordsOf } from './run.js';
import { targets } from './targets.js';

const HELP = `usage: npm run fuzz -- [options]

  --parser NAME    ${targets.map(({ name }) => name).join(', ')}; default: all, one after the other
  --cases N        of each parser, default 10000
  --minutes M      of each parser, at most
  --seed N         default 1; the same seed makes the same cases
  --case N         only this case, and what comes of it
  --file FILE      only this input

Inputs that fail are written to out/fuzz/. Exit code 1: something failed.`;

/** A case that lasts longer than this is given up. */
const HANG_MS = 20_000;
/** In the place of a case while the engine starts. */
const STARTING = -1;
interface Job {
  parser: string;
  seed: number;
  cases: number;
  from: number;
  minutes: number;
  /** The case being run, for who watches. */
  current: Int32Array;
}

function targetOf(name: string) {
  const target = targets.find((one) => one.name === name);
  if (target) return target;
  console.error(`no parser '${name}'; there are ${targets.map((one) => one.name).join(', ')}`);
  process.exit(2);
}

async function work({ parser, current, ...options }: Job): Promise<void> {
  await startEngine();
  const report = await fuzz(targetOf(parser), {
    ...options,
    onCase: (index) => Atomics.store(current, 0, index),
    onFailure: (failure) => parentPort?.postMessage({ failure }),
  });
  parentPort?.postMessage({ report });
}

interface Message {
  report?: Report;
  failure?: { index: number; input: Uint8Array; why: string };
}

/** Runs a job in a worker, which can be ended where it hangs; what is left then goes to another one. */
async function run(parser: string, seed: number, cases: number, minutes: number): Promise<boolean> {
  const start = performance.now();
  let failures = 0;
  let done = 0;
  let report: Report | undefined;
  const note = ({ index, input, why }: NonNullable<Message['failure']>) => {
    failures++;
    mkdirSync('out/fuzz', { recursive: true });
    const file = `out/fuzz/${parser}-${seed}-${index}.bin`;
    writeFileSync(file, input);
    if (failures <= 20) console.log(`${parser}: case ${index}, ${input.length} bytes, ${file}\n  ${why}`);
  };
  for (let from = 0; from < cases && report === undefined; ) {
    const current = new Int32Array(new SharedArrayBuffer(4)).fill(STARTING);
    const job: Job = {
      parser,
      seed,
      cases: cases - from,
      from,
      minutes: minutes - (performance.now() - start) / 60_000,
      current,
    };
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    let seen = { index: -1, since: performance.now() };
    const hung = await new Promise<boolean>((resolve, reject) => {
      const watch = setInterval(() => {
        const index = Atomics.load(current, 0);
        if (index !== seen.index || index === STARTING) seen = { index, since: performance.now() };
        else if (performance.now() - seen.since > HANG_MS) {
          clearInterval(watch);
          resolve(true);
        }
      }, 500);
      worker.on('message', (message: Message) => {
        if (message.failure) note(message.failure);
        if (message.report) report = message.report;
      });
      worker.on('error', reject);
      worker.on('exit', () => {
        clearInterval(watch);
        resolve(false);
      });
    });
    if (!hung) break;
    await worker.terminate();
    const target = targetOf(parser);
    await startEngine();
    const input = await inputOf(target, await target.corpus(), wordsOf(target), seed, seen.index);
    note({ index: seen.index, input, why: `did not end in ${HANG_MS / 1000} s` });
    done = seen.index + 1;
    from = done;
  }
  const seconds = (performance.now() - start) / 1000;
  const { cases: last = 0, accepted = 0, slowest = 0, memory = 0 } = report ?? {};
  const MiB = (memory / 2 ** 20).toFixed(1);
  console.log(
    `${parser.padEnd(12)} ${done + last} cases, ${Math.round((done + last) / seconds)}/s, ${accepted} of them good input, ` +
      `slowest ${slowest.toFixed(0)} ms, most memory ${MiB} MiB, ${failures} failed`,
  );
  return failures === 0 && report !== undefined;
}

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      parser: string,
      cases: string,
      minutes: string,
      seed: string,
      case: string,
      file: string,
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(HELP);
  const { seed, cases, minutes } = { seed: 1, cases: 10_000, minutes: Number.POSITIVE_INFINITY };
  const number = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : Number(text));
  const names = values.parser === undefined ? targets.map(({ name }) => name) : [targetOf(values.parser).name];
  if (values.case !== undefined || values.file !== undefined) {
    const target = targetOf(names[0] as string);
    await startEngine();
    const input = values.file
      ? Uint8Array.from(readFileSync(values.file))
      : await inputOf(target, await target.corpus(), wordsOf(target), number(values.seed, seed), Number(values.case));
    await check(target, input);
    console.log(input.length, 'bytes', await check(target, input));
    await Promise.resolve(target.parse(input)).then(console.log);
    return;
  }
  for (const name of names) {
    const ok = await run(name, number(values.seed, seed), number(values.cases, cases), number(values.minutes, minutes));
    if (!ok) process.exitCode = 1;
  }
}

await (isMainThread ? main() : work(workerData as Job));
