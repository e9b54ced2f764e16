// Gateway: POST /v1/stream/tickets. In: a credential. Out: a single-use ticket for the WebSocket's address,
// so that no long-lived credential stands in a URL.

import { z } from 'zod';

import type { Authenticator } from '../authenticate.js';
import { defineRoute, jsonAnswer, type Route } from '../http.js';

/** A ticket for `GET /v1/stream?ticket=…`, good once and for 30 seconds. */
export function ticketRoute(authenticator: Authenticator): Route {
  return defineRoute({
    method: 'POST',
    pattern: '/v1/stream/tickets',
    summary: 'A single-use ticket for /v1/stream, good for 30 seconds',
    permission: 'stream.subscribe',
    query: z.strictObject({}),
    params: z.object({}),
    answer: {
      status: 201,
      schema: z.object({
        ticket: z.string(),
        expiresAt: z.string().meta({ format: 'date-time' }),
      }),
    },
    handle({ principal }) {
      const { ticket, expiresAt } = authenticator.issueTicket(principal);
      const body = { ticket, expiresAt: new Date(expiresAt).toISOString() };
      return jsonAnswer(body, { 'cache-control': 'no-store' }, 201);
    },
  });
}
