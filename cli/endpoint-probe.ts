// Command line: one request to an endpoint, and what was learnt on the way to its answer: name, connection,
// TLS. In: a delivery and where to send it. Out: never a value of the answer but status and headers.

import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { TLSSocket } from 'node:tls';

import type { OutgoingDelivery } from '../ingest/providers/provider.js';
import { toError } from '../runtime/errors.js';

export interface TlsReport {
  readonly protocol: string;
  /** When the certificate ends, as it says; null where it does not. */
  readonly validTo: string | null;
}

export type ProbeResult =
  | {
      readonly ok: true;
      readonly status: number;
      readonly contentType: string | null;
      readonly retryAfter: string | null;
      readonly tls: TlsReport | null;
      readonly tookMs: number;
    }
  /** No answer: a code of the system (`ECONNREFUSED`, `ENOTFOUND`, a code of TLS), never an address. */
  | { readonly ok: false; readonly error: string; readonly isTls: boolean };

const timeoutMs = 15_000;

function codeOf(thrown: unknown): string {
  const error = toError(thrown);
  return 'code' in error && typeof error.code === 'string'
    ? error.code
    : error.message.slice(0, 80);
}

const isTlsCode = (code: string): boolean => /CERT|SSL|TLS|SELF_SIGNED|ALTNAME|EPROTO/.test(code);

function tlsOf({ socket }: IncomingMessage): TlsReport | null {
  if (!(socket instanceof TLSSocket)) return null;
  const { valid_to: validTo } = socket.getPeerCertificate();
  return { protocol: socket.getProtocol() ?? 'TLS', validTo: validTo === '' ? null : validTo };
}

/** Sends the delivery once, without following redirects: providers that sign do not either. Never rejects. */
export function probe(delivery: OutgoingDelivery, to: URL): Promise<ProbeResult> {
  const isSecure = to.protocol === 'https:';
  const { method, body } = delivery;
  const headers = { ...delivery.headers, 'content-length': String(body.length) };
  const begin = performance.now();
  return new Promise((resolve) => {
    const fail = (thrown: unknown): void => {
      const error = codeOf(thrown);
      resolve({ ok: false, error, isTls: isTlsCode(error) });
    };
    const onResponse = (response: IncomingMessage): void => {
      const tls = tlsOf(response);
      response.resume();
      response.on('error', fail);
      response.on('end', () => {
        resolve({
          ok: true,
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? null,
          retryAfter: response.headers['retry-after'] ?? null,
          ...{ tls, tookMs: Math.round(performance.now() - begin) },
        });
      });
    };
    const options = { method, headers, timeout: timeoutMs, agent: false as const };
    const request: ClientRequest = isSecure
      ? httpsRequest(to, options, onResponse)
      : httpRequest(to, options, onResponse);
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', fail);
    request.end(body);
  });
}
