// The promise of equal bits. A hash that fails here after a change of kernels that is meant to round otherwise, and that is the
// same in all eight projects but for the build, is the new known one: src/conformance.ts.
import * as lw from 'lanewise';
import { expect, inject, test } from 'vitest';
import { type Conformance, conformance, KNOWN } from '../src/conformance.js';

let whole: Conformance;

test('training gives the known bits, also after a stop and a resume', async () => {
  const live = lw.info().memory.live;
  const fused = inject('build') === 'relaxed';
  const known = KNOWN[fused ? 'fused' : 'rounded'];
  whole = await conformance(lw);
  expect(whole).toMatchObject({ hash: known, known, fused });
  expect(await conformance(lw, { stopAfter: 77 })).toMatchObject({ hash: known, weights: whole.weights });
  expect(lw.info().memory.live).toBe(live);
});

test('a single bit is seen', async () => {
  const off = {
    ...lw,
    syntheticImages: (options: lw.SyntheticOptions) => {
      const images = lw.syntheticImages(options);
      images.X.data[1234] += 2 ** -16;
      return images;
    },
  };
  const { hash, weights, histories, known } = await conformance(off);
  expect(hash).not.toBe(known);
  expect(weights).not.toBe(whole.weights);
  expect(histories).not.toBe(whole.histories);
});
