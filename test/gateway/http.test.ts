// The query API on a real server and a real database: filters, cursors, positions, roles, answers that
// keep to their own OpenAPI document.

import { get } from 'node:http';

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { CallItem, MessageItem, RecordItem, TimelineItem } from '../../schemas/live-frames.js';
import { callId as toCallId, endpointId, tenantId, type TenantId } from '../../schemas/ids.js';
import { fieldPlace } from '../../schemas/sealed.js';
import { createDiagnosisStore, type KeptRefusal } from '../../runtime/diagnosis-store.js';
import { sealField } from '../../runtime/keys.js';
import type { Database } from '../../runtime/postgres.js';
import { until } from '../services/shared.js';
import {
  providers,
  credential,
  startGateway,
  topOf,
  truthOf,
  type GatewayStation,
} from './station.js';

const tenant = tenantId('tenant-0');
let station: GatewayStation;

interface List<T> {
  readonly data: readonly T[];
  readonly page: { readonly next: string | null };
  readonly asOf: { readonly epoch: string; readonly seq: number };
}

beforeAll(async () => {
  station = await startGateway({ seed: 5, more: { requestsPerMinute: 100_000 } });
  station.world.happen(400);
  await reached();
});
afterAll(async () => {
  await station.stop();
});

/** Waits until the read models hold everything of the log. */
async function reached(): Promise<number> {
  const top = topOf(station.world, tenant);
  await until('the read models to reach the top', async () => {
    const answer = await station.get(`/v1/calls?limit=1&atLeast=${top}`);
    return answer.status === 200;
  });
  return top;
}

async function list<T>(path: string, token?: string): Promise<List<T>> {
  const answer = await station.get(path, token);
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as List<T>;
}

async function pages<T>(path: string): Promise<T[]> {
  const all: T[] = [];
  let next: string | null = null;
  do {
    const cursor: string = next === null ? '' : `&cursor=${next}`;
    const page: List<T> = await list<T>(`${path}${cursor}`);
    all.push(...page.data);
    ({ next } = page.page);
  } while (next !== null);
  return all;
}

async function code(answer: Response): Promise<string> {
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  return ((await answer.json()) as { code: string }).code;
}

describe('lists', () => {
  it('pages through every call once, newest start first', async () => {
    const calls = await pages<CallItem>('/v1/calls?limit=7');
    const whole = await list<CallItem>('/v1/calls?limit=200');
    expect(calls).toEqual(whole.data);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
    const starts = calls.map(({ startedAt }) => startedAt);
    expect(starts).toEqual([...starts].sort().reverse());
  });

  it('filters by status, direction and start', async () => {
    const all = (await list<CallItem>('/v1/calls?limit=200')).data;
    const some = await pages<CallItem>(
      '/v1/calls?limit=5&status=completed,failed&direction=inbound',
    );
    const wanted = all.filter(
      ({ status, direction }) =>
        (status === 'completed' || status === 'failed') && direction === 'inbound',
    );
    expect(some).toEqual(wanted);
    expect(some.length).toBeGreaterThan(0);
    const middle = all[Math.floor(all.length / 2)]?.startedAt ?? '';
    const later = await list<CallItem>(`/v1/calls?limit=200&startedAfter=${middle}`);
    const earlier = await list<CallItem>(`/v1/calls?limit=200&startedBefore=${middle}`);
    expect([...later.data, ...earlier.data]).toEqual(all);
  });

  it('gives messages and statistics the same way', async () => {
    const messages = await pages<MessageItem>('/v1/messages?limit=6');
    expect(messages).toEqual((await list<MessageItem>('/v1/messages?limit=200')).data);
    const sent = await list<MessageItem>('/v1/messages?limit=200&status=delivered');
    expect(sent.data).toEqual(messages.filter(({ status }) => status === 'delivered'));
    const stats = await list<{ minute: string }>('/v1/stats');
    const minutes = stats.data.map(({ minute }) => minute);
    expect(minutes).toEqual([...minutes].sort());
    expect(minutes.length).toBeGreaterThan(0);
  });

  it('gives one call and its timeline in the provider’s order', async () => {
    const [first] = (await list<CallItem>('/v1/calls?limit=1')).data;
    const one = (await (await station.get(`/v1/calls/${first?.id}`)).json()) as { data: CallItem };
    expect(one.data).toEqual(first);
    const entries = await pages<TimelineItem>(`/v1/calls/${first?.id}/events?limit=2`);
    const orders = entries.map(({ order }) => order);
    expect(orders).toEqual([...orders].sort());
    expect(entries.length).toBeGreaterThan(0);
  });
});

describe('cursors', () => {
  it('are refused with other filters, altered, or of another route', async () => {
    const { page } = await list('/v1/calls?limit=2');
    const { next } = page;
    const refused = [
      `/v1/calls?limit=2&status=failed&cursor=${next}`,
      `/v1/messages?limit=2&cursor=${next}`,
      `/v1/calls?limit=2&cursor=${next?.slice(0, -2)}AA`,
      '/v1/calls?limit=2&cursor=nonsense',
      '/v1/calls?limit=2&cursor=%00',
    ];
    for (const path of refused) {
      const answer = await station.get(path);
      expect(answer.status, path).toBe(400);
      expect(await code(answer)).toBe('cursor_invalid');
    }
    expect((await station.get(`/v1/calls?limit=9&cursor=${next}`)).status).toBe(200);
  });
});

describe('positions', () => {
  it('answers 304 while nothing changed, and the rows once something did', async () => {
    const first = await station.get('/v1/calls');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toBe(`"e1.${topOf(station.world, tenant)}"`);
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    const same = await station.get('/v1/calls', undefined, { 'if-none-match': `W/"x", ${etag}` });
    expect(same.status).toBe(304);
    expect(await same.text()).toBe('');
    station.world.happen(40);
    await reached();
    const other = await station.get('/v1/calls', undefined, { 'if-none-match': etag });
    expect(other.status).toBe(200);
  });

  it('waits for atLeast, and says not_yet with Retry-After when it does not come', async () => {
    await station.pauseProjections();
    station.world.happen(40);
    const top = topOf(station.world, tenant);
    const late = await station.get(`/v1/calls?atLeast=${top}`);
    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).toBe('1');
    expect(await code(late)).toBe('not_yet');
    const waiting = station.get(`/v1/calls?atLeast=${top}`);
    station.resumeProjections();
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as List<CallItem>).asOf.seq).toBeGreaterThanOrEqual(top);
  });

  it('gives the events after a position, as the log has them', async () => {
    const truth = truthOf(station.world, tenant);
    const seqs: number[] = [];
    let next = 'e1.0';
    for (;;) {
      const answer = await list<{ seq: number; event: { type: string } }>(
        `/v1/events?limit=100&after=${next}`,
      );
      if (answer.data.length === 0) break;
      for (const { seq, event } of answer.data) {
        expect(event.type).toBe(truth[seq - 1]?.body.type);
        seqs.push(seq);
      }
      next = answer.page.next ?? '';
    }
    expect(seqs).toEqual(truth.map(({ seq }) => seq));
    expect(await code(await station.get('/v1/events?after=e0.1'))).toBe('epoch_changed');
  });
});

describe('parameters', () => {
  it.each([
    '/v1/calls?limit=0',
    '/v1/calls?limit=201',
    '/v1/calls?limit=two',
    '/v1/calls?status=dancing',
    '/v1/calls?direction=sideways',
    '/v1/calls?startedAfter=yesterday',
    '/v1/calls?__proto__=1',
    '/v1/calls?tenant=tenant-1',
    '/v1/messages?status=answered',
    '/v1/stats?limit=99999',
    '/v1/events?after=-1',
  ])('%s is a 400 that names the parameter and repeats no value', async (path) => {
    const answer = await station.get(path);
    expect(answer.status).toBe(400);
    const body = (await answer.json()) as { code: string; errors: { parameter: string }[] };
    expect(body.code).toBe('parameter_invalid');
    expect(path).toContain(body.errors[0]?.parameter);
    expect(JSON.stringify(body)).not.toMatch(/dancing|sideways|yesterday|tenant-1/);
  });
});

describe('callers', () => {
  it('are asked for a credential, and told how', async () => {
    const answer = await fetch(`${station.http}/v1/calls`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(await code(answer)).toBe('unauthenticated');
    for (const token of ['nonsense', 'tl_live_x', `${credential('tenant-0')}/expired`]) {
      expect((await station.get('/v1/calls', token)).status).toBe(401);
    }
  });

  it('see endpoints without secrets when their role may', async () => {
    station.registry.endpoints.push({
      ...{ id: 'ep_AAAAAAAAAAAAAAAAAAAA', tenant, provider: 'twilio', name: 'main' },
      ...{ publicBaseUrl: 'https://hooks.example.com', allow: [], ratePerSecond: null },
      credentials: [
        { id: '1', value: { authToken: 'the-secret-of-the-endpoint' }, isRetiring: false },
      ],
    } as never);
    expect((await station.get('/v1/endpoints', credential('tenant-0', 'viewer'))).status).toBe(403);
    const answer = await station.get('/v1/endpoints', credential('tenant-0', 'admin'));
    const text = await answer.text();
    expect(text).toContain('https://hooks.example.com/v1/webhooks/ep_AAAAAAAAAAAAAAAAAAAA');
    expect(text).not.toContain('the-secret');
    await storeEndpoint(station.database, tenant, 'ep_AAAAAAAAAAAAAAAAAAAA');
    const used = await station.get('/v1/endpoints', credential('tenant-0', 'admin'));
    const [first] = ((await used.json()) as { data: { credentials: object[] }[] }).data;
    expect(first?.credentials).toMatchObject([{ uses: 134, expiresAt: null }]);
    expect(JSON.stringify(first)).not.toContain('sealed');
  });

  it('see why deliveries were refused, page by page, when they manage endpoints', async () => {
    const id = 'ep_BBBBBBBBBBBBBBBBBBBB';
    await storeEndpoint(station.database, tenant, id);
    const keyRing = station.keyRing;
    const writer = createDiagnosisStore(station.database, keyRing);
    const row = (n: number): KeptRefusal => ({
      ...{ tenant, endpoint: endpointId(id), at: Date.now() - 1000 + n, layer: 'signature' },
      ...{ code: 'signature_mismatch', cause: 'url_scheme', also: null, other: null },
      ...{ looksLike: null, offsetMs: null, method: 'POST', contentType: 'application/json' },
      ...{ agent: 'curl', bodyBytes: n, network: '192.0.2.0/24', correlationId: `c-${n}` },
      unwritten: 0,
    });
    await writer.writeRefusals([1, 2, 3, 4, 5].map(row));
    const path = `/v1/endpoints/${id}/refusals?limit=2`;
    for (const role of ['viewer', 'operator', 'auditor'] as const) {
      expect((await station.get(path, credential('tenant-0', role))).status).toBe(403);
    }
    const seen: number[] = [];
    let next: string | null = '';
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${next}`;
      const answer = await station.get(path + cursor, credential('tenant-0', 'manager'));
      const body = (await answer.json()) as {
        data: { bodyBytes: number; because: string; fix: string }[];
        page: { next: string | null };
      };
      seen.push(...body.data.map(({ bodyBytes }) => bodyBytes));
      expect(body.data[0]?.because).toContain('scheme');
      expect(body.data[0]?.fix).toContain(id);
      next = body.page.next;
    }
    expect(seen).toEqual([5, 4, 3, 2, 1]);
    const foreign = await station.get(path, credential('tenant-1', 'admin'));
    const never = await station.get(
      '/v1/endpoints/ep_CCCCCCCCCCCCCCCCCCCC/refusals',
      credential('tenant-1', 'admin'),
    );
    expect([foreign.status, never.status]).toEqual([404, 404]);
    expect(await foreign.text()).toBe(await never.text());
  });

  it('see which providers are verified here, whatever their role', async () => {
    const answer = await station.get('/v1/providers', credential('tenant-0', 'viewer'));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ data: providers });
  });

  it('are told their quota, and refused beyond it', async () => {
    const other = await startGateway({ more: { requestsPerMinute: 3 } });
    const first = await other.get('/v1/calls');
    expect(first.headers.get('ratelimit-policy')).toBe('"tenant";q=3;w=60');
    expect(first.headers.get('ratelimit')).toBe('"tenant";r=2;t=20');
    await other.get('/v1/calls');
    await other.get('/v1/calls');
    const over = await other.get('/v1/calls');
    expect(over.status).toBe(429);
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await other.get('/v1/calls', credential('tenant-1'))).status).toBe(200);
    await other.stop();
  });
});

describe('numbers', () => {
  const number = '+15550100';
  const callId = 'call-sealed';

  it('are open to an operator and masked to a viewer, in lists, filters and events', async () => {
    await appendSealedCall();
    await reached();
    const one = (role: 'viewer' | 'auditor' | 'operator') =>
      station.get(`/v1/calls/${callId}`, credential('tenant-0', role)).then((a) => a.text());
    expect(await one('operator')).toContain(`"number":"${number}"`);
    for (const role of ['viewer', 'auditor'] as const) {
      const text = await one(role);
      expect(text).toContain('+1 555 ••• 0100');
      expect(text).not.toContain(number);
      expect(text).not.toContain('ciphertext');
    }
    const operator = credential('tenant-0', 'operator');
    for (const spelling of [number, '%2B1%20555%200100', '+1-555-0100']) {
      const path = `/v1/calls?number=${spelling}`;
      const found = await list<CallItem>(path, operator);
      expect(
        found.data.map(({ id }) => id),
        path,
      ).toEqual([callId]);
    }
    const last = topOf(station.world, tenant);
    const event = `/v1/events?after=${last - 1}`;
    expect(await (await station.get(event, operator)).text()).toContain(number);
    expect(await (await station.get(event)).text()).not.toContain(number);
  });

  it('cannot be tried out by those who may not see them', async () => {
    const answer = await station.get('/v1/calls?number=%2B15550100', credential('tenant-0'));
    expect(answer.status).toBe(403);
    expect(JSON.stringify(await answer.json())).not.toContain('5550100');
  });

  async function appendSealedCall(): Promise<void> {
    const { world, keyRing } = station;
    const template = truthOf(world, tenant).find(({ body }) => body.kind === 'call')?.body;
    if (template?.kind !== 'call') throw new Error('no call to copy');
    const subject = await keyRing.subjectId(tenant, number);
    const [key] = await keyRing.subjectKeys([{ tenant, subject }]);
    if (key === undefined) throw new Error('no key');
    const sealed = sealField(key, fieldPlace(tenant, subject, 'number'), number);
    const from = { subjectId: subject, masked: '+1 555 ••• 0100', number: sealed };
    const id = toCallId(callId);
    const after = { ...template.after, callId: id, from, to: null, legs: [] };
    const record = world.record(tenant, { ...template, callId: id, after, mergedFrom: null });
    world.store.land('events', 0, [record]);
  }
});

describe('for operators', () => {
  it('health says that the process lives, ready says whether it may get traffic', async () => {
    expect(await (await fetch(`${station.http}/health`)).json()).toEqual({ status: 'ok' });
    const ready = (await (await fetch(`${station.http}/health/ready`)).json()) as {
      status: string;
      checks: { name: string }[];
    };
    expect(ready.status).toBe('ready');
    expect(ready.checks.map(({ name }) => name)).toEqual(['running', 'postgres', 'stream', 'log']);
  });

  it('metrics are for loopback, or for the token when there is one', async () => {
    const text = await (await fetch(`${station.http}/metrics`)).text();
    for (const name of [
      'connections',
      'subscriptions',
      'resyncs_total',
      'ring_events',
      'lag_records',
    ]) {
      expect(text).toContain(`trunkline_gateway_${name}`);
    }
    const metricsToken = 'a-token-for-metrics';
    const other = await startGateway({ more: { metricsToken } });
    expect((await fetch(`${other.http}/metrics`)).status).toBe(401);
    expect((await other.get('/metrics', credential('tenant-0', 'admin'))).status).toBe(401);
    expect((await other.get('/metrics', metricsToken)).status).toBe(200);
    await other.stop();
  });

  it('has no demo session unless it runs a demo', async () => {
    const none = await fetch(`${station.http}/v1/demo/session`);
    expect(none.status).toBe(204);
    expect(await none.text()).toBe('');
    const session = () => Promise.resolve({ token: 'demo-token', expiresAt: Date.now() + 60_000 });
    const other = await startGateway({ more: { demo: { tenant: 'demo', session } } });
    const answer = await fetch(`${other.http}/v1/demo/session`);
    expect(await answer.json()).toMatchObject({ token: 'demo-token', tenant: 'demo' });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const rebound = await rawGet(other.http, '/v1/demo/session', 'evil.example');
    expect(rebound).toBe(204);
    for (const name of ['x-forwarded-for', 'forwarded', 'via']) {
      const tunnelled = { headers: { [name]: '198.51.100.7' } };
      expect((await fetch(`${other.http}/v1/demo/session`, tunnelled)).status).toBe(204);
      expect((await fetch(`${other.http}/metrics`, tunnelled)).status).toBe(401);
    }
    await other.stop();
  });
});

it('keeps to its OpenAPI document', async () => {
  const document = (await (await fetch(`${station.http}/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { responses: Record<string, Answer> }>>;
  };
  expect(document.openapi).toBe('3.1.0');
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  const [call] = (await list<CallItem>('/v1/calls?limit=1')).data;
  const manager = credential('tenant-0', 'manager');
  const [record] = (await list<RecordItem>('/v1/records?limit=1', manager)).data;
  const asked: Record<string, string> = {
    '/v1/calls': '/v1/calls?limit=200',
    '/v1/calls/{id}': `/v1/calls/${call?.id}`,
    '/v1/calls/{id}/events': `/v1/calls/${call?.id}/events`,
    '/v1/messages': '/v1/messages?limit=200',
    '/v1/records': '/v1/records?limit=200',
    '/v1/records/{id}': `/v1/records/${record?.id}`,
    '/v1/stats': '/v1/stats',
    '/v1/events': '/v1/events?limit=200',
    '/v1/endpoints': '/v1/endpoints',
    '/v1/endpoints/{id}/refusals': '/v1/endpoints/ep_AAAAAAAAAAAAAAAAAAAA/refusals',
    '/v1/dead-letters': '/v1/dead-letters',
    '/v1/providers': '/v1/providers',
    '/health': '/health',
    '/health/ready': '/health/ready',
  };
  for (const [path, url] of Object.entries(asked)) {
    const schema = document.paths[path]?.['get']?.responses['200']?.content?.['application/json'];
    const answer = await station.get(url, manager);
    const check = ajv.compile(schema?.schema ?? false);
    expect(check(await answer.json()), `${path} ${ajv.errorsText(check.errors)}`).toBe(true);
  }
  expect(Object.keys(document.paths).sort()).toEqual(
    [
      ...Object.keys(asked),
      ...['/v1/dead-letters/{id}', '/v1/dead-letters/{id}/retry', '/v1/dead-letters/{id}/discard'],
      ...['/v1/stream/tickets', '/v1/demo/session', '/metrics'],
    ].sort(),
  );
});

/** Status of a request under another Host, which fetch does not let one set. */
function rawGet(base: string, path: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(`${base}${path}`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    }).on('error', reject);
  });
}

interface Answer {
  readonly content?: Record<string, { readonly schema: object }>;
}

/** An endpoint with one credential that was used, as the registry keeps it. */
async function storeEndpoint(database: Database, tenant: TenantId, id: string): Promise<void> {
  await database.query(
    'insert into tenants (tenant_id, name) values ($1, $1) on conflict do nothing',
    [tenant],
  );
  await database.query(
    `insert into endpoints (tenant_id, endpoint_id, provider, name) values ($1, $2, 'twilio', 'x')`,
    [tenant, id],
  );
  const { rows } = await database.query<{ id: number }>(
    `insert into endpoint_credentials (tenant_id, endpoint_id, sealed) values ($1, $2, 'sealed')
     returning credential_id as id`,
    [tenant, id],
  );
  const uses = { tenant, endpoint: id, credential: String(rows[0]?.id), uses: 134 };
  const writer = createDiagnosisStore(database, station.keyRing);
  await writer.writeUses([{ ...uses, endpoint: endpointId(id), lastUsedAt: Date.now() }]);
}
