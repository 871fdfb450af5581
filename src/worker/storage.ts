/**
 * What a trainer saves.
 *
 * Its whole state is what the Solver saves, behind one line with what model and inputs are made from again:
 *
 *     'LANEWISE TRAINER 1\n'   JSON { spec, classes, mean }   '\n'   bytes of Solver.save()
 *
 * A model is a checkpoint with parameters, running averages and the mean example.
 */
import { isRecord, readCheckpoint, type StoredArray, writeCheckpoint } from '../checkpoint.js';
import { DataError, describe } from '../errors.js';
import type { Tensor } from '../tensor.js';
import type { FullSpec } from './build.js';

const FIRST_LINE = 'LANEWISE TRAINER 1\n';
/** No specification is longer, with a mean example of a million numbers. */
const MOST_HEADER = 2 ** 25;

export interface Stored {
  spec: FullSpec;
  classes: readonly string[] | undefined;
  mean: ArrayLike<number> | undefined;
}

export function writeState({ spec, classes, mean }: Stored, solver: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = { spec, classes, mean: mean && Array.from(mean) };
  const head = new TextEncoder().encode(`${FIRST_LINE}${JSON.stringify(header)}\n`);
  const bytes = new Uint8Array(head.length + solver.length);
  bytes.set(head);
  bytes.set(solver, head.length);
  return bytes;
}

export function readState(where: string, bytes: Uint8Array): Stored & { solver: Uint8Array } {
  const refuse = (offset: number, expected: string, found?: string) =>
    new DataError({ where, file: 'state', offset, expected, ...(found === undefined ? {} : { found }) });
  if (!(bytes instanceof Uint8Array)) throw refuse(0, 'a Uint8Array', describe(bytes));
  const first = new TextDecoder('latin1').decode(bytes.subarray(0, FIRST_LINE.length));
  if (first !== FIRST_LINE) throw refuse(0, 'what save() of a trainer gave', describe(first.replace(/[^ -~]/g, '.')));
  const end = bytes.indexOf(10, FIRST_LINE.length);
  if (end < 0 || end > MOST_HEADER) throw refuse(FIRST_LINE.length, 'a header that ends');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(FIRST_LINE.length, end)));
  } catch {
    throw refuse(FIRST_LINE.length, 'a header in JSON');
  }
  const stored = checkStored(header, () => refuse(FIRST_LINE.length, 'specification, classes and mean in the header'));
  return { ...stored, solver: bytes.subarray(end + 1) };
}

export function writeModel(
  { spec, classes, mean }: Stored,
  state: Readonly<Record<string, Tensor>>,
): Uint8Array<ArrayBuffer> {
  const arrays = new Map<string, StoredArray>();
  for (const [name, { dtype, shape, data }] of Object.entries(state))
    arrays.set(`state/${name}`, { dtype, shape, data });
  if (mean) {
    const data = Float64Array.from(mean);
    arrays.set('mean', { dtype: 'float64', shape: [data.length], data });
  }
  return writeCheckpoint('model', { spec, classes }, arrays);
}

export function readModel(where: string, bytes: Uint8Array): Stored & { state: Record<string, StoredArray> } {
  const stored = readCheckpoint(where, 'model', bytes);
  const mean = stored.list('mean', 'float64');
  const checked = checkStored({ ...stored.content, mean }, () => {
    throw stored.refuse('specification and classes in the header');
  });
  return { ...checked, state: stored.group('state') };
}

/** The specification is checked further when a model is made of it. */
function checkStored(value: unknown, refuse: () => Error): Stored {
  if (!isRecord(value) || !isRecord(value.spec) || !isRecord(value.spec.model)) throw refuse();
  const { spec, classes, mean } = value;
  const isList = (list: unknown, type: string) =>
    list === undefined || (Array.isArray(list) && list.every((item) => typeof item === type));
  if (!isList(classes, 'string') || !isList(mean, 'number')) throw refuse();
  return { spec, classes, mean } as unknown as Stored;
}
