// Refusals are explained and kept after they were answered, credentials counted, and a flood or an absent
// Postgres costs deliveries nothing.

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { CredentialUse, DiagnosisStore, KeptRefusal } from '../../runtime/diagnosis-store.js';
import { endpointId } from '../../schemas/ids.js';
import { agentClass, contentTypeClass, maskedNetwork } from '../../ingest/refusal-record.js';
import {
  authToken,
  completedCall,
  deliver,
  endpoints,
  publicBaseUrl,
  startStation,
  twilioEndpoint,
  twilioForm,
  type Station,
} from './station.js';
import { live } from './stored-deliveries.js';

interface MemoryStoreOptions {
  readonly retired?: readonly Readonly<Record<string, string>>[];
  readonly isAway?: () => boolean;
}

/** A store that remembers; rejects while Postgres is `away`, never answers a look-up then. */
function memoryStore({ retired = [], isAway = () => false }: MemoryStoreOptions = {}) {
  const refusals: KeptRefusal[] = [];
  const uses: CredentialUse[] = [];
  const write =
    <T>(into: T[]) =>
    (rows: readonly T[]): Promise<void> => {
      if (isAway()) return Promise.reject(new Error('away'));
      into.push(...rows);
      return Promise.resolve();
    };
  const store: DiagnosisStore = {
    writeRefusals: write(refusals),
    writeUses: write(uses),
    retiredCredentials: () => (isAway() ? new Promise(() => undefined) : Promise.resolve(retired)),
    sweep: () => Promise.resolve(),
  };
  return { store, refusals, uses };
}

let station: Station;

const until = (what: string, isReached: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(isReached(), what).toBe(true), 10_000);
afterEach(() => station.stop());

const counted = async (name: string, labels: string): Promise<number> => {
  const text = await station.metrics.getSingleMetricAsString(name);
  const line = text.split('\n').find((one) => one.includes(labels));
  return Number(line?.split(' ').at(-1) ?? 0);
};

const form = twilioForm(completedCall());
const wrong = { ...form.headers, 'x-twilio-signature': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' };

describe('a refusal', () => {
  it('is answered as ever, and then explained in the list, in a metric and in a log line', async () => {
    const { store, refusals } = memoryStore();
    const configured = endpoints({ publicBaseUrl: publicBaseUrl.replace('https:', 'http:') });
    station = await startStation({ diagnosisStore: store, endpoints: configured });
    const answer = await deliver(station, form, {
      headers: {
        ...form.headers,
        'user-agent': 'TwilioProxy/1.1',
        'x-correlation-id': 'find-me-again',
      },
    });
    expect(answer.status).toBe(403);
    expect(await answer.text()).not.toMatch(/scheme|http|signature/);
    await until('the refusal to be written', () => refusals.length === 1);
    expect(refusals[0]).toMatchObject({
      ...{ tenant: 'acme', endpoint: twilioEndpoint, layer: 'signature' },
      ...{ code: 'signature_mismatch', cause: 'url_scheme', also: null, offsetMs: null },
      ...{ contentType: 'application/x-www-form-urlencoded', agent: 'TwilioProxy' },
      ...{ network: '127.0.0.0/24', correlationId: 'find-me-again', unwritten: 0, method: 'POST' },
    });
    const labels = 'provider="twilio",cause="url_scheme"';
    expect(await counted('trunkline_ingest_refusals_explained_total', labels)).toBe(1);
    const line = station.lines.find(({ fields }) => fields['code'] === 'refusal_explained');
    expect(line?.fields).toMatchObject({ cause: 'url_scheme', endpoint: twilioEndpoint });
    const told = JSON.stringify([refusals, station.lines]);
    expect(told).not.toMatch(/\+1555|CA0000|fixture-token|127\.0\.0\.1/);
  });

  it('finds the credential that has ended, and another endpoint of the tenant, never another tenant’s', async () => {
    const { store, refusals } = memoryStore({ retired: [{ authToken }] });
    const [twilio, telnyx] = endpoints({ credentials: [live({ authToken: 'new' })] });
    if (twilio === undefined || telnyx === undefined) throw new Error('no endpoints');
    station = await startStation({ diagnosisStore: store, endpoints: [twilio] });
    await deliver(station, form);
    await until('the first', () => refusals.length === 1);
    expect(refusals[0]?.cause).toBe('credential_retired');
    await station.stop();
    const second = memoryStore();
    const other = {
      ...twilio,
      id: endpointId('ep_OtherOtherOther1'),
      credentials: [live({ authToken })],
    };
    station = await startStation({ diagnosisStore: second.store, endpoints: [twilio, other] });
    await deliver(station, form);
    await until('the second', () => second.refusals.length === 1);
    expect(second.refusals[0]).toMatchObject({
      cause: 'credential_of_other_endpoint',
      other: other.id,
    });
    await station.stop();
    const third = memoryStore();
    const foreign = { ...other, tenant: telnyx.tenant };
    station = await startStation({ diagnosisStore: third.store, endpoints: [twilio, foreign] });
    await deliver(station, form);
    await until('the third', () => third.refusals.length === 1);
    expect(third.refusals[0]).toMatchObject({ cause: 'unknown', other: null });
  });

  it('by another layer is listed with what to do about it', async () => {
    const { store, refusals } = memoryStore();
    station = await startStation({
      diagnosisStore: store,
      endpoints: endpoints({ allow: ['203.0.113.0/24'] }),
    });
    await deliver(station, form);
    await deliver(station, form, { headers: { 'content-type': 'text/plain' } });
    await deliver(station, { ...form, target: '/v1/webhooks/ep_NobodyNobody0001' });
    await until('two rows', () => refusals.length === 2);
    expect(refusals.map(({ cause }) => cause)).toEqual(['address_not_allowed', 'media_type']);
  });
});

describe('a flood of forged deliveries', () => {
  it('is examined a few times, counted all the times, and shown by its number', async () => {
    const { store, refusals } = memoryStore();
    station = await startStation({ diagnosisStore: store });
    const total = 120;
    for (let n = 0; n < total; n += 1) await deliver(station, form, { headers: wrong });
    await until('rows', () => refusals.length >= 40);
    const name = 'trunkline_ingest_refusals_explained_total';
    const unknown = await counted(name, 'provider="twilio",cause="unknown"');
    const skipped = await counted(name, 'provider="twilio",cause="not_examined"');
    expect(unknown + skipped).toBe(total);
    expect(unknown).toBeLessThan(30);
    const unwritten = await counted('trunkline_ingest_refusals_unwritten_total', 'reason="flood"');
    expect(unwritten).toBeGreaterThan(50);
    await station.stop();
    expect(refusals.length + unwritten).toBe(total);
    station = await startStation();
  });
});

describe('while Postgres is away', () => {
  it('deliveries are answered at once; refusals and uses wait, and arrive when it is back', async () => {
    let isAway = true;
    const { store, refusals, uses } = memoryStore({ isAway: () => isAway });
    station = await startStation({ diagnosisStore: store });
    expect((await deliver(station, form)).status).toBe(204);
    expect((await deliver(station, form, { headers: wrong })).status).toBe(403);
    await until('the write to fail', () =>
      station.lines.some(({ fields }) => fields['code'] === 'refusals_unwritten'),
    );
    isAway = false;
    await until('the row', () => refusals.length === 1);
    await station.stop();
    expect(uses).toMatchObject([{ endpoint: twilioEndpoint, uses: 1 }]);
    station = await startStation();
  });

  it('what could not be written by the end is counted', async () => {
    const { store } = memoryStore({ isAway: () => true });
    station = await startStation({ diagnosisStore: store });
    await deliver(station, form, { headers: wrong });
    await station.stop();
    expect(await counted('trunkline_ingest_refusals_unwritten_total', 'reason="stopping"')).toBe(1);
    station = await startStation();
  });
});

describe('credentials', () => {
  it('are counted, old ones apart, and one that is used in its last hour is warned of', async () => {
    const { store, uses } = memoryStore();
    const old = { id: '1', value: { authToken }, isRetiring: true, endsAt: Date.now() + 600_000 };
    const credentials = [live({ authToken: 'the new one' }, '2'), old];
    station = await startStation({ diagnosisStore: store, endpoints: endpoints({ credentials }) });
    for (let n = 0; n < 3; n += 1) expect((await deliver(station, form)).status).toBe(204);
    const labels = 'provider="twilio",age="retiring"';
    expect(await counted('trunkline_ingest_credential_uses_total', labels)).toBe(3);
    await station.stop();
    expect(uses).toMatchObject([
      { tenant: 'acme', endpoint: twilioEndpoint, credential: '1', uses: 3 },
    ]);
    const line = station.lines.find(({ fields }) => fields['code'] === 'old_credential_used');
    expect(line?.fields).toMatchObject({ endpoint: twilioEndpoint, minutesLeft: 10 });
    station = await startStation();
  });
});

it('what is kept of a request are classes and networks', async () => {
  station = await startStation();
  expect(maskedNetwork('192.0.2.77')).toBe('192.0.2.0/24');
  expect(maskedNetwork('::ffff:192.0.2.77')).toBe('192.0.2.0/24');
  expect(maskedNetwork('2001:db8:1:2::9')).toBe('2001:db8:1::/48');
  expect(maskedNetwork('nonsense')).toBe('');
  expect(contentTypeClass('Application/JSON; charset=utf-8')).toBe('application/json');
  expect(contentTypeClass('application/x-secret')).toBe('other');
  expect(contentTypeClass(undefined)).toBe(null);
  expect(agentClass('TwilioProxy/1.1')).toBe('TwilioProxy');
  expect(agentClass('me@example.com')).toBe('other');
  expect(agentClass('')).toBe(null);
});
