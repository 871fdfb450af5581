/**
 * Convolution and its gradients as plain loops in the order of the definition: the reference for conv.ts, which has the
 * names of the sizes.
 */
import { g, G_C, G_F, G_H, G_HH, G_N, G_OH, G_OW, G_PAD_LEFT, G_PAD_TOP, G_STRIDE, G_W, G_WW } from './geometry';
import { at } from './lanes';

/** out of images [begin, end). */
export function convForwardNaive<T>(out: usize, x: usize, w: usize, b: usize, geometry: usize, begin: i32, end: i32): void {
  const C = g(geometry, G_C);
  const H = g(geometry, G_H);
  const W = g(geometry, G_W);
  const F = g(geometry, G_F);
  const HH = g(geometry, G_HH);
  const WW = g(geometry, G_WW);
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const stride = g(geometry, G_STRIDE);
  const padTop = g(geometry, G_PAD_TOP);
  const padLeft = g(geometry, G_PAD_LEFT);
  for (let n = begin; n < end; n++)
    for (let f = 0; f < F; f++)
      for (let oh = 0; oh < OH; oh++)
        for (let ow = 0; ow < OW; ow++) {
          let sum = load<T>(b + at<T>(f));
          for (let c = 0; c < C; c++)
            for (let kh = 0; kh < HH; kh++) {
              const h = oh * stride + kh - padTop;
              if (h < 0 || h >= H) continue;
              for (let kw = 0; kw < WW; kw++) {
                const v = ow * stride + kw - padLeft;
                if (v < 0 || v >= W) continue;
                const xv = load<T>(x + at<T>(((n * C + c) * H + h) * W + v));
                sum = <T>(sum + xv * load<T>(w + at<T>(((f * C + c) * HH + kh) * WW + kw)));
              }
            }
          store<T>(out + at<T>(((n * F + f) * OH + oh) * OW + ow), sum);
        }
}

/** All three gradients; dx, dw and db are zeroed first. Not split. */
export function convBackwardNaive<T>(
  dx: usize, dw: usize, db: usize, dout: usize, x: usize, w: usize, geometry: usize,
): void {
  const N = g(geometry, G_N);
  const C = g(geometry, G_C);
  const H = g(geometry, G_H);
  const W = g(geometry, G_W);
  const F = g(geometry, G_F);
  const HH = g(geometry, G_HH);
  const WW = g(geometry, G_WW);
  const OH = g(geometry, G_OH);
  const OW = g(geometry, G_OW);
  const stride = g(geometry, G_STRIDE);
  const padTop = g(geometry, G_PAD_TOP);
  const padLeft = g(geometry, G_PAD_LEFT);
  memory.fill(dx, 0, at<T>(N * C * H * W));
  memory.fill(dw, 0, at<T>(F * C * HH * WW));
  memory.fill(db, 0, at<T>(F));
  for (let n = 0; n < N; n++)
    for (let f = 0; f < F; f++)
      for (let oh = 0; oh < OH; oh++)
        for (let ow = 0; ow < OW; ow++) {
          const d = load<T>(dout + at<T>(((n * F + f) * OH + oh) * OW + ow));
          store<T>(db + at<T>(f), <T>(load<T>(db + at<T>(f)) + d));
          for (let c = 0; c < C; c++)
            for (let kh = 0; kh < HH; kh++) {
              const h = oh * stride + kh - padTop;
              if (h < 0 || h >= H) continue;
              for (let kw = 0; kw < WW; kw++) {
                const v = ow * stride + kw - padLeft;
                if (v < 0 || v >= W) continue;
                const xo = at<T>(((n * C + c) * H + h) * W + v);
                const wo = at<T>(((f * C + c) * HH + kh) * WW + kw);
                store<T>(dw + wo, <T>(load<T>(dw + wo) + load<T>(x + xo) * d));
                store<T>(dx + xo, <T>(load<T>(dx + xo) + load<T>(w + wo) * d));
              }
            }
        }
}
