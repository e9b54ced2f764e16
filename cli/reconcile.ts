// `trunkline reconcile`: providers' lists of calls against ours. In: since when. Out: each difference, and the facts
// that repair it; a run that was interrupted goes on where it was.

import { InvalidArgumentError, Option, type Command } from 'commander';

import type { AccountStore } from '../runtime/account-store.js';
import { TrunklineError } from '../runtime/errors.js';
import type { Difference } from '../scheduler/compare.js';
import { apiNames } from '../scheduler/providers/registry.js';
import { reconcileAccount, type Reconciled, type ReconcileParts } from '../scheduler/reconcile.js';
import type { ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { durationOption, tenantOption } from './context.js';
import { CommandExit, exitCodes } from './environment.js';

/** What the command works with; closed by the command, also when it fails. */
export interface ReconcileServices {
  readonly accounts: Pick<AccountStore, 'open'>;
  readonly parts: Omit<ReconcileParts, 'onDifference' | 'onProgress'>;
  close(): Promise<void>;
}

export interface ReconcileContext {
  /** `isDry`: nothing is appended. */
  open(isDry: boolean): Promise<ReconcileServices>;
  readonly signal: AbortSignal;
  print(line: string): void;
  note(line: string): void;
  progress(line: string): void;
}

interface Options {
  readonly since: number;
  readonly tenant?: TenantId;
  readonly provider?: ProviderName;
  readonly dryRun?: true;
  readonly json?: true;
}

const examples = `
Differences:
  missing      we never heard of the call
  not_ended    it ended there; here it is active
  inferred     its end was inferred here; there it is known
  behind       it is further there
  contradicts  it ended in another way: told, not repaired

Examples:
  $ trunkline reconcile --since 24h --dry-run
  $ trunkline reconcile --since 2026-10-01T10:00:00Z --tenant acme
A run since the same instant goes on where an interrupted one was. What is repaired is repaired by facts, so
that a second run finds nothing.
Exit codes: 0 done · 1 an account could not be read to its end`;

/** Adds `reconcile`. */
export function registerReconcileCommand(program: Command, context: ReconcileContext): void {
  program
    .command('reconcile')
    .description('hold the calls of providers against ours, and repair what differs')
    .requiredOption('--since <time>', 'calls that began since: an instant, or 24h, 7d', sinceOption)
    .option('--tenant <tenant>', 'only this tenant', tenantOption)
    .addOption(new Option('--provider <name>', 'only this provider').choices(apiNames))
    .option('--dry-run', 'say what differs, repair nothing')
    .option('--json', 'a line of JSON for each difference and each account')
    .addHelpText('after', examples)
    .action((options: Options) => reconcile(context, options));
}

async function reconcile(context: ReconcileContext, options: Options): Promise<void> {
  const services = await context.open(options.dryRun === true);
  let unfinished = 0;
  try {
    const accounts = await services.accounts.open(options.tenant ?? null, options.provider ?? null);
    if (accounts.length === 0) {
      throw new TrunklineError(
        'not_found',
        'there is no account to ask with; see: trunkline account add --help',
      );
    }
    for (const account of accounts) {
      const parts: ReconcileParts = {
        ...services.parts,
        onDifference: (difference) => context.print(lineOf(difference, options.json)),
        onProgress: ({ pages, calls, differences }) => {
          const line = `${account.provider} ${account.id}: ${pages} pages, ${calls} calls, ${differences} differences`;
          if (options.json !== true) context.progress(line);
        },
      };
      const done = await reconcileAccount(parts, account, { ms: options.since }, context.signal);
      if (done.stopped !== null) unfinished += 1;
      tell(context, done, options);
    }
  } finally {
    await services.close();
  }
  if (unfinished > 0) {
    const again = `run it again with --since ${new Date(options.since).toISOString()}`;
    throw new CommandExit(
      exitCodes.failed,
      `${unfinished} accounts were not read to the end; ${again}`,
    );
  }
}

function lineOf(difference: Difference, json: true | undefined): string {
  const { kind, tenant, provider, legRef, callId, ours, theirs, repair } = difference;
  const isRepairable = repair.length > 0;
  if (json === true) {
    return JSON.stringify({
      kind,
      tenant,
      provider,
      leg: legRef,
      call: callId,
      ours,
      theirs,
      isRepairable,
    });
  }
  const here = ours ?? 'not known';
  return `${kind.padEnd(12)} ${tenant} ${provider} ${legRef}: here ${here}, there ${theirs ?? 'begun'}`;
}

function tell(context: ReconcileContext, done: Reconciled, { json, dryRun }: Options): void {
  const { account, pages, calls, differences, repaired, stopped, limit } = done;
  if (json === true) {
    const { tenant, provider, id } = account;
    const counts = { pages, calls, differences, repaired };
    context.print(JSON.stringify({ account: id, tenant, provider, ...counts, stopped, limit }));
    return;
  }
  const did = dryRun === true ? 'nothing was repaired' : `${repaired} repaired`;
  context.note(
    `${account.provider} ${account.id}: ${calls} calls, ${differences} differences, ${did}`,
  );
  if (limit !== null) context.note(`  ${limit}`);
  if (stopped !== null) context.note(`  stopped: ${stopped}`);
}

/** An instant, or how long ago. */
function sinceOption(text: string): number {
  if (/^\d+[smhd]$/.test(text)) return Date.now() - durationOption(text);
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms) || ms > Date.now()) {
    throw new InvalidArgumentError('An instant that is past (2026-10-01T10:00:00Z), or 24h, 7d.');
  }
  return ms;
}
