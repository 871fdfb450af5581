import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Another process that speaks as serve.js does. */
export class Peer {
  #child;
  #lines;

  #words;

  static async start(...words) {
    const [command, args, env, threads] = words;
    const peer = new Peer();
    peer.#words = words;
    peer.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    let complaint = '';
    peer.#child.stderr.on('data', (chunk) => {
      complaint += chunk;
    });
    peer.#child.on('error', (error) => {
      complaint += error.message;
    });
    peer.#lines = createInterface({ input: peer.#child.stdout })[Symbol.asyncIterator]();
    const hello = await peer.#answer().catch(() => undefined);
    if (!hello) {
      const lines = complaint.trim().split('\n');
      throw new Error(lines.find((line) => line.includes('Error')) ?? (lines.at(-1) || 'it said nothing'));
    }
    Object.assign(peer, { name: hello.name, workloads: hello.workloads, threads });
    return peer;
  }

  /** The next line that is JSON; libraries greet and warn on the same stream. */
  async #answer() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.name ?? 'peer'} ended`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  async ask(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    const answer = await this.#answer();
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  /** The answer, or an error after so many seconds. Who does not answer is replaced by a fresh process. */
  async askWithin(seconds, message) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no result within ${seconds} s`)), 1000 * seconds);
    });
    try {
      return await Promise.race([this.ask(message), late]);
    } catch (error) {
      this.#child.kill();
      const fresh = await Peer.start(...this.#words);
      this.#child = fresh.#child;
      this.#lines = fresh.#lines;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  end() {
    this.#child.stdin.end();
  }
}
