/** Ctrl-C: the first asks the run to stop between two steps, the second ends the process at once. */

const CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof CODES;

/** npm hands on the Ctrl-C that the terminal has sent to its child already: one key press, two signals. */
const ECHO_MS = 300;

export class Interrupt {
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;
  #first = 0;
  /** Exit code of a run that was stopped; undefined as long as it was not. */
  code: number | undefined;

  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    for (const signal of Object.keys(CODES) as Signal[]) process.on(signal, this.#handle);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #handle = (signal: Signal): void => {
    const now = performance.now();
    if (this.code !== undefined) {
      if (now - this.#first > ECHO_MS) process.exit(this.code);
      return;
    }
    this.#first = now;
    this.code = CODES[signal];
    this.#onFirst();
    this.#controller.abort();
  };

  /** Leaves signals to Node again, which ends the process. */
  dispose(): void {
    for (const signal of Object.keys(CODES) as Signal[]) process.off(signal, this.#handle);
  }
}
