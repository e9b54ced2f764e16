// /v1/dead-letters on the whole way: a fact parks, an operator's act is a fact, the processors release, the read
// model tells. Real database and server, the log in memory.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { createMemoryLog } from '../../log/memory.js';
import { migrate } from '../../runtime/migrate.js';
import { createMetrics } from '../../runtime/metrics.js';
import { packageRoot } from '../../runtime/package-root.js';
import type { Database } from '../../runtime/postgres.js';
import type { RoleName } from '../../runtime/registry.js';
import { freshStore } from '../projections/station.js';
import { FailingRules, noteFact } from '../processors/failing-rules.js';
import { codec, keyRing, Station } from '../processors/station.js';
import { until } from '../services/shared.js';
import { credential, runOne, TestRegistry, type OneGateway } from './station.js';

let database: Database;
let station: Station;
let gateway: OneGateway;
const rules = new FailingRules();
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  ({ database } = await freshStore());
  await migrate(database, { set: 'runtime', directory: join(packageRoot(), 'runtime/migrations') });
  station = new Station(database);
  running.push(station.processors({ decideFacts: rules.decide }), station.projections());
  gateway = await startGateway();
  await station.record([noteFact('bad1', 'CA1')]);
  await station.record([noteFact('f2', 'CA1')]);
  await station.record([noteFact('worse3', 'CA3')]);
  await station.record([noteFact('f4', 'CA3')]);
  await station.record([noteFact('f5', 'CA3')]);
});
afterAll(async () => {
  await gateway.stop();
  for (const one of running) await one.stop();
  await database.end();
});

const startGateway = (log = createMemoryLog(station.store)): Promise<OneGateway> =>
  runOne({
    ...{ world: { store: station.store }, database, keyRing, registry: new TestRegistry() },
    ...{ metrics: createMetrics(), codec, log },
  });

interface Letter {
  readonly id: string;
  readonly state: string;
  readonly class: string;
  readonly attempts: number;
  readonly queue: { readonly id: string; readonly behind: number };
  readonly acts: readonly Record<string, unknown>[];
}

const as = (role: RoleName, tenant = 'acme'): string => credential(tenant, role);

async function get<T>(path: string, token = as('operator'), status = 200): Promise<T> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status, path).toBe(status);
  return (await answer.json()) as T;
}
const list = async (query = '', token = as('operator')): Promise<readonly Letter[]> =>
  (await get<{ data: readonly Letter[] }>(`/v1/dead-letters?atLeastFact=4${query}`, token)).data;
const one = async (id: string, query = ''): Promise<Letter> =>
  (await get<{ data: Letter }>(`/v1/dead-letters/${id}${query}`)).data;

interface Sent {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly port?: number;
}
const post = (id: string, act: string, sent: Sent = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${sent.port ?? gateway.port}/v1/dead-letters/${id}/${act}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${sent.token ?? as('operator')}`,
      'content-type': 'application/json',
      ...sent.headers,
    },
    body:
      typeof sent.body === 'string' ? sent.body : JSON.stringify(sent.body ?? { reason: 'OPS-12' }),
  });

describe('dead letters', () => {
  test('are listed newest first with their origin and what waits behind, and show nothing personal', async () => {
    const letters = await list();
    expect(letters.map((letter) => letter.class)).toEqual(
      expect.arrayContaining(['bug', 'behind', 'bug', 'behind', 'behind']),
    );
    const [worse] = await list(
      '&class=bug&queue=' + (letters.find((l) => l.queue.behind === 2)?.id ?? ''),
    );
    expect(worse).toMatchObject({
      ...{ state: 'open', class: 'bug', code: 'decide_failed', attempts: 1, provider: 'twilio' },
      facts: [{ kind: 'call', eventType: 'note', ref: 'CA3', from: '+1 202 ••• 0100', to: null }],
      origin: { topic: 'deliveries', partition: expect.any(Number) as number, offset: 2 },
      ...{ queue: { id: worse?.id, behind: 2 }, carried: true, deliveryId: 'd2' },
    });
    expect(JSON.stringify(letters)).not.toContain('5550100');
    expect((await list('&state=retried')).length).toBe(0);
    expect((await list('&limit=2')).length).toBe(2);
  });

  test('are paged, each once', async () => {
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const page = await get<{ data: Letter[]; page: { next: string | null } }>(
        `/v1/dead-letters?limit=2${cursor}`,
      );
      seen.push(...page.data.map(({ id }) => id));
      if (page.page.next === null) break;
      cursor = `&cursor=${page.page.next}`;
    }
    expect(seen.length).toBe(5);
    expect(new Set(seen).size).toBe(5);
  });

  test('are of one tenant: another sees none, finds none and acts on none', async () => {
    const [letter] = await list();
    const foreign = as('operator', 'globex');
    const empty = await get<{ data: unknown[] }>('/v1/dead-letters', foreign);
    expect(empty.data).toEqual([]);
    await get(`/v1/dead-letters/${letter?.id}`, foreign, 404);
    const before =
      station.store.bounds('deliveries', 0).next + station.store.bounds('deliveries', 1).next;
    expect((await post(letter?.id ?? '', 'retry', { token: foreign })).status).toBe(404);
    const after =
      station.store.bounds('deliveries', 0).next + station.store.bounds('deliveries', 1).next;
    expect(after).toBe(before);
  });

  test.each([
    ['viewer', 403, 403],
    ['auditor', 200, 403],
    ['manager', 200, 403],
    ['operator', 200, 404],
    ['admin', 200, 404],
  ] as const)('a %s reads them with %i and acts with %i', async (role, read, act) => {
    await get('/v1/dead-letters', as(role), read);
    expect((await post('evt_nobody', 'discard', { token: as(role) })).status).toBe(act);
  });

  test.each([
    ['no body', '', 400, 'body_invalid'],
    ['no reason', {}, 400, 'body_invalid'],
    ['a number for a reason', { reason: 'caller +1 202 555 0100 asked' }, 400, 'body_invalid'],
    ['an address for a reason', { reason: 'ada@example.com asked' }, 400, 'body_invalid'],
    ['a field too many', { reason: 'OPS-12', force: true }, 400, 'body_invalid'],
  ])('%s is refused, and the answer does not repeat it', async (_, body, status, code) => {
    const answer = await post('evt_nobody', 'retry', { body });
    const text = await answer.text();
    expect([answer.status, (JSON.parse(text) as { code: string }).code]).toEqual([status, code]);
    expect(text).not.toMatch(/5550100|ada@/);
  });

  test('an act is accepted with its position; waiting for that shows what came of it', async () => {
    const [first] = (await list('&class=bug')).filter(({ queue }) => queue.behind === 1);
    const id = first?.id ?? '';
    const failing = await post(id, 'retry', { headers: { 'idempotency-key': 'k1' } });
    expect(failing.status).toBe(202);
    const accepted = (await failing.json()) as {
      data: { actId: string; position: { offset: number } };
    };
    const { actId, position } = accepted.data;
    expect(failing.headers.get('location')).toBe(
      `/v1/dead-letters/${id}?atLeastFact=${position.offset}`,
    );
    const after = await one(id, `?atLeastFact=${position.offset}`);
    expect(after).toMatchObject({ state: 'open', attempts: 2, queue: { behind: 1 } });
    expect(after.acts).toEqual([
      expect.objectContaining({
        ...{ actId, act: 'retry', actor: 'someone', reason: 'OPS-12', outcome: 'applied' },
        ...{ released: 0, remaining: 2, failed: 'decide_failed' },
      }),
    ]);
    // The same request again is the same act.
    const again = await post(id, 'retry', { headers: { 'idempotency-key': 'k1' } });
    const repeated = (await again.json()) as typeof accepted;
    expect(repeated.data.actId).toBe(actId);
    const told = await one(id, `?atLeastFact=${repeated.data.position.offset}`);
    expect(told.attempts).toBe(2);
    expect(told.acts.map(({ outcome }) => outcome)).toEqual(['applied', 'duplicate_seen']);

    rules.isMended = true;
    const mended = await post(id, 'retry', { headers: { 'idempotency-key': 'k2' } });
    const { data } = (await mended.json()) as typeof accepted;
    const done = await one(id, `?atLeastFact=${data.position.offset}`);
    expect(done).toMatchObject({ state: 'retried', queue: { behind: 0 } });
    expect(done.acts.at(-1)).toMatchObject({ released: 2, remaining: 0, failed: null });
    // Nothing is left to do; the act that did it may be sent again.
    const late = await post(id, 'discard');
    expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([
      ...[409, 'dead_letter_closed'],
    ]);
    const same = await post(id, 'retry', { headers: { 'idempotency-key': 'k2' } });
    expect(same.status).toBe(202);
  });

  test('discarding the head lets the rest go on', async () => {
    const [worse] = (await list('&class=bug&state=open')).filter(({ queue }) => queue.behind === 2);
    const answer = await post(worse?.id ?? '', 'discard', { body: { reason: 'not worth a fix' } });
    const { data } = (await answer.json()) as { data: { position: { offset: number } } };
    const letter = await one(worse?.id ?? '', `?atLeastFact=${data.position.offset}`);
    expect(letter).toMatchObject({ state: 'discarded', acts: [{ act: 'discard', released: 2 }] });
    expect((await list('&state=open')).length).toBe(0);
  });

  test('an act is refused with a clear word while the log is away', async () => {
    await station.record([noteFact('worse9', 'CA9')]);
    await until('the letter', async () => (await list('&state=open')).length === 1);
    const [letter] = await list('&state=open');
    const away = createMemoryLog(station.store);
    const lost = await startGateway({
      ...away,
      openAppender: () => Promise.reject(new Error('no broker')),
    });
    try {
      const answer = await post(letter?.id ?? '', 'retry', { port: lost.port });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('5');
      expect(await answer.json()).toMatchObject({
        code: 'append_unknown',
        detail: expect.stringContaining('Idempotency-Key') as string,
        idempotencyKey: expect.any(String) as string,
      });
    } finally {
      await lost.stop();
    }
  });
});
