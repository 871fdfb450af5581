/**
 * What the course's notebooks print, and what counts as the same. A run that depends on draws the notebooks do not seed has
 * an interval; where only the bound is stated, the figure has to stay below it.
 */

export interface Expected {
  /** As it is printed in a notebook; '' where none is, only a bound. */
  printed: string;
  /** What the value must be: below, between (both ends included), equal, or close to something. */
  rule:
    | { below: number }
    | { between: readonly [low: number, high: number] }
    | { equal: number | string }
    | { close: number; by: number };
  /** Only the images of CIFAR-10, and the full run, can give it. */
  data?: true;
  /** Only a training or a search with the notebook's own parameters can give it. */
  trained?: true;
}

const below = (bound: number, printed = ''): Expected => ({ printed, rule: { below: bound } });
const close = (value: number, by: number, printed = String(value)): Expected => ({
  printed,
  rule: { close: value, by },
});
const equal = (value: number | string, printed = String(value)): Expected => ({ printed, rule: { equal: value } });
const between = (low: number, high: number, printed: string): Expected => ({
  printed,
  rule: { between: [low, high] },
});
const onData = (expected: Expected): Expected => ({ ...expected, data: true });
const trained = (expected: Expected): Expected => ({ ...expected, trained: true });
const trainedOnData = (expected: Expected): Expected => trained(onData(expected));

/** Outputs of layers, scores and parameters, to the digits that are printed; row by row. */
export const arrays = {
  affineForward: [1.49834967, 1.70660132, 1.91485297, 3.25553199, 3.5141327, 3.77273342],
  affineDw: [
    -2.37342917, -0.51198268, 0.31810037, 2.90403428, 1.06935402, -3.51268592, -2.11141032, -3.63676781, -1.97058092,
    -2.23413933, 5.08663365, 1.49488732, 3.34009108, 5.93662486, -2.15844283, -0.69809993, -0.20996862, -2.34841896,
    2.76050051, -3.16921717, 2.22793491, 2.34320739, -4.92577398, 2.06883897, -3.34916043, -0.77798671, -1.29867108,
    -3.14496814, 0.15478615, -3.09581511,
  ],
  reluForward: [0, 0, 0, 0, 0, 0, 0.04545455, 0.13636364, 0.22727273, 0.31818182, 0.40909091, 0.5],
  convForward: [
    -0.08759809, -0.10987781, -0.18387192, -0.2109216, 0.21027089, 0.21661097, 0.22847626, 0.23004637, 0.50813986,
    0.54309974, 0.64082444, 0.67101435, -0.98053589, -1.03143541, -1.19128892, -1.24695841, 0.69108355, 0.66880383,
    0.59480972, 0.56776003, 2.36270298, 2.36904306, 2.38090835, 2.38247847,
  ],
  poolForward: [
    -0.26315789, -0.24842105, -0.20421053, -0.18947368, -0.14526316, -0.13052632, -0.08631579, -0.07157895, -0.02736842,
    -0.01263158, 0.03157895, 0.04631579, 0.09052632, 0.10526316, 0.14947368, 0.16421053, 0.20842105, 0.22315789,
    0.26736842, 0.28210526, 0.32631579, 0.34105263, 0.38526316, 0.4,
  ],
  toyScores: [
    -0.5328368, 0.20031504, 0.93346689, -0.59412164, 0.15498488, 0.9040914, -0.67658362, 0.08978957, 0.85616275,
    -0.77092643, 0.01339997, 0.79772637, -0.89110401, -0.08754544, 0.71601312,
  ],
  neuralScores: [
    -1.07260209, 0.05083871, -0.87253915, -2.02778743, -0.10832494, -1.52641362, -0.74225908, 0.15259725, -0.39578548,
    -0.38172726, 0.10835902, -0.17328274, -0.64417314, -0.18886813, -0.41106892,
  ],
  twoLayerScores: [
    11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096, 12.05769098, 12.74614105,
    13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143, 12.58373087, 13.20054771, 13.81736455, 14.43418138,
    15.05099822, 15.66781506, 16.2846319,
  ],
  momentumW: [
    0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789, 0.47454737, 0.54133684, 0.60812632, 0.67491579, 0.74170526,
    0.80849474, 0.87528421, 0.94207368, 1.00886316, 1.07565263, 1.14244211, 1.20923158, 1.27602105, 1.34281053, 1.4096,
  ],
  momentumVelocity: [
    0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158, 0.61138947, 0.62554737, 0.63970526, 0.65386316, 0.66802105,
    0.68217895, 0.69633684, 0.71049474, 0.72465263, 0.73881053, 0.75296842, 0.76712632, 0.78128421, 0.79544211, 0.8096,
  ],
  rmspropW: [
    -0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247, -0.132737, -0.08078555, -0.02881884, 0.02316247,
    0.07515774, 0.12716641, 0.17918792, 0.23122175, 0.28326742, 0.33532447, 0.38739248, 0.43947102, 0.49155973,
    0.54365823, 0.59576619,
  ],
  rmspropCache: [
    0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321, 0.67329252, 0.68859723, 0.70395734, 0.71937285, 0.73484377,
    0.75037008, 0.7659518, 0.78158892, 0.79728144, 0.81302936, 0.82883269, 0.84469141, 0.86060554, 0.87657507, 0.8926,
  ],
  adamW: [
    -0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977, -0.1380274, -0.08544591, -0.03286534, 0.01971428,
    0.0722929, 0.1248705, 0.17744702, 0.23002243, 0.28259667, 0.33516969, 0.38774145, 0.44031188, 0.49288093,
    0.54544852, 0.59801459,
  ],
  adamV: [
    0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853, 0.64683452, 0.63628604, 0.6257431, 0.61520571, 0.60467385,
    0.59414753, 0.58362676, 0.57311152, 0.56260183, 0.55209767, 0.54159906, 0.53110598, 0.52061845, 0.51013645, 0.49966,
  ],
  adamM: [
    0.48, 0.49947368, 0.51894737, 0.53842105, 0.55789474, 0.57736842, 0.59684211, 0.61631579, 0.63578947, 0.65526316,
    0.67473684, 0.69421053, 0.71368421, 0.73315789, 0.75263158, 0.77210526, 0.79157895, 0.81105263, 0.83052632, 0.85,
  ],
} as const;

/** By name; a run with several figures of a kind has them in a row. */
export const figures = {
  // Layers, float64
  affineForward: below(1e-9, '9.7698e-10'),
  affineDx: below(1e-9, '5.3991e-11'),
  affineDw: below(1e-9, '9.9042e-11'),
  affineDb: below(1e-9, '2.4123e-11'),
  affineDwMatrix: below(6e-9, '8 decimals'),
  reluForward: below(6e-8, '5.0000e-8'),
  reluDx: below(1e-11, '3.2756e-12'),
  affineReluDx: below(1e-9, '2.2996e-11'),
  affineReluDw: below(1e-9, '8.1620e-11'),
  affineReluDb: below(1e-9, '7.8267e-12'),
  svmLoss: close(8.999602749096233, 1e-12),
  svmDx: below(1e-8, '1.4022e-9'),
  softmaxLoss: close(2.302545844500738, 1e-12),
  softmaxDx: below(1e-7, '9.3847e-9'),
  convForward: below(3e-8, '2.2121e-8'),
  convDx: below(1e-7),
  convDw: below(1e-7),
  convDb: below(1e-7),
  poolForward: below(5e-8, '4.1667e-8'),
  poolDx: below(1e-11, '3.2756e-12'),
  convReluPoolDx: below(1e-6, '7.2356e-9'),
  convReluPoolDw: below(1e-6, '2.2246e-9'),
  convReluPoolDb: below(1e-6, '5.0561e-11'),
  convReluDx: below(1e-6, '2.0561e-9'),
  convReluDw: below(1e-6, '8.1620e-10'),
  convReluDb: below(1e-6, '6.8083e-12'),
  fastConvOut: below(1e-8, '8.0362e-11'),
  fastConvDx: below(1e-8, '5.5999e-12'),
  fastConvDw: below(1e-8, '3.4384e-13'),
  fastConvDb: below(1e-9, '0.0'),
  fastPoolOut: equal(0, '0.0'),
  fastPoolDx: equal(0, '0.0'),
  dropoutMask: equal('1 of 20 dropped'),
  dropoutKept: between(0.237, 0.263, '0.2511'),
  dropoutTest: equal(1, '1.0'),
  dropoutDx: below(1e-10, '3.3858e-12'),
  batchnormMean: below(1e-12),
  batchnormStd: below(1e-5),
  batchnormScaledMean: below(1e-12),
  batchnormScaledStd: below(1e-4),
  batchnormDx: below(1e-5, '2.7991e-8'),
  batchnormDgamma: below(1e-9, '1.2765e-11'),
  batchnormDbeta: below(1e-9, '5.5235e-12'),
  unreshapedSum: below(1e-12, '0'),
  unreshapedLargest: between(0.01, 1, '0.3579'),
  unreshapedGradient: below(1e-5, '2.7991e-8'),
  groupnorm: below(1e-6),

  // Nets in one piece
  toyScores: below(4e-8, '3.8487e-8'),
  toyLoss: close(1.38191946092, 6e-12),
  toyW1: below(1e-7, '4.4265e-9'),
  toyW2: below(1e-7, '1.4014e-9'),
  toyb1: below(1e-7, '2.7461e-8'),
  toyb2: below(1e-7, '7.3111e-11'),
  trainerSgd: equal('0.940686'),
  trainerMomentum: equal('0.494394'),
  trainerRmsprop: equal('0.439368'),
  neuralScores: below(3.5e-8, '3.3812e-8'),
  neuralLoss: close(1.071696123862817, 1e-12),
  neuralW1: below(1e-8, '1.2833e-9'),
  neuralW2: below(1e-8, '2.9632e-10'),
  neuralb1: below(1e-8, '3.1727e-9'),
  neuralb2: below(1e-8, '1.2483e-9'),
  neuralTrain: close(0.014497864587765886, 2e-8, ''),
  neuralChecks: trainedOnData(equal(5)),
  trainerFirstCost: trained(close(Math.LN10 + 7.7e-6, 3e-6, '2.302593')),
  neuralFirstLoss: trained(between(2.2727, 2.3328, '2.302758')),
  trainer5: trainedOnData(between(0.34, 0.41, '0.376')),
  trainerTuned: trainedOnData(between(0.48, 0.57, '0.533')),
  trainerTunedTest: trainedOnData(between(0.46, 0.57, '0.52')),
  neural1000: trainedOnData(between(0.25, 0.31, '0.283')),
  neuralBest: trainedOnData(between(0.46, 0.54, '0.508')),
  neuralBestTest: trainedOnData(between(0.45, 0.53, '0.489')),

  // Modular nets
  initW1: below(1e-4),
  initW2: below(1e-4),
  initBias: equal(0),
  twoLayerScores: below(1e-6),
  twoLayerLoss: close(3.4702243556, 1e-10),
  twoLayerLossReg: close(26.5948426952, 1e-10),
  twoLayer0: [below(1e-6, '1.52e-8'), below(1e-6, '3.21e-10'), below(1e-6, '8.37e-9'), below(1e-6, '4.33e-10')],
  twoLayer07: [below(1e-6, '2.53e-7'), below(1e-6, '2.85e-8'), below(1e-6, '1.56e-8'), below(1e-6, '7.76e-10')],
  fcLoss0: close(2.3004790897684924, 1e-12),
  fcLossReg: close(7.052114776533016, 1e-12),
  fc0: ['1.48e-7', '2.21e-5', '3.53e-7', '5.38e-9', '2.09e-9', '5.80e-11'].map((printed) => below(1e-4, printed)),
  fcReg: ['7.36e-9', '6.87e-8', '3.48e-8', '1.48e-8', '1.72e-9', '1.80e-10'].map((printed) => below(1e-6, printed)),
  dropoutNet: below(1e-4),
  normNet: below(1e-3),
  cnnCheck: [
    below(0.05, '1.81e-3'),
    below(0.05, '4.91e-3'),
    below(0.01, '2.61e-5'),
    below(0.01, '3.28e-5'),
    below(0.01, '8.58e-7'),
    below(1e-6, '1.35e-9'),
  ],
  cnnCheckSharp: below(1e-5),
  twoLayerSlower: trainedOnData(between(0.48, 0.55, '0.523')),
  twoLayerSolver: trainedOnData(between(0.47, 0.54, '0.512')),
  twoLayerBest: trainedOnData(between(0.46, 0.53, '0.496')),
  twoLayerTest: trainedOnData(between(0.45, 0.53, '0.486')),
  twoLayerInitial10: trainedOnData(between(3.0264, 3.1198, '3.071646')),
  overfit3: trainedOnData(between(0.95, 1, '1.0')),
  overfit3slow: trainedOnData(between(0.9, 1, '1.0')),
  overfit5: trainedOnData(between(0.9, 1, '1.0')),
  overfit5steep: trainedOnData(between(0.7, 1, '0.96')),
  compareSgd: trainedOnData(between(0.27, 0.36, '0.315')),
  compareMomentum: trainedOnData(between(0.3, 0.4, '0.351')),
  compareRmsprop: trainedOnData(between(0.3, 0.4, '0.349')),
  compareAdam: trainedOnData(between(0.31, 0.41, '0.367')),
  fcBest: trainedOnData(between(0.49, 0.56, '0.537')),
  fcBestTest: trainedOnData(between(0.48, 0.56, '0.509')),
  cnnOverfit: trainedOnData(between(0.7, 1, '0.85')),
  cnnEpoch: trainedOnData(between(0.42, 0.55, '0.491')),
  cnnBatchnorm: trainedOnData(between(0.6, 0.75, '0.674')),

  // Update rules
  momentumW: below(1e-8, '8.8823e-9'),
  momentumVelocity: below(1e-8, '4.2693e-9'),
  rmspropW: below(1e-7, '9.5247e-8'),
  rmspropCache: below(1e-8, '2.6478e-9'),
  adamW: below(2e-7, '1.1396e-7'),
  adamV: below(1e-8, '4.2083e-9'),
  adamM: below(1e-8, '4.2150e-9'),

  // Neighbours. The counts are within two in a hundred of the printed ones: the order of equal distances is not defined there.
  knnRows: onData(equal('(5000, 3072) (500, 3072)')),
  knn1: trainedOnData(between(127, 147, '137')),
  knn10: trainedOnData(between(131, 151, '141')),
  knnBest: trainedOnData(between(131, 151, '141')),
  loopsAgree: below(0.001, '0.000000'),
  oneNeighbour: equal(1),
  neighboursKept: equal(1),

  // Linear classifiers
  sanity: equal('2.302585'),
  cifarShapes: onData(equal('(49000, 3073) (1000, 3073) (1000, 3073) (500, 3073)')),
  meanImage: onData(below(1, '130.64 135.98 132.47 …')),
  untrainedLoss: between(2.2, 2.6, '2.413398'),
  sparse: below(1e-5),
  losses: below(1e-6, '0.000000'),
  pixelsFirstLoss: trained(between(725, 816, '766.955577')),
  pixelsTrain: trainedOnData(between(0.3, 0.36, '0.33049')),
  pixelsVal: trainedOnData(between(0.31, 0.37, '0.343')),
  pixelsBest: trainedOnData(between(0.33, 0.39, '0.36')),
  pixelsTest: trainedOnData(between(0.33, 0.39, '0.363')),
  divergedTrain: trainedOnData(equal('0.100265')),
  divergedVal: trainedOnData(equal('0.087000')),
  saved: equal('the same'),
  svmKink: below(1e-9),

  // Features
  featureShapes: onData(equal('(49000, 170) (49000, 169)')),
  featureLength: equal('144 + 25 = 169, with the bias 170'),
  featuresVal: trainedOnData(between(0.39, 0.44, '0.414')),
  featuresTest: trainedOnData(between(0.38, 0.45, '0.414')),
  featuresFirstLoss: between(677, 1028, '831.113842'),
  featuresNetVal: trainedOnData(between(0.5, 0.58, '0.555')),
  featuresNetTest: trainedOnData(between(0.49, 0.58, '0.536')),

  // Written problems
  autoencoder: below(1e-7),
  autoencoderPath: below(1e-7),
  swish: below(1e-7),
} as const;
