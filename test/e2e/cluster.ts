// End to end: an installation on real Kafka, a real schema registry and a real PostgreSQL whose roles
// run as processes of their own, and a hand in it: tenants, endpoints, keys and what the log holds.

import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { expect } from 'vitest';

import { openInstallation, type Installation } from '../../cli/installation.js';
import type { EventLog } from '../../log/event-log.js';
import { startMark } from '../../log/mark.js';
import { PartitionReader } from '../../log/sequence.js';
import { evolver } from '../../processors/evolver.js';
import { rebuildProjection } from '../../projections/rebuild.js';
import { createProjections } from '../../projections/registry.js';
import { readConfig } from '../../runtime/config.js';
import { silentLogger } from '../../runtime/logger.js';
import { createRegistryStore, type RegistryStore } from '../../runtime/registry-store.js';
import type { RoleName } from '../../runtime/registry.js';
import type { EventEnvelope } from '../../schemas/events.js';
import type { ProviderName } from '../../schemas/facts.js';
import { tenantId, type EndpointId } from '../../schemas/ids.js';
import { freshDirectory, runTrunkline, startProduct, type Product } from '../services/product.js';
import { kafkaBrokers, postgresUrl, registryUrl } from '../services/services.js';
import { until } from '../services/shared.js';
import { readAll } from './read-log.js';

const projections = createProjections(evolver);

interface MarkRow {
  readonly projection: string;
  readonly partition: number;
  readonly next: number;
  readonly covered: number;
  readonly covered_bulk: number;
}

export interface ClusterOptions {
  readonly name: string;
  /** Default: the shared broker, under a topic prefix of this cluster's own. */
  readonly brokers?: readonly string[];
  /** Neither Kafka nor a registry: the log in PostgreSQL. */
  readonly embedded?: true;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** To start again where another process was. */
  readonly port?: number;
  readonly data?: string;
}

/** Everything in the log. */
export interface History {
  /** Valid events by tenant, in order. */
  readonly tenants: ReadonlyMap<string, readonly EventEnvelope[]>;
  /** Markers that were accepted: ownerships begun. */
  readonly markers: number;
  /** Records that readers drop, by the reason. */
  readonly dropped: Readonly<
    Record<'earlier_offset' | 'late_marker' | 'not_owner' | 'duplicate', number>
  >;
  /** Records of `deliveries`. */
  readonly deliveries: number;
}

/** Every seq of every tenant is there once, in order, from 1. */
export function expectDense({ tenants }: History): void {
  for (const [tenant, events] of tenants) {
    expect(
      events.map(({ seq }) => seq),
      tenant,
    ).toEqual(events.map((_, index) => index + 1));
  }
}

/** A cluster of one test file. */
export class Cluster {
  private readonly processes: Product[] = [];

  readonly store: RegistryStore;

  private constructor(
    readonly name: string,
    /** What every process and command of this installation has in its environment. */
    readonly env: Readonly<Record<string, string>>,
    readonly installation: Installation,
    readonly log: EventLog,
  ) {
    this.store = createRegistryStore(installation.database, installation.keyRing);
  }

  static async open({ name, brokers, embedded, env = {} }: ClusterOptions): Promise<Cluster> {
    const [database, kafka, registry] = await Promise.all([
      postgresUrl(),
      embedded === true ? [] : (brokers ?? kafkaBrokers()),
      embedded === true ? '' : registryUrl(),
    ]);
    const all = {
      DATABASE_URL: database,
      KAFKA_BROKERS: kafka.join(','),
      SCHEMA_REGISTRY_URL: registry,
      TRUNKLINE_MASTER_KEY: randomBytes(32).toString('base64'),
      TRUNKLINE_TOPIC_PREFIX: `${name}-${randomBytes(4).toString('hex')}`,
      TRUNKLINE_PARTITIONS: '4',
      TRUNKLINE_SESSION_TIMEOUT: '6s',
      ...env,
    };
    const read = readConfig(all);
    if (!read.ok) throw new Error(JSON.stringify(read.faults));
    const installation = await openInstallation(read.config, silentLogger, name);
    return new Cluster(name, all, installation, await installation.openLog());
  }

  /** Starts a process of these roles. */
  async start(roles: string, more: StartOptions = {}): Promise<Product> {
    const { env = {}, port, data } = more;
    const product = await startProduct({
      args: ['--roles', roles],
      data: data ?? freshDirectory(`${this.name}-${roles.replaceAll(',', '-')}`),
      env: { ...this.env, ...env },
      ...(port === undefined ? {} : { port }),
    });
    this.processes.push(product);
    return product;
  }

  /** What all processes have written so far. */
  output(): string {
    return this.processes.map((process) => process.output()).join('\n');
  }

  /** An endpoint of a tenant, which is made when it is not there. */
  async endpoint(
    tenant: string,
    provider: ProviderName,
    credentials: Readonly<Record<string, string>>,
    publicBaseUrl: string | null = null,
  ): Promise<EndpointId> {
    await this.store.addTenant(tenantId(tenant), tenant);
    const common = { tenant: tenantId(tenant), name: provider, allow: [], ratePerSecond: null };
    const row = await this.store.addEndpoint({ ...common, provider, credentials, publicBaseUrl });
    return row.id;
  }

  /** An API key of a tenant, which is made when it is not there. */
  async key(tenant: string, role: RoleName): Promise<string> {
    await this.store.addTenant(tenantId(tenant), tenant);
    const made = await this.store.addKey({
      ...{ tenant: tenantId(tenant), role, name: role, expiresAt: null },
    });
    return made.key;
  }

  /** Waits until everything in both lanes is decided and everything in `events` is projected. */
  async processed(timeoutMs = 60_000): Promise<void> {
    const { log } = this;
    const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);
    await until(
      'everything to be decided and projected',
      async () => {
        const { rows } = await this.installation.database.query<MarkRow>(
          `select projection, partition, next_offset::int as next, covered_realtime::int as covered,
               covered_bulk::int as covered_bulk
             from marks`,
        );
        const marks = new Map(rows.map((row) => [`${row.projection}/${row.partition}`, row]));
        const done = await Promise.all(
          partitions.map(async (partition) => {
            const facts = (await log.bounds('deliveries', partition)).next;
            const bulk = (await log.bounds('deliveries.bulk', partition)).next;
            const events = (await log.bounds('events', partition)).next;
            return projections.every(({ name }) => {
              const mark = marks.get(`${name}/${partition}`);
              if (mark === undefined) return facts === 0 && bulk === 0;
              const isCovered = mark.covered + 1 >= facts && mark.covered_bulk + 1 >= bulk;
              return mark.next === events && isCovered;
            });
          }),
        );
        return done.every(Boolean);
      },
      timeoutMs,
    );
  }

  /** What the log holds, as every reader has to read it. */
  async history(): Promise<History> {
    const codec = await this.installation.openCodec();
    const tenants = new Map<string, EventEnvelope[]>();
    const dropped = { earlier_offset: 0, late_marker: 0, not_owner: 0, duplicate: 0 };
    let markers = 0;
    let deliveries = 0;
    for (let partition = 0; partition < this.log.partitions; partition += 1) {
      const reader = new PartitionReader(startMark, `events[${partition}]`);
      for (const record of await readAll(this.log, 'events', partition)) {
        const verdict = reader.read(record);
        if (verdict.kind === 'marker') markers += 1;
        if (verdict.kind === 'dropped') dropped[verdict.why] += 1;
        if (verdict.kind !== 'event') continue;
        await codec.learn([verdict.event.value]);
        const event = codec.decodeEvent(verdict.event.value);
        const known = tenants.get(event.tenant);
        if (known === undefined) tenants.set(event.tenant, [event]);
        else known.push(event);
      }
      deliveries += (await this.log.bounds('deliveries', partition)).next;
    }
    return { tenants, markers, dropped, deliveries };
  }

  /** How many records `events` holds, valid or not: it grows while processors work. */
  async eventRecords(): Promise<number> {
    const partitions = Array.from({ length: this.log.partitions }, (_, partition) => partition);
    const bounds = await Promise.all(partitions.map((p) => this.log.bounds('events', p)));
    return bounds.reduce((sum, { next }) => sum + next, 0);
  }

  /** The proof of promise 7, for every read model; for one of them as an operator asks for it. */
  async expectRebuiltEqualsLive(): Promise<void> {
    const options = { data: freshDirectory(`${this.name}-rebuild`), env: this.env };
    const args = ['projections', 'rebuild', 'calls', '--compare-only'];
    const { code, stdout, stderr } = await runTrunkline(args, options);
    expect(code, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toContain('rebuilt equals live');
    const codec = await this.installation.openCodec();
    const { signal } = new AbortController();
    for (const projection of projections) {
      const report = await rebuildProjection({
        ...{ log: this.log, codec, database: this.installation.database, projection, signal },
        ...{ compareOnly: true, onProgress: () => undefined },
      });
      const told = `${projection.name}: ${JSON.stringify(report.tables)}`;
      expect(report, told).toMatchObject({ equal: true });
    }
  }

  async close(): Promise<void> {
    for (const process of this.processes) await process.end('SIGKILL');
    // A broker that a failed test has left stopped has nothing to give back.
    await this.deleteTopics().catch(() => undefined);
    await this.log.close();
    await this.installation.close();
  }

  /** The shared broker would otherwise keep the topics of every run. */
  private async deleteTopics(): Promise<void> {
    const brokers = (this.env['KAFKA_BROKERS'] ?? '').split(',');
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 1 } }).admin();
    await admin.connect();
    const own = `${this.env['TRUNKLINE_TOPIC_PREFIX'] ?? ''}.`;
    const topics = (await admin.listTopics()).filter((name) => name.startsWith(own));
    await admin.deleteTopics({ topics });
    await admin.disconnect();
  }
}
