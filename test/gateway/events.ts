// Events made by hand, for tests of the parts that need no log.

import type { CallView } from '../../schemas/call-state.js';
import type { EventEnvelope } from '../../schemas/events.js';
import type { CallStatus, Direction } from '../../schemas/facts.js';
import {
  callId,
  epoch,
  eventId,
  factId,
  offset,
  ownerId,
  seq,
  tenantId,
} from '../../schemas/ids.js';

export interface Made {
  readonly tenant: string;
  readonly seq: number;
  readonly call: string;
  readonly status: CallStatus;
  readonly direction?: Direction;
  readonly mergedFrom?: string;
  readonly mergedInto?: string;
}

/** A call event with nothing personal in it. */
export function callEvent(made: Made): EventEnvelope {
  const after: CallView = {
    ...{ callId: callId(made.call), provider: 'twilio', status: made.status, enteredAt: made.seq },
    ...{ reason: null, sourceFact: factId('f'), inferred: false, cause: null, providerCode: null },
    ...{ direction: made.direction ?? 'inbound', from: null, to: null, startedAt: 0 },
    ...{ ringingAt: null, answeredAt: null, endedAt: null, durationSec: null, amd: null },
    ...{ recordings: 0, legs: [], factCount: made.seq, refusedCount: 0, settledAt: null },
    mergedInto: made.mergedInto === undefined ? null : callId(made.mergedInto),
  };
  const type = made.mergedFrom === undefined ? 'call.noted' : 'call.merged';
  return {
    ...{ tenant: tenantId(made.tenant), eventId: eventId(`e${made.seq}`), factId: factId('f') },
    ...{ provider: 'twilio', occurredAt: null, receivedAt: made.seq, correlationId: 'c' },
    ...{ traceId: 't', ruleVersions: { call: 1 }, schemaVersion: 1, seq: seq(made.seq) },
    ...{ epoch: epoch('e1'), owner: ownerId('o') },
    covered: { realtime: offset(0), bulk: offset(0) },
    body: {
      ...{ kind: 'call', type, callId: callId(made.call), fact: null, after, aliases: [] },
      timeline: { upsert: [], remove: [] },
      mergedFrom: made.mergedFrom === undefined ? null : callId(made.mergedFrom),
      timer: null,
      reason: null,
    },
  };
}
