// Gateway: GET /v1/calls, /v1/calls/{id} and /v1/calls/{id}/events. In: filters and a cursor. Out: pages of
// calls in the caller's view.

import { z } from 'zod';

import { problem } from '../../runtime/http.js';
import type { TenantId } from '../../schemas/ids.js';
import { isAllowed, viewOf } from '../authorize.js';
import { defineRoute, type Route } from '../http.js';
import { byTime, filtersText, listAnswer, pageByTime, type ListDeps } from '../list.js';
import { readAnswer, type ReadDeps } from '../read.js';
import { readCall, readCalls, readTimeline } from '../read-models.js';
import { boxesOfCall, callItem, openBoxes, timelineItem } from '../views.js';
import { callSchema, cursorSchema, pageOf, timelineSchema } from './items.js';
import * as parameters from './parameters.js';

const listQuery = z.strictObject({
  status: parameters.callStatus,
  direction: parameters.direction,
  number: parameters.number,
  startedAfter: parameters.instant,
  startedBefore: parameters.instant,
  cursor: parameters.cursor,
  limit: parameters.limit,
  atLeast: parameters.atLeast,
});

const timelinePlace = z.tuple([z.number(), z.number(), z.number(), z.string()]);

/** The subject behind `number`, null for none asked; `isForbidden` where the caller may not see numbers. */
export async function subjectOf(
  deps: ReadDeps,
  tenant: TenantId,
  mayOpen: boolean,
  number: string | undefined,
): Promise<{ readonly subject: string | undefined; readonly isForbidden: boolean }> {
  if (number === undefined) return { subject: undefined, isForbidden: false };
  // A masked number hides three digits: asking for each of them would tell it.
  if (!mayOpen) return { subject: undefined, isForbidden: true };
  return { subject: await deps.keyRing.subjectId(tenant, number), isForbidden: false };
}

export const callRoutes = (deps: ListDeps): readonly Route[] => [
  listCalls(deps),
  oneCall(deps),
  callEvents(deps),
];

function listCalls(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/calls',
    summary: 'Calls, newest start first',
    permission: 'calls.read',
    query: listQuery,
    params: z.object({}),
    answer: { status: 200, schema: pageOf(callSchema) },
    errors: ['cursor_invalid', 'not_yet'],
    async handle({ request, principal, query }) {
      const { tenant, role } = principal;
      const mayOpen = isAllowed(role, 'personal.read');
      const { subject, isForbidden } = await subjectOf(deps, tenant, mayOpen, query.number);
      if (isForbidden) return problem('forbidden', 'the role may not see numbers');
      const filter = {
        statuses: query.status,
        direction: query.direction,
        subject,
        after: parameters.msOf(query.startedAfter),
        before: parameters.msOf(query.startedBefore),
      };
      return listAnswer(deps, {
        asked: { request, principal, models: callModels, atLeast: query.atLeast },
        scope: { route: 'calls', filters: filtersText(query) },
        query,
        place: byTime,
        read: (transaction, page) => readCalls(transaction, tenant, filter, pageByTime(page)),
        placeOf: ({ startedAt, callId }) => [startedAt, callId] as const,
        async items(calls) {
          const boxes = mayOpen ? calls.flatMap((call) => boxesOfCall(tenant, call)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          return calls.map((call) => callItem(call, opened));
        },
      });
    },
  });
}

const callModels = ['calls', 'legs'] as const;

function oneCall(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/calls/:id',
    summary: 'One call with its legs',
    permission: 'calls.read',
    query: z.strictObject({ atLeast: parameters.atLeast }),
    params: z.object({ id: parameters.id }),
    answer: { status: 200, schema: z.object({ data: callSchema, asOf: cursorSchema }) },
    errors: ['not_found', 'not_yet'],
    handle({ request, principal, query, params }) {
      const { tenant, role } = principal;
      const asked = { request, principal, models: callModels, atLeast: query.atLeast };
      return readAnswer(
        deps,
        asked,
        (transaction) => readCall(transaction, tenant, params.id),
        async (call, asOf) => {
          const boxes = viewOf(role) === 'open' ? boxesOfCall(tenant, call) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          return { data: callItem(call, opened), asOf };
        },
      );
    },
  });
}

function callEvents(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/calls/:id/events',
    summary: "A call's timeline in the provider's order",
    permission: 'calls.read',
    query: z.strictObject({
      cursor: parameters.cursor,
      limit: parameters.limit,
      atLeast: parameters.atLeast,
    }),
    params: z.object({ id: parameters.id }),
    answer: { status: 200, schema: pageOf(timelineSchema) },
    errors: ['cursor_invalid', 'not_found', 'not_yet'],
    handle({ request, principal, query, params }) {
      const { tenant } = principal;
      const models = [...callModels, 'call_timeline'] as const;
      return listAnswer(deps, {
        asked: { request, principal, models, atLeast: query.atLeast },
        scope: { route: 'timeline', filters: params.id },
        query,
        place: timelinePlace,
        async read(transaction, page) {
          const call = await readCall(transaction, tenant, params.id);
          const about = { tenant, callId: params.id };
          return call === null ? null : readTimeline(transaction, about, page);
        },
        placeOf: ({ order, entryId }) => [order.phase, order.atUs, order.seq, entryId] as const,
        items: (entries) => entries.map(timelineItem),
      });
    },
  });
}
