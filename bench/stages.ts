// Bench part: where the time of a delivery goes inside ingest. In: how many deliveries. Out: µs of each step
// of ingest/pipeline for Twilio status callbacks, and of encoding them for Kafka in batches of 32.

import { randomBytes } from 'node:crypto';

import { Answers } from '../ingest/acknowledge.js';
import { isAllowedSource } from '../ingest/allow.js';
import { identifyEndpoint } from '../ingest/identify.js';
import { Limits } from '../ingest/limit.js';
import { IngestMetrics } from '../ingest/metrics.js';
import { acknowledgement, mapDelivery } from '../ingest/providers/registry.js';
import { receiveDelivery } from '../ingest/receive.js';
import { recordDelivery, type Recorded } from '../ingest/record.js';
import { verifyDelivery } from '../ingest/verify.js';
import { createLocalCodec } from '../log/event-codec.js';
import { encodeProduce } from '../log/kafka-encode.js';
import { headerName } from '../log/record-header.js';
import type { HttpRequest } from '../runtime/http.js';
import { copiedRequest } from '../runtime/http-exchange.js';
import { createKeyRing, createMemoryKeyStore } from '../runtime/keys.js';
import { silentLogger } from '../runtime/logger.js';
import { createMetrics } from '../runtime/metrics.js';
import type { Endpoint, Registry } from '../runtime/registry.js';
import { endpointId, tenantId } from '../schemas/ids.js';
import { median, partOptions, say } from './measure.js';
import { twilioTraffic, type SignedRequest } from './traffic.js';

const { batches } = partOptions<{ readonly batches: number }>();

const publicBaseUrl = 'https://hooks.example.com';
const authToken = randomBytes(16).toString('hex');
const endpoint: Endpoint = {
  id: endpointId('ep_BenchBenchBench1'),
  tenant: tenantId('bench'),
  provider: 'twilio',
  name: 'bench',
  publicBaseUrl,
  credentials: [{ id: '1', value: { authToken }, isRetiring: false }],
  allow: [],
  ratePerSecond: null,
};
const registry: Registry = {
  endpoint: (id) => (id === endpoint.id ? endpoint : null),
  endpointsOf: () => [endpoint],
  apiKey: () => null,
  tenants: () => [endpoint.tenant],
  refresh: () => Promise.resolve(),
  confirm: () => Promise.resolve('absent'),
  freshness: () => ({ isFresh: true, readAt: 0 }),
};
const path = `/v1/webhooks/${endpoint.id}`;
const target = { path, publicUrl: publicBaseUrl + path, authToken };

/** The request as the HTTP server hands it over. */
function requestOf({ bytes }: SignedRequest) {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const headers = new Map(
    text
      .slice(0, end)
      .split('\r\n')
      .slice(1)
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)] as const;
      }),
  );
  const body = Buffer.from(bytes.subarray(end + 4));
  const head = { method: 'POST', path, query: '', headers, rawParams: [endpoint.id] };
  const about = { clientAddress: '127.0.0.1', correlationId: randomBytes(16).toString('hex') };
  const framing = { contentLength: body.length, hasBody: true, endsConnection: false };
  return copiedRequest({ ...head, ...about, ...framing }, [endpoint.id], body, Date.now());
}

const limits = new Limits({
  rates: { endpoint: 1e6, tenant: 1e6, credential: 0, address: 1e6 },
});
const metrics = new IngestMetrics(createMetrics());
const answers = new Answers({ metrics, logger: silentLogger });
const keyRing = createKeyRing(randomBytes(32), createMemoryKeyStore());
const log = { partitions: 8, maxBatchBytes: 3_750_000 };
const recorder = { keyRing, codec: createLocalCodec(), log, logger: silentLogger };

/** The steps of ingest/pipeline, and the encoding of a batch of Kafka for them. */
const names = [
  'identify, admit',
  'receive, allow',
  'verify',
  'limit',
  'map',
  'record',
  'answer',
] as const;
type Step = (typeof names)[number] | 'encode batch';
const found = new Map<Step, number[]>();

/** What was accepted, or the bench is broken. */
function must<T extends { readonly ok: boolean }>(outcome: T): Extract<T, { readonly ok: true }> {
  if (!outcome.ok) throw new Error('a delivery of the bench was refused');
  return outcome as Extract<T, { readonly ok: true }>;
}

type Taken = Extract<Recorded, { readonly ok: true }>;

/** One delivery as the pipeline takes it; adds the microseconds of each step to `spent`. */
async function take(request: HttpRequest, spent: number[]): Promise<Taken> {
  const times = [performance.now()];
  const known = identifyEndpoint(request, registry) ?? endpoint;
  must(limits.admit(known, request.clientAddress));
  times.push(performance.now());
  const { raw } = must(receiveDelivery(request, endpoint.id, Date.now()));
  if (!isAllowedSource(endpoint, raw.clientAddress)) throw new Error('not allowed');
  times.push(performance.now());
  const { delivery } = must(verifyDelivery(raw, endpoint, raw.receivedAt));
  times.push(performance.now());
  const standing = limits.take(known, delivery.credential.id, request.clientAddress);
  if (standing instanceof Promise) throw new Error('the bench has no Redis');
  times.push(performance.now());
  const mapped = mapDelivery(delivery);
  const answer = acknowledgement(delivery);
  times.push(performance.now());
  const recording = recordDelivery(recorder, delivery, mapped);
  const recorded = must(recording instanceof Promise ? await recording : recording);
  times.push(performance.now());
  const way = { request, endpoint: known, standing };
  answers.taken(way, { delivery, answer, mapped, outcome: 'appended' });
  times.push(performance.now());
  for (let at = 0; at < names.length; at += 1) {
    spent[at] = (spent[at] ?? 0) + ((times[at + 1] ?? 0) - (times[at] ?? 0)) * 1000;
  }
  return recorded;
}

/** Encodes one batch as the Kafka log does; the microseconds it took. */
function encode(batch: readonly Taken[]): number {
  const begin = performance.now();
  const headers = { [headerName]: batch[0]?.record.header ?? '' };
  const messages = batch.map(({ record: { key, value } }) => ({ key, value, headers }));
  const topicData = [{ topic: 't', partitions: [{ partition: 0, firstSequence: 0, messages }] }];
  const about = { acks: -1, timeout: 1000, producerId: '1', producerEpoch: 0 };
  encodeProduce({ ...about, topicData }, 0);
  return (performance.now() - begin) * 1000;
}

const batchRecords = 32;

/** One batch of deliveries; what each step took of a delivery goes to the books. */
async function round(): Promise<void> {
  const requests = twilioTraffic(target, batchRecords).map(requestOf);
  const spent = names.map(() => 0);
  const records: Taken[] = [];
  for (const request of requests) records.push(await take(request, spent));
  const encoding = encode(records);
  for (const [at, name] of names.entries()) enter(name, spent[at] ?? 0);
  enter('encode batch', encoding);
}

function enter(name: Step, us: number): void {
  const list = found.get(name) ?? [];
  list.push(us / batchRecords);
  found.set(name, list);
}

const today = new Date().toISOString().slice(0, 10);
await keyRing.sealDay(endpoint.tenant, today, 'warm', Buffer.alloc(0));
// The first third warms up.
for (let at = 0; at < batches * 1.5; at += 1) {
  if (at === Math.floor(batches / 2)) found.clear();
  await round();
}
say({ steps: [...found].map(([name, each]) => ({ name, us: median(each) })) });
