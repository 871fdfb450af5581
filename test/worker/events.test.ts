// Events reach their readers in order, none of an epoch is lost, and a slow reader makes no queue grow.
import type { EpochEvent } from 'lanewise';
import type { Trainer, TrainerEvent, TrainerStepEvent } from 'lanewise/worker';
import { expect, test } from 'vitest';
import { byteData, rejection, trainerFor, wait } from './support.js';

const data = byteData();
/** 10 steps an epoch of next to no work. */
const trainer = (numEpochs: number) =>
  trainerFor(
    { model: { name: 'TwoLayerNet', hiddenDim: 4 }, solver: { batchSize: 20, numEpochs, numTrainSamples: 20 } },
    data,
  );

async function collect(events: AsyncIterable<TrainerEvent>, pace = 0): Promise<TrainerEvent[]> {
  const found: TrainerEvent[] = [];
  for await (const event of events) {
    found.push(event);
    if (pace > 0) await wait(pace);
  }
  return found;
}
const stepsOf = (events: TrainerEvent[]) => events.filter((e): e is TrainerStepEvent => e.type === 'step');
const epochsOf = (events: TrainerEvent[]) => events.filter((e): e is EpochEvent => e.type === 'epoch');
const lossesOf = (events: TrainerEvent[]) => stepsOf(events).flatMap(({ losses }) => [...losses]);

async function expectComplete(events: TrainerEvent[], t: Trainer, numEpochs: number): Promise<void> {
  const { loss, valAcc } = await t.history();
  expect(lossesOf(events)).toEqual([...loss]);
  expect(stepsOf(events).reduce((sum, { steps }) => sum + steps, 0)).toBe(10 * numEpochs);
  expect(stepsOf(events).reduce((sum, { examples }) => sum + examples, 0)).toBe(200 * numEpochs);
  expect(epochsOf(events).map(({ epoch }) => epoch)).toEqual(Array.from({ length: numEpochs + 1 }, (_, i) => i));
  expect(epochsOf(events).map((event) => event.valAcc)).toEqual([...valAcc]);
  let before = 0;
  for (const event of events) {
    if (event.type === 'status') continue;
    // The check after a step follows its event.
    expect(event.iteration).toBeGreaterThanOrEqual(before);
    before = event.iteration;
    if (event.type !== 'step') continue;
    expect(event.losses.at(-1)).toBe(event.loss);
    expect(event.milliseconds).toBeGreaterThanOrEqual(0);
  }
}

test('steps() trains and tells of every step, however they are bundled', async () => {
  const t = await trainer(3);
  const events = await collect(t.steps());
  await expectComplete(events, t, 3);
  expect(events[0]).toEqual({ type: 'status', status: 'running' });
  expect(events.at(-1)).toEqual({ type: 'status', status: 'finished' });
});

test('a slow reader misses no epoch, gets few events and holds nothing up', async () => {
  const t = await trainer(40);
  const events: TrainerEvent[] = [];
  const reader = (async () => {
    for await (const event of t.events()) {
      events.push(event);
      if (events.length === 1) await wait(200);
      if (event.type === 'status' && event.status === 'finished') return;
    }
  })();
  await wait(0);
  await t.train();
  await reader;
  await expectComplete(events, t, 40);
  // Between two checks all steps have become one.
  expect(stepsOf(events).length).toBeLessThan(400);
});

test('without coalescing every step is an event, and training waits for the reader', async () => {
  const t = await trainer(20);
  const found: TrainerEvent[] = [];
  for await (const event of t.steps({ coalesce: false })) {
    found.push(event);
    if (found.length === 2) {
      await wait(100);
      const { iteration } = await t.state();
      expect(iteration).toBeLessThan(150);
      await wait(50);
      expect((await t.state()).iteration, 'it stands still').toBe(iteration);
    }
  }
  expect(stepsOf(found).every(({ steps }) => steps === 1)).toBe(true);
  await expectComplete(found, t, 20);
});

test('several readers, each at its own pace', async () => {
  const t = await trainer(5);
  const until = async (events: AsyncGenerator<TrainerEvent>, pace: number) => {
    const found: TrainerEvent[] = [];
    for await (const event of events) {
      found.push(event);
      if (event.type === 'status' && event.status === 'finished') break;
      if (pace > 0) await wait(pace);
    }
    return found;
  };
  const readers = [until(t.events(), 0), until(t.events(), 5), until(t.events({ coalesce: false }), 0)];
  await wait(20);
  const seen: number[] = [];
  await t.train({
    onStep: ({ losses }) => void seen.push(...losses),
    onEpoch: async () => void (await wait(2)),
  });
  for (const events of await Promise.all(readers)) await expectComplete(events, t, 5);
  expect(seen).toEqual([...(await t.history()).loss]);
});

test('leaving the loop over steps() stops the run; another goes on', async () => {
  const t = await trainer(500);
  for await (const event of t.steps()) if (event.type === 'epoch' && event.epoch >= 1) break;
  const { status, iteration } = await t.state();
  expect(status).toBe('stopped');
  expect(iteration).toBeGreaterThanOrEqual(10);
  expect(iteration).toBeLessThan(5000);
  const rest = await collect(t.steps());
  expect(lossesOf(rest).length).toBe(5000 - iteration);
  expect((await t.state()).status).toBe('finished');
});

test('leaving the loop over events() leaves the run alone', async () => {
  const t = await trainer(80);
  const run = t.train();
  for await (const event of t.events()) if (event.type !== 'status') break;
  expect(await run).toMatchObject({ status: 'finished' });
});

test('options are checked', async () => {
  const t = await trainer(1);
  expect(await rejection(collect(t.events({ coalesc: true } as never)))).toMatchObject({ name: 'OptionError' });
  expect(await rejection(collect(t.steps({ coalesce: 1 } as never)))).toMatchObject({ name: 'OptionError' });
  expect((await t.state()).status).toBe('idle');
});
