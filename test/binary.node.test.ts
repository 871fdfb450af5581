// What a shared memory demands of the kernel module. Every worker instantiates it anew on the same memory: a data segment would be
// written again over live numbers, and a mutable global would differ from thread to thread. So there are none; nor may a build hold
// instructions that the runtimes it is meant for refuse. The binaries are decoded here, down to each instruction.
// Format: https://webassembly.github.io/spec/core/binary/
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const section = {
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  code: 10,
  data: 11,
  dataCount: 12,
};
const kind = { function: 0, memory: 2 };
const prefix = { misc: 0xfc, simd: 0xfd, atomic: 0xfe };
const firstRelaxed = 0x100;

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  get done(): boolean {
    return this.at >= this.bytes.length;
  }
  byte(): number {
    if (this.done) throw new Error('the binary ends early');
    return this.bytes[this.at++];
  }
  /** An unsigned LEB128; of a signed one it passes over the right number of bytes. */
  leb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
  take(length: number): Reader {
    const part = new Reader(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    if (this.at > this.bytes.length) throw new Error('the binary ends early');
    return part;
  }
  name(): string {
    return new TextDecoder().decode(this.take(this.leb()).bytes);
  }
  vector<T>(item: () => T): T[] {
    return Array.from({ length: this.leb() }, item);
  }
  limits(): { min: number; max?: number; shared: boolean } {
    const flags = this.byte();
    const min = this.leb();
    return { min, max: flags & 1 ? this.leb() : undefined, shared: (flags & 2) !== 0 };
  }

  /** Passes over one instruction with its immediates; [opcode, second opcode behind a prefix]. */
  instruction(): [number, number] {
    const op = this.byte();
    const skip = (lebs: number, bytes = 0) => {
      for (let i = 0; i < lebs; i++) this.leb();
      this.take(bytes);
    };
    if (op === prefix.misc) {
      const sub = this.leb();
      skip([8, 10, 12, 14].includes(sub) ? 2 : sub > 7 ? 1 : 0);
      return [op, sub];
    }
    if (op === prefix.simd) {
      const sub = this.leb();
      if (sub <= 11 || sub === 92 || sub === 93)
        skip(2); // loads and stores
      else if (sub === 12 || sub === 13)
        skip(0, 16); // v128.const, shuffle
      else if (sub >= 21 && sub <= 34)
        skip(0, 1); // lanes
      else if (sub >= 84 && sub <= 91) skip(2, 1); // loads and stores of a lane
      return [op, sub];
    }
    if (op === prefix.atomic) {
      const sub = this.leb();
      if (sub === 3) skip(0, 1);
      else skip(2);
      return [op, sub];
    }
    if (op >= 0x02 && op <= 0x04)
      skip(1); // block, loop, if
    else if (op === 0x0c || op === 0x0d || op === 0x10 || op === 0x12)
      skip(1); // branches, calls
    else if (op === 0x0e)
      skip(this.leb() + 1); // br_table
    else if (op === 0x11 || op === 0x13)
      skip(2); // indirect calls
    else if (op === 0x1c)
      skip(this.leb()); // select with types
    else if (op >= 0x20 && op <= 0x26)
      skip(1); // variables, tables
    else if (op >= 0x28 && op <= 0x3e)
      skip(2); // loads and stores
    else if (op >= 0x3f && op <= 0x42)
      skip(1); // memory.size, memory.grow, integer constants
    else if (op === 0x43) skip(0, 4);
    else if (op === 0x44) skip(0, 8);
    else if (op === 0xd0 || op === 0xd2) skip(1);
    else if (op > 0xc4 || (op > 0x11 && op < 0x1a)) throw new Error(`unknown opcode 0x${op.toString(16)}`);
    return [op, 0];
  }
}

function decode(bytes: Uint8Array) {
  const reader = new Reader(bytes);
  expect([...reader.take(8).bytes], 'magic number and version').toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const sections = new Map<number, Reader>();
  while (!reader.done) {
    const id = reader.byte();
    const body = reader.take(reader.leb());
    if (id !== 0) sections.set(id, body);
  }
  const read = <T>(id: number, item: (r: Reader) => T): T[] => {
    const body = sections.get(id);
    return body ? body.vector(() => item(body)) : [];
  };

  const imports = read(section.import, (r) => {
    const path = `${r.name()}.${r.name()}`;
    const what = r.byte();
    if (what !== kind.memory) throw new Error(`${path} is imported; only a memory may be`);
    return { path, ...r.limits() };
  });
  const mutableGlobals = read(section.global, (r) => {
    r.byte();
    const mutable = r.byte() === 1;
    while (r.instruction()[0] !== 0x0b);
    return mutable;
  }).filter(Boolean).length;
  const exports = read(section.export, (r) => ({ name: r.name(), kind: r.byte(), index: r.leb() }));
  const used = { simd: 0, relaxed: 0, atomic: 0 };
  read(section.code, (r) => {
    const body = r.take(r.leb());
    body.vector(() => [body.leb(), body.byte()]); // locals
    while (!body.done) {
      const [op, sub] = body.instruction();
      if (op === prefix.simd) used[sub >= firstRelaxed ? 'relaxed' : 'simd']++;
      if (op === prefix.atomic) used.atomic++;
    }
  });
  return { sections: [...sections.keys()], imports, mutableGlobals, exports, used };
}

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));
const declared = [
  ...read('assembly/index.ts')
    .toString()
    .matchAll(/^export function (\w+)/gm),
].map((match) => match[1]);

describe.each([
  { build: 'simd', relaxed: false, threads: false },
  { build: 'relaxed', relaxed: true, threads: false },
  { build: 'simd.threads', relaxed: false, threads: true },
  { build: 'relaxed.threads', relaxed: true, threads: true },
])('lanewise.$build.wasm', ({ build, relaxed, threads }) => {
  const bytes = read(`dist/lanewise.${build}.wasm`);
  const module = decode(bytes);

  test('has no data, no mutable globals, no memory and no start function of its own', () => {
    expect(module.sections).not.toContain(section.data);
    expect(module.sections).not.toContain(section.dataCount);
    expect(module.sections).not.toContain(section.memory);
    expect(module.sections).not.toContain(section.start);
    expect(module.mutableGlobals).toBe(0);
  });

  test(`imports a ${threads ? 'shared' : 'plain'} memory and nothing else`, () => {
    expect(module.imports.map(({ path, shared }) => ({ path, shared }))).toEqual([
      { path: 'env.memory', shared: threads },
    ]);
  });

  test('exports the kernels of assembly/index.ts and nothing else', () => {
    expect(declared.length).toBeGreaterThan(0);
    expect(module.exports.every((entry) => entry.kind === kind.function)).toBe(true);
    expect(module.exports.map(({ name }) => name).sort()).toEqual([...declared].sort());
  });

  test('uses only the instructions of its build', () => {
    expect(module.used.simd).toBeGreaterThan(0);
    if (relaxed) expect(module.used.relaxed).toBeGreaterThan(0);
    else expect(module.used.relaxed).toBe(0);
    if (!threads) expect(module.used.atomic).toBe(0);
  });
});

test('the decoder sees data segments, mutable globals and relaxed instructions where there are some', () => {
  // (memory 1) (global (mut i32) (i32.const 0)) (func (f32x4.relaxed_madd ...) drop) (data (i32.const 0) "\01")
  const splat = [0x43, 0, 0, 0, 0, 0xfd, 0x13];
  const code = [0, ...splat, ...splat, ...splat, 0xfd, 0x85, 0x02, 0x1a, 0x0b];
  const bytes = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 4, 1, 0x60, 0, 0],
    ...[3, 2, 1, 0],
    ...[5, 3, 1, 0, 1],
    ...[6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b],
    ...[10, code.length + 2, 1, code.length, ...code],
    ...[11, 7, 1, 0, 0x41, 0, 0x0b, 1, 1],
  ];
  const module = decode(Uint8Array.from(bytes));
  expect(module.sections).toContain(section.data);
  expect(module.mutableGlobals).toBe(1);
  expect(module.used).toEqual({ simd: 3, relaxed: 1, atomic: 0 });
});
