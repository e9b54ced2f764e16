// Gateway: GET /v1/calls, /v1/calls/{id} and /v1/calls/{id}/events. In: filters and a cursor. Out: pages of
// calls in the caller's view.

import { z } from 'zod';

import { problem } from '../../runtime/http.js';
import type { TenantId } from '../../schemas/ids.js';
import { isAllowed, viewOf } from '../authorize.js';
import type { Cursors } from '../cursor.js';
import { defineRoute, type Route } from '../http.js';
import { readAnswer, type ReadDeps } from '../read.js';
import { readCall, readCalls, readTimeline } from '../read-models.js';
import { boxesOfCall, callItem, openBoxes, timelineItem } from '../views.js';
import { callSchema, cursorSchema, pageOf, timelineSchema } from './items.js';
import * as parameters from './parameters.js';

export interface ListDeps extends ReadDeps {
  readonly cursors: Cursors;
}

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

const startOfList = z.tuple([z.number(), z.string()]);
const startOfTimeline = z.tuple([z.number(), z.number(), z.number(), z.string()]);

/** What a list was asked for, without where in it: a cursor is good for exactly this. */
export function filtersText(query: object): string {
  const where = new Set(['cursor', 'limit', 'atLeast', 'atLeastFact']);
  const filters = Object.entries(query).filter(
    ([name, value]) => !where.has(name) && value !== undefined,
  );
  return JSON.stringify(filters.sort(([a], [b]) => (a < b ? -1 : 1)));
}

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
      const scope = { tenant, route: 'calls', filters: filtersText(query) };
      const start = startOf(deps.cursors, scope, query.cursor, startOfList);
      if (start === 'invalid') return cursorInvalid();
      const page = {
        limit: query.limit + 1,
        start: start === null ? null : { at: start[0], id: start[1] },
      };
      const filter = {
        statuses: query.status,
        direction: query.direction,
        subject,
        after: parameters.msOf(query.startedAfter),
        before: parameters.msOf(query.startedBefore),
      };
      const asked = { request, principal, models: callModels, atLeast: query.atLeast };
      return readAnswer(
        deps,
        asked,
        (transaction) => readCalls(transaction, tenant, filter, page),
        async (rows, asOf) => {
          const calls = rows.slice(0, query.limit);
          const boxes = mayOpen ? calls.flatMap((call) => boxesOfCall(tenant, call)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          const last = rows.length > query.limit ? calls.at(-1) : undefined;
          const next =
            last === undefined ? null : deps.cursors.encode(scope, [last.startedAt, last.callId]);
          return { data: calls.map((call) => callItem(call, opened)), page: { next }, asOf };
        },
      );
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
      const scope = { tenant, route: 'timeline', filters: params.id };
      const start = startOf(deps.cursors, scope, query.cursor, startOfTimeline);
      if (start === 'invalid') return cursorInvalid();
      const models = [...callModels, 'call_timeline'] as const;
      const asked = { request, principal, models, atLeast: query.atLeast };
      const about = { tenant, callId: params.id };
      return readAnswer(
        deps,
        asked,
        async (transaction) => {
          const call = await readCall(transaction, tenant, params.id);
          const page = { limit: query.limit + 1, start };
          return call === null ? null : readTimeline(transaction, about, page);
        },
        (rows, asOf) => {
          const entries = rows.slice(0, query.limit);
          const last = rows.length > query.limit ? entries.at(-1) : undefined;
          const next = last === undefined ? null : deps.cursors.encode(scope, placeOf(last));
          return Promise.resolve({ data: entries.map(timelineItem), page: { next }, asOf });
        },
      );
    },
  });
}

const placeOf = ({
  order,
  entryId,
}: {
  order: { phase: number; atUs: number; seq: number };
  entryId: string;
}) => [order.phase, order.atUs, order.seq, entryId];

/** Where the page begins; null for the first one. */
export function startOf<T extends z.ZodType>(
  cursors: Cursors,
  scope: Parameters<Cursors['decode']>[0],
  cursor: string | undefined,
  shape: T,
): z.output<T> | null | 'invalid' {
  if (cursor === undefined) return null;
  const place = shape.safeParse(cursors.decode(scope, cursor));
  return place.success ? place.data : 'invalid';
}

/** The same words for a cursor that is foreign, altered, or none. */
export const cursorInvalid = () =>
  problem('cursor_invalid', 'use the cursor of the page before, with the same filters');
