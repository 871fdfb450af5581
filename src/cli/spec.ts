/** --spec FILE: a net as JSON. */
import { readFileSync, statSync } from 'node:fs';
import type { ConvNetSpec } from '../index.js';
import { RuleError } from './flags.js';

/** A checkpoint has the specification among its settings, so it is not to be longer than this. */
const MOST_BYTES = 2 ** 18;

/** What the file holds, or a RuleError with where it ceases to be JSON. */
export function readJson(file: string): unknown {
  return parse(readText(file));
}

export function readSpec(file: string): ConvNetSpec {
  const value = readJson(file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as ConvNetSpec;
  throw new RuleError('a file with a JSON object such as {"layers": [{"conv": 16}, {"maxPool": 2}]}');
}

function readText(file: string): string {
  try {
    if (!statSync(file).isFile()) throw new RuleError('a file');
    const bytes = readFileSync(file);
    if (bytes.length > MOST_BYTES) throw new RuleError(`a file of at most ${MOST_BYTES} bytes`);
    return bytes.toString('utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof RuleError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new RuleError(code === 'ENOENT' ? 'a file that exists' : `a file that can be read (${code})`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What JSON.parse says differs from version to version, and not every version says where.
    const { offset, expected } = fault(text);
    const before = text.slice(0, offset).split('\n');
    const found = offset < text.length ? JSON.stringify(text[offset]) : 'the end';
    const column = (before.at(-1) as string).length + 1;
    throw new RuleError(`JSON: line ${before.length}, column ${column} has ${found} where ${expected} belongs`);
  }
}

const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/;
const SCALAR = new RegExp(`${STRING.source}|${NUMBER.source}|true|false|null`, 'y');
const SPACE = /[ \t\r\n]*/y;

/** The first place where `text` ceases to be JSON, and what could stand there. */
function fault(text: string): { offset: number; expected: string } {
  let offset = 0;
  const take = (what: RegExp | string): boolean => {
    SPACE.lastIndex = offset;
    SPACE.exec(text);
    offset = SPACE.lastIndex;
    if (typeof what === 'string') {
      if (text[offset] !== what) return false;
      offset++;
      return true;
    }
    what.lastIndex = offset;
    if (!what.test(text)) return false;
    offset = what.lastIndex;
    return true;
  };
  /** What closes the lists and objects that are open. */
  const open: string[] = [];
  const key = () => (take(STRING) ? (take(':') ? undefined : "':'") : 'a name in double quotes');
  for (;;) {
    // A value.
    if (take('[')) {
      open.push(']');
      if (!take(']')) continue;
      open.pop();
    } else if (take('{')) {
      open.push('}');
      if (!take('}')) {
        const expected = key();
        if (expected !== undefined) return { offset, expected };
        continue;
      }
      open.pop();
    } else if (!take(SCALAR)) {
      return { offset, expected: 'a value' };
    }
    // What comes after it.
    while (open.length > 0 && take(open.at(-1) as string)) open.pop();
    const close = open.at(-1);
    if (close === undefined) return take(/$/y) ? { offset, expected: 'JSON' } : { offset, expected: 'the end' };
    if (!take(',')) return { offset, expected: `',' or '${close}'` };
    const expected = close === '}' ? key() : undefined;
    if (expected !== undefined) return { offset, expected };
  }
}
