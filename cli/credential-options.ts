// Command line: credentials as commands take them: one by one, or a JSON file. In: options. Out: names and values;
// no text of an error repeats one.

import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';

import { TrunklineError } from '../runtime/errors.js';
import type { CliContext } from './context.js';

export type Credentials = Readonly<Record<string, string>>;

export interface CredentialOptions {
  readonly credential?: Credentials;
  readonly credentials?: string;
  readonly json?: true;
}

/** Adds `--credential` and `--credentials`. */
export const takesCredentials = (command: Command): Command =>
  command
    .option('--credential <name=value>', 'a credential; repeatable', addCredential)
    .option('--credentials <file>', 'JSON object of credentials; - reads standard input');

/** What `--credential` or `--credentials` gave; nothing where neither is given. */
export async function givenCredentials(
  context: Pick<CliContext, 'readText'>,
  options: CredentialOptions,
): Promise<Credentials> {
  if (options.credential !== undefined) return options.credential;
  return options.credentials === undefined ? {} : readFile(context, options.credentials);
}

async function readFile(context: Pick<CliContext, 'readText'>, file: string): Promise<Credentials> {
  const text = await context.readText(file);
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(text));
  } catch {
    // The cause would quote the file.
    throw new TrunklineError('parameter_invalid', `${file} is no JSON object of strings`);
  }
}

function addCredential(text: string, before: Credentials = {}): Credentials {
  const equals = text.indexOf('=');
  // The text is a secret: it is not repeated.
  if (equals < 1) throw new InvalidArgumentError('A credential is name=value.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
