// Why an ownership ended. Each reason but a loss leads to another attempt (design 3.2, rule 7).

import { isAbort, toError, TrunklineError, type ErrorCode } from '../runtime/errors.js';

/**
 * `stopped`: the signal aborted. `refused`: at its marker another owner stood. `deposed`: another's
 * marker was accepted later. `unknown_append`: an append, the marker's too, had no ack.
 * `store_behind`: the store lost what was evicted. `begin_again`: the decider asked for it.
 * `loss`: records are missing or unreadable; nothing heals that. `error`: anything unexpected.
 */
export const endReasons = [
  'stopped',
  'refused',
  'deposed',
  'unknown_append',
  'store_behind',
  'begin_again',
  'loss',
  'error',
] as const;
export type EndReason = (typeof endReasons)[number];

/** Thrown inside an ownership to end it for an expected reason. */
export class OwnershipEnd extends Error {
  override readonly name = 'OwnershipEnd';
  constructor(
    readonly reason: EndReason,
    detail: string,
  ) {
    super(detail);
  }
}

const reasonOfCode: Partial<Record<ErrorCode, EndReason>> = {
  append_unknown: 'unknown_append',
  store_behind: 'store_behind',
  log_loss: 'loss',
  log_position: 'loss',
  record_invalid: 'loss',
};

/** The reason behind whatever was thrown. */
export function endReasonOf(thrown: unknown): EndReason {
  const error = toError(thrown);
  if (error instanceof OwnershipEnd) return error.reason;
  if (error instanceof TrunklineError) return reasonOfCode[error.code] ?? 'error';
  return isAbort(error) ? 'stopped' : 'error';
}
