// Station processors, pure. What keeps a fact from being processed. Comes in: whatever was thrown. Goes out:
// a code, a class and words that hold no value of the content.

import { toError, TrunklineError } from '../../runtime/errors.js';
import type { ParkedClass } from '../../schemas/parking.js';

/** Why an input is parked. */
export interface Fault {
  readonly errorCode: string;
  readonly errorClass: ParkedClass;
  /** For people; no value of the content. */
  readonly error: string;
}

/** Codes that are not of our making of the record, but of rules that fail on it or do not know it yet. */
const classes: Readonly<Record<string, ParkedClass>> = {
  behind: 'behind',
  queue_full: 'behind',
  schema_unknown: 'schema',
  open_failed: 'bug',
  seal_failed: 'bug',
  decide_failed: 'bug',
  outputs_not_encodable: 'bug',
};

export const faultOf = (errorCode: string, error: string): Fault => ({
  errorCode,
  errorClass: classes[errorCode] ?? 'poison',
  error,
});

/** A fault of our own table keeps its code; everything else is a defect of the step that threw it. */
export function faultOfThrown(thrown: unknown, step: string): Fault {
  if (thrown instanceof TrunklineError) return faultOf(thrown.code, thrown.message);
  return faultOf(step, whereThrown(toError(thrown)));
}

/**
 * What may pass by itself, so that it must park nothing: what the table of errors says, and what a database or a
 * socket answers in its own codes (SQLSTATE, `ECONNRESET`). Engines give their own errors no such code.
 */
export function isTransient(thrown: unknown): boolean {
  if (thrown instanceof TrunklineError) return thrown.retryable;
  const { code } = toError(thrown) as { code?: unknown };
  return typeof code === 'string' && /^(?:[0-9A-Z]{5}|E(?!RR_)[A-Z]+)$/.test(code);
}

const framePattern = /^\s+at (?:async )?(?:([\w.$<> ]+) \()?.*?([\w.-]+):(\d+):\d+\)?$/;

/**
 * Kind and place of an error. Not its message: engines quote values in theirs (`Cannot convert +1555… to a
 * BigInt`), and this text stands in events for ever.
 */
function whereThrown({ name, message, stack = '' }: Error): string {
  const kind = /^[A-Za-z]{1,40}$/.test(name) ? name : 'Error';
  // The message comes first in a stack and may hold lines that look like frames.
  const at = stack.indexOf(message);
  const frames = at < 0 ? '' : stack.slice(at + message.length);
  const match = frames
    .split('\n')
    .map((line) => framePattern.exec(line))
    .find(Boolean);
  if (match === undefined || match === null) return kind;
  const [, inFunction, file = '', line = ''] = match;
  const own = inFunction?.split('.').at(-1);
  return `${kind} ${own === undefined ? '' : `in ${own} `}(${file}:${line})`;
}
