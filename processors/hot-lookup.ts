// Station processors: lookups in the hot tier (design 3.3). Comes in: the aggregates of a batch that are
// not in the overlay. Goes out: the rows that Redis has of one mark. What it lacks is unknown, never absent,
// and is put there once PostgreSQL has answered: that read-through is all this station writes to it.

import { lineageOf, type HotPlace, type HotRow } from '../log/hot-store.js';
import type { HotTier } from '../log/hot-tier.js';
import {
  callBehind,
  nameOf,
  type AggregateRef,
  type AggregateState,
} from '../schemas/aggregates.js';
import type { Epoch, Offset } from '../schemas/ids.js';
import type { Snapshot } from './lookup.js';

/** Rows of the hot tier and the mark they belong to. A row that is not there may exist all the same. */
export interface HotSnapshot {
  readonly mark: Offset;
  /** By `nameOf`; an alias comes with the call it leads to or not at all. */
  readonly rows: ReadonlyMap<string, AggregateState>;
}

/** The hot tier of one ownership. Never rejects. */
export interface HotStates {
  /** `rebuilds`: of the table that the rows must be of. Null: ask the store for all of them. */
  read(rebuilds: number, refs: readonly AggregateRef[]): Promise<HotSnapshot | null>;
  /** Leaves rows of the store there, in its own time; nobody waits. */
  fill(snapshot: Snapshot): void;
}

export interface HotStatesOptions {
  readonly tier: HotTier;
  readonly partition: number;
  readonly version: number;
  readonly epoch: Epoch;
}

/** A row that was read and not touched since may go soon; the next event of its call keeps it longer. */
const filledTtlMs = 15 * 60_000;

/** Lookups of one ownership in the hot tier. */
export function hotStates({ tier, partition, version, epoch }: HotStatesOptions): HotStates {
  const placeOf = (rebuilds: number): HotPlace => ({
    partition,
    lineage: lineageOf(version, epoch, rebuilds),
  });
  let isFilling = false;
  return {
    async read(rebuilds, refs) {
      const found = await tier.read(placeOf(rebuilds), refs.map(nameOf));
      if (found === null) return null;
      const rows = new Map<string, AggregateState>();
      for (const [name, text] of found.states) {
        rows.set(name, JSON.parse(text) as AggregateState);
      }
      return { mark: found.mark, rows };
    },
    fill({ mark, rows, rebuilds }) {
      // One at a time: what is not filled is read again, that is all.
      if (rows.size === 0 || isFilling || !tier.isOn) return;
      isFilling = true;
      void tier.fill(placeOf(rebuilds), mark, [...rows].map(filledRow)).finally(() => {
        isFilling = false;
      });
    },
  };
}

function filledRow([name, state]: readonly [string, AggregateState]): HotRow {
  const [tenant, kind, key] = name.split('\0') as [
    AggregateRef['tenant'],
    AggregateRef['kind'],
    string,
  ];
  const behind = callBehind({ tenant, kind, key }, state);
  return {
    ...{ name, state: JSON.stringify(state), ttlMs: filledTtlMs },
    leadsTo: behind === null ? '' : nameOf(behind),
  };
}
