// Records over the query API and the stream, on a real server and a real database (services/): filters,
// cursors, who may read them, and who sees what is personal in them.

import { afterAll, beforeAll, expect, it } from 'vitest';

import { sealField } from '../../runtime/keys.js';
import { recordId, tenantId } from '../../schemas/ids.js';
import type { LiveEvent, RecordItem } from '../../schemas/live-frames.js';
import type { RecordView } from '../../schemas/record-state.js';
import { fieldPlace } from '../../schemas/sealed.js';
import { until } from '../services/shared.js';
import {
  credential,
  RawSocket,
  startGateway,
  topOf,
  truthOf,
  type GatewayStation,
} from './station.js';

const tenant = tenantId('tenant-0');
const auditor = credential(tenant, 'auditor');
const manager = credential(tenant, 'manager');
let station: GatewayStation;

interface List {
  readonly data: readonly RecordItem[];
  readonly page: { readonly next: string | null };
}

beforeAll(async () => {
  station = await startGateway({ seed: 31, more: { requestsPerMinute: 100_000 } });
  station.world.happen(3000);
  await tellMember();
  await until('the read models to reach the top', async () => {
    const path = `/v1/records?limit=1&atLeast=${topOf(station.world, tenant)}`;
    return (await station.get(path, auditor)).status === 200;
  });
});
afterAll(async () => {
  await station.stop();
});

const memberId = recordId('rec_member');
const email = 'ada@example.com';

/** An event of a member whose address is really sealed. */
async function tellMember(): Promise<void> {
  const { keyRing, world } = station;
  const subject = await keyRing.subjectId(tenant, memberId);
  const [key] = await keyRing.subjectKeys([{ tenant, subject }]);
  if (key === undefined) throw new Error('no key');
  const sealed = sealField(key, fieldPlace(tenant, memberId, 'personal.email'), email);
  const event = 'organisation.user_created';
  const after: RecordView = {
    ...{ recordId: memberId, provider: 'clerk', area: 'organisation', objectType: 'member' },
    ...{ objectRef: 'user_1', parentRef: 'org_1', status: 'active', deleted: false },
    ...{ lastEvent: event, details: { role: 'org:admin' }, subject, personal: { email: sealed } },
    ...{ createdAt: Date.now(), updatedAt: Date.now(), factCount: 1 },
  };
  const record = world.record(tenant, {
    ...{ kind: 'record', type: 'record.changed', recordId: memberId, event, fact: null },
    ...{ after, reason: null },
  });
  world.store.land('events', 0, [record]);
}

async function list(query: string, token = auditor): Promise<List> {
  const answer = await station.get(`/v1/records${query}`, token);
  expect(answer.status, query).toBe(200);
  return (await answer.json()) as List;
}

it('pages through every record once, newest first', async () => {
  const whole = (await list('?limit=200')).data;
  expect(whole.length).toBeGreaterThan(8);
  expect(whole[0]).toMatchObject({ id: memberId, type: 'member', parent: 'org_1' });
  const paged: RecordItem[] = [];
  for (let next: string | null = ''; next !== null;) {
    const page: List = await list(`?limit=3${next === '' ? '' : `&cursor=${next}`}`);
    paged.push(...page.data);
    ({ next } = page.page);
  }
  expect(paged).toEqual(whole);
  const told = truthOf(station.world, tenant).flatMap(({ body }) =>
    body.kind === 'record' ? [body.recordId] : [],
  );
  expect(new Set(whole.map(({ id }) => id))).toEqual(new Set(told));
});

it('filters by area, type, parent and time, and a cursor keeps to its filters', async () => {
  const whole = (await list('?limit=200')).data;
  const billing = (await list('?limit=200&area=billing')).data;
  expect(billing).toEqual(whole.filter(({ area }) => area === 'billing'));
  expect(billing.length).toBeGreaterThan(1);
  expect((await list('?area=organisation&type=member&parent=org_1')).data).toHaveLength(1);
  const middle = whole[Math.floor(whole.length / 2)]?.createdAt ?? '';
  const later = (await list(`?limit=200&createdAfter=${middle}`)).data;
  const earlier = (await list(`?limit=200&createdBefore=${middle}`)).data;
  expect([...later, ...earlier]).toEqual(whole);
  const { next } = (await list('?limit=1&area=billing')).page;
  expect((await station.get(`/v1/records?limit=1&cursor=${next}`, auditor)).status).toBe(400);
  for (const wrong of ['area=sales', 'type=a%20b', 'tenant=x']) {
    expect((await station.get(`/v1/records?${wrong}`, auditor)).status, wrong).toBe(400);
  }
});

it('gives one by its id, and nothing of what is not there', async () => {
  const answer = await station.get(`/v1/records/${memberId}`, auditor);
  expect(((await answer.json()) as { data: RecordItem }).data).toEqual((await list('')).data[0]);
  expect((await station.get('/v1/records/rec_nobody', auditor)).status).toBe(404);
});

it('shows what is personal to those who may see it, and to nobody else', async () => {
  const open = (await list('', manager)).data[0];
  expect(open?.personal).toEqual({ email });
  const masked = (await list('', auditor)).data[0];
  expect(masked).not.toHaveProperty('personal');
  expect({ ...open, personal: undefined }).toEqual({ ...masked, personal: undefined });
});

it('is for those who run the tenant, not for those who watch its calls', async () => {
  for (const role of ['operator', 'viewer'] as const) {
    const token = credential(tenant, role);
    expect((await station.get('/v1/records', token)).status, role).toBe(403);
    expect((await station.get(`/v1/records/${memberId}`, token)).status, role).toBe(403);
    const socket = await RawSocket.ready(station.ws, token);
    socket.send({ type: 'subscribe', id: 'r', topic: 'records' });
    expect(await socket.until('no', ({ type }) => type === 'error')).toMatchObject({
      code: 'forbidden',
    });
    socket.close();
  }
});

it('numbers its events for every role, and tells their content to those who may read it', async () => {
  const top = topOf(station.world, tenant);
  const eventsOf = async (token: string) => {
    const answer = await station.get(`/v1/events?after=${top - 1}`, token);
    return ((await answer.json()) as { data: { seq: number; event: LiveEvent }[] }).data;
  };
  const [seen] = await eventsOf(manager);
  expect(seen).toMatchObject({
    seq: top,
    event: { event: 'organisation.user_created', record: { id: memberId, personal: { email } } },
  });
  const [told] = await eventsOf(credential(tenant, 'viewer'));
  expect(told).toEqual({ seq: top, event: { type: 'record.changed', at: seen?.event.at } });
});

it('goes on live after its snapshot', async () => {
  const socket = await RawSocket.ready(station.ws, auditor);
  socket.send({ type: 'subscribe', id: 'r', topic: 'records' });
  await socket.until('live', ({ type }) => type === 'live');
  const { data } = await list('?limit=200');
  expect(socket.of('snapshot').flatMap(({ items }) => items)).toEqual(data);
  const before = topOf(station.world, tenant);
  station.world.happen(600);
  const truth = truthOf(station.world, tenant).filter(
    ({ seq, body }) => seq > before && body.kind === 'record',
  );
  expect(truth.length).toBeGreaterThan(2);
  await until('every event', () => socket.of('event').length >= truth.length);
  expect(socket.of('event').map(({ seq }) => seq)).toEqual(truth.map(({ seq }) => seq));
  expect(socket.of('event').every(({ event }) => event.record !== undefined)).toBe(true);
  socket.close();
});
