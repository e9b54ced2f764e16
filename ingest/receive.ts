// Ingest: from the request to a raw delivery. Comes in: a request off the wire. Goes out: its bytes as
// they were received, or why it can be no delivery.

import type { HttpRequest } from '../runtime/http.js';
import type { EndpointId } from '../schemas/ids.js';
import type { RawDelivery } from '../schemas/stages.js';
import { mediaTypeOf } from './media-type.js';

/** A delivery, or the code of the answer to what is none. */
export type Received =
  | { readonly ok: true; readonly raw: RawDelivery }
  | { readonly ok: false; readonly answer: 'method_not_allowed' | 'media_type' };

/** `now` is our clock in ms. Bodies are not parsed here: the signature covers the bytes. */
export function receiveDelivery(request: HttpRequest, endpoint: EndpointId, now: number): Received {
  const { method, path, query, headers, body, clientAddress, correlationId } = request;
  // HEAD comes with GET, and would be a delivery by a method that must change nothing.
  if (method !== 'POST' && method !== 'GET') return { ok: false, answer: 'method_not_allowed' };
  if (body.length > 0 && !isSupported(headers.get('content-type'))) {
    return { ok: false, answer: 'media_type' };
  }
  const target = query === '' ? path : `${path}?${query}`;
  const receivedAt = now;
  const who = { endpoint, clientAddress, correlationId };
  return { ok: true, raw: { method, target, headers, body, receivedAt, ...who } };
}

/**
 * Forms, and JSON under any of its names (`application/cloudevents+json`). Without a type the signature
 * decides (RFC 9110, section 8.3): what it binds would be lost for good by a 415.
 */
function isSupported(contentType: string | undefined): boolean {
  if (contentType === undefined) return true;
  const type = mediaTypeOf(contentType);
  return (
    type === 'application/json' ||
    type === 'application/x-www-form-urlencoded' ||
    (type.startsWith('application/') && type.endsWith('+json'))
  );
}
