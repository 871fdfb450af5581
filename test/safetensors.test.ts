// Files of named arrays: what others write, what comes back, and what is refused.
import * as lw from 'lanewise';
import { describe, expect, test } from 'vitest';
import { bits, expectRefused, firstDifference, uniforms } from './support.js';

const live = () => lw.info().memory.live;

/** A file with this header and so many bytes of data. */
function file(header: string, data: number | Uint8Array = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: number[], begin: number, end: number) =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

describe('what the reference implementation writes', () => {
  // safetensors 0.8.0 with NumPy: safetensors.numpy.save({...}, metadata={'note': 'by python', 'ä': 'ö'})
  const written =
    '+AEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJub3RlIjoiYnkgcHl0aG9uIiwiw6QiOiLDtiJ9LCJiaWciOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzJdLCJk' +
    'YXRhX29mZnNldHMiOlswLDE2XX0sInoiOnsiZHR5cGUiOiJGNjQiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzE2LDI0XX0sImVtcHR5Ijp7ImR0eXBl' +
    'IjoiRjMyIiwic2hhcGUiOlswLDNdLCJkYXRhX29mZnNldHMiOlsyNCwyNF19LCJ3Ijp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNl' +
    'dHMiOlsyNCw0OF19LCLDqSBcInFcIiI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzQ4LDU2XX0sImgiOnsiZHR5cGUiOiJG' +
    'MTYiLCJzaGFwZSI6WzRdLCJkYXRhX29mZnNldHMiOls1Niw2NF19LCJpOCI6eyJkdHlwZSI6Ikk4Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbNjQs' +
    'NjZdfSwiYiI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOls2Niw2OF19fSD7/////////wcAAAAAAAAAAAAAAAAADEAAAMA/' +
    'AAAQwAAAQEAAAIBAAACgQAAAwEABAAAA/v///wA+Zq7/ewEA/wIBAA==';
  const bytes = Uint8Array.from(atob(written), (character) => character.charCodeAt(0));

  test('is read: its types, shapes, names and texts', () => {
    const before = live();
    lw.scope(() => {
      const found = lw.readSafetensors(bytes);
      const plain = Object.entries(found).map(([name, t]) => [name, t.dtype, t.shape, t.toArray()]);
      expect(plain).toEqual([
        ['big', 'int32', [2], [-5, 7]],
        ['z', 'float64', [], 3.5],
        ['empty', 'float32', [0, 3], []],
        [
          'w',
          'float32',
          [2, 3],
          [
            [1.5, -2.25, 3],
            [4, 5, 6],
          ],
        ],
        ['é "q"', 'int32', [2], [1, -2]],
        ['h', 'float32', [4], [1.5, -0.0999755859375, 65504, 2 ** -24]],
        ['i8', 'int32', [2], [-1, 2]],
        ['b', 'int32', [2], [1, 0]],
      ]);
      expect(lw.safetensorsMetadata(bytes)).toEqual({ note: 'by python', ä: 'ö' });
    });
    expect(live()).toBe(before);
  });

  test('is what is written here', () => {
    // Its tensors of the types that are written; the order of equal sizes is that of the reference too.
    lw.scope(() => {
      const { z, w } = lw.readSafetensors(bytes);
      const text = `{"z":${entry('F64', [], 0, 8)},"w":${entry('F32', [2, 3], 8, 32)}}`;
      const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
      const data = new Uint8Array([...bits(z), ...bits(w)]);
      expect(lw.writeSafetensors({ w, z })).toEqual(file(padded, data));
    });
  });
});

test('every bit comes back, from any place in a buffer', () => {
  const before = live();
  const next = uniforms(3);
  for (let round = 0; round < 40; round++) {
    lw.scope(() => {
      const tensors: Record<string, lw.Tensor> = {};
      for (let i = 0; i < round % 7; i++) {
        const dtype = (['float32', 'float64', 'int32'] as const)[Math.floor(next() * 3)];
        const shape = Array.from({ length: Math.floor(next() * 4) }, () => Math.floor(next() * 5));
        const t = lw.zeros(shape, { dtype });
        // Any pattern of bits, those of NaN among them.
        const raw = new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
        for (let k = 0; k < raw.length; k++) raw[k] = Math.floor(next() * 256);
        tensors[['W1', '0', '"\\', 'ä\n', '\ud800', 'constructor', ''][i]] = t;
      }
      const metadata: Record<string, string> = round % 2 ? { 'a "key"': 'text \\ \u0000 \ud83d\ude00', 7: '' } : {};
      const bytes = lw.writeSafetensors(tensors, { metadata });
      expect(bytes.length % 4).toBe(0);
      const shift = round % 5;
      const shifted = new Uint8Array(bytes.length + 8);
      shifted.set(bytes, shift);
      const part = shifted.subarray(shift, shift + bytes.length);
      const found = lw.readSafetensors(part);
      expect(Object.keys(found).sort()).toEqual(Object.keys(tensors).sort());
      for (const [name, t] of Object.entries(found)) {
        expect([t.dtype, t.shape]).toEqual([tensors[name].dtype, tensors[name].shape]);
        expect(firstDifference(bits(t), bits(tensors[name]))).toBe(-1);
      }
      expect(lw.safetensorsMetadata(part)).toEqual(metadata);
    });
  }
  expect(live()).toBe(before);
});

test('smaller types become larger ones, exactly', () => {
  const data = new Uint8Array(8 + 8 + 4 + 4 + 4 + 2 + 2);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, 2147483647n, true);
  view.setBigInt64(8, -2147483648n, true);
  view.setUint32(16, 7, true);
  view.setUint16(20, 0xc049, true); // bfloat16 of -3.140625
  view.setUint16(22, 0x7fc0, true);
  view.setUint16(24, 0x7c00, true); // half precision infinity
  view.setUint16(26, 0x8001, true);
  view.setUint16(28, 65535, true);
  data.set([200, 129], 30);
  const header = {
    u64: { dtype: 'U64', shape: [1], data_offsets: [0, 8] },
    i64: { dtype: 'I64', shape: [1], data_offsets: [8, 16] },
    u32: { dtype: 'U32', shape: [1], data_offsets: [16, 20] },
    bf16: { dtype: 'BF16', shape: [2], data_offsets: [20, 24] },
    f16: { dtype: 'F16', shape: [2], data_offsets: [24, 28] },
    u16: { dtype: 'U16', shape: [1], data_offsets: [28, 30] },
    u8: { dtype: 'U8', shape: [2], data_offsets: [30, 32] },
  };
  lw.scope(() => {
    const found = lw.readSafetensors(file(JSON.stringify(header), data));
    expect(Object.fromEntries(Object.entries(found).map(([name, t]) => [name, Array.from(t.data)]))).toEqual({
      u64: [2147483647],
      i64: [-2147483648],
      u32: [7],
      bf16: [-3.140625, NaN],
      f16: [Infinity, -(2 ** -24)],
      u16: [65535],
      u8: [200, 129],
    });
  });
  view.setBigUint64(0, 2147483648n, true);
  expectRefused(
    () => lw.readSafetensors(file(JSON.stringify(header), data), { file: 'a.safetensors' }),
    lw.DataError,
    /^readSafetensors: a\.safetensors: expected whole numbers of 32 bits in 'u64' at byte \d+, got 2147483648$/,
  );
});

describe('refused, naming the byte', () => {
  const F32 = entry('F32', [2], 0, 8);
  const huge = new Uint8Array(16);
  huge.fill(255, 0, 8);
  const cases: [string, Uint8Array | unknown, RegExp][] = [
    ['no bytes', 'text', /expected a Uint8Array at byte 0, got 'text'$/],
    ['nothing', new Uint8Array(0), /expected 8 bytes of preamble at byte 0/],
    [
      'a header beyond any limit',
      huge,
      /expected a header of at most 100000000 bytes at byte 0, got 18446744073709551615/,
    ],
    ['a header beyond the file', file('{}').subarray(0, 9), /expected a header of 2 bytes at byte 9, got the end/],
    ['what is no UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0x80), /expected a header in UTF-8 at byte 8/],
    ['a byte order mark', file('\ufeff{}'), /expected '\{' at byte 8/],
    ['space before', file(' {}'), /expected '\{' at byte 8/],
    ['a list', file('[]'), /expected '\{' at byte 8, got '\[\]'/],
    ['no end', file('{"a":'), /expected '\{' at byte 13, got the end of the header/],
    ['something behind it', file('{}x'), /expected the end of the header at byte 10, got 'x'/],
    ['a comma too many', file('{"a":{"dtype":"F32",}}'), /expected text in double quotes at byte 28/],
    ['text without end', file('{"a\\"'), /expected text in double quotes at byte 9, got no end of it/],
    ['text with a bad escape', file('{"\\x":1}'), /expected text in JSON at byte 9/],
    ['text with a line feed', file('{"\n":1}'), /expected text in JSON at byte 9/],
    ['a number for a tensor', file('{"a":1}'), /expected '\{' at byte 13, got '1\}'/],
    ['nesting', file('{"a":{"shape":[[1]]}}'), /expected a whole number at byte 23/],
    ['a name twice', file(`{"a":${F32},"a":${F32}}`, 8), /expected every name once at byte \d+, got 'a' again/],
    ['a name twice, escaped', file(`{"a":${F32},"\\u0061":${F32}}`, 8), /expected every name once/],
    ['a field twice', file('{"a":{"dtype":"F32","dtype":"F32"}}'), /expected dtype, shape and data_offsets, each once/],
    ['a field of its own', file('{"a":{"type":"F32"}}'), /each once at byte 14, got 'type'/],
    ['a field less', file('{"a":{"dtype":"F32","shape":[]}}'), /expected dtype, shape and data_offsets of 'a'/],
    ['__proto__', file(`{"__proto__":${F32}}`, 8), /expected another name at byte 9, got '__proto__'/],
    ['__proto__ in metadata', file('{"__metadata__":{"__proto__":"x"}}'), /expected another key at byte 25/],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /expected every name once/],
    ['a key twice', file('{"__metadata__":{"k":"1","k":"2"}}'), /expected every key once/],
    ['metadata that is no text', file('{"__metadata__":{"k":1}}'), /expected text in double quotes at byte 29/],
    ['an unknown type', file(`{"a":${entry('F8_E4M3', [1], 0, 1)}}`, 1), /expected one of F64, .* got 'F8_E4M3'/],
    ['a type of Object', file(`{"a":${entry('constructor', [1], 0, 1)}}`, 1), /got 'constructor'/],
    ['a negative axis', file(`{"a":${entry('F32', [-1], 0, 8)}}`, 8), /expected a whole number at byte \d+, got '-1\]/],
    ['a fraction', file(`{"a":${entry('F32', [1.5], 0, 8)}}`, 8), /expected '\]' at byte \d+, got '\.5\]/],
    ['an exponent', file('{"a":{"shape":[1e3]}}'), /expected '\]'/],
    ['a leading zero', file('{"a":{"shape":[01]}}'), /expected a whole number/],
    ['a number beyond 2^53', file('{"a":{"shape":[9007199254740993]}}'), /expected a whole number/],
    ['an axis of 2^31', file(`{"a":${entry('U8', [2 ** 31, 0], 0, 0)}}`), /expected fewer than 2\^31 elements/],
    ['elements beyond 2^31', file(`{"a":${entry('F32', [65536, 65536], 0, 8)}}`, 8), /fewer than 2\^31 elements/],
    ['too many axes', file(`{"a":${entry('F32', Array(33).fill(1), 0, 4)}}`, 4), /expected at most 32 numbers/],
    ['offsets backwards', file(`{"a":${entry('F32', [2], 8, 0)}}`, 8), /expected \[begin, end\]/],
    ['one offset', file('{"a":{"data_offsets":[0]}}'), /expected \[begin, end\]/],
    ['three offsets', file('{"a":{"data_offsets":[0,1,2]}}'), /expected at most 2 numbers/],
    ['too few bytes for a shape', file(`{"a":${entry('F32', [3], 0, 8)}}`, 8), /expected 12 bytes for 'a' .*, got 8/],
    ['an end beyond the file', file(`{"a":${F32}}`, 7), /expected 8 bytes of 'a' from \d+ at byte \d+, got the end/],
    ['more than the tensors', file(`{"a":${F32}}`, 9), /expected the end of the data at byte \d+, got 1 more bytes/],
    [
      'a gap',
      file(`{"a":${F32},"b":${entry('F32', [1], 12, 16)}}`, 16),
      /expected 'b' to begin at byte 8 of the data at byte \d+, got 12, which leaves a gap before it/,
    ],
    [
      'an overlap',
      file(`{"a":${F32},"b":${entry('F32', [2], 4, 12)}}`, 12),
      /expected 'b' to begin at byte 8 .* got 4, which overlaps the one before/,
    ],
  ];

  test.each(cases)('%s', (_, bytes, message) => {
    expectRefused(() => lw.readSafetensors(bytes as Uint8Array), lw.DataError, message);
    expectRefused(() => lw.safetensorsMetadata(bytes as Uint8Array), lw.DataError, message);
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  test('offsets count bytes, not characters', () => {
    expectRefused(
      () => lw.readSafetensors(file('{"ä€😀":1}'), { file: 'x' }),
      lw.DataError,
      "readSafetensors: x: expected '{' at byte 21, got '1}'",
    );
  });

  test('every cut and every changed byte: a DataError, or a file that is sound', () => {
    lw.scope(() => {
      const bytes = lw.writeSafetensors(
        { W1: lw.ones([3, 2]), b1: lw.zeros([2], { dtype: 'float64' }), y: lw.tensor([1, 2], { dtype: 'int32' }) },
        { metadata: { note: 'ä' } },
      );
      const before = live();
      for (let length = 0; length < bytes.length; length++) {
        expectRefused(() => lw.readSafetensors(bytes.subarray(0, length)), lw.DataError, /at byte \d+/);
      }
      const next = uniforms(5);
      for (let round = 0; round < 4000; round++) {
        const changed = bytes.slice();
        for (let n = Math.ceil(next() * 3); n > 0; n--) {
          changed[Math.floor(next() ** 2 * changed.length)] = Math.floor(next() * 256);
        }
        try {
          for (const t of Object.values(lw.readSafetensors(changed))) t.dispose();
        } catch (error) {
          expect(error).toBeInstanceOf(lw.DataError);
        }
        expect(live()).toBe(before);
      }
    });
  });

  test('long headers take time in proportion', () => {
    const quotes = file(`{"__metadata__":{"k":"${'\\"'.repeat(500_000)}"}}`);
    const slashes = file(`{"__metadata__":{"k":"${'\\\\'.repeat(500_000)}"}}`);
    const spaces = file(`{${' '.repeat(2_000_000)}}`);
    const many = file(`{${Array.from({ length: 20_000 }, (_, i) => `"${i}":${entry('U8', [0], 0, 0)}`).join(',')}}`);
    const open = file('{"a":'.repeat(500_000));
    const start = performance.now();
    expect(lw.safetensorsMetadata(quotes).k.length).toBe(500_000);
    expect(lw.safetensorsMetadata(slashes).k.length).toBe(500_000);
    expect(lw.safetensorsMetadata(spaces)).toEqual({});
    expect(lw.safetensorsMetadata(many)).toEqual({});
    expectRefused(() => lw.readSafetensors(open), lw.DataError, /each once/);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

test('what cannot be written is refused', () => {
  lw.scope(() => {
    const t = lw.ones([2]);
    const write = (tensors: unknown, metadata?: unknown) => () =>
      lw.writeSafetensors(tensors as never, { metadata } as never);
    expectRefused(write(t), lw.OptionError, /tensors must be tensors by name, got float32 tensor \(2\)/);
    expectRefused(write({ a: [1] }), lw.OptionError, 'writeSafetensors: a must be a tensor, got [1]');
    expectRefused(write({ __metadata__: t }), lw.OptionError, /a name must be another than __metadata__/);
    expectRefused(write(Object.fromEntries([['__proto__', t]])), lw.OptionError, /another than __proto__/);
    expectRefused(write({ t }, { n: 3 }), lw.OptionError, 'writeSafetensors: metadata.n must be text, got 3');
    expectRefused(() => lw.writeSafetensors({ t }, { meta: {} } as never), lw.OptionError, /unknown option 'meta'/);
    expectRefused(() => lw.readSafetensors(new Uint8Array(8), { name: 'x' } as never), lw.OptionError, /'name'/);
  });
});

test('no room: nothing is left behind', async () => {
  const { build, threads } = lw.info();
  await lw.init({ build, threads, maxMemory: 2 ** 21 });
  const bytes = file(
    `{"a":${entry('F32', [1000], 0, 4000)},"b":${entry('F32', [1_000_000], 4000, 4_004_000)}}`,
    4_004_000,
  );
  expectRefused(() => lw.readSafetensors(bytes), lw.MemoryError, /no room for/);
  await lw.init({ build, threads });
});
