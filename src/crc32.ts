/** CRC-32 as in gzip, zip and PNG (ISO 3309), four bytes at a time (Kounavis and Berry, 2005). */

/** TABLES[k][b]: the remainder of byte b with k zero bytes behind it. */
const TABLES = Array.from({ length: 4 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  TABLES[0][byte] = rest;
}
for (let k = 1; k < 4; k++) {
  for (let byte = 0; byte < 256; byte++) {
    const before = TABLES[k - 1][byte];
    TABLES[k][byte] = (before >>> 8) ^ TABLES[0][before & 255];
  }
}
const [T0, T1, T2, T3] = TABLES;

/** before: of the bytes that go before these, to go on from. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let rest = ~before;
  let at = 0;
  for (const whole = bytes.length - 3; at < whole; at += 4) {
    rest ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    rest = T3[rest & 255] ^ T2[(rest >>> 8) & 255] ^ T1[(rest >>> 16) & 255] ^ T0[rest >>> 24];
  }
  for (; at < bytes.length; at++) rest = (rest >>> 8) ^ T0[(rest ^ bytes[at]) & 255];
  return ~rest >>> 0;
}
