// Facts of our own: records of `deliveries` like any other, acknowledged, and the same once they are repeated.

import { describe, expect, test } from 'vitest';

import { createLocalCodec } from '../../log/event-codec.js';
import { createMemoryLog, MemoryStore, type AppendFate } from '../../log/memory.js';
import { FactAppender, ownEndpoint, ownFactId, type OwnFact } from '../../log/own-facts.js';
import { partitionOf } from '../../log/topics.js';
import { createKeyRing, createMemoryKeyStore } from '../../runtime/keys.js';
import { decodeContent } from '../../schemas/delivery-content.js';
import type { ActFact } from '../../schemas/facts.js';
import { eventId, parseEndpointId, tenantId, type TenantId } from '../../schemas/ids.js';
import { deliveryPlace } from '../../schemas/sealed.js';

const codec = createLocalCodec();
const keyRing = createKeyRing(Buffer.alloc(32, 5), createMemoryKeyStore());
const partitions = 4;
const acme = tenantId('acme');
const nowMs = Date.parse('2026-10-01T12:00:00Z');

function actOf(tenant: TenantId, about: string, reason = 'the rule is mended'): OwnFact {
  const fact: ActFact = {
    kind: 'act',
    factId: ownFactId(tenant, 'retry', about, 'key-1'),
    eventType: 'dead_letter.retry',
    occurredAt: nowMs,
    order: { phase: 1, atUs: nowMs * 1000, seq: 0 },
    act: 'retry',
    about: eventId(about),
    actor: 'key_1',
    reason,
  };
  return { tenant, fact };
}

interface Faults {
  readonly fates?: AppendFate[];
  readonly hangs?: boolean;
}

function world({ fates = [], hangs = false }: Faults = {}, more: { maxWaiting?: number } = {}) {
  const store = new MemoryStore({ partitions });
  const log = createMemoryLog(store, {
    step: () => (hangs ? new Promise<void>(() => undefined) : Promise.resolve()),
    fate: () => fates.shift() ?? 'ok',
    later: () => undefined,
    timer: () => () => undefined,
  });
  const timeoutMs = hangs ? 20 : 5_000;
  const appender = new FactAppender({
    log,
    codec,
    keyRing,
    clock: () => nowMs,
    timeoutMs,
    ...more,
  });
  return { store, appender };
}

async function open(value: Buffer | null | undefined) {
  if (value === null || value === undefined) throw new Error('no value');
  const { sealed, ...head } = codec.decodeFact(value);
  const place = deliveryPlace(head.tenant, head.deliveryId);
  const content = await keyRing.openDay(head.tenant, head.dayKey, place, Buffer.from(sealed));
  return { head, facts: decodeContent(content)?.facts };
}

describe('facts of our own', () => {
  test('stand in their tenant’s partition, sealed, with a provider and an endpoint no other has', async () => {
    const { store, appender } = world();
    const tenants = ['acme', 'globex', 'initech', 'umbrella'].map(tenantId);
    const facts = tenants.map((tenant) => actOf(tenant, 'evt_1'));
    const places = await appender.append(facts);
    for (const [i, tenant] of tenants.entries()) {
      const partition = partitionOf(tenant, partitions);
      expect(places[i]).toMatchObject({ topic: 'deliveries', partition });
      const record = store
        .records('deliveries', partition)
        .find(({ offset }) => offset === places[i]?.offset);
      expect(record?.key).toBe(tenant);
      expect(record?.value?.toString('latin1')).not.toContain('mended');
      const { head, facts: opened } = await open(record?.value);
      expect(head).toMatchObject({ tenant, provider: 'trunkline', endpoint: ownEndpoint });
      expect(head).toMatchObject({ receivedAt: nowMs, dayKey: '2026-10-01' });
      expect(opened).toEqual([facts[i]?.fact]);
    }
    expect(parseEndpointId(ownEndpoint)).toBe(ownEndpoint);
    await appender.close();
  });

  test('carry the provider whose references they use, where they are given one', async () => {
    const { store, appender } = world();
    const [place] = await appender.append([{ ...actOf(acme, 'evt_1'), provider: 'twilio' }]);
    const { head } = await open(store.records('deliveries', place?.partition ?? -1)[0]?.value);
    expect(head).toMatchObject({ provider: 'twilio', endpoint: ownEndpoint });
  });

  test('keep the order of the calls, many to a batch', async () => {
    const { store, appender } = world();
    const calls = Array.from({ length: 20 }, (_, i) => [actOf(acme, `evt_${i}`)]);
    const places = await Promise.all(calls.map((facts) => appender.append(facts)));
    expect(places.flat().map(({ offset }) => offset)).toEqual(calls.map((_, i) => i));
    const more = Array.from({ length: 3 }, (_, i) => actOf(acme, `evt_x${i}`));
    expect((await appender.append(more)).map(({ offset }) => offset)).toEqual([20, 21, 22]);
    expect(store.records('deliveries', partitionOf(acme, partitions))).toHaveLength(23);
  });

  test('have one id however often they are made, another for another request', () => {
    expect(ownFactId(acme, 'retry', 'evt_1', 'k')).toBe(ownFactId(acme, 'retry', 'evt_1', 'k'));
    const others = [
      ownFactId(tenantId('globex'), 'retry', 'evt_1', 'k'),
      ownFactId(acme, 'discard', 'evt_1', 'k'),
      ownFactId(acme, 'retry', 'evt_1', 'l'),
      ownFactId(acme, 'retry', 'evt_1k', ''),
    ];
    expect(new Set([...others, ownFactId(acme, 'retry', 'evt_1', 'k')]).size).toBe(5);
  });

  test('of unknown outcome are an error that says so; the next call goes on with a new producer', async () => {
    const { store, appender } = world({ fates: ['unacked'] });
    const fact = actOf(acme, 'evt_1');
    await expect(appender.append([fact])).rejects.toMatchObject({
      code: 'append_unknown',
      message: expect.stringContaining('append them again'),
    });
    await appender.append([fact]);
    const opened = await Promise.all(
      store.records('deliveries', partitionOf(acme, partitions)).map(({ value }) => open(value)),
    );
    expect(opened.map(({ facts }) => facts)).toEqual([[fact.fact], [fact.fact]]);
  });

  test('are given up after a time, when the log does not answer', async () => {
    const { appender } = world({ hangs: true });
    await expect(appender.append([actOf(acme, 'evt_1')])).rejects.toMatchObject({
      code: 'append_unknown',
      message: expect.stringContaining('within 20 ms'),
    });
  });

  test('are refused when too many wait, and when one is larger than a batch; nothing of them stands', async () => {
    const { store, appender } = world({}, { maxWaiting: 2 });
    const first = appender.append([actOf(acme, 'evt_1'), actOf(acme, 'evt_2')]);
    await expect(appender.append([actOf(acme, 'evt_3')])).rejects.toMatchObject({
      code: 'overloaded',
    });
    await first;
    const large = actOf(acme, 'evt_4', 'x'.repeat(1_000_000));
    await expect(appender.append([actOf(acme, 'evt_5'), large])).rejects.toMatchObject({
      code: 'batch_too_large',
    });
    expect(store.records('deliveries', partitionOf(acme, partitions))).toHaveLength(2);
  });
});
