/**
 * What reads and writes files of data: a bundle of its own, loaded when the first file is asked for. A page that trains on
 * other data never fetches it.
 */
export { loadMnist, readIdx, readNpy, readNpz, writeNpy, writeNpz } from './arrayFiles.js';
export { Batches } from './batches.js';
