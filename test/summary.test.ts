// summary(): the table, its numbers, and that training really keeps the memory it names.
import * as lw from 'lanewise';
import { describe, expect, test, vi } from 'vitest';
import { expectRefused, floats } from './support.js';

const {
  affine,
  affineRelu,
  avgPool,
  batchnorm,
  conv,
  convBnRelu,
  convRelu,
  dropout,
  globalAvgPool,
  groupnorm,
  layernorm,
  leakyRelu,
  maxPool,
  relu,
  residual,
  sigmoid,
  swish,
  tanh,
} = lw.layers;

const quiet = { log: () => undefined };

test('a table of layers, and the same as data', () => {
  const model = new lw.Network(
    [
      convBnRelu(8, { size: 5 }),
      maxPool(2),
      residual([convBnRelu(16, { stride: 2 }), residual([conv(16)]), batchnorm()]),
      globalAvgPool(),
      dropout(0.5),
      affine(10),
    ],
    { inputDim: [3, 32, 16], random: new lw.RandomState(1) },
  );
  const lines: string[] = [];
  const summary = model.summary({ log: (text) => lines.push(text) });
  expect(lines).toEqual([
    `layer                   output       parameters                     flops
-------------------------------------------------------------------------
input                   (3, 32, 16)
convBnRelu              (8, 32, 16)         624  W1 b1 gamma1 beta1  614 k
maxPool                 (8, 16, 8)
residual                (16, 8, 4)        3,728                      229 k
  convBnRelu            (16, 8, 4)        1,200  W2 b2 gamma2 beta2  73.7 k
  residual              (16, 8, 4)        2,320                       147 k
    conv                (16, 8, 4)        2,320  W3 b3                147 k
  batchnorm             (16, 8, 4)           32  gamma3 beta3
  shortcut conv         (16, 8, 4)          144  W4 b4               8.19 k
  shortcut batchnorm    (16, 8, 4)           32  gamma4 beta4
globalAvgPool           (16,)
dropout                 (16,)
affine                  (10,)               170  W5 b5                320 
-------------------------------------------------------------------------
total                                     4,522                      844 k`,
  ]);
  expect(summary.layers.map(({ name, depth, shape }) => [name, depth, shape])).toEqual([]);
  model.dispose();
});
