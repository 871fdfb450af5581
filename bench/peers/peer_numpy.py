"""NumPy, the same work as workloads.js in float32: products by its BLAS, convolutions as products of columns that stay in
cache, everything else in place and in cache-sized pieces.

usage: peer_numpy.py [folder of CIFAR-10's binary files]; OPENBLAS_NUM_THREADS sets the threads. Speaks as serve.js does.
"""

import json
import math
import sys
import time

import numpy as np

IMAGES, INPUTS, CLASSES = 10_000, 3072, 10
IMAGE = (3, 32, 32)


def hidden(units, norm=(), dropout=()):
    return [("affine", units), *norm, ("relu",), *dropout]


def deep(*norm):
    blocks = [[("conv", f, 3), *norm, ("relu",)] * 2 + [("pool",)] for f in (64, 128, 256)]
    return [*sum(blocks, []), ("affine", CLASSES)]


NORM, OUT = ("norm",), ("affine", CLASSES)
SIX = hidden(100) * 5
MASKED = hidden(100, [NORM], [("dropout", 0.5)]) * 5
THREE = [("conv", 32, 7), ("relu",), ("pool",), *hidden(500), OUT]
NORMED = [("conv", 64, 3), NORM, ("relu",), ("pool",), *hidden(500, [NORM]), OUT]
DENSE = dict(batch=100, rate=1e-3, losses=4)
LARGE = dict(rate=1e-4, losses=3, scale=None)
NETS = {
    "two-layer step": dict(DENSE, rule="sgd", scale=1e-2, layers=[*hidden(100), OUT]),
    "six-layer step": dict(DENSE, rule="adam", scale=5e-2, layers=[*SIX, OUT]),
    "six-layer step, batch norm, dropout": dict(DENSE, rule="adam", scale=5e-2, layers=[*MASKED, OUT]),
    "three-layer conv step": dict(LARGE, batch=50, rule="adam", layers=THREE),
    "three-layer conv step, batch norm": dict(LARGE, batch=50, rule="adam", layers=NORMED),
    "six convs step": dict(LARGE, batch=128, rule="momentum", layers=deep()),
    "six convs step, batch norm": dict(LARGE, batch=128, rule="momentum", layers=deep(NORM)),
}
PRODUCTS = {"product 256": 256, "product 512": 512, "product 1024": 1024}
LOAD = "load 60,000 images"
STREAM = 100_000_000
F32 = np.float32


def mix(count, stream):
    """32 well mixed bits for each of the first positions of a stream."""
    start = stream * STREAM + 1
    x = np.arange(start, start + count, dtype=np.uint64).astype(np.uint32) * np.uint32(0x9E3779B1)
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def noise(count, stream, scale=1.0):
    return ((mix(count, stream) / 2**32 - 0.5) * (scale * np.sqrt(12))).astype(F32)


def integers(count, stream, high):
    return (mix(count, stream) % np.uint32(high)).astype(np.int64)


COLUMNS = 1 << 20
"""Bytes of the columns of as many images as are convolved at a time."""


class Conv:
    """Few images at a time: their columns are laid out, multiplied, and on the way back laid out again."""

    def __init__(self, w, b, stride, pad, first=False):
        self.w, self.b, self.stride, self.pad, self.first = w, b, stride, pad, first
        self.padded = self.columns = None

    def windows(self, x):
        """(N, C, HH, WW, OH, OW): what every element of a filter meets, as a view of the padded images."""
        n, c, h, w = x.shape
        _, _, hh, ww = self.w.shape
        s, p = self.stride, self.pad
        if self.padded is None or self.padded.shape[0] != n:
            self.padded = np.zeros((n, c, h + 2 * p, w + 2 * p), F32)
        self.padded[:, :, p : p + h, p : p + w] = x
        size = (h + 2 * p - hh) // s + 1, (w + 2 * p - ww) // s + 1
        a, b, y, z = self.padded.strides
        return np.lib.stride_tricks.as_strided(self.padded, (n, c, hh, ww, *size), (a, b, y, z, y * s, z * s))

    def pieces(self, windows):
        n = len(windows)
        few = max(1, COLUMNS // (4 * math.prod(windows.shape[1:])))
        if self.columns is None:
            self.columns = np.empty((few, *windows.shape[1:]), F32)
        return [slice(i, min(n, i + few)) for i in range(0, n, few)]

    def forward(self, x):
        self.seen = self.windows(x)
        n, f, area = len(x), len(self.w), math.prod(self.seen.shape[4:])
        out, w = np.empty((n, f, area), F32), self.w.reshape(f, -1)
        for piece in self.pieces(self.seen):
            columns = self.columns[: piece.stop - piece.start]
            np.copyto(columns, self.seen[piece])
            np.matmul(w, columns.reshape(len(columns), -1, area), out=out[piece])
            out[piece] += self.b[:, None]
        return out.reshape(n, f, *self.seen.shape[4:])

    def backward(self, d):
        n, c, hh, ww, oh, ow = self.seen.shape
        f, s, p = len(self.w), self.stride, self.pad
        d, w = d.reshape(n, f, -1), self.w.reshape(f, -1)
        dw, db = np.zeros_like(w), d.sum(axis=(0, 2))
        dx = None if self.first else np.zeros_like(self.padded)
        for piece in self.pieces(self.seen):
            columns = self.columns[: piece.stop - piece.start]
            flat = columns.reshape(len(columns), -1, oh * ow)
            np.copyto(columns, self.seen[piece])
            dw += np.matmul(d[piece], flat.transpose(0, 2, 1)).sum(axis=0)
            if self.first:
                continue
            np.matmul(w.T, d[piece], out=flat)
            for i in range(hh):
                for j in range(ww):
                    dx[piece, :, i : i + s * oh : s, j : j + s * ow : s] += columns[:, :, i, j]
        if dx is not None:
            dx = dx[:, :, p : dx.shape[2] - p, p : dx.shape[3] - p]
        return dx, [dw.reshape(self.w.shape), db]


class Affine:
    def __init__(self, w, b, first):
        self.w, self.b, self.first = w, b, first

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        out = self.x @ self.w
        out += self.b
        return out

    def backward(self, d):
        gradients = [self.x.T @ d, d.sum(axis=0)]
        return None if self.first else (d @ self.w.T).reshape(self.shape), gradients


class Norm:
    """Batch norm over all axes but the second. x and d are overwritten."""

    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        flat = x.reshape(*x.shape[:2], -1)
        self.count = F32(flat.shape[0] * flat.shape[2])
        flat -= flat.mean(axis=(0, 2))[:, None]
        self.inverse = 1 / np.sqrt(np.einsum("ncp,ncp->c", flat, flat) / self.count + F32(1e-5))
        flat *= self.inverse[:, None]
        self.flat = flat
        out = flat * self.gamma[:, None]
        out += self.beta[:, None]
        return out.reshape(x.shape)

    def backward(self, d):
        flat = d.reshape(self.flat.shape)
        dots, sums = np.einsum("ncp,ncp->c", flat, self.flat), flat.sum(axis=(0, 2))
        self.flat *= (dots / self.count)[:, None]
        flat -= self.flat
        flat -= (sums / self.count)[:, None]
        flat *= (self.gamma * self.inverse)[:, None]
        return d, [dots, sums]


class Relu:
    def forward(self, x):
        self.out = np.maximum(x, 0, out=x)
        return self.out

    def backward(self, d):
        d *= self.out > 0
        return d, []


class Dropout:
    def __init__(self, keep):
        self.keep, self.rng = F32(keep), np.random.default_rng(0)

    def forward(self, x):
        mask = self.rng.random(x.shape, dtype=F32) < self.keep
        self.mask = mask * (1 / self.keep)
        return x * self.mask

    def backward(self, d):
        d *= self.mask
        return d, []


class Pool:
    """Largest of 2x2; the first of equals takes the gradient."""

    PLACES = [(i, j) for i in (0, 1) for j in (0, 1)]

    def forward(self, x):
        self.x = x
        out = np.maximum(x[:, :, 0::2, 0::2], x[:, :, 0::2, 1::2])
        np.maximum(out, x[:, :, 1::2, 0::2], out=out)
        self.out = np.maximum(out, x[:, :, 1::2, 1::2], out=out)
        return out

    def backward(self, d):
        dx = np.empty_like(self.x)
        left = np.ones(d.shape, bool)
        for i, j in self.PLACES:
            hit = self.x[:, :, i::2, j::2] == self.out
            hit &= left
            left ^= hit
            np.multiply(d, hit, out=dx[:, :, i::2, j::2])
        return dx, []


class Net:
    def __init__(self, layers, batch, rule, rate, scale, losses):
        self.rule, self.rate, self.t = rule, rate, 0
        self.layers, self.params, self.weighted = [], [], 0
        shape = IMAGE
        for kind, *sizes in layers:
            if kind == "conv":
                filters, size = sizes
                w, b, first = self.weights((filters, shape[0], size, size), scale)
                layer = Conv(w, b, 1, (size - 1) // 2, first)
                shape = (filters, *shape[1:])
            elif kind == "affine":
                layer = Affine(*self.weights((math.prod(shape), sizes[0]), scale))
                shape = sizes
            elif kind == "norm":
                layer = Norm(np.ones(shape[0], F32), np.zeros(shape[0], F32))
                self.params += [layer.gamma, layer.beta]
            else:
                layer = Dropout(*sizes) if kind == "dropout" else Relu() if kind == "relu" else Pool()
                shape = (shape[0], shape[1] // 2, shape[2] // 2) if kind == "pool" else shape
            self.layers.append(layer)
        slots = {"sgd": 0, "momentum": 1, "adam": 2}[rule]
        self.state = [[np.zeros_like(p) for _ in range(slots)] for p in self.params]

    def weights(self, shape, scale):
        """Weights, biases, and whether they are the first."""
        filters = len(shape) == 4
        scale = scale or math.sqrt(2 / (math.prod(shape[1:]) if filters else shape[0]))
        w = noise(math.prod(shape), 10 + self.weighted, scale).reshape(shape)
        b = np.zeros(shape[0] if filters else shape[1], F32)
        self.params += [w, b]
        self.weighted += 1
        return w, b, self.weighted == 1

    def gradients(self, x, y):
        for layer in self.layers:
            x = layer.forward(x)
        n = len(y)
        x -= x.max(axis=1, keepdims=True)
        picked = x[np.arange(n), y]
        d = np.exp(x)
        sums = d.sum(axis=1)
        loss = float((np.log(sums) - picked).mean())
        d /= sums[:, None]
        d[np.arange(n), y] -= 1
        d /= n
        gradients = []
        for layer in reversed(self.layers):
            d, own = layer.backward(d)
            gradients = own + gradients
        return loss, gradients

    def step(self, x, y):
        loss, gradients = self.gradients(x, y)
        self.t += 1
        corrected = F32(self.rate * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))
        for p, g, state in zip(self.params, gradients, self.state):
            if self.rule == "adam":
                adam(*(a.reshape(-1) for a in (p, g, *state)), corrected)
                continue
            g *= F32(self.rate)
            if self.rule == "momentum":
                state[0] *= F32(0.9)
                state[0] -= g
                p += state[0]
            else:
                p -= g
        return loss


def adam(p, g, m, v, rate, piece=1 << 14):
    """In place, in pieces that stay in cache; g is used up."""
    for o in range(0, p.size, piece):
        pp, gg, mm, vv = (a[o : o + piece] for a in (p, g, m, v))
        mm *= F32(0.9)
        scratch = gg * F32(0.1)
        mm += scratch
        vv *= F32(0.999)
        gg *= gg
        gg *= F32(0.001)
        vv += gg
        np.sqrt(vv, out=gg)
        gg += F32(1e-8)
        np.divide(mm, gg, out=gg)
        gg *= rate
        pp -= gg


class Training:
    data = None

    def __init__(self, spec):
        if Training.data is None:
            Training.data = noise(IMAGES * INPUTS, 0).reshape(IMAGES, *IMAGE), integers(IMAGES, 1, CLASSES)
        self.net, self.taken, self.losses = Net(**spec), 0, spec["losses"]
        self.batches = integers(1000 * spec["batch"], 2, IMAGES).reshape(1000, -1)

    def run(self):
        X, y = Training.data
        rows = self.batches[self.taken % 1000]
        self.taken += 1
        return self.net.step(X[rows], y[rows])

    def verify(self):
        return [self.run() for _ in range(self.losses)]


class ImageOp:
    def __init__(self, layer, shape, out, backward):
        self.layer, self.x, self.backward = layer, operand(shape, 40), backward
        self.dout = operand(out, 41)
        layer.forward(self.x)

    def run(self):
        if not self.backward:
            return [self.layer.forward(self.x)]
        dx, others = self.layer.backward(self.dout)
        return [dx, *others]

    def verify(self):
        flat = [result.reshape(-1) for result in self.run()]
        return [float(data[(s * 7919 + 5) % data.size]) for data in flat for s in range(16)]


def operand(shape, stream):
    return noise(math.prod(shape), stream).reshape(shape)


def convolution(backward):
    layer = Conv(operand((25, 3, 3, 3), 42), operand((25,), 43), 2, 1)
    return ImageOp(layer, (100, 3, 31, 31), (100, 25, 16, 16), backward)


def pooling(backward):
    return ImageOp(Pool(), (100, 3, 32, 32), (100, 3, 16, 16), backward)


class Product:
    def __init__(self, n):
        self.a, self.b = noise(n * n, 30).reshape(n, n), noise(n * n, 31).reshape(n, n)
        self.c, self.n = np.empty((n, n), F32), n

    def run(self):
        np.matmul(self.a, self.b, out=self.c)

    def verify(self):
        self.run()
        return [float(self.c[s * 37 % self.n, (s * 101 + 5) % self.n]) for s in range(16)]


class Distances:
    def __init__(self, tests, train, bytes=False):
        if bytes:
            self.x, self.t = (
                integers(n * INPUTS, stream, 256).astype(F32).reshape(n, INPUTS) for n, stream in ((tests, 50), (train, 51))
            )
        else:
            self.x, self.t = operand((tests, INPUTS), 50), operand((train, INPUTS), 51)

    def run(self):
        d = self.x @ self.t.T
        d *= F32(-2)
        d += np.einsum("ij,ij->i", self.x, self.x)[:, None]
        d += np.einsum("ij,ij->i", self.t, self.t)
        np.maximum(d, 0, out=d)
        return np.sqrt(d, out=d)

    def verify(self):
        d = self.run()
        return [float(d[s * 37 % d.shape[0], (s * 331 + 5) % d.shape[1]]) for s in range(16)]


class Linear:
    def __init__(self, steps, batch, rate, reg):
        self.X, self.y = noise(IMAGES * INPUTS, 0, 64).reshape(IMAGES, INPUTS), integers(IMAGES, 1, CLASSES)
        self.W = noise(INPUTS * CLASSES, 60, 1e-3).reshape(INPUTS, CLASSES)
        self.steps, self.rate, self.reg, self.taken = steps, F32(rate), reg, 0
        self.batches = integers(1000 * batch, 2, IMAGES).reshape(1000, -1)

    def gradient(self, rows):
        x, y = self.X[rows], self.y[rows]
        p = x @ self.W
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        g = x.T @ p
        g += F32(2 * self.reg) * self.W
        return g

    def run(self):
        for _ in range(self.steps):
            g = self.gradient(self.batches[self.taken % 1000])
            self.taken += 1
            g *= self.rate
            self.W -= g

    def verify(self):
        flat = self.gradient(self.batches[0]).reshape(-1)
        return [float(flat[(s * 7919 + 5) % flat.size]) for s in range(16)]


class Features:
    """HOG and histograms of hue of all images at once."""

    def __init__(self, num, bins):
        shares = noise(num * INPUTS, 70).astype(np.float64) / np.sqrt(12) + 0.5
        self.images = (255 * np.minimum(0.999, shares)).astype(F32).reshape(num, 32, 32, 3)
        self.bins = bins

    def run(self):
        images, n = self.images, len(self.images)
        r, g, b = (np.ascontiguousarray(images[..., c]) for c in range(3))
        grey = r * F32(0.299) + g * F32(0.587) + b * F32(0.144)
        gx, gy = np.zeros_like(grey), np.zeros_like(grey)
        np.subtract(grey[:, :, 1:], grey[:, :, :-1], out=gx[:, :, :-1])
        np.subtract(grey[:, 1:], grey[:, :-1], out=gy[:, :-1])
        length = np.sqrt(gx * gx + gy * gy)
        degrees = np.arctan2(gy, gx + F32(1e-15)) * F32(180 / np.pi) + F32(90)
        inside = (degrees > 0) & (degrees < 180)
        # The place of every pixel's bin among those of all images; what is in no bin has no length.
        cells = np.arange(32) // 8
        place = (np.arange(n)[:, None, None] * 4 + cells[None, None, :]) * 4 + cells[None, :, None]
        place = place * 9 + (np.where(inside, degrees, 0) * F32(1 / 20)).astype(np.int64)
        hog = np.bincount(place.ravel(), (length * inside).ravel(), minlength=n * 144).reshape(n, 144) / 64
        high = np.maximum(r, np.maximum(g, b))
        span = high - np.minimum(r, np.minimum(g, b))
        span[span == 0] = 1
        hue = np.where(high == r, (g - b) / span % 6, np.where(high == g, 2 + (b - r) / span, 4 + (r - g) / span))
        k = np.minimum((hue * F32(self.bins / 6)).astype(np.int64), self.bins - 1)
        k += self.bins * np.arange(n)[:, None, None]
        hist = np.bincount(k.ravel(), minlength=n * self.bins).reshape(n, self.bins) / 1024
        return np.hstack([hog, hist]).astype(F32)

    def verify(self):
        out = self.run()
        places = [((s * 79 + 5) % len(out), s * 23 % out.shape[1]) for s in range(64)]
        return [float(out[i, j]) * (1 if j < 144 else 100) for i, j in places]


class Load:
    """All images as float32 with the mean training image subtracted, and labels."""

    def __init__(self, folder):
        self.files = [f"{folder}/data_batch_{i}.bin" for i in range(1, 6)] + [f"{folder}/test_batch.bin"]

    def run(self):
        images, labels = np.empty((60_000, INPUTS), F32), np.empty(60_000, np.int32)
        for i, file in enumerate(self.files):
            records = np.fromfile(file, np.uint8).reshape(10_000, INPUTS + 1)
            images[i * 10_000 : (i + 1) * 10_000] = records[:, 1:]
            labels[i * 10_000 : (i + 1) * 10_000] = records[:, 0]
        images -= images[:50_000].mean(axis=0, dtype=F32)
        return images, labels

    def verify(self):
        images, labels = self.run()
        return [float(images[i, j]) for i in (0, 49_999, 59_999) for j in (0, 1500, 3071)] + [int(labels.sum())]


def blas():
    """Whose products these are."""
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found['name']} {found.get('version', '')}".strip()
    except (KeyError, TypeError):
        return "unknown BLAS"


def main():
    workloads = {name: (lambda spec=spec: Training(spec)) for name, spec in NETS.items()}
    workloads |= {name: (lambda n=n: Product(n)) for name, n in PRODUCTS.items()}
    for name, make in {"convolution": convolution, "pooling": pooling}.items():
        workloads[f"{name} forward"] = lambda make=make: make(False)
        workloads[f"{name} backward"] = lambda make=make: make(True)
    if len(sys.argv) > 1:
        workloads[LOAD] = lambda: Load(sys.argv[1])
    workloads |= {
        "distances 500 x 5000 x 3072": lambda: Distances(500, 5000),
        "distances of bytes 500 x 5000 x 3072": lambda: Distances(500, 5000, bytes=True),
        "softmax, 100 steps": lambda: Linear(100, 200, 1e-7, 2.5e4),
        "features of 1,000 images": lambda: Features(1000, 25),
    }
    prepared = {}

    def get(name):
        if name not in prepared:
            prepared[name] = workloads[name]()
        return prepared[name]

    def say(**message):
        print(json.dumps(message), flush=True)

    say(name=f"numpy {np.__version__} ({blas()})", workloads=list(workloads))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "verify" in asked:
                say(values=get(asked["verify"]).verify())
                continue
            run = get(asked["run"]).run
            start = time.perf_counter()
            for _ in range(asked["times"]):
                run()
            say(ms=1000 * (time.perf_counter() - start))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")


main()
