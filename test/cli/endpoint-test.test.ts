// `endpoint test` against the station as it runs: every provider's own signature is taken and becomes a record,
// and what keeps a delivery away is said with its cause.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { hints } from '../../cli/endpoint-show.js';
import { testEndpoint, type LayerRow } from '../../cli/endpoint-test.js';
import { providerNames } from '../../ingest/providers/registry.js';
import type { DiagnosisStore, KeptRefusal } from '../../runtime/diagnosis-store.js';
import type { EndpointRow, RegistryStore } from '../../runtime/registry-store.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { startStation, type Station } from '../ingest/station.js';
import { accountOf, live } from '../ingest/stored-deliveries.js';

const refusals: KeptRefusal[] = [];
const diagnosisStore: DiagnosisStore = {
  writeRefusals: (rows) => Promise.resolve(void refusals.push(...rows)),
  writeUses: () => Promise.resolve(),
  retiredCredentials: () => Promise.resolve([]),
  sweep: () => Promise.resolve(),
};

const base = 'https://hooks.example.test';
const idOf = (provider: string, nth = 1) =>
  endpointId(`ep_${provider.replaceAll('-', '')}000000000000000`.slice(0, 20) + String(nth));

const endpointOf = (provider: string, change: Partial<Endpoint> = {}): Endpoint => ({
  ...{ id: idOf(provider), tenant: tenantId('acme'), provider, name: provider },
  ...{ publicBaseUrl: base, allow: [], ratePerSecond: null },
  credentials: [live(accountOf(provider).endpoint)],
  ...change,
});

const byProvider = new Map(providerNames.map((name) => [name, endpointOf(name)]));
const twilio = (nth: number, change: Partial<Endpoint>): Endpoint =>
  endpointOf('twilio', { id: idOf('twilio', nth), ...change });
const notAllowed = twilio(2, { allow: ['203.0.113.0/24'] });
const otherSecret = twilio(3, { credentials: [live({ authToken: 'what ingest knows' })] });
const unknown = twilio(4, {});

/** What the command reads of the registry, as the endpoint says. */
function storeOf(endpoint: Endpoint, credential = endpoint.credentials[0]?.value): RegistryStore {
  return {
    newestCredential: () => Promise.resolve(credential ?? null),
    refusalsOf: () => Promise.resolve(refusals.map((row, id) => ({ ...row, id })).reverse()),
  } as unknown as RegistryStore;
}

const rowOf = (endpoint: Endpoint): EndpointRow => ({
  ...endpoint,
  ...{ createdAt: new Date(), revokedAt: null, credentials: 1 },
});

let station: Station;
beforeAll(async () => {
  const endpoints = [...byProvider.values(), notAllowed, otherSecret];
  station = await startStation({ endpoints, diagnosisStore });
});
afterAll(() => station.stop());

const tested = (endpoint: Endpoint, store = storeOf(endpoint)): Promise<readonly LayerRow[]> =>
  testEndpoint(store, rowOf(endpoint), {
    publicUrl: base,
    to: `${station.url}/v1/webhooks/${endpoint.id}`,
  });

const verdicts = (rows: readonly LayerRow[]) =>
  Object.fromEntries(rows.map(({ layer, verdict }) => [layer, verdict]));

describe.each([...byProvider])('an endpoint of %s', (provider, endpoint) => {
  it('takes its own test, which becomes a record and nothing else', async () => {
    const before = station.facts().length;
    const rows = await tested(endpoint);
    expect(rows.filter(({ verdict }) => verdict === 'refused' || verdict === 'failed')).toEqual([]);
    if (provider === 'telnyx') {
      expect(rows.find(({ layer }) => layer === 'signature')?.detail).toContain('as it must be');
      expect(station.facts()).toHaveLength(before);
      return;
    }
    expect(rows.filter(({ verdict }) => verdict === 'ok')).toHaveLength(rows.length - 1);
    const fact = station.facts().find((one) => one.endpoint === endpoint.id);
    if (fact === undefined) throw new Error('no fact');
    const { facts } = await station.open(fact);
    expect(facts).toMatchObject([
      { kind: 'record', event: 'external.endpoint_tested', objectRef: endpoint.id },
    ]);
    expect(facts).toHaveLength(1);
  });
});

describe('what keeps a delivery away is said', () => {
  it('the source address: this machine is not in the list', async () => {
    const rows = await tested(notAllowed);
    const at = rows.findIndex(({ verdict }) => verdict === 'refused');
    expect(rows[at]).toMatchObject({ layer: 'source address' });
    expect(rows[at]?.detail).toContain('--allow');
    expect(rows.slice(0, at).every(({ verdict }) => verdict !== 'refused')).toBe(true);
    expect(rows[at + 1]).toMatchObject({ layer: 'signature', verdict: 'open' });
    expect(rows.at(-1)).toMatchObject({ layer: 'answer', verdict: 'failed' });
  });

  it('the signature: ingest serves another credential or another URL', async () => {
    const known = { authToken: 'what the registry knows' };
    const wrong = await tested(otherSecret, storeOf(otherSecret, known));
    expect(wrong.find(({ layer }) => layer === 'signature')?.detail).toMatch(/unknown: /);
    const moved = await testEndpoint(
      storeOf(otherSecret),
      { ...rowOf(otherSecret), publicBaseUrl: 'http://hooks.example.test' },
      { publicUrl: base, to: `${station.url}/v1/webhooks/${otherSecret.id}` },
    );
    expect(moved.find(({ layer }) => layer === 'signature')?.detail).toMatch(/url_scheme: /);
    expect(JSON.stringify([wrong, moved])).not.toContain('knows');
  });

  it('an endpoint that ingest does not know', async () => {
    expect(verdicts(await tested(unknown))).toMatchObject({ endpoint: 'refused' });
  }, 20_000);

  it('nothing that listens, no name, and something else that answers', async () => {
    const at = (to: string) =>
      testEndpoint(storeOf(unknown), rowOf(unknown), { publicUrl: base, to });
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    const { port } = nobody.address() as AddressInfo;
    await new Promise((resolve) => nobody.close(resolve));
    expect(await at(`http://127.0.0.1:${port}/`)).toMatchObject([
      { layer: 'reachable', verdict: 'failed' },
    ]);
    const telnyx = byProvider.get('telnyx');
    if (telnyx === undefined) throw new Error('no telnyx');
    const page = createServer((_, response) => response.writeHead(200).end('hello'));
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    const to = `http://127.0.0.1:${(page.address() as AddressInfo).port}/`;
    const rows = await testEndpoint(storeOf(telnyx), rowOf(telnyx), { publicUrl: base, to });
    expect(rows.at(-1)).toMatchObject({ layer: 'answer', verdict: 'failed' });
    expect(rows.at(-1)?.detail).toContain('not Trunkline');
    await new Promise((resolve) => page.close(resolve));
  });
});

it('hints name what cannot work before anything is sent', () => {
  const shown = (url: string) => hints({ row: rowOf(unknown), used: [], url, nowMs: 0 }).join('\n');
  expect(shown('http://localhost:8080/v1/webhooks/ep_x')).toMatch(
    /cannot reach localhost.*\n.*8080/,
  );
  expect(shown('http://hooks.example.test/v1/webhooks/ep_x')).toContain('in the clear');
  expect(shown('https://hooks.example.test/v1/webhooks/ep_x')).toBe('');
});
