// Vonage, judged by its SDK and by the rows of the provider sheet where the SDK is wrong.

import { verifySignature } from '@vonage/jwt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acknowledgement, mapDelivery, providerOf } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import type { ProviderFact } from '../../../schemas/facts.js';
import type { VerifiedDelivery } from '../../../schemas/stages.js';
import { signAs } from '../signing.js';
import {
  endpointOf,
  publicBase,
  rawOf,
  secretsOf,
  stored,
  storedDeliveries,
} from '../stored-deliveries.js';

const url = `${publicBase}/v1/webhooks/ep_0000000000000001`;
const nowMs = 1_790_848_800_000;
const secrets = secretsOf('vonage');
const json = { 'content-type': 'application/json' };

function delivered(fields: object | string, atMs = nowMs): VerifiedDelivery {
  const body = Buffer.from(typeof fields === 'string' ? fields : JSON.stringify(fields));
  const signed = signAs('vonage', { method: 'POST', url, headers: json, body }, secrets, atMs);
  return verifiedOf(signed, atMs);
}

function asked(query: Record<string, string>, atMs = nowMs): VerifiedDelivery {
  const full = `${url}?${new URLSearchParams(query).toString()}`;
  const request = { method: 'GET', url: full, headers: {}, body: Buffer.alloc(0) } as const;
  return verifiedOf(signAs('vonage', request, secrets, atMs), atMs);
}

function verifiedOf(signed: ReturnType<typeof signAs>, atMs: number): VerifiedDelivery {
  const raw = rawOf(stored('vonage-event-1-started'), {
    ...{ method: signed.method, target: signed.url.slice(publicBase.length), body: signed.body },
    ...{ headers: new Map(Object.entries(signed.headers)), receivedAt: atMs },
  });
  const outcome = verifyDelivery(raw, endpointOf('vonage'), atMs);
  if (!outcome.ok) throw new Error(outcome.code);
  return outcome.delivery;
}

const factsOf = (delivery: VerifiedDelivery) => mapDelivery(delivery).facts;
const factOf = (fields: object | string, atMs?: number): ProviderFact =>
  factsOf(delivered(fields, atMs))[0];

const leg = {
  ...{ from: '15005550006', to: '15555550123', uuid: 'a-leg', conversation_uuid: 'CON-1' },
  ...{ direction: 'outbound', timestamp: '2026-10-01T10:00:00.000Z' },
};

describe('Vonage', () => {
  it('has every token of the stored deliveries accepted by its SDK', () => {
    for (const { provider, headers } of storedDeliveries) {
      if (provider !== 'vonage') continue;
      const token = (headers['Authorization'] ?? '').replace('Bearer ', '');
      expect(verifySignature(token, secrets['signatureSecret'] ?? '')).toBe(true);
    }
  });

  it('signs so that its SDK and we accept it, whatever the content', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const body = Buffer.from(JSON.stringify(value));
        const request = { method: 'POST', url, headers: json, body } as const;
        const { headers } = signAs('vonage', request, secrets, nowMs);
        const token = (headers['authorization'] ?? '').replace('Bearer ', '');
        expect(verifySignature(token, secrets['signatureSecret'] ?? '')).toBe(true);
        expect(factsOf(delivered(JSON.stringify(value))).length).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });

  it('refuses a delivery of another account or application than the one configured', () => {
    const delivery = stored('vonage-event-1-started');
    for (const [name, code] of [
      ['apiKey', 'account_mismatch'],
      ['applicationId', 'account_mismatch'],
      ['signatureSecret', 'signature_mismatch'],
    ] as const) {
      const endpoint = endpointOf('vonage', [{ ...secrets, [name]: 'of-somebody-else' }]);
      const outcome = verifyDelivery(rawOf(delivery), endpoint, nowMs);
      expect(outcome).toMatchObject({ ok: false, code });
    }
    const { signatureSecret = '' } = secrets;
    const alone = endpointOf('vonage', [{ signatureSecret }]);
    expect(verifyDelivery(rawOf(delivery), alone, nowMs).ok).toBe(true);
  });

  it('refuses an unsigned callback, which Vonage may send after an error of its own', () => {
    const raw = rawOf(stored('vonage-event-1-started'), { headers: new Map() });
    const outcome = verifyDelivery(raw, endpointOf('vonage'), nowMs);
    expect(outcome).toMatchObject({ layer: 'signature', code: 'signature_missing' });
  });

  it('says when it was signed', () => {
    expect(delivered(leg).signedAtMs).toBe(nowMs);
  });

  it('knows an event sent again under a new token, and the next one of the same leg', () => {
    const started = { ...leg, status: 'started' };
    const again = factOf(started, nowMs + 60_000);
    expect(again.factId).toBe(factOf(started).factId);
    expect(again.factId).not.toBe(factOf({ ...leg, status: 'ringing' }).factId);
    const later = { ...started, timestamp: '2026-10-01T10:00:01.000Z' };
    expect(again.factId).not.toBe(factOf(later).factId);
  });

  it('knows the request of a call by its token, whose query nothing binds', () => {
    const query = { to: '15005550006', from: '15555550142', uuid: 'in', conversation_uuid: 'C' };
    const [first] = factsOf(asked(query));
    const token = asked(query).raw.headers;
    const other = rawOf(stored('vonage-answer-get'), {
      ...{ headers: token, receivedAt: nowMs },
      target: `/v1/webhooks/ep?${new URLSearchParams({ ...query, from: '15555550199' }).toString()}`,
    });
    const outcome = verifyDelivery(other, endpointOf('vonage'), nowMs);
    if (!outcome.ok) throw new Error(outcome.code);
    expect(factsOf(outcome.delivery)[0].factId).toBe(first.factId);
    expect(first).toMatchObject({
      ...{ direction: 'inbound', from: '+15555550142', occurredAt: nowMs },
      order: { phase: 0, atUs: nowMs * 1000 + 999_999 },
    });
  });

  it('does not take the token of an event for a request of a call', () => {
    const event = delivered({ ...leg, status: 'started' });
    const raw = { ...event.raw, method: 'GET' as const, body: Buffer.alloc(0) };
    const outcome = verifyDelivery(raw, endpointOf('vonage'), nowMs);
    expect(outcome).toMatchObject({ code: 'body_digest_mismatch' });
  });

  it('answers a request of a call with an empty NCCO, by GET and by POST, and nothing else', () => {
    const { timestamp, direction, ...query } = leg;
    for (const delivery of [asked(query), delivered(query)]) {
      expect(acknowledgement(delivery)).toMatchObject({ status: 200, body: '[]' });
    }
    for (const more of [{ status: 'answered' }, { dtmf: '1' }]) {
      const answer = acknowledgement(delivered({ ...query, timestamp, direction, ...more }));
      expect(answer).toMatchObject({ status: 204, body: '' });
    }
  });

  it.each([
    ['started', { status: 'initiated' }],
    ['ringing', { status: 'ringing' }],
    ['answered', { status: 'answered' }],
    ['completed', { status: 'completed' }],
    ['disconnected', { status: 'completed' }],
    ['busy', { status: 'failed', cause: 'busy' }],
    ['unanswered', { status: 'failed', cause: 'no_answer' }],
    ['timeout', { status: 'failed', cause: 'no_answer' }],
    ['cancelled', { status: 'failed', cause: 'canceled' }],
    ['rejected', { status: 'failed', cause: 'rejected' }],
    ['failed', { status: 'failed', cause: 'provider' }],
    ['machine', { type: 'note', name: 'amd' }],
  ])('reads %s', (status, signal) => {
    expect(factOf({ ...leg, status })).toMatchObject({ kind: 'call', signal });
  });

  it('reads why a call failed from its detail', () => {
    const fact = factOf({ ...leg, status: 'failed', detail: 'number_out_of_service' });
    expect(fact).toMatchObject({
      ...{ signal: { cause: 'invalid_number' }, providerCode: 'number_out_of_service' },
      order: { phase: 2 },
    });
  });

  it('keeps a status it does not know as a fact of its leg', () => {
    const fact = factOf({ ...leg, status: 'levitating' });
    expect(fact).toMatchObject({ kind: 'not_understood', legRef: 'a-leg' });
    for (const none of ['[]', '{', '"text"', '{}', '{"status":"answered"}']) {
      expect(factOf(none).kind).toBe('not_understood');
    }
  });

  it('reads the price of a call as a number, and puts the plus before every number', () => {
    expect(
      factOf({ ...leg, status: 'completed', duration: '42', price: '0.00315000' }),
    ).toMatchObject({
      ...{ durationSec: 42, from: '+15005550006', to: '+15555550123' },
      details: { price: 0.00315 },
    });
  });

  it('knows a recording by its own id and hangs it under its conversation', () => {
    const [fact] = mapDelivery(delivered(stored('vonage-event-6-record').rawBody)).facts;
    expect(fact).toMatchObject({
      legRef: 'CON-b2f7daa3-5587-468f-aba9-e57278fa79b1',
      sessionRef: 'CON-b2f7daa3-5587-468f-aba9-e57278fa79b1',
      signal: { type: 'note', name: 'recording' },
      details: { recordingStatus: 'completed', recordingBytes: 12222, recordingSec: 41 },
      personal: { recordingUrl: expect.stringContaining('https://') as unknown },
    });
  });

  it('hangs the conversation that a call goes on in under the one it began in', () => {
    const [told, joined] = mapDelivery(delivered(stored('vonage-event-5-transfer').rawBody)).facts;
    expect(told).toMatchObject({ signal: { type: 'status', status: 'transferring' } });
    expect(joined).toMatchObject({
      legRef: 'CON-d2b1b8bd-5e76-42cc-ad3a-e81852bbb9ef',
      parentRef: 'CON-b2f7daa3-5587-468f-aba9-e57278fa79b1',
    });
  });

  it('keeps what somebody typed on the phone out of what is shown', () => {
    const fact = factOf({ ...leg, dtmf: { digits: '4111111111111111', timed_out: false } });
    expect(JSON.stringify(fact)).not.toContain('4111');
  });

  it('reads messages: opt-out words, media, and how a sent one ended', () => {
    const message = {
      ...{ channel: 'sms', message_uuid: 'm-1', from: '15555550142', to: '15005550006' },
      timestamp: '2026-10-01T10:00:00.000Z',
    };
    const inbound = factOf({ ...message, text: ' stop ', message_type: 'text' });
    expect(inbound).toMatchObject({
      ...{ kind: 'message', status: 'received', optOut: 'stop', body: ' stop ' },
      ...{ from: '+15555550142', order: { phase: 0 } },
    });
    const picture = factOf({ ...message, image: { url: 'https://example.com/1.png' } });
    expect(picture).toMatchObject({
      ...{ details: { mediaCount: 1 }, personal: { mediaUrl0: 'https://example.com/1.png' } },
    });
    const error = { type: 'https://developer.vonage.com/api-errors/messages#1250', title: 1250 };
    expect(factOf({ ...message, status: 'undeliverable', error })).toMatchObject({
      ...{ status: 'undelivered', providerStatus: 'undeliverable', providerCode: '1250' },
      ...{ direction: 'outbound', body: null },
    });
    expect(factOf({ ...message, status: 'pondering' }).kind).toBe('not_understood');
  });

  it('has a guide that names every credential', () => {
    const { guide } = providerOf('vonage');
    expect(Object.keys(guide.credentials).sort()).toEqual(Object.keys(secrets).sort());
  });
});
