// Station processors, pure. The table of design section 5 as data. Comes in: a status and where a
// fact leads. Goes out: the steps the provider skipped, or that there is no way.

import type { CallStatus, Direction } from '../../schemas/facts.js';

/** From each status to those that may follow it. `completed` and `failed` absorb. */
export const transitions: Readonly<Record<CallStatus, readonly CallStatus[]>> = {
  initiated: ['ringing', 'failed'],
  ringing: ['answered', 'failed'],
  answered: ['on_hold', 'transferring', 'completed', 'failed'],
  on_hold: ['answered', 'completed'],
  transferring: ['answered', 'failed'],
  completed: [],
  failed: [],
};

/** Before the first status: an inbound call is first seen ringing, an outbound one initiated. */
export type Start = 'inbound' | 'outbound' | 'unknown';

const beginnings: Readonly<Record<Start, readonly CallStatus[]>> = {
  inbound: ['ringing', 'initiated'],
  outbound: ['initiated'],
  unknown: ['initiated', 'ringing'],
};

export const startOf = (direction: Direction | null): Start => direction ?? 'unknown';

/** The status of a call about which no fact has said any. */
export const statusBefore = (start: Start): CallStatus => beginnings[start][0] ?? 'initiated';

export const isTerminal = (status: CallStatus): boolean => transitions[status].length === 0;

/**
 * The statuses between `from` and `to` that a provider skipped, in order; empty for a direct step,
 * null when no way leads there.
 */
export const stepsBetween = (
  from: CallStatus | Start,
  to: CallStatus,
): readonly CallStatus[] | null => ways[from][to] ?? null;

type Ways = Readonly<Partial<Record<CallStatus, readonly CallStatus[]>>>;

/** Shortest ways; between equally long ones the one that the table names first. */
function waysFrom(first: readonly CallStatus[]): Ways {
  const found: Partial<Record<CallStatus, readonly CallStatus[]>> = {};
  let border: { at: CallStatus; before: readonly CallStatus[] }[] = first.map((at) => ({
    at,
    before: [],
  }));
  while (border.length > 0) {
    const reached = border.filter(({ at }) => found[at] === undefined);
    for (const { at, before } of reached) found[at] ??= before;
    border = reached.flatMap(({ at, before }) =>
      transitions[at].map((next) => ({ at: next, before: [...before, at] })),
    );
  }
  return found;
}

const ways: Readonly<Record<CallStatus | Start, Ways>> = {
  inbound: waysFrom(beginnings.inbound),
  outbound: waysFrom(beginnings.outbound),
  unknown: waysFrom(beginnings.unknown),
  initiated: waysFrom(transitions.initiated),
  ringing: waysFrom(transitions.ringing),
  answered: waysFrom(transitions.answered),
  on_hold: waysFrom(transitions.on_hold),
  transferring: waysFrom(transitions.transferring),
  completed: waysFrom(transitions.completed),
  failed: waysFrom(transitions.failed),
};
