// Facts that fail for as long as a test wants them to: what parks a call, and what is mended.

import { decideFacts } from '../../processors/decide-input.js';
import type { CallFact } from '../../schemas/facts.js';
import { factId } from '../../schemas/ids.js';

/** A note of a call; its id decides whether it fails. */
export const noteFact = (id: string, legRef: string): CallFact => ({
  kind: 'call',
  factId: factId(id),
  eventType: 'note',
  occurredAt: null,
  order: { phase: 1, atUs: 1_000, seq: 0 },
  legRef,
  ...{ parentRef: null, sessionRef: null, direction: null },
  signal: { type: 'note', name: 'dtmf' },
  ...{ durationSec: null, providerCode: null, details: {} },
  ...{ from: '+12025550100', to: null, personal: {} },
});

/** Rules that fail on facts named `bad…` until they are mended; on those named `worse…` always. */
export class FailingRules {
  isMended = false;

  readonly decide: typeof decideFacts = (whose, facts, states) => {
    const isBad = ({ fact: { factId: id } }: (typeof facts)[number]): boolean =>
      id.startsWith('worse') || (!this.isMended && id.startsWith('bad'));
    if (facts.some(isBad)) throw new RangeError('no');
    return decideFacts(whose, facts, states);
  };
}
