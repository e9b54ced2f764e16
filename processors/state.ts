// Station processors: the state that decisions see, store ⊕ overlay (design 3.3). Comes in: the
// aggregates of a batch. Goes out: their states as of all events decided so far.

import { TrunklineError } from '../runtime/errors.js';
import type { AggregateRef, AggregateState } from '../schemas/aggregates.js';
import type { Offset } from '../schemas/ids.js';
import type { ReadStates, Snapshot } from './lookup.js';
import { nameOf, type Overlay } from './overlay.js';

/** What one batch decides on. Valid until the next await: use it at once. */
export interface BatchStates {
  get(ref: AggregateRef): AggregateState | null;
  /** Collects the touches of one input; they count when `commit` is called. */
  set(ref: AggregateRef, state: AggregateState): void;
  commit(): void;
  discard(): void;
}

/** With an overlay this large even a batch that needs no row asks for the mark. */
const evictFrom = 1024;

export interface StatesOptions {
  readonly partition: number;
  readonly read: ReadStates;
  readonly overlay: Overlay;
  /** The mark at which the overlay was restored. */
  readonly floor: Offset;
  readonly onLookup?: (info: { readonly refs: number; readonly seconds: number }) => void;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** States of one ownership. */
export class States {
  readonly #options: StatesOptions;
  /** The highest mark used to evict: rows of an older mark may lack what was evicted. */
  #floor: Offset;

  constructor(options: StatesOptions) {
    this.#options = options;
    this.#floor = options.floor;
  }

  get floor(): Offset {
    return this.#floor;
  }

  /**
   * Reads what the overlay lacks, in one round trip, and hands the states to `decide`, which must not
   * wait: rows, overlay and floor are compared and used in one go. After it, what the rows' mark has
   * passed is evicted. Throws `store_behind` when the store lost what was evicted.
   */
  async use<T>(refs: readonly AggregateRef[], decide: (states: BatchStates) => T): Promise<T> {
    const { overlay } = this.#options;
    const wanted = byName(refs);
    for (let attempt = 1; ; attempt += 1) {
      const missing = [...wanted].filter(([name]) => !overlay.has(name));
      if (missing.length === 0 && overlay.size < evictFrom) {
        return decide(batchStates(overlay, none));
      }
      const floorBefore = this.#floor;
      const snapshot = await this.#read(missing.map(([, ref]) => ref));
      // Was an entry evicted meanwhile that the rows were to leave to the overlay?
      const asked = new Set(missing.map(([name]) => name));
      const isComplete = [...wanted.keys()].every((name) => asked.has(name) || overlay.has(name));
      if (snapshot.mark >= this.#floor && isComplete) {
        const result = decide(batchStates(overlay, snapshot.rows));
        this.#evict(snapshot.mark);
        return result;
      }
      // A snapshot begun after the floor was raised and still below it: the store went back.
      if (snapshot.mark < floorBefore || attempt > 10) throw storeBehind(snapshot, this.#floor);
    }
  }

  /** Asks for the mark alone and evicts. */
  async catchUp(): Promise<void> {
    const floorBefore = this.#floor;
    const snapshot = await this.#read([]);
    if (snapshot.mark < floorBefore) throw storeBehind(snapshot, floorBefore);
    this.#evict(snapshot.mark);
  }

  #evict(mark: Offset): void {
    if (mark < this.#floor) return;
    this.#options.overlay.evict(mark);
    this.#floor = mark;
  }

  async #read(missing: readonly AggregateRef[]): Promise<Snapshot> {
    const { read, partition, onLookup, now = () => performance.now() } = this.#options;
    const startedMs = now();
    const snapshot = await read(partition, missing);
    onLookup?.({ refs: missing.length, seconds: (now() - startedMs) / 1000 });
    return snapshot;
  }
}

const none: ReadonlyMap<string, AggregateState> = new Map();

const byName = (refs: readonly AggregateRef[]): ReadonlyMap<string, AggregateRef> =>
  new Map(refs.map((ref) => [nameOf(ref), ref]));

const storeBehind = (snapshot: Snapshot, floor: Offset): TrunklineError =>
  new TrunklineError(
    'store_behind',
    `aggregate_state stands at ${snapshot.mark}, events up to ${floor} were taken for applied`,
  );

/** The newest first: this input's touches, the overlay, the rows. */
function batchStates(overlay: Overlay, rows: ReadonlyMap<string, AggregateState>): BatchStates {
  let staged: { readonly name: string; readonly state: AggregateState }[] = [];
  let latest = new Map<string, AggregateState>();
  const clear = (): void => {
    if (staged.length === 0) return;
    staged = [];
    latest = new Map();
  };
  return {
    get(ref) {
      const name = nameOf(ref);
      return latest.get(name) ?? overlay.get(name) ?? rows.get(name) ?? null;
    },
    set(ref, state) {
      const name = nameOf(ref);
      staged.push({ name, state });
      latest.set(name, state);
    },
    commit() {
      for (const { name, state } of staged) overlay.touch(name, state);
      clear();
    },
    discard: clear,
  };
}
