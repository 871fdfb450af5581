/**
 * The exports of every binary: one line per kernel and element type, nothing else. `F32` and `F64` name the type;
 * TypeScript's kernels.ts is their only caller.
 */
import { THREAD_SCRATCH_BYTES } from './blocks';
import * as gemm from './gemm';
import * as conv from './conv';
import * as convNaive from './convNaive';
import * as elementwise from './elementwise';
import * as reduce from './reduce';
import * as norm from './norm';
import * as pool from './pool';
import * as spatial from './spatial';
import * as loss from './loss';
import * as optim from './optim';
import * as update from './update';
import * as data from './data';
import * as augment from './augment';
import * as distance from './distance';
import * as distanceWhole from './distanceWhole';
import * as linear from './linear';
import * as linearNaive from './linearNaive';
import * as random from './random';
import * as winograd from './winograd';
import * as winograd1d from './winograd1d';
import * as features from './features';

// gemm
export function gemmF32(C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32, ldc: i32, flags: i32, scratch: usize): void { gemm.gemm<f32>(C, A, B, bias, M, N, K, rsA, csA, rsB, csB, ldc, flags, scratch); }
export function gemmF64(C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32, ldc: i32, flags: i32, scratch: usize): void { gemm.gemm<f64>(C, A, B, bias, M, N, K, rsA, csA, rsB, csB, ldc, flags, scratch); }
export function gemmPackF32(packed: usize, B: usize, N: i32, K: i32, rsB: i32, csB: i32, begin: i32, end: i32): void { gemm.gemmPack<f32>(packed, B, N, K, rsB, csB, begin, end); }
export function gemmPackF64(packed: usize, B: usize, N: i32, K: i32, rsB: i32, csB: i32, begin: i32, end: i32): void { gemm.gemmPack<f64>(packed, B, N, K, rsB, csB, begin, end); }
export function gemmRowsF32(C: usize, A: usize, packed: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, ldc: i32, flags: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { gemm.gemmRows<f32>(C, A, packed, bias, M, N, K, rsA, csA, ldc, flags, scratch, begin, end, thread); }
export function gemmRowsF64(C: usize, A: usize, packed: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, ldc: i32, flags: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { gemm.gemmRows<f64>(C, A, packed, bias, M, N, K, rsA, csA, ldc, flags, scratch, begin, end, thread); }
export function gemmColumnsF32(C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32, ldc: i32, flags: i32, columns: i32, scratch: usize, bytes: usize, begin: i32, end: i32, thread: i32): void { gemm.gemmColumns<f32>(C, A, B, bias, M, N, K, rsA, csA, rsB, csB, ldc, flags, columns, scratch, bytes, begin, end, thread); }
export function gemmColumnsF64(C: usize, A: usize, B: usize, bias: usize, M: i32, N: i32, K: i32, rsA: i32, csA: i32, rsB: i32, csB: i32, ldc: i32, flags: i32, columns: i32, scratch: usize, bytes: usize, begin: i32, end: i32, thread: i32): void { gemm.gemmColumns<f64>(C, A, B, bias, M, N, K, rsA, csA, rsB, csB, ldc, flags, columns, scratch, bytes, begin, end, thread); }

// conv
export function convForwardNaiveF32(out: usize, x: usize, w: usize, b: usize, geometry: usize, begin: i32, end: i32): void { convNaive.convForwardNaive<f32>(out, x, w, b, geometry, begin, end); }
export function convForwardNaiveF64(out: usize, x: usize, w: usize, b: usize, geometry: usize, begin: i32, end: i32): void { convNaive.convForwardNaive<f64>(out, x, w, b, geometry, begin, end); }
export function convBackwardNaiveF32(dx: usize, dw: usize, db: usize, dout: usize, x: usize, w: usize, geometry: usize): void { convNaive.convBackwardNaive<f32>(dx, dw, db, dout, x, w, geometry); }
export function convBackwardNaiveF64(dx: usize, dw: usize, db: usize, dout: usize, x: usize, w: usize, geometry: usize): void { convNaive.convBackwardNaive<f64>(dx, dw, db, dout, x, w, geometry); }
export function convScratchF32(geometry: usize): i32 { return conv.convScratch<f32>(geometry); }
export function convScratchF64(geometry: usize): i32 { return conv.convScratch<f64>(geometry); }
export function convScatterScratchF32(geometry: usize): i32 { return conv.convScatterScratch<f32>(geometry); }
export function convScatterScratchF64(geometry: usize): i32 { return conv.convScatterScratch<f64>(geometry); }
export function convForwardF32(out: usize, x: usize, w: usize, b: usize, geometry: usize, flags: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convForward<f32>(out, x, w, b, geometry, flags, scratch, begin, end, thread); }
export function convForwardF64(out: usize, x: usize, w: usize, b: usize, geometry: usize, flags: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convForward<f64>(out, x, w, b, geometry, flags, scratch, begin, end, thread); }
export function convWeightGradientF32(dw: usize, dout: usize, x: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convWeightGradient<f32>(dw, dout, x, geometry, scratch, begin, end, thread); }
export function convWeightGradientF64(dw: usize, dout: usize, x: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convWeightGradient<f64>(dw, dout, x, geometry, scratch, begin, end, thread); }
export function convBiasGradientF32(db: usize, dout: usize, N: i32, F: i32, P: i32, begin: i32, end: i32): void { conv.convBiasGradient<f32>(db, dout, N, F, P, begin, end); }
export function convBiasGradientF64(db: usize, dout: usize, N: i32, F: i32, P: i32, begin: i32, end: i32): void { conv.convBiasGradient<f64>(db, dout, N, F, P, begin, end); }
export function flipFiltersF32(to: usize, w: usize, F: i32, C: i32, taps: i32): void { conv.flipFilters<f32>(to, w, F, C, taps); }
export function flipFiltersF64(to: usize, w: usize, F: i32, C: i32, taps: i32): void { conv.flipFilters<f64>(to, w, F, C, taps); }
export function convScatterF32(dx: usize, dout: usize, w: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convScatter<f32>(dx, dout, w, geometry, scratch, begin, end, thread); }
export function convScatterF64(dx: usize, dout: usize, w: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32): void { conv.convScatter<f64>(dx, dout, w, geometry, scratch, begin, end, thread); }

// elementwise
export function binaryF32(y: usize, a: usize, b: usize, op: i32, sa: i32, sb: i32, begin: i32, end: i32): void { elementwise.binary<f32>(y, a, b, op, sa, sb, begin, end); }
export function binaryF64(y: usize, a: usize, b: usize, op: i32, sa: i32, sb: i32, begin: i32, end: i32): void { elementwise.binary<f64>(y, a, b, op, sa, sb, begin, end); }
export function unaryF32(y: usize, x: usize, op: i32, parameter: f64, begin: i32, end: i32): void { elementwise.unary<f32>(y, x, op, parameter, begin, end); }
export function unaryF64(y: usize, x: usize, op: i32, parameter: f64, begin: i32, end: i32): void { elementwise.unary<f64>(y, x, op, parameter, begin, end); }
export function unaryBackwardF32(dx: usize, dout: usize, kept: usize, op: i32, parameter: f64, begin: i32, end: i32): void { elementwise.unaryBackward<f32>(dx, dout, kept, op, parameter, begin, end); }
export function unaryBackwardF64(dx: usize, dout: usize, kept: usize, op: i32, parameter: f64, begin: i32, end: i32): void { elementwise.unaryBackward<f64>(dx, dout, kept, op, parameter, begin, end); }
export function maskF32(y: usize, x: usize, m: usize, factor: f64, begin: i32, end: i32): void { elementwise.mask<f32>(y, x, m, factor, begin, end); }
export function maskF64(y: usize, x: usize, m: usize, factor: f64, begin: i32, end: i32): void { elementwise.mask<f64>(y, x, m, factor, begin, end); }
export function axpyF32(y: usize, x: usize, s: usize, a: f64, begin: i32, end: i32): void { elementwise.axpy<f32>(y, x, s, a, begin, end); }
export function axpyF64(y: usize, x: usize, s: usize, a: f64, begin: i32, end: i32): void { elementwise.axpy<f64>(y, x, s, a, begin, end); }
export function belowF32(m: usize, u: usize, p: f64, begin: i32, end: i32): void { elementwise.below<f32>(m, u, p, begin, end); }
export function belowF64(m: usize, u: usize, p: f64, begin: i32, end: i32): void { elementwise.below<f64>(m, u, p, begin, end); }
export function fillF32(y: usize, value: f64, begin: i32, end: i32): void { elementwise.fill<f32>(y, value, begin, end); }
export function fillF64(y: usize, value: f64, begin: i32, end: i32): void { elementwise.fill<f64>(y, value, begin, end); }
export function binaryI32(y: usize, a: usize, b: usize, op: i32, sa: i32, sb: i32, begin: i32, end: i32): void { elementwise.binaryI32(y, a, b, op, sa, sb, begin, end); }
export function convertF32F64(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<f32, f64>(y, x, begin, end); }
export function convertF32I32(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<f32, i32>(y, x, begin, end); }
export function convertF64F32(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<f64, f32>(y, x, begin, end); }
export function convertF64I32(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<f64, i32>(y, x, begin, end); }
export function convertI32F32(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<i32, f32>(y, x, begin, end); }
export function convertI32F64(y: usize, x: usize, begin: i32, end: i32): void { elementwise.convert<i32, f64>(y, x, begin, end); }
export function gatherF32F32(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void { elementwise.gather<f32, f32>(y, x, index, width, begin, end); }
export function gatherF32F64(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void { elementwise.gather<f32, f64>(y, x, index, width, begin, end); }
export function gatherF64F32(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void { elementwise.gather<f64, f32>(y, x, index, width, begin, end); }
export function gatherF64F64(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void { elementwise.gather<f64, f64>(y, x, index, width, begin, end); }
export function gatherI32I32(y: usize, x: usize, index: usize, width: i32, begin: i32, end: i32): void { elementwise.gather<i32, i32>(y, x, index, width, begin, end); }
export function permute32(y: usize, x: usize, n1: i32, n2: i32, n3: i32, s0: i32, s1: i32, s2: i32, s3: i32, begin: i32, end: i32): void { elementwise.permute<f32>(y, x, n1, n2, n3, s0, s1, s2, s3, begin, end); }
export function permute64(y: usize, x: usize, n1: i32, n2: i32, n3: i32, s0: i32, s1: i32, s2: i32, s3: i32, begin: i32, end: i32): void { elementwise.permute<f64>(y, x, n1, n2, n3, s0, s1, s2, s3, begin, end); }

// reduce
export function reduceF32(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduce<f32, f32>(y, x, op, factor, n, inner, begin, end); }
export function reduceF64(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduce<f64, f64>(y, x, op, factor, n, inner, begin, end); }
export function reduceF64F32(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduce<f64, f32>(y, x, op, factor, n, inner, begin, end); }
export function reduceF64I32(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduce<f64, i32>(y, x, op, factor, n, inner, begin, end); }
export function reduceDeviationsF32(y: usize, x: usize, mean: usize, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduceDeviations<f32, f32>(y, x, mean, factor, n, inner, begin, end); }
export function reduceDeviationsF64(y: usize, x: usize, mean: usize, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduceDeviations<f64, f64>(y, x, mean, factor, n, inner, begin, end); }
export function reduceDeviationsF64F32(y: usize, x: usize, mean: usize, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduceDeviations<f64, f32>(y, x, mean, factor, n, inner, begin, end); }
export function reduceDeviationsF64I32(y: usize, x: usize, mean: usize, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduceDeviations<f64, i32>(y, x, mean, factor, n, inner, begin, end); }
export function argmaxF32(y: usize, x: usize, sign: i32, n: i32, inner: i32, begin: i32, end: i32): void { reduce.argmax<f32>(y, x, sign, n, inner, begin, end); }
export function argmaxF64(y: usize, x: usize, sign: i32, n: i32, inner: i32, begin: i32, end: i32): void { reduce.argmax<f64>(y, x, sign, n, inner, begin, end); }
export function columnSumsF32(y: usize, x: usize, rows: i32, columns: i32, begin: i32, end: i32): void { reduce.columnSums<f32>(y, x, rows, columns, begin, end); }
export function columnSumsF64(y: usize, x: usize, rows: i32, columns: i32, begin: i32, end: i32): void { reduce.columnSums<f64>(y, x, rows, columns, begin, end); }
export function columnDotsF32(y: usize, a: usize, b: usize, rows: i32, columns: i32, begin: i32, end: i32): void { reduce.columnDots<f32>(y, a, b, rows, columns, begin, end); }
export function columnDotsF64(y: usize, a: usize, b: usize, rows: i32, columns: i32, begin: i32, end: i32): void { reduce.columnDots<f64>(y, a, b, rows, columns, begin, end); }
export function decayF32(dw: usize, partial: usize, w: usize, reg: f64, n: i32, begin: i32, end: i32): void { reduce.decay<f32>(dw, partial, w, reg, n, begin, end); }
export function decayF64(dw: usize, partial: usize, w: usize, reg: f64, n: i32, begin: i32, end: i32): void { reduce.decay<f64>(dw, partial, w, reg, n, begin, end); }
export function squaresF32(partial: usize, x: usize, n: i32, begin: i32, end: i32): void { reduce.squares<f32>(partial, x, n, begin, end); }
export function squaresF64(partial: usize, x: usize, n: i32, begin: i32, end: i32): void { reduce.squares<f64>(partial, x, n, begin, end); }
export function vanishingF32(partial: usize, x: usize, n: i32, begin: i32, end: i32): void { reduce.vanishing<f32>(partial, x, n, begin, end); }
export function vanishingF64(partial: usize, x: usize, n: i32, begin: i32, end: i32): void { reduce.vanishing<f64>(partial, x, n, begin, end); }
export function reduceI32(y: usize, x: usize, op: i32, factor: f64, n: i32, inner: i32, begin: i32, end: i32): void { reduce.reduce<i32, i32>(y, x, op, factor, n, inner, begin, end); }
export function argmaxI32(y: usize, x: usize, sign: i32, n: i32, inner: i32, begin: i32, end: i32): void { reduce.argmax<i32>(y, x, sign, n, inner, begin, end); }

// norm
export function batchnormTrainF32(out: usize, xhat: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize, mean: usize, eps: f64, momentum: f64, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormTrain<f32>(out, xhat, invStd, runningMean, runningVar, x, gamma, beta, mean, eps, momentum, N, D, begin, end); }
export function batchnormTrainF64(out: usize, xhat: usize, invStd: usize, runningMean: usize, runningVar: usize, x: usize, gamma: usize, beta: usize, mean: usize, eps: f64, momentum: f64, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormTrain<f64>(out, xhat, invStd, runningMean, runningVar, x, gamma, beta, mean, eps, momentum, N, D, begin, end); }
export function batchnormTestF32(out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize, eps: f64, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormTest<f32>(out, xhat, invStd, x, gamma, beta, runningMean, runningVar, eps, N, D, begin, end); }
export function batchnormTestF64(out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize, eps: f64, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormTest<f64>(out, xhat, invStd, x, gamma, beta, runningMean, runningVar, eps, N, D, begin, end); }
export function batchnormBackwardStepsF32(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackwardSteps<f32>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function batchnormBackwardStepsF64(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackwardSteps<f64>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function batchnormBackwardF32(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackward<f32>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function batchnormBackwardF64(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackward<f64>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function batchnormBackwardTestF32(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackwardTest<f32>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function batchnormBackwardTestF64(dx: usize, dgamma: usize, dbeta: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, N: i32, D: i32, begin: i32, end: i32): void { norm.batchnormBackwardTest<f64>(dx, dgamma, dbeta, dout, xhat, invStd, gamma, N, D, begin, end); }
export function layernormForwardF32(out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, D: i32, begin: i32, end: i32): void { norm.layernormForward<f32>(out, xhat, invStd, x, gamma, beta, eps, D, begin, end); }
export function layernormForwardF64(out: usize, xhat: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, D: i32, begin: i32, end: i32): void { norm.layernormForward<f64>(out, xhat, invStd, x, gamma, beta, eps, D, begin, end); }
export function layernormBackwardF32(dx: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, D: i32, begin: i32, end: i32): void { norm.layernormBackward<f32>(dx, dout, xhat, invStd, gamma, D, begin, end); }
export function layernormBackwardF64(dx: usize, dout: usize, xhat: usize, invStd: usize, gamma: usize, D: i32, begin: i32, end: i32): void { norm.layernormBackward<f64>(dx, dout, xhat, invStd, gamma, D, begin, end); }

// pool
export function maxPoolForwardNaiveF32(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolForwardNaive<f32>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolForwardNaiveF64(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolForwardNaive<f64>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolBackwardNaiveF32(dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolBackwardNaive<f32>(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolBackwardNaiveF64(dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolBackwardNaive<f64>(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolForwardF32(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolForward<f32>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolForwardF64(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolForward<f64>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolBackwardF32(dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolBackward<f32>(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end); }
export function maxPoolBackwardF64(dx: usize, dout: usize, x: usize, rectified: bool, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.maxPoolBackward<f64>(dx, dout, x, rectified, H, W, PH, PW, stride, OH, OW, begin, end); }
export function avgPoolForwardF32(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.avgPoolForward<f32>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function avgPoolForwardF64(out: usize, x: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.avgPoolForward<f64>(out, x, H, W, PH, PW, stride, OH, OW, begin, end); }
export function avgPoolBackwardF32(dx: usize, dout: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.avgPoolBackward<f32>(dx, dout, H, W, PH, PW, stride, OH, OW, begin, end); }
export function avgPoolBackwardF64(dx: usize, dout: usize, H: i32, W: i32, PH: i32, PW: i32, stride: i32, OH: i32, OW: i32, begin: i32, end: i32): void { pool.avgPoolBackward<f64>(dx, dout, H, W, PH, PW, stride, OH, OW, begin, end); }

// spatial
export function spatialBatchnormMomentsF32(sums: usize, x: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormMoments<f32>(sums, x, C, P, begin, end); }
export function spatialBatchnormMomentsF64(sums: usize, x: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormMoments<f64>(sums, x, C, P, begin, end); }
export function spatialBatchnormStatisticsF32(mean: usize, invStd: usize, runningMean: usize, runningVar: usize, scale: usize, sums: usize, x: usize, gamma: usize, beta: usize, eps: f64, momentum: f64, N: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormStatistics<f32>(mean, invStd, runningMean, runningVar, scale, sums, x, gamma, beta, eps, momentum, N, C, P, begin, end); }
export function spatialBatchnormStatisticsF64(mean: usize, invStd: usize, runningMean: usize, runningVar: usize, scale: usize, sums: usize, x: usize, gamma: usize, beta: usize, eps: f64, momentum: f64, N: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormStatistics<f64>(mean, invStd, runningMean, runningVar, scale, sums, x, gamma, beta, eps, momentum, N, C, P, begin, end); }
export function spatialBatchnormRunningF32(mean: usize, invStd: usize, scale: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize, eps: f64, begin: i32, end: i32): void { spatial.batchnormRunning<f32>(mean, invStd, scale, gamma, beta, runningMean, runningVar, eps, begin, end); }
export function spatialBatchnormRunningF64(mean: usize, invStd: usize, scale: usize, gamma: usize, beta: usize, runningMean: usize, runningVar: usize, eps: f64, begin: i32, end: i32): void { spatial.batchnormRunning<f64>(mean, invStd, scale, gamma, beta, runningMean, runningVar, eps, begin, end); }
export function spatialBatchnormScaleF32(out: usize, x: usize, scale: usize, relu: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormScale<f32>(out, x, scale, relu, C, P, begin, end); }
export function spatialBatchnormScaleF64(out: usize, x: usize, scale: usize, relu: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormScale<f64>(out, x, scale, relu, C, P, begin, end); }
export function spatialBatchnormProductsF32(sums: usize, dout: usize, x: usize, scale: usize, mean: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormProducts<f32>(sums, dout, x, scale, mean, C, P, begin, end); }
export function spatialBatchnormProductsF64(sums: usize, dout: usize, x: usize, scale: usize, mean: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormProducts<f64>(sums, dout, x, scale, mean, C, P, begin, end); }
export function spatialBatchnormGradientsF32(dgamma: usize, dbeta: usize, factors: usize, sums: usize, mean: usize, invStd: usize, gamma: usize, training: i32, N: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormGradients<f32>(dgamma, dbeta, factors, sums, mean, invStd, gamma, training, N, C, P, begin, end); }
export function spatialBatchnormGradientsF64(dgamma: usize, dbeta: usize, factors: usize, sums: usize, mean: usize, invStd: usize, gamma: usize, training: i32, N: i32, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormGradients<f64>(dgamma, dbeta, factors, sums, mean, invStd, gamma, training, N, C, P, begin, end); }
export function spatialBatchnormInputGradientF32(dx: usize, dout: usize, x: usize, scale: usize, factors: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormInputGradient<f32>(dx, dout, x, scale, factors, C, P, begin, end); }
export function spatialBatchnormInputGradientF64(dx: usize, dout: usize, x: usize, scale: usize, factors: usize, C: i32, P: i32, begin: i32, end: i32): void { spatial.batchnormInputGradient<f64>(dx, dout, x, scale, factors, C, P, begin, end); }
export function groupnormForwardF32(out: usize, mean: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, sums: usize, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormForward<f32>(out, mean, invStd, x, gamma, beta, eps, sums, C, P, G, begin, end); }
export function groupnormForwardF64(out: usize, mean: usize, invStd: usize, x: usize, gamma: usize, beta: usize, eps: f64, sums: usize, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormForward<f64>(out, mean, invStd, x, gamma, beta, eps, sums, C, P, G, begin, end); }
export function groupnormBackwardF32(dx: usize, dout: usize, x: usize, mean: usize, invStd: usize, gamma: usize, sums: usize, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormBackward<f32>(dx, dout, x, mean, invStd, gamma, sums, C, P, G, begin, end); }
export function groupnormBackwardF64(dx: usize, dout: usize, x: usize, mean: usize, invStd: usize, gamma: usize, sums: usize, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormBackward<f64>(dx, dout, x, mean, invStd, gamma, sums, C, P, G, begin, end); }
export function groupnormScaleGradientsF32(dgamma: usize, dbeta: usize, dout: usize, x: usize, mean: usize, invStd: usize, sums: usize, N: i32, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormScaleGradients<f32>(dgamma, dbeta, dout, x, mean, invStd, sums, N, C, P, G, begin, end); }
export function groupnormScaleGradientsF64(dgamma: usize, dbeta: usize, dout: usize, x: usize, mean: usize, invStd: usize, sums: usize, N: i32, C: i32, P: i32, G: i32, begin: i32, end: i32): void { spatial.groupnormScaleGradients<f64>(dgamma, dbeta, dout, x, mean, invStd, sums, N, C, P, G, begin, end); }

// loss
export function softmaxLossF32(losses: usize, dx: usize, x: usize, y: usize, smoothing: f64, N: i32, C: i32, begin: i32, end: i32): void { loss.softmaxLoss<f32>(losses, dx, x, y, smoothing, N, C, begin, end); }
export function softmaxLossF64(losses: usize, dx: usize, x: usize, y: usize, smoothing: f64, N: i32, C: i32, begin: i32, end: i32): void { loss.softmaxLoss<f64>(losses, dx, x, y, smoothing, N, C, begin, end); }
export function svmLossF32(losses: usize, dx: usize, x: usize, y: usize, delta: f64, N: i32, C: i32, begin: i32, end: i32): void { loss.svmLoss<f32>(losses, dx, x, y, delta, N, C, begin, end); }
export function svmLossF64(losses: usize, dx: usize, x: usize, y: usize, delta: f64, N: i32, C: i32, begin: i32, end: i32): void { loss.svmLoss<f64>(losses, dx, x, y, delta, N, C, begin, end); }
export function sumF64(x: usize, n: i32): f64 { return loss.sumF64(x, n); }

// optim
export function sgdF32(w: usize, dw: usize, rate: f64, begin: i32, end: i32): void { optim.sgd<f32>(w, dw, rate, begin, end); }
export function sgdF64(w: usize, dw: usize, rate: f64, begin: i32, end: i32): void { optim.sgd<f64>(w, dw, rate, begin, end); }
export function momentumF32(w: usize, dw: usize, velocity: usize, rate: f64, mu: f64, nesterov: i32, begin: i32, end: i32): void { optim.momentum<f32>(w, dw, velocity, rate, mu, nesterov, begin, end); }
export function momentumF64(w: usize, dw: usize, velocity: usize, rate: f64, mu: f64, nesterov: i32, begin: i32, end: i32): void { optim.momentum<f64>(w, dw, velocity, rate, mu, nesterov, begin, end); }
export function rmspropF32(w: usize, dw: usize, cache: usize, rate: f64, decay: f64, take: f64, eps: f64, inside: i32, begin: i32, end: i32): void { optim.rmsprop<f32>(w, dw, cache, rate, decay, take, eps, inside, begin, end); }
export function rmspropF64(w: usize, dw: usize, cache: usize, rate: f64, decay: f64, take: f64, eps: f64, inside: i32, begin: i32, end: i32): void { optim.rmsprop<f64>(w, dw, cache, rate, decay, take, eps, inside, begin, end); }
export function adamF32(w: usize, dw: usize, m: usize, v: usize, rate: f64, beta1: f64, beta2: f64, eps: f64, correction1: f64, correction2: f64, shrink: f64, begin: i32, end: i32): void { optim.adam<f32>(w, dw, m, v, rate, beta1, beta2, eps, correction1, correction2, shrink, begin, end); }
export function adamF64(w: usize, dw: usize, m: usize, v: usize, rate: f64, beta1: f64, beta2: f64, eps: f64, correction1: f64, correction2: f64, shrink: f64, begin: i32, end: i32): void { optim.adam<f64>(w, dw, m, v, rate, beta1, beta2, eps, correction1, correction2, shrink, begin, end); }
export function updateByProductF32(rule: i32, w: usize, x: usize, packed: usize, s0: usize, s1: usize, D: i32, M: i32, N: i32, reg: f64, rows: i32, scratch: usize, bytes: usize, n0: f64, n1: f64, n2: f64, n3: f64, n4: f64, n5: f64, n6: f64, begin: i32, end: i32, thread: i32): void { update.updateByProduct<f32>(rule, w, x, packed, s0, s1, D, M, N, reg, rows, scratch, bytes, n0, n1, n2, n3, n4, n5, n6, begin, end, thread); }
export function updateByProductF64(rule: i32, w: usize, x: usize, packed: usize, s0: usize, s1: usize, D: i32, M: i32, N: i32, reg: f64, rows: i32, scratch: usize, bytes: usize, n0: f64, n1: f64, n2: f64, n3: f64, n4: f64, n5: f64, n6: f64, begin: i32, end: i32, thread: i32): void { update.updateByProduct<f64>(rule, w, x, packed, s0, s1, D, M, N, reg, rows, scratch, bytes, n0, n1, n2, n3, n4, n5, n6, begin, end, thread); }

// random
export function randomPrepare(block: usize): void { random.randomPrepare(block); }
export function randomUniformF32(out: usize, state: usize, low: f64, range: f64, n: i32): void { random.randomUniform<f32>(out, state, low, range, n); }
export function randomUniformF64(out: usize, state: usize, low: f64, range: f64, n: i32): void { random.randomUniform<f64>(out, state, low, range, n); }
export function randomNormalF32(out: usize, state: usize, loc: f64, scale: f64, n: i32): void { random.randomNormal<f32>(out, state, loc, scale, n); }
export function randomNormalF64(out: usize, state: usize, loc: f64, scale: f64, n: i32): void { random.randomNormal<f64>(out, state, loc, scale, n); }
export function randomIntegersI32(out: usize, state: usize, low: f64, high: f64, bits: i32, n: i32): void { random.randomIntegers<i32>(out, state, low, high, bits, n); }
export function randomIntegersF64(out: usize, state: usize, low: f64, high: f64, bits: i32, n: i32): void { random.randomIntegers<f64>(out, state, low, high, bits, n); }
export function randomShuffle(x: usize, state: usize, rowBytes: i32, n: i32): void { random.randomShuffle(x, state, rowBytes, n); }
export function randomPermutation(out: usize, state: usize, n: i32): void { random.randomPermutation(out, state, n); }

// distance
export function rowDistancesF32(out: usize, x: usize, train: usize, D: i32, begin: i32, end: i32): void { distance.rowDistances<f32>(out, x, train, D, begin, end); }
export function rowDistancesF64(out: usize, x: usize, train: usize, D: i32, begin: i32, end: i32): void { distance.rowDistances<f64>(out, x, train, D, begin, end); }
export function allDistancesF32(out: usize, x: usize, train: usize, N: i32, D: i32, begin: i32, end: i32): void { distance.allDistances<f32>(out, x, train, N, D, begin, end); }
export function allDistancesF64(out: usize, x: usize, train: usize, N: i32, D: i32, begin: i32, end: i32): void { distance.allDistances<f64>(out, x, train, N, D, begin, end); }
export function rowSquaresF32(y: usize, x: usize, D: i32, begin: i32, end: i32): void { distance.rowSquares<f32>(y, x, D, begin, end); }
export function rowSquaresF64(y: usize, x: usize, D: i32, begin: i32, end: i32): void { distance.rowSquares<f64>(y, x, D, begin, end); }
export function expandDistancesF32(dists: usize, x: usize, train: usize, xx: usize, tt: usize, N: i32, D: i32, begin: i32, end: i32): void { distance.expandDistances<f32>(dists, x, train, xx, tt, N, D, begin, end); }
export function expandDistancesF64(dists: usize, x: usize, train: usize, xx: usize, tt: usize, N: i32, D: i32, begin: i32, end: i32): void { distance.expandDistances<f64>(dists, x, train, xx, tt, N, D, begin, end); }
export function nearestF32(out: usize, x: usize, N: i32, k: i32, begin: i32, end: i32): void { distance.nearest<f32>(out, x, N, k, begin, end); }
export function nearestF64(out: usize, x: usize, N: i32, k: i32, begin: i32, end: i32): void { distance.nearest<f64>(out, x, N, k, begin, end); }
export function vote(out: usize, near: usize, labels: usize, counts: usize, classes: i32, stride: i32, k: i32, begin: i32, end: i32, thread: i32): void { distance.vote(out, near, labels, counts, classes, stride, k, begin, end, thread); }

// distanceWhole
export function wholeScratch(): i32 { return distanceWhole.wholeScratch(); }
export function wholePackF32(packed: usize, squares: usize, range: usize, x: usize, D: i32, begin: i32, end: i32, thread: i32): void { distanceWhole.wholePack<f32>(packed, squares, range, x, D, begin, end, thread); }
export function wholePackF64(packed: usize, squares: usize, range: usize, x: usize, D: i32, begin: i32, end: i32, thread: i32): void { distanceWhole.wholePack<f64>(packed, squares, range, x, D, begin, end, thread); }
export function wholeDistancesF32(dists: usize, x: usize, train: usize, xx: usize, tt: usize, M: i32, N: i32, D: i32, stride: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { distanceWhole.wholeDistances<f32>(dists, x, train, xx, tt, M, N, D, stride, scratch, begin, end, thread); }
export function wholeDistancesF64(dists: usize, x: usize, train: usize, xx: usize, tt: usize, M: i32, N: i32, D: i32, stride: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { distanceWhole.wholeDistances<f64>(dists, x, train, xx, tt, M, N, D, stride, scratch, begin, end, thread); }

// linear
export function linearPackF32(to: usize, W: usize, D: i32, C: i32, begin: i32, end: i32): void { linear.linearPack<f32>(to, W, D, C, begin, end); }
export function linearPackF64(to: usize, W: usize, D: i32, C: i32, begin: i32, end: i32): void { linear.linearPack<f64>(to, W, D, C, begin, end); }
export function linearScoresF32(scores: usize, x: usize, index: usize, packed: usize, D: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { linear.linearScores<f32>(scores, x, index, packed, D, C, scratch, begin, end, thread); }
export function linearScoresF64(scores: usize, x: usize, index: usize, packed: usize, D: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { linear.linearScores<f64>(scores, x, index, packed, D, C, scratch, begin, end, thread); }
export function linearPackSlopesF32(to: usize, slopes: usize, N: i32, C: i32): void { linear.linearPackSlopes<f32>(to, slopes, N, C); }
export function linearPackSlopesF64(to: usize, slopes: usize, N: i32, C: i32): void { linear.linearPackSlopes<f64>(to, slopes, N, C); }
export function linearGradientF32(dW: usize, x: usize, index: usize, packed: usize, N: i32, D: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { linear.linearGradient<f32>(dW, x, index, packed, N, D, C, scratch, begin, end, thread); }
export function linearGradientF64(dW: usize, x: usize, index: usize, packed: usize, N: i32, D: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { linear.linearGradient<f64>(dW, x, index, packed, N, D, C, scratch, begin, end, thread); }
export function linearLossNaiveF32(dW: usize, W: usize, X: usize, y: usize, scores: usize, hinge: i32, reg: f64, N: i32, D: i32, C: i32): f64 { return linearNaive.linearLossNaive<f32>(dW, W, X, y, scores, hinge, reg, N, D, C); }
export function linearLossNaiveF64(dW: usize, W: usize, X: usize, y: usize, scores: usize, hinge: i32, reg: f64, N: i32, D: i32, C: i32): f64 { return linearNaive.linearLossNaive<f64>(dW, W, X, y, scores, hinge, reg, N, D, C); }

// winograd: float32 only
export function winogradRows(OW: i32): i32 { return winograd.winogradRows(OW); }
export function winogradScratch(C: i32, F: i32, OW: i32): i32 { return winograd.winogradScratch(C, F, OW); }
export function winograd1dFilterBytes(geometry: usize): i32 { return winograd1d.winograd1dFilterBytes(geometry); }
export function winograd1dScratch(geometry: usize): i32 { return winograd1d.winograd1dScratch(geometry); }
export function winograd1dFilters(U: usize, w: usize, geometry: usize, turned: i32, begin: i32, end: i32): void { winograd1d.winograd1dFilters(U, w, geometry, turned, begin, end); }
export function winograd1dForward(out: usize, x: usize, U: usize, b: usize, geometry: usize, relu: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { winograd1d.winograd1dForward(out, x, U, b, geometry, relu, scratch, begin, end, thread); }
export function winograd1dGradient(dw: usize, dout: usize, x: usize, geometry: usize, scratch: usize, begin: i32, end: i32, thread: i32): void { winograd1d.winograd1dGradient(dw, dout, x, geometry, scratch, begin, end, thread); }
export function winogradFilters(U: usize, w: usize, F: i32, C: i32, turned: i32, spare: usize, begin: i32, end: i32, thread: i32): void { winograd.winogradFilters(U, w, F, C, turned, spare, begin, end, thread); }
export function winogradFiltersBack(dw: usize, dU: usize, F: i32, C: i32, spare: usize, begin: i32, end: i32, thread: i32): void { winograd.winogradFiltersBack(dw, dU, F, C, spare, begin, end, thread); }
export function winogradForward(out: usize, x: usize, U: usize, b: usize, C: i32, H: i32, W: i32, F: i32, OH: i32, OW: i32, pad: i32, relu: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { winograd.winogradForward(out, x, U, b, C, H, W, F, OH, OW, pad, relu, scratch, begin, end, thread); }
export function winogradPlanesScratch(OW: i32, rows: i32): i32 { return winograd.winogradPlanesScratch(OW, rows); }
export function winogradPlanes(V: usize, dM: usize, x: usize, dout: usize, C: i32, H: i32, W: i32, F: i32, OH: i32, OW: i32, pad: i32, row: i32, last: i32, rows: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { winograd.winogradPlanes(V, dM, x, dout, C, H, W, F, OH, OW, pad, row, last, rows, scratch, begin, end, thread); }
export function winogradProducts(dU: usize, dM: usize, V: usize, C: i32, F: i32, T: i32, first: i32, scratch: usize, scratchBytes: i32, begin: i32, end: i32, thread: i32): void { winograd.winogradProducts(dU, dM, V, C, F, T, first, scratch, scratchBytes, begin, end, thread); }

/** Bytes of scratch that the matrix product needs: for packed B on one thread, and for each thread's rows. */
export function gemmScratchBytes(): i32 { return <i32>gemm.GEMM_SCRATCH_BYTES; }
export function threadScratchBytes(): i32 { return <i32>THREAD_SCRATCH_BYTES; }

// data
export function byteSums(sums: usize, x: usize, itemBytes: i32, n: i32, begin: i32, end: i32): void { data.byteSums(sums, x, itemBytes, n, begin, end); }
export function widenImagesF32(x: usize, mean: usize, scratch: usize, n: i32, colorsLast: i32, begin: i32, end: i32, thread: i32): void { data.widenImages<f32>(x, mean, scratch, n, colorsLast, begin, end, thread); }
export function widenImagesF64(x: usize, mean: usize, scratch: usize, n: i32, colorsLast: i32, begin: i32, end: i32, thread: i32): void { data.widenImages<f64>(x, mean, scratch, n, colorsLast, begin, end, thread); }

// augment
export function augment32(x: usize, shifts: usize, pad: i32, flips: usize, rows: usize, columns: usize, side: i32, C: i32, H: i32, W: i32, begin: i32, end: i32): void { augment.augment<f32>(x, shifts, pad, flips, rows, columns, side, C, H, W, begin, end); }
export function augment64(x: usize, shifts: usize, pad: i32, flips: usize, rows: usize, columns: usize, side: i32, C: i32, H: i32, W: i32, begin: i32, end: i32): void { augment.augment<f64>(x, shifts, pad, flips, rows, columns, side, C, H, W, begin, end); }
export function mirror32(y: usize, x: usize, W: i32, begin: i32, end: i32): void { augment.mirror<f32>(y, x, W, begin, end); }
export function mirror64(y: usize, x: usize, W: i32, begin: i32, end: i32): void { augment.mirror<f64>(y, x, W, begin, end); }

// features
export function hogScratch(H: i32, W: i32): i32 { return features.hogScratch(H, W); }
export function hueScratch(nbin: i32): i32 { return features.hueScratch(nbin); }
export function hogF32(out: usize, stride: i32, x: usize, H: i32, W: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { features.hog<f32>(out, stride, x, H, W, C, scratch, begin, end, thread); }
export function hogF64(out: usize, stride: i32, x: usize, H: i32, W: i32, C: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { features.hog<f64>(out, stride, x, H, W, C, scratch, begin, end, thread); }
export function hueHistogramF32(out: usize, stride: i32, x: usize, pixels: i32, nbin: i32, xmin: f64, xmax: f64, normalized: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { features.hueHistogram<f32>(out, stride, x, pixels, nbin, xmin, xmax, normalized, scratch, begin, end, thread); }
export function hueHistogramF64(out: usize, stride: i32, x: usize, pixels: i32, nbin: i32, xmin: f64, xmax: f64, normalized: i32, scratch: usize, begin: i32, end: i32, thread: i32): void { features.hueHistogram<f64>(out, stride, x, pixels, nbin, xmin, xmax, normalized, scratch, begin, end, thread); }
