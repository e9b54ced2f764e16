// End to end: simulated traffic whose truth is known, on several tenants that between them use every
// partition, and the judge who holds the read models and the log against that truth.

import { expect } from 'vitest';

import { simulatedProviders } from '../../cli/simulator/providers.js';
import {
  runSimulator,
  type SettledTruth,
  type SimulatorOptions,
  type SimulatorReport,
  type SimulatorTarget,
} from '../../cli/simulator/run.js';
import { partitionOf } from '../../log/topics.js';
import { messageIdOf } from '../../processors/message/identity.js';
import { tenantId, type EndpointId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';
import type { Cluster, History } from './cluster.js';

type Pace = Partial<
  Pick<
    SimulatorOptions,
    'rate' | 'speed' | 'messages' | 'duplicates' | 'reorders' | 'drops' | 'sender'
  >
>;

/** Plays until all calls have ended or until it is told to stop. */
export class Traffic {
  /** Of everything that was sent whole. */
  readonly truths: SettledTruth[] = [];
  private readonly controller = new AbortController();
  private readonly running: Promise<SimulatorReport>;
  private latest: SimulatorReport | null = null;

  private constructor(
    readonly tenants: readonly string[],
    readonly targets: readonly [SimulatorTarget, ...SimulatorTarget[]],
    options: Pace & { readonly seed: number; readonly calls: number | null },
  ) {
    this.running = runSimulator(
      {
        ...{ targets, messages: 0.2, duplicates: 0.1, reorders: 0.1, drops: 0, rate: 120 },
        ...{ speed: 60, maxInFlight: 64, finishWithinMs: 10_000, ...options },
        onTruth: (truth) => void this.truths.push(truth),
        onProgress: (report) => {
          this.latest = report;
        },
      },
      this.controller.signal,
    );
  }

  /** Makes the tenants and their endpoints at `url`, waits until they are known there, and plays. */
  static async play(
    cluster: Cluster,
    url: string,
    options: Pace & {
      readonly seed: number;
      readonly calls: number | null;
      /** What is signed, where it is not `url`. */
      readonly publicUrl?: string;
    },
  ): Promise<Traffic> {
    const { publicUrl = url } = options;
    const tenants = tenantsOfEveryPartition(cluster);
    const targets: SimulatorTarget[] = [];
    const endpoints: EndpointId[] = [];
    for (const tenant of tenants) {
      for (const { provider, newAccount } of simulatedProviders) {
        const { sender, endpoint } = newAccount();
        const id = await cluster.endpoint(tenant, provider, endpoint);
        const path = `/v1/webhooks/${id}`;
        targets.push({ provider, url: url + path, signedUrl: publicUrl + path, sender });
        endpoints.push(id);
      }
    }
    await until('the endpoints to be known', async () => {
      const asked = endpoints.map((id) => fetch(`${url}/v1/webhooks/${id}`, { method: 'POST' }));
      return (await Promise.all(asked)).every(({ status }) => status !== 404);
    });
    const [first, ...rest] = targets;
    if (first === undefined) throw new Error('no target');
    return new Traffic(tenants, [first, ...rest], options);
  }

  get sent(): number {
    return this.latest?.sent ?? 0;
  }

  /** When all calls have ended. */
  finished(): Promise<SimulatorReport> {
    return this.running;
  }

  /** Brings what was begun to its end at once; no truth is told of that. */
  stop(): Promise<SimulatorReport> {
    this.controller.abort();
    return this.running;
  }
}

/** Names of tenants so that each partition has one, and one has two. */
function tenantsOfEveryPartition(cluster: Cluster): readonly string[] {
  const found = new Map<number, string>();
  for (let index = 0; found.size < cluster.log.partitions; index += 1) {
    const name = `tenant-${index}`;
    const partition = partitionOf(tenantId(name), cluster.log.partitions);
    if (!found.has(partition)) found.set(partition, name);
  }
  return [...found.values(), 'tenant-too'];
}

interface CallRow {
  readonly ref: string;
  readonly status: string;
  readonly cause: string | null;
  readonly direction: string | null;
  readonly legs: number;
}

/** Holds the rows against the truth of everything that was sent whole and answered 2xx. */
export async function expectTruth(cluster: Cluster, traffic: Traffic): Promise<void> {
  const { database } = cluster.installation;
  const decided = traffic.truths.filter(({ isDecided }) => isDecided);
  const { rows } = await database.query<CallRow>(
    `select l.leg_ref as ref, c.status, c.cause, c.direction,
            (select count(*)::int from legs m where m.tenant_id = c.tenant_id and m.call_id = c.id)
              as legs
       from legs l join calls c on c.tenant_id = l.tenant_id and c.id = l.call_id`,
  );
  const calls = new Map(rows.map((row) => [row.ref, row]));
  const messages = new Map(
    (
      await database.query<{ id: string; status: string }>('select id, status from messages')
    ).rows.map(({ id, status }) => [id, status]),
  );
  const records = new Set(
    (
      await database.query<{ provider: string; object_ref: string }>(
        'select provider, object_ref from records',
      )
    ).rows.map((row) => `${row.provider} ${row.object_ref}`),
  );
  const told: unknown[] = [];
  const stands: unknown[] = [];
  for (const { kind, provider, ref, status, cause, direction, legs, scenario } of decided) {
    told.push({ scenario, ref, status, cause, direction, legs });
    if (kind === 'call') {
      stands.push({ scenario, ...calls.get(ref) });
      continue;
    }
    if (kind === 'record') {
      const found = records.has(`${provider} ${ref}`) ? ref : undefined;
      stands.push({ scenario, ref: found, status, cause, direction, legs });
      continue;
    }
    const ids = traffic.tenants.map((name) => messageIdOf(tenantId(name), provider, ref));
    const found = ids.map((id) => messages.get(id)).find((one) => one !== undefined);
    stands.push({ scenario, ref, status: found, cause, direction, legs });
  }
  expect(stands).toEqual(told);
}

/**
 * Every record of `deliveries` was decided once: each of its facts was added, or was seen to be a copy;
 * and no fact was added twice. A record may hold several facts, and a delivery whose append was tried
 * again several records, so they are counted by the delivery's own correlation id.
 */
export function expectEachFactOnce({ tenants, deliveries }: History): void {
  const decided = new Map<string, { outcomes: number; readonly facts: Set<string> }>();
  for (const [tenant, events] of tenants) {
    const added = new Set<string>();
    for (const { body, correlationId, factId } of events) {
      expect(body.kind, tenant).not.toBe('parked');
      if (body.kind === 'parked' || body.kind === 'act') continue;
      if (body.kind === 'not_understood') continue;
      const isCopy = body.type.endsWith('.duplicate_seen');
      if (!isCopy && body.fact === null) continue;
      const name = factId ?? '';
      const delivery = decided.get(correlationId) ?? { outcomes: 0, facts: new Set() };
      decided.set(correlationId, delivery);
      delivery.outcomes += 1;
      delivery.facts.add(name);
      if (isCopy) continue;
      expect(added, `${tenant}: ${name} was added twice`).not.toContain(name);
      added.add(name);
    }
  }
  const records = [...decided.values()].map(({ outcomes, facts }) => outcomes / facts.size);
  expect(records.reduce((sum, count) => sum + count, 0)).toBe(deliveries);
}
