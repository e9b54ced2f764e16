// CallRail: no field says what a delivery is about, and the URL is not signed. What its content means, and that
// the URL can make less of it and never more.

import { describe, expect, it } from 'vitest';
import { acknowledgement, mapDelivery, providerOf } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import { endpointOf, rawOf, secretsOf, stored } from '../stored-deliveries.js';
import { callOf, factsOf, messageOf, nowMs, tell, tellJson } from './told.js';

const beginning = {
  ...{ resource_id: 'CAL1', direction: 'inbound', start_time: '2026-10-01T03:00:00.236-07:00' },
  ...{ answered: false, call_type: 'missed', duration: '0', voicemail: false },
  ...{ customer_phone_number: '+15555550142', tracking_phone_number: '+15005550006' },
};
const startMs = Date.parse(beginning.start_time);
const told = (more: object, query = '') =>
  callOf(tellJson('callrail', { ...beginning, ...more }, { query }));

const files = ['pre-call', 'post-call', 'post-call-missed', 'post-call-voicemail', 'call-modified'];

/** A stored delivery at the endpoint's own URL, with another query. */
function at(file: string, target: string) {
  const raw = rawOf(stored(`callrail-${file}`), { target });
  const outcome = verifyDelivery(raw, endpointOf('callrail'), nowMs);
  if (!outcome.ok) throw new Error(outcome.code);
  return callOf(outcome.delivery);
}

describe('CallRail', () => {
  it.each(files)('reads %s the same at its own URL and at the endpoint’s', (file) => {
    const own = at(file, new URL(stored(`callrail-${file}`).url).pathname);
    expect(at(file, '/v1/webhooks/ep')).toEqual(own);
  });

  it('does not take a call that is about to ring for a missed one', () => {
    expect(told({})).toMatchObject({
      ...{ eventType: 'pre-call', signal: { status: 'ringing' }, order: { phase: 0 } },
      ...{ durationSec: null, providerCode: null, occurredAt: startMs },
    });
  });

  it.each([
    [
      { answered: true, duration: '91' },
      { status: 'completed', reason: null },
    ],
    [
      { voicemail: true, duration: '13' },
      { status: 'completed', reason: 'voicemail' },
    ],
    [{ duration: '22' }, { status: 'failed', cause: 'no_answer' }],
  ])('reads the end of a call: %o', (how, signal) => {
    const fact = told(how);
    expect(fact).toMatchObject({ eventType: 'post-call', signal, order: { phase: 2 } });
    expect(fact.durationSec).toBe(Number(how.duration));
    expect(fact.occurredAt).toBe(startMs + Number(how.duration) * 1000);
  });

  it('reads a call that was answered and has not lasted as being spoken', () => {
    expect(told({ answered: true })).toMatchObject({
      ...{ eventType: 'routing-complete', signal: { status: 'answered' } },
    });
  });

  it('reads a change as a note, each by itself, from its content or from its URL', () => {
    const over = { answered: true, duration: '91' };
    const byContent = told({ ...over, changes: ['tags'] });
    const byUrl = told(over, '?kind=call-modified');
    for (const fact of [byContent, byUrl]) {
      expect(fact).toMatchObject({ eventType: 'call-modified', signal: { type: 'note' } });
    }
    const again = told({ ...over, value: '120.00' }, '?kind=call-modified');
    expect(again.factId).not.toBe(byUrl.factId);
    expect(told(over, '?kind=call-modified').factId).toBe(byUrl.factId);
  });

  it('lets no URL make an end of a beginning', () => {
    for (const query of [
      '?kind=post-call',
      '?kind=post-call-missed',
      '?kind=pre-call&x=/post-call',
    ]) {
      expect(told({}, query)).toMatchObject({ signal: { status: 'ringing' } });
    }
    expect(at('pre-call', '/v1/webhooks/post-call')).toMatchObject({ eventType: 'pre-call' });
  });

  it('knows a report again by its kind and its call', () => {
    expect(told({ duration: '22', note: 'later' }).factId).toBe(told({ duration: '22' }).factId);
    expect(told({ duration: '22' }).factId).not.toBe(told({}).factId);
  });

  it('names the parties by direction, and keeps names and texts out of what is shown', () => {
    expect(told({})).toMatchObject({ from: '+15555550142', to: '+15005550006' });
    const out = told({ direction: 'outbound', customer_name: 'Somebody', transcription: 'hello' });
    expect(out).toMatchObject({
      ...{ from: '+15005550006', to: '+15555550142' },
      personal: { callerName: 'Somebody', transcript: 'hello' },
    });
    expect(JSON.stringify(out.details)).not.toMatch(/Somebody|hello/);
  });

  it('counts the recording of a call once', () => {
    const recorded = told({ duration: '91', recording: 'https://example.com/r' });
    expect(recorded).toMatchObject({
      details: { recordingId: 'CAL1', recordingStatus: 'completed' },
      personal: { recordingUrl: 'https://example.com/r' },
    });
  });

  it('reads a text message and its opt-out word', () => {
    const text = { resource_id: 'MSG1', source_number: '+15555550142', direction: 'inbound' };
    expect(messageOf(tellJson('callrail', { ...text, content: 'STOP' }))).toMatchObject({
      ...{ status: 'received', optOut: 'stop', from: '+15555550142', body: 'STOP' },
    });
    const sent = tellJson('callrail', { ...text, direction: 'outbound', content: 'stop' });
    expect(messageOf(sent)).toMatchObject({ direction: 'outbound', status: 'sent', optOut: null });
  });

  it('answers 204 and keeps what it does not know: a form, a list, no JSON', () => {
    const form = { resource_id: 'FRM1', form_data: { email: 'x' } };
    for (const body of [JSON.stringify(form), '[]', '{', 'a=b']) {
      const delivery = tell('callrail', { body });
      expect(factsOf(delivery)[0].kind).toBe('not_understood');
      expect(acknowledgement(delivery)).toMatchObject({ status: 204, body: '' });
    }
    const unknown = mapDelivery(tellJson('callrail', form)).facts[0];
    expect(JSON.stringify(unknown)).not.toContain('email');
  });

  it('refuses the deliveries of another company than the one configured', () => {
    const delivery = stored('callrail-post-call');
    const judge = (companyId: string) => {
      const endpoint = endpointOf('callrail', [{ ...secretsOf('callrail'), companyId }]);
      return verifyDelivery(rawOf(delivery), endpoint, nowMs);
    };
    expect(judge('COMfixture000000000000000000000001').ok).toBe(true);
    expect(judge('155920786').ok).toBe(true);
    expect(judge('COM2')).toMatchObject({ code: 'account_mismatch' });
  });

  it('refuses the deprecated form in the query, which nothing signs', () => {
    const { headers } = rawOf(stored('callrail-pre-call'));
    const get = { method: 'GET' as const, url: 'https://hooks.example.com/x?callernum=1', headers };
    const verdict = providerOf('callrail').verify(
      { ...get, body: Buffer.alloc(0) },
      [secretsOf('callrail')],
      nowMs,
    );
    expect(verdict).toMatchObject({ code: 'body_not_signed' });
  });
});
