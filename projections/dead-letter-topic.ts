// The topic `trunkline.dead-letters`: what stands in the read model, told to whoever watches from outside. Comes in:
// rows that changed. Goes out: one record for each, acknowledged before it counts as told.

import type { Codec } from '../log/event-codec.js';
import type { EventLog, LogRecord } from '../log/event-log.js';
import { pause } from '../log/pause.js';
import { formatHeader } from '../log/record-header.js';
import { partitionOf } from '../log/topics.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { inTransaction, type Database, type Transaction } from '../runtime/postgres.js';
import type { DeadLetter } from '../schemas/dead-letter.js';
import { eventId, offset, seq, tenantId, type TenantId } from '../schemas/ids.js';
import type { ParkedClass, ParkedFactView } from '../schemas/parking.js';

export interface DeadLetterTopicDeps {
  readonly log: EventLog;
  readonly codec: Pick<Codec, 'encodeDeadLetter'>;
  readonly database: Database;
  readonly logger: Logger;
}

const everyMs = 2_000;
/** Rows of one round: some hundred bytes each. */
const maxRows = 500;

/** Tells what is new until the signal aborts; never rejects. */
export async function tellDeadLetters(
  deps: DeadLetterTopicDeps,
  signal: AbortSignal,
): Promise<void> {
  let isAway = false;
  while (!signal.aborted) {
    let told = 0;
    try {
      told = await tellOnce(deps);
      isAway = false;
    } catch (thrown) {
      const fields = { code: 'dead_letters_untold', error: toError(thrown).message };
      if (!isAway) deps.logger.warn(fields, 'the topic of dead letters is told later');
      isAway = true;
    }
    if (told < maxRows) await pause(everyMs, signal);
  }
}

/**
 * One round; how many records were told. One process tells at a time: the lock goes with the transaction, which
 * ends before or after the append, never with half of it. What was appended and not committed is told again, with
 * the same tenant and number: a reader that keeps the last number of each tenant sees each once.
 */
export function tellOnce({
  log,
  codec,
  database,
}: Omit<DeadLetterTopicDeps, 'logger'>): Promise<number> {
  return inTransaction(database, async (transaction) => {
    const { rows: locks } = await transaction.query<{ held: boolean }>(
      `select pg_try_advisory_xact_lock(hashtext('trunkline.dead-letters')) as held`,
    );
    if (locks[0]?.held !== true) return 0;
    const letters = await readNew(transaction);
    if (letters.length === 0) return 0;
    await append(log, codec, letters);
    await noteTold(transaction, letters);
    return letters.length;
  });
}

interface LetterRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly seq: number;
  readonly state: DeadLetter['state'];
  readonly error_class: ParkedClass;
  readonly error_code: string;
  readonly error: string;
  readonly attempts: number;
  readonly queue_id: string;
  readonly provider: string;
  readonly facts: string;
  readonly source_topic: string;
  readonly source_offset: number;
  readonly source_at: number;
  readonly record_bytes: number;
  readonly delivery_id: string | null;
  readonly endpoint: string | null;
  readonly correlation_id: string;
  readonly updated_at: number;
}

/** What changed since it was told, in the order of each tenant's numbers. */
async function readNew(transaction: Transaction): Promise<readonly DeadLetter[]> {
  const { rows } = await transaction.query<LetterRow>({
    name: 'dead_letters_untold',
    text: `select s.*, d.provider, d.facts, d.source_topic, d.source_offset, d.record_bytes,
        d.delivery_id, d.endpoint, d.correlation_id
      from (select distinct tenant_id from dead_letter_states) known
      left join dead_letter_topic t using (tenant_id)
      cross join lateral (select * from dead_letter_states c
        where c.tenant_id = known.tenant_id and c.seq > coalesce(t.seq, 0)
        order by c.seq limit $1) s
      join dead_letters d on d.tenant_id = s.tenant_id and d.id = s.id
      order by s.tenant_id, s.seq limit $1`,
    values: [maxRows],
  });
  return rows.map(letterOf);
}

const letterOf = (row: LetterRow): DeadLetter => ({
  tenant: tenantId(row.tenant_id),
  id: eventId(row.id),
  seq: seq(row.seq),
  state: row.state,
  errorClass: row.error_class,
  errorCode: row.error_code,
  error: row.error,
  attempts: row.attempts,
  queueId: eventId(row.queue_id),
  provider: row.provider,
  facts: JSON.parse(row.facts) as readonly ParkedFactView[],
  sourceTopic: row.source_topic,
  sourceOffset: offset(row.source_offset),
  sourceAt: row.source_at,
  recordBytes: row.record_bytes,
  deliveryId: row.delivery_id,
  endpoint: row.endpoint,
  correlationId: row.correlation_id,
  updatedAt: row.updated_at,
});

async function append(
  log: EventLog,
  codec: DeadLetterTopicDeps['codec'],
  letters: readonly DeadLetter[],
): Promise<void> {
  const batches = new Map<number, LogRecord[]>();
  for (const letter of letters) {
    const partition = partitionOf(letter.tenant, log.partitions);
    const header = formatHeader({ kind: 'letter', seq: letter.seq, letterId: letter.id });
    const record = { key: letter.tenant, header, value: codec.encodeDeadLetter(letter) };
    batches.set(partition, [...(batches.get(partition) ?? []), record]);
  }
  // Dead letters are rare: a producer of its own for each round holds no connection between them.
  const appender = await log.openAppender();
  try {
    for (const [partition, records] of batches) {
      await appender.append('dead-letters', partition, records);
    }
  } finally {
    await appender.close();
  }
}

async function noteTold(transaction: Transaction, letters: readonly DeadLetter[]): Promise<void> {
  const last = new Map<TenantId, number>();
  for (const { tenant, seq: number } of letters) last.set(tenant, number);
  await transaction.query(
    `insert into dead_letter_topic (tenant_id, seq) select * from unnest($1::text[], $2::bigint[])
      on conflict (tenant_id) do update set seq = excluded.seq`,
    [[...last.keys()], [...last.values()]],
  );
}
