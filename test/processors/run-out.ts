// Timers in tests without a scheduler: lets the one that a call has armed run out.

import type { Whose } from '../../processors/decide-input.js';
import { factId, type CallId } from '../../schemas/ids.js';
import type { PureWorld } from './pure-world.js';

/** False when the call has no timer. */
export function runOut(world: PureWorld, whose: Whose, callId: CallId): boolean {
  const last = world.events.findLast((body) => body.kind === 'call' && body.callId === callId);
  if (last?.kind !== 'call' || last.timer === null) return false;
  const { name, timerId, since, dueAt } = last.timer;
  world.take(whose, {
    kind: 'timer',
    receivedAt: dueAt + 20,
    fact: {
      kind: 'timer',
      factId: factId(`${callId}:${timerId}`),
      eventType: `timer.${name}`,
      occurredAt: dueAt,
      order: { phase: 1, atUs: dueAt * 1000, seq: 0 },
      ...{ callId, name, timerId, since, status: last.after.status },
      reason: name === 'inference' ? 'provider_unreachable' : null,
    },
  });
  return true;
}
