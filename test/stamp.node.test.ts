// Binaries and bundles of two builds would work together without a complaint, and wrongly: they must refuse.
import { readFileSync } from 'node:fs';
import * as lw from 'lanewise';
import { afterAll, expect, test } from 'vitest';

const binary = new Uint8Array(readFileSync(new URL('../dist/lanewise.simd.wasm', import.meta.url)));

/** Where `text` lies, as text. */
function find(text: string): number {
  const at = Buffer.from(binary).indexOf(text, 0, 'latin1');
  expect(at).toBeGreaterThan(0);
  return at;
}

/** The binary without its last section, which is the one with the stamp. */
function stripped(): Uint8Array {
  const name = find('\u0008lanewise');
  // Before the name: 0 for a custom section, and its length, which fits into one byte.
  expect([binary[name - 2], binary[name - 1]]).toEqual([0, binary.length - name]);
  return binary.slice(0, name - 2);
}

afterAll(async () => {
  await lw.init({ build: 'simd', threads: 1 });
});

const init = (wasm: Uint8Array) => lw.init({ build: 'simd', threads: 1, wasm: wasm as Uint8Array<ArrayBuffer> });

test('the binary of this build is taken, also where a tool has removed the stamp', async () => {
  for (const bytes of [binary, stripped()]) {
    await init(bytes);
    expect(lw.ones([5]).sum()).toBe(5);
  }
});

test('one of other sources is refused, and the runtime before stays', async () => {
  await init(binary);
  const t = lw.ones([3]);
  const other = binary.slice();
  other[other.length - 1] ^= 1;
  await expect(init(other)).rejects.toThrow(
    /^init: wasm must be the binary that belongs to this script, with kernels [\da-f]{16}, got kernels [\da-f]{15}.; take script and \.wasm files from the same build/,
  );
  const renamed = stripped();
  renamed[find('vanishingF32') + 'vanishing'.length] = 'G'.charCodeAt(0);
  await expect(init(renamed)).rejects.toThrow(/with kernels [\da-f]{16}, got kernels with other arguments; take/);
  expect(t.sum()).toBe(3);
});
