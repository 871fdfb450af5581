/**
 * Changes to images (N, C, H, W): shifts, mirrors and holes. Numbers are moved and zeroed, never computed with, so T stands
 * for every type of its size. An image is changed by one thread, in place and without scratch: rows are moved in the order
 * in which none is overwritten before it is read.
 */
import { at, clearRow } from './lanes';

/** The lanes in reverse order. */
@inline
function turned<T>(v: v128): v128 {
  if (sizeof<T>() == 4) {
    return v128.shuffle<T>(v, v, 3, 2, 1, 0);
  } else {
    return v128.shuffle<T>(v, v, 1, 0);
  }
}

/** y = the n elements of x from last to first; y may be x. */
@inline
function turn<T>(y: usize, x: usize, n: i32): void {
  let front = at<T>(0);
  let back = at<T>(n);
  // From both ends at once, so that what is overwritten has been read.
  for (; back - front >= 32; front += 16) {
    back -= 16;
    const a = v128.load(x + front);
    const b = v128.load(x + back);
    v128.store(y + front, turned<T>(b));
    v128.store(y + back, turned<T>(a));
  }
  for (; front < back; front += sizeof<T>()) {
    back -= sizeof<T>();
    const a = load<T>(x + front);
    const b = load<T>(x + back);
    store<T>(y + front, b);
    store<T>(y + back, a);
  }
}

/** Rows [begin, end) of y = those of x, W elements each, from right to left. */
export function mirror<T>(y: usize, x: usize, W: i32, begin: i32, end: i32): void {
  for (let row = begin; row < end; row++) turn<T>(y + at<T>(W) * row, x + at<T>(W) * row, W);
}

/** Row `to` = the one at `from`, `right` elements further on; zeros where that ends. */
@inline
function shiftRow<T>(to: usize, from: usize, W: i32, right: i32): void {
  const left = max(0, -right);
  const rest = max(0, right);
  const count = W - left - rest;
  // They may be one row.
  memory.copy(to + at<T>(left), from + at<T>(rest), at<T>(count));
  clearRow(to, at<T>(left));
  clearRow(to + at<T>(left + count), at<T>(rest));
}

/**
 * Images [begin, end) of x, in this order: the window of the image's size `shifts` (N, 2; row and column, 0 to 2 pad) into
 * the image with `pad` zeros around it; mirrored where `flips` (N) is 1; and zeros in the square of `side` around
 * (rows, columns) (N each). What is 0 is left out; all are int32.
 */
export function augment<T>(
  x: usize, shifts: usize, pad: i32, flips: usize, rows: usize, columns: usize, side: i32, C: i32, H: i32, W: i32,
  begin: i32, end: i32,
): void {
  const step = at<T>(W);
  for (let n = begin; n < end; n++) {
    const image = x + step * H * C * n;
    const i = at<i32>(n);
    const down = shifts ? load<i32>(shifts + 2 * i) - pad : 0;
    const right = shifts ? load<i32>(shifts + 2 * i, 4) - pad : 0;
    const flip = flips ? load<i32>(flips + i) : 0;
    const moved = down != 0 || right != 0;
    if (moved || flip) {
      for (let c = 0; c < C; c++) {
        const plane = image + step * H * c;
        for (let k = 0; k < H; k++) {
          const h = down < 0 ? H - 1 - k : k;
          const row = plane + step * h;
          if (h + down < 0 || h + down >= H) {
            clearRow(row, step);
            continue;
          }
          if (moved) shiftRow<T>(row, plane + step * (h + down), W, right);
          if (flip) turn<T>(row, row, W);
        }
      }
    }
    if (rows) {
      const top = load<i32>(rows + i) - side / 2;
      const left = load<i32>(columns + i) - side / 2;
      const first = max(0, left);
      const bytes = at<T>(min(W, left + side) - first);
      for (let c = 0; c < C; c++) {
        const corner = image + step * H * c + at<T>(first);
        for (let h = max(0, top), last = min(H, top + side); h < last; h++) clearRow(corner + step * h, bytes);
      }
    }
  }
}
