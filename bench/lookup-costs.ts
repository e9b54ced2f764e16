// Bench 17: whether the hot tier pays. Comes in: a setting. Goes out: time and CPU of a lookup of states in Redis
// beside the same lookup in PostgreSQL: of calls that are known, and with new ones among them.

import { freshDatabase } from '../test/services/postgres.js';
import { startRedis } from '../test/services/redis.js';
import { openDatabase } from '../runtime/postgres.js';
import { migrate } from '../runtime/migrate.js';
import { packageRoot } from '../runtime/package-root.js';
import { median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';

interface Line {
  readonly way: 'postgres' | 'hot';
  readonly size: number;
  readonly fresh: number;
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** Rows for each size of a batch. */
export async function measureLookups(setting: Setting): Promise<Row[]> {
  const databaseUrl = await freshDatabase();
  const database = openDatabase({ url: databaseUrl, max: 1, applicationName: 'bench' });
  for (const set of ['log', 'projections'] as const) {
    await migrate(database, { set, directory: `${packageRoot()}/${set}/migrations` });
  }
  await database.end();
  const redis = await startRedis();
  setting.onEnd(() => redis.kill());
  const part = setting.part('lookups', {
    ...{ databaseUrl, redisUrl: redis.url, redisPid: redis.pid },
    ...{ calls: setting.size.deliveries, lookups: setting.size.deliveries * 4 },
  });
  const { bytesPerCall } = await part.next();
  const lines: Line[] = [];
  for (let line = await part.next(); line['done'] !== true; line = await part.next()) {
    lines.push(line as unknown as Line);
    const { way, size, fresh, p50, p99, cpuUs } = lines.at(-1) as Line;
    const what = `${size} (${fresh} new) ${way}`;
    setting.note(`(17) ${what}: p50 ${p50}, p99 ${p99} µs, ${cpuUs.toFixed(1)} µs of CPU`);
  }
  await part.stop();
  const kinds = new Map(lines.map(({ size, fresh }) => [`${size} ${fresh}`, { size, fresh }]));
  const memory = {
    ...{
      bench: 17,
      what: 'Redis, a call of 2 KB with its alias',
      unit: 'bytes',
      bare: null,
      target: null,
    },
    ...{ ours: Number(bytesPerCall), rounds: { ours: [Number(bytesPerCall)], bare: [] } },
  };
  return [memory, ...[...kinds.values()].flatMap((kind) => rowsOf(lines, kind))];
}

function rowsOf(lines: readonly Line[], { size, fresh }: Pick<Line, 'size' | 'fresh'>): Row[] {
  const of = (way: Line['way'], what: 'p50' | 'p99' | 'perSecond' | 'cpuUs'): number[] =>
    lines
      .filter((line) => line.way === way && line.size === size && line.fresh === fresh)
      .map((line) => line[what]);
  const units = {
    p50: 'µs a batch, p50',
    p99: 'µs a batch, p99',
    perSecond: 'rows/s, one batch at a time',
    cpuUs: 'CPU µs/row of ours',
  } as const;
  const fraction = fresh === 0 ? '' : `, ${fresh} of them new`;
  return (Object.keys(units) as (keyof typeof units)[]).map((what) => {
    const rounds = { ours: of('hot', what), bare: of('postgres', what) };
    return {
      ...{ bench: 17, what: `lookup of ${size}${fraction}: Redis first beside PostgreSQL` },
      ...{ unit: units[what], ours: median(rounds.ours), bare: median(rounds.bare) },
      ...{ target: null, rounds },
    };
  });
}
