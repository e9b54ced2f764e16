// Read model `aggregate_state`, beside it: what was committed goes to the hot tier (design 3.3), after the
// commit and never before. Comes in: the marks and states of a commit. Goes out: changes, one after another;
// what cannot be written leaves a hole that the tier sees by its mark.

import { lineageOf, type HotRow } from '../log/hot-store.js';
import type { HotTier } from '../log/hot-tier.js';
import {
  callBehind,
  nameOf,
  type AggregateRef,
  type AggregateState,
} from '../schemas/aggregates.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { Offset } from '../schemas/ids.js';
import type { Moved } from './projection.js';

/** A row of a commit. */
export interface ChangedState {
  readonly ref: AggregateRef;
  /** As it is stored. */
  readonly text: string;
  readonly state: AggregateState;
}

/** What a commit has changed, and by which events. */
export interface Committed {
  readonly states: ReadonlyMap<string, ChangedState>;
  readonly touched: readonly {
    readonly event: EventEnvelope;
    readonly refs: readonly AggregateRef[];
  }[];
}

/**
 * How long a row is kept that no event touches: of a call that goes on, and of everything that hardly
 * changes any more. A row that is let go is a miss.
 */
const ttlMs = { live: 2 * 3_600_000, over: 15 * 60_000 } as const;
/** Rows that wait while a change is under way; with more they are left out, and the tier begins anew. */
const maxWaiting = 20_000;

interface Waiting {
  readonly lineage: string;
  readonly from: Offset;
  to: Offset;
  readonly rows: Map<string, HotRow>;
}

/** The hot tier of one partition. Nobody waits for it. */
export class HotWriter {
  #waiting: Waiting | null = null;
  #isWriting = false;

  constructor(
    private readonly tier: HotTier,
    private readonly partition: number,
    /** Of the evolver. */
    private readonly version: number,
  ) {}

  /** `rebuilds`: how often the table had been rebuilt when the rows were read. */
  committed({ before, after }: Moved, committed: Committed, rebuilds: number): void {
    if (after.epoch === null) return;
    const lineage = lineageOf(this.version, after.epoch, rebuilds);
    const waiting = this.#waiting;
    const goesOn = waiting?.lineage === lineage && waiting.to === before.next;
    const rows = goesOn ? waiting.rows : new Map<string, HotRow>();
    for (const row of rowsOf(committed)) rows.set(row.name, row);
    const from = goesOn ? waiting.from : before.next;
    this.#waiting = rows.size > maxWaiting ? null : { lineage, from, to: after.next, rows };
    if (!this.#isWriting) void this.#write();
  }

  /** Commits that came while one was written are written together: the last state of each row. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    for (let next = this.#waiting; next !== null; next = this.#waiting) {
      this.#waiting = null;
      const { lineage, from, to, rows } = next;
      const place = { partition: this.partition, lineage };
      await this.tier.apply(place, { from, to, rows: [...rows.values()] });
    }
    this.#isWriting = false;
  }
}

function rowsOf({ states, touched }: Committed): HotRow[] {
  const over = new Map<string, boolean>();
  for (const { event, refs } of touched) {
    for (const ref of refs) over.set(nameOf(ref), isOver(event));
  }
  return [...states].map(([name, { ref, text, state }]) => {
    const behind = callBehind(ref, state);
    return {
      ...{ name, state: text, leadsTo: behind === null ? '' : nameOf(behind) },
      ttlMs: over.get(name) === true ? ttlMs.over : ttlMs.live,
    };
  });
}

/** After it little is to come: the call has ended, or it is about something that is told once or twice. */
const isOver = ({ body }: EventEnvelope): boolean =>
  body.kind !== 'call' || body.after.status === 'completed' || body.after.status === 'failed';
