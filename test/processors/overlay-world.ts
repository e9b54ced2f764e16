// A store, a log and ownerships under a schedule, for the overlay's property test. Every decision's view
// of the state is compared with the fold of all valid earlier events; the readings of log-protocol
// F10 can be switched on to see that the test finds them.

import { evolveBody, touchedBy } from '../../processors/evolver.js';
import { decideFacts, refsOfFact } from '../../processors/decide-input.js';
import type { ReadStates, Snapshot } from '../../processors/lookup.js';
import { Overlay } from '../../processors/overlay.js';
import type { SealedFact } from '../../processors/seal.js';
import { States, type BatchStates } from '../../processors/state.js';
import { takeOver } from '../../processors/takeover.js';
import { aliasStateOf } from '../../processors/call/state.js';
import type { Codec } from '../../log/event-codec.js';
import { startMark } from '../../log/mark.js';
import type { Restored } from '../../log/owner.js';
import { TrunklineError } from '../../runtime/errors.js';
import { nameOf, type AggregateRef, type AggregateState } from '../../schemas/aggregates.js';
import type { EventBody, EventEnvelope } from '../../schemas/events.js';
import { offset, type Offset } from '../../schemas/ids.js';
import { acme, twilio } from './facts.js';

/** The readings of F10 that give stale states, and the true one. */
export const readings = [
  'as designed',
  'A5 mark taken as inclusive',
  'A9 rows, then mark',
  'A9b background eviction without floor',
  'A9c evicted by its first touch',
  'A12 overlay kept when the process takes p again',
  'A13 no overlay at all',
  'A18 only the primary aggregate in the overlay',
  'A19 store went back unnoticed',
] as const;
export type Reading = (typeof readings)[number];

export class StaleState extends Error {}

/** Takes the first acknowledged touch for the last one. */
class FirstTouchOverlay extends Overlay {
  readonly #first = new Map<string, Offset>();
  override acknowledge(name: string, at: Offset): void {
    super.acknowledge(name, at);
    if (!this.#first.has(name)) this.#first.set(name, at);
  }
  override get(name: string): AggregateState | undefined {
    return this.has(name) ? super.get(name) : undefined;
  }
  override has(name: string): boolean {
    return super.has(name) && !this.gone.has(name);
  }
  override touch(name: string, state: AggregateState): void {
    this.gone.delete(name);
    super.touch(name, state);
  }
  readonly gone = new Set<string>();
  override evict(mark: Offset): void {
    for (const [name, first] of this.#first) if (first < mark) this.gone.add(name);
    super.evict(mark);
  }
}

interface PendingRead {
  readonly refs: readonly AggregateRef[];
  snapshot: Snapshot | null;
  resolve(snapshot: Snapshot): void;
}

export class OverlayWorld {
  /** events[p]: what is in the log, by offset. */
  readonly log: EventBody[] = [];
  readonly #store = { mark: 0, rows: new Map<string, AggregateState>() };
  readonly #backups: { mark: number; rows: Map<string, AggregateState> }[] = [];
  readonly #reads: PendingRead[] = [];
  #overlay = new Overlay();
  #states: States;
  #decided: (readonly EventBody[])[] = [];
  /** The fold of everything the present ownership may know. */
  #truth = new Map<string, AggregateState>();
  #busy = false;
  /** What the last decision added, for `revoke`. */
  #last: { bodies: readonly EventBody[]; truth: Map<string, AggregateState> } | null = null;
  decisions = 0;
  takeovers = 0;

  constructor(private readonly reading: Reading) {
    this.#states = this.#makeStates(offset(0));
  }

  /** Begins to decide a fact; goes on when its lookup is delivered. */
  decide(sealed: SealedFact): void {
    if (this.#busy) return;
    this.#busy = true;
    const states = this.#states;
    const ownership = this.takeovers;
    const refs = refsOfFact(twilio, sealed);
    states
      .use(refs, (batch) => {
        if (ownership !== this.takeovers) return;
        if (this.reading !== 'A13 no overlay at all') this.#overlay.checkpoint();
        this.#compare(refs, batch);
        this.#run(sealed, batch);
      })
      .then(
        () => {
          if (ownership === this.takeovers) this.#busy = false;
        },
        (thrown: unknown) => {
          if (ownership !== this.takeovers) return;
          this.#busy = false;
          if (thrown instanceof TrunklineError) this.#mustTakeOver = true;
          else this.failure ??= thrown;
        },
      );
  }
  failure: unknown = null;
  #mustTakeOver = false;

  /** The oldest decided batch is appended and acknowledged. */
  ack(): void {
    const bodies = this.#decided.shift();
    if (bodies === undefined) return;
    this.#last = null;
    for (const body of bodies) {
      const at = offset(this.log.push(body) - 1);
      for (const ref of this.#touched(body)) this.#overlay.acknowledge(nameOf(ref), at);
    }
  }

  /** The last decision is taken back before it is sent. */
  revoke(): void {
    if (this.#last === null || this.#busy) return;
    if (this.#decided.at(-1) !== this.#last.bodies) return;
    this.#decided.pop();
    this.#truth = this.#last.truth;
    this.#last = null;
    this.#overlay.revoke();
  }

  /** aggregate_state commits up to `count` events and its mark. */
  project(count: number): void {
    this.#backups.push({ mark: this.#store.mark, rows: new Map(this.#store.rows) });
    const until = Math.min(this.log.length, this.#store.mark + count);
    for (; this.#store.mark < until; this.#store.mark += 1) {
      const body = this.log[this.#store.mark];
      if (body !== undefined) foldInto(this.#store.rows, body);
    }
  }

  /** Postgres fails over and loses its last commits. */
  failOver(): void {
    const backup = this.#backups.pop();
    if (backup === undefined) return;
    this.#store.mark = backup.mark;
    this.#store.rows = backup.rows;
  }

  executeRead(): void {
    const read = this.#reads.find(({ snapshot }) => snapshot === null);
    if (read !== undefined) read.snapshot = this.#snapshot(read.refs);
  }

  deliverRead(): void {
    const at = this.#reads.findIndex(({ snapshot }) => snapshot !== null);
    const [read] = at < 0 ? [] : this.#reads.splice(at, 1);
    if (read === undefined || read.snapshot === null) return;
    const torn = this.reading === 'A9 rows, then mark';
    read.resolve(torn ? { ...read.snapshot, mark: offset(this.#store.mark) } : read.snapshot);
  }

  catchUp(): void {
    if (this.reading === 'A9b background eviction without floor') {
      this.#overlay.evict(offset(this.#store.mark));
      return;
    }
    const ownership = this.takeovers;
    this.#states.catchUp().catch(() => {
      if (ownership === this.takeovers) this.#mustTakeOver = true;
    });
  }

  get mustTakeOver(): boolean {
    return this.#mustTakeOver;
  }

  /**
   * The ownership ends; decided batches that were not acknowledged are lost, or the oldest landed
   * unseen. `project` runs between reading the mark and reading the rows.
   */
  async takeOver(landed: boolean, projectBetween: number): Promise<void> {
    const [oldest] = this.#decided;
    if (landed && oldest !== undefined) this.log.push(...oldest);
    this.#decided = [];
    this.#last = null;
    this.#mustTakeOver = false;
    this.#busy = false;
    this.takeovers += 1;
    this.#reads.splice(0);
    const keptOverlay = this.#overlay;
    const from = this.#store.mark;
    const tail = this.log
      .slice(from)
      .map((_, i) => ({ offset: offset(from + i), value: Buffer.from(String(from + i)) }));
    const restored = {
      partition: 0,
      mark: { ...startMark, next: offset(from) },
      tail,
    } as unknown as Restored;
    this.project(projectBetween);
    const read: ReadStates = (_partition, refs) => Promise.resolve(this.#snapshot(refs));
    const taken = await takeOver(restored, this.#codec, read);
    if (taken === 'again') throw new Error('a store that only moved on asks for no other attempt');
    const keeps = this.reading === 'A12 overlay kept when the process takes p again';
    this.#overlay = keeps ? keptOverlay : taken.overlay;
    this.#states = this.#makeStates(taken.floor);
    this.#truth = new Map();
    for (const body of this.log) foldInto(this.#truth, body);
  }

  #makeStates(floor: Offset): States {
    if (this.reading === 'A9c evicted by its first touch') this.#overlay = new FirstTouchOverlay();
    let highest = 0;
    const read: ReadStates = (_partition, refs) =>
      new Promise((resolve) => {
        this.#reads.push({
          refs,
          snapshot: null,
          resolve: (snapshot) => {
            highest = Math.max(highest, snapshot.mark);
            const lies = this.reading === 'A19 store went back unnoticed';
            resolve(lies ? { ...snapshot, mark: offset(highest) } : snapshot);
          },
        });
      });
    const overlay = this.#overlay;
    if (this.reading === 'A5 mark taken as inclusive') {
      const evict = overlay.evict.bind(overlay);
      overlay.evict = (mark) => {
        evict(offset(mark + 1));
      };
    }
    return new States({ partition: 0, read, overlay, floor });
  }

  #run(sealed: SealedFact, batch: BatchStates): void {
    const truth = new Map(this.#truth);
    const bodies = decideFacts(twilio, [sealed], batch).map(({ body }) => body);
    if (this.reading === 'A13 no overlay at all') batch.discard();
    else if (this.reading === 'A18 only the primary aggregate in the overlay')
      this.#touchPrimary(bodies, batch);
    else batch.commit();
    for (const body of bodies) foldInto(this.#truth, body);
    this.#decided.push(bodies);
    this.#last = { bodies, truth };
    this.decisions += 1;
  }

  #touchPrimary(bodies: readonly EventBody[], batch: BatchStates): void {
    const primary = bodies
      .flatMap((body) => this.#touched(body))
      .map((ref) => ({ ref, state: batch.get(ref) }));
    batch.discard();
    for (const { ref, state } of primary) if (state !== null) batch.set(ref, state);
    batch.commit();
  }

  #touched(body: EventBody): readonly AggregateRef[] {
    const all = touchedBy(acme, body);
    return this.reading === 'A18 only the primary aggregate in the overlay' ? all.slice(0, 1) : all;
  }

  /** P4: a decision is made from the fold of all valid earlier events. */
  #compare(refs: readonly AggregateRef[], batch: BatchStates): void {
    const check = (ref: AggregateRef): AggregateState | null => {
      const seen = batch.get(ref);
      const truth = this.#truth.get(nameOf(ref)) ?? null;
      if (JSON.stringify(seen) !== JSON.stringify(truth)) throw new StaleState(ref.kind);
      return seen;
    };
    for (const ref of refs) {
      const seen = check(ref);
      if (ref.kind !== 'alias' || seen === null) continue;
      check({ tenant: acme, kind: 'call', key: aliasStateOf(seen).callId });
    }
  }

  /** Rows, the calls behind aliases and the mark, of one moment. */
  #snapshot(refs: readonly AggregateRef[]): Snapshot {
    const rows = new Map<string, AggregateState>();
    for (const ref of refs) {
      const row = this.#store.rows.get(nameOf(ref));
      if (row === undefined) continue;
      rows.set(nameOf(ref), row);
      if (ref.kind !== 'alias') continue;
      const call = nameOf({ tenant: acme, kind: 'call', key: aliasStateOf(row).callId });
      const behind = this.#store.rows.get(call);
      if (behind !== undefined) rows.set(call, behind);
    }
    return { mark: offset(this.#store.mark), rows, rebuilds: 0 };
  }

  readonly #codec = {
    learn: () => null,
    decodeEvent: (value: Buffer) =>
      ({ tenant: acme, body: this.log[Number(value.toString())] }) as unknown as EventEnvelope,
  } as unknown as Codec;
}

function foldInto(states: Map<string, AggregateState>, body: EventBody): void {
  for (const ref of touchedBy(acme, body)) {
    states.set(nameOf(ref), evolveBody(ref, states.get(nameOf(ref)) ?? null, body));
  }
}
