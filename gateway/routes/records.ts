// Gateway: GET /v1/records and /v1/records/{id}. In: filters and a cursor. Out: members, subscriptions and
// other objects of the tenant's own, in the caller's view.

import { z } from 'zod';

import { viewOf } from '../authorize.js';
import { defineRoute, type Route } from '../http.js';
import { byTime, filtersText, listAnswer, pageByTime, type ListDeps } from '../list.js';
import { readAnswer } from '../read.js';
import { readRecord, readRecords } from '../read-models.js';
import { boxesOfRecord, openBoxes, recordItem } from '../views.js';
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
    handle({ request, principal, query }) {
      const { tenant, role } = principal;
      const { area, type, parent } = query;
      const after = parameters.msOf(query.createdAfter);
      const before = parameters.msOf(query.createdBefore);
      const filter = { area, type, parent, after, before };
      return listAnswer(deps, {
        asked: { request, principal, models, atLeast: query.atLeast },
        scope: { route: 'records', filters: filtersText(query) },
        query,
        place: byTime,
        read: (transaction, page) => readRecords(transaction, tenant, filter, pageByTime(page)),
        placeOf: ({ createdAt, recordId }) => [createdAt, recordId] as const,
        async items(records) {
          const isOpen = viewOf(role) === 'open';
          const boxes = isOpen ? records.flatMap((one) => boxesOfRecord(tenant, one)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          return records.map((one) => recordItem(one, opened));
        },
      });
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
