// Station processors, pure. Comes in: facts in call order with what they did. Goes out: the timeline, a
// line for every fact and for every step that nobody reported.

import type { StoredCallFact, TimelineEntry } from '../../schemas/call-state.js';
import type { CallStatus, OrderKey } from '../../schemas/facts.js';
import { compareOrder, compareText } from './order.js';
import type { Step } from './walk.js';

/** A fact and where it stands in its call. */
export interface Placed {
  readonly factId: StoredCallFact['factId'];
  readonly fact: StoredCallFact;
  readonly order: OrderKey;
}

/** Steps of the call that another leg's fact implies, and why. */
export interface Implied {
  readonly steps: readonly CallStatus[];
  readonly reason: string;
}

/** Room between two provider sequence numbers for the steps inferred before and after a fact. */
const slots = 16;
const middle = 8;

const slot = (order: OrderKey, shift: number): OrderKey => ({
  phase: order.phase,
  atUs: order.atUs,
  seq: order.seq * slots + middle + shift,
});

/** What a fact did, as its line says it. */
interface Did {
  readonly status: CallStatus | null;
  readonly refused: string | null;
  readonly reason: string | null;
}

/** Field by field: every fold makes every line, and spreading costs as much as the fold. */
const entryOf = (fact: StoredCallFact, order: OrderKey, did: Did): TimelineEntry => ({
  entryId: fact.factId,
  type: fact.eventType,
  legRef: fact.legRef,
  status: did.status,
  order: slot(order, 0),
  occurredAt: fact.occurredAt,
  receivedAt: fact.receivedAt,
  inferred: false,
  late: false,
  refused: did.refused,
  reason: did.reason,
  providerCode: fact.providerCode,
  details: fact.details,
});

const timerReason = ({ signal }: StoredCallFact): string | null =>
  signal.type === 'timer' ? signal.reason : null;

/** Collects the lines of one fold. */
export class Timeline {
  readonly #entries: TimelineEntry[] = [];
  readonly #factEntries = new Map<string, number>();
  readonly #ids = new Set<string>();
  refused = 0;

  constructor(private readonly primaryRef: string | null) {}

  /** A fact of the call's own leg: skipped steps stand before it. */
  own(fact: StoredCallFact, order: OrderKey, step: Step): void {
    const count = step.skipped.length;
    step.skipped.forEach((status, i) => {
      this.#add(this.#inferredEntry(fact, slot(order, i - count), status, 'skipped'));
    });
    this.#fact(fact, order, step);
  }

  /** A fact of another leg: what was skipped there is not a step of the call. */
  foreign(fact: StoredCallFact, order: OrderKey, step: Step | undefined): void {
    this.#fact(fact, order, step);
  }

  /** A timer of the call that ran out, in our own order of time: it is early or late for nobody. */
  timer(fact: StoredCallFact, isSuperseded: boolean): void {
    const reason = isSuperseded ? 'superseded' : timerReason(fact);
    this.#add(entryOf(fact, fact.order, { status: null, refused: null, reason }));
  }

  /** What another leg's fact implies stands after it. */
  inferred(fact: StoredCallFact, order: OrderKey, implied: readonly Implied[]): void {
    let shift = 0;
    for (const { steps, reason } of implied) {
      for (const status of steps) {
        shift += 1;
        this.#add(this.#inferredEntry(fact, slot(order, shift), status, reason));
      }
    }
  }

  /** Late: a fact that stands later in the provider's order was received earlier. */
  markLate(line: readonly Placed[]): void {
    let earliest = Infinity;
    for (let i = line.length - 1; i >= 0; i -= 1) {
      const fact = line[i]?.fact;
      if (fact === undefined) continue;
      if (earliest < fact.receivedAt) this.#setLate(fact.factId);
      earliest = Math.min(earliest, fact.receivedAt);
    }
  }

  sorted(): readonly TimelineEntry[] {
    return this.#entries.sort(
      (a, b) => compareOrder(a.order, b.order) || compareText(a.entryId, b.entryId),
    );
  }

  #fact(fact: StoredCallFact, order: OrderKey, step: Step | undefined): void {
    const { signal } = fact;
    const refused = step?.refused ?? null;
    if (refused !== null) this.refused += 1;
    this.#factEntries.set(fact.factId, this.#entries.length);
    const reason = signal.type === 'status' ? signal.reason : null;
    this.#add(entryOf(fact, order, { status: step?.target ?? null, refused, reason }));
  }

  #inferredEntry(
    fact: StoredCallFact,
    order: OrderKey,
    status: CallStatus,
    reason: string,
  ): TimelineEntry {
    const id = `inferred:${status}:${fact.factId}`;
    return {
      // One fact can make a call answered twice (held, transferred and taken at once).
      entryId: this.#ids.has(id) ? `${id}:2` : id,
      type: 'inferred',
      legRef: this.primaryRef,
      status,
      order,
      occurredAt: fact.occurredAt,
      receivedAt: fact.receivedAt,
      inferred: true,
      late: false,
      refused: null,
      reason,
      providerCode: null,
      details: {},
    };
  }

  #add(entry: TimelineEntry): void {
    this.#ids.add(entry.entryId);
    this.#entries.push(entry);
  }

  #setLate(factId: string): void {
    const at = this.#factEntries.get(factId);
    const entry = at === undefined ? undefined : this.#entries[at];
    if (at !== undefined && entry !== undefined) this.#entries[at] = { ...entry, late: true };
  }
}
