// Gateway: GET /v1/endpoints/{id}/refusals. In: an endpoint and a cursor. Out: its last refused deliveries with
// the likely cause and what to set where, newest first; nothing of their bodies.

import { z } from 'zod';

import { readRefusals, refusalBounds, type RefusalItem } from '../../runtime/diagnosis-store.js';
import { problem } from '../../runtime/http.js';
import { asTenant } from '../../runtime/postgres.js';
import { parseEndpointId } from '../../schemas/ids.js';
import { causeWords, parseCause } from '../../schemas/refusal-causes.js';
import { defineRoute, jsonAnswer, type Route } from '../http.js';
import { cursorInvalid, startOf, type ListDeps } from '../list.js';
import type { ProviderItem } from './providers.js';
import * as parameters from './parameters.js';

const refusalSchema = z.object({
  at: z.iso.datetime(),
  /** Which layer refused: rate_limit, receive, source_address, signature, timestamp, record, append. */
  layer: z.string(),
  code: z.string(),
  /** One of a closed set; `unknown` where no change that is known to happen explains it. */
  cause: z.string(),
  /** A second thing that was wrong. */
  also: z.string().nullable(),
  because: z.string(),
  fix: z.string(),
  /** Another endpoint of the same tenant that the cause speaks of. */
  otherEndpoint: z.string().nullable(),
  /** Signed time minus ours, in ms; null where none is signed. */
  signedOffsetMs: z.number().nullable(),
  method: z.string(),
  /** A class, not the header. */
  contentType: z.string().nullable(),
  agent: z.string().nullable(),
  bodyBytes: z.number(),
  /** The /24 or /48 it came from. */
  network: z.string(),
  correlationId: z.string(),
  /** Refusals just before this one that were counted and not kept. */
  unwrittenBefore: z.number(),
});

const startOfList = z.tuple([z.number()]);

/** Titles of providers by their names. */
type Titles = ReadonlyMap<string, string>;

function itemOf(
  row: RefusalItem,
  provider: string,
  titles: Titles,
): z.output<typeof refusalSchema> {
  const { cause, also, other, looksLike, offsetMs } = row;
  const titleOf = (name: string): string => titles.get(name) ?? name;
  const words = causeWords(parseCause(cause) ?? 'unknown', {
    ...{ endpoint: row.endpoint, provider: titleOf(provider), offsetMs },
    other: looksLike === null ? other : titleOf(looksLike),
  });
  return {
    at: new Date(row.at).toISOString(),
    ...{ layer: row.layer, code: row.code, cause, also, because: words.says, fix: words.fix },
    ...{ otherEndpoint: other, signedOffsetMs: offsetMs },
    ...{ method: row.method, contentType: row.contentType, agent: row.agent },
    ...{ bodyBytes: row.bodyBytes, network: row.network, correlationId: row.correlationId },
    unwrittenBefore: row.unwritten,
  };
}

/** Refusals of one endpoint of the caller's tenant; a foreign one answers as one that never was. */
export function refusalRoute(deps: ListDeps, providers: readonly ProviderItem[]): Route {
  const titles: Titles = new Map(providers.map(({ name, title }) => [name, title]));
  return defineRoute({
    method: 'GET',
    pattern: '/v1/endpoints/:id/refusals',
    summary: `The last refused deliveries of an endpoint (${refusalBounds.perEndpoint}, ${refusalBounds.days} days) and why`,
    permission: 'endpoints.manage',
    query: z.strictObject({ cursor: parameters.cursor, limit: parameters.limit }),
    params: z.object({ id: parameters.id }),
    answer: {
      status: 200,
      schema: z.object({
        data: z.array(refusalSchema),
        page: z.object({ next: z.string().nullable() }),
      }),
    },
    errors: ['not_found', 'cursor_invalid'],
    async handle({ principal: { tenant }, params, query }) {
      const endpoint = parseEndpointId(params.id);
      if (endpoint === null) return problem('not_found', 'nothing has that id');
      const scope = { tenant, route: 'refusals', filters: endpoint };
      const start = startOf(deps.cursors, scope, query.cursor, startOfList);
      if (start === 'invalid') return cursorInvalid();
      const page = { limit: query.limit + 1, before: start?.[0] ?? null };
      const found = await asTenant(deps.database, tenant, (transaction) =>
        readRefusals(transaction, { tenant, endpoint }, page),
      );
      if (found === null) return problem('not_found', 'nothing has that id');
      const rows = found.refusals.slice(0, query.limit);
      const last = found.refusals.length > query.limit ? rows.at(-1) : undefined;
      const next = last === undefined ? null : deps.cursors.encode(scope, [last.id]);
      const data = rows.map((row) => itemOf(row, found.provider, titles));
      return jsonAnswer({ data, page: { next } });
    },
  });
}
