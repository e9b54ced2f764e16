// Station processors: an operator's act on parked facts. Comes in: an act and the states of what waits. Goes
// out: the facts whose turn it is, decided in their order under the present rules; the first that fails
// again keeps the rest parked.

import type { SourceRecord } from '../../log/lanes.js';
import { nameOf, type AggregateRef, type AggregateState } from '../../schemas/aggregates.js';
import type { EventDraft, ParkedBody } from '../../schemas/events.js';
import type { ActFact, RecordedFact } from '../../schemas/facts.js';
import type { EventId, TenantId } from '../../schemas/ids.js';
import type { ActBody, ActRefusal } from '../../schemas/parking.js';
import { refsOfFact } from '../decide-input.js';
import { actDraft } from '../drafts.js';
import { evolveBody, touchedBy } from '../evolver.js';
import type { Overlay } from '../overlay.js';
import type { Ready } from '../prepare.js';
import type { BatchStates, States } from '../state.js';
import { outcomeBody } from './drafts.js';
import { faultOf, type Fault } from './fault.js';
import {
  noQueue,
  parkedRef,
  parkedStateOf,
  queueRef,
  queueStateOf,
  type ParkedState,
  type QueueState,
  type WaitingState,
} from './state.js';

/** Most facts of one act: their records are opened together. The rest waits for the next act. */
const maxReleased = 200;

export interface ActParts {
  readonly states: States;
  readonly overlay: Overlay;
  readonly prepare: (inputs: readonly SourceRecord[]) => Promise<readonly Ready[]>;
  /** The record of a parked fact from its source topic; null when it is kept there no more. */
  readonly readSource: (topic: string, offset: number) => Promise<SourceRecord | null>;
  /**
   * Decides a fact whose turn it is, as if it came now; the touches are committed. A fault leaves no touch.
   * `bytes`: what its events take of a batch.
   */
  readonly decide: (one: Released, batch: BatchStates) => Decision;
  /** Bytes that the outputs of one input may take. */
  readonly maxBytes: number;
}

/** A parked fact whose turn it is, by which act. */
export interface Released {
  readonly by: SourceRecord;
  readonly parkId: EventId;
  readonly ready: Extract<Ready, { ok: true }>;
  readonly room: number;
}

export type Decision =
  | { readonly ok: true; readonly drafts: readonly EventDraft[]; readonly bytes: number }
  | { readonly ok: false; readonly fault: Fault }
  | { readonly ok: false; readonly fault: 'no_room' };

/** An act as it came. */
export interface Act {
  readonly input: SourceRecord;
  readonly record: RecordedFact;
  readonly fact: ActFact;
}

/** A fact that waits, with its record made ready; null when the source holds it no more. */
interface Waiting {
  readonly parkId: EventId;
  readonly state: WaitingState;
  readonly ready: Ready | null;
}

/** Decides one act after everything before it; nothing else is decided meanwhile. */
export async function decideAct(parts: ActParts, act: Act): Promise<readonly EventDraft[]> {
  const { states, overlay } = parts;
  const { fact, record } = act;
  const { tenant } = record;
  const about = await states.use([parkedRef(tenant, fact.about)], (batch) => {
    const state = batch.get(parkedRef(tenant, fact.about));
    return state === null ? null : parkedStateOf(state);
  });
  const refused = refusalOf(about, fact);
  if (refused !== null || about === null) return [refusal(act, refused ?? 'unknown')];
  const queue = queueIn(overlay, tenant, about.queueId);
  const isDiscard = fact.act === 'discard';
  // A fact in the middle holds up nobody: without it the others wait on as before.
  const isHead = queue.waiting[0] === fact.about;
  const candidates = isDiscard ? (isHead ? queue.waiting.slice(1) : []) : queue.waiting;
  const waiting = await gather(parts, tenant, candidates.slice(0, maxReleased));
  if (waiting === null) return [failedAct(act, 'queue_broken')];
  const refs = waiting.flatMap((one) => refsOfWaiting(tenant, one));
  refs.push(parkedRef(tenant, fact.about));
  return states.use(refs, (batch) => new Release(parts, act, batch).run(about, waiting));
}

/** One act as it is carried out: what it has given so far. */
class Release {
  readonly #drafts: EventDraft[] = [];
  #bytes = 0;
  #released = 0;
  #failed: string | null = null;

  constructor(
    private readonly parts: ActParts,
    private readonly act: Act,
    private readonly batch: BatchStates,
  ) {}

  run(about: ParkedState, waiting: readonly Waiting[]): readonly EventDraft[] {
    const { fact, record } = this.act;
    this.#touch(bodyOf(fact, { type: 'act.applied' }));
    if (fact.act === 'discard') this.#say(fact.about, about as WaitingState, 'fact.discarded');
    for (const one of waiting) if (!this.#release(one)) break;
    const { waiting: left } = queueIn(this.parts.overlay, record.tenant, about.queueId);
    const counts = { released: this.#released, remaining: left.length, failed: this.#failed };
    const told = bodyOf(fact, { type: 'act.applied', ...counts });
    return [actDraft(this.act.input, record, told), ...this.#drafts];
  }

  /** False when the rest waits on: this one failed again, or no more fits into one batch. */
  #release({ parkId, state, ready }: Waiting): boolean {
    const fault = faultBefore(this.parts.overlay, this.act.record.tenant, state, ready);
    if (fault !== null || ready?.ok !== true) return this.#fail(parkId, state, fault ?? gone);
    const room = this.parts.maxBytes - this.#bytes;
    const decision = this.parts.decide({ by: this.act.input, parkId, ready, room }, this.batch);
    if (!decision.ok) {
      if (decision.fault !== 'no_room') return this.#fail(parkId, state, decision.fault);
      if (this.#bytes > 0) return false;
      return this.#fail(parkId, state, tooLarge(this.parts.maxBytes));
    }
    this.#drafts.push(...decision.drafts);
    this.#bytes += decision.bytes;
    this.#released += 1;
    this.#say(parkId, state, 'fact.released');
    return true;
  }

  #fail(parkId: EventId, state: WaitingState, fault: Fault): false {
    this.#failed = fault.errorCode;
    this.#say(parkId, state, 'fact.still_parked', fault);
    return false;
  }

  #say(
    parkId: EventId,
    state: WaitingState,
    type: Exclude<ParkedBody['type'], 'fact.parked'>,
    fault?: Fault,
  ): void {
    const { input, record, fact } = this.act;
    const outcome = { type, parkId, state, actId: fact.factId };
    const body = outcomeBody(fault === undefined ? outcome : { ...outcome, fault });
    this.#touch(body);
    this.#drafts.push(actDraft(input, record, body));
    this.#bytes += outcomeBytes;
  }

  #touch(body: ActBody | ParkedBody): void {
    const { tenant } = this.act.record;
    for (const ref of touchedBy(tenant, body)) {
      this.batch.set(ref, evolveBody(ref, this.batch.get(ref), body));
    }
    this.batch.commit();
  }
}

/** What an event of an outcome takes of a batch, generously. */
const outcomeBytes = 1024;

const gone = faultOf('source_gone', 'the source topic does not hold the record any more');
const tooLarge = (limit: number): Fault =>
  faultOf('outputs_too_large', `its outputs take more than the ${limit} bytes of a batch`);

/** Why a fact cannot even be tried. */
function faultBefore(
  { queues }: Overlay,
  tenant: TenantId,
  state: WaitingState,
  ready: Ready | null,
): Fault | null {
  if (ready === null) return gone;
  if (!ready.ok) return ready;
  // It was put in the last of the queues that it belongs to; it waits for the ones before.
  const earlier = queues.find(tenant, state.refs, state.queueId);
  return earlier === null ? null : faultOf('behind', `waits for the queue of ${earlier}`);
}

function refusalOf(about: ParkedState | null, fact: ActFact): ActRefusal | 'copy' | null {
  if (about === null) return 'unknown';
  if (about.acts.includes(fact.factId)) return 'copy';
  if (!('outcome' in about)) return null;
  return about.outcome === 'released' ? 'already_released' : 'already_discarded';
}

const refusal = ({ input, record, fact }: Act, why: ActRefusal | 'copy'): EventDraft =>
  actDraft(
    input,
    record,
    why === 'copy'
      ? bodyOf(fact, { type: 'act.duplicate_seen' })
      : bodyOf(fact, { type: 'act.refused', refused: why }),
  );

/** An act that cannot be carried out at all: its own outputs do not fit. */
export const failedAct = ({ input, record, fact }: Act, errorCode: string): EventDraft =>
  actDraft(input, record, bodyOf(fact, { type: 'act.applied', failed: errorCode }));

const bodyOf = (
  { factId, act, about, actor, reason }: ActFact,
  more: Pick<ActBody, 'type'> & Partial<ActBody>,
): ActBody => ({
  ...{ kind: 'act', actId: factId, act, about, actor, reason },
  ...{ refused: null, released: 0, remaining: 0, failed: null },
  ...more,
});

function queueIn(overlay: Overlay, tenant: TenantId, queueId: EventId): QueueState {
  const state = overlay.get(nameOf(queueRef(tenant, queueId)));
  return state === undefined ? noQueue : queueStateOf(state);
}

/** The facts of a queue with their records made ready; null when one of them has no row that waits. */
async function gather(
  parts: ActParts,
  tenant: TenantId,
  parkIds: readonly EventId[],
): Promise<readonly Waiting[] | null> {
  const refs = parkIds.map((parkId) => parkedRef(tenant, parkId));
  const found = await parts.states.use(refs, (batch) => refs.map((ref) => batch.get(ref)));
  const states = parkIds.flatMap((parkId, i) => {
    const state = waitingIn(found[i] ?? null);
    return state === null ? [] : [{ parkId, state }];
  });
  if (states.length < parkIds.length) return null;
  const sources = await Promise.all(states.map(({ state }) => sourceOf(parts, tenant, state)));
  const ready = await parts.prepare(sources.filter((source) => source !== null));
  let next = 0;
  return states.map(({ parkId, state }, i) => {
    if (sources[i] === null) return { parkId, state, ready: null };
    const own = ready[next] ?? null;
    next += 1;
    return { parkId, state, ready: own };
  });
}

/**
 * A queue and its facts are changed by the same events: one is never there without the other. If it were, an act
 * that throws would end every ownership of the partition, so it is told as failed.
 */
function waitingIn(state: AggregateState | null): WaitingState | null {
  const found = state === null ? null : parkedStateOf(state);
  return found === null || 'outcome' in found ? null : found;
}

async function sourceOf(
  parts: ActParts,
  tenant: TenantId,
  { sourceTopic, sourceOffset, sourceAt, content }: WaitingState,
): Promise<SourceRecord | null> {
  if (content === null) return parts.readSource(sourceTopic, sourceOffset);
  return {
    key: tenant,
    header: '',
    value: Buffer.from(content, 'base64'),
    offset: sourceOffset,
    appendedAt: sourceAt,
    lane: sourceTopic === 'deliveries.bulk' ? 'bulk' : 'realtime',
  };
}

/** Its own row too: the overlay may have let go of it since it was read. */
const refsOfWaiting = (tenant: TenantId, { parkId, ready }: Waiting): readonly AggregateRef[] => {
  const own = parkedRef(tenant, parkId);
  if (ready?.ok !== true) return [own];
  return [own, ...ready.sealed.flatMap((sealed) => refsOfFact(ready.record, sealed))];
};
