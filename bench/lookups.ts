// Bench part: a lookup of states in Redis and in PostgreSQL, by the code of the processors. In: the services,
// how many calls there are, how many are asked for. Out: times and CPU of a lookup for each way and batch.

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

import { RedisHotStore } from '../log/hot-store.js';
import { HotTier } from '../log/hot-tier.js';
import { hotStates } from '../processors/hot-lookup.js';
import { postgresStates, type Snapshot } from '../processors/lookup.js';
import { silentLogger } from '../runtime/logger.js';
import { openDatabase } from '../runtime/postgres.js';
import { openRedis } from '../runtime/redis.js';
import type { AggregateRef } from '../schemas/aggregates.js';
import { epoch, offset, tenantId } from '../schemas/ids.js';
import { partOptions, percentiles, say } from './measure.js';

interface Options {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisPid: number;
  readonly calls: number;
  /** Lookups of each way and batch. */
  readonly lookups: number;
}

const options = partOptions<Options>();
const { calls, lookups } = options;
const database = openDatabase({ url: options.databaseUrl, max: 2, applicationName: 'bench' });
const nothing = (): void => undefined;
const redis = openRedis(options.redisUrl, silentLogger);
await new Promise<void>((resolve) => redis.onReady(resolve));
const watch = { used: nothing, away: nothing, read: nothing, wrote: nothing };
const tier = new HotTier({ store: new RedisHotStore(redis, 'bench'), watch, deadlineMs: 10_000 });
const tenant = tenantId('bench');

/** What a call of one fact with two parties takes in aggregate_state. */
const stateOf = (id: string): string =>
  JSON.stringify({ callId: id, provider: 'twilio', filler: randomBytes(900).toString('hex') });
await database.query(
  `insert into marks (projection, version, partition, epoch, next_offset, owner, term, covered_realtime, covered_bulk)
    values ('aggregate_state', 1, 0, 'bench', 1000, 'bench', 1, 0, 0) on conflict do nothing`,
);
for (let at = 0; at < calls; at += 1_000) {
  const ids = Array.from({ length: 1_000 }, (_, i) => `call_${at + i}`);
  await database.query(
    `insert into aggregate_state (tenant_id, kind, key, partition, version, state)
      select 'bench', k.kind, k.key, 0, 1, k.state from unnest($1::text[], $2::text[], $3::text[]) k (kind, key, state)
      on conflict do nothing`,
    [
      ids.flatMap(() => ['alias', 'call']),
      ids.flatMap((id) => [`twilio:${id}`, id]),
      ids.flatMap((id) => [JSON.stringify({ callId: id }), stateOf(id)]),
    ],
  );
}
await database.query('analyze aggregate_state');

const readStore = postgresStates(database, 1);
const hot = hotStates({ tier, partition: 0, version: 1, epoch: epoch('bench') });
const aliasOf = (id: number): AggregateRef => ({ tenant, kind: 'alias', key: `twilio:call_${id}` });
for (let at = 0; at < calls; at += 500) {
  const rows = await readStore(
    0,
    Array.from({ length: 500 }, (_, i) => aliasOf(at + i)),
  );
  const texts = [...rows.rows].map(([name, state]) => ({
    ...{ name, state: JSON.stringify(state), ttlMs: 3_600_000 },
    leadsTo: name.includes('\0alias\0') ? `bench\0call\0${String(state['callId'])}` : '',
  }));
  await tier.fill({ partition: 0, lineage: '1.bench.0' }, offset(1_000), texts);
}

const client = new Redis(options.redisUrl);
const memory = /used_memory:(\d+)/.exec(await client.info('memory'))?.[1];
client.disconnect();
say({ bytesPerCall: Number(memory ?? 0) / calls });

/** Another stretch of calls for each lookup: no row is asked for twice in a row. */
let turn = 0;
function batch(size: number, fresh: number): AggregateRef[] {
  turn += 1;
  return Array.from({ length: size }, (_, i) =>
    aliasOf(i < fresh ? calls + turn * size + i : (turn * 7919 + i * 613) % calls),
  );
}

const ways = {
  postgres: (refs: readonly AggregateRef[]) => readStore(0, refs),
  /** As processors/state.ts does it: Redis first, PostgreSQL for what it lacks. */
  async hot(refs: readonly AggregateRef[]): Promise<Snapshot | null> {
    const found = await hot.read(0, refs);
    if (found === null) throw new Error('Redis has nothing');
    const rest = refs.filter((ref) => !found.rows.has(`bench\0alias\0${ref.key}`));
    return rest.length === 0 ? null : readStore(0, rest);
  },
} as const;

for (const { size, fresh } of [
  { size: 1, fresh: 0 },
  { size: 32, fresh: 0 },
  { size: 256, fresh: 0 },
  { size: 32, fresh: 1 },
  { size: 256, fresh: 64 },
]) {
  for (const way of ['postgres', 'hot', 'postgres', 'hot'] as const) {
    const took: number[] = [];
    const count = Math.max(50, Math.round(lookups / size));
    for (let i = 0; i < count / 4; i += 1) await ways[way](batch(size, fresh));
    const before = process.cpuUsage();
    const beganAt = performance.now();
    for (let i = 0; i < count; i += 1) {
      const refs = batch(size, fresh);
      const begin = performance.now();
      await ways[way](refs);
      took.push((performance.now() - begin) * 1_000);
    }
    const { user, system } = process.cpuUsage(before);
    const perSecond = (count * size * 1000) / (performance.now() - beganAt);
    const cpuUs = (user + system) / (count * size);
    say({ way, size, fresh, ...percentiles(took), perSecond, cpuUs });
  }
}
say({ done: true });
process.exit(0);
