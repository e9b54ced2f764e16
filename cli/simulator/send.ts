// Simulator: sends signed webhooks over kept-alive connections. No retries: what is not answered 2xx is
// counted, as a provider that does not retry would leave it.

import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { toError, TrunklineError } from '../../runtime/errors.js';
import type { OutgoingDelivery } from '../../ingest/providers/provider.js';

/** The answer's status, or why there was none (an error code, never an address). */
export type SendOutcome =
  { readonly status: number } | { readonly status: null; readonly error: string };

export interface Sender {
  /** Sends to `to`, which may differ from the URL that was signed. Never rejects. */
  send(webhook: OutgoingDelivery, to: URL): Promise<SendOutcome>;
  close(): void;
}

export interface SenderOptions {
  readonly maxSockets: number;
  readonly timeoutMs: number;
}

function errorCode(thrown: unknown): string {
  const error = toError(thrown);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/**
 * A connection nobody uses is let go before ingest lets go of it (8 to 12 s): both at once would be a delivery
 * without an answer.
 */
const idleMs = 4_000;

export function createSender({ maxSockets, timeoutMs }: SenderOptions): Sender {
  const settings = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, timeout: idleMs };
  const http = new HttpAgent(settings);
  const https = new HttpsAgent(settings);
  return {
    send(webhook, to) {
      const isTls = to.protocol === 'https:';
      const start = isTls ? httpsRequest : httpRequest;
      const { method, body } = webhook;
      const headers =
        method === 'GET'
          ? webhook.headers
          : { ...webhook.headers, 'content-length': String(body.length) };
      return new Promise((resolve) => {
        const options = { method, headers, agent: isTls ? https : http, timeout: timeoutMs };
        const request = start(to, options, (response) => {
          response.resume();
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0 });
          });
          response.on('error', (thrown) => {
            resolve({ status: null, error: errorCode(thrown) });
          });
        });
        request.on('timeout', () => request.destroy(new Error('timeout')));
        request.on('error', (thrown) => {
          resolve({ status: null, error: errorCode(thrown) });
        });
        request.end(body);
      });
    },
    close() {
      http.destroy();
      https.destroy();
    },
  };
}

/** Where to send what was signed for another base: the signed query belongs to both. */
export function deliveryUrl(to: string, signed: string): URL {
  if (!URL.canParse(to)) throw new TrunklineError('parameter_invalid', '--to is not a URL');
  const url = new URL(to);
  const query = signed.indexOf('?');
  if (query !== -1) url.search = signed.slice(query);
  return url;
}
