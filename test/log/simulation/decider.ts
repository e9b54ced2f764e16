// The tiny processor of the little world: decides inputs on the states that the production lookup hands
// out. Every output says on which states it was decided.

import type { Decider, PlacedDraft, SourceRecord } from '../../../log/owner.js';
import type { BatchStates } from '../../../processors/state.js';
import { TrunklineError } from '../../../runtime/errors.js';
import { nameOf, type AggregateRef, type AggregateState } from '../../../schemas/aggregates.js';
import type { EventDraft } from '../../../schemas/events.js';
import {
  aliasRef,
  callRef,
  chainOf,
  contactRef,
  draftOf,
  evolvePayload,
  inputName,
  inputOf,
  readPayload,
  encodePayload,
  touchedBy,
  type Input,
  type Payload,
} from './inputs.js';
import type { Lookups } from './lookups.js';

export interface DeciderParts {
  readonly lookups: Lookups;
  readonly wait: () => Promise<void>;
  /** Whether the store's mark is asked for beside this decision. */
  readonly catchesUp: () => boolean;
  readonly reading: string | null;
  /** The contact as a read model has it. (A23) */
  readonly contactOfReadModel: (ref: AggregateRef) => AggregateState | undefined;
  /** After each ack. (A16) */
  readonly onAcknowledged: (placed: readonly PlacedDraft[]) => void;
}

/** A decider of one ownership. */
export function statesDecider(parts: DeciderParts): Decider {
  const { lookups, wait, reading } = parts;
  let behind: unknown = null;
  const aside = (): void => {
    lookups.catchUp().catch((thrown: unknown) => {
      behind = thrown;
    });
  };
  return {
    async decide(records) {
      await wait();
      if (parts.catchesUp()) aside();
      const inputs = records.map((record) => ({ record, input: inputOf(record) }));
      const refs = inputs.flatMap(({ input }) => refsOf(input));
      return lookups.use(refs, (batch) => {
        if (behind !== null) throw behind;
        if (reading !== 'M13') lookups.overlay.checkpoint();
        const all = reading === 'M13' ? forgetful(batch) : batch;
        return inputs.map(({ record, input }) => decideOne(parts, { record, input, batch: all }));
      });
    },
    revoke() {
      throw new Error('no input of this world is too large');
    },
    park() {
      throw new Error('no input of this world is too large');
    },
    acknowledged(placed) {
      for (const { draft, offset } of placed) {
        for (const ref of touched(reading, payloadOf(draft))) {
          lookups.overlay.acknowledge(nameOf(ref), offset);
        }
      }
      parts.onAcknowledged(placed);
    },
  };
}

const payloadOf = (draft: EventDraft): Payload => readPayload({ value: encodePayload(draft) });

/** The call behind an alias comes with it. */
const refsOf = ({ tenant, call }: Input): readonly AggregateRef[] => [
  aliasRef(tenant, call),
  contactRef(tenant),
];

/** A18: all but the first aggregate of an event are forgotten. */
const touched = (reading: string | null, payload: Payload): readonly AggregateRef[] =>
  reading === 'A18' ? touchedBy(payload).slice(0, 1) : touchedBy(payload);

/** M13: what was decided is seen by this batch alone. */
const forgetful = (batch: BatchStates): BatchStates => ({ ...batch, commit: () => undefined });

interface One {
  readonly record: SourceRecord;
  readonly input: Input;
  readonly batch: BatchStates;
}

function decideOne(parts: DeciderParts, { record, input, batch }: One): readonly EventDraft[] {
  const { tenant, call, contact, outputs } = input;
  const drafts = Array.from({ length: outputs }, (_, index) => {
    const alias = batch.get(aliasRef(tenant, call));
    const isKnown = typeof alias?.callId === 'string';
    const state = isKnown ? batch.get(callRef(tenant, call)) : null;
    // As the processors have it: the event that touches an alias touches its call.
    if (isKnown && state === null) {
      throw new TrunklineError('store_behind', 'an alias leads to a call that is not in the store');
    }
    const about = contactRef(tenant);
    const stale = parts.reading === 'A23' ? parts.contactOfReadModel(about) : batch.get(about);
    const payload: Payload = {
      ...{ tenant, input: inputName(record), index, of: outputs, call, contact },
      isFirst: !isKnown,
      before: { call: chainOf(state), contact: chainOf(stale) },
    };
    for (const ref of touched(parts.reading, payload)) {
      batch.set(ref, evolvePayload(ref, batch.get(ref), payload));
    }
    return draftOf(payload);
  });
  batch.commit();
  return drafts;
}
