// Errors in words that hold no content of events: for log lines and health.

import { TrunklineError } from '../runtime/errors.js';

/**
 * What is safe to say of an error. Our own details are written to be shown; messages of others
 * (parsers, the database) can quote what they choked on, so only their kind and place are told.
 */
export function describeError(error: Error): string {
  const cause = error.cause instanceof Error ? ` ← ${describeError(error.cause)}` : '';
  if (error instanceof TrunklineError) return `${error.code}: ${error.message}${cause}`;
  const { code } = error as { code?: unknown };
  const place = error.stack?.split('\n').find((line) => line.startsWith('    at '));
  return `${error.name}${typeof code === 'string' ? ` ${code}` : ''}${place ?? ''}${cause}`;
}
