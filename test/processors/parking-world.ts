// Parking under schedules: one partition, its log, a store that lags, and owners that come and go, all in memory and
// in step. The decider, the overlay, the takeover and the fold are the production code.

import { createLocalCodec } from '../../log/event-codec.js';
import { sealFact } from '../../log/fact-record.js';
import type { SourceRecord } from '../../log/lanes.js';
import { startMark } from '../../log/mark.js';
import { actFact, ownEndpoint, type OwnFact } from '../../log/own-facts.js';
import { OverlayDecider } from '../../processors/decider.js';
import { decideFacts } from '../../processors/decide-input.js';
import { evolver } from '../../processors/evolver.js';
import type { Snapshot } from '../../processors/lookup.js';
import { ProcessorMetrics } from '../../processors/metrics.js';
import { noQueue } from '../../processors/parking/state.js';
import { States } from '../../processors/state.js';
import { takeOver } from '../../processors/takeover.js';
import { createKeyRing, createMemoryKeyStore } from '../../runtime/keys.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import {
  callBehind,
  nameOf,
  type AggregateRef,
  type AggregateState,
} from '../../schemas/aggregates.js';
import type { EventDraft, EventEnvelope } from '../../schemas/events.js';
import type { ActName, CallFact } from '../../schemas/facts.js';
import { epoch, factId, offset, ownerId, seq, tenantId } from '../../schemas/ids.js';

const acme = tenantId('acme');
const codec = createLocalCodec();
const keyRing = createKeyRing(Buffer.alloc(32, 9), createMemoryKeyStore());
const metrics = new ProcessorMetrics(createMetrics());
const receivedAt = Date.parse('2026-10-01T12:00:00Z');
const maxBatchBytes = 1_000_000;

export class ParkingWorld {
  readonly inputs: SourceRecord[] = [];
  readonly events: EventEnvelope[] = [];
  /** Facts of these calls fail. */
  readonly failing = new Set<number>();
  readonly #rows = new Map<string, AggregateState>();
  #mark = 0;
  #decided = 0;
  #decider: OverlayDecider | null = null;
  #acts = 0;

  /** A fact of a call, as it is delivered. `index` says which of its call. */
  async fact(call: number, index: number): Promise<void> {
    const fact: CallFact = {
      ...{ kind: 'call', factId: factId(`f-${call}-${index}`), eventType: 'note' },
      ...{ occurredAt: null, order: { phase: 1, atUs: index, seq: 0 }, legRef: `CA${call}` },
      ...{ parentRef: null, sessionRef: null, direction: null, durationSec: null },
      ...{ signal: { type: 'note', name: 'dtmf' }, providerCode: null, details: {} },
      ...{ from: null, to: null, personal: {} },
    };
    await this.#deliver({ tenant: acme, provider: 'twilio', fact });
  }

  /** An act on one of all facts that were ever parked; which one, from 0 to 1. */
  async act(act: ActName, which: number): Promise<void> {
    const parked = this.events.flatMap(({ body, eventId }) =>
      body.type === 'fact.parked' ? [eventId] : [],
    );
    const about = parked[Math.floor(which * parked.length)] ?? 'evt_nobody';
    this.#acts += 1;
    const asked = { act, about, actor: 'key_1', reason: 'a schedule' };
    await this.#deliver(actFact(acme, asked, `r${this.#acts}`));
  }

  /** Decides the next inputs and appends what they give. `revoked`: decided twice, as after a too large one. */
  async decide(count: number, revoked = false): Promise<void> {
    const decider = (this.#decider ??= await this.#takeOver());
    const inputs = this.inputs.slice(this.#decided, this.#decided + count);
    if (inputs.length === 0) return;
    if (revoked) {
      await decider.decide(inputs);
      decider.revoke();
    }
    const outputs = await decider.decide(inputs);
    this.#decided += inputs.length;
    decider.acknowledged(outputs.flat().map((draft) => this.#append(draft)));
  }

  /** Decides, and is gone before anything is appended. */
  async lose(count: number): Promise<void> {
    const decider = (this.#decider ??= await this.#takeOver());
    const inputs = this.inputs.slice(this.#decided, this.#decided + count);
    if (inputs.length > 0) await decider.decide(inputs);
    this.#decider = null;
  }

  /** Another owner, at the next decision. */
  depose(): void {
    this.#decider = null;
  }

  /** The store applies so many more events. */
  project(count: number): void {
    const to = Math.min(this.events.length, this.#mark + count);
    for (; this.#mark < to; this.#mark += 1) {
      const event = this.events[this.#mark];
      if (event !== undefined) fold(this.#rows, event);
    }
  }

  /** Everything decided and applied; then what is still parked is retried until nothing is. */
  async settle(): Promise<void> {
    this.failing.clear();
    await this.decide(this.inputs.length);
    for (let round = 0; this.open().length > 0; round += 1) {
      if (round > 100) throw new Error('a queue does not empty');
      const [about = ''] = this.open();
      this.#acts += 1;
      const asked = { act: 'retry', about, actor: 'key_1', reason: 'settled' } as const;
      await this.#deliver(actFact(acme, asked, `r${this.#acts}`));
      await this.decide(this.inputs.length);
    }
    this.project(this.events.length);
  }

  /** Facts that are parked, by their events. */
  open(): readonly string[] {
    const open = new Set<string>();
    for (const { body } of this.events) {
      if (body.kind !== 'parked' || body.parking === null) continue;
      const { parkId } = body.parking;
      if (body.type === 'fact.released' || body.type === 'fact.discarded') open.delete(parkId);
      else open.add(parkId);
    }
    return [...open];
  }

  /** Rows of the store, as text. */
  stored(): ReadonlyMap<string, string> {
    return textsOf(this.#rows);
  }

  /** The same rows, folded from the events as the log has them. */
  rebuilt(): ReadonlyMap<string, string> {
    const rows = new Map<string, AggregateState>();
    for (const event of this.events) fold(rows, codec.decodeEvent(codec.encodeEvent(event)));
    return textsOf(rows);
  }

  async #deliver({ tenant, provider, fact }: OwnFact): Promise<void> {
    const raw = { method: 'OWN', url: '', headers: {}, body: Buffer.alloc(0) };
    const head = {
      ...{ tenant, endpoint: ownEndpoint, provider: provider ?? 'trunkline', receivedAt },
      ...{ correlationId: 'c', traceId: null, mappingVersion: 1 },
    };
    const sealing = { keyRing, codec, maxBytes: maxBatchBytes };
    const record = await sealFact(sealing, head, { facts: [fact], raw });
    if (record === null) throw new Error('too large');
    const at = offset(this.inputs.length);
    this.inputs.push({ ...record, offset: at, appendedAt: receivedAt, lane: 'realtime' });
  }

  #append(draft: EventDraft) {
    const at = offset(this.events.length);
    const number = seq(this.events.length + 1);
    const covered = { realtime: offset(-1), bulk: offset(-1) };
    const numbered = { seq: number, epoch: epoch('e'), owner: ownerId('o'), covered };
    this.events.push({ ...draft, ...numbered, schemaVersion: 1 });
    return { draft, offset: at, seq: number };
  }

  async #takeOver(): Promise<OverlayDecider> {
    const tail = this.events.slice(this.#mark).map((event, i) => ({
      ...{ offset: offset(this.#mark + i), appendedAt: 0, tenant: acme, seq: event.seq },
      ...{ eventId: event.eventId, epoch: event.epoch, owner: event.owner, covered: event.covered },
      value: codec.encodeEvent(event),
    }));
    const mark = { ...startMark, next: offset(this.#mark) };
    const restored = { partition: 0, mark, tail, after: mark };
    const withQueues = (_: number, refs: readonly AggregateRef[]) => this.#read(refs, true);
    const taken = await takeOver(restored, codec, withQueues);
    if (taken === 'again') throw new Error('the store went back');
    const { overlay, floor } = taken;
    const read = (_: number, refs: readonly AggregateRef[]) => this.#read(refs, false);
    return new OverlayDecider({
      ...{ codec, keyRing, overlay, metrics, logger: silentLogger, maxBatchBytes },
      states: new States({ partition: 0, read, overlay, floor }),
      room: () => Promise.resolve(),
      readSource: () => Promise.resolve(null),
      decideFacts: (whose, facts, states) => {
        for (const one of facts) {
          const [, call] = one.fact.factId.split('-');
          if (this.failing.has(Number(call))) throw new RangeError('fails');
        }
        return decideFacts(whose, facts, states);
      },
    });
  }

  #read(refs: readonly AggregateRef[], withQueues: boolean): Promise<Snapshot> {
    const rows = new Map<string, AggregateState>();
    const take = (name: string): void => {
      const state = this.#rows.get(name);
      if (state !== undefined) rows.set(name, state);
    };
    for (const ref of refs) {
      take(nameOf(ref));
      const state = rows.get(nameOf(ref));
      const behind = state === undefined ? null : callBehind(ref, state);
      if (behind !== null) take(nameOf(behind));
    }
    const isOpen = ([name, state]: [string, AggregateState]): boolean =>
      name.includes('\0queue\0') && JSON.stringify(state) !== JSON.stringify(noQueue);
    if (withQueues) for (const [name] of [...this.#rows].filter(isOpen)) take(name);
    return Promise.resolve({ mark: offset(this.#mark), rows, rebuilds: 0 });
  }
}

function fold(rows: Map<string, AggregateState>, event: EventEnvelope): void {
  for (const ref of evolver.touched(event)) {
    const name = nameOf(ref);
    rows.set(name, evolver.evolve(ref, rows.get(name) ?? null, event));
  }
}

const textsOf = (rows: ReadonlyMap<string, AggregateState>): ReadonlyMap<string, string> =>
  new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, JSON.stringify(v)]));
