// Two copies of the library in one process, each with an engine of its own; and init() when it is called again and again.
import * as lw from 'lanewise';
import { afterAll, expect, inject, test } from 'vitest';
import { bits, expectRefused } from './support.js';

const build = inject('build');
const threads = inject('threads');
const inPage = typeof document !== 'undefined';

async function another(name: string): Promise<typeof lw> {
  const url = inPage ? new URL('/dist/index.js', location.origin) : new URL('../dist/index.js', import.meta.url);
  url.search = name;
  return (await import(/* @vite-ignore */ url.href)) as typeof lw;
}

afterAll(async () => {
  await lw.init({ build, threads });
});

/** Some steps of training; the bits of what came of it. */
async function train(engine: typeof lw, seed: number): Promise<Uint8Array[]> {
  const random = new engine.RandomState(seed);
  const X = random.randn(40, 30, { dtype: 'float32' });
  const data = { XTrain: X, yTrain: random.randint(0, 3, [40]), XVal: X, yVal: random.randint(0, 3, [40]) };
  const model = new engine.FullyConnectedNet([300], { inputDim: 30, numClasses: 3, random });
  const solver = new engine.Solver(model, data, { batchSize: 40, numEpochs: 4, verbose: false, random });
  for await (const _ of solver.steps()) await new Promise((resolve) => setTimeout(resolve, 0));
  const state = Object.values(model.state()).map(bits);
  solver.dispose();
  model.dispose();
  return state;
}

test('two engines compute side by side, and keep their tensors apart', async () => {
  const second = await another('second');
  expect(second.Tensor).not.toBe(lw.Tensor);
  await Promise.all([lw.init({ build, threads }), second.init({ build, threads })]);
  const wanted = [await train(lw, 1), await train(lw, 2)];
  expect(await Promise.all([train(lw, 1), train(second, 2)])).toEqual(wanted);
  const [mine, other] = [lw.ones([3]), second.ones([3])];
  expectRefused(() => lw.add(mine, other as unknown as lw.Tensor), lw.LanewiseError, /./);
  expectRefused(() => other && lw.matmul(mine.reshape(1, 3), other as unknown as lw.Tensor), lw.LanewiseError, /./);
  // Ending one leaves the other alone.
  await second.init({ build, threads: 1 });
  expect(mine.sum()).toBe(3);
  expect(second.ones([4]).sum()).toBe(4);
  mine.dispose();
});

test('init twice, at once, and after a failure', async () => {
  const third = await another('third');
  expect(() => third.ones([2])).toThrow(/init\(\) first/);
  await expect(third.init({ wasm: new Uint8Array(3) })).rejects.toThrow(/could not be loaded/);
  expect(() => third.ones([2])).toThrow(/init\(\) first/);
  const calls = [
    third.init({ build, threads: 2 }),
    third.init({ wasm: new Uint8Array(3) }),
    third.init({ build, threads: 1 }),
  ];
  const settled = await Promise.allSettled(calls);
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(third.info().threads).toBe(1);
  expect(third.ones([5]).sum()).toBe(5);
});
