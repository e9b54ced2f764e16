// Ingest: from the request to a raw delivery. Comes in: a request off the wire. Goes out: its bytes as
// they were received, or null when the content type is none a provider sends.

import type { HttpRequest } from '../runtime/http.js';
import type { EndpointId } from '../schemas/ids.js';
import type { RawDelivery } from '../schemas/stages.js';

/** `now` is our clock in ms. Bodies are not parsed here: the signature covers the bytes. */
export function receiveDelivery(
  request: HttpRequest,
  endpoint: EndpointId,
  now: number,
): RawDelivery | null {
  const method = request.method === 'GET' ? 'GET' : 'POST';
  if (request.body.length > 0 && !isSupported(request.headers.get('content-type'))) return null;
  return {
    endpoint,
    method,
    target: request.query === '' ? request.path : `${request.path}?${request.query}`,
    headers: request.headers,
    body: request.body,
    clientAddress: request.clientAddress,
    receivedAt: now,
    correlationId: request.correlationId,
  };
}

/** Forms, and JSON under any of its names (`application/cloudevents+json`). */
function isSupported(contentType: string | undefined): boolean {
  if (contentType === undefined) return false;
  const end = contentType.indexOf(';');
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  return (
    type === 'application/json' ||
    type === 'application/x-www-form-urlencoded' ||
    (type.startsWith('application/') && type.endsWith('+json'))
  );
}
