// Promise 9: no personal data in the clear. Numbers, names and texts are sent through the whole product, on
// Kafka and on the embedded log, with Kafka away and with all kinds of bad input; then everything that
// was written is searched for them: process output, metrics, answers, topics, tables, spool and files.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { openInstallation } from '../../cli/installation.js';
import type { SignedWebhook } from '../ingest/signing.js';
import {
  newTelnyxKey,
  signAs,
  signTelnyx,
  signTwilioBody,
  signTwilioForm,
  signTwilioGet,
  telnyxPublicKey,
} from '../ingest/signing.js';
import type { SimulatedAccount } from '../../cli/simulator/activity.js';
import { signAnew } from '../../cli/simulator/stored-delivery.js';
import { providerNames } from '../../ingest/providers/registry.js';
import { FactAppender, type OwnFact } from '../../log/own-facts.js';
import { readConfig } from '../../runtime/config.js';
import { silentLogger } from '../../runtime/logger.js';
import type { Database } from '../../runtime/postgres.js';
import { createRegistryStore } from '../../runtime/registry-store.js';
import type { CallFact } from '../../schemas/facts.js';
import { factId, tenantId, type EndpointId } from '../../schemas/ids.js';
import { Cluster } from '../e2e/cluster.js';
import { get, listCalls, listMessages, type Caller } from '../e2e/live.js';
import { RawSocket } from '../gateway/station.js';
import { accountOf, storedDeliveries } from '../ingest/stored-deliveries.js';
import { startKafka, type OwnKafka } from '../services/kafka.js';
import { freshDirectory, startProduct, type Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { callsOf, clearOf, membersOf, needlesOf, Search, type Person } from './personal-data.js';

// Alone this takes a fraction; on a machine with more to do it only has to end.
vi.setConfig({ testTimeout: 240_000 });

/** The account of the stored deliveries. */
const accountSid = 'AC0123456789abcdef0123456789abcdef';
const authToken = 'a-token-that-nobody-may-see-0042';
const privateKeyBase64 = newTelnyxKey();

const people: readonly Person[] = [
  {
    number: '+15555550187',
    sip: 'sip:quastenberg@pbx.example.com',
    name: 'Wilhelmina Quastenberg',
    text: 'Zebrafinkenfutter bitte an die Hintertreppe',
    card: '4000056655665556',
  },
  {
    number: '+442079460958',
    sip: 'sip:okonkwo.t@pbx.example.org',
    name: 'Tobenna Okonkwo-Achterdijk',
    text: 'my mother’s maiden name is Featherstonehaugh',
    card: '5200828282828210',
  },
];

/** Who delivers where. */
interface Site {
  readonly url: string;
  readonly endpoints: Readonly<Record<string, EndpointId>>;
}

const endpointUrl = (site: Site, provider: string): string =>
  `${site.url}/v1/webhooks/${site.endpoints[provider] ?? ''}`;

/** By provider: what its account signs with, and what its endpoint verifies with. */
const accounts = new Map(
  providerNames.map((provider): [string, SimulatedAccount] => {
    if (provider === 'telnyx') {
      const endpoint = { publicKeyBase64: telnyxPublicKey(privateKeyBase64) };
      return [provider, { sender: { privateKeyBase64 }, endpoint }];
    }
    const account = { accountSid, authToken };
    if (provider === 'twilio') return [provider, { sender: account, endpoint: account }];
    return [provider, accountOf(provider)];
  }),
);

/** What must be found nowhere; names of accounts and public keys may. */
const secretsIn = ({ sender }: SimulatedAccount): readonly string[] =>
  Object.entries(sender)
    .filter(([name]) => /secret|token|key|pass/i.test(name) && !/^(apiKey)$/.test(name))
    .map(([, value]) => value);

const post = ({ method, url, headers, body }: SignedWebhook): Promise<Response> =>
  fetch(url, { method, headers, ...(method === 'GET' ? {} : { body: new Uint8Array(body) }) });

/** Everything that real people put into calls and messages, in every field a provider has for it. */
/**
 * Facts of people that cannot be processed, written straight to the log: their shape is right, their events
 * cannot be written (a number beyond the schema's), and what comes later waits behind.
 */
async function parkPeople({ installation, log }: Cluster): Promise<void> {
  const { keyRing } = installation;
  const codec = await installation.openCodec();
  const facts = new FactAppender({ log, codec, keyRing, clock: Date.now });
  const parked = people.flatMap(({ number, sip, name, text }, index) =>
    [2 ** 52, 0].map((seq): OwnFact => {
      const fact: CallFact = {
        ...{ kind: 'call', factId: factId(`parked-${index}-${seq}`), eventType: 'note' },
        ...{ occurredAt: null, order: { phase: 1, atUs: 1, seq }, legRef: `CAparked${index}` },
        ...{ parentRef: null, sessionRef: null, direction: 'inbound', durationSec: null },
        ...{ signal: { type: 'note', name: 'dtmf' }, providerCode: null, details: {} },
        ...{ from: number, to: sip, personal: { name, text } },
      };
      return { tenant: tenantId('acme'), provider: 'twilio', fact };
    }),
  );
  await facts.append(parked);
  await facts.close();
}

async function sendPeople(site: Site, round: string): Promise<void> {
  const twilio = endpointUrl(site, 'twilio');
  const telnyx = endpointUrl(site, 'telnyx');
  const webhooks = people.flatMap((person, index): SignedWebhook[] => {
    const { forms, queries, events } = callsOf(person, `${round}${index}`, accountSid);
    const signed = (body: Buffer) => signTelnyx(telnyx, body, privateKeyBase64, Date.now());
    // Signed, but no content that anybody could read.
    const broken = Buffer.from(`{"text":"${person.text}","from":"${person.number}"`, 'utf8');
    const odd = Buffer.from(`${person.number}=${encodeURIComponent(person.name)}`, 'utf8');
    const clerk = endpointUrl(site, 'clerk');
    const stripe = endpointUrl(site, 'stripe');
    const members = membersOf(person, `${round}${index}`);
    return [
      ...members.users.map((event) => signedEvent('clerk', clerk, event)),
      ...members.bills.map((event) => signedEvent('stripe', stripe, event)),
      ...forms.map((form) => signTwilioForm(twilio, form, authToken)),
      ...queries.map((query) => signTwilioGet(`${twilio}?${query}`, authToken)),
      ...events.map((event) => signed(Buffer.from(JSON.stringify(event), 'utf8'))),
      ...[signed(broken), signTwilioBody(twilio, odd, authToken)],
    ];
  });
  await Promise.all(webhooks.map((webhook) => accepted(webhook)));
}

/** Signed by the account of the provider's endpoint. */
const signedEvent = (provider: string, url: string, event: object): SignedWebhook => {
  const headers = { 'content-type': 'application/json' };
  const body = Buffer.from(JSON.stringify(event));
  const { sender } = accounts.get(provider) ?? accountOf(provider);
  return signAs(provider, { method: 'POST', url, headers, body }, sender, Date.now());
};

async function accepted(webhook: SignedWebhook, what = 'a delivery'): Promise<void> {
  const answer = await post(webhook);
  expect(answer.status, `${what}: ${await answer.text()}`).toBeLessThan(300);
}

/** Requests that are refused; their answers must not say back what was in them. */
async function sendRefused(site: Site, search: Search, viewer: Caller): Promise<void> {
  const twilio = endpointUrl(site, 'twilio');
  const [{ number, name, text, sip }] = [people[0] as Person];
  const form = new URLSearchParams({ From: number, Body: text, CallerName: name }).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const query = new URLSearchParams({ number, name, text }).toString();
  const asked: readonly (readonly [string, RequestInit])[] = [
    [twilio, { method: 'POST', headers: type, body: form }],
    [twilio, { method: 'POST', headers: { ...type, 'x-twilio-signature': name }, body: form }],
    [twilio, { method: 'POST', headers: { 'content-type': `text/${number}` }, body: text }],
    [twilio, { method: 'POST', headers: { ...type, 'x-correlation-id': number }, body: form }],
    [
      twilio,
      { method: 'POST', headers: { ...type, 'user-agent': `${name} ${number}` }, body: form },
    ],
    [twilio, { method: 'POST', headers: type, body: `${form}&${'x'.repeat(1_100_000)}` }],
    [`${twilio}?${query}`, { method: 'GET' }],
    [`${site.url}/v1/webhooks/${encodeURIComponent(number)}?${query}`, { method: 'POST' }],
    [`${site.url}/${encodeURIComponent(name)}`, {}],
    [`${viewer.url}/v1/calls?${query}`, {}],
    [`${viewer.url}/v1/calls?number=${encodeURIComponent(number)}`, {}],
    [`${viewer.url}/v1/calls?status=${encodeURIComponent(text)}`, {}],
    [`${viewer.url}/v1/calls?cursor=${encodeURIComponent(sip)}`, {}],
    [`${viewer.url}/v1/calls/${encodeURIComponent(number)}`, {}],
    [`${viewer.url}/v1/calls/${encodeURIComponent(name)}/events`, {}],
    [`${viewer.url}/v1/messages?number=${encodeURIComponent(number)}`, {}],
    [`${viewer.url}/v1/events?after=${encodeURIComponent(number)}`, {}],
  ];
  for (const [url, init] of asked) {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${viewer.token}`);
    const answer = await fetch(url, { ...init, headers });
    expect(answer.status, url).toBeGreaterThanOrEqual(400);
    const seen = [...answer.headers].flat().join(' ');
    search.add(
      `refusal ${init.method ?? 'GET'} ${answer.status}`,
      `${seen}\n${await answer.text()}`,
    );
  }
  // A credential that is wrong and looks like a person; a page that is asked for by one.
  const token = { url: viewer.url, token: `${name} ${number}` };
  search.add('refused token', await (await get(token, '/v1/calls')).text());
}

/** What who sees masked forms only sees on the stream (an auditor: a viewer sees less), and what it is told when it asks for nonsense. */
async function watch(viewer: Caller): Promise<RawSocket> {
  const [{ number, name, text }] = [people[0] as Person];
  const ws = `${viewer.url.replace(/^http/, 'ws')}/v1/stream`;
  const socket = await RawSocket.ready(ws, viewer.token);
  for (const topic of ['calls', 'messages', 'records', 'stats']) {
    socket.send({ type: 'subscribe', id: topic, topic });
  }
  socket.send({ type: 'subscribe', id: 'a', topic: `call:${number}` });
  socket.send({ type: 'subscribe', id: 'b', topic: name });
  socket.send({ type: 'subscribe', id: 'c', topic: 'calls', filter: { number } });
  socket.send({ type: 'subscribe', id: 'd', topic: 'calls', filter: { status: text } });
  socket.send({ type: name, number });
  await until('the refusals', () => socket.of('error').length >= 4);
  return socket;
}

/** Everything a viewer can ask for. */
async function collectAnswers(search: Search, viewer: Caller): Promise<void> {
  const { items: calls } = await listCalls(viewer);
  const paths = [
    ...['/v1/calls?limit=200', '/v1/messages?limit=200', '/v1/stats', '/v1/events?limit=200'],
    ...['/v1/records?limit=200', '/v1/dead-letters?limit=200'],
    ...['/health', '/health/ready', '/openapi.json', '/', '/v1/endpoints'],
    ...calls.flatMap(({ id }) => [`/v1/calls/${id}`, `/v1/calls/${id}/events?limit=200`]),
  ];
  for (const path of paths) {
    const answer = await get(viewer, path);
    const headers = [...answer.headers].flat().join(' ');
    search.add(
      `viewer ${path.replace(/call_[\w-]+/, ':id')}`,
      `${headers}\n${await answer.text()}`,
    );
  }
}

/** Every column of every table; bytes as they are. */
async function collectTables(search: Search, database: Database): Promise<number> {
  const { rows: tables } = await database.query<{ name: string }>(
    `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  let cells = 0;
  for (const { name } of tables) {
    const { rows } = await database.query<Record<string, unknown>>(`select * from ${name}`);
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        cells += 1;
        const bytes = Buffer.isBuffer(value) ? value : JSON.stringify(value);
        search.add(`table ${name}.${column}`, bytes);
      }
    }
  }
  return cells;
}

/** Every file below a directory. */
function collectFiles(search: Search, what: string, directory: string): number {
  let files = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    // Kafka's indexes hold offsets and times only, in megabytes of zeros.
    if (!entry.isFile() || /\.(time)?index$/.test(entry.name)) continue;
    files += 1;
    search.add(`${what}: ${entry.name}`, readFileSync(join(entry.parentPath, entry.name)));
  }
  return files;
}

const needles = needlesOf(people, storedDeliveries, [...accounts.values()].flatMap(secretsIn));

describe('on Kafka, with the roles as processes', () => {
  let kafka: OwnKafka;
  let cluster: Cluster;
  let processes: Product[];
  let site: Site;
  let viewer: Caller;
  let operator: Caller;
  const ingestData = freshDirectory('promise-9-ingest');
  const search = new Search(needles);

  beforeAll(async () => {
    kafka = await startKafka();
    const env = { TRUNKLINE_LOG_LEVEL: 'debug', TRUNKLINE_APPEND_TIMEOUT: '400ms' };
    cluster = await Cluster.open({ name: 'promise-9', brokers: [kafka.broker], env });
    const endpoints: Record<string, EndpointId> = {};
    for (const [provider, { endpoint }] of accounts) {
      endpoints[provider] = await cluster.endpoint('acme', provider, endpoint);
    }
    const keys = [await cluster.key('acme', 'auditor'), await cluster.key('acme', 'operator')];
    processes = await Promise.all([
      cluster.start('ingest', { data: ingestData }),
      cluster.start('processors'),
      cluster.start('projections'),
      cluster.start('gateway'),
    ]);
    const [ingest, , , gateway] = processes;
    site = { url: ingest?.url ?? '', endpoints };
    viewer = { url: gateway?.url ?? '', token: keys[0] ?? '' };
    operator = { url: gateway?.url ?? '', token: keys[1] ?? '' };
  });
  afterAll(async () => {
    await cluster.close();
    await kafka.stop();
    rmSync(kafka.directory, { recursive: true, force: true });
  });

  test('people call and write, and a viewer sees them masked only', async () => {
    for (const delivery of storedDeliveries) {
      const { provider } = delivery;
      const url = endpointUrl(site, provider);
      const sender = accounts.get(provider)?.sender ?? {};
      await accepted(signAnew(delivery, url, sender, Date.now()), delivery.file);
    }
    const socket = await watch(viewer);
    await sendPeople(site, 'a');
    await parkPeople(cluster);
    await cluster.processed();
    await sendRefused(site, search, viewer);
    await collectAnswers(search, viewer);
    await until('frames', () => socket.of('event').length > 20 && socket.of('snapshot').length > 2);
    search.add('frames of a viewer', JSON.stringify(socket.frames));
    socket.close();
    const letters = await (await get(viewer, '/v1/dead-letters')).text();
    expect(letters).toContain('outputs_not_encodable');
    expect(letters).toContain('behind');
    expect(search.places).toBeGreaterThan(60);
    expect(search.leaks()).toEqual([]);
  });

  test('and whoever may see them does: the search finds what is there', async () => {
    const open = new Search(needles);
    const [person] = people;
    const number = encodeURIComponent(person?.number ?? '');
    open.add('calls', await (await get(operator, `/v1/calls?number=${number}`)).text());
    const { items } = await listMessages(operator);
    open.add('messages', JSON.stringify(items));
    const found = open.leaks().join('\n');
    expect(found).toContain(person?.number);
    expect(found).toContain(person?.text);
  });

  test('Kafka goes away, and what is spooled on disk is sealed', async () => {
    await kafka.kill();
    await sendPeople(site, 'b');
    const spool = new Search(needles);
    expect(collectFiles(spool, 'spool', join(ingestData, 'spool'))).toBeGreaterThan(0);
    expect(spool.bytes).toBeGreaterThan(10_000);
    expect(spool.leaks()).toEqual([]);
    await kafka.restart();
    await cluster.processed();
    await until('the spool to be drained', () =>
      readdirSync(join(ingestData, 'spool'), { recursive: true, encoding: 'utf8' }).every(
        (name) => !name.endsWith('.seg'),
      ),
    );
  });

  test('no record of any topic has any of it in key, header or value', async () => {
    const records = await collectTopics(search, kafka.broker);
    expect(records).toBeGreaterThan(150);
    // Also as they lie on the broker's disk, with everything else that is there.
    expect(collectFiles(search, 'broker', join(kafka.directory, 'data'))).toBeGreaterThan(10);
    expect(search.leaks()).toEqual([]);
  });

  test('no table has any of it', async () => {
    const cells = await collectTables(search, cluster.installation.database);
    expect(cells).toBeGreaterThan(2_000);
    expect(search.leaks()).toEqual([]);
  });

  test('no process has said any of it, in its lines or in its metrics', async () => {
    for (const { url } of processes) {
      const answer = await fetch(`${url}/metrics`);
      expect(answer.status).toBe(200);
      search.add('metrics', await answer.text());
    }
    for (const running of processes) await running.end('SIGTERM');
    const output = cluster.output();
    expect(output).toContain('"level":"debug"');
    search.add('output of the processes', output);
    expect(search.leaks()).toEqual([]);
  });
});

/** Keys, headers and values of all records of all topics, as a client of Kafka gets them. */
async function collectTopics(search: Search, broker: string): Promise<number> {
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((name) => !name.startsWith('__'));
  let expected = 0;
  for (const topic of topics) {
    for (const { low, high } of await admin.fetchTopicOffsets(topic)) {
      expected += Number(high) - Number(low);
    }
  }
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: 'judge' });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  let records = 0;
  await consumer.run({
    autoCommit: false,
    eachMessage: ({ topic, message }) => {
      records += 1;
      const place = `topic ${topic.replace(/^.*?\./, '')}`;
      search.add(`${place} key`, message.key ?? '');
      search.add(`${place} headers`, clearOf(message.headers ?? {}));
      search.add(`${place} value`, message.value ?? '');
      return Promise.resolve();
    },
  });
  await until('all records to be read', () => records >= expected);
  await consumer.disconnect();
  return records;
}

describe('on the embedded default', () => {
  test('nothing that one process writes has any of it', async () => {
    const data = freshDirectory('promise-9-embedded');
    const env = { TRUNKLINE_LOG_LEVEL: 'debug' };
    const product = await startProduct({ data, env });
    const read = readConfig({ ...env, TRUNKLINE_DATA: data });
    if (!read.ok) throw new Error(JSON.stringify(read.faults));
    const installation = await openInstallation(read.config, silentLogger, 'test');
    const { database, keyRing } = installation;
    const store = createRegistryStore(database, keyRing);
    const tenant = tenantId('acme');
    await store.addTenant(tenant, 'Acme');
    const common = { tenant, publicBaseUrl: null, allow: [], ratePerSecond: null };
    const twilio = await store.addEndpoint({
      ...{ ...common, provider: 'twilio', name: 'twilio', credentials: { accountSid, authToken } },
    });
    const credentials = { publicKeyBase64: telnyxPublicKey(privateKeyBase64) };
    const telnyx = await store.addEndpoint({
      ...{ ...common, provider: 'telnyx', name: 'telnyx', credentials },
    });
    const { key } = await store.addKey({ tenant, role: 'auditor', name: 'v', expiresAt: null });
    const viewer = { url: product.url, token: key };
    const endpoints: Record<string, EndpointId> = { twilio: twilio.id, telnyx: telnyx.id };
    for (const provider of ['clerk', 'stripe']) {
      const own = accounts.get(provider)?.endpoint ?? {};
      const added = { ...common, provider, name: provider, credentials: { ...own } };
      endpoints[provider] = (await store.addEndpoint(added)).id;
    }
    const site = { url: product.url, endpoints };
    await until('the key and the endpoints to be known', async () => {
      const asked = Object.values(endpoints).map((id) =>
        fetch(`${product.url}/v1/webhooks/${id}`, { method: 'POST' }),
      );
      const known = (await Promise.all(asked)).every(({ status }) => status !== 404);
      return known && (await get(viewer, '/v1/calls')).ok;
    });
    const search = new Search(needles);
    await sendPeople(site, 'c');
    await until('everything to be projected', async () => {
      const { rows } = await database.query<{ done: boolean }>(
        `select bool_and(m.next_offset = h.next_offset) and
                sum(m.covered_realtime + 1) = (select sum(next_offset) from log_heads
                                                where topic = 'deliveries') as done
           from marks m join log_heads h on h.topic = 'events' and h.partition = m.partition
          where m.projection = 'calls'`,
      );
      return rows[0]?.done === true;
    });
    expect((await listMessages(viewer)).items.length).toBeGreaterThan(1);
    await sendRefused(site, search, viewer);
    await collectAnswers(search, viewer);
    search.add('metrics', await (await fetch(`${product.url}/metrics`)).text());
    const { rows } = await database.query('select 1 from log_records where value is not null');
    expect(rows.length).toBeGreaterThan(20);
    expect(await collectTables(search, database)).toBeGreaterThan(500);
    await installation.close();
    expect((await product.end('SIGTERM')).code).toBe(0);
    search.add('output', product.output());
    // Rows, indexes, the write-ahead log and the server's own log.
    expect(collectFiles(search, 'data directory', data)).toBeGreaterThan(500);
    expect(search.leaks()).toEqual([]);
    rmSync(join(data, 'postgres'), { recursive: true, force: true });
  });
});
