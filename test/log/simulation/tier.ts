// The hot tier of the little world: the production tier over the twin of its scripts, reached through a
// connection that loses, delays and repeats nothing that Redis's would not.

import type { HotStore } from '../../../log/hot-store.js';
import { HotTier, type HotWatch } from '../../../log/hot-tier.js';
import { HotWriter, type ChangedState } from '../../../projections/hot-writer.js';
import type { HotTwin } from '../hot-twin.js';
import type { Mark } from '../../../log/mark.js';
import type { ValidEvent } from '../../../log/sequence.js';
import type { EventEnvelope } from '../../../schemas/events.js';
import { readPayload, touchedBy } from './inputs.js';
import type { Process, Scheduler } from './scheduler.js';
import type { Changed } from './table.js';

/**
 * What becomes of a call to Redis: `ok`; `unanswered` (done, but nobody hears of it); `lost`; `late` (given
 * up, and done at some later time).
 */
export type CallFate = 'ok' | 'unanswered' | 'lost' | 'late';

export interface TierParts {
  readonly twin: HotTwin;
  readonly scheduler: Scheduler;
  readonly process: Process;
  readonly fate: () => CallFate;
  readonly now: () => number;
  /** Called for each read that Redis had a row for. */
  readonly onFound: () => void;
}

const nobody: HotWatch = {
  used: () => undefined,
  away: () => undefined,
  read: () => undefined,
  wrote: () => undefined,
};

/** The tier of one process. */
export function openTier({ twin, scheduler, process, fate, now, onFound }: TierParts): HotTier {
  async function call<T>(label: string, run: () => Promise<T>): Promise<T> {
    await scheduler.step(process, label);
    const became = fate();
    if (became === 'ok') {
      const answer = await run();
      await scheduler.step(process, 'is answered by Redis');
      return answer;
    }
    if (became === 'unanswered') await run();
    if (became === 'late') {
      scheduler.later(`${process.name} ${label}, late`, () => void run());
    }
    throw new Error('the connection ended');
  }
  const store: HotStore = {
    async read(...asked) {
      const found = await call('reads Redis', () => twin.read(...asked));
      if (found !== null && found.states.size > 0) onFound();
      return found;
    },
    apply: (...asked) => call('applies to Redis', () => twin.apply(...asked)),
    fill: (...asked) => call('fills Redis', () => twin.fill(...asked)),
    onReady: (listener) => listener(),
    reconnect: () => undefined,
    close: () => undefined,
  };
  const timer = (_ms: number, fire: () => void): (() => void) => scheduler.timer(process, fire);
  return new HotTier({ store, watch: nobody, now, timer });
}

/** What the projector of the little world does with the tier, by the production writer. */
export function tierWriter(tier: HotTier) {
  const writer = new HotWriter(tier, 0, 1);
  return (
    moved: { readonly before: Mark; readonly after: Mark },
    events: readonly ValidEvent[],
    changed: Changed,
  ): void => {
    const states = new Map<string, ChangedState>();
    for (const [name, { ref, state }] of changed) {
      states.set(name, { ref, state, text: JSON.stringify(state) });
    }
    const touched = events.map((event) => ({
      event: { body: { kind: 'message' } } as unknown as EventEnvelope,
      refs: touchedBy(readPayload(event)),
    }));
    writer.committed(moved, { states, touched }, 0);
  };
}
