/** All that `lanewise notebook` runs, loaded when it does. */
import { type Cell, formatSeconds } from './book.js';
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
import { softmax } from './softmax.js';
import { twoLayerNet } from './twoLayerNet.js';
import { writtenProblems } from './writtenProblems.js';

export { Book } from './book.js';
export { cifar, drawn } from './data.js';
export { count, html } from './report.js';

export const notebooks = [
  ...[knn, softmax, neuralNet, twoLayerNet, features, fullyConnectedNets, optimizers, dropout],
  ...[modularLayers, cnnLayers, cnnBatchnorm, cnn, writtenProblems],
];

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
