import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyRing, createMemoryKeyStore, sealField } from '../../runtime/keys.js';
import type { KeyStore } from '../../runtime/keys.js';
import { loadMasterKey } from '../../runtime/master-key.js';
import { deriveKey, openBytes, openField, sealBytes } from '../../runtime/seal.js';
import { tenantId } from '../../schemas/ids.js';

const acme = tenantId('acme');
const other = tenantId('other');
const master = Buffer.alloc(32, 7);
const day = '2026-01-31';

describe('a sealed field', () => {
  const key = { keyId: 'k_test', key: Buffer.alloc(32, 1) };
  const place = 'acme/sub_1/number';

  it('has the bytes of the stored vector, today and in a year', () => {
    expect(sealField(key, place, '+15550100142')).toEqual({
      keyId: 'k_test',
      nonce: 'xurDWQsHnqslHnn2',
      ciphertext: 'u1yjUf8POBj06WzN',
      tag: 'QKETwRKbTqhi8qal_ZyDuQ',
    });
    expect(deriveKey(Buffer.alloc(32, 1), 'wrap-day').toString('hex')).toBe(
      'e51805d4001e71cb6d48ff995c7700bddc6db5162ecfa309d8e4c46a383a9d5e',
    );
  });

  it('opens to its text at its place, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, anyPlace) => {
        const sealed = sealField(key, anyPlace, text);
        expect(openField(key.key, anyPlace, sealed)).toBe(text);
        expect(sealField(key, anyPlace, text)).toEqual(sealed);
      }),
    );
  });

  it('never meets another text or place under the same nonce', () => {
    const inputs = fc.uniqueArray(fc.tuple(fc.string(), fc.string()), {
      minLength: 2,
      selector: ([a, b]) => JSON.stringify([a, b]),
    });
    fc.assert(
      fc.property(inputs, (pairs) => {
        const nonces = pairs.map(([anyPlace, text]) => sealField(key, anyPlace, text).nonce);
        expect(new Set(nonces).size).toBe(nonces.length);
      }),
    );
  });

  it('does not open when any bit was changed, at another place or under another key', () => {
    const sealed = sealField(key, place, 'text of a message');
    const flip = (part: string): string => {
      const bytes = Buffer.from(part, 'base64url');
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return bytes.toString('base64url');
    };
    const altered = [
      { ...sealed, nonce: flip(sealed.nonce) },
      { ...sealed, ciphertext: flip(sealed.ciphertext) },
      { ...sealed, tag: flip(sealed.tag) },
      { ...sealed, keyId: 'k_other' },
      { ...sealed, tag: sealed.tag.slice(0, 8) },
    ];
    for (const box of altered) {
      expect(() => openField(key.key, place, box)).toThrow(/does not open/);
    }
    expect(() => openField(key.key, 'acme/sub_2/number', sealed)).toThrow(/does not open/);
    expect(() => openField(Buffer.alloc(32, 2), place, sealed)).toThrow(/does not open/);
  });
});

describe('sealed bytes', () => {
  it('never share a nonce, also when the pool of random bytes is filled again', () => {
    const key = Buffer.alloc(32, 3);
    const nonces = Array.from({ length: 1_000 }, () =>
      sealBytes(key, 'p', Buffer.of(1)).subarray(1, 13).toString('hex'),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  it('open to their content, and not when cut or altered anywhere', () => {
    const key = Buffer.alloc(32, 3);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (content, at) => {
        const sealed = sealBytes(key, 'p', Buffer.from(content));
        expect(openBytes(key, 'p', sealed)).toEqual(Buffer.from(content));
        const bytes = Buffer.from(sealed);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ 0x40;
        expect(() => openBytes(key, 'p', bytes)).toThrow();
        expect(() => openBytes(key, 'p', sealed.subarray(0, index))).toThrow();
      }),
    );
  });
});

describe('the key ring', () => {
  const ring = (store: KeyStore = createMemoryKeyStore(), now = () => 0) =>
    createKeyRing(master, store, now);

  it('gives one subject one id however its number is written, and another to each tenant', async () => {
    const keys = ring();
    const id = await keys.subjectId(acme, '+15550100142');
    expect(id).toMatch(/^sub_[A-Za-z0-9_-]{27}$/);
    expect(await keys.subjectId(acme, '+1 (555) 010-0142')).toBe(id);
    expect(await keys.subjectId(other, '+15550100142')).not.toBe(id);
    expect(id).not.toContain('0142');
  });

  it('gives the same keys and ids to two processes with one store', async () => {
    const store = createMemoryKeyStore();
    const [one, two] = [ring(store), ring(store)];
    const subject = await one.subjectId(acme, '+15550100142');
    expect(await two.subjectId(acme, '+15550100142')).toBe(subject);
    const wanted = [{ tenant: acme, subject }];
    const [mine, theirs] = await Promise.all([one.subjectKeys(wanted), two.subjectKeys(wanted)]);
    expect(mine).toEqual(theirs);
  });

  it('asks the store once for many subjects, and not again while it knows them', async () => {
    const store = createMemoryKeyStore();
    let calls = 0;
    const keys = ring({
      ...store,
      subjectKeys: (wanted) => {
        calls++;
        return store.subjectKeys(wanted);
      },
    });
    const subjects = await Promise.all(
      ['+15550100100', '+15550100101', '+15550100100'].map(async (number) => ({
        tenant: acme,
        subject: await keys.subjectId(acme, number),
      })),
    );
    const [first, second, third] = await keys.subjectKeys(subjects);
    await keys.subjectKeys(subjects);
    expect(calls).toBe(1);
    expect(third).toEqual(first);
    expect(second?.keyId).not.toBe(first?.keyId);
  });

  it('opens fields, and a field whose key is destroyed as null, once the cache has aged', async () => {
    const store = createMemoryKeyStore();
    let now = 0;
    const keys = ring(store, () => now);
    const subject = await keys.subjectId(acme, '+15550100142');
    const [key] = await keys.subjectKeys([{ tenant: acme, subject }]);
    if (key === undefined) throw new Error('no key');
    const place = `acme/${subject}/number`;
    const box = { sealed: sealField(key, place, '+15550100142'), place };
    expect(await keys.open(acme, [box, box])).toEqual(['+15550100142', '+15550100142']);
    store.destroySubject(acme, subject);
    now += 5 * 60_000;
    expect(await keys.open(acme, [box])).toEqual([null]);
    const [again] = await keys.subjectKeys([{ tenant: acme, subject }]);
    expect(again?.keyId).not.toBe(key.keyId);
  });

  it('does not open one tenant’s field for another', async () => {
    const store = createMemoryKeyStore();
    const keys = ring(store);
    const subject = await keys.subjectId(acme, '+15550100142');
    const [key] = await keys.subjectKeys([{ tenant: acme, subject }]);
    await keys.sealSecret(other, 'any', 'x');
    if (key === undefined) throw new Error('no key');
    const box = { sealed: sealField(key, 'p', 'text'), place: 'p' };
    expect(await keys.open(other, [box])).toEqual([null]);
  });

  it('opens a day’s deliveries until the day’s key is destroyed', async () => {
    const store = createMemoryKeyStore();
    let now = 0;
    const keys = ring(store, () => now);
    const sealed = await keys.sealDay(acme, day, 'fact', Buffer.from('content'));
    expect((await keys.openDay(acme, day, 'fact', sealed)).toString()).toBe('content');
    await expect(keys.openDay(acme, day, 'elsewhere', sealed)).rejects.toThrow(/does not open/);
    await expect(keys.openDay(acme, '2026-03-01', 'fact', sealed)).rejects.toThrow(/never made/);
    store.destroyDay(acme, day);
    now += 5 * 60_000;
    await expect(keys.openDay(acme, day, 'fact', sealed)).rejects.toMatchObject({
      code: 'key_missing',
    });
  });

  it('goes on sealing over midnight while the store is away', async () => {
    const store = createMemoryKeyStore();
    let away = false;
    const keys = ring({
      ...store,
      dayKey: (...args) => (away ? Promise.reject(new Error('away')) : store.dayKey(...args)),
    });
    await keys.sealDay(acme, day, 'fact', Buffer.from('before'));
    await new Promise(setImmediate);
    away = true;
    await expect(keys.openDay(acme, day, 'fact', Buffer.alloc(0))).rejects.toThrow('away');
    await expect(keys.sealDay(acme, day, 'f', Buffer.from('a'))).resolves.toBeDefined();
    await expect(keys.sealDay(acme, '2026-02-01', 'f', Buffer.from('b'))).resolves.toBeDefined();
    await expect(keys.sealDay(acme, '2026-02-02', 'f', Buffer.from('c'))).rejects.toThrow('away');
    away = false;
    await expect(keys.sealDay(acme, '2026-02-02', 'f', Buffer.from('c'))).resolves.toBeDefined();
  });

  it('seals secrets of the installation for their tenant and place', async () => {
    const keys = ring();
    const sealed = await keys.sealSecret(acme, 'endpoint/1', 'token');
    expect(sealed).not.toContain('token');
    expect(await keys.openSecret(acme, 'endpoint/1', sealed)).toBe('token');
    await expect(keys.openSecret(acme, 'endpoint/2', sealed)).rejects.toThrow(/does not open/);
  });

  it('says so when the master key is another one', async () => {
    const store = createMemoryKeyStore();
    await ring(store).sealSecret(acme, 'p', 's');
    const wrong = createKeyRing(Buffer.alloc(32, 8), store);
    await expect(wrong.sealSecret(acme, 'p', 's')).rejects.toThrow(/another master key/);
  });
});

describe('the master key', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'trunkline-key-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const config = (extra: object = {}) => ({
    TRUNKLINE_MASTER_KEY: undefined,
    TRUNKLINE_MASTER_KEY_FILE: undefined,
    TRUNKLINE_DATA: directory,
    ...extra,
  });

  it('is made once in the data directory, for the owner alone, and found again', async () => {
    const made = await Promise.all([loadMasterKey(config()), loadMasterKey(config())]);
    expect(made.filter((one) => one.created)).toHaveLength(1);
    expect(made[0].key).toEqual(made[1].key);
    const path = join(directory, 'master.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await loadMasterKey(config())).toEqual({ key: made[0].key, created: false, path });
  });

  it('comes from the environment or from a named file', async () => {
    const text = master.toString('base64');
    expect((await loadMasterKey(config({ TRUNKLINE_MASTER_KEY: text }))).key).toEqual(master);
    const file = join(directory, 'named');
    writeFileSync(file, `${text}\n`);
    const loaded = await loadMasterKey(config({ TRUNKLINE_MASTER_KEY_FILE: file }));
    expect(loaded).toEqual({ key: master, created: false, path: file });
    expect(() => readFileSync(join(directory, 'master.key'))).toThrow();
  });

  it('is refused when the file is missing or holds something else', async () => {
    const file = join(directory, 'named');
    const load = () => loadMasterKey(config({ TRUNKLINE_MASTER_KEY_FILE: file }));
    await expect(load()).rejects.toMatchObject({ code: 'config_invalid' });
    writeFileSync(file, 'short');
    await expect(load()).rejects.toThrow(/32 bytes/);
  });
});
