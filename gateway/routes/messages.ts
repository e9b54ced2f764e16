// Gateway: GET /v1/messages. In: filters and a cursor. Out: pages of messages in the caller's view.

import { z } from 'zod';

import { problem } from '../../runtime/http.js';
import { isAllowed } from '../authorize.js';
import { defineRoute, type Route } from '../http.js';
import { readAnswer } from '../read.js';
import { readMessages } from '../read-models.js';
import { boxesOfMessage, messageItem, openBoxes } from '../views.js';
import { cursorInvalid, filtersText, startOf, subjectOf, type ListDeps } from './calls.js';
import { messageSchema, pageOf } from './items.js';
import * as parameters from './parameters.js';

const query = z.strictObject({
  status: parameters.messageStatus,
  direction: parameters.direction,
  number: parameters.number,
  createdAfter: parameters.instant,
  createdBefore: parameters.instant,
  cursor: parameters.cursor,
  limit: parameters.limit,
  atLeast: parameters.atLeast,
});

const startOfList = z.tuple([z.number(), z.string()]);

/** Messages, newest first. */
export function messageRoute(deps: ListDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/messages',
    summary: 'Messages, newest first',
    permission: 'messages.read',
    query,
    params: z.object({}),
    answer: { status: 200, schema: pageOf(messageSchema) },
    errors: ['cursor_invalid', 'not_yet'],
    async handle({ request, principal, query }) {
      const { tenant, role } = principal;
      const mayOpen = isAllowed(role, 'personal.read');
      const { subject, isForbidden } = await subjectOf(deps, tenant, mayOpen, query.number);
      if (isForbidden) return problem('forbidden', 'the role may not see numbers');
      const scope = { tenant, route: 'messages', filters: filtersText(query) };
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
        after: parameters.msOf(query.createdAfter),
        before: parameters.msOf(query.createdBefore),
      };
      const asked = { request, principal, models: ['messages'] as const, atLeast: query.atLeast };
      return readAnswer(
        deps,
        asked,
        (transaction) => readMessages(transaction, tenant, filter, page),
        async (rows, asOf) => {
          const messages = rows.slice(0, query.limit);
          const boxes = mayOpen ? messages.flatMap((one) => boxesOfMessage(tenant, one)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          const last = rows.length > query.limit ? messages.at(-1) : undefined;
          const next =
            last === undefined
              ? null
              : deps.cursors.encode(scope, [last.createdAt, last.messageId]);
          return { data: messages.map((one) => messageItem(one, opened)), page: { next }, asOf };
        },
      );
    },
  });
}
