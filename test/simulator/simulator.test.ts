// The simulator: everything it sends is signed as the provider signs, ends as its truth says, and comes
// the same again from the same seed.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { planDeliveries } from '../../cli/simulator/disorder.js';
import { DueQueue } from '../../cli/simulator/due-queue.js';
import { seededRandom } from '../../cli/simulator/random.js';
import {
  nextActivity,
  runSimulator,
  type SettledTruth,
  type SimulatorOptions,
  type SimulatorTarget,
} from '../../cli/simulator/run.js';
import { newTelnyxKey, telnyxPublicKey } from '../ingest/signing.js';
import { mapDelivery } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import type { Endpoint } from '../../runtime/registry.js';
import type { ProviderFact, ProviderName } from '../../schemas/facts.js';
import { endpointId } from '../../schemas/ids.js';
import type { RawDelivery } from '../../schemas/stages.js';
import { endpointOf } from '../ingest/stored-deliveries.js';

const authToken = 'simulated-auth-token';
const accountSid = 'AC00000000000000000000000000000155';
const telnyxKey = newTelnyxKey();
const sdk = createRequire(import.meta.url)('twilio/lib/webhooks/webhooks.js') as {
  validateRequest(token: string, header: string, url: string, params: unknown): boolean;
};

const credentials: Record<ProviderName, Record<string, string>> = {
  twilio: { authToken, accountSid },
  telnyx: { publicKeyBase64: telnyxPublicKey(telnyxKey) },
};

let base = '';
let facts: ProviderFact[] = [];
let refusals: string[] = [];
let requests: { url: string; body: string; provider: ProviderName; signature: string }[] = [];
let answerStatus = 204;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const server = createServer((request, response) => {
  void bodyOf(request).then((body) => {
    const target = request.url ?? '';
    const provider: ProviderName = target.includes('telnyx') ? 'telnyx' : 'twilio';
    const headers = new Map(Object.entries(request.headers).map(([n, v]) => [n, String(v)]));
    const raw: RawDelivery = {
      endpoint: endpointId('ep_0000000000000001'),
      method: request.method === 'GET' ? 'GET' : 'POST',
      target,
      headers,
      body,
      clientAddress: '127.0.0.1',
      receivedAt: Date.now(),
      correlationId: 'test',
    };
    const endpoint: Endpoint = {
      ...endpointOf(provider, [credentials[provider] ?? {}]),
      publicBaseUrl: base,
    };
    const outcome = verifyDelivery(raw, endpoint, Date.now());
    const signature = headers.get('x-twilio-signature') ?? '';
    requests.push({ url: base + target, body: body.toString(), provider, signature });
    if (outcome.ok) facts.push(...mapDelivery(outcome.delivery).facts);
    else refusals.push(outcome.code);
    response.writeHead(outcome.ok ? answerStatus : 403).end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  facts = [];
  refusals = [];
  requests = [];
  answerStatus = 204;
});

function targets(): [SimulatorTarget, SimulatorTarget] {
  return [
    { provider: 'twilio', url: `${base}/v1/webhooks/twilio`, sender: { authToken, accountSid } },
    {
      provider: 'telnyx',
      url: `${base}/v1/webhooks/telnyx`,
      sender: { privateKeyBase64: telnyxKey },
    },
  ];
}

function options(change: Partial<SimulatorOptions> = {}): SimulatorOptions {
  return {
    targets: targets(),
    seed: 7,
    calls: 40,
    rate: 2000,
    messages: 0.3,
    speed: 10_000,
    duplicates: 0,
    reorders: 0,
    drops: 0,
    maxInFlight: 64,
    ...change,
  };
}

const never = new AbortController().signal;

describe('the simulator', () => {
  it('sends only what verifies and is understood, with a truth for each call and message', async () => {
    const truths: SettledTruth[] = [];
    const report = await runSimulator(options({ onTruth: (truth) => truths.push(truth) }), never);
    expect(refusals).toEqual([]);
    expect(report).toMatchObject({ calls: 40, refused: {}, dropped: 0 });
    expect(report.accepted).toBe(report.sent);
    expect(facts).toHaveLength(report.sent);
    expect(facts.filter((fact) => fact.kind === 'not_understood')).toEqual([]);
    expect(truths).toHaveLength(report.calls + report.messages);
    expect(truths.every((truth) => truth.isDecided)).toBe(true);
    expect(new Set(facts.map((fact) => fact.factId)).size).toBe(facts.length);
  });

  it('says the truth: the last fact of each leg in the provider’s order agrees with it', async () => {
    const truths: SettledTruth[] = [];
    await runSimulator(options({ onTruth: (truth) => truths.push(truth) }), never);
    for (const truth of truths.filter(({ kind }) => kind === 'call')) {
      const own = facts.filter((fact) => fact.kind === 'call' && fact.legRef === truth.ref);
      const [end] = own.filter((fact) => fact.order.phase === 2);
      if (end?.kind !== 'call') throw new Error(`${truth.scenario} does not end`);
      const wasAnswered = own.some(
        (fact) =>
          fact.kind === 'call' &&
          fact.signal.type === 'status' &&
          fact.signal.status === 'answered',
      );
      if (end.signal.type === 'status') {
        expect(end.signal).toMatchObject({ status: truth.status, cause: truth.cause });
      } else {
        expect(wasAnswered ? 'completed' : 'failed').toBe(truth.status);
        if (end.signal.type === 'hangup' && !wasAnswered)
          expect(end.signal.cause).toBe(truth.cause);
      }
    }
  });

  it('signs Twilio’s requests as Twilio’s SDK expects them', async () => {
    await runSimulator(options({ calls: 10 }), never);
    const twilio = requests.filter(({ provider }) => provider === 'twilio');
    expect(twilio.length).toBeGreaterThan(10);
    for (const { url, body, signature } of twilio) {
      const params = Object.fromEntries(new URLSearchParams(body));
      expect(sdk.validateRequest(authToken, signature, url, params)).toBe(true);
    }
  });

  it('doubles, swaps and drops as it is told, and says what can still be found', async () => {
    const truths: SettledTruth[] = [];
    const disorder = { duplicates: 0.3, reorders: 0.3, drops: 0.2 };
    const report = await runSimulator(
      options({ ...disorder, onTruth: (truth) => truths.push(truth) }),
      never,
    );
    expect(report.duplicated).toBeGreaterThan(20);
    expect(report.reordered).toBeGreaterThan(20);
    expect(report.dropped).toBeGreaterThan(20);
    expect(new Set(facts.map((fact) => fact.factId)).size).toBe(report.sent - report.duplicated);
    expect(truths.some((truth) => !truth.isDecided)).toBe(true);
  });

  it('plays the same again from the same seed, and something else from another', () => {
    const plan = (seed: number) => {
      const random = seededRandom(seed);
      const [twilio, telnyx] = targets();
      return JSON.stringify(
        [twilio, telnyx, twilio, telnyx].map((target) => {
          const activity = nextActivity(target, random, 0.2);
          const disorder = { duplicates: 0.2, reorders: 0.2, drops: 0.2 };
          const { deliveries } = planDeliveries(activity, disorder, 1, random);
          return [
            activity.truth,
            deliveries.map(({ sendAtMs, step, attempt }) => [sendAtMs, step.content(0, attempt)]),
          ];
        }),
      );
    };
    expect(plan(11)).toBe(plan(11));
    expect(plan(11)).not.toBe(plan(12));
  });

  it('uses only numbers that nobody has', async () => {
    await runSimulator(options({ calls: 30 }), never);
    const numbers = facts.flatMap((fact) =>
      fact.kind === 'not_understood' || fact.kind === 'record'
        ? []
        : [fact.from, fact.to].filter((n) => n !== null),
    );
    expect(numbers.length).toBeGreaterThan(50);
    for (const number of numbers) expect(number).toMatch(/^\+1\d{3}55501\d\d$/);
  });

  it('tells no time of the future', async () => {
    await runSimulator(options({ calls: 20 }), never);
    const now = Date.now();
    for (const fact of facts) expect(fact.occurredAt ?? 0).toBeLessThanOrEqual(now + 1000);
  });

  it('counts what is not answered 2xx and does not repeat it', async () => {
    answerStatus = 503;
    const report = await runSimulator(options({ calls: 5 }), never);
    expect(report.accepted).toBe(0);
    expect(report.refused).toEqual({ '503': report.sent });
    expect(requests).toHaveLength(report.sent);
  });

  it('counts what nobody answers', async () => {
    const closed: SimulatorTarget = {
      provider: 'twilio',
      url: 'http://127.0.0.1:9/v1/webhooks/x',
      sender: { authToken, accountSid },
    };
    const report = await runSimulator(options({ calls: 2, targets: [closed] }), never);
    expect(report.refused).toEqual({ error: report.sent });
  });

  it('stops when it is told, also without an end of its own', async () => {
    const stop = new AbortController();
    const running = runSimulator(
      options({
        calls: null,
        speed: 1,
        rate: 50,
        onTruth: () => {
          stop.abort();
        },
        onProgress: () => {
          stop.abort();
        },
      }),
      stop.signal,
    );
    const report = await running;
    expect(report.calls).toBeGreaterThan(0);
  });
});

describe('the queue of what is due', () => {
  it('gives the earliest first', () => {
    const queue = new DueQueue<{ dueMs: number }>();
    const random = seededRandom(3);
    const due = Array.from({ length: 500 }, () => random.between(0, 1000));
    for (const dueMs of due) queue.push({ dueMs });
    const taken: number[] = [];
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) taken.push(item.dueMs);
    expect(taken).toEqual(due.sort((a, b) => a - b));
  });
});
