/** The images of a notebook: CIFAR-10 as the course splits it, or drawn ones in the same form. */
import {
  type Cifar10Data,
  type Cifar10DataOptions,
  getCifar10Data,
  scope,
  sub,
  syntheticImages,
  type Tensor,
} from '../../index.js';
import type { Progress } from '../terminal.js';

export type ImageOptions = Pick<
  Cifar10DataOptions,
  'numTraining' | 'numValidation' | 'numTest' | 'subtractMean' | 'layout' | 'dtype'
>;

export interface DataSource {
  /** Whether they are the images of the notebooks. */
  real: boolean;
  text: string;
  load(options: ImageOptions): Promise<Cifar10Data>;
}

/** path: also a file that a page was given. */
export function cifar(path: string | File, progress: Progress, signal: AbortSignal): DataSource {
  const basename = (of: string) => of.split(/[\\/]/).at(-1) as string;
  const megabytes = (bytes: number) => bytes / 2 ** 20;
  return {
    real: true,
    text: `CIFAR-10 (${basename(typeof path === 'string' ? path : path.name)})`,
    async load(options) {
      progress.start(0, 'MB');
      const data = await getCifar10Data(path, {
        ...options,
        signal,
        onProgress: ({ loaded, total, file }) => {
          progress.retarget(megabytes(total ?? 0));
          progress.update(megabytes(loaded), `reading ${basename(file)}`);
        },
      });
      progress.clear();
      return data;
    },
  };
}

/** Drawn images there are at most: more would take longer to draw than to learn. */
const MOST = 10000;

/** The same images whatever a notebook does with them. */
export const drawn: DataSource = {
  real: false,
  text: 'drawn images',
  async load({ numTraining = 49000, numValidation = 1000, numTest = 1000, subtractMean = true, layout, dtype }) {
    const sets = [numTraining, numValidation, numTest].map((num, i) => {
      return syntheticImages({ num: Math.min(num, MOST), seed: i + 1, ...(dtype ? { dtype } : {}) });
    });
    const arranged = sets.map(({ X }) => (layout === 'rows' ? rowsOf(X) : X));
    const meanImage = arranged[0].mean(0);
    const [XTrain, XVal, XTest] = arranged.map((X) => {
      if (!subtractMean) return X;
      const centred = sub(X, meanImage);
      X.dispose();
      return centred;
    });
    const [yTrain, yVal, yTest] = sets.map(({ y }) => y);
    return { XTrain, yTrain, XVal, yVal, XTest, yTest, meanImage, classes: sets[0].classes };
  },
};

function rowsOf(X: Tensor): Tensor {
  const rows = scope(() => X.transpose(0, 2, 3, 1).reshape(X.shape[0], -1));
  X.dispose();
  return rows;
}
