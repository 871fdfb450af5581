/**
 * `lanewise notebook NAME`: the cells of one of the course's notebooks, their figures and pictures, and a report. Exit code 1
 * if a figure is off that no training run decides.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { info, init, LanewiseError } from '../index.js';
import { auto, buildFlags, type Command, number, or, RuleError, text, UsageError, wantedBuild } from './flags.js';
import { Interrupt } from './interrupt.js';
import { notebookNames } from './notebooks/names.js';
import { invocation, Progress, quoted, seconds as shortSeconds } from './terminal.js';

/** What the notebooks seed most cells with that they do seed. */
const SEED = 231;

/** NAME=VALUE */
function setting(typed: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^=]+)=(.*)$/.exec(typed) ?? [];
  if (name === undefined) throw new RuleError('NAME=VALUE');
  return [name, value];
}

const flags = {
  data: {
    value: 'PATH',
    text: 'CIFAR-10: folder, .tar.gz or URL (default: drawn images, accuracies are no measure)',
    read: text,
  },
  out: { value: 'DIR', text: 'Folder of the report (default: lanewise-out/notebook-NAME)', read: text },
  quick: { text: 'Few images and few steps: seconds instead of minutes' },
  long: { text: 'Also the cells that take more than some minutes' },
  set: {
    value: 'NAME=VALUE',
    many: true,
    text: "A parameter of the notebook, once for each; 'list' shows them",
    read: or('list', setting),
  },
  threads: {
    value: 'N',
    text: 'Threads (default: one per core)',
    read: auto(number({ low: 1, high: 256, integer: true })),
  },
  ...buildFlags(),
  seed: {
    value: 'N',
    text: `Seed of what the notebooks do not seed (default: ${SEED}, as most that they do)`,
    read: number({ low: 0, high: 2 ** 32 - 1, integer: true }),
  },
  quiet: { text: 'Only the summary' },
} as const;

/** What `act` returns; a name or a value that it refuses is a fault of the command line. */
function forUsers<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof LanewiseError ? new UsageError(error.message) : error;
  }
}

export const notebook: Command<typeof flags> = {
  name: 'notebook',
  summary: "Run one of the course's notebooks: its figures beside the printed ones, its pictures, a report",
  argument: { value: 'NAME', choices: notebookNames },
  flags,
  examples: [
    ['notebook knn --data cifar-10-binary.tar.gz', 'figures, pictures and report of the kNN notebook'],
    ['notebook cnn-layers', 'checks of layers, which need no data'],
    ['notebook softmax --quick', 'a run of seconds on drawn images'],
    ['notebook dropout --set list', 'its parameters'],
    ['notebook dropout --set learningRate=1e-3 --set keep=1,0.5', 'with other numbers than its own'],
  ],
  async run({ data: path, out, quick, long, set, threads = 'auto', seed = SEED, quiet, ...values }, name) {
    if (path !== undefined && !/^https?:\/\//.test(path) && !existsSync(path)) {
      throw new UsageError(`--data must be a folder, file or URL that exists, got '${path}'`);
    }
    const folder = out ?? join('lanewise-out', `notebook-${name}`);
    const course = await import('./notebooks/index.js');
    const { notebooks, Book, cifar, drawn, cellText, count, html } = course;
    const chosen = notebooks.find((each) => each.name === name) as (typeof notebooks)[number];
    const size = course.sizeOf({ quick, long });
    const settings = set.filter((each) => each !== 'list');
    if (settings.length < set.length) {
      process.stdout.write(course.paramsText(chosen, size));
      return 0;
    }
    const twice = settings.find(([key], i) => settings.findIndex(([other]) => other === key) < i);
    if (twice) throw new UsageError(`--set gives ${twice[0]} more than once`);
    const params = forUsers(() => course.settle(chosen, size, Object.fromEntries(settings)));
    const { changed } = params;
    await init({ threads, build: wantedBuild(values) ?? 'auto' });
    mkdirSync(folder, { recursive: true });
    const progress = new Progress({ quiet });
    const interrupt = new Interrupt(() => progress.notice('Stopping after this step; Ctrl-C again to exit at once.'));
    const { signal } = interrupt;
    const source = path === undefined ? drawn : cifar(path, progress, signal);
    let loaded = false;
    const data: typeof source = {
      ...source,
      load(options) {
        loaded = true;
        return source.load(options);
      },
    };
    const files: string[] = [];
    const book = new Book({
      ...{ quick, long, progress, signal, seed, data, params },
      onCell(cell, place) {
        for (const { name: file, image } of cell.pictures) {
          const picture = join(folder, `${file}.${image.kind}`);
          writeFileSync(picture, image.bytes);
          files.push(picture);
        }
        if (!quiet) process.stdout.write(cellText(cell, place));
      },
    });
    const start = performance.now();
    try {
      book.reseed();
      await chosen.run(book);
    } catch (error) {
      progress.clear();
      if (interrupt.code === undefined || error !== signal.reason) throw error;
    }
    const stopped = interrupt.code;
    interrupt.dispose();
    const seconds = (performance.now() - start) / 1000;
    const report = join(folder, 'report.html');
    const given = [name, ...(path === undefined ? [] : ['--data', quoted(path)]), ...(quick ? ['--quick'] : [])];
    const sets = changed.flatMap((each) => ['--set', quoted(`${each.name}=${each.value}`)]);
    const more = [...(long ? ['--long'] : []), ...sets, ...(seed === SEED ? [] : ['--seed', String(seed)])];
    const command = `lanewise notebook ${[...given, ...more].join(' ')}`;
    const kind = `${loaded ? source.text : 'no images needed'}${quick ? ', a quick run' : ''}`;
    const page = { title: chosen.title, subtitle: kind, cells: book.cells, engine: info(), changed, command, seconds };
    writeFileSync(report, html(page));
    const { ok, off, wrong, other } = count(book.cells);
    const parts = [`${ok} ok`, `${off} off`, ...(other > 0 ? [`${other} not comparable`] : [])];
    process.stdout.write(`figures   ${parts.join(', ')}\n`);
    if (changed.length > 0) process.stdout.write(`changed   ${course.changesText(changed)}\n`);
    process.stdout.write(`report    ${report}, ${files.length} pictures beside it\n`);
    process.stdout.write(`time      ${shortSeconds(seconds)}\n`);
    if (stopped !== undefined) {
      progress.notice(`Stopped; the report has the ${book.cells.length} cells before that.`);
      return stopped;
    }
    if (path === undefined && other > 0 && changed.length === 0) {
      progress.line(`Accuracies to compare need CIFAR-10: ${invocation(`notebook ${name} --data PATH`)}`);
    }
    return wrong > 0 ? 1 : 0;
  },
};
