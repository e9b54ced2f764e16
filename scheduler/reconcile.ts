// Scheduler: reconciliation. Comes in: an account and since when. Goes out: every difference between the provider's
// list of calls and ours, told and repaired by facts. It goes on where a run before it was interrupted.

import type { OwnFact } from '../log/own-facts.js';
import type { OpenAccount } from '../runtime/account-store.js';
import type { Logger } from '../runtime/logger.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import type { Asker } from './asker.js';
import type { ApiAnswer } from './call-api.js';
import { compareCalls, type Difference } from './compare.js';
import { apiOf } from './providers/registry.js';

export interface ReconcileParts {
  readonly database: Database;
  readonly asker: Asker;
  readonly logger: Logger;
  /** Null: differences are found and told, not repaired. */
  readonly append: ((facts: readonly OwnFact[]) => Promise<unknown>) | null;
  /** The instant, ms since 1970. */
  readonly at: () => number;
  readonly onDifference: (difference: Difference) => void;
  readonly onProgress?: (progress: Reconciled) => void;
}

/** What a run over one account did. */
export interface Reconciled {
  readonly account: OpenAccount;
  readonly pages: number;
  readonly calls: number;
  readonly differences: number;
  readonly repaired: number;
  /** Why it did not come to the end; null when it did. */
  readonly stopped: string | null;
  /** What the provider's list cannot show; null where it shows all. */
  readonly limit: string | null;
}

/** Calls that began so lately may be on their way to us: their deliveries, or what follows from them. */
const tooYoungMs = 120_000;
/** How long a page waits for its turn at the gate of the account. */
const patienceMs = 60_000;

/** Holds the list of one account since then against ours. Rejects only on an abort, a defect, or without Postgres or log. */
export async function reconcileAccount(
  parts: ReconcileParts,
  account: OpenAccount,
  since: { readonly ms: number },
  signal: AbortSignal,
): Promise<Reconciled> {
  const api = apiOf(account.provider);
  const begunMs = parts.at();
  let result: Reconciled = {
    ...{ account, pages: 0, calls: 0, differences: 0, repaired: 0, stopped: null },
    limit: api?.listLimit ?? null,
  };
  if (api === null) return { ...result, stopped: 'its provider has no list of calls that we know' };
  const { baseUrl, credentials } = account;
  const apiAccount = { baseUrl: baseUrl ?? api.defaultBaseUrl, credentials };
  const put = parts.asker.put(account, patienceMs, signal);
  let cursor = await resumeAt(parts, account, since.ms);
  do {
    const page = await api.list(apiAccount, { sinceMs: since.ms, cursor }, put);
    if (page.kind === 'failed') {
      // The place where an earlier run stopped may be gone: the list is read again, the facts are the same.
      if (cursor !== null && result.pages === 0 && page.answer.kind !== 'unreachable') {
        cursor = null;
        continue;
      }
      return { ...result, stopped: stoppedBy(page.answer) };
    }
    const old = page.calls.filter(({ startedAtMs }) => (startedAtMs ?? 0) < begunMs - tooYoungMs);
    result = await repairPage(parts, result, { calls: old, listed: page.calls.length });
    cursor = page.next;
    await remember(parts, account, { sinceMs: since.ms, cursor, untilMs: begunMs });
    parts.onProgress?.(result);
    if (cursor === null) return result;
  } while (!signal.aborted);
  return { ...result, stopped: 'interrupted' };
}

async function repairPage(
  { database, append, logger, at, onDifference }: ReconcileParts,
  result: Reconciled,
  page: { readonly calls: Parameters<typeof compareCalls>[2]; readonly listed: number },
): Promise<Reconciled> {
  const { tenant, provider } = result.account;
  const found = await compareCalls(database, { tenant, provider, nowMs: at() }, page.calls);
  for (const difference of found) {
    const { kind, legRef, ours, theirs } = difference;
    const fields = { code: 'call_differs', tenant, provider, kind, leg: legRef, ours, theirs };
    logger.info(fields, 'a call differs from the provider’s');
    onDifference(difference);
  }
  const facts = found.flatMap(({ repair }) => repair);
  const repaired = found.filter(({ repair }) => repair.length > 0).length;
  if (append !== null && facts.length > 0) await append(facts);
  return {
    ...result,
    pages: result.pages + 1,
    calls: result.calls + page.listed,
    differences: result.differences + found.length,
    repaired: result.repaired + (append === null ? 0 : repaired),
  };
}

function stoppedBy(answer: ApiAnswer): string {
  switch (answer.kind) {
    case 'refused':
      return `the provider refuses the account (status ${answer.status})`;
    case 'busy':
      return `the provider is asked too much; try again in ${Math.ceil(answer.afterMs / 1000)} s`;
    case 'unreachable':
      return `the provider does not answer: ${answer.why}`;
    case 'unknown':
      return 'the provider does not know the account';
    case 'ok':
      return 'an answer that is none';
  }
}

/** Where an interrupted run since the same instant stood; null: at the beginning. A dry run leaves no trace. */
async function resumeAt(
  { database, append }: ReconcileParts,
  { tenant, id }: OpenAccount,
  sinceMs: number,
): Promise<string | null> {
  if (append === null) return null;
  try {
    const { rows } = await database.query<{ cursor: string | null }>(
      `select run_cursor as cursor from provider_accounts
        where tenant_id = $1 and account_id = $2 and run_since = to_timestamp($3::float8 / 1000)`,
      [tenant, id, sinceMs],
    );
    return rows[0]?.cursor ?? null;
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

async function remember(
  { database, append }: ReconcileParts,
  { tenant, id }: OpenAccount,
  run: { readonly sinceMs: number; readonly cursor: string | null; readonly untilMs: number },
): Promise<void> {
  if (append === null) return;
  try {
    await database.query(
      `update provider_accounts set run_since = to_timestamp($3::float8 / 1000), run_cursor = $4,
          reconciled_until = case when $4::text is null
            then greatest(reconciled_until, to_timestamp($5::float8 / 1000)) else reconciled_until end
        where tenant_id = $1 and account_id = $2`,
      [tenant, id, run.sinceMs, run.cursor, run.untilMs],
    );
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

/** Until when each account was reconciled, in ms since 1970; absent where it never was. */
export async function readReconciled(database: Database): Promise<ReadonlyMap<string, number>> {
  try {
    const { rows } = await database.query<{ id: string; ms: number }>(
      `select account_id as id, extract(epoch from reconciled_until)::float8 * 1000 as ms
        from provider_accounts where reconciled_until is not null and revoked_at is null`,
    );
    return new Map(rows.map(({ id, ms }) => [id, ms]));
  } catch (thrown) {
    throw postgresError(thrown);
  }
}
