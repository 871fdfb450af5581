// Pictures of strangers: a PNG file becomes RGB bytes, or an error that says what is wrong with it. Memory is bounded by the
// pixels that are stated, and these by a limit, whatever the file expands to.
import { inflateSync } from 'node:zlib';
import { convertIndexedToRgb, decode, hasPngSignature } from 'fast-png';

const MOST_PIXELS = 2 ** 25;
/** What DEFLATE can make of a byte at most. */
const MOST_RATIO = 1032;
/** Chunks that decide what the picture looks like; profiles, texts and animations may expand to anything. */
const WANTED = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'];
/** Samples of a pixel for each type of colour: grey, RGB, palette, and the first two with alpha. */
const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** A name out of a file, which may be any four bytes, in quotes. */
function printable(name) {
  return `'${name.replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
}

/** The file without other chunks, once its pixels are known to be few enough and to be what its data hold. */
function bounded(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [bytes.subarray(0, 8)];
  const data = [];
  for (let at = 8; at < bytes.length; ) {
    if (at + 12 > bytes.length) throw new Error(`the end of the file in a chunk at byte ${at}`);
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) throw new Error(`a chunk at byte ${at} is longer than the file`);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if ((at === 8) !== (type === 'IHDR')) throw new Error(`chunk ${printable(type)} at byte ${at}`);
    if (WANTED.includes(type)) parts.push(bytes.subarray(at, end));
    if (type === 'IDAT') data.push(bytes.subarray(at + 8, end - 4));
    if (type === 'IEND') break;
    at = end;
  }
  if (bytes.length < 29 || view.getUint32(8) !== 13) throw new Error('no header');
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, type, , , interlaced] = bytes.subarray(24, 29);
  if (width === 0 || height === 0 || width * height > MOST_PIXELS) {
    throw new Error(`${width} x ${height} pixels; at most ${MOST_PIXELS} can be read`);
  }
  // Each row begins with the number of its filter; interlaced there are up to 15 rows for 8.
  const row = 1 + Math.ceil((width * depth * (SAMPLES[type] ?? 4)) / 8);
  const most = interlaced ? 2 * row * (height + 7) : row * height;
  const packed = Buffer.concat(data);
  if (!interlaced && most > MOST_RATIO * packed.length) {
    throw new Error(`${packed.length} bytes of data cannot hold ${width} x ${height} pixels`);
  }
  // Unpacked for its length alone: the decoder would take whatever comes.
  inflateSync(packed, { maxOutputLength: Math.max(1, most) });
  return Buffer.concat(parts);
}

/** Bytes of a PNG file as { width, height, data: RGB bytes }; what is transparent lies on white. */
export function fromPng(bytes) {
  if (!hasPngSignature(bytes)) throw new Error('not a PNG file');
  let png;
  let rgb;
  try {
    png = decode(bounded(bytes), { checkCrc: true });
    // Colour type 3: numbers of colours of a palette, which may not have them.
    if (bytes[25] === 3) rgb = convertIndexedToRgb(png);
  } catch (error) {
    throw new Error(`damaged PNG file: ${String(error.message).split('\n')[0]}`, { cause: error });
  }
  // Of the header: bits a sample, and interlaced or not.
  const [depth, , , , interlaced] = bytes.subarray(24, 29);
  if (interlaced && depth < 8) {
    throw new Error(`interlaced PNG with ${depth} bits a sample is not supported; save it without interlacing`);
  }
  const { width, height } = png;
  const samples = rgb ?? (depth < 8 ? unpacked(png) : png.data);
  const count = samples.length / (width * height);
  const scale = rgb ? 1 : 255 / (2 ** depth - 1);
  const coloured = count >= 3;
  const alpha = count === 2 || count === 4;
  // Without an alpha channel one colour may be named as the transparent one.
  const key = rgb ? undefined : png.transparency;
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const at = i * count;
    let opaque = alpha ? (samples[at + count - 1] * scale) / 255 : 1;
    if (key?.every((value, channel) => samples[at + channel] === value)) opaque = 0;
    for (let channel = 0; channel < 3; channel++) {
      const value = samples[at + (coloured ? channel : 0)] * scale;
      data[3 * i + channel] = Math.round(255 + (value - 255) * opaque);
    }
  }
  return { width, height, data };
}

/** Grey samples of 1, 2 or 4 bits, a number each; every row of the file begins with a new byte. */
function unpacked({ width, height, depth, data }) {
  const stride = Math.ceil((width * depth) / 8);
  const samples = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const bit = column * depth;
      const byte = data[row * stride + (bit >> 3)];
      samples[row * width + column] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return samples;
}
