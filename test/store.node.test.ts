// Checkpoints on a disk that fails: at every operation, in every way a system has. What was there before is there afterwards.
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lw from 'lanewise';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanewise-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const file = (n: number) => `checkpoint-${String(n).padStart(6, '0')}.safetensors`;
const failure = (code: string) => Object.assign(new Error(`${code}: injected`), { code });

function solverIn(store: lw.CheckpointOptions['store'], options: Partial<lw.CheckpointOptions> = {}): lw.Solver {
  const rs = new lw.RandomState(1);
  const data = { XTrain: rs.randn(20, 4), yTrain: rs.randint(0, 3, [20]), XVal: rs.randn(5, 4), yVal: [0, 1, 2, 0, 1] };
  const random = new lw.RandomState(2);
  const model = new lw.FullyConnectedNet([6], { inputDim: 4, numClasses: 3, random });
  const checkpoint = { store, everySteps: 1, ...options };
  return new lw.Solver(model, data, { batchSize: 5, numEpochs: 2, verbose: false, checkpoint, random });
}

/** Operations of the file system that the library calls, in order; the nth fails with `code`. None fails without. */
function watch(nth = Infinity, code = 'EIO', before: (name: string) => void = () => {}): string[] {
  const calls: string[] = [];
  const gate = (name: string) => {
    calls.push(name);
    before(name);
    if (calls.length === nth) throw failure(code);
  };
  const { open, rename } = fs.promises;
  vi.spyOn(fs.promises, 'open').mockImplementation(async (path, ...rest) => {
    gate(`open ${String(path).endsWith('.part') ? 'part' : 'folder'}`);
    const handle = await open(path, ...rest);
    const { writeFile, sync, close } = handle;
    handle.writeFile = async (bytes, ...others) => {
      // A disk that fills up takes a part.
      if (calls.length + 1 === nth) await writeFile.call(handle, (bytes as Uint8Array).subarray(0, 100));
      gate('write');
      return writeFile.call(handle, bytes, ...others);
    };
    handle.sync = async () => {
      gate('sync');
      return sync.call(handle);
    };
    handle.close = async () => {
      await close.call(handle);
      gate('close');
    };
    return handle;
  });
  vi.spyOn(fs.promises, 'rename').mockImplementation(async (...args) => {
    gate('rename');
    return rename(...args);
  });
  return calls;
}

/** What is left in the folder is whole, and the newest is this one. */
async function expectWhole(newest: number): Promise<void> {
  const found = await lw.newestCheckpoint(folder);
  expect(found?.damaged).toEqual([]);
  expect(found?.file).toBe(file(newest));
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.safetensors'))) {
    expect(lw.checkpointInfo(readFileSync(join(folder, name))).kind).toBe('solver');
  }
}

const order = ['open part', 'write', 'sync', 'close', 'rename', 'open folder', 'sync', 'close'];

test('bytes reach the disk before the name, and the name before anything is removed', async () => {
  const solver = solverIn(folder);
  await solver.writeCheckpoint();
  await solver.writeCheckpoint();
  const calls = watch(Infinity, '', () => {
    // Both that were there stay until the third is complete.
    expect(readdirSync(folder)).toEqual(expect.arrayContaining([file(1), file(2)]));
  });
  expect(await solver.writeCheckpoint()).toBe(file(3));
  expect(calls).toEqual(order);
  expect(readdirSync(folder).sort()).toEqual([file(2), file(3)]);
});

describe.each(order.map((name, i) => [i + 1, name] as const))('operation %i, %s,', (nth, name) => {
  test.each(['ENOSPC', 'EIO', 'EROFS', 'EDQUOT'])('fails with %s', async (code) => {
    const solver = solverIn(folder);
    await solver.writeCheckpoint();
    await solver.writeCheckpoint();
    watch(nth, code);
    const error = await solver.writeCheckpoint().catch((reason) => reason);
    expect(error).toBeInstanceOf(lw.StorageError);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(
      new RegExp(
        `^checkpoint: .*${file(3)} could not be written: ${code}: injected; whatever was there before is still`,
      ),
    );
    vi.restoreAllMocks();
    // After the renaming the new one is there, if not for certain on the disk; none is removed.
    const newest = nth <= order.indexOf('rename') + 1 ? 2 : 3;
    await expectWhole(newest);
    expect(readdirSync(folder).sort()).toEqual([1, 2, 3].slice(0, newest).map(file));
    expect(await solver.writeCheckpoint(), name).toBe(file(newest + 1));
    await expectWhole(newest + 1);
  });
});

test('a system that cannot sync folders is no failure', async () => {
  const solver = solverIn(folder);
  for (const [nth, code] of [
    [6, 'EISDIR'],
    [7, 'EINVAL'],
    [7, 'ENOTSUP'],
  ] as const) {
    watch(nth, code);
    await solver.writeCheckpoint();
    vi.restoreAllMocks();
  }
  await expectWhole(3);
});

test('training stops with the error, or goes on if somebody takes it', async () => {
  watch(2, 'ENOSPC');
  await expect(solverIn(folder).train()).rejects.toThrow(lw.StorageError);
  vi.restoreAllMocks();
  expect(readdirSync(folder)).toEqual([]);
  watch(2, 'ENOSPC');
  const errors: Error[] = [];
  const saved: unknown[] = [];
  const solver = solverIn(folder, { onError: (error) => errors.push(error), onSave: (event) => saved.push(event) });
  await solver.train();
  expect(errors.map((error) => (error as lw.StorageError).code)).toEqual(['ENOSPC']);
  expect(solver.lossHistory.length).toBe(8);
  expect(saved.length).toBe(7);
  expect(saved[0]).toMatchObject({ file: file(1), place: folder, iteration: 2 });
  await expectWhole(7);
});

test('a disk that is full, really', async () => {
  // Some systems let root write anywhere; a device that is always full is full for everybody.
  if (existsSync('/dev/full')) {
    const classifier = new lw.Softmax();
    classifier.W = lw.ones([2, 2]);
    fs.symlinkSync('/dev/full', join(folder, 'softmax.part'));
    await expect(classifier.save(join(folder, 'softmax'), { verbose: false })).rejects.toMatchObject({
      code: 'ENOSPC',
    });
    expect(readdirSync(folder)).toEqual([]);
  }
});

test('a folder that may not be written to', async () => {
  chmodSync(folder, 0o500);
  try {
    const probe = () => writeFileSync(join(folder, 'probe'), '');
    // For root there are no such folders.
    if (process.getuid?.() === 0) return expect(probe).not.toThrow();
    await expect(solverIn(folder).writeCheckpoint()).rejects.toMatchObject({ code: 'EACCES' });
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    chmodSync(folder, 0o700);
  }
  return undefined;
});

test('a file in place of the folder, a folder in place of the file', async () => {
  writeFileSync(join(folder, 'taken'), '');
  await expect(solverIn(join(folder, 'taken')).writeCheckpoint()).rejects.toMatchObject({ code: 'ENOTDIR' });
  mkdirSync(join(folder, file(1)));
  await expect(solverIn(folder).writeCheckpoint()).rejects.toMatchObject({ code: /EISDIR|ENOTEMPTY|EEXIST|EPERM/ });
  expect(readdirSync(folder).sort()).toEqual([file(1), 'taken']);
});

describe('reading', () => {
  test('the newest that is whole; the others are named', async () => {
    const solver = solverIn(folder, { keep: 5 });
    await solver.train();
    expect(readdirSync(folder).sort()).toEqual([4, 5, 6, 7, 8].map(file));
    truncateSync(join(folder, file(8)), 500);
    writeFileSync(join(folder, file(7)), '');
    const bytes = readFileSync(join(folder, file(6)));
    bytes[bytes.length - 9] ^= 16;
    writeFileSync(join(folder, file(6)), bytes);
    // None of these is one.
    writeFileSync(join(folder, `${file(9)}.part`), 'half');
    writeFileSync(join(folder, 'other-000010.safetensors'), 'of another name');
    writeFileSync(join(folder, 'checkpoint-10.safetensors'), 'of another form');
    const found = await lw.newestCheckpoint(folder);
    expect(found?.file).toBe(file(5));
    expect(found?.damaged.map(({ file, error }) => [file, error.message.replace(/'.{8}'/g, 'sum')])).toEqual([
      [
        file(8),
        expect.stringMatching(
          /^newestCheckpoint: checkpoint-000008\.safetensors: expected a header of \d+ bytes at byte 500/,
        ),
      ],
      [file(7), expect.stringMatching(/expected 8 bytes of preamble at byte 0/)],
      [file(6), expect.stringMatching(/expected the checksum sum at byte 34, got sum: the file is damaged$/)],
    ]);
    rmSync(join(folder, file(4)));
    rmSync(join(folder, file(5)));
    await expect(lw.newestCheckpoint(folder)).rejects.toThrow(/checkpoint-000008/);
    expect(await lw.newestCheckpoint(join(folder, 'nowhere'))).toBeUndefined();
    expect(await lw.newestCheckpoint(folder, { name: 'third' })).toBeUndefined();
  });

  test('a file that vanishes between the list and the reading, or in the middle of it', async () => {
    const solver = solverIn(folder);
    await solver.train();
    const { readFile } = fs.promises;
    const spy = vi.spyOn(fs.promises, 'readFile');
    spy.mockImplementationOnce(async (...args) => {
      rmSync(args[0] as string);
      return readFile(...args);
    });
    const gone = await lw.newestCheckpoint(folder);
    expect(gone?.file).toBe(file(7));
    expect(gone?.damaged[0].error.message).toMatch(/expected a file, got none any more$/);
    spy.mockImplementationOnce(async () => {
      throw failure('EIO');
    });
    await expect(lw.newestCheckpoint(folder)).rejects.toMatchObject({ name: 'StorageError', code: 'EIO' });
  });
});

test('a run of the folder’s own, and one that goes on from it', async () => {
  const whole = solverIn(join(folder, 'whole'));
  await whole.train();
  const store = lw.folderStore(join(folder, 'cut/'));
  const first = solverIn(store, { context: { from: ['here', 1] } });
  for await (const { iteration } of first.steps()) if (iteration === 5) break;
  const found = (await lw.newestCheckpoint(store)) as lw.FoundCheckpoint;
  expect(found.file).toBe(file(5));
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(lw.checkpointInfo(found.bytes)).toEqual({
    kind: 'solver',
    version,
    build: 'simd',
    context: { from: ['here', 1] },
  });
  const { model, ...made } = solverIn(store);
  expect(made.lossHistory).toEqual([]);
  const rs = new lw.RandomState(1);
  const data = { XTrain: rs.randn(20, 4), yTrain: rs.randint(0, 3, [20]), XVal: rs.randn(5, 4), yVal: [0, 1, 2, 0, 1] };
  const checkpoint = { store, everySteps: 1, context: { from: ['here', 1] } };
  const second = lw.Solver.resume(found.bytes, model, data, { checkpoint, verbose: false, file: found.file });
  await second.train();
  const last = readFileSync(join(folder, 'cut', file(8)));
  expect(lw.checkpointInfo(last).context).toEqual({ from: ['here', 1] });
  expect(second.lossHistory).toEqual(whole.lossHistory);
});

test('options that make no sense are refused', () => {
  const refused: [object, RegExp][] = [
    [
      { store: '' },
      /^Solver: checkpoint: store must be a path, or an object with names, read, write and remove, got ''/,
    ],
    [{ store: { read() {} } }, /store must be a path, or an object/],
    [{ store: folder, name: '../x' }, /name must be letters, digits, - and _, got '\.\.\/x'/],
    [{ store: folder, every: 3 }, /unknown option 'every'/],
    [{ store: folder, everySteps: 0 }, /everySteps must be an integer in \[1, /],
    [{ store: folder, everyMinutes: 0 }, /everyMinutes must be a finite number in \(0, /],
    [{ store: folder, keep: 0 }, /keep must be an integer/],
    [{ store: folder, onError: 'log' }, /onError must be a function, got 'log'/],
  ];
  for (const [checkpoint, message] of refused) {
    expect(() => solverIn(folder, checkpoint as Partial<lw.CheckpointOptions>)).toThrow(message);
  }
  expect(() => lw.folderStore('')).toThrow(/folderStore: path must be a path/);
  expect(() => lw.opfsStore()).toThrow(
    /opfsStore: there is such a file system in browsers only; folderStore\(\) takes/,
  );
  expect(() => new lw.Solver(solverIn(folder).model, {} as never, { checkpoint: {} as never })).toThrow(lw.OptionError);
});
