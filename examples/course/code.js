// The code of a cell, out of the sources of the notebooks.

const folder = '/src/cli/notebooks/';
/** Cells that several notebooks share. */
const SHARED = ['layerCells', 'updateCells'];
const texts = new Map();

async function source(file) {
  if (!texts.has(file)) {
    const answer = await fetch(`${folder}${file}.ts`);
    texts.set(file, answer.ok ? (await answer.text()).split('\n') : []);
  }
  return texts.get(file);
}

const indent = (line) => /^ */.exec(line)[0].length;

/** Lines of `book.cell('TITLE', …)` with their first indentation taken away; undefined if no file has it. */
export async function codeOf(notebook, title) {
  const own = notebook.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const literal = (line) => line.includes('book.cell(') && line.includes(`'${title}'`);
  // Of a cell whose title is handed over, what is common to all of its kind.
  const handed = (line) => line.includes('book.cell(title,');
  for (const [file, wanted] of [literal, handed].flatMap((wanted) => [own, ...SHARED].map((file) => [file, wanted]))) {
    const lines = await source(file);
    const first = lines.findIndex(wanted);
    if (first < 0) continue;
    const depth = indent(lines[first]);
    const length = lines.slice(first + 1).findIndex((line) => line.trim() !== '' && indent(line) <= depth) + 2;
    const part = lines.slice(first, first + length);
    return { file: `${folder.slice(1)}${file}.ts`, text: part.map((line) => line.slice(depth)).join('\n') };
  }
  return undefined;
}
