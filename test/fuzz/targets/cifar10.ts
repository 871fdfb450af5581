/** Data sets of CIFAR-10, and the pickles in them. */
import { Batches } from '../../../src/data/batches.js';
import { ImageSet } from '../../../src/data/images.js';
import { isPickledArray, parsePickle, pickledItems, pickledText } from '../../../src/data/pickle.js';
import * as made from '../../data/files.js';
import { ascii, concat, mutated } from '../mutate.js';
import type { Target } from '../run.js';
import { copy, files } from './material.js';

const ALL = [0, Number.POSITIVE_INFINITY];
const imageSet = (from: number, to: number) => new ImageSet(from, to, 'float32', 'NCHW');
const BATCHES = made.batches([1, 1, 1, 1, 1, 1]);

const SETS = ['', 'a/'].flatMap((folder) =>
  [made.binaryFiles(BATCHES, folder), made.pickledFiles(BATCHES, folder)].map((files) =>
    files.map(([name, content]) => ({ name, content: copy(content), member: made.member(name, content) })),
  ),
);

export const cifar: Target = {
  name: 'cifar10',
  words: ['\x00\x01\x02', '\x0a', '\x80\x02}', 'data_batch_1', 'test_batch.bin', 'airplane\n', '../', '\x1f\x8b'],
  corpus: async () => [
    copy(made.tar(made.binaryFiles(BATCHES))),
    copy(made.tar(made.pickledFiles(BATCHES))),
    copy(made.tar(made.binaryFiles(made.batches([1, 2, 1, 1, 1, 1])))),
  ],
  // One file of the set is changed, or has another name; the archive around it is sound.
  make(dice) {
    const set = dice.pick(SETS);
    const k = dice.below(set.length);
    const { name, content } = set[k] as (typeof set)[number];
    const ends = dice.once(2) ? content.slice(0, 200) : content;
    const bad = mutated(ends, dice, this.words.map(ascii), [ends]);
    const other = dice.once(8) ? dice.pick(['data_batch_1', 'x', 'b/data_batch_2.bin', 'test_batch']) : name;
    return concat(...set.map(({ member }, i) => (i === k ? made.member(other, bad) : member)), made.END);
  },
  // As loadCifar10 does; its import() alone would take longer than most cases.
  parse: (input) =>
    new Batches('loadCifar10', imageSet, { train: ALL, test: ALL }).load(input, {}, (sets) =>
      sets.map(({ X, y }) => [X, y]),
    ),
};

const OPCODES =
  '().0122FGIJKLMNRSTUVXabcdeghijlopqrstu}]\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96';

export const pickle: Target = {
  name: 'pickle',
  words: [
    ...OPCODES,
    ...[
      'K\x01',
      'J\xff\xff\xff\xff',
      'h\x00',
      'q\x00',
      'U\x02u1',
      'X\x01\x00\x00\x00a',
      'T\xff\xff\xff\xff',
      'I01\n',
      '\x94',
      '\x8a\x01\x05',
    ],
    ...[
      'cnumpy\nndarray\n',
      'cnumpy\ndtype\n',
      'cnumpy.core.multiarray\n_reconstruct\n',
      'c_codecs\nencode\n',
      'cos\nsystem\n',
      'cnumpy.core.multiarray\nscalar\n',
    ],
    ...[
      'U\x02u1K\x00K\x01\x87R',
      '(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
      'latin1',
      "S'a'\n",
      'V\\u0041\n',
    ],
  ],
  corpus: async () => [...files('pickles', '.pkl'), copy(made.pickled(made.batch(1, 1))), copy(made.pickledMeta())],
  // A program out of nothing: most of what the machine can do, in any order.
  make(dice) {
    const parts = Array.from({ length: 1 + dice.below(60) }, () => ascii(dice.pick(this.words)));
    return concat(ascii(dice.pick(['\x80\x02', '\x80\x04', '', '('])), ...parts, ascii('.'));
  },
  parse(input) {
    const value = parsePickle(input, 'a.pkl');
    const parts = value instanceof Map ? [...value.values()] : [value];
    for (const part of parts) if (!isPickledArray(part)) pickledText(part) ?? pickledItems(part);
  },
};
