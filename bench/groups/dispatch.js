/** What a call costs before it computes anything. */

export const title = 'overheads';

/** Elements from which on an elementwise kernel is shared between threads (see kernels.ts), in whole lines. */
const SHARED = 50_048;

function overhead(name, make) {
  return { name, dtype: 'float32', unit: 'µs', make };
}

const items = [
  {
    ...overhead('JavaScript to wasm, empty', ({ peak }) => ({ run: peak.nothing, verify: () => 0 })),
    oneThread: true,
  },
  overhead('scope, empty', ({ lw }) => ({ run: () => lw.scope(() => {}), verify: () => 0 })),
  overhead('zeros([16]) and dispose', ({ lw }) => ({
    run: () => lw.zeros([16]).dispose(),
    verify(what) {
      const t = lw.zeros([16]);
      if (t.data.some((value) => value !== 0)) throw new Error(`${what}: not all zero`);
      t.dispose();
      return 0;
    },
  })),
  overhead('add of 16', ({ lw }) => sum(lw, 16)),
  overhead('matmul 1x1x1', ({ lw }) => {
    const a = lw.full([1, 1], 3);
    return {
      tensors: [a],
      run: () => lw.matmul(a, a).dispose(),
      verify(what) {
        const c = lw.matmul(a, a);
        if (c.item() !== 9) throw new Error(`${what}: ${c.item()}, not 9`);
        c.dispose();
        return 0;
      },
    };
  }),
];

function sum(lw, size) {
  const a = lw.ones([size]);
  return {
    tensors: [a],
    run: () => lw.add(a, a).dispose(),
    verify(what) {
      const c = lw.add(a, a);
      if (c.data.some((value) => value !== 2)) throw new Error(`${what}: not all 2`);
      c.dispose();
      return 0;
    },
  };
}

/**
 * Threads have no empty job. The smallest one that is shared takes its time on one thread divided by n, plus handing it
 * over: what is left is the hand-over.
 */
const shared = {
  ...overhead(`add of ${SHARED}, the least that is shared`, ({ lw }) => sum(lw, SHARED)),
  derive: { name: 'handing a job over', unit: 'µs', of: (one, many, threads) => 1000 * (many - one / threads) },
};

export function families() {
  return [items, [shared]];
}
