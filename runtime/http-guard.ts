// What is read off a request before anything else, while uWebSockets.js still holds it: a copy of all
// that a handler may need, or null when the message could be read in two ways (request smuggling).

import { randomUUID } from 'node:crypto';
import { redactText } from './logger.js';
import type { ClientAddress } from './client-address.js';
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
}

/** Copies the head synchronously. Null: close the connection, dispatch nothing, answer nothing. */
export function readHead(
  res: UwsResponse,
  req: UwsRequest,
  paramCount: number,
  clientAddress: ClientAddress,
): RequestHead | null {
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
    return null;
  }
  const rawParams: string[] = [];
  for (let index = 0; index < paramCount; index++) rawParams.push(req.getParameter(index) ?? '');
  const contentLength = length === undefined ? null : Number(length);
  return {
    method: req.getMethod().toUpperCase(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    headers,
    rawParams,
    clientAddress: clientAddress(res.getRemoteAddress(), headers.get('x-forwarded-for')),
    correlationId: saneCorrelationId(headers.get('x-correlation-id')) ?? randomUUID(),
    contentLength,
    hasBody: encodings > 0 || (contentLength ?? 0) > 0,
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

const joinValues = (name: string, present: string, value: string): string =>
  `${present}${name === 'cookie' ? '; ' : ', '}${value}`;

/** A caller's id is kept when it is short, plain and does not look like a number or an address. */
function saneCorrelationId(given: string | undefined): string | null {
  if (given === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/.test(given)) return null;
  return redactText(given) === given && !/^\d+$/.test(given) ? given : null;
}
