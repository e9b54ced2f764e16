// Station processors: the decider of one ownership. Comes in: inputs, acks. Goes out: the drafts of each
// input; the overlay follows what was decided and what is in the log.

import type { Codec } from '../log/event-codec.js';
import type { Decider, PlacedDraft, SourceRecord } from '../log/owner.js';
import { toError, TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import { nameOf, type AggregateRef } from '../schemas/aggregates.js';
import type { EventDraft } from '../schemas/events.js';
import { decideFacts, refsOfFact, type Whose } from './decide-input.js';
import { draftsOf, parkedDraft } from './drafts.js';
import { touchedBy } from './evolver.js';
import type { ProcessorMetrics } from './metrics.js';
import { openInputs, type Opened } from './open.js';
import type { Overlay } from './overlay.js';
import { sealFacts, type SealedFact } from './seal.js';
import type { BatchStates, States } from './state.js';

export interface DeciderParts {
  readonly codec: Codec;
  readonly keyRing: KeyRing;
  readonly states: States;
  readonly overlay: Overlay;
  readonly metrics: ProcessorMetrics;
  readonly logger: Logger;
  /** Resolves when the overlay may grow. */
  readonly room: () => Promise<void>;
}

/** A delivery with its facts sealed, or an input to park. */
type Ready = Opened & { readonly sealed: readonly SealedFact[] };

/** Decides on the states of one ownership; goes with it. */
export class OverlayDecider implements Decider {
  constructor(private readonly parts: DeciderParts) {}

  async decide(inputs: readonly SourceRecord[]): Promise<readonly (readonly EventDraft[])[]> {
    const { states, overlay, room } = this.parts;
    await room();
    const ready = await this.#prepare(inputs);
    const refs = ready.flatMap(refsOfInput);
    return states.use(refs, (batch) => {
      overlay.checkpoint();
      return ready.map((one) => this.#decideOne(one, batch));
    });
  }

  revoke(): void {
    this.parts.overlay.revoke();
  }

  park(input: SourceRecord, errorCode: string, error: string): readonly EventDraft[] {
    const { codec } = this.parts;
    const record = input.value === null ? null : codec.decodeFact(input.value);
    return [this.#parked({ ok: false, input, record, errorCode, error })];
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

  async #prepare(inputs: readonly SourceRecord[]): Promise<readonly Ready[]> {
    const { codec, keyRing } = this.parts;
    const opened = await openInputs(codec, keyRing, inputs);
    const readable = opened.filter((one) => one.ok);
    const sealed = await sealFacts(
      keyRing,
      readable.map(({ record, facts }) => {
        const { tenant, provider, receivedAt } = record;
        return { tenant, provider, receivedAt, facts };
      }),
    );
    let next = 0;
    return opened.map((one) => {
      if (!one.ok) return { ...one, sealed: [] };
      const own = sealed[next] ?? [];
      next += 1;
      return { ...one, sealed: own };
    });
  }

  /** A fault in the rules parks the one input it shows on; its touches are as if they never were. */
  #decideOne(one: Ready, batch: BatchStates): readonly EventDraft[] {
    if (!one.ok) return [this.#parked(one)];
    const { input, record, sealed } = one;
    try {
      const drafts = draftsOf(input, record, decideFacts(record, sealed, batch));
      batch.commit();
      this.#count(sealed, drafts);
      return drafts;
    } catch (thrown) {
      batch.discard();
      // That is no fault of the fact: the ownership ends and reads the store anew.
      if (thrown instanceof TrunklineError && thrown.code === 'store_behind') throw thrown;
      const { name, message } = toError(thrown);
      const error = `${name}: ${message}`;
      return [this.#parked({ ok: false, input, record, errorCode: 'decide_failed', error })];
    }
  }

  #parked({ input, record, errorCode, error }: Extract<Opened, { ok: false }>): EventDraft {
    const { metrics, logger } = this.parts;
    const { lane, offset, key } = input;
    logger.error(
      { code: 'fact_parked', lane, offset, tenant: key, errorCode, error },
      'a fact cannot be processed',
    );
    metrics.events.inc({ type: 'fact.parked' });
    return parkedDraft(input, record, errorCode, error);
  }

  #count(sealed: readonly SealedFact[], drafts: readonly EventDraft[]): void {
    const { metrics } = this.parts;
    for (const one of sealed) {
      metrics.facts.inc({ kind: one.kind });
      if (isUnattributed(one)) metrics.unattributed.inc();
    }
    for (const { body } of drafts) metrics.events.inc({ type: body.type });
  }
}

/** Every fact of a call, message or record names what it is about; one that does not is a fault of a mapping. */
const isUnattributed = (one: SealedFact): boolean =>
  (one.kind === 'call' && one.fact.legRef === '') ||
  (one.kind === 'message' && one.fact.messageRef === '') ||
  (one.kind === 'record' && one.fact.objectRef === '');

function refsOfInput(one: Ready): readonly AggregateRef[] {
  if (!one.ok) return [];
  const whose: Whose = one.record;
  return one.sealed.flatMap((sealed) => refsOfFact(whose, sealed));
}
