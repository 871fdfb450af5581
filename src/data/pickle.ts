/**
 * Reads Python pickles, protocols 0 to 5, as data: containers, numbers, text, bytes and NumPy arrays. A pickle is a
 * program for a stack machine; this machine knows a list of opcodes and a list of names (GLOBALS), calls nothing and
 * refuses everything else. Work and memory are bounded by the length of the input and by MAX_STEPS.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { DataError } from '../errors.js';

/** An array of numbers. Its bytes are a view of the input wherever the pickle holds them as they are. */
export interface PickledArray {
  readonly shape: readonly number[];
  /** NumPy's name of the element type: '|u1', '<i8', … */
  readonly dtype: string;
  readonly fortranOrder: boolean;
  readonly bytes: Uint8Array;
}

/**
 * str of Python 2 and bytes of Python 3 become Uint8Array (views of the input), dictionaries Map (text keys are always
 * strings). Names of known functions and types may lie about as values; they do nothing.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<string | number, PickleValue>
  | Tuple
  | NumpyArray
  | DType
  | Global;

/** Ten times what a file of CIFAR-10 needs; a hostile one is refused within a fraction of a second. */
const MAX_STEPS = 400_000;
/** Longest text that is looked at: names, keys, numbers. */
const MAX_TEXT = 256;

/** What a name in a pickle stands for. Nothing is looked up anywhere else. */
type Kind = 'ndarray' | 'dtype' | 'reconstruct' | 'scalar' | 'frombuffer' | 'encode';
const GLOBALS: Readonly<Record<string, Kind>> = {
  'numpy ndarray': 'ndarray',
  'numpy dtype': 'dtype',
  'numpy.core.multiarray _reconstruct': 'reconstruct',
  'numpy._core.multiarray _reconstruct': 'reconstruct',
  'numpy.core.multiarray scalar': 'scalar',
  'numpy._core.multiarray scalar': 'scalar',
  'numpy.core.numeric _frombuffer': 'frombuffer',
  'numpy._core.numeric _frombuffer': 'frombuffer',
  '_codecs encode': 'encode',
};

class Global {
  constructor(readonly kind: Kind) {}
}
/** dtype('u1') before and after its BUILD, which brings the byte order. */
class DType {
  order = '|';
  constructor(readonly code: string) {}
  get name(): string {
    return this.order + this.code;
  }
}
/** What _reconstruct makes: an array that waits for its BUILD. */
class NumpyArray implements PickledArray {
  shape: readonly number[] = [];
  dtype = '';
  fortranOrder = false;
  bytes = new Uint8Array(0);
}
class Tuple {
  constructor(readonly items: PickleValue[]) {}
}

export function isPickledArray(value: unknown): value is PickledArray {
  return value instanceof NumpyArray && value.dtype !== '';
}

function kindOf(value: PickleValue | undefined): string {
  if (value === null || typeof value !== 'object') return value === undefined ? 'nothing' : `${typeof value}`;
  if (value instanceof Global) return `the name ${value.kind}`;
  return value instanceof Map ? 'a dictionary' : value.constructor.name;
}

/** Whether a file that starts with this byte can be a pickle: PROTO, or the dictionary that protocols 0 and 1 start with. */
export function startsPickle(byte: number): boolean {
  return byte === 0x80 || byte === 0x28 || byte === 0x7d;
}

/** Short text, whether str of Python 2 or 3. */
export function pickledText(value: PickleValue | undefined): string | undefined {
  if (typeof value === 'string') return value.length > MAX_TEXT ? undefined : value;
  if (!(value instanceof Uint8Array) || value.length > MAX_TEXT) return undefined;
  return String.fromCharCode(...value);
}

/** Items of a list, a tuple or an array with one axis of numbers, no longer than a list could be. */
export function pickledItems(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  if (value instanceof Tuple) return value.items;
  return value instanceof NumpyArray ? numbers(value) : Array.isArray(value) ? value : undefined;
}

function numbers({ shape, dtype, bytes }: PickledArray): number[] | undefined {
  if (shape.length !== 1 || (shape[0] as number) > MAX_STEPS) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read: Record<string, (at: number) => number> = {
    u1: (at) => view.getUint8(at),
    i1: (at) => view.getInt8(at),
    u2: (at) => view.getUint16(at, true),
    i2: (at) => view.getInt16(at, true),
    u4: (at) => view.getUint32(at, true),
    i4: (at) => view.getInt32(at, true),
    u8: (at) => Number(view.getBigUint64(at, true)),
    i8: (at) => Number(view.getBigInt64(at, true)),
    f4: (at) => view.getFloat32(at, true),
    f8: (at) => view.getFloat64(at, true),
  };
  const get = read[dtype.slice(1)];
  const width = Number(dtype.slice(2));
  return get && Array.from({ length: shape[0] as number }, (_, i) => get(i * width));
}

const ESCAPES: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  t: 9,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
};

/** Undoes Python's escapes in the text lines of protocol 0: repr for str, raw-unicode-escape for unicode. */
function unescaped<T extends Uint8Array | Uint16Array>(line: Uint8Array, out: T): T | undefined {
  let n = 0;
  for (let i = 0; i < line.length; i++) {
    let unit = line[i] as number;
    const next = unit === 92 ? String.fromCharCode(line[i + 1] ?? 0) : '';
    const digits = next === 'x' ? 2 : next === 'u' ? 4 : 0;
    if (digits > 0 && (digits === 4) === out instanceof Uint16Array) {
      const hex = String.fromCharCode(...line.subarray(i + 2, i + 2 + digits));
      if (!/^[\da-f]+$/i.test(hex) || hex.length < digits) return undefined;
      unit = Number.parseInt(hex, 16);
      i += digits + 1;
    } else if (next !== '' && out instanceof Uint8Array) {
      if (!Object.hasOwn(ESCAPES, next)) return undefined;
      unit = ESCAPES[next] as number;
      i++;
    }
    out[n++] = unit;
  }
  return out.subarray(0, n) as T;
}

/**
 * The value of a pickle. file: its name in messages. Throws DataError for anything that is not exactly one pickle of
 * plain data.
 */
export function parsePickle(input: Uint8Array, file: string, where = 'parsePickle'): PickleValue {
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true });
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  let at = 0;
  /** Offset of the opcode that is being carried out. */
  let start = 0;
  /** Bytes made by _codecs.encode, the only thing that copies at length. */
  let encoded = 0;

  function refuse(expected: string, found?: string, offset = start): never {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  }

  /** Start of the next `length` bytes, which are there. */
  function take(length: number): number {
    if (length > bytes.length - at) {
      refuse(`${length} more bytes of a pickle`, `${bytes.length - at} before the end of the file`, at);
    }
    at += length;
    return at - length;
  }
  const u8 = (): number => bytes[take(1)] as number;
  const u16 = (): number => view.getUint16(take(2), true);
  const u32 = (): number => view.getUint32(take(4), true);
  function u64(): number {
    const low = u32();
    return u32() * 2 ** 32 + low;
  }
  function block(length: number): Uint8Array<ArrayBuffer> {
    const from = take(length);
    return bytes.subarray(from, from + length) as Uint8Array<ArrayBuffer>;
  }
  function text(length: number): string {
    const part = block(length);
    try {
      return utf8.decode(part);
    } catch {
      return refuse('UTF-8 text');
    }
  }
  function line(): Uint8Array {
    const end = bytes.indexOf(10, at);
    if (end < 0) refuse('a line of a pickle', 'the end of the file', at);
    const part = block(end - at);
    at++;
    return part;
  }
  function lineNumber(suffix: string): number {
    const part = line();
    const word = pickledText(part) ?? '';
    const digits = suffix !== '' && word.endsWith(suffix) ? word.slice(0, -1) : word;
    const value = /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(digits) ? Number(digits) : Number.NaN;
    return Number.isFinite(value) ? value : refuse('a number', `'${word.slice(0, 20)}'`);
  }
  /** Little-endian two's complement of LONG1 and LONG4. */
  function long(length: number): number {
    const part = block(length);
    if (length > 8) refuse('an integer of at most 8 bytes', `${length} bytes`);
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 256 + (part[i] as number);
    if (length > 0 && (part[length - 1] as number) > 127) value -= 256 ** length;
    return Number.isSafeInteger(value) ? value : refuse('an integer below 2^53');
  }

  function pop(): PickleValue {
    if (stack.length === (marks.at(-1) ?? 0)) refuse('a value on the stack of the pickle', 'none');
    return stack.pop() as PickleValue;
  }
  function popMark(): PickleValue[] {
    const mark = marks.pop();
    return mark === undefined ? refuse('a mark on the stack of the pickle', 'none') : stack.splice(mark);
  }
  function top(): PickleValue {
    const value = pop();
    stack.push(value);
    return value;
  }
  function setItems(items: PickleValue[]): void {
    const map = top();
    if (!(map instanceof Map)) refuse('a dictionary', kindOf(map));
    if (items.length % 2 !== 0) refuse('pairs of key and value');
    for (let i = 0; i < items.length; i += 2) {
      const raw = items[i] as PickleValue;
      const key =
        typeof raw === 'number' ? raw : (pickledText(raw) ?? refuse('short text or a number as key', kindOf(raw)));
      map.set(key, items[i + 1] as PickleValue);
    }
  }
  function append(items: PickleValue[]): void {
    const list = top();
    if (!Array.isArray(list)) refuse('a list', kindOf(list));
    for (const item of items) list.push(item);
  }

  function named(module = '?', name = '?'): Global {
    const key = `${module} ${name}`;
    if (Object.hasOwn(GLOBALS, key)) return new Global(GLOBALS[key] as Kind);
    return refuse('nothing but data in the pickle', `the name ${JSON.stringify(`${module}.${name}`)}`);
  }

  /** What the few known functions return; arguments as NumPy's and Python's own pickling writes them. */
  function call(callee: PickleValue, argument: PickleValue): PickleValue {
    if (!(callee instanceof Global) || !(argument instanceof Tuple))
      refuse('a call of a known function', kindOf(callee));
    const [a, b, c] = argument.items;
    switch (callee.kind) {
      case 'reconstruct':
        if (!(a instanceof Global && a.kind === 'ndarray')) refuse('a NumPy array');
        return new NumpyArray();
      case 'dtype': {
        const code = pickledText(a)?.replace(/^[<|=]/, '') ?? '';
        if (!/^([iu][1248]|f[48])$/.test(code)) refuse('a NumPy type of numbers', JSON.stringify(code.slice(0, 20)));
        return new DType(code);
      }
      case 'scalar': {
        if (!(a instanceof DType && b instanceof Uint8Array)) refuse('a NumPy number');
        const one = new NumpyArray();
        fill(one, [1], a, false, b);
        return numbers(one)?.[0] ?? refuse('a NumPy number', a.name);
      }
      case 'frombuffer': {
        if (!(a instanceof Uint8Array && b instanceof DType && c instanceof Tuple)) refuse('a NumPy array');
        const made = new NumpyArray();
        fill(made, c.items, b, argument.items[3] === 'F', a);
        return made;
      }
      case 'encode': {
        // How Python 3 writes bytes in protocols 0 to 2: as text of characters below 256.
        if (typeof a !== 'string' || pickledText(b) !== 'latin1') refuse('text to be encoded as latin1');
        encoded += a.length;
        if (encoded > bytes.length) refuse('each text encoded once');
        const out = new Uint8Array(a.length);
        for (let i = 0; i < a.length; i++) {
          const unit = a.charCodeAt(i);
          if (unit > 255) refuse('text of characters below 256');
          out[i] = unit;
        }
        return out;
      }
      default:
        return refuse('a call of a known function', callee.kind);
    }
  }

  function fill(array: NumpyArray, shape: PickleValue[], dtype: DType, fortranOrder: boolean, data: Uint8Array): void {
    let size = 1;
    if (shape.length > 32) refuse('at most 32 axes', `${shape.length}`);
    for (const n of shape) {
      if (typeof n !== 'number' || !Number.isInteger(n) || n < 0) refuse('a shape', kindOf(n));
      size *= n;
    }
    const need = size * Number(dtype.code.slice(1));
    if (need !== data.length) refuse(`${need} bytes of array data for shape (${shape.join(', ')})`, `${data.length}`);
    array.shape = shape as number[];
    array.dtype = dtype.name;
    array.fortranOrder = fortranOrder;
    array.bytes = data as Uint8Array<ArrayBuffer>;
  }

  function build(state: PickleValue): void {
    const target = top();
    if (target instanceof DType && state instanceof Tuple) {
      const order = pickledText(state.items[1]) ?? '';
      if (!['|', '<', '='].includes(order)) refuse('little-endian numbers', `byte order '${order.slice(0, 4)}'`);
      target.order = order;
    } else if (target instanceof NumpyArray && target.dtype === '' && state instanceof Tuple) {
      const [, shape, dtype, fortranOrder, data] = state.items;
      if (!(shape instanceof Tuple && dtype instanceof DType && data instanceof Uint8Array))
        refuse('a NumPy array of numbers');
      fill(target, shape.items, dtype, Boolean(fortranOrder), data);
    } else {
      refuse('the state of a NumPy array or type', kindOf(target));
    }
  }

  function remember(key: number): void {
    memo.set(key, top());
  }
  function recall(key: number): PickleValue {
    const value = memo.get(key);
    return value === undefined ? refuse(`an entry ${key} in the memo of the pickle`, 'none') : value;
  }

  for (let step = 0; step < MAX_STEPS; step++) {
    start = at;
    const op = u8();
    switch (op) {
      case 0x80: {
        // PROTO
        const protocol = u8();
        if (protocol > 5) refuse('pickle protocol 0 to 5', String(protocol));
        break;
      }
      case 0x95: // FRAME: only announces how much follows
        if (u64() > bytes.length - at) refuse('a frame within the file');
        break;
      case 0x2e: {
        // STOP
        const result = pop();
        if (stack.length > 0 || marks.length > 0) refuse('one value at the end of the pickle', `${stack.length + 1}`);
        if (at !== bytes.length) refuse('the end of the file', `${bytes.length - at} more bytes`, at);
        return result;
      }
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x30: // POP
        if (stack.length === marks.at(-1)) marks.pop();
        else pop();
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x32: // DUP
        stack.push(top());
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x49: {
        // INT; I00 and I01 are how protocol 0 writes False and True
        const digits = bytes[at] === 0x30 && bytes[at + 2] === 10;
        const value = lineNumber('');
        stack.push(digits ? value !== 0 : value);
        break;
      }
      case 0x4c: // LONG
        stack.push(lineNumber('L'));
        break;
      case 0x46: // FLOAT
        stack.push(lineNumber(''));
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x4b: // BININT1
        stack.push(u8());
        break;
      case 0x4d: // BININT2
        stack.push(u16());
        break;
      case 0x8a: // LONG1
        stack.push(long(u8()));
        break;
      case 0x8b: // LONG4
        stack.push(long(u32()));
        break;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8), false));
        break;
      case 0x53: {
        // STRING: Python 2's repr
        const part = line();
        const quote = part[0];
        if (part.length < 2 || (quote !== 0x27 && quote !== 0x22) || part.at(-1) !== quote) refuse('text in quotes');
        const inner = part.subarray(1, -1);
        stack.push(unescaped(inner, new Uint8Array(inner.length)) ?? refuse('text with escapes of Python'));
        break;
      }
      case 0x56: {
        // UNICODE: raw-unicode-escape
        const part = line();
        const units = unescaped(part, new Uint16Array(part.length)) ?? refuse('text with escapes of Python');
        stack.push(utf16.decode(units));
        break;
      }
      case 0x54: // BINSTRING
      case 0x42: // BINBYTES
        stack.push(block(u32()));
        break;
      case 0x55: // SHORT_BINSTRING
      case 0x43: // SHORT_BINBYTES
        stack.push(block(u8()));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(block(u64()));
        break;
      case 0x58: // BINUNICODE
        stack.push(text(u32()));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(text(u8()));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(text(u64()));
        break;
      case 0x29: // EMPTY_TUPLE
        stack.push(new Tuple([]));
        break;
      case 0x74: // TUPLE
        stack.push(new Tuple(popMark()));
        break;
      case 0x85: // TUPLE1
        stack.push(new Tuple([pop()]));
        break;
      case 0x86: {
        // TUPLE2
        const b = pop();
        stack.push(new Tuple([pop(), b]));
        break;
      }
      case 0x87: {
        // TUPLE3
        const c = pop();
        const b = pop();
        stack.push(new Tuple([pop(), b, c]));
        break;
      }
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x6c: // LIST
        stack.push(popMark());
        break;
      case 0x61: // APPEND
        append([pop()]);
        break;
      case 0x65: // APPENDS
        append(popMark());
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x64: {
        // DICT
        const items = popMark();
        stack.push(new Map());
        setItems(items);
        break;
      }
      case 0x73: {
        // SETITEM
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 0x75: // SETITEMS
        setItems(popMark());
        break;
      case 0x70: // PUT
        remember(lineNumber(''));
        break;
      case 0x71: // BINPUT
        remember(u8());
        break;
      case 0x72: // LONG_BINPUT
        remember(u32());
        break;
      case 0x94: // MEMOIZE
        remember(memo.size);
        break;
      case 0x67: // GET
        stack.push(recall(lineNumber('')));
        break;
      case 0x68: // BINGET
        stack.push(recall(u8()));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(recall(u32()));
        break;
      case 0x63: {
        // GLOBAL
        const module = pickledText(line());
        stack.push(named(module, pickledText(line())));
        break;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = pickledText(pop());
        stack.push(named(pickledText(pop()), name));
        break;
      }
      case 0x52: {
        // REDUCE
        const argument = pop();
        stack.push(call(pop(), argument));
        break;
      }
      case 0x62: // BUILD
        build(pop());
        break;
      default:
        refuse('an opcode of plain data', `0x${op.toString(16).padStart(2, '0')}`);
    }
  }
  return refuse(`a pickle of at most ${MAX_STEPS} steps`);
}
