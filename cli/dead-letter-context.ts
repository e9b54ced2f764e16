// Command line: what the dead-letter commands work with, and how they find one. In: log and database. Out: a
// dead letter with its tenant and what was done about it.

import { readLetter, type ActItem, type LetterItem } from '../gateway/dead-letters.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import { asTenant, type Database } from '../runtime/postgres.js';
import { tenantId, type TenantId } from '../schemas/ids.js';

export interface DeadLetterServices {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly keyRing: KeyRing;
  readonly database: Database;
  close(): Promise<void>;
}

/** What the program gives its dead-letter commands. */
export interface DeadLetterContext {
  /** Opens log and database; closed by the command, also when it fails. */
  readonly open: () => Promise<DeadLetterServices>;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  readonly note: (line: string) => void;
  /** Asks on a terminal; null where nobody can answer. */
  readonly confirm: (question: string) => Promise<boolean | null>;
  readonly setExitCode: (code: number) => void;
}

/** A dead letter and whose it is. */
export interface FoundLetter {
  readonly tenant: TenantId;
  readonly letter: LetterItem;
  readonly acts: readonly ActItem[];
}

/** Finds it by its id alone, which no two tenants share. Throws `not_found`. */
export async function findLetter(
  { database, log }: DeadLetterServices,
  id: string,
): Promise<FoundLetter> {
  const { rows } = await database.query<{ tenant: string }>(
    'select tenant_id as tenant from dead_letters where id = $1',
    [id],
  );
  for (const row of rows) {
    const tenant = tenantId(row.tenant);
    const placing = { tenant, partitions: log.partitions };
    const found = await asTenant(database, tenant, (transaction) =>
      readLetter(transaction, placing, id),
    );
    if (found !== null) return { tenant, ...found };
  }
  throw new TrunklineError('not_found', `no dead letter ${id}; see: trunkline dead-letters list`);
}

/** Runs `work` with log and database open. */
export async function withServices(
  context: DeadLetterContext,
  work: (services: DeadLetterServices) => Promise<void>,
): Promise<void> {
  const services = await context.open();
  try {
    await work(services);
  } finally {
    await services.close();
  }
}
