// Read model `calls`: one row per call, as the last event of the call shows it.

import type { CallView } from '../schemas/call-state.js';
import type { EventEnvelope } from '../schemas/events.js';
import { collectChanges } from './changes.js';
import { partyCells } from './parties.js';
import type { PureProjection } from './projection.js';
import type { Row } from './column-array.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'calls',
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: 'text',
    id: 'text',
    provider: 'text',
    status: 'text',
    entered_at: 'bigint',
    reason: 'text',
    source_fact: 'text',
    inferred: 'boolean',
    cause: 'text',
    provider_code: 'text',
    direction: 'text',
    from_party: 'text',
    from_subject: 'text',
    to_party: 'text',
    to_subject: 'text',
    started_at: 'bigint',
    ringing_at: 'bigint',
    answered_at: 'bigint',
    ended_at: 'bigint',
    duration_sec: 'double precision',
    amd: 'text',
    recordings: 'integer',
    fact_count: 'integer',
    refused_count: 'integer',
    settled_at: 'bigint',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** Every call event carries the whole call, so the last one of a batch is the row. */
export const calls: PureProjection = {
  name: 'calls',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    const last = new Map<string, { event: EventEnvelope; call: CallView }>();
    for (const event of events) {
      const { tenant, body } = event;
      if (body.kind !== 'call') continue;
      for (const gone of mergedCalls(body)) {
        last.delete(`${tenant}\0${gone}`);
        changes.remove([tenant, gone]);
      }
      if (body.after.mergedInto === null) {
        last.set(`${tenant}\0${body.callId}`, { event, call: body.after });
      }
    }
    for (const { event, call } of last.values()) changes.set(rowOf(event, call));
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

/** Calls that, as this event says, are legs of another call: their own rows go. */
export function mergedCalls(
  body: Extract<EventEnvelope['body'], { kind: 'call' }>,
): readonly string[] {
  const gone: string[] = [];
  if (body.after.mergedInto !== null) gone.push(body.callId);
  if (body.mergedFrom !== null && body.mergedFrom !== body.callId) gone.push(body.mergedFrom);
  return gone;
}

const rowOf = ({ tenant, seq }: EventEnvelope, call: CallView): Row => [
  tenant,
  call.callId,
  call.provider,
  call.status,
  call.enteredAt,
  call.reason,
  call.sourceFact,
  call.inferred,
  call.cause,
  call.providerCode,
  call.direction,
  ...partyCells(call.from),
  ...partyCells(call.to),
  call.startedAt,
  call.ringingAt,
  call.answeredAt,
  call.endedAt,
  call.durationSec,
  call.amd,
  call.recordings,
  call.factCount,
  call.refusedCount,
  call.settledAt,
  seq,
];
