// The embedded log, appending: one statement per batch. Comes in: records. Goes out: an ack after the
// commit, or `append_unknown`.

import { TrunklineError } from '../runtime/errors.js';
import type { Database } from '../runtime/postgres.js';
import { offset } from '../schemas/ids.js';
import { orderedAppender } from './append-order.js';
import type { AppendAck, Appender, LogRecord, Topic } from './event-log.js';
import type { Heads } from './embedded-heads.js';

// The head row is locked by its update and stays locked to commit, so offsets are dense and become
// visible in order. All values go in one binary parameter and are cut here: an array of bytea would
// travel as hex text, twice.
const appendText = `with head as (
    update log_heads set next_offset = next_offset + $3,
      last_appended_at = greatest(last_appended_at, (extract(epoch from clock_timestamp()) * 1000)::bigint)
    where topic = $1 and partition = $2
    returning next_offset - $3 as base, last_appended_at as at
  ), stored as (
    insert into log_records (topic, partition, "offset", appended_at, bytes, key, header, value)
    select $1, $2, head.base + r.i - 1, head.at, greatest(r.size, 0) + octet_length(r.header),
      r.key, r.header, case when r.size >= 0 then substring($8::bytea from r.start for r.size) end
    from head cross join unnest($4::text[], $5::text[], $6::int[], $7::int[])
      with ordinality r (key, header, start, size, i)
  )
  select base from head`;

/** An appender on the log's pool; `timeoutMs` is the deadline of one batch. */
export function embeddedAppender(database: Database, heads: Heads, timeoutMs: number): Appender {
  return orderedAppender(timeoutMs, {
    async send(topic, partition, records) {
      const ack = await insert(database, topic, partition, records);
      heads.appended(topic, partition, ack.baseOffset + records.length);
      return ack;
    },
    close: () => Promise.resolve(),
  });
}

async function insert(
  database: Database,
  topic: Topic,
  partition: number,
  records: readonly LogRecord[],
): Promise<AppendAck> {
  const starts: number[] = [];
  const sizes: number[] = [];
  const values: Buffer[] = [];
  let start = 1;
  for (const { value } of records) {
    starts.push(start);
    sizes.push(value === null ? -1 : value.length);
    if (value === null) continue;
    values.push(value);
    start += value.length;
  }
  const { rows } = await database.query<{ base: number }>({
    name: 'log_append',
    text: appendText,
    values: [
      ...[topic, partition, records.length],
      ...[records.map(({ key }) => key), records.map(({ header }) => header)],
      ...[starts, sizes, Buffer.concat(values)],
    ],
  });
  const base = rows[0]?.base;
  if (base === undefined) {
    throw new TrunklineError('log_position', `there is no partition ${partition} of ${topic}`);
  }
  return { baseOffset: offset(base) };
}
