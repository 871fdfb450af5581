// README keeps its word: the first snippet runs as it stands, here and in a page, and the table of layers is that of table.ts.
import * as lw from 'lanewise';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import text from '../README.md?raw';
import { layerTable } from '../src/layers/table.js';

/** Without the spaces and dashes that align tables. */
const plain = (markdown: string) => markdown.replace(/ +/g, ' ').replace(/-{3,}/g, '---').replaceAll(' --- ', '---');

let lines: string[] = [];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)));
});
afterEach(() => vi.restoreAllMocks());

test('the first snippet trains a net', async () => {
  const snippet = /```js\n(import \* as lw from 'lanewise';\n[\s\S]*?)```/.exec(text)?.[1] as string;
  expect(snippet.trim().split('\n').length).toBeLessThanOrEqual(14);
  // The engine that the suite has started is the one the snippet gets, so `import` and `init` are done already.
  const body = snippet.replace(/^import .*$/m, '').replace('await lw.init();', '');
  const AsyncFunction = (async () => undefined).constructor as new (
    ...args: string[]
  ) => (library: typeof lw) => Promise<void>;
  await new AsyncFunction('lw', body)(lw);
  const best = Number(/best validation accuracy: ([\d.]+)/.exec(lines.at(-1) as string)?.[1]);
  expect(best).toBeGreaterThan(0.6);
  expect(lines[0]).toMatch(/^\(Iteration 1 \/ \d+\) loss: \d\.\d{6}$/);
});

test('the table of layers is generated', () => {
  const rows = Object.values(layerTable).map(({ forward, backward, inputs, before, options, doc }) => {
    const args = [...Object.keys(inputs), ...(before ? ['…'] : []), ...(options ? ['options'] : [])];
    return `| \`${forward}(${args.join(', ')})\` | ${backward.map((name) => `\`${name}\``).join(', ')} | ${doc} |`;
  });
  const table = ['| forward | backward | |', '|---|---|---|', ...rows].join('\n');
  expect(plain(text)).toContain(plain(table));
});
