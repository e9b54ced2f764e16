// A delivery of many megabytes: taken where its provider sends such, kept without its bytes when no record
// can hold them, and refused everywhere else as before.

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { endpointId, tenantId } from '../../schemas/ids.js';
import { signAs } from './signing.js';
import { endpoints, publicBaseUrl, startStation, twilioEndpoint, type Station } from './station.js';
import { live, secretsOf } from './stored-deliveries.js';

const audioEndpoint = endpointId('ep_ElevenLabs000001');
let station: Station;

beforeEach(async () => {
  const own = {
    ...{ id: audioEndpoint, tenant: tenantId('acme'), provider: 'elevenlabs', name: 'agents' },
    ...{ publicBaseUrl, allow: [], ratePerSecond: null },
    credentials: [live(secretsOf('elevenlabs'))],
  };
  station = await startStation({ endpoints: [...endpoints(), own] });
});
afterEach(() => station.stop());

/** A delivery of sound of so many bytes, signed now. */
function sound(bytes: number) {
  const data = { agent_id: 'agent_1', conversation_id: 'conv_1' };
  const full_audio = Buffer.alloc(bytes, 0x55).toString('base64');
  const body = Buffer.from(
    JSON.stringify({
      type: 'post_call_audio',
      event_timestamp: Math.floor(Date.now() / 1000),
      data: { ...data, full_audio },
    }),
  );
  const target = `/v1/webhooks/${audioEndpoint}`;
  const headers = { 'content-type': 'application/json' };
  const request = { method: 'POST', url: publicBaseUrl + target, headers, body } as const;
  const signed = signAs('elevenlabs', request, secretsOf('elevenlabs'), Date.now());
  return { target, headers: { ...signed.headers }, body: signed.body };
}

const post = ({ target, headers, body }: ReturnType<typeof sound>): Promise<Response> =>
  fetch(station.url + target, { method: 'POST', headers, body: new Uint8Array(body) });

async function omitted(): Promise<number> {
  const metric = station.metrics.getSingleMetric('trunkline_ingest_bodies_omitted_total');
  return (await metric?.get())?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

/** Sends a body chunk by chunk, as ElevenLabs does: its length is not told beforehand. */
function chunked({ target, headers, body }: ReturnType<typeof sound>): Promise<Response> {
  const stream = new ReadableStream({
    start(controller) {
      for (let at = 0; at < body.length; at += 65_536) {
        controller.enqueue(new Uint8Array(body.subarray(at, at + 65_536)));
      }
      controller.close();
    },
  });
  const request: RequestInit & { readonly duplex: 'half' } = {
    ...{ method: 'POST', headers, body: stream, duplex: 'half' },
  };
  return fetch(station.url + target, request);
}

test('larger than a record: 200, and facts, digest and length are kept', async () => {
  const delivery = sound(6_000_000);
  const answer = await chunked(delivery);
  expect(answer.status).toBe(200);
  const [fact] = station.facts();
  if (fact === undefined) throw new Error('no record');
  const content = await station.open(fact);
  expect(content.facts).toMatchObject([
    { legRef: 'conv_1', signal: { type: 'note', name: 'recording' } },
  ]);
  expect(content.facts[0]).toMatchObject({ details: { recordingBytes: 6_000_000 } });
  expect(content.raw.body).toHaveLength(0);
  expect(content.raw.omitted).toEqual({
    sha256: createHash('sha256').update(delivery.body).digest('hex'),
    bytes: delivery.body.length,
  });
  expect(await omitted()).toBe(1);
  const line = station.lines.find(({ fields }) => fields['code'] === 'body_omitted');
  expect(line?.fields).toMatchObject({ provider: 'elevenlabs', bytes: delivery.body.length });
});

test('that fits a record is kept whole', async () => {
  const delivery = sound(1_500_000);
  expect((await post(delivery)).status).toBe(200);
  const [fact] = station.facts();
  if (fact === undefined) throw new Error('no record');
  const { raw } = await station.open(fact);
  expect(Buffer.from(raw.body).equals(delivery.body)).toBe(true);
  expect(raw).not.toHaveProperty('omitted');
  expect(await omitted()).toBe(0);
});

test('is refused when one byte of it changed, however large', async () => {
  const delivery = sound(2_000_000);
  delivery.body[1_000_000] = 0x41 ^ (delivery.body[1_000_000] ?? 0);
  expect((await post(delivery)).status).toBe(403);
  expect(station.facts()).toEqual([]);
});

test('has an end there too, and is not taken at other endpoints', async () => {
  const tooLarge = sound(26_000_000);
  await expect(statusOf(chunked(tooLarge))).resolves.toBe(413);
  const elsewhere = sound(1_500_000);
  for (const id of [twilioEndpoint, 'ep_NobodyNobody0001']) {
    const target = `/v1/webhooks/${id}`;
    expect((await post({ ...elsewhere, target })).status).toBe(413);
  }
  expect(station.facts()).toEqual([]);
});

/** The connection may be closed while the sender still writes: that is an answer too. */
const statusOf = (answer: Promise<Response>): Promise<number> =>
  answer.then(
    ({ status }) => status,
    () => 413,
  );
