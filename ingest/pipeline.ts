// Ingest: the way of a delivery from the wire to the log. Comes in: a request. Goes out: 2xx in the
// provider's form once the delivery is durable, or the answer of the first layer that refuses.

import type { Clock } from '../runtime/clock.js';
import type { HttpHandler } from '../runtime/http.js';
import type { Registry } from '../runtime/registry.js';
import type { Answers, Refusal } from './acknowledge.js';
import { isAllowedSource } from './allow.js';
import type { Appends } from './append.js';
import { identifyEndpoint } from './identify.js';
import { nearer, type Limits } from './limit.js';
import { acknowledgement, mapDelivery } from './providers/registry.js';
import { receiveDelivery } from './receive.js';
import { recordDelivery, type RecorderOptions } from './record.js';
import { verifyDelivery } from './verify.js';

/** What the layers need. */
export interface PipelineParts {
  readonly registry: Registry;
  readonly limits: Limits;
  readonly answers: Answers;
  readonly recorder: RecorderOptions;
  readonly appends: Appends;
  readonly clock: Clock;
  /** True once the process stops: nothing new is taken. */
  readonly isStopping: () => boolean;
}

/** The layers of design section 4, in order; the first failure answers. */
export function createPipeline(parts: PipelineParts): HttpHandler {
  const { registry, limits, answers, recorder, appends, clock, isStopping } = parts;
  return async (request) => {
    // rate limit, by address and by endpoint
    const ofAddress = limits.ofAddress(request.clientAddress);
    const stranger = { request, endpoint: null, quota: ofAddress };
    if (isStopping()) return answers.refused(stranger, stopping);
    if (!ofAddress.ok) return answers.refused(stranger, rateLimited);
    const endpoint = identifyEndpoint(request, registry);
    if (endpoint === null) return answers.refused(stranger, endpointUnknown);
    const ofEndpoint = limits.ofEndpoint(endpoint);
    const passage = { request, endpoint, quota: nearer(ofEndpoint, ofAddress) };
    if (!ofEndpoint.ok) return answers.refused(passage, rateLimited);

    // the bytes as they came
    const received = receiveDelivery(request, endpoint.id, clock());
    if (!received.ok) return answers.refused(passage, notReceived[received.answer]);
    const { raw } = received;

    // source address
    if (!isAllowedSource(endpoint, raw.clientAddress)) return answers.refused(passage, notAllowed);

    // signature, timestamp
    const verdict = verifyDelivery(raw, endpoint, raw.receivedAt);
    if (!verdict.ok) return answers.refused(passage, forbidden(verdict));

    // map, record; the answer is made here too, while the parsed body is at hand, and held back
    const mapped = mapDelivery(verdict.delivery);
    const answer = acknowledgement(verdict.delivery);
    const recorded = await recordDelivery(recorder, verdict.delivery, mapped);
    if (!recorded.ok) return answers.refused(passage, notRecorded[recorded.reason]);

    // append
    const outcome = await appends.append(recorded.partition, recorded.record);
    if (outcome === 'full' || outcome === 'failed')
      return answers.refused(passage, notKept[outcome]);

    // acknowledge
    return answers.taken(passage, { answer, mapped, outcome });
  };
}

const stopping = { layer: 'receive', answer: 'draining' } as const;
const rateLimited = { layer: 'rate_limit', answer: 'rate_limited' } as const;
const endpointUnknown = { layer: 'identify', answer: 'endpoint_unknown' } as const;
const notReceived = {
  media_type: { layer: 'receive', answer: 'media_type' },
  method_not_allowed: { layer: 'receive', answer: 'method_not_allowed' },
} as const;
const notAllowed = {
  layer: 'source_address',
  answer: 'forbidden',
  code: 'address_refused',
} as const;
const forbidden = ({ layer, code }: Pick<Refusal, 'layer'> & { readonly code: string }) =>
  ({ layer, answer: 'forbidden', code }) as const;
const notRecorded = {
  too_large: { layer: 'record', answer: 'body_too_large' },
  no_key: { layer: 'record', answer: 'service_unreachable', code: 'day_key_missing' },
} as const;
const notKept = {
  full: { layer: 'append', answer: 'spool_full' },
  failed: { layer: 'append', answer: 'spool_full', code: 'spool_failed' },
} as const;
