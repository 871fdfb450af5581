// JSON with places: where in the text each part of the value stands, so that a complaint about `layers[2].conv` can be shown
// at that layer. JSON.parse tells neither that nor, in every browser, where the text ceases to be JSON.

const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

/** Text that is no JSON; offset: where it ceases to be. */
export class JsonFault extends Error {
  constructor(text, offset, expected) {
    const before = text.slice(0, offset).split('\n');
    const found = offset < text.length ? `“${text[offset] === '\n' ? '↵' : text[offset]}”` : 'the end';
    super(`Line ${before.length}, column ${before.at(-1).length + 1}: ${found} where ${expected} belongs`);
    this.offset = offset;
  }
}

/** The value, and the place [start, end) of each part by its path: `layers[2].conv`; the whole has the path ''. */
export function parseWithPlaces(text) {
  const places = new Map();
  let at = 0;

  const space = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const fail = (expected) => {
    throw new JsonFault(text, at, expected);
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return undefined;
    at = pattern.lastIndex;
    return JSON.parse(found[0]);
  };
  const take = (sign) => {
    space();
    if (text[at] !== sign) return false;
    at++;
    return true;
  };

  function list(close, item) {
    at++;
    if (take(close)) return;
    do {
      space();
      item();
    } while (take(','));
    if (!take(close)) fail(`“,” or “${close}”`);
  }

  function value(path) {
    space();
    const start = at;
    let found;
    if (text[at] === '{') {
      found = {};
      list('}', () => {
        const key = match(STRING) ?? fail('a name in double quotes');
        if (!take(':')) fail('“:”');
        found[key] = value(path === '' ? key : `${path}.${key}`);
      });
    } else if (text[at] === '[') {
      found = [];
      list(']', () => found.push(value(`${path}[${found.length}]`)));
    } else {
      found = text[at] === '"' ? match(STRING) : match(SCALAR);
      if (found === undefined) fail(text[at] === '"' ? 'a string that ends' : 'a value');
    }
    places.set(path, [start, at]);
    return found;
  }

  const whole = value('');
  space();
  if (at < text.length) fail('the end');
  return { value: whole, places };
}

/** The place of the part that an error of the library is about, as near as it says; undefined if it names none. */
export function placeOf(error, places) {
  for (const text of [error.argument, error.where]) {
    const path = /layers(\[\d+\]|\.\w+)+/.exec(text ?? '')?.[0] ?? text;
    for (let part = path; part; part = part.replace(/(\[\d+\]|\.?\w+)$/, '')) {
      if (places.has(part)) return places.get(part);
    }
  }
  return undefined;
}

/** JSON without spaces, as it goes into an address; text that is no JSON as it is. */
export function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

/** A net as text: one layer a line. */
export function formatSpec(spec) {
  const inline = (value) =>
    JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/\[ /g, '[').replace(/ \]/g, ']');
  const lines = Object.entries(spec).map(([name, value]) => {
    const many = name === 'layers' && Array.isArray(value) && value.length > 0;
    const text = many ? `[\n${value.map((layer) => `    ${inline(layer)}`).join(',\n')}\n  ]` : inline(value);
    return `  ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${lines.join(',\n')}\n}`;
}
