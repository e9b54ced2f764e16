// Refusals and uses in Postgres: bounded, one tenant's own, and never in the way of what cannot be written.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createDiagnosisStore,
  readCredentials,
  readRefusals,
  refusalBounds,
  type DiagnosisStore,
  type KeptRefusal,
} from '../../runtime/diagnosis-store.js';
import { createKeyRing } from '../../runtime/keys.js';
import { createPostgresKeyStore } from '../../runtime/key-store.js';
import { migrate, migrateDown } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { asTenant, openDatabase, type Database } from '../../runtime/postgres.js';
import { createRegistryStore, type RegistryStore } from '../../runtime/registry-store.js';
import { endpointId, tenantId, type EndpointId } from '../../schemas/ids.js';
import { postgresUrl } from '../services/services.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const runtimeSet = { set: 'runtime', directory: join(packageRoot(), 'runtime/migrations') };

let database: Database;
let registry: RegistryStore;
let store: DiagnosisStore;
let mine: EndpointId;
let theirs: EndpointId;

beforeAll(async () => {
  database = openDatabase({ url: await postgresUrl(), max: 4, applicationName: 'test' });
  await migrate(database, runtimeSet);
  const keyRing = createKeyRing(Buffer.alloc(32, 9), createPostgresKeyStore(database));
  registry = createRegistryStore(database, keyRing);
  store = createDiagnosisStore(database, keyRing);
  const ids = [acme, globex].map(async (tenant) => {
    await registry.addTenant(tenant, tenant);
    return (await registry.addEndpoint(endpoint(tenant))).id;
  });
  [mine = endpointId(''), theirs = endpointId('')] = await Promise.all(ids);
});
afterAll(() => database.end());

const endpoint = (tenant: typeof acme) => ({
  ...{ tenant, provider: 'twilio', name: 'main', publicBaseUrl: null, allow: [] },
  ...{ credentials: { authToken: `first-of-${tenant}` }, ratePerSecond: null },
});

const refusal = (change: Partial<KeptRefusal> = {}): KeptRefusal => ({
  ...{
    tenant: acme,
    endpoint: mine,
    at: Date.now(),
    layer: 'signature',
    code: 'signature_mismatch',
  },
  ...{ cause: 'url_scheme', also: null, other: null, looksLike: null, offsetMs: -4_000 },
  ...{ method: 'POST', contentType: 'application/json', agent: 'curl', bodyBytes: 7 },
  ...{ network: '192.0.2.0/24', correlationId: 'abc', unwritten: 0 },
  ...change,
});

const page = { limit: 1000, before: null };
const list = (tenant: typeof acme, id: EndpointId) =>
  asTenant(database, tenant, (transaction) =>
    readRefusals(transaction, { tenant, endpoint: id }, page),
  );

describe('refusals', () => {
  it('come back newest first, all their fields, for their own tenant alone', async () => {
    const first = refusal({ at: 1_000 + Date.now() - 5_000, also: 'body_bom', unwritten: 3 });
    await store.writeRefusals([
      first,
      refusal({ bodyBytes: 8 }),
      refusal({ tenant: globex, endpoint: theirs }),
    ]);
    const found = await list(acme, mine);
    expect(found?.provider).toBe('twilio');
    expect(found?.refusals.map(({ bodyBytes }) => bodyBytes)).toEqual([8, 7]);
    expect(found?.refusals[1]).toMatchObject(first);
    expect(await list(acme, theirs)).toBe(null);
    expect((await list(globex, theirs))?.refusals).toHaveLength(1);
    // Row-level security stands without the predicate.
    const { rows } = await asTenant(database, acme, (transaction) =>
      transaction.query('select distinct tenant_id from endpoint_refusals'),
    );
    expect(rows).toEqual([{ tenant_id: 'acme' }]);
  });

  it('of an endpoint that this database does not know do not cost the others', async () => {
    const before = (await list(acme, mine))?.refusals.length ?? 0;
    await store.writeRefusals([
      refusal({ endpoint: endpointId('ep_00000000000000ff') }),
      refusal(),
    ]);
    expect((await list(acme, mine))?.refusals).toHaveLength(before + 1);
  });

  it('are kept to a number of each endpoint, and for a time', async () => {
    await store.writeRefusals([refusal({ at: Date.now() - 8 * 86_400_000, correlationId: 'old' })]);
    const many = Array.from({ length: refusalBounds.perEndpoint + 30 }, (_, n) =>
      refusal({ bodyBytes: n }),
    );
    for (let at = 0; at < many.length; at += 100)
      await store.writeRefusals(many.slice(at, at + 100));
    const { rows } = await database.query<{ count: number }>(
      'select count(*) from endpoint_refusals where endpoint_id = $1',
      [mine],
    );
    expect(rows[0]?.count).toBe(refusalBounds.perEndpoint);
    const kept = (await list(acme, mine))?.refusals ?? [];
    expect(kept.map(({ bodyBytes }) => bodyBytes)[0]).toBe(refusalBounds.perEndpoint + 29);
    expect(kept.some(({ correlationId }) => correlationId === 'old')).toBe(false);
    await database.query(
      `update endpoint_refusals set refused_at = now() - interval '9 days' where endpoint_id = $1`,
      [theirs],
    );
    expect((await list(globex, theirs))?.refusals).toEqual([]);
    await store.sweep();
    const left = await database.query('select 1 from endpoint_refusals where endpoint_id = $1', [
      theirs,
    ]);
    expect(left.rowCount).toBe(0);
    expect((await list(acme, mine))?.refusals).toHaveLength(refusalBounds.perEndpoint);
  });
});

describe('credentials', () => {
  it('tell their age and how often they were used, not what they are', async () => {
    const [only] = await registry.credentialsOf(mine);
    expect(only).toMatchObject({ uses: 0, lastUsedAt: null, expiresAt: null });
    const use = { tenant: acme, endpoint: mine, credential: only?.id ?? '', lastUsedAt: 1_000_000 };
    await store.writeUses([{ ...use, uses: 3 }]);
    await store.writeUses([
      { ...use, uses: 4, lastUsedAt: 900_000 },
      { ...use, credential: '999999', uses: 1 },
    ]);
    expect(await registry.credentialsOf(mine)).toMatchObject([{ uses: 7, lastUsedAt: 1_000_000 }]);
    const seen = await asTenant(database, acme, (transaction) =>
      readCredentials(transaction, acme),
    );
    expect(seen.map((one) => one.endpoint)).toEqual([mine]);
    await expect(
      asTenant(database, acme, (transaction) =>
        transaction.query('select sealed from endpoint_credentials'),
      ),
    ).rejects.toThrow(/permission/);
  });

  it('that have ended are found for a comparison, the newest first; live ones are not', async () => {
    expect(await store.retiredCredentials(acme, mine)).toEqual([]);
    await registry.rotateEndpoint(mine, { authToken: 'second' }, 0);
    await registry.rotateEndpoint(mine, { authToken: 'third' }, 0);
    await registry.rotateEndpoint(mine, { authToken: 'fourth' }, 3_600_000);
    expect(await store.retiredCredentials(acme, mine)).toEqual([
      { authToken: 'second' },
      { authToken: 'first-of-acme' },
    ]);
    expect(await registry.newestCredential(mine)).toEqual({ authToken: 'fourth' });
    expect(await registry.findEndpoint(mine)).toMatchObject({ credentials: 2 });
    expect(await store.retiredCredentials(globex, mine)).toEqual([]);
  });
});

describe('an endpoint', () => {
  it('is changed without a new id, and only in what is given', async () => {
    const before = await registry.findEndpoint(theirs);
    const change = { publicBaseUrl: 'https://calls.example.net/', allow: ['provider'] };
    expect(await registry.changeEndpoint(theirs, change)).toEqual({
      ...before,
      publicBaseUrl: 'https://calls.example.net',
      allow: ['provider'],
    });
    const back = await registry.changeEndpoint(theirs, { publicBaseUrl: null, ratePerSecond: 7 });
    expect(back).toMatchObject({ publicBaseUrl: null, ratePerSecond: 7, allow: ['provider'] });
  });
});

it('the migration goes back and forth', async () => {
  await migrateDown(database, runtimeSet, 1);
  await migrate(database, runtimeSet);
  expect((await list(acme, mine))?.refusals).toEqual([]);
});
