// Station processors, pure. Comes in: a message's state and a fact. Goes out: the one event that says
// what the fact meant.

import type { StoredMessageFact } from '../../schemas/call-state.js';
import type { MessageEventBody } from '../../schemas/events.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { MessageId } from '../../schemas/ids.js';
import { isEarlierCopy } from '../call/order.js';
import { foldMessage } from './fold.js';
import type { MessageState } from './state.js';

/** Version of these rules, as events carry it. */
export const messageRuleVersion = 1;

/** Facts one message may hold: a provider has some ten statuses, more is a fault. */
export const maxFactsPerMessage = 200;

export interface MessageContext {
  readonly messageId: MessageId;
  readonly provider: ProviderName;
  readonly state: MessageState | null;
}

/** What a fact means for its message. A function of its arguments alone. */
export function decideMessage(
  { messageId, provider, state }: MessageContext,
  fact: StoredMessageFact,
): MessageEventBody {
  const prior = state?.facts ?? [];
  const base = { kind: 'message', messageId } as const;
  const known = prior.find(({ factId }) => factId === fact.factId);
  if (known !== undefined) {
    // Of two copies the one received first is kept, whichever came here first.
    const replaces = isEarlierCopy(fact, known);
    const facts = replaces ? prior.map((one) => (one === known ? fact : one)) : prior;
    const { view } = foldMessage(messageId, provider, facts);
    const type = 'message.duplicate_seen';
    return { ...base, type, fact: replaces ? fact : null, after: view, reason: null };
  }
  if (prior.length >= maxFactsPerMessage) {
    const { view } = foldMessage(messageId, provider, prior);
    const type = 'message.fact_refused';
    return { ...base, type, fact: null, after: view, reason: 'too_many_facts' };
  }
  const before = prior.length === 0 ? null : foldMessage(messageId, provider, prior).view;
  const { view, refused } = foldMessage(messageId, provider, [...prior, fact]);
  const reason = refused.get(fact.factId) ?? null;
  if (reason !== null) return { ...base, type: 'message.fact_refused', fact, after: view, reason };
  if (before === null && fact.status === 'received') {
    return { ...base, type: 'message.received', fact, after: view, reason: null };
  }
  const hasMoved = before === null || before.status !== view.status;
  const note = hasMoved ? null : fact.status === view.status ? 'same_status' : 'late';
  return { ...base, type: 'message.status_changed', fact, after: view, reason: note };
}
