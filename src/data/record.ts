/** One image of CIFAR-10 in a binary file. */

/** Bytes of an image: three planes (red, green, blue) of 32 rows. */
export const PIXELS = 3 * 32 * 32;
/** Bytes of an image in a binary file: a label goes before the pixels. */
export const RECORD = 1 + PIXELS;
