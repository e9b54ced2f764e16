// Promise 4 on real parts: signed traffic of every simulated provider, a third of it lost, processes of their own
// on PostgreSQL, and two schedulers of which the one at work is killed. Every call ends and says how.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Cluster } from '../e2e/cluster.js';
import { Traffic } from '../e2e/traffic.js';
import type { Product } from '../services/product.js';
import { createAccountStore } from '../../runtime/account-store.js';
import { tenantId } from '../../schemas/ids.js';
import { FakeProviders, twilioAccount, type FakeCall } from '../scheduler/fake-provider.js';
import { until } from '../services/shared.js';

describe.each([
  { title: 'the log in PostgreSQL', log: { embedded: true }, calls: 150 },
  { title: 'the log on Kafka', log: {}, calls: 150 },
] as const)('$title', ({ log, calls }) => {
  let cluster: Cluster;
  let traffic: Traffic;
  let schedulers: readonly Product[];
  let twilio: FakeProviders;

  beforeAll(async () => {
    const silence = ['initiated', 'ringing', 'answered', 'on_hold', 'transferring'];
    cluster = await Cluster.open({
      name: 'promise-4',
      ...log,
      env: {
        TRUNKLINE_SILENCE: silence.map((status) => `${status}=3s`).join(','),
        TRUNKLINE_PATIENCE: '2s',
        TRUNKLINE_SETTLE: '2s',
      },
    });
    twilio = await FakeProviders.start();
    twilio.find = knownAtTwilio;
    const main = await cluster.start('ingest,processors,projections,gateway');
    schedulers = [await cluster.start('scheduler'), await cluster.start('scheduler')];
    traffic = await Traffic.play(cluster, main.url, {
      ...{ seed: 4, calls, drops: 0.33, duplicates: 0.1, reorders: 0.1, rate: 60, speed: 60 },
    });
    const { database, keyRing } = cluster.installation;
    for (const tenant of traffic.tenants) {
      await createAccountStore(database, keyRing).add({
        ...{ tenant: tenantId(tenant), provider: 'twilio', name: 'main', baseUrl: twilio.url },
        credentials: twilioAccount,
      });
    }
  });
  /** Telnyx has no account here, the others no API. */
  const reasons = ['provider_has_no_api', 'no_credentials'];

  /** Twilio knows its calls: active, then how they ended. */
  function knownAtTwilio(sid: string): FakeCall | undefined {
    const truth = traffic.truths.find(({ provider, ref }) => provider === 'twilio' && ref === sid);
    if (truth?.status !== 'completed' && truth?.status !== 'failed') {
      return { sid, status: 'in-progress' };
    }
    const words: Readonly<Record<string, string>> = { no_answer: 'no-answer', provider: 'failed' };
    const status = truth.cause === null ? truth.status : (words[truth.cause] ?? truth.cause);
    return { sid, status, endedAt: new Date() };
  }

  afterAll(async () => {
    await twilio.close();
    await traffic.stop();
    await cluster.close();
  });

  interface CallRow {
    readonly ref: string;
    readonly status: string;
    readonly cause: string | null;
    readonly inferred: boolean;
    readonly reason: string | null;
    readonly settled: boolean;
  }

  async function callRows(): Promise<readonly CallRow[]> {
    const { rows } = await cluster.installation.database.query<CallRow>(
      `select l.leg_ref as ref, c.status, c.cause, c.inferred, c.reason, c.settled_at is not null as settled
       from legs l join calls c on c.tenant_id = l.tenant_id and c.id = l.call_id`,
    );
    return rows;
  }

  async function countOf(text: string): Promise<number> {
    const { rows } = await cluster.installation.database.query<{ count: number }>(text);
    return rows[0]?.count ?? 0;
  }

  test('every call ends, is settled and says how, although a third of its deliveries is lost', async () => {
    await until('calls to be overdue', async () => {
      return (
        (await countOf(`select count(*)::int as count from timers where due_at < ${Date.now()}`)) >
        0
      );
    });
    // Which of the two is at work nobody need know: both are killed in turn, and one comes back.
    await schedulers[0]?.end('SIGKILL');
    await traffic.finished();
    await cluster.processed();
    await until(
      'every call to be settled',
      async () => (await countOf('select count(*)::int as count from timers')) === 0,
      90_000,
    );
    const rows = await callRows();
    expect(rows.length).toBeGreaterThan(calls / 3);
    const open = rows.filter(({ status, settled }) => !/completed|failed/.test(status) || !settled);
    expect(open).toEqual([]);

    const byRef = new Map(rows.map((row) => [row.ref, row]));
    const known = traffic.truths.filter(({ kind, ref }) => kind === 'call' && byRef.has(ref));
    const decided = known.filter(({ isDecided }) => isDecided);
    expect(decided.length).toBeGreaterThan(20);
    for (const { ref, status, cause, scenario } of decided) {
      expect({ scenario, ...byRef.get(ref) }).toMatchObject({
        ref,
        status,
        cause,
        inferred: false,
      });
    }
    const inferred = rows.filter((row) => row.inferred);
    expect(inferred.length).toBeGreaterThan(5);
    for (const { status, cause, reason } of inferred) {
      expect(reasons).toContain(reason);
      expect(cause).toBe(status === 'failed' ? 'inferred' : null);
    }
  });

  test('what its provider still knows is asked for, and ends as it did there', async () => {
    const { rows } = await cluster.installation.database.query<{ ref: string; status: string }>(
      `select distinct l.leg_ref as ref, c.status from calls c
       join legs l on l.tenant_id = c.tenant_id and l.call_id = c.id and l.is_primary
       join call_timeline t on t.tenant_id = c.tenant_id and t.call_id = c.id
      where t.type like 'reconciled.%' and not c.inferred`,
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { ref, status } of rows) {
      expect({ ref, status }).toMatchObject({
        status: traffic.truths.find((truth) => truth.ref === ref)?.status,
      });
    }
  });

  test('what was told and what was inferred stand apart in the log, and nothing was parked', async () => {
    const { tenants } = await cluster.history();
    const events = [...tenants.values()].flat();
    const types = new Set(events.map(({ body }) => body.type));
    expect([...types]).toEqual(expect.arrayContaining(['call.overdue', 'call.settled']));
    expect(types).not.toContain('fact.parked');
    for (const { body } of events) {
      if (body.kind !== 'call' || body.fact?.signal.type !== 'timer') continue;
      expect(body.fact.eventType).toBe(`timer.${body.fact.signal.name}`);
    }
  });
});
