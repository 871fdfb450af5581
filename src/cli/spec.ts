/** --spec FILE: a net as JSON. */
import { readFileSync, statSync } from 'node:fs';
import { type ConvNetSpec, oneLine } from '../index.js';
import { RuleError } from './flags.js';

/** A checkpoint has the specification among its settings, so it is not to be longer than this. */
const MOST_BYTES = 2 ** 18;
/** Nothing that the command reads has more lists and objects inside one another. */
const DEEPEST = 100;

/** What the file holds, or a RuleError with where it ceases to be JSON. */
export function readJson(file: string): unknown {
  return parseJson(readText(file));
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

/** What the text says, or a RuleError. Stricter than JSON.parse: no name twice in an object, no endless nesting. */
export function parseJson(text: string): unknown {
  // What JSON.parse says of a fault differs from version to version, and not every version says where.
  const found = fault(text);
  if (found === undefined) return JSON.parse(text);
  const { offset, expected } = found;
  const before = text.slice(0, offset).split('\n');
  const there = offset < text.length ? oneLine(JSON.stringify(text[offset])) : 'the end';
  const column = (before.at(-1) as string).length + 1;
  throw new RuleError(`JSON: line ${before.length}, column ${column} has ${there} where ${expected} belongs`);
}

const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/;
const SCALAR = new RegExp(`${STRING.source}|${NUMBER.source}|true|false|null`, 'y');
const SPACE = /[ \t\r\n]*/y;

/** The first place where `text` ceases to be JSON, and what could stand there; undefined if it is JSON. */
function fault(text: string): { offset: number; expected: string } | undefined {
  let offset = 0;
  /** Where what was taken last begins. */
  let start = 0;
  const take = (what: RegExp | string): boolean => {
    SPACE.lastIndex = offset;
    SPACE.exec(text);
    offset = SPACE.lastIndex;
    start = offset;
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
  /** The lists and objects that are open: what closes them, and the names that they have so far. */
  const open: { close: string; names: Set<string> }[] = [];
  const enter = (close: string) => {
    open.push({ close, names: new Set() });
    return open.length <= DEEPEST;
  };
  const key = (names: Set<string>): string | undefined => {
    if (!take(STRING)) return 'a name in double quotes';
    const name = JSON.parse(text.slice(start, offset)) as string;
    if (names.has(name)) {
      offset = start;
      return 'a name that the object does not have yet';
    }
    names.add(name);
    return take(':') ? undefined : "':'";
  };
  for (;;) {
    // A value.
    if (take('[')) {
      if (!enter(']')) return { offset: start, expected: `a value ${DEEPEST} lists deep at most` };
      if (!take(']')) continue;
      open.pop();
    } else if (take('{')) {
      if (!enter('}')) return { offset: start, expected: `a value ${DEEPEST} objects deep at most` };
      if (!take('}')) {
        const expected = key((open.at(-1) as (typeof open)[number]).names);
        if (expected !== undefined) return { offset, expected };
        continue;
      }
      open.pop();
    } else if (!take(SCALAR)) {
      return { offset, expected: 'a value' };
    }
    // What comes after it.
    let last = open.at(-1);
    while (last && take(last.close)) {
      open.pop();
      last = open.at(-1);
    }
    if (last === undefined) return take(/$/y) ? undefined : { offset, expected: 'the end' };
    if (!take(',')) return { offset, expected: `',' or '${last.close}'` };
    const expected = last.close === '}' ? key(last.names) : undefined;
    if (expected !== undefined) return { offset, expected };
  }
}
