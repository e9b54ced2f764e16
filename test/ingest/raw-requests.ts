// Requests written byte by byte, with a real signature: what a hostile or a broken sender puts on the wire.

import {
  completedCall,
  telnyxJson,
  twilioForm,
  twilioGet,
  type SignedDelivery,
} from './station.js';

/** A signed delivery taken apart, and how it is put together again. */
export interface RawParts {
  readonly requestLine: string;
  /** Header lines, without the framing. */
  readonly headers: readonly string[];
  readonly body: string;
}

function partsOf(delivery: SignedDelivery): RawParts {
  const { method, target, headers, body } = delivery;
  return {
    requestLine: `${method} ${target} HTTP/1.1`,
    headers: ['Host: hooks.example.test', ...Object.entries(headers).map(([k, v]) => `${k}: ${v}`)],
    body,
  };
}

let calls = 0;

/** A form as Twilio posts it; each has a call of its own. */
export const form = (): RawParts => partsOf(twilioForm(completedCall(++calls)));

export const query = (): RawParts => partsOf(twilioGet(completedCall(++calls)));

export const json = (body: string): RawParts => partsOf(telnyxJson(body));

/** Puts a request together; `extra` are header lines behind the signed ones. */
export function written(parts: RawParts, extra: readonly string[], body = parts.body): string {
  return [parts.requestLine, ...parts.headers, ...extra, '', body].join('\r\n');
}

export const lengthOf = ({ body }: RawParts): string => `Content-Length: ${body.length}`;

/** With the length of its body. */
export const whole = (parts: RawParts): string => written(parts, [lengthOf(parts)]);

/** With another request line. */
export const targeted = (parts: RawParts, requestLine: string): RawParts => ({
  ...parts,
  requestLine,
});

/** The body in chunks of `size`, with whatever stands behind a chunk's size. */
export function chunked(body: string, size: number, extension = ''): string {
  let text = '';
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    text += `${part.length.toString(16)}${extension}\r\n${part}\r\n`;
  }
  return `${text}0\r\n\r\n`;
}

/** One row of the table. */
export interface RawCase {
  readonly name: string;
  /** The statuses in order; `closed` when the server ends the connection, `waits` when it wants more. */
  readonly outcome: string;
  /** Deliveries that are in the log afterwards. */
  readonly kept: number;
  /** Written one after the other; `<answered>` waits for the next answer. */
  readonly send: () => string | readonly string[];
}

export const row = (
  name: string,
  outcome: string,
  kept: number,
  send: RawCase['send'],
): RawCase => ({ name, outcome, kept, send });
