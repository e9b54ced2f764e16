// Gateway: the last events of each tenant, by seq, without a hole. In: valid events of the log. Out:
// everything after a cursor, or the statement that it is no longer kept. Bounded per tenant by
// events and over all by bytes; the oldest goes first, and who needed it is told (`too_old`).

import type { EventEnvelope } from '../schemas/events.js';
import type { TenantId } from '../schemas/ids.js';
import { Rendered, type Rendering } from './rendered.js';
import type { FilterFacts } from './topics.js';
import { liveEvent, toJson, type Opened, type Shape } from './views.js';

/** An event as the ring keeps it: its log bytes, and for a while the JSON that was made of them. */
export interface RingEntry {
  readonly seq: number;
  readonly kind: 'call' | 'message' | 'record' | 'other';
  /** The call it belongs to, also for deliveries that were not understood. */
  readonly callId: string | null;
  /** Id of the call, message or record: what a later state replaces. */
  readonly key: string | null;
  /** The call after and before this event; `before` is null where the ring does not know. */
  readonly after: FilterFacts | null;
  readonly before: FilterFacts | null;
  /** A call that this event makes a leg of `callId`: it goes from every list. */
  readonly mergedFrom: string | null;
  /** Log value; decoded again when a view is asked for that is not kept. */
  readonly value: Buffer;
  /** JSON by view, among what was rendered last; null while there is none. */
  json: Map<Rendering, string> | null;
}

export interface RingLimits {
  /** Events kept for each tenant. */
  readonly eventsPerTenant: number;
  /** Bytes of events kept over all tenants. */
  readonly totalBytes: number;
  /** Bytes of JSON kept beside them: what many readers ask for at the same time. */
  readonly renderedBytes: number;
}

/** Calls whose last known facts are kept for each tenant, to tell what an event changed. */
const maxKnownCalls = 20_000;
/** What an entry costs beside its bytes, roughly. */
const entryOverheadBytes = 400;

interface TenantRing {
  /** `entries[head]` is the oldest; seq = first + index − head. */
  entries: RingEntry[];
  head: number;
  first: number;
  /** Known facts by call, least recently changed first. */
  known: Map<string, FilterFacts>;
  /** Entries that went by the tenant's own bound and still stand in the common order. */
  gone: number;
}

/** The rings of all tenants of this process. Not for concurrent use: everything is synchronous. */
export class Rings {
  private readonly rings = new Map<TenantId, TenantRing>();
  /** Tenants in the order of their entries, for the common bound. */
  private order: TenantRing[] = [];
  private orderHead = 0;
  private stale = 0;
  private heldBytes = 0;
  private readonly rendered: Rendered;

  constructor(private readonly limits: RingLimits) {
    this.rendered = new Rendered(limits.renderedBytes);
  }

  get bytes(): number {
    return this.heldBytes + this.rendered.bytes;
  }

  get events(): number {
    let count = 0;
    for (const ring of this.rings.values()) count += ring.entries.length - ring.head;
    return count;
  }

  tenants(): IterableIterator<TenantId> {
    return this.rings.keys();
  }

  /** Begins (again) with nothing kept: the next event of the tenant is `last` + 1. */
  begin(tenant: TenantId, last: number): void {
    const ring = this.rings.get(tenant);
    if (ring !== undefined) {
      while (ring.head < ring.entries.length) this.dropOldest(ring, 'own');
    }
    const gone = ring?.gone ?? 0;
    const fresh = { entries: [], head: 0, first: last + 1, known: new Map<string, FilterFacts>() };
    if (ring === undefined) this.rings.set(tenant, { ...fresh, gone });
    else Object.assign(ring, fresh);
  }

  /** Last seq of the tenant; 0 before its first event. */
  top(tenant: TenantId): number {
    const ring = this.rings.get(tenant);
    return ring === undefined ? 0 : ring.first + (ring.entries.length - ring.head) - 1;
  }

  /** The seq from which on everything is kept. */
  first(tenant: TenantId): number {
    return this.rings.get(tenant)?.first ?? 1;
  }

  /**
   * Adds the next event. False when it is not the next one: a hole, which the reader of the log
   * has excluded; the caller treats it as a loss.
   */
  push(event: EventEnvelope, value: Buffer): RingEntry | null {
    if (!this.rings.has(event.tenant)) this.begin(event.tenant, event.seq - 1);
    const ring = this.rings.get(event.tenant);
    if (ring === undefined || event.seq !== this.top(event.tenant) + 1) return null;
    const entry = entryOf(event, value, ring.known);
    ring.entries.push(entry);
    this.order.push(ring);
    this.heldBytes += sizeOf(entry);
    if (ring.entries.length - ring.head > this.limits.eventsPerTenant) this.dropOldest(ring, 'own');
    while (this.heldBytes > this.limits.totalBytes && this.dropOldestOfAll());
    return entry;
  }

  /** Entries after `cursor`, oldest first, at most `limit`; null when some are no longer kept. */
  after(tenant: TenantId, cursor: number, limit: number): readonly RingEntry[] | null {
    const ring = this.rings.get(tenant);
    if (ring === undefined) return cursor >= 0 ? [] : null;
    if (cursor < ring.first - 1) return null;
    const from = ring.head + (cursor + 1 - ring.first);
    return ring.entries.slice(from, from + limit);
  }

  /** Renders an entry; the JSON stays with it for a while, so that it is made once for many readers. */
  render(entry: RingEntry, event: EventEnvelope, rendering: Rendering, opened: Opened): string {
    const shape: Shape = rendering.startsWith('summary') ? 'summary' : 'detail';
    const json = toJson(liveEvent(event, shape, opened));
    this.rendered.keep(entry, rendering, json);
    return json;
  }

  private dropOldest(ring: TenantRing, by: 'own' | 'common'): void {
    const entry = ring.entries[ring.head];
    if (entry === undefined) return;
    this.heldBytes -= sizeOf(entry);
    // Its place is cut off later, in one go; until then it must not keep the entry alive.
    ring.entries[ring.head] = gone;
    ring.head += 1;
    ring.first += 1;
    if (by === 'own') {
      ring.gone += 1;
      this.stale += 1;
      if (this.stale > 10_000 && this.stale * 2 > this.order.length) this.compactOrder();
    }
    if (ring.head > 512 && ring.head * 2 > ring.entries.length) {
      ring.entries = ring.entries.slice(ring.head);
      ring.head = 0;
    }
  }

  private dropOldestOfAll(): boolean {
    const ring = this.order[this.orderHead];
    if (ring === undefined) return false;
    this.orderHead += 1;
    if (ring.gone === 0) this.dropOldest(ring, 'common');
    else {
      ring.gone -= 1;
      this.stale -= 1;
    }
    if (this.orderHead > 4096 && this.orderHead * 2 > this.order.length) {
      this.order = this.order.slice(this.orderHead);
      this.orderHead = 0;
    }
    return true;
  }

  /** Leaves out of the common order what went by its tenant's own bound: the oldest of each. */
  private compactOrder(): void {
    this.order = this.order.slice(this.orderHead).filter((ring) => {
      if (ring.gone === 0) return true;
      ring.gone -= 1;
      return false;
    });
    this.orderHead = 0;
    this.stale = 0;
  }
}

const sizeOf = (entry: RingEntry): number => entryOverheadBytes + entry.value.length;

function entryOf(event: EventEnvelope, value: Buffer, known: Map<string, FilterFacts>): RingEntry {
  const { body, seq } = event;
  const kept = ownCopy(value);
  switch (body.kind) {
    case 'call': {
      const { callId, after } = body;
      const facts = factsOf(after.status, after.direction);
      const before = known.get(callId) ?? null;
      const mergedFrom = body.mergedFrom === callId ? null : body.mergedFrom;
      remember(known, callId, facts);
      return madeEntry(seq, kept, {
        kind: 'call',
        callId,
        key: callId,
        after: facts,
        before,
        mergedFrom,
      });
    }
    case 'message':
      return madeEntry(seq, kept, { ...nothing, kind: 'message', key: body.messageId });
    case 'record':
      return madeEntry(seq, kept, { ...nothing, kind: 'record', key: body.recordId });
    case 'not_understood':
      return madeEntry(seq, kept, { ...nothing, callId: body.callId });
    case 'parked':
    case 'act':
      return madeEntry(seq, kept, nothing);
  }
}

/**
 * The log's own buffer is a piece of a whole fetch, which it would keep alive; one from Node's pool
 * would keep its neighbours'.
 */
function ownCopy(value: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(value.length);
  value.copy(copy);
  return copy;
}

type Subject = Pick<RingEntry, 'kind' | 'callId' | 'key' | 'after' | 'before' | 'mergedFrom'>;
const nothing: Subject = {
  kind: 'other',
  callId: null,
  key: null,
  after: null,
  before: null,
  mergedFrom: null,
};

/** One shape for all entries: there are many, and they live long. */
const madeEntry = (seq: number, value: Buffer, subject: Subject): RingEntry => ({
  seq,
  kind: subject.kind,
  callId: subject.callId,
  key: subject.key,
  after: subject.after,
  before: subject.before,
  mergedFrom: subject.mergedFrom,
  value,
  json: null,
});

/** Stands where an entry was. */
const gone = madeEntry(0, Buffer.alloc(0), nothing);

const sharedFacts = new Map<string, FilterFacts>();

/** Equal facts are one object: there are two dozen of them. */
function factsOf(status: string, direction: string | null): FilterFacts {
  const key = `${status}/${direction ?? ''}`;
  const shared = sharedFacts.get(key);
  if (shared !== undefined) return shared;
  const made = { status, direction };
  sharedFacts.set(key, made);
  return made;
}

function remember(known: Map<string, FilterFacts>, callId: string, facts: FilterFacts): void {
  known.delete(callId);
  known.set(callId, facts);
  if (known.size <= maxKnownCalls) return;
  for (const oldest of known.keys()) {
    known.delete(oldest);
    break;
  }
}
