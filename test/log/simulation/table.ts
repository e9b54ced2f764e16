// The little world's store: rows (a chain per tenant), what was applied, and the mark, all moved in
// one step. Faulty ways to keep a mark can be chosen, to show that each of them is found.

import type { ValidBatch, ValidEvent } from '../../../log/consume.js';
import { startMark, type Mark, type MarkOutcome } from '../../../log/mark.js';
import type { TenantId } from '../../../schemas/ids.js';
import { foldEvent, type Chains } from './inputs.js';

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
}

export const soundTable: TableRules = {
  compareAndSet: true,
  keepsCoverage: true,
  ownerFromMarkers: true,
  readInOneStatement: true,
};

export class Table {
  readonly applied: ValidEvent[] = [];
  readonly #rules: TableRules;
  readonly #chains = new Map<TenantId, string>();
  #mark: Mark = startMark;

  constructor(rules: TableRules) {
    this.#rules = rules;
  }

  get mark(): Mark {
    return this.#mark;
  }

  /** Rows and mark of one moment. */
  snapshot(): { readonly rows: Chains; readonly next: number } {
    return { rows: new Map(this.#chains), next: this.#mark.next };
  }

  /** The owner's read of the mark; `wait` is where another process may come in between. */
  async readMark(wait: () => Promise<void>): Promise<Mark> {
    await wait();
    if (this.#rules.readInOneStatement) return this.#mark;
    const { lastSeq } = this.#mark;
    await wait();
    return { ...this.#mark, lastSeq };
  }

  /** Rows and mark in one transaction. */
  commit({ before, events, mark }: ValidBatch): MarkOutcome {
    if (this.#rules.compareAndSet && !isSame(before, this.#mark, this.#rules)) {
      return this.#mark.next > before.next ? 'ahead' : 'mismatch';
    }
    for (const event of events) foldEvent(this.#chains, event);
    this.applied.push(...events);
    this.#mark = {
      ...mark,
      covered: this.#rules.keepsCoverage ? mark.covered : startMark.covered,
      owner: this.#rules.ownerFromMarkers
        ? mark.owner
        : (events[events.length - 1]?.owner ?? this.#mark.owner),
    };
    return 'stored';
  }
}

const isSame = (before: Mark, stored: Mark, rules: TableRules): boolean =>
  before.next === stored.next &&
  before.epoch === stored.epoch &&
  before.term === stored.term &&
  (before.owner === stored.owner || !rules.ownerFromMarkers);
