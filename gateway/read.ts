// Gateway: one answer from the read models. In: which models, and what to read. Out: rows and their position
// from one transaction, with ETag, 304 and `atLeast` handled the same way for every route.

import { setTimeout as sleep } from 'node:timers/promises';

import { problem, type HttpRequest, type HttpResponse } from '../runtime/http.js';
import { asTenant, type Transaction } from '../runtime/postgres.js';
import type { Cursor } from '../schemas/live-frames.js';
import type { Principal } from './authenticate.js';
import { jsonAnswer, withHeaders } from './http.js';
import { readPosition, type ServedModel } from './read-models.js';
import type { ReadModels } from './snapshots.js';

export interface ReadDeps extends ReadModels {
  readonly clock: () => number;
  /** Epoch of the tenant's partition before its read models have one. */
  readonly epochOf: (tenant: Principal['tenant']) => string | null;
}

/** How a read is asked for. */
export interface ReadAsked {
  readonly request: HttpRequest;
  readonly principal: Principal;
  readonly models: readonly ServedModel[];
  readonly atLeast: number | undefined;
  /** An offset of `deliveries`: everything up to it is in the answer, whatever it brought. */
  readonly atLeastFact?: number | undefined;
}

/**
 * Longest wait for a read model to reach `atLeast`, in ms, and how often it is looked at: less and less,
 * so that a caller who asks for what will never come does not keep the database busy.
 */
const waitMs = 2_000;
const lookEveryMs = { first: 25, last: 200 };

type Read<T> =
  | { readonly kind: 'rows'; readonly asOf: Cursor; readonly rows: T }
  | { readonly kind: 'same'; readonly asOf: Cursor }
  | { readonly kind: 'behind' };

/**
 * Reads rows, then lets `render` make the body from them outside the transaction. Null rows are a
 * 404. A model that does not reach `atLeast` in time is a 503 with Retry-After.
 */
export async function readAnswer<T>(
  deps: ReadDeps,
  asked: ReadAsked,
  read: (transaction: Transaction) => Promise<T | null>,
  render: (rows: T, asOf: Cursor) => Promise<object>,
): Promise<HttpResponse> {
  const until = deps.clock() + waitMs;
  let pauseMs = lookEveryMs.first;
  for (;;) {
    const found = await readOnce(deps, asked, read);
    if (found.kind === 'behind') {
      if (deps.clock() >= until || asked.request.signal.aborted) return notYet();
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, lookEveryMs.last);
      continue;
    }
    const etag = `"${found.asOf.epoch}.${found.asOf.seq}"`;
    if (found.kind === 'same') return { status: 304, headers: { etag, ...cacheHeaders } };
    if (found.rows === null) return problem('not_found', 'nothing has that id');
    return jsonAnswer(await render(found.rows, found.asOf), { etag });
  }
}

const cacheHeaders = { 'cache-control': 'private, no-cache', vary: 'Authorization' };

function readOnce<T>(
  deps: ReadDeps,
  { request, principal, models, atLeast, atLeastFact }: ReadAsked,
  read: (transaction: Transaction) => Promise<T | null>,
): Promise<Read<T | null>> {
  const { tenant } = principal;
  const about = { tenant, partition: deps.partitionOf(tenant), versions: deps.versions };
  return asTenant(deps.database, tenant, async (transaction) => {
    const position = await readPosition(transaction, about, models);
    if (position.seq < (atLeast ?? 0)) return { kind: 'behind' };
    if (position.covered < (atLeastFact ?? -1)) return { kind: 'behind' };
    const epoch = position.epoch ?? deps.epochOf(tenant) ?? 'none';
    const asOf = { epoch, seq: position.seq };
    if (isSame(request.headers.get('if-none-match'), asOf)) return { kind: 'same', asOf };
    return { kind: 'rows', asOf, rows: await read(transaction) };
  });
}

/** RFC 9110, section 13.1.2: weak comparison, a list of tags, or `*`. */
function isSame(header: string | undefined, asOf: Cursor): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(`"${asOf.epoch}.${asOf.seq}"`);
}

const notYet = (): HttpResponse =>
  withHeaders(
    problem('not_yet', 'the read model has not reached the position asked for; ask again'),
    {
      'retry-after': '1',
    },
  );
