// Read model `dead_letters`: facts that could not be processed, how each of them stands, and what operators
// did about them (decision 0013). Three tables, so that each row follows from one event alone.

import { ownProvider } from '../schemas/facts.js';
import type { EventEnvelope, ParkedBody } from '../schemas/events.js';
import type { ActBody, Parking, ParkedEventType } from '../schemas/parking.js';
import { collectChanges } from './changes.js';
import type { Row } from './column-array.js';
import type { PureProjection } from './projection.js';
import type { Table } from './table.js';

/** What was parked; never changes. */
const letters: Table = {
  name: 'dead_letters',
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: 'text',
    id: 'text',
    seq: 'bigint',
    provider: 'text',
    source_topic: 'text',
    source_offset: 'bigint',
    source_at: 'bigint',
    received_at: 'bigint',
    delivery_id: 'text',
    endpoint: 'text',
    record_bytes: 'integer',
    is_carried: 'boolean',
    facts: 'text',
    correlation_id: 'text',
  },
  mode: 'replace',
};

/** How it stands; the last event of it. */
const states: Table = {
  name: 'dead_letter_states',
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: 'text',
    id: 'text',
    state: 'text',
    queue_id: 'text',
    error_class: 'text',
    error_code: 'text',
    error: 'text',
    attempts: 'integer',
    source_at: 'bigint',
    updated_at: 'bigint',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** What operators did, one row per act, refused ones and copies too. */
const acts: Table = {
  name: 'dead_letter_acts',
  key: ['tenant_id', 'seq'],
  columns: {
    tenant_id: 'text',
    seq: 'bigint',
    act_id: 'text',
    letter_id: 'text',
    act: 'text',
    actor: 'text',
    reason: 'text',
    outcome: 'text',
    released: 'integer',
    remaining: 'integer',
    failed: 'text',
    at: 'bigint',
  },
  mode: 'replace',
};

export const deadLetters: PureProjection = {
  name: 'dead_letters',
  version: 1,
  tables: [letters, states, acts],
  reduce(events) {
    const collected = {
      letters: collectChanges(letters),
      states: collectChanges(states),
      acts: collectChanges(acts),
    };
    for (const event of events) {
      const { body } = event;
      if (body.kind === 'act') collected.acts.set(actRow(event, body));
      // Without parking: parked before there were queues; nothing can be done about it here.
      if (body.kind !== 'parked' || body.parking === null) continue;
      const row = { event, body, parking: body.parking };
      if (body.type === 'fact.parked') collected.letters.set(letterRow(row));
      collected.states.set(stateRow(row));
    }
    return Object.values(collected).flatMap((one) => one.done() ?? []);
  },
};

/** An event of parking, taken apart. */
interface Told {
  readonly event: EventEnvelope;
  readonly body: ParkedBody;
  readonly parking: Parking;
}

function letterRow({ event, body, parking }: Told): Row {
  const { tenant, seq, provider, receivedAt, correlationId } = event;
  const { sourceTopic, sourceOffset } = body;
  return [
    tenant,
    parking.parkId,
    seq,
    provider ?? ownProvider,
    sourceTopic,
    sourceOffset,
    parking.sourceAt,
    receivedAt,
    parking.deliveryId,
    parking.endpoint,
    parking.recordBytes,
    parking.content !== null,
    JSON.stringify(parking.facts),
    correlationId,
  ];
}

const stateOf: Readonly<Record<ParkedEventType, 'open' | 'retried' | 'discarded'>> = {
  'fact.parked': 'open',
  'fact.still_parked': 'open',
  'fact.released': 'retried',
  'fact.discarded': 'discarded',
};

function stateRow({ event, body, parking }: Told): Row {
  const { tenant, seq, receivedAt } = event;
  const { parkId, queueId, errorClass, attempts, sourceAt } = parking;
  const { errorCode, error } = body;
  return [
    ...[tenant, parkId, stateOf[body.type], queueId, errorClass, errorCode, error, attempts],
    ...[sourceAt, receivedAt, seq],
  ];
}

function actRow({ tenant, seq, receivedAt }: EventEnvelope, body: ActBody): Row {
  const { actId, about, act, actor, reason, released, remaining, failed } = body;
  const outcome = body.refused ?? body.type.slice('act.'.length);
  return [
    tenant,
    seq,
    actId,
    about,
    act,
    actor,
    reason,
    outcome,
    released,
    remaining,
    failed,
    receivedAt,
  ];
}
