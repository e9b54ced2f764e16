// The embedded log, reading: waits in memory, asks the database only when a position has news, and then
// once for all of them. Comes in: positions. Goes out: records, or a `log_position` error.

import { TrunklineError } from '../runtime/errors.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import { offset } from '../schemas/ids.js';
import { orAborted } from './abort.js';
import type {
  FetchedRecords,
  Fetcher,
  FetchLimits,
  FetchPosition,
  StoredRecord,
} from './event-log.js';
import type { Heads } from './embedded-heads.js';

/** Most records of one partition in one answer. */
const maxRecords = 2000;

// One snapshot: heads, floors and records belong together, so nothing beyond a head is seen and a
// record that the sweep removes is never a hole. At least one record per position, whatever its size.
const fetchText = `select p.i::int, h.next_offset, f.first_offset,
    r."offset", r.appended_at, r.key, r.header, r.value
  from unnest($1::text[], $2::int[], $3::bigint[]) with ordinality p (topic, partition, start, i)
  join log_heads h on h.topic = p.topic and h.partition = p.partition
  join log_floors f on f.topic = p.topic and f.partition = p.partition
  left join lateral (
    select * from (
      select x.*, sum(x.bytes) over (order by x."offset") - x.bytes as before
      from (
        select l."offset", l.appended_at, l.bytes, l.key, l.header, l.value from log_records l
        where l.topic = p.topic and l.partition = p.partition and l."offset" >= p.start
        order by l."offset" limit ${maxRecords}
      ) x
    ) y where y.before < $4
  ) r on true
  order by p.i, r."offset"`;

type Row = [
  position: number,
  next: number,
  first: number,
  offset: number | null,
  appendedAt: number,
  key: string,
  header: string,
  value: Buffer | null,
];

/** A fetcher on the log's pool: a long poll holds no connection. */
export function embeddedFetcher(database: Database, heads: Heads): Fetcher {
  let closed = false;
  return {
    async fetch(positions, limits, signal) {
      signal.throwIfAborted();
      const deadline = performance.now() + limits.maxWaitMs;
      for (;;) {
        if (closed) throw new TrunklineError('log_position', 'the fetcher is closed');
        const wanted = positions.filter((p) => heads.known(p.topic, p.partition) !== p.from);
        if (wanted.length > 0) {
          const found = await orAborted(query(database, wanted, heads, limits), signal);
          if (found.some(({ records }) => records.length > 0)) return fill(positions, found, heads);
        }
        const left = deadline - performance.now();
        if (left <= 0) return fill(positions, [], heads);
        // What came during the query has woken nobody.
        if (positions.some((p) => heads.known(p.topic, p.partition) > p.from)) continue;
        await heads.wait(positions, left, signal);
        signal.throwIfAborted();
      }
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

async function query(
  database: Database,
  wanted: readonly FetchPosition[],
  heads: Heads,
  limits: FetchLimits,
): Promise<readonly FetchedRecords[]> {
  const known = wanted.map(({ topic, partition }) => heads.known(topic, partition));
  const rows = await readRows(database, wanted, limits);
  const found = collect(wanted, rows);
  found.forEach(({ topic, partition, end }, i) => {
    // A head is known only after its commit: a database that shows less was restored to an older time.
    if (end < (known[i] ?? 0)) throw outside(`${topic}/${partition} went back to ${end}`);
    heads.saw(topic, partition, end);
  });
  return found;
}

async function readRows(
  database: Database,
  wanted: readonly FetchPosition[],
  limits: FetchLimits,
): Promise<readonly Row[]> {
  try {
    const { rows } = await database.query<Row>({
      name: 'log_fetch',
      rowMode: 'array',
      text: fetchText,
      values: [
        wanted.map(({ topic }) => topic),
        wanted.map(({ partition }) => partition),
        wanted.map(({ from }) => from),
        limits.maxBytesPerPartition,
      ],
    });
    return rows;
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

function collect(wanted: readonly FetchPosition[], rows: readonly Row[]): FetchedRecords[] {
  const results: { records: StoredRecord[]; next: number | null }[] = wanted.map(() => ({
    records: [],
    next: null,
  }));
  for (const [i, next, first, at, appendedAt, key, header, value] of rows) {
    const position = wanted[i - 1];
    const result = results[i - 1];
    if (position === undefined || result === undefined) continue;
    assertInside(position, first, next);
    result.next = next;
    if (at === null) continue;
    const record = { offset: offset(at), appendedAt };
    result.records.push({ ...record, key, header, value });
  }
  return wanted.map(({ topic, partition }, i) => {
    const { records, next } = results[i] ?? { records: [], next: null };
    if (next === null) throw outside(`there is no partition ${partition} of ${topic}`);
    return { topic, partition, records, end: offset(next) };
  });
}

function assertInside(
  { topic, partition, from }: FetchPosition,
  first: number,
  next: number,
): void {
  if (from >= first && from <= next) return;
  throw outside(`${topic}/${partition} holds ${first} to ${next}, asked for ${from}`);
}

const outside = (detail: string): TrunklineError => new TrunklineError('log_position', detail);

/** One entry per position, in its order; those without news say how far the log is known to go. */
function fill(
  positions: readonly FetchPosition[],
  found: readonly FetchedRecords[],
  heads: Heads,
): FetchedRecords[] {
  return positions.map(({ topic, partition }) => {
    const hit = found.find((entry) => entry.topic === topic && entry.partition === partition);
    return hit ?? { topic, partition, records: [], end: offset(heads.known(topic, partition)) };
  });
}
