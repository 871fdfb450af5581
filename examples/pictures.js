// The two pictures that image-filters.js shows when it is given none: shapes, gradients, texture and hard edges, drawn pixel
// by pixel. `paint(x, y)` tells the colour of a point, y downwards; every pixel is the mean of 3 x 3 points in it.

/** Width and height of both pictures. */
const SIZE = 200;
const POINTS = 3;

const clamp = (value) => Math.min(1, Math.max(0, value));
/** 0 below `from`, 1 above `to`, smooth between; `from` may be the larger one. */
const ramp = (from, to, value) => {
  const t = clamp((value - from) / (to - from));
  return t * t * (3 - 2 * t);
};
const mix = (a, b, t) => a.map((value, i) => value + (b[i] - value) * t);
const shade = (colour, factor) => colour.map((value) => value * factor);

/** 0..1, a fixed scramble of two whole numbers. */
function scatter(i, j) {
  let h = Math.imul(i, 374761393) + Math.imul(j, 668265263);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** 0..1, smooth bumps about one unit wide. */
function bumps(x, y) {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const s = ramp(0, 1, x - i);
  const t = ramp(0, 1, y - j);
  const row = (k) => scatter(i, k) * (1 - s) + scatter(i + 1, k) * s;
  return row(j) * (1 - t) + row(j + 1) * t;
}
/** 0..1, bumps with finer ones on them. */
const rough = (x, y) => (4 * bumps(x, y) + 2 * bumps(2 * x + 7, 2 * y + 3) + bumps(4 * x + 1, 4 * y + 9)) / 7;

/** 0 at the centre, 1 on the rim. */
const ellipse = (x, y, cx, cy, rx, ry) => Math.hypot((x - cx) / rx, (y - cy) / ry);
const box = (x, y, left, top, right, bottom) => x >= left && x < right && y >= top && y < bottom;

/** Inside the polygon whose corners are given in order. */
function inside(x, y, corners) {
  let odd = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [ax, ay] = corners[i];
    const [bx, by] = corners[j];
    if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) odd = !odd;
  }
  return odd;
}

/** Distance from the line between two points. */
function fromLine(x, y, ax, ay, bx, by) {
  const dx = bx - ax;
  const dy = by - ay;
  const t = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/** RGB bytes, row by row. */
function draw(name, paint) {
  const data = new Uint8Array(3 * SIZE * SIZE);
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      const sum = [0, 0, 0];
      for (let k = 0; k < POINTS * POINTS; k++) {
        const x = column + ((k % POINTS) + 0.5) / POINTS;
        const y = row + (Math.floor(k / POINTS) + 0.5) / POINTS;
        const colour = paint(x, y);
        for (let c = 0; c < 3; c++) sum[c] += 255 * clamp(colour[c] / 255);
      }
      for (let c = 0; c < 3; c++) data[3 * (row * SIZE + column) + c] = Math.round(sum[c] / POINTS ** 2);
    }
  }
  return { name, width: SIZE, height: SIZE, data };
}

// ---- landscape ----------------------------------------------------------------------------------------------------------

const PEAKS = [
  [24, 54, 62],
  [82, 42, 56],
  [128, 64, 60],
  [184, 50, 58],
];

function sky(x, y) {
  const colour = mix([52, 104, 188], [252, 220, 178], ramp(0, 118, y));
  const sun = Math.hypot(x - 158, y - 34);
  if (sun < 15) return mix([255, 252, 226], [255, 226, 120], ramp(4, 15, sun));
  const glowing = mix(colour, [255, 236, 176], 0.7 * ramp(58, 13, sun));
  const clouds = [
    [34, 34, 20, 8],
    [50, 27, 17, 11],
    [68, 33, 22, 8],
    [104, 17, 13, 4],
    [115, 14, 12, 5],
  ];
  const low = y + 2 * rough(x / 5, y / 5);
  const depth = Math.min(...clouds.map(([cx, cy, rx, ry]) => ellipse(x, low, cx, cy, rx, ry)));
  return mix(glowing, mix([255, 255, 255], [206, 212, 228], ramp(24, 42, y)), ramp(1, 0.82, depth));
}

function mountains(x, y) {
  const heights = PEAKS.map(([cx, height, half]) => height * (1 - Math.abs(x - cx) / half));
  const peak = heights.indexOf(Math.max(...heights));
  const top = 116 - Math.max(0, heights[peak]) + 5 * rough(x / 7, 3);
  if (y < top) return undefined;
  // The sun stands on the right; ridges wander about the line below the peak.
  const lit = x + 16 * (rough(x / 9, y / 9) - 0.5) > PEAKS[peak][0] + (y - top) * 0.12;
  const stone = lit ? [146, 140, 158] : [84, 88, 122];
  const snow = lit ? [250, 250, 255] : [176, 192, 226];
  const white = y < 116 - PEAKS[peak][1] + 20 + 16 * rough(x / 5, 11);
  return mix(white ? snow : shade(stone, 0.86 + 0.28 * rough(x / 4, y / 4)), [214, 200, 204], ramp(60, 124, y) * 0.55);
}

function tree(x, y) {
  if (!box(x, y, 130, 70, 200, 150)) return undefined;
  const crown = [
    [164, 92, 15, 14],
    [152, 104, 14, 12],
    [177, 105, 14, 13],
    [164, 110, 18, 11],
  ];
  const ragged = 1.6 * (rough(x / 3, y / 3) - 0.5);
  const depth = Math.min(...crown.map(([cx, cy, rx, ry]) => ellipse(x + 2 * ragged, y + 2 * ragged, cx, cy, rx, ry)));
  if (depth < 1) {
    const leaves = 0.62 + 0.75 * rough(x / 3.2, y / 3.2);
    return shade(mix([36, 92, 44], [104, 158, 62], ramp(-18, 18, x - 164 - (y - 104))), leaves);
  }
  const half = 3 + 0.012 * (y - 118) ** 2 * (y > 118 ? 0.25 : 0);
  if (y > 104 && y < 146 && Math.abs(x - 164) < half) return shade([112, 78, 52], 0.7 + 0.6 * bumps(x * 1.1, y / 9));
  return undefined;
}

function pane(x, y, left, top) {
  if (!box(x, y, left, top, left + 14, top + 14)) return undefined;
  const u = x - left;
  const v = y - top;
  if (u < 1.6 || v < 1.6 || u > 12.4 || v > 12.4 || Math.abs(u - 7) < 0.8 || Math.abs(v - 7) < 0.8)
    return [250, 250, 246];
  return mix([70, 106, 150], [188, 220, 240], ramp(20, 2, u + v));
}

function house(x, y) {
  const roof = [
    [24, 106],
    [108, 106],
    [94, 77],
    [38, 77],
  ];
  if (inside(x, y, roof)) {
    const row = Math.floor((y - 77) / 4.8);
    const across = (((x + 3.5 * (row % 2)) % 7) + 7) % 7;
    const joint = (y - 77) % 4.8 < 0.9 || across < 0.8;
    return shade(
      joint ? [112, 36, 32] : [190, 70, 52],
      0.88 + 0.24 * scatter(Math.floor((x + 3.5 * (row % 2)) / 7), row),
    );
  }
  if (box(x, y, 76, 62, 87, 80)) {
    const row = Math.floor((y - 62) / 3);
    const across = (x - 76 + 2.5 * (row % 2)) % 5;
    if (y < 65) return [132, 116, 108];
    return (y - 62) % 3 < 0.6 || across < 0.6 ? [206, 190, 176] : [164, 84, 66];
  }
  if (!box(x, y, 32, 106, 100, 148)) return undefined;
  if (y < 109) return [150, 132, 112];
  if (y > 143) return [142, 138, 136];
  const door = box(x, y, 59, 117, 73, 143);
  if (door) {
    if (Math.hypot(x - 70, y - 131) < 1.2) return [246, 210, 90];
    if (x < 60.4 || x > 71.6 || y < 118.4) return [248, 246, 240];
    return (x - 60.4) % 3.8 < 0.6 ? [30, 66, 62] : [46, 98, 92];
  }
  const window = pane(x, y, 39, 116) ?? pane(x, y, 79, 116);
  if (window) return window;
  return shade([242, 224, 186], ((y - 109) % 5 < 0.8 ? 0.8 : 1) * (x > 96 ? 0.86 : 1));
}

function smoke(x, y) {
  if (!box(x, y, 74, 30, 102, 64)) return 0;
  const puffs = [
    [83, 57, 4],
    [87, 49, 5],
    [92, 40, 6.5],
  ];
  const across = x + 2 * rough(x / 4, y / 4);
  const depth = Math.min(...puffs.map(([cx, cy, r]) => ellipse(across, y, cx, cy, r, r * 0.85)));
  return 0.75 * ramp(1, 0.6, depth);
}

function fence(x, y) {
  if (x > 61.8 && x < 105.8) return undefined;
  const across = ((x % 13) + 13) % 13;
  const top = 160 + Math.abs(across - 5) * 0.9;
  const picket = across > 1.8 && across < 8.2 && y > top && y < 190;
  const rail = (y > 167 && y < 170.5) || (y > 180 && y < 183.5);
  if (picket) return across > 7.2 ? [190, 192, 200] : [250, 249, 244];
  return rail ? [216, 214, 212] : undefined;
}

function meadow(x, y) {
  const hill = 124 + 7 * Math.sin(x / 31 + 1);
  if (y < hill) return undefined;
  const middle = 66 + 0.0105 * (y - 148) ** 2;
  const half = 6 + 0.3 * (y - 148);
  if (y > 147 && Math.abs(x - middle) < half) {
    return shade([206, 178, 136], 0.8 + 0.35 * rough(x / 3, y / 1.6));
  }
  const grass = shade(mix([146, 184, 84], [58, 124, 50], ramp(118, 200, y)), 0.72 + 0.5 * rough(x / 1.7, y / 4.5));
  const i = Math.floor(x / 9);
  const j = Math.floor(y / 9);
  const flower = Math.hypot(x - 9 * i - 2.5 - 4 * scatter(i, j), y - 9 * j - 2.5 - 4 * scatter(j, i + 50));
  if (y > 150 && scatter(i + 90, j) < 0.4 && flower < 1.7) {
    return flower < 0.7
      ? [250, 206, 60]
      : [
          [250, 250, 255],
          [226, 62, 72],
          [146, 98, 214],
        ][Math.floor(3 * scatter(j, i))];
  }
  const shadow = ellipse(x, y, 152, 147, 26, 4) < 1 || (y < 152 && y > 147 && x > 26 && x < 98);
  return shadow ? shade(grass, 0.68) : grass;
}

/** A house before mountains, with a sun, clouds, a tree and a fence. */
export function landscape() {
  return draw('landscape', (x, y) => {
    const solid = fence(x, y) ?? house(x, y) ?? tree(x, y) ?? meadow(x, y);
    return solid ?? mix(mountains(x, y) ?? sky(x, y), [236, 232, 232], smoke(x, y));
  });
}

// ---- cat ----------------------------------------------------------------------------------------------------------------

/** Wallpaper, and a table of boards. */
function room(x, y) {
  if (y > 172) {
    const board = Math.floor((y - 172) / 10);
    const joint = (y - 172) % 10 < 0.9;
    const grain = rough(x / 16 + 9 * board, y * 0.9);
    return shade(joint ? [70, 44, 30] : [168, 112, 70], (0.72 + 0.5 * grain) * (0.86 + 0.2 * scatter(board, 4)));
  }
  const across = x % 25;
  const i = Math.floor(x / 25);
  const dot = ellipse(across, (y + 12 * (i % 2)) % 24, 12.5, 12, 3.4, 4.6);
  const paper = across < 2 ? [222, 206, 160] : i % 2 ? [74, 116, 138] : [88, 132, 152];
  return shade(dot < 1 ? [226, 212, 168] : paper, 1.08 - 0.4 * ramp(20, 190, Math.hypot(x - 30, y - 20)));
}

/** Fur with hairs along `angle` around a middle; `stripe` 0..1 darkens it. */
function fur(x, y, cx, cy, stripe) {
  const angle = Math.atan2(y - cy, x - cx);
  const reach = Math.hypot(x - cx, y - cy);
  const hairs = rough(angle * 13 + 40, reach / 7) - 0.5;
  const colour = mix([226, 150, 72], [140, 72, 30], clamp(stripe));
  return shade(colour, 1.02 + 0.42 * hairs - 0.2 * ramp(-20, 70, x - cx + 0.5 * (y - cy)));
}

function ear(x, y, side) {
  const u = side * (x - 100);
  const outer = [
    [16, 62],
    [44, 16],
    [54, 78],
  ];
  if (!inside(u, y, outer)) return undefined;
  const inner = [
    [28, 58],
    [42, 28],
    [48, 70],
  ];
  if (inside(u, y, inner)) return shade([236, 168, 158], 0.74 + 0.4 * rough(u / 2, y / 12) - 0.12 * ramp(30, 66, y));
  return fur(x, y, 100 + side * 36, 84, 0.35);
}

function eye(x, y, side) {
  const u = side * (x - 100) - 23;
  const v = y - 91 + 0.16 * u;
  // Two circles cut the almond: one bulges upwards, one downwards.
  const lid = Math.max(Math.hypot(u, v - 7) - 17, Math.hypot(u, v + 8) - 17.5);
  if (lid > 1.6) return undefined;
  if (lid > 0) return [44, 26, 20];
  if (Math.hypot(x - 100 - side * 23 + 3.2, v + 3.4) < 2.3) return [255, 255, 255];
  if (ellipse(u, v, 0, 0, 2.9, 9) < 1) return [14, 14, 16];
  return mix([232, 226, 110], [74, 142, 70], ramp(2, 12, Math.hypot(u, v) + 0.3 * v));
}

/** Tabby marks, mirrored: an M on the forehead, bars on the cheeks. */
function marks(x, y) {
  const u = Math.abs(x - 100) + 2.5 * (rough(x / 6, y / 6) - 0.5);
  const bar = (ax, ay, bx, by, half) => ramp(half, half * 0.4, fromLine(u, y, ax, ay, bx, by));
  return Math.max(
    bar(0, 44, 0, 68, 3.2),
    bar(8, 46, 11, 72, 3),
    bar(18, 50, 25, 73, 3.2),
    bar(41, 92, 60, 86, 2.8),
    bar(40, 102, 60, 102, 2.8),
    bar(38, 112, 56, 119, 2.8),
  );
}

function whiskers(x, y) {
  const u = Math.abs(x - 100);
  return [-1, 0, 1].some((k) => {
    // A little bend: the end hangs.
    const bend = 0.0022 * (u - 16) ** 2;
    return u > 14 && u < 74 && fromLine(u, y - bend, 14, 117 + 3 * k, 76, 110 + 11 * k) < 0.62 - 0.005 * (u - 14);
  });
}

function face(x, y) {
  const ragged = 0.03 * (rough(Math.atan2(y - 96, x - 100) * 14 + 50, 2) - 0.5);
  const head = Math.min(ellipse(x, y, 100, 94, 54, 49), ellipse(x, y, 100, 108, 58, 34)) + ragged;
  if (head > 1) return undefined;
  const look = eye(x, y, -1) ?? eye(x, y, 1);
  if (look) return look;
  const u = Math.abs(x - 100);
  const nose = [
    [-8, 104],
    [8, 104],
    [2, 112],
    [-2, 112],
  ];
  if (inside(x - 100, y, nose)) return mix([238, 150, 144], [186, 88, 90], ramp(104, 112, y));
  if (fromLine(x, y, 100, 112, 100, 117) < 0.9) return [70, 36, 30];
  if (y > 116 && Math.abs(Math.hypot(u - 8, y - 115) - 8) < 0.9) return [70, 36, 30];
  const tongue = ellipse(x, y, 100, 124, 5, 5.5) < 1 && y > 119.5;
  if (tongue) return Math.abs(x - 100) < 0.6 ? [196, 84, 96] : [232, 120, 128];
  const coat = fur(x, y, 100, 100, marks(x, y));
  const muzzle = Math.min(ellipse(u, y, 11, 118, 17, 13), ellipse(x, y, 100, 134, 20, 11));
  const pale = shade([252, 244, 232], 0.86 + 0.2 * rough(u / 2.2, y / 4) - 0.1 * ramp(90, 124, x));
  const spot = [0, 1, 2].some((k) => Math.hypot(u - 12 - 4 * k, y - 116 - (k % 2) * 4) < 0.9);
  const coloured = mix(coat, spot ? [150, 110, 90] : pale, ramp(1.1, 0.86, muzzle));
  // The rim turns away from the light.
  return shade(coloured, 1 - 0.3 * ramp(0.82, 1, head));
}

function body(x, y) {
  const ragged = 0.04 * (rough(Math.atan2(y - 190, x - 100) * 16 + 50, 5) - 0.5);
  const depth = ellipse(x, y, 100, 200, 68, 72) + ragged;
  if (depth > 1) return undefined;
  const u = Math.abs(x - 100);
  // A collar with a bell.
  const bell = Math.hypot(x - 100, y - 155);
  if (bell < 7)
    return bell < 1.6 || (y > 155 && u < 0.8)
      ? [70, 50, 20]
      : mix([255, 236, 140], [206, 146, 40], ramp(-7, 7, x - 100 + y - 155));
  const collar = 146 - 0.006 * u * u;
  if (Math.abs(y - collar) < 4.5) return Math.floor((x + 400) / 6) % 2 ? [196, 44, 60] : [226, 70, 80];
  const bib = ellipse(x, y, 100, 170, 25, 34);
  const bars = ramp(0.35, 0.8, Math.sin((y + 0.25 * u + 5 * rough(x / 9, y / 9)) / 3.1)) * ramp(24, 36, u);
  const chest = shade([250, 240, 226], 0.82 + 0.26 * rough(x / 2.2, y / 7));
  const shadow = 1 - 0.35 * ramp(160, 140, y) - 0.25 * ramp(0.85, 1, depth);
  return shade(mix(fur(x, y, 100, 130, bars), chest, ramp(1.1, 0.8, bib)), shadow);
}

/** A tabby cat with a collar before a papered wall. */
export function cat() {
  return draw('cat', (x, y) => {
    if (whiskers(x, y)) return [255, 252, 246];
    return face(x, y) ?? ear(x, y, -1) ?? ear(x, y, 1) ?? body(x, y) ?? room(x, y);
  });
}
