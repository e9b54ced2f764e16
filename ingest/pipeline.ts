// Ingest: the way of a delivery from the wire to the log. Comes in: a request. Goes out: 2xx in the
// provider's form once the delivery is durable, or the answer of the first layer that refuses.

import type { Clock } from '../runtime/clock.js';
import type { HttpHandler, HttpResponse } from '../runtime/http.js';
import type { Endpoint, Registry } from '../runtime/registry.js';
import type { VerifiedDelivery } from '../schemas/stages.js';
import type { Answers, Refusal } from './acknowledge.js';
import type { Admission, Share } from './admit.js';
import { isAllowedSource } from './allow.js';
import type { Appends } from './append.js';
import { suspectDetail, type ClockWatch } from './clock-watch.js';
import { identifyEndpoint, identifyLate } from './identify.js';
import type { Limits } from './limit.js';
import { acknowledgement, mapDelivery } from './providers/registry.js';
import { receiveDelivery } from './receive.js';
import { recordDelivery, type RecorderOptions } from './record.js';
import type { Turns } from './turns.js';
import type { Refusal as SchemeRefusal } from './schemes/scheme.js';
import { verifyDelivery } from './verify.js';

/** What the layers need. */
export interface PipelineParts {
  readonly registry: Registry;
  readonly limits: Limits;
  readonly door: Admission;
  readonly turns: Pick<Turns, 'take'>;
  readonly answers: Answers;
  readonly recorder: RecorderOptions;
  readonly appends: Appends;
  readonly clock: Clock;
  readonly clockWatch: Pick<ClockWatch, 'noteSigned' | 'suspectsOwnClock'>;
  /** True once the process stops: nothing new is taken. */
  readonly isStopping: () => boolean;
}

/**
 * The layers of design section 4, in order; the first failure answers. Rates are asked first and taken once
 * the signature is right: a sender that cannot sign uses up nobody's rate (decision 0007).
 */
export function createPipeline(parts: PipelineParts): HttpHandler {
  const { registry, limits, door, turns, answers, recorder, appends, clock, clockWatch } = parts;
  const { isStopping } = parts;
  return async (request) => {
    const known = identifyEndpoint(request, registry);
    const passage = { request, endpoint: known };
    if (isStopping()) return answers.refused(passage, stopping);

    // rate limit, as far as it is known to be used up
    const admission = limits.admit(known, request.clientAddress);
    if (!admission.ok) return answers.limited(passage, admission.standing);
    // once it has a place: who is turned away does not count for its tenant's part
    let place: Share | null = null;
    const turnAway = (refusal: Refusal): HttpResponse => {
      if (place !== null) door.discount(place);
      const { isSuspect } = admission;
      const standing = limits.failed(known, request.clientAddress, isSuspect);
      return answers.refused({ ...passage, standing }, isSuspect ? untold(refusal) : refusal);
    };
    const endpoint = known ?? (await identifyLate(request, registry));
    if (endpoint === 'absent') return turnAway(endpointUnknown);
    if (endpoint === 'unknowable') return turnAway(endpointUnconfirmed);

    // room for it, and for its tenant
    const size = request.body.length;
    const share = door.enter(endpoint.tenant, size);
    if (typeof share === 'string')
      return door.hold(share, size).then(() => answers.refused(passage, notAdmitted[share]));
    place = share;
    try {
      // its turn among the tenants, then the bytes as they came
      await turns.take(endpoint.tenant);
      const received = receiveDelivery(request, endpoint.id, clock());
      if (!received.ok) return turnAway(notReceived[received.answer]);
      const { raw } = received;

      // source address
      if (!isAllowedSource(endpoint, raw.clientAddress)) return turnAway(notAllowed);

      // signature, timestamp
      const verdict = verifyDelivery(raw, endpoint, raw.receivedAt);
      if (!verdict.ok) return turnAway(forbidden(clockWatch, endpoint, verdict, raw.receivedAt));
      const { delivery } = verdict;
      const { signedAtMs } = delivery;
      if (signedAtMs !== null) clockWatch.noteSigned(endpoint, signedAtMs, raw.receivedAt);

      // rate limit; when Redis is asked the facts are read meanwhile
      const taking = limits.take(endpoint, delivery.credential.id, raw.clientAddress);
      const early = taking instanceof Promise ? readDelivery(delivery) : null;
      const standing = taking instanceof Promise ? await taking : taking;
      if (standing.refusedBy !== null) return answers.limited(passage, standing);
      const way = { request, endpoint, standing };

      // map, record
      const { mapped, answer } = early ?? readDelivery(delivery);
      const recording = recordDelivery(recorder, delivery, mapped);
      const recorded = recording instanceof Promise ? await recording : recording;
      if (!recorded.ok) return answers.refused(way, notRecorded[recorded.reason]);

      // append
      const outcome = await appends.append(recorded.partition, recorded.record);
      if (outcome === 'full' || outcome === 'failed') return answers.refused(way, notKept[outcome]);

      // acknowledge
      return answers.taken(way, { delivery, answer, mapped, outcome });
    } finally {
      door.leave(share, size);
    }
  };
}

/** The facts, and the answer: it is made while the parsed body is at hand, and held back. */
const readDelivery = (delivery: VerifiedDelivery) => ({
  mapped: mapDelivery(delivery),
  answer: acknowledgement(delivery),
});

/** To an address on parole a failure looks as if nobody had looked; we keep what it was. */
const untold = (refusal: Refusal): Refusal => ({
  ...refusal,
  answer: 'rate_limited',
  code: refusal.code ?? refusal.answer,
});

const stopping = { layer: 'receive', answer: 'draining' } as const;
const endpointUnknown = { layer: 'identify', answer: 'endpoint_unknown' } as const;
const endpointUnconfirmed = {
  layer: 'identify',
  answer: 'service_unreachable',
  code: 'endpoint_unconfirmed',
} as const;
const notAdmitted = {
  busy: { layer: 'admit', answer: 'overloaded' },
  memory: { layer: 'admit', answer: 'overloaded', code: 'overloaded_memory' },
} as const;
const notReceived = {
  media_type: { layer: 'receive', answer: 'media_type' },
  method_not_allowed: { layer: 'receive', answer: 'method_not_allowed' },
} as const;
const notAllowed = {
  layer: 'source_address',
  answer: 'forbidden',
  code: 'address_refused',
} as const;

/** A signed time that is refused while our own clock is the suspect is said to be that. */
function forbidden(
  clockWatch: PipelineParts['clockWatch'],
  endpoint: Endpoint,
  { layer, code, signedAtMs }: SchemeRefusal,
  now: number,
): Refusal {
  const refused = { layer, answer: 'forbidden', code, signedAtMs } as const;
  if (layer !== 'timestamp') return refused;
  if (signedAtMs !== undefined) clockWatch.noteSigned(endpoint, signedAtMs, now);
  const suspicion = clockWatch.suspectsOwnClock(now);
  return suspicion === null
    ? refused
    : { ...refused, code: 'clock_suspect', detail: suspectDetail(suspicion) };
}

const notRecorded = {
  too_large: { layer: 'record', answer: 'body_too_large' },
  no_key: { layer: 'record', answer: 'service_unreachable', code: 'day_key_missing' },
} as const;
const notKept = {
  full: { layer: 'append', answer: 'spool_full' },
  failed: { layer: 'append', answer: 'spool_full', code: 'spool_failed' },
} as const;
