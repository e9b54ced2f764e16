import { readdirSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyApiKey } from '../../runtime/api-keys.js';
import { createKeyRing } from '../../runtime/keys.js';
import { createPostgresKeyStore } from '../../runtime/key-store.js';
import { TrunklineError } from '../../runtime/errors.js';
import { createLogger, silentLogger } from '../../runtime/logger.js';
import { migrate, migrateDown } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { asTenant, openDatabase } from '../../runtime/postgres.js';
import type { Database } from '../../runtime/postgres.js';
import { openRegistry } from '../../runtime/registry-cache.js';
import { createRegistryStore } from '../../runtime/registry-store.js';
import type { RegistryStore } from '../../runtime/registry-store.js';
import type { Registry } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { postgresUrl } from '../services/services.js';
import { flakyProxy } from './flaky-proxy.js';
import type { FlakyProxy } from './flaky-proxy.js';

const acme = tenantId('acme');
const other = tenantId('other');
const hourMs = 3_600_000;
const runtimeSet = { set: 'runtime', directory: join(packageRoot(), 'runtime/migrations') };

let url: string;
let database: Database;
let throughProxy: Database;
let proxy: FlakyProxy;
let store: RegistryStore;
let registry: Registry;
let offsetMs = 0;
const stop = new AbortController();
const log = new PassThrough();

beforeAll(async () => {
  url = await postgresUrl();
  database = openDatabase({ url, max: 4, applicationName: 'test' });
  await migrate(database, runtimeSet);
  proxy = await flakyProxy(url);
  throughProxy = openDatabase({ url: proxy.url, max: 2, applicationName: 'test registry' });
  const keyRing = createKeyRing(Buffer.alloc(32, 9), createPostgresKeyStore(database));
  store = createRegistryStore(database, keyRing);
  await store.addTenant(acme, 'Acme');
  await store.addTenant(other, 'Other');
  registry = await openRegistry(
    {
      database: throughProxy,
      databaseUrl: proxy.url,
      keyRing,
      logger: createLogger({ level: 'info', destination: log }),
      clock: () => Date.now() + offsetMs,
      defaultPublicUrl: () => 'https://hooks.example.com/',
      refreshMs: 60_000,
    },
    stop.signal,
  );
});
afterAll(async () => {
  stop.abort();
  await throughProxy.end();
  await proxy.close();
  await database.end();
});

const endpoint = {
  tenant: acme,
  provider: 'twilio',
  name: 'main line',
  publicBaseUrl: null,
  credentials: { authToken: 'first-token' },
  allow: ['203.0.113.0/24'],
  ratePerSecond: 50,
} as const;

describe('the registry', () => {
  it('learns of an endpoint by notification, with its credentials opened', async () => {
    const added = await store.addEndpoint(endpoint);
    expect(added.id).toMatch(/^ep_[0-9a-f]{24}$/);
    await expect
      .poll(() => registry.endpoint(added.id), { timeout: 5_000 })
      .toEqual({
        id: added.id,
        tenant: acme,
        provider: 'twilio',
        name: 'main line',
        publicBaseUrl: 'https://hooks.example.com',
        credentials: [
          { id: expect.any(String), value: { authToken: 'first-token' }, isRetiring: false },
        ],
        allow: ['203.0.113.0/24'],
        ratePerSecond: 50,
      });
    expect(registry.endpointsOf(other)).toEqual([]);
    expect(registry.tenants()).toEqual([acme, other]);
    expect(registry.endpoint(endpointId('ep_unknown'))).toBeNull();
  });

  it('keeps no credential in the clear in the database', async () => {
    const { rows } = await database.query('select * from endpoint_credentials');
    expect(JSON.stringify(rows)).not.toContain('first-token');
  });

  it('does not open a credential that was copied to another endpoint, though it knows it', async () => {
    const mine = await store.addEndpoint(endpoint);
    const theirs = await store.addEndpoint({ ...endpoint, tenant: other });
    await registry.refresh();
    expect(registry.endpoint(mine.id)?.credentials).toHaveLength(1);
    await database.query(
      `insert into endpoint_credentials (tenant_id, endpoint_id, sealed)
       select $1, $2, sealed from endpoint_credentials where endpoint_id = $3`,
      [other, theirs.id, mine.id],
    );
    await registry.refresh();
    expect(registry.endpoint(theirs.id)?.credentials).toHaveLength(1);
    await store.revokeEndpoint(mine.id);
    await store.revokeEndpoint(theirs.id);
  });

  it('keeps what it serves while a new credential’s key is out of reach, and serves it later', async () => {
    const inner = createKeyRing(Buffer.alloc(32, 9), createPostgresKeyStore(database));
    let isAway = false;
    const openSecret: typeof inner.openSecret = (...of) =>
      isAway
        ? Promise.reject(new TrunklineError('service_unreachable', 'PostgreSQL cannot be reached'))
        : inner.openSecret(...of);
    const known = await store.addEndpoint(endpoint);
    const one = await openRegistry(
      {
        ...{ database, databaseUrl: url, keyRing: { ...inner, openSecret }, clock: Date.now },
        ...{ logger: silentLogger, defaultPublicUrl: () => 'https://hooks.example.com/' },
        refreshMs: 60_000,
      },
      stop.signal,
    );
    isAway = true;
    const added = await store.addEndpoint(endpoint);
    await expect(one.refresh()).rejects.toMatchObject({ code: 'service_unreachable' });
    expect(one.endpoint(known.id)?.credentials).toHaveLength(1);
    // Not an endpoint without credentials, which would refuse each delivery for good.
    expect(one.endpoint(added.id)).toBeNull();
    expect(await one.confirm(added.id)).toBe('unknowable');
    isAway = false;
    await one.refresh();
    expect(one.endpoint(added.id)?.credentials).toHaveLength(1);
    for (const { id } of [known, added]) await store.revokeEndpoint(id);
  });

  it('accepts both credentials for the grace period of a rotation, then only the new one', async () => {
    const { id } = await store.addEndpoint(endpoint);
    await store.rotateEndpoint(id, { authToken: 'second-token' }, hourMs);
    await registry.refresh();
    const tokens = () =>
      registry.endpoint(id)?.credentials.map(({ value, isRetiring }) => ({ ...value, isRetiring }));
    expect(tokens()).toEqual([
      { authToken: 'second-token', isRetiring: false },
      { authToken: 'first-token', isRetiring: true },
    ]);
    offsetMs = hourMs + 1_000;
    expect(tokens()).toEqual([{ authToken: 'second-token', isRetiring: false }]);
    offsetMs = 0;
    await expect(store.rotateEndpoint(id, { authToken: 'x' }, 30 * 24 * hourMs)).rejects.toThrow(
      /7 days/,
    );
  });

  it('accepts all of two rotations in a row, each old one to its own end; without grace none', async () => {
    const { id } = await store.addEndpoint(endpoint);
    await store.rotateEndpoint(id, { authToken: 'second' }, 2 * hourMs);
    // The first one keeps the earlier of its two ends.
    await store.rotateEndpoint(id, { authToken: 'third' }, 5 * hourMs);
    await registry.refresh();
    const tokens = () => registry.endpoint(id)?.credentials.map(({ value }) => value['authToken']);
    expect(tokens()).toEqual(['third', 'second', 'first-token']);
    const ends = registry.endpoint(id)?.credentials.map(({ endsAt }) => endsAt);
    expect(ends?.map((at) => at === undefined)).toEqual([true, false, false]);
    offsetMs = 2 * hourMs + 1_000;
    expect(tokens()).toEqual(['third', 'second']);
    offsetMs = 5 * hourMs + 1_000;
    expect(tokens()).toEqual(['third']);
    offsetMs = 0;
    await store.rotateEndpoint(id, { authToken: 'fourth' }, 0);
    await registry.refresh();
    expect(tokens()).toEqual(['fourth']);
  });

  it('goes on serving while Postgres is away, and is fresh again when it is back', async () => {
    const { id } = await store.addEndpoint(endpoint);
    await registry.refresh();
    proxy.cut();
    await expect(registry.refresh()).rejects.toMatchObject({ code: 'service_unreachable' });
    expect(registry.endpoint(id)?.credentials).toHaveLength(1);
    const late = await store.addEndpoint({ ...endpoint, name: 'made during the outage' });
    expect(registry.endpoint(late.id)).toBeNull();
    proxy.mend();
    // No refresh is asked for: the listener connects again and reads what it missed.
    await expect.poll(() => registry.endpoint(late.id), { timeout: 10_000 }).not.toBeNull();
    const lines = String(log.read());
    expect(lines).toContain('registry_stale');
    expect(lines).not.toContain('first-token');
  });

  it('forgets an endpoint that was revoked', async () => {
    const { id } = await store.addEndpoint(endpoint);
    await registry.refresh();
    expect(registry.endpoint(id)).not.toBeNull();
    await store.revokeEndpoint(id);
    await registry.refresh();
    expect(registry.endpoint(id)).toBeNull();
    expect((await store.findEndpoint(id)).revokedAt).toBeInstanceOf(Date);
  });

  it('says what is not there', async () => {
    const unknown = tenantId('nobody');
    await expect(store.addEndpoint({ ...endpoint, tenant: unknown })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(store.revokeEndpoint(endpointId('ep_0'))).rejects.toThrow(/no endpoint ep_0/);
    await expect(store.revokeKey('none')).rejects.toThrow(/no key none/);
    expect(await store.addTenant(acme, 'Another name')).toBe(false);
  });
});

describe('an API key', () => {
  const verify = (key: string) => verifyApiKey(registry, key, () => Date.now() + offsetMs);

  it('is accepted, rotated with a grace period, and refused at once when revoked', async () => {
    const first = await store.addKey({
      tenant: acme,
      role: 'viewer',
      name: 'wall',
      expiresAt: null,
    });
    await registry.refresh();
    expect(verify(first.key)).toMatchObject({ ok: true, record: { tenant: acme, role: 'viewer' } });

    const second = await store.rotateKey(first.id, hourMs);
    await registry.refresh();
    expect([verify(first.key).ok, verify(second.key).ok]).toEqual([true, true]);
    offsetMs = hourMs + 1_000;
    expect(verify(first.key)).toEqual({ ok: false, reason: 'expired' });
    expect(verify(second.key).ok).toBe(true);
    offsetMs = 0;

    await store.revokeKey(second.id);
    await registry.refresh();
    expect(verify(second.key)).toEqual({ ok: false, reason: 'refused' });
    const listed = await store.listKeys(acme);
    expect(listed.find((key) => key.id === first.id)?.replacedBy).toBe(second.id);
    expect(JSON.stringify(listed)).not.toContain(first.key);
  });
});

describe('the second wall', () => {
  it('shows the reader one tenant’s rows and no secret', async () => {
    await store.addEndpoint({ ...endpoint, tenant: other });
    const mine = await asTenant(database, acme, (transaction) =>
      transaction.query<{ tenant_id: string }>('select tenant_id from endpoints'),
    );
    expect(new Set(mine.rows.map((row) => row.tenant_id))).toEqual(new Set([acme]));
    const nobody = await asTenant(database, '', (transaction) =>
      transaction.query('select from endpoints'),
    );
    expect(nobody.rowCount).toBe(0);
    for (const table of ['endpoint_credentials', 'tenant_keys', 'day_keys', 'subject_keys']) {
      const read = asTenant(database, acme, (t) => t.query(`select * from ${table}`));
      await expect(read).rejects.toThrow(/permission denied/);
    }
    const hash = asTenant(database, acme, (t) => t.query('select secret_hash from api_keys'));
    await expect(hash).rejects.toThrow(/permission denied/);
    const write = asTenant(database, acme, (t) => t.query('delete from endpoints'));
    await expect(write).rejects.toThrow(/permission denied|read-only/);
  });

  it('leaves neither role nor tenant on the connection', async () => {
    const single = openDatabase({ url, max: 1, applicationName: 'test' });
    await asTenant(single, acme, (t) => t.query('select 1'));
    const { rows } = await single.query<{ role: string; tenant: string }>(
      `select current_user = session_user as role, current_setting('trunkline.tenant', true) as tenant`,
    );
    expect(rows[0]).toMatchObject({ role: true, tenant: '' });
    await single.end();
  });

  it('binds a plain owner as well as a superuser', async () => {
    const { rows } = await database.query<{ relname: string }>(
      `select relname from pg_class c where relkind = 'r' and relnamespace = 'public'::regnamespace
       and not (relrowsecurity and relforcerowsecurity) order by relname`,
    );
    // These hold no tenant's data.
    expect(rows.map(({ relname }) => relname)).toEqual(['scheduler_lease', 'schema_migrations']);
  });
});

describe('the migrations of the runtime', () => {
  it('go back and forth', async () => {
    const fresh = openDatabase({ url: await postgresUrl(), max: 2, applicationName: 'test' });
    const migrations = readdirSync(runtimeSet.directory)
      .filter((file) => file.endsWith('.sql') && !file.endsWith('.down.sql'))
      .map((file) => file.replace('.sql', ''))
      .sort();
    const tables = async () =>
      (
        await fresh.query(`select relname from pg_class where relkind = 'r'
        and relnamespace = 'public'::regnamespace`)
      ).rowCount;
    expect(await migrate(fresh, runtimeSet)).toEqual(migrations);
    expect(await migrate(fresh, runtimeSet)).toEqual([]);
    expect(await migrateDown(fresh, runtimeSet)).toEqual([...migrations].reverse());
    expect(await tables()).toBe(1);
    expect(await migrate(fresh, runtimeSet)).toHaveLength(migrations.length);
    await fresh.end();
  });
});
