// Gateway: GET /v1/records and /v1/records/{id}. In: filters and a cursor. Out: members, subscriptions and
// other objects of the tenant's own, in the caller's view.

import { z } from 'zod';

import { viewOf } from '../authorize.js';
import { defineRoute, type Route } from '../http.js';
import { readAnswer } from '../read.js';
import { readRecord, readRecords } from '../read-models.js';
import { boxesOfRecord, openBoxes, recordItem } from '../views.js';
import { cursorInvalid, filtersText, startOf, type ListDeps } from './calls.js';
import { cursorSchema, pageOf, recordSchema } from './items.js';
import * as parameters from './parameters.js';

const listQuery = z.strictObject({
  area: parameters.area,
  type: parameters.objectType,
  parent: parameters.objectRef,
  createdAfter: parameters.instant,
  createdBefore: parameters.instant,
  cursor: parameters.cursor,
  limit: parameters.limit,
  atLeast: parameters.atLeast,
});

const startOfList = z.tuple([z.number(), z.string()]);
const models = ['records'] as const;

export const recordRoutes = (deps: ListDeps): readonly Route[] => [
  listRecords(deps),
  oneRecord(deps),
];

function listRecords(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/records',
    summary: 'Members, subscriptions and other records, newest first',
    permission: 'records.read',
    query: listQuery,
    params: z.object({}),
    answer: { status: 200, schema: pageOf(recordSchema) },
    errors: ['cursor_invalid', 'not_yet'],
    async handle({ request, principal, query }) {
      const { tenant, role } = principal;
      const { area, type, parent, limit } = query;
      const scope = { tenant, route: 'records', filters: filtersText(query) };
      const start = startOf(deps.cursors, scope, query.cursor, startOfList);
      if (start === 'invalid') return cursorInvalid();
      const page = {
        limit: limit + 1,
        start: start === null ? null : { at: start[0], id: start[1] },
      };
      const after = parameters.msOf(query.createdAfter);
      const before = parameters.msOf(query.createdBefore);
      return readAnswer(
        deps,
        { request, principal, models, atLeast: query.atLeast },
        (transaction) =>
          readRecords(transaction, tenant, { area, type, parent, after, before }, page),
        async (rows, asOf) => {
          const records = rows.slice(0, limit);
          const isOpen = viewOf(role) === 'open';
          const boxes = isOpen ? records.flatMap((one) => boxesOfRecord(tenant, one)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          const last = rows.length > limit ? records.at(-1) : undefined;
          const next =
            last === undefined ? null : deps.cursors.encode(scope, [last.createdAt, last.recordId]);
          return { data: records.map((one) => recordItem(one, opened)), page: { next }, asOf };
        },
      );
    },
  });
}

function oneRecord(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/records/:id',
    summary: 'One record',
    permission: 'records.read',
    query: z.strictObject({ atLeast: parameters.atLeast }),
    params: z.object({ id: parameters.id }),
    answer: { status: 200, schema: z.object({ data: recordSchema, asOf: cursorSchema }) },
    errors: ['not_found', 'not_yet'],
    handle({ request, principal, query, params }) {
      const { tenant, role } = principal;
      return readAnswer(
        deps,
        { request, principal, models, atLeast: query.atLeast },
        (transaction) => readRecord(transaction, tenant, params.id),
        async (record, asOf) => {
          const boxes = viewOf(role) === 'open' ? boxesOfRecord(tenant, record) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          return { data: recordItem(record, opened), asOf };
        },
      );
    },
  });
}
