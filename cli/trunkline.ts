// Command line: the entry. In: arguments. Out: one verb's work, and an exit code that says how it went
// (docs/command-line.md).

import { CommanderError } from 'commander';

import { CommandExit, exitCodes } from './environment.js';
import { createProgram } from './program.js';
import { isAbort, toError, TrunklineError, type ErrorCode } from '../runtime/errors.js';

const unavailable: ReadonlySet<ErrorCode> = new Set([
  'service_unreachable',
  'append_unknown',
  'overloaded',
  'data_dir_in_use',
  'port_in_use',
  'uws_missing',
]);

/** Says what went wrong in a line and gives the exit code for it. */
function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : exitCodes.usage;
  const error = toError(thrown);
  if (isAbort(error)) return 130;
  process.stderr.write(`trunkline: ${error.message}\n`);
  if (error instanceof CommandExit) return error.exitCode;
  if (!(error instanceof TrunklineError)) return exitCodes.failed;
  if (error.code === 'config_invalid') return exitCodes.config;
  if (error.code === 'parameter_invalid') return exitCodes.usage;
  return unavailable.has(error.code) ? exitCodes.unavailable : exitCodes.failed;
}

// A reader that has seen enough (`| head`) closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (thrown) {
  process.exitCode = exitCodeOf(thrown);
}
