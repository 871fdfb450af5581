/**
 * NumPy's file format for one array: a preamble, a Python dictionary with type, order and shape, the numbers. Versions 1
 * to 3 are read, 1 is written.
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { DataError, describe, formatShape } from '../errors.js';
import { sizeOf } from '../shape.js';
import {
  type FileArray,
  isNumberCode,
  LITTLE_ENDIAN,
  MAX_AXES,
  type NumberCode,
  typedNumbers,
  widthOf,
} from './numbers.js';

const MAGIC = '\x93NUMPY';
/** Magic, version and the length of the header in version 1. */
const PREAMBLE = 10;
/** As in NumPy, which refuses longer ones too. */
const MAX_HEADER_BYTES = 10_000;
/** The numbers begin at a multiple of this. */
const ALIGNMENT = 64;

const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** The array of a file. Its numbers are those of the file, in the order of C; the bytes may be a view of the input. */
export function parseNpy(where: string, file: string, bytes: Uint8Array): FileArray {
  const refuse = (offset: number, expected: string, found?: string): never => {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  };
  const need = (end: number) => {
    if (end > bytes.length) refuse(bytes.length, `${end} bytes or more`, 'the end of the file');
  };
  const magic = latin1(bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) refuse(0, 'a .npy file', JSON.stringify(magic));
  need(PREAMBLE);
  const [major, minor] = [bytes[6] as number, bytes[7] as number];
  if (major < 1 || major > 3 || minor !== 0) refuse(6, 'version 1.0, 2.0 or 3.0', `${major}.${minor}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? PREAMBLE : 12;
  need(start);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) refuse(8, `a header of at most ${MAX_HEADER_BYTES} bytes`, `${length}`);
  need(start + length);
  const header = latin1(bytes.subarray(start, start + length));
  const { shape, type, fortranOrder } = parseHeader(header, (at, expected, found) =>
    refuse(start + at, expected, found),
  );
  const at = start + length;
  const width = widthOf(type.code);
  const size = sizeOf(shape);
  if (at + size * width !== bytes.length) {
    refuse(at, `${size} numbers of ${width} bytes for shape ${formatShape(shape)}`, `${bytes.length - at} bytes`);
  }
  const numbers = typedNumbers(bytes.subarray(at), type.code, type.bigEndian);
  return { shape, numbers: fortranOrder && shape.length > 1 ? rowMajor(numbers, shape) : numbers, at, width };
}

interface NumberType {
  code: NumberCode;
  bigEndian: boolean;
}

interface Header {
  shape: number[];
  type: NumberType;
  fortranOrder: boolean;
}

type Refuse = (at: number, expected: string, found?: string) => never;

const TOKEN = /[ \t\r\n\f]*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)|(\d{1,16})L?|([{}():,]))/y;

/** `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, the keys in any order. */
function parseHeader(text: string, refuse: Refuse): Header {
  let at = 0;
  /** The next word of Python: text, a truth value, a number or a sign. */
  const next = (): { text?: string; truth?: boolean; number?: number; sign?: string } => {
    TOKEN.lastIndex = at;
    const [whole, single, double, truth, digits, sign] = TOKEN.exec(text) ?? [];
    if (whole === undefined) return refuse(at, 'a dictionary of Python', JSON.stringify(text.slice(at, at + 20)));
    at = TOKEN.lastIndex;
    if (sign !== undefined) return { sign };
    if (truth !== undefined) return { truth: truth === 'True' };
    return digits === undefined ? { text: single ?? double ?? '' } : { number: Number(digits) };
  };
  const sign = (...allowed: string[]): string => {
    const from = at;
    const found = next().sign ?? '';
    return allowed.includes(found) ? found : refuse(from, allowed.map((one) => `'${one}'`).join(' or '));
  };
  const shapeOf = (from: number): number[] => {
    const shape: number[] = [];
    for (;;) {
      const { number, sign: end } = next();
      if (end === ')') return shape;
      if (number === undefined || number >= 2 ** 31) return refuse(from, 'a shape of numbers below 2^31');
      if (shape.length === MAX_AXES) return refuse(from, `a shape of at most ${MAX_AXES} axes`);
      shape.push(number);
      if (sign(',', ')') === ')') return shape;
    }
  };
  let [type, fortranOrder, shape]: [NumberType?, boolean?, number[]?] = [];
  sign('{');
  for (;;) {
    const from = at;
    const key = next();
    if (key.sign === '}') break;
    sign(':');
    const value = next();
    if (key.text === 'descr' && type === undefined)
      type = typeOf(value.text, () => refuse(from, 'a type of numbers', describe(value.text)));
    else if (key.text === 'fortran_order' && fortranOrder === undefined && value.truth !== undefined)
      fortranOrder = value.truth;
    else if (key.text === 'shape' && shape === undefined && value.sign === '(') shape = shapeOf(from);
    else
      refuse(
        from,
        "'descr', 'fortran_order' and 'shape', once each",
        JSON.stringify(text.slice(from, at).slice(0, 40)),
      );
    if (sign(',', '}') === '}') break;
  }
  if (text.slice(at).trim() !== '') refuse(at, 'the end of the header');
  if (type === undefined || fortranOrder === undefined || shape === undefined) {
    return refuse(0, "'descr', 'fortran_order' and 'shape'");
  }
  return { type, fortranOrder, shape };
}

/** NumPy's name of a type of numbers, such as '<f8' or '|u1'. */
function typeOf(name: string | undefined, refuse: () => never): NumberType {
  const [, order = '', code = ''] = /^([<>|=]?)([a-z]\d)$/.exec(name ?? '') ?? [];
  if (!isNumberCode(code)) return refuse();
  return { code, bigEndian: order === '>' || (order === '=' && !LITTLE_ENDIAN) };
}

/** Numbers that lie in the order of Fortran, first axis fastest, in that of C. */
function rowMajor<T extends FileArray['numbers']>(numbers: T, shape: readonly number[]): T {
  const out = numbers.slice() as T;
  const index = shape.map(() => 0);
  const steps: number[] = [];
  let step = 1;
  for (const n of shape) {
    steps.push(step);
    step *= n;
  }
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = numbers[from] as never;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += steps[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= (steps[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

/** The bytes of a file, as NumPy itself writes them. */
export function npyBytes(type: string, shape: readonly number[], data: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${formatShape(shape)}, }`;
  // NumPy leaves room for the leading axis to grow to 21 digits, and ends with at least one space and the line.
  const room = shape.length === 0 ? 0 : 21 - String(shape[0]).length;
  const start = (Math.floor((PREAMBLE + text.length + room + 1) / ALIGNMENT) + 1) * ALIGNMENT;
  const header = `${text.padEnd(start - PREAMBLE - 1)}\n`;
  const bytes = new Uint8Array(start + data.byteLength);
  const put = (at: number, part: string) =>
    bytes.set(
      Uint8Array.from(part, (c) => c.charCodeAt(0)),
      at,
    );
  put(0, `${MAGIC}\x01\x00`);
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  put(PREAMBLE, header);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}
