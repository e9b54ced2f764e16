import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { TrunklineError } from '../../runtime/errors.js';
import { createShelvedKeyStore, KeyShelf, offerKeys } from '../../runtime/key-shelf.js';
import {
  createKeyRing,
  createMemoryKeyStore,
  sealedLength,
  type KeyStore,
} from '../../runtime/keys.js';
import type { RegistryRows } from '../../runtime/registry-cache.js';
import {
  readSnapshot,
  SnapshotKeeper,
  snapshotPath,
  summarise,
} from '../../runtime/registry-snapshot.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { recordingLogger } from '../ingest/fixtures.js';

const masterKey = Buffer.alloc(32, 5);
const acme = tenantId('acme');
const day = '2026-03-01';
let dataDirectory: string;

beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'snapshot-'));
});
afterEach(() => rm(dataDirectory, { recursive: true }));

const rows: RegistryRows = {
  tenants: [acme],
  endpoints: [
    {
      ...{ id: endpointId('ep_0000000000000001'), tenant: acme, provider: 'twilio' },
      ...{ name: 'main', publicBaseUrl: null, allow: [], ratePerSecond: null, credentials: [] },
    },
  ],
  apiKeys: [
    { id: 'key_1', tenant: acme, role: 'viewer', secretHash: 'f'.repeat(64), expiresAt: null },
  ],
};

/** A store that can be taken away, as Postgres is. */
function awayStore(store: KeyStore): { store: KeyStore; isAway: boolean } {
  const away = { isAway: false, store };
  const reach = <T>(work: () => Promise<T>): Promise<T> =>
    away.isAway ? Promise.reject(new TrunklineError('service_unreachable', 'away')) : work();
  away.store = {
    tenantKey: (...args) => reach(() => store.tenantKey(...args)),
    dayKey: (...args) => reach(() => store.dayKey(...args)),
    dayKeys: (...args) => reach(() => store.dayKeys(...args)),
    subjectKeys: (...args) => reach(() => store.subjectKeys(...args)),
    subjectKeysById: (...args) => reach(() => store.subjectKeysById(...args)),
  };
  return away;
}

function keeperOf(shelf: KeyShelf) {
  const { logger, lines } = recordingLogger();
  const clock = (): number => Date.parse(`${day}T12:00:00Z`);
  return { keeper: new SnapshotKeeper({ dataDirectory, masterKey, shelf, clock, logger }), lines };
}

test('what was kept seals in the next process while the store is away, with the same keys', async () => {
  const memory = createMemoryKeyStore();
  const shelf = new KeyShelf();
  const ring = createKeyRing(masterKey, createShelvedKeyStore(memory, shelf));
  await ring.makeDays([
    { tenant: acme, day },
    { tenant: acme, day: '2026-03-02' },
  ]);
  const { keeper } = keeperOf(shelf);
  keeper.note(rows);
  await keeper.save();

  const kept = await readSnapshot(dataDirectory, masterKey);
  expect(kept?.rows).toEqual({ ...rows, apiKeys: [] });
  const next = new KeyShelf();
  next.load(kept?.keys ?? { tenants: [], days: [] });
  const away = awayStore(memory);
  away.isAway = true;
  const blind = createKeyRing(masterKey, createShelvedKeyStore(away.store, next));
  const sealed = await blind.sealDay(acme, '2026-03-02', 'here', Buffer.from('call'));
  await expect(blind.sealDay(acme, '2026-03-03', 'here', Buffer.from('call'))).rejects.toThrow(
    'away',
  );

  const reader = createKeyRing(masterKey, memory);
  expect((await reader.openDay(acme, '2026-03-02', 'here', sealed)).toString()).toBe('call');
});

test('the file is for its owner, opens under no other master key, and shows nothing', async () => {
  const { keeper } = keeperOf(new KeyShelf());
  keeper.note(rows);
  await keeper.save();
  const path = snapshotPath(dataDirectory);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path).includes('acme')).toBe(false);
  await expect(readSnapshot(dataDirectory, Buffer.alloc(32, 6))).rejects.toThrow(
    'TRUNKLINE_MASTER_KEY is not the one',
  );
  const bytes = readFileSync(path);
  for (const at of [0, 5, 20, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    await expect(readSnapshot(dataDirectory, masterKey)).rejects.toMatchObject({
      code: 'unseal_failed',
    });
  }
});

test('there is none in a fresh directory, and none before the first load', async () => {
  const { keeper } = keeperOf(new KeyShelf());
  await keeper.save();
  expect(await readSnapshot(dataDirectory, masterKey)).toBeNull();
});

test('it is written again only when rows or keys have changed', async () => {
  const shelf = new KeyShelf();
  const { keeper } = keeperOf(shelf);
  const inode = (): number => statSync(snapshotPath(dataDirectory)).ino;
  keeper.note(rows);
  await keeper.save();
  const first = inode();
  keeper.note({ ...rows });
  await keeper.save();
  expect(inode()).toBe(first);
  shelf.putDay(acme, day, Buffer.from('wrapped'));
  await keeper.save();
  expect(inode()).not.toBe(first);
});

test('a disk that refuses is said once, and tried again', async () => {
  const { keeper, lines } = keeperOf(new KeyShelf());
  await rm(dataDirectory, { recursive: true });
  keeper.note(rows);
  await keeper.save();
  await keeper.save();
  expect(lines.map(({ fields }) => fields['code'])).toEqual(['snapshot_not_written']);
  mkdirSync(dataDirectory);
  await keeper.save();
  expect(await readSnapshot(dataDirectory, masterKey)).not.toBeNull();
});

test('the summary counts days that every tenant can be sealed for', async () => {
  const shelf = new KeyShelf();
  const { keeper } = keeperOf(shelf);
  for (const one of [day, '2026-03-02', '2026-03-04']) shelf.putDay(acme, one, Buffer.from('k'));
  keeper.note(rows);
  await keeper.save();
  const kept = await readSnapshot(dataDirectory, masterKey);
  if (kept === null) throw new Error('nothing was kept');
  expect(summarise(kept, day)).toMatchObject({ endpoints: 1, sealableUntil: '2026-03-02' });
  expect(summarise(kept, '2026-03-03').sealableUntil).toBeNull();
});

test('keys are offered back to a store that has lost them, and a foreign store is recognised', async () => {
  const shelf = new KeyShelf();
  const ring = createKeyRing(masterKey, createShelvedKeyStore(createMemoryKeyStore(), shelf));
  await ring.makeDays([{ tenant: acme, day }]);
  const sealed = await ring.sealDay(acme, day, 'here', Buffer.from('call'));

  const restored = createMemoryKeyStore();
  await offerKeys(restored, shelf);
  await createKeyRing(masterKey, createShelvedKeyStore(restored, shelf)).makeDays([
    { tenant: acme, day },
  ]);
  const reader = createKeyRing(masterKey, restored);
  expect((await reader.openDay(acme, day, 'here', sealed)).toString()).toBe('call');

  const foreign = createMemoryKeyStore();
  await createKeyRing(masterKey, foreign).sealDay(acme, day, 'here', Buffer.from('call'));
  await expect(offerKeys(foreign, shelf)).rejects.toThrow('it is another database');
});

test('where the store has another day key, the ring seals with that one from then on', async () => {
  const shelf = new KeyShelf();
  const first = createMemoryKeyStore();
  const ring = createKeyRing(masterKey, createShelvedKeyStore(first, shelf));
  await ring.sealDay(acme, day, 'here', Buffer.from('call'));
  const tenantKey = shelf.tenant(acme);
  if (tenantKey === undefined) throw new Error('no tenant key');

  // Restored from a backup without the day, which another process has made again.
  const second = createMemoryKeyStore();
  await second.tenantKey(acme, tenantKey);
  await createKeyRing(masterKey, second).sealDay(acme, day, 'other', Buffer.from('call'));
  const moved = createKeyRing(masterKey, createShelvedKeyStore(second, shelf));
  await moved.sealDay(acme, day, 'here', Buffer.from('before'));
  expect(await moved.makeDays([{ tenant: acme, day }])).toBe(1);
  const sealed = Buffer.alloc(sealedLength(5));
  const isSealed = moved.sealDayInto(
    sealed,
    { tenant: acme, day, place: 'here' },
    Buffer.from('after'),
  );
  expect(isSealed).toBe(true);
  const reader = createKeyRing(masterKey, second);
  const opened = await reader.openDay(acme, day, 'here', sealed);
  expect(opened.toString()).toBe('after');
});
