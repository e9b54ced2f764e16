// Command line, redact: the engine at work. Comes in: a file or standard input, and what the command was given. Goes
// out: redacted text, or an answer a line. Loaded by the command that needs it: the word lists are large.

import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';

import { z } from 'zod';

import { customRuleFault, type CustomRule } from '../processors/redact/custom.js';
import { Redactor, type RedactionOptions } from '../processors/redact/redactor.js';
import type { RedactionSpan } from '../processors/redact/types.js';
import { toError, TrunklineError } from '../runtime/errors.js';
import { LineWriter, readLines } from './ndjson.js';
import type { RedactContext, RedactFlags } from './redact.js';

const lineSchema = z
  .object({
    id: z.union([z.string(), z.number()]).optional(),
    text: z.string().optional(),
    chunks: z.array(z.string()).optional(),
  })
  .refine(({ text, chunks }) => (text === undefined) !== (chunks === undefined), {
    message: 'has "text" (a string) or "chunks" (a list of strings), one of the two',
  });

interface Answer {
  readonly text: string;
  readonly spans: readonly RedactionSpan[];
  readonly emitted?: readonly string[];
}

/** One text in pieces; `emitted` is what left after each of them, the rest left at the end. */
function redactPieces(pieces: readonly string[], options: RedactionOptions): Required<Answer> {
  const redactor = new Redactor(options);
  const parts = [...pieces.map((piece) => redactor.push(piece)), redactor.flush()];
  return {
    text: parts.map((part) => part.text).join(''),
    spans: parts.flatMap((part) => part.spans),
    emitted: parts.slice(0, -1).map((part) => part.text),
  };
}

/** The id of a line that cannot be redacted, where it has one. */
function idOf(value: unknown): string | number | undefined {
  const found = z.object({ id: z.union([z.string(), z.number()]) }).safeParse(value);
  return found.success ? found.data.id : undefined;
}

const fault = (id: string | number | undefined, error: string) => ({
  ...(id === undefined ? {} : { id }),
  error,
});

/** The answer to a line of NDJSON: `{"id","text","spans"}`, or `{"id","error"}` for a line that is none. */
export function redactLine(
  line: string | null,
  options: RedactionOptions,
): Record<string, unknown> {
  if (line === null) return fault(undefined, 'the line is not UTF-8 or longer than 32 MiB');
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return fault(undefined, 'the line is not JSON');
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where =
      issue === undefined || issue.path.length === 0 ? 'the line' : issue.path.join('.');
    return fault(idOf(value), `${where}: ${issue?.message ?? 'is not what a line may be'}`);
  }
  const { id, text, chunks } = parsed.data;
  const { emitted, ...answer } = redactPieces(chunks ?? [text ?? ''], options);
  const named = id === undefined ? {} : { id };
  return { ...named, ...answer, ...(chunks === undefined ? {} : { emitted }) };
}

async function redactLines(context: RedactContext, source: Readable, options: RedactionOptions) {
  const writer = new LineWriter(context.stdout);
  let faults = 0;
  for await (const line of readLines(source)) {
    const answer = redactLine(line, options);
    if ('error' in answer) faults++;
    await writer.write(answer);
  }
  await writer.flush();
  if (faults > 0) context.setExitCode(1);
}

/** Text through the engine with bounded memory, at the pace of the reader. */
async function redactStream(context: RedactContext, source: Readable, options: RedactionOptions) {
  const redactor = new Redactor(options);
  const decoder = new TextDecoder('utf-8');
  const write = async (text: string): Promise<void> => {
    if (text === '' || context.stdout.write(text)) return;
    await new Promise((resolve) => context.stdout.once('drain', resolve));
  };
  for await (const chunk of source as AsyncIterable<Buffer | string>) {
    const piece = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    await write(redactor.push(piece).text);
  }
  await write(redactor.push(decoder.decode()).text + redactor.flush().text);
}

const firstByte = 0x7b;

/** True when a stream begins with an object of JSON; what was read of it is put back. */
async function beginsWithObject(stream: Readable): Promise<boolean> {
  for (;;) {
    const chunk = (await nextChunk(stream)) as Buffer | string | null;
    if (chunk === null) return false;
    stream.unshift(chunk);
    const begin = Buffer.from(chunk).toString('latin1').trimStart();
    if (begin !== '') return begin.charCodeAt(0) === firstByte && /^\{\s*"/.test(begin);
    stream.read();
  }
}

function nextChunk(stream: Readable): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const chunk: unknown = stream.read();
      if (chunk === null && !stream.readableEnded) return void stream.once('readable', look);
      resolve(chunk);
    };
    stream.once('end', () => resolve(null));
    stream.once('error', reject);
    look();
  });
}

/** Redacts a file, or standard input for none. Throws `parameter_invalid` for a file or rule that is none. */
export async function redact(
  file: string | undefined,
  flags: RedactFlags,
  context: RedactContext,
): Promise<void> {
  const options: RedactionOptions = {
    profile: flags.profile,
    keep: new Set(flags.keep),
    rules: flags.rule.map(ruleOf),
  };
  const isStdin = file === undefined || file === '-';
  const source = isStdin ? context.stdin : createReadStream(file);
  try {
    const isLines = flags.ndjson ?? (isStdin && (await beginsWithObject(source)));
    await (isLines ? redactLines : redactStream)(context, source, options);
  } catch (thrown) {
    const { code, message } = toError(thrown) as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EISDIR' && code !== 'EACCES') throw thrown;
    throw new TrunklineError('parameter_invalid', `${file ?? '-'} cannot be read: ${message}`);
  }
}

function ruleOf(given: string): CustomRule {
  const equals = given.indexOf('=');
  const rule = { name: given.slice(0, Math.max(equals, 0)), pattern: given.slice(equals + 1) };
  const wrong = customRuleFault(rule);
  if (wrong === null) return rule;
  throw new TrunklineError('parameter_invalid', `--rule name=pattern: ${wrong}`);
}
