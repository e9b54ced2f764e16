// Gateway: GET /v1/stats. In: a span. Out: statistics by minute (UTC), oldest first.

import { z } from 'zod';

import { defineRoute, type Route } from '../http.js';
import { readAnswer, type ReadDeps } from '../read.js';
import { readStats } from '../read-models.js';
import { cursorSchema, statsSchema } from './items.js';
import * as parameters from './parameters.js';

/** Minutes of one answer at most: a day. */
const maxMinutes = 1440;

/** The newest minutes of a span that have anything to say. */
export function statsRoute(deps: ReadDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/stats',
    summary: 'Statistics by minute, oldest first; minutes without events are left out',
    permission: 'stats.read',
    query: z.strictObject({
      after: parameters.instant,
      before: parameters.instant,
      limit: z.coerce.number().int().min(1).max(maxMinutes).default(60),
      atLeast: parameters.atLeast,
    }),
    params: z.object({}),
    answer: { status: 200, schema: z.object({ data: z.array(statsSchema), asOf: cursorSchema }) },
    errors: ['not_yet'],
    handle({ request, principal, query }) {
      const models = ['stats_minute'] as const;
      const span = {
        after: parameters.msOf(query.after) ?? 0,
        before: parameters.msOf(query.before) ?? Number.MAX_SAFE_INTEGER,
        limit: query.limit,
      };
      return readAnswer(
        deps,
        { request, principal, models, atLeast: query.atLeast },
        (transaction) => readStats(transaction, principal.tenant, span),
        (data, asOf) => Promise.resolve({ data, asOf }),
      );
    },
  });
}
