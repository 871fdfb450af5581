// Pictures made to harm, for the example that reads pictures of its users.
import { crc32, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** By its address, as it has no types. */
const { fromPng } = (await import(new URL('../../examples/png.js', import.meta.url).href)) as {
  fromPng(bytes: Uint8Array): { width: number; height: number; data: Uint8Array };
};

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A grey picture of 8 bits that says it has this size. */
function picture(width: number, height: number, data: Uint8Array, ...more: Buffer[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const parts = [chunk('IHDR', header), ...more, chunk('IDAT', deflateSync(data)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

const two = Uint8Array.of(0, 7, 250);

test('a sound one is read', () => {
  expect([...fromPng(picture(2, 1, two)).data]).toEqual([7, 7, 7, 250, 250, 250]);
});

test.each([
  ['2^32 - 1 pixels wide', picture(2 ** 32 - 1, 1, two), /4294967295 x 1 pixels; at most 33554432 can be read/],
  ['a square that no memory holds', picture(65535, 65535, two), /65535 x 65535 pixels/],
  ['no pixels', picture(0, 5, two), /0 x 5 pixels/],
  ['a size that its data cannot have', picture(5000, 5000, two), /11 bytes of data cannot hold 5000 x 5000 pixels/],
  ['a bomb: 64 MiB of data for one pixel', picture(1, 1, new Uint8Array(2 ** 26)), /damaged PNG file: .*/],
  ['its end in a chunk', picture(2, 1, two).subarray(0, -14), /the end of the file|longer than the file/],
  ['no header', Buffer.concat([picture(2, 1, two).subarray(0, 8), chunk('IEND', Buffer.alloc(0))]), /chunk 'IEND'/],
])('%s is refused', (_, bytes, why) => {
  const start = performance.now();
  const before = process.memoryUsage().arrayBuffers;
  expect(() => fromPng(bytes)).toThrow(why);
  expect(() => fromPng(bytes)).toThrow(/^damaged PNG file: [^\n]*$/);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  expect(performance.now() - start).toBeLessThan(2000);
});

test('a profile that expands to 64 MiB is not looked at', () => {
  const profile = Buffer.concat([Buffer.from('a\0\0'), deflateSync(new Uint8Array(2 ** 26))]);
  const before = process.memoryUsage().arrayBuffers;
  expect(fromPng(picture(2, 1, two, chunk('iCCP', profile))).width).toBe(2);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
});
