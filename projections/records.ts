// Read model `records`: one row per member, subscription or other object of the tenant's own, as the last
// event of the object shows it.

import type { EventEnvelope } from '../schemas/events.js';
import type { RecordView } from '../schemas/record-state.js';
import { collectChanges } from './changes.js';
import type { Row } from './column-array.js';
import { sealedTexts } from './parties.js';
import type { PureProjection } from './projection.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'records',
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: 'text',
    id: 'text',
    provider: 'text',
    area: 'text',
    object_type: 'text',
    object_ref: 'text',
    parent_ref: 'text',
    status: 'text',
    deleted: 'boolean',
    last_event: 'text',
    details: 'text',
    subject: 'text',
    personal: 'text',
    created_at: 'bigint',
    updated_at: 'bigint',
    fact_count: 'integer',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** Every event of a record carries the whole record, so the last one of a batch is the row. */
export const records: PureProjection = {
  name: 'records',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    for (const event of events) {
      if (event.body.kind === 'record') changes.set(rowOf(event, event.body.after));
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

const rowOf = ({ tenant, seq }: EventEnvelope, view: RecordView): Row => [
  tenant,
  view.recordId,
  view.provider,
  view.area,
  view.objectType,
  view.objectRef,
  view.parentRef,
  view.status,
  view.deleted,
  view.lastEvent,
  JSON.stringify(view.details),
  view.subject,
  sealedTexts(view.personal),
  view.createdAt,
  view.updatedAt,
  view.factCount,
  seq,
];
