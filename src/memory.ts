/**
 * The sole owner of linear memory: 64-byte aligned blocks, who frees them, and plans that hand the same blocks out
 * again so that a training step allocates nothing.
 */

import { MemoryError, RuntimeError } from './errors.js';
import { HEAP_BASE } from './runtime/board.js';
import { current, type Runtime } from './runtime/index.js';

export const ALIGNMENT = 64;
const PAGE = 65536;
/**
 * From a megabyte on blocks begin at a page of the machine: the rows of a data set are read in any order, and what each costs
 * is the pages that it touches. (Images of CIFAR-10 in float32 take three pages instead of four: softmax steps 0.96.)
 */
const LARGE = 2 ** 20;
const MACHINE_PAGE = 4096;

/** The part of WebAssembly.Memory that a heap uses. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** A piece of linear memory with one owner. */
export class Block {
  alive = true;
  /** What frees it besides dispose(); undefined when nothing does. */
  owner: Owner | undefined;

  constructor(
    readonly heap: Heap,
    readonly address: number,
    readonly bytes: number,
  ) {}

  free(): void {
    if (!this.alive) return;
    this.alive = false;
    if (this.owner) this.owner.release(this);
    else this.heap.free(this.address);
    if (!(this.owner instanceof Plan)) this.owner = undefined;
  }
}

/** Something that blocks belong to: a scope or a plan. */
interface Owner {
  release(block: Block): void;
}

/**
 * Best-fit allocator. Its books are kept outside linear memory, so a stray write cannot destroy them. Free ranges are
 * binned by the power of two of their size and merged with their neighbours at once.
 */
export class Heap {
  /** Bytes in use, with the padding to whole lines. */
  live = 0;
  /** Where new blocks come from; the last entry decides. */
  readonly owners: (Owner | undefined)[] = [];
  /** What the attempts under way have made, and how many there are, one inside the other. */
  readonly made: Block[] = [];
  attempts = 0;
  readonly #memory: LinearMemory;
  readonly #limit: number;
  /** Address of every used range, with its size. */
  readonly #used = new Map<number, number>();
  /** Free ranges by start and by end. */
  readonly #starts = new Map<number, number>();
  readonly #ends = new Map<number, number>();
  readonly #bins: Set<number>[] = Array.from({ length: 33 }, () => new Set<number>());
  readonly #scratch = new Map<string, number>();

  constructor(memory: LinearMemory, base: number, limit: number) {
    this.#memory = memory;
    this.#limit = limit;
    const start = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
    const rest = memory.buffer.byteLength - start;
    if (rest > 0) this.#addFree(start, rest);
  }

  get buffer(): ArrayBufferLike {
    return this.#memory.buffer;
  }

  get reserved(): number {
    return this.#memory.buffer.byteLength;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Address of `bytes` new bytes, or a MemoryError with nothing changed. Contents are undefined. */
  allocate(bytes: number, where: string): number {
    const need = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let range = this.#find(need);
    if (range === undefined) {
      this.#grow(need, where);
      range = this.#find(need) as number;
    }
    const start = aligned(range, need);
    const past = range + (this.#starts.get(range) as number);
    this.#removeFree(range, past - range);
    if (start > range) this.#addFree(range, start - range);
    if (past > start + need) this.#addFree(start + need, past - start - need);
    this.#used.set(start, need);
    this.live += need;
    return start;
  }

  free(address: number): void {
    const size = this.#used.get(address);
    if (size === undefined) return;
    this.#used.delete(address);
    this.live -= size;
    this.#addFree(address, size);
  }

  /**
   * Address of at least `bytes` bytes for kernels to work in: one piece per name, which only ever grows and is not
   * counted as live.
   */
  scratch(name: string, bytes: number): number {
    const held = this.#scratch.get(name);
    if (held !== undefined && (this.#used.get(held) as number) >= bytes) return held;
    if (held !== undefined) {
      this.live += this.#used.get(held) as number;
      this.#scratch.delete(name);
      this.free(held);
    }
    const address = this.allocate(bytes, name);
    this.live -= this.#used.get(address) as number;
    this.#scratch.set(name, address);
    return address;
  }

  /** The smallest free range with room for `need` aligned bytes. */
  #find(need: number): number | undefined {
    let bin = bitLength(need);
    let best: number | undefined;
    let least = Number.POSITIVE_INFINITY;
    // In the bin of `need` itself ranges may be too small; every range of a higher bin fits, or nearly.
    for (; bin < this.#bins.length && best === undefined; bin++) {
      for (const start of this.#bins[bin] as Set<number>) {
        const size = this.#starts.get(start) as number;
        if (size < least && size >= need + aligned(start, need) - start) {
          best = start;
          least = size;
          if (size === need) break;
        }
      }
    }
    return best;
  }

  #addFree(start: number, size: number): void {
    const before = this.#ends.get(start);
    if (before !== undefined) {
      const length = this.#starts.get(before) as number;
      this.#removeFree(before, length);
      start = before;
      size += length;
    }
    const after = this.#starts.get(start + size);
    if (after !== undefined) {
      this.#removeFree(start + size, after);
      size += after;
    }
    this.#starts.set(start, size);
    this.#ends.set(start + size, start);
    this.#bins[bitLength(size)]?.add(start);
  }

  #removeFree(start: number, size: number): void {
    this.#starts.delete(start);
    this.#ends.delete(start + size);
    this.#bins[bitLength(size)]?.delete(start);
  }

  #grow(need: number, where: string): void {
    const end = this.reserved;
    const from = this.#ends.get(end) ?? end;
    const missing = need + aligned(from, need) - end;
    const least = Math.ceil(missing / PAGE);
    const left = Math.floor((this.#limit - end) / PAGE);
    // A quarter more than is there, so that growing stays rare; only what is needed when that much is not to be had.
    const generous = Math.min(left, Math.max(least, Math.ceil(end / 4 / PAGE)));
    for (const pages of generous > least ? [generous, least] : [least]) {
      if (pages > left) break;
      try {
        this.#memory.grow(pages);
      } catch {
        continue;
      }
      this.#addFree(end, pages * PAGE);
      return;
    }
    throw new MemoryError({
      where,
      rule: `no room for ${need} bytes: ${this.live} are live, the limit is ${this.#limit}`,
      hint: 'dispose() what is no longer needed, or work inside scope()',
      requested: need,
      live: this.live,
      limit: this.#limit,
    });
  }
}

/** Where `need` bytes begin in a range that starts at `start`, itself a multiple of ALIGNMENT. */
function aligned(start: number, need: number): number {
  return need < LARGE ? start : Math.ceil(start / MACHINE_PAGE) * MACHINE_PAGE;
}

/** floor(log2(n)), the bin of a size. */
function bitLength(n: number): number {
  return n >= 2 ** 31 ? (n >= 2 ** 32 ? 32 : 31) : 31 - Math.clz32(n);
}

let latest: { runtime: Runtime; heap: Heap } | undefined;

/** The heap of the current runtime. */
export function heap(): Heap {
  const runtime = current();
  if (latest?.runtime !== runtime) {
    latest = { runtime, heap: new Heap(runtime.memory, HEAP_BASE, runtime.maxMemory) };
  }
  return latest.heap;
}

class Scope implements Owner {
  readonly blocks = new Set<Block>();

  release(block: Block): void {
    this.blocks.delete(block);
    block.heap.free(block.address);
  }
}

/** A new block that belongs to the innermost scope, or to nobody. Not for plans: see Plan.take. */
export function allocate(bytes: number, where: string): Block {
  const h = heap();
  const block = new Block(h, h.allocate(bytes, where), bytes);
  if (h.attempts > 0) h.made.push(block);
  const owner = h.owners.at(-1);
  if (owner instanceof Scope) {
    owner.blocks.add(block);
    block.owner = owner;
  }
  return block;
}

/** What holds blocks, and therefore survives a scope that returns it. */
interface Holder {
  readonly block: Block;
}

function isHolder(value: object): value is Holder {
  return 'block' in value && value.block instanceof Block;
}

/** Every block reachable from a value through arrays, maps, sets and plain objects. */
function reachable(value: unknown, found: Set<Block>, seen: Set<object>): void {
  if (value === null || typeof value !== 'object' || seen.has(value)) return;
  seen.add(value);
  if (isHolder(value)) {
    found.add(value.block);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) reachable(item, found, seen);
  } else if (value instanceof Map) {
    for (const item of value.values()) reachable(item, found, seen);
  } else if (!ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) reachable(item, found, seen);
  }
}

/**
 * Runs `fn` and frees every tensor made inside, except those reachable from what it returns (a tensor, or arrays, maps
 * and plain objects of tensors); these pass to the enclosing scope. `fn` must be synchronous. If it throws, everything
 * made inside is freed.
 */
export function scope<T>(fn: () => T): T {
  const h = heap();
  const own = new Scope();
  const kept = new Set<Block>();
  h.owners.push(own);
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new RuntimeError({
        where: 'scope',
        rule: 'the function must not be asynchronous',
        hint: 'tensors made after an await would belong to somebody else; dispose() them instead',
      });
    }
    reachable(result, kept, new Set());
    return result;
  } finally {
    h.owners.pop();
    const outer = h.owners.at(-1);
    for (const block of own.blocks) {
      if (!kept.has(block)) {
        block.free();
      } else if (outer instanceof Scope) {
        outer.blocks.add(block);
        block.owner = outer;
      } else {
        block.owner = undefined;
      }
    }
  }
}

/** Runs `fn`; what it makes belongs to no scope and no plan: parameters, data sets, state that lasts. */
export function persistent<T>(fn: () => T): T {
  const h = heap();
  h.owners.push(undefined);
  try {
    return fn();
  } finally {
    h.owners.pop();
  }
}

/**
 * Runs `fn`, the work of one public function. If it throws, everything it made is freed: a call either succeeds or leaves
 * no trace, also where no scope would clean up. (In a plan nothing needs to be: the next run records anew from there.)
 */
export function attempt<T>(fn: () => T): T {
  const h = heap();
  const start = h.made.length;
  h.attempts++;
  try {
    return fn();
  } catch (error) {
    for (const block of h.made.splice(start)) block.free();
    throw error;
  } finally {
    h.attempts--;
    if (h.attempts === 0) h.made.length = 0;
  }
}

/** A tensor as a plan sees it. */
export interface Planned extends Holder {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** The plan whose run is on, if any. */
export function activePlan(): Plan | undefined {
  const owner = heap().owners.at(-1);
  return owner instanceof Plan ? owner : undefined;
}

/** How many keys a plan remembers: training and evaluation, and the smaller last batches of the data sets of each. */
const REMEMBERED = 6;

/** A stretch of memory that tensors of one tape take turns in. */
interface Region {
  readonly address: number;
  readonly bytes: number;
  /** The block that lives in it now. */
  tenant: Block | undefined;
}

/** Allocations (tensor) and releases (its place among the allocations) of one run, in order. */
interface Tape {
  steps: (Planned | number)[];
  places: Map<Block, { index: number; region: Region }>;
  regions: Region[];
}

/**
 * Replayed allocations. The first run with a key records every tensor that is made or released inside; later runs hand
 * the same tensors out in the same order, so they take no memory and make no objects. Within a run, memory released
 * early is used again for later tensors.
 *
 * Tensors of a run stay valid until the next run with its key. A run that takes another course than the recorded one
 * (another shape, another order) is recorded anew from the point where it departs.
 */
export class Plan implements Owner {
  readonly #heap = heap();
  readonly #tapes = new Map<string, Tape>();
  #tape: Tape | undefined;
  #step = 0;

  run<T>(key: string, fn: () => T): T {
    if (this.#heap !== heap()) {
      throw new RuntimeError({ where: 'plan', rule: 'made by another runtime', hint: 'init() was called again' });
    }
    const tape = this.#tapes.get(key) ?? { steps: [], places: new Map(), regions: [] };
    this.#tapes.delete(key);
    this.#tapes.set(key, tape);
    if (this.#tapes.size > REMEMBERED) this.#forget(this.#tapes.keys().next().value as string);
    const outer = { tape: this.#tape, step: this.#step };
    this.#tape = tape;
    this.#step = 0;
    // The run before ends here, so that whoever still reads its tensors is told, and gives back none that is not his.
    for (const region of tape.regions) region.tenant = undefined;
    for (const step of tape.steps) if (typeof step === 'object') step.block.alive = false;
    this.#heap.owners.push(this);
    try {
      return fn();
    } catch (error) {
      // A run that fails, for want of room perhaps, gives back all it holds.
      this.#step = 0;
      throw error;
    } finally {
      this.#heap.owners.pop();
      if (this.#step < tape.steps.length) this.#depart(tape);
      this.#tape = outer.tape;
      this.#step = outer.step;
    }
  }

  /** The next tensor of the run: the recorded one if it is the same, else what `make` builds on a block. */
  take<T extends Planned>(dtype: string, shape: readonly number[], bytes: number, make: (block: Block) => T): T {
    const tape = this.#tape as Tape;
    const next = tape.steps[this.#step];
    if (typeof next === 'object' && next.dtype === dtype && equal(next.shape, shape)) {
      this.#step++;
      const place = tape.places.get(next.block) as { region: Region };
      place.region.tenant = next.block;
      next.block.alive = true;
      return next as T;
    }
    this.#depart(tape);
    const region = this.#region(tape, bytes);
    const block = new Block(this.#heap, region.address, bytes);
    block.owner = this;
    region.tenant = block;
    const made = make(block);
    tape.places.set(block, { index: tape.steps.length, region });
    tape.steps.push(made);
    this.#step++;
    return made;
  }

  release(block: Block): void {
    const tape = this.#tape;
    const place = tape?.places.get(block);
    if (!tape || !place) return;
    if (tape.steps[this.#step] !== place.index) {
      this.#depart(tape);
      tape.steps.push(place.index);
    }
    this.#step++;
    place.region.tenant = undefined;
  }

  /** Forgets what the tape says from here on. */
  #depart(tape: Tape): void {
    for (const step of tape.steps.splice(this.#step)) {
      if (typeof step === 'number') continue;
      step.block.alive = false;
      tape.places.delete(step.block);
    }
    const used = new Set([...tape.places.values()].map((place) => place.region));
    for (const region of tape.regions) if (!used.has(region)) this.#heap.free(region.address);
    tape.regions = tape.regions.filter((region) => used.has(region));
  }

  /** The smallest vacant region that is large enough and not wastefully so, or a new one. */
  #region(tape: Tape, bytes: number): Region {
    let best: Region | undefined;
    for (const region of tape.regions) {
      if (region.tenant || region.bytes < bytes || region.bytes > 2 * bytes + 4096) continue;
      if (!best || region.bytes < best.bytes) best = region;
    }
    if (best) return best;
    const made = { address: this.#heap.allocate(bytes, 'plan'), bytes, tenant: undefined };
    tape.regions.push(made);
    return made;
  }

  #forget(key: string): void {
    const tape = this.#tapes.get(key);
    if (!tape || tape === this.#tape) return;
    this.#tapes.delete(key);
    for (const { block } of tape.steps.filter((step) => typeof step === 'object')) block.alive = false;
    for (const region of tape.regions) this.#heap.free(region.address);
  }

  /** Frees everything; tensors of all runs end. */
  dispose(): void {
    for (const key of [...this.#tapes.keys()]) this.#forget(key);
  }
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
