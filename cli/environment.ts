// Command line: the environment as a configuration, or every fault of it at once and exit code 78.

import { readConfig, type Config, type ConfigResult } from '../runtime/config.js';

/** Exit codes of every command; documented in docs/command-line.md. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 69,
  config: 78,
} as const;

/** Ends a command with a code after its message was printed. */
export class CommandExit extends Error {
  override readonly name = 'CommandExit';
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

type Variables = Readonly<Record<string, string>>;

/** The environment, with what options of a command put over it and defaults of the command under it. */
export const configWith = (overrides: Variables = {}, defaults: Variables = {}): ConfigResult =>
  readConfig({ ...defaults, ...process.env, ...overrides });

/** The configuration; throws a CommandExit that lists every fault. */
export function requireConfig(result: ConfigResult): Config {
  if (result.ok) return result.config;
  const lines = result.faults.map(({ variable, fault }) => `  ${variable} ${fault}`);
  const many = result.faults.length === 1 ? 'a fault' : `${result.faults.length} faults`;
  const message = [`The configuration has ${many}:`, ...lines, 'See docs/configuration.md.'];
  throw new CommandExit(exitCodes.config, message.join('\n'));
}
