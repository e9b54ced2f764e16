// Station processors, pure. Comes in: two statuses of a message. Goes out: whether the second may
// follow the first. Providers sign neither time nor order on most status callbacks: statuses rank.

import type { MessageStatus } from '../../schemas/facts.js';

/** A status is followed by one of higher rank only. Outcomes share a rank: the first one stands. */
const ranks: Readonly<Record<MessageStatus, number>> = {
  queued: 1,
  sending: 2,
  sent: 3,
  received: 4,
  delivered: 4,
  undelivered: 4,
  failed: 4,
  read: 5,
};

const terminal: ReadonlySet<MessageStatus> = new Set(['undelivered', 'failed', 'read']);

/** True when `next` may follow `status`; the same status again is neither progress nor refused. */
export const mayFollow = (status: MessageStatus | null, next: MessageStatus): boolean =>
  status === null || (!terminal.has(status) && ranks[next] > ranks[status]);
