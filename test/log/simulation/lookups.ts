// How an owner of the little world looks states up: by the production code of processors/, or by one of
// the looser readings of design 3.3 that log-protocol F10 and F11 warn of.

import { hotStates, type HotStates } from '../../../processors/hot-lookup.js';
import type { ReadStates, Snapshot } from '../../../processors/lookup.js';
import type { Overlay } from '../../../processors/overlay.js';
import { States, type BatchStates } from '../../../processors/state.js';
import { takeOver } from '../../../processors/takeover.js';
import type { Restored } from '../../../log/owner.js';
import type { HotTier } from '../../../log/hot-tier.js';
import {
  callBehind,
  nameOf,
  type AggregateRef,
  type AggregateState,
} from '../../../schemas/aggregates.js';
import { offset, type Offset } from '../../../schemas/ids.js';
import { codec, evolver } from './inputs.js';
import type { Table } from './table.js';

/** One clause of 3.3 is read more loosely; the letters are those of the reference. */
export const readings = [
  'A5 the mark is inclusive',
  'A9 rows, then mark',
  'A9b eviction beside a lookup, without a floor',
  'A9c evicted by its first touch',
  'A10 evicted by the hot tier’s mark',
  'A11 the tail is folded over newer rows',
  'A12 the overlay is kept when the process takes p again',
  'A13 a lost key is no such call',
  'A16 the processor writes its states through',
  'A18 only the primary aggregate is in the overlay',
  'A19 a store that went back is used',
  'A19b a takeover from a store that went back',
  'A20 mark of the store, rows of the hot tier',
  'A23 one state comes from a read model',
  'M12 the hot tier’s mark is not compared',
  'M13 no overlay',
  'M16 the overlay is not rebuilt at a takeover',
] as const;
export type Reading = (typeof readings)[number];

/** The letters before the text. */
export const letterOf = (reading: Reading): string => reading.split(' ')[0] ?? '';

export interface LookupParts {
  readonly table: Table;
  readonly tier: HotTier | null;
  readonly wait: (label: string) => Promise<void>;
  readonly now: () => number;
  /** Null: as designed. */
  readonly reading: string | null;
  /** What the process kept of its last ownership. (A12) */
  readonly kept: { overlay: Overlay | null };
}

/** The states of one ownership. */
export interface Lookups {
  readonly overlay: Overlay;
  use<T>(refs: readonly AggregateRef[], decide: (batch: BatchStates) => T): Promise<T>;
  /** Evicts beside the work. */
  catchUp(): Promise<void>;
}

/** Takes over as production does; `again` likewise. */
export async function openLookups(
  parts: LookupParts,
  restored: Restored,
): Promise<Lookups | 'again'> {
  const { table, reading, kept, now } = parts;
  const read = readStore(parts);
  const taken = await takeOver(...takeOverBy(parts, restored, read));
  if (taken === 'again') return 'again';
  const isKept = reading === 'A12' && kept.overlay !== null;
  const overlay = overlayBy(
    reading,
    isKept && kept.overlay !== null ? kept.overlay : taken.overlay,
  );
  kept.overlay = overlay;
  const hot = hotBy(parts, restored);
  const byHot = reading === 'A10' ? hot : null;
  const states = new States({
    ...{ partition: 0, overlay, floor: taken.floor, rebuilds: taken.rebuilds, now },
    read: byHot === null ? read : firstHot(byHot, read),
    hot: byHot === null ? hot : null,
  });
  return {
    overlay,
    use: (refs, decide) => states.use(refs, decide),
    async catchUp() {
      if (reading !== 'A9b') return states.catchUp();
      await parts.wait('looks at the mark');
      overlay.evict(table.mark.next);
    },
  };
}

/** Rows and mark of the table, of one moment. */
function snapshotOf(table: Table, refs: readonly AggregateRef[]): Snapshot {
  const rows = new Map<string, AggregateState>();
  for (const ref of refs) {
    const row = table.row(ref);
    if (row === undefined) continue;
    rows.set(nameOf(ref), row);
    const behind = callBehind(ref, row);
    const call = behind === null ? undefined : table.row(behind);
    if (behind !== null && call !== undefined) rows.set(nameOf(behind), call);
  }
  return { mark: table.mark.next, rows, rebuilds: 0 };
}

function readStore({ table, wait, reading }: LookupParts): ReadStates {
  let highest = 0;
  return async (_partition, refs) => {
    await wait('reads the store');
    const found = snapshotOf(table, refs);
    await wait('is answered by the store');
    highest = Math.max(highest, found.mark);
    if (reading === 'A9') return { ...found, mark: table.mark.next };
    if (reading === 'A19') return { ...found, mark: offset(highest) };
    return found;
  };
}

function takeOverBy(
  { reading }: LookupParts,
  restored: Restored,
  read: ReadStates,
): Parameters<typeof takeOver> {
  const from = restored.mark.next;
  const asIf =
    (mark: (snapshot: Snapshot) => Offset): ReadStates =>
    async (partition, refs) => {
      const found = await read(partition, refs);
      return { ...found, mark: mark(found) };
    };
  const folded = reading === 'M16' ? { ...restored, tail: [] } : restored;
  if (reading === 'A11') return [folded, codec, asIf(() => from), evolver];
  if (reading === 'A19b') {
    const atLeast = asIf(({ mark }) => offset(Math.max(mark, from)));
    return [folded, codec, atLeast, evolver];
  }
  return [folded, codec, read, evolver];
}

function hotBy({ tier, table, wait, reading }: LookupParts, { after }: Restored): HotStates | null {
  if (tier === null || after.epoch === null) return null;
  const hot = hotStates({ tier, partition: 0, version: 1, epoch: after.epoch });
  if (reading === 'M12') {
    return {
      ...hot,
      read: async (...asked) => {
        const found = await hot.read(...asked);
        return found === null ? null : { ...found, mark: offset(Number.MAX_SAFE_INTEGER) };
      },
    };
  }
  if (reading === 'A20') {
    return {
      ...hot,
      read: async (...asked) => {
        await wait('reads the mark of the store');
        const mark = table.mark.next;
        const found = await hot.read(...asked);
        return found === null ? null : { ...found, mark };
      },
    };
  }
  if (reading === 'A13') return new EmptyForMissing(hot);
  return hot;
}

/** A13: what the tier does not have is answered as a state of nothing. */
class EmptyForMissing implements HotStates {
  constructor(private readonly hot: HotStates) {}
  async read(...[rebuilds, refs]: Parameters<HotStates['read']>): ReturnType<HotStates['read']> {
    const found = await this.hot.read(rebuilds, refs);
    if (found === null) return null;
    const rows = new Map<string, AggregateState>(refs.map((ref) => [nameOf(ref), {}]));
    for (const [name, state] of found.rows) rows.set(name, state);
    return { mark: found.mark, rows };
  }
  fill(...given: Parameters<HotStates['fill']>): void {
    this.hot.fill(...given);
  }
}

/** A10: the tier's answer counts as the store's, so that its mark evicts. */
const firstHot =
  (hot: HotStates, read: ReadStates): ReadStates =>
  async (partition, refs) => {
    const found = await hot.read(0, refs);
    const isWhole = found !== null && refs.every((ref) => found.rows.has(nameOf(ref)));
    if (found !== null && isWhole) return { mark: found.mark, rows: found.rows, rebuilds: 0 };
    const snapshot = await read(partition, refs);
    hot.fill(snapshot);
    return snapshot;
  };

function overlayBy(reading: string | null, overlay: Overlay): Overlay {
  const evict = overlay.evict.bind(overlay);
  if (reading === 'A5') overlay.evict = (mark) => evict(offset(mark + 1));
  if (reading === 'A9c') evictByFirstTouch(overlay);
  return overlay;
}

/** A9c: takes the first acknowledged touch for the last one. */
function evictByFirstTouch(overlay: Overlay): void {
  const first = new Map<string, Offset>();
  const gone = new Set<string>();
  const { acknowledge, touch, evict, has, get } = {
    acknowledge: overlay.acknowledge.bind(overlay),
    touch: overlay.touch.bind(overlay),
    evict: overlay.evict.bind(overlay),
    has: overlay.has.bind(overlay),
    get: overlay.get.bind(overlay),
  };
  overlay.acknowledge = (name, at) => {
    acknowledge(name, at);
    if (!first.has(name)) first.set(name, at);
  };
  overlay.touch = (name, state) => {
    gone.delete(name);
    touch(name, state);
  };
  overlay.has = (name) => has(name) && !gone.has(name);
  overlay.get = (name) => (gone.has(name) ? undefined : get(name));
  overlay.evict = (mark) => {
    for (const [name, at] of first) if (at < mark) gone.add(name);
    evict(mark);
  };
}
