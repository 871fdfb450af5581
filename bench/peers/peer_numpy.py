"""NumPy, the same work as workloads.js in float32: products by its BLAS, everything else in place and in cache-sized pieces.

usage: numpy_peer.py [folder of CIFAR-10's binary files]; OPENBLAS_NUM_THREADS sets the threads. Speaks as serve.js does.
"""

import json
import sys
import time

import numpy as np

IMAGES, INPUTS, CLASSES, BATCH, RATE = 10_000, 3072, 10, 100, 1e-3
SIX = [100] * 5
NETS = {
    "two-layer step": dict(hidden=[100], rule="sgd", scale=1e-2, norm=False, keep=1),
    "six-layer step": dict(hidden=SIX, rule="adam", scale=5e-2, norm=False, keep=1),
    "six-layer step, batch norm, dropout": dict(hidden=SIX, rule="adam", scale=5e-2, norm=True, keep=0.5),
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


class Net:
    def __init__(self, hidden, rule, scale, norm, keep):
        sizes = [INPUTS, *hidden, CLASSES]
        self.depth, self.norm, self.keep, self.adam = len(hidden), norm, keep, rule == "adam"
        self.w = [noise(m * n, 10 + i, scale).reshape(m, n) for i, (m, n) in enumerate(zip(sizes, sizes[1:]))]
        self.b = [np.zeros(n, F32) for n in sizes[1:]]
        self.gamma = [np.ones(n, F32) for n in hidden] if norm else []
        self.beta = [np.zeros(n, F32) for n in hidden] if norm else []
        self.params = [*self.w, *self.b, *self.gamma, *self.beta]
        self.state = [(np.zeros_like(p), np.zeros_like(p)) for p in self.params] if self.adam else []
        self.t = 0
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        """Scores, and what the way back needs: inputs of the products, outputs of ReLU, norms and masks."""
        inputs, outputs, norms, masks = [], [], [], []
        for i in range(self.depth + 1):
            inputs.append(x)
            x = x @ self.w[i]
            x += self.b[i]
            if i == self.depth:
                return x, inputs, outputs, norms, masks
            if self.norm:
                x -= x.mean(axis=0)
                inverse = 1 / np.sqrt(np.einsum("nd,nd->d", x, x) / F32(BATCH) + F32(1e-5))
                x *= inverse
                norms.append((x, inverse))
                x = x * self.gamma[i]
                x += self.beta[i]
            np.maximum(x, 0, out=x)
            outputs.append(x)
            if self.keep < 1:
                mask = self.rng.random(x.shape, dtype=F32) < F32(self.keep)
                mask = mask * F32(1 / self.keep)
                masks.append(mask)
                x = x * mask

    def gradients(self, x, y):
        scores, inputs, outputs, norms, masks = self.forward(x)
        scores -= scores.max(axis=1, keepdims=True)
        picked = scores[np.arange(BATCH), y]
        d = np.exp(scores)
        sums = d.sum(axis=1)
        loss = float((np.log(sums) - picked).mean())
        d /= sums[:, None]
        d[np.arange(BATCH), y] -= 1
        d /= BATCH
        dw, db, dgamma, dbeta = [], [], [], []
        for i in range(self.depth, -1, -1):
            dw.append(inputs[i].T @ d)
            db.append(d.sum(axis=0))
            if i == 0:
                break
            d = d @ self.w[i].T
            if self.keep < 1:
                d *= masks[i - 1]
            d *= outputs[i - 1] > 0
            if self.norm:
                xhat, inverse = norms[i - 1]
                dots, sums = np.einsum("nd,nd->d", d, xhat), d.sum(axis=0)
                dgamma.append(dots)
                dbeta.append(sums)
                d -= sums / F32(BATCH)
                d -= xhat * (dots / F32(BATCH))
                d *= self.gamma[i - 1] * inverse
        return loss, [g for part in (dw, db, dgamma, dbeta) for g in reversed(part)]

    def step(self, x, y):
        loss, gradients = self.gradients(x, y)
        if not self.adam:
            for p, g in zip(self.params, gradients):
                g *= F32(RATE)
                p -= g
            return loss
        self.t += 1
        rate = F32(RATE * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))
        for p, g, (m, v) in zip(self.params, gradients, self.state):
            adam(p.reshape(-1), g.reshape(-1), m.reshape(-1), v.reshape(-1), rate)
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
            Training.data = noise(IMAGES * INPUTS, 0).reshape(IMAGES, INPUTS), integers(IMAGES, 1, CLASSES)
        self.net, self.taken = Net(**spec), 0
        self.batches = integers(1000 * BATCH, 2, IMAGES).reshape(1000, BATCH)

    def run(self):
        X, y = Training.data
        rows = self.batches[self.taken % 1000]
        self.taken += 1
        return self.net.step(X[rows], y[rows])

    def verify(self):
        return [self.run() for _ in range(4)]


class Product:
    def __init__(self, n):
        self.a, self.b = noise(n * n, 30).reshape(n, n), noise(n * n, 31).reshape(n, n)
        self.c, self.n = np.empty((n, n), F32), n

    def run(self):
        np.matmul(self.a, self.b, out=self.c)

    def verify(self):
        self.run()
        return [float(self.c[s * 37 % self.n, (s * 101 + 5) % self.n]) for s in range(16)]


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


def main():
    workloads = {name: (lambda spec=spec: Training(spec)) for name, spec in NETS.items()}
    workloads |= {name: (lambda n=n: Product(n)) for name, n in PRODUCTS.items()}
    if len(sys.argv) > 1:
        workloads[LOAD] = lambda: Load(sys.argv[1])
    prepared = {}

    def get(name):
        if name not in prepared:
            prepared[name] = workloads[name]()
        return prepared[name]

    def say(**message):
        print(json.dumps(message), flush=True)

    say(name=f"numpy {np.__version__}", workloads=list(workloads))
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
