// Ingest while everything behind it is away: PostgreSQL, Kafka and the schema registry, at the start and
// later. It answers from its last registry, seals over midnights, spools from the first delivery, and
// when the others are back everything is in the log, readable with the keys of the database.

import { createHmac } from 'node:crypto';
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import type { RecordedFact } from '../../schemas/facts.js';
import { tenantId } from '../../schemas/ids.js';
import { deliveryPlace } from '../../schemas/sealed.js';
import { flakyProxy, type FlakyProxy } from '../runtime/flaky-proxy.js';
import { startKafka, type OwnKafka } from '../services/kafka.js';
import { freshDirectory, runTrunkline, type Product } from '../services/product.js';
import { registryUrl } from '../services/services.js';
import { freePort, until } from '../services/shared.js';
import { Cluster } from './cluster.js';
import { readAll } from './read-log.js';

vi.setConfig({ testTimeout: 120_000 });

const authToken = 'fixture-token-of-nobody';
const publicUrl = 'https://hooks.example.test';
const dayMs = 86_400_000;

let kafka: OwnKafka;
let postgres: FlakyProxy;
let registry: FlakyProxy;
let cluster: Cluster;
let known: string;
let env: Record<string, string>;
const data = freshDirectory('blind');

beforeAll(async () => {
  kafka = await startKafka();
  cluster = await Cluster.open({ name: 'blind', brokers: [kafka.broker] });
  postgres = await flakyProxy(cluster.env['DATABASE_URL'] ?? '');
  registry = await flakyProxy(await registryUrl());
  env = {
    DATABASE_URL: postgres.url,
    SCHEMA_REGISTRY_URL: registry.url.replace(/\/$/, ''),
    TRUNKLINE_PUBLIC_URL: publicUrl,
    TRUNKLINE_APPEND_TIMEOUT: '500ms',
  };
  known = await cluster.endpoint('acme', 'twilio', { authToken });
});
const running = new Set<Product>();
afterEach(async () => {
  for (const product of running) await product.end('SIGKILL');
  running.clear();
});
afterAll(async () => {
  await cluster.close();
  await postgres.close();
  await registry.close();
  await kafka.stop().catch(() => undefined);
  rmSync(kafka.directory, { recursive: true, force: true });
});

async function start(more: Record<string, string> = {}): Promise<Product> {
  const product = await cluster.start('ingest', { data, env: { ...env, ...more } });
  running.add(product);
  return product;
}

let sent = 0;
/** Delivers one status callback; the answer, and how long it took. */
async function deliver({ url }: Product, endpoint = known) {
  sent += 1;
  const fields = {
    CallSid: `CA${String(sent).padStart(32, '0')}`,
    CallStatus: 'ringing',
    CallbackSource: 'call-progress-events',
  };
  const target = `/v1/webhooks/${endpoint}`;
  const signed = publicUrl + target + Object.entries(fields).flat().join('');
  const begin = performance.now();
  const answer = await fetch(url + target, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': createHmac('sha1', authToken).update(signed).digest('base64'),
    },
    body: new URLSearchParams(fields),
  });
  await answer.arrayBuffer();
  return { status: answer.status, headers: answer.headers, tookMs: performance.now() - begin };
}

async function check({ url }: Product, name: string): Promise<string> {
  const answer = await fetch(`${url}/health/ready`);
  const { checks } = (await answer.json()) as {
    checks: { name: string; status: string; detail?: string }[];
  };
  const found = checks.find((one) => one.name === name);
  return `${answer.status} ${found?.status ?? 'none'} ${found?.detail ?? ''}`;
}

async function metric({ url }: Product, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
}

async function facts(): Promise<RecordedFact[]> {
  const codec = await cluster.installation.openCodec();
  const found: RecordedFact[] = [];
  for (let partition = 0; partition < cluster.log.partitions; partition += 1) {
    for (const { value } of await readAll(cluster.log, 'deliveries', partition)) {
      if (value !== null) found.push(codec.decodeFact(value));
    }
  }
  return found;
}

test('without a snapshot a start without PostgreSQL fails and says what to do', async () => {
  postgres.cut();
  const own = { ...cluster.env, ...env, TRUNKLINE_START_WAIT: '0s' };
  const fresh = { data: freshDirectory('blind-fresh'), env: own };
  const { code, stderr } = await runTrunkline(['serve', '--roles', 'ingest'], fresh);
  postgres.mend();
  expect(code).toBe(69);
  expect(stderr).toContain('There is no registry snapshot');
  expect(stderr).toContain('start it once with PostgreSQL');
});

test('with PostgreSQL there, an id nobody has is answered 404, a new endpoint at once', async () => {
  const ingest = await start();
  expect((await deliver(ingest)).status).toBe(204);
  expect((await deliver(ingest, 'ep_0123456789abcdef01234567')).status).toBe(404);
  expect(await check(ingest, 'registry')).toMatch(/^200 ok/);
  await until('all day keys to be made', async () => {
    return (await metric(ingest, 'trunkline_ingest_day_keys_ahead_days')) === 14;
  });

  // Our clock is held against both of theirs.
  for (const source of ['database', 'log']) {
    const drift = await metric(
      ingest,
      `trunkline_ingest_clock_drift_seconds\\{source="${source}"\\}`,
    );
    expect(Math.abs(drift), source).toBeLessThan(5);
  }

  // Away while it runs: the known is served, of the unknown nothing is said.
  postgres.cut();
  expect((await deliver(ingest)).status).toBe(204);
  const unknown = await deliver(ingest, 'ep_0123456789abcdef01234567');
  expect(unknown.status).toBe(503);
  expect(unknown.headers.get('retry-after')).toMatch(/^\d+$/);
  postgres.mend();
  await until('the registry to be fresh', async () =>
    (await check(ingest, 'registry')).startsWith('200 ok'),
  );
  expect((await ingest.end('SIGTERM')).code).toBe(0);
});

test('with everything away it starts, answers 2xx from the first delivery, and says so', async () => {
  const before = (await facts()).length;
  postgres.cut();
  registry.cut();
  await kafka.stop();
  const ingest = await start();
  const first = await deliver(ingest);
  expect(first.status).toBe(204);
  const second = await deliver(ingest);
  expect(second.status).toBe(204);
  process.stdout.write(
    `blind start ${ingest.readyMs} ms, first answers ${first.tookMs.toFixed(0)} and ${second.tookMs.toFixed(0)} ms\n`,
  );
  expect(await check(ingest, 'registry')).toMatch(/^200 degraded PostgreSQL does not answer/);
  expect(await check(ingest, 'log')).toMatch(/^200 degraded away/);
  expect(await check(ingest, 'postgres')).toMatch(/^200 degraded/);
  expect(await metric(ingest, 'trunkline_ingest_registry_stale')).toBe(1);
  expect(await metric(ingest, 'trunkline_ingest_spool_records')).toBe(2);
  expect(ingest.output()).toContain('"blind_start"');
  expect(ingest.output()).toContain('"log_away"');
  expect(ingest.output()).toContain('"schema_registry_away"');

  const doctor = await runTrunkline(['doctor'], { data, env: { ...cluster.env, ...env } });
  expect(doctor.stdout).toMatch(/snapshot .* 1 endpoint/);
  expect(doctor.stdout).toContain('--roles ingest');

  // The spool is seen beside the process that has it, and nobody else may empty it.
  const status = await runTrunkline(['spool', 'status', '--json'], { data });
  expect(JSON.parse(status.stdout)).toMatchObject({
    records: 2,
    holder: { pid: ingest.pid, purpose: 'trunkline ingest' },
  });
  const refused = await runTrunkline(['spool', 'drain'], { data, env: cluster.env });
  expect(refused.code).toBe(69);
  expect(refused.stderr).toContain(`in use by \`trunkline ingest\` (pid ${ingest.pid})`);

  // An endpoint that is added by others meanwhile must not lose its deliveries to a 404.
  const added = await cluster.endpoint('globex', 'twilio', { authToken });
  expect((await deliver(ingest, added)).status).toBe(503);

  await kafka.restart();
  registry.mend();
  postgres.mend();
  await until('the new endpoint to be served', async () => {
    return (await deliver(ingest, added)).status === 204;
  });
  await until('the spool to be drained', async () => {
    return (await metric(ingest, 'trunkline_ingest_spool_records')) === 0;
  });
  expect(await metric(ingest, 'trunkline_ingest_registry_stale')).toBe(0);
  expect((await deliver(ingest, 'ep_0123456789abcdef01234567')).status).toBe(404);
  expect((await facts()).length).toBe(before + 3);
  expect((await ingest.end('SIGTERM')).code).toBe(0);
});

test('blind over midnights: what is sealed days later opens with the keys of the database', async () => {
  postgres.cut();
  const days = [0, 1, 2, 10];
  for (const ahead of days) {
    const now = Math.floor((Date.now() + ahead * dayMs) / 1000);
    const ingest = await start({ TRUNKLINE_TEST_NOW: String(now) });
    expect((await deliver(ingest)).status, `${ahead} days later`).toBe(204);
    expect((await ingest.end('SIGTERM')).code).toBe(0);
  }
  postgres.mend();
  const recorded = await facts();
  const { keyRing } = cluster.installation;
  const wanted = days.map((ahead) =>
    new Date(Date.now() + ahead * dayMs).toISOString().slice(0, 10),
  );
  expect(new Set(recorded.map(({ dayKey }) => dayKey))).toEqual(new Set(wanted));
  for (const { tenant, dayKey, deliveryId, sealed } of recorded) {
    const place = deliveryPlace(tenantId(tenant), deliveryId);
    await keyRing.openDay(tenantId(tenant), dayKey, place, Buffer.from(sealed));
  }
});

test('what a lost process has left is verified and drained by hand into Kafka', async () => {
  await kafka.stop();
  const ingest = await start();
  const before = sent;
  for (let n = 0; n < 30; n += 1) expect((await deliver(ingest)).status).toBe(204);
  await ingest.end('SIGKILL');

  const away = await runTrunkline(['spool', 'drain'], { data, env: cluster.env });
  expect(away.code).toBe(69);
  expect(away.stderr).toContain(`${sent - before} deliveries stay in the spool`);
  const verified = await runTrunkline(['spool', 'verify', '--json'], { data });
  expect(JSON.parse(verified.stdout)).toMatchObject({ sound: true, records: sent - before });
  expect(verified.code).toBe(0);

  await kafka.restart();
  const recorded = (await facts()).length;
  const drained = await runTrunkline(['spool', 'drain', '--json'], { data, env: cluster.env });
  expect(JSON.parse(drained.stdout)).toEqual({ appended: sent - before, faults: 0 });
  expect((await facts()).length).toBe(recorded + sent - before);
  const empty = await runTrunkline(['spool', 'status'], { data });
  expect(empty.stderr).toContain('nothing waits');
});

test('P is remembered: another one is refused while the log is away', async () => {
  const away = { KAFKA_BROKERS: `127.0.0.1:${await freePort()}`, TRUNKLINE_PARTITIONS: '8' };
  const options = { data, env: { ...cluster.env, ...env, ...away } };
  const { code, stderr } = await runTrunkline(['serve', '--roles', 'ingest'], options);
  expect(code).toBe(78);
  expect(stderr).toContain('the log of this data directory has 4');
  expect(stderr).toContain('set TRUNKLINE_PARTITIONS=4');
});
