// Gateway: GET /v1/events. In: a cursor. Out: the events after it, from the ring, in the same shape and with
// the same positions as on the stream; or the statement that they are no longer kept here.

import { z } from 'zod';

import { problem, type HttpResponse } from '../../runtime/http.js';
import type { Principal } from '../authenticate.js';
import { isAllowed, viewOf } from '../authorize.js';
import { defineRoute, jsonAnswer, type Route } from '../http.js';
import { renderingOf } from '../render.js';
import type { Stream } from '../subscribe.js';
import { cursorSchema, eventSchema } from './items.js';
import * as parameters from './parameters.js';

const after = z
  .string()
  .regex(/^(?:[\x21-\x7e]{1,128}\.)?\d{1,15}$/, 'must be a seq, or epoch.seq as in an ETag')
  .default('0');

/** Events of calls, messages and records after a position, oldest first. */
export function eventRoute(stream: Stream): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/events',
    summary: 'Events after a position, oldest first; 410 when they are no longer kept',
    permission: 'events.read',
    query: z.strictObject({ after, limit: parameters.limit }),
    params: z.object({}),
    answer: {
      status: 200,
      schema: z.object({
        data: z.array(z.object({ seq: z.number().int(), event: eventSchema })),
        page: z.object({ next: z.string() }),
        asOf: cursorSchema,
      }),
    },
    errors: ['too_old', 'epoch_changed', 'not_yet'],
    handle: ({ principal, query }) => readEvents(stream, principal, query),
  });
}

async function readEvents(
  stream: Stream,
  { tenant, role }: Principal,
  query: { readonly after: string; readonly limit: number },
): Promise<HttpResponse> {
  const epoch = stream.epochOf(tenant);
  if (epoch === null) return problem('not_yet', 'the log has no epoch yet');
  const dot = query.after.lastIndexOf('.');
  if (dot >= 0 && query.after.slice(0, dot) !== epoch) {
    return problem('epoch_changed', 'read /v1/calls again and go on from its asOf', { epoch });
  }
  const cursor = Number(query.after.slice(dot + 1));
  const entries = stream.rings.after(tenant, cursor, query.limit);
  if (entries === null) {
    const oldest = stream.rings.first(tenant);
    return problem('too_old', 'read /v1/calls and go on from its asOf', { oldest });
  }
  const view = viewOf(role);
  if (view === 'open') await stream.renderer.prepare(tenant, entries, 'detail');
  const rendering = renderingOf('detail', view);
  const seesRecords = isAllowed(role, 'records.read');
  const data = entries.map((entry) => {
    const made = stream.renderer.now(entry, rendering);
    const json = entry.kind === 'record' && !seesRecords ? withheld(made) : made;
    return `{"seq":${entry.seq},"event":${json ?? 'null'}}`;
  });
  const next = JSON.stringify(`${epoch}.${entries.at(-1)?.seq ?? cursor}`);
  const asOf = JSON.stringify({ epoch, seq: stream.rings.top(tenant) });
  return {
    ...jsonAnswer(null),
    body: `{"data":[${data.join(',')}],"page":{"next":${next}},"asOf":${asOf}}`,
  };
}

const typed = z.object({ type: z.string(), at: z.string() });

/** That something happened, not what: the numbers stay dense for every role. */
const withheld = (json: string | null): string | null =>
  json === null ? null : JSON.stringify(typed.parse(JSON.parse(json)));
