// Station processors, pure. Comes in: the set of a message's facts. Goes out: its view. As with calls,
// nothing but the set counts.

import type { MessageView, StoredMessageFact } from '../../schemas/call-state.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { MessageId } from '../../schemas/ids.js';
import { compareInLeg } from '../call/order.js';
import { mayFollow } from './ranks.js';

export interface FoldedMessage {
  readonly view: MessageView;
  /** Facts that could not follow what stood before them, with the reason. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Folds a non-empty set in the provider's order. */
export function foldMessage(
  messageId: MessageId,
  provider: ProviderName,
  facts: readonly StoredMessageFact[],
): FoldedMessage {
  const line = [...facts].sort(compareInLeg);
  const [first] = line;
  if (first === undefined) throw new Error('a message without facts has no view');
  const refused = new Map<string, string>();
  let standing: StoredMessageFact | null = null;
  for (const fact of line) {
    const status: StoredMessageFact['status'] | null = standing?.status ?? null;
    if (mayFollow(status, fact.status)) standing = fact;
    else if (fact.status !== status) {
      refused.set(fact.factId, `${fact.status} cannot follow ${status ?? 'nothing'}`);
    }
  }
  return { view: viewOf(messageId, provider, line, standing ?? first), refused };
}

const timeOf = (fact: StoredMessageFact): number => fact.occurredAt ?? fact.receivedAt;

/** The first value in the provider's order. */
function firstOf<T>(
  line: readonly StoredMessageFact[],
  pick: (fact: StoredMessageFact) => T | null,
): T | null {
  for (const fact of line) {
    const value = pick(fact);
    if (value !== null) return value;
  }
  return null;
}

function viewOf(
  messageId: MessageId,
  provider: ProviderName,
  line: readonly StoredMessageFact[],
  standing: StoredMessageFact,
): MessageView {
  // Text and sender from one fact: the place of the box names the sender (schemas/sealed.ts).
  const withBody = line.find(({ body }) => body !== null);
  return {
    messageId,
    provider,
    direction: firstOf(line, ({ direction }) => direction),
    status: standing.status,
    providerStatus: standing.providerStatus,
    providerCode: standing.providerCode,
    optOut: firstOf(line, ({ optOut }) => optOut),
    from: withBody === undefined ? firstOf(line, ({ from }) => from) : withBody.from,
    to: withBody?.to ?? firstOf(line, ({ to }) => to),
    body: withBody?.body ?? null,
    mediaCount: line.reduce((most, { details }) => Math.max(most, countOf(details)), 0),
    createdAt: line.reduce((first, fact) => Math.min(first, timeOf(fact)), Infinity),
    updatedAt: timeOf(standing),
    factCount: line.length,
  };
}

function countOf({ mediaCount }: StoredMessageFact['details']): number {
  return typeof mediaCount === 'number' ? mediaCount : 0;
}
