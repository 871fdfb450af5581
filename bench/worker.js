// The benchmark in a worker of a page, which stays alive meanwhile: takes options, gives records.
import { run } from './run.js';

addEventListener(
  'message',
  async ({ data: { filter, ...options } }) => {
    try {
      await run(
        { ...options, filter: filter && new RegExp(filter) },
        (record) => postMessage({ record }),
        (progress) => postMessage({ progress }),
      );
      postMessage({ end: true });
    } catch (error) {
      postMessage({ error: `${error.message}\n${error.stack}` });
    }
  },
  { once: true },
);
