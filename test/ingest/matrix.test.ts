// Every provider, every layer, every failure, through the real route: what is answered. The table is printed
// at the end and is docs/providers/answers.md.

import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { signAnew, type StoredDelivery } from '../../cli/simulator/stored-delivery.js';
import { providerNames, providerOf } from '../../ingest/providers/registry.js';
import type { OutgoingDelivery } from '../../ingest/providers/provider.js';
import { createMemoryLog } from '../../log/memory.js';
import type { EventLog } from '../../log/event-log.js';
import { TrunklineError } from '../../runtime/errors.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId, type EndpointId } from '../../schemas/ids.js';
import { publicBaseUrl, startStation, type Station } from './station.js';
import { accountOf, live, storedDeliveries } from './stored-deliveries.js';

/** What each provider's endpoints differ in. */
const kinds = ['good', 'elsewhere', 'account', 'listed', 'slow'] as const;
type Kind = (typeof kinds)[number];

const idOf = (provider: string, kind: string): EndpointId =>
  endpointId(`ep_${(kind + provider).replaceAll('-', '')}000000000000000000`.slice(0, 27));

/** The names that tell one account of a provider from another, where its credential has one. */
const accountNames: Readonly<Record<string, string>> = {
  twilio: 'accountSid',
  vonage: 'applicationId',
  livekit: 'apiKey',
};

interface Sender {
  readonly provider: string;
  readonly stored: StoredDelivery;
  readonly sender: Readonly<Record<string, string>>;
  readonly endpoint: Readonly<Record<string, string>>;
  readonly stranger: Readonly<Record<string, string>>;
}

const senders: readonly Sender[] = providerNames.map((provider) => {
  const stored = storedDeliveries.find(
    (one) => one.provider === provider && one.method === 'POST' && one.rawBody.length > 20,
  );
  if (stored === undefined) throw new Error(`no stored delivery of ${provider}`);
  const mine = accountOf(provider);
  const other = accountOf(provider);
  const url = stored.url.split('?')[0] ?? '';
  return {
    ...{ provider, stored: { ...stored, url } },
    sender: { ...mine.endpoint, ...mine.sender },
    endpoint: mine.endpoint,
    stranger: { ...other.endpoint, ...other.sender },
  };
});

function endpointsOf({ provider, endpoint }: Sender): Endpoint[] {
  const name = accountNames[provider];
  const account = name === undefined ? endpoint : { ...endpoint, [name]: 'another-account' };
  const change: Record<Kind, Partial<Endpoint>> = {
    good: {},
    elsewhere: { publicBaseUrl: 'https://calls.example.test' },
    account: { credentials: [live(account)] },
    listed: { allow: ['203.0.113.0/24'] },
    slow: { ratePerSecond: 1 },
  };
  return kinds.map((kind) => ({
    ...{ id: idOf(provider, kind), tenant: tenantId('acme'), provider, name: kind },
    ...{ publicBaseUrl, credentials: [live(endpoint)], allow: [], ratePerSecond: null },
    ...change[kind],
  }));
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: string | null;
  readonly correlationId: string;
}

interface Sending {
  readonly station: Station;
  readonly to: EndpointId;
  readonly delivery: OutgoingDelivery;
  readonly method?: string;
  /** Said in Content-Length without being sent. */
  readonly claimedBytes?: number;
}

let sent = 0;

/** Each from an address of its own, so that no failure counts against another. */
function send({ station, to, delivery, method, claimedBytes }: Sending): Promise<Answer> {
  sent += 1;
  const query = delivery.url.split('?')[1];
  const length = String(claimedBytes ?? delivery.body.length);
  const address = `198.51.${sent >> 8}.${sent & 255}`;
  const headers = { ...delivery.headers, 'content-length': length, 'x-forwarded-for': address };
  const path = `/v1/webhooks/${to}${query === undefined ? '' : `?${query}`}`;
  return new Promise((resolve, reject) => {
    const options = { port: station.port, path, method: method ?? delivery.method, headers };
    const request = httpRequest({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isProblem = response.headers['content-type'] === 'application/problem+json';
        resolve({
          status: response.statusCode ?? 0,
          code: isProblem ? (JSON.parse(text) as { code: string }).code : '',
          retryAfter: response.headers['retry-after'] ?? null,
          correlationId: String(response.headers['x-correlation-id']),
        });
        request.destroy();
      });
    });
    request.on('error', reject);
    if (claimedBytes === undefined) request.end(delivery.body);
    else request.flushHeaders();
  });
}

const signed = (
  { stored, sender }: Sender,
  kind: Kind = 'good',
  { by = sender, atMs = Date.now() } = {},
): OutgoingDelivery =>
  signAnew(stored, `${publicBaseUrl}/v1/webhooks/${idOf(stored.provider, kind)}`, by, atMs);

/** The headers that signing added: signature, secret, timestamp. */
function signingHeaders(sender: Sender, delivery: OutgoingDelivery): string[] {
  const named = providerOf(sender.provider).signatureHeaders;
  const own = named.length > 0 ? named : [sender.endpoint['signatureHeader'] ?? 'x-signature'];
  return own.map((name) => name.toLowerCase()).filter((name) => name in delivery.headers);
}

function withSignature(sender: Sender, change: (value: string) => string | null): OutgoingDelivery {
  const delivery = signed(sender);
  const names = signingHeaders(sender, delivery);
  expect(names.length, sender.provider).toBeGreaterThan(0);
  const headers = Object.entries(delivery.headers).flatMap(([name, value]) => {
    const changed = names.includes(name) ? change(value) : value;
    return changed === null ? [] : [[name, changed] as const];
  });
  return { ...delivery, headers: Object.fromEntries(headers) };
}

/** Another letter or digit of the same kind, well inside the signature. */
function altered(value: string): string {
  const at = value.length - Math.min(8, Math.ceil(value.length / 2));
  const other = /[0-9]/.test(value[at] ?? '')
    ? value[at] === '1'
      ? '2'
      : '1'
    : value[at] === 'a'
      ? 'b'
      : 'a';
  return value.slice(0, at) + other + value.slice(at + 1);
}

/** The delivery without its first signed byte that means something. */
const changedBody = (delivery: OutgoingDelivery): OutgoingDelivery => {
  const text = delivery.body.toString();
  const body = /^\s*[[{]/.test(text) ? text.replace(/"(?=[^"]*"\s*[:,}\]])/, '"x') : `x${text}`;
  return { ...delivery, body: Buffer.from(body) };
};

const dayMs = 86_400_000;

/** A log that takes nothing. */
const awayLog = (): EventLog => ({
  ...createMemoryLog(),
  openAppender: () => Promise.reject(new TrunklineError('service_unreachable', 'away')),
});

let station: Station;
let spooling: Station;
let full: Station;
beforeAll(async () => {
  const endpoints = senders.flatMap(endpointsOf);
  station = await startStation({ endpoints });
  const settings = { appendTimeoutMs: 50, drainMs: 50 };
  spooling = await startStation({ endpoints, log: awayLog(), settings });
  full = await startStation({
    endpoints,
    log: awayLog(),
    settings: { ...settings, spoolBytes: 0 },
  });
});
afterAll(() => Promise.all([station, spooling, full].map((one) => one.stop())));

interface Failure {
  readonly name: string;
  /** Which layer answers, for people. */
  readonly layer: string;
  /** What may be answered; where a signature does not cover what is broken, the delivery is taken. */
  readonly answers: readonly (readonly [status: number, code: string])[];
  readonly send: (sender: Sender) => Promise<Answer> | null;
}

const to = ({ provider }: Sender, kind: Kind = 'good'): EndpointId => idOf(provider, kind);
const taken = [
  [200, ''],
  [204, ''],
] as const;
const forbidden = [403, 'forbidden'] as const;

const failures: readonly Failure[] = [
  {
    ...{ name: 'nothing', layer: '–', answers: taken },
    send: (one) => send({ station, to: to(one), delivery: signed(one) }),
  },
  {
    ...{ name: 'signature missing', layer: 'signature', answers: [forbidden] },
    send: (one) => send({ station, to: to(one), delivery: withSignature(one, () => null) }),
  },
  {
    ...{ name: 'signature malformed', layer: 'signature', answers: [forbidden] },
    send: (one) => send({ station, to: to(one), delivery: withSignature(one, () => 'nonsense') }),
  },
  {
    ...{ name: 'signature wrong', layer: 'signature', answers: [forbidden] },
    send: (one) => send({ station, to: to(one), delivery: withSignature(one, altered) }),
  },
  {
    ...{ name: 'wrong credential', layer: 'signature', answers: [forbidden] },
    send: (one) =>
      send({ station, to: to(one), delivery: signed(one, 'good', { by: one.stranger }) }),
  },
  {
    ...{ name: 'another account', layer: 'signature', answers: [forbidden] },
    send: (one) =>
      accountNames[one.provider] === undefined
        ? null
        : send({ station, to: to(one, 'account'), delivery: signed(one, 'account') }),
  },
  {
    ...{ name: 'signed a day ago', layer: 'timestamp', answers: [forbidden, ...taken] },
    send: (one) =>
      send({ station, to: to(one), delivery: signed(one, 'good', { atMs: Date.now() - dayMs }) }),
  },
  {
    ...{ name: 'signed a day ahead', layer: 'timestamp', answers: [forbidden, ...taken] },
    send: (one) =>
      send({ station, to: to(one), delivery: signed(one, 'good', { atMs: Date.now() + dayMs }) }),
  },
  {
    ...{ name: 'body changed', layer: 'signature', answers: [forbidden, ...taken] },
    send: (one) => send({ station, to: to(one), delivery: changedBody(signed(one)) }),
  },
  {
    ...{ name: 'URL is another', layer: 'signature', answers: [forbidden, ...taken] },
    send: (one) => send({ station, to: to(one, 'elsewhere'), delivery: signed(one, 'elsewhere') }),
  },
  {
    ...{ name: 'method PUT', layer: 'receive', answers: [[405, 'method_not_allowed']] },
    send: (one) => send({ station, to: to(one), delivery: signed(one), method: 'PUT' }),
  },
  {
    ...{ name: 'content type text/plain', layer: 'receive', answers: [[415, 'media_type']] },
    send: (one) => {
      const delivery = signed(one);
      const headers = { ...delivery.headers, 'content-type': 'text/plain' };
      return send({ station, to: to(one), delivery: { ...delivery, headers } });
    },
  },
  {
    ...{ name: 'body too large', layer: 'receive', answers: [[413, 'body_too_large']] },
    send: (one) => send({ station, to: to(one), delivery: signed(one), claimedBytes: 40_000_000 }),
  },
  {
    ...{ name: 'address not allowed', layer: 'source address', answers: [forbidden] },
    send: (one) => send({ station, to: to(one, 'listed'), delivery: signed(one, 'listed') }),
  },
  {
    ...{ name: 'over the rate', layer: 'rate limit', answers: [[429, 'rate_limited']] },
    send: async (one) => {
      for (let n = 0; n < 40; n += 1) {
        const answer = await send({ station, to: to(one, 'slow'), delivery: signed(one, 'slow') });
        if (answer.status === 429) return answer;
      }
      throw new Error(`${one.provider} was never over its rate`);
    },
  },
  {
    ...{ name: 'endpoint unknown', layer: 'endpoint', answers: [[404, 'endpoint_unknown']] },
    send: (one) =>
      send({ station, to: endpointId('ep_NobodyNobodyNobody1'), delivery: signed(one) }),
  },
  {
    // A revoked endpoint is in no registry any more.
    ...{ name: 'endpoint revoked', layer: 'endpoint', answers: [[404, 'endpoint_unknown']] },
    send: (one) => send({ station, to: idOf(one.provider, 'revoked'), delivery: signed(one) }),
  },
  {
    ...{ name: 'log away', layer: '– (spool)', answers: taken },
    send: (one) => send({ station: spooling, to: to(one), delivery: signed(one) }),
  },
  {
    ...{ name: 'log away, spool full', layer: 'append', answers: [[503, 'spool_full']] },
    send: (one) => send({ station: full, to: to(one), delivery: signed(one) }),
  },
];

/** The station's own count of refusals by layer; what its route wrapper answers is in none. */
async function refusedByLayer(): Promise<ReadonlyMap<string, number>> {
  const name = 'trunkline_ingest_deliveries_total';
  const counted = new Map<string, number>();
  for (const one of [station, spooling, full]) {
    const text = await one.metrics.getSingleMetricAsString(name);
    for (const [, layer = '', count] of text.matchAll(
      /outcome="refused",layer="(\w+)".* (\d+)$/gm,
    )) {
      counted.set(layer, (counted.get(layer) ?? 0) + Number(count));
    }
  }
  return counted;
}

/** Layers by their names in metrics; the rest is refused before the station sees it, or taken. */
const counted: Readonly<Record<string, string>> = {
  ...{ signature: 'signature', timestamp: 'timestamp', 'source address': 'source_address' },
  ...{ 'rate limit': 'rate_limit', endpoint: 'identify', append: 'append' },
};

const results = new Map<string, Map<string, Answer | null>>();

it.each(failures)('$name', async ({ name, layer, answers, send }) => {
  const row = new Map<string, Answer | null>();
  results.set(name, row);
  const before = await refusedByLayer();
  for (const one of senders) {
    const answer = await send(one);
    row.set(one.provider, answer);
    if (answer === null) continue;
    expect(answers, `${one.provider}: ${name}`).toContainEqual([answer.status, answer.code]);
    const isRepeatable = answer.status === 429 || answer.status === 503;
    expect(Number(answer.retryAfter) > 0, `${one.provider}: Retry-After`).toBe(isRepeatable);
  }
  const counter = counted[layer];
  if (counter === undefined) return;
  const refused = [...row.values()].filter((one) => one !== null && one.status >= 400).length;
  const after = await refusedByLayer();
  expect((after.get(counter) ?? 0) - (before.get(counter) ?? 0), layer).toBe(refused);
});

it('what a signature does not cover is what the provider’s own words say', () => {
  const isTaken = (name: string, provider: string): boolean => {
    const answer = results.get(name)?.get(provider);
    return answer?.status === 200 || answer?.status === 204;
  };
  const takes = (name: string) => providerNames.filter((provider) => isTaken(name, provider));
  // Only what sends nothing but a password leaves the body open.
  expect(takes('body changed')).toEqual(['bandwidth']);
  // Twilio's scheme and those like it sign the URL, and no time.
  const urlSigned = providerNames.filter((provider) => !isTaken('URL is another', provider));
  expect(urlSigned).toEqual(expect.arrayContaining(['twilio', 'plivo', 'signalwire']));
  for (const provider of ['twilio', 'plivo', 'signalwire', 'callrail', 'bland', 'bandwidth']) {
    expect(isTaken('signed a day ago', provider), provider).toBe(true);
  }
  for (const provider of ['telnyx', 'clerk', 'stripe', 'retell', 'livekit', 'elevenlabs']) {
    expect(isTaken('signed a day ago', provider), provider).toBe(false);
  }
});

function cellOf(answer: Answer | null | undefined): string {
  return answer === null || answer === undefined ? '–' : String(answer.status);
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  const lines = rows.map(
    (row) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}

it('the table of answers is docs/providers/answers.md', async () => {
  const head = ['what is wrong', ...providerNames];
  const byProvider = failures.map(({ name }) => [
    name,
    ...providerNames.map((provider) => cellOf(results.get(name)?.get(provider))),
  ]);
  const answers = tableOf([head, ...byProvider]);
  const layers = tableOf([
    ['what is wrong', 'layer', 'code in the answer', 'Retry-After'],
    ...failures.map(({ name, layer }) => {
      const [refused] = [...(results.get(name)?.values() ?? [])].filter(
        (one) => (one?.status ?? 0) >= 400,
      );
      const code = refused === undefined || refused === null ? '–' : `\`${refused.code}\``;
      return [name, layer, code, (refused?.retryAfter ?? null) === null ? '–' : 'yes'];
    }),
  ]);
  process.stdout.write(`\n${answers}\n\n`);
  const page = [
    '# Answers',
    'What the webhook route answers to a delivery of each provider when one thing is wrong with it. Made by\n`test/ingest/matrix.test.ts`, which sends them. `–`: the provider’s credential names no account.',
    answers,
    'A 2xx where something is wrong means that the provider’s scheme does not cover it: one that signs no URL takes\nanother, one that signs no time takes yesterday’s (a repeat is then known by its identity and recorded as a\nduplicate). Every 403 has the same body: an attacker learns nothing of the layer. The operator sees it in\n`trunkline endpoint refusals` with the likely cause.',
    layers,
  ];
  await expect(`${page.join('\n\n')}\n`).toMatchFileSnapshot('../../docs/providers/answers.md');
});
