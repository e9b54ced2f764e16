// Command line: `trunkline redact` takes personal values out of texts: a file or standard input as one text, or NDJSON on
// standard input line by line. Nothing is opened and nothing is kept: the engine is pure.

import type { Readable } from 'node:stream';
import type { Command } from 'commander';

import type { RedactionProfile } from '../processors/redact/rules.js';
import { labelWords, type PiiType } from '../processors/redact/types.js';
import { TrunklineError } from '../runtime/errors.js';

/** What the command uses of the process. */
export interface RedactContext {
  readonly stdin: Readable;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  setExitCode(code: number): void;
}

/** What the command was given. */
export interface RedactFlags {
  readonly ndjson?: boolean;
  readonly profile: RedactionProfile;
  readonly keep: readonly PiiType[];
  /** `name=pattern` each. */
  readonly rule: readonly string[];
}

function parseProfile(given: string): RedactionProfile {
  if (given === 'speech' || given === 'logs') return given;
  throw new TrunklineError('parameter_invalid', '--profile is speech or logs');
}

const isType = (name: string): name is PiiType => Object.hasOwn(labelWords, name);

function addKept(given: string, before: readonly PiiType[]): readonly PiiType[] {
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !isType(name));
  if (unknown === undefined) return [...before, ...names.filter(isType)];
  const known = Object.keys(labelWords).join(', ');
  throw new TrunklineError(
    'parameter_invalid',
    `--keep names a type that is none; there are: ${known}`,
  );
}

const addRule = (given: string, before: readonly string[]): readonly string[] => [...before, given];

const help = `
Examples:
  $ trunkline redact call.txt
  $ echo 'my number is five five five, oh one two three' | trunkline redact
  $ echo '{"id":1,"chunks":["my card is 4242 4242 ","4242 4242"]}' | trunkline redact
  $ trunkline redact --profile logs < service.log
  $ trunkline redact --keep LOCATION,ORGANIZATION --rule 'loyalty=LC-[0-9]{6}' call.txt
NDJSON in, where standard input begins with an object: {"id","text"} or {"id","chunks":["…","…"]}.
Out, in order: {"id","text","spans":[{"start","end","type","label","rule"}]}, offsets in UTF-16 units of the input,
"emitted" (what left after each chunk) where chunks came in; {"id","error"} for a line that cannot be read.
Exit codes: 0 all redacted · 1 a line could not be read · 2 the command or file was not given right`;

/** Adds `redact`. */
export function registerRedactCommand(program: Command, context: RedactContext): void {
  program
    .command('redact')
    .description('take personal values out of a text, or of NDJSON on standard input')
    .argument('[file]', 'text; absent or -: standard input')
    .option('--ndjson', 'the input is NDJSON, whatever it begins with')
    .option('--no-ndjson', 'the input is text, whatever it begins with')
    .option(
      '--profile <name>',
      'speech: all types as people say them; logs: structured values alone',
      parseProfile,
      'speech' as RedactionProfile,
    )
    .option('--keep <types>', 'types to leave in, separated by commas', addKept, [])
    .option('--rule <name=pattern>', 'a rule of your own in RE2 syntax; repeatable', addRule, [])
    .addHelpText('after', help)
    .action(async (file: string | undefined, flags: RedactFlags) => {
      // The engine builds its lexicon when it is loaded: no other command has to wait for that.
      const { redact } = await import('./redact-run.js');
      await redact(file, flags, context);
    });
}
