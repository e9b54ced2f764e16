// Read model `legs`: the legs of each call, as the last event of the call shows them.

import type { LegView } from '../schemas/call-state.js';
import type { CallEventBody, EventEnvelope } from '../schemas/events.js';
import { mergedCalls } from './calls.js';
import { collectChanges } from './changes.js';
import { partyCells } from './parties.js';
import type { PureProjection } from './projection.js';
import type { Row } from './column-array.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'legs',
  key: ['tenant_id', 'call_id', 'leg_id'],
  columns: {
    tenant_id: 'text',
    call_id: 'text',
    leg_id: 'text',
    position: 'integer',
    leg_ref: 'text',
    parent_ref: 'text',
    is_primary: 'boolean',
    status: 'text',
    cause: 'text',
    provider_code: 'text',
    direction: 'text',
    from_party: 'text',
    from_subject: 'text',
    to_party: 'text',
    to_subject: 'text',
    started_at: 'bigint',
    answered_at: 'bigint',
    ended_at: 'bigint',
    duration_sec: 'double precision',
    seq: 'bigint',
  },
  mode: 'replace',
};

/**
 * A call loses its legs when it is merged into another one, and loses the leg that stood for its session when
 * the first leg of its own becomes known. That brings references the call did not have: then its rows are
 * written anew, else over each other.
 */
export const legs: PureProjection = {
  name: 'legs',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    const last = new Map<string, { event: EventEnvelope; body: CallEventBody }>();
    for (const event of events) {
      const { tenant, body } = event;
      if (body.kind !== 'call') continue;
      for (const gone of mergedCalls(body)) {
        last.delete(`${tenant}\0${gone}`);
        changes.remove([tenant, gone]);
      }
      if (mayLoseLeg(body)) changes.remove([tenant, body.callId]);
      if (body.after.mergedInto === null) last.set(`${tenant}\0${body.callId}`, { event, body });
    }
    for (const { event, body } of last.values()) {
      body.after.legs.forEach((leg, position) => {
        changes.set(rowOf(event, body, leg, position));
      });
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

const mayLoseLeg = ({ type, aliases, mergedFrom }: CallEventBody): boolean =>
  type === 'call.leg_linked' ||
  mergedFrom !== null ||
  (aliases.length > 0 && type !== 'call.discovered');

const rowOf = (
  { tenant, seq }: EventEnvelope,
  body: CallEventBody,
  leg: LegView,
  position: number,
): Row => [
  tenant,
  body.callId,
  leg.legId,
  position,
  leg.legRef,
  leg.parentRef,
  leg.primary,
  leg.status,
  leg.cause,
  leg.providerCode,
  leg.direction,
  ...partyCells(leg.from),
  ...partyCells(leg.to),
  leg.startedAt,
  leg.answeredAt,
  leg.endedAt,
  leg.durationSec,
  seq,
];
