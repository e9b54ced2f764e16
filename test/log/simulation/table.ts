// The little world's store: rows (a state per aggregate), what was applied, and the mark, all moved in
// one step. Faulty ways to keep a mark can be chosen, to show that each of them is found.

import type { ValidBatch, ValidEvent } from '../../../log/consume.js';
import { startMark, type Mark, type MarkOutcome } from '../../../log/mark.js';
import { nameOf, type AggregateRef, type AggregateState } from '../../../schemas/aggregates.js';
import { evolvePayload, readPayload, touchedBy } from './inputs.js';

/** How the store keeps marks; the default is the protocol's. */
export interface TableRules {
  /** The mark moves by compare-and-set. (M9) */
  readonly compareAndSet: boolean;
  /** The mark holds the covered source offsets. (F1) */
  readonly keepsCoverage: boolean;
  /** The mark's owner comes from markers, not from the last applied event. (F8) */
  readonly ownerFromMarkers: boolean;
  /** Sequences and offset are read in one statement. (F8) */
  readonly readInOneStatement: boolean;
  /** Rows and mark are written in one transaction; or the one before the other. (M10, M11) */
  readonly transaction: 'one' | 'rows first' | 'mark first';
  /** An event that cannot be folded stops; or its row is parked and the mark moves on. (A22) */
  readonly stopsAtPoison: boolean;
}

export const soundTable: TableRules = {
  compareAndSet: true,
  keepsCoverage: true,
  ownerFromMarkers: true,
  readInOneStatement: true,
  transaction: 'one',
  stopsAtPoison: true,
};

/** States by name. */
export type Rows = ReadonlyMap<string, AggregateState>;

/** Rows that a batch has made, by name. */
export type Changed = ReadonlyMap<
  string,
  { readonly ref: AggregateRef; readonly state: AggregateState }
>;

interface Moment {
  readonly rows: Rows;
  readonly mark: Mark;
  readonly applied: number;
}

/** Moments kept that a failover may go back to. */
const keptMoments = 4;

export class Table {
  readonly applied: ValidEvent[] = [];
  readonly #rules: TableRules;
  #rows = new Map<string, AggregateState>();
  #mark: Mark = startMark;
  #moments: Moment[] = [];
  /** Commits were lost at least once. */
  hasGoneBack = false;

  constructor(rules: TableRules) {
    this.#rules = rules;
  }

  get mark(): Mark {
    return this.#mark;
  }

  row(ref: AggregateRef): AggregateState | undefined {
    return this.#rows.get(nameOf(ref));
  }

  /** The owner's read of the mark; `wait` is where another process may come in between. */
  async readMark(wait: () => Promise<void>): Promise<Mark> {
    await wait();
    if (this.#rules.readInOneStatement) return this.#mark;
    const { lastSeq } = this.#mark;
    await wait();
    return { ...this.#mark, lastSeq };
  }

  /** Rows and mark in one transaction; the rows it has changed, by name. */
  async commit(
    { before, events, mark }: ValidBatch,
    wait: () => Promise<void>,
  ): Promise<MarkOutcome | Changed> {
    if (this.#rules.compareAndSet && !isSame(before, this.#mark, this.#rules)) {
      return this.#mark.next > before.next ? 'ahead' : 'mismatch';
    }
    this.#keep();
    if (this.#rules.transaction === 'mark first') {
      this.#move(events, mark);
      await wait();
    }
    const changed = this.peek(events);
    for (const [name, { state }] of changed) this.#rows.set(name, state);
    this.applied.push(...events);
    if (this.#rules.transaction === 'rows first') await wait();
    if (this.#rules.transaction !== 'mark first') this.#move(events, mark);
    return changed;
  }

  /** Another machine takes over that has not seen the last commits. False: there was none. */
  failOver(back: number): boolean {
    const moment = this.#moments.at(-1 - Math.floor(back * this.#moments.length));
    if (moment === undefined) return false;
    this.#moments = this.#moments.slice(0, this.#moments.indexOf(moment));
    this.#rows = new Map(moment.rows);
    this.#mark = moment.mark;
    this.applied.length = moment.applied;
    this.hasGoneBack = true;
    return true;
  }

  #keep(): void {
    const moment = { rows: new Map(this.#rows), mark: this.#mark, applied: this.applied.length };
    this.#moments = [...this.#moments, moment].slice(-keptMoments);
  }

  /** The rows that these events make, without keeping them. */
  peek(events: readonly ValidEvent[]): Changed {
    const changed = new Map<string, { ref: AggregateRef; state: AggregateState }>();
    for (const event of events) {
      const payload = readPayload(event);
      if (!this.#rules.stopsAtPoison && payload.index === 1) continue;
      for (const ref of touchedBy(payload)) {
        const name = nameOf(ref);
        const before = changed.get(name)?.state ?? this.#rows.get(name) ?? null;
        changed.set(name, { ref, state: evolvePayload(ref, before, payload) });
      }
    }
    return changed;
  }

  #move(events: readonly ValidEvent[], mark: Mark): void {
    this.#mark = {
      ...mark,
      covered: this.#rules.keepsCoverage ? mark.covered : startMark.covered,
      owner: this.#rules.ownerFromMarkers
        ? mark.owner
        : (events[events.length - 1]?.owner ?? this.#mark.owner),
    };
  }
}

const isSame = (before: Mark, stored: Mark, rules: TableRules): boolean =>
  before.next === stored.next &&
  before.epoch === stored.epoch &&
  before.term === stored.term &&
  (before.owner === stored.owner || !rules.ownerFromMarkers);
