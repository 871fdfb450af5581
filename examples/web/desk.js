// The page's side of the desk (desk.worker.js): each task is a promise.

export class Desk {
  #worker = new Worker(new URL('./desk.worker.js', import.meta.url), { type: 'module' });
  #open = new Map();
  #last = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { id, progress, value, error } }) => {
      const task = this.#open.get(id);
      if (task === undefined) return;
      if (progress !== undefined) return task.progress?.(progress);
      this.#open.delete(id);
      if (error === undefined) task.resolve(value);
      else task.reject(Object.assign(new Error(error.message), error));
    };
    this.#worker.onerror = (event) => this.#fail(event.message ?? 'the worker could not be started');
  }

  /** options: progress(news) hears of the work as it goes on; transfer: what moves there instead of being copied. */
  run(task, argument, { progress, transfer = [] } = {}) {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#open.set(id, { resolve, reject, progress }));
    this.#worker.postMessage({ id, task, argument }, transfer);
    return answer;
  }

  /** Ends the worker and gives its memory back; open tasks are rejected. */
  close() {
    this.#worker.terminate();
    this.#fail('the work was given up');
  }

  #fail(message) {
    for (const { reject } of this.#open.values()) reject(new Error(message));
    this.#open.clear();
  }
}

/** For small tasks; what makes albums has desks of its own. */
export const desk = new Desk();
