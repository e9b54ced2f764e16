// A made-up world for the projections' tests: tenants, calls and messages as a seed has them, written to
// a memory log as an owner writes them: markers, batches, checkpoints, and records of a zombie.

import type { Codec } from '../../log/event-codec.js';
import type { LogRecord } from '../../log/event-log.js';
import { MemoryStore } from '../../log/memory.js';
import { formatHeader } from '../../log/record-header.js';
import type { AggregateRef, Evolver } from '../../schemas/aggregates.js';
import type { CallView, LegView, MessageView, TimelineEntry } from '../../schemas/call-state.js';
import type {
  CallEventBody,
  CallEventType,
  EventBody,
  EventEnvelope,
} from '../../schemas/events.js';
import {
  callId,
  epoch,
  eventId,
  factId,
  legId,
  messageId,
  offset,
  ownerId,
  recordId,
  seq,
  subjectId,
  tenantId,
  type TenantId,
} from '../../schemas/ids.js';
import type { RecordView } from '../../schemas/record-state.js';
import type { Party } from '../../schemas/sealed.js';
import { timerNames, type ArmedTimer } from '../../schemas/timers.js';

import { ParkedWorld } from './parking-bodies.js';

/** Numbers in [0, 1) that depend on the seed alone. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A fold in which every event leaves a trace, so that one applied twice, skipped or applied in
 * another order gives another state.
 */
export const traceEvolver: Evolver = {
  version: 1,
  touched({ tenant, body, provider }) {
    if (body.kind === 'call') {
      const aliases = body.aliases.map((alias): AggregateRef => ({
        tenant,
        kind: 'alias',
        key: `${provider}:${alias}`,
      }));
      return [{ tenant, kind: 'call', key: body.callId }, ...aliases];
    }
    if (body.kind === 'message') return [{ tenant, kind: 'message', key: body.messageId }];
    if (body.kind === 'record') return [{ tenant, kind: 'record', key: body.recordId }];
    return [];
  },
  evolve(ref, state, event) {
    if (ref.kind === 'alias') {
      return { call: event.body.kind === 'call' ? event.body.callId : null };
    }
    const before = state as { events: number; trace: number } | null;
    const trace = Math.imul((before?.trace ?? 17) ^ event.seq, 0x01000193) >>> 0;
    return { events: (before?.events ?? 0) + 1, trace, last: event.body.type };
  },
};

const startedAt = 1_760_000_000_000;
const awkward = [
  'plain',
  'a "quoted" \\ word',
  '{"json":[1,2]}',
  'NULL',
  'über – 🙂',
  'nul \0 end',
  '',
];

/** What becomes events: one world per log, any number of steps. */
export class World {
  readonly store: MemoryStore;
  readonly tenants: readonly TenantId[];
  readonly #codec: Codec;
  readonly #random: () => number;
  readonly #seqs = new Map<TenantId, number>();
  readonly #calls = new Map<TenantId, CallView[]>();
  readonly #messages = new Map<TenantId, MessageView[]>();
  readonly #records = new Map<TenantId, RecordView[]>();
  readonly #owners = new Map<number, string>();
  #events = 0;
  #markers = 0;
  #now = startedAt;

  readonly #parked: ParkedWorld;

  constructor(options: { seed: number; partitions?: number; tenants?: number; codec: Codec }) {
    this.store = new MemoryStore({ partitions: options.partitions ?? 2 });
    this.#codec = options.codec;
    this.#random = random(options.seed);
    this.#parked = new ParkedWorld(this.#random);
    const count = options.tenants ?? 3;
    this.tenants = Array.from({ length: count }, (_, i) => tenantId(`tenant-${i}`));
    for (let p = 0; p < this.store.partitions; p += 1) this.take(p);
  }

  /** The partition of a tenant in this world; the projections never ask. */
  partitionOf(tenant: TenantId): number {
    return this.tenants.indexOf(tenant) % this.store.partitions;
  }

  /** Another owner takes the partition. */
  take(partition: number): void {
    this.#markers += 1;
    const owner = `owner-${this.#markers}`;
    this.#owners.set(partition, owner);
    const marker = { owner: ownerId(owner), term: this.#markers, epoch: epoch('e1') } as const;
    const header = formatHeader({ kind: 'marker', ...marker });
    this.store.land('events', partition, [{ key: '', header, value: null }]);
  }

  /** Appends the events of `steps` random happenings, in batches, with some trouble in between. */
  happen(steps: number): void {
    for (let done = 0; done < steps;) {
      const tenant = this.#pick(this.tenants);
      const partition = this.partitionOf(tenant);
      const size = 1 + Math.floor(this.#random() * 8);
      const bodies: EventBody[] = [];
      for (let i = 0; i < size && done < steps; i += 1, done += 1) bodies.push(this.#body(tenant));
      const records = bodies.map((body) => this.record(tenant, body));
      this.store.land('events', partition, records);
      // A copy of an append, a zombie's append, an idle checkpoint, another owner.
      const trouble = this.#random();
      if (trouble < 0.05) this.store.land('events', partition, records);
      else if (trouble < 0.1) this.store.land('events', partition, [this.#zombie(tenant)]);
      else if (trouble < 0.15) this.#checkpoint(partition);
      else if (trouble < 0.18) this.take(partition);
    }
  }

  /** An event as the partition's owner writes it, with the tenant's next number. */
  record(tenant: TenantId, body: EventBody): LogRecord {
    const number = (this.#seqs.get(tenant) ?? 0) + 1;
    this.#seqs.set(tenant, number);
    return this.#record(tenant, body, number, this.#owners.get(this.partitionOf(tenant)) ?? '');
  }

  /** Appends bytes that are no event under the tenant's next number. */
  garble(tenant: TenantId): void {
    const record = this.record(tenant, this.#notUnderstood(null));
    const value = Buffer.from([0, 0, 0, 0, 99, 1, 2, 3]);
    this.store.land('events', this.partitionOf(tenant), [{ ...record, value }]);
  }

  /** Next offset of a partition of `events`. */
  end(partition: number): number {
    return this.store.bounds('events', partition).next;
  }

  #record(tenant: TenantId, body: EventBody, number: number, owner: string): LogRecord {
    this.#events += 1;
    this.#now += Math.floor(this.#random() * 4_000);
    const covered = { realtime: offset(this.#events), bulk: offset(-1) };
    const event: EventEnvelope = {
      ...{ tenant, eventId: eventId(`event-${this.#events}`), factId: factId(`f-${this.#events}`) },
      ...{ provider: 'twilio', occurredAt: null, receivedAt: this.#now, body, schemaVersion: 1 },
      ...{ correlationId: 'c', traceId: 't', ruleVersions: { call: 1 } },
      ...{ seq: seq(number), epoch: epoch('e1'), owner: ownerId(owner), covered },
    };
    const header = formatHeader({ kind: 'event', ...event });
    return { key: tenant, header, value: this.#codec.encodeEvent(event) };
  }

  #zombie(tenant: TenantId): LogRecord {
    const number = (this.#seqs.get(tenant) ?? 0) + 1;
    return this.#record(tenant, this.#notUnderstood(null), number, 'owner-0');
  }

  #checkpoint(partition: number): void {
    const owner = ownerId(this.#owners.get(partition) ?? '');
    const covered = { realtime: offset(this.#events), bulk: offset(-1) };
    const header = formatHeader({ kind: 'checkpoint', owner, epoch: epoch('e1'), covered });
    this.store.land('events', partition, [{ key: '', header, value: null }]);
  }

  #body(tenant: TenantId): EventBody {
    const dice = this.#random();
    const calls = this.#of(this.#calls, tenant);
    if (dice < 0.04) return this.#notUnderstood(null);
    if (dice < 0.07 && calls.length > 0) return this.#notUnderstood(this.#pick(calls));
    if (dice < 0.075) return this.#parkedEarly();
    if (dice < 0.09) return this.#parked.next(tenant, this.#now);
    if (dice < 0.2) return this.#message(tenant);
    if (dice < 0.25) return this.#ownRecord(tenant);
    if (dice < 0.3 && calls.length > 1) return this.#merge(calls);
    return this.#call(calls);
  }

  #call(calls: CallView[]): CallEventBody {
    const isNew = calls.length < 3 || this.#random() < 0.15;
    const before = isNew ? this.#newCall() : this.#pick(calls);
    const types = [
      'call.ringing',
      'call.answered',
      'call.completed',
      'call.failed',
      'call.noted',
      'call.fact_refused',
      'call.duplicate_seen',
      'call.leg_linked',
    ] as const;
    const type: CallEventType = isNew ? 'call.discovered' : this.#pick(types);
    const after = this.#advance(before, type);
    if (isNew) calls.push(after);
    else calls[calls.indexOf(before)] = after;
    const remove =
      this.#random() < 0.1 ? [`entry-${Math.floor(this.#random() * this.#events)}`] : [];
    return {
      ...{ kind: 'call', type, callId: after.callId, fact: null, after, mergedFrom: null },
      timeline: { upsert: [this.#entry(after)], remove },
      aliases: isNew ? [`ref-${after.callId}`] : [],
      timer: this.#timer(),
      reason: null,
    };
  }

  #newCall(): CallView {
    const id = `call-${this.#events}-${Math.floor(this.#random() * 1e6)}`;
    return {
      ...{ callId: callId(id), provider: 'twilio', status: 'initiated', enteredAt: this.#now },
      ...{
        reason: null,
        sourceFact: factId('f'),
        inferred: false,
        cause: null,
        providerCode: null,
      },
      ...{ direction: this.#pick(['inbound', 'outbound', null] as const) },
      ...{ from: this.#party(), to: this.#party(), startedAt: this.#now, ringingAt: null },
      ...{ answeredAt: null, endedAt: null, durationSec: null, amd: null, recordings: 0, legs: [] },
      ...{ factCount: 1, refusedCount: 0, settledAt: null, mergedInto: null },
    };
  }

  #advance(call: CallView, type: CallEventType): CallView {
    const legs =
      type === 'call.discovered' || type === 'call.leg_linked'
        ? [...call.legs, this.#leg(call)]
        : call.legs;
    const grown = { ...call, legs, factCount: call.factCount + 1 };
    const now = this.#now;
    if (type === 'call.answered') {
      return { ...grown, status: 'answered', answeredAt: now, enteredAt: now };
    }
    if (type === 'call.completed') {
      return { ...grown, status: 'completed', endedAt: now, durationSec: this.#random() * 90 };
    }
    if (type === 'call.failed') {
      return { ...grown, status: 'failed', cause: 'busy', reason: this.#pick(awkward) };
    }
    if (type === 'call.fact_refused') return { ...grown, refusedCount: call.refusedCount + 1 };
    return { ...grown, providerCode: this.#pick(awkward) };
  }

  #leg(call: CallView): LegView {
    const { status, startedAt, from, to } = call;
    const ref = `${call.callId}-leg-${call.legs.length}`;
    return {
      ...{ legId: legId(ref), legRef: ref, parentRef: null, primary: call.legs.length === 0 },
      ...{
        status,
        cause: null,
        providerCode: null,
        direction: call.direction,
        from,
        to,
        startedAt,
      },
      ...{ answeredAt: null, endedAt: null, durationSec: null },
    };
  }

  #merge(calls: CallView[]): CallEventBody {
    const [gone] = calls.splice(Math.floor(this.#random() * calls.length), 1);
    const into = this.#pick(calls);
    if (gone === undefined) throw new Error('no call to merge');
    const after = this.#random() < 0.5 ? { ...gone, mergedInto: into.callId } : into;
    const isGone = after !== into;
    return {
      ...{ kind: 'call', type: 'call.merged', callId: after.callId, fact: null, after },
      timeline: { upsert: [this.#entry(after)], remove: [] },
      ...{ aliases: [`ref-${gone.callId}`], mergedFrom: isGone ? null : gone.callId, reason: null },
      timer: null,
    };
  }

  /** None on events from before there were timers. */
  #timer(): ArmedTimer | null {
    if (this.#random() < 0.3) return null;
    const name = this.#pick(timerNames);
    const since = this.#now;
    return { name, timerId: `${name}:ringing:${since}`, since, dueAt: since + 300_000 };
  }

  #message(tenant: TenantId): EventBody {
    const known = this.#of(this.#messages, tenant);
    const isNew = known.length < 2 || this.#random() < 0.4;
    const before = isNew ? this.#newMessage() : this.#pick(known);
    const after: MessageView = {
      ...before,
      factCount: before.factCount + 1,
      updatedAt: this.#now,
      status: isNew ? before.status : this.#pick(['sent', 'delivered', 'failed'] as const),
    };
    if (isNew) known.push(after);
    else known[known.indexOf(before)] = after;
    const type = isNew ? 'message.received' : 'message.status_changed';
    return { kind: 'message', type, messageId: after.messageId, fact: null, after, reason: null };
  }

  #newMessage(): MessageView {
    const sealed = { keyId: 'k', nonce: 'n', ciphertext: `c${this.#events}`, tag: 't' };
    return {
      ...{ messageId: messageId(`message-${this.#events}-${Math.floor(this.#random() * 1e6)}`) },
      ...{ provider: 'telnyx', direction: this.#pick(['inbound', 'outbound'] as const) },
      ...{ status: 'received', providerStatus: 'received', providerCode: null, optOut: null },
      ...{ from: this.#party(), to: this.#party(), body: sealed, mediaCount: 0 },
      ...{ createdAt: this.#now, updatedAt: this.#now, factCount: 0 },
    };
  }

  #ownRecord(tenant: TenantId): EventBody {
    const known = this.#of(this.#records, tenant);
    const isNew = known.length < 2 || this.#random() < 0.3;
    const before = isNew ? this.#newRecord() : this.#pick(known);
    const after: RecordView = {
      ...before,
      status: this.#pick([null, 'active', ...awkward]),
      deleted: this.#random() < 0.2,
      updatedAt: this.#now,
      factCount: before.factCount + 1,
    };
    if (isNew) known.push(after);
    else known[known.indexOf(before)] = after;
    const type = this.#pick(['record.changed', 'record.changed', 'record.duplicate_seen'] as const);
    const { recordId: id, lastEvent: event } = after;
    return { kind: 'record', type, recordId: id, event, fact: null, after, reason: null };
  }

  #newRecord(): RecordView {
    const n = this.#events;
    const sealed = { keyId: 'k', nonce: `n${n}`, ciphertext: 'c', tag: 't' };
    return {
      ...{ recordId: recordId(`record-${n}-${Math.floor(this.#random() * 1e6)}`) },
      ...{ provider: 'clerk', area: this.#pick(['organisation', 'billing', 'external'] as const) },
      ...{ objectType: this.#pick(['user', 'invoice']), objectRef: `ref_${n}`, status: null },
      ...{ parentRef: this.#pick([null, 'org_1']), deleted: false, lastEvent: 'billing.paid' },
      details: { count: n, word: this.#pick(awkward), on: false },
      subject: this.#pick([null, subjectId(`sub_${n}`)]),
      personal: this.#random() < 0.5 ? {} : { email: sealed, [this.#pick(awkward)]: sealed },
      ...{ createdAt: this.#now, updatedAt: this.#now, factCount: 0 },
    };
  }

  #notUnderstood(call: CallView | null): EventBody {
    return {
      ...{ kind: 'not_understood', type: 'delivery.not_understood', callId: call?.callId ?? null },
      ...{ legRef: null, eventType: 'strange', receivedAt: this.#now, reason: this.#pick(awkward) },
      timeline: { upsert: call === null ? [] : [this.#entry(call)], remove: [] },
    };
  }

  /** As facts were parked before there were queues. */
  #parkedEarly(): EventBody {
    return {
      ...{ kind: 'parked', type: 'fact.parked', sourceTopic: 'deliveries' },
      ...{
        sourceOffset: offset(this.#events),
        errorCode: 'internal',
        error: 'cannot be processed',
        parking: null,
      },
    };
  }

  #entry(call: CallView): TimelineEntry {
    const order = { phase: 1, atUs: this.#now * 1000, seq: this.#events } as const;
    return {
      ...{
        entryId: `entry-${this.#events}`,
        type: 'note',
        legRef: null,
        status: call.status,
        order,
      },
      ...{ occurredAt: null, receivedAt: this.#now, inferred: false, late: this.#random() < 0.1 },
      ...{ refused: null, reason: this.#pick(awkward), providerCode: null },
      details: { count: Math.floor(this.#random() * 9), word: this.#pick(awkward), on: true },
    };
  }

  #party(): Party | null {
    const n = Math.floor(this.#random() * 100);
    if (n < 10) return null;
    const number = { keyId: `k${n}`, nonce: `n${n}`, ciphertext: `c${n}`, tag: `t${n}` };
    return { subjectId: subjectId(`sub_${n}`), masked: `+1 555 ••• 01${n}`, number };
  }

  #pick<T>(from: readonly T[]): T {
    const found = from[Math.floor(this.#random() * from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  #of<T>(map: Map<TenantId, T[]>, tenant: TenantId): T[] {
    const known = map.get(tenant) ?? [];
    map.set(tenant, known);
    return known;
  }
}
