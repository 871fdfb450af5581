import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPickledArray, type PickleValue, parsePickle, pickledItems, pickledText } from '../../src/data/pickle.js';
import { DataError } from '../../src/errors.js';
import { ascii, batch, concat, difference, pickled, pickledBytes } from './files.js';

/**
 * One dictionary in protocols 0 to 5, by Python 3.11 and NumPy 2.4:
 * {'batch_label': 'one', 'labels': [3, np.int64(-2)], 'data': X, b'raw': b'\\x00\\xff', 't': (1, 2.5, None, True, -70000,
 * 2**40), 'l': np.array([1, -2], dtype='<i8'), 'F': np.asfortranarray(X), 'u': 'é\\n\\\\'}, X = uint8 [[0, 40, 80], [120, 160, 200]]
 */
const PYTHON_3 = [0, 1, 2, 3, 4, 5].map((protocol) =>
  readFileSync(new URL(`../fixtures/pickles/protocol${protocol}.pkl`, import.meta.url)),
);

const parse = (input: Uint8Array | string) => parsePickle(typeof input === 'string' ? ascii(input) : input, 'a.pkl');

/** The error of a parse that must fail. */
function refused(input: Uint8Array | string): DataError {
  try {
    parse(input);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).not.toContain('\n');
    expect((error as DataError).file).toBe('a.pkl');
    return error as DataError;
  }
  throw new Error('was not refused');
}

describe('what Python writes', () => {
  test.each(PYTHON_3.map((bytes, protocol) => [protocol, bytes]))('protocol %i', (_, bytes) => {
    const value = parse(bytes as Uint8Array) as Map<string, PickleValue>;
    expect([...value.keys()]).toEqual(['batch_label', 'labels', 'data', 'raw', 't', 'l', 'F', 'u']);
    expect(pickledText(value.get('batch_label'))).toBe('one');
    expect(value.get('labels')).toEqual([3, -2]);
    expect([...(value.get('raw') as Uint8Array)]).toEqual([0, 255]);
    expect(pickledItems(value.get('t'))).toEqual([1, 2.5, null, true, -70000, 2 ** 40]);
    expect(pickledItems(value.get('l'))).toEqual([1, -2]);
    expect(pickledText(value.get('u'))).toBe('é\n\\');
    const data = value.get('data');
    if (!isPickledArray(data)) throw new Error('not an array');
    expect(data).toMatchObject({ shape: [2, 3], dtype: '|u1', fortranOrder: false });
    expect([...data.bytes]).toEqual([0, 40, 80, 120, 160, 200]);
    const turned = value.get('F');
    if (!isPickledArray(turned)) throw new Error('not an array');
    expect(turned.fortranOrder).toBe(true);
    expect([...turned.bytes]).toEqual([0, 120, 40, 160, 80, 200]);
  });

  test('a batch of Python 2, the pixels without a copy', () => {
    const one = batch(3, 1);
    const input = pickled(one);
    const value = parse(input) as Map<string, PickleValue>;
    expect(value.get('labels')).toEqual(one.labels);
    const data = value.get('data');
    if (!isPickledArray(data)) throw new Error('not an array');
    expect(data.shape).toEqual([3, 3072]);
    expect(data.bytes.buffer).toBe(input.buffer);
    expect(difference(data.bytes, one.pixels)).toBe(-1);
  });

  test.each([
    ['i1', Int8Array.of(-2, 3)],
    ['u2', Uint16Array.of(65535, 3)],
    ['i2', Int16Array.of(-2, 3)],
    ['u4', Uint32Array.of(2 ** 32 - 1, 3)],
    ['i4', Int32Array.of(-2, 3)],
    ['u8', BigUint64Array.of(2n ** 40n, 3n)],
    ['i8', BigInt64Array.of(-2n, 3n)],
    ['f4', Float32Array.of(-0.5, 3)],
    ['f8', Float64Array.of(-0.1, 3)],
  ])('items of an array of %s', (type, numbers) => {
    const bytes = new Uint8Array(numbers.buffer);
    const text = String.fromCharCode(...pickledBytes([2], bytes)).replace('U\x02u1', `U\x02${type}`);
    expect(pickledItems(parse(`${text}.`))).toEqual(Array.from(numbers as Int8Array, Number));
  });

  test.each([
    ['N.', null],
    ['I-7\n.', -7],
    ['I01\n.', true],
    ['I00\n.', false],
    ['I1\n.', 1],
    ['L123L\n.', 123],
    ['F-2.5e-3\n.', -0.0025],
    ['V\\u00e9\\u000a\n.', 'é\n'],
    ['(I1\nI2\nl.', [1, 2]],
    ['(lp0\nI1\nag0\n0.', [1]],
    ["(dp0\nS'a'\nI1\ns.", new Map([['a', 1]])],
    ['K\x01K\x020.', 1],
    ['(K\x01K\x021K\x03.', 3],
    ['\x80\x02\x8a\x00.', 0],
    ['\x80\x02\x8a\x02\x00\xff.', -256],
    ['\x80\x02\x8a\x07\xff\xff\xff\xff\xff\xff\x0f.', 2 ** 52 - 1],
    ['G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['](K\x05\x32e.', [5, 5]],
  ])('%j', (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  test("Python 2's text with escapes", () => {
    const value = parse("S'a\\x00\\n\\t\\\\\\'\"'\n.") as Uint8Array;
    expect([...value]).toEqual([97, 0, 10, 9, 92, 39, 34]);
  });
});

describe('what is refused', () => {
  const call = (name: string) => `c${name}\n(S'echo'\ntR.`;

  test.each([
    ['os.system', call('os\nsystem')],
    ['eval', call('__builtin__\neval')],
    ['a name on the stack', '\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.'],
    ['names like those of objects', call('constructor\ntoString')],
    ['a subclass of the array', 'cnumpy\nmatrix\n.'],
    ['an instance', "(S'x'\nios\nsystem\n."],
    ['an object', '(cnumpy\nndarray\no.'],
    ['NEWOBJ', 'cnumpy\nndarray\n)\x81.'],
    ['EXT1', '\x80\x02\x82\x01.'],
    ['a persistent name', 'Pname\n.'],
    ['a persistent value', 'K\x01Q.'],
    ['BUILD of a dictionary', '}}b.'],
    ['BUILD of a second state', concat(pickledBytes([1], ascii('a')), '}b.')],
    ['a call of a type', 'cnumpy\nndarray\n)R.'],
    ['a call of a list', '])R.'],
    ['an array of objects', 'cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.'],
    ['big-endian numbers', 'cnumpy\ndtype\nU\x02i4K\x00K\x01\x87R(K\x03U\x01>NNNtb.'],
    ['too little data', concat(pickledBytes([2, 3], ascii('abcde')), '.')],
    ['a shape whose size overflows', concat(pickledBytes([2 ** 30, 2 ** 30], ascii('')), '.')],
    ['a negative shape', concat(pickledBytes([-1], ascii('')), '.')],
    ['protocol 6', '\x80\x06N.'],
    ['an unknown opcode', '\xfe.'],
    ['nothing', ''],
    ['an empty stack', '.'],
    ['two values', 'K\x01K\x02.'],
    ['an open mark', '(K\x01.'],
    ['a value taken across a mark', 'K\x01(0(\x86.'],
    ['a mark that is not there', 'K\x01t.'],
    ['a memo that is not there', 'h\x07.'],
    ['bytes after the end', 'N.N.'],
    ['a list as key', '}]Ns.'],
    ['half a pair', '}(K\x01u.'],
    ['an item for a number', 'K\x01K\x02a.'],
    ['an item for a tuple', ')K\x02a.'],
    ['text without quotes', 'Sabc\n.'],
    ['an unknown escape', "S'\\q'\n."],
    ['a number that is none', 'I12x\n.'],
    ['an integer of 9 bytes', '\x80\x02\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.'],
    ['an integer above 2^53', '\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.'],
    ['text that is not UTF-8', 'X\x01\x00\x00\x00\xff.'],
    ['text to encode that is no byte', 'c_codecs\nencode\n(V\\u0100\nV' + 'latin1\ntR.'],
  ])('%s', (_, input) => {
    refused(input);
  });

  test.each([
    ['BINSTRING', 'T\xff\xff\xff\xff'],
    ['BINBYTES8', '\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff'],
    ['BINUNICODE', 'X\xff\xff\xff\x7f'],
    ['LONG4', '\x80\x02\x8b\xff\xff\xff\x7f'],
    ['FRAME', '\x80\x04\x95\xff\xff\xff\xff\x00\x00\x00\x00'],
  ])('%s longer than the file', (_, text) => {
    expect(refused(`${text}abc.`).message).toMatch(/bytes of a pickle|within the file/);
  });

  test('says what, where and what instead', () => {
    const error = refused(`\x80\x02}U\x01a${call('os\nsystem')}`);
    expect(error.offset).toBe(6);
    expect(error.expected).toBe('nothing but data in the pickle');
    expect(error.message).toContain('"os.system"');
  });
});

describe('hostile pickles end quickly', () => {
  const within = (ms: number, run: () => void) => {
    const start = performance.now();
    run();
    expect(performance.now() - start).toBeLessThan(ms);
  };

  test.each([
    ['marks', '('],
    ['lists', ']'],
    ['dictionaries', '}'],
    ['copies', '2'],
    ['tuples in tuples', '\x85'],
  ])('ten million %s', (_, opcode) => {
    const input = concat('\x80\x02N', new Uint8Array(1e7).fill(opcode.charCodeAt(0)), '.');
    within(10_000, () => refused(input));
  });

  test('a list of lists of lists, each ten times the one before', () => {
    // Held by reference it is small; written out, 60 levels would be 10^60 items.
    const level = (n: number) => concat(']q', [n], '(', ...Array.from({ length: 10 }, () => concat('h', [n - 1])), 'e');
    const levels = Array.from({ length: 60 }, (_, n) => level(n + 1));
    within(10_000, () => {
      const value = parse(concat('\x80\x02(]q\x00', ...levels, 'l.')) as PickleValue[][];
      expect(value[60]?.[9]).toBe(value[59]);
    });
  });

  test('a list that holds itself', () => {
    const value = parse(']q\x00h\x00a.') as PickleValue[];
    expect(value[0]).toBe(value);
  });

  test('a long text encoded again and again', () => {
    const text = `X\x00\x00\x10\x00${'a'.repeat(2 ** 20)}q\x00`;
    const again = 'c_codecs\nencode\nh\x00U\x06latin1\x86R'.repeat(1000);
    within(10_000, () => expect(refused(`\x80\x02(${text}${again}l.`).expected).toBe('each text encoded once'));
  });
});

describe('damaged pickles give a value or a DataError', () => {
  const samples = [...PYTHON_3, pickled(batch(1, 1))];
  const attempt = (bytes: Uint8Array) => {
    try {
      parse(bytes);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      expect(error.offset).toBeLessThanOrEqual(bytes.length);
    }
  };

  test('cut off at every byte', () => {
    for (const sample of samples) for (let end = 0; end < sample.length; end++) refused(sample.subarray(0, end));
  });

  test('with bytes changed', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(fc.nat(samples.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }), (which, changes) => {
        const bytes = Uint8Array.from(samples[which] as Uint8Array);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        attempt(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test('opcodes at random', () => {
    const opcodes = ascii(
      '().0123FIJKLMNPQRSTUVXabcdeghijlopqrstu]}G\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x93\x94\x95\x00\x01\n',
    );
    const program = fc.array(fc.constantFrom(...opcodes), { maxLength: 60 });
    fc.assert(
      fc.property(program, (codes) => attempt(Uint8Array.from(codes))),
      { numRuns: 5000 },
    );
  });
});
