// Ingest: the answer. Comes in: how a delivery's way ended. Goes out: the response, a count and, for a
// refusal, a log line. Every 403 has the same body: an attacker learns nothing of the layer.

import type { ErrorCode } from '../runtime/errors.js';
import { problem, type HttpRequest, type HttpResponse } from '../runtime/http.js';
import type { Logger } from '../runtime/logger.js';
import type { Endpoint } from '../runtime/registry.js';
import type { NotUnderstoodFact } from '../schemas/facts.js';
import type { MappedDelivery, VerifiedDelivery } from '../schemas/stages.js';
import type { Diagnosis } from './diagnose.js';
import { limitHeaders, type Standing } from './limit-standing.js';
import type { IngestMetrics, Layer } from './metrics.js';
import type { Acknowledgement } from './providers/provider.js';
import { Quiet } from './quiet.js';

/** What is known of a request on its way. */
export interface Passage {
  readonly request: HttpRequest;
  /** Null until the endpoint is known. */
  readonly endpoint: Endpoint | null;
  /** What the limits that were asked said; absent while none was. */
  readonly standing?: Standing;
}

/** A passage that came as far as its endpoint. */
export interface Taking extends Passage {
  readonly endpoint: Endpoint;
  readonly standing: Standing;
}

/** Why a delivery was not taken: an error code for the answer, a finer one for us. */
export interface Refusal {
  readonly layer: Layer;
  readonly answer: ErrorCode;
  /** For logs and metrics; the answer's code when absent. */
  readonly code?: string;
  /** For the operator, in the log; nothing of the request. */
  readonly detail?: string;
  /** When it claims to have been signed, in ms since 1970; absent where nothing says so. */
  readonly signedAtMs?: number | undefined;
}

/** A delivery that is durable, and the provider's form of 2xx for it. */
export interface Taken {
  readonly delivery: VerifiedDelivery;
  readonly answer: Acknowledgement;
  readonly mapped: MappedDelivery;
  readonly outcome: 'appended' | 'spooled';
}

export interface AnswerOptions {
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  /** Finds out why, after the answer; nobody does where it is absent. */
  readonly diagnosis?: Pick<Diagnosis, 'refused' | 'used'>;
}

/** Texts of the answers; nothing of the request is repeated. */
const details: Partial<Record<ErrorCode, string>> = {
  endpoint_unknown: 'There is no webhook endpoint with this id.',
  method_not_allowed: 'Deliveries come by POST or GET.',
  rate_limited: 'Deliver again after the time in Retry-After.',
  media_type: 'Send application/json or application/x-www-form-urlencoded.',
  body_too_large: 'The delivery is larger than the log takes.',
  forbidden: 'The delivery was refused.',
  overloaded:
    'More deliveries come than can be taken. Deliver again after the time in Retry-After.',
  spool_full: 'The delivery was not kept. Deliver again after the time in Retry-After.',
  service_unreachable: 'The delivery was not kept. Deliver again after the time in Retry-After.',
  draining: 'This instance is stopping. Deliver again.',
};

const retryAfterSec: Partial<Record<ErrorCode, number>> = {
  overloaded: 2,
  spool_full: 5,
  service_unreachable: 5,
  draining: 1,
};

/** Makes the answers of one process. */
export class Answers {
  readonly #quiet = new Quiet();

  constructor(private readonly options: AnswerOptions) {}

  /** The provider's own form of 2xx, and only for what is durable. */
  taken(passage: Taking, { delivery, answer, mapped, outcome }: Taken): HttpResponse {
    this.options.metrics.accepted(passage.endpoint.provider, outcome === 'spooled');
    this.options.diagnosis?.used(passage.endpoint, delivery);
    if (mapped.facts[0].kind === 'not_understood') this.#notUnderstood(passage, mapped.facts[0]);
    const headers = limitHeaders(passage.standing);
    return {
      status: answer.status,
      headers: Object.assign(headers, answer.headers),
      body: answer.body,
    };
  }

  /** 429: the code says which bucket is empty. */
  limited(passage: Passage, standing: Standing): HttpResponse {
    const code = `rate_limited_${standing.refusedBy ?? 'endpoint'}`;
    const refusal = { layer: 'rate_limit', answer: 'rate_limited', code } as const;
    return this.refused({ ...passage, standing }, refusal);
  }

  /** Problem details with the limits' headers. */
  refused(passage: Passage, refusal: Refusal): HttpResponse {
    const { layer, answer, code = answer } = refusal;
    const provider = passage.endpoint?.provider ?? 'unknown';
    this.options.metrics.refused(layer, code, provider);
    this.#log(passage, refusal);
    const { request, endpoint } = passage;
    if (endpoint !== null) this.options.diagnosis?.refused({ request, endpoint }, refusal);
    const response = problem(answer, details[answer] ?? '');
    const wait = retryAfterSec[answer];
    const { standing } = passage;
    const limits = standing === undefined ? {} : limitHeaders(standing);
    const headers = { ...response.headers, ...limits };
    return wait === undefined
      ? { ...response, headers }
      : { ...response, headers: { ...headers, 'retry-after': String(wait) } };
  }

  #notUnderstood({ endpoint }: Taking, fact: NotUnderstoodFact): void {
    this.options.metrics.notUnderstood(endpoint.provider);
    const name = `${endpoint.id}/not_understood`;
    const suppressed = this.#quiet.suppressed(name);
    if (suppressed === null) return;
    const { id, tenant } = endpoint;
    const fields = {
      code: 'not_understood',
      endpoint: id,
      tenant,
      reason: fact.reason,
      suppressed,
    };
    this.options.logger.warn(fields, 'a verified delivery was kept but not understood');
  }

  /** No address, header or value: a line says which endpoint, which layer, which code. */
  #log({ endpoint }: Passage, { layer, answer, code: reason = answer, detail }: Refusal): void {
    const suppressed = this.#quiet.suppressed(`${endpoint?.id ?? ''}/${layer}/${reason}`);
    if (suppressed === null) return;
    const whose = { endpoint: endpoint?.id ?? null, tenant: endpoint?.tenant ?? null };
    const why = detail === undefined ? { reason } : { reason, detail };
    const fields = { code: 'delivery_refused', layer, ...why, ...whose, suppressed };
    this.options.logger.warn(fields, 'a delivery was refused');
  }
}
