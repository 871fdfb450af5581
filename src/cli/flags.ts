/** Commands and their flags: what is declared here is what cac parses, what --help shows and what is accepted. */
import { type CAC, cac } from 'cac';
import { type Build, nearest } from '../index.js';

/** The command line itself is at fault: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** --name VALUE */
export interface ValueFlag<T> {
  value: string;
  /** What --name stands for without a value; undefined: it needs one. */
  bare?: string;
  /** May be given again: the values of all of them, none if it is not given. */
  many?: true;
  text: string;
  /** Heading in --help; 'Options' unless given. */
  group?: string;
  /** The value, or a RuleError with what it must be. */
  read(typed: string): T;
  /** The text that gives this value again, or the value itself from what JSON made of it. Default: String(value). */
  restore?(saved: unknown): string | { value: T };
}

/** --name; with `negated` --no-name, which is then what --help shows. */
export interface Switch {
  text: string;
  group?: string;
  negated?: true;
}

/** By their names in camelCase: `numTrain` is --num-train. */
export type Flags = Record<string, ValueFlag<unknown> | Switch>;

/** What was given: undefined where nothing was; switches are always true or false. */
export type Values<F extends Flags> = {
  [K in keyof F]: F[K] extends ValueFlag<infer T> ? (F[K] extends { many: true } ? T[] : T | undefined) : boolean;
};

/** A word after the command's name; without it the command line is wrong. */
export interface Argument {
  value: string;
  /** The words there are, with what each stands for. */
  choices: readonly (readonly [name: string, text: string])[];
}

export interface Command<F extends Flags> {
  name: string;
  summary: string;
  argument?: Argument;
  flags: F;
  /** Arguments after `lanewise`, with what they are for. */
  examples: readonly (readonly [string, string])[];
  /** Resolves to the exit code. argument: '' unless the command has one. */
  run(values: Values<F>, argument: string): Promise<number>;
}

/** A command that has lost the type of its flags, for lists of commands. */
export type AnyCommand = Omit<Command<Flags>, 'run'> & { run(values: never, argument: string): Promise<number> };

/** 'an integer >= 1': what a value must be. */
export class RuleError extends Error {}

/** A number within [low, high]; `above` excludes the lower end. */
export function number({ low = -Infinity, high = Infinity, above = false, integer = false } = {}) {
  return (typed: string): number => {
    const value = Number(typed);
    const fits = typed.trim() !== '' && Number.isFinite(value) && (above ? value > low : value >= low) && value <= high;
    if (fits && (!integer || Number.isInteger(value))) return value;
    const least = low > -Infinity ? ` ${above ? '>' : '>='} ${low}` : '';
    const most = high < Infinity ? `${least ? ' and' : ''} <= ${high}` : '';
    throw new RuleError(`${integer ? 'an integer' : 'a number'}${least}${most}`);
  };
}

/** `word` or what `read` reads. */
export function or<W extends string, T>(word: W, read: (typed: string) => T) {
  return (typed: string): T | W => {
    if (typed === word) return word;
    try {
      return read(typed);
    } catch (error) {
      throw error instanceof RuleError ? new RuleError(`'${word}' or ${error.message}`) : error;
    }
  };
}

/** 'auto' or what `read` reads. */
export function auto<T>(read: (typed: string) => T) {
  return or('auto', read);
}

export function choice<T extends string>(...names: readonly T[]) {
  return (typed: string): T => {
    if (names.includes(typed as T)) return typed as T;
    const near = nearest(typed, names);
    throw new RuleError(`one of ${names.join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}`);
  };
}

/** 100,100 */
export function integers(typed: string): number[] {
  const list = typed.split(',').map(Number);
  if (typed.split(',').every((n) => n.trim() !== '') && list.every((n) => Number.isInteger(n) && n > 0)) return list;
  throw new RuleError('integers > 0 with commas between them, such as 100,100');
}

export function text(typed: string): string {
  if (typed !== '') return typed;
  throw new RuleError('a name');
}

/** --build and --reproducible, for every command that computes. */
export const buildFlags = (group?: string) =>
  ({
    build: {
      value: 'NAME',
      ...(group && { group }),
      text: 'auto, simd (same bits everywhere) or relaxed (faster) (default: auto)',
      read: choice('auto', 'simd', 'relaxed'),
    },
    reproducible: { ...(group && { group }), text: 'The same bits on every machine and runtime: --build simd' },
  }) as const satisfies Flags;

/** The build that they ask for; undefined: they say nothing. */
export function wantedBuild({ build, reproducible }: { build: 'auto' | Build | undefined; reproducible: boolean }) {
  if (!reproducible) return build;
  if (build === 'relaxed') {
    throw new UsageError('--reproducible excludes --build relaxed, whose bits depend on how the processor rounds');
  }
  return 'simd';
}

/** numTrain -> num-train */
function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function flagName(name: string, flag?: Flags[string]): string {
  return `--${flag && 'negated' in flag ? 'no-' : ''}${kebab(name)}`;
}

function declaration(name: string, flag: Flags[string]): string {
  if (!('value' in flag)) return flagName(name, flag);
  return `${flagName(name, flag)} ${flag.bare === undefined ? `<${flag.value}>` : `[${flag.value}]`}`;
}

const shared: Flags = {
  help: { text: 'Show this text' },
  version: { text: 'Show the version' },
  debug: { text: 'Show where an error comes from' },
};

/** Options by group, in columns. */
function optionSections(flags: Flags): { title: string; body: string }[] {
  const groups = new Map<string, [string, string][]>();
  for (const [name, flag] of Object.entries(flags)) {
    const title = flag.group ?? 'Options';
    groups.set(title, [...(groups.get(title) ?? []), [declaration(name, flag), flag.text]]);
  }
  const width = Math.max(...[...groups.values()].flat().map(([left]) => left.length));
  return [...groups].map(([title, lines]) => ({
    title,
    body: lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n'),
  }));
}

function argumentSection({ value, choices }: Argument): { title: string; body: string } {
  const width = Math.max(...choices.map(([name]) => name.length));
  return { title: value, body: choices.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n') };
}

function exampleSection(examples: readonly (readonly [string, string])[]): { title: string; body: string } {
  return { title: 'Examples', body: examples.map(([line, why]) => `  # ${why}\n  $ lanewise ${line}`).join('\n') };
}

function declare(commands: readonly AnyCommand[], version: string): CAC {
  const cli = cac('lanewise');
  for (const { name, summary, argument, flags } of commands) {
    const command = cli.command(name, summary).usage(`${name}${argument ? ` ${argument.value}` : ''} [options]`);
    for (const [key, flag] of Object.entries(flags)) command.option(declaration(key, flag), flag.text);
  }
  cli.option('--debug', shared.debug?.text as string);
  cli.version(version, '-v, --version');
  cli.help((sections) => {
    const command = commands.find(({ name }) => name === cli.matchedCommandName);
    const kept = sections.filter(({ title }) => title === undefined || title === 'Usage' || title === 'Commands');
    const flags = command ? { ...command.flags, help: shared.help, debug: shared.debug } : shared;
    const examples = command ? command.examples : commands.flatMap((each) => each.examples.slice(0, 2));
    if (command) kept.splice(0, 1, { body: command.summary });
    const words = command?.argument ? [argumentSection(command.argument)] : [];
    return [...kept, ...words, ...optionSections(flags as Flags), exampleSection(examples)];
  });
  return cli;
}

/**
 * Runs the command that `argv` (after the script's name) asks for, and resolves to its exit code. UsageError: the line
 * names something that does not exist, or a value that does not fit.
 */
export async function dispatch(
  argv: readonly string[],
  commands: readonly AnyCommand[],
  version: string,
): Promise<number> {
  const cli = declare(commands, version);
  const { args, options } = cli.parse(['', '', ...argv], { run: false });
  if (options.help) return 0;
  if (options.version) {
    if (cli.matchedCommand) cli.outputVersion();
    return 0;
  }
  const command = commands.find(({ name }) => name === cli.matchedCommandName);
  if (!command) {
    const [name] = args;
    if (name === undefined) refuseUnknown(options, shared);
    if (name === undefined) {
      cli.outputHelp();
      return 0;
    }
    const names = commands.map((each) => each.name);
    const near = nearest(String(name), names);
    throw new UsageError(
      `unknown command '${name}'; ${near ? `did you mean '${near}'?` : `there are ${names.join(', ')}`}`,
    );
  }
  refuseUnknown(options, { ...command.flags, ...shared });
  const [word, extra] = command.argument ? [args[0], args[1]] : [undefined, args[0]];
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`);
  const argument = command.argument ? readArgument(command.name, command.argument, word) : '';
  return command.run(readAll(command.flags, options, argv) as never, argument);
}

function readArgument(command: string, { value, choices }: Argument, word: string | undefined): string {
  const names = choices.map(([name]) => name);
  if (word === undefined) throw new UsageError(`${command} needs a ${value}: one of ${names.join(', ')}`);
  if (names.includes(word)) return word;
  const near = nearest(word, names);
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
  throw new UsageError(`${value} must be one of ${names.join(', ')}${hint}, got '${word}'`);
}

function refuseUnknown(options: Record<string, unknown>, flags: Flags): void {
  const known = Object.entries(flags).map(([name, flag]) => flagName(name, flag));
  for (const key of Object.keys(options)) {
    if (key === '--' || Object.hasOwn(flags, key) || (key === 'h' && 'help' in flags) || key === 'v') continue;
    const typed = key.length === 1 ? `-${key}` : flagName(key);
    const near = nearest(typed, known);
    throw new UsageError(`unknown option ${typed}${near ? `; did you mean ${near}?` : ''}`);
  }
}

function readAll(flags: Flags, options: Record<string, unknown>, argv: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) {
    const given = options[name];
    const shown = flagName(name, flag);
    if (Array.isArray(given) && 'value' in flag && !flag.many) throw new UsageError(`${shown} is given more than once`);
    if (!('value' in flag)) {
      values[name] = Array.isArray(given) ? given.at(-1) : (given ?? flag.negated ?? false);
    } else {
      const all = given === undefined ? [] : asTyped(argv, shown).map((typed) => read(flag, shown, typed ?? flag.bare));
      values[name] = flag.many ? all : all[0];
    }
  }
  return values;
}

function read(flag: ValueFlag<unknown>, shown: string, typed: string | undefined): unknown {
  if (typed === undefined) throw new UsageError(`${shown} needs a value: ${shown} ${flag.value}`);
  try {
    return flag.read(typed);
  } catch (error) {
    throw error instanceof RuleError ? new UsageError(`${shown} must be ${error.message}, got '${typed}'`) : error;
  }
}

/** The values as they stand on the command line: cac makes numbers of whatever looks like one, also in file names. */
function asTyped(argv: readonly string[], shown: string): (string | undefined)[] {
  const found = argv.flatMap((part, at) => {
    if (part.startsWith(`${shown}=`)) return [part.slice(shown.length + 1)];
    const next = argv[at + 1];
    return part === shown ? [next?.startsWith('-') ? undefined : next] : [];
  });
  // cac knows more ways to write a name.
  return found.length > 0 ? found : [undefined];
}
