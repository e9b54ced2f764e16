import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';

import {
  completedCall,
  deliver,
  endpoints,
  startStation,
  telnyxEndpoint,
  telnyxJson,
  testRates,
  twilioEndpoint,
  twilioForm,
  twilioGet,
  type Station,
  type StationOptions,
} from './station.js';
import { createMemoryLog } from '../../log/memory.js';
import type { EventLog } from '../../log/event-log.js';
import { TrunklineError } from '../../runtime/errors.js';
import { createShelvedKeyStore, KeyShelf } from '../../runtime/key-shelf.js';
import { createKeyRing, createMemoryKeyStore, type KeyStore } from '../../runtime/keys.js';
import { until } from '../services/shared.js';

const stations: Station[] = [];
afterEach(async () => {
  for (const station of stations.splice(0)) await station.stop();
});
async function start(options: StationOptions = {}): Promise<Station> {
  const station = await startStation(options);
  stations.push(station);
  return station;
}

const hangup = JSON.stringify({
  data: {
    event_type: 'call.hangup',
    id: '11111111-2222-4333-8444-555555555555',
    occurred_at: '2026-10-01T10:03:51.616122Z',
    payload: {
      call_control_id: 'v3:Fixture',
      call_leg_id: 'c6d8a889-54f9-46c4-a920-bb1397e286f7',
      call_session_id: '95f49085-17a2-4ab0-aca3-49985790acef',
      from: '+15550100142',
      to: '+15550100100',
      hangup_cause: 'normal_clearing',
    },
    record_type: 'event',
  },
  meta: { attempt: 1 },
});

/** The counter of deliveries with these labels. */
async function counted(station: Station, labels: Record<string, string>): Promise<number> {
  const metric = await station.metrics.getSingleMetric('trunkline_ingest_deliveries_total')?.get();
  const found = metric?.values.filter((one) =>
    Object.entries(labels).every(([name, value]) => one.labels[name] === value),
  );
  return (found ?? []).reduce((sum, one) => sum + one.value, 0);
}

/** Sends bytes as they are; the answer up to when the server closes or `doneWhen` matches. */
function raw(station: Station, bytes: string, doneWhen?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(station.port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (doneWhen?.test(answer) === true) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('a signed delivery is in the log, sealed, before it is answered 204', async () => {
  const station = await start();
  const answer = await deliver(station, twilioForm(completedCall()));
  expect(answer.status).toBe(204);
  const [fact, ...others] = station.facts();
  expect(others).toEqual([]);
  expect(fact).toMatchObject({
    tenant: 'acme',
    endpoint: twilioEndpoint,
    provider: 'twilio',
    schemaVersion: 1,
    dayKey: new Date().toISOString().slice(0, 10),
  });
  if (fact === undefined) throw new Error('no fact');
  const content = await station.open(fact);
  expect(content.facts[0]).toMatchObject({ kind: 'call', to: '+15550100142' });
  expect(content.raw).toMatchObject({ method: 'POST' });
  expect(Buffer.from(content.raw.body).toString()).toContain('CallStatus=completed');
  expect(Object.keys(content.raw.headers).sort()).toEqual(['content-type', 'user-agent']);
});

test('what the log holds of a delivery shows no number, neither in value, key nor header', async () => {
  const station = await start();
  await deliver(station, twilioForm(completedCall()));
  const records = [0, 1, 2, 3].flatMap((p) => station.store.records('deliveries', p));
  const text = records.map((one) => one.key + one.header + (one.value?.toString('latin1') ?? ''));
  expect(text.join()).not.toMatch(/555\s?0100|5550100/);
  expect(records[0]).toMatchObject({ key: 'acme' });
});

test('Telnyx deliveries, and Twilio callbacks by GET, are taken too', async () => {
  const station = await start();
  expect((await deliver(station, telnyxJson(hangup))).status).toBe(204);
  expect((await deliver(station, twilioGet(completedCall(2)))).status).toBe(204);
  const facts = station.facts();
  expect(facts.map((fact) => fact.provider).sort()).toEqual(['telnyx', 'twilio']);
  for (const fact of facts) {
    const [first] = (await station.open(fact)).facts;
    expect(first).toMatchObject({ kind: 'call', to: expect.stringContaining('+1555') });
  }
});

test('an inbound call is answered with empty TwiML, as Twilio waits for instructions', async () => {
  const station = await start();
  const { AccountSid, CallSid, From, To, ApiVersion } = completedCall(3);
  const call = { AccountSid, CallSid, From, To, ApiVersion };
  const inbound = { ...call, CallStatus: 'ringing', Direction: 'inbound' };
  const answer = await deliver(station, twilioForm(inbound));
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('text/xml');
  expect(await answer.text()).toContain('<Response/>');
});

test('a duplicate is taken as a fact again: the processors know it', async () => {
  const station = await start();
  const delivery = twilioForm(completedCall());
  expect((await deliver(station, delivery)).status).toBe(204);
  expect((await deliver(station, delivery)).status).toBe(204);
  const ids = await Promise.all(
    station.facts().map(async (fact) => (await station.open(fact)).facts[0]?.factId),
  );
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(1);
});

test('content that cannot be understood but is signed is kept, counted and answered 2xx', async () => {
  const station = await start();
  expect((await deliver(station, telnyxJson('{"data": not json'))).status).toBe(204);
  const [fact] = station.facts();
  if (fact === undefined) throw new Error('no fact');
  const content = await station.open(fact);
  expect(content.facts[0]?.kind).toBe('not_understood');
  expect(Buffer.from(content.raw.body).toString()).toBe('{"data": not json');
  const text = await station.metrics.metrics();
  expect(text).toContain('trunkline_ingest_not_understood_total{provider="telnyx"} 1');
  expect(station.lines.some((line) => line.fields['code'] === 'not_understood')).toBe(true);
});

test('an unknown endpoint and an id that is none are both 404, alike', async () => {
  const station = await start();
  const delivery = twilioForm(completedCall());
  const bodies = new Set<string>();
  for (const id of ['ep_0000000000000000', 'x', 'ep_%00', "ep_'--0000000000000"]) {
    const answer = await deliver(station, delivery, { target: `/v1/webhooks/${id}` });
    expect(answer.status).toBe(404);
    bodies.add(await answer.text());
  }
  expect(bodies.size).toBe(1);
  expect(station.facts()).toEqual([]);
});

test('wrong signature, stale time and foreign address are 403 with one and the same body', async () => {
  const station = await start();
  const guarded = await start({ endpoints: endpoints({ allow: ['192.0.2.0/24'] }) });
  const good = twilioForm(completedCall());
  const stale = Date.now() - 301_000;
  const early = Date.now() + 302_000;
  const cases: [string, string, Promise<Response>][] = [
    ['signature', 'signature_mismatch', deliver(station, good, { body: `${good.body}&x=1` })],
    [
      'signature',
      'signature_missing',
      deliver(station, good, { headers: { 'content-type': good.headers['content-type'] ?? '' } }),
    ],
    [
      'signature',
      'signature_mismatch',
      deliver(station, telnyxJson(hangup), { body: `${hangup} ` }),
    ],
    ['timestamp', 'timestamp_stale', deliver(station, telnyxJson(hangup, stale))],
    ['timestamp', 'timestamp_future', deliver(station, telnyxJson(hangup, early))],
    ['source_address', 'address_refused', deliver(guarded, good)],
  ];
  const bodies = new Set<string>();
  for (const [layer, code, sent] of cases) {
    const answer = await sent;
    expect([layer, code, answer.status]).toEqual([layer, code, 403]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    bodies.add(await answer.text());
    const where = layer === 'source_address' ? guarded : station;
    expect(await counted(where, { outcome: 'refused', layer, code })).toBeGreaterThan(0);
  }
  expect(bodies.size).toBe(1);
  expect([...bodies].join()).not.toMatch(/signature|address|time|ep_|acme/i);
  expect(station.facts()).toEqual([]);
  expect(guarded.facts()).toEqual([]);
});

test('the address is judged before the signature, by the hop a trusted proxy reports', async () => {
  const station = await start({ endpoints: endpoints({ allow: ['192.0.2.0/24'] }) });
  const good = twilioForm(completedCall());
  const from = (hops: string) =>
    deliver(station, good, { headers: { ...good.headers, 'x-forwarded-for': hops } });
  expect((await from('192.0.2.7')).status).toBe(204);
  expect((await from('192.0.2.7, 203.0.113.9')).status).toBe(403);
  expect((await from('203.0.113.9, 192.0.2.7')).status).toBe(204);
});

test('a pinned clock judges times, names the day key and stands in the record', async () => {
  const at = Date.parse('2026-10-01T10:03:52Z');
  const station = await start({ clock: () => at });
  expect((await deliver(station, telnyxJson(hangup, at))).status).toBe(204);
  expect((await deliver(station, telnyxJson(hangup, at - 301_000))).status).toBe(403);
  expect(station.facts()).toMatchObject([{ receivedAt: at, dayKey: '2026-10-01' }]);
});

test('other content types are 415, HEAD and PUT are 405', async () => {
  const station = await start();
  const good = twilioForm(completedCall());
  for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x']) {
    const answer = await deliver(station, good, {
      headers: { ...good.headers, 'content-type': type },
    });
    expect(answer.status).toBe(415);
  }
  expect((await deliver(station, twilioGet(completedCall()), { method: 'HEAD' })).status).toBe(405);
  expect((await deliver(station, good, { method: 'PUT' })).status).toBe(405);
  expect(station.facts()).toEqual([]);
});

test('a body of 1 MiB is taken, one byte more is 413', async () => {
  const station = await start();
  const whole = telnyxJson(`"${'x'.repeat(1024 * 1024 - 2)}"`);
  expect((await deliver(station, whole)).status).toBe(204);
  const tooLarge = telnyxJson(`"${'x'.repeat(1024 * 1024 - 1)}"`);
  const answer = await deliver(station, tooLarge).catch(() => null);
  expect(answer === null || answer.status === 413).toBe(true);
  expect(station.facts()).toHaveLength(1);
});

test('a declared body that is too large is 413 before it is sent', async () => {
  const station = await start();
  const head = `POST /v1/webhooks/${telnyxEndpoint} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n`;
  expect(await raw(station, head, /\r\n\r\n/)).toMatch(/^HTTP\/1.1 413/);
});

test('a doubled Content-Length or an odd Transfer-Encoding closes the connection; nothing is appended', async () => {
  const station = await start();
  const { headers, body, target } = twilioForm(completedCall());
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`POST ${target} HTTP/1.1`, 'Host: x', ...lines];
  const smuggled = `${body}GET /v1/webhooks/${twilioEndpoint} HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (const extra of [
    [`Content-Length: ${body.length}`, `Content-Length: ${smuggled.length}`],
    ['Transfer-Encoding: xchunked'],
    ['Transfer-Encoding: gzip, chunked'],
    [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'],
  ]) {
    const answer = await raw(station, [...head, ...extra, '', smuggled].join('\r\n'));
    expect(answer).not.toMatch(/^HTTP\/1.1 2/m);
  }
  expect(station.facts()).toEqual([]);
  expect((await deliver(station, twilioForm(completedCall()))).status).toBe(204);
});

test('an upload that is broken off appends nothing, and the process goes on', async () => {
  const station = await start();
  const { headers, body, target } = twilioForm(completedCall());
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`POST ${target} HTTP/1.1`, 'Host: x', ...lines, `Content-Length: ${body.length}`];
  const half = [...head, '', body.slice(0, body.length / 2)].join('\r\n');
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      await new Promise<void>((resolve) => {
        const socket = connect(station.port, '127.0.0.1', () => {
          socket.write(half, () => {
            socket.resetAndDestroy();
            resolve();
          });
        });
        socket.on('error', () => {});
      });
    }),
  );
  expect((await deliver(station, twilioForm(completedCall(2)))).status).toBe(204);
  expect(station.facts()).toHaveLength(1);
});

test('every answer carries the limits; a burst within them passes, beyond them 429 says when', async () => {
  const station = await start({ endpoints: endpoints({ ratePerSecond: 3 }) });
  const delivery = twilioForm(completedCall());
  const answers = await Promise.all(Array.from({ length: 30 }, () => deliver(station, delivery)));
  expect(new Set(answers.map((one) => one.status))).toEqual(new Set([204]));
  const policy = '"endpoint";q=30;w=10, "tenant";q=100000;w=10';
  for (const one of answers) {
    expect(one.headers.get('ratelimit-policy')).toBe(policy);
    expect(one.headers.get('ratelimit')).toMatch(/^"endpoint";r=\d+;t=\d+, "tenant";r=\d+;t=\d+$/);
  }
  // On a busy machine the burst takes so long that deliveries pass again: until there is none left.
  let refused = await deliver(station, delivery);
  for (let more = 0; more < 100 && refused.status === 204; more += 1) {
    refused = await deliver(station, delivery);
  }
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(refused.headers.get('ratelimit')).toMatch(/^"endpoint";r=0;t=\d+/);
  expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
  const inMetrics = { outcome: 'refused', layer: 'rate_limit', code: 'rate_limited_endpoint' };
  expect(await counted(station, inMetrics)).toBe(1);
  const other = await deliver(station, telnyxJson(hangup));
  expect(other.status).toBe(204);
  const unknown = await deliver(station, delivery, { target: '/v1/webhooks/x' });
  expect(unknown.headers.get('ratelimit')).toMatch(/^"address"/);
});

test('an address that guesses endpoint ids is held back', async () => {
  const station = await start({ settings: { rates: { ...testRates, address: 1 } } });
  const statuses: number[] = [];
  for (let i = 0; i < 12; i += 1) {
    const guess = { target: `/v1/webhooks/ep_guess0000000000${i}` };
    statuses.push((await deliver(station, twilioForm({}), guess)).status);
  }
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(404));
  expect(statuses.slice(10)).toEqual([429, 429]);
});

test('a stopping station still takes what comes on open connections; what it took is in the log', async () => {
  const station = await startStation();
  expect((await deliver(station, twilioForm(completedCall(0)))).status).toBe(204);
  const stopped = station.stop();
  // The sender has not heard of the stop: its delivery is taken, and the answer ends the connection.
  const late = await deliver(station, twilioForm(completedCall(1)));
  expect(late.status).toBe(204);
  await stopped;
  expect(station.facts()).toHaveLength(2);
  await expect(deliver(station, twilioForm(completedCall(2)))).rejects.toThrow();
});

test('log lines and metrics of refused and kept deliveries hold no personal data', async () => {
  const station = await start();
  const good = twilioForm(completedCall());
  await deliver(station, good);
  await deliver(station, good, { body: `${good.body}&x=1` });
  await deliver(station, telnyxJson('{"from": "+15550100142"'));
  await until('lines', () => station.lines.length >= 2);
  const written = JSON.stringify(station.lines) + (await station.metrics.metrics());
  expect(written).not.toMatch(/5550100|127\.0\.0\.1|AC0123|fixture-token/);
  expect(station.lines.map((line) => line.fields['code'])).toContain('delivery_refused');
});

test('when neither the log nor the spool takes a delivery it is 503 with Retry-After', async () => {
  const away: EventLog = {
    ...createMemoryLog(),
    openAppender: () => Promise.reject(new TrunklineError('service_unreachable', 'away')),
  };
  const settings = { spoolBytes: 0, appendTimeoutMs: 40 };
  const station = await start({ log: away, settings });
  for (let i = 0; i < 3; i += 1) {
    const answer = await deliver(station, twilioForm(completedCall(i)));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toMatchObject({ code: 'spool_full' });
  }
  expect(await counted(station, { outcome: 'refused', code: 'spool_full' })).toBe(3);
});

test('when the log is away a delivery is 204 from the spool, and the metrics say so', async () => {
  const away: EventLog = {
    ...createMemoryLog(),
    openAppender: () => Promise.reject(new TrunklineError('service_unreachable', 'away')),
  };
  const station = await start({ log: away, settings: { appendTimeoutMs: 40 } });
  expect((await deliver(station, twilioForm(completedCall()))).status).toBe(204);
  expect(await counted(station, { outcome: 'accepted', code: 'spooled' })).toBe(1);
  expect(await station.metrics.metrics()).toContain('trunkline_ingest_spool_records 1');
});

test('without the day key a delivery is refused with 503, and taken once the key store is back', async () => {
  const keyStore = createMemoryKeyStore();
  let isAway = true;
  const keyRing = createKeyRing(Buffer.alloc(32, 7), {
    ...keyStore,
    tenantKey: (tenant, wrapped) =>
      isAway ? Promise.reject(new Error('away')) : keyStore.tenantKey(tenant, wrapped),
    dayKey: (tenant, day, wrapped) => keyStore.dayKey(tenant, day, wrapped),
  });
  const station = await start({ keyRing });
  const delivery = twilioForm(completedCall());
  expect((await deliver(station, delivery)).status).toBe(503);
  expect(station.facts()).toEqual([]);
  isAway = false;
  expect((await deliver(station, delivery)).status).toBe(204);
});

test('the key store may go away once the day keys are at hand, over the next midnight too', async () => {
  const keyStore = createMemoryKeyStore();
  let isAway = false;
  const guard = <T>(work: () => Promise<T>): Promise<T> =>
    isAway ? Promise.reject(new Error('away')) : work();
  const made = new Set<string>();
  const guarded: KeyStore = {
    ...keyStore,
    tenantKey: (tenant, wrapped) => guard(() => keyStore.tenantKey(tenant, wrapped)),
    dayKey: (tenant, day, wrapped) => guard(() => keyStore.dayKey(tenant, day, wrapped)),
    dayKeys: (wanted) =>
      guard(async () => {
        const keys = await keyStore.dayKeys(wanted);
        for (const { tenant, day } of wanted) made.add(`${tenant}/${day}`);
        return keys;
      }),
  };
  const keyRing = createKeyRing(
    Buffer.alloc(32, 7),
    createShelvedKeyStore(guarded, new KeyShelf()),
  );
  let now = Date.parse('2026-10-01T23:59:00Z');
  const station = await start({ keyRing, clock: () => now });
  await until('fifteen days of two tenants', () => made.size >= 30);
  isAway = true;
  for (const day of ['2026-10-01', '2026-10-02', '2026-10-03']) {
    expect((await deliver(station, twilioForm(completedCall()))).status).toBe(204);
    expect(station.facts().at(-1)?.dayKey).toBe(day);
    now += 86_400_000;
  }
});
