// Scheduler: reconciliation on start. Comes in: the accounts, and until when each was reconciled. Goes out: what was
// missed while nobody took it, told and repaired; one account after the other, beside the timers.

import type { AccountStore, OpenAccount } from '../runtime/account-store.js';
import { isAbort, toError } from '../runtime/errors.js';
import { pause } from '../log/pause.js';
import { readReconciled, reconcileAccount, type ReconcileParts } from './reconcile.js';

export interface StartOptions {
  readonly accounts: Pick<AccountStore, 'open'>;
  /** After the start: what came in meanwhile is taken in first. */
  readonly delayMs: number;
}

/** Who was reconciled so lately needs it not again: schedulers take over from one another. */
const freshMs = 600_000;
/** An account that was never reconciled is looked at as far back; and how far a run reaches into the last one. */
const reachMs = { first: 86_400_000, again: 3_600_000 } as const;

/** Reconciles every account once; never rejects. */
export async function reconcileOnStart(
  parts: ReconcileParts,
  { accounts, delayMs }: StartOptions,
  signal: AbortSignal,
): Promise<void> {
  await pause(delayMs, signal);
  if (signal.aborted) return;
  try {
    const until = await readReconciled(parts.database);
    for (const account of await accounts.open(null, null)) {
      const lastMs = until.get(account.id);
      if (lastMs !== undefined && parts.at() - lastMs < freshMs) continue;
      const fromMs = lastMs === undefined ? parts.at() - reachMs.first : lastMs - reachMs.again;
      await reconcileOne(parts, account, Math.round(fromMs), signal);
    }
  } catch (thrown) {
    if (isAbort(thrown)) return;
    const fields = { code: 'reconcile_failed', error: toError(thrown) };
    parts.logger.warn(fields, 'calls are not reconciled; the next start tries again');
  }
}

async function reconcileOne(
  parts: ReconcileParts,
  account: OpenAccount,
  sinceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, provider, id } = account;
  const { pages, calls, differences, repaired, stopped } = await reconcileAccount(
    parts,
    account,
    { ms: sinceMs },
    signal,
  );
  const fields = { tenant, provider, account: id, pages, calls, differences, repaired };
  if (stopped === null) {
    parts.logger.info({ code: 'reconciled', ...fields }, 'calls were reconciled');
  } else {
    const line = { code: 'reconcile_stopped', ...fields, stopped };
    parts.logger.warn(line, 'calls were not reconciled to the end');
  }
}
