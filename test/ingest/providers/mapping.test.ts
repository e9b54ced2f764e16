// Mapping of what nobody foresaw: it never throws, always gives a fact, and shows nothing of the content.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acknowledgement, mapDelivery } from '../../../ingest/providers/registry.js';
import type { ProviderName } from '../../../schemas/facts.js';
import { endpointId, tenantId } from '../../../schemas/ids.js';
import type { VerifiedDelivery } from '../../../schemas/stages.js';
import { storedDeliveries } from '../stored-deliveries.js';

const base = 'https://hooks.example.com/v1/webhooks/ep';

function delivery(
  provider: ProviderName,
  body: string | Buffer,
  change: { url?: string; receivedAt?: number; tenant?: string } = {},
): VerifiedDelivery {
  const { url = base, receivedAt = 1_790_848_800_000, tenant = 'acme' } = change;
  return {
    tenant: tenantId(tenant),
    provider,
    url,
    raw: {
      endpoint: endpointId('ep_0000000000000001'),
      method: 'POST',
      target: url.slice('https://hooks.example.com'.length),
      headers: new Map(),
      body: Buffer.from(body),
      clientAddress: '192.0.2.1',
      receivedAt,
      correlationId: 'test',
    },
  } as unknown as VerifiedDelivery;
}

const json = `${base}?bodySHA256=0`;
const form = (fields: Record<string, string>): string => new URLSearchParams(fields).toString();
const factOf = (given: VerifiedDelivery) => mapDelivery(given).facts[0];
const telnyx = (type: string, payload: unknown, id = 'e1'): VerifiedDelivery =>
  delivery(
    'telnyx',
    JSON.stringify({
      data: { event_type: type, id, occurred_at: '2026-10-01T10:00:00.5Z', payload },
    }),
  );

describe('content that cannot be read', () => {
  it('is a fact that says so without repeating it', () => {
    const odd = [
      delivery('twilio', 'Nothing=known'),
      delivery('twilio', ''),
      delivery('twilio', form({ CallSid: 'CA1', CallStatus: 'exploded', Timestamp: 'x' })),
      delivery('twilio', form({ MessageSid: 'SM1', MessageStatus: 'vanished' })),
      delivery('twilio', 'not json', { url: json }),
      delivery('twilio', '[]', { url: json }),
      delivery('twilio', '[7]', { url: json }),
      delivery('twilio', '[{"id":"E1","type":"+12125550142","data":"{"}]', { url: json }),
      delivery('telnyx', 'not json'),
      delivery('telnyx', '{"data":{}}'),
      telnyx('call.answered', {}),
      telnyx('call.unheard.of', { call_leg_id: 'leg' }),
      telnyx('message.finalized', { id: 'm1', to: [{ status: 'unknown' }] }),
    ];
    const ids = new Set<string>();
    for (const given of odd) {
      const fact = factOf(given);
      expect(fact.kind).toBe('not_understood');
      expect(JSON.stringify(fact)).not.toMatch(/5550142|exploded|vanished/);
      ids.add(fact.factId);
    }
    expect(ids.size).toBe(odd.length);
  });

  it('keeps the leg it names', () => {
    expect(factOf(telnyx('call.unheard.of', { call_leg_id: 'leg-1' }))).toMatchObject({
      kind: 'not_understood',
      legRef: 'leg-1',
      eventType: 'call.unheard.of',
    });
  });

  it('never throws and always gives a fact and an answer, whatever the bytes', () => {
    const mutated = fc
      .record({
        from: fc.constantFrom(...storedDeliveries),
        cut: fc.nat(),
        junk: fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
      })
      .map(({ from, cut, junk }) => {
        const bytes = Buffer.from(from.rawBody);
        const at = bytes.length === 0 ? 0 : cut % bytes.length;
        const body = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(junk),
          bytes.subarray(at + 3),
        ]);
        return delivery(from.provider, body, { url: from.url });
      });
    fc.assert(
      fc.property(mutated, (given) => {
        const { facts } = mapDelivery(given);
        expect(facts.length).toBeGreaterThan(0);
        expect([200, 204]).toContain(acknowledgement(given).status);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('identity', () => {
  const status = form({
    CallSid: 'CA1',
    CallStatus: 'ringing',
    SequenceNumber: '1',
    AccountSid: 'AC1',
  });

  it('does not depend on when or how often a delivery comes', () => {
    const first = factOf(delivery('twilio', status));
    const again = factOf(delivery('twilio', status, { receivedAt: 1_790_848_999_000 }));
    expect(again.factId).toBe(first.factId);
  });

  it('differs between tenants, statuses, sequences and legs', () => {
    const changes = [
      delivery('twilio', status),
      delivery('twilio', status, { tenant: 'other' }),
      delivery('twilio', status.replace('ringing', 'busy')),
      delivery('twilio', status.replace('Number=1', 'Number=2')),
      delivery('twilio', status.replace('CA1', 'CA2')),
    ];
    expect(new Set(changes.map((given) => factOf(given).factId)).size).toBe(changes.length);
  });

  it('cannot be made equal by moving a character from one part to the next', () => {
    const one = form({
      CallSid: 'CA1',
      CallStatus: 'ringing',
      SequenceNumber: '11',
      AccountSid: 'AC1',
    });
    const two = form({
      CallSid: 'CA11',
      CallStatus: 'ringing',
      SequenceNumber: '1',
      AccountSid: 'AC1',
    });
    expect(factOf(delivery('twilio', one)).factId).not.toBe(factOf(delivery('twilio', two)).factId);
  });
});

describe('values', () => {
  it('that look like a number to dial are kept out of what is shown as it is', () => {
    const fact = factOf(
      telnyx('call.enqueued', {
        call_leg_id: 'leg',
        queue: '+1 212 555 0142',
        from: '+12125550142',
      }),
    );
    const { from, personal, ...open } = { personal: null, from: null, ...fact };
    expect(JSON.stringify(open)).not.toContain('555');
    expect([from, personal]).toEqual(['+12125550142', {}]);
  });

  it('of one event in a queue, with a price or a cause of failure are read', () => {
    expect(
      factOf(
        telnyx('call.hangup', { call_leg_id: 'l', hangup_cause: 'odd', sip_hangup_cause: '503' }),
      ),
    ).toMatchObject({ signal: { type: 'hangup', cause: 'network' }, providerCode: 'odd' });
    expect(factOf(telnyx('call.refer.completed', { call_leg_id: 'l' }))).toMatchObject({
      signal: { status: 'completed', reason: 'transferred' },
      order: { phase: 2 },
    });
    expect(factOf(telnyx('call.dtmf.received', { call_leg_id: 'l', digit: '7' }))).toMatchObject({
      signal: { type: 'note', name: 'dtmf_received' },
      details: {},
    });
  });
});

describe('Twilio requests for instructions', () => {
  const request = (fields: Record<string, string>): VerifiedDelivery =>
    delivery('twilio', form({ CallSid: 'CA1', AccountSid: 'AC1', ...fields }));

  it('open an inbound call, answer an outbound one, and move nothing later on', () => {
    expect(factOf(request({ CallStatus: 'ringing', Direction: 'inbound' }))).toMatchObject({
      signal: { status: 'ringing' },
      order: { phase: 0 },
    });
    expect(factOf(request({ CallStatus: 'in-progress', Direction: 'outbound-api' }))).toMatchObject(
      {
        signal: { status: 'answered' },
        order: { phase: 1 },
      },
    );
    const menu = request({ CallStatus: 'in-progress', Direction: 'inbound', Digits: '1' });
    expect(factOf(menu)).toMatchObject({ signal: { type: 'note', name: 'voice_request' } });
    expect(acknowledgement(menu)).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
    });
  });
});

describe('a method that is not signed', () => {
  it('changes nothing: a POST without a body says what its URL says', () => {
    const fields = { CallSid: 'CA1', CallStatus: 'ringing', AccountSid: 'AC1' };
    const posted = delivery('twilio', '', { url: `${base}?${form(fields)}` });
    const got = { ...posted, raw: { ...posted.raw, method: 'GET' } } as VerifiedDelivery;
    expect(factOf(posted)).toEqual(factOf(got));
    expect(factOf(posted)).toMatchObject({ kind: 'call', legRef: 'CA1' });
  });
});
