// Gateway: one page of a list. In: what was asked for and the cursor of the page before. Out: rows from one
// transaction, the cursor of the next page, and where the rows stand; the same way for every list.

import { z } from 'zod';

import { problem, type HttpResponse } from '../runtime/http.js';
import type { Transaction } from '../runtime/postgres.js';
import type { Cursors, CursorScope } from './cursor.js';
import { readAnswer, type ReadAsked, type ReadDeps } from './read.js';
import type { PageStart } from './read-models.js';

export interface ListDeps extends ReadDeps {
  readonly cursors: Cursors;
}

/** Where a row stands in the order of its list. */
type Place = readonly (string | number)[];

export interface List<Row, P extends Place> {
  readonly asked: ReadAsked;
  /** Name of the list and what it was asked for: a cursor is good for exactly this. */
  readonly scope: Omit<CursorScope, 'tenant'>;
  readonly query: { readonly cursor?: string | undefined; readonly limit: number };
  readonly place: z.ZodType<P>;
  /** Null: there is no such list (404). One row more than a page tells whether another page follows. */
  readonly read: (
    transaction: Transaction,
    page: { readonly limit: number; readonly start: P | null },
  ) => Promise<readonly Row[] | null>;
  readonly placeOf: (row: Row) => Readonly<P>;
  /** The rows in the caller's view. */
  readonly items: (rows: readonly Row[]) => readonly object[] | Promise<readonly object[]>;
}

/** Answers with a page, or with what is wrong with the cursor. */
export async function listAnswer<Row, P extends Place>(
  deps: ListDeps,
  list: List<Row, P>,
): Promise<HttpResponse> {
  const { cursor, limit } = list.query;
  const scope = { ...list.scope, tenant: list.asked.principal.tenant };
  const start = startOf(deps.cursors, scope, cursor, list.place);
  if (start === 'invalid') return cursorInvalid();
  return readAnswer(
    deps,
    list.asked,
    (transaction) => list.read(transaction, { limit: limit + 1, start }),
    async (rows, asOf) => {
      const shown = rows.slice(0, limit);
      const last = rows.length > limit ? shown.at(-1) : undefined;
      const next = last === undefined ? null : deps.cursors.encode(scope, list.placeOf(last));
      return { data: await list.items(shown), page: { next }, asOf };
    },
  );
}

/** The place of lists by time, newest first. */
export const byTime = z.tuple([z.number(), z.string()]);

/** As the read models take it. */
export const pageByTime = (page: {
  readonly limit: number;
  readonly start: z.output<typeof byTime> | null;
}): { readonly limit: number; readonly start: PageStart | null } => ({
  limit: page.limit,
  start: page.start === null ? null : { at: page.start[0], id: page.start[1] },
});

/** The filters of a query as canonical text: everything but where in the list, and as of when. */
export function filtersText(query: object): string {
  const where = new Set(['cursor', 'limit', 'atLeast', 'atLeastFact']);
  const filters = Object.entries(query).filter(
    ([name, value]) => !where.has(name) && value !== undefined,
  );
  return JSON.stringify(filters.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where the page begins; null for the first one. */
export function startOf<P>(
  cursors: Cursors,
  scope: CursorScope,
  cursor: string | undefined,
  shape: z.ZodType<P>,
): P | null | 'invalid' {
  if (cursor === undefined) return null;
  const place = shape.safeParse(cursors.decode(scope, cursor));
  return place.success ? place.data : 'invalid';
}

/** The same words for a cursor that is foreign, altered, or none. */
export const cursorInvalid = (): HttpResponse =>
  problem('cursor_invalid', 'use the cursor of the page before, with the same filters');
