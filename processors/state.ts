// Station processors: the state that decisions see, store ⊕ overlay (design 3.3). Comes in: the
// aggregates of a batch. Goes out: their states as of all events decided so far. The store's rows may come
// from its hot tier.

import { toError, TrunklineError } from '../runtime/errors.js';
import { nameOf, type AggregateRef, type AggregateState } from '../schemas/aggregates.js';
import type { Offset } from '../schemas/ids.js';
import type { HotSnapshot, HotStates } from './hot-lookup.js';
import type { ReadStates, Snapshot } from './lookup.js';
import type { Overlay } from './overlay.js';

/** What one batch decides on. Valid until the next await: use it at once. */
export interface BatchStates {
  get(ref: AggregateRef): AggregateState | null;
  /** Collects the touches of one input; they count when `commit` is called. */
  set(ref: AggregateRef, state: AggregateState): void;
  commit(): void;
  discard(): void;
}

/** With an overlay this large the store is asked for its mark beside the work, this often. */
const evictFrom = 1024;
const refreshEveryMs = 20;

export interface StatesOptions {
  readonly partition: number;
  readonly read: ReadStates;
  readonly overlay: Overlay;
  /** The mark at which the overlay was restored, and how often the table was rebuilt then. */
  readonly floor: Offset;
  readonly rebuilds?: number;
  /** Asked before the store; absent without Redis. */
  readonly hot?: HotStates | null;
  readonly onLookup?: (info: { readonly refs: number; readonly seconds: number }) => void;
  readonly onHot?: (info: HotLookup) => void;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** One lookup in the hot tier: how many rows it had of those asked for; none when it was behind. */
export interface HotLookup {
  readonly refs: number;
  readonly found: number;
  readonly isBehind: boolean;
}

/** Rows of up to two tiers; each may be used while its own mark is not below the floor. */
interface Found {
  readonly rows: ReadonlyMap<string, AggregateState>;
  /** Null when none of the rows is from there. */
  readonly hotMark: Offset | null;
  /** Null when the store was not asked. */
  readonly snapshot: Snapshot | null;
}

type Wanted = readonly (readonly [string, AggregateRef])[];

/** States of one ownership. */
export class States {
  readonly #options: StatesOptions;
  readonly #now: () => number;
  /** The highest mark used to evict: rows of an older mark may lack what was evicted. */
  #floor: Offset;
  #rebuilds: number;
  #isRefreshing = false;
  #refreshedMs = -Infinity;
  /** That the store went back, seen beside the work. */
  #behind: Error | null = null;

  constructor(options: StatesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#floor = options.floor;
    this.#rebuilds = options.rebuilds ?? 0;
  }

  get floor(): Offset {
    return this.#floor;
  }

  /**
   * Looks up what the overlay lacks, in the hot tier first and in one round trip each, and hands the states
   * to `decide`, which must not wait: rows, overlay and floor are compared and used in one go. After it,
   * what the store's mark has passed is evicted; the hot tier's evicts nothing. Throws `store_behind` when
   * the store lost what was evicted.
   */
  async use<T>(refs: readonly AggregateRef[], decide: (states: BatchStates) => T): Promise<T> {
    const { overlay } = this.#options;
    const wanted = byName(refs);
    for (let attempt = 1; ; attempt += 1) {
      this.#refreshWhenLarge();
      if (this.#behind !== null) throw this.#behind;
      const missing = [...wanted].filter(([name]) => !overlay.has(name));
      if (missing.length === 0) return decide(batchStates(overlay, none));
      const floorBefore = this.#floor;
      const found = await this.#find(missing, attempt === 1);
      // Was an entry evicted meanwhile that the rows were to leave to the overlay?
      const asked = new Set(missing.map(([name]) => name));
      const isComplete = [...wanted.keys()].every((name) => asked.has(name) || overlay.has(name));
      if (isComplete && this.#isUsable(found)) {
        const result = decide(batchStates(overlay, found.rows));
        if (found.snapshot !== null) this.#evict(found.snapshot.mark);
        return result;
      }
      const { snapshot } = found;
      // A snapshot begun after the floor was raised and still below it: the store went back.
      const wentBack = snapshot !== null && snapshot.mark < floorBefore;
      if (wentBack || attempt > 10) throw storeBehind(snapshot?.mark ?? floorBefore, this.#floor);
    }
  }

  /** Asks for the mark alone and evicts. */
  async catchUp(): Promise<void> {
    const floorBefore = this.#floor;
    const { mark } = await this.#read([]);
    if (mark < floorBefore) throw storeBehind(mark, floorBefore);
    this.#evict(mark);
  }

  #isUsable({ hotMark, snapshot }: Found): boolean {
    if (hotMark !== null && hotMark < this.#floor) return false;
    return snapshot === null || snapshot.mark >= this.#floor;
  }

  async #find(missing: Wanted, mayAskHot: boolean): Promise<Found> {
    const hot = mayAskHot ? await this.#readHot(missing) : null;
    const rest = hot === null ? missing : missing.filter(([name]) => !hot.rows.has(name));
    if (hot !== null && rest.length === 0) {
      return { rows: hot.rows, hotMark: hot.mark, snapshot: null };
    }
    const rebuilds = this.#rebuilds;
    const snapshot = await this.#read(rest.map(([, ref]) => ref));
    if (hot === null || rest.length === missing.length) {
      return { rows: snapshot.rows, hotMark: null, snapshot };
    }
    if (snapshot.rebuilds === rebuilds) {
      const rows = new Map([...hot.rows, ...snapshot.rows]);
      return { rows, hotMark: hot.mark, snapshot };
    }
    // Rows that a rebuild has replaced meanwhile are of another history, whatever their mark.
    const whole = await this.#read(missing.map(([, ref]) => ref));
    return { rows: whole.rows, hotMark: null, snapshot: whole };
  }

  /** Null where the tier is away or behind: then the store has all. */
  async #readHot(missing: Wanted): Promise<HotSnapshot | null> {
    const { hot = null, onHot } = this.#options;
    if (hot === null) return null;
    const found = await hot.read(
      this.#rebuilds,
      missing.map(([, ref]) => ref),
    );
    if (found === null) return null;
    const isBehind = found.mark < this.#floor;
    const known = isBehind ? 0 : missing.filter(([name]) => found.rows.has(name)).length;
    onHot?.({ refs: missing.length, found: known, isBehind });
    return isBehind ? null : found;
  }

  /** Beside the work: a mark that comes late evicts late, and nothing waits for it. */
  #refreshWhenLarge(): void {
    const { overlay } = this.#options;
    if (overlay.size < evictFrom || this.#isRefreshing) return;
    const now = this.#now();
    if (now - this.#refreshedMs < refreshEveryMs) return;
    this.#isRefreshing = true;
    this.#refreshedMs = now;
    void this.catchUp()
      .catch((thrown: unknown) => {
        // A store that is away is met by whoever needs a row of it.
        const error = toError(thrown);
        if (error instanceof TrunklineError && error.code === 'store_behind') this.#behind = error;
      })
      .finally(() => {
        this.#isRefreshing = false;
      });
  }

  #evict(mark: Offset): void {
    if (mark < this.#floor) return;
    this.#options.overlay.evict(mark);
    this.#floor = mark;
  }

  async #read(missing: readonly AggregateRef[]): Promise<Snapshot> {
    const { read, partition, onLookup, hot } = this.#options;
    const startedMs = this.#now();
    const snapshot = await read(partition, missing);
    onLookup?.({ refs: missing.length, seconds: (this.#now() - startedMs) / 1000 });
    this.#rebuilds = snapshot.rebuilds;
    hot?.fill(snapshot);
    return snapshot;
  }
}

const none: ReadonlyMap<string, AggregateState> = new Map();

const byName = (refs: readonly AggregateRef[]): ReadonlyMap<string, AggregateRef> =>
  new Map(refs.map((ref) => [nameOf(ref), ref]));

const storeBehind = (mark: Offset, floor: Offset): TrunklineError =>
  new TrunklineError(
    'store_behind',
    `aggregate_state stands at ${mark}, events up to ${floor} were taken for applied`,
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
