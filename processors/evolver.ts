// Station processors. Comes in: events. Goes out: the aggregates they touch and their states. Given to
// the projections, so that what is stored is folded by the code that decides on it.

import type { AggregateRef, AggregateState, Evolver } from '../schemas/aggregates.js';
import type { EventBody } from '../schemas/events.js';
import type { TenantId } from '../schemas/ids.js';
import { evolveAlias, evolveCall } from './call/evolve.js';
import { aliasKey } from './call/identity.js';
import { evolveMessage } from './message/evolve.js';
import { evolveParking, touchedByParking } from './parking/state.js';
import { evolveRecord } from './record/evolve.js';

/**
 * Raise it when a state's meaning changes: stored rows of another version are folded again. A further kind of
 * aggregate changes no state that is there, so `record`, `queue` and `parked` came without another version
 * (decisions 0011, 0013).
 */
export const evolverVersion = 1;

/** The aggregates of one event's content, the secondary ones too. */
export function touchedBy(tenant: TenantId, body: EventBody): readonly AggregateRef[] {
  switch (body.kind) {
    case 'call': {
      const call: AggregateRef = { tenant, kind: 'call', key: body.callId };
      if (body.aliases.length === 0) return [call];
      const { provider } = body.after;
      return [
        call,
        ...body.aliases.map((ref): AggregateRef => ({
          tenant,
          kind: 'alias',
          key: aliasKey(provider, ref),
        })),
      ];
    }
    case 'message':
      return [{ tenant, kind: 'message', key: body.messageId }];
    case 'record':
      return [{ tenant, kind: 'record', key: body.recordId }];
    case 'parked':
    case 'act':
      return touchedByParking(tenant, body);
    case 'not_understood':
      return [];
  }
}

/** The state of an aggregate that the content of an event touches, after that event. */
export function evolveBody(
  ref: AggregateRef,
  state: AggregateState | null,
  body: EventBody,
): AggregateState {
  switch (body.kind) {
    case 'call':
      return ref.kind === 'alias' ? evolveAlias(body) : evolveCall(state, body);
    case 'message':
      return evolveMessage(state, body);
    case 'record':
      return evolveRecord(state, body);
    case 'parked':
    case 'act':
      return evolveParking(ref, state, body);
    case 'not_understood':
      return state ?? {};
  }
}

export const evolver: Evolver = {
  version: evolverVersion,
  touched: (event) => touchedBy(event.tenant, event.body),
  evolve: (ref, state, event) => evolveBody(ref, state, event.body),
};
