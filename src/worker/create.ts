/** Starts a worker, tells it what to train, and hands the data over. */
import { checkOptions, describe, OptionError, RuntimeError } from '../errors.js';
import { type HostWorker, startWorker } from '../runtime/host.js';
import { planOf, sendable } from './packing.js';
import type { FilePlaces, SetName } from './protocol.js';
import { Line, WorkerTrainer } from './trainer.js';
import type { CreateTrainer, Examples, TrainerOptions } from './types.js';

/** Where the worker finds its script and its files. */
export interface Places {
  script: URL;
  /** The script is no module. */
  classic: boolean;
  files: FilePlaces;
}

const where = 'createTrainer';
/** By this name a script knows that it runs in a worker of ours. */
export const TRAINER = 'lanewise trainer';

/** createTrainer for a build whose files are at these places. given: where the caller says that the script is. */
export function trainerMaker(places: (given: URL | undefined) => Places): CreateTrainer {
  return async (spec, data, options = {}) => {
    checkOptions(where, options, ['init', 'transfer', 'state', 'model', 'worker']);
    const { init, transfer = false, state, model } = options;
    if (typeof transfer !== 'boolean') {
      throw new OptionError({ where, argument: 'transfer', rule: 'true or false', value: describe(transfer) });
    }
    checkPlain('spec', spec);
    const planned = data === null ? undefined : planOf(data);
    if (state !== undefined && !planned) {
      throw new OptionError({ where, rule: 'a state goes on with the data of then', hint: 'give data' });
    }
    const given = options.worker === undefined ? undefined : new URL(options.worker, base());
    const { script, classic, files } = places(given);
    const line = new Line(await begin(script, classic));
    try {
      const plan = planned?.plan ?? null;
      const made = await line.ask('create', { spec, data: plan, init: portable(init), files, state, model });
      const numbers: Partial<Record<SetName, Examples['data']>> = {};
      const buffers = new Set<ArrayBuffer>();
      for (const [set, packed] of Object.entries(planned?.examples ?? {})) {
        const sent = sendable(packed, !transfer);
        numbers[set as SetName] = sent.numbers;
        if (sent.transfer) buffers.add(sent.transfer);
      }
      await line.ask('fill', numbers, [...buffers]);
      return new WorkerTrainer(line, made, planned !== undefined);
    } catch (error) {
      await line.end();
      throw error;
    }
  };
}

async function begin(script: URL, classic: boolean): Promise<HostWorker> {
  try {
    return await startWorker(script, TRAINER, classic);
  } catch (error) {
    const hint = 'a page may start workers from its own origin only, and none from file: URLs';
    throw new RuntimeError({ where, rule: `no worker could be started from ${script}: ${String(error)}`, hint });
  }
}

function base(): string | undefined {
  return (globalThis as { location?: { href: string } }).location?.href;
}

/** URL objects cannot travel. */
function portable(init: TrainerOptions['init'] = {}): NonNullable<TrainerOptions['init']> {
  const { wasm } = init;
  if (wasm instanceof URL) return { ...init, wasm: wasm.href };
  return typeof wasm === 'string' ? { ...init, wasm: new URL(wasm, base()).href } : init;
}

/** Refuses what is no plain data: functions, instances of classes, numbers that JSON does not know. */
function checkPlain(argument: string, value: unknown): void {
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw notPlain(argument, value);
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkPlain(`${argument}[${i}]`, item);
  } else if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    for (const [name, item] of Object.entries(value)) checkPlain(`${argument}.${name}`, item);
  } else {
    throw notPlain(argument, value);
  }
}

function notPlain(argument: string, value: unknown): OptionError {
  const hint = 'functions and tensors cannot go to another thread';
  return new OptionError({ where, argument, rule: 'plain data', value: describe(value), hint });
}
