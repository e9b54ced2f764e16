// Station processors, pure. What a fact is about, by name: what parked facts wait behind. Comes in: facts,
// clear or sealed. Goes out: names that later facts are compared with.

import { hash } from 'node:crypto';
import type { SourceFact } from '../../schemas/facts.js';
import type { FactId } from '../../schemas/ids.js';
import { aliasKey, refsOf } from '../call/identity.js';
import type { Whose } from '../decide-input.js';
import { messageIdOf } from '../message/identity.js';
import { recordIdOf } from '../record/identity.js';

/**
 * Most names of one fact that count. A delivery about more calls than these is none that providers send; its
 * other calls do not wait. Their state is right all the same: it is a function of the set of facts.
 */
const maxNames = 64;
const maxLength = 200;

/** The names of the facts of one delivery; none where it says what it is about nowhere. */
export function namesOf({ tenant, provider }: Whose, facts: readonly SourceFact[]): string[] {
  const names = new Set<string>();
  for (const fact of facts) {
    switch (fact.kind) {
      case 'call':
        for (const ref of refsOf([fact])) names.add(aliasName(provider, ref));
        break;
      case 'message':
        names.add(`message:${messageIdOf(tenant, provider, fact.messageRef)}`);
        break;
      case 'record':
        names.add(`record:${recordIdOf(tenant, provider, fact)}`);
        break;
      case 'not_understood':
        if (fact.legRef !== null) names.add(aliasName(provider, fact.legRef));
        break;
      case 'timer':
        names.add(callName(fact.callId));
        names.add(timerName(fact.factId));
        break;
      case 'act':
        break;
    }
  }
  return [...names].slice(0, maxNames);
}

/** A reference as long as a novel names its call just as well by a digest. */
function aliasName(provider: string, reference: string): string {
  const key = aliasKey(provider, reference);
  return key.length <= maxLength
    ? `alias:${key}`
    : `alias-digest:${hash('sha256', key, 'base64url')}`;
}

/**
 * The name of a timer that ran out. The scheduler says so again until the call has heard it, so one that waits
 * already is not put in the queue once more.
 */
export const timerName = (factId: FactId): string => `timer:${factId}`;

/** The name of a call, for the facts that reach it by another of its references. */
export const callName = (callId: string): string => `call:${callId}`;
