// The reader of one partition of `events` as a state machine without I/O (design 3.1, 3.2 rule 3).
// Comes in: stored records in offset order. Goes out: a verdict on each, and the mark after it.
// Every reader uses it: projections, gateway, and the owner when it restores and checks its acks.

import { TrunklineError } from '../runtime/errors.js';
import type { Coverage } from '../schemas/events.js';
import {
  offset,
  tenantId,
  type Epoch,
  type Offset,
  type OwnerId,
  type Seq,
  type TenantId,
} from '../schemas/ids.js';
import { everyClause, type Clauses } from './clauses.js';
import type { StoredRecord } from './event-log.js';
import type { Mark } from './mark.js';
import {
  parseOwnedHeader,
  type CheckpointHeader,
  type EventHeader,
  type MarkerHeader,
} from './record-header.js';

/** A record that passed every test of the reader. */
export interface ValidEvent {
  readonly offset: Offset;
  readonly appendedAt: number;
  readonly tenant: TenantId;
  readonly seq: Seq;
  readonly eventId: string;
  readonly epoch: Epoch;
  readonly owner: OwnerId;
  readonly covered: Coverage;
  /** Confluent wire format, see `event-codec.ts`. */
  readonly value: Buffer;
}

/** What a record turned out to be. Only `event` is to be applied. */
export type Verdict =
  | { readonly kind: 'event'; readonly event: ValidEvent }
  | { readonly kind: 'marker'; readonly owner: OwnerId; readonly term: number }
  | { readonly kind: 'checkpoint' }
  | {
      readonly kind: 'dropped';
      readonly why: 'earlier_offset' | 'late_marker' | 'not_owner' | 'duplicate';
    };

/**
 * How many of the latest event ids of a partition are kept to tell a copy from another event under
 * a used number. One append is in flight, so copies come close behind; older numbers than these are
 * taken for copies. Bounded per partition, whatever the number of tenants.
 */
const rememberedIds = 4096;

const dropped = {
  earlier: { kind: 'dropped', why: 'earlier_offset' },
  lateMarker: { kind: 'dropped', why: 'late_marker' },
  notOwner: { kind: 'dropped', why: 'not_owner' },
  duplicate: { kind: 'dropped', why: 'duplicate' },
} as const satisfies Record<string, Verdict>;

/**
 * Reads one partition from a mark on. `read` throws `log_loss` or `record_invalid` where the log is
 * not what it must be; the reader is of no use after that, and its partition must stop.
 */
export class PartitionReader {
  #next: Offset;
  #epoch: Epoch | null;
  #owner: OwnerId | null;
  #term: number;
  #covered: Coverage;
  readonly #lastSeq: Map<TenantId, Seq>;
  /** The mark last handed out, while it still stands: copying the sequences is not free. */
  #mark: Mark | null = null;
  readonly #recent = new RecentIds(rememberedIds);
  readonly #clauses: Clauses;
  readonly #place: string;

  /** `place` names the partition in errors, e.g. `events[3]`. */
  constructor(mark: Mark, place: string, clauses: Clauses = everyClause) {
    this.#next = mark.next;
    this.#epoch = mark.epoch;
    this.#owner = mark.owner;
    this.#term = mark.term;
    this.#covered = mark.covered;
    this.#lastSeq = new Map(mark.lastSeq);
    this.#clauses = clauses;
    this.#place = place;
  }

  /** The offset the next record must have. */
  get next(): Offset {
    return this.#next;
  }
  /** The last accepted marker's owner, null before the first. */
  get owner(): OwnerId | null {
    return this.#owner;
  }
  get term(): number {
    return this.#term;
  }
  get epoch(): Epoch | null {
    return this.#epoch;
  }
  get covered(): Coverage {
    return this.#covered;
  }
  /** Last sequence number of the tenant, 0 before its first event. */
  lastSeq(tenant: TenantId): number {
    return this.#lastSeq.get(tenant) ?? 0;
  }

  /** The mark after everything read so far. It does not change with later reads. */
  mark(): Mark {
    this.#mark ??= {
      epoch: this.#epoch,
      next: this.#next,
      owner: this.#owner,
      term: this.#term,
      covered: this.#covered,
      lastSeq: new Map(this.#lastSeq),
    };
    return this.#mark;
  }

  /** Judges the next record. The order of the tests is the protocol: offset, owner, sequence. */
  read(record: StoredRecord): Verdict {
    if (record.offset < this.#next) return dropped.earlier;
    if (record.offset > this.#next) {
      throw this.#loss(`offset ${record.offset} came where ${this.#next} was due`);
    }
    const verdict = this.#judge(record);
    this.#mark = null;
    this.#next = offset(record.offset + 1);
    return verdict;
  }

  #judge(record: StoredRecord): Verdict {
    const header = parseOwnedHeader(record.header);
    switch (header.kind) {
      case 'marker':
        return this.#judgeMarker(header);
      case 'checkpoint':
        return this.#judgeCheckpoint(header);
      case 'event':
        return this.#judgeEvent(header, record);
    }
  }

  #judgeMarker({ owner, term, epoch }: MarkerHeader): Verdict {
    if (this.#clauses.terms && term <= this.#term) return dropped.lateMarker;
    this.#requireEpoch(epoch);
    this.#owner = owner;
    this.#term = term;
    this.#epoch = epoch;
    return { kind: 'marker', owner, term };
  }

  #judgeCheckpoint(header: CheckpointHeader): Verdict {
    this.#requireEpoch(header.epoch);
    if (this.#clauses.checkpointOwnerTest && !this.#isOwner(header)) return this.#notOwner(header);
    this.#cover(header.covered);
    return { kind: 'checkpoint' };
  }

  #judgeEvent(header: EventHeader, record: StoredRecord): Verdict {
    this.#requireEpoch(header.epoch);
    const tenant = tenantId(record.key);
    if (!this.#clauses.ownerTestFirst && !this.#isNextOf(tenant, header)) return dropped.duplicate;
    if (!this.#isOwner(header)) return this.#notOwner(header);
    // What throws comes before what changes: the mark before a loss is stored and read again.
    if (record.value === null) throw this.#invalid(`the event at ${record.offset} has no value`);
    const isNext = !this.#clauses.ownerTestFirst || this.#isNextOf(tenant, header);
    this.#cover(header.covered);
    if (!isNext) return dropped.duplicate;
    const { owner, epoch, seq, eventId, covered } = header;
    const { appendedAt, value } = record;
    const event = {
      offset: record.offset,
      appendedAt,
      tenant,
      seq,
      eventId,
      epoch,
      owner,
      covered,
      value,
    };
    return { kind: 'event', event };
  }

  #isOwner(header: EventHeader | CheckpointHeader): boolean {
    return !this.#clauses.ownerTest || header.owner === this.#owner;
  }

  /** A dropped record changes nothing: neither the last sequence nor the coverage. */
  #notOwner(header: EventHeader | CheckpointHeader): Verdict {
    if (!this.#clauses.coverageOfValidOnly) this.#cover(header.covered);
    return dropped.notOwner;
  }

  #cover(covered: Coverage): void {
    if (!this.#clauses.coverageMaximum) {
      this.#covered = covered;
      return;
    }
    const { realtime, bulk } = this.#covered;
    if (covered.realtime <= realtime && covered.bulk <= bulk) return;
    this.#covered = {
      realtime: offset(Math.max(realtime, covered.realtime)),
      bulk: offset(Math.max(bulk, covered.bulk)),
    };
  }

  /** The sequence test: true for the next number, false for a copy, otherwise a loss. */
  #isNextOf(tenant: TenantId, { seq, eventId }: EventHeader): boolean {
    const last = this.lastSeq(tenant);
    if (!this.#clauses.sequenceTest) {
      this.#lastSeq.set(tenant, seq);
      return true;
    }
    if (seq > last + 1) throw this.#loss(`sequence ${seq} of ${tenant} came after ${last}`);
    if (seq <= last) {
      const known = this.#recent.find(tenant, seq);
      if (known === undefined || known === eventId) return false;
      throw this.#loss(`sequence ${seq} of ${tenant} is used by two events`);
    }
    this.#lastSeq.set(tenant, seq);
    this.#recent.add(tenant, seq, eventId);
    return true;
  }

  /**
   * Markers copy the epoch from the last accepted one, so another epoch means another log: restored
   * or made again. Only a refused marker may differ: two candidates may both find the log empty.
   */
  #requireEpoch(epoch: Epoch): void {
    if (this.#epoch === null || this.#epoch === epoch) return;
    throw this.#loss(`epoch ${epoch} came where ${this.#epoch} was due: this is another log`);
  }

  #loss(detail: string): TrunklineError {
    return new TrunklineError('log_loss', `${this.#place}: ${detail}`);
  }

  #invalid(detail: string): TrunklineError {
    return new TrunklineError('record_invalid', `${this.#place}: ${detail}`);
  }
}

/** The ids of the latest events of a partition: bounded, the oldest go first. */
class RecentIds {
  readonly #ids = new Map<string, string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(tenant: TenantId, seq: Seq, eventId: string): void {
    if (this.#ids.size >= this.#limit) {
      const oldest = this.#ids.keys().next();
      if (oldest.done !== true) this.#ids.delete(oldest.value);
    }
    this.#ids.set(`${tenant} ${seq}`, eventId);
  }

  find(tenant: TenantId, seq: Seq): string | undefined {
    return this.#ids.get(`${tenant} ${seq}`);
  }
}
