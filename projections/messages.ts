// Read model `messages`: one row per message, as the last event of the message shows it.

import type { MessageView } from '../schemas/call-state.js';
import type { EventEnvelope } from '../schemas/events.js';
import { collectChanges } from './changes.js';
import { partyCells, sealedText } from './parties.js';
import type { PureProjection } from './projection.js';
import type { Row } from './column-array.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'messages',
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: 'text',
    id: 'text',
    provider: 'text',
    direction: 'text',
    status: 'text',
    provider_status: 'text',
    provider_code: 'text',
    opt_out: 'text',
    from_party: 'text',
    from_subject: 'text',
    to_party: 'text',
    to_subject: 'text',
    body: 'text',
    media_count: 'integer',
    created_at: 'bigint',
    updated_at: 'bigint',
    fact_count: 'integer',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** Every message event carries the whole message, so the last one of a batch is the row. */
export const messages: PureProjection = {
  name: 'messages',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    const last = new Map<string, { event: EventEnvelope; message: MessageView }>();
    for (const event of events) {
      const { tenant, body } = event;
      if (body.kind !== 'message') continue;
      last.set(`${tenant}\0${body.messageId}`, { event, message: body.after });
    }
    for (const { event, message } of last.values()) changes.set(rowOf(event, message));
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

const rowOf = ({ tenant, seq }: EventEnvelope, message: MessageView): Row => [
  tenant,
  message.messageId,
  message.provider,
  message.direction,
  message.status,
  message.providerStatus,
  message.providerCode,
  message.optOut,
  ...partyCells(message.from),
  ...partyCells(message.to),
  message.body === null ? null : sealedText(message.body),
  message.mediaCount,
  message.createdAt,
  message.updatedAt,
  message.factCount,
  seq,
];
