/** The notebooks there are, apart from what they do: help texts need no more. */
export const notebookNames = [
  ['knn', 'nearest neighbours: distances in three ways, cross-validation'],
  ['softmax', 'a linear classifier: losses, gradients, training, a search, templates; SVM beside it'],
  ['neural-net', 'two-layer nets in one piece, their trainers, toy data and images'],
  ['two-layer-net', 'layers, the modular two-layer net, Solver, a search'],
  ['features', 'HOG and hue histograms instead of pixels'],
  ['fully-connected-nets', 'deeper nets: overfitting on purpose, update rules, initial scales'],
  ['optimizers', 'update rules one against the other, and what their steps do'],
  ['dropout', 'the layer, its gradient, nets with and without it'],
  ['modular-layers', 'every layer of the modular nets against numeric gradients'],
  ['cnn-layers', 'convolution and pooling: naive, fast, as image processing'],
  ['cnn-batchnorm', 'batch, layer and group norm: statistics, gradients, training with and without'],
  ['cnn', 'the three-layer convolutional net'],
  ['written-problems', 'tied autoencoder, swish network, vanishing gradients, kinks'],
] as const satisfies readonly (readonly [string, string])[];
