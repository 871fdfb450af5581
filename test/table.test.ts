// Walks src/layers/table.ts: a new row is tested for free, and fails until reference.ts knows what its layer computes.
import * as fc from 'fast-check';
import * as lw from 'lanewise';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { type LayerRow, layerTable, type Sizes } from '../src/layers/table.js';
import {
  type Dense,
  dense,
  type Inputs,
  layers,
  leastVariance,
  numericGradient,
  type Options,
  sizeOf,
} from './reference.js';
import {
  bits,
  expectClose,
  expectRefused,
  fillMemory,
  firstDifference,
  floats,
  poison,
  scaleOf,
  tensorsIn,
  thrown,
  uniforms,
  values,
  writtenBeyond,
} from './support.js';

type Call = (...args: unknown[]) => unknown;
const library = lw as unknown as Record<string, Call>;

/** Everything that goes into one evaluation. */
interface Point {
  inputs: Inputs;
  options: Options | undefined;
  before: readonly unknown[];
  labels: number[];
  dout: Dense;
}

function randomPoint(row: LayerRow, sizes: Sizes, seed: number): Point {
  const next = uniforms(seed);
  const fill = (shape: readonly number[]) => dense(shape, values(sizeOf(shape), next, row.kinks));
  const inputs = Object.fromEntries(Object.entries(row.inputs).map(([name, shape]) => [name, fill(shape(sizes))]));
  const averages = () => {
    const [runningMean, runningVar] = [fill(inputs.gamma.shape), fill(inputs.gamma.shape)];
    return { runningMean, runningVar: dense(runningVar.shape, runningVar.data.map(Math.abs)) };
  };
  const given = row.options?.(sizes);
  const options = given?.mode === 'test' && inputs.gamma ? { ...given, ...averages() } : given;
  const { count, below } = row.labels ?? { count: () => 0, below: () => 0 };
  const labels = Array.from({ length: count(sizes) }, () => Math.floor(next() * below(sizes)));
  const out = row.out(sizes);
  const before = row.before?.(sizes) ?? [];
  return { inputs, options, before, labels, dout: row.labels ? dense([], [1]) : fill(out) };
}

function reference(row: LayerRow, { inputs, options = {}, labels, before }: Point): Dense {
  const forward = layers[row.forward];
  if (!forward) throw new Error(`test/reference.ts does not say what ${row.forward} computes`);
  return forward(inputs, options, labels, before);
}

/**
 * A point where the layer is smooth, so that differences are its gradient: one near a kink (an input of ReLU near 0 inside a
 * sandwich, a margin near 0, two nearly equal numbers to normalise) shows in differences that depend on the step.
 */
function smoothPoint(row: LayerRow, sizes: Sizes): Smooth {
  // Rows that compute the same thing in other ways share their points.
  const kind = Object.values(layers).indexOf(layers[row.forward]);
  const key = JSON.stringify([kind, sizes, row.options?.(sizes), row.before?.(sizes), row.kinks]);
  const found = known.get(key) ?? findSmoothPoint(row, sizes);
  known.set(key, found);
  return found;
}

interface Smooth {
  point: Point;
  gradients: Float64Array[];
}
const known = new Map<string, Smooth>();

function findSmoothPoint(row: LayerRow, sizes: Sizes): Smooth {
  for (let seed = 1; seed <= 60; seed++) {
    const point = randomPoint(row, sizes, seed);
    const slopes = (x: Dense, h: number) => numericGradient(() => reference(row, point), x, point.dout.data, h);
    const gradients: Float64Array[] = [];
    const smooth = Object.values(point.inputs).every((x) => {
      const [g, finer] = [slopes(x, 1e-3), slopes(x, 5e-4)];
      gradients.push(g);
      const tolerance = 1e-9 * scaleOf(g);
      return g.every((slope, j) => Math.abs(slope - finer[j]) < tolerance);
    });
    if (smooth) return { point, gradients };
  }
  throw new Error(`no smooth point for ${row.forward} ${JSON.stringify(sizes)}`);
}

const lift = (value: unknown, dtype: lw.DType): unknown =>
  value !== null && typeof value === 'object' && 'data' in value
    ? lw.tensor((value as Dense).data, { shape: (value as Dense).shape, dtype })
    : value;

/** The arguments of forward as the library takes them. */
function argumentsOf(row: LayerRow, point: Point, dtype: lw.DType): unknown[] {
  const tensors = Object.values(point.inputs).map((x) => lift(x, dtype));
  const { options } = point;
  const lifted =
    options && Object.fromEntries(Object.entries(options).map(([name, value]) => [name, lift(value, dtype)]));
  return [...tensors, ...(row.labels ? [point.labels] : []), ...point.before, ...(lifted ? [lifted] : [])];
}

interface Outcome {
  out: Float64Array;
  /** Of every way back, of every input. */
  gradients: Record<string, Float64Array[]>;
  /** What went wrong beside the results. */
  faults: string[];
}

/** What works in memory that it frees again: a result placed there has no poison behind it. */
const reusing = [
  'dropoutForward',
  'affineBnReluForward',
  'affineBnReluBackward',
  'affineReluBackward',
  'convReluBackward',
  'convBnReluBackward',
  'convReluPoolBackward',
];

/** Runs forward and every way back on poisoned memory. */
function evaluate(row: LayerRow, point: Point, dtype: 'float32' | 'float64'): Outcome {
  const faults: string[] = [];
  const gradients: Outcome['gradients'] = {};
  let out = new Float64Array();
  lw.scope(() => {
    const args = argumentsOf(row, point, dtype);
    const dout = lift(point.dout, dtype) as lw.Tensor;
    const given = [...tensorsIn(args.slice(0, Object.keys(point.inputs).length)), dout];
    const before = given.map(bits);
    const observe = (what: string, made: unknown) => {
      for (const t of tensorsIn(made)) {
        if (given.includes(t)) continue;
        const beyond = reusing.includes(what) ? 0 : writtenBeyond(t);
        if (beyond > 0) faults.push(`${what} wrote ${beyond} words past the end of ${t}`);
      }
      given.forEach((t, i) => {
        if (firstDifference(bits(t), before[i]) >= 0) faults.push(`${what} changed its argument ${i}`);
      });
    };
    const live = lw.info().memory.live;
    lw.scope(() => {
      poison();
      const [result, cache] = library[row.forward](...args) as [lw.Tensor | number, unknown];
      observe(row.forward, [result, cache]);
      out = typeof result === 'number' ? Float64Array.of(result) : Float64Array.from(result.data);
      if (typeof result !== 'number') {
        expect(result.shape).toEqual(point.dout.shape);
        expect(result.dtype).toBe(dtype);
      }
      if (row.labels) gradients.loss = [Float64Array.from((cache as lw.Tensor).data)];
      for (const way of row.backward) {
        poison();
        const back = [library[way](dout, cache)].flat() as lw.Tensor[];
        observe(way, back);
        expect(back.map((g) => g.shape)).toEqual(Object.values(point.inputs).map((x) => x.shape));
        expect(back.map((g) => g.dtype)).toEqual(back.map(() => dtype));
        gradients[way] = back.map((g) => Float64Array.from(g.data));
        const again = [library[way](dout, cache)].flat() as lw.Tensor[];
        const same = again.every((g, i) => firstDifference(bits(g), bits(back[i])) < 0);
        if (!same) faults.push(`${way} gives other numbers when it is called again`);
      }
    });
    const left = lw.info().memory.live - live;
    const averages = [...tensorsIn(args.at(-1))].filter((t) => !given.includes(t));
    const lasting = point.options?.mode === 'train' && 'gamma' in point.inputs ? averages : [];
    const bytes = lasting.reduce((total, t) => total + Math.ceil(t.data.byteLength / 64) * 64, 0);
    if (left !== bytes) faults.push(`${left - bytes} bytes stayed live`);
    for (const t of lasting) t.dispose();
  });
  return { out, gradients, faults };
}

const nameOf = (sizes: Sizes) => JSON.stringify(sizes).replaceAll('"', '');

// Room for the kernels' scratch, which grows from size to size, and soon filled.
beforeAll(() => lw.init({ build: inject('build'), threads: inject('threads'), maxMemory: 2 ** 23 }));

describe.each(Object.entries(layerTable))('%s', (_name, row) => {
  const names = Object.keys(row.inputs);
  const smooth = row.cases.map((sizes) => ({
    what: `${row.forward} ${nameOf(sizes)}`,
    sizes,
    ...smoothPoint(row, sizes),
  }));
  const outcome = new Map<unknown, Record<'float32' | 'float64', Outcome>>();
  const first = smooth[0].point;

  beforeAll(() => {
    for (const { point } of smooth) {
      outcome.set(point, { float32: evaluate(row, point, 'float32'), float64: evaluate(row, point, 'float64') });
    }
  });
  const outcomes = () =>
    smooth.map((s) => ({ ...s, ...(outcome.get(s.point) as Record<'float32' | 'float64', Outcome>) }));

  test('forward computes what plain loops compute', () => {
    for (const { what, point, float64 } of outcomes()) {
      const wanted = reference(row, point).data;
      expectClose(float64.out, wanted, 1e-13 * scaleOf(wanted), what);
    }
  });

  test('every way back agrees with central differences, in float64', () => {
    for (const { what, gradients, float64 } of outcomes()) {
      const ways = Object.entries(float64.gradients);
      expect(ways.length).toBeGreaterThan(0);
      for (const [way, got] of ways) {
        got.forEach((g, i) => {
          expectClose(g, gradients[i], 2e-9 * scaleOf(gradients[i]), `${what} ${way} d${names[i]}`);
        });
      }
    }
  });

  test('float32 follows float64 within rounding that grows with the summed length', () => {
    for (const [i, { what, point, float32, float64 }] of outcomes().entries()) {
      const length = Math.max(...Object.values(row.cases[i]));
      const tolerance = (2 ** -24 * (8 + length)) / Math.min(1, leastVariance(row.forward, point.inputs));
      expectClose(float32.out, float64.out, tolerance * scaleOf(float64.out), `${what} out`);
      for (const [way, wanted] of Object.entries(float64.gradients)) {
        const scale = scaleOf(...wanted);
        wanted.forEach((g, k) => {
          expectClose(float32.gradients[way][k], g, tolerance * scale, `${what} ${way} d${names[k]}`);
        });
      }
    }
  });

  test('writes nothing but its results, leaves its arguments alone and keeps no memory', () => {
    for (const { what, float32, float64 } of outcomes()) {
      expect(float32.faults, `${what} float32`).toEqual([]);
      expect(float64.faults, `${what} float64`).toEqual([]);
    }
  });

  test('any other sizes: shapes, values, and all ways back alike', () => {
    const drawn = fc.record({
      sizes: fc.constantFrom(...row.cases),
      batch: fc.integer({ min: 1, max: 6 }),
      more: fc.record({ D: fc.nat(9), M: fc.nat(9), H: fc.nat(6), W: fc.nat(9) }),
      seed: fc.nat(1e6),
    });
    const property = fc.property(drawn, ({ sizes, batch, more, seed }) => {
      const grown = Object.entries(sizes).map(
        ([name, n]) => [name, n + (more[name as keyof typeof more] ?? 0)] as const,
      );
      const other: Sizes = { ...Object.fromEntries(grown), N: batch };
      const point = randomPoint(row, other, seed);
      const what = `${row.forward} ${nameOf(other)}`;
      const { out, gradients, faults } = evaluate(row, point, 'float64');
      expect(faults, what).toEqual([]);
      const wanted = reference(row, point).data;
      expectClose(out, wanted, 1e-11 * scaleOf(wanted), what);
      const [one, ...others] = Object.values(gradients);
      for (const way of others) {
        for (const [i, g] of way.entries()) expectClose(g, one[i], 1e-9 * scaleOf(one[i]), `${what} d${names[i]}`);
      }
    });
    fc.assert(property, { seed: 20261128, numRuns: 10 });
  });

  const withArguments = (act: (args: unknown[]) => void) => lw.scope(() => act(argumentsOf(row, first, 'float64')));

  for (const { argument, shape, message } of row.refuses) {
    test(`refuses ${argument} of shape (${shape}) with its exact message`, () => {
      lw.scope(() => {
        const args = argumentsOf(row, first, 'float64');
        args[names.indexOf(argument)] = lw.zeros(shape, { dtype: 'float64' });
        const error = thrown(() => library[row.forward](...args));
        expect(error).toBeInstanceOf(lw.ShapeError);
        expect(error.message.replace(/^\w+: /, '')).toBe(message);
        expect(error.argument).toBe(argument);
        expectRefused(() => library[row.forward](...args), lw.ShapeError, error.message);
      });
    });
  }

  test('refuses every other shape of every parameter', () => {
    names.slice(1).forEach((name, i) => {
      const { shape } = first.inputs[name];
      const fixed = shape.map((_, axis) => axis).filter((axis) => !row.free?.[name]?.includes(axis));
      const wrong = [...fixed.map((axis) => shape.map((n, a) => (a === axis ? n + 1 : n))), [...shape, 1], [0]];
      for (const other of wrong) {
        lw.scope(() => {
          const args = argumentsOf(row, first, 'float64');
          args[i + 1] = lw.zeros(other, { dtype: 'float64' });
          // Another second axis of w is a legal w; then it is b that does not fit any more.
          expectRefused(
            () => library[row.forward](...args),
            lw.ShapeError,
            /^\w+: (\w+) must be .*, got \(/,
            `${name} (${other})`,
          );
        });
      }
    });
  });

  test('refuses whole numbers, mixed types and what is no tensor, by name', () => {
    names.forEach((name, i) => {
      const others: unknown[] = [undefined, null, 1, [1], new Float64Array(3), {}];
      for (const other of others) {
        withArguments((args) => {
          args[i] = other;
          expectRefused(
            () => library[row.forward](...args),
            lw.DTypeError,
            new RegExp(`: ${name} must be a tensor, got `),
          );
        });
      }
      const dtypes: lw.DType[] = i === 0 ? ['int32'] : ['int32', 'float32'];
      for (const dtype of dtypes) {
        withArguments((args) => {
          args[i] = (args[i] as lw.Tensor).astype(dtype);
          expectRefused(
            () => library[row.forward](...args),
            lw.DTypeError,
            new RegExp(`: ${name} must be .*, got ${dtype}`),
          );
        });
      }
    });
  });

  test('refuses arguments that have ended, and leaves no memory behind', () => {
    names.forEach((_, i) => {
      lw.scope(() => {
        const args = argumentsOf(row, first, 'float64');
        (args[i] as lw.Tensor).dispose();
        expectRefused(
          () => library[row.forward](...args),
          lw.RuntimeError,
          /^tensor: used after its end: float64 tensor/,
        );
      });
    });
  });

  test('runs out of memory without a trace', () => {
    lw.scope(() => {
      const dout = lift(first.dout, 'float64') as lw.Tensor;
      const [, cache] = library[row.forward](...argumentsOf(row, first, 'float64')) as [unknown, unknown];
      const args = argumentsOf(row, first, 'float64');
      const calls = { [row.forward]: () => library[row.forward](...args) };
      for (const way of row.backward) calls[way] = () => library[way](dout, cache);
      const given = [...tensorsIn([args, cache]), dout];
      const before = given.map(bits);
      for (const [name, call] of Object.entries(calls)) {
        let refused = 0;
        for (let done = false; !done; ) {
          const filler = fillMemory(64 * refused);
          const live = lw.info().memory.live;
          const options = Object.keys((args.at(-1) as object | undefined) ?? {});
          try {
            lw.scope(call);
            done = true;
          } catch (error) {
            expect(error, name).toBeInstanceOf(lw.MemoryError);
            expect(lw.info().memory.live, `${name} with ${refused} lines free`).toBe(live);
            expect(Object.keys((args.at(-1) as object | undefined) ?? {})).toEqual(options);
            refused++;
          }
          for (const t of filler) t.dispose();
          expect(given.map((t, i) => firstDifference(bits(t), before[i]))).toEqual(given.map(() => -1));
        }
        expect(refused, name).toBeGreaterThan(0);
        expect(refused, name).toBeLessThan(128);
      }
    });
  });

  if (row.options) {
    test('refuses unknown options by name', () => {
      withArguments((args) => {
        const options = { ...(args.at(-1) as object), nonsense: 1 };
        const act = () => library[row.forward](...args.slice(0, -1), options);
        expectRefused(act, lw.OptionError, /: unknown option 'nonsense'; /);
      });
    });
  }

  if (row.labels) {
    test('takes labels in every form and refuses what is none', () => {
      lw.scope(() => {
        const args = argumentsOf(row, first, 'float64');
        const loss = (labels: unknown) => (library[row.forward](args[0], labels, ...args.slice(2)) as [number])[0];
        const { labels } = first;
        const C = first.inputs.x.shape[1];
        const wanted = loss(labels);
        for (const form of [Int32Array, Uint8Array, Float32Array, Float64Array])
          expect(loss(form.from(labels))).toBe(wanted);
        for (const dtype of ['int32', ...floats] as const) expect(loss(lw.tensor(labels, { dtype }))).toBe(wanted);
        for (const bad of [C, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, undefined, '0']) {
          const wrong = [...labels.slice(1), bad];
          const at = labels.length - 1;
          const message = `${row.forward}: y must be whole numbers in [0, ${C}), got ${bad === '0' ? "'0'" : bad} at ${at}`;
          expectRefused(() => loss(wrong), lw.ValueError, message);
        }
        for (const wrong of [[...labels, 0], labels.slice(1), undefined, null, 0]) {
          expectRefused(() => loss(wrong), lw.ShapeError, new RegExp(`^${row.forward}: y must be `));
        }
      });
    });
  }

  for (const way of row.backward) {
    const prepared = (act: (dout: lw.Tensor, cache: unknown, args: unknown[]) => void) => {
      lw.scope(() => {
        const args = argumentsOf(row, first, 'float64');
        const [, cache] = library[row.forward](...args) as [lw.Tensor, unknown];
        act(lift(first.dout, 'float64') as lw.Tensor, cache, args);
      });
    };

    test(`${way} refuses a gradient of another shape or type`, () => {
      prepared((dout, cache) => {
        const shape = first.dout.shape;
        const text = `(${shape.join(', ')})`;
        for (const other of [[shape[0] + 1, ...shape.slice(1)], [...shape, 1], shape.slice(1)]) {
          const act = () => library[way](lw.zeros(other, { dtype: 'float64' }), cache);
          lw.scope(() => {
            const error = thrown(act);
            expect(error).toBeInstanceOf(lw.ShapeError);
            expect(error.message).toContain(
              `: dout must be ${text}, got (${other.length === 1 ? `${other},` : other.join(', ')}); `,
            );
          });
        }
        for (const wrong of [dout.astype('float32'), dout.astype('int32'), undefined, 1]) {
          expectRefused(() => library[way](wrong, cache), lw.DTypeError, /: dout must be /);
        }
      });
    });

    test(`${way} refuses what is not its own cache`, () => {
      prepared((dout, cache) => {
        const foreign = Object.values(layerTable)
          .filter((other) => other.backward.length > 0 && other.forward !== row.forward)
          .filter((other) => other.family === undefined || other.family !== row.family)
          .map((other) => {
            const { point } = { point: randomPoint(other, other.cases[0], 1) };
            return (library[other.forward](...argumentsOf(other, point, 'float64')) as unknown[])[1];
          });
        expect(foreign.length).toBeGreaterThan(3);
        for (const wrong of [...foreign, undefined, null, {}, [], { ...(cache as object) }, dout]) {
          expectRefused(() => library[way](dout, wrong), lw.RuntimeError, /: cache must be what \w+ returned, got /);
        }
      });
    });

    test(`${way} refuses what has ended, and leaves no memory behind`, () => {
      prepared((dout, cache) => {
        dout.dispose();
        expectRefused(() => library[way](dout, cache), lw.RuntimeError, /used after its end/, 'dout');
      });
      // What the cache keeps of the forward pass: each part that backward reads must be missed.
      prepared((_dout, probe) => {
        [...tensorsIn(probe)].forEach((_, i) => {
          prepared((dout, cache) => {
            const before = [library[way](dout, cache)].flat().map((g) => bits(g as lw.Tensor));
            [...tensorsIn(cache)][i].dispose();
            const live = lw.info().memory.live;
            try {
              const after = [library[way](dout, cache)].flat().map((g) => bits(g as lw.Tensor));
              expect(after.map((g, k) => firstDifference(g, before[k]))).toEqual(before.map(() => -1));
            } catch (error) {
              expect(error).toBeInstanceOf(lw.RuntimeError);
              expect((error as Error).message).toMatch(/used after its end/);
              expect(lw.info().memory.live, `${way} without part ${i} of its cache`).toBe(live);
            }
          });
        });
      });
    });
  }
});

test('the check of gradients rejects wrong ones', () => {
  const row = layerTable.affine;
  const { gradients } = smoothPoint(row, { N: 3, D: 5, M: 4 });
  const check = (got: ArrayLike<number>) => expectClose(got, gradients[1], 2e-9 * scaleOf(gradients[1]), 'dw');
  check(gradients[1]);
  for (const spoil of [
    (g: Float64Array) => g.map((v) => v * (1 + 1e-6)),
    (g: Float64Array) => g.map((v, i) => (i === g.length - 1 ? v + 1e-7 : v)),
    (g: Float64Array) => g.map((v, i) => (i === 0 ? -v : v)),
    (g: Float64Array) => g.slice(1),
    (g: Float64Array) => g.map((v, i) => (i === 3 ? Number.NaN : v)),
    (g: Float64Array) => g.toReversed(),
  ]) {
    expect(() => check(spoil(gradients[1]))).toThrow(/dw/);
  }
});
