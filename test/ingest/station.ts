// The station as it runs, on a real HTTP server, for tests: memory log unless another is given.

import { createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runIngest, type IngestSettings } from '../../ingest/main.js';
import { createLocalCodec, type Codec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import type { Clock } from '../../runtime/clock.js';
import { createHealth, type Health } from '../../runtime/health.js';
import type { DiagnosisStore } from '../../runtime/diagnosis-store.js';
import { createHttpServer } from '../../runtime/http.js';
import { createShelvedKeyStore, KeyShelf } from '../../runtime/key-shelf.js';
import { createKeyRing, createMemoryKeyStore, type KeyRing } from '../../runtime/keys.js';
import { createMetrics, type Metrics } from '../../runtime/metrics.js';
import type { Endpoint, Registry } from '../../runtime/registry.js';
import { decodeContent } from '../../schemas/delivery-content.js';
import type { DeliveryContent, RecordedFact } from '../../schemas/facts.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { deliveryPlace } from '../../schemas/sealed.js';
import { recordingLogger, type LogLine } from './fixtures.js';
import { live } from './stored-deliveries.js';

export const authToken = 'fixture-token-of-nobody';
export const publicBaseUrl = 'https://hooks.example.test';
export const twilioEndpoint = 'ep_TwilioTwilio0001';
export const telnyxEndpoint = 'ep_TelnyxTelnyx0001';

const ed25519 = generateKeyPairSync('ed25519');
const telnyxKey = ed25519.privateKey.export({ format: 'der', type: 'pkcs8' });
const telnyxPublic = ed25519.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);

/** No test comes near them. */
export const testRates = { endpoint: 10_000, tenant: 10_000, credential: 0, address: 10_000 };

/** The two endpoints every test station has, of two tenants. */
export function endpoints(change: Partial<Endpoint> = {}): Endpoint[] {
  const common = { name: 'test', publicBaseUrl, allow: [], ratePerSecond: null };
  return [
    {
      ...common,
      id: endpointId(twilioEndpoint),
      tenant: tenantId('acme'),
      provider: 'twilio',
      credentials: [live({ authToken })],
      ...change,
    },
    {
      ...common,
      id: endpointId(telnyxEndpoint),
      tenant: tenantId('globex'),
      provider: 'telnyx',
      credentials: [live({ publicKeyBase64: telnyxPublic.toString('base64') })],
      ...change,
    },
  ];
}

export function registryOf(list: readonly Endpoint[]): Registry {
  const byId = new Map(list.map((one) => [one.id, one]));
  return {
    endpoint: (id) => byId.get(id) ?? null,
    endpointsOf: (tenant) => list.filter((one) => one.tenant === tenant),
    apiKey: () => null,
    tenants: () => [...new Set(list.map((one) => one.tenant))],
    refresh: () => Promise.resolve(),
    confirm: () => Promise.resolve('absent'),
    freshness: () => ({ isFresh: true, readAt: Date.now() }),
  };
}

export interface StationOptions {
  /** What the station's clock is held against. Default: nothing. */
  readonly databaseTime?: () => Promise<number>;
  /** In place of one that holds `endpoints`. */
  readonly registry?: Registry;
  readonly endpoints?: readonly Endpoint[];
  readonly log?: EventLog;
  readonly keyRing?: KeyRing;
  readonly clock?: Clock;
  readonly settings?: Partial<IngestSettings>;
  readonly diagnosisStore?: DiagnosisStore;
  /** Kept after `stop` when given. */
  readonly dataDirectory?: string;
}

export interface Station {
  readonly port: number;
  readonly url: string;
  readonly store: MemoryStore;
  readonly lines: readonly LogLine[];
  readonly metrics: Metrics;
  readonly health: Health;
  /** The records of all partitions of the memory log. */
  readonly facts: () => RecordedFact[];
  readonly open: (fact: RecordedFact) => Promise<DeliveryContent>;
  readonly stop: () => Promise<void>;
}

/** Starts the station; resolves when it takes deliveries. */
export async function startStation(options: StationOptions = {}): Promise<Station> {
  const store = new MemoryStore({ partitions: 4, maxBatchBytes: 3_750_000 });
  const { logger, lines } = recordingLogger();
  const metrics = createMetrics();
  const codec: Codec = createLocalCodec();
  const health = createHealth();
  const shelf = new KeyShelf();
  const keyStore = createShelvedKeyStore(createMemoryKeyStore(), shelf);
  const keyRing = options.keyRing ?? createKeyRing(Buffer.alloc(32, 7), keyStore);
  const httpServer = await createHttpServer({ trustedProxies: ['127.0.0.1'], logger });
  const dataDirectory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), 'ingest-'));
  const stopping = new AbortController();
  const settings: IngestSettings = {
    dataDirectory,
    spoolBytes: 50_000_000,
    spoolDrainRate: 10_000,
    appendTimeoutMs: 500,
    rates: testRates,
    sharing: null,
    inFlightBytes: 64 * 1024 * 1024,
    drainMs: 500,
    ...options.settings,
  };
  let running: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    running = runIngest(
      {
        httpServer,
        registry: options.registry ?? registryOf(options.endpoints ?? endpoints()),
        ...{ keyRing, shelf, health },
        logState: () => ({ kind: 'open' }),
        databaseTime: options.databaseTime ?? null,
        log: options.log ?? createMemoryLog(store),
        codec,
        logger,
        metrics,
        clock: options.clock ?? Date.now,
        settings,
        ...(options.diagnosisStore === undefined ? {} : { diagnosisStore: options.diagnosisStore }),
        onReady: resolve,
      },
      stopping.signal,
    );
    running.catch(reject);
  });
  const port = await httpServer.listen('127.0.0.1', 0);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    store,
    lines,
    metrics,
    health,
    facts: () =>
      [0, 1, 2, 3].flatMap((partition) =>
        store
          .records('deliveries', partition)
          .map((one) => codec.decodeFact(one.value ?? Buffer.alloc(0))),
      ),
    async open(fact) {
      const place = deliveryPlace(fact.tenant, fact.deliveryId);
      const bytes = await keyRing.openDay(
        fact.tenant,
        fact.dayKey,
        place,
        Buffer.from(fact.sealed),
      );
      return decodeContent(bytes) as DeliveryContent;
    },
    async stop() {
      stopping.abort();
      await running;
      httpServer.close();
      if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true });
    },
  };
}

export interface SignedDelivery {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A form delivery signed as Twilio signs (HMAC-SHA1 over URL and sorted parameters). */
export function twilioForm(fields: Readonly<Record<string, string>>): SignedDelivery {
  const target = `/v1/webhooks/${twilioEndpoint}`;
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  const signed = publicBaseUrl + target + sorted.flat().join('');
  return {
    method: 'POST',
    target,
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': createHmac('sha1', authToken).update(signed).digest('base64'),
    },
    body: new URLSearchParams(fields).toString(),
  };
}

/** A status callback as Twilio sends it by GET: everything in the query. */
export function twilioGet(fields: Readonly<Record<string, string>>): SignedDelivery {
  const query = new URLSearchParams(fields).toString();
  const target = `/v1/webhooks/${twilioEndpoint}?${query}`;
  const signature = createHmac('sha1', authToken)
    .update(publicBaseUrl + target)
    .digest('base64');
  return { method: 'GET', target, headers: { 'x-twilio-signature': signature }, body: '' };
}

/** A JSON delivery signed as Telnyx signs (Ed25519 over `timestamp|body`). */
export function telnyxJson(body: string, atMs = Date.now()): SignedDelivery {
  const timestamp = String(Math.floor(atMs / 1000));
  const key = createPrivateKey({ key: telnyxKey, format: 'der', type: 'pkcs8' });
  const signature = sign(null, Buffer.from(`${timestamp}|${body}`), key).toString('base64');
  return {
    method: 'POST',
    target: `/v1/webhooks/${telnyxEndpoint}`,
    headers: {
      'content-type': 'application/json',
      'telnyx-timestamp': timestamp,
      'telnyx-signature-ed25519': signature,
    },
    body,
  };
}

/** Delivers; `change` alters the request after it was signed. */
export function deliver(
  station: Pick<Station, 'url'>,
  delivery: SignedDelivery,
  change: Partial<SignedDelivery> = {},
): Promise<Response> {
  const { method, target, headers, body } = { ...delivery, ...change };
  return fetch(station.url + target, {
    method,
    headers,
    ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
  });
}

/** A completed outbound call, all numbers invented. */
export const completedCall = (n = 1) => ({
  AccountSid: 'AC0123456789abcdef0123456789abcdef',
  CallSid: `CA${String(n).padStart(32, '0')}`,
  CallStatus: 'completed',
  CallDuration: '12',
  Direction: 'outbound-api',
  From: '+15550100100',
  To: '+15550100142',
  SequenceNumber: '3',
  Timestamp: 'Thu, 01 Oct 2026 10:00:51 +0000',
  CallbackSource: 'call-progress-events',
  ApiVersion: '2010-04-01',
});
