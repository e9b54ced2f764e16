// Read model `stats_minute`: counts of events by the minute in which their fact was received.

import type { EventBody, EventEnvelope } from '../schemas/events.js';
import { collectChanges } from './changes.js';
import type { PureProjection } from './projection.js';
import type { Table } from './table.js';

const counters = [
  'started',
  'answered',
  'completed',
  'failed',
  'inbound_messages',
  'outbound_messages',
  'duplicates',
  'refused',
  'not_understood',
  'parked',
  'records',
] as const;
type Counter = (typeof counters)[number];

const table: Table = {
  name: 'stats_minute',
  key: ['tenant_id', 'minute'],
  columns: {
    tenant_id: 'text',
    minute: 'bigint',
    ...(Object.fromEntries(counters.map((counter) => [counter, 'bigint'])) as Record<
      Counter,
      'bigint'
    >),
  },
  mode: 'add',
};

const minuteMs = 60_000;

/**
 * Increments are safe under replay because they are committed with the mark: each event counts
 * exactly once. The minute is that of our receipt, so a late fact never changes a closed minute. Calls
 * count as they were seen: one that ended by inference and was corrected later counts in both, one
 * that turned out to be a leg of another stays counted as started. A call is answered once: when it
 * was reported or, where the provider skips that step, when it was inferred.
 */
export const stats: PureProjection = {
  name: 'stats_minute',
  version: 1,
  tables: [table],
  reduce(events) {
    const minutes = new Map<string, { tenant: string; minute: number; counts: Counts }>();
    for (const event of events) {
      const counter = counterOf(event.body);
      if (counter === null) continue;
      const { counts } = minuteOf(minutes, event);
      counts[counter] += 1;
    }
    const changes = collectChanges(table);
    for (const { tenant, minute, counts } of minutes.values()) {
      changes.set([tenant, minute, ...counters.map((counter) => counts[counter])]);
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

type Counts = Record<Counter, number>;

function minuteOf(
  minutes: Map<string, { tenant: string; minute: number; counts: Counts }>,
  event: EventEnvelope,
): { counts: Counts } {
  const minute = Math.floor(event.receivedAt / minuteMs) * minuteMs;
  const name = `${event.tenant}\0${minute}`;
  const known = minutes.get(name);
  if (known !== undefined) return known;
  const counts = Object.fromEntries(counters.map((counter) => [counter, 0])) as Counts;
  const made = { tenant: event.tenant, minute, counts };
  minutes.set(name, made);
  return made;
}

/** What an event counts as; most count as nothing. */
function counterOf(body: EventBody): Counter | null {
  switch (body.type) {
    case 'call.discovered':
      return 'started';
    case 'call.answered':
      // Answered again after a transfer is not another call.
      return body.after.enteredAt === body.after.answeredAt ? 'answered' : null;
    case 'call.inferred':
      return body.reason?.split(',').includes('answered') === true ? 'answered' : null;
    case 'call.completed':
      return 'completed';
    case 'call.failed':
      return 'failed';
    case 'call.duplicate_seen':
    case 'message.duplicate_seen':
    case 'record.duplicate_seen':
      return 'duplicates';
    case 'call.fact_refused':
    case 'message.fact_refused':
    case 'record.fact_refused':
      return 'refused';
    case 'delivery.not_understood':
      return 'not_understood';
    case 'fact.parked':
      return 'parked';
    case 'message.received':
    case 'message.status_changed':
      return newMessage(body);
    case 'record.changed':
      return 'records';
    case 'call.initiated':
    case 'call.ringing':
    case 'call.held':
    case 'call.resumed':
    case 'call.transferring':
    case 'call.leg_linked':
    case 'call.merged':
    case 'call.noted':
    case 'call.overdue':
    case 'call.settled':
    case 'call.timer_moved':
    case 'fact.still_parked':
    case 'fact.released':
    case 'fact.discarded':
    case 'act.applied':
    case 'act.refused':
    case 'act.duplicate_seen':
      return null;
  }
}

/** A message counts once: on the event of its first fact. */
function newMessage(body: Extract<EventBody, { kind: 'message' }>): Counter | null {
  if (body.fact === null || body.after.factCount !== 1) return null;
  const direction = body.after.direction ?? (body.type === 'message.received' ? 'inbound' : null);
  return direction === 'inbound' ? 'inbound_messages' : 'outbound_messages';
}
