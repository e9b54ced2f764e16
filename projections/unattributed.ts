// Read model `unattributed`: verified deliveries that were not understood and name no call. Those
// that name one stand in its timeline.

import { collectChanges } from './changes.js';
import type { PureProjection } from './projection.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'unattributed',
  key: ['tenant_id', 'seq'],
  columns: {
    tenant_id: 'text',
    seq: 'bigint',
    provider: 'text',
    event_type: 'text',
    received_at: 'bigint',
    reason: 'text',
  },
  mode: 'replace',
};

export const unattributed: PureProjection = {
  name: 'unattributed',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    for (const { tenant, seq, provider, body } of events) {
      if (body.kind !== 'not_understood' || body.callId !== null) continue;
      changes.set([tenant, seq, provider, body.eventType, body.receivedAt, body.reason]);
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};
