// Answers: one HttpResponse written in one go, corked; large bodies in steps as the socket takes them.

import { STATUS_CODES } from 'node:http';
import { errorCodes } from './errors.js';
import type { ErrorCode } from './errors.js';
import type { HttpResponse } from './http.js';
import type { UwsResponse } from './uws.js';

/** Beyond this a body is handed over in steps (`tryEnd`), so that no socket buffers all of it. */
const steppedBytes = 64 * 1024;

export interface RespondOptions {
  /** A HEAD request gets the headers and the length only. */
  readonly withoutBody: boolean;
  readonly correlationId: string;
  /** Closes the connection after the answer. */
  readonly close: boolean;
}

/** Writes the answer. The caller knows that the connection is open and nothing was written yet. */
export function respond(res: UwsResponse, response: HttpResponse, options: RespondOptions): void {
  res.cork(() => {
    res.writeStatus(statusLine(response.status));
    const { headers } = response;
    if (headers !== undefined) {
      // No list of pairs: this runs for every answer.
      for (const name of Object.keys(headers)) res.writeHeader(name, oneLine(headers[name] ?? ''));
    }
    res.writeHeader('x-correlation-id', options.correlationId);
    if (options.close) res.writeHeader('connection', 'close');
    writeBody(res, response, options);
  });
}

// `endWithoutBody` is called without arguments only: with a length it leaves the response open, and
// the next request of the connection is cut; with `undefined` it writes a length of 2^63.
function writeBody(res: UwsResponse, response: HttpResponse, options: RespondOptions): void {
  const { status, body = '' } = response;
  // RFC 9110: no Content-Length on 204, no body on 304.
  if (status === 204 || status === 304) {
    res.endWithoutBody();
  } else if (options.withoutBody) {
    res.writeHeader('content-length', String(Buffer.byteLength(body)));
    res.endWithoutBody();
  } else if (body.length <= steppedBytes || options.close) {
    res.end(body, options.close);
  } else {
    endInSteps(res, typeof body === 'string' ? Buffer.from(body, 'utf8') : body);
  }
}

function endInSteps(res: UwsResponse, body: Buffer): void {
  const [, done] = res.tryEnd(body, body.length);
  if (done) return;
  res.onWritable((offset) => {
    const [ok] = res.tryEnd(body.subarray(offset), body.length);
    return ok;
  });
}

const lines = new Map<number, string>();

function statusLine(status: number): string {
  const known = lines.get(status) ?? `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
  lines.set(status, known);
  return known;
}

/** A line break in a header value would let its author write headers of the answer. */
const oneLine = (value: string): string =>
  /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]+/g, ' ') : value;

/**
 * RFC 9457 problem details; `code` is one of runtime/errors. 503 answers carry `retry-after: 1`
 * unless the caller puts another one in its place.
 */
export function problem(
  code: ErrorCode,
  detail: string,
  extra: Readonly<Record<string, unknown>> = {},
): HttpResponse {
  const { status, title } = errorCodes[code];
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    },
    body: JSON.stringify({
      type: `urn:trunkline:problem:${code}`,
      title,
      status,
      code,
      detail,
      ...extra,
    }),
  };
}
