// What the command shows while it works, and what it does with signals: parts that a pipe does not show.
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Interrupt } from '../../src/cli/interrupt.js';
import { invocation, isLive, Progress, quoted, seconds, sparkline } from '../../src/cli/terminal.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Makes stderr a terminal of so many columns; what is written to it. */
function terminal(columns: number, env: Record<string, string> = {}): () => string {
  for (const [name, value] of Object.entries({ CI: '', NO_COLOR: '', TERM: 'xterm', ...env })) vi.stubEnv(name, value);
  const { stderr } = process;
  const before = { isTTY: stderr.isTTY, columns: stderr.columns };
  Object.assign(stderr, { isTTY: true, columns });
  let written = '';
  const write = vi.spyOn(stderr, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  return () => {
    Object.assign(stderr, before);
    write.mockRestore();
    return written;
  };
}

/** A bar at 0 %, then half a second later at 50 %, then a line. */
function halfway(columns: number, env: Record<string, string> = {}): string {
  const end = terminal(columns, env);
  const now = vi.spyOn(performance, 'now').mockReturnValue(1000);
  const progress = new Progress();
  progress.start(10_000, 'images');
  progress.update(0, 'epoch 1/2', 'loss 2.303');
  now.mockReturnValue(1500);
  progress.update(5000, 'epoch 1/2', 'loss 1.000');
  now.mockReturnValue(1501);
  progress.update(5010, 'epoch 1/2', 'loss 0.999');
  progress.line('epoch 1/2 is done');
  return end();
}

/** To the end of the line. */
const CLEAR = '\u001b[K';

describe('the bar', () => {
  test('has share, note, rate and time left; is drawn at most a dozen times a second; goes before a line', () => {
    const written = halfway(100);
    const frames = stripVTControlCharacters(written).split('\r');
    expect(frames[1]).toBe(`epoch 1/2  ${'━'.repeat(30)}   0 %  loss 2.303`);
    expect(frames[2]).toBe(`epoch 1/2  ${'━'.repeat(30)}  50 %  loss 1.000  10,000 images/s  ETA 0.5 s`);
    expect(frames[3]).toBe('epoch 1/2 is done\n');
    expect(frames.length).toBe(4);
    expect(written).toContain('\u001b[36m');
  });

  test('shows without colour what is done and what is not', () => {
    const written = halfway(100, { NO_COLOR: '1' });
    expect(written).toContain(`${'━'.repeat(15)}${'─'.repeat(15)}  50 %`);
    expect(written).toContain(CLEAR);
    expect(written.replaceAll(CLEAR, '')).not.toContain('\u001b');
  });

  test.each([5, 12, 20, 40, 60, 80])('never fills a line of %i columns', (columns) => {
    for (const frame of stripVTControlCharacters(halfway(columns)).split('\r').slice(0, -1)) {
      expect(frame.length).toBeLessThan(columns);
    }
  });

  test.each([[{ CI: 'true' }], [{ TERM: 'dumb' }]])('is not drawn with %j, the lines are', (env) => {
    expect(halfway(80, env)).toBe('epoch 1/2 is done\n');
  });

  test('needs a terminal', () => {
    expect(isLive({ isTTY: false } as NodeJS.WriteStream, {})).toBe(false);
    expect(isLive({ isTTY: true } as NodeJS.WriteStream, {})).toBe(true);
  });
});

test('the commands it names are called as it was called itself', () => {
  const script = process.argv[1];
  const called = (path: string, rest: string, event = '') => {
    vi.stubEnv('npm_lifecycle_event', event);
    process.argv[1] = path;
    const text = invocation(rest);
    process.argv[1] = script as string;
    return text;
  };
  expect(called('/usr/local/bin/lanewise', 'train')).toBe('lanewise train');
  expect(called('/home/me/node_modules/.bin/lanewise', 'doctor')).toBe('npx lanewise doctor');
  expect(called(`${process.cwd()}/dist/cli.js`, 'train --seed 1')).toBe('node dist/cli.js train --seed 1');
  expect(called(`${process.cwd()}/dist/cli.js`, 'train --seed 1', 'start')).toBe('npm start -- --seed 1');
  expect(called(`${process.cwd()}/dist/cli.js`, 'doctor', 'start')).toBe('node dist/cli.js doctor');
});

test('numbers and words as people read them', () => {
  expect([0.04, 9.94, 61, 119.4, 120, 3540, 7260].map(seconds)).toEqual([
    '0.0 s',
    '9.9 s',
    '61 s',
    '119 s',
    '2 min',
    '59 min',
    '2 h 1 min',
  ]);
  expect(sparkline([8, 7, 6, 5, 4, 3, 2, 1])).toBe('█▇▆▅▄▃▂▁');
  expect(sparkline(Array.from({ length: 1000 }, (_, i) => i)).length).toBe(40);
  expect(sparkline([1, 1])).toBe('▁▁');
  expect(sparkline([])).toBe('');
  expect(quoted('a/b-c.d')).toBe('a/b-c.d');
  expect(quoted('a b')).toMatch(/^(["'])a b\1$/);
});

describe('signals', () => {
  test('the first asks to stop, its echo is not heard, the next one ends the process', () => {
    const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
    const now = vi.spyOn(performance, 'now').mockReturnValue(5000);
    const first = vi.fn();
    const interrupt = new Interrupt(first);
    try {
      expect(interrupt.code).toBeUndefined();
      process.emit('SIGINT', 'SIGINT');
      expect(first).toHaveBeenCalledTimes(1);
      expect(interrupt.signal.aborted).toBe(true);
      expect(interrupt.code).toBe(130);
      now.mockReturnValue(5020);
      process.emit('SIGINT', 'SIGINT');
      expect(exit).not.toHaveBeenCalled();
      now.mockReturnValue(6000);
      process.emit('SIGINT', 'SIGINT');
      expect(exit).toHaveBeenCalledWith(130);
      expect(first).toHaveBeenCalledTimes(1);
    } finally {
      interrupt.dispose();
    }
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });
});
