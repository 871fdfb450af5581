// Runs one notebook, cell by cell: those that `lanewise notebook` runs, from the same file.
import * as lw from '../../dist/index.js';

// The notebooks give way to the event loop between cells by Node's name for it.
globalThis.setImmediate ??= (act) => setTimeout(act);

/** The bar of the terminal, as messages. */
class Progress {
  #total = 0;
  #told = 0;

  start(total) {
    this.#total = total;
    this.#told = 0;
  }

  retarget(total) {
    this.#total = total;
  }

  update(done, what, detail = '') {
    const now = performance.now();
    if (now - this.#told < 60) return;
    this.#told = now;
    self.postMessage({ progress: { share: this.#total > 0 ? done / this.#total : 0, what, detail } });
  }

  clear() {}
}

self.onmessage = async ({ data: { name, size, seed, set, file } }) => {
  try {
    const { notebooks, Book, cifar, drawn, settle, changesText } = await import('../../dist/cli-notebooks.js');
    const notebook = notebooks.find((each) => each.name === name);
    const params = settle(notebook, size, set);
    self.postMessage({ changed: changesText(params.changed) });
    await lw.init();
    const progress = new Progress();
    // Who wants to stop ends the worker.
    const { signal } = new AbortController();
    const book = new Book({
      ...{ quick: size === 'quick', long: size === 'long', seed, progress, signal, params },
      data: file === undefined ? drawn : cifar(file, progress, signal),
      onCell({ title, seconds, figures, pictures, tables, notes, lines }, place) {
        self.postMessage({ cell: { title, seconds, figures, pictures, tables, notes, lines, place } });
      },
    });
    const started = performance.now();
    book.reseed();
    await notebook.run(book);
    self.postMessage({ done: { seconds: (performance.now() - started) / 1000, info: lw.info() } });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
