// Parking on real parts, with the roles as processes of their own, on both logs: a fact that cannot be processed is
// written straight to `deliveries`; its call waits and nobody else, over a kill -9; operators act by the command line.

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { sealFact } from '../../log/fact-record.js';
import { FactAppender, ownEndpoint } from '../../log/own-facts.js';
import { partitionOf } from '../../log/topics.js';
import type { CallFact } from '../../schemas/facts.js';
import { factId, tenantId } from '../../schemas/ids.js';
import { freshDirectory, runTrunkline, type Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, expectDense } from './cluster.js';
import { readAll } from './read-log.js';

vi.setConfig({ testTimeout: 120_000 });

const acme = tenantId('acme');
const number = '+12025550142';

/** `seq` beyond what the log's schema can hold: its shape is right, its events cannot be written. */
const fact = (id: string, legRef: string, seq = 0): CallFact => ({
  kind: 'call',
  factId: factId(id),
  eventType: 'note',
  occurredAt: null,
  order: { phase: 1, atUs: 1_000 + Number(/\d+/.exec(id)?.[0]), seq },
  legRef,
  ...{ parentRef: null, sessionRef: null, direction: null },
  signal: { type: 'note', name: 'dtmf' },
  ...{ durationSec: null, providerCode: null, details: {} },
  ...{ from: number, to: null, personal: {} },
});
const cannotBeWritten = 2 ** 52;

describe.each([
  ['the embedded log', true],
  ['Kafka', false],
] as const)('on %s', (_, isEmbedded) => {
  let cluster: Cluster;
  let processors: Product;
  let facts: FactAppender;
  const data = freshDirectory('dead-letters-cli');

  beforeAll(async () => {
    cluster = await Cluster.open({
      name: isEmbedded ? 'parking-embedded' : 'parking-kafka',
      ...(isEmbedded ? { embedded: true } : {}),
    });
    await cluster.store.addTenant(acme, 'acme');
    const { installation, log } = cluster;
    const codec = await installation.openCodec();
    facts = new FactAppender({ log, codec, keyRing: installation.keyRing, clock: Date.now });
    processors = await cluster.start('processors');
    await cluster.start('projections');
  });
  afterAll(async () => {
    await facts.close();
    await cluster.close();
  });

  const send = (...all: readonly CallFact[]): Promise<unknown> =>
    facts.append(all.map((one) => ({ tenant: acme, provider: 'twilio', fact: one })));

  interface Letter {
    readonly id: string;
    readonly class: string;
    readonly code: string;
    readonly state: string;
    readonly queue: { readonly behind: number };
  }
  async function cli(code: number, ...args: readonly string[]): Promise<string> {
    const ran = await runTrunkline(['dead-letters', ...args], { data, env: cluster.env });
    expect(ran.code, `${ran.stdout}${ran.stderr}`).toBe(code);
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(number.slice(2));
    return ran.stdout;
  }
  const open = async (): Promise<readonly Letter[]> =>
    JSON.parse(await cli(0, 'list', '--json')) as readonly Letter[];

  /** Facts that were added to calls, in the order of the log. */
  async function added(): Promise<readonly string[]> {
    const history = await cluster.history();
    expectDense(history);
    return (history.tenants.get('acme') ?? []).flatMap(({ body }) =>
      body.kind === 'call' && body.fact !== null ? [body.fact.factId] : [],
    );
  }

  test('its call waits, nobody else does, and a killed owner changes nothing', async () => {
    await send(fact('bad1', 'CA1', cannotBeWritten), fact('f2', 'CA1'), fact('f3', 'CA2'));
    await cluster.processed();
    expect(await added()).toEqual(['f3']);
    await processors.end('SIGKILL');
    processors = await cluster.start('processors');
    await send(fact('f4', 'CA1'), fact('f5', 'CA2'));
    await cluster.processed();
    expect(await added()).toEqual(['f3', 'f5']);
    expect((await open()).map(({ class: why, code }) => `${why} ${code}`).sort()).toEqual([
      ...['behind behind', 'behind behind', 'bug outputs_not_encodable'],
    ]);
  });

  test('a retry under the same rules fails the same and keeps the rest', async () => {
    const [head] = (await open()).filter((one) => one.class === 'bug');
    const told = await cli(3, 'retry', head?.id ?? '', '--reason', 'OPS-1');
    expect(told).toContain('3 still parked; outputs_not_encodable holds them up');
    expect(await added()).toEqual(['f3', 'f5']);
  });

  test('discarded, and what waited behind it is decided in its order', async () => {
    const [head] = (await open()).filter((one) => one.class === 'bug');
    const id = head?.id ?? '';
    await cli(2, 'discard', id, '--reason', 'OPS-2');
    const told = await cli(0, 'discard', id, '--reason', 'OPS-2', '--yes');
    expect(told).toContain('discarded; 2 released, 0 still parked');
    expect(await added()).toEqual(['f3', 'f5', 'f2', 'f4']);
    expect(await cli(0, 'show', id)).toMatch(
      /discard by cli: applied, 2 released, 0 left \(OPS-2\)/,
    );
    expect(await open()).toEqual([]);
  });

  test('a fact whose key is gone parks alone, and is applied once the key is back', async () => {
    const { installation, log } = cluster;
    const { database, keyRing } = installation;
    const codec = await installation.openCodec();
    const head = {
      ...{ tenant: acme, endpoint: ownEndpoint, provider: 'twilio', mappingVersion: 1 },
      ...{ receivedAt: Date.parse('2019-05-05T12:00:00Z'), correlationId: 'c', traceId: null },
    };
    const raw = { method: 'OWN', url: '', headers: {}, body: Buffer.alloc(0) };
    const content = { facts: [fact('f6', 'CA1')], raw };
    const record = await sealFact({ keyRing, codec, maxBytes: log.maxBatchBytes }, head, content);
    if (record === null) throw new Error('too large');
    const day = '2019-05-05';
    const { rows } = await database.query<{ wrapped: Buffer }>(
      'delete from day_keys where tenant_id = $1 and day = $2 returning wrapped',
      [acme, day],
    );
    const appender = await log.openAppender();
    await appender.append('deliveries', partitionOf(acme, log.partitions), [record]);
    await appender.close();
    await cluster.processed();
    const [letter] = await open();
    expect(letter).toMatchObject({ class: 'poison', code: 'key_missing', queue: { behind: 0 } });
    await cli(3, 'retry', letter?.id ?? '', '--reason', 'OPS-3');
    await database.query('insert into day_keys (tenant_id, day, wrapped) values ($1, $2, $3)', [
      ...[acme, day, rows[0]?.wrapped],
    ]);
    await cli(0, 'retry', letter?.id ?? '', '--reason', 'OPS-3');
    expect((await added()).at(-1)).toBe('f6');
  });

  test('the topic of dead letters tells how each of them ended', async () => {
    const codec = await cluster.installation.openCodec();
    const partition = partitionOf(acme, cluster.log.partitions);
    const ends = async (): Promise<readonly string[]> => {
      const last = new Map<string, string>();
      for (const { value } of await readAll(cluster.log, 'dead-letters', partition)) {
        await codec.learn([value]);
        if (value === null) throw new Error('a dead letter without a value');
        const { id, state, errorCode } = codec.decodeDeadLetter(value);
        last.set(id, `${state} ${errorCode}`);
      }
      return [...last.values()].sort();
    };
    const all = [
      ...['discarded outputs_not_encodable', 'retried behind'],
      ...['retried behind', 'retried key_missing'],
    ];
    await until('the topic', async () => (await ends()).join() === all.join());
  });

  test('nothing of it is in the clear anywhere, and every read model is what the log says', async () => {
    await cluster.processed();
    const partition = partitionOf(acme, cluster.log.partitions);
    for (const topic of ['deliveries', 'events', 'dead-letters'] as const) {
      for (const { key, header, value } of await readAll(cluster.log, topic, partition)) {
        const text = `${key}${header}${value?.toString('latin1') ?? ''}`;
        expect(text.includes(number.slice(2))).toBe(false);
      }
    }
    expect(cluster.output()).not.toContain(number.slice(2));
    const { rows } = await cluster.installation.database.query(
      `select * from dead_letters join dead_letter_states using (tenant_id, id)`,
    );
    expect(rows.length).toBe(4);
    expect(JSON.stringify(rows)).not.toContain(number.slice(2));
    await cluster.expectRebuiltEqualsLive();
  });
});
