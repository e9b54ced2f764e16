// Station processors: the decider of one ownership. Comes in: inputs, acks. Goes out: the drafts of each
// input; the overlay follows what was decided and what is in the log.

import type { Codec } from '../log/event-codec.js';
import type { Decider, PlacedDraft, SourceRecord } from '../log/owner.js';
import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import { nameOf, type AggregateRef, type AggregateState } from '../schemas/aggregates.js';
import type { EventDraft } from '../schemas/events.js';
import {
  epoch,
  offset,
  ownerId,
  seq,
  tenantId,
  type EventId,
  type TenantId,
} from '../schemas/ids.js';
import { aliasStateOf } from './call/state.js';
import type { TimerRules } from './call/timers.js';
import { decideFacts, refsOfFact } from './decide-input.js';
import { draftsOf, parkedDraft, parkIdOf } from './drafts.js';
import { evolveBody, touchedBy } from './evolver.js';
import type { ProcessorMetrics } from './metrics.js';
import type { Overlay } from './overlay.js';
import { decideAct, failedAct, type Act, type Decision, type Released } from './parking/act.js';
import { parkedBody } from './parking/drafts.js';
import { faultOf, faultOfThrown, type Fault } from './parking/fault.js';
import { callName, namesOf, timerName } from './parking/names.js';
import { maxWaiting, queueRef, queueStateOf } from './parking/state.js';
import { prepareInputs, type Ready, type ReadyDelivery } from './prepare.js';
import type { SealedFact } from './seal.js';
import type { BatchStates, States } from './state.js';

export interface DeciderParts {
  readonly codec: Codec;
  readonly keyRing: KeyRing;
  readonly states: States;
  readonly overlay: Overlay;
  readonly metrics: ProcessorMetrics;
  readonly logger: Logger;
  /** How long the timers of calls run; the defaults where nothing is said. */
  readonly timers?: TimerRules;
  /** Resolves when the overlay may grow. */
  readonly room: () => Promise<void>;
  /** A record of a source topic; null when it is kept there no more. */
  readonly readSource: (topic: string, offset: number) => Promise<SourceRecord | null>;
  /** Of one batch of the log. */
  readonly maxBatchBytes: number;
  /** The rules; a test puts others in their place to have a fact fail and be mended. */
  readonly decideFacts?: typeof decideFacts;
}

/**
 * A larger record is not carried in the event that parks it: states and events stay small, and the overlay, which
 * counts states, not bytes, stays in its bound when many park at once.
 */
const mostCarriedBytes = 64 * 1024;

/** Decides on the states of one ownership; goes with it. */
export class OverlayDecider implements Decider {
  readonly #decideFacts: typeof decideFacts;

  constructor(private readonly parts: DeciderParts) {
    this.#decideFacts = decidingBy(parts);
  }

  async decide(inputs: readonly SourceRecord[]): Promise<readonly (readonly EventDraft[])[]> {
    const { overlay, room } = this.parts;
    await room();
    overlay.checkpoint();
    const outputs: (readonly EventDraft[])[] = [];
    for (const run of runsOf(await prepareInputs(this.parts, inputs))) {
      const [first] = run;
      const act = first === undefined ? null : actIn(first);
      if (act === null) outputs.push(...(await this.#decideRun(run)));
      else outputs.push(await this.#decideAct(act));
    }
    return outputs;
  }

  revoke(): void {
    this.parts.overlay.revoke();
  }

  async park(
    input: SourceRecord,
    errorCode: string,
    error: string,
  ): Promise<readonly EventDraft[]> {
    const [ready] = await prepareInputs(this.parts, [input]);
    if (ready === undefined) return [];
    const act = actIn(ready);
    if (act !== null) return [failedAct(act, errorCode)];
    const fault = ready.ok ? faultOf(errorCode, error) : ready;
    return this.parts.states.use(refsOfInput(ready), (batch) => [this.#park(ready, fault, batch)]);
  }

  acknowledged(placed: readonly PlacedDraft[]): void {
    const { overlay, metrics } = this.parts;
    for (const { draft, offset } of placed) {
      for (const ref of touchedBy(draft.tenant, draft.body)) {
        overlay.acknowledge(nameOf(ref), offset);
      }
    }
    metrics.appended.inc(placed.length);
  }

  #decideRun(run: readonly Ready[]): Promise<readonly (readonly EventDraft[])[]> {
    return this.parts.states.use(run.flatMap(refsOfInput), (batch) =>
      run.map((one) => this.#decideOne(one, batch)),
    );
  }

  /** A fault in the rules parks the one input it shows on; its touches are as if they never were. */
  #decideOne(one: Ready, batch: BatchStates): readonly EventDraft[] {
    if (!one.ok) return [this.#park(one, one, batch)];
    if (this.parts.overlay.queues.size > 0) {
      if (this.#waitsAlready(one)) return [];
      const behind = this.#queueBefore(one, batch);
      if (behind !== null) return [this.#park(one, behind, batch)];
    }
    try {
      const drafts = draftsOf(
        one.input,
        one.record,
        this.#decideFacts(one.record, one.sealed, batch),
      );
      batch.commit();
      this.#countFacts(one.sealed);
      this.#countEvents(drafts);
      return drafts;
    } catch (thrown) {
      return [this.#park(one, this.#faultIn(thrown, batch), batch)];
    }
  }

  #faultIn(thrown: unknown, batch: BatchStates): Fault {
    batch.discard();
    // That is no fault of the fact: the ownership ends and reads the store anew.
    if (thrown instanceof TrunklineError && thrown.code === 'store_behind') throw thrown;
    return faultOfThrown(thrown, 'decide_failed');
  }

  #queueBefore(one: ReadyDelivery, batch: BatchStates): Fault | null {
    const queueId = this.#findQueue(one.record.tenant, namesWithCalls(one, batch));
    return queueId === null ? null : faultOf('behind', `waits behind ${queueId}`);
  }

  /** A timer is said again until its call has heard it. */
  #waitsAlready({ record, facts }: ReadyDelivery): boolean {
    const timers = facts.flatMap((fact) => (fact.kind === 'timer' ? timerName(fact.factId) : []));
    return timers.length > 0 && this.#findQueue(record.tenant, timers) !== null;
  }

  #findQueue(tenant: TenantId, names: readonly string[]): EventId | null {
    return this.parts.overlay.queues.find(tenant, names);
  }

  /** Puts an input at the end of the queue it belongs to, or begins one. */
  #park(one: Ready, because: Fault, batch: BatchStates): EventDraft {
    const { input, record, facts } = one;
    const { overlay } = this.parts;
    const tenant = tenantId(input.key);
    const names = record === null ? [] : namesWithCalls(one, batch);
    const parkId = parkIdOf(input);
    const queueId = this.#findQueue(tenant, names);
    const queue = queueId === null ? null : overlay.get(nameOf(queueRef(tenant, queueId)));
    const isFull = queue !== undefined && queue !== null && isQueueFull(queue);
    const fault = isFull ? faultOf('queue_full', `${maxWaiting} facts wait before it`) : because;
    const place = isFull ? { queueId: parkId, names: [] } : { queueId: queueId ?? parkId, names };
    const maxCarriedBytes = Math.min(mostCarriedBytes, this.parts.maxBatchBytes / 4);
    const body = parkedBody({ input, record, facts, parkId, ...place, fault, maxCarriedBytes });
    for (const ref of touchedBy(tenant, body)) {
      batch.set(ref, evolveBody(ref, batch.get(ref), body));
    }
    batch.commit();
    this.#tellParked(input, fault);
    return parkedDraft(input, record, body);
  }

  #decideAct(act: Act): Promise<readonly EventDraft[]> {
    const { states, overlay, readSource, maxBatchBytes } = this.parts;
    this.parts.metrics.facts.inc({ kind: 'act' });
    const prepare = (inputs: readonly SourceRecord[]) => prepareInputs(this.parts, inputs);
    const decide = (one: Released, batch: BatchStates) => this.#decideReleased(one, batch);
    // All that an act releases stands in one batch, beside its own event.
    const maxBytes = Math.floor(maxBatchBytes * 0.9) - actBytes;
    const parts = { states, overlay, prepare, readSource, decide, maxBytes };
    return decideAct(parts, act).then((drafts) => {
      this.#countEvents(drafts);
      return drafts;
    });
  }

  #decideReleased({ by, parkId, ready, room }: Released, batch: BatchStates): Decision {
    const { record, sealed } = ready;
    try {
      const drafts = draftsOf(by, record, this.#decideFacts(record, sealed, batch), parkId);
      const bytes = this.#bytesOf(drafts);
      if (bytes > room) {
        batch.discard();
        return { ok: false, fault: 'no_room' };
      }
      batch.commit();
      this.#countFacts(sealed);
      return { ok: true, drafts, bytes };
    } catch (thrown) {
      const fault = this.#faultIn(thrown, batch);
      const isEncoding = fault.errorCode === 'value_unreadable';
      return {
        ok: false,
        fault: isEncoding ? faultOf('outputs_not_encodable', fault.error) : fault,
      };
    }
  }

  /** What the events will take: encoded as the owner will encode them, which also shows if that fails. */
  #bytesOf(drafts: readonly EventDraft[]): number {
    return drafts.reduce((sum, draft) => {
      const value = this.parts.codec.encodeEvent({ ...draft, ...unnumbered });
      return sum + value.length + recordFrameBytes;
    }, 0);
  }

  #tellParked({ lane, offset, key }: SourceRecord, { errorCode, errorClass, error }: Fault): void {
    const { metrics, logger } = this.parts;
    metrics.events.inc({ type: 'fact.parked' });
    metrics.parked.inc({ class: errorClass });
    const fields = { code: 'fact_parked', lane, offset, tenant: key, errorCode, errorClass, error };
    if (errorClass === 'behind') logger.warn(fields, 'a fact waits behind a parked one');
    else logger.error(fields, 'a fact cannot be processed');
  }

  #countFacts(sealed: readonly SealedFact[]): void {
    const { metrics } = this.parts;
    for (const one of sealed) {
      metrics.facts.inc({ kind: one.kind });
      if (isUnattributed(one)) metrics.unattributed.inc();
    }
  }

  #countEvents(drafts: readonly EventDraft[]): void {
    for (const { body } of drafts) this.parts.metrics.events.inc({ type: body.type });
  }
}

/** Stands in for the numbers that the owner gives; real ones are shorter. */
const unnumbered = {
  schemaVersion: 1,
  seq: seq(2 ** 48),
  epoch: epoch('0'.repeat(36)),
  owner: ownerId('0'.repeat(36)),
  covered: { realtime: offset(2 ** 48), bulk: offset(2 ** 48) },
} as const;
/** What the event of an act takes of a batch, its reason included. */
const actBytes = 2048;
/** What a record of the log takes beside its value, generously: key, header and frame. */
const recordFrameBytes = 512;

/** Acts are decided alone: what they release follows from everything before them. */
function runsOf(ready: readonly Ready[]): readonly (readonly Ready[])[] {
  const runs: Ready[][] = [];
  let open: Ready[] | null = null;
  for (const one of ready) {
    if (actIn(one) !== null) {
      runs.push([one]);
      open = null;
    } else if (open === null) {
      open = [one];
      runs.push(open);
    } else open.push(one);
  }
  return runs;
}

function actIn(one: Ready): Act | null {
  if (!one.ok) return null;
  const [sealed] = one.sealed;
  if (sealed?.kind !== 'act') return null;
  return { input: one.input, record: one.record, fact: sealed.fact };
}

/** The names of a delivery's facts, and of the calls that their references lead to. */
function namesWithCalls(one: Ready, batch: BatchStates): string[] {
  const { record, facts } = one;
  if (record === null) return [];
  const names = namesOf(record, facts);
  if (!one.ok) return names;
  const calls = new Set<string>();
  for (const ref of refsOfInput(one)) {
    const state = ref.kind === 'alias' ? batch.get(ref) : null;
    if (state !== null) calls.add(callName(aliasStateOf(state).callId));
  }
  return [...names, ...calls];
}

/** The rules, with how long the timers of this installation run. */
function decidingBy({
  timers,
  decideFacts: decide = decideFacts,
}: DeciderParts): typeof decideFacts {
  if (timers === undefined) return decide;
  return ({ tenant, provider }, facts, states) =>
    decide({ tenant, provider, rules: timers }, facts, states);
}

const isQueueFull = (state: AggregateState): boolean =>
  queueStateOf(state).waiting.length >= maxWaiting;

/** Every fact of a call, message or record names what it is about; one that does not is a fault of a mapping. */
const isUnattributed = (one: SealedFact): boolean =>
  (one.kind === 'call' && one.fact.legRef === '') ||
  (one.kind === 'message' && one.fact.messageRef === '') ||
  (one.kind === 'record' && one.fact.objectRef === '');

const refsOfInput = (one: Ready): readonly AggregateRef[] =>
  one.ok ? one.sealed.flatMap((sealed) => refsOfFact(one.record, sealed)) : [];
