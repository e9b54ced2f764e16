// What is read off a request before anything else, while uWebSockets.js still holds it: a copy of all
// that a handler may need, or why there is none: the message could be read in two ways (request smuggling),
// or says by a PROXY header, where none is believed, whose it is.

import { randomUUID } from 'node:crypto';
import { redactText } from './logger.js';
import type { ClientAddress } from './client-address.js';
import type { HttpRefusal } from './http-bounds.js';
import type { UwsRequest, UwsResponse } from './uws.js';

/** The head of a request, copied. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  /** As they stand in the path, percent-encoded. */
  readonly rawParams: readonly string[];
  readonly clientAddress: string;
  readonly correlationId: string;
  /** Null when the message has no Content-Length. */
  readonly contentLength: number | null;
  readonly hasBody: boolean;
  /**
   * The answer ends the connection, so that nothing behind this message is taken for a request:
   * uWebSockets.js reads chunk sizes leniently (an empty one, one ended by a bare LF) and no trailers, and
   * does not see headers behind one without a name, Content-Length included.
   */
  readonly endsConnection: boolean;
}

/** Why a request has no head: close the connection, dispatch nothing, answer nothing. */
export type HeadRefusal = Extract<HttpRefusal, 'ambiguous' | 'proxy_header'>;

/** Copies the head synchronously. */
export function readHead(
  res: UwsResponse,
  req: UwsRequest,
  paramCount: number,
  clientAddress: ClientAddress,
): RequestHead | HeadRefusal {
  const headers = new Map<string, string>();
  let lengths = 0;
  let encodings = 0;
  req.forEach((name, value) => {
    if (name === 'content-length') lengths++;
    else if (name === 'transfer-encoding') encodings++;
    const present = headers.get(name);
    headers.set(name, present === undefined ? value : joinValues(name, present, value));
  });
  const length = headers.get('content-length');
  if (isAmbiguous({ lengths, encodings, length, encoding: headers.get('transfer-encoding') })) {
    return 'ambiguous';
  }
  const address = clientAddress(res, headers.get('x-forwarded-for'));
  if (address === null) return 'proxy_header';
  const rawParams: string[] = [];
  for (let index = 0; index < paramCount; index++) rawParams.push(req.getParameter(index) ?? '');
  const contentLength = length === undefined ? null : Number(length);
  const method = req.getMethod().toUpperCase();
  return {
    method,
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    headers,
    rawParams,
    clientAddress: address,
    correlationId: saneCorrelationId(headers.get('x-correlation-id')) ?? randomUUID(),
    contentLength,
    hasBody: encodings > 0 || (contentLength ?? 0) > 0,
    endsConnection: encodings > 0 || (contentLength === null && mayHaveBody(method)),
  };
}

/**
 * RFC 9112 section 6.3: a message whose length two parties could read differently. uWebSockets.js
 * takes the first of two Content-Lengths and any Transfer-Encoding for chunked.
 */
function isAmbiguous(framing: {
  readonly lengths: number;
  readonly encodings: number;
  readonly length: string | undefined;
  readonly encoding: string | undefined;
}): boolean {
  if (framing.lengths > 1 || framing.encodings > 1) return true;
  if (framing.lengths + framing.encodings > 1) return true;
  if (framing.length !== undefined && !/^\d{1,15}$/.test(framing.length)) return true;
  return framing.encoding !== undefined && framing.encoding.toLowerCase() !== 'chunked';
}

/** RFC 9110, section 8.6: a client that sends one of these sends a length, be it 0. */
const mayHaveBody = (method: string): boolean =>
  method === 'POST' || method === 'PUT' || method === 'PATCH';

const joinValues = (name: string, present: string, value: string): string =>
  `${present}${name === 'cookie' ? '; ' : ', '}${value}`;

/** A caller's id is kept when it is short, plain and does not look like a number or an address. */
function saneCorrelationId(given: string | undefined): string | null {
  if (given === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/.test(given)) return null;
  return redactText(given) === given && !/^\d+$/.test(given) ? given : null;
}
