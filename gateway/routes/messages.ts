// Gateway: GET /v1/messages. In: filters and a cursor. Out: pages of messages in the caller's view.

import { z } from 'zod';

import { problem } from '../../runtime/http.js';
import { isAllowed } from '../authorize.js';
import { defineRoute, type Route } from '../http.js';
import { byTime, filtersText, listAnswer, pageByTime, type ListDeps } from '../list.js';
import { readMessages } from '../read-models.js';
import { boxesOfMessage, messageItem, openBoxes } from '../views.js';
import { subjectOf } from './calls.js';
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
      const filter = {
        statuses: query.status,
        direction: query.direction,
        subject,
        after: parameters.msOf(query.createdAfter),
        before: parameters.msOf(query.createdBefore),
      };
      return listAnswer(deps, {
        asked: { request, principal, models: ['messages'], atLeast: query.atLeast },
        scope: { route: 'messages', filters: filtersText(query) },
        query,
        place: byTime,
        read: (transaction, page) => readMessages(transaction, tenant, filter, pageByTime(page)),
        placeOf: ({ createdAt, messageId }) => [createdAt, messageId] as const,
        async items(messages) {
          const boxes = mayOpen ? messages.flatMap((one) => boxesOfMessage(tenant, one)) : [];
          const opened = await openBoxes(deps.keyRing, tenant, boxes);
          return messages.map((one) => messageItem(one, opened));
        },
      });
    },
  });
}
