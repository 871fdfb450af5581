/** Every parser of the library, of the command and of the examples, with good input for each. */
import type { Target } from './run.js';
import { gzip, tar } from './targets/archives.js';
import { idx, npy, npz } from './targets/arrays.js';
import { cifar, pickle } from './targets/cifar10.js';
import { png } from './targets/pictures.js';
import { checkpoint, classifier, safetensors } from './targets/saved.js';
import { spec, sweep } from './targets/specs.js';

export const targets: readonly Target[] = [
  cifar,
  pickle,
  tar,
  gzip,
  npy,
  npz,
  idx,
  safetensors,
  classifier,
  checkpoint,
  spec,
  sweep,
  png,
];
