/** The limit itself, loop by loop: which number of sums fills the pipes of this machine. */

export const title = 'register-only multiply-add';

export function families({ quick }) {
  return ['float32', 'float64'].map((dtype) =>
    [8, 9, 10, 11, 12, 13, 16]
      .filter((sums) => !quick || sums === 8)
      .map((sums) => ({
        name: `${sums} sums`,
        dtype,
        unit: 'GFLOP/s',
        limit: 'peak',
        oneThread: true,
        make({ peak }) {
          const loop = peak.loops.find((one) => one.dtype === dtype && one.sums === sums);
          if (!loop) return undefined;
          const steps = 20000;
          return {
            amount: loop.flops * steps,
            run: () => loop.run(steps),
            verify() {
              loop.verify();
              return 0;
            },
          };
        },
      })),
  );
}
