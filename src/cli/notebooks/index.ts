/** All that `lanewise notebook` runs, loaded when it does. */
import { type Cell, formatSeconds, type Notebook } from './book.js';
import { cnn } from './cnn.js';
import { cnnBatchnorm } from './cnnBatchnorm.js';
import { cnnLayers } from './cnnLayers.js';
import { dropout } from './dropout.js';
import { features } from './features.js';
import { fullyConnectedNets } from './fullyConnectedNets.js';
import { knn } from './knn.js';
import { modularLayers } from './modularLayers.js';
import { neuralNet } from './neuralNet.js';
import { optimizers } from './optimizers.js';
import { ownText, ruleText, type Size } from './params.js';
import { softmax } from './softmax.js';
import { twoLayerNet } from './twoLayerNet.js';
import { writtenProblems } from './writtenProblems.js';

export { Book } from './book.js';
export { cifar, drawn } from './data.js';
export { changesText, isList, ownText, settle, sizeOf } from './params.js';
export { count, html } from './report.js';

export const notebooks: readonly Notebook[] = [
  ...[knn, softmax, neuralNet, twoLayerNet, features, fullyConnectedNets, optimizers, dropout],
  ...[modularLayers, cnnLayers, cnnBatchnorm, cnn, writtenProblems],
];

/** The parameters of a notebook as they are listed: name, its own value, what it is and must be. */
export function paramsText({ name, params }: Notebook, size: Size): string {
  const rows = Object.entries(params).map(([key, param]) => {
    return [key, ownText(param, size), `${param.text} (${ruleText(param, size)})`];
  });
  if (rows.length === 0) return `${name} has no parameters\n`;
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map(([key, own, text]) => `${key.padEnd(widths[0])}  ${own.padEnd(widths[1])}  ${text}\n`).join('');
}

/** A cell as it is printed. */
export function cellText({ title, seconds, figures, tables }: Cell, place: number): string {
  const heading = `${place}. ${title}  (${formatSeconds(seconds)})`;
  const widths = [0, 1, 2].map((i) => {
    return Math.max(0, ...figures.map(({ name, value, expected }) => [name, value, expected][i].length));
  });
  const lines = figures.map(({ name, value, expected, status }) => {
    const columns = [name.padEnd(widths[0]), value.padEnd(widths[1]), expected.padEnd(widths[2]), status];
    return `   ${columns.join('  ').trimEnd()}`;
  });
  const tableLines = tables.flatMap(({ heads, rows }) => {
    const all = [heads, ...rows];
    const wide = heads.map((_, i) => Math.max(...all.map((row) => row[i].length)));
    return all.map(
      (row) =>
        `   ${row
          .map((text, i) => text.padEnd(wide[i]))
          .join('  ')
          .trimEnd()}`,
    );
  });
  return `${[heading, ...lines, ...tableLines].join('\n')}\n\n`;
}
