// Read model `timers`: the timer that a call has armed after its last event, and what events from before there were
// timers leave.

import { expect, test } from 'vitest';

import { timers } from '../../projections/timers.js';
import type { CallView } from '../../schemas/call-state.js';
import type { CallEventBody, EventEnvelope } from '../../schemas/events.js';
import { callId } from '../../schemas/ids.js';
import type { ArmedTimer } from '../../schemas/timers.js';
import { callEvent } from '../gateway/events.js';

interface Said {
  readonly timer?: ArmedTimer | null;
  readonly rules?: number;
  readonly view?: Partial<CallView>;
  readonly body?: Partial<CallEventBody>;
  readonly receivedAt?: number;
}

let seq = 0;
function event(call: string, { timer = null, rules = 2, view, body, receivedAt = 1_000 }: Said) {
  seq += 1;
  const made = callEvent({ tenant: 'acme', seq, call, status: view?.status ?? 'ringing' });
  const own = made.body as CallEventBody;
  const after = { ...own.after, ...view };
  return {
    ...made,
    receivedAt,
    ruleVersions: { call: rules },
    body: { ...own, after, timer, ...body },
  } satisfies EventEnvelope;
}

const armed = (name: ArmedTimer['name'], since: number): ArmedTimer => ({
  ...{ name, timerId: `${name}:ringing:${since}`, since, dueAt: since + 300_000 },
});

const changesOf = (...events: readonly EventEnvelope[]) => {
  const [change] = timers.reduce(events);
  return {
    rows: change?.upsert.map(([, subject, name, timerId, , , , dueAt]) => [
      ...[subject, name, timerId, dueAt],
    ]),
    removed: change?.remove.map((key) => key[1]),
  };
};

test('the row is the timer of the last event', () => {
  const { rows } = changesOf(
    event('a', { timer: armed('watchdog', 1) }),
    event('b', { timer: armed('watchdog', 2) }),
    event('a', { timer: armed('inference', 3) }),
  );
  expect(rows).toEqual([
    ['a', 'inference', 'inference:ringing:3', 300_003],
    ['b', 'watchdog', 'watchdog:ringing:2', 300_002],
  ]);
});

test('it goes when no timer is armed any more, whatever stood before it in the batch', () => {
  const { rows, removed } = changesOf(
    event('a', { timer: armed('watchdog', 1) }),
    event('a', { view: { status: 'completed', settledAt: 9 } }),
  );
  expect(rows).toEqual([]);
  expect(removed).toEqual(['a']);
});

test('a call that is a leg of another one has none of its own', () => {
  const { removed, rows } = changesOf(
    event('a', { timer: armed('watchdog', 1) }),
    event('b', { timer: armed('watchdog', 2), body: { mergedFrom: callId('a') } }),
    event('a', { view: { mergedInto: callId('b') } }),
  );
  expect(removed).toEqual(['a']);
  expect(rows?.map(([subject]) => subject)).toEqual(['b']);
});

test('a call from before there were timers has a watchdog with the defaults, while it is active', () => {
  const { rows, removed } = changesOf(
    event('a', { rules: 1, view: { status: 'answered' }, receivedAt: 7_000 }),
    event('b', { rules: 1, view: { status: 'completed' }, receivedAt: 7_000 }),
  );
  expect(rows).toEqual([['a', 'watchdog', 'watchdog:answered:7000', 7_000 + 4 * 3_600_000]]);
  expect(removed).toEqual(['b']);
});
