// Schedulers at work: real timers in a real database, the memory log, processors and projections beside them.

import { createMemoryLog } from '../../log/memory.js';
import { createMetrics } from '../../runtime/metrics.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { runScheduler, type SchedulerDeps } from '../../scheduler/main.js';
import { decodeContent } from '../../schemas/delivery-content.js';
import type { CallFact, SourceFact, TimerFact } from '../../schemas/facts.js';
import { factId, type TenantId } from '../../schemas/ids.js';
import { deliveryPlace } from '../../schemas/sealed.js';
import { says } from '../processors/facts.js';
import { codec, home, keyRing, type Station } from '../processors/station.js';
import { listeningLogger } from '../projections/station.js';
import { postgresUrl } from '../services/services.js';

/** A fresh database with every table of the product. */
export async function wholeStore(): Promise<{ url: string; database: Database }> {
  const url = await postgresUrl();
  const database = openDatabase({ url, max: 12, applicationName: 'test' });
  for (const set of ['runtime', 'log', 'projections'] as const) {
    await migrate(database, { set, directory: `${packageRoot()}/${set}/migrations` });
  }
  return { url, database };
}

/** Starts a scheduler; `stop` ends it cleanly, so that it gives its lease back. */
export function startScheduler(
  station: Station,
  more: Partial<SchedulerDeps> = {},
): { readonly stop: () => Promise<void>; readonly codes: readonly string[] } {
  const controller = new AbortController();
  const logger = listeningLogger();
  const running = runScheduler(
    {
      ...{ log: createMemoryLog(station.store), codec, keyRing, logger },
      ...{ database: station.database, metrics: createMetrics() },
      ...{ leaseMs: 600, roundMs: 20 },
      ...more,
    },
    controller.signal,
  );
  return {
    codes: logger.codes,
    async stop() {
      controller.abort();
      await running;
    },
  };
}

/** What stands in `deliveries`, opened. */
export async function factsIn(station: Station): Promise<readonly SourceFact[]> {
  const facts: SourceFact[] = [];
  for (const { value } of station.store.records('deliveries', home)) {
    if (value === null) continue;
    const { tenant, dayKey, deliveryId, sealed } = codec.decodeFact(value);
    const place = deliveryPlace(tenant, deliveryId);
    const content = decodeContent(
      await keyRing.openDay(tenant, dayKey, place, Buffer.from(sealed)),
    );
    facts.push(...((content?.facts ?? []) as readonly SourceFact[]));
  }
  return facts;
}

export const timersOf = (facts: readonly SourceFact[]): readonly TimerFact[] =>
  facts.flatMap((one) => (one.kind === 'timer' ? [one] : []));

/** A call of which one fact is told, at our receipt. */
export const told = (legRef: string, status: Parameters<typeof says>[0]): CallFact => ({
  kind: 'call',
  factId: factId(`${legRef}-${status}`),
  eventType: status,
  occurredAt: null,
  order: { phase: 1, atUs: 1_790_000_000_000_000, seq: 0 },
  legRef,
  ...{ parentRef: null, sessionRef: null, direction: 'inbound', signal: says(status) },
  ...{ durationSec: null, providerCode: null, details: {}, from: null, to: null, personal: {} },
});

/** A timer as the projection would keep it. */
export async function keepTimer(
  database: Database,
  tenant: TenantId,
  subject: string,
  dueAt: number,
): Promise<void> {
  await database.query(
    `insert into timers (tenant_id, subject, name, timer_id, provider, status, since, due_at, seq)
      values ($1, $2, 'watchdog', $3, 'twilio', 'ringing', $4, $5, 1)`,
    [tenant, subject, `watchdog:ringing:${dueAt - 300_000}`, dueAt - 300_000, dueAt],
  );
}

export const timerRows = async (database: Database): Promise<number> => {
  const { rows } = await database.query<{ count: number }>(
    'select count(*)::int as count from timers',
  );
  return rows[0]?.count ?? 0;
};
