/** The `lanewise` command. Results go to stdout, everything else to stderr; exit codes: 0, 1 (failed), 2 (usage). */
import { readFileSync } from 'node:fs';
import { doctor } from './doctor.js';
import { dispatch, UsageError } from './flags.js';
import { notebook } from './notebook.js';
import { sweep } from './sweep.js';
import { invocation } from './terminal.js';
import { train } from './train.js';

const commands = [train, sweep, notebook, doctor];

async function main(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  try {
    return await dispatch(argv, commands, version);
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`lanewise: ${argv.includes('--debug') ? stack : message}\n`);
    if (!(error instanceof UsageError)) return 1;
    const command = commands.find(({ name }) => name === argv[0]);
    process.stderr.write(`See ${invocation(command ? `${command.name} --help` : '--help')}\n`);
    return 2;
  }
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
