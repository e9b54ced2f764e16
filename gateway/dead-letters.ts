// Gateway: rows of `dead_letters`. In: a transaction that is held to one tenant. Out: items as the API and the
// command line show them; nothing in them is personal.

import { z } from 'zod';

import { partitionOf } from '../log/topics.js';
import type { Transaction } from '../runtime/postgres.js';
import { actNames } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { parkedClasses } from '../schemas/parking.js';
import type { PageStart } from './read-models.js';

export const letterStates = ['open', 'retried', 'discarded'] as const;

const instant = z.string().meta({ format: 'date-time' });

const factSchema = z.object({
  kind: z.string(),
  eventType: z.string(),
  /** The provider's reference of the leg, message or object. */
  ref: z.string().nullable(),
  /** Masked. */
  from: z.string().nullable(),
  to: z.string().nullable(),
});

export const letterSchema = z.object({
  id: z.string(),
  state: z.enum(letterStates),
  /** `behind`: nothing is wrong with it, an earlier fact of its call waits. */
  class: z.enum(parkedClasses),
  code: z.string(),
  error: z.string(),
  attempts: z.int(),
  provider: z.string(),
  facts: z.array(factSchema),
  origin: z.object({ topic: z.string(), partition: z.int(), offset: z.int(), at: instant }),
  queue: z.object({
    id: z.string(),
    /** Facts that wait behind this one. */
    behind: z.int(),
  }),
  deliveryId: z.string().nullable(),
  endpoint: z.string().nullable(),
  recordBytes: z.int(),
  /** False: only the source topic has the record, for as long as that keeps it. */
  carried: z.boolean(),
  receivedAt: instant,
  updatedAt: instant,
  correlationId: z.string(),
});
export type LetterItem = z.output<typeof letterSchema>;

export const actSchema = z.object({
  at: instant,
  seq: z.int(),
  actId: z.string(),
  act: z.enum(actNames),
  actor: z.string(),
  reason: z.string(),
  /** `applied`, `duplicate_seen`, or why it did nothing. */
  outcome: z.string(),
  released: z.int(),
  remaining: z.int(),
  /** The error code of the fact that failed again and holds up the rest. */
  failed: z.string().nullable(),
});
export type ActItem = z.output<typeof actSchema>;

export interface LetterFilter {
  readonly states?: readonly string[] | undefined;
  readonly classes?: readonly string[] | undefined;
  readonly code?: string | undefined;
  readonly provider?: string | undefined;
  readonly queue?: string | undefined;
}

const letterRow = z.object({
  ...{ id: z.string(), state: z.enum(letterStates), queue_id: z.string() },
  ...{ error_class: z.enum(parkedClasses), error_code: z.string(), error: z.string() },
  ...{ attempts: z.number(), provider: z.string(), facts: z.string(), behind: z.number() },
  ...{ source_topic: z.string(), source_offset: z.number(), source_at: z.number() },
  ...{ delivery_id: z.string().nullable(), endpoint: z.string().nullable() },
  ...{ record_bytes: z.number(), is_carried: z.boolean(), correlation_id: z.string() },
  ...{ received_at: z.number(), updated_at: z.number() },
});

const select = `select s.id, s.state, s.queue_id, s.error_class, s.error_code, s.error, s.attempts,
    s.source_at, s.updated_at, d.provider, d.facts, d.source_topic, d.source_offset, d.delivery_id,
    d.endpoint, d.record_bytes, d.is_carried, d.correlation_id, d.received_at,
    (select count(*)::int from dead_letter_states b
      join dead_letters e on e.tenant_id = b.tenant_id and e.id = b.id
      where b.tenant_id = $1 and b.queue_id = s.queue_id and b.state = 'open' and e.seq > d.seq)
      as behind
  from dead_letter_states s join dead_letters d on d.tenant_id = s.tenant_id and d.id = s.id
  where s.tenant_id = $1`;

/** Where the partition of an origin comes from: the record says only tenant, topic and offset. */
export interface Placing {
  readonly tenant: TenantId;
  readonly partitions: number;
}

/** A page of dead letters, the newest record first. */
export async function readLetters(
  transaction: Transaction,
  placing: Placing,
  filter: LetterFilter,
  page: { readonly limit: number; readonly start: PageStart | null },
): Promise<readonly LetterItem[]> {
  const { states, classes, code, provider, queue } = filter;
  const { rows } = await transaction.query({
    name: 'dead_letters_list',
    text: `${select}
      and ($2::text[] is null or s.state = any($2)) and ($3::text[] is null or s.error_class = any($3))
      and ($4::text is null or s.error_code = $4) and ($5::text is null or d.provider = $5)
      and ($6::text is null or s.queue_id = $6)
      and ($7::bigint is null or s.source_at < $7 or (s.source_at = $7 and s.id > $8))
      order by s.source_at desc, s.id limit $9`,
    values: [
      ...[placing.tenant, states ?? null, classes ?? null, code ?? null, provider ?? null],
      ...[queue ?? null, page.start?.at ?? null, page.start?.id ?? null, page.limit],
    ],
  });
  return rows.map((row) => itemOf(row, placing));
}

/** One dead letter and what operators did about it, oldest act first; null when there is none. */
export async function readLetter(
  transaction: Transaction,
  placing: Placing,
  id: string,
): Promise<{ readonly letter: LetterItem; readonly acts: readonly ActItem[] } | null> {
  const { rows } = await transaction.query({
    name: 'dead_letters_one',
    text: `${select} and s.id = $2`,
    values: [placing.tenant, id],
  });
  const [letter] = rows.map((row) => itemOf(row, placing));
  if (letter === undefined) return null;
  return { letter, acts: await readActs(transaction, placing.tenant, id) };
}

/** Most acts that are shown of one dead letter: the latest. */
const maxActs = 100;

async function readActs(
  transaction: Transaction,
  tenant: TenantId,
  id: string,
): Promise<readonly ActItem[]> {
  const { rows } = await transaction.query<{ at: number }>({
    name: 'dead_letters_acts',
    text: `select at, seq, act_id as "actId", act, actor, reason, outcome, released, remaining, failed
      from dead_letter_acts where tenant_id = $1 and letter_id = $2 order by seq desc limit $3`,
    values: [tenant, id, maxActs],
  });
  return rows
    .map((row) => actSchema.parse({ ...row, at: new Date(row.at).toISOString() }))
    .reverse();
}

function itemOf(row: unknown, { tenant, partitions }: Placing): LetterItem {
  const cells = letterRow.parse(row);
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    id: cells.id,
    ...{ state: cells.state, class: cells.error_class, code: cells.error_code },
    ...{ error: cells.error, attempts: cells.attempts, provider: cells.provider },
    facts: z.array(factSchema).parse(JSON.parse(cells.facts)),
    origin: {
      topic: cells.source_topic,
      partition: partitionOf(tenant, partitions),
      offset: cells.source_offset,
      at: time(cells.source_at),
    },
    queue: { id: cells.queue_id, behind: cells.behind },
    ...{ deliveryId: cells.delivery_id, endpoint: cells.endpoint },
    ...{ recordBytes: cells.record_bytes, carried: cells.is_carried },
    ...{ receivedAt: time(cells.received_at), updatedAt: time(cells.updated_at) },
    correlationId: cells.correlation_id,
  };
}
