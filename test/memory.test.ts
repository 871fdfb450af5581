// Memory in three layers: the allocator as a pure class over a memory that is only a length; scopes through the public API;
// plans on modules of src/ with a runtime of their own.
import fc from 'fast-check';
import * as lw from 'lanewise';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import * as errors from '../src/errors.js';
import { ALIGNMENT, activePlan, attempt, Heap, heap, Plan, persistent, scope } from '../src/memory.js';
import { start } from '../src/runtime/index.js';
import { empty, type Tensor } from '../src/tensor.js';
import { binaryUrl, expectRefused, fillMemory, thrown } from './support.js';

const PAGE = 65536;

/** A memory of which only the length exists, so that 4 GiB cost nothing. */
function mockMemory(pages: number, { refuses = (_pages: number): boolean => false } = {}) {
  const memory = {
    buffer: { byteLength: pages * PAGE } as ArrayBuffer,
    asked: [] as number[],
    grow(more: number) {
      memory.asked.push(more);
      if (refuses(more)) throw new RangeError('grow');
      const before = memory.buffer.byteLength / PAGE;
      memory.buffer = { byteLength: memory.buffer.byteLength + more * PAGE } as ArrayBuffer;
      return before;
    },
  };
  return memory;
}

describe('the heap', () => {
  const make = (pages = 16, base = 0, limit = 2 ** 32) => new Heap(mockMemory(pages), base, limit);

  test('hands out lines of 64 bytes one after the other, from its base on', () => {
    const h = make(1, 1000);
    expect(h.allocate(1, 'f')).toBe(1024);
    expect(h.allocate(64, 'f')).toBe(1088);
    expect(h.allocate(65, 'f')).toBe(1152);
    expect(h.allocate(0, 'f')).toBe(1280);
    expect(h.allocate(64, 'f')).toBe(1344);
    expect(h.live).toBe(64 + 64 + 128 + 64 + 64);
    expect([ALIGNMENT, h.reserved, h.limit]).toEqual([64, PAGE, 2 ** 32]);
  });

  test('takes the tightest hole, and leaves the rest of it', () => {
    const h = make();
    const [small, , large, , middle] = [64, 64, 512, 64, 256, 64].map((n) => h.allocate(n, 'f'));
    for (const address of [large, middle, small]) h.free(address);
    expect(h.allocate(200, 'f')).toBe(middle);
    expect(h.allocate(60, 'f')).toBe(small);
    expect(h.allocate(128, 'f')).toBe(large);
    expect(h.allocate(384, 'f')).toBe(large + 128);
    expect(h.allocate(64, 'f')).toBeGreaterThan(middle + 256);
  });

  test('finds a hole among many that are too small', () => {
    const h = make();
    // 65 to 127 lines lie in one bin.
    const blocks = [100, 70, 126, 80, 90].map((lines) => {
      const address = h.allocate(lines * 64, 'f');
      h.allocate(64, 'f');
      return { lines, address };
    });
    for (const { address } of blocks) h.free(address);
    for (const wanted of [85, 71, 126, 100, 70]) {
      const fitting = blocks.filter((b) => b.lines >= wanted).sort((a, b) => a.lines - b.lines)[0];
      expect(h.allocate(wanted * 64, 'f'), String(wanted)).toBe(fitting.address);
      blocks.splice(blocks.indexOf(fitting), 1);
      if (fitting.lines > wanted) h.allocate((fitting.lines - wanted) * 64, 'f');
    }
  });

  test('merges neighbours in whatever order they are freed', () => {
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const h = make();
      const blocks = [128, 64, 192].map((n) => h.allocate(n, 'f'));
      const guard = h.allocate(64, 'f');
      for (const i of order) h.free(blocks[i]);
      expect(h.live).toBe(64);
      expect(h.allocate(384, 'f')).toBe(blocks[0]);
      h.free(guard);
      h.free(blocks[0]);
      expect(h.live).toBe(0);
      expect(h.allocate(16 * PAGE, 'f')).toBe(0);
      expect(h.reserved).toBe(16 * PAGE);
    }
  });

  test('frees a block once, and only what it handed out', () => {
    const h = make();
    const a = h.allocate(128, 'f');
    h.free(a);
    h.free(a);
    h.free(a + 64);
    h.free(12345);
    expect(h.live).toBe(0);
    expect([h.allocate(128, 'f'), h.allocate(128, 'f')]).toEqual([0, 128]);
  });

  test('begins at a page of the machine from a megabyte on; what is before it stays free, and comes back', () => {
    const memory = mockMemory(20);
    const h = new Heap(memory, 0, 2 ** 32);
    const large = 2 ** 20;
    h.allocate(64, 'f');
    expect(h.allocate(large - 64, 'f')).toBe(64);
    const [first, low] = [h.allocate(1, 'f'), large + 64];
    expect(first).toBe(large);
    expect(h.allocate(large, 'f')).toBe(large + 4096);
    expect([memory.asked, h.live]).toEqual([[13], 64 + large - 64 + 64 + large]);
    expect([h.allocate(4096 - 64, 'f'), h.allocate(64, 'f')]).toEqual([low, 2 * large + 4096]);
    h.free(large + 4096);
    expect(h.allocate(large - 64, 'f')).toBe(large + 4096);
    h.free(large + 4096);
    expect(h.allocate(large, 'f')).toBe(large + 4096);

    // Room enough for the bytes, but not from a page on.
    const full = make(17, 64, 17 * PAGE);
    expect(thrown(() => full.allocate(17 * PAGE - 64, 'f'))).toBeInstanceOf(errors.MemoryError);
    expect(full.allocate(17 * PAGE - 4096, 'f')).toBe(4096);
  });

  test('grows by what is missing beyond the free end, and by a quarter at least', () => {
    const memory = mockMemory(16);
    const h = new Heap(memory, 0, 2 ** 32);
    h.allocate(15 * PAGE, 'f');
    expect(h.allocate(2 * PAGE, 'f')).toBe(15 * PAGE);
    expect(memory.asked).toEqual([4]);
    expect(h.allocate(100 * PAGE, 'f')).toBe(17 * PAGE);
    expect(memory.asked).toEqual([4, 97]);
  });

  test('grows by the least when the host refuses more', () => {
    const memory = mockMemory(16, { refuses: (pages) => pages > 1 });
    const h = new Heap(memory, 0, 2 ** 32);
    h.allocate(16 * PAGE, 'f');
    expect(h.allocate(PAGE, 'f')).toBe(16 * PAGE);
    expect(memory.asked).toEqual([4, 1]);
    expect(h.reserved).toBe(17 * PAGE);
  });

  test('stops at its limit: what is left can still be had', () => {
    const memory = mockMemory(16);
    const h = new Heap(memory, 0, 18 * PAGE);
    h.allocate(16 * PAGE, 'f');
    expect(h.allocate(PAGE, 'f')).toBe(16 * PAGE);
    expect(h.reserved).toBe(18 * PAGE);
    expect(h.allocate(PAGE, 'f')).toBe(17 * PAGE);
    expect(thrown(() => h.allocate(64, 'f'))).toBeInstanceOf(errors.MemoryError);
    expect(h.live).toBe(18 * PAGE);
  });

  test.each([
    ['its limit', mockMemory(16), 20 * PAGE],
    ['the host', mockMemory(16, { refuses: () => true }), 2 ** 32],
  ])('refuses, held up by %s, with nothing changed', (_by, memory, limit) => {
    const h = new Heap(memory, 0, limit);
    const a = h.allocate(PAGE, 'f');
    const b = h.allocate(64, 'f');
    h.free(a);
    const error = thrown(() => h.allocate(30 * PAGE + 1, 'conv'));
    expect(error).toBeInstanceOf(errors.MemoryError);
    const requested = 30 * PAGE + 64;
    expect(error).toMatchObject({ where: 'conv', requested, live: 64, limit });
    expect(error.message).toBe(
      `conv: no room for ${requested} bytes: 64 are live, the limit is ${limit}; dispose() what is no longer needed, or work inside scope()`,
    );
    expect([h.live, h.reserved]).toEqual([64, 16 * PAGE]);
    expect([h.allocate(PAGE, 'f'), h.allocate(64, 'f')]).toEqual([a, b + 64]);
  });

  test('reaches to the end of 4 GiB', () => {
    const pages = 65535;
    const h = new Heap(mockMemory(pages), 0, pages * PAGE);
    const half = h.allocate(2 ** 31, 'f');
    const rest = h.allocate(2 ** 31 - PAGE, 'f');
    expect([half, rest]).toEqual([0, 2 ** 31]);
    expect(thrown(() => h.allocate(1, 'f'))).toBeInstanceOf(errors.MemoryError);
    h.free(rest);
    expect(h.allocate(2 ** 31 - 2 * PAGE, 'f')).toBe(2 ** 31);
    expect(h.allocate(PAGE, 'f')).toBe(2 ** 32 - 2 * PAGE);
    h.free(half);
    expect(h.allocate(2 ** 31, 'f')).toBe(0);
    expect(thrown(() => h.allocate(2 ** 40, 'f'))).toMatchObject({ requested: 2 ** 40 });
  });

  test('keeps one piece of scratch per name that only grows and is not live', () => {
    const h = make();
    const a = h.scratch('gemm', 1000);
    expect(h.live).toBe(0);
    expect([h.scratch('gemm', 10), h.scratch('gemm', 1000), h.scratch('gemm', 1024)]).toEqual([a, a, a]);
    const other = h.scratch('rows', 64);
    const tensor = h.allocate(64, 'f');
    expect(new Set([a, other, tensor]).size).toBe(3);
    const larger = h.scratch('gemm', 2000);
    expect(larger).not.toBe(a);
    expect(h.live).toBe(64);
    expect(h.allocate(1024, 'f')).toBe(a);
    expect(thrown(() => h.scratch('gemm', 2 ** 33))).toMatchObject({ where: 'gemm', live: 64 + 1024 });
    expect(h.live).toBe(64 + 1024);
    h.scratch('gemm', 64);
    expect(h.live).toBe(64 + 1024);
  });

  test('never overlaps, never loses a byte, whatever the order', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ bytes: fc.oneof(fc.nat(300), fc.nat(2 * PAGE), fc.nat(20 * PAGE)) }) },
      { weight: 2, arbitrary: fc.record({ free: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(500), (steps, base) => {
        const h = make(4, base, 40 * PAGE);
        const first = Math.ceil(base / 64) * 64;
        const held: { start: number; end: number }[] = [];
        for (const s of steps) {
          if ('free' in s) {
            const [block] = held.splice(s.free % Math.max(1, held.length), 1);
            if (block) h.free(block.start);
          } else {
            try {
              const begin = h.allocate(s.bytes, 'f');
              const end = begin + Math.max(64, Math.ceil(s.bytes / 64) * 64);
              expect(begin % (s.bytes > 2 ** 20 - 64 ? 4096 : 64)).toBe(0);
              expect(begin).toBeGreaterThanOrEqual(first);
              expect(end).toBeLessThanOrEqual(h.reserved);
              for (const other of held) expect(end <= other.start || begin >= other.end).toBe(true);
              held.push({ start: begin, end });
            } catch (error) {
              expect(error).toBeInstanceOf(errors.MemoryError);
            }
          }
          expect(h.live).toBe(held.reduce((sum, b) => sum + b.end - b.start, 0));
          expect(h.reserved).toBeLessThanOrEqual(h.limit);
        }
        for (const b of held) h.free(b.start);
        const { reserved } = h;
        const begin = reserved - first < 2 ** 20 ? first : Math.ceil(first / 4096) * 4096;
        expect(h.allocate(reserved - begin, 'f')).toBe(begin);
        expect(h.reserved).toBe(reserved);
      }),
      { numRuns: 100 },
    );
  });
});

describe('scope', () => {
  const live = () => lw.info().memory.live;

  test('frees what was made inside, and gives back its result', () => {
    const before = live();
    expect(
      lw.scope(() => {
        lw.ones([100]);
        return lw.add(lw.ones([3]), 1).sum();
      }),
    ).toBe(6);
    expect(lw.scope(() => undefined)).toBeUndefined();
    expect(lw.scope(() => null)).toBeNull();
    expect(live()).toBe(before);
  });

  test.each([
    ['a tensor', (t: lw.Tensor) => t],
    ['an array', (t: lw.Tensor) => [1, t]],
    ['a plain object', (t: lw.Tensor) => ({ a: { b: t } })],
    ['a map', (t: lw.Tensor) => new Map([['t', t]])],
    ['a set', (t: lw.Tensor) => new Set([t])],
    ['a view of it', (t: lw.Tensor) => t.reshape(3, 1).rows(1)],
    ['a cache', (t: lw.Tensor) => lw.reluForward(t)],
    ['an object that holds itself', (t: lw.Tensor) => Object.assign([t] as unknown[], { self: [] as unknown[] })],
  ])('keeps %s', (_name, wrap) => {
    const before = live();
    let inside: lw.Tensor | undefined;
    const result = lw.scope(() => {
      lw.zeros([50]);
      inside = lw.tensor([1, 2, 3]);
      const made = wrap(inside) as unknown[] & { self?: unknown[] };
      made.self?.push(made);
      return made;
    });
    expect(result).toBeDefined();
    const kept = live() - before;
    if (_name === 'a cache') expect(kept).toBe(64);
    else {
      expect(kept).toBe(64);
      expect([...(inside as lw.Tensor).data]).toEqual([1, 2, 3]);
      inside?.dispose();
    }
    if (_name === 'a cache') (result[0] as unknown as lw.Tensor).dispose();
    expect(live()).toBe(before);
  });

  test('passes what it keeps to the scope around it', () => {
    const before = live();
    let leaked: lw.Tensor | undefined;
    const kept = lw.scope(() => {
      const [a, b] = lw.scope(() => {
        lw.ones([10]);
        return [lw.ones([2]), lw.ones([3])];
      });
      leaked = a;
      lw.scope(() => {
        // Made outside: the inner scope does not own it.
        expect(b.sum()).toBe(3);
      });
      return b;
    });
    expect(live()).toBe(before + 64);
    expect(kept.sum()).toBe(3);
    expect(() => leaked?.data).toThrow(lw.RuntimeError);
    kept.dispose();
    expect(live()).toBe(before);
  });

  test('takes early disposal of anybody', () => {
    const before = live();
    const outer = lw.ones([4]);
    lw.scope(() => {
      const inner = lw.ones([4]);
      inner.dispose();
      outer.dispose();
      // In the place of one of them.
      expect(lw.full([4], 5).sum()).toBe(20);
      inner.dispose();
    });
    expect(live()).toBe(before);
  });

  test('frees everything when the function throws, and is over', () => {
    const before = live();
    const error = new Error('mine');
    expect(
      thrown(() =>
        lw.scope(() =>
          lw.scope(() => {
            lw.ones([100]);
            throw error;
          }),
        ),
      ),
    ).toBe(error);
    expect(live()).toBe(before);
    const outside = lw.ones([3]);
    expect(live()).toBe(before + 64);
    outside.dispose();
  });

  test('refuses asynchronous functions and frees what they made', async () => {
    const before = live();
    let promise: Promise<unknown> | undefined;
    const act = () =>
      lw.scope(() => {
        promise = (async () => lw.ones([3]))();
        return promise;
      });
    const message =
      'scope: the function must not be asynchronous; tensors made after an await would belong to somebody else; dispose() them instead';
    expectRefused(act, lw.RuntimeError, message);
    await promise;
    expect(live()).toBe(before);
  });
});

describe('memory that runs out', () => {
  beforeAll(() => lw.init({ build: inject('build'), threads: inject('threads'), maxMemory: 2 ** 21 }));

  test('is told with what was asked, live and the limit; everything stays as it was', () => {
    lw.scope(() => {
      const t = lw.full([1000], 3);
      const { live, limit } = lw.info().memory;
      expect(limit).toBe(2 ** 21);
      for (const elements of [2 ** 19, 2 ** 29 - 16, 2 ** 31 - 16]) {
        const error = thrown(() => lw.zeros([elements]));
        expect(error).toBeInstanceOf(lw.MemoryError);
        expect(error).toMatchObject({ where: 'tensor', requested: elements * 4, live, limit });
      }
      expect(lw.info().memory).toMatchObject({ live, limit });
      expect(t.sum()).toBe(3000);
      const room = lw.zeros([2 ** 18]);
      expect(() => lw.zeros([2 ** 18])).toThrow(lw.MemoryError);
      room.dispose();
      lw.zeros([2 ** 18]);
    });
  });

  test('leaves nothing of a call that got half-way, inside a scope or out of it', () => {
    const x = lw.ones([64, 64]);
    const { live } = lw.info().memory;
    // Room for the result, none for the scratch of the first product.
    const filler = fillMemory(64 * 64 * 4);
    expect(() => lw.matmul(x, x)).toThrow(/^gemm/);
    expect(() => lw.affineReluForward(x, x, x.rows(0, 1).reshape(64))).toThrow(lw.MemoryError);
    for (const t of filler) t.dispose();
    expect(lw.info().memory.live).toBe(live);
    const product = lw.matmul(x, x);
    expect(product.sum()).toBe(64 ** 3);
    const again = fillMemory();
    expect(() => x.std(0)).toThrow(lw.MemoryError);
    expect(() => lw.add(x, 1)).toThrow(lw.MemoryError);
    expect(() => x.take([1, 2])).toThrow(lw.MemoryError);
    for (const t of [...again, product]) t.dispose();
    expect(lw.info().memory.live).toBe(live);
    x.dispose();
  });

  test('does not disturb a random stream', () => {
    const [a, b] = [new lw.RandomState(5), new lw.RandomState(5)];
    expect(() => a.randn(2 ** 20)).toThrow(lw.MemoryError);
    expect(() => a.permutation(2 ** 20)).toThrow(lw.MemoryError);
    expect(a.randn()).toBe(b.randn());
  });
});

describe('inside the library', () => {
  beforeAll(async () => {
    await start({ build: inject('build'), threads: 1, wasm: binaryUrl(inject('build')) });
  });
  const live = () => heap().live;
  const make = (n: number) => empty([n], 'int32');
  const address = (t: Tensor) => t.address;

  test('persistent tensors outlast every scope', () => {
    const before = live();
    const [a, b] = scope(() => {
      const kept = persistent(() => scope(() => make(4)));
      const lost = make(4);
      return [{ t: kept.address }, lost.address, kept] as const;
    }).slice(0, 2) as [{ t: number }, number];
    expect(a.t).not.toBe(b);
    const held: Tensor[] = [];
    scope(() => {
      persistent(() => held.push(make(8)));
      make(8);
    });
    expect(held[0].data.length).toBe(8);
    held[0].dispose();
    expect(
      thrown(() =>
        persistent(() => {
          throw new Error('mine');
        }),
      ).message,
    ).toBe('mine');
    expect(scope(() => make(4).address)).toBeGreaterThan(0);
    expect(live()).toBe(before + 64);
  });

  test('an attempt that fails frees what it made, one that succeeds nothing', () => {
    const before = live();
    const fail = () => {
      throw new Error('mine');
    };
    const kept: Tensor[] = [];
    expect(() =>
      attempt(() => {
        make(4);
        attempt(() => make(4)).dispose();
        make(4);
        attempt(() => make(4));
        expect(() =>
          attempt(() => {
            make(4);
            fail();
          }),
        ).toThrow('mine');
        expect(live()).toBe(before + 3 * 64);
        fail();
      }),
    ).toThrow('mine');
    expect(live()).toBe(before);
    kept.push(
      attempt(() => make(4)),
      scope(() => attempt(() => make(4))),
    );
    expect(() => attempt(fail)).toThrow('mine');
    expect(live()).toBe(before + 128);
    for (const t of kept) t.dispose();
  });

  describe('a plan', () => {
    test('hands the same tensors out again and takes no memory for it', () => {
      const before = live();
      const plan = new Plan();
      const run = () => plan.run('step', () => [make(100), make(3), empty([2, 3], 'float64')]);
      const first = run();
      const addresses = first.map(address);
      const held = live();
      expect(held).toBeGreaterThan(before);
      for (let i = 0; i < 3; i++) {
        const next = run();
        next.forEach((t, k) => {
          expect(t).toBe(first[k]);
        });
        expect(next.map(address)).toEqual(addresses);
        expect(live()).toBe(held);
      }
      expect(activePlan()).toBeUndefined();
      plan.dispose();
      expect(live()).toBe(before);
      for (const t of first) expect(() => t.data).toThrow(errors.RuntimeError);
    });

    test('uses the memory of what was released for what comes later, the same way every time', () => {
      const before = live();
      const plan = new Plan();
      const run = () =>
        plan.run('step', () => {
          const a = make(1000);
          const b = make(1000);
          a.dispose();
          const c = make(990);
          expect(() => a.data).toThrow(errors.RuntimeError);
          b.dispose();
          c.dispose();
          const d = make(1000);
          const e = make(1000);
          return [a, b, c, d, e];
        });
      const first = run();
      const places = first.map((t) => t.block.address);
      expect(places[2]).toBe(places[0]);
      expect([...places.slice(3)].sort()).toEqual([...places.slice(0, 2)].sort());
      expect(live() - before).toBe(2 * 4032);
      const second = run();
      second.forEach((t, i) => {
        expect(t).toBe(first[i]);
      });
      expect(live() - before).toBe(2 * 4032);
      plan.dispose();
      expect(live()).toBe(before);
    });

    test('does not put a small tensor into a large hole', () => {
      const plan = new Plan();
      const [large, small] = plan.run('step', () => {
        const t = make(100_000);
        t.dispose();
        return [t.block.address, make(100).address];
      });
      expect(small).not.toBe(large);
      plan.dispose();
    });

    test('ends the tensors of the run before, until each is made again', () => {
      const plan = new Plan();
      let last: Tensor[] = [];
      const run = (look: () => void) =>
        plan.run('step', () => {
          look();
          const a = make(16);
          a.data.fill(1);
          a.dispose();
          // In the memory of a.
          const b = make(16);
          b.data.fill(2);
          last = [a, b];
        });
      run(() => undefined);
      expect(last[1].data[0]).toBe(2);
      run(() => {
        for (const t of last) expect(() => t.data).toThrow(errors.RuntimeError);
        // What is over cannot be given back a second time: the memory may be somebody else's by now.
        for (const t of last) t.dispose();
      });
      expect(last[1].data[0]).toBe(2);
      const { steps } = { steps: last.map((t) => t.block.address) };
      expect(steps[0]).toBe(steps[1]);
      plan.dispose();
    });

    test('records anew from where a run departs', () => {
      const before = live();
      const plan = new Plan();
      const run = (sizes: number[]) => plan.run('step', () => sizes.map(make));
      const first = run([10, 20, 30, 40]);
      const second = run([10, 20, 300, 40]);
      expect([second[0] === first[0], second[1] === first[1]]).toEqual([true, true]);
      for (const t of first.slice(2)) expect(() => t.data).toThrow(errors.RuntimeError);
      expect(second[2].size).toBe(300);
      expect(live() - before).toBe(64 + 128 + 1216 + 192);
      // Shorter: what was not asked for again is forgotten. Longer: added.
      run([10, 20]);
      expect(() => second[2].data).toThrow(errors.RuntimeError);
      expect(live() - before).toBe(64 + 128);
      expect(run([10, 20, 5]).map((t) => t.size)).toEqual([10, 20, 5]);
      expect(run([]).length).toBe(0);
      expect(live()).toBe(before);
      // The same size in another shape or type is another tensor.
      const shapes = [() => empty([4], 'int32'), () => empty([2, 2], 'int32'), () => empty([4], 'float32')];
      const made = shapes.map((shape) => plan.run('step', shape));
      expect(new Set(made).size).toBe(3);
      expect(made[2]).toMatchObject({ shape: [4], dtype: 'float32' });
      plan.dispose();
      expect(live()).toBe(before);
    });

    test('is not confused by a run that throws', () => {
      const before = live();
      const plan = new Plan();
      const run = (fails: boolean) =>
        plan.run('step', () => {
          const a = make(10);
          if (fails) throw new Error('mine');
          a.dispose();
          return [a, make(10)];
        });
      run(false);
      expect(() => run(true)).toThrow('mine');
      expect(activePlan()).toBeUndefined();
      const [a, b] = run(false);
      expect(b.data.length).toBe(10);
      expect(a.block.address).toBe(b.address);
      expect(run(false)[1]).toBe(b);
      plan.dispose();
      expect(live()).toBe(before);
    });

    test('remembers some keys, those used last', () => {
      const before = live();
      const plan = new Plan();
      const run = (key: number) => plan.run(`key ${key}`, () => make(100));
      const tensors = [run(0)];
      const alive = (t: Tensor) => t.block.alive;
      while (alive(tensors[0])) tensors.push(run(tensors.length));
      const remembered = tensors.length - 1;
      expect(remembered).toBeGreaterThanOrEqual(4);
      expect(live() - before).toBe(remembered * 448);
      expect(new Set(tensors.slice(1).map(address)).size).toBe(remembered);
      // The oldest is used once more: it is the second that goes now.
      expect(run(1)).toBe(tensors[1]);
      run(100);
      expect(tensors.map(alive)).toEqual(tensors.map((_, i) => i !== 0 && i !== 2));
      expect(() => tensors[2].data).toThrow(errors.RuntimeError);
      expect(run(3)).toBe(tensors[3]);
      expect(live() - before).toBe(remembered * 448);
      plan.dispose();
      expect(live()).toBe(before);
      plan.dispose();
      expect(run(0).data.length).toBe(100);
      plan.dispose();
      expect(live()).toBe(before);
    });

    test('may run inside another, and inside a scope', () => {
      const before = live();
      const [outer, inner] = [new Plan(), new Plan()];
      const run = () =>
        scope(() =>
          outer.run('step', () => {
            const a = make(10);
            const b = inner.run('step', () => make(10));
            a.dispose();
            return [a, b, make(10)];
          }),
        );
      const first = run();
      const second = run();
      second.forEach((t, i) => {
        expect(t).toBe(first[i]);
      });
      expect(first[1].block.address).not.toBe(first[2].address);
      outer.dispose();
      expect(first[1].data.length).toBe(10);
      inner.dispose();
      expect(live()).toBe(before);
    });

    test('leaves disposal outside of a run without effect on the next', () => {
      const plan = new Plan();
      const run = () => plan.run('step', () => [make(10), make(20)]);
      const [a, b] = run();
      const held = live();
      a.dispose();
      expect(() => a.data).toThrow(errors.RuntimeError);
      expect(b.data.length).toBe(20);
      expect(live()).toBe(held);
      expect(run()[0]).toBe(a);
      expect(a.data.length).toBe(10);
      plan.dispose();
    });

    test('never gives one place to two tensors, whatever a run does', () => {
      const step = fc.oneof(
        fc.record({ size: fc.integer({ min: 1, max: 60 }) }),
        fc.record({ size: fc.integer({ min: 1000, max: 1200 }) }),
        fc.record({ end: fc.nat() }),
      );
      const program = fc.array(step, { maxLength: 25 });
      const change = fc.record({ at: fc.nat(), with: fc.array(step, { maxLength: 3 }), drop: fc.nat({ max: 3 }) });
      fc.assert(
        fc.property(program, fc.array(change, { maxLength: 4 }), (steps, changes) => {
          const before = live();
          const plan = new Plan();
          let stamp = 0;
          const execute = () =>
            plan.run('step', () => {
              const alive: { t: Tensor; stamp: number }[] = [];
              for (const s of steps) {
                if ('end' in s) {
                  const [gone] = alive.splice(s.end % Math.max(1, alive.length), 1);
                  gone?.t.dispose();
                } else {
                  const t = make(s.size);
                  t.data.fill(++stamp);
                  alive.push({ t, stamp });
                }
                for (const a of alive) expect(a.t.data.every((v) => v === a.stamp)).toBe(true);
              }
              return alive;
            });
          execute();
          for (const c of changes) {
            execute();
            steps.splice(c.at % (steps.length + 1), c.drop, ...c.with);
            execute();
            const held = live();
            const alive = execute();
            for (const a of alive) expect(a.t.data.every((v) => v === a.stamp)).toBe(true);
            expect(live()).toBe(held);
          }
          plan.dispose();
          expect(live()).toBe(before);
        }),
        { numRuns: 60 },
      );
    });
  });

  test('a plan of another runtime is refused', async () => {
    const plan = new Plan();
    const t = plan.run('step', () => make(4));
    await start({ build: inject('build'), threads: 1, wasm: binaryUrl(inject('build')) });
    expect(thrown(() => plan.run('step', () => make(4))).message).toBe(
      'plan: made by another runtime; init() was called again',
    );
    expect(() => t.data).toThrow(/of another runtime/);
  });
});
