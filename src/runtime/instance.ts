/** The one place that knows @assemblyscript/loader. */
import { instantiate } from '@assemblyscript/loader';

/** A wasm export: numbers in, a number or nothing out. */
export type Kernel = (...args: number[]) => number;

/** Instantiates the kernels over a memory; nothing is run and, without data segments, nothing is written. */
export async function kernelsOver(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<Record<string, Kernel>> {
  const { instance } = await instantiate(module, { env: { memory } });
  // The instance's own exports, not the loader's wrappers, which cost a rest parameter on every call.
  return instance.exports as unknown as Record<string, Kernel>;
}
