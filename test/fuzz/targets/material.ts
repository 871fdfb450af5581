/** What the corpora are made of. */
import { readdirSync, readFileSync } from 'node:fs';
import * as made from '../../data/files.js';
import type { Bytes } from '../mutate.js';

const fixtures = new URL('../../fixtures/', import.meta.url);

/** Fixtures of a folder whose names end so. */
export function files(folder: string, ...ends: string[]): Bytes[] {
  const place = new URL(`${folder}/`, fixtures);
  const names = readdirSync(place).filter((name) => ends.some((end) => name.endsWith(end)));
  return names.sort().map((name) => Uint8Array.from(readFileSync(new URL(name, place))));
}

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const bytesOf = (value: string): Bytes => new TextEncoder().encode(value);
export const copy = (bytes: Uint8Array): Bytes => Uint8Array.from(bytes);

/** Members of a tar archive. */
export const members = (all: made.Files) => all.map(([name, content]) => made.member(name, content));
