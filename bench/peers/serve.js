/**
 * A contestant's side: does what it is told, one JSON line at a time.
 *
 *   { "verify": workload }              -> { "values": numbers to be compared with ours }
 *   { "run": workload, "times": n }     -> { "ms": … }
 *
 * workloads: by name, an asynchronous function that prepares it and gives { verify(), run() }.
 */
import { createInterface } from 'node:readline';

export async function serve(name, workloads) {
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const prepared = new Map();
  const get = async (workload) => {
    if (!prepared.has(workload)) prepared.set(workload, await workloads[workload]());
    return prepared.get(workload);
  };
  say({ name, workloads: Object.keys(workloads) });
  for await (const line of createInterface({ input: process.stdin })) {
    const { verify, run, times } = JSON.parse(line);
    try {
      if (verify !== undefined) {
        say({ values: await (await get(verify)).verify() });
        continue;
      }
      const { run: once } = await get(run);
      const start = performance.now();
      for (let i = 0; i < times; i++) {
        const result = once();
        if (result instanceof Promise) await result;
      }
      say({ ms: performance.now() - start });
    } catch (error) {
      say({ error: String(error?.message ?? error) });
    }
  }
}
