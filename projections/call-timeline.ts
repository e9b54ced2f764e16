// Read model `call_timeline`: the lines of each call's timeline, in the order of design section 5.

import type { TimelineEntry } from '../schemas/call-state.js';
import type { EventEnvelope } from '../schemas/events.js';
import { mergedCalls } from './calls.js';
import { collectChanges } from './changes.js';
import type { PureProjection } from './projection.js';
import type { Row } from './column-array.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'call_timeline',
  key: ['tenant_id', 'call_id', 'entry_id'],
  columns: {
    tenant_id: 'text',
    call_id: 'text',
    entry_id: 'text',
    type: 'text',
    leg_ref: 'text',
    status: 'text',
    phase: 'smallint',
    at_us: 'bigint',
    order_seq: 'bigint',
    occurred_at: 'bigint',
    received_at: 'bigint',
    inferred: 'boolean',
    late: 'boolean',
    refused: 'text',
    reason: 'text',
    provider_code: 'text',
    details: 'text',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** Events say which lines to set and which no longer stand; a merged call's lines go. */
export const callTimeline: PureProjection = {
  name: 'call_timeline',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    for (const event of events) {
      const { tenant, body } = event;
      if (body.kind !== 'call' && body.kind !== 'not_understood') continue;
      if (body.callId === null) continue;
      if (body.kind === 'call') {
        for (const gone of mergedCalls(body)) changes.remove([tenant, gone]);
        if (body.after.mergedInto !== null) continue;
      }
      for (const id of body.timeline.remove) changes.remove([tenant, body.callId, id]);
      for (const entry of body.timeline.upsert) changes.set(rowOf(event, body.callId, entry));
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

const rowOf = ({ tenant, seq }: EventEnvelope, callId: string, entry: TimelineEntry): Row => [
  tenant,
  callId,
  entry.entryId,
  entry.type,
  entry.legRef,
  entry.status,
  entry.order.phase,
  entry.order.atUs,
  entry.order.seq,
  entry.occurredAt,
  entry.receivedAt,
  entry.inferred,
  entry.late,
  entry.refused,
  entry.reason,
  entry.providerCode,
  JSON.stringify(entry.details),
  seq,
];
