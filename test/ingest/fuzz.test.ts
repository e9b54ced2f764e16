// Fuzzing in the test run: 200,000 deliveries of all providers, changed after they were signed or before, through
// the code that verifies and maps them; and some through the real route. `npm run fuzz` goes on for longer.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seededRandom } from '../../cli/simulator/random.js';
import type { OutgoingDelivery } from '../../ingest/providers/provider.js';
import { providerNames } from '../../ingest/providers/registry.js';
import { decodeContent, encodeContent } from '../../schemas/delivery-content.js';
import type { ProviderFact } from '../../schemas/facts.js';
import { endpointId } from '../../schemas/ids.js';
import { RawClient } from '../runtime/raw-client.js';
import { isUnbound, makeBases, nowMs, type Base } from './fuzz/bases.js';
import { faultOf, nextCase, requestOf } from './fuzz/judge.js';
import { fuzz } from './fuzz/run.js';
import { sdkTakes } from './fuzz/sdk-judges.js';
import { publicBase } from './stored-deliveries.js';
import { registryOf, startStation, type Station } from './station.js';

const seed = 20_261_126;
const deliveries = 200_000;

describe('changed deliveries', () => {
  it(
    'crash nothing, hang nothing, keep nothing, and pass only unchanged',
    { timeout: 600_000 },
    async () => {
      const report = await fuzz({ seed, goesOn: (done) => done < deliveries });
      const { cpuSeconds, heapGrowth, byProvider } = report;
      process.stderr.write(
        `fuzz: seed ${seed}, ${report.deliveries} deliveries, ${cpuSeconds.toFixed(1)} s of CPU\n`,
      );
      expect(report.faults.join('\n')).toBe('');
      expect(report.deliveries).toBeGreaterThanOrEqual(deliveries);
      expect(Object.keys(byProvider).sort()).toEqual([...providerNames].sort());
      expect(Math.min(...Object.values(byProvider))).toBeGreaterThan(5_000);
      expect(heapGrowth).toBeLessThan(24 * 1024 * 1024);
    },
  );

  it('would be told: a planted fault is found, by whichever step', () => {
    const good = makeBases().find(({ provider }) => provider === 'telnyx');
    if (good === undefined) throw new Error('no delivery');
    const mode = 'on the way';
    const unchanged = [{ name: 'none', seed: 0 }];
    expect(faultOf({ base: good, mode, steps: unchanged })).toBeNull();
    const changed: Base = { ...good, meaning: '[]' };
    expect(faultOf({ base: changed, mode, steps: unchanged })).toMatch(/means something else/);
    const crashing = { ...good, endpoint: { ...good.endpoint, credentials: null as never } };
    expect(faultOf({ base: crashing, mode, steps: unchanged })).toMatch(/^threw TypeError/);
  });
});

describe('changed requests, over the real route', () => {
  const requests = 1_500;
  let station: Station;
  let bases: readonly Base[];

  beforeAll(async () => {
    bases = makeBases();
    const endpoints = new Map(bases.map(({ endpoint }) => [endpoint.id, endpoint]));
    const registry = registryOf([...endpoints.values()]);
    station = await startStation({ registry, clock: () => nowMs });
  });
  afterAll(async () => {
    await station.stop();
  });

  /** Writes a request as it is; the status it is answered with, 0 for a connection that was cut. */
  async function send(request: OutgoingDelivery): Promise<number> {
    const { method, url, headers, body } = request;
    const length = method === 'GET' && body.length === 0 ? {} : { 'content-length': body.length };
    const all = { ...headers, ...length, host: 'hooks.example.com', connection: 'close' };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    const target = url.slice(publicBase.length);
    const client = await RawClient.open(station.port);
    client.write(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    client.socket.write(body);
    const answer = await client.until(/^HTTP\/1\.1 \d{3} /);
    client.abort();
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  }

  /** A base's facts as a record gives them back: fields in the order of the codec. */
  function keptMeaning({ meaning }: Base): string {
    const raw = { method: 'POST', url: '', headers: {}, body: Buffer.alloc(0) };
    const facts = JSON.parse(meaning) as ProviderFact[];
    return JSON.stringify(decodeContent(encodeContent({ facts, raw }))?.facts);
  }

  it('are answered, and only what is kept with 2xx', { timeout: 120_000 }, async () => {
    const random = seededRandom(seed);
    const told: { readonly base: Base; readonly request: OutgoingDelivery }[] = [];
    const statuses = new Map<number, number>();
    let taken = 0;
    for (let n = 0; n < requests; n += 1) {
      const { base, mode, steps } = nextCase(bases, random);
      const one = { base, mode: 'on the way' as const, steps: mode === 'on the way' ? steps : [] };
      const request = requestOf(one);
      if (request === null) continue;
      const status = await send(request);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status < 200 || status > 299) continue;
      taken += 1;
      told.push({ base, request });
    }
    process.stderr.write(`fuzz: answers ${JSON.stringify([...statuses])}\n`);
    for (const status of statuses.keys()) {
      expect([0, 200, 204, 400, 401, 403, 404, 405, 411, 413, 414, 415, 431, 503]).toContain(
        status,
      );
    }
    expect(statuses.get(503) ?? 0).toBe(0);
    expect(taken).toBeGreaterThan(requests / 10);
    expect(taken).toBeLessThan(requests);
    const kept = station.facts();
    expect(kept).toHaveLength(taken);
    for (const record of kept) {
      const { facts } = await station.open(record);
      const ofEndpoint = told.filter(
        ({ base }) => base.endpoint.id === endpointId(record.endpoint),
      );
      const isMeant = ofEndpoint.some(({ base }) => keptMeaning(base) === JSON.stringify(facts));
      const isKnown = ofEndpoint.some(
        ({ base, request }) => isUnbound(base) || sdkTakes(base.provider, request, base.sender),
      );
      expect(isMeant || isKnown, record.provider).toBe(true);
    }
    const [good] = bases;
    if (good !== undefined) expect(await send(good.request)).toBeLessThan(300);
  });
});
