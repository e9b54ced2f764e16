// Plivo: what its callbacks mean. (Its signatures: test/ingest/schemes/plivo.test.ts.)

import { describe, expect, it } from 'vitest';
import { acknowledgement } from '../../../ingest/providers/registry.js';
import { callOf, factsOf, messageOf, tell, tellForm } from './told.js';

const leg = { CallUUID: 'a-leg', ALegUUID: 'a-leg', From: '15005550006', To: '15555550123' };
const told = (fields: Record<string, string>) => tellForm('plivo', fields);
const hangup = (fields: Record<string, string>) =>
  callOf(told({ ...leg, Event: 'Hangup', ...fields }));

describe('Plivo', () => {
  it.each([
    ['completed', { type: 'status', status: 'completed' }],
    ['busy', { status: 'failed', cause: 'busy' }],
    ['no-answer', { status: 'failed', cause: 'no_answer' }],
    ['timeout', { status: 'failed', cause: 'no_answer' }],
    ['cancel', { status: 'failed', cause: 'canceled' }],
    ['failed', { status: 'failed', cause: 'provider' }],
    ['vanished', { type: 'hangup', cause: 'provider' }],
  ])('reads a hangup with status %s', (CallStatus, signal) => {
    expect(hangup({ CallStatus })).toMatchObject({ signal, order: { phase: 2 } });
  });

  it('reads why a call failed from its cause, and keeps the raw code', () => {
    const why = {
      CallStatus: 'failed',
      HangupCause: 'UNALLOCATED_NUMBER',
      HangupCauseCode: '2010',
    };
    expect(hangup(why)).toMatchObject({
      ...{ signal: { cause: 'invalid_number' }, providerCode: '2010' },
      details: { hangupCause: 'UNALLOCATED_NUMBER' },
    });
  });

  it('knows the hangup of an application that carries no event as the hangup it is', () => {
    const fields = { CallStatus: 'completed', HangupCause: 'NORMAL_CLEARING', Duration: '42' };
    const plain = callOf(told({ ...leg, ...fields }));
    expect(plain).toMatchObject({ signal: { status: 'completed' }, durationSec: 42 });
    expect(plain.factId).toBe(hangup(fields).factId);
  });

  it('reads its times as UTC, and orders what tells none by its phase', () => {
    const answered = callOf(
      told({ ...leg, Event: 'StartApp', SessionStart: '2026-10-01 10:00:09.500000' }),
    );
    expect(answered.occurredAt).toBe(Date.UTC(2026, 9, 1, 10, 0, 9, 500));
    const ring = callOf(told({ ...leg, Event: 'Ring', CallStatus: 'ringing' }));
    expect(ring).toMatchObject({ occurredAt: null, order: { phase: 0 } });
    expect(hangup({ CallStatus: 'completed', EndTime: '' }).occurredAt).toBeNull();
  });

  it('hangs a further leg under the call it names, and not a leg under itself', () => {
    expect(hangup({ CallStatus: 'busy' }).sessionRef).toBeNull();
    const other = hangup({ CallStatus: 'busy', CallUUID: 'b-leg' });
    expect(other).toMatchObject({ legRef: 'b-leg', sessionRef: 'a-leg', parentRef: null });
  });

  it('reads the dialled leg from the callback of a <Dial>', () => {
    const dialled = { CallUUID: 'a-leg', DialALegUUID: 'a-leg', DialBLegUUID: 'b-leg' };
    const answered = callOf(
      told({ ...dialled, DialBLegStatus: 'answer', DialBLegTo: '15555550177' }),
    );
    expect(answered).toMatchObject({
      ...{ legRef: 'b-leg', parentRef: 'a-leg', to: '+15555550177', direction: 'outbound' },
      signal: { status: 'answered' },
    });
    const over = callOf(
      told({ ...dialled, DialBLegStatus: 'hangup', DialBLegHangupCause: 'USER_BUSY' }),
    );
    expect(over).toMatchObject({ signal: { type: 'hangup', cause: 'busy' }, order: { phase: 2 } });
    const end = callOf(told({ ...leg, DialStatus: 'busy', DialBLegUUID: 'b-leg' }));
    expect(end).toMatchObject({
      ...{ legRef: 'a-leg', signal: { type: 'note' } },
      details: { dialStatus: 'busy', dialLegRef: 'b-leg' },
    });
  });

  it('says who answered', () => {
    const detected = (Machine: string) =>
      callOf(told({ ...leg, Event: 'MachineDetection', Machine })).details;
    expect(detected('true')).toEqual({ amd: 'machine' });
    expect(detected('false')).toEqual({ amd: 'human' });
  });

  it('knows a recording by its id, whichever callback tells of it', () => {
    const recording = { CallUUID: 'a-leg', RecordingID: 'r-1', RecordUrl: 'https://example.com/r' };
    const stopped = callOf(told({ ...recording, Event: 'RecordStop', RecordingDuration: '41' }));
    expect(stopped).toMatchObject({
      ...{ details: { recordingId: 'r-1', recordingSec: 41 }, occurredAt: null },
      personal: { recordingUrl: 'https://example.com/r' },
    });
    expect(callOf(told(recording)).factId).toBe(stopped.factId);
  });

  it('reads a GET from its URL', () => {
    const query = `?${new URLSearchParams({ ...leg, Event: 'Ring' }).toString()}`;
    expect(callOf(tell('plivo', { method: 'GET', query }))).toMatchObject({
      signal: { status: 'ringing' },
    });
  });

  it.each([
    ['the answer of a call', { ...leg, Event: 'StartApp' }, true],
    ['a redirect', { ...leg, Event: 'Redirect' }, true],
    ['the end of a <Dial>', { ...leg, DialStatus: 'completed' }, true],
    ['digits', { ...leg, Digits: '1' }, true],
    ['a hangup', { ...leg, Event: 'Hangup', CallStatus: 'completed' }, false],
    ['a ring', { ...leg, Event: 'Ring' }, false],
    ['a recording', { ...leg, Event: 'RecordStop', RecordUrl: 'https://example.com/r' }, false],
    ['a message', { MessageUUID: 'm', Text: 'hi' }, false],
  ])('is answered 200, with XML where it waits for it: %s', (_, fields, waits) => {
    const answer = acknowledgement(told(fields));
    expect(answer.status).toBe(200);
    expect(answer.body.includes('<Response/>')).toBe(waits);
  });

  it('tells menus and redirects of one call apart, and keeps digits out of what is shown', () => {
    const first = callOf(told({ ...leg, Event: 'Redirect', Digits: '4111111111111111' }));
    const second = callOf(told({ ...leg, Event: 'Redirect', Digits: '2' }));
    expect(first.factId).not.toBe(second.factId);
    expect(JSON.stringify(first)).not.toContain('4111');
  });

  it('reads messages: opt-out words, media, and how a sent one ended', () => {
    const message = { MessageUUID: 'm-1', From: '15555550142', To: '15005550006' };
    expect(messageOf(told({ ...message, Text: 'Stop', Type: 'sms', Units: '1' }))).toMatchObject({
      ...{ status: 'received', optOut: 'stop', from: '+15555550142', direction: 'inbound' },
      details: { segments: 1, messageType: 'sms' },
    });
    const media = { Media0: 'https://example.com/1.png', Media1: 'https://example.com/2.png' };
    expect(messageOf(told({ ...message, Text: '', ...media }))).toMatchObject({
      ...{ details: { mediaCount: 2 }, personal: { mediaUrl1: 'https://example.com/2.png' } },
    });
    const failed = messageOf(told({ ...message, Status: 'undelivered', ErrorCode: '450' }));
    expect(failed).toMatchObject({
      status: 'undelivered',
      providerCode: '450',
      order: { phase: 2 },
    });
    const [odd] = factsOf(told({ ...message, Status: 'vanished' }));
    expect(odd.kind).toBe('not_understood');
  });

  it('keeps what it does not know', () => {
    for (const fields of [{ Nothing: 'known' }, { CallUUID: 'a-leg' }, { Event: 'Ring' }]) {
      expect(factsOf(told(fields as Record<string, string>))[0].kind).toBe('not_understood');
    }
  });
});
