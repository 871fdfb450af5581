// Checkpoints in a page: the private file system of its origin. Outside of browsers there is none.
import * as lw from 'lanewise';
import { afterEach, expect, inject, test } from 'vitest';
import { bits } from './support.js';

const inPage = typeof document !== 'undefined';
/** What only pages can do. */
const inPages = inPage ? test : () => {};
const folder = `lanewise-test/${inject('build')}-${inject('threads')}`;

interface Folder {
  getDirectoryHandle(name: string): Promise<Folder>;
  getFileHandle(name: string, options: { create: boolean }): Promise<unknown>;
  removeEntry(name: string, options?: { recursive: boolean }): Promise<void>;
}
const root = () => (navigator.storage as unknown as { getDirectory(): Promise<Folder> }).getDirectory();

afterEach(async () => {
  if (!inPage) return;
  const parent = await (await root()).getDirectoryHandle('lanewise-test').catch(() => undefined);
  await parent?.removeEntry(folder.split('/')[1], { recursive: true }).catch(() => undefined);
});

const file = (n: number) => `checkpoint-${String(n).padStart(6, '0')}.safetensors`;

function make() {
  const rs = new lw.RandomState(1);
  const data = { XTrain: rs.randn(20, 4), yTrain: rs.randint(0, 3, [20]), XVal: rs.randn(5, 4), yVal: [0, 1, 2, 0, 1] };
  const random = new lw.RandomState(2);
  const model = new lw.FullyConnectedNet([6], { inputDim: 4, numClasses: 3, random, normalization: 'batchnorm' });
  return { data, random, model };
}
const common = { updateRule: 'adam', batchSize: 5, numEpochs: 3, verbose: false } as const;

inPages('a run goes on from what it left, with the same bits', async () => {
  const whole = make();
  await new lw.Solver(whole.model, whole.data, { ...common, random: whole.random }).train();
  const first = make();
  const saved: unknown[] = [];
  const checkpoint: lw.CheckpointOptions = { store: folder, everySteps: 1, onSave: (event) => saved.push(event) };
  const solver = new lw.Solver(first.model, first.data, { ...common, checkpoint, random: first.random });
  for await (const { iteration } of solver.steps()) if (iteration === 7) break;
  expect(saved.length).toBe(7);
  expect(saved[6]).toMatchObject({ file: file(7), place: `private files ${folder}`, iteration: 7 });
  const store = lw.opfsStore(folder);
  expect((await store.names()).sort()).toEqual([file(6), file(7)]);
  const found = (await lw.newestCheckpoint(folder)) as lw.FoundCheckpoint;
  expect(found).toMatchObject({ file: file(7), damaged: [] });
  const again = make();
  const resumed = lw.Solver.resume(found.bytes, again.model, again.data, { verbose: false });
  await resumed.train();
  for (const [name, t] of Object.entries(whole.model.state())) expect(bits(again.model.state()[name])).toEqual(bits(t));
});

inPages('what a cut off writing leaves counts as nothing; what is damaged is passed over', async () => {
  const { model, data } = make();
  const solver = new lw.Solver(model, data, { ...common, checkpoint: { store: folder } });
  expect(await solver.writeCheckpoint()).toBe(file(1));
  let handle = await root();
  for (const name of folder.split('/')) handle = await handle.getDirectoryHandle(name);
  await handle.getFileHandle(file(2), { create: true });
  expect(await lw.newestCheckpoint(folder)).toMatchObject({ file: file(1), damaged: [] });
  const store = lw.opfsStore(folder);
  const bytes = (await store.read(file(1))) as Uint8Array;
  await store.write(file(2), bytes.slice(0, -1));
  const found = await lw.newestCheckpoint(folder);
  expect(found?.file).toBe(file(1));
  expect(found?.damaged.map((d) => d.file)).toEqual([file(2)]);
  expect(await solver.writeCheckpoint()).toBe(file(3));
  await store.remove(file(3));
  await store.remove(file(3));
  expect(await store.read(file(3))).toBeUndefined();
});

inPages('a worker that is ended while it writes leaves whole files', async () => {
  const url = new URL('./fixtures/opfsWriter.js', import.meta.url);
  url.search = String(new URLSearchParams({ script: `${location.origin}/dist/index.js`, folder }));
  let newest = 0;
  for (let round = 0; round < 12; round++) {
    const worker = new Worker(url, { type: 'module' });
    await new Promise<void>((resolve, reject) => {
      let saved = 0;
      worker.addEventListener('error', (event) => reject(new Error(event.message)));
      worker.addEventListener('message', () => {
        // Some at once, some after so many checkpoints, all of them a few milliseconds later, in the middle of something.
        if (saved++ === round % 4) setTimeout(resolve, (round * 7) % 11);
      });
    });
    worker.terminate();
    const found = await lw.newestCheckpoint(folder);
    expect(found?.damaged ?? []).toEqual([]);
    const number = Number(found?.file.slice(11, 17) ?? 0);
    expect(number).toBeGreaterThanOrEqual(newest);
    newest = number;
  }
  expect(newest).toBeGreaterThan(6);
});

test('each store says where it belongs', () => {
  if (inPage) expect(() => lw.folderStore('x')).toThrow(/^folderStore: browsers have no folders; opfsStore\(\) keeps/);
  else expect(() => lw.opfsStore('x')).toThrow(/^opfsStore: there is such a file system in browsers only/);
});
