/** The one place that knows @assemblyscript/loader. */
import { instantiate } from '@assemblyscript/loader';

/** A wasm export: numbers in, a number or nothing out. */
export type Kernel = (...args: number[]) => number;

/** Put in by the build: of the sources of the kernels, and of their exports; see scripts/kernels.mjs. */
declare const __KERNEL_STAMP__: string;
declare const __KERNEL_EXPORTS__: number;

/** Of the kernels that this code was built with; '' in sources that run as they are, which tests do. */
export const KERNELS: string = typeof __KERNEL_STAMP__ === 'undefined' ? '' : __KERNEL_STAMP__;

/**
 * Why these are not the kernels that this code was built with, or undefined if they are: others take other arguments, without
 * a complaint. The stamp may be gone, as tools strip what they do not know; then the exports must do.
 */
export function foreign(module: WebAssembly.Module, exports: Readonly<Record<string, Kernel>>): string | undefined {
  if (KERNELS === '') return undefined;
  const [section] = WebAssembly.Module.customSections(module, 'lanewise');
  if (section) {
    const stamp = new TextDecoder().decode(section);
    return stamp === KERNELS ? undefined : `kernels ${stamp}`;
  }
  const list = Object.entries(exports).map(([name, kernel]) => `${name} ${kernel.length}`);
  let hash = 0;
  for (const character of list.sort().join()) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return hash === __KERNEL_EXPORTS__ ? undefined : 'kernels with other arguments';
}

/** Instantiates the kernels over a memory; nothing is run and, without data segments, nothing is written. */
export async function kernelsOver(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<Record<string, Kernel>> {
  const { instance } = await instantiate(module, { env: { memory } });
  // The instance's own exports, not the loader's wrappers, which cost a rest parameter on every call.
  return instance.exports as unknown as Record<string, Kernel>;
}
