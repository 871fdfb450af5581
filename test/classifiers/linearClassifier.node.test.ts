// Files of linear classifiers.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lw from 'lanewise';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanewise-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('saved and loaded', async () => {
  const path = join(folder, 'softmax.lanewise');
  const classifier = new lw.Softmax();
  const W = lw.tensor([[1, 2.5]]);
  classifier.W = W;
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await classifier.save(path);
  expect(log.mock.calls).toEqual([[`${path} saved.`]]);
  log.mockRestore();
  const lines: string[] = [];
  await classifier.save(path, { verbose: false, log: (line) => void lines.push(line) });
  expect(lines).toEqual([]);
  expect(readdirSync(folder)).toEqual(['softmax.lanewise']);
  expect(new Uint8Array(readFileSync(path))).toEqual(classifier.toBytes());

  const other = new lw.Softmax();
  expect(await other.load(join(folder, 'nothing'))).toBe(false);
  expect(other.W).toBeUndefined();
  expect(await other.load(path)).toBe(true);
  expect(other.W?.toArray()).toEqual([[1, 2.5]]);

  const svm = new lw.LinearSVM();
  await expect(svm.load(path)).rejects.toThrow(
    `load: ${path}: expected kind 'linear svm' at byte 8, got 'linear softmax'`,
  );
  expect(svm.W).toBeUndefined();
  writeFileSync(path, 'something else');
  await expect(other.load(path)).rejects.toThrow(lw.DataError);
  expect(other.W?.toArray()).toEqual([[1, 2.5]]);
  await expect(svm.save(path)).rejects.toThrow('toBytes: there is nothing to predict from; train(X, y) comes first');
  await expect(other.save('')).rejects.toThrow("save: path must be a path, got ''");
  await expect(other.save(path, { quiet: true } as object)).rejects.toThrow(/unknown option 'quiet'/);
  await expect(other.load(folder)).rejects.toThrow(/EISDIR/);
  for (const c of [classifier, other]) c.dispose();
  W.dispose();
});
