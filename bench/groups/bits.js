/** Not how fast but whether right: a net trained for 200 steps, and the hash that it must give. */
import { conformance } from '../../dist/conformance.js';

export const title = 'equal bits (hash of weights and histories after 200 steps)';

export const families = () => [];

/** Throws unless the bits are the known ones. */
export async function check({ lw, label }) {
  const { hash, known, fused, milliseconds } = await conformance(lw);
  if (hash !== known) throw new Error(`bits, ${label}: hash ${hash}, the known one is ${known}`);
  return { hash, known, fused, milliseconds: Math.round(milliseconds) };
}
