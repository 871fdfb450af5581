// Small ways to break lanewise, for scripts/mutate.mjs: what stands in a file, what is put there, and the tests that should
// notice first. Each text stands in its file once, or `nth` says which place is meant.

/** Tests that look closest at a file, by the beginning of its path; they run one after the other. */
export const nearest = {
  'assembly/augment.ts': ['test/augment.test.ts'],
  'assembly/conv.ts': ['test/conv.test.ts', 'test/table.test.ts'],
  'assembly/data.ts': ['test/data/cifar10.test.ts'],
  'assembly/distance.ts': ['test/classifiers/kNearestNeighbor.test.ts'],
  'assembly/elementwise.ts': [
    'test/arithmetic.test.ts',
    'test/tensor.test.ts',
    'test/layers.test.ts',
    'test/table.test.ts',
  ],
  'assembly/features.ts': ['test/features.test.ts'],
  'assembly/gemm.ts': ['test/gemm.test.ts'],
  'assembly/lanes.ts': ['test/gemm.test.ts', 'test/optim.test.ts', 'test/table.test.ts'],
  'assembly/linear.ts': ['test/classifiers/linearClassifier.test.ts'],
  'assembly/loss.ts': ['test/layers.test.ts', 'test/table.test.ts'],
  'assembly/math.ts': ['test/math.test.ts'],
  'assembly/norm.ts': ['test/layers.test.ts', 'test/table.test.ts'],
  'assembly/optim.ts': ['test/optim.test.ts'],
  'assembly/pool.ts': ['test/layers.test.ts', 'test/conv.test.ts', 'test/table.test.ts'],
  'assembly/random.ts': ['test/random.test.ts'],
  'assembly/reduce.ts': ['test/tensor.test.ts', 'test/network.test.ts', 'test/solver.test.ts', 'test/table.test.ts'],
  'assembly/spatial.ts': ['test/models/imageLayers.test.ts', 'test/table.test.ts'],
  'assembly/thin.ts': ['test/gemm.test.ts', 'test/classifiers/linearClassifier.test.ts'],
  'assembly/winograd.ts': ['test/conv.test.ts'],
  'src/data/': ['test/data/arrays.test.ts', 'test/data/cifar10.test.ts'],
  'src/layers/': ['test/layers.test.ts', 'test/conv.test.ts', 'test/table.test.ts'],
  'src/memory.ts': ['test/memory.test.ts'],
  'src/models/': [
    'test/models/convNet.test.ts',
    'test/models/imageLayers.test.ts',
    'test/models/threeLayerConvNet.test.ts',
  ],
  'src/network.ts': ['test/network.test.ts'],
  'src/optim.ts': ['test/optim.test.ts'],
  'src/solver': ['test/solver.test.ts'],
};

/** [file, what stands there, what is put there, nth place if there are several] */
export const mutants = [
  // Elementwise: operators, masks, tails, saturation
  ['assembly/elementwise.ts', 'if (op == SUB) return v128.sub<T>(a, b);', 'if (op == SUB) return v128.sub<T>(b, a);'],
  ['assembly/elementwise.ts', 'op == SUB ? va - vb : op', 'op == SUB ? vb - va : op'],
  [
    'assembly/elementwise.ts',
    'return begin + ((end - begin) & ~(lanes<T>() - 1));',
    'return begin + ((end - begin - 1) & ~(lanes<T>() - 1)) + lanes<T>();',
  ],
  [
    'assembly/elementwise.ts',
    'const vb = v128.load_splat<T>(b + (sb ? at<T>(i) : 0));',
    'const vb = v128.load_splat<T>(b);',
  ],
  [
    'assembly/elementwise.ts',
    'if (op == RELU_BACKWARD) return v128.and(d, v128.gt<T>(s, zero<T>()));',
    'if (op == RELU_BACKWARD) return v128.and(d, v128.ge<T>(s, zero<T>()));',
  ],
  [
    'assembly/elementwise.ts',
    'if (op == LEAKY) return v128.bitselect(v128.mul<T>(x, parameter), x, v128.lt<T>(x, zero<T>()));',
    'if (op == LEAKY) return v128.bitselect(v128.mul<T>(x, parameter), x, v128.gt<T>(x, zero<T>()));',
  ],
  ['assembly/elementwise.ts', 'v128.sub<T>(one, v128.mul<T>(s, s))', 'v128.sub<T>(one, s)'],
  [
    'assembly/elementwise.ts',
    'return v128.mul<T>(d, fma<T>(v128.mul<T>(above<T>(s), g), v128.sub<T>(one, g), g));',
    'return v128.mul<T>(d, v128.mul<T>(v128.mul<T>(above<T>(s), g), v128.sub<T>(one, g)));',
  ],
  [
    'assembly/elementwise.ts',
    '<T>(<i32>(load<f64>(u + at<f64>(i)) < p))',
    '<T>(<i32>(load<f64>(u + at<f64>(i)) <= p))',
  ],
  [
    'assembly/elementwise.ts',
    'v128.shuffle<f32>(low, high, 0, 2, 4, 6), one)',
    'v128.shuffle<f32>(low, low, 0, 2, 4, 6), one)',
  ],
  [
    'assembly/elementwise.ts',
    'let p = x + at<T>(s0) * a + at<T>(s1) * b + at<T>(s2) * c;',
    'let p = x + at<T>(s0) * a + at<T>(s2) * b + at<T>(s1) * c;',
  ],
  // Lanes
  ['assembly/lanes.ts', 'return v128.sub<T>(c, v128.mul<T>(a, b));', 'return v128.sub<T>(v128.mul<T>(a, b), c);'],
  [
    'assembly/lanes.ts',
    'v = v128.add<T>(v, v128.shuffle<T>(v, v, 2, 3, 0, 1));',
    'v = v128.add<T>(v, v128.shuffle<T>(v, v, 1, 0, 3, 2));',
  ],
  [
    'assembly/lanes.ts',
    'v128.store(to + 3 * step, v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7));',
    'v128.store(to + 3 * step, v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5));',
  ],
  // Reductions
  [
    'assembly/reduce.ts',
    'for (let i = 1; i < n; i++) {\n    x += step;',
    'for (let i = 2; i < n; i++) {\n    x += step;',
  ],
  [
    'assembly/reduce.ts',
    '(op == MAX ? v > best : v < best) || v != v) best = v;',
    'op == MAX ? v > best : v < best) best = v;',
  ],
  ['assembly/reduce.ts', '(sign > 0 ? v > best : v < best) || v != v', '(sign > 0 ? v >= best : v <= best) || v != v'],
  ['assembly/reduce.ts', 'sum += d * d;', 'sum += abs(d);'],
  ['assembly/reduce.ts', 's3 = v128.add<T>(s3, v128.load(p, 48));', 's3 = v128.add<T>(s3, v128.load(p, 32));'],
  ['assembly/reduce.ts', 'const to = min(n, (c + 1) * CHUNK);', 'const to = min(n, (c + 1) * CHUNK - 1);', 0],
  [
    'assembly/reduce.ts',
    'if (dw) store<T>(dw + at<T>(i), first<T>(fma<T>(r, v, v128.load_splat<T>(dw + at<T>(i)))));',
    '',
  ],
  ['assembly/reduce.ts', 'const x3 = pair<T>(p + at<T>(6));', 'const x3 = pair<T>(p + at<T>(4));'],
  // Norms
  [
    'assembly/norm.ts',
    'const variance = v128.div<T>(squares, count);',
    'const variance = v128.div<T>(squares, v128.sub<T>(count, splat<T>(<T>1)));',
  ],
  [
    'assembly/norm.ts',
    'write<T>(runningVar + offset, fma<T>(take, variance, oldVar), whole);',
    'write<T>(runningVar + offset, fma<T>(keep, variance, oldVar), whole);',
  ],
  [
    'assembly/norm.ts',
    'const dmean = v128.neg<T>(fma<T>(twoDvar, sumCentred, v128.mul<T>(inv, sumDxhat)));',
    'const dmean = fma<T>(twoDvar, sumCentred, v128.mul<T>(inv, sumDxhat));',
  ],
  ['assembly/norm.ts', 'splat<T>(<T>-0.5)), cube)', 'splat<T>(<T>0.5)), cube)'],
  ['assembly/norm.ts', 'v128.mul<T>(factor, fnma<T>(read<T>(xhat + p, whole), meanDot, d))', 'v128.mul<T>(factor, d)'],
  ['assembly/norm.ts', 'for (; o < rowBytes; o += sizeof<T>()) sum = <T>(sum + load<T>(p + o));', ''],
  [
    'assembly/norm.ts',
    'const centred = fnma<T>(read<T>(xhat + row + o, whole), meanDot, v128.sub<T>(g, meanG));',
    'const centred = fnma<T>(read<T>(xhat + row + o, whole), meanDot, g);',
  ],
  [
    'assembly/spatial.ts',
    'const variance = max(0, overImages(sums, N, C, c, 1) / count - lift * lift);',
    'const variance = max(0, overImages(sums, N, C, c, 1) / count);',
  ],
  ['assembly/spatial.ts', 'const l = training ? (-k * dot * inv) / count : 0;', 'const l = (-k * dot * inv) / count;'],
  ['assembly/spatial.ts', 'const u = n * G + c / size;', 'const u = n * G + c % G;'],
  ['assembly/spatial.ts', 'const b = (-inv * sum) / count - l * <f64>m;', 'const b = (-inv * sum) / count;'],
  ['assembly/spatial.ts', 'if (scale && !(first<T>(fma<T>(k, v128.load_splat<T>(x + o), c)) > <T>0)) continue;', ''],
  // Pooling
  ['assembly/pool.ts', 'if (v > best || (v != v && best == best)) {', 'if (v >= best || (v != v && best == best)) {'],
  ['assembly/pool.ts', 'const upper = wins(topBest, lowBest);', 'const upper = f32x4.gt(topBest, lowBest);'],
  ['assembly/pool.ts', 'memory.fill(dx + at<T>((p * H + 2 * OH) * W), 0, row * (H - 2 * OH));', ''],
  [
    'assembly/pool.ts',
    'const d4 = v128.and(v128.load(from + at<T>(j)), v128.or(all, f32x4.gt(best, zero<T>())));',
    'const d4 = v128.load(from + at<T>(j));',
  ],
  [
    'assembly/pool.ts',
    'where = v128.bitselect(where, i32x4.splat(h * W + w), stays);',
    'where = v128.bitselect(where, i32x4.splat(h * W), stays);',
  ],
  ['assembly/pool.ts', 'const share = <T>(1 / <f64>(PH * PW));', 'const share = <T>(1 / <f64>(PH * PH));'],
  // Products
  ['assembly/gemm.ts', 'let own = pc > 0 ? flags | ACCUMULATE : flags;', 'let own = flags;'],
  ['assembly/gemm.ts', 'if (!last) own &= ~RELU;', ''],
  [
    'assembly/gemm.ts',
    'c31 = fma<T>(ai, b1, c31);\n    if (--kc == 0) break;\n    a += 256;',
    'c31 = fma<T>(ai, b0, c31);\n    if (--kc == 0) break;\n    a += 256;',
  ],
  ['assembly/gemm.ts', 'store<f32>(to, load<f32>(b3 + k), 12);', 'store<f32>(to, load<f32>(b2 + k), 12);'],
  [
    'assembly/gemm.ts',
    'if (bias) sum = <T>(sum + load<T>(bias + at<T>(flags & ROW_BIAS ? i : j)));',
    'if (bias) sum = <T>(sum + load<T>(bias + at<T>(j)));',
  ],
  [
    'assembly/gemm.ts',
    'if (tileBias && !(flags & ROW_BIAS)) tileBias += 32;',
    'if (tileBias && !(flags & ROW_BIAS)) tileBias += 16;',
  ],
  ['assembly/gemm.ts', 'c3 = fma<T>(v128.load(a, 112), b0, c3);', 'c3 = fma<T>(v128.load(a, 96), b0, c3);'],
  [
    'assembly/thin.ts',
    'if (i + 2 < M) storeRow(to + at<f32>(2 * N), N, c20, c21, c22);',
    'if (i + 3 < M) storeRow(to + at<f32>(2 * N), N, c20, c21, c22);',
  ],
  ['assembly/thin.ts', 'if (n > 8) storeSome(to + 32, n - 8, v2);', 'if (n > 8) storeSome(to + 32, n - 8, v1);'],
  // Convolution
  ['assembly/conv.ts', 'if (h < 0 || h >= H) continue;', 'if (h <= 0 || h >= H) continue;', 1],
  ['assembly/conv.ts', 'let sum = load<T>(b + at<T>(f));', 'let sum = load<T>(b);'],
  [
    'assembly/conv.ts',
    'store<i32>(table, <i32>at<T>(c * plane + kh * PW + kw));',
    'store<i32>(table, <i32>at<T>(c * plane + kw * PW + kh));',
  ],
  ['assembly/conv.ts', 'memory.fill(to, 0, bottom);', ''],
  ['assembly/conv.ts', 'if (++column == OW) {', 'if (++column > OW) {'],
  ['assembly/conv.ts', 'if (stride == 2) {', 'if (stride >= 2) {'],
  [
    'assembly/conv.ts',
    'anyTile<T>(C, scratch, from, 0, depth, at<T>(K), started ? ACCUMULATE : 0, mr, nr);',
    'anyTile<T>(C, scratch, from, 0, depth, at<T>(K), 0, mr, nr);',
  ],
  [
    'assembly/winograd.ts',
    'v128.store(to + 5 * step, fma<f32>(four, d1, fnma<f32>(five, d3, d5)));',
    'v128.store(to + 5 * step, fma<f32>(four, d1, fnma<f32>(four, d3, d5)));',
  ],
  [
    'assembly/winograd.ts',
    'v128.store(to + 3 * step, f32x4.add(fma<f32>(f32x4.splat(8), e, b), m5));',
    'v128.store(to + 3 * step, fma<f32>(f32x4.splat(8), e, b));',
  ],
  ['assembly/winograd.ts', 'const flip = turned ? 8 : 0;', 'const flip = 0;'],
  [
    'assembly/winograd.ts',
    'd5 = v128.shuffle<f32>(d1, r4, 1, 2, 3, 5);',
    'd5 = v128.shuffle<f32>(d1, r4, 1, 2, 3, 4);',
  ],
  // Losses, update rules
  ['assembly/loss.ts', 'best = v > best ? v : best;', 'best = v;'],
  [
    'assembly/loss.ts',
    'store<T>(out + label, <T>(load<T>(out + label) - <T>(1 - smoothing) * scaleN));',
    'store<T>(out + label, <T>(load<T>(out + label) - scaleN));',
  ],
  ['assembly/loss.ts', '- (smoothing > 0 ? rest * shifted : 0)', ''],
  [
    'assembly/loss.ts',
    'const counts = o != label && !(margin <= <T>0);',
    'const counts = o != label && !(margin < <T>0);',
  ],
  ['assembly/loss.ts', '<T>(-<T>violations * share)', '<T>(-share)'],
  ['assembly/optim.ts', 'const move = nesterov ? v128.sub<T>(v128.mul<T>(m, v), step) : v;', 'const move = v;'],
  [
    'assembly/optim.ts',
    'const root = inside ? v128.sqrt<T>(v128.add<T>(c, s)) : v128.add<T>(v128.sqrt<T>(c), s);',
    'const root = v128.sqrt<T>(v128.add<T>(c, s));',
  ],
  [
    'assembly/optim.ts',
    'const vo = fma<T>(t2, v128.mul<T>(g, g), v128.mul<T>(b2, read<T>(v + o, whole)));',
    'const vo = fma<T>(t2, v128.mul<T>(g, g), v128.mul<T>(b1, read<T>(v + o, whole)));',
  ],
  ['assembly/optim.ts', 'const c2 = splat<T>(<T>(1 / correction2));', 'const c2 = splat<T>(<T>1);'],
  ['assembly/optim.ts', 'v128.mul<T>(k, read<T>(w + o, whole))', 'read<T>(w + o, whole)'],
  // Maths, random streams
  [
    'assembly/math.ts',
    'p = fma<f32>(p, r, f32x4.splat(4.1665795894e-2));',
    'p = fma<f32>(p, r, f32x4.splat(4.1675795894e-2));',
  ],
  ['assembly/math.ts', 'y = v128.bitselect(f64x2.splat(-Infinity), y, f64x2.eq(x, zero<f64>()));', ''],
  [
    'assembly/math.ts',
    'q = fma<T>(q, z, splat<T>(<T>4.84406305325125486048e3));',
    'q = fma<T>(q, z, splat<T>(<T>4.84406305315125486048e3));',
  ],
  ['assembly/math.ts', '} else if (size < 1.1875 * x) {', '} else if (size < 1.1875) {'],
  ['assembly/random.ts', 'y ^= (y << 15) & 0xefc60000;', 'y ^= (y << 15) & 0xefc40000;'],
  ['assembly/random.ts', 'const low = word(state) >> 6;', 'const low = word(state) >> 5;'],
  ['assembly/random.ts', 'while (value > range);\n  return value;', 'while (value >= range);\n  return value;'],
  ['assembly/random.ts', 'for (let i = n - 1; i > 0; i--) {', 'for (let i = n - 1; i > 1; i--) {'],
  ['assembly/random.ts', 'store<f64>(state, factor * x1, GAUSS);', 'store<f64>(state, factor * x2, GAUSS);'],
  ['assembly/random.ts', 'if (o < bytes) exchange<u32>(a + o, b + o);', ''],
  // Data, distances, features, augmentation, linear classifiers
  ['assembly/data.ts', 'else if (i == past - 1) memory.copy(scratch, pixels, PIXELS);', ''],
  [
    'assembly/data.ts',
    'i8x16.shuffle(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31)',
    'i8x16.shuffle(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 30)',
  ],
  ['assembly/data.ts', 'addSums(to + 224, s7);', ''],
  ['assembly/distance.ts', 'if (!(d >= <T>(sum * least<T>()) && sum < <T>Infinity)) d', 'if (!(d >= <T>0)) d'],
  [
    'assembly/distance.ts',
    'return (p != p) == (q != q) ? a < b : q != q;',
    'return (p != p) == (q != q) ? a > b : q != q;',
  ],
  [
    'assembly/distance.ts',
    'if (count > most || (count == most && label < best)) {',
    'if (count > most || (count == most && label > best)) {',
  ],
  [
    'assembly/features.ts',
    'f64x2.mul(pair<T>(x, C, 2), f64x2.splat(0.144))',
    'f64x2.mul(pair<T>(x, C, 2), f64x2.splat(0.114))',
  ],
  ['assembly/features.ts', 'const under = inside ? below : row;', 'const under = below;'],
  ['assembly/features.ts', 'hue = f64x2.add(hue, v128.and(f64x2.splat(1), f64x2.lt(hue, none)));', ''],
  ['assembly/features.ts', 'const counted = v128.and(length, f64x2.gt(right, none));', 'const counted = length;'],
  ['assembly/features.ts', 'while (k > 0 && hue < <f64>k * step + xmin) k--;', ''],
  ['assembly/augment.ts', 'const h = down < 0 ? H - 1 - k : k;', 'const h = k;'],
  ['assembly/augment.ts', 'for (; back - front >= 32; front += 16) {', 'for (; back - front >= 16; front += 16) {'],
  [
    'assembly/augment.ts',
    'const bytes = at<T>(min(W, left + side) - first);',
    'const bytes = at<T>(min(W, left + side + 1) - first);',
  ],
  ['assembly/linear.ts', '+ 2 * reg * w)', '+ reg * w)'],
  ['assembly/linear.ts', 'const counts = c != label && !(margin <= 0);', 'const counts = !(margin <= 0);'],

  // Layers
  ['src/layers/dropout.ts', 'kernels.mask(out, input, mask, 1 / p);', 'kernels.mask(out, input, mask, 1);'],
  ['src/layers/dropout.ts', 'seeded.seed(seed);', ''],
  ['src/layers/affine.ts', 'kernels.columnSums(db, dout);', 'kernels.columnSums(db, dout.rows(0, -1));'],
  [
    'src/layers/pool.ts',
    'kernels.maxPoolBackward(name, dx, dout, x, sizes, rectified)',
    'kernels.maxPoolBackward(name, dx, dout, x, sizes, false)',
  ],
  ['src/layers/norm.ts', "training ? way : 'batchnormBackwardTest',", 'way,'],
  ['src/layers/norm.ts', 'Object.assign(bnParam, running);', ''],
  [
    'src/layers/losses.ts',
    'const loss = kernels.sumF64(parts.losses) / parts.N;',
    'const loss = kernels.sumF64(parts.losses);',
  ],
  // Networks, update rules, the training loop
  ['src/network.ts', 'return 0.5 * this.#reg * squares;', 'return this.#reg * squares;'],
  ['src/network.ts', 'if (!regularised) continue;', ''],
  ['src/network.ts', "kernels.binary(total, total, this.#scores(mirrored), 'add');", ''],
  ['src/network.ts', "const scores = this.#root.forward(x, 'train');", "const scores = this.#root.forward(x, 'test');"],
  ['src/optim.ts', 'config.t = t;', ''],
  ['src/optim.ts', 'const correction2 = 1 - power(beta2, t);', 'const correction2 = 1 - power(beta1, t);'],
  ['src/optim.ts', '1 - filled.learningRate * filled.weightDecay', '1 - filled.weightDecay'],
  [
    'src/optim.ts',
    '{ rate: learningRate, keep: 1, take: 1, eps: epsilon }',
    '{ rate: learningRate, keep: 0, take: 1, eps: epsilon }',
  ],
  ['src/solver.ts', 'if (this.#rate !== undefined) this.#rate *= lrDecay;', ''],
  [
    'src/solver.ts',
    "kernels.unary('scale', to, g, clipNorm / gradientNorm);",
    "kernels.unary('scale', to, g, clipNorm);",
  ],
  [
    'src/solver.ts',
    'const keep = 1 - (this.#rate as number) * factor * weightDecay;',
    'const keep = 1 - (this.#rate as number) * weightDecay;',
  ],
  [
    'src/solver/schedules.ts',
    'const rest = rising ? 0 : (fraction - warmup) / (1 - warmup);',
    'const rest = rising ? 0 : fraction;',
  ],
  [
    'src/solver/schedules.ts',
    'Math.min(1, (iteration + 1) / (warmup * numIterations))',
    'Math.min(1, iteration / (warmup * numIterations))',
  ],
  // Memory
  ['src/memory.ts', 'if (size > need) this.#addFree(start + need, size - need);', ''],
  ['src/memory.ts', 'for (const block of h.made.splice(start)) block.free();', 'h.made.splice(start);'],
  ['src/memory.ts', 'const after = this.#starts.get(start + size);', 'const after = undefined;'],
  // Parsers
  ['src/data/archive.ts', 'if (numeric(block.subarray(148, 156)) !== sum) return undefined;', ''],
  ['src/data/archive.ts', 'if (size > most - input.at) throw', 'if (size > most * 2 ** 20) throw'],
  [
    'src/data/npy.ts',
    'from -= (steps[axis] as number) * (shape[axis] as number);',
    'from -= (steps[axis] as number) * ((shape[axis] as number) - 1);',
  ],
  ['src/data/numbers.ts', 'if (value === (value | 0)) continue;', 'if (value === Math.round(value)) continue;'],
  ['src/data/numbers.ts', '(1024 + fraction) * 2 ** (exponent - 25)', '(1024 + fraction) * 2 ** (exponent - 24)'],
  ['src/data/zip.ts', 'if (sum !== crc) throw', 'if (sum === -1) throw'],
  ['src/data/zip.ts', 'if (before && start < before.start + before.packed)', 'if (before && start < before.start)'],
  ['src/data/batches.ts', 'if (labels.length !== images) throw', 'if (labels.length < images) throw'],
];
