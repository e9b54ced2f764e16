// Arbitrary events and facts for the codec and the log: every union, every null.

import fc from 'fast-check';
import { recordEventTypes, type EventBody, type EventEnvelope } from '../../schemas/events.js';
import {
  actNames,
  callStatuses,
  failureCauses,
  messageStatuses,
  recordAreas,
  type RecordedFact,
} from '../../schemas/facts.js';
import { timerNames } from '../../schemas/timers.js';
import {
  actEventTypes,
  actRefusals,
  parkedClasses,
  parkedEventTypes,
} from '../../schemas/parking.js';

const text = fc.string({ maxLength: 24, unit: 'grapheme' });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const whole = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const long = fc.integer({ min: -(2 ** 52), max: Number.MAX_SAFE_INTEGER - 1 });
const offset = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER - 1 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const name = text.filter((key) => key !== '__proto__');
const number = fc.double({ noNaN: true });

const sealed = fc.record({ keyId: text, nonce: text, ciphertext: text, tag: text });
const party = fc.record({ subjectId: text, masked: text, number: sealed });
const order = fc.record({ phase: fc.constantFrom(0, 1, 2), atUs: time, seq: long });
const details = fc.dictionary(name, fc.oneof(text, number, fc.boolean()), {
  noNullPrototype: true,
});
const personal = fc.dictionary(name, sealed, { noNullPrototype: true });
const status = fc.constantFrom(...callStatuses);
const cause = fc.constantFrom(...failureCauses);
const direction = maybe(fc.constantFrom('inbound', 'outbound'));
const provider = fc.constantFrom('twilio', 'telnyx', 'vonage');

const signal = fc.oneof(
  fc.record({ type: fc.constant('status'), status, cause: maybe(cause), reason: maybe(text) }),
  fc.record({ type: fc.constant('hangup'), cause }),
  fc.record({ type: fc.constant('note'), name: text }),
  fc.record({
    type: fc.constant('timer'),
    name: fc.constantFrom(...timerNames),
    reason: maybe(text),
  }),
);

const factBase = {
  factId: text,
  eventType: text,
  occurredAt: maybe(time),
  receivedAt: time,
  order,
  direction,
  providerCode: maybe(text),
  details,
  from: maybe(party),
  to: maybe(party),
  personal,
};

const callFact = fc.record({
  ...factBase,
  legRef: text,
  parentRef: maybe(text),
  sessionRef: maybe(text),
  signal,
  durationSec: maybe(number),
});

const messageFact = fc.record({
  ...factBase,
  messageRef: text,
  status: fc.constantFrom(...messageStatuses),
  providerStatus: text,
  optOut: maybe(fc.constantFrom('stop', 'start', 'help')),
  body: maybe(sealed),
});

const parties = { direction, from: maybe(party), to: maybe(party), providerCode: maybe(text) };

const leg = fc.record({
  ...parties,
  legId: text,
  legRef: text,
  parentRef: maybe(text),
  primary: fc.boolean(),
  status,
  cause: maybe(cause),
  startedAt: time,
  answeredAt: maybe(time),
  endedAt: maybe(time),
  durationSec: maybe(number),
});

const callView = fc.record({
  ...parties,
  callId: text,
  provider,
  status,
  enteredAt: time,
  reason: maybe(text),
  sourceFact: maybe(text),
  inferred: fc.boolean(),
  cause: maybe(cause),
  startedAt: time,
  ringingAt: maybe(time),
  answeredAt: maybe(time),
  endedAt: maybe(time),
  durationSec: maybe(number),
  amd: maybe(text),
  recordings: whole,
  legs: fc.array(leg, { maxLength: 2 }),
  factCount: whole,
  refusedCount: whole,
  settledAt: maybe(time),
  mergedInto: maybe(text),
});

const entry = fc.record({
  entryId: text,
  type: text,
  legRef: maybe(text),
  status: maybe(status),
  order,
  occurredAt: maybe(time),
  receivedAt: time,
  inferred: fc.boolean(),
  late: fc.boolean(),
  refused: maybe(text),
  reason: maybe(text),
  providerCode: maybe(text),
  details,
});

const timeline = fc.record({
  upsert: fc.array(entry, { maxLength: 2 }),
  remove: fc.array(text, { maxLength: 2 }),
});

const callBody = fc.record({
  kind: fc.constant('call'),
  type: fc.constantFrom('call.ringing', 'call.merged'),
  callId: text,
  fact: maybe(callFact),
  after: callView,
  timeline,
  aliases: fc.array(text, { maxLength: 2 }),
  mergedFrom: maybe(text),
  timer: maybe(
    fc.record({ name: fc.constantFrom(...timerNames), timerId: text, since: time, dueAt: time }),
  ),
  reason: maybe(text),
});

const messageBody = fc.record({
  kind: fc.constant('message'),
  type: fc.constant('message.received'),
  messageId: text,
  fact: maybe(messageFact),
  after: fc.record({
    ...parties,
    messageId: text,
    provider,
    status: fc.constantFrom(...messageStatuses),
    providerStatus: text,
    optOut: maybe(fc.constantFrom('stop', 'start', 'help')),
    body: maybe(sealed),
    mediaCount: whole,
    createdAt: time,
    updatedAt: time,
    factCount: whole,
  }),
  reason: maybe(text),
});

const notUnderstoodBody = fc.record({
  kind: fc.constant('not_understood'),
  type: fc.constant('delivery.not_understood'),
  callId: maybe(text),
  legRef: maybe(text),
  eventType: text,
  receivedAt: time,
  reason: text,
  timeline,
});

const parkedBody = fc.record({
  kind: fc.constant('parked'),
  type: fc.constantFrom(...parkedEventTypes),
  sourceTopic: text,
  sourceOffset: offset,
  errorCode: text,
  error: text,
  parking: maybe(
    fc.record({
      ...{ parkId: text, queueId: text, errorClass: fc.constantFrom(...parkedClasses) },
      ...{ attempts: whole, refs: fc.array(text, { maxLength: 3 }), recordBytes: whole },
      facts: fc.array(
        fc.record({
          ...{ kind: text, eventType: text, ref: maybe(text), from: maybe(text), to: maybe(text) },
        }),
        { maxLength: 2 },
      ),
      ...{ deliveryId: maybe(text), endpoint: maybe(text), sourceAt: time, actId: maybe(text) },
      content: maybe(fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes))),
    }),
  ),
});

const actBody = fc.record({
  kind: fc.constant('act'),
  type: fc.constantFrom(...actEventTypes),
  ...{ actId: text, act: fc.constantFrom(...actNames), about: text, actor: text, reason: text },
  refused: maybe(fc.constantFrom(...actRefusals)),
  ...{ released: whole, remaining: whole, failed: maybe(text) },
});

const area = fc.constantFrom(...recordAreas);
const object = { objectType: text, objectRef: text, parentRef: maybe(text), status: maybe(text) };

const recordBody = fc.record({
  kind: fc.constant('record'),
  type: fc.constantFrom(...recordEventTypes),
  recordId: text,
  event: text,
  fact: maybe(
    fc.record({
      ...{ factId: text, eventType: text, occurredAt: maybe(time), receivedAt: time, order },
      ...{ ...object, area, event: text, deleted: fc.boolean(), details },
      ...{ subject: maybe(text), personal },
    }),
  ),
  after: fc.record({
    ...{ ...object, recordId: text, provider, area, deleted: fc.boolean(), lastEvent: text },
    ...{ details, subject: maybe(text), personal },
    ...{ createdAt: time, updatedAt: time, factCount: whole },
  }),
  reason: maybe(text),
});

const body = fc.oneof(
  ...[callBody, messageBody, recordBody, notUnderstoodBody, parkedBody, actBody],
) as unknown;

/** Any event of any kind. Brands are types only, so arbitrary text stands for them. */
export const anyEvent = fc.record({
  tenant: text,
  eventId: text,
  factId: maybe(text),
  provider: maybe(provider),
  occurredAt: maybe(time),
  receivedAt: time,
  correlationId: text,
  traceId: text,
  ruleVersions: fc.dictionary(name, whole, { noNullPrototype: true }),
  body: body as fc.Arbitrary<EventBody>,
  schemaVersion: fc.constant(1),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
  epoch: text,
  owner: text,
  covered: fc.record({ realtime: offset, bulk: offset }),
}) as unknown as fc.Arbitrary<EventEnvelope>;

/** Any record of `deliveries`. */
export const anyFact = fc.record({
  tenant: text,
  endpoint: text,
  provider,
  deliveryId: text,
  receivedAt: time,
  correlationId: text,
  traceId: text,
  schemaVersion: fc.constant(1),
  mappingVersion: whole,
  dayKey: text,
  sealed: fc.uint8Array({ maxLength: 300 }),
}) as unknown as fc.Arbitrary<RecordedFact>;
