/**
 * The file format of MNIST: two zero bytes, a type, the number of axes, their lengths, the numbers; all big-endian.
 *
 * http://yann.lecun.com/exdb/mnist
 */
import { DataError, formatShape } from '../errors.js';
import { sizeOf } from '../shape.js';
import { type FileArray, MAX_AXES, type NumberCode, typedNumbers, widthOf } from './numbers.js';

const TYPES: Readonly<Record<number, NumberCode>> = { 8: 'u1', 9: 'i1', 11: 'i2', 12: 'i4', 13: 'f4', 14: 'f8' };

export function parseIdx(where: string, file: string, bytes: Uint8Array): FileArray {
  const refuse = (offset: number, expected: string, found?: string): never => {
    throw new DataError({ where, file, offset, expected, ...(found === undefined ? {} : { found }) });
  };
  if (bytes.length < 4) return refuse(bytes.length, 'the four bytes an IDX file begins with', 'the end of the file');
  const [zero, null_, type, axes] = bytes as unknown as [number, number, number, number];
  const code = zero === 0 && null_ === 0 ? TYPES[type] : undefined;
  if (code === undefined)
    return refuse(0, 'an IDX file: 0, 0, a type from 8 to 14', [...bytes.subarray(0, 3)].join(', '));
  if (axes > MAX_AXES) refuse(3, `at most ${MAX_AXES} axes`, `${axes}`);
  const at = 4 + 4 * axes;
  if (at > bytes.length) refuse(bytes.length, `lengths of ${axes} axes`, 'the end of the file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: axes }, (_, i) => view.getUint32(4 + 4 * i));
  const tooLong = shape.findIndex((n) => n >= 2 ** 31);
  if (tooLong >= 0) refuse(4 + 4 * tooLong, 'a length below 2^31', `${shape[tooLong]}`);
  const width = widthOf(code);
  if (at + sizeOf(shape) * width !== bytes.length) {
    const expected = `${sizeOf(shape)} numbers of ${width} bytes for shape ${formatShape(shape)}`;
    refuse(at, expected, `${bytes.length - at} bytes`);
  }
  return { shape, numbers: typedNumbers(bytes.subarray(at), code, true), at, width };
}
