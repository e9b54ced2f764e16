// Read model `timers`: the timer that each call has armed, as its last event says. The scheduler reads it and
// nobody but this projection changes it: a timer that was told to the call goes when the call says so.

import type { CallEventBody, EventEnvelope } from '../schemas/events.js';
import { defaultBounds, timerIdOf, type ArmedTimer } from '../schemas/timers.js';
import { mergedCalls } from './calls.js';
import { collectChanges } from './changes.js';
import type { Row } from './column-array.js';
import type { PureProjection } from './projection.js';
import type { Table } from './table.js';

const table: Table = {
  name: 'timers',
  key: ['tenant_id', 'subject'],
  columns: {
    tenant_id: 'text',
    subject: 'text',
    name: 'text',
    timer_id: 'text',
    provider: 'text',
    status: 'text',
    since: 'bigint',
    due_at: 'bigint',
    seq: 'bigint',
  },
  mode: 'replace',
};

/** Every call event says which timer is armed after it, so the last one of a batch is the row. */
export const timers: PureProjection = {
  name: 'timers',
  version: 1,
  tables: [table],
  reduce(events) {
    const changes = collectChanges(table);
    for (const event of events) {
      const { tenant, body } = event;
      if (body.kind !== 'call') continue;
      for (const gone of mergedCalls(body)) changes.remove([tenant, gone]);
      if (body.after.mergedInto !== null) continue;
      const armed = body.timer ?? timerFromBefore(event, body);
      if (armed === null) changes.remove([tenant, body.callId]);
      else changes.set(rowOf(event, body, armed));
    }
    const change = changes.done();
    return change === null ? [] : [change];
  },
};

/** Rules that decided before there were timers. */
const rulesBefore = 2;

/**
 * A call that was last heard of before there were timers has a watchdog all the same. Should its call know of
 * something later, it answers with the timer it has, and the row is set right.
 */
function timerFromBefore(event: EventEnvelope, { after }: CallEventBody): ArmedTimer | null {
  const { status } = after;
  if ((event.ruleVersions['call'] ?? 1) >= rulesBefore) return null;
  if (status === 'completed' || status === 'failed') return null;
  const since = event.receivedAt;
  const timerId = timerIdOf('watchdog', status, since);
  return { name: 'watchdog', timerId, since, dueAt: since + defaultBounds[status] };
}

const rowOf = (
  { tenant, seq }: EventEnvelope,
  { callId, after }: CallEventBody,
  timer: ArmedTimer,
): Row => [
  tenant,
  callId,
  timer.name,
  timer.timerId,
  after.provider,
  after.status,
  timer.since,
  timer.dueAt,
  seq,
];
