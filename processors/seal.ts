// Station processors: sealing (design 7). Comes in: facts as the provider's file mapped them, opened from
// the day key. Goes out: the same facts with nothing personal in the clear. Nothing behind this line
// sees a number, a name or a text.

import { sealField, type KeyRing, type SubjectKey } from '../runtime/keys.js';
import type { StoredCallFact, StoredMessageFact } from '../schemas/call-state.js';
import type {
  ActFact,
  CallFact,
  MessageFact,
  NotUnderstoodFact,
  ProviderName,
  RecordFact,
  SourceFact,
  TimerFact,
} from '../schemas/facts.js';
import type { MessageId, RecordId, SubjectId, TenantId } from '../schemas/ids.js';
import { maskNumber } from '../schemas/mask.js';
import type { StoredRecordFact } from '../schemas/record-state.js';
import { bodyPlace, fieldPlace, type Party, type Sealed } from '../schemas/sealed.js';
import { messageIdOf } from './message/identity.js';
import { recordIdOf } from './record/identity.js';

/** The facts of one delivery. */
export interface ClearFacts {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly receivedAt: number;
  readonly facts: readonly SourceFact[];
}

/** A fact as decisions see it. */
export type SealedFact =
  | { readonly kind: 'call'; readonly fact: StoredCallFact }
  | { readonly kind: 'message'; readonly messageId: MessageId; readonly fact: StoredMessageFact }
  | { readonly kind: 'record'; readonly recordId: RecordId; readonly fact: StoredRecordFact }
  | {
      readonly kind: 'not_understood';
      readonly fact: NotUnderstoodFact;
      readonly receivedAt: number;
    }
  | { readonly kind: 'act'; readonly fact: ActFact }
  | { readonly kind: 'timer'; readonly fact: TimerFact; readonly receivedAt: number };

/** Seals the facts of a batch of deliveries: one round trip to the key store for unknown subjects. */
export async function sealFacts(
  keyRing: KeyRing,
  deliveries: readonly ClearFacts[],
): Promise<readonly (readonly SealedFact[])[]> {
  const subjects = await subjectsOf(keyRing, deliveries);
  const parties = new Map<string, Party>();
  return deliveries.map((delivery) => {
    const sealer = sealerOf(delivery, subjects, parties);
    return delivery.facts.map((fact): SealedFact => {
      switch (fact.kind) {
        case 'call':
          return { kind: 'call', fact: sealCall(delivery, fact, sealer) };
        case 'message': {
          const messageId = messageIdOf(delivery.tenant, delivery.provider, fact.messageRef);
          return { kind: 'message', messageId, fact: sealMessage(delivery, fact, sealer) };
        }
        case 'record': {
          const recordId = recordIdOf(delivery.tenant, delivery.provider, fact);
          return { kind: 'record', recordId, fact: sealRecord(delivery, fact, sealer) };
        }
        case 'not_understood':
          return { kind: 'not_understood', fact, receivedAt: delivery.receivedAt };
        case 'act':
          return { kind: 'act', fact };
        case 'timer':
          return { kind: 'timer', fact, receivedAt: delivery.receivedAt };
      }
    });
  });
}

/**
 * The subject of what belongs to a call or message but to no party: derived from its reference, so that
 * it can be erased on its own.
 */
const ownSubject = (kind: 'call' | 'message', provider: ProviderName, reference: string): string =>
  `${kind}:${provider}:${reference}`;

/** Whom a record's personal values are about: the object itself, else the person it is held for. */
const recordSubject = ({ tenant, provider }: Whose, fact: RecordFact): string =>
  recordIdOf(tenant, provider, fact.about ?? fact);

type Whose = Pick<ClearFacts, 'tenant' | 'provider'>;

/** Whose key seals a text: the person at the other end, else the message itself. */
function textSubject(provider: ProviderName, fact: MessageFact): string {
  const other = fact.direction === 'outbound' ? fact.to : fact.from;
  return present(other) ?? ownSubject('message', provider, fact.messageRef);
}

/** Providers send an empty text where they know no number. */
const present = (number: string | null): string | null => (number === '' ? null : number);

interface Subject {
  readonly id: SubjectId;
  readonly key: SubjectKey;
}
type Subjects = ReadonlyMap<string, Subject>;

async function subjectsOf(keyRing: KeyRing, deliveries: readonly ClearFacts[]): Promise<Subjects> {
  const wanted = new Map<string, { readonly tenant: TenantId; readonly of: string }>();
  for (const delivery of deliveries) {
    const { tenant, facts } = delivery;
    for (const of of facts.flatMap((fact) => namedBy(delivery, fact))) {
      wanted.set(`${tenant}\0${of}`, { tenant, of });
    }
  }
  if (wanted.size === 0) return new Map();
  const asked = [...wanted];
  const ids = await Promise.all(asked.map(([, { tenant, of }]) => keyRing.subjectId(tenant, of)));
  const named = asked.flatMap(([name, { tenant }], i) => {
    const subject = ids[i];
    return subject === undefined ? [] : [{ name, tenant, subject }];
  });
  const keys = await keyRing.subjectKeys(named);
  return new Map(
    named.flatMap(({ name, subject }, i): [string, Subject][] => {
      const key = keys[i];
      return key === undefined ? [] : [[name, { id: subject, key }]];
    }),
  );
}

/** Everything of a fact that a subject id is made from. */
function namedBy(whose: Whose, fact: SourceFact): readonly string[] {
  if (fact.kind === 'not_understood' || fact.kind === 'act' || fact.kind === 'timer') return [];
  const hasPersonal = Object.keys(fact.personal).length > 0;
  if (fact.kind === 'record') return hasPersonal ? [recordSubject(whose, fact)] : [];
  const { provider } = whose;
  const named = [present(fact.from), present(fact.to)].filter((number) => number !== null);
  if (fact.kind === 'call') {
    return hasPersonal ? [...named, ownSubject('call', provider, fact.legRef)] : named;
  }
  const own = hasPersonal ? [ownSubject('message', provider, fact.messageRef)] : [];
  const text = fact.body === null ? [] : [textSubject(provider, fact)];
  return [...named, ...own, ...text];
}

interface Sealer {
  subjectId(of: string): SubjectId;
  party(number: string | null): Party | null;
  field(subject: string, place: string, text: string): Sealed;
  personal(
    subject: string,
    owner: string,
    values: Readonly<Record<string, string>>,
  ): Readonly<Record<string, Sealed>>;
}

const nothingPersonal: Readonly<Record<string, Sealed>> = {};

function sealerOf({ tenant }: ClearFacts, subjects: Subjects, parties: Map<string, Party>): Sealer {
  const subjectOf = (of: string): Subject => {
    const subject = subjects.get(`${tenant}\0${of}`);
    if (subject === undefined) throw new Error('a subject was not asked for before sealing');
    return subject;
  };
  const field: Sealer['field'] = (subject, place, text) =>
    sealField(subjectOf(subject).key, place, text);
  return {
    field,
    subjectId: (of) => subjectOf(of).id,
    party(number) {
      const named = present(number);
      if (named === null) return null;
      const name = `${tenant}\0${named}`;
      const known = parties.get(name);
      if (known !== undefined) return known;
      const { id, key } = subjectOf(named);
      const sealed = sealField(key, fieldPlace(tenant, id, 'number'), named);
      const party: Party = { subjectId: id, masked: maskNumber(named), number: sealed };
      parties.set(name, party);
      return party;
    },
    personal(subject, owner, values) {
      const names = Object.keys(values);
      if (names.length === 0) return nothingPersonal;
      return Object.fromEntries(
        names.map((name) => {
          const place = fieldPlace(tenant, owner, `personal.${name}`);
          return [name, field(subject, place, values[name] ?? '')];
        }),
      );
    },
  };
}

/** Field by field: what is not listed here does not go on, so that nothing clear slips through. */
function sealCall(
  { provider, receivedAt }: ClearFacts,
  fact: CallFact,
  sealer: Sealer,
): StoredCallFact {
  const { legRef } = fact;
  return {
    factId: fact.factId,
    eventType: fact.eventType,
    occurredAt: fact.occurredAt,
    receivedAt,
    order: fact.order,
    legRef,
    parentRef: fact.parentRef,
    sessionRef: fact.sessionRef,
    direction: fact.direction,
    signal: fact.signal,
    durationSec: fact.durationSec,
    providerCode: fact.providerCode,
    details: fact.details,
    from: sealer.party(fact.from),
    to: sealer.party(fact.to),
    personal: sealer.personal(ownSubject('call', provider, legRef), legRef, fact.personal),
  };
}

function sealMessage(clear: ClearFacts, fact: MessageFact, sealer: Sealer): StoredMessageFact {
  const { tenant, provider, receivedAt } = clear;
  const { messageRef, body } = fact;
  const messageId = messageIdOf(tenant, provider, messageRef);
  const from = sealer.party(fact.from);
  const place = bodyPlace(tenant, { messageId, from });
  const own = ownSubject('message', provider, messageRef);
  return {
    factId: fact.factId,
    eventType: fact.eventType,
    occurredAt: fact.occurredAt,
    receivedAt,
    order: fact.order,
    messageRef,
    direction: fact.direction,
    status: fact.status,
    providerStatus: fact.providerStatus,
    providerCode: fact.providerCode,
    optOut: fact.optOut,
    details: fact.details,
    from,
    to: sealer.party(fact.to),
    body: body === null ? null : sealer.field(textSubject(provider, fact), place, body),
    personal: sealer.personal(own, messageId, fact.personal),
  };
}

function sealRecord(clear: ClearFacts, fact: RecordFact, sealer: Sealer): StoredRecordFact {
  const { tenant, provider, receivedAt } = clear;
  const subject = recordSubject(clear, fact);
  const hasPersonal = Object.keys(fact.personal).length > 0;
  return {
    factId: fact.factId,
    eventType: fact.eventType,
    occurredAt: fact.occurredAt,
    receivedAt,
    order: fact.order,
    area: fact.area,
    event: fact.event,
    objectType: fact.objectType,
    objectRef: fact.objectRef,
    parentRef: fact.parentRef,
    status: fact.status,
    deleted: fact.deleted,
    details: fact.details,
    subject: hasPersonal ? sealer.subjectId(subject) : null,
    personal: sealer.personal(subject, recordIdOf(tenant, provider, fact), fact.personal),
  };
}
